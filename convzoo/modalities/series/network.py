"""How a network reads series, on a page: its field, kernels and feature maps on a real stretch; and the sensors of the data."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material
from convzoo.inspect.kernels import feature_maps
from convzoo.modalities.series import drawing
from convzoo.modalities.series.encoder import SeriesEncoder
from convzoo.modalities.series.example import Stretch
from convzoo.modalities.series.outcomes import truths
from convzoo.report import kit

KERNELS = 12
"""Kernels, and at most as many of their channels, that are drawn."""
CHANNELS = 8
"""Channels of a drawn stretch."""
LISTED = 30
"""Sensors in the table."""
MAPS = 160
"""Rows of the drawn feature maps."""


def lengths_of(examples: Sequence[Stretch]) -> list[int]:
    """Rows of all labelled intervals."""
    return [
        len(part) for each in examples if each.anomalies is not None for part in truths(each.anomalies, each.anomalies)
    ]


def most_wrong(examples: Sequence[Stretch]) -> int:
    """The position of the stretch with the most labelled rows; the longest where nothing is labelled."""
    counts = [0 if each.anomalies is None else int(each.anomalies.sum()) for each in examples]
    return int(np.argmax(counts)) if any(counts) else int(np.argmax([len(each) for each in examples]))


def _around(example: Stretch, rows: int) -> tuple[int, int]:
    """The first row and the row after the last of a part of a stretch; its first labelled interval is in the middle."""
    rows = min(rows, len(example))
    flagged = truths(example.anomalies, example.anomalies) if example.anomalies is not None else []
    centre = (flagged[len(flagged) // 2].start + flagged[len(flagged) // 2].stop) // 2 if flagged else len(example) // 2
    first = min(max(centre - rows // 2, 0), len(example) - rows)
    return first, first + rows


def seen(example: Stretch, sees: int) -> str:
    """A real stretch with the rows that one output depends on."""
    rows = min(len(example), max(2 * sees, 40))
    if rows < 2 or sees >= len(example):
        return ""
    first, last = _around(example, rows)
    series = example.series
    at = min(last - 1, first + (rows + sees) // 2)
    back = max(at - sees + 1 - first, 0)
    shade = drawing.block("flag", back, at + 1 - first, rows)
    shown = min(len(series.channels), CHANNELS)
    lines = "".join(
        f'<span class="name">{drawing.name_of(series.channels[number])}</span>'
        + drawing.ribbon(
            shade + drawing.own_scale(np.asarray(example.values[first:last, number], dtype=np.float64), "v")
        )
        for number in range(shown)
    )
    more = f" {drawing.others(len(series.channels) - shown)}." if len(series.channels) > shown else ""
    label = f"The {sees:,} rows that one output sees, marked on a real stretch"
    period = drawing.period_in_words(series, example.start + first, example.start + last)
    return (
        f'<div class="multi" role="img" aria-label="{label}">{lines}</div><p class="small">{kit.text(series.name)}, {period}. '
        f"One output sees the shaded part, {drawing.rows_in_words(series, sees)}.{more}</p>"
    )


def mixing(weights: np.ndarray, channels: Sequence[str]) -> str:
    """Kernels of one row: a table of the weights of the strongest, (kernels, channels)."""
    order = np.argsort(-np.square(weights).sum(axis=1), kind="stable")[:KERNELS]
    kept = np.sort(np.argsort(-np.square(weights).sum(axis=0), kind="stable")[:KERNELS])
    about = (
        "Each row is one kernel, which sees a single row of the data: how much of each sensor it takes. Blue (+) adds, pink (−) "
        "subtracts."
    )
    if len(order) < len(weights):
        about += f" The {len(order)} strongest of {len(weights):,}."
    if len(kept) < len(channels):
        about += f" The {len(kept)} sensors with the largest weights of {len(channels):,}."
    lines = [(f"kernel {number}", weights[number, kept].tolist()) for number in order.tolist()]
    return f"<p>{about}</p>" + kit.heat(
        lines, [channels[number] for number in kept.tolist()], "Weights of the first layer"
    )


def kernels(weights: np.ndarray, channels: Sequence[str]) -> str:
    """Kernels over several rows, (kernels, channels, width), as lines: the strongest channel over the others."""
    order = np.argsort(-np.square(weights).sum(axis=(1, 2)), kind="stable")[:KERNELS]
    top = float(np.abs(weights[order]).max()) or 1.0
    tiles = []
    for number in order.tolist():
        kernel = weights[number]
        strongest = np.argsort(-np.square(kernel).sum(axis=1), kind="stable")[:6].tolist()
        inside = f'<path class="q" opacity=".5" d="M0 50H{drawing.WIDE}"/>'
        inside += "".join(drawing.line(kernel[other], -top, top, "q") for other in strongest[1:])
        inside += drawing.line(kernel[strongest[0]], -top, top, "e" if len(channels) > 1 else "v")
        word = f"kernel {number}" + (f": {channels[strongest[0]]}" if len(channels) > 1 else "")
        tiles.append((f'<div role="img" aria-label="{kit.text(word)}">{drawing.ribbon(inside)}</div>', word))
    about = (
        f"Each drawing is one kernel: {weights.shape[2]} weights from an earlier row (left) to a later one. Its output is "
        "largest where the data run like the line; the thin line in the middle is 0."
    )
    if len(channels) > 1:
        about += (
            " Dashed and named: the sensor that it weighs most; thin: the next five."
            if len(channels) > 6
            else " Dashed and named: the sensor that it weighs most; thin: the others."
        )
    about += f" The {len(order)} strongest of {len(weights):,}." if len(order) < len(weights) else ""
    return f"<p>{about}</p>" + kit.tiles(tiles, "big")


def maps_of(model: nn.Module, encoder: Encoder, example: Stretch) -> str:
    """The outputs of up to four convolutions, from the first to the last, over a part of a real stretch."""
    first, last = _around(example, MAPS)
    part = Stretch(example.series, example.start + first, example.start + last)
    inputs = encoder.encode([part]).inputs
    layers = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Conv1d)]
    chosen = np.unique(np.linspace(0, len(layers) - 1, min(4, len(layers))).astype(int)).tolist() if layers else []
    tiles = []
    for at in chosen:
        name, layer = layers[at]
        maps = feature_maps(model, inputs, layer)[0].numpy()  # (kernels, rows)
        if maps.ndim != 2 or maps.shape[1] < 2:
            continue
        maps = maps[:64]
        repeat = max(1, 96 // len(maps))
        picture = kit.image(
            _lit(maps).repeat(repeat, axis=0).repeat(3, axis=1),
            f"{len(maps)} maps of {name} over {maps.shape[1]} rows",
            640,
        )
        tiles.append((picture, f"{name}: {kit.count_of(len(maps), 'maps')}"))
    if not tiles:
        return ""
    series = example.series
    wrong = ", with something truly wrong in the middle" if part.anomalies is not None and part.anomalies.any() else ""
    period = drawing.period_in_words(series, part.start, part.stop)
    return (
        f"<h3>Feature maps</h3><p>{kit.text(series.name)}, {period}{wrong}. One map a line, time from left to right; bright is "
        f"above the map's own mean.</p>{kit.tiles(tiles, 'wide')}"
    )


_NIGHT = np.array([[14, 18, 24], [31, 79, 196], [141, 176, 255], [255, 255, 255]], dtype=np.float64)


def _lit(maps: np.ndarray) -> np.ndarray:
    """Maps as colours from night to white, each against its own mean and deviation: (maps, rows, 3) of uint8."""
    spread = maps.std(axis=1, keepdims=True)
    levels = np.clip(0.4 + 0.25 * (maps - maps.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1), 0, 1)
    places = np.linspace(0, 1, len(_NIGHT))
    return np.stack([np.interp(levels, places, _NIGHT[:, at]) for at in range(3)], axis=2).astype(np.uint8)


def sensors(material: Material) -> str:
    """Each sensor in the test split, beside the mean that training had."""
    examples = material.examples
    channels = examples[0].series.channels
    kept = channels[:LISTED]
    encoder = material.encoder
    means = encoder.means.get("") if isinstance(encoder, SeriesEncoder) else None
    spreads = encoder.deviations.get("") if isinstance(encoder, SeriesEncoder) else None
    low, high = (np.array([pick(e.values, axis=0) for e in examples]) for pick in (np.min, np.max))
    sums = np.array([np.asarray(e.values).sum(axis=0, dtype=np.float64) for e in examples]).sum(axis=0)
    mean = sums / sum(map(len, examples))
    rows: list[list[kit.Cell]] = []
    for at, name in enumerate(kept):
        trained = (
            [f"{kit.as_number(float(means[at]))} ± {kit.as_number(float(spreads[at]))}"]
            if means is not None and spreads is not None
            else []
        )
        rows.append(
            [name, *(kit.as_number(float(v)) for v in (low[:, at].min(), mean[at], high[:, at].max())), *trained]
        )
    columns = [kit.Column("sensor"), kit.Column("lowest", "n"), kit.Column("mean", "n"), kit.Column("highest", "n")]
    columns += [kit.Column("mean ± deviation in training", "n")] if means is not None else []
    steps = [step for step in (drawing.step_of(each.series) for each in examples) if step]
    about = "In the test split."
    if steps:
        least, most = drawing.seconds_in_words(min(steps)), drawing.seconds_in_words(max(steps))
        about += f" A row every {least}{'' if least == most else f' to {most}'}."
    about += f" {len(channels) - len(kept):,} more sensors are not listed." if len(channels) > len(kept) else ""
    return kit.table(columns, rows, about)


def places(examples: Sequence[Stretch]) -> str:
    """Which part of each series the test rows are."""
    lengths = {id(each.series): len(each.series) for each in examples}
    tested = dict.fromkeys(lengths, 0)
    for each in examples:
        tested[id(each.series)] += len(each)
    parts = [tested[key] / length for key, length in lengths.items()]
    last = all(each.stop == len(each.series) for each in examples)
    spread = (
        f"; {kit.as_percent(min(parts), 0)} to {kit.as_percent(max(parts), 0)}"
        if max(parts) - min(parts) > 0.01
        else ""
    )
    about = (
        f"The test rows are {'the last ' if last else ''}{kit.as_percent(float(np.median(parts)), 0)} of their series"
    )
    return f"<p>{about}{' (median' + spread + ')' if spread else ''}.</p>"
