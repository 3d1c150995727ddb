"""Single ops against PyTorch, forward and forward + backward, at 1e3, 1e6 and 1e7 elements.

    python benchmarks/ops.py [--only NAME] [--size 1e6] [--rounds 5] [--threads 2] [--output FILE]

Sizes are of the first operand, about. Results and gradients must agree first. A case's name is
op, size and, where gradients are computed too, "grad"; `--only` takes parts of names.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import harness
import numpy as np

SIZES = ("1e3", "1e6", "1e7")
BOUND = 1e-3  # PyTorch's norm of 1e7 numbers is off by 4e-4


class Op(NamedTuple):
    """`run(t, *tensors)` and the operands' shapes, from about how many elements the first has.

    `positive`: operands from [0.1, 1) and not standard normal. `grad`: whether it has a gradient.
    """

    run: Callable[..., Any]
    shapes: Callable[[int], list[tuple[int, ...]]]
    positive: bool = False
    grad: bool = True


def flat(n: int) -> list[tuple[int, ...]]:
    return [(n,)]


def twice(n: int) -> list[tuple[int, ...]]:
    return [(n,), (n,)]


def table(n: int) -> list[tuple[int, ...]]:
    """A matrix of rows of 256, or of 32 where it is small."""
    width = 256 if n > 10_000 else 32
    return [(n // width, width)]


def square(n: int) -> list[tuple[int, ...]]:
    return [(math.isqrt(n), math.isqrt(n))]


def images(n: int, channels: int = 16) -> list[tuple[int, ...]]:
    """(batch, channels, side, side), sides of 32, or of 4 where it is small."""
    side = 32 if n > 100_000 else 4
    return [(max(1, n // (channels * side * side)), channels, side, side)]


def with_weight(*shape: int) -> Callable[[int], list[tuple[int, ...]]]:
    return lambda n: [*images(n), shape]


def rows_of(t: Any, x: Any) -> Any:
    """As many indices of rows of a table as it has rows, in no order."""
    return _shuffled(t, len(x))


@cache
def _shuffled(t: Any, n: int) -> Any:
    return t.from_numpy(np.random.default_rng(0).integers(0, n, n))


def unary(name: str, positive: bool = False) -> Op:
    return Op(lambda t, x: getattr(t, name)(x), flat, positive)


def layer(name: str, shapes: Callable[[int], list[tuple[int, ...]]], *args: Any) -> Op:
    return Op(lambda t, *x: getattr(t.nn.functional, name)(*x, *args), shapes)


def heads(n: int) -> list[tuple[int, ...]]:
    """Three of (batch, 4 heads, length, 32)."""
    length = 128 if n > 100_000 else 8
    return [(max(1, n // (128 * length)), 4, length, 32)] * 3


OPS: dict[str, Op] = {
    **{name: unary(name) for name in ("exp", "tanh", "sigmoid", "sin", "erf", "abs", "neg")},
    **{name: unary(name, True) for name in ("log", "sqrt", "reciprocal")},
    **{name: layer(name, flat) for name in ("relu", "gelu", "silu", "leaky_relu", "softplus")},
    "pow": Op(lambda t, x: x**2, flat),
    "clamp": Op(lambda t, x: x.clamp(-1, 1), flat),
    "mul by a number": Op(lambda t, x: x * 2.5, flat),
    "add": Op(lambda t, x, y: x + y, twice),
    "mul": Op(lambda t, x, y: x * y, twice),
    "div": Op(lambda t, x, y: x / y, twice, True),
    "maximum": Op(lambda t, x, y: t.maximum(x, y), twice),
    "where": Op(lambda t, x, y: t.where(x > 0, x, y), twice),
    "add a row": Op(lambda t, x, y: x + y, lambda n: [*table(n), table(n)[0][1:]]),
    "mul a column": Op(lambda t, x, y: x * y, lambda n: [*table(n), (table(n)[0][0], 1)]),
    "gt": Op(lambda t, x, y: x > y, twice, grad=False),
    "masked_fill": Op(lambda t, x: x.masked_fill(x > 1, 0.0), flat),
    "sum": Op(lambda t, x: x.sum(), flat),
    "sum of rows": Op(lambda t, x: x.sum(1), table),
    "sum of columns": Op(lambda t, x: x.sum(0), table),
    "mean": Op(lambda t, x: x.mean(), flat),
    "var of rows": Op(lambda t, x: x.var(1), table),
    "max": Op(lambda t, x: x.max(), flat),
    "max of rows": Op(lambda t, x: x.max(1).values, table),
    "argmax of rows": Op(lambda t, x: x.argmax(1), table, grad=False),
    "norm": Op(lambda t, x: x.norm(), flat),
    "logsumexp": Op(lambda t, x: x.logsumexp(1), table),
    "cumsum": Op(lambda t, x: x.cumsum(1), table),
    "sort": Op(lambda t, x: x.sort(dim=1, stable=True)[0], table),
    "topk": Op(lambda t, x: x.topk(5).values, table),
    "softmax": layer("softmax", table, -1),
    "log_softmax": layer("log_softmax", table, -1),
    "layer_norm": Op(
        lambda t, x, w, b: t.nn.functional.layer_norm(x, x.shape[1:], w, b),
        lambda n: [*table(n), *[table(n)[0][1:]] * 2],
    ),
    "cross_entropy": Op(
        lambda t, x: t.nn.functional.cross_entropy(x, rows_of(t, x) % x.shape[1]), table
    ),
    "mse_loss": layer("mse_loss", twice),
    "transposed copy": Op(lambda t, x: x.t().contiguous(), square),
    "cat": Op(lambda t, x, y: t.cat([x, y], 1), lambda n: table(n) * 2),
    "stack": Op(lambda t, x, y: t.stack([x, y]), twice),
    "flip": Op(lambda t, x: x.flip(1), table),
    "roll": Op(lambda t, x: x.roll(3, 1), table),
    "pad": layer("pad", table, (1, 1)),
    "index_select": Op(lambda t, x: x.index_select(0, rows_of(t, x)), table),
    "index by rows": Op(lambda t, x: x[rows_of(t, x)], table),
    "gather": Op(lambda t, x: x.gather(0, rows_of(t, x)[:, None].expand(x.shape)), table),
    "index_add": Op(lambda t, x, y: x.index_add(0, rows_of(t, x), y), lambda n: table(n) * 2),
    "embedding": Op(lambda t, x: t.nn.functional.embedding(rows_of(t, x), x), table),
    "matmul": Op(lambda t, x, y: x @ y, lambda n: square(n) * 2),
    "bmm": Op(lambda t, x, y: x @ y, lambda n: [(16, *square(n // 16)[0])] * 2),
    "linear": layer("linear", lambda n: [*table(n), (512, table(n)[0][1]), (512,)]),
    "attention": layer("scaled_dot_product_attention", heads),
    "conv2d 3x3": layer("conv2d", with_weight(16, 16, 3, 3), None, 1, 1),
    "conv2d 3x3 stride 2": layer("conv2d", with_weight(16, 16, 3, 3), None, 2, 1),
    "conv2d 1x1": layer("conv2d", with_weight(16, 16, 1, 1)),
    "conv2d depthwise": layer("conv2d", with_weight(16, 1, 3, 3), None, 1, 1, 1, 16),
    "conv_transpose2d": layer("conv_transpose2d", with_weight(16, 16, 2, 2), None, 2),
    "max_pool2d": layer("max_pool2d", images, 2),
    "avg_pool2d": layer("avg_pool2d", images, 2),
    "batch_norm": Op(
        lambda t, x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, True),
        lambda n: [*images(n), (16,), (16,)],
    ),
    "interpolate": Op(lambda t, x: t.nn.functional.interpolate(x, scale_factor=2), images),
}


class Case:
    """One op at one size in one library."""

    def __init__(self, t: Any, name: str) -> None:
        op, size, *grad = name.split(", ")
        self.t, self.op, self.grad = t, OPS[op], bool(grad)
        rng = np.random.default_rng(0)
        draw = (lambda s: rng.random(s) * 0.9 + 0.1) if self.op.positive else rng.standard_normal
        shapes = self.op.shapes(round(float(size)))
        tensors = [t.from_numpy(draw(s).astype(np.float32)) for s in shapes]
        self.tensors = [x.requires_grad_(self.grad) for x in tensors]
        if self.grad:
            with t.no_grad():
                shape = tuple(self.op.run(t, *tensors).shape)
            self.seed = t.from_numpy(rng.standard_normal(shape).astype(np.float32))

    def weights(self) -> None:
        """Nothing: the operands are the same in either library."""

    def run(self) -> Any:
        """The op; with its backward pass where gradients are wanted."""
        out = self.op.run(self.t, *self.tensors)
        if self.grad:
            for x in self.tensors:
                x.grad = None
            out.backward(self.seed)
        return out

    def outcome(self) -> list[Any]:
        """The result and the gradients."""
        out = self.run()
        return [x.detach().numpy() for x in (out, *(x.grad for x in self.tensors if self.grad))]


def start(t: Any, name: str, weights: Any) -> Case:
    """The harness's door."""
    return Case(t, name)


def main() -> None:
    parser = harness.arguments(__doc__, rounds=5, seconds=0.02)
    parser.add_argument("--size", action="append", choices=SIZES)
    args = parser.parse_args()
    names = [
        f"{op}, {size}{grad}"
        for size in args.size or SIZES
        for op, record in OPS.items()
        for grad in (("", ", grad") if record.grad else ("",))
    ]
    names = harness.chosen(names, args.only)
    rows = harness.compare("ops", names, args, BOUND, lambda name: "", "Single ops")
    slow = [f"{r.name} {r.ratio:.2f}" for r in sorted(rows, key=lambda r: r.ratio) if r.ratio < 0.8]
    print("under 0.8:", "; ".join(slow) or "none")


if __name__ == "__main__":
    main()
