"""Moving pictures as an example: an array of frames, or a video file of which only the frames that are needed are decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.core.libraries import import_av
from convzoo.modalities.video.formats import (
    FASTEST_RATE,
    SLOWEST_RATE,
    VIDEO_SUFFIXES,
    Film,
    _decode,
    _picture,
    read_film,
)
from convzoo.reading.files import files_named


@dataclass(frozen=True, slots=True)
class Video:
    """A video, as frames or as the path of a file (mp4, avi, mkv, webm, mov and other formats that FFmpeg reads).

    Attributes:
        path: path of the file
        frames: (frames, height, width) or (frames, height, width, 3), uint8
        rate: frames a second, of `frames`
        label: its class, a number, or several classes; None if unlabelled
        group: videos of one group stay in one split: the person, or the film that a clip was cut from
        source: where it comes from
    """

    path: Path | None = None
    frames: np.ndarray | None = None
    rate: float | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "clip.mp4"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Video]":
        """Videos from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Video]":
        """Videos for prediction: each value is a video file, a folder of them, or a pair of an array of frames and its rate.

        Raises:
            DataError: there is no such file, a folder holds no video, or an array has no rate or another shape.
        """
        found: list[Video] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, tuple | list) and len(value) == 2:
                found.append(_from_array(*value))
            elif isinstance(value, np.ndarray):
                raise DataError("an array of frames needs its rate: give (frames, rate), for example (frames, 25)")
            else:
                files = files_named(value, VIDEO_SUFFIXES, "video file")
                found.extend(cls(path=path, source=str(path)) for path in files)
        return found

    @property
    def where(self) -> str:
        """Its name in error messages."""
        return str(self.path or self.source or "the array")

    def film(self) -> Film:
        """When its frames are shown.

        Raises:
            DataError: the file is not a video, has no pictures, has fewer than two frames, or is cut off.
        """
        if self.frames is None:
            assert self.path is not None, "a Video has frames or a path"
            return read_film(self.path)
        assert self.rate is not None, "frames have a rate"
        if len(self.frames) < 2:
            raise DataError(f"{self.where}: holds {len(self.frames)} frames; an action takes at least 2")
        numbers = np.arange(len(self.frames))
        return Film(numbers / self.rate, numbers, numbers, self.rate)

    def check(self) -> None:
        """Read when all frames are shown, and decode the first and the last.

        Raises:
            DataError: as `film` and `read`.
        """
        film = self.film()
        self.read([0, len(film.times) - 1], size=(16, 16), grey=True, film=film)

    def read(
        self,
        numbers: Sequence[int] | np.ndarray | None = None,
        size: tuple[int, int] | None = None,
        grey: bool = False,
        squeeze: bool = False,
        film: Film | None = None,
    ) -> np.ndarray:
        """Some frames, upright, as uint8: (frames, height, width) if grey, else (frames, height, width, 3).

        Only the parts of a file around these frames are decoded, each from the last key frame before it.

        Args:
            numbers: numbers of the frames, in any order; by default all
            size: height and width; by default those of the video
            grey: brightness only
            squeeze: where the proportions differ, the whole picture is squeezed; else it is scaled to cover and its sides are cut
            film: the result of `film`, if it is known already

        Raises:
            DataError: the file cannot be read, or is damaged.
        """
        film = film or self.film()
        wanted = np.arange(len(film.times)) if numbers is None else np.asarray(numbers)
        order, places = np.unique(wanted, return_inverse=True)

        av = import_av()
        scaler = av.video.reformatter.VideoReformatter()  # a frame's own would be set up anew for each

        def picture(frame: Any) -> np.ndarray:
            return _picture(frame, scaler, size, grey, squeeze)

        if self.frames is not None:
            kind = "gray" if self.frames.ndim == 3 else "rgb24"
            chosen = (np.ascontiguousarray(self.frames[number]) for number in order)
            pictures = [picture(av.VideoFrame.from_ndarray(frame, kind)) for frame in chosen]
        else:
            assert self.path is not None, "a Video has frames or a path"
            pictures = _decode(self.path, film, order.tolist(), picture)
        return np.stack(pictures)[places]


def _from_array(frames: Any, rate: Any) -> Video:
    if not isinstance(frames, np.ndarray) or frames.dtype != np.uint8 or not _is_film(frames.shape):
        raise DataError(
            "a video is (frames, rate), the frames an array of uint8, (frames, height, width) or (frames, height, width, 3)"
        )
    if not isinstance(rate, int | float | np.number) or not SLOWEST_RATE <= rate <= FASTEST_RATE:
        raise DataError(f"a rate of {rate!r}: it should be a number of frames a second")
    frames = frames[..., 0] if frames.ndim == 4 and frames.shape[3] == 1 else frames
    return Video(frames=frames, rate=float(rate), source="an array")


def _is_film(shape: tuple[int, ...]) -> bool:
    return (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))) and min(shape[1:3]) > 0
