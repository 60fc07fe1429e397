"""Group-fairness metrics by Fairlearn.

    python -m venv venv && venv/bin/pip install fairlearn==0.13.0
    venv/bin/python tools/goldens/fairness/make.py packages/plugins/bias-audit/test/fixtures/fairness.json

The first case is the example of Fairlearn's documentation; the others are seeded. Fairlearn gives 0 for the true
positive rate of a group without positive rows; such cases are not drawn.
"""

import json
import sys

import fairlearn
import numpy
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)


def case(name, truth, predicted, groups, weights=None):
    shared = {"sensitive_features": groups, "sample_weight": weights}
    frame = MetricFrame(
        metrics={"selection": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=truth,
        y_pred=predicted,
        sensitive_features=groups,
        sample_params=None
        if weights is None
        else {key: {"sample_weight": weights} for key in ("selection", "tpr", "fpr")},
    )
    return {
        "name": name,
        "truth": list(map(int, truth)),
        "predicted": list(map(int, predicted)),
        "groups": list(map(str, groups)),
        **({} if weights is None else {"weights": list(map(float, weights))}),
        "rates": {key: {str(g): float(v) for g, v in frame.by_group[key].items()} for key in frame.by_group},
        "demographicParityDifference": float(demographic_parity_difference(truth, predicted, **shared)),
        "demographicParityRatio": float(demographic_parity_ratio(truth, predicted, **shared)),
        "equalizedOddsDifference": float(equalized_odds_difference(truth, predicted, **shared)),
        "equalizedOddsRatio": float(equalized_odds_ratio(truth, predicted, **shared)),
        "meanOddsDifference": float(equalized_odds_difference(truth, predicted, agg="mean", **shared)),
        "meanOddsRatio": float(equalized_odds_ratio(truth, predicted, agg="mean", **shared)),
    }


cases = [
    case(
        "documentation",
        [0, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1],
        [0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0],
        list("bbabbcccaacabccbcc"),
    )
]
rng = numpy.random.default_rng(11)
for rows, kinds, weighted in [(40, 2, False), (60, 3, False), (80, 4, True), (50, 2, True)]:
    while True:
        truth, predicted = rng.integers(0, 2, rows), rng.integers(0, 2, rows)
        groups = rng.integers(0, kinds, rows)
        if len({(t, g) for t, g in zip(truth, groups)}) == 2 * kinds:
            break
    weights = rng.integers(1, 9, rows) / 4 if weighted else None
    cases.append(case(f"{rows} rows, {kinds} groups{', weighted' if weighted else ''}", truth, predicted, groups, weights))

with open(sys.argv[1], "w") as file:
    json.dump({"fairlearn": fairlearn.__version__, "cases": cases}, file)
    file.write("\n")
