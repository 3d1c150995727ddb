"""The record of a function on images: a kernel for each kind of input.

`@op` makes the function out of its kernel for tensors, which serves images and videos, too;
`@geometric` also lets it serve masks. `@kernel(function, kind)` adds one for another kind, which
names the function's arguments that it needs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from ... import Tensor
from ..tv_tensors import Image, Mask, TVTensor, Video, wrap

Call = TypeVar("Call", bound=Callable[..., Any])
P = ParamSpec("P")

# function -> kind -> kernel.
KERNELS: dict[Callable[..., Any], dict[type, Callable[..., Any]]] = {}


class InterpolationMode(Enum):
    """How values between pixels are found: Pillow knows all but NEAREST_EXACT as another."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


Interpolation = InterpolationMode | str | int
Fill = Any  # a number, one for each channel, or None; in classes also a dict of these by kind

_NUMBERS = {
    "nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5,
}  # fmt: skip


def mode_name(interpolation: Interpolation) -> str:
    """The name of a mode given as such, as its name or as Pillow's number.

    ValueError for an unknown name or number, TypeError for anything else.
    """
    if isinstance(interpolation, InterpolationMode):
        return interpolation.value
    names = [mode.value for mode in InterpolationMode]
    if isinstance(interpolation, str):
        if interpolation in names:
            return interpolation
    elif not isinstance(interpolation, int):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode, its name or a corresponding "
            f"Pillow integer constant, but got {interpolation!r}"
        )
    elif interpolation in _NUMBERS.values():
        return next(name for name, number in _NUMBERS.items() if number == interpolation)
    raise ValueError(f"Invalid interpolation mode: {interpolation!r}. Supported are: {names}")


def mode_number(interpolation: Interpolation) -> int:
    """Pillow's number of a mode."""
    return _NUMBERS[mode_name(interpolation).removesuffix("-exact")]


def op(image: Callable[Concatenate[Tensor, P], Any]) -> Callable[Concatenate[Any, P], Any]:
    """The function whose kernel for tensors this is."""

    @functools.wraps(image)
    def function(*args: Any, **kwargs: Any) -> Any:
        if not args:  # the input by name: `img` or `tensor` in version 1
            named = [kwargs.pop(name) for name in ("inpt", "img", "tensor") if name in kwargs]
            args = tuple(named) or (None,)
        return find(function, type(args[0]))(*args, **kwargs)

    def wrapped(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        out = image(inpt.as_plain(), *args, **kwargs)
        if isinstance(out, tuple):
            return tuple([wrap(part, like=inpt) for part in out])
        return wrap(out, like=inpt)

    signature = inspect.signature(image)
    first, *others = signature.parameters.values()
    parameters = [first.replace(name="inpt", annotation=Any), *others]
    vars(function)["__signature__"] = signature.replace(parameters=parameters)
    KERNELS[function] = {Tensor: image, Image: wrapped, Video: wrapped}
    return function


def geometric(
    image: Callable[Concatenate[Tensor, P], Any],
) -> Callable[Concatenate[Any, P], Any]:
    """`op` for a function that moves pixels: masks move along, without values between."""
    function = op(image)
    names, planewise = inspect.signature(image).parameters, cast("Callable[..., Any]", image)

    @kernel(function, Mask, every=True)
    def _masks(mask: Any, **given: Any) -> Any:
        if "interpolation" in names and "exact" not in mode_name(given["interpolation"]):
            given["interpolation"] = InterpolationMode.NEAREST
        planes = mask.as_plain()
        out = planewise(planes[None] if mask.ndim < 3 else planes, **given)
        out = out[0] if mask.ndim < 3 else out
        return wrap(out, like=mask)

    return function


def kernel(function: Any, *kinds: type, every: bool = False) -> Callable[[Call], Call]:
    """Register what serves `kinds`: it gets the arguments that it names, or `every` one by name."""
    signature = inspect.signature(function)
    _, *parameters = signature.parameters.values()
    names = [parameter.name for parameter in parameters]
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}

    def register(of: Call) -> Call:
        wanted = names if every else list(inspect.signature(of).parameters)[1:]

        @functools.wraps(of)
        def call(inpt: Any, *args: Any, **kwargs: Any) -> Any:
            given = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
            if len(given) != len(names) or len(args) + len(kwargs) > len(names):
                signature.bind(inpt, *args, **kwargs)  # raises TypeError
            return of(inpt, **{name: given[name] for name in wanted})

        KERNELS[function].update(dict.fromkeys(kinds, call))
        return of

    return register


def find(function: Any, kind: type) -> Callable[..., Any]:
    """The function's kernel for a kind; TypeError if it has none."""
    found = look_up(function, kind)
    if found is None:
        known = ", ".join(k.__name__ for k in KERNELS[function])
        raise TypeError(f"{function.__name__}() supports inputs of type {known}, but got {kind}")
    return found


def look_up(function: Any, kind: type) -> Callable[..., Any] | None:
    """The function's kernel for a kind or None; kinds of tensors do not count as plain ones."""
    kernels = KERNELS[function]
    for base in kind.__mro__:
        if base in kernels:
            return kernels[base]
        if base is TVTensor:
            break
    return None


def register_kernel(functional: Any, tv_tensor_cls: type) -> Callable[[Call], Call]:
    """A decorator: let a function of `v2.functional` treat a kind of your own by your kernel.

    The kernel gets the input and the function's arguments as they were given. ValueError for
    other functions and for kinds that are built in or no TVTensors.
    """
    if isinstance(functional, str):
        named = [f for f in KERNELS if f.__name__ == functional]
        if not named:
            raise ValueError(f"Could not find functional with name {functional!r}")
        functional = named[0]
    if functional not in KERNELS:
        raise ValueError(f"Kernels can only be registered on v2.functional, got {functional}.")
    if not (isinstance(tv_tensor_cls, type) and issubclass(tv_tensor_cls, TVTensor)):
        raise ValueError(f"Kernels can only be registered for TVTensors, got {tv_tensor_cls}.")
    if tv_tensor_cls.__module__ == TVTensor.__module__:
        raise ValueError(f"{tv_tensor_cls} is built in: register kernels for classes of your own")

    def register(of: Call) -> Call:
        KERNELS[functional][tv_tensor_cls] = of
        return of

    return register


def is_pure_tensor(inpt: Any) -> bool:
    """Whether an input is a tensor of no kind."""
    return isinstance(inpt, Tensor) and not isinstance(inpt, TVTensor)


def pair(value: Any, message: str = "Please provide only two dimensions (h, w) for size.") -> Any:
    """(a, b) of a number, one in a sequence, or two; ValueError with `message` for others."""
    if isinstance(value, int | float):
        return int(value), int(value)
    if len(value) not in (1, 2):
        raise ValueError(message)
    return (value[0], value[0]) if len(value) == 1 else tuple(value)
