"""The small pointwise functions: NumPy's bits for what they serve, all else handed on untouched."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pyrite.backends.numpy.kernels import _small
from pyrite.backends.numpy.kernels._jit import available

pytestmark = pytest.mark.skipif(not available(), reason="needs numba's llvmlite")

REFERENCE: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "relu": lambda x: np.where(x <= 0, 0, x),
    "relu_grad": lambda g, y: np.where(y <= 0, 0, g),
    "sigmoid_grad": lambda g, y: g * ((1 - y) * y),
    "tanh_grad": lambda g, y: g * (1 - y * y),
    "accumulate": lambda x, y: x + y,
    "exp": lambda x: np.exp(x.astype("float64")),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x.astype("float64"))),
}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3e38, -1.5]


def handed_on(*args: Any, **named: Any) -> Any:
    return "bound", args, named


def small(name: str) -> Callable[..., Any]:
    make = _small._maker()
    assert make is not None, "the self-test failed here"
    return make(name, handed_on)


def operands(shape: tuple[int, ...], kind: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    x, y = (rng.standard_normal(shape).astype(kind) for _ in range(2))
    spots = min(x.size, len(SPECIAL))
    with np.errstate(over="ignore"):
        x.reshape(-1)[:spots] = SPECIAL[:spots]
    return x, y


def equal(got: Any, wanted: Any, kind: str) -> None:
    assert type(got) is np.ndarray
    assert got.dtype == kind
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, wanted)
    numbers = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(wanted)[numbers])


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted(set(_small.FORMS) - set(_small.WIDE)))
def test_bits_are_numpys(name: str, kind: str) -> None:
    function, reference = small(name), REFERENCE[name]
    for shape in ((), (0,), (1,), (3, 5), (0, 4), (2, 3, 4, 5), (_small.LIMIT,)):
        x, y = operands(shape, kind)
        given = [x] if name in ("neg", "relu") else [x, y]
        with np.errstate(all="ignore"):
            wanted = np.asarray(reference(*given), kind)
        got = function(*given)
        if name in _small.UPDATES:
            assert got is None
            got = x
        assert got.shape == shape
        equal(got, wanted, kind)


@pytest.mark.parametrize("name", sorted(_small.WIDE))
def test_functions_are_rounded_once(name: str) -> None:
    size, function = _small.WIDE[name], small(name)
    for low, high in ((-1, 1), (-20, 20), (-104, 89), (-1e30, 1e30)):
        x = np.linspace(low, high, size).astype("float32")
        x[:6] = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45]
        with np.errstate(all="ignore"):
            true = REFERENCE[name](x)
            got, near = function(x), true.astype("float32")
            exact = np.isfinite(near) & (near != 0)
            assert np.array_equal(got[~exact], near[~exact], equal_nan=True)
            error = np.abs(got.astype("float64") - true)[exact] / np.spacing(np.abs(near[exact]))
        assert error.max() <= 0.51
    assert function(x.astype("float64"))[0] == "bound"
    assert function(np.zeros(size + 1, "float32"))[0] == "bound"


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
def test_numbers_on_either_side(name: str, kind: str) -> None:
    function, reference = small(name), REFERENCE[name]
    x, _ = operands((3, 4), kind)
    for number in (0.1, -0.0, float("inf"), 1e-300, 3, -(2**24)):
        with np.errstate(all="ignore"):
            equal(function(x, number), reference(x, number), kind)
            equal(function(number, x), reference(number, x), kind)


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "relu_grad"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 7), (1, 1), (5, 64)])
def test_rows_columns_and_numbers_of_no_dimension(
    name: str, kind: str, shape: tuple[int, ...]
) -> None:
    x, _ = operands(shape, kind)
    row, column = operands(shape[-1:], kind)[1], operands((*shape[:-1], 1), kind)[1]
    for y in (row, column, row[:1].reshape(())):
        with np.errstate(all="ignore"):
            equal(small(name)(x, y), REFERENCE[name](x, y).astype(kind), kind)


def test_a_factor_of_one_is_served_and_no_other() -> None:
    x, y = operands((3,), "float32")
    for name in _small.SCALED:
        np.testing.assert_array_equal(small(name)(x, y, 1), REFERENCE[name](x, y))
        assert small(name)(x, y, 2)[0] == small(name)(x, y, 1.0)[0] == "bound"


def test_other_calls_reach_the_bound_function_as_they_were() -> None:
    x = np.ones((3, 4), np.float32)
    locked = x.copy()
    locked.flags.writeable = False
    others = [
        (x.T, x.T), (x[:, ::2], x[:, ::2]), (x, x[:2]), (x[0], x), (x, x.astype("float64")),
        (x.astype("float16"),) * 2, (x.astype(">f4"),) * 2, (x.astype(int),) * 2,
        (x, x[:1]), (x, np.ones((1, 1), np.float32)), (np.float32(x[0, 0]).reshape(()), x),
        (np.ones((0, 4), np.float32), x[0]), (x.reshape(1, 3, 4), x),
        (x, 2**24 + 1), (x, 1 << 70), (x, True), (x, None), (2.0, 3.0), (x, np.float32(2)),
        (np.ones(_small.LIMIT + 1, np.float32),) * 2, (x.view(np.matrix), x), (x,), (x, x, x, x),
        (np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float32),) * 2,
    ]  # fmt: skip
    for args in others:
        tag, got, named = small("mul")(*args)
        assert tag == "bound"
        assert not named
        assert all(a is b for a, b in zip(got, args, strict=True))
    assert small("mul")(x, other=x) == ("bound", (x,), {"other": x})
    assert small("accumulate")(locked, x)[0] == "bound"
    assert small("accumulate")(x, 1.0)[0] == "bound"


def test_errors_of_the_bound_function_pass() -> None:
    make = _small._maker()
    assert make is not None

    def fail(*_: Any) -> None:
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        make("add", fail)("a", "b")


def test_references_are_balanced() -> None:
    x, kind = np.ones(8, np.float32), np.dtype("float32")
    add, accumulate = small("add"), small("accumulate")
    gc.collect()
    before = [sys.getrefcount(o) for o in (x, kind, np.ndarray)]
    for _ in range(1000):
        add(x, x)
        add(x, 1.0)
        accumulate(x, x)
    after = [sys.getrefcount(o) for o in (x, kind, np.ndarray)]
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) < 10


def test_the_code_is_kept_and_a_foreign_folder_is_not_used(tmp_path: Path) -> None:
    code = (
        "import pyrite, sys\n"
        "print((pyrite.ones(3) + pyrite.ones(3)).tolist(), 'llvmlite.ir' in sys.modules)"
    )
    seen = []
    for folder in (tmp_path / "a", tmp_path / "a", tmp_path / "b"):
        if folder.name == "b" and os.name == "posix":
            folder.mkdir()
            folder.chmod(0o777)
        environment = {**os.environ, "PYRITE_CACHE_DIR": str(folder)}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("[2.0, 2.0, 2.0]")
        seen.append(sorted(p.name for p in folder.rglob("small.o")))
    assert len(seen[0]) == 1
    assert seen[0] == seen[1]
    assert os.name != "posix" or not seen[2]
