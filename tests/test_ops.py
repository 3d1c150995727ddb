"""Every op of the table on every backend: value, dtype, first and second derivative."""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from typing import Any

import numpy as np
import pytest
import samples
from samples import SAMPLES, A, Sample

import pyrite
from pyrite._dtypes import from_numpy_dtype
from pyrite._graph import capture
from pyrite._ops.table import TABLE
from pyrite._tensor import F, Tensor

try:
    import torch

    torch.set_num_threads(1)
except ImportError:
    torch = None  # type: ignore[assignment]

for _module in pkgutil.iter_modules(samples.__path__):
    importlib.import_module(f"samples.{_module.name}")

# Ops without array operands or result have tests of their own.
OTHER_TESTS = {"create": "test_creation", "random": "test_random", "update": "test_optim"}
INTERNAL = {"constant", "tie", "to_device"}
BY_CONTRACT = {"embedding"}  # padding rows get no gradient, frequencies scale it
TESTED = sorted(n for n, op in TABLE.items() if op.kind not in OTHER_TESTS and n not in INTERNAL)
FLOATING = ("float", "complex")
TOLERANCE = {
    "float64": (1e-7, 1e-9), "float32": (2e-5, 2e-5), "float16": (2e-3, 2e-3),
    "bfloat16": (2e-2, 2e-2), "complex128": (1e-7, 1e-9), "complex64": (2e-5, 2e-5),
}  # fmt: skip


def _cases(differentiable: bool = False) -> list[Any]:
    found = []
    for name in TESTED:
        if differentiable and not TABLE[name].differentiable:
            continue
        for i, sample in enumerate(SAMPLES.get(name, [])):
            marks = [pytest.mark.full] if sample.full else []
            found.append(pytest.param(name, sample, id=f"{name}-{i}", marks=marks))
    return found


def _dtype(a: A, kind: str) -> str:
    return {"float32": "complex64", "float64": "complex128"}[kind] if a.kind == "complex" else kind


def _array(rng: np.random.Generator, a: A, kind: str) -> np.ndarray:
    """The operand's values in the memory layout asked for."""
    if a.values is not None:
        values = np.array(a.values)
        return values.astype(_dtype(a, kind)) if a.kind in FLOATING else values
    shape = {"T": a.shape[::-1], "step": (*a.shape[:-1], *[2 * n for n in a.shape[-1:]])}.get(
        a.layout, a.shape
    )
    if a.kind == "bool":
        out = rng.integers(0, 2, shape).astype(bool)
    elif a.kind == "int":
        out = rng.integers(int(a.low), max(int(a.high), int(a.low) + 1), shape)
    else:
        out = rng.uniform(a.low, a.high, shape).astype(kind)
        if a.kind == "complex":
            out = out + 1j * rng.uniform(a.low, a.high, shape).astype(kind)
    if a.layout == "T":
        return out.T
    return out[..., ::2] if a.layout == "step" else out


def _build(
    sample: Sample, key: str, kind: str, make: Any
) -> tuple[list[Any], dict[str, Any], list]:
    """Arguments with operands from `make(array, needs_grad)`, and the operands that need one."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    wanted: list[Any] = []

    def convert(value: Any) -> Any:
        if isinstance(value, A):
            grad = value.grad and value.kind in FLOATING
            out = make(_array(rng, value, kind), grad)
            wanted.extend([out] if grad else [])
            return out
        if isinstance(value, list | tuple) and any(isinstance(v, A) for v in value):
            return type(value)(convert(v) for v in value)
        return value

    args = [convert(a) for a in sample.args]
    kwargs = {k: convert(v) for k, v in sample.kwargs.items()}
    return args, kwargs, wanted


def _pyrite(device: str = "cpu", kind: str = "float32", grads: bool = False) -> Any:
    def make(array: np.ndarray, grad: bool) -> Tensor:
        t = pyrite.from_numpy(np.array(array, order="K")).to(device)
        if t.dtype.is_floating_point and t.dtype.name != kind:
            t = t.to(getattr(pyrite, kind))
        return t.requires_grad_(grad and grads)

    return make


def _torch(kind: str = "float32", grads: bool = False) -> Any:
    def make(array: np.ndarray, grad: bool) -> Any:
        t = torch.from_numpy(np.array(array, order="K"))
        if t.is_floating_point():
            t = t.to(getattr(torch, kind))
        return t.requires_grad_(grad and grads)

    return make


def _oracle(name: str, sample: Sample) -> Any:
    if sample.torch is None:
        pytest.skip("internal op: no torch function of its own")
    if torch is None:
        pytest.skip("torch is not installed")
    if callable(sample.torch):
        return sample.torch
    found: Any = torch
    for part in (sample.torch or name).split("."):
        found = getattr(found, part)
    return found


class Hole(int):
    """The place of an operand."""


def called(name: str, args: list[Any], kwargs: dict[str, Any], operands: Any) -> Any:
    """The op's result with `operands` in the places that holes hold."""

    def fill(v: Any) -> Any:
        if isinstance(v, Hole):
            return operands[v]
        if isinstance(v, list | tuple) and any(isinstance(x, Hole) for x in v):
            return type(v)(fill(x) for x in v)
        return v

    return getattr(F, name)(*map(fill, args), **{k: fill(v) for k, v in kwargs.items()})


def _leaves(result: Any) -> list[Any]:
    """The tensors of a result, in order."""
    if isinstance(result, tuple | list):
        return [x for r in result for x in _leaves(r)]
    return [] if result is None else [result]


def _host(t: Any) -> np.ndarray:
    if isinstance(t, Tensor):
        return np.array(t.detach().cpu().to(pyrite.float64 if _is_half(t) else t.dtype).numpy())
    return (t.detach().double() if _is_half(t) else t.detach()).numpy(force=True)


def _is_half(t: Any) -> bool:
    return str(t.dtype).split(".")[-1] in ("float16", "bfloat16")


def _compare(got: Any, want: Any, kind: str) -> None:
    ours, theirs = _leaves(got), _leaves(want)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
        rtol, atol = TOLERANCE.get(str(a.dtype).split(".")[-1], (0, 0))
        np.testing.assert_allclose(_host(a), _host(b), rtol=rtol, atol=atol)


def test_every_op_has_samples() -> None:
    assert [n for n in TESTED if n not in SAMPLES] == []
    assert [n for n in SAMPLES if n not in TABLE] == []


@pytest.mark.parametrize(("name", "sample"), _cases())
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_value_and_dtype(name: str, sample: Sample, kind: str) -> None:
    oracle = _oracle(name, sample)
    args, kwargs, _ = _build(sample, name, kind, _torch(kind))
    want = oracle(*args, **kwargs)
    args, kwargs, _ = _build(sample, name, kind, _pyrite("cpu", kind))
    _compare(getattr(F, name)(*args, **kwargs), want, kind)


@pytest.mark.full
@pytest.mark.parametrize(("name", "sample"), _cases())
@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_is_float32_rounded_once(name: str, sample: Sample, kind: str) -> None:
    if not sample.half:
        pytest.skip("no complex numbers of half precision")
    args, kwargs, _ = _build(sample, name, "float32", _pyrite("cpu", kind))
    operands = [t for t in _leaves([*args, *kwargs.values()]) if isinstance(t, Tensor)]
    if not any(_is_half(t) for t in operands if t.ndim) and any(t.ndim for t in operands):
        pytest.skip("no operand that decides the type is floating")
    if not any(_is_half(t) for t in operands):
        pytest.skip("no floating operand")
    halves = _leaves(getattr(F, name)(*args, **kwargs))

    def widen(v: Any) -> Any:
        if isinstance(v, list | tuple):
            return type(v)(widen(x) for x in v)
        return v.float() if isinstance(v, Tensor) and v.dtype.is_floating_point else v

    singles = _leaves(
        getattr(F, name)(*map(widen, args), **{k: widen(v) for k, v in kwargs.items()})
    )
    outputs = TABLE[name].outputs
    rounded = [True] * len(halves) if outputs == "*" else [o.differentiable for o in outputs]
    for half, single, rounds in zip(halves, singles, rounded):
        if single.dtype is pyrite.float32 and rounds and name != "cast":
            assert half.dtype is getattr(pyrite, kind)
            np.testing.assert_array_equal(_host(half), _host(single.to(half.dtype)))


@pytest.mark.parametrize(("name", "sample"), _cases())
def test_strict_backend_gives_the_same(name: str, sample: Sample) -> None:
    args, kwargs, wanted = _build(sample, name, "float64", _pyrite("cpu", "float64", grads=True))
    results = _leaves(getattr(F, name)(*args, **kwargs))
    args, kwargs, strict_wanted = _build(
        sample, name, "float64", _pyrite("strict", "float64", grads=True)
    )
    strict = _leaves(getattr(F, name)(*args, **kwargs))
    for a, b in zip(results, strict, strict=True):
        assert b.device.type == "strict"
        rtol = 3e-7 if a.dtype is pyrite.float32 else 1e-12  # of integers
        np.testing.assert_allclose(_host(b), _host(a), rtol=rtol, atol=1e-13)
    if not any(r.requires_grad for r in results):
        return
    ours = _gradients(results, wanted, name, False)
    theirs = _gradients(strict, strict_wanted, name, False)
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(_host(b), _host(a), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("name", "sample"), _cases())
def test_capture_does_the_same_again(name: str, sample: Sample) -> None:
    """A replay, backward included, on other values than those of the capture."""
    args, kwargs, _ = _build(sample, name, "float64", _pyrite("cpu", "float64"))
    found = [v for v in _leaves([*args, *kwargs.values()]) if isinstance(v, Tensor)]
    others = [t.flip(list(range(t.ndim))) if t.is_floating_point() else t.clone() for t in found]

    def put(value: Any, tensors: list[Tensor]) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(put(v, tensors) for v in value)
        return tensors.pop(0) if isinstance(value, Tensor) else value

    def run(*inputs: Tensor) -> list[Any]:
        tensors = [t.detach().requires_grad_(t.is_floating_point()) for t in inputs]
        wanted, rest = [t for t in tensors if t.requires_grad], list(tensors)
        given = put(args, rest)
        results = _leaves(getattr(F, name)(*given, **{k: put(v, rest) for k, v in kwargs.items()}))
        if any(r.requires_grad for r in results):
            return results + _gradients(results, wanted, name, False)
        return [*results, *inputs] if TABLE[name].kind == "update" else results

    graph, _ = capture(run, *[t.clone() for t in found])
    try:
        want = run(*[t.clone() for t in others])
    except (RuntimeError, ValueError):
        others = found  # values in another order have no result
        want = run(*[t.clone() for t in others])
    for a, b in zip(graph(*[t.clone() for t in others]), want, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype is b.dtype
            np.testing.assert_array_equal(_host(a), _host(b))


def _cotangents(results: list[Any], key: str) -> list[np.ndarray]:
    rng = np.random.default_rng(zlib.crc32(key.encode()) + 1)
    return [_normal(rng, r) for r in results]


def _normal(rng: np.random.Generator, like: Any) -> np.ndarray:
    """Normal values of the shape of a tensor, complex if it is."""
    out: Any = rng.standard_normal(tuple(like.shape))
    if like.dtype.is_complex:
        out = out + 1j * rng.standard_normal(tuple(like.shape))
    return np.asarray(out)


def _gradients(results: list[Any], wanted: list[Any], key: str, create_graph: bool) -> list[Any]:
    chosen = [r for r in results if r.requires_grad]
    cotangents = [
        pyrite.from_numpy(c).to(r.dtype).to(r.device)
        for r, c in zip(chosen, _cotangents(chosen, key), strict=True)
    ]
    return list(
        pyrite.autograd.grad(
            chosen, wanted, cotangents, create_graph=create_graph, allow_unused=True
        )
    )


def _torch_gradients(results: list[Any], wanted: list[Any], key: str, create: bool) -> list[Any]:
    chosen = [r for r in results if r.requires_grad]
    cotangents = [
        torch.from_numpy(np.array(c)).to(r.dtype)
        for r, c in zip(chosen, _cotangents(chosen, key), strict=True)
    ]
    return list(
        torch.autograd.grad(chosen, wanted, cotangents, create_graph=create, allow_unused=True)
    )


def _same_gradients(ours: list[Any], theirs: list[Any], kind: str) -> None:
    rtol, atol = {"float32": (2e-4, 5e-5), "float64": (1e-6, 1e-8)}[kind]
    for a, b in zip(ours, theirs, strict=True):
        if b is None or a is None:
            other = a if b is None else b
            assert other is None or not np.any(_host(other))
            continue
        assert tuple(a.shape) == tuple(b.shape)
        assert a.dtype is from_numpy_dtype(_host(b).dtype)
        np.testing.assert_allclose(_host(a), _host(b), rtol=rtol, atol=atol)


@pytest.mark.parametrize(("name", "sample"), _cases(differentiable=True))
def test_derivatives_equal_torch(name: str, sample: Sample) -> None:
    oracle = _oracle(name, sample)
    args, kwargs, t_wanted = _build(sample, name, "float64", _torch("float64", grads=True))
    if not t_wanted:
        pytest.skip("the sample has no operand with a gradient")
    t_results = _leaves(oracle(*args, **kwargs))
    args, kwargs, wanted = _build(sample, name, "float64", _pyrite("cpu", "float64", grads=True))
    results = _leaves(getattr(F, name)(*args, **kwargs))
    assert [r.requires_grad for r in results] == [r.requires_grad for r in t_results]
    if not any(r.requires_grad for r in results):
        return
    first = _gradients(results, wanted, name, True)
    t_first = _torch_gradients(t_results, t_wanted, name, True)
    _same_gradients(first, t_first, "float64")
    t_second = [g for g in t_first if g is not None and g.requires_grad]
    if not (sample.gradgrad and t_second):
        return
    pairs = [
        (g, t) for g, t in zip(first, t_first, strict=True) if t is not None and t.requires_grad
    ]
    second = [g for g, _ in pairs if g is not None and g.requires_grad]
    if len(second) < len(pairs):  # torch keeps a graph of zeros here and there
        t_values = _torch_gradients([t for _, t in pairs], t_wanted, name, False)
        if not second:
            assert all(v is None or not np.any(_host(v)) for v in t_values)
            return
    _same_gradients(
        _gradients(second, wanted, name, False),
        _torch_gradients(
            [t for g, t in pairs if g is not None and g.requires_grad], t_wanted, name, False
        ),
        "float64",
    )


@pytest.mark.parametrize(("name", "sample"), _cases(differentiable=True))
def test_array_mode_equals_tensor_mode(name: str, sample: Sample) -> None:
    args, kwargs, wanted = _build(sample, name, "float32", _pyrite("cpu", "float32", grads=True))
    results = _leaves(getattr(F, name)(*args, **kwargs))
    if not any(r.requires_grad for r in results):
        return
    recorded = _gradients(results, wanted, name, True)
    results = _leaves(getattr(F, name)(*args, **kwargs))
    for a, b in zip(_gradients(results, wanted, name, False), recorded, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            np.testing.assert_allclose(_host(a), _host(b), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "sample"), _cases(differentiable=True))
def test_derivatives_numerically(name: str, sample: Sample) -> None:
    if torch is not None:
        pytest.skip("checked against torch")
    operands = [a for a in _leaves([*sample.args, *sample.kwargs.values()]) if isinstance(a, A)]
    numbers = [a for a in sample.args if isinstance(a, float)]
    chosen = any(a.values is not None and a.kind in FLOATING for a in operands)
    if chosen or not np.isfinite(numbers).all():
        pytest.skip("chosen values: kinks, ties, infinities")
    if callable(sample.torch) or name in BY_CONTRACT:
        pytest.skip("the gradient is not the partial derivative of the op alone")
    args, kwargs, wanted = _build(sample, name, "float64", _pyrite("cpu", "float64", grads=True))
    results = _leaves(getattr(F, name)(*args, **kwargs))
    if not any(r.requires_grad for r in results):
        return
    recorded = [i for i, r in enumerate(results) if r.requires_grad]
    weights = _cotangents([results[i] for i in recorded], name)
    rng = np.random.default_rng(3)
    for tensor, grad in zip(wanted, _gradients(results, wanted, name, False), strict=True):
        direction = _normal(rng, tensor)
        expected = _directional(name, args, kwargs, tensor, direction, recorded, weights)
        actual = 0.0 if grad is None else float(np.sum(_host(grad).conj() * direction).real)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def _directional(
    name: str, args: Any, kwargs: Any, tensor: Tensor, direction: np.ndarray, chosen: list[int],
    weights: list[np.ndarray],
) -> float:  # fmt: skip
    """The derivative along a direction by central differences."""
    values = []
    step = 1e-6
    saved = tensor.array.copy()
    for sign in (1, -1):
        tensor.array[...] = saved + sign * step * direction
        with pyrite.no_grad():
            results = _leaves(getattr(F, name)(*args, **kwargs))
        values.append(
            sum(
                np.sum(_host(results[i]) * w.conj()).real
                for i, w in zip(chosen, weights, strict=True)
            )
        )
    tensor.array[...] = saved
    return float(values[0] - values[1]) / (2 * step)
