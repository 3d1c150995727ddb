"""Module's contract, and every layer against torch from the same weights."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite import nn

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

IMAGE, SERIES, ROWS, VOLUME = (2, 4, 6, 6), (2, 4, 7), (3, 6), (2, 4, 4, 5, 4)
LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Linear", (6, 5), {}, ROWS), ("Linear", (6, 5), {"bias": False}, (2, 3, 6)),
    ("Identity", (), {}, ROWS),
    ("Conv1d", (4, 6, 3), {"padding": 1}, SERIES), ("Conv1d", (4, 4, 2), {"groups": 2}, SERIES),
    ("Conv2d", (4, 6, 3), {"stride": 2, "padding": 1}, IMAGE),
    ("Conv2d", (4, 8, (3, 2)), {"dilation": 2, "groups": 4, "bias": False}, IMAGE),
    ("Conv2d", (4, 2, 3), {"padding": "same", "padding_mode": "reflect"}, IMAGE),
    ("BatchNorm1d", (6,), {}, ROWS), ("BatchNorm1d", (4,), {"momentum": None}, SERIES),
    ("BatchNorm2d", (4,), {"affine": False}, IMAGE),
    ("BatchNorm2d", (4,), {"track_running_stats": False}, IMAGE),
    ("LayerNorm", (6,), {}, ROWS), ("LayerNorm", ((6, 6),), {"bias": False}, IMAGE),
    ("GroupNorm", (2, 4), {}, IMAGE), ("MaxPool1d", (2,), {}, SERIES),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "ceil_mode": True}, IMAGE),
    ("AvgPool1d", (2,), {}, SERIES), ("AvgPool2d", (3, 2, 1, False, False), {}, IMAGE),
    ("AdaptiveAvgPool1d", (3,), {}, SERIES), ("AdaptiveAvgPool2d", ((2, None),), {}, IMAGE),
    ("AdaptiveMaxPool1d", (3,), {}, SERIES), ("AdaptiveMaxPool2d", (2,), {}, IMAGE),
    ("Flatten", (), {}, IMAGE), ("Unflatten", (1, (2, 3)), {}, ROWS),
    ("PReLU", (4,), {}, IMAGE), ("Softmax", (1,), {}, ROWS), ("LogSoftmax", (-1,), {}, ROWS),
    ("Softmin", (0,), {}, ROWS), ("GLU", (), {}, ROWS), ("LeakyReLU", (0.2,), {}, ROWS),
    ("ELU", (), {"alpha": 0.5}, ROWS), ("GELU", ("tanh",), {}, ROWS),
    ("Softplus", (2.0,), {}, ROWS),
    *[(name, (), {}, ROWS) for name in (
        "ReLU", "ReLU6", "SELU", "CELU", "GELU", "SiLU", "Mish", "Sigmoid", "Tanh", "LogSigmoid",
        "Softsign", "Hardtanh", "Hardswish", "Hardsigmoid", "Tanhshrink", "Softshrink",
        "Hardshrink")],
    ("Softmax2d", (), {}, IMAGE), ("Threshold", (0.1, 0.5), {}, ROWS),
    ("Conv3d", (4, 6, 2), {"padding": 1, "groups": 2}, VOLUME),
    ("ConvTranspose1d", (4, 3, 3), {"stride": 2}, SERIES),
    ("ConvTranspose2d", (4, 6, 3, 2, 1, 1), {"groups": 2}, IMAGE),
    ("ConvTranspose3d", (4, 2, 2), {"bias": False, "dilation": 2}, VOLUME),
    ("BatchNorm3d", (4,), {}, VOLUME), ("InstanceNorm1d", (4,), {"affine": True}, SERIES),
    ("InstanceNorm2d", (4,), {"track_running_stats": True}, IMAGE),
    ("InstanceNorm2d", (4,), {}, IMAGE[1:]), ("InstanceNorm3d", (4,), {}, VOLUME),
    ("RMSNorm", (6,), {}, ROWS), ("LocalResponseNorm", (2,), {}, IMAGE),
    ("MaxPool3d", (2,), {}, VOLUME), ("AvgPool3d", (2, 1), {}, VOLUME),
    ("AdaptiveAvgPool3d", (2,), {}, VOLUME), ("AdaptiveMaxPool3d", ((2, None, 1),), {}, VOLUME),
    ("LPPool1d", (2, 3), {}, SERIES), ("LPPool2d", (3, 2), {"stride": 1}, (2, 3, 6, 6)),
    ("FractionalMaxPool2d", (2,),
     {"output_ratio": 0.5, "_random_samples": np.full((2, 4, 2), 0.3)}, IMAGE),
    *[(f"{name}Pad{n}d", ((1, 2) * n,), {}, shape) for n, shape in enumerate(
        (SERIES, IMAGE, VOLUME), 1) for name in ("Zero", "Reflection", "Replication", "Circular")],
    ("ConstantPad2d", (1, 0.5), {}, IMAGE), ("Fold", ((4, 4), 2), {}, (2, 4, 9)),
    ("Unfold", ((2, 3),), {"stride": 2}, IMAGE), ("PixelShuffle", (2,), {}, IMAGE),
    ("PixelUnshuffle", (3,), {}, IMAGE), ("ChannelShuffle", (2,), {}, IMAGE),
    ("Upsample", (), {"scale_factor": 1.5, "mode": "bilinear"}, IMAGE),
    ("Upsample", (9,), {}, SERIES), ("UpsamplingNearest2d", (), {"scale_factor": 2}, IMAGE),
    ("UpsamplingBilinear2d", ((4, 9),), {}, IMAGE),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), LAYERS)
@pytest.mark.parametrize("training", [True, False])
def test_layer_equals_torch(
    name: str, args: Any, kwargs: Any, shape: tuple[int, ...], training: bool
) -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    made = [
        getattr(module, name)(*args, **{
            k: wrap(v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()
        }).double().train(training)
        for module, wrap in ((torch.nn, torch.from_numpy), (nn, pyrite.from_numpy))
    ]  # fmt: skip
    theirs, ours = made
    state = {k: pyrite.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    assert repr(ours) == repr(theirs)
    data = np.random.default_rng(0).standard_normal(shape)
    x, y = pyrite.from_numpy(data).requires_grad_(), torch.from_numpy(data).requires_grad_()
    got, want = ours(x), theirs(y)
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-9, atol=1e-11)
    weight = np.random.default_rng(1).standard_normal(want.shape)
    got.backward(pyrite.from_numpy(weight))
    want.backward(torch.from_numpy(weight))
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-7, atol=1e-10)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-7, atol=1e-10)
    for b, c in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(b.numpy(), c.numpy(), rtol=1e-12)


LOSSES: list[tuple[str, dict[str, Any], str]] = [
    ("MSELoss", {}, "real"), ("MSELoss", {"reduction": "sum"}, "real"), ("L1Loss", {}, "real"),
    ("SmoothL1Loss", {"beta": 0.5}, "real"), ("HuberLoss", {"reduction": "none"}, "real"),
    ("KLDivLoss", {"reduction": "batchmean"}, "share"), ("BCELoss", {}, "share"),
    ("BCEWithLogitsLoss", {}, "share"), ("CrossEntropyLoss", {}, "label"),
    ("CrossEntropyLoss", {"label_smoothing": 0.1, "ignore_index": 2}, "label"),
    ("CrossEntropyLoss", {}, "share"), ("NLLLoss", {"reduction": "sum"}, "label"),
    ("PoissonNLLLoss", {"full": True}, "share"), ("HingeEmbeddingLoss", {}, "sign"),
    ("SoftMarginLoss", {"reduction": "sum"}, "sign"), ("MultiMarginLoss", {"p": 2}, "label"),
    ("MultiLabelMarginLoss", {}, "labels"), ("MultiLabelSoftMarginLoss", {}, "share"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "target"), LOSSES)
def test_loss_equals_torch(name: str, kwargs: Any, target: str) -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    rng = np.random.default_rng(2)
    data = rng.uniform(0.1, 0.9, (5, 4))
    wanted = {
        "real": rng.standard_normal((5, 4)), "share": rng.dirichlet(np.ones(4), 5),
        "label": rng.integers(0, 4, 5), "sign": np.sign(rng.standard_normal((5, 4))),
        "labels": np.argsort(rng.random((5, 4)), 1) - (rng.random((5, 4)) < 0.1),
    }[target]  # fmt: skip
    x, y = pyrite.from_numpy(data).requires_grad_(), torch.from_numpy(data).requires_grad_()
    got = getattr(nn, name)(**kwargs)(x, pyrite.from_numpy(wanted))
    want = getattr(torch.nn, name)(**kwargs)(y, torch.from_numpy(wanted))
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), rtol=1e-12)
    got.sum().backward()
    want.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-12)


SEVERAL: list[tuple[str, dict[str, Any], int]] = [
    ("CosineEmbeddingLoss", {"margin": 0.2}, 2), ("MarginRankingLoss", {"margin": 0.1}, 1),
    ("TripletMarginLoss", {"swap": True}, 0), ("TripletMarginWithDistanceLoss", {}, 0),
    ("GaussianNLLLoss", {"full": True}, 0), ("CosineSimilarity", {"dim": 0}, -1),
    ("PairwiseDistance", {"p": 1.0, "keepdim": True}, -1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs", "signs"), SEVERAL)
def test_layers_of_several_inputs_equal_torch(name: str, kwargs: Any, signs: int) -> None:
    """`signs`: the dimensions of a last input of signs; 0 a third like the others, -1 none."""
    if torch is None:
        pytest.skip("torch is not installed")
    rng = np.random.default_rng(3)
    shape = (5,) if signs == 1 else (5, 4)
    inputs = [rng.uniform(0.1, 1.0, shape) for _ in range(3 if not signs else 2)]
    inputs += [np.sign(rng.standard_normal(5))] if signs > 0 else []
    results = []
    for module, wrap in ((nn, pyrite.from_numpy), (torch.nn, torch.from_numpy)):
        layer, x = getattr(module, name)(**kwargs), [wrap(a.copy()) for a in inputs]
        out = layer(x[0].requires_grad_(), *x[1:])
        out.sum().backward()
        results.append((out.detach().numpy(), x[0].grad.numpy(), repr(layer)))
    for got, want in zip(results[0][:2], results[1][:2], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    assert results[0][2] == results[1][2]


def test_embedding_bag_and_unpooling_equal_torch() -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    theirs = torch.nn.EmbeddingBag(7, 3, mode="sum", padding_idx=2)
    ours = nn.EmbeddingBag.from_pretrained(
        pyrite.from_numpy(theirs.weight.detach().numpy()), mode="sum", padding_idx=2
    )
    assert repr(ours) == repr(theirs)
    bags = np.array([[0, 2, 5], [6, 1, 2]])
    np.testing.assert_allclose(
        ours(pyrite.from_numpy(bags)).numpy(), theirs(torch.from_numpy(bags)).detach().numpy(),
        rtol=1e-6,
    )  # fmt: skip
    data = np.random.default_rng(4).standard_normal((1, 2, 5, 5))
    results = []
    for module, wrap in ((nn, pyrite.from_numpy), (torch.nn, torch.from_numpy)):
        pooled, where = module.MaxPool2d(2, return_indices=True)(wrap(data))
        unpool = module.MaxUnpool2d(2)
        results.append((unpool(pooled, where, output_size=(5, 5)).numpy(), repr(unpool)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


@pytest.mark.parametrize("kwargs", [
    {}, {"batch_first": True, "add_bias_kv": True}, {"kdim": 5, "vdim": 3, "bias": False},
    {"add_zero_attn": True, "dropout": 0.5},
])  # fmt: skip
def test_attention_equals_torch(kwargs: Any) -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    theirs = torch.nn.MultiheadAttention(8, 2, **kwargs).double().eval()
    ours = nn.MultiheadAttention(8, 2, **kwargs).double().eval()
    state = {k: pyrite.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    assert list(ours.state_dict()) == list(state)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(state)
    rng, results = np.random.default_rng(5), []
    widths = (8, kwargs.get("kdim", 8), kwargs.get("vdim", 8))
    inputs = [rng.standard_normal((3, 3, w)) for w in widths]
    hidden = np.array([[False, False, True]] * 3)
    for layer, wrap in ((ours, pyrite.from_numpy), (theirs, torch.from_numpy)):
        x = [wrap(a.copy()) for a in inputs]
        out, weights = layer(x[0].requires_grad_(), *x[1:], key_padding_mask=wrap(hidden))
        (out * out).sum().backward()
        grads = [p.grad.numpy() for p in layer.parameters()]
        results.append([out.detach().numpy(), weights.detach().numpy(), x[0].grad.numpy(), *grads])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)


def test_adaptive_softmax_equals_torch() -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0).double()
    ours = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0).double()
    ours.load_state_dict(
        {k: pyrite.from_numpy(v.numpy().copy()) for k, v in theirs.state_dict().items()}
    )
    assert repr(ours) == repr(theirs)
    data, labels = np.random.default_rng(6).standard_normal((6, 8)), np.array([0, 11, 5, 2, 7, 3])
    results = []
    for layer, wrap in ((ours, pyrite.from_numpy), (theirs, torch.from_numpy)):
        output, loss = layer(wrap(data), wrap(labels))
        loss.backward()
        grads = [p.grad.numpy() for p in layer.parameters()]
        single = layer(wrap(data[0]), wrap(labels[1:2])[0]).output
        rest = (layer.log_prob(wrap(data)), single, layer.predict(wrap(data)), output)
        results.append([*[t.detach().numpy() for t in rest], *grads])
    for got, want in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    with pytest.raises(RuntimeError, match=r"should be in \[0, 11\]"):
        ours(pyrite.from_numpy(data), pyrite.full((6,), 12))
    with pytest.raises(ValueError, match="unique, positive integers"):
        nn.AdaptiveLogSoftmaxWithLoss(8, 12, [7, 3])


class Net(nn.Module):
    """Parameters, buffers, shared and nested parts."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 3)
        self.tied = self.first
        self.body = nn.Sequential(OrderedDict(norm=nn.BatchNorm1d(3), act=nn.ReLU()))
        self.scale = nn.Parameter(pyrite.ones(3))
        self.register_buffer("seen", pyrite.zeros(()))
        self.register_buffer("scratch", pyrite.zeros(2), persistent=False)
        self.register_parameter("absent", None)

    def forward(self, x: Any, gain: float = 1.0) -> Any:
        return self.body(self.first(x)) * self.scale * gain


def test_names_and_walks() -> None:
    net = Net()
    assert [n for n, _ in net.named_parameters()] == [
        "scale", "first.weight", "first.bias", "body.norm.weight", "body.norm.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_parameters(remove_duplicate=False)][3:5] == [
        "tied.weight", "tied.bias",
    ]  # fmt: skip
    assert [n for n, _ in net.named_children()] == ["first", "body"]
    assert [n for n, _ in net.named_modules()] == ["", "first", "body", "body.norm", "body.act"]
    assert "scratch" in dict(net.named_buffers())
    assert "scratch" not in net.state_dict()
    assert net.get_submodule("body.norm") is net.body.norm
    assert net.get_parameter("first.bias") is net.first.bias
    with pytest.raises(AttributeError, match="nothing"):
        net.get_submodule("body.nothing")


def test_train_eval_freeze_apply_and_convert() -> None:
    net = Net().eval()
    assert not any(m.training for m in net.modules())
    assert net.train().body.norm.training
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen[-1] == "Net"
    weight = net.first.weight
    net.double()
    assert net.first.weight is weight
    assert weight.dtype is pyrite.float64
    assert net.body.norm.num_batches_tracked.dtype is pyrite.int64
    with pytest.raises(TypeError, match="floating"):
        net.to(pyrite.int64)
    net.to("strict")
    assert net.scale.device.type == "strict"


def test_state_dict_round_trip_and_errors() -> None:
    net, other = Net(), Net()
    with pyrite.no_grad():
        net.scale.fill_(3.0)
    state = net.state_dict()
    assert state._metadata["body.norm"] == {"version": 2}
    assert repr(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert other.scale.equal(net.scale)
    assert other.scale.data_ptr() != net.scale.data_ptr()
    del state["scale"]
    state["stranger"] = pyrite.ones(1)
    state["first.bias"] = pyrite.ones(7)
    with pytest.raises(RuntimeError, match=r'Missing key\(s\).*"scale"(?s:.*)"stranger"'):
        other.load_state_dict(state)
    del state["first.bias"]
    keys = other.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["scale", "first.bias"]
    assert keys.unexpected_keys == ["stranger"]


def test_extra_state_and_load_hooks() -> None:
    class Extra(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.note = "new"

        def get_extra_state(self) -> str:
            return self.note

        def set_extra_state(self, state: str) -> None:
            self.note = state

    one, two, calls = Extra(), Extra(), []
    one.note = "old"
    two.register_load_state_dict_pre_hook(lambda m, state, *_: calls.append(sorted(state)))
    two.register_load_state_dict_post_hook(lambda m, keys: calls.append(keys.missing_keys))
    two.load_state_dict(one.state_dict())
    assert two.note == "old"
    assert calls == [["_extra_state"], []]


def test_forward_hooks() -> None:
    net, calls = nn.Linear(2, 2), []
    net.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    net.register_forward_hook(lambda m, args, out: calls.append("second"))
    first = net.register_forward_hook(
        lambda m, args, kwargs, out: calls.append(sorted(kwargs)), prepend=True, with_kwargs=True
    )
    replaced = net.register_forward_hook(lambda m, args, out: out * 0 + 1)
    x = pyrite.ones(1, 2)
    assert net(x).tolist() == [[1.0, 1.0]]
    assert calls == [[], "second"]
    first.remove()
    replaced.remove()
    expected = nn.functional.linear(x * 2, net.weight, net.bias)
    assert net(x).equal(expected)


def test_a_hook_that_is_always_called_sees_failures() -> None:
    net, calls = nn.Linear(2, 2), []
    net.register_forward_hook(lambda m, a, out: calls.append(out), always_call=True)
    with pytest.raises(RuntimeError):
        net(pyrite.ones(1, 3))
    assert calls == [None]


def test_full_backward_hooks() -> None:
    net, calls = nn.Linear(2, 2, bias=False), []
    with pyrite.no_grad():
        net.weight.copy_(pyrite.eye(2))
    net.register_full_backward_pre_hook(lambda m, grads: (grads[0] * 10,))
    net.register_full_backward_hook(lambda m, gin, gout: calls.append((gin[0], gout[0])))
    net.register_full_backward_hook(lambda m, gin, gout: (gin[0] + 1,))
    x = pyrite.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    assert [t.tolist() for t in calls[0]] == [[[10.0, 10.0]], [[10.0, 10.0]]]
    assert x.grad.tolist() == [[11.0, 11.0]]
    assert net.weight.grad.tolist() == [[10.0, 10.0], [10.0, 10.0]]


def test_deepcopy_and_pickle() -> None:
    net = Net()
    net.body.norm.running_mean.fill_(0.5)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other.tied is other.first
        assert other.first.weight.equal(net.first.weight)
        assert other.first.weight.data_ptr() != net.first.weight.data_ptr()
        assert other.body.norm.running_mean.tolist() == [0.5] * 3
        x = pyrite.randn(4, 3)
        assert other.eval()(x).equal(net.eval()(x))
        net.train()


def test_optimizer_deepcopy_and_pickle() -> None:
    net = nn.Linear(2, 2)
    optimizer = pyrite.optim.AdamW(net.parameters(), lr=0.1)
    net(pyrite.ones(1, 2)).sum().backward()
    optimizer.step()
    for other in (copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))):
        assert other.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]
        ours = [s["exp_avg"].tolist() for s in optimizer.state.values()]
        assert [s["exp_avg"].tolist() for s in other.state.values()] == ours


def test_containers() -> None:
    layers = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(layers[:2]) == 2
    assert layers[-1].out_features == 1
    del layers[1]
    assert [n for n, _ in layers.named_children()] == ["0", "1"]
    layers.insert(1, nn.Tanh())
    assert type(layers[1]) is nn.Tanh
    listed = nn.ModuleList([nn.ReLU()])
    listed += [nn.Tanh()]
    assert [type(m) for m in listed] == [nn.ReLU, nn.Tanh]
    named = nn.ModuleDict({"a": nn.ReLU()})
    named.update({"b": nn.Tanh()})
    assert list(named) == ["a", "b"]
    params = nn.ParameterList([pyrite.ones(2), nn.Parameter(pyrite.zeros(1))])
    params.append(pyrite.ones(3))
    assert [p.numel() for p in params] == [2, 1, 3]
    assert all(isinstance(p, nn.Parameter) for p in params)
    with pytest.raises(IndexError, match="range"):
        params[3]


def test_initial_values() -> None:
    pyrite.manual_seed(0)
    layer = nn.Linear(400, 300)
    bound = 1 / 20
    assert layer.weight.abs().max().item() <= bound
    assert abs(layer.weight.std().item() - bound / 3**0.5) < 1e-3
    weight = pyrite.empty(200, 100, 3)
    nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")
    assert abs(weight.std().item() - (2 / 600) ** 0.5) < 1e-3
    nn.init.xavier_uniform_(weight, gain=2.0)
    assert abs(weight.std().item() - 2 * (2 / 900) ** 0.5) < 1e-3
    nn.init.trunc_normal_(weight, std=0.5, a=-0.5, b=1.0)
    assert -0.5 <= weight.min().item() <= weight.max().item() <= 1.0
    assert nn.init.calculate_gain("leaky_relu", 0.2) == (2 / 1.04) ** 0.5
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        nn.init.xavier_normal_(pyrite.empty(3))


def test_sync_batch_norm_of_one_process_is_batch_norm() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4)), nn.BatchNorm2d(4))
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(plain))
    assert [type(m).__name__ for m in converted.modules()].count("SyncBatchNorm") == 2
    assert list(converted.state_dict()) == list(plain.state_dict())
    x = pyrite.randn(5, 3, 2, 2)
    for model in (plain, converted):
        model(x).square().sum().backward()
    assert pyrite.equal(plain(x), converted(x))
    pairs = zip(plain.parameters(), converted.parameters(), strict=True)
    assert all(pyrite.equal(p.grad, c.grad) for p, c in pairs)
    assert pyrite.equal(plain.eval()(x), converted.eval()(x))
    with pytest.raises(ValueError, match="at least 2D"):
        nn.SyncBatchNorm(4)(pyrite.ones(4))
