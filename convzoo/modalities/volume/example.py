"""A medical volume as an example: voxels in the patient's space, with a class, a mask, or both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.labels import Label
from convzoo.modalities.volume.formats import (
    VOLUME_SUFFIXES,
    Geometry,
    checked_geometry,
    is_volume,
    read_geometry,
    read_labels,
    read_volume,
    refuse_non_finite,
    volume_files,
    whole_numbers,
)

_NEAR = 0.1
"""Largest distance between a mask and its image, in voxels: programs round the numbers that they write into headers."""


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """A scan, as the path of its file (or the folder of its DICOM series) or as an array.

    Attributes:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .npy or .npz file, or the folder of a DICOM series
        voxels: (x, y, z), in place of a file
        affine: (4, 4), from an index of `voxels` to millimetres to the right, the front and upwards (RAS+); by default 1 mm
        mask: the structure at each voxel: a file or an array of whole numbers, 0 for none
        structures: the values that a mask may hold besides 0, with their names
        label: of the whole scan: its class, a number, or several classes
        group: the patient; all scans of one patient stay in one split
        source: where it comes from
    """

    path: Path | None = None
    voxels: np.ndarray | None = None
    affine: np.ndarray | None = None
    mask: Path | np.ndarray | None = None
    structures: Mapping[int, str] | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "scan.nii.gz"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Volume]":
        """Volumes from lines of standard input, which name files or series."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Volume]":
        """Volumes for prediction: each value is a file, the folder of a DICOM series, a folder of either, an array (x, y, z),
        or a pair of an array and its affine.

        Raises:
            DataError: there is no such file, a folder holds no volume, or an array has another shape.
        """
        found: list[Volume] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, np.ndarray):
                found.append(_from_array(value, np.eye(4)))
            elif isinstance(value, tuple | list):
                if len(value) != 2 or not all(isinstance(part, np.ndarray) for part in value):
                    raise DataError("a volume in memory is an array (x, y, z), or a pair of it and its affine (4, 4)")
                found.append(_from_array(*value))
            elif _exists(path := Path(value)):
                files = volume_files(path) if path.is_dir() else [path]
                if not files:
                    known = ", ".join(VOLUME_SUFFIXES)
                    raise DataError(f"{path}: holds no volume ({known} or DICOM series)")
                if path.is_file() and not is_volume(path):
                    read_geometry(path)  # says what is wrong with it
                found.extend(cls(file, source=str(file)) for file in files)
            else:
                raise no_such(value, "volume")
        return found

    @property
    def where(self) -> str:
        """Its name in error messages."""
        return str(self.path) if self.path is not None else self.source or "the array"

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """The voxels as float32 (x, y, z), and the affine (4, 4).

        Raises:
            DataError: the file cannot be read, has no three dimensions, too few slices or no spacing, or holds voxels that are
                not finite numbers.
        """
        if self.voxels is None:
            assert self.path is not None, "a Volume has a path or voxels"
            return read_volume(self.path)
        geometry = self.geometry()
        voxels = np.asarray(self.voxels, np.float32).reshape(geometry.shape)
        refuse_non_finite(voxels, self.where)
        return voxels, geometry.affine

    def read_mask(self) -> np.ndarray:
        """The mask as whole numbers (x, y, z), uint8 where they fit.

        Raises:
            DataError: there is none, it cannot be read, has another shape or another place than its image, or holds a value
                that is not a whole number or is not declared.
        """
        if self.mask is None:
            raise DataError(f"{self.where}: has no mask")
        geometry = self.geometry()
        if isinstance(self.mask, Path):
            name = str(self.mask)
            values, affine = read_labels(self.mask)
        else:
            name = f"the mask of {self.where}"
            values, affine = whole_numbers(np.asarray(self.mask), name), geometry.affine
        if values.shape != geometry.shape:
            raise DataError(f"{name}: is {_said(values.shape)}, its image {self.where} {_said(geometry.shape)}")
        away = _farthest(geometry, affine)
        if away > _NEAR * min(geometry.spacing):
            raise DataError(
                f"{name}: has another place than its image {self.where}: a corner is {away:.2f} mm away (their affines differ)"
            )
        if self.structures is not None:
            there = np.unique(values)
            unknown = [int(value) for value in there if value and int(value) not in self.structures]
            if unknown:
                declared = ", ".join(f"{value} {label}" for value, label in sorted(self.structures.items()))
                raise DataError(
                    f"{name}: holds the label {unknown[0]}, which is not declared; declared are 0, {declared}"
                )
        return values

    def check(self) -> None:
        """Read the voxels, and the mask if there is one, once.

        Raises:
            DataError: as `read` and `read_mask`.
        """
        self.read()
        if self.mask is not None:
            self.read_mask()

    def geometry(self) -> Geometry:
        """Shape, affine and spacing, from the file's header alone where it has one.

        Raises:
            DataError: the header cannot be read, or has no three dimensions or no spacing.
        """
        if self.voxels is None:
            assert self.path is not None, "a Volume has a path or voxels"
            return read_geometry(self.path)
        affine = np.eye(4) if self.affine is None else self.affine
        return checked_geometry(self.voxels.shape, affine, self.where)


def _from_array(voxels: np.ndarray, affine: np.ndarray) -> Volume:
    if voxels.dtype.kind not in "buif":
        raise DataError(f"a volume is an array (x, y, z) of numbers, not of {voxels.dtype}")
    checked_geometry(voxels.shape, affine, "the array")
    return Volume(voxels=voxels, affine=affine, source="an array")


def _farthest(geometry: Geometry, affine: np.ndarray) -> float:
    """The largest distance in millimetres between a corner of the volume and the same corner by another affine."""
    far = np.array(geometry.shape, np.float64) - 1
    corners = np.array([[x, y, z] for x in (0, far[0]) for y in (0, far[1]) for z in (0, far[2])])
    corners = np.column_stack([corners, np.ones(8)])
    return float(np.linalg.norm(corners @ (geometry.affine - affine).T, axis=1).max())


def _said(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
