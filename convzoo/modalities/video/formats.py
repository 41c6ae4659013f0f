"""Video files to frames."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.libraries import import_av
from convzoo.core.text import first_line
from convzoo.reading.files import with_suffix

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv", ".3gp", ".ts", ".gif"}
)


SLOWEST_RATE, FASTEST_RATE = 0.01, 100_000.0


_MISSING = 0.02  # some writers announce a frame or two that they then drop


@dataclass(frozen=True)
class Film:
    """When the frames of a video are shown, found without decoding any.

    Attributes:
        times: times of all frames, in seconds from the first, increasing
        stamps: the same in the file's own units, which are used to seek in it
        keys: the numbers of the key frames, which need no frame before them
        rate: frames a second, on average
    """

    times: np.ndarray
    stamps: np.ndarray
    keys: np.ndarray
    rate: float

    @property
    def seconds(self) -> float:
        """From the first frame to the end of the last, which is taken to last as long as most do."""
        return float(self.times[-1]) + self._usual

    @property
    def _usual(self) -> float:
        return float(np.median(np.diff(self.times)))

    def at_rate(self, rate: float) -> np.ndarray:
        """The numbers of the frames that are shown at regular times, `rate` a second.

        A video of that rate gives each frame once. One of another rate, or of a rate that varies, repeats frames and leaves some
        out, as a player does.
        """
        count = max(1, round(self.seconds * rate - 1e-6))
        # The middle of each interval: times are rounded to the file's units.
        middles = (np.arange(count) + 0.5) / rate
        return np.maximum(np.searchsorted(self.times, middles, side="right") - 1, 0)


def read_film(path: Path) -> Film:
    """When the frames of a video file are shown.

    Raises:
        DataError: it is not a video, has no pictures, has fewer than two frames, or is cut off.
    """
    with _opened(path) as container:
        stream = container.streams.video[0]
        announced, base = stream.frames, stream.time_base
        stamps, keys = [], []
        try:
            for packet in container.demux(stream):
                # If a file has no times of display (avi), frames are displayed in the order of decoding.
                stamp = packet.pts if packet.pts is not None else packet.dts
                if stamp is not None and packet.size and not packet.is_discard:
                    stamps.append(stamp)
                    if packet.is_keyframe:
                        keys.append(stamp)
        except Exception as error:  # FFmpeg's errors have no common base but Exception
            raise DataError(f"{path}: is damaged or cut off ({_reason(error)})") from error
        announced_seconds = float(container.duration or 0) / 1e6
        guessed = float(stream.average_rate or stream.guessed_rate or 0)
    if not stamps:
        raise DataError(f"{path}: holds no frames")
    if announced - len(stamps) > max(1, _MISSING * announced):
        raise DataError(f"{path}: is cut off: it announces {announced:,} frames, and {len(stamps):,} are there")
    if len(stamps) < 2:
        raise DataError(f"{path}: holds 1 frame; an action takes at least 2")
    sorted_stamps = np.unique(np.array(stamps, np.int64))
    if len(sorted_stamps) < 2 or base is None:
        raise DataError(f"{path}: its frames have no times")
    times = (sorted_stamps - sorted_stamps[0]) * float(base)
    film = Film(
        times, sorted_stamps, np.searchsorted(sorted_stamps, np.unique(np.array(keys, np.int64))),
        (len(times) - 1) / float(times[-1]) or guessed,
    )  # fmt: skip
    if not SLOWEST_RATE <= film.rate <= FASTEST_RATE:
        raise DataError(f"{path}: {film.rate:g} frames a second; from {SLOWEST_RATE:g} to {FASTEST_RATE:g} can be read")
    if not announced and announced_seconds - float(sorted_stamps[-1] * base) - film.seconds > 0.1 * announced_seconds:
        raise DataError(
            f"{path}: is cut off: it announces {announced_seconds:.1f} s, and {film.seconds:.1f} s are there"
        )
    return film


def video_files(folder: Path) -> list[Path]:
    """The video files below a folder, in the order of their names."""
    return with_suffix(folder, VIDEO_SUFFIXES)


def _decode(path: Path, film: Film, numbers: list[int], picture: Callable[[Any], np.ndarray]) -> list[np.ndarray]:
    """The pictures of some frames, whose numbers are given in increasing order."""
    found: list[np.ndarray] = []
    with _opened(path) as container:
        stream = container.streams.video[0]
        try:
            frames, place = _frames(container, stream, film, 0), 0
            last = None
            for number in numbers:
                key = int(film.keys[np.searchsorted(film.keys, number, side="right") - 1]) if len(film.keys) else 0
                if key > place:
                    container.seek(int(film.stamps[key]), stream=stream)
                    frames = _frames(container, stream, film, key)
                for at, frame in frames:
                    place, last = at + 1, frame
                    if at >= number:
                        break
                if last is None:
                    raise DataError(f"{path}: is damaged: frame {number} cannot be decoded")
                # The decoder skips damaged frames; the next one, or at the end the last, takes their place.
                found.append(picture(last))
        except DataError:
            raise
        except Exception as error:
            raise DataError(f"{path}: is damaged ({_reason(error)})") from error
    return found


def _frames(container: Any, stream: Any, film: Film, first: int) -> Iterator[tuple[int, Any]]:
    """Decoded frames with their numbers, from the frame that the container was asked to seek.

    They come in the order of display, so they are counted, because the times of some old files (XviD in avi, as in UCF101) are
    not in order. Only the time of the first frame after a seek is used, to find its number.
    """
    place = None
    for frame in container.decode(stream):
        if place is None:
            if first and frame.pts is not None and frame.pts < film.stamps[first]:
                continue  # depends on frames that were skipped
            place = int(np.searchsorted(film.stamps, frame.pts)) if first and frame.pts is not None else first
        yield place, frame
        place += 1


def _picture(frame: Any, scaler: Any, size: tuple[int, int] | None, grey: bool, squeeze: bool) -> np.ndarray:
    """A decoded frame, scaled, rotated as its tag says."""
    turns = round(frame.rotation / 90) % 4
    height, width = frame.height, frame.width
    left = top = 0
    if size is not None:
        wanted_height, wanted_width = size if turns % 2 == 0 else size[::-1]
        if squeeze:
            height, width = wanted_height, wanted_width
        else:
            scale = max(wanted_height / height, wanted_width / width)
            height, width = max(wanted_height, round(height * scale)), max(wanted_width, round(width * scale))
            top, left = (height - wanted_height) // 2, (width - wanted_width) // 2
    kind = "gray" if grey else "rgb24"
    # An area mean if the picture shrinks: bilinear sampling skips pixels, so the result would flicker from frame to frame. One
    # thread only: several would wait for each other at every small picture.
    found = scaler.reformat(frame, width, height, kind, interpolation="AREA", threads=1).to_ndarray()
    if size is not None and not squeeze:
        found = found[top : top + wanted_height, left : left + wanted_width]
    return np.ascontiguousarray(np.rot90(found, turns))


def _opened(path: Path) -> Any:
    av = import_av()
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by a video")
    except FileNotFoundError:
        raise DataError(f"{path}: no such video file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        # Allow local files only: a name must not be taken for a web address, and a playlist must not lead to one.
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except Exception as error:
        raise DataError(f"{path}: cannot be read as a video ({_reason(error)})") from error
    if not container.streams.video:
        kinds = "only sound" if container.streams.audio else "no stream of them"
        container.close()
        raise DataError(f"{path}: holds no pictures ({kinds})")
    # One thread a file: loaders run several workers, and small pictures gain nothing by more.
    container.streams.video[0].thread_count = 1
    return container


def _reason(error: BaseException) -> str:
    line = first_line(error)
    return line.partition("] ")[2].partition(": '")[0] if line.startswith("[Errno") else line
