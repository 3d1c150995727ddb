"""Operators of vision: boxes and losses beside torchvision's, regions beside slow references."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part

import pyrite
from pyrite import nn
from pyrite.vision import ops

RANDOM = np.random.default_rng(3)


def tensors(*arrays: Any) -> list[Any]:
    return [pyrite.from_numpy(np.asarray(a)) for a in arrays]


def random_boxes(count: int, size: float = 20.0, dtype: Any = np.float32) -> np.ndarray:
    corners = RANDOM.uniform(0, size, (count, 2, 2))
    return np.concatenate([corners.min(1), corners.max(1) + 1], 1).astype(dtype)


@pytest.fixture(scope="module")
def theirs() -> Any:
    with torchvision_part("ops") as part:
        yield part


# ---- boxes and losses

BOXES, OTHERS = random_boxes(6), random_boxes(6)
WHOLE = random_boxes(4, 100, np.uint8)
MASKS = RANDOM.random((3, 6, 7)) > 0.8
MASKS[1] = False
LOGITS, LABELS = RANDOM.standard_normal((2, 5, 4)).astype(np.float32)
LABELS = (LABELS > 0).astype(np.float32)
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    *(("box_area", (BOXES,), {"fmt": fmt}) for fmt in ("xyxy", "xywh", "cxcywh")),
    *(("box_iou", (BOXES, OTHERS[:3]), {"fmt": fmt}) for fmt in ("xyxy", "xywh", "cxcywh")),
    *(
        ("box_convert", (BOXES, a, b), {})
        for a in ("xyxy", "xywh", "cxcywh")
        for b in ("xyxy", "xywh", "cxcywh")
    ),
    ("box_area", (WHOLE,), {}),
    ("box_iou", (WHOLE.astype(np.int64), WHOLE.astype(np.int64)), {}),
    ("box_iou", (BOXES.reshape(2, 3, 4), OTHERS.reshape(2, 3, 4)), {}),
    *(
        (f"{kind}_box_iou", (BOXES, OTHERS[:4]), {})
        for kind in ("generalized", "distance", "complete")
    ),
    *(
        (f"{kind}_box_iou_loss", (BOXES, OTHERS), {"reduction": reduction})
        for kind in ("generalized", "distance", "complete")
        for reduction in ("none", "mean", "sum")
    ),
    ("sigmoid_focal_loss", (LOGITS, LABELS), {}),
    ("sigmoid_focal_loss", (LOGITS, LABELS), {"alpha": -1, "gamma": 1.5, "reduction": "mean"}),
    ("clip_boxes_to_image", (BOXES - 5, (10, 12)), {}),
    ("remove_small_boxes", (BOXES, 8.0), {}),
    ("masks_to_boxes", (MASKS,), {}),
    ("masks_to_boxes", (MASKS[:0],), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_boxes_and_losses_are_torchvision_s(
    theirs: Any, name: str, args: Any, options: Any
) -> None:
    torch = pytest.importorskip("torch", reason="compares with torchvision")

    def call(module: Any, convert: Callable[[Any], Any]) -> Any:
        given = [convert(a) if isinstance(a, np.ndarray) else a for a in args]
        for tensor in given:
            if name.endswith("loss"):
                tensor.requires_grad_(tensor is given[0])
        found = getattr(module, name)(*given, **options)
        if name.endswith("loss"):
            found.sum().backward()
            return found, given[0].grad
        return found, None

    expected, slope = call(theirs, lambda a: torch.from_numpy(a.copy()))
    found, own_slope = call(ops, lambda a: pyrite.from_numpy(a.copy()))
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    np.testing.assert_allclose(found.detach().numpy(), expected.detach(), rtol=1e-5, atol=1e-6)
    if slope is not None:
        np.testing.assert_allclose(own_slope.numpy(), slope, rtol=1e-4, atol=1e-6)


def test_overlap_of_known_boxes() -> None:
    (a, b) = tensors(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 1, 3, 3], [2, 2, 3, 3]]))
    assert ops.box_iou(a, b).tolist() == [[1 / 7, 0.0]]
    assert ops.generalized_box_iou(a, b)[0, 1].item() == pytest.approx(-4 / 9)
    assert ops.box_convert(a, "xyxy", "cxcywh").tolist() == [[1.0, 1.0, 2.0, 2.0]]
    with pytest.raises(ValueError, match="unsupported format 'xyhw'"):
        ops.box_convert(a, "xyhw", "xyxy")
    with pytest.raises(ValueError, match="reduction"):
        ops.generalized_box_iou_loss(a, a, reduction="median")


# ---- suppression


def slow_nms(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, limit: float) -> list[int]:
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable"):
        pairs = (tensors(boxes[None, i], boxes[None, j]) for j in kept if classes[i] == classes[j])
        if all(ops.box_iou(*pair).item() <= limit for pair in pairs):
            kept.append(int(i))
    return kept


@pytest.mark.parametrize("limit", [0.1, 0.5])
def test_suppression_keeps_the_best(limit: float) -> None:
    boxes, scores = random_boxes(60), RANDOM.random(60).round(1).astype(np.float32)
    classes = RANDOM.integers(0, 3, 60)
    found = ops.nms(*tensors(boxes, scores), limit)
    assert found.dtype is pyrite.int64
    assert found.tolist() == slow_nms(boxes, scores, np.zeros(60), limit)
    found = ops.batched_nms(*tensors(boxes, scores, classes), limit)
    assert found.tolist() == slow_nms(boxes, scores, classes, limit)


def test_suppression_across_blocks_of_rows() -> None:
    boxes = np.tile(random_boxes(100, 1000.0), (6, 1))
    scores = np.arange(600, 0, -1, dtype=np.float32)
    assert max(ops.nms(*tensors(boxes, scores), 0.99).tolist()) < 100
    assert ops.nms(*tensors(boxes[:0], scores[:0]), 0.5).tolist() == []
    with pytest.raises(RuntimeError, match=r"boxes have to be \(N, 4\)"):
        ops.nms(*tensors(boxes[:, :3], scores), 0.5)


# ---- regions: references that follow the compiled kernels

IMAGES = RANDOM.standard_normal((2, 8, 9, 10)).astype(np.float32)
ROIS = np.array(
    [
        [0, 1, 1.5, 12, 14], [1, 0, 0, 18, 17], [0, 15, 3, 25, 12], [1, -6, -5, 3, 4],
        [1, 4, 4, 4, 4],
    ],
    dtype=np.float32,
)  # fmt: skip


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = (min(max(v, 0.0), n - 1.0) for v, n in ((y, height), (x, width)))
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    v, u = y - top, x - left
    upper = plane[top, left] * (1 - u) + plane[top, left + 1] * u
    lower = plane[top + 1, left] * (1 - u) + plane[top + 1, left + 1] * u
    return float(upper * (1 - v) + lower * v)


def slow_align(
    plane_of: Callable[[int, int, int, int], np.ndarray], channels: int, roi: np.ndarray,
    size: tuple[int, int], scale: float, ratio: int, aligned: bool, least: float,
) -> np.ndarray:  # fmt: skip
    image, x0, y0, x1, y1 = roi
    shift = 0.5 if aligned else 0.0
    x0, y0, x1, y1 = (v * scale - shift for v in (x0, y0, x1, y1))
    sides = max(y1 - y0, least), max(x1 - x0, least)
    steps = [side / cells for side, cells in zip(sides, size, strict=True)]
    counts = [ratio if ratio > 0 else math.ceil(step) for step in steps]
    out = np.zeros((channels, *size))
    for c, i, j in np.ndindex(*out.shape):
        plane = plane_of(int(image), c, i, j)
        for a, b in np.ndindex(*counts):
            y = y0 + (i + (a + 0.5) / counts[0]) * steps[0]
            x = x0 + (j + (b + 0.5) / counts[1]) * steps[1]
            out[c, i, j] += bilinear(plane, y, x) / (counts[0] * counts[1])
    return out


@pytest.mark.parametrize("ratio", [2, -1])
@pytest.mark.parametrize("aligned", [False, True])
def test_aligned_regions(ratio: int, aligned: bool) -> None:
    found = ops.roi_align(*tensors(IMAGES, ROIS), (2, 3), 0.5, ratio, aligned)
    least = -math.inf if aligned else 1.0
    expected = [
        slow_align(lambda n, c, *_: IMAGES[n, c], 8, roi, (2, 3), 0.5, ratio, aligned, least)
        for roi in ROIS
    ]
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


def test_aligned_regions_with_channels_of_their_own() -> None:
    found = ops.ps_roi_align(*tensors(IMAGES, ROIS), 2, 0.5, 2)
    expected = [
        slow_align(
            lambda n, c, i, j: IMAGES[n, (c * 2 + i) * 2 + j], 2, roi, (2, 2), 0.5, 2, True,
            -math.inf,
        )
        for roi in ROIS
    ]  # fmt: skip
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)
    with pytest.raises(RuntimeError, match="must be a multiple"):
        ops.ps_roi_align(*tensors(IMAGES, ROIS), 3)


def slow_pool(roi: np.ndarray, size: int, scale: float, own: bool) -> np.ndarray:
    image, *corners = roi
    rounded = (np.float32(v) * np.float32(scale) for v in corners)
    x0, y0, x1, y1 = (int(math.copysign(math.floor(abs(v) + 0.5), v)) for v in rounded)
    channels, height, width = IMAGES.shape[1:]
    out = np.zeros((channels // size**2 if own else channels, size, size))
    extra, margin = (0, 1) if own else (1, 0)
    steps = [np.float32(max(b - a + extra, 1)) / np.float32(size) for a, b in ((y0, y1), (x0, x1))]
    for c, i, j in np.ndindex(*out.shape):
        (top, bottom), (left, right) = (
            [
                min(max(edge + start, 0), limit - margin)
                for edge in (math.floor(k * step), math.ceil((k + 1) * step))
            ]
            for k, step, start, limit in ((i, steps[0], y0, height), (j, steps[1], x0, width))
        )
        cell = IMAGES[int(image), (c * size + i) * size + j if own else c, top:bottom, left:right]
        out[c, i, j] = 0 if cell.size == 0 else cell.mean() if own else cell.max()
    return out


@pytest.mark.parametrize("own", [False, True])
def test_pooled_regions(own: bool) -> None:
    found = (ops.ps_roi_pool if own else ops.roi_pool)(*tensors(IMAGES, ROIS), 2, 0.5)
    expected = [slow_pool(roi, 2, 0.5, own) for roi in ROIS]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: ops.RoIAlign(2, 0.5, 2), (8, 2, 2)),
        (lambda: ops.RoIPool((2, 1), 0.5), (8, 2, 1)),
        (lambda: ops.PSRoIAlign(2, 0.5, 2), (2, 2, 2)),
        (lambda: ops.PSRoIPool(2, 0.5), (2, 2, 2)),
    ],
)
def test_regions_pass_gradients_on(make: Any, size: Any) -> None:
    layer = make()
    images = pyrite.from_numpy(IMAGES.astype(np.float64)).requires_grad_()
    (rois,) = tensors(ROIS[:3].astype(np.float64))
    assert tuple(layer(images, rois).shape) == (3, *size)
    boxes = [rois[rois[:, 0] == n, 1:] for n in (0, 1)]
    assert layer(images, boxes).sum().item() == pytest.approx(layer(images, rois).sum().item())
    assert pyrite.autograd.gradcheck(lambda x: layer(x, rois), images, fast_mode=True)
    assert tuple(layer(images, rois[:0]).shape) == (0, *size)


# ---- deformable convolution


def slow_deform(x: Any, offset: Any, weight: Any, mask: Any, stride: int, pad: int) -> Any:
    out_channels, per_group, kernel, _ = weight.shape
    n, _, rows, columns = offset.shape
    groups = offset.shape[1] // (2 * kernel**2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))  # what is outside counts as 0
    result = np.zeros((n, out_channels, rows, columns))
    for b, o, i, j, c, p, q in np.ndindex(
        n, out_channels, rows, columns, per_group, kernel, kernel
    ):
        channel = o // (out_channels * per_group // x.shape[1]) * per_group + c
        tap = (channel // (x.shape[1] // groups) * kernel + p) * kernel + q
        y = i * stride - pad + p + offset[b, 2 * tap, i, j] + 1
        z = j * stride - pad + q + offset[b, 2 * tap + 1, i, j] + 1
        if 0 < y < padded.shape[2] - 1 and 0 < z < padded.shape[3] - 1:
            value = bilinear(padded[b, channel], y, z) * mask[b, tap, i, j]
            result[b, o, i, j] += weight[o, c, p, q] * value
    return result


def test_deformable_convolution() -> None:
    x = RANDOM.standard_normal((2, 4, 5, 6))
    weight = RANDOM.standard_normal((4, 2, 3, 3))
    offset = RANDOM.standard_normal((2, 36, 3, 3)) * 2
    mask = RANDOM.random((2, 18, 3, 3))
    expected = slow_deform(x, offset, weight, mask, 2, 1)
    a, b, c, m = tensors(x, offset, weight, mask)
    found = ops.deform_conv2d(a, b, c, stride=2, padding=1, mask=m)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10)
    inputs = [t.requires_grad_() for t in (a, b, c, m)]
    assert pyrite.autograd.gradcheck(
        lambda a, b, c, m: ops.deform_conv2d(a, b, c, stride=2, padding=1, mask=m), inputs,
        fast_mode=True,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="offset has to be"):
        ops.deform_conv2d(a, b[:, :5], c, stride=2, padding=1)


def test_deformable_layer_without_offsets_is_a_convolution() -> None:
    layer = ops.DeformConv2d(3, 4, 3, padding=1, dilation=1)
    x = pyrite.randn(1, 3, 6, 7)
    found = layer(x, pyrite.zeros(1, 18, 6, 7))
    plain = nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    assert pyrite.allclose(found, plain, atol=1e-4)


# ---- layers


def test_stochastic_depth_drops_rows() -> None:
    pyrite.manual_seed(0)
    x = pyrite.ones(200, 2, 3)
    found = ops.stochastic_depth(x, 0.25, "row")
    assert set(found.flatten().tolist()) == {0.0, np.float32(4 / 3)}
    assert found.amin((1, 2)).equal(found.amax((1, 2)))
    assert ops.StochasticDepth(0.5, "batch").eval()(x) is x
    with pytest.raises(ValueError, match="either 'batch' or 'row'"):
        ops.stochastic_depth(x, 0.5, "column")


@pytest.mark.parametrize(
    ("make", "size"), [(ops.DropBlock2d, (40, 40)), (ops.DropBlock3d, (9,) * 3)]
)
def test_dropped_blocks_keep_the_mean(make: Any, size: Any) -> None:
    pyrite.manual_seed(0)
    x = pyrite.ones(4, 3, *size)
    found = make(0.2, 3)(x)
    share = (found == 0).float().mean().item()
    assert 0.1 < share < 0.3
    assert found.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert make(0.2, 3).eval()(x) is x


def test_frozen_norm_is_a_norm_in_eval_mode() -> None:
    norm = nn.BatchNorm2d(3).eval()
    for value in norm.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.5, 1.5)
    frozen = ops.FrozenBatchNorm2d(3)
    frozen.load_state_dict(norm.state_dict())
    x = pyrite.randn(2, 3, 4, 4)
    assert pyrite.allclose(frozen(x), norm(x), atol=1e-6)
    assert list(frozen.parameters()) == []


def test_pyramid_and_its_regions() -> None:
    pyrite.manual_seed(0)
    extra = ops.feature_pyramid_network.LastLevelMaxPool()
    pyramid = ops.FeaturePyramidNetwork([4, 8], 5, extra)
    features = {"a": pyrite.randn(1, 4, 32, 32), "b": pyrite.randn(1, 8, 16, 16)}
    levels = pyramid(features)
    assert {k: tuple(v.shape[1:]) for k, v in levels.items()} == {
        "a": (5, 32, 32), "b": (5, 16, 16), "pool": (5, 8, 8),
    }  # fmt: skip
    old = {k.replace(".0.weight", ".weight"): v for k, v in pyramid.state_dict().items()}
    assert not any(k.endswith("blocks.0.0.weight") for k in old)
    pyramid.load_state_dict({k.replace(".0.bias", ".bias"): v for k, v in old.items()})
    pool = ops.MultiScaleRoIAlign(["a", "b"], 2, 2, canonical_scale=64, canonical_level=3)
    (boxes,) = tensors(np.array([[4, 4, 30, 30], [0, 0, 100, 120]], dtype=np.float32))
    found = pool(levels, [boxes], [(128, 128)])
    fine = ops.roi_align(levels["a"], [boxes[:1]], 2, 0.25, 2)
    coarse = ops.roi_align(levels["b"], [boxes[1:]], 2, 0.125, 2)
    assert found.equal(pyrite.cat([fine, coarse]))
