"""Scores of an anomaly detector over time steps, without point adjustment."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from convzoo.core.processes import gather_objects
from convzoo.ops.intervals import intervals

PIECES = 100
"""Number of pieces that series are cut into where they are drawn again."""

VUS_WIDTH = 100
"""The widest buffer around an anomaly in VUS-PR, in time steps."""


class AnomalyMeter:
    """Keeps the scores and labels of each series. A step is flagged if its score is above 1.

    * `error`: the mean of the errors (the loss of the network), if the detector has errors
    * `alarm_rate`: the fraction of all steps that are flagged
    * `f1`, `precision`, `recall` over time steps
    * `false_alarm_rate` FP / (FP + TN) and `missed_alarm_rate` FN / (FN + TP)
    * `events_found`: the fraction of true intervals with a flagged step; `detection_delay`: the number of steps from the
      beginning of an interval to its first flagged step, as a mean over the intervals that were found
    * `vus_pr`: the volume under the surface of precision and recall, as a mean over the series that have an anomaly. Note: by its
      definition, a detector with the same score for all steps gets about (1 + fraction of anomalous steps) / 2
    """

    def __init__(self) -> None:
        self.series: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []

    def update(self, outputs: Tensor, target: Mapping[str, Tensor]) -> None:
        """Add series.

        Args:
            outputs: (batch, 2 or more, time) scores in units of the threshold (below 0: not judged), and errors (NaN if a
                detector has none)
            target: `anomalies` (batch, time): 1, 0, or -1 if unlabelled; `counted` (batch, time)
        """
        rows = outputs[:, :2].detach().cpu().numpy()
        for (scores, errors), labels, counted in zip(
            rows, target["anomalies"].cpu().numpy(), target["counted"].cpu().numpy(), strict=True
        ):
            length = int(counted.sum())
            known = labels[:length] if (labels[:length] >= 0).any() else None
            self.series.append((scores[:length], errors[:length], known))

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        series = [each for part in gather_objects(self.series) for each in part]
        scores = np.concatenate([each[0] for each in series])
        errors = np.concatenate([each[1] for each in series])
        found = {"error": float(errors.mean())} if np.isfinite(errors).all() else {}
        found["alarm_rate"] = float((scores > 1).mean())
        labelled = [(each[0], each[2] == 1) for each in series if each[2] is not None]
        if not labelled:
            return found
        # Rows without a label are neither right nor wrong.
        pairs = [(each[0][each[2] >= 0] > 1, each[2][each[2] >= 0] == 1) for each in series if each[2] is not None]
        found |= pointwise(*(np.concatenate(parts) for parts in zip(*pairs, strict=True)))
        found |= events(labelled)
        volumes = [vus_pr(score, label) for score, label in labelled if label.any() and not label.all()]
        return found | ({"vus_pr": float(np.mean(volumes))} if volumes else {})

    def _labelled(self) -> list[tuple[np.ndarray, np.ndarray | None]]:
        """The scores and the truth of each series, of all processes."""
        series = [each for part in gather_objects(self.series) for each in part]
        return [(scores, None if known is None else known == 1) for scores, _, known in series]

    def _pieces(self) -> list[tuple[int, int, int]]:
        """(series, start, stop): series in about `PIECES` pieces of equal length, that do not end inside an anomaly."""
        found = []
        series = self._labelled()
        length = max(1, -(-sum(len(scores) for scores, _ in series) // PIECES))
        for number, (scores, truth) in enumerate(series):
            start = 0
            while start < len(scores):
                stop = min(start + length, len(scores))
                while truth is not None and stop < len(scores) and truth[stop - 1] and truth[stop]:
                    stop += 1
                found.append((number, start, stop))
                start = stop
        return found

    def units(self) -> np.ndarray:
        """Pieces of the series: steps near to each other are alike, so they are drawn together."""
        return np.array([number for number, _, _ in self._pieces()], dtype=np.int64)

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """F1, precision, recall, and the fraction of intervals that are found."""
        series = self._labelled()
        if any(truth is None for _, truth in series):
            return {}
        labels = [each for part in gather_objects(self.series) for _, _, each in part]
        rows = []
        for number, start, stop in self._pieces():
            scores, truth = series[number][0][start:stop], series[number][1][start:stop]  # type: ignore[index]
            # Rows without a label are neither right nor wrong.
            flags = (scores > 1) & (labels[number][start:stop] >= 0)
            seen = [flags[first:last].any() for first, last in intervals(truth)]
            rows.append([(flags & truth).sum(), (flags & ~truth).sum(), (~flags & truth).sum(), sum(seen), len(seen)])
        hits, false, missed, seen_ones, all_ones = (weights @ np.array(rows, dtype=np.float64)).T
        # A draw without any anomaly says nothing of them.
        there = np.where(hits + missed > 0, 1.0, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "f1": there * 2 * hits / (2 * hits + false + missed),
                "precision": there * hits / (hits + false),
                "recall": there * hits / (hits + missed),
                "events_found": there * seen_ones / all_ones,
            }


def pointwise(flags: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """F1, precision, recall, false and missed alarm rate of boolean arrays; NaN instead of a division by 0: recall is
    not defined where nothing is true, precision where nothing is flagged."""
    hits, false = int((flags & truth).sum()), int((flags & ~truth).sum())
    missed, quiet = int((~flags & truth).sum()), int((~flags & ~truth).sum())

    def part(of: int, whole: int) -> float:
        return of / whole if whole else math.nan

    return {
        "f1": part(2 * hits, 2 * hits + false + missed),
        "precision": part(hits, hits + false),
        "recall": part(hits, hits + missed),
        "false_alarm_rate": part(false, false + quiet),
        "missed_alarm_rate": part(missed, missed + hits),
    }


def events(labelled: Sequence[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """The fraction of true intervals that have an alarm, and the mean delay of the first alarm."""
    delays, count = [], 0
    for scores, truth in labelled:
        for start, stop in intervals(truth):
            count += 1
            first = np.flatnonzero(scores[start:stop] > 1)
            delays += [int(first[0])] if len(first) else []
    found: dict[str, float] = {"events_found": len(delays) / count} if count else {}
    return found | ({"detection_delay": float(np.mean(delays))} if delays else {})


def vus_pr(scores: np.ndarray, truth: np.ndarray, width: int = VUS_WIDTH, thresholds: int = 250) -> float:
    """The volume under the surface of precision and recall (Paparrizos et al. 2022, doi:10.14778/3551793.3551830), in [0, 1].

    Each true interval gets a buffer on both sides, in which labels fall to 0. The area under the curve of precision and recall is
    averaged over buffers of 0 to `width` steps. Recall is multiplied by the fraction of intervals that are found at all.
    Thresholds are quantiles of the scores, as in the authors' code.

    Args:
        scores: (time,), higher is more anomalous
        truth: (time,), boolean, with at least one True
        width: of the widest buffer
        thresholds: number of points of each curve
    """
    order = np.argsort(-scores, kind="stable")
    cuts = scores[order][np.linspace(0, len(scores) - 1, thresholds).astype(int)]
    # For each cut, the number of steps with at least this score; of equal scores, all count.
    taken = np.searchsorted(-scores[order], -cuts, side="right")
    areas = []
    for buffer in range(width + 1):
        labels = _softened(truth, buffer)
        hits = np.concatenate([[0.0], np.cumsum(labels[order])])[taken]
        peaks = np.array([scores[start:stop].max() for start, stop in intervals(labels > 0)])
        existence = (peaks[None] >= cuts[:, None]).mean(axis=1)
        positives = (truth.sum() + labels.sum()) / 2
        recall = np.concatenate([[0.0], np.minimum(hits / positives, 1) * existence])
        precision = np.concatenate([[1.0], hits / taken])
        areas.append(float(np.diff(recall) @ ((precision[1:] + precision[:-1]) / 2)))
    return float(np.mean(areas))


def _softened(truth: np.ndarray, buffer: int) -> np.ndarray:
    """Labels with a buffer: √(1 - distance / buffer) over half the buffer to each side of an interval, at most 1."""
    labels = truth.astype(np.float64)
    half = buffer // 2
    for start, stop in intervals(truth):
        after = np.arange(stop - 1, min(stop - 1 + half, len(labels)))
        labels[after] += np.sqrt(1 - (after - (stop - 1)) / buffer)
        before = np.arange(max(start - half, 0), start)
        labels[before] += np.sqrt(1 - (start - before) / buffer)
    return np.minimum(labels, 1)
