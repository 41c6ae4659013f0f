"""Opponents of anomaly detectors: always alarm, isolation forest, T² with the Q statistic, regression on the last readings."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.series.example import Series, Stretch, normal_runs

Scope = Literal["dataset", "series"]


class Scores:
    """Scores of stretches in units of the threshold, as an anomaly meter takes them: a list of indices picks a padded batch.

    Attributes:
        rows: (time,) for each stretch
        errors: (time,) for each stretch, of opponents that predict values
    """

    def __init__(self, rows: Sequence[np.ndarray], errors: Sequence[np.ndarray] | None = None) -> None:
        self.rows = rows
        self.errors = errors

    def __getitem__(self, indices: Sequence[int]) -> Tensor:
        lengths = [len(self.rows[index]) for index in indices]
        batch = np.full((len(lengths), 2, max(lengths)), np.nan)  # no errors: NaN
        for place, index, length in zip(batch, indices, lengths, strict=True):
            place[0, :length] = self.rows[index]
            if self.errors is not None:
                place[1, :length] = self.errors[index]
        return torch.from_numpy(batch)


class Always(Baseline):
    """The naive opponent: an alarm at every step. Its F1 depends on the labels alone."""

    compared: ClassVar[bool] = False

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


class LagRegression(Baseline):
    r"""Each sensor is predicted by ridge regression from the last readings of all sensors and the present ones of the others.
    The difference is divided by its usual size and squared. The mean of it over the last steps, and then the maximum over the
    sensors, is the score.

    All regressions come from one inverse: with $P = (X^T X + \lambda I)^{-1}$ over all columns, the difference of column c is
    $X P_{:c} / P_{cc}$.

    The regression is fitted to the first four fifths of each training stretch. The usual sizes and the threshold come from the
    last fifth, which it has not seen. The penalty is the one with the smallest error on the validation split.

    Args:
        scope: one regression for all series, or one for each series, from its own training rows
        lags: number of last steps that it looks at
        penalty: L2 penalty, as a fraction of the number of rows; null: chosen on the validation split
        smooth: squares are averaged over this many steps, the step itself and those before it
        quantile: the threshold is this quantile of the scores in the last fifth
        max_rows: largest number of training rows that are used
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"penalty": (1e-4, 1e-2, 1.0)}

    def __init__(
        self,
        scope: Scope = "dataset",
        lags: Positive = 8,
        penalty: PositiveFloat | None = None,
        smooth: Positive = 8,
        quantile: Fraction = 0.999,
        max_rows: Positive = 50_000,
    ) -> None:
        self.scope = scope
        self.lags = lags
        self.penalty = penalty
        self.smooth = smooth
        self.quantile = quantile
        self.max_rows = max_rows

    def fit(self, examples: Sequence[Stretch], dims: Mapping[str, Any]) -> None:
        """Fit the regression, then set the threshold on the rows that were held out.

        Raises:
            DataError: no stretch of normal rows is longer than `lags`, or there are more than 1,000 channels.
        """
        parts: dict[str, list[np.ndarray]] = {"": []}
        for example in examples:
            for run in normal_runs(example):
                values = np.asarray(run.values, dtype=np.float64)
                parts[""].append(values)
                if self.scope == "series":
                    parts.setdefault(example.series.name, []).append(values)
        channels = len(examples[0].series.channels)
        if 2 * channels > _MOST_COLUMNS:
            raise DataError(f"lag_regression is for at most {_MOST_COLUMNS // 2:,} channels, not {channels:,}")
        # With many channels fewer steps, so that the system to be solved stays small.
        self.used = max(min(self.lags, _MOST_COLUMNS // channels - 1), 1)
        models = {name: self._learnt(runs) for name, runs in parts.items()}
        if models[""] is None:
            raise DataError(f"training has no {self.used + 2} normal rows in a stretch; set lags below {self.used}")
        self.models = {name: model for name, model in models.items() if model is not None}

    def outputs(self, examples: Sequence[Stretch]) -> Scores:
        """The score in units of the threshold; 0 for the first steps of a stretch, which have too few before them. The errors are
        those of standardised values."""
        scores, errors = [], []
        for example in examples:
            mean, deviation, weights, usual, threshold = _for(self.models, example)
            missed = self._missed((np.asarray(example.values, dtype=np.float64) - mean) / deviation, weights)
            first = len(example) - len(missed)
            scores.append(np.r_[np.zeros(first), self._score(missed, usual) / threshold])
            error = np.square(missed).mean(axis=1)
            # The first steps are not predicted: they count as the others do.
            errors.append(np.r_[np.full(first, error.mean() if len(error) else 0.0), error])
        return Scores(scores, errors)

    def _learnt(self, runs: Sequence[np.ndarray]) -> tuple[Any, ...] | None:
        """Mean, deviation, weights, usual errors and threshold; None where all runs are too short."""
        runs = [run for run in runs if len(run) >= self.used + 2]
        if not runs:
            return None
        cuts = [max(len(run) * 4 // 5, self.used + 1) for run in runs]
        learnt = np.concatenate([run[:cut] for run, cut in zip(runs, cuts, strict=True)])
        mean, deviation = learnt.mean(axis=0), learnt.std(axis=0)
        deviation = np.where(deviation > 1e-12 * np.maximum(abs(mean), 1), deviation, 1.0)  # constant channels
        scaled = [(run - mean) / deviation for run in runs]
        width = (self.used + 1) * len(mean)
        gram, count = np.zeros((width, width)), 0
        step = -(-len(learnt) // self.max_rows)
        for run, cut in zip(scaled, cuts, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(run[:cut], self.used + 1, axis=0)
            for first in range(0, len(windows), _BLOCK * step):
                block = windows[first : first + _BLOCK * step : step].reshape(-1, width)
                gram += block.T @ block
                count += len(block)
        gram[np.diag_indices(width)] += self.setting("penalty") * count
        present = np.arange(len(mean)) * (self.used + 1) + self.used
        inverse = np.linalg.inv(gram)
        weights = inverse[:, present] / np.diag(inverse)[present]
        # The last fifth, with the rows before it that its first steps are predicted from.
        held = [self._missed(run[cut - self.used :], weights) for run, cut in zip(scaled, cuts, strict=True)]
        usual = np.maximum(np.sqrt(np.square(np.concatenate(held)).mean(axis=0)), 1e-6)
        normal = np.concatenate([self._score(missed, usual) for missed in held])
        return mean, deviation, weights, usual, max(float(np.quantile(normal, self.quantile)), 1e-9)

    def _missed(self, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(time - lags, channels): standardised values minus the predicted ones."""
        if len(values) <= self.used:
            return np.zeros((0, values.shape[1]))
        windows = np.lib.stride_tricks.sliding_window_view(values, self.used + 1, axis=0)
        blocks = [windows[first : first + _BLOCK] for first in range(0, len(windows), _BLOCK)]
        return np.concatenate([block.reshape(-1, len(weights)) @ weights for block in blocks])

    def _score(self, missed: np.ndarray, usual: np.ndarray) -> np.ndarray:
        """(time,): the largest of the sensors' means over the last steps; over fewer at the beginning."""
        if not len(missed):
            return np.zeros(0)
        squares = np.square(missed / usual)
        before = np.zeros((self.smooth - 1, squares.shape[1]))
        windows = np.lib.stride_tricks.sliding_window_view(np.concatenate([before, squares]), self.smooth, axis=0)
        counts = np.minimum(np.arange(1, len(squares) + 1), self.smooth)
        return (windows.sum(axis=2) / counts[:, None]).max(axis=1)


_MOST_COLUMNS = 2000
_BLOCK = 4096


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
