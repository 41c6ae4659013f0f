"""How a page shows and plays audio, when in a recording the network's answer was made, and the outputs of its first layer."""

import base64
import io
import math
import wave
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.audio.encoder import AudioEncoder
from convzoo.modalities.audio.example import Audio
from convzoo.report import kit

LONGEST = 8.0
"""Seconds of a recording that a page plays."""
KERNELS = 16
SLICES = 24
"""Into so many pieces the stretch that the network gets is divided; two neighbours at a time are silenced."""
BANDS = 4
"""Into as many parts of the same size recordings are divided by their length and loudness."""
MOST_READ = 2000
MOST_SECONDS = 7200.0
"""At most so many test recordings, and so many seconds of them, are read to know how loud they are."""
PLAYED_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000)
"""Samples a second that MP3 knows; nobody needs higher ones to hear what is said."""


class AudioPages(Pages):
    """Audio: spectrograms with the moments that made the answer, players, and the filters of a network's first layer."""

    plural = "recordings"

    def picture(self, example: Audio) -> str:
        """A spectrogram and a player that holds its own file."""
        samples, rate = example.read()
        shown = Shown.of(samples, rate, None, rate / 2)
        return f'<div class="pic">{shown.html()}</div><div class="under">{shown.player()}</div>'

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """A spectrogram, below it how much the answer changes if each short stretch is silenced, and a player."""
        example, encoder = material.examples[int(row["index"])], material.encoder
        if not isinstance(encoder, AudioEncoder):
            return self.picture(example)
        samples, rate = example.read()
        heard = encoder.heard(example)
        shown = Shown.of(samples, rate, heard, min(rate, encoder.sample_rate) / 2)
        found = silenced(task, material.model, encoder, example, row)
        drawn, words = "", ""
        if found is not None:
            drawn, words = _changes(found, heard[0], shown.scale), f"<p>{_in_words(found, heard[0])}</p>"
        return f'<div class="pic">{shown.html(drawn)}</div><div class="under">{words}{shown.player()}</div>'

    def legend(self, task: Task, material: Material) -> str:
        """What the pictures show."""
        encoder = material.encoder
        if not isinstance(encoder, AudioEncoder) or not encoder.seconds:
            return ""
        wide = 2 * encoder.seconds / SLICES
        numbers = any("value" in row for row in material.predictions)
        up = "up: makes the number larger" if numbers else "up: speaks for the answer"
        down = f"down, not filled: {'makes it smaller' if numbers else 'speaks against it'}"
        signs = [
            (_sign('<rect class="p" x="2" y="4" width="30" height="14"/>'), up),
            (_sign('<rect class="m" x="2" y="4" width="30" height="14"/>'), down),
        ]
        if any(example.seconds() > encoder.seconds for example in material.examples[:400]):
            signs.append(
                (
                    '<svg width="34" height="22" aria-hidden="true"><rect width="34" height="22" fill="var(--night)"/>'
                    '<path d="M17 0V22" fill="none" stroke="#eef2f7" stroke-width="1.5" stroke-dasharray="5 4"/></svg>',
                    f"outside of these lines it hears nothing: it gets the loudest {_seconds(encoder.seconds)}",
                )
            )
        return (
            "<p>Each picture is a test recording: time to the right, low sounds below, high ones above, the brighter the "
            "louder. Under "
            f"it, when the answer was made: every stretch of {_seconds(wide)} was silenced once, and the answer compared. A "
            "bar is as "
            "high as the change; in each picture the strongest fills the height.</p>" + kit.key(signs)
        )

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By group, length and loudness."""
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        groups = kit.hardest([example.group for example in examples], [_mistake(row) for row in material.predictions])
        found = [
            Slices(
                "group",
                "Recordings of one group, often a speaker, are all in one split. The hardest come first; of many groups some "
                "look hard "
                "by chance: look at the interval.",
                groups,
            )
        ]
        hears = getattr(material.encoder, "seconds", None)
        about = "How long a recording is" + (f"; the network hears at most {_seconds(hears)} of it." if hears else ".")
        lengths = [round(example.seconds(), 2) for example in examples]
        found.append(Slices("length", about, kit.bands(lengths, BANDS, "s")))
        levels, read = _levels(examples, lengths)
        about = (
            "The mean power of a recording, in decibels below the largest that a file can hold; the loudest come first."
        )
        if read < len(examples):
            about += f" Measured in {read:,} of the {len(examples):,} test recordings."
        found.append(Slices("loudness", about, kit.bands(levels, BANDS, "dB below")))
        return found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The receptive field as a stretch of the spectrogram of a test recording, over the frequencies."""
        encoder = material.encoder
        if sees is None or not len(material.examples) or not isinstance(encoder, AudioEncoder) or not encoder.seconds:
            return ""
        example = _of_middle_length(material.examples)
        waveform = encoder.collate([encoder.prepare(example)])
        item, _ = encoder.prepare(example)
        samples, rate = item.numpy().astype(np.float32) / 32768, encoder.sample_rate
        steps = [
            ("one answer of the first layer", _first_field(material.model)),
            ("the layer that sees farthest", sees),
        ]
        bands = next(iter(waveform.inputs.values())).shape[1]
        spans, lines = [], []
        for name, field in steps:
            if not field:
                continue
            wide = _width(encoder, field[-1])
            high = field[0] / bands if len(field) == 2 else 1.0
            whole = wide >= encoder.seconds
            unit = "samples" if encoder.features == "waveform" else "frames"
            how = "the whole stretch" if whole else f"{_seconds(wide)} ({field[-1]:,} {unit})"
            freq = "every frequency" if high >= 1 else f"{field[0]} of {bands} mel bands"
            lines.append(f"<li>{name}: {how}, {freq}</li>")
            spans.append((min(wide / encoder.seconds, 1.0), min(high, 1.0)))
        loudest = float(np.argmax(np.convolve(samples**2, np.ones(max(1, rate // 50)), "same"))) / max(len(samples), 1)
        boxes, marks = "", ""
        for number, (wide, high) in enumerate(spans, 1):
            left = min(max(loudest - wide / 2, 0.0), 1 - wide)
            inset = 3.0 * (len(spans) - number)
            boxes += (
                f'<rect class="rf" x="{100 * left:.2f}" y="{50 - 50 * high + inset:.2f}" width="{100 * wide:.2f}" '
                f'height="{100 * high - 2 * inset:.2f}"/>'
            )
            place = left + wide / 2 if number < len(spans) or wide < 0.2 else left + wide - 0.04
            marks += (
                f'<span class="mark" style="top:{1.7 * number - 1.4:.1f}rem;left:{100 * min(max(place, 0.03), 0.97):.2f}%" '
                f'aria-hidden="true">{number}</span>'
            )
        picture = kit.image(
            kit.warm(_thinned(spectrogram(samples, rate))), f"spectrogram of a test recording, {_seconds(encoder.seconds)}",
            most=640, smooth=True, quality=75,
        )  # fmt: skip
        scale = kit.Scale(0.0, encoder.seconds)
        farther = all(wide < 1 for wide, _ in spans)
        apart = "<p>What lies farther apart meets only in the pooling over the whole stretch.</p>" if farther else ""
        return (
            f"<p>A test recording as the network gets it: {_seconds(encoder.seconds)}, 0 to {_hertz(rate / 2)}. The boxes are "
            "what one "
            f'value depends on:</p><ol class="prose">{"".join(lines)}</ol>'
            f'<div class="shot stripe">{picture}<svg viewBox="0 0 100 100" preserveAspectRatio="none" '
            f'aria-hidden="true">{boxes}</svg>'
            f"{marks}</div>{_clock(scale)}{apart}"
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
        """The first layer's kernels and feature maps: filters of a waveform, or patches of a spectrogram."""
        if not first_convolutions(model):
            return ""
        inputs = encoder.encode(list(examples[:1])).inputs
        if next(iter(inputs.values())).shape[1] == 1:
            return _explain_waveform(model, encoder, examples)
        return _explain_spectrogram(model, encoder, examples)

    def data(self, material: Material) -> str:
        """How long the test recordings are."""
        lengths = [example.seconds() for example in material.examples]
        if len(lengths) < 2:
            return ""
        middle = float(np.median(lengths))
        hears = getattr(material.encoder, "seconds", None)
        more = ""
        if hears:
            cut = sum(length > hears + 1e-3 for length in lengths)
            more = f" The network hears at most {_seconds(hears)}: of {cut:,} it misses something." if cut else (
                f" The network hears {_seconds(hears)}: all of each."
            )  # fmt: skip
        return (
            f"<h3>Lengths</h3><p>The {len(lengths):,} test recordings last {_seconds(min(lengths))} to "
            f"{_seconds(max(lengths))}, half "
            f"of them {_seconds(middle)} or less.{more}</p>"
            + kit.histogram(
                lengths, f"How many test recordings have which length, in seconds; half have {middle:.3g} or less"
            )
            + '<p class="small">seconds</p>'
        )


@dataclass(frozen=True)
class Shown:
    """The part of a recording that a card shows and plays.

    Attributes:
        samples: of that part
        rate: samples a second
        scale: from its first to its last second, counted in the recording
        whole: length of the recording in seconds
        heard: what the network gets, in seconds of the recording; None: everything
        top: the highest frequency that is shown, in Hz
    """

    samples: np.ndarray
    rate: int
    scale: kit.Scale
    whole: float
    heard: tuple[float, float] | None
    top: float

    @classmethod
    def of(cls, samples: np.ndarray, rate: int, heard: tuple[float, float] | None, top: float) -> "Shown":
        """A short recording is shown wholly; of a long one what the network gets, and what is around it."""
        whole = len(samples) / rate
        first, last = heard or (0.0, LONGEST)
        first, last = max(first, 0.0), min(last, whole)
        if whole <= LONGEST:
            first, last = 0.0, whole
        elif last - first < LONGEST:
            first = min(max((first + last - LONGEST) / 2, 0.0), whole - LONGEST)
            last = first + LONGEST
        part = samples[int(first * rate) : max(int(last * rate), int(first * rate) + 1)]
        return cls(part, rate, kit.Scale(first, max(last, first + 1e-6)), whole, heard, top)

    def html(self, below: str = "") -> str:
        """The spectrogram with what the network does not hear dimmed, HTML below it, and the seconds."""
        limit = f"0 to {_hertz(self.top)}"
        values = spectrogram(self.samples, self.rate)
        rows = max(2, round(len(values) * min(1.0, 2 * self.top / self.rate)))
        picture = kit.image(
            kit.warm(_thinned(values[-rows:])),
            f"spectrogram, {_seconds(self.whole)}, {limit}",
            most=400,
            smooth=True,
            quality=70,
        )
        return (
            f'<div class="shot stripe">{picture}{self._edges()}<span '
            f'class="cap">{limit}</span></div>{below}{_clock(self.scale)}'
        )

    def _edges(self) -> str:
        if self.heard is None:
            return ""
        left, right = (self.scale.place(end) for end in self.heard)
        parts = ""
        if left > 0.2:
            parts += f'<rect class="deaf" x="0" y="0" width="{left:.2f}" height="100"/><path class="edge" d="M{left:.2f} 0V100"/>'
        if right < 99.8:
            parts += (
                f'<rect class="deaf" x="{right:.2f}" y="0" width="{100 - right:.2f}" height="100"/>'
                f'<path class="edge" d="M{right:.2f} 0V100"/>'
            )
        if not parts:
            return ""
        words = f"the network hears {max(self.heard[0], 0):.2f} to {min(self.heard[1], self.whole):.2f} s"
        return f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{words}">{parts}</svg>'

    def player(self) -> str:
        """An `audio` element with at most `LONGEST` seconds."""
        part = self.samples[: int(LONGEST * self.rate)]
        longer = self.whole > len(part) / self.rate + 0.01
        words = f"<small>plays {_seconds(len(part) / self.rate)} of {_seconds(self.whole)}</small>" if longer else ""
        return player(part, self.rate) + words


@dataclass(frozen=True)
class Change:
    """What the network says if a stretch is silenced.

    Attributes:
        start, end: of the stretch, in seconds of what the network gets
        before: the probability of its answer, or the number that it says, with everything
        after: the same without this stretch
        label: what it says without this stretch; empty for numbers
        said: what it says with everything; empty for numbers
    """

    start: float
    end: float
    before: float
    after: float
    label: str
    said: str


def silenced(
    task: Task, model: nn.Module, encoder: AudioEncoder, example: Audio, row: Mapping[str, Any]
) -> list[Change] | None:
    """What becomes of an answer if each short stretch of a recording is silenced; None where it has no probability and no number.

    Args:
        row: of the predictions, with the answer
    """
    samples, label = encoder.prepare(example)
    edges = np.linspace(0, len(samples), min(SLICES, len(samples)) + 1).astype(int)
    spans = [(int(edges[at]), int(edges[at + 2])) for at in range(len(edges) - 2)]
    items = [(samples, label)]
    for start, end in spans:
        without = samples.clone()
        without[start:end] = 0
        items.append((without, label))
    with torch.no_grad():
        found = task.decode(task.predict(model.eval(), encoder.collate(items)))
    if len(found) != len(items):
        return None
    said = ""
    if isinstance(found[0].get("probabilities"), Mapping):
        chances = found[0]["probabilities"]
        said = str(row["label"]) if row.get("label") in chances else max(chances, key=lambda name: chances[name])
        values = [float(each["probabilities"][said]) for each in found]
    elif isinstance(found[0].get("value"), int | float):
        values = [float(each["value"]) for each in found]
    else:
        return None
    rate = encoder.sample_rate
    return [
        Change(start / rate, end / rate, values[0], value, str(each.get("label", "")), said)
        for (start, end), value, each in zip(spans, values[1:], found[1:], strict=True)
    ]


def _changes(found: Sequence[Change], offset: float, scale: kit.Scale) -> str:
    """The changes as bars over the seconds of the recording."""
    drops = [change.before - change.after for change in found]
    # Changes below a point of a probability are not blown up.
    least = 0.01 if found and found[0].said else 1e-9
    top, bottom = max([*drops, 0.0]), -min([*drops, 0.0])
    span = max(top + bottom, least)
    zero = 4 + 92 * max(top, least - bottom) / max(span, least)
    bars = ""
    for change, drop in zip(found, drops, strict=True):
        # Stretches overlap by half: the bar stands at the middle of its own.
        quarter = (change.end - change.start) / 4
        left, right = scale.place(offset + change.start + quarter), scale.place(offset + change.end - quarter)
        high = 92 * abs(drop) / span
        if right - left < 0.05 or high < 1:
            continue
        gap = (right - left) * 0.12
        y = zero - high if drop > 0 else zero
        bars += (
            f'<rect class="{"p" if drop > 0 else "m"}" x="{left + gap:.2f}" y="{y:.1f}" width="{right - left - 2 * gap:.2f}" '
            f'height="{high:.1f}"/>'
        )
    words = kit.text(_plain(found, offset))
    return (
        f'<svg class="when" viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{words}">'
        f'<path class="z" d="M0 {zero:.1f}H100"/>{bars}</svg>'
    )


def _plain(found: Sequence[Change], offset: float) -> str:
    """The strongest change as text."""
    if not found:
        return "too short to be divided"
    best = max(found, key=lambda change: abs(change.before - change.after))
    if best.said and abs(best.before - best.after) < 0.01:
        return f"No stretch of {_seconds(best.end - best.start)} alone changes its probability by a point."
    when = f"{max(offset + best.start, 0):.2f} to {offset + best.end:.2f} s"
    if not best.said:
        return f"Without {when} it says {kit.as_number(best.after)} instead of {kit.as_number(best.before)}."
    other = f", and says {best.label}" if best.label and best.label != best.said else ""
    return (
        f"Without {when} it is {kit.as_percent(best.after)} sure of {best.said} instead of "
        f"{kit.as_percent(best.before)}{other}."
    )


def _in_words(found: Sequence[Change], offset: float) -> str:
    return kit.text(_plain(found, offset))


def player(samples: np.ndarray, rate: int) -> str:
    """An `audio` element with the recording inside, scaled so that the loudest samples of all recordings are equal.

    The recording is MP3, a tenth of the size of its samples; a wav file where the installed libsndfile writes none.
    """
    if rate not in PLAYED_RATES:
        import scipy.signal

        wanted = 24_000 if rate > 24_000 else 16_000
        samples, rate = scipy.signal.resample(samples, max(1, round(len(samples) * wanted / rate))), wanted
    peak = float(np.abs(samples).max()) or 1.0
    scaled = np.asarray(samples / peak * 0.88, dtype=np.float32)
    kind, data = "mpeg", _mp3(scaled, rate)
    if data is None:
        kind, data = "wav", _wav(scaled, rate)
    address = f"data:audio/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<audio controls preload="none" aria-label="the recording" src="{address}"></audio>'


def _mp3(samples: np.ndarray, rate: int) -> bytes | None:
    try:
        import soundfile
    except (ImportError, OSError):
        return None
    if "MP3" not in soundfile.available_formats():
        return None
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="MP3")
    return buffer.getvalue()


def _wav(samples: np.ndarray, rate: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples * 32767, dtype="<i2").tobytes())
    return buffer.getvalue()


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Decibels below the loudest, (frequencies, frames), the high frequencies first; frames of 25 ms every 5 ms or more."""
    window = max(16, round(0.025 * rate))
    hop = max(1, round(0.005 * rate), len(samples) // 500)
    padded = np.pad(samples, (window // 2, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[: len(samples) : hop] * np.hanning(window)
    power = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    return 10 * np.log10(power.T[::-1] / max(1e-20, float(power.max())) + 1e-7)


# Slices


def _mistake(row: Mapping[str, Any]) -> float:
    """How wrong an answer is, to order groups; 0 where nobody knows."""
    if row.get("true_label") and row.get("label"):
        return float(row["true_label"] != row["label"])
    true, value = row.get("true_value"), row.get("value")
    if isinstance(true, int | float) and isinstance(value, int | float):
        return abs(value - true)
    return 0.0


def _levels(examples: Sequence[Audio], lengths: Sequence[float]) -> tuple[list[float], int]:
    """The mean power of recordings in decibels below the largest, NaN for those that were not read, and how many were."""
    mean = max(float(np.mean(lengths)) if len(lengths) else 0.0, 1e-3)
    most = max(1, min(MOST_READ, int(MOST_SECONDS / mean)))
    chosen = np.unique(np.linspace(0, len(examples) - 1, min(len(examples), most)).astype(int)).tolist()
    found = [math.nan] * len(examples)
    for at in chosen:
        samples, _ = examples[at].read()
        found[at] = float(round(-10 * math.log10(float(np.mean(samples.astype(np.float64) ** 2)) + 1e-12)))
    return found, len(chosen)


# Pictures


def _seconds(value: float) -> str:
    """`0.8 s`, `2 min 5 s`."""
    if value >= 120:
        return f"{int(value // 60)} min {int(value % 60)} s"
    return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"


def _hertz(value: float) -> str:
    return f"{value / 1000:g} kHz" if value >= 1000 else f"{value:g} Hz"


def _sign(shape: str) -> str:
    return f'<svg class="when" style="width:34px;height:22px" width="34" height="22" aria-hidden="true">{shape}</svg>'


def _clock(scale: kit.Scale) -> str:
    """The seconds below a picture that is as wide as the scale."""
    words = []
    for tick in scale.ticks(4):
        place = scale.place(tick)
        side = "start" if place < 4 else "end" if place > 92 else ""
        words.append(
            f'<span class="{side}" style="left:{place:.2f}%">{kit.as_number(0.0 if abs(tick) < 1e-9 else tick)} s</span>'
        )
    return f'<div class="clock" aria-hidden="true">{"".join(words)}</div>'


def _thinned(values: np.ndarray, columns: int = 400, rows: int = 128) -> np.ndarray:
    """At most so many columns and rows, each the maximum of several."""
    for axis, most in ((1, columns), (0, rows)):
        step = math.ceil(values.shape[axis] / most)
        if step > 1:
            edges = np.arange(0, values.shape[axis], step)
            values = np.maximum.reduceat(values, edges, axis=axis)
    return values


def _of_middle_length(examples: Sequence[Audio]) -> Audio:
    few = [examples[at] for at in range(min(200, len(examples)))]
    return sorted(few, key=lambda each: each.seconds())[len(few) // 2]


def _first_field(model: nn.Module) -> tuple[int, ...]:
    """How much one output of the first convolution depends on, along its axes; empty without one."""
    layers = first_convolutions(model)
    if not layers:
        return ()
    layer = max(layers.values(), key=lambda each: each.kernel_size)
    return tuple((size - 1) * apart + 1 for size, apart in zip(layer.kernel_size, layer.dilation, strict=True))


def _width(encoder: AudioEncoder, positions: int) -> float:
    """So many samples or frames in seconds."""
    if encoder.features == "waveform":
        return positions / encoder.sample_rate
    return (positions - 1) * encoder.hop + encoder.frame_length


# The first layer


def _explain_waveform(model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
    name, layer = next(iter(first_convolutions(model).items()))
    rate = float(getattr(encoder, "sample_rate", 1.0))
    kernels = layer.weight.detach().mean(dim=1).double().numpy()  # (kernels, taps)
    responses = np.abs(np.fft.rfft(kernels, 512, axis=1))
    frequencies = np.fft.rfftfreq(512, 1 / rate)
    order = np.argsort(responses.argmax(axis=1), kind="stable")
    tiles = []
    for index in order[np.linspace(0, len(order) - 1, min(KERNELS, len(order))).astype(int)].tolist():
        peak = f"{frequencies[responses[index].argmax()]:,.0f} Hz"
        drawn = _line(kernels[index], f"waveform of kernel {index}", True) + _line(
            responses[index], f"answers most to {peak}"
        )
        tiles.append((drawn, f"kernel {index}: {peak}"))
    # A kernel's noise lies about 20 dB below its response.
    decibels = 20 * np.log10(np.maximum(responses[order] / responses[order].max(axis=1, keepdims=True), 0.1))
    milliseconds = 1000 * kernels.shape[1] / rate
    which = f"all {len(order)}" if len(order) <= KERNELS else f"{KERNELS} of {len(order)}, evenly chosen by frequency"
    parts = [
        f"<h3>First-layer kernels</h3><p>Each kernel of {kit.code(name)} is a filter of {kernels.shape[1]} samples "
        f"({milliseconds:.1f} ms), {which}: above, its waveform; below, its response to each frequency from 0 to "
        f"{_hertz(rate / 2)}, and the frequency of the largest response.</p>{kit.tiles(tiles)}",
        "<h3>The filter bank</h3><p>One column for each kernel, ordered by the frequency of its largest response; low "
        "frequencies "
        f'below, 0 to {_hertz(rate / 2)}.</p><div class="shot stripe">{_drawn(decibels.T[::-1], "frequency responses")}</div>',
        "<h3>Feature maps</h3><p>The outputs of the filters for recordings of the test split: time to the right, one row for "
        "each "
        "kernel in the order above, the lowest frequency below.</p>",
    ]
    for example in list(examples)[:2]:
        maps = feature_maps(model, encoder.encode([example]).inputs, layer)[0].clamp(min=0).numpy()
        samples, own = example.read()
        parts.append(
            _beside(example, maps[order[::-1]], spectrogram(samples[: int(LONGEST * own)], own), "spectrogram")
        )
    return "".join(parts)


def _explain_spectrogram(model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
    name, layer, weights = _kernels_over_bands(model)
    if weights.ndim == 4:  # over bands and frames; the spectrogram is their only channel
        weights = weights.mean(dim=1)
    chosen = weights.flatten(1).norm(dim=1).topk(min(KERNELS, len(weights))).indices.tolist()
    tiles = [
        (kit.image(kit.grey(weights[index].flip(0).numpy()), f"kernel {index}"), f"kernel {index}") for index in chosen
    ]
    hop = getattr(encoder, "hop", None)
    lasts = f" ({1000 * hop * weights.shape[2]:.0f} ms)" if hop else ""
    which = f"all {len(weights)}" if len(chosen) == len(weights) else f"the {len(chosen)} strongest of {len(weights)}"
    parts = [
        f"<h3>First-layer kernels</h3><p>Each tile is one kernel of {kit.code(name)} over {weights.shape[1]} mel bands (low ones "
        f"below) and {weights.shape[2]} frames{lasts}, {which}: bright where it adds, dark where it subtracts. Its output is "
        "largest "
        f'where the spectrogram looks like the tile.</p><div class="squat">{kit.tiles(tiles)}</div>',
        "<h3>Feature maps</h3><p>Recordings of the test split: the mel spectrogram that the network gets, then the outputs, "
        "one row "
        "for each kernel in the order above, time to the right.</p>",
    ]
    for example in list(examples)[:2]:
        inputs = encoder.encode([example]).inputs
        maps = feature_maps(model, inputs, layer)[0].clamp(min=0).numpy()[chosen]
        if maps.ndim == 3:
            maps = maps.max(axis=1)
        seen = next(iter(inputs.values()))[0].flip(0).numpy()
        parts.append(_beside(example, maps, seen, "mel spectrogram"))
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


def _beside(example: Audio, maps: np.ndarray, seen: np.ndarray, kind: str) -> str:
    """What a network gets of a recording beside its feature maps, and a player."""
    samples, rate = example.read()
    name = f"{example.label if example.label is not None else ''} {example.source}".strip() or "a test recording"
    # Large outputs would hide the rest; a root makes the difference smaller.
    rows = np.sqrt(maps / (maps.max(axis=1, keepdims=True) + 1e-9))
    items = [
        (f'<div class="shot stripe">{_drawn(seen, f"{kind} of {name}")}</div>', f"{kind} of {name}"),
        (f'<div class="shot stripe">{_drawn(rows, f"feature maps of {name}")}</div>', f"{len(maps)} feature maps"),
    ]
    return kit.tiles(items, "wide") + f'<div class="limits">{player(samples[: int(LONGEST * rate)], rate)}</div>'


def _drawn(values: np.ndarray, words: str) -> str:
    return kit.image(kit.warm(_thinned(values)), words, most=480, smooth=True, quality=75)


def _line(values: np.ndarray, words: str, around_zero: bool = False) -> str:
    """A curve as an SVG line as wide as its tile."""
    peak = float(np.abs(values).max()) or 1.0
    scaled = 0.5 - 0.5 * values / peak if around_zero else 1 - values / peak
    points = " ".join(
        f"{x:.1f},{2 + 96 * y:.1f}" for x, y in zip(np.linspace(0, 100, len(values)), scaled, strict=True)
    )
    colour = "--net" if around_zero else "--ink"
    return (
        f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" style="width:100%;height:2.4rem" role="img" '
        f'aria-label="{kit.text(words)}"><polyline points="{points}" fill="none" stroke="var({colour})" stroke-width="1.5" '
        f'vector-effect="non-scaling-stroke"/></svg>'
    )
