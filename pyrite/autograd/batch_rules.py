"""How each kind of op runs on a batch of examples.

A rule gets the level, the op and its arguments by name, and returns Tensors whose first dimension
is the batch. Pointwise ops align ranks; ops with dimensions among their attributes have them
moved by one; products, convolutions, losses and indexing have rules of their own, written in calls
of ops; any other op runs once per example.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _dtypes
from .._errors import wrap_dim
from .._ops.reduce import reduced
from .._tensor import F, Tensor
from .._trees import tree_map
from . import modes
from .batching import RANDOM, VmapLevel, broadcast_shape, loop, refuse_growing
from .recording import _call

Values = dict[str, Any]
Rule = Callable[[VmapLevel, Any, Values], Any]
WHOLE = slice(None)

UNBATCHED_TARGET = (
    "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor "
    "`other` in extra_args that has more elements than `self`. This happened due to `other` being "
    "vmapped over but `self` not being vmapped over in a vmap. Please try to use out-of-place "
    "operators instead of inplace arithmetic"
)


def rule_of(op: Any, values: Values) -> Rule:
    """The rule for an op: its own, that of its kind, or the loop."""
    if op.name in RULES:
        return RULES[op.name]
    return KINDS.get(op.kind, loop)


def run(op: Any, values: Values, device: Any = None) -> Any:
    """The op, with arguments by name."""
    return _call(op, tuple(values.values()), device)


def rank(value: Any) -> int:
    """The number of dimensions of one example."""
    return value.array.ndim if isinstance(value, Tensor) else 0


def aligned(level: VmapLevel, value: Any, ndim: int) -> Any:
    """What is held, its examples with ones in front up to `ndim` dimensions; others as they are."""
    if not level.has(value):
        return value
    missing = ndim - value.array.ndim
    held = value.value
    return F.slice(held, (WHOLE, *[None] * missing, ...)) if missing > 0 else held


def _arrays(op: Any, values: Values) -> list[Any]:
    """All array operands, those of sequences too."""
    found: list[Any] = []
    for p in op.arrays:
        value = values[p.name]
        found += value if p.role == "arrays" and value is not None else [value]
    return found


def _lowered(level: VmapLevel, op: Any, values: Values) -> Values:
    """The arguments with every Tensor as a batch."""
    out = dict(values)
    for p in op.arrays:
        v = values[p.name]
        several = p.role == "arrays" and v is not None
        out[p.name] = [level.lower(t) for t in v] if several else level.lower(v)
    return out


# ---- pointwise


def pointwise(level: VmapLevel, op: Any, values: Values) -> Any:
    """Broadcasting stays inside the examples."""
    values = _promoted(level, op, values)
    ndim = max(rank(v) for v in _arrays(op, values))
    names = {p.name for p in op.arrays}
    return run(op, {n: aligned(level, v, ndim) if n in names else v for n, v in values.items()})


def _promoted(level: VmapLevel, op: Any, values: Values) -> Values:
    """0-d examples are no 0-d batches: promotion is decided here where that makes a difference."""
    rule = op.dtypes
    chosen = rule[1:] if isinstance(rule, tuple) else [p.name for p in op.arrays]
    tensors = {n: values[n] for n in chosen if isinstance(values[n], Tensor)}
    kinds = {t.dtype for t in tensors.values()}
    if len(kinds) == 1 or not any(level.has(t) and not t.array.ndim for t in tensors.values()):
        return values
    dims = [t.dtype for t in tensors.values() if t.array.ndim]
    zeros = [t.dtype for t in tensors.values() if not t.array.ndim]
    numbers = [_dtypes.scalar_dtype(values[n]) for n in chosen
               if isinstance(values[n], int | float | complex)]  # fmt: skip
    kind = _dtypes.combine(dims, zeros, numbers)
    return values | {n: t if t.dtype is kind else F.cast(t, kind) for n, t in tensors.items()}


# ---- dimensions and sizes among the attributes


def shifted(level: VmapLevel, op: Any, values: Values) -> Any:
    """Every operand becomes a batch; dimensions count from one more, sizes begin with its size."""
    ndim = max(rank(v) for v in _arrays(op, values))
    if ndim == 0 and "dimension" in values:
        return loop(level, op, values)
    low = _lowered(level, op, values)
    flat = op.name != "stack" and "dim" in values
    if flat:  # an example without dimensions has one for `dim` to name
        low |= {
            p.name: F.slice(low[p.name], (WHOLE, None))
            for p in op.arrays
            if isinstance(values[p.name], Tensor) and not rank(values[p.name])
        }
        flat = not rank(values.get("index", _arrays(op, values)[0]))
        ndim = max(ndim, 1)
    attributes = [p.name for p in op.params if p.role == "attr"]
    for name in attributes:
        shift = SHIFTS.get(name)
        if shift is not None:
            low[name] = shift(low[name], ndim + (op.name == "stack"), level.size)
    result = run(op, low)
    return tree_map(_first_column, result) if flat else result


def _first_column(tensor: Tensor) -> Tensor:
    return F.reshape(tensor, tensor.array.shape[:1])


def _dims(dim: Any, ndim: int, size: int) -> Any:
    if isinstance(dim, int):
        return wrap_dim(dim, ndim) + 1
    return tuple([d + 1 for d in reduced(dim, ndim)])


def _each_dim(dims: Any, ndim: int, size: int) -> Any:
    return tuple([wrap_dim(d, ndim) + 1 for d in dims])


def _sizes(sizes: Any, ndim: int, size: int) -> Any:
    return sizes if isinstance(sizes, int) else (size, *sizes)


SHIFTS: dict[str, Callable[[Any, int, int], Any]] = {
    **dict.fromkeys(("dim", "dim1", "dim2", "dimension"), _dims),
    **dict.fromkeys(("size", "shape", "input_shape"), _sizes),
    "dims": _each_dim,
    "index": lambda index, ndim, size: (WHOLE, *index),
}


def _permute(level: VmapLevel, op: Any, values: Values) -> Any:
    held = values["input"].value
    return F.permute(held, (0, *_each_dim(values["dims"], held.array.ndim - 1, 0)))


def _expand(level: VmapLevel, op: Any, values: Values) -> Any:
    size = values["size"]
    return F.expand(aligned(level, values["input"], len(size)), (level.size, *size))


def _sum_to_size(level: VmapLevel, op: Any, values: Values) -> Any:
    held, size = values["input"].value, values["size"]
    ones = (1,) * (held.array.ndim - 1 - len(size))
    summed = F.sum_to_size(held, (level.size, *ones, *size))
    return F.reshape(summed, (level.size, *size))


def _roll(level: VmapLevel, op: Any, values: Values) -> Any:
    if values["dims"]:
        return shifted(level, op, values)
    held = values["input"].value
    flat = F.reshape(held, (level.size, math.prod(held.array.shape[1:])))
    shifts = values["shifts"]
    return F.reshape(F.roll(flat, shifts, (1,)), held.array.shape)


def _cat(level: VmapLevel, op: Any, values: Values) -> Any:
    """Examples of one dimension without elements are left out, as the op leaves them out."""
    tensors = values["tensors"]
    kept = [t for t in tensors if t.array.shape != (0,)] or tensors
    return shifted(level, op, values | {"tensors": kept})


def _flat_choice(level: VmapLevel, op: Any, values: Values) -> Any:
    """argmax and argmin; without `dim` over all elements of an example."""
    if values["dim"] is not None:
        return shifted(level, op, values)
    held = values["input"].value
    shape = held.array.shape
    flat = F.reshape(held, (level.size, math.prod(shape[1:])))
    ones = (1,) * (len(shape) - 1) if values["keepdim"] else ()
    return F.reshape(run(op, values | {"input": flat, "dim": 1}), (level.size, *ones))


# ---- products and convolutions


def _matmul(level: VmapLevel, op: Any, values: Values) -> Any:
    a, b = values["input"], values["other"]
    if a.array.ndim == 1:
        row = F.matmul(F.slice(a, (None, WHOLE)), b)
        return level.lower(F.slice(row, (..., 0) if b.array.ndim == 1 else (..., 0, WHOLE)))
    if b.array.ndim == 1:
        return level.lower(F.slice(F.matmul(a, F.slice(b, (WHOLE, None))), (..., 0)))
    ndim = max(a.array.ndim, b.array.ndim)
    return F.matmul(aligned(level, a, ndim), aligned(level, b, ndim))


def matrices(level: VmapLevel, op: Any, values: Values) -> Any:
    """Ops of the last dimensions take a batch in front, where their operands agree on it."""
    given = [p.name for p in op.arrays if values[p.name] is not None]
    extra = {rank(values[n]) - OWN_DIMS.get(n, 2) for n in given}
    if len(extra) > 1 or min(extra) < 0:
        return loop(level, op, values)
    return run(op, _lowered(level, op, values))


# Dimensions that belong to one problem, where that is no matrix.
OWN_DIMS = {"pivots": 1, "rows": 1, "info": 0, "atol": 0, "rtol": 0}


def _linear(level: VmapLevel, op: Any, values: Values) -> Any:
    x, weight, bias = values.values()
    if not (level.has(weight) or level.has(bias)):
        return F.linear(x.value, weight, bias)
    flipped = F.permute(weight, (1, 0)) if weight.array.ndim > 1 else weight
    out = F.matmul(x, flipped)
    return level.lower(out if bias is None else F.add(out, bias))


def _linear_grad_weight(level: VmapLevel, op: Any, values: Values) -> Any:
    grad, x = [
        F.reshape(t, (math.prod(t.array.shape[:-1]), t.array.shape[-1])) for t in values.values()
    ]
    return level.lower(F.matmul(F.permute(grad, (1, 0)), x))


def _folded(tensor: Tensor, at: int) -> Tensor:
    """A batch whose first dimension is made a part of the dimension `at` of its examples."""
    n, shape = tensor.array.ndim, tensor.array.shape
    order = [*range(1, at + 1), 0, *range(at + 1, n)]
    sizes = (*shape[1 : at + 1], shape[0] * shape[at + 1], *shape[at + 2 :])
    return F.reshape(F.permute(tensor, tuple(order)) if at else tensor, sizes)


def _unfolded(tensor: Tensor, at: int, size: int) -> Tensor:
    """The opposite of `_folded`."""
    shape = tensor.array.shape
    out = F.reshape(tensor, (*shape[:at], size, shape[at] // size, *shape[at + 1 :]))
    rest = [d for d in range(len(shape) + 1) if d != at]
    return F.permute(out, (at, *rest)) if at else out


def _conv(level: VmapLevel, op: Any, values: Values) -> Any:
    """Examples become more images, or more groups where each has a weight of its own."""
    n, low = level.size, _lowered(level, op, values)
    (first, x), (second, y), *_ = low.items()
    bias = low.pop("bias", None)
    at = 0
    if op.name == "conv_grad_weight":
        low |= {first: _folded(x, 1), second: _folded(y, 1), "groups": values["groups"] * n}
    elif level.has(values["weight"]):
        low |= {first: _folded(x, 1), second: _folded(y, 0), "groups": values["groups"] * n}
        at = 1
    else:
        low |= {first: _folded(x, 0), second: values["weight"]}
    if "size" in low:
        sizes = list(values["size"])
        sizes[at] *= n
        low["size"] = tuple(sizes)
    out = _unfolded(run(op, {p.name: low.get(p.name) for p in op.params}), at, n)
    if bias is None:
        return out
    return F.add(out, F.reshape(bias, (n, 1, bias.array.shape[1], *(1,) * (out.array.ndim - 3))))


def _attention(level: VmapLevel, op: Any, values: Values) -> Any:
    """The examples' heads side by side; the mask broadcasts in front of its own dimensions."""
    p, mask = values["dropout_p"], values["attn_mask"]
    if p and level.randomness == "error":
        raise RuntimeError(RANDOM)
    if (p and level.randomness == "same") or values.get("mask_wanted"):
        return loop(level, op, values)
    low = _lowered(level, op, values | {"attn_mask": None})
    return run(op, low | {"attn_mask": aligned(level, mask, rank(values["query"]))})


# ---- normalisation, pooling, losses, embedding


def _layer_norm(level: VmapLevel, op: Any, values: Values) -> Any:
    x, shape, weight, bias, eps = values.values()
    if not (level.has(weight) or level.has(bias)):
        return F.layer_norm(level.lower(x), shape, weight, bias, eps)
    out = F.layer_norm(x, shape, None, None, eps)
    out = out if weight is None else F.mul(out, weight)
    return level.lower(out if bias is None else F.add(out, bias))


def _layer_norm_grad(level: VmapLevel, op: Any, values: Values) -> Any:
    grad, x, mean, rstd, weight, shape, eps = values.values()
    scaled = grad if weight is None else F.mul(grad, weight)
    low = [level.lower(t) for t in (scaled, x, mean, rstd)]
    result = F.layer_norm_grad(*low, None, shape, eps)
    dims = tuple(range(x.array.ndim - len(shape)))
    if x.requires_grad and modes.is_grad_enabled():  # saved statistics carry no gradient
        scores = F.layer_norm(x, shape, None, None, eps)
    else:
        scores = F.mul(F.sub(x, mean), rstd)
    sums = [F.sum(t, dims) if dims else t for t in (F.mul(grad, scores), grad)]
    return type(result)(result[0], *map(level.lower, sums))


def _channels(level: VmapLevel, op: Any, values: Values) -> Any:
    """Batch norm: the channels of all examples side by side."""
    low = _lowered(level, op, values)
    for p in op.arrays:
        if low[p.name] is not None:
            low[p.name] = _folded(low[p.name], int(values[p.name].array.ndim > 1))
    result = run(op, low)
    if isinstance(result, Tensor):
        return _unfolded(result, 1, level.size)
    out, *rest = result
    return type(result)(_unfolded(out, 1, level.size), *[_unfolded(t, 0, level.size) for t in rest])


def _images(level: VmapLevel, op: Any, values: Values) -> Any:
    """Pooling: the images of all examples one after the other."""
    low = _lowered(level, op, values)
    for p in op.arrays:
        low[p.name] = _folded(low[p.name], 0)
    if "input_shape" in low:
        n, *rest = values["input_shape"]
        low["input_shape"] = (n * level.size, *rest)
    return tree_map(lambda t: _unfolded(t, 0, level.size), run(op, low))


def _cross_entropy(level: VmapLevel, op: Any, values: Values) -> Any:
    x, target, weight, ignore_index, smoothing, reduction = values.values()
    if level.has(weight):
        return loop(level, op, values)
    rows, classes = [_folded(level.lower(t), 0) for t in (x, target)]
    sizes = (level.size, x.array.shape[0])
    loss = F.cross_entropy_index(rows, classes, weight, ignore_index, smoothing, "none")
    loss = F.reshape(loss, sizes)
    if reduction == "none":
        return loss
    loss = F.sum(loss, 1)
    if reduction == "sum":
        return loss
    mass = F.cross_entropy_mass(rows, classes, weight, ignore_index, 0.0, "none")
    return F.div(loss, F.sum(F.reshape(mass, sizes), 1))


def _offset(level: VmapLevel, indices: Any, rows: int) -> Tensor:
    """Indices into the rows of all examples one after the other."""
    low = level.lower(indices)
    return F.add(low, F.mul(_counter(low, low.array.ndim), rows))


def _counter(like: Tensor, ndim: int) -> Tensor:
    """0, 1, ... along the first of `ndim` dimensions."""
    from .._dtypes import int64

    n = like.array.shape[0]
    out = F.arange(0, n, 1, int64, device=like.device)
    return F.reshape(out, (n, *(1,) * (ndim - 1)))


def _embedding(level: VmapLevel, op: Any, values: Values) -> Any:
    weight, indices, padding_idx, by_frequency = values.values()
    if not level.has(weight) and not by_frequency:
        return F.embedding(weight, level.lower(indices), padding_idx, False)
    if padding_idx >= 0 or by_frequency:
        return loop(level, op, values)
    rows = weight.array.shape[0]
    table = _folded(level.lower(weight), 0)
    return F.embedding(table, _offset(level, indices, rows), -1, False)


def _embedding_grad(level: VmapLevel, op: Any, values: Values) -> Any:
    g, indices, rows = values.values()
    grads = F.embedding_grad(level.lower(g), _offset(level, indices, rows), rows * level.size)
    return _unfolded(grads, 0, level.size)


# ---- indexing


def _indexed(level: VmapLevel, op: Any, values: Values) -> Any:
    """The indexed dimensions come first, after the batch, which indices of examples name too."""
    name = "g" if op.name == "index_grad" else "input"
    dims, indices = values["dims"], list(values["indices"])
    if op.kind == "update" and not level.has(values[name]):
        raise RuntimeError(UNBATCHED_TARGET)
    source = level.lower(values[name])
    size = values["size"] if name == "g" else source.array.shape[1:]
    lead = dims[0] if dims[-1] - dims[0] == len(dims) - 1 else 0
    order = [*dims, *[d for d in range(len(size)) if d not in dims]]
    width = max(t.array.ndim for t in indices)
    where, at = [aligned(level, t, width) for t in indices], tuple(range(1, len(dims) + 1))
    if any(map(level.has, indices)):
        where, at = [_counter(source, width + 1), *where], (0, *at)
    out = dict(values) | {"indices": where, "dims": at}
    # Where results hold what was indexed: behind `lead` dimensions that were not.
    n = len(size) - len(dims) + width
    behind = [*range(lead, lead + width), *[d for d in range(n) if not lead <= d < lead + width]]
    if name == "g":
        out["g"] = F.permute(source, _with_batch(behind))
        out["size"] = (level.size, *[size[d] for d in order])
        return F.permute(run(op, out), _inverse(order))
    out["input"] = F.permute(source, _with_batch(order))
    if "values" in out:
        shape = _index_shape(indices, size, dims, lead)
        given = aligned(level, out["values"], len(shape))
        out["values"] = F.permute(F.expand(given, (level.size, *shape)), _with_batch(behind))
        result = run(op, out)
        return result if result is None else F.permute(result, _inverse(order))
    return F.permute(run(op, out), _inverse(behind))


def _with_batch(order: list[int]) -> tuple[int, ...]:
    return (0, *[d + 1 for d in order])


def _inverse(order: list[int]) -> tuple[int, ...]:
    return _with_batch([order.index(d) for d in range(len(order))])


def _index_shape(indices: Any, size: Any, dims: Any, lead: int) -> tuple[int, ...]:
    """The shape of one example's indexing result."""
    shape = broadcast_shape([t.array.shape for t in indices])
    rest = [n for d, n in enumerate(size) if d not in dims]
    return (*rest[:lead], *shape, *rest[lead:])


def _scattered(level: VmapLevel, op: Any, values: Values) -> Any:
    """scatter: a single value stands for as many as there are indices."""
    if op.kind == "update" and not level.has(values["input"]):
        raise RuntimeError(UNBATCHED_TARGET)
    src, index = values["src"], values["index"]
    if not src.array.ndim and index.array.ndim:
        values = values | {"src": F.expand(src, index.array.shape)}
    return shifted(level, op, values)


# ---- writing, random numbers


def _write(level: VmapLevel, op: Any, values: Values) -> Any:
    target, value = values.values()
    if not level.has(target):
        raise RuntimeError(UNBATCHED_TARGET)
    return run(op, dict(zip(values, (target.value, aligned(level, value, target.array.ndim)))))


def random_rule(level: VmapLevel, op: Any, values: Values, device: Any = None) -> Any:
    """Random numbers, drawn per example or once for all."""
    if values.get("train") is False:
        return run(op, _lowered(level, op, values))
    if level.randomness == "error":
        raise RuntimeError(RANDOM)
    with modes.below(level.outer):
        if level.randomness == "same":
            return loop(level, op, values)
        return _different(level, op, _lowered(level, op, values), device)


def _different(level: VmapLevel, op: Any, low: Values, device: Any) -> Any:
    if op.name == "permutation":
        shape, draw = (level.size, low["n"]), (low["seed"], low["offset"])
        keys = F.uniform(shape, _dtypes.float64, *draw, device=device)
        return F.cast(F.sort_indices(keys, 1), low["dtype"])
    if "shape" in low:
        low["shape"] = (level.size, *low["shape"])
        if "p" in low and isinstance(low["p"], Tensor):
            p = low["p"]
            ones = (1,) * (len(low["shape"]) - p.array.ndim)
            p = F.reshape(p, (*p.array.shape[:1], *ones, *p.array.shape[1:]))
            low["p"] = F.clone(F.expand(p, low["shape"]))
    if op.name == "multinomial":
        weights = low["input"]
        rows = F.reshape(weights, (-1, weights.array.shape[-1]))
        return F.reshape(run(op, low | {"input": rows}),
                         (*weights.array.shape[:-1], low["num_samples"]))  # fmt: skip
    return run(op, low, device)


KINDS: dict[str, Rule] = {
    "pointwise": pointwise, "reduce": shifted, "matrix": matrices, "random": random_rule,
}  # fmt: skip
SHIFTED = (
    "view", "view_dtype", "slice", "diagonal", "unfold", "unbind", "split", "to_device", "gather",
    "gather_grad", "reshape", "slice_grad", "unfold_grad", "stack", "clone", "cast", "flip",
    "tril", "triu", "constant_pad_nd", "contiguous", "ones_like", "zeros_like", "constant", "blank",
    "scatter_fold", "class_indices", "avg_pool2d", "avg_pool2d_grad", "tie", "softmax",
    "log_softmax", "softmax_grad", "log_softmax_grad", "real", "imag", "view_as_real",
    "view_as_complex", "lstm_gates", "lstm_gates_grad", "gru_gates", "gru_gates_grad",
    "fft_c2c", "fft_r2c", "fft_c2r", "resample", "resample_grad", "depend", "bias_of",
)  # fmt: skip
RULES: dict[str, Rule] = {
    **dict.fromkeys(SHIFTED, shifted),
    **dict.fromkeys(("argmax", "argmin"), _flat_choice),
    **dict.fromkeys(("convolution", "conv_grad_input", "conv_grad_weight"), _conv),
    **dict.fromkeys(("index", "index_grad", "index_put", "index_put_add", "index_write"), _indexed),
    **dict.fromkeys(("scatter", "scatter_sum", "scatter_write"), _scattered),
    **dict.fromkeys(("batch_norm_train", "batch_norm_grad", "batch_norm_eval"), _channels),
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "max_pool3d", "max_pool2d_grad",
                     "im2col", "col2im"), _images),
    **dict.fromkeys(("write", "write_number", "accumulate"), _write),
    **dict.fromkeys(("nonzero", "distinct"), refuse_growing),
    "cat": _cat, "complex": pointwise, "permute": _permute, "expand": _expand,
    "sum_to_size": _sum_to_size, "roll": _roll,
    "matmul": _matmul, "linear": _linear, "linear_grad_weight": _linear_grad_weight,
    "layer_norm": _layer_norm, "layer_norm_grad": _layer_norm_grad,
    "attention": _attention, "attention_grad": _attention,
    "cross_entropy_index": _cross_entropy, "embedding": _embedding,
    "embedding_grad": _embedding_grad,
}  # fmt: skip
