"""Words of all scripts: combining marks belong to them, and two ways to write an accent are one."""

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convzoo.modalities.text.baselines import words
from convzoo.modalities.text.data.own import TextTable
from convzoo.modalities.text.encoder import TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.pair_encoder import ParallelTextEncoder
from convzoo.modalities.text.words import fingerprint, split_words

ASCII = st.text(st.characters(codec="ascii"), max_size=60)


@given(ASCII)
def test_ascii_texts_have_the_tokens_that_they_always_had(text: str) -> None:
    assert split_words(text) == re.findall(r"\w+(?:['’]\w+)*|[^\w\s]", text)


@given(st.text(max_size=60))
def test_no_character_but_spaces_is_lost(text: str) -> None:
    kept = unicodedata.normalize("NFC", text)
    assert re.sub(r"\s", "", "".join(split_words(text))) == re.sub(r"\s", "", kept)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("यह फिल्म बहुत अच्छी है।", ["यह", "फिल्म", "बहुत", "अच्छी", "है", "।"]),
        ("இந்தப் படம் நன்று", ["இந்தப்", "படம்", "நன்று"]),
        ("הַסֶּרֶט טוֹב, צה״ל", ["הַסֶּרֶט", "טוֹב", ",", "צה״ל"]),
        ("الفِيلْمُ جَيِّدٌ", ["الفِيلْمُ", "جَيِّدٌ"]),
        ("می‌خواهم بروم", ["می‌خواهم", "بروم"]),
        ("l’été n'est pas fini", ["l’été", "n'est", "pas", "fini"]),
        ("cool ❤️!", ["cool", "❤️", "!"]),
    ],
)
def test_words_keep_their_marks(text: str, expected: list[str]) -> None:
    in_one_form = [unicodedata.normalize("NFC", word) for word in expected]
    assert split_words(text) == in_one_form == split_words(unicodedata.normalize("NFD", text))
    made = TextEncoder(lower=False)
    made.fit([Text(text, "a"), Text("other", "b")])
    assert made.tokenise(text) == made.tokenise(unicodedata.normalize("NFD", text)) == in_one_form
    assert words(unicodedata.normalize("NFD", text)) == words(text)
    assert ParallelTextEncoder(min_count=1).words(unicodedata.normalize("NFD", text)) == in_one_form


def test_a_text_and_its_other_form_are_copies_that_no_split_parts(tmp_path: Path) -> None:
    composed, apart = "un café très serré", unicodedata.normalize("NFD", "un café très serré")
    assert composed != apart and fingerprint(composed) == fingerprint(apart)
    rows = [f"text {number},{'ab'[number % 2]}" for number in range(40)]
    for name, found in {"train": [*rows[:20], f"{composed},a"], "test": [*rows[20:], f"{apart},a"]}.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(["text,label", *found]) + "\n", encoding="utf-8")
    splits = TextTable(str(tmp_path)).read()
    assert composed not in [example.text for example in [*splits.train, *splits.val]]
    assert any("1 copy of what is tested" in note for note in splits.notes)


def test_a_run_made_before_keeps_its_tokens() -> None:
    texts = [Text("अच्छी cafe\u0301 it's", "a"), Text("other", "b")]
    made = TextEncoder()
    made.fit(texts)
    again = TextEncoder()
    again.load_state(made.state())
    assert again.tokenise(texts[0].text) == ["अच्छी", "caf\u00e9", "it's"]
    again.load_state({name: value for name, value in made.state().items() if name != "words"})
    assert again.tokenise(texts[0].text) == ["अच", "\u094d", "छ", "\u0940", "cafe", "\u0301", "it's"]
    pairs = ParallelTextEncoder(min_count=1)
    pairs.fit([Pair("अच्छी", "good"), Pair("x", "y")])
    before = ParallelTextEncoder(min_count=1)
    before.load_state({name: value for name, value in pairs.state().items() if name != "words"})
    assert pairs.words("अच्छी") == ["अच्छी"] and len(before.words("अच्छी")) == 4
