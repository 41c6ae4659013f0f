"""What a page shows of detections in point clouds: frames from above and in perspective, precision and recall, pillars."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasPillars
from convzoo.core.outputs.boxes import BOX, Found, corners_of
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.metrics.detection import scored_frame
from convzoo.metrics.kitti_ap import DIFFICULTIES, RECALLS, average, least_overlap, objects_counted, precision_curve
from convzoo.modalities.points.example import PointCloud
from convzoo.report import figures
from convzoo.report.figures import as_svg, new_figure
from convzoo.report.kit import grey, html_safe, image_tag
from convzoo.tasks.detection import Detection

FRAMES = 3
SURE = 0.3
"""Detections that score less are not drawn."""

_TRUE, _FOUND = "#1b9e3f", "#d62728"
_DRAWN = 30_000


class PointCloudPages(Pages):
    """Point clouds: frames from above and in perspective, precision and recall, weights of the features of a pillar."""

    plural = "point clouds"

    def picture(self, example: PointCloud) -> str:
        """The points from above."""
        return from_above(example.read(), [], [], width=4.0)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[PointCloud]) -> str:
        """The weights of each number of a point in each feature of a pillar, and the features of a frame from above."""
        names = ["x", "y", "z", "intensity", "x - mean", "y - mean", "z - mean", "x in pillar", "y in pillar"]
        linear = next((m for m in model.modules() if isinstance(m, nn.Linear) and m.in_features == len(names)), None)
        if linear is None or not isinstance(model, HasPillars):
            return ""
        # In units of each input's standard deviation, so that columns can be compared.
        batch = encoder.encode(list(examples)[:1])
        seen: list[torch.Tensor] = []
        hook = linear.register_forward_hook(lambda module, args, output: seen.append(args[0]))
        model.eval()
        with torch.no_grad():
            maps = model.pillars(**batch.inputs)[0][0].numpy()
        hook.remove()
        spread = seen[0].std(dim=0).numpy() if len(seen[0]) > 1 else np.ones(9)
        tiles = [
            image_tag(grey(_upright(single), around_zero=False), 150, f"feature {index}")
            for index, single in enumerate(maps[:16])
        ]
        return (
            "<h3>Weights of the features of a pillar</h3><p>Each row is one feature, with the weights of the numbers of a point "
            "(red adds, blue subtracts), in units of each number's standard deviation.</p>"
            + figures.mixing(linear.weight.detach().numpy()[:32] * spread, names)
            + "<h3>Pillars</h3><p>The first test frame from above, forward is up: one tile for each feature, bright where "
            f"it is largest.</p><div class='tiles'>{''.join(tiles)}</div>"
        )

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a detection: frames with the boxes found, and curves of precision and recall."""
        if not isinstance(task, Detection):
            return []
        return [
            Section("Frames", html_safe(_frames(task, material))),
            Section("Precision and recall", html_safe(_curves(task, material))),
        ]


def _frames(task: Detection, material: Material) -> str:
    shown = sorted(
        range(len(material.predictions)), key=lambda at: -len(_boxes(material.predictions[at], "true_boxes"))
    )[:FRAMES]
    parts = [
        f"<p>The test frames with the most objects, from above and in perspective. Green is labelled, red is found with a score "
        f"of {SURE:g} or more; the line from a box's middle points to its front.</p>"
    ]
    for at in shown:
        row = material.predictions[at]
        example = material.examples[int(row["index"])]
        points = example.read()
        true = _boxes(row, "true_boxes")
        found = [box for box in _boxes(row, "boxes") if box["score"] >= SURE]
        parts.append(
            f"<h3>{html.escape(str(row['source']))}</h3><p>{len(true)} labelled, {len(found)} found.</p>"
            + from_above(points, true, found, bounds=task.bounds)
            + in_perspective(points, true, found, bounds=task.bounds)
        )
    return "".join(parts)


def _boxes(row: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    return row[key] if isinstance(row.get(key), list) else []


def _curves(task: Detection, material: Material) -> str:
    frames = []
    for row in material.predictions:
        boxes = _boxes(row, "boxes")
        found = Found(
            np.array([[box[key] for key in BOX] for box in boxes], np.float64).reshape(-1, 7),
            np.array([task.labels.index(box["class"]) for box in boxes], np.int64),
            np.array([box["score"] for box in boxes], np.float64),
        )
        example = material.examples[int(row["index"])]
        frames.append(scored_frame(found, example.objects, example.calibration, task.labels))
    figure = new_figure(3.3 * max(2, len(task.labels)), 3.0)
    panels = figure.subplots(1, len(task.labels), squeeze=False)[0]
    recalls = np.linspace(0, 1, RECALLS)
    for axes, label in zip(panels, task.labels, strict=True):
        for difficulty, style in zip(DIFFICULTIES, ("-", "--", ":"), strict=True):
            curve = precision_curve(frames, label, difficulty)
            count = objects_counted(frames, label, difficulty)
            axes.plot(recalls, curve, style, label=f"{difficulty} {average(curve, 40):.2f} ({count})")
        axes.set_title(f"{label}, overlap {least_overlap(label):g}", fontsize=10, parse_math=False)
        axes.set_xlabel("recall")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.03)
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=7)
    panels[0].set_ylabel("precision")
    figure.tight_layout()
    return (
        "<p>Boxes in space, by KITTI's rules. Beside each difficulty are its average precision (40 recalls) and its number of "
        "objects.</p>" + as_svg(figure)
    )


def from_above(
    points: np.ndarray,
    true: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    bounds: Sequence[float] | None = None,
    width: float = 6.2,
) -> str:
    """A frame in bird's-eye view, x upwards as a driver sees it."""
    if bounds is None:
        near, far = np.quantile(points[:, :2], [0.01, 0.99], axis=0)
        bounds = [near[0] - 1, far[0] + 1, near[1] - 1, far[1] + 1]
    x0, x1, y0, y1 = bounds
    figure = new_figure(width, width * max(0.4, min(2.0, (x1 - x0) / (y1 - y0))))
    axes = figure.subplots()
    drawn = _thinned(points)
    axes.scatter(
        -drawn[:, 1],
        drawn[:, 0],
        s=0.6,
        c=drawn[:, 2],
        cmap="viridis",
        vmin=-2.0,
        vmax=1.5,
        linewidths=0,
        rasterized=True,
    )
    for boxes, colour, style in ((true, _TRUE, "-"), (found, _FOUND, "--")):
        for box in boxes:
            corners = _corners(box)
            ring = corners[[0, 1, 2, 3, 0]]
            axes.plot(-ring[:, 1], ring[:, 0], style, color=colour, linewidth=1.2)
            front = np.stack([corners[:4].mean(axis=0), (corners[0] + corners[3]) / 2])
            axes.plot(-front[:, 1], front[:, 0], style, color=colour, linewidth=0.9)
            if colour == _FOUND:
                axes.text(
                    -ring[:, 1].max(), ring[:, 0].max(), f"{str(box['class'])[:3]} {box['score']:.2f}", fontsize=6,
                    color=colour, parse_math=False, clip_on=True,
                )  # fmt: skip
    axes.set_xlim(-y1, -y0)
    axes.set_ylim(x0, x1)
    axes.set_aspect("equal")
    axes.set_xlabel("to the right, m")
    axes.set_ylabel("forward, m")
    axes.tick_params(labelsize=7)
    return as_svg(figure)


def in_perspective(
    points: np.ndarray,
    true: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    bounds: Sequence[float],
) -> str:
    """A frame as one sees it from behind and above the sensor."""
    x0, x1, y0, y1 = bounds
    eye = np.array([x0 - 0.22 * (x1 - x0), (y0 + y1) / 2, 0.28 * (x1 - x0)])
    target = np.array([x0 + 0.42 * (x1 - x0), (y0 + y1) / 2, -1.0])
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)

    def project(places: np.ndarray) -> np.ndarray:
        away = places[:, :3] - eye
        depth = np.maximum(away @ ahead, 1e-3)
        return np.stack([away @ right / depth, away @ up / depth, away @ ahead], axis=1)

    figure = new_figure(9, 4.6)
    axes = figure.subplots()
    axes.set_facecolor("#10151c")
    drawn = _thinned(points)
    seen = project(drawn)
    before = seen[:, 2] > 1
    axes.scatter(
        seen[before, 0], seen[before, 1], s=0.9, c=drawn[before, 2], cmap="cividis", vmin=-2.2, vmax=2.0, linewidths=0,
        rasterized=True,
    )  # fmt: skip
    for boxes, colour, style in ((true, "#39e36b", "-"), (found, "#ff5a4d", "--")):
        for box in boxes:
            corners = project(_corners(box))
            if corners[:, 2].min() <= 1:
                continue
            for path in ([0, 1, 2, 3, 0], [4, 5, 6, 7, 4], [0, 4], [1, 5], [2, 6], [3, 7]):
                axes.plot(corners[path, 0], corners[path, 1], style, color=colour, linewidth=0.9)
    axes.set_xlim(-0.75, 0.75)
    axes.set_ylim(-0.45, 0.32)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    return as_svg(figure)


def _corners(box: Mapping[str, Any]) -> np.ndarray:
    return corners_of(np.array([[box[key] for key in BOX]], np.float64))[0]


def _thinned(points: np.ndarray) -> np.ndarray:
    return points[:: -(-len(points) // _DRAWN)]


def _upright(grid: np.ndarray) -> np.ndarray:
    """(rows along y, columns along x) with x upwards and y to the left, as a driver sees it."""
    return np.ascontiguousarray(grid[::-1, ::-1].T)
