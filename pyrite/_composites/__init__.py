"""Composites: functions of Tensors with torch's signatures and no derivative of their own."""

from ._register import COMPOSITES as COMPOSITES
from ._register import composite as composite

from . import (
    activation, arrange, attention, classification, complex, conv, convert, create, ctc, dropout,
    einsum, embedding, factor, fft, index, linalg, loss, matrix, norm, pointwise, pool, random,
    reduce, resample, rnn, scatter, shape, softmax, sort, special, stft, window, write,
)  # fmt: skip
