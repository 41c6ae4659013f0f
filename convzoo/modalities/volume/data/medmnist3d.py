"""MedMNIST's 3-D data sets: one .npz with images and labels of an official split."""

import zipfile
import zlib
from pathlib import Path
from typing import ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import first_line
from convzoo.modalities.volume.example import Volume
from convzoo.reading.arrays import check_arrays
from convzoo.reading.benchmark import benchmark_folder

CLASSES = {
    "organmnist3d": (
        "liver", "kidney-right", "kidney-left", "femur-right", "femur-left", "bladder", "heart", "lung-right", "lung-left",
        "spleen", "pancreas",
    ),
    "nodulemnist3d": ("benign", "malignant"),
    "adrenalmnist3d": ("normal", "hyperplasia"),
    "fracturemnist3d": ("buckle rib fracture", "nondisplaced rib fracture", "displaced rib fracture"),
    "vesselmnist3d": ("vessel", "aneurysm"),
    "synapsemnist3d": ("inhibitory synapse", "excitatory synapse"),
}  # fmt: skip
"""What the numbers of each data set's classes mean (Yang et al. 2023, doi:10.1038/s41597-022-01721-8)."""

_NAMES = {
    "train": ("train_images", "train_labels"),
    "val": ("val_images", "val_labels"),
    "test": ("test_images", "test_labels"),
}


class MedMNIST3D(Reader):
    """A MedMNIST .npz with `train_images` (count, x, y, z), `train_labels` (count, 1), and the same of val and test.

    The split is the official one. The files do not hold the place of the voxels in the patient: 1 mm and RAS are assumed.

    Args:
        path: the .npz file; by default AdrenalMNIST3D of 64³ voxels is fetched
    """

    example = Volume
    formats: ClassVar[str] = "a MedMNIST file (.npz) with train_images and train_labels"

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """An .npz file with train_images in it."""
        if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return "train_images.npy" in archive.namelist()

    def read(self) -> Splits:
        """Read everything.

        Raises:
            DataError: no such file, an array is absent or has another shape, or labels are not whole numbers.
        """
        if self.path is None:
            folder, files = benchmark_folder("medmnist3d", None)
            path = folder / "adrenalmnist3d_64.npz"
        else:
            path = Path(self.path)
            if not path.is_file():
                raise DataError(f"{path}: no such file")
            files = {str(path): {"sha256": sha256_of(path)}}
        arrays = _load(path)
        names = CLASSES.get(path.name.lower().partition(".")[0].partition("_")[0])
        parts = {part: _volumes(path, part, arrays, names) for part in _NAMES}
        return Splits(parts["train"], parts["val"], parts["test"], origin="official", files=files)


def _load(path: Path) -> dict[str, np.ndarray]:
    wanted = [name for names in _NAMES.values() for name in names]
    try:
        check_arrays(path)
        # numpy leaves a damaged file open that it opened itself.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            absent = [name for name in wanted if name not in archive.files]
            if absent:
                raise DataError(f"{path}: has no {absent[0]}; it has {', '.join(archive.files[:8])}")
            return {name: archive[name] for name in wanted}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as .npz ({first_line(error)})") from None


def _volumes(path: Path, part: str, arrays: dict[str, np.ndarray], names: tuple[str, ...] | None) -> list[Volume]:
    images, labels = (arrays[name] for name in _NAMES[part])
    if images.ndim != 4:
        raise DataError(f"{path}: {part}_images is {images.ndim}-D {images.shape}; (count, x, y, z) is expected")
    numbers = labels.reshape(len(labels), -1)
    if len(labels) != len(images) or numbers.shape[1] != 1 or numbers.dtype.kind not in "bui":
        raise DataError(
            f"{path}: {part}_labels is {labels.dtype} {labels.shape}; a whole number for each of {len(images)} images is expected"
        )
    found = []
    for index, number in enumerate(numbers[:, 0].tolist()):
        if names is not None and not 0 <= number < len(names):
            raise DataError(f"{path}: {part}_labels[{index}] is {number}; classes are 0 to {len(names) - 1}")
        label = names[number] if names is not None else str(number)
        found.append(Volume(voxels=images[index], label=label, source=f"{path.name}:{part}:{index}"))
    return found
