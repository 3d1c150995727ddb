"""Modes of the calling thread: gradients on or off, and the stack of interceptors.

The hot path of every op reads one number, `state.mode`: 0 records, 1 does not, 2 and 3 are the
same with interceptors present, which takes the call to the slow path.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])
# (op, call, arguments, keyword arguments) -> result; `call` goes on below the interceptor.
Interceptor = Callable[[Any, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]

RECORD, PLAIN, INTERCEPT = 0, 1, 2


class _State(threading.local):
    mode: int = RECORD
    stack: tuple[Interceptor, ...] = ()
    inference: bool = False


state = _State()


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread."""
    return not state.mode & PLAIN


def is_inference_mode_enabled() -> bool:
    """Whether the thread is inside `inference_mode`."""
    return state.inference


def _set_grad(enabled: bool) -> None:
    state.mode = (INTERCEPT if state.stack else 0) | (RECORD if enabled else PLAIN)


def set_stack(stack: tuple[Interceptor, ...]) -> None:
    """Let these interceptors, the last one first, see every op call of this thread from now on."""
    state.stack = stack
    _set_grad(is_grad_enabled())


class below:
    """Run with another stack of interceptors (an interceptor's own calls)."""

    __slots__ = ("before", "stack")

    def __init__(self, stack: tuple[Interceptor, ...]) -> None:
        self.stack = stack

    def __enter__(self) -> None:
        self.before = state.stack
        set_stack(self.stack)

    def __exit__(self, *_: Any) -> None:
        set_stack(self.before)


def intercept(interceptor: Interceptor) -> AbstractContextManager[None]:
    """Let `interceptor` see every op call of this thread inside the block.

    Interceptors with a true attribute `prepares` stay before it: they change what a call is given.
    """
    first = tuple([i for i in state.stack if getattr(i, "prepares", False)])
    return below((*[i for i in state.stack if i not in first], interceptor, *first))


def followed() -> bool:
    """Whether an interceptor wants to see the calls of a backward pass too."""
    return any(getattr(i, "follows_backward", False) for i in state.stack)


def tell(event: str, *facts: Any) -> None:
    """Let the interceptors that have a method of this name know what happens beside the ops."""
    for interceptor in state.stack:
        if (method := getattr(interceptor, event, None)) is not None:
            method(*facts)


class _GradMode:
    """A context manager and decorator (functions and generators) that sets the grad mode."""

    enabled = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        mode = super().__new__(cls)
        if len(args) == 1 and callable(args[0]) and not kwargs:  # used as a bare decorator
            mode.__init__()  # type: ignore[misc]
            return mode(args[0])
        return mode

    def __init__(self) -> None:
        self._before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self._before.append((is_grad_enabled(), state.inference))
        _set_grad(self.enabled)

    def __exit__(self, *_: Any) -> None:
        enabled, state.inference = self._before.pop()
        _set_grad(enabled)

    def _clone(self) -> _GradMode:
        return type(self)()

    def __call__(self, function: Function) -> Function:
        if inspect.isgeneratorfunction(function):
            return self._wrap_generator(function)

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._clone():
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]

    def _wrap_generator(self, function: Function) -> Function:
        """Each resumption runs in the mode; the caller's code between them does not."""

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            resume, value = generator.send, None
            while True:
                try:
                    with self._clone():
                        item = resume(value)
                except StopIteration as end:
                    return end.value
                try:
                    value = yield item
                    resume = generator.send
                except GeneratorExit:
                    generator.close()
                    raise
                except BaseException as error:  # noqa: BLE001 (handed on to the generator)
                    resume, value = generator.throw, error

        return wrapped  # type: ignore[return-value]


class no_grad(_GradMode):
    """Operations inside are not recorded."""


class enable_grad(_GradMode):
    """Operations inside are recorded, also within `no_grad`."""

    enabled = True


class set_grad_enabled(_GradMode):
    """Set the mode at once; as a context manager, restore it at the end."""

    def __init__(self, mode: bool) -> None:
        super().__init__()
        self._before.append((is_grad_enabled(), state.inference))
        self.enabled = bool(mode)
        _set_grad(self.enabled)

    def __enter__(self) -> None:
        _set_grad(self.enabled)

    def __call__(self, function: Function) -> Function:
        _set_grad(self._before[-1][0])
        return super().__call__(function)

    def _clone(self) -> _GradMode:
        return set_grad_enabled(self.enabled)


class inference_mode(_GradMode):
    """Like `no_grad`, for code that never needs gradients; `mode=False` does nothing."""

    def __init__(self, mode: bool = True) -> None:
        super().__init__()
        self.active = bool(mode)

    def __enter__(self) -> None:
        super().__enter__()
        if self.active:
            state.inference = True
        else:
            _set_grad(self._before[-1][0])

    def _clone(self) -> _GradMode:
        return inference_mode(self.active)
