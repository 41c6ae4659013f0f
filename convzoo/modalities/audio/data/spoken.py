"""Spoken digits from a source–filter synthesiser: many voices, speeds, rooms and noises, written as wav files.

A word is a sequence of phones. Each phone has formants (resonances of the vocal tract) and strengths of voice, breath and
friction. Between phones all values change smoothly, as tongue and lips do. The sources are a glottal wave and noise. The vocal
tract filters them frame by frame in the frequency domain (Fant 1960; Klatt 1980, doi:10.1121/1.383940).
"""

import csv
import hashlib
import io
import json
import math
import os
import wave
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.files import read_json
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.modalities.audio.data.own import AudioFolder
from convzoo.modalities.audio.example import Audio

VERSION = 1
"""Version of the synthesiser. Raise it with every change of its output, so that older recordings are made again."""

RATE = 16_000
HOP, WINDOW, FFT = 80, 320, 512
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

# F1, F2, F3 in Hz of men, women and children: the means of Peterson & Barney 1952 (doi:10.1121/1.1906875, table II).
VOWELS = {
    "IY": ((270, 2290, 3010), (310, 2790, 3310), (370, 3200, 3730)),
    "IH": ((390, 1990, 2550), (430, 2480, 3070), (530, 2730, 3600)),
    "EH": ((530, 1840, 2480), (610, 2330, 2990), (690, 2610, 3570)),
    "AE": ((660, 1720, 2410), (860, 2050, 2850), (1010, 2320, 3320)),
    "AA": ((730, 1090, 2440), (850, 1220, 2810), (1030, 1370, 3170)),
    "AO": ((570, 840, 2410), (590, 920, 2710), (680, 1060, 3180)),
    "UH": ((440, 1020, 2240), (470, 1160, 2680), (560, 1410, 3310)),
    "UW": ((300, 870, 2240), (370, 950, 2670), (430, 1170, 3260)),
    "AH": ((640, 1190, 2390), (760, 1400, 2780), (850, 1590, 3360)),
    "ER": ((490, 1350, 1690), (500, 1640, 1960), (560, 1820, 2160)),
}
PITCH = (132.0, 223.0, 265.0)
"""The mean of the voice's pitch in Hz of men, women and children, from the same table."""


class Spoken(Reader):
    """The ten English digits, said by generated voices, each recording with its own room, noise and loudness.

    The recordings are wav files in Speech Commands' layout (`<word>/<speaker>_nohash_<number>.wav`, `validation_list.txt`,
    `testing_list.txt`) in the cache folder; they are made once and read from there. No speaker is in two splits.
    Some recordings hold another word than their label. The fraction of the test split whose label is right is the
    `ceiling`. `said.csv` in the folder lists the words that are really said.

    Args:
        train: number of training recordings
        val: number of validation recordings
        test: number of test recordings
        difficulty: how strong noise and rooms are, 0 to 1
        label_noise: fraction of the recordings with another word than their label
        per_speaker: number of recordings of one speaker
        seed: random seed
    """

    example = Audio

    def __init__(
        self,
        train: Positive = 2400,
        val: Positive = 400,
        test: Positive = 800,
        difficulty: Fraction = 0.8,
        label_noise: Fraction = 0.025,
        per_speaker: Positive = 20,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.label_noise = label_noise
        self.per_speaker = per_speaker
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the recordings depend on."""
        return {
            "version": VERSION, **self.sizes, "difficulty": self.difficulty, "label_noise": self.label_noise,
            "per_speaker": self.per_speaker, "seed": self.seed,
        }  # fmt: skip

    def read(self) -> Splits:
        """Make the recordings, if they do not exist yet, and list them.

        Raises:
            DataError: the cache folder cannot be written.
        """
        name = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"spoken-{name}"
        make_once(folder, _is_whole, lambda temporary: _write_all(temporary, self), "recordings")
        about = read_json(folder / "spoken.json")
        parts = AudioFolder(str(folder)).parts()
        ceiling = {"test/accuracy": about["truly_said"]["test"]}
        files = {f"generated/{folder.name}": {"sha256": about["sha256"], "bytes": about["bytes"]}}
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=ceiling, files=files)


def _plan(reader: Spoken) -> Iterator[tuple[str, str, str, int, list[int]]]:
    """Every recording: its split, its speaker, its label, its number, and its random seed."""
    for index, (part, size) in enumerate(reader.sizes.items()):
        order = np.random.default_rng([reader.seed, index, 1]).permutation(size)
        for place, number in enumerate(order.tolist()):
            speaker = place // reader.per_speaker
            digest = hashlib.sha256(f"{reader.seed}/{part}/{speaker}".encode()).hexdigest()[:8]
            yield part, digest, WORDS[number % len(WORDS)], place % reader.per_speaker, [reader.seed, index, 2, place]


def _write_all(folder: Path, reader: Spoken) -> None:
    plan = list(_plan(reader))
    for word in WORDS:
        (folder / word).mkdir()

    def one(item: tuple[str, str, str, int, list[int]]) -> tuple[str, str, str, str, str, int]:
        part, speaker, word, number, seed = item
        random = np.random.default_rng(seed)
        swapped = random.random() < reader.label_noise
        said = str(random.choice([other for other in WORDS if other != word])) if swapped else word
        voice = make_voice(np.random.default_rng([reader.seed, int(speaker, 16)]))
        content = as_wave(recording(said, voice, random, reader.difficulty))
        name = f"{word}/{speaker}_nohash_{number}.wav"
        (folder / name).write_bytes(content)
        return name, part, word, said, hashlib.sha256(content).hexdigest(), len(content)

    with ThreadPoolExecutor(2) as pool:
        rows = sorted(pool.map(one, plan))
    for file, part in (("validation_list.txt", "val"), ("testing_list.txt", "test")):
        (folder / file).write_text("".join(f"{row[0]}\n" for row in rows if row[1] == part), encoding="utf-8")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "split", "asked", "said"])
    writer.writerows(row[:4] for row in rows)
    (folder / "said.csv").write_text(text.getvalue(), encoding="utf-8")
    true = {part: sum(row[2] == row[3] for row in rows if row[1] == part) / size for part, size in reader.sizes.items()}
    about = {
        "settings": reader.settings,
        "truly_said": true,
        "recordings": len(rows),
        "bytes": sum(row[5] for row in rows),
        "sha256": hashlib.sha256("".join(f"{row[4]}  {row[0]}\n" for row in rows).encode()).hexdigest(),
    }
    (folder / "spoken.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all recordings exist with the right length: somebody may have cleaned the cache."""
    if not (folder / "spoken.json").is_file():
        return False
    about = read_json(folder / "spoken.json")
    sizes = [
        entry.stat().st_size
        for word in WORDS
        if (folder / word).is_dir()
        for entry in os.scandir(folder / word)
        if entry.name.endswith(".wav")
    ]
    lists = all((folder / name).is_file() for name in ("validation_list.txt", "testing_list.txt"))
    return lists and len(sizes) == about["recordings"] and sum(sizes) == about["bytes"]


def as_wave(samples: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()


@dataclass(frozen=True)
class Phone:
    """A short stretch of speech with one setting of the vocal tract.

    Attributes:
        seconds: duration at ordinary speed
        formants: F1, F2, F3 of men in Hz; women's and children's are scaled, but those of vowels are as published
        vowel: the vowel whose formants it has, in place of `formants`
        voice: strength of the voice, 1 for vowels
        breath: strength of noise at the glottis, filtered by the whole tract
        friction: strength of noise at a narrow place
        centre: where that noise is strongest, in Hz
        spread: width of that noise, in octaves
        nasal: how far the nose is open, which damps and adds a zero
        glide: seconds of the transition from the phone before
    """

    seconds: float
    formants: tuple[float, float, float] = (500, 1500, 2500)
    vowel: str = ""
    voice: float = 0.0
    breath: float = 0.0
    friction: float = 0.0
    centre: float = 4000.0
    spread: float = 1.0
    nasal: float = 0.0
    glide: float = 0.04


def _vowel(name: str, seconds: float, glide: float = 0.06) -> Phone:
    return Phone(seconds, vowel=name, voice=1.0, breath=0.02, glide=glide)


S = Phone(0.11, (320, 1600, 2600), friction=0.34, centre=6000, spread=0.9, glide=0.03)
Z = Phone(0.09, (300, 1600, 2600), voice=0.32, friction=0.2, centre=6000, spread=0.9, glide=0.03)
F = Phone(0.085, (340, 1100, 2100), friction=0.075, centre=5000, spread=3.0, glide=0.03)
V = Phone(0.07, (260, 1100, 2100), voice=0.42, friction=0.03, centre=5000, spread=3.0, glide=0.04)
TH = Phone(0.09, (320, 1300, 2550), friction=0.07, centre=6000, spread=2.6, glide=0.03)
W = Phone(0.07, (290, 610, 2150), voice=0.6, glide=0.06)
R = Phone(0.08, (330, 1100, 1450), voice=0.65, glide=0.06)
N = Phone(0.065, (270, 1450, 2500), voice=0.6, nasal=1.0, glide=0.025)
SILENCE = Phone(0.055, (300, 1700, 2600), glide=0.012)
T_BURST = Phone(0.018, (350, 1800, 2700), friction=0.5, centre=4500, spread=1.6, breath=0.06, glide=0.002)
T_BREATH = Phone(0.07, (360, 1700, 2600), breath=0.2, friction=0.2, centre=4000, spread=1.4, glide=0.01)
K_CLOSED = Phone(0.06, (280, 2000, 2500), glide=0.012)
K_BURST = Phone(0.022, (330, 1900, 2400), friction=0.4, centre=2100, spread=0.9, breath=0.05, glide=0.002)
FRONT_U = Phone(0.05, (310, 1650, 2300), voice=0.9, glide=0.03)


def pronunciations(word: str) -> list[list[Phone]]:
    """The pronunciations of a word, each a sequence of phones. Each speaker uses one of them."""
    iy, ih, eh, ah = _vowel("IY", 0.12), _vowel("IH", 0.095), _vowel("EH", 0.11), _vowel("AH", 0.13)
    ao, aa, uw, uh = _vowel("AO", 0.15), _vowel("AA", 0.13), _vowel("UW", 0.14, 0.1), _vowel("UH", 0.10, 0.1)
    oh, ey = _vowel("AO", 0.07), _vowel("EH", 0.08)
    weak = _vowel("AH", 0.05)
    diphthong, short_diphthong = [aa, _vowel("IH", 0.11, 0.15)], [_vowel("AA", 0.12), _vowel("IY", 0.09, 0.12)]
    raised = [_vowel("AH", 0.1), _vowel("IH", 0.12, 0.14)]
    t = [SILENCE, T_BURST, T_BREATH]
    table: dict[str, list[list[Phone]]] = {
        "zero": [[Z, ih, R, oh, uh], [Z, _vowel("IY", 0.09), R, oh, uw], [S, ih, R, oh, uh]],
        "one": [[W, ah, N], [W, _vowel("AA", 0.12), N], [W, ah, N, weak]],
        "two": [[*t, FRONT_U, uw], [*t, uw], [*t, replace(FRONT_U, seconds=0.17)]],
        "three": [[TH, R, iy], [TH, R, _vowel("IY", 0.17)], [F, R, iy], [S, R, iy]],
        "four": [[F, ao, R], [F, ao, _vowel("ER", 0.07, 0.1)], [F, _vowel("AO", 0.22)], [F, oh, uh, weak]],
        "five": [[F, *diphthong, V], [F, *short_diphthong, F], [F, *raised, V]],
        "six": [[S, ih, K_CLOSED, K_BURST, S], [S, _vowel("IY", 0.07), K_CLOSED, K_BURST, S]],
        "seven": [[S, eh, V, weak, N], [S, eh, V, N], [S, _vowel("AE", 0.09), V, _vowel("EH", 0.05), N]],
        "eight": [
            [ey, _vowel("IY", 0.08, 0.1), *t],
            [_vowel("EH", 0.1), _vowel("IH", 0.07, 0.1), *t],
            [ey, _vowel("IY", 0.1, 0.1), SILENCE],
        ],
        "nine": [[N, *diphthong, N], [N, *short_diphthong, N, weak], [N, *raised, N]],
    }
    return table[word]


@dataclass(frozen=True)
class Voice:
    """A speaker: what is the same in everything they say.

    Attributes:
        kind: weights of man, woman and child
        length: relative length of the vocal tract: every formant is multiplied by it
        own: a factor for each formant
        pitch: pitch of the voice, in Hz
        melody: how far the pitch moves within a word, as a fraction of it
        breathiness: strength of the noise beside the voice
        tilt: frequency above which the glottal wave loses its harmonics, in Hz
        open_part: fraction of a period in which the glottis is open
        jitter: how unsteady the pitch is, as a fraction of it
        hiss: strength of friction
        band: highest frequency of the microphone, in Hz
        bandwidth: a factor for the bandwidths of the formants
        speed: 1 is ordinary
        habits: number of the pronunciation of each word
        microphone: its frequency response, in decibels at octaves from 125 Hz
        room: 0 is close to the mouth, 1 is a hall
    """

    kind: tuple[float, float, float]
    length: float
    own: np.ndarray
    pitch: float
    melody: float
    breathiness: float
    tilt: float
    open_part: float
    jitter: float
    hiss: float
    band: float
    bandwidth: float
    speed: float
    habits: dict[str, int]
    microphone: np.ndarray
    room: float


def make_voice(random: np.random.Generator, variety: float = 1.0) -> Voice:
    """A random speaker; `variety` is how much speakers differ."""
    kind = int(random.choice(3, p=[0.5, 0.36, 0.14]))
    weights = np.full(3, 0.0)
    weights[kind] = 1
    other = min(2, max(0, kind + int(random.choice([-1, 1]))))
    part = random.uniform(0, 0.35) * variety
    weights = (1 - part) * weights
    weights[other] += part
    habits = {word: int(random.integers(len(pronunciations(word)))) for word in WORDS}
    return Voice(
        kind=tuple(weights.tolist()),  # type: ignore[arg-type]
        length=float(np.exp(0.05 * variety * random.standard_normal())),
        own=np.exp(0.05 * variety * random.standard_normal(7)),
        pitch=float(np.dot(weights, PITCH) * np.exp(0.15 * variety * random.standard_normal())),
        melody=float(random.uniform(0.02, 0.25)),
        breathiness=float(random.uniform(0.01, 0.12) * variety),
        tilt=float(random.uniform(1000, 6000)),
        open_part=float(random.uniform(0.45, 0.75)),
        jitter=float(random.uniform(0.003, 0.02)),
        hiss=float(np.exp(-0.6 + 0.8 * variety * random.standard_normal())),
        band=float(random.choice([RATE, random.uniform(2600, 7000)])),
        bandwidth=float(random.uniform(0.8, 1.5)),
        speed=float(np.exp(0.2 * variety * random.standard_normal())),
        habits=habits,
        microphone=random.standard_normal(6) * 4.5 * variety,
        room=float(random.uniform(0, 1)),
    )


def say(word: str, voice: Voice, random: np.random.Generator, variety: float = 1.0) -> np.ndarray:
    """One utterance, float32 in [-1, 1], 16 kHz, without room and noise."""
    ways = pronunciations(word)
    way = voice.habits[word] if random.random() < 0.75 else int(random.integers(len(ways)))
    return speak(ways[way], voice, random, variety)[0]


def speak(
    phones: Sequence[Phone], voice: Voice, random: np.random.Generator, variety: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Phones in one breath: float32 in [-1, 1] at 16 kHz without room and noise, and when each phone ends, in seconds."""
    speed = voice.speed * np.exp(0.12 * variety * random.standard_normal())
    lengths = (
        np.array([phone.seconds for phone in phones])
        / speed
        * np.exp(0.22 * variety * random.standard_normal(len(phones)))
    )
    lengths[-1] *= random.uniform(1.0, 1.5)  # before a pause speech slows down
    ends = np.cumsum(lengths)
    frames = math.ceil((ends[-1] + 0.06) * RATE / HOP)
    times = np.arange(frames) * HOP / RATE
    tracks = _tracks(phones, ends, times, voice, random, variety)
    samples = frames * HOP
    fine = np.arange(samples) / RATE

    def envelope(name: str) -> np.ndarray:
        return np.interp(fine, times, tracks[name]).astype(np.float32)

    voiced = _glottis(voice, fine, ends[-1], random, variety) * envelope("voice")
    noise = random.standard_normal(samples).astype(np.float32)
    open_now = 0.5 + 0.5 * (np.abs(voiced) > 1e-3)
    breath = noise * open_now * (envelope("breath") + voice.breathiness * envelope("voice"))
    rough = random.standard_normal(samples).astype(np.float32) * envelope("friction") * voice.hiss

    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    spectra = np.stack([np.fft.rfft(_framed(x, window, frames), FFT, axis=1) for x in (voiced + 0.7 * breath, rough)])
    frequencies = np.fft.rfftfreq(FFT, 1 / RATE)
    tract = _tract(tracks, frequencies, voice)
    teeth = np.exp(
        -0.5 * (np.log2(np.maximum(frequencies, 60)[None] / tracks["centre"][:, None]) / tracks["spread"][:, None]) ** 2
    )
    out = spectra[0] * tract + spectra[1] * teeth
    out *= _microphone(voice, frequencies)
    pieces = np.fft.irfft(out, FFT, axis=1)
    whole = np.zeros(samples + FFT + WINDOW, dtype=np.float64)
    for shift in range(0, FFT, HOP):  # every piece in blocks of a hop: as many additions as a piece has hops
        block = pieces[:, shift : shift + HOP]
        whole[shift : shift + frames * HOP].reshape(frames, HOP)[:, : block.shape[1]] += block
    found = whole[WINDOW // 2 : WINDOW // 2 + samples]
    return (found / max(1e-9, float(np.abs(found).max()))).astype(np.float32), ends


def _tracks(
    phones: Sequence[Phone],
    ends: np.ndarray,
    times: np.ndarray,
    voice: Voice,
    random: np.random.Generator,
    variety: float,
) -> dict[str, np.ndarray]:
    """All values at each frame: the targets of each phone, with a smooth transition from the phone before."""
    scale = np.array([voice.kind[0] + 1.17 * voice.kind[1] + 1.3 * voice.kind[2]])
    rows = []
    for phone in phones:
        if phone.vowel:
            formants = np.dot(voice.kind, np.array(VOWELS[phone.vowel], dtype=float))
        else:
            formants = np.array(phone.formants) * scale
        formants = formants * voice.length * voice.own[:3] * np.exp(0.04 * variety * random.standard_normal(3))
        centre = phone.centre * (1 + 0.5 * (float(scale[0]) - 1)) * voice.own[4] ** 2
        loud = np.exp(0.45 * variety * random.standard_normal())
        rows.append(
            [
                *formants,
                phone.voice,
                phone.breath * loud,
                phone.friction * loud,
                math.log(centre),
                phone.spread,
                phone.nasal,
            ]
        )
    values = np.array(rows)
    # The vocal tract begins in the position of the first phone, but silent.
    silent = values[0].copy()
    silent[3:6] = 0
    last = values[-1].copy()
    last[3:6] = 0
    targets = np.vstack([silent, values, last])
    glides = [0.02, *[phone.glide for phone in phones[1:]], 0.09]
    starts = [0.012, *ends[:-1].tolist(), float(ends[-1]) - 0.02]
    track = np.repeat(targets[:1], len(times), axis=0)
    for index, (start, glide) in enumerate(zip(starts, glides, strict=True)):
        step = np.clip((times - start) / max(glide, 0.004) + 0.5, 0, 1)[:, None]
        step = step * step * (3 - 2 * step)
        track = track + step * (targets[index + 1] - targets[index])
    names = ("f1", "f2", "f3", "voice", "breath", "friction", "centre", "spread", "nasal")
    found = {name: track[:, index] for index, name in enumerate(names)}
    found["centre"] = np.exp(found["centre"])
    # Towards the end of a word the breath becomes weaker: words fade by up to 25 dB.
    late = np.clip((times / ends[-1] - 0.45) / 0.55, 0, 1) ** 1.5
    fading = 10 ** (-random.uniform(3, 25) / 20 * late)
    found["voice"], found["friction"] = found["voice"] * fading, found["friction"] * np.sqrt(fading)
    return found


def _glottis(voice: Voice, fine: np.ndarray, end: float, random: np.random.Generator, variety: float) -> np.ndarray:
    """The derivative of the flow through the glottis: the pulse of KLGLOTT88 (Klatt & Klatt 1990, doi:10.1121/1.398894)."""
    place = np.clip(fine / end, 0, 1.2)
    shape = random.choice(3, p=[0.6, 0.25, 0.15])
    bend = voice.melody * (1 + 0.5 * random.standard_normal())
    contour = (
        1 - bend * place,
        1 + bend * np.sin(np.pi * np.minimum(place * 1.3, 1)) - 0.5 * bend * place,
        1 + bend * (place - 0.5),
    )[shape]
    wobble = np.interp(fine, np.linspace(0, fine[-1] + 1e-3, 40), random.standard_normal(40)) * voice.jitter
    pitch = voice.pitch * np.exp(0.06 * variety * random.standard_normal()) * contour * (1 + wobble)
    phase = np.cumsum(np.maximum(pitch, 50) / RATE) + random.random()
    inside = (phase % 1) / voice.open_part
    pulse = np.where(inside < 1, 2 * inside - 3 * inside**2, 0.0)
    pulse = pulse * (1 + 0.04 * np.interp(fine, np.linspace(0, fine[-1] + 1e-3, 60), random.standard_normal(60)))
    # A pulse that closes softly has weaker high harmonics: a first-order low-pass.
    fast = fast_length(len(pulse))
    spectrum = np.fft.rfft(pulse, fast) / (1 + 1j * np.fft.rfftfreq(fast, 1 / RATE) / voice.tilt)
    return np.fft.irfft(spectrum, fast)[: len(pulse)].astype(np.float32)


def _framed(x: np.ndarray, window: np.ndarray, frames: int) -> np.ndarray:
    padded = np.pad(x, (WINDOW // 2, WINDOW))
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: frames * HOP : HOP] * window


def _tract(tracks: dict[str, np.ndarray], frequencies: np.ndarray, voice: Voice) -> np.ndarray:
    """The cascade of resonances at each frame, (frames, frequencies), and the nose's resonance and zero."""
    s = (2j * np.pi * frequencies).astype(np.complex64)[None]
    scale = float(np.dot(voice.kind, (1.0, 1.17, 1.3)))
    high = np.array([3500.0, 4500.0, 5500.0, 6500.0]) * scale * voice.length * voice.own[3:]
    low = [np.clip(tracks[name], 150, 7000) for name in ("f1", "f2", "f3")]
    low[1] = np.maximum(low[1], low[0] + 120)
    low[2] = np.maximum(low[2], low[1] + 150)
    answer = np.ones((len(low[0]), len(frequencies)), dtype=np.complex64)
    for formant, width in zip(low, (70.0, 90.0, 130.0), strict=True):
        wide = width * voice.bandwidth * (1 + formant / 6000) * (1 + 1.2 * tracks["nasal"])
        answer *= _resonance(s, formant[:, None], wide[:, None])
    for formant, width in zip(high, (220.0, 300.0, 400.0, 500.0), strict=True):
        answer *= _resonance(s, np.array([[formant]]), np.array([[width * voice.bandwidth]]))
    nose = tracks["nasal"][:, None]
    if nose.any():
        # An open nose adds a pole and a zero; for a closed nose they cancel.
        zero = 270 * scale + nose * 900 * scale
        answer *= _resonance(s, np.full_like(nose, 270 * scale), np.full_like(nose, 100.0))
        answer /= _resonance(s, zero, 100.0 + 150 * nose)
        answer *= 1 - 0.35 * nose
    return answer * (1 + frequencies / 3000)[None]  # the mouth radiates high frequencies better


def _resonance(s: np.ndarray, frequency: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """A pair of poles, with gain 1 at 0 Hz."""
    pole = (-np.pi * bandwidth + 2j * np.pi * frequency).astype(np.complex64)
    size = (pole * pole.conj()).real
    return size / ((s - pole) * (s - pole.conj()))


def _microphone(voice: Voice, frequencies: np.ndarray) -> np.ndarray:
    """A smooth frequency response of place and microphone, from decibels at octaves from 125 Hz."""
    octave = np.log2(np.maximum(frequencies, 30) / 125)
    return 10 ** (np.interp(octave, np.arange(6), voice.microphone) / 20) / (1 + (frequencies / voice.band) ** 8)


def in_a_room(sound: np.ndarray, size: float, random: np.random.Generator) -> np.ndarray:
    """Add early echoes and a tail that decays exponentially; `size` is from 0 (close to the mouth) to 1 (a hall)."""
    seconds = 0.05 + 0.45 * size
    length = int(seconds * RATE)
    tail = random.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= np.sqrt(np.linspace(1, 0.2, length))
    tail[: int(0.002 * RATE)] = 0
    reply = tail * (0.25 * size / np.sqrt((tail**2).sum() + 1e-9))
    for delay in random.uniform(0.003, 0.03, 4):
        reply[min(length - 1, int(delay * RATE))] += random.uniform(-0.3, 0.3) * size
    reply[0] += 1
    total = len(sound) + length
    fast = fast_length(total)
    wet = np.fft.irfft(np.fft.rfft(sound, fast) * np.fft.rfft(reply, fast), fast)
    return wet[:total]


def with_noise(sound: np.ndarray, decibels: float, random: np.random.Generator) -> np.ndarray:
    """Add noise of a random colour, so that the sound's loudest tenth of a second is `decibels` above it."""
    slope = random.uniform(-0.5, 2)
    fast = fast_length(len(sound))
    spectrum = np.fft.rfft(random.standard_normal(fast))
    frequencies = np.maximum(np.fft.rfftfreq(fast, 1 / RATE), 40)
    noise = np.fft.irfft(spectrum * frequencies ** (-slope / 2), fast)[: len(sound)]
    if random.random() < 0.3:
        hum = random.choice([50.0, 60.0]) * np.arange(1, 6)[:, None]
        amounts = random.uniform(0, 1, (5, 1)) / np.arange(1, 6)[:, None]
        noise += noise.std() * (amounts * np.sin(2 * np.pi * hum * np.arange(len(sound)) / RATE)).sum(axis=0)
    energy = np.cumsum(sound**2)
    power = (energy[RATE // 10 :] - energy[: -(RATE // 10)]).max() / (RATE // 10)
    return sound + noise * np.sqrt(power / (noise**2).mean()) * 10 ** (-decibels / 20)


def recording(word: str, voice: Voice, random: np.random.Generator, difficulty: float) -> np.ndarray:
    """One recording, int16 at 16 kHz: an utterance, with silence before and after, in a room, with noise, at some loudness."""
    said = say(word, voice, random)
    before, behind = (int(RATE * random.uniform(0.0, 0.14)) for _ in range(2))
    if random.random() < 0.3 * difficulty:  # the button was pressed too late
        said, before = said[int(RATE * random.uniform(0.02, 0.06)) :], 0
    sound = np.pad(said, (before, behind)).astype(np.float64)
    room = min(1.0, voice.room * difficulty * random.uniform(0.3, 1.0))
    sound = in_a_room(sound, room, random)[: len(sound) + int(0.04 * RATE)]
    decibels = random.uniform(42 - 36 * difficulty, 46 - 10 * difficulty)
    sound = with_noise(sound, decibels, random)
    loudness = 10 ** (random.uniform(-16, -1) / 20)
    return np.int16(np.clip(32767 * loudness * sound / np.abs(sound).max(), -32768, 32767))


def fast_length(length: int) -> int:
    """The next length that a Fourier transform is fast at: a power of two, or three quarters of one."""
    power = 1 << (length - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= length else power
