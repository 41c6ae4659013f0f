"""Detection of 3-D boxes by their centres."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Fraction, FromData, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.model import ComputesInParts
from convzoo.core.outputs.boxes import BOX, Detections, Found
from convzoo.core.task import Meter, Task
from convzoo.ops.boxes import suppress


class Detection(Task):
    r"""Objects are the peaks of heat maps (Zhou et al. 2019, Objects as Points, arXiv:1904.07850; Yin et al. 2021, CenterPoint,
    arXiv:2006.11275).

    The target heat map of a class is 1 at the cell of an object's centre, and around it falls off as a Gaussian. Its loss is the
    focal loss of CornerNet (Law & Deng 2018, arXiv:1808.01244, eq. 1): $-(1 - p)^2 \log p$ at centres and
    $-(1 - y)^4 p^2 \log(1 - p)$ elsewhere. At centres, these are learnt by their absolute error: the position within the cell,
    the height relative to half the class's usual height, the logarithm of the size relative to the usual size, and sine and
    cosine of twice the yaw and of the yaw. Twice the yaw is the direction of the box without its front: it can be learnt even if
    front and back look the same. All losses are sums over the batch, divided by its number of objects and frames.

    Args:
        labels: the classes, by number
        bounds: x from, x to, y from, y to of the map, in metres
        usual: for each class its mean length, width and height in metres: the network predicts sizes relative to these
        box_weight: weight of the losses of the box; the weight of the heat map is 1
        min_radius: the smallest radius of a Gaussian, in cells
        score_threshold: boxes with a lower score are dropped
        nms_threshold: non-maximum suppression: of two boxes of one class whose overlap (IoU from above) is larger, the one with
            the lower score is dropped
        max_objects: the largest number of objects in a frame
        best_by: the validation score that chooses the best checkpoint
    """

    outputs = {"object_map": ("batch", "channels", "rows", "columns")}

    def __init__(
        self,
        labels: FromData[Any],
        bounds: FromData[list[float]],
        usual: FromData[Any],
        box_weight: NonNegative = 1.0,
        min_radius: PositiveFloat = 2.0,
        score_threshold: Fraction = 0.05,
        nms_threshold: Fraction = 0.2,
        max_objects: Positive = 50,
        best_by: str = "val/mean_ap_3d",
    ) -> None:
        self.labels = list(labels)
        self.bounds = list(bounds)
        self.usual = [list(row) for row in usual]
        self.box_weight = box_weight
        self.min_radius = min_radius
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_objects = max_objects
        self.best_by = best_by

    def losses(
        self, outputs: Float[Tensor, "batch channels rows columns"], target: Mapping[str, Any]
    ) -> dict[str, Tensor]:
        """The focal loss of the heat maps and the absolute errors of the boxes."""
        boxes, classes = target["boxes"], target["classes"]
        outputs = outputs.float() if outputs.dtype in (torch.bfloat16, torch.float16) else outputs
        count = len(self.labels)
        wanted, row, column, within = self._wanted(boxes, classes, outputs.shape[2], outputs.shape[3])
        present = classes >= 0
        weight = 1 / (present.sum() + len(classes)).to(outputs.dtype)
        logits = outputs[:, :count]
        # log p and log (1 - p) from the logits: exact even if p rounds to 0 or 1.
        chance, sure, unsure = logits.sigmoid(), F.logsigmoid(logits), F.logsigmoid(-logits)
        at_centre = wanted == 1
        heat = torch.where(
            at_centre, (1 - chance).square() * sure, (1 - wanted).square().square() * chance.square() * unsure
        )
        batch = torch.arange(len(classes), device=classes.device)[:, None].expand_as(classes)
        found = outputs[:, count:].permute(0, 2, 3, 1)[batch[present], row[present], column[present]]
        usual = boxes.new_tensor(self.usual)[classes.clamp(min=0)]  # (batch, objects, 3)
        height, yaw = boxes[..., 2:3] - usual[..., 2:] / 2, boxes[..., 6:7]
        sizes = (boxes[..., 3:6].clamp(min=1e-2) / usual).log()
        true = torch.cat([within, height, sizes, (2 * yaw).sin(), (2 * yaw).cos(), yaw.sin(), yaw.cos()], dim=-1)
        error = (found - true[present]).abs().sum(dim=0) * weight * self.box_weight
        return {
            "heat_map": -heat.sum() * weight,
            "offset": error[:2].sum(),
            "height": error[2],
            "size": error[3:6].sum(),
            "orientation": error[6:].sum(),
        }

    def _wanted(
        self,
        boxes: Float[Tensor, "batch objects seven"],
        classes: Int[Tensor, "batch objects"],
        rows: int,
        columns: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The heat maps (batch, classes, rows, columns), each object's row and column, and the position of its centre in the
        cell."""
        cell = self._cell(columns)
        place = (boxes[..., :2] - boxes.new_tensor([self.bounds[0], self.bounds[2]])) / cell
        column = place[..., 0].floor().long().clamp(0, columns - 1)
        row = place[..., 1].floor().long().clamp(0, rows - 1)
        within = place - torch.stack([column, row], dim=-1)
        # A centre with an error of less than a third of the shorter side still gives a good box.
        radius = (boxes[..., 3:5].amin(dim=-1) / cell / 3).clamp(min=self.min_radius)
        sigma = (2 * radius + 1) / 6
        along = (torch.arange(columns, device=boxes.device) - column[..., None]).to(boxes.dtype)
        across = (torch.arange(rows, device=boxes.device) - row[..., None]).to(boxes.dtype)
        scale = (2 * sigma.square())[..., None]
        one, other = torch.exp(-along.square() / scale), torch.exp(-across.square() / scale)
        heat = other[..., :, None] * one[..., None, :]  # (batch, objects, rows, columns)
        far = along.abs() > radius[..., None], across.abs() > radius[..., None]
        heat = heat.masked_fill(far[0][..., None, :] | far[1][..., :, None], 0)
        maps = [heat.masked_fill((classes != kind)[..., None, None], 0).amax(dim=1) for kind in range(len(self.labels))]
        return torch.stack(maps, dim=1), row, column, within

    def _cell(self, columns: int) -> float:
        return (self.bounds[1] - self.bounds[0]) / columns

    def predict(self, model: nn.Module, batch: Batch) -> Detections:
        """The objects of each frame: the peaks of the heat maps; of boxes that overlap, only the one with the highest score."""
        parts = model.in_parts(**batch.inputs) if isinstance(model, ComputesInParts) else [model(**batch.inputs)]
        return Detections([found for part in parts for found in self.objects(part)])

    def objects(self, outputs: Float[Tensor, "batch channels rows columns"]) -> Detections:
        """The objects of each frame, from the network's output."""
        outputs = outputs.detach().float()
        count, columns = len(self.labels), outputs.shape[3]
        heat = outputs[:, :count].sigmoid()
        peaks = torch.where(heat == F.max_pool2d(heat, 3, 1, 1), heat, 0)
        best = peaks.flatten(1).topk(min(2 * self.max_objects, peaks[0].numel()), dim=1)
        cell = self._cell(columns)
        frames = []
        for frame, (scores, places) in enumerate(zip(best.values, best.indices, strict=True)):
            kept = scores >= max(self.score_threshold, 1e-6)
            scores, places = scores[kept], places[kept]
            kind = places // peaks[0, 0].numel()
            row = places % peaks[0, 0].numel() // columns
            column = places % columns
            values = outputs[frame, count:, row, column].double()
            x = self.bounds[0] + (column + values[0]) * cell
            y = self.bounds[2] + (row + values[1]) * cell
            usual = values.new_tensor(self.usual)[kind].T  # (3, found)
            size = values[3:6].clamp(-3, 3).exp() * usual
            lies = torch.atan2(values[6], values[7]) / 2
            backwards = lies.cos() * values[9] + lies.sin() * values[8] < 0
            yaw = lies + torch.where(backwards, math.pi, 0.0)
            boxes = torch.stack([x, y, values[2] + usual[2] / 2, *size, torch.atan2(yaw.sin(), yaw.cos())], dim=1)
            # Boxes suppress only boxes of their own class: for this step, the classes are moved far apart.
            apart = boxes.clone()
            apart[:, 0] += kind * 1e4
            stay = suppress(apart, scores, self.nms_threshold, self.max_objects)
            frames.append(
                Found(boxes[stay].cpu().numpy(), kind[stay].cpu().numpy(), scores[stay].double().cpu().numpy())
            )
        return Detections(frames)

    def decode(self, outputs: Detections) -> list[dict[str, Any]]:
        """The objects of each frame, in metres and radians, in the LiDAR's coordinates; the highest score first."""
        return [
            {"boxes": [
                {"class": self.labels[int(label)], "score": round(float(score), 6)} | _numbers(box)
                for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True)
            ]}
            for found in outputs
        ]  # fmt: skip

    def read_target(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The labelled objects of each frame, of all classes; None if unlabelled."""
        return [
            {"boxes": None if example.objects is None else [
                {"class": name} | _numbers(box)
                for name, box in zip(example.objects.names, example.objects.boxes, strict=True)
            ]}
            for example in target["frames"]
        ]  # fmt: skip

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A line for the frame and one for each object."""
        lines = [f"{shown}: {len(prediction['boxes'])} object{'' if len(prediction['boxes']) == 1 else 's'}"]
        for box in prediction["boxes"]:
            lines.append(
                f"  {box['score']:.3f}  {box['class']:<12} x {box['x']:7.2f}  y {box['y']:7.2f}  z {box['z']:6.2f}  "
                f"{box['length']:.2f} × {box['width']:.2f} × {box['height']:.2f} m  yaw {math.degrees(box['yaw']):6.1f}°"
            )
        return "\n".join(lines)

    def meter(self) -> Meter:
        """Average precision by KITTI's rules."""
        from convzoo.metrics.detection import DetectionMeter

        return DetectionMeter(self.labels)


def _numbers(box: Sequence[float] | np.ndarray) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in zip(BOX, box, strict=True)}
