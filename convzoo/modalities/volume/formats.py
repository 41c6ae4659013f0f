"""Files of medical volumes: NIfTI, NRRD, DICOM series and NumPy, read to voxels and the place of each in the patient.

An affine, 4x4, always maps a voxel's index (x, y, z, 1) to millimetres in the patient: to the right, to the front, upwards
(RAS+, as in NIfTI). DICOM and NRRD count to the left and to the back; this is converted here.
"""

import gzip
import io
import math
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import atomic_write, no_such
from convzoo.core.libraries import needs
from convzoo.core.text import first_line
from convzoo.reading.arrays import check_arrays
from convzoo.reading.files import visible

NIFTI_SUFFIXES = (".nii", ".nii.gz")
NRRD_SUFFIXES = (".nrrd", ".nhdr")
ARRAY_SUFFIXES = (".npy", ".npz")
DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
VOLUME_SUFFIXES = NIFTI_SUFFIXES + NRRD_SUFFIXES + ARRAY_SUFFIXES
FEWEST_SLICES = 4
"""Smallest number of voxels along each axis; fewer are one or a few pictures, too thin for a 3-D kernel."""

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_NRRD_SPACES = {
    "right-anterior-superior": (1, 1, 1), "ras": (1, 1, 1), "left-anterior-superior": (-1, 1, 1), "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1), "lps": (-1, -1, 1),
}  # fmt: skip
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where the voxels of a volume are.

    Attributes:
        shape: voxels along each axis
        affine: (4, 4), from a voxel's index to millimetres, RAS+
    """

    shape: tuple[int, int, int]
    affine: np.ndarray

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance from voxel to voxel along each axis, in millimetres."""
        return spacing_of(self.affine)


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """Distance from voxel to voxel along each axis, in millimetres."""
    lengths = np.linalg.norm(np.asarray(affine, np.float64)[:3, :3], axis=0)
    return float(lengths[0]), float(lengths[1]), float(lengths[2])


def read_volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The voxels as float32 (x, y, z), with the file's scale applied, and the affine.

    Args:
        path: a .nii, .nii.gz, .nrrd, .nhdr, .npy or .npz file, or a folder with one DICOM series

    Raises:
        DataError: there is no such file, it is damaged or cut off, has no three dimensions or too few slices, no spacing,
            a slice is missing, or voxels are not finite numbers.
    """
    voxels, affine = _read(path)
    geometry = checked_geometry(voxels.shape, affine, str(path))
    voxels = voxels.reshape(geometry.shape)
    if voxels.dtype.kind not in "buif":
        raise DataError(f"{path}: its voxels are {voxels.dtype}, not numbers of one channel")
    voxels = np.asarray(voxels, np.float32)
    refuse_non_finite(voxels, str(path))
    return voxels, geometry.affine


def read_labels(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A mask: the voxels as whole numbers (x, y, z), uint8 where they fit, and the affine.

    Raises:
        DataError: as `read_volume`; or a voxel is not a whole number, or is below 0.
    """
    voxels, affine = read_volume(path)
    return whole_numbers(voxels, str(path)), affine


def read_geometry(path: Path) -> Geometry:
    """Shape and affine, from the header alone where the format has one.

    Raises:
        DataError: as `read_volume`, as far as the header shows it.
    """
    kind = _kind(path)
    if kind == "nifti":
        image = _nifti(path)
        return checked_geometry(image.shape, image.affine, str(path))
    if kind == "nrrd":
        header = _guarded(path, lambda: _library("nrrd", "pynrrd").read_header(str(path)))
        return checked_geometry(tuple(int(size) for size in header["sizes"]), _nrrd_affine(header, path), str(path))
    if kind == "dicom":
        slices = _series(path, pixels=False)
        shape = (int(slices[0].Columns), int(slices[0].Rows), len(slices))
        return checked_geometry(shape, _dicom_affine(slices, path), str(path))
    voxels, affine = _read(path)
    return checked_geometry(voxels.shape, affine, str(path))


def checked_geometry(shape: Sequence[int], affine: np.ndarray, where: str) -> Geometry:
    """Check for three dimensions, enough slices, and an affine with three axes; dimensions of 1 at the end are dropped.

    Raises:
        DataError: what is wrong.
    """
    sizes = tuple(int(size) for size in shape)
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    said = " × ".join(map(str, sizes))
    if len(sizes) > 3:
        raise DataError(
            f"{where}: is {len(sizes)}-D ({said}); one volume (x, y, z) is expected: split it, a file for each time or channel"
        )
    if len(sizes) < 3:
        raise DataError(f"{where}: is {len(sizes)}-D ({said}); a volume (x, y, z) is expected")
    if min(sizes) < FEWEST_SLICES:
        few = min(sizes)
        raise DataError(
            f"{where}: has {few} slice{'s' if few != 1 else ''} ({said}); a volume needs at least {FEWEST_SLICES} along each axis"
        )
    affine = np.asarray(affine, np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise DataError(f"{where}: its affine should be 4 × 4 finite numbers")
    lengths = spacing_of(affine)
    if min(lengths) < 1e-6:
        raise DataError(
            f"{where}: its spacing is {' × '.join(f'{length:g}' for length in lengths)} mm; each should be above 0"
        )
    if abs(np.linalg.det(affine[:3, :3])) < 1e-3 * np.prod(lengths):
        raise DataError(f"{where}: its affine leaves a direction out: two axes point the same way")
    return Geometry((sizes[0], sizes[1], sizes[2]), affine)


def refuse_non_finite(voxels: np.ndarray, where: str) -> None:
    """
    Raises:
        DataError: a voxel is NaN or infinite; how many are, and where the first is.
    """
    if np.isfinite(voxels.sum(dtype=np.float64)):
        return
    wrong = ~np.isfinite(voxels)
    first = tuple(int(index) for index in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    raise DataError(
        f"{where}: {count:,} voxel{' is' if count == 1 else 's are'} not a finite number, the first at {first}; replace them "
        "(numpy.nan_to_num)"
    )


def whole_numbers(voxels: np.ndarray, where: str) -> np.ndarray:
    """A mask's voxels as uint8 where they fit, else int32.

    Raises:
        DataError: one is not a whole number, is below 0 or beyond 2³¹.
    """
    if voxels.dtype.kind not in "bui":
        rounded = np.rint(voxels)
        if not np.array_equal(rounded, voxels):
            at = tuple(int(index) for index in np.argwhere(rounded != voxels)[0])
            raise DataError(f"{where}: a mask holds whole numbers, not {float(voxels[at]):g} (at {at})")
        voxels = rounded
    low, high = float(voxels.min()), float(voxels.max())
    if low < 0 or high >= 2**31:
        raise DataError(f"{where}: a mask holds whole numbers from 0, not {low if low < 0 else high:g}")
    return voxels.astype(np.uint8 if high < 256 else np.int32)


def write_nifti(path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    """Write voxels (x, y, z) as .nii or .nii.gz, at once; equal voxels give equal bytes.

    Raises:
        DataError: it cannot be written.
    """
    nibabel = _library("nibabel", "nibabel")
    image = nibabel.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    content = image.to_bytes()
    if path.name.endswith(".gz"):
        content = gzip.compress(content, compresslevel=4, mtime=0)
    with atomic_write(path) as file:
        file.write(content)


def volume_suffix(path: Path) -> str | None:
    """The suffix of a volume's file, `.nii.gz` as one; None for other files."""
    name = path.name.lower()
    return next((suffix for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)


def volume_stem(path: Path) -> str:
    """The name without the suffix of a volume: `scan` of `scan.nii.gz`."""
    suffix = volume_suffix(path)
    return path.name[: -len(suffix)] if suffix else path.name


def volume_files(folder: Path) -> list[Path]:
    """The volumes below a folder, by name: files, and folders that hold a DICOM series. Hidden ones are left out."""
    if is_series(folder):
        return [folder]
    found: list[Path] = []
    for path in visible(folder):
        if path.is_dir():
            found += volume_files(path)
        elif volume_suffix(path) and path.is_file():
            found.append(path)
    return found


def is_volume(path: Path) -> bool:
    """Whether a path looks like one volume."""
    return is_series(path) if path.is_dir() else volume_suffix(path) is not None


def is_series(folder: Path) -> bool:
    """Whether a folder itself holds DICOM files."""
    return folder.is_dir() and any(_is_dicom(path) for path in folder.iterdir())


def _kind(path: Path) -> str:
    if path.is_dir():
        if not is_series(path):
            raise DataError(f"{path}: holds no DICOM slices (.dcm)")
        return "dicom"
    if not path.is_file():
        raise no_such(path, "volume")
    if path.stat().st_size == 0:
        raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by a volume")
    suffix = volume_suffix(path)
    if suffix in NIFTI_SUFFIXES:
        return "nifti"
    if suffix in NRRD_SUFFIXES:
        return "nrrd"
    if suffix in ARRAY_SUFFIXES:
        return "array"
    if _is_dicom(path):
        raise DataError(f"{path}: is one DICOM file; give the folder that holds the whole series, {path.parent}")
    raise DataError(
        f"{path}: is not a volume; it should be {', '.join(VOLUME_SUFFIXES)} or a folder with a DICOM series"
    )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    kind = _kind(path)
    if kind == "nifti":
        image = _nifti(path)
        checked_geometry(image.shape, image.affine, str(path))
        if image.get_data_dtype().fields is not None:
            raise DataError(f"{path}: its voxels are colours; one channel is expected")
        _check_size(path, image)
        return _guarded(path, lambda: np.asanyarray(image.dataobj)), image.affine
    if kind == "nrrd":
        voxels, header = _guarded(path, lambda: _library("nrrd", "pynrrd").read(str(path)))
        return voxels, _nrrd_affine(header, path)
    if kind == "dicom":
        return _read_series(path)
    return _read_array(path)


def _check_size(path: Path, image: Any) -> None:
    """Refuse a header that announces more voxels than the file can hold, before memory is taken for them."""
    size = path.stat().st_size
    # Deflate makes at most 1,032 bytes of one.
    held = size * 1032 if path.name.lower().endswith(".gz") else size
    needed = math.prod(image.shape) * image.get_data_dtype().itemsize
    if needed > held:
        raise DataError(
            f"{path}: is cut off, or its header is damaged: it announces {' × '.join(map(str, image.shape))} voxels, which need "
            f"{needed:,} bytes; the file has {size:,}"
        )


def _nifti(path: Path) -> Any:
    """The image, its voxels not yet read."""
    nibabel = _library("nibabel", "nibabel")
    kind = _guarded(path, lambda: _nifti_kind(path, nibabel))
    return _guarded(path, lambda: kind.from_filename(path))


def _nifti_kind(path: Path, nibabel: Any) -> Any:
    """NIfTI-1 or NIfTI-2. nibabel would replace a spacing of 0 by 1 mm; if the affine is made from it, this is only a guess,
    so it is refused here."""
    opened: Callable[..., Any] = gzip.open if path.name.lower().endswith(".gz") else open
    with opened(path, "rb") as file:
        start = file.read(540)
    sizes = {
        int.from_bytes(start[:4], order) for order in ("little", "big")
    }  # a file of either byte order says its header's size
    kind = nibabel.Nifti1Image if 348 in sizes else nibabel.Nifti2Image if 540 in sizes else None
    if kind is None:
        raise DataError(f"{path}: is not a NIfTI file: it begins with {start[:4]!r}")
    if len(start) < kind.header_class.template_dtype.itemsize:
        raise DataError(f"{path}: is cut off: it ends within its header")
    header = kind.header_class.from_fileobj(io.BytesIO(start), check=False)
    spacing = header["pixdim"][1:4]
    if header["sform_code"] == 0 and not (np.abs(spacing) > 0).all():
        raise DataError(f"{path}: its spacing is {' × '.join(f'{s:g}' for s in spacing)} mm; each should be above 0")
    return kind


def _nrrd_affine(header: Any, path: Path) -> np.ndarray:
    affine = np.eye(4)
    directions = header.get("space directions")
    if directions is None:
        spacings = header.get("spacings")
        if spacings is not None and len(spacings) >= 3:
            affine[:3, :3] = np.diag(np.asarray(spacings, np.float64)[:3])
        return affine
    rows = np.asarray([[np.nan] * 3 if row is None else row for row in directions], np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)] if len(rows) > 3 else rows
    if rows.shape != (3, 3):
        raise DataError(f"{path}: has {len(rows)} directions in space; a volume (x, y, z) has 3")
    affine[:3, :3] = rows.T
    affine[:3, 3] = np.asarray(header.get("space origin", np.zeros(3)), np.float64)
    space = str(header.get("space", "right-anterior-superior")).lower()
    if space not in _NRRD_SPACES:
        raise DataError(f"{path}: its space is {space!r}; it should be one of {', '.join(s for s in _NRRD_SPACES)}")
    return np.diag([*map(float, _NRRD_SPACES[space]), 1.0]) @ affine


def _read_array(path: Path) -> tuple[np.ndarray, np.ndarray]:
    return _guarded(path, lambda: _load_array(path))


def _load_array(path: Path) -> tuple[np.ndarray, np.ndarray]:
    check_arrays(path)
    with path.open("rb") as file:  # numpy leaves a damaged file open that it opened itself
        loaded = np.load(file, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded, np.eye(4)
        names = [name for name in loaded.files if name != "affine"]
        if any(name.endswith("_images") for name in names):
            raise DataError(f"{path}: is a whole data set (MedMNIST); give it with --data, or one volume of it")
        if len(names) != 1:
            raise DataError(
                f"{path}: holds {', '.join(names) or 'nothing'}; one array (x, y, z) is expected, and 'affine' if it has one"
            )
        return loaded[names[0]], loaded["affine"] if "affine" in loaded.files else np.eye(4)


def _read_series(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    slices = _series(folder, pixels=True)
    affine = _dicom_affine(slices, folder)
    checked_geometry((int(slices[0].Columns), int(slices[0].Rows), len(slices)), affine, str(folder))
    planes = []
    for item in slices:
        name = item.filename
        pixels = _guarded(Path(name), partial(getattr, item, "pixel_array"))
        if pixels.ndim != 2:
            raise DataError(f"{name}: holds {pixels.ndim}-D pixels; one grey slice a file is expected")
        slope, intercept = float(item.get("RescaleSlope", 1)), float(item.get("RescaleIntercept", 0))
        planes.append(pixels.astype(np.float32).T * np.float32(slope) + np.float32(intercept))
    return np.stack(planes, axis=2), affine


def _series(folder: Path, pixels: bool) -> list[Any]:
    """The slices of a folder's one series, in the order of their places."""
    pydicom = _library("pydicom", "pydicom")
    slices = []
    for path in sorted(folder.iterdir()):
        if not _is_dicom(path):
            continue
        item = _guarded(path, partial(pydicom.dcmread, path, stop_before_pixels=not pixels))
        if "Rows" not in item:  # a report, a directory of the disc
            continue
        if int(item.get("NumberOfFrames", 1) or 1) > 1:
            raise DataError(f"{path}: holds {item.NumberOfFrames} frames; convert it to NIfTI first (dcm2niix)")
        for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            if not item.get(key):
                raise DataError(f"{path}: has no {key}, so the place of this slice is not known")
        slices.append(item)
    if not slices:
        raise DataError(f"{folder}: holds no DICOM slices with pixels")
    series = sorted({str(item.get("SeriesInstanceUID", "")) for item in slices})
    if len(series) > 1:
        counts = ", ".join(f"…{name[-12:]}" for name in series[:4])
        raise DataError(f"{folder}: holds {len(series)} series ({counts}); put each into a folder of its own")
    for key in ("Rows", "Columns", "ImageOrientationPatient", "PixelSpacing"):
        first = np.asarray(slices[0].get(key), np.float64)
        for item in slices:
            if not np.allclose(np.asarray(item.get(key), np.float64), first, atol=1e-4):
                raise DataError(
                    f"{item.filename}: its {key} is {item.get(key)}, that of other slices {slices[0].get(key)}"
                )
    normal = _normal(slices[0])
    slices.sort(key=lambda item: float(normal @ np.asarray(item.ImagePositionPatient, np.float64)))
    _refuse_gaps(slices, normal, folder)
    return slices


def _refuse_gaps(slices: Sequence[Any], normal: np.ndarray, folder: Path) -> None:
    places = np.array([normal @ np.asarray(item.ImagePositionPatient, np.float64) for item in slices])
    names = [Path(item.filename).name for item in slices]
    announced = max(int(item.get("ImagesInAcquisition", 0) or 0) for item in slices)
    if len(places) > 1:
        steps = np.diff(places)
        usual = float(np.median(steps))
        if steps.min() < 1e-3:
            at = int(steps.argmin())
            raise DataError(
                f"{folder}: {names[at]} and {names[at + 1]} lie at the same place; one volume without times or echoes is expected"
            )
        at = int(np.abs(steps - usual).argmax())
        if abs(steps[at] - usual) > max(0.1 * usual, 0.05):
            raise DataError(
                f"{folder}: a slice is missing between {names[at]} and {names[at + 1]}: they are {steps[at]:.2f} mm apart, "
                f"others {usual:.2f} mm"
            )
    if announced > len(slices):
        raise DataError(f"{folder}: slices are missing: {announced} are announced, and {len(slices)} are there")


def _normal(item: Any) -> np.ndarray:
    orientation = np.asarray(item.ImageOrientationPatient, np.float64)
    return np.cross(orientation[:3], orientation[3:])


def _dicom_affine(slices: Sequence[Any], folder: Path) -> np.ndarray:
    first, last = slices[0], slices[-1]
    if len(slices) < 2:
        raise DataError(
            f"{folder}: has 1 slice; a volume needs at least {FEWEST_SLICES} along each axis (give the whole series)"
        )
    orientation = np.asarray(first.ImageOrientationPatient, np.float64)
    rows, columns = (float(value) for value in first.PixelSpacing)  # between rows, between columns
    start, end = (np.asarray(item.ImagePositionPatient, np.float64) for item in (first, last))
    affine = np.eye(4)
    affine[:3, 0] = orientation[:3] * columns
    affine[:3, 1] = orientation[3:] * rows
    affine[:3, 2] = (end - start) / (len(slices) - 1)  # of a tilted gantry, too
    affine[:3, 3] = start
    return _LPS_TO_RAS @ affine


def _is_dicom(path: Path) -> bool:
    if not path.is_file() or path.name.startswith("."):
        return False
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    if path.suffix and not path.suffix[1:].isdigit():  # files of a series may have no suffix, or end in a UID's number
        return False
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _guarded(path: Path, read: Callable[[], _T]) -> _T:
    """Any error that the libraries raise for a damaged file, in one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a header that is odd: what matters is an error here
            return read()
    except (DataError, RecipeError):
        raise
    except FileNotFoundError as error:
        missing = error.filename or path
        raise DataError(f"{missing}: no such file" + (f" ({path} names it)" if missing != path else "")) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is damaged or cut off ({first_line(error)})") from None
    except Exception as error:  # nibabel, pynrrd, pydicom and numpy raise many kinds
        raise DataError(f"{path}: cannot be read as a volume ({first_line(error)})") from None


def _library(module: str, package: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise needs(f"reading volumes with {package}", module, error) from None
