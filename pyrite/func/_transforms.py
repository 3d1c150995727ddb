"""`grad`, `vjp`, `jvp`, `linearize`: derivatives of functions as functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import F, Tensor
from .._trees import Rebuild, flatten, tree_map
from ..autograd import modes
from ..autograd.engine import differentiate, reachable
from ..autograd.forward import DualLevel, alias, is_spent, jvp_of, spend
from ..autograd.functional import slopes
from ..autograd.levels import parts
from ..autograd.node import edge_of

Function = Callable[..., Any]


def watched(tree: Any, follow: bool) -> tuple[list[Tensor], Any]:
    """New places to differentiate at, for each Tensor of a tree; and the tree of them."""
    leaves, build = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(leaf)}")
    made = [alias(leaf, follow) for leaf in leaves]
    return made, build(iter(made))


class Outside:
    """What a function's results depend on besides the tensors it is differentiated at.

    Without such dependence results carry no history, and gradients need none.
    """

    def __init__(self, watched: Sequence[Tensor], follow: bool) -> None:
        self.follow = follow
        spend(watched)

    def reaches(self, tensors: Sequence[Any]) -> bool:
        """Whether one of the Tensors has a history that began outside."""
        if not self.follow:
            return False
        roots = [edge_of(p) for t in tensors if isinstance(t, Tensor) for p in parts(t)]
        ends = [*roots, *[edge for node in reachable(roots) for edge in node.edges]]
        return any(isinstance(e, Tensor) and not is_spent(e) for e in ends)

    def settled(self, value: Any) -> Any:
        """A result without the history that only this transform knows."""
        if not isinstance(value, Tensor) or not value.requires_grad or self.reaches([value]):
            return value
        return value.detach()


def _chosen(argnums: Any, args: tuple[Any, ...]) -> tuple[int, ...]:
    """The positions to differentiate at, not negative."""
    wanted = argnums if isinstance(argnums, tuple) else (argnums,)
    if not all(isinstance(i, int) for i in wanted):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not wanted:
        raise RuntimeError("argnums must be non-empty")
    for i in wanted:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    places = tuple([i % len(args) for i in wanted])
    if len(set(places)) < len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return places


def replaced(args: tuple[Any, ...], places: Sequence[int], values: Sequence[Any]) -> list[Any]:
    """The arguments with others at some places."""
    out = list(args)
    for i, value in zip(places, values, strict=True):
        out[i] = value
    return out


def pick(argnums: Any, args: tuple[Any, ...]) -> tuple[tuple[int, ...], Any]:
    """The places that `argnums` names, and the arguments there: one, or a tuple."""
    places = _chosen(argnums, args)
    return places, tuple([args[i] for i in places]) if isinstance(argnums, tuple) else args[
        places[0]
    ]


def partial_at(func: Function, argnums: Any, args: Any, kwargs: Any) -> tuple[Function, Any]:
    """`func` as a function of the chosen arguments alone, and those."""
    places, chosen = pick(argnums, args)
    single = not isinstance(argnums, tuple)

    def of_chosen(*values: Any) -> Any:
        return func(*replaced(args, places, values), **kwargs)

    return of_chosen, (chosen,) if single else chosen


def with_aux(name: str, result: Any, has_aux: bool) -> tuple[Any, Any]:
    """(output, aux) of what a function returned."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def grad_and_value(
    func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Function:
    """The function that returns (gradient, value) of `func`, which returns a 0-d Tensor.

    Args:
        func: the function; with `has_aux` it returns (value, anything).
        argnums: the positional arguments to differentiate at; a tuple gives a tuple of gradients.
        has_aux: return (gradient, (value, aux)).

    Arguments may be nested containers of Tensors; gradients have their structure. RuntimeError
    where `func` does not return a single floating-point value.
    """
    where = "grad_and_value(f)(*args)"

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        follow = modes.is_grad_enabled()
        places, chosen = pick(argnums, args)
        leaves, tree = watched(chosen, follow)
        values = tree if isinstance(argnums, tuple) else (tree,)
        with modes.enable_grad():
            result = func(*replaced(args, places, values), **kwargs)
        value, aux = with_aux(where, result, has_aux)
        _check_scalar(where, value)
        outside = Outside(leaves, follow)
        grads = _gradients([value], leaves, [None], outside)
        build = flatten(chosen)[1]
        value = outside.settled(value)
        grad = build(iter(grads))
        return (grad, (value, tree_map(outside.settled, aux))) if has_aux else (grad, value)

    return wrapper


def _check_scalar(where: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        raise RuntimeError(f"{where}: Expected f(*args) to return a Tensor, got {type(value)}")
    if value.array.ndim:
        raise RuntimeError(
            f"{where}: Expected f(*args) to return a scalar Tensor, got tensor with "
            f"{value.array.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def _gradients(
    outputs: Sequence[Tensor], leaves: Sequence[Tensor], seeds: Sequence[Any], outside: Outside
) -> list[Tensor]:
    """Gradients at the leaves, zeros where an output does not depend on one."""
    grads = slopes(outputs, leaves, seeds, create=outside.reaches([*outputs, *seeds]))
    return [
        F.zeros_like(leaf.detach()) if g is None else outside.settled(g)
        for g, leaf in zip(grads, leaves, strict=True)
    ]


def grad(func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Function:
    """The function that returns the gradient of `func`; see `grad_and_value`.

    With `has_aux` it returns (gradient, aux).
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapper


def checked_outputs(where: str, result: Any) -> tuple[list[Tensor], Rebuild]:
    """The Tensors that a function returned; RuntimeError for anything else among them."""
    leaves, build = flatten(result)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{where}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(leaf)}"
            )
    return leaves, build


def vjp(func: Function, *primals: Any, has_aux: bool = False) -> Any:
    """The value of `func` at the primals, and the function from a cotangent to the gradients.

    Returns (output, vjp_fn), and aux with `has_aux`. `vjp_fn` takes what has the structure of the
    output and returns a tuple with one gradient per primal; it can be called repeatedly.
    """
    follow = modes.is_grad_enabled()
    leaves, tree = watched(primals, follow)
    build = flatten(primals)[1]
    with modes.enable_grad():
        result, aux = with_aux("vjp(f, *primals)", func(*tree), has_aux)
    outputs, rebuild = checked_outputs("vjp(f, *primals)", result)
    outside = Outside(leaves, follow)

    def vjp_fn(*cotangents: Any) -> Any:
        given = cotangents[0] if len(cotangents) == 1 else cotangents
        seeds = flatten(given)[0]
        if len(seeds) != len(outputs):
            raise RuntimeError(
                f"Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function: {len(outputs)} tensors, got {len(seeds)}"
            )
        for i, (seed, output) in enumerate(zip(seeds, outputs, strict=True)):
            if seed.array.shape != output.array.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {seed.shape} and "
                    f"output[{i}] has a shape of {output.shape}."
                )
        return build(iter(_gradients(outputs, leaves, seeds, outside)))

    value = rebuild(iter([outside.settled(o) for o in outputs]))
    if has_aux:
        return value, vjp_fn, tree_map(outside.settled, aux)
    return value, vjp_fn


def jvp(
    func: Function, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False
) -> Any:
    """The value of `func` at the primals and its derivative along the tangents (forward mode).

    Args:
        primals, tangents: tuples of the positional arguments and of their directions.
        strict: RuntimeError where an output does not depend on the primals; else zeros.
        has_aux: `func` returns (output, aux); return aux as a third value.
    """
    where = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{where}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    leaves, build = flatten(primals)
    rates = flatten(tangents)[0]
    if not isinstance(tangents, tuple) or len(rates) != len(leaves):
        raise RuntimeError(
            f"{where}: Expected primals and tangents to have the same python structure. For "
            f"example, if primals is a tuple of 3 tensors, tangents also must be. Got "
            f"{len(leaves)} primals and {len(rates)} tangents"
        )
    result, level = jvp_of(lambda *duals: func(*build(iter(duals))), leaves, rates)
    result, aux = with_aux(where, result, has_aux)
    outputs, rebuild = checked_outputs(where, result)
    pairs = [_split(level, o, strict) for o in outputs]
    value, rate = (rebuild(iter(column)) for column in zip(*pairs, strict=True))
    if has_aux:
        return value, rate, tree_map(lambda a: level.split(a)[0], aux)
    return value, rate


def _split(level: DualLevel, output: Tensor, strict: bool) -> tuple[Tensor, Tensor]:
    primal, tangent = level.split(output)
    if tangent is None:
        if strict:
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
                "inputs. This is not allowed with strict=True."
            )
        tangent = F.zeros_like(primal)
    return primal, tangent


def linearize(func: Function, *primals: Any) -> tuple[Any, Function]:
    """The value of `func` at the primals, and its derivative there as a linear function.

    Returns (output, jvp_fn): `jvp_fn(*tangents)` takes the directions of all primals.
    """
    follow = modes.is_grad_enabled()
    leaves, tree = watched(primals, follow)
    with modes.enable_grad():
        outputs, rebuild = checked_outputs("linearize(f, *primals)", func(*tree))
        seeds = [alias(F.zeros_like(o.detach()), False) for o in outputs]
        outside = Outside([*leaves, *seeds], follow)
        grads = differentiate(outputs, leaves, seeds, True, True)

    def jvp_fn(*tangents: Any) -> Any:
        pairs = zip(grads, flatten(tangents)[0], strict=True)
        used = [(g, t) for g, t in pairs if g is not None]
        rates = _gradients([g for g, _ in used], seeds, [t for _, t in used], outside)
        return rebuild(iter(rates))

    return rebuild(iter([outside.settled(o) for o in outputs])), jvp_fn
