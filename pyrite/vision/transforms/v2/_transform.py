"""`Transform`: what is drawn once for a sample is applied to everything in it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from PIL import Image as pillow

from .... import Tensor, nn
from ...._trees import flatten
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video
from .._draw import chance
from .._meta import get_dimensions, get_size
from .._op import Fill, is_pure_tensor, look_up

Kinds = tuple[type | Callable[[Any], bool], ...]
IMAGES: Kinds = (is_pure_tensor, Image, pillow.Image, Video)


class Transform(nn.Module):
    """Base of transforms of a sample: an image, or tuples, lists and dicts around several inputs.

    Images, videos, masks, boxes and points are transformed with the same random numbers; the rest
    stays as it is. A plain tensor counts as an image if it is the first one, and no `Image`,
    `Video` or Pillow image is there. A transform of your own overrides `transform`, and
    `make_params` for what is drawn once per sample.
    """

    _transformed_types: ClassVar[Kinds] = (Tensor, pillow.Image)
    # A function of `v2.functional`, and which of the attributes it gets besides the parameters.
    does: ClassVar[tuple[Any, ...]] = ()

    def __init__(self) -> None:
        super().__init__()

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise an error for inputs that this transform cannot serve."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The parameters for one sample, given what will be transformed."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One input, transformed."""
        function, *names = self.does
        given = {name: getattr(self, name) for name in names}
        if "fill" in given:
            given["fill"] = fill_for(self.fill, type(inpt))
        return self._call_kernel(function, inpt, **given, **params)

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """What the function makes of the input; the input itself if it has no kernel for it."""
        kernel = look_up(functional, type(inpt))
        return inpt if kernel is None else kernel(inpt, *args, **kwargs)

    def forward(self, *inputs: Any) -> Any:
        """The sample in its containers, transformed."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, build = flatten(sample)
        self.check_inputs(flat)
        if not self._happens():
            return sample
        chosen = self._needs_transform_list(flat)
        params = self.make_params([x for x, yes in zip(flat, chosen, strict=True) if yes])
        pairs = zip(flat, chosen, strict=True)
        return build(iter([self.transform(x, params) if yes else x for x, yes in pairs]))

    def _happens(self) -> bool:
        return True

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        plain = not has_any(flat_inputs, Image, Video, pillow.Image)
        chosen = []
        for inpt in flat_inputs:
            yes = check_type(inpt, self._transformed_types)
            if yes and is_pure_tensor(inpt):
                yes, plain = plain, False
            chosen.append(yes)
        return chosen

    def extra_repr(self) -> str:
        """The settings."""
        shown = (bool, int, float, str, tuple, list, enum.Enum)
        return ", ".join(
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_") and name != "training" and isinstance(value, shown)
        )


class Sometimes(Transform):
    """A transform that happens with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def _happens(self) -> bool:
        return chance(self.p)


# ---- questions about a sample


def check_type(obj: Any, types_or_checks: Kinds) -> bool:
    """Whether an object is of one of the types, or fulfils one of the predicates."""
    return any(isinstance(obj, t) if isinstance(t, type) else t(obj) for t in types_or_checks)


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether one of the inputs is of one of the types."""
    return any(check_type(inpt, types_or_checks) for inpt in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether there is an input for each of the types."""
    return all(has_any(flat_inputs, wanted) for wanted in types_or_checks)


def _first(flat_inputs: list[Any], kind: type, what: str) -> Any:
    for inpt in flat_inputs:
        if isinstance(inpt, kind):
            return inpt
    raise ValueError(f"No {what} were found in the sample")


def get_bounding_boxes(flat_inputs: list[Any]) -> BoundingBoxes:
    """The first boxes; ValueError if there are none."""
    boxes: BoundingBoxes = _first(flat_inputs, BoundingBoxes, "bounding boxes")
    return boxes


def get_keypoints(flat_inputs: list[Any]) -> KeyPoints:
    """The first points; ValueError if there are none."""
    points: KeyPoints = _first(flat_inputs, KeyPoints, "keypoints")
    return points


def _common(flat_inputs: list[Any], kinds: Kinds, ask: Any, what: str) -> Any:
    """What all inputs of these kinds answer; TypeError without any, ValueError if they differ."""
    answers = {tuple(ask(inpt)) for inpt in flat_inputs if check_type(inpt, kinds)}
    if not answers:
        raise TypeError(f"No {what} was found in the sample")
    if len(answers) > 1:
        raise ValueError(f"Found multiple dimensions in the sample: {sorted(answers)}")
    return answers.pop()


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """(channels, height, width) of the images."""
    shape: tuple[int, int, int] = _common(flat_inputs, IMAGES, get_dimensions, "image or video")
    return shape


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """(height, width) of the sample."""
    kinds = (*IMAGES, Mask, BoundingBoxes, KeyPoints)
    what = "image, video, mask, bounding box of keypoint"
    size: tuple[int, int] = _common(flat_inputs, kinds, get_size, what)
    return size


# ---- settings


def fill_for(fill: Any, kind: type) -> Any:
    """The fill for a kind of input; a dict may name kinds and "others"."""
    return fill.get(kind, fill.get("others")) if isinstance(fill, dict) else fill


def checked_fill(fill: Fill) -> Fill:
    """A fill as it is; TypeError if it is none."""
    for value in fill.values() if isinstance(fill, dict) else [fill]:
        if not isinstance(value, int | float | tuple | list | None):
            raise TypeError(
                "Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed."
            )
    return fill


def checked_sequence(value: Any, name: str, *sizes: int) -> Any:
    """A sequence of one of the sizes as it is; TypeError or ValueError if it is none."""
    wanted = " or ".join(map(str, sizes))
    if not isinstance(value, Sequence):
        raise TypeError(f"{name} should be a sequence of length {wanted}.")
    if len(value) not in sizes:
        raise ValueError(f"{name} should be a sequence of length {wanted}.")
    return value


def angles(value: Any, name: str, *sizes: int) -> list[float]:
    """The bounds of an angle: -a and a of one number, or as given."""
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be positive.")
        value = [-value, value]
    return [float(v) for v in checked_sequence(value, name, *sizes)]


def two_numbers(value: Any, name: str) -> list[float]:
    """Two numbers of one, a sequence of one, or two; TypeError or ValueError for others."""
    if not isinstance(value, int | float | Sequence):
        raise TypeError(f"{name} should be a number or a sequence of numbers. Got {type(value)}")
    numbers = [value] if isinstance(value, int | float) else list(value)
    if len(numbers) not in (1, 2):
        raise ValueError(f"If {name} is a sequence its length should be 1 or 2. Got {len(numbers)}")
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError(f"{name} should be a sequence of numbers. Got {value}")
    return [float(number) for number in numbers * (2 // len(numbers))]
