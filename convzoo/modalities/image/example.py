"""An image as an example: pixels, or a file that is opened when it is needed."""

import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.core.text import first_line
from convzoo.reading.files import files_named, kind_of

JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif"})
IMAGE_SUFFIXES = JPEG_SUFFIXES | {
    ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm", ".pnm", ".avif", ".jp2", ".tga"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Image:
    """An image, as an array or as a path that is opened when it is needed.

    Attributes:
        pixels: (height, width) or (height, width, 3), uint8; or (height, width) of more bits
        path: path of the file
        label: its class, a number, or several classes; None if unlabelled
        group: images of one group stay in one split; for example the person in them
        source: where it comes from
    """

    pixels: np.ndarray | None = None
    path: Path | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "image.png"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Image]":
        """Images from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Image]":
        """Images for prediction: each value is an image file, a folder of them, an array (height, width[, 3])
        of uint8 or (height, width) of uint16, or a PIL image.

        Raises:
            DataError: there is no such file, or a folder holds no image.
        """
        found = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, np.ndarray):
                found.append(_from_array(value))
            elif _is_picture(value):
                found.append(_from_picture(value))
            elif not isinstance(value, str | Path):
                raise DataError(f"an image is a file, a folder, an array of uint8 or a PIL image, not {kind_of(value)}")
            else:
                files = files_named(value, IMAGE_SUFFIXES, "image file")
                found.extend(cls(path=path, source=str(path)) for path in files)
        return found

    def check(self) -> None:
        """Decode the file once, smaller where its format allows that: a damaged one is found at a part of the cost.

        Raises:
            DataError: as `array`.
        """
        self._decoded(small=True)

    def size(self) -> tuple[int, int]:
        """Height and width, from the file's header, as the camera was held.

        Raises:
            DataError: as `array`.
        """
        if self.pixels is not None:
            return self.pixels.shape[0], self.pixels.shape[1]
        with self._opened() as image:
            turned = image.getexif().get(_ORIENTATION, 1) >= 5  # 5 to 8 lie on their side
            return (image.width, image.height) if turned else (image.height, image.width)

    def white(self) -> float | None:
        """The grey level that is white, if the image has more than 8 bits; 0 if its values are in no usual range."""
        if self.pixels is not None:
            return (
                None if self.pixels.dtype == np.uint8 else _white_level(np.nan_to_num(self.pixels.astype(np.float64)))
            )
        if self.path is None or self.path.suffix.lower() in (*JPEG_SUFFIXES, ".bmp", ".gif"):
            return None
        with self._opened() as image:
            return _white_level(np.nan_to_num(np.asarray(image, dtype=np.float64))) if _is_deep(image) else None

    def array(self, white: float | None = None) -> np.ndarray:
        """The pixels as uint8, (height, width) if grey, (height, width, 3) if coloured. Transparent parts are white; of several
        frames (GIF, TIFF) the first is taken.

        Args:
            white: the grey level that becomes 255 in an image of more than 8 bits; None: that of its own usual range

        Raises:
            DataError: the file is not an image, is damaged, is empty or has more than 179 million pixels, or no pixel is a finite
                number.
        """
        return self._decoded(white=white)

    def _decoded(self, small: bool = False, white: float | None = None) -> np.ndarray:
        if self.pixels is not None:
            return self.pixels if self.pixels.dtype == np.uint8 else self._eight_bits(self.pixels, white)
        with self._opened() as image:
            if small:
                image.draft(None, (1, 1))  # JPEG is read to its end, and computed at an eighth of its size
            pixels = _pixels_of(image)
            return pixels if pixels.dtype == np.uint8 else self._eight_bits(pixels, white)

    def _eight_bits(self, pixels: np.ndarray, white: float | None) -> np.ndarray:
        deep = pixels.astype(np.float64)
        if not np.isfinite(deep).any():
            where = self.path or self.source or "the image"
            raise DataError(f"{where}: none of its pixels is a finite number; replace the file")
        return _eight_bits(np.nan_to_num(deep), white)

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file, opened by PIL, whose errors become one kind of error and whose warnings are not for the terminal: an image of
        more than twice the pixels that it warns of is refused by an error."""
        assert self.path is not None, "an Image has pixels or a path"
        import PIL.Image

        try:
            if self.path.stat().st_size == 0:
                raise DataError(f"{self.path}: is empty (0 bytes); delete it or replace it by an image")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with PIL.Image.open(self.path) as image:
                    yield image
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such image file") from None
        except PIL.Image.DecompressionBombError:
            most = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0) / 1e6
            raise DataError(f"{self.path}: has more than {most:.0f} million pixels; make it smaller") from None
        except Exception as error:  # PIL raises many kinds: OSError, SyntaxError, struct.error
            raise DataError(f"{self.path}: cannot be read as an image ({first_line(error)})") from error


_ORIENTATION = 0x0112
"""The tag of EXIF that says how the camera was held."""


def _is_deep(image: Any) -> bool:
    """Whether a PIL image has more than 8 bits a pixel."""
    return image.mode.startswith("I") or image.mode == "F"


def _pixels_of(image: Any) -> np.ndarray:
    """The pixels of a PIL image: uint8 (height, width) or (height, width, 3), or (height, width) of more bits."""
    import PIL.ImageOps

    image = PIL.ImageOps.exif_transpose(image)
    if _is_deep(image):
        return np.asarray(image)
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = _on_white(image)
    return np.asarray(image.convert("L" if grey else "RGB"))


def _is_picture(value: Any) -> bool:
    """Whether a value is a PIL image; PIL is not imported for that."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _from_picture(picture: Any) -> Image:
    """An example from a PIL image.

    Raises:
        DataError: its file is damaged, or it has no pixels.
    """
    try:
        pixels = _pixels_of(picture)
    except Exception as error:  # a picture is decoded when its pixels are first needed
        raise DataError(
            f"the image {getattr(picture, 'filename', '')!r} cannot be read ({first_line(error)})"
        ) from error
    return _from_array(pixels, str(getattr(picture, "filename", "") or ""), deep=True)


def _from_array(value: np.ndarray, source: str = "", deep: bool = False) -> Image:
    """An example from an array.

    Args:
        value: the pixels
        source: where they come from
        deep: whether they may be of any type of number

    Raises:
        DataError: it has another type or shape than an image, or no pixels.
    """
    coloured = value.ndim == 3 and value.shape[2] in (1, 3) and value.dtype == np.uint8
    deep = value.ndim == 2 and (value.dtype == np.uint16 or deep)
    if not (deep or coloured or (value.ndim == 2 and value.dtype == np.uint8)) or not value.size:
        raise DataError(
            f"an image array should be uint8, (height, width) or (height, width, 3), or uint16, (height, width), not "
            f"{value.dtype} {value.shape}"
        )
    return Image(pixels=value[..., 0] if coloured and value.shape[2] == 1 else value, source=source)


def _on_white(image: Any) -> Any:
    """A picture with transparent parts, on white: what lies below them in the file is often black, and nobody sees it."""
    import PIL.Image

    image = image.convert("RGBA")
    return PIL.Image.alpha_composite(PIL.Image.new("RGBA", image.size, "white"), image)


def white_of(examples: Sequence[Image]) -> float | None:
    """The grey level that is white in images of more than 8 bits: of up to 200 of them, the largest that one needs; None if all
    have 8 bits."""
    some = range(0, len(examples), max(1, len(examples) // 200))
    found = [examples[index].white() for index in some]
    return max((white for white in found if white is not None), default=None)


def _white_level(deep: np.ndarray) -> float:
    """The smallest usual range that holds an image: 1 for floats, 8, 12 or 16 bits; 0 where none does."""
    whole = bool((deep == np.round(deep)).all())
    tops = (255.0, 4095.0, 65_535.0) if whole else (1.0, 255.0, 4095.0, 65_535.0)
    return 0.0 if deep.min() < 0 else next((top for top in tops if deep.max() <= top), 0.0)


def _eight_bits(deep: np.ndarray, white: float | None) -> np.ndarray:
    """Grey levels of 16 bits or of floating point as uint8. One level is white in all images, so that a bright one stays brighter
    than a dark one; where values are outside all usual ranges, the image's own range is used."""
    white = _white_level(deep) if white is None else white
    low, high = float(deep.min()), float(deep.max())
    if low < 0 or not white:
        span = high - low
        return np.uint8(255 * (deep - low) / span) if span else np.zeros(deep.shape, np.uint8)
    return np.uint8(np.round(255 * np.minimum(deep / white, 1)))
