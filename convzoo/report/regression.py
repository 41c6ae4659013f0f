"""What a page shows for every regression: the largest errors, predicted against true numbers, errors by size, slices."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.report import kit
from convzoo.tasks.regression import Regression

PARTS = 5
"""Into as many parts of the same size the examples are divided by their true number."""
MOST_POINTS = 600


def known(material: Material) -> list[Mapping[str, Any]]:
    """The rows of examples whose number is known."""
    return [row for row in material.predictions if isinstance(row.get("true_value"), int | float)]


def _error(row: Mapping[str, Any]) -> float:
    return abs(float(row["value"]) - float(row["true_value"]))


def gallery(task: Regression, material: Material, pages: Pages) -> list[Panel]:
    """The largest errors, and the smallest."""
    rows = sorted(known(material), key=lambda row: -_error(row))
    if not rows:
        return []

    def cards(chosen: Sequence[Mapping[str, Any]]) -> str:
        return kit.cards([_card(task, material, pages, row) for row in chosen], pages.card_size)

    return [
        Panel("Largest errors", "The answers that are furthest from the true number.", cards(rows[: kit.MISTAKES])),
        Panel("Smallest errors", "The answers that are nearest to it.", cards(rows[::-1][: kit.MISTAKES])),
    ]


def _card(task: Regression, material: Material, pages: Pages, row: Mapping[str, Any]) -> str:
    inside = None
    if isinstance(row.get("low"), int | float) and isinstance(row.get("high"), int | float):
        inside = bool(float(row["low"]) <= float(row["true_value"]) <= float(row["high"]))
    interval = (
        f" ({kit.as_number(float(row['low']))} to {kit.as_number(float(row['high']))})" if inside is not None else ""
    )
    words = f"says <b>{kit.as_number(float(row['value']))}</b>{interval}, true <b>{kit.as_number(float(row['true_value']))}</b>"
    chip = (
        ""
        if inside is None
        else f'<span class="chip {"ok" if inside else "no"}">{"inside" if inside else "outside"}</span>'
    )
    return kit.card(
        pages.shown(task, material, row),
        f'<div class="said">{chip}<span>{words}</span></div>'
        + kit.source(f"off by {kit.as_number(_error(row))}", str(row["source"])),
    )


def sections(task: Regression, material: Material, pages: Pages) -> list[Section]:
    """Where it is right. Empty if the test split has no numbers."""
    rows = known(material)
    if not rows:
        return []
    true, found = (np.array([float(row[key]) for row in rows]) for key in ("true_value", "value"))
    ends = [(row.get("low"), row.get("high")) for row in rows]
    complete = all(isinstance(end, int | float) for pair in ends for end in pair)
    intervals = np.array(ends, dtype=np.float64) if complete else None
    return [
        Section("", kit.columns([against(task, true, found, intervals), by_size(true, found, intervals)])),
        *slices(task, material, pages),
        *pages.sections(task, material),
    ]


def against(task: Regression, true: np.ndarray, found: np.ndarray, intervals: np.ndarray | None) -> str:
    """Predicted against true numbers, with the intervals if there are any; of many examples an even choice."""
    about = "<p>Each dot is a test example; on the thin line, the answer is right."
    if intervals is not None:
        inside = float(((intervals[:, 0] <= true) & (true <= intervals[:, 1])).mean())
        width = float((intervals[:, 1] - intervals[:, 0]).mean())
        about += (
            f" The intervals should hold {100 * task.coverage:.0f} % of the true numbers: they hold <b>{100 * inside:.1f} %</b>, "
            f"and are {kit.as_number(width)} wide on average."
        )
    chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), MOST_POINTS)).astype(int))
    both = [*true[chosen].tolist(), *found[chosen].tolist()]
    scale = kit.Scale.of(both)
    points = list(zip(true[chosen].tolist(), found[chosen].tolist(), strict=True))
    lines = [
        kit.Line([(min(both), min(both)), (max(both), max(both))], "a"),
        *(kit.Line([point], "l1") for point in points),
    ]
    drawn = kit.plot(lines, scale, scale, "Predicted against true numbers", "true", height="22rem")
    return f"<h3>Predicted against true</h3>{about}</p>{drawn}"


def by_size(true: np.ndarray, found: np.ndarray, intervals: np.ndarray | None) -> str:
    """The mean absolute error of the smallest numbers, and so on to the largest."""
    lines: list[list[kit.Cell]] = []
    for part in np.array_split(np.argsort(true, kind="stable"), PARTS):
        if not len(part):
            continue
        errors = np.abs(found[part] - true[part])
        inside: list[kit.Cell] = []
        if intervals is not None:
            held = float(((intervals[part, 0] <= true[part]) & (true[part] <= intervals[part, 1])).mean())
            inside = [kit.as_percent(held)]
        lines.append(
            [
                f"{kit.as_number(float(true[part].min()))} to {kit.as_number(float(true[part].max()))}", f"{len(part):,}",
                kit.as_number(float(errors.mean())), kit.as_number(float((found[part] - true[part]).mean())), *inside,
            ]
        )  # fmt: skip
    columns = [
        kit.Column("true number"),
        kit.Column("examples", "n"),
        kit.Column("mean error", "n"),
        kit.Column("leans", "n"),
    ]
    if intervals is not None:
        columns.append(kit.Column("inside", "n"))
    return kit.table(
        columns,
        lines,
        "<b>By size.</b> “Leans” is the mean of answer minus truth: above 0 the answers are too high."
        + (" “Inside” is the part of the true numbers that the intervals hold." if intervals is not None else ""),
    )


def slices(task: Regression, material: Material, pages: Pages) -> list[Section]:
    """The mean absolute error on each part of the test examples."""
    found = []
    for division in pages.slices(task, material):
        lines: list[list[kit.Cell]] = []
        for name, places in division.groups.items():
            rows = [material.predictions[place] for place in places]
            rows = [row for row in rows if isinstance(row.get("true_value"), int | float)]
            if rows:
                lines.append([name, f"{len(rows):,}", kit.as_number(float(np.mean([_error(row) for row in rows])))])
        if len(lines) > 1:
            columns = [
                kit.Column(division.title),
                kit.Column(f"test {pages.plural}", "n"),
                kit.Column("mean error", "n"),
            ]
            found.append(
                Section(
                    "", kit.table(columns, lines, f"<b>By {kit.text(division.title)}.</b> {kit.text(division.about)}")
                )
            )
    return [Section("Slices", ""), *found] if found else []
