"""Samples into batches: `default_collate`, `default_convert`."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

import pyrite

from .._tensor import Tensor

CollateMap = Mapping[type | tuple[type, ...], Callable[..., Any]]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack the samples of a batch along a new first dimension.

    Tensors and NumPy arrays of equal shape become one tensor, floats a float64 tensor, ints and
    bools a tensor; strings and bytes stay a list. Mappings, named tuples and sequences are
    collated entry by entry (a tuple becomes a list). TypeError for anything else, RuntimeError
    for sequences or tensors of unequal size.
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars become tensors, inside containers too; the rest stays as it is."""
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else pyrite.as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping_like(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _sequence_like(data, [default_convert(entry) for entry in data])
    return data


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """`default_collate` with a table of your own: element type -> collating function.

    A function is called as `f(batch, collate_fn_map=...)`. An element's own type is looked up
    first, then the first entry of which it is an instance.
    """
    first = batch[0]
    function = _lookup(first, collate_fn_map or {})
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        columns = {key: [sample[key] for sample in batch] for key in first}
        return _mapping_like(
            first, {k: collate(c, collate_fn_map=collate_fn_map) for k, c in columns.items()}
        )
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) > 1:
            raise RuntimeError(
                "each element in list of batch should be of equal size, got lengths "
                f"{sorted({len(sample) for sample in batch})}"
            )
        rows = [collate(c, collate_fn_map=collate_fn_map) for c in zip(*batch, strict=True)]
        return _sequence_like(first, rows)
    raise _refusal(type(first))


def _lookup(value: Any, table: CollateMap) -> Callable[..., Any] | None:
    exact = table.get(type(value))
    if exact is not None:
        return exact
    return next((function for kind, function in table.items() if isinstance(value, kind)), None)


def _refusal(found: Any) -> TypeError:
    hint = "give the DataLoader a collate_fn"
    if getattr(found, "__module__", "").startswith("PIL."):
        hint = "add vision.transforms.ToTensor() to the dataset's transform"
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {found} ({hint})"
    )


def _mapping_like(model: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """`items` in a mapping of the model's type, or a dict where that cannot be built."""
    try:
        if isinstance(model, MutableMapping):
            # A copy keeps what else the mapping carries (a default factory, attributes).
            clone = copy.copy(model)
            clone.update(items)
            return clone
        return type(model)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _sequence_like(model: Sequence[Any], items: list[Any]) -> Any:
    """`items` in a sequence of the model's type; a plain tuple gives a list, as in torch."""
    if isinstance(model, tuple):
        return type(model)(*items) if hasattr(model, "_fields") else items
    try:
        if isinstance(model, MutableSequence):
            clone = copy.copy(model)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(model)(items)  # type: ignore[call-arg]
    except TypeError:
        return items


def _tensors(batch: Sequence[Tensor], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    stacked: Tensor = pyrite.stack(list(batch))
    return stacked


def _arrays(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    first = batch[0]
    if first.dtype.kind in "SUO":
        raise _refusal(first.dtype)
    if all(a.shape == first.shape and a.dtype == first.dtype for a in batch):
        return pyrite.from_numpy(np.stack(batch))
    return collate([pyrite.as_tensor(a) for a in batch], collate_fn_map=collate_fn_map)


def _array_scalars(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return pyrite.as_tensor(np.array(batch))


def _floats(batch: Sequence[float], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return pyrite.tensor(batch, dtype=pyrite.float64)


def _ints(batch: Sequence[int], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    return pyrite.tensor(batch)


def _texts(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Sequence[Any]:
    return batch


default_collate_fn_map: dict[type | tuple[type, ...], Callable[..., Any]] = {
    Tensor: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number): _array_scalars,
    float: _floats,
    int: _ints,
    str: _texts,
    bytes: _texts,
}
