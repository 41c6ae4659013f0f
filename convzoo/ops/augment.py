"""Vectorised augmentations of image batches. The caller gives all random numbers, so the same numbers give the same images."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def affine(
    images: Float[Tensor, "batch channels height width"],
    flip: np.ndarray,
    angle: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    bend: Float[Tensor, "batch height width 2"] | None = None,
) -> Float[Tensor, "batch channels height width"]:
    """Flip, rotate, scale and shift each image about its centre, with bilinear sampling; the border is repeated.

    Args:
        images: float images
        flip: (batch,) True to swap left and right
        angle: (batch,) degrees, counter-clockwise
        scale: (batch,) above 1 is larger
        shift: (batch, 2) to the right and down, as fractions of the width and the height
        bend: an extra shift of each pixel's source, in units of half the image; it is sampled together with the rest, so that the
            image is blurred only once
    """
    height, width = images.shape[2:]
    turn = np.radians(angle)
    cosine, sine = np.cos(turn) / scale, np.sin(turn) / scale
    mirror = np.where(flip, -1.0, 1.0)
    matrix = np.empty((len(images), 2, 3), dtype=np.float32)
    matrix[:, 0, 0], matrix[:, 0, 1] = mirror * cosine, -mirror * sine * height / width
    matrix[:, 1, 0], matrix[:, 1, 1] = sine * width / height, cosine
    # The shift applies to the result, so it is undone before the rotation.
    offset = 2 * shift
    matrix[:, 0, 2] = -(matrix[:, 0, 0] * offset[:, 0] + matrix[:, 0, 1] * offset[:, 1])
    matrix[:, 1, 2] = -(matrix[:, 1, 0] * offset[:, 0] + matrix[:, 1, 1] * offset[:, 1])
    grid = F.affine_grid(torch.from_numpy(matrix), list(images.shape), align_corners=False)
    if bend is not None:
        grid = grid + bend
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def cutout(
    images: Float[Tensor, "batch channels height width"], centre: np.ndarray, size: int, value: float
) -> Float[Tensor, "batch channels height width"]:
    """Fill a square of each image (DeVries & Taylor 2017, arXiv:1708.04552). `centre`: (batch, 2), fractions of height and
    width."""
    height, width = images.shape[2:]
    rows = np.abs(np.arange(height)[None] - centre[:, :1] * height) < size / 2
    columns = np.abs(np.arange(width)[None] - centre[:, 1:] * width) < size / 2
    hidden = torch.from_numpy(rows[:, None, :, None] & columns[:, None, None, :])
    return images.masked_fill(hidden, value)


def elastic_bend(noise: np.ndarray, strength: float, height: int, width: int) -> Float[Tensor, "batch height width 2"]:
    """A smooth field that bends an image (Simard et al. 2003, doi:10.1109/ICDAR.2003.1227801), for `affine`.

    Args:
        noise: (batch, 2, rows, columns) in [-1, 1]: the bend at the knots of a coarse grid
        strength: the largest bend at a knot, in pixels
        height: of the image
        width: of the image
    """
    field = torch.from_numpy(noise.astype(np.float32)) * strength
    field = F.interpolate(field, size=(height, width), mode="bicubic", align_corners=True)
    return field.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])


def knots(side: int, every: int = 7) -> int:
    """Number of knots of a coarse grid along a side."""
    return max(3, math.ceil(side / every) + 1)
