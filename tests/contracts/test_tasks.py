"""What every task keeps to: named losses that can be minimised, a row an example, a meter that knows better from worse."""

import copy
import inspect
import json
import math
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
import torch

from contracts.parts import Case, class_of, form_module, fresh, names, over, over_names, predicted, same, training_batch
from convzoo.core.batch import Batch
from convzoo.core.files import read_json, write_json
from convzoo.core.task import Task
from convzoo.experiment import Experiment
from convzoo.recipe.types import Part
from convzoo.runs import without_arrays

KNOWN_METER: dict[str, str] = {}
KNOWN_STATE: dict[str, str] = {}
"""Faults that are known, by the case's label, each with its reason. A fault that is gone must be taken out."""


MOST = 6
"""Examples of a split that a test looks at."""


def batches_of(experiment: Experiment, split: str, size: int) -> list[Batch]:
    """The first examples of a split in batches of a size."""
    examples = dict(iter(experiment.splits))[split]
    count = min(len(examples), MOST)
    return [
        experiment.encoder.encode([examples[index] for index in range(first, min(first + size, count))])
        for first in range(0, count, size)
    ]


def scores(task: Task, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    meter = task.meter()
    for outputs, target in pairs:
        meter.update(outputs, target)
    return dict(meter.compute())


@cache
def guessed(case: Case, split: str, size: int) -> list[tuple[Any, Any]]:
    """What a network that has learnt nothing gives for the first examples of a split, in batches of a size."""
    experiment = case.experiment()
    with torch.no_grad():
        model = experiment.model.eval()
        batches = batches_of(experiment, split, size)
        return [(experiment.task.predict(model, batch), batch.target) for batch in batches]


def flat(found: Mapping[str, Any]) -> dict[str, float]:
    """Scores by name; those that are mappings (by class) are taken apart."""
    return {
        f"{name}/{part}": value
        for name, values in found.items()
        for part, value in (values.items() if isinstance(values, Mapping) else [("", values)])
    }


@over_names("task")
def test_every_task_says_what_perfect_outputs_are(name: str) -> None:
    assert hasattr(form_module("task", name), "perfect"), (
        f"write tests/contracts/forms/task/{name}.py with perfect(task, target), the outputs of a model that is always right"
    )


@over("task")
def test_losses_are_named_numbers_with_gradients(case: Case) -> None:
    experiment = case.experiment()
    model = experiment.model.train()
    batch = training_batch(experiment, range(2))
    found = experiment.task.losses(model(**batch.inputs), batch.target)
    model.eval()
    assert found
    for name, value in found.items():
        assert isinstance(name, str) and name.isidentifier()
        assert value.ndim == 0 and value.is_floating_point(), name
        assert math.isfinite(value.item()), name
    total = torch.stack(list(found.values())).sum()
    gradients = torch.autograd.grad(total, [w for w in model.parameters() if w.requires_grad], allow_unused=True)
    assert any(gradient is not None and gradient.any() for gradient in gradients)


@over("task")
def test_each_example_has_a_prediction_and_a_truth_in_plain_values(case: Case) -> None:
    experiment = case.experiment()
    count = min(MOST, len(experiment.splits.test))
    ((outputs, target),) = guessed(case, "test", MOST)
    predictions, truths = experiment.task.decode(outputs), experiment.task.read_target(target)
    assert len(predictions) == len(truths) == count
    assert all(type(row) is dict and row for row in [*predictions, *truths])
    for prediction in predictions:
        json.dumps(without_arrays(prediction), allow_nan=False)
        assert isinstance(experiment.task.in_words(prediction, "what was shown"), str)
    json.dumps([without_arrays(truth) for truth in truths])
    assert same(experiment.task.decode(outputs), predictions), "decoding changes no outputs"


@over("task", KNOWN_METER)
def test_the_meter_gives_finite_numbers_and_what_chooses_the_best(case: Case) -> None:
    experiment = case.experiment()
    found = scores(experiment.task, guessed(case, "val", 4))
    for name, value in flat(found).items():
        assert isinstance(value, float | int) and not math.isinf(value), (
            name
        )  # NaN: these few examples do not define it
    split, _, name = experiment.task.best_by.removeprefix("-").partition("/")
    assert split == "val"
    assert name in found


@over("task", KNOWN_METER)
def test_perfect_outputs_score_better_than_those_of_a_network_that_knows_nothing(case: Case) -> None:
    experiment = case.experiment()
    pairs, perfect = guessed(case, "test", MOST), form_module("task", case.name).perfect
    best = scores(experiment.task, [(perfect(experiment.task, target), target) for _, target in pairs])
    worse = scores(experiment.task, pairs)
    name = experiment.task.best_by.partition("/")[2]
    sign = -1 if experiment.task.best_by.startswith("-") else 1
    assert sign * best[name] > sign * worse[name]
    assert all(math.isfinite(value) for value in flat(best).values())


@over("task", KNOWN_METER)
def test_scores_do_not_depend_on_how_a_split_is_divided(case: Case) -> None:
    experiment = case.experiment()
    found = [flat(scores(experiment.task, guessed(case, "val", size))) for size in (MOST, 4, 1)]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            assert other[name] == pytest.approx(value, rel=1e-4, abs=1e-5, nan_ok=True), name


@over("task", KNOWN_METER)
def test_the_order_of_examples_does_not_matter(case: Case) -> None:
    experiment = case.experiment()
    pairs = guessed(case, "val", 4)
    one, other = scores(experiment.task, pairs), scores(experiment.task, pairs[::-1])
    assert flat(other) == pytest.approx(flat(one), rel=1e-6, abs=1e-9, nan_ok=True)


@over("task", KNOWN_STATE)
def test_what_was_calibrated_is_saved(case: Case, tmp_path) -> None:
    experiment = case.experiment()
    part, dims = case.part(experiment), experiment.encoder.dims
    task, loaded = fresh("task", part, dims), fresh("task", part, dims)
    with torch.no_grad():
        task.calibrate(experiment.model.eval(), iter(batches_of(experiment, "val", 4)))
    state = copy.deepcopy(task.state())
    write_json(tmp_path / "task.json", state)
    loaded.load_state(read_json(tmp_path / "task.json"))
    assert same(loaded.state(), state)
    examples = [experiment.splits.test[index] for index in range(min(3, len(experiment.splits.test)))]
    expected = predicted(task, experiment.model, experiment.encoder, examples)
    assert same(predicted(loaded, experiment.model, experiment.encoder, examples), expected)


@over("task")
def test_calibrating_changes_no_weight_and_is_not_random(case: Case) -> None:
    experiment = case.experiment()
    before = copy.deepcopy(experiment.model.state_dict())
    states = []
    for size in (5, 3):
        task = fresh("task", case.part(experiment), experiment.encoder.dims)
        with torch.no_grad():
            task.calibrate(experiment.model.eval(), batches_of(experiment, "val", size))
        states.append(task.state())
    assert same(*states, tolerance=1e-4), "however the split is divided"
    assert same(dict(experiment.model.state_dict()), dict(before))


def choices() -> list[tuple[str, str]]:
    """Every task with each score that `best_by` may name."""
    found = []
    for name in names("task"):
        parameter = inspect.signature(class_of("task", name).__init__).parameters.get("best_by")
        found += [(name, choice) for choice in (typing.get_args(parameter.annotation) if parameter else ())]
    return found


@pytest.mark.parametrize(("name", "choice"), choices())
def test_every_score_that_may_choose_the_best_is_computed(name: str, choice: str) -> None:
    from contracts.parts import cases

    computed = False
    for case in cases("task"):
        if case.name != name:
            continue
        experiment = case.experiment()
        part = case.part(experiment)
        try:
            task = type(experiment.task)(**arguments(experiment, part, choice))
        except ValueError:
            continue  # a score of two classes, and there are more
        computed = True
        found = scores(task, guessed(case, "val", MOST))
        assert choice.removeprefix("-").removeprefix("val/") in found
    assert computed, "one of the forms takes it"


def arguments(experiment: Experiment, part: Part, choice: str) -> dict[str, Any]:
    """A task's arguments, those from the data too, with another choice."""
    parameters = inspect.signature(type(experiment.task).__init__).parameters
    dims = {name: value for name, value in experiment.encoder.dims.items() if name in parameters}
    return {**dims, **part.args, "best_by": choice}


@over("task")
def test_a_task_takes_its_forms_splits(case: Case) -> None:
    experiment = case.experiment()
    assert experiment.task.require(experiment.splits) is None
