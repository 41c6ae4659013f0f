"""A run's scores beside its opponents, its ceiling and published results: the rows that terminal, notebook and report show."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from convzoo.core.text import score_in_words
from convzoo.recipe.types import Recipe

FEW_CASES = 10
"""With fewer test examples than this, each is shown for itself."""


@dataclass(frozen=True)
class Row:
    """A line of the table. `scores` and their 95 % `intervals` are by name; `kind` says what the line is."""

    name: str
    kind: str
    scores: dict[str, float]
    spread: dict[str, float]
    note: str = ""
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)


def scored_in(scores: Mapping[str, float]) -> str:
    """What the names of the reported scores begin with: `test/`; `val/` where nothing was tested."""
    return "test/" if any(name.startswith("test/") for name in scores) else "val/"


def main_score(recipe: Recipe, scores: Mapping[str, float], judged_by: Sequence[str] = ()) -> str:
    """The main score of the recipe: the first that it expects or cites, else the first that its task is judged by, else the
    first that exists. An undefined score is not the main one where another is defined."""
    prefix = scored_in(scores)
    named = [*recipe.expect, *(f"test/{item.metric}" for item in recipe.reference)]
    defined = [name for name, value in scores.items() if not math.isnan(value)]
    for name in [*named, *(f"{prefix}{score}" for score in judged_by)]:
        if name in defined:
            return name
    return next(name for name in [*defined, *scores] if name.startswith(prefix))


def rows(recipe: Recipe, results: Mapping[str, Any]) -> list[Row]:
    """The network first, then its opponents, then the ceiling and published results."""
    prefix = scored_in(results["scores"])
    test = {name: value for name, value in results["scores"].items() if name.startswith(prefix)}
    found = [
        Row(
            str(recipe.model.name).rpartition("/")[2],
            "this network",
            test,
            results.get("spread", {}),
            "",
            results.get("intervals", {}),
        )
    ]
    for name, scores in results.get("baselines", {}).items():
        found.append(Row(name, "opponent", scores, results.get("baselines_spread", {}).get(name, {})))
    if results.get("ceiling"):
        found.append(Row("ceiling", "best possible", dict(results["ceiling"]), {}))
    for item in recipe.reference:
        note = "; ".join(part for part in (item.dataset, item.protocol) if part)
        found.append(Row(item.source, "published", {f"test/{item.metric}": item.value}, {}, note))
    return found


def columns(recipe: Recipe, results: Mapping[str, Any], most: int = 4) -> list[str]:
    """The test scores that are shown, the main one first. The one that chose the model is among them."""
    first = main_score(recipe, results["scores"], results.get("judged_by", ()))
    prefix = scored_in(results["scores"])
    named = [first, *recipe.expect, *(name for name in results["scores"] if name.startswith(prefix))]
    found = list(dict.fromkeys(name for name in named if name in results["scores"]))
    chosen = str(results.get("best_by", "")).removeprefix("-").replace("val/", prefix, 1)
    if most > 1 and chosen in found[most:]:
        return [*found[: most - 1], chosen]
    return found[:most]


def untested(results: Mapping[str, Any]) -> str:
    """A sentence where nothing was tested; else empty."""
    if scored_in(results["scores"]) == "test/":
        return ""
    return "nothing was tested: these are scores of the validation split, which chose the checkpoint, and are too high"


def repeated_in_words(results: Mapping[str, Any]) -> str:
    """`means ± standard deviations over 5 folds`; empty for a run that is not repeated."""
    if not results.get("repeated"):
        return ""
    ((setting, values),) = results["repeated"].items()
    if setting == "data.fold":
        over = (
            f"{len(values)} folds: each of {results['tested']:,} examples was tested once"
            if results.get("tested")
            else f"{len(values)} folds"
        )
    else:
        over = f"{len(values)} {'seeds' if setting == 'train.seed' else f'values of {setting}'}"
    return f"means ± standard deviations over {over}"


def written(row: Row, column: str) -> str:
    """A score as it is printed: with its standard deviation over repeated runs, else with its 95 % interval, if it has one."""
    if column not in row.scores:
        return ""
    value, spread, interval = row.scores[column], row.spread.get(column), row.intervals.get(column)
    if math.isnan(value):
        return score_in_words(value)
    if spread is not None:
        return f"{value:.4f} ± {spread:.4f}"
    return score_in_words(value) + (f" ({interval[0]:.3g}–{interval[1]:.3g})" if interval is not None else "")


def judgement(results: Mapping[str, Any]) -> str:
    """One sentence of whether the network is better than its best opponent, and how far from the ceiling; empty if there is none
    to compare with. Terminal, notebook and report say it in these words."""
    said = str(results.get("judgement") or "")
    compared: Mapping[str, Any] = next(iter(results.get("comparisons", {}).values()), {})
    name = compared.get("score", "")
    ceiling, score = results.get("ceiling", {}).get(name), results["scores"].get(name)
    if not said or ceiling is None or score is None or not 0 <= ceiling <= 1:
        return said
    # The difference to an opponent is above 0 where the network is better, so its sign tells whether less is better.
    opponents: Mapping[str, Mapping[str, float]] = results.get("baselines", {})
    gaps = [
        (found["difference"], score - opponents[opponent][name])
        for opponent, found in results.get("comparisons", {}).items()
        if name in opponents.get(opponent, {})
    ]
    less = any(better * gap < 0 for better, gap in gaps)
    short = score - ceiling if less else ceiling - score
    place = (
        f"{100 * short:.1f} points {'above' if less else 'below'} the ceiling" if short > 0.0005 else "at the ceiling"
    )
    return f"{said}; {place}"


def outside_expectation(recipe: Recipe, scores: Mapping[str, float]) -> list[str]:
    """A line for each score that is outside the recipe's `expect`."""
    return [
        f"{name} is {score_in_words(scores.get(name, math.nan))}, expected {low} to {high}"
        for name, (low, high) in recipe.expect.items()
        if not low <= scores.get(name, math.nan) <= high
    ]


def sampled_in_words(results: Mapping[str, Any]) -> str:
    """Which opponents were fitted on a part of the training examples; empty where all took all of them."""
    settings = results.get("baseline_settings", {})
    parts = [
        f"{name} on {found['training_examples']:,}" for name, found in settings.items() if "training_examples" in found
    ]
    if not parts:
        return ""
    return f"of the {results['examples']['train']:,} training examples, opponents were fitted: {', '.join(parts)}"
