"""The recorded graph from outside: hooks on saved tensors, nodes, versions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .._storage import storage_of
from .._tensor import Tensor
from .hooks import intercept_saving, packing
from .modes import intercept
from .node import Node as Node

__all__ = ["disable_saved_tensors_hooks", "increment_version", "save_on_cpu", "saved_tensors_hooks"]


class saved_tensors_hooks:
    """Context manager: what backward needs of the operations inside is kept in another form.

    `pack_hook(tensor)` gets each tensor that an operation saves and returns anything (it must not
    change the tensor in place); `unpack_hook` gets that back in backward and returns a Tensor of
    the same values. The innermost pair counts.
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if packing.disabled is not None:
            raise RuntimeError(packing.disabled)
        self._exit = ExitStack()
        if not packing.stack:
            self._exit.enter_context(intercept(intercept_saving))
        packing.stack = (*packing.stack, (self.pack_hook, self.unpack_hook))

    def __exit__(self, *_: Any) -> None:
        packing.stack = packing.stack[:-1]
        self._exit.close()


class save_on_cpu(saved_tensors_hooks):
    """Keep what backward needs in the CPU's memory, and bring it back when it is needed.

    `pin_memory` and `device_type` have no effect.
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(tensor: Tensor) -> Any:
            return tensor.device, tensor.to("cpu")

        def unpack(kept: Any) -> Tensor:
            device, tensor = kept
            moved: Tensor = tensor.to(device)
            return moved

        super().__init__(pack, unpack)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Context manager: entering `saved_tensors_hooks` raises RuntimeError with this message."""
    before, packing.disabled = packing.disabled, error_message
    try:
        yield
    finally:
        packing.disabled = before


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count an in-place write that was made where it could not be seen."""
    for each in (tensor,) if isinstance(tensor, Tensor) else tensor:
        storage_of(each).version += 1
