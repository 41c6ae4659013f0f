"""Volumes and their masks as tensors: one orientation, one spacing, one scale; patches to learn from, whole volumes to score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.libraries import import_monai
from convzoo.core.outputs.masks import Grid
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, listed, some_of
from convzoo.modalities.volume import patches as augment
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import NIFTI_SUFFIXES, volume_stem, volume_suffix, write_nifti
from convzoo.modalities.volume.plan import SMALLEST, Plan, make_plan
from convzoo.modalities.volume.space import normalised, oriented, respaced
from convzoo.ops.moments import evenly_spaced

PLACES = 500
"""Largest number of voxels of each structure that are kept as centres of patches."""

_SAMPLED = 200_000
"""Largest number of voxels of all structures that their intensity is computed from."""

_UNKNOWN = 255
"""In place of the number of a structure that training does not have; there are at most 254."""

_COUNTED = 50
"""Largest number of masks that the frequencies of the structures are computed from."""


@dataclass(frozen=True)
class Piece:
    """A volume that patches are cut from; their places are drawn when the batch is made."""

    volume: Volume

    @property
    def source(self) -> str:
        """Where the volume comes from."""
        return self.volume.source


class SegmentationEncoder(Encoder):
    """Volumes with masks. Settings that are `auto` follow from the training split (`modalities/volume/plan.py`) and are printed.

    MONAI's transforms bring every volume once to RAS, to one spacing and to one scale of intensity. Training uses patches, which
    are cut, rotated and scaled in one sampling of the volume; scoring and prediction use the whole volume.

    Args:
        spacing: millimetres from voxel to voxel, [x, y, z]
        patch: voxels that the network sees at once, [x, y, z]
        max_voxels: largest number of voxels of a planned patch; it limits memory, as the GPU's memory does in nnU-Net
        patches: how many are cut from each volume of a batch
        foreground: probability that a patch is centred on a voxel of a structure; each structure is equally likely
        normalise: `head` scales the intensities so that the voxels brighter than the volume's mean have mean 0 and standard
            deviation 1; `whole` does so for all voxels; `unit` maps the 0.5 and 99.5 percentiles to 0 and 1; `structures`, for
            scans with a unit (CT), clips at these percentiles of the structures' voxels in training, and scales by their mean
            and standard deviation; `none` leaves intensities as they are
        flip: probability of a flip along each axis, [x, y, z]; leave x at 0 where left and right are different structures
        rotate: the largest rotation about each axis, in degrees
        scale: the largest relative change of size: 0.1 is from 0.9 to 1.1
        spatial_probability: probability that a patch is rotated and scaled
        noise: the largest standard deviation of added noise, in units of the normalised intensities
        blur: the largest standard deviation of a Gaussian blur, in voxels
        brightness: the largest change of brightness, in units of the normalised intensities
        contrast: the largest relative change of contrast: 0.1 is from 0.9 to 1.1
        gamma: intensities, scaled to 0 to 1, are raised to a power between 1 / gamma and gamma; 1 for none
        intensity_probability: probability of each of noise, blur, gamma, and brightness with contrast
    """

    example = Volume
    at_once: ClassVar[int] = 1

    def __init__(
        self,
        spacing: list[PositiveFloat] | Literal["auto"] = "auto",
        patch: list[Positive] | Literal["auto"] = "auto",
        max_voxels: Positive = 262_144,
        patches: Positive = 1,
        foreground: Fraction = 0.5,
        normalise: Literal["head", "whole", "unit", "structures", "none"] = "whole",
        flip: list[Fraction] | None = None,
        rotate: NonNegative = 0.0,
        scale: Fraction = 0.0,
        spatial_probability: Fraction = 0.5,
        noise: NonNegative = 0.0,
        blur: NonNegative = 0.0,
        brightness: NonNegative = 0.0,
        contrast: Fraction = 0.0,
        gamma: PositiveFloat = 1.0,
        intensity_probability: Fraction = 0.3,
    ) -> None:
        for name, values in (("spacing", spacing), ("patch", patch), ("flip", flip)):
            if isinstance(values, list) and len(values) != 3:
                raise ValueError(f"{name} should be three numbers, [x, y, z], not {values}")
        if isinstance(patch, list) and min(patch) < SMALLEST:
            raise ValueError(f"patch should have at least {SMALLEST} voxels along each axis, not {patch}")
        self.spacing = spacing
        self.patch = patch
        self.max_voxels = max_voxels
        self.patches = patches
        self.foreground = foreground
        self.normalise = normalise
        self.flip = flip or [0.0, 0.0, 0.0]
        self.rotate = rotate
        self.scale = scale
        self.spatial_probability = spatial_probability
        self.noise = noise
        self.blur = blur
        self.brightness = brightness
        self.contrast = contrast
        self.gamma = max(gamma, 1 / gamma)
        self.intensity_probability = intensity_probability
        self.labels: tuple[str, ...] = ()
        self.values: tuple[int, ...] = ()
        self.plan: Plan | None = None
        self.statistics: tuple[float, ...] = ()  # lowest, highest, mean, deviation of the structures' voxels
        self.cases = 0
        self.frequencies: tuple[float, ...] = ()  # of the background and each structure, as parts of all voxels

    def fit(self, examples: Sequence[Volume]) -> None:
        """Learn the structures, the plan and, where asked for, how bright the structures are.

        Raises:
            DataError: a volume has no mask, masks hold no structure, or a file cannot be read.
        """
        for example in examples:
            if example.mask is None:
                raise DataError(f"{example.where}: has no mask; segmentation learns from volumes with masks")
        declared = examples[0].structures
        if declared is None:
            found: set[int] = set()
            for example in examples:
                found.update(int(value) for value in np.unique(example.read_mask()) if value)
            declared = {value: str(value) for value in found}
        if not declared:
            raise DataError("the masks of the training split have no structure: every voxel is 0")
        if len(declared) > 254:
            raise DataError(f"the masks hold {len(declared)} structures; at most 254 are expected")
        self.values = tuple(sorted(declared))
        self.labels = tuple(declared[value] for value in self.values)
        shapes, spacings = zip(*(_turned_geometry(example) for example in examples), strict=True)
        self.cases = len(examples)
        self.plan = make_plan(
            np.array(spacings), np.array(shapes), self.max_voxels,
            None if isinstance(self.spacing, str) else self.spacing,
            None if isinstance(self.patch, str) else self.patch,
        )  # fmt: skip
        self.frequencies = self._frequencies(examples)
        if len(examples) <= _COUNTED and not any(self.frequencies[1:]):
            raise DataError("the masks of the training split have no structure: every voxel is 0")
        if self.normalise == "structures":
            self.statistics = self._brightness_of_structures(examples)

    def _frequencies(self, examples: Sequence[Volume]) -> tuple[float, ...]:
        counts = np.zeros(len(self.labels) + 1)
        for index in evenly_spaced(len(examples), _COUNTED):
            counts += np.bincount(
                self._numbered(examples[index].read_mask(), examples[index].where).ravel(), minlength=len(counts)
            )
        return tuple((counts / counts.sum()).tolist())

    def _brightness_of_structures(self, examples: Sequence[Volume]) -> tuple[float, ...]:
        values = []
        for example in examples:
            inside = example.read()[0][np.isin(example.read_mask(), self.values)]
            values.append(inside[:: max(1, len(inside) // (_SAMPLED // len(examples) + 1))])
        together = np.concatenate(values)
        if not len(together):
            raise DataError("the masks of the training split have no structure: every voxel is 0")
        low, high = np.percentile(together, [0.5, 99.5])
        return float(low), float(high), float(together.mean()), float(max(together.std(), 1e-6))

    def pieces(self, examples: Sequence[Volume]) -> list[Piece]:
        """A piece for each volume."""
        return [Piece(example) for example in examples]

    def prepare(self, example: Volume | Piece) -> dict[str, Any]:
        """The volume in RAS, at the spacing, normalised; for a piece also its mask and the places of its structures.

        Raises:
            DataError: a file cannot be read, or a piece has no mask.
        """
        assert self.plan is not None, "fit comes first"
        volume = example.volume if isinstance(example, Piece) else example
        voxels, affine = volume.read()
        shape = voxels.shape
        image, network = oriented(voxels, affine)
        del voxels
        image, network = self._to_spacing(image, network, nearest=False)
        try:
            grid = Grid.between(shape, affine, network)
        except ValueError:
            raise DataError(f"{volume.where}: its axes are not at right angles, as a scanner's are") from None
        own = self._numbered(volume.read_mask(), volume.where) if volume.mask is not None else None
        item: dict[str, Any] = {"image": self._normalised(image)}
        if not isinstance(example, Piece):
            return item | {"grid": grid, "own": own}
        if own is None:
            raise DataError(f"{volume.where}: has no mask; segmentation learns from volumes with masks")
        mask, network = oriented(own, affine)
        mask = self._to_spacing(mask, network, nearest=True)[0][0].round().to(torch.uint8)
        return item | {"mask": mask, "places": self._places_of(mask)}

    def _to_spacing(self, image: Tensor, affine: np.ndarray, nearest: bool) -> tuple[Tensor, np.ndarray]:
        assert self.plan is not None
        if np.allclose(np.linalg.norm(affine[:3, :3], axis=0), self.plan.spacing, rtol=1e-3):
            return image, affine
        return respaced(image, affine, self.plan.spacing, nearest)

    def _normalised(self, image: Tensor) -> Tensor:
        if self.normalise != "structures":
            return normalised(image, self.normalise)
        low, high, mean, deviation = self.statistics
        scale = import_monai().NormalizeIntensity(subtrahend=mean, divisor=deviation)
        return scale(image.clamp(low, high)).as_subclass(Tensor)

    def _numbered(self, mask: np.ndarray, where: str) -> np.ndarray:
        """The structures of a mask as 1, 2 …, in the order of the labels.

        Raises:
            DataError: the mask holds a structure that no mask of the training split has.
        """
        table = np.full(int(max(mask.max(), *self.values)) + 1, _UNKNOWN, dtype=np.uint8)
        table[[0, *self.values]] = np.arange(len(self.values) + 1)
        numbers = table[mask]
        if (numbers == _UNKNOWN).any():
            raise DataError(
                f"{where}: its mask holds the label {int(mask[numbers == _UNKNOWN][0])}, which no mask of the training split "
                f"has; these have {', '.join(map(str, self.values))}"
            )
        return numbers

    def _places_of(self, mask: Tensor) -> list[Tensor]:
        """For each structure that is there, evenly spaced ones of its voxels, (places, 3)."""
        flat = mask.flatten()
        order = torch.argsort(flat, stable=True)
        ends = torch.bincount(flat.long(), minlength=len(self.labels) + 1).cumsum(0).tolist()
        found = []
        for low, high in pairwise(ends):
            if high > low:
                chosen = order[low:high][:: max(1, (high - low) // PLACES)][:PLACES]
                found.append(torch.stack(torch.unravel_index(chosen, mask.shape), dim=1).to(torch.int32))
        return found

    def survey(self, examples: Sequence[Volume], items: Sequence[dict[str, Any]] | None) -> Survey:
        """In how many volumes each structure is, and volumes whose masks are all background."""
        assert self.plan is not None, "fit comes first"
        facts = {"volumes": f"{_times(self.plan.spacing)} mm, patches of {_times(self.plan.patch)} voxels"}
        if items is None:
            return Survey(facts)
        drawn = [item["mask"].numpy() if "mask" in item else item["own"] for item in items]
        masks = {example.source: mask for example, mask in zip(examples, drawn, strict=True) if mask is not None}
        there = [np.bincount(mask.ravel(), minlength=len(self.labels) + 1)[1:] > 0 for mask in masks.values()]
        counts = {label: int(sum(found[at] for found in there)) for at, label in enumerate(self.labels)}
        facts["masks"] = (
            f"{len(masks):,}, of which {listed(f'{count:,} have {label}' for label, count in counts.items())}"
        )
        empty = [source for source, found in zip(masks, there, strict=True) if not found.any()]
        absent = [label for label, count in counts.items() if not count]
        notes = [f"{some_of(empty, len(masks), 'masks')} are 0 in every voxel"] if empty else []
        if absent:
            notes.append(
                f"no mask has {listed(absent)}: its scores say nothing of {'it' if len(absent) == 1 else 'them'}"
            )
        return Survey(facts, notes)

    def collate(self, items: Sequence[dict[str, Any]], draws: Draws | None = None) -> Batch:
        """Patches of pieces, stacked; whole volumes as they are, because the task slides windows over each."""
        if "grid" in items[0]:
            target = {"masks": [item["own"] for item in items], "grids": [item["grid"] for item in items]}
            return Batch({"image": [item["image"] for item in items]}, target, len(items))
        images, masks = [], []
        for number in range(self.patches if draws is not None else 1):
            numbers = draws.uniform(number, 32) if draws is not None else None
            for row, item in enumerate(items):
                image, mask = self._patch(item, numbers[row] if numbers is not None else None)
                images.append(image)
                masks.append(mask)
        return Batch({"image": torch.stack(images)}, {"mask": torch.stack(masks)}, len(images))

    def _patch(self, item: dict[str, Any], u: np.ndarray | None) -> tuple[Tensor, Tensor]:
        """A patch and its mask: at a place drawn by numbers in [0, 1), or in the middle without numbers."""
        assert self.plan is not None
        patch, size = self.plan.patch, item["mask"].shape
        if u is None:
            start = augment.patch_start(size, patch, None, [0.5] * 3)
            return augment.cut(item["image"], start, patch), augment.cut(item["mask"][None], start, patch)[0]
        centre = None
        if u[0] < self.foreground and item["places"]:
            places = item["places"][int(u[1] * len(item["places"]))]
            centre = places[int(u[2] * len(places))].tolist()
        start = augment.patch_start(size, patch, centre, u[3:6].tolist())
        signed = 2 * u - 1
        if (self.rotate or self.scale) and u[6] < self.spatial_probability:
            image, mask = augment.turned(
                item["image"], item["mask"], start, patch, self.plan.spacing,
                angles=(signed[7:10] * self.rotate).tolist(), scale=1 + signed[10] * self.scale,
            )  # fmt: skip
        else:
            image = augment.cut(item["image"], start, patch)
            mask = augment.cut(item["mask"][None], start, patch)[0]
        mirrored = [axis for axis in range(3) if u[11 + axis] < self.flip[axis]]
        if mirrored:
            image, mask = image.flip([1 + axis for axis in mirrored]), mask.flip(mirrored)
        return self._relit(image, u[14:]), mask

    def patch_about(self, example: Volume, number: int) -> tuple[Tensor, Tensor] | None:
        """A patch around the middle one of a structure's places, as the network sees it: (1, 1, *patch), and its mask (*patch).

        Args:
            example: a volume with a mask
            number: number of the structure, from 1

        Returns:
            None if the volume does not have the structure
        """
        assert self.plan is not None
        item = self.prepare(Piece(example))
        places = torch.argwhere(item["mask"] == number)
        if not len(places):
            return None
        patch = self.plan.patch
        start = augment.patch_start(item["mask"].shape, patch, places[len(places) // 2].tolist(), [0.0] * 3)
        return augment.cut(item["image"], start, patch)[None], augment.cut(item["mask"][None], start, patch)[0]

    @property
    def spacing_used(self) -> tuple[float, ...]:
        """Spacing of the network's grid, in millimetres."""
        assert self.plan is not None
        return self.plan.spacing

    def _relit(self, image: Tensor, u: np.ndarray) -> Tensor:
        """Noise, blur, brightness, contrast and gamma, each applied to some of the patches."""
        chance = self.intensity_probability
        if self.blur and u[0] < chance:
            image = augment.blurred(image, max(0.3, self.blur * u[1]))
        if (self.brightness or self.contrast) and u[2] < chance:
            gain, offset = 1 + (2 * u[3] - 1) * self.contrast, (2 * u[4] - 1) * self.brightness
            image = augment.contrasted(image, float(gain), float(offset))
        if self.gamma > 1 and u[5] < chance:
            image = augment.gamma(image, float(self.gamma ** (2 * u[6] - 1)))
        if self.noise and u[7] < chance:
            image = augment.noisy(image, float(self.noise * u[8]), int(u[9] * 2**53))
        return image

    def advice(self) -> str:
        """The plan, and the settings that override it."""
        assert self.plan is not None
        plan, given = self.plan, [name for name in ("spacing", "patch") if getattr(self, name) != "auto"]
        halvings = "×".join(str(int(factor)) for factor in np.prod(plan.strides, axis=0))
        kept = f" ({' and '.join(given)} as set)" if given else ""
        return (
            f"plan{kept}: {_times(plan.spacing)} mm, patches of {_times(plan.patch)} from a median of {_times(plan.shape)} "
            f"voxels, {len(plan.strides)} stages down to 1/{halvings}, batch {plan.batch_size}; from {self.cases} volumes; set "
            "encoder.spacing, encoder.patch, encoder.max_voxels or train.batch_size to change it"
        )

    def write_files(
        self, path: Path, examples: Sequence[Volume], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Masks as NIfTI, in the space of their scans and with the values that the training masks have.

        Args:
            path: `mask.nii.gz` for one scan, a folder for several; a table's name (.csv, .jsonl) for sizes alone
            examples: the scans
            predictions: one for each scan

        Raises:
            RecipeError: `path` is one file and there are several scans, has another suffix, or two scans have one name.
        """
        if path.suffix.lower() in (".csv", ".jsonl"):
            return None
        suffix = volume_suffix(path)
        if suffix is None and path.suffix and not path.is_dir():
            raise RecipeError(
                f"--out: {path}: masks are written as {' or '.join(NIFTI_SUFFIXES)}, or into a folder; sizes as .csv or .jsonl"
            )
        if suffix is not None and suffix not in NIFTI_SUFFIXES:
            raise RecipeError(f"--out: {path}: masks are written as {' or '.join(NIFTI_SUFFIXES)}, not {suffix}")
        if suffix is not None and len(examples) > 1:
            raise RecipeError(f"--out: {path}: is one file for {len(examples)} scans; name a folder")
        if suffix is not None:
            paths = [path]
        else:
            names = [volume_stem(example.path) if example.path else f"volume_{i}" for i, example in enumerate(examples)]
            for name in names:
                if names.count(name) > 1:
                    raise RecipeError(f"--out: {path}: two scans are called {name!r}; predict them one by one")
            paths = [path / f"{name}.nii.gz" for name in names]
        scans = {example.path.resolve() for example in examples if example.path}
        for file in paths:
            if file.resolve() in scans:
                raise RecipeError(f"--out: {file}: is a scan; its mask is not written over it: name another folder")
        table = np.array([0, *self.values], dtype=np.uint8 if max(self.values) < 256 else np.int32)
        for file, example, prediction in zip(paths, examples, predictions, strict=True):
            write_nifti(file, table[prediction["mask"]], example.geometry().affine)
        return paths

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, dimensions, classes (with the background), labels, values and frequencies of structures, and the plan."""
        assert self.plan is not None, "fit comes first"
        return {
            "in_channels": 1,
            "dimensions": 3,
            "classes": len(self.labels) + 1,
            "labels": self.labels,
            "values": self.values,
            "frequencies": self.frequencies,
            "patch": self.plan.patch,
            "strides": self.plan.strides,
            "flat": self.plan.flat,
            "batch_size": max(1, self.plan.batch_size // self.patches),
        }

    def keep(self, earlier: "SegmentationEncoder", examples: Sequence[Volume]) -> None:
        """Keep the earlier plan, unless spacing or patch are given, and the brightness of the structures."""
        if self.spacing == "auto" and self.patch == "auto":
            self.plan = earlier.plan
        if earlier.statistics:
            self.statistics = earlier.statistics

    def state(self) -> dict[str, Any]:
        """Structures, plan and statistics."""
        assert self.plan is not None
        return {
            "labels": list(self.labels),
            "values": list(self.values),
            "plan": vars(self.plan).copy(),
            "statistics": list(self.statistics),
            "cases": self.cases,
            "frequencies": list(self.frequencies),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.labels, self.values = tuple(state["labels"]), tuple(state["values"])
        self.statistics, self.cases = tuple(state["statistics"]), state["cases"]
        self.frequencies = tuple(state["frequencies"])
        plan = state["plan"]
        self.plan = Plan(
            tuple(plan["spacing"]), tuple(plan["shape"]), tuple(plan["patch"]), tuple(map(tuple, plan["strides"])),
            tuple(map(tuple, plan["flat"])), plan["batch_size"],
        )  # fmt: skip


def _turned_geometry(volume: Volume) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Shape and spacing of a volume in RAS orientation, from its header."""
    from nibabel.orientations import io_orientation

    geometry = volume.geometry()
    order = np.argsort(io_orientation(geometry.affine)[:, 0])
    return tuple(geometry.shape[own] for own in order), tuple(geometry.spacing[own] for own in order)


def _times(values: Sequence[float]) -> str:
    return "×".join(f"{value:g}" for value in values)
