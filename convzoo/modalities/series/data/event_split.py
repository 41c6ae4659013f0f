"""Events are split in time and by unit, and each part knows only the answers that were known at its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from convzoo.core.errors import DataError
from convzoo.modalities.series.history import History, TimedHistory, UnitRows

DAY = 86_400.0
CONTEXT = 256
"""Rows of a unit before the judged ones that a part refers to."""

FEWEST_UNITS = 7
"""With fewer units than this, none is kept from training."""


@dataclass(frozen=True)
class TimeSplit:
    """How events are split.

    Attributes:
        train: part of all rows, by time, to learn from
        val: part of them after it that chooses the checkpoint and the threshold; the rest is tested
        new: part of the units that training and validation never see, and that are tested on their rows after `val`
        mature: days after which an event that nobody reported counts as right; None: so many that nine in ten of the reports in
            the training part had come by then
        seed: of the choice of new units
    """

    train: float
    val: float
    new: float
    mature: float | None
    seed: int

    def __post_init__(self) -> None:
        if not self.train or not self.val or self.train + self.val > 1:
            raise DataError(
                f"data.train={self.train:g} and data.val={self.val:g} should each be above 0, and at most 1 together; the rest "
                "is tested"
            )

    @property
    def tests(self) -> bool:
        """Whether anything is left to test on."""
        return self.train + self.val < 1 - 1e-9


def days_of(times: np.ndarray) -> np.ndarray:
    """(time,) days: of dates, and of numbers. Numbers above 10⁸ are taken for seconds since 1970, above 10¹¹
    for milliseconds, smaller ones for hours."""
    if times.dtype.kind == "M":
        found = times.astype("datetime64[ms]").astype(np.float64) / (1000 * DAY)
        return np.where(np.isnat(times), np.nan, found)
    values = np.asarray(times, dtype=np.float64)
    largest = np.nanmax(values) if len(values) and not np.isnan(values).all() else 0.0
    return values / (1000 * DAY) if largest > 1e11 else values / DAY if largest > 1e8 else values / 24


def split_in_time(
    table: UnitRows, reported: np.ndarray | None, how: TimeSplit, truth: np.ndarray | None = None
) -> tuple[list[History], list[History], list[History], str]:
    """The three parts, and how they were made.

    Training learns from the rows before a first time, validation judges those up to a second, and testing the rest; the rows of a
    unit before the judged ones are context. Each part has the answers that were known at its end: an event that is reported later
    is not known to be wrong yet, and a young one that nobody has reported is not known to be right. Validation and testing score
    no young events at all, since of these only the wrong ones are known.

    Args:
        table: with times
        reported: (rows,) the day on which each wrong event was reported, NaN where none was; None: answers are known at once
        how: of the split
        truth: (rows,) the answers of the test part; None: those known at the table's end

    Raises:
        DataError: a part has no row.
    """
    days = days_of(table.times) if table.times is not None else np.empty(0)
    first = float(np.quantile(days, how.train))
    second = float(np.quantile(days, how.train + how.val)) if how.tests else np.inf
    fresh = np.zeros(len(table.units), dtype=bool)
    if len(fresh) >= FEWEST_UNITS and how.tests:
        count = int(how.new * len(fresh))
        fresh[np.random.default_rng(how.seed).permutation(len(fresh))[:count]] = True
    mature = how.mature
    if mature is None:
        mature = 0.0
        if reported is not None:
            delays = (reported - days)[(reported <= first) & ~np.isnan(reported)]
            mature = float(np.quantile(delays, 0.9)) if len(delays) else 0.0
    end = float(days.max())
    learnt = known_at(table.targets, days, reported, first, mature)
    held_out = _grown_up(
        known_at(table.targets, days, reported, min(second, end), mature), days, min(second, end), mature
    )
    last = truth
    if last is None:
        last = _grown_up(known_at(table.targets, days, reported, end, mature), days, end, mature)
    tables = [replace(table, targets=learnt), replace(table, targets=held_out)]
    tables.append(replace(table, targets=last))
    parts: list[list[History]] = [[], [], []]
    for unit, (start, stop) in enumerate(zip(table.starts[:-1].tolist(), table.starts[1:].tolist(), strict=True)):
        inside = days[start:stop]
        edges = [start, *(start + int(np.searchsorted(inside, edge, side="left")) for edge in (first, second)), stop]
        for number in range(3):
            low, high = edges[number], edges[number + 1]
            if low < high and (number == 2 or not fresh[unit]):
                parts[number].append(TimedHistory(tables[number], unit, max(start, low - CONTEXT), high, low))
    for name, part in zip(("train", "val", "test"), parts, strict=True):
        if not part and (name != "test" or how.tests):
            raise DataError(
                f"{table.name}: the {name} part has no row; set data.train={how.train:g} or data.val={how.val:g} lower"
            )
    origin = f"made here, in time: train before {_date(table, first, days)}"
    origin += f", val before {_date(table, second, days)}, test after it" if how.tests else ", val after it"
    if fresh.any():
        origin += f"; and by unit: {int(fresh.sum()):,} of {len(fresh):,} units are in test only (seed {how.seed})"
    if reported is not None:
        origin += (
            f"; each part has the answers known at its end, events younger than {mature:.3g} days only if reported"
        )
    return *parts, origin  # type: ignore[return-value]


def without_answers(part: Sequence[History]) -> list[History]:
    """The same rows, for a task that may not learn from answers."""
    tables = {id(each.table): replace(each.table, targets=None) for each in part}
    return [replace(each, table=tables[id(each.table)]) for each in part]


def known_at(
    targets: np.ndarray | None, days: np.ndarray, reported: np.ndarray | None, end: float, mature: float
) -> np.ndarray | None:
    """(rows,) the answers as they were known on a day.

    Args:
        targets: (rows,) 1 wrong, 0 right, NaN unknown
        days: (rows,) of the events
        reported: (rows,) days on which wrong events were reported
        end: the day
        mature: days after which an event that nobody reported counts as right
    """
    if targets is None or reported is None:
        return targets
    told = (targets == 1) & ~(reported > end)
    young = days > end - mature
    return np.where(told, 1.0, np.where(young | np.isnan(targets), np.nan, 0.0))


def _grown_up(known: np.ndarray | None, days: np.ndarray, end: float, mature: float) -> np.ndarray | None:
    """(rows,) the answers without those of young events. Of these only the reported ones are known, so scores over them would be
    of far more wrong events than there are."""
    return known if known is None else np.where(days > end - mature, np.nan, known)


def _date(table: UnitRows, edge: float, days: np.ndarray) -> str:
    if table.times is not None and table.times.dtype.kind == "M":
        return str(np.datetime64(int(edge * DAY * 1000), "ms").astype("datetime64[s]")).replace("T", " ")
    return f"{np.asarray(table.times)[int(np.abs(days - edge).argmin())]:g}"


def reported_days(values: Sequence[object] | np.ndarray, like: np.ndarray, day_first: bool = False) -> np.ndarray:
    """(rows,) days of a column of reports, in the units of the events' times; NaN where nothing was reported.

    Raises:
        DataError: a cell is no time.
    """
    from convzoo.modalities.series.data.units import not_a_time, time_in

    values = np.asarray(values)
    if values.dtype.kind in "Mfiu":
        if (values.dtype.kind == "M") != (like.dtype.kind == "M"):
            raise DataError("the column of reports and the column of times should both hold dates, or both numbers")
        return days_of(values)
    if like.dtype.kind != "M":
        raise DataError("the column of reports holds text, and the column of times numbers: write both in the same way")
    nat = np.datetime64("NaT")
    texts = [str(value).strip() for value in values]
    found = np.array([time_in(text, day_first) if text else nat for text in texts], dtype="datetime64[ms]")
    for text, time in zip(texts, found, strict=True):
        if text and np.isnat(time):
            raise DataError(not_a_time(text, day_first))
    return days_of(found)
