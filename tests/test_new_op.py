"""An op defined in one file, six lines, is found everywhere without another change."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import pyrite
from pyrite import Tensor
from pyrite.__main__ import main
from pyrite._exports import EXPORTS
from pyrite._graph import capture
from pyrite._ops.table import TABLE
from pyrite._tensor import F

SOURCE = '''
from pyrite._ops.table import Array, op

@op(kind="pointwise", dtypes="float", aliases=("halfway_sine",))
def sine_of_half(xp, input: Array) -> Array:
    """Sine of half of each element."""
    return xp.sin(input / 2)
sine_of_half.vjp(input=lambda F, g, input: g * F.cos(input / 2) / 2)
'''


@pytest.fixture
def new_op(tmp_path: Path) -> Iterator[None]:
    path = tmp_path / "my_op.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("my_op", path)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    del TABLE["sine_of_half"]
    vars(F).pop("sine_of_half", None)
    for name in ("sine_of_half", "halfway_sine"):
        vars(pyrite).pop(name, None)
        for public in (name, f"{name}_"):
            EXPORTS[""].pop(public, None)
            EXPORTS["Tensor"].pop(public, None)
            delattr(Tensor, public)


@pytest.mark.usefixtures("new_op")
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_a_new_op_is_found(device: str) -> None:
    x = pyrite.tensor([0.5, 1.0], dtype=pyrite.float64, device=device, requires_grad=True)
    want = np.sin(np.array([0.25, 0.5]))
    y = pyrite.sine_of_half(x)
    np.testing.assert_allclose(y.detach().cpu().numpy(), want)
    assert pyrite.halfway_sine(x).equal(y)
    assert x.sine_of_half().equal(y)
    assert x.detach().clone().sine_of_half_().equal(y)
    out = pyrite.empty(2, dtype=pyrite.float64, device=device)
    assert pyrite.sine_of_half(x.detach(), out=out) is out
    assert out.equal(y)
    assert pyrite.sine_of_half.__doc__ == "Sine of half of each element."
    assert "sine_of_half" in dir(pyrite)
    assert pyrite.autograd.gradcheck(pyrite.sine_of_half, (x,))
    assert pyrite.autograd.gradgradcheck(pyrite.sine_of_half, (x,))


@pytest.mark.usefixtures("new_op")
def test_a_new_op_is_captured() -> None:
    def slope(x: Tensor) -> Tensor:
        x = x.detach().requires_grad_()
        return pyrite.autograd.grad(pyrite.sine_of_half(x).sum(), x)[0]

    graph, _ = capture(slope, pyrite.ones(2))
    assert graph(pyrite.tensor([1.0, 2.0])).equal(slope(pyrite.tensor([1.0, 2.0])))
    assert "sine_of_half" in repr(graph)


@pytest.mark.usefixtures("new_op")
def test_a_new_op_has_a_row_in_the_documentation(capsys: pytest.CaptureFixture[str]) -> None:
    main(["ops", "sine_of_half"])
    row = capsys.readouterr().out.splitlines()[-1]
    assert row == (
        "| sine_of_half, Tensor.sine_of_half, Tensor.sine_of_half_, halfway_sine, "
        "Tensor.halfway_sine, Tensor.halfway_sine_ | pointwise | yes | "
        "Sine of half of each element. |"
    )


@pytest.mark.usefixtures("new_op")
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_a_new_op_is_transformed(device: str) -> None:
    x = pyrite.tensor([[0.5, 1.0], [2.0, 3.0]], dtype=pyrite.float64, device=device)
    half, plain = pyrite.sine_of_half, lambda t: (t / 2).sin()
    assert pyrite.vmap(half, in_dims=1)(x).equal(half(x.T))
    for transform in (pyrite.func.jacfwd, pyrite.func.jacrev):
        assert pyrite.allclose(transform(half)(x), transform(plain)(x))
    curvature = pyrite.func.hessian(lambda t: half(t).sum())
    want = pyrite.func.hessian(lambda t: plain(t).sum())(x)
    assert pyrite.allclose(curvature(x), want)
    assert pyrite.allclose(pyrite.vmap(curvature)(x)[0], want[0, :, 0])
    with pyrite.autograd.forward_ad.dual_level():
        dual = pyrite.autograd.forward_ad.make_dual(x, x)
        tangent = pyrite.autograd.forward_ad.unpack_dual(half(dual)).tangent
    assert pyrite.allclose(tangent, x * (x / 2).cos() / 2)


@pytest.mark.usefixtures("new_op")
def test_a_new_op_follows_the_dtype_rules() -> None:
    assert pyrite.sine_of_half(pyrite.tensor([1, 2])).dtype is pyrite.float32
    half = pyrite.tensor([1.0, 2.0], dtype=pyrite.float16)
    assert half.sine_of_half().equal(half.float().sine_of_half().half())
    with pytest.raises(RuntimeError, match="can't be cast"):
        pyrite.tensor([1, 2]).sine_of_half_()
