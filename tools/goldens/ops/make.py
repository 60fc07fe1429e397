"""Results and gradients of single operators in float64, as PyTorch computes them.

    python -m venv venv && venv/bin/pip install torch==2.13.0 numpy
    venv/bin/python tools/goldens/ops/make.py packages/graph/test/fixtures/ops.json

Every case has float inputs, the result, a gradient of the result (`seed`) and the gradients of the inputs.
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


def case(name: str, fn, *inputs: torch.Tensor) -> None:
    args = [x.clone().requires_grad_() for x in inputs]
    y = fn(*args)
    seed = torch.randn(y.shape)
    y.backward(seed)
    cases[name] = {
        "inputs": [flat(x) for x in args],
        "result": flat(y),
        "seed": flat(seed),
        "gradients": [flat(x.grad) for x in args],
    }


def r(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape) * scale


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

x1, x2 = r(1, 4, 7), r(1, 4, 6, 5)
case("conv1d", lambda x, w, b: F.conv1d(x, w, b, stride=2, padding=1), x1, r(3, 4, 3), r(3))
case("conv2d", lambda x, w: F.conv2d(x, w), x2, r(3, 4, 3, 2))
case("conv2d-stride", lambda x, w, b: F.conv2d(x, w, b, stride=(2, 3), padding=(1, 0)), x2, r(3, 4, 3, 3), r(3))
case("conv2d-dilation", lambda x, w: F.conv2d(x, w, padding=2, dilation=2), x2, r(3, 4, 3, 2))
case("conv2d-groups", lambda x, w, b: F.conv2d(x, w, b, stride=2, groups=2), x2, r(4, 2, 3, 3), r(4))
case("conv2d-depthwise", lambda x, w: F.conv2d(x, w, padding=1, groups=4), x2, r(4, 1, 3, 3))
case("conv-transpose1d", lambda x, w, b: F.conv_transpose1d(x, w, b, stride=3), x1, r(4, 3, 2), r(3))
case(
    "conv-transpose2d",
    lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1, dilation=1),
    x2,
    r(4, 3, 3, 3),
)
case("conv-transpose2d-groups", lambda x, w: F.conv_transpose2d(x, w, stride=2, groups=2), x2, r(4, 3, 3, 2))
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

with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"source": f"PyTorch {torch.__version__}", "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
