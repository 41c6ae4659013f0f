"""How a trained network and its opponents are scored."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from convzoo.core.errors import ConvzooError, RecipeError
from convzoo.core.task import Meter
from convzoo.core.text import first_line
from convzoo.experiment import Experiment
from convzoo.recipe.assembly import build
from convzoo.recipe.types import Part
from convzoo.runs import (
    without_arrays,
)
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer


def calibrate(trainer: Trainer, loader: Loader) -> None:
    """Let the task choose its thresholds on a split."""
    trainer.model.eval()
    with torch.no_grad(), trainer.devices.autocast():
        trainer.task.calibrate(trainer.model, (trainer.place(batch) for _, batch in loader.all()))


def predictions(trainer: Trainer, loader: Loader, meter: Meter) -> list[dict[str, Any]]:
    """One row for each example of the split, in its order: its source, the truth, the prediction. Also updates the meter."""
    mine = []
    for indices, outputs, target in trainer.outputs(loader):
        meter.update(outputs, target)
        decoded = zip(indices, trainer.task.read_target(target), trainer.task.decode(outputs), strict=True)
        mine += [
            (index, {"index": index, "source": getattr(loader.examples[index], "source", "")}
             | {f"true_{key}": value for key, value in truth.items()} | without_arrays(prediction))
            for index, truth, prediction in decoded
        ]  # fmt: skip
    gathered = [row for rows in trainer.devices.gather(mine) for row in rows]
    return [row for _, row in sorted(gathered, key=lambda pair: pair[0])]


def score_baselines(experiment: Experiment, loader: Loader, devices: Devices) -> dict[str, dict[str, float]]:
    """The test scores of each opponent of the recipe, trained on the same split and scored by the same meter.

    The main process fits it; every process counts its own share, so that nothing is counted twice.
    """
    recipe = experiment.recipe
    shares = [(list(indices), batch.target) for indices, batch in loader.all()]
    found = {}
    for part in recipe.baselines:
        outputs: Any = None
        if devices.is_main:
            try:
                baseline = build("baseline", part, origins=recipe.origins)
                baseline.fit(experiment.splits.train, experiment.encoder.dims)
                outputs = baseline.outputs(loader.examples)
            except (ValueError, KeyError, ConvzooError) as error:
                outputs = RecipeError(f"baseline {part.name}: {first_line(error)}; baselines=[] leaves them out")
        outputs = devices.gather(outputs)[0]
        if isinstance(outputs, RecipeError):
            raise outputs
        meter = experiment.task.meter()
        for indices, target in shares:
            meter.update(outputs[indices], target)
        found[_baseline_name(part, recipe.baselines)] = {f"test/{name}": v for name, v in meter.compute().items()}
    return found


def _baseline_name(part: Part, others: Sequence[Part]) -> str:
    """The part's name; if another baseline has the same name, with the arguments that differ."""
    same = [other for other in others if other.name == part.name and other is not part]
    different = [f"{key}={value}" for key, value in part.args.items() if any(o.args.get(key) != value for o in same)]
    return " ".join([str(part.name), *different])


def mean_and_spread(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Means, and standard deviations with n - 1."""
    means, spreads = {}, {}
    for name in rows[0]:
        values = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        means[name] = values.mean().item()
        spreads[name] = values.std().item() if len(rows) > 1 else 0.0
    return means, spreads
