"""Descriptions of networks: receptive fields, multiply-adds and words, against what is computed by hand."""

import json

import pytest
import torch
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convzoo.inspect.describe import describe
from convzoo.inspect.kernels import feature_maps, first_convolutions, phrases_by_kernel
from convzoo.inspect.receptive_field import receptive_fields
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.pooling import Pooling
from convzoo.models.cnn1d import CNN1d
from convzoo.models.cnn2d import CNN2d
from convzoo.models.dilated_cnn1d import DilatedCNN1d
from convzoo.models.resnet2d import ResNet2d
from convzoo.models.resnet3d import ResNet3d
from convzoo.recipe.recipe import shipped_recipes

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def analytic(layers: list[tuple[int, int, int]]) -> list[int]:
    """The receptive field after each (kernel, stride, dilation)."""
    field, jump, found = 1, 1, []
    for kernel, stride, dilation in layers:
        field += (kernel - 1) * dilation * jump
        jump *= stride
        found.append(field)
    return found


LAYERS = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(layers=LAYERS, dimensions=st.integers(1, 2))
def test_measured_receptive_fields_are_the_analytic_ones(layers, dimensions):
    """The input is so large that the middle output's field lies within it, unpadded."""
    torch.manual_seed(0)
    expected = analytic(layers)
    reach = 1
    for _, stride, _ in layers:
        reach *= stride
    size = expected[-1] + 3 * reach
    convolution = CONVOLUTIONS[dimensions]
    model = nn.Sequential(
        *(convolution(1, 1, kernel, stride, dilation=dilation) for kernel, stride, dilation in layers)
    )
    named = {str(index): layer for index, layer in enumerate(model)}
    found = receptive_fields(model, {"input": torch.randn(1, 1, *[size] * dimensions)}, named)
    assert found == {name: (expected[int(name)],) * dimensions for name in named}


def test_fields_differ_by_axis():
    model = nn.Sequential(nn.Conv2d(1, 1, (3, 1)), nn.Conv2d(1, 1, (1, 5), dilation=(1, 2)))
    fields = receptive_fields(model, {"input": torch.zeros(1, 1, 30, 30)}, dict(model.named_children()))
    assert fields == {"0": (3, 1), "1": (3, 9)}


def test_a_field_is_cut_off_at_the_border():
    model = nn.Sequential(nn.Conv1d(1, 1, 9, padding=4))
    assert receptive_fields(model, {"input": torch.zeros(1, 1, 5)}, {"0": model[0]}) == {"0": (5,)}


@pytest.mark.parametrize(("padding", "width"), [("causal", 7), ("same", 7), ("full", 7)])
def test_fields_of_blocks(padding, width):
    model = ConvolutionBlock(1, 1, 1, 4, dilation=2, padding=padding)
    assert receptive_fields(model, {"x": torch.zeros(1, 1, 40)}, {"block": model.convolution}) == {"block": (width,)}


def test_fields_are_measured_in_tokens_where_the_input_is_tokens():
    model = DilatedCNN1d(20, 2, embedding_size=4, channels=4, dilations=[1, 2, 4], kernel_size=3).eval()
    blocks = {f"block{index}": block for index, block in enumerate(model.blocks)}
    fields = receptive_fields(model, {"tokens": torch.randint(1, 20, (1, 60))}, blocks)
    assert fields == {"block0": (5,), "block1": (13,), "block2": (29,)}


def test_the_residual_path_counts():
    model = ResNet2d(1, 2, channels=[2, 2], blocks=[1, 1]).eval()
    fields = receptive_fields(
        model, {"image": torch.randn(1, 1, 40, 40)}, {"stem": model.stem, "last": model.blocks[1]}
    )
    assert fields == {"stem": (3, 3), "last": (13, 13)}


def test_pooling_of_the_whole_map_has_no_field():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), Pooling(1))
    fields = receptive_fields(model, {"input": torch.zeros(1, 1, 9)}, dict(model.named_children()))
    assert fields == {"0": (3,)}


# Multiply-adds


@pytest.mark.parametrize(
    ("model", "inputs", "expected"),
    [
        (nn.Sequential(nn.Linear(7, 5)), (7,), 35),
        (nn.Sequential(nn.Conv1d(3, 4, 5)), (3, 20), 16 * 4 * 3 * 5),
        (nn.Sequential(nn.Conv2d(3, 8, 3, padding=1)), (3, 10, 12), 10 * 12 * 8 * 3 * 9),
        (nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, groups=4)), (4, 9, 9), 16 * 8 * 9),
        (nn.Sequential(nn.Conv3d(2, 3, 2)), (2, 4, 4, 4), 27 * 3 * 2 * 8),
        (nn.Sequential(nn.Conv1d(2, 6, 3, dilation=2), nn.Flatten(), nn.Linear(36, 2)), (2, 10), 6 * 6 * 6 + 72),
    ],
)
def test_multiply_adds_by_hand(model, inputs, expected):
    breakdown = describe(model, {"input": torch.zeros(1, *inputs)})
    assert breakdown.multiply_adds == expected
    assert sum(layer.multiply_adds for layer in breakdown.layers) == expected
    assert breakdown.parameters == sum(p.numel() for p in model.parameters())


def test_multiply_adds_of_the_seeds_network():
    breakdown = describe(CNN2d(1, 48, 48, 7), {"image": torch.zeros(1, 1, 48, 48)})
    by_hand = {
        "blocks.0.convolution": 46 * 46 * 32 * 9,
        "blocks.1.convolution": 21 * 21 * 64 * 9 * 32,
        "blocks.2.convolution": 8 * 8 * 128 * 9 * 64,
        "hidden": 2048 * 64,
        "classifier": 64 * 7,
    }
    assert {layer.name: layer.multiply_adds for layer in breakdown.layers if layer.multiply_adds} == by_hand
    assert breakdown.multiply_adds == sum(by_hand.values())
    fields = [layer.receptive_field for layer in breakdown.layers if layer.kind in ("Conv2d", "Pooling")]
    assert fields == [(side, side) for side in (3, 4, 8, 10, 18, 22)]
    assert breakdown.receptive_field == (22, 22)


# Words


def test_the_seeds_network_in_the_seeds_words():
    breakdown = describe(CNN2d(1, 48, 48, 7), {"image": torch.zeros(1, 1, 48, 48)})
    words = [layer.words for layer in breakdown.layers]
    assert "Extracts 32 feature maps using 3×3 filters." in words[0]
    assert "largest value of each 2×2 region" in words[1]
    assert "zeroes 25% of the values" in words[2]
    assert "2048 values to 64 neurons" in words[9]
    assert "zeroes 50% of the values" in words[10]


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_an_activation_belongs_to_its_convolution_whichever_is_computed_first(activation, kind):
    model = nn.Sequential(ConvolutionBlock(1, 1, 4, 3, activation=activation, pooling=Pooling(1, kind, size=2)))
    layers = describe(model, {"input": torch.zeros(1, 1, 12)}).layers
    assert [(layer.kind, layer.input_shape, layer.output_shape) for layer in layers] == [
        ("Conv1d", (1, 12), (4, 12)),
        ("Pooling", (4, 12), (4, 6)),
    ]
    assert layers[0].activation


def test_frozen_weights_are_counted_apart():
    vectors = torch.randn(10, 6)
    breakdown = describe(CNN1d(10, 2, vectors, embedding="static", channels=3), {"tokens": torch.ones(1, 8).long()})
    assert breakdown.parameters - breakdown.trained_parameters == 60


def test_a_layer_that_nobody_knows_is_described_by_its_class():
    class Twice(nn.Module):
        def forward(self, x):
            return 2 * x

    layers = describe(nn.Sequential(Twice()), {"input": torch.zeros(1, 3)}).layers
    assert layers[0].words == "A layer of the kind Twice."


def test_describing_leaves_the_weights_as_they_were():
    model = ResNet2d(1, 2, channels=[4], blocks=[1])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    describe(model, {"image": torch.randn(1, 1, 16, 16)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


# Recipes

OFFLINE = sorted(name for name in shipped_recipes() if "/" not in name)


@pytest.mark.parametrize("name", OFFLINE)
def test_every_shipped_recipe_is_described(cli, name):
    sizes = TINY[name]
    result = cli("describe", name, *sizes, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["parameters"] == sum(layer["parameters"] for layer in found["layers"])
    assert found["multiply_adds"] == sum(layer["multiply_adds"] for layer in found["layers"]) > 0
    assert all(layer["words"].endswith(".") for layer in found["layers"])
    assert all(layer["output_shape"] for layer in found["layers"])
    assert found["receptive_field"]
    shown = cli("describe", name, *sizes)
    assert shown.code == 0
    assert f"{found['parameters']:,} parameters" in shown.out
    assert f"{found['multiply_adds']:,} multiply-adds" in shown.out


@pytest.mark.full
@pytest.mark.parametrize("name", sorted(name for name in shipped_recipes() if "/" in name))
def test_every_reference_recipe_is_described(cli, mirror, name):
    result = cli("describe", name, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["multiply_adds"] > 0


def test_a_run_is_described_as_its_recipe(cli, small_run):
    result = cli("describe", small_run("emotion_cnn2d"), "--json")
    assert result.code == 0
    assert json.loads(result.out)["inputs"] == {"image": [1, 48, 48]}


# Kernels


def test_the_first_convolutions_stand_side_by_side():
    assert list(first_convolutions(CNN1d(10, 2, kernel_sizes=[2, 3]))) == [
        "convolutions.0.convolution", "convolutions.1.convolution",
    ]  # fmt: skip
    assert list(first_convolutions(CNN2d(1, 48, 48, 7))) == ["blocks.0.convolution"]
    assert first_convolutions(nn.Sequential(nn.Linear(2, 2))) == {}


def test_a_kernels_phrase_is_where_it_answers_most():
    model = CNN1d(6, 2, embedding_size=4, kernel_sizes=[2], channels=1).eval()
    layer = model.convolutions[0].convolution
    with torch.no_grad():
        model.embedding.learned.weight.copy_(torch.cat([torch.zeros(2, 4), torch.eye(4)]))
        layer.bias.zero_()
        layer.weight.zero_()
        layer.weight[0, 1, 0] = layer.weight[0, 2, 1] = 1.0
    names = [["a", "b", "c", "d"], ["d", "b", "a"]]
    tokens = torch.tensor([[2, 3, 4, 5], [5, 3, 2, 0]])
    maps = feature_maps(model, {"tokens": tokens}, layer)
    assert maps.shape == (2, 1, 5)
    (found,) = phrases_by_kernel(model, {"tokens": tokens}, names, kernels=1)
    assert found.phrases[0] == ("b c", pytest.approx(2.0))


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_shapes_of_a_shallow_volume_are_those_of_a_forward_pass(depth: int) -> None:
    """oneDNN needs padded volumes where a kernel is deeper than its input; what the block gives has the depth of the volume."""
    model = ResNet3d(1, 2, channels=[4, 8], blocks=[1, 1]).eval()
    inputs = {"volume": torch.zeros(1, 1, depth, 6, 6)}
    found: dict[str, tuple[int, ...]] = {}
    hooks = [
        module.normalisation.register_forward_hook(
            lambda _, args, output, name=name: found.update({f"{name}.convolution": tuple(output.shape[1:])}) or None
        )
        for name, module in model.named_modules()
        if isinstance(module, ConvolutionBlock)
    ]
    with torch.no_grad():
        model(**inputs)
    for hook in hooks:
        hook.remove()
    layers = {layer.name: layer.output_shape for layer in describe(model, inputs).layers}
    assert found
    for name, shape in found.items():
        assert layers[name] == shape, name


def test_evidence_beside_the_tokens_hides_no_receptive_field() -> None:
    inputs = {"tokens": torch.randint(2, 20, (1, 12)), "evidence": torch.zeros(1, 2)}
    layers = describe(CNN1d(20, 2, embedding_size=4, channels=3, kernel_sizes=[3], evidence=True), inputs).layers
    assert next(layer.receptive_field for layer in layers if layer.kind == "Conv1d") == (3,)
