"""How an image looks on a page, and the kernels and feature maps of a network's first layer."""

import html
from collections.abc import Sequence

from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Pages
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.image.example import Image
from convzoo.report.kit import grey, image_tag


class ImagePages(Pages):
    """Images, and the outputs of the first layer's kernels for them."""

    plural = "images"

    def picture(self, example: Image) -> str:
        return image_tag(example.array(), height=96)

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Image]) -> str:
        if not first_convolutions(model):
            return ""
        name, layer = next(iter(first_convolutions(model).items()))
        weights: Tensor = layer.weight.detach()  # type: ignore[assignment]
        tiles = [
            image_tag(grey(kernel), 40, f"kernel {index}")
            for index, kernel in enumerate(weights[:64].mean(dim=1).numpy())
        ]
        parts = [
            f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>Each tile is one kernel: bright where it adds, dark where "
            "it subtracts. Its output is largest where a patch looks like the tile.</p>"
            f"<div class='tiles'>{''.join(tiles)}</div>",
            "<h3>Feature maps</h3><p>The outputs of the kernels for some images: bright where the patch is like the kernel.</p>",
        ]
        for example in list(examples)[:3]:
            maps = feature_maps(model, encoder.encode([example]).inputs, layer)[0, :16].clamp(min=0).numpy()
            rows = "".join(
                image_tag(grey(single, around_zero=False), 64, f"map {index}") for index, single in enumerate(maps)
            )
            parts.append(f"<div class='tiles'>{image_tag(example.array(), 64, 'input')}<span>→</span>{rows}</div>")
        return "".join(parts)
