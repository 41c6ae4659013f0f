"""What was flagged of the test stretches, and what was truly wrong: intervals, found and missed, and false alarms.

Rows are counted from the beginning of a stretch. An interval is found if one of its rows is flagged. An alarm is false if no
truly wrong row lies in it or in the `slack` rows before it: a score is a mean over the last rows, so it may come a little late.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convzoo.ops.intervals import intervals


@dataclass(frozen=True)
class Alarm:
    """A run of flagged rows: the first, the one after the last, and the highest score, in units of the threshold."""

    start: int
    stop: int
    peak: float
    false: bool = False


@dataclass(frozen=True)
class Truth:
    """A truly wrong interval.

    Attributes:
        start, stop: its first row, and the row after its last
        first: the first flagged row of it; None: it is missed
        flagged: number of its rows that are flagged
    """

    start: int
    stop: int
    first: int | None
    flagged: int

    @property
    def delay(self) -> int | None:
        """Rows from its beginning to its first flagged row; None if it is missed."""
        return None if self.first is None else self.first - self.start

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Outcome:
    """One test stretch.

    Attributes:
        index: its position in the test split
        rows: its length
        alarms: in the order of time
        truths: the true intervals in the order of time; None if it is unlabelled
        flags: (rows,) whether each row is flagged
        wrong: (rows,) whether each row is truly wrong; None if it is unlabelled
        highest: its highest score, in units of the threshold
    """

    index: int
    rows: int
    alarms: list[Alarm]
    truths: list[Truth] | None
    flags: np.ndarray
    wrong: np.ndarray | None
    highest: float

    @property
    def found(self) -> int:
        """Number of true intervals with a flagged row."""
        return sum(truth.first is not None for truth in self.truths or ())

    @property
    def missed(self) -> list[Truth]:
        """The true intervals without a flagged row."""
        return [truth for truth in self.truths or () if truth.first is None]

    @property
    def false_alarms(self) -> list[Alarm]:
        """The alarms that are false; all are taken for right where nothing is labelled."""
        return [alarm for alarm in self.alarms if alarm.false]

    @property
    def mistakes(self) -> int:
        """Number of missed intervals and false alarms."""
        return len(self.missed) + len(self.false_alarms)


def outcomes(predictions: Sequence[Mapping[str, Any]], lengths: Sequence[int], slack: int) -> list[Outcome]:
    """The outcome of each test stretch, from the rows of `predictions.csv`.

    Args:
        predictions: with `index`, `alarms`, `highest` and, where it is labelled, `true_alarms`
        lengths: of the test stretches
        slack: rows after a true interval in which an alarm is still right
    """
    found = []
    for row in predictions:
        index = int(row["index"])
        rows = lengths[index]
        alarms = row["alarms"] if isinstance(row["alarms"], list) else []
        true = row.get("true_alarms")
        flags = _marked(rows, [(alarm["start"], alarm["stop"]) for alarm in alarms])
        wrong = _marked(rows, [(each["start"], each["stop"]) for each in true]) if isinstance(true, list) else None
        near = None if wrong is None else late(wrong, slack)
        found.append(
            Outcome(
                index,
                rows,
                [
                    Alarm(a["start"], a["stop"], float(a["peak"]), near is not None and not near[a["start"] : a["stop"]].any())
                    for a in alarms
                ],
                None if wrong is None else truths(wrong, flags),
                flags,
                wrong,
                float(row["highest"] or 0),  # None where no row was judged
            )
        )  # fmt: skip
    return found


def truths(wrong: np.ndarray, flags: np.ndarray) -> list[Truth]:
    """The true intervals of boolean rows, with what is flagged of them."""
    found = []
    for start, stop in intervals(wrong):
        places = np.flatnonzero(flags[start:stop])
        found.append(Truth(start, stop, start + int(places[0]) if len(places) else None, len(places)))
    return found


def late(wrong: np.ndarray, slack: int) -> np.ndarray:
    """(rows,) True where a row is wrong, and in the `slack` rows after it."""
    near = wrong.copy()
    for _, stop in intervals(wrong):
        near[stop : stop + slack] = True
    return near


def count_false(flags: np.ndarray, near: np.ndarray) -> int:
    """Number of runs of flagged rows that touch no row of `near`."""
    sums = np.concatenate([[0], np.cumsum(near)])
    return sum(int(sums[stop] == sums[start]) for start, stop in intervals(flags))


def _marked(rows: int, parts: Sequence[tuple[int, int]]) -> np.ndarray:
    marked = np.zeros(rows, dtype=bool)
    for start, stop in parts:
        marked[start:stop] = True
    return marked
