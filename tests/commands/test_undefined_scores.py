"""A score that the data do not define is called undefined; no number is made up for it."""

import json
from pathlib import Path

import pytest

from convzoo.runs import Run

TEXTS = ("I loved it, a wonderful film", "an awful film, I hated it", "it was boring", "a great story", "never again")


def test_evaluate_on_one_class_says_what_is_undefined(cli, small_run, tmp_path: Path) -> None:
    run = small_run("sentiment_cnn1d")
    one = Run.load(run).task.labels[0]
    table = tmp_path / "one.csv"
    table.write_text("text,label\n" + "".join(f'"{text}",{one}\n' for text in TEXTS))
    found = cli("evaluate", run, "--data", table)
    assert found.code == 0, found.err
    rows = dict(line.split(maxsplit=1) for line in found.out.splitlines())
    assert rows["data/auroc"] == rows["data/matthews"] == "undefined"
    assert 0 <= float(rows["data/accuracy"]) <= 1

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    scores = json.loads(cli("evaluate", run, "--data", table, "--json").out, parse_constant=refuse)
    assert scores["data/auroc"] is None
    assert scores["data/matthews"] is None
    assert scores["data/accuracy"] == pytest.approx(float(rows["data/accuracy"]), abs=1e-4)


def test_a_run_whose_test_split_has_one_class_says_so_everywhere(cli, tmp_path: Path) -> None:
    rows = [
        (f"{text} {number}", "good" if at in (0, 3) else "bad") for number in range(12) for at, text in enumerate(TEXTS)
    ]
    for part, chosen in (
        ("train", rows[:40]),
        ("val", rows[40:50]),
        ("test", [row for row in rows[50:] if row[1] == "good"]),
    ):
        lines = "".join(f'"{text}",{label}\n' for text, label in chosen)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{part}.csv").write_text("text,label\n" + lines)
    found = cli(
        "run", "sentiment_cnn1d", "--data", tmp_path / "data", "train.epochs=1", "model.channels=4", "--out", "run"
    )
    assert found.code == 0, found.err
    assert "auroc and matthews are undefined there" in found.err
    assert "nan" not in found.out.lower().split()
    text = (tmp_path / "run" / "scores.json").read_text()
    assert "NaN" not in text
    assert json.loads(text)["scores"]["test/auroc"] is None
    page = (tmp_path / "run" / "report.html").read_text()
    assert "undefined" in page
    assert "could not be drawn" not in page
    again = cli("evaluate", "run")
    assert "undefined" in again.out
    run = Run.load(tmp_path / "run")
    assert run.scores["test/auroc"] != run.scores["test/auroc"]
    assert "auroc=undefined" in repr(run)
