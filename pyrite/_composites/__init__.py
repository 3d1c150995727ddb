"""Composites: functions of Tensors with torch's signatures and no derivative of their own."""

from ._register import COMPOSITES as COMPOSITES
from ._register import composite as composite

from . import (
    activation, arrange, attention, checks, classification, complex, conv, convert, copies, create,
    ctc, dropout, einsum, embedding, factor, facts, fft, foreach, index, legacy, linalg, loss,
    masked, matrix, norm, numeric, pointwise, pool, random, reduce, resample, rnn, scatter, shape,
    softmax, sort, special, stft, storage, window, write,
)  # fmt: skip
