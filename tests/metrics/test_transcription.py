"""Error rates of transcripts, against jiwer and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convzoo.core.outputs.transcripts import Transcripts
from convzoo.metrics.transcription import TranscriptionMeter, distance, edits

WORDS = st.lists(st.sampled_from(["one", "two", "three", "oh", "the"]), max_size=8)


def scores(references: list[str | None], heard: list[str]) -> dict[str, float]:
    meter = TranscriptionMeter()
    meter.update(Transcripts([[text] for text in heard]), {"references": references})
    return meter.compute()


def test_error_rates_by_hand() -> None:
    found = scores(["one two three", "four"], ["one too three", "four five"])
    assert found["word_error_rate"] == 2 / 4
    assert found["sentence_error_rate"] == 1.0
    assert found["character_error_rate"] == (1 + 5) / (13 + 4)
    assert "ctc_loss" not in found


def test_recordings_without_a_transcript_count_as_nothing() -> None:
    found = scores([None, "one"], ["anything at all", "one"])
    assert found["word_error_rate"] == 0 and found["sentence_error_rate"] == 0


@given(st.lists(st.tuples(WORDS.filter(bool), WORDS), min_size=1, max_size=6))
def test_error_rates_are_those_of_jiwer(pairs: list[tuple[list[str], list[str]]]) -> None:
    jiwer = pytest.importorskip("jiwer", reason="pip install jiwer")
    references, heard = [" ".join(true) for true, _ in pairs], [" ".join(words) for _, words in pairs]
    found = scores(list(references), heard)
    assert found["word_error_rate"] == pytest.approx(jiwer.wer(references, heard))
    assert found["character_error_rate"] == pytest.approx(jiwer.cer(references, heard))


@given(WORDS, WORDS)
def test_edits_are_as_few_as_the_distance_says(one: list[str], other: list[str]) -> None:
    pairs = edits(one, other)
    assert [true for true, _ in pairs if true is not None] == one
    assert [heard for _, heard in pairs if heard is not None] == other
    assert sum(true != heard for true, heard in pairs) == distance(one, other) == distance(other, one)


def test_resampled_scores_are_those_of_the_drawn_recordings() -> None:
    meter = TranscriptionMeter()
    texts = [["a b"], ["c"], ["d e f"]]
    meter.update(
        Transcripts(texts, losses=np.array([[1.0, 2], [3.0, 1], [0.5, 3]])), {"references": ["a b", "x", "d f"]}
    )
    drawn = meter.resampled(np.array([[1, 1, 1], [0, 2, 1]]))
    assert drawn["word_error_rate"].tolist() == pytest.approx([2 / 5, 3 / 4])
    assert drawn["ctc_loss"].tolist() == pytest.approx([4.5 / 6, 6.5 / 5])
    assert meter.units().tolist() == [0, 1, 2]
    assert meter.compute()["word_error_rate"] == pytest.approx(2 / 5)
