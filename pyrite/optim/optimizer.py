"""`Optimizer`: parameter groups, state, hooks and files; the rules are subclasses."""

from __future__ import annotations

import copy
import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeAlias

from .. import backends
from .._tensor import F, Tensor
from ..autograd import modes
from ..autograd.hooks import add_hook, clear_grads, new_arguments
from ..autograd.node import RemovableHandle
from ._state import counter, current

Params: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
Group: TypeAlias = dict[str, Any]
State: TypeAlias = dict[str, Any]
Hooks: TypeAlias = dict[int, Callable[..., Any]]

# An option that a group must give because the optimizer has no default for it.
required: Any = type("required", (), {"__repr__": lambda self: "<required parameter>"})()

_every_pre: Hooks = {}
_every_post: Hooks = {}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before each step of every optimizer."""
    return add_hook(_every_pre, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after each step of every optimizer."""
    return add_hook(_every_post, hook)


def _hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """`step` between its hooks; notes that a step was made, for the schedulers."""

    @functools.wraps(step)
    def wrapper(self: Optimizer, *rest: Any, **kwargs: Any) -> Any:
        args: tuple[Any, ...] = (self, *rest)
        self._opt_called = True
        for hook in (*_every_pre.values(), *self._hooks["step_pre"].values()):
            args, kwargs = new_arguments(hook, hook(self, args, kwargs), args, kwargs)
        out = step(*args, **kwargs)
        for hook in (*self._hooks["step_post"].values(), *_every_post.values()):
            hook(self, args, kwargs)
        return out

    return wrapper


class Optimizer:
    """Base of all optimizers.

    A subclass states its rule as `_update(group, params, grads, states)`, called once for all
    parameters of a group that share dtype, device and step count, and `_new_state(group, param)`.
    A subclass may also override `step` instead, as in PyTorch.

    Args:
        params: tensors, `(name, tensor)` pairs, or dicts with "params" and own options, in an
            order that is the same in every run.
        defaults: options for the groups that do not give them.

    Raises:
        TypeError: `params` is a tensor or a set, or holds something else than leaf tensors.
        ValueError: no parameter, one in two groups, or a tensor that is no leaf.
    """

    defaults: dict[str, Any]
    state: defaultdict[Any, Any]
    param_groups: list[Group]
    _opt_called = False
    _sparse = False  # whether gradients are sparse
    # The rule: (group, params, grads, states), one step for all of them.
    _update: Callable[[Group, list[Tensor], list[Tensor], list[State]], None]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {type(params).__name__}; wrap a single one in a list"
            )
        self.defaults = defaults
        self.state, self.param_groups = defaultdict(dict), []
        self._hooks: defaultdict[str, Hooks] = defaultdict(dict)
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError(
                "optimizer got an empty parameter list (a generator can be used only once: does "
                "the module have parameters, and was parameters() called anew?)"
            )
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {n: getattr(self, n) for n in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__.setdefault("_hooks", defaultdict(dict))

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {key}: {group[key]}" for key in sorted(group) if key != "params"]
        return "\n".join([*lines, ")"])

    # ---- groups

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own (a dict with "params" and options)."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params, names = _separate(param_group["params"])
        for param in params:
            _check_param(param)
        param_group |= {"params": params, "param_names": names} if names else {"params": params}
        for name, default in self.defaults.items():
            if param_group.setdefault(name, default) is required:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
        self._check_group(param_group)
        self.param_groups.append(param_group)

    def _check_group(self, new: Group) -> None:
        params, named = new["params"], "param_names" in new
        if len(set(params)) != len(params):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error",
                stacklevel=4,
            )
        if any(named != ("param_names" in group) for group in self.param_groups):
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                f"{'with' if named else 'without'} names to the optimizer"
            )
        if not set(params).isdisjoint(_params_of(self.param_groups)):
            raise ValueError("some parameters appear in more than one parameter group")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters (None), or fill them with zeros."""
        clear_grads(_params_of(self.param_groups), set_to_none)

    # ---- steps

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have a gradient; return what `closure` returned.

        Args:
            closure: clears the gradients, computes the loss, calls backward, returns the loss.
        """
        loss = None
        if closure is not None:
            with modes.enable_grad():
                loss = closure()
        with modes.no_grad():
            for group in self.param_groups:
                options = current(group)
                for params, states in self._batches(group):
                    grads = [p._grad for p in params if p._grad is not None]
                    self._update(options, params, grads, states)
        return loss

    def _batches(self, group: Group) -> Iterable[tuple[list[Tensor], list[State]]]:
        """Parameters with a gradient and their states, by dtype, device and step count."""
        batches: dict[Any, tuple[list[Tensor], list[State]]] = {}
        for param in group["params"]:
            if param._grad is None:
                continue
            if type(param._grad) is not Tensor and param._grad.is_sparse != self._sparse:
                raise RuntimeError(
                    f"{type(self).__name__} does not support sparse gradients; use SparseAdam, or "
                    "make them dense with grad.to_dense()"
                )
            state = self.state.get(param)
            if not state:
                state = self._new_state(group, param)
                if state:
                    modes.tell("first_step")
                    self.state[param] = state
            array = param.array
            place = backends.of(array).current_device(array)
            batch = batches.setdefault((type(array), array.dtype, place, _age(state)), ([], []))
            batch[0].append(param)
            batch[1].append(state)
        return batches.values()

    def _new_state(self, group: Group, param: Tensor) -> State:
        """The state of a parameter before its first step."""
        return {}

    # ---- hooks

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new ones."""
        return add_hook(self._hooks["step_pre"], hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return add_hook(self._hooks["step_post"], hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict`."""
        return add_hook(self._hooks["save_pre"], hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after `state_dict`; it may return another one."""
        return add_hook(self._hooks["save_post"], hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; it may return another one."""
        return add_hook(self._hooks["load_pre"], hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after `load_state_dict`."""
        return add_hook(self._hooks["load_post"], hook, prepend)

    # ---- files

    def state_dict(self) -> dict[str, Any]:
        """`{"state": {index: state}, "param_groups": [options with "params": [indices]]}`."""
        for hook in self._hooks["save_pre"].values():
            hook(self)
        index: dict[Any, int] = {}
        for i, param in enumerate(_params_of(self.param_groups)):
            index.setdefault(param, i)
        result: dict[str, Any] = {
            "state": {index.get(k, k): v for k, v in self.state.items()},
            "param_groups": [
                {**g, "params": [index[p] for p in g["params"]]} for g in self.param_groups
            ],
        }
        for hook in self._hooks["save_post"].values():
            result = hook(self, result) or result
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and a copy of the state, in each parameter's dtype and device.

        ValueError if the number of groups or of parameters in a group differs.
        """
        state_dict = state_dict.copy()
        for hook in self._hooks["load_pre"].values():
            state_dict = hook(self, state_dict) or state_dict
        saved = copy.deepcopy(state_dict["param_groups"])
        _check_sizes(self.param_groups, saved)
        owner = dict(zip(_params_of(saved), _params_of(self.param_groups)))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            param = owner.get(key)
            state[key if param is None else param] = value if param is None else _fit(param, value)
        for i, group in enumerate(self.param_groups):
            own = {k: group[k] for k in ("params", "param_names") if k in group}
            saved[i] = {**self.defaults, **own, **saved[i], "params": group["params"]}
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._hooks["load_post"].values():
            hook(self)


def _separate(params: Any) -> tuple[list[Any], list[str]]:
    """The parameters of a group and their names, if it has any."""
    if isinstance(params, Tensor):
        return [params], []
    if isinstance(params, set | frozenset):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead."
        )
    entries = list(params)
    names = [e[0] for e in entries if isinstance(e, tuple)]
    if names and len(names) != len(entries):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    return [e[1] if isinstance(e, tuple) else e for e in entries], names


def _age(state: State) -> Any:
    """The number of steps made, or how much state there is: what one call has in common."""
    if not state:
        return 0
    step = state.get("step")
    return sum(v is not None for v in state.values()) if step is None else int(step)


def _check_param(param: Any) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(
            f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}"
        )
    if param.grad_fn is not None and not param.retains_grad:
        raise ValueError(
            f"can't optimize a non-leaf Tensor (shape {list(param.shape)}, made by "
            f"{param.grad_fn.name()}); pass the leaf, or use .detach().requires_grad_()"
        )


def _params_of(groups: list[Group]) -> Iterable[Any]:
    return chain(*[g["params"] for g in groups])


def _check_sizes(groups: list[Group], saved: list[Group]) -> None:
    if len(groups) != len(saved):
        raise ValueError(
            "loaded state dict has a different number of parameter groups: expected "
            f"{len(groups)}, got {len(saved)}"
        )
    sizes = [(len(g["params"]), len(s["params"])) for g, s in zip(groups, saved)]
    if any(own != other for own, other in sizes):
        raise ValueError(
            "loaded state dict contains a parameter group that doesn't match the size of "
            f"optimizer's group: (expected, got) per group {sizes}"
        )


def _fit(param: Tensor, value: Any, key: str | None = None) -> Any:
    """A copy of a loaded value; tensors, but "step", in the parameter's dtype and device."""
    if isinstance(value, Tensor):
        own: Any = F.clone(value.detach())
        if key == "step":
            return own
        return own.to(param.device, param.dtype if param.dtype.is_floating_point else own.dtype)
    if key == "step":
        return counter(value)
    if isinstance(value, dict):
        return {k: _fit(param, v, k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_fit(param, v) for v in value])
    return value
