"""The sixteen workloads: model, data, training step. Nothing here knows which library it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import models
import numpy as np

Arrays: TypeAlias = tuple[np.ndarray[Any, Any], ...]
Data: TypeAlias = Callable[[np.random.Generator, int], Arrays]
WORDS, LENGTH = 4096, 128  # vocabulary of the language models, tokens of a text


@dataclass(frozen=True)
class Workload:
    """One row of the tables.

    Attributes:
        about: the sizes that the name leaves open.
        model: namespace -> module.
        batch: examples of a training step.
        inputs: random generator, batch size -> what the module is called with.
        targets: the same -> what the step compares with.
        optimizers: namespace, module -> the optimizers of a step.
        step: namespace, module, optimizers, inputs, targets -> the loss before the update.
    """

    about: str
    model: Callable[[Any], Any]
    batch: int
    inputs: Data
    targets: Data
    optimizers: Callable[[Any, Any], list[Any]]
    step: Callable[..., Any]


class Running:
    """A workload in one library: the module, its optimizers and the data of one batch.

    Args:
        t: torch or pyrite.
        name: the workload.
        weights: the module's state as NumPy arrays; drawn by the library where absent.
    """

    def __init__(self, t: Any, name: str, weights: dict[str, Any] | None = None) -> None:
        self.t, self.workload = t, WORKLOADS[name]
        t.manual_seed(0)
        self.model = self.workload.model(t)
        if weights is not None:
            self.model.load_state_dict({k: t.from_numpy(w) for k, w in weights.items()})
        self.optimizers = self.workload.optimizers(t, self.model)
        self.feed(self.workload.batch)

    def weights(self) -> dict[str, Any]:
        """Copies of the module's state as NumPy arrays."""
        return {k: w.detach().numpy().copy() for k, w in self.model.state_dict().items()}

    def feed(self, batch: int) -> None:
        """Use another batch, of another size: the same in either library."""
        rng = np.random.default_rng(batch)
        arrays = self.workload.inputs(rng, batch), self.workload.targets(rng, batch)
        self.inputs, self.targets = ([self.t.from_numpy(a) for a in part] for part in arrays)

    def widen(self) -> None:
        """Go on in float64."""
        self.model.double()
        self.optimizers = self.workload.optimizers(self.t, self.model)
        self.inputs, self.targets = (
            [x.double() if x.is_floating_point() else x for x in part]
            for part in (self.inputs, self.targets)
        )

    def step(self) -> Any:
        """Train once; returns the loss."""
        return self.workload.step(
            self.t, self.model, self.optimizers, self.inputs, self.targets
        )  # fmt: skip

    def forward(self) -> Any:
        """The module's output, nothing recorded; its mode is the caller's business."""
        with self.t.no_grad():
            return self.model(*self.inputs)


# ---- data


def normal(*shape: int) -> Data:
    """(batch, *shape) standard normal numbers."""
    return lambda rng, n: (rng.standard_normal((n, *shape), dtype=np.float32),)


def uniform(*shape: int) -> Data:
    """(batch, *shape) numbers in [0, 1)."""
    return lambda rng, n: (rng.random((n, *shape), dtype=np.float32),)


def indices(count: int, *shape: int) -> Data:
    """(batch, *shape) integers below `count`."""
    return lambda rng, n: (rng.integers(0, count, (n, *shape)),)


def both(*parts: Data) -> Data:
    """The arrays of all parts in a row."""
    return lambda rng, n: tuple(a for part in parts for a in part(rng, n))


def graph(rng: np.random.Generator, n: int, nodes: int = 64, degree: int = 8) -> Arrays:
    """`n` graphs in one: features, source and target of each edge, 1 / degree of its target."""
    count = n * nodes * degree
    target, first = rng.integers(0, n * nodes, count), rng.integers(0, nodes, count)
    source = target // nodes * nodes + first  # an edge stays within its graph
    found = np.bincount(target, minlength=n * nodes)[target]
    features = rng.standard_normal((n * nodes, 64), dtype=np.float32)
    return features, source, target, (1 / found[:, None]).astype(np.float32)


def texts(rng: np.random.Generator, n: int, words: int) -> Arrays:
    """Words of `n` texts of 20 to 120 words in a row, and where each text starts."""
    lengths = rng.integers(20, 121, n)
    return rng.integers(0, words, lengths.sum()), np.cumsum(lengths) - lengths


# ---- steps


def supervised(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The usual step with `loss(functional, output, *targets)`."""

    def step(t: Any, model: Any, optimizers: Any, inputs: Any, targets: Any) -> Any:
        (optimizer,) = optimizers
        optimizer.zero_grad()
        value = loss(t.nn.functional, model(*inputs), *targets)
        value.backward()
        optimizer.step()
        return value

    return step


classify = supervised(lambda f, out, labels: f.cross_entropy(out, labels))
next_token = supervised(lambda f, out, x: f.cross_entropy(out.flatten(0, 1), x.flatten()))
segment = supervised(lambda f, out, mask: f.binary_cross_entropy_with_logits(out, mask))


def masked_tokens(f: Any, out: Any, words: Any, places: Any) -> Any:
    """Cross-entropy at the places that were hidden, one in eight."""
    return f.cross_entropy(out.flatten(0, 1).index_select(0, places), words)


def evidence(f: Any, out: Any, images: Any) -> Any:
    """Minus the evidence lower bound, per image."""
    made, mean, logvar = out
    missed = f.binary_cross_entropy(made, images, reduction="sum")
    apart = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum()
    return (missed + apart) / len(images)


def adversarial(t: Any, model: Any, optimizers: Any, inputs: Any, targets: Any) -> Any:
    """One step of the judge on real and made images, then one of the maker."""
    judging, making = optimizers
    score = t.nn.functional.binary_cross_entropy_with_logits
    (noise,), (real,) = inputs, targets
    made = model.make(noise)
    judging.zero_grad()
    right, wrong = model.judge(real), model.judge(made.detach())
    loss = score(right, t.ones_like(right)) + score(wrong, t.zeros_like(wrong))
    loss.backward()
    judging.step()
    making.zero_grad()
    fooled = model.judge(made)
    other = score(fooled, t.ones_like(fooled))
    other.backward()
    making.step()
    return loss + other


def q_learning(t: Any, model: Any, optimizers: Any, inputs: Any, targets: Any) -> Any:
    """One step of the policy on replayed moves, and the target net a little after it."""
    (state,), (later, reward, action) = inputs, targets
    (optimizer,) = optimizers
    value = model.policy(state).gather(1, action)
    with t.no_grad():
        best = reward + 0.99 * model.target(later).max(1, keepdim=True).values
    loss = t.nn.functional.smooth_l1_loss(value, best)
    optimizer.zero_grad()
    loss.backward()
    t.nn.utils.clip_grad_value_(model.policy.parameters(), 100)
    optimizer.step()
    with t.no_grad():
        for old, new in zip(model.target.parameters(), model.policy.parameters()):
            old.lerp_(new, 0.005)
    return loss


def one(name: str, **options: Any) -> Callable[[Any, Any], list[Any]]:
    """An optimizer of all parameters."""
    return lambda t, model: [getattr(t.optim, name)(model.parameters(), **options)]


def two(t: Any, model: Any) -> list[Any]:
    """Adam for either net of a DCGAN."""
    options = {"lr": 2e-4, "betas": (0.5, 0.999)}
    return [t.optim.Adam(net.parameters(), **options) for net in (model.judge, model.make)]


# ---- the table

ADAM, ADAMW = one("Adam", lr=1e-3), one("AdamW", lr=3e-4)
MOMENTUM = one("SGD", lr=0.01, momentum=0.9)
CLASSES, BATCH_OF_TEXT = indices(10), indices(WORDS, LENGTH)
IMAGES = normal(3, 32, 32)
LETTERS = 96


def hidden(rng: np.random.Generator, n: int) -> Arrays:
    """The words hidden in `n` texts, and their places in all of them."""
    count = n * LENGTH // 8
    return rng.integers(0, WORDS, count), rng.choice(n * LENGTH, count, replace=False)


def characters(kind: str) -> Workload:
    """A recurrent model of 64 characters."""
    letters = indices(LETTERS, 64)
    model = partial(models.recurrent, kind=kind, letters=LETTERS)
    about = "embedding 64, 2 layers of 128, T64, b32, Adam"
    return Workload(about, model, 32, letters, letters, ADAM, next_token)


WORKLOADS = {
    "MLP": Workload(
        "784-512-512-10, b128, Adam", models.mlp, 128, normal(784), CLASSES, ADAM, classify
    ),
    "tiny MLP": Workload(
        "16-32-32-4, b8, SGD", partial(models.mlp, sizes=(16, 32, 32, 4)), 8, normal(16),
        indices(4), one("SGD", lr=0.1), classify,
    ),
    "LeNet": Workload(
        "28x28, b64, SGD momentum", models.lenet, 64, normal(1, 28, 28), CLASSES, MOMENTUM, classify
    ),
    "ResNet-18": Workload(
        "32x32, b32, SGD momentum", models.resnet18, 32, IMAGES, CLASSES, MOMENTUM, classify
    ),
    "depthwise CNN": Workload(
        "32x32, b32, SGD momentum", models.mobilenet, 32, IMAGES, CLASSES, MOMENTUM, classify
    ),
    "U-Net": Workload(
        "64x64, width 32, b8, Adam", models.unet, 8, normal(3, 64, 64),
        lambda rng, n: (rng.integers(0, 2, (n, 1, 64, 64)).astype(np.float32),), ADAM, segment,
    ),
    "VAE": Workload(
        "784-400-20, b128, Adam", models.vae, 128, both(uniform(784), normal(20)), uniform(784),
        ADAM, supervised(evidence),
    ),
    "DCGAN": Workload(
        "32x32, width 64, b32, Adam twice", models.dcgan, 32, normal(100, 1, 1), IMAGES, two,
        adversarial,
    ),
    "LSTM": characters("LSTM"),
    "GRU": characters("GRU"),
    "GPT": Workload(
        "4 layers of 256, T128, b8, AdamW",
        partial(models.gpt, letters=WORDS, width=256, heads=4, depth=4), 8, BATCH_OF_TEXT,
        BATCH_OF_TEXT, ADAMW, next_token,
    ),
    "BERT": Workload(
        "4 layers of 256, T128, b8, AdamW", partial(models.bert, words=WORDS), 8, BATCH_OF_TEXT,
        hidden, ADAMW, supervised(masked_tokens),
    ),
    "ViT": Workload(
        "6 layers of 192, 4x4 patches of 32x32, b32, AdamW", models.vit, 32, IMAGES, CLASSES,
        ADAMW, classify,
    ),
    "GCN": Workload(
        "32 graphs of 64 nodes, 64-128-128-8, Adam", models.gcn, 32, graph,
        lambda rng, n: (rng.integers(0, 8, 64 * n),), ADAM, classify,
    ),
    "embedding bag": Workload(
        "20,000 words of 64, b64, Adam", partial(models.bag, words=20_000), 64,
        partial(texts, words=20_000), indices(4), ADAM, classify,
    ),
    "DQN": Workload(
        "4-128-128-2, b128, AdamW with AMSGrad", models.dqn, 128, normal(4),
        both(normal(4), normal(1), indices(2, 1)),
        lambda t, m: [t.optim.AdamW(m.policy.parameters(), lr=1e-4, amsgrad=True)], q_learning,
    ),
}  # fmt: skip
