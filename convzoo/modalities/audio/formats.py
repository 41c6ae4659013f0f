"""Audio files to samples: wav, flac, ogg, opus, mp3, aiff, au."""

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


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """An audio file as float32 (samples,) or (samples, channels), and its rate.

    Raises:
        DataError: there is no such file, it is not audio, is empty or is cut off.
    """
    with _opened(path) as file:
        announced, rate = file.frames, file.samplerate
        try:
            samples = file.read(dtype="float32")
        except Exception as error:  # libsndfile's errors have no common base of their own
            raise DataError(f"{path}: is damaged or cut off ({_reason(error)})") from error
    if len(samples) < announced:
        raise DataError(f"{path}: is cut off: it announces {announced:,} samples, and {len(samples):,} are there")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"{path}: {rate:,} samples a second; from {LOWEST_RATE:,} to {HIGHEST_RATE:,} can be read")
    return samples, rate


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
