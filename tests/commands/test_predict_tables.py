"""`convzoo predict` on a person's tables: they are read as training read them, and get the predictions as further columns."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from conftest import refused
from contracts import files

import convzoo

TEXTS = ["the plot is superb", "a dull, lifeless plot", "two\nlines; and a semicolon", "the cast is not good at all"]
FORMS = [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".csv.gz", ";.csv", "utf-16.csv"]


def rows_of(texts: list[str]) -> list[dict[str, Any]]:
    return [{"id": f"n{number}", "review": text, "stars": str(number % 5)} for number, text in enumerate(texts, 1)]


def table(path: Path, rows: list[dict[str, Any]], mark: str = ",", encoding: str = "utf-8") -> Path:
    """A table with these rows, in the form that its name says."""
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind == "parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    if kind == "json":
        text = json.dumps(rows)
    elif kind == "jsonl":
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        import io

        out = io.StringIO()
        writer = csv.DictWriter(out, list(rows[0]), delimiter="\t" if kind == "tsv" else mark, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
        text = out.getvalue()
    content = text.encode(encoding)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("form", FORMS)
def test_a_table_is_read_as_one_and_its_rows_get_the_answers_of_their_texts(cli, small_run, tmp_path, form) -> None:
    run = convzoo.Run.load(small_run("sentiment_cnn1d"))
    mark, encoding = (";" if form.startswith(";") else ","), ("utf-16" if form.startswith("utf") else "utf-8")
    given = table(tmp_path / f"mine{form[form.index('.') :]}", rows_of(TEXTS), mark, encoding)
    result = cli("predict", run.path, given, "--json")
    assert result.code == 0 and "the text is column 'review'" in result.err
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [(row["row"], row["input"]) for row in found] == list(enumerate(TEXTS, 1))
    alone = run.predict(TEXTS)
    for answers in (found, run.predict(given), run.predict([str(given)])):
        assert [row["label"] for row in answers] == [row["label"] for row in alone]
        for row, other in zip(answers, alone, strict=True):
            assert row["probability"] == pytest.approx(other["probability"], abs=1e-5)


@pytest.mark.parametrize("out", [".csv", ".jsonl", ".parquet"])
def test_the_persons_table_is_written_with_the_predictions_as_further_columns(cli, small_run, tmp_path, out) -> None:
    run = small_run("sentiment_cnn1d")
    rows = [row | {"label": "theirs"} for row in rows_of(TEXTS)]
    given = table(tmp_path / "mine.csv", rows)
    before = given.read_bytes()
    result = cli("predict", run, given, "-o", tmp_path / f"found{out}")
    assert result.code == 0 and "'label' is written as 'predicted_label'" in result.err
    assert "4 predictions" in result.out and given.read_bytes() == before
    found = read(tmp_path / f"found{out}")
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    alone = [answer["label"] for answer in convzoo.Run.load(run).predict(TEXTS)]
    assert [row["predicted_label"] for row in found] == alone
    assert list(found[0])[:5] == ["id", "review", "stars", "label", "predicted_label"]
    refused(cli("predict", run, given, "-o", given), 2, "mine.csv: is an input")


def test_damaged_and_empty_rows_stay_in_the_table_without_an_answer(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    lines = ["id,text", "1,the plot is superb", "2,  ", "3,too,many,fields", "4", "5,a dull plot"]
    given = files.lines(tmp_path / "mine.csv", lines)
    result = cli("predict", run, given, "-o", tmp_path / "found.csv")
    assert result.code == 3 and "wrote" in result.out and "2 predictions" in result.out
    assert "mine.csv:3: column 'text' is empty" in result.err and "mine.csv:4: has 4 fields" in result.err
    found = read(tmp_path / "found.csv")
    assert [(row["id"], row["text"]) for row in found] == [
        ("1", "the plot is superb"), ("2", "  "), ("3", "too,many,fields"), ("4", ""), ("5", "a dull plot"),
    ]  # fmt: skip
    assert [bool(row["label"]) for row in found] == [True, False, False, False, True]
    assert [bool(row["damaged"]) for row in found] == [False, True, True, True, False]
    shown = cli("predict", run, given, "--json").out.splitlines()
    assert [json.loads(line)["row"] for line in shown] == [1, 5]
    answers = convzoo.Run.load(run).predict(given, damaged="skip")
    assert ["damaged" in answer for answer in answers] == [False, True, True, True, False]


def test_two_tables_are_told_apart(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    one = files.lines(tmp_path / "one.csv", ["text", "a fine plot"])
    two = files.lines(tmp_path / "two.csv", ["id,sentence", "7,a dull plot"])
    assert cli("predict", run, one, two, "-o", tmp_path / "found.jsonl").code == 0
    found = read(tmp_path / "found.jsonl")
    assert [Path(row["file"]).name for row in found] == ["one.csv", "two.csv"]
    assert (found[0]["text"], found[1]["id"], found[1]["sentence"]) == ("a fine plot", "7", "a dull plot")


def test_a_run_keeps_how_its_table_was_read(cli, tiny, tmp_path) -> None:
    """Its column, its separator and its columns without a heading; labels are not needed."""
    lines = [
        f"{'pos' if number % 2 else 'neg'}^{'fine' if number % 2 else 'dull'} plot {number}" for number in range(60)
    ]
    data = files.lines(tmp_path / "train.csv", lines)
    how = [*tiny("sentiment_cnn1d"), "baselines=[]", "data.columns=[label,text]", "data.separator='^'"]
    how = [word for word in how if not word.startswith("data.") or word.startswith(("data.columns", "data.sep"))]
    assert cli("run", "sentiment_cnn1d", *how, "--data", data, "--quiet", "--out", "run").code == 0
    files.lines(tmp_path / "with.csv", ["pos^a fine, long plot", "neg^a dull plot"])
    files.lines(tmp_path / "without.csv", ["a fine, long plot", "a dull plot"])
    for name in ("with.csv", "without.csv"):
        result = cli("predict", "run", tmp_path / name, "--json")
        assert result.code == 0, result.err
        assert [json.loads(line)["input"] for line in result.out.splitlines()] == ["a fine, long plot", "a dull plot"]


def test_it_is_said_which_column_is_lacking(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    given = files.lines(tmp_path / "mine.csv", ["id,body", "1,a fine plot"])
    refused(cli("predict", run, given), 3, "which column is the text? it has id, body; call that column 'text'")
    given = files.lines(tmp_path / "one.csv", ["body", "a fine plot"])
    assert json.loads(cli("predict", run, given, "--json").out)["input"] == "a fine plot"
    given = files.lines(tmp_path / "none.csv", ["a fine plot", "a dull plot"])
    refused(cli("predict", run, given), 3, "which column is the text? it has a fine plot")


def test_a_mistyped_path_is_not_taken_for_a_text(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    files.lines(tmp_path / "reviews.csv", ["text", "a fine plot"])
    files.lines(tmp_path / "texts" / "one.txt", ["a fine plot"])
    refused(cli("predict", run, "revews.csv"), 3, "revews.csv: no such file or folder; did you mean 'reviews.csv'?")
    refused(cli("predict", run, tmp_path / "texts" / "oen.txt"), 3, "texts/one.txt'?")
    refused(cli("predict", run, "txts/nothing"), 3, "txts/nothing: no such file or folder; did you mean 'texts'?")
    for text in ("a fine plot", "and/or", "see http://x.org/a.csv", "https://x.org/a.csv", "24/7", "it ends with .csv"):
        assert json.loads(cli("predict", run, text, "--json").out)["input"] == text


def test_a_folder_of_texts_is_read_a_file_a_text(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    files.lines(tmp_path / "texts" / "a.txt", ["a fine plot", "and more"])
    files.lines(tmp_path / "texts" / "b" / "c.txt", ["a dull plot"])
    found = [json.loads(line) for line in cli("predict", run, tmp_path / "texts", "--json").out.splitlines()]
    assert [row["input"] for row in found] == ["a fine plot\nand more", "a dull plot"]
    (tmp_path / "empty").mkdir()
    refused(cli("predict", run, tmp_path / "empty"), 3, "empty: holds no text file (.eml, .txt)")


def test_blank_lines_keep_their_numbers_in_files_as_on_standard_input(cli, small_run, tmp_path) -> None:
    run = small_run("sentiment_cnn1d")
    lines = ["a fine plot", "", "a dull plot", "", ""]
    given = files.lines(tmp_path / "lines.txt", lines)
    for result in (cli("predict", run, given, "--json"), cli("predict", run, "-", "--json", input="\n".join(lines))):
        found = [json.loads(line) for line in result.out.splitlines()]
        assert len(found) == 3 and (found[0]["input"], found[2]["input"]) == ("a fine plot", "a dull plot")


def test_a_workbook_is_read_where_its_library_is_there(cli, small_run, tmp_path, monkeypatch) -> None:
    import sys

    run = small_run("sentiment_cnn1d")
    given = tmp_path / "mine.xlsx"
    given.write_bytes(b"PK\x03\x04")
    with monkeypatch.context() as context:
        context.setitem(sys.modules, "openpyxl", None)
        refused(cli("predict", run, given), 3, "mine.xlsx: reading Excel files needs openpyxl", "convzoo[excel]")
    openpyxl = pytest.importorskip("openpyxl")
    refused(cli("predict", run, given), 3, "mine.xlsx: cannot be read as an Excel workbook")
    book = openpyxl.Workbook()
    for row in (
        ["id", "text", None],
        [1, "a fine plot", None],
        [None, None, None],
        [2, None, None],
        [3, "a dull plot", None],
    ):
        book.active.append(row)
    book.save(given)
    result = cli("predict", run, given, "-o", tmp_path / "found.jsonl")
    assert result.code == 3 and "mine.xlsx:4: column 'text' is empty" in result.err
    found = read(tmp_path / "found.jsonl")
    assert [(row["id"], row["text"]) for row in found] == [(1, "a fine plot"), (2, None), (3, "a dull plot")]


def test_a_table_of_images_gets_the_answers_of_its_files(cli, small_run, tmp_path) -> None:
    run = small_run("emotion_cnn2d")
    for number in range(2):
        files.image(tmp_path / "photos" / f"{number}.png", number)
    given = files.lines(
        tmp_path / "mine.csv", ["who,file", "ann,photos/0.png", "bob,photos/none.png", "cid,photos/1.png"]
    )
    result = cli("predict", run, given, "-o", tmp_path / "found.csv")
    assert result.code == 3 and "mine.csv:3: 'photos/none.png' is not there" in result.err
    found = read(tmp_path / "found.csv")
    assert [row["who"] for row in found] == ["ann", "bob", "cid"] and not found[1]["label"]
    alone = convzoo.Run.load(run).predict([tmp_path / "photos" / "0.png", tmp_path / "photos" / "1.png"])
    assert [found[0]["label"], found[2]["label"]] == [answer["label"] for answer in alone]
