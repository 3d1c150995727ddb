"""Your own ops, as in `torch.library`: a function, kernels for devices, and a derivative.

    @pyrite.library.custom_op("mine::cube", mutates_args=())
    def cube(x: pyrite.Tensor) -> pyrite.Tensor:
        return pyrite.from_numpy(x.numpy() ** 3)

    @cube.register_kernel("cuda")
    def _(x): ...                       # a Numba CUDA or CuPy kernel

    cube.register_autograd(
        lambda ctx, g: 3 * ctx.saved_tensors[0] ** 2 * g,
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )

With `check=True`, or the environment variable PYRITE_CHECK_OPS=1, the first call of an op on each
device also runs `opcheck`: derivative against differences, kernel against function.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ._composites.random import randn
from ._dtypes import float64
from ._inplace import check_writable
from ._storage import storage_of
from ._tensor import F, Tensor
from ._trees import flatten, tree_map
from .autograd.check import GradcheckError, gradcheck
from .autograd.function import Function
from .autograd.modes import no_grad

__all__ = ["custom_op", "opcheck", "register_autograd", "register_fake", "register_kernel"]

_OPS: dict[str, CustomOp] = {}
_WHOLE = 100  # elements up to which a gradient is checked one by one, not along a direction


class CustomOp:
    """What `custom_op` makes of a function: callable like it, recorded, one kernel per device."""

    def __init__(
        self, name: str, function: Callable[..., Any], mutates: Iterable[str], check: bool
    ) -> None:
        functools.update_wrapper(self, function)
        self.name, self.check = name, check
        self.kernels: dict[str | None, Callable[..., Any]] = {}
        self._signature = inspect.signature(function)
        names = list(self._signature.parameters)
        self._mutated = range(len(names)) if mutates == "unknown" else [
            names.index(n) for n in mutates
        ]  # fmt: skip
        self._keyword_only = [
            n for n, p in self._signature.parameters.items() if p.kind is p.KEYWORD_ONLY
        ]
        self._checked: set[str] = set()
        self._fake: Callable[..., Any] | None = None
        self.register_autograd(None)

    def __repr__(self) -> str:
        return f"<CustomOp({self.name})>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = tuple(bound.arguments.values())
        if self.check and (where := _device(values)) not in self._checked:
            self._checked.add(where)
            opcheck(self, values)
        return self._apply(values)

    def _apply(self, values: tuple[Any, ...]) -> Any:
        for value in values:
            if isinstance(value, list | tuple) and any(
                isinstance(v, Tensor) and v.requires_grad for v in value
            ):
                raise TypeError(
                    f"{self.name}: gradients of tensors in a list are not recorded; give each "
                    "tensor a parameter of its own"
                )
        written = [values[i] for i in self._mutated if isinstance(values[i], Tensor)]
        for tensor in written:
            check_writable(tensor, (), overlap=False)
        result = self._recorded.apply(*values)
        for tensor in written:
            storage_of(tensor).version += 1
        return result

    def run(self, *values: Any) -> Any:
        """The kernel of the operands' device on all arguments in order; not recorded."""
        kernel = self.kernels.get(_device(values)) or self.kernels.get(None)
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.name}' with arguments from the '{_device(values)}' backend: "
                f"it has kernels for {sorted(map(str, self.kernels))}; add one with "
                "register_kernel"
            )
        split = len(values) - len(self._keyword_only)
        plain = [_detached(v) for v in values]
        return kernel(*plain[:split], **dict(zip(self._keyword_only, plain[split:], strict=True)))

    def register_kernel(
        self, device_types: str | Sequence[str] | None, fn: Callable[..., Any] | None = None, /
    ) -> Any:
        """Register the function that computes the op on these device types; a decorator."""
        names = [device_types] if device_types is None or isinstance(device_types, str) else [
            *device_types
        ]  # fmt: skip

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            self.kernels.update(dict.fromkeys(names, function))
            self._checked.difference_update(map(str, names))
            return function

        return register if fn is None else register(fn)

    def register_fake(self, fn: Callable[..., Any], /) -> Callable[..., Any]:
        """Say shape and dtype of the result without computing it; `opcheck` compares them."""
        self._fake = fn
        return fn

    def register_autograd(
        self, backward: Callable[..., Any] | None, /, *,
        setup_context: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        """Give the derivative.

        Args:
            backward: `(ctx, *grads)`: the gradients of the arguments, None where there is none.
                Written with ops that have derivatives, it can be differentiated again.
            setup_context: `(ctx, inputs, output)`: keeps what backward needs on `ctx`.
        """

        def refuse(ctx: Any, *grads: Any) -> Any:
            raise RuntimeError(
                f"Trying to backward through {self.name} but no autograd formula was registered. "
                "Please use register_autograd to add one."
            )

        def nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            return None

        self._checked = set()
        parts = {
            "forward": self.run, "backward": backward or refuse,
            "setup_context": setup_context or nothing,
        }  # fmt: skip
        methods: dict[str, Any] = {n: staticmethod(f) for n, f in parts.items()}
        self._differentiable = backward is not None
        self._recorded: Any = type(self.name.replace("::", "_"), (Function,), methods)


def _detached(value: Any) -> Any:
    """The same memory without history, so that a kernel may call `.numpy()`."""
    return tree_map(lambda v: v.detach() if isinstance(v, Tensor) else v, value)


def _device(values: Iterable[Any]) -> str:
    """The device type of the first tensor."""
    flat = (v for a in values for v in (a if isinstance(a, list | tuple) else (a,)))
    return next((v.device.type for v in flat if isinstance(v, Tensor)), "cpu")


def custom_op(
    name: str, fn: Callable[..., Any] | None = None, /, *, mutates_args: str | Iterable[str],
    device_types: str | Sequence[str] | None = None, schema: str | None = None,
    tags: Any = None, check: bool | None = None,
) -> Any:  # fmt: skip
    """Make an op of a function of Tensors; a decorator.

    The function runs unrecorded: it may use `x.numpy()`, CuPy or Numba on the tensors' memory.

    Args:
        name: "namespace::name".
        mutates_args: the names of the arguments that it writes to, or "unknown".
        device_types: where the function is the kernel; None: wherever no other is registered.
        schema, tags: accepted for programs written for PyTorch.
        check: run `opcheck` at the first call; None: if PYRITE_CHECK_OPS=1 is set.

    Raises:
        ValueError: the name is taken by another function's op, or has no namespace.
    """

    def define(function: Callable[..., Any]) -> CustomOp:
        if name.count("::") != 1:
            raise ValueError(f"custom_op: expected a name 'namespace::name', got {name!r}")
        known = _OPS.get(name)
        if known is not None and known.__wrapped__.__qualname__ != function.__qualname__:  # type: ignore[attr-defined]
            raise ValueError(f"custom_op: {name!r} is the op of another function, {known}")
        wanted = os.environ.get("PYRITE_CHECK_OPS", "0") != "0" if check is None else check
        op = _OPS[name] = CustomOp(name, function, mutates_args, wanted)
        op.register_kernel(device_types, function)
        return op

    return define if fn is None else define(fn)


def _find(op: str | CustomOp) -> CustomOp:
    if isinstance(op, CustomOp):
        return op
    if op not in _OPS:
        raise ValueError(f"no custom op named {op!r}; known are {sorted(_OPS)}")
    return _OPS[op]


def register_kernel(
    op: str | CustomOp, device_types: str | Sequence[str] | None,
    func: Callable[..., Any] | None = None, /,
) -> Any:  # fmt: skip
    """`CustomOp.register_kernel` of an op or its name."""
    return _find(op).register_kernel(device_types, func)


def register_fake(op: str | CustomOp, func: Callable[..., Any] | None = None, /) -> Any:
    """`CustomOp.register_fake` of an op or its name; a decorator."""
    return _find(op).register_fake if func is None else _find(op).register_fake(func)


def register_autograd(
    op: str | CustomOp, backward: Callable[..., Any], /, *,
    setup_context: Callable[..., Any] | None = None,
) -> None:  # fmt: skip
    """`CustomOp.register_autograd` of an op or its name."""
    _find(op).register_autograd(backward, setup_context=setup_context)


# ---- checks


def opcheck(
    op: CustomOp, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None, *,
    test_utils: Any = None, raise_exception: bool = True, atol: float = 1e-5, rtol: float = 1e-3,
) -> dict[str, Any]:  # fmt: skip
    """Check an op at a point: its kernels, its derivative, and that it changes nothing else.

    Floating inputs are checked as float64. Up to 100 elements, every entry of the Jacobian is
    compared with differences; above, the derivative along a random direction of each input.

    Returns:
        "SUCCESS" or the error, by the name of the check.

    Raises:
        RuntimeError: a check failed, and `raise_exception` is not False.
    """
    bound = op._signature.bind(*args, **(kwargs or {}))
    bound.apply_defaults()
    values = tuple([_precise(v) for v in bound.arguments.values()])
    checks = {
        "test_mutation": _check_mutation, "test_kernels": _check_kernels,
        "test_fake": _check_fake, "test_gradient": _check_gradient,
    }  # fmt: skip
    results: dict[str, Any] = {}
    for name, check in checks.items():
        results[name] = "SUCCESS"
        try:
            check(op, values, atol, rtol)
        except (GradcheckError, AssertionError) as error:
            if raise_exception:
                raise RuntimeError(f"opcheck of {op.name} failed in {name}: {error}") from error
            results[name] = error
    return results


def _precise(value: Any) -> Any:
    """A copy of an input in float64 if it is floating."""
    if not isinstance(value, Tensor):
        return value
    copied = F.clone(value.detach())
    copied = F.cast(copied, float64) if value.dtype.is_floating_point else copied
    return copied.requires_grad_(value.dtype.is_floating_point)


def _fresh(values: tuple[Any, ...]) -> list[Any]:
    return [F.clone(v.detach()) if isinstance(v, Tensor) else v for v in values]


def _outputs(result: Any) -> list[Tensor]:
    return [r for r in flatten(result)[0] if isinstance(r, Tensor)]


def _compare(what: str, got: list[Tensor], want: list[Tensor], atol: float, rtol: float) -> None:
    assert len(got) == len(want), f"{what} returns {len(got)} tensors, expected {len(want)}"
    for a, b in zip(got, want, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), (
            f"{what} returns {a.dtype} {list(a.shape)}, expected {b.dtype} {list(b.shape)}"
        )
        close = (a.cpu() - b.cpu()).abs() <= atol + rtol * b.cpu().abs() if a.numel() else None
        assert close is None or bool(close.all()), f"{what} gives other values: {a} and {b}"


def _check_mutation(op: CustomOp, values: tuple[Any, ...], atol: float, rtol: float) -> None:
    given = _fresh(values)
    with no_grad():
        op.run(*given)
    for i, (before, after) in enumerate(zip(values, given, strict=True)):
        if isinstance(before, Tensor) and i not in op._mutated:
            name = [*op._signature.parameters][i]
            assert before.detach().equal(after), f"argument '{name}' is changed; see mutates_args"


def _check_kernels(op: CustomOp, values: tuple[Any, ...], atol: float, rtol: float) -> None:
    """The kernel of the device against the function for all devices, where there are both."""
    special, general = op.kernels.get(_device(values)), op.kernels.get(None)
    if special is None or general is None:
        return
    with no_grad():
        want = _outputs(general(*_fresh(values)))
        _compare("the kernel", _outputs(op.run(*_fresh(values))), want, atol, rtol)


def _check_fake(op: CustomOp, values: tuple[Any, ...], atol: float, rtol: float) -> None:
    if op._fake is None:
        return
    with no_grad():
        got, fake = _outputs(op.run(*_fresh(values))), _outputs(op._fake(*_fresh(values)))
    facts = [[(t.shape, t.dtype) for t in ts] for ts in (got, fake)]
    assert facts[0] == facts[1], f"the result is {facts[0]}, register_fake says {facts[1]}"


def _check_gradient(op: CustomOp, values: tuple[Any, ...], atol: float, rtol: float) -> None:
    wanted = [v for v in values if isinstance(v, Tensor) and v.requires_grad]
    if not (op._differentiable and wanted) or op._mutated:
        return
    if sum(v.numel() for v in wanted) <= _WHOLE:
        gradcheck(lambda *a: op._apply(a), values, atol=atol, rtol=rtol)
        return
    directions = [randn(v.shape, dtype=float64, device=v.device) for v in wanted]
    weights: list[Tensor] = []

    def along(*steps: Tensor) -> Tensor:
        """A weighted sum of the outputs after a step along each input's direction."""
        pairs = iter(zip(steps, directions, strict=True))
        moved = [_step(v, *next(pairs)) if _is_in(v, wanted) else v for v in values]
        outs = [o for o in _outputs(op._apply(tuple(moved))) if o.requires_grad or weights]
        if not weights:
            weights.extend(randn(o.shape, dtype=o.dtype, device=o.device) for o in outs)
        total = F.sum(F.mul(outs[0], weights[0]))
        for out, weight in zip(outs[1:], weights[1:], strict=True):
            total = F.add(total, F.sum(F.mul(out, weight)))
        return total

    start = [F.full((), 0, float64, device=v.device).requires_grad_() for v in wanted]
    gradcheck(along, start, atol=atol, rtol=rtol)


def _is_in(value: Any, tensors: list[Tensor]) -> bool:
    return any(value is t for t in tensors)


def _step(value: Tensor, step: Tensor, direction: Tensor) -> Tensor:
    moved: Tensor = F.add(value.detach(), F.mul(direction, step))
    return moved
