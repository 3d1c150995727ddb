"""`Module.summary`: a model's layers with shapes, parameters and floating-point operations."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._tensor import Tensor
from ...autograd import modes
from ..parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module


def _tensors(nest: Any) -> Iterator[Tensor]:
    """The tensors in a nest of tuples, lists and dicts."""
    if isinstance(nest, Tensor):
        yield nest
    elif isinstance(nest, tuple | list | dict):
        for item in nest.values() if isinstance(nest, dict) else nest:
            yield from _tensors(item)


def _size(nest: Any) -> int:
    return sum(t.array.size for t in _tensors(nest))


def _matmul(args: Any, out: Any) -> int:
    """A multiplication and an addition per element of the result and inner size."""
    inner = args[0].array.shape[-1] if args[0].array.ndim else 1
    return 2 * _size(out) * int(inner)


# Floating-point operations of a call, from its arguments and result, by the op's kind.
COUNTS: dict[str, Callable[[Any, Any], int]] = {
    "matmul": _matmul,
    "pointwise": lambda args, out: _size(out),
    "reduce": lambda args, out: _size(args),
    "other": lambda args, out: _size(out),
    "matrix": lambda args, out: _size(args) * args[0].array.shape[-1],
}
# By the op's name, where the kind does not say it.
BY_NAME: dict[str, Callable[[Any, Any], int]] = {
    "convolution": lambda args, out: 2 * _size(out) * prod(args[1].array.shape[1:]),
    "conv_grad_input": lambda args, out: 2 * _size(args[0]) * prod(args[1].array.shape[1:]),
    "embedding": lambda args, out: 0,
}


class Row(NamedTuple):
    """One module: own parameters and operations, without those of the modules in it."""

    path: str
    kind: str
    output: str
    parameters: int
    trainable: int
    flops: int


class Summary:
    """What `Module.summary` found; its text form is a table, and so it is in a notebook.

    Attributes:
        rows: one per module, in the order of registration.
        parameters, trainable: numbers of elements, shared ones once.
        flops: of one forward pass; a multiplication and an addition count as two.
        nbytes: of the parameters and buffers.
    """

    HEADER = ("Layer", "Type", "Output shape", "Parameters", "FLOPs")

    def __init__(self, rows: list[Row], nbytes: int) -> None:
        self.rows, self.nbytes = rows, nbytes
        self.parameters = sum(r.parameters for r in rows)
        self.trainable = sum(r.trainable for r in rows)
        self.flops = sum(r.flops for r in rows)

    def _cells(self) -> list[tuple[str, ...]]:
        return [(r.path, r.kind, r.output, f"{r.parameters:,}", f"{r.flops:,}") for r in self.rows]

    def _total(self) -> str:
        return (
            f"{self.parameters:,} parameters ({self.trainable:,} trainable), {self.flops:,} FLOPs, "
            f"{self.nbytes / 2**20:,.2f} MiB"
        )

    def __repr__(self) -> str:
        table = [self.HEADER, *self._cells()]
        widths = [max(len(row[i]) for row in table) for i in range(len(self.HEADER))]
        lines = [
            "  ".join([
                *(c.ljust(w) for c, w in zip(row[:3], widths[:3], strict=True)),
                *(c.rjust(w) for c, w in zip(row[3:], widths[3:], strict=True)),
            ]).rstrip()
            for row in table
        ]  # fmt: skip
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:], rule, self._total()])

    def _repr_html_(self) -> str:
        def row(cells: tuple[str, ...], tag: str) -> str:
            inner = "".join(
                f'<{tag} style="text-align:{"left" if i < 3 else "right"}">{html.escape(c)}</{tag}>'
                for i, c in enumerate(cells)
            )
            return f"<tr>{inner}</tr>"

        body = "".join(row(cells, "td") for cells in self._cells())
        head = row(self.HEADER, "th")
        total = html.escape(self._total())
        return (
            f"<table><caption>{total}</caption><thead>{head}</thead><tbody>{body}</tbody></table>"
        )


class _Counter:
    """The interceptor: counts operations for the innermost module that runs."""

    def __init__(self) -> None:
        self.running: list[Module] = []
        self.flops: dict[Any, int] = {}
        self.outputs: dict[Any, str] = {}

    def __call__(self, op: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        out = call(*args, **kwargs)
        count = BY_NAME.get(op.name) or COUNTS.get(op.kind)
        if count is not None and self.running:
            module = self.running[-1]
            self.flops[module] = self.flops.get(module, 0) + count(args, out)
        return out

    def enter(self, module: Module, args: Any) -> None:
        self.running.append(module)

    def leave(self, module: Module, args: Any, out: Any) -> None:
        self.running.pop()
        self.outputs[module] = ", ".join(str(list(t.array.shape)) for t in _tensors(out))


def summarize(module: Module, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Summary:
    """Run a module once, in evaluation and without gradients, and say what it is made of."""
    counter, training = _Counter(), {m: m.training for m in module.modules()}
    with ExitStack() as stack:
        for m, before in training.items():
            stack.callback(vars(m).__setitem__, "training", before)
            for handle in (
                m.register_forward_pre_hook(counter.enter),
                m.register_forward_hook(counter.leave, always_call=True),
            ):
                stack.callback(handle.remove)
        module.eval()
        stack.enter_context(modes.no_grad())
        stack.enter_context(modes.intercept(counter))
        module(*inputs, **kwargs)
    return _found(module, counter)


def _found(module: Module, counter: _Counter) -> Summary:
    seen: set[int] = set()
    rows, nbytes = [], 0
    for path, m in module.named_modules():
        own = [p for p in m._parameters.values() if p is not None and id(p) not in seen]
        seen |= {id(p) for p in own}
        counts = [(0 if is_lazy(p) else p.array.size, p.requires_grad) for p in own]
        tensors = [*own, *[b for b in m._buffers.values() if b is not None]]
        nbytes += sum(t.array.nbytes for t in tensors)
        rows.append(Row(
            path or "(whole)", type(m).__name__, counter.outputs.get(m, ""),
            sum(n for n, _ in counts), sum(n for n, wanted in counts if wanted),
            counter.flops.get(m, 0),
        ))  # fmt: skip
    return Summary(rows, nbytes)
