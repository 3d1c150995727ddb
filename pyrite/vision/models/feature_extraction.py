"""Intermediate results of a model by name, with torchvision's names.

A run of the model is watched: its layers through hooks, and what the model itself computes
between them as calls of ops. A name is the path of a layer, or the path of the layer whose code
calls a function and the function's name (`layer1.0.add`); repeated names get `_1`, `_2`.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

from ... import Tensor, nn, no_grad, zeros
from ...autograd import modes
from ...random import fork_rng
from .. import ops

__all__ = ["create_feature_extractor", "get_graph_node_names"]

Nodes = Sequence[str] | Mapping[str, str] | None
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Where functions are called and not written: models, and the forward of layers.
_CALLERS = tuple(os.path.join(_ROOT, *place) for place in (("vision", "models"), ("nn", "modules")))
_PLUMBING = {"method", "wrapped", "in_place_or_not", "function", "slow", "_intercepted"}
_OPS = tuple(v for v in vars(ops).values() if isinstance(v, type) and issubclass(v, nn.Module))


class _Enough(BaseException):
    """All that was asked for is there; no error, so that no layer explains it."""


class _Watch:
    """The interceptor and the hooks: names what a model computes, in order.

    Args:
        model: the model.
        leaves: classes of layers that are not looked into, beside Pyrite's own.
        wanted: the names whose values are kept; the run ends when all are there. None: all names
            are found, and no value is kept.
        layers: paths of layers. If given, nothing else is named, and the rest of the model runs
            unwatched, at full speed.
    """

    def __init__(
        self, model: nn.Module, leaves: tuple[type, ...], wanted: set[str] | None = None,
        layers: set[str] | None = None,
    ) -> None:  # fmt: skip
        self.model, self.leaves, self.wanted = model, (*_OPS, *leaves), wanted
        self.layers = layers
        self.paths = {m: path for path, m in reversed([*model.named_modules()])}
        self.origins: dict[str, str] = {}  # of nodes that layers make: the layer's path
        self.names: list[str] = []
        self.ran: set[nn.Module] = set()
        self.values: dict[str, Any] = {}
        self._times: dict[str, int] = {}
        self._running: list[nn.Module] = []
        self._frame: FrameType | None = None
        self._last: tuple[str, Any] = ("", None)

    def is_leaf(self, module: nn.Module) -> bool:
        """Whether a layer is one node: Pyrite's own, but for what only holds others."""
        own = type(module).__module__.startswith("pyrite.nn.")
        plain = own and not isinstance(module, nn.Sequential)
        return isinstance(module, self.leaves) or plain

    def run(self, *args: Any, **kwargs: Any) -> None:
        """Run the model, up to the last value that is wanted."""
        with ExitStack() as stack:
            for module, path in self.paths.items():
                if self.layers is not None and path not in self.layers:
                    continue
                for handle in (
                    module.register_forward_pre_hook(self._enter),
                    module.register_forward_hook(self._leave),
                ):
                    stack.callback(handle.remove)
            if self.layers is None:
                stack.enter_context(modes.intercept(self))
            try:
                bound = inspect.signature(self.model.forward).bind(*args, **kwargs)
                for name, value in bound.arguments.items():
                    self._node(name, value)
                self.model(*args, **kwargs)
                self._settle()
            except _Enough:
                pass
            finally:
                self._frame, self._last = None, ("", None)

    # ---- what happens

    def _enter(self, module: nn.Module, args: Any) -> None:
        if not self._in_leaf():
            self._settle()
            self.ran.add(module)
            self._running.append(module)

    def _leave(self, module: nn.Module, args: Any, out: Any) -> None:
        if module is not self._running[-1]:
            return
        self._running.pop()
        if self.is_leaf(module):
            self._node(self.paths[module], out)
            self.origins[self.names[-1]] = self.paths[module]
        self._settle()

    def _in_leaf(self) -> bool:
        return bool(self._running) and self.is_leaf(self._running[-1])

    def __call__(self, op: Any, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        if result is not None and self._running and not self._in_leaf():
            frame, name = _called(op.name, sys._getframe(1))
            if name.endswith("pool"):  # one function for all numbers of dimensions
                name += f"{args[0].ndim - 2}d"
            if frame is self._frame:
                self._last = (self._last[0], result)
            else:
                path = self.paths[self._running[-1]]
                self._node(f"{path}.{name}" if path else name, result)
                self._frame = frame
        return result

    # ---- names and values

    def _node(self, path: str, value: Any) -> None:
        self._settle()
        base = _stem(path)
        times = self._times[base] = self._times.get(base, -1) + 1
        name = f"{base}_{times}" if times else base
        self.names.append(name)
        self._last, self._frame = (name, value), None

    def _settle(self) -> None:
        """The node before is complete: the last op of a function made its result."""
        name, value = self._last
        if self.wanted is not None and name in self.wanted:
            self.values[name] = value
            if len(self.values) == len(self.wanted):
                raise _Enough


def _stem(name: str) -> str:
    """A name without the number at its end."""
    return re.sub(r"(?<=.)_[0-9]+$", "", name)


def _called(op: str, frame: FrameType | None) -> tuple[FrameType | None, str]:
    """The call of a public function that a model's code made, and the function's name."""
    found, name = frame, op
    while frame is not None and _is_inside(frame.f_code.co_filename):
        if frame.f_code.co_name not in _PLUMBING:
            found, name = frame, frame.f_code.co_name
        frame = frame.f_back
    return found, name.strip("_")


def _is_inside(file: str) -> bool:
    return file.startswith("<pyrite ") or (
        file.startswith(_ROOT + os.sep) and not file.startswith(_CALLERS)
    )


# ---- a run on an example, in each mode


@contextmanager
def _as_it_was(model: nn.Module) -> Iterator[None]:
    """Modes, buffers and random numbers are put back afterwards."""
    training = {m: m.training for m in model.modules()}
    buffers = [(b, b.clone()) for b in model.buffers()]
    try:
        with fork_rng(), no_grad():
            yield
    finally:
        for m, before in training.items():
            m.training = before
        with no_grad():
            for buffer, before_run in buffers:
                buffer.copy_(before_run)


def _example(model: nn.Module, example: Any) -> tuple[Any, ...]:
    if example is not None:
        return (example,) if isinstance(example, Tensor) else tuple(example)
    like = next((p for p in model.parameters() if p.is_floating_point()), None)
    place = {} if like is None else {"dtype": like.dtype, "device": like.device}
    return (zeros(2, 3, 224, 224, **place),)


def _traced(
    model: nn.Module, training: bool, leaves: tuple[type, ...], example: Any,
    wanted: set[str] | None = None,
) -> _Watch:  # fmt: skip
    watch, inputs = _Watch(model, leaves, wanted), _example(model, example)
    with _as_it_was(model):
        model.train(training)
        try:
            watch.run(*inputs)
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            if example is not None:
                raise
            shape = tuple(inputs[0].shape)
            raise ValueError(
                f"the model does not run on zeros of shape {shape}: give the input, or a tuple of "
                "inputs, as example="
            ) from error
    return watch


def _leaves(tracer_kwargs: Mapping[str, Any] | None) -> tuple[type, ...]:
    return tuple((tracer_kwargs or {}).get("leaf_modules", ()))


def _warn(train: list[str], evaluation: list[str], suppress: bool) -> None:
    if train != evaluation and not suppress:
        warnings.warn(
            "The nodes in train mode are different to those in eval mode: you may need to specify "
            "train_return_nodes and eval_return_nodes separately.",
            UserWarning,
            stacklevel=3,
        )


def get_graph_node_names(
    model: nn.Module, tracer_kwargs: Mapping[str, Any] | None = None,
    suppress_diff_warning: bool = False, *, example: Any = None,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The names of what a model computes, in order: in training, and in evaluation.

    The model runs twice, on an example; its state stays as it is. Pyrite's layers and
    `vision.ops` are one node each. torchvision, which does not run the model, also lists what is
    done to sizes, and parameters by themselves.

    Args:
        model: the model.
        tracer_kwargs: `leaf_modules` in it are classes of more layers that are one node.
        suppress_diff_warning: do not warn where the modes differ.
        example: the input, or a tuple of inputs; None: zeros of shape (2, 3, 224, 224).
    """
    leaves = _leaves(tracer_kwargs)
    train, evaluation = (_traced(model, t, leaves, example).names for t in (True, False))
    _warn(train, evaluation, suppress_diff_warning)
    return train, evaluation


# ---- extractors


class FeatureExtractor(nn.Module):
    """What `create_feature_extractor` makes: gives a dict of what was asked for.

    It has the layers of the model that it needs, under their names; they are the model's own.
    """

    def __init__(
        self, model: nn.Module, leaves: tuple[type, ...],
        nodes: dict[bool, tuple[dict[str, str], set[str] | None]], ran: set[nn.Module],
    ) -> None:  # fmt: skip
        super().__init__()
        self._model = (model,)  # in a tuple, since its layers are registered one by one
        self._leaves, self._nodes = leaves, nodes
        _take(self, model, ran, _Watch(model, leaves))

    def train(self, mode: bool = True) -> FeatureExtractor:
        self._model[0].train(mode)
        super().train(mode)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        nodes, layers = self._nodes[self.training]
        watch = _Watch(self._model[0], self._leaves, set(nodes), layers)
        watch.run(*args, **kwargs)
        return OrderedDict((key, watch.values[name]) for name, key in nodes.items())


def _take(target: nn.Module, source: nn.Module, ran: set[nn.Module], watch: _Watch) -> None:
    """Let `target` hold the layers of `source` that ran, and its own parameters."""
    target._parameters.update(source._parameters)
    target._buffers.update(source._buffers)
    target._non_persistent_buffers_set |= source._non_persistent_buffers_set
    for name, child in source._modules.items():
        if child not in ran:
            continue
        part = child
        if not watch.is_leaf(child):
            part = nn.Module()
            _take(part, child, ran, watch)
        target._modules[name] = part


def create_feature_extractor(
    model: nn.Module, return_nodes: Nodes = None, train_return_nodes: Nodes = None,
    eval_return_nodes: Nodes = None, tracer_kwargs: Mapping[str, Any] | None = None,
    suppress_diff_warning: bool = False, *, example: Any = None,
) -> FeatureExtractor:  # fmt: skip
    """A module that gives intermediate results of a model, as a dict, and computes no more.

    Args:
        model: the model, whose layers the result shares.
        return_nodes: the names, as `get_graph_node_names` lists them or the first parts of such a
            name, which stands for the last node below it (`layer1`): a list, or a dict from
            names to the keys of the result.
        train_return_nodes, eval_return_nodes: the same for each mode apart.
        tracer_kwargs, suppress_diff_warning, example: as for `get_graph_node_names`.

    Raises:
        ValueError: there is no such node; or neither `return_nodes` nor both of the others.
    """
    apart = (train_return_nodes is None, eval_return_nodes is None)
    if apart[0] != apart[1] or (return_nodes is None) == apart[0]:
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, "
            "should be specified"
        )
    asked = {True: train_return_nodes or return_nodes, False: eval_return_nodes or return_nodes}
    leaves, found, ran = _leaves(tracer_kwargs), {}, set[nn.Module]()
    names = []
    for training, queries in asked.items():
        watch = _traced(model, training, leaves, example)
        names.append(watch.names)
        nodes = _resolved(watch.names, queries)
        found[training] = nodes, _layers(watch, set(nodes))
        ran |= _traced(model, training, leaves, example, set(nodes)).ran
    _warn(names[0], names[1], suppress_diff_warning)
    return FeatureExtractor(model, leaves, found, ran).train(model.training)


def _layers(watch: _Watch, wanted: set[str]) -> set[str] | None:
    """The layers that make the nodes; None if functions do, or share names with layers."""
    places = {name: watch.origins.get(name) for name in watch.names}
    stems = {_stem(name) for name in wanted}
    alike = {place for name, place in places.items() if _stem(name) in stems}
    return None if None in alike else {str(place) for place in alike}


def _resolved(names: list[str], queries: Nodes) -> dict[str, str]:
    """The name of each node that is asked for, in order of the run, and its key."""
    pairs = queries.items() if isinstance(queries, Mapping) else [(q, q) for q in queries or ()]
    found: dict[int, str] = {}
    for query, key in pairs:
        places = [i for i, n in enumerate(names) if n == query or n.startswith(f"{query}.")]
        if not places:
            raise ValueError(
                f"node: '{query}' is not present in model. Hint: use `get_graph_node_names` to "
                "make sure the `return_nodes` you specified are present. It may even be that you "
                "need to specify `train_return_nodes` and `eval_return_nodes` separately."
            )
        found[places[-1]] = str(key)
    return {names[place]: found[place] for place in sorted(found)}
