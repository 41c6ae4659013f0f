"""How an image looks on a page, where a network looked, and the kernels and feature maps of its first layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.image.example import Image
from convzoo.report import kit

KERNELS = 64
MAPS = 16
BANDS = 4
"""Into as many parts of the same size images are divided by their brightness and their contrast."""


class ImagePages(Pages):
    """Images, and the outputs of the first layer's kernels for them."""

    plural = "images"

    def picture(self, example: Image) -> str:
        return _picture(example.array(), example.source or "an image")

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        example = material.examples[int(row["index"])]
        return f'<div class="pic">{_picture(example.array(), str(row["source"]))}</div>'

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By brightness and by contrast, in parts of the same size."""
        grey = [_grey(example.array()) for example in material.examples]
        at = [int(row["index"]) for row in material.predictions]
        return [
            Slices(
                "brightness", "The mean of all pixels, 0 (black) to 255 (white).",
                kit.bands([float(grey[index].mean()) for index in at], BANDS),
            ),
            Slices(
                "contrast", "The standard deviation of the pixels: a low one is a flat picture.",
                kit.bands([float(grey[index].std()) for index in at], BANDS),
            ),
        ]  # fmt: skip

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The receptive field as a square on what the network gets of the first test image."""
        if sees is None or len(sees) != 2:
            return ""
        seen = _first_image(material.encoder.sample(material.examples).inputs)
        if seen is None:
            return ""
        height, width = seen.shape[:2]
        high, wide = min(sees[0], height), min(sees[1], width)
        whole = (high, wide) == (height, width)
        words = "the whole image" if whole else f"{high}×{wide} of its {height}×{width} pixels"
        square = (
            f'<svg viewBox="0 0 {width} {height}" aria-hidden="true"><rect class="rf" vector-effect="non-scaling-stroke" '
            f'x="{(width - wide) / 2}" y="{(height - high) / 2}" width="{wide}" height="{high}"/></svg>'
        )
        return (
            f"<p>One value of the layer that sees farthest depends on {words}.</p>"
            f'<div class="shot limits">{_picture(seen, "a test image as the network gets it")}{square}</div>'
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Image]) -> str:
        if not first_convolutions(model):
            return ""
        name, layer = next(iter(first_convolutions(model).items()))
        weights: Tensor = layer.weight.detach()  # type: ignore[assignment]
        shown = weights[:KERNELS].mean(dim=1).numpy()
        count = f"all {len(weights)}" if len(weights) <= KERNELS else f"the first {KERNELS} of {len(weights)}"
        tiles = [(kit.image(kit.grey(kernel), f"kernel {at}"), f"kernel {at}") for at, kernel in enumerate(shown)]
        parts = [
            f"<h3>First-layer kernels</h3><p>Each tile is one kernel of {kit.code(name)}, {count}: bright where it adds, dark "
            f"where it subtracts. Its answer is largest where a patch looks like the tile.</p>{kit.tiles(tiles)}",
            "<h3>Feature maps</h3><p>The answers of the kernels to some test images: bright where the patch is like the kernel."
            "</p>",
        ]
        for example in list(examples)[:2]:
            maps = feature_maps(model, encoder.encode([example]).inputs, layer)[0, :MAPS].clamp(min=0).numpy()
            row = [(kit.image(example.array(), "the image", most=128), "the image")]
            row += [
                (kit.image(kit.grey(one, around_zero=False), f"answers of kernel {at}", most=128), f"kernel {at}")
                for at, one in enumerate(maps)
            ]
            parts.append(kit.tiles(row))
        return "".join(parts)

    def data(self, material: Material) -> str:
        """Sizes of the test images as they are in their files."""
        sizes: dict[str, int] = {}
        for example in material.examples[:2000]:
            size = example.array().shape
            words = f"{size[1]}×{size[0]}" + (", colour" if len(size) == 3 and size[2] == 3 else "")
            sizes[words] = sizes.get(words, 0) + 1
        common = sorted(sizes.items(), key=lambda pair: -pair[1])
        rows: list[list[kit.Cell]] = [[size, f"{count:,}"] for size, count in common[:10]]
        if len(common) > 10:
            rows.append([f"{len(common) - 10:,} other sizes", f"{sum(count for _, count in common[10:]):,}"])
        return kit.table(
            [kit.Column("pixels"), kit.Column("test images", "n")],
            rows,
            "<b>Sizes</b> of the test images in their files.",
        )


def _picture(pixels: np.ndarray, words: str) -> str:
    """Small images show their pixels; photographs are smoothed, and smaller as JPEG."""
    large = max(pixels.shape[:2]) > 160
    return kit.image(pixels, words, most=384, smooth=large, quality=85 if large else None)


def _grey(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) if pixels.ndim == 2 else pixels[..., :3].mean(axis=2, dtype=np.float32)


def _first_image(inputs: Mapping[str, Any]) -> np.ndarray | None:
    """The first image of a batch (channels, height, width) as uint8, its range stretched; None if there is none."""
    for value in inputs.values():
        if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] in (1, 3):
            one = value[0].double()
            scaled = (one - one.amin()) / (one.amax() - one.amin()).clamp(min=1e-9)
            pixels = (255 * scaled).to(torch.uint8).permute(1, 2, 0).numpy()
            return pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return None
