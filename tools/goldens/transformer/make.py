"""Tiny classifiers of Hugging Face transformers: the checkpoints, and their logits in float64.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0
    venv/bin/python tools/goldens/transformer/make.py packages/plugins/transformer/test/fixtures

Two runs write the same files. The checkpoints are float32; logits are computed from them in double precision, once for
every activation, with rows of different length.
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
)

LABELS = ["ham", "spam", "other"]
SHARED = {
    "vocab_size": 32,
    "max_position_embeddings": 12,
    "pad_token_id": 0,
    "id2label": dict(enumerate(LABELS)),
    "label2id": {label: i for i, label in enumerate(LABELS)},
    "problem_type": "single_label_classification",
    "attn_implementation": "eager",
}


def norms(name: str) -> bool:
    return name.endswith(("LayerNorm.weight", "layer_norm.weight"))


def make(out: pathlib.Path, model_class, config, activation: str, activations: list[str], inputs: list[str]) -> None:
    torch.manual_seed(20260901)
    model = model_class(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Far from what initialisation gives, so that nothing cancels: normalisations that scale, biases that shift.
            parameter.normal_(1.0 if norms(name) else 0.0, 0.3)
    model.save_pretrained(out)

    lengths = torch.tensor([9, 5, 2])
    input_ids = torch.randint(1, 32, (3, 9))
    token_type_ids = torch.randint(0, 2, (3, 9))
    attention_mask = (torch.arange(9)[None] < lengths[:, None]).long()
    input_ids[attention_mask == 0] = 0
    feeds = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
    feeds = {name: feeds[name] for name in inputs}

    logits = {}
    for name in activations:
        variant = model_class.from_pretrained(
            out, attn_implementation="eager", dtype=torch.float32, **{activation: name}
        )
        with torch.no_grad():
            logits[name] = variant.double().eval()(**feeds).logits.tolist()

    expected = {
        "source": f"transformers {transformers.__version__}, PyTorch {torch.__version__}",
        "feeds": {name: value.tolist() for name, value in feeds.items()},
        "logits": logits,
    }
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
    (out / "model.safetensors").chmod(0o644)


root = pathlib.Path(sys.argv[1])
make(
    root / "bert",
    BertForSequenceClassification,
    BertConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=24,
        type_vocab_size=2,
        hidden_act="gelu",
        **SHARED,
    ),
    "hidden_act",
    ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh"],
    ["input_ids", "attention_mask", "token_type_ids"],
)
make(
    root / "distilbert",
    DistilBertForSequenceClassification,
    DistilBertConfig(dim=16, n_layers=2, n_heads=4, hidden_dim=24, activation="gelu", **SHARED),
    "activation",
    ["gelu", "relu"],
    ["input_ids", "attention_mask"],
)
