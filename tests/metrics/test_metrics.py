"""Our scores against scikit-learn's and torchmetrics'."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as official
from torchmetrics.functional.classification import binary_auroc, multiclass_matthews_corrcoef

from convzoo.metrics.classification import ClassificationMeter


@given(st.integers(2, 6), st.integers(1, 60), st.integers(0, 10_000), st.booleans())
def test_scores_are_the_official_ones(classes: int, count: int, seed: int, rounded: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, classes, generator=generator)
    if rounded:  # ties
        outputs = outputs.round()
    target = torch.randint(classes, (count,), generator=generator)
    meter = ClassificationMeter(classes)
    for start in range(0, count, 7):
        meter.update(outputs[start : start + 7], target[start : start + 7])
    found = meter.compute()
    predicted = outputs.argmax(dim=1)
    assert found["accuracy"] == pytest.approx(official.accuracy_score(target, predicted))
    assert found["macro_f1"] == pytest.approx(official.f1_score(target, predicted, average="macro"))
    assert found["matthews"] == pytest.approx(_matthews(target, predicted), abs=1e-9)
    if len(target.unique()) > 1 and len(predicted.unique()) > 1:  # else torchmetrics has other conventions
        theirs = float(multiclass_matthews_corrcoef(predicted, target, classes))
        assert found["matthews"] == pytest.approx(theirs, abs=1e-5)
    logarithms = outputs.double().log_softmax(dim=1)[torch.arange(count), target]
    assert found["cross_entropy"] == pytest.approx(-float(logarithms.mean()))
    if classes == 2 and 0 < int(target.sum()) < count:
        difference = (outputs[:, 1] - outputs[:, 0]).double()
        assert found["auroc"] == pytest.approx(official.roc_auc_score(target, difference))
        assert found["auroc"] == pytest.approx(float(binary_auroc(difference.sigmoid(), target)), abs=1e-5)


def _matthews(target: torch.Tensor, predicted: torch.Tensor) -> float:
    if len(set(target.tolist())) == 1 and set(target.tolist()) == set(predicted.tolist()):
        return 0.0
    return float(official.matthews_corrcoef(target, predicted))


def test_one_class_has_no_ranking() -> None:
    meter = ClassificationMeter(2)
    meter.update(torch.tensor([[0.2, 0.1]]), torch.tensor([0]))
    found = meter.compute()
    assert found["auroc"] == 0.5
    assert found["matthews"] == 0.0
    assert all(math.isfinite(value) for value in found.values())


def test_bf16_outputs_are_scored() -> None:
    meter = ClassificationMeter(3)
    meter.update(torch.eye(3, dtype=torch.bfloat16), torch.arange(3))
    assert meter.compute()["accuracy"] == 1.0
    assert np.isfinite(meter.compute()["cross_entropy"])
