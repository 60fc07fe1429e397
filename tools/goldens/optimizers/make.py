"""Parameters after 20 steps of PyTorch's optimizers, gradient clipping, parameter groups, accumulation and schedules, in
float64.

    python -m venv venv && venv/bin/pip install torch==2.13.0 numpy
    venv/bin/python tools/goldens/optimizers/make.py packages/core/test/train/fixtures/torch.json

Parameters and gradients follow from a formula that the test has as well, so the file holds results only. Lion is not in
PyTorch: it is written down here from the pseudocode of its paper (Chen et al., 2023, algorithm 2).
"""

import json
import math
import sys

import torch

STEPS = 20
SHAPES = {"tall.weight": (4, 3), "wide.weight": (3, 5), "bias": (3,)}
DECAY = 0.1


def start(index, shape):
    count = math.prod(shape)
    values = [math.cos(1.3 * i + index) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def gradient(step, index, parameter):
    noise = [math.sin(1.7 * i + 0.9 * step + 2.1 * index) for i in range(parameter.numel())]
    return 0.3 * parameter.detach() + torch.tensor(noise, dtype=torch.float64).reshape(parameter.shape)


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr = group["betas"], group["lr"]
            for theta in group["params"]:
                m = self.state[theta].setdefault("m", torch.zeros_like(theta))
                c = beta1 * m + (1 - beta1) * theta.grad
                theta -= lr * (torch.sign(c) + group["weight_decay"] * theta)
                self.state[theta]["m"] = beta2 * m + (1 - beta2) * theta.grad


class Pair:
    """Two optimizers, each with its own parameters."""

    def __init__(self, *parts):
        self.parts = parts

    def step(self):
        for part in self.parts:
            part.step()


def grouped(params, **options):
    """Decay for matrices only, as the engine has it."""
    return [
        {"params": [p for p in params.values() if p.ndim > 1], "weight_decay": DECAY, **options},
        {"params": [p for p in params.values() if p.ndim == 1], "weight_decay": 0.0, **options},
    ]


def muon(params, lr):
    matrices = [p for p in params.values() if p.ndim == 2]
    vectors = [p for p in params.values() if p.ndim == 1]
    return Pair(
        torch.optim.Muon(matrices, lr=lr, weight_decay=DECAY),
        torch.optim.AdamW(vectors, lr=0.015 * lr, weight_decay=0.0),
    )


# PyTorch iterates in bfloat16, whose rounding is all that would differ.
torch.Tensor.bfloat16 = lambda self: self.clone()

CASES = [
    ("adamw", {}, 0.01, lambda p, lr: torch.optim.AdamW(grouped(p), lr=lr)),
    ("adamw", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}, 0.01, lambda p, lr: torch.optim.AdamW(grouped(p), lr=lr, betas=(0.8, 0.95), eps=1e-3)),
    ("adam", {}, 0.01, lambda p, lr: torch.optim.Adam(grouped(p), lr=lr)),
    ("sgd", {}, 0.02, lambda p, lr: torch.optim.SGD(grouped(p), lr=lr)),
    ("sgd", {"momentum": 0.9}, 0.02, lambda p, lr: torch.optim.SGD(grouped(p), lr=lr, momentum=0.9)),
    ("sgd", {"momentum": 0.9, "nesterov": True}, 0.02, lambda p, lr: torch.optim.SGD(grouped(p), lr=lr, momentum=0.9, nesterov=True)),
    ("lion", {}, 0.01, lambda p, lr: Lion(grouped(p), lr, (0.9, 0.99), 0.0)),
    ("rmsprop", {}, 0.01, lambda p, lr: torch.optim.RMSprop(grouped(p), lr=lr)),
    ("adagrad", {}, 0.01, lambda p, lr: torch.optim.Adagrad(grouped(p), lr=lr)),
    ("adafactor", {}, 0.01, lambda p, lr: torch.optim.Adafactor(grouped(p), lr=lr, eps=(2.0**-23, 1e-3))),
    ("muon", {}, 0.02, muon),
]


def run(make, lr, max_norm):
    params = {name: torch.nn.Parameter(start(i, shape)) for i, (name, shape) in enumerate(SHAPES.items())}
    optimizer = make(params, lr)
    norms = []
    for step in range(STEPS):
        for i, p in enumerate(params.values()):
            p.grad = gradient(step, i, p)
        if max_norm > 0:
            norms.append(torch.nn.utils.clip_grad_norm_(list(params.values()), max_norm).item())
        optimizer.step()
    return {name: p.detach().flatten().tolist() for name, p in params.items()}, norms


cases = []
for name, options, lr, make in CASES:
    final, _ = run(make, lr, 0)
    cases.append({"optimizer": {"name": name, **options}, "learningRate": lr, "maxGradNorm": 0, "final": final})
for max_norm in [0.5, 4.0]:
    final, norms = run(lambda p, lr: torch.optim.SGD(grouped(p), lr=lr), 0.02, max_norm)
    cases.append({"optimizer": {"name": "sgd"}, "learningRate": 0.02, "maxGradNorm": max_norm, "norms": norms, "final": final})


# Learning rate and decay of groups; what is in none has those of the rest.
GROUPS = {"tall.weight": {"lr": 0.16, "weight_decay": 0.05}, "bias": {"weight_decay": 0.2}}


def in_groups(params, lr):
    rest = {"lr": lr, "weight_decay": DECAY}
    return torch.optim.AdamW([{"params": [p], **rest, **GROUPS.get(name, {})} for name, p in params.items()])


def accumulated(max_norm):
    """A bag of embeddings that tags tokens, trained on micro-batches whose loss is a mean over uneven numbers of tokens."""
    table = torch.nn.Parameter(torch.tensor([math.cos(1.3 * i) for i in range(24)], dtype=torch.float64).reshape(6, 4))
    head = torch.nn.Parameter(torch.tensor([math.sin(0.7 * i) for i in range(12)], dtype=torch.float64).reshape(4, 3))
    sentences = [[1, 2, 3, 4, 5], [2, 5], [3], [4, 4, 1, 2], [5, 1, 3]]
    micros = [sentences[:2], sentences[2:4], sentences[4:]]
    optimizer = torch.optim.SGD([table, head], lr=0.5)
    norms, losses = [], []
    for _ in range(4):
        optimizer.zero_grad()
        total = sum(token % 4 != 0 for sentence in sentences for token in sentence)
        mean = 0.0
        for micro in micros:
            tokens = [token for sentence in micro for token in sentence if token % 4 != 0]
            logits = table[torch.tensor(tokens)] @ head
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor([token % 3 for token in tokens]), reduction="sum")
            (loss / total).backward()
            mean += loss.item() / total
        losses.append(mean)
        norms.append(torch.nn.utils.clip_grad_norm_([table, head], max_norm).item())
        optimizer.step()
    final = {"embeddings.weight": table.detach().flatten().tolist(), "classifier.weight": head.detach().flatten().tolist()}
    return {"maxGradNorm": max_norm, "sentences": sentences, "losses": losses, "norms": norms, "final": final}


METRICS = [0.9, 0.8, 0.85, 0.8, 0.79999, 0.81, math.nan, 0.7, 0.7, 0.7, 0.69, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.2, 0.3, 0.3, 0.3, 0.3]


def plateau(mode, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, **options)
    rates = []
    for value in METRICS:
        schedule.step(value if mode == "min" else 1 - value)
        rates.append(optimizer.param_groups[0]["lr"])
    names = {"threshold_mode": "thresholdMode", "min_lr": "minLr"}
    return {"mode": mode, "options": {names.get(k, k): v for k, v in options.items()}, "rates": rates}


def one_cycle(total, rise):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=total, pct_start=rise)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < total else None
    return {"totalSteps": total, "rise": rise, "rates": rates}


groups, _ = run(in_groups, 0.01, 0)
result = {
    "source": f"PyTorch {torch.__version__}",
    "steps": STEPS,
    "weightDecay": DECAY,
    "shapes": {name: list(shape) for name, shape in SHAPES.items()},
    "cases": cases,
    "groups": {"learningRate": 0.01, "settings": GROUPS, "final": groups},
    "accumulated": [accumulated(100.0), accumulated(0.3)],
    "metrics": [None if math.isnan(value) else value for value in METRICS],
    "plateau": [
        plateau("min"),
        plateau("min", patience=2),
        plateau("max", patience=2, factor=0.5),
        plateau("min", patience=1, factor=0.5, cooldown=2),
        plateau("max", patience=0, factor=0.3, cooldown=3, min_lr=0.05),
        plateau("min", patience=1, threshold=0.05, threshold_mode="abs", factor=0.5),
        plateau("max", patience=1, threshold=0.05, threshold_mode="abs", factor=0.5),
        plateau("min", patience=0, factor=0.01, min_lr=1e-5),
    ],
    "oneCycle": [one_cycle(20, 0.3), one_cycle(7, 0.3), one_cycle(40, 0.1)],
}
with open(sys.argv[1], "w", encoding="utf-8") as file:
    json.dump(result, file)
    file.write("\n")
