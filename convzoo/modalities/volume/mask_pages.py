"""What a page shows of a segmentation: Dice by case, the worst cases beside their true masks, and saliency by structure."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.pages import Material, Section
from convzoo.core.task import Task
from convzoo.inspect.saliency import saliency
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.mask_encoder import SegmentationEncoder
from convzoo.modalities.volume.pages import COLOURS, VolumePages, planes
from convzoo.report import figures
from convzoo.report.kit import html_safe
from convzoo.tasks.segmentation import Segmentation

WORST = 4
"""Cases whose masks are drawn."""

EXPLAINED = 4
"""Structures whose saliency is drawn."""


class VolumeMaskPages(VolumePages):
    """Volumes with masks: shown like other volumes, with Dice by case, the worst cases and saliency by structure."""

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Empty if no case has a true mask; only Dice by case if the encoder is your own."""
        rows = [row for row in material.predictions if isinstance(row.get("dice"), Mapping) and row["dice"]]
        if not isinstance(task, Segmentation) or not rows:
            return []
        found = [_by_case(task, rows)]
        if isinstance(material.encoder, SegmentationEncoder):
            found.append(_worst(task, material, rows))
            found.append(_looked_at(task, material, material.encoder, rows))
        return found


def _by_case(task: Segmentation, rows: Sequence[Mapping[str, Any]]) -> Section:
    scores = {label: [float(row["dice"][label]) for row in rows if label in row["dice"]] for label in task.labels}
    lines = "".join(
        f"<tr><td>{_chip(number)}{html.escape(label)}</td><td>{len(values)}</td><td>{np.mean(values):.3f}</td>"
        f"<td>{np.median(values):.3f}</td><td>{np.min(values):.3f}</td></tr>"
        for number, (label, values) in enumerate(scores.items(), start=1)
        if values
    )
    about = (
        "<p>Each dot is a structure in a case of the test split; the line is the median. A structure that is in "
        "neither the true nor the predicted mask of a case is left out; one in only one of them has a Dice of 0.</p>"
    )
    head = "".join(f"<th>{name}</th>" for name in ("structure", "cases", "mean", "median", "worst"))
    table = f"<table class='plain'><tr>{head}</tr>{lines}</table>"
    return Section("Dice by case", html_safe(about + figures.by_case(scores, "Dice") + table))


def _worst(task: Segmentation, material: Material, rows: Sequence[Mapping[str, Any]]) -> Section:
    order = sorted(rows, key=lambda row: float(np.mean(list(row["dice"].values()))))
    cards = []
    for row in order[:WORST]:
        example = material.examples[int(row["index"])]
        with torch.no_grad():
            batch = material.encoder.encode([example])
            found = task.predict(material.model.eval(), batch).masks[0]
        true = batch.target["masks"][0]
        voxels, affine = example.read()
        at = _where_they_differ(found, true)
        pair = "".join(
            f"<div>{name}{planes(voxels, affine, at, mask=mask, height=130)}</div>"
            for name, mask in (("true", true), ("found", found))
        )
        scores = ", ".join(f"{html.escape(label)} {value:.2f}" for label, value in row["dice"].items())
        cards.append(
            f"<div class='card'>{pair}Dice: {scores}<br><small>{html.escape(str(row['source']))}</small></div>"
        )
    about = (
        "<p>The cases with the lowest mean Dice, in the planes through the place where the masks differ most: sagittal, coronal, "
        f"axial, with the same scale across and down. {_legend(task)}</p>"
    )
    return Section("Worst cases", html_safe(f"{about}<div class='cards' style='{_WIDE}'>{''.join(cards)}</div>"))


def _looked_at(
    task: Segmentation, material: Material, encoder: SegmentationEncoder, rows: Sequence[Mapping[str, Any]]
) -> Section:
    middle = sorted(rows, key=lambda row: float(np.mean(list(row["dice"].values()))))[len(rows) // 2]
    example: Volume = material.examples[int(middle["index"])]
    cards = []
    for number, label in enumerate(task.labels[:EXPLAINED], start=1):
        patch = encoder.patch_about(example, number)
        if patch is None:
            continue
        image, mask = patch
        inside = (mask == number).to(image.dtype)
        heat = saliency(_Logit(material.model.eval(), inside), {"image": image}, torch.tensor([number]), samples=4)
        affine = np.diag([*encoder.spacing_used, 1.0])
        voxels, drawn = image[0, 0].numpy(), mask.numpy()
        at = np.round(np.argwhere(drawn == number).mean(axis=0)).astype(int).tolist()
        cards.append(
            f"<div class='card'>{planes(voxels, affine, at, mask=drawn, height=110)}"
            f"{planes(voxels, affine, at, heat=heat[0, 0].numpy(), height=110)}{_chip(number)}{html.escape(label)}</div>"
        )
    about = (
        "<p>How much each voxel changes the network's mean score of a structure in its true voxels, in red (SmoothGrad, "
        f"arXiv:1706.03825), in a patch of the case with the median Dice, {html.escape(str(middle['source']))}. "
        f"{_legend(task)}</p>"
    )
    return Section("Saliency", html_safe(f"{about}<div class='cards' style='{_WIDE}'>{''.join(cards)}</div>"))


class _Logit(nn.Module):
    """A segmentation network as a classifier: the mean logit of each class over the voxels of a structure."""

    def __init__(self, model: nn.Module, inside: Tensor) -> None:
        super().__init__()
        self.model = model
        self.inside = inside

    def forward(self, image: Tensor) -> Tensor:
        """(1, classes)"""
        return (self.model(image=image) * self.inside).flatten(2).sum(dim=2) / self.inside.sum()


def _where_they_differ(found: np.ndarray, true: np.ndarray) -> list[int]:
    """The voxel with the most differences around it; without differences, one in the middle of the mask."""
    from scipy.ndimage import uniform_filter

    wrong = (found != true).astype(np.float32)
    if not wrong.any():
        wrong = (true > 0).astype(np.float32)
    return [int(place) for place in np.unravel_index(int(uniform_filter(wrong, 5).argmax()), wrong.shape)]


def _legend(task: Segmentation) -> str:
    return " ".join(f"{_chip(number)}{html.escape(label)}" for number, label in enumerate(task.labels, start=1))


def _chip(number: int) -> str:
    red, green, blue = (int(value) for value in COLOURS[(number - 1) % len(COLOURS)])
    return f"<span style='color:rgb({red},{green},{blue})'>■</span> "


_WIDE = "grid-template-columns: repeat(auto-fill, minmax(340px, 1fr))"
