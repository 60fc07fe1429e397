"""Label-smoothed cross-entropy and its gradient by PyTorch, in float64.

    python -m venv venv && venv/bin/pip install torch==2.13.0 numpy
    venv/bin/python tools/goldens/label-smoothing/make.py packages/plugins/label-smoothing/test/fixtures/torch.json

Seeded: two runs write the same file.
"""

import json
import sys

import torch

IGNORED = -100

torch.manual_seed(20260901)
cases = []
for shape, ignored in [((5, 4), []), ((2, 3, 6), [1, 5])]:
    logits = (torch.randn(shape, dtype=torch.float64) * 2).requires_grad_()
    labels = torch.randint(0, shape[-1], shape[:-1])
    labels.view(-1)[ignored] = IGNORED
    for epsilon in [0.0, 0.1, 0.5]:
        flat = logits.view(-1, shape[-1])
        loss = torch.nn.CrossEntropyLoss(label_smoothing=epsilon, ignore_index=IGNORED)(flat, labels.view(-1))
        (gradient,) = torch.autograd.grad(loss, logits)
        cases.append(
            {
                "shape": list(shape),
                "epsilon": epsilon,
                "logits": logits.flatten().tolist(),
                # -1 where a position is ignored.
                "labels": [max(label, -1) for label in labels.flatten().tolist()],
                "loss": loss.item(),
                "gradient": gradient.flatten().tolist(),
            }
        )

with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump({"source": f"PyTorch {torch.__version__}", "cases": cases}, file)
    file.write("\n")
