"""Means and standard deviations of data that do not fit in memory, and evenly spaced examples to compute them from."""

from collections.abc import Iterable

import numpy as np


class Moments:
    """Means and variances of channels, computed part by part in float64.

    Parts are merged by their means and sums of squared differences (Chan, Golub & LeVeque 1983,
    doi:10.1080/00031305.1983.10483115). A plain sum of squares would lose all digits if the mean is far from zero.

    Attributes:
        count: number of values of each channel so far
        mean: (channels,), 0 before anything was added
        squares: (channels,), sums of the squared differences from the mean

    Args:
        channels: number of channels
    """

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.mean = np.zeros(channels)
        self.squares = np.zeros(channels)

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> "Moments":
        """The moments of several parts, each (channels, values).

        Raises:
            ValueError: there is no part.
        """
        found = None
        for part in parts:
            found = found or cls(len(part))
            found.add(part)
        if found is None:
            raise ValueError("there is nothing to take a mean of")
        return found

    def add(self, values: np.ndarray) -> None:
        """Add a part, (channels, values) of any numbers; one without values changes nothing."""
        if values.shape[1]:
            values = values.astype(np.float64, copy=False)
            mean = values.mean(axis=1)
            self._merge(values.shape[1], mean, np.square(values - mean[:, None]).sum(axis=1))

    def merge(self, other: "Moments") -> None:
        """Add the values of another `Moments`."""
        if other.count:
            self._merge(other.count, other.mean, other.squares)

    def _merge(self, count: int, mean: np.ndarray, squares: np.ndarray) -> None:
        total = self.count + count
        shift = mean - self.mean
        self.squares = self.squares + squares + shift**2 * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
        self.count = total

    def deviation(self, minimum: float = 0.0) -> np.ndarray:
        """(channels,): the standard deviations, at least `minimum`, so that a constant channel can be divided by it."""
        return np.maximum(np.sqrt(self.squares / max(self.count, 1)), minimum)


def evenly_spaced(count: int, maximum: int) -> np.ndarray:
    """The indices of at most `maximum` of `count` items, evenly spaced from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(maximum, count)).astype(int))
