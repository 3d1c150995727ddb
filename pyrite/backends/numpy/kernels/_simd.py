"""Work on vectors of one cache line (16 float32 or 8 float64), for loops that LLVM leaves scalar.

What the functions mean is written here in NumPy; in compiled loops `_vectors` takes their place.
Arrays are flat, and a place in one is an offset in elements; offsets that do not grow evenly come
from int64 tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Matrix = tuple[tuple[float, ...], ...]

# Winograd's F(2x2, 3x3): y = A' [(G w G') * (B' x B)] A, of Lavin and Gray, arXiv:1509.09308.
INPUT: Matrix = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
FILTER: Matrix = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
OUTPUT: Matrix = ((1, 1, 1, 0), (0, 1, -1, -1))
FILTER_BACK: Matrix = tuple(zip(*FILTER, strict=True))
OUTPUT_BACK: Matrix = tuple(zip(*OUTPUT, strict=True))


def lanes(x: Any) -> int:
    """Elements of a vector."""
    return 64 // x.itemsize


def multiply(sizes: Any, a: Any, b: Any, out: Any, add: bool) -> None:
    """out = a @ b, or that added to `out`, for sizes = (rows, vectors, depth).

    Each element is summed from zero in the order of depth, and then added.

    Args:
        a: (array, offset, offsets of rows, offsets of depth).
        b: (array, offset, step from vector to vector, offsets of depth).
        out: (array, offset, step from row to row); its vectors lie side by side.
    """
    rows, vectors, depth = sizes
    wide = lanes(b[0])
    left = a[0][a[1] + a[2][:rows, None] + a[3][:depth]]
    for v in range(vectors):
        right = b[0][b[1] + v * b[2] + b[3][:depth, None] + np.arange(wide)]
        spots = out[1] + np.arange(rows)[:, None] * out[2] + v * wide + np.arange(wide)
        out[0][spots] = left @ right + (out[0][spots] if add else 0)


def weigh(sizes: Any, a: Any, b: Any, out: Any, add: bool) -> None:
    """Like `multiply` of one vector, each lane on its own: elements of `a` are vectors, too."""
    rows, _, depth = sizes
    each = np.arange(lanes(b[0]))
    left = a[0][a[1] + a[2][:rows, None, None] + a[3][:depth, None] + each]
    right = b[0][b[1] + b[3][:depth, None] + each]
    spots = out[1] + np.arange(rows)[:, None] * out[2] + each
    out[0][spots] = (left * right).sum(1) + (out[0][spots] if add else 0)


def move(x: Any, at: int, out: Any, to: int) -> None:
    """Copy one vector."""
    out[to : to + lanes(x)] = x[at : at + lanes(x)]


def thin(x: Any, at: int, out: Any, to: int) -> None:
    """Copy every second element of two vectors."""
    out[to : to + lanes(x)] = x[at : at + 2 * lanes(x) : 2]


def peak(x: Any, at: int, vectors: int) -> Any:
    """The largest element of some vectors that is a number, or a NaN where one is among them."""
    return x[at : at + vectors * lanes(x)].max()


def transpose(x: Any, at: int, rows: Any, out: Any, to: int, columns: Any) -> None:
    """Rows of one vector each at x[at + rows[i]], as columns of rows at out[to + columns[j]]."""
    each = np.arange(lanes(x))
    out[to + columns[each, None] + each] = x[at + rows[each, None] + each].T


def _sandwich(matrix: Matrix, x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """M x M', where x and the result are grids of vectors: steps = (row, column, lane)."""
    m = np.array(matrix, x.dtype)
    grids = []
    for n, start, (row, column, lane) in zip(m.shape[::-1], (at, to), (steps, places), strict=True):
        each = np.arange(n)
        spots = start + np.arange(lanes(x))[:, None, None] * lane
        grids.append(spots + each[:, None] * row + each * column)
    out[grids[1]] = m @ x[grids[0]] @ m.T


def to_tile(x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """A 4 x 4 window of the input to its frequencies."""
    _sandwich(INPUT, x, at, steps, out, to, places)


def from_tile(x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """The frequencies of a tile to 2 x 2 results."""
    _sandwich(OUTPUT, x, at, steps, out, to, places)


def from_tile_back(x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """The adjoint of `from_tile`."""
    _sandwich(OUTPUT_BACK, x, at, steps, out, to, places)


def to_filter(x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """A 3 x 3 filter to its frequencies; lanes gathered at a step."""
    _sandwich(FILTER, x, at, steps, out, to, places)


def to_filter_back(x: Any, at: int, steps: Any, out: Any, to: int, places: Any) -> None:
    """The adjoint of `to_filter`; lanes scattered at a step."""
    _sandwich(FILTER_BACK, x, at, steps, out, to, places)


def take(slots: Any) -> int:
    """A free slot, 0 in the table; the thread owns it until it gives it back."""
    at = int(np.flatnonzero(slots == 0)[0])
    slots[at] = 1
    return at


def give(slots: Any, at: int) -> None:
    """Free a slot."""
    slots[at] = 0


def outer(sizes: Any, a: Any, b: Any, out: Any, more: Any) -> None:
    """out = a @ b + more, for sizes = (rows, columns up to three vectors, depth).

    Args:
        a: (array, offset, step from row to row, step along the depth).
        b: (array, offset, step along the depth); its columns lie side by side.
        out: (array, offset, step from row to row).
        more: (array, offset, step from row to row, whether to add it).
    """
    rows, columns, depth = sizes
    left = a[0][a[1] + np.arange(rows)[:, None] * a[2] + np.arange(depth) * a[3]]
    right = b[0][b[1] + np.arange(depth)[:, None] * b[2] + np.arange(columns)]
    _put(left @ right, out, more)


def dots(sizes: Any, a: Any, b: Any, out: Any, more: Any) -> None:
    """out = a @ b.T + more, for sizes = (rows, columns, depth), the depth side by side in both.

    Args:
        a, b: (array, offset, step from row to row).
        out, more: as in `outer`.
    """
    left, right = (
        x[0][x[1] + np.arange(n)[:, None] * x[2] + np.arange(sizes[2])]
        for x, n in ((a, sizes[0]), (b, sizes[1]))
    )
    _put(left @ right.T, out, more)


def _put(result: Any, out: Any, more: Any) -> None:
    down, across = np.arange(result.shape[0])[:, None], np.arange(result.shape[1])
    if more[3]:
        result = result + more[0][more[1] + down * more[2] + across]
    out[0][out[1] + down * out[2] + across] = result


def turn(x: Any, at: int, down: int, rows: int, columns: int, out: Any, to: int, step: int) -> None:
    """A block of x, at most a vector square, as columns of a whole square of `out`.

    Row i of the block starts at x[at + i * down], column j of it goes to out[to + j * step]. Of
    `out` beyond the block rows are zero, and columns repeat the last.
    """
    each = np.arange(lanes(x))
    from_ = at + np.minimum(each, rows - 1)[:, None] * down + np.minimum(each, columns - 1)
    out[to + each[:, None] * step + each] = np.where(each < columns, x[from_], 0).T


# A block of products: rows of one operand, columns of the other, and depth, at most.
TALL, WIDE, DEPTH = 96, 288, 192


def room(like: Any) -> Any:
    """Uninitialised memory for a block's operands, of the type of `like`, on a loop's stack."""
    return np.empty((TALL + WIDE) * DEPTH, like.dtype)
