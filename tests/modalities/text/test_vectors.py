"""Files of pre-trained word vectors: written here byte by byte as their tools write them, and read again."""

import gzip
import struct
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

import convzoo
from convzoo.core.errors import DataError
from convzoo.modalities.text.vectors import read_vectors

SPECIAL = ["<pad>", "<unk>"]
Rows = list[tuple[str, list[float]]]
KNOWN: Rows = [("good", [1.0, 2.0]), ("film", [-0.5, 0.125]), ("other", [3.0, 4.0])]


def glove(path: Path, rows: Rows, end: str = "\n") -> Path:
    lines = [" ".join([word, *(repr(number) for number in numbers)]) for word, numbers in rows]
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def word2vec_text(path: Path, rows: Rows, end: str = "\n") -> Path:
    """Also fastText's `.vec`, whose rows end with a space in older versions."""
    glove(path, rows, end)
    path.write_bytes(f"{len(rows)} {len(rows[0][1])}\n".encode() + path.read_bytes())
    return path


def word2vec_binary(path: Path, rows: Rows, end: bytes = b"\n") -> Path:
    """The original tool writes a line feed after each vector, and gensim none."""
    content = f"{len(rows)} {len(rows[0][1])}\n".encode()
    for word, numbers in rows:
        content += word.encode() + b" " + struct.pack(f"<{len(numbers)}f", *numbers) + end
    path.write_bytes(content)
    return path


def fnv(part: bytes) -> int:
    found = 2166136261
    for byte in struct.unpack(f"{len(part)}b", part):
        found = ((found ^ (byte % 2**32)) * 16777619) % 2**32
    return found


def fasttext_binary(
    path: Path, rows: Rows, buckets: np.ndarray, shortest: int = 3, longest: int = 4, quantised=False
) -> Path:
    """The layout of fastText's `Model::saveModel`, version 12."""
    size = len(rows[0][1])
    head = struct.pack("<14i", 793712314, 12, size, 5, 5, 1, 5, 1, 2, 2, len(buckets), shortest, longest, 100)
    head += struct.pack("<d", 1e-4) + struct.pack("<3i", len(rows), len(rows), 0) + struct.pack("<2q", 1000, -1)
    words = b"".join(word.encode() + b"\0" + struct.pack("<qb", 7, 0) for word, _ in rows)
    matrix = np.concatenate([np.array([numbers for _, numbers in rows]), buckets]).astype("<f4")
    path.write_bytes(
        head + words + struct.pack("<?", quantised) + struct.pack("<2q", *matrix.shape) + matrix.tobytes()
        + struct.pack("<?", False) + struct.pack("<2q", 1, size) + bytes(4 * size)
    )  # fmt: skip
    return path


def zipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


WRITERS = {
    "glove": glove,
    "glove_crlf": lambda path, rows: glove(path, rows, "\r\n"),
    "word2vec": word2vec_text,
    "fasttext_vec": lambda path, rows: word2vec_text(path, rows, " \n"),
    "word2vec_binary": word2vec_binary,
    "gensim_binary": lambda path, rows: word2vec_binary(path, rows, b""),
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_the_vectors_that_were_written(kind: str, packed: bool, tmp_path: Path) -> None:
    path = WRITERS[kind](tmp_path / "vectors", KNOWN)
    tokens = [*SPECIAL, "good", "film", "absent"]
    found = read_vectors(zipped(path) if packed else path, tokens)
    assert found.table.shape == (5, 2) and found.table.dtype == torch.float32
    assert found.table[[0, 2, 3]].tolist() == [[0, 0], [1, 2], [-0.5, 0.125]]
    assert found.there.tolist() == [False, False, True, True, False]
    spread = np.array([[1, 2], [-0.5, 0.125]]).std() * 3**0.5
    assert 0 < float(found.table[4].abs().max()) <= spread + 1e-6
    assert torch.equal(found.table, read_vectors(path, tokens).table)
    assert not found.notes


@settings(max_examples=40, deadline=None)
@given(
    rows=st.dictionaries(
        st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=8),
        st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=4, max_size=4),
        min_size=1,
        max_size=6,
    ),
    kind=st.sampled_from(sorted(WRITERS)),
)
def test_any_words_and_numbers_come_back(rows, kind, tmp_path_factory) -> None:
    path = WRITERS[kind](tmp_path_factory.mktemp("any") / "vectors", list(rows.items()))
    tokens = [*SPECIAL, *rows]
    found = read_vectors(path, tokens)
    import unicodedata

    for number, (word, numbers) in enumerate(rows.items(), 2):
        if unicodedata.is_normalized("NFC", word) and found.there[number]:
            same = [each for other, each in rows.items() if unicodedata.normalize("NFC", other) == word]
            assert found.table[number].tolist() in [np.float32(each).tolist() for each in same], (word, numbers)
    assert found.there[2:].any()


def test_fasttexts_binary_gives_words_and_parts_of_words(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows: Rows = [("</s>", [0.0, 0.0]), ("good", [1.0, 2.0]), ("größe", [3.0, -1.0])]
    buckets = random.normal(size=(50, 2)).astype("<f4")
    path = fasttext_binary(tmp_path / "model.bin", rows, buckets)

    def parts(word: str) -> list[np.ndarray]:
        marked = f"<{word}>"
        grams = [marked[at : at + n] for n in (3, 4) for at in range(len(marked) - n + 1)]
        return [buckets[fnv(gram.encode()) % 50] for gram in grams]

    found = read_vectors(path, [*SPECIAL, "good", "größe", "goodness", "x"])
    expected = [
        np.mean([rows[1][1], *parts("good")], axis=0),
        np.mean([rows[2][1], *parts("größe")], axis=0),
        np.mean(parts("goodness"), axis=0),
        np.mean(parts("x"), axis=0),
    ]
    assert torch.allclose(found.table[2:], torch.tensor(np.array(expected), dtype=torch.float32), atol=1e-6)
    assert found.notes == ["2 are not in the file, and made of their parts"]
    whole = read_vectors(fasttext_binary(tmp_path / "no_parts.bin", rows, buckets, 0, 0), [*SPECIAL, "good", "new"])
    assert whole.table[2].tolist() == [1, 2] and whole.there.tolist() == [False, False, True, False]


def test_fnv_hash_of_the_project() -> None:
    from convzoo.modalities.text.formats import _hash

    assert [_hash(word.encode()) for word in ("", "a", "foobar", "ä")] == [
        fnv(word.encode()) for word in ("", "a", "foobar", "ä")
    ]
    assert _hash(b"a") == 0xE40C292C and _hash(b"foobar") == 0xBF9CF968, "the published values of FNV-1a"


@pytest.mark.parametrize(
    ("rows", "tokens", "expected", "note"),
    [
        ([("Paris", [1, 2]), ("film", [3, 4])], ["paris", "film"], [[1, 2], [3, 4]], "1 is in another case only"),
        ([("PARIS", [1, 2]), ("paris", [3, 4])], ["paris"], [[3, 4]], ""),
        ([("paris", [3, 4]), ("PARIS", [1, 2])], ["paris"], [[3, 4]], ""),
        ([("paris", [1, 2])], ["Paris", "PARIS"], [[1, 2], [1, 2]], "2 are in another case only"),
        ([("film", [1, 2]), ("film", [9, 9])], ["film"], [[1, 2]], "1 is more than once in the file"),
        ([("cafe\u0301", [1, 2])], ["caf\u00e9"], [[1, 2]], ""),
    ],
)
@pytest.mark.parametrize("kind", ["glove", "word2vec_binary"])
def test_the_same_word_counts_before_one_in_another_case(kind, rows, tokens, expected, note, tmp_path) -> None:
    found = read_vectors(WRITERS[kind](tmp_path / "vectors", rows), [*SPECIAL, *tokens])
    assert found.table[2:].tolist() == expected
    assert "; ".join(found.notes).startswith(note) and bool(found.notes) == bool(note)


def test_a_token_with_spaces_is_read_from_the_right(tmp_path: Path) -> None:
    path = glove(tmp_path / "vectors", [("good", [1, 2]), ("at name", [5, 6]), (". . .", [7, 8])])
    assert read_vectors(path, [*SPECIAL, "at name", ". . ."]).table[2:].tolist() == [[5, 6], [7, 8]]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"good 1 2\nfilm 1\n", r"vectors:2: has 1 numbers, the lines before 2$"),
        (b"good 1.5 2\nfilm 1.5 2 3\n", r"vectors:2: has 3 numbers, the lines before 2$"),
        (
            b"good 1 2\nfilm 1",
            r"vectors:2: has 1 numbers, the lines before 2: it is the last line, so the file is cut off",
        ),
        (b"3 2\ngood 1 2 3\n", r"none of the 4 tokens|vectors:2: has 3 numbers"),
        (b"good 1 x\n", r"vectors:1: is not a token and its numbers"),
        (b"", "none of the 4 tokens"),
        (b"other 1 2\n", "none of the 4 tokens of the training split; is it for another language"),
        (b"stra\xdfe 1 2\n", "none of the 4 tokens .* 1 of its words are not UTF-8"),
        (b"good\n", r"vectors:1"),
        (b"good 1 2\n\nfilm 3 4\n", r"vectors:2"),
        (b"good 1 nan\n", r"vectors:1: holds a number that is not finite"),
        (b"PK\x03\x04rest", "is a zip archive; unpack it"),
        (b"\x80\x04\x95rest", "is a pickle"),
        (b"\xff\xfeg\x00o\x00", "is UTF-16 text; save it as UTF-8"),
        (b"1 2\na \xff\xfe\x00\x01\n", "is cut off: it has 0 of the 1 vectors"),
        (b"1 99999999\na \xff\xfe\x00\x01\n", "99,999,999 numbers cannot be"),
        (b"2 1\ngood \x00\x00\x80\x3f\nfilm \x00\x00", "is cut off: it has 1 of the 2 vectors"),
        (b"1 1\ngood \x00\x00\xc0\x7f", "vector 1 holds a number that is not finite"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03K", "is no whole gzip file"),
        (struct.pack("<i", 793712314) + bytes(60), "is of version 0 of fastText's format"),
        (struct.pack("<2i", 793712314, 12) + bytes(8), "is cut off in its heading"),
    ],
)
def test_broken_files_are_refused_in_a_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_vectors(path, [*SPECIAL, "good", "film"])
    assert "\n" not in str(caught.value)


def test_a_file_that_is_absent_a_folder_or_cut_off_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.txt", tmp_path, Path("a\0b")):
        with pytest.raises(DataError, match="cannot be read"):
            read_vectors(path, ["a"])
    rows: Rows = [("good", [1.0, 2.0])]
    model = fasttext_binary(tmp_path / "model.bin", rows, np.ones((5, 2)))
    whole = model.read_bytes()
    for length in range(8, len(whole) - 25, 7):
        model.write_bytes(whole[:length])
        with pytest.raises(DataError, match="cut off"):
            read_vectors(model, [*SPECIAL, "good"])
    packed = zipped(glove(tmp_path / "vectors", KNOWN * 500))
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(DataError, match="is no whole gzip file"):
        read_vectors(packed, [*SPECIAL, "good"])
    with pytest.raises(DataError, match="quantised"):
        read_vectors(fasttext_binary(tmp_path / "small.ftz", rows, np.ones((5, 2)), quantised=True), [*SPECIAL, "good"])


def test_fewer_rows_than_promised_are_said(tmp_path: Path) -> None:
    path = word2vec_text(tmp_path / "vectors", KNOWN)
    path.write_bytes(path.read_bytes().replace(b"3 2\n", b"400 2\n"))
    assert read_vectors(path, [*SPECIAL, "good"]).notes == [
        "its first line promises 400 vectors and it has 3: is it cut off?"
    ]


@pytest.mark.parametrize("kind", ["glove", "word2vec_binary"])
def test_a_large_file_is_never_held_whole(kind: str, tmp_path: Path) -> None:
    """Of 60 MB (binary) only the vectors of three words and the buffer of the reader are kept."""
    random = np.random.default_rng(0)
    rows = [(f"word{number}", random.normal(size=300).astype(np.float32).tolist()) for number in range(2000)]
    path = WRITERS[kind](tmp_path / "vectors", rows)
    if kind == "word2vec_binary":
        body = path.read_bytes().partition(b"\n")[2]
        path.write_bytes(b"50000 300\n" + body * 25)
    tracemalloc.start()
    found = read_vectors(path, [*SPECIAL, "word3", "word1999", "word5"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.table[3].tolist() == rows[1999][1]
    assert peak < 50e6, peak


def test_the_share_that_was_found_is_said_by_check_and_run_and_what_fits_not_is_refused(cli, tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    lines = [f"a {['fine', 'Poor'][at % 2]} film {'!' * at},{['good', 'bad'][at % 2]}" for at in range(40)]
    table.write_text("\n".join(["text,label", *lines]) + "\n", encoding="utf-8")
    glove(tmp_path / "v.txt", [("a", [1, 2, 3]), ("Fine", [4, 5, 6]), ("film", [7, 8, 9])])
    small = ["model.channels=4", "train.epochs=1", "baselines=[]", "data.copies=keep"]
    given_ = ["sentiment_cnn1d", "--data", "own.csv", "encoder.vectors=v.txt", *small]
    line = "vectors of 3 numbers, in place of model.embedding_size, for 60.0 % of the vocabulary and "
    found = cli("check", *given_)
    assert found.code == 0, found.err
    (said,) = [each for each in found.out.splitlines() if line in each]
    assert "% of the words of the training texts (v.txt); 1 is in another case only" in said
    counts = Counter(word for line in lines for word in line.partition(",")[0].lower().replace("!", " !").split())
    assert {"a", "fine", "poor", "film", "!"} == set(counts)
    share = float(said.partition("vocabulary and ")[2].partition(" %")[0])
    assert share == pytest.approx(100 * 2.5 * 40 / sum(counts.values()), abs=5), "of the training part, which is drawn"
    for embedding, channels in (("learned", 3), ("static", 3), ("both", 6)):
        for model in ("cnn1d", "dilated_cnn1d"):
            # The model's name comes first: another model begins with its defaults.
            others = [
                f"model={model}",
                "model.channels=4",
                "train.epochs=1",
                "baselines=[]",
                f"model.embedding={embedding}",
            ]
            ran = cli("run", *given_[:4], *others, "--out", f"{model}_{embedding}")
            assert ran.code == 0, ran.err
            assert line in ran.out + ran.err
            run = convzoo.Run.load(tmp_path / f"{model}_{embedding}")
            assert run.model.embedding.channels == channels
            if embedding != "learned":
                number = run.encoder.tokens.index("film")
                assert run.model.embedding.static.weight[number].tolist() == [7, 8, 9], (
                    "static vectors stay as they are"
                )
    refused(
        cli("run", *given_, "model=region_cnn1d"),
        2,
        "encoder.vectors",
        "region_cnn1d uses no pre-trained vectors",
        "cnn1d",
    )
    refused(cli("run", *given_, "encoder.units=subwords"), 2, "vectors: are of words or characters")
    refused(cli("run", *given_, "encoder.vectors=none.txt"), 3, "none.txt: cannot be read")
