"""N-gram models in ARPA's format."""

import math
from pathlib import Path

import pytest

from convzoo.core.errors import DataError
from convzoo.reading.arpa import NGrams

BIGRAM = """\\data\\
ngram 1=5
ngram 2=3

\\1-grams:
-1.0\t<unk>
-99\t<s>\t-0.5
-0.7\t</s>
-0.4\tone\t-0.3
-0.6\ttwo\t-0.2

\\2-grams:
-0.2\t<s> one
-0.1\tone two
-0.3\ttwo </s>

\\end\\
"""


def model(folder: Path, text: str = BIGRAM) -> NGrams:
    (folder / "lm.arpa").write_text(text, encoding="utf-8")
    return NGrams.read(folder / "lm.arpa")


def test_probabilities_with_and_without_back_off(tmp_path: Path) -> None:
    grams = model(tmp_path)
    ten = math.log(10)
    assert grams.order == 2 and grams.start() == ("<s>",)
    assert grams.score(["one", "two"]) == pytest.approx((-0.2 - 0.1 - 0.3) * ten)
    assert grams.score(["two", "one"]) == pytest.approx((-0.5 - 0.6 - 0.2 - 0.4 - 0.3 - 0.7) * ten)
    assert grams.score(["three"]) == pytest.approx((-0.5 - 1.0 - 0.7) * ten), "as <unk>"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("\\data\\", "data"), "no line"),
        (("\\end\\\n", ""), "is cut off"),
        (("-0.1\tone two\n", ""), "announces 3 2-grams, and 2 are there"),
        (("-0.1\tone two", "-0.1\tone two three four"), ":14: should be a log-probability, 2 words"),
        (("-0.1\tone two", "x\tone two"), ":14: 'x' is no log-probability"),
    ],
)
def test_other_files_are_refused_by_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(DataError) as error:
        model(tmp_path, BIGRAM.replace(*change))
    assert said in str(error.value) and "lm.arpa" in str(error.value) and "\n" not in str(error.value)
