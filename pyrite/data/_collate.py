"""Samples into batches: `default_collate`, `default_convert`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from .._composites.create import as_tensor, from_numpy, tensor
from .._dtypes import float64
from .._tensor import F, Tensor


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack the samples of a batch along a new first dimension.

    Tensors and NumPy arrays of equal shape become one tensor, floats a float64 tensor, ints and
    bools a tensor; strings and bytes stay a list. Mappings, named tuples and sequences are
    collated entry by entry (a tuple becomes a list). TypeError for anything else, RuntimeError
    for sequences or tensors of unequal size.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return F.stack(list(batch))
    if isinstance(first, np.ndarray):
        return _arrays(batch)
    if isinstance(first, np.bool_ | np.number):
        return as_tensor(np.array(batch))
    if isinstance(first, float | int):
        return tensor(batch, dtype=float64 if isinstance(first, float) else None)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return _like(first, {k: default_collate([d[k] for d in batch]) for k in first})
    if isinstance(first, Sequence):
        lengths = {len(sample) for sample in batch}
        if len(lengths) > 1:
            raise RuntimeError(
                "each element in list of batch should be of equal size, got lengths "
                f"{sorted(lengths)}; pad them in a collate_fn"
            )
        return _like(first, [default_collate(column) for column in zip(*batch, strict=True)])
    raise _refusal(type(first))


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars become tensors, inside containers too; the rest stays as it is."""
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(entry) for entry in data])
    return data


def _arrays(batch: Sequence[Any]) -> Any:
    first = batch[0]
    if first.dtype.kind in "SUO":
        raise _refusal(first.dtype)
    if all(a.shape == first.shape and a.dtype == first.dtype for a in batch):
        return from_numpy(np.stack(batch))
    return F.stack([as_tensor(a) for a in batch])


def _refusal(found: Any) -> TypeError:
    hint = "give the DataLoader a collate_fn"
    if getattr(found, "__module__", "").startswith("PIL."):
        hint = "make a tensor of it: transform=vision.transforms.ToTensor()"
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {found} ({hint})"
    )


def _like(model: Any, items: Any) -> Any:
    """`items` in a container of the model's type, or as they are where that cannot be built.

    A plain tuple gives a list, as in torch.
    """
    if isinstance(model, tuple):
        return type(model)(*items) if hasattr(model, "_fields") else items
    try:
        if not isinstance(model, MutableMapping | MutableSequence):
            return type(model)(items)
        # A copy keeps what else the container carries (a default factory, attributes).
        clone = copy.copy(model)
        if isinstance(clone, MutableMapping):
            clone.update(items)
        else:
            clone[:] = items
        return clone
    except TypeError:
        return items
