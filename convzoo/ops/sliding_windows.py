"""Windows that slide over an image or volume of any size. Only some of its planes are in memory at once."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from convzoo.core.outputs.masks import Grid

_PLANES = 8
"""The number of planes that are given at a time. It is small, because later steps need several copies of them."""


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """Where windows along an axis begin: as few windows as possible with at least this overlap, evenly spread, the last at the
    end."""
    if size <= window:
        return [0]
    step = max(1.0, window * (1 - overlap))
    count = int(np.ceil((size - window) / step)) + 1
    return [round(at) for at in np.linspace(0, size - window, count)]


def gaussian(window: int, sigma: float = 0.125) -> Tensor:
    """The weight of each position of a window along an axis: largest in the middle, where the network sees most context.

    Args:
        window: its width
        sigma: deviation as a fraction of the width
    """
    at = torch.arange(window, dtype=torch.float64) - (window - 1) / 2
    return torch.exp(-0.5 * (at / (sigma * window)) ** 2).float()


def sliding_probabilities(
    image: Float[Tensor, "channels *space"],
    window: Sequence[int],
    compute: Callable[[Tensor], Tensor],
    overlap: float = 0.5,
    at_once: int = 1,
    weight: Callable[[int], Tensor] = gaussian,
) -> Iterator[tuple[int, Tensor]]:
    """Probabilities of an image from overlapping windows: at each position, the weighted mean over its windows.

    Planes along the first axis are given as soon as no later window touches them, so that at most the depth of one window is
    kept. Windows are on a lattice and weights are products over the axes, so the sums of weights are products, too.

    Args:
        image: of any size; if it is smaller than a window, it is padded with zeros
        window: its size along each axis
        compute: from a batch of windows (windows, channels, *window) to probabilities (windows, classes, *window)
        overlap: the fraction of a window that the next one covers again
        at_once: number of windows that are computed together
        weight: of each position of a window along an axis, by the window's width

    Yields:
        The number of the first plane, and the probabilities of some planes, (classes, planes, *rest); all planes, in order.
    """
    space = tuple(image.shape[1:])
    missing = [max(0, wide - size) for wide, size in zip(window, space, strict=True)]
    if any(missing):
        sides = [side for lack in reversed(missing) for side in (lack // 2, lack - lack // 2)]
        image = F.pad(image, sides)
    full = tuple(image.shape[1:])
    starts = [window_starts(size, wide, overlap) for size, wide in zip(full, window, strict=True)]
    weights = [weight(wide).to(image.device) for wide in window]
    sums = []
    for size, wide, places, along in zip(full, window, starts, weights, strict=True):
        total = torch.zeros(size, device=image.device)
        for place in places:
            total[place : place + wide] += along
        sums.append(total)
    mass = _outer(weights)
    rest = _outer(sums[1:]) if len(sums) > 1 else torch.ones((), device=image.device)
    kept: Tensor | None = None  # the sums of the planes from `first` on
    first = 0
    # The padding before the first plane is not part of the result.
    before = missing[0] // 2
    inside = tuple(slice(lack // 2, lack // 2 + size) for lack, size in zip(missing[1:], space[1:], strict=True))

    every_inside = (slice(None), *inside)

    def finished(stop: int) -> Iterator[tuple[int, Tensor]]:
        assert kept is not None
        last = min(stop, before + space[0])
        for low in range(max(first, before), last, _PLANES):
            high = min(low + _PLANES, last)
            chosen = (slice(None), slice(low - first, high - first), *inside)
            mass_there = sums[0][low:high].view(-1, *[1] * (len(full) - 1)) * rest
            yield low - before, kept[chosen] / mass_there[every_inside]

    for number, start in enumerate(starts[0]):
        if kept is not None and start > first:
            yield from finished(start)
            gone = start - first
            # Moved in place, so that no second array of this size is needed.
            kept[:, : window[0] - gone] = kept[:, gone:].clone()
            kept[:, window[0] - gone :] = 0
            first = start
        lattice = [_slices(place, window[1:]) for place in product(*starts[1:])]
        deep = slice(start, start + window[0])
        for group in range(0, len(lattice), at_once):
            chosen = [(slice(None), deep, *beside) for beside in lattice[group : group + at_once]]
            found = compute(torch.stack([image[where] for where in chosen])).float() * mass
            if kept is None:
                kept = torch.zeros((found.shape[1], window[0], *full[1:]), device=found.device)
            for where, part in zip(chosen, found, strict=True):
                kept[where[:1] * 2 + where[2:]] += part  # `kept` has exactly the planes of this window
        if number == len(starts[0]) - 1:
            yield from finished(start + window[0])


def _slices(starts: tuple[int, ...], sizes: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(starts, sizes, strict=True))


class Restored:
    """A mask on an example's original grid, made plane by plane from probabilities on the network's grid.

    If the grids differ, probabilities are interpolated linearly, and then the most likely class is chosen. If the network's grid
    is the original one with axes swapped or mirrored, nothing is interpolated.

    Args:
        grid: of the example
        space: the size of the network's grid
    """

    def __init__(self, grid: Grid, space: Sequence[int]) -> None:
        self.grid = grid
        self.mask = np.zeros(grid.shape, dtype=np.uint8)
        # For each axis of the network's grid, the positions of the original grid's points on it.
        self.places = [
            np.clip(offset + scale * np.arange(grid.shape[axis]), 0, size - 1)
            for axis, scale, offset, size in zip(grid.axes, grid.scale, grid.offset, space, strict=True)
        ]
        self.written = np.zeros(grid.shape[grid.axes[0]], dtype=bool)
        self.last: Tensor | None = None  # the last plane so far, to interpolate between it and the next

    def add(self, start: int, planes: Float[Tensor, "classes planes *rest"]) -> None:
        """Add planes of probabilities, in order."""
        if self.last is not None:
            planes, start = torch.cat([self.last, planes], dim=1), start - 1
        self.last = planes[:, -1:].clone()
        stop = start + planes.shape[1]
        ready = np.flatnonzero(~self.written & (np.ceil(self.places[0]) < stop))
        self.written[ready] = True
        # A few planes at a time, because a finer original grid has more planes than were given.
        for few in np.array_split(ready, max(1, -(-len(ready) // _PLANES))):
            if len(few):
                chosen = _along(planes, 1, self.places[0][few] - start)
                for axis, places in enumerate(self.places[1:], start=2):
                    chosen = _along(chosen, axis, places)
                likeliest = (
                    chosen.argmax(dim=0).to(torch.uint8).cpu().numpy()
                )  # its axes are those of the network's grid
                where: list = [slice(None)] * likeliest.ndim
                where[self.grid.axes[0]] = few
                self.mask[tuple(where)] = np.transpose(likeliest, np.argsort(self.grid.axes))


def _along(values: Tensor, axis: int, places: np.ndarray) -> Tensor:
    """Values at positions along an axis, interpolated linearly if these are not whole numbers."""
    low = np.floor(places).astype(np.int64)
    part = places - low
    if len(places) == values.shape[axis] and not part.any() and (np.diff(low) == 1).all():
        return values
    below = values.index_select(axis, torch.from_numpy(low).to(values.device))
    if part.max(initial=0.0) < 1e-5:
        return below
    high = np.minimum(low + 1, values.shape[axis] - 1)
    share = torch.from_numpy(part).to(values.device, values.dtype).view(-1, *[1] * (values.ndim - axis - 1))
    return torch.lerp(below, values.index_select(axis, torch.from_numpy(high).to(values.device)), share)


def _outer(vectors: Sequence[Tensor]) -> Tensor:
    """The outer product of vectors, one axis for each."""
    found = vectors[0]
    for vector in vectors[1:]:
        found = found[..., None] * vector
    return found
