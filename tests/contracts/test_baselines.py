"""What every opponent keeps to: the meter takes its outputs, it is the same every time, and it never sees the truth."""

import copy
import inspect
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import torch

from contracts.parts import Case, class_of, fresh, over, over_names, same, unlabelled, with_random_state
from convzoo.core.baseline import Baseline

KNOWN: dict[str, str] = {}
"""Faults that are known, by the case's label, each with its reason. A fault that is gone must be taken out."""


@cache
def judged(case: Case) -> list[Any]:
    """The first examples of the test split."""
    test = case.experiment().splits.test
    return [test[index] for index in range(min(6, len(test)))]


def trained(case: Case) -> Baseline:
    """The case's opponent, fitted anew."""
    experiment = case.experiment()
    opponent = fresh("baseline", case.part(experiment))
    opponent.fit(experiment.splits.train, experiment.encoder.dims)
    return opponent


@cache
def fitted(case: Case) -> Baseline:
    """The case's opponent, fitted once; not to be fitted again."""
    return with_random_state(0, lambda: trained(case))


@cache
def judgement(case: Case) -> Any:
    """What the opponent gives for the examples that are judged."""
    return with_random_state(1, lambda: fitted(case).outputs(judged(case)))


def decoded(case: Case, outputs: Any, indices: Sequence[int]) -> list[dict[str, Any]]:
    """Some of an opponent's outputs in plain values; what is said where the truth is known is left out."""
    rows = case.experiment().task.decode(outputs[list(indices)])
    return [{key: value for key, value in row.items() if key != "dice"} for row in rows]


def scores(case: Case, outputs: Any, size: int) -> Mapping[str, Any]:
    experiment, meter = case.experiment(), case.experiment().task.meter()
    count = len(judged(case))
    for first in range(0, count, size):
        indices = list(range(first, min(first + size, count)))
        target = experiment.encoder.encode([judged(case)[index] for index in indices]).target
        meter.update(outputs[indices], target)
    return meter.compute()


@over_names("baseline")
def test_an_opponent_takes_the_examples_and_the_dims(name: str) -> None:
    cls = class_of("baseline", name)
    for method in ("fit", "outputs"):
        assert method in vars(cls) or any(method in vars(base) for base in cls.__mro__[1:-2]), method


@over("baseline", KNOWN)
def test_the_tasks_meter_scores_an_opponent(case: Case) -> None:
    experiment = case.experiment()
    outputs = judgement(case)
    whole, parts = scores(case, outputs, 6), scores(case, outputs, 2)
    assert same(dict(whole), dict(parts), 1e-6)
    for name, value in whole.items():
        for each in value.values() if isinstance(value, Mapping) else [value]:
            assert not math.isinf(each), name  # NaN: these few examples do not define it
    assert {name.partition("/")[2] for name in experiment.recipe.expect} <= set(whole)


@over("baseline", KNOWN)
def test_a_list_of_indices_picks_rows_out_of_the_outputs(case: Case) -> None:
    outputs = judgement(case)
    every = [decoded(case, outputs, [index])[0] for index in range(len(judged(case)))]
    assert len(every) == len(judged(case))
    last = len(every) - 1
    assert last > 0
    assert same(decoded(case, outputs, [0, last]), [every[0], every[last]], 1e-6)
    assert same(decoded(case, outputs, [last, 0]), [every[last], every[0]], 1e-6)
    alone = fitted(case).outputs(judged(case)[last:])
    assert same(decoded(case, alone, [0])[0], every[last], 1e-4), "no example changes what is said of another"


@over("baseline", KNOWN)
def test_fitting_again_gives_the_same_outputs_and_changes_no_example(case: Case) -> None:
    experiment = case.experiment()
    train = [experiment.splits.train[index] for index in range(len(experiment.splits.train))]
    before, dims = copy.deepcopy((train, judged(case))), copy.deepcopy(dict(experiment.encoder.dims))
    again = with_random_state(5, lambda: trained(case).outputs(judged(case)))
    indices = range(len(judged(case)))
    assert same(decoded(case, judgement(case), indices), decoded(case, again, indices), 1e-6)
    assert same((train, judged(case)), before)
    assert same(dict(experiment.encoder.dims), dims)


@over("baseline", KNOWN)
def test_an_opponent_never_sees_the_truth_of_what_it_judges(case: Case) -> None:
    indices = range(len(judged(case)))
    blind = fitted(case).outputs([unlabelled(example) for example in judged(case)])
    assert same(decoded(case, blind, indices), decoded(case, judgement(case), indices), 1e-6)


@over("baseline", KNOWN)
def test_outputs_carry_no_gradient(case: Case) -> None:
    outputs = judgement(case)
    held = [outputs] if isinstance(outputs, torch.Tensor) else list(getattr(outputs, "__dict__", {}).values())
    assert not any(isinstance(value, torch.Tensor) and value.requires_grad for value in held)


@over_names("baseline")
def test_open_settings_are_arguments_that_a_recipe_may_leave_out(name: str) -> None:
    cls = class_of("baseline", name)
    signature = inspect.signature(cls)
    for setting, candidates in cls.choices.items():
        assert signature.parameters[setting].default is None, setting
        assert len(set(candidates)) == len(candidates) > 1, setting
        for value in candidates:
            assert getattr(cls(**{setting: value}), setting) == value
    assert len(cls().candidates()) <= 10, "trying them takes seconds"
