"""Layers and models against torch's own functions and against slow references."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from convzoo.inspect.describe import describe
from convzoo.layers.activation import NEVER_FALLING, activation_layer
from convzoo.layers.convolution import ConvolutionBlock, normalisation_layer
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import TokenEmbedding
from convzoo.layers.initialisation import initialise
from convzoo.layers.pooling import Pooling
from convzoo.models.cnn1d import CNN1d
from convzoo.models.cnn2d import CNN2d
from convzoo.models.dilated_cnn1d import DilatedCNN1d
from convzoo.models.resnet2d import ResNet2d

CONVOLVE = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SPACE = {1: (11,), 2: (9, 8), 3: (7, 6, 5)}
ACTIVATIONS = ("relu", "leaky_relu", "elu", "gelu", "silu", "tanh", "identity")
KINDS = ("max", "average", "attention", "k_max", "log_sum_exp")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


# Convolution


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (2, 1, 1), (3, 2, 1), (4, 1, 1), (2, 2, 2)])
def test_a_block_is_torchs_convolution_of_the_padded_input(dimensions, padding, kernel, stride, dilation):
    block = ConvolutionBlock(dimensions, 2, 3, kernel, stride, dilation, padding, activation="identity")
    x = torch.randn(2, 2, *SPACE[dimensions])
    total = dilation * (kernel - 1)
    sides = {
        "valid": [(0, 0)] * dimensions,
        "same": [(total // 2, total - total // 2)] * dimensions,
        "full": [(total, total)] * dimensions,
        "causal": [(total, 0)] + [(total // 2, total - total // 2)] * (dimensions - 1),
    }[padding]
    padded = F.pad(x, [side for pair in reversed(sides) for side in pair])
    expected = CONVOLVE[dimensions](
        padded, block.convolution.weight, block.convolution.bias, stride=stride, dilation=dilation
    )
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)
    if padding in ("same", "causal") and stride == 1:
        assert block(x).shape[2:] == x.shape[2:]


def test_full_padding_is_the_whole_convolution():
    block = ConvolutionBlock(1, 1, 1, 4, padding="full", activation="identity", bias=False)
    x = torch.randn(1, 1, 6)
    expected = np.convolve(x[0, 0].numpy(), block.convolution.weight[0, 0].detach().numpy()[::-1], mode="full")
    np.testing.assert_allclose(block(x)[0, 0].detach().numpy(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dimensions", "kernel", "dilation"), [(1, 3, 1), (1, 4, 3), (2, 3, 2), (3, 2, 1)])
def test_causal_padding_does_not_look_ahead_in_the_first_dimension(dimensions, kernel, dilation):
    block = ConvolutionBlock(dimensions, 1, 2, kernel, dilation=dilation, padding="causal", activation="identity")
    x = torch.randn(1, 1, *SPACE[dimensions])
    changed = x.clone()
    changed[:, :, 4:] += 1
    before, after = block(x), block(changed)
    assert torch.equal(before[:, :, :4], after[:, :, :4])
    assert not torch.equal(before[:, :, 4], after[:, :, 4])


def test_a_kernel_may_differ_in_each_dimension():
    block = ConvolutionBlock(2, 1, 1, (1, 5), stride=(1, 2), dilation=(1, 2), padding="valid", activation="identity")
    x = torch.randn(1, 1, 6, 12)
    expected = F.conv2d(x, block.convolution.weight, block.convolution.bias, (1, 2), 0, (1, 2))
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_separable_block_is_depthwise_then_pointwise(dimensions):
    block = ConvolutionBlock(dimensions, 4, 6, 3, padding="same", separable=True, activation="identity")
    depthwise, pointwise = block.convolution
    assert sum(p.numel() for p in block.parameters()) == 4 * 3**dimensions + 4 * 6 + 6
    x = torch.randn(2, 4, *SPACE[dimensions])
    convolve = CONVOLVE[dimensions]
    expected = convolve(convolve(x, depthwise.weight, padding=1, groups=4), pointwise.weight, pointwise.bias)
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-5)


def test_groups_do_not_see_each_other():
    block = ConvolutionBlock(1, 4, 4, 3, groups=2, activation="identity")
    x = torch.randn(1, 4, 9)
    changed = x.clone()
    changed[:, :2] += 1
    assert torch.equal(block(x)[:, 2:], block(changed)[:, 2:])
    assert not torch.equal(block(x)[:, :2], block(changed)[:, :2])


@pytest.mark.parametrize("normalisation", ["none", "batch", "layer", "group", "instance"])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_every_normalisation_keeps_the_shape(dimensions, normalisation):
    x = torch.randn(3, 8, *SPACE[dimensions]) * 5 + 3
    y = normalisation_layer(normalisation, dimensions, 8)(x).detach()
    assert y.shape == x.shape
    axes = {"batch": (0, *range(2, 2 + dimensions)), "layer": (1,), "instance": tuple(range(2, 2 + dimensions))}
    if normalisation in axes:
        assert float(y.mean(dim=axes[normalisation]).abs().max()) < 1e-4
        assert float((y.std(dim=axes[normalisation], correction=0) - 1).abs().max()) < 1e-2


@pytest.mark.parametrize(("kind", "activation"), list(product(KINDS, ACTIVATIONS)))
def test_a_block_pools_what_is_activated_whatever_it_computes_first(kind, activation):
    pooling = Pooling(2, kind, size=2, channels=3)
    block = ConvolutionBlock(2, 2, 3, 3, normalisation="batch", activation=activation, pooling=pooling).eval()
    assert block.pools_first == (kind == "max" and activation in NEVER_FALLING)
    x = 2 * torch.randn(2, 2, 8, 9)
    expected = pooling(activation_layer(activation)(block.normalisation(block.convolution(x))))
    torch.testing.assert_close(block(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_that_are_said_never_to_fall_never_fall(activation):
    values = activation_layer(activation)(torch.linspace(-8, 8, 2001))
    assert (activation in NEVER_FALLING) == bool((values.diff() >= 0).all())


@pytest.mark.parametrize("wrong", [{"kernel_size": 0}, {"stride": [1, 1, 1]}, {"padding": "mirror"}])
def test_impossible_blocks_are_refused(wrong):
    with pytest.raises(Exception, match=r"should be one number|no padding|type"):
        ConvolutionBlock(2, 1, 1, **wrong)


# Pooling


def summary(layer: Pooling, window: Tensor) -> Tensor:
    """One window (channels, positions) to (channels, k), number by number."""
    channels, count = window.shape
    found = []
    for channel in range(channels):
        values = window[channel].tolist()
        if layer.kind == "max":
            found.append([max(values)])
        elif layer.kind == "average":
            found.append([sum(values) / count])
        elif layer.kind == "log_sum_exp":
            r = layer.sharpness.item()
            found.append([math.log(sum(math.exp(r * value) for value in values) / count) / r])
        elif layer.kind == "attention":
            weight = layer.score.weight[0].tolist()
            scores = [sum(w * float(window[c, i]) for c, w in enumerate(weight)) for i in range(count)]
            parts = [math.exp(score - max(scores)) for score in scores]
            found.append([sum(part * value for part, value in zip(parts, values, strict=True)) / sum(parts)])
        else:
            chosen = sorted(sorted(range(count), key=lambda i: -values[i])[: layer.k])
            found.append([values[i] for i in chosen] + [0.0] * (layer.k - len(chosen)))
    return torch.tensor(found)


def reference(layer: Pooling, x: Tensor, windows: Sequence[Sequence[tuple[int, int]]]) -> Tensor:
    """`windows` holds for each axis the (start, stop) of its windows."""
    pooled = []
    for corner in product(*windows):
        part = x
        for axis, (start, stop) in enumerate(corner):
            part = part.narrow(2 + axis, start, stop - start)
        pooled.append(torch.stack([summary(layer, example.flatten(1)) for example in part]).flatten(1))
    return torch.stack(pooled, dim=2).unflatten(2, [len(axis) for axis in windows])


def pooling_layer(dimensions: int, kind: str, channels: int = 3, **where: object) -> Pooling:
    layer = Pooling(dimensions, kind, channels=channels, **where)
    if kind == "log_sum_exp":
        nn.init.constant_(layer.sharpness, 2.5)
    return layer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("dimensions", "size", "stride"), [(1, 3, None), (1, 3, 2), (2, 2, None), (2, (3, 2), (1, 2)), (3, 2, 2)]
)
def test_strided_pooling(dimensions, size, stride, kind):
    layer = pooling_layer(dimensions, kind, size=size, stride=stride)
    x = torch.randn(2, 3, *SPACE[dimensions])
    sizes = (size,) * dimensions if isinstance(size, int) else size
    strides = sizes if stride is None else (stride,) * dimensions if isinstance(stride, int) else stride
    windows = [
        [(start, start + width) for start in range(0, length - width + 1, step)]
        for length, width, step in zip(SPACE[dimensions], sizes, strides, strict=True)
    ]
    torch.testing.assert_close(layer(x), reference(layer, x, windows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("dimensions", "output_size"), [(1, 4), (2, 2), (2, (3, 5)), (3, 2)])
def test_adaptive_pooling(dimensions, output_size, kind):
    layer = pooling_layer(dimensions, kind, output_size=output_size)
    x = torch.randn(2, 3, *SPACE[dimensions])
    counts = (output_size,) * dimensions if isinstance(output_size, int) else output_size
    windows = [
        [(index * length // count, -(-(index + 1) * length // count)) for index in range(count)]
        for length, count in zip(SPACE[dimensions], counts, strict=True)
    ]
    torch.testing.assert_close(layer(x), reference(layer, x, windows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_pooling_of_the_whole_map(dimensions, kind):
    layer = pooling_layer(dimensions, kind)
    x = torch.randn(2, 3, *SPACE[dimensions])
    expected = reference(layer, x, [[(0, length)] for length in SPACE[dimensions]]).flatten(1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("garbage", [0.0, 1e4, -1e4])
def test_a_padded_batch_pools_as_its_examples_alone(kind, garbage):
    layer = pooling_layer(1, kind, k=3)
    lengths = [7, 1, 2, 5]
    x = torch.full((4, 3, 7), garbage)
    mask = torch.arange(7)[None] < torch.tensor(lengths)[:, None]
    for row, length in enumerate(lengths):
        x[row, :, :length] = torch.randn(3, length)
    pooled = layer(x, mask)
    for row, length in enumerate(lengths):
        alone = layer(x[row : row + 1, :, :length])
        torch.testing.assert_close(pooled[row : row + 1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_mask_over_several_dimensions_counts_what_it_marks(dimensions, kind):
    layer = pooling_layer(dimensions, kind)
    x = torch.randn(2, 3, *SPACE[dimensions])
    mask = torch.rand(2, *SPACE[dimensions]) < 0.4
    pooled = layer(x, mask)
    for row in range(2):
        expected = summary(layer, x[row][:, mask[row]]).flatten()
        torch.testing.assert_close(pooled[row], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("length", [5, 8, 17, 40])
def test_of_equal_values_k_max_keeps_the_earlier_whatever_the_padding(length):
    x = torch.zeros(1, 1, length)
    x[0, 0, 2:4] = torch.tensor([3.0, 2.0])
    mask = torch.arange(length)[None] < 5
    layer = Pooling(1, "k_max", k=3)
    assert layer(x, mask).tolist() == [[0.0, 3.0, 2.0]]
    assert layer(x).tolist() == [[0.0, 3.0, 2.0]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_flows_into_masked_positions(kind):
    layer = pooling_layer(1, kind)
    x = torch.randn(1, 3, 6, requires_grad=True)
    mask = torch.tensor([[True, True, True, True, False, False]])
    layer(x, mask).sum().backward()
    assert torch.equal(x.grad[:, :, 4:], torch.zeros(1, 3, 2))
    assert bool(x.grad.isfinite().all())


def test_log_sum_exp_lies_between_the_mean_and_the_maximum():
    layer = Pooling(1, "log_sum_exp")
    x = torch.randn(2, 3, 9)
    for sharpness, expected in ((1e-2, x.mean(2)), (1e3, x.amax(2))):
        nn.init.constant_(layer.sharpness, sharpness)
        torch.testing.assert_close(layer(x).detach(), expected, rtol=0, atol=2e-2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 2, "output_size": 2}, "not both"),
        ({"kind": "attention"}, "number of channels"),
        ({"size": 0}, "at least 1"),
        ({"size": [2, 2, 2]}, "2 of them"),
    ],
)
def test_impossible_poolings_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Pooling(2, **arguments)


def test_a_mask_with_windows_is_refused():
    with pytest.raises(ValueError, match="not for windows"):
        Pooling(1, size=2)(torch.zeros(1, 1, 4), torch.ones(1, 4, dtype=torch.bool))


# Dropout

PROBABILITIES = (0.1, 0.25, 0.4, 0.5)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("p", PROBABILITIES)
def test_dropout_keeps_its_part_and_scales_what_it_keeps(p, channels_last):
    x = torch.rand(16, 8, 30, 31) + 0.5
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    layer = Dropout(p)
    layer.seed_generator(1)
    y = layer(x)
    kept = y != 0
    torch.testing.assert_close(y[kept], x[kept] / (1 - p))
    deviation = math.sqrt(p * (1 - p) / x.numel())
    assert abs(float(kept.double().mean()) - (1 - p)) < 5 * deviation
    for axis in range(4):
        others = [other for other in range(4) if other != axis]
        part = kept.double().mean(dim=others)
        assert float((part - (1 - p)).abs().max()) < 6 * math.sqrt(p * (1 - p) * x.shape[axis] / x.numel())
    assert y.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


@pytest.mark.parametrize("p", PROBABILITIES)
def test_the_gradient_goes_through_the_same_mask(p):
    x = torch.rand(50, 40).add(0.5).requires_grad_()
    y = Dropout(p)(x)
    (3 * y).sum().backward()
    torch.testing.assert_close(x.grad, torch.where(y != 0, 3 / (1 - p), 0.0))


@pytest.mark.parametrize("p", PROBABILITIES)
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_a_seed_brings_the_same_masks_back(p, seed):
    layer = Dropout(p)
    layer.seed_generator(seed)
    expected = [layer(torch.ones(7, 9)) for _ in range(3)]
    assert not torch.equal(expected[0], expected[1])
    other = Dropout(p)
    other(torch.ones(3, 5))
    other.seed_generator(seed)
    assert all(torch.equal(other(torch.ones(7, 9)), mask) for mask in expected)
    other.seed_generator(seed ^ 1)
    assert not torch.equal(other(torch.ones(7, 9)), expected[0])


def test_masks_of_neighbouring_seeds_have_nothing_in_common():
    layer, masks = Dropout(0.5), []
    for seed in range(400):
        layer.seed_generator(seed)
        masks.append(layer.mask(torch.ones(64)).double())
    pairs = torch.corrcoef(torch.stack(masks))
    pairs.fill_diagonal_(0)
    assert float(pairs.abs().mean()) < 1.1 * math.sqrt(2 / math.pi / 64), "the mean size of a correlation by chance"
    assert float(pairs.mean().abs()) < 0.002


def test_a_seed_decides_the_masks_and_torchs_seed_the_first():
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout()(torch.ones(100)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_keeps_the_type(dtype):
    assert Dropout(0.4)(torch.ones(10, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize(
    "x", [torch.ones(4, 6).T, torch.ones(4, 6)[:, ::2], torch.ones(1, 6).expand(4, 6), torch.ones(0, 3), torch.ones(())]
)
def test_dropout_takes_any_layout_and_any_size(x):
    y = Dropout(0.5)(x)
    assert y.shape == x.shape
    assert set(y.flatten().tolist()) <= {0.0, 2.0}


def test_dropout_does_nothing_while_evaluating_or_at_zero():
    x = torch.ones(5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0)(x) is x


@pytest.mark.parametrize("p", [1.0, -0.1, 1.5])
def test_impossible_probabilities_are_refused(p):
    with pytest.raises(Exception, match=r"at least 0|type"):
        Dropout(p)


# Embedding and initialisation


def test_learnt_vectors_start_within_their_scale_and_padding_stays_zero():
    layer = TokenEmbedding(200, 8, scale=0.1)
    assert 0.09 < layer.learned.weight.abs().max().item() <= 0.1
    y = layer(torch.tensor([[3, 5, 0]]))
    assert y.shape == (1, 8, 3)
    assert torch.equal(y[:, :, 2], torch.zeros(1, 8))
    y.sum().backward()
    assert torch.equal(layer.learned.weight.grad[0], torch.zeros(8))


@pytest.mark.parametrize("kind", ["learned", "static", "both"])
def test_pretrained_vectors_are_frozen_learnt_or_both(kind):
    vectors = torch.randn(6, 5)
    given = vectors.clone()
    layer = TokenEmbedding(6, 99, kind, vectors)
    y = layer(torch.tensor([[1, 4, 0]]))
    parts = y.split(5, dim=1)
    assert len(parts) == (2 if kind == "both" else 1)
    assert layer.channels == y.shape[1]
    for part in parts:
        torch.testing.assert_close(part[0].T[:2], given[[1, 4]])
        assert torch.equal(part[0].T[2], torch.zeros(5)), "padding is zero, whatever the vectors say"
    assert any(p.requires_grad for p in layer.parameters()) == (kind != "static")
    if layer.learned is not None:
        with torch.no_grad():
            layer.learned.weight += 1
        assert torch.equal(vectors[1:], given[1:]), "the caller's vectors are not written to"
    if layer.static is not None:
        assert not layer.static.weight.requires_grad


@pytest.mark.parametrize("kind", ["static", "both"])
def test_static_vectors_must_be_given(kind):
    with pytest.raises(ValueError, match="needs pre-trained vectors"):
        TokenEmbedding(6, 5, kind)


@pytest.mark.parametrize(
    ("layer", "fan_in", "fan_out"),
    [
        (nn.Conv1d(20, 40, 5), 100, 200),
        (nn.Conv2d(16, 32, 3), 144, 288),
        (nn.Conv3d(8, 16, 3), 216, 432),
        (nn.Linear(100, 50), 100, 50),
    ],
)
def test_keras_initialisation_is_glorot_uniform_with_zero_biases(layer, fan_in, fan_out):
    nn.init.ones_(layer.bias)
    initialise(layer, "keras")
    limit = math.sqrt(6 / (fan_in + fan_out))
    assert 0.97 * limit < layer.weight.abs().max().item() <= limit
    assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
    assert not layer.bias.any()


def test_torchs_initialisation_leaves_the_weights():
    layer = nn.Linear(3, 3)
    before = layer.weight.clone()
    initialise(layer, "torch")
    assert torch.equal(layer.weight, before)


# Models


def sentences(lengths: Sequence[int]) -> tuple[list[Tensor], Tensor]:
    alone = [torch.randint(1, 30, (length,)) for length in lengths]
    return alone, nn.utils.rnn.pad_sequence(alone, batch_first=True)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    activation=st.sampled_from(["relu", "gelu", "tanh", "identity"]),
    k=st.integers(1, 4),
)
def test_a_sentence_of_the_cnn1d_does_not_depend_on_its_batch(kind, lengths, activation, k):
    torch.manual_seed(0)
    model = CNN1d(30, 3, embedding_size=5, channels=4, kernel_sizes=[1, 2, 5], pooling=kind, activation=activation, k=k)
    model.eval()
    alone, batch = sentences(lengths)
    together = model(batch)
    for row, tokens in enumerate(alone):
        torch.testing.assert_close(together[row : row + 1], model(tokens[None]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=2, max_size=4),
    normalisation=st.sampled_from(["none", "layer"]),
    separable=st.booleans(),
)
def test_a_sentence_of_the_dilated_cnn1d_does_not_depend_on_its_batch(kind, lengths, normalisation, separable):
    torch.manual_seed(0)
    model = DilatedCNN1d(
        30, 3, embedding_size=5, channels=4, pooling=kind, normalisation=normalisation, separable=separable
    ).eval()
    alone, batch = sentences(lengths)
    together = model(batch)
    for row, tokens in enumerate(alone):
        torch.testing.assert_close(together[row : row + 1], model(tokens[None]), rtol=1e-4, atol=1e-5)


def test_the_rows_of_the_last_layer_keep_their_norm():
    model = CNN1d(30, 3, embedding_size=5, channels=4, max_norm=0.5)
    nn.init.constant_(model.classifier.weight, 3.0)
    model.eval()(torch.randint(1, 30, (2, 6)))
    assert model.classifier.weight.norm(dim=1).min().item() > 3
    model.train()(torch.randint(1, 30, (2, 6)))
    assert model.classifier.weight.norm(dim=1).max().item() <= 0.5 + 1e-5


def test_the_default_cnn2d_is_the_seeds_network_layer_for_layer():
    breakdown = describe(CNN2d(in_channels=1, height=48, width=48, classes=7), {"image": torch.zeros(1, 1, 48, 48)})
    assert [(row.kind, row.output_shape, row.parameters, row.activation) for row in breakdown.layers] == [
        ("Conv2d", (32, 46, 46), 320, "ReLU"),
        ("Pooling", (32, 23, 23), 0, ""),
        ("Dropout", (32, 23, 23), 0, ""),
        ("Conv2d", (64, 21, 21), 18_496, "ReLU"),
        ("Pooling", (64, 10, 10), 0, ""),
        ("Dropout", (64, 10, 10), 0, ""),
        ("Conv2d", (128, 8, 8), 73_856, "ReLU"),
        ("Pooling", (128, 4, 4), 0, ""),
        ("Dropout", (128, 4, 4), 0, ""),
        ("Linear", (64,), 131_136, "ReLU"),
        ("Dropout", (64,), 0, ""),
        ("Linear", (7,), 455, ""),
    ]
    assert breakdown.parameters == 224_263


def test_the_default_cnn2d_has_the_seeds_dropouts_and_poolings():
    model = CNN2d(in_channels=1, height=48, width=48, classes=7)
    assert [module.p for module in model.modules() if isinstance(module, Dropout)] == [0.25, 0.25, 0.4, 0.5]
    poolings = [module for module in model.modules() if isinstance(module, Pooling)]
    assert [(layer.kind, layer.size) for layer in poolings] == [("max", (2, 2))] * 3


@pytest.mark.parametrize("pooling", KINDS)
@pytest.mark.parametrize("padding", ["valid", "same", "causal", "full"])
@pytest.mark.parametrize(("height", "width"), [(20, 17), (16, 31)])
def test_a_cnn2d_takes_any_pooling_padding_and_size(pooling, padding, height, width):
    model = CNN2d(
        3, height, width, 5, channels=[4, 6], dropouts=[0.1, 0.0], kernel_size=2, pooling=pooling, padding=padding
    )
    assert model(torch.randn(2, 3, height, width)).shape == (2, 5)


def test_an_image_too_small_for_the_cnn2d_is_refused():
    with pytest.raises(ValueError, match="too small"):
        CNN2d(1, 12, 12, 2)
    with pytest.raises(ValueError, match="one for each block"):
        CNN2d(1, 48, 48, 2, channels=[4, 4])


@pytest.mark.parametrize("pooling", KINDS)
def test_a_resnet2d_halves_each_stage_and_takes_any_pooling(pooling):
    model = ResNet2d(1, 4, channels=[4, 8], blocks=[2, 1], pooling=pooling, squeeze=True, block_dropout=0.1)
    assert model.blocks(model.stem(torch.randn(2, 1, 20, 13))).shape == (2, 8, 10, 7)
    assert model(torch.randn(2, 1, 20, 13)).shape == (2, 4)
    with pytest.raises(ValueError, match="one for each stage"):
        ResNet2d(1, 4, channels=[4, 8])


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_a_strided_kernel_of_width_one_passes_over_what_it_cannot_see(dimensions):
    block = ConvolutionBlock(dimensions, 4, 8, 1, stride=2, activation="identity")
    plain = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[dimensions](4, 8, 1, stride=2)
    plain.load_state_dict(block.convolution.state_dict())
    x = torch.randn(2, 4, *([9] * dimensions))
    assert torch.allclose(block(x), plain(x), atol=1e-6)
    last = {1: torch.preserve_format, 2: torch.channels_last, 3: torch.channels_last_3d}[dimensions]
    block.to(memory_format=last)
    block(x.contiguous(memory_format=last)).sum().backward()  # oneDNN's strided form ends the process here
