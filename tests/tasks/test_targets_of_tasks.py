"""Regression, several labels, class weights and operating points, apart from any kind of data."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.tasks.classification import Classification
from convzoo.tasks.clip_classification import ClipClassification
from convzoo.tasks.multi_label import MultiLabel
from convzoo.tasks.regression import Regression


class Given(nn.Module):
    """A model that answers what it is given."""

    def forward(self, answers: Tensor) -> Tensor:
        return answers


def batches(answers: Tensor, target: Tensor) -> list[Batch]:
    return [
        Batch({"answers": answers[start : start + 16]}, target[start : start + 16], len(answers[start : start + 16]))
        for start in range(0, len(answers), 16)
    ]


def predicted(task: Any, answers: Tensor) -> list[dict[str, Any]]:
    return task.decode(task.predict(Given(), Batch({"answers": answers}, None, len(answers))))


def noisy(loss: str, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Answers and true numbers whose error grows with an input; with `pinball` three columns in no order."""
    generator = torch.Generator().manual_seed(seed)
    middle, size = torch.randn(count, generator=generator), torch.rand(count, generator=generator) + 0.1
    target = middle + size * torch.randn(count, generator=generator)
    if loss != "pinball":
        return middle[:, None], target
    return torch.stack([middle, middle + size, middle - 0.7 * size], dim=1), target


@pytest.mark.parametrize("loss", ["squared", "absolute", "huber", "pinball"])
@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_intervals_hold_the_fraction_that_was_asked_for(loss: str, coverage: float) -> None:
    task = Regression(50.0, 10.0, loss, coverage)  # type: ignore[arg-type]
    task.calibrate(Given(), batches(*noisy(loss, 1500, 0)))
    answers, target = noisy(loss, 3000, 1)
    rows, truth = predicted(task, answers), task.read_target(target)
    inside = [row["low"] <= true["value"] <= row["high"] for row, true in zip(rows, truth, strict=True)]
    assert np.mean(inside) == pytest.approx(coverage, abs=0.04)
    assert all(row["low"] <= row["value"] <= row["high"] for row in rows)
    meter = task.meter()
    meter.update(task.predict(Given(), Batch({"answers": answers}, None, 3000)), target)
    assert meter.compute()["coverage"] == pytest.approx(np.mean(inside), abs=0.002)


def test_intervals_of_quantiles_differ_in_width_and_others_do_not() -> None:
    widths = {}
    for loss in ("squared", "pinball"):
        task = Regression(0.0, 1.0, loss)  # type: ignore[arg-type]
        task.calibrate(Given(), batches(*noisy(loss, 300, 0)))
        widths[loss] = {round(row["high"] - row["low"], 3) for row in predicted(task, noisy(loss, 50, 1)[0])}
    assert len(widths["squared"]) == 1 < len(widths["pinball"])


def test_predictions_are_in_the_unit_of_the_labels_and_as_exact_as_they_are() -> None:
    task = Regression(1234.5, 20.0)
    (row,) = predicted(task, torch.tensor([[0.5]]))
    assert row == {"value": 1244.5, "low": None, "high": None}
    assert task.read_target(torch.tensor([0.5, float("nan")])) == [{"value": 1244.5}, {"value": None}]
    assert task.in_words(row, "x.png") == "1244.5  x.png"
    assert "(1.5 to 2.5)" in task.in_words({"value": 2.0, "low": 1.5, "high": 2.5}, "x.png")


def test_the_margin_is_saved() -> None:
    task, loaded = Regression(0.0, 2.0), Regression(0.0, 2.0)
    task.calibrate(Given(), batches(*noisy("squared", 100, 0)))
    loaded.load_state(task.state())
    answers = noisy("squared", 5, 1)[0]
    assert predicted(loaded, answers) == predicted(task, answers)


def test_losses_of_numbers_are_torchs() -> None:
    answers, target = noisy("squared", 20, 3)
    expected = {
        "squared": F.mse_loss(answers[:, 0], target),
        "absolute": F.l1_loss(answers[:, 0], target),
        "huber": F.huber_loss(answers[:, 0], target),
    }
    for name, value in expected.items():
        (found,) = Regression(0.0, 1.0, name).losses(answers, target).values()  # type: ignore[arg-type]
        assert found.item() == pytest.approx(value.item(), rel=1e-5)


def test_the_pinball_loss_is_smallest_at_the_quantiles() -> None:
    from sklearn.metrics import mean_pinball_loss

    task, target = Regression(0.0, 1.0, "pinball", 0.8), torch.randn(4001, generator=torch.Generator().manual_seed(0))
    best = torch.quantile(target, torch.tensor([0.5, 0.1, 0.9]))
    losses = [
        task.losses((best + shift).expand(len(target), 3), target)["pinball"].item() for shift in (0.0, 0.1, -0.1)
    ]
    assert losses[0] < min(losses[1:])
    each = [
        mean_pinball_loss(target, np.full(len(target), end), alpha=alpha)
        for end, alpha in zip(best.tolist(), (0.5, 0.1, 0.9), strict=True)
    ]
    assert losses[0] == pytest.approx(np.mean(each), rel=1e-5)
    assert task.model_dims({"classes": 1})["classes"] == 3
    assert Regression(0.0, 1.0).model_dims({"classes": 1})["classes"] == 1


def test_a_regression_of_clips_is_pointed_to_its_own_task() -> None:
    with pytest.raises(RecipeError, match="task=clip_regression"):
        Regression(0.0, 1.0).losses(torch.zeros(2, 1), {"label": torch.zeros(2)})


@pytest.mark.parametrize("cls", [Classification, ClipClassification])
def test_balanced_weights_are_scikit_learns(cls: type) -> None:
    labels = ["a"] * 30 + ["b"] * 10 + ["c"] * 2
    task = cls(("a", "b", "c"), class_weights="balanced", counts=(30, 10, 2))
    expected = compute_class_weight("balanced", classes=np.array(["a", "b", "c"]), y=labels)
    assert task.weights.numpy() == pytest.approx(expected)


def test_the_weighted_loss_is_a_mean_over_the_examples() -> None:
    outputs, target = torch.randn(6, 2), torch.tensor([0, 1, 1, 0, 1, 1])
    task = Classification(("a", "b"), class_weights={"a": 3.0})
    each = F.cross_entropy(outputs, target, reduction="none") * torch.tensor([3.0, 1, 1, 3, 1, 1])
    assert task.losses(outputs, target)["cross_entropy"].item() == pytest.approx(each.mean().item(), rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"class_weights": {"z": 2.0}}, "no class 'z'"),
        ({"class_weights": "balanced"}, "needs the number of examples"),
        ({"threshold": "precision>=2"}, "should be none, best_f1"),
        ({"threshold": "precision > 0.9"}, "should be none, best_f1"),
        ({"threshold": 0.0}, "should be none, best_f1"),
        ({"threshold": 1.5}, "should be none, best_f1"),
        ({"positive": "z"}, "no class 'z'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        Classification(("a", "b"), **settings)
    assert "\n" not in str(caught.value)


def test_a_threshold_is_for_two_classes() -> None:
    with pytest.raises(ValueError, match="for two classes, but there are 3"):
        Classification(("a", "b", "c"), threshold="best_f1")


def scored(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Logits of two classes that overlap, and the true classes."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(count, generator=generator) < 0.3).long()
    return torch.stack([torch.zeros(count), 2.0 * target - 1 + torch.randn(count, generator=generator)], dim=1), target


@pytest.mark.parametrize("positive", ["no", "yes"])
@pytest.mark.parametrize(("wanted", "score"), [("precision>=0.85", "precision"), ("recall>= 0.9", "recall")])
def test_a_wanted_precision_or_recall_is_reached_where_it_was_chosen(positive: str, wanted: str, score: str) -> None:
    task = Classification(("no", "yes"), threshold=wanted, positive=positive)
    logits, target = scored(400, 0)
    task.calibrate(Given(), batches(logits, target))
    meter = task.meter()
    meter.update(task.predict(Given(), Batch({"answers": logits}, None, 400)), target)
    assert meter.compute()[score] >= (0.85 if score == "precision" else 0.9)
    assert task.state()["operating_point"]["positive"] == positive
    assert task.advice() == ""
    loaded = Classification(("no", "yes"), threshold=wanted, positive=positive)
    loaded.load_state(task.state())
    assert predicted(loaded, logits[:9]) == predicted(task, logits[:9])


def test_a_fixed_threshold_moves_predictions_and_no_probability() -> None:
    logits = torch.tensor([[0.0, 1.0]])
    plain, strict = (Classification(("no", "yes"), threshold=value) for value in ("none", 0.9))
    for task in (plain, strict):
        task.calibrate(Given(), batches(*scored(32, 0)))
    (before,), (after,) = predicted(plain, logits), predicted(strict, logits)
    assert (before["label"], after["label"]) == ("yes", "no")
    assert before["probabilities"] == after["probabilities"]
    assert after["probability"] == after["probabilities"]["no"]


def test_an_example_at_the_threshold_is_predicted_positive() -> None:
    task = Classification(("no", "yes"), threshold=0.5)
    task.calibrate(Given(), batches(*scored(32, 0)))
    assert [found["label"] for found in predicted(task, torch.tensor([[0.0, 0.0], [1e-3, 0.0]]))] == ["yes", "no"]


def test_a_temperature_makes_probabilities_as_sure_as_they_may_be_and_comes_before_the_threshold() -> None:
    logits, target = scored(400, 0)
    logits = 4 * logits  # far too sure
    task = Classification(("no", "yes"), calibrate="temperature", threshold="recall>=0.9")
    task.calibrate(Given(), batches(logits, target))
    rows = predicted(task, logits)
    sure = torch.tensor([row["probabilities"]["yes"] for row in rows])

    def error(temperature: float) -> float:
        return float(F.cross_entropy(logits / temperature, target))

    best = task.state()["temperature"]
    assert sure.tolist() == pytest.approx((logits / best).softmax(dim=1)[:, 1].tolist(), abs=1e-5)
    assert error(best) < min(error(1.0), error(0.95 * best), error(1.05 * best))
    said = np.array([row["label"] == "yes" for row in rows])
    point = task.state()["operating_point"]
    assert (said == (sure.numpy() >= point["threshold"])).all()
    assert said[target.numpy() == 1].mean() == pytest.approx(point["recall"])


def test_a_precision_that_no_threshold_reaches_is_said() -> None:
    task = Classification(("no", "yes"), threshold="precision>=0.99")
    logits = torch.stack([torch.zeros(40), torch.arange(40) / 40.0], dim=1)
    task.calibrate(Given(), batches(logits, torch.tensor([1, 0] * 20)))
    assert "precision>=0.99: no threshold reaches it" in task.advice()
    assert "\n" not in task.advice()


def test_without_positive_examples_the_more_probable_class_is_predicted() -> None:
    task = Classification(("no", "yes"), threshold="best_f1")
    task.calibrate(Given(), batches(torch.randn(20, 2), torch.zeros(20, dtype=torch.int64)))
    assert task.state() == {}
    assert predicted(task, torch.tensor([[0.0, 1.0]]))[0]["label"] == "yes"


def test_each_label_gets_its_own_threshold() -> None:
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(200, 2, generator=generator) < 0.3).float()
    # The first label is found above a logit of 2, the second above -2.
    answers = target * 2 - 1 + torch.tensor([2.0, -2.0])
    task = MultiLabel(("a", "b"))
    task.calibrate(Given(), batches(answers, target))
    found = [row["labels"] for row in predicted(task, answers)]
    assert found == [row["labels"] for row in task.read_target(target)]
    meter, fixed = task.meter(), MultiLabel(("a", "b"), thresholds="none").meter()
    for each in (meter, fixed):
        each.update(answers, target)
    assert meter.compute()["subset_accuracy"] == 1.0 > fixed.compute()["subset_accuracy"]
    assert task.in_words({"labels": [], "probabilities": {}}, "a text") == "no label  a text"


def test_balanced_labels_weigh_what_is_there_by_its_rarity() -> None:
    task = MultiLabel(("a", "b"), counts=(10, 50), examples=100, class_weights="balanced")
    outputs, target = torch.zeros(1, 2), torch.ones(1, 2)
    loss = task.losses(outputs, target)["cross_entropy"].item()
    assert loss == pytest.approx(np.log(2) * (9 + 1) / 2, rel=1e-5)
