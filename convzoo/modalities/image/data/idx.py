"""The idx format of MNIST and Fashion-MNIST."""

import gzip
import struct
import zlib
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.image.example import Image
from convzoo.reading.benchmark import benchmark_folder

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_FASHION = (
    "t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


class Idx(Reader):
    """Images and classes in idx files, gzipped or not; the last training images are for validation.

    Args:
        dataset: mnist or fashion_mnist
        path: a folder with the four files; by default the data set is fetched
        val: how many of the last training images are for validation
    """

    example = Image
    formats: ClassVar[str] = "a folder of idx files (train-images-idx3-ubyte.gz …)"

    def __init__(
        self, dataset: Literal["mnist", "fashion_mnist"] = "mnist", path: str | None = None, val: Positive = 5000
    ) -> None:
        self.dataset = dataset
        self.path = path
        self.val = val

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with the training images."""
        return path.is_dir() and any(path.glob("train-images-idx3-ubyte*"))

    def read(self) -> Splits:
        """Read the four files.

        Raises:
            DataError: a file is absent, truncated or not idx, or images and labels differ in number.
        """
        folder, facts = benchmark_folder(self.dataset, self.path)
        rest = self._part(folder, "train")
        if len(rest) <= self.val:
            raise DataError(f"{folder}: data.val={self.val} leaves none of the {len(rest)} training images to train on")
        origin = f"official test split; val made here: the last {self.val} of train"
        return Splits(rest[: -self.val], rest[-self.val :], self._part(folder, "test"), origin=origin, files=facts)

    def _part(self, folder: Path, part: str) -> list[Image]:
        images, labels = (read_idx(_existing(folder, name)) for name in _FILES[part])
        if len(images) != len(labels):
            raise DataError(
                f"{folder}: {len(images)} {part} images and {len(labels)} labels; the two numbers should be equal"
            )
        names = _FASHION if self.dataset == "fashion_mnist" else tuple(str(digit) for digit in range(256))
        if len(labels) and labels.max() >= len(names):
            raise DataError(f"{folder}: the {part} labels hold class {labels.max()}; {self.dataset} has {len(names)}")
        return [
            Image(pixels, label=names[label], source=f"{_FILES[part][0]}:{index}")
            for index, (pixels, label) in enumerate(zip(images, labels.tolist(), strict=True))
        ]


def read_idx(path: Path) -> np.ndarray:
    """An array of uint8 from an idx file.

    Raises:
        DataError: it is absent, truncated or not idx.
    """
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        if len(content) < 4 or content[:3] != b"\x00\x00\x08":
            raise DataError(f"{path}: is not an idx file of bytes")
        dimensions = content[3]
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
        start = 4 + 4 * dimensions
        if len(content) - start != int(np.prod(shape)):
            raise DataError(f"{path}: is truncated: {len(content) - start} bytes of {int(np.prod(shape))}")
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None


def _existing(folder: Path, name: str) -> Path:
    for candidate in (folder / name, folder / f"{name}.gz", folder / name.replace("-idx", ".idx")):
        if candidate.is_file():
            return candidate
    raise DataError(f"{folder}: has no {name} or {name}.gz")
