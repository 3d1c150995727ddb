"""The random stream: known answers, exactness on every backend, distributions."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite._ops import random as ops
from pyrite._tensor import F
from pyrite.backends import _philox
from pyrite.backends._philox import block, philox_words
from pyrite.backends.numpy.philox import philox

ALL_ONES = (1 << 64) - 1
FLOATS = [pyrite.float16, pyrite.bfloat16, pyrite.float32, pyrite.float64]

# Random123 1.14, tests/kat_vectors: counter and key of philox4x32-10, and the words.
KNOWN = [
    ((0, 0, 0, 0), 0, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, ALL_ONES, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        0x299F31D0A4093822,
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def host(tensor: Any) -> np.ndarray:
    """The values as float64 or int64."""
    array = np.asarray(tensor.array)
    return array.astype(np.int64 if array.dtype.kind in "biu" else np.float64)


def draw(
    op: Any, shape: tuple[int, ...], dtype: Any, seed: int, offset: int = 0, *args: Any
) -> Any:
    """The array that a random op's generic kernel makes."""
    with np.errstate(all="ignore"):
        return op.generic(np, shape, dtype, seed, offset, *args)


class TestPhilox:
    @pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
    def test_known_answers(self, counter: tuple[int, ...], key: int, words: str) -> None:
        expected = [int(w, 16) for w in words.split()]
        assert list(block(key, *counter)) == expected
        start = 4 * (counter[0] | counter[1] << 32)
        offset = counter[2] | counter[3] << 32
        for n in (4, 64):  # Python integers, and arrays
            assert philox_words(np, key, offset, n, start)[:4].tolist() == expected

    def test_counter_layout(self) -> None:
        """Block i of call `offset` has the counter (i low, i high, offset low, offset high)."""
        words = philox(7, 5 | 6 << 32, 400)
        assert words.dtype == np.uint32
        assert words[392:396].tolist() == list(block(7, 98, 0, 5, 6))
        far = philox_words(np, 7, 5, 100, start=4 * (3 | 9 << 32))
        assert far[:4].tolist() == list(block(7, 3, 9, 5, 0))

    @pytest.mark.parametrize("start", [0, 1, 5, 65530, 65536, 131071])
    @pytest.mark.parametrize("n", [0, 1, 3, 16, 17, 70000])
    def test_any_stretch_is_the_same(self, start: int, n: int) -> None:
        whole = philox_words(np, 3, 4, 250_000)
        np.testing.assert_array_equal(philox_words(np, 3, 4, n, start), whole[start : start + n])

    def test_the_carry_into_the_high_word(self) -> None:
        start = 4 * ((1 << 32) - 10)
        words = philox_words(np, 1, 2, 80, start)
        for i in range(0, 80, 4):
            index = start // 4 + i // 4
            assert words[i : i + 4].tolist() == list(
                block(1, index & 0xFFFFFFFF, index >> 32, 2, 0)
            )

    def test_results_do_not_depend_on_the_piece(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def everything() -> list[np.ndarray]:
            x = np.ones(5000, np.float32)
            p = np.full(5000, 0.3)
            return [
                *[
                    draw(op, (5000,), dtype, 1)
                    for op in (ops.uniform, ops.normal, ops.exponential, ops.cauchy)
                    for dtype in (pyrite.float32, pyrite.float64)
                ],
                draw(ops.integers, (5000,), pyrite.int64, 1, 0, -5, 9),
                draw(ops.integers, (5000,), pyrite.int64, 1, 0, -5, 1 << 60),
                draw(ops.geometric, (5000,), pyrite.int64, 1, 0, 0.2),
                ops.bernoulli.generic(np, p, (5000,), pyrite.bool, 1, 0),
                ops.dropout.generic(np, x, 0.4, True, 1, 0),
            ]

        before = everything()
        monkeypatch.setattr(_philox, "_CPU_PIECE", 256)
        for a, b in zip(before, everything(), strict=True):
            np.testing.assert_array_equal(a, b)


def single(x: float) -> float:
    return float(np.float32(x))


def fused(a: float, x: float, c: float) -> float:
    """a * x + c as a fused multiply-add in float64, then rounded to float32."""
    return single(float(Fraction(a) * Fraction(x) + Fraction(c)))


def fused_horner(coefficients: tuple[float, ...], z: float) -> float:
    out = coefficients[-1]
    for c in coefficients[-2::-1]:
        out = fused(out, z, c)
    return out


def fused_normal(radius_word: int, angle_word: int) -> tuple[float, float]:
    """A pair of float32 normals as hardware with fused multiply-adds computes it."""
    m, exponent = math.frexp(2 * radius_word + 1)
    if m < math.sqrt(0.5):
        m, exponent = 2 * m, exponent - 1
    s = single((m - 1) / (m + 1))
    p = fused_horner(ops.LOG[False], single(s * s))
    power = Fraction(exponent - 33) * Fraction(ops.LN2)
    log = float(power + Fraction(float(Fraction(s) * Fraction(p))))
    radius = single(math.sqrt(single(-2 * log)))
    low = (angle_word + (1 << 29)) % (1 << 30) - (1 << 29)
    y = single(low + 0.5) * 2.0**-30
    sine = single(y * fused_horner(ops.SINE[False], single(y * y)))
    cosine = single(math.sqrt(single(float(1 - Fraction(sine) ** 2))))
    quarter = (angle_word + (1 << 29)) >> 30 & 3
    c, s = [(cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine)][quarter]
    return single(radius * c), single(radius * s)


class TestExactness:
    def test_normals_equal_those_of_fused_arithmetic(self) -> None:
        words = philox(11, 3, 2000).tolist()
        z = draw(ops.normal, (2000,), pyrite.float32, 11, 3)
        expected = [v for i in range(0, 2000, 2) for v in fused_normal(words[i], words[i + 1])]
        np.testing.assert_array_equal(z, np.array(expected, np.float32))

    def test_normals_are_accurate(self) -> None:
        words = philox(11, 3, 1 << 16).astype(np.float64)
        radius = np.sqrt(-2 * np.log((2 * words[0::2] + 1) * 2.0**-33))
        angle = 2 * np.pi * (words[1::2] + 0.5) * 2.0**-32
        expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
        z = draw(ops.normal, (1 << 16,), pyrite.float32, 11, 3)
        np.testing.assert_allclose(z, expected, rtol=3e-7)

    def test_float64_normals_and_exponentials_are_accurate(self) -> None:
        pairs = philox(11, 3, 1 << 16).reshape(-1, 2).astype(object)
        draws = [int(low) | int(high) << 32 for low, high in pairs]
        u = np.array([(2 * (d >> 12) + 1) * 2.0**-53 for d in draws])
        e = draw(ops.exponential, (len(u),), pyrite.float64, 11, 3)
        np.testing.assert_allclose(e, -np.log(u), rtol=4e-16, atol=1e-16)
        angle = np.array([(d + 0.5) * 2.0**-64 for d in draws[1::2]])
        expected = np.sqrt(-2 * np.log(u[0::2])) * np.cos(2 * np.pi * angle)
        z = draw(ops.normal, (len(u),), pyrite.float64, 11, 3)
        np.testing.assert_allclose(z[0::2], expected, rtol=0, atol=4e-15)

    def test_exponentials_are_accurate_and_positive(self) -> None:
        words = philox(5, 0, 1 << 16).astype(np.float64)
        e = draw(ops.exponential, (1 << 16,), pyrite.float32, 5)
        np.testing.assert_allclose(e, -np.log((2 * words + 1) * 2.0**-33), rtol=3e-7)
        ends = ops._exponential(np, np.array([0, 0xFFFFFFFF], np.uint32), False)
        np.testing.assert_allclose(ends, [33 * math.log(2), 2.0**-33], rtol=1e-7)

    @pytest.mark.parametrize("wide", [False, True])
    def test_the_circle_at_its_corners(self, wide: bool) -> None:
        bits, kind = (64, np.uint64) if wide else (32, np.uint32)
        corners = [q << (bits - 3) for q in range(8)]
        k = [(c + d) % (1 << bits) for c in corners for d in (-1, 0, 1)]
        cosine, sine = ops._circle(np, np.array(k, kind), wide)
        angle = 2 * np.pi * np.array([(v + 0.5) / 2**bits for v in k])
        np.testing.assert_allclose(cosine, np.cos(angle), rtol=0, atol=1e-15 if wide else 1e-7)
        np.testing.assert_allclose(sine, np.sin(angle), rtol=0, atol=1e-15 if wide else 1e-7)
        assert np.all(cosine != 0)
        assert np.all(sine != 0)

    def test_uniforms_are_the_high_bits(self) -> None:
        words = philox(1, 0, 200)
        low, high = words[0::2].astype(object), words[1::2].astype(object)
        for dtype, digits in ((pyrite.float32, 24), (pyrite.float16, 11), (pyrite.bfloat16, 8)):
            u = draw(ops.uniform, (200,), dtype, 1).astype(np.float64)
            np.testing.assert_array_equal(u, (words >> (32 - digits)) * 2.0**-digits)
        u = draw(ops.uniform, (100,), pyrite.float64, 1)
        expected = [(int(a) | int(b) << 32) >> 11 for a, b in zip(low, high, strict=True)]
        np.testing.assert_array_equal(u, np.array(expected) * 2.0**-53)

    @pytest.mark.parametrize(
        ("low", "high"),
        [(0, 10), (-5, 3), (0, 1 << 24), (0, (1 << 24) + 1), (-7, 1 << 40), (-(1 << 63), 1 << 63)],
    )
    def test_integers_are_the_high_half_of_a_product(self, low: int, high: int) -> None:
        x = draw(ops.integers, (50,), pyrite.int64, 9, 1, low, high).tolist()
        words, span = philox(9, 1, 100).tolist(), high - low
        if span > 1 << 24:
            draws = [a | b << 32 for a, b in zip(words[0::2], words[1::2], strict=True)]
            assert x == [low + (d * span >> 64) for d in draws]
        else:
            assert x == [low + (w * span >> 32) for w in words[:50]]

    @pytest.mark.parametrize("n", [0, 1, 2, 3, 64, 65, 1000])
    def test_a_permutation_is_the_order_of_its_draws(self, n: int) -> None:
        pairs = philox(2, 1, 2 * n).reshape(-1, 2).tolist()
        bits = max(n - 1, 0).bit_length()
        keys = [(a | b << 32) >> bits for a, b in pairs]
        order = sorted(range(n), key=keys.__getitem__)
        assert ops.permutation.generic(np, n, pyrite.int64, 2, 1).tolist() == order


# The first results after manual_seed(0), as `spelled` writes them.
GOLDEN: dict[str, tuple[Callable[[], Any], str]] = {
    "rand": (
        lambda: pyrite.rand(8),
        "3ecc4fd0 3f6169c5 3f3c57ac 3f1b00db 3f78e4cc 3eb96400 3f31a574 3d17eff0",
    ),
    "rand64": (
        lambda: pyrite.rand(8, dtype=pyrite.float64),
        (
            "3fec2d38b1acc4fd 3fe3601b7b178af5 3fd72c8036fe3932 3fa2fdfecf634ae0 "
            "3fd471cca9813ea8 3fd1644d79090544 3fda911d29b2643a 3fdb504f8126b244"
        ),
    ),
    "rand16": (
        lambda: pyrite.rand(8, dtype=pyrite.float16),
        "3662 3b0b 39e2 38d8 3bc7 35ca 398d 28b0",
    ),
    "randn": (
        lambda: pyrite.randn(8),
        "3f7dbb33 bf6cb6af bf1e1b9f bef6d1b1 be1d5358 3e392a6c 3f54ec97 3e4a2da2",
    ),
    "randn64": (
        lambda: pyrite.randn(8, dtype=pyrite.float64),
        (
            "bfd973628c131c06 bfd3dd84ff91e70e 3ff63083c830bea6 3fd511d43e0f270e "
            "bfca5734828884b6 3ff7f2507bd97b0c bff302c4d6bd16d8 3fe2d761564c260b"
        ),
    ),
    "normal": (
        lambda: pyrite.normal(2.0, 0.3, (8,)),
        "401307a4 3fdc7e32 3fe848a8 3fed7d13 3ffa19ad 400378cc 400ff825 4003ca75",
    ),
    "uniform_": (
        lambda: pyrite.empty(8).uniform_(-0.1, 0.1),
        "bca56700 3d9bdc6f 3d41188d 3cacd247 3dc16e13 bce1f333 3d1ede40 bdbd9b35",
    ),
    "exponential_": (
        lambda: pyrite.empty(8).exponential_(2.0),
        "3eeb2e71 3d824bd5 3e1d2406 3e80716c 3c669dac 3f0207ae 3e3b1376 3fd2d5c7",
    ),
    "exponential64_": (
        lambda: pyrite.empty(8, dtype=pyrite.float64).exponential_(),
        (
            "3fc0497ab7861bc9 3fe00e2d82928f53 3ff040f5c8c1a4f5 400a5ab8d78d25b2 "
            "3ff24239200c2e87 3ff4d89cba3d591d 3fec228f8bc70cf2 3feb3f70c0b2f7cc"
        ),
    ),
    "cauchy_": (
        lambda: pyrite.empty(8).cauchy_(),
        "bf3c5938 bf6ed488 4131c17b 3f47d17a be346ed4 bf96a696 402e16b9 3e731483",
    ),
    "geometric_": (
        lambda: pyrite.empty(8).geometric_(0.1),
        "40000000 40a00000 41200000 42000000 41300000 41500000 41100000 41100000",
    ),
    "randint": (
        lambda: pyrite.randint(1000, (8,)),
        "399 880 735 605 972 362 693 37",
    ),
    "randint64": (
        lambda: pyrite.randint(-(2**40), 2**40, (8,)),
        (
            "836772764364 231957049720 -303264843791 -1017940881565 -397042955255 "
            "-501933684664 -186681569901 -161019590347"
        ),
    ),
    "randperm": (
        lambda: pyrite.randperm(8),
        "3 5 4 2 6 7 1 0",
    ),
    "bernoulli": (
        lambda: pyrite.bernoulli(pyrite.full((8,), 0.4)),
        "3f800000 00000000 00000000 00000000 00000000 3f800000 00000000 3f800000",
    ),
    "dropout": (
        lambda: F.dropout(pyrite.ones(8), 0.5, True, *draws()),
        "00000000 40000000 40000000 40000000 40000000 00000000 40000000 00000000",
    ),
    "multinomial": (
        lambda: pyrite.multinomial(pyrite.arange(1.0, 9.0), 8),
        "4 6 1 2 3 5 7 0",
    ),
    "multinomial, replaced": (
        lambda: pyrite.multinomial(pyrite.arange(1.0, 9.0), 8, True),
        "7 6 4 1 4 3 4 5",
    ),
}


def draws() -> tuple[int, int]:
    return pyrite.default_generator.advance()


def spelled(tensor: Any) -> str:
    """Integers as they are, floating numbers as the hexadecimal digits of their bits."""
    array = np.asarray(tensor.array)
    if array.dtype.kind == "i":
        return " ".join(map(str, array))
    return " ".join(f"{bits:0{2 * array.itemsize}x}" for bits in array.view(f"u{array.itemsize}"))


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_values(name: str) -> None:
    """The stream is part of the interface: these values never change."""
    make, expected = GOLDEN[name]
    pyrite.manual_seed(0)
    assert spelled(make()) == expected


DEVICE_CALLS = [
    lambda device: pyrite.rand(5000, device=device),
    lambda device: pyrite.rand(5000, device=device, dtype=pyrite.float64),
    lambda device: pyrite.rand(50, device=device, dtype=pyrite.bfloat16),
    lambda device: pyrite.randn(70001, device=device),
    lambda device: pyrite.randn(5001, device=device, dtype=pyrite.float64),
    lambda device: pyrite.randint(-9, 9, (5000,), device=device),
    lambda device: pyrite.randint(-9, 1 << 50, (5000,), device=device),
    lambda device: pyrite.randperm(5000, device=device),
    lambda device: pyrite.normal(pyrite.ones(50, device=device), 2.0),
    lambda device: pyrite.bernoulli(pyrite.full((5000,), 0.3, device=device)),
    lambda device: pyrite.empty(5000, device=device).bernoulli_(0.3),
    lambda device: pyrite.empty(5000, device=device).uniform_(-1, 3),
    lambda device: pyrite.empty(5000, device=device).exponential_(0.3),
    lambda device: pyrite.empty(5000, device=device).cauchy_(),
    lambda device: pyrite.empty(5000, device=device).geometric_(0.01),
    lambda device: pyrite.empty(50, device=device, dtype=pyrite.int32).random_(),
    lambda device: pyrite.multinomial(pyrite.arange(1.0, 9.0, device=device), 8),
    lambda device: pyrite.multinomial(pyrite.ones(3, 50, device=device), 80, True),
    lambda device: F.dropout(pyrite.ones(7000, device=device), 0.3, True, *draws()),
]


@pytest.mark.parametrize("number", range(len(DEVICE_CALLS)))
def test_every_device_gives_the_same_bits(number: int) -> None:
    make = DEVICE_CALLS[number]
    pyrite.manual_seed(3)
    expected = make("cpu")
    pyrite.manual_seed(3)
    other = make("strict")
    assert other.device.type == "strict"
    assert other.dtype is expected.dtype
    np.testing.assert_array_equal(host(other.to("cpu")), host(expected))


def ks(values: Any, name: str) -> float:
    stats = pytest.importorskip("scipy.stats", reason="compares with SciPy's distributions")
    return float(stats.kstest(np.asarray(values, np.float64), name).pvalue)


def chi2(counts: Any, chances: Any) -> float:
    stats = pytest.importorskip("scipy.stats", reason="compares with SciPy's distributions")
    counts, chances = np.asarray(counts), np.asarray(chances, np.float64)
    assert counts[chances == 0].sum() == 0
    here = chances > 0
    expected = chances[here] / chances.sum() * counts.sum()
    return float(stats.chisquare(counts[here], expected).pvalue)


class TestDistributions:
    @pytest.mark.parametrize("dtype", [pyrite.float32, pyrite.float64])
    @pytest.mark.parametrize(
        ("op", "name"),
        [
            (ops.uniform, "uniform"),
            (ops.normal, "norm"),
            (ops.exponential, "expon"),
            (ops.cauchy, "cauchy"),
        ],
    )
    def test_kolmogorov_smirnov(self, op: Any, name: str, dtype: Any) -> None:
        assert ks(draw(op, (100_000,), dtype, 20), name) > 0.01
        firsts = [draw(op, (1,), dtype, 20, offset)[0] for offset in range(2000)]
        assert ks(firsts, name) > 0.01

    def test_moments_and_tails_of_normals(self) -> None:
        n = 1 << 22
        z = draw(ops.normal, (n,), pyrite.float32, 4).astype(np.float64)
        for power, mean, deviation in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            assert abs((z**power).mean() - mean) < 4 * math.sqrt(deviation / n)
        for tail in (3.0, 4.0, 4.5):
            expected = n * math.erfc(tail / math.sqrt(2))
            assert abs((abs(z) > tail).sum() - expected) < 4 * math.sqrt(expected)
        assert abs(np.corrcoef(z[::2], z[1::2])[0, 1]) < 4 / math.sqrt(n / 2)
        assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 4 / math.sqrt(n)

    def test_integers_are_uniform(self) -> None:
        x = draw(ops.integers, (70_000,), pyrite.int64, 8, 0, -3, 4)
        assert chi2(np.bincount(x + 3, minlength=7), np.ones(7)) > 0.01

    def test_permutations_are_uniform(self) -> None:
        orders = [tuple(ops.permutation.generic(np, 4, pyrite.int64, 1, i)) for i in range(4800)]
        _, counts = np.unique(np.array(orders), axis=0, return_counts=True)
        assert len(counts) == 24
        assert chi2(counts, np.ones(24)) > 0.01

    @pytest.mark.parametrize("p", [0.0, 0.25, 1.0])
    def test_bernoulli(self, p: float) -> None:
        x = host(pyrite.empty(40_000).bernoulli_(p, generator=pyrite.Generator().manual_seed(1)))
        assert abs(x.mean() - p) <= 4 * math.sqrt(p * (1 - p) / 40_000)

    def test_bernoulli_of_a_tensor(self) -> None:
        p = pyrite.tensor([[0.0, 0.5, 1.0]]).expand(20_000, 3)
        means = host(pyrite.bernoulli(p, generator=pyrite.Generator().manual_seed(2))).mean(0)
        assert means[0] == 0
        assert means[2] == 1
        assert abs(means[1] - 0.5) < 0.015

    def test_geometric(self) -> None:
        x = draw(ops.geometric, (50_000,), pyrite.int64, 1, 2, 0.3)
        chances = 0.3 * 0.7 ** np.arange(20)
        assert x.min() == 1
        assert chi2(np.bincount(x, minlength=21)[1:21], chances) > 0.01

    weights = np.array([0.1, 0, 0.3, 2, 0.6, 0, 1])

    def sample(self, weights: np.ndarray, n: int, replacement: bool, seed: int = 6) -> np.ndarray:
        with np.errstate(all="ignore"):
            return ops.multinomial.generic(np, weights, n, replacement, seed, 4)

    def test_multinomial_with_replacement(self) -> None:
        rows = np.stack([self.weights, self.weights[::-1], np.ones(7)])
        out = self.sample(rows, 30_000, True)
        assert out.shape == (3, 30_000)
        assert out.dtype == np.int64
        for drawn, row in zip(out, rows, strict=True):
            assert chi2(np.bincount(drawn, minlength=7), row) > 0.01

    def test_multinomial_without_replacement(self) -> None:
        out = self.sample(np.broadcast_to(self.weights, (30_000, 7)), 2, False)
        assert chi2(np.bincount(out[:, 0], minlength=7), self.weights) > 0.01
        rest = np.where(np.arange(7) == 3, 0, self.weights)
        assert chi2(np.bincount(out[out[:, 0] == 3][:, 1], minlength=7), rest) > 0.01
        assert sorted(self.sample(np.ones(50), 50, False)) == list(range(50))

    @pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 64, 65])
    def test_multinomial_reaches_every_category(self, n: int) -> None:
        out = self.sample(np.ones(n), 3000, True)
        assert sorted(set(out.tolist())) == list(range(n))

    def test_uniform_range_excludes_its_end(self) -> None:
        for dtype in FLOATS:
            x = host(pyrite.empty(100_000, dtype=dtype).uniform_(-0.5, 0.75))
            assert x.min() >= -0.5
            assert x.max() < 0.75
        near = pyrite.empty(10_000).uniform_(1.0, 1.0 + 2.0**-22)
        assert set(host(near)) <= {1.0 + k * 2.0**-23 for k in range(2)}

    def test_scale_and_shift(self) -> None:
        x = pyrite.empty(50_000, dtype=pyrite.float64)
        assert abs(host(x.normal_(3, 2)).mean() - 3) < 0.04
        assert abs(host(x.normal_(3, 2)).std() - 2) < 0.03
        assert abs(host(x.exponential_(4)).mean() - 0.25) < 0.005
        assert abs(np.median(host(x.cauchy_(1, 3))) - 1) < 0.1
        assert abs(np.log(host(x.log_normal_(1, 0.5))).std() - 0.5) < 0.01


class TestDropout:
    def test_the_mask_is_drawn_again_in_backward(self) -> None:
        x = pyrite.full((50_000,), 3.0, requires_grad=True)
        y = F.dropout(x, 0.4, True, 12, 34)
        (y * y.detach()).sum().backward()
        kept, scale = host(y) != 0, np.float32(1 / 0.6)
        assert abs(kept.mean() - 0.6) < 0.01
        np.testing.assert_array_equal(host(y), kept * (3 * scale))
        np.testing.assert_array_equal(host(x.grad), kept * (3 * scale * scale))

    def test_nothing_is_saved(self) -> None:
        y = F.dropout(pyrite.ones(4, requires_grad=True), 0.5, True, 1, 2)
        assert not any(hasattr(entry, "shape") for entry in y.grad_fn.saved)

    def test_the_mask_follows_logical_order(self) -> None:
        x = pyrite.rand(30, 40)
        a, b = F.dropout(x, 0.5, True, 1, 2), F.dropout(x.t().contiguous().t(), 0.5, True, 1, 2)
        np.testing.assert_array_equal(host(a), host(b))

    @pytest.mark.parametrize("dtype", FLOATS)
    def test_ends(self, dtype: Any) -> None:
        x = pyrite.full((1000,), 1.5, dtype=dtype)
        assert F.dropout(x, 0.0, True, 1, 2).tolist() == x.tolist()
        assert F.dropout(x, 1.0, True, 1, 2).tolist() == [0.0] * 1000
        assert F.dropout(x, 0.5, False, 1, 2).tolist() == x.tolist()
        assert F.dropout(x, 0.5, True, 1, 2).dtype is dtype
