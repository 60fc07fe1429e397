"""A tiny BertForSequenceClassification of Hugging Face transformers: the checkpoint, and its logits in float64.

    python -m venv venv && venv/bin/pip install torch==2.13.0 transformers==5.17.0
    venv/bin/python tools/goldens/transformer/make.py packages/plugins/transformer/test/fixtures/bert

Two runs write the same files. The checkpoint is float32; logits are computed from it in double precision, once for
every activation, with rows of different length.
"""

import json
import pathlib
import sys

import torch
import transformers
from transformers import BertConfig, BertForSequenceClassification

OUT = pathlib.Path(sys.argv[1])
ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh"]

torch.manual_seed(20260901)
config = BertConfig(
    vocab_size=32,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=24,
    max_position_embeddings=12,
    type_vocab_size=2,
    hidden_act="gelu",
    pad_token_id=0,
    id2label={0: "ham", 1: "spam", 2: "other"},
    label2id={"ham": 0, "spam": 1, "other": 2},
    problem_type="single_label_classification",
    attn_implementation="eager",
)
model = BertForSequenceClassification(config).eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        # Far from what initialisation gives, so that nothing cancels: normalisations that scale, biases that shift.
        parameter.normal_(1.0 if name.endswith("LayerNorm.weight") else 0.0, 0.3)
model.save_pretrained(OUT)

lengths = torch.tensor([9, 5, 2])
input_ids = torch.randint(1, 32, (3, 9))
token_type_ids = torch.randint(0, 2, (3, 9))
attention_mask = (torch.arange(9)[None] < lengths[:, None]).long()
input_ids[attention_mask == 0] = 0
feeds = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}

logits = {}
for activation in ACTIVATIONS:
    variant = BertForSequenceClassification.from_pretrained(
        OUT, hidden_act=activation, attn_implementation="eager", dtype=torch.float32
    )
    with torch.no_grad():
        logits[activation] = variant.double().eval()(**feeds).logits.tolist()

expected = {
    "source": f"transformers {transformers.__version__}, PyTorch {torch.__version__}",
    "feeds": {name: value.tolist() for name, value in feeds.items()},
    "logits": logits,
}
(OUT / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")
