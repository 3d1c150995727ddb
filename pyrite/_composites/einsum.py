"""Einstein summation over permute, reshape and matmul."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .._tensor import F, Tensor
from ._register import composite
from .shape import reshape

# A label is a letter, or an int for a dimension under `...`, counted from the last.
Label = Any


@composite(public="f")
def einsum(*args: Any) -> Tensor:
    """Sum of products by an equation, `einsum("bij,bjk->bik", a, b)`, or by lists of ints.

    RuntimeError where equation and operands do not fit together. Operands are contracted from
    left to right.
    """
    equation, operands = _sublists(args) if isinstance(args[0], Tensor) else (args[0], args[1:])
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = operands[0]
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    left, arrow, right = equation.replace(" ", "").partition("->")
    labels = _labels(left.split(","), operands)
    output = _output(left, right if arrow else None, labels)
    terms = [
        _diagonals(x, names, i) for i, (x, names) in enumerate(zip(operands, labels, strict=True))
    ]
    _sizes_agree(terms)
    x, names = terms[0]
    for i, (y, more) in enumerate(terms[1:], 1):
        later = {n for _, rest in terms[i + 1 :] for n in rest}
        x, names = contract(x, names, y, more, later | set(output))
    x, names = _sum_out(x, names, set(output))
    order = [names.index(n) for n in output]
    return x if order == list(range(x.ndim)) else F.permute(x, tuple(order))


def _sublists(args: Sequence[Any]) -> tuple[str, list[Tensor]]:
    """The equation that stands for operands each followed by a list of ints."""
    operands, lists = list(args[: len(args) // 2 * 2 : 2]), list(args[1::2])
    equation = ",".join(_letters(s) for s in lists)
    return equation + ("->" + _letters(args[-1]) if len(args) % 2 else ""), operands


def _letters(sublist: Sequence[Any]) -> str:
    if any(s is not Ellipsis and not 0 <= s < 52 for s in sublist):
        raise ValueError("einsum(): subscript in subscript list is not within range [0, 52)")
    return "".join(
        "..." if s is Ellipsis else chr(ord("A") + s if s < 26 else ord("a") + s - 26)
        for s in sublist
    )


def _labels(terms: Sequence[str], operands: Sequence[Tensor]) -> list[list[Label]]:
    """Each operand's labels, one per dimension."""
    if len(terms) != len(operands):
        word = "fewer" if len(terms) > len(operands) else "more"
        raise RuntimeError(
            f"einsum(): {word} operands were provided than specified in the equation"
        )
    out = []
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        before, dots, after = term.partition("...")
        if not (before + after).isalpha() and before + after:
            raise RuntimeError(
                f"einsum(): invalid subscript given at index {i} in the equation string, '{term}': "
                "subscripts must be in [a-zA-Z]"
            )
        covered = x.ndim - len(before + after)
        if covered < 0 or (covered and not dots):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({len(before + after)}) "
                f"{'is more than' if dots else 'does not match'} the number of dimensions "
                f"({x.ndim}) for operand {i}" + ("" if dots else " and no ellipsis was given")
            )
        out.append([*before, *range(covered - 1, -1, -1), *after])
    return out


def _output(left: str, right: str | None, labels: Sequence[Sequence[Label]]) -> list[Label]:
    """The output's labels; by default `...` and then the letters that occur once, sorted."""
    known = {n for names in labels for n in names}
    dots = sorted((n for n in known if isinstance(n, int)), reverse=True)
    if right is None:
        return dots + sorted(n for n in known if isinstance(n, str) and left.count(n) == 1)
    before, ellipsis, after = right.partition("...")
    for n in before + after:
        if (before + after).count(n) > 1:
            raise RuntimeError(
                f"einsum(): output subscript {n} appears more than once in the output"
            )
        if n not in known:
            raise RuntimeError(
                f"einsum(): output subscript {n} does not appear in the equation for any input "
                "operand"
            )
    return [*before, *(dots if ellipsis else ()), *after]


def _diagonals(x: Tensor, names: list[Label], operand: int) -> tuple[Tensor, list[Label]]:
    """The diagonal over each label that an operand repeats."""
    for n in [n for i, n in enumerate(names) if n in names[:i]]:
        i = names.index(n)
        j = names.index(n, i + 1)
        if x.shape[i] != x.shape[j]:
            raise RuntimeError(
                f"einsum(): subscript {n} is repeated for operand {operand} but the sizes don't "
                f"match, {x.shape[j]} != {x.shape[i]}"
            )
        x = F.diagonal(x, 0, i, j)
        names = [m for k, m in enumerate(names) if k not in (i, j)] + [n]
    return x, names


def _sizes_agree(terms: Sequence[tuple[Tensor, list[Label]]]) -> None:
    sizes: dict[Label, int] = {}
    for i, (x, names) in enumerate(terms):
        for n, size in zip(names, x.shape, strict=True):
            if size != 1 and sizes.setdefault(n, size) != size:
                raise RuntimeError(
                    f"einsum(): operands do not broadcast: subscript {n} has size {size} for "
                    f"operand {i} which does not broadcast with previously seen size {sizes[n]}"
                )


def _sum_out(x: Tensor, names: list[Label], keep: set[Label]) -> tuple[Tensor, list[Label]]:
    """Sum over the dimensions whose labels nobody needs."""
    gone = tuple([i for i, n in enumerate(names) if n not in keep])
    return (F.sum(x, gone), [n for n in names if n in keep]) if gone else (x, names)


def _squeeze(x: Tensor, names: list[Label], other: dict[Label, int]) -> tuple[Tensor, list[Label]]:
    """Without the dimensions of size 1 that the other operand has larger: they broadcast."""
    gone = [i for i, n in enumerate(names) if x.shape[i] == 1 and other.get(n, 1) != 1]
    if not gone:
        return x, names
    kept = [i for i in range(x.ndim) if i not in gone]
    return reshape(x, tuple([x.shape[i] for i in kept])), [names[i] for i in kept]


def contract(
    x: Tensor, a: list[Label], y: Tensor, b: list[Label], keep: set[Label]
) -> tuple[Tensor, list[Label]]:
    """Product of two operands, summed over the labels that are not kept."""
    sizes_x, sizes_y = dict(zip(a, x.shape, strict=True)), dict(zip(b, y.shape, strict=True))
    (x, a), (y, b) = _squeeze(x, a, sizes_y), _squeeze(y, b, sizes_x)
    (x, a), (y, b) = _sum_out(x, a, keep | set(b)), _sum_out(y, b, keep | set(a))
    size = {**dict(zip(b, y.shape, strict=True)), **dict(zip(a, x.shape, strict=True))}
    batch = [n for n in a if n in b and n in keep]
    summed = [n for n in a if n in b and n not in keep]
    left, right = [n for n in a if n not in b], [n for n in b if n not in a]
    x = F.permute(x, tuple([a.index(n) for n in batch + left + summed]))
    y = F.permute(y, tuple([b.index(n) for n in batch + summed + right]))

    def count(names: list[Label]) -> int:
        return prod([size[n] for n in names])

    lead = [count(batch)] if batch else []
    x = reshape(x, (*lead, count(left), count(summed)))
    y = reshape(y, (*lead, count(summed), count(right)))
    names = batch + left + right
    z = F.matmul(x, y) if summed else F.mul(x, y)
    return F.reshape(z, tuple([size[n] for n in names])), names
