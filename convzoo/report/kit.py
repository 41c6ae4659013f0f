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


def class_table(labels: Sequence[str], counts: Sequence[tuple[int, int, int]]) -> str:
    """Precision, recall, F1 and the number of examples of each class as an HTML table.

    Args:
        labels: of the classes
        counts: of each class: right predictions, all predictions, true examples
    """
    lines = []
    for label, (hits, predicted, true) in zip(labels, counts, strict=True):
        scores = (hits / predicted if predicted else 0.0, hits / true if true else 0.0)
        f1 = 2 * hits / (predicted + true) if predicted + true else 0.0
        numbers = [f"{value:.3f}" for value in (*scores, f1)] + [f"{true:,}", f"{predicted:,}"]
        cells = "".join(f"<td class='number'>{number}</td>" for number in numbers)
        lines.append(f"<tr><td>{html.escape(label)}</td>{cells}</tr>")
    names = ("precision", "recall", "F1", "true", "predicted")
    heading = "".join(f"<th class='number'>{name}</th>" for name in names)
    return f"<table class='classes'><tr><th>class</th>{heading}</tr>{''.join(lines)}</table>"


def worst_mistakes(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The wrong predictions with the highest probabilities."""
    wrong = [row for row in rows if row["true_label"] != row["label"]]
    return sorted(wrong, key=lambda row: -float(row["probability"]))[:MISTAKES]
