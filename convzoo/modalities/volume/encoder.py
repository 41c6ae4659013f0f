"""Whole medical volumes as tensors on one grid: oriented, resampled, cropped, with one scale of intensity."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.labels import Labels
from convzoo.core.libraries import import_monai
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, some_of
from convzoo.modalities.volume import augment as augment3d
from convzoo.modalities.volume import space as ops
from convzoo.modalities.volume.example import Volume

import_monai()

_STEP = 8
"""Sides that are not given are multiples of this, because networks halve them several times."""


class VolumeEncoder(Encoder):
    """Bring volumes to the patient's axes, one spacing, one scale of intensity and one shape; in training also flip, rotate,
    scale and shift them, change their gamma and add noise. All of this uses MONAI's transforms: deterministic ones run once and
    their results are kept; random ones depend on the run's seed.

    Args:
        fit: `crop` resamples to `spacing`, and crops or pads to `shape`; `resize` scales the whole volume to `shape`, whatever
            its spacing; each new voxel is the mean of the old ones that it covers
        spacing: [x, y, z] in millimetres, to the right, the front and upwards; by default the median of the training volumes
        shape: [x, y, z] voxels; by default the 90th percentile of the training volumes along each axis, rounded up to a multiple
            of 8
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
        self.labels = Labels()

    def fit(self, examples: Sequence[Volume]) -> None:
        """Learn the classes, and spacing and shape where they are not given, from the headers of the training volumes.

        Raises:
            DataError: there are fewer than two classes, or a header cannot be read.
        """
        self.labels = Labels.of(example.label for example in examples)
        if self.spacing is not None and self.shape is not None:
            return
        found = [ops.in_patient_axes(example.geometry()) for example in examples]
        shapes, spacings = np.array([shape for shape, _ in found]), np.array([spacing for _, spacing in found])
        if self.spacing is None:
            self.spacing = [round(float(value), 4) for value in np.median(spacings, axis=0)]
        if self.shape is None:
            sides = shapes * spacings / self.spacing if self.fitting == "crop" else shapes
            self.shape = [int(-(-value // _STEP) * _STEP) for value in np.quantile(sides, 0.9, axis=0).round()]

    def prepare(self, example: Volume) -> tuple[Tensor, int]:
        """Voxels (1, x, y, z) float32, and the class's number."""
        assert self.spacing is not None and self.shape is not None, "fit comes first"
        label = self.labels.number(example.label, example.where)
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
            volume = ops.resized(volume, self.shape)
        return volume.contiguous(), label

    def survey(self, examples: Sequence[Volume], items: Sequence[tuple[Tensor, int]] | None) -> Survey:
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

    def collate(self, items: Sequence[tuple[Tensor, int]], draws: Draws | None = None) -> Batch:
        """Stack, and augment with `draws`."""
        volumes = torch.stack([volume for volume, _ in items])
        if draws is not None:
            volumes = self._augment(volumes, draws)
        return Batch({"volume": volumes}, torch.tensor([label for _, label in items]), len(items))

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
        """in_channels, shape, classes, labels."""
        assert self.shape is not None, "fit comes first"
        return {
            "in_channels": 1,
            "shape": list(self.shape),
            "classes": len(self.labels),
            "labels": self.labels.names,
        }

    def state(self) -> dict[str, Any]:
        """Spacing, shape and labels."""
        return {"spacing": self.spacing, "shape": self.shape, "labels": list(self.labels.names)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.spacing, self.shape = list(state["spacing"]), list(state["shape"])
        self.labels = Labels(state["labels"])


def _is_constant(volume: Tensor) -> bool:
    return bool((volume == volume.flatten()[0]).all())
