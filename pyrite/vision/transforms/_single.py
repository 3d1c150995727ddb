"""The transforms of one image, made of those of samples."""

from __future__ import annotations

from typing import Any, TypeVar

from PIL import Image as pillow

from ... import Tensor
from .._pillow import is_array
from ..tv_tensors import Image
from . import v2
from ._op import is_pure_tensor
from .v2._transform import Transform, check_type

Kind = TypeVar("Kind", bound=Transform)

_NAMES: dict[Any, str] = {
    Tensor: "a Tensor", is_pure_tensor: "a Tensor", Image: "an Image",
    pillow.Image: "a PIL Image", is_array: "an array",
}  # fmt: skip


class _OfOne(Transform):
    """Takes one image, and refuses what it cannot transform instead of leaving it as it is."""

    def forward(self, img: Any) -> Any:
        if not check_type(img, self._transformed_types):
            known = [_NAMES[kind] for kind in self._transformed_types if kind in _NAMES]
            raise TypeError(f"{type(self).__name__}() takes {' or '.join(known)}. Got {type(img)}")
        self.check_inputs([img])
        return self.transform(img, self.make_params([img])) if self._happens() else img

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        return functional(inpt, *args, **kwargs)


def of_one(kind: type[Kind], function: Any = None, name: str = "") -> type[Kind]:
    """The class for one image, with another function or name if given."""
    name = name or kind.__name__
    body = {"__doc__": kind.__doc__, "__module__": __package__, "__qualname__": name}
    does = kind.does if function is None else (function, *kind.does[1:])
    return type(name, (_OfOne, kind), {**body, "does": does})


class Compose(v2.Compose):
    """All `transforms`, one after the other; none leave the image as it is."""

    may_be_empty = True


class RandomApply(v2.RandomApply):
    """All `transforms` with probability `p`, or else none of them."""

    may_be_empty = True


class RandomOrder(v2.RandomOrder):
    """All `transforms` in random order."""

    may_be_empty = True


class Lambda(v2.Lambda):
    """Your own function of whatever comes, also of the several images of a `FiveCrop`."""

    def forward(self, img: Any) -> Any:
        return self.lambd(img)
