"""What is found within a budget of false alarms, and the scores of coarse classes, against scikit-learn and plain counting."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as official

from convzoo.core.batch import Batch
from convzoo.core.splits import Splits
from convzoo.metrics.classification import ClassificationMeter, budget_threshold, operating_point
from convzoo.modalities.text.example import Text
from convzoo.tasks.classification import Classification
from convzoo.tasks.multi_label import MultiLabel


@given(st.integers(2, 80), st.integers(0, 10_000), st.sampled_from([0.0, 0.001, 0.01, 0.2, 1.0]), st.booleans())
def test_a_budget_is_the_highest_recall_of_the_roc_curve_within_it(
    count: int, seed: int, budget: float, ties: bool
) -> None:
    random = np.random.default_rng(seed)
    positive = random.random(count) < 0.5
    positive[:2] = True, False
    margins = random.normal(size=count) + positive
    margins = margins.round() if ties else margins
    threshold = budget_threshold(torch.tensor(margins), torch.tensor(positive), budget)
    false_rate, recall, _ = official.roc_curve(positive, margins, drop_intermediate=False)
    called = margins >= threshold
    assert called[~positive].mean() <= budget + 1e-9
    assert called[positive].mean() == pytest.approx(recall[false_rate <= budget + 1e-9].max())


def test_a_threshold_lies_half_way_to_the_next_example_that_would_be_too_much():
    margins = torch.tensor([3.0, 2.0, 1.0, 0.0])
    positive = torch.tensor([True, True, False, False])
    assert budget_threshold(margins, positive, 0.0) == 1.5
    assert budget_threshold(margins, positive, 0.5) == 0.5
    assert budget_threshold(-margins, positive, 0.0) == float("inf"), "the highest of all is a false alarm"
    point = operating_point(margins.sigmoid(), positive, "false_alarms", 0.0)
    assert (point.precision, point.recall, point.reached) == (1.0, 1.0, True)
    point = operating_point((-margins).sigmoid(), positive, "false_alarms", 0.0)
    assert (point.recall, point.reached) == (0.0, False)
    assert point.threshold > 0.5


def outputs_and_target(count: int = 400, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(count, generator=generator) < 0.3).long()
    margin = torch.randn(count, generator=generator) * 2 + 3 * target - 2
    return torch.stack([torch.zeros(count), margin], dim=1), target


class Given(torch.nn.Module):
    """Gives its input back."""

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return logits


@pytest.mark.parametrize("positive", ["ham", "spam"])
def test_thresholds_of_budgets_come_from_validation_and_scores_from_test(positive: str) -> None:
    task = Classification(("ham", "spam"), positive=positive, budgets=[0.01, 0.1])
    (val, val_target), (test, test_target) = outputs_and_target(seed=1), outputs_and_target(seed=2)
    task.calibrate(Given(), [Batch({"logits": val}, val_target, len(val))])
    meter = task.meter()
    meter.update(test[:150], test_target[:150])
    meter.update(test[150:], test_target[150:])
    found = meter.compute()
    number, sign = ("ham", "spam").index(positive), 1 if positive == "spam" else -1
    for budget in (0.01, 0.1):
        held, true = sign * (val[:, 1] - val[:, 0]), val_target == number
        allowed = int(budget * int((~true).sum()))
        called_too_much = held[~true].sort(descending=True).values[allowed]
        least = held[held > called_too_much].min()
        called = sign * (test[:, 1] - test[:, 0]) >= (least + called_too_much) / 2
        assert found[f"recall_at_{budget}"] == pytest.approx(float(called[test_target == number].double().mean()))
        assert found[f"false_alarms_at_{budget}"] == pytest.approx(float(called[test_target != number].double().mean()))
    predicted = test.argmax(dim=1)
    for name, official_score in (
        ("f1", official.f1_score),
        ("precision", official.precision_score),
        ("recall", official.recall_score),
    ):
        assert found[name] == pytest.approx(official_score(test_target, predicted, pos_label=number))
    again = Classification(("ham", "spam"), positive=positive, budgets=[0.01, 0.1])
    again.load_state(task.state())
    assert again.budgets == task.budgets


def test_an_opponent_gets_its_own_thresholds():
    task = Classification(("ham", "spam"), budgets=[0.05])
    val, target = outputs_and_target(seed=1)
    network, opponent = (
        task.meter(),
        task.opponent_meter(lambda: [(10 * val[:200], target[:200]), (10 * val[200:], target[200:])]),
    )
    for meter in (network, opponent):
        meter.update(10 * val, target)
    assert opponent.compute()["false_alarms_at_0.05"] <= 0.05
    assert network.compute()["false_alarms_at_0.05"] > 0.05, "the network was not calibrated here"


def test_scores_of_draws_are_those_of_the_examples_that_were_drawn():
    outputs, target = outputs_and_target(60)
    arguments = {"positive": 1, "budgets": {0.1: 0.4}}
    meter = ClassificationMeter(2, **arguments)
    meter.update(outputs, target)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=5)
    found = meter.resampled(weights)
    for draw, counts in enumerate(weights):
        alone = ClassificationMeter(2, **arguments)
        chosen = torch.from_numpy(np.repeat(np.arange(60), counts))
        alone.update(outputs[chosen], target[chosen])
        scores = alone.compute()
        for name in ("f1", "precision", "recall", "recall_at_0.1", "false_alarms_at_0.1"):
            assert found[name][draw] == pytest.approx(scores[name]), name


def test_a_wrong_class_of_the_right_coarse_class_counts_for_the_coarse_score():
    task = Classification(("LOC:city", "NUM:count", "NUM:date"), hierarchy=":")
    outputs = torch.tensor([[2.0, 1.0, 0.0], [0.0, 2.0, 1.9], [0.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    target = torch.tensor([0, 1, 2, 2])
    meter = task.meter()
    meter.update(outputs, target)
    found = meter.compute()
    assert (found["accuracy"], found["coarse_accuracy"]) == (0.5, 0.75)
    weights = np.array([[0, 0, 2, 2], [1, 1, 1, 1]])
    assert meter.resampled(weights)["coarse_accuracy"].tolist() == [0.5, 0.75]
    answer = task.decode(outputs)[1]
    assert (answer["label"], answer["coarse"]) == ("NUM:count", "NUM")
    probabilities = outputs[1].softmax(dim=0)
    assert answer["coarse_probability"] == pytest.approx(float(probabilities[1] + probabilities[2]))
    assert task.read_target(torch.tensor([2, -1])) == [
        {"label": "NUM:date", "coarse": "NUM"},
        {"label": None, "coarse": None},
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": ("a", "b", "c"), "budgets": [0.1]}, "budgets: are for two classes, but there are 3"),
        ({"labels": ("a", "b"), "hierarchy": "/"}, "hierarchy: '/' stands in no class"),
        ({"labels": ("a/b", "a/c"), "hierarchy": "/"}, "gives one coarse class, 'a', for all classes"),
        ({"labels": ("a", "b"), "threshold": "false_alarms>=0.1"}, "false_alarms<=0.001"),
    ],
)
def test_what_the_classes_do_not_allow_is_said(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=r"budgets|hierarchy|threshold") as error:
        Classification(**arguments)
    assert words in str(error.value)


def test_an_opponent_of_several_labels_is_scored_with_its_own_thresholds():
    task = MultiLabel(("a", "b"))
    target = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    outputs = target * 2 - 7.0  # in order, but all far below a probability of one half
    own, networks = task.opponent_meter(lambda: [(outputs, target)]), task.meter()
    for meter in (own, networks):
        meter.update(outputs, target)
    assert (own.compute()["micro_f1"], networks.compute()["micro_f1"]) == (1.0, 0.0)
    assert task.thresholds == [0.5, 0.5], "those of the network stay"


def test_one_label_an_example_is_said():
    one = [Text("x", ("a",)), Text("y", ("b",))]
    assert "task=classification" in MultiLabel(("a", "b")).cautions(Splits(one, one, one))[0]
    several = [*one, Text("z", ("a", "b"))]
    assert MultiLabel(("a", "b")).cautions(Splits(several, one, one)) == []
