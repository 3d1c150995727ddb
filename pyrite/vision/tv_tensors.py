"""Tensors that know what they show, so that transforms of `transforms.v2` treat each rightly.

Operations give plain tensors; `clone`, `to`, `detach`, `requires_grad_` and copies keep the kind.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Self

from PIL import Image as pillow

from .. import Tensor, as_tensor
from ._pillow import pil_to_tensor

__all__ = [
    "BoundingBoxFormat", "BoundingBoxes", "Image", "KeyPoints", "Mask", "TVTensor", "Video", "wrap",
]  # fmt: skip


class TVTensor(Tensor):
    """Base of the kinds.

    Args:
        data: a tensor, which shares its memory, or what `as_tensor` takes.
        dtype, device: of the result; those of `data` if None.
        requires_grad: that of `data` if None.
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Self:
        return cls._made(data, dtype, device, requires_grad, {})

    @classmethod
    def _made(
        cls, data: Any, dtype: Any, device: Any, requires_grad: bool | None, about: dict[str, Any]
    ) -> Self:
        if isinstance(data, pillow.Image):
            data = pil_to_tensor(data)
        if requires_grad is None:
            requires_grad = isinstance(data, Tensor) and data.requires_grad
        tensor = as_tensor(data, dtype=dtype, device=device)
        return cls._of(cls._shaped(tensor.as_plain().requires_grad_(requires_grad)), about)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    @classmethod
    def _shaped(cls, tensor: Tensor) -> Tensor:
        """The tensor in the shape that the kind has; ValueError if that is impossible."""
        return tensor.as_plain()

    @classmethod
    def _of(cls, tensor: Tensor, about: dict[str, Any]) -> Self:
        out = object.__new__(cls)
        for slot in Tensor.__slots__[:-1]:
            setattr(out, slot, getattr(tensor, slot))
        out.__dict__.update(about)
        return out

    def _kept(self, tensor: Tensor) -> Self:
        return type(self)._of(tensor, self.__dict__)

    def clone(self, *args: Any, **kwargs: Any) -> Self:
        """A copy of the same kind."""
        return self._kept(self.as_plain().clone(*args, **kwargs))

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same kind in another type or on another device; see `Tensor.to`."""
        return self._kept(self.as_plain().to(*args, **kwargs))

    def detach(self) -> Self:
        """The same memory without history, of the same kind."""
        return self._kept(self.as_plain().detach())

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._kept(self.as_plain().__deepcopy__(memo))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _restored, (type(self), self.as_plain(), self.__dict__)

    def __repr__(self) -> str:
        about = "".join(f", {name}={value}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({repr(self.as_plain())[7:-1]}{about})"


def _restored(kind: type[TVTensor], tensor: Tensor, about: dict[str, Any]) -> TVTensor:
    return kind._of(tensor, about)


class Image(TVTensor):
    """An image (..., C, H, W), of a tensor or a Pillow image; two dimensions become (1, H, W)."""

    @classmethod
    def _shaped(cls, tensor: Tensor) -> Tensor:
        if tensor.ndim < 2:
            raise ValueError(f"Tensor must be 2D or higher, got {tensor.ndim}D tensor.")
        return tensor[None] if tensor.ndim == 2 else tensor


class Video(TVTensor):
    """Images (..., T, C, H, W) in their order in time."""

    @classmethod
    def _shaped(cls, tensor: Tensor) -> Tensor:
        if tensor.ndim < 4:
            raise ValueError(f"Tensor must be 4D or higher, got {tensor.ndim}D tensor.")
        return tensor


class Mask(TVTensor):
    """Masks for segmentation or detection, (..., H, W), of a tensor or a Pillow image."""


class BoundingBoxFormat(Enum):
    """Corners, a corner with width and height, or the centre with width and height."""

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image.

    Args:
        data: a tensor or nested lists; (4,) becomes (1, 4).
        format: of the numbers, a `BoundingBoxFormat` or its name.
        canvas_size: (height, width) of the image.
        clamping_mode: "soft" or "hard" keep boxes inside the image in transforms; None does not.
        dtype, device, requires_grad: see `TVTensor`.
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]
    clamping_mode: str | None

    def __new__(
        cls, data: Any, *, format: BoundingBoxFormat | str, canvas_size: tuple[int, int],
        clamping_mode: str | None = "soft", dtype: Any = None, device: Any = None,
        requires_grad: bool | None = None,
    ) -> Self:  # fmt: skip
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be None, hard or soft, got {clamping_mode}.")
        about: dict[str, Any] = {
            "format": box_format(format), "canvas_size": canvas_size, "clamping_mode": clamping_mode
        }  # fmt: skip
        return cls._made(data, dtype, device, requires_grad, about)

    @classmethod
    def _shaped(cls, tensor: Tensor) -> Tensor:
        if tensor.ndim not in (1, 2):
            raise ValueError(f"Expected a 1D or 2D tensor, got {tensor.ndim}D")
        return tensor[None] if tensor.ndim == 1 else tensor


class KeyPoints(TVTensor):
    """Points (..., 2), x and y, in an image of `canvas_size` (height, width)."""

    canvas_size: tuple[int, int]

    def __new__(
        cls, data: Any, *, canvas_size: tuple[int, int], dtype: Any = None, device: Any = None,
        requires_grad: bool | None = None,
    ) -> Self:  # fmt: skip
        return cls._made(data, dtype, device, requires_grad, {"canvas_size": canvas_size})

    @classmethod
    def _shaped(cls, tensor: Tensor) -> Tensor:
        tensor = tensor[None] if tensor.ndim == 1 else tensor
        if tensor.ndim < 2 or tensor.shape[-1] != 2:
            raise ValueError(f"Expected a tensor of shape (..., 2), not {tuple(tensor.shape)}")
        return tensor


def box_format(given: BoundingBoxFormat | str) -> BoundingBoxFormat:
    """A format by itself or its name; KeyError for an unknown name."""
    return given if isinstance(given, BoundingBoxFormat) else BoundingBoxFormat[given.upper()]


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as the kind that `like` is of, with what it knows, or else with `kwargs`."""
    return type(like)._of(wrappee.as_plain(), {**like.__dict__, **kwargs})
