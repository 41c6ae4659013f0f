"""Readers on small files, and on the real ones where CONVZOO_MIRROR says where they are."""

import gzip
import json
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest

from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.modalities.image.data.faces import Faces
from convzoo.modalities.image.data.fer2013 import EMOTIONS, Fer2013
from convzoo.modalities.image.data.idx import Idx, read_idx
from convzoo.modalities.image.data.own import ImageFolder
from convzoo.modalities.text.data.own import TextTable
from convzoo.modalities.text.data.polarity import Polarity
from convzoo.modalities.text.data.reviews import Reviews
from convzoo.modalities.text.data.sst import StanfordSentiment
from convzoo.modalities.text.data.trec import Trec

MIRROR = os.environ.get("CONVZOO_MIRROR", "")
needs_mirror = pytest.mark.skipif(
    not Path(MIRROR or "?").is_dir(), reason="CONVZOO_MIRROR names no folder with the real data sets"
)


def everything(splits: Splits) -> list:
    return [example for _, part in splits for example in part]


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.val), len(splits.test)


# Tables of texts

ROWS = [(f"text number {index}, and more", "spam" if index % 3 == 0 else "ham") for index in range(60)]


def write_table(path: Path, rows=ROWS, heading=("text", "label")) -> Path:
    records = [dict(zip(heading, row, strict=True)) for row in rows]
    if path.suffix == ".csv":
        text = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in [heading, *rows])
    elif path.suffix == ".tsv":
        text = "".join("\t".join(row) + "\n" for row in [heading, *rows])
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)
        return path
    else:
        text = "".join(json.dumps(record) + "\n" for record in records)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"])
def test_tables_of_every_kind_say_the_same(suffix, tmp_path):
    splits = TextTable(str(write_table(tmp_path / f"table{suffix}"))).read()
    assert sorted((example.text, example.label) for example in everything(splits)) == sorted(ROWS)
    assert all(share > 0 for share in sizes(splits))
    assert {example.label for example in splits.train} == {"spam", "ham"}
    assert "seed 0" in splits.origin
    assert len(next(iter(splits.files.values()))["sha256"]) == 64


def test_a_source_is_the_file_and_the_line(tmp_path):
    path = write_table(tmp_path / "table.csv")
    found = {example.text: example.source for example in everything(TextTable(str(path)).read())}
    assert found[ROWS[0][0]] == f"{path}:2"
    assert found[ROWS[9][0]] == f"{path}:11"


def test_quoted_fields_hold_commas_quotes_and_newlines(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('text,label\n"a ""b"", c\nd",x\n' + "".join(f"word{i},{'xy'[i % 2]}\n" for i in range(20)))
    assert 'a "b", c\nd' in [example.text for example in everything(TextTable(str(path)).read())]


def test_quotation_marks_in_tsv_are_text(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('text\tlabel\n"half open\tx\n' + "".join(f"word{i}\t{'xy'[i % 2]}\n" for i in range(20)))
    assert '"half open' in [example.text for example in everything(TextTable(str(path)).read())]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_marks_and_line_endings(encoding, ending, tmp_path):
    path = tmp_path / "t.csv"
    lines = ["text,label", *(f"é{i},{'xy'[i % 2]}" for i in range(20))]
    path.write_bytes(ending.join(lines).encode(encoding))
    found = everything(TextTable(str(path)).read())
    assert {example.label for example in found} == {"x", "y"}
    assert "é3" in [example.text for example in found]


def test_another_encoding_is_named_in_the_recipe(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"text,label\n" + b"".join(b"caf\xe9 %d,%c\n" % (i, b"xy"[i % 2]) for i in range(20)))
    found = everything(TextTable(str(path), encoding="latin-1").read())
    assert "café 3" in [example.text for example in found]


def test_unusual_line_separators_stay_inside_a_text(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": f"a\u2028b\x85{i}", "label": i % 2}, ensure_ascii=False) + "\n"
                            for i in range(20)), encoding="utf-8")  # fmt: skip
    found = everything(TextTable(str(path)).read())
    assert len(found) == 20
    assert {example.label for example in found} == {"0", "1"}


def test_named_columns_and_the_usual_names(tmp_path):
    path = write_table(tmp_path / "t.csv", heading=("Body", "Kind"))
    with pytest.raises(DataError, match="which column is the text"):
        TextTable(str(path)).read()
    assert len(everything(TextTable(str(path), text="Body", label="Kind").read())) == 60
    path = write_table(tmp_path / "u.csv", heading=("Sentence", " Category "))
    assert len(everything(TextTable(str(path)).read())) == 60


def test_a_file_without_a_heading(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for text, label in ROWS))
    found = everything(TextTable(str(path), columns=["label", "text"]).read())
    assert sorted((example.text, example.label) for example in found) == sorted(ROWS)


def test_a_split_column_is_obeyed(tmp_path):
    rows = [(text, label, ("train", "Train", "dev", "TEST")[index % 4]) for index, (text, label) in enumerate(ROWS)]
    splits = TextTable(str(write_table(tmp_path / "t.csv", rows, ("text", "label", "part"))), split="part").read()
    assert sizes(splits) == (30, 15, 15)
    assert splits.origin == "as given"


def test_without_validation_it_is_carved_out_of_training(tmp_path):
    rows = [(text, label, "train" if index < 40 else "test") for index, (text, label) in enumerate(ROWS)]
    splits = TextTable(str(write_table(tmp_path / "t.csv", rows, ("text", "label", "part"))), split="part").read()
    assert len(splits.test) == 20
    assert len(splits.train) + len(splits.val) == 40
    assert len(splits.val) >= 4


@pytest.mark.parametrize("names", [("train", "val", "test"), ("train", "dev", "test"), ("training", "valid", "test")])
def test_a_folder_of_tables(names, tmp_path):
    for index, name in enumerate(names):
        write_table(tmp_path / f"{name}.csv", ROWS[20 * index : 20 * index + 20])
    (tmp_path / "notes.txt").write_text("not a table")
    splits = TextTable(str(tmp_path)).read()
    assert sizes(splits) == (20, 20, 20)
    assert TextTable.recognises(tmp_path)


def test_equal_texts_and_groups_are_never_split(tmp_path):
    rows = [(f"Same  text {index % 20}", "ab"[index % 2]) for index in range(200)]
    rows += [(f"same text {index % 20} ", "ab"[index % 2]) for index in range(40)]
    splits = TextTable(str(write_table(tmp_path / "t.csv", rows))).read()
    homes = {name: {" ".join(e.text.lower().split()) for e in part} for name, part in splits}
    assert not homes["train"] & homes["test"]
    assert not homes["train"] & homes["val"]
    assert not homes["val"] & homes["test"]
    rows = [(f"text {index}", "ab"[index % 2], f"author {index % 17}") for index in range(200)]
    splits = TextTable(str(write_table(tmp_path / "g.csv", rows, ("text", "label", "by"))), group="by").read()
    homes = {name: {example.group for example in part} for name, part in splits}
    assert not homes["train"] & homes["test"]
    assert not homes["val"] & homes["test"]


@pytest.mark.parametrize(
    ("suffix", "content", "arguments", "words"),
    [
        (".csv", b"text,label\na,b,c\n", {}, ":2: has 3 fields, the heading 2"),
        (".csv", b"text,label\nx,y\nonly\n", {}, ":3: has 1 fields, the heading 2"),
        (".csv", b'text,label\n"open,x\n', {}, "is not valid CSV"),
        (".csv", b'text,label\n"a"b,x\n', {}, ":2: is not valid CSV"),
        (".csv", b"text,label\ncaf\xe9,x\n", {}, ":2: is not utf-8 text (byte 0xe9); say data.encoding=latin-1"),
        (".csv", b"text,label\na,x\n", {"encoding": "martian"}, "no encoding 'martian'"),
        (".csv", b"", {}, "holds no rows"),
        (".csv", b"text,label\n", {}, "holds no rows"),
        (".csv", b"text,label\na,\n", {}, ":2: column 'label' is empty"),
        (".csv", b"text,label\na,x\n", {"label": "labl"}, "has no column 'labl'; did you mean 'label'"),
        (".csv", b"text,label\na,x\n", {"group": "author"}, "has no column 'author'"),
        (".csv", b"text,label\na,x\n", {"split": "part"}, "has no column 'part'"),
        (".csv", b"text,label,part\na,x,holdout\n", {"split": "part"}, "it should say train, val or test"),
        (".csv", b"text,text,label\na,b,x\n", {}, "'text' twice"),
        (".jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', {}, ":2: is not JSON"),
        (".jsonl", b'["a", "x"]\n', {}, ":1: should be an object"),
        (".jsonl", b'{"text": "a", "label": "x"}\n{"text": "b"}\n', {}, ":2: column 'label' is empty"),
        (".parquet", b"PAR1 and no more", {}, "cannot be read as Parquet"),
        (".parquet", b"", {}, "cannot be read as Parquet"),
    ],
)
def test_damaged_tables_are_refused_in_one_line(suffix, content, arguments, words, tmp_path):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        TextTable(str(path), **arguments).read()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_table_is_refused(tmp_path):
    for suffix in (".csv", ".parquet", ".jsonl"):
        with pytest.raises(DataError, match="no such file"):
            TextTable(str(tmp_path / f"none{suffix}")).read()


# Folders of images


def image_files(folder: Path, classes=("cat", "dog"), count: int = 8, side: int = 12) -> Path:
    random = np.random.default_rng(list(folder.name.encode()))
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            pixels = random.integers(0, 256, (side, side), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def test_a_folder_of_classes(tmp_path):
    splits = ImageFolder(str(image_files(tmp_path / "pets"))).read()
    assert Counter(example.label for example in everything(splits)) == {"cat": 8, "dog": 8}
    assert {example.label for example in splits.train} == {"cat", "dog"}
    assert splits.train[0].array().shape == (12, 12)
    assert all(example.source.split("/")[0] == example.label for example in everything(splits))


def test_copies_of_an_image_stay_together(tmp_path):
    folder = image_files(tmp_path / "pets", count=10)
    for index in range(5):
        for copy in range(3):
            (folder / "cat" / f"copy{index}-{copy}.png").write_bytes((folder / "cat" / f"{index}.png").read_bytes())
    splits = ImageFolder(str(folder)).read()
    homes = {name: {example.path.read_bytes() for example in part} for name, part in splits}
    assert not homes["train"] & (homes["test"] | homes["val"])
    assert not homes["val"] & homes["test"]


def test_a_given_split_of_folders(tmp_path):
    for name, count in (("train", 6), ("valid", 2), ("test", 3)):
        image_files(tmp_path / "pets" / name, count=count)
    splits = ImageFolder(str(tmp_path / "pets")).read()
    assert sizes(splits) == (12, 4, 6)
    assert splits.origin == "as given"


def test_a_missing_validation_folder_is_carved_out_of_training(tmp_path):
    image_files(tmp_path / "pets" / "train", count=20)
    image_files(tmp_path / "pets" / "test", count=3)
    splits = ImageFolder(str(tmp_path / "pets"), val=0.2).read()
    assert sizes(splits)[2] == 6
    assert sum(sizes(splits)[:2]) == 40
    assert 4 <= sizes(splits)[1] <= 12


def test_wrong_folders_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no folder with images"):
        ImageFolder(str(tmp_path / "empty")).read()
    with pytest.raises(DataError, match="no such folder"):
        ImageFolder(str(tmp_path / "none")).read()
    image_files(tmp_path / "a" / "train")
    with pytest.raises(DataError, match="none named test"):
        ImageFolder(str(tmp_path / "a")).read()
    folder = image_files(tmp_path / "b")
    (folder / "bird").mkdir()
    with pytest.raises(DataError, match="class 'bird' has no image"):
        ImageFolder(str(folder)).read()
    (folder / "bird" / "x.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"x.png: is empty \(0 bytes\)"):
        ImageFolder(str(folder)).read()


# FER2013


def fer_row(emotion: object = 3, usage: str = "Training", count: int = 2304, value: object = 7) -> str:
    return f"{emotion},{' '.join([str(value)] * count)},{usage}\n"


def write_fer(path: Path, *rows: str) -> Path:
    path.write_text("emotion,pixels,Usage\n" + "".join(rows))
    return path


def test_fer2013_csv(tmp_path):
    path = write_fer(
        tmp_path / "fer2013.csv", fer_row(0), fer_row(6), fer_row(3, "PublicTest"), fer_row(5, "PrivateTest", value=255)
    )
    splits = Fer2013(str(path)).read()
    assert [[example.label for example in part] for _, part in splits] == [
        ["angry", "neutral"],
        ["happy"],
        ["surprise"],
    ]
    assert splits.test[0].pixels.shape == (48, 48)
    assert splits.test[0].pixels.min() == 255
    assert splits.train[1].source == "fer2013.csv:3"
    assert Fer2013.recognises(path)
    assert not Fer2013.recognises(write_table(tmp_path / "other.csv"))
    assert sizes(Fer2013(str(tmp_path)).read()) == (2, 1, 1)


@pytest.mark.parametrize(
    "row",
    [
        fer_row(7), fer_row(-1), fer_row("x"), fer_row(count=2303), fer_row(value=256), fer_row(value=-1),
        fer_row(value="x"), fer_row(usage="Training2"), "3\n", "\n",
    ],
)  # fmt: skip
def test_bad_rows_of_fer2013_are_refused_with_their_line(row, tmp_path):
    path = write_fer(tmp_path / "fer2013.csv", fer_row(), row)
    with pytest.raises(DataError, match=r"^fer2013.csv:3: should be an emotion"):
        Fer2013(str(path)).read()


@pytest.mark.parametrize("content", [b"emotion,pixels,Usage\n\xff\xfe,1,Training\n", b'emotion,pixels,Usage\n"0,1\n'])
def test_undecodable_fer2013_files_are_refused(content, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(DataError):
        Fer2013(str(path)).read()


def test_an_absent_fer2013_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"neither fer2013\.csv nor"):
        Fer2013(str(tmp_path)).read()
    with pytest.raises(DataError):
        Fer2013(str(tmp_path / "none.csv")).read()


# idx


def idx_bytes(values: np.ndarray) -> bytes:
    return b"\x00\x00\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_idx(folder: Path, train: int = 30, test: int = 10, zipped: bool = True) -> Path:
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    for part, count in (("train", train), ("t10k", test)):
        contents = {
            f"{part}-images-idx3-ubyte": random.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            f"{part}-labels-idx1-ubyte": (np.arange(count) % 10).astype(np.uint8),
        }
        for name, values in contents.items():
            content = idx_bytes(values)
            (folder / (f"{name}.gz" if zipped else name)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
def test_idx_files_zipped_or_not(zipped, tmp_path):
    splits = Idx(path=str(write_idx(tmp_path, zipped=zipped)), val=5).read()
    assert sizes(splits) == (25, 5, 10)
    assert [example.label for example in splits.test] == [str(index) for index in range(10)]
    assert [example.label for example in splits.val] == ["5", "6", "7", "8", "9"]
    assert Idx.recognises(tmp_path)


def test_fashion_has_names(tmp_path):
    splits = Idx("fashion_mnist", str(write_idx(tmp_path)), val=5).read()
    assert splits.test[9].label == "ankle boot"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (idx_bytes(np.zeros((4, 3), np.uint8))[:-1], "truncated: 11 bytes of 12"),
        (idx_bytes(np.zeros((4, 3), np.uint8)) + b"x", "13 bytes of 12"),
        (gzip.compress(idx_bytes(np.zeros((4, 3), np.uint8)), mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8bnot gzip at all", "cannot be read"),
        (b"", "is not an idx file"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x00", "is not an idx file of bytes"),
        (b"\x00\x00\x08\x03\x00", "cannot be read"),
    ],
)
def test_damaged_idx_files_are_refused(content, words, tmp_path):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_idx(tmp_path / "x")
    assert "\n" not in str(caught.value)


def test_idx_files_that_do_not_belong_together_are_refused(tmp_path):
    folder = write_idx(tmp_path)
    with pytest.raises(DataError, match="leaves none of the 30"):
        Idx(path=str(folder), val=30).read()
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.zeros(9, np.uint8)))
    with pytest.raises(DataError, match="10 test images and 9 labels"):
        Idx(path=str(folder), val=5).read()
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="has no t10k-labels"):
        Idx(path=str(folder), val=5).read()


def test_a_class_that_fashion_does_not_have_is_refused(tmp_path):
    folder = write_idx(tmp_path)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_bytes(np.full(10, 11, np.uint8)))
    with pytest.raises(DataError, match="11"):
        Idx("fashion_mnist", str(folder), val=5).read()


# Sentences of the field's benchmarks


def write_polarity(folder: Path, count: int = 50) -> Path:
    for label, name in (("bad", "rt-polarity.neg"), ("good", "rt-polarity.pos")):
        lines = [f"{label} sentence {index} caf\xe9 and \x85 inside" for index in range(count)]
        (folder / name).write_bytes("\n".join([*lines, ""]).encode("latin-1"))
    return folder


def test_polarity_splits_lines_at_newlines_only_and_its_folds_are_disjoint_and_complete(tmp_path):
    folder = str(write_polarity(tmp_path))
    tested: list[str] = []
    for fold in range(10):
        splits = Polarity(path=folder, fold=fold).read()
        assert sizes(splits) == (81, 9, 10)
        assert len({example.text for example in everything(splits)}) == 100
        assert Counter(example.label for example in splits.test) == {"negative": 5, "positive": 5}
        tested += [example.text for example in splits.test]
    assert len(set(tested)) == 100


def test_wrong_folds_and_files_of_polarity_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        Polarity(path=str(tmp_path / "none")).read()
    with pytest.raises(DataError, match="no such file"):
        Polarity(path=str(tmp_path)).read()
    write_polarity(tmp_path)
    with pytest.raises(DataError, match=r"data.fold=10: with data.folds=10 it should be from 0 to 9"):
        Polarity(path=str(tmp_path), fold=10).read()
    (tmp_path / "rt-polarity.pos").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        Polarity(path=str(tmp_path)).read()


def test_sst(tmp_path):
    for name, lines in (("train", "1 good one\n0 bad one\n"), ("dev", "0 dull\n"), ("test", "1 fine\n")):
        (tmp_path / f"stsa.binary.{name}").write_text(lines)
    splits = StanfordSentiment(path=str(tmp_path)).read()
    assert [(e.text, e.label) for e in splits.train] == [("good one", "positive"), ("bad one", "negative")]
    assert sizes(splits) == (2, 1, 1)
    (tmp_path / "stsa.binary.dev").write_text("0 dull\n7 strange\n")
    with pytest.raises(DataError, match=r"stsa.binary.dev:2: should be a label"):
        StanfordSentiment(path=str(tmp_path)).read()


def test_trec(tmp_path):
    lines = [f"NUM:dist How far is {index} ?" for index in range(20)] + [
        f"HUM:ind Who is {index} ?" for index in range(20)
    ]
    (tmp_path / "train_5500.label").write_bytes("\n".join(lines).encode("latin-1"))
    (tmp_path / "TREC_10.label").write_bytes(b"HUM:ind Who is caf\xe9 ?\n")
    splits = Trec(path=str(tmp_path)).read()
    assert sizes(splits) == (36, 4, 1)
    assert splits.test[0].text == "Who is café ?"
    assert {example.label for example in splits.train} == {"NUM", "HUM"}
    assert {example.label for example in Trec("fine", str(tmp_path)).read().train} == {"NUM:dist", "HUM:ind"}
    (tmp_path / "TREC_10.label").write_text("no class here\n")
    with pytest.raises(DataError, match=r"TREC_10\.label:1: should be COARSE:fine"):
        Trec(path=str(tmp_path)).read()


# Generated data


@pytest.mark.parametrize("reader", [Reviews, Faces])
def test_generated_data_are_seeded_balanced_and_have_a_ceiling(reader):
    def content(splits: Splits) -> list:
        return [getattr(e, "text", None) or e.pixels.tobytes() for e in everything(splits)]

    first, again, other = (reader(train=42, val=14, test=28, seed=seed).read() for seed in (3, 3, 4))
    assert sizes(first) == (42, 14, 28)
    assert content(first) == content(again)
    assert content(first) != content(other)
    assert len(set(content(first))) == 84
    assert 0.5 < first.ceiling["test/accuracy"] <= 1
    counts = Counter(example.label for example in first.train)
    assert max(counts.values()) - min(counts.values()) <= 12


# The real files


@needs_mirror
@pytest.mark.parametrize(
    ("dataset", "each", "labels"),
    [("mr", 5331, {"negative", "positive"}), ("subj", 5000, {"objective", "subjective"})],
)
def test_real_polarity_files(dataset, each, labels):
    tested: list[str] = []
    for fold in range(10):
        splits = Polarity(dataset, fold=fold).read()
        assert sum(sizes(splits)) == 2 * each
        assert Counter(example.label for example in everything(splits)) == dict.fromkeys(labels, each)
        assert all(example.text for example in splits.test)
        tested += [example.source for example in splits.test]
    assert len(tested) == len(set(tested)) == 2 * each
    assert len(splits.files) == 2


@needs_mirror
def test_real_sst2():
    assert sizes(StanfordSentiment().read()) == (6920, 872, 1821)


@needs_mirror
def test_real_trec():
    splits = Trec().read()
    assert (sum(sizes(splits)[:2]), sizes(splits)[2]) == (5452, 500)
    assert {e.label for e in everything(splits)} == {"ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"}
    fine = Trec("fine").read()
    assert len({e.label for e in [*fine.train, *fine.val]}) == 50


@needs_mirror
def test_real_mnist():
    splits = Idx().read()
    assert sizes(splits) == (55_000, 5000, 10_000)
    assert Counter(example.label for example in splits.test)["1"] == 1135
    assert splits.train[0].pixels.shape == (28, 28)


@needs_mirror
def test_real_fer2013():
    splits = Fer2013().read()
    assert sizes(splits) == (28_709, 3589, 3589)
    assert {example.label for example in splits.train} == set(EMOTIONS)
    assert splits.train[0].array().shape == (48, 48)


@needs_mirror
def test_real_sms_spam_as_a_table_without_heading(tmp_path):
    path = tmp_path / "sms.tsv"
    path.write_bytes((Path(MIRROR) / "sms_spam" / "SMSSpamCollection").read_bytes())
    splits = TextTable(str(path), columns=["label", "text"]).read()
    found = everything(splits)
    assert len(found) == 5574
    assert Counter(example.label for example in found) == {"ham": 4827, "spam": 747}
    for _, part in splits:
        assert sum(example.label == "spam" for example in part) / len(part) == pytest.approx(747 / 5574, abs=0.02)
