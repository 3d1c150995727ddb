"""Features of regions: aligned samples or pooled cells; convolution at learned places.

Gradients reach the features, and of `deform_conv2d` all operands; boxes get none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from ... import Tensor, arange, nn, stack, tensor, zeros
from .boxes import as_rois

F: Any = nn.functional
Boxes = Tensor | Sequence[Tensor]


def _pair(size: Any) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _grid(y: Tensor, x: Tensor, size: Sequence[int]) -> Tensor:
    """Pixel coordinates (..., H, W) in the units of `grid_sample`, corners aligned."""
    height, width = (max(length - 1, 1) / 2 for length in size)
    return stack((x / width - 1, y / height - 1), -1)


def _counts(length: Tensor, cells: int, ratio: int) -> list[int]:
    """Samples per cell along one side of each region."""
    if ratio > 0:
        return [ratio] * len(length)
    return [max(math.ceil(v), 0) for v in (length / cells).tolist()]


def _aligned(
    input: Tensor, rois: Tensor, size: tuple[int, int], scale: float, ratio: int, shift: float,
    smallest: float | None,
) -> Tensor:  # fmt: skip
    """Means of bilinear samples in each cell: (K, C, *size)."""
    corners = rois[:, 1:].to(input.dtype) * scale - shift
    start, sides = corners[:, :2], corners[:, 2:] - corners[:, :2]
    sides = sides if smallest is None else sides.clamp(min=smallest)
    down, right = (_counts(sides[:, 1 - i], size[i], ratio) for i in (0, 1))
    alike: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for k, image in enumerate(rois[:, 0].int().tolist()):
        alike[image, down[k], right[k]].append(k)
    out = zeros((len(rois), input.shape[1], *size), dtype=input.dtype, device=input.device)
    for (image, *counts), members in alike.items():
        if min(counts) == 0:
            continue
        index = tensor(members, device=input.device)
        lines = []
        for axis, (cells, count) in enumerate(zip(size, counts, strict=True)):
            steps = (arange(cells * count, device=input.device) + 0.5) / (cells * count)
            places = steps * sides[index, 1 - axis, None] + start[index, 1 - axis, None]
            lines.append(places)
        found = _sampled(input[image : image + 1], *lines)
        means = F.avg_pool2d(found.reshape(-1, 1, *found.shape[-2:]), counts)
        out = out.index_copy(0, index, means.reshape(len(members), -1, *size))
    return out


def _sampled(image: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """Samples (K, C, Y, X) of (1, C, H, W) at rows (K, Y) and columns (K, X).

    Less than a pixel outside counts as the edge, farther away as 0.
    """
    height, width = image.shape[-2:]
    k, rows = y.shape
    columns = x.shape[1]
    shape = (k, rows, columns)
    grid = _grid(y[:, :, None].expand(*shape), x[:, None].expand(*shape), (height, width))
    found = F.grid_sample(
        image, grid.reshape(1, k * rows, columns, 2), padding_mode="border", align_corners=True
    )
    inside = ((y >= -1) & (y <= height))[:, :, None] & ((x >= -1) & (x <= width))[:, None]
    return found.reshape(-1, *shape).transpose(0, 1) * inside[:, None].to(image.dtype)


def roi_align(
    input: Tensor, boxes: Boxes, output_size: Any, spatial_scale: float = 1.0,
    sampling_ratio: int = -1, aligned: bool = False,
) -> Tensor:  # fmt: skip
    """Means of bilinear samples in the cells of each region (He et al., arXiv:1703.06870).

    Args:
        input: (N, C, H, W).
        boxes: (K, 5) with the image's index first, or a list of (L, 4), one per image; corners.
        output_size: cells, one number or rows and columns.
        spatial_scale: pixels of `input` per unit of the boxes.
        sampling_ratio: samples per cell and side; with -1 as many as it has pixels.
        aligned: a pixel's value lies at its centre, half a pixel inside.

    Returns:
        (K, C, *output_size).
    """
    shift, smallest = (0.5, None) if aligned else (0.0, 1.0)
    size = _pair(output_size)
    return _aligned(input, as_rois(boxes), size, spatial_scale, sampling_ratio, shift, smallest)


def _own_cell(cells: Tensor, size: tuple[int, int]) -> Tensor:
    """Of (K, C * rows * columns, rows, columns), for each cell the channels that belong to it."""
    rows, columns = size
    channels = cells.shape[1] // (rows * columns)
    cells = cells.reshape(len(cells), channels, rows, columns, rows, columns)
    down, right = arange(rows)[:, None], arange(columns)
    return cells[:, :, down, right, down, right]


def _check_channels(input: Tensor, size: tuple[int, int]) -> None:
    if input.shape[1] % math.prod(size):
        raise RuntimeError(
            f"input channels must be a multiple of pooling height * pooling width: got "
            f"{input.shape[1]} and {size}"
        )


def ps_roi_align(
    input: Tensor, boxes: Boxes, output_size: Any, spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
) -> Tensor:  # fmt: skip
    """`roi_align`, aligned, where each cell has channels of its own (arXiv:1711.07264).

    `input` has C * rows * columns channels, the result (K, C, rows, columns).
    """
    size = _pair(output_size)
    _check_channels(input, size)
    rois = as_rois(boxes)
    return _own_cell(_aligned(input, rois, size, spatial_scale, sampling_ratio, 0.5, None), size)


def _edges(start: Tensor, end: Tensor, cells: int, limit: int, extra: int) -> list[list[list[int]]]:
    """First pixel and the one behind the last, for each region (K,) and cell."""
    start, end = ((v.abs() + 0.5).floor() * v.sign() for v in (start, end))  # halves away from 0
    steps = arange(cells + 1, device=start.device) * ((end - start + extra).clamp(min=1) / cells)
    edges = stack((steps[:, :-1].floor(), steps[:, 1:].ceil()), -1) + start[..., None]
    return edges.clamp(0, limit).int().tolist()


def _cells(
    rois: Tensor, scale: float, size: tuple[int, int], limits: Sequence[int], extra: int
) -> Iterator[tuple[int, list[slice], list[slice]]]:
    """For each region its image and the slices of rows and of columns that make its cells."""
    x0, y0, x1, y1 = (rois[:, 1:].detach() * scale).unsqueeze(-1).unbind(1)
    rows = _edges(y0, y1, size[0], limits[0], extra)
    columns = _edges(x0, x1, size[1], limits[1], extra)
    for image, *lines in zip(rois[:, 0].int().tolist(), rows, columns, strict=True):
        down, right = ([slice(a, max(a, b)) for a, b in line] for line in lines)
        yield image, down, right


def roi_pool(input: Tensor, boxes: Boxes, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """Maxima in the cells of each region, edges rounded to pixels; arguments as `roi_align`."""
    size, rois = _pair(output_size), as_rois(boxes)
    found = []
    empty = zeros((), dtype=input.dtype, device=input.device)
    for image, rows, columns in _cells(rois, spatial_scale, size, input.shape[-2:], 1):
        part = input[image]
        for axis, slices in ((1, rows), (2, columns)):
            lines = [
                part[(slice(None),) * axis + (s,)].amax(axis)
                if s.stop > s.start
                else empty.expand(part.shape[:axis] + part.shape[axis + 1 :])
                for s in slices
            ]
            part = stack(lines, axis)
        found.append(part)
    return stack(found) if found else input.new_zeros((0, input.shape[1], *size))


def ps_roi_pool(
    input: Tensor, boxes: Boxes, output_size: Any, spatial_scale: float = 1.0
) -> Tensor:
    """Means in cells with channels of their own, edges rounded to pixels (arXiv:1605.06409).

    `input` has C * rows * columns channels, the result (K, C, rows, columns).
    """
    size, rois = _pair(output_size), as_rois(boxes)
    _check_channels(input, size)
    channels = input.shape[1] // math.prod(size)
    found = []
    limits = [length - 1 for length in input.shape[-2:]]
    for image, rows, columns in _cells(rois, spatial_scale, size, limits, 0):
        part = input[image].reshape(channels, *size, *input.shape[-2:])
        lines = [part[:, i, :, s].sum(-2) for i, s in enumerate(rows)]
        part = stack(lines, 1)
        part = stack([part[:, :, j, s].sum(-1) for j, s in enumerate(columns)], 2)
        areas = [[(r.stop - r.start) * (c.stop - c.start) for c in columns] for r in rows]
        found.append(part / part.new_tensor(areas).clamp(min=1))
    return stack(found) if found else input.new_zeros((0, channels, *size))


def deform_conv2d(
    input: Tensor, offset: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = (1, 1),
    padding: Any = (0, 0), dilation: Any = (1, 1), mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Convolution whose taps lie at learned places (arXiv:1703.06211; with mask 1811.11168).

    Args:
        input: (N, C, H, W).
        offset: (N, 2 * groups * taps, OH, OW): down and right, added to each tap's place; any
            number of groups that divides C.
        weight: (O, C // g, kh, kw), for g groups of channels.
        bias: (O,).
        stride: of the convolution; so `padding` and `dilation`.
        mask: (N, groups * taps, OH, OW), factors of the taps.

    Returns:
        (N, O, OH, OW). RuntimeError if offset or mask do not fit.
    """
    n, channels, *size = input.shape
    out, per_group, *kernel = weight.shape
    steps, pads, gaps = _pair(stride), _pair(padding), _pair(dilation)
    taps = kernel[0] * kernel[1]
    groups = offset.shape[1] // (2 * taps)
    sizes = [
        (size[i] + 2 * pads[i] - gaps[i] * (kernel[i] - 1) - 1) // steps[i] + 1 for i in (0, 1)
    ]
    if groups == 0 or offset.shape != (n, 2 * groups * taps, *sizes) or channels % groups:
        raise RuntimeError(
            f"offset has to be (N, 2 * groups * kernel height * kernel width, {sizes[0]}, "
            f"{sizes[1]}) for input {tuple(input.shape)}, got {tuple(offset.shape)}"
        )
    places = []
    for i in (0, 1):
        tap = arange(kernel[i], device=input.device) * gaps[i] - pads[i]
        place = arange(sizes[i], device=input.device) * steps[i]
        tap = tap.reshape(-1, 1) if i == 0 else tap
        tap = tap.expand(*kernel).reshape(taps, 1, 1)
        places.append(tap + (place.reshape(-1, 1) if i == 0 else place))
    moved = offset.reshape(n * groups, taps, 2, *sizes)
    grid = _grid(places[0] + moved[:, :, 0], places[1] + moved[:, :, 1], size)
    found = F.grid_sample(
        input.reshape(n * groups, -1, *size), grid.reshape(n * groups, -1, sizes[1], 2),
        align_corners=True,
    ).reshape(n * groups, -1, taps, *sizes)  # fmt: skip
    if mask is not None:
        found = found * mask.reshape(n * groups, 1, taps, *sizes)
    blocks = channels // per_group
    columns = found.reshape(n, blocks, per_group * taps, -1)
    result = weight.reshape(blocks, out // blocks, -1) @ columns
    result = result.reshape(n, out, *sizes)
    return result if bias is None else result + bias.reshape(-1, 1, 1)


class RoIAlign(nn.Module):
    """`roi_align` with these arguments, called with features and boxes."""

    def __init__(
        self, output_size: Any, spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        options = (self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)
        return roi_align(input, rois, *options)


class PSRoIAlign(nn.Module):
    """`ps_roi_align` with these arguments, called with features and boxes."""

    def __init__(self, output_size: int, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        options = (self.output_size, self.spatial_scale, self.sampling_ratio)
        return ps_roi_align(input, rois, *options)


class RoIPool(nn.Module):
    """`roi_pool` with these arguments, called with features and boxes."""

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size, self.spatial_scale = output_size, spatial_scale

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


class PSRoIPool(RoIPool):
    """`ps_roi_pool` with these arguments, called with features and boxes."""

    def forward(self, input: Tensor, rois: Boxes) -> Tensor:
        return ps_roi_pool(input, rois, self.output_size, self.spatial_scale)


class DeformConv2d(nn.Conv2d):  # type: ignore[misc]  # layers from rows have no static type
    """`deform_conv2d` with weights of its own, called with input, offset and mask."""

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        options = (self.stride, self.padding, self.dilation, mask)
        return deform_conv2d(input, offset, self.weight, self.bias, *options)
