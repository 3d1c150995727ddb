"""How tensors look: torch's text form, and a table with facts for notebooks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from . import backends
from ._dtypes import bool_, dtype, get_default_dtype, int64
from ._tensor import Parameter, Tensor, refresh


@dataclass
class Options:
    """Settings of `set_printoptions` (torch's names and defaults)."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = Options()
_PROFILES = {
    "default": Options(),
    "short": Options(precision=2, edgeitems=2),
    "full": Options(threshold=math.inf),
}


def set_printoptions(
    precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None,
    linewidth: int | None = None, profile: str | None = None, sci_mode: bool | None = None,
) -> None:  # fmt: skip
    """How many digits and elements the text form shows."""
    chosen = vars(OPTIONS if profile is None else _PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    given = {k: v for k, v in given.items() if v is not None}
    vars(OPTIONS).update({**chosen, **given, "sci_mode": sci_mode})


class Formatter:
    """Formats one element of a tensor so that all have one width."""

    def __init__(self, values: list[Any], floating: bool) -> None:
        self.floating, self.whole, self.scientific = floating, True, False
        self.width = 1
        finite = [v for v in values if math.isfinite(v) and v != 0] if floating else []
        if finite:
            low, high = min(map(abs, finite)), max(map(abs, finite))
            self.whole = all(v == math.ceil(v) for v in finite)
            wide = high / low > 1000.0 or high > 1.0e8
            self.scientific = wide or (low < 1.0e-4 and not self.whole)
        if OPTIONS.sci_mode is not None:
            self.scientific = OPTIONS.sci_mode
        self.width = max([1, *(len(self.text(v)) for v in (finite if floating else values))])

    def text(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{OPTIONS.precision}e}"
        if self.whole:
            text = f"{value:.0f}"
            return text + "." if math.isfinite(value) else text
        return f"{value:.{OPTIONS.precision}f}"

    def __call__(self, value: Any) -> str:
        return self.text(value).rjust(self.width)


class ComplexFormatter:
    """Formats complex elements: one format for all real parts, one for all imaginary ones."""

    def __init__(self, values: list[complex]) -> None:
        self.real = Formatter([v.real for v in values], True)
        self.imag = Formatter([v.imag for v in values], True)
        self.width = self.real.width + self.imag.width + 1

    def __call__(self, value: complex) -> str:
        imag = f"{self.imag(value.imag)}j".lstrip()
        return f"{self.real(value.real)}{'' if imag[0] in '+-' else '+'}{imag}"


Show: TypeAlias = Formatter | ComplexFormatter


def _formatter(values: list[Any], kind: dtype) -> Show:
    return (
        ComplexFormatter(values) if kind.is_complex else Formatter(values, kind.is_floating_point)
    )


def _edges(array: Any) -> Any:
    """Only the elements that a summary shows."""
    k = OPTIONS.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * k:
            array = array.take([*range(k), *range(n - k, n)], axis=axis)
    return array


def _lines(array: Any, indent: int, summarize: bool, show: Show) -> str:
    if array.ndim == 0:
        return show(_plain(array.item()))
    if array.ndim == 1:
        return _row(array, indent, summarize, show)
    parts = _parts(array, summarize, "...", lambda a: _lines(a, indent + 1, summarize, show))
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def _parts(array: Any, summarize: bool, gap: str, show: Callable[[Any], str]) -> list[str]:
    """The texts of all entries, or of those at the edges with a gap between them."""
    k = OPTIONS.edgeitems
    if not summarize or len(array) <= 2 * k:
        return [show(a) for a in array]
    return [*map(show, array[:k]), gap, *map(show, array[-k:])]


def _row(array: Any, indent: int, summarize: bool, show: Show) -> str:
    values = _parts(array, summarize, " ...", lambda a: show(_plain(a.item())))
    per_line = max(1, (OPTIONS.linewidth - indent) // (show.width + 2))
    rows = [values[i : i + per_line] for i in range(0, len(values), per_line)]
    gap = "," + "\n" + " " * (indent + 1)
    return "[" + gap.join(", ".join(r) for r in rows) + "]"


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | complex) else float(value)


def _list(array: Any) -> list[Any]:
    return [_plain(v) for v in array.tolist()]


def _host(t: Tensor) -> Any:
    host = backends.of(t.array).to_host(t.array)
    return host.astype("float32") if t.dtype.name == "bfloat16" else host


def body(t: Tensor, indent: int) -> str:
    """The nested brackets."""
    host = _host(t)
    summarize = host.size > OPTIONS.threshold
    shown = _list((_edges(host) if summarize else host).reshape(-1))
    return _lines(host, indent, summarize, _formatter(shown, t.dtype))


def text(self: Tensor) -> str:
    """torch's form: values, then device, dtype, size of empty tensors and history if unusual."""
    refresh(self)
    prefix = "tensor("
    extra = []
    if self.device.type != "cpu":
        extra.append(f"device='{self.device}'")
    known = [get_default_dtype(), get_default_dtype().to_complex()]
    if self.array.size:
        content = body(self, len(prefix))
        known += [int64, bool_]
    else:
        content = "[]"
        extra += [f"size={tuple(self.shape)}"] if self.ndim != 1 else []
    if self.dtype not in known:
        extra.append(f"dtype={self.dtype}")
    if self.node is not None:
        extra.append(f"grad_fn=<{self.node.name()}>")
    elif self._requires_grad:
        extra.append("requires_grad=True")
    return _joined(prefix, content, extra)


def _joined(prefix: str, content: str, extra: list[str]) -> str:
    out = prefix + content
    last = len(out) - out.rfind("\n") - 1
    for item in extra:
        if last + len(item) + 3 > OPTIONS.linewidth:
            out += ",\n" + " " * len(prefix) + item
            last = len(prefix) + len(item)
        else:
            out += ", " + item
            last += len(item) + 2
    return out + ")"


def page(self: Tensor) -> str:
    """The notebook form: facts in a line, the values as a table (2-D) or text."""
    import html

    refresh(self)
    facts = [f"shape {list(self.shape)}", self.dtype.name, str(self.device)]
    if self._requires_grad:
        facts.append(f"grad_fn {self.node.name()}" if self.node else "requires grad")
    host = _host(self)
    if host.size and host.dtype.kind not in "bc":
        values = host.astype("float64")
        facts += [f"min {values.min():.4g}", f"mean {values.mean():.4g}", f"max {values.max():.4g}"]
    head = f"<div><code>Tensor</code> {html.escape(' · '.join(facts))}</div>"
    if host.ndim != 2 or not host.size or max(host.shape) > 12:
        return head + f"<pre>{html.escape(body(self, 0)) if host.size else '[]'}</pre>"
    show = _formatter(_list(host.reshape(-1)), self.dtype)
    rows = "".join(
        "<tr>" + "".join(f"<td>{html.escape(show(v))}</td>" for v in _list(r)) + "</tr>"
        for r in host
    )
    return f"{head}<table>{rows}</table>"


def _parameter_text(self: Tensor) -> str:
    return "Parameter containing:\n" + text(self)


Tensor.__repr__ = text  # type: ignore[method-assign, assignment]
Parameter.__repr__ = _parameter_text  # type: ignore[method-assign, assignment]
Tensor._repr_html_ = page  # type: ignore[attr-defined]
