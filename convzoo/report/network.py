"""How the network reads its input: its layers as steps, with repeated blocks folded into one."""

import re
from collections.abc import Sequence

from convzoo.inspect.describe import Breakdown, Layer
from convzoo.report import kit

LONGEST_BLOCK = 24
"""A repeated block has at most so many layers."""
TITLES = {
    "TokenEmbedding": "Look up each token",
    "Embedding": "Look up each number",
    "Conv1d": "Look for patterns",
    "Conv2d": "Look for patterns",
    "Conv3d": "Look for patterns",
    "ConvTranspose1d": "Spread out again",
    "ConvTranspose2d": "Spread out again",
    "ConvTranspose3d": "Spread out again",
    "Pooling": "Keep what matters",
    "Linear": "Weigh the evidence",
    "Dropout": "Leave some out while training",
    "GatedConvolution": "Look for patterns, with gates",
    "LightweightConvolution": "Mix neighbours",
    "Look": "Look at the source",
    "GraphConvolution": "Gather from neighbours",
    "SampleAndAggregate": "Gather from neighbours",
    "GraphAttention": "Gather from neighbours, by attention",
    "FeatureLinear": "Weigh the features",
    "VectorTable": "Look up each user and item",
    "Propagation": "Spread along the edges",
    "InnerProducts": "Compare users with items",
}
"""What the usual layers are called; others have the name of their class. Norms are explained in the table of all layers."""
NORMS = ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LayerNorm", "GroupNorm", "ChannelLayerNorm", "InstanceNorm1d",
         "InstanceNorm2d", "InstanceNorm3d")  # fmt: skip


def chapter(breakdown: Breakdown, field: str, first_layer: str) -> str:
    """The steps, the receptive field, the first layer, and all layers folded.

    Args:
        field: HTML of the pages that draws the receptive field on an example
        first_layer: HTML of the pages about kernels and feature maps
    """
    steps = [_step(block, count, breakdown) for block, count in blocks(_shown(breakdown.layers))]
    about = (
        f"<p>From its input ({kit.text(_inputs(breakdown))}) to an answer in "
        f"{kit.count_of(len(steps), 'steps')}. The bar under a step is its part of all {breakdown.parameters:,} numbers.</p>"
    )
    sees = f"<h3>How far it sees</h3>{field}" if field else ""
    return about + kit.flow(steps) + sees + first_layer + kit.folded("Every layer", _table(breakdown))


def _inputs(breakdown: Breakdown) -> str:
    """The inputs that have a shape besides the batch."""
    shaped = {name: shape for name, shape in breakdown.inputs.items() if shape} or breakdown.inputs
    return ", ".join(f"{name} {_times(shape)}".strip() for name, shape in shaped.items())


def _shown(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that are steps: norms and dropout are told in the table, once."""
    kept = [layer for layer in layers if layer.kind not in NORMS and layer.kind not in ("Dropout", "Identity")]
    return kept or list(layers)


def blocks(layers: Sequence[Layer]) -> list[tuple[list[Layer], int]]:
    """The layers, where what stands several times one after another is folded: a block, and how often it stands there.

    Layers are the same if they are of one kind and do the same to shapes: number of maps and of positions may differ.
    """
    signs = [(layer.kind, re.sub(r"\d[\d,]*", "#", layer.words)) for layer in layers]
    found: list[tuple[list[Layer], int]] = []
    at = 0
    while at < len(layers):
        best = (1, 1)
        for size in range(1, min(LONGEST_BLOCK, (len(layers) - at) // 2) + 1):
            count = 1
            while signs[at + count * size : at + (count + 1) * size] == signs[at : at + size]:
                count += 1
            if count > 1 and size * count > best[0] * best[1]:
                best = (size, count)
        size, count = best
        found.append((list(layers[at : at + size * count]), count))
        at += size * count
    return found


def _step(block: Sequence[Layer], count: int, breakdown: Breakdown) -> kit.Step:
    size = len(block) // count
    first, last = block[0], block[-1]
    learnt = sum(layer.parameters for layer in block)
    words = " ".join(layer.words for layer in block[:size]) if size <= 3 else " ".join(
        f"{title_of(layer)}: {layer.words}" for layer in block[:3]
    ) + f" … and {size - 3} more layers."  # fmt: skip
    more = kit.folded(f"The {len(block)} layers", _rows(block)) if len(block) > 1 else ""
    fields = [layer.receptive_field for layer in block if layer.receptive_field]
    return kit.Step(
        title_of(first) if size == 1 else "A block of layers",
        words,
        gives=_times(last.output_shape),
        sees=_times(fields[-1]) if fields else "",
        learns=f"{learnt:,} numbers" if learnt else "",
        times=f"{count} ×" if count > 1 else "",
        part=learnt / breakdown.parameters if breakdown.parameters else 0.0,
        more=more,
    )


def title_of(layer: Layer) -> str:
    """What a layer does, in two or three words."""
    return TITLES.get(layer.kind, layer.kind)


COLUMNS = (
    kit.Column("layer", "html"),
    kit.Column("what it does"),
    kit.Column("output", "n"),
    kit.Column("sees", "n"),
    kit.Column("parameters", "n"),
    kit.Column("multiply-adds", "n"),
)


def _rows(layers: Sequence[Layer]) -> str:
    kept = [column for column in COLUMNS if column.name != "what it does"]
    return kit.table(
        kept,
        [
            [kit.code(layer.name), _times(layer.output_shape), _times(layer.receptive_field or ()), _count(layer.parameters),
             _count(layer.multiply_adds)]
            for layer in layers
        ],
    )  # fmt: skip


def _table(breakdown: Breakdown) -> str:
    """All layers; a sentence that was said before is not said again."""
    lines: list[list[kit.Cell]] = []
    told: set[str] = set()
    for name, words, *numbers in breakdown.rows():
        lines.append([kit.code(name), "as above" if words in told else words, *(number or None for number in numbers)])
        told.add(words)
    return f"<p>{kit.text(breakdown.size_in_words())}.</p>" + kit.table(COLUMNS, lines)


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _count(number: int) -> str | None:
    return f"{number:,}" if number else None
