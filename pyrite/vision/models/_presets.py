"""What images go through before a model with published weights sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from ... import Tensor, float32, nn
from ..transforms import InterpolationMode
from ..transforms import functional as F


class _Preset(nn.Module):
    """Resizes, crops, scales to 0 ... 1 and normalizes: a PIL image, or uint8 (..., 3, H, W).

    Args:
        resize_size: of the shorter side; None: as it is.
        crop_size: of the square in the middle; None: all.
        mean, std: per channel.
        interpolation: of resizing.
        antialias: of resizing tensors.
    """

    shown: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        resize_size: int | None = None,
        crop_size: int | None = None,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.crop_size = None if crop_size is None else [crop_size]
        self.mean, self.std = list(mean), list(std)
        self.interpolation, self.antialias = interpolation, antialias

    def forward(self, img: Any) -> Tensor:
        if self.resize_size is not None:
            img = F.resize(img, self.resize_size, self.interpolation, antialias=self.antialias)
        if self.crop_size is not None:
            img = F.center_crop(img, self.crop_size)
        img = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, float32), self.mean, self.std)

    def __repr__(self) -> str:
        lines = [f"\n    {name}={getattr(self, name)}" for name in self.shown]
        return f"{type(self).__name__}({''.join(lines)}\n)"

    def describe(self) -> str:
        """What it does, in a sentence."""
        steps = [f"resized to {self.resize_size} by {self.interpolation}"] * bool(self.resize_size)
        steps += [f"cropped in the middle to {self.crop_size}"] * bool(self.crop_size)
        return "PIL images and tensors (..., C, H, W) are " + ", ".join(
            [*steps, f"scaled to 0 ... 1, normalized by {self.mean} and {self.std}."]
        )


class ImageClassification(_Preset):
    """What classifiers need: resized, cropped, scaled and normalized."""

    shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(self, *, crop_size: int, resize_size: int = 256, **options: Any) -> None:
        super().__init__(crop_size=crop_size, resize_size=resize_size, **options)


class SemanticSegmentation(_Preset):
    """What models of segmentation need: resized, scaled and normalized."""

    shown = ("resize_size", "mean", "std", "interpolation")

    def __init__(self, *, resize_size: int | None, **options: Any) -> None:
        super().__init__(resize_size=resize_size, **options)


def preset(name: str, options: dict[str, Any]) -> Callable[..., Any]:
    """What makes the transforms of this name, with these arguments unless others are given."""
    kinds = {kind.__name__: kind for kind in (ImageClassification, SemanticSegmentation)}
    options = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    if "interpolation" in options:
        options["interpolation"] = InterpolationMode(options["interpolation"])
    return partial(kinds[name], **options)
