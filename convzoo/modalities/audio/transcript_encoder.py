"""Recordings of speech as log-mel spectrograms of their own length, with their transcripts as tokens."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import atomic_write
from convzoo.core.libraries import import_torchaudio
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.modalities.audio import augment as sound
from convzoo.modalities.audio.example import Audio
from convzoo.modalities.audio.formats import decoded, is_sound, sound_files, wave_header
from convzoo.modalities.audio.transcribed import Utterance, Writing, written
from convzoo.ops.moments import Moments
from convzoo.reading.arpa import NGrams

torchaudio = import_torchaudio()

BLANK = "<blank>"
"""The first token: nothing is said, or the token before goes on."""

_LEVEL = 0.05  # so low that speech, whose peaks are up to 20 times its mean, fits between -1 and 1
_FIT_ON = 1000  # recordings are enough for the mean of a band to a hundredth of its standard deviation
_FLOOR = 1e-5
_PIECE = 6000  # frames whose spectrum is computed at once: a minute
_STREAMED = 16  # frames of a stream that are given at once: the network computes a sixth of a second each time
_FEW_WORDS = 64
_OFTEN = 5


class Item(NamedTuple):
    """A prepared utterance.

    Attributes:
        samples: int16, (samples,)
        tokens: (tokens,), those of the transcript that the network can write
        transcript: as it is compared; None if it is not known
    """

    samples: Tensor
    tokens: Tensor
    transcript: str | None


class TranscribedAudioEncoder(Encoder):
    r"""Resample and mix to mono; then compute a log-mel spectrogram, $\log(10^{-5} + M |STFT(x)|^2)$, M being a bank of
    triangular filters on the mel scale. A transcript becomes tokens: characters, or whole words.

    Of each band of a recording its mean over the recording is subtracted, which takes out the microphone; or that over all
    training recordings, which a stream needs, whose end is not known. The band is divided by its deviation over training.

    In training, recordings are played faster and slower (Ko et al. 2015, isca-archive.org/interspeech_2015/ko15), mixed with
    noise, and stretches of bands and frames are masked (SpecAugment, Park et al. 2019, arXiv:1904.08779).

    Args:
        units: what the network writes: `characters`; `words`, which is for a small vocabulary, since other words than those of
            training cannot be written; `auto`: words, if training has at most 64 different ones, each 5 times as a mean or more
        writing: `plain` makes letters small and takes punctuation out of transcripts, `kept` leaves them
        normalisation: what is subtracted from a band: its mean over the `recording`, or over `training`; for the latter,
            recordings keep their loudness
        stride: frames for each output of the network
        sample_rate: samples a second; files of other rates are resampled
        mels: bands of the spectrogram
        frame_length: of the spectrogram's frames, in seconds
        hop: distance between the starts of two frames, in seconds
        min_frequency: the lowest frequency of the bands, in Hz
        speeds: a training recording is played at one of these speeds
        noise_probability: probability that a training recording is mixed with noise
        min_snr: the lowest signal-to-noise ratio, in decibels
        max_snr: the highest signal-to-noise ratio, in decibels
        noise_folder: a folder with recorded noises; by default noise is generated
        band_masks: how many stretches of bands are masked
        band_mask_width: the largest width of one, in bands
        frame_masks: how many stretches of frames are masked
        frame_mask_width: the largest width of one, in frames
    """

    example = Utterance
    streams = "stream"
    at_once = 1  # of recordings of very different lengths, most of a batch would be padding

    def __init__(
        self,
        units: Literal["auto", "characters", "words"] = "auto",
        writing: Writing = "plain",
        normalisation: Literal["recording", "training"] = "recording",
        stride: Positive = 2,
        sample_rate: Positive = 16_000,
        mels: Positive = 64,
        frame_length: PositiveFloat = 0.025,
        hop: PositiveFloat = 0.01,
        min_frequency: NonNegative = 20.0,
        speeds: list[PositiveFloat] = [1.0],  # noqa: B006 (read only)
        noise_probability: Fraction = 0.0,
        min_snr: float = 5.0,
        max_snr: float = 30.0,
        noise_folder: str | None = None,
        band_masks: Count = 0,
        band_mask_width: Positive = 8,
        frame_masks: Count = 0,
        frame_mask_width: Positive = 20,
    ) -> None:
        if not 1000 <= sample_rate <= 192_000:
            raise ValueError(f"sample_rate should be from 1000 to 192000 Hz, not {sample_rate}")
        if min_snr > max_snr:
            raise ValueError(f"min_snr ({min_snr:g} dB) should not be above max_snr ({max_snr:g} dB)")
        if round(frame_length * sample_rate) < 2 or round(hop * sample_rate) < 1:
            raise ValueError(
                f"frame_length and hop are in seconds: {frame_length:g} and {hop:g} are fewer than two samples and one sample"
            )
        if min_frequency >= sample_rate / 2:
            raise ValueError(
                f"min_frequency should be below half the sample rate ({sample_rate / 2:g} Hz), not {min_frequency:g}"
            )
        if not speeds or not all(0.5 <= speed <= 2 for speed in speeds):
            raise ValueError(f"speeds should be from 0.5 to 2, and at least one, not {speeds}")
        self.units = units
        self.writing: Writing = writing
        self.normalisation = normalisation
        self.stride = stride
        self.sample_rate = sample_rate
        self.mels = mels
        self.frame_length = frame_length
        self.hop = hop
        self.speeds = tuple(speeds)
        self.noise_probability = noise_probability
        self.min_snr = min_snr
        self.max_snr = max_snr
        self.noise_folder = noise_folder
        self.band_masks = band_masks
        self.band_mask_width = band_mask_width
        self.frame_masks = frame_masks
        self.frame_mask_width = frame_mask_width
        self.mean = torch.zeros(mels)
        self.deviation = torch.ones(mels)
        self._noises: list[Tensor] = []
        self._set_tokens([], spaced=True)
        self.grams = NGrams({})
        self._resample = sound.Resampling(sample_rate)
        frame = round(frame_length * sample_rate)
        self._samples_per_frame = round(hop * sample_rate)
        size = 1 << (frame - 1).bit_length()
        self._reach = size // 2
        self._spectrum = torchaudio.transforms.Spectrogram(
            size, frame, self._samples_per_frame, power=None, center=False
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchaudio warns of empty bands; here they are an error
            self._bands = torchaudio.transforms.MelScale(mels, sample_rate, min_frequency, n_stft=size // 2 + 1)
        if not self._bands.fb.sum(dim=0).gt(0).all():
            raise ValueError(
                f"{mels} mel bands are too many for frames of {frame_length:g} s at {sample_rate} Hz: some are empty; "
                "set mels lower or frame_length higher"
            )

    def _set_tokens(self, tokens: Sequence[str], spaced: bool) -> None:
        """The tokens besides the blank; `spaced` if they are words."""
        self.tokens = (BLANK, *tokens)
        self.spaced = spaced
        self._numbers = {token: number for number, token in enumerate(self.tokens) if number}

    def fit(self, examples: Sequence[Utterance]) -> None:
        """Learn the tokens, and the mean and deviation of each band.

        Raises:
            DataError: no training recording has a transcript, or a file is damaged.
        """
        texts = [written(example.transcript, self.writing) for example in examples if example.transcript is not None]
        words = Counter(word for text in texts for word in text.split())
        if not words:
            raise DataError("no recording of the training split has a transcript; fill the column of transcripts")
        few = len(words) <= _FEW_WORDS and words.total() >= _OFTEN * len(words)
        spaced = self.units == "words" or (self.units == "auto" and few)
        self._set_tokens(sorted(words if spaced else {letter for text in texts for letter in text}), spaced)
        self.grams = NGrams.learn(text.split() for text in texts)
        chosen = range(0, len(examples), max(1, len(examples) // _FIT_ON))
        found = Moments.of(self._of_fit(examples[index]) for index in chosen)
        self.mean = torch.from_numpy(found.mean).float()
        self.deviation = torch.from_numpy(found.deviation(1e-4)).float()

    def _of_fit(self, example: Utterance) -> np.ndarray:
        bands = self.features(self._waveform(example))
        return (bands - bands.mean(dim=1, keepdim=True) if self.normalisation == "recording" else bands).numpy()

    def _waveform(self, example: Utterance) -> Tensor:
        """Floats at the encoder's rate, of equal loudness where the mean of a recording is taken out."""
        samples, rate = example.read()
        waveform = self._resample(torch.from_numpy(samples), rate)
        if self.normalisation == "recording":
            waveform = waveform * (_LEVEL / waveform.square().mean().sqrt().clamp(min=1e-5))
        return waveform

    def prepare(self, example: Utterance) -> Item:
        """int16 samples, half the memory of floats, and the tokens of the transcript.

        Raises:
            DataError: the file is damaged, the transcript holds no word, or the recording is too short for it.
        """
        waveform = (self._waveform(example) * 32768).round_().clamp_(-32768, 32767).to(torch.int16)
        if example.transcript is None:
            return Item(waveform, torch.zeros(0, dtype=torch.int64), None)
        text = written(example.transcript, self.writing)
        if not text:
            raise DataError(f"{example.source}: the transcript {example.transcript!r} holds no word")
        tokens = [self._numbers[part] for part in self._cut(text) if part in self._numbers]
        needed = len(tokens) + sum(one == other for one, other in pairwise(tokens))
        outputs = self.outputs_of(len(waveform))
        if needed > outputs:
            seconds = len(waveform) / self.sample_rate
            raise DataError(
                f"{example.source}: {seconds:.2f} s of sound are {outputs} outputs of the network, and its transcript needs "
                f"{needed} ({len(text)} characters, {text[:40]!r}); is it the transcript of another recording? If not, set "
                "encoder.stride lower"
            )
        return Item(waveform, torch.tensor(tokens, dtype=torch.int64), text)

    def _cut(self, text: str) -> Sequence[str]:
        return text.split() if self.spaced else text

    def frames_of(self, samples: int) -> int:
        """How many frames a recording has."""
        return 1 + samples // self._samples_per_frame

    def outputs_of(self, samples: int) -> int:
        """How many outputs the network gives for a recording."""
        return -(-self.frames_of(samples) // self.stride)

    def collate(self, items: Sequence[Item], draws: Draws | None = None) -> Batch:
        """Augment with `draws`, compute spectrograms, normalise, and pad to the longest."""
        waveforms = [item.samples.float().div_(32768) for item in items]
        if draws is not None:
            waveforms = self._augment(waveforms, items, draws)
        frames = torch.tensor([self.frames_of(len(waveform)) for waveform in waveforms])
        bands = self.features(pad_sequence(waveforms, batch_first=True))
        values = self._normalised(bands, frames)
        if draws is not None and (self.band_masks or self.frame_masks):
            values = self._hide(values, frames, draws)
        tokens = [item.tokens for item in items]
        target: dict[str, Any] = {
            "tokens": pad_sequence(tokens, batch_first=True),
            "lengths": torch.tensor([len(each) for each in tokens]),
            "outputs": (frames + self.stride - 1).div(self.stride, rounding_mode="floor"),
        }
        if draws is None:
            target["references"] = [item.transcript for item in items]
        return Batch({"spectrogram": values, "frames": frames}, target, max(1, sum(map(len, tokens))))

    def features(self, waveforms: Tensor) -> Tensor:
        """(…, samples) to (…, mels, frames), not yet normalised. Frame k is around sample k · hop."""
        padded = torch.nn.functional.pad(waveforms, (self._reach, self._reach))
        return self.features_of_padded(padded, self.frames_of(waveforms.shape[-1]))

    def features_of_padded(self, padded: Tensor, frames: int) -> Tensor:
        """The features of the first frames of samples that begin half a window before the first frame's middle.

        Long recordings are computed in pieces, since a spectrum needs 25 times the memory of the features.
        """
        parts = []
        for first in range(0, frames, _PIECE):
            count = min(_PIECE, frames - first)
            start = first * self._samples_per_frame
            stop = start + (count - 1) * self._samples_per_frame + 2 * self._reach
            spectrum = self._spectrum(padded[..., start:stop])
            # torchaudio's own power takes a root and squares it again, which is a third of all the work.
            power = spectrum.real.square() + spectrum.imag.square()
            parts.append(self._bands(power).add_(_FLOOR).log_())
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _normalised(self, bands: Tensor, frames: Tensor) -> Tensor:
        """(batch, mels, frames) without the mean; frames that only pad are zero."""
        there = torch.arange(bands.shape[2]) < frames[:, None]
        if self.normalisation == "training":
            values = bands - self.mean[:, None]
        else:
            # Summed in double precision: the mean of a recording does not depend on how far its batch is padded.
            sums = bands.masked_fill(~there[:, None], 0.0).double().sum(dim=2)
            values = bands - (sums / frames[:, None]).float()[:, :, None]
        return values.div_(self.deviation[:, None]).masked_fill_(~there[:, None], 0.0)

    def _augment(self, waveforms: list[Tensor], items: Sequence[Item], draws: Draws) -> list[Tensor]:
        uniform = draws.uniform(0, 5)
        found = []
        for row, waveform in enumerate(waveforms):
            speed = self.speeds[int(uniform[row, 0] * len(self.speeds))]
            if speed != 1:
                faster = self._resample(waveform, round(self.sample_rate * speed))
                # Played too fast, a recording would have fewer outputs than its transcript has tokens.
                waveform = faster if self.outputs_of(len(faster)) > 2 * len(items[row].tokens) else waveform
            if uniform[row, 1] < self.noise_probability:
                self._noises = self._noises or self._noise_bank()
                noise = sound.stretches(
                    self._noises, uniform[row : row + 1, 2], uniform[row : row + 1, 3], len(waveform)
                )
                ratio = torch.tensor([self.min_snr + uniform[row, 4] * (self.max_snr - self.min_snr)]).float()
                waveform = sound.mix_at_ratio(waveform[None], noise, ratio)[0]
            found.append(waveform)
        return found

    def _noise_bank(self) -> list[Tensor]:
        if self.noise_folder is None:
            return list(sound.coloured_noises(32, 4 * self.sample_rate))
        files = sound_files(Path(self.noise_folder)) if Path(self.noise_folder).is_dir() else []
        if not files:
            raise DataError(f"encoder.noise_folder: {self.noise_folder}: has no audio file")
        return [self._resample(torch.from_numpy(samples), rate) for samples, rate in (Audio(f).read() for f in files)]

    def _hide(self, values: Tensor, frames: Tensor, draws: Draws) -> Tensor:
        for dimension, masks, most in (
            (1, self.band_masks, self.band_mask_width),
            (2, self.frame_masks, self.frame_mask_width),
        ):
            if masks:
                uniform = draws.uniform(dimension, 2 * masks)
                # A fifth of a recording at most: of a short command something is left.
                sizes = frames.numpy()[:, None] if dimension == 2 else np.full((len(values), 1), values.shape[1])
                largest = np.minimum(most, sizes // 5 if dimension == 2 else sizes)
                widths = np.floor(uniform[:, :masks] * (largest + 1)).astype(np.int64)
                starts = np.floor(uniform[:, masks:] * (sizes - widths + 1)).astype(np.int64)
                values = sound.hide_stretches(values, starts, widths, dimension)
        return values

    def holds(self, head: bytes) -> Literal["lines", "file", "stream"]:
        """An audio file, lines that name such files, or a raw stream. Where the end of a recording is not needed, a wav file is
        a stream, too: programs that record may write one."""
        if head.startswith(b"RIFF") and self.normalisation == "training":
            return "stream"
        if not head or is_sound(head):
            return "file" if head else "lines"
        try:
            first = head.decode("utf-8").splitlines()[0]
        except (UnicodeDecodeError, IndexError):
            return "stream"
        return "lines" if first.isprintable() else "stream"

    def from_content(self, content: bytes) -> list[Utterance]:
        """The recording that standard input holds."""
        samples, rate = decoded(content, "standard input")
        return [Utterance(samples=samples, rate=rate, source="standard input")]

    def stream(
        self, lines: Iterable[bytes], series: str = "", refused: Callable[[DataError], None] | None = None
    ) -> Iterator[Tensor]:
        """The features of a raw stream as it arrives: 16-bit samples, little-endian, mono, at the encoder's rate; or a wav file
        of such samples. Gives (mels, frames), each frame once.

        Raises:
            RecipeError: the mean of the whole recording is needed.
            DataError: a wav file has another rate or other samples.
        """
        if self.normalisation == "recording":
            raise RecipeError(
                "this run subtracts the mean of the whole recording, so it cannot write while it listens: train with "
                "encoder.normalisation=training model.padding=causal, or save the sound as a file and predict that"
            )
        rest, begun = b"", False
        samples = torch.zeros(self._reach)  # those of which not all frames are given yet; silence comes first
        count = given = 0
        for chunk in lines:
            rest += chunk
            if not begun:
                header = wave_header(rest, self.sample_rate)
                if header is None:
                    continue
                rest, begun = rest[header:], True
            whole = len(rest) // 2 * 2
            new = (
                torch.frombuffer(bytearray(rest[:whole]), dtype=torch.int16).float().div_(32768)
                if whole
                else torch.zeros(0)
            )
            rest, count = rest[whole:], count + len(new)
            samples = torch.cat([samples, new])
            ready = (len(samples) - 2 * self._reach) // self._samples_per_frame + 1
            if ready >= _STREAMED:
                yield self._stretch(samples, ready)
                given += ready
                samples = samples[ready * self._samples_per_frame :]
        left = self.frames_of(count) - given
        if count and left > 0:
            yield self._stretch(torch.cat([samples, torch.zeros(2 * self._reach)]), left)

    def _stretch(self, samples: Tensor, frames: int) -> Tensor:
        bands = self.features_of_padded(samples[None], frames)
        return self._normalised(bands, torch.tensor([frames]))[0]

    def survey(self, examples: Sequence[Utterance], items: Sequence[Item] | None) -> Survey:
        """How long recordings are, how many words they have, what cannot be written, and those that are silent."""
        seconds = [example.seconds() for example in examples]
        texts = [written(example.transcript, self.writing) for example in examples if example.transcript is not None]
        words = Counter(word for text in texts for word in text.split())
        facts = {
            "seconds": lengths_in_words(seconds),
            "words": f"{words.total():,}, {len(words):,} different",
            "tokens": f"{len(self.tokens) - 1:,} {'words' if self.spaced else 'characters'}",
            "audio": f"log-mel of {self.mels} bands at {self.sample_rate:,} Hz",
        }
        notes = []
        strange: dict[str, str] = {}
        for example in examples:
            text = written(example.transcript or "", self.writing)
            missing = [part for part in self._cut(text) if part not in self._numbers]
            if missing:
                strange[example.source] = missing[0]
        if strange:
            first, what = next(iter(strange.items()))
            notes.append(
                f"{len(strange):,} of {len(examples):,} transcripts hold {'words' if self.spaced else 'characters'} that "
                f"training lacks ({first}: {what!r}): they cannot be written, and count as errors"
            )
        silent = [
            example.source for example, item in zip(examples, items or (), strict=False) if not item.samples.any()
        ]
        if silent:
            notes.append(f"{some_of(silent, len(examples), 'recordings')} are silent")
        return Survey(facts, notes)

    def advice(self) -> str:
        """What the network writes, where that was chosen here."""
        if self.units != "auto":
            return ""
        count = len(self.tokens) - 1
        if self.spaced:
            return f"the network writes whole words ({count}), since training has few; encoder.units=characters writes letters"
        return f"the network writes characters ({count}); encoder.units=words is for small vocabularies"

    def write_files(
        self, path: Path, examples: Sequence[Utterance], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Subtitles of one recording (`.srt`), words with their times (`.ctm` of NIST's sctk), or a transcript a line (`.txt`).

        Raises:
            RecipeError: subtitles are asked for of several recordings.
        """
        kind = path.suffix.lower()
        if kind not in (".srt", ".ctm", ".txt"):
            return None
        if kind == ".srt" and len(examples) != 1:
            raise RecipeError(
                f"--out: {path}: subtitles are of one recording, and there are {len(examples)}; predict one at a time, or take "
                ".ctm, which names the recording of each word"
            )
        with atomic_write(path, "w") as file:
            for number, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
                words = prediction.get("words", ())
                if kind == ".txt":
                    file.write(f"{prediction['transcript']}\n")
                elif kind == ".srt":
                    file.write(subtitles(words))
                else:
                    name = "_".join(Path(example.source or f"recording{number}").stem.split())
                    for word in words:
                        last = word["end"] - word["start"]
                        file.write(
                            f"{name} 1 {word['start']:.3f} {last:.3f} {word['word']} {word['probability']:.4f}\n"
                        )
        return [path]

    def length(self, item: Item) -> int:
        """Frames of the recording."""
        return self.frames_of(len(item.samples))

    @property
    def dims(self) -> Mapping[str, Any]:
        """mels; tokens, the blank first; vocabulary_size, their number; spaced, whether they are words; stride, in frames; hop,
        in seconds; grams, an n-gram model of training's words; written, how a transcript is compared."""
        return {
            "mels": self.mels,
            "tokens": self.tokens,
            "vocabulary_size": len(self.tokens),
            "spaced": self.spaced,
            "stride": self.stride,
            "hop": self._samples_per_frame / self.sample_rate,
            "grams": self.grams,
            "written": lambda text: written(text, self.writing),
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The tokens."""
        return {"vocabulary_size": self.tokens}

    def keep(self, earlier: "TranscribedAudioEncoder", examples: Sequence[Utterance]) -> None:
        """Keep the earlier mean and deviation, if the bands are the same, and the earlier tokens before the new ones."""
        if len(earlier.mean) == len(self.mean):
            self.mean, self.deviation = earlier.mean, earlier.deviation
        if earlier.spaced == self.spaced:
            new = [token for token in self.tokens[1:] if token not in earlier._numbers]
            self._set_tokens([*earlier.tokens[1:], *new], self.spaced)

    def state(self) -> dict[str, Any]:
        """Mean, deviation, tokens and the n-grams of training."""
        return {
            "mean": self.mean,
            "deviation": self.deviation,
            "tokens": list(self.tokens[1:]),
            "spaced": self.spaced,
            "grams": [[list(words), *values] for words, values in self.grams.entries.items()],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.mean, self.deviation = state["mean"], state["deviation"]
        self._set_tokens(state["tokens"], state["spaced"])
        self.grams = NGrams({tuple(words): (score, weight) for words, score, weight in state["grams"]})


_LINE, _PAUSE, _LASTS = 42, 0.8, 6.0
"""Letters of a subtitle, the pause that ends one, and how long one lasts at most, in seconds."""


def subtitles(words: Sequence[Mapping[str, Any]]) -> str:
    """Words with their times as SubRip's subtitles: a new one after a pause, and where a line would be too long."""
    lines: list[list[Mapping[str, Any]]] = []
    for word in words:
        now = lines[-1] if lines else []
        letters = sum(len(each["word"]) + 1 for each in now) + len(word["word"])
        goes_on = now and word["start"] - now[-1]["end"] < _PAUSE and word["end"] - now[0]["start"] <= _LASTS
        if goes_on and letters <= _LINE:
            now.append(word)
        else:
            lines.append([word])
    return "".join(
        f"{number}\n{_clock(line[0]['start'])} --> {_clock(line[-1]['end'])}\n{' '.join(each['word'] for each in line)}\n\n"
        for number, line in enumerate(lines, 1)
    )


def _clock(seconds: float) -> str:
    """`00:01:02,345`."""
    whole = round(1000 * seconds)
    return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"
