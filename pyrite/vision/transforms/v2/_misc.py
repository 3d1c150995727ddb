"""Transforms of values and types, of boxes and points by themselves, and by your own function."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image as pillow

from .... import Tensor, dtype, float32
from ...._trees import flatten
from ..._pillow import is_array, pil_to_tensor, to_pil_image
from ..._pillow import to_tensor as array_to_tensor
from ...tv_tensors import (
    BoundingBoxes,
    BoundingBoxFormat,
    Image,
    KeyPoints,
    Mask,
    TVTensor,
    Video,
    wrap,
)
from .._draw import integer, uniform
from .._meta import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)
from .._op import is_pure_tensor, pair
from .._values import (
    gaussian_blur,
    gaussian_noise,
    jpeg,
    normalize,
    to_dtype,
    to_image,
    uniform_temporal_subsample,
)
from ._mix import labels_finder
from ._transform import (
    Transform,
    checked_sequence,
    get_bounding_boxes,
    get_keypoints,
    has_any,
    two_numbers,
)


class Identity(Transform):
    """The sample as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt


class Lambda(Transform):
    """Your own function of each input, or of those of some `types` only."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd, self.types = lambd, types or (object,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        name = getattr(self.lambd, "__name__", "")
        return f"{name}, types={[kind.__name__ for kind in self.types]}".lstrip(", ")


# ---- values


class _OfTensors(Transform):
    """Base of what refuses Pillow images."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, pillow.Image):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")


class Normalize(_OfTensors):
    """`functional.normalize` by `mean` and `std`, one number for each channel."""

    does = (normalize, "mean", "std", "inplace")

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = list(mean), list(std), inplace


class LinearTransformation(_OfTensors):
    """The values of an image (C, H, W) less a mean, times a matrix (C*H*W, C*H*W)."""

    _transformed_types = (is_pure_tensor, Image, Video)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns:
            raise ValueError(
                f"transformation_matrix should be square. Got {(rows, columns)} rectangular matrix."
            )
        if len(mean_vector) != rows:
            raise ValueError(
                f"mean_vector should have the same length {len(mean_vector)} as any one of the "
                f"dimensions of the transformation_matrix [{(rows, columns)}]"
            )
        for what in ("device", "dtype"):
            given = [getattr(t, what) for t in (transformation_matrix, mean_vector)]
            if given[0] != given[1]:
                raise ValueError(f"Input tensors should have the same {what}. Got {given}")
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        size = inpt.shape[-3:].numel()
        if size != len(self.mean_vector):
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape."
                f"{list(inpt.shape[-3:])} != {len(self.mean_vector)}"
            )
        flat = inpt.as_plain().reshape(-1, size) - self.mean_vector
        out = (flat @ self.transformation_matrix.to(flat.dtype)).reshape(inpt.shape)
        return wrap(out, like=inpt) if isinstance(inpt, TVTensor) else out


class GaussianBlur(Transform):
    """`functional.gaussian_blur` with a width drawn from `sigma`, one number or (min, max)."""

    does = (gaussian_blur, "kernel_size")

    def __init__(
        self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)
    ) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        self.sigma = two_numbers(sigma, "sigma")
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(
                f"sigma values should be positive and of the form (min, max). Got {self.sigma}"
            )

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The width."""
        return uniform(sigma_min, sigma_max)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"sigma": [self.get_params(*self.sigma)] * 2}


class GaussianNoise(_OfTensors):
    """`functional.gaussian_noise`."""

    does = (gaussian_noise, "mean", "sigma", "clip")

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip


class JPEG(Transform):
    """`functional.jpeg` with a quality, 1 to 100, or one drawn from (min, max)."""

    does = (jpeg,)

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        bounds = [quality] * 2 if isinstance(quality, int) else quality
        low, high = checked_sequence(bounds, "quality", 2)
        if not all(type(q) is int for q in (low, high)) or not 1 <= low <= high <= 100:
            raise ValueError(f"quality must be an integer from 1 to 100, got quality ={quality!r}")
        self.quality = bounds

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"quality": integer(self.quality[0], self.quality[1] + 1)}


class UniformTemporalSubsample(Transform):
    """`functional.uniform_temporal_subsample` to `num_samples`."""

    does = (uniform_temporal_subsample, "num_samples")
    _transformed_types = (is_pure_tensor, Video)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples


# ---- types


class ConvertImageDtype(Transform):
    """`functional.to_dtype` with `scale`."""

    does = (to_dtype, "dtype", "scale")
    scale = True

    def __init__(self, dtype: dtype = float32) -> None:
        super().__init__()
        self.dtype = dtype


class ToDtype(Transform):
    """`functional.to_dtype` of images and videos, or of all kinds that `dtype`, a dict, names.

    The dict's key "others" stands for all other kinds; None leaves a kind as it is. ValueError
    for an input of no kind that it names.
    """

    does = (to_dtype, "scale")
    _transformed_types = (Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | type(float32)):
            raise ValueError(f"dtype must be a dict or a dtype, got {type(dtype)} instead")
        if isinstance(dtype, dict) and Tensor in dtype and (Image in dtype or Video in dtype):
            warnings.warn(
                "Got `dtype` values for `Tensor` and either `tv_tensors.Image` or "
                "`tv_tensors.Video`: a plain tensor is *not* transformed if one of these is in the "
                "sample.",
                stacklevel=2,
            )
        self.dtype, self.scale = dtype, scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        image = is_pure_tensor(inpt) or isinstance(inpt, Image | Video)
        if not isinstance(self.dtype, dict):
            return super().transform(inpt, {"dtype": self.dtype}) if image else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. For images only, pass e.g. "
                'dtype=pyrite.float32; in a dict "others" stands for all other kinds, e.g. '
                '{tv_tensors.Mask: pyrite.int64, "others": None}.'
            )
        chosen = self.dtype.get(type(inpt), self.dtype.get("others"))
        if chosen is not None:
            return super().transform(inpt, {"dtype": chosen})
        if self.scale and image:
            warnings.warn(
                "scale was set to True but no dtype was specified for images or videos: no scaling "
                "will be done.",
                stacklevel=2,
            )
        return inpt


class PILToTensor(Transform):
    """`functional.pil_to_tensor`."""

    _transformed_types = (pillow.Image,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return pil_to_tensor(inpt)


class ArrayToTensor(Transform):
    """`functional.to_tensor`."""

    _transformed_types = (pillow.Image, is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        return array_to_tensor(inpt)


class ToTensor(ArrayToTensor):
    """`functional.to_tensor`; warns."""

    def __init__(self) -> None:
        warnings.warn(
            "The transform `ToTensor()` is deprecated. Instead, please use "
            "`v2.Compose([v2.ToImage(), v2.ToDtype(pyrite.float32, scale=True)])`.",
            stacklevel=2,
        )
        super().__init__()


class ToImage(Transform):
    """`functional.to_image`."""

    _transformed_types = (is_pure_tensor, pillow.Image, is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Image:
        return to_image(inpt)


class ToPILImage(Transform):
    """`functional.to_pil_image`, to a `mode`."""

    _transformed_types = (is_pure_tensor, Image, is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return to_pil_image(inpt, self.mode)


class ToPureTensor(Transform):
    """Images, masks, boxes and points as plain tensors."""

    _transformed_types = (TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Tensor:
        plain: Tensor = inpt.as_plain()
        return plain


# ---- boxes and points


class ConvertBoundingBoxFormat(Transform):
    """`functional.convert_bounding_box_format` to `format`."""

    _transformed_types = (BoundingBoxes,)

    def __init__(self, format: str | BoundingBoxFormat) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """`functional.clamp_bounding_boxes` by `clamping_mode`."""

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class SetClampingMode(Transform):
    """Boxes with another `clamping_mode`: "soft", "hard" or None."""

    _transformed_types = (BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in (None, "soft", "hard"):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return wrap(inpt.clone(), like=inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """`functional.clamp_keypoints`."""

    _transformed_types = (KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return clamp_keypoints(inpt)


class _Sanitize(Transform):
    """Base: takes away what `valid` says is no use, and the labels that belong to it."""

    def __init__(self, labels_getter: Any) -> None:
        super().__init__()
        self.labels_getter, self._labels_getter = labels_getter, labels_finder(labels_getter)

    def valid(self, flat_inputs: list[Any]) -> Tensor:
        """Which boxes or points to keep; each subclass defines it."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = self._labels_getter(sample)
        labels = [] if labels is None else labels
        labels = [labels] if isinstance(labels, Tensor) else labels
        if not isinstance(labels, list | tuple) or not all(isinstance(t, Tensor) for t in labels):
            raise ValueError(
                "The labels in the input to forward() must be a tensor or None, got "
                f"{type(labels)} instead."
            )
        flat, build = flatten(sample)
        valid = self.valid(flat)
        for label in labels:
            if len(label) != len(valid):
                raise ValueError(
                    f"Number of boxes or points ({len(valid)}) must match the number of labels. "
                    f"Found labels with shape={label.shape}."
                )
        params = {"valid": valid, "labels": labels}
        return build(iter([self.transform(inpt, params) for inpt in flat]))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(inpt is label for label in params["labels"]):
            return inpt[params["valid"]]
        belongs = isinstance(inpt, self._transformed_types)  # type: ignore[arg-type]
        if not belongs or len(inpt) != len(params["valid"]):
            return inpt
        return wrap(inpt.as_plain()[params["valid"]], like=inpt)


class SanitizeBoundingBoxes(_Sanitize):
    """Takes away boxes that are small or not in the image, with their labels and masks.

    Args:
        min_size: the least length of sides, at least 1.
        min_area: the least area, at least 1.
        labels_getter: a function that finds the labels (a tensor or several) in a sample;
            "default" looks for them, None if there are none.
    """

    _transformed_types = (BoundingBoxes, Mask)

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        super().__init__(labels_getter)
        for name, value in (("min_size", min_size), ("min_area", min_area)):
            if value < 1:
                raise ValueError(f"{name} must be >= 1, got {value}.")
        self.min_size, self.min_area = min_size, min_area

    def valid(self, flat_inputs: list[Any]) -> Tensor:
        """Which of the first boxes to keep."""
        boxes = get_bounding_boxes(flat_inputs)
        limits = {"min_size": self.min_size, "min_area": self.min_area}
        return sanitize_bounding_boxes(boxes, **limits)[1]


class SanitizeKeyPoints(_Sanitize):
    """Takes away points that are not in the image, with their labels (see `labels_getter`)."""

    _transformed_types = (KeyPoints,)

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__(labels_getter)

    def valid(self, flat_inputs: list[Any]) -> Tensor:
        """Which of the first points to keep."""
        return sanitize_keypoints(get_keypoints(flat_inputs))[1]
