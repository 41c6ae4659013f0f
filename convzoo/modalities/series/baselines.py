"""Opponents of anomaly detectors: always alarm, isolation forest, Hotelling's T² with the Q statistic."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, Positive
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.series.example import Series, Stretch

Scope = Literal["dataset", "series"]


class Scores:
    """Scores of stretches in units of the threshold, as an anomaly meter takes them: a list of indices picks a padded batch."""

    def __init__(self, rows: Sequence[np.ndarray]) -> None:
        self.rows = rows

    def __getitem__(self, indices: Sequence[int]) -> Tensor:
        chosen = [self.rows[index] for index in indices]
        batch = np.full((len(chosen), 2, max(map(len, chosen))), np.nan)  # no errors: NaN
        for place, row in zip(batch, chosen, strict=True):
            place[0, : len(row)] = row
        return torch.from_numpy(batch)


class Always(Baseline):
    """The naive opponent: an alarm at every step. Its F1 depends on the labels alone."""

    def fit(self, examples: Sequence[Stretch], dims: Mapping[str, Any]) -> None:
        """Nothing to learn."""

    def outputs(self, examples: Sequence[Stretch]) -> Scores:
        """2 for every step."""
        return Scores([np.full(len(example), 2.0) for example in examples])


class IsolationForestDetector(Baseline):
    """Isolation forest on single time steps (Liu et al. 2008, doi:10.1109/ICDM.2008.17): few random cuts isolate an anomaly.

    Args:
        scope: one forest for all series, or one for each series, from its own training rows
        contamination: fraction of the training steps that may be flagged; it sets the threshold
        max_rows: largest number of training rows that are used
        trees: number of trees in a forest
        seed: random seed of the cuts
    """

    def __init__(
        self,
        scope: Scope = "dataset",
        contamination: Fraction = 0.001,
        max_rows: Positive = 50_000,
        trees: Positive = 100,
        seed: int = 0,
    ) -> None:
        self.scope = scope
        self.contamination = contamination
        self.max_rows = max_rows
        self.trees = trees
        self.seed = seed

    def fit(self, examples: Sequence[Stretch], dims: Mapping[str, Any]) -> None:
        """Grow the trees on the training split."""
        from sklearn.ensemble import IsolationForest

        self.forests: dict[str, Any] = {}
        for name, values in _normal_rows(examples, self.scope, self.max_rows).items():
            forest = IsolationForest(n_estimators=self.trees, random_state=self.seed).fit(values)
            self.forests[name] = forest, np.quantile(-forest.score_samples(values), 1 - self.contamination)

    def outputs(self, examples: Sequence[Stretch]) -> Scores:
        """The forest's score, in units of the threshold."""
        found = []
        for example in examples:
            forest, threshold = _for(self.forests, example)
            found.append(-forest.score_samples(np.asarray(example.values, dtype=np.float64)) / threshold)
        return Scores(found)


class T2Q(Baseline):
    """Principal components with two control charts: Hotelling's T² inside the components' space, and the squared residual Q
    outside of it (Jackson & Mudholkar 1979, doi:10.1080/00401706.1979.10489779). An alarm of either chart counts.

    Args:
        scope: one model for all series, or one for each series, from its own training rows
        explained: fraction of the variance that the components explain
        quantile: the threshold of each statistic is this quantile over the training rows
        max_rows: largest number of training rows that are used
    """

    def __init__(
        self,
        scope: Scope = "dataset",
        explained: Fraction = 0.95,
        quantile: Fraction = 0.999,
        max_rows: Positive = 200_000,
    ) -> None:
        self.scope = scope
        self.explained = explained
        self.quantile = quantile
        self.max_rows = max_rows

    def fit(self, examples: Sequence[Stretch], dims: Mapping[str, Any]) -> None:
        """Find the components and the thresholds on the training split."""
        self.models: dict[str, Any] = {}
        for name, values in _normal_rows(examples, self.scope, self.max_rows).items():
            mean, deviation = values.mean(axis=0), values.std(axis=0)
            deviation = np.where(deviation > 0, deviation, 1.0)
            _, strengths, axes = np.linalg.svd((values - mean) / deviation, full_matrices=False)
            part = np.cumsum(strengths**2) / max((strengths**2).sum(), 1e-12)
            count = min(int(np.searchsorted(part, self.explained)) + 1, len(axes))
            variances = np.maximum(strengths[:count] ** 2 / max(len(values) - 1, 1), 1e-12)
            model = mean, deviation, axes[:count], variances
            limits = [max(float(np.quantile(chart, self.quantile)), 1e-9) for chart in _charts(model, values)]
            self.models[name] = model, limits

    def outputs(self, examples: Sequence[Stretch]) -> Scores:
        """The larger of the two statistics, each in units of its threshold."""
        found = []
        for example in examples:
            model, limits = _for(self.models, example)
            charts = _charts(model, np.asarray(example.values, dtype=np.float64))
            found.append(np.maximum(*(chart / limit for chart, limit in zip(charts, limits, strict=True))))
        return Scores(found)


def _charts(model: tuple[np.ndarray, ...], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T² and Q of rows."""
    mean, deviation, axes, variances = model
    scaled = (values - mean) / deviation
    inside = scaled @ axes.T
    return (inside**2 / variances).sum(axis=1), ((scaled - inside @ axes) ** 2).sum(axis=1)


def _normal_rows(examples: Sequence[Stretch], scope: Scope, most: int) -> dict[str, np.ndarray]:
    """Training rows that are not labelled as anomalies, evenly thinned, by the series' name; "" holds all series."""
    found: dict[str, list[np.ndarray]] = {"": []}
    for example in examples:
        values = np.asarray(example.values, dtype=np.float64)
        values = values if example.anomalies is None else values[~example.anomalies]
        found[""].append(values)
        if scope == "series":
            found.setdefault(example.series.name, []).append(values)
    joined = {name: np.concatenate(rows) for name, rows in found.items()}
    return {name: rows[:: -(-len(rows) // most)] for name, rows in joined.items() if len(rows)}


def _for(models: Mapping[str, Any], example: Stretch) -> Any:
    return models.get(example.series.name, models[""])


class WindowedGaussian(Baseline):
    """How far each value lies in the tail of a normal distribution that is fitted to the values before it. It is the simple
    opponent of the benchmark NAB, for series of one channel.

    Args:
        window: number of values that the distribution is fitted to
        step: number of values after which the full window moves on
        quantile: the threshold is this quantile of the training rows' scores
    """

    def __init__(self, window: Positive = 6400, step: Positive = 100, quantile: Fraction = 0.999) -> None:
        self.window = window
        self.step = step
        self.quantile = quantile

    def fit(self, examples: Sequence[Stretch], dims: Mapping[str, Any]) -> None:
        """Set the threshold."""
        scores = [self._scores(example.series)[example.start : example.stop] for example in examples]
        self.threshold = float(np.quantile(np.concatenate(scores), self.quantile))

    def outputs(self, examples: Sequence[Stretch]) -> Scores:
        """One minus the probability of the tail, in units of the threshold."""
        return Scores(
            [self._scores(example.series)[example.start : example.stop] / self.threshold for example in examples]
        )

    def _scores(self, series: Series) -> np.ndarray:
        """Scores of all rows; a stretch is scored with all rows before it in its series."""
        from scipy.special import erfc

        if len(series.channels) != 1:
            raise DataError(f"windowed_gaussian is for series of one channel, not {', '.join(series.channels)}")
        values = np.asarray(series.values[:, 0], dtype=np.float64)
        values = values - values.mean()  # else rounding of the squares below could hide the deviation
        rows = np.arange(len(values))
        # The window grows to its full length, then moves on by whole steps.
        last = np.where(rows <= self.window, rows, self.window + (rows - self.window) // self.step * self.step)
        first = np.maximum(last - self.window, 0)
        sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (values, values**2))
        count = np.maximum(last - first, 1)
        mean = (sums[last] - sums[first]) / count
        deviation = np.sqrt(np.maximum((squares[last] - squares[first]) / count - mean**2, 0))
        score = 1 - 0.5 * erfc(np.abs(values - mean) / np.where(deviation > 0, deviation, 1e-6) / np.sqrt(2))
        score[0] = 0
        return score
