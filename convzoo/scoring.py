"""How a trained network and its opponents are scored."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from convzoo.core.baseline import Baseline
from convzoo.core.errors import ConvzooError, RecipeError
from convzoo.core.task import Meter, Task
from convzoo.core.text import first_line
from convzoo.experiment import Experiment
from convzoo.recipe.assembly import build
from convzoo.recipe.types import Part
from convzoo.runs import without_arrays
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer
from convzoo.trial import blaming, described


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


@dataclass
class Opponents:
    """The opponents of a run, scored on the test split (where nothing is tested, on the validation split).

    Attributes:
        scores: by name of the opponent, its test scores
        meters: by name, the meter that counted them, to compare it with the network's
        settings: by name, the settings that were chosen on the validation split
        left_out: by name, why an opponent is not defined for these data
        order: the indices of this process's test examples, in the order in which meters count them
        answers: by name, the class that an opponent names for each test example, where it names one; in the main process
    """

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    meters: dict[str, Meter] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)


def score_baselines(experiment: Experiment, split: Mapping[str, Loader], devices: Devices) -> Opponents:
    """The opponents of the recipe, trained on the same split, with open settings chosen on the validation split as the network's
    checkpoint is, and scored by the same meter.

    The main process fits them; every process counts its own share, so that nothing is counted twice. An opponent that is not
    defined for these data is left out.
    """
    recipe, scored = experiment.recipe, experiment.splits.scored
    shares = {name: [(list(indices), batch.target) for indices, batch in split[name].all()] for name in {"val", scored}}
    found = Opponents(order=[index for indices, _ in shares[scored] for index in indices])
    for part in recipe.baselines:
        name = _baseline_name(part, recipe.baselines)
        baseline = build("baseline", part, origins=recipe.origins)
        candidates, best = baseline.candidates(), None

        def counted(
            where: str,
            settings: Mapping[str, Any],
            baseline: Baseline = baseline,
            part: Part = part,
            name: str = name,
        ) -> Meter | str:
            for key, value in settings.items():
                setattr(baseline, key, value)
            outputs: Any = None
            if devices.is_main:
                try:
                    with blaming("baseline", part):
                        baseline.fit(experiment.splits.train, experiment.encoder.dims)
                        outputs = baseline.outputs(split[where].examples)
                # Other errors (a KeyError) would be faults of the opponent itself.
                except (ValueError, ArithmeticError, ConvzooError) as error:
                    outputs = RecipeError(first_line(error))
            outputs = devices.gather(outputs)[0]
            if isinstance(outputs, RecipeError):
                return str(outputs)

            def on_validation() -> Iterable[tuple[Any, Any]]:
                whole = outputs
                if where != "val":
                    whole = baseline.outputs(split["val"].examples) if devices.is_main else None
                    whole = devices.gather(whole)[0]
                return [(whole[indices], target) for indices, target in shares["val"]]

            try:
                with blaming("baseline", part):
                    meter = experiment.task.opponent_meter(on_validation)
                    for indices, target in shares[where]:
                        meter.update(outputs[indices], target)
                    if where == scored and devices.is_main and isinstance(outputs, Tensor):
                        decoded = experiment.task.decode(outputs)
                        if decoded and isinstance(decoded[0].get("label"), str):
                            found.answers[name] = [row["label"] for row in decoded]
            except RecipeError as error:  # one's own opponent, which gives something else than outputs
                return f"{error}; outputs gave {described(outputs)}"
            return meter

        if len(candidates) > 1:
            tried = []
            for settings in candidates:
                meter = counted("val", settings)
                if isinstance(meter, str):
                    words = ", ".join(f"{key}={value}" for key, value in settings.items())
                    found.left_out[f"{name} with {words}"] = meter
                else:
                    tried.append((_chosen_by(experiment.task, meter.compute()), settings))
            # Of equal scores the first counts, so candidates stand in the order in which they are preferred.
            best = max(tried, key=lambda pair: pair[0])[1] if tried else candidates[0]
        settings = best if best is not None else candidates[0]
        meter = counted(scored, settings)
        if isinstance(meter, str):
            # One reason says it all where no candidate can be fitted.
            found.left_out = {key: why for key, why in found.left_out.items() if not key.startswith(f"{name} with ")}
            found.left_out[name] = meter
            continue
        found.scores[name] = {f"{scored}/{score}": value for score, value in meter.compute().items()}
        if baseline.compared:
            found.meters[name] = meter
        if baseline.fitted_on is not None:
            settings = {**settings, "training_examples": baseline.fitted_on}
        if settings:
            found.settings[name] = dict(settings)
    return found


def _chosen_by(task: Task, scores: Mapping[str, float]) -> tuple[float, ...]:
    """What chooses a setting of an opponent, higher is better; the lowest of all where an opponent does not have it.

    It is the score that chooses the network's checkpoint. Cross-entropy is of use for a network only: decision values are no
    probabilities, and a table of phrases has none. There the meter's first score (accuracy, BLEU) comes before it.
    """
    name = task.best_by.removeprefix("-").removeprefix("val/")
    value = float(scores.get(name, math.nan))
    own = -math.inf if math.isnan(value) else -value if task.best_by.startswith("-") else value
    return (float(next(iter(scores.values()))), own) if name == "cross_entropy" else (own,)


def _baseline_name(part: Part, others: Sequence[Part]) -> str:
    """The part's name; if another baseline has the same name, with the arguments that differ."""
    same = [other for other in others if other.name == part.name and other is not part]
    different = [f"{key}={value}" for key, value in part.args.items() if any(o.args.get(key) != value for o in same)]
    return " ".join([str(part.name), *different])


def mean_and_spread(rows: Sequence[Mapping[str, float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Means, and standard deviations with n - 1; NaN where the score of a part is undefined."""
    means, spreads = {}, {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = torch.tensor([row.get(name, math.nan) for row in rows], dtype=torch.float64)
        means[name] = values.mean().item()
        spreads[name] = values.std().item() if len(rows) > 1 else 0.0
    return means, spreads
