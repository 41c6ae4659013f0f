"""What a report shows of a segmentation: masks as drawn and as found, overlap and borders by structure and case, sizes."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.pages import Material, Panel, Section
from convzoo.core.task import Task
from convzoo.inspect.saliency import saliency
from convzoo.metrics.segmentation import SegmentationMeter
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.mask_encoder import SegmentationEncoder
from convzoo.modalities.volume.pages import COPIES, HEADERS, LETTERS, VolumePages, fields, grids
from convzoo.modalities.volume.planes import Scan, line, planes, says_where, swatches
from convzoo.ops.moments import evenly_spaced
from convzoo.report import kit
from convzoo.tasks.segmentation import Segmentation

Row = Mapping[str, Any]

SHOWN = 3
"""Scans of a panel of the gallery; so many panels' scans are all shown in one."""

COUNTED = 6
"""Scans whose voxels are counted by what was drawn and what was found."""

EXPLAINED = 4
"""Structures of which is shown where the network looked, and plots of sizes."""

LISTED = 120
"""Lines of the table of all scans and structures."""

DOTS = 300
"""Scans that are drawn as dots of one structure."""

LATEST = 30.0
"""Seconds of computing for all masks that are found again; later ones are left out."""

INTERVALS = 10
"""Scans of a structure from which on its mean has an interval."""


class VolumeMaskPages(VolumePages):
    """Volumes with masks. The masks of some scans are found again, each once, because a run does not keep them."""

    card_size = "full"

    def __init__(self) -> None:
        super().__init__()
        self._masks: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._seconds = 0.0

    def title(self, task: Task, material: Material, count: int) -> str:
        """The structures and the number of scans."""
        labels = [str(label) for label in getattr(task, "labels", ())]
        scans = kit.count_of(count, self.plural)
        if not 1 <= len(labels) <= 4 or any(len(label) > 24 for label in labels):
            return f"Where are {len(labels)} structures? {scans}"
        named = [label if not label.isdigit() else f"structure {label}" for label in labels]
        asked = " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)
        return f"Where {'are' if len(named) > 1 else 'is'} {asked}? {scans}"

    def legend(self, task: Task, material: Material) -> str:
        """Which planes, and what the colours and the lines are."""
        if not isinstance(task, Segmentation) or not isinstance(material.encoder, SegmentationEncoder):
            return ""
        letters = any(map(says_where, material.examples))
        return (
            "<p>Sagittal, coronal and axial planes with one scale. "
            + (f"{LETTERS} " if letters else "")
            + "What was drawn by a person is an outline; what the network found is filled.</p>"
            + swatches(task.labels)
        )  # fmt: skip

    def cases(self, task: Task, material: Material) -> list[float]:
        """The mean Dice of each labelled test scan over its structures."""
        return [_mean_dice(row) for row in _labelled(material)]

    def explained(self, task: Task, material: Material, row: Row) -> str:
        """As drawn, and as found, side by side; without a true mask only what was found."""
        example: Volume = material.examples[int(row["index"])]
        both = self._found(task, material, int(row["index"]))
        if both is None:
            return '<div class="shot"><p class="under">picture left out: to find its mask again takes long</p></div>'
        found, true = both
        at = _where_they_differ(found, true if true is not None else found)
        voxels, affine = example.read()
        low, high = _box(found, true, np.linalg.norm(affine[:3, :3], axis=0))
        at = [place - first for place, first in zip(at, low, strict=True)]
        whole = Scan(voxels, affine)
        letters, source = says_where(example), str(row["source"])
        part = f" of {whole.millimetres()}" if list(high) != list(voxels.shape) or any(low) else ""
        shots = []
        if true is not None:
            drawn = Scan(voxels, affine, drawn=true).around(low, high)
            shown = planes(drawn, at, f"{source} as it was drawn", letters=letters, numbers=True, most=256)
            size = f": {drawn.millimetres()}{part}" if letters else ""
            shots.append(f'<div class="shot">{shown}<p class="under">as it was drawn{size}</p></div>')
        over = Scan(voxels, affine, found=found, drawn=true).around(low, high)
        shown = planes(over, at, f"{source} as it was found", letters=letters, numbers=True, most=256)
        words = (
            "found by the network, and the outline of what was drawn" if true is not None else "found by the network"
        )
        shots.append(f'<div class="shot">{shown}<p class="under">{words}</p></div>')
        return f'<div class="pair">{"".join(shots)}</div>'

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """The worst, the middle and the best scans, all of them if they are few, and where the network looked."""
        if not isinstance(task, Segmentation) or not isinstance(material.encoder, SegmentationEncoder):
            return []
        rows = sorted(_labelled(material), key=_mean_dice)
        place = "in the planes through the place where both masks differ most"
        if not rows:
            few = list(material.predictions[:SHOWN])
            about = f"The first {len(few)} of {kit.count_of(len(material.predictions), self.plural)}; no true masks are known."
            return [Panel("What it found", about, self._cards(task, material, few))] if few else []
        if len(rows) <= 3 * SHOWN:
            about = f"All {kit.count_of(len(rows), f'test {self.plural}')}, the lowest mean Dice first, {place}."
            found = [Panel("All scans", about, self._cards(task, material, rows))]
        else:
            first = (len(rows) - SHOWN) // 2
            several = [
                ("Worst", rows[:SHOWN], "with the lowest mean Dice, the worst first"),
                ("Middle", rows[first : first + SHOWN], "around the median of the mean Dice"),
                ("Best", rows[::-1][:SHOWN], "with the highest mean Dice, the best first"),
            ]
            found = [
                Panel(
                    name,
                    f"{SHOWN} of {len(rows):,} test {self.plural}: those {words}, {place}.",
                    self._cards(task, material, few),
                )
                for name, few, words in several
            ]
        looked = _looked_at(task, material, material.encoder, rows[len(rows) // 2])
        return [*found, looked] if looked is not None else found

    def _cards(self, task: Segmentation, material: Material, rows: Sequence[Row]) -> str:
        return kit.cards([kit.card(self.explained(task, material, row), _said(row)) for row in rows], "full")

    def _found(self, task: Task, material: Material, index: int) -> tuple[np.ndarray, np.ndarray | None] | None:
        """The mask that the network finds in a scan, and the true one; None if all together take too long."""
        if index not in self._masks:
            if self._seconds > LATEST:
                return None
            began = time.process_time()
            batch = material.encoder.encode([material.examples[index]])
            with torch.no_grad():
                masks = task.predict(material.model.eval(), batch).masks
            self._masks[index] = masks[0], batch.target["masks"][0]
            self._seconds += time.process_time() - began
        return self._masks[index]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Empty if no scan has a true mask."""
        rows = _labelled(material)
        if not isinstance(task, Segmentation) or not rows:
            return []
        found = [Section("", structures(task, material, rows))]
        voxels = self._voxels(task, material, rows) if isinstance(material.encoder, SegmentationEncoder) else ""
        # A matrix of many classes needs the whole width.
        parts = [part for part in (voxels, sizes(task, rows)) if part]
        found.append(Section("", kit.columns(parts) if len(task.labels) <= 2 else "".join(parts)))
        found.append(Section("Found against drawn", against(task, rows)))
        halves = small_and_large(task, rows)
        if halves:
            found.append(Section("Slices", halves))
        found.append(Section("", each_scan(task, rows)))
        return found

    def _voxels(self, task: Segmentation, material: Material, rows: Sequence[Row]) -> str:
        """Voxels by what was drawn and what was found, in some scans."""
        counts, used = np.zeros((len(task.labels) + 1,) * 2, np.int64), 0
        for at in evenly_spaced(len(rows), COUNTED):
            both = self._found(task, material, int(rows[at]["index"]))
            if both is not None and both[1] is not None:
                found, true = both[0].astype(np.int64).ravel(), both[1].astype(np.int64).ravel()
                counts += np.bincount(true * len(counts) + found, minlength=counts.size).reshape(counts.shape)
                used += 1
        if not used:
            return ""
        which = (
            f"{used} of {len(rows):,} scans, evenly chosen" if used < len(rows) else kit.count_of(used, "test scans")
        )
        return (
            f"<h3>Voxel by voxel</h3><p>In {which}: what was drawn, and what was found there.</p>"
            f"{kit.matrix(['background', *task.labels], counts)}"
        )

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The first kernel and the largest receptive field as rectangles on the axial plane of a test scan."""
        encoder = material.encoder
        if sees is None or len(sees) != 3 or not isinstance(encoder, SegmentationEncoder):
            return ""
        image = encoder.prepare(material.examples[0])["image"][0].numpy()
        scan = Scan(image, np.diag([*encoder.spacing_used, 1.0]))
        return fields(scan, material, "A test scan as the network gets it", sees, encoder.dims["patch"], patched=True)

    def data(self, material: Material) -> str:
        """The grids of the test scans, and how large the drawn structures are."""
        examples = [material.examples[index] for index in range(min(len(material.examples), HEADERS))]
        rows = _labelled(material)
        if not examples:
            return ""
        parts = [grids(examples, len(material.examples))]
        if rows:
            names = [str(name) for name in next(iter(rows))["true_millilitres"]]
            lines: list[list[kit.Cell]] = []
            for name in names:
                there = [value for row in rows if (value := float(row["true_millilitres"].get(name, 0))) > 0]
                span = f"{kit.as_number(min(there))} to {kit.as_number(max(there))} ml" if there else None
                median = f"{kit.as_number(float(np.median(there)))} ml" if there else None
                lines.append([name, f"{len(there):,} of {len(rows):,}", span, median])
            columns = [
                kit.Column("structure"),
                kit.Column("in scans", "n"),
                kit.Column("size", "n"),
                kit.Column("median", "n"),
            ]
            parts.append(kit.table(columns, lines, "<b>Structures</b>, as drawn in the test scans."))
        return kit.columns(parts)


def _labelled(material: Material) -> list[Row]:
    """The rows with a true mask. One that is empty, and in which nothing was found, has no score: it is not among them."""
    return [row for row in material.predictions if isinstance(row.get("dice"), Mapping) and row["dice"]]


def _mean_dice(row: Row) -> float:
    return float(np.mean([float(value) for value in row["dice"].values()]))


def _distances(row: Row, name: str) -> Mapping[str, Any]:
    """Distances of the borders by structure; empty in rows of earlier versions."""
    found = row.get(name)
    return found if isinstance(found, Mapping) else {}


def _in_millimetres(row: Row, name: str, label: str) -> str | None:
    found = _distances(row, name)
    return f"{float(found[label]):.1f}" if label in found else None


def _said(row: Row) -> str:
    """The scores of a scan in words."""
    if not isinstance(row.get("dice"), Mapping) or not row["dice"]:
        listed = ", ".join(
            f"{kit.text(name)} <b>{kit.as_number(float(size))} ml</b>" for name, size in row["millilitres"].items()
        )
        return kit.said(None, f"found {listed}") + kit.source("no true mask", str(row["source"]))
    each = ", ".join(f"{kit.text(name)} <b>{float(value):.2f}</b>" for name, value in row["dice"].items())
    far, mean = ([float(v) for v in _distances(row, name).values()] for name in ("hd95_mm", "assd_mm"))
    borders = (
        f"95 % of the borders are off by at most {np.mean(far):.1f} mm, on average by {np.mean(mean):.1f} mm"
        if far and mean
        else "mean over the structures"
    )  # fmt: skip
    words = f"Dice <b>{_mean_dice(row):.2f}</b>" + (f": {each}" if len(row["dice"]) > 1 else "")
    return kit.said(None, words) + kit.source(borders, str(row["source"]))


def structures(task: Segmentation, material: Material, rows: Sequence[Row]) -> str:
    """Dice of each structure with its interval and all cases as dots, and its distances."""
    every = {label: [float(row["dice"][label]) for row in rows if label in row["dice"]] for label in task.labels}
    there = {label: values for label, values in every.items() if values}
    intervals = _intervals(task, material, rows)
    shown = [
        kit.Competitor(
            label,
            kit.count_of(len(values), "scans") + (f", {DOTS} of them drawn" if len(values) > DOTS else ""),
            float(np.mean(values)),
            low=intervals[label][0] if label in intervals else None,
            high=intervals[label][1] if label in intervals else None,
            kind="ours",
            cases=[values[at] for at in evenly_spaced(len(values), DOTS)],
        )
        for label, values in there.items()
    ]
    scale = kit.Scale(max(0.0, np.floor(10 * min(map(min, there.values()))) / 10 - 0.05), 1.0)
    caption = (
        "<b>Dice by scan and structure</b>: 1 is a mask exactly as it was drawn, 0 shares no voxel with it. The large dot is the "
        "mean, each small one a scan"
        + (", the band where the mean would lie 95 times in 100 with other patients" if intervals else "")
        + ". A structure that is in neither mask of a scan is left out there; one in only one of them has 0."
    )
    lines: list[list[kit.Cell]] = []
    for number, label in enumerate(task.labels, start=1):
        values = every[label]
        name = f"{line(number)} {number} {kit.text(label)}"
        if not values:
            lines.append([name, "0", *[None] * 5])
            continue
        far, mean = (
            [float(d[label]) for row in rows if label in (d := _distances(row, key))] for key in ("hd95_mm", "assd_mm")
        )
        lines.append(
            [
                name, f"{len(values):,}", f"{np.mean(values):.3f}", f"{np.median(values):.3f}",
                f"{min(values):.3f} to {max(values):.3f}",
                f"{np.mean(far):.1f} mm" if far else None, f"{np.mean(mean):.1f} mm" if mean else None,
            ]
        )  # fmt: skip
    columns = [
        kit.Column("structure", "html"), kit.Column("scans", "n"), kit.Column("Dice", "n"), kit.Column("median", "n"),
        kit.Column("worst to best", "n"), kit.Column("farthest borders (95 %)", "n"), kit.Column("borders on average", "n"),
    ]  # fmt: skip
    about = (
        "<b>Each structure.</b> The borders are how far the found surface lies from the drawn one: 95 % of it is nearer than the "
        "first number (HD95), the second is its mean (ASSD); means over the scans."
    )
    return kit.dots(shown, scale, None, caption) + kit.table(columns, lines, about)


def _intervals(task: Segmentation, material: Material, rows: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """The 95 % interval of the mean Dice of each structure: patients are drawn again, each with all of its scans."""
    meter = SegmentationMeter(task.labels)
    for row in rows:
        values = [float(row["dice"].get(label, np.nan)) for label in task.labels]
        meter.cases.append(np.repeat(np.array(values)[:, None], 3, axis=1))
    groups = [material.examples[int(row["index"])].group or f"scan {row['index']}" for row in rows]
    _, home = np.unique(groups, return_inverse=True)
    count = int(home.max()) + 1
    if count < INTERVALS:
        return {}
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=1000)[:, home]
    found = meter.resampled(drawn.astype(float))
    named = {label: found.get(f"dice_{label.replace(' ', '_')}") for label in task.labels}
    ends = {label: np.nanquantile(values, [0.025, 0.975]).tolist() for label, values in named.items()
            if values is not None and sum(label in row["dice"] for row in rows) >= INTERVALS}  # fmt: skip
    return {label: (float(low), float(high)) for label, (low, high) in ends.items()}


def sizes(task: Segmentation, rows: Sequence[Row]) -> str:
    """How large the structures are, drawn and found."""
    lines: list[list[kit.Cell]] = []
    for label in task.labels:
        drawn, found = (
            np.array([float(row[key].get(label, 0)) for row in rows]) for key in ("true_millilitres", "millilitres")
        )
        there = (drawn > 0) | (found > 0)
        if not there.any():
            continue
        off = found[there] - drawn[there]
        lines.append(
            [
                label, kit.as_number(float(drawn[there].mean())), kit.as_number(float(found[there].mean())),
                kit.as_number(float(off.mean())), kit.as_number(float(np.abs(off).mean())),
            ]
        )  # fmt: skip
    columns = [
        kit.Column("structure"), kit.Column("drawn, ml", "n"), kit.Column("found, ml", "n"), kit.Column("leans, ml", "n"),
        kit.Column("mean error, ml", "n"),
    ]  # fmt: skip
    about = (
        "<b>Sizes.</b> Means over the scans that have the structure, drawn or found. “Leans” is the mean of found minus drawn: "
        "above 0 it finds too much."
    )
    return kit.table(columns, lines, about)


def against(task: Segmentation, rows: Sequence[Row]) -> str:
    """The found size against the drawn one, a plot for each structure."""
    plots = []
    for label in task.labels[:EXPLAINED]:
        points = [
            (float(row["true_millilitres"].get(label, 0)), float(row["millilitres"].get(label, 0))) for row in rows
        ]
        points = [points[at] for at in evenly_spaced(len(points), DOTS)]
        scale = kit.Scale.of([value for point in points for value in point])
        ends = (max(scale.low, 0.0), scale.high)
        drawn = kit.plot(
            [kit.Line([(ends[0], ends[0]), (ends[1], ends[1])], "a"), *(kit.Line([point], "l1") for point in points)],
            scale, scale, f"{label}: millilitres found against millilitres drawn", "drawn, ml", height="12rem",
        )  # fmt: skip
        plots.append(f'<h4 class="pt">{kit.text(label)}: ml found, against ml drawn</h4>{drawn}')
    left_out = len(task.labels) - len(plots)
    more = f" The plots of {kit.count_of(left_out, 'more structures')} are left out." if left_out else ""
    thinned = f" {DOTS} of {len(rows):,} scans are drawn." if len(rows) > DOTS else ""
    return f"<p>Each dot is a test scan; on the thin line, the size is right.{thinned}{more}</p>{kit.columns(plots)}"


def small_and_large(task: Segmentation, rows: Sequence[Row]) -> str:
    """Dice where a structure is small and where it is large; empty with fewer than 8 scans."""
    lines: list[list[kit.Cell]] = []
    for label in task.labels:
        known = [(float(row["true_millilitres"][label]), float(row["dice"][label])) for row in rows
                 if label in row["dice"] and float(row["true_millilitres"].get(label, 0)) > 0]  # fmt: skip
        if len(known) < 8:
            continue
        known.sort()
        small, large = known[: len(known) // 2], known[len(known) // 2 :]
        cells: list[kit.Cell] = [label]
        for half in (small, large):
            cells += [
                f"{kit.as_number(half[0][0])} to {kit.as_number(half[-1][0])} ml",
                f"{np.mean([d for _, d in half]):.3f}",
            ]
        lines.append(cells)
    columns = [
        kit.Column("structure"), kit.Column("smaller half", "n"), kit.Column("its Dice", "n"), kit.Column("larger half", "n"),
        kit.Column("Dice there", "n"),
    ]  # fmt: skip
    about = (
        "<b>By size.</b> The scans of each structure, divided by how large it was drawn: one voxel of border counts more in "
        "small ones."
    )
    return kit.table(columns, lines, about) if lines else ""


def each_scan(task: Segmentation, rows: Sequence[Row]) -> str:
    """Every scan and structure, the worst first, folded."""
    order = sorted(
        ((float(dice), label, row) for row in rows for label, dice in row["dice"].items()), key=lambda each: each[0]
    )
    lines: list[list[kit.Cell]] = [
        [
            str(row["source"]), label, f"{dice:.2f}",
            *(_in_millimetres(row, key, label) for key in ("hd95_mm", "assd_mm")),
            *(kit.as_number(float(row[key].get(label, 0))) for key in ("true_millilitres", "millilitres")),
        ]
        for dice, label, row in order[:LISTED]
    ]  # fmt: skip
    columns = [
        kit.Column("scan"), kit.Column("structure"), kit.Column("Dice", "n"), kit.Column("HD95, mm", "n"),
        kit.Column("ASSD, mm", "n"), kit.Column("drawn, ml", "n"), kit.Column("found, ml", "n"),
    ]  # fmt: skip
    more = (
        f"<p>The other {len(order) - LISTED:,} are in {kit.code('predictions.csv')}.</p>" if len(order) > LISTED else ""
    )
    return kit.folded(
        f"Every scan and structure, the lowest Dice first ({len(order):,})", kit.table(columns, lines) + more
    )


def _looked_at(task: Segmentation, material: Material, encoder: SegmentationEncoder, row: Row) -> Panel | None:
    """What moves the network's score of a structure, in a patch of one scan."""
    example: Volume = material.examples[int(row["index"])]
    letters = says_where(example)
    cards, absent = [], []
    for number, label in enumerate(task.labels[:EXPLAINED], start=1):
        patch = encoder.patch_about(example, number)
        if patch is None:
            absent.append(label)
            continue
        image, mask = patch
        inside = (mask == number).to(image.dtype)
        model = _Logit(material.model, inside).eval()
        heat = saliency(model, {"image": image}, torch.tensor([number]), samples=COPIES)[0, 0].numpy()
        voxels, drawn = image[0, 0].numpy(), np.where(mask.numpy() == number, number, 0)
        scan = Scan(
            voxels,
            np.diag([*encoder.spacing_used, 1.0]),
            drawn=drawn,
            heat=heat / max(float(np.percentile(heat, 99.9)), 1e-12),
        )
        at = np.round(np.argwhere(drawn == number).mean(axis=0)).astype(int).tolist()
        shown = planes(scan, at, f"where the network looked for {label}", letters=letters)
        words = f"{line(number)} {number} <b>{kit.text(label)}</b>, as it was drawn, and what moves its score"
        size = f"{'×'.join(map(str, voxels.shape))} voxels" + (f", {scan.millimetres()}" if letters else "")
        cards.append(kit.card(f'<div class="shot">{shown}</div>', f"<p>{words}</p>{kit.source(size)}"))
    if not cards:
        return None
    left_out = (
        [f"{kit.count_of(len(task.labels) - EXPLAINED, 'more structures')} not shown"]
        if len(task.labels) > EXPLAINED
        else []
    )
    left_out += [f"not in this scan: {', '.join(absent)}"] if absent else []
    about = (
        "How much each voxel of a patch changes the mean score of a structure in its true voxels, as the mean gradient of "
        f"{COPIES} noisy copies (SmoothGrad, arXiv:1706.03825): the brighter, the more. The scan has the median Dice: "
        f"{row['source']}." + (f" ({'; '.join(left_out)}.)" if left_out else "")
    )
    return Panel("Where it looked", about, kit.cards(cards, "wide"))


class _Logit(nn.Module):
    """A segmentation network as a classifier: the mean logit of each class over the voxels of a structure."""

    def __init__(self, model: nn.Module, inside: Tensor) -> None:
        super().__init__()
        self.model = model
        self.inside = inside

    def forward(self, image: Tensor) -> Tensor:
        """(1, classes)"""
        outputs = self.model(image=image)
        logits = outputs if isinstance(outputs, Tensor) else outputs[0]
        return (logits * self.inside).flatten(2).sum(dim=2) / self.inside.sum()


def _where_they_differ(found: np.ndarray, true: np.ndarray) -> list[int]:
    """The voxel with the most differences around it; without differences, one in the middle of the mask."""
    from scipy.ndimage import uniform_filter

    wrong = (found != true).astype(np.float32)
    if not wrong.any():
        wrong = (true > 0).astype(np.float32)
    if not wrong.any():
        return [size // 2 for size in true.shape]
    return [int(place) for place in np.unravel_index(int(uniform_filter(wrong, 5).argmax()), wrong.shape)]


def _box(found: np.ndarray, true: np.ndarray | None, spacing: np.ndarray) -> tuple[list[int], list[int]]:
    """The part of a scan that is shown: all masks and a quarter of their extent to each side."""
    there = found > 0 if true is None else (found > 0) | (true > 0)
    shape = np.array(there.shape)
    inside = np.argwhere(there)
    if not len(inside):
        return [0, 0, 0], shape.tolist()
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    margin = np.ceil(max(0.25 * float(((high - low) * spacing).max()), 4 * float(spacing.max())) / spacing).astype(int)
    return np.maximum(low - margin, 0).tolist(), np.minimum(high + margin, shape).tolist()
