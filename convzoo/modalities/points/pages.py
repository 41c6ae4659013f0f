"""What a page shows of detections in point clouds: frames with four outcomes, average precision, slices, pillars."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasPillars, HasReceptiveFields
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.metrics.kitti_ap import (
    DIFFICULTIES,
    RECALLS,
    average,
    least_overlap,
    objects_counted,
    precision_curve,
    weighted_average,
)
from convzoo.modalities.points.encoder import PointCloudEncoder
from convzoo.modalities.points.example import PointCloud
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
    frames_of,
    outcome_of,
    plain_precision,
)
from convzoo.modalities.points.scenes import CLOSE, Mark, bounds_of, from_above, in_perspective, round_step
from convzoo.ops.boxes import points_in_boxes
from convzoo.report import kit
from convzoo.summary import FEW_CASES
from convzoo.tasks.detection import Detection

SURE = 0.3
"""Boxes that score less are not drawn, and do not count in what is taken apart."""
BUSIEST, FRAMES, CLOSE_UPS = 2, 4, 12
"""Number of frames and of close-ups in the panels of the gallery."""
DRAWS = 300
"""How often the test frames are drawn anew for an interval."""
COUNTED = 400
"""Points inside of boxes are counted in at most so many frames."""
CURVES = 6
"""At most so many classes have a curve of their own."""
INPUTS = ("x", "y", "z", "intensity", "x − mean", "y − mean", "z − mean", "x in pillar", "y in pillar")
"""The numbers of a point that a pillar's features are made from."""

SIGNS = {FOUND: "ok", LOOSE: "loose", OTHER: "ms", MISSED: "ms", FALSE: "fa", UNJUDGED: "un"}
"""How each outcome is drawn: its class in the sheet."""


class PointCloudPages(Pages):
    """Point clouds: frames from above and in perspective, average precision, what becomes of objects, features of pillars."""

    plural = "point clouds"

    def picture(self, example: PointCloud) -> str:
        """The points from above."""
        points = example.read()
        return from_above(points, [], bounds_of(points), f"{example.source or 'A point cloud'} from above")

    def title(self, task: Task, material: Material, count: int) -> str:
        """`Where is each car, cyclist or pedestrian? 500 point clouds`."""
        if not isinstance(task, Detection):
            return ""
        names = [spoken(name) for name in task.labels]
        asked = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        if len(names) > 4 or len(asked) > 60:
            asked = f"object of {len(names)} classes"
        return f"Where is each {asked}? {kit.count_of(count, self.plural)}"

    def legend(self, task: Task, material: Material) -> str:
        """What the boxes mean."""
        if not isinstance(task, Detection):
            return ""
        known = [row for row in material.predictions if isinstance(row.get("true_boxes"), list)]
        about = (
            f"<p>Boxes that it is at least {least_of(task):g} sure of. The line from a box's middle points to its front. Points "
            "are lighter the higher they are. On a wide screen what is wrong has words beside it, where there is room.</p>"
        )
        if not known:
            return about
        signs = [
            ("ok", "found, fits"), ("loose", "found loosely: right class and place, too little overlap"),
            ("ms", "labelled, but missed or taken for another class"), ("fa", "false"), ("gt", "what was labelled"),
        ]  # fmt: skip
        if any(example.calibration is not None for example in _some(material.examples)):
            signs.append(("un", "not judged: nothing is labelled there"))
        return about + kit.key([(kit.night_swatch(kind), words) for kind, words in signs])

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """For a detection: the busiest frames, those with most mistakes and with fewest, false boxes and missed objects close
        up; of unlabelled frames what is found in them."""
        if not isinstance(task, Detection):
            return []
        frames = frames_of(material.predictions, material.examples, task.labels)
        if not frames:
            return _unlabelled(task, material)
        outcomes = [outcome_of(frame, least_of(task)) for frame in frames]
        order = range(len(frames))
        wrong = [_mistakes(frame, outcome) for frame, outcome in zip(frames, outcomes, strict=True)]
        busiest = sorted(order, key=lambda at: -int(frames[at].judged.sum()))[:BUSIEST]
        worst = [at for at in sorted(order, key=lambda at: -wrong[at]) if wrong[at]][:FRAMES]
        right = [_right(frame, outcome) for frame, outcome in zip(frames, outcomes, strict=True)]
        best = [at for at in sorted(order, key=lambda at: (-right[at], -int(frames[at].judged.sum()))) if right[at]]
        cards = {at: _card(task, material, frames[at], outcomes[at]) for at in {*worst, *best[:FRAMES]}}
        many = {1: "The test frame", 2: "The two test frames"}.get(len(busiest), "The test frames")
        found = [
            Panel("Busiest frames", f"{many} with the most labelled objects.", kit.cards(
                [_card(task, material, frames[at], outcomes[at], aslant=True) for at in busiest], "full")),
        ]  # fmt: skip
        if worst:
            about = f"Of {_frames(len(frames))} those with the most missed and false boxes."
            found.append(Panel("Most mistakes", about, kit.cards([cards[at] for at in worst], "wide")))
        if best:
            about = (
                f"Of {_frames(len(frames))} those where most is right: the found part of all objects and false boxes."
            )
            found.append(Panel("Most right", about, kit.cards([cards[at] for at in best[:FRAMES]], "wide")))
        return [*found, *_close_ups(task, material, frames, outcomes)]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a detection with labels: average precision by class and distance, curves, operating points, what becomes of an
        object, by distance, points inside and what is hidden, and how well boxes fit."""
        if not isinstance(task, Detection):
            return []
        frames = frames_of(material.predictions, material.examples, task.labels)
        if not frames:
            return []
        least = least_of(task)
        outcomes = [outcome_of(frame, least) for frame in frames]
        draws = _draws(frames)
        key = kit.key(kit.TRACK_KEY[:1]) if draws is not None else ""
        found = [Section("", _left_out(task, material, frames) + key + _classes(task, frames, draws))]
        found.append(Section("Precision and recall", _curves(task, frames)))
        found.append(Section("How sure should a box be?", _operating(task, frames, draws)))
        found.append(
            Section(
                "What becomes of an object",
                kit.columns([_becomes(task, frames, outcomes), _by_distance(task, frames, outcomes, draws)])
                + kit.columns([_by_points(material, frames, outcomes, draws), _by_hidden(frames, outcomes, draws)]),
            )
        )
        found.append(Section("Average precision by distance", _precision_by_distance(task, frames)))
        fit = _fit(task, frames, outcomes)
        return [*found, Section("How well the boxes fit", fit)] if fit else found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """Squares on a test frame: what one output of the first, a middle and the last convolution depends on."""
        encoder = material.encoder
        if not isinstance(encoder, PointCloudEncoder) or not sees or len(sees) != 2 or not len(material.examples):
            return ""
        widths = {max(sees)}
        if isinstance(material.model, HasReceptiveFields):
            widths |= {max(field) for field in material.model.receptive_fields({}).values() if len(field) == 2}
        steps = sorted(width for width in widths if width > 1)
        if not steps:
            return ""
        chosen = list(dict.fromkeys([steps[0], steps[len(steps) // 2], steps[-1]]))
        return _field(material, encoder, chosen)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[PointCloud]) -> str:
        """The weights of each number of a point in each feature of a pillar, the features of a frame from above, and what the
        network finally says for each class."""
        linear = next((m for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == len(INPUTS)), None)
        if linear is None or not isinstance(model, HasPillars) or not len(examples):
            return ""
        example = max(examples, key=lambda one: len(one.objects) if one.objects is not None else 0)
        batch = encoder.encode([example])
        seen: list[torch.Tensor] = []
        hook = linear.register_forward_hook(lambda module, args, output: seen.append(args[0]))
        model.eval()
        with torch.no_grad():
            maps = model.pillars(**batch.inputs)[0][0].numpy()
            said = model(**batch.inputs)[0]
        hook.remove()
        # In units of each input's standard deviation, so that columns can be compared.
        spread = seen[0].std(dim=0).numpy() if len(seen[0]) > 1 else np.ones(len(INPUTS))
        weights = linear.weight.detach().numpy() * spread
        strongest = np.argsort(-np.abs(weights).sum(axis=1), kind="stable")[:10].tolist()
        most = np.argsort(-maps.reshape(len(maps), -1).mean(axis=1), kind="stable")[:12].tolist()
        tiles = [
            (kit.image(_upright(kit.grey(maps[at], around_zero=False)), f"pillar feature {at}"), f"feature {at}")
            for at in most
        ]
        labels = list(encoder.dims["labels"]) if isinstance(encoder, PointCloudEncoder) else []
        heat = (
            said[: len(labels)].sigmoid().numpy()
            if said.ndim == 3 and len(said) >= len(labels)
            else np.zeros((0, 1, 1))
        )
        final = [
            (
                kit.image(_upright(np.uint8(255 * np.sqrt(heat[at]))), f"Where the middle of a {spoken(name)} may be"),
                f"{spoken(name)}: surest {kit.as_percent(float(heat[at].max()), 0)}",
            )
            for at, name in enumerate(labels[: len(heat)])
        ]
        names = ["feature", "features"][len(strongest) > 1]
        return (
            f"<h3>What a pillar looks for</h3><p>Each row is one of the {len(weights)} features of a pillar: how much it takes "
            "of each number of a point, in units of what that number varies by. Blue adds, pink subtracts. These are the "
            f"{len(strongest)} {names} with the largest weights.</p>"
            + kit.heat(
                [(f"feature {at}", weights[at].tolist()) for at in strongest], INPUTS, "Weights of a pillar's features"
            )
            + f"<h3>Feature maps</h3><p>{kit.code(example.source or 'A test frame')} from above, forward is up: the "
            f"{len(tiles)} of {len(maps)} pillar features that answer most"
            + (
                "; then, for each class, how sure the network is that the middle of an object lies there"
                if final
                else ""
            )
            + f".</p>{kit.tiles(tiles)}{kit.tiles(final, 'big') if final else ''}"
        )

    def data(self, material: Material) -> str:
        """The objects of the test split by class, their sizes, and the points inside of them."""
        encoder = material.encoder
        labels = list(encoder.dims["labels"]) if isinstance(encoder, PointCloudEncoder) else []
        frames = frames_of(material.predictions, material.examples, labels)
        if not labels or not frames:
            return ""
        inside = _points_inside(material, frames)
        usual = dict(zip(labels, encoder.dims["usual"], strict=True))
        rows: list[list[kit.Cell]] = []
        for name in labels:
            own = [np.array([other == name for other in frame.names], bool) for frame in frames]
            places = [frame.true[which] for frame, which in zip(frames, own, strict=True) if which.any()]
            held = [counts[which] for counts, which in zip(inside, own, strict=True) if counts is not None]
            far = np.linalg.norm(np.concatenate(places)[:, :2], axis=1) if places else np.zeros(0)
            counts = np.concatenate(held) if held else np.zeros(0)
            rows.append(
                [
                    name, f"{sum(int(which.sum()) for which in own):,}", f"{sum(bool(which.any()) for which in own):,}",
                    f"{np.median(far):.0f} m" if len(far) else "–", f"{np.median(counts):,.0f}" if len(counts) else "–",
                    " × ".join(f"{side:.2f}" for side in usual[name]) + " m",
                ]
            )  # fmt: skip
        table = kit.table(
            [
                kit.Column("class"), kit.Column("objects", "n"), kit.Column("in so many frames", "n"),
                kit.Column("usual distance", "n"), kit.Column("usual points inside", "n"),
                kit.Column("usual length × width × height", "n"),
            ],
            rows,
            f"<b>Labelled objects</b> of {_frames(len(frames))}. Distance and points are medians; the sizes are means of the "
            "training split, which the network corrects.",
        )  # fmt: skip
        others = sum(int((~frame.judged).sum()) for frame in frames)
        more = f"<p>{others:,} labelled objects of other classes are background.</p>" if others else ""
        return f"<h3>Objects</h3>{table}{more}{_histogram(frames, inside)}"


def spoken(name: str) -> str:
    """A class's name inside of a sentence: `Car` -> `car`; names that are not written like that stay."""
    return name.lower() if name.istitle() else name


def least_of(task: Detection) -> float:
    """The lowest score of a box that is drawn and counted."""
    return max(SURE, task.score_threshold)


def _frames(count: int) -> str:
    return f"{count:,} test frame{'' if count == 1 else 's'}"


def _some(examples: Sequence[PointCloud]) -> list[PointCloud]:
    return [examples[at] for at in range(min(len(examples), 50))]


# Frames as cards


def _mistakes(frame: Frame, outcome: Outcome) -> int:
    """Missed and false boxes of a frame."""
    missed = outcome.count(MISSED, frame.judged) + outcome.count(OTHER, frame.judged)
    return missed + outcome.boxes.count(FALSE)


def _right(frame: Frame, outcome: Outcome) -> float:
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
        return f"no {spoken(own)} here"
    name = frame.names[touched]
    return f"{spoken(own)}, found twice" if name == own else f"{spoken(name)} taken for {spoken(own)}"


def _card(task: Detection, material: Material, frame: Frame, outcome: Outcome, aslant: bool = False) -> str:
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


def _unlabelled(task: Detection, material: Material) -> list[Panel]:
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


# Close-ups


def _close_ups(
    task: Detection, material: Material, frames: Sequence[Frame], outcomes: Sequence[Outcome]
) -> list[Panel]:
    false = [
        (float(frame.scores[box]), at, box)
        for at, (frame, outcome) in enumerate(zip(frames, outcomes, strict=True))
        for box, kind in enumerate(outcome.boxes)
        if kind == FALSE
    ]
    inside = _points_inside(material, frames)
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
        of = f" (of {_frames(some)}, taken evenly)" if some < len(frames) else ""
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


# Where it is right


def _draws(frames: Sequence[Frame]) -> np.ndarray | None:
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


def _left_out(task: Detection, material: Material, frames: Sequence[Frame]) -> str:
    """What does not count, with its number."""
    words = []
    bare = len(material.predictions) - len(frames)
    if bare:
        words.append(f"{_frames(bare)} without labels {'is' if bare == 1 else 'are'} left out here.")
    outside = sum(int((frame.judged & ~_inside(frame.true, task.bounds)).sum()) for frame in frames)
    if outside:
        words.append(f"{outside:,} labelled objects lie outside of the area that is searched; they count as missed.")
    hidden = sum(int((frame.hidden & (frame.scores >= least_of(task))).sum()) for frame in frames)
    if hidden:
        words.append(
            f"{hidden:,} boxes lie outside of the camera's image or where it says that nothing is labelled; they are not judged."
        )
    if _draws(frames) is None:
        words.append(f"With so few frames ({len(frames):,}) there are no intervals.")
    return f"<p>{' '.join(words)}</p>" if words else ""


def _inside(boxes: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    x0, x1, y0, y1 = bounds
    return (boxes[:, 0] >= x0) & (boxes[:, 0] < x1) & (boxes[:, 1] >= y0) & (boxes[:, 1] < y1)


def _classes(task: Detection, frames: Sequence[Frame], draws: np.ndarray | None) -> str:
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


def _curves(task: Detection, frames: Sequence[Frame]) -> str:
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
        f"apart, boxes are too high, too low or of a wrong height.{more}</p>{kit.columns(parts)}"
    )


def _operating(task: Detection, frames: Sequence[Frame], draws: np.ndarray | None) -> str:
    whole = [int(frame.judged.sum()) for frame in frames]
    surest = max((float(frame.scores.max()) for frame in frames if len(frame.scores)), default=0.0)
    if not sum(whole) or not surest:
        return "<p>Nothing is labelled, or no box was given: there is nothing to choose.</p>"
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


def _becomes(task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome]) -> str:
    kinds = (FOUND, LOOSE, OTHER, MISSED)
    counts = np.zeros((len(task.labels), len(kinds)), int)
    alone = dict.fromkeys(task.labels, 0)
    for frame, outcome in zip(frames, outcomes, strict=True):
        for name, kind in zip(frame.names, outcome.objects, strict=True):
            if name in alone:
                counts[task.labels.index(name), kinds.index(kind)] += 1
        for box, kind in enumerate(outcome.boxes):
            alone[frame.classes[box]] += kind == FALSE and outcome.touched[box] < 0
    listed = ", ".join(f"{count:,} × {spoken(name)}" for name, count in alone.items() if count)
    more = (
        f" Besides, {sum(alone.values()):,} boxes stand where nothing is labelled: {kit.text(listed)}."
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


def _by_distance(
    task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None
) -> str:
    parts = [
        (name, [_within(low, high)(frame.true) for frame in frames]) for name, low, high in _bands(frames, task.bounds)
    ]
    return _parts(frames, outcomes, parts, draws, "<b>By distance</b> from the sensor.")


def _by_points(
    material: Material, frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None
) -> str:
    inside = _points_inside(material, frames)
    some = sum(counts is not None for counts in inside)
    parts = []
    for name, low, high in (
        ("fewer than 5 points", 0, 5), ("5 to 19 points", 5, 20), ("20 to 99 points", 20, 100),
        ("100 points and more", 100, np.inf),
    ):  # fmt: skip
        parts.append((name, [None if own is None else (own >= low) & (own < high) for own in inside]))
    of = f" Counted in {_frames(some)}, taken evenly." if some < len(frames) else ""
    return _parts(frames, outcomes, parts, draws, f"<b>By the number of points</b> inside the labelled box.{of}")


def _by_hidden(frames: Sequence[Frame], outcomes: Sequence[Outcome], draws: np.ndarray | None) -> str:
    if not any((frame.occluded != 0).any() for frame in frames):
        return "<p><b>By how much is hidden</b>: the labels do not say that anything is hidden.</p>"
    parts = [
        (name, [frame.occluded == level for frame in frames])
        for level, name in enumerate(("visible", "partly hidden", "largely hidden", "not known"))
    ]
    return _parts(frames, outcomes, parts, draws, "<b>By how much is hidden</b>, as the labels say.")


def _points_inside(material: Material, frames: Sequence[Frame]) -> list[np.ndarray | None]:
    """The points inside of each labelled box; None for frames that are not read, because there are too many."""
    chosen = set(np.linspace(0, len(frames) - 1, min(len(frames), COUNTED)).astype(int).tolist())
    found: list[np.ndarray | None] = []
    for at, frame in enumerate(frames):
        if at not in chosen:
            found.append(None)
            continue
        points = torch.from_numpy(material.examples[int(material.predictions[frame.row]["index"])].read()[:, :3])
        boxes = torch.from_numpy(frame.true).float()
        near = [points[(points[:, :2] - box[:2]).abs().amax(dim=1) <= box[3:5].norm()] for box in boxes]
        counts = [int(points_in_boxes(own, box[None]).sum()) for own, box in zip(near, boxes, strict=True)]
        found.append(np.array(counts, np.int64))
    return found


def _precision_by_distance(task: Detection, frames: Sequence[Frame]) -> str:
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


def _fit(task: Detection, frames: Sequence[Frame], outcomes: Sequence[Outcome]) -> str:
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
        kit.Column("class"), kit.Column("boxes", "n"), kit.Column("middle off by", "n"), kit.Column("height off by", "n"),
        kit.Column("worst side off by", "n"), kit.Column("turned by", "n"), kit.Column("front taken for back", "n"),
    ]  # fmt: skip
    caption = (
        f"Boxes at least {least_of(task):g} sure that find an object, closely or loosely, against its label; medians, except for "
        "the last column. Turned by: without front and back."
    )
    return kit.table(columns, rows, caption)


def _centimetres(metres: np.ndarray) -> str:
    return f"{100 * float(np.median(metres)):.0f} cm"


# The network and the data


def _field(material: Material, encoder: PointCloudEncoder, steps: Sequence[int]) -> str:
    """Squares of so many pillars around an object of a test frame."""
    x0, x1, y0, y1 = bounds = [*encoder.x, *encoder.y]
    at, place, box, name = 0, np.array([(x0 + x1) / 2, (y0 + y1) / 2]), None, ""
    best = -1.0
    reach = steps[-1] * encoder.pillar / 2
    for index, example in enumerate(_some(material.examples)):
        for own, true in zip(example.objects.names, example.objects.boxes, strict=True) if example.objects else ():
            if own not in encoder.labels:
                continue
            # The largest object whose squares lie inside of the area, as far as that goes.
            room = min(true[0] - x0, x1 - true[0], true[1] - y0, y1 - true[1])
            worth = min(room / reach, 1.0) * float(true[3] * true[4])
            if worth > best:
                best, at, place, box, name = worth, index, true[:2], true, spoken(own)
    example = material.examples[at]
    points = example.read()
    scale = 640 / max(x1 - x0, y1 - y0)
    squares, labels, words = [], [], []
    for number, width in enumerate(steps, start=1):
        side = width * encoder.pillar
        left, top = (y1 - place[1] - side / 2) * scale, (x1 - place[0] - side / 2) * scale
        squares.append(
            f'<rect class="rf" x="{left:.0f}" y="{top:.0f}" width="{side * scale:.0f}" height="{side * scale:.0f}"/>'
        )
        corner = min(left + side * scale + 4, 616.0), max(top + 6, 10.0)
        high = (x1 - x0) * scale
        labels.append(kit.label(corner[0] / ((y1 - y0) * scale) * 100, corner[1] / high * 100, str(number), "rf"))
        which = (
            "the first convolution"
            if number == 1
            else "the last layers"
            if number == len(steps)
            else "the layers between"
        )
        against = ""
        if box is not None:
            length, across = float(max(box[3:5])), float(min(box[3:5]))
            against = (
                f"less than the {name} is wide" if side < across else f"less than the {name} is long" if side < length
                else f"the {name} and {'a little' if side < 2 * length else 'what stands'} around it"
            )  # fmt: skip
        words.append(
            f"<li>{which}: {width} pillars, {side:.4g} m" + (f", {kit.text(against)}" if against else "") + "</li>"
        )
    marks = [Mark(box, "gt")] if box is not None else []
    inside = points[(points[:, 0] >= x0) & (points[:, 0] < x1) & (points[:, 1] >= y0) & (points[:, 1] < y1)]
    alt = f"{example.source or 'A frame'} from above, with squares of {', '.join(map(str, steps))} pillars"
    drawn = from_above(inside, marks, bounds, alt, caption=False, more="".join(squares))
    drawn = drawn.replace('class="shot scene"', 'class="shot scene limits"', 1).removesuffix("</div>")
    about = f" around a {kit.text(name)} (white, {float(max(box[3:5])):.1f} m long)" if box is not None else ""
    return (
        '<div class="cols" style="align-items:center">'
        f"{drawn}{''.join(labels)}</div><div><p>The test frame {kit.code(example.source or '1')}, {y1 - y0:g} × {x1 - x0:g} m, "
        f"cut into pillars of {100 * encoder.pillar:g} cm. The squares{about} are what one output depends on:</p>"
        f'<ol class="prose">{"".join(words)}</ol></div></div>'
    )


def _histogram(frames: Sequence[Frame], inside: Sequence[np.ndarray | None]) -> str:
    counts = [own[frame.judged] for frame, own in zip(frames, inside, strict=True) if own is not None]
    values = np.concatenate(counts) if counts else np.zeros(0)
    if len(values) < 2:
        return ""
    half, few = int(np.median(values)), float((values < 5).mean())
    cut = float(np.quantile(values, 0.9))
    shown = values[values <= cut]
    return (
        f"<h3>Points inside an object</h3><p>Of {len(values):,} labelled objects half have {half:,} points or fewer; "
        f"{kit.as_percent(few, 0)} have fewer than 5. The {len(values) - len(shown):,} with more than {cut:,.0f} are not "
        "drawn.</p>" + kit.histogram(shown.tolist(), "Points inside of labelled boxes")
    )


def _upright(grid: np.ndarray) -> np.ndarray:
    """(rows along y, columns along x) with x upwards and y to the left, as a driver sees it."""
    return np.ascontiguousarray(grid[::-1, ::-1].T)
