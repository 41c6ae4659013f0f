"""`report.html`: one page that needs no other files."""

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from torch import nn

from convzoo import summary
from convzoo.core.encoder import Encoder
from convzoo.core.files import write_text
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.core.version import VERSION
from convzoo.inspect.describe import describe
from convzoo.recipe.assembly import load_pages
from convzoo.recipe.types import Recipe
from convzoo.report import classification, data, kit, multi_label, network, regression, score, training
from convzoo.stored import Environment, read_stored
from convzoo.tasks.classification import Classification
from convzoo.tasks.multi_label import MultiLabel
from convzoo.tasks.regression import Regression
from convzoo.training.listeners import read_metrics

CHAPTERS = {
    "examples": "Examples",
    "where": "Where it is right",
    "training": "Training",
    "network": "How it reads its input",
    "data": "The data",
    "again": "Run it again",
}
"""The chapters of the page, by the names that links use."""
HOME = Path(__file__).parent


def write_report(
    folder: Path,
    recipe: Recipe,
    results: Mapping[str, Any],
    model: nn.Module,
    encoder: Encoder,
    task: Task,
    examples: Sequence[Any],
    predictions: Sequence[Mapping[str, Any]],
    first_part: str = "",
) -> Path:
    """Write the page of a finished run.

    Args:
        folder: of the run
        recipe: as it was run
        results: the content of `scores.json`
        model: with its best weights, on the CPU
        encoder: fitted
        task: calibrated
        examples: the test split; where nothing is tested, the validation split
        predictions: one row for each example, from `predictions.csv`
        first_part: of a repeated run the folder of its first part, whose examples and curves are shown
    """
    home = folder / first_part
    environment = read_stored(home / "environment.json", Environment)
    breakdown = describe(model, encoder.sample(examples).inputs)
    competitors = {"this network": results["scores"], **results.get("baselines", {})}
    material = Material(model, encoder, examples, predictions, competitors)
    # A user's own encoder may not name its type of example; then the base class of all pages is used.
    pages = load_pages(getattr(encoder, "example", object), type(task))
    plural, counts = pages.plural, results["examples"].values()
    count = max(counts) if pages.stand_in_all_splits else sum(counts)
    first = [examples[index] for index in range(min(400, len(examples)))]
    where = drawn(lambda: where_of(task, material, pages))
    part = ""
    if results.get("repeated"):
        part = f"<p class='soft'>Pictures and tables are of {kit.code(home.name)}, the first part of this repeated run.</p>"
    chapters = {
        "examples": drawn(lambda: examples_of(task, material, pages, part)),
        "where": f"<p>The same test {kit.text(plural)}, taken apart.</p>{where}" if where else "",
        "training": training.chapter(read_metrics(home / "metrics.csv"), results, task.best_by),
        "network": network.chapter(
            breakdown,
            drawn(lambda: pages.field(material, breakdown.receptive_field)),
            drawn(lambda: pages.first_layer(model, encoder, first)),
        ),
        "data": data.data(recipe, results, environment, drawn(lambda: pages.data(material))),
        "again": data.again(recipe, results, environment, folder),
    }
    weights = home / "model.safetensors"
    size = weights.stat().st_size if weights.exists() else 4 * breakdown.parameters
    title = pages.title(task, material, count) or title_of(task, plural, count)
    head = (
        score.verdict(recipe, results)
        + score.scores(recipe, results, breakdown, plural, cases_of(task, material, pages))
        + score.facts(
            results, environment, breakdown, plural, size, count, Path(recipe.data.args.get("path") or "").name
        )
    )
    page = skeleton(title, folder.name, head, chapters, summary.untested(results))
    write_text(folder / "report.html", without_places(page, recipe, folder))
    return folder / "report.html"


UNDRAWN = "could not be drawn"


def drawn(make: Callable[[], str]) -> str:
    """A part of the page. One that fails, on data that its pages do not know, is left out with a sentence: a finished run must
    have its page."""
    try:
        return make()
    except Exception as error:
        return f'<p class="soft">A part is missing here: it {UNDRAWN} ({kit.text(type(error).__name__)}: {kit.text(error)}).</p>'


def where_of(task: Task, material: Material, pages: Pages) -> str:
    """The chapter of where it is right, as HTML."""
    return "".join(
        (f"<h3>{kit.text(section.title)}</h3>" if section.title else "") + str(section.html)
        for section in sections_of(task, material, pages)
    )


def examples_of(task: Task, material: Material, pages: Pages, part: str) -> str:
    """The chapter of examples, as HTML; empty without any. `part` says which part of a repeated run they are from."""
    gallery = gallery_of(task, material, pages)
    return part + pages.legend(task, material) + kit.panels(gallery) if gallery else ""


GENERAL = ((Classification, classification), (Regression, regression), (MultiLabel, multi_label))
"""The kinds of tasks whose galleries and tables are the same for every kind of data, with the module that has them."""


def general_of(task: Task) -> Any:
    """The module with the gallery and the sections of all tasks of a kind; None if only the pages know them."""
    return next((module for kind, module in GENERAL if isinstance(task, kind)), None)


def sections_of(task: Task, material: Material, pages: Pages) -> list[Section]:
    """Where the network is right: what every task of its kind shows, and what its kind of example does."""
    general = general_of(task)
    return general.sections(task, material, pages) if general else pages.sections(task, material)


def gallery_of(task: Task, material: Material, pages: Pages) -> list[Panel]:
    """The panels of examples."""
    general = general_of(task)
    return [*(general.gallery(task, material, pages) if general else []), *pages.gallery(task, material)]


def cases_of(task: Task, material: Material, pages: Pages) -> list[float]:
    """The main score of each test example, where there are too few for an interval."""
    return pages.cases(task, material) if len(material.examples) < summary.FEW_CASES else []


def title_of(task: Task, plural: str, count: int) -> str:
    """The question and the data: `Negative or positive? 9,000 texts`, `One of 35 classes, in 105,829 sounds`."""
    data_ = kit.count_of(count, plural)
    if isinstance(task, Classification):
        names = [str(name) for name in task.labels]
        if len(names) <= 4 and all(len(name) <= 24 for name in names):
            asked = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
            return f"{asked[0].upper()}{asked[1:]}? {data_}"
        return f"One of {len(names)} classes, in {data_}"
    if isinstance(task, MultiLabel):
        return f"Which of {len(task.labels)} labels? {data_}"
    if isinstance(task, Regression):
        return f"How much? A number for each of {data_}"
    return data_[0].upper() + data_[1:]


def skeleton(title: str, name: str, head: str, chapters: Mapping[str, str], untested: str = "") -> str:
    """The whole page: head, contents, chapters. A chapter without content is left out.

    Args:
        title: of the data and the question
        name: of the run's folder
        head: HTML of the verdict and the scores
        chapters: HTML by name, in the order of `CHAPTERS`
        untested: a sentence where nothing was tested
    """
    source = (
        f"{untested[0].upper()}{untested[1:]}." if untested else
        "All scores are of the test split, from which the network learnt nothing and by which nothing was chosen."
    )  # fmt: skip
    there = {key: heading for key, heading in CHAPTERS.items() if chapters.get(key)}
    contents = "".join(f'<li><a href="#{key}">{heading}</a></li>' for key, heading in there.items())
    body = "".join(
        f'<section id="{key}" aria-labelledby="{key}-h"><h2 id="{key}-h">{heading}</h2>{chapters[key]}</section>'
        for key, heading in there.items()
    )
    first = next(iter(there))
    body = unique_regions(body)
    sheet, script = ((HOME / file).read_text(encoding="utf-8") for file in ("sheet.css", "page.js"))
    when = datetime.now()
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{kit.text(title)} · {kit.text(name)}</title>
<link rel="icon" href="data:,">
<style>
{sheet}</style>
</head>
<body>
<a class="skip" href="#{first}">To {there[first].lower()}</a>
<div class="wrap has-toc">
<header class="head" id="top">
<p class="run">{kit.code(name)} · {when:%d %B %Y, %H:%M}</p>
<h1>{kit.text(title)}</h1>
{head}
</header>
<nav class="toc" aria-label="On this page"><div><b>On this page</b><ol>{contents}</ol></div></nav>
<main>{body}</main>
<footer>Made by convzoo {VERSION}. Everything on this page is in this one file. {source}</footer>
</div>
<script>
{script}</script>
</body>
</html>
"""


def unique_regions(page: str) -> str:
    """The HTML with a number behind the name of a region that several have: who cannot see them tells them apart by names."""
    seen: Counter[str] = Counter()

    def numbered(found: re.Match[str]) -> str:
        seen[found[1]] += 1
        return found[0] if seen[found[1]] == 1 else f'role="region" aria-label="{found[1]} ({seen[found[1]]})"'

    return re.sub(r'role="region" aria-label="([^"]*)"', numbered, page)


def without_places(page: str, recipe: Recipe, folder: Path) -> str:
    """The page without the folders of this machine: names begin at the data, the run or the current folder."""
    path = recipe.data.args.get("path")
    homes = [Path.cwd(), folder.resolve().parent, Path(tempfile.gettempdir()), Path.home()]
    homes += [Path(str(path)).resolve().parent] if path else []
    homes += [Path(value).resolve() for value in map(os.environ.get, ("CONVZOO_DATA", "CONVZOO_MIRROR")) if value]
    # The longest first, so that nothing of a shorter one is left.
    for home in sorted({str(each) for each in homes}, key=len, reverse=True):
        if len(home) > 1:
            page = page.replace(f"{home}{os.sep}", "").replace(home, Path(home).name)
    return page
