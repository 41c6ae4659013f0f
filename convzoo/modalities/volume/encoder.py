"""Whole medical volumes as tensors on one grid: oriented, resampled, cropped, with one scale of intensity."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.libraries import import_monai
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.volume import augment as augment3d
from convzoo.modalities.volume import space as ops
from convzoo.modalities.volume.example import Volume

import_monai()

_STEP = 8
"""Sides that are not given are multiples of this, because networks halve them several times."""


def _coarser(spacing: np.ndarray, extent: np.ndarray, most: int) -> np.ndarray:
    """(3,): the spacing, made coarser until the extent has at most `most` voxels. The finest axes give way first, so that voxels
    become cubes before all axes lose."""
    spacing = np.array(spacing, dtype=np.float64)
    while np.prod(extent / spacing) > most * 1.001:
        finest = spacing <= spacing.min() * 1.001
        # The side that the finest axes need, but not beyond the next coarser axis.
        needed = (np.prod(extent / spacing) / most) ** (1 / finest.sum()) * spacing.min()
        spacing[finest] = min(needed, spacing[~finest].min()) if not finest.all() else needed
    return spacing


class VolumeEncoder(Encoder):
    """Bring volumes to the patient's axes, one spacing, one scale of intensity and one shape; in training also flip, rotate,
    scale and shift them, change their gamma and add noise. All of this uses MONAI's transforms: deterministic ones run once and
    their results are kept; random ones depend on the run's seed.

    Args:
        fit: `crop` resamples to `spacing`, and crops or pads to `shape`; `resize` scales the whole volume to `shape`, whatever
            its spacing; each new voxel is the mean of the old ones that it covers
        spacing: [x, y, z] in millimetres, to the right, the front and upwards; by default the median of the training volumes,
            made coarser until a volume has at most `max_voxels`
        shape: [x, y, z] voxels; by default the 90th percentile of the training volumes along each axis, rounded up to a multiple
            of 8
        max_voxels: where spacing or shape are not given: the largest number of voxels of an encoded volume
        orientation: `patient` turns the axes to the right, the front and upwards (RAS); `kept` leaves them as they are stored
        centre: the centre of the new grid: the middle of the old `grid`, or of the `body` (the voxels brighter than the
            mean)
        normalise: `head` scales the intensities so that the voxels brighter than the volume's mean have mean 0 and standard
            deviation 1; `whole` does so for all voxels; `unit` maps the 0.5 and 99.5 percentiles to 0 and 1; `none` leaves
            intensities as they are (masks, Hounsfield units)
        flip: probability of a left-right flip; leave it at 0 where the side matters
        rotate: the largest rotation about each axis, in degrees
        scale: the largest relative change of size: 0.1 is from 0.9 to 1.1
        shift: the largest shift along each axis, as a fraction of the side
        gamma: intensities, scaled to 0 to 1, are raised to a power between 1 / gamma and gamma; 1 for none
        noise: the largest standard deviation of added noise, in units of the normalised intensities
        spatial_probability: probability that a volume is rotated, scaled and shifted; below 1 where volumes are masks or have few
            values: rotation blurs their edges, and the network should also see sharp ones in training
    """

    example = Volume

    def __init__(
        self,
        fit: Literal["crop", "resize"] = "crop",
        spacing: list[PositiveFloat] | None = None,
        shape: list[Positive] | None = None,
        max_voxels: Positive = 2_000_000,
        orientation: Literal["patient", "kept"] = "patient",
        centre: Literal["grid", "body"] = "grid",
        normalise: Literal["head", "whole", "unit", "none"] = "head",
        flip: Fraction = 0.0,
        rotate: NonNegative = 0.0,
        scale: Fraction = 0.0,
        shift: Fraction = 0.0,
        gamma: PositiveFloat = 1.0,
        noise: NonNegative = 0.0,
        spatial_probability: Fraction = 1.0,
    ) -> None:
        for name, values in (("spacing", spacing), ("shape", shape)):
            if values is not None and len(values) != 3:
                raise ValueError(f"{name} should be [x, y, z], not {values}")
        if fit == "resize" and spacing is not None:
            raise ValueError(
                "fit: resize scales the whole volume to `shape`, so spacing has no effect; remove spacing, or set fit: crop"
            )
        self.fitting = fit
        self.spacing = [float(value) for value in spacing] if spacing else None
        self.shape = list(shape) if shape else None
        self.max_voxels = max_voxels
        self.chose = False
        self.orientation = orientation
        self.centre = centre
        self.normalise = normalise
        self.flip = flip
        self.rotate = rotate
        self.scale = scale
        self.shift = shift
        self.gamma = max(gamma, 1 / gamma)
        self.noise = noise
        self.spatial_probability = spatial_probability
        self.targets = Targets()

    def fit(self, examples: Sequence[Volume]) -> None:
        """Learn the labels, and spacing and shape where they are not given, from the headers of the training volumes.

        Raises:
            DataError: there are fewer than two classes or numbers, or a header cannot be read.
        """
        self.targets = Targets.of(example.label for example in examples)
        if self.spacing is not None and self.shape is not None:
            return
        found = [ops.in_patient_axes(example.geometry()) for example in examples]
        shapes, spacings = np.array([shape for shape, _ in found]), np.array([spacing for _, spacing in found])
        self.chose = True
        if self.spacing is None:
            extent = np.quantile(shapes * spacings, 0.9, axis=0)
            coarse = _coarser(np.median(spacings, axis=0), extent, self.max_voxels)
            # Sides are rounded up to multiples, which may need more voxels than there may be.
            while np.prod(np.ceil(extent / coarse / _STEP) * _STEP) > max(self.max_voxels, _STEP**3):
                coarse = _coarser(coarse, extent, int(0.97 * np.prod(extent / coarse)))
            self.spacing = [round(float(value), 4) for value in coarse]
        if self.shape is None:
            sides = np.quantile(shapes * spacings / self.spacing if self.fitting == "crop" else shapes, 0.9, axis=0)
            if self.fitting == "resize":
                sides = sides / _coarser(np.ones(3), sides, self.max_voxels)
            self.shape = [int(-(-value // _STEP) * _STEP) for value in sides.round()]

    def advice(self) -> str:
        """The spacing and the shape that were chosen."""
        if not self.chose:
            return ""
        assert self.spacing is not None and self.shape is not None, "fit comes first"
        spacing, shape = (" × ".join(f"{value:.4g}" for value in each) for each in (self.spacing, self.shape))
        voxels = f"{shape} voxels" + (f" of {spacing} mm" if self.fitting == "crop" else "")
        return f"volumes are brought to {voxels}; set encoder.spacing, encoder.shape or encoder.max_voxels to change it"

    def prepare(self, example: Volume) -> tuple[Tensor, Target]:
        """Voxels (1, x, y, z) float32, and the target."""
        label = self.targets.target(example.label, example.where)
        return self.placed(example)[0], label

    def placed(self, example: Volume) -> tuple[Tensor, np.ndarray]:
        """Voxels (1, x, y, z) float32 as the network gets them, and the affine (4, 4) of this grid: from an index to millimetres
        to the right, the front and upwards."""
        assert self.spacing is not None and self.shape is not None, "fit comes first"
        voxels, affine = example.read()
        if self.orientation == "patient":
            volume, affine = ops.oriented(voxels, affine)
        else:
            volume = torch.from_numpy(np.ascontiguousarray(voxels))[None]
        volume = ops.normalised(volume, self.normalise)
        if self.centre == "body":
            volume, affine = ops.cropped_to_body(volume, affine)
        if self.fitting == "crop":
            volume, affine = ops.gridded(volume, affine, self.shape, self.spacing)
        elif list(volume.shape[1:]) != self.shape:
            # Both grids have the same extent: the middle of the first new voxel is not that of the first old one.
            larger = np.array(volume.shape[1:]) / np.array(self.shape)
            volume = ops.resized(volume, self.shape)
            affine = affine @ np.vstack([np.column_stack([np.diag(larger), (larger - 1) / 2]), [0, 0, 0, 1]])
        return volume.contiguous(), affine

    def survey(self, examples: Sequence[Volume], items: Sequence[tuple[Tensor, Target]] | None) -> Survey:
        """The grid that volumes are brought to, and volumes whose voxels are all the same."""
        assert self.spacing is not None and self.shape is not None, "fit comes first"
        grid = "×".join(map(str, self.shape))
        step = "×".join(f"{value:g}" for value in self.spacing)
        facts = {"volumes": f"{grid} voxels" + (f" of {step} mm" if self.fitting == "crop" else ", scaled")}
        if items is None:
            return Survey(facts)
        blank = [e.source or e.where for e, (volume, _) in zip(examples, items, strict=True) if _is_constant(volume)]
        return Survey(
            facts, [f"{some_of(blank, len(items), 'volumes')} have the same value in every voxel"] if blank else []
        )

    def collate(self, items: Sequence[tuple[Tensor, Target]], draws: Draws | None = None) -> Batch:
        """Stack, and augment with `draws`."""
        volumes = torch.stack([volume for volume, _ in items])
        if draws is not None:
            volumes = self._augment(volumes, draws)
        return Batch({"volume": volumes}, self.targets.batch([label for _, label in items]), len(items))

    def _augment(self, volumes: Tensor, draws: Draws) -> Tensor:
        uniform = draws.uniform(0, 12)
        signed = 2 * uniform - 1
        if self.flip:
            volumes = augment3d.mirrored(volumes, uniform[:, 1] < self.flip)
        if self.rotate or self.scale or self.shift:
            applied = (uniform[:, 0] < self.spatial_probability).astype(np.float64)
            volumes = augment3d.turned(
                volumes,
                np.array(self.spacing),
                angles=signed[:, 2:5] * np.radians(self.rotate) * applied[:, None],
                scale=1 + signed[:, 5] * self.scale * applied,
                shift=signed[:, 6:9] * self.shift * applied[:, None],
            )
        if self.gamma > 1:
            volumes = augment3d.curved(volumes, self.gamma ** signed[:, 9])
        if self.noise:
            volumes = augment3d.noised(volumes, uniform[:, 10] * self.noise, uniform[:, 11])
        return volumes

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, shape, and those of the labels."""
        assert self.shape is not None, "fit comes first"
        return {
            "in_channels": 1,
            "shape": list(self.shape),
            **self.targets.dims,
        }

    def state(self) -> dict[str, Any]:
        """Spacing, shape and labels."""
        return {"spacing": self.spacing, "shape": self.shape, **self.targets.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.spacing, self.shape = list(state["spacing"]), list(state["shape"])
        self.targets = Targets.from_state(state)


def _is_constant(volume: Tensor) -> bool:
    return bool((volume == volume.flatten()[0]).all())
