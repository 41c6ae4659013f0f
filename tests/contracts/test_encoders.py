"""What every encoder keeps to: learnt from training only, saved whole, the same in any batch, random by its draws alone."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.parts import (
    Case,
    cases,
    class_of,
    fresh,
    names,
    over,
    over_names,
    predicted,
    row_of,
    same,
    training_batch,
    unlabelled,
    with_random_state,
    with_the_rest_scrambled,
)
from convzoo.core.encoder import Encoder
from convzoo.core.randomness import Draws
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.pair import Pair
from convzoo.runs import load_state, save_state

KNOWN_REFIT: dict[str, str] = {}
KNOWN_ROWS: dict[str, str] = {}
KNOWN_DRAWS: dict[str, str] = {}
"""Faults that are known, by the case's label, each with its reason. A fault that is gone must be taken out."""

NEVER_AUGMENTS = {
    "series": "windows are taken as they were recorded: a turned sensor is another sensor",
    "labelled_series": "no change of a series keeps every kind of class: level, spread, order and time may each be the class",
    "parallel_text": "both sentences are needed as they are",
    "events": "what happened is not changed; only which of the quiet pieces an epoch learns from is drawn",
}


def few(examples: Sequence[Any], count: int = 3) -> list[Any]:
    """The first examples of a split."""
    return [examples[index] for index in range(min(count, len(examples)))]


def new(case: Case) -> Encoder:
    """The case's encoder, not fitted."""
    experiment = case.experiment()
    return fresh("encoder", case.part(experiment))


@over_names("encoder")
def test_every_encoder_has_a_small_form(name: str) -> None:
    for case in cases("encoder"):
        if case.name == name:
            assert case.experiment().encoder is not None


@over("encoder")
def test_fitting_sees_the_training_split_only(case: Case) -> None:
    experiment = case.experiment()
    learnt, dims = copy.deepcopy(experiment.encoder.state()), copy.deepcopy(dict(experiment.encoder.dims))
    for _, examples in experiment.splits:
        experiment.encoder.encode(few(examples))
    assert same(experiment.encoder.state(), learnt), "encoding teaches nothing"
    assert same(dict(experiment.encoder.dims), dims)
    other = new(case)
    other.fit(with_the_rest_scrambled(experiment.splits))
    assert same(other.state(), learnt), "what stands beside the training split, in the same object, is not looked at"


@over("encoder", KNOWN_REFIT)
def test_fitting_again_forgets_what_was_learnt_before(case: Case) -> None:
    experiment = case.experiment()
    encoder = copy.deepcopy(experiment.encoder)
    encoder.fit(experiment.splits.train)
    assert same(encoder.state(), experiment.encoder.state())


@over("encoder")
def test_what_is_saved_encodes_to_the_same_bits(case: Case, tmp_path: Path) -> None:
    experiment = case.experiment()
    save_state(tmp_path / "encoder", experiment.encoder.state())
    json.loads((tmp_path / "encoder.json").read_text())
    loaded = new(case)
    loaded.load_state(load_state(tmp_path / "encoder"))
    assert same(dict(loaded.dims), dict(experiment.encoder.dims))
    for examples in (few(experiment.splits.val), few(experiment.splits.test)):
        assert same(vars(loaded.encode(examples)), vars(experiment.encoder.encode(examples)))
    indices = range(min(4, len(loaded.pieces(experiment.splits.train))))
    draws = Draws(0, 1, indices)
    batches = [
        encoder.gather(encoder.pieces(experiment.splits.train), indices, draws)
        for encoder in (loaded, experiment.encoder)
    ]
    assert same(vars(batches[0]), vars(batches[1])), "augmented alike, too"
    save_state(tmp_path / "again", loaded.state())
    for suffix in ("json", "safetensors"):
        assert (tmp_path / f"again.{suffix}").read_bytes() == (tmp_path / f"encoder.{suffix}").read_bytes()


@over("encoder", KNOWN_ROWS)
def test_an_example_alone_is_its_row_in_a_batch(case: Case) -> None:
    experiment = case.experiment()
    examples = few(experiment.splits.val)
    whole = experiment.encoder.encode(examples)
    truths = experiment.task.read_target(whole.target)
    together = predicted(experiment.task, experiment.model, experiment.encoder, examples)
    assert len(truths) == len(together) == len(examples)
    for row, example in enumerate(examples):
        single = experiment.encoder.encode([example])
        assert same(experiment.task.read_target(single.target), [truths[row]])
        for name, value in single.inputs.items():
            found = row_of(whole.inputs[name], row, len(examples), value)
            assert found is None or same(found, value, 1e-5), name
        (alone,) = predicted(experiment.task, experiment.model, experiment.encoder, [example])
        assert same(alone, together[row], 2e-4)


@over("encoder")
def test_the_truth_is_not_among_the_inputs(case: Case) -> None:
    experiment = case.experiment()
    examples = few(experiment.splits.test)
    blind = experiment.encoder.encode([unlabelled(example) for example in examples])
    seeing = experiment.encoder.encode(examples)
    # What a translator has written so far is an input while it is taught; it writes without.
    taught = {"target_in"}
    for name in seeing.inputs.keys() - taught:
        assert same(blind.inputs[name], seeing.inputs[name]), name


@over("encoder")
def test_encoding_is_not_random(case: Case) -> None:
    experiment = case.experiment()
    examples = few(experiment.splits.val)
    one, other = (with_random_state(seed, lambda: experiment.encoder.encode(examples)) for seed in (1, 2))
    assert same(vars(one), vars(other))


@over("encoder", KNOWN_DRAWS)
def test_a_training_batch_depends_on_seed_epoch_and_index_alone(case: Case) -> None:
    experiment = case.experiment()
    count = min(4, len(experiment.encoder.pieces(experiment.splits.train)))
    indices = list(range(count))[::-1]
    one, other = (with_random_state(seed, lambda: training_batch(experiment, indices)) for seed in (1, 2))
    assert same(vars(one), vars(other)), "the same draws give the same bits"
    later, seeded = training_batch(experiment, indices, epoch=1), training_batch(experiment, indices, seed=1)
    changes = [not same(one.inputs, batch.inputs) for batch in (later, seeded)]
    assert changes in ([True, True], [False, False]), "both, or neither"
    assert case.form is not None
    assert case.form.augments in (None, changes[0])


@over_names("encoder")
def test_an_encoder_that_augments_has_a_form_that_does(name: str) -> None:
    forms = [case for case in cases("encoder") if case.name == name]
    augmented = []
    for case in forms:
        experiment = case.experiment()
        indices = range(min(4, len(experiment.encoder.pieces(experiment.splits.train))))
        one, other = (training_batch(experiment, indices, epoch) for epoch in (0, 1))
        augmented.append(not same(one.inputs, other.inputs))
    assert any(augmented) == (name not in NEVER_AUGMENTS)


@over("encoder", KNOWN_DRAWS)
def test_a_step_is_the_same_however_its_batch_is_divided(case: Case) -> None:
    """`size` is the weight of a part: the losses of two parts, so weighted, are those of the whole batch."""
    experiment = case.experiment()
    pieces = len(experiment.encoder.pieces(experiment.splits.train))
    # As in training, but for what is random or counts over the batch: dropout and the norms are below.
    model = copy.deepcopy(experiment.model).double().eval()
    model.training = True

    def losses(indices: Sequence[int]) -> tuple[dict[str, float], int]:
        batch = training_batch(experiment, indices).to(torch.device("cpu"), torch.float64)
        with torch.no_grad():
            found = experiment.task.losses(model(**batch.inputs), batch.target)
        return {name: float(value) for name, value in found.items()}, batch.size

    @settings(max_examples=2)
    @given(st.lists(st.integers(0, pieces - 1), min_size=2, max_size=4, unique=True), st.data())
    def check(indices: list[int], data: st.DataObject) -> None:
        cut = data.draw(st.integers(1, len(indices) - 1))
        (whole, size), *parts = losses(indices), losses(indices[:cut]), losses(indices[cut:])
        assert size == sum(part for _, part in parts)
        for name, value in whole.items():
            weighted = sum(found[name] * part for found, part in parts) / size
            assert weighted == pytest.approx(value, rel=1e-6, abs=1e-9), name

    check()


@over("encoder")
def test_collating_leaves_prepared_items_as_they_are(case: Case) -> None:
    experiment = case.experiment()
    encoder = experiment.encoder
    pieces = encoder.pieces(experiment.splits.train)
    indices = range(min(3, len(pieces)))
    items = [encoder.prepare(pieces[index]) for index in indices]
    assert same(items, [encoder.prepare(pieces[index]) for index in indices]), "preparing is not random"
    before = copy.deepcopy(items)
    one = encoder.collate(items, Draws(0, 0, indices))
    assert same(items, before), "what is cached is used again in the next epoch"
    assert same(vars(one), vars(encoder.gather(pieces, indices, Draws(0, 0, indices))), 1e-5), (
        "gather is prepare and collate"
    )


@over("encoder")
def test_examples_are_taken_as_inputs(case: Case) -> None:
    experiment = case.experiment()
    examples = few(experiment.splits.test)
    found = experiment.encoder.from_inputs(examples)
    assert len(found) == len(examples)
    assert all(one is other for one, other in zip(found, examples, strict=True))


@over("encoder")
def test_lengths_are_numbers_and_names_are_texts(case: Case) -> None:
    experiment = case.experiment()
    encoder = experiment.encoder
    for example in few(experiment.splits.val):
        item = encoder.prepare(example)
        length, labels = encoder.length(item), encoder.input_names(item)
        several = length if isinstance(length, tuple) else (length,)
        assert all(part is None or (type(part) is int and part >= 0) for part in several)
        assert labels is None or all(isinstance(label, str) for label in labels)
    assert isinstance(encoder.advice(), str)


TYPED = [case for case in cases("encoder") if class_of("encoder", case.name).example in (Text, Pair)]


@pytest.mark.parametrize("case", TYPED, ids=lambda case: case.label)
def test_any_text_can_be_predicted_from(case: Case) -> None:
    experiment = case.experiment()

    @settings(max_examples=8)
    @given(st.lists(st.text(max_size=40), min_size=1, max_size=3))
    def check(texts: list[str]) -> None:
        examples = experiment.encoder.from_lines(texts)
        assert len(examples) == len(texts)
        batch = experiment.encoder.encode(examples)
        assert all(len(value) == len(texts) for value in batch.inputs.values())
        with torch.no_grad():
            outputs = experiment.model.eval()(**batch.inputs)
        assert bool(torch.isfinite(outputs).all())

    check()


def test_encoders_are_found() -> None:
    assert {case.name for case in cases("encoder")} == set(names("encoder"))
