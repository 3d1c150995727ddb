"""Products of matrices and vectors, written with `matmul`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .._dtypes import bool_
from .._errors import describe, wrap_dim
from .._tensor import F, Tensor
from ._register import composite
from ._shapes import same_dtype
from .einsum import contract, einsum
from .shape import conj, reshape


def check_dims(name: str, **operands: tuple[Tensor, int]) -> None:
    """RuntimeError unless each operand has its number of dimensions."""
    if any(t.ndim != n for t, n in operands.values()):
        wanted = " and ".join(f"{k} {n}-D" for k, (_, n) in operands.items())
        got = " and ".join(f"{t.ndim}D" for t, _ in operands.values())
        shapes = ", ".join(describe(t) for t, _ in operands.values())
        raise RuntimeError(f"{name}: expected {wanted} tensors, but got {got} tensors ({shapes})")


@composite(out=True)
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices, (n, k) and (k, m)."""
    check_dims("mm", self=(input, 2), mat2=(mat2, 2))
    return F.matmul(input, mat2)


@composite(out=True)
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of the matrices of two batches, (b, n, k) and (b, k, m)."""
    check_dims("bmm", batch1=(input, 3), batch2=(mat2, 3))
    if mat2.shape[0] != input.shape[0]:
        raise RuntimeError(
            f"batch2 must have the batch size of batch1: expected {input.shape[0]}, got "
            f"{mat2.shape[0]} ({describe(input)} and {describe(mat2)})"
        )
    return F.matmul(input, mat2)


@composite(out=True)
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix (n, m) and a vector (m,)."""
    check_dims("mv", input=(input, 2), vec=(vec, 1))
    return F.matmul(input, vec)


@composite(out=True)
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements."""
    check_dims("dot", input=(input, 1), tensor=(tensor, 1))
    return F.matmul(input, tensor)


@composite(out=True)
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """`dot`, with the first vector conjugated if it is complex."""
    return dot(conj(input), other)


@composite(out=True, aliases=("ger",))
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements: (n,) and (m,) give (n, m)."""
    check_dims("outer", self=(input, 1), vec2=(vec2, 1))
    return F.mul(reshape(input, (-1, 1)), vec2)


@composite(out=True)
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products of the last dimensions' vectors: (..., k) and (*, k) give (..., *)."""
    if input.ndim == 0 or other.ndim == 0:
        return F.mul(input, other)
    return tensordot(input, other, ([-1], [-1]))


@composite(aliases=("linalg.vecdot",), out=True, public="f")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sum of products along `dim`, x conjugated; the other dimensions broadcast."""
    return F.sum(F.mul(conj(x), y), dim)


def _scaled(x: Tensor, factor: Any) -> Tensor:
    """`factor * x` in the dtype of x; x itself for 1."""
    if factor == 1:
        return x
    kind = x.dtype
    if not (kind.is_floating_point or kind.is_complex):
        factor = bool(factor) if kind is bool_ else int(factor)
    return F.mul(x, factor)


def _blend(name: str, input: Tensor, product: Tensor, beta: Any, alpha: Any) -> Tensor:
    """The sum beta * input + alpha * product, where beta 0 drops even NaN."""
    same_dtype(name, input, product)
    F.expand(input, tuple(product.shape))
    product = _scaled(product, alpha)
    return product if beta == 0 else F.add(_scaled(input, beta), product)


@composite(public="fmi", out=True)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)`, input broadcast to (n, m)."""
    check_dims("addmm", mat1=(mat1, 2), mat2=(mat2, 2))
    fits = tuple(input.shape) == (mat2.shape[1],) and mat1.shape[1] == mat2.shape[0]
    if fits and beta == alpha == 1 and input.dtype is mat1.dtype:  # one pass
        return F.linear(mat1, F.permute(mat2, (1, 0)), input)
    return _blend("addmm", input, F.matmul(mat1, mat2), beta, alpha)


@composite(public="fmi", out=True)
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * (mat @ vec)`, input broadcast to (n,)."""
    return _blend("addmv", input, mv(mat, vec), beta, alpha)


@composite(public="fmi", out=True)
def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * input + alpha * outer(vec1, vec2)`, input broadcast to (n, m)."""
    return _blend("addr", input, outer(vec1, vec2), beta, alpha)


@composite(public="fmi", out=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """`beta * input + alpha * (batch1 @ batch2)`, input broadcast to (b, n, m)."""
    return _blend("baddbmm", input, bmm(batch1, batch2), beta, alpha)


@composite(public="fmi", out=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """`beta * input + alpha * (sum of the products of a batch)`, input broadcast to (n, m)."""
    return _blend("addbmm", input, F.sum(bmm(batch1, batch2), 0), beta, alpha)


def _best_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Where to split each product of matrices i..j so that multiplications are fewest.

    Matrix i has the shape (sizes[i], sizes[i + 1]). Cormen et al., matrix-chain order.
    """
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k)
                for k in range(i, j)
            )
    return split


@composite(public="", aliases=("linalg.multi_dot",), out=True)
def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """Product of two or more matrices in the cheapest order; first and last may be vectors."""
    chain = list(tensors)
    if len(chain) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(chain)}")
    first, last = chain[0].ndim == 1, chain[-1].ndim == 1
    if first:
        chain[0] = reshape(chain[0], (1, chain[0].shape[0]))
    if last:
        chain[-1] = reshape(chain[-1], (chain[-1].shape[0], 1))
    if any(t.ndim != 2 for t in chain):
        raise RuntimeError(
            f"multi_dot(): tensors must be 2D but got {', '.join(map(describe, chain))}"
        )
    split = _best_splits([t.shape[0] for t in chain] + [chain[-1].shape[1]])

    def product(i: int, j: int) -> Tensor:
        if i == j:
            return chain[i]
        return F.matmul(product(i, split[i, j]), product(split[i, j] + 1, j))

    out = product(0, len(chain) - 1)
    shape = ([] if first else [out.shape[0]]) + ([] if last else [out.shape[1]])
    return F.reshape(out, tuple(shape)) if first or last else out


@composite(public="f", out=True)
def chain_matmul(*matrices: Tensor) -> Tensor:
    """`linalg.multi_dot` of the arguments (the older name)."""
    text = "chain_matmul is deprecated; use linalg.multi_dot, which takes a list of matrices"
    warnings.warn(text, stacklevel=2)
    return matrices[0] if len(matrices) == 1 else multi_dot(matrices)


@composite(public="f", out=True)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sum of products over the `dims` last dimensions of `a` and first of `b`, or two lists."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims within the operands' dimensions, got {dims}"
            )
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    left = [wrap_dim(d, a.ndim) for d in dims[0]]
    right = [wrap_dim(d, b.ndim) for d in dims[1]]
    if len(left) != len(right):
        raise RuntimeError(
            f"both dimension lists should have same length, got {len(left)} and {len(right)}"
        )
    for i, j in zip(left, right, strict=True):
        if a.shape[i] != b.shape[j] and 1 not in (a.shape[i], b.shape[j]):
            raise RuntimeError(
                "contracted dimensions need to match, but first has size "
                f"{a.shape[i]} in dim {i} and second has size {b.shape[j]} in dim {j}"
            )
    names_a, names_b = list(range(a.ndim)), [-1 - d for d in range(b.ndim)]
    for i, j in zip(left, right, strict=True):
        names_b[j] = i
    kept = ({*names_a} | {*names_b}) - {*left}
    return contract(a, names_a, b, names_b, kept)[0]


@composite(out=True)
def kron(input: Tensor, other: Tensor) -> Tensor:
    """Kronecker product; the shorter shape is filled with ones in front."""
    n = max(input.ndim, other.ndim)
    a = (1,) * (n - input.ndim) + tuple(input.shape)
    b = (1,) * (n - other.ndim) + tuple(other.shape)
    x = reshape(input, tuple([k for s in a for k in (s, 1)]))
    y = reshape(other, tuple([k for s in b for k in (1, s)]))
    return F.reshape(F.mul(x, y), tuple([s * t for s, t in zip(a, b, strict=True)]))


@composite()
def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix."""
    if input.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.ndim}")
    return F.sum(F.diagonal(input))


@composite(public="", aliases=("linalg.cross",), out=True, name="linalg_cross")
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """Vector product along `dim`, of size 3; the other dimensions broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            "linalg.cross: inputs must have the same number of dimensions, got "
            f"{input.ndim} and {other.ndim}"
        )
    d = wrap_dim(dim, input.ndim)
    if input.shape[d] != 3 or other.shape[d] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[d]} and "
            f"{other.shape[d]}"
        )
    a, b = F.unbind(input, d), F.unbind(other, d)
    parts = [F.sub(F.mul(a[i], b[j]), F.mul(a[j], b[i])) for i, j in ((1, 2), (2, 0), (0, 1))]
    return F.stack(parts, d)


@composite(out=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """Vector product along `dim` (default: the first of size 3)."""
    if dim is None:
        found = [d for d, n in enumerate(input.shape) if n == 3]
        if not found:
            raise RuntimeError(
                f"no dimension of size 3 in input, which has shape {list(input.shape)}"
            )
        dim = found[0]
    return linalg_cross(input, other, dim=dim)


@composite(public="fn")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`input1 @ weight[o] @ input2` for each o: (..., i), (..., j), (o, i, j) give (..., o)."""
    _, i, j = weight.shape
    (*batch, m), (*other, n) = input1.shape, input2.shape
    if (batch, m, n) != (other, i, j):
        raise RuntimeError(
            f"bilinear(): expected inputs (..., {i}) and (..., {j}) of one batch size for a weight "
            f"of size {list(weight.shape)}, got {list(input1.shape)} and {list(input2.shape)}"
        )
    out = einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else F.add(out, bias)
