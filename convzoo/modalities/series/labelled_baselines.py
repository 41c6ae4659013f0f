"""Opponents that classify whole series: statistics of intervals, nearest neighbours, random convolutions."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.baselines.scikit import FeatureClassifier
from convzoo.core.arguments import Fraction, Positive
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.series.labelled_encoder import LabelledSeriesEncoder

BLOCK = 64
"""Series whose convolutions are computed together."""


class SeriesClassifierBaseline(FeatureClassifier):
    """An opponent that sees series as the network does: without missing values, standardised by the same rule.

    Attributes:
        encoder: fitted on the training series
    """

    def prepare(self, examples: Sequence[LabelledSeries], dims: Mapping[str, Any]) -> None:
        """Learn how series are standardised, and what the features need."""
        self.encoder = LabelledSeriesEncoder()
        self.encoder.fit(examples)
        self.learn(self.values(examples))

    def learn(self, series: list[np.ndarray]) -> None:
        """Learn what the features need from the training series, each (channels, time)."""

    def values(self, examples: Sequence[LabelledSeries]) -> list[np.ndarray]:
        """(channels, time) of each series."""
        return [self.encoder.prepare(_without_label(example))[0].numpy() for example in examples]


def _without_label(example: LabelledSeries) -> LabelledSeries:
    return LabelledSeries(example.values, example.path, None, None, example.source, example.channels)


class IntervalForest(SeriesClassifierBaseline):
    """A forest of random trees on statistics of intervals (as in Deng et al. 2013, arXiv:1302.2277): mean, deviation and slope of
    1, 2, 4, 8 and 16 equal parts of each channel and of its differences; the quantiles, the autocorrelation and the spectrum of
    the whole channel, and the correlations between channels, shifted by up to 8 steps.

    Args:
        trees: number of trees
        max_examples: largest number of training series that are used
        seed: of the trees
    """

    def __init__(self, trees: Positive = 300, max_examples: Positive = 10_000, seed: int = 0) -> None:
        self.trees = trees
        self.max_examples = max_examples
        self.seed = seed

    def machine(self, features: np.ndarray) -> Any:
        """The forest."""
        from sklearn.ensemble import ExtraTreesClassifier

        return ExtraTreesClassifier(self.trees, random_state=self.seed, n_jobs=1)

    def features(self, examples: Sequence[LabelledSeries]) -> np.ndarray:
        """(examples, features)"""
        return np.stack([_statistics(values) for values in self.values(examples)])


_CORRELATED = 12
"""Channels whose correlations are features; of more there are too many pairs."""


def _statistics(values: np.ndarray) -> np.ndarray:
    """The statistics of one series, whatever its length."""
    found = [np.array([values.shape[1]], np.float64)]
    for row in values.astype(np.float64):
        for line in (row, np.diff(row) if len(row) > 1 else np.zeros(1)):
            for parts in (1, 2, 4, 8, 16):
                found.append(_of_parts(line, parts))
        centred = row - row.mean()
        power = max(float(centred @ centred), 1e-12)
        lags = [
            float(centred[lag:] @ centred[: len(centred) - lag]) / power if lag < len(row) else 0.0
            for lag in range(1, 17)
        ]
        spectrum = np.abs(np.fft.rfft(centred, 128)) ** 2 / power
        found += [np.quantile(row, np.linspace(0, 1, 9)), np.array(lags), spectrum[1:33]]
    if 1 < len(values) <= _CORRELATED:
        moved = values - values.mean(axis=1, keepdims=True)
        scale = np.maximum(np.linalg.norm(moved, axis=1), 1e-6)
        places = ~np.eye(len(values), dtype=bool)
        for lag in range(9):
            shifted = moved[:, lag:] @ moved[:, : max(values.shape[1] - lag, 0)].T / np.outer(scale, scale)
            found.append(shifted[places])
    return np.concatenate(found)


def _of_parts(line: np.ndarray, parts: int) -> np.ndarray:
    """Mean, deviation and slope of equal parts; in a line with fewer steps than parts, neighbours share a step."""
    edges = np.linspace(0, len(line), parts + 1)
    found = []
    for first, last in zip(edges[:-1].astype(int), np.ceil(edges[1:]).astype(int), strict=True):
        part = line[first:last]
        steps = np.arange(len(part)) - (len(part) - 1) / 2
        found += [part.mean(), part.std(), float(steps @ part) / max(float(steps @ steps), 1.0)]
    return np.array(found)


class DtwNeighbour(SeriesClassifierBaseline):
    """The class of the nearest training series by dynamic time warping (Sakoe & Chiba 1978, doi:10.1109/TASSP.1978.1163055),
    the usual opponent of the field. Channels are warped together. Its time grows with the product of both splits and of the
    length squared, so of large splits a part is used, and series are averaged to at most `max_length` steps.

    Args:
        window: how far two steps that are compared may lie apart, as a fraction of the length
        max_length: largest number of steps
        max_examples: largest number of training series that are used
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"window": (0.1, 0.0, 0.03)}

    def __init__(
        self, window: Fraction | None = None, max_length: Positive = 128, max_examples: Positive = 200
    ) -> None:
        self.window = window
        self.max_length = max_length
        self.max_examples = max_examples

    def learn(self, series: list[np.ndarray]) -> None:
        """The length that all series are brought to."""
        self.steps = min(self.max_length, max(values.shape[1] for values in series))

    def machine(self, features: np.ndarray) -> Any:
        """The neighbour."""
        return _Neighbour(self.setting("window"), self.steps)

    def features(self, examples: Sequence[LabelledSeries]) -> np.ndarray:
        """(examples, channels * steps): each series stretched to one length."""
        return np.stack([_stretched(values, self.steps).ravel() for values in self.values(examples)])


def _stretched(values: np.ndarray, steps: int) -> np.ndarray:
    """(channels, steps) by linear interpolation."""
    places = np.linspace(0, values.shape[1] - 1, steps)
    return np.stack([np.interp(places, np.arange(values.shape[1]), row) for row in values]).astype(np.float32)


class _Neighbour:
    """A classifier with scikit-learn's methods."""

    def __init__(self, window: float, steps: int) -> None:
        self.window = window
        self.steps = steps

    def fit(self, features: np.ndarray, numbers: np.ndarray) -> "_Neighbour":
        self.known, self.numbers = features.reshape(len(features), -1, self.steps), numbers
        self.classes_ = np.unique(numbers)
        return self

    def decision_function(self, features: np.ndarray) -> np.ndarray:
        """Minus the distance to the nearest series of each class; for two classes their difference."""
        distances = np.stack([self._distances(each) for each in features.reshape(len(features), -1, self.steps)])
        nearest = np.stack([distances[:, self.numbers == name].min(axis=1) for name in self.classes_], axis=1)
        return nearest[:, 0] - nearest[:, 1] if nearest.shape[1] == 2 else -nearest

    def _distances(self, series: np.ndarray) -> np.ndarray:
        """The distance to each known series, all at once, a step after another."""
        reach = round(self.window * self.steps)
        count = len(self.known)
        before = np.full((self.steps + 1, count), np.inf, np.float32)
        before[0] = 0
        for at in range(self.steps):
            low, high = max(0, at - reach), min(self.steps, at + reach + 1)
            costs = np.square(self.known[:, :, low:high] - series[None, :, at, None]).sum(axis=1).T
            now = np.full_like(before, np.inf)
            for place in range(low, high):
                best = np.minimum(np.minimum(before[place], before[place + 1]), now[place])
                now[place + 1] = best + costs[place - low]
            before = now
        return np.sqrt(before[self.steps])


class RandomConvolutions(SeriesClassifierBaseline):
    """Ridge regression on features of random convolutions; its penalty is chosen by leaving each training series out.

    Attributes:
        seed: of the kernels
    """

    seed: int

    def machine(self, features: np.ndarray) -> Any:
        """A ridge classifier on standardised features."""
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        return make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))

    def features(self, examples: Sequence[LabelledSeries]) -> np.ndarray:
        """(examples, features)"""
        series = self.values(examples)
        order = np.argsort([values.shape[1] for values in series], kind="stable")
        found: list[np.ndarray | None] = [None] * len(series)
        with torch.no_grad():
            for start in range(0, len(order), BLOCK):
                chosen = order[start : start + BLOCK]
                rows = self.transformed(*_padded([series[at] for at in chosen])).numpy()
                for at, row in zip(chosen, rows, strict=True):
                    found[at] = row
        return np.stack([row for row in found if row is not None])

    @abstractmethod
    def transformed(self, series: Tensor, lengths: Tensor) -> Tensor:
        """(batch, features) of series (batch, channels, time) that are padded at their end."""


def _padded(series: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """(batch, channels, time) with zeros at the end of shorter series, and their lengths."""
    lengths = [values.shape[1] for values in series]
    found = torch.zeros(len(series), series[0].shape[0], max(lengths))
    for place, values in zip(found, series, strict=True):
        place[:, : values.shape[1]] = torch.from_numpy(values)
    return found, torch.tensor(lengths)


def differences(series: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """First differences of padded series, one step shorter; a series of one step stays."""
    if series.shape[2] < 2:
        return series, lengths
    shorter = (lengths - 1).clamp(min=1)
    found = series.diff(dim=2)
    return found * (torch.arange(found.shape[2]) < shorter[:, None]).unsqueeze(1), shorter


class MultiRocket(RandomConvolutions):
    """MultiROCKET (Tan et al. 2022, arXiv:2102.00457): the 84 kernels of MiniROCKET (Dempster et al. 2021, arXiv:2012.08791) at
    several dilations, over the series and its differences. Of each convolution four numbers are kept for each bias: the part of
    positive values, their mean, the mean of their places, and the longest run of them. A ridge classifier follows.

    Biases are quantiles of the convolutions of training series. Of several channels each kernel sums a random choice.

    Args:
        count: number of features, about; the paper's number is 50,000, and 10,000 loses little
        max_examples: largest number of training series that are used
        seed: of biases and channels
    """

    def __init__(self, count: Positive = 10_000, max_examples: Positive = 4000, seed: int = 0) -> None:
        self.count = count
        self.max_examples = max_examples
        self.seed = seed

    def learn(self, series: list[np.ndarray]) -> None:
        """Choose dilations, channels and biases."""
        random = np.random.default_rng(self.seed)
        chosen = [series[at] for at in random.permutation(len(series))[:BLOCK]]
        self.parts = []
        padded, lengths = _padded(chosen)
        for values, sizes in ((padded, lengths), differences(padded, lengths)):
            self.parts.append(self._plan(values, sizes, random))

    def _plan(self, values: Tensor, lengths: Tensor, random: np.random.Generator) -> list[tuple[int, Tensor, Tensor]]:
        """For each dilation which channels a kernel sees, (84, channels), and its biases, (84, biases)."""
        wanted = max(84, self.count // 8)  # two representations, four numbers for each bias
        longest = int(lengths.max())
        each = max(1, wanted // 84)
        most = np.log2(max((longest - 1) / 8, 1))
        dilations, counts = np.unique((2 ** np.linspace(0, most, min(each, 32))).astype(int), return_counts=True)
        shares = np.maximum(1, counts * each // counts.sum())
        channels = values.shape[1]
        plan = []
        for dilation, share in zip(dilations.tolist(), shares.tolist(), strict=True):
            seen = np.zeros((84, channels), np.float32)
            for row in seen:
                size = int(2 ** random.uniform(0, np.log2(min(channels, 9) + 1)))
                row[random.choice(channels, min(max(size, 1), channels), replace=False)] = 1
            picked = torch.from_numpy(seen)
            found = _kernels(values, dilation, picked)
            at = torch.from_numpy(random.integers(len(values), size=84))
            golden = (
                np.arange(1, 84 * share + 1) * (np.sqrt(5) + 1) / 2
            ) % 1  # low-discrepancy quantiles, as in the paper
            biases = torch.stack([
                torch.quantile(found[int(at[k]), k, : int(lengths[at[k]])], torch.from_numpy(golden[k::84].astype(np.float32)))
                for k in range(84)
            ])  # fmt: skip
            plan.append((dilation, picked, biases))
        return plan

    def transformed(self, series: Tensor, lengths: Tensor) -> Tensor:
        """The four numbers of each kernel, dilation and bias, over the series and its differences."""
        found = []
        for plan, (values, sizes) in zip(self.parts, ((series, lengths), differences(series, lengths)), strict=True):
            counts = torch.arange(values.shape[2]) < sizes[:, None]
            for dilation, picked, biases in plan:
                convolved = _kernels(values, dilation, picked)
                convolved = convolved.masked_fill(~counts.unsqueeze(1), -torch.inf)  # padding is never positive
                for column in biases.T:
                    found += _pooled(convolved, column, sizes)
        return torch.cat(found, dim=1)


def _kernels(values: Tensor, dilation: int, picked: Tensor) -> Tensor:
    """(batch, 84, time): convolutions with the kernels of nine weights, of which three are 2 and six are -1."""
    batch, channels, time = values.shape
    padded = F.pad(values, (4 * dilation, 4 * dilation))
    taps = torch.stack([padded[:, :, at * dilation : at * dilation + time] for at in range(9)], dim=2)
    # -1 at all nine taps, and 3 more at the three: the sums of three taps are made of nine shifted copies.
    whole = torch.einsum("bct,kc->bkt", -taps.sum(dim=2), picked)
    three = (_TRIPLES[:, None, :] * picked[:, :, None]).reshape(84, channels * 9)
    return whole + 3 * torch.matmul(three, taps.reshape(batch, channels * 9, time))


def _triples() -> Tensor:
    from itertools import combinations

    rows = torch.zeros(84, 9)
    for row, places in enumerate(combinations(range(9), 3)):
        rows[row, list(places)] = 1
    return rows


_TRIPLES = _triples()


def _pooled(convolved: Tensor, bias: Tensor, lengths: Tensor) -> list[Tensor]:
    """Of values above a bias: their part, their mean, the mean of their places, the longest run; (batch, kernels) each."""
    above = convolved > bias[:, None]
    count = above.sum(dim=2)
    whole = lengths[:, None].float()
    steps = torch.arange(convolved.shape[2], dtype=torch.float32)
    some = count.clamp(min=1)
    mean = torch.where(above, convolved - bias[:, None], 0.0).sum(dim=2) / some
    place = torch.where(count > 0, (above.float() @ steps) / some / whole, -1.0)
    last_below = torch.where(above, -1, torch.arange(convolved.shape[2])).cummax(dim=2).values
    run = (torch.arange(convolved.shape[2]) - last_below).amax(dim=2) / whole
    return [count / whole, mean, place, run]


class Hydra(RandomConvolutions):
    """Hydra (Dempster et al. 2023, arXiv:2203.13652): random kernels in groups. At each step the kernel of a group with the
    largest answer wins, and so does the one with the smallest; wins are counted, as a dictionary of patterns. A ridge
    classifier follows.

    Args:
        groups: number of groups, half of them over the differences of a series
        kernels: in a group
        max_examples: largest number of training series that are used
        seed: of the kernels
    """

    def __init__(
        self, groups: Positive = 64, kernels: Positive = 8, max_examples: Positive = 4000, seed: int = 0
    ) -> None:
        self.groups = groups
        self.kernels = kernels
        self.max_examples = max_examples
        self.seed = seed

    def learn(self, series: list[np.ndarray]) -> None:
        """Draw the kernels, and the channels that each group sees."""
        generator = torch.Generator().manual_seed(self.seed)
        channels, longest = series[0].shape[0], max(values.shape[1] for values in series)
        self.half = max(1, self.groups // 2)
        self.dilations = [2**power for power in range(max(int(np.log2(max((longest - 1) / 8, 1))), 0) + 1)]
        seen = min(8, channels)
        self.weights = []
        for _ in self.dilations:
            kernels = torch.randn(2, self.half, self.kernels, 1, 9, generator=generator)
            kernels -= kernels.mean(dim=-1, keepdim=True)
            kernels /= kernels.abs().sum(dim=-1, keepdim=True)
            picked = torch.zeros(2, self.half, 1, channels, 1)
            for part in range(2):
                for group in range(self.half):
                    picked[part, group, 0, torch.randperm(channels, generator=generator)[:seen]] = 1
            self.weights.append((kernels * picked).flatten(1, 2))  # (2, groups * kernels, channels, 9)

    def machine(self, features: np.ndarray) -> Any:
        """A ridge classifier on the roots of the counts, scaled as in the authors' code."""
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline

        return make_pipeline(_SparseScaler(), RidgeClassifierCV(alphas=np.logspace(-3, 3, 10)))

    def transformed(self, series: Tensor, lengths: Tensor) -> Tensor:
        """The sums of the largest answers, and the numbers of the smallest ones, by kernel."""
        found = []
        both = ((series, lengths), differences(series, lengths))
        for dilation, weights in zip(self.dilations, self.weights, strict=True):
            for part, (values, sizes) in enumerate(both):
                answers = F.conv1d(values, weights[part], padding=4 * dilation, dilation=dilation)
                answers = answers.unflatten(1, (self.half, self.kernels))
                counts = (torch.arange(values.shape[2]) < sizes[:, None])[:, None].float().expand(-1, self.half, -1)
                largest, winner = answers.max(dim=2)
                loser = answers.min(dim=2).indices
                for at, much in ((winner, largest * counts), (loser, counts)):
                    empty = torch.zeros(len(values), self.half, self.kernels)
                    found.append(empty.scatter_add(2, at, much.contiguous()).flatten(1))
        return torch.cat(found, dim=1)


class _SparseScaler:
    """A transformer of scikit-learn: roots of counts, standardised over all series; features that are 0 stay 0."""

    def fit(self, features: np.ndarray, numbers: np.ndarray | None = None) -> "_SparseScaler":
        roots = np.sqrt(np.maximum(features, 0))
        zeros = (roots == 0).mean(axis=0)
        self.mean, self.deviation = roots.mean(axis=0), roots.std(axis=0) + zeros**4 + 1e-8
        return self

    def transform(self, features: np.ndarray) -> np.ndarray:
        roots = np.sqrt(np.maximum(features, 0))
        return (roots - self.mean) * (roots != 0) / self.deviation
