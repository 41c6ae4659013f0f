"""The error rates of transcripts, over a whole split and over all processes."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.outputs.transcripts import Transcripts
from convzoo.core.processes import gather_objects

COLUMNS = ("word_errors", "words", "character_errors", "characters", "wrong", "sentences", "loss", "tokens")


class TranscriptionMeter:
    r"""Error rates of transcripts, as a whole: the errors of all recordings over the length of all references.

    | score | what it is |
    |---|---|
    | `word_error_rate` | substituted, deleted and inserted words, the fewest that turn what is true into what was heard, over the true words: $(S + D + I) / N$ |
    | `character_error_rate` | the same for characters, with one space between words |
    | `sentence_error_rate` | the part of the recordings with any error |
    | `ctc_loss` | the negative log-likelihood of the true transcripts, in nats a token; left out without probabilities |

    Recordings without a transcript count as nothing. Where nothing was counted, a score is NaN.
    """  # noqa: E501 (a table)

    def __init__(self) -> None:
        self.counts: list[np.ndarray] = []

    def update(self, outputs: Transcripts, target: Mapping[str, Any]) -> None:
        """Add a batch: transcripts, and the target's `references`."""
        losses = outputs.losses if outputs.losses is not None else np.zeros((len(outputs), 2))
        for texts, reference, (loss, tokens) in zip(outputs.texts, target["references"], losses, strict=True):
            if reference is None:
                self.counts.append(np.zeros(len(COLUMNS)))
                continue
            words, heard = reference.split(), texts[0].split()
            letters, characters = " ".join(words), " ".join(heard)
            wrong = distance(words, heard)
            self.counts.append(
                np.array([
                    wrong, len(words), distance(letters, characters), len(letters), wrong > 0, 1, loss, tokens,
                ], dtype=np.float64)
            )  # fmt: skip

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        found = {name: float(values[0]) for name, values in _scores(self._all().sum(axis=0)[None]).items()}
        return {name: value for name, value in found.items() if name != "ctc_loss" or not math.isnan(value)}

    def _all(self) -> np.ndarray:
        counts = [each for share in gather_objects(self.counts) for each in share]
        return np.array(counts, dtype=np.float64).reshape(len(counts), len(COLUMNS))

    def units(self) -> np.ndarray:
        """Each recording."""
        return np.arange(sum(map(len, gather_objects(self.counts))))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """All scores, for each draw."""
        counts = self._all()
        whole = _scores(counts.sum(axis=0)[None])
        return {name: values for name, values in _scores(weights @ counts).items() if whole[name][0] == whole[name][0]}


def _scores(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of sums of counts, (draws, columns); NaN where nothing was counted."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rates = sums[:, 0::2] / sums[:, 1::2]
    names = ("word_error_rate", "character_error_rate", "sentence_error_rate", "ctc_loss")
    return {name: rates[:, number] for number, name in enumerate(names)}


def distance(one: Sequence[Any], other: Sequence[Any]) -> int:
    """The fewest substitutions, deletions and insertions that turn one sequence into another (Levenshtein 1966)."""
    if not len(one) or not len(other):
        return len(one) + len(other)
    numbers: dict[Any, int] = {}
    first, second = (np.array([numbers.setdefault(each, len(numbers)) for each in part]) for part in (one, other))
    places = np.arange(len(second) + 1)
    row = places.copy()
    for number, each in enumerate(first.tolist(), 1):
        # Without insertions each value has two sources; with them, a running minimum does the rest.
        values = np.concatenate([[number], np.minimum(row[1:] + 1, row[:-1] + (second != each))])
        row = np.minimum.accumulate(values - places) + places
    return int(row[-1])


def edits(one: Sequence[str], other: Sequence[str]) -> list[tuple[str | None, str | None]]:
    """Pairs of what is true and what was heard, in their order, with as few differences as there can be; None where a word was
    inserted or deleted.

    Args:
        one: the true words
        other: the words that were heard
    """
    costs = np.zeros((len(one) + 1, len(other) + 1), dtype=np.int64)
    costs[:, 0], costs[0] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            same = costs[row - 1, column - 1] + (one[row - 1] != other[column - 1])
            costs[row, column] = min(same, costs[row - 1, column] + 1, costs[row, column - 1] + 1)
    pairs: list[tuple[str | None, str | None]] = []
    row, column = len(one), len(other)
    while row or column:
        here = costs[row, column]
        if row and column and here == costs[row - 1, column - 1] + (one[row - 1] != other[column - 1]):
            row, column = row - 1, column - 1
            pairs.append((one[row], other[column]))
        elif row and here == costs[row - 1, column] + 1:
            row -= 1
            pairs.append((one[row], None))
        else:
            column -= 1
            pairs.append((None, other[column]))
    return pairs[::-1]
