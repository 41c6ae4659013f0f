"""Scores of a detector of rare events: how it ranks them, what it finds within a budget of alarms, and what that saves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from convzoo.core.processes import gather_objects
from convzoo.ops.thresholds import at_each_threshold, average_precision

MOST_THRESHOLDS = 1500
"""Average precision over draws is computed at so many of the true events at most."""


@dataclass(frozen=True)
class Rows:
    """Judged rows, (rows,) each.

    Attributes:
        scores: higher is more suspicious
        truth: 1 wrong, 0 right, NaN unknown
        amounts: NaN where unknown
        days: when, in days
        new: 1 where training did not see the unit, 0 where it did, NaN where that is unknown
        units: the number of the example
    """

    scores: np.ndarray
    truth: np.ndarray
    amounts: np.ndarray
    days: np.ndarray
    new: np.ndarray
    units: np.ndarray

    def part(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows."""
        return Rows(*(getattr(self, each.name)[chosen] for each in fields(self)))

    @property
    def span(self) -> float:
        """Days from the first row to the last, at least one."""
        known = self.days[~np.isnan(self.days)]
        return max(float(np.ptp(known)), 1.0) if len(known) else math.nan

    @classmethod
    def of(cls, outputs: Tensor, target: Mapping[str, Tensor], first: int = 0) -> "Rows":
        """The judged rows of a batch.

        Args:
            outputs: (batch, time or more, 1)
            target: `answers`, `judged`, `amounts`, `days` and `new`, (batch, time) each
            first: the number of the batch's first example
        """
        judged = target["judged"].cpu().numpy()
        names = ("answers", "amounts", "days", "new")
        facts = [target[name].cpu().numpy().astype(np.float64)[judged] for name in names]
        scores = outputs.detach()[:, : judged.shape[1], 0].double().cpu().numpy()[judged]
        answers, amounts, days, new = facts
        return cls(scores, answers, amounts, days, new, np.nonzero(judged)[0] + first)

    @classmethod
    def joined(cls, parts: "list[Rows]") -> "Rows":
        """All rows of several; the examples are numbered on."""
        if not parts:
            none = np.empty(0)
            return cls(none, none, none, none, none, np.empty(0, dtype=np.int64))
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


class RareEventMeter:
    """Keeps the judged rows of each unit. A row is an alarm if its score is at least the threshold.

    * `average_precision` over the rows whose truth is known
    * `recall`, `precision` of the alarms, and `alarms_a_day`
    * `saved`: the amounts of the wrong rows with an alarm, less a cost for each alarm; `saved_part` of all wrong amounts
    * `average_precision_new`, `recall_new`: over the units that training did not see

    Args:
        threshold: of the scores
        cost: of an alarm, in the unit of the amounts
    """

    def __init__(self, threshold: float, cost: float) -> None:
        self.threshold = threshold
        self.cost = cost
        self.parts: list[Rows] = []
        self.examples = 0

    def update(self, outputs: Tensor, target: Mapping[str, Tensor]) -> None:
        """Add units.

        Args:
            outputs: (batch, time or more, 1), scores; NaN where nothing is judged
            target: `answers`, `judged`, `amounts`, `days` and `new`, (batch, time) each
        """
        self.parts.append(Rows.of(outputs, target, self.examples))
        self.examples += len(target["judged"])

    def rows(self) -> Rows:
        """All rows, of all processes."""
        return _gathered(self.parts, self.examples)[0]

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        rows = self.rows()
        alarms = rows.scores >= self.threshold
        known = ~np.isnan(rows.truth)
        found: dict[str, float] = {}
        if known.any():
            wrong = rows.truth[known] == 1
            found["average_precision"] = average_precision(rows.scores[known], wrong)
            found |= {"recall": _part(alarms[known][wrong]), "precision": _part(wrong[alarms[known]])}
        if not math.isnan(rows.span):
            found["alarms_a_day"] = float(alarms.sum()) / rows.span
        amounts = rows.amounts[known]
        if known.any() and not np.isnan(amounts).all():
            caught = float(np.nansum(amounts[wrong & alarms[known]]))
            found["saved"] = caught - self.cost * float(alarms.sum())
            whole = float(np.nansum(amounts[wrong]))
            found["saved_part"] = found["saved"] / whole if whole else math.nan
        fresh = known & (rows.new == 1)
        wrong = rows.truth[fresh] == 1
        if wrong.any() and not fresh[known].all():
            found["average_precision_new"] = average_precision(rows.scores[fresh], wrong)
            found["recall_new"] = _part(alarms[fresh][wrong])
        return found

    def units(self) -> np.ndarray:
        """One for each example: the rows of a unit are drawn together."""
        return np.arange(_gathered(self.parts, self.examples)[1], dtype=np.int64)

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """Average precision, recall, precision, and what is saved."""
        rows = self.rows()
        rows = rows.part(~np.isnan(rows.truth))
        count = weights.shape[1]
        wrong, alarms = rows.truth == 1, rows.scores >= self.threshold
        sums = [
            wrong,
            wrong & alarms,
            alarms,
            np.nan_to_num(rows.amounts) * wrong * alarms,
            np.nan_to_num(rows.amounts) * wrong,
        ]
        each = [np.bincount(rows.units, values.astype(np.float64), count) for values in sums]
        all_wrong, hits, alarmed, caught, whole = (weights @ np.stack(each, axis=1)).T
        with np.errstate(invalid="ignore", divide="ignore"):
            found = {
                "average_precision": _average_precisions(rows, wrong, weights),
                "recall": hits / all_wrong,
                "precision": hits / alarmed,
            }
            if not np.isnan(rows.amounts).all():
                found |= {"saved_part": (caught - self.cost * alarmed) / whole}
        return found


def _average_precisions(rows: Rows, wrong: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(draws,) the average precision where unit u counts `weights[d, u]` times; NaN without wrong rows.

    At the score of each wrong row, each unit has so many rows at least as suspicious, and so many wrong ones: the sums over the
    units, weighted, give the precision there.
    """
    levels = rows.scores[wrong]
    if not len(levels):
        return np.full(len(weights), np.nan)
    levels = np.unique(levels)
    if len(levels) > MOST_THRESHOLDS:
        levels = levels[np.linspace(0, len(levels) - 1, MOST_THRESHOLDS).astype(int)]
    units = weights.shape[1]
    above, hits = np.zeros((units, len(levels))), np.zeros((units, len(levels)))
    order = np.lexsort((rows.scores, rows.units))
    scores, home, right = rows.scores[order], rows.units[order], wrong[order]
    edges = np.searchsorted(home, np.arange(units + 1))
    for unit in range(units):
        own, mine = scores[edges[unit] : edges[unit + 1]], right[edges[unit] : edges[unit + 1]]
        if len(own):
            above[unit] = len(own) - np.searchsorted(own, levels)
        if mine.any():
            hits[unit] = mine.sum() - np.searchsorted(own[mine], levels)
    seen, found = weights @ above, weights @ hits
    # What each level adds to the recall: the wrong rows from it to the next higher level.
    added = found - np.concatenate([found[:, 1:], np.zeros((len(found), 1))], axis=1)
    whole = found[:, 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, (added * np.nan_to_num(found / seen)).sum(axis=1) / whole, np.nan)


def _gathered(parts: list[Rows], examples: int) -> tuple[Rows, int]:
    """The rows and the number of examples of all processes, numbered one process after the other."""
    everyone = gather_objects((parts, examples))
    found, before = [], 0
    for own, count in everyone:
        found += [Rows(p.scores, p.truth, p.amounts, p.days, p.new, p.units + before) for p in own]
        before += count
    return Rows.joined(found), before


def _part(flags: np.ndarray) -> float:
    """The part of True; NaN of none."""
    return float(flags.mean()) if len(flags) else math.nan


def budget_threshold(rows: Rows, alarms_a_day: float) -> float:
    """The lowest threshold that gives at most so many alarms a day over these rows, half way to the next score below; above all
    scores where even the highest score is that of too many rows."""
    if not len(rows.scores):
        return math.inf
    _, alarms, thresholds = at_each_threshold(rows.scores, np.zeros(len(rows.scores)))
    allowed = int((alarms <= alarms_a_day * rows.span + 1e-9).sum())
    return _between(thresholds, allowed - 1)


def saving_threshold(rows: Rows, cost: float) -> float:
    """The threshold that saves most over the rows whose truth is known; above all scores where no alarm pays."""
    rows = rows.part(~np.isnan(rows.truth))
    if not len(rows.scores):
        return math.inf
    caught, alarms, thresholds = at_each_threshold(rows.scores, np.nan_to_num(rows.amounts) * (rows.truth == 1))
    saved = caught - cost * alarms
    best = int(saved.argmax())
    return _between(thresholds, best if saved[best] > 0 else -1)


def _between(thresholds: np.ndarray, at: int) -> float:
    """Half way from a threshold to the next lower one, so that rounding moves no row to the other side; -1: above all."""
    if at < 0:
        return float(thresholds[0] + max(abs(thresholds[0]), 1e-6))
    if at + 1 == len(thresholds):
        return float(thresholds[at])
    return float((thresholds[at] + thresholds[at + 1]) / 2)
