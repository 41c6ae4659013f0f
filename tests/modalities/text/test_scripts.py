"""Texts in scripts that put no spaces between words: network and opponents get the same units, and both learn."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.modalities.text.scripts import parts_of, unspaced_share
from convzoo.modalities.text.words import join_words, split_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("我喜欢iPhone手机，very good!", ["我", "喜", "欢", "iPhone", "手", "机", "，", "very", "good", "!"]),
        ("中国2024年", ["中", "国", "2024", "年"]),
        ("カタカナーです。", ["カ", "タ", "カ", "ナ", "ー", "で", "す", "。"]),
        ("ไม่ชอบหนัง 25 เรื่อง", ["ไ", "ม่", "ช", "อ", "บ", "ห", "นั", "ง", "25", "เ", "รื่", "อ", "ง"]),
        ("ຂ້ອຍມັກ", ["ຂ້", "ອ", "ຍ", "ມັ", "ກ"]),
        ("ខ្ញុំចូល", ["ខ្ញុំ", "ចូ", "ល"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("한국어 텍스트, don't l’été", ["한국어", "텍스트", ",", "don't", "l’été"]),
    ],
)
def test_written_characters_are_words_where_there_are_no_spaces(text: str, words: list[str]) -> None:
    assert split_words(text) == words
    parts = [text[start:end] for start, end in parts_of(text)]
    assert "".join(parts) == "".join(text.split())


@given(st.text(max_size=60))
def test_parts_hold_all_that_is_no_space_in_order(text: str) -> None:
    parts = parts_of(text)
    assert "".join(text[start:end] for start, end in parts) == "".join(text.split())
    assert all(before[1] <= after[0] for before, after in pairwise(parts))
    assert all(start < end for start, end in parts)


@given(st.text(st.characters(max_codepoint=0x2FF, exclude_characters="·"), max_size=60))
def test_words_of_other_scripts_stay_as_they_are(text: str) -> None:
    import re

    assert split_words(text) == re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text)
    assert unspaced_share([text])[0] == 0


def test_a_translation_has_no_spaces_between_such_characters() -> None:
    assert join_words(split_words("我用iPhone手机"), set(), set()) == "我用 iPhone 手机"


def test_the_share_is_measured_by_script() -> None:
    assert unspaced_share(["我们 ab"]) == (0.5, "Chinese characters")
    assert unspaced_share(["ไม่ 12"])[1] == "Thai" and unspaced_share(["ไม่ 12"])[0] == 1.0
    assert unspaced_share(["hello", ""]) == (0.0, "")


ALPHABETS = {
    "chinese": (
        "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后",
        "。",
        "",
    ),
    "japanese": (
        "日本語文書新聞見行来食飲あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもカタナ",
        "。",
        "",
    ),
    "thai": ("กขคงจชซญดตถทนบปผพฟภมยรลวสหอฮ", " ", "าิีุู่้"),
    "mixed": ("的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着", " APP ", ""),
}


def written(path: Path, alphabet: str, count: int = 320) -> Path:
    """Texts of invented words of two or three characters. The class hangs on one word of ten among them; the characters of
    these words stand in all texts."""
    letters, end, marks = ALPHABETS[alphabet]
    draw = random.Random(0)

    def letter() -> str:
        return draw.choice(letters) + (draw.choice(marks) if marks and draw.random() < 0.5 else "")

    def word() -> str:
        return "".join(letter() for _ in range(draw.choice((2, 3))))

    common = [word() for _ in range(60)]
    sides = [[word() for _ in range(4)] for _ in range(2)]
    rows = []
    for at in range(count):
        words = [draw.choice(common) for _ in range(draw.randrange(6, 13))]
        words.insert(draw.randrange(len(words)), draw.choice(sides[at % 2]))
        rows.append(json.dumps({"text": "".join(words) + end + str(at), "label": "ab"[at % 2]}, ensure_ascii=False))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_network_and_opponents_learn_from_nothing_but_the_data(alphabet: str, tmp_path: Path, capsys) -> None:
    data = written(tmp_path / "own.jsonl", alphabet)
    run = convzoo.run("sentiment_cnn1d", ["model.channels=16"], data=data, out=tmp_path / "run")
    assert run.scores["test/accuracy"] > 0.75
    opponents = {name: found["test/accuracy"] for name, found in run.results["baselines"].items() if name != "majority"}
    assert len(opponents) == 3
    assert all(accuracy > 0.75 for accuracy in opponents.values()), opponents
    told = " ".join("".join(capsys.readouterr()).split())
    assert "% of the letters are of scripts without spaces between words" in told
    assert "each written character is a token; encoder.units=subwords learns longer ones" in told
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Characters of a test text" in page
    text = json.loads(data.read_text(encoding="utf-8").splitlines()[0])["text"]
    (found,) = run.explain([text])
    assert [(word["start"], word["end"]) for word in found["explanation"]] == parts_of(text)
