"""Composites: functions of Tensors with torch's signatures and no derivative of their own."""

from ._register import COMPOSITES as COMPOSITES
from ._register import composite as composite

from . import (
    activation, arrange, attention, calculus, checks, classification, complex, conv, convert,
    create, ctc, distance, dropout, einsum, embedding, factor, fft, foreach, histogram, index,
    loss, masked, matmul, matrix, norm, normalization, pad, pointwise, pool, properties, random,
    reduce, resample, rnn, scatter, shape, softmax, sort, special, statistics, stft, storage,
    tensor_types, view_copy, window, write,
)  # fmt: skip
