"""Aggregates of an event and of those before it, as they are made by hand for detectors of fraud (Bahnsen et al. 2016,
doi:10.1016/j.eswa.2015.12.030)."""

import numpy as np

from convzoo.modalities.series.data.event_split import days_of
from convzoo.modalities.series.history import UnitRows

HOURS = (1, 24, 168)
"""Windows of time before an event that are counted and summed."""

LAGS = 3
"""So many of a unit's last events stand beside each one."""


def aggregates(table: UnitRows) -> tuple[np.ndarray, list[str]]:
    """(rows, features) float32, and the features' names; NaN where nothing is known.

    Hour and weekday; the last gaps; counts and sums over an hour, a day and a week; for each number its own value, the last ones,
    its distance from the unit's mean in deviations, and from the mean at the same category; for each category its code, the last
    ones, whether it is the last one's, how often and how recently the unit had it, and whether it is new in a day.
    """
    rows = len(table)
    sizes = np.diff(table.starts)
    first = np.repeat(table.starts[:-1], sizes)
    unit = np.repeat(np.arange(len(sizes)), sizes)
    age = np.arange(rows) - first
    found: list[np.ndarray] = []
    names: list[str] = []

    def add(name: str, values: np.ndarray) -> None:
        names.append(name)
        found.append(np.asarray(values, dtype=np.float32))

    def lagged(values: np.ndarray, lag: int) -> np.ndarray:
        moved = np.full(rows, np.nan)
        moved[lag:] = values[:-lag] if lag else values
        moved[age < lag] = np.nan
        return moved

    hours = 24 * days_of(table.times) if table.times is not None else age.astype(np.float64)
    add("hour", hours % 24)
    add("weekday", hours // 24 % 7)
    add("rows so far", age)
    gap = np.log(np.maximum(hours - lagged(hours, 1), 1e-3))
    for lag in range(LAGS):
        add(f"gap {lag}", lagged(gap, lag) if lag else gap)
    begins = {}
    span = float(np.ptp(hours)) + 1 + 2 * HOURS[-1]
    clock = unit * span + (hours - hours.min())
    for window in HOURS:
        begins[window] = np.maximum(np.searchsorted(clock, clock - window, side="right"), first)
        add(f"events in {window} h", np.arange(rows) - begins[window] + 1)
    logged = np.sign(table.numbers) * np.log1p(np.abs(np.asarray(table.numbers, dtype=np.float64)))
    for at, name in enumerate(table.number_names):
        values = logged[:, at]
        filled = np.nan_to_num(values)
        mean, deviation = _before(filled, first)
        add(name, values)
        add(f"{name} above the mean", values - mean)
        add(f"{name} in deviations", (values - mean) / np.maximum(deviation, 0.05))
        for lag in range(1, LAGS):
            add(f"{name} {lag} before", lagged(values, lag))
        add(f"{name} after the last", values - lagged(values, 1))
        sums = np.concatenate([[0.0], np.cumsum(np.nan_to_num(np.asarray(table.numbers[:, at], dtype=np.float64)))])
        logs = np.concatenate([[0.0], np.cumsum(filled)])
        for window in HOURS:
            count = np.arange(rows) - begins[window] + 1
            add(f"{name} in {window} h", np.log1p(np.abs(sums[1:] - sums[begins[window]])))
            add(f"mean {name} in {window} h", (logs[1:] - logs[begins[window]]) / count)
    for at, name in enumerate(table.category_names):
        codes = table.categories[:, at].astype(np.int64) + 1
        add(name, codes)
        for lag in range(1, LAGS):
            add(f"{name} {lag} before", lagged(codes.astype(np.float64), lag))
        add(f"same {name}", codes == lagged(codes.astype(np.float64), 1))
        key = unit * (int(codes.max(initial=0)) + 1) + codes
        order = np.argsort(key, kind="stable")
        heads = np.maximum.accumulate(np.where(np.diff(key[order], prepend=-1) != 0, np.arange(rows), 0))
        count, since = np.empty(rows), np.full(rows, np.nan)
        count[order] = np.arange(rows) - heads
        again = order[1:][np.arange(1, rows) != heads[1:]]
        since[again] = hours[again] - hours[order[:-1][np.arange(1, rows) != heads[1:]]]
        add(f"times of {name}", count)
        add(f"share of {name}", (count + 0.5) / (age + 1))
        add(f"since this {name}", np.log(np.maximum(since, 1e-3)))
        for number, other in enumerate(table.number_names):
            apart = np.empty(rows)
            values = np.nan_to_num(logged[order, number])
            apart[order] = values - _before(values, heads)[0]
            add(f"{other} above the mean of {name}", apart)
        before = np.full(rows, -1)
        before[again] = order[:-1][np.arange(1, rows) != heads[1:]]
        # A value is the first of its kind in the window where its last row lies before the window.
        add(f"new {name} in a day", before < begins[24])
    return np.stack(found, axis=1), names


def _before(values: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) mean and standard deviation of the values from row `first` to before each; NaN where there is none."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (values, values**2))
    at = np.arange(len(values))
    count = at - first
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (sums[at] - sums[first]) / np.where(count > 0, count, np.nan)
        variance = (squares[at] - squares[first]) / np.where(count > 0, count, np.nan) - mean**2
    return mean, np.sqrt(np.maximum(variance, 0))
