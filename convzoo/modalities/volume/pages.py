"""What a report shows of volumes with a class or a number: the scan, what the network gets of it, and where it looked."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.inspect.saliency import saliency
from convzoo.modalities.volume.encoder import VolumeEncoder
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import spacing_of
from convzoo.modalities.volume.planes import Scan, middle, planes, same_place, says_where
from convzoo.modalities.volume.space import in_patient_axes
from convzoo.ops.moments import evenly_spaced
from convzoo.report import kit

COPIES = 4
"""Noisy copies of a scan whose gradients are averaged to see where the network looked."""

KERNELS = 16
"""Kernels of the first layer that are shown."""

SLICES_OF_KERNELS = 5
"""Axial slices of a kernel that are shown."""

LONGEST = 15.0
"""Seconds of computing for all pictures where the network looked; later cards go without."""

LATEST = 40.0
"""Seconds of computing for all pictures; later cards have words in their place."""

HEADERS = 3000
"""Test scans whose headers are read at most."""

MASKED = 60_000_000
"""Voxels of masks that are read at most, to measure what is drawn in them."""


class VolumePages(Pages):
    """Volumes with a class or a number: three planes in millimetres, and where the network looked.

    The pages of one report remember how long their pictures took, and those of examples that are shown twice.
    """

    plural = "scans"
    card_size = "wide"

    def __init__(self) -> None:
        self._spent = 0.0
        self._pictures: dict[int, str] = {}

    def picture(self, example: Volume) -> str:
        """The three planes through the middle of what is drawn in the mask, or of the volume."""
        voxels, affine = example.read()
        mask = example.read_mask() if example.mask is not None else None
        at = middle(mask) if mask is not None else [size // 2 for size in voxels.shape]
        scan = Scan(voxels, affine, drawn=mask)
        return f'<div class="shot">{planes(scan, at, "the scan", letters=says_where(example))}</div>'

    def legend(self, task: Task, material: Material) -> str:
        """Which planes, in which direction, and what the heat is."""
        drawn = any(example.mask is not None for example in material.examples)
        placed = isinstance(material.encoder, VolumeEncoder)
        first = (
            "Above is the scan as it is in its file, through the middle of the last structure of its mask, which is outlined. "
            if drawn and placed
            else "Above is the scan as it is in its file, through the same place. "
            if placed
            else ""
        )
        return (
            f"<p>{_DIRECTIONS if any(map(says_where, material.examples)) else _NO_DIRECTIONS} {first}Below is the scan as the "
            "network gets it, through the place that moves its answer most (the ring): the brighter, the more. This is the "
            f"gradient of the answer's score, as a mean over {COPIES} noisy copies (SmoothGrad, arXiv:1706.03825).</p>"
        )

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """The scan, and below it what the network gets, with what moved its answer."""
        index = int(row["index"])
        if index not in self._pictures:
            if self._spent > LATEST:
                return '<div class="shot"><p class="under">picture left out: reading the scans takes long</p></div>'
            began = time.process_time()
            self._pictures[index] = _pictures(task, material, row, material.examples[index], self._spent < LONGEST)
            self._spent += time.process_time() - began
        return self._pictures[index]

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By the size of what is drawn in the masks, and by the coarsest side of a voxel."""
        places = range(len(material.predictions))
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        if not examples or len(examples) > HEADERS:
            return []
        found = []
        sizes = sizes_of_last(examples)
        if sizes is not None:
            name, millilitres = sizes
            about = f"In millilitres, from the masks of the scans{_without(millilitres)}."
            found.append(Slices(f"size of {name}", about, _quarters(places, millilitres, "ml")))
        coarsest = [max(example.geometry().spacing) for example in examples]
        if max(coarsest) > 1.05 * min(coarsest) and all(map(says_where, examples)):
            about = "The longest side of a voxel, in millimetres, as the file says."
            found.append(Slices("coarsest spacing", about, _quarters(places, coarsest, "mm")))
        return found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The first kernel and the largest receptive field as rectangles on the axial plane of a test scan."""
        if sees is None or len(sees) != 3 or not isinstance(material.encoder, VolumeEncoder):
            return ""
        volume, affine = material.encoder.placed(material.examples[0])
        scan = Scan(volume[0].numpy(), affine)
        return fields(scan, material, "A test scan as the network gets it", sees, scan.voxels.shape)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Volume]) -> str:
        """The first layer's kernels, slice by slice, and its feature maps in the axial plane through the middle."""
        found = first_convolutions(model)
        if not found:
            return ""
        name, layer = next(iter(found.items()))
        weights = layer.weight.detach().float().mean(dim=1).numpy()  # (kernels, x, y, z)
        shown = evenly_spaced(weights.shape[3], SLICES_OF_KERNELS)
        each = "its axial slice" if len(shown) == 1 else f"its {len(shown)} axial slices from below to above"
        each += f" (of {weights.shape[3]})" if len(shown) < weights.shape[3] else ""
        count = f"All {len(weights)}" if len(weights) <= KERNELS else f"{KERNELS} of {len(weights)}"
        channels = f" (the mean over its {layer.weight.shape[1]} input channels)" if layer.weight.shape[1] > 1 else ""
        tiles = [
            (kit.image(_kernel(kernel[:, :, shown]), f"kernel {number}: {len(shown)} axial slices"), f"kernel {number}")
            for number, kernel in enumerate(weights[:KERNELS])
        ]
        parts = [
            f"<h3>First-layer kernels</h3><p>{count} kernels of {kit.code(name)}, each as {each}{channels}: blue adds, pink "
            "subtracts, and the paler, the less. A kernel answers most where the scan looks like it.</p>"
            + kit.tiles(tiles, "big")
        ]
        maps, seen = _maps(model, encoder, examples[0], layer) if examples else (None, None)
        if maps is not None and seen is not None:
            shots = [(kit.image(_axial(seen), "the scan as the network gets it, axial", smooth=True), "the scan")]
            shots += [
                (kit.image(_axial(single), f"answers of kernel {number}, axial", smooth=True), f"kernel {number}")
                for number, single in enumerate(maps[:KERNELS])
            ]
            parts.append(
                "<h3>Feature maps</h3><p>What these kernels make of a test scan, in the axial plane through its middle: bright "
                f"where they answer.</p>{kit.tiles(shots)}"
            )
        return "".join(parts)

    def data(self, material: Material) -> str:
        """The grids of the test scans, and how large what is drawn in their masks is."""
        examples = [material.examples[index] for index in range(min(len(material.examples), HEADERS))]
        if not examples:
            return ""
        parts = [grids(examples, len(material.examples))]
        sizes = sizes_of_last(examples)
        if sizes is not None:
            parts.append(histogram_of(*sizes))
        return kit.columns(parts)


LETTERS = "Letters say where right (R), left (L), front (A), back (P), head (S) and feet (I) of the patient are."
"""What the letters at the edges of planes mean."""

_DIRECTIONS = f"Sagittal, coronal and axial planes with one scale. {LETTERS}"
_NO_DIRECTIONS = "Three planes with one scale. These arrays do not say what is right, front or up, so no letters do."


def _pictures(task: Task, material: Material, row: Mapping[str, Any], example: Volume, heated: bool) -> str:
    letters = says_where(example)
    if isinstance(material.encoder, VolumeEncoder):
        volume, affine = material.encoder.placed(example)
        given = Scan(volume[0].numpy(), affine)
        inputs: dict[str, Any] = {"volume": volume[None]}
    else:
        inputs = dict(material.encoder.encode([example]).inputs)
        seen = next((each for each in inputs.values() if isinstance(each, Tensor) and each.ndim == 5), None)
        if seen is None:
            return VolumePages().picture(example)
        given, letters = Scan(seen[0, 0].numpy(), np.eye(4)), False
    heat = looked_at(material.model, inputs, _answers(task, row)) if heated else None
    if heat is None:
        at = [size // 2 for size in given.voxels.shape]
        below = "what the network gets" + ("; where it looked is left out, because it takes long" if not heated else "")
    else:
        heat = heat / max(float(np.percentile(heat, 99.9)), 1e-12)
        at = [int(place) for place in np.unravel_index(int(heat.argmax()), heat.shape)]
        below = "what the network gets, and where it looked"
    source = str(row["source"])
    shots = []
    if isinstance(material.encoder, VolumeEncoder):
        voxels, own = example.read()
        mask = example.read_mask() if example.mask is not None else None
        scan = Scan(voxels, own, drawn=np.where(mask == mask.max(), mask, 0) if mask is not None else None)
        place = middle(mask) if mask is not None and mask.any() else same_place(at, given.affine, scan)
        words = f"the scan, {scan.millimetres()}" if letters else f"the scan, {_times(voxels.shape)} voxels"
        words += f", {_last_name(example, mask)} outlined" if mask is not None and mask.any() else ""
        drawn = planes(
            scan, place, f"{source}, as in its file", mark=mask is None and heat is not None, letters=letters
        )
        shots.append(_shot(drawn, words))
    hot = Scan(given.voxels, given.affine, heat=heat)
    sides = f", {_times(given.voxels.shape)} voxels"
    shots.append(_shot(planes(hot, at, f"{source}, {below}", mark=heat is not None, letters=letters), below + sides))
    return "".join(shots)


def _shot(picture: str, words: str) -> str:
    return f'<div class="shot">{picture}<p class="under">{kit.text(words)}</p></div>'


def _last_name(example: Volume, mask: np.ndarray) -> str:
    """What the last structure of a mask is called."""
    return (example.structures or {}).get(int(mask.max()), f"structure {mask.max()}")


def _answers(task: Task, row: Mapping[str, Any]) -> list[int]:
    """Which outputs of the network made the answer: those of the classes that it names; of a number the first."""
    labels = list(getattr(task, "labels", ()))
    said = row.get("labels") or row.get("label")
    named = said if isinstance(said, list) else [said]
    return [labels.index(name) for name in named if name in labels] or [0]


class _Answer(nn.Module):
    """A network whose only output is the sum of some of its outputs."""

    def __init__(self, model: nn.Module, columns: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.columns = list(columns)

    def forward(self, **inputs: Any) -> Tensor:
        """(1, 1)"""
        return self.model(**inputs).flatten(1)[:, self.columns].sum(dim=1, keepdim=True)


def looked_at(model: nn.Module, inputs: dict[str, Any], columns: Sequence[int]) -> np.ndarray | None:
    """How much each voxel moves some outputs (x, y, z), smoothed by a voxel; None for a network without one tensor of outputs.

    Args:
        model: with its best weights
        inputs: of one scan
        columns: the numbers of the outputs
    """
    import scipy.ndimage

    try:
        found = saliency(_Answer(model, columns).eval(), inputs, torch.tensor([0]), samples=COPIES)
    except (AttributeError, IndexError, RuntimeError, TypeError):
        # A network of the user's own may give anything, or may not be differentiable.
        return None
    values = found[0].amax(dim=0).numpy()
    return scipy.ndimage.gaussian_filter(values, 1.0) if values.ndim == 3 and np.isfinite(values).all() else None


def sizes_of_last(examples: Sequence[Volume]) -> tuple[str, list[float]] | None:
    """The name of the last structure of the masks, and its size in each scan in millilitres, NaN without a mask; None if there
    are no masks, or too many voxels to read."""
    masked = [example for example in examples if example.mask is not None]
    if not masked or sum(float(np.prod(example.geometry().shape)) for example in masked) > MASKED:
        return None
    masks = [example.read_mask() if example.mask is not None else None for example in examples]
    last = max((int(mask.max()) for mask in masks if mask is not None), default=0)
    if not last:
        return None
    named = [example.structures for example in masked if example.structures and last in example.structures]
    name = named[0][last] if named else f"structure {last}"
    return name, [
        float((mask == last).sum()) * float(np.prod(example.geometry().spacing)) / 1000
        if mask is not None
        else float("nan")
        for example, mask in zip(examples, masks, strict=True)
    ]


def histogram_of(name: str, millilitres: Sequence[float]) -> str:
    """How large a structure is in the test scans that have it."""
    there = np.array([value for value in millilitres if value > 0])
    if not len(there):
        return ""
    without = len(millilitres) - len(there)
    words = (
        f"From the masks of {kit.count_of(len(there), 'test scans')}: {kit.as_number(float(there.min()))} to "
        f"{kit.as_number(float(there.max()))} ml, half have at most {kit.as_number(float(np.median(there)))} ml."
        + (f" {kit.count_of(without, 'scans')} have none, or no mask." if without else "")
    )
    return (
        f"<h3>Size of {kit.text(name)}, in ml</h3><p>{words}</p>"
        f"{kit.histogram(there.tolist(), f'Sizes of {name} in millilitres')}"
    )


def grids(examples: Sequence[Volume], count: int) -> str:
    """The extents, the spacings and the patients of the test scans."""
    turned = [in_patient_axes(example.geometry()) for example in examples]
    shapes = np.array([shape for shape, _ in turned])
    items = [("grid, in voxels", _span(shapes, ""))]
    if all(map(says_where, examples)):
        spacings = np.array([spacing for _, spacing in turned])
        items += [
            ("spacing, to the right × front × up", _span(spacings, " mm")),
            ("extent", _span(shapes * spacings, " mm")),
        ]
    groups = {example.group for example in examples if example.group is not None}
    if groups:
        items.append(("patients or groups", f"{len(groups):,}"))
    about = f" (the first {len(examples):,} of {count:,})" if len(examples) < count else ""
    return (
        f"<h3>Test scans</h3><p>As they are in their files{about}: the smallest and the largest.</p>{kit.pairs(items)}"
    )


def _span(values: np.ndarray, unit: str) -> str:
    low, high = (
        "×".join(kit.as_number(float(value)) for value in side) for side in (values.min(axis=0), values.max(axis=0))
    )
    return f"{low}{unit}" if low == high else f"{low} to {high}{unit}"


def _quarters(places: Sequence[int], values: Sequence[float], unit: str) -> dict[str, list[int]]:
    """Rows by the quarter of their value, the smallest first; fewer parts where values are alike or few."""
    known = [(value, place) for value, place in zip(values, places, strict=True) if value == value]
    if not known:
        return {}
    bounds = np.unique(
        np.quantile([value for value, _ in known], [0, 0.25, 0.5, 0.75, 1] if len(known) >= 12 else [0, 0.5, 1])
    )
    parts = np.searchsorted(bounds[1:-1], [value for value, _ in known], side="left")
    found: dict[str, list[int]] = {}
    for part in range(max(len(bounds) - 1, 1)):
        rows = [pair for pair, own in zip(known, parts.tolist(), strict=True) if own == part]
        if rows:
            low, high = (kit.as_number(end(value for value, _ in rows)) for end in (min, max))
            found[f"{low} to {high} {unit}" if low != high else f"{low} {unit}"] = [place for _, place in rows]
    return found


def _without(values: Sequence[float]) -> str:
    left = sum(value != value for value in values)
    return f"; {kit.count_of(left, 'scans')} without a mask are left out" if left else ""


def fields(
    scan: Scan, material: Material, words: str, sees: Sequence[int], grid: Sequence[int], patched: bool = False
) -> str:
    """The first kernel and the largest receptive field as rectangles on the axial plane through the middle of a scan.

    Args:
        scan: on the network's grid
        material: of the report
        words: what the scan is
        sees: voxels that one output of the last layers depends on, along each axis
        grid: voxels that the network gets at once, along each axis
        patched: whether these are a patch of a scan
    """
    first = next(iter(first_convolutions(material.model).values()), None)
    chosen = [tuple(first.kernel_size)] if first is not None and len(first.kernel_size) == 3 else []
    chosen += [sides for sides in [tuple(map(min, sees, grid))] if sides not in chosen]
    spacing = spacing_of(scan.affine)
    x, y, z = scan.voxels.shape
    flat = scan.voxels[:, ::-1, z // 2].T[:, ::-1]
    low, high = np.percentile(flat, (0.5, 99.5))
    pixels = np.uint8(255 * np.clip((flat - low) / max(float(high - low), 1e-6), 0, 1))
    boxes, signs, lines = "", "", ""
    for number, sides in enumerate(chosen, start=1):
        wide, tall = min(sides[0], x), min(sides[1], y)
        boxes += f'<rect class="rf" x="{(x - wide) / 2:.2f}" y="{(y - tall) / 2:.2f}" width="{wide}" height="{tall}"/>'
        left, top = 50 + 50 * wide / x, 50 - 50 * tall / y + 1.5
        # Beside a rectangle, and inside one that has no room beside it.
        side = "transform:translateX(-140%)" if left > 92 else "margin-left:.3rem"
        signs += f'<span style="left:{left:.1f}%;top:{top:.1f}%;{side}" aria-hidden="true">{number}</span>'
        size = "×".join(kit.as_number(extent * step) for extent, step in zip(sides, spacing, strict=True))
        what = "a kernel of the first layer" if number == 1 and first is not None else "an output of the last layers"
        whole = (" (the whole patch)" if patched else " (the whole scan)") if tuple(sides) == tuple(grid) else ""
        lines += f"<li>{what}: {_times(sides)} voxels{whole}, {size} mm</li>"
    picture = kit.image(
        pixels, f"{words}, axial plane with {len(chosen)} rectangles", most=384, smooth=True, quality=80
    )
    shot = (
        '<div class="shot limits"><div class="planes">'
        f'<div style="flex:1;aspect-ratio:{x * spacing[0]:.5g}/{y * spacing[1]:.5g}">'
        f'{picture}<svg viewBox="0 0 {x} {y}" preserveAspectRatio="none" aria-hidden="true">{boxes}</svg>'
        f"{signs}</div></div></div>"
    )
    about = (
        f"<p>{words}: {_times(scan.voxels.shape)} voxels of {_times([kit.as_number(step) for step in spacing])} mm, axial plane. "
        f"The rectangles are what these depend on:</p><ol class='prose'>{lines}</ol>"
        + (
            f"<p>The network gets patches of {_times(grid)} voxels, which overlap and cover the scan.</p>"
            if patched
            else ""
        )
    )
    return kit.columns([shot, about])


def _kernel(slices: np.ndarray) -> np.ndarray:
    """The slices (x, y, slices) of a kernel side by side as colours: blue above 0, pink below, the paler the nearer to 0."""
    share = slices / (np.abs(slices).max() or 1.0)
    blue, pink, pale = (np.array(colour, float) for colour in ((27, 98, 181), (171, 35, 105), (244, 245, 248)))
    strength = np.abs(share)[..., None]
    colours = np.where(share[..., None] >= 0, blue, pink) * strength + pale * (1 - strength)
    # Rows run down from the front, columns to the left of the patient, as in the planes; a line of the ground between slices.
    flat = [np.kron(colours[::-1, ::-1, at].transpose(1, 0, 2), np.ones((6, 6, 1))) for at in range(slices.shape[2])]
    gap = np.full((flat[0].shape[0], 2, 3), (14, 18, 24), float)
    joined = [part for each in flat for part in (gap, each)][1:]
    return np.uint8(np.concatenate(joined, axis=1))


def _maps(
    model: nn.Module, encoder: Encoder, example: Volume, layer: nn.Module
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """A layer's answers to a scan (kernels, x, y, z), 0 and above, and the scan as the network gets it (x, y, z)."""
    inputs = encoder.gather(encoder.pieces([example]), [0]).inputs
    seen = next((each for each in inputs.values() if isinstance(each, Tensor) and each.ndim == 5), None)
    found = feature_maps(model, inputs, layer)
    if seen is None or found.ndim != 5:
        return None, None
    return found[0].clamp(min=0).float().numpy(), seen[0, 0].numpy()


def _times(values: Sequence[Any]) -> str:
    return "×".join(map(str, values))


def _axial(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(kit.grey(values[:, :, values.shape[2] // 2], around_zero=False).T[::-1, ::-1])
