"""Point clouds with their labelled objects, and the files that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.outputs.boxes import Calibration, Objects
from convzoo.modalities.points.formats import CLOUD_SUFFIXES, read_cloud
from convzoo.reading.files import files_named

FAR = 10_000.0
"""Coordinates beyond this, in metres, are those of a map and not of a sensor."""


@dataclass(frozen=True, slots=True, eq=False)
class PointCloud:
    """One scan, as an array or as a file (.bin of KITTI, nuScenes and others; ply, pcd, xyz, pts).

    Attributes:
        path: path of the file
        points: (points, 3) or (points, 4): x, y, z in metres and, if there is one, the intensity
        objects: its labelled objects; None if unlabelled
        calibration: calibration of the camera beside the LiDAR, if there is one
        group: scans of one group stay in one split; usually the drive
        source: where it comes from
        columns: numbers a point in a .bin file; None: found
        origin: the place on the map that x, y, z and the objects are relative to, in metres
    """

    path: Path | None = None
    points: np.ndarray | None = None
    objects: Objects | None = None
    calibration: Calibration | None = None
    group: str | None = None
    source: str = ""
    columns: int | None = None
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    label: ClassVar[None] = None
    sample_input: ClassVar[str] = "frame.bin -o labels/"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[PointCloud]":
        """Clouds from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[PointCloud]":
        """Clouds for prediction: each value is a file, a folder of them, or an array (points, 3 or 4).

        Raises:
            DataError: there is no such file, a folder holds no cloud, or an array has another shape.
        """
        found: list[PointCloud] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, np.ndarray):
                if value.ndim != 2 or value.shape[1] not in (3, 4) or value.dtype.kind not in "fiu":
                    raise DataError(
                        f"a cloud is an array (points, 3) or (points, 4) of numbers, not {value.dtype} {value.shape}"
                    )
                found.append(cls(points=value, source="an array"))
            else:
                files = files_named(value, CLOUD_SUFFIXES, "point cloud")
                if files[0].suffix.lower() not in CLOUD_SUFFIXES:
                    raise DataError(f"{value}: is not a point cloud; {', '.join(sorted(CLOUD_SUFFIXES))} can be read")
                found.extend(cls(path=path, source=str(path)) for path in files)
        return found

    def read(self) -> np.ndarray:
        """The points as float32 (points, 4): x, y, z from the origin, intensity (0 where there is none).

        Points that are not finite are beams that did not come back: they are left out.

        Raises:
            DataError: the file is absent, damaged or cut off, or holds no finite point.
        """
        if self.points is not None:
            values = np.asarray(self.points)
            if values.dtype != np.float32:
                values = values.astype(np.float64)
            if values.shape[1] == 3:
                values = np.c_[values, np.zeros(len(values), values.dtype)]
        else:
            assert self.path is not None, "a PointCloud has points or a path"
            values = read_cloud(self.path, self.columns)
        where = self.source or str(self.path or "the array")
        if not len(values):
            raise DataError(f"{where}: holds no points")
        finite = np.isfinite(values[:, :3]).all(axis=1)
        if not finite.any():
            raise DataError(f"{where}: none of its {len(values):,} points has finite coordinates")
        values = values if finite.all() else values[finite]
        if not np.isfinite(values[:, 3]).all():
            values = np.c_[values[:, :3], np.nan_to_num(values[:, 3:], posinf=0.0, neginf=0.0)]
        if any(self.origin):
            values = np.c_[values[:, :3] - np.array(self.origin), values[:, 3:]]
        return values.astype(np.float32, copy=False)

    def placed(self) -> "PointCloud":
        """The same cloud, and its objects, relative to its middle where its coordinates are those of a map: in single precision,
        a northing of 5,400,000 m has steps of half a metre.

        Raises:
            DataError: as `read`.
        """
        points = replace(self, origin=(0.0, 0.0, 0.0)).read()[:, :3]
        if np.abs(points).max() < FAR:
            return self
        middle = np.round(np.median(points, axis=0)).astype(np.float64)
        middle[2] = middle[2] if abs(middle[2]) >= FAR else 0.0
        objects = self.objects
        if objects is not None:
            moved = objects.boxes.copy()
            moved[:, :3] -= middle
            objects = replace(objects, boxes=moved)
        return replace(self, origin=tuple(middle.tolist()), objects=objects)

    def check(self) -> None:
        """Read the points once.

        Raises:
            DataError: as `read`.
        """
        self.read()

    def with_calibration(self, calibration: Calibration) -> "PointCloud":
        """The same cloud, seen by a camera."""
        return replace(self, calibration=calibration)
