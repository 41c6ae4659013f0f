"""Intervals and comparisons of test scores: against formulas, other programs, and data where the truth is known."""

import re

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, matthews_corrcoef, roc_auc_score

from convzoo.core.outputs.rankings import Ranking
from convzoo.judging import Judge, judged, over_parts, sentence
from convzoo.metrics.anomalies import AnomalyMeter
from convzoo.metrics.classification import ClassificationMeter
from convzoo.metrics.ranking import RankingMeter
from convzoo.metrics.translation import TranslationMeter, scorers

ERRORS = {"cross_entropy", "rmse"}.__contains__


def counted(logits: np.ndarray, target: np.ndarray) -> ClassificationMeter:
    meter = ClassificationMeter(logits.shape[1])
    for part in np.array_split(np.arange(len(target)), 3):
        meter.update(torch.from_numpy(logits[part]), torch.from_numpy(target[part]))
    return meter


def answers(count: int, right: float, seed: int, classes: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Logits that are right for about a part of the examples, and the truth."""
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, count)
    named = np.where(random.random(count) < right, target, (target + random.integers(1, classes, count)) % classes)
    return np.eye(classes)[named] * 3 + random.normal(0, 0.3, (count, classes)), target


@pytest.mark.parametrize("classes", [2, 5])
def test_a_weight_counts_an_example_as_often_as_if_it_stood_there_again(classes):
    logits, target = answers(60, 0.7, 0, classes)
    logits = logits.round(1)  # some scores are equal
    weights = np.random.default_rng(1).integers(0, 4, (5, 60)).astype(float)
    found = counted(logits, target).resampled(weights)
    for draw, row in enumerate(weights.astype(int)):
        again = counted(np.repeat(logits, row, axis=0), np.repeat(target, row)).compute()
        assert {name: float(values[draw]) for name, values in found.items()} == pytest.approx(again)


def test_weighted_scores_are_those_of_scikit_learn():
    logits, target = answers(80, 0.7, 2)
    weights = np.random.default_rng(3).integers(0, 3, (1, 80)).astype(float)
    found = counted(logits, target).resampled(weights)
    named, score = logits.argmax(axis=1), logits[:, 1] - logits[:, 0]
    assert found["macro_f1"][0] == pytest.approx(f1_score(target, named, average="macro", sample_weight=weights[0]))
    assert found["matthews"][0] == pytest.approx(matthews_corrcoef(target, named, sample_weight=weights[0]))
    assert found["auroc"][0] == pytest.approx(roc_auc_score(target, score, sample_weight=weights[0]))


def test_the_interval_of_an_accuracy_is_near_the_normal_one():
    logits, target = answers(400, 0.8, 0)
    meter = counted(logits, target)
    found = judged(meter, {}, [None] * 400, "accuracy", ERRORS)
    accuracy = meter.compute()["accuracy"]
    half = 1.96 * np.sqrt(accuracy * (1 - accuracy) / 400)
    low, high = found["intervals"]["test/accuracy"]
    assert low == pytest.approx(accuracy - half, abs=0.006)
    assert high == pytest.approx(accuracy + half, abs=0.006)


def test_the_interval_holds_the_true_accuracy_about_nineteen_times_in_twenty():
    inside = 0
    for seed in range(100):
        logits, target = answers(150, 0.75, seed)
        low, high = judged(counted(logits, target), {}, [None] * 150, "accuracy", ERRORS)["intervals"]["test/accuracy"]
        inside += low <= 0.75 <= high
    assert 88 <= inside <= 100


def test_a_comparison_on_the_same_examples_is_narrower_than_two_intervals():
    logits, target = answers(500, 0.8, 0)
    other = logits.copy()
    other[:15] = other[:15, ::-1]  # they differ in a few examples only
    found = judged(counted(logits, target), {"other": counted(other, target)}, [None] * 500, "accuracy", ERRORS)
    compared, (low, high) = found["comparisons"]["other"], found["intervals"]["test/accuracy"]
    assert compared["high"] - compared["low"] < (high - low) / 2
    assert compared["low"] <= compared["difference"] <= compared["high"]


def test_groups_are_drawn_whole_so_their_interval_is_wider():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 20)
    right = random.random(20)[groups] > 0.4  # all examples of a group are right, or none
    target = random.integers(0, 2, 400)
    logits = np.eye(2)[np.where(right, target, 1 - target)]
    alone = judged(counted(logits, target), {}, [None] * 400, "accuracy", ERRORS)
    together = judged(counted(logits, target), {}, [f"g{group}" for group in groups], "accuracy", ERRORS)
    width = [np.ptp(each["intervals"]["test/accuracy"]) for each in (alone, together)]
    assert width[1] > 3 * width[0]
    assert together["drawn"].startswith("20 groups")


def test_without_a_mistake_the_interval_still_has_a_width():
    logits, target = answers(30, 1.0, 0)
    found = judged(counted(logits, target), {"same": counted(logits, target)}, [None] * 30, "accuracy", ERRORS)
    assert found["intervals"]["test/accuracy"] == pytest.approx([0.9, 1.0])
    assert found["comparisons"]["same"]["low"] == pytest.approx(-0.1)
    assert found["comparisons"]["same"]["interval"] == pytest.approx([0.9, 1.0]), (
        "an opponent's own interval ends at 1, too"
    )


def test_the_sentence_names_the_best_opponent_and_says_what_the_interval_allows():
    def of(network: float, opponent: float) -> str:
        (logits, target), (other, same) = answers(2000, network, 0), answers(2000, opponent, 0)
        assert (target == same).all()
        naive = np.tile([1.0, 0.0], (2000, 1))
        meters = {"naive": counted(naive, target), "svm": counted(other, target)}
        found = judged(counted(logits, target), meters, [None] * 2000, "accuracy", ERRORS)
        scores = {name: {"test/accuracy": meter.compute()["accuracy"]} for name, meter in meters.items()}
        return sentence(found["comparisons"], scores, ERRORS)

    assert of(0.9, 0.8).startswith("better than svm by ")
    assert of(0.8, 0.9).startswith("worse than svm by ")
    assert "use svm" in of(0.8, 0.9)
    close = of(0.9, 0.9)
    assert close.startswith("not distinguishable from svm: 0.0 points better (95 %: ")
    assert re.search(r"\(95 %: \d\.\d worse to \d\.\d better\)$", close), "both ends say on whose side they are"
    assert sentence({}, {}, ERRORS) == ""


def test_of_few_cases_each_is_told():
    """Being worse in each of three is reason enough to take the other; being better in each may still be chance."""
    target = np.array([0, 1, 0])
    right, wrong = np.eye(2)[target], np.eye(2)[1 - target]

    def said(network: np.ndarray, opponent: np.ndarray) -> str:
        found = judged(counted(network, target), {"svm": counted(opponent, target)}, [None] * 3, "accuracy", ERRORS)
        scores = {"svm": {"test/accuracy": counted(opponent, target).compute()["accuracy"]}}
        return sentence(found["comparisons"], scores, ERRORS)

    assert said(wrong, right) == (
        "worse than svm by 100.0 points, in each of the 3 test cases (by 100.0 to 100.0): use svm, or give the network more data"
    )
    assert said(right, wrong) == (
        "100.0 points better than svm, in each of the 3 test cases (by 100.0 to 100.0); too few test examples to say whether "
        "that is chance"
    )
    mixed = np.vstack([right[:2], wrong[2:]])
    assert said(mixed, right) == "33.3 points worse than svm; too few test examples to say whether that is chance"


def test_less_is_better_for_an_error():
    compared = {"mean": {"score": "test/rmse", "difference": 3.5, "low": 2.0, "high": 5.0}}
    said = sentence(compared, {"mean": {"test/rmse": 12.0}}, ERRORS)
    assert said == "better than mean by 3.5 in rmse (95 %: 2 to 5)"


def test_repeated_runs_are_as_unsure_as_their_examples_and_their_seeds():
    def part(difference: float) -> dict:
        compared = {
            "score": "test/accuracy",
            "difference": difference,
            "low": difference - 0.02,
            "high": difference + 0.02,
        }
        return {"intervals": {"test/accuracy": [0.8, 0.84]}, "comparisons": {"svm": compared}}

    alike, unlike = (over_parts([part(value) for value in values]) for values in ([0.05] * 3, [0.0, 0.05, 0.1]))
    assert (
        alike["comparisons"]["svm"]["difference"] == unlike["comparisons"]["svm"]["difference"] == pytest.approx(0.05)
    )
    assert alike["comparisons"]["svm"]["low"] == pytest.approx(0.03, abs=1e-3)
    assert unlike["comparisons"]["svm"]["low"] < 0.02


def test_the_bleu_of_drawn_sentences_is_that_of_sacrebleu():
    written = ["the cat sat on the mat", "a dog runs in the park today", "he reads a book", "it is a fine day"]
    references = [
        "the cat sat on a mat",
        "a dog runs in the park now",
        "he reads the book here",
        "it is a very fine day",
    ]
    meter = TranslationMeter(str.split, lower=False)
    meter.texts = list(zip(written, references, strict=True))
    weights = np.array([[2.0, 1, 0, 3], [1, 1, 1, 1]])
    for draw, row in enumerate(weights.astype(int)):
        texts = [(w, r) for w, r, n in zip(written, references, row, strict=True) for _ in range(n)]
        wanted = scorers(False)[0].corpus_score([w for w, _ in texts], [[r for _, r in texts]]).score / 100
        assert meter.resampled(weights)["bleu"][draw] == pytest.approx(wanted)


def test_drawn_users_give_the_mean_over_them():
    meter = RankingMeter(5, [2])
    wanted = {"pointers": torch.tensor([0, 1, 3, 3]), "items": torch.tensor([0, 1, 2])}
    items = torch.tensor([[0, 3], [1, 4], [2, 3]])
    meter.update(Ranking(items, torch.zeros(3, 2)), {"wanted": wanted})
    assert meter.compute()["recall_at_2"] == pytest.approx(0.75)  # the third user had nothing afterwards
    assert meter.resampled(np.array([[2.0, 1, 5]]))["recall_at_2"][0] == pytest.approx(2.5 / 3)


def test_pieces_of_series_give_the_same_scores_as_the_whole():
    random = np.random.default_rng(0)
    meter = AnomalyMeter()
    truth = np.zeros((2, 500), dtype=np.int64)
    truth[0, 95:160] = truth[1, 300:320] = 1
    scores = random.random((2, 500)) + 0.6 * truth
    outputs = torch.from_numpy(np.stack([scores, np.full_like(scores, np.nan)], axis=1))
    meter.update(outputs, {"anomalies": torch.from_numpy(truth), "counted": torch.ones(2, 500, dtype=torch.bool)})
    whole, once = meter.compute(), meter.resampled(np.ones((1, len(meter.units()))))
    assert {name: float(values[0]) for name, values in once.items()} == pytest.approx(
        {name: whole[name] for name in once}
    )
    assert len(meter.units()) > 80


def test_draws_are_the_same_every_time():
    meter = counted(*answers(50, 0.7, 0))
    first, second = (np.concatenate(list(Judge(meter, [None] * 50).weights())) for _ in range(2))
    assert (first == second).all()
    assert (first.sum(axis=1) == 50).all()


def test_a_draw_without_a_rare_class_keeps_its_f1_of_the_whole_split():
    """Else draws without it would be too good, or too bad, by a whole class."""
    target = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    named = np.array([0, 0, 1, 1, 1, 1, 2, 0])
    meter = counted(np.eye(3)[named], target)
    without = np.array([[1.0, 1, 1, 1, 1, 1, 0, 0]])
    # Of classes 0 and 1 in the draw 2·2/(2+3) and 2·3/(4+3); of class 2 in the whole split 2·1/(1+2).
    assert meter.resampled(without)["macro_f1"][0] == pytest.approx((4 / 5 + 6 / 7 + 2 / 3) / 3)


def test_a_smaller_error_makes_the_network_better():
    (logits, target), (other, same) = answers(400, 0.9, 0), answers(400, 0.6, 0)
    assert (target == same).all()
    found = judged(counted(logits, target), {"svm": counted(other, target)}, [None] * 400, "cross_entropy", ERRORS)
    compared = found["comparisons"]["svm"]
    assert 0 < compared["low"] < compared["difference"] < compared["high"]


def test_a_difference_that_may_be_chance_is_not_called_better():
    for difference, low, high, side in ((0.02, -0.01, 0.05, "better"), (-0.02, -0.05, 0.01, "worse")):
        compared = {"svm": {"score": "test/accuracy", "difference": difference, "low": low, "high": high}}
        said = sentence(compared, {"svm": {"test/accuracy": 0.8}}, ERRORS)
        assert said.startswith(f"not distinguishable from svm: 2.0 points {side} (95 %: ")


def test_examples_without_a_group_are_drawn_alone_beside_groups():
    meter = counted(*answers(40, 0.7, 0))
    judge = Judge(meter, [f"g{at // 2}" if at < 20 else None for at in range(40)])
    assert judge.by_group and judge.count == 10 + 20
    weights = np.concatenate(list(judge.weights()))
    assert (weights[:, 0] == weights[:, 1]).all() and (weights[:, 38] != weights[:, 39]).any()


def test_fewer_groups_than_ten_are_not_drawn_and_it_is_said():
    logits, target = answers(70, 0.7, 0)
    for count, drawn in ((9, "70 examples"), (10, "10 groups")):
        found = judged(counted(logits, target), {}, [f"g{at % count}" for at in range(70)], "accuracy", ERRORS)
        assert found["drawn"].startswith(drawn)


def test_fewer_examples_than_ten_have_no_interval():
    for count in (9, 10):
        logits, target = answers(count, 0.5, 4)
        found = judged(counted(logits, target), {"same": counted(logits, target)}, [None] * count, "accuracy", ERRORS)
        assert ("test/accuracy" in found["intervals"]) == ("low" in found["comparisons"]["same"]) == (count == 10)


class Simpler(ClassificationMeter):
    """Computes its scores for draws in a simpler way, which gives a tenth more."""

    def resampled(self, weights):
        return {"accuracy": super().resampled(weights)["accuracy"] + 0.1}


def test_an_interval_lies_about_the_score_itself_however_draws_are_computed():
    logits, target = answers(400, 0.7, 0)
    meter = Simpler(2)
    meter.update(torch.from_numpy(logits), torch.from_numpy(target))
    found = judged(meter, {}, [None] * 400, "accuracy", ERRORS)["intervals"]["test/accuracy"]
    assert found == pytest.approx(
        judged(counted(logits, target), {}, [None] * 400, "accuracy", ERRORS)["intervals"]["test/accuracy"]
    )
