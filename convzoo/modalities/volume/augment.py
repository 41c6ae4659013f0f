"""Random changes of whole batches of volumes. Random numbers are arguments; nothing is drawn here."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.libraries import import_monai


def mirrored(volumes: Tensor, which: np.ndarray) -> Tensor:
    """Left and right swapped in some of the volumes.

    Args:
        volumes: (batch, channels, x, y, z)
        which: (batch,), bool
    """
    chosen = torch.from_numpy(which).view(-1, 1, 1, 1, 1)
    return torch.where(chosen, volumes.flip(2), volumes)


def turned(volumes: Tensor, spacing: np.ndarray, angles: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> Tensor:
    """Volumes rotated, scaled and shifted, by one linear resampling (MONAI's AffineTransform).

    Args:
        volumes: (batch, channels, x, y, z)
        spacing: (3,), in millimetres: volumes are rotated in space, not in voxels
        angles: (batch, 3), in radians, about x, y and z
        scale: (batch,), above 1 enlarges
        shift: (batch, 3), as a fraction of each side
    """
    from monai.networks.layers import AffineTransform

    extent = np.array(volumes.shape[2:]) * spacing
    cosine, sine = np.cos(angles), np.sin(angles)
    matrices = np.zeros((len(volumes), 4, 4))
    for index in range(len(volumes)):
        (a, b, c), (d, e, f) = cosine[index], sine[index]
        about_x = np.array([[1, 0, 0], [0, a, -d], [0, d, a]])
        about_y = np.array([[b, 0, e], [0, 1, 0], [-e, 0, b]])
        about_z = np.array([[c, -f, 0], [f, c, 0], [0, 0, 1]])
        turn = about_z @ about_y @ about_x / scale[index]
        matrices[index, :3, :3] = turn * extent[None, :] / extent[:, None]  # from millimetres to half sides
        matrices[index, :3, 3] = 2 * shift[index]
        matrices[index, 3, 3] = 1
    layer = AffineTransform(
        normalized=True, mode="bilinear", padding_mode="border", align_corners=False, reverse_indexing=True
    )
    return layer(volumes, torch.from_numpy(matrices).to(volumes.dtype), spatial_size=tuple(volumes.shape[2:]))


def curved(volumes: Tensor, gamma: np.ndarray) -> Tensor:
    """A gamma curve for each volume's intensities, from its lowest to its highest: $y = x^γ$ (MONAI's AdjustContrast).

    Args:
        volumes: (batch, channels, x, y, z)
        gamma: (batch,), 1 leaves a volume as it is
    """
    monai = import_monai()
    return torch.stack(
        [_plain(monai.AdjustContrast(gamma=float(value))(volume)) for volume, value in zip(volumes, gamma, strict=True)]
    )


def noised(volumes: Tensor, strength: np.ndarray, seeds: np.ndarray) -> Tensor:
    """Add Gaussian noise, different for each volume.

    Args:
        volumes: (batch, channels, x, y, z)
        strength: (batch,), its standard deviation
        seeds: (batch,), uniform numbers in [0, 1): the same seed gives the same noise in any batch
    """
    noise = np.stack(
        [
            np.random.Generator(np.random.SFC64(int(seed * 2**53))).standard_normal(volumes.shape[1:], dtype=np.float32)
            for seed in seeds
        ]
    )
    return volumes + torch.from_numpy(noise * strength.astype(np.float32).reshape(-1, 1, 1, 1, 1))


def _plain(tensor: Any) -> Tensor:
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
