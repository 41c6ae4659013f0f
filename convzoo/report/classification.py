"""What a page shows for every classification: the gallery of answers, classes, confusion, calibration, thresholds, slices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.metrics.classification import (
    area_under_roc,
    average_precision,
    calibration_bins,
    calibration_error,
    threshold_counts,
)
from convzoo.report import kit
from convzoo.tasks.classification import Classification

Row = Mapping[str, Any]

SURE = (0.7, 0.8, 0.9, 0.95, 0.99)
"""How sure an answer has to be, in the table of answers that may stay silent."""
OPPONENT = "best_opponent"
"""The column of `predictions.csv` with the best opponent's answer."""


def labelled(material: Material) -> list[Row]:
    """The rows of examples whose class is known."""
    return [row for row in material.predictions if row.get("true_label") and row.get("label")]


def is_right(row: Row) -> bool:
    """Whether the answer is the label."""
    return bool(row["true_label"] == row["label"])


def gallery(task: Classification, material: Material, pages: Pages) -> list[Panel]:
    """Surest mistakes, least sure answers, right answers; of unlabelled examples their answers."""
    rows = labelled(material)
    if not rows:
        return []
    order = sorted(rows, key=lambda row: -float(row["probability"]))
    wrong = [row for row in order if not is_right(row)][: kit.MISTAKES]
    least = order[::-1][: kit.MISTAKES]
    right = _of_each_class([row for row in order if is_right(row)], task.labels)
    found = []
    if wrong:
        about = "Wrong answers, the surest first. Read these before you blame the network: a sure mistake is often a wrong label."
        found.append(Panel("Surest mistakes", about, _cards(task, material, pages, wrong)))
    found.append(
        Panel("Least sure", "Where it nearly gave another answer.", _cards(task, material, pages, least, "hm"))
    )
    if right:
        found.append(Panel("Right", "Right answers, the surest of each class.", _cards(task, material, pages, right)))
    return found


def _of_each_class(rows: Sequence[Row], labels: Sequence[str]) -> list[Row]:
    """The surest right answers, in turn from each class."""
    queues = {label: [row for row in rows if row["label"] == label] for label in labels}
    found: list[Row] = []
    while len(found) < kit.MISTAKES and any(queues.values()):
        for label in labels:
            if queues[label] and len(found) < kit.MISTAKES:
                found.append(queues[label].pop(0))
    return found


def _cards(task: Classification, material: Material, pages: Pages, rows: Sequence[Row], kind: str = "") -> str:
    return kit.cards([_card(task, material, pages, row, kind) for row in rows], pages.card_size)


def _card(task: Classification, material: Material, pages: Pages, row: Row, kind: str) -> str:
    right = is_right(row)
    words = f"says <b>{kit.text(row['label'])}</b>" + ("" if right else f", label <b>{kit.text(row['true_label'])}</b>")
    probability = float(row["probability"])
    return kit.card(
        pages.shown(task, material, row),
        kit.said(right, words)
        + kit.sure(probability, kind if right else "no")
        + kit.source(f"{kit.as_percent(probability)} sure", str(row["source"])),
    )


def sections(task: Classification, material: Material, pages: Pages) -> list[Section]:
    """Where it is right: classes, confusion, calibration, what it gains by staying silent, thresholds, slices, then those of
    `pages`. Empty if the test split has no labels."""
    rows = labelled(material)
    if not rows:
        return []
    opponent = all(row.get(OPPONENT) for row in rows)
    found = [Section("", kit.key(kit.TRACK_KEY if opponent else kit.TRACK_KEY[:1]) + classes(task, rows, opponent))]
    pair = [f"<h3>Confusion</h3>{confusion(task, rows)}"]
    if task.calibration != "none" and "probabilities" in rows[0]:
        pair.append(f"<h3>Does it keep its word?</h3>{calibration(task, rows)}")
    found.append(Section("", kit.columns(pair)))
    found.append(Section("What if it may stay silent?", silent(rows, pages.plural)))
    if len(task.labels) == 2 and "probabilities" in rows[0]:
        found += two_classes(task, rows)
        found += budgets(task, material)
    if task.coarse:
        found.append(Section("", coarse_classes(task, rows)))
    found += slices(task, material, pages, opponent)
    return [*found, *pages.sections(task, material)]


def classes(task: Classification, rows: Sequence[Row], opponent: bool) -> str:
    """Each class: found, right when said, F1."""
    said, true = Counter(row["label"] for row in rows), Counter(row["true_label"] for row in rows)
    hits = Counter(row["label"] for row in rows if is_right(row))
    lines = kit.class_rows(task.labels, {label: (hits[label], said[label], true[label]) for label in task.labels})
    if opponent:
        theirs = Counter(row["true_label"] for row in rows if row[OPPONENT] == row["true_label"])
        for line, label in zip(lines, task.labels, strict=True):
            track = line[3]
            if isinstance(track, kit.Track) and true[label]:
                line[3] = kit.Track(track.value, track.low, track.high, theirs[label] / true[label])
    return kit.table(
        kit.CLASS_COLUMNS,
        lines,
        "<b>Each class.</b> “Found” (recall) is the part of the class that gets its name; “right when said” (precision) the part "
        "of the answers that is true.",
    )


def confusion(task: Classification, rows: Sequence[Row]) -> str:
    """Which class is taken for which."""
    number = {label: at for at, label in enumerate(task.labels)}
    counts = np.zeros((len(number), len(number)), dtype=int)
    for row in rows:
        counts[number[row["true_label"]], number[row["label"]]] += 1
    return kit.matrix(list(task.labels), counts)


def calibration(task: Classification, rows: Sequence[Row]) -> str:
    """The part of right answers against how sure they are, by bins."""
    number = {label: index for index, label in enumerate(task.labels)}
    after = torch.tensor([[row["probabilities"][label] for label in task.labels] for row in rows], dtype=torch.float64)
    before = (after.clamp(min=1e-12).log() * task.temperature).softmax(dim=1)
    truth = torch.tensor([number[row["true_label"]] for row in rows])
    bins = calibration_bins(after, truth).numpy()
    error, raw = calibration_error(calibration_bins(after, truth)), calibration_error(calibration_bins(before, truth))
    count, probability, right = bins
    there = count > 0
    points = list(
        zip((probability[there] / count[there]).tolist(), (right[there] / count[there]).tolist(), strict=True)
    )
    ends = [kit.wilson(round(hits), round(all_)) for hits, all_ in zip(right[there], count[there], strict=True)]
    lowest = min([x for x, _ in points] + [low for low, _ in ends])
    across = kit.Scale(min(1 / len(task.labels), points[0][0]), 1.0, percent=True)
    up = kit.Scale(max(min(lowest, across.low) - 0.05, 0.0), 1.0, percent=True)
    band = [(x, high) for (x, _), (_, high) in zip(points, ends, strict=True)]
    band += [(x, low) for (x, _), (low, _) in reversed(list(zip(points, ends, strict=True)))]
    word = [(max(across.low, up.low), max(across.low, up.low)), (1.0, 1.0)]
    drawn = kit.plot(
        [kit.Line(word, "a"), kit.Line(points, "l1", "", dots=True)],
        across, up, f"Calibration: expected error {error:.3f}", "how sure it says it is", areas=[(band, "f1")],
    )  # fmt: skip
    return (
        "<p>Of the answers that it calls 80 % sure, 80 % should be right: on the thin line it keeps its word. The band is the "
        f"95 % interval. Expected calibration error: {error:.3f}. (Its raw answers had {raw:.3f}; a temperature of "
        f"{task.temperature:.2f}, chosen on the validation split, divides them.)</p>{drawn}"
    )


def silent(rows: Sequence[Row], plural: str) -> str:
    """What is right if only sure answers are taken."""
    lines: list[list[kit.Cell]] = []
    for least in (0.0, *SURE):
        kept = [row for row in rows if float(row["probability"]) >= least]
        if not kept or (lines and len(kept) == len(rows)):
            continue
        right = sum(is_right(row) for row in kept)
        low, high = kit.wilson(right, len(kept))
        lines.append(
            [
                f"at least {100 * least:.0f} % sure" if least else "every answer",
                kit.as_percent(len(kept) / len(rows)),
                f"{len(kept):,}",
                kit.as_percent(right / len(kept)),
                kit.Track(right / len(kept), low, high),
                f"{len(kept) - right:,}",
            ]
        )
    columns = [
        kit.Column("take"), kit.Column("answers", "n"), kit.Column(plural, "n"), kit.Column("of these right", "n"),
        kit.Column("interval", "w40"), kit.Column("wrong", "n"),
    ]  # fmt: skip
    return (
        "<p>Take only the answers that are sure enough and leave the rest to a person. Choose the line on validation data, not "
        f"here.</p>{kit.table(columns, lines)}"
    )


def two_classes(task: Classification, rows: Sequence[Row]) -> list[Section]:
    """The curves of all thresholds, for two classes; empty if the test split has only one of them."""
    positive = task.labels[task.positive]
    true = torch.tensor([row["true_label"] == positive for row in rows])
    if bool(true.all()) or not bool(true.any()):
        return []
    scores = torch.tensor([float(row["probabilities"][positive]) for row in rows], dtype=torch.float64)
    hits, false, thresholds = threshold_counts(scores, true)
    recall, false_rate, precision = hits / true.sum(), false / (~true).sum(), hits / (hits + false)
    threshold = task.point["threshold"] if task.point is not None else 0.5
    at = int((thresholds >= threshold).sum()) - 1
    share = float(true.double().mean())
    about = (
        f"<p>What every threshold of the probability of <b>{kit.text(positive)}</b> gives on the test split: area under the "
        f"ROC curve {area_under_roc(scores, true):.3f}, average precision {average_precision(scores, true):.3f}. The dot is the "
        f"threshold that is used, {threshold:.3g}"
        + (f" ({kit.text(task.wanted.said)}, chosen on the validation split)" if task.wanted is not None else "")
        + ". Dashed: chance.</p>"
    )
    whole = kit.Scale(0.0, 1.0, percent=True)
    roc = [(0.0, 0.0), *zip(false_rate.tolist(), recall.tolist(), strict=True)]
    curve = list(zip(recall.tolist(), precision.tolist(), strict=True))
    here: list[list[kit.Line]] = [[], []]
    if at >= 0:
        here = [
            [kit.Line([(float(false_rate[at]), float(recall[at]))], "l1")],
            [kit.Line([(float(recall[at]), float(precision[at]))], "l1")],
        ]
    left = kit.plot(
        [kit.Line([(0, 0), (1, 1)], "l2"), kit.Line(_thinned(roc), "l1"), *here[0]], whole, whole,
        "ROC curve", "false alarms: part of the others that is called so",
    )  # fmt: skip
    right = kit.plot(
        [kit.Line([(0, share), (1, share)], "l2"), kit.Line(_thinned(curve), "l1"), *here[1]], whole, whole,
        "Precision and recall", "found (recall)",
    )  # fmt: skip
    drawn = kit.columns(
        [
            f'<h4 class="pt">Found (recall), against false alarms</h4>{left}',
            f'<h4 class="pt">Right when said (precision), against found</h4>{right}',
        ]
    )
    return [Section("Every threshold", about + drawn)]


def budgets(task: Classification, material: Material) -> list[Section]:
    """What is found of the positive class within each budget of false alarms, by the network and its opponents."""
    named = task.labels[task.positive]
    lines: list[list[kit.Cell]] = []
    for budget in task.budgets:
        for name, scores in material.scores.items():
            found, blocked = (scores.get(f"test/{score}_at_{budget:g}") for score in ("recall", "false_alarms"))
            if found is not None and blocked is not None and found == found and blocked == blocked:
                lines.append(
                    [f"{100 * budget:g} %", name, kit.as_percent(found), kit.Track(found), f"{100 * blocked:.2f} %"]
                )
    if not lines:
        return []
    columns = [
        kit.Column("allowed"), kit.Column("who"), kit.Column("found", "n"), kit.Column("part", "w40"),
        kit.Column("false alarms on test", "n"),
    ]  # fmt: skip
    about = (
        f"<p>How much of <b>{kit.text(named)}</b> is found where at most a small part of the others is called so. Each threshold "
        "was chosen on the validation split, so on the test split the part of false alarms may come out higher.</p>"
    )
    return [Section("Within a budget of false alarms", about + kit.table(columns, lines))]


def coarse_classes(task: Classification, rows: Sequence[Row]) -> str:
    """Each coarse class: how often the class is right, and how often only the coarse one."""
    names = dict(zip(task.labels, task.coarse, strict=True))
    lines: list[list[kit.Cell]] = []
    for name in dict.fromkeys(task.coarse):
        inside = [row for row in rows if names[row["true_label"]] == name]
        if not inside:
            continue
        fine = sum(is_right(row) for row in inside)
        coarse = sum(names[row["label"]] == name for row in inside)
        low, high = kit.wilson(coarse, len(inside))
        lines.append(
            [
                name, f"{len(inside):,}", kit.as_percent(fine / len(inside)), kit.as_percent(coarse / len(inside)),
                kit.Track(coarse / len(inside), low, high),
            ]
        )  # fmt: skip
    columns = [
        kit.Column("coarse class"), kit.Column("examples", "n"), kit.Column("class right", "n"),
        kit.Column("coarse class right", "n"), kit.Column("interval", "w40"),
    ]  # fmt: skip
    return kit.table(
        columns, lines, "<b>Each coarse class.</b> A wrong class of the right coarse class is the smaller mistake."
    )


def _thinned(points: Sequence[tuple[float, float]], most: int = 300) -> list[tuple[float, float]]:
    """At most so many points of a curve, its ends among them."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(len(points), most)).astype(int))
    return [points[at] for at in chosen.tolist()]


def slices(task: Classification, material: Material, pages: Pages, opponent: bool) -> list[Section]:
    """The accuracy on each part of the test examples, with its interval and the best opponent's."""
    found = []
    for division in pages.slices(task, material):
        lines: list[list[kit.Cell]] = []
        for name, places in division.groups.items():
            rows = [material.predictions[place] for place in places]
            rows = [row for row in rows if row.get("true_label") and row.get("label")]
            if not rows:
                continue
            right = sum(is_right(row) for row in rows)
            low, high = kit.wilson(right, len(rows))
            theirs = sum(row[OPPONENT] == row["true_label"] for row in rows) / len(rows) if opponent else None
            lines.append(
                [
                    name, f"{len(rows):,}", kit.as_percent(right / len(rows)), kit.Track(right / len(rows), low, high, theirs),
                    *([kit.as_percent(theirs)] if theirs is not None else []),
                ]
            )  # fmt: skip
        if len(lines) < 2:
            continue
        columns = [
            kit.Column(division.title), kit.Column(f"test {pages.plural}", "n"), kit.Column("right", "n"),
            kit.Column("interval", "w40"), *([kit.Column("best opponent", "n")] if opponent else []),
        ]  # fmt: skip
        found.append(
            Section("", kit.table(columns, lines, f"<b>By {kit.text(division.title)}.</b> {kit.text(division.about)}"))
        )
    return [Section("Slices", ""), *found] if found else []
