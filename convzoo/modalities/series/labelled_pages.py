"""What a report shows of series with a class: their lines, the steps that speak for the answer, and the first layer's kernels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import MapsClasses
from convzoo.core.pages import Material, Pages, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.series.drawing import WIDE, line, name_of, own_scale, ribbon
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.series.labelled_encoder import LabelledSeriesEncoder, interpolated
from convzoo.report import kit

MOST_CHANNELS = 6
"""Channels that a card draws; the others are counted."""
BARS = 96
"""Bars below a series at most, each the mean over some steps."""
KERNELS = 16
MAPS = 6
BANDS = 4
MOST_READ = 2000
"""Test series that are read at most, to know how long they are and what is missing."""


class LabelledSeriesPages(Pages):
    """Series with a class: a line for each channel, and below them how much each step speaks for the answer."""

    plural = "series"

    def picture(self, example: LabelledSeries) -> str:
        """A line for each channel."""
        values, names = example.loaded()
        return f'{_drawn(values, names)}<div class="pic">{_clock(values.shape[1])}</div>'

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """The lines, and the class activation map of the answer."""
        example = material.examples[int(row["index"])]
        found = evidence(task, material, example, row)
        if found is None:
            return self.picture(example)
        values, names = example.loaded()
        under = f'<div class="under"><p>{kit.text(_in_words(found, values.shape[1], str(row["label"])))}</p></div>'
        return f'{_drawn(values, names)}<div class="pic">{_bars(found)}{_clock(values.shape[1])}</div>{under}'

    def legend(self, task: Task, material: Material) -> str:
        """What the pictures show."""
        about = (
            "Each picture is a test series, a line for each channel, each with a scale of its own; steps to the right."
        )
        if not _maps(material.model):
            return f"<p>{about}</p>"
        sign = '<svg class="when" style="width:34px;height:22px" width="34" height="22" aria-hidden="true">{}</svg>'
        signs = [
            (sign.format('<rect class="p" x="2" y="4" width="30" height="14"/>'), "up: speaks for the answer"),
            (
                sign.format('<rect class="m" x="2" y="4" width="30" height="14"/>'),
                "down, not filled: speaks against it",
            ),
        ]
        return (
            f"<p>{about} Below it, how much the network's feature maps around each step speak for its answer, less what they say "
            "for the other classes on average (a class activation map, arXiv:1512.04150): the answer's score is the "
            "mean over the "
            "steps. In each picture the strongest fills the height.</p>" + kit.key(signs)
        )

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By group, by length, by what is missing."""
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        wrong = [_mistake(row) for row in material.predictions]
        groups = kit.hardest([example.group for example in examples], wrong)
        found = [
            Slices(
                "group",
                "Series of one group, a person or a machine, are all in one split. The hardest come first; of many "
                "groups some look "
                "hard by chance: look at the interval.",
                groups,
            )
        ]
        if len(examples) > MOST_READ:
            return found
        read = [example.read() for example in examples]
        lengths = [values.shape[1] for values in read]
        if len(set(lengths)) > 1:
            found.append(Slices("length", "How many steps a series has.", kit.bands(lengths, BANDS, "steps")))
        missing = [100 * float(np.isnan(values).mean()) for values in read]
        if any(missing):
            found.append(Slices("missing", "The part of the values that is missing.", kit.bands(missing, BANDS, "%")))
        return found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The receptive field as a stretch of a test series."""
        encoder = material.encoder
        if sees is None or not len(material.examples) or not isinstance(encoder, LabelledSeriesEncoder):
            return ""
        values = encoder.prepare(material.examples[0])[0].numpy()
        steps = values.shape[1]
        layers = first_convolutions(material.model)
        first = max((layer.kernel_size[0] for layer in layers.values()), default=0)
        spans = [
            (name, wide)
            for name, wide in (("a kernel of the first layer", first), ("the layer that sees farthest", sees[-1]))
            if wide
        ]
        lines, boxes = "", ""
        for number, (name, wide) in enumerate(spans):
            share = min(wide / steps, 1.0)
            said = "the whole series" if wide >= steps else f"{wide:,} of {steps:,} steps"
            lines += f"<li>{name}: {said}</li>"
            left, top = WIDE * (1 - share) / 2, 8 * number
            size = f'width="{WIDE * share:.0f}" height="{100 - 2 * top}"'
            boxes += f'<rect class="zone" x="{left:.0f}" y="{top}" {size}/>'
        averaged = f" {encoder.stretch} steps were averaged to one." if encoder.stretch > 1 else ""
        strongest = int(values.std(axis=1).argmax())
        apart = (
            ""
            if spans and spans[-1][1] >= steps
            else "<p>What lies farther apart meets only in the pooling over all time.</p>"
        )
        return (
            f"<p>A test series as the network gets it.{averaged} The shaded stretches are what one value depends on:</p>"
            f'<ol class="prose">{lines}</ol>{ribbon(boxes + own_scale(values[strongest], "v"), tall=True)}{apart}'
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[LabelledSeries]) -> str:
        """The first layer's kernels, and what they make of a test series."""
        layers = first_convolutions(model)
        if not layers or any(layer.weight.ndim != 3 for layer in layers.values()):
            return ""
        name, layer = max(layers.items(), key=lambda item: item[1].kernel_size[0])
        kernels = layer.weight.detach().double().numpy()  # (kernels, channels of a group, taps)
        order = np.argsort(-np.abs(kernels).sum(axis=(1, 2)), kind="stable")[:KERNELS]
        tiles = [(_kernel(kernels[at], f"kernel {at}"), f"kernel {at}") for at in order.tolist()]
        which = f"all {len(kernels)}" if len(order) == len(kernels) else f"the {len(order)} strongest of {len(kernels)}"
        beside = (
            f" ({len(layers)} layers stand beside each other; this one has the widest kernels)"
            if len(layers) > 1
            else ""
        )
        parts = [
            f"<h3>First-layer kernels</h3><p>Each kernel of {kit.code(name)}{beside} has {kernels.shape[2]} taps, "
            f"{which}; a line for each "
            f"input channel that it sees. It answers most where the series looks like it.</p>{kit.tiles(tiles)}"
        ]
        inputs = encoder.encode(list(examples[:1])).inputs
        maps = feature_maps(model, inputs, layer)[0].numpy()
        seen = next(iter(inputs.values()))[0].numpy()
        rows = [("the series", seen[int(seen.std(axis=1).argmax())], "v")]
        rows += [(f"kernel {at}", maps[at], "sc") for at in order[:MAPS].tolist()]
        drawn = "".join(
            f'<span class="name">{kit.text(words)}</span>{ribbon(own_scale(values, kind))}'
            for words, values, kind in rows
        )
        parts.append(
            "<h3>Feature maps</h3><p>A test series as the network gets it, and the answers of these kernels along it.</p>"
            f'<div class="multi">{drawn}</div>'
        )
        return "".join(parts)

    def data(self, material: Material) -> str:
        """How long the test series are, and what is missing."""
        examples = [material.examples[at] for at in range(min(len(material.examples), MOST_READ))]
        if len(examples) < 2:
            return ""
        read = [example.read() for example in examples]
        lengths = [values.shape[1] for values in read]
        missing = sum(int(np.isnan(values).sum()) for values in read)
        gaps = f" {missing:,} values are missing and were interpolated." if missing else ""
        if len(set(lengths)) == 1:
            return f"<h3>Lengths</h3><p>All test series have {lengths[0]:,} steps.{gaps}</p>"
        return (
            f"<h3>Lengths</h3><p>The test series have {min(lengths):,} to {max(lengths):,} steps, half of them "
            f"{np.median(lengths):,.0f} or fewer.{gaps}</p>"
            + kit.histogram(lengths, "How many test series have which length, in steps")
            + '<p class="small">steps</p>'
        )


def evidence(task: Task, material: Material, example: LabelledSeries, row: Mapping[str, Any]) -> np.ndarray | None:
    """(time,): how much each step speaks for the answer, less the mean over the other classes; None where a network has no such
    map."""
    labels, model = list(getattr(task, "labels", ())), material.model
    if not _maps(model) or row.get("label") not in labels or len(labels) < 2:
        return None
    with torch.no_grad():
        found = model.eval().class_map(**material.encoder.encode([example]).inputs)[0].numpy()  # type: ignore[operator]
    answer = labels.index(row["label"])
    others = np.delete(found, answer, axis=0).mean(axis=0)
    return found[answer] - others


def _maps(model: nn.Module) -> bool:
    return isinstance(model, MapsClasses) and model.maps_classes


def _mistake(row: Mapping[str, Any]) -> float:
    true, value = row.get("true_value"), row.get("value")
    if isinstance(true, int | float) and isinstance(value, int | float):
        return abs(value - true)
    return float(row.get("true_label") != row.get("label"))


def _drawn(values: np.ndarray, names: Sequence[str]) -> str:
    """A line for each channel as wide as the card, so that the bars below stand under their steps; its name above it."""
    values = interpolated(values)
    shown = values[:MOST_CHANNELS]
    style = "grid-template-columns:minmax(0,1fr);padding:.5rem 0 0"
    if len(values) == 1:
        return f'<div class="multi" style="{style}">{ribbon(own_scale(values[0], "v"), tall=True)}</div>'
    rows = "".join(
        f'<span class="name" style="padding-left:.8rem">{name_of(names[at] if names else f"channel {at + 1}")}</span>'
        f"{ribbon(own_scale(row, 'v'))}"
        for at, row in enumerate(shown)
    )
    more = len(values) - len(shown)
    words = f"<small>{kit.count_of(more, 'other channels')} not drawn</small>"
    left = f'<span class="name" style="padding-left:.8rem">{words}</span>' if more else ""
    return f'<div class="multi" style="{style}">{rows}{left}</div>'


def _bars(found: np.ndarray) -> str:
    """The map as bars, up for the answer and down against it."""
    edges = np.unique(np.linspace(0, len(found), min(BARS, len(found)) + 1).astype(int))
    means = np.add.reduceat(found, edges[:-1]) / np.diff(edges)
    top, bottom = max(float(means.max()), 0.0), max(float(-means.min()), 0.0)
    span = max(top + bottom, 1e-9)
    zero = 4 + 92 * top / span
    bars = ""
    for first, last, mean in zip(edges[:-1], edges[1:], means, strict=True):
        high = 92 * abs(float(mean)) / span
        if high < 1:
            continue
        left, right = 100 * first / len(found), 100 * last / len(found)
        y = zero - high if mean > 0 else zero
        kind, wide = "p" if mean > 0 else "m", max(right - left - 0.2, 0.2)
        bars += f'<rect class="{kind}" x="{left:.2f}" y="{y:.1f}" width="{wide:.2f}" height="{high:.1f}"/>'
    return (
        '<svg class="when" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="how much each step speaks for the answer"><path class="z" d="M0 {zero:.1f}H100"/>{bars}</svg>'
    )


def _in_words(found: np.ndarray, steps: int, answer: str) -> str:
    """The stretch around the strongest step that stays above half of it."""
    at = int(found.argmax())
    if found[at] <= 0:
        return f"No step speaks for {answer} more than for the others."
    above = found >= found[at] / 2
    first = at - int(np.argmin(above[at::-1])) + 1 if not above[: at + 1].all() else 0
    last = at + int(np.argmin(above[at:])) if not above[at:].all() else len(found)
    scale = steps / len(found)
    return f"Most of it: steps {round(first * scale) + 1:,} to {round(last * scale):,} of {steps:,} speak for {answer}."


def _clock(steps: int) -> str:
    """The numbers of the steps below a picture."""
    scale = kit.Scale(0.0, float(max(steps, 1)))
    words = []
    for tick in scale.ticks(4):
        place = scale.place(tick)
        side = "start" if place < 4 else "end" if place > 92 else ""
        words.append(f'<span class="{side}" style="left:{place:.2f}%">{kit.as_number(tick)}</span>')
    return f'<div class="clock" aria-hidden="true">{"".join(words)}</div>'


def _kernel(rows: np.ndarray, words: str) -> str:
    """A kernel as lines, one for each channel that it sees."""
    peak = float(np.abs(rows).max()) or 1.0
    drawn = "".join(line(row, -peak, peak, "sc" if at == 0 else "q") for at, row in enumerate(rows[:4]))
    return f'<div class="ribbon" role="img" aria-label="{kit.text(words)}" style="height:3rem">{ribbon(drawn)[20:-6]}</div>'
