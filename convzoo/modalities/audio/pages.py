"""How a page shows and plays audio, and the outputs of a network's first layer."""

import base64
import html
import io
import math
import wave
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Pages
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.audio.example import Audio
from convzoo.report.kit import grey, image_tag

LONGEST = 8.0
"""Seconds of a recording that a page holds."""
KERNELS = 32


class AudioPages(Pages):
    """Audio: spectrograms and players, and the filters of a network's first layer."""

    plural = "sounds"

    def picture(self, example: Audio) -> str:
        """A waveform, a spectrogram and a player that holds its own wav file."""
        samples, rate = example.read()
        samples = samples[: int(LONGEST * rate)]
        seconds = len(samples) / rate
        image = image_tag(
            _coloured(spectrogram(samples, rate)), 96, f"spectrogram: {seconds:.2f} s, 0 to {rate / 2:g} Hz"
        )
        return f"{_waveform(samples)}<br>{image}<br>{player(samples, rate)}"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
        """The first layer's kernels and feature maps: filters of a waveform, or patches of a spectrogram."""
        if not first_convolutions(model):
            return ""
        inputs = encoder.encode(list(examples[:1])).inputs
        if next(iter(inputs.values())).shape[1] == 1:
            return _explain_waveform(model, encoder, examples)
        return _explain_spectrogram(model, encoder, examples)


def player(samples: np.ndarray, rate: int) -> str:
    """An `audio` element with the recording inside, scaled so that the loudest samples of all recordings are equal."""
    if rate > 48_000:  # browsers play no higher rate, and nobody hears it
        import scipy.signal

        length = max(1, round(len(samples) * 16_000 / rate))
        samples, rate = scipy.signal.resample(samples, length), 16_000
    peak = float(np.abs(samples).max()) or 1.0
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples / peak * 29_000, dtype="<i2").tobytes())
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls preload="none" style="width:220px;height:30px" src="data:audio/wav;base64,{data}"></audio>'


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Decibels below the loudest, (frequencies, frames), the high frequencies first; frames of 25 ms every 5 ms or more."""
    window = max(16, round(0.025 * rate))
    hop = max(1, round(0.005 * rate), len(samples) // 500)
    padded = np.pad(samples, (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: len(samples) : hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return 10 * np.log10(power.T[::-1] / max(1e-20, float(power.max())) + 1e-7)


def _explain_waveform(model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
    name, layer = next(iter(first_convolutions(model).items()))
    rate = float(getattr(encoder, "sample_rate", 1.0))
    kernels = layer.weight.detach().mean(dim=1).double().numpy()  # (kernels, taps)
    responses = np.abs(np.fft.rfft(kernels, 512, axis=1))
    frequencies = np.fft.rfftfreq(512, 1 / rate)
    order = np.argsort(responses.argmax(axis=1), kind="stable")
    tiles = []
    for index in order[np.linspace(0, len(order) - 1, min(KERNELS, len(order))).astype(int)].tolist():
        peak = frequencies[responses[index].argmax()]
        tiles.append(
            f"<div style='display:inline-block;text-align:center' title='kernel {index}'>"
            f"{_line(kernels[index], around_zero=True)}<br>{_line(responses[index])}<br><small>{peak:,.0f} Hz</small></div>"
        )
    # A kernel's noise lies about 20 dB below its response.
    decibels = 20 * np.log10(np.maximum(responses[order] / responses[order].max(axis=1, keepdims=True), 0.1))
    milliseconds = 1000 * kernels.shape[1] / rate
    parts = [
        f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>Each is a filter of {kernels.shape[1]} samples "
        f"({milliseconds:.1f} ms): above, its waveform; below, its response to each frequency from 0 to "
        f"{rate / 2:,.0f} Hz, and the frequency of the largest response.</p><div class='tiles'>{''.join(tiles)}</div>",
        f"<h3>The filter bank</h3><p>One column for each kernel, ordered by the frequency of its largest response; "
        f"low frequencies below.</p>{image_tag(_coloured(decibels.T[::-1]), 160, 'frequency responses')}",
        "<h3>Feature maps</h3><p>The outputs of the filters for recordings of the test split: time to the right, one row for "
        "each kernel in the order above, the lowest frequency below.</p>",
    ]
    for example in list(examples)[:3]:
        maps = feature_maps(model, encoder.encode([example]).inputs, layer)[0].clamp(min=0).numpy()
        parts.append(_beside(example, maps[order[::-1]]))
    return "".join(parts)


def _explain_spectrogram(model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
    name, layer, weights = _kernels_over_bands(model)
    chosen = weights.flatten(1).norm(dim=1).topk(min(KERNELS, len(weights))).indices.tolist()
    tiles = [image_tag(grey(weights[index].flip(0).numpy()), 96, f"kernel {index}") for index in chosen]
    parts = [
        f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>Each tile is one kernel over mel bands (low ones below) and "
        f"{weights.shape[2]} frames: bright where it adds, dark where it subtracts. Its output is largest where the "
        f"spectrogram looks like the tile. Shown are the {len(chosen)} strongest of {len(weights)}.</p>"
        f"<div class='tiles'>{''.join(tiles)}</div>",
        "<h3>Feature maps</h3><p>The outputs of the kernels for recordings of the test split: the spectrogram that the network "
        "gets, then one row for each kernel, time to the right.</p>",
    ]
    for example in list(examples)[:3]:
        inputs = encoder.encode([example]).inputs
        maps = feature_maps(model, inputs, layer)[0].clamp(min=0).numpy()
        seen = next(iter(inputs.values()))[0].flip(0).numpy()
        parts.append(_beside(example, maps[chosen], seen))
    return "".join(parts)


def _kernels_over_bands(model: nn.Module) -> tuple[str, Any, Tensor]:
    """The first layer's name, the layer, and its kernels (kernels, bands, taps).

    If that layer treats each band separately and the next one mixes the bands, both together are one kernel over all bands.
    """
    name, first = next(iter(first_convolutions(model).items()))
    weight = first.weight.detach()
    if first.groups == 1:
        return name, first, weight
    convolutions = [(key, module) for key, module in model.named_modules() if isinstance(module, nn.Conv1d)]
    after = next((pair for pair in convolutions if pair[1] is not first), None)
    bands = first.in_channels
    if after is None or after[1].kernel_size != (1,) or after[1].groups != 1 or first.out_channels != bands:
        return name, first, weight.expand(-1, bands // first.groups, -1)
    mixing = after[1].weight.detach()[:, :, 0]  # (kernels, bands)
    return f"{name} and {after[0]}", after[1], mixing[:, :, None] * weight[None, :, 0, :]


def _beside(example: Audio, maps: np.ndarray, seen: np.ndarray | None = None) -> str:
    samples, rate = example.read()
    samples = samples[: int(LONGEST * rate)]
    name = html.escape(f"{example.label or ''} {example.source}")
    left = f"<div>{player(samples, rate)}<br><small>{name}</small></div>"
    shown = _coloured(seen) if seen is not None else _coloured(spectrogram(samples, rate))
    # Large outputs would hide the rest; a root makes the difference smaller.
    rows = np.sqrt(maps / (maps.max(axis=1, keepdims=True) + 1e-9))
    pictures = f"{image_tag(shown, 96, 'input')}<span>→</span>{image_tag(_coloured(rows), 128, 'maps')}"
    return f"<div class='tiles'>{left}{pictures}</div>"


def _coloured(values: np.ndarray) -> np.ndarray:
    """Numbers as colours, dark to bright, (height, width, 3); at most 250 columns, each the maximum of several."""
    import matplotlib

    step = math.ceil(values.shape[1] / 250)
    if step > 1:
        values = values[:, : values.shape[1] // step * step].reshape(len(values), -1, step).max(axis=2)
    span = float(values.max() - values.min()) or 1.0
    return np.uint8(255 * matplotlib.colormaps["magma"]((values - values.min()) / span)[..., :3])


def _waveform(samples: np.ndarray, width: int = 220, height: int = 44) -> str:
    """The lowest and the highest sample of each column, as an SVG area."""
    columns = np.array_split(samples, min(width, len(samples)))
    peak = float(np.abs(samples).max()) or 1.0
    across = np.linspace(0, width, len(columns))
    middle = height / 2
    high = [middle - middle * float(column.max()) / peak for column in columns]
    low = [middle - middle * float(column.min()) / peak for column in columns]
    points = [f"{x:.1f},{y:.1f}" for x, y in zip([*across, *across[::-1]], [*high, *low[::-1]], strict=True)]
    return f'<svg width="{width}" height="{height}"><polygon points="{" ".join(points)}" fill="#35618f" stroke="#35618f"/></svg>'


def _line(values: np.ndarray, around_zero: bool = False, width: int = 96, height: int = 36) -> str:
    """A curve as an SVG line."""
    peak = float(np.abs(values).max()) or 1.0
    scaled = 0.5 - 0.5 * values / peak if around_zero else 1 - values / peak
    points = " ".join(
        f"{x:.1f},{1 + (height - 2) * y:.1f}" for x, y in zip(np.linspace(0, width, len(values)), scaled, strict=True)
    )
    colour = "#35618f" if around_zero else "#b8561b"
    return f'<svg width="{width}" height="{height}"><polyline points="{points}" fill="none" stroke="{colour}"/></svg>'
