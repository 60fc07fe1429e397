"""Tiny Llama decoders of Hugging Face transformers: the checkpoint, its logits, and the gradients of its loss.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0
    venv/bin/python tools/goldens/transformer/make_decoder.py packages/plugins/transformer/test/fixtures

Two runs write the same files. The checkpoints are float32; everything is computed from them in double precision, also
the rotary angles, normalisations and softmax that transformers itself keeps in single precision. Rows have different lengths, padded at the end
or within: a row that starts with padding has no defined attention, and transformers gives NaN there.
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama import modeling_llama

SHARED = {
    "vocab_size": 29,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5,
    "pad_token_id": 0,
    "attn_implementation": "eager",
}


class DoubleForSingle:
    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def rotary_in_double(module, theta: float, size: int):
    def forward(x, position_ids):
        inverse = theta ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = position_ids[..., None].double() * inverse
        both = torch.cat([angles, angles], -1)
        return both.cos().to(x.dtype), both.sin().to(x.dtype)

    module.forward = forward


def make(out: pathlib.Path, **options) -> None:
    torch.manual_seed(20260902)
    config = LlamaConfig(**SHARED, **options)
    model = LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1.0 if "norm" in name else 0.0, 0.3)
    model.save_pretrained(out)
    model = model.double()
    modeling_llama.torch = DoubleForSingle()
    rotary_in_double(model.model.rotary_emb, config.rope_parameters["rope_theta"], config.head_dim)

    batch, length = 3, 8
    input_ids = torch.randint(1, 29, (batch, length))
    position = torch.arange(length)
    attention_mask = torch.stack([position < 8, position < 5, (position < 2) | (position > 3)]).long()
    input_ids[attention_mask == 0] = 0
    logits = model(input_ids=input_ids, attention_mask=attention_mask).logits

    # Each token predicts the next; padding predicts nothing and nothing predicts it.
    labels = input_ids.roll(-1, 1)
    weights = attention_mask * attention_mask.roll(-1, 1)
    weights[:, -1] = 0
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    loss = (losses * weights.flatten()).sum() / weights.sum()
    loss.backward()
    modeling_llama.torch = torch
    expected = {
        "source": f"transformers {transformers.__version__}, PyTorch {torch.__version__}",
        "feeds": {"input_ids": input_ids.tolist(), "attention_mask": attention_mask.tolist()},
        "labels": labels.tolist(),
        "weights": weights.tolist(),
        "logits": logits.tolist(),
        "loss": loss.item(),
        "gradients": {name: p.grad.flatten().tolist() for name, p in model.named_parameters()},
    }
    (out / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    (out / "model.safetensors").chmod(0o644)


root = pathlib.Path(sys.argv[1])
make(root / "llama", num_key_value_heads=2, tie_word_embeddings=True)
make(
    root / "llama-untied",
    num_key_value_heads=6,
    head_dim=6,
    tie_word_embeddings=False,
    attention_bias=True,
    mlp_bias=True,
    rope_parameters={"rope_type": "default", "rope_theta": 500.0},
)
