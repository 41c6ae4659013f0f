"""What readers yield: plain examples with no tensors. One type a kind of input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import is_file
from convzoo.core.text import first_line
from convzoo.reading.files import with_suffix
from convzoo.reading.lines import read_lines

ExampleType = TypeVar("ExampleType")

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text with its label.

    Attributes:
        text: the text itself
        label: its class; None if unlabelled
        group: what must not be split, such as its author
        source: where it is from (`file:line`)
    """

    text: str
    label: str | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "'a text'"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Text]":
        """Texts from lines of standard input, as they are."""
        return [cls(line) for line in lines]

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Text]":
        """Texts for prediction: each value is a text, or a text file whose lines are taken.

        Raises:
            DataError: a file is not UTF-8 text.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
                continue
            path = (
                Path(value) if isinstance(value, Path) or (len(str(value)) < 1000 and "\n" not in str(value)) else None
            )
            if path is not None and is_file(path):
                lines = read_lines(path)
                found.extend(
                    cls(line, source=f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()
                )
            elif isinstance(value, Path):
                raise DataError(f"{value}: no such file")
            else:
                found.append(cls(str(value)))
        return found


@dataclass(frozen=True, slots=True)
class Image:
    """An image, as an array or as a path that is opened when it is needed.

    Attributes:
        pixels: (height, width) or (height, width, 3), uint8
        path: of the file
        label: its class; None if unlabelled
        group: what must not be split, such as the person in it
        source: where it is from
    """

    pixels: np.ndarray | None = None
    path: Path | None = None
    label: str | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "image.png"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Image]":
        """Images from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Image]":
        """Images for prediction: each value is an image file, a folder of them, or an array (height, width[, 3]) of uint8.

        Raises:
            DataError: there is no such file, or a folder holds no image.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, np.ndarray):
                coloured = value.ndim == 3 and value.shape[2] in (1, 3)
                if value.dtype != np.uint8 or not (value.ndim == 2 or coloured):
                    raise DataError(
                        f"an image array should be uint8, (height, width) or (height, width, 3), not {value.dtype} {value.shape}"
                    )
                found.append(cls(pixels=value[..., 0] if coloured and value.shape[2] == 1 else value))
            elif Path(value).is_dir():
                files = with_suffix(Path(value), IMAGE_SUFFIXES)
                if not files:
                    raise DataError(f"{value}: holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
                found.extend(cls(path=path, source=str(path)) for path in files)
            elif is_file(Path(value)):
                found.append(cls(path=Path(value), source=str(value)))
            else:
                raise DataError(f"{value}: no such image file")
        return found

    def array(self) -> np.ndarray:
        """The pixels as uint8, (height, width) if grey, (height, width, 3) if coloured.

        Raises:
            DataError: the file is not an image, is damaged or is empty.
        """
        if self.pixels is not None:
            return self.pixels
        assert self.path is not None, "an Image has pixels or a path"
        import PIL.Image
        import PIL.ImageOps

        try:
            if self.path.stat().st_size == 0:
                raise DataError(f"{self.path}: is empty (0 bytes); delete it or replace it by an image")
            with PIL.Image.open(self.path) as image:
                image = PIL.ImageOps.exif_transpose(image)
                if image.mode.startswith("I") or image.mode == "F":
                    deep = np.nan_to_num(np.asarray(image, dtype=np.float64))
                    span = deep.max() - deep.min()
                    return np.uint8(255 * (deep - deep.min()) / span) if span else np.zeros(deep.shape, np.uint8)
                grey = image.mode in ("1", "L", "LA")
                return np.asarray(image.convert("L" if grey else "RGB"))
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such image file") from None
        except Exception as error:  # PIL raises many kinds: OSError, SyntaxError, DecompressionBombError, struct.error
            raise DataError(f"{self.path}: cannot be read as an image ({first_line(error)})") from error


@dataclass(frozen=True)
class Splits(Generic[ExampleType]):
    """The examples of a data set in their three parts.

    Attributes:
        train: what is learnt from
        val: what chooses the best checkpoint and calibrates the task
        test: what is scored at the end
        ceiling: for generated data, the best score that any method can reach, by name of the score (`test/accuracy`).
        origin: how the split came about, in words: it is written into the run.
        files: the files that were read, with sha256 where known: they are written into the run.
        notes: what a person should know of the data, a sentence each: files and columns that were left out, copies.
    """

    train: Sequence[ExampleType]
    val: Sequence[ExampleType]
    test: Sequence[ExampleType]
    ceiling: Mapping[str, float] = field(default_factory=dict)
    origin: str = ""
    files: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def __iter__(self) -> Any:
        return iter((("train", self.train), ("val", self.val), ("test", self.test)))
