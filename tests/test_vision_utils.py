"""Grids and drawings: the pixels are torchvision's, where it is installed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part
from PIL import Image

import pyrite
from pyrite.vision import utils

RANDOM = np.random.default_rng(4)
PHOTO = RANDOM.integers(0, 256, (3, 30, 40)).astype(np.uint8)
SHINE = RANDOM.random((3, 30, 40)).astype(np.float32)
MANY = RANDOM.standard_normal((5, 3, 6, 7)).astype(np.float32)
BOXES = np.array([[2, 3, 20, 18], [10, 5, 35.5, 28]], dtype=np.float32)
MASKS = RANDOM.random((3, 30, 40)) > 0.7
POINTS = RANDOM.uniform(3, 27, (2, 4, 2)).astype(np.float32)
SEEN = np.array([[1, 0, 1, 1], [1, 1, 1, 0]])
LINES = [(0, 1), (2, 3), (0, 3)]
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("make_grid", (MANY,), {}),
    ("make_grid", (MANY[:, :1],), {"nrow": 2, "padding": 1, "pad_value": 0.5}),
    ("make_grid", (MANY,), {"normalize": True}),
    ("make_grid", (MANY,), {"normalize": True, "scale_each": True, "value_range": (-1, 2)}),
    ("make_grid", (MANY[0, 0],), {}),
    ("draw_bounding_boxes", (PHOTO, BOXES), {}),
    ("draw_bounding_boxes", (PHOTO[:1], BOXES), {"colors": ["red", (1, 2, 3)], "width": 2}),
    ("draw_bounding_boxes", (PHOTO, BOXES), {"fill": True, "labels": ["a", None]}),
    (
        "draw_bounding_boxes",
        (SHINE, BOXES),
        {"labels": ["a", "bc"], "fill_labels": True, "colors": "#00ff80"},
    ),
    ("draw_segmentation_masks", (PHOTO, MASKS), {}),
    ("draw_segmentation_masks", (SHINE, MASKS[0]), {"alpha": 0.3, "colors": (10, 200, 30)}),
    ("draw_keypoints", (PHOTO, POINTS), {"colors": "blue"}),
    ("draw_keypoints", (SHINE, POINTS, LINES), {"radius": 1, "width": 1, "visibility": SEEN}),
]


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_pixels_are_torchvision_s(name: str, args: Any, options: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with torchvision")

    def call(module: Any, convert: Any) -> Any:
        arrays = [convert(a.copy()) if isinstance(a, np.ndarray) else a for a in args]
        given = {
            k: convert(v.copy()) if isinstance(v, np.ndarray) else v for k, v in options.items()
        }
        return getattr(module, name)(*arrays, **given)

    with torchvision_part("utils") as theirs:
        expected = call(theirs, torch.from_numpy)
    found = call(utils, pyrite.from_numpy)
    assert str(found.dtype).split(".")[1] == str(expected.dtype).split(".")[1]
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)


def test_grid_of_known_images() -> None:
    grid = utils.make_grid([pyrite.full((1, 1, 1), float(i)) for i in range(3)], nrow=2, padding=1)
    assert tuple(grid.shape) == (3, 5, 5)
    assert grid[0].tolist() == [
        [0, 0, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0],
    ]  # fmt: skip
    with pytest.raises(TypeError, match="tensor or list of tensors expected"):
        utils.make_grid("images")  # type: ignore[arg-type]


def test_images_are_written(tmp_path: Path) -> None:
    photo = pyrite.from_numpy(PHOTO.astype(np.float32) / 255)
    utils.save_image(photo, tmp_path / "photo.png")
    with Image.open(tmp_path / "photo.png") as image:
        assert np.array_equal(np.asarray(image).transpose(2, 0, 1), PHOTO)
    buffer = io.BytesIO()
    utils.save_image([photo, photo], buffer, format="PNG", padding=0)
    assert Image.open(buffer).size == (80, 30)


def test_drawing_shows() -> None:
    black = pyrite.zeros(3, 10, 12, dtype=pyrite.uint8)
    box = utils.draw_bounding_boxes(black, pyrite.tensor([[2, 3, 8, 7]]), colors="red")
    assert box[0].sum().item() == 255 * (2 * 7 + 2 * 3)
    assert box[1:].sum().item() == 0
    mask = pyrite.zeros(10, 12, dtype=pyrite.bool)
    mask[1, 1:4] = True
    masked = utils.draw_segmentation_masks(black, mask, alpha=1.0, colors="white")
    assert masked[0].sum().item() == 255 * 3
    assert black.sum().item() == 0


MISTAKES = [
    (utils.draw_bounding_boxes, (PHOTO, BOXES[:, ::-1].copy()), {}, "xmin, ymin"),
    (utils.draw_bounding_boxes, (PHOTO, BOXES), {"labels": ["one"]}, "label for each of 2"),
    (utils.draw_bounding_boxes, (PHOTO, BOXES), {"colors": ["red"]}, "Number of colors"),
    (utils.draw_bounding_boxes, (PHOTO, BOXES), {"colors": (1, 2)}, "RGB triplet"),
    (utils.draw_bounding_boxes, (PHOTO[None], BOXES), {}, "not batches"),
    (utils.draw_segmentation_masks, (PHOTO[:1], MASKS), {}, "channels"),
    (utils.draw_segmentation_masks, (PHOTO, MASKS.astype(np.uint8)), {}, "must be bool"),
    (utils.draw_keypoints, (PHOTO, POINTS[0]), {}, "num_instances"),
]


@pytest.mark.parametrize(("draw", "args", "options", "match"), MISTAKES)
def test_mistakes_are_named(draw: Any, args: Any, options: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        draw(*map(pyrite.from_numpy, args), **options)


def test_nothing_to_draw_is_a_warning() -> None:
    photo = pyrite.from_numpy(PHOTO)
    with pytest.warns(UserWarning, match="No box was drawn"):
        assert utils.draw_bounding_boxes(photo, pyrite.zeros(0, 4)) is photo
    with pytest.warns(UserWarning, match="No mask was drawn"):
        utils.draw_segmentation_masks(photo, pyrite.zeros(0, 30, 40, dtype=pyrite.bool))
