"""How tensors look: torch's text form, and a table with facts for notebooks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from . import backends
from ._dtypes import get_default_dtype, int64
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
    if profile is not None:
        chosen = _PROFILES[profile]
        OPTIONS.__dict__.update(chosen.__dict__)
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    OPTIONS.__dict__.update({k: v for k, v in given.items() if v is not None})
    OPTIONS.sci_mode = sci_mode


class Formatter:
    """Formats one element of a tensor so that all have one width."""

    def __init__(self, values: list[Any], floating: bool) -> None:
        self.floating, self.whole, self.scientific = floating, True, False
        self.width = 1
        if not floating:
            self.width = max([1, *(len(str(v)) for v in values)])
            return
        finite = [v for v in values if math.isfinite(v) and v != 0]
        if finite:
            self._measure(finite)
        if OPTIONS.sci_mode is not None:
            self.scientific = OPTIONS.sci_mode
        self.width = max([1, *(len(self.text(v)) for v in finite or values)])

    def _measure(self, finite: list[float]) -> None:
        low, high = min(map(abs, finite)), max(map(abs, finite))
        self.whole = all(v == math.ceil(v) for v in finite)
        wide = high / low > 1000.0 or high > 1.0e8
        self.scientific = wide if self.whole else wide or low < 1.0e-4

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


def _edges(array: Any) -> Any:
    """Only the elements that a summary shows."""
    k = OPTIONS.edgeitems
    for axis, n in enumerate(array.shape):
        if n > 2 * k:
            array = array.take([*range(k), *range(n - k, n)], axis=axis)
    return array


def _lines(array: Any, indent: int, summarize: bool, show: Formatter) -> str:
    if array.ndim == 0:
        return show(_plain(array.item()))
    if array.ndim == 1:
        return _row(array, indent, summarize, show)
    k = OPTIONS.edgeitems
    if summarize and len(array) > 2 * k:
        parts = [_lines(array[i], indent + 1, summarize, show) for i in range(k)]
        parts.append("...")
        parts += [_lines(array[i], indent + 1, summarize, show) for i in range(-k, 0)]
    else:
        parts = [_lines(a, indent + 1, summarize, show) for a in array]
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def _row(array: Any, indent: int, summarize: bool, show: Formatter) -> str:
    k = OPTIONS.edgeitems
    if summarize and len(array) > 2 * k:
        values = [*map(show, _list(array[:k])), " ...", *map(show, _list(array[-k:]))]
    else:
        values = [show(v) for v in _list(array)]
    per_line = max(1, (OPTIONS.linewidth - indent) // (show.width + 2))
    rows = [values[i : i + per_line] for i in range(0, len(values), per_line)]
    gap = "," + "\n" + " " * (indent + 1)
    return "[" + gap.join(", ".join(r) for r in rows) + "]"


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int) else float(value)


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
    floating = t.dtype.is_floating_point
    return _lines(host, indent, summarize, Formatter(shown, floating))


def text(self: Tensor) -> str:
    """torch's form: values, then device, dtype, size of empty tensors and history if unusual."""
    refresh(self)
    prefix = "tensor("
    extra = []
    if self.device.type != "cpu":
        extra.append(f"device='{self.device}'")
    known = (get_default_dtype(), int64)
    if self.array.size == 0:
        content = "[]"
        if self.ndim != 1:
            extra.append(f"size={tuple(self.shape)}")
        show_type = self.dtype is not get_default_dtype()
    else:
        content = body(self, len(prefix))
        show_type = self.dtype not in known and self.dtype.name != "bool"
    if show_type:
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
    if host.size and self.dtype.name != "bool":
        values = host.astype("float64")
        facts += [f"min {values.min():.4g}", f"mean {values.mean():.4g}", f"max {values.max():.4g}"]
    head = f"<div><code>Tensor</code> {html.escape(' · '.join(facts))}</div>"
    if host.ndim != 2 or not host.size or max(host.shape) > 12:
        return head + f"<pre>{html.escape(body(self, 0)) if host.size else '[]'}</pre>"
    show = Formatter(_list(host.reshape(-1)), self.dtype.is_floating_point)
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
