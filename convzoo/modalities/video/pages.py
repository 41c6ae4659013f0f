"""How a video looks on a page: rows of its frames, where in them the network looked, and what each clip says."""

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.video.encoder import VideoEncoder
from convzoo.modalities.video.example import Video
from convzoo.report import kit
from convzoo.tasks.classification import Classification

FRAMES, ROW = 6, 3
"""Frames of a video on a card, and how many of them stand beside each other on a phone."""
SHOWN = 8
"""Frames of a row of feature maps."""
OF_CLIP = 6
"""Frames of a clip in the chapter about the network."""
LONGEST = 48
"""Frames of a moving picture."""
HEIGHT, WIDTH = 72, 96
SIDE = 128
"""The longer side of a frame on a card, in pixels."""
KERNELS, MAPS = 24, 5
CLIPS = 4
"""Of so many clips of a video it is computed where the network looked."""
ANSWERS = 3
"""So many different answers of clips have a line of their own."""
BANDS = 4
MOST_TIMED = 500
"""So many test videos at most are opened to know how long they are."""


class VideoPages(Pages):
    """Videos: rows of frames, where the network looked, answers of clips, kernels over space and time."""

    plural = "videos"
    card_size = "wide"

    def picture(self, example: Video) -> str:
        """The video, moving, over some of its frames with their times."""
        film = example.film()
        numbers = film.at_rate(FRAMES / film.seconds)[:FRAMES]
        frames = example.read(numbers, _fitting(example, SIDE), film=film)
        return f'<div class="pic">{moving(example)}{_rows([_coloured(frames)], film.times[numbers].tolist(), "frames")}</div>'

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """Frames with their times, below each the same as the network gets it with where it looked, and the answers of the "
        "clips."""
        example, encoder = material.examples[int(row["index"])], material.encoder
        if not isinstance(encoder, VideoEncoder) or encoder.frame_rate is None:
            return self.picture(example)
        chances = row.get("probabilities")
        column = None
        if isinstance(chances, Mapping) and row.get("label") in chances:
            column = list(chances).index(row["label"])
        looked = where_it_looked(material.model, encoder, example, column)
        numbers = encoder.frame_numbers(example)
        chosen = looked.frames[
            np.linspace(0, len(looked.frames) - 1, min(FRAMES, len(looked.frames))).round().astype(int)
        ]
        scale = max(1, math.ceil(SIDE / 2 / max(encoder.crop)))
        frames = encoder.seen_frames(example, numbers[chosen], scale)
        lit = [looked.lit(number) for number in chosen.tolist()]
        lit_frames = np.stack([_enlarged(one, frames.shape[1:3]) for one in lit])
        times = (chosen / encoder.frame_rate).tolist()
        words = f"frames of the video at {', '.join(f'{time:.2f}' for time in times)} s; below each where the network looked"
        drawn = _rows([_coloured(frames), lit_frames], times, words)
        return f'<div class="pic">{drawn}</div>{_answers(row, encoder.spans(example))}'

    def legend(self, task: Task, material: Material) -> str:
        """What the pictures show."""
        encoder = material.encoder
        if not isinstance(encoder, VideoEncoder) or encoder.frame_rate is None:
            return ""
        height, width = encoder.crop
        gets = "the change from each frame to the next" if encoder.features == "differences" else "the same"
        words = (
            f"<p>Frames of test videos, time to the right. Below each frame what the network gets of it, {gets} at "
            f"{width}×{height} "
            "pixels, and where it looked: the brighter and yellower, the more this place moved its answer (gradient × input)."
        )
        several = any(len(row.get("over_time") or ()) > 1 for row in material.predictions)
        if not several:
            return f"{words}</p>"
        signs = [
            (kit.swatch("background:var(--net);opacity:.75"), "the clips that give the answer of the whole video"),
            (
                kit.swatch("background:repeating-linear-gradient(135deg,var(--other) 0 3px,transparent 3px 6px)"),
                "clips that say something else",
            ),
        ]
        seconds = f"{encoder.seen / encoder.frame_rate:.2g} s"
        clip = (
            f" It sees a clip of {encoder.seen} frames ({seconds}) at a time; its answer is the mean over the clips of a "
            "video. "
            "Where they differ, lines show what each says, and when."
        )
        return f"{words}{clip}</p>{kit.key(signs)}"

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By group, length, and whether the clips agree."""
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        mistakes = [
            float(row["true_label"] != row["label"]) if row.get("true_label") and row.get("label") else 0.0
            for row in material.predictions
        ]
        found = [
            Slices(
                "group",
                "Videos of one group (a scene, a person, the film that they were cut from) are all in one split. The hardest "
                "come "
                "first; of many groups some look hard by chance: look at the interval.",
                kit.hardest([example.group for example in examples], mistakes),
            )
        ]
        chosen = _some(len(examples), MOST_TIMED)
        seconds = [math.nan] * len(examples)
        for at in chosen:
            seconds[at] = round(_length(examples[at], material.encoder), 2)
        about = "How long a video is."
        if len(chosen) < len(examples):
            about += f" {len(chosen):,} of the {len(examples):,} test videos were measured."
        found.append(Slices("length", about, kit.bands(seconds, BANDS, "s")))
        agree: dict[str, list[int]] = {"all clips say the same": [], "clips differ": []}
        for place, row in enumerate(material.predictions):
            moments = row.get("over_time") or []
            if len(moments) > 1:
                agree[list(agree)[len({moment["label"] for moment in moments}) > 1]].append(place)
        about = "Clips of a video that do not agree are a sign of a doubtful answer, and it is seen without any label."
        found.append(Slices("agreement of the clips", about, agree))
        return found

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a classification of several clips: what one clip would say, and what all of them do."""
        if not isinstance(task, Classification):
            return []
        rows = [row for row in material.predictions if row.get("true_label") and len(row.get("over_time") or ()) > 1]
        if not rows:
            return []
        lines: list[list[kit.Cell]] = []
        for name, at in (("the first clip alone", 0), ("the middle clip alone", None), ("the last clip alone", -1)):
            right = 0
            for row in rows:
                moments = row["over_time"]
                right += moments[len(moments) // 2 if at is None else at]["label"] == row["true_label"]
            lines.append(_line_of(name, right, len(rows)))
        lines.append(_line_of("all clips together", sum(row["label"] == row["true_label"] for row in rows), len(rows)))
        columns = [
            kit.Column("the answer of"), kit.Column("test videos", "n"), kit.Column("right", "n"), kit.Column("interval", "w40"),
        ]  # fmt: skip
        caption = "<b>One clip, or all of them?</b> The answer for a video is the mean over its clips."
        return [Section("", kit.table(columns, lines, caption, ours=len(lines) - 1))]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The receptive field on the frames of a clip of a test video."""
        encoder = material.encoder
        if sees is None or len(sees) != 3 or not len(material.examples) or not isinstance(encoder, VideoEncoder):
            return ""
        assert encoder.frame_rate is not None, "fit comes first"
        example = material.examples[0]
        numbers = encoder.frame_numbers(example)
        start = encoder.starts(example)[0]
        count = min(encoder.frames, len(numbers) - start)
        chosen = start + np.linspace(0, count - 1, min(OF_CLIP, count)).round().astype(int)
        frames = encoder.seen_frames(example, numbers[chosen], max(1, math.ceil(160 / max(encoder.crop))))
        first = _first_field(material.model)
        height, width = encoder.crop
        lines = [f"<li>one answer of the first layer: {_cube(first, encoder)}</li>"] if first else []
        lines.append(f"<li>the layer that sees farthest: {_cube(sees, encoder)}</li>")
        middle = start + (count - 1) / 2
        tiles = []
        for frame, number in zip(frames, chosen.tolist(), strict=True):
            boxes, inside = "", []
            for order, field in enumerate([first, sees] if first else [sees], 1):
                if abs(number - middle) > field[0] / 2:
                    continue
                inside.append(str(order))
                high, wide = min(field[1], height), min(field[2], width)
                boxes += f'<rect class="rf" x="{(width - wide) / 2}" y="{(height - high) / 2}" width="{wide}" height="{high}"/>'
            picture = kit.image(
                _coloured(frame[None])[0], f"frame at {number / encoder.frame_rate:.2f} s", smooth=True, quality=80
            )
            square = (
                f'<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{boxes}</svg>'
                if boxes
                else ""
            )
            said = f": box {' and '.join(inside)}" if inside else ": in no box"
            tiles.append((f'<div class="shot">{picture}{square}</div>', f"{number / encoder.frame_rate:.2f} s{said}"))
        whole = all(one >= whole for one, whole in zip(sees, (encoder.frames, height, width), strict=True))
        after = "" if whole else "<p>What lies farther apart meets only in the pooling over the whole clip.</p>"
        return (
            f"<p>{len(chosen)} of the {encoder.frames} frames of a clip. The boxes are what one value in the middle depends "
            "on:</p>"
            f'<ol class="prose">{"".join(lines)}</ol>{kit.tiles(tiles, "big")}{after}'
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Video]) -> str:
        """The first layer's kernels, frame by frame, and its feature maps of a clip."""
        layers = first_convolutions(model)
        if not layers:
            return ""
        name, layer = next(iter(layers.items()))
        weights: Tensor = layer.weight.detach().mean(dim=1)  # (kernels, frames, height, width)
        strongest = weights.flatten(1).norm(dim=1).topk(min(KERNELS, len(weights))).indices.tolist()
        tiles = []
        for index in strongest:
            frames = np.pad(kit.grey(weights[index].numpy()), ((0, 0), (0, 0), (0, 1)), constant_values=255)
            joined = np.concatenate(list(frames), axis=1)[:, :-1]
            tiles.append((kit.image(np.ascontiguousarray(joined), f"kernel {index}"), f"kernel {index}"))
        depth = weights.shape[1]
        about = (
            f"one kernel, {depth} frames from left to right: bright where it adds, dark where it subtracts. If its frames "
            "differ, it "
            "responds to motion, in the direction in which the pattern moves from frame to frame."
            if depth > 1
            else "one kernel within a frame: bright where it adds, dark where it subtracts. The next layer's kernels look along "
            "time."
        )
        which = f"all {len(weights)}" if len(tiles) == len(weights) else f"the {len(tiles)} strongest of {len(weights)}"
        parts = [
            f"<h3>First-layer kernels</h3><p>The kernels of {kit.code(name)}, {which}. Each tile is "
            f"{about}</p>{kit.tiles(tiles)}",
            f"<h3>Feature maps</h3><p>Frames of a clip of a test video as the network gets it, and the outputs of the "
            f"{min(MAPS, len(strongest))} strongest kernels: bright where the output is large.</p>",
        ]
        pieces = encoder.pieces(list(examples)[:1])
        for index in range(len(pieces)):
            inputs = encoder.gather(pieces, [index]).inputs
            maps = feature_maps(model, inputs, layer)[0].clamp(min=0).numpy()  # (kernels, frames, height, width)
            seen = next(iter(inputs.values()))[0].mean(dim=0).numpy()
            rows = [(_strip_of(kit.grey(seen), "what the network gets"), "what the network gets")]
            rows += [
                (_strip_of(kit.grey(maps[at], around_zero=False), f"outputs of kernel {at}"), f"kernel {at}")
                for at in strongest[:MAPS]
            ]
            parts.append(kit.tiles(rows, "wide"))
        return "".join(parts)

    def data(self, material: Material) -> str:
        """How long the test videos are."""
        chosen = _some(len(material.examples), MOST_TIMED)
        if len(chosen) < 2:
            return ""
        seconds = [_length(material.examples[at], material.encoder) for at in chosen]
        count = f"The {len(seconds):,} test videos"
        if len(chosen) < len(material.examples):
            count = f"{len(seconds):,} of the {len(material.examples):,} test videos, evenly chosen,"
        least, most, middle = min(seconds), max(seconds), float(np.median(seconds))
        if most - least < 0.01 * most:
            return f"<h3>Lengths</h3><p>{count} last {middle:.3g} s each.</p>"
        return (
            f"<h3>Lengths</h3><p>{count} last {least:.3g} to {most:.3g} s, half of them {middle:.3g} s or less.</p>"
            + kit.histogram(
                seconds, f"How many test videos have which length, in seconds; half have {middle:.3g} or less"
            )
            + '<p class="small">seconds</p>'
        )


def moving(example: Video) -> str:
    """An `img` that plays the video over and over, at its own speed."""
    import PIL.Image

    film = example.film()
    rate = min(film.rate, LONGEST / film.seconds, 25.0)
    frames = example.read(film.at_rate(rate), _fitting(example, WIDTH), film=film)
    images = [PIL.Image.fromarray(frame).quantize(64) for frame in frames]
    buffer = io.BytesIO()
    # A video with more frames loses some of them, but keeps its speed.
    duration = max(20, round(1000 * film.seconds / len(images)))
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    data = base64.b64encode(buffer.getvalue()).decode()
    title = html.escape(f"the video, moving: {film.seconds:.1f} s, {len(film.times)} frames")
    return f'<img class="pixels" alt="{title}" src="data:image/gif;base64,{data}">'


# Where it looked


class Looked:
    """Where a network looked in some frames of a video.

    Attributes:
        frames: the numbers of the frames at the encoder's rate, increasing
        heat: (frames, height, width), how much each place moved the answer
        seen: (frames, height, width), what the network got there, mean over its channels
    """

    def __init__(self, frames: np.ndarray, heat: np.ndarray, seen: np.ndarray) -> None:
        self.frames, self.heat, self.seen = frames, heat, seen
        self._strong = float(np.quantile(heat, 0.995)) or 1.0
        self._top = float(np.abs(seen - np.median(seen)).max()) or 1.0

    def lit(self, number: int) -> np.ndarray:
        """What the network got of a frame, in greys, and over it where it looked, (height, width, 3) uint8."""
        at = int(np.searchsorted(self.frames, number))
        grey = 110 + 110 * (self.seen[at] - np.median(self.seen)) / self._top
        part = np.clip(_blurred(self.heat[at]) / self._strong, 0, 1) ** 0.7
        # Colours of heat are divided by the largest of the whole video, not of this frame.
        colours = kit.warm(np.concatenate([part.ravel(), [0.0, 1.0]]))[:-2].reshape(*part.shape, 3)
        cover = (0.85 * part)[..., None]
        return np.uint8(np.clip(grey[..., None] * (1 - cover) + colours * cover, 0, 255))


def where_it_looked(model: nn.Module, encoder: VideoEncoder, video: Video, column: int | None = None) -> Looked:
    """How much each place of a video moved the answer: the size of gradient × input (Shrikumar et al. 2016, arXiv:1605.01713),
    summed over colours; where clips overlap, their mean. It is computed for `CLIPS` clips, evenly spread over the video.

    Args:
        column: of the outputs, the answer; None: the largest, the mean over the clips
    """
    clips: Tensor = encoder.encode([video]).inputs["clip"]
    starts = encoder.starts(video)
    crops = max(1, len(clips) // len(starts))
    chosen = _some(len(starts), CLIPS)
    clips = clips[crops // 2 :: crops][chosen].detach()
    model.eval()
    if column is None:
        with torch.no_grad():
            column = int(torch.cat([model(clip=clip[None]).softmax(dim=1) for clip in clips]).mean(dim=0).argmax())
    count = len(encoder.frame_numbers(video))
    total, seen, times = np.zeros((count, *clips.shape[3:])), np.zeros((count, *clips.shape[3:])), np.zeros(count)
    for start, clip in zip([starts[at] for at in chosen], clips, strict=True):
        # One clip at a time, to limit memory.
        one = clip[None].requires_grad_(True)
        (gradient,) = torch.autograd.grad(model(clip=one)[:, column].sum(), one)
        heat = (gradient * one).abs().sum(dim=1)[0].detach().numpy()
        inside = min(len(heat), count - start)
        total[start : start + inside] += heat[:inside]
        seen[start : start + inside] += clip.mean(dim=0).numpy()[:inside]
        times[start : start + inside] += 1
    frames = np.flatnonzero(times)
    share = times[frames][:, None, None]
    return Looked(frames, total[frames] / share, seen[frames] / share)


def _blurred(values: np.ndarray) -> np.ndarray:
    """Each place as the mean of itself and its eight neighbours."""
    wide = np.pad(values, 1, mode="edge")
    height, width = values.shape
    return np.mean([wide[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)


# Clips


def _answers(row: Mapping[str, Any], spans: Sequence[tuple[float, float]]) -> str:
    """Which clips of a video say what, over its seconds; empty if there is one clip only."""
    moments = row.get("over_time") or []
    if len(moments) < 2 or len(moments) != len(spans):
        return ""
    chances = [float(moment["probability"]) for moment in moments]
    said: dict[str, list[int]] = {}
    for at, moment in enumerate(moments):
        said.setdefault(str(moment["label"]), []).append(at)
    if len(said) == 1:
        least, most = kit.as_percent(min(chances), 0), kit.as_percent(max(chances), 0)
        sure = least if least == most else f"{least} to {most}"
        return (
            f'<p class="clips small">Its {len(moments)} clips all say {kit.text(next(iter(said)))} ({sure} sure).</p>'
        )
    lanes = ""
    if len(moments) <= CLIPS:
        for at, moment in enumerate(moments):
            name = f"{moment['label']}, {kit.as_percent(chances[at], 0)}"
            lanes += _lane(name, [spans[at]], spans, str(moment["label"]) == row.get("label"))
        return f'<div class="clips band">{lanes}</div>'
    order = sorted(said, key=lambda label: (label != row.get("label"), -len(said[label])))
    for label in order[:ANSWERS]:
        chance = float(np.mean([chances[at] for at in said[label]]))
        name = f"{label}: {len(said[label])} of {len(moments)} clips, {kit.as_percent(chance, 0)}"
        lanes += _lane(name, _joined([spans[at] for at in said[label]]), spans, label == row.get("label"))
    rest = order[ANSWERS:]
    if rest:
        clips = sum(len(said[label]) for label in rest)
        lanes += (
            f"<span>{kit.count_of(len(rest), 'other answers')}: {clips} of {len(moments)} clips</span><span></span>"
        )
    return f'<div class="clips band">{lanes}</div>'


def _lane(name: str, parts: Sequence[tuple[float, float]], spans: Sequence[tuple[float, float]], same: bool) -> str:
    """A name, and stretches of the seconds that all spans cover; `same`: it is the answer of the whole video."""
    first, last = min(start for start, _ in spans), max(stop for _, stop in spans)
    span = (last - first) or 1.0
    bars = "".join(
        f'<i class="{"s" if same else "o"}" '
        f'style="left:{100 * (start - first) / span:.1f}%;width:{100 * (stop - start) / span:.1f}%">'
        "</i>"
        for start, stop in parts
    )
    when = kit.text(f"{name}: {', '.join(f'{start:.2f} to {stop:.2f} s' for start, stop in parts)}")
    return f'<span>{kit.text(name)}</span><div class="lane" role="img" aria-label="{when}">{bars}</div>'


def _joined(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches of time, those that touch as one."""
    found: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if found and start <= found[-1][1] + 1e-9:
            found[-1] = (found[-1][0], max(stop, found[-1][1]))
        else:
            found.append((start, stop))
    return found


def _line_of(name: str, right: int, count: int) -> list[kit.Cell]:
    low, high = kit.wilson(right, count)
    return [name, f"{count:,}", kit.as_percent(right / count), kit.Track(right / count, low, high)]


# Pictures


def _rows(layers: Sequence[np.ndarray], times: Sequence[float], words: str) -> str:
    """Frames beside each other with their times, (frames, height, width, 3) in each layer; the layers below each other.

    They are pictures of `ROW` frames, so that on a phone some stand below the others.
    """
    parts = ""
    for first in range(0, len(times), ROW):
        found = [np.concatenate(list(layer[first : first + ROW]), axis=1) for layer in layers]
        image = kit.image(
            np.concatenate(found), words if not first else "the following frames", most=480, smooth=True, quality=75
        )
        clock = "".join(f"<span>{time:.2f} s</span>" for time in times[first : first + ROW])
        parts += f'<div>{image}<div class="clock row">{clock}</div></div>'
    return f'<div class="film">{parts}</div>'


def _coloured(frames: np.ndarray) -> np.ndarray:
    return frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=3)


def _enlarged(pixels: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    import PIL.Image

    return np.asarray(PIL.Image.fromarray(pixels).resize((size[1], size[0]), PIL.Image.Resampling.BILINEAR))


def _fitting(example: Video, side: int) -> tuple[int, int]:
    """A size of the video's own proportions whose longer side is at most so long."""
    height, width = example.read([0]).shape[1:3]
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _strip_of(frames: np.ndarray, title: str) -> str:
    """Some of the frames (frames, height, width) side by side."""
    shown = np.linspace(0, len(frames) - 1, min(SHOWN, len(frames))).round().astype(int)
    joined = np.concatenate(list(frames[shown]), axis=1)
    return kit.image(np.ascontiguousarray(joined), title, most=512, smooth=True, quality=75)


def _some(count: int, most: int) -> list[int]:
    """At most so many positions of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist() if count else []


def _length(example: Video, encoder: Encoder) -> float:
    """Seconds; by the encoder where it has opened the file already."""
    if isinstance(encoder, VideoEncoder) and encoder.frame_rate:
        return len(encoder.frame_numbers(example)) / encoder.frame_rate
    return example.film().seconds


def _first_field(model: nn.Module) -> tuple[int, ...]:
    """How much one output of the first convolution depends on, (frames, height, width); empty without one."""
    layers = first_convolutions(model)
    if not layers:
        return ()
    layer = next(iter(layers.values()))
    found = tuple((size - 1) * apart + 1 for size, apart in zip(layer.kernel_size, layer.dilation, strict=True))
    return found if len(found) == 3 else ()


def _cube(field: Sequence[int], encoder: VideoEncoder) -> str:
    """A receptive field in words."""
    height, width = encoder.crop
    frames = "all frames" if field[0] >= encoder.frames else kit.count_of(field[0], "frames")
    seconds = min(field[0], encoder.frames) / (encoder.frame_rate or 1.0)
    space = (
        "the whole picture"
        if field[1] >= height and field[2] >= width
        else f"{min(field[2], width)}×{min(field[1], height)} pixels"
    )
    return f"{frames} ({seconds:.2g} s), {space}"
