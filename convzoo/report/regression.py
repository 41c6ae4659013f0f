"""What a page shows for every regression: predicted against true numbers, errors by size of the number, the largest errors."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.core.pages import Material, Pages, Section
from convzoo.report import figures
from convzoo.report.kit import MISTAKES, html_safe
from convzoo.tasks.regression import Regression

PARTS = 5
"""Into as many parts of the same size the examples are divided by their true number."""


def sections(task: Regression, material: Material, pages: Pages) -> list[Section]:
    """The sections of a regression: those that every kind has, then those of `pages`, then the largest errors.

    Empty if the test split has no numbers.
    """
    rows = [row for row in material.predictions if isinstance(row.get("true_value"), int | float)]
    if not rows:
        return []
    true, found = (np.array([float(row[key]) for row in rows]) for key in ("true_value", "value"))
    ends = [(row.get("low"), row.get("high")) for row in rows]
    known = all(isinstance(end, int | float) for pair in ends for end in pair)
    intervals = np.array(ends, dtype=np.float64) if known else None
    about = "<p>Each dot is an example of the test split; on the line, the prediction is right."
    if intervals is not None:
        inside = float(((intervals[:, 0] <= true) & (true <= intervals[:, 1])).mean())
        width = float((intervals[:, 1] - intervals[:, 0]).mean())
        about += (
            f" The bars are intervals that should hold {100 * task.coverage:.0f} % of the true numbers: they hold "
            f"<b>{100 * inside:.1f} %</b>, and are {width:.6g} wide on average."
        )
    found_sections = [
        Section("Predicted against true", html_safe(f"{about}</p>{figures.against(true, found, intervals)}")),
        by_size(true, found),
        *pages.sections(task, material),
    ]
    worst = sorted(rows, key=lambda row: -abs(float(row["value"]) - float(row["true_value"])))[:MISTAKES]
    cards = "".join(card(row, pages.picture(material.examples[int(row["index"])])) for row in worst)
    said = "<p>The predictions on the test split that are furthest from the true number.</p>"
    return [*found_sections, Section("Largest errors", html_safe(f"{said}<div class='cards'>{cards}</div>"))]


def card(row: Mapping[str, Any], picture: str) -> str:
    """An example with its true and its predicted number."""
    return (
        f"<div class='card'>{picture}<br>true <b>{float(row['true_value']):.6g}</b>, "
        f"predicted <b>{float(row['value']):.6g}</b><br><small>{html.escape(str(row['source']))}</small></div>"
    )


def by_size(true: np.ndarray, found: np.ndarray) -> Section:
    """The mean absolute error of the smallest numbers, and so on to the largest."""
    parts: Sequence[np.ndarray] = [part for part in np.array_split(np.argsort(true, kind="stable"), PARTS) if len(part)]
    errors = [float(np.abs(found[part] - true[part]).mean()) for part in parts]
    names = [f"{true[part].min():.6g} to {true[part].max():.6g}" for part in parts]
    lean = [f"{(found[part] - true[part]).mean():+.3g}" for part in parts]
    about = (
        "<p>The mean absolute error by the size of the true number, in parts of the same number of examples. Below each: its "
        "mean error, above 0 where predictions are too high.</p>"
    )
    return Section(
        "Errors by size", html_safe(about + figures.bars(names, errors, lean, "true number", "mean absolute error"))
    )
