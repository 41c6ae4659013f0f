"""Point clouds as pictures with boxes: from above, close up, and in perspective. Points are an image, boxes are lines over it,
words are HTML.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from convzoo.core.outputs.boxes import corners_of
from convzoo.report import kit

SIDE = 640
"""The longer side of a picture of a frame, in pixels."""
CLOSE = 320
"""The side of a close-up, in pixels."""
DRAWN = 20_000
"""A cloud with more points is thinned to so many."""
WORDS = 8
"""At most so many boxes of a picture have words."""
_NARROWEST = 416
"""Width of a picture on the screen in pixels, from which words stand in it; the sheet says the same in rem."""
_EDGES = ((0, 1, 2, 3, 0), (4, 5, 6, 7, 4), (0, 4), (1, 5), (2, 6), (3, 7))


def _palette(steps: int = 31) -> np.ndarray:
    """(steps + 1, 3) of uint8: colour 0 is the ground of the picture, then from low (blue) to high (yellow)."""
    stops = np.array([[82, 101, 140], [122, 127, 138], [170, 160, 110], [236, 214, 110]], np.float64)
    places = np.linspace(0, len(stops) - 1, steps)
    colours = np.stack([np.interp(places, np.arange(len(stops)), stops[:, part]) for part in range(3)], axis=1)
    return np.concatenate([[[14, 18, 24]], colours]).astype(np.uint8)


PALETTE = _palette()


@dataclass(frozen=True)
class Mark:
    """A box that is drawn.

    Attributes:
        box: (7,) centre, size and yaw, in metres and radians
        kind: the class of the sheet: ok, loose, ms, fa, gt, un, rf
        words: beside it, if there is room
    """

    box: np.ndarray
    kind: str
    words: str = ""


def bounds_of(points: np.ndarray) -> tuple[float, float, float, float]:
    """x from, x to, y from, y to in metres: what holds nearly all points, with a margin of a metre."""
    near, far = np.quantile(points[:, :2], [0.01, 0.99], axis=0)
    return float(near[0]) - 1, float(far[0]) + 1, float(near[1]) - 1, float(far[1]) + 1


def from_above(
    points: np.ndarray,
    marks: Sequence[Mark],
    bounds: Sequence[float],
    words: str,
    side: int = SIDE,
    caption: bool = True,
    more: str = "",
) -> str:
    """A frame from above, forward is up and left is left.

    Args:
        points: (points, 3 or more), in metres
        bounds: x from, x to, y from, y to, in metres
        words: what the picture shows, for those who cannot see it
        side: the longer side, in pixels
        caption: whether the size and the arcs of distance are written below
        more: SVG that is drawn over the boxes
    """
    x0, x1, y0, y1 = bounds
    scale = side / max(x1 - x0, y1 - y0)
    width, height = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))

    def place(spots: np.ndarray) -> np.ndarray:
        return np.stack([(y1 - spots[:, 1]) * scale, (x1 - spots[:, 0]) * scale], axis=1)

    corners = corners_of(np.array([mark.box for mark in marks])) if marks else np.zeros((0, 8, 3))
    rings = [place(box[:4]) for box in corners]
    paths = []
    for mark, ring in zip(marks, rings, strict=True):
        front = (ring[0] + ring[3]) / 2
        paths.append(
            f'<path class="{mark.kind}" d="{_path(ring[[0, 1, 2, 3]])}Z{_path(np.stack([ring.mean(axis=0), front]))}"/>'
        )
    steps = _arcs(bounds)
    middle = place(np.zeros((1, 2)))[0]
    arcs = "".join(
        f'<circle class="ring" cx="{middle[0]:.0f}" cy="{middle[1]:.0f}" r="{step * scale:.0f}"/>' for step in steps
    )
    about = ""
    if caption:
        listed = ", ".join(f"{step:g}" for step in steps)
        about = f"from above, {y1 - y0:.4g} × {x1 - x0:.4g} m" + (f"; arcs at {listed} m" if steps else "")
        about = f'<span class="cap">{about}</span>'
    return (
        f'<div class="shot scene">{_image(place(points), points[:, 2], width, height, words)}'
        f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">{arcs if caption else ""}{"".join(paths)}{more}</svg>'
        f"{_labels(marks, rings, width, height)}{about}</div>"
    )


def in_perspective(points: np.ndarray, marks: Sequence[Mark], bounds: Sequence[float], words: str) -> str:
    """A frame as one sees it from behind and above the sensor; arguments as in `from_above`."""
    x0, x1, y0, y1 = bounds
    ground = float(np.quantile(points[:, 2], 0.05)) if len(points) else 0.0
    deep = max(x1 - x0, y1 - y0)
    eye = np.array([x0 - 0.22 * deep, (y0 + y1) / 2, ground + 0.5 * deep])
    target = np.array([x0 + 0.42 * (x1 - x0), (y0 + y1) / 2, ground])
    ahead = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    up = np.cross(right, ahead)

    def seen(spots: np.ndarray) -> np.ndarray:
        away = spots[:, :3] - eye
        depth = away @ ahead
        safe = np.maximum(depth, 1e-3)
        return np.stack([away @ right / safe, -(away @ up) / safe, depth], axis=1)

    # What is drawn is the floor of the area, and what stands on it up to 3 m.
    floor = seen(np.array([[x, y, ground + z] for x in (x0, x1) for y in (y0, y1) for z in (0.0, 3.0)]))
    inside = points[(points[:, 0] >= x0) & (points[:, 0] < x1) & (points[:, 1] >= y0) & (points[:, 1] < y1)]
    low, high = floor[:, :2].min(axis=0), floor[:, :2].max(axis=0)
    if len(inside):
        there = seen(inside)[:, :2]
        margin = 0.02 * (high - low)
        low = np.maximum(low, np.quantile(there, 0.002, axis=0) - margin)
        high = np.minimum(high, np.quantile(there, 0.998, axis=0) + margin)
    high[1] += 0.09 * (high[1] - low[1])  # room for the words below
    span = np.maximum(high - low, 1e-6)
    scale = SIDE / max(span)
    width, height = (max(1, round(float(part) * scale)) for part in span)

    def place(spots: np.ndarray) -> np.ndarray:
        return (seen(spots)[:, :2] - low) * scale

    paths = []
    for mark in marks:
        corners = corners_of(mark.box[None])[0]
        if mark.kind in ("gt", "un") or seen(corners)[:, 2].min() <= 0.02 * deep:
            continue
        spots = place(corners)
        paths.append(f'<path class="{mark.kind}" d="{"".join(_path(spots[list(edge)]) for edge in _EDGES)}"/>')
    drawn = _image(place(inside), inside[:, 2], width, height, words)
    return (
        f'<div class="shot scene">{drawn}<svg viewBox="0 0 {width} {height}" aria-hidden="true">{"".join(paths)}</svg>'
        '<span class="cap">from behind and above the sensor</span></div>'
    )


def _image(places: np.ndarray, heights: np.ndarray, width: int, height: int, words: str) -> str:
    """Points as an image: the higher the lighter, the highest in front."""
    pixels = np.zeros((height, width), np.uint8)
    inside = (places >= 0).all(axis=1) & (places < [width, height]).all(axis=1)
    places, heights = places[inside], heights[inside]
    if len(places):
        low, high = np.quantile(heights, [0.02, 0.98])
        chosen = slice(None, None, -(-len(places) // DRAWN))
        places, heights = places[chosen], heights[chosen]
        order = np.argsort(heights, kind="stable")
        level = 1 + (len(PALETTE) - 2) * np.clip((heights - low) / max(high - low, 1e-6), 0, 1)
        column, row = places[order].astype(int).T
        shade = level[order].astype(np.uint8)
        pixels[row, column] = shade
        if len(places) < 2500:  # few points are drawn larger
            pixels[np.minimum(row + 1, height - 1), column] = shade
            pixels[row, np.minimum(column + 1, width - 1)] = shade
    return kit.image(pixels, words, most=max(width, height), smooth=True, palette=PALETTE)


def _path(places: np.ndarray) -> str:
    return "M" + "L".join(f"{x:.0f} {y:.0f}" for x, y in places)


def _arcs(bounds: Sequence[float]) -> list[float]:
    """Round distances from the sensor, about three, that lie in the area."""
    x0, x1, y0, y1 = bounds
    nearest = math.hypot(max(x0, 0.0, -x1), max(y0, 0.0, -y1))
    farthest = max(math.hypot(x, y) for x in (x0, x1) for y in (y0, y1))
    step = round_step((max(abs(x0), abs(x1), abs(y0), abs(y1))), 3)
    return [step * number for number in range(1, 6) if nearest < step * number < farthest]


def round_step(length: float, wanted: int) -> float:
    """A round number that divides a length in metres into about so many parts."""
    step = float(10 ** math.floor(math.log10(max(length, 1e-6) / wanted)))
    return next((step * factor for factor in (1, 2, 5, 10) if length / (step * factor) <= wanted + 1), step * 10)


def _labels(marks: Sequence[Mark], rings: Sequence[np.ndarray], width: int, height: int) -> str:
    """The words of boxes, beside them; where there is no room, there are none."""
    unit = max(width, height) / _NARROWEST  # pixels of the picture for one of the screen
    taken = [(*ring.min(axis=0).tolist(), *ring.max(axis=0).tolist()) for ring in rings]
    taken.append((0.0, height - 26 * unit, float(width), float(height)))  # the caption
    found: list[str] = []
    for mark, ring in zip(marks, rings, strict=True):
        if not mark.words or len(found) >= WORDS:
            continue
        wide, tall = (7.4 * len(mark.words) + 8) * unit, 18 * unit
        (left, top), (right, bottom) = ring.min(axis=0).tolist(), ring.max(axis=0).tolist()
        middle, across = (top + bottom) / 2, (left + right) / 2
        for x, y in (
            (right + 3, middle - tall / 2), (left - wide - 3, middle - tall / 2), (across - wide / 2, top - tall - 2),
            (across - wide / 2, bottom + 2),
        ):  # fmt: skip
            spot = (x, y, x + wide, y + tall)
            if x < 0 or y < 0 or spot[2] > width or spot[3] > height or any(_meet(spot, other) for other in taken):
                continue
            taken.append(spot)
            found.append(kit.label(100 * x / width, 100 * (y + tall / 2) / height, mark.words, mark.kind))
            break
    return "".join(found)


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
