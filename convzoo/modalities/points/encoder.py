"""Point clouds as lists of points, with the number of each one's frame, and their boxes."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.outputs.boxes import BOX
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, counted, lengths_in_words, some_of
from convzoo.core.text import did_you_mean
from convzoo.modalities.points.augment import flipped, paste, scaled, turned
from convzoo.modalities.points.data.kitti_files import write_labels
from convzoo.modalities.points.example import PointCloud
from convzoo.ops.boxes import points_in_boxes

APART = 30.0
"""Intensities that differ by this factor are on another scale: 0 to 1, 0 to 255, 0 to 65,535."""

LONG = 60.0
"""Metres; half of the objects of a scan are hardly longer."""

_FIT_ON = 200  # clouds that the scale of the intensity is taken from


class PointCloudEncoder(Encoder):
    """Keep the points inside a given range of space, and the labelled boxes whose centre is in it. In training, frames are
    flipped, rotated and scaled, and objects of other frames are pasted into them where there is room (Yan et al. 2018, SECOND,
    doi:10.3390/s18103337, §3.2.1).

    Args:
        x: [from, to] in metres, forward; null: what holds nearly all training objects, as for y and z
        y: [from, to] in metres, to the left
        z: [from, to] in metres, upwards
        pillar: side of a pillar, in metres; the area must be a whole number of pillars long and wide
        detect: the classes to find; by default all classes of training. Objects of other classes are background
        min_points: objects with fewer points in their box are left out of training
        flip: probability of a left-right flip
        rotate: the largest rotation about the vertical axis, in degrees
        scale: the largest relative change of size: 0.1 is from 0.9 to 1.1
        paste: objects of other frames are added, where there is room, until a training frame has this many of each class; 0 for
            none
    """

    example = PointCloud

    def __init__(
        self,
        x: list[float] | None = [0.0, 40.0],  # noqa: B006 (read only: what a recipe writes)
        y: list[float] | None = [-20.0, 20.0],  # noqa: B006
        z: list[float] | None = [-3.0, 1.0],  # noqa: B006
        pillar: PositiveFloat = 0.25,
        detect: list[str] | None = None,
        min_points: Positive = 3,
        flip: Fraction = 0.5,
        rotate: NonNegative = 0.0,
        scale: Fraction = 0.0,
        paste: Count = 0,
    ) -> None:
        for name, limits in (("x", x), ("y", y), ("z", z)):
            if limits is not None and len(limits) != 2:
                raise ValueError(f"{name} should be two numbers, the lower first, not {limits}")
            if limits is not None and not limits[0] < limits[1]:
                raise ValueError(f"{name} should be two numbers, the lower first, not {limits}")
        for name, limits in (("x", x), ("y", y)):
            if limits is None:
                continue
            low, high = limits
            count = (high - low) / pillar
            if abs(count - round(count)) > 1e-6:
                raise ValueError(
                    f"{name}: {high - low:g} m are {count:.3f} pillars of {pillar:g} m; give a whole number"
                )
        self.x = x or []
        self.y = y or []
        self.z = z or []
        self.chosen = [name for name, limits in (("x", x), ("y", y), ("z", z)) if limits is None]
        self.pillar = pillar
        self.detect = detect
        self.min_points = min_points
        self.flip = flip
        self.rotate = rotate
        self.scale = scale
        self.paste = paste
        self.labels: tuple[str, ...] = ()
        self.intensity = 1.0
        self.strongest: float | None = None  # of the intensities of training, but for one in a hundred; None: unknown
        self.columns: int | None = None
        self.usual: list[list[float]] = []
        self.bank_points = torch.zeros(0, 4)
        self.bank_counts = torch.zeros(0, dtype=torch.int64)
        self.bank_boxes = torch.zeros(0, 8)

    def fit(self, examples: Sequence[PointCloud]) -> None:
        """Learn the classes, how large each usually is, the scale of the intensity, and with `paste` the bank of
        objects.

        Raises:
            DataError: no objects, a class that is not in the training split, or no point inside the range of space.
        """
        names = [name for example in examples if example.objects is not None for name in example.objects.names]
        if not names:
            raise DataError("the training split has no labelled object: there is nothing to learn")
        for name in self.detect or ():
            if name not in names:
                raise DataError(
                    f"encoder.detect: training has no object of class {name!r}; {did_you_mean(name, set(names))}"
                )
        self.labels = tuple(self.detect or sorted(set(names)))
        if self.chosen:
            self._choose_space(examples)
        self.columns = examples[0].columns
        strengths, seen = [], 0
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for index in range(0, len(examples), max(1, len(examples) // _FIT_ON)):
            points = examples[index].read()
            strengths.append(np.quantile(points[:, 3], 0.99))
            low, high = np.minimum(low, points[:, :3].min(axis=0)), np.maximum(high, points[:, :3].max(axis=0))
            seen += len(self._inside(torch.from_numpy(points)))
        if not seen:
            spans = ", ".join(f"{axis} {a:.4g} to {b:.4g}" for axis, a, b in zip("xyz", low, high, strict=True))
            raise DataError(f"no training point lies inside of encoder.x, y and z; the points span {spans}")
        # Some files hold 0 to 1, some 0 to 255: intensities up to 1 stay as they are.
        self.strongest = float(np.max(strengths))
        self.intensity = max(1.0, self.strongest)
        boxes = np.concatenate([self._boxes(example) for example in examples])
        if not len(boxes):
            raise DataError("no training object of these classes lies inside of encoder.x, y and z")
        self.usual = []
        for number in range(len(self.labels)):
            own = boxes[boxes[:, 7] == number]
            usual = own if len(own) else boxes
            self.usual.append([round(float(value), 4) for value in usual[:, 3:6].mean(axis=0)])
        if self.paste:
            self._fill_bank([self.prepare(example) for example in examples])

    def _boxes(self, example: PointCloud) -> np.ndarray:
        """(objects, 8): the boxes of the classes to find whose centre lies inside, and the class's number."""
        if example.objects is None:
            return np.zeros((0, 8))
        number = {name: index for index, name in enumerate(self.labels)}
        kinds = np.array([number.get(name, -1) for name in example.objects.names], np.float64)
        boxes = example.objects.boxes
        inside = (kinds >= 0) & (boxes[:, 0] >= self.x[0]) & (boxes[:, 0] < self.x[1])
        inside &= (boxes[:, 1] >= self.y[0]) & (boxes[:, 1] < self.y[1])
        return np.c_[boxes, kinds][inside]

    def _inside(self, points: Tensor) -> Tensor:
        kept = torch.ones(len(points), dtype=torch.bool)
        for axis, (low, high) in enumerate((self.x, self.y, self.z)):
            kept &= (points[:, axis] >= low) & (points[:, axis] < high)
        return points[kept]

    def _fill_bank(self, items: Sequence[tuple[Tensor, Tensor, PointCloud]]) -> None:
        points, counts, kinds = [], [], []
        for cloud, boxes, _ in items:
            inside = points_in_boxes(cloud[:, :3], boxes[:, :7])
            for column in range(len(boxes)):
                points.append(cloud[inside[:, column]])
                counts.append(len(points[-1]))
                kinds.append(boxes[column])
        self.bank_points = torch.cat(points) if points else self.bank_points
        self.bank_counts = torch.tensor(counts, dtype=torch.int64)
        self.bank_boxes = torch.stack(kinds) if kinds else self.bank_boxes

    def prepare(self, example: PointCloud) -> tuple[Tensor, Tensor, PointCloud]:
        """Points (points, 4) inside the range of space, boxes (objects, 8) with their class's number, and the example.

        Raises:
            DataError: the scan is damaged, or an object's class is not in the training split.
        """
        self._require_known(example)
        values = np.ascontiguousarray(example.read())
        self._require_scale(example, values[:, 3])
        points = self._inside(torch.from_numpy(values))
        if self.intensity != 1.0:
            points = torch.cat([points[:, :3], points[:, 3:] / self.intensity], dim=1)
        boxes = torch.from_numpy(self._boxes(example)).float()
        if len(boxes):
            held = torch.stack([points_in_boxes(points[:, :3], box[None, :7]).sum() for box in boxes])
            boxes = boxes[held >= self.min_points]
        return points, boxes, example

    def _require_scale(self, example: PointCloud, intensities: np.ndarray) -> None:
        """Refuse intensities on another scale than training's: a network that learnt from 0 to 1 finds giants in 0 to 255."""
        strongest = float(np.quantile(intensities, 0.99))
        if self.strongest is None or min(strongest, self.strongest) <= 0:
            return
        # Downwards there is more room: on an empty field nothing reflects strongly.
        if not 1 / (4 * APART) < strongest / self.strongest < APART:
            raise DataError(
                f"{example.source or 'the array'}: its intensities reach {strongest:.4g}, those of training "
                f"{self.strongest:.4g}; multiply them by {self.strongest / strongest:.3g}, or train with scans of this kind"
            )

    def _require_known(self, example: PointCloud) -> None:
        if example.objects is not None and self.detect is None:
            for name in set(example.objects.names) - set(self.labels):
                raise DataError(
                    f"{example.source}: class {name!r} is not in the training split; {did_you_mean(name, self.labels)}; "
                    "encoder.detect names the classes to find"
                )

    def survey(
        self, examples: Sequence[PointCloud], items: Sequence[tuple[Tensor, Tensor, PointCloud]] | None
    ) -> Survey:
        """The objects of each class, those that lie outside of the range of space, and clouds without a point inside of it."""
        for example in examples:
            self._require_known(example)
        names = Counter(name for example in examples if example.objects is not None for name in example.objects.names)
        wanted = {name: names[name] for name in self.labels}
        others = {name: count for name, count in names.items() if name not in wanted}
        facts = {"objects": counted(wanted) + (f"; background: {counted(others)}" if others else "")}
        notes = []
        inside = sum(len(self._boxes(example)) for example in examples)
        whole = sum(wanted.values())
        if not whole:
            notes.append("no frame has an object of the classes to find: average precision is 0")
        elif inside < whole:
            notes.append(
                f"{whole - inside:,} of {whole:,} objects lie outside of encoder.x {self.x} and encoder.y {self.y}, so they "
                "cannot be found; set these wider if the objects matter"
            )
        if items is not None:
            facts["points"] = lengths_in_words([len(item[0]) for item in items]) + ", inside of encoder.x, y and z"
            bare = [example.source for example, item in zip(examples, items, strict=True) if not len(item[0])]
            if bare:
                notes.append(f"{some_of(bare, len(items), 'clouds')} have no point inside of encoder.x, y and z")
            kept = sum(len(boxes) for _, boxes, _ in items)
            if kept < inside:
                notes.append(
                    f"{inside - kept:,} of {inside:,} objects inside hold fewer than encoder.min_points={self.min_points} "
                    "points and are left out of training; if these are many, boxes and points may not belong together (axes, "
                    "units, frames)"
                )
        notes += self._odd_sizes(examples)
        return Survey(facts, notes)

    def _odd_sizes(self, examples: Sequence[PointCloud]) -> list[str]:
        """A note where boxes are as long as buildings: their unit may not be the metre."""
        boxes = [example.objects.boxes for example in examples if example.objects is not None and len(example.objects)]
        longest = np.concatenate(boxes)[:, 3:6].max(axis=1) if boxes else np.zeros(1)
        middle = float(np.median(longest))
        if 0.05 <= middle <= LONG or not boxes:
            return []
        return [f"half of the boxes are longer than {middle:.4g} m; lengths, widths and heights are in metres"]

    def collate(self, items: Sequence[tuple[Tensor, Tensor, PointCloud]], draws: Draws | None = None) -> Batch:
        """Points one after another, each with the number of its frame; boxes padded to one number. Augmented with `draws`."""
        pairs = [(points, boxes) for points, boxes, _ in items]
        if draws is not None:
            pairs = self._augmented(pairs, draws)
        counts = torch.tensor([len(points) for points, _ in pairs])
        most = max(1, *(len(boxes) for _, boxes in pairs))
        boxes = torch.full((len(pairs), most, 7), 0.0)
        classes = torch.full((len(pairs), most), -1)
        for row, (_, own) in enumerate(pairs):
            boxes[row, : len(own)] = own[:, :7]
            classes[row, : len(own)] = own[:, 7].long()
        inputs = {
            "points": torch.cat([points for points, _ in pairs]),
            "frame": torch.repeat_interleave(torch.arange(len(pairs)), counts),
            "counts": counts,
        }
        target = {"boxes": boxes, "classes": classes, "frames": tuple(example for _, _, example in items)}
        # The losses are means over objects; with one more for each frame, empty frames count, too.
        return Batch(inputs, target, int((classes >= 0).sum()) + len(pairs))

    def _augmented(self, pairs: Sequence[tuple[Tensor, Tensor]], draws: Draws) -> list[tuple[Tensor, Tensor]]:
        uniform = draws.uniform(0, 3)
        found = []
        chances = draws.uniform(1, self.paste * len(self.labels)) if self.paste else None
        for row, (points, boxes) in enumerate(pairs):
            if chances is not None and len(self.bank_boxes):
                points, boxes = self._pasted(points, boxes, chances[row])
            if uniform[row, 0] < self.flip:
                points, boxes = flipped(points, boxes)
            if self.rotate:
                points, boxes = turned(points, boxes, math.radians(self.rotate) * float(2 * uniform[row, 1] - 1))
            if self.scale:
                points, boxes = scaled(points, boxes, 1 + self.scale * float(2 * uniform[row, 2] - 1))
            x, y = boxes[:, 0], boxes[:, 1]
            inside = (x >= self.x[0]) & (x < self.x[1]) & (y >= self.y[0]) & (y < self.y[1])
            found.append((self._inside(points), boxes[inside]))
        return found

    def _pasted(self, points: Tensor, boxes: Tensor, chances: np.ndarray) -> tuple[Tensor, Tensor]:
        """A frame with objects of the bank added until each class has `paste` objects."""
        ends = self.bank_counts.cumsum(0)
        for kind in range(len(self.labels)):
            own = torch.nonzero(self.bank_boxes[:, 7] == kind)[:, 0]
            missing = self.paste - int((boxes[:, 7] == kind).sum())
            if not len(own) or missing <= 0:
                continue
            places = chances[kind * self.paste : kind * self.paste + missing]
            for number in own[torch.from_numpy((places * len(own)).astype(np.int64))].tolist():
                begin, end = int(ends[number] - self.bank_counts[number]), int(ends[number])
                points, boxes = paste(points, boxes, self.bank_points[begin:end], self.bank_boxes[number])
        return points, boxes

    def from_inputs(self, values: Sequence[Any]) -> list[PointCloud]:
        """Clouds, relative to their middle where their coordinates are those of a map; .bin files with training's columns.

        Raises:
            DataError: an input is no cloud.
        """
        found = []
        for cloud in PointCloud.from_inputs(values):
            if cloud.columns is None and self.columns is not None:
                cloud = replace(cloud, columns=self.columns)
            try:
                found.append(cloud.placed())
            except DataError:  # said when it is encoded, so that one damaged file does not end the others
                found.append(cloud)
        return found

    def annotate(self, example: PointCloud, prediction: dict[str, Any]) -> dict[str, Any]:
        """Boxes in the coordinates of the file."""
        if not any(example.origin):
            return prediction
        shift = dict(zip("xyz", example.origin, strict=True))
        boxes = prediction.get("boxes") or ()
        return prediction | {"boxes": [box | {axis: box[axis] + by for axis, by in shift.items()} for box in boxes]}

    def write_files(
        self, path: Path, examples: Sequence[PointCloud], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """A folder of KITTI label files, one a scan; or a .csv with a row a box, which needs no camera.

        Raises:
            RecipeError: two scans have one name.
            DataError: a scan has no calibration, without which there are no camera coordinates.
        """
        if path.suffix.lower() == ".jsonl":
            return None
        if path.suffix.lower() == ".csv":
            from convzoo.core.files import write_text

            rows = [f"path,class,{','.join(BOX)},score\n"]
            for example, prediction in zip(examples, predictions, strict=True):
                for found in prediction["boxes"]:
                    name = str(example.path or example.source)
                    name = f'"{name}"' if "," in name else name
                    rows.append(f"{name},{found['class']},{','.join(str(found[key]) for key in (*BOX, 'score'))}\n")
            write_text(path, "".join(rows))
            return [path]
        if path.suffix:
            raise RecipeError(
                f"--out: {path}: boxes are written as .csv, .jsonl, or into a folder of KITTI label files"
            )
        written = []
        for number, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
            calibration = self._calibration(example)
            name = Path(example.path).stem if example.path is not None else f"{number:06d}"
            if path / f"{name}.txt" in written:
                raise RecipeError(f"--out: {path}: two scans are called {name}; give them one folder each")
            written.append(write_labels(path / f"{name}.txt", prediction["boxes"], calibration))
        return written

    def _calibration(self, example: PointCloud) -> Any:
        if example.calibration is not None:
            return example.calibration
        if example.path is None:
            raise DataError("label files are in a camera's coordinates: a cloud in memory has no calibration")
        from convzoo.modalities.points.data.kitti_files import image_size, read_calibration

        path = Path(example.path)
        beside = path.parent.parent / "calib" / f"{path.stem}.txt"
        if not beside.is_file():
            raise DataError(
                f"{path}: label files are in a camera's coordinates, and there is no {beside}; write a .csv, which is in "
                "the LiDAR's"
            )
        return read_calibration(beside, image_size(path.parent.parent / "image_2", path.stem))

    @property
    def dims(self) -> Mapping[str, Any]:
        """classes, labels; bounds (x from, x to, y from, y to), pillar, and each class's usual length, width and height, in
        metres."""
        return {
            "classes": len(self.labels),
            "labels": self.labels,
            "bounds": [*self.x, *self.y],
            "pillar": self.pillar,
            "usual": self.usual,
        }

    def _choose_space(self, examples: Sequence[PointCloud]) -> None:
        """Limits that hold 99 of 100 training objects, with a margin of 2 m around them and half a metre above and below."""
        wanted = {name.lower() for name in self.labels}
        rows = [
            box
            for example in examples
            if example.objects is not None
            for name, box in zip(example.objects.names, example.objects.boxes, strict=True)
            if name.lower() in wanted
        ]
        boxes = np.array(rows, dtype=np.float64)  # x, y, z of the centre, length, width, height, yaw
        step = 8 * self.pillar  # the network halves the map several times
        for axis, name in enumerate("xy"):
            low, high = np.quantile(boxes[:, axis], [0.005, 0.995])
            limits = [float(np.floor((low - 2) / step) * step), float(np.ceil((high + 2) / step) * step)]
            if name in self.chosen:
                setattr(self, name, limits)
        if "z" in self.chosen:
            half = boxes[:, 5] / 2
            low, high = np.quantile(boxes[:, 2] - half, 0.005) - 0.5, np.quantile(boxes[:, 2] + half, 0.995) + 0.5
            self.z = [round(float(low), 2), round(float(high), 2)]

    def advice(self) -> str:
        """The part of space that was chosen."""
        if not self.chosen:
            return ""
        limits = ", ".join(
            f"{name} {low:g} to {high:g} m" for name, (low, high) in zip("xyz", (self.x, self.y, self.z), strict=True)
        )
        return f"objects are looked for in {limits}; set encoder.x, encoder.y and encoder.z to change it"

    def keep(self, earlier: "PointCloudEncoder", examples: Sequence[PointCloud]) -> None:
        """Keep the usual sizes of classes that both runs have, because boxes are predicted relative to them. The scale of the
        intensity belongs to the files: some hold 0 to 1, some 0 to 255."""
        known = dict(zip(earlier.labels, earlier.usual, strict=True))
        self.usual = [known.get(label, own) for label, own in zip(self.labels, self.usual, strict=True)]

    def state(self) -> dict[str, Any]:
        """Space, classes, their usual sizes, the intensity's scale, and the bank of objects."""
        return {
            "space": [list(self.x), list(self.y), list(self.z)],
            "labels": list(self.labels),
            "intensity": self.intensity,
            "strongest": self.strongest,
            "columns": self.columns,
            "usual": self.usual,
            "bank_points": self.bank_points,
            "bank_counts": self.bank_counts,
            "bank_boxes": self.bank_boxes,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        if "space" in state:  # runs of former versions have it in their recipe only
            self.x, self.y, self.z = (list(limits) for limits in state["space"])
        self.labels = tuple(state["labels"])
        self.intensity = float(state["intensity"])
        self.strongest, self.columns = state.get("strongest"), state.get("columns")
        self.usual = [list(row) for row in state["usual"]]
        self.bank_points, self.bank_counts = state["bank_points"], state["bank_counts"]
        self.bank_boxes = state["bank_boxes"]
