"""`backward(explain=True)`: the walk in words, one paragraph per node, for teaching."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .._tensor import Tensor
from .node import Node


def paragraph(node: Node, g: Any, needs: Sequence[Any], grads: Sequence[Any]) -> str:
    """What arrived at a node, and per input the formula, the gradient and where it goes."""
    arrived = ", ".join(_kind(x) for x in (g if type(g) is list else [g]))
    lines = [f"{node.name()}: g is {arrived}"]
    names = _input_names(node, len(needs))
    for name, need, grad in zip(names, needs, grads, strict=False):
        if need is not None and grad is not None:
            lines.append(f"    {name}: {_formula(node, name)}{_result(need, grad)}")
    return "\n".join(lines)


def _kind(value: Any) -> str:
    if value is None:
        return "not needed"
    array = value.array if isinstance(value, Tensor) else value
    return f"{array.dtype.name} {list(array.shape)}"


def _input_names(node: Node, count: int) -> list[str]:
    params: Any = getattr(node.op, "arrays", ())
    if len(params) == 1 and params[0].role == "arrays":
        return [f"{params[0].name}[{i}]" for i in range(count)]
    return [p.name for p in params] or [f"input {i}" for i in range(count)]


def _formula(node: Node, name: str) -> str:
    formulas: dict[str, Any] = getattr(node.op.plan, "formulas", {})
    found: Any = formulas.get(name.partition("[")[0]) or formulas.get("") or ("", None)
    text, function = found
    if text.startswith("formula_"):
        names = re.findall(r"(\w+)=", text)
        text = f"{function.__name__}({', '.join(n for n in names if n != 'F')})"
    text = text.replace("F.", "") or "its own backward"
    kind = node.dtype[0] if isinstance(node.dtype, tuple | list) else node.dtype
    if kind.kind == "c" and getattr(node.op, "complex", "") == "holomorphic":
        return f"conj({text}) with conj(g) for g"
    return text


def _result(need: Any, grad: Any) -> str:
    """The gradient's shape, how it is fitted to the input, and where it goes."""
    node, index = need if isinstance(need, tuple) else (need, None)
    shape = node.shape if index is None else node.shape[index]
    array = grad.array if isinstance(grad, Tensor) else grad
    fitted = "" if tuple(array.shape) == tuple(shape) else f", summed to {list(shape)}"
    where = "a leaf's .grad" if isinstance(node, Tensor) else node.name()
    return f" -> {_kind(grad)}{fitted}, for {where}"
