"""`convzoo evaluate`: scores a run again, or on other data."""

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from convzoo.core.errors import RecipeError
from convzoo.core.files import null_for_nan
from convzoo.core.reader import Reader
from convzoo.core.text import harmless, score_in_words
from convzoo.recipe.assembly import build_reader
from convzoo.recipe.own_data import like_the_runs_data
from convzoo.recipe.recipe import load
from convzoo.runs import Run
from convzoo.scoring import mean_and_spread
from convzoo.training.loader import Loader


def main(options: Any) -> None:
    """Print the scores of a run."""
    scores, spread = evaluate(
        options.run, options.data, options.overrides, options.device, options.trust, options.accept_changes
    )
    if options.json:
        print(json.dumps(null_for_nan({**scores, **({"spread": spread} if spread else {})}), indent=2))
        return
    width = max(len(harmless(name)) for name in scores)
    for name, value in scores.items():
        around = f" ± {spread[name]:.4f}" if spread and not math.isnan(value) else ""
        print(f"{harmless(name):<{width}}  {score_in_words(value)}{around}")


def evaluate(
    folder: str,
    data: str | None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    trust: bool = False,
    accept_changes: bool = False,
) -> tuple[dict[str, float], dict[str, float]]:
    """The scores of a run's model on its test split, which is read again, or on all of a user's own labelled data.

    Args:
        folder: of the run
        data: the user's own file or folder; None: the test split
        overrides: how to read the own data, if differently from the run's data: `data.label=state`
        device: as for `Run.predict`
        trust, accept_changes: as for `Run.load`

    Returns:
        the scores, NaN for those that these data do not define; and their standard deviations: of a repeated run these are means
        over its parts; of another there are none

    Raises:
        RecipeError: a setting that does not belong to the data, or a device that this machine does not have.
        DataError: the data cannot be read, or are not those that the run began with.
    """
    for setting in overrides:
        if data is None or not setting.startswith("data."):
            raise RecipeError(
                f"{setting!r}: evaluate takes settings of the data only (data.label=…), and only together with --data PATH"
            )
    run = Run.load(folder, trust, accept_changes)
    if not run.about.get("parts"):
        return _scores(run, data, overrides, device), {}
    parts = (run.part(number) for number in range(len(run.parts)))
    return mean_and_spread([_scores(part, data, overrides, device) for part in parts])


def _scores(run: Run, data: str | None, overrides: Sequence[str], device: str) -> dict[str, float]:
    recipe = run.recipe
    part = recipe.data
    if data is not None:
        named = next((word.partition("=")[2] for word in overrides if word.startswith("data.name=")), None)
        section = like_the_runs_data(recipe, Path(data), named)
        part = load(recipe, overrides, {"data": section, "expect": {}, "reference": [], "repeat": {}}).data
    reader: Reader = build_reader(recipe, part)
    if data is None:
        with run.manifest.blaming():
            splits = reader.read()
        run.check_data(splits)
        examples, skipped, prefix = list(splits.shown), splits.skipped, splits.scored
        if prefix == "val":
            print("the run has no test split; these are scores of its validation split, and too high", file=sys.stderr)
    else:
        prefix = "data"
        reader.read_like(run.encoder.reading())
        matched, notes = run.encoder.matched(reader.examples(), run.sources())
        examples = list(matched)
        skipped = reader.skipped
        for note in notes:
            print(harmless(note), file=sys.stderr)
    if skipped.reasons:
        print(harmless(f"{skipped.in_words()}; the first is {skipped.lines()[0]}"), file=sys.stderr)
    seen = run.trained_on(examples) if data is not None else 0
    if seen:
        print(
            f"{seen:,} of these {len(examples):,} examples are training examples of the run, so the scores are too high",
            file=sys.stderr,
        )
    meter = run.task.meter()
    with run.on(device) as place, torch.no_grad():
        for _, batch in Loader(examples, run.encoder, run.encoder.at_once, workers=0).all():
            batch = batch.to(place)
            meter.update(run.task.predict(run.model, batch), batch.target)
    return {f"{prefix}/{name}": value for name, value in meter.compute().items()}
