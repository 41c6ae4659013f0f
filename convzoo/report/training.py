"""How the training went: the losses and the score that chose the weights."""

from collections.abc import Mapping, Sequence
from typing import Any

from convzoo.core.text import duration_in_words
from convzoo.report import kit

POINTS = 30
"""With more validations than this, points on the lines would touch."""


def chapter(rows: Sequence[Mapping[str, str]], results: Mapping[str, Any], best_by: str) -> str:
    """The sentences and the two plots.

    Args:
        rows: of `metrics.csv`
        results: of `scores.json`
        best_by: the score that chose the weights, `-val/cross_entropy`
    """
    steps = int(results.get("steps", 0)) or (int(rows[-1]["step"]) if rows else 0)
    seconds = duration_in_words(results.get("training_seconds", 0))
    epochs = _whole(rows[-1]["epoch"]) if rows else 0
    began = f"{kit.count_of(epochs, 'epochs')}, " if epochs else ""
    about = f"{began}{kit.count_of(steps, 'steps')}, {seconds}."
    if results.get("repeated"):
        about += " These are the steps and the curves of the first part of the repeated run."
    name = best_by.removeprefix("-")
    if not rows or name not in rows[0]:
        return f"<p>{about}</p>"
    kept = next((row for row in rows if int(row["step"]) == results.get("best_step")), None)
    if kept is not None:
        about += f" The weights after {_when(kept, rows)} were kept, where {kit.text(_words(name))} was best."
    if len(rows) == 1:
        found = kit.as_number(float(rows[0][name]))
        return (
            f"<p>{about} Validation was looked at once: {kit.text(_words(name))} {found}. One point makes no curve, so none is "
            "drawn.</p>"
        )
    return f"<p>{about}</p>" + kit.columns([part for part in (_losses(rows), _score(rows, name, kept)) if part])


def _losses(rows: Sequence[Mapping[str, str]]) -> str:
    terms = [name.removeprefix("train/") for name in rows[0] if name.startswith("train/")]
    both = [name for name in terms if f"val/{name}" in rows[0]]

    def summed(prefix: str, names: Sequence[str]) -> list[tuple[float, float]]:
        return [(_place(row, rows), sum(float(row[f"{prefix}/{name}"] or "nan") for name in names)) for row in rows]

    lines = [kit.Line(summed("train", terms), "l1", "learning", len(rows) <= POINTS)]
    if both and both == terms:
        lines.append(kit.Line(summed("val", both), "l2", "validation"))
    values = [y for line in lines for _, y in line.points]
    across, ticks = _across(rows)
    first, last = lines[0].points[0][1], lines[0].points[-1][1]
    drawn = kit.plot(
        lines, across, kit.Scale.of(values), f"Loss: learning from {first:.3g} to {last:.3g}", _unit(rows), (), ticks
    )
    more = (
        ", on what it learns from and on what it never learns from" if len(lines) == 2 else ", on what it learns from"
    )
    return f"<figure><figcaption><b>Loss</b>: how far off the network is{more}. Lower is better.</figcaption>{drawn}</figure>"


def _score(rows: Sequence[Mapping[str, str]], name: str, kept: Mapping[str, str] | None) -> str:
    points = [(_place(row, rows), float(row[name])) for row in rows]
    across, ticks = _across(rows)
    up = kit.Scale.of([y for _, y in points], percent=name.endswith("accuracy"))
    marks = [(_place(kept, rows), f"kept: {up.written(float(kept[name]))}")] if kept is not None else []
    drawn = kit.plot(
        [kit.Line(points, "l1", "", len(rows) <= POINTS)], across, up, f"{_words(name)} on the validation split", _unit(rows),
        marks, ticks,
    )  # fmt: skip
    return (
        f"<figure><figcaption><b>{kit.text(_words(name).capitalize())}</b> on the validation split, which chooses the weights "
        f"that are kept.</figcaption>{drawn}</figure>"
    )


def _whole(epoch: str) -> int:
    """The epoch if it is a whole one, else 0: half an epoch says nothing to a reader."""
    value = float(epoch)
    return round(value) if abs(value - round(value)) < 1e-6 else 0


def _by_epochs(rows: Sequence[Mapping[str, str]]) -> bool:
    return all(_whole(row["epoch"]) for row in rows)


def _place(row: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> float:
    return float(row["epoch"]) if _by_epochs(rows) else float(row["step"])


def _unit(rows: Sequence[Mapping[str, str]]) -> str:
    return "epoch" if _by_epochs(rows) else "step"


def _when(row: Mapping[str, str], rows: Sequence[Mapping[str, str]]) -> str:
    return f"{_unit(rows)} {_place(row, rows):,.0f}"


def _across(rows: Sequence[Mapping[str, str]]) -> tuple[kit.Scale, list[float]]:
    """The scale, with ticks at whole epochs or round steps."""
    places = [_place(row, rows) for row in rows]
    scale = kit.Scale.of(places, room=0.03)
    ticks = [tick for tick in scale.ticks(8) if abs(tick - round(tick)) < 1e-9]
    return scale, ticks if len(ticks) > 1 else [places[0], places[-1]]


def _words(name: str) -> str:
    return name.removeprefix("val/").replace("_", " ")
