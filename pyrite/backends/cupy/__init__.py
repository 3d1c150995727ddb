"""The GPU backend: CuPy arrays and generic kernels."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._base import Backend

_INSTALL = (
    "device 'cuda' needs CuPy: install the extra for your CUDA version, "
    "pip install 'pyrite[cuda12]' or pip install 'pyrite[cuda13]'"
)


class CupyBackend(Backend):
    """Arrays on NVIDIA GPUs."""

    name = "cuda"

    def __init__(self, cupy: Any) -> None:
        self.xp = cupy
        self.array_type = cupy.ndarray

    def asarray(self, value: Any, kind: np.dtype[Any] | None = None) -> Any:
        return self.xp.asarray(value, kind)

    def to_host(self, array: Any) -> np.ndarray[Any, Any]:
        host: np.ndarray[Any, Any] = self.xp.asnumpy(array)
        return host

    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        return self.xp.asarray(array)

    def empty(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> Any:
        return self.xp.empty(shape, kind)

    def is_available(self) -> bool:
        return bool(self.xp.is_available())

    def device_count(self) -> int:
        return int(self.xp.cuda.runtime.getDeviceCount()) if self.is_available() else 0

    def current_device(self, array: Any = None) -> int | None:
        return int(self.xp.cuda.runtime.getDevice() if array is None else array.device.id)

    def set_device(self, index: int | None) -> None:
        if index is not None:
            self.xp.cuda.Device(index).use()

    def synchronize(self) -> None:
        self.xp.cuda.Device().synchronize()

    def stream(self, **options: Any) -> Any:
        return self.xp.cuda.Stream(**options)

    def event(self, **options: Any) -> Any:
        return self.xp.cuda.Event(**options)

    def memory_stats(self) -> dict[str, int]:
        pool = self.xp.get_default_memory_pool()
        return {"allocated": pool.used_bytes(), "reserved": pool.total_bytes()}

    def empty_cache(self) -> None:
        self.xp.get_default_memory_pool().free_all_blocks()


def load() -> CupyBackend:
    """Import CuPy; ImportError that names the extra, RuntimeError where there is no GPU."""
    try:
        import cupy
    except ImportError as error:
        raise ImportError(_INSTALL) from error
    backend = CupyBackend(cupy)
    if not backend.is_available():
        raise RuntimeError(
            "device 'cuda' was asked for, but CuPy finds no usable NVIDIA GPU or driver; "
            "use device='cpu', or check `nvidia-smi` and that the installed extra (cuda12 or "
            "cuda13) fits the driver"
        )
    return backend
