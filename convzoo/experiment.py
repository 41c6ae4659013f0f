"""From a recipe to its objects: the data are read and split, the encoder is fitted, the model and the task are made."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.splits import Splits
from convzoo.core.task import Task
from convzoo.recipe.assembly import build
from convzoo.recipe.types import Recipe
from convzoo.runs import (
    load_state,
)
from convzoo.starting import Start
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import seed_everything


@dataclass
class Experiment:
    """The objects of a recipe, which training, checking and describing start from."""

    recipe: Recipe
    splits: Splits
    encoder: Encoder
    model: nn.Module
    task: Task
    started: str = ""
    """What was taken from the run that `train.start_from` names; empty without one."""


def assemble(recipe: Recipe, encoder_state: Path | None = None, resumed: bool = False) -> Experiment:
    """Read the data, fit the encoder on the training split (or load what it learnt), and make the model and the task.

    Args:
        recipe: of the experiment
        encoder_state: where the encoder's state lies, if the run has begun already
        resumed: a checkpoint has the weights, so those of `train.start_from` are not loaded again
    """
    seed_everything(recipe.train.seed)
    start = Start(recipe) if recipe.train.start_from is not None and not resumed else None
    splits = build("data", recipe.data, origins=recipe.origins).read()
    check_splits(splits)
    encoder = build("encoder", start.encoder_part() if start else recipe.encoder, origins=recipe.origins)
    if encoder_state is not None and encoder_state.with_suffix(".json").exists():
        encoder.load_state(load_state(encoder_state))
    else:
        encoder.fit(splits.train)
        if start:
            start.keep(encoder, splits.train)
    dims = encoder.dims
    seed_everything(recipe.train.seed)
    model = build("model", recipe.model, dims, recipe.origins)
    task = build("task", recipe.task, dims, recipe.origins)
    task.require(splits)
    return Experiment(recipe, splits, encoder, model, task, start.give_weights(model, encoder) if start else "")


def check_splits(splits: Splits) -> None:
    """Refuse a split that is empty, or a group (a patient, a speaker, a document) that is in two splits.

    Raises:
        DataError: which split or group.
    """
    homes: dict[str, str] = {}
    for name, examples in splits:
        if not len(examples):
            raise DataError(f"the {name} split has no examples")
        for example in examples:
            group = getattr(example, "group", None)
            if group is not None and homes.setdefault(group, name) != name:
                raise DataError(
                    f"group {group!r} is in both {homes[group]} and {name}, so scores would be too high; keep it in one split"
                )


def loaders(experiment: Experiment, devices: Devices) -> dict[str, Loader]:
    """A loader for each split."""
    train = experiment.recipe.train
    size = _batch_size(experiment)
    found = {}
    for name, examples in experiment.splits:
        pieces = experiment.encoder.pieces(examples) if name == "train" else examples
        found[name] = Loader(
            pieces, experiment.encoder, size, train.seed, train.accumulate if name == "train" else 1,
            train.bucket, devices.rank, devices.world, train.workers, train.cache_gigabytes * 1e9, train.batch_tokens,
        )  # fmt: skip
    if len(found["train"].examples) < found["train"].parts:
        raise DataError(
            f"{len(found['train'].examples)} training examples are too few for {found['train'].parts} micro-batches in a step; "
            "lower train.accumulate or the number of processes"
        )
    return found


def _batch_size(experiment: Experiment) -> int:
    chosen = experiment.recipe.train.batch_size
    if chosen != "auto":
        return chosen
    advised = experiment.encoder.dims.get("batch_size")
    if advised is None:
        raise RecipeError(
            f"train.batch_size: encoder {experiment.recipe.encoder.name} does not choose one; set a number instead of auto"
        )
    return int(advised)
