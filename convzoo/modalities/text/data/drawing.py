"""Random choices for the generators of texts."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Choices:
    """Random choices, drawn in blocks: one draw at a time from NumPy would take most of a generator's time."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.numbers: list[float] = []

    def next(self) -> float:
        """A number from 0 up to 1, without 1."""
        if not self.numbers:
            self.numbers = self.random.random(20_000).tolist()
        return self.numbers.pop()

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.next() < probability

    def of(self, choices: Sequence[T]) -> T:
        """One of several things, each as often as the others."""
        return choices[int(self.next() * len(choices))]

    def common(self, choices: Sequence[T]) -> T:
        """One of several things, the first ones more often: some words are common and many are rare, as in real text."""
        return choices[int(self.next() ** 2 * len(choices))]

    def two(self, choices: Sequence[T]) -> tuple[T, T]:
        """Two different things."""
        first = int(self.next() * len(choices))
        second = int(self.next() * (len(choices) - 1))
        return choices[first], choices[second + (second >= first)]
