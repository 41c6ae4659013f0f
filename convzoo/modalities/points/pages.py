"""What a page shows of detections in point clouds: frames with four outcomes, average precision, slices, pillars."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasPillars, HasReceptiveFields
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.modalities.points.cards import gallery
from convzoo.modalities.points.encoder import PointCloudEncoder
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.outcomes import Frame, frames_in_words, frames_of, least_of, points_inside, spoken
from convzoo.modalities.points.scenes import Mark, bounds_of, from_above
from convzoo.modalities.points.tables import taken_apart
from convzoo.report import kit
from convzoo.tasks.detection import Detection

INPUTS = ("x", "y", "z", "intensity", "x − mean", "y − mean", "z − mean", "x in pillar", "y in pillar")
"""The numbers of a point that a pillar's features are made from."""


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
        return gallery(task, material)

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a detection with labels: average precision by class and distance, curves, operating points, what becomes of an
        object, by distance, points inside and what is hidden, and how well boxes fit."""
        if not isinstance(task, Detection):
            return []
        return taken_apart(task, material)

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
        inside = points_inside(material, frames)
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
            f"<b>Labelled objects</b> of {frames_in_words(len(frames))}. Distance and points are medians; the sizes are means of "
            "the training split, which the network corrects.",
        )  # fmt: skip
        others = sum(int((~frame.judged).sum()) for frame in frames)
        more = f"<p>{others:,} labelled objects of other classes are background.</p>" if others else ""
        return f"<h3>Objects</h3>{table}{more}{_histogram(frames, inside)}"


def _some(examples: Sequence[PointCloud]) -> list[PointCloud]:
    return [examples[at] for at in range(min(len(examples), 50))]


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
