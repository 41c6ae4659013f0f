"""How a volume looks on a page: three planes in the patient's proportions, with masks or saliency."""

import html
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.inspect.saliency import saliency
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import spacing_of
from convzoo.report.kit import grey, html_safe, image_tag
from convzoo.tasks.classification import Classification

COLOURS = np.array(
    [(31, 119, 180), (44, 160, 44), (255, 190, 30), (214, 39, 40), (148, 103, 189), (23, 190, 207), (227, 119, 194)],
    np.float32,
)
"""Colours of the values of a mask, from 1; for further values they repeat."""
SHOWN = 6
"""Volumes whose saliency a page shows."""

_PLANES = (
    ("sagittal", 0, "front to the right"),
    ("coronal", 1, "the patient's right to the left"),
    ("axial", 2, "the patient's right to the left, front above"),
)


class VolumePages(Pages):
    """Volumes: three planes, where the network looked, kernels slice by slice."""

    plural = "volumes"

    def picture(self, example: Volume) -> str:
        """The three planes through the middle of what is drawn in the mask, or of the volume."""
        voxels, affine = example.read()
        mask = example.read_mask() if example.mask is not None else None
        return planes(voxels, affine, mask=mask, height=64)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Volume]) -> str:
        """The first layer's kernels, slice by slice, and its feature maps in the axial plane through the middle."""
        found = first_convolutions(model)
        if not found:
            return ""
        name, layer = next(iter(found.items()))
        weights = layer.weight.detach().mean(dim=1).numpy()  # (kernels, x, y, z)
        tiles = []
        for index, kernel in enumerate(weights[:32]):
            shades = grey(kernel)
            slices = [
                image_tag(np.ascontiguousarray(shades[:, :, z].T[::-1]), 36, f"kernel {index}, slice {z}")
                for z in range(kernel.shape[2])
            ]
            tiles.append(f"<span style='margin-right:8px;white-space:nowrap'>{''.join(slices)}</span>")
        parts = [
            f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>Each group is one kernel, its axial slices from below to "
            "above: bright where it adds, dark where it subtracts. Its output is largest where the scan looks like it.</p>"
            f"<div class='tiles'>{''.join(tiles)}</div>",
            "<h3>Feature maps</h3><p>The outputs of the kernels for scans of the test split, in the axial plane through the "
            "middle.</p>",
        ]
        for example in list(examples)[:3]:
            inputs = encoder.gather(encoder.pieces([example]), [0]).inputs
            maps = feature_maps(model, inputs, layer)[0, :12].clamp(min=0).numpy()
            seen = next(iter(inputs.values()))[0, 0].numpy()
            shown = [image_tag(_axial(seen), 72, "input"), "<span>→</span>"]
            shown += [image_tag(_axial(single), 72, f"map {index}") for index, single in enumerate(maps)]
            parts.append(f"<div class='tiles'>{''.join(shown)}</div>")
        return "".join(parts)

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a classification: where the network looked."""
        chosen = _chosen(material) if isinstance(task, Classification) else []
        return [_saliency(material, chosen)] if chosen else []


def planes(
    voxels: np.ndarray,
    affine: np.ndarray,
    at: Sequence[int] | None = None,
    mask: np.ndarray | None = None,
    heat: np.ndarray | None = None,
    height: int = 120,
    title: str = "",
) -> str:
    """Sagittal, coronal and axial slices as images, with the same scale across and down.

    Args:
        voxels: (x, y, z)
        affine: (4, 4), RAS+
        at: the voxel through which the planes go; by default the middle of the mask's last structure, else of the volume
        mask: (x, y, z), whole numbers, drawn in colours
        heat: (x, y, z), 0 or above, drawn over the slices in red
        height: height of the tallest image, in pixels
        title: text beside the name of each plane
    """
    from nibabel.orientations import apply_orientation, io_orientation

    turn = io_orientation(affine)
    image, drawn, hot = (None if a is None else apply_orientation(a, turn) for a in (voxels, mask, heat))
    assert image is not None, "there is always a volume"
    spacing = np.array(spacing_of(affine))[np.argsort(turn[:, 0])]
    if at is None:
        inside = np.argwhere(drawn == drawn.max()) if drawn is not None and drawn.any() else np.zeros((0, 3))
        place = inside[len(inside) // 2] if len(inside) else np.array(image.shape) // 2
    else:
        marked = np.zeros(voxels.shape, bool)
        marked[tuple(at)] = True
        place = np.argwhere(apply_orientation(marked, turn))[0]
    low, high = np.percentile(image, (0.5, 99.5))
    shades = np.clip((image - low) / max(float(high - low), 1e-6), 0, 1)
    hottest = float(np.percentile(hot, 99.9)) if hot is not None else 0.0
    tallest = max(image.shape[2] * spacing[2], image.shape[1] * spacing[1])
    tags = []
    for name, axis, about in _PLANES:
        at_slice = int(place[axis])
        pixels = np.repeat(np.take(shades, at_slice, axis)[..., None], 3, axis=2) * 255
        if drawn is not None:
            pixels = _overlaid(pixels, np.take(drawn, at_slice, axis))
        if hot is not None and hottest > 0:
            share = np.clip(np.take(hot, at_slice, axis) / hottest, 0, 1)[..., None] ** 0.7
            pixels = (1 - 0.75 * share) * pixels + 0.75 * share * np.array([255.0, 40.0, 20.0])
        # Rows run down from the head (or from the front), columns to the right; right of the patient is left on the page.
        pixels = pixels.transpose(1, 0, 2)[::-1]
        if axis > 0:
            pixels = pixels[:, ::-1]
        across, down = (float(image.shape[i] * spacing[i]) for i in range(3) if i != axis)
        scale = height / tallest
        tags.append(_sized(pixels, across * scale, down * scale, f"{name}: {about}{title and '; ' + title}"))
    return f"<div class='tiles'>{''.join(tags)}</div>"


def _overlaid(pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    colours = COLOURS[(mask.astype(int) - 1) % len(COLOURS)]
    return np.where(mask[..., None] > 0, 0.45 * pixels + 0.55 * colours, pixels)


def _sized(pixels: np.ndarray, across: float, down: float, title: str) -> str:
    """An image shown at this size in pixels and stored at twice the resolution; voxels stay sharp rectangles."""
    import PIL.Image

    image = PIL.Image.fromarray(np.uint8(np.clip(pixels, 0, 255)))
    size = (max(1, round(2 * across)), max(1, round(2 * down)))
    return image_tag(np.asarray(image.resize(size, PIL.Image.Resampling.NEAREST)), max(1, round(down)), title)


def _saliency(material: Material, chosen: Sequence[tuple[int, Any]]) -> Section:
    parts = [
        "<p>Where the network looked: how much each voxel changes the score of the predicted class, in red (SmoothGrad, "
        "arXiv:1706.03825), in the planes through its peak. The volumes are as the network gets them: sagittal with the front to "
        "the right, coronal and axial with the patient's right to the left.</p>"
    ]
    cards = []
    for index, row in chosen:
        batch = material.encoder.encode([material.examples[index]])
        heat, at = _looked_at(material.model, batch.inputs, list(material.encoder.dims["labels"]).index(row["label"]))
        seen = batch.inputs["volume"][0, 0].numpy()
        affine = np.diag([*(getattr(material.encoder, "spacing", None) or [1.0] * 3), 1.0])
        words = (
            f"true <b>{html.escape(str(row.get('true_label')))}</b>, predicted <b>{html.escape(str(row['label']))}</b>"
        )
        cards.append(
            f"<div class='card'>{planes(seen, affine, height=110)}{planes(seen, affine, at, heat=heat, height=110)}{words}<br>"
            f"<small>{html.escape(str(row['source']))}</small></div>"
        )
    parts.append(
        "<div class='cards' style='grid-template-columns: repeat(auto-fill, minmax(300px, 1fr))'>"
        + "".join(cards)
        + "</div>"
    )
    return Section("Saliency", html_safe("".join(parts)))


def _chosen(material: Material) -> list[tuple[int, Any]]:
    """Predictions to show: the most confident right one of each class first, then the most confident wrong ones."""
    rows = [row for row in material.predictions if row.get("label")]
    right: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: -float(row["probability"])):
        if row["label"] == row.get("true_label"):
            right.setdefault(row["label"], row)
    wrong = [row for row in rows if row.get("true_label") not in (None, "", row["label"])]
    wrong.sort(key=lambda row: -float(row["probability"]))
    return [(int(row["index"]), row) for row in [*right.values(), *wrong][:SHOWN]]


def _looked_at(model: nn.Module, inputs: dict[str, Tensor], answer: int) -> tuple[np.ndarray, list[int]]:
    """Saliency (x, y, z), smoothed by a voxel, and its peak."""
    import scipy.ndimage

    found = saliency(model, inputs, torch.tensor([answer]))[0].amax(dim=0).numpy()
    smooth = scipy.ndimage.gaussian_filter(found, 1.0)
    return smooth, [int(i) for i in np.unravel_index(int(smooth.argmax()), smooth.shape)]


def peaks_in_masks(
    model: nn.Module, encoder: Encoder, task: Task, examples: Sequence[Volume], value: int
) -> tuple[float, float]:
    """The fraction of volumes whose saliency has its peak where the mask holds `value` (or one voxel beside), and the fraction
    of such voxels: the score of a random peak (the pointing game, Zhang et al. 2016, arXiv:1608.00507).

    Args:
        model: a trained model
        encoder: a fitted encoder; its volumes are centred on their grid
        task: a classification
        examples: volumes with masks
        value: the structure's value in the masks
    """
    import scipy.ndimage

    hits, areas = [], []
    for example in examples:
        inputs = encoder.encode([example]).inputs
        with torch.no_grad():
            answer = int(model.eval()(**inputs).argmax())
        _, at = _looked_at(model, inputs, answer)
        drawn = (example.read_mask() == value).astype(np.float32)
        affine = example.geometry().affine
        # Encode the mask like a scan, so that it lies on the same grid: the structure becomes a bright body.
        placed = encoder.encode([replace(example, path=None, voxels=drawn, affine=affine, mask=None)]).inputs["volume"]
        inside = placed[0, 0].numpy()
        inside = scipy.ndimage.binary_dilation(inside > (inside.min() + inside.max()) / 2)
        hits.append(bool(inside[tuple(at)]))
        areas.append(float(inside.mean()))
    return float(np.mean(hits)), float(np.mean(areas))


def _axial(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(grey(values[:, :, values.shape[2] // 2], around_zero=False).T[::-1, ::-1])
