"""`assert_close`: equal up to tolerances of the dtypes, or an AssertionError that says where."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from .. import backends
from .._composites.create import as_tensor
from .._composites.pointwise import isclose
from .._dtypes import promote_types
from .._tensor import F

# Relative and absolute tolerance of a dtype; others compare exactly.
TOLERANCES = {
    "float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7),
}  # fmt: skip
Message = str | Callable[[str], str] | None


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None,
    atol: float | None = None, equal_nan: bool = False, check_device: bool = True,
    check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False,
    msg: Message = None,
) -> None:  # fmt: skip
    """Raise AssertionError unless `|actual - expected| <= atol + rtol * |expected|` everywhere.

    Args:
        actual: a tensor, an array, a number, None, or a sequence or mapping of such.
        expected: the same kind of thing.
        allow_subclasses: whether an instance of a subclass may stand for its base class.
        rtol: relative tolerance; with `atol` left out, both follow from the dtypes.
        atol: absolute tolerance.
        equal_nan: whether NaN equals NaN.
        check_device: whether devices must agree; otherwise both are compared on the CPU.
        check_dtype: whether dtypes must agree; otherwise both are promoted.
        check_layout: whether layouts must agree.
        check_stride: whether strides must agree.
        msg: the error's text, or a function that makes it from the generated one.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "rtol and atol must both be specified or both be unspecified, but got no "
            f"{'rtol' if rtol is None else 'atol'}"
        )
    checks = {"device": check_device, "dtype": check_dtype, "layout": check_layout,
              "stride": check_stride}  # fmt: skip
    for path, one, two in _pairs(actual, expected, ""):
        text = _mismatch(one, two, allow_subclasses, rtol, atol, equal_nan, checks)
        if text is not None:
            text += f"\n\nThe failure occurred for item {path}" if path else ""
            raise AssertionError(msg(text) if callable(msg) else msg or text)


def _pairs(actual: Any, expected: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of leaves with their place in nested sequences and mappings."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, extra = expected.keys() - actual.keys(), actual.keys() - expected.keys()
        if missing or extra:
            raise AssertionError(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
                f"Additional keys in the actual mapping: {sorted(extra, key=str)}"
            )
        for key in actual:
            yield from _pairs(actual[key], expected[key], f"{path}[{key!r}]")
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            raise AssertionError(
                f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
            )
        for i, (a, e) in enumerate(zip(actual, expected)):
            yield from _pairs(a, e, f"{path}[{i}]")
    else:
        yield path, actual, expected


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _mismatch(
    actual: Any, expected: Any, subclasses: bool, rtol: float | None, atol: float | None,
    equal_nan: bool, checks: dict[str, bool],
) -> str | None:  # fmt: skip
    """What differs between two leaves, None if nothing does."""
    if actual is None or expected is None:
        return None if actual is expected else f"None mismatch: {actual} is not {expected}"
    numbers = isinstance(actual, int | float | complex), isinstance(expected, int | float | complex)
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    if all(numbers) and checks["dtype"] and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    if not all(numbers) and not (related and (subclasses or type(actual) is type(expected))):
        raise TypeError(
            "Comparing two tensor-likes is only supported if type equality or a subclass relation "
            f"holds, but got {type(actual)} and {type(expected)}."
        )
    one, two = (as_tensor(v).detach() for v in (actual, expected))
    for name in ("shape", *[n for n, wanted in checks.items() if wanted]):
        a, b = (getattr(t, name) for t in (one, two))
        a, b = (a(), b()) if callable(a) else (a, b)
        if a != b:
            return f"The values for attribute {name!r} do not match: {a} != {b}."
    if rtol is None or atol is None:
        pair = [TOLERANCES.get(t.dtype.name, (0.0, 0.0)) for t in (one, two)]
        rtol, atol = max(p[0] for p in pair), max(p[1] for p in pair)
    kind = promote_types(one.dtype, two.dtype)
    one, two = one.to("cpu", kind), two.to("cpu", kind)
    close = isclose(one, two, rtol, atol, equal_nan)
    return None if bool(F.all(close)) else _report(one, two, close, rtol, atol, all(numbers))


def _report(one: Any, two: Any, close: Any, rtol: float, atol: float, numbers: bool) -> str:
    """How many elements differ, by how much at most, and where."""
    exact = not (rtol or atol)
    shown = (two.item(), one.item()) if not close.ndim else ()
    size, wrong = close.numel(), int((~close).sum())
    one, two = (t.double() if t.dtype.name != "float64" else t for t in (one, two))
    error = (one - two).abs().masked_fill(close, 0)
    relative = (error / two.abs()).masked_fill(close, 0)
    largest = []
    for name, values, allowed in (("absolute", error, atol), ("relative", relative, rtol)):
        flat = backends.of(values.array).xp.nan_to_num(values.array.reshape(-1), nan=-1)
        at = int(flat.argmax())
        index: list[int] = []
        rest = at
        for n in reversed(values.shape):
            rest, i = divmod(rest, n)
            index.insert(0, i)
        limit = "" if exact else f" (up to {allowed} allowed)"
        value = values.reshape(-1)[at].item()
        place = f" at index {tuple(index)}" if close.ndim else ""
        word = "Greatest absolute" if name == "absolute" else "Greatest relative"
        word = word if close.ndim else name.capitalize()
        largest.append(f"{word} difference: {value}{place}{limit}")
    if not close.ndim:
        what = "Scalars" if exact or numbers else "Tensor-likes"
        head = f"{what} are not {'equal' if exact else 'close'}!\n\n"
        return head + "Expected {} but got {}.\n".format(*shown) + "\n".join(largest)
    head = f"Tensor-likes are not {'equal' if exact else 'close'}!\n\nMismatched elements: "
    return f"{head}{wrong} / {size} ({wrong / size:.1%})\n" + "\n".join(largest)
