"""Frames of point clouds as cards of the gallery: whole, and close up around a mistake."""

from collections.abc import Sequence

import numpy as np
import torch

from convzoo.core.pages import Material, Panel
from convzoo.modalities.points.outcomes import (
    FALSE,
    FOUND,
    LOOSE,
    MISSED,
    OTHER,
    UNJUDGED,
    Frame,
    Outcome,
    array_of,
    boxes_of,
    frames_in_words,
    frames_of,
    least_of,
    outcome_of,
    points_inside,
    spoken,
)
from convzoo.modalities.points.scenes import CLOSE, Mark, from_above, in_perspective
from convzoo.ops.boxes import points_in_boxes
from convzoo.report import kit
from convzoo.tasks.detection import Detection

BUSIEST, FRAMES, CLOSE_UPS = 2, 4, 12
"""Number of frames and of close-ups in the panels of the gallery."""
SIGNS = {FOUND: "ok", LOOSE: "loose", OTHER: "ms", MISSED: "ms", FALSE: "fa", UNJUDGED: "un"}
"""How each outcome is drawn: its class in the sheet."""


def gallery(task: Detection, material: Material) -> list[Panel]:
    """The panels of the gallery; of unlabelled frames what is found in them."""
    frames = frames_of(material.predictions, material.examples, task.labels)
    if not frames:
        return unlabelled(task, material)
    outcomes = [outcome_of(frame, least_of(task)) for frame in frames]
    order = range(len(frames))
    wrong = [mistakes(frame, outcome) for frame, outcome in zip(frames, outcomes, strict=True)]
    busiest = sorted(order, key=lambda at: -int(frames[at].judged.sum()))[:BUSIEST]
    worst = [at for at in sorted(order, key=lambda at: -wrong[at]) if wrong[at] and at not in busiest][:FRAMES]
    right = [right_part(frame, outcome) for frame, outcome in zip(frames, outcomes, strict=True)]
    best = [at for at in sorted(order, key=lambda at: (-right[at], -int(frames[at].judged.sum()))) if right[at]]
    cards = {at: frame_card(task, material, frames[at], outcomes[at]) for at in {*worst, *best[:FRAMES]}}
    many = {1: "The test frame", 2: "The two test frames"}.get(len(busiest), "The test frames")
    found = [
        Panel("Busiest frames", f"{many} with the most labelled objects.", kit.cards(
            [frame_card(task, material, frames[at], outcomes[at], aslant=True) for at in busiest], "full")),
    ]  # fmt: skip
    if worst:
        about = f"Besides the busiest, those of {frames_in_words(len(frames))} with the most missed and false boxes."
        found.append(Panel("Most mistakes", about, kit.cards([cards[at] for at in worst], "wide")))
    if best:
        about = f"Of {frames_in_words(len(frames))} those where most is right: the found part of all objects and false boxes."
        found.append(Panel("Most right", about, kit.cards([cards[at] for at in best[:FRAMES]], "wide")))
    return [*found, *close_ups(task, material, frames, outcomes)]


def mistakes(frame: Frame, outcome: Outcome) -> int:
    """Missed and false boxes of a frame."""
    missed = outcome.count(MISSED, frame.judged) + outcome.count(OTHER, frame.judged)
    return missed + outcome.boxes.count(FALSE)


def right_part(frame: Frame, outcome: Outcome) -> float:
    """The found part of all objects and false boxes."""
    return outcome.count(FOUND, frame.judged) / max(int(frame.judged.sum()) + outcome.boxes.count(FALSE), 1)


def _marks(frame: Frame, outcome: Outcome) -> list[Mark]:
    """What is drawn of a frame: what was labelled, then the boxes, then what was missed."""
    marks = [Mark(box, "gt") for box, kind in zip(frame.true, outcome.objects, strict=True) if kind in (FOUND, LOOSE)]
    marks += [
        Mark(box, "gt", spoken(name))
        for box, name, judged in zip(frame.true, frame.names, frame.judged, strict=True)
        if not judged
    ]
    for at, kind in enumerate(outcome.boxes):
        marks.append(Mark(frame.boxes[at], SIGNS[kind], _wrong(frame, outcome, at) if kind == FALSE else ""))
    for at, kind in enumerate(outcome.objects):
        if frame.judged[at] and kind in (MISSED, OTHER):
            words = f"missed {spoken(frame.names[at])}" if kind == MISSED else ""
            marks.append(Mark(frame.true[at], SIGNS[kind], words))
    # What was missed gets the first words, then what is surely false.
    first = [mark for mark in marks if mark.kind == "ms"]
    return [*(mark for mark in marks if mark.kind == "gt"), *first, *(m for m in marks if m.kind not in ("gt", "ms"))]


def _wrong(frame: Frame, outcome: Outcome, box: int) -> str:
    """What is wrong with a false box, in a few words."""
    own, touched = frame.classes[box], int(outcome.touched[box])
    if touched < 0:
        return f"no {spoken(own)} labelled"
    name = frame.names[touched]
    return f"{spoken(own)}, found twice" if name == own else f"{spoken(name)} taken for {spoken(own)}"


def frame_card(task: Detection, material: Material, frame: Frame, outcome: Outcome, aslant: bool = False) -> str:
    row = material.predictions[frame.row]
    points = material.examples[int(row["index"])].read()
    marks = _marks(frame, outcome)
    counts = [
        ("ok", FOUND, outcome.count(FOUND, frame.judged)), ("hm", LOOSE, outcome.count(LOOSE, frame.judged)),
        ("no", OTHER, outcome.count(OTHER, frame.judged)), ("no", MISSED, outcome.count(MISSED, frame.judged)),
        ("no", FALSE, outcome.boxes.count(FALSE)),
    ]  # fmt: skip
    listed = [(kind, f"{count} {name}") for kind, name, count in counts if count]
    whole = int(frame.judged.sum())
    words = ", ".join(name for _, name in listed) or "no box"
    picture = from_above(points, marks, task.bounds, f"{row['source']} from above: {words}, of {whole} labelled")
    if aslant:
        picture = (
            f'<div class="pair">{picture}{in_perspective(points, marks, task.bounds, "The same in perspective")}</div>'
        )
    unjudged = outcome.boxes.count(UNJUDGED)
    more = f" · {unjudged} not judged" if unjudged else ""
    body = kit.chips(listed, f"of {whole} labelled") + kit.source(f"{len(points):,} points{more}", str(row["source"]))
    return kit.card(picture, body)


def unlabelled(task: Detection, material: Material) -> list[Panel]:
    """What is found in frames that have no labels."""
    rows = sorted(
        (row for row in material.predictions), key=lambda row: -sum(box["score"] for box in boxes_of(row, "boxes"))
    )[:FRAMES]
    cards = []
    for row in rows:
        given = [box for box in boxes_of(row, "boxes") if box["score"] >= least_of(task)]
        points = material.examples[int(row["index"])].read()
        marks = [
            Mark(box, "rf", f"{spoken(one['class'])} {one['score']:.2f}")
            for box, one in zip(array_of(given), given, strict=True)
        ]
        picture = from_above(points, marks, task.bounds, f"{row['source']} from above, with {len(given)} boxes")
        cards.append(kit.card(picture, kit.source(f"{len(given)} boxes · {len(points):,} points", str(row["source"]))))
    about = "No test frame has labels: nothing says which of these boxes are right. The frames with the surest boxes."
    return [Panel("What it finds", about, kit.cards(cards, "wide"))] if cards else []


def close_ups(task: Detection, material: Material, frames: Sequence[Frame], outcomes: Sequence[Outcome]) -> list[Panel]:
    false = [
        (float(frame.scores[box]), at, box)
        for at, (frame, outcome) in enumerate(zip(frames, outcomes, strict=True))
        for box, kind in enumerate(outcome.boxes)
        if kind == FALSE
    ]
    inside = points_inside(material, frames)
    missed = [
        (int(counts[place]), at, place)
        for at, (frame, outcome, counts) in enumerate(zip(frames, outcomes, inside, strict=True))
        if counts is not None
        for place, kind in enumerate(outcome.objects)
        if kind in (MISSED, OTHER) and frame.judged[place]
    ]
    found = []
    if false:
        cards = []
        for score, at, box in sorted(false, key=lambda one: -one[0])[:CLOSE_UPS]:
            frame = frames[at]
            words = _wrong(frame, outcomes[at], box)
            said = kit.said(False, f"<b>{kit.text(words)}</b>") + kit.sure(score, "no")
            picture, held = _close(material, frame, outcomes[at], frame.boxes[box], words)
            cards.append(
                kit.card(picture, said + _where(material, frame, frame.boxes[box], held, f"{score:.2f} sure · "))
            )
        about = (
            f"The surest of {len(false):,} false boxes, each in the middle of its picture. Look before you blame the network: an "
            "object that was left without a label is a false box, too."
        )
        found.append(Panel("Surest false boxes", about, kit.cards(cards)))
    if missed:
        cards = []
        for count, at, place in sorted(missed, key=lambda one: -one[0])[:CLOSE_UPS]:
            frame, name = frames[at], spoken(frames[at].names[place])
            kind = outcomes[at].objects[place]
            words = f"missed {name}" if kind == MISSED else f"{name}, only {OTHER}"
            picture, _ = _close(material, frame, outcomes[at], frame.true[place], words)
            body = kit.said(False, f"<b>{kit.text(words)}</b>")
            cards.append(kit.card(picture, body + _where(material, frame, frame.true[place], count)))
        some = sum(counts is not None for counts in inside)
        of = f" (of {frames_in_words(some)}, taken evenly)" if some < len(frames) else ""
        about = f"Of {len(missed):,} missed objects{of} those with the most points inside, each in the middle of its picture."
        found.append(Panel("Missed in plain sight", about, kit.cards(cards)))
    return found


def _close(material: Material, frame: Frame, outcome: Outcome, box: np.ndarray, words: str) -> tuple[str, int]:
    """A box and what is around it, from above; and the number of points inside of the box."""
    points = material.examples[int(material.predictions[frame.row]["index"])].read()
    half = max(6.0, 1.5 * float(box[3:5].max()))
    bounds = [box[0] - half, box[0] + half, box[1] - half, box[1] + half]
    near = (np.abs(points[:, 0] - box[0]) < half) & (np.abs(points[:, 1] - box[1]) < half)
    marks = [
        Mark(mark.box, mark.kind)
        for mark in _marks(frame, outcome)
        if (np.abs(mark.box[:2] - box[:2]) < 1.5 * half).all()
    ]
    alt = f"{words}: {2 * half:.3g} × {2 * half:.3g} m from above"
    held = int(points_in_boxes(torch.from_numpy(points[near, :3]), torch.from_numpy(box[None]).float()).sum())
    return from_above(points[near], marks, bounds, alt, side=CLOSE, caption=False), held


def _where(material: Material, frame: Frame, box: np.ndarray, held: int, before: str = "") -> str:
    distance = float(np.linalg.norm(box[:2]))
    words = f"{before}{held:,} points inside · {distance:.0f} m away"
    return kit.source(words, str(material.predictions[frame.row]["source"]))
