"""The random state: generators, seeding, and the generator that draws at this moment.

A generator is two numbers: its seed, the key of the stream, and its offset, the count of calls
that drew from it (`backends/_philox.py` defines the stream). One default generator serves all
devices, and each draw depends on the two numbers and its index alone: a program gives the same
numbers on every device.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from . import backends
from ._device import device as device_
from ._dtypes import uint8
from ._graph import outside
from ._tensor import Tensor
from .autograd import modes
from .backends._philox import block

__all__ = [
    "Generator", "default_generator", "fork_rng", "get_rng_state", "initial_seed", "manual_seed",
    "seed", "set_rng_state",
]  # fmt: skip

_LOW, _HIGH = (1 << 32) - 1, (1 << 64) - 1
_TAG = b"PYR1"  # opens a state: this package's format, version 1
_STATE_BYTES = len(_TAG) + 16
_DERIVED = 0x9E3779B97F4A7C15  # keys of `derive` start apart from those of draws


class Generator:
    """A stream of random numbers of its own: `generator=` of every function that draws.

    Its state is (seed, offset); each call that draws advances the offset by one. It may serve
    tensors of any device and several threads. A new one has the fixed seed 67280421310721.
    """

    __slots__ = ("_device", "_lock", "_offset", "_seed")

    def __init__(self, device: device_ | str | None = None) -> None:
        self._device = device_("cpu" if device is None else device)
        self._seed, self._offset = 67280421310721, 0
        self._lock = threading.Lock()

    @property
    def device(self) -> device_:
        """The device it was made for; it may be used with any."""
        return self._device

    def advance(self) -> tuple[int, int]:
        """(seed, offset) for one call that draws; the next call gets the next offset."""
        call: tuple[int, int] = outside(self._advance)
        return call

    def _advance(self) -> tuple[int, int]:
        with self._lock:
            offset = self._offset
            self._offset = offset + 1 & _HIGH
            return self._seed, offset

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of `seed`, in [-2**63, 2**64); negative ones count from 2**64 down."""
        if not isinstance(seed, int):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed <= _HIGH:
            raise ValueError(
                f"Overflow when unpacking long long: expected a seed in [-2**63, 2**64), got {seed}"
            )
        return self._restore(int(seed) & _HIGH, 0)

    def seed(self) -> int:
        """Start a stream with a seed from the operating system, and return the seed."""
        seed = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the current stream."""
        return self._seed

    def get_state(self) -> Tensor:
        """The state: a uint8 tensor of shape (20,), a tag of 4 bytes, the seed and the offset."""
        with self._lock:
            parts = self._seed, self._offset
        data = _TAG + b"".join(part.to_bytes(8, "little") for part in parts)
        return Tensor(backends.get("cpu").asarray(list(data), uint8.numpy))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continue from a state of `get_state`.

        TypeError for anything but a uint8 tensor, RuntimeError for one that is no such state.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a uint8 Tensor, but got {type(new_state).__name__}")
        if new_state.dtype is not uint8:
            raise TypeError(f"RNG state must be a uint8 Tensor, got {new_state.dtype}")
        values = new_state.tolist()
        data = bytes(values if isinstance(values, list) and new_state.ndim == 1 else ())
        if len(data) != _STATE_BYTES or not data.startswith(_TAG):
            raise RuntimeError(
                f"RNG state: expected {_STATE_BYTES} bytes that begin with {_TAG!r}, got a tensor "
                f"of shape {list(new_state.shape)}; pass what get_state() returned"
            )
        seed, offset = (int.from_bytes(part, "little") for part in (data[4:12], data[12:]))
        return self._restore(seed, offset)

    def clone_state(self) -> Generator:
        """A new generator in the same state."""
        with self._lock:
            return Generator(self._device)._restore(self._seed, self._offset)

    def _restore(self, seed: int, offset: int) -> Generator:
        modes.tell("effect", "the function sets a random state")
        with self._lock:
            self._seed, self._offset = seed, offset
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Generator:
        return self.clone_state()

    __copy__ = clone_state

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._device, self._seed, self._offset)

    def __repr__(self) -> str:
        return f"Generator(device='{self._device}', seed={self._seed}, offset={self._offset})"


def _rebuild(device: device_, seed: int, offset: int) -> Generator:
    return Generator(device)._restore(seed, offset)


def derive(seed: int, *numbers: int) -> Generator:
    """The generator that belongs to `numbers` under `seed`, alike everywhere and at any time.

    From the key `seed` xor a constant on, each number x at position i is folded in as a Philox
    block: words 0 and 1 of counter (x low, x high, i, count of numbers) are the next key.
    Different numbers give unrelated streams. Numbers count modulo 2**64.
    """
    key = (seed ^ _DERIVED) & _HIGH
    for i, x in enumerate(numbers):
        low, high, _, _ = block(key, x & _LOW, x >> 32 & _LOW, i, len(numbers))
        key = low | high << 32
    return Generator()._restore(key, 0)


default_generator = Generator()
default_generator.seed()

_scoped: ContextVar[Generator | None] = ContextVar("pyrite_generator", default=None)


def current_generator() -> Generator:
    """The generator that draws where none is given: that of the innermost scope, or the default."""
    return _scoped.get() or default_generator


@contextmanager
def generator_scope(generator: Generator) -> Iterator[Generator]:
    """Let `generator` stand in for the default one, in this thread or task only."""
    token = _scoped.set(generator)
    try:
        yield generator
    finally:
        _scoped.reset(token)


def manual_seed(seed: Any) -> Generator:
    """Seed the default generator, of all devices; see `Generator.manual_seed`. Returns it."""
    return current_generator().manual_seed(int(seed))


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return current_generator().seed()


def initial_seed() -> int:
    """The seed of the default generator's current stream."""
    return current_generator().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, of all devices: a uint8 tensor."""
    return current_generator().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state of `get_rng_state`."""
    current_generator().set_state(new_state)


@contextmanager
def fork_rng(
    devices: Iterable[Any] | None = None, enabled: bool = True, device_type: str = "cuda"
) -> Iterator[None]:
    """Put the random state back at the end of the block.

    `devices` and `device_type` have no effect: all devices share one state.
    """
    generator = current_generator()
    state = generator.get_state() if enabled else None
    try:
        yield
    finally:
        if state is not None:
            generator.set_state(state)
