"""What a page shows of a task's predictions, by the type of the task."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.task import Task
from convzoo.metrics.classification import calibration_bins, calibration_error
from convzoo.report import figures
from convzoo.report.pictures import picture
from convzoo.tasks.anomaly_detection import AnomalyDetection
from convzoo.tasks.classification import Classification

MISTAKES = 12
SERIES = 6


@dataclass(frozen=True)
class Material:
    """What the sections are made from.

    Attributes:
        model: with its best weights, on the CPU
        encoder: fitted
        examples: the test split
        predictions: one row an example of it
    """

    model: nn.Module
    encoder: Encoder
    examples: Sequence[Any]
    predictions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    html: Any


@singledispatch
def sections(task: Task, material: Material) -> list[Section]:
    """The sections for a task; a task of one's own has none."""
    return []


@singledispatch
def sections_of_kind(example: Any, material: Material) -> list[Section]:
    """What a page shows of classified examples besides, by their type."""
    return []


@sections.register
def _(task: AnomalyDetection, material: Material) -> list[Section]:
    rows = sorted(material.predictions, key=lambda row: -float(row["highest"]))[:SERIES]
    parts = [
        "<p>The test series with the highest scores. Above, the channel that moved most where the score was highest; red is what "
        "is wrong, orange what was flagged. Below, the score, in units of the threshold (dashed).</p>"
    ]
    for row in rows:
        example = material.examples[int(row["index"])]
        with torch.no_grad():
            scores = task.predict(material.model.eval(), material.encoder.encode([example]))[0, 0].numpy()
        alarms = row["alarms"] if isinstance(row["alarms"], list) else []
        about = f"<h3>{html.escape(str(row['source']))}</h3><p>{len(alarms)} alarms"
        true = row.get("true_alarms")
        about += f", {len(true)} true intervals</p>" if isinstance(true, list) else "; no labels</p>"
        parts.append(about + figures.series(example, scores))
    return [Section("Series and alarms", html_safe("".join(parts)))]


@sections.register
def _(task: Classification, material: Material) -> list[Section]:
    labelled = [row for row in material.predictions if row.get("true_label") and row.get("label")]
    if not labelled:
        return []
    truth, predicted = ([row[key] for row in labelled] for key in ("true_label", "label"))
    found = [
        Section(
            "Confusion",
            html_safe(
                "<p>Each row is a true class; the shade is the part of it that was predicted as each class.</p>"
                + figures.confusion(truth, predicted, list(task.labels))
            ),
        )
    ]
    cards = [
        f"<div class='card'>{picture(material.examples[int(row['index'])])}<br>true <b>{html.escape(row['true_label'])}</b>, "
        f"predicted <b>{html.escape(row['label'])}</b> ({100 * float(row['probability']):.0f} %)<br>"
        f"<small>{html.escape(str(row['source']))}</small></div>"
        for row in worst_mistakes(labelled)
    ]
    if task.calibration != "none":
        found.append(calibration(task, labelled))
    found += sections_of_kind(material.examples[0], material)
    if cards:
        about = "<p>Wrong predictions on the test split that the network was surest of.</p>"
        found.append(Section("Worst mistakes", html_safe(f"{about}<div class='cards'>{''.join(cards)}</div>")))
    return found


def calibration(task: Classification, rows: Sequence[Mapping[str, Any]]) -> Section:
    """How often predictions are right against how probable they are said to be, before and after the temperature."""
    number = {label: index for index, label in enumerate(task.labels)}
    after = torch.tensor([[row["probabilities"][label] for label in task.labels] for row in rows], dtype=torch.float64)
    before = (after.clamp(min=1e-12).log() * task.temperature).softmax(dim=1)
    truth = torch.tensor([number[row["true_label"]] for row in rows])
    counted = {name: calibration_bins(part, truth) for name, part in (("before", before), ("after", after))}
    errors = {name: calibration_error(bins) for name, bins in counted.items()}
    about = (
        f"<p>The temperature {task.temperature:.2f}, chosen on the validation split, divides all logits: above 1 it makes "
        f"probabilities more careful. Expected calibration error on the test split: {errors['before']:.3f} before, "
        f"<b>{errors['after']:.3f}</b> after. Each bar is a bin of predictions; on the line, what is said to be 80 % sure is "
        "right in 80 % of the cases.</p>"
    )
    drawn = figures.reliability({name: bins.numpy() for name, bins in counted.items()})
    return Section("Calibration", html_safe(about + drawn))


def worst_mistakes(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The wrong predictions that the network was surest of."""
    wrong = [row for row in rows if row["true_label"] != row["label"]]
    return sorted(wrong, key=lambda row: -float(row["probability"]))[:MISTAKES]


def html_safe(text: str) -> Any:
    """Markup that we made ourselves: jinja2 does not escape it again."""
    from markupsafe import Markup

    return Markup(text)
