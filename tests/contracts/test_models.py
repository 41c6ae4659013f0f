"""What every model keeps to: the batch's keys, shapes that are written down, weights that all learn, rows that stay apart."""

import copy
import inspect
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from torch import Tensor, nn

from contracts.parts import (
    Case,
    class_of,
    fresh,
    names,
    over,
    over_names,
    row_of,
    same,
    training_batch,
    with_random_state,
)
from convzoo.core.batch import Batch
from convzoo.runs import save_weights

KNOWN_GRADIENTS: dict[str, str] = {}
KNOWN_ROWS: dict[str, str] = {}
"""Faults that are known, by the case's label, each with its reason. A fault that is gone must be taken out."""


def forward_arguments(model: type) -> dict[str, inspect.Parameter]:
    """The arguments of `forward`, without self."""
    parameters = dict(list(inspect.signature(model.forward).parameters.items())[1:])
    kinds = {parameter.kind for parameter in parameters.values()}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}, "each input has a name"
    return parameters


def pieces_for_scoring(case: Case, indices: list[int]) -> Batch:
    """Pieces of the training split without augmentation: what fits through `forward` whole."""
    experiment = case.experiment()
    return experiment.encoder.gather(experiment.encoder.pieces(experiment.splits.train), indices)


def outputs_of(model: nn.Module, batch: Batch) -> Any:
    with torch.no_grad():
        return model.eval()(**batch.inputs)


@over_names("model")
def test_shapes_are_annotated_and_written_down(name: str) -> None:
    cls = class_of("model", name)
    words = inspect.getdoc(cls) or ""
    assert "Shape:" in words
    shapes = words.partition("Shape:")[2]
    for argument, parameter in forward_arguments(cls).items():
        assert parameter.annotation is not inspect.Parameter.empty, argument
        assert re.search(rf"\b{argument}: .*\(", shapes), argument
    assert "output" in shapes
    assert inspect.signature(cls.forward).return_annotation is not inspect.Signature.empty


def tensors_of(outputs: Any) -> list[Tensor]:
    """The tensors of a network's outputs."""
    return [outputs] if isinstance(outputs, Tensor) else list(outputs)


@over("model")
def test_forward_takes_the_keys_of_the_batch(case: Case) -> None:
    experiment = case.experiment()
    arguments = forward_arguments(type(experiment.model))
    needed = {name for name, parameter in arguments.items() if parameter.default is parameter.empty}
    for batch in (training_batch(experiment, [0, 1]), pieces_for_scoring(case, [0, 1])):
        assert set(batch.inputs) <= arguments.keys()
    # What is only there while training (candidates to choose between) has a default.
    assert needed <= set(pieces_for_scoring(case, [0, 1]).inputs)


@over("model", KNOWN_GRADIENTS)
def test_every_weight_learns(case: Case) -> None:
    experiment = case.experiment()
    model = fresh("model", case.part(experiment), experiment.task.model_dims(experiment.encoder.dims)).train()
    count = min(8, len(experiment.encoder.pieces(experiment.splits.train)))
    reached: dict[str, bool] = {name: False for name, weight in model.named_parameters() if weight.requires_grad}
    assert reached
    # Over a few steps: what one batch's dropout leaves out, another has; and a branch may begin with a scale of zero.
    for epoch in range(3):
        batch = training_batch(experiment, range(count), epoch)
        losses = experiment.task.losses(model(**batch.inputs), batch.target)
        model.zero_grad()
        torch.stack(list(losses.values())).sum().backward()
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                assert bool(torch.isfinite(weight.grad).all()), name
                reached[name] = reached[name] or bool(weight.grad.any())
        with torch.no_grad():
            for weight in model.parameters():
                if weight.grad is not None:
                    weight -= 0.05 * weight.grad
    assert all(reached.values()), [name for name, found in reached.items() if not found]


@over("model")
def test_outside_training_nothing_is_random(case: Case) -> None:
    experiment = case.experiment()
    batch = pieces_for_scoring(case, [0, 1])
    before = copy.deepcopy(experiment.model.state_dict())
    one, other = (with_random_state(seed, lambda: outputs_of(experiment.model, batch)) for seed in (1, 2))
    assert same(one, other)
    assert same(dict(experiment.model.state_dict()), dict(before)), "being used changes no weight"


@over("model", KNOWN_ROWS)
def test_a_row_does_not_depend_on_its_batch(case: Case) -> None:
    experiment = case.experiment()
    whole = outputs_of(experiment.model, pieces_for_scoring(case, [0, 1]))
    for row in (0, 1):
        alone = outputs_of(experiment.model, pieces_for_scoring(case, [row]))
        # Of several tensors the first has a row an example; others may be the same for all, as the transitions of a chain.
        for number, (one, both) in enumerate(zip(tensors_of(alone), tensors_of(whole), strict=True)):
            found = row_of(both, row, 2, one) if number == 0 or len(both) == 2 else both
            assert found is not None, (
                f"(batch, …) is expected, not {tuple(both.shape)} of two and {tuple(one.shape)} of one"
            )
            assert torch.allclose(found, one, rtol=1e-4, atol=1e-4)


@over("model")
def test_weights_go_into_a_new_model(case: Case, tmp_path: Path) -> None:
    experiment = case.experiment()
    dims, part = experiment.task.model_dims(experiment.encoder.dims), case.part(experiment)
    batch = pieces_for_scoring(case, [0, 1])
    one, twin, other = (with_random_state(seed, lambda: fresh("model", part, dims)) for seed in (1, 1, 2))
    assert same(dict(one.state_dict()), dict(twin.state_dict())), "weights come from the seed"
    # As the trainer gives them: a weight that is shared stands in the file twice.
    weights = {name: value.clone() for name, value in one.state_dict().items()}
    save_weights(tmp_path / "model.safetensors", weights)
    other.load_state_dict(load_tensors((tmp_path / "model.safetensors").read_bytes()))
    assert same(outputs_of(one, batch), outputs_of(other, batch))


@over("model")
def test_outputs_are_finite_numbers(case: Case) -> None:
    found = outputs_of(case.experiment().model, pieces_for_scoring(case, [0, 1]))
    for each in tensors_of(found):
        assert bool(torch.isfinite(each).all())
        assert each.is_floating_point()


@over("model")
def test_a_small_step_against_the_gradient_lowers_the_loss(case: Case) -> None:
    experiment = case.experiment()
    model = (
        with_random_state(
            0, lambda: fresh("model", case.part(experiment), experiment.task.model_dims(experiment.encoder.dims))
        )
        .double()
        .eval()
    )
    model.training = True
    count = min(4, len(experiment.encoder.pieces(experiment.splits.train)))
    batch = training_batch(experiment, range(count)).to(torch.device("cpu"), torch.float64)

    def loss() -> Tensor:
        return torch.stack(list(experiment.task.losses(model(**batch.inputs), batch.target).values())).sum()

    before = loss()
    before.backward()
    with torch.no_grad():
        squared = sum(weight.grad.square().sum() for weight in model.parameters() if weight.grad is not None)
        for weight in model.parameters():
            if weight.grad is not None:
                weight -= min(1e-6, 1e-4 / float(squared)) * weight.grad
        assert loss() < before


def test_models_are_found() -> None:
    assert len(names("model")) > 1
