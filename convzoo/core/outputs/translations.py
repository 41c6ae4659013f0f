"""The translations that a task and its opponents give, and the special tokens that they are written with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

PADDING, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""The first tokens of every vocabulary that a translator writes with."""

UNKNOWN_TEXT = "⁇"
"""How an unknown word is written."""


@dataclass(frozen=True)
class Translations:
    """What a translator gives for some sentences. Indexing it with a list of indices selects some of them.

    Attributes:
        texts: for each sentence its translations, the best first
        scores: log-probabilities of these, after the length penalty; None if the translator has none
        losses: (sentences, 3): for each true translation the sum of its tokens' negative log-likelihoods, the number of tokens,
            and how many of them were the most likely ones; None without a true translation or without probabilities
    """

    texts: list[list[str]]
    scores: list[list[float]] | None = None
    losses: np.ndarray | None = None

    def __getitem__(self, indices: Sequence[int]) -> "Translations":
        return Translations(
            [self.texts[index] for index in indices],
            [self.scores[index] for index in indices] if self.scores is not None else None,
            self.losses[np.asarray(indices, dtype=np.int64)] if self.losses is not None else None,
        )

    def __len__(self) -> int:
        return len(self.texts)
