"""Results and gradients of single operators in float64, as PyTorch computes them.

    python -m venv venv && venv/bin/pip install torch==2.13.0 numpy
    venv/bin/python tools/goldens/ops/make.py packages/graph/test/fixtures/ops.json

Every case has float inputs, the result, a gradient of the result (`seed`) and the gradients of the inputs. Those made
by `node` also have the operator that computes the result.
"""

import json
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(7)

cases: dict[str, dict] = {}


def flat(x: torch.Tensor) -> dict:
    return {"shape": list(x.shape), "data": x.detach().reshape(-1).tolist()}


def short(x: torch.Tensor) -> torch.Tensor:
    """Three decimals, so that the file stays small."""
    return x.round(decimals=3)


def case(name: str, fn, *inputs: torch.Tensor) -> None:
    args = [x.clone().requires_grad_() for x in inputs]
    y = fn(*args)
    seed = short(torch.randn(y.shape))
    y.backward(seed)
    cases[name] = {
        "inputs": [flat(x) for x in args],
        "result": flat(y),
        "seed": flat(seed),
        "gradients": [flat(x.grad) for x in args],
    }


def r(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return short(torch.randn(shape) * scale)


wide = torch.cat([r(20, scale=3), torch.tensor([0.0, -0.0, 3.0, -3.0, 6.0, 30.0, -30.0])])

case("gelu", F.gelu, wide)
case("gelu-tanh", lambda x: F.gelu(x, approximate="tanh"), wide)
case("silu", F.silu, wide)
case("mish", F.mish, wide)
case("softplus", F.softplus, r(20, scale=3))
case("softsign", F.softsign, wide)
case("relu", F.relu, wide)
case("leaky-relu", lambda x: F.leaky_relu(x, 0.02), wide)
case("elu", lambda x: F.elu(x, 0.7), wide)
case("selu", F.selu, wide)
case("celu", lambda x: F.celu(x, 2.0), wide)
case("hard-sigmoid", F.hardsigmoid, r(20, scale=3))
case("hard-swish", F.hardswish, r(20, scale=3))
case("prelu", F.prelu, r(2, 3, 4), r(3))
case("erf", torch.erf, r(12))
case("tan", torch.tan, r(12))
case("pow", torch.pow, r(3, 4).abs() + 0.1, r(4))
case("clip", lambda x: x.clamp(-0.5, 1.0), torch.cat([r(12), torch.tensor([-0.5, 1.0])]))
case("maximum-tied", torch.maximum, torch.tensor([1.0, 2.0, 3.0, 3.0]), torch.tensor([1.0, 5.0, 0.0, 3.0]))
case("reduce-max-tied", lambda x: x.amax(1), torch.tensor([[1.0, 4.0, 4.0], [2.0, 2.0, 2.0]]))
case("reduce-min", lambda x: x.amin((0, 2)), r(2, 3, 4))
case("reduce-prod-zeros", lambda x: x.prod(1), torch.tensor([[2.0, 3.0, -1.5], [0.0, 3.0, 4.0], [0.0, 2.0, 0.0]]))
case("norm", lambda x: x.norm(dim=-1), torch.cat([r(3, 4), torch.zeros(1, 4)]))
case("log-sum-exp", lambda x: torch.logsumexp(x, (0, 2), keepdim=True), r(2, 3, 4, scale=20))
case("softmax", lambda x: x.softmax(-1), r(2, 3, 5, scale=4))
case("softmax-inner", lambda x: x.softmax(1), r(2, 3, 5, scale=4))
case("log-softmax", lambda x: x.log_softmax(-1), r(4, 5, scale=20))
case("cumsum", lambda x: x.cumsum(1), r(2, 5))
case("layer-norm", lambda x, w, b: F.layer_norm(x, (6,), w, b, 1e-5), r(2, 3, 6), r(6), r(6))
case("layer-norm-2", lambda x, w, b: F.layer_norm(x, (3, 6), w, b, 1e-5), r(2, 3, 6), r(3, 6), r(3, 6))
case("rms-norm", lambda x, w: F.rms_norm(x, (6,), w, 1e-6), r(2, 3, 6), r(6))
case("instance-norm", lambda x, w, b: F.instance_norm(x, weight=w, bias=b), r(2, 3, 4, 5), r(3), r(3))
case("group-norm", lambda x, w, b: F.group_norm(x, 2, w, b), r(2, 4, 3, 3), r(4), r(4))
running = (r(3), r(3).abs() + 0.2)
case("batch-norm", lambda x, w, b: F.batch_norm(x, *running, w, b), r(2, 3, 4), r(3), r(3))
cases["batch-norm"]["constants"] = [flat(x) for x in running]
case("normalize", lambda x: F.normalize(x, dim=1), r(3, 4))
case("pad-reflect", lambda x: F.pad(x, (2, 1, 1, 2), mode="reflect"), r(1, 1, 4, 4))
case("pad-replicate", lambda x: F.pad(x, (2, 1, 1, 2), mode="replicate"), r(1, 1, 3, 4))
case("pad-circular", lambda x: F.pad(x, (2, 1, 1, 2), mode="circular"), r(1, 1, 3, 4))
case("bmm-broadcast", torch.matmul, r(2, 1, 3, 4), r(5, 4, 2))
case("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v), r(2, 2, 5, 3), r(2, 2, 4, 3), r(2, 2, 4, 3))
case("einsum", lambda a, b: torch.einsum("bij,kj->bik", a, b), r(2, 3, 4), r(5, 4))

x2 = r(1, 4, 6, 5)
case("max-pool", lambda x: F.max_pool2d(x, 2, 2), x2)
case("max-pool-overlap", lambda x: F.max_pool2d(x, 3, 2, padding=1), x2)
case("average-pool", lambda x: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False), x2)
case("average-pool-pad", lambda x: F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=True), x2)
case("global-average-pool", lambda x: F.adaptive_avg_pool2d(x, 1), x2)
case("pixel-shuffle", lambda x: F.pixel_shuffle(x, 2), r(1, 8, 2, 3))
case("pixel-unshuffle", lambda x: F.pixel_unshuffle(x, 2), r(1, 2, 4, 6))
case("resize-nearest", lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), r(1, 2, 3, 4))
case("resize-bilinear", lambda x: F.interpolate(x, size=(7, 5), mode="bilinear", align_corners=False), r(1, 2, 3, 4))
case("resize-bilinear-corners", lambda x: F.interpolate(x, size=(7, 5), mode="bilinear", align_corners=True), r(1, 2, 3, 4))

def attribute(value) -> dict:
    """A value as the attribute that ONNX would have."""
    if isinstance(value, str):
        return {"string": value}
    kind = "float" if isinstance(value, float) else "int"
    if isinstance(value, (list, tuple)):
        return {("float" if isinstance(value[0], float) else "int") + "s": list(value)}
    return {kind: value}


def const(values, dtype: str = "int64", shape=None) -> dict:
    """An input without a gradient."""
    data = torch.as_tensor(values)
    return {"dtype": dtype, "shape": list(data.shape if shape is None else shape), "data": data.reshape(-1).tolist()}


def node(op: str, label: str, fn, inputs, slots=None, outputs: int = 1, domain: str = "", **attributes) -> None:
    """One node. `slots` are its inputs: indices into `inputs`, constants, or None where one is left out."""
    name = f"{op} {label}".strip()
    case(name, fn, *inputs)
    cases[name]["node"] = {
        "op": op,
        "domain": domain,
        "attributes": {key: attribute(value) for key, value in attributes.items()},
        "slots": list(range(len(inputs))) if slots is None else slots,
        "outputs": outputs,
    }


def ms(op: str, label: str, fn, inputs, slots=None, **attributes) -> None:
    node(op, label, fn, inputs, slots, domain="com.microsoft", **attributes)


def u(*shape: int, low: float = -2.0, high: float = 2.0) -> torch.Tensor:
    return short(torch.rand(shape) * (high - low) + low)


def t(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


ends = t(-3, -1, -0.5, 0, 0.5, 1, 3)
for op, fn, x in [
    ("Abs", torch.abs, ends),
    ("Acos", torch.acos, u(5, low=-0.9, high=0.9)),
    ("Acosh", torch.acosh, u(5, low=1.1, high=9)),
    ("Asin", torch.asin, u(5, low=-0.9, high=0.9)),
    ("Asinh", torch.asinh, ends),
    ("Atan", torch.atan, ends),
    ("Atanh", torch.atanh, u(5, low=-0.9, high=0.9)),
    ("Cos", torch.cos, ends),
    ("Cosh", torch.cosh, ends),
    ("Exp", torch.exp, ends),
    ("Identity", lambda x: x * 1, ends),
    ("Log", torch.log, u(5, low=1e-3, high=3)),
    ("Neg", torch.neg, ends),
    ("Reciprocal", torch.reciprocal, t(-4, -0.1, 0.1, 4)),
    ("Sigmoid", torch.sigmoid, wide),
    ("Sin", torch.sin, ends),
    ("Sinh", torch.sinh, ends),
    ("Sqrt", torch.sqrt, u(5, low=1e-3, high=3)),
    ("Swish", F.silu, wide),
    ("Tanh", torch.tanh, wide),
]:
    node(op, "", fn, [x])
# Straight through: what rounds is trained as if it did not.
for op, fn in [("Ceil", torch.ceil), ("Floor", torch.floor), ("Round", torch.round)]:
    node(op, "straight through", lambda x, fn=fn: x + (fn(x) - x).detach(), [ends + 0.25])
node("ThresholdedRelu", "", lambda x: F.threshold(x, 0.5, 0.0), [ends], alpha=0.5)
node("Shrink", "hard", lambda x: F.hardshrink(x, 0.5), [ends], lambd=0.5)
node("Shrink", "soft", lambda x: F.softshrink(x, 0.5), [ends], lambd=0.5, bias=0.5)
node("Gelu", "of com.microsoft", F.gelu, [wide], domain="com.microsoft")
gelu_bias = lambda approximate: lambda x, b: F.gelu(x + b, approximate=approximate)
ms("BiasGelu", "", gelu_bias("none"), [r(2, 3, 4), r(4)])
ms("FastGelu", "with a bias", gelu_bias("tanh"), [r(2, 3, 4), r(4)])
ms("FastGelu", "", lambda x: F.gelu(x, approximate="tanh"), [wide])

# Shapes that broadcast in every way.
for a, b in [((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 3)), ((2, 1, 3), (4, 1)), ((2, 3), ()), ((1, 1), (2, 2))]:
    label = f"{list(a)} {list(b)}"
    for op, fn in [("Add", torch.add), ("Sub", torch.sub), ("Mul", torch.mul), ("Min", torch.minimum), ("Max", torch.maximum)]:
        node(op, label, fn, [r(*a), r(*b)])
    node("Div", label, torch.div, [r(*a), u(*b, low=0.5) + 1.5])
    node("Pow", label, torch.pow, [r(*a).abs() + 0.1, r(*b)])
    node("Sum", label, torch.add, [r(*a), r(*b)])
    node("Mean", label, lambda a, b: (a + b) / 2, [r(*a), r(*b)])
    condition = torch.rand(torch.broadcast_shapes(a, b)) < 0.5
    node("Where", label, lambda a, b, c=condition: torch.where(c, a, b), [r(*a), r(*b)], [const(condition.int(), "bool"), 0, 1])
node("Sum", "of three", lambda a, b, c: a + b + c, [r(2, 3), r(3), r(2, 1)])
node("Mean", "of three", lambda a, b, c: (a + b + c) / 3, [r(2, 3), r(3), r(2, 1)])
node("Min", "tied", torch.minimum, [t(1, 2, 3, 3), t(1, 5, 0, 3)])
node("Pow", "of zero", torch.pow, [t(0, 0, 0, 2), t(2, 0, 1, 0)])
node("Pow", "of negatives", lambda x: x.pow(3), [t(-2, -0.5, 1)], [0, const([3.0], "float64", [])])
bounds = (torch.tensor(-0.5), torch.tensor(1.0))
node("Clip", "bounds with gradients", torch.clamp, [torch.cat([r(12), t(-0.5, 1.0)]), *bounds])
node("Cast", "to its own type", lambda x: x * 1, [t(0.5, -2, 0.25)], to=11)
node("Dropout", "at inference", lambda x: x * 1, [r(4)])

for op, fn in [
    ("ReduceSum", lambda x, a, k: x.sum(a, keepdim=k)),
    ("ReduceMean", lambda x, a, k: x.mean(a, keepdim=k)),
    ("ReduceL1", lambda x, a, k: x.abs().sum(a, keepdim=k)),
    ("ReduceL2", lambda x, a, k: torch.linalg.vector_norm(x, dim=a, keepdim=k)),
    ("ReduceSumSquare", lambda x, a, k: x.square().sum(a, keepdim=k)),
    ("ReduceMax", lambda x, a, k: x.amax(a, keepdim=k)),
    ("ReduceMin", lambda x, a, k: x.amin(a, keepdim=k)),
    ("ReduceLogSum", lambda x, a, k: x.sum(a, keepdim=k).log()),
    ("ReduceLogSumExp", lambda x, a, k: torch.logsumexp(x, a, keepdim=k)),
]:
    for axes, keep in [((1,), 0), ((0, 2), 1), ((-1,), 1)]:
        x = r(2, 3, 2).abs() + 0.1 if op == "ReduceLogSum" else r(2, 3, 2)
        node(op, f"{list(axes)} keepdims {keep}", lambda x, fn=fn, a=axes, k=keep: fn(x, a, k == 1), [x], [0, const(axes)], keepdims=keep)
node("ReduceMin", "tied", lambda x: x.amin(1), [torch.tensor([[1.0, 1.0, 4.0], [2.0, 2.0, 2.0]])], [0, const([1])], keepdims=0)
node("ReduceL1", "of zero", lambda x: x.abs().sum(0), [t(0, -2, 0)], [0, const([0])], keepdims=0)
node("ReduceProd", "", lambda x: x.prod(1), [r(2, 3, 2)], [0, const([1])], keepdims=0)

for a, b, ta, tb in [((3, 4), (4, 2), 0, 0), ((4, 3), (4, 2), 1, 0), ((3, 4), (2, 4), 0, 1), ((4, 3), (2, 4), 1, 1)]:
    product = lambda a, b, ta=ta, tb=tb: (a.mT if ta else a) @ (b.mT if tb else b)
    gemm = lambda a, b, c, product=product: 0.7 * product(a, b) + 1.5 * c
    for c in [(2,), (3, 1), ()]:
        node("Gemm", f"{ta}{tb} bias {list(c)}", gemm, [r(*a), r(*b), r(*c)], transA=ta, transB=tb, alpha=0.7, beta=1.5)
    fused = lambda a, b, product=product: 0.7 * product(a, b)
    ms("FusedMatMul", f"{ta}{tb}", fused, [r(2, 1, *a), r(3, *b)], transA=ta, transB=tb, alpha=0.7)
for a, b in [((4,), (4,)), ((4,), (4, 2)), ((3, 4), (4,)), ((2, 3, 4), (4, 2)), ((3, 4), (2, 4, 2)), ((2, 3, 4), (1, 4, 2))]:
    node("MatMul", f"{list(a)} {list(b)}", torch.matmul, [r(*a), r(*b)])
for equation, shapes in [("ij->ji", [(2, 3)]), ("bhqd,bhkd->bhqk", [(1, 2, 2, 3), (1, 2, 3, 3)]), ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 2)])]:
    node("Einsum", equation, lambda *x, e=equation: torch.einsum(e, *x), [r(*s) for s in shapes], equation=equation)

# Weights of 4 and 8 bits in blocks of 16, rows of 24: the last block is half full.
for bits in (4, 8):
    codes = torch.randint(0, 2**bits, (3, 32))
    packed = codes[:, 0::2] + 16 * codes[:, 1::2] if bits == 4 else codes
    scales = u(3, 2, low=0.1, high=1)
    weight = ((codes - 2 ** (bits - 1)).reshape(3, 2, 16) * scales[:, :, None]).reshape(3, 32)[:, :24]
    ms(
        "MatMulNBits",
        f"{bits} bits",
        lambda x, w=weight: x @ w.T,
        [r(2, 24)],
        [0, {**const(packed.reshape(3, 2, -1), "uint8"), "parameter": True}, const(scales.reshape(-1), "float64")],
        K=24,
        N=3,
        bits=bits,
        block_size=16,
    )
codes = torch.randint(-128, 128, (3, 4))
node("DequantizeLinear", "one scale", lambda s: (codes - 3) * s, [u(low=0.1, high=1)], [const(codes, "int8"), 0, const([3], "int8", [])])
node("DequantizeLinear", "columns", lambda s: codes * s, [u(4, low=0.1, high=1)], [const(codes, "int8"), 0], axis=1)
node("DequantizeLinear", "rows", lambda s: codes * s[:, None], [u(3, low=0.1, high=1)], [const(codes, "int8"), 0], axis=0)
node(
    "DequantizeLinear",
    "blocks",
    lambda s: (codes.reshape(3, 2, 2) * s[:, :, None]).reshape(3, 4),
    [u(3, 2, low=0.1, high=1)],
    [const(codes, "int8"), 0],
    axis=1,
    block_size=2,
)

node("SimplifiedLayerNormalization", "", lambda x, w: F.rms_norm(x, (6,), w, 1e-6), [r(2, 3, 6), r(6)], epsilon=1e-6)
node("LayerNormalization", "without bias", lambda x, w: F.layer_norm(x, (6,), w, None, 1e-5), [r(2, 3, 6), r(6)])
node("RMSNormalization", "two axes", lambda x, w: F.rms_norm(x, (3, 6), w, 1e-6), [r(2, 3, 6), r(3, 6)], axis=1, epsilon=1e-6)
node("LayerNormalization", "of equal rows", lambda x, w, b: F.layer_norm(x, (3,), w, b, 1e-5), [torch.ones(2, 3), r(3), r(3)])
node(
    "MeanVarianceNormalization",
    "",
    lambda x: (x - x.mean((0, 2, 3), keepdim=True)) / (x.std((0, 2, 3), correction=0, keepdim=True) + 1e-9),
    [r(2, 3, 2, 2)],
)
node("LpNormalization", "p 1", lambda x: F.normalize(x, p=1, dim=1), [r(2, 3)], axis=1, p=1)
hidden = torch.tensor([[0.3, -1e30, -1e30], [-1e30, -1e30, -1e30]])
node("Softmax", "hidden columns and a hidden row", lambda x: x.softmax(-1), [hidden])
node("LogSoftmax", "inner axis", lambda x: x.log_softmax(1), [r(2, 3, 2)], axis=1)

node("Reshape", "", lambda x: x.reshape(4, 6), [r(2, 3, 4)], [0, const([4, -1])])
node("Flatten", "", lambda x: x.flatten(0, 1), [r(2, 3, 4)], axis=2)
node("Squeeze", "", lambda x: x.squeeze(1), [r(2, 1, 3)], [0, const([1])])
node("Unsqueeze", "", lambda x: x[None, ..., None], [r(2, 3)], [0, const([0, -1])])
node("Transpose", "", lambda x: x.permute(2, 0, 1), [r(2, 3, 4)], perm=[2, 0, 1])
node("Expand", "", lambda x: x.expand(4, 2, 3), [r(2, 1)], [0, const([4, 2, 3])])
node("Tile", "", lambda x: x.repeat(3, 2), [r(2, 3)], [0, const([3, 2])])
node("Concat", "", lambda a, b, c: torch.cat([a, b, c], -1), [r(2, 3), r(2, 1), r(2, 2)], axis=-1)
node("Split", "first of two", lambda x: x.split([2, 3], 1)[0], [r(2, 5)], [0, const([2, 3])], outputs=2, axis=1)
slices = lambda starts, ends, axes, steps: [0, const(starts), const(ends), const(axes), const(steps)]
node("Slice", "with a step", lambda x: x[1:5:2, -2:], [r(5, 4)], slices([1, -2], [5, 99], [0, 1], [2, 1]))
node("Slice", "backwards", lambda x: x.flip(0)[::2], [r(5, 2)], slices([-1], [-99], [0], [-2]))
node("Pad", "constant, cropped", lambda x: F.pad(x, (1, -1, -1, 2), value=0.5), [r(3, 4)], [0, const([-1, 1, 2, -1]), const([0.5], "float64", [])])
ids = torch.tensor([[0, 3], [1, 1]])
node("Gather", "rows, one twice", lambda x: x[ids], [r(4, 3)], [0, const(ids)])
node("Gather", "inner axis", lambda x: x[:, ids], [r(2, 4)], [0, const(ids)], axis=1)
node("Gather", "negative", lambda x: x[torch.tensor([-1, 0])], [r(4, 3)], [0, const([-1, 0])])
columns = torch.tensor([[0, 1, 1], [2, 0, 1]])
node("GatherElements", "", lambda x: x.gather(0, columns), [r(3, 3)], [0, const(columns)])
node("GatherND", "", lambda x: x[[0, 1, 0], [1, 2, 1]], [r(2, 3, 2)], [0, const([[0, 1], [1, -1], [0, 1]])])
node(
    "GatherND",
    "batched",
    lambda x: torch.stack([x[0][[0, 2]], x[1][[1, 1]]]),
    [r(2, 3, 2)],
    [0, const([[[0], [2]], [[1], [1]]])],
    batch_dims=1,
)
rows = torch.tensor([[0, 3, 1], [2, 0, 3]])
node("ScatterElements", "", lambda x, y: x.scatter(0, rows, y), [r(4, 3), r(2, 3)], [0, const(rows), 1])
twice = torch.tensor([[0, 3, 1], [0, 0, 1]])
node("ScatterElements", "add", lambda x, y: x.scatter_add(0, twice, y), [r(4, 3), r(2, 3)], [0, const(twice), 1], reduction="add")
put = lambda add: lambda x, y: x.index_put((torch.tensor([3, 1]),), y, accumulate=add)
node("ScatterND", "", put(False), [r(4, 3), r(2, 3)], [0, const([[3], [1]]), 1])
node("ScatterND", "add", put(True), [r(4, 3), r(2, 3)], [0, const([[3], [1]]), 1], reduction="add")
node("Trilu", "upper", lambda x: x.triu(1), [r(2, 3, 4)], [0, const([1], shape=[])], upper=1)
node("Trilu", "lower", lambda x: x.tril(-1), [r(3, 4)], [0, const([-1], shape=[])], upper=0)
axis_1 = const([1], shape=[])
node("CumSum", "exclusive, backwards", lambda x: x.flip(1).cumsum(1).flip(1) - x, [r(2, 5)], [0, axis_1], exclusive=1, reverse=1)
node("TopK", "", lambda x: x.topk(2).values, [r(3, 5)], [0, const([2])], outputs=2)
node("TopK", "smallest", lambda x: x.topk(2, 0, largest=False).values, [r(4, 3)], [0, const([2])], outputs=2, axis=0, largest=0)


def rotated(interleaved: bool):
    """As in the original paper (interleaved), or with the halves of GPT-NeoX."""

    def rotate(x, angles):
        cos, sin = angles.cos(), angles.sin()
        a, b = (x[..., 0::2], x[..., 1::2]) if interleaved else x.chunk(2, -1)
        pair = (a * cos - b * sin, a * sin + b * cos)
        return torch.stack(pair, -1).flatten(-2) if interleaved else torch.cat(pair, -1)

    return rotate


angles = u(5, 2)
at = torch.tensor([[0, 2, 4]])
caches = [const(angles.cos(), "float64"), const(angles.sin(), "float64")]
for interleaved in (0, 1):
    turn = lambda x, i=interleaved: rotated(i == 1)(x, angles[at][:, None])
    ms("RotaryEmbedding", f"of com.microsoft, interleaved {interleaved}", turn, [r(1, 2, 3, 4)], [0, const(at), *caches], interleaved=interleaved)
    node("RotaryEmbedding", f"interleaved {interleaved}", turn, [r(1, 2, 3, 4)], [0, *caches, const(at)], interleaved=interleaved)

CONVOLUTIONS = {1: (F.conv1d, F.conv_transpose1d), 2: (F.conv2d, F.conv_transpose2d), 3: (F.conv3d, F.conv_transpose3d)}
SIZES = {1: (7,), 2: (5, 4), 3: (3, 4, 3)}
SMALL = {1: (4,), 2: (3, 2), 3: (2, 1, 2)}
for n, (conv, transposed) in CONVOLUTIONS.items():
    for label, stride, pad, dilation, group in [
        ("plain", 1, 0, 1, 1),
        ("stride and pads", 2, 1, 1, 1),
        ("dilation", 1, 1, 2, 1),
        ("groups", 2, 0, 1, 2),
        ("depthwise", 1, 1, 1, 4),
    ]:
        if n == 3 and label not in ("stride and pads", "groups"):
            continue
        channels, outputs = (4, 4) if group > 1 else (2, 2)
        kernel = (2,) * n if n == 3 or label in ("dilation", "groups") else (3,) * n
        args = dict(strides=[stride] * n, pads=[pad] * 2 * n, dilations=[dilation] * n, group=group)
        settings = dict(stride=stride, padding=pad, dilation=dilation, groups=group)
        x, b = r(1, channels, *SIZES[n]), r(outputs)
        w = r(outputs, channels // group, *kernel)
        node("Conv", f"{n}-D, {label}", lambda x, w, b, c=conv, s=settings: c(x, w, b, **s), [x, w, b], **args)
        extra = 1 if max(stride, dilation) > 1 else 0
        grown = dict(settings, output_padding=extra)
        w = r(channels, outputs // group, *kernel)
        node(
            "ConvTranspose",
            f"{n}-D, {label}",
            lambda x, w, b, c=transposed, s=grown: c(x, w, b, **s),
            [r(1, channels, *SMALL[n]), w, b],
            output_padding=[extra] * n,
            **args,
        )
same = lambda x, w: F.conv2d(F.pad(x, (0, 1, 1, 1)), w, stride=2)
node("Conv", "same upper", same, [r(1, 2, 5, 6), r(2, 2, 3, 3)], auto_pad="SAME_UPPER", strides=[2, 2])
node("Conv", "same lower", lambda x, w: F.conv1d(F.pad(x, (2, 1)), w), [r(1, 2, 5), r(1, 2, 4)], auto_pad="SAME_LOWER")
node("Conv", "uneven pads", lambda x, w: F.conv1d(F.pad(x, (2, 0)), w), [r(1, 2, 5), r(1, 2, 3)], pads=[2, 0])

tied = torch.tensor([[[1.0, 1.0, 0.0, 2.0, 2.0, 2.0]]])
node("MaxPool", "tied", lambda x: F.max_pool1d(x, 2, 2), [tied], kernel_shape=[2], strides=[2])
node("MaxPool", "dilated", lambda x: F.max_pool1d(x, 2, 1, dilation=2), [r(1, 2, 6)], kernel_shape=[2], dilations=[2])
node("MaxPool", "3-D", lambda x: F.max_pool3d(x, 2, 1), [r(1, 1, 3, 3, 3)], kernel_shape=[2, 2, 2])
node("AveragePool", "1-D, rounded up", lambda x: F.avg_pool1d(x, 3, 2, ceil_mode=True), [r(1, 2, 6)], kernel_shape=[3], strides=[2], ceil_mode=1)
node("AveragePool", "3-D", lambda x: F.avg_pool3d(x, 2, 1), [r(1, 1, 3, 3, 3)], kernel_shape=[2, 2, 2])
node("LpPool", "p 2", lambda x: F.lp_pool1d(x, 2, 2, 2), [r(1, 2, 6)], kernel_shape=[2], strides=[2], p=2)
node("LpPool", "p 3", lambda x: F.lp_pool2d(x, 3, 2, 1), [r(1, 1, 3, 3).abs()], kernel_shape=[2, 2], p=3)
node("GlobalMaxPool", "", lambda x: F.adaptive_max_pool2d(x, 1), [r(2, 2, 2, 3)])
node("GlobalAveragePool", "1-D", lambda x: F.adaptive_avg_pool1d(x, 1), [r(2, 2, 3)])
cube = lambda x: F.interpolate(x, size=(6, 7), mode="bicubic", align_corners=False)
node("Resize", "cubic", cube, [r(1, 1, 4, 4)], [0, None, None, const([1, 1, 6, 7])], mode="cubic", coordinate_transformation_mode="pytorch_half_pixel")

with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"source": f"PyTorch {torch.__version__}", "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
