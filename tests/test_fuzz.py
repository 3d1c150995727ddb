"""Random programs line by line as in PyTorch, and the programs that once differed."""

import sys
from pathlib import Path

import pytest
from fuzz_regressions import REGRESSIONS

torch = pytest.importorskip("torch", reason="the oracle of random programs is PyTorch")
sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
fuzz = pytest.importorskip("fuzz", reason="tools/ is not in this installation")

SEEDS = range(1000, 1300)


@pytest.fixture(autouse=True)
def one_thread():
    """PyTorch's sums are cut by threads, and waiting for them takes longer than the sums."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("first", SEEDS[::20])
def test_random_programs(first: int) -> None:
    for seed in range(first, first + 20):
        failed = fuzz.work((seed, False))[-1]
        if failed:
            kind, text, program = failed
            pytest.fail(f"seed {seed}: {kind}: {text}\n" + "\n".join(program))


@pytest.mark.parametrize("name", REGRESSIONS)
def test_program_that_once_differed(name: str) -> None:
    lines, found = fuzz.examine(REGRESSIONS[name].strip().split("\n"))
    assert found is None, f"{name}, line {lines}: {found}"


def test_programs_follow_their_seed() -> None:
    program = fuzz.fuzz_programs.program
    assert program(7) == program(7) != program(8)


def test_a_difference_is_found_and_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    """An op that is wrong in Pyrite alone ends as the lines that show it."""
    import pyrite

    monkeypatch.setattr(pyrite, "sin", pyrite.cos)
    program = ["x0 = T.tensor([1.0])", "x1 = x0 * 2", "x2 = T.sin(x0)", "x3 = x2 + x1"]
    lines, found = fuzz.examine(program)
    assert (lines, found.kind) == (3, "values")
    assert fuzz.shrink(program, "values") == ["x0 = T.tensor([1.0])", "x2 = T.sin(x0)"]
