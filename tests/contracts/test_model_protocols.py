"""Every registered model keeps the promises of the protocols in `core/model.py`, and they are all that others ask of a model."""

import ast
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from torch import Tensor, nn

import convzoo
import convzoo.core.model as protocols
from convzoo.core.config import TrainConfig
from convzoo.inspect.describe import describe
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.ops.pieces import in_pieces
from convzoo.ops.sparse import GraphTensors, SparseMatrix
from convzoo.recipe.assembly import load_class
from convzoo.recipe.registry import entries
from convzoo.training.optimisation import make_optimizer
from convzoo.training.random_states import Seeds

PROTOCOLS = {
    name: value
    for name, value in vars(protocols).items()
    if inspect.isclass(value) and value.__module__ == protocols.__name__
}
OF_LAYERS = ("HasOwnDecay", "DrawsNumbers", "DescribesItself")
"""Those that any module is asked for; the others are asked of a whole model."""


# Small forms


def tokens(*shape: int, vocabulary: int = 20) -> Tensor:
    """Numbers of tokens that are no padding."""
    return torch.randint(4, vocabulary, shape)


def adjacency(nodes: int) -> SparseMatrix:
    """A symmetric matrix of a graph in which each node has a neighbour."""
    ring = scipy.sparse.diags([0.5, 0.5, 0.2], [-1, 1, 0], shape=(nodes, nodes), dtype=np.float32)
    return SparseMatrix.of(scipy.sparse.csr_matrix(ring))


def cloud() -> dict[str, Tensor]:
    """Two frames, one after another."""
    points = torch.rand(60, 4) * torch.tensor([16.0, 16.0, 2.0, 1.0]) + torch.tensor([0.0, -8.0, -2.0, 0.0])
    return {"points": points, "frame": torch.tensor([0] * 40 + [1] * 20), "counts": torch.tensor([40, 20])}


SMALL: dict[str, Callable[[], tuple[dict[str, Any], dict[str, Any]]]] = {
    "masked_tcn1d": lambda: (
        {"in_channels": 5, "channels": 4, "dilations": [1, 2], "own_after": 6, "groups": 3, "dropout": 0.3},
        {"values": torch.randn(2, 5, 40)},
    ),
    "tcn1d": lambda: (
        {"in_channels": 3, "channels": 4, "dilations": [1, 2], "dropout": 0.3},
        {"values": torch.randn(2, 3, 40)},
    ),
    "history_cnn1d": lambda: (
        {"in_channels": 3, "category_sizes": [4, 9], "outputs": 2, "channels": 4, "dilations": [1, 2], "dropout": 0.2},
        {
            "numbers": torch.randn(2, 3, 20), "categories": torch.randint(0, 4, (2, 2, 20)), "lengths": torch.tensor([20, 12]),
        },
    ),
    "autoencoder_cnn1d": lambda: (
        {"in_channels": 3, "channels": [4, 2], "kernel_size": 3},
        {"values": torch.randn(2, 3, 96)},
    ),
    "cnn1d": lambda: (
        {"vocabulary_size": 20, "classes": 3, "channels": 4, "embedding_size": 4},
        {"tokens": tokens(2, 9)},
    ),
    "dilated_cnn1d": lambda: (
        {"vocabulary_size": 20, "classes": 3, "channels": 4, "embedding_size": 4},
        {"tokens": tokens(2, 9)},
    ),
    "region_cnn1d": lambda: (
        {"vocabulary_size": 20, "classes": 3, "channels": 4},
        {"tokens": tokens(2, 9), "evidence": torch.randn(2, 3)},
    ),
    "char_cnn1d": lambda: (
        {"vocabulary_size": 20, "classes": 3, "channels": [4, 4], "kernel_sizes": [3, 3], "embedding_size": 4},
        {"tokens": tokens(2, 9)},
    ),
    "vdcnn1d": lambda: (
        {"vocabulary_size": 20, "classes": 3, "channels": 2, "embedding_size": 4, "k": 2},
        {"tokens": tokens(2, 9)},
    ),
    "cnn2d": lambda: (
        {"in_channels": 1, "height": 24, "width": 24, "classes": 3, "channels": [2, 4], "dropouts": [0.2, 0.2]},
        {"image": torch.randn(2, 1, 24, 24)},
    ),
    "resnet2d": lambda: (
        {"in_channels": 1, "classes": 3, "channels": [4, 8], "blocks": [1, 1], "block_dropout": 0.2},
        {"image": torch.randn(2, 1, 16, 16)},
    ),
    "convs2s": lambda: (
        {"source_size": 20, "target_size": 20, "joint": False, "channels": 8, "embedding_size": 8, "decoder_layers": 2},
        {"source": tokens(3, 7), "target_in": tokens(3, 5)},
    ),
    "lightconv": lambda: (
        {
            "source_size": 20, "target_size": 20, "joint": False, "channels": 8, "hidden": 8, "heads": 2,
            "encoder_kernel_sizes": [3], "decoder_kernel_sizes": [3, 3],
        },
        {"source": tokens(3, 7), "target_in": tokens(3, 5)},
    ),
    "idcnn": lambda: (
        {
            "tags": ("O", "B-X", "I-X"), "features": 2, "alphabet": 9, "channels": 4, "embedding_size": 3, "rows": 11,
            "character_size": 3, "character_channels": 3,
        },
        {
            "features": torch.randint(0, 60_000, (2, 7, 2, 4)),
            "characters": torch.randint(1, 9, (2, 7, 5)),
        },
    ),
    "waveform_cnn1d": lambda: (
        {"in_channels": 1, "classes": 3, "channels": [4, 4], "dropout": 0.2},
        {"waveform": torch.randn(2, 1, 800)},
    ),
    "lite": lambda: (
        {"in_channels": 2, "classes": 3, "channels": 4, "kernel_size": 12, "dropout": 0.2},
        {"series": torch.randn(3, 2, 40), "mask": torch.arange(40) < torch.tensor([[40], [31], [9]])},
    ),
    "fcn1d": lambda: (
        {"in_channels": 1, "classes": 3, "channels": [4, 4], "kernel_sizes": [8, 3], "members": 2},
        {"series": torch.randn(2, 1, 40)},
    ),
    "resnet1d": lambda: (
        {"in_channels": 2, "classes": 3, "channels": [4, 4]},
        {"series": torch.randn(2, 2, 40), "mask": torch.arange(40) < torch.tensor([[40], [31]])},
    ),
    "inception_time": lambda: (
        {"in_channels": 2, "classes": 3, "channels": 2, "depth": 3, "kernel_size": 8, "bottleneck": 2},
        {"series": torch.randn(2, 2, 40)},
    ),
    "separable_cnn1d": lambda: (
        {"mels": 8, "classes": 3, "channels": 4, "outer_channels": 4, "kernel_sizes": [3], "last_kernel_size": 5},
        {"spectrogram": torch.randn(2, 8, 40)},
    ),
    "quartznet1d": lambda: (
        {
            "mels": 8, "vocabulary_size": 5, "stride": 2, "channels": 4, "outer_channels": 4, "kernel_sizes": [3, 4],
            "first_kernel_size": 5, "last_kernel_size": 3,
        },
        {"spectrogram": torch.randn(2, 8, 90), "frames": torch.tensor([90, 71])},
    ),
    "graph_network": lambda: (
        {"in_channels": 5, "classes": 3, "channels": 4, "conv": "gcn2", "layers": 3, "end_decay": 0.5},
        {"graph": GraphTensors(torch.randn(12, 5), adjacency(12)), "nodes": torch.tensor([1, 4])},
    ),
    "link_network": lambda: (
        {"in_channels": 40, "channels": 4, "layers": 3, "dropout": 0.3},
        {
            "graph": GraphTensors(torch.randn(12, 40), adjacency(12)),
            "pairs": torch.tensor([[1, 4]]), "common": adjacency(12).part(3, 4),
        },
    ),
    "community_network": lambda: (
        {"in_channels": 5, "channels": 4},
        {"graph": GraphTensors(torch.randn(12, 5), adjacency(12)), "nodes": torch.tensor([1, 4])},
    ),
    "whole_graph_network": lambda: (
        {
            "in_channels": 5, "classes": 3, "edge_channels": 2, "channels": 4, "layers": 2, "dropout": 0.2,
            "pooling": ["sum", "attention"],
        },
        {
            "graph": GraphTensors(torch.randn(12, 5), adjacency(12), torch.randn(34, 2)),
            "member": torch.tensor([0] * 7 + [1] * 5),
            "counts": torch.tensor([7, 5]),
        },
    ),
    "lightgcn": lambda: (
        {"users": 5, "items": 7, "adjacency": adjacency(12), "embedding_size": 4},
        {"users": torch.tensor([0, 3])},
    ),
    "resnet3d": lambda: (
        {"in_channels": 1, "classes": 3, "channels": [2, 4], "blocks": [1, 1]},
        {"volume": torch.randn(2, 1, 8, 8, 8)},
    ),
    "monai_classifier": lambda: (
        {"in_channels": 1, "classes": 3, "network": "resnet10"},
        {"volume": torch.randn(2, 1, 32, 32, 32)},
    ),
    "unet": lambda: (
        {"in_channels": 1, "classes": 3, "dimensions": 2, "base_channels": 2, "strides": [[1, 1], [2, 2], [2, 2]]},
        {"image": torch.randn(2, 1, 16, 16)},
    ),
    "c3d": lambda: (
        {"in_channels": 1, "frames": 4, "height": 16, "width": 16, "classes": 3, "channels": [2, 4]},
        {"clip": torch.randn(2, 1, 4, 16, 16)},
    ),
    "r3d": lambda: (
        {"in_channels": 1, "classes": 3, "channels": [2, 4], "blocks": [1, 1], "dropout": 0.2},
        {"clip": torch.randn(2, 1, 4, 16, 16)},
    ),
    "pillars": lambda: (
        {
            "classes": 2, "bounds": [0.0, 16.0, -8.0, 8.0], "pillar": 1.0, "channels": [4, 4], "blocks": [1, 1],
            "pillar_channels": 4, "neck_channels": 4, "head_channels": 4,
        },
        cloud(),
    ),
}  # fmt: skip
"""For each registered model its arguments, small, and those of its `forward` for a batch of two or more."""


def small(name: str) -> tuple[nn.Module, dict[str, Any]]:
    """A model in evaluation mode, and inputs."""
    torch.manual_seed(0)
    arguments, inputs = SMALL[name]()
    return load_class("model", name)(**arguments).eval(), inputs


@cache
def seen(name: str) -> nn.Module:
    """The same model, to look at and not to change."""
    return small(name)[0]


def members(protocol: type) -> dict[str, Any]:
    """What a protocol asks for: its methods, properties and annotated attributes."""
    found = {name: value for name, value in vars(protocol).items() if not name.startswith("_")}
    return found | dict.fromkeys(inspect.get_annotations(protocol))


NAMES = {name for protocol in PROTOCOLS.values() for name in members(protocol)}
MODELS = sorted(name for name, entry in entries("model").items() if entry.place.startswith("convzoo."))


def arguments_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """A method's parameters besides `self`."""
    return {name: value for name, value in inspect.signature(function).parameters.items() if name != "self"}


def satisfies(module: nn.Module, protocol: type) -> bool:
    """Whether a module has all that a protocol asks for, with the same arguments."""
    for name, asked in members(protocol).items():
        own = inspect.getattr_static(module, name, None)
        if own is None:
            return False
        if inspect.isfunction(asked):
            wanted = arguments_of(asked)
            if any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted.values()):
                wanted = arguments_of(type(module).forward)
            if not inspect.isfunction(own) or list(arguments_of(own)) != list(wanted):
                return False
    return True


def asked_for(module: nn.Module) -> set[str]:
    """The names of protocols' members that a module has; its submodules and parameters do not count."""
    return {name for name in NAMES if inspect.getattr_static(module, name, None) is not None}


def satisfying(protocol: type, all_modules: bool = False) -> list[str]:
    """The registered models that offer something, themselves or in one of their modules."""
    found = []
    for name in MODELS:
        model = seen(name)
        if any(satisfies(module, protocol) for module in (model.modules() if all_modules else [model])):
            found.append(name)
    return found


# All protocols


@pytest.mark.parametrize("name", MODELS)
def test_described_shapes_are_those_of_a_forward_pass(name: str) -> None:
    """Of each layer outside a block what it gives; inside a block what the convolution gives after its padding is cut off."""
    model, inputs = small(name)
    tensors = [value for value in inputs.values() if isinstance(value, Tensor)]
    if len({value.shape[0] for value in tensors}) == 1:  # a batch of grids: one of them is described
        inputs = {key: value[:1] if isinstance(value, Tensor) else value for key, value in inputs.items()}
    inside = {
        part: block for block in model.modules() if isinstance(block, ConvolutionBlock) for part in block.modules()
    }
    found: dict[str, tuple[int, ...]] = {}

    def keep(place: str) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: tuple, output: Any) -> None:
            output = output[0] if isinstance(output, tuple) and output else output
            if isinstance(output, Tensor):
                found.setdefault(place, tuple(output.shape[1:]))

        return hook

    for place, module in model.named_modules():
        if isinstance(module, ConvolutionBlock):
            module.normalisation.register_forward_hook(keep(f"{place}.convolution"))
        elif module not in inside and not list(module.children()):
            module.register_forward_hook(keep(place))
    described = {layer.name: layer.output_shape for layer in describe(model, inputs).layers}
    both = found.keys() & described.keys()
    assert both, "no layer is in both"
    assert {place: described[place] for place in both} == {place: found[place] for place in both}


def test_every_registered_model_has_a_small_form() -> None:
    assert sorted(SMALL) == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_names_of_protocols_mean_what_the_protocols_say(name: str) -> None:
    model = seen(name)
    for place, module in model.named_modules():
        whole = module is model
        kept = {
            member
            for key, protocol in PROTOCOLS.items()
            if (whole or key in OF_LAYERS) and satisfies(module, protocol)
            for member in members(protocol)
        }
        asked = asked_for(module)
        if not whole:  # what only whole models are asked for may mean something else in a layer
            asked &= {member for key in OF_LAYERS for member in members(PROTOCOLS[key])}
        assert asked <= kept, f"{type(module).__name__} at {place!r}: {asked - kept}"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_says_what_it_is_for_and_has_a_user(name: str) -> None:
    protocol = PROTOCOLS[name]
    assert protocol._is_runtime_protocol
    assert protocol.__doc__
    for member, value in members(protocol).items():
        assert getattr(value, "__doc__", None) or f"{member}:" in protocol.__doc__, member
    assert satisfying(protocol, name in OF_LAYERS), f"no registered model offers {name}"
    asked = [path for path, tree in sources() if name in _names(tree)]
    assert asked, f"nobody asks for {name}"


# One by one


@pytest.mark.parametrize("name", satisfying(protocols.StreamFollower))
@pytest.mark.parametrize("steps", [1, 7])
def test_following_a_stream_gives_what_the_whole_gives(name: str, steps: int) -> None:
    model, inputs = small(name)
    values: Tensor = inputs["values"]
    assert isinstance(model, protocols.StreamFollower)
    with torch.no_grad():
        state, parts = model.start(len(values)), []
        for part in values.split(steps, dim=2):
            expected, state = model.step(part, state)
            parts.append(expected)
        torch.testing.assert_close(torch.cat(parts, dim=2), model(values), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", satisfying(protocols.TokenWriter))
def test_writing_token_by_token_gives_what_the_whole_gives(name: str) -> None:
    model, inputs = small(name)
    source, target = inputs["source"], inputs["target_in"]
    assert isinstance(model, protocols.TokenWriter)
    with torch.no_grad():
        whole = model(**inputs)
        memory = model.encode(source)
        state = model.start(memory)
        for kept in (memory, state):
            assert all(len(value) == len(source) for value in kept.values())
        for position in range(target.shape[1]):
            logits, looked, state = model.step(target[:, position], memory, state)
            torch.testing.assert_close(logits, whole[:, position], rtol=1e-4, atol=1e-5)
            assert looked.shape == source.shape
            torch.testing.assert_close(looked.sum(dim=1), torch.ones(len(source)))


@pytest.mark.parametrize("name", satisfying(protocols.MapsClasses))
def test_the_mean_of_a_class_map_is_the_logit_but_for_a_constant(name: str) -> None:
    _, inputs = small(name)
    arguments = {**SMALL[name]()[0], "members": 1, "dropout": 0.0}
    model = load_class("model", name)(**arguments).eval()
    mask = inputs.get("mask")
    with torch.no_grad():
        found, logits = model.class_map(**inputs), model(**inputs)
    counts = torch.ones_like(found[:, 0], dtype=torch.bool) if mask is None else mask
    means = (found * counts[:, None]).sum(dim=2) / counts.sum(dim=1)[:, None]
    torch.testing.assert_close((logits - means).std(dim=0), torch.zeros(logits.shape[1]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", satisfying(protocols.ShowsAttention))
def test_attention_is_shared_out_over_the_source(name: str) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.ShowsAttention)
    with torch.no_grad():
        looked = model.attention(**inputs)
    batch, target = inputs["target_in"].shape
    assert looked.shape == (batch, target, inputs["source"].shape[1])
    torch.testing.assert_close(looked.sum(dim=2), torch.ones(batch, target))


@pytest.mark.parametrize("name", satisfying(protocols.HasReach))
def test_nothing_beyond_its_reach_changes_an_output(name: str) -> None:
    model, inputs = small(name)
    (name_of_values,) = {"values", "numbers"} & inputs.keys()
    values: Tensor = inputs[name_of_values].double()
    model.double()
    assert isinstance(model, protocols.HasReach)
    before, after = model.reach
    stride = model.total_stride if isinstance(model, protocols.HasTotalStride) else 1
    middle = values.shape[2] // 2
    changed = values.clone()
    changed[:, :, middle] += 1
    with torch.no_grad():
        first, second = (model(**inputs | {name_of_values: each}) for each in (changed, values))
        time = 1 if isinstance(model, protocols.HistoryFollower) else 2
        moved = (first - second).abs().movedim(time, 0).flatten(1).amax(dim=1).nonzero().flatten()
        assert len(moved)
        assert middle - after <= int(moved.min()) and int(moved.max()) <= middle + before
        if set(inputs) == {"values"}:
            torch.testing.assert_close(in_pieces(model, values, model.reach, 3 * stride), model(values))


@pytest.mark.parametrize("name", satisfying(protocols.HistoryFollower))
@pytest.mark.parametrize("rows", [1, 3])
def test_advancing_through_a_history_gives_what_the_whole_gives(name: str, rows: int) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.HistoryFollower)
    by_time = {key: value for key, value in inputs.items() if value.ndim == 3}
    batch, _, time = inputs["numbers"].shape
    state, found = model.begin(batch), []
    with torch.no_grad():
        for start in range(0, time, rows):
            answers, state = model.advance(
                {key: value[..., start : start + rows] for key, value in by_time.items()}, state
            )
            found.append(answers)
        torch.testing.assert_close(torch.cat(found, dim=1), model(**inputs))


@pytest.mark.parametrize("name", satisfying(protocols.HasTotalStride))
def test_a_total_stride_is_a_number_of_time_steps(name: str) -> None:
    model, _ = small(name)
    assert isinstance(model, protocols.HasTotalStride) and isinstance(model, protocols.HasReach)
    assert isinstance(model.total_stride, int) and model.total_stride >= 1
    assert model.reach[0] % model.total_stride == 0, "pieces begin at whole strides"


@pytest.mark.parametrize("name", satisfying(protocols.HasContext))
@pytest.mark.parametrize("padding", ["same", "causal"])
def test_nothing_beyond_its_context_changes_an_output(name: str, padding: str) -> None:
    arguments, inputs = SMALL[name]()
    torch.manual_seed(0)
    model = load_class("model", name)(**arguments, padding=padding).eval().double()
    assert isinstance(model, protocols.HasContext)
    before, after = model.context
    stride, middle = arguments["stride"], 40
    spectrogram = inputs["spectrogram"].double()
    changed = spectrogram.clone()
    changed[:, :, middle] += 1
    with torch.no_grad():
        moved = (model(changed, inputs["frames"]) - model(spectrogram, inputs["frames"])).abs().amax(dim=(0, 2))
    places = moved.nonzero().flatten()
    assert int(places.min()) * stride >= middle - after and int(places.max()) * stride <= middle + before
    assert int(places.min()) * stride < middle - after + stride or after == 0, "it says no more than is true"
    assert int(places.max()) * stride > middle + before - stride


@pytest.mark.parametrize("name", satisfying(protocols.ComputesInParts))
def test_parts_together_are_the_whole(name: str) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.ComputesInParts)
    with torch.no_grad():
        torch.testing.assert_close(torch.cat(list(model.in_parts(**inputs))), model(**inputs))


@pytest.mark.parametrize("name", satisfying(protocols.HasExportedForm))
def test_the_exported_form_is_traced_and_gives_the_same(name: str) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.HasExportedForm)
    shipped, given = model.exported(inputs)
    assert given and all(isinstance(value, Tensor) for value in given.values())
    program = torch.export.export(shipped.eval(), (), given).module()
    with torch.no_grad():
        torch.testing.assert_close(program(**given), model(**inputs))


@pytest.mark.parametrize("name", satisfying(protocols.HasReceptiveFields))
def test_receptive_fields_are_of_layers_that_exist(name: str) -> None:
    model, inputs = small(name)
    one = {
        key: value[:1] if isinstance(value, Tensor) and "counts" not in inputs else value
        for key, value in inputs.items()
    }
    assert isinstance(model, protocols.HasReceptiveFields)
    fields = model.receptive_fields(one)
    assert fields and set(fields) <= {place for place, _ in model.named_modules()}
    assert all(isinstance(width, int) and width >= 1 for widths in fields.values() for width in widths)
    shown = {row.name: row.receptive_field for row in describe(model, one).layers}
    assert any(field is not None and field == fields.get(place) for place, field in shown.items())


@pytest.mark.parametrize("name", satisfying(protocols.HasVectors))
def test_scores_are_inner_products_of_the_vectors(name: str) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.HasVectors)
    count = SMALL[name]()[0]["users"]
    with torch.no_grad():
        vectors = model.vectors()
        torch.testing.assert_close(model(**inputs), vectors[inputs["users"]] @ vectors[count:].T)


@pytest.mark.parametrize("name", satisfying(protocols.HasPillars))
def test_pillars_without_points_are_zero(name: str) -> None:
    model, inputs = small(name)
    assert isinstance(model, protocols.HasPillars)
    with torch.no_grad():
        maps, ground = model.pillars(**inputs)
    assert maps.ndim == 4 and ground.ndim == 3 and len(maps) == len(ground) == len(inputs["counts"])
    filled = maps.abs().sum(dim=(1, 2, 3))
    assert (maps == 0).all(dim=1).any() and (filled > 0).all()


@pytest.mark.parametrize("name", satisfying(protocols.HasOwnDecay, all_modules=True))
def test_the_optimizer_decays_a_module_as_it_asks(name: str) -> None:
    model, _ = small(name)
    optimizer = make_optimizer(model, TrainConfig(weight_decay=0.1), torch.device("cpu"))
    found = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for module in model.modules():
        if isinstance(module, protocols.HasOwnDecay):
            own = [p for p in module.parameters(recurse=False) if p.ndim > 1]
            assert module.decay >= 0
            assert all(found[id(p)] == pytest.approx(0.1 * module.decay) for p in own)


@pytest.mark.parametrize("name", satisfying(protocols.DrawsNumbers, all_modules=True))
def test_random_numbers_come_back_with_the_seed(name: str) -> None:
    model, inputs = small(name)
    model.train()
    seeds = Seeds(model, 1)

    def output(step: int) -> Tensor:
        seeds.at(step, 0)
        with torch.no_grad():
            found = model(**inputs)
        return found["scores"] if isinstance(found, dict) else found[0] if isinstance(found, list | tuple) else found

    first, second = output(0), output(1)
    assert not torch.equal(first, second), "nothing was drawn: give the small form some dropout"
    assert torch.equal(output(0), first)


@pytest.mark.parametrize("name", satisfying(protocols.DescribesItself, all_modules=True))
def test_layers_describe_themselves_in_sentences(name: str) -> None:
    model, inputs = small(name)
    own = [module for module in model.modules() if isinstance(module, protocols.DescribesItself)]
    words = {module.in_words() for module in own}
    assert all(text.endswith(".") and "\n" not in text and text == text.strip() for text in words)
    shown = {row.words.partition(" Then ")[0] for row in describe(model, inputs).layers}
    assert words & shown


# The list is complete


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    """All files of the package besides the models and their layers, parsed."""
    home = Path(convzoo.__file__).parent
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(home.rglob("*.py"))
        if path.relative_to(home).parts[0] not in ("models", "layers") and path != home / "core" / "model.py"
    ]


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def calls_of_others(classes: set[type], name: str) -> Iterator[str]:
    """Where a method of that name is called in a file that does not name any of those classes."""
    for path, tree in sources():
        if _names(tree) & {kind.__name__ for kind in classes}:
            continue  # who names the class knows it, and needs no protocol
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name:
                yield f"{path.name}:{node.lineno}"


def own_methods() -> dict[str, set[type]]:
    """The public methods that convzoo's models and their public layers add to those of torch, and which classes have them."""
    found: dict[str, set[type]] = {}
    for model in MODELS:
        for module in seen(model).modules():
            kinds = [kind for kind in type(module).__mro__ if kind.__module__.startswith("convzoo")]
            if type(module).__name__.startswith("_"):
                continue  # known to its own file only
            for kind in kinds:
                for name, value in vars(kind).items():
                    if not name.startswith("_") and inspect.isfunction(value) and not hasattr(nn.Module, name):
                        found.setdefault(name, set()).add(kind)
    return found


def test_every_method_that_others_call_is_in_a_protocol() -> None:
    found = own_methods()
    assert {"step", "attention", "seed_generator"} <= set(found), "the search finds nothing any more"
    missing = {
        name: places
        for name, classes in found.items()
        if name not in NAMES and (places := list(calls_of_others(classes, name)))
    }
    assert not missing, f"give core/model.py a protocol, or call these otherwise: {missing}"


def test_a_call_of_an_unknown_method_is_found() -> None:
    assert list(calls_of_others({nn.Linear}, "receptive_fields"))


def test_models_are_asked_by_protocol_and_not_by_a_string() -> None:
    asked = [
        f"{path.name}:{node.lineno}"
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
        and ast.unparse(node.args[0]).split(".")[-1] in ("model", "module", "network", "layer", "m")
        and isinstance(node.args[1], ast.Constant)
    ]
    assert not asked
