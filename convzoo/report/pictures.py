"""How an example looks on a page, by its type; and what the network's first layer does with it."""

import base64
import html
import io
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from torch import Tensor, nn

from convzoo.core.audio import Audio
from convzoo.core.encoder import Encoder
from convzoo.core.examples import Image, Text
from convzoo.core.series import Stretch
from convzoo.core.volumes import Volume
from convzoo.inspect.kernels import feature_maps, first_convolutions, phrases_by_kernel
from convzoo.report import figures


@singledispatch
def picture(example: Any) -> str:
    """An example as HTML."""
    return f"<code>{html.escape(repr(example)[:300])}</code>"


@picture.register
def _(example: Text) -> str:
    return f"<q>{html.escape(example.text[:600])}</q>"


@picture.register
def _(example: Image) -> str:
    return image_tag(example.array(), height=96)


@picture.register
def _(example: Stretch) -> str:
    return f"<code>{html.escape(example.source)}</code>"


@picture.register
def _(example: Audio) -> str:
    from convzoo.report.sounds import sound_picture

    return sound_picture(example)


@picture.register
def _(example: Volume) -> str:
    from convzoo.report.volumes import volume_picture

    return volume_picture(example)


def image_tag(pixels: np.ndarray, height: int, title: str = "") -> str:
    """An array of uint8 as an `img` that holds its own PNG."""
    import PIL.Image

    buffer = io.BytesIO()
    image = PIL.Image.fromarray(pixels)
    if max(image.size) > 512:
        image.thumbnail((512, 512))
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="pixels" style="height:{height}px" title="{html.escape(title)}" src="data:image/png;base64,{data}">'


def explain_first_layer(model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> str:
    """HTML on what the first layer's kernels look for; empty where the network has none or the input no picture."""
    return _explain(examples[0], model, encoder, examples) if examples else ""


@singledispatch
def _explain(kind: Any, model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> str:
    return ""


@_explain.register
def _(kind: Image, model: nn.Module, encoder: Encoder, examples: Sequence[Image]) -> str:
    if not first_convolutions(model):
        return ""
    name, layer = next(iter(first_convolutions(model).items()))
    weights: Tensor = layer.weight.detach()  # type: ignore[assignment]
    tiles = [
        image_tag(grey(kernel), 40, f"kernel {index}") for index, kernel in enumerate(weights[:64].mean(dim=1).numpy())
    ]
    parts = [
        f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>Each tile is one kernel: bright where it adds, dark where it "
        f"subtracts. It answers most to a patch that looks like the tile.</p><div class='tiles'>{''.join(tiles)}</div>",
        "<h3>Feature maps</h3><p>What the kernels make of sample images: bright where the patch is like the kernel.</p>",
    ]
    for example in list(examples)[:3]:
        maps = feature_maps(model, encoder.encode([example]).inputs, layer)[0, :16].clamp(min=0).numpy()
        rows = "".join(
            image_tag(grey(single, around_zero=False), 64, f"map {index}") for index, single in enumerate(maps)
        )
        parts.append(f"<div class='tiles'>{image_tag(example.array(), 64, 'input')}<span>→</span>{rows}</div>")
    return "".join(parts)


@_explain.register
def _(kind: Text, model: nn.Module, encoder: Encoder, examples: Sequence[Text]) -> str:
    if not first_convolutions(model):
        return ""
    items = [encoder.prepare(example) for example in list(examples)[:400]]
    names = [encoder.input_names(item) or [] for item in items]
    batch = encoder.collate(items).inputs
    detectors = phrases_by_kernel(model, batch, names)
    rows = "".join(
        f"<tr><td><code>{html.escape(d.layer)}</code> {d.kernel}</td><td>"
        + " &nbsp; ".join(f"<q>{html.escape(phrase)}</q> <small>{value:.2f}</small>" for phrase, value in d.phrases)
        + "</td></tr>"
        for d in detectors
    )
    strips = []
    for name, layer in list(first_convolutions(model).items())[:1]:
        answers = feature_maps(model, batch, layer).clamp(min=0)
        width = layer.kernel_size[0]  # type: ignore[index]
        for row, tokens in enumerate(names[:4]):
            # A token is lit by the strongest answer of the kernels that cover it.
            strongest = answers[row].amax(dim=0)
            lit = [float(strongest[at : at + width].max()) for at in range(len(tokens))]
            top = max(lit) or 1.0
            words = "".join(
                f'<span class="lit" style="background:rgba(230,120,20,{0.75 * value / top:.2f})">{html.escape(token)}</span> '
                for token, value in zip(tokens, lit, strict=True)
            )
            strips.append(f"<p>{words}</p>")
        strips.insert(
            0, f"<p>Feature maps of <code>{html.escape(name)}</code>: the strongest answer at each token.</p>"
        )
    return (
        "<h3>What the kernels of the first layer look for</h3><p>The phrases of the test split that each answers to most; "
        f"· is padding.</p><table class='plain'><tr><th>kernel</th><th>phrases</th></tr>{rows}</table>"
        f"<h3>Feature maps</h3>{''.join(strips)}"
    )


@_explain.register
def _(kind: Stretch, model: nn.Module, encoder: Encoder, examples: Sequence[Stretch]) -> str:
    name, layer = next(iter(first_convolutions(model).items()))
    weights = layer.weight.detach().numpy()  # (kernels, channels, width)
    channels = list(encoder.dims["channel_names"])
    pieces = encoder.pieces(examples)
    batch = encoder.gather(pieces, range(min(2, len(pieces)))) if len(pieces) else encoder.encode(list(examples)[:1])
    maps = feature_maps(model, batch.inputs, layer)
    figure = (
        figures.mixing(weights[:32, :, 0], channels)
        if weights.shape[2] == 1
        else figures.kernels(weights[:12], channels)
    )
    about = (
        "Each row is one kernel, which sees a single step: how much of each channel it takes (red adds, blue subtracts)."
        if weights.shape[2] == 1
        else "Each panel is one kernel, a line a channel: it answers most to a stretch that runs like its lines."
    )
    return (
        f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>{about}</p>{figure}<h3>Feature maps</h3>"
        "<p>A window of the test split, and what the kernels make of it: a row each, bright where it answers.</p>"
        + figures.maps(batch.inputs["values"][0].numpy(), maps[0].numpy(), channels)
    )


@_explain.register
def _(kind: Audio, model: nn.Module, encoder: Encoder, examples: Sequence[Audio]) -> str:
    from convzoo.report.sounds import explain_sound

    return explain_sound(model, encoder, examples)


@_explain.register
def _(kind: Volume, model: nn.Module, encoder: Encoder, examples: Sequence[Volume]) -> str:
    from convzoo.report.volumes import explain_volume

    return explain_volume(model, encoder, examples)


def grey(values: np.ndarray, around_zero: bool = True) -> np.ndarray:
    """Numbers as grey levels; around zero, zero is the middle grey."""
    if around_zero:
        span = np.abs(values).max() or 1.0
        return np.uint8(127.5 + 127.5 * values / span)
    span = values.max() - values.min() or 1.0
    return np.uint8(255 * (values - values.min()) / span)
