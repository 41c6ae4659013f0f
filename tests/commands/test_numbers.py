"""Numbers and several labels from a person's own table, from the command line."""

import json
from pathlib import Path

import pytest

SMALL = ["train.epochs=2", "train.batch_size=16", "model.channels=4", "encoder.max_length=16", "--quiet"]
WORDS = ("garden", "garage", "cellar", "balcony")


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Texts with a price, in whole and broken numbers."""
    rows = [
        f"a house with {n % 9} rooms and a {WORDS[n % 4]} in street {n},{20 * (n % 9) + n % 4}.5" for n in range(120)
    ]
    (tmp_path / "prices.csv").write_text("\n".join(["text,price", *rows]) + "\n")
    return tmp_path / "prices.csv"


def test_a_table_of_numbers_is_learnt_predicted_and_shown(cli, prices: Path) -> None:
    given = ["--data", prices, "data.label=price", "task=regression", "baselines=[mean,tfidf_ridge]"]
    done = cli("run", "sentiment_cnn1d", *given, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    scores = json.loads(Path("run/scores.json").read_text())
    assert {"test/rmse", "test/mae", "test/r2", "test/coverage", "test/mean_width"} <= scores["scores"].keys()
    assert scores["baselines"]["tfidf_ridge"]["test/rmse"] < scores["baselines"]["mean"]["test/rmse"]
    page = Path("run/report.html").read_text()
    for heading in ("Predicted against true", "By size.", "Largest errors", "How much? A number for each of"):
        assert heading in page
    answer = json.loads(cli("predict", "run", "a house with 3 rooms", "--json").out)
    assert answer["low"] < answer["value"] < answer["high"]
    again = json.loads(cli("evaluate", "run", "--json").out)
    assert again["test/rmse"] == pytest.approx(scores["scores"]["test/rmse"], rel=1e-4)
    elsewhere = cli("evaluate", "run", "--data", prices, "--json")
    assert "data/rmse" in json.loads(elsewhere.out), elsewhere.err
    assert cli("describe", "run").code == 0
    assert "tuple" not in Path("run/split.csv").read_text()


def test_opponents_of_classes_are_refused_for_numbers_before_training(cli, prices: Path) -> None:
    done = cli("run", "sentiment_cnn1d", "--data", prices, "data.label=price", "task=regression", "--out", "run")
    assert done.code == 2
    assert "say baselines=[mean,tfidf_ridge]" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_classes_for_a_regression_are_refused_in_a_line(cli, tiny) -> None:
    done = cli("check", "emotion_cnn2d", *tiny("emotion_cnn2d"), "task=regression", "baselines=[mean]")
    assert done.code == 3
    assert "is a class, but task regression learns a number" in done.err
    done = cli("check", "gauges_cnn2d", *tiny("gauges_cnn2d"), "task=classification", "baselines=[majority]")
    assert done.code == 3
    assert "take task=regression" in done.err


def test_a_reader_is_not_told_what_labels_are_but_by_the_task(cli, prices: Path) -> None:
    done = cli("check", "sentiment_cnn1d", "--data", prices, "data.label_type=number")
    assert done.code == 2
    assert "remove it" in done.err


def test_a_table_of_several_labels_is_learnt_predicted_and_shown(cli, tmp_path: Path) -> None:
    rows = []
    for number in range(120):
        named = [word for at, word in enumerate(WORDS) if number >> at & 1]
        rows.append(f"house {number} with {' and '.join(named) or 'nothing'},{'|'.join(named)}")
    (tmp_path / "houses.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    given = ["--data", tmp_path / "houses.csv", "task=multi_label", "baselines=[frequencies,tfidf_one_vs_rest]"]
    done = cli("run", "sentiment_cnn1d", *given, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    scores = json.loads(Path("run/scores.json").read_text())
    classical = scores["baselines"]["tfidf_one_vs_rest"]["test/mean_average_precision"]
    assert classical > scores["baselines"]["frequencies"]["test/mean_average_precision"]
    page = Path("run/report.html").read_text()
    assert "<b>Each label.</b>" in page
    assert "Which of 4 labels? " in page
    answer = json.loads(cli("predict", "run", "house with garden", "--json").out)
    assert set(answer["labels"]) <= set(WORDS)
    assert set(answer["probabilities"]) == set(WORDS)


def test_two_classes_have_curves_and_a_threshold_that_is_kept(cli, tiny) -> None:
    given = [*tiny("sentiment_cnn1d"), "task.threshold=recall>=0.95", "task.class_weights=balanced"]
    done = cli("run", "sentiment_cnn1d", *given, "--quiet", "--out", "run")
    assert done.code == 0, done.err
    point = json.loads(Path("run/task.json").read_text())["operating_point"]
    assert point["recall"] >= 0.95
    scores = json.loads(Path("run/scores.json").read_text())["scores"]
    assert scores["val/recall"] >= 0.95
    page = Path("run/report.html").read_text()
    assert "<h3>Every threshold</h3>" in page
    assert "<b>Each class.</b>" in page
    answer = json.loads(cli("predict", "run", "a fine plot", "--json").out)
    likely = answer["probabilities"][point["positive"]] >= point["threshold"]
    assert (answer["label"] == point["positive"]) == likely
