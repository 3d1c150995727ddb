"""Parameters, and those of lazy modules, whose shape is not known yet."""

from __future__ import annotations

from typing import Any

from .._dtypes import dtype, get_default_dtype
from .._tensor import F, Parameter, Tensor
from ..autograd.modes import no_grad

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy"]


class Buffer(Tensor):
    """A tensor that becomes a Module's buffer when it is assigned to an attribute.

    Args:
        data: its value.
        persistent: whether it is part of the module's `state_dict`.
    """

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Buffer:
        return Tensor.__new__(cls)

    def __init__(self, data: Any = None, *, persistent: bool = True) -> None:
        source = F.empty((0,), get_default_dtype()) if data is None else data
        kept = source.detach()
        super().__init__(kept.array, source.requires_grad)
        self.storage, self.persistent = kept.storage, persistent


class UninitializedTensorMixin:
    """A tensor with dtype and device and, until `materialize`, neither shape nor elements."""

    cls_to_become: type = Tensor
    __slots__ = ()

    @property
    def shape(self) -> Any:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes."
        )

    def as_plain(self) -> Any:
        """ValueError: there are no elements to compute with."""
        raise ValueError(
            "Attempted to use an uninitialized parameter or buffer. Call `forward` of the lazy "
            "module with an example batch first, which tells its sizes."
        )

    def materialize(self: Any, shape: Any, device: Any = None, dtype: dtype | None = None) -> None:
        """Become a parameter or buffer of a shape, with memory that nothing was written to."""
        place = self.device if device is None else device
        with no_grad():
            memory = F.empty(tuple(shape), dtype or self.dtype, device=place)
        self.__class__ = self.cls_to_become
        self.data = memory

    def detach(self: Any) -> Any:
        """Itself: there is nothing to cut off."""
        return self

    def __repr__(self: Any) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self: Any, protocol: Any) -> Any:
        return type(self), (self._requires_grad, self.device, self.dtype)

    def __deepcopy__(self: Any, memo: dict[int, Any]) -> Any:
        return memo.setdefault(id(self), type(self)(self._requires_grad, self.device, self.dtype))


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter without a shape.

    Args:
        requires_grad: of the parameter that it becomes.
        device, dtype: of its memory.
    """

    cls_to_become = Parameter

    def __init__(
        self, requires_grad: bool = True, device: Any = None, dtype: dtype | None = None
    ) -> None:
        empty = F.empty((0,), dtype or get_default_dtype(), device=device)
        super().__init__(empty, requires_grad)

    def __new__(cls, *args: Any, **kwargs: Any) -> UninitializedParameter:
        return Tensor.__new__(cls)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer without a shape."""

    __slots__ = ()

    def __init__(
        self, requires_grad: bool = False, device: Any = None, dtype: dtype | None = None
    ) -> None:
        empty = F.empty((0,), dtype or get_default_dtype(), device=device)
        super().__init__(empty.array, requires_grad)


def is_lazy(param: Any) -> bool:
    """Whether a parameter or buffer waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)
