"""Pure functions on batches of audio: lengths, shifts, noise, masks. Random numbers are arguments."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convzoo.core.libraries import import_torchaudio

torchaudio = import_torchaudio()


class Resampling:
    """Waveforms of any rate at one rate; the filters are kept.

    Args:
        sample_rate: the rate that waveforms get, in samples a second
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._filters: dict[int, Any] = {}

    def __call__(self, waveform: Float[Tensor, " samples"], rate: int) -> Float[Tensor, " resampled"]:
        """A waveform of another rate at this one."""
        if rate == self.sample_rate:
            return waveform
        common = math.gcd(rate, self.sample_rate)
        if max(rate, self.sample_rate) // common > 2000:
            # torchaudio keeps a filter for each phase: for rates with no common factor that is gigabytes.
            import scipy.signal

            length = max(1, round(len(waveform) * self.sample_rate / rate))
            return torch.from_numpy(scipy.signal.resample(waveform.numpy(), length).astype(np.float32))
        if rate not in self._filters:
            self._filters[rate] = torchaudio.transforms.Resample(rate, self.sample_rate)
        return self._filters[rate](waveform)


def loudest_stretch(samples: Float[Tensor, " samples"], length: int) -> Float[Tensor, " length"]:
    """The `length` samples in a row with the most energy; a shorter recording gets silence before and after."""
    missing = length - len(samples)
    if missing >= 0:
        return F.pad(samples, (missing // 2, missing - missing // 2))
    start = loudest_start(samples, length)
    return samples[start : start + length]


def loudest_start(samples: Float[Tensor, " samples"], length: int) -> int:
    """Where that stretch begins; below 0 if there is silence before a shorter recording."""
    missing = length - len(samples)
    if missing >= 0:
        return -(missing // 2)
    energy = F.pad(samples.double().square().cumsum(0), (1, 0))
    return int((energy[length:] - energy[:-length]).argmax())


def shift_in_time(waveforms: Float[Tensor, "batch samples"], offsets: np.ndarray) -> Float[Tensor, "batch samples"]:
    """Move each recording later (offset > 0) or earlier, in samples; the gap is filled with silence."""
    moved = torch.zeros_like(waveforms)
    length = waveforms.shape[1]
    # Copy one row at a time: an index for every sample would move eight times as many bytes.
    for row, offset in enumerate(offsets.tolist()):
        if offset >= 0:
            moved[row, offset:] = waveforms[row, : length - offset]
        else:
            moved[row, :offset] = waveforms[row, -offset:]
    return moved


def mix_at_ratio(
    waveforms: Float[Tensor, "batch samples"], noise: Float[Tensor, "batch samples"], decibels: Float[Tensor, " batch"]
) -> Float[Tensor, "batch samples"]:
    """Add noise so that the sound's power is `decibels` above the noise's; a silent sound or noise adds nothing."""
    signal = waveforms.square().mean(dim=1)
    power = noise.square().mean(dim=1)
    scale = torch.where(power > 0, signal / power.clamp(min=1e-20), 0.0).sqrt() * 10 ** (-decibels / 20)
    return waveforms + scale[:, None] * noise


def hide_stretches(
    spectrogram: Float[Tensor, "batch mels frames"], starts: np.ndarray, widths: np.ndarray, dimension: int
) -> Float[Tensor, "batch mels frames"]:
    """Set stretches of mel bands (dimension 1) or frames (2) to zero: SpecAugment's masks (Park et al. 2019, arXiv:1904.08779).

    Args:
        spectrogram: normalised, so that zero is the mean
        starts: (batch, masks), where each begins, in bands or frames
        widths: (batch, masks)
        dimension: 1 or 2
    """
    places = np.arange(spectrogram.shape[dimension])[None, None, :]
    inside = (places >= starts[..., None]) & (places < (starts + widths)[..., None])
    hidden = torch.from_numpy(inside.any(axis=1))
    return spectrogram.masked_fill(hidden[:, :, None] if dimension == 1 else hidden[:, None, :], 0.0)


def coloured_noises(count: int, length: int, seed: int = 0) -> Float[Tensor, "count length"]:
    """Noises from brown over pink and white to blue: power falls or rises with the frequency as $f^{-a}$, a from 2 to -1.

    Half of them swell and fade a few times a second, as voices and traffic do.
    """
    random = np.random.default_rng(seed)
    frequencies = np.maximum(np.fft.rfftfreq(length), 20 / length)
    rows = np.empty((count, length), dtype=np.float32)
    for index, slope in enumerate(np.linspace(2, -1, count)):
        spectrum = random.standard_normal((2, len(frequencies))) * frequencies ** (-slope / 2)
        spectrum[:, 0] = 0
        noise = np.fft.irfft(spectrum[0] + 1j * spectrum[1], length)
        if index % 2:
            slow = np.fft.rfft(random.standard_normal(length)) * (
                np.arange(len(frequencies)) < max(4, len(frequencies) / 1500)
            )
            swell = np.fft.irfft(slow, length)
            noise *= 0.3 + np.abs(swell) / (np.abs(swell).max() + 1e-12)
        rows[index] = noise / (noise.std() + 1e-12)
    return torch.from_numpy(rows)


def stretches(
    noises: Sequence[Tensor], which: np.ndarray, where: np.ndarray, length: int
) -> Float[Tensor, "batch length"]:
    """A stretch of a noise for each example; a noise that is shorter than the sound is repeated.

    Args:
        noises: each (samples,)
        which: (batch,) in [0, 1), chooses the noise
        where: (batch,) in [0, 1), chooses the place in it
        length: length of the stretches
    """
    rows = []
    for at, place in zip((which * len(noises)).astype(int).tolist(), where.tolist(), strict=True):
        noise = noises[at]
        noise = noise.repeat(math.ceil((length + 1) / len(noise))) if len(noise) <= length else noise
        start = int(place * (len(noise) - length))
        rows.append(noise[start : start + length])
    return torch.stack(rows)


def common_length(seconds: Sequence[float], part: float = 0.95) -> float:
    """The length in seconds that the given fraction of the recordings does not exceed, rounded up to a tenth."""
    return math.ceil(round(float(np.quantile(np.asarray(seconds), part)) * 10, 6)) / 10


def whole_numbers(uniform: np.ndarray, low: int, high: int) -> np.ndarray:
    """Uniform numbers in [0, 1) to whole numbers from low to high, both included."""
    return low + np.floor(uniform * (high - low + 1)).astype(np.int64)
