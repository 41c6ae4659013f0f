"""The transcripts that a recogniser and its opponents give."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Word(NamedTuple):
    """A word that was heard.

    Attributes:
        text: as it is written
        start: when it begins, in seconds of the recording
        end: when it ends
        probability: the mean probability of its tokens where they were heard
    """

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True)
class Transcripts:
    """What was heard in some recordings. Indexing it with a list of indices selects some of them.

    Attributes:
        texts: for each recording its transcripts, the best first
        words: for each recording the words of the best one; None where no times are known
        scores: log-probabilities of these; None where there are none
        losses: (recordings, 2): for each true transcript its negative log-likelihood, and the number of its tokens; None without
            true transcripts or without probabilities
    """

    texts: list[list[str]]
    words: list[list[Word]] | None = None
    scores: list[list[float]] | None = None
    losses: np.ndarray | None = None

    def __getitem__(self, indices: Sequence[int]) -> "Transcripts":
        return Transcripts(
            [self.texts[index] for index in indices],
            [self.words[index] for index in indices] if self.words is not None else None,
            [self.scores[index] for index in indices] if self.scores is not None else None,
            self.losses[np.asarray(indices, dtype=np.int64)] if self.losses is not None else None,
        )

    def __len__(self) -> int:
        return len(self.texts)
