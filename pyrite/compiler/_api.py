"""The public functions around `Compiled`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..autograd import modes
from ..nn.modules.module import Module
from ._compile import LIMIT, Compiled
from ._trace import Trace

MODES = ("default", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
# Settings of torch's compiler that say how, not what: there is nothing here for them to change.
OPTIONS = frozenset((
    "epilogue_fusion", "fallback_random", "max_autotune", "shape_padding", "trace.enabled",
    "trace.graph_diagram", "triton.cudagraphs",
))  # fmt: skip
BACKENDS = {"inductor": True, "cudagraphs": True, "aot_eager": False}


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False,
    dynamic: bool | None = None, backend: str | None = None, mode: str | None = None,
    options: dict[str, Any] | None = None, name: str | None = None, disable: bool = False,
    recompile_limit: int | None = None,
) -> Any:  # fmt: skip
    """The callable, observed once per kind of arguments and done again from a plan afterwards.

    A plan is a flat list of kernel calls without what eager mode does around each op. It serves
    calls with the same shapes, dtypes, strides, numbers and modes, for the same state of modules
    and variables that the function names; another kind gets a plan of its own. Parameters are
    referred to, so updates in place and loaded states are seen. A function may compute gradients
    and take an optimizer's step: the whole training step is then one plan.

    What cannot be done again (a look at a tensor's value, a change of Python state) runs as it
    is, for calls of that kind; the logger `pyrite.compiler` says why.

    Args:
        model: a function, or a Module (then the result is a Module around it, with state keys
            under `_orig_mod.`). None: a decorator.
        fullgraph: RuntimeError, naming the line, where a call cannot be compiled.
        dynamic: taken for compatibility: each shape has a plan of its own.
        backend: "inductor"; "aot_eager" makes the same calls as the function; "eager" leaves it.
        mode: "default", "reduce-overhead", "max-autotune" or "max-autotune-no-cudagraphs"; they
            do not differ here.
        options: settings of PyTorch's compiler by name, none of which has an effect.
        name: what the log calls it.
        disable: return `model` as it is.
        recompile_limit: how many plans are kept (8); other calls then run as they are.

    Raises:
        RuntimeError: an unknown mode, option or backend; mode and options together.
    """
    if mode is not None and options is not None:
        raise RuntimeError(
            "Either mode or options can be specified, but both can't be specified at the same time."
        )
    _check(mode, options, backend)
    if model is None:
        return lambda model: compile(
            model, fullgraph=fullgraph, dynamic=dynamic, backend=backend, mode=mode,
            options=options, name=name, disable=disable, recompile_limit=recompile_limit,
        )  # fmt: skip
    if disable or backend == "eager":
        return model
    rest = (fullgraph, BACKENDS[backend or "inductor"], recompile_limit or LIMIT)
    if isinstance(model, Module):
        return OptimizedModule(model, *rest, name)
    return Compiled(model, *rest, name)


def _check(mode: str | None, options: dict[str, Any] | None, backend: Any) -> None:
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    for key in options or ():
        if key.replace("-", "_") not in OPTIONS:
            raise RuntimeError(
                f"Unexpected optimization option {key}, known options are {sorted(OPTIONS)}"
            )
    if backend not in (None, "eager", *BACKENDS):
        raise RuntimeError(
            f"Invalid backend: {backend!r}, see pyrite.compiler.list_backends() for available "
            "backends; a function as backend would get PyTorch's own graph, which is not there"
        )


class OptimizedModule(Module):
    """A Module around a compiled one: `_orig_mod`, whose attributes it shows and sets."""

    def __init__(self, mod: Module, *options: Any) -> None:
        super().__init__()
        self._modules["_orig_mod"] = mod
        self.__dict__["_options"] = options
        self.__dict__["_compiled"] = Compiled(mod.__call__, *options)
        del self.__dict__["training"]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The compiled call of the module, its hooks included."""
        return self._compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        modules = self.__dict__.get("_modules", {})
        if name == "_orig_mod" or "_orig_mod" not in modules:
            return super().__getattr__(name)
        return getattr(modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__ or name == "_orig_mod":
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})

    def __len__(self) -> int:
        return len(self._orig_mod)

    def __reduce__(self) -> tuple[Any, ...]:
        return OptimizedModule, (self._orig_mod, *self._options)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """Keep a function out of plans: a compiled function that calls it runs as it is.

    Args:
        fn: a function or Module; None: a decorator.
        recursive: False lets what it calls be compiled, which it is here in either case.
        reason: what the log says.
    """
    if fn is None:
        return lambda fn: disable(fn, recursive, reason=reason)

    @functools.wraps(fn, updated=())
    def apart(*args: Any, **kwargs: Any) -> Any:
        if is_compiling():
            modes.tell("effect", reason or f"it calls {fn!r}, which is disabled")
        return fn(*args, **kwargs)

    return apart


def is_compiling() -> bool:
    """Whether this thread observes a function to compile it."""
    return any(isinstance(i, Trace) for i in modes.state.stack)


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names that `backend=` takes; those for finding mistakes with `exclude_tags=()`."""
    return sorted(
        BACKENDS if exclude_tags is None or not exclude_tags else {"inductor", "cudagraphs"}
    )
