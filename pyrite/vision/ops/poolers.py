"""Regions from the level of a feature pyramid that fits their size."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ... import Tensor, cat, nn, where
from ._regions import roi_align
from .boxes import as_rois, box_area


class MultiScaleRoIAlign(nn.Module):
    """`roi_align` on the level whose scale fits each box (equation 1 of arXiv:1612.03144).

    Args:
        featmap_names: the levels' names, finest first.
        output_size: cells, one number or rows and columns.
        sampling_ratio: samples per cell and side.
        canonical_scale: side of a box that belongs to `canonical_level`.
        canonical_level: as a power of two of the level's scale.
    """

    def __init__(
        self, featmap_names: Sequence[str], output_size: Any, sampling_ratio: int, *,
        canonical_scale: int = 224, canonical_level: int = 4,
    ) -> None:  # fmt: skip
        super().__init__()
        self.featmap_names, self.sampling_ratio = featmap_names, sampling_ratio
        self.output_size = (output_size,) * 2 if isinstance(output_size, int) else output_size
        self.canonical_scale, self.canonical_level = canonical_scale, canonical_level
        self.levels: list[int] | None = None

    def forward(
        self, x: Mapping[str, Tensor], boxes: Sequence[Tensor],
        image_shapes: Sequence[Sequence[int]],
    ) -> Tensor:  # fmt: skip
        """Regions (K, C, *output_size) of boxes (L, 4) per image, in the images' pixels.

        `image_shapes` are heights and widths; ValueError for none. The first call settles the
        levels' scales, powers of two.
        """
        features = [x[name] for name in x if name in self.featmap_names]
        if self.levels is None:
            if not image_shapes:
                raise ValueError("images list should not be empty")
            height = max(shape[0] for shape in image_shapes)
            self.levels = [round(math.log2(height / f.shape[-2])) for f in features]
        rois = as_rois(boxes)
        level = self._level(boxes) if len(features) > 1 else None
        out = features[0].new_zeros((len(rois), features[0].shape[1], *self.output_size))
        for power, feature in zip(self.levels, features, strict=True):
            scale = 2.0**-power
            if level is None:
                return roi_align(feature, rois, self.output_size, scale, self.sampling_ratio)
            index = where(level.eq(power))[0]
            found = roi_align(feature, rois[index], self.output_size, scale, self.sampling_ratio)
            out = out.index_copy(0, index, found.to(out.dtype))
        return out

    def _level(self, boxes: Sequence[Tensor]) -> Tensor:
        assert self.levels is not None
        sides = cat([box_area(b) for b in boxes]).sqrt()
        power = (self.canonical_level + (sides / self.canonical_scale).log2() + 1e-6).floor()
        return power.clamp(self.levels[0], self.levels[-1])

    def extra_repr(self) -> str:
        return (
            f"featmap_names={self.featmap_names}, output_size={self.output_size}, "
            f"sampling_ratio={self.sampling_ratio}"
        )
