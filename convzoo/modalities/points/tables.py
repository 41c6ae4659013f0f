"""Where a detector in point clouds is right: tables and curves over the labelled test frames."""

from collections.abc import Callable, Sequence

import numpy as np

from convzoo.core.pages import Material, Section
from convzoo.metrics.kitti_ap import (
    DIFFICULTIES,
    RECALLS,
    average,
    least_overlap,
    objects_counted,
    precision_curve,
    weighted_average,
)
from convzoo.modalities.points.outcomes import (
    FALSE,
    FOUND,
    LOOSE,
    MISSED,
    OTHER,
    UNJUDGED,
    Frame,
    Outcome,
    frames_in_words,
    frames_of,
    least_of,
    outcome_of,
    plain_precision,
    points_inside,
    spoken,
)
from convzoo.modalities.points.scenes import round_step
from convzoo.report import kit
from convzoo.summary import FEW_CASES
from convzoo.tasks.detection import Detection

DRAWS = 300
"""How often the test frames are drawn anew for an interval."""
CURVES = 6
"""At most so many classes have a curve of their own."""


def taken_apart(task: Detection, material: Material) -> list[Section]:
    """All tables and curves; empty if no test frame has labels."""
    frames = frames_of(material.predictions, material.examples, task.labels)
    if not frames:
        return []
    least = least_of(task)
    outcomes = [outcome_of(frame, least) for frame in frames]
    draws = drawn_anew(frames)
    key = kit.key(kit.TRACK_KEY[:1]) if draws is not None else ""
    found = [Section("", left_out(task, material, frames) + key + by_class(task, frames, draws))]
    found.append(Section("Precision and recall", curves(task, frames)))
    found.append(Section("How sure should a box be?", operating_points(task, frames, draws)))
    found.append(
        Section(
            "What becomes of an object",
            kit.columns([what_becomes(task, frames, outcomes), by_distance(task, frames, outcomes, draws)])
            + kit.columns([by_points(material, frames, outcomes, draws), by_hidden(frames, outcomes, draws)]),
        )
    )
    found.append(Section("Average precision by distance", precision_by_distance(task, frames)))
    closely = fit(task, frames, outcomes)
    return [*found, Section("How well the boxes fit", closely)] if closely else found


def drawn_anew(frames: Sequence[Frame]) -> np.ndarray | None:
    """(draws, frames): how often each frame counts if the frames, or their groups, are drawn anew; None with too few of them."""
    groups = {frame.group for frame in frames}
    by_group = None not in groups and len(groups) >= FEW_CASES
    home = (
        np.unique([str(frame.group) for frame in frames], return_inverse=True)[1]
        if by_group
        else np.arange(len(frames))
    )
    count = int(home.max()) + 1
    if count < FEW_CASES:
        return None
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return drawn[:, home].astype(np.float64)


def _track(value: float, drawn: np.ndarray | None) -> kit.Track:
    """A value with the middle 95 % of its draws, moved so that all frames counted once give the value."""
    if drawn is None or not len(drawn := drawn[np.isfinite(drawn)]):
        return kit.Track(value)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return kit.Track(value, max(float(low), 0.0), min(float(high), 1.0))


def _share(hits: Sequence[int], whole: Sequence[int], draws: np.ndarray | None) -> kit.Track:
    """A part of all objects with its interval: frames are drawn anew; where no draw differs, Wilson's.

    Args:
        hits, whole: of each frame
    """
    right, count = sum(hits), sum(whole)
    if draws is None:
        return kit.Track(right / count)
    if right in (0, count):
        return kit.Track(right / count, *kit.wilson(right, count))
    with np.errstate(invalid="ignore"):
        return _track(right / count, (draws @ np.array(hits)) / (draws @ np.array(whole)))


def left_out(task: Detection, material: Material, frames: Sequence[Frame]) -> str:
    """What does not count, with its number."""
    words = []
    bare = len(material.predictions) - len(frames)
    if bare:
        words.append(f"{frames_in_words(bare)} without labels {'is' if bare == 1 else 'are'} left out here.")
    outside = sum(int((frame.judged & ~_inside(frame.true, task.bounds)).sum()) for frame in frames)
    if outside:
        words.append(
            f"{_some(outside, 'labelled object lies', 'labelled objects lie')} outside of the area that is searched: missed."
        )
    unjudged = sum(outcome_of(frame, least_of(task)).boxes.count(UNJUDGED) for frame in frames)
    if unjudged:
        words.append(
            f"{_some(unjudged, 'box is', 'boxes are')} not judged: outside of the camera's image, where nothing is labelled, or "
            "on an object so like the class that it may be taken for it (a van for a car)."
        )
    if drawn_anew(frames) is None:
        words.append(f"With so few frames ({len(frames):,}) there are no intervals.")
    return f"<p>{' '.join(words)}</p>" if words else ""


def _some(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _inside(boxes: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    x0, x1, y0, y1 = bounds
    return (boxes[:, 0] >= x0) & (boxes[:, 0] < x1) & (boxes[:, 1] >= y0) & (boxes[:, 1] < y1)


def by_class(task: Detection, frames: Sequence[Frame], draws: np.ndarray | None) -> str:
    scored = [frame.scored for frame in frames]
    counted = {(name, level): objects_counted(scored, name, level) for name in task.labels for level in DIFFICULTIES}
    levels = any(counted[name, "easy"] != counted[name, "hard"] for name in task.labels)
    rows: list[list[kit.Cell]] = []
    for name in task.labels:
        value = {
            level: average(precision_curve(scored, name, level), 40)
            for level in (DIFFICULTIES if levels else ("moderate",))
            if counted[name, level]
        }
        track: kit.Cell = None
        if "moderate" in value:
            drawn = None
            if draws is not None:
                whole = np.concatenate([np.ones((1, len(frames))), draws])
                found = weighted_average(scored, name, "moderate", "3d", whole)
                drawn = found[1:] + value["moderate"] - found[0]
            track = _track(value["moderate"], drawn)
        rows.append(
            [
                name, f"{counted[name, 'moderate']:,}", f"{value['moderate']:.3f}" if "moderate" in value else "–", track,
                *([f"{value[level]:.3f}" if level in value else "–" for level in ("easy", "hard")] if levels else []),
                f"{least_overlap(name):g}",
            ]
        )  # fmt: skip
    about = (
        "at KITTI's moderate difficulty; easy and hard beside it. Objects too low in the image, too hidden or too far cut off "
        "for a difficulty neither count nor harm."
        if levels
        else "by KITTI's rules. There is no camera beside the scans, or all is seen well: easy, moderate and hard are the same."
    )
    columns = [
        kit.Column("class"), kit.Column("test objects", "n"), kit.Column("average precision", "n"),
        kit.Column("interval", "w40"), *([kit.Column("easy", "n"), kit.Column("hard", "n")] if levels else []),
        kit.Column("overlap asked", "n"),
    ]  # fmt: skip
    empty = [name for name in task.labels if not counted[name, "moderate"]]
    more = f" {kit.text(', '.join(empty))}: no object counts, so there is no score." if empty else ""
    if any(0 < counted[name, "moderate"] < RECALLS for name in task.labels):
        more += f" With fewer than {RECALLS} objects the 40 recalls are not all reached: the value is too low."
    return kit.table(columns, rows, f"<b>Each class</b>, {about}{more}", percent=False)


def curves(task: Detection, frames: Sequence[Frame]) -> str:
    scored = [frame.scored for frame in frames]
    counted = {name: objects_counted(scored, name, "moderate") for name in task.labels}
    shown = sorted((name for name in task.labels if counted[name]), key=lambda name: -counted[name])[:CURVES]
    if not shown:
        return "<p>No object counts at moderate difficulty: there is no curve.</p>"
    whole = kit.Scale(0.0, 1.0, percent=True)
    parts = []
    for name in (label for label in task.labels if label in shown):
        lines = []
        for measure, kind in (("bev", "l2"), ("3d", "l1")):
            curve = precision_curve(scored, name, "moderate", measure)
            reached = int((curve > 0).sum())
            ends = np.arange(reached) / (RECALLS - 1)
            points = list(zip(ends.tolist(), curve[:reached].tolist(), strict=True))
            if points:
                points.append((points[-1][0], 0.0))
            lines.append(kit.Line(points, kind))
        value = average(precision_curve(scored, name, "moderate"), 40)
        drawn = kit.plot(
            lines, whole, whole, f"{name}: precision over recall; average {value:.2f}", "objects found (recall)",
            height="12rem", across_ticks=(0.0, 0.5, 1.0),
        )  # fmt: skip
        parts.append(f"<figure><figcaption><b>{kit.text(name)}</b></figcaption>{drawn}</figure>")
    rest = len(task.labels) - len(shown)
    more = f" {rest} more class{' is' if rest == 1 else 'es are'} not drawn: the most frequent are." if rest else ""
    return (
        "<p>All thresholds at once, at moderate difficulty: up is fewer false boxes (precision), right is more objects found. "
        "Solid is the overlap in space, dashed the overlap from above, for which the height does not matter: where they lie "
        f"apart, boxes are too high, too low or of a wrong height.{more}</p>{kit.columns(parts, '16rem')}"
    )


def operating_points(task: Detection, frames: Sequence[Frame], draws: np.ndarray | None) -> str:
    whole = [int(frame.judged.sum()) for frame in frames]
    surest = max((float(frame.scores.max()) for frame in frames if len(frame.scores)), default=0.0)
    if not sum(whole):
        return "<p>No object is labelled: there is nothing to find.</p>"
    if not surest:
        return f"<p>No box has a score of {task.score_threshold:g} or more: there is nothing to choose.</p>"
    drawn = least_of(task)
    steps = sorted({round(0.1 * number, 1) for number in range(1, 10)} | {drawn})
    rows: list[list[kit.Cell]] = []
    ours = None
    for step in steps:
        if step > surest or step < task.score_threshold:
            continue
        outcomes = [outcome_of(frame, step) for frame in frames]
        hits = [outcome.count(FOUND, frame.judged) for frame, outcome in zip(frames, outcomes, strict=True)]
        loose = sum(outcome.count(LOOSE, frame.judged) for frame, outcome in zip(frames, outcomes, strict=True))
        false = sum(outcome.boxes.count(FALSE) for outcome in outcomes)
        judged = sum(hits) + loose + false
        ours = len(rows) if step == drawn else ours
        rows.append(
            [
                f"{step:g} and surer" + (" (drawn)" if step == drawn else ""), f"{judged / len(frames):.1f}",
                kit.as_percent(sum(hits) / sum(whole), 0), _share(hits, whole, draws),
                kit.as_percent((sum(hits) + loose) / sum(whole), 0),
                kit.as_percent(sum(hits) / judged, 0) if judged else "–", f"{false / len(frames):.1f}",
            ]
        )  # fmt: skip
    columns = [
        kit.Column("take boxes"), kit.Column("a frame", "n"), kit.Column("labelled objects found", "n"),
        kit.Column("interval", "w40"), kit.Column("or loosely", "n"), kit.Column("of the boxes fit", "n"),
        kit.Column("false a frame", "n"),
    ]  # fmt: skip
    caption = (
        f"<b>Operating points</b>, over all {sum(whole):,} labelled objects, however hard. The surer a box must be, the fewer "
        f"are false and the more is missed. The surest box has {surest:.2f}. Choose the line on validation data, not here."
    )
    return kit.table(columns, rows, caption, ours)


def what_becomes(task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome]) -> str:
    kinds = (FOUND, LOOSE, OTHER, MISSED)
    counts = np.zeros((len(task.labels), len(kinds)), int)
    alone = dict.fromkeys(task.labels, 0)
    for frame, outcome in zip(frames, outcomes, strict=True):
        for name, kind in zip(frame.names, outcome.objects, strict=True):
            if name in alone:
                counts[task.labels.index(name), kinds.index(kind)] += 1
        for box, kind in enumerate(outcome.boxes):
            alone[frame.classes[box]] += int(kind == FALSE and outcome.touched[box] < 0)
    listed = ", ".join(f"{count:,} × {spoken(name)}" for name, count in alone.items() if count)
    more = (
        f" Besides, {_some(sum(alone.values()), 'box stands', 'boxes stand')} where nothing is labelled: {kit.text(listed)}."
        if listed
        else ""
    )
    names = [f"{name} ({int(row.sum()):,})" for name, row in zip(task.labels, counts, strict=True)]
    about = f"<p>Each row is a labelled class, with boxes that are at least {least_of(task):g} sure.{more}</p>"
    return about + kit.outcomes(names, kinds, counts, (True, False, False, False), "What becomes of an object")


def _parts(
    frames: Sequence[Frame],
    outcomes: Sequence[Outcome],
    parts: Sequence[tuple[str, Sequence[np.ndarray | None]]],
    draws: np.ndarray | None,
    caption: str,
) -> str:
    """What is found of each part of the objects.

    Args:
        parts: a name, and of each frame which of its objects belong to it; None: the frame was not counted
    """
    rows: list[list[kit.Cell]] = []
    for name, chosen in parts:
        hits, loose, whole = [], 0, []
        for frame, outcome, which in zip(frames, outcomes, chosen, strict=True):
            own = frame.judged & which if which is not None else np.zeros(len(frame.names), bool)
            hits.append(outcome.count(FOUND, own))
            loose += outcome.count(LOOSE, own)
            whole.append(int(own.sum()))
        if sum(whole):
            share = sum(hits) / sum(whole)
            rows.append(
                [
                    name, f"{sum(whole):,}", kit.as_percent(share, 0), _share(hits, whole, draws),
                    kit.as_percent((sum(hits) + loose) / sum(whole), 0),
                ]
            )  # fmt: skip
    columns = [
        kit.Column("labelled objects"), kit.Column("test objects", "n"), kit.Column("found", "n"),
        kit.Column("interval", "w40"), kit.Column("or loosely", "n"),
    ]  # fmt: skip
    return kit.table(columns, rows, caption) if rows else f"<p>{caption} There is no labelled object.</p>"


def _bands(frames: Sequence[Frame], bounds: Sequence[float]) -> list[tuple[str, float, float]]:
    """About four parts of the distance from the sensor, by round numbers in metres."""
    far = [distance for frame in frames for distance in _distances(frame.true[frame.judged]).tolist()]
    if not far:
        return []
    step = round_step(max(far), 4)
    last = min(int(max(far) // step), 4)
    found = []
    for number in range(last + 1):
        low, high = number * step, (number + 1) * step if number < last else float("inf")
        name = f"{low:g} to {high:g} m" if number else f"nearer than {high:g} m"
        found.append((name if number < last else f"{low:g} m and farther" if last else "all", low, high))
    return found


def _distances(boxes: np.ndarray) -> np.ndarray:
    return np.linalg.norm(boxes[:, :2], axis=1)


def _within(low: float, high: float) -> Callable[[np.ndarray], np.ndarray]:
    def counts(boxes: np.ndarray) -> np.ndarray:
        return (_distances(boxes) >= low) & (_distances(boxes) < high)

    return counts


def by_distance(task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None) -> str:
    parts = [
        (name, [_within(low, high)(frame.true) for frame in frames]) for name, low, high in _bands(frames, task.bounds)
    ]
    return _parts(frames, outcomes, parts, draws, "<b>By distance</b> from the sensor.")


def by_points(
    material: Material, frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None
) -> str:
    inside = points_inside(material, frames)
    some = sum(counts is not None for counts in inside)
    parts = []
    for name, low, high in (
        ("fewer than 5 points", 0, 5), ("5 to 19 points", 5, 20), ("20 to 99 points", 20, 100),
        ("100 points and more", 100, np.inf),
    ):  # fmt: skip
        parts.append((name, [None if own is None else (own >= low) & (own < high) for own in inside]))
    of = f" Counted in {frames_in_words(some)}, taken evenly." if some < len(frames) else ""
    return _parts(frames, outcomes, parts, draws, f"<b>By the number of points</b> inside the labelled box.{of}")


def by_hidden(frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None) -> str:
    if not any((frame.occluded != 0).any() for frame in frames):
        return "<p><b>By how much is hidden</b>: the labels do not say that anything is hidden.</p>"
    parts = [
        (name, [frame.occluded == level for frame in frames])
        for level, name in enumerate(("visible", "partly hidden", "largely hidden", "not known"))
    ]
    return _parts(frames, outcomes, parts, draws, "<b>By how much is hidden</b>, as the labels say.")


def precision_by_distance(task: Detection, frames: Sequence[Frame]) -> str:
    every = [outcome_of(frame, 0.0) for frame in frames]
    bands = _bands(frames, task.bounds)
    if not bands:
        return "<p>There is no labelled object.</p>"
    rows: list[list[kit.Cell]] = []
    for name in task.labels:
        cells: list[kit.Cell] = [name]
        for _, low, high in [*bands, ("all", 0.0, float("inf"))]:
            value, count = plain_precision(frames, every, name, _within(low, high))
            cells.append(f"{value:.2f} ({count:,})" if count else "–")
        rows.append(cells)
    columns = [kit.Column("class"), *(kit.Column(name, "n") for name, _, _ in bands), kit.Column("all together", "n")]
    caption = (
        "The area under the whole curve of precision and recall; in brackets the number of objects. Every object counts here, "
        "however hard, so the numbers are not KITTI's. With few objects they are rough."
    )
    return kit.table(columns, rows, caption)


def fit(task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome]) -> str:
    """By how much the boxes that find an object, closely or loosely, miss it: medians."""
    rows: list[list[kit.Cell]] = []
    for name in task.labels:
        pairs = [
            (frame.boxes[box], frame.true[outcome.match[box]])
            for frame, outcome in zip(frames, outcomes, strict=True)
            for box in range(len(outcome.boxes))
            if outcome.match[box] >= 0 and frame.classes[box] == name
        ]
        if not pairs:
            rows.append([name, "0", None, None, None, None, None])
            continue
        said, true = (np.stack(part) for part in zip(*pairs, strict=True))
        turned = np.abs((said[:, 6] - true[:, 6] + np.pi) % (2 * np.pi) - np.pi)
        rows.append(
            [
                name, f"{len(pairs):,}", _centimetres(np.linalg.norm(said[:, :2] - true[:, :2], axis=1)),
                _centimetres(np.abs(said[:, 2] - true[:, 2])),
                kit.as_percent(float(np.median(np.abs(said[:, 3:6] / np.maximum(true[:, 3:6], 1e-6) - 1).max(axis=1))), 0),
                f"{np.degrees(np.median(np.minimum(turned, np.pi - turned))):.0f}°",
                kit.as_percent(float((turned > np.pi / 2).mean()), 0),
            ]
        )  # fmt: skip
    if all(row[1] == "0" for row in rows):
        return ""
    columns = [
        kit.Column("class"), kit.Column("boxes", "n"), kit.Column("middle off from above by", "n"),
        kit.Column("up or down by", "n"), kit.Column("worst side off by", "n"), kit.Column("turned by", "n"),
        kit.Column("front taken for back", "n"),
    ]  # fmt: skip
    caption = (
        f"Boxes at least {least_of(task):g} sure that find an object, closely or loosely, against its label; medians, except for "
        "the last column. Turned by: without front and back."
    )
    return kit.table(columns, rows, caption)


def _centimetres(metres: np.ndarray) -> str:
    return f"{100 * float(np.median(metres)):.0f} cm"
