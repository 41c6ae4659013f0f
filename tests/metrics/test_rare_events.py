"""Scores of rare events: held against scikit-learn and against counting by hand."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from convzoo.metrics.rare_events import RareEventMeter, Rows, budget_threshold, saving_threshold
from convzoo.ops.thresholds import average_precision


def rows_of(scores: list[float], truth: list[float], amounts: list[float], days: list[float]) -> Rows:
    none = np.full(len(scores), np.nan)
    return Rows(
        *(np.array(each, dtype=float) for each in (scores, truth, amounts, days)), none, np.zeros(len(scores), int)
    )


@pytest.mark.parametrize("decimals", [1, 8])
def test_average_precision_is_that_of_scikit_learn_with_ties_too(decimals: int) -> None:
    random = np.random.default_rng(decimals)
    scores, wrong = random.uniform(size=500).round(decimals), random.uniform(size=500) < 0.1
    assert average_precision(scores, wrong) == pytest.approx(average_precision_score(wrong, scores))
    assert math.isnan(average_precision(scores, np.zeros(500, dtype=bool)))


def test_the_threshold_keeps_within_the_budget_and_lies_between_two_scores() -> None:
    rows = rows_of([0.9, 0.8, 0.8, 0.3, 0.1], [1, 0, 1, 0, 0], [1] * 5, [0, 0.5, 1, 1.5, 2])
    assert budget_threshold(rows, 1.0) == pytest.approx(0.85)  # two alarms are allowed, and the next score comes twice
    assert budget_threshold(rows, 1.5) == pytest.approx(0.55)
    assert budget_threshold(rows, 0.1) > 0.9
    assert budget_threshold(rows, 100) == 0.1


def test_the_saving_threshold_gives_an_alarm_where_it_pays() -> None:
    rows = rows_of([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], [30, 5, 12, 9], [0, 1, 2, 3])
    assert saving_threshold(rows, 5) == pytest.approx(0.65)
    assert saving_threshold(rows, 7) == pytest.approx(0.85)
    assert saving_threshold(rows, 50) > 0.9


def batch(scores: np.ndarray, truth: np.ndarray, amounts: np.ndarray, days: np.ndarray, new: np.ndarray) -> tuple:
    target = {"answers": truth, "amounts": amounts, "days": days, "new": new}
    tensors = {name: torch.from_numpy(values) for name, values in target.items()}
    return torch.from_numpy(scores)[:, :, None], {**tensors, "judged": torch.ones(truth.shape, dtype=torch.bool)}


def example(units: int = 12, rows: int = 30, seed: int = 0) -> tuple:
    random = np.random.default_rng(seed)
    shape = (units, rows)
    truth = (random.uniform(size=shape) < 0.15).astype(float)
    scores = random.normal(size=shape).round(2) + truth
    days = np.tile(np.linspace(0, 10, rows), (units, 1))
    new = np.repeat((np.arange(units) % 3 == 0).astype(float), rows).reshape(shape)
    return batch(scores, truth, random.uniform(5, 90, shape), days, new)


def test_the_scores_are_those_of_counting_by_hand() -> None:
    outputs, target = example()
    meter = RareEventMeter(1.0, 5.0)
    meter.update(outputs[:5], {name: values[:5] for name, values in target.items()})
    meter.update(outputs[5:], {name: values[5:] for name, values in target.items()})
    found = meter.compute()
    scores, truth, amounts = (
        outputs[:, :, 0].numpy().ravel(),
        target["answers"].numpy().ravel(),
        target["amounts"].numpy().ravel(),
    )
    alarms, wrong = scores >= 1, truth == 1
    assert found["average_precision"] == pytest.approx(average_precision_score(wrong, scores))
    assert found["recall"] == pytest.approx(alarms[wrong].mean())
    assert found["precision"] == pytest.approx(wrong[alarms].mean())
    assert found["alarms_a_day"] == pytest.approx(alarms.sum() / 10)
    assert found["saved"] == pytest.approx(amounts[alarms & wrong].sum() - 5 * alarms.sum())
    assert found["saved_part"] == pytest.approx(found["saved"] / amounts[wrong].sum())
    new = target["new"].numpy().ravel() == 1
    assert found["average_precision_new"] == pytest.approx(average_precision_score(wrong[new], scores[new]))


def test_scores_of_drawn_units_are_those_of_the_units_so_often() -> None:
    outputs, target = example()
    target["answers"][3, ::4] = math.nan
    meter = RareEventMeter(1.0, 5.0)
    meter.update(outputs, target)
    weights = np.random.default_rng(0).integers(0, 3, (4, 12)).astype(float)
    drawn = meter.resampled(weights)
    for draw, counts in enumerate(weights.astype(int)):
        chosen = np.repeat(np.arange(12), counts)
        again = RareEventMeter(1.0, 5.0)
        again.update(outputs[chosen], {name: values[chosen] for name, values in target.items()})
        scores = again.compute()
        for name in ("average_precision", "recall", "precision"):
            assert drawn[name][draw] == pytest.approx(scores[name])


def test_rows_without_an_answer_are_alarms_but_no_hits() -> None:
    outputs, target = batch(
        np.array([[3.0, 3.0, 0.0]]), np.array([[1.0, math.nan, 0.0]]), np.full((1, 3), 10.0), np.array([[0.0, 1.0, 2.0]]),
        np.full((1, 3), math.nan),
    )  # fmt: skip
    meter = RareEventMeter(1.0, 1.0)
    meter.update(outputs, target)
    found = meter.compute()
    assert (found["precision"], found["alarms_a_day"], found["saved"]) == (1.0, 1.0, 8.0)
    assert "average_precision_new" not in found
