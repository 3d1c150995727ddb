"""Pillow's images as tensors, and back."""

from __future__ import annotations

from typing import Any

from PIL import Image

from .. import Tensor, backends, empty, from_numpy, frombuffer, int16, int32, uint8
from .. import bool as boolean
from .. import float32 as single

# The types of Pillow's modes, where not uint8; Pillow's modes by channels, the first by default.
_TYPES = {"I": int32, "I;16": int32, "F": single}
_MODES = {2: ("LA",), 3: ("RGB", "YCbCr", "HSV"), 4: ("RGBA", "CMYK", "RGBX")}
_GREY = {uint8: "L", int16: "I;16", int32: "I", single: "F"}


def is_array(value: Any) -> bool:
    """Whether a value is a backend's array, NumPy's for instance."""
    return type(value) in backends._by_type


def pil_to_tensor(pic: Any) -> Tensor:
    """A Pillow image as a tensor (C, H, W) of its values; no scaling, always a copy.

    uint8, but int32 of modes I and I;16, float32 of F and bool of 1. TypeError for anything else.
    """
    if not isinstance(pic, Image.Image):
        raise TypeError(f"pic should be PIL Image. Got {type(pic)}")
    bits = pic.mode == "1"
    image = pic.convert({"1": "L", "I;16": "I"}.get(pic.mode, pic.mode))
    bands = image.split()
    size, kind = (len(bands), image.height, image.width), _TYPES.get(pic.mode, uint8)
    if not image.width * image.height:
        return empty(size, dtype=kind)
    # Pillow takes bands apart faster than a copy in another order would.
    planes = frombuffer(bytearray().join([band.tobytes() for band in bands]), dtype=kind)
    planes = planes.reshape(size)
    return planes != 0 if bits else planes


def to_tensor(pic: Any) -> Tensor:
    """A Pillow image or an array (H, W) or (H, W, C) as a contiguous tensor (C, H, W).

    8-bit values become numbers from 0 to 1; others stay as they are. TypeError for other inputs,
    ValueError for arrays of other dimensions.
    """
    if isinstance(pic, Image.Image):
        planes = pil_to_tensor(pic.convert("L") if pic.mode == "1" else pic)
        planes = planes.to(int16) if pic.mode == "I;16" else planes
    elif is_array(pic):
        if pic.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
        planes = from_numpy(pic.reshape(*pic.shape[:2], -1)).permute(2, 0, 1)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(pic)}")
    return planes.contiguous() / 255 if planes.dtype is uint8 else planes.contiguous()


def to_pil_image(pic: Any, mode: str | None = None) -> Image.Image:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a Pillow image.

    Floating values from 0 to 1 become 0 to 255 (but for mode F). One channel gives mode L, I, I;16
    or F by its type, two LA, three RGB, four RGBA, or another `mode` of so many channels. Mode 1
    takes bool, I;16 also int32.
    TypeError for other inputs and types, ValueError for other shapes and modes.
    """
    if is_array(pic):
        tensor = from_numpy(pic.copy())
    elif isinstance(pic, Tensor):
        tensor = pic.detach().cpu()
        tensor = tensor.permute(1, 2, 0) if tensor.ndim == 3 else tensor
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(pic)}.")
    tensor = tensor[:, :, None] if tensor.ndim == 2 else tensor
    if tensor.ndim != 3:
        raise ValueError(f"pic should be 2/3 dimensional. Got {tensor.ndim} dimensions.")
    if mode == "1" and tensor.dtype is boolean:
        return to_pil_image(tensor.permute(2, 0, 1).to(uint8) * 255).convert("1")
    if mode == "I;16" and tensor.dtype is int32:
        tensor = tensor.to(int16)
    height, width, channels = tensor.shape
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if tensor.is_floating_point() and mode != "F":
        tensor = (tensor * 255).to(uint8)
    name = _mode(tensor, channels, mode)
    return Image.frombytes(name, (width, height), tensor.contiguous().numpy().tobytes())


def _mode(tensor: Tensor, channels: int, mode: str | None) -> str:
    """The name of the mode for so many channels of the tensor's type."""
    fitting = _MODES.get(channels) or (_GREY.get(tensor.dtype),)
    if tensor.dtype is not uint8 and (channels > 1 or fitting == (None,)):
        raise TypeError(f"Input type {tensor.dtype} of {channels} channels is not supported")
    if mode is not None and mode not in fitting:
        raise ValueError(
            f"Incorrect mode ({mode}) supplied for {tensor.dtype} of {channels} channels. Should "
            f"be {' or '.join(map(str, fitting))}"
        )
    return str(mode or fitting[0])
