"""Scores of numbers, of several labels and of thresholds against scikit-learn's."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as official

from convzoo.metrics.classification import (
    ClassificationMeter,
    Decided,
    average_precision,
    class_scores,
    operating_point,
    threshold_counts,
)
from convzoo.metrics.multi_label import MultiLabelMeter
from convzoo.metrics.regression import RegressionMeter, conformal_margin

SEEDS = st.integers(0, 10_000)


def squared(outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (outputs[:, 0] - target).square()


@given(st.integers(2, 60), SEEDS, st.sampled_from([0.01, 1.0, 300.0]))
def test_scores_of_numbers_are_the_official_ones(count: int, seed: int, deviation: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(count, generator=generator, dtype=torch.float64)
    outputs = target[:, None] + torch.randn(count, 3, generator=generator, dtype=torch.float64)
    meter = RegressionMeter(deviation, "squared_error", squared)
    for start in range(0, count, 7):
        meter.update(outputs[start : start + 7], target[start : start + 7])
    found, value = meter.compute(), outputs[:, 0]
    assert found["rmse"] == pytest.approx(deviation * official.root_mean_squared_error(target, value))
    assert found["mae"] == pytest.approx(deviation * official.mean_absolute_error(target, value))
    assert found["r2"] == pytest.approx(official.r2_score(target, value), abs=1e-9)
    assert found["squared_error"] == pytest.approx(official.mean_squared_error(target, value))
    low, high = outputs[:, 1], outputs[:, 2]
    assert found["coverage"] == pytest.approx(((low <= target) & (target <= high)).double().mean().item())
    assert found["mean_width"] == pytest.approx(deviation * (high - low).mean().item())


def test_examples_without_a_number_are_left_out_and_single_values_have_no_coverage() -> None:
    meter = RegressionMeter(2.0, "squared_error", squared)
    meter.update(torch.tensor([[1.0], [5.0], [3.0]]), torch.tensor([0.0, math.nan, 3.0]))
    found = meter.compute()
    assert found["mae"] == pytest.approx(1.0)
    assert "coverage" not in found


def test_labels_that_are_neither_there_nor_predicted_are_left_out() -> None:
    meter = MultiLabelMeter(3, torch.zeros(3))
    meter.update(torch.tensor([[1.0, -1.0, -1.0], [1.0, 1.0, -1.0]]), torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]))
    found = meter.compute()
    assert found["macro_f1"] == pytest.approx((1.0 + 0.0) / 2)  # the second label is predicted in vain
    assert found["micro_f1"] == pytest.approx(2 * 2 / (3 + 2))
    assert found["mean_average_precision"] == 1.0
    drawn = meter.resampled(np.ones((1, 2)))
    for name in ("macro_f1", "micro_f1", "mean_average_precision"):
        assert drawn[name][0] == pytest.approx(found[name])
    empty = MultiLabelMeter(2, torch.zeros(2))
    empty.update(-torch.ones(2, 2), torch.zeros(2, 2))
    found = empty.compute()
    assert {name for name, value in found.items() if math.isnan(value)} == {
        "macro_f1",
        "micro_f1",
        "mean_average_precision",
    }
    assert found["subset_accuracy"] == 1.0


def test_a_split_of_equal_numbers_has_no_r2() -> None:
    meter = RegressionMeter(1.0, "squared_error", squared)
    meter.update(torch.tensor([[1.0], [2.0]]), torch.tensor([3.0, 3.0]))
    assert math.isnan(meter.compute()["r2"])
    assert np.isnan(meter.resampled(np.ones((2, 2)))["r2"]).all()


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_a_conformal_interval_holds_what_it_promises(coverage: float) -> None:
    random = np.random.default_rng(0)
    held = []
    for _ in range(400):
        margin = conformal_margin(torch.from_numpy(np.abs(random.standard_t(3, 60))), coverage)
        assert margin is not None
        held.append((np.abs(random.standard_t(3, 200)) <= margin).mean())
    assert coverage - 0.01 <= np.mean(held) <= coverage + 1 / 61 + 0.01


def test_a_margin_of_few_examples_is_the_largest_error() -> None:
    assert conformal_margin(torch.tensor([3.0, 1.0, 2.0]), 0.9) == 3.0
    assert conformal_margin(torch.empty(0), 0.9) is None
    # (9 + 1) · 0.9 is the ninth of nine.
    assert conformal_margin(torch.arange(1.0, 10.0), 0.9) == 9.0
    assert conformal_margin(torch.arange(1.0, 11.0), 0.5) == 6.0


@given(st.integers(2, 80), SEEDS, st.booleans())
def test_curves_are_the_official_ones(count: int, seed: int, rounded: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(count, generator=generator, dtype=torch.float64)
    scores = (4 * scores).round() / 4 if rounded else scores
    positive = torch.rand(count, generator=generator) < 0.4
    positive[0], positive[1] = True, False
    hits, false, thresholds = threshold_counts(scores, positive)
    precision, recall, points = official.precision_recall_curve(positive, scores)
    assert (hits / (hits + false)).flip(0).numpy() == pytest.approx(precision[:-1])
    assert (hits / positive.sum()).flip(0).numpy() == pytest.approx(recall[:-1])
    assert thresholds.flip(0).numpy() == pytest.approx(points)
    false_rate, true_rate, _ = official.roc_curve(positive, scores, drop_intermediate=False)
    assert (false / (~positive).sum()).numpy() == pytest.approx(false_rate[1:])
    assert (hits / positive.sum()).numpy() == pytest.approx(true_rate[1:])
    assert average_precision(scores, positive) == pytest.approx(official.average_precision_score(positive, scores))


@given(st.integers(4, 80), SEEDS, st.sampled_from([("f1", 0.0), ("precision", 0.8), ("recall", 0.9)]))
def test_no_threshold_is_better_than_the_chosen_one(count: int, seed: int, wanted: tuple[str, float]) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(count, generator=generator, dtype=torch.float64)
    positive = torch.rand(count, generator=generator) < 0.4
    positive[0] = True
    name, least = wanted
    point = operating_point(scores, positive, name, least)
    assert point is not None

    def at(threshold: float) -> tuple[float, float, float]:
        said = (scores >= threshold).numpy()
        found = official.precision_recall_fscore_support(positive.numpy(), said, average="binary", zero_division=0.0)
        return found[0], found[1], found[2]

    precision, recall, f1 = at(point.threshold)
    assert (point.precision, point.recall) == pytest.approx((precision, recall))
    every = [at(threshold) for threshold in scores.tolist()]
    if name == "f1":
        assert f1 == pytest.approx(max(each[2] for each in every))
    elif name == "recall":
        assert precision == pytest.approx(max(each[0] for each in every if each[1] >= least - 1e-9))
    elif point.reached:
        assert recall == pytest.approx(max(each[1] for each in every if each[0] >= least - 1e-9))
    else:
        assert precision == pytest.approx(max(each[0] for each in every))
        assert precision < least


def test_there_is_no_threshold_without_positive_examples() -> None:
    assert operating_point(torch.rand(5), torch.zeros(5, dtype=torch.bool), "f1") is None


@given(st.integers(1, 5), st.integers(2, 50), SEEDS)
def test_scores_of_several_labels_are_the_official_ones(labels: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, labels, generator=generator, dtype=torch.float64)
    target = (torch.rand(count, labels, generator=generator) < 0.4).double()
    target[0] = 1
    thresholds = torch.randn(labels, generator=generator, dtype=torch.float64) / 2
    meter = MultiLabelMeter(labels, thresholds)
    for start in range(0, count, 7):
        meter.update(outputs[start : start + 7], target[start : start + 7])
    found, said = meter.compute(), (outputs >= thresholds).numpy()
    true = target.numpy()
    for average in ("micro", "macro"):
        expected = official.f1_score(true, said, average=average, zero_division=0.0) if labels > 1 else None
        if expected is not None:
            assert found[f"{average}_f1"] == pytest.approx(expected)
    each = [official.average_precision_score(true[:, at], outputs[:, at]) for at in range(labels)]
    assert found["mean_average_precision"] == pytest.approx(np.mean(each))
    assert found["subset_accuracy"] == pytest.approx((said == true).all(axis=1).mean())
    losses = [official.log_loss(true[:, at], outputs[:, at].sigmoid(), labels=[0, 1]) for at in range(labels)]
    assert found["cross_entropy"] == pytest.approx(np.mean(losses))


@given(st.integers(2, 5), st.integers(1, 40), SEEDS)
def test_scores_of_each_class_are_the_official_ones(classes: int, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    true, said = (torch.randint(classes, (count,), generator=generator) for _ in range(2))
    confusion = torch.from_numpy(official.confusion_matrix(true, said, labels=range(classes))).double()
    expected = official.precision_recall_fscore_support(true, said, labels=range(classes), zero_division=0.0)
    assert class_scores(confusion).T.numpy() == pytest.approx(np.stack(expected).astype(float))


def test_a_threshold_decides_the_classes_and_leaves_probabilities_as_they_are() -> None:
    logits = torch.tensor([[0.0, 1.0], [0.0, 3.0], [1.0, 0.0]])
    target = torch.tensor([0, 1, 0])
    plain, decided = ClassificationMeter(2), ClassificationMeter(2, positive=1)
    plain.update(logits, target)
    decided.update(Decided(logits, torch.tensor([0, 1, 0])), target)
    before, after = plain.compute(), decided.compute()
    assert before["accuracy"] == pytest.approx(2 / 3)
    assert after["accuracy"] == after["precision"] == after["recall"] == after["f1"] == 1.0
    assert after["cross_entropy"] == pytest.approx(before["cross_entropy"])
    assert after["auroc"] == before["auroc"]


def test_a_label_that_nothing_has_is_left_out_of_the_mean_average_precision() -> None:
    meter = MultiLabelMeter(3, torch.zeros(3))
    target = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]])
    meter.update(torch.tensor([[3.0, -1, 2], [-1, 2, 1], [2, -2, -1], [-3, -3, -3]]), target)
    # Both positives of the first label come first; those of the second are first and third.
    assert meter.compute()["mean_average_precision"] == pytest.approx((1 + (1 + 2 / 3) / 2) / 2)
