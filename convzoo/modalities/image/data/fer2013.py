"""FER2013: 35,887 grey faces of 48×48 pixels and seven emotions."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.image.example import Image
from convzoo.reading.benchmark import benchmark_folder

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
_PARTS = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}


class Fer2013(Reader):
    """FER2013 (Goodfellow et al. 2013, arXiv:1307.0414), official split: Training, PublicTest (validation), PrivateTest.

    Reads `fer2013.csv` (emotion, pixels, Usage) or a folder or tar archive of images `<emotion>/<Usage>_<number>.jpg`.

    Args:
        path: the csv file, the archive, or a folder with either; by default the data set is fetched
    """

    example = Image
    formats: ClassVar[str] = "fer2013.csv"

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A csv file with this heading."""
        if path.suffix.lower() != ".csv" or not path.is_file():
            return False
        with path.open("rb") as file:
            return file.readline(200).strip().lower().replace(b" ", b"").startswith(b"emotion,pixels,usage")

    def read(self) -> Splits:
        """Read the official split.

        Raises:
            DataError: a file is absent, or a row is not 2,304 pixels of a known emotion and usage.
        """
        facts: dict[str, Any] = {}
        if self.path is not None and Path(self.path).is_file():
            file = Path(self.path)
        else:
            folder, facts = benchmark_folder("fer2013", self.path)
            found = [folder / name for name in ("fer2013.csv", "fer2013.tar.xz") if (folder / name).is_file()]
            if not found:
                raise DataError(f"{folder}: has neither fer2013.csv nor fer2013.tar.xz")
            file = found[0]
        parts: dict[str, list[Image]] = {"train": [], "val": [], "test": []}
        for part, image in _from_csv(file) if file.suffix == ".csv" else _from_archive(file):
            parts[part].append(image)
        return Splits(parts["train"], parts["val"], parts["test"], files=facts)


def _from_csv(path: Path) -> Iterator[tuple[str, Image]]:
    csv.field_size_limit(2**31 - 1)
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        for row in (reader := csv.reader(file)):
            source = f"{path.name}:{reader.line_num}"
            if reader.line_num == 1:
                continue
            try:
                emotion, text, usage = row
                if not 0 <= int(emotion) < len(EMOTIONS):
                    raise ValueError
                pixels = np.array(text.split(), dtype=np.uint8).reshape(48, 48)
                yield _PARTS[usage.strip()], Image(pixels, label=EMOTIONS[int(emotion)], source=source)
            except (ValueError, KeyError, IndexError, OverflowError):
                raise DataError(
                    f"{source}: should be an emotion (0 to 6), 2,304 pixels (0 to 255) and Training, PublicTest or PrivateTest"
                ) from None


def _from_archive(path: Path) -> Iterator[tuple[str, Image]]:
    import PIL.Image

    from convzoo.datasets.archives import read_members

    # In the order of their names, so that the order of examples does not depend on how the archive was packed.
    for name, content in sorted(read_members(path, suffixes=(".jpg", ".png"))):
        usage, emotion = Path(name).name.split("_")[0], Path(name).parent.name
        if usage not in _PARTS or emotion not in EMOTIONS:
            raise DataError(f"{path}: {name}: should be <emotion>/<Usage>_<number>.jpg")
        try:
            pixels = np.asarray(PIL.Image.open(io.BytesIO(content)).convert("L"))
        except (OSError, SyntaxError) as error:
            raise DataError(f"{path}: {name}: cannot be read as an image ({error})") from None
        yield _PARTS[usage], Image(pixels, label=emotion, source=name)
