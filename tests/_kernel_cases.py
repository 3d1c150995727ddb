"""Arguments of the compiled kernels, each above the size from which the kernel serves."""

from __future__ import annotations

from typing import Any

import numpy as np
from _moves import ADDING, MOVES

import pyrite
from pyrite._ops.table import TABLE

RNG = np.random.default_rng(0)
BOTH = ("float32", "float64")
POOL = (3, 2), (2, 1), (1, 0)  # kernel, stride, padding: nothing even about it


def normal(*shape: int, kind: str = "float32", scale: float = 2.0) -> np.ndarray:
    return RNG.normal(0, scale, shape).astype(kind)


def positive(*shape: int, kind: str = "float32") -> np.ndarray:
    return np.abs(normal(*shape, kind=kind)) + np.asarray(0.1, kind)


def labels(n: int, classes: int) -> np.ndarray:
    out = RNG.integers(0, classes, n)
    out[1] = -100
    return out


# Arguments per op, each above the size from which the kernel serves, with odd tails.
UNARY = [
    "neg", "abs", "floor", "ceil", "trunc", "sign", "sgn", "relu", "leaky_relu", "hardtanh",
    "round", "exp", "expm1", "tanh", "sigmoid", "erf", "silu", "softplus", "elu", "gelu",
]  # fmt: skip
POSITIVE = ["sqrt", "rsqrt", "reciprocal", "log", "log1p"]
CASES: dict[str, list[tuple[Any, ...]]] = {
    name: [(normal(167, 201),), (normal(201, 167).T,), (normal(250, 402)[:, 5:206],)]
    for name in UNARY
}
CASES |= {name: [(positive(33567),), (positive(201, 167).T,)] for name in POSITIVE}
CASES["gelu"].append((normal(33567), "tanh"))
CASES["leaky_relu"].append((normal(33567), 0.3))
CASES["hardtanh"].append((normal(33567), -0.5, 0.25))
CASES["elu"].append((normal(33567), 0.5, 1.5, 0.7))
CASES["softplus"].append((normal(33567), 3.0, 1.0))
CASES["pow"] = [(positive(33567, kind=k), e) for k in BOTH for e in (2, 3, 0.5, 2.0)]
CASES["lerp_number"] = [(*normal(2, 33567), {"weight": w}) for w in (0.3, 0.8)]
CASES["clamp"] = [
    (normal(167, 201), low, high)
    for low, high in [(-1, None), (None, 0.5), (-0.5, 0.5), (normal(201), normal(167, 1)), (2, -2)]
]
for _name in ("add", "sub", "mul", "div", "maximum", "minimum"):
    CASES[_name] = [
        (normal(167, 201, kind=kind), other)
        for kind in BOTH
        for other in (
            normal(167, 201, kind=kind), 0.3, normal(kind=kind), normal(201, kind=kind),
            normal(167, 1, kind=kind), normal(201, 167, kind=kind).T,
            normal(167, 402, kind=kind)[:, ::2], normal(1, 1, kind=kind),
        )
    ] + [
        (0.3, normal(167, 201)), (normal(201), normal(167, 201)), (normal(1, 201), normal(167, 1)),
        (normal(5, 7, 33, 31), normal(1, 7, 1, 1)),
        (normal(201, 167).T, normal(201, 167).T), (normal(33, 31, 5, 7).transpose(2, 3, 0, 1),
         normal(7, 1, 1)), (normal(9000, 5), normal(5)),
    ]  # fmt: skip
CASES |= {
    name: [(normal(167, 201), normal(201), normal(167, 1)), (*normal(3, 33567),)]
    for name in ("addcmul", "addcdiv")
}
CASES |= {
    name: [(normal(33567), normal(33567)), (normal(201, 167).T, normal(201, 167).T)]
    for name in ("relu_grad", "sigmoid_grad", "tanh_grad", "silu_grad", "gelu_grad")
}
CASES["gelu_grad"].append((normal(33567), normal(33567), "tanh"))
CASES["where"] = [
    (normal(33567) > 0, x, y)
    for x, y in [(normal(33567), normal(33567)), (normal(33567), 0.5), (0.5, normal(33567))]
]
CASES["where"] += [(normal(1, 201) > 0, normal(167, 201), normal(kind="float32"))]
CASES |= {
    name: [
        (normal(*shape, kind=kind), dim, keepdim)
        for kind in ("float32", "float64")
        for shape, dim in [
            ((100_003,), None), ((67, 129), -1), ((200, 77), 0), ((5, 7, 33, 31), (0, 2, 3)),
            ((5, 7, 33, 31), (2, 3)), ((5, 7, 33, 31), (0, 1)), ((9, 1000), ()),
            ((5, 700, 31), 1), ((5, 7, 33, 31), (1, 3)), ((31, 32), 1), ((1000,), None),
        ]
        for keepdim in (False, True)
    ]
    for name in ("sum", "mean")
}  # fmt: skip
CASES["total_norm"] = [([normal(200, 77, kind=k), normal(3, kind=k)], 2.0) for k in BOTH]
CASES["sum_to_size"] = [
    (normal(200, 77), (77,)), (normal(5, 7, 33, 31), (1, 7, 1, 1)), (normal(4, 40, 50), (4, 40, 1)),
]  # fmt: skip
for _name, _rest in (("var", (1,)), ("std", (0,)), ("vector_norm", ())):
    _cases = [((100_003,), None), ((67, 129), -1), ((5, 7, 33, 31), (2, 3)), ((9, 1000), ()),
              ((200, 77), 0), ((5, 7, 33, 31), (0, 2))]  # fmt: skip
    CASES[_name] = [
        (x, *((d, *_rest) if _rest else (2, d)), keepdim)
        for x, d in [(normal(*s, kind=k) + 3, d) for s, d in _cases for k in BOTH]
        for keepdim in (False, True)
    ]
for _name in ("softmax", "log_softmax"):
    CASES[_name] = [(normal(128, 10), 1), (normal(7, 9, 333), -1), (normal(7, 90, 33), 1)]
    _y = TABLE[_name].generic(np, normal(7, 9, 333), 2)
    CASES[f"{_name}_grad"] = [(normal(7, 9, 333), _y, -1), (normal(7, 9, 333), _y, 1)]
for _weight in (None, positive(37)):
    for _smoothing in (0.0, 0.1):
        for _how in ("mean", "sum", "none"):
            _rest = (_weight, -100, _smoothing, _how)
            _x, _t = normal(129, 37), labels(129, 37)
            CASES.setdefault("cross_entropy_index", []).append((_x, _t, *_rest))
            _lse = TABLE["cross_entropy_index"].generic(np, _x, _t, *_rest)[1]
            _g = normal(129) if _how == "none" else np.asarray(0.7, "float32")
            CASES.setdefault("cross_entropy_index_grad", []).append(
                (_g, _x, _t, _weight, _lse, *_rest[1:])
            )
for _weight, _bias in [(None, None), (normal(77), None), (normal(77), normal(77))]:
    _x, _rest = normal(5, 33, 77), ((77,), _weight, _bias, 1e-5)
    CASES.setdefault("layer_norm", []).append((_x, *_rest))
    _, _m, _r = TABLE["layer_norm"].generic(np, _x, *_rest)
    CASES.setdefault("layer_norm_grad", []).append(
        (normal(5, 33, 77), _x, _m, _r, _weight, (77,), 1e-5)
    )
for _weight, _bias in [(None, None), (normal(7), normal(7))]:
    _x = normal(5, 7, 9, 11) + 3
    CASES.setdefault("batch_norm_train", []).append((_x, _weight, _bias, 1e-5))
    _given = (normal(7), normal(7) ** 2 + 1, _weight, _bias, 1e-5)
    CASES.setdefault("batch_norm_eval", []).append((_x, *_given))
    _, _m, _r = TABLE["batch_norm_train"].generic(np, _x, _weight, _bias, 1e-5)
    CASES.setdefault("batch_norm_grad", []).append((normal(5, 7, 9, 11), _x, _weight, _m, _r, 1e-5))
CASES["max_pool2d"] = [
    (normal(4, 3, 17, 19), (2, 2), (2, 2), (0, 0), (1, 1)),
    (normal(4, 3, 17, 19), *POOL, (1, 1)),
    (normal(4, 3, 17, 19), (3, 3), (2, 2), (1, 1), (2, 2), True),
]
CASES["max_pool2d_with_indices"] = CASES["max_pool2d"]
CASES["max_pool2d_grad"] = []
for _case in CASES["max_pool2d"]:
    _y, _i = TABLE["max_pool2d"].generic(np, *_case)
    CASES["max_pool2d_grad"].append((normal(*_y.shape), _i, _case[0].shape))
for _options in [(False, True, None), (True, False, None), (True, True, 3)]:
    _case = (normal(4, 3, 17, 19), *POOL, *_options)
    CASES.setdefault("avg_pool2d", []).append(_case)
    _y = TABLE["avg_pool2d"].generic(np, *_case)
    CASES.setdefault("avg_pool2d_grad", []).append((normal(*_y.shape), _case[0].shape, *_case[1:]))
CASES["matmul"] = [
    (normal(130, 70), normal(70, 100)), (normal(70, 333).T, normal(70, 100)),
    (normal(5, 26, 70), normal(100, 70).T),
    (normal(90, 70, kind="float64"), normal(70, 95, kind="float64")),
]  # fmt: skip
CASES["linear"] = [(normal(3, 50, 70), normal(100, 70), b) for b in (None, normal(100))]
CASES["linear"].append((normal(333, 70), normal(100, 70), normal(100)))
for _size, _weight, *_rest in [
    ((9, 4, 13, 11), (6, 4, 3, 2), (1, 1), (1, 0), (1, 1), 1),
    ((5, 4, 17, 19), (6, 2, 3, 3), (2, 3), (2, 1), (1, 2), 2),
    ((11, 4, 9, 7), (8, 4, 1, 1), (1, 1), (0, 0), (1, 1), 1),
    ((3, 32, 40, 40), (4, 32, 5, 5), (1, 1), (4, 4), (2, 2), 1),
    ((2, 3, 50), (4, 3, 7), (2,), (9,), (3,), 1),
    ((1, 2, 2, 1), (2, 2, 1, 5), (1, 2), (0, 4), (1, 1), 1),
    ((3, 16, 9, 7), (32, 16, 3, 3), (1, 1), (1, 1), (1, 1), 1),
    ((1, 16, 40, 37), (48, 16, 3, 3), (1, 1), (0, 0), (1, 1), 1),  # blocks of them
    ((21, 32, 8, 8), (16, 32, 3, 3), (1, 1), (2, 2), (1, 1), 1),  # of several images
    ((1, 16, 3, 3), (16, 16, 3, 3), (1, 1), (0, 0), (1, 1), 1),  # one window
    ((34, 128, 8, 8), (272, 128, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # large filters
    ((2, 64, 21, 20), (80, 64, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # few tiles, each step a loop
    ((9, 32, 20, 22), (48, 32, 3, 3), (1, 1), (1, 1), (1, 1), 1),  # sums of filters side by side
    ((2, 9, 21, 10), (9, 1, 3, 3), (1, 1), (1, 1), (1, 1), 9),  # depthwise
    ((2, 4, 9, 8), (8, 1, 5, 3), (2, 2), (2, 1), (1, 1), 4),
    ((9, 32, 9, 8), (32, 1, 3, 3), (2, 2), (1, 1), (1, 1), 32),  # vectors of channels
    ((1, 16, 90, 70), (16, 1, 5, 3), (1, 2), (2, 2), (2, 1), 16),  # in strips
    ((2, 3, 30, 29), (18, 3, 7, 7), (2, 2), (3, 3), (1, 1), 1),
    ((2, 12, 6, 6), (17, 12, 1, 1), (2, 2), (0, 0), (1, 1), 1),
    ((1, 16, 8, 8), (16, 16, 3, 3), (1, 1), (3, 3), (1, 1), 1),
    ((1, 12, 6, 7), (17, 12, 1, 1), (1, 1), (0, 0), (1, 1), 1),  # products of matrices
    ((7, 12, 4, 5), (9, 12, 4, 5), (1, 1), (0, 0), (1, 1), 1),
    ((9, 20, 16, 15), (24, 20, 4, 4), (2, 2), (1, 1), (1, 1), 1),  # columns of several images
    ((5, 24, 9, 40), (10, 12, 3, 5), (2, 1), (1, 2), (1, 1), 2),
]:
    for _kind in ("float32", "float64"):
        _x, _w = normal(*_size, kind=_kind), normal(*_weight, kind=_kind)
        for _bias in (None, normal(_weight[0], kind=_kind)):
            CASES.setdefault("convolution", []).append((_x, _w, _bias, *_rest))
        _g = normal(*TABLE["convolution"].generic(np, _x, _w, None, *_rest).shape, kind=_kind)
        CASES.setdefault("conv_grad_input", []).append((_g, _w, _size, *_rest))
        CASES.setdefault("conv_grad_weight", []).append((_g, _x, _weight, *_rest))
for _kind in ("float32", "float64"):
    _row, _col = RNG.integers(0, 90, 2000), RNG.integers(0, 70, 2000)
    CASES.setdefault("sparse_matmul", []).append(
        (normal(2000, kind=_kind), _row, _col, normal(70, 33, kind=_kind), 90)
    )
    CASES.setdefault("sampled_matmul", []).append(
        (normal(90, 33, kind=_kind), _row, _col, normal(70, 33, kind=_kind))
    )
CASES["linear_grad_weight"] = [
    (normal(3, 50, 70), normal(3, 50, 100)),
    (normal(400, 333), normal(400, 50)),
]
CASES["lstm_gates"] = [(normal(9, 64), normal(9, 16)), (normal(2, 5, 52), normal(2, 5, 13))]
CASES["lstm_gates_grad"] = [
    (h, c, normal(9, 68), normal(9, 17))
    for h, c in ((normal(9, 17), normal(9, 17)), (None, normal(9, 17)), (normal(9, 17), None))
]
CASES["gru_gates"] = [(normal(9, 48), normal(9, 48), normal(9, 16))]
CASES["gru_gates_grad"] = [(normal(9, 17), normal(9, 51), normal(9, 51), normal(9, 17))]
for _way, _steps in [((), (5, 13)), ((True, True), (13, 5)), ((False, True), (5, 13))]:
    for _n in (32, 20, 144):
        _state, _weight = normal(13, _n), normal(4 * _n, _n) * 0.1
        _case = (normal(*_steps, 4 * _n), _state, normal(13, _n), _weight, *_way)
        CASES.setdefault("lstm_layer", []).append(_case)
        _, _cells, _gates = TABLE["lstm_layer"].generic(np, *_case)
        for _g in ((normal(*_cells.shape), None), (None, normal(*_cells.shape))):
            CASES.setdefault("lstm_layer_grad", []).append(
                (*_g, None, _state, _weight, _cells, _gates, *(_way or (False, False)))
            )
        for _b in (None, normal(3 * _n)):
            _case = (normal(*_steps, 3 * _n), _state, _weight[: 3 * _n], _b, *_way)
            CASES.setdefault("gru_layer", []).append(_case)
        _y, _gates = TABLE["gru_layer"].generic(np, *_case)
        CASES.setdefault("gru_layer_grad", []).append(
            (normal(*_y.shape), None, *_case[1:3], _y, _gates, *(_way or (False, False)))
        )
_packed = normal(2, 290, 3 * 3 * 8).reshape(2, 290, 9, 8).transpose(0, 2, 1, 3)
_holes = RNG.random((290, 270)) > 0.5
_holes[5] = False
CASES["dropout"] = [(normal(n), p, True, 7, 1 << 40) for n in (1025, 40_003) for p in (0.3, 1.0)]
for _q, _k, _v, _mask, _causal in [
    (normal(2, 3, 70, 16), normal(2, 3, 90, 16), normal(2, 3, 90, 24), None, False),
    (_packed[:, :3], _packed[:, 3:6], _packed[:, 6:], None, True),
    (normal(290, 8), normal(270, 8), normal(270, 8), _holes, False),
    (normal(2, 2, 290, 8), normal(2, 2, 270, 8), normal(2, 2, 270, 8),
     np.where(_holes[:2, None, None], np.float32(0.3), np.float32(-np.inf)), False),
    (normal(290, 8), normal(270, 8), normal(270, 8), normal(270), True),
]:  # fmt: skip
    _rest = (0.4 * _causal, _causal, 0.3, (1 << 63) + 5, 3)
    CASES.setdefault("attention", []).append((_q, _k, _v, _mask, *_rest))
    with np.errstate(divide="ignore"):
        _y, _lse = TABLE["attention"].generic(np, _q, _k, _v, _mask, *_rest)
    CASES.setdefault("attention_grad", []).append(
        (normal(*_y.shape), _q, _k, _v, _mask, _y, _lse, False, *_rest)
    )

CALL = (2**64 - 3, 2**63 + 5)  # seed and offset
CASES["uniform"] = [
    ((67, 3), pyrite.float32, *CALL),
    ((100_003,), pyrite.float32, *CALL, -2.3, 5.7),
]
CASES["normal"] = [((67, 3), pyrite.float32, *CALL), ((100_003,), pyrite.float32, *CALL, 0.3, 2.7)]
CASES["integers"] = [((100_003,), pyrite.int64, *CALL, *ends) for ends in ((-5, 1000), (3, 4))]
CASES["bernoulli"] = [(np.asarray(0.3, "f"), (100_003,), pyrite.float32, *CALL)]
CASES["expand"] = [
    (normal(3, 1, 2), (5, 3, 4, 2)),
    (np.asarray(1.0), (2, 0)),
    (normal(0, 1), (0, 3)),
]
CASES["full"] = [
    ((3, 5), 2, pyrite.float32),
    ((251, 201), 0.3, pyrite.float64),
    ((), 1, pyrite.float32),
]
CASES |= MOVES

UPDATES: dict[str, list[tuple[Any, ...]]] = {
    "sgd_step": [
        (0.1, momentum, dampening, decay, nesterov, maximize, first)
        for momentum, dampening, decay, nesterov, maximize, first in [
            (0, 0, 0, False, False, True), (0, 0, 0.1, False, True, False),
            (0.9, 0.1, 0.1, False, True, False), (0.9, 0, 0, True, False, False),
            (0.9, 0, 0, True, False, True),
        ]
    ],
    "adam_step": [
        (0.01, 0.9, 0.999, 1e-8, decay, decoupled, amsgrad, maximize, 3)
        for decay, decoupled, amsgrad, maximize in [
            (0, False, False, False), (0.1, False, True, True), (0.1, True, False, False),
            (0.1, True, True, False),
        ]
    ],
    "rmsprop_step": [(0.01, 0.99, 1e-8, decay, 0, False, False) for decay in (0, 0.1)],
    "clamp_each": [(0.3,)], "scale_each": [(np.asarray(0.3, "float32"),)],
}  # fmt: skip
# Lists of arrays beside parameters and gradients.
STATES = {"sgd_step": 1, "adam_step": 3, "rmsprop_step": 3, "clamp_each": -1, "scale_each": -1}
EXACT = {
    "max_pool2d", "max_pool2d_with_indices", "where", "relu", "neg",
    "dropout", "uniform", "normal", "integers", "bernoulli", "expand", "full",
    *(MOVES.keys() - ADDING),
}  # fmt: skip
# Those that write into their first operand.
WRITES = {"accumulate", "write", "write_number", "index_write", "scatter_write"}
EVERY = [(name, i) for name in CASES for i in range(len(CASES[name]))]
