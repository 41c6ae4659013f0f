"""Recorded audio as an example: samples, or a file that is opened when it is needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.modalities.audio.formats import AUDIO_SUFFIXES, HIGHEST_RATE, LOWEST_RATE, _opened, read_sound
from convzoo.reading.files import files_named


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording, as samples or as the path of a file (wav, flac, ogg, opus, mp3, aiff, au).

    Attributes:
        path: path of the file
        samples: (samples,) or (samples, channels): floats in [-1, 1], or int16
        rate: samples a second, of `samples`
        label: its class, a number, or several classes; None if unlabelled
        group: recordings of one group stay in one split; usually the speaker
        source: where it comes from
    """

    path: Path | None = None
    samples: np.ndarray | None = None
    rate: int | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "word.wav"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Audio]":
        """Recordings from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Audio]":
        """Recordings for prediction: each value is an audio file, a folder of them, or a pair of an array and its rate.

        Raises:
            DataError: there is no such file, a folder holds no audio file, or an array has no rate or another shape.
        """
        found: list[Audio] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, tuple | list) and len(value) == 2:
                found.append(_from_array(*value))
            elif isinstance(value, np.ndarray):
                raise DataError(
                    "an array of samples needs its rate: give (samples, rate), for example (samples, 16000)"
                )
            else:
                files = files_named(value, AUDIO_SUFFIXES, "audio file")
                found.extend(cls(path=path, source=str(path)) for path in files)
        return found

    def read(self) -> tuple[np.ndarray, int]:
        """The samples as float32 (samples,), the mean of the channels, and the rate in samples a second.

        Raises:
            DataError: the file is not audio, is empty, holds no samples, is cut off, or holds values that are not finite.
        """
        if self.samples is None:
            assert self.path is not None, "an Audio has samples or a path"
            samples, rate = read_sound(self.path)
        else:
            assert self.rate is not None, "samples have a rate"
            samples, rate = _as_float(self.samples), self.rate
        samples = samples.mean(axis=1, dtype=np.float32) if samples.ndim == 2 else samples
        where = self.source or str(self.path or "the array")
        if not len(samples):
            raise DataError(f"{where}: holds no samples (its length is 0 s)")
        if not np.isfinite(samples).all():
            raise DataError(f"{where}: holds samples that are not finite numbers")
        return samples, rate

    def check(self) -> None:
        """Read the file once.

        Raises:
            DataError: as `read`.
        """
        self.read()

    def seconds(self) -> float:
        """Its length in seconds, from the file's header alone.

        Raises:
            DataError: the file cannot be read.
        """
        if self.samples is not None and self.rate is not None:
            return len(self.samples) / self.rate
        assert self.path is not None, "an Audio has samples or a path"
        with _opened(self.path) as file:
            return file.frames / file.samplerate


def _from_array(samples: Any, rate: Any) -> Audio:
    if not isinstance(samples, np.ndarray) or samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        raise DataError(
            "a recording is (samples, rate); samples are an array of float or int16, (samples,) or (samples, channels)"
        )
    if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
        raise DataError(
            f"an array of samples is (samples, channels), and this one is {samples.shape}: more channels than samples; "
            "transpose it (torchaudio and librosa have the channels first)"
        )
    if not isinstance(rate, int | np.integer) or not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"a rate of {rate!r}: it should be a whole number from {LOWEST_RATE:,} to {HIGHEST_RATE:,} Hz")
    return Audio(samples=samples, rate=int(rate), source="an array")


def _as_float(samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "i":
        return samples.astype(np.float32) / np.float32(-np.iinfo(samples.dtype).min)
    return samples.astype(np.float32)
