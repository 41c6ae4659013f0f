"""A network in plain words: for each layer what it does, its shapes, kernels, receptive field, parameters, multiply-adds."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import singledispatch
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.utils.flop_counter import FlopCounterMode

from convzoo.core import html
from convzoo.core.model import DescribesItself, HasReceptiveFields
from convzoo.inspect.receptive_field import receptive_fields
from convzoo.layers.attention import Look
from convzoo.layers.convolution import ChannelLayerNorm, ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import TokenEmbedding
from convzoo.layers.gated import GatedConvolution
from convzoo.layers.lightweight import LightweightConvolution
from convzoo.layers.pooling import Pooling
from convzoo.layers.positions import LearnedPositions, SinusoidalPositions

_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.Softmax)
_NAMES = {"LeakyReLU": "leaky ReLU", "Tanh": "tanh", "Sigmoid": "sigmoid"}
# Shown as one layer, though they have submodules: a description of the parts would say less.
_WHOLE = (
    Pooling, TokenEmbedding, ChannelLayerNorm, nn.MultiheadAttention, GatedConvolution, LightweightConvolution, Look,
    LearnedPositions, SinusoidalPositions, DescribesItself,
)  # fmt: skip


def _bag_flops(weight: Any, indices: Any, *args: Any, **kwargs: Any) -> int:
    """A sparse product is a bag of embeddings (`ops/sparse.py`): a multiplication and an addition for each entry and column."""
    return 2 * indices[0] * weight[1]


_SPARSE_PRODUCTS = {torch.ops.aten._embedding_bag: _bag_flops, torch.ops.aten._embedding_bag_forward_only: _bag_flops}


@dataclass
class Layer:
    """One row of a breakdown. Shapes are without the batch.

    Attributes:
        name: of the module, as in `named_modules`
        kind: the name of its class
        words: what it does, in a sentence
        input_shape: of its first input
        output_shape: of its first output
        parameters: number of its weights
        multiply_adds: for one example
        receptive_field: how much of the input one output depends on, along each axis; None if the input is not a grid
        activation: the function that is applied to its output
    """

    name: str
    kind: str
    words: str
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    parameters: int = 0
    multiply_adds: int = 0
    receptive_field: tuple[int, ...] | None = None
    activation: str = ""


@dataclass
class Breakdown:
    """A network, described.

    Attributes:
        layers: in the order in which they are called
        inputs: the shapes of one example's inputs, by name
        parameters: number of all weights
        trained_parameters: number of the weights that are trained
        multiply_adds: for one example
        receptive_field: the largest of the layers
    """

    columns: ClassVar[tuple[str, ...]] = ("layer", "what it does", "output", "sees", "parameters", "multiply-adds")
    """The columns of `rows`."""

    layers: list[Layer]
    inputs: dict[str, tuple[int, ...]]
    parameters: int
    trained_parameters: int
    multiply_adds: int
    receptive_field: tuple[int, ...] | None = field(default=None)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def rows(self) -> list[tuple[str, ...]]:
        """One row for each layer, as text: its name, what it does, output, receptive field, parameters and multiply-adds."""
        return [
            (
                layer.name,
                layer.words,
                _times(layer.output_shape),
                _times(layer.receptive_field or ()),
                f"{layer.parameters:,}" if layer.parameters else "",
                f"{layer.multiply_adds:,}" if layer.multiply_adds else "",
            )
            for layer in self.layers
        ]

    def inputs_in_words(self) -> str:
        """The inputs and their shapes: `image 1×48×48`."""
        return ", ".join(f"{name} {_times(shape)}" for name, shape in self.inputs.items())

    def size_in_words(self) -> str:
        """Parameters and multiply-adds of the whole network."""
        return (
            f"{self.parameters:,} parameters ({self.trained_parameters:,} trained), "
            f"{self.multiply_adds:,} multiply-adds per example"
        )

    def _repr_html_(self) -> str:
        """The table of layers, for notebooks."""
        return html.block(
            html.line(f"input: {self.inputs_in_words()}"),
            html.table(self.columns, self.rows(), numbers=(2, 3, 4, 5)),
            html.line(self.size_in_words()),
        )


def describe(model: nn.Module, inputs: dict[str, Any]) -> Breakdown:
    """Run one example through a model and describe every layer, in the order in which they are called.

    Within a convolution block the order is always convolution, activation, pooling, even if the block computes the maximum
    before the activation (the two commute).

    Args:
        model: any module; a layer of an unknown class is described by the name of its class
        inputs: one example's `forward` arguments (batch size 1)
    """
    model.train().eval()  # `train` makes a model forget outputs that it keeps, so that every layer is called
    named = {module: name for name, module in model.named_modules()}
    rows: dict[nn.Module, Layer] = {}
    hooks = []

    def note(module: nn.Module, args: tuple, output: Any) -> None:
        if isinstance(output, tuple) and output:  # the main output is the first
            output = output[0]
        if module in rows or not isinstance(output, Tensor):
            return
        given = args[0] if args and isinstance(args[0], Tensor) else None
        shape = tuple(given.shape[1:]) if given is not None else ()
        kind = type_before_parametrizations(module).__name__
        row = Layer(named[module], kind, words_for(module), shape, tuple(output.shape[1:]))
        row.parameters = sum(p.numel() for p in module.parameters())
        rows[module] = row

    leaves = dict(_leaves(model))
    for module in leaves.values():
        hooks.append(module.register_forward_hook(note))
    # A convolution of a shallow volume computes more than it gives: its block cuts the padding off.
    given: dict[nn.Module, tuple[int, ...]] = {}
    for block in (module for module in model.modules() if isinstance(module, ConvolutionBlock)):

        def look(module: nn.Module, args: tuple, block: ConvolutionBlock = block) -> None:
            given.setdefault(block.convolution, tuple(args[0].shape[1:]))

        hooks.append(block.normalisation.register_forward_pre_hook(look))
    counter = FlopCounterMode(display=False, depth=None, custom_mapping=_SPARSE_PRODUCTS)  # type: ignore[arg-type]
    try:
        with torch.no_grad(), counter:
            model(**inputs)
    finally:
        for hook in hooks:
            hook.remove()
    _count_multiply_adds(model, rows, counter)
    cut = 0
    for module, shape in given.items():
        if module in rows and rows[module].output_shape != shape:
            computed, before = math.prod(rows[module].output_shape), rows[module].multiply_adds
            rows[module].multiply_adds = before * math.prod(shape) // computed
            cut += before - rows[module].multiply_adds
            rows[module].input_shape = ()
            rows[module].output_shape = shape
    layers = _in_block_order(model, rows)
    total = counter.get_total_flops() // 2 - cut
    own = sum(p.numel() for p in model.parameters()) - sum(row.parameters for row in layers)
    beside: list[Layer] = []
    if own > 0:  # weights of the network itself, which no layer has
        words = "Weights that the network uses between its layers."
        between = total - sum(row.multiply_adds for row in layers)
        beside = [Layer("network", "Parameter", words, (), (own,), own, between)]
    fields = (
        model.receptive_fields(inputs)
        if isinstance(model, HasReceptiveFields)
        else receptive_fields(model, inputs, {row.name: leaves[row.name] for row in layers})
    )
    for row in layers:
        row.receptive_field = fields.get(row.name)
    widest = max(fields.values(), key=lambda widths: math.prod(widths), default=None)
    return Breakdown(
        layers=[*_with_activations(layers), *beside],
        inputs={key: tuple(value.shape[1:]) for key, value in inputs.items() if isinstance(value, Tensor)},
        parameters=sum(p.numel() for p in model.parameters()),
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        multiply_adds=total,
        receptive_field=widest,
    )


def _leaves(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    # The modules of a parametrisation (weight normalisation) are not layers.
    children = [(name, child) for name, child in module.named_children() if name != "parametrizations"]
    if prefix and (isinstance(module, _WHOLE) or not children):
        if not isinstance(module, nn.Identity):
            yield prefix, module
        return
    for name, child in children:
        yield from _leaves(child, f"{prefix}.{name}" if prefix else name)


def _count_multiply_adds(model: nn.Module, rows: dict[nn.Module, Layer], counter: FlopCounterMode) -> None:
    counts = {
        key.partition(".")[2]: sum(value.values()) for key, value in counter.get_flop_counts().items() if "." in key
    }
    for row in rows.values():
        row.multiply_adds = counts.get(row.name, 0) // 2


def _in_block_order(model: nn.Module, rows: dict[nn.Module, Layer]) -> list[Layer]:
    """Rows in the order of the calls; within a convolution block in the order in which the block is written."""
    order = {module: index for index, module in enumerate(rows)}
    key = {module: (float(index), 0) for module, index in order.items()}
    for block in model.modules():
        if isinstance(block, ConvolutionBlock):
            parts = [m for m in _block_parts(block) if m in order]
            first = min((order[m] for m in parts), default=0)
            for index, module in enumerate(parts):
                key[module] = (float(first), index)
            activation, convolution = rows.get(block.activation), [rows[m] for m in parts if m is not block.activation]
            if activation is not None and convolution and block.pools_first:
                before = [row for row in convolution if row.kind != "Pooling" and row.kind != "Dropout"][-1]
                activation.input_shape = activation.output_shape = before.output_shape
                pool = rows.get(block.pooling) if block.pooling is not None else None
                if pool is not None:
                    pool.input_shape = before.output_shape
    return [rows[module] for module in sorted(rows, key=lambda module: key[module])]


def _block_parts(block: ConvolutionBlock) -> list[nn.Module]:
    parts = [module for _, module in _leaves(block.convolution, "convolution")]
    parts += [block.normalisation, block.activation]
    return parts + [module for module in (block.pooling, block.dropout) if module is not None]


def _with_activations(layers: list[Layer]) -> list[Layer]:
    """Rows in which an activation is part of the layer before it, as is usual in tables of layers."""
    found: list[Layer] = []
    for row in layers:
        is_activation = row.kind in {kind.__name__ for kind in _ACTIVATIONS}
        if is_activation and found and not found[-1].activation and found[-1].output_shape == row.output_shape:
            found[-1].activation = _NAMES.get(row.kind, row.kind)
            found[-1].words += f" Then {found[-1].activation}, {_WHY.get(row.kind, 'for non-linearity')}."
        else:
            found.append(row)
    return found


_WHY = {
    "ReLU": "which keeps positive values and sets others to 0, so that layers together are more than a linear map",
    "GELU": "a smooth ReLU",
    "SiLU": "a smooth ReLU",
    "Tanh": "which squeezes values between -1 and 1",
}


@singledispatch
def words_for(module: nn.Module) -> str:
    """What a layer does, in a sentence. An unusual layer has its own description (`DescribesItself`)."""
    if isinstance(module, DescribesItself):
        return module.in_words()
    return f"A layer of the kind {type(module).__name__}."


def _times(sizes: Any) -> str:
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    return "×".join(str(size) for size in sizes)


def _convolution_words(module: Any) -> str:
    kernel = tuple(module.kernel_size)
    count = module.out_channels
    if set(kernel) == {1}:
        return f"Mixes the {module.in_channels} maps at each position into {count}."
    size = f"{_times(kernel)} filters" if len(kernel) > 1 else f"filters that are {kernel[0]} wide"
    text = f"Extracts {count} feature maps using {size}"
    if module.groups > 1:
        text += ", each on its own map" if module.groups == module.in_channels else f", in {module.groups} groups"
    if set(module.dilation) != {1}:
        text += f", whose taps are {_times(module.dilation)} positions apart"
    if set(module.stride) != {1}:
        text += f", in steps of {_times(module.stride)}"
    return text + "."


for _kind in (nn.Conv1d, nn.Conv2d, nn.Conv3d):
    words_for.register(_kind, _convolution_words)


def _activation_words(module: nn.Module) -> str:
    kind = type(module).__name__
    return f"Applies {_NAMES.get(kind, kind)}, {_WHY.get(kind, 'for non-linearity')}."


for _activation in _ACTIVATIONS:
    words_for.register(_activation, _activation_words)


@words_for.register
def _(module: nn.Linear) -> str:
    plural = "" if module.out_features == 1 else "s"
    return f"Connects all {module.in_features} values to {module.out_features} neuron{plural}."


@words_for.register
def _(module: Pooling) -> str:
    how = {
        "max": "keeps the largest value",
        "average": "takes the mean",
        "attention": "takes a mean with learnt weights",
        "k_max": f"keeps the {module.k} largest values, in order,",
        "log_sum_exp": "takes a soft maximum",
    }[module.kind]
    if module.size is not None:
        return f"{how.capitalize()} of each {_times(module.size)} region: fewer positions, the same maps."
    where = f"in each of {_times(module.output_size)} regions" if module.output_size else "over all positions"
    return f"{how.capitalize()} of each map {where}."


@words_for.register
def _(module: Dropout) -> str:
    return f"While training, zeroes {module.p:.0%} of the values at random, which prevents overfitting."


@words_for.register
def _(module: nn.Dropout) -> str:
    return f"While training, zeroes {module.p:.0%} of the values at random, which prevents overfitting."


@words_for.register
def _(module: TokenEmbedding) -> str:
    tables = [table for table in (module.learned, module.static) if table is not None]
    kind = {(True, False): "learnt", (False, True): "pre-trained", (True, True): "learnt and pre-trained"}[
        (module.learned is not None, module.static is not None)
    ]
    return f"Looks up a {kind} vector of {module.channels} numbers for each of {tables[0].num_embeddings} tokens."


@words_for.register
def _(module: nn.Embedding) -> str:
    return f"Looks up a vector of {module.embedding_dim} numbers for each of {module.num_embeddings} tokens."


def _norm_words(module: nn.Module) -> str:
    over = {
        "BatchNorm1d": "over the batch", "BatchNorm2d": "over the batch", "BatchNorm3d": "over the batch",
        "ChannelLayerNorm": "at each position", "LayerNorm": "over its features", "GroupNorm": "in groups of maps",
    }.get(type(module).__name__, "of each map")  # fmt: skip
    return f"Brings each map to mean 0 and deviation 1 {over}, then scales and shifts it by learnt numbers."


for _norm in (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm, ChannelLayerNorm,
    nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
):  # fmt: skip
    words_for.register(_norm, _norm_words)


@words_for.register
def _(module: GatedConvolution) -> str:
    convolution: Any = module.block.convolution
    back = ", looking back only" if module.block.sides else ""
    size = f"{_times(convolution.kernel_size)} filters" if len(convolution.kernel_size) > 1 else "filters"
    wide = f" that are {convolution.kernel_size[0]} wide" if len(convolution.kernel_size) == 1 else ""
    maps = convolution.out_channels // 2
    return f"Extracts {maps} feature maps using {size}{wide}{back}, each multiplied by its own gate between 0 and 1."


@words_for.register
def _(module: LightweightConvolution) -> str:
    made = "computed at each position" if module.kind == "dynamic" else "that are learnt"
    return (
        f"Takes a weighted mean of {module.kernel_size} positions, with {module.heads} kernels {made}, each shared by "
        f"{module.channels // module.heads} maps."
    )


@words_for.register
def _(module: LearnedPositions) -> str:
    return f"Looks up a learnt vector for each of {module.table.num_embeddings} positions."


@words_for.register
def _(module: SinusoidalPositions) -> str:
    return "Marks each position by waves of many lengths."


@words_for.register
def _(module: Look) -> str:
    return "Compares each position with all positions of the source, and takes a mean of the source weighted by the similarity."
