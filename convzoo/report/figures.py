"""The figures of a report, as SVG text."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from convzoo.ops.intervals import intervals


def as_svg(figure: Any) -> str:
    """A figure as an `svg` element."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight")
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def new_figure(width: float, height: float) -> Any:
    """An empty figure, its size in inches."""
    # matplotlib's object interface needs no global state and no window system.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def curves(rows: Sequence[Mapping[str, str]], score: str, best_step: int | None) -> str:
    """The losses and the chosen score over the epochs."""
    figure = new_figure(9, 2.9)
    left, right = figure.subplots(1, 2)
    epochs = [float(row["epoch"]) for row in rows]
    for name in rows[0]:
        if name.startswith("train/") or (name.startswith("val/") and name.removeprefix("val/") in _losses(rows[0])):
            left.plot(epochs, [float(row[name]) for row in rows], label=name, marker="." if len(rows) < 30 else None)
    left.set_xlabel("epoch")
    left.set_title("loss")
    left.legend(frameon=False)
    right.plot(epochs, [float(row[score]) for row in rows], color="tab:green", marker="." if len(rows) < 30 else None)
    best = [float(row["epoch"]) for row in rows if best_step is not None and int(row["step"]) == best_step]
    if best:
        right.axvline(best[0], color="grey", linestyle=":", label="best, kept")
        right.legend(frameon=False)
    right.set_xlabel("epoch")
    right.set_title(score)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def _losses(row: Mapping[str, str]) -> set[str]:
    return {name.removeprefix("train/") for name in row if name.startswith("train/")}


def series(example: Any, scores: np.ndarray, most: int = 2000) -> str:
    """A stretch of a series above its scores, with true and flagged intervals. A long one is thinned, but its peaks are kept."""
    values = np.asarray(example.values, dtype=np.float64)
    length = len(values)
    spread = np.maximum(values.std(axis=0), 1e-12)
    peak = int(scores.argmax())
    channel = int((np.abs(values[peak] - np.median(values, axis=0)) / spread).argmax())
    step = -(-length // most)
    edges = np.arange(0, length, step)
    figure = new_figure(9.5, 2.9)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    above.fill_between(
        edges, np.minimum.reduceat(values[:, channel], edges), np.maximum.reduceat(values[:, channel], edges),
        linewidth=0.6, color="#33526e",
    )  # fmt: skip
    above.set_ylabel(example.series.channels[channel], fontsize=8, parse_math=False)
    below.plot(edges, np.maximum.reduceat(scores, edges), linewidth=0.8, color="#33526e")
    below.axhline(1, color="grey", linestyle="--", linewidth=0.8)
    below.set_ylim(0, max(2.0, float(np.quantile(scores, 0.995)) * 1.1))
    below.set_ylabel("score", fontsize=8)
    for axes in (above, below):
        for start, stop in intervals(scores > 1):
            axes.axvspan(start, stop, color="tab:orange", alpha=0.35, linewidth=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    for start, stop in intervals(example.anomalies) if example.anomalies is not None else []:
        above.axvspan(start, stop, ymin=0.93, ymax=1, color="tab:red", linewidth=0)
        above.axvspan(start, stop, color="tab:red", alpha=0.12, linewidth=0)
    ticks = np.linspace(0, length - 1, 5).astype(int)
    below.set_xticks(ticks, [example.series.time_of(example.start + int(row)) for row in ticks])
    return as_svg(figure)


def mixing(weights: np.ndarray, channels: Sequence[str]) -> str:
    """Kernels that see one time step, (kernels, channels), as a table of colours."""
    figure = new_figure(1.8 + 0.5 * len(channels), 0.8 + 0.16 * len(weights))
    axes = figure.subplots()
    span = float(np.abs(weights).max()) or 1.0
    axes.imshow(weights, cmap="RdBu_r", vmin=-span, vmax=span, aspect="auto")
    axes.set_xticks(range(len(channels)), channels, rotation=45, ha="right", fontsize=8, parse_math=False)
    axes.set_ylabel("kernel")
    return as_svg(figure)


def kernels(weights: np.ndarray, channels: Sequence[str]) -> str:
    """Kernels over time, (kernels, channels, width), one panel for each."""
    columns = 4
    rows = -(-len(weights) // columns)
    figure = new_figure(9, 1.5 * rows + 0.4)
    panels = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True)).ravel()
    for axes, kernel in zip(panels, weights, strict=False):
        axes.axhline(0, color="#bbbbbb", linewidth=0.6)
        for name, line in zip(channels, kernel, strict=True):
            axes.plot(line, linewidth=1, label=name)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    if len(channels) <= 8:
        handles, names = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            names,
            loc="lower center",
            ncol=len(channels),
            fontsize=7,
            frameon=False,
            bbox_to_anchor=(0.5, -0.06),
        )
    return as_svg(figure)


def maps(values: np.ndarray, answers: np.ndarray, channels: Sequence[str]) -> str:
    """A window (channels, time) above the feature maps that a layer computes from it (kernels, steps)."""
    figure = new_figure(9, 3.6)
    above, below = figure.subplots(2, 1)
    for name, line in zip(channels, values, strict=True):
        above.plot(line, linewidth=0.9, label=name)
    above.set_xlim(0, values.shape[1] - 1)
    if len(channels) <= 8:
        above.legend(fontsize=6, frameon=False, ncol=4)
    below.imshow(answers, aspect="auto", cmap="magma", interpolation="nearest")
    below.set_ylabel("kernel")
    for axes in (above, below):
        axes.tick_params(labelsize=7)
    return as_svg(figure)


def confusion(truth: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> str:
    """The confusion matrix, one row for each true class, with counts if there is room."""
    number = {label: index for index, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), dtype=int)
    for true, guess in zip(truth, predicted, strict=True):
        counts[number[true], number[guess]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(9.0, 2.2 + 0.5 * len(labels))
    figure = new_figure(side, side)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(labels) <= 30:
        axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(len(labels)), labels, parse_math=False)
    if len(labels) <= 15:
        for row in range(len(labels)):
            for column in range(len(labels)):
                if counts[row, column]:
                    colour = "white" if shares[row, column] > 0.5 else "black"
                    axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return as_svg(figure)


def reliability(counted: Mapping[str, np.ndarray]) -> str:
    """For each name: the fraction of right predictions against their mean probability, by bins; below, the number of predictions.

    Args:
        counted: by name, (3, bins): the number of predictions, the sum of their probabilities, the number of right ones
    """
    figure = new_figure(8, 3.6)
    panels = figure.subplots(2, len(counted), sharex=True, height_ratios=[3, 1], squeeze=False)
    for (name, bins), above, below in zip(counted.items(), panels[0], panels[1], strict=True):
        count, probability, right = bins
        there = count > 0
        width = 1 / bins.shape[1]
        middles = (np.arange(bins.shape[1]) + 0.5) * width
        above.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
        above.bar(middles[there], right[there] / count[there], width * 0.92, color="tab:blue", alpha=0.75)
        above.plot(probability[there] / count[there], right[there] / count[there], "k.", markersize=4)
        above.set_title(name, fontsize=10)
        above.set_ylim(0, 1)
        below.bar(middles, count, width * 0.92, color="#8a97a8")
        below.set_xlim(0, 1)
        below.set_xlabel("probability")
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(labelsize=8)
    panels[0][0].set_ylabel("part that is right")
    panels[1][0].set_ylabel("how many")
    return as_svg(figure)


def against(true: np.ndarray, found: np.ndarray, intervals: np.ndarray | None, most: int = 1000) -> str:
    """Predicted against true numbers, with the intervals (examples, 2) if there are any; of many examples an even choice."""
    chosen = np.unique(np.linspace(0, len(true) - 1, min(len(true), most)).astype(int))
    true, found = true[chosen], found[chosen]
    figure = new_figure(5.2, 4.6)
    axes = figure.subplots()
    if intervals is not None:
        axes.vlines(true, intervals[chosen, 0], intervals[chosen, 1], color="tab:blue", alpha=0.15, linewidth=1)
    axes.scatter(true, found, s=9, alpha=0.7, color="#33526e", linewidths=0)
    ends = [float(min(true.min(), found.min())), float(max(true.max(), found.max()))]
    axes.plot(ends, ends, color="grey", linestyle=":", linewidth=1)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def thresholds(
    false_rate: np.ndarray,
    recall: np.ndarray,
    precision: np.ndarray,
    share: float,
    point: tuple[float, float, float] | None,
) -> str:
    """The ROC curve, and the curve of precision and recall.

    Args:
        false_rate: (thresholds,), the fraction of negatives that are predicted positive, from the highest threshold on
        recall: (thresholds,), the fraction of positives that are found
        precision: (thresholds,)
        share: of positives, which is the precision of chance
        point: false rate, recall and precision of the threshold that is used
    """
    figure = new_figure(8, 3.6)
    left, right = figure.subplots(1, 2)
    left.plot([0, *false_rate], [0, *recall], color="tab:blue")
    left.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1)
    right.step([0, *recall], [precision[0], *precision], where="pre", color="tab:blue")
    right.axhline(share, color="grey", linestyle=":", linewidth=1)
    if point is not None:
        left.plot(point[0], point[1], "o", color="tab:orange")
        right.plot(point[1], point[2], "o", color="tab:orange")
    for axes, across, up in ((left, "false positive rate", "true positive rate"), (right, "recall", "precision")):
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def bars(labels: Sequence[str], values: Sequence[float], below: Sequence[str], across: str, title: str) -> str:
    """A bar for each label, with its value above it and a note below the label."""
    figure = new_figure(7, 2.9)
    axes = figure.subplots()
    drawn = axes.bar(range(len(labels)), values, color="tab:blue")
    axes.bar_label(drawn, [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values], fontsize=8)
    axes.set_xticks(range(len(labels)), [f"{label}\n{note}" for label, note in zip(labels, below, strict=True)])
    axes.set_xlabel(across)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def heat(values: np.ndarray, columns: Sequence[str], rows: Sequence[str], across: str, down: str) -> str:
    """A matrix (rows, columns) of values from 0 to 1 as a heat map, with the names of its rows and columns."""
    figure = new_figure(1.6 + 0.34 * len(columns), 1.2 + 0.27 * len(rows))
    axes = figure.subplots()
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=9, parse_math=False)
    axes.set_yticks(range(len(rows)), rows, fontsize=9, parse_math=False)
    axes.set_xlabel(across)
    axes.set_ylabel(down)
    return as_svg(figure)


def by_case(scores: Mapping[str, Sequence[float]], name: str) -> str:
    """For each structure, one dot for each case, with the median."""
    figure = new_figure(min(9.0, 2 + 1.2 * len(scores)), 2.9)
    axes = figure.subplots()
    for place, values in enumerate(scores.values()):
        # The dots of one structure are spread sideways, in a fixed order.
        beside = place + 0.28 * (np.arange(len(values)) * 0.618 % 1 - 0.5)
        axes.scatter(beside, values, s=14, alpha=0.7, color="#33526e", linewidths=0)
        if len(values):
            axes.hlines(float(np.median(values)), place - 0.25, place + 0.25, color="tab:orange", linewidth=1.5)
    axes.set_xticks(range(len(scores)))
    axes.set_xticklabels(list(scores), fontsize=8, parse_math=False)
    axes.set_xlim(-0.6, len(scores) - 0.4)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel(name)
    axes.grid(alpha=0.3, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def over_time(
    times: np.ndarray,
    amounts: np.ndarray,
    moments: Sequence[tuple[float, float]],
    shares: np.ndarray,
    labels: Sequence[str],
) -> str:
    """The most likely classes over the seconds of a video; below, an amount for each frame.

    Args:
        times: of the frames, in seconds
        amounts: of each frame
        moments: when each clip begins and ends, in seconds
        shares: of the classes in each clip, (clips, classes)
        labels: of the classes
    """
    figure = new_figure(7.5, 2.1)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    for index in np.argsort(-shares.max(axis=0), kind="stable")[:3].tolist():
        middles = [(start + end) / 2 for start, end in moments]
        (line,) = above.plot(middles, shares[:, index], marker="o", markersize=3, linewidth=1, label=labels[index])
        above.hlines(
            shares[:, index], [start for start, _ in moments], [end for _, end in moments], line.get_color(), alpha=0.35
        )
    above.set_ylim(-0.05, 1.05)
    above.set_ylabel("probability", fontsize=7)
    above.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    below.fill_between(times, amounts / (amounts.max() or 1.0), step="mid", color="#b42318", alpha=0.6, linewidth=0)
    below.set_ylabel("saliency", fontsize=7)
    below.set_xlabel("seconds", fontsize=7)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
    return as_svg(figure)
