"""Where a detector of anomalies is right: by length, sensor, series and threshold."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch

from convzoo.core.pages import Material
from convzoo.metrics.anomalies import pointwise
from convzoo.metrics.classification import average_precision, threshold_counts
from convzoo.modalities.series import drawing
from convzoo.modalities.series.example import Series
from convzoo.modalities.series.looked import Looked
from convzoo.modalities.series.outcomes import Outcome, Truth, count_false, late, truths
from convzoo.report import kit
from convzoo.tasks.anomaly_detection import AnomalyDetection

ORDERED = 8
"""A longer table of series has the most mistakes first."""
LISTED = 30
"""Rows of a table."""
FACTORS = (0.5, 0.7, 1.0, 1.5, 2.0, 4.0, 8.0)
"""Thresholds of the table of operating points, in units of the one in use."""


def by_length(found: Sequence[Outcome], material: Material) -> str:
    """Found intervals by their length, in about four groups of equal size."""
    pairs = [(truth, each) for each in found for truth in each.truths or ()]
    lengths = np.array([len(truth) for truth, _ in pairs])
    edges = np.unique(np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1], method="nearest"))
    edges = np.append(edges[:-1], edges[-1] + 1) if len(edges) > 1 else np.array([edges[0], edges[0] + 1])
    series = drawing.of_one_step(material.examples)
    rows: list[list[kit.Cell]] = []
    for low, high in pairwise(edges.tolist()):
        inside = [truth for truth, _ in pairs if low <= len(truth) < high]
        if inside:
            sizes = [len(truth) for truth in inside]
            name = f"{min(sizes):,}" if min(sizes) == max(sizes) else f"{min(sizes):,} to {max(sizes):,}"
            rows.append([f"{name} {'row' if max(sizes) == 1 else 'rows'}", *_of_truths(inside, series)])
    columns = [kit.Column("length"), *_TRUTH_COLUMNS]
    return kit.table(
        columns, rows, "<b>Each length.</b> True intervals by the number of rows that they last, the shortest first."
    )


_TRUTH_COLUMNS = (
    kit.Column("found", "n"), kit.Column("interval", "w40"), kit.Column("of its rows flagged", "n"),
    kit.Column("first alarm after (median)", "n"),
)  # fmt: skip


def _of_truths(inside: Sequence[Truth], series: Series | None) -> list[kit.Cell]:
    hits = [truth for truth in inside if truth.first is not None]
    low, high = kit.wilson(len(hits), len(inside))
    flagged = sum(truth.flagged for truth in inside) / sum(map(len, inside))
    delays = [truth.delay for truth in hits if truth.delay is not None]
    after = drawing.rows_in_words(series, float(np.median(delays))) if delays else "–"
    return [
        f"{len(hits):,} of {len(inside):,}", kit.Track(len(hits) / len(inside), low, high), kit.as_percent(flagged, 0), after,
    ]  # fmt: skip


def by_channel(looked: Looked, found: Sequence[Outcome], material: Material) -> str:
    """Found intervals by the sensor that moved most in them."""
    events = looked.events_of(found, lambda each: each.truths or [])
    channels, series = material.examples[0].series.channels, drawing.of_one_step(material.examples)
    if len(channels) < 2 or not events:
        return ""
    false = looked.events_of(found, lambda each: each.false_alarms)
    by = {
        number: [event.truth for event in events if event.channel == number and event.truth]
        for number in range(len(channels))
    }
    order = sorted((n for n in by if by[n]), key=lambda n: sum(t.first is not None for t in by[n]) / len(by[n]))
    rows: list[list[kit.Cell]] = [
        [
            channels[n],
            *_of_truths(by[n], series),
            f"{sum(event.channel == n for event in false):,}",
        ]
        for n in order[:LISTED]
    ]
    never = len(channels) - len(order)
    notes = f" {kit.count_of(never, 'sensors')} moved most in none." if never else ""
    notes += (
        f" {kit.count_of(len(order) - LISTED, 'sensors')} with more found are not listed."
        if len(order) > LISTED
        else ""
    )
    every = sum(len(each.truths or ()) for each in found)
    notes += f" {len(events):,} of {every:,} intervals were looked at." if len(events) < every else ""
    columns = [kit.Column("sensor"), *_TRUTH_COLUMNS, kit.Column("false alarms", "n")]
    about = (
        "<b>Each sensor</b>, the hardest first. An interval counts for the sensor that is farthest from what the network "
        "expected: the labels do not say which one was wrong."
    )
    return kit.table(columns, rows, about + notes)


def each_series(found: Sequence[Outcome], material: Material) -> str:
    """Each test stretch: intervals found, F1, false alarms."""
    labelled = any(each.truths is not None for each in found)
    order = sorted(found, key=lambda each: (-each.mistakes, -each.highest)) if len(found) > ORDERED else list(found)
    rows: list[list[kit.Cell]] = []
    for each in order[:LISTED]:
        name = material.examples[each.index].series.name
        cells: list[kit.Cell] = [name]
        if labelled:
            count = len(each.truths or ())
            low, high = kit.wilson(each.found, count)
            scores = None if each.wrong is None else pointwise(each.flags, each.wrong)
            cells += [
                f"{each.found} of {count}" if each.truths is not None else "no labels",
                kit.Track(each.found / count, low, high) if count else None,
                f"{scores['f1']:.3f}" if scores and count else "–",
                f"{len(each.false_alarms):,}" if each.truths is not None else "–",
            ]
        rows.append(
            [*cells, f"{len(each.alarms):,}", kit.as_percent(float(each.flags.mean())), kit.as_number(each.highest)]
        )
    columns = [kit.Column("series")]
    if labelled:
        columns += [
            kit.Column("found", "n"),
            kit.Column("interval", "w40"),
            kit.Column("F1 of rows", "n"),
            kit.Column("false alarms", "n"),
        ]
    columns += [kit.Column("alarms", "n"), kit.Column("rows flagged", "n"), kit.Column("highest score", "n")]
    by = "missed intervals and false alarms" if labelled else "highest score"
    about = "<b>Each series.</b>" + (f" The largest number of {by} first." if len(found) > ORDERED and labelled else "")
    if len(order) > LISTED:
        about += f" {len(order) - LISTED:,} more are in <code>predictions.csv</code>."
    return kit.table(columns, rows, about)


def thresholds(
    task: AnomalyDetection, looked: Looked, judged: Sequence[Outcome], labelled: Sequence[Outcome], material: Material
) -> str:
    """A table of thresholds, and the curve of precision and recall."""
    parts = [(looked.surprises[each.index].score, each.wrong[: len(looked.surprises[each.index].score)])
             for each in judged if each.wrong is not None]  # fmt: skip
    scores, wrong = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    if not wrong.any():
        return "<p>The rows that were looked at again hold nothing wrong, so no curve can be drawn.</p>"
    near = [late(truth, task.smooth) for _, truth in parts]
    series = drawing.of_one_step([material.examples[each.index] for each in judged])
    step, total = drawing.step_of(series) if series else None, len(scores)
    per, unit = (total * step / 86_400, "a day") if step and step >= 60 else (total / 1000, "in 1,000 rows")
    rows: list[list[kit.Cell]] = []
    for factor in FACTORS:
        found = pointwise(scores > factor, wrong)
        hit = [truth.first is not None for score, true in parts for truth in truths(true, score > factor)]
        false = sum(count_false(score > factor, around) for (score, _), around in zip(parts, near, strict=True))
        rows.append(
            [
                f"× {factor:g}" + (", in use" if factor == 1 else ""), f"{found['f1']:.3f}", kit.Track(found["f1"]),
                kit.as_percent(found["precision"], 0) if (scores > factor).any() else "–", kit.as_percent(found["recall"], 0),
                f"{sum(hit):,} of {len(hit):,}", f"{false / per:.2f}",
            ]
        )  # fmt: skip
    columns = [
        kit.Column("threshold"), kit.Column("F1 of rows", "n"), kit.Column("F1", "w40"),
        kit.Column("rows right when flagged", "n"),
        kit.Column("wrong rows flagged", "n"), kit.Column("intervals found", "n"), kit.Column(f"false alarms {unit}", "n"),
    ]  # fmt: skip
    about = (
        f"<b>Operating points.</b> The threshold is the {100 * task.quantile:g} % quantile of the scores of the normal "
        "validation rows"
        + (f", times {task.factor:g}" if task.factor != 1 else "")
        + "; the test split had no part in it. Raise <code>task.factor</code> for fewer false alarms, but choose it on "
        "other data than these."
    )
    every = sum(each.rows for each in labelled)
    if total < every:
        about += f" Of {every:,} labelled rows {total:,} were looked at again for this table and the curve."
    hits, false_, _ = threshold_counts(torch.from_numpy(scores.astype(np.float64)), torch.from_numpy(wrong))
    recall, precision = (hits / wrong.sum()).numpy(), (hits / (hits + false_)).numpy()
    chosen = np.unique(np.linspace(0, len(recall) - 1, 300).astype(int))
    curve = list(zip(recall[chosen].tolist(), precision[chosen].tolist(), strict=True))
    share = float(wrong.mean())
    now = pointwise(scores > 1, wrong)
    lines = [kit.Line([(0, share), (1, share)], "l2"), kit.Line(curve, "l1")]
    if (scores > 1).any():
        lines.append(kit.Line([(now["recall"], now["precision"])], "l1", "threshold in use"))
    whole = kit.Scale(0.0, 1.0, percent=True)
    label = f"Precision and recall; at the threshold in use {kit.as_number(now['precision'])} and {kit.as_number(now['recall'])}"
    area = average_precision(torch.from_numpy(scores.astype(np.float64)), torch.from_numpy(wrong))
    drawn = kit.plot(lines, whole, whole, label, "part of the wrong rows that is flagged (recall)")
    left = (
        "<h3>Precision and recall</h3><p>Every threshold at once: up is fewer rows flagged in vain, right is more of the wrong "
        f"rows. Average precision {area:.3f}; the dashed line, {share:.3f}, is that of a detector that knows nothing.</p>{drawn}"
    )
    return kit.table(columns, rows, about, ours=FACTORS.index(1.0)) + kit.columns([left, row_by_row(labelled)])


def row_by_row(labelled: Sequence[Outcome]) -> str:
    counts = np.zeros((2, 2), dtype=np.int64)
    for each in labelled:
        wrong = np.asarray(each.wrong)
        counts += [
            [(wrong & each.flags).sum(), (wrong & ~each.flags).sum()],
            [(~wrong & each.flags).sum(), (~wrong & ~each.flags).sum()],
        ]
    about = f"The {int(counts.sum()):,} labelled test rows, without point adjustment: an interval counts row by row."
    return f"<h3>Row by row</h3><p>{about}</p>" + kit.matrix(["wrong", "normal"], counts)
