"""Tables, for every kind of data: separators, quotes, decimal commas, encodings, JSON lines and Parquet are read alike."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.modalities.series.data.tables import read_series
from convzoo.reading.tables import as_number, read_table

CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff"), max_size=12)
ROWS = st.lists(st.tuples(CELL, CELL.filter(str.strip)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


@settings(max_examples=60)
@given(rows=ROWS, separator=st.sampled_from(",;\t|"), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_the_csv_module_writes_is_read_back(
    folder: Path, rows: list[tuple[str, str]], separator: str, encoding: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    (folder / "a.csv").write_bytes(text.getvalue().encode(encoding))
    table = read_table(folder / "a.csv")
    assert table.columns == {"text": [row[0] for row in rows], "label": [row[1] for row in rows]}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".parquet"])
def test_every_form_gives_the_same_columns(tmp_path: Path, suffix: str) -> None:
    columns = {"text": ["a b", "c, d", "e"], "label": ["x", "y", "x"]}
    path = tmp_path / f"t{suffix}"
    rows = list(zip(*columns.values(), strict=True))
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    elif "json" in suffix:
        lines = "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows).encode()
        path.write_bytes(gzip.compress(lines) if suffix.endswith("gz") else lines)
    else:
        mark = "\t" if suffix == ".tsv" else ","
        text = io.StringIO()
        csv.writer(text, delimiter=mark).writerows([tuple(columns), *rows])
        path.write_bytes(gzip.compress(text.getvalue().encode()) if suffix.endswith("gz") else text.getvalue().encode())
    assert read_table(path).columns == columns


def test_a_separator_inside_free_text_does_not_mislead(tmp_path: Path) -> None:
    lines = ["text\tlabel", "Well, yes, of course\ta", "No; or: perhaps, no\tb", "one, two, three\ta"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    assert read_table(tmp_path / "a.csv").columns["label"] == ["a", "b", "a"]


def test_quotation_marks_between_tabs_are_text_unless_the_file_is_written_with_them(tmp_path: Path) -> None:
    (tmp_path / "plain.tsv").write_text('text\tlabel\n"Quoted" he said\ta\nan inch is 2.54", a foot 12"\tb\n')
    assert read_table(tmp_path / "plain.tsv").columns["text"] == ['"Quoted" he said', 'an inch is 2.54", a foot 12"']
    (tmp_path / "enclosed.tsv").write_text('"text"\t"label"\n"a\ttab ""here"""\t"a"\n')
    assert read_table(tmp_path / "enclosed.tsv").columns == {"text": ['a\ttab "here"'], "label": ["a"]}
    (tmp_path / "column.tsv").write_text('id\tx\n"a"\t1\n"b"\t2\n')
    assert read_table(tmp_path / "column.tsv").columns["id"] == ["a", "b"]
    (tmp_path / "lines.tsv").write_text('text\tlabel\n"two\nlines"\ta\n')
    assert read_table(tmp_path / "lines.tsv").columns["text"] == ["two\nlines"]


def test_places_are_lines_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n\n"two\nlines",a\n\nlast,b\n')
    table = read_table(tmp_path / "a.csv")
    assert [table.place(row) for row in range(2)] == [f"{tmp_path / 'a.csv'}:3", f"{tmp_path / 'a.csv'}:6"]


def test_decimal_commas_are_numbers_where_commas_do_not_separate(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id;width;count\na;3,14;1.012\nb;-0,5;2.000\nc;1.234,5;7\n")
    table = read_table(tmp_path / "a.csv")
    assert table.numbers("width").tolist() == [3.14, -0.5, 1234.5]
    assert table.numbers("count").tolist() == [1012, 2000, 7], (
        "the file writes decimal commas, so a dot marks thousands"
    )
    (tmp_path / "b.csv").write_text("id;width\na;3.14\nb;1.012\n")
    assert read_table(tmp_path / "b.csv").numbers("width").tolist() == [3.14, 1.012]
    (tmp_path / "c.csv").write_text('id,width\na,"3,14"\n')
    with pytest.raises(DataError, match=r"c\.csv:2: column 'width' says '3,14'; it should be a number"):
        read_table(tmp_path / "c.csv").numbers("width")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "latin-1"])
def test_sensors_with_decimal_commas_are_read_alike(tmp_path: Path, encoding: str) -> None:
    lines = [
        "time;größe;count",
        *(f"2024-05-01 00:{minute:02d}:00;{minute},5;1.0{minute:02d}" for minute in range(10, 30)),
    ]
    (tmp_path / "a.csv").write_bytes("\n".join(lines).encode(encoding))
    if encoding == "latin-1":
        with pytest.raises(DataError, match=r"a\.csv:1: is not utf-8 text \(byte 0xf6\); say data\.encoding=latin-1"):
            read_series(tmp_path / "a.csv")
        return
    series = read_series(tmp_path / "a.csv")
    assert series.channels == ("größe", "count")
    assert np.array_equal(series.values, [[minute + 0.5, 1000 + minute] for minute in range(10, 30)])


def test_missing_values_of_parquet_are_none(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"label": ["a", None], "x": [1.5, float("nan")]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet").columns == {"label": ["a", None], "x": [1.5, None]}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_what_python_says(value: float) -> None:
    assert as_number(repr(value)) == value
    assert as_number(f"{value:.3f}".replace(".", ","), decimal_commas=True) == float(f"{value:.3f}")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n1\n", r":2: has 1 fields, the heading 2 \(separated by ','\)"),
        (b"a,a\n1,2\n", "the column 'a' twice"),
        (b'a,b\n"open,1\n', "is not valid CSV"),
        (b"a,b\ncaf\xe9,1\n", r":2: is not utf-8 text \(byte 0xe9\)"),
    ],
)
def test_damaged_tables_say_where(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_table(tmp_path / "a.csv")


def test_an_encoding_that_does_not_exist_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="there is no encoding 'utf-9'"):
        read_table(tmp_path / "a.csv", encoding="utf-9")


def test_the_first_line_of_excel_names_the_separator(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sep=;\ntext;label\na,b;x\nshort\n")
    with pytest.raises(DataError, match=r"a.csv:4: has 1 fields, the heading 2"):
        read_table(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("sep=;\ntext;label\na,b;x\n")
    table = read_table(tmp_path / "a.csv")
    assert table.columns == {"text": ["a,b"], "label": ["x"]} and table.place(0).endswith("a.csv:3")


def test_the_index_of_pandas_is_no_column(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"label": ["a"], "__index_level_0__": [7]}), tmp_path / "a.parquet")
    assert list(read_table(tmp_path / "a.parquet").columns) == ["label"]


def test_a_quotation_mark_that_is_never_closed_is_said_where_it_stands(tmp_path):
    rows = [f"text {number},x" for number in range(20)]
    rows[5] = '"' + rows[5]
    (tmp_path / "t.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    with pytest.raises(
        DataError, match=r"t\.csv:7: is not valid CSV: a quotation mark of this row is never closed.*data\.quotes=false"
    ):
        read_table(tmp_path / "t.csv")
