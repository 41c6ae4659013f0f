"""Tools that several pages of the report use: images inside the page, grey levels, markup, the worst mistakes."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

MISTAKES = 12


def image_tag(pixels: np.ndarray, height: int, title: str = "") -> str:
    """An array of uint8 as an `img` element with an embedded PNG."""
    import PIL.Image

    buffer = io.BytesIO()
    image = PIL.Image.fromarray(pixels)
    if max(image.size) > 512:
        image.thumbnail((512, 512))
    image.save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img class="pixels" style="height:{height}px" title="{html.escape(title)}" src="data:image/png;base64,{data}">'


def grey(values: np.ndarray, around_zero: bool = True) -> np.ndarray:
    """Numbers as grey levels; with `around_zero`, 0 is the middle grey."""
    if around_zero:
        span = np.abs(values).max() or 1.0
        return np.uint8(127.5 + 127.5 * values / span)
    span = values.max() - values.min() or 1.0
    return np.uint8(255 * (values - values.min()) / span)


def html_safe(text: str) -> Any:
    """HTML that we made ourselves, so that jinja2 does not escape it."""
    from markupsafe import Markup

    return Markup(text)


def worst_mistakes(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The wrong predictions with the highest probabilities."""
    wrong = [row for row in rows if row["true_label"] != row["label"]]
    return sorted(wrong, key=lambda row: -float(row["probability"]))[:MISTAKES]
