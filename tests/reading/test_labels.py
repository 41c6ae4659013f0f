"""Numbers and several classes in tables, and how splits keep them in proportion."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.core.labels import Tags
from convzoo.core.splits import Splits
from convzoo.modalities.graph.data.own import GraphTable
from convzoo.modalities.text.data.own import TextTable
from convzoo.modalities.text.example import Text
from convzoo.reading.splitting import carve_validation, folds, hold_out, made_here, split_by_group
from convzoo.reading.tables import read_table
from convzoo.runs import write_split


def table(folder: Path, cells: list[str], name: str = "t.csv") -> Path:
    (folder / name).write_text(
        "".join(f"{line}\n" for line in ["text,label", *(f"t{n},{c}" for n, c in enumerate(cells))])
    )
    return folder / name


def labels(path: Path, label_type: str) -> list:
    return read_table(path).labels("label", label_type)  # type: ignore[arg-type]


def test_numbers_are_floats(tmp_path: Path) -> None:
    found = labels(table(tmp_path, ["1", "2.5", "-3e2", " 4 "]), "number")
    assert found == [1.0, 2.5, -300.0, 4.0]
    assert all(type(value) is float for value in found)


def test_decimal_commas_are_numbers_where_the_whole_column_has_them(tmp_path: Path) -> None:
    assert labels(table(tmp_path, ['"3,5"', '"1.012,25"', "7"]), "number") == [3.5, 1012.25, 7.0]
    with pytest.raises(DataError, match=r"t.csv:2: column 'label' says '3,5'; it should be a number"):
        labels(table(tmp_path, ['"3,5"', "3.5"]), "number")


@pytest.mark.parametrize(
    ("cell", "said"),
    [("n/a", "says 'n/a'"), ("", "is empty"), ("inf", "says 'inf'"), ("NaN", "says 'NaN'"), ("12 kg", "says '12 kg'")],
)
def test_a_cell_that_is_no_number_is_named_with_its_row(tmp_path: Path, cell: str, said: str) -> None:
    with pytest.raises(DataError) as caught:
        labels(table(tmp_path, ["1", "2", cell, "4"]), "number")
    assert f"t.csv:4: column 'label' {said}; it should be a" in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=r"t\.csv:4"):
        labels(table(tmp_path, ['"1,5"', "2", cell, "4"]), "number")


@pytest.mark.parametrize(
    "cells",
    [["a|b", "c", "", "b | b"], ["a;b", "c", "", "b; b"], ['"a, b"', "c", "", '"b,b"'],
     ['"[""a"", ""b""]"', '"[""c""]"', "[]", '"[""b""]"']],
)  # fmt: skip
def test_several_classes_are_separated_by_usual_marks(tmp_path: Path, cells: list[str]) -> None:
    assert labels(table(tmp_path, cells), "classes") == [("a", "b"), ("c",), (), ("b",)]


def test_a_stronger_mark_leaves_commas_in_names(tmp_path: Path) -> None:
    assert labels(table(tmp_path, ['"a, b|c"', '"d, e"']), "classes") == [("a, b", "c"), ("d, e",)]


def test_lists_of_json_are_several_classes(tmp_path: Path) -> None:
    rows = [{"label": ["a", "b"]}, {"label": []}, {"label": "c"}, {"label": None}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert labels(tmp_path / "t.jsonl", "classes") == [("a", "b"), (), ("c",), ()]
    (tmp_path / "t.jsonl").write_text('{"label": {"a": 1}}\n')
    with pytest.raises(DataError, match="should name classes"):
        labels(tmp_path / "t.jsonl", "classes")


def test_many_numbers_as_classes_get_a_note_and_few_do_not(tmp_path: Path) -> None:
    many = TextTable(str(table(tmp_path, [str(n // 3) for n in range(120)]))).read()
    assert any("task=regression" in note for note in many.notes)
    few = TextTable(str(table(tmp_path, [str(n % 5) for n in range(120)]))).read()
    assert not any("task=regression" in note for note in few.notes)


def test_single_numbers_as_classes_are_refused_with_the_task_that_takes_them(tmp_path: Path) -> None:
    path = table(tmp_path, [f"{n}.25" for n in range(30)])
    with pytest.raises(DataError, match=r"30 classes have too few examples.*task=regression"):
        TextTable(str(path)).read()
    splits = TextTable(str(path), label_type="number").read()
    assert sum(len(part) for _, part in splits) == 30
    assert "stratified by quantile" in splits.origin


def texts(found: list) -> list[Text]:
    return [Text(f"text {number}", label, source=str(number)) for number, label in enumerate(found)]


@given(st.integers(3, 300), st.integers(0, 5))
def test_numbers_are_split_without_a_word_about_classes(count: int, seed: int) -> None:
    numbers = [float(value) for value in np.random.default_rng(seed).lognormal(size=count)]
    try:
        home = split_by_group(numbers, list(range(count)), 0.2, 0.2, seed)
    except DataError as error:
        assert "class" not in str(error)
        assert count < 10
        return
    assert set(home.tolist()) == {0, 1, 2}


def test_each_part_of_a_split_has_small_and_large_numbers() -> None:
    numbers = [float(value) for value in np.random.default_rng(0).lognormal(size=200)]
    tenth = np.quantile(numbers, 0.1), np.quantile(numbers, 0.9)
    for cut in (
        [home == part for part in range(3) for home in [split_by_group(numbers, list(range(200)), 0.2, 0.2, 0)]],
        [folds(numbers, 5, 0) == fold for fold in range(5)],
        [hold_out(numbers, 0.3, 0)],
    ):
        for inside in cut:
            chosen = np.array(numbers)[inside]
            for share in ((chosen <= tenth[0]).mean(), (chosen >= tenth[1]).mean()):
                assert 0.05 <= share <= 0.15


def test_each_part_of_a_split_has_combinations_and_rare_labels() -> None:
    found = [("a",)] * 60 + [("a", "b")] * 40 + [("a", "rare")] * 6 + [("rare", "b")] * 6 + [()] * 20
    home = split_by_group(found, list(range(len(found))), 0.25, 0.25, 0)
    for part in range(3):
        inside = [label for label, at in zip(found, home, strict=True) if at == part]
        counts = Counter(name for label in inside for name in label)
        assert counts["rare"] >= 2
        assert Counter(inside)["a", "b"] >= 8
        assert Counter(inside)[()] >= 4


def test_a_combination_that_occurs_once_is_no_error() -> None:
    splits = made_here(texts([("a",)] * 20 + [("b",)] * 20 + [("a", "b", "c")]), 0.2, 0.2, 0)
    assert sum(len(part) for _, part in splits) == 41
    assert "stratified by labels" in splits.origin


def test_a_label_that_occurs_once_is_learnt_with_all_that_belongs_to_it() -> None:
    found = [Text(f"t{n}", ("a", "b")[n // 3 % 2 : n // 3 % 2 + 1], group=f"g{n // 3}") for n in range(60)]
    found += [Text("once", ("a", "rare"), group="both"), Text("beside it", ("b",), group="both")]
    for seed in range(12):  # without the rule it would be in another part for some of these
        splits = made_here(found, 0.45, 0.45, seed)
        assert {"once", "beside it"} <= {example.text for example in splits.train}


def test_sequences_of_tags_are_carried_and_not_stratified(tmp_path: Path) -> None:
    splits = made_here(texts([Tags(("B", "I", f"O{number}")) for number in range(30)]), 0.2, 0.2, 0)
    assert "stratified" not in splits.origin
    write_split(tmp_path / "split.csv", splits)
    assert '""O3""' in (tmp_path / "split.csv").read_text()


def test_validation_is_carved_out_of_numbers() -> None:
    carved = carve_validation(Splits(texts([float(n) for n in range(50)]), [], texts([1.0])), 0.2, 0)
    assert 6 <= len(carved.val) <= 14
    assert min(e.label for e in carved.val) < 15
    assert max(e.label for e in carved.val) > 35


def graph(folder: Path, column: list[str]) -> GraphTable:
    rows = [f"n{n},{n % 3},{cell}" for n, cell in enumerate(column)]
    (folder / "nodes.csv").write_text("\n".join(["id,feature,label", *rows]) + "\n")
    edges = [f"n{n},n{(n + 1) % len(column)}" for n in range(len(column))]
    (folder / "edges.csv").write_text("\n".join(["source,target", *edges]) + "\n")
    return GraphTable(str(folder), label_type="number")


def test_nodes_have_numbers_too_and_an_empty_one_is_in_no_split(tmp_path: Path) -> None:
    splits = graph(tmp_path, ["", *(f"{n}.5" for n in range(39))]).read()
    found = [node.label for _, part in splits for node in part]
    assert sorted(found) == [n + 0.5 for n in range(39)]
    with pytest.raises(DataError, match=r"nodes.csv:4: column 'label' says 'x'"):
        graph(tmp_path, ["1", "2", "x", *["3"] * 20]).read()


# What people's tables have in place of a plain column of classes


def labels_of(path: Path, **how: object) -> list:
    return [example.label for example in TextTable(str(path), **how).examples()]  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", ["\"['a', 'b']\"", "\"['a' 'b']\"", '"[""a"", ""b""]"', '" a |b"'])
def test_lists_as_python_numpy_and_json_write_them_name_several_classes(tmp_path: Path, cell: str) -> None:
    lists = ["\"['c']\""] if "[" in cell else ["c"]
    assert labels_of(table(tmp_path, [cell, *lists]), label_type="classes") == [("a", "b"), ("c",)]


def test_several_classes_are_refused_where_one_is_learnt_and_a_list_of_one_is_that_one(tmp_path: Path) -> None:
    assert labels_of(table(tmp_path, ["\"['a']\"", '"[""b""]"', "[c]"])) == ["a", "b", "[c]"]
    with pytest.raises(DataError, match=r"t\.csv:3: column 'label' names 2 classes.*task=multi_label"):
        labels_of(table(tmp_path, ["a", "\"['a', 'b']\""]))
    (tmp_path / "t.jsonl").write_text('{"text": "x", "label": ["a", "b"]}\n{"text": "y", "label": {"a": 1}}\n')
    reader = TextTable(str(tmp_path / "t.jsonl"), skip_damaged=True)
    with pytest.raises(DataError, match="names 2 classes"):
        reader.examples()
    assert "holds dict, not one value" in reader.damaged.reasons[f"{tmp_path / 't.jsonl'}:2"]


def test_a_column_a_class_names_the_classes_of_a_row(tmp_path: Path) -> None:
    rows = ["id,text,rude,loud,other", "7,a,1,1,x1", "8,b,0,,x2", "9,c,0,true,x3"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    for how in ({}, {"label": ["rude", "loud"]}):
        assert labels_of(tmp_path / "t.csv", label_type="classes", **how) == [("rude", "loud"), (), ("loud",)]
    reader = TextTable(str(tmp_path / "t.csv"), label_type="classes")
    columns, roles = reader._table(tmp_path / "t.csv"), reader._examples(reader._table(tmp_path / "t.csv"))[1]
    assert roles["label"] == ["rude", "loud"] and columns.separator == ","
    with pytest.raises(DataError, match=r"which column is the label\? it has id, text, rude, loud, other"):
        labels_of(tmp_path / "t.csv")
    with pytest.raises(DataError, match=r"t\.csv:2: 2 of the columns rude, loud are 1; a class needs one"):
        labels_of(tmp_path / "t.csv", label=["rude", "loud"])
    with pytest.raises(DataError, match="has no column 'lod'; did you mean 'loud'"):
        labels_of(tmp_path / "t.csv", label=["rude", "lod"])
    with pytest.raises(DataError, match=r"t\.csv:2: column 'other' says 'x1'; it should be 0 or 1"):
        labels_of(tmp_path / "t.csv", label_type="classes", label=["rude", "other"])
    (tmp_path / "one.csv").write_text("text,rude,loud\na,1,0\nb,0,1\n")
    assert labels_of(tmp_path / "one.csv") == ["rude", "loud"]


def test_names_of_classes_lose_spaces_missing_values_and_second_ways_of_writing(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    found = pyarrow.table({"text": ["a", "b", "c"], "label": [1.0, float("nan"), 2.0]})
    pyarrow.parquet.write_table(found, tmp_path / "t.parquet")
    reader = TextTable(str(tmp_path / "t.parquet"), skip_damaged=True)
    assert [example.label for example in reader.examples()] == ["1", "2"]
    assert "column 'label' is empty" in next(iter(reader.damaged.reasons.values()))
    assert labels_of(table(tmp_path, ["caf\u00e9", " cafe\u0301 "])) == ["caf\u00e9"] * 2


def test_all_classes_with_too_few_examples_are_said_at_once_with_the_names_they_resemble(tmp_path: Path) -> None:
    cells = ["positive", "negative"] * 20 + ["postive", "negativ"]
    with pytest.raises(DataError) as caught:
        TextTable(str(table(tmp_path, cells))).read()
    said = str(caught.value)
    assert "2 classes have too few examples: 'postive' 1, 'negativ' 1" in said
    assert "did you mean 'positive' for 'postive', 'negative' for 'negativ'?" in said and "\n" not in said


def test_points_that_may_mark_thousands_are_said_and_read_as_the_person_says(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text;label\n" + "".join(f"t{number};{number % 7 + 1}.{number:03d}\n" for number in range(40)))
    splits = TextTable(str(path), label_type="number").read()
    (note,) = [note for note in splits.notes if "thousands" in note]
    assert "says 1.000, which is read as 1; if its points mark thousands, say data.decimal=comma" in note
    as_said = TextTable(str(path), label_type="number", decimal="comma").examples()
    assert [example.label for example in as_said[:3]] == [1000.0, 2001.0, 3002.0]
    assert not [
        note for note in TextTable(str(path), label_type="number", decimal="point").read().notes if "thous" in note
    ]
