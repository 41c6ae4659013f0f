"""What each row is beside its unit's own past: how far a number is from its usual value, how usual a category is.

All of it is causal. A table is computed at once (`habits_of`), a stream row by row (`Past`), with the same result.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

PAIRED = 2
"""So many columns of numbers are also compared with the unit's past rows of the same category."""


def habit_names(numbers: Sequence[str], categories: Sequence[str], paired: Sequence[int]) -> list[str]:
    """The names of the channels of `habits_of`."""
    return [
        *(f"{name} against the past" for name in numbers),
        *(f"share of {name}" for name in categories),
        *(f"times of {name}" for name in categories),
        *(f"{numbers[at]} against the past of {name}" for at in paired for name in categories),
    ]


def habits_of(numbers: np.ndarray, codes: np.ndarray, starts: np.ndarray, paired: Sequence[int]) -> np.ndarray:
    """(rows, channels) of a whole table; NaN where nothing is known of the past.

    Args:
        numbers: (rows, numbers), NaN where a cell is empty
        codes: (rows, categories), -1 where a cell is empty
        starts: (units + 1,), unit u has the rows from starts[u] to before starts[u + 1]
        paired: the numbers that are compared within each category too
    """
    rows = len(numbers)
    sizes = np.diff(starts)
    unit = np.repeat(np.arange(len(sizes)), sizes)
    first = np.repeat(starts[:-1], sizes)
    age = np.arange(rows) - first
    found = [numbers[:, at] - _mean_before(numbers[:, at], first) for at in range(numbers.shape[1])]
    shares, times, pairs = [], [], []
    for at in range(codes.shape[1]):
        # Sorted by unit and value, rows with the same value stand together, in their order.
        key = unit * (int(codes[:, at].max(initial=0)) + 2) + codes[:, at] + 1
        order = np.argsort(key, kind="stable")
        group = np.diff(key[order], prepend=-1) != 0
        heads = np.maximum.accumulate(np.where(group, np.arange(rows), 0))
        count = np.empty(rows)
        count[order] = np.arange(rows) - heads
        shares.append(np.log((count + 0.5) / (age + 1)))
        times.append(np.log1p(count))
        for number in paired:
            apart = np.empty(rows)
            values = numbers[order, number]
            apart[order] = values - _mean_before(values, heads)
            pairs.append((number, at, apart))
    pairs.sort(key=lambda pair: (list(paired).index(pair[0]), pair[1]))
    found += [*shares, *times, *(apart for _, _, apart in pairs)]
    return np.stack(found, axis=1) if found else np.empty((rows, 0))


def _mean_before(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """(rows,) the mean of the known values from row `first` to before each row; NaN where there is none."""
    known = ~np.isnan(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(known)])
    before = np.arange(len(values))
    count = counts[before] - counts[first]
    return np.where(count > 0, (sums[before] - sums[first]) / np.maximum(count, 1), np.nan)


@dataclass
class Past:
    """What is kept of a unit to compare its next row with."""

    rows: int = 0
    sums: dict[Hashable, tuple[float, int]] = field(default_factory=dict)
    counts: dict[Hashable, int] = field(default_factory=dict)

    def next(self, numbers: np.ndarray, values: Sequence[Hashable], paired: Sequence[int]) -> np.ndarray:
        """(channels,) for the unit's next row, which is then part of the past.

        Args:
            numbers: (numbers,), NaN where a cell is empty
            values: of each category
            paired: as for `habits_of`
        """
        found = [self._apart(at, float(number)) for at, number in enumerate(numbers)]
        seen = [self.counts.get((at, value), 0) for at, value in enumerate(values)]
        found += [float(np.log((count + 0.5) / (self.rows + 1))) for count in seen]
        found += [float(np.log1p(count)) for count in seen]
        found += [
            self._apart((number, at, value), float(numbers[number]))
            for number in paired
            for at, value in enumerate(values)
        ]
        for at, value in enumerate(values):
            self.counts[at, value] = self.counts.get((at, value), 0) + 1
        self.rows += 1
        return np.array(found)

    def _apart(self, key: Hashable, number: float) -> float:
        total, count = self.sums.get(key, (0.0, 0))
        if np.isnan(number):
            return np.nan
        self.sums[key] = (total + number, count + 1)
        return number - total / count if count else np.nan
