"""Erasing a part of an image, and mixing the images of a batch with their labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from PIL import Image as pillow

from .... import Tensor, distributions, float32, nn, randn, tensor
from ...._trees import flatten
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, TVTensor, Video, wrap
from .._draw import integer
from .._meta import get_dimensions
from .._op import is_pure_tensor
from .._values import erase
from ._geometry import checked_bounds, random_box
from ._transform import Sometimes, Transform, has_any, query_chw, query_size


class RandomErasing(Sometimes):
    """A box of the image replaced, with probability `p` (arXiv:1708.04896).

    Args:
        p: the probability.
        scale: bounds of the box's area, in the image's.
        ratio: bounds of height / width.
        value: the new values: a number, one for each channel, or "random" for normal ones.
        inplace: write into the given tensor.
    """

    does = (erase, "inplace")

    def __init__(
        self, p: float = 0.5, scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3), value: Any = 0.0, inplace: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(p)
        if not isinstance(value, int | float | str | tuple | list):
            raise TypeError("Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("If value is str, it should be 'random'")
        checked_bounds(scale, ratio)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError("Scale should be between 0 and 1")
        self.scale, self.ratio, self.inplace = scale, ratio, inplace
        numbers = [value] if isinstance(value, int | float) else value
        self.value = None if isinstance(value, str) else [float(v) for v in numbers]

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(i, j, h, w, v) of `erase`; the image itself after ten attempts that did not fit."""
        channels, *size = get_dimensions(img)
        if value is not None and len(value) not in (1, channels):
            raise ValueError(
                "If value is a sequence, it should have either a single value or "
                f"{channels} (number of input channels)"
            )
        box = random_box(size, scale, ratio, wide=False)
        if box is None:
            return 0, 0, size[0], size[1], img
        new = randn(channels, *box[2:]) if value is None else tensor(value)[:, None, None]
        return *box, new.to(float32)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        query_chw(flat_inputs)
        kinds = (BoundingBoxes, KeyPoints, Mask)
        image = next(inpt for inpt in flat_inputs if not isinstance(inpt, kinds))
        if len(image_like := [inpt for inpt in flat_inputs if isinstance(inpt, kinds)]):
            warnings.warn(
                f"{type(self).__name__}() is currently passing through inputs of type "
                f"tv_tensors.{type(image_like[0]).__name__}.",
                stacklevel=2,
            )
        drawn = self.get_params(image, self.scale, self.ratio, self.value)
        return {} if drawn[-1] is image else dict(zip("ijhwv", drawn, strict=True))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return super().transform(inpt, params) if params else inpt


# ---- batches


def find_labels(inputs: Any) -> Any:
    """The labels of a sample: the second of a pair, or what a dict has under a name like that."""
    if isinstance(inputs, tuple | list):
        inputs = inputs[1]
    if is_pure_tensor(inputs):
        return inputs
    if not isinstance(inputs, Mapping):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a "
            "dictionary or a two-tuple whose second item is a dictionary or a tensor, but got "
            f"{inputs} instead."
        )
    names = [name for name in inputs if "label" in name.lower()]
    if not names:
        raise ValueError(
            "Could not infer where the labels are in the sample. Pass a callable as the "
            "labels_getter, or None if there are no labels."
        )
    return inputs[next((name for name in names if name.lower() == "labels"), names[0])]


def labels_finder(given: Any) -> Callable[[Any], Any]:
    """The function that `labels_getter` stands for; ValueError for what stands for none."""
    if given == "default":
        return find_labels
    if given is not None and not callable(given):
        raise ValueError(
            f"labels_getter should either be 'default', a callable, or None, but got {given}."
        )
    return given or (lambda _: None)


class Mixture(Transform):
    """Base: each image of a batch mixed with the one before it, and the labels likewise.

    Args:
        alpha: of the Beta distribution of the shares.
        num_classes: needed where labels are class indices.
        labels_getter: a function that finds the labels in a sample; "default" looks for them.
    """

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        self.alpha, self.num_classes = float(alpha), num_classes
        self._labels_getter = labels_finder(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, build = flatten(sample)
        chosen = self._needs_transform_list(flat)
        if has_any(flat, pillow.Image, BoundingBoxes, Mask, KeyPoints):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints "
                "and masks."
            )
        labels = self._checked(self._labels_getter(sample))
        images = [x for x, yes in zip(flat, chosen, strict=True) if yes and x is not labels]
        params = self.make_params(images)
        return build(iter([self._mixed(x, yes, labels, params) for x, yes in zip(flat, chosen)]))

    def _mixed(self, inpt: Any, yes: bool, labels: Tensor, params: dict[str, Any]) -> Any:
        if inpt is labels:
            return self._mixed_labels(inpt, params["lam"])
        if not (yes and (is_pure_tensor(inpt) or isinstance(inpt, Image | Video))):
            return inpt
        dims = 5 if isinstance(inpt, Video) else 4
        if inpt.ndim != dims:
            raise ValueError(
                f"Expected a batched input with {dims} dims, but got {inpt.ndim} dimensions "
                "instead."
            )
        if len(inpt) != len(labels):
            raise ValueError(
                "The batch size of the image or video does not match the batch size of the labels: "
                f"{len(inpt)} != {len(labels)}."
            )
        out = self.transform(inpt.as_plain(), params)
        return wrap(out, like=inpt) if isinstance(inpt, TVTensor) else out

    def _checked(self, labels: Any) -> Tensor:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                "shape (batch_size, num_classes), but got a tensor of shape "
                f"{tuple(labels.shape)} instead."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                "When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {self.num_classes}."
            )
        return labels

    def _mixed_labels(self, labels: Tensor, share: float) -> Tensor:
        if labels.ndim == 1:
            labels = nn.functional.one_hot(labels, self.num_classes)
        labels = labels if labels.is_floating_point() else labels.float()
        return labels.roll(1, 0) * (1.0 - share) + labels * share

    def _share(self) -> float:
        shape = tensor(self.alpha)
        return float(distributions.Beta(shape, shape).sample())


class MixUp(Mixture):
    """Images and labels as weighted sums of two (arXiv:1710.09412)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"lam": self._share()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        share = params["lam"]
        return (inpt.roll(1, 0) * (1.0 - share) + inpt * share).to(inpt.dtype)


class CutMix(Mixture):
    """A box of each image from another one, labels mixed by its area (arXiv:1905.04899)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        half = 0.5 * math.sqrt(1.0 - self._share())
        x, y = integer(0, width), integer(0, height)
        left, right = max(x - int(half * width), 0), min(x + int(half * width), width)
        top, bottom = max(y - int(half * height), 0), min(y + int(half * height), height)
        share = 1.0 - (right - left) * (bottom - top) / (width * height)
        return {"box": (left, top, right, bottom), "lam": share}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        left, top, right, bottom = params["box"]
        out = inpt.clone()
        out[..., top:bottom, left:right] = inpt.roll(1, 0)[..., top:bottom, left:right]
        return out
