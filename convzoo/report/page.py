"""`report.html`: one page that needs no other files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import nn

from convzoo import summary
from convzoo.core.encoder import Encoder
from convzoo.core.files import write_text
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.core.text import duration_in_words
from convzoo.inspect.describe import describe
from convzoo.recipe.assembly import load_pages
from convzoo.recipe.recipe import to_yaml
from convzoo.recipe.types import Recipe
from convzoo.report import classification, figures, multi_label, regression
from convzoo.report.kit import html_safe
from convzoo.stored import Environment, read_stored
from convzoo.tasks.classification import Classification
from convzoo.tasks.multi_label import MultiLabel
from convzoo.tasks.regression import Regression
from convzoo.training.listeners import read_metrics


def write_report(
    folder: Path,
    recipe: Recipe,
    results: Mapping[str, Any],
    model: nn.Module,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Any],
    predictions: Sequence[Mapping[str, Any]],
) -> Path:
    """Write the page of a finished run.

    Args:
        folder: of the run
        recipe: as it was run
        results: the content of `scores.json`
        model: with its best weights, on the CPU
        encoder: fitted
        task: calibrated
        examples: the test split
        predictions: one row for each example, from `predictions.csv`
    """
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        (Path(__file__).parent / "page.html.jinja").read_text(encoding="utf-8")
    )
    shown = summary.columns(recipe, results)
    batch = encoder.sample(examples)
    breakdown = describe(model, batch.inputs)
    home = (
        folder
        if (folder / "metrics.csv").exists()
        else next(folder.glob("*/metrics.csv"), folder / "metrics.csv").parent
    )
    metrics = read_metrics(home / "metrics.csv")
    score = task.best_by.removeprefix("-")
    material = Material(model, encoder, examples, predictions)
    # A user's own encoder may not name its type of example; then the base class of all pages is used.
    pages = load_pages(getattr(encoder, "example", object), type(task))
    sections = sections_of(task, material, pages)
    page = template.render(
        name=recipe.name,
        about=recipe.about or headline(recipe, results, task, pages),
        when=f"{datetime.now():%Y-%m-%d %H:%M}",
        seconds=duration_in_words(results.get("training_seconds", 0)),
        examples=results["examples"],
        environment=read_stored(home / "environment.json", Environment),
        columns=shown,
        rows=[(row, [summary.written(row, column) for column in shown]) for row in summary.rows(recipe, results)],
        expect=[(name, low, high, results["scores"].get(name)) for name, (low, high) in recipe.expect.items()],
        repeated=results.get("repeated"),
        judgement=summary.judgement(results),
        intervals=results.get("intervals", {}),
        comparisons=results.get("comparisons", {}),
        drawn=results.get("drawn", ""),
        settings=results.get("baseline_settings", {}),
        left_out=results.get("left_out", {}),
        curves=html_safe(figures.curves(metrics, score, results.get("best_step"))) if metrics and score in metrics[0] else "",
        sections=sections,
        breakdown=breakdown,
        layers=breakdown.rows(),
        first_layer=html_safe(pages.first_layer(model, encoder, [examples[index] for index in range(min(400, len(examples)))])),
        recipe=to_yaml(recipe),
    )  # fmt: skip
    write_text(folder / "report.html", page)
    return folder / "report.html"


def sections_of(task: Task, material: Material, pages: Pages) -> list[Section]:
    """What the page shows of the predictions: what every task of its kind shows, and what its kind of example does."""
    if isinstance(task, Classification):
        return classification.sections(task, material, pages)
    if isinstance(task, Regression):
        return regression.sections(task, material, pages)
    if isinstance(task, MultiLabel):
        return multi_label.sections(task, material, pages)
    return pages.sections(task, material)


def headline(recipe: Recipe, results: Mapping[str, Any], task: Task, pages: Pages) -> str:
    """What data a recipe without words of its own was run on: your own data have no other description.

    "1,200 texts in 2 classes (good, bad), from reviews.csv"
    """
    count = sum(results["examples"].values())
    classes = ""
    if isinstance(task, Classification | MultiLabel):
        names = list(task.labels)
        listed = f" ({', '.join(names)})" if len(names) <= 4 else ""
        classes = f" in {len(names)} classes{listed}"
    if isinstance(task, Regression):
        classes = f" with a number each (mean {task.mean:.4g}, deviation {task.deviation:.4g})"
    path = recipe.data.args.get("path")
    return f"{count:,} {pages.plural}{classes}" + (f", from {Path(path).name}" if path else "")
