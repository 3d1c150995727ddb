"""`Module.summary`: what it counts, and that it leaves the model as it was."""

from typing import Any

import pytest

import pyrite
from pyrite import nn

# name -> (model of a library), size of the input; products only, as torch's counter has them
MODELS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda L: L.nn.Linear(4, 5), (2, 3, 4)),
    "convolution": (lambda L: L.nn.Conv2d(4, 6, 3, stride=2, groups=2), (2, 4, 7, 7)),
    "transposed": (lambda L: L.nn.ConvTranspose2d(4, 6, 3, bias=False), (2, 4, 5, 5)),
    "several": (
        lambda L: L.nn.Sequential(L.nn.Conv1d(2, 3, 3), L.nn.Flatten(), L.nn.Linear(18, 4)),
        (2, 2, 8),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_products_are_counted_as_torch_counts_them(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    flop_counter = pytest.importorskip("torch.utils.flop_counter")
    make, size = MODELS[name]
    with flop_counter.FlopCounterMode(display=False) as counter:
        make(torch)(torch.ones(size))
    found = make(pyrite).summary(pyrite.ones(size))
    assert found.flops == counter.get_total_flops()


def test_rows_and_totals() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    model[3].requires_grad_(False)
    model[1].eval()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    found = model.summary(pyrite.ones(5, 3))
    assert [(r.path, r.kind) for r in found.rows] == [
        ("(whole)", "Sequential"), ("0", "Linear"), ("1", "BatchNorm1d"), ("2", "ReLU"),
        ("3", "Linear"),
    ]  # fmt: skip
    assert [r.output for r in found.rows] == ["[5, 2]", "[5, 4]", "[5, 4]", "[5, 4]", "[5, 2]"]
    assert [r.parameters for r in found.rows] == [0, 16, 8, 0, 10]
    assert [found.rows[i].flops for i in (0, 1, 3, 4)] == [0, 2 * 60, 20, 2 * 40]
    assert (found.parameters, found.trainable) == (34, 24)
    assert found.flops == sum(r.flops for r in found.rows)
    assert [m.training for m in model.modules()] == [True, True, False, True, True]
    assert all(v.equal(model.state_dict()[k]) for k, v in state.items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    text = str(found).splitlines()
    assert text[0].split() == ["Layer", "Type", "Output", "shape", "Parameters", "FLOPs"]
    assert text[-1].startswith("34 parameters (24 trainable), ")
    page = found._repr_html_()
    assert page.count("<tr>") == 6
    assert "BatchNorm1d" in page


def test_shared_and_several_outputs() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(2, 2)
            self.b = nn.LSTM(2, 3)
            self.c = nn.Linear(2, 2)
            self.c.weight = self.a.weight

        def forward(self, x: Any, scale: float = 1.0) -> Any:
            return self.b(self.c(self.a(self.a(x))) * scale)

    found = Tied().summary(pyrite.ones(4, 1, 2), scale=2.0)
    by_path = {r.path: r for r in found.rows}
    assert by_path["c"].parameters == 2
    assert by_path["a"].flops == 2 * by_path["c"].flops == 64
    assert by_path["b"].output == "[4, 1, 3], [1, 1, 3], [1, 1, 3]"
    assert by_path["(whole)"].flops == 8


def test_a_failing_model_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        model.summary(pyrite.ones(1, 3))
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert pyrite.autograd.modes.state.stack == ()
