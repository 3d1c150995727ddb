"""torch's backend switches, settable; each says whether it has an effect here."""

from __future__ import annotations

from typing import Any


class Switches:
    """A group of switches: attributes with defaults; AttributeError for an unknown one."""

    def __init__(self, doc: str, **defaults: Any) -> None:
        self.__dict__.update(defaults)
        self.__doc__ = doc

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "__doc__" and name not in self.__dict__:
            raise AttributeError(f"no switch {name!r}; there are {', '.join(self.__dict__)}")
        self.__dict__[name] = value


class Answer:
    """Groups that programs ask `is_available()`."""

    def __init__(self, doc: str, available: bool, **switches: Any) -> None:
        self.__dict__.update(switches)
        self.__doc__ = doc
        self._available = available

    def is_available(self) -> bool:
        return self._available


cudnn = Switches(
    "Without effect: every convolution here is deterministic whatever is set.",
    enabled=True, benchmark=False, deterministic=False, allow_tf32=True,
)  # fmt: skip
matmul = Switches(
    "Without effect yet: float32 products are computed in float32.",
    allow_tf32=False, allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
)  # fmt: skip
cuda = Switches("Switches of matrix products on GPUs.", matmul=matmul)
mps = Answer("Apple's GPUs have no backend here.", False)
mkldnn = Answer("oneDNN is not used.", False, enabled=False)
