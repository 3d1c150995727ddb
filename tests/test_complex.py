"""Complex tensors beside single ops: parts as views, text, refusals, files, derivatives."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="torch is the oracle")

C128, F64 = pyrite.complex128, pyrite.float64


def z(*shape: int) -> pyrite.Tensor:
    return pyrite.randn(*shape, dtype=C128).requires_grad_()


def x(*shape: int) -> pyrite.Tensor:
    return (pyrite.rand(*shape, dtype=F64) + 0.2).detach().requires_grad_()


@pytest.fixture(autouse=True)
def _seed() -> None:
    pyrite.manual_seed(3)


# ---- the same expression in both libraries: text of the result, or an error of the same class

EXPRESSIONS = [
    "tensor([1 + 2j, 3.5 - 1j, 0j])",
    "tensor([[1e5 + 1j, -1e-3j]])",
    "tensor([float('nan') + 1j, complex('inf') - 2j])",
    "tensor(1j).item()",
    "zeros(2, dtype=m.cfloat)",
    "eye(2, dtype=m.cdouble)",
    "full((2,), 1j)",
    "linspace(1j, 2, 3)",
    "arange(2000).to(m.complex64)",
    "ones(2).cfloat()",
    "tensor([1 + 2j, 3j], requires_grad=True)",
    "complex(m.ones(2), m.zeros(2))",
    "polar(m.ones(1), m.zeros(1))",
    "complex(m.ones(2), m.ones(2).double())",
    "view_as_real(m.ones(2))",
    "view_as_complex(m.ones(3))",
    "ones(2).imag",
    "ones(2).real",
    "ones(2).is_complex()",
    "promote_types(m.complex64, m.float64)",
    "result_type(m.ones(2, dtype=m.float64), 1j)",
    "(m.ones(1, dtype=m.float64) * 1j).dtype",
    "(m.ones(1, dtype=m.int64) * 1j).dtype",
    "tensor([1j], dtype=m.float32)",
    "scalar_tensor(1j)",
    "ones(2).fill_(1j)",
    "ones(2).add_(1j)",
    "ones(2).masked_fill(m.tensor([True, False]), 1j)",
    "tensor([1j, 2]).masked_fill(m.tensor([True, False]), 3j)",
    "tensor([1 + 1j]) == 1 + 1j",
    "tensor([complex('nan') + 1j, complex('inf')]).nan_to_num()",
    "tensor([1j, 2]).nansum()",
    "zeros(2).cfloat().scatter_reduce(0, m.tensor([0, 0]), m.tensor([1j, 2]), 'mean')",
    "isreal(m.tensor([1j, 2]))",
    "angle(m.tensor([-1.0, 0.0, 1j * 2]))",
    "sgn(m.tensor([3 + 4j, 0j]))",
    "vdot(m.tensor([1j]), m.tensor([2j]))",
    "tensor([[1j, 2]]).mH",
    "tensor([1j, 2]).isclose(m.tensor([1j, 2 + 1e-9j]))",
    "(float(m.tensor(1j)))",
    "(float(m.tensor(2 + 0j)))",
    *[f"tensor([1j, 2]){tail}" for tail in (
        " < 1", ".max()", ".floor()", ".sort()", ".clamp(min=1)", ".argmax()", ".relu()", " % 2",
        " // 2", ".sign()", ".cummax(0)", ".round()", ".nan_to_num()", ".softmax(0)", ".median()",
        ".atan2(m.tensor([1j, 2]))", ".erf()", ".sum().backward()",
    )],
    "tensor([1j, 2], requires_grad=True).sum().backward()",
]  # fmt: skip


def _outcome(m: Any, expression: str) -> str:
    try:
        value = eval(expression if expression[0] == "(" else f"m.{expression}", {"m": m})
    except (RuntimeError, TypeError, ValueError) as error:
        return "RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__
    return str(value).replace("torch.", "pyrite.")


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression_as_in_torch(expression: str) -> None:
    expression = (
        expression.replace("float(m", "(float)(m") if "float(m" in expression else expression
    )
    assert _outcome(pyrite, expression) == _outcome(torch, expression)


def test_parts_are_views_and_settable() -> None:
    t = pyrite.zeros(3, dtype=pyrite.complex64)
    t.real = pyrite.ones(3)
    t.imag = 2
    assert t.tolist() == [1 + 2j] * 3
    t.real.mul_(3)
    pyrite.view_as_real(t)[0, 1] = 7
    assert t.tolist() == [3 + 7j, 3 + 2j, 3 + 2j]
    assert t.real._base is t


def test_a_conjugate_is_a_copy() -> None:
    t = pyrite.tensor([1j])
    assert not t.conj().is_conj()
    assert t.resolve_conj() is t
    assert pyrite.ones(1).conj().requires_grad is False


def test_files_and_pickle_keep_complex() -> None:
    t, buffer = pyrite.tensor([1 + 2j, 3j]), io.BytesIO()
    pyrite.save({"t": t}, buffer)
    buffer.seek(0)
    assert torch.load(io.BytesIO(buffer.getvalue()))["t"].tolist() == t.tolist()
    assert pyrite.load(buffer)["t"].equal(t)
    assert pickle.loads(pickle.dumps(t)).equal(t)


def test_draws_have_unit_variance() -> None:
    t = pyrite.randn(20000, dtype=C128)
    np.testing.assert_allclose([t.var().item(), t.real.var().item()], [1, 0.5], rtol=0.05)
    drawn = pyrite.empty(5, dtype=pyrite.complex64).normal_(3 + 1j, 0.0)
    assert drawn.tolist() == [3 + 1j] * 5


def test_descends_along_minus_the_gradient() -> None:
    w = pyrite.tensor([2 - 1j], requires_grad=True)
    target = pyrite.tensor([1 + 1j])
    for _ in range(60):
        loss = (w - target).abs().square().sum()
        (g,) = pyrite.autograd.grad(loss, w)
        w = (w.detach() - 0.1 * g).requires_grad_()
    assert abs((w - target).item()) < 1e-4


@pytest.mark.parametrize("n", [5, 20000])
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_optimizers_step_as_torchs(name: str, n: int) -> None:
    rng = np.random.default_rng(0)
    start = (rng.standard_normal(n) + 1j * rng.standard_normal(n)).astype("complex64")
    options = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {"amsgrad": True}
    ends = []
    for m in (pyrite, torch):
        w = m.from_numpy(start.copy()).requires_grad_()
        optimizer = getattr(m.optim, name)([w], lr=0.02, **options)
        for _ in range(3):
            optimizer.zero_grad()
            (w - (1 + 1j)).abs().square().sum().backward()
            optimizer.step()
        ends.append(w.detach().numpy())
    np.testing.assert_allclose(*ends, rtol=1e-4, atol=1e-5)


# ---- derivatives of what is more than one op, first and second order


def _in_place(v: pyrite.Tensor) -> pyrite.Tensor:
    y = v.clone()
    y.mul_(1j)
    y[0] = y[1] * 2
    y += v
    return y


def _set_real(v: pyrite.Tensor, part: pyrite.Tensor) -> pyrite.Tensor:
    y = v.clone()
    y.real = part
    y.imag.mul_(part)
    return y * y


def _pairs_in_place(v: pyrite.Tensor) -> pyrite.Tensor:
    y = v * 1
    pyrite.view_as_real(y)[..., 1].mul_(3)
    return y * v


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "real with complex": (lambda a, b: a * b + b**2 - a / b + a**b, lambda: (z(2, 2), x(2))),
    "numbers": (lambda a: (2 + 3j) * a / 1j + a**2j + (1 + 1j) ** a - (1j - a), lambda: (z(3),)),
    "parts": (lambda a: a.real * a.imag + a.angle() * a.abs(), lambda: (z(3),)),
    "conj": (lambda a: a.conj() * a + pyrite.sgn(a), lambda: (z(3),)),
    "polar": (pyrite.polar, lambda: (x(3), x(3))),
    "products": (lambda a, b: a.mH @ b + pyrite.einsum("ij,kj->ik", a, b),
                 lambda: (z(2, 2), z(2, 2))),
    "bmm": (pyrite.bmm, lambda: (z(2, 2, 3), z(2, 3, 2))),
    "addmm": (lambda *a: pyrite.addmm(*a, beta=2j, alpha=1 - 1j),
              lambda: (z(2, 2), z(2, 2), z(2, 2))),
    "spread": (lambda a: a.var(0) + a.std(0) + a.norm(dim=0), lambda: (z(3, 2),)),
    "scans": (lambda a: a.cumprod(0) + a.cumsum(0) + a.logcumsumexp(0), lambda: (z(3, 2),)),
    "choice": (lambda a, b: pyrite.where(pyrite.tensor([True, False]), a, b), lambda: (z(2), x(2))),
    "cat": (lambda a, b: pyrite.cat([a, b]) * pyrite.stack([b, a]).sum(), lambda: (z(2), x(2))),
    "indices": (lambda a: a[pyrite.tensor([0, 0, 1])] + a.gather(0, pyrite.tensor([1, 1, 0])),
                lambda: (z(2),)),
    "conv": (pyrite.nn.functional.conv1d, lambda: (z(1, 2, 4), z(2, 2, 2))),
    "in place": (_in_place, lambda: (z(3),)),
    "set parts": (_set_real, lambda: (z(3), x(3))),
    "set pairs": (_pairs_in_place, lambda: (z(3),)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_to_second_order(name: str) -> None:
    function, inputs = FUNCTIONS[name]
    arguments = inputs()
    assert gradcheck(function, arguments)
    assert gradgradcheck(function, arguments)


def test_explanations_show_the_conjugates(capsys: pytest.CaptureFixture[str]) -> None:
    a = z(2)
    (a * a).abs().sum().backward(explain=True)
    assert "conj(mul(g, other)) with conj(g) for g" in capsys.readouterr().out


def test_anomaly_mode_sees_complex_nan() -> None:
    a = pyrite.zeros(1, dtype=C128, requires_grad=True)
    with (
        pyrite.autograd.detect_anomaly(),
        pytest.raises(RuntimeError, match="SqrtBackward0.*nan"),
    ):
        (a.sqrt() * 0).real.sum().backward()


def test_gradcheck_finds_a_missing_conjugate() -> None:
    class Wrong(pyrite.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: pyrite.Tensor) -> pyrite.Tensor:
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx: Any, g: pyrite.Tensor) -> pyrite.Tensor:
            (a,) = ctx.saved_tensors
            return g * 2 * a

    assert not gradcheck(Wrong.apply, (z(2),), raise_exception=False)
