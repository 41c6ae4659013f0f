"""How a video looks on a page: moving and as a film strip, with predictions and saliency over time."""

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.video.example import Video
from convzoo.report import figures
from convzoo.report.kit import grey, html_safe, image_tag, worst_mistakes
from convzoo.tasks.classification import Classification

SHOWN = 6
STRIP = 8
LONGEST = 48
"""Frames of a moving picture."""
HEIGHT, WIDTH = 72, 96
STRIP_WIDTH, CARD_WIDTH = 620, 190
KERNELS = 24


class VideoPages(Pages):
    """Videos: moving and as film strips, predictions over time, kernels over space and time."""

    plural = "videos"

    def picture(self, example: Video) -> str:
        """The video, moving, over five of its frames."""
        return f"{moving(example)}<br>{strip_tag(frames_of(example, 5), width=CARD_WIDTH)}"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Video]) -> str:
        """The first layer's kernels, frame by frame, and its feature maps of two clips."""
        layers = first_convolutions(model)
        if not layers:
            return ""
        name, layer = next(iter(layers.items()))
        weights: Tensor = layer.weight.detach().mean(dim=1)  # (kernels, frames, height, width)
        strongest = weights.flatten(1).norm(dim=1).topk(min(KERNELS, len(weights))).indices.tolist()
        tiles = []
        for index in strongest:
            frames = np.pad(grey(weights[index].numpy()), ((0, 0), (0, 0), (0, 1)), constant_values=255)
            joined = np.concatenate(list(frames), axis=1)
            tiles.append(
                image_tag(np.ascontiguousarray(np.repeat(np.repeat(joined, 6, 0), 6, 1)), 36, f"kernel {index}")
            )
        depth = weights.shape[1]
        about = (
            f"Each tile is one kernel, {depth} frames from left to right: bright where it adds, dark where it subtracts. If "
            "its frames differ, it responds to motion, in the direction in which the pattern moves from frame to frame."
            if depth > 1
            else "Each tile is one kernel within a frame: bright where it adds, dark where it subtracts. The next layer's "
            "kernels look along time."
        )
        parts = [
            f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>{about}</p><div class='tiles'>{''.join(tiles)}</div>",
            "<h3>Feature maps</h3><p>Frames of a clip and the outputs of some kernels: bright where the output is large.</p>",
        ]
        pieces = encoder.pieces(list(examples)[:2])
        for index in range(len(pieces)):
            inputs = encoder.gather(pieces, [index]).inputs
            maps = feature_maps(model, inputs, layer)[0].clamp(min=0).numpy()  # (kernels, frames, height, width)
            seen = next(iter(inputs.values()))[0].mean(dim=0).numpy()
            rows = [_strip_of(grey(seen), "input")]
            rows += [_strip_of(grey(maps[at], around_zero=False), f"kernel {at}") for at in strongest[:5]]
            parts.append("".join(f"<div>{row}</div>" for row in rows) + "<br>")
        return "".join(parts)

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a classification: predictions over time; empty if the encoder is your own and does not work in clips."""
        if not isinstance(task, Classification) or not hasattr(material.encoder, "starts"):
            return []
        return [_over_time(material)]


def frames_of(example: Video, count: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """Frames evenly spread over a video, (count, height, width, 3)."""
    film = example.film()
    numbers = film.at_rate(max(count, 1) / film.seconds)[:count]
    frames = example.read(numbers, size or _fitting(example), film=film)
    return frames if frames.ndim == 4 else np.repeat(frames[..., None], 3, axis=3)


def strip_tag(frames: np.ndarray, title: str = "", width: int = STRIP_WIDTH) -> str:
    """Frames side by side as one `img`, at most so wide on the page."""
    joined = np.concatenate(list(frames), axis=1)
    height = min(HEIGHT, round(width * joined.shape[0] / joined.shape[1]))
    return image_tag(np.ascontiguousarray(joined), height, title)


def moving(example: Video) -> str:
    """An `img` that plays the video over and over, at its own speed."""
    import PIL.Image

    film = example.film()
    rate = min(film.rate, LONGEST / film.seconds, 25.0)
    frames = example.read(film.at_rate(rate), _fitting(example), film=film)
    images = [PIL.Image.fromarray(frame).quantize(64) for frame in frames]
    buffer = io.BytesIO()
    # A video with more frames loses some of them, but keeps its speed.
    duration = max(20, round(1000 * film.seconds / len(images)))
    images[0].save(buffer, "GIF", save_all=True, append_images=images[1:], duration=duration, loop=0)
    data = base64.b64encode(buffer.getvalue()).decode()
    title = html.escape(f"{film.seconds:.1f} s, {len(film.times)} frames")
    return f'<img class="pixels" style="height:{HEIGHT}px" title="{title}" src="data:image/gif;base64,{data}">'


def _fitting(example: Video) -> tuple[int, int]:
    """A small size of the video's own proportions."""
    height, width = example.read([0]).shape[1:3]
    scale = min(HEIGHT / height, WIDTH / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _over_time(material: Material) -> Section:
    parts = [
        "<p>Test videos of several classes, and mistakes. Above: frames of the video; below: the same frames, red where the "
        "network looked (the size of gradient × input for the predicted class, arXiv:1605.01713). The curves run over the "
        "seconds of the video: the probability of the most likely classes in each clip, and the saliency of each frame.</p>"
    ]
    for row in _chosen(material):
        video = material.examples[int(row["index"])]
        true, said = str(row.get("true_label") or "?"), str(row["label"])
        colour = "#1a7f37" if true == said else "#b42318"
        parts.append(
            f"<h3>{html.escape(str(row['source']))}</h3><p>true <b>{html.escape(true)}</b>, predicted "
            f"<b style='color:{colour}'>{html.escape(said)}</b> ({100 * float(row['probability']):.0f} %)</p>"
            + _strips_over_time(video, material)
        )
    return Section("Videos: predictions and saliency over time", html_safe("".join(parts)))


def _chosen(material: Material) -> list[Any]:
    """The first video of each of SHOWN classes, and the worst mistakes."""
    firsts: dict[str, Any] = {}
    for row in material.predictions:
        firsts.setdefault(str(row.get("true_label")), row)
    chosen = list(firsts.values())[:SHOWN]
    known = {int(row["index"]) for row in chosen}
    wrong = [row for row in worst_mistakes(material.predictions) if int(row["index"]) not in known]
    return chosen + wrong[: SHOWN // 3]


def _strips_over_time(video: Video, material: Material) -> str:
    encoder: Any = material.encoder
    heat, moments, probabilities = saliency(material.model, encoder, video)
    numbers = encoder.frame_numbers(video)
    shown = np.linspace(0, len(heat) - 1, min(STRIP, len(heat))).round().astype(int)
    # Twice as large as the network sees them, so that people can recognise them.
    frames = encoder.seen_frames(video, numbers[shown], 2)
    strong = float(np.quantile(heat, 0.998)) or 1.0
    cover = np.clip(heat[shown] / strong, 0, 1).repeat(2, axis=1).repeat(2, axis=2)[..., None] * 0.85
    lit = np.uint8(frames * (1 - cover) + np.array([230, 30, 20]) * cover)
    labels = [str(label) for label in encoder.dims["labels"]]
    times = np.arange(len(heat)) / encoder.frame_rate
    curves = figures.over_time(times, heat.sum(axis=(1, 2)), moments, probabilities, labels)
    return f"<div>{strip_tag(frames)}</div><div>{strip_tag(lit, 'saliency')}</div>{curves}"


def saliency(model: nn.Module, encoder: Any, video: Video) -> tuple[np.ndarray, list[tuple[float, float]], np.ndarray]:
    """How much each pixel of a video contributes to the predicted class.

    The size of gradient × input of that class's logit (Shrikumar et al. 2016, arXiv:1605.01713), summed over colours; where clips
    overlap, their mean.

    Returns:
        (frames, height, width); when each clip begins and ends; and the clips' probabilities (clips, classes)
    """
    clip: Tensor = encoder.encode([video]).inputs["clip"]
    starts = encoder.starts(video)
    crops = len(clip) // len(starts)
    clip = clip[crops // 2 :: crops].detach().requires_grad_(True)
    logits = model.eval()(clip=clip)
    best = int(logits.softmax(dim=1).mean(dim=0).argmax())
    (gradient,) = torch.autograd.grad(logits[:, best].sum(), clip)
    sizes = (gradient * clip).abs().sum(dim=1).detach().numpy()  # (clips, frames, height, width)
    count = len(encoder.frame_numbers(video))
    total, times = np.zeros((count, *sizes.shape[2:])), np.full((count, 1, 1), 1e-9)
    for start, part in zip(starts, sizes, strict=True):
        frames = min(len(part), count - start)
        total[start : start + frames] += part[:frames]
        times[start : start + frames] += 1
    return total / times, encoder.spans(video), logits.softmax(dim=1).detach().numpy()


def _strip_of(frames: np.ndarray, title: str) -> str:
    shown = np.linspace(0, len(frames) - 1, min(STRIP, len(frames))).round().astype(int)
    return strip_tag(frames[shown], title)
