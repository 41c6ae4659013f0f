"""What a column of a person's table looks like: a count of rows, a copy of the label, a time, a series' name; and tables in
long format, with a row for each value. Arrays and strings only."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SERIES_NAMES = (
    "series", "series_id", "machine", "machine_id", "machineid", "unit", "unit_id", "unit_nr", "device", "device_id", "deviceid",
    "asset", "asset_id", "equipment", "equipment_id", "pump", "pump_id", "turbine", "turbine_id", "engine", "engine_id",
    "station", "station_id", "site", "run", "run_id",
)  # fmt: skip
"""What the column that names the series of a row is usually called."""

TAG_NAMES = (
    "tag", "sensor", "variable", "channel", "signal", "metric", "measurement", "parameter", "sensor_id", "tag_name",
    "tagname", "name", "item",
)  # fmt: skip
"""What the column that names the sensor is usually called, in tables with a row for each value."""

VALUE_NAMES = ("value", "reading", "measure", "val", "measured_value")
"""What the column with the value is usually called in such tables."""

COUNTER_NAMES = re.compile(
    r"(unnamed: \d+|column \d+|index|idx|row|row_?(id|number|nr|num)|nr|no|number|#|id|udi|uid|__index_level_\d+__)?"
)
"""What columns are called that only number the rows."""

NO_VALUES = (
    -9999.0, -99999.0, -999.0, -999.99, -9999.9, -999.25, -99.0, -99.99, 9999.0, 99999.0, 999.0, 999999.0, -32768.0, 32767.0,
    65535.0, 1e20, -1e20, 1e30, -1e30, 1e37, float(np.finfo(np.float32).max), float(np.finfo(np.float32).min), -2147483648.0,
    2147483647.0,
)  # fmt: skip
"""Numbers that loggers write where a sensor gave no value."""


def counts_rows(values: np.ndarray) -> bool:
    """Whether whole numbers go up by the same step from each row to the next, as row numbers do."""
    if len(values) < 10 or values[0] != np.round(values[0]):
        return False
    steps = np.diff(values.astype(np.float64))
    return bool(steps[0] > 0 and steps[0] == np.round(steps[0]) and (steps == steps[0]).all())


def always_rises(values: np.ndarray) -> bool:
    """Whether numbers never fall and rise in most rows, as times and hours of operation do."""
    if len(values) < 20:
        return False
    steps = np.diff(values.astype(np.float64))
    return bool((steps >= 0).all() and (steps > 0).mean() > 0.5)


def copies_label(values: np.ndarray, label: np.ndarray) -> bool:
    """Whether a column of 0 and 1 is 1 only where the label is, so that it says what should be found."""
    there = values[np.isfinite(values)]
    if not len(there) or not np.isin(there, (0.0, 1.0)).all() or not label.any():
        return False
    ones = values == 1
    return bool(ones.any() and (ones & ~label).sum() <= 0.02 * ones.sum() and label.mean() < 0.5)


def looks_like_label(name: str, values: np.ndarray) -> bool:
    """Whether a column of 0 and 1 may be a label by its name: is_failure, TWF, attack_label, changepoint."""
    there = values[np.isfinite(values)]
    if not len(there) or not np.isin(there, (0.0, 1.0)).all() or not 0 < there.mean() < 0.5:
        return False
    words = r"fail|fault|anomal|attack|outlier|label|defect|broken|alarm|abnormal|target|change_?point"
    return re.search(words, name.lower()) is not None or re.fullmatch(r"[A-Z]{1,4}F", name) is not None


def no_value_in(values: np.ndarray) -> tuple[float, int] | None:
    """A number that loggers write in place of no value, and how often it is there: only if it lies far outside of all others."""
    there = values[np.isfinite(values)]
    for number in NO_VALUES:
        same = there == number
        count = int(same.sum())
        if not count or count > 0.5 * len(there):
            continue
        low, high = float(there[~same].min()), float(there[~same].max())
        if not low - 3 * (high - low) <= number <= high + 3 * (high - low):
            return number, count
    return None


def groups_of(names: Sequence[Any]) -> dict[str, np.ndarray]:
    """The rows of each group, by its name, in the order in which the groups begin."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        found.setdefault(name_of(name), []).append(row)
    return {name: np.array(rows) for name, rows in found.items()}


def name_of(value: Any) -> str:
    """A cell as a name: whole numbers without decimals, no spaces around; empty where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value).strip()


def parts_times(times: np.ndarray, groups: Mapping[str, np.ndarray], most: int = 1000) -> bool:
    """Whether times that fall or repeat rise within each of several groups of rows: each group is then a series."""
    if not 2 <= len(groups) <= min(most, len(times) // 3):
        return False
    return all(bool((times[rows][1:] > times[rows][:-1]).all()) for rows in groups.values())


def wide(
    times: np.ndarray, tags: Sequence[Any], values: np.ndarray
) -> tuple[np.ndarray, list[str], np.ndarray, np.ndarray]:
    """A table with a row for each value as one with a row for each time.

    Args:
        times: (rows,)
        tags: (rows,) the sensor of each
        values: (rows,)

    Returns:
        the times in their order, the sensors in the order in which they begin, the values (times, sensors), NaN where a sensor
        has none at a time, and the rows that repeat the time and the sensor of a row above
    """
    moments, at = np.unique(times, return_inverse=True)
    groups = groups_of(tags)
    names = list(groups)
    found = np.full((len(moments), len(names)), np.nan)
    again = []
    for column, rows in enumerate(groups.values()):
        _, first = np.unique(at[rows], return_index=True)
        again.append(np.setdiff1d(rows, rows[first]))
        found[at[rows[first]], column] = values[rows[first]]
    return moments, names, found, np.sort(np.concatenate(again)) if again else np.zeros(0, np.int64)
