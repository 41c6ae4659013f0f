"""A recording with what is said in it, and how transcripts are written alike."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.errors import DataError
from convzoo.modalities.audio.example import Audio
from convzoo.modalities.audio.formats import read_sound

Writing = Literal["plain", "kept"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording of speech, or a part of one, with its transcript.

    Attributes:
        path: path of the file
        samples: (samples,) or (samples, channels): floats in [-1, 1], or int16
        rate: samples a second, of `samples`
        transcript: what is said; None if it is not known
        start: where the utterance begins in the file, in seconds
        end: where it ends in the file, in seconds; None: at the end of the file
        group: utterances of one group stay in one split; usually the speaker
        source: where it comes from
    """

    path: Path | None = None
    samples: np.ndarray | None = None
    rate: int | None = None
    transcript: str | None = None
    start: float = 0.0
    end: float | None = None
    group: str | None = None
    source: str = ""
    label: ClassVar[None] = None
    sample_input: ClassVar[str] = "speech.wav"

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[Utterance]":
        """Recordings from lines of standard input, which name files."""
        return cls.from_inputs([line for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[Utterance]":
        """Recordings for prediction: each value is an audio file, a folder of them, or a pair of an array and its rate.

        Raises:
            DataError: there is no such file, a folder holds no audio file, or an array has no rate or another shape.
        """
        found: list[Utterance] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
                continue
            found += [
                cls(each.path, each.samples, each.rate, group=each.group, source=each.source)
                for each in Audio.from_inputs([value])
            ]
        return found

    def read(self) -> tuple[np.ndarray, int]:
        """The samples as float32 (samples,), the mean of the channels, and the rate in samples a second.

        Raises:
            DataError: as for `Audio.read`; the utterance lies outside of its file.
        """
        audio = Audio(self.path, self.samples, self.rate, source=self.source)
        if not self.start and self.end is None:
            return audio.read()
        assert self.path is not None, "a part of a recording is a part of a file"
        samples, rate = read_sound(self.path, self.start, self.end)
        if not len(samples):
            raise DataError(
                f"{self.source or self.path}: the utterance from {self.start:g} s to {self.end or 0:g} s holds no samples: "
                f"{self.path} lasts {audio.seconds():g} s"
            )
        return replace(audio, path=None, samples=samples, rate=rate).read()

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
        whole = Audio(self.path, self.samples, self.rate, source=self.source).seconds()
        return max(0.0, min(whole, whole if self.end is None else self.end) - self.start)


def written(transcript: str, writing: Writing) -> str:
    """A transcript as it is learnt and compared.

    Args:
        transcript: as it stands in the data
        writing: `kept` joins spaces only; `plain` also makes letters small and takes punctuation out, but for apostrophes inside
            words (`don't`); of `well-known` two words are made
    """
    text = unicodedata.normalize("NFC", transcript)
    if writing == "plain":
        text = text.lower().replace("’", "'")
        text = "".join(c if c == "'" or unicodedata.category(c)[0] in "LMN" else _gap(c) for c in text)
        return " ".join(word for part in text.split() if (word := part.strip("'")))
    return " ".join(text.split())


def _gap(character: str) -> str:
    """What stands in place of a mark: dashes, slashes and underscores separate words, other marks belong to none."""
    return " " if character.isspace() or unicodedata.category(character) in ("Pd", "Pc") or character in "/\\|" else ""
