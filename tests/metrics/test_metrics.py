"""Our scores against scikit-learn's and torchmetrics'."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as official
from torchmetrics.functional.classification import binary_auroc, multiclass_matthews_corrcoef

from convzoo.core.outputs.rankings import Ranking
from convzoo.metrics.anomalies import pointwise
from convzoo.metrics.classification import ClassificationMeter
from convzoo.metrics.detection import DetectionMeter
from convzoo.metrics.entities import EntityMeter
from convzoo.metrics.ranking import RankingMeter


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
    if len(target.unique()) > 1:
        assert found["matthews"] == pytest.approx(official.matthews_corrcoef(target, predicted), abs=1e-9)
    else:
        assert math.isnan(found["matthews"])
    if len(target.unique()) > 1 and len(predicted.unique()) > 1:  # else torchmetrics has other conventions
        theirs = float(multiclass_matthews_corrcoef(predicted, target, classes))
        assert found["matthews"] == pytest.approx(theirs, abs=1e-5)
    logarithms = outputs.double().log_softmax(dim=1)[torch.arange(count), target]
    assert found["cross_entropy"] == pytest.approx(-float(logarithms.mean()))
    if classes == 2 and 0 < int(target.sum()) < count:
        difference = (outputs[:, 1] - outputs[:, 0]).double()
        assert found["auroc"] == pytest.approx(official.roc_auc_score(target, difference))
        assert found["auroc"] == pytest.approx(float(binary_auroc(difference.sigmoid(), target)), abs=1e-5)


def test_scores_that_one_class_does_not_define_are_nan() -> None:
    meter = ClassificationMeter(2, positive=1, budgets={0.01: 0.0})
    meter.update(torch.tensor([[0.2, 0.1], [0.3, 0.2]]), torch.tensor([0, 0]))
    found = meter.compute()
    assert (found["accuracy"], found["macro_f1"], found["false_alarms_at_0.01"]) == (1.0, 1.0, 0.0)
    undefined = {name for name, value in found.items() if math.isnan(value)}
    assert undefined == {"auroc", "matthews", "precision", "recall", "f1", "recall_at_0.01"}
    drawn = meter.resampled(np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert {name for name, values in drawn.items() if np.isnan(values).all()} == undefined
    meter.update(torch.tensor([[0.1, 0.2]]), torch.tensor([0]))  # a false alarm: now precision and F1 are 0
    found = meter.compute()
    assert (found["precision"], found["f1"]) == (0.0, 0.0)
    assert math.isnan(found["recall"])


def test_an_opponent_that_always_says_the_same_has_no_correlation_but_a_score() -> None:
    meter = ClassificationMeter(2)
    meter.update(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))
    assert (meter.compute()["matthews"], meter.compute()["auroc"]) == (0.0, 0.5)


def test_ranking_without_a_later_item_is_undefined() -> None:
    meter = RankingMeter(3, [2])
    wanted = {"pointers": torch.tensor([0, 0]), "items": torch.empty(0, dtype=torch.int64)}
    meter.update(Ranking(torch.tensor([[0, 1]]), torch.tensor([[1.0, 0.5]])), {"wanted": wanted})
    found = meter.compute()
    assert {name for name, value in found.items() if math.isnan(value)} == {
        "recall_at_2", "ndcg_at_2", "mrr_at_2", "coverage_at_2"
    }  # fmt: skip
    assert np.isnan(meter.resampled(np.ones((1, 1)))["recall_at_2"]).all()


def test_scores_without_anything_to_find_are_undefined() -> None:
    found = pointwise(np.zeros(3, bool), np.zeros(3, bool))
    assert all(math.isnan(found[name]) for name in ("f1", "precision", "recall", "missed_alarm_rate"))
    assert found["false_alarm_rate"] == 0.0
    assert pointwise(np.ones(3, bool), np.zeros(3, bool))["precision"] == 0.0
    entities = EntityMeter(["PER"]).compute()
    assert all(math.isnan(entities[name]) for name in ("f1", "precision", "recall", "macro_f1", "surface_f1"))
    boxes = DetectionMeter(["Car"]).compute()
    assert all(math.isnan(value) for value in boxes.values())


def test_bf16_outputs_are_scored() -> None:
    meter = ClassificationMeter(3)
    meter.update(torch.eye(3, dtype=torch.bfloat16), torch.arange(3))
    assert meter.compute()["accuracy"] == 1.0
    assert np.isfinite(meter.compute()["cross_entropy"])
