"""NAB's scores for three profiles. Early alarms count more; false alarms cost less if they follow soon after a window."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convzoo.core.processes import gather_objects
from convzoo.metrics.anomalies import AnomalyMeter
from convzoo.ops.intervals import intervals


@dataclass(frozen=True)
class Profile:
    """The costs of a missed window, and of a false alarm far from all windows. A window that is found at once gives 1."""

    missed: float
    false: float


PROFILES = {"standard": Profile(1.0, 0.11), "low_fp": Profile(1.0, 0.22), "low_fn": Profile(2.0, 0.11)}


class NabMeter(AnomalyMeter):
    """The scores of an anomaly detector, and NAB's (Lavin & Ahmad 2015, arXiv:1510.03336), for each profile twice:

    * `nab_standard`, `nab_low_fp`, `nab_low_fn`: at the threshold that was set before the test
    * `nab_standard_best` and so on: at the one threshold that is best for all series, chosen on these same series, as in the
      benchmark's own results
    """

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        found = super().compute()
        series = [each for part in gather_objects(self.series) for each in part]
        labelled = [(scores, labels == 1) for scores, _, labels in series if labels is not None]
        if not any(truth.any() for _, truth in labelled):
            return found
        for name, profile in PROFILES.items():
            thresholds, scores = nab_scores(labelled, profile)
            # Alarms are scores above 1, so the lowest threshold above 1 gives the same alarms.
            above = np.flatnonzero(thresholds > 1)
            found[f"nab_{name}"] = float(scores[above[-1]])
            found[f"nab_{name}_best"] = float(scores.max())
        return found


def nab_scores(series: Sequence[tuple[np.ndarray, np.ndarray]], profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """NAB's normalised score at every threshold: 0 for a detector without alarms, 100 for a perfect one.

    Args:
        series: for each series, (scores, True inside a window) of the rows that are scored
        profile: the costs

    Returns:
        Thresholds, falling from infinity, and for each the NAB score of the alarms at and above it.
    """
    values, gains, windows = [], [], []
    count = 0
    for scores, truth in series:
        worth, window = _worth(truth, profile)
        values.append(scores)
        gains.append(worth)
        windows.append(np.where(window >= 0, window + count, -1))
        count += int(window.max(initial=-1)) + 1
    if not count:
        raise ValueError("no series has a window")
    value, gain, window = (np.concatenate(column) for column in (values, gains, windows))
    order = np.argsort(-value, kind="stable")
    value, gain, window = value[order], gain[order], window[order]
    best = np.full(count, -profile.missed)
    total = best.sum()
    totals = np.empty(len(value) + 1)
    totals[0] = total
    for row, (worth, number) in enumerate(zip(gain.tolist(), window.tolist(), strict=True), start=1):
        if number < 0:
            total += worth
        elif worth > best[number]:  # only the best alarm of a window counts, which is its earliest
            total += worth - best[number]
            best[number] = worth
        totals[row] = total
    # A threshold includes all rows with an equal score, so of these the last total counts.
    last = np.append(value[1:] != value[:-1], True)
    null = -profile.missed * count
    normalised = 100 * (np.append(totals[0], totals[1:][last]) - null) / (count - null)
    return np.append(np.inf, value[last]), normalised


def _worth(truth: np.ndarray, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
    """For each row, the value of an alarm at this row, and the number of its window, or -1."""
    rows = np.arange(len(truth))
    worth = np.full(len(truth), -profile.false)
    window = np.full(len(truth), -1)
    most = _sigmoid(np.array(-1.0))
    for number, (start, stop) in enumerate(intervals(truth)):
        window[start:stop] = number
        width = stop - start
        inside = rows[start:stop]
        worth[start:stop] = _sigmoid(-(stop - inside) / width) / most
        after = rows[stop:]
        worth[stop:] = profile.false * _sigmoid((after - (stop - 1)) / max(width - 1, 1))
    return worth, window


def _sigmoid(position: np.ndarray) -> np.ndarray:
    """1 far before the end of a window, 0 at its end, -1 far after it."""
    return np.where(position > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(position, 3))) - 1)
