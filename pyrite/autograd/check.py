"""Checks of derivatives against finite differences: `gradcheck` and `gradgradcheck`.

A complex tensor counts as a real one of twice as many elements, its real and imaginary parts: by
torch's convention the gradient of a real loss then holds the derivatives in both.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .._dtypes import complex128, float64
from .._tensor import F, Tensor
from . import modes
from .engine import grad


class GradcheckError(RuntimeError):
    """A derivative differs from the finite differences."""


Jacobian = list[list[float]]  # rows: real numbers of the input; columns: those of the output


def gradcheck(
    func: Callable[..., Any], inputs: Tensor | Sequence[Any], *, eps: float = 1e-6,
    atol: float = 1e-5, rtol: float = 1e-3, raise_exception: bool = True, nondet_tol: float = 0.0,
    check_undefined_grad: bool = True, check_grad_dtypes: bool = False, fast_mode: bool = False,
) -> bool:  # fmt: skip
    """Compare the gradients of `func` with central differences, element by element.

    Args:
        func: takes tensors, returns a tensor or several.
        inputs: those that need gradients should be float64 or complex128.
        eps: the step of the differences.
        atol: largest absolute difference of two entries of the Jacobians.
        rtol: largest difference relative to the numerical entry, added to `atol`.
        raise_exception: False returns False in place of an error.
        nondet_tol: largest difference between two backward passes.
        check_undefined_grad: check that outputs without gradient count as zero gradients.
        check_grad_dtypes: check that gradients have their input's dtype.
        fast_mode: accepted; every element is checked in any case.

    Raises:
        GradcheckError: the Jacobians differ; the message shows both.
        ValueError: no input needs a gradient.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check = _Check(func, arguments, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    try:
        check.check_inputs()
        check.run(check_undefined_grad)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


class _Check:
    """One function at one point."""

    def __init__(
        self, func: Callable[..., Any], inputs: tuple[Any, ...], eps: float, atol: float,
        rtol: float, nondet_tol: float, dtypes: bool,
    ) -> None:  # fmt: skip
        self.func, self.inputs = func, inputs
        self.eps, self.atol, self.rtol, self.nondet_tol = eps, atol, rtol, nondet_tol
        self.dtypes = dtypes
        # Positions of the inputs that need gradients, as they are counted in messages.
        self.wanted = [i for i, x in enumerate(inputs) if _needs_grad(x)]

    def check_inputs(self) -> None:
        """Refuse inputs for which finite differences say nothing."""
        if not self.wanted:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of "
                "them have requires_grad=True."
            )
        for i in self.wanted:
            x = self.inputs[i]
            if x.dtype not in (float64, complex128):
                warnings.warn(
                    f"Input #{i} requires gradient and is not a double precision floating point, "
                    f"but {x.dtype}: finite differences are likely to be too coarse.",
                    stacklevel=4,
                )
            if any(s == 0 and n > 1 for s, n in zip(x.stride(), x.shape, strict=True)):
                raise RuntimeError(
                    f"The {i}th input has a dimension with stride 0. gradcheck only supports "
                    "inputs that are non-overlapping to be able to compute the numerical "
                    "gradients correctly. Call .contiguous() on it before."
                )

    def run(self, undefined: bool) -> None:
        """All checks; GradcheckError at the first difference."""
        outputs = self.outputs()
        shown = _needing(outputs)
        if not shown:
            self.check_constant(outputs)
            return
        numerical = [self.numerical(i) for i in self.wanted]
        for number, output in enumerate(shown):
            analytical = self.analytical(output)
            for at, i in enumerate(self.wanted):
                self.compare(number, i, numerical[at][number], analytical[at])
            self.check_same(number, analytical, self.analytical(output))
            self.check_linear(number, output)
        if undefined and len(shown) > 1:
            self.check_undefined(shown)

    def outputs(self) -> list[Tensor]:
        return _tensors(self.func(*self.inputs))

    def moved(self, i: int, needed: bool, *steps: float) -> Iterator[list[list[list[float]]]]:
        """Per element of input `i`, the outputs' values after each step away from its value.

        `needed`: those of the outputs that need gradients, or of the others.
        """
        array = _reals(self.inputs[i])
        for index in _indices(array):
            before = array[index].copy()
            results = []
            for step in steps:
                array[index] = before + step
                results.append([_flat(o) for o in self.outputs() if _needs_grad(o) is needed])
            array[index] = before
            yield results

    def gradients(self, outputs: Sequence[Tensor], grads: Sequence[Tensor]) -> list[Any]:
        wanted = [self.inputs[i] for i in self.wanted]
        return list(grad(outputs, wanted, grads, retain_graph=True, allow_unused=True))

    def analytical(self, output: Tensor) -> list[Jacobian]:
        """One Jacobian per input, a column per backward pass."""
        sizes = [_reals(self.inputs[i]).size for i in self.wanted]
        jacobians: list[Jacobian] = [[[] for _ in range(n)] for n in sizes]
        for index in _indices(_reals(output)):
            seed = _zeros(output)
            _reals(seed)[index] = 1
            for at, g in enumerate(self.gradients([output], [seed])):
                self.check_gradient(self.wanted[at], g)
                column = [0.0] * sizes[at] if g is None else _flat(g)
                for row, value in zip(jacobians[at], column, strict=True):
                    row.append(value)
        return jacobians

    def check_gradient(self, i: int, g: Tensor | None) -> None:
        x = self.inputs[i]
        if g is not None and g.shape != x.shape:
            raise GradcheckError(
                f"Backward returned a gradient of shape {list(g.shape)} for input {i} of shape "
                f"{list(x.shape)}"
            )
        if self.dtypes and g is not None and g.dtype is not x.dtype:
            raise GradcheckError(
                f"Backward returned a gradient of dtype {g.dtype} for input {i} of {x.dtype}"
            )

    def numerical(self, i: int) -> list[Jacobian]:
        """One Jacobian per output that needs a gradient, a row per element of input `i`."""
        jacobians: list[Jacobian] = [[] for _ in _needing(self.outputs())]
        for ups, downs in self.moved(i, True, self.eps, -self.eps):
            for jacobian, up, down in zip(jacobians, ups, downs, strict=True):
                pairs = zip(up, down, strict=True)
                jacobian.append([(a - b) / (2 * self.eps) for a, b in pairs])
        return jacobians

    def compare(self, output: int, i: int, numerical: Jacobian, analytical: Jacobian) -> None:
        for expected, got in zip(itertools.chain(*numerical), itertools.chain(*analytical)):
            if not _close(got, expected, self.atol, self.rtol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {output} with respect to input {i},\n"
                    f"numerical:{_table(numerical)}\nanalytical:{_table(analytical)}\n"
                )

    def check_same(self, output: int, first: list[Jacobian], second: list[Jacobian]) -> None:
        """Two backward passes give equal gradients, up to `nondet_tol`."""
        for i, a, b in zip(self.wanted, first, second, strict=True):
            pairs = zip(itertools.chain(*a), itertools.chain(*b), strict=True)
            worst = max((abs(x - y) for x, y in pairs), default=0.0)
            if worst > self.nondet_tol:
                raise GradcheckError(
                    f"Backward is not reentrant: for output {output} and input {i} two passes with "
                    f"the same values differ by {worst}, more than nondet_tol={self.nondet_tol}"
                )

    def check_linear(self, number: int, output: Tensor) -> None:
        """A zero gradient of the output gives zero gradients of the inputs."""
        for i, g in zip(self.wanted, self.gradients([output], [_zeros(output)]), strict=True):
            if g is not None and any(_flat(g)):
                raise GradcheckError(
                    f"backward not multiplied by grad_output: a zero gradient of output {number} "
                    f"gives input {i} the gradient {g.tolist()}"
                )

    def check_undefined(self, outputs: Sequence[Tensor]) -> None:
        """No gradient for an output means a zero gradient."""
        for number, output in enumerate(outputs):
            seed = _varied(output)
            seeds = [seed if o is output else _zeros(o) for o in outputs]
            alone, full = self.gradients([output], [seed]), self.gradients(outputs, seeds)
            for i, a, b in zip(self.wanted, alone, full, strict=True):
                zeros = [0.0] * _reals(self.inputs[i]).size
                a, b = (zeros if g is None else _flat(g) for g in (a, b))
                if not all(_close(x, y, self.atol, self.rtol) for x, y in zip(a, b)):
                    raise GradcheckError(
                        "Expected backward function to handle undefined output grads: with a "
                        f"gradient for output {number} only, input {i} gets {a}, with zeros for "
                        f"the others {b}"
                    )

    def check_constant(self, outputs: Sequence[Tensor]) -> None:
        """Outputs that need no gradient do not depend on the inputs."""
        for i in self.wanted:
            for (changed,) in self.moved(i, False, self.eps):
                if any(_flat(a) != b for a, b in zip(outputs, changed, strict=True)):
                    raise GradcheckError(
                        "Numerical gradient for function expected to be zero: no output requires "
                        f"grad, but the outputs depend on input {i}"
                    )


def gradgradcheck(
    func: Callable[..., Any], inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Any] | None = None, *, eps: float = 1e-6, atol: float = 1e-5,
    rtol: float = 1e-3, gen_non_contig_grad_outputs: bool = False, raise_exception: bool = True,
    nondet_tol: float = 0.0, check_undefined_grad: bool = True, check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:  # fmt: skip
    """Compare the second derivatives of `func` with finite differences of its gradients.

    Args:
        func: as for `gradcheck`.
        inputs: as for `gradcheck`.
        grad_outputs: gradients of the outputs; fixed, irregular values if None.
        gen_non_contig_grad_outputs: make those values non-contiguous.

    The other arguments and the errors are those of `gradcheck`.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    seeds = _seeds(func, arguments, grad_outputs, gen_non_contig_grad_outputs)
    count = len(arguments)

    def first_derivative(*args: Any) -> tuple[Tensor, ...]:
        shown, wanted = _needing(_tensors(func(*args[:count]))), _needing(args[:count])
        grads = grad(shown, wanted, args[count:], create_graph=True, allow_unused=True)
        return tuple([g for g in grads if g is not None])

    return gradcheck(
        first_derivative, (*arguments, *seeds), eps=eps, atol=atol, rtol=rtol,
        raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_grad_dtypes=check_grad_dtypes,
        fast_mode=fast_mode,
    )  # fmt: skip


def _seeds(
    func: Callable[..., Any], inputs: tuple[Any, ...], given: Any, strided: bool
) -> tuple[Any, ...]:
    """Gradients of the outputs that need one, each a leaf that needs gradients itself."""
    if given is not None:
        return (given,) if isinstance(given, Tensor) else tuple(given)
    seeds = [_varied(o) for o in _needing(_tensors(func(*inputs)))]
    if strided:
        with modes.no_grad():
            seeds = [F.unbind(F.stack([s, s], -1), -1)[0].detach() for s in seeds]
    return tuple([s.requires_grad_() for s in seeds])


def _needs_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value.requires_grad


def _needing(values: Iterable[Any]) -> list[Any]:
    return [v for v in values if _needs_grad(v)]


def _tensors(result: Any) -> list[Tensor]:
    """The tensors that a function returned, alone or among others."""
    several = [result] if isinstance(result, Tensor) else list(result)
    return [o for o in several if isinstance(o, Tensor)]


def _reals(tensor: Tensor) -> Any:
    """The elements as a raw array of real numbers in the same memory."""
    if not tensor.dtype.is_complex:
        return tensor.array
    with modes.no_grad():
        return F.view_as_real(tensor.detach()).array


def _indices(array: Any) -> Iterator[tuple[int, ...]]:
    return itertools.product(*map(range, array.shape))


def _flat(tensor: Tensor) -> list[float]:
    """The elements in order, as Python numbers."""
    with modes.no_grad():
        return F.reshape(Tensor(_reals(tensor)), (-1,)).tolist()


def _zeros(tensor: Tensor) -> Tensor:
    with modes.no_grad():
        return F.zeros_like(tensor)


def _varied(tensor: Tensor) -> Tensor:
    """Fixed values between -1 and 1 without a pattern."""
    out = _zeros(tensor)
    numbers = _reals(out)
    for k, index in enumerate(_indices(numbers)):
        numbers[index] = (k * 0.6180339887498949 + 0.3) % 2.0 - 1.0
    return out


def _close(value: float, expected: float, atol: float, rtol: float) -> bool:
    if value != value or expected != expected:
        return value != value and expected != expected
    return value == expected or abs(value - expected) <= atol + rtol * abs(expected)


def _table(jacobian: Jacobian) -> str:
    rows = ["  ".join(f"{v: .6g}" for v in row) for row in jacobian]
    return "\n  " + "\n  ".join(rows)
