"""Digit strings and short commands from the synthesiser of `spoken`: many voices, speeds, rooms and noises, with and without
pauses between the words; written as wav files with a manifest."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.files import read_json
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.modalities.audio.data import spoken
from convzoo.modalities.audio.data.own_transcripts import TranscriptTable
from convzoo.modalities.audio.data.spoken import (
    K_BURST,
    K_CLOSED,
    RATE,
    SILENCE,
    T_BREATH,
    T_BURST,
    F,
    N,
    Phone,
    R,
    S,
    Voice,
    as_wave,
    in_a_room,
    make_voice,
    speak,
    with_noise,
)
from convzoo.modalities.audio.transcribed import Utterance

VERSION = 1
"""Version of the synthesiser. Raise it with every change of its output, so that older recordings are made again."""

DIGITS = spoken.WORDS
COMMANDS = ("back", "call", "down", "go", "left", "light", "no", "off", "on", "right", "stop", "turn", "up", "yes")
WORDS = (*DIGITS, *COMMANDS)

L = Phone(0.07, (360, 1100, 2700), voice=0.6, glide=0.05)
Y = Phone(0.06, (280, 2250, 3000), voice=0.6, glide=0.06)
B_CLOSED = Phone(0.045, (260, 800, 2200), voice=0.12, glide=0.012)
B_BURST = Phone(0.012, (350, 900, 2300), friction=0.16, centre=1000, spread=1.6, voice=0.2, glide=0.002)
D_CLOSED = Phone(0.04, (260, 1700, 2600), voice=0.14, glide=0.012)
D_BURST = Phone(0.014, (350, 1800, 2700), friction=0.3, centre=4000, spread=1.6, voice=0.2, glide=0.002)
G_CLOSED = Phone(0.045, (270, 2000, 2500), voice=0.14, glide=0.012)
G_BURST = Phone(0.018, (330, 1900, 2400), friction=0.28, centre=2000, spread=0.9, voice=0.2, glide=0.002)
P_CLOSED = Phone(0.06, (280, 850, 2250), glide=0.012)
P_BURST = Phone(0.015, (340, 900, 2300), friction=0.3, centre=1100, spread=1.8, breath=0.05, glide=0.002)


def _vowel(name: str, seconds: float, glide: float = 0.06) -> Phone:
    return Phone(seconds, vowel=name, voice=1.0, breath=0.02, glide=glide)


def pronunciations(word: str) -> list[list[Phone]]:
    """The pronunciations of a digit or a word of a command, each a sequence of phones. Each speaker uses one of them."""
    if word in DIGITS:
        return spoken.pronunciations(word)
    t = [SILENCE, T_BURST, T_BREATH]
    k, g, p = [K_CLOSED, K_BURST], [G_CLOSED, G_BURST], [P_CLOSED, P_BURST]
    ih = _vowel("IH", 0.1, 0.14)
    table: dict[str, list[list[Phone]]] = {
        "back": [[B_CLOSED, B_BURST, _vowel("AE", 0.14), *k], [B_CLOSED, B_BURST, _vowel("EH", 0.13), *k]],
        "call": [[*k, _vowel("AO", 0.16), L], [*k, _vowel("AA", 0.16), L], [*k, _vowel("AO", 0.14), _vowel("UH", 0.07)]],
        "down": [[D_CLOSED, D_BURST, _vowel("AE", 0.1), _vowel("UH", 0.1, 0.12), N],
                 [D_CLOSED, D_BURST, _vowel("AA", 0.1), _vowel("UH", 0.1, 0.12), N]],
        "go": [[*g, _vowel("AO", 0.08), _vowel("UH", 0.12, 0.1)], [*g, _vowel("AH", 0.08), _vowel("UW", 0.12, 0.1)]],
        "left": [[L, _vowel("EH", 0.1), F, *t], [L, _vowel("EH", 0.12), F, SILENCE, T_BURST]],
        "light": [[L, _vowel("AA", 0.1), ih, *t], [L, _vowel("AH", 0.1), ih, SILENCE]],
        "no": [[N, _vowel("AO", 0.09), _vowel("UH", 0.13, 0.1)], [N, _vowel("AH", 0.09), _vowel("UW", 0.13, 0.1)]],
        "off": [[_vowel("AO", 0.15), F], [_vowel("AA", 0.15), F]],
        "on": [[_vowel("AA", 0.15), N], [_vowel("AO", 0.15), N]],
        "right": [[R, _vowel("AA", 0.1), ih, *t], [R, _vowel("AH", 0.1), ih, SILENCE, T_BURST]],
        "stop": [[S, SILENCE, T_BURST, _vowel("AA", 0.12), *p], [S, SILENCE, T_BURST, _vowel("AO", 0.12), P_CLOSED]],
        "turn": [[*t, _vowel("ER", 0.14), N], [*t, _vowel("AH", 0.12), R, N]],
        "up": [[_vowel("AH", 0.12), *p], [_vowel("AH", 0.14), P_CLOSED]],
        "yes": [[Y, _vowel("EH", 0.13), S], [Y, _vowel("IH", 0.13), S], [Y, _vowel("EH", 0.1), _vowel("AH", 0.06), S]],
    }  # fmt: skip
    return table[word]


class Said(NamedTuple):
    """A word in a recording, with its beginning and its end in seconds."""

    word: str
    start: float
    end: float


class DigitStrings(Reader):
    """Strings of English digits and short commands ("call four two seven", "turn left"), said by generated voices.

    Between two words there is a pause or none; without one, the sounds of neighbouring words run into each other. Each recording
    has its own room, noise and loudness. No speaker is in two splits. In some recordings another word is said than the
    transcript has, so that no method can reach a word error rate of 0: the part of the test split's words that is really said
    otherwise is the `ceiling`.

    The recordings are 16 kHz wav files with a manifest (`manifest.csv`: path, transcript, speaker, split) in the cache folder;
    they are made once and read from there. `said.ctm` in the folder has the words that are really said and when, in the
    format of NIST's sctk: recording, channel, start and duration in seconds, word.

    Args:
        train: number of training recordings
        val: number of validation recordings
        test: number of test recordings
        max_digits: the longest string of digits
        pause: probability of a pause between two words
        difficulty: how strong noise and rooms are, 0 to 1
        label_noise: fraction of the words for which another word is said
        per_speaker: number of recordings of one speaker
        seed: random seed
    """

    example = Utterance

    def __init__(
        self,
        train: Positive = 900,
        val: Positive = 120,
        test: Positive = 300,
        max_digits: Positive = 6,
        pause: Fraction = 0.5,
        difficulty: Fraction = 1.0,
        label_noise: Fraction = 0.01,
        per_speaker: Positive = 3,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.max_digits = max_digits
        self.pause = pause
        self.difficulty = difficulty
        self.label_noise = label_noise
        self.per_speaker = per_speaker
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the recordings depend on."""
        return {
            "version": [VERSION, spoken.VERSION], **self.sizes, "max_digits": self.max_digits, "pause": self.pause,
            "difficulty": self.difficulty, "label_noise": self.label_noise, "per_speaker": self.per_speaker, "seed": self.seed,
        }  # fmt: skip

    def read(self) -> Splits:
        """Make the recordings, if they do not exist yet, and read them.

        Raises:
            DataError: the cache folder cannot be written.
        """
        name = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"digit_strings-{name}"
        make_once(folder, _is_whole, lambda temporary: _write_all(temporary, self), "recordings")
        about = read_json(folder / "digit_strings.json")
        splits = TranscriptTable(str(folder / "manifest.csv")).read()
        return replace(
            splits,
            ceiling={"test/word_error_rate": about["said_otherwise"]["test"]},
            files={f"generated/{folder.name}": {"sha256": about["sha256"], "bytes": about["bytes"]}},
            origin="generated; no speaker is in two splits",
        )


def phrase(random: np.random.Generator, max_digits: int) -> list[str]:
    """A string of digits, or a command."""

    def digits(least: int, most: int) -> list[str]:
        return [str(word) for word in random.choice(DIGITS, int(random.integers(least, max(least, most) + 1)))]

    if random.random() < 0.6:
        return digits(min(3, max_digits), max_digits)
    kind = int(random.integers(6))
    if kind == 0:
        return ["turn", str(random.choice(["left", "right", "back"]))]
    if kind == 1:
        return ["go", str(random.choice(["left", "right", "up", "down", "back"]))]
    if kind == 2:
        return ["light", *digits(1, 1), str(random.choice(["on", "off"]))]
    if kind == 3:
        return [str(random.choice(["stop", "yes", "no", "back"]))]
    if kind == 4:
        return [str(random.choice(["yes", "no"])), "light", str(random.choice(["on", "off"]))]
    return ["call", *digits(min(2, max_digits), min(4, max_digits))]


def utterance(
    words: Sequence[str], voice: Voice, random: np.random.Generator, pause: float, difficulty: float
) -> tuple[np.ndarray, list[Said]]:
    """One recording, int16 at 16 kHz, in a room, with noise, at some loudness; and when each word is said.

    Args:
        words: what is said
        voice: with `habits` for all `WORDS`
        random: of everything that differs between two recordings of one voice
        pause: probability of a pause between two words
        difficulty: how strong noise and room are, 0 to 1
    """
    breaths: list[list[str]] = [[]]
    for place, word in enumerate(words):
        if place and random.random() < pause:
            breaths.append([])
        breaths[-1].append(word)
    parts = [np.zeros(int(RATE * random.uniform(0.02, 0.3)), np.float32)]
    said: list[Said] = []
    for number, breath in enumerate(breaths):
        if number:
            parts.append(np.zeros(int(RATE * random.uniform(0.03, 0.35)), np.float32))
        phones, counts = [], []
        for word in breath:
            ways = pronunciations(word)
            way = voice.habits[word] if random.random() < 0.75 else int(random.integers(len(ways)))
            phones += ways[way]
            counts.append(len(phones))
        start = sum(map(len, parts)) / RATE
        sound, ends = speak(phones, voice, random)
        begin = start + 0.012
        for word, count in zip(breath, counts, strict=True):
            said.append(Said(word, begin, start + float(ends[count - 1])))
            begin = said[-1].end
        parts.append(sound * np.float32(random.uniform(0.6, 1.0)))
    parts.append(np.zeros(int(RATE * random.uniform(0.02, 0.3)), np.float32))
    dry = np.concatenate(parts).astype(np.float64)
    room = min(1.0, voice.room * difficulty * random.uniform(0.3, 1.0))
    sound = in_a_room(dry, room, random)[: len(dry)]
    sound = with_noise(sound, random.uniform(42 - 36 * difficulty, 46 - 10 * difficulty), random)
    loudness = 10 ** (random.uniform(-16, -1) / 20)
    return np.int16(np.clip(32767 * loudness * sound / np.abs(sound).max(), -32768, 32767)), said


def speaker(seed: Sequence[int]) -> Voice:
    """A voice with its pronunciation of each of the `WORDS`."""
    voice = make_voice(np.random.default_rng(list(seed)))
    random = np.random.default_rng([*seed, 1])
    return replace(voice, habits={word: int(random.integers(len(pronunciations(word)))) for word in WORDS})


class _Planned(NamedTuple):
    part: str
    speaker: str
    number: int
    voice: list[int]
    seed: list[int]


def _plan(reader: DigitStrings) -> Iterator[_Planned]:
    """Every recording: its split, its speaker, its number of that speaker, and two random seeds."""
    for index, (part, size) in enumerate(reader.sizes.items()):
        for place in range(size):
            person = place // reader.per_speaker
            name = f"{part}{person:03d}"
            yield _Planned(
                part, name, place % reader.per_speaker, [reader.seed, index, 1, person], [reader.seed, index, 2, place]
            )


def _write_all(folder: Path, reader: DigitStrings) -> None:
    plan = list(_plan(reader))
    for name in {planned.speaker for planned in plan}:
        (folder / name).mkdir()

    def one(planned: _Planned) -> tuple[_Planned, str, str, list[Said], bytes]:
        random = np.random.default_rng(planned.seed)
        words = phrase(random, reader.max_digits)
        swapped = [
            str(random.choice([other for other in DIGITS if other != word])) if random.random() < reader.label_noise else word
            for word in words
        ]  # fmt: skip
        samples, said = utterance(swapped, speaker(planned.voice), random, reader.pause, reader.difficulty)
        content = as_wave(samples)
        name = f"{planned.speaker}/{planned.number}.wav"
        (folder / name).write_bytes(content)
        return planned, name, " ".join(words), said, content

    with ThreadPoolExecutor(2) as pool:
        rows = []
        for planned, name, words, said, content in pool.map(one, plan):
            rows.append((planned, name, words, said, hashlib.sha256(content).hexdigest(), len(content)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "transcript", "speaker", "split"])
    writer.writerows((name, words, planned.speaker, planned.part) for planned, name, words, *_ in rows)
    (folder / "manifest.csv").write_text(text.getvalue(), encoding="utf-8")
    lines = [
        f"{name.removesuffix('.wav')} 1 {each.start:.3f} {each.end - each.start:.3f} {each.word}\n"
        for _, name, _, said, *_ in rows
        for each in said
    ]
    (folder / "said.ctm").write_text("".join(lines), encoding="utf-8")
    otherwise = {}
    for part in reader.sizes:
        pairs = [
            (word, each.word)
            for planned, _, words, said, *_ in rows
            if planned.part == part
            for word, each in zip(words.split(), said, strict=True)
        ]
        otherwise[part] = sum(one != other for one, other in pairs) / len(pairs)
    about = {
        "settings": reader.settings,
        "said_otherwise": otherwise,
        "recordings": len(rows),
        "bytes": sum(row[5] for row in rows),
        "sha256": hashlib.sha256("".join(f"{row[4]}  {row[1]}\n" for row in rows).encode()).hexdigest(),
    }
    (folder / "digit_strings.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all recordings exist with the right length: somebody may have cleaned the cache."""
    if not all((folder / name).is_file() for name in ("digit_strings.json", "manifest.csv", "said.ctm")):
        return False
    about = read_json(folder / "digit_strings.json")
    sizes = [path.stat().st_size for path in folder.glob("*/*.wav")]
    return len(sizes) == about["recordings"] and sum(sizes) == about["bytes"]
