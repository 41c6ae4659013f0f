"""The tables that convzoo writes: a spreadsheet computes nothing in them, and they are read as they were written."""

import csv
import json

import pytest

import convzoo
from convzoo.core.errors import DataError
from convzoo.core.tables import as_read, read_table, write_table

COMPUTED = ["=1+1", "=cmd|'/c calc'!A0", "\tx", "\rx", "+cmd|x", "-SUM(A1)", "@SUM(A1)", "=", "+(", "-2|3"]
TEXTS = [
    "-) good",
    "+1 for this",
    "@anna",
    "- a dash",
    "'quoted'",
    "'",
    "a=b",
    " =1",
    "(1)",
    "a\rb\nc",
    'say "so"',
    "ü,;",
    "",
]


@pytest.mark.parametrize("text", COMPUTED)
def test_a_text_that_a_spreadsheet_would_compute_gets_an_apostrophe(tmp_path, text):
    write_table(tmp_path / "t.csv", [{"text": text, "n": -1.5}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.DictReader(file)) == {"text": f"'{text}", "n": "-1.5"}
    assert read_table(tmp_path / "t.csv") == [{"text": text, "n": "-1.5"}]


@pytest.mark.parametrize("text", TEXTS)
def test_other_texts_stay_exactly_as_they_are(tmp_path, text):
    write_table(tmp_path / "t.csv", [{"text": text, text: 1}])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["text", text], [text, "1"]]
    assert as_read(text) == text


def test_names_of_columns_are_texts_too(tmp_path):
    write_table(tmp_path / "t.csv", [{"=1+1": [1, 2]}])
    assert (tmp_path / "t.csv").read_text() == '\'=1+1\n"[1, 2]"\n'
    assert read_table(tmp_path / "t.csv") == [{"=1+1": "[1, 2]"}]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1\n", "row 2 has 1 fields instead of 2"),
        (b"b\n1\n", "has no column 'a'"),
        (b"", "has no column 'a'"),
        (b"a\n\xff\n", "is not a table that convzoo wrote"),
        (b'a\n"x\n', "is not a table that convzoo wrote"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path, content, words):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "t.csv", ("a",))


def test_predictions_for_a_spreadsheet_compute_nothing(cli, small_run, tmp_path):
    texts = ["=HYPERLINK(A1)", "a dull plot", "-) dull", "+SUM(1)"]
    run = small_run("sentiment_cnn1d")
    for name in ("x.csv", "x.jsonl"):
        assert cli("predict", run, *texts, "-o", tmp_path / name).code == 0
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["input"] for row in rows] == ["'=HYPERLINK(A1)", "a dull plot", "-) dull", "'+SUM(1)"]
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["input"] for line in lines] == texts
    assert [line["probabilities"] for line in lines] == [json.loads(row["probabilities"]) for row in rows]


def test_training_examples_are_known_again_by_a_name_like_a_formula(cli, tiny, tmp_path):
    """A file of training whose name is written with an apostrophe into split.csv is still found there."""
    (tmp_path / "=x").mkdir()
    rows = "".join(f"film {at} is {['fine', 'poor'][at % 2]},{['good', 'bad'][at % 2]}\n" for at in range(60))
    (tmp_path / "=x" / "t.csv").write_text("text,label\n" + rows)
    settings = [word for word in tiny("sentiment_cnn1d") if not word.startswith("data.")]
    data = "data={name: text_table, path: '=x/t.csv'}"
    assert cli("run", "sentiment_cnn1d", data, *settings, "baselines=[]", "--quiet", "--out", "run").code == 0
    assert "train,'=x/t.csv:" in (tmp_path / "run" / "split.csv").read_text()
    run = convzoo.Run.load(tmp_path / "run")
    seen = [convzoo.Text("x", source=f"=x/t.csv:{line}") for line in range(2, 62)]
    with (tmp_path / "run" / "split.csv").open(newline="", encoding="utf-8") as file:
        train = sum(row["split"] == "train" for row in csv.DictReader(file))
    assert 0 < train == run.trained_on(seen) < 60
