"""Random numbers as users ask for them: generators, torch's forms and torch's errors."""

import copy
import math
import pickle
import threading
from collections.abc import Callable
from typing import Any

import pytest

import pyrite
import pyrite.random as pyrite_random
from pyrite.backends._philox import block

ALL_ONES = (1 << 64) - 1


class TestGenerator:
    def test_each_call_advances_the_offset_by_one(self) -> None:
        g = pyrite.Generator().manual_seed(3)
        first = pyrite.rand(10, generator=g)
        assert repr(g) == "Generator(device='cpu', seed=3, offset=1)"
        assert pyrite.rand(10, generator=g).tolist() != first.tolist()
        assert pyrite.rand(10, generator=g.manual_seed(3)).tolist() == first.tolist()

    def test_manual_seed_and_initial_seed(self) -> None:
        assert pyrite.manual_seed(5) is pyrite.default_generator
        a = pyrite.randn(4).tolist()
        assert pyrite.initial_seed() == 5
        pyrite.manual_seed(5)
        assert pyrite.randn(4).tolist() == a
        assert pyrite.manual_seed(-1).initial_seed() == ALL_ONES
        assert pyrite.Generator().initial_seed() == 67280421310721
        assert pyrite.seed() == pyrite.initial_seed()

    @pytest.mark.parametrize("seed", [1 << 64, -(1 << 63) - 1])
    def test_seeds_out_of_range(self, seed: int) -> None:
        with pytest.raises(ValueError, match=r"\[-2\*\*63, 2\*\*64\)"):
            pyrite.manual_seed(seed)
        with pytest.raises(RuntimeError, match="expected a long, but got str"):
            pyrite.Generator().manual_seed("5")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        "copied",
        [
            copy.copy,
            copy.deepcopy,
            pyrite.Generator.clone_state,
            lambda g: pickle.loads(pickle.dumps(g)),
            lambda g: pyrite.Generator().set_state(g.get_state()),
        ],
    )
    def test_state_round_trips(self, copied: Callable[[Any], Any]) -> None:
        g = pyrite.Generator().manual_seed(-7)
        pyrite.rand(3, generator=g)
        other = copied(g)
        assert (other.initial_seed(), repr(other)) == (g.initial_seed(), repr(g))
        assert pyrite.rand(5, generator=other).tolist() == pyrite.rand(5, generator=g).tolist()

    def test_the_state_is_a_tagged_byte_tensor(self) -> None:
        g = pyrite.Generator().manual_seed(0x0102)
        state = g.get_state()
        assert state.dtype is pyrite.uint8
        assert state.tolist() == [*b"PYR1", 2, 1, *[0] * 14]
        with pytest.raises(TypeError, match="must be a uint8 Tensor"):
            g.set_state(state.to(pyrite.int64))
        with pytest.raises(TypeError, match="expected a uint8 Tensor, but got int"):
            g.set_state(3)  # type: ignore[arg-type]
        for wrong in (state[1:], state[:, None], pyrite.zeros(20, dtype=pyrite.uint8)):
            with pytest.raises(RuntimeError, match="expected 20 bytes that begin with b'PYR1'"):
                g.set_state(wrong)

    def test_rng_state_of_the_default(self) -> None:
        state = pyrite.get_rng_state()
        a = pyrite.rand(3).tolist()
        pyrite.set_rng_state(state)
        assert pyrite.rand(3).tolist() == a

    def test_fork_rng(self) -> None:
        pyrite.manual_seed(1)
        with pyrite_random.fork_rng():
            inside = pyrite.rand(3).tolist()
            pyrite.manual_seed(9)
        assert pyrite.rand(3).tolist() == inside
        with pyrite_random.fork_rng(enabled=False):
            pyrite.manual_seed(9)
        assert pyrite.initial_seed() == 9

    def test_a_scope_stands_in_for_the_default_in_its_thread_only(self) -> None:
        pyrite.manual_seed(1)
        seen: list[Any] = []
        with pyrite_random.generator_scope(pyrite.Generator().manual_seed(2)):
            inner = pyrite.rand(3).tolist()
            thread = threading.Thread(target=lambda: seen.append(pyrite.rand(3).tolist()))
            thread.start()
            thread.join()
            with pyrite_random.generator_scope(pyrite.Generator().manual_seed(1)):
                assert pyrite.rand(3).tolist() == seen[0]
            assert pyrite.initial_seed() == 2
        assert pyrite.initial_seed() == 1
        assert pyrite.rand(3, generator=pyrite.Generator().manual_seed(2)).tolist() == inner

    def test_threads_get_distinct_offsets(self) -> None:
        g = pyrite.Generator().manual_seed(0)
        seen: list[list[int]] = [[] for _ in range(4)]

        def work(out: list[int]) -> None:
            out += [g.advance()[1] for _ in range(2000)]

        threads = [threading.Thread(target=work, args=(out,)) for out in seen]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert sorted(offset for out in seen for offset in out) == list(range(8000))

    def test_derived_generators(self) -> None:
        derive = pyrite_random.derive
        keys = [(0,), (1,), (0, 0), (0, 1), (1, 0), (1 << 32,), (0, 0, 0), ()]
        seeds = {derive(0, *k).initial_seed() for k in keys} | {derive(1).initial_seed()}
        assert len(seeds) == len(keys) + 1
        assert derive(5, 3, -1).initial_seed() == derive(5, 3, ALL_ONES).initial_seed()
        first, *_ = block(5 ^ 0x9E3779B97F4A7C15, 7, 0, 0, 1)
        assert derive(5, 7).initial_seed() & 0xFFFFFFFF == first
        firsts = [pyrite.rand(1, generator=derive(5, 2, i)).item() for i in range(4000)]
        assert abs(sum(firsts) / 4000 - 0.5) < 4 / math.sqrt(12 * 4000)
        assert abs(sum(f > 0.75 for f in firsts) - 1000) < 4 * math.sqrt(750)

    def test_wrong_generator(self) -> None:
        with pytest.raises(TypeError, match="'generator' must be pyrite.Generator, not int"):
            pyrite.rand(3, generator=4)  # type: ignore[arg-type]


# Forms that both libraries take: `t` is the namespace.
FORMS = [
    lambda t: t.rand(()),
    lambda t: t.rand(0),
    lambda t: t.rand(2, 3),
    lambda t: t.rand([2, 3], dtype=t.float64),
    lambda t: t.rand(size=(2, 3), requires_grad=True),
    lambda t: t.rand(2, t.tensor(3), generator=t.Generator(), dtype=t.float16),
    lambda t: t.rand(2, dtype=t.bfloat16, device="cpu"),
    lambda t: t.rand(2, out=t.empty(0, dtype=t.float64)),
    lambda t: t.randn((2, 3), device=t.device("cpu"), pin_memory=False),
    lambda t: t.randn(*[2, 3], generator=None, dtype=t.bfloat16),
    lambda t: t.randn(3, out=t.empty(3), requires_grad=True),
    lambda t: t.randint(5, (2, 3)),
    lambda t: t.randint(5, size=(2,)),
    lambda t: t.randint(high=5, size=(2,)),
    lambda t: t.randint(low=-3, high=5, size=[2]),
    lambda t: t.randint(-(2**63), 2**63 - 1, (2,)),
    lambda t: t.randint(0, 2, (9,), dtype=t.bool),
    lambda t: t.randint(0, 255, (9,), dtype=t.uint8, generator=t.Generator()),
    lambda t: t.randint(0, 5, (2,), dtype=t.float32, requires_grad=True),
    lambda t: t.randint(0, 5, (2,), out=t.empty(2, dtype=t.int32)),
    lambda t: t.randperm(5),
    lambda t: t.randperm(0),
    lambda t: t.randperm(5, dtype=t.float32, generator=t.Generator()),
    lambda t: t.randperm(5, out=t.empty(0, dtype=t.int32)),
    lambda t: t.normal(0.0, 1.0, (2, 3)),
    lambda t: t.normal(0, 1, [2], dtype=t.float64),
    lambda t: t.normal(mean=0.0, std=1.0, size=(2,), generator=t.Generator()),
    lambda t: t.normal(t.zeros(3)),
    lambda t: t.normal(t.zeros(3), 2.0),
    lambda t: t.normal(0.0, t.ones(3)),
    lambda t: t.normal(t.zeros(3, 1), t.ones(2, dtype=t.float64)),
    lambda t: t.normal(t.zeros(3, dtype=t.float64), t.ones(3)),
    lambda t: t.normal(t.zeros(3, dtype=t.float16), t.ones(3, dtype=t.int64)),
    lambda t: t.bernoulli(t.full((3,), 0.5)),
    lambda t: t.bernoulli(t.zeros(3, dtype=t.int64), 0.5),
    lambda t: t.bernoulli(t.full((3,), 0.5), out=t.empty(3, dtype=t.float64)),
    lambda t: t.zeros(3).bernoulli(p=0.5),
    lambda t: t.bernoulli(t.full((3,), 0.5, requires_grad=True)),
    lambda t: t.multinomial(t.ones(3), 2),
    lambda t: t.multinomial(t.ones(2, 3, dtype=t.float64), 5, replacement=True),
    lambda t: t.multinomial(t.ones(0, 3), 1, generator=t.Generator()),
    lambda t: t.ones(4).multinomial(4),
    lambda t: t.multinomial(t.ones(3), 2, out=t.empty(0, dtype=t.int64)),
    lambda t: t.rand_like(t.zeros(2, 3, dtype=t.float64)),
    lambda t: t.rand_like(t.zeros(3, dtype=t.int64), dtype=t.float32),
    lambda t: t.randn_like(t.zeros(2, 3), requires_grad=True),
    lambda t: t.randint_like(t.zeros(3), 5),
    lambda t: t.randint_like(t.zeros(3, dtype=t.int32), 2, 5),
    lambda t: t.zeros(3).uniform_(),
    lambda t: t.zeros(3).uniform_(2, to=3, generator=t.Generator()),
    lambda t: t.zeros(3).normal_(mean=1, std=0),
    lambda t: t.zeros(3, dtype=t.float16).normal_(),
    lambda t: t.zeros(3).exponential_(lambd=2),
    lambda t: t.zeros(3).cauchy_(0, 2),
    lambda t: t.zeros(3).log_normal_(0, 1),
    lambda t: t.zeros(3, dtype=t.int64).geometric_(0.5),
    lambda t: t.zeros(3).random_(),
    lambda t: t.zeros(3, dtype=t.bool).random_(),
    lambda t: t.zeros(3, dtype=t.uint8).random_(7),
    lambda t: t.zeros(3, dtype=t.int64).random_(-5, 7),
    lambda t: t.zeros(3, dtype=t.int64).random_(-(2**63), None),
    lambda t: t.zeros(3, dtype=t.int64).bernoulli_(0.5),
    lambda t: t.zeros(3, 2).bernoulli_(t.full((2,), 0.5)),
    lambda t: t.zeros(3).bernoulli_(),
    lambda t: (t.zeros(3, requires_grad=True) * 1).normal_(),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_forms_agree_with_torch(number: int) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    ours, theirs = FORMS[number](pyrite), FORMS[number](torch)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    assert ours.requires_grad is theirs.requires_grad


# Calls that both refuse. Where torch has NotImplementedError, its base RuntimeError is expected.
ERRORS = [
    (lambda t: t.rand(), "missing 1 required"),
    (lambda t: t.rand("a"), "ints"),
    (lambda t: t.rand(2.5), "ints"),
    (lambda t: t.rand(size=2), "must be tuple of ints, not int"),
    (lambda t: t.rand((2,), 3), "ints"),
    (lambda t: t.rand(2, -1), r"negative dimension -1: \[2, -1\]"),
    (lambda t: t.rand(2, dtype=t.int64), "use randint or random_ for integers"),
    (lambda t: t.rand(2, dtype="float32"), "expected a pyrite.dtype"),
    (lambda t: t.rand(2, device="foo"), "at start of device string: foo"),
    (lambda t: t.rand(2, foo=3), "foo"),
    (lambda t: t.randn(2, dtype=t.bool), "draws floating-point numbers"),
    (lambda t: t.randn(2, out=t.empty(2, dtype=t.float64), dtype=t.float32), "does not match"),
    (lambda t: t.randint(3), "must be tuple of ints, not NoneType"),
    (lambda t: t.randint(3, 4), "must be tuple of ints, not int"),
    (lambda t: t.randint(2.5, (2,)), "'high' must be int, not float"),
    (lambda t: t.randint(5, 5, (2,)), "got from=5 >= to=5"),
    (lambda t: t.randint(0, 300, (2,), dtype=t.uint8), "to - 1 is out of bounds"),
    (lambda t: t.randint(-1, 3, (2,), dtype=t.uint8), "from is out of bounds"),
    (lambda t: t.randint(0, 5, (2,), requires_grad=True), "can require gradients"),
    (lambda t: t.randperm(-1), "negative dimension -1"),
    (lambda t: t.randperm(5.0), "'n' must be int, not float"),
    (lambda t: t.randperm(300, dtype=t.uint8), "cannot be greater than 256"),
    (lambda t: t.normal(0.0, 1.0), "normal\\(\\) takes"),
    (lambda t: t.normal(t.zeros(3), 1.0, (2,)), "normal\\(\\) takes"),
    (lambda t: t.normal(0.0, -1.0, (2,)), "std >= 0.0, but found std -1"),
    (lambda t: t.normal(0.0, t.full((3,), -1.0)), "all elements of std >= 0.0"),
    (lambda t: t.normal(t.zeros(3), t.ones(2)), r"size of tensor a \(3\)"),
    (lambda t: t.normal(t.zeros(3, dtype=t.int64), 1.0), "draws floating-point numbers"),
    (lambda t: t.bernoulli(t.full((3,), 2.0)), "give p in"),
    (lambda t: t.bernoulli(t.full((3,), math.nan)), "give p in"),
    (lambda t: t.bernoulli(t.zeros(3), 1.5), "got p=1.5"),
    (lambda t: t.bernoulli(0.5), "must be Tensor, not float"),
    (lambda t: t.multinomial(t.zeros(3), 1), "sum of probabilities <= 0"),
    (lambda t: t.multinomial(t.ones(3), 4), "without replacement: 4 of 3"),
    (lambda t: t.multinomial(t.ones(3), 0), "n_sample <= 0"),
    (lambda t: t.multinomial(t.ones(3), 2.5), "must be int, not float"),
    (lambda t: t.multinomial(t.ones(2, 2, 2), 1), "1 or 2 dim"),
    (lambda t: t.multinomial(t.ones(3, dtype=t.int64), 1), "floating-point dtypes"),
    (lambda t: t.multinomial(t.tensor([1.0, -1.0]), 1), "element < 0"),
    (lambda t: t.multinomial(t.tensor([1.0, math.nan]), 1), "element < 0"),
    (lambda t: t.multinomial(t.ones(3), 1, out=t.empty(1)), "an int64 tensor out"),
    (lambda t: t.multinomial([1.0], 1), "must be Tensor, not list"),
    (lambda t: t.randn_like(3), "must be Tensor, not int"),
    (lambda t: t.zeros(3).random_(5, 2), "got from=5 >= to=2"),
    (lambda t: t.zeros(3).random_(2.5), "'to' must be int, not float"),
    (lambda t: t.zeros(3, dtype=t.int8).random_(-200, 3), "from is out of bounds"),
    (lambda t: t.zeros(3).uniform_(2, 1), "found from=2.0 and to=1.0"),
    (lambda t: t.zeros(3).uniform_(0, math.inf), "to is out of bounds"),
    (lambda t: t.zeros(3).uniform_(-3e38, 3e38), "range with to - from in"),
    (lambda t: t.zeros(3, dtype=t.int64).normal_(), "draws floating-point numbers"),
    (lambda t: t.zeros(3).normal_(0, -1), "std >= 0.0"),
    (lambda t: t.zeros(3).normal_(t.zeros(3), 1), "must be float, not Tensor"),
    (lambda t: t.zeros(3).normal_(generator=4), "must be pyrite.Generator, not int"),
    (lambda t: t.zeros(3).bernoulli_(2), "got p=2"),
    (lambda t: t.zeros(3).bernoulli_(t.zeros(2)), "expanded size"),
    (lambda t: t.zeros(3).exponential_(0), "lambda > 0.0"),
    (lambda t: t.zeros(3).cauchy_(0, 0), "sigma > 0.0"),
    (lambda t: t.zeros(3).log_normal_(1, 0), "std > 0.0"),
    (lambda t: t.zeros(3).geometric_(1), r"p to be in \(0, 1\)"),
    (lambda t: t.zeros(3, requires_grad=True).normal_(), "a leaf Variable that requires grad"),
    (lambda t: t.zeros(1).expand(3).uniform_(), "single memory location"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors_are_of_torch_s_class(number: int) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    call, text = ERRORS[number]
    with pytest.raises(Exception) as theirs:
        call(torch)
    kind = RuntimeError if theirs.type is NotImplementedError else theirs.type
    with pytest.raises(kind, match=text) as ours:
        call(pyrite)
    assert ours.type is kind


def test_in_place_draws_end_the_history() -> None:
    x = pyrite.ones(3, requires_grad=True)
    y = x * 2
    y.normal_()
    y.sum().backward()
    assert x.grad is None or not x.grad.any()


def test_gradient_of_bernoulli_is_zero() -> None:
    p = pyrite.full((3,), 0.5, requires_grad=True)
    pyrite.bernoulli(p).sum().backward()
    assert p.grad.tolist() == [0.0, 0.0, 0.0]
