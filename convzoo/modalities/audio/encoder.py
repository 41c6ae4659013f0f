"""Audio as waveforms or log-mel spectrograms of one length."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.libraries import import_torchaudio
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.audio import augment as sound
from convzoo.modalities.audio.example import Audio
from convzoo.modalities.audio.formats import decoded, is_sound, sound_files
from convzoo.ops.moments import Moments

torchaudio = import_torchaudio()

_LEVEL = 0.05  # so low that speech, whose peaks are up to 20 times its mean, fits between -1 and 1
_FIT_ON = 1000  # recordings are enough for the mean of a band to a hundredth of its standard deviation


class AudioEncoder(Encoder):
    r"""Resample, mix to mono, and cut or pad to one length; then give the waveform, or its log-mel spectrogram.

    A longer recording keeps its loudest stretch; a shorter one gets silence before and after. The spectrogram is
    $\log(10^{-5} + M |STFT(x)|^2)$ with M a bank of triangular filters on the mel scale, and is computed for a whole batch at
    once; each band has mean 0 and deviation 1 over the training split. In training, recordings are shifted, made louder or
    quieter and mixed with noise, and stretches of bands and frames are masked (SpecAugment, Park et al. 2019, arXiv:1904.08779).

    Args:
        features: `waveform` gives the model `waveform` (batch, 1, samples), `log_mel` gives `spectrogram` (batch, mels, frames)
        sample_rate: samples a second; files of other rates are resampled
        seconds: length of every recording; by default the 95th percentile of the training recordings, rounded up to 0.1
        level: `equal` scales every recording to the same mean power, `kept` leaves it as it was recorded
        mels: bands of the spectrogram
        frame_length: of the spectrogram's frames, in seconds
        hop: distance between the starts of two frames, in seconds
        min_frequency: the lowest frequency of the bands, in Hz
        time_shift: the largest shift earlier or later, in seconds
        gain: the largest change of loudness up or down, in decibels
        noise_probability: probability that a training recording is mixed with noise
        min_snr: the lowest signal-to-noise ratio, in decibels
        max_snr: the highest signal-to-noise ratio, in decibels
        noise_folder: a folder with recorded noises (Speech Commands' `_background_noise_`); by default noise is generated
        band_masks: how many stretches of bands are masked
        band_mask_width: the largest width of one, in bands
        frame_masks: how many stretches of frames are masked
        frame_mask_width: the largest width of one, in frames
    """

    example = Audio

    def __init__(
        self,
        features: Literal["waveform", "log_mel"] = "log_mel",
        sample_rate: Positive = 16_000,
        seconds: PositiveFloat | None = None,
        level: Literal["equal", "kept"] = "equal",
        mels: Positive = 64,
        frame_length: PositiveFloat = 0.025,
        hop: PositiveFloat = 0.01,
        min_frequency: NonNegative = 20.0,
        time_shift: NonNegative = 0.0,
        gain: NonNegative = 0.0,
        noise_probability: Fraction = 0.0,
        min_snr: float = 0.0,
        max_snr: float = 25.0,
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
        if features == "waveform" and (band_masks or frame_masks):
            raise ValueError(
                "band_masks and frame_masks mask parts of spectrograms: set features=log_mel, or both to 0"
            )
        self.features = features
        self.sample_rate = sample_rate
        self.seconds = seconds
        self.level = level
        self.mels = mels
        self.frame_length = frame_length
        self.hop = hop
        self.min_frequency = min_frequency
        self.time_shift = time_shift
        self.gain = gain
        self.noise_probability = noise_probability
        self.min_snr = min_snr
        self.max_snr = max_snr
        self.noise_folder = noise_folder
        self.band_masks = band_masks
        self.band_mask_width = band_mask_width
        self.frame_masks = frame_masks
        self.frame_mask_width = frame_mask_width
        self.targets = Targets()
        self.mean = torch.zeros(1)
        self.deviation = torch.ones(1)
        self._resample = sound.Resampling(sample_rate)
        self._noises: list[Tensor] = []
        frame = round(frame_length * sample_rate)
        size = _next_power_of_two(frame)
        self._spectrum = torchaudio.transforms.Spectrogram(
            size, frame, round(hop * sample_rate), power=None, pad_mode="constant"
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchaudio warns of empty bands; here they are an error
            self._bands = torchaudio.transforms.MelScale(mels, sample_rate, min_frequency, n_stft=size // 2 + 1)
        if features == "log_mel" and not self._bands.fb.sum(dim=0).gt(0).all():
            raise ValueError(
                f"{mels} mel bands are too many for frames of {frame_length:g} s at {sample_rate} Hz: some are empty; "
                "set mels lower or frame_length higher"
            )

    def fit(self, examples: Sequence[Audio]) -> None:
        """Learn the labels, the length where it is not given, and the mean and deviation of the input.

        Raises:
            DataError: there are fewer than two classes or numbers, or a damaged file.
        """
        self.targets = Targets.of(example.label for example in examples)
        self.seconds = self.seconds or sound.common_length([example.seconds() for example in examples])
        chosen = range(0, len(examples), max(1, len(examples) // _FIT_ON))
        found = Moments.of(self._features(self._floats([self.prepare(examples[index])]))[0].numpy() for index in chosen)
        self.mean = torch.from_numpy(found.mean).float()
        self.deviation = torch.from_numpy(found.deviation(1e-4)).float()

    def prepare(self, example: Audio) -> tuple[Tensor, Target]:
        """int16 samples (samples,) of the common length and the target: half the memory of floats."""
        assert self.seconds is not None, "fit comes first"
        samples, rate = example.read()
        waveform = self._resample(torch.from_numpy(samples), rate)
        length = round(self.seconds * self.sample_rate)
        if self.level == "equal":
            inside = sound.loudest_stretch(waveform, min(length, len(waveform)))
            waveform = waveform * (_LEVEL / inside.square().mean().sqrt().clamp(min=1e-5))
        waveform = sound.loudest_stretch(waveform, length)
        label = self.targets.target(example.label, example.source or str(example.path))
        return (waveform * 32768).round_().clamp_(-32768, 32767).to(torch.int16), label

    def holds(self, head: bytes) -> Literal["lines", "file", "stream"]:
        """The content of an audio file, or lines that name such files."""
        return "file" if is_sound(head) else "lines"

    def from_content(self, content: bytes) -> list[Audio]:
        """The recording that standard input holds."""
        samples, rate = decoded(content, "standard input")
        return [Audio(samples=samples, rate=rate, source="standard input")]

    def heard(self, example: Audio) -> tuple[float, float]:
        """When the stretch begins and ends that the model gets, in seconds of the recording; what is outside of it is silence."""
        assert self.seconds is not None, "fit comes first"
        samples, rate = example.read()
        waveform = self._resample(torch.from_numpy(samples), rate)
        start = sound.loudest_start(waveform, round(self.seconds * self.sample_rate)) / self.sample_rate
        return start, start + self.seconds

    def survey(self, examples: Sequence[Audio], items: Sequence[tuple[Tensor, Target]] | None) -> Survey:
        """How long recordings are, how many are cut, and those that are silent or shorter than a frame."""
        assert self.seconds is not None, "fit comes first"
        seconds = [example.seconds() for example in examples]
        cut = sum(length > self.seconds + 1e-3 for length in seconds)
        facts = {
            "seconds": lengths_in_words(seconds, cut),
            "audio": f"{self.features} of {self.seconds:g} s at {self.sample_rate:,} Hz",
        }
        names = [example.source or str(example.path or "") for example in examples]
        short = [name for name, length in zip(names, seconds, strict=True) if length < self.frame_length]
        notes = []
        if short:
            shown = some_of(short, len(names), "recordings")
            notes.append(f"{shown} are shorter than one frame ({self.frame_length:g} s): too short to hear anything in")
        if items is None:
            return Survey(facts, notes)
        silent = [name for name, (samples, _) in zip(names, items, strict=True) if not samples.any()]
        return Survey(facts, [*notes, *([f"{some_of(silent, len(items), 'recordings')} are silent"] if silent else [])])

    def collate(self, items: Sequence[tuple[Tensor, Target]], draws: Draws | None = None) -> Batch:
        """Stack, augment with `draws`, compute spectrograms if asked for, normalise."""
        waveforms = self._floats(items)
        if draws is not None:
            waveforms = self._augment(waveforms, draws)
        values = self._features(waveforms)
        values = values.sub_(self.mean[:, None]).div_(self.deviation[:, None])
        if draws is not None and (self.band_masks or self.frame_masks):
            values = self._hide(values, draws)
        name = "spectrogram" if self.features == "log_mel" else "waveform"
        return Batch({name: values}, torch.tensor([label for _, label in items]), len(items))

    def _floats(self, items: Sequence[tuple[Tensor, Target]]) -> Tensor:
        return torch.stack([samples for samples, _ in items]).float().div_(32768)

    def _features(self, waveforms: Tensor) -> Tensor:
        """(batch, samples) to (batch, 1, samples) or (batch, mels, frames), not yet normalised."""
        if self.features == "waveform":
            return waveforms.unsqueeze(1)
        spectrum = self._spectrum(waveforms)
        # torchaudio's own power takes a root and squares it again, which is a third of all the work.
        power = spectrum.real.square() + spectrum.imag.square()
        return self._bands(power).add_(1e-5).log_()

    def _augment(self, waveforms: Tensor, draws: Draws) -> Tensor:
        uniform = draws.uniform(0, 6)
        length = waveforms.shape[1]
        if self.time_shift:
            most = min(round(self.time_shift * self.sample_rate), length - 1)
            waveforms = sound.shift_in_time(waveforms, sound.whole_numbers(uniform[:, 0], -most, most))
        if self.gain:
            factor = 10 ** ((2 * uniform[:, 1] - 1) * self.gain / 20)
            waveforms = waveforms * torch.from_numpy(factor).float()[:, None]
        if self.noise_probability:
            self._noises = self._noises or self._noise_bank(length)
            noise = sound.stretches(self._noises, uniform[:, 2], uniform[:, 3], length)
            span = self.max_snr - self.min_snr
            ratio = torch.from_numpy(self.min_snr + uniform[:, 4] * span).float()
            # No noise is the same as an infinite signal-to-noise ratio.
            ratio = ratio.masked_fill(torch.from_numpy(uniform[:, 5] >= self.noise_probability), float("inf"))
            waveforms = sound.mix_at_ratio(waveforms, noise, ratio)
        return waveforms

    def _noise_bank(self, length: int) -> list[Tensor]:
        if self.noise_folder is None:
            return list(sound.coloured_noises(32, 2 * length))
        files = sound_files(Path(self.noise_folder)) if Path(self.noise_folder).is_dir() else []
        if not files:
            raise DataError(f"encoder.noise_folder: {self.noise_folder}: has no audio file")
        return [self._resample(torch.from_numpy(samples), rate) for samples, rate in (Audio(f).read() for f in files)]

    def _hide(self, values: Tensor, draws: Draws) -> Tensor:
        for dimension, masks, most in (
            (1, self.band_masks, self.band_mask_width),
            (2, self.frame_masks, self.frame_mask_width),
        ):
            if masks:
                uniform = draws.uniform(dimension, 2 * masks)
                size = values.shape[dimension]
                widths = sound.whole_numbers(uniform[:, :masks], 0, min(most, size))
                starts = np.floor(uniform[:, masks:] * (size - widths + 1)).astype(np.int64)
                values = sound.hide_stretches(values, starts, widths, dimension)
        return values

    @property
    def dims(self) -> Mapping[str, Any]:
        """Those of the labels; in_channels of a waveform, or mels of a spectrogram."""
        size = {"in_channels": 1} if self.features == "waveform" else {"mels": self.mels}
        return {**size, **self.targets.dims}

    def keep(self, earlier: "AudioEncoder", examples: Sequence[Audio]) -> None:
        """Keep the earlier mean and deviation, if the bands are the same."""
        if len(earlier.mean) == len(self.mean):
            self.mean, self.deviation = earlier.mean, earlier.deviation

    def state(self) -> dict[str, Any]:
        """Length, mean, deviation and labels."""
        return {
            "seconds": self.seconds,
            "mean": self.mean,
            "deviation": self.deviation,
            **self.targets.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.seconds = state["seconds"]
        self.mean, self.deviation = state["mean"], state["deviation"]
        self.targets = Targets.from_state(state)


def _next_power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
