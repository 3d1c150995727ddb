"""`autocast`: an interceptor that casts the inputs of each op by torch's lists (`_ops.mixed`)."""

from __future__ import annotations

import functools
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .. import backends
from .._dtypes import bfloat16, dtype, float16, float32
from .._tensor import F, Tensor
from .._trees import tree_map
from ..autograd import modes

_DEFAULTS = {"cpu": bfloat16, "cuda": float16}


class _State(threading.local):
    """What `autocast` regions set, per thread."""

    def __init__(self) -> None:
        self.enabled = dict.fromkeys(_DEFAULTS, False)
        self.dtypes = dict(_DEFAULTS)
        self.cache_enabled = True
        self.nesting = 0
        # (id of a parameter, dtype, whether recorded) -> (it, its array, version, its cast)
        self.casts: dict[Any, tuple[Any, Any, int, Tensor]] = {}


_state = _State()


# ---- casts


def _eligible(value: Any, place: str) -> bool:
    """Whether autocast on a device type may change this: a floating tensor there, not float64."""
    if not isinstance(value, Tensor):
        return False
    kind = value.dtype
    return kind.is_floating_point and kind.itemsize < 8 and value.device.type == place


def _leaves(nest: Any) -> Iterator[Any]:
    if isinstance(nest, tuple | list):
        for item in nest:
            yield from _leaves(item)
    else:
        yield nest


def _mapped(nest: Any, change: Callable[[Any], Any]) -> Any:
    if type(nest) in (tuple, list):
        return type(nest)([_mapped(item, change) for item in nest])
    return change(nest)


def _cast(tensor: Tensor, to: dtype) -> Tensor:
    """The tensor in another dtype; of a parameter, one copy serves the whole region."""
    if tensor.dtype is to:
        return tensor
    leaf = tensor._requires_grad and tensor.node is None and tensor.cut is None
    # What other interceptors follow (a capture) must be made before their eyes.
    if not leaf or to is float32 or not _state.cache_enabled or modes.state.stack:
        return F.cast(tensor, to)
    key = id(tensor), to, modes.is_grad_enabled()
    owner, array, version, cast = _state.casts.get(key, (None, None, 0, tensor))
    if owner is None or owner() is not tensor or array is not tensor.array or (
        version != tensor._version
    ):  # fmt: skip
        cast = F.cast(tensor, to)
        _state.casts[key] = weakref.ref(tensor), tensor.array, tensor._version, cast
    return cast


class _Casting:
    """The interceptor; every thread uses the same one and has its own settings."""

    prepares = True

    def __call__(
        self, op: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        for place, to in self._targets(op.name, op.autocast, args) if op.autocast else ():
            args = self._converted(args, place, to)
        return call(*args, **kwargs)

    def composite(
        self, function: Callable[..., Any], rules: dict[str, str], args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # fmt: skip
        """Call a function on the lists: its parts run in the dtype that it is given."""
        given = (args, tuple(kwargs.values()))
        targets = self._targets(function.__name__, rules, given)
        if not targets:
            return function(*args, **kwargs)
        with modes.below(tuple([i for i in modes.state.stack if i is not self])):
            for place, to in targets:
                given = self._converted(given, place, to)
            args, values = given
            return function(*args, **dict(zip(kwargs, values, strict=True)))

    def _targets(
        self, name: str, rules: dict[str, str], args: Any
    ) -> list[tuple[str, dtype | None]]:
        """Per device type, on which the rules hold here, the dtype to cast to (None: as it is)."""
        found: list[tuple[str, dtype | None]] = []
        for place, policy in rules.items():
            if not _state.enabled[place]:
                continue
            kinds = {t.dtype for t in _leaves(args) if _eligible(t, place)}
            if not kinds:
                continue
            if policy == "banned":
                raise RuntimeError(
                    f"{name} and BCELoss are unsafe to autocast: their input may be 0 or 1 in "
                    "half precision, where the logarithm is infinite. Leave out the sigmoid and "
                    "use binary_cross_entropy_with_logits or BCEWithLogitsLoss"
                )
            widest = float32 if float32 in kinds else None
            targets = {"lower": _state.dtypes[place], "float32": float32, "promote": widest}
            found.append((place, targets.get(policy)))
        return found

    @staticmethod
    def _converted(args: Any, place: str, to: dtype | None) -> Any:
        if to is None:
            return args
        return _mapped(args, lambda v: _cast(v, to) if _eligible(v, place) else v)


_CASTING = _Casting()


# ---- settings


def is_autocast_available(device_type: str) -> bool:
    """Whether there are lists for a device type: "cpu" and "cuda"."""
    return device_type in _DEFAULTS


def _known(device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if device_type not in _DEFAULTS:
        raise RuntimeError(
            f"User specified an unsupported autocast device_type '{device_type}'; expected one of "
            f"{', '.join(_DEFAULTS)}"
        )
    return device_type


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether the thread is inside an enabled region for this device type."""
    return _state.enabled[_known(device_type)]


def get_autocast_dtype(device_type: str) -> dtype:
    """What "lower precision" is on this device type."""
    return _state.dtypes[_known(device_type)]


def is_autocast_cache_enabled() -> bool:
    """Whether casts of parameters are kept inside a region."""
    return _state.cache_enabled


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Switch autocast for a device type; regions restore it."""
    _state.enabled[_known(device_type)] = enabled
    others = tuple([i for i in modes.state.stack if i is not _CASTING])
    modes.set_stack((*others, _CASTING) if any(_state.enabled.values()) else others)


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Set what "lower precision" is on a device type."""
    _state.dtypes[_known(device_type)] = dtype


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Switch the keeping of parameters' casts."""
    _state.cache_enabled = enabled


def autocast_increment_nesting() -> int:
    """Note one more region around what runs; their number."""
    _state.nesting += 1
    return _state.nesting


def autocast_decrement_nesting() -> int:
    """Note the end of a region; the number that are left."""
    _state.nesting -= 1
    return _state.nesting


def clear_autocast_cache() -> None:
    """Forget the casts of parameters."""
    _state.casts.clear()


# ---- regions


class autocast:
    """A region (context manager or decorator) whose ops run in mixed precision.

    Matrix products and convolutions run in `dtype`, what needs the range in float32, by torch's
    lists for the device type. Casts of parameters are kept until the outermost region ends.

    Args:
        device_type: "cpu" or "cuda": the tensors concerned.
        dtype: the lower precision; bfloat16 on the CPU and float16 on GPUs by default.
        enabled: False switches autocast off inside an enabled region.
        cache_enabled: whether casts of parameters are kept; as outside by default.

    Raises:
        RuntimeError: another device type.
    """

    def __init__(
        self, device_type: str, dtype: dtype | None = None, enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # fmt: skip
        self.device = _known(device_type)
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        keep = is_autocast_cache_enabled()
        self._cache_enabled = keep if cache_enabled is None else cache_enabled
        self._enabled = enabled and self._supported()
        self._before: list[tuple[Any, ...]] = []

    def _supported(self) -> bool:
        if self.device == "cuda":
            if not backends.available("cuda"):
                warnings.warn("CUDA is not available. Disabling autocast.", stacklevel=4)
                return False
        elif self.fast_dtype not in (bfloat16, float16):
            warnings.warn(
                f"In {self.device.upper()} autocast, but the target dtype {self.fast_dtype} is not "
                "supported (only bfloat16 and float16 are). Disabling autocast.",
                stacklevel=4,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        device = self.device
        before = _state.enabled[device], _state.dtypes[device], _state.cache_enabled
        self._before.append((modes.state.stack, *before))
        set_autocast_enabled(device, self._enabled)
        set_autocast_dtype(device, self.fast_dtype)
        set_autocast_cache_enabled(self._cache_enabled)
        autocast_increment_nesting()
        return self

    def __exit__(self, *_: Any) -> None:
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        stack, enabled, kind, keep = self._before.pop()
        _state.enabled[self.device], _state.dtypes[self.device] = enabled, kind
        set_autocast_cache_enabled(keep)
        modes.set_stack(stack)

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}; to run a "
                "block, write `with pyrite.autocast(...):`"
            )

        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return wrapped


def present_regions() -> list[autocast]:
    """Regions that make the thread's settings again, for what is computed a second time later."""
    keep = _state.cache_enabled
    return [autocast(d, _state.dtypes[d], on, keep) for d, on in _state.enabled.items()]


def custom_fwd(
    fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: dtype | None = None
) -> Any:
    """Decorate `forward` of an `autograd.Function`, which then remembers the autocast state.

    With `cast_inputs`, inside an enabled region it gets its floating inputs in that dtype and runs
    with autocast off; outside that has no effect.
    """
    _known(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        enabled = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = enabled and cast_inputs is None
        if not enabled or cast_inputs is None:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type, enabled=False):
            args, kwargs = tree_map(
                lambda v: v.to(cast_inputs) if _eligible(v, device_type) else v, (args, kwargs)
            )
            return fwd(ctx, *args, **kwargs)

    return wrapped


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorate `backward` of an `autograd.Function`: it runs in `forward`'s autocast state."""
    _known(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def wrapped(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, ctx._dtype, ctx._fwd_used_autocast):
            return bwd(ctx, *args, **kwargs)

    return wrapped
