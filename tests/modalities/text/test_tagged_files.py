"""Texts with entities in the formats that people have them in: what is read, what is repaired, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.modalities.text.data.own_tagged import TaggedTexts
from convzoo.modalities.text.tagged import TaggedText, token_places


def lines(path: Path, rows: list[str], encoding: str = "utf-8") -> Path:
    path.write_bytes("".join(f"{row}\n" for row in rows).encode(encoding))
    return path


def read(path: Path, **settings: object) -> list[TaggedText]:
    return TaggedTexts(str(path), **settings).examples()


def named(text: TaggedText) -> list[tuple[str, str]]:
    return [(text.written(span), span.label) for span in text.spans]


ROWS = [
    ("Anna", "NN", "B-PER"), ("Smith", "NN", "I-PER"), ("lives", "VB", "O"), ("in", "IN", "O"), ("New", "NN", "B-LOC"),
    ("York", "NN", "I-LOC"), (".", ".", "O"),
]  # fmt: skip
WANTED = [("Anna Smith", "PER"), ("New York", "LOC")]


@pytest.mark.parametrize("separator", [" ", "\t", "   "])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 2)])
def test_columns_are_found_in_any_order(tmp_path, separator, order):
    more = [("Bob", "NN", "B-PER"), ("left", "VB", "O"), ("Rome", "NN", "B-LOC")]
    rows = [separator.join(row[at] for at in order) for row in ROWS] + [""]
    rows += [separator.join(row[at] for at in order) for row in more]
    first, second = read(lines(tmp_path / "a.conll", rows))
    assert named(first) == WANTED and named(second) == [("Bob", "PER"), ("Rome", "LOC")]
    assert first.text == "Anna Smith lives in New York ."


def test_numbered_columns_comments_and_documents(tmp_path):
    rows = ["# newdoc id = one", "# text = Anna Smith", *(f"{n}\t{t}\t{tag}" for n, (t, _, tag) in enumerate(ROWS, 1)), "",
            "-DOCSTART-\t-X-\tO", "", "1\tRome\tB-LOC", "", "# newdoc", "1\tBob\tB-PER"]  # fmt: skip
    found = read(lines(tmp_path / "a.txt", rows))
    assert [named(text) for text in found] == [WANTED, [("Rome", "LOC")], [("Bob", "PER")]]
    assert len({text.group for text in found}) == 3 and "one" in str(found[0].group)


@pytest.mark.parametrize(
    ("tags", "scheme", "note"),
    [
        ("I-PER I-PER O O I-LOC I-LOC O", "IO", None),
        ("B-PER I-PER O O B-LOC I-LOC O", "IOB2", None),
        ("B-PER E-PER O O B-LOC E-LOC O", "BIOES", None),
        ("B-PER L-PER O O B-LOC L-LOC O", "BILOU", None),
        ("B-PER I-PER O O I-LOC I-LOC O", "IOB2", "1 of 4 entities"),
    ],
)
def test_every_scheme_is_read_and_repairs_are_counted(tmp_path, tags, scheme, note):
    rows = [f"{token} {tag}" for (token, _, _), tag in zip(ROWS, tags.split(), strict=True)]
    more = [[f"{name} {tags.split()[0]}", f"X {tags.split()[1]}", f"left{at} O", f"Rome {tags.split()[4][0]}-LOC",
             f"City {tags.split()[5]}"] for at, name in enumerate(["Bob"] * 9)]  # fmt: skip
    rows += [""] + [line for part in more for line in [*part, ""]]
    splits = TaggedTexts(str(lines(tmp_path / "a.conll", rows))).read()
    every = [text for _, part in splits for text in part]
    assert next(named(text) for text in every if "New" in text.tokens) == WANTED
    assert splits.described["scheme"].startswith(scheme)
    repaired = [line for line in splits.notes if "begin with I" in line]
    assert bool(repaired) == (note is not None)


def test_iob1_is_told_from_iob2(tmp_path):
    sentence = ["Anna I-PER", "Bob B-PER", "met O", "in O", "Rome I-LOC", ""]
    found = read(lines(tmp_path / "a.conll", sentence * 2))
    assert named(found[0]) == [("Anna", "PER"), ("Bob", "PER"), ("Rome", "LOC")]
    rows = [line.replace("met", f"met{at}") for at in range(20) for line in sentence]
    splits = TaggedTexts(str(lines(tmp_path / "b.conll", rows))).read()
    assert splits.described["scheme"] == "IOB1"
    assert not [note for note in splits.notes if "begin with I" in note]


TEXT = "Anna Smith vive à Genève, près de Zürich."
SPANS = [("Anna Smith", "PER"), ("Genève", "LOC"), ("Zürich", "LOC")]


def offsets(text: str, unit: str) -> list[list]:
    found = []
    for name, label in SPANS:
        start = text.index(name)
        ends = [start, start + len(name)]
        if unit == "bytes":
            ends = [len(text[:end].encode()) for end in ends]
        if unit == "utf16":
            ends = [len(text[:end].encode("utf-16-le")) // 2 for end in ends]
        found.append([*ends, label])
    return found


@pytest.mark.parametrize("unit", ["characters", "bytes", "utf16"])
@pytest.mark.parametrize("form", ["list", "object", "spacy", "written"])
def test_spans_in_any_unit_and_form(tmp_path, unit, form):
    text = f"😀 {TEXT}"
    spans = offsets(text, unit)
    if form in ("object", "written"):
        spans = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    if form == "written":
        spans = [{**span, "text": name} for span, (name, _) in zip(spans, SPANS, strict=True)]
    record = [text, {"entities": spans}] if form == "spacy" else {"text": text, "entities": spans}
    path = tmp_path / ("a.json" if form == "spacy" else "a.jsonl")
    path.write_text(json.dumps([record] if form == "spacy" else record) + "\n", encoding="utf-8")
    (found,) = read(path)
    assert named(found) == SPANS and found.text == text


def test_a_unit_that_is_not_characters_is_said(tmp_path):
    rows = [json.dumps({"text": f"😀 {TEXT} {at}", "entities": offsets(f"😀 {TEXT}", "utf16")}) for at in range(30)]
    splits = TaggedTexts(str(lines(tmp_path / "a.jsonl", rows))).read()
    assert any("UTF-16" in note for note in splits.notes)


@settings(max_examples=40)
@given(st.text(alphabet="ab é😀ह1.,-", min_size=1, max_size=30), st.integers(0, 30), st.integers(1, 12))
def test_a_span_is_widened_to_whole_tokens_and_never_moved_off_them(tmp_path_factory, text, start, size):
    end = min(start + size, len(text))
    path = tmp_path_factory.mktemp("spans") / "a.jsonl"
    path.write_text(json.dumps({"text": text, "entities": [[start, end, "X"]]}), encoding="utf-8")
    touched = [place for place in token_places(text) if place[0] < end and place[1] > start]
    if start >= end or not touched:
        with pytest.raises(DataError):
            read(path, offsets="characters")
        return
    (found,) = read(path, offsets="characters")
    (span,) = found.spans
    assert (found.places[span.start][0], found.places[span.end - 1][1]) == (touched[0][0], touched[-1][1])


def test_spans_inside_words_and_with_spaces_are_said(tmp_path):
    rows = [
        json.dumps({"text": f"Unitedly Anna {at} ", "entities": [[0, 6, "ORG"], [9, 14, "PER"]]}) for at in range(20)
    ]
    splits = TaggedTexts(str(lines(tmp_path / "a.jsonl", rows))).read()
    assert named(splits.train[0]) == [("Unitedly", "ORG"), ("Anna", "PER")]
    assert any("inside a word" in note and "20 of 40" in note for note in splits.notes)
    assert any("spaces at their border" in note for note in splits.notes)


def brat(folder: Path) -> Path:
    folder.mkdir()
    for at in range(12):
        text = f"Anna met Bob {at} in New York.\nThey left."
        (folder / f"d{at}.txt").write_text(text, encoding="utf-8")
        start = text.index("New York")
        notes = [
            "T1\tPER 0 4\tAnna",
            f"T2\tLOC {start} {start + 8}\tNew York",
            "R1\tLives Arg1:T1 Arg2:T2",
            "T3\tPER 0 4;9 12\tAnna Bob",
        ]
        (folder / f"d{at}.ann").write_text("\n".join(notes) + "\n", encoding="utf-8")
    return folder


def test_brat_folders(tmp_path):
    splits = TaggedTexts(str(brat(tmp_path / "brat"))).read()
    texts = [text for _, part in splits for text in part]
    assert len(texts) == 12 and all(named(text) == [("Anna", "PER"), ("New York", "LOC")] for text in texts)
    assert any("relations" in note for note in splits.notes) and any("several pieces" in note for note in splits.notes)


def test_tables_with_a_token_a_row(tmp_path):
    rows = ["Sentence #,Word,POS,Tag"]
    for at in range(12):
        rows += [f"Sentence: {at},Anna,NNP,B-per", f',"Smith, {at}",NNP,I-per', ",left,VB,O"]
    path = tmp_path / "ner.csv"
    path.write_text("\n".join(rows) + "\n", encoding="latin-1")
    found = read(path)
    assert len(found) == 12 and named(found[3]) == [("Anna Smith, 3", "per")]


def test_lists_of_tokens_and_tags(tmp_path):
    record = {"tokens": [row[0] for row in ROWS], "ner_tags": [row[2] for row in ROWS]}
    (found,) = read(lines(tmp_path / "a.jsonl", [json.dumps(record)]))
    assert named(found) == WANTED
    with pytest.raises(DataError, match="holds numbers"):
        read(lines(tmp_path / "b.jsonl", [json.dumps({**record, "ner_tags": [0] * 7})]))


def test_given_splits_and_copies(tmp_path):
    for name, first in (("train", 0), ("dev", 20), ("test", 40)):
        rows = []
        for at in range(first, first + 12):
            rows += [f"Anna{at} B-PER", "left O", ""]
        if name == "train":
            rows += ["Anna40 B-PER", "left O", ""]
        lines(tmp_path / f"{name}.txt", rows)
    splits = TaggedTexts(str(tmp_path)).read()
    assert [len(part) for _, part in splits] == [12, 12, 12] and splits.origin == "as given"
    assert any("1 copy" in note for note in splits.notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, encoding):
    path = lines(tmp_path / "a.conll", ["Zoé B-PER", "à O", "Genève B-LOC", "", "Bob B-PER"], encoding)
    given_ = {"encoding": "latin-1"} if encoding == "latin-1" else {}
    assert named(read(path, **given_)[0]) == [("Zoé", "PER"), ("Genève", "LOC")]
    if encoding == "latin-1":
        with pytest.raises(DataError, match=r"data\.encoding=latin-1"):
            read(path)


CONLL = ["Anna B-PER", "left O", "", "Bob B-PER", "left O", ""]
REFUSED = {
    "a word is no tag": (["Anna B-PER", "left PRE", "", *CONLL], ":2: 'PRE' is no tag"),
    "small letters": (["Anna b-per", *CONLL], ":1: 'b-per' is no tag; .* did you mean 'B-per'"),
    "columns vary": (["Anna B-PER", "left", "", *CONLL * 3], ":2: has 1 column, most lines have 2"),
    "no tags": (["Anna left", "Bob stayed"], "no column has tags such as O, B-PER"),
    "empty": ([""], "holds no tokens"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_columns_are_refused_in_one_line(tmp_path, case):
    rows, words = REFUSED[case]
    with pytest.raises(DataError, match=words) as error:
        read(lines(tmp_path / "a.conll", rows))
    assert "\n" not in str(error.value)


SPANS_REFUSED = {
    "outside": ([[0, 99, "PER"]], "is outside the text, which has 9 characters"),
    "empty": ([[3, 3, "PER"]], "is empty"),
    "overlap": ([[0, 4, "PER"], [0, 9, "ORG"]], "overlaps with ORG.*data.overlapping=longest"),
    "no label": ([[0, 4]], "should be .start, end, .TYPE.."),
    "text": ([["0", "4", "PER"]], "whole numbers"),
    "space": ([[4, 5, "PER"]], "holds no word"),
    "not so written": (
        [{"start": 0, "end": 4, "label": "PER", "text": "Bob"}],
        "is 'Anna' in the text, and 'Bob' beside",
    ),
}


@pytest.mark.parametrize("case", SPANS_REFUSED)
def test_wrong_spans_are_refused_in_one_line(tmp_path, case):
    spans, words = SPANS_REFUSED[case]
    with pytest.raises(DataError, match=words) as error:
        read(lines(tmp_path / "a.jsonl", [json.dumps({"text": "Anna left", "entities": spans})]))
    assert "\n" not in str(error.value) and "a.jsonl:1" in str(error.value)


def test_the_longest_of_overlapping_ones_is_kept_where_asked(tmp_path):
    spans = [[0, 4, "PER"], [0, 9, "ORG"], [0, 9, "ORG"]]
    path = lines(tmp_path / "a.jsonl", [json.dumps({"text": "Anna left", "entities": spans})])
    (found,) = read(path, overlapping="longest")
    assert named(found) == [("Anna left", "ORG")]


def test_damaged_sentences_are_left_out_where_asked(tmp_path):
    rows = [*(line.replace("left", f"left{at}") for at in range(10) for line in CONLL), "Anna X-PER", ""]
    path = lines(tmp_path / "a.conll", rows)
    with pytest.raises(DataError, match="skip_damaged"):
        TaggedTexts(str(path)).read()
    splits = TaggedTexts(str(path), skip_damaged=True).read()
    assert sum(len(part) for _, part in splits) == 20 and len(splits.skipped.reasons) == 1


def test_marks_scripts_and_handles_are_tokens():
    def cut(text: str) -> list[str]:
        return [text[start:end] for start, end in token_places(text)]

    assert cut("ज्योति ने कहा ।") == ["ज्योति", "ने", "कहा", "।"]
    assert cut("東京タワー") == ["東", "京", "タ", "ワ", "ー"]
    assert cut("see @bob's X3, 1,200.5 #tag") == ["see", "@bob", "'", "s", "X3", ",", "1,200.5", "#tag"]
