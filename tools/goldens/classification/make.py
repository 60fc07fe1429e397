"""Metrics, TF-IDF and logistic regression by scikit-learn, weighted cross-entropy by PyTorch.

    python -m venv venv && venv/bin/pip install scikit-learn==1.9.1 scipy torch==2.13.0
    venv/bin/python tools/goldens/classification/make.py packages/plugins/text-classification/test/fixtures

Seeded: two runs write the same files.
"""

import json
import pathlib
import sys

import numpy as np
import scipy
import sklearn
import torch
from scipy.special import softmax
from scipy.stats import bootstrap
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)

OUT = pathlib.Path(sys.argv[1])
SOURCE = f"scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, PyTorch {torch.__version__}"
rng = np.random.default_rng(20260901)


def expected_calibration_error(y: np.ndarray, p: np.ndarray, bins: int) -> float:
    """Guo et al., 2017, equation 3, with bins that are open on the left."""
    edges = np.linspace(0, 1, bins + 1)
    confidence = p.max(axis=1)
    correct = (p.argmax(axis=1) == y).astype(float)
    total = 0.0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def metrics(classes: int, rows: int, noise: float) -> dict:
    y = rng.choice(classes, size=rows, p=np.arange(classes, 0, -1) / (classes * (classes + 1) / 2))
    # Eighths: many scores are tied, and exactly so, whoever computes them. The truth adds to its own logit.
    logits = np.round(8 * (rng.normal(size=(rows, classes)) * noise + 1.5 * np.eye(classes)[y])) / 8
    p = softmax(logits, axis=1)
    predicted = p.argmax(axis=1)
    average = "binary" if classes == 2 else "macro"
    shared = {"average": average, "zero_division": 0}
    scores = p[:, 1] if classes == 2 else p
    result = {
        "accuracy": accuracy_score(y, predicted),
        "precision": precision_score(y, predicted, **shared),
        "recall": recall_score(y, predicted, **shared),
        "f1": f1_score(y, predicted, **shared),
        "auroc": roc_auc_score(y, scores, multi_class="ovr", average="macro"),
        "ece": expected_calibration_error(y, p, 15),
        "logLoss": log_loss(y, p),
        "brier": brier_score_loss(y, scores),
    }
    case = {
        "labels": y.tolist(),
        "logits": logits.tolist(),
        "metrics": result,
        "confusion": confusion_matrix(y, predicted).tolist(),
    }
    if classes == 2:
        fpr, tpr, _ = roc_curve(y, p[:, 1], drop_intermediate=False)
        case["roc"] = np.stack([fpr, tpr], axis=1).tolist()
    return case


def intervals() -> dict:
    """Percentile intervals of scipy with many resamples: what ours must come near to."""
    rows = 300
    y = rng.choice(2, size=rows, p=[0.6, 0.4])
    logits = np.round(rng.normal(size=(rows, 2)) + 1.5 * np.eye(2)[y], 2)
    p = softmax(logits, axis=1)
    statistics = {
        "accuracy": lambda i: accuracy_score(y[i], p[i].argmax(axis=1)),
        "f1": lambda i: f1_score(y[i], p[i].argmax(axis=1)),
        "auroc": lambda i: roc_auc_score(y[i], p[i, 1]),
        "ece": lambda i: expected_calibration_error(y[i], p[i], 15),
        "logLoss": lambda i: log_loss(y[i], p[i]),
    }
    result = {}
    for name, statistic in statistics.items():
        found = bootstrap(
            (np.arange(rows),), statistic, n_resamples=10_000, method="percentile", vectorized=False, rng=1
        ).confidence_interval
        result[name] = [found.low, found.high]
    return {"labels": y.tolist(), "logits": logits.tolist(), "ci95": result}


WORDS = {
    "ham": "meeting tomorrow agenda notes please review the draft before lunch thanks Zoë naïve café".split(),
    "spam": "win money now click here free offer viagra £1000 guaranteed cash_prize act today".split(),
    "list": "patch kernel list archive unsubscribe Größe module x86_64 diff 2.4 build fails".split(),
}
COMMON = "a I we to and of for it's re: you".split()


def sentence(label: str) -> str:
    own = list(rng.choice(WORDS[label], size=rng.integers(3, 9)))
    other = list(rng.choice(WORDS[str(rng.choice(list(WORDS)))], size=2))
    words = own + other + list(rng.choice(COMMON, size=4))
    rng.shuffle(words)
    return " ".join(words)


def tfidf(labels: list[str]) -> dict:
    y = rng.choice(len(labels), size=40)
    texts = [sentence(labels[k]) for k in y]
    held_out = [sentence(labels[k]) for k in rng.choice(len(labels), size=12)] + ["", "nothing known in here"]
    cases = []
    for sublinear, c in [(False, 1.0), (True, 10.0)]:
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=sublinear)
        x = vectorizer.fit_transform(texts)
        model = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(x, y)
        first = x[0].toarray()[0]
        terms = vectorizer.get_feature_names_out()
        cases.append(
            {
                "sublinearTf": sublinear,
                "c": c,
                "terms": sorted(terms.tolist()),
                "firstRow": {terms[i]: first[i] for i in np.flatnonzero(first)},
                "probabilities": model.predict_proba(vectorizer.transform(held_out)).tolist(),
            }
        )
    return {"classes": len(labels), "labels": y.tolist(), "texts": texts, "heldOut": held_out, "cases": cases}


def losses() -> list[dict]:
    logits = torch.tensor(rng.normal(size=(6, 3)) * 3)
    labels = torch.tensor([0, 2, 1, 1, 0, 2])
    result = []
    for weights in [None, [0.5, 1.0, 2.5]]:
        weight = None if weights is None else torch.tensor(weights, dtype=torch.float64)
        # The last two rows stand for padding: a mean over the others.
        loss = torch.nn.CrossEntropyLoss(weight=weight)(logits[:4], labels[:4])
        result.append({"logits": logits.tolist(), "labels": labels.tolist(), "rows": 4, "weights": weights, "loss": loss.item()})
    return result


def write(name: str, value: dict) -> None:
    (OUT / name).write_text(json.dumps({"source": SOURCE, **value}) + "\n", encoding="utf-8")


write("metrics.json", {"cases": [metrics(2, 80, 1.2), metrics(4, 120, 1.0)], "bootstrap": intervals()})
write("tfidf.json", {"cases": [tfidf(["ham", "spam"]), tfidf(["ham", "list", "spam"])]})
write("loss.json", {"cases": losses()})
