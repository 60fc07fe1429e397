"""A tiny BERT encoder with a classification head: weights, inputs, loss and all gradients in float64.

    python -m venv venv && venv/bin/pip install torch==2.13.0 numpy
    venv/bin/python tools/goldens/encoder/make.py packages/graph/test/fixtures/encoder.json

Post-norm layers, exact GELU, padding mask, label-smoothed cross-entropy. Two heads share one classifier, so that one
loss covers both poolings: the first token through a tanh pooler, and the mean over the tokens that are no padding.
Weights are stored as PyTorch has them ([out, in]).
"""

import base64
import json
import sys

import torch
import torch.nn.functional as F

BATCH, SEQUENCE, HIDDEN, HEADS, LAYERS, VOCAB, CLASSES = 3, 8, 16, 4, 2, 32, 3
EPSILON, SMOOTHING, MASKED = 1e-12, 0.1, -10000.0

torch.set_default_dtype(torch.float64)
torch.manual_seed(20240607)

weights: dict[str, torch.Tensor] = {}


def parameter(name: str, *shape: int, scale: float = 0.3, shift: float = 0.0) -> None:
    weights[name] = (torch.randn(*shape) * scale + shift).requires_grad_()


def linear(name: str, inputs: int, outputs: int) -> None:
    parameter(f"{name}.weight", outputs, inputs)
    parameter(f"{name}.bias", outputs, scale=0.1)


def norm(name: str) -> None:
    parameter(f"{name}.weight", HIDDEN, scale=0.1, shift=1.0)
    parameter(f"{name}.bias", HIDDEN, scale=0.1)


parameter("embeddings.word_embeddings.weight", VOCAB, HIDDEN)
parameter("embeddings.position_embeddings.weight", SEQUENCE, HIDDEN)
parameter("embeddings.token_type_embeddings.weight", 2, HIDDEN)
norm("embeddings.LayerNorm")
for i in range(LAYERS):
    layer = f"encoder.layer.{i}"
    for part in ("query", "key", "value"):
        linear(f"{layer}.attention.self.{part}", HIDDEN, HIDDEN)
    linear(f"{layer}.attention.output.dense", HIDDEN, HIDDEN)
    norm(f"{layer}.attention.output.LayerNorm")
    linear(f"{layer}.intermediate.dense", HIDDEN, 4 * HIDDEN)
    linear(f"{layer}.output.dense", 4 * HIDDEN, HIDDEN)
    norm(f"{layer}.output.LayerNorm")
linear("pooler.dense", HIDDEN, HIDDEN)
linear("classifier", HIDDEN, CLASSES)

ids = torch.randint(0, VOCAB, (BATCH, SEQUENCE))
types = torch.randint(0, 2, (BATCH, SEQUENCE))
lengths = torch.tensor([8, 5, 3])
mask = (torch.arange(SEQUENCE)[None] < lengths[:, None]).to(torch.float64)
labels = torch.tensor([2, 0, 1])


def apply_linear(name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def apply_norm(name: str, x: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, (HIDDEN,), weights[f"{name}.weight"], weights[f"{name}.bias"], EPSILON)


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.view(BATCH, SEQUENCE, HEADS, HIDDEN // HEADS).transpose(1, 2)


h = (
    F.embedding(ids, weights["embeddings.word_embeddings.weight"])
    + F.embedding(types, weights["embeddings.token_type_embeddings.weight"])
    + weights["embeddings.position_embeddings.weight"]
)
h = apply_norm("embeddings.LayerNorm", h)
bias = ((1 - mask) * MASKED)[:, None, None, :]
for i in range(LAYERS):
    layer = f"encoder.layer.{i}"
    q, k, v = (heads(apply_linear(f"{layer}.attention.self.{part}", h)) for part in ("query", "key", "value"))
    a = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    a = apply_linear(f"{layer}.attention.output.dense", a.transpose(1, 2).reshape(BATCH, SEQUENCE, HIDDEN))
    h = apply_norm(f"{layer}.attention.output.LayerNorm", h + a)
    f = apply_linear(f"{layer}.output.dense", F.gelu(apply_linear(f"{layer}.intermediate.dense", h)))
    h = apply_norm(f"{layer}.output.LayerNorm", h + f)

first = apply_linear("classifier", torch.tanh(apply_linear("pooler.dense", h[:, 0])))
mean = apply_linear("classifier", (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1e-9))
loss = F.cross_entropy(first, labels, label_smoothing=SMOOTHING) + F.cross_entropy(mean, labels, label_smoothing=SMOOTHING)
loss.backward()

DTYPES = {torch.float64: "float64", torch.int64: "int64"}


def encode(x: torch.Tensor) -> dict:
    data = base64.b64encode(x.detach().contiguous().numpy().tobytes()).decode()
    return {"dtype": DTYPES[x.dtype], "shape": list(x.shape), "data": data}


fixture = {
    "source": f"PyTorch {torch.__version__}",
    "config": {
        "batch": BATCH,
        "sequence": SEQUENCE,
        "hidden": HIDDEN,
        "heads": HEADS,
        "layers": LAYERS,
        "classes": CLASSES,
        "epsilon": EPSILON,
        "smoothing": SMOOTHING,
        "masked": MASKED,
    },
    "inputs": {name: encode(x) for name, x in {"ids": ids, "types": types, "mask": mask, "labels": labels}.items()},
    "weights": {name: encode(x) for name, x in weights.items()},
    "gradients": {name: encode(x.grad) for name, x in weights.items()},
    "logits": encode(torch.stack([first, mean])),
    "loss": loss.item(),
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(fixture, file, indent=1)
    file.write("\n")
