"""Modules as functions of their parameters: `functional_call`, `stack_module_state`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from .._tensor import F, Tensor

Places = dict[str, tuple[dict[str, Any], str]]


def functional_call(
    module: Any, parameter_and_buffer_dicts: Any, args: Any = None,
    kwargs: dict[str, Any] | None = None, *, tie_weights: bool = True, strict: bool = False,
) -> Any:  # fmt: skip
    """Call a Module with other tensors in place of its parameters and buffers.

    Args:
        parameter_and_buffer_dicts: tensors by dotted name, or a sequence of such dictionaries;
            what they do not name stays the module's.
        args: the positional arguments as a tuple, or the only one.
        tie_weights: a tensor that the module has under several names is replaced under all.
        strict: RuntimeError for missing and unexpected names.
    """
    values = _merged(parameter_and_buffer_dicts)
    places = _places(module)
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{value!r} is not an instance of pyrite.Tensor (for {name})")
    if strict:
        _check_names(module, places, values)
    given = args if isinstance(args, tuple) else () if args is None else (args,)
    with _replaced(places, _tied(places, values) if tie_weights else values):
        return module(*given, **(kwargs or {}))


def _merged(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, Mapping):
        return dict(dicts)
    if not isinstance(dicts, Sequence) or not all(isinstance(d, Mapping) for d in dicts):
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts)}"
        )
    names = [name for d in dicts for name in d]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    return {name: value for d in dicts for name, value in d.items()}


def _places(module: Any) -> Places:
    """Where each parameter and buffer is kept, by dotted name: a dictionary and a key."""
    found: Places = {}
    for path, owner in module.named_modules(remove_duplicate=False):
        for members in (owner._parameters, owner._buffers):
            for name in members:
                found[f"{path}.{name}" if path else name] = (members, name)
    return found


def _check_names(module: Any, places: Places, values: dict[str, Any]) -> None:
    held = {n for n, (members, key) in places.items() if members[key] is not None}
    missing, extra = sorted(held - set(values)), sorted(set(values) - held)
    lines = [
        f"\n\t{what} key(s): {', '.join(map(repr, names))}."
        for what, names in (("Unexpected", extra), ("Missing", missing))
        if names
    ]
    if lines:
        name = type(module).__name__
        raise RuntimeError(f"Error(s) in reparametrizing for {name}:{''.join(lines)}")


def _tied(places: Places, values: dict[str, Any]) -> dict[str, Any]:
    """The values under all names that the module has for one tensor."""
    groups: dict[int, list[str]] = {}
    for name, (members, key) in places.items():
        if members[key] is not None:
            groups.setdefault(id(members[key]), []).append(name)
    out = dict(values)
    for names in groups.values():
        given = [n for n in names if n in values]
        if len({id(values[n]) for n in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {names}, which are tied. Consider "
                "using tie_weights=False"
            )
        if given:
            out.update(dict.fromkeys(names, values[given[0]]))
    return out


@contextmanager
def _replaced(places: Places, values: dict[str, Any]) -> Iterator[None]:
    changed = [(*places[name], value) for name, value in values.items() if name in places]
    before = [(members, key, members[key]) for members, key, _ in changed]
    try:
        for members, key, value in changed:
            members[key] = value
        yield
    finally:
        for members, key, value in reversed(before):
            members[key] = value


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The parameters and the buffers of models of one class, stacked along a new first dimension.

    They are what `vmap` of a `functional_call` maps over to run an ensemble at once.
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if len({m.training for m in models}) > 1:
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if len({type(m) for m in models}) > 1:
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = _stacked([dict(m.named_parameters()) for m in models])
    return params, _stacked([dict(m.named_buffers()) for m in models])


def _stacked(states: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: _stack([s[name] for s in states]) for name in states[0]}


def _stack(tensors: Sequence[Tensor]) -> Tensor:
    needs = [t.requires_grad for t in tensors]
    if any(needs) and not all(needs):
        raise RuntimeError(
            "Expected all tensors that have the same name to have the same .requires_grad"
        )
    out: Tensor = F.stack([t.detach() for t in tensors])
    return out.requires_grad_() if all(needs) else out
