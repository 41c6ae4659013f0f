"""What a network that predicts remaining lives must beat: the mean, the life at an age, boosted trees on windows of readings."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import LabelType, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.series.history import History
from convzoo.ops.moments import evenly_spaced


class LifeBaseline(Baseline):
    """What the opponents share. Only judged rows are learnt from and answered.

    Attributes:
        cap: lives are cut off here before they are learnt, as the task's are; None: they are not
        max_rows: largest number of training rows that are used, evenly spaced
    """

    label_type: ClassVar[LabelType] = "number"
    cap: float | None = None
    max_rows: int = 200_000

    def known(self, examples: Sequence[History]) -> list[tuple[History, np.ndarray, np.ndarray]]:
        """The histories that have rows to learn from: their rows (counted from the history's first) and their lives there.

        Raises:
            DataError: no row has a known life.
        """
        found = []
        for example in examples:
            if example.targets is None:
                continue
            rows = np.flatnonzero(example.judged & ~np.isnan(example.targets))
            if len(rows):
                lives = np.asarray(example.targets, np.float64)[rows]
                found.append((example, rows, lives if self.cap is None else np.minimum(lives, self.cap)))
        if not found:
            raise DataError("no row of the training split has a known life")
        return found


def as_outputs(examples: Sequence[History], answers: Sequence[np.ndarray]) -> Tensor:
    """Answers at the judged rows as the task takes them: (examples, time, 1), NaN elsewhere."""
    found = torch.full((len(examples), max(map(len, examples), default=0), 1), torch.nan)
    for place, example, answer in zip(found, examples, answers, strict=True):
        place[np.flatnonzero(example.judged), 0] = torch.as_tensor(np.asarray(answer, np.float32))
    return found


class MeanLife(LifeBaseline):
    """The naive opponent: at every row the mean of the training lives.

    Args:
        cap: of the lives, as the task's
    """

    def __init__(self, cap: PositiveFloat | None = None) -> None:
        self.cap = cap

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Take the mean."""
        self.mean = float(np.concatenate([lives for _, _, lives in self.known(examples)]).mean())

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """(examples, time, 1)."""
        return as_outputs(examples, [np.full(int(example.judged.sum()), self.mean) for example in examples])


class LifeAtAge(LifeBaseline):
    """What is known without any sensor: the mean remaining life of the training units that reached a unit's age (a life table).

    Args:
        cap: of the lives, as the task's
    """

    def __init__(self, cap: PositiveFloat | None = None) -> None:
        self.cap = cap

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Take the mean at each age, in rows."""
        pairs = [(_ages(example)[rows], lives) for example, rows, lives in self.known(examples)]
        ages = np.concatenate([age for age, _ in pairs])
        counts = np.bincount(ages)
        sums = np.bincount(ages, weights=np.concatenate([lives for _, lives in pairs]))
        self.ages = np.flatnonzero(counts)
        self.means = sums[self.ages] / counts[self.ages]

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """(examples, time, 1); beyond the oldest training unit, its last life."""
        return as_outputs(examples, [np.interp(_ages(e)[e.judged], self.ages, self.means) for e in examples])


def _ages(example: History) -> np.ndarray:
    """(time,) the number of rows of the unit before each row, those before the history too."""
    return np.arange(len(example)) + example.start - int(example.table.starts[example.unit])


class LifeTrees(LifeBaseline):
    """Gradient-boosted trees (Friedman 2001, doi:10.1214/aos/1013203451) on statistics of the last rows.

    Of every column: the value, and over the last `window` rows the mean, the standard deviation, the slope, and the difference of
    the mean to that of the unit's first rows; the age of the unit; its categories. Numbers are standardised in each operating
    condition, as for the network. An empty cell has the last value before it.

    Args:
        cap: of the lives, as the task's
        window: number of rows; open: the best on the validation split
        conditions: number of operating conditions, found by k-means on the condition columns; 1: all rows are alike
        condition_columns: the columns that tell the condition
        rounds: number of trees
        rate: the learning rate
        max_rows: largest number of training rows that are used
        seed: of the trees
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"window": (30, 10, 60)}

    def __init__(
        self,
        cap: PositiveFloat | None = None,
        window: Positive | None = None,
        conditions: Positive = 1,
        condition_columns: list[str] = [],  # noqa: B006 (read only: what a recipe writes)
        rounds: Positive = 200,
        rate: PositiveFloat = 0.05,
        max_rows: Positive = 200_000,
        seed: int = 0,
    ) -> None:
        self.cap = cap
        self.window = window
        self.conditions = conditions
        self.condition_columns = condition_columns
        self.rounds = rounds
        self.rate = rate
        self.max_rows = max_rows
        self.seed = seed

    def fit(self, examples: Sequence[History], dims: Mapping[str, Any]) -> None:
        """Grow the trees on the training split."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        known = self.known(examples)
        self._learn_scale([example for example, _, _ in known])
        features = np.concatenate([self._features(example)[rows] for example, rows, _ in known])
        lives = np.concatenate([lives for _, _, lives in known])
        kept = evenly_spaced(len(lives), min(self.max_rows, len(lives)))
        self.fitted_on = len(kept)
        self.trees = HistGradientBoostingRegressor(
            max_iter=self.rounds, learning_rate=self.rate, random_state=self.seed
        ).fit(features[kept], lives[kept])

    def outputs(self, examples: Sequence[History]) -> Tensor:
        """(examples, time, 1)."""
        return as_outputs(examples, [self.trees.predict(self._features(e)[e.judged]) for e in examples])

    def _learn_scale(self, examples: Sequence[History]) -> None:
        table = examples[0].table
        unknown = [name for name in self.condition_columns if name not in table.number_names]
        if unknown or (self.conditions > 1 and not self.condition_columns):
            has = ", ".join(table.number_names)
            raise DataError(f"condition_columns: no column {unknown[0] if unknown else ''!r}; there are {has}")
        self.places = [table.number_names.index(name) for name in self.condition_columns]
        numbers = np.concatenate([np.asarray(example.numbers, np.float64) for example in examples])
        self.cluster = None
        if self.conditions > 1:
            from sklearn.cluster import KMeans
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            chosen = numbers[evenly_spaced(len(numbers), min(len(numbers), 20_000))][:, self.places]
            chosen = chosen[np.isfinite(chosen).all(axis=1)]
            groups = KMeans(self.conditions, n_init=10, random_state=self.seed)
            self.cluster = make_pipeline(StandardScaler(), groups).fit(chosen)
        condition = self._condition(numbers)
        self.means = np.zeros((self.conditions, numbers.shape[1]))
        self.deviations = np.ones((self.conditions, numbers.shape[1]))
        for number in np.unique(condition).tolist():
            for column, values in enumerate(numbers[condition == number].T):
                known = values[np.isfinite(values)]
                if len(known):
                    self.means[number, column], deviation = known.mean(), known.std()
                    self.deviations[number, column] = deviation or 1.0

    def _condition(self, numbers: np.ndarray) -> np.ndarray:
        if self.cluster is None:
            return np.zeros(len(numbers), dtype=np.int64)
        found = np.zeros(len(numbers), dtype=np.int64)
        there = np.isfinite(numbers[:, self.places]).all(axis=1)
        if there.any():
            found[there] = self.cluster.predict(numbers[there][:, self.places])
        return found

    def _features(self, example: History) -> np.ndarray:
        """(time, features)."""
        numbers = np.asarray(example.numbers, np.float64)
        condition = self._condition(numbers)
        standard = last_known((numbers - self.means[condition]) / self.deviations[condition])
        window = int(self.setting("window"))
        mean, deviation, slope = window_statistics(standard, window)
        # Before a whole window has been seen, nothing is known of later rows: the difference is 0 there.
        early = np.arange(len(mean))[:, None] < window
        since = np.where(early, 0.0, mean - mean[min(window, len(mean)) - 1])
        parts = [standard, mean, deviation, slope, since, _ages(example)[:, None], example.categories]
        return np.concatenate(parts, axis=1)


def last_known(values: np.ndarray) -> np.ndarray:
    """(time, columns) with each empty cell as the last value before it; 0 where there is none."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    found = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return np.nan_to_num(found)


def window_statistics(values: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and slope (by least squares, a row) of the last `window` rows; of fewer at the beginning.

    Args:
        values: (time, columns)
        window: number of rows

    Returns:
        three arrays (time, columns)
    """
    place = np.arange(len(values), dtype=np.float64)
    count = np.minimum(place + 1, window)[:, None]

    def over(each: np.ndarray) -> np.ndarray:
        sums = np.cumsum(np.concatenate([np.zeros((1, each.shape[1])), each]), axis=0)
        rows = np.arange(1, len(sums))
        return sums[rows] - sums[np.maximum(rows - window, 0)]

    centred = values - values.mean(axis=0, keepdims=True)  # so that differences of sums keep their digits
    mean = over(centred) / count
    deviation = np.sqrt(np.maximum(over(centred**2) / count - mean**2, 0.0))
    middle = place[:, None] - (count - 1) / 2
    rises = over(centred * place[:, None]) - middle * over(centred)
    slope = rises / np.maximum(count * (count**2 - 1) / 12, 1e-12)
    return mean + values.mean(axis=0, keepdims=True), deviation, np.where(count > 1, slope, 0.0)
