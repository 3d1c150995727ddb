"""Programs of `tools/fuzz.py` that once differed from PyTorch, shortened, by what was wrong."""

# Each is checked line by line as the random programs are (see the docstring of the fuzzer).
REGRESSIONS = {
    "a gradient kept with its graph was an expanded view, and the next one was added into it": """
x0 = T.tensor([-2.453125, -1.109375, 0.03125], dtype=T.float32, requires_grad=True)
x0.mean().backward(create_graph=True)
(x0.sin() * 2).sum().backward()
""",
    "a walk to some inputs freed nodes that it did not visit": """
x0 = T.tensor([[-1.828125], [0.265625]], dtype=T.float32, requires_grad=True)
x1 = T.tensor([[1.4375, 2.140625]], dtype=T.float32)
x2 = x0 @ x1
x3, = T.autograd.grad((x2 * x2.detach()).sum(), [x2])
x4, = T.autograd.grad(x2.square().sum(), [x0])
""",
    "copysign saved its second operand": """
x0 = T.tensor([0.5, -1.5], dtype=T.float32, requires_grad=True)
x1 = T.tensor([-1.0, 1.0], dtype=T.float32)
x2 = x0.copysign(x1)
x1.zero_()
x2.sum().backward()
""",
    "div saved its result": """
x0 = T.tensor([1.296875, 0.71875], dtype=T.float32, requires_grad=True)
x1 = x0.div(x0)
x1.sin_()
x1.sum().backward()
""",
    "retain_grad stayed at what a tensor was before it was written": """
x0 = T.tensor([1.0, 2.0], dtype=T.float32, requires_grad=True)
x1 = x0 * 3
x1.retain_grad()
x1.add_(x1)
x1.sum().backward()
""",
    "zeros for unused inputs need a gradient under create_graph": """
x0 = T.tensor([1.0], dtype=T.float32, requires_grad=True)
x1 = T.tensor([2.0], dtype=T.float32, requires_grad=True)
x2, x3 = T.autograd.grad(x0.square().sum(), [x0, x1], create_graph=True, materialize_grads=True)
""",
    "the gradient of a mean was one number seen through strides of 0": """
x0 = T.tensor([[1.0, 2.0]], dtype=T.float32, requires_grad=True)
x1, = T.autograd.grad(x0.mean(), [x0])
x1[0, 0] = 1
""",
    "repeat of a single element gave a view of it": """
x0 = T.tensor(2.453125, dtype=T.float32)
x1 = x0.repeat((2,))
x2 = T.tensor([False], dtype=T.bool)
x3 = x2.repeat((2, 2))
x3[0, 0] = True
""",
    "bool operands of a difference": """
x0 = T.tensor([True, False], dtype=T.bool)
x1 = T.tensor([1.0625, 2.0], dtype=T.float32)
T.sub(x0, x1)
x1 - True
x2 = x0.logit()
x3 = T.div(x0, 0.96875, rounding_mode='trunc')
""",
    "numbers where PyTorch takes tensors alone": """
x0 = T.tensor([2, 0], dtype=T.int64)
x1 = T.tensor([2.5, 0.5], dtype=T.float32)
T.maximum(x0, 1.859375)
T.logical_and(x0, 4)
x1.hypot(2)
x1.atan2(0.5)
x0.gcd(2)
T.addcmul(x1, 1.5, x1)
T.addcdiv(x1, x1, 2)
T.lerp(x1, 2.0, x1)
x1.heaviside(1.0)
T.fmax(x1, 1.0)
""",
    "three operands are promoted together": """
x0 = T.tensor(4, dtype=T.int16) * -1.6875
x1 = T.tensor(-1.5, dtype=T.float16)
x2 = T.tensor([True], dtype=T.bool)
x3 = T.addcmul(x0, x1, x2, value=-0.15625)
x4 = T.logaddexp2(x1, T.tensor(False))
""",
    "xlogy of a number was float64": """
x0 = T.tensor([0.6875, -0.4375], dtype=T.float32)
x1 = x0.xlogy(2.859375)
""",
    "lerp takes one dtype": """
x0 = T.tensor(0.625, dtype=T.bfloat16)
x1 = T.tensor([1], dtype=T.int8)
T.lerp(x0, x1, x0)
x2 = T.lerp(x0, x0, T.tensor(5, dtype=T.int32))
""",
    "0-d tensors have no dimensions to move": """
x0 = T.tensor(2, dtype=T.int16)
x1 = x0.movedim(-1, 0)
x2 = x0.mT
x0.unflatten(-1, (1, -1))
""",
    "copy_ takes numbers, and counts a copy of a tensor onto itself": """
x0 = T.tensor([[6, 0], [2, 3]], dtype=T.int16)
x0.copy_(2.53125)
x0.copy_(x0)
x0[None, :] = x0
x0[T.tensor([1, 0])] = 5
""",
    "a single value under a mask is cast": """
x0 = T.tensor([1, 0], dtype=T.int64)
x1 = T.tensor(-0.703125, dtype=T.float16)
x0[x0 > 0.3125] = x1
x0[T.tensor([0])] = x1
x0[[0]] = -2.5
""",
    "negative numbers wrap in uint8": """
x0 = T.tensor([2, 1], dtype=T.uint8)
x0[...] = -3
x0.fill_(-255)
x0.fill_(-256)
""",
    "out= and in-place sums are computed in the dtype of their target": """
x0 = T.tensor([-0.875, 1.90625], dtype=T.float64)
x1 = T.tensor(0, dtype=T.int64)
T.sum(x0, 0, out=x1)
x2 = T.tensor([True, False], dtype=T.bool)
T.cumsum(x0, 0, out=x2)
x2.cumsum_(-1)
""",
    "out= that is an operand is not resized": """
x0 = T.tensor([8, 9, 8], dtype=T.int64)
x1 = T.tensor([[-2.390625], [-1.671875]], dtype=T.float32)
T.sub(x0, x1, out=x1)
""",
    "in place on what PyTorch calls a partial overlap": """
x0 = T.tensor(6, dtype=T.int32)
x0[None] *= x0
""",
    "stale views of several may be compared": """
x0 = T.tensor([[-1.21875, -0.25], [0.5, 1.234375]], dtype=T.float32, requires_grad=True)
x1 = T.log_softmax(x0, 1)
x2, x3 = x1.unbind(1)
x1[None] = 2.78125
x4 = x2 <= x2
x2 * 2
""",
    "error classes of batch_norm, kthvalue, argmax, relu, nanmean and cat": """
x0 = T.tensor([1.046875, -1.5], dtype=T.float32)
T.nn.functional.batch_norm(x0, None, None, training=True)
T.nn.functional.batch_norm(x0[:1], None, None, training=True)
x1 = T.nn.functional.batch_norm(x0[:0], None, None, training=True)
x0[:0].kthvalue(1, -1)
T.tensor([True, False]).argmax()
T.relu(T.tensor([True, False]))
T.tensor([1, 2]).nanmean()
T.cat([x0, x0[None, None]], 1)
""",
    "targets that soft_margin_loss does not differentiate": """
x0 = T.tensor([2.078125], dtype=T.float32, requires_grad=True)
T.nn.functional.soft_margin_loss(x0.detach(), x0)
""",
    "strides of normalised and softmaxed results": """
x0 = T.tensor([[0.5, 1.0, -1.5], [1.5, 0.25, -2.0]], dtype=T.float32)
x1 = T.nn.functional.group_norm(x0.t(), 1)
x2 = x1.t()
x3 = T.nn.functional.rms_norm(x0.t(), (2,))
x4 = x3.t()
x5 = T.nn.functional.log_softmax(x0.to(T.float16).t(), dim=1)
x6 = x5.t()
""",
    "sums of few numbers lose nothing": """
x0 = T.tensor([[0.1], [0.2], [0.3]], dtype=T.float32) * 1.1
x1 = x0.expand((3, 12)).contiguous()
x2 = T.nn.functional.layer_norm(x1, (12,))
x3 = x1.sum()
x4 = x1.mean(1)
""",
    "logit has no slope outside its domain": """
x0 = T.tensor([-0.5, 0.25, 1.5], dtype=T.float32, requires_grad=True)
x0.logit().sum().backward()
x1 = T.tensor([-0.5, 0.25, 1.5], dtype=T.float32, requires_grad=True)
x1.logit(0.125).sum().backward()
""",
    "joins, running products and chosen indices are in order": """
x0 = T.tensor([[True, False, True], [False, True, True]], dtype=T.bool)
x1 = T.stack([x0.t(), x0.t()])
x2 = x1.view(-1)
x3 = x0.t().cumprod(1)
x4 = x3.view(-1)
x5 = T.tensor([[0.5, 2.0, 1.0], [3.0, 1.5, -1.0]], dtype=T.float32)
x6, x7 = x5.topk(1, 1)
x8 = x7[:]
""",
    "softshrink passes no gradient that is not a number": """
x0 = T.tensor([0.25, 2.0], dtype=T.float32, requires_grad=True)
T.hypot(T.nn.functional.softshrink(x0), T.tensor(0.0)).sum().backward()
""",
    "retain_grad follows a write through a view": """
x0 = T.tensor([1.0, 2.0], dtype=T.float32, requires_grad=True)
x1 = x0 * 3
x1.retain_grad()
x1[...] = x0
x1.square().sum().backward()
""",
    "an op that saved nothing can be visited twice": """
x0 = T.tensor([1.5, 2.5], dtype=T.float32, requires_grad=True)
x1 = x0.remainder(T.tensor([1.0, 2.0]))
(x1 * 2).sum().backward()
(x1 * 2).sum().backward()
""",
    "bool sums and powers stay bool": """
x0 = T.tensor([True, False], dtype=T.bool)
x1 = T.add(x0, x0, alpha=2)
x2 = x0.pow(True)
""",
    "integers take a whole value in addcmul_": """
x0 = T.tensor([3], dtype=T.int16)
x0.addcmul_(x0, x0, value=0.5)
""",
    "a write recorded onto the same memory": """
x0 = T.tensor([1.0, 2.0], dtype=T.float32, requires_grad=True)
x1 = x0.detach()
x1[:] = x0
""",
    "what is captured on the way has not passed the hooks": """
x0 = T.tensor(-1.625, dtype=T.float32, requires_grad=True)
x1 = x0 * 2
x1.register_hook(lambda g: g * 2)
x2, x3 = T.autograd.grad(x1.sin(), [x0, x1], retain_graph=True)
x4, = T.autograd.grad(x1.sin(), [x1])
""",
    "one value under a mask may lie in the tensor itself": """
x0 = T.tensor([1.5], dtype=T.float32)
x0[x0 > 1] = x0
x1 = T.add(T.tensor([2], dtype=T.uint8), T.tensor([True]), alpha=-3)
""",
    "erfinv saved its result": """
x0 = T.tensor([0.25, -0.5], dtype=T.float32, requires_grad=True)
x1 = x0.erfinv()
x1.mul_(2)
x1.sum().backward()
""",
    "a logarithm of a large exponential was infinite in the loss of logits": """
x0 = T.tensor([-100.0, 90.0, -1000.0], dtype=T.float32, requires_grad=True)
x1 = T.nn.functional.binary_cross_entropy_with_logits(x0, T.tensor([0.5, 0.5, 1.0]))
x1.backward()
""",
    "atan2 has no slope at the origin": """
x0 = T.tensor([0.0, 1.0], dtype=T.float32, requires_grad=True)
T.atan2(x0, x0).sum().backward()
""",
    "an empty quotient by zero": """
x0 = T.tensor([], dtype=T.int64)
x1 = x0 // 0
T.tensor([1]) // 0
""",
    "the shapes of what is stacked were compared before the dimension was checked": """
x0 = T.tensor(True, dtype=T.bool)
x1 = T.tensor([[1.0, 2.0]], dtype=T.float64)
T.stack([x0, x1], -2)
""",
    "fill_diagonal_ of one of several views": """
x0 = T.tensor([[-0.046875, -0.484375], [0.109375, -0.734375]], dtype=T.float32, requires_grad=True)
x1, x2 = T.chunk(x0 * 2, 2, 1)
x1.fill_diagonal_(2)
""",
    "detach_ of what was reshaped in place": """
x0 = T.tensor([[1.5]], dtype=T.float32, requires_grad=True)
x1 = x0 * 2
x2 = x1[0]
x1.squeeze_()
x1.detach_()
x3 = T.tensor(2.0).detach()
x3.unsqueeze_(0)
x3.detach_()
""",
    "overlaps of single elements that step otherwise": """
x0 = T.tensor([[True]])
x0[0::3, :] += x0
x1 = T.tensor([1, 2, 3])
x1[None] = x1
x2 = T.tensor(2).reshape((1,))
x2[None] = x2
x3 = T.tensor(2)
x3[None] = x3
x4 = T.tensor([1.0, 2.0], requires_grad=True) * 2
x4[1::3] *= 2.0
""",
    "a write of all elements leaves no slope to what was there": """
x0 = T.tensor([0.5, 2.0], dtype=T.float32, requires_grad=True)
x1 = x0 * x0
x1[()] = T.tensor([1.0, 2.0])
(x1.sin() * 2).sum().backward(create_graph=True)
""",
    "the second derivative of layer_norm over all dimensions with a weight": """
x0 = T.tensor([[-0.15625, 1.984375], [-0.5625, 0.671875]], dtype=T.float32, requires_grad=True)
x1 = T.tensor([[1.828125, 1.046875], [-0.25, 1.6875]], dtype=T.float32, requires_grad=True)
x2 = T.nn.functional.layer_norm(x0, (2, 2), x1)
x3, = T.autograd.grad(x2.square().sum(), [x0], create_graph=True)
(x3 * x3).sum().backward()
""",
    "take gave a view": """
x0 = T.tensor([1.734375, 2.0], dtype=T.float32, requires_grad=True)
with T.no_grad(): x1 = x0.take(T.tensor([1, 1, 0]))
x1 += x0[0]
""",
    "an integer to the power of a negative 0-d tensor": """
x0 = T.tensor([3, 1, -1], dtype=T.int16)
x0.pow_(T.tensor(-1, dtype=T.int8))
x1 = T.tensor(-4, dtype=T.int16)
x1.pow_(x1)
x0.pow(-1)
""",
    "a number that PyTorch does not save was freed": """
x0 = T.tensor([0.5, 1.5], dtype=T.float32, requires_grad=True)
x1 = T.lerp(x0, x0, 2.765625)
x1.sum().backward()
x1.sum().backward()
x2 = x0.deg2rad()
x2.sum().backward()
x2.sum().backward()
""",
    "a truncated quotient had slopes of its own": """
x0 = T.tensor([-1.84375, 2.0], dtype=T.float32, requires_grad=True)
x1 = T.div(T.tensor([True, False]), x0, rounding_mode='trunc')
x1.sum().backward(create_graph=True)
x2 = T.tensor([7, -7], dtype=T.int16).div(T.tensor(2), rounding_mode='trunc')
""",
    "a number beyond an unsigned type under a mask": """
x0 = T.tensor([6, 0, 5], dtype=T.uint8)
x0.masked_fill(x0 > 0, -1.375)
x0.masked_fill(x0 > 0, -1)
x0.fill_(-0.5)
""",
    "strides of what permuted, broadcast and mixed operands give": """
x0 = T.tensor([[0.5, 1.0, -1.5], [1.5, 0.25, -2.0], [2.0, 0.75, 1.25]], dtype=T.float32)
x1 = T.addcmul(x0.t(), x0, T.tensor([[True], [False], [False]]), value=2.0)
x2 = x1[:]
x3 = T.where(x0 > 1, x0, x0.t()).t()
x4 = x0 + x0.t()
x5 = x4.cos()
x6 = x5 + x0
x7 = x6[1:]
x8 = T.nn.functional.silu(T.broadcast_to(x0[0].to(T.bfloat16), (2, 3)))
x9 = T.ravel(x8)
""",
    "strides of reductions, masks and normalisation": """
x0 = T.tensor([[[0.5, 1.0], [-1.5, 2.0], [1.5, 0.25]], [[1.0, 3.0], [2.0, 0.75], [1.25, -1.0]]])
x1 = x0.permute((1, 2, 0))
x2 = x1.prod(-1)
x3 = x2[:]
x4, x5 = x0.transpose(0, 1).max(-1)
x6 = x4[:]
x7 = x0[0].t().masked_fill(x0[0].t() > 1, -2)
x8 = x7[:]
x9 = T.nn.functional.batch_norm(x0[0].t(), None, None, training=True)
x10 = x9.select(0, -1)
""",
    "logistic functions and normalisation of few numbers lose nothing": """
x0 = T.tensor(-0.25, dtype=T.float32, requires_grad=True)
x1 = T.sigmoid(x0)
x2 = T.tensor([[-4, 2]], dtype=T.int8).expm1().cos()
x3 = T.log_softmax(x2, -1)
x4 = T.tensor([[6.0], [6.0], [5.6625]], dtype=T.float32)
x5 = T.nn.functional.batch_norm(x4, None, None, training=True)
""",
    "index_add kept its indices for the slope that needs none": """
x0 = T.tensor([[-2.359375, -0.15625], [2.40625, 0.5]], dtype=T.float32, requires_grad=True)
x1 = x0.index_add(1, T.tensor([0, 0]), T.tensor([[1.25, -0.015625], [1.078125, 0.15625]]))
x1.square().sum().backward()
(x1 * 2).sum().backward()
""",
    "strides of what is computed from a copy in another format": """
x0 = T.zeros((2, 3, 2, 2)).contiguous(memory_format=T.channels_last)
x1 = x0 + T.ones((2, 3, 2, 2))
x2 = x1[:]
x3 = T.where(x0 > 0, x0, x2)
x4 = x3[1:]
""",
    "what is written to a tensor is not the tensor": """
x0 = T.tensor([0.5, 2.0], dtype=T.float32, requires_grad=True)
x1 = x0 * 2
x2 = x0.data
x2[...] = x1
x3, = T.autograd.grad(x1.sum(), [x2], materialize_grads=True)
""",
    "exp of few numbers erred by more than one unit in the last place": """
x0 = T.tensor([1.09375, 2.46875, 2.171875], dtype=T.float32, requires_grad=True)
x1 = x0[0].exp()
x2 = x0.exp()
x3 = T.nn.functional.poisson_nll_loss(x0[0], T.tensor(0.953125, dtype=T.float32))
""",
    "cross entropy saves its input, which may be written all the same": """
x0 = T.tensor([[1.0, 0.5, -2.0], [0.25, 1.5, 1.0]], dtype=T.float32, requires_grad=True)
x1 = x0 * 2
x2 = T.nn.functional.cross_entropy(x1, T.tensor([2, 0]))
x1[0] *= x2
x1.sum().backward(retain_graph=True)
x3 = T.autograd.grad(x2, [x0], create_graph=True)[0]
x4 = T.autograd.grad(x3.square().sum(), [x0])[0].clone()
""",
    "a view of what was detached in place keeps a history that leads nowhere": """
x0 = T.tensor([-1.859375, -1.265625], dtype=T.float32, requires_grad=True)
x1 = x0 + 1.6875
x2 = x1[()]
x1.detach_()
x1.mul_(2)
x3 = x2 + 1
""",
    "what is saved of a tensor after detach_ is not stale": """
x0 = T.tensor([0.5, 1.25], dtype=T.float32, requires_grad=True)
x1 = x0 * 2
x2 = x1.sin().sum()
x1.detach_()
x1.requires_grad_()
x3 = x1.sin()
x3.sum().backward()
""",
    "views of the old shape pass through what the base has become": """
x0 = T.tensor([-1.9375, 1.0], dtype=T.float32, requires_grad=True)
x1 = T.hstack([x0, x0])
x2 = x1.view((4, 1))
x1.unsqueeze_(0)
x3 = x2[1:-1]
x4, x5 = [g.clone() for g in T.autograd.grad((x3 * -2.5).sum(), [x0, x1])]
x2.mul_(3)
x6, = T.autograd.grad(x1.square().sum(), [x0])
""",
    "strides of sorts, indices and casts": """
x0 = T.tensor([[0.5, 2.0, 1.0], [2.25, -0.5, 0.25]], dtype=T.float32)
x1 = x0.t().argsort(0)
x2 = x1[1:]
x3, x4 = x0.t().sort(1)
x5, x6 = x3[1:], x4[1:]
x7 = T.tensor([[[0.5, 2.0], [1.0, 4.0]], [[2.25, -0.5], [0.25, 3.0]]]).permute(2, 1, 0)
x8 = x7[[0, 0, 1]]
x9 = x8.detach()
x10 = x7[:, T.tensor([0, 1]), [1, -1]]
x11 = x10.detach()
x12 = T.broadcast_to(x0[0], (2, -1)).to(T.bool)
x13 = x12.flatten()
""",
    "a vector's product with matrices rounds once": """
x0 = T.tensor([0.75, -2.4375, -1.8125, 0.1875, 0.171875, -1.453125, 2.46875], dtype=T.float32)
x1 = T.softmax(T.outer(x0, x0), 0)
x2 = x1[0] @ T.stack([x1, x1])
""",
    "logical writes are never recorded, 0-d values are filled in": """
x0 = T.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=T.float32)
x1, x2 = x0.unbind(0)
x3 = T.tensor(1.5, dtype=T.float32, requires_grad=True)
x1.logical_and_(x3)
x4, x5 = T.tensor([[1, 0], [0, 1]]).unbind(0)
x4[-1:] = x3 * 2
""",
    "no view may be detached in place": """
x0 = T.tensor([[1.0, 0.0], [0.0, 2.0]], dtype=T.float32)
with T.no_grad(): x1, x2 = x0.unbind(0)
x1.detach_()
""",
    "scatter_add kept its indices for the slope that needs none": """
x0 = T.tensor([[1.5, 1.75], [2.5, -0.75]], dtype=T.float32, requires_grad=True)
x1 = x0.scatter_add(0, T.tensor([[1], [1]]), T.tensor([[-1.5], [0.75]]))
x2 = x1.masked_select(x1 > 0)
x1.mean().backward()
x2.sum().backward()
""",
    "the slope of the product of one number is a number": """
x0 = T.tensor(-2.5, dtype=T.float32, requires_grad=True)
x1 = x0.prod()
(x0.sum() + x1.sum()).backward(create_graph=True)
""",
    "softplus of few numbers loses nothing": """
x0 = T.tensor(-0.828125, dtype=T.float32)
x1 = T.tensor(-0.390625, dtype=T.float32)
x2 = T.nn.functional.binary_cross_entropy_with_logits(x0, x1)
""",
}
