"""Texts with entities in the formats that people have them in: what is read, what is repaired, what is refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.modalities.text.data.conll2002 import Conll2002
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
    assert any("spaces or invisible characters at their border" in note for note in splits.notes)


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
    "an underscore": (["Anna B_PER", *CONLL], ":1: 'B_PER' is no tag; .* did you mean 'B-PER'"),
    "zeros for O": (["Anna B-PER", "left 0", "", *CONLL], ":2: '0' is no tag; .* did you mean 'O'"),
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


def check_named(path: Path, wanted: list[list[tuple[str, str]]], **given_: object) -> None:
    assert [named(text) for text in read(path, **given_)] == wanted


def test_of_two_layers_the_outer_one_is_read_and_the_other_is_named(tmp_path):
    rows = [
        "#\thttp://a.de [2010]",
        "1\tDeutsche\tB-ORG\tB-LOC",
        "2\tBank\tI-ORG\tO",
        "3\tin\tO\tO",
        "4\tRom\tB-LOC\tO",
    ]
    path = lines(tmp_path / "NER-de-train.tsv", [*rows, ""] * 4)
    check_named(path, [[("Deutsche Bank", "ORG"), ("Rom", "LOC")]] * 4)
    check_named(path, [[("Deutsche", "LOC")]] * 4, tag=4)
    notes = TaggedTexts(str(lines(tmp_path / "a.tsv", [*(row.replace("Bank", f"Bank{at}") for at in range(9)
                                                         for row in [*rows, ""])]))).read().notes  # fmt: skip
    assert [note for note in notes if "both hold tags" in note] == [
        "columns 3 and 4 both hold tags of entities: column 3 (LOC, ORG) is taken; data.tag=4 takes the other (LOC)"
    ]
    phrases = ["Anna NN B-NP B-PER", "left VB B-VP O", ""]
    assert not any("both" in note for note in TaggedTexts(str(lines(tmp_path / "b.conll", [
        row.replace("left", f"left{at}") for at in range(9) for row in phrases]))).read().notes)  # fmt: skip
    check_named(tmp_path / "b.conll", [[("Anna", "PER")]] * 9)


@pytest.mark.parametrize(
    ("tags", "wanted", "scheme"),
    [
        (("PER", "PER", "O", "LOC"), [("Ada May", "PER"), ("Rome", "LOC")], "types alone, without a prefix"),
        (("b-per", "i-per", "o", "B-loc"), [("Ada May", "per"), ("Rome", "loc")], "IOB2"),
        (("B-FULL NAME", "I-FULL NAME", "O", "O"), [("Ada May", "FULL NAME")], "IOB2"),
    ],
)
def test_types_alone_small_letters_and_types_with_spaces(tmp_path, tags, wanted, scheme):
    tokens = ["Ada", "May", "in", "Rome"]
    rows = [row for at in range(4) for row in [*map("\t".join, zip(tokens, tags, strict=True)), f"{at}\tO", ""]]
    columns = lines(tmp_path / "a.conll", rows)
    check_named(columns, [wanted] * 4)
    assert TaggedTexts(str(columns)).read().described["scheme"].startswith(scheme)
    check_named(lines(tmp_path / "a.jsonl", [json.dumps({"tokens": tokens, "ner_tags": tags})]), [wanted])
    rows = [f"{number},{a},{b}" for number in range(2) for a, b in zip(tokens, tags, strict=True)]
    check_named(lines(tmp_path / "a.csv", ["sentence,token,tag", *rows]), [wanted] * 2)


def test_types_that_differ_in_case_only_are_said(tmp_path):
    path = lines(tmp_path / "a.conll", [row for at in range(5) for row in (f"Ada{at} B-PER", "", f"Bob{at} B-per", "")])
    assert (
        "the types PER and per differ in case only: they are counted as different ones"
        in TaggedTexts(str(path)).read().notes
    )


def test_universal_dependencies_with_entities_in_the_last_column(tmp_path):
    def row(number: str, word: str, more: str) -> str:
        return "\t".join([number, word, word.lower(), "X", "X", "_", "0", "root", "_", more])

    sentence = [
        "# text = Ada came to Rome", row("1", "Ada", "NER=B-PER|SpaceAfter=No"), row("2-3", "cameto", "_"), row("2", "came", "_"),
        row("3", "to", "NER=O"), row("3.1", "unseen", "NER=B-LOC"), row("4", "Rome", "Gloss=x|NER=B-LOC"), "",
    ]  # fmt: skip
    path = lines(tmp_path / "a.conllu", ["# newdoc id = one", *sentence])
    (text,) = read(path)
    assert text.tokens == ["Ada", "came", "to", "Rome"]
    assert named(text) == [("Ada", "PER"), ("Rome", "LOC")]


def test_languages_before_the_tokens_are_taken_off(tmp_path):
    path = lines(tmp_path / "train.txt", ["en:Ada\tB-PER", "en::\tO", "en:left\tO", ""])
    assert read(path)[0].tokens == ["Ada", ":", "left"]
    assert read(lines(tmp_path / "b.txt", ["a:Ada\tB-PER", "left\tO", ""]))[0].tokens == ["a:Ada", "left"]


def test_tokens_of_invisible_characters_are_kept(tmp_path):
    (text,) = read(lines(tmp_path / "a.tsv", ["Ada\tB-PER", "\u00a0\tO", "\u200b\tO", "Rome\tB-LOC"]))
    assert text.tokens == ["Ada", "\u00a0", "\u200b", "Rome"] and named(text) == [("Ada", "PER"), ("Rome", "LOC")]


def test_rows_of_prodigy_count_by_their_answer(tmp_path):
    tokens = [{"text": "Ada", "start": 0, "end": 3, "id": 0}, {"text": "left", "start": 4, "end": 8, "id": 1}]
    span = {"start": 0, "end": 3, "token_start": 0, "token_end": 0, "label": "PER"}
    rows = [{"text": f"Ada left {at}", "tokens": tokens, "spans": [span], "answer": "accept"} for at in range(6)]
    rows += [
        {"text": "Ada left", "spans": [span], "answer": "reject"},
        {"text": "Ada", "spans": [], "answer": "ignore"},
    ]
    rows += [{"text": "He left", "tokens": tokens, "answer": "accept"}]
    path = lines(tmp_path / "a.jsonl", list(map(json.dumps, rows)))
    check_named(path, [[("Ada", "PER")]] * 6 + [[]])
    assert "2 texts whose answer is reject or ignore are left out" in TaggedTexts(str(path)).read().notes


def test_tasks_of_label_studio(tmp_path):
    text = "😀 Ada in Rome"

    def mark(start: int, end: int, label: str) -> dict:
        return {"type": "labels", "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]}}

    cancelled = {"was_cancelled": True, "result": [mark(0, 1, "X")]}
    kept = {"was_cancelled": False, "result": [mark(2, 5, "PER"), {"type": "relation"}, mark(9, 13, "LOC")]}
    tasks = [{"id": 1, "data": {"text": text}, "annotations": [cancelled, kept]}] * 4
    (tmp_path / "a.json").write_text(json.dumps([*tasks, {"id": 2, "data": {"body": "none"}, "annotations": []}]))
    check_named(tmp_path / "a.json", [[("Ada", "PER"), ("Rome", "LOC")]] * 4 + [[]])


def test_documents_of_spacy_2(tmp_path):
    tokens = [
        {"orth": word, "ner": tag}
        for word, tag in (("Ada", "B-PER"), ("May", "L-PER"), ("left", "O"), ("Rome", "U-LOC"))
    ]
    (tmp_path / "a.json").write_text(json.dumps([{"id": 7, "paragraphs": [{"sentences": [{"tokens": tokens}] * 2}]}]))
    check_named(tmp_path / "a.json", [[("Ada May", "PER"), ("Rome", "LOC")]] * 2)
    assert {text.group for text in read(tmp_path / "a.json")} == {"7"}


@pytest.mark.parametrize("written", [str, json.dumps, " ".join])
@pytest.mark.parametrize("names", ["tokens,ner_tags", "Sentence,Tag"])
def test_tables_with_a_sentence_a_row(tmp_path, written, names):
    cells = [written(each).replace('"', '""') for each in (["Ada", "May", "left"], ["B-PER", "I-PER", "O"])]
    path = lines(tmp_path / "a.csv", [names, *(f'"{cells[0]}","{cells[1]}"' for _ in range(3))])
    check_named(path, [[("Ada May", "PER")]] * 3)


def test_offsets_outside_plain_letters_are_not_called_bytes(tmp_path):
    path = lines(tmp_path / "a.jsonl", [json.dumps({"text": "Ada", "entities": [[0, 9, "PER"]]})])
    with pytest.raises(DataError, match=r"entity PER at 0 to 9 is outside the text, which has 3 characters$"):
        read(path)


def test_a_long_word_is_not_printed_whole(tmp_path):
    rows = [json.dumps({"text": "x" * 100_000 + f" {at}", "entities": [[0, 5, "PER"]]}) for at in range(4)]
    assert max(map(len, TaggedTexts(str(lines(tmp_path / "a.jsonl", rows))).read().notes)) < 400


@pytest.mark.parametrize(
    "names", [("eng.train", "eng.testa", "eng.testb"), ("NER-de-train.tsv", "NER-de-dev.tsv", "NER-de-test.tsv"),
              ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")]
)  # fmt: skip
def test_splits_are_told_by_words_of_the_names(tmp_path, names):
    for number, name in enumerate(names):
        lines(tmp_path / name, [row for at in range(number + 1) for row in (f"Ada{number}{at} B-PER", "left O", "")])
    (tmp_path / "README.md").write_text("the train files")
    assert TaggedTexts.recognises(tmp_path)
    assert [len(part) for _, part in TaggedTexts(str(tmp_path)).read()] == [1, 2, 3]


def test_one_document_is_divided_and_this_is_said(tmp_path):
    path = lines(
        tmp_path / "a.conll", ["-DOCSTART- O", "", *(row for at in range(20) for row in (f"Ada{at} B-PER", ""))]
    )
    splits = TaggedTexts(str(path)).read()
    assert [len(part) for _, part in splits] == [14, 3, 3]
    assert any("1 document cannot be divided" in note for note in splits.notes)


def test_folds_test_each_sentence_once(tmp_path):
    path = lines(tmp_path / "a.conll", [row for at in range(20) for row in (f"Ada{at} B-PER", "left O", "")])
    tested = [text.text for fold in range(4) for text in TaggedTexts(str(path), fold=fold, folds=4).read().test]
    assert sorted(tested) == sorted(f"Ada{at} left" for at in range(20))


def test_invisible_characters_are_no_tokens_and_joiners_stay_inside_words():
    def cut(text: str) -> list[str]:
        return [text[start:end] for start, end in token_places(text)]

    assert cut("\ufeffAda\u200b left\x07") == ["Ada", "left"]
    assert cut("می\u200cخواهم") == ["می\u200cخواهم"]
    assert cut("I ❤\ufe0f Rome") == ["I", "❤", "Rome"]


def test_the_unit_of_offsets_is_said_of_every_format(tmp_path):
    """Of brat's folders too, as of JSON."""
    for at in range(12):
        text = f"😀 Anna met Bob {at} in Rome."
        start = len(text[: text.index("Rome")].encode("utf-16-le")) // 2
        (tmp_path / f"d{at}.txt").write_text(text, encoding="utf-8")
        (tmp_path / f"d{at}.ann").write_text(f"T1\tLOC {start} {start + 4}\tRome\n", encoding="utf-8")
    splits = TaggedTexts(str(tmp_path)).read()
    assert named(splits.train[0]) == [("Rome", "LOC")]
    assert any("UTF-16" in note for note in splits.notes)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_conll2002_keeps_its_accents_in_both_encodings(tmp_path, encoding):
    for at, name in enumerate(("train", "testa", "testb")):
        rows = [f"Cáceres{at} NC B-LOC", "subrayó VMI O", ""]
        lines(tmp_path / f"esp.{name}", rows, encoding)
    splits = Conll2002(str(tmp_path)).read()
    assert [text.tokens for _, part in splits for text in part] == [[f"Cáceres{at}", "subrayó"] for at in range(3)]
