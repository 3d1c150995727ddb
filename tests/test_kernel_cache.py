"""Where compiled kernels come from: object files, Numba's dispatcher, threads and processes."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by numba")

from pyrite.backends.numpy.kernels import _cache, _jit, _objects
from pyrite.backends.numpy.kernels._jit import Place, Scalar, Vector, loop

ROOT = Path(__file__).parents[1]
X = (np.arange(64, dtype="float32") % 7).reshape(4, 16)

built_in = pytest.mark.skipif(not _objects.usable(), reason="this interpreter's structs differ")


# --- a loop as a built-in function ------------------------------------------------------------


@loop()
def add_arrays(x: Vector, y: Vector, alpha: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] + alpha * y[i]


@loop()
def add_row(x: Vector, row: Vector, out: Vector, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        for j in range(row.size):
            out[r * row.size + j] = x[r * row.size + j] + row[j]


@pytest.fixture(params=["built-in", "dispatcher"])
def add(request: pytest.FixtureRequest) -> Any:
    """`out = x + alpha * y` on float32, by each of the two ways."""
    loop = add_arrays
    if request.param == "dispatcher":
        return _jit._dispatcher(loop)
    if not _objects.usable():
        pytest.skip("this interpreter's structs differ")
    loop.load()
    return loop


def test_arrays_are_taken_flat(add: Any) -> None:
    for shape in ((64,), (4, 16), (2, 2, 2, 8), (1, 64, 1)):
        out = np.zeros(shape, "float32")
        add(64, 64, X.reshape(shape), X.reshape(-1), 2, out)
        np.testing.assert_array_equal(out.reshape(4, 16), X + 2 * X)
    single = np.zeros((), "float32")
    add(1, 1, np.asarray(single + 2), X[3:, 0].copy(), np.float64(0.5), single)
    assert single == 2 + X[3, 0] / 2
    add(0, 8, X[:0], X[:0], 1.0, X[:0].copy())


WRONG: dict[str, tuple[Any, ...]] = {
    "too few": (X, X, 1.0),
    "too many": (X, X, 1.0, X, X),
    "float64": (X.astype("float64"), X, 1.0, X),
    "integers of the same width": (X.view("int32"), X, 1.0, X),
    "other byte order": (X, X.astype(">f4"), 1.0, X),
    "strided": (X[:, ::2], X, 1.0, X),
    "Fortran order": (X.T, X, 1.0, X),
    "unaligned": (np.zeros(257, "i1")[1:].view("float32"), X, 1.0, X),
    "no array": (X.tolist(), X, 1.0, X),
    "none": (None, X, 1.0, X),
    "a buffer": (memoryview(X), X, 1.0, X),
    "a number": (X, 1.0, 1.0, X),
    "a text": (X, X, "1", X),
    "an array for a number": (X, X, X, X),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_a_type_error(add: Any, case: str) -> None:
    with pytest.raises(TypeError):
        add(64, 64, *WRONG[case])


@built_in
def test_the_error_names_the_argument() -> None:
    loop = add_arrays
    with pytest.raises(TypeError, match="add_arrays expects a C-contiguous float32 array .* y"):
        loop(64, 64, X, X.astype("float64"), 1.0, X)
    for size in (1.5, "64", None):
        with pytest.raises(TypeError):
            loop(size, 64, X, X, 1.0, X)
    with pytest.raises(OverflowError):
        loop(1 << 70, 64, X, X, 1.0, X)
    add_row(4, 4, X, X[0], out := np.zeros_like(X))
    np.testing.assert_array_equal(out, X + X[0])


@built_in
def test_subclasses_and_equal_types_are_arrays(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", "float32", "w+", shape=(4, 16))
    add_arrays(64, 64, X, X, 1.0, mapped)
    np.testing.assert_array_equal(mapped, X + X)
    word = _objects.kind_word(np.dtype("int64"))
    other = np.dtype("q" if np.dtype("int64").char == "l" else "l")
    if other == np.dtype("int64"):
        from numba import types

        from pyrite.backends.numpy.kernels import _entry

        assert {word, _objects.kind_word(other)} == set(_entry._words(types.int64[::1]))


@built_in
def test_references_are_kept_in_balance() -> None:
    out, loop = np.zeros_like(X), add_arrays
    before = [sys.getrefcount(thing) for thing in (X, out, loop, loop.entry)]
    for _ in range(1000):
        assert loop(64, 64, X, X, 1.0, out) is None
        with pytest.raises(TypeError):
            loop(64, 64, X, None, 1.0, out)
    assert [sys.getrefcount(thing) for thing in (X, out, loop, loop.entry)] == before


def test_the_interpreter_lock_is_free_during_long_work(add: Any) -> None:
    x = np.zeros(1 << 24, "float32")
    done, started = threading.Event(), threading.Event()
    times: list[float] = []

    def note() -> None:
        while not done.is_set():
            times.append(time.perf_counter())
            started.set()

    thread = threading.Thread(target=note)
    thread.start()
    started.wait()
    begin = time.perf_counter()
    add(x.size, 1 << 16, x, x, 1.0, x)
    end = time.perf_counter()
    done.set()
    thread.join()
    margin = (end - begin) / 4
    assert any(begin + margin < t < end - margin for t in times)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX only")
def test_an_interrupt_arrives_when_the_kernel_is_done(add: Any) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: Any) -> None:
        raise Interrupted

    def repeat() -> None:
        for _ in range(100_000):
            add(x.size, 1 << 16, x, x, 1.0, x)

    x = np.zeros(1 << 20, "float32")
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    try:
        with pytest.raises(Interrupted):
            repeat()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    add(x.size, 1 << 16, x, x, 1.0, x)  # the pool is as before


# --- object files -----------------------------------------------------------------------------


def object_code(text: str) -> bytes:
    from llvmlite import binding

    _objects._engine()
    target = binding.Target.from_default_triple().create_target_machine(jit=True)
    code: bytes = target.emit_object(binding.parse_assembly(text))
    return code


FOREIGN = """
declare i32 @SYMBOL(ptr)
define i32 @f(ptr %x) {
    %y = call i32 @SYMBOL(ptr %x)
    ret i32 %y
}"""


@built_in
def test_code_that_needs_foreign_symbols_is_refused() -> None:
    from llvmlite import binding

    from pyrite.backends.numpy.kernels import _entry

    _entry.refuse_foreign(binding.parse_assembly(FOREIGN.replace("SYMBOL", "memcpy")))
    for text in (
        FOREIGN.replace("SYMBOL", "system"),
        "@environ = external global ptr",
        "@numba.dynamic.globals.1 = global ptr null",
    ):
        with pytest.raises(ValueError, match="may not refer to"):
            _entry.refuse_foreign(binding.parse_assembly(text))


@built_in
def test_damaged_code_is_refused() -> None:
    for name, code in {"empty": object_code("define void @f() { ret void }"), "no": b"no"}.items():
        with pytest.raises(RuntimeError):
            _objects.link(name, code)


def test_files_are_whole_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.o"
    assert _objects.read(path) is None
    _objects.write(path, b"code")
    assert _objects.read(path) == b"code"
    path.write_bytes(path.read_bytes()[:-1])
    assert _objects.read(path) is None
    monkeypatch.setattr(os, "replace", raise_os_error)
    with pytest.raises(OSError, match="full"):
        _objects.write(path, b"code")
    assert list(tmp_path.iterdir()) == [path]


def raise_os_error(*_: Any) -> None:
    raise OSError("full")


def test_a_layout_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _objects._layout_fits()
    for name in ("NDIM", "DTYPE", "FLAGS", "KIND"):
        with monkeypatch.context() as patch:
            patch.setattr(_objects, name, getattr(_objects, name) + 4)
            assert not _objects._layout_fits()


def test_folders_unused_for_long_are_removed(tmp_path: Path) -> None:
    names = ("0" * 16, "1" * 16, "2" * 16, "other")
    for name in names:
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / "a.o").touch()
        if name[0] != "1":
            os.utime(tmp_path / name, (0, 0))
    (tmp_path / ("3" * 16)).symlink_to(tmp_path / "other")
    _cache.prune(tmp_path / names[2])
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["1" * 16, "2" * 16, "3" * 16, "other"]


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="POSIX only")
def test_a_folder_of_someone_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    _cache.refuse_foreign(tmp_path)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="must belong to you"):
        _cache.refuse_foreign(tmp_path)


# --- processes ------------------------------------------------------------------------------

WORK = """
import os, sys, warnings
import numpy as np
from pyrite.backends.numpy.kernels import KERNELS, _jit
x = (np.arange(100_003) % 97 / np.float32(7)).astype("float32")
def work():
    if "sum" not in KERNELS:
        return b"none"
    return KERNELS["exp"](x).tobytes() + KERNELS["sum"](x).tobytes()
def digest():
    import hashlib
    return hashlib.sha256(work()).hexdigest()[:8]
"""


def start(code: str, **variables: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PYRITE_BACKGROUND_COMPILE": "0",
        "PYRITE_NUM_THREADS": "2", **variables,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", WORK + code], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def python(code: str, **variables: str) -> tuple[str, str]:
    """What a process prints to its output and to its error stream."""
    process = start(code, **variables)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return out.strip(), errors


def output(code: str, **variables: str) -> str:
    return python(code, **variables)[0]


@pytest.fixture(scope="module")
def expected() -> str:
    return output("print(digest())")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_a_forked_child_gives_the_same_bits_alone() -> None:
    said = output("""
warnings.simplefilter("ignore", DeprecationWarning)  # fork with threads: that is the test
expected = work()
from pyrite.backends.numpy import _threads
child = os.fork()
if not child:
    _threads.set_num_threads(2)
    more = KERNELS["tanh"](x)  # a kernel that the parent has not loaded
    os._exit(0 if work() == expected and abs(more).max() <= 1 and _threads.pool() == 0 else 1)
print(os.waitpid(child, 0)[1], work() == expected, _threads.pool() != 0)
""")
    assert said == "0 True True"


def test_without_numba_there_are_no_kernels() -> None:
    assert output("print('numba' in sys.modules)") == "False"
    blocked = output(
        "\nimport pyrite\nprint(work(), pyrite.tensor([1.0, 2.0]).exp().sum().item() > 10)",
        PYTHONPATH=os.pathsep.join([str(ROOT / "tests" / "without_numba"), str(ROOT)]),
    )
    assert blocked == "b'none' True"


def test_where_numba_fails_the_generic_kernels_serve(tmp_path: Path) -> None:
    said, errors = python("""
from pyrite.backends.numpy.kernels import _native
_native.numba_types = None
import pyrite
t = pyrite.arange(50_000.0)
print((t / 1e4).exp().sum().item() > 0)
try:
    work()
except _jit.Unavailable:
    print("unavailable")
""", PYRITE_CACHE_DIR=str(tmp_path))  # fmt: skip
    assert said == "True\nunavailable"
    assert errors.count("Compiled kernels are off") == 1


@built_in
@pytest.mark.parametrize(
    "failure", ["_objects.link = None", "_objects._layout_fits = lambda: False", "_entry.I64 = 1"]
)
def test_where_object_code_fails_the_dispatcher_serves(
    failure: str, expected: str, tmp_path: Path
) -> None:
    said = output(f"""
from pyrite.backends.numpy.kernels import _objects
if "_entry" in {failure!r}:
    from pyrite.backends.numpy.kernels import _entry
{failure}
print(digest(), sum(hasattr(l.entry, "__code__") for l in _jit.LOOPS))
""", PYRITE_CACHE_DIR=str(tmp_path))  # fmt: skip
    assert said == f"{expected} 2"


def test_importing_and_small_ops_leave_numba_alone() -> None:
    said = output("""
import pyrite
y = (pyrite.ones(10, 10, requires_grad=True) * 2).exp().sum()
y.backward()
print("numba" in sys.modules)
""")
    assert said == "False"


@built_in
def test_a_warm_process_needs_no_numba(expected: str, tmp_path: Path) -> None:
    code = "print(digest(), 'numba' in sys.modules)"
    cold, said = python(code, PYRITE_CACHE_DIR=str(tmp_path / "cache"))
    assert (cold, said.count("pyrite: compiling")) == (f"{expected} True", 1)
    assert python(code, PYRITE_CACHE_DIR=str(tmp_path / "cache")) == (f"{expected} False", "")
    alone = output(code, PYRITE_CACHE_DIR=str(tmp_path / "cache"), PYRITE_NUM_THREADS="1")
    assert alone == f"{expected} False"
    (folder,) = (tmp_path / "cache").iterdir()
    names = sorted(re.sub(r"\..*\.", ".", path.name) for path in folder.iterdir())
    assert names == ["launch.o", "pointwise.o", "reduce.o", "worker.o"]
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    next(folder.glob("pointwise*")).write_bytes(b"damaged")
    assert output(code, PYRITE_CACHE_DIR=str(tmp_path / "cache")) == f"{expected} True"


def test_the_dispatchers_cache_serves_the_second_process(expected: str, tmp_path: Path) -> None:
    code = """
import numba
_jit._decorate = (lambda old: lambda *a, **o: made.append(old(*a, **o)) or made[-1])(_jit._decorate)
made = []
print(digest(), sum(len(m.stats.cache_hits) for m in made if hasattr(m, "stats")),
      numba.config.CACHE_DIR == "")
"""
    for hits in (0, 2):
        said = output(code, PYRITE_CACHE_DIR=str(tmp_path), PYRITE_OBJECT_LOADER="0")
        assert said == f"{expected} {hits} True"


def test_processes_that_fill_at_once_agree(expected: str, tmp_path: Path) -> None:
    given = {"PYRITE_CACHE_DIR": str(tmp_path / "cache")}
    processes = [start("print(digest())", **given) for _ in range(2)]
    assert [p.communicate(timeout=120)[0].strip() for p in processes] == [expected] * 2
    assert output("print(digest(), 'numba' in sys.modules)", **given) == f"{expected} False"
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_a_cache_that_others_can_write_to_is_refused(expected: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    said, errors = python("print(digest())", PYRITE_CACHE_DIR=str(tmp_path))
    assert said == expected
    assert "writable by you alone" in errors
    assert not list(tmp_path.rglob("*.o"))


def test_without_a_folder_kernels_are_not_kept(expected: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said, errors = python("print(digest())", PYRITE_CACHE_DIR=str(tmp_path / "file" / "cache"))
    assert said == expected
    assert errors.count("Compiled kernels will not be kept") == 1
    code = """
from pyrite.backends.numpy.kernels import _objects
def write(path, code):
    raise OSError("read-only file system")
_objects.write = write
print(digest())
"""
    assert output(code, PYRITE_CACHE_DIR=str(tmp_path)) == expected


@pytest.mark.full
def test_a_background_process_fills_the_cache(expected: str, tmp_path: Path) -> None:
    given = {"PYRITE_CACHE_DIR": str(tmp_path), "PYRITE_BACKGROUND_COMPILE": "1"}
    said, errors = python("print(digest())", **given)
    assert said == expected
    assert re.search(r"compiling \d+ kernels once, about \d+ s", errors)
    (folder,) = tmp_path.iterdir()
    for _ in range(1200):
        if (folder / "complete").exists():
            break
        time.sleep(0.1)
    count = len(_jit.all_loops())
    assert output("print(_jit.warmup()[0])", **given) == str(count)
    assert len(list(folder.glob("*.o"))) == count + 2
    assert not list(folder.glob("*.turn"))


@pytest.fixture(autouse=True)
def restored_threads() -> Iterator[None]:
    from pyrite.backends.numpy import _threads

    before = _threads.get_num_threads()
    yield
    _threads.set_num_threads(before)
