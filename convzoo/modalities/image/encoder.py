"""Images as tensors of one size and scale."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, NonNegative, Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.image.example import Image, white_of
from convzoo.ops import augment
from convzoo.ops.moments import Moments


class ImageEncoder(Encoder):
    """Resize, make grey or coloured, normalise; in training also flip, rotate, scale, shift, bend, change brightness and
    contrast, and cut out.

    Args:
        size: [height, width]; by default that of the first training image; auto: the median shape of the training images, with
            as many pixels as a square of side 28 to 96 (64 where there are more than 1,000 images, because they take longer)
        fit: how an image of another shape is brought to `size`: `resize` scales each axis on its own; `pad` keeps the ratio of
            width to height and repeats the pixels of the border, so nothing is cut off
        colour: grey, rgb, or auto: rgb if one of 200 training images is
        normalise: `dataset` subtracts the training split's mean and divides by its standard deviation; `image` does so with
            each image's own; `unit` only divides by 255
        flip: probability of a left-right flip
        shift: the largest shift along each axis, as a fraction of the side
        rotate: the largest rotation to either side, in degrees
        scale: the largest relative change of size: 0.1 is from 0.9 to 1.1
        elastic: the largest elastic displacement, in pixels
        brightness: the largest change of brightness, as a fraction of the full range
        contrast: the largest relative change of contrast: 0.1 is from 0.9 to 1.1
        cutout: side of the square that is filled, as a fraction of the image's shorter side
        spatial_probability: probability that an image is rotated, scaled and shifted
    """

    example = Image

    def __init__(
        self,
        size: list[Positive] | Literal["auto"] | None = None,
        fit: Literal["resize", "pad"] = "resize",
        colour: Literal["auto", "grey", "rgb"] = "auto",
        normalise: Literal["dataset", "image", "unit"] = "dataset",
        flip: Fraction = 0.0,
        shift: Fraction = 0.0,
        rotate: NonNegative = 0.0,
        scale: Fraction = 0.0,
        elastic: NonNegative = 0.0,
        brightness: Fraction = 0.0,
        contrast: Fraction = 0.0,
        cutout: Fraction = 0.0,
        spatial_probability: Fraction = 1.0,
    ) -> None:
        if isinstance(size, list) and len(size) != 2:
            raise ValueError(f"size should be [height, width] or auto, not {size}")
        self.size = list(size) if isinstance(size, list) else None
        self.auto = size == "auto"
        self.fitting = fit
        self.chosen = ""
        self.colour = colour
        self.normalise = normalise
        self.flip = flip
        self.shift = shift
        self.rotate = rotate
        self.scale = scale
        self.elastic = elastic
        self.brightness = brightness
        self.contrast = contrast
        self.cutout = cutout
        self.spatial_probability = spatial_probability
        self.targets = Targets()
        self.white: float | None = None  # of images of more than 8 bits
        self.mean: list[float] = []
        self.deviation: list[float] = []

    def fit(self, examples: Sequence[Image]) -> None:
        """Learn the labels, the size and colour where they are not given, and the mean and deviation of the pixels.

        Raises:
            DataError: there are fewer than two classes or numbers, or a damaged image.
        """
        self.targets = Targets.of(example.label for example in examples)
        self.white = white_of(examples)
        if self.auto:
            self.size, self.chosen = size_for(examples)
        self.size = self.size or list(examples[0].array(self.white).shape[:2])
        if self.colour == "auto":
            some = range(0, len(examples), max(1, len(examples) // 200))
            self.colour = "rgb" if any(examples[index].array().ndim == 3 for index in some) else "grey"
        # A few thousand images are enough for mean and deviation to a fraction of a grey level.
        chosen = range(0, len(examples), max(1, len(examples) // 2000))
        found = Moments.of(self.prepare(examples[index])[0].flatten(1).double().div(255).numpy() for index in chosen)
        self.mean, self.deviation = found.mean.tolist(), found.deviation(1e-3).tolist()

    def prepare(self, example: Image) -> tuple[Tensor, Target]:
        """uint8 pixels (channels, height, width) and the target."""
        pixels = example.array(self.white)
        assert self.size is not None, "fit comes first"
        wanted = 1 if self.colour == "grey" else 3
        given = 1 if pixels.ndim == 2 else pixels.shape[2]
        if given != wanted or list(pixels.shape[:2]) != self.size:
            import PIL.Image

            image = PIL.Image.fromarray(pixels).convert("L" if wanted == 1 else "RGB")
            if list(pixels.shape[:2]) != self.size:
                inner = inside(pixels.shape[:2], self.size) if self.fitting == "pad" else self.size
                image = image.resize((inner[1], inner[0]), PIL.Image.Resampling.BILINEAR)
            pixels = padded(np.asarray(image), self.size)
        tensor = torch.from_numpy(np.array(pixels))
        tensor = tensor.unsqueeze(0) if tensor.ndim == 2 else tensor.permute(2, 0, 1)
        label = self.targets.target(example.label, example.source or str(example.path))
        return tensor, label

    def advice(self) -> str:
        """The size that was chosen."""
        if not self.chosen:
            return ""
        assert self.size is not None, "fit comes first"
        kept = "; their shape is kept, the rest is padded" if self.fitting == "pad" else ""
        return (
            f"chosen for {self.chosen}: encoder.size=[{self.size[0]},{self.size[1]}] (height, width), "
            f"encoder.colour={self.colour}{kept}"
        )

    def survey(self, examples: Sequence[Image], items: Sequence[tuple[Tensor, Target]] | None) -> Survey:
        """The size of what the network sees, and images whose pixels are all the same."""
        assert self.size is not None, "fit comes first"
        facts = {"images": f"{self.size[1]}×{self.size[0]} pixels (width × height), {self.colour}"}
        if items is None:
            return Survey(facts)
        blank = [
            example.source or str(example.path or "")
            for example, (pixels, _) in zip(examples, items, strict=True)
            if (pixels == pixels[:, :1, :1]).all()
        ]
        return Survey(facts, [f"{some_of(blank, len(items), 'images')} are of one colour"] if blank else [])

    def collate(self, items: Sequence[tuple[Tensor, Target]], draws: Draws | None = None) -> Batch:
        """Stack, augment with `draws`, normalise."""
        images = torch.stack([pixels for pixels, _ in items]).float().div_(255)
        if draws is not None:
            images = self._augment(images, draws)
        if self.normalise == "dataset":
            mean = torch.tensor(self.mean).view(-1, 1, 1)
            images = (images - mean).div_(torch.tensor(self.deviation).view(-1, 1, 1))
        elif self.normalise == "image":
            mean = images.mean(dim=(1, 2, 3), keepdim=True)
            images = (images - mean) / images.std(dim=(1, 2, 3), keepdim=True).clamp(min=1e-3)
        return Batch({"image": images}, self.targets.batch([label for _, label in items]), len(items))

    def _augment(self, images: Tensor, draws: Draws) -> Tensor:
        uniform = draws.uniform(0, 9)
        signed = 2 * uniform - 1
        bend = None
        if self.elastic:
            rows, columns = (augment.knots(side) for side in images.shape[2:])
            noise = 2 * draws.uniform(1, 2 * rows * columns) - 1
            bend = augment.elastic_bend(noise.reshape(-1, 2, rows, columns), self.elastic, *images.shape[2:])
        if self.flip or self.shift or self.rotate or self.scale or bend is not None:
            applied = (uniform[:, 8] < self.spatial_probability).astype(np.float64)
            images = augment.affine(
                images,
                flip=uniform[:, 0] < self.flip,
                angle=signed[:, 1] * self.rotate * applied,
                scale=1 + signed[:, 2] * self.scale * applied,
                shift=signed[:, 3:5] * self.shift * applied[:, None],
                bend=bend,
            )
        if self.contrast or self.brightness:
            gain = torch.from_numpy(1 + signed[:, 5] * self.contrast).float().view(-1, 1, 1, 1)
            offset = torch.from_numpy(signed[:, 6] * self.brightness).float().view(-1, 1, 1, 1)
            middle = images.mean(dim=(1, 2, 3), keepdim=True)
            images = ((images - middle) * gain + middle + offset).clamp_(0, 1)
        if self.cutout:
            side = round(self.cutout * min(images.shape[2:]))
            images = augment.cutout(images, draws.uniform(2, 2), side, sum(self.mean) / len(self.mean))
        return images

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, height, width, and those of the labels."""
        assert self.size is not None, "fit comes first"
        return {
            "in_channels": 1 if self.colour == "grey" else 3,
            "height": self.size[0],
            "width": self.size[1],
            **self.targets.dims,
        }

    def keep(self, earlier: "ImageEncoder", examples: Sequence[Image]) -> None:
        """Keep the earlier mean and deviation, if the channels are the same."""
        if len(earlier.mean) == len(self.mean):
            self.mean, self.deviation = earlier.mean, earlier.deviation

    def state(self) -> dict[str, Any]:
        """Size, colour, mean, deviation and labels."""
        return {
            "size": self.size,
            "white": self.white,
            "colour": self.colour,
            "mean": self.mean,
            "deviation": self.deviation,
            **self.targets.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.size, self.colour = list(state["size"]), state["colour"]
        self.white = state.get("white")
        self.mean, self.deviation = list(state["mean"]), list(state["deviation"])
        self.targets = Targets.from_state(state)


LEAST_SIDE, MOST_SIDE, MOST_SIDE_OF_MANY = 28, 96, 64
"""Bounds of a chosen size, as the side of a square with as many pixels. 28 is the size of small digits, which are not blurred."""

MANY = 1000
"""More images than this are made no larger than `MOST_SIDE_OF_MANY`: the time of training grows with images times pixels."""

LEAST_SHORT_SIDE = 24
"""Three blocks of 3×3 kernels and 2×2 pooling need 22 pixels."""

MOST_ASPECT = 4
"""A longer strip is padded to this ratio of its sides."""


def size_for(examples: Sequence[Image]) -> tuple[list[int], str]:
    """[height, width] that suits images of different sizes, and in words what it was chosen for.

    Args:
        examples: the training images, of which up to 1,000 are looked at
    """
    some = range(0, len(examples), max(1, len(examples) // 1000))
    sizes = np.array([examples[index].size() for index in some], dtype=np.float64)
    height, width = np.median(sizes, axis=0)
    aspect = float(np.clip(np.exp(np.median(np.log(sizes[:, 1] / sizes[:, 0]))), 1 / MOST_ASPECT, MOST_ASPECT))
    most = MOST_SIDE if len(examples) <= MANY else MOST_SIDE_OF_MANY
    side = float(np.clip(np.median(np.sqrt(sizes.prod(axis=1))), LEAST_SIDE, most))
    side = max(side, LEAST_SHORT_SIDE * max(aspect, 1 / aspect) ** 0.5)
    chosen = [round(side / aspect**0.5), round(side * aspect**0.5)]
    return chosen, f"{len(examples):,} training images, in the middle {width:g}×{height:g} pixels (width × height)"


def inside(shape: Sequence[int], size: Sequence[int]) -> list[int]:
    """The largest [height, width] inside `size` that has the ratio of sides of `shape`."""
    scale = min(size[0] / shape[0], size[1] / shape[1])
    return [min(most, max(1, round(scale * side))) for side, most in zip(shape, size, strict=True)]


def padded(pixels: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Pixels in the middle of `size`, with the border repeated around them."""
    spare = [most - side for side, most in zip(pixels.shape, size, strict=False)]
    around = [(each // 2, each - each // 2) for each in spare] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, around, mode="edge") if any(spare) else pixels
