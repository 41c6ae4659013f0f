"""From a recipe to its objects: the data are read and split, the encoder is fitted, the model and the task are made."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from convzoo.checks import check_classes, check_splits
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.labels import Tags
from convzoo.core.splits import Splits
from convzoo.core.task import Task
from convzoo.recipe.assembly import build, build_reader, load_class
from convzoo.recipe.registry import PARTS
from convzoo.recipe.types import Recipe
from convzoo.runs import restore
from convzoo.starting import Start
from convzoo.training.budget import settled
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import seed_everything
from convzoo.trial import blaming, try_parts


@dataclass
class Experiment:
    """The objects of a recipe, which training, checking and describing start from.

    Attributes:
        recipe: with numbers in the place of the settings that follow from the data
        chosen: what was chosen automatically from the data, a line each, with the settings that change it
        started: what was taken from the run that `train.start_from` names; empty without one
    """

    recipe: Recipe
    splits: Splits
    encoder: Encoder
    model: nn.Module
    task: Task
    chosen: Sequence[str] = ()
    started: str = ""


def assemble(
    recipe: Recipe,
    encoder_state: Path | None = None,
    resumed: bool = False,
    look_at: Callable[[Splits], None] | None = None,
) -> Experiment:
    """Read the data, fit the encoder on the training split (or load what it learnt), and make the model and the task.

    Args:
        recipe: of the experiment
        encoder_state: where the encoder's state lies, if the run has begun already
        resumed: a checkpoint has the weights, so those of `train.start_from` are not loaded again
        look_at: is given the data as soon as they were read, and may refuse them
    """
    train = recipe.train
    check_baselines(recipe)
    start = Start(recipe) if train.start_from is not None and not resumed else None
    seed_everything(train.seed)
    with blaming("data", recipe.data):
        splits = build_reader(recipe).read()
    if look_at is not None:
        look_at(splits)
    check_splits(splits)
    check_labels(recipe, splits)
    encoder = build("encoder", start.encoder_part() if start else recipe.encoder, origins=recipe.origins)
    if encoder_state is not None and encoder_state.with_suffix(".json").exists():
        restore(encoder, encoder_state)
    else:
        with blaming("encoder", recipe.encoder):
            encoder.fit(splits.train)
        if start:
            start.keep(encoder, splits.train)
    with blaming("encoder", recipe.encoder):
        dims = encoder.dims
    check_classes(splits, dims)
    task = build("task", recipe.task, dims, recipe.origins)
    seed_everything(recipe.train.seed)
    model = build("model", recipe.model, task.model_dims(dims), recipe.origins)
    with blaming("task", recipe.task):
        task.require(splits)
    try_parts(recipe, encoder, model, task, splits.train)
    started = start.give_weights(model, task.model_dims(dims), encoder) if start else ""
    if start and (seen := start.run.trained_on([*splits.val, *splits.test])):
        both = len(splits.val) + len(splits.test)
        started += (
            f"; {seen} of {both} validation and test examples were training examples there, so scores are too high"
        )
    advised = dims.get("batch_size")
    pieces = len(encoder.pieces(splits.train)) if "auto" in (train.batch_size, train.epochs, train.patience) else 0
    train, told = settled(train, pieces, None if advised is None else int(advised))
    chosen = [line for line in (encoder.advice(), told) if line]
    return Experiment(replace(recipe, train=train), splits, encoder, model, task, chosen, started)


_IN_WORDS = {
    "class": "a class", "number": "a number", "classes": "several classes at once", "entities": "entities in a text",
}  # fmt: skip


def check_labels(recipe: Recipe, splits: Splits) -> None:
    """Refuse data whose labels are not what the task learns: folders of classes for a regression.

    Raises:
        DataError: what the labels are, and what to change.
    """
    wanted = load_class("task", recipe.task.name).label_type
    example = splits.train[0]
    label = getattr(example, "label", None)
    several = "entities" if isinstance(label, Tags) else "classes"
    found = "class" if isinstance(label, str) else "number" if isinstance(label, float) else several
    if not isinstance(label, str | float | tuple) or found == wanted:
        return
    change = {
        "class": "take " + ("task=regression" if found == "number" else "task=multi_label"),
        "number": "give a table with a column of numbers (data.label=COLUMN), or take task=classification",
        "classes": "give a table with a column that lists them (a|b), or take task=classification",
        "entities": "give texts with tags or spans (data.name=tagged_texts)",
    }[wanted]
    raise DataError(
        f"{example.source}: the label {label!r} is {_IN_WORDS[found]}, but task {recipe.task.name} learns "
        f"{_IN_WORDS[wanted]}; {change}"
    )


def check_baselines(recipe: Recipe) -> None:
    """Refuse opponents that learn other labels than the task, before anything is trained.

    Raises:
        RecipeError: which opponent, and which ones fit.
    """
    wanted = load_class("task", recipe.task.name).label_type
    for part in recipe.baselines:
        found = getattr(load_class("baseline", part.name), "label_type", wanted)
        if found == wanted:
            continue
        # Opponents of the encoder's chapter take its examples; those that are in no chapter take any.
        chapter = PARTS["encoder"].get(str(recipe.encoder.name), "none").rpartition(".")[0]
        fitting = [
            name
            for home in ("convzoo.baselines", chapter)
            for name, place in PARTS["baseline"].items()
            if place.startswith(f"{home}.") and load_class("baseline", name).label_type == wanted
        ]
        raise RecipeError(
            f"baseline {part.name} learns {_IN_WORDS[found]}, but task {recipe.task.name} {_IN_WORDS[wanted]}; "
            f"say baselines=[{','.join(fitting)}]"
        )


def loaders(experiment: Experiment, devices: Devices) -> dict[str, Loader]:
    """A loader for each split that has examples."""
    train = experiment.recipe.train
    assert train.batch_size != "auto", "assemble has settled it"
    found = {}
    for name, examples in experiment.splits:
        if not len(examples):
            continue  # nothing is tested
        pieces = experiment.encoder.pieces(examples) if name == "train" else examples
        found[name] = Loader(
            pieces, experiment.encoder, train.batch_size, train.seed, train.accumulate if name == "train" else 1,
            train.bucket, devices.rank, devices.world, train.workers, train.cache_gigabytes * 1e9, train.batch_tokens,
        )  # fmt: skip
    if len(found["train"].examples) < found["train"].parts:
        raise DataError(
            f"{len(found['train'].examples)} training examples are too few for {found['train'].parts} micro-batches in a step; "
            "lower train.accumulate or the number of processes"
        )
    return found
