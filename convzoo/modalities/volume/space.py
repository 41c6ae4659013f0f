"""Volumes in the patient's space: orientation, spacing, grids and intensity, by MONAI's deterministic transforms.

A volume is a tensor (1, x, y, z) with an affine (4, 4) that takes an index to millimetres to the right, the front and upwards.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.libraries import import_monai
from convzoo.modalities.volume.formats import Geometry, spacing_of

Intensity = Literal["head", "whole", "unit", "none"]
_LEVELS = (0.5, 99.5)


def oriented(voxels: np.ndarray | Tensor, affine: np.ndarray, codes: str = "RAS") -> tuple[Tensor, np.ndarray]:
    """Axes flipped and swapped so that x runs to the right, y to the front and z upwards; no voxel is changed.

    Args:
        voxels: (x, y, z) or (1, x, y, z)
        affine: affine of the voxels
        codes: the directions of the new axes

    Returns:
        (1, x, y, z) and its affine
    """
    return _moved(
        import_monai().Orientation(axcodes=codes, labels=(("L", "R"), ("P", "A"), ("I", "S"))), voxels, affine
    )


def in_patient_axes(geometry: Geometry) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Voxels and their distance in millimetres along the axes that run to the right, the front and upwards, or nearly so: what
    `oriented` would give, from the header alone."""
    from nibabel.orientations import io_orientation

    order = np.argsort(io_orientation(geometry.affine)[:, 0])
    shape, spacing = (np.array(values)[order].tolist() for values in (geometry.shape, geometry.spacing))
    return tuple(shape), tuple(spacing)


def respaced(
    volume: Tensor, affine: np.ndarray, spacing: Sequence[float], nearest: bool = False
) -> tuple[Tensor, np.ndarray]:
    """The same extent with another spacing: interpolated linearly, or the nearest voxel.

    Args:
        volume: (1, x, y, z)
        affine: affine of the volume
        spacing: along x, y and z, in millimetres
        nearest: take the nearest voxel, for masks
    """
    transform = import_monai().Spacing(
        pixdim=tuple(spacing), mode="nearest" if nearest else "bilinear", padding_mode="border", align_corners=False
    )
    return _moved(transform, volume, affine)


def gridded(
    volume: Tensor, affine: np.ndarray, shape: Sequence[int], spacing: Sequence[float]
) -> tuple[Tensor, np.ndarray]:
    """A volume on a grid of the given shape and spacing, with the same axes and the same middle. It is smoothed along the axes
    where the new voxels are larger, then interpolated linearly, once. Outside the volume the grid has the volume's lowest value.

    Args:
        volume: (1, x, y, z)
        affine: affine of the volume
        shape: shape of the grid
        spacing: spacing of the grid, in millimetres

    Returns:
        (1, *shape) and its affine
    """
    own = np.array(spacing_of(affine))
    # For voxels that are n times as large: a Gaussian whose standard deviation is (n - 1) / 2 old voxels.
    sigma = np.maximum(np.array(spacing) / own - 1, 0) / 2
    if (sigma > 0.1).any():
        volume = _plain(import_monai().GaussianSmooth(sigma=sigma.tolist())(volume))
    middle = affine[:3, :3] @ ((np.array(volume.shape[1:]) - 1) / 2) + affine[:3, 3]
    grid = np.eye(4)
    grid[:3, :3] = affine[:3, :3] / own * np.array(spacing)
    grid[:3, 3] = middle - grid[:3, :3] @ ((np.array(shape) - 1) / 2)
    lowest = volume.min()
    return resampled_to(volume - lowest, affine, shape, grid) + lowest, grid


def resampled_to(
    volume: Tensor, affine: np.ndarray, shape: Sequence[int], to_affine: np.ndarray, nearest: bool = False
) -> Tensor:
    """A volume on another grid: its value at each point of the grid; 0 outside the volume.

    Args:
        volume: (channels, x, y, z)
        affine: affine of the volume
        shape: shape of the other grid
        to_affine: affine of the other grid
        nearest: take the nearest voxel, for masks
    """
    transform = import_monai().SpatialResample(
        mode="nearest" if nearest else "bilinear", padding_mode="zeros", align_corners=False, dtype=torch.float32
    )
    moved = transform(
        _meta(volume, affine), dst_affine=torch.from_numpy(np.asarray(to_affine, np.float64)), spatial_size=tuple(shape)
    )
    return moved.as_tensor().contiguous()


def fitted_to(volume: Tensor, shape: Sequence[int], fill: float = 0.0) -> Tensor:
    """The middle of a volume, cropped or padded to a shape.

    Args:
        volume: (channels, x, y, z)
        shape: wanted along x, y and z
        fill: the value outside the volume
    """
    fit = import_monai().ResizeWithPadOrCrop(spatial_size=tuple(shape), mode="constant", value=fill)
    return _plain(fit(volume)).contiguous()


def resized(volume: Tensor, shape: Sequence[int]) -> Tensor:
    """The whole volume with another number of voxels; each is the mean of the old voxels that it covers.

    Args:
        volume: (channels, x, y, z)
        shape: wanted along x, y and z
    """
    return _plain(import_monai().Resize(spatial_size=tuple(shape), mode="area")(volume))


def cropped_to_body(volume: Tensor, affine: np.ndarray, margin: int = 1) -> tuple[Tensor, np.ndarray]:
    """The smallest box that holds all voxels brighter than the volume's mean, and a margin; without such voxels all of it.

    Args:
        volume: (1, x, y, z)
        affine: of it
        margin: in voxels
    """
    level = volume.mean()
    if not (volume > level).any():
        return volume, affine
    crop = import_monai().CropForeground(select_fn=lambda values: values > level, margin=margin, allow_smaller=True)
    return _moved(crop, volume, affine)


def normalised(volume: Tensor, how: Intensity) -> Tensor:
    """Intensities without the scanner's unit.

    Args:
        volume: (1, x, y, z)
        how: `head` scales so that the voxels brighter than the volume's mean have mean 0 and standard deviation 1 (MRI has no
            unit, and most of a scan is air); `whole` does so for all voxels; `unit` maps the 0.5 and 99.5 percentiles to
            0 and 1; `none` leaves intensities as they are
    """
    monai = import_monai()
    if how == "none":
        return volume
    if how == "unit":
        scale = monai.ScaleIntensityRangePercentiles(*_LEVELS, b_min=0.0, b_max=1.0, clip=True)
        return _plain(scale(volume))
    if how == "whole":
        return _plain(monai.NormalizeIntensity()(volume))
    inside = volume > volume.mean()
    if not inside.any():
        return volume - volume.mean()
    values = volume[inside]
    return _plain(monai.NormalizeIntensity(subtrahend=values.mean(), divisor=values.std().clamp(min=1e-6))(volume))


def _moved(transform: Any, voxels: np.ndarray | Tensor, affine: np.ndarray) -> tuple[Tensor, np.ndarray]:
    moved = transform(_meta(voxels, affine))
    return moved.as_tensor().contiguous(), moved.affine.double().numpy()


def _meta(voxels: np.ndarray | Tensor, affine: np.ndarray) -> Any:
    from monai.data import MetaTensor

    tensor = torch.as_tensor(np.ascontiguousarray(voxels) if isinstance(voxels, np.ndarray) else voxels)
    tensor = tensor.float().unsqueeze(0) if tensor.ndim == 3 else tensor.float()
    return MetaTensor(tensor, affine=torch.from_numpy(np.array(affine, np.float64)))


def _plain(tensor: Any) -> Tensor:
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
