"""What a page shows for every classification: the confusion matrix, the classes, all thresholds, the worst mistakes."""

import html
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from convzoo.core.pages import Material, Pages, Section
from convzoo.metrics.classification import (
    area_under_roc,
    average_precision,
    calibration_bins,
    calibration_error,
    threshold_counts,
)
from convzoo.report import figures
from convzoo.report.kit import class_table, html_safe, worst_mistakes
from convzoo.tasks.classification import Classification


def sections(task: Classification, material: Material, pages: Pages) -> list[Section]:
    """The sections of a classification: those that every kind has, then those of `pages`, then the worst mistakes.

    Empty if the test split has no labels.
    """
    labelled = [row for row in material.predictions if row.get("true_label") and row.get("label")]
    if not labelled:
        return []
    truth, predicted = ([row[key] for row in labelled] for key in ("true_label", "label"))
    found = [
        Section(
            "Confusion",
            html_safe(
                "<p>Each row is a true class; the shade is the fraction of its examples that was predicted as each class.</p>"
                + figures.confusion(truth, predicted, list(task.labels))
            ),
        ),
        Section("Classes", html_safe(class_table(task.labels, counted(task, truth, predicted)))),
    ]
    if len(task.labels) == 2:
        found += two_classes(task, labelled)
    cards = [
        f"<div class='card'>{pages.picture(material.examples[int(row['index'])])}<br>"
        f"true <b>{html.escape(row['true_label'])}</b>, "
        f"predicted <b>{html.escape(row['label'])}</b> ({100 * float(row['probability']):.0f} %)<br>"
        f"<small>{html.escape(str(row['source']))}</small></div>"
        for row in worst_mistakes(labelled)
    ]
    if task.calibration != "none":
        found.append(calibration(task, labelled))
    found += pages.sections(task, material)
    if cards:
        about = "<p>The wrong predictions on the test split with the highest probabilities.</p>"
        found.append(Section("Worst mistakes", html_safe(f"{about}<div class='cards'>{''.join(cards)}</div>")))
    return found


def counted(task: Classification, truth: Sequence[str], predicted: Sequence[str]) -> list[tuple[int, int, int]]:
    """Of each class its right predictions, all its predictions, and its true examples."""
    hits = Counter(true for true, said in zip(truth, predicted, strict=True) if true == said)
    all_true, all_said = Counter(truth), Counter(predicted)
    return [(hits[label], all_said[label], all_true[label]) for label in task.labels]


def two_classes(task: Classification, rows: Sequence[Mapping[str, Any]]) -> list[Section]:
    """The curves of all thresholds, for two classes; empty if the test split has only one of them."""
    positive = task.labels[task.positive]
    true = torch.tensor([row["true_label"] == positive for row in rows])
    if bool(true.all()) or not bool(true.any()):
        return []
    scores = torch.tensor([float(row["probabilities"][positive]) for row in rows], dtype=torch.float64)
    hits, false, thresholds = threshold_counts(scores, true)
    recall, false_rate, precision = hits / true.sum(), false / (~true).sum(), hits / (hits + false)
    threshold = task.point["threshold"] if task.point is not None else 0.5
    at = int((thresholds >= threshold).sum()) - 1
    point = (float(false_rate[at]), float(recall[at]), float(precision[at])) if at >= 0 else None
    about = (
        f"<p>What every threshold of the probability of <b>{html.escape(positive)}</b> gives on the test split: area under the "
        f"ROC curve {area_under_roc(scores, true):.3f}, average precision {average_precision(scores, true):.3f}. The dot is the "
        f"threshold that is used, {threshold:.3g}"
        + (f" ({html.escape(task.wanted.said)}, chosen on the validation split)" if task.wanted is not None else "")
        + ".</p>"
    )
    drawn = figures.thresholds(
        false_rate.numpy(), recall.numpy(), precision.numpy(), float(true.double().mean()), point
    )
    return [Section("All thresholds", html_safe(about + drawn))]


def calibration(task: Classification, rows: Sequence[Mapping[str, Any]]) -> Section:
    """The fraction of right predictions against their predicted probability, before and after the temperature."""
    number = {label: index for index, label in enumerate(task.labels)}
    after = torch.tensor([[row["probabilities"][label] for label in task.labels] for row in rows], dtype=torch.float64)
    before = (after.clamp(min=1e-12).log() * task.temperature).softmax(dim=1)
    truth = torch.tensor([number[row["true_label"]] for row in rows])
    parts = {name: calibration_bins(part, truth) for name, part in (("before", before), ("after", after))}
    errors = {name: calibration_error(bins) for name, bins in parts.items()}
    about = (
        f"<p>The temperature {task.temperature:.2f}, chosen on the validation split, divides all logits: above 1 it makes "
        f"probabilities more careful. Expected calibration error on the test split: {errors['before']:.3f} before, "
        f"<b>{errors['after']:.3f}</b> after. Each bar is a bin of predictions; on the line, predictions with a probability of "
        "80 % are right in 80 % of the cases.</p>"
    )
    drawn = figures.reliability({name: bins.numpy() for name, bins in parts.items()})
    return Section("Calibration", html_safe(about + drawn))
