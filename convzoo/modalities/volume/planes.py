"""Three planes of a volume as HTML: in the patient's proportions, with the directions at their edges, masks and heat."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import spacing_of
from convzoo.report import kit

COLOURS = ("#7db4f5", "#e8c468", "#5ccfae", "#f08bbd", "#ff9c69", "#c4a7ff", "#b8d979")
"""Of the structures of a mask, from 1; for further structures they repeat. All stand on the dark ground of pictures."""

DASHES = ("", "7 4", "2 3", "10 4 2 4")
"""Of the outlines of the structures, from 1: they are told apart without colours, too."""

MOST = 176
"""Longest side of a stored plane, in pixels."""

_FINEST = 256
"""Longest side of a plane whose outlines are followed, in voxels; larger ones are thinned."""

_SMALL = 64
"""Longest side of a plane that is stored as it is, in voxels: a JPEG would blur its colours."""

_LEVELS = 1_000_000
"""Number of voxels from which the darkest and the brightest grey are found."""

_PLANES = (
    ("sagittal", 0, ("P", "A", "S", "I")),
    ("coronal", 1, ("R", "L", "S", "I")),
    ("axial", 2, ("R", "L", "A", "P")),
)
"""Of each plane its name, the axis across it, and what lies left, right, above and below on the page."""


@dataclass(frozen=True)
class Scan:
    """What is drawn: voxels, their place in the patient, and what lies over them, all on one grid.

    Attributes:
        voxels: (x, y, z)
        affine: (4, 4), from an index to millimetres, RAS+
        found: (x, y, z), structures as whole numbers, which are filled
        drawn: (x, y, z), structures as whole numbers, which are outlined
        heat: (x, y, z), 0 or above, laid over the greys
    """

    voxels: np.ndarray
    affine: np.ndarray
    found: np.ndarray | None = None
    drawn: np.ndarray | None = None
    heat: np.ndarray | None = None

    def around(self, low: Sequence[int], high: Sequence[int]) -> "Scan":
        """A part of it, from voxel `low` up to voxel `high`, which is not in it."""
        box = tuple(slice(first, last) for first, last in zip(low, high, strict=True))
        moved = self.affine.copy()
        moved[:3, 3] += self.affine[:3, :3] @ np.asarray(low, float)
        parts = [None if each is None else each[box] for each in (self.found, self.drawn, self.heat)]
        return Scan(self.voxels[box], moved, *parts)

    def millimetres(self) -> str:
        """Its extent to the right, the front and upwards: `176×208×176 mm`."""
        from nibabel.orientations import io_orientation

        order = np.argsort(io_orientation(self.affine)[:, 0])
        extent = (np.array(self.voxels.shape) * spacing_of(self.affine))[order]
        return "×".join(f"{value:.0f}" if value >= 10 else f"{value:.2g}" for value in extent.tolist()) + " mm"


def says_where(example: Volume) -> bool:
    """Whether a scan says what is right, front and up; bare arrays do not."""
    if example.voxels is not None:
        return example.affine is not None
    return example.path is None or example.path.suffix.lower() not in (".npy", ".npz")


def middle(mask: np.ndarray) -> list[int]:
    """A voxel in the middle of the last structure of a mask; of an empty mask the middle of the volume."""
    inside = np.argwhere(mask == mask.max()) if mask.any() else np.zeros((0, 3))
    if not len(inside):
        return [size // 2 for size in mask.shape]
    nearest = np.square(inside - inside.mean(axis=0)).sum(axis=1).argmin()
    return [int(place) for place in inside[nearest]]


def same_place(at: Sequence[float], affine: np.ndarray, other: Scan) -> list[int]:
    """The voxel of another scan at the place of a voxel, both in millimetres; inside the scan."""
    place = np.linalg.inv(other.affine) @ affine @ np.array([*at, 1.0])
    return [int(np.clip(round(value), 0, size - 1)) for value, size in zip(place[:3], other.voxels.shape, strict=True)]


def planes(
    scan: Scan, at: Sequence[int], words: str, mark: bool = False, letters: bool = True, numbers: bool = False,
    most: int = MOST,
) -> str:  # fmt: skip
    """The sagittal, the coronal and the axial plane through a voxel, side by side, with one scale for all of them.

    Args:
        scan: what is drawn
        at: the voxel
        words: what it is, for those who cannot see it
        mark: draw a ring around the voxel
        letters: write the directions at the edges, and a scale; for scans that say where they are
        numbers: write the number of each structure on it
        most: longest side of a stored plane, in pixels
    """
    from nibabel.orientations import apply_orientation, io_orientation

    turn = io_orientation(scan.affine)
    image, found, drawn, heat = (
        None if each is None else apply_orientation(each, turn)
        for each in (scan.voxels, scan.found, scan.drawn, scan.heat)
    )
    assert image is not None, "there is always a volume"
    spacing = np.array(spacing_of(scan.affine))[np.argsort(turn[:, 0])]
    place = [0, 0, 0]
    for own, (axis, sign) in enumerate(turn):
        place[int(axis)] = int(at[own]) if sign > 0 else scan.voxels.shape[own] - 1 - int(at[own])
    every = max(1, round((image.size / _LEVELS) ** (1 / 3)))
    low, high = np.percentile(image[::every, ::every, ::every], (0.5, 99.5))
    hottest = float(heat.max()) if heat is not None else 0.0
    extents = [image.shape[axis] * float(spacing[axis]) for axis in range(3)]
    shown = []
    for name, axis, edges in _PLANES:

        def plane(values: np.ndarray, axis: int = axis) -> np.ndarray:
            # Rows run down from the head (or from the front), columns to the right; right of the patient is left on the page.
            flat = np.take(values, place[axis], axis).T[::-1]
            return flat[:, ::-1] if axis else flat

        pixels = 255 * np.clip((plane(image) - low) / max(float(high - low), 1e-6), 0, 1)
        if heat is not None and hottest > 0:
            pixels = _heated(pixels, plane(heat) / hottest)
        across, down = (extents[other] for other in range(3) if other != axis)
        over = _masks(*(None if each is None else plane(each) for each in (found, drawn)))
        structures = found if found is not None else drawn
        if numbers and structures is not None:
            over += _numbers(plane(structures))
        if mark:
            one, other = (at_ for at_ in range(3) if at_ != axis)
            left = (place[one] + 0.5) / image.shape[one]
            top = 1 - (place[other] + 0.5) / image.shape[other]
            over += f'<i class="peak" style="left:{100 * (1 - left if axis else left):.1f}%;top:{100 * top:.1f}%"></i>'
        if letters:
            sides = zip(("left", "right", "top", "bottom"), edges, strict=True)
            over += "".join(f'<span class="{side}" aria-hidden="true">{letter}</span>' for side, letter in sides)
            over += _rule(across) if name == "axial" else ""
        stored = kit.image(
            np.uint8(np.clip(pixels, 0, 255)), f"{name} plane: {words}", most=most, smooth=True,
            quality=None if max(pixels.shape) <= _SMALL else 80,
        )  # fmt: skip
        # One length is one length in all three: they share the width as their extents do.
        shown.append(f'<div style="flex:{across:.4g} 1 0;aspect-ratio:{across:.5g}/{down:.5g}">{stored}{over}</div>')
    tallest, width = max(extents[1:]), extents[1] + 2 * extents[0]
    return f'<div class="planes" style="max-width:{26 * width / tallest:.0f}rem">{"".join(shown)}</div>'


def swatches(labels: Sequence[str]) -> str:
    """What the colours, the numbers and the lines of the structures mean."""
    return kit.key([(line(number), f"{number} {label}") for number, label in enumerate(labels, start=1)])


def line(number: int) -> str:
    """A piece of the outline of a structure, on the dark ground of pictures."""
    colour, dash = _colour(number), DASHES[(number - 1) % len(DASHES)]
    return (
        f'<span class="nightkey"><svg width="34" height="12" aria-hidden="true"><rect width="34" height="12" fill="{colour}" '
        f'opacity=".35"/><path d="M0 6H34" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/></svg></span>'
    )


def _heated(pixels: np.ndarray, share: np.ndarray) -> np.ndarray:
    pixels, part = pixels[..., None], np.clip(share, 0, 1)[..., None]
    warm = (1 - part) * np.array([214.0, 60.0, 40.0]) + part * np.array([255.0, 240.0, 150.0])
    weight = np.clip(1.4 * part - 0.2, 0, 0.9)
    # A darker ground leaves the heat as what is bright.
    return 0.7 * (1 - weight) * pixels + weight * warm


def _rule(across: float) -> str:
    """A scale of a round length at the edge of a plane, whose extent is in millimetres."""
    length = next((size for size in (500, 200, 100, 50, 40, 30, 20, 10, 5, 4, 3, 2, 1) if size <= 0.36 * across), 0)
    return (
        f'<span class="rule" style="width:{100 * length / across:.1f}%" aria-hidden="true">{length} mm</span>'
        if length
        else ""
    )


def _masks(found: np.ndarray | None, drawn: np.ndarray | None) -> str:
    """What was found as areas, what was drawn as lines."""
    shape = next((each.shape for each in (found, drawn) if each is not None), None)
    if shape is None:
        return ""
    every = -(-max(shape) // _FINEST)
    areas = [
        f'<path d="{path}" style="fill:{_colour(number)};fill-opacity:.5"/>' for number, path in _paths(found, every)
    ]
    lines = [
        f'<path class="under" d="{path}"/><path d="{path}" stroke="{_colour(number)}"'
        + (f' stroke-dasharray="{dash}"/>' if (dash := DASHES[(number - 1) % len(DASHES)]) else "/>")
        for number, path in _paths(drawn, every)
    ]
    down, across = (-(-size // every) for size in shape)
    return (
        f'<svg viewBox="0 0 {across} {down}" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(areas + lines)}</svg>"
    )


def _paths(mask: np.ndarray | None, every: int) -> list[tuple[int, str]]:
    if mask is None:
        return []
    thin = mask[::every, ::every]
    return [(number, outline(thin == number)) for number in np.unique(thin[thin > 0]).tolist()]


def _colour(number: int) -> str:
    return COLOURS[(number - 1) % len(COLOURS)]


def outline(mask: np.ndarray) -> str:
    """The borders of a mask (rows, columns) along the sides of its pixels, as the path of an SVG whose unit is a pixel."""
    padded = np.pad(mask, 1)
    after: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # Sides of pixels as steps from corner to corner (column, row), with the mask on the right of each step.
    for row, column in np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist():
        ends = (column, row), (column + 1, row)
        start, end = ends if padded[row + 1, column + 1] else ends[::-1]
        after.setdefault(start, []).append(end)
    for row, column in np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist():
        ends = (column, row + 1), (column, row)
        start, end = ends if padded[row + 1, column + 1] else ends[::-1]
        after.setdefault(start, []).append(end)
    paths = []
    while after:
        first = next(iter(after))
        corners, here = [first], first
        while here in after:
            there = after[here].pop()
            if not after[here]:
                del after[here]
            corners.append(there)
            here = there
        turns = [corner for before, corner, behind in zip(corners, corners[1:], corners[2:], strict=False)
                 if before[0] != behind[0] and before[1] != behind[1]]  # fmt: skip
        steps = [f"V{y}" if x == old[0] else f"H{x}" for old, (x, y) in pairwise([first, *turns, corners[-1]])]
        paths.append(f"M{first[0]} {first[1]}{''.join(steps)}Z")
    return "".join(paths)


def _numbers(mask: np.ndarray) -> str:
    """The number of each structure on its largest part, where that has room for it."""
    from scipy.ndimage import label

    shown = []
    for number in np.unique(mask[mask > 0]).tolist():
        parts, count = label(mask == number)
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        inside = np.argwhere(parts == 1 + int(sizes.argmax()))
        if np.min((np.ptp(inside, axis=0) + 1) / mask.shape) < 0.09:
            continue
        row, column = inside[np.square(inside - inside.mean(axis=0)).sum(axis=1).argmin()] + 0.5
        left, top = 100 * column / mask.shape[1], 100 * row / mask.shape[0]
        shown.append(f'<b style="left:{left:.1f}%;top:{top:.1f}%" aria-hidden="true">{number}</b>')
    return "".join(shown)
