"""The op table, one file per family; importing this package fills it."""

from . import (
    activation, compare, complex, conv, create, embedding, factor, index, ldl, linalg, loss, norm,
    optim, pointwise, pool, random, reduce, rnn, shape, softmax, solve, sort, sparse, special,
    spectral,
)  # fmt: skip
from .table import TABLE as TABLE
