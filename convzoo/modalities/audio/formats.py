"""Audio files to samples: wav, flac, ogg, opus, mp3, aiff, au."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.libraries import needs
from convzoo.core.text import first_line
from convzoo.reading.files import with_suffix

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au"})


LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000


# What programs write into a RIFF header if they do not know yet how long the audio will be (a pipe, a stream).
_UNKNOWN_LENGTH = 0x7FFFF000


def read_sound(path: Path, start: float = 0.0, end: float | None = None) -> tuple[np.ndarray, int]:
    """An audio file as float32 (samples,) or (samples, channels), and its rate.

    Args:
        path: of the file
        start: where the part that is read begins, in seconds
        end: where it ends, in seconds; None: at the end of the file

    Raises:
        DataError: there is no such file, it is not audio, is empty or is cut off, or ends before `start`.
    """
    with _opened(path) as file:
        announced, rate = file.frames, file.samplerate
        try:
            if start or end is not None:
                first = min(round(start * rate), announced)
                announced = max(0, min(announced, announced if end is None else round(end * rate)) - first)
                file.seek(first)
                samples = file.read(announced, dtype="float32")
            else:
                samples = file.read(dtype="float32")
        except Exception as error:  # libsndfile's errors have no common base of their own
            raise DataError(f"{path}: is damaged or cut off ({_reason(error)})") from error
    if len(samples) < announced:
        raise DataError(f"{path}: is cut off: it announces {announced:,} samples, and {len(samples):,} are there")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"{path}: {rate:,} samples a second; from {LOWEST_RATE:,} to {HIGHEST_RATE:,} can be read")
    return samples, rate


def is_sound(head: bytes) -> bool:
    """Whether these are the first bytes of an audio file."""
    begins = (b"RIFF", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")
    return head.startswith(begins)


def decoded(content: bytes, where: str) -> tuple[np.ndarray, int]:
    """The content of an audio file as float32 (samples,) or (samples, channels), and its rate.

    Raises:
        DataError: it is no audio, or is damaged.
    """
    try:
        return _soundfile().read(io.BytesIO(content), dtype="float32")
    except DataError:
        raise
    except Exception as error:  # libsndfile's errors have no common base of their own
        raise DataError(f"{where}: cannot be read as audio ({_reason(error)})") from error


def wave_header(content: bytes, rate: int) -> int | None:
    """How many bytes stand before the samples of a stream: 0 of raw samples, else the header of a wav file; None: the header
    goes on.

    Args:
        content: the first bytes
        rate: samples a second that the stream should have

    Raises:
        DataError: a wav file has another rate, several channels, or samples that are not of 16 bits.
    """
    if not content.startswith(b"RIFF"[: len(content)]):
        return 0
    place = 12
    while len(content) >= place + 8:
        name, length = struct.unpack("<4sI", content[place : place + 8])
        if name == b"data":
            return place + 8
        if name == b"fmt " and len(content) >= place + 24:
            kind, channels, found, _, _, bits = struct.unpack("<HHIIHH", content[place + 8 : place + 24])
            if (kind, channels, found, bits) not in ((1, 1, rate, 16), (0xFFFE, 1, rate, 16)):
                raise DataError(
                    f"standard input: is a wav stream of {found:,} Hz, {bits} bits and {channels} "
                    f"channel{'s'[: channels != 1]}; this run follows {rate:,} Hz, 16 bits and one channel"
                )
        place += 8 + length + length % 2
    return None


def sound_files(folder: Path) -> list[Path]:
    """The audio files below a folder, in the order of their names."""
    return with_suffix(folder, AUDIO_SUFFIXES)


def _opened(path: Path) -> Any:
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by an audio file")
        _refuse_cut_wave(path, size)
    except FileNotFoundError:
        raise DataError(f"{path}: no such audio file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    soundfile = _soundfile()
    try:
        return soundfile.SoundFile(path)
    except Exception as error:
        raise DataError(f"{path}: cannot be read as audio ({_reason(error)})") from error


def _soundfile() -> Any:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, its libsndfile is not
        raise needs("reading sound", "soundfile", error) from None
    return soundfile


def _refuse_cut_wave(path: Path, size: int) -> None:
    """Needed because libsndfile reads to the end of a wav file, even if the header announces more samples."""
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return
        while len(heading := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", heading)
            there = size - file.tell()
            if name == b"data":
                if there < length < _UNKNOWN_LENGTH:
                    raise DataError(f"{path}: is cut off: its audio has {length:,} bytes, and {there:,} are there")
                return
            file.seek(length + length % 2, 1)
    raise DataError(f"{path}: is cut off: it ends before its audio begins")


def _reason(error: BaseException) -> str:
    return first_line(error).rpartition(": ")[2].rstrip(".")
