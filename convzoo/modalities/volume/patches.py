"""Patches of volumes: cut, rotated and changed in brightness. Pure functions; random numbers are arguments."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def patch_start(
    size: Sequence[int], patch: Sequence[int], centre: Sequence[int] | None, at: Sequence[float]
) -> list[int]:
    """Where a patch begins along each axis: around a place, or anywhere. It lies inside the volume; a larger patch is centred.

    Args:
        size: size of the volume
        patch: size of the patch
        centre: the voxel that should be in the patch's middle; None for anywhere
        at: without a centre: the position between the first and the last possible start, in [0, 1) along each axis
    """
    starts = []
    for axis, (whole, part) in enumerate(zip(size, patch, strict=True)):
        room = whole - part
        if room <= 0:
            starts.append(-(-room // 2))
        elif centre is not None:
            starts.append(int(np.clip(centre[axis] - part // 2, 0, room)))
        else:
            starts.append(int(at[axis] * (room + 1)))
    return starts


def cut(volume: Tensor, start: Sequence[int], patch: Sequence[int]) -> Tensor:
    """A patch (channels, *patch) of a volume (channels, *space); 0 where it is outside."""
    inside, sides = [slice(None)], []
    for first, part, whole in zip(start, patch, volume.shape[1:], strict=True):
        low, high = max(first, 0), min(first + part, whole)
        inside.append(slice(low, high))
        sides.append((low - first, first + part - high))
    found = volume[tuple(inside)]
    if any(any(pair) for pair in sides):
        found = F.pad(found, [width for pair in reversed(sides) for width in pair])
    return found


def turned(
    image: Tensor, mask: Tensor, start: Sequence[int], patch: Sequence[int], spacing: Sequence[float],
    angles: Sequence[float], scale: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """A patch of a volume that is rotated about the patch's middle and scaled; only the patch is sampled, and only once.

    Args:
        image: (channels, x, y, z), sampled linearly; 0 outside
        mask: (x, y, z), sampled at the nearest voxel
        start: start of the patch, in voxels
        patch: size of the patch
        spacing: of the volume, in millimetres, so that angles are right in the patient
        angles: rotation about each axis, in degrees
        scale: above 1 shows less of the volume, larger

    Returns:
        (channels, *patch) and (*patch)
    """
    grid = _sampling_grid(image.shape[1:], start, patch, spacing, angles, scale)
    sampled = F.grid_sample(image[None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]
    found = F.grid_sample(mask[None, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=True)[
        0, 0
    ]
    return sampled, found.to(mask.dtype)


def _sampling_grid(
    size: Sequence[int], start: Sequence[int], patch: Sequence[int], spacing: Sequence[float], angles: Sequence[float],
    scale: float,
) -> Tensor:  # fmt: skip
    matrix = np.eye(3)
    for axis, degrees in enumerate(angles):
        cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        about = np.eye(3)
        one, other = (axis + 1) % 3, (axis + 2) % 3
        about[one, one] = about[other, other] = cosine
        about[one, other], about[other, one] = -sine, sine
        matrix = about @ matrix
    space = np.diag(spacing)
    matrix = np.linalg.inv(space) @ (matrix / scale) @ space
    # Coordinates as grid_sample counts them: -1 and 1 are the first and last voxel, and the last axis comes first.
    half = np.maximum(np.array(size) - 1, 1) / 2
    middle = np.array(start) + (np.array(patch) - 1) / 2
    rows = torch.from_numpy((matrix / half[:, None]).astype(np.float32))
    shift = torch.from_numpy((middle / half - 1).astype(np.float32))
    axes = [torch.arange(part, dtype=torch.float32) - (part - 1) / 2 for part in patch]
    x, y, z = (axis.view([-1 if place == at else 1 for place in range(3)]) for at, axis in enumerate(axes))
    columns = [rows[i, 0] * x + rows[i, 1] * y + rows[i, 2] * z + shift[i] for i in range(3)]
    return torch.stack(columns[::-1], dim=-1)[None]


def noisy(volume: Tensor, deviation: float, seed: int) -> Tensor:
    """Add normal noise, which depends only on the seed."""
    noise = np.random.Generator(np.random.SFC64(seed)).standard_normal(volume.shape, dtype=np.float32)
    return volume + deviation * torch.from_numpy(noise)


def contrasted(volume: Tensor, gain: float, offset: float) -> Tensor:
    """Change the contrast about the mean, and the brightness."""
    middle = volume.mean()
    return (volume - middle) * gain + middle + offset


def gamma(volume: Tensor, power: float) -> Tensor:
    """Values, scaled to 0 to 1, raised to a power; mean and standard deviation stay as they were."""
    low, high = volume.aminmax()
    span = (high - low).clamp(min=1e-6)
    bent = ((volume - low) / span).pow(power)
    mean, deviation = volume.mean(), volume.std()
    return (bent - bent.mean()) / bent.std().clamp(min=1e-6) * deviation + mean


def blurred(volume: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of (channels, x, y, z), one axis after the other; values at the borders are repeated."""
    reach = max(1, round(3 * sigma))
    at = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    found = volume[:, None]
    for axis in range(3):
        shape, sides = [1, 1, 1, 1, 1], [0] * 6
        shape[2 + axis] = len(kernel)
        sides[2 * (2 - axis)] = sides[2 * (2 - axis) + 1] = reach
        found = F.conv3d(F.pad(found, sides, mode="replicate"), kernel.view(shape))
    return found[:, 0]
