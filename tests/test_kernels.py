"""The compiled CPU kernels: accuracy, special values, threads, declining."""

from __future__ import annotations

import inspect
import math
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by numba")

from _kernel_cases import CASES, EVERY, EXACT, STATES, UNARY, UPDATES, WRITES, normal

from pyrite._ops.table import TABLE
from pyrite.backends.numpy import _threads
from pyrite.backends.numpy.kernels import KERNELS


def as_tuple(result: Any) -> tuple[np.ndarray, ...]:
    return tuple(map(np.asarray, result)) if isinstance(result, tuple) else (np.asarray(result),)


def called(function: Any, *args: Any) -> Any:
    """The function's result; a dict at the end holds keyword arguments."""
    return function(*args[:-1], **args[-1]) if isinstance(args[-1], dict) else function(*args)


def served(name: str, *args: Any) -> tuple[np.ndarray, ...]:
    result = called(KERNELS[name], *args)
    assert result is not NotImplemented
    return as_tuple(result)


@pytest.fixture
def two_threads() -> Any:
    before = _threads.get_num_threads()
    _threads.set_num_threads(2)
    yield
    _threads.set_num_threads(before)


# --- results --------------------------------------------------------------------------------


def test_every_kernel_has_its_ops_signature_and_a_case() -> None:
    for name, kernel in KERNELS.items():
        theirs = list(inspect.signature(TABLE[name].generic).parameters.values())[1:]
        ours = list(inspect.signature(kernel).parameters.values())
        assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs], name
    assert set(KERNELS) == set(CASES) | set(UPDATES) | WRITES


@pytest.mark.parametrize(("name", "i"), EVERY)
def test_a_kernel_gives_the_generic_result(name: str, i: int) -> None:
    args = CASES[name][i]
    with np.errstate(divide="ignore"):
        wanted = as_tuple(called(TABLE[name].generic, np, *args))
    for ours, theirs in zip(served(name, *args), wanted):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        if name in EXACT:
            np.testing.assert_array_equal(ours, theirs)
        else:
            scale = max(1.0, float(np.abs(theirs).max(initial=0, where=np.isfinite(theirs))))
            limit = 1e-12 if ours.dtype == "float64" else 3e-6
            np.testing.assert_allclose(ours, theirs, rtol=limit, atol=limit * scale)


@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize(("name", "i"), [(n, i) for n in UPDATES for i in range(len(UPDATES[n]))])
def test_an_update_is_the_generic_one_to_the_bit(name: str, i: int, kind: str) -> None:
    shapes = [(167, 201), (13,), ()]

    def lists() -> list[list[np.ndarray]]:
        rng = np.random.default_rng(1)
        made = [[np.asarray(rng.normal(size=s), kind) for s in shapes] for _ in range(2)]
        states = range(STATES[name])
        made += [[np.asarray(rng.uniform(size=s), kind) for s in shapes] for _ in states]
        return made[: 2 + STATES[name]]

    ours, theirs = lists(), lists()
    assert KERNELS[name](*ours, *UPDATES[name][i]) is None
    TABLE[name].generic(np, *theirs, *UPDATES[name][i])
    for left, right in zip(ours, theirs):
        for a, b in zip(left, right):
            np.testing.assert_array_equal(a, b)


def test_gradients_add_up_in_place() -> None:
    for value in (normal(167, 201), normal(167, 201)[::-1].copy(), normal(201, 167).T):
        total = normal(167, 201)
        wanted = total + value
        assert KERNELS["accumulate"](total, value) is None
        np.testing.assert_array_equal(total, wanted)
    total = normal(201, 167).T
    assert KERNELS["accumulate"](total, normal(167, 201)) is NotImplemented


TRUTH: dict[str, tuple[Callable[[float], float], float, float, float]] = {
    # float64 function, range, bound in units in the last place
    "exp": (math.exp, -87, 88.7, 1.0),
    "log": (math.log, 1e-38, 3e38, 1.0),
    "expm1": (math.expm1, -30, 88.7, 2.0),
    "log1p": (math.log1p, -0.999, 1e30, 2.0),
    "tanh": (math.tanh, -10, 10, 1.5),
    "erf": (math.erf, -5, 5, 2.5),
    "sigmoid": (lambda v: 1 / (1 + math.exp(-v)), -87, 80, 2.5),
    "sqrt": (math.sqrt, 0, 1e30, 0.5),
}


@pytest.mark.parametrize("name", TRUTH)
def test_functions_are_accurate(name: str) -> None:
    function, low, high, bound = TRUTH[name]
    x = np.linspace(low, high, 20_000)
    near = np.geomspace(1e-30, 3, 5_000)  # and close to zero, of both signs
    x = np.concatenate([x, near, -near if low < 0 else near + 1]).astype("float32")
    x = x[(x >= low) & (x <= high)]
    (ours,) = served(name, x)
    true = np.array([function(v) for v in x.tolist()])
    ulps = np.abs(ours - true) / np.spacing(np.abs(true).astype("float32"))
    assert ulps.max() <= bound + 1e-3


@pytest.mark.parametrize("size", [1, 64, 65, 1023, 1024, 8192])
def test_exp_is_accurate_at_every_size(size: int) -> None:
    x = np.linspace(-20, 20, 2 * 8192).astype("float32")
    true = np.exp(x.astype("float64"))
    unit = np.spacing(true.astype("float32"))
    for part in (slice(start, start + size) for start in range(0, x.size, size)):
        (ours,) = served("exp", x[part])
        assert (np.abs(ours - true[part]) <= 1.001 * unit[part]).all()
    if size < 8192:  # strided memory, too
        (ours,) = served("exp", x[: 2 * size : 2].reshape(-1, 1).T)
        assert ours.shape == (1, size)
        assert (np.abs(ours[0] - true[: 2 * size : 2]) <= unit[: 2 * size : 2]).all()
    assert served("exp", x[0].reshape(()))[0].shape == ()


SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-40, 89, -89, 200, -200], "float32"
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # bind silences these for all kernels
@pytest.mark.parametrize("name", [*UNARY, "log", "sqrt"])
def test_special_values(name: str) -> None:
    x = np.resize(SPECIAL, 11 * 3200)
    (ours,) = served(name, x)
    theirs = TABLE[name].generic(np, x)
    tiny = 4e-38  # a denormal result may be flushed where it is 1 / infinity
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=tiny)
    if name in ("tanh", "erf", "sqrt", "neg"):
        np.testing.assert_array_equal(np.signbit(ours[:9]), np.signbit(theirs[:9]))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_nan_passes_through_reductions_and_rows() -> None:
    x = normal(100, 64)
    x[3, 5] = np.nan
    x[4, 6] = np.inf
    x[5] = -np.inf
    for name in ("amax", "amin", "sum", "mean", "argmax", "softmax", "log_softmax"):
        (ours,) = served(name, x, 1)
        np.testing.assert_allclose(ours, TABLE[name].generic(np, x, 1), rtol=1e-4, atol=1e-5)
    assert np.isnan(served("amax", x, None)[0])
    wide = np.tile(x, (1, 4))
    assert np.isnan(served("maximum", wide, wide[::-1].copy())[0]).sum() == 8
    pooled, _ = served("max_pool2d", x.reshape(1, 100, 64), (2, 2), (2, 2), (0, 0), (1, 1))
    assert np.isnan(pooled).sum() == 1


def test_sums_are_as_accurate_as_pairwise() -> None:
    x = np.full(1 << 22, 0.1, "float32")
    exact = float(np.float32(0.1)) * x.size
    assert abs(float(served("sum", x)[0]) / exact - 1) < 1e-7
    columns = served("sum", x.reshape(-1, 8), 0)[0]
    np.testing.assert_allclose(columns, exact / 8, rtol=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_winograd_is_as_accurate_as_pytorch(scale: float) -> None:
    torch = pytest.importorskip("torch", reason="compares distances from float64")
    x, w = normal(4, 64, 20, 20), normal(64, 64, 3, 3, scale=0.06)
    x[:, ::7] *= np.float32(scale)  # channels of another size
    rest = (1, 1), (1, 1), (1, 1), 1
    g = normal(4, 64, 20, 20)
    calls: list[tuple[str, Any]] = [
        ("convolution", lambda x, w, g: torch.nn.functional.conv2d(x, w, None, 1, 1)),
        ("conv_grad_input", lambda x, w, g: torch.nn.grad.conv2d_input(x.shape, w, g, 1, 1)),
        ("conv_grad_weight", lambda x, w, g: torch.nn.grad.conv2d_weight(x, w.shape, g, 1, 1)),
    ]
    given: list[tuple[Any, ...]] = [(x, w, None), (g, w, x.shape), (g, x, w.shape)]
    for (name, theirs), args in zip(calls, given, strict=True):
        arrays = [torch.from_numpy(a) for a in (x, w, g)]
        exact = theirs(*[a.double() for a in arrays]).numpy()
        bound = np.sqrt(np.mean((theirs(*arrays).numpy() - exact) ** 2))
        ours = np.sqrt(np.mean((served(name, *args, *rest)[0] - exact) ** 2))
        assert ours <= 2 * bound, (name, ours / bound)


def test_log_softmax_keeps_small_terms_of_large_logits() -> None:
    x = np.zeros((200, 10), "float32")
    x[:, 0] = 1e4
    x[:, 1] = 1e4 - 12
    expected = -math.log1p(math.exp(-12.0))
    np.testing.assert_allclose(served("log_softmax", x, -1)[0][:, 0], expected, rtol=2e-2)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_kernel_declines_what_it_does_not_cover() -> None:
    for name, cases in CASES.items():
        for args in cases:
            for change in (lambda a: a[..., :0], lambda a: a.astype("float16"), _strided):
                arrays = [type(a) is np.ndarray and a.ndim > 0 for a in args]
                changed = [change(a) if is_array else a for a, is_array in zip(args, arrays)]
                try:
                    theirs = TABLE[name].generic(np, *changed)
                except (ValueError, IndexError, RuntimeError, TypeError, ZeroDivisionError):
                    continue  # not a sample of this op
                ours = KERNELS[name](*changed)
                if ours is not NotImplemented:
                    for a, b in zip(as_tuple(ours), as_tuple(theirs)):
                        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-3)


def _strided(a: np.ndarray) -> np.ndarray:
    return np.repeat(a, 2, axis=-1)[..., ::2]


def test_a_label_out_of_range_is_named() -> None:
    x = normal(129, 37)
    assert KERNELS["cross_entropy_index"](x, np.full(129, 37)) is NotImplemented
    assert KERNELS["cross_entropy_index"](x, np.full(129, -1)) is NotImplemented


# --- threads --------------------------------------------------------------------------------


def results() -> list[bytes]:
    return [a.tobytes() for name, i in EVERY for a in served(name, *CASES[name][i])]


@pytest.mark.usefixtures("two_threads")
def test_bits_do_not_depend_on_threads() -> None:
    expected = results()
    for count in (1, 3, 2):
        _threads.set_num_threads(count)
        assert results() == expected
    found: list[list[bytes]] = []

    def run(serial: bool) -> None:
        if serial:
            _threads.run_serially()
        found.append(results())

    threads = [threading.Thread(target=run, args=(i % 2 == 0,)) for i in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == [expected] * 3


@pytest.mark.usefixtures("two_threads")
def test_workers_take_part_after_sleep_and_back_to_back() -> None:
    big = CASES["exp"][0]
    for pause in (0.0, 0.02, 0.0):
        threading.Event().wait(pause)
        assert served("exp", *big)[0].tobytes() == served("exp", *big)[0].tobytes()


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="threads are placed on Linux, where there is more than one processor",
)
@pytest.mark.usefixtures("two_threads")
def test_workers_wake_elsewhere_than_the_thread_that_launches() -> None:
    deadline = time.monotonic() + 10
    served("exp", *CASES["exp"][0])  # the threads start with the first region
    while (home := int(_threads._state[_threads.HOME // 8])) < 0 and time.monotonic() < deadline:
        time.sleep(0.02)
        served("exp", *CASES["exp"][0])
    assert home not in os.sched_getaffinity(_threads._workers[0].native_id)
    assert home in os.sched_getaffinity(0)


def test_the_number_of_threads_is_checked() -> None:
    for wrong in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="positive integer"):
            _threads.set_num_threads(wrong)  # type: ignore[arg-type]
