"""The head of the page: the verdict, every competitor with its interval, three facts."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from convzoo import summary
from convzoo.core.errors import ConvzooError
from convzoo.core.text import duration_in_words, size_in_words
from convzoo.inspect.describe import Breakdown
from convzoo.recipe.assembly import load_class
from convzoo.recipe.types import Recipe
from convzoo.report import kit

MEANING = {
    "accuracy": "Part of the {count} that is named correctly",
    "f1": "F1 over the {count}: 1 is everything that is to be found, and nothing else",
    "macro_f1": "F1 over the {count}, as a mean over the classes: 1 is every answer right",
    "dice": "Dice over the {count}: 1 is an outline that covers the drawn one exactly",
    "bleu": "BLEU over the {count}: how many runs of one to four words stand in the true translation",
    "mean_ap_3d": "Average precision over the {count}, a mean over the classes: boxes in space, moderate difficulty",
    "recall_at_20": "Part of what the {count} chose later that stands among their 20 best",
    "rmse": "Root of the mean squared error over the {count}; less is better",
    "mae": "Mean absolute error over the {count}; less is better",
}
"""What the most usual scores mean. `{count}` is `2,000 test texts`; others are named as they are."""


def kind_of(results: Mapping[str, Any]) -> str:
    """better, worse, or even where nothing can be told."""
    first = summary.judgement(results).split(" ")[0]
    return first if first in ("better", "worse") else "even"


def verdict(recipe: Recipe, results: Mapping[str, Any]) -> str:
    """The verdict, with a second sentence that says how it was found."""
    sentence = summary.judgement(results)
    if not sentence:
        return kit.verdict(
            "even",
            "No opponent was run, so nothing says whether the network is worth it.",
            "Run the recipe with its <code>baselines</code> to compare.",
        )
    drawn = results.get("drawn", "")
    why = []
    if drawn and any("low" in item for item in results.get("comparisons", {}).values()):
        why.append(f"Both were scored on the same examples, drawn anew ({kit.text(drawn)}).")
    if said := summary.untested(results):
        why.insert(
            0,
            f"<b>{said[0].upper()}{said[1:]}.</b> Wherever this page speaks of a test, the validation split is meant.",
        )
    if repeated := summary.repeated_in_words(results):
        why.append(f"Scores are {kit.text(repeated)}.")
    why += [
        f"{kit.code(name)} was left out: {kit.text(reason)}." for name, reason in results.get("left_out", {}).items()
    ]
    if sampled := summary.sampled_in_words(results):
        why.append(f"{kit.text(sampled[0].upper() + sampled[1:])}.")
    return kit.verdict(kind_of(results), sentence[0].upper() + sentence[1:] + ".", " ".join(why))


def scores(
    recipe: Recipe, results: Mapping[str, Any], breakdown: Breakdown, plural: str, cases: Sequence[float]
) -> str:
    """Every competitor by the main score, and below it the other scores of the network."""
    main = summary.main_score(recipe, results["scores"], results.get("judged_by", ()))
    rows = competitors(recipe, results, main, breakdown, cases)
    name = main.rpartition("/")[2]
    percent = name.endswith("accuracy")
    values = [v for row in rows for v in (row.value, row.low, row.high, *row.cases) if v is not None]
    ceiling = results.get("ceiling", {}).get(main)
    count = kit.count_of(results.get("tested") or results["examples"][main.partition("/")[0]], plural)
    split = "test" if main.startswith("test/") else "validation"
    number, _, what = count.partition(" ")
    meaning = MEANING.get(name, name.replace("_", " ") + " over the {count}").format(count=f"{number} {split} {what}")
    about = f"<b>{kit.text(meaning)}.</b> A dot is the score"
    if any(row.low is not None for row in rows):
        about += "; its bar is where the score would lie 95 times in 100 on other examples of the same kind"
    if any(len(row.cases) for row in rows):
        about += "; small dots are single cases"
    about += "."
    if ceiling is not None:
        about += " The dashed line is the ceiling, the best that is possible on these data."
    if not recipe.reference:
        about += " The recipe names no published figure for these data."
    drawn = kit.dots(rows, kit.Scale.of(values, percent), ceiling, about)
    return drawn + _others(recipe, results, main)


def competitors(
    recipe: Recipe, results: Mapping[str, Any], main: str, breakdown: Breakdown, cases: Sequence[float] = ()
) -> list[kit.Competitor]:
    """The ceiling and published figures first, then the network and its opponents, the best first."""
    found: list[kit.Competitor] = []
    for row in summary.rows(recipe, results):
        if not math.isfinite(row.scores.get(main, math.nan)):
            continue
        value = row.scores[main]
        if row.kind == "this network":
            low, high = results.get("intervals", {}).get(main, (None, None))
            note = f"{breakdown.parameters:,} numbers learnt"
            found.append(kit.Competitor(row.name, note, value, low, high, "ours", cases if low is None else ()))
        elif row.kind == "opponent":
            low, high = results.get("comparisons", {}).get(row.name, {}).get("interval", (None, None))
            found.append(kit.Competitor(row.name, _about(row.name), value, low, high))
        elif row.kind == "published":
            found.append(kit.Competitor(row.name, row.note or "published", value, kind="published"))
        else:
            found.append(kit.Competitor("Ceiling", "the best that is possible on these data", value, kind="best"))
    is_error = load_class("task", recipe.task.name).is_error(main)
    order = {"best": 0, "published": 1}
    return sorted(found, key=lambda row: (order.get(row.kind, 2), row.value if is_error else -row.value))


def _about(name: str) -> str:
    """What an opponent is, from the first line of its class."""
    try:
        words = load_class("baseline", name.partition(" ")[0]).__doc__ or ""
    except (ConvzooError, KeyError):
        return ""
    first = " ".join(words.strip().partition("\n\n")[0].split())
    # "The naive opponent: boxes at the usual places" says it after the colon.
    first = re.sub(r"^The (naive|classical)[^:.]{0,20}: ", "", first)
    first = first[:1].upper() + first[1:]
    first = re.split(r" \(|: |; |\. |, so |, which ", first)[0].rstrip(".")
    return first if len(first) <= 120 else ""


def _others(recipe: Recipe, results: Mapping[str, Any], main: str) -> str:
    """All test scores of all competitors, folded."""
    prefix = summary.scored_in(results["scores"])
    columns = [name for name in results["scores"] if name.startswith(prefix)]
    columns = [main, *(name for name in columns if name != main)]
    every = "Every test score" if prefix == "test/" else "Every validation score"
    lines: list[list[kit.Cell]] = [
        [row.name, *(summary.written(row, column).replace("-", "−") or None for column in columns)]
        for row in summary.rows(recipe, results)
    ]
    head = [kit.Column("who"), *(kit.Column(name.removeprefix(prefix).replace("_", " "), "n") for name in columns)]
    return f'<div id="scores">{kit.folded(every, kit.table(head, lines, ours=0))}</div>'


def facts(
    results: Mapping[str, Any],
    environment: Mapping[str, Any],
    breakdown: Breakdown,
    plural: str,
    size: int,
    count: int,
    origin: str = "",
) -> str:
    """Examples (`count` in all, of the person's file or folder `origin`), time and size (bytes of the weights)."""
    parts = results["examples"]
    total = kit.count_of(count, plural)
    device = environment["device"].replace("cpu", "a CPU", 1)
    threads = kit.count_of(environment["threads"], "threads")
    where = f"of training on {device}" + (f" with {threads}" if environment["device"].startswith("cpu") else "")
    example = kit.singular(plural)
    first = "in the first part " if results.get("repeated") else ""
    return kit.facts(
        [
            (
                "examples",
                total,
                f"{first}{parts['train']:,} to learn from, {parts['val']:,} to choose by, {parts['test']:,} to judge by"
                + (f"; from {origin}" if origin else ""),
            ),
            (
                "time",
                duration_in_words(results.get("training_seconds", 0)),
                f"{where}; {duration_in_words(results.get('seconds', 0))} with scores and opponents",
            ),
            (
                "size",
                f"{breakdown.parameters:,} numbers",
                f"learnt; a file of {size_in_words(size)}; {breakdown.multiply_adds:,} multiply-adds for one {example}",
            ),
        ]
    )
