"""Series as HTML and SVG: lines that are thinned, lanes of intervals, times and durations in words."""

from collections.abc import Sequence

import numpy as np

from convzoo.modalities.series.example import Series, Stretch
from convzoo.ops.intervals import intervals
from convzoo.report import kit

WIDE = 1000
"""Width of a drawing in its own units; its height is 100."""


def line(
    values: np.ndarray, low: float, high: float, kind: str, most: int = 240, start: float = 0, stop: float = WIDE
) -> str:
    """A line as a path of class `kind`. Of many values the lowest and the highest of each stretch of rows are kept.

    Args:
        values: (rows,)
        low, high: the values at the lower and the upper edge
        kind: class of the sheet
        most: largest number of points
        start, stop: where the first row begins and the last one ends, of `WIDE`
    """
    if not len(values):
        return ""
    places = _kept(values, most)
    across = start + (places + 0.5) / len(values) * (stop - start)
    up = 100 - 100 * np.clip((values[places] - low) / ((high - low) or 1.0), 0, 1)
    if len(places) == 1:  # one row is a short dash
        return f'<path class="{kind}" d="M{start:.0f} {up[0]:.0f}H{stop:.0f}"/>'
    points = "L".join(f"{x:.0f} {y:.0f}" for x, y in zip(across.tolist(), up.tolist(), strict=True))
    return f'<path class="{kind}" d="M{points}"/>'


def _kept(values: np.ndarray, most: int) -> np.ndarray:
    """The places that are drawn, in their order."""
    if len(values) <= most:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), most // 2 + 1).astype(int)
    kept = []
    for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = values[first:last]
        kept += sorted({first + int(part.argmin()), first + int(part.argmax())})
    return np.array(kept)


def logarithm(scores: np.ndarray, low: float) -> np.ndarray:
    """Decimal logarithms of scores; those below `low` stand at it."""
    return np.log10(np.maximum(scores.astype(np.float64), low))


def ribbon(inside: str, tall: bool = False) -> str:
    """A drawing as wide as its cell."""
    return (
        f'<div class="ribbon{" moved" if tall else ""}"><svg viewBox="0 0 {WIDE} 100" preserveAspectRatio="none" '
        f'aria-hidden="true">{inside}</svg></div>'
    )


def block(kind: str, start: int, stop: int, rows: int) -> str:
    """A shaded stretch of a drawing."""
    first, last = WIDE * max(start, 0) / rows, WIDE * min(stop, rows) / rows
    return f'<rect class="{kind}" x="{first:.0f}" width="{max(last - first, 2):.0f}" y="0" height="100"/>'


def lane(kinds: Sequence[tuple[str, np.ndarray]], columns: int = 400) -> str:
    """A lane with an element for each run of True, (rows,), for each kind. Runs that a screen cannot tell apart are joined."""
    items = []
    for kind, flags in kinds:
        rows = len(flags)
        size = -(-rows // columns)
        shown = np.logical_or.reduceat(flags, np.arange(0, rows, size)) if size > 1 else flags
        for start, stop in intervals(shown):
            first, last = 100 * start * size / rows, 100 * min(stop * size, rows) / rows
            items.append(f'<i class="{kind}" style="left:{first:.4g}%;width:{last - first:.3g}%"></i>')
    return f'<div class="lane">{"".join(items)}</div>'


def shown_channels(moved: int, strength: np.ndarray, most: int) -> list[int]:
    """The channels that are drawn, in their order: the one that moved, and those that moved most after it."""
    order = [moved, *(place for place in np.argsort(-strength, kind="stable").tolist() if place != moved)]
    return sorted(order[:most])


def name_of(channel: str, limit: int = 40) -> str:
    """A channel's name, cut if it is long."""
    return kit.text(channel if len(channel) <= limit else channel[: limit - 1] + "…")


def time_in_words(series: Series, row: int) -> str:
    """When a row was recorded: `3 Feb 2024 13:50`, or its number."""
    if series.times is None:
        return f"row {row:,}"
    time = series.times[row]
    if not isinstance(time, np.datetime64):
        return f"{time.item():,}" if isinstance(time.item(), int) else f"{time.item():.6g}"
    if np.isnat(time):
        return f"row {row:,}"
    date, seconds = time.astype("datetime64[s]").item(), time.astype("datetime64[s]") - time.astype("datetime64[m]")
    clock = f"{date:%H:%M:%S}" if seconds.astype(int) else f"{date:%H:%M}"
    return f"{date.day} {date:%b %Y} {clock}"


def period_in_words(series: Series, start: int, stop: int) -> str:
    """`3 Feb 2024 13:50 to 3 Feb 2024 15:20: 10 rows, 100 min`."""
    return f"{time_in_words(series, start)} to {time_in_words(series, stop - 1)}: {rows_in_words(series, stop - start)}"


def scale_of_scores(top: float, low: float, first: int = 0) -> str:
    """A line at each power of ten from `first` up, and the threshold, at 1.

    Args:
        top, low: decimal logarithms of the scores at the upper and the lower edge
    """
    lines = "".join(f"M0 {100 - 100 * (power - low) / (top - low):.0f}H{WIDE}" for power in range(first, int(top) + 1))
    threshold = f'<path class="th" d="M0 {100 + 100 * low / (top - low):.1f}H{WIDE}"/>'
    return f'<path class="q" opacity=".35" d="{lines}"/>{threshold}' if lines else threshold


def step_of(series: Series) -> float | None:
    """Seconds from a row to the next, as the median; None without dates."""
    if series.times is None or len(series.times) < 2 or not np.issubdtype(series.times.dtype, np.datetime64):
        return None
    steps = np.diff(series.times[:10_000]).astype("timedelta64[ms]").astype(np.int64)
    usual = float(np.median(steps)) / 1000
    return usual if usual > 0 else None


def of_one_step(examples: Sequence[Stretch]) -> Series | None:
    """A series that stands for all, if all have rows as far apart; else None."""
    steps = {step_of(example.series) for example in examples}
    return examples[0].series if len(steps) == 1 else None


def rows_in_words(series: Series | None, rows: float) -> str:
    """`1 row`, `150 rows, 25 h`; without the time where the series is None or has none."""
    counted = "1 row" if rows == 1 else f"{rows:,.3g} rows" if rows < 100 else f"{rows:,.0f} rows"
    step = None if series is None else step_of(series)
    return counted if step is None else f"{counted}, {seconds_in_words(step * rows)}"


def seconds_in_words(seconds: float) -> str:
    """`40 s`, `100 min`, `25 h`, `16 days`."""
    for size, name, most in ((1, "s", 120), (60, "min", 120 * 60), (3600, "h", 48 * 3600)):
        if seconds < most:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds / 86400:,.3g} days"


def ends(values: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest value; a line that never moves stands in the middle."""
    low, high = float(values.min()), float(values.max())
    return (low, high) if high > low else (low - 1, high + 1)


def own_scale(values: np.ndarray, kind: str) -> str:
    return line(values, *ends(values), kind) if len(values) else ""


def others(count: int) -> str:
    return f"{kit.count_of(count, 'other sensors')} not drawn"
