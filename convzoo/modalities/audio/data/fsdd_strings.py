"""Strings of digits from the recordings of the Free Spoken Digit Dataset, joined with pauses."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from convzoo.core.arguments import Count, NonNegative, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import read_json
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.modalities.audio.data.fsdd import NAME
from convzoo.modalities.audio.data.spoken import WORDS, as_wave
from convzoo.modalities.audio.formats import read_sound
from convzoo.modalities.audio.transcribed import Utterance
from convzoo.reading.benchmark import benchmark_folder

RATE = 8000
VERSION = 1


class FsddStrings(Reader):
    """Digits of FSDD in strings: recordings of one speaker with pauses between them. One speaker tests, and the others train.

    Every recording stands in one string only. Of each training speaker a tenth of the strings validates, so the validation split
    has no new speaker; with `val_speaker` it is one speaker of its own.

    Args:
        path: FSDD's folder `recordings`, or the one that holds it; by default the data set is fetched
        speaker: the one that tests
        val_speaker: the one that validates; by default a tenth of the strings of each training speaker
        digits: the longest string; the shortest has three
        min_pause: the shortest pause between two digits, in seconds
        max_pause: the longest pause, in seconds
        seed: of the choice of the strings that validate
    """

    example = Utterance

    def __init__(
        self,
        path: str | None = None,
        speaker: str = "george",
        val_speaker: str | None = None,
        digits: Positive = 7,
        min_pause: NonNegative = 0.02,
        max_pause: NonNegative = 0.3,
        seed: Count = 0,
    ) -> None:
        if min_pause > max_pause:
            raise ValueError(f"min_pause ({min_pause:g} s) should not be above max_pause ({max_pause:g} s)")
        if val_speaker == speaker:
            raise ValueError(f"{speaker} cannot both validate and test")
        self.path = path
        self.speaker = speaker
        self.val_speaker = val_speaker
        self.digits = digits
        self.min_pause = min_pause
        self.max_pause = max_pause
        self.seed = seed

    def read(self) -> Splits:
        """Make the strings, if they do not exist yet.

        Raises:
            DataError: there is no such folder or speaker.
        """
        source, facts = benchmark_folder("fsdd", self.path)
        source = source / "recordings" if (source / "recordings").is_dir() else source
        settings = [VERSION, self.digits, self.min_pause, self.max_pause]
        listing = sorted((path.name, path.stat().st_size) for path in source.glob("*.wav") if NAME.fullmatch(path.name))
        if not listing:
            raise DataError(f"{source}: holds no <digit>_<speaker>_<take>.wav")
        name = hashlib.sha256(json.dumps([settings, listing, str(source.resolve())]).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"fsdd_strings-{name}"
        make_once(
            folder, lambda made: (made / "strings.json").is_file(), lambda made: self._write(source, made), "strings"
        )
        strings = read_json(folder / "strings.json")
        for speaker in filter(None, (self.speaker, self.val_speaker)):
            if speaker not in strings:
                raise DataError(f"{source}: has no speaker {speaker!r}; {did_you_mean(speaker, strings)}")
        parts: dict[str, list[Utterance]] = {"train": [], "val": [], "test": []}
        for speaker, texts in strings.items():
            found = [
                Utterance(folder / speaker / f"{at}.wav", transcript=text, source=f"{speaker} {at}")
                for at, text in enumerate(texts)
            ]
            if speaker in (self.speaker, self.val_speaker):
                part = "test" if speaker == self.speaker else "val"
                parts[part] = [replace(each, group=speaker) for each in found]
                continue
            count = 0 if self.val_speaker is not None else max(1, len(found) // 10)
            held = set(np.random.default_rng(self.seed).permutation(len(found))[:count].tolist())
            for at, each in enumerate(found):
                parts["val" if at in held else "train"].append(each)
        validated = (
            f"speaker {self.val_speaker}" if self.val_speaker else f"a tenth of the others' strings, seed {self.seed}"
        )
        return Splits(
            parts["train"], parts["val"], parts["test"],
            origin=f"test: speaker {self.speaker}; val: {validated}; strings made here",
            files=facts,
        )  # fmt: skip

    def _write(self, source: Path, folder: Path) -> None:
        takes: dict[str, list[tuple[str, Path]]] = {}
        for path in sorted(source.glob("*.wav")):
            match = NAME.fullmatch(path.name)
            if match is not None:
                digit, speaker, _ = match.groups()
                takes.setdefault(speaker, []).append((WORDS[int(digit)], path))
        strings = {}
        for number, (speaker, found) in enumerate(takes.items()):
            random = np.random.default_rng([VERSION, number])
            order = random.permutation(len(found)).tolist()
            (folder / speaker).mkdir()
            texts: list[str] = []
            while order:
                count = min(len(order), int(random.integers(min(3, self.digits), self.digits + 1)))
                chosen, order = order[:count], order[count:]
                parts = [_pause(random, 0.05, 0.3)]
                for at in chosen:
                    samples, rate = read_sound(found[at][1])
                    if rate != RATE:
                        raise DataError(
                            f"{found[at][1]}: has {rate:,} samples a second; FSDD's recordings have {RATE:,}"
                        )
                    parts += [samples, _pause(random, self.min_pause, self.max_pause)]
                sound = np.concatenate(parts)
                (folder / speaker / f"{len(texts)}.wav").write_bytes(
                    as_wave(np.int16(np.clip(sound, -1, 1) * 32767), RATE)
                )
                texts.append(" ".join(found[at][0] for at in chosen))
            strings[speaker] = texts
        (folder / "strings.json").write_text(json.dumps(strings), encoding="utf-8")


def _pause(random: np.random.Generator, shortest: float, longest: float) -> np.ndarray:
    """Silence with a little noise, since digital silence would give away where recordings are joined."""
    length = int(RATE * random.uniform(shortest, longest))
    return random.normal(0, 3e-4, length).astype(np.float32)
