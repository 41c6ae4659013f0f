"""`convzoo evaluate`: scores a run again, or on other data."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.reader import Reader
from convzoo.recipe.assembly import build
from convzoo.recipe.own_data import reader_for
from convzoo.recipe.recipe import load
from convzoo.runs import Run
from convzoo.training.loader import Loader


def main(options: Any) -> None:
    """Print the scores of a run."""
    scores = evaluate(options.run, options.data, options.overrides, options.device)
    if options.json:
        print(json.dumps(scores, indent=2))
        return
    width = max(map(len, scores))
    for name, value in scores.items():
        print(f"{name:<{width}}  {value:.4f}")


def evaluate(folder: str, data: str | None, overrides: Sequence[str] = (), device: str = "auto") -> dict[str, float]:
    """The scores of a run's model on its test split, which is read again, or on all of a user's own labelled data.

    Args:
        folder: of the run
        data: the user's own file or folder; None: the test split
        overrides: how to read the own data, if differently from the run's data: `data.label=state`
        device: as for `Run.predict`

    Raises:
        RecipeError: a setting that does not belong to the data, or a device that this machine does not have.
        DataError: the data cannot be read.
    """
    for setting in overrides:
        if data is None or not setting.startswith("data."):
            raise RecipeError(
                f"{setting!r}: evaluate takes settings of the data only (data.label=…), and only together with --data PATH"
            )
    run = Run.load(folder)
    recipe = run.recipe
    part = recipe.data
    if data is not None:
        named = next((word.partition("=")[2] for word in overrides if word.startswith("data.name=")), None)
        chosen = reader_for(recipe.encoder, Path(data), named)
        # The settings of the run's data (names of columns) are kept, except those of its split.
        own = recipe.data.args if recipe.data.name == chosen["name"] else {}
        kept = {key: value for key, value in own.items() if key not in ("val", "test", "seed", "split")}
        section = {"name": chosen["name"], **kept, "path": chosen["path"]}
        part = load(recipe, overrides, {"data": section, "expect": {}, "reference": [], "repeat": {}}).data
    elif recipe.repeat:
        raise DataError(
            f"{folder}: is a repeated run; evaluate one of its parts: {', '.join(str(path) for path in run.parts[:3])} …"
        )
    reader: Reader = build("data", part, origins=recipe.origins)
    examples = list(reader.read().test) if data is None else reader.examples()
    meter = run.task.meter()
    with run.on(device) as place, torch.no_grad():
        for _, batch in Loader(examples, run.encoder, run.encoder.at_once, workers=0).all():
            batch = batch.to(place)
            meter.update(run.task.predict(run.model, batch), batch.target)
    prefix = "test" if data is None else "data"
    return {f"{prefix}/{name}": value for name, value in meter.compute().items()}
