"""The causal language modeling loss of PyTorch, with labels that do not count, and its gradients.

    python -m venv venv && venv/bin/pip install torch==2.13.0
    venv/bin/python tools/goldens/language-modeling/make.py packages/plugins/language-modeling/test/fixtures

Two runs write the same file. Everything is in double precision.
"""

import json
import math
import pathlib
import sys

import torch
from torch.nn.functional import cross_entropy

BATCH, SEQUENCE, FEATURES, CLASSES = 3, 6, 5, 13


def main(out: pathlib.Path) -> None:
    torch.manual_seed(20260903)
    hidden = torch.randn(BATCH, SEQUENCE, FEATURES, dtype=torch.float64, requires_grad=True)
    weight = (2 * torch.randn(CLASSES, FEATURES, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, CLASSES, (BATCH, SEQUENCE))
    # As Hugging Face marks prompts and padding; one row does not count at all.
    labels[0, :2] = -100
    labels[1, 4:] = -100
    labels[2] = -100
    logits = hidden @ weight.T
    # Some of the labels are what the model says, so that the accuracy is not 0.
    labels[1, :3] = logits[1, :3].argmax(-1)
    flat = logits.reshape(-1, CLASSES)
    loss = cross_entropy(flat, labels.reshape(-1), ignore_index=-100)
    loss.backward()
    each = cross_entropy(flat, labels.reshape(-1), ignore_index=-100, reduction="none").reshape(BATCH, SEQUENCE)
    hits = (logits.argmax(-1) == labels).double()
    golden = {
        "hidden": hidden.tolist(),
        "weight": weight.tolist(),
        "labels": labels.tolist(),
        "loss": loss.item(),
        "perplexity": math.exp(loss.item()),
        "losses": each.tolist(),
        "hits": hits.tolist(),
        "gradients": {"hidden": hidden.grad.tolist(), "weight": weight.grad.tolist()},
    }
    (out / "loss.json").write_text(json.dumps(golden) + "\n")


main(pathlib.Path(sys.argv[1]))
