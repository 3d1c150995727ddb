"""The op table, one file per family; importing this package fills it."""

from . import (
    activation, attention, bessel, compare, complex, conv, create, embedding, factor, fft,
    gamma, index, ldl, loss, matmul, normalization, optim, pointwise, polynomial, pool, random,
    reduce, resample, rnn, shape, softmax, solve, sort, sparse, special, spectral, variates,
)  # fmt: skip
from .table import TABLE as TABLE
