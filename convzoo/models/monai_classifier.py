"""MONAI's networks for whole volumes, by name."""

from typing import Any, Literal

import monai.networks.nets as nets
import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData

_KEYWORDS: dict[str, dict[str, Any]] = {
    "resnet10": {}, "resnet18": {}, "resnet34": {}, "resnet50": {}, "seresnet50": {},
    "densenet121": {}, "densenet169": {}, "efficientnet_b0": {"model_name": "efficientnet-b0", "pretrained": False},
}  # fmt: skip
_CONSTRUCTORS = {
    "resnet10": "resnet10", "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50",
    "seresnet50": "SEResNet50", "densenet121": "DenseNet121", "densenet169": "DenseNet169",
    "efficientnet_b0": "EfficientNetBN",
}  # fmt: skip


class MonaiClassifier(nn.Module):
    """A network of MONAI (Cardoso et al. 2022, arXiv:2211.02701) for volumes, trained from scratch.

    Args:
        network: 3-D ResNets (arXiv:1512.03385), ResNets with squeeze-and-excitation (arXiv:1709.01507), DenseNets
            (arXiv:1608.06993) or EfficientNet-B0 (arXiv:1905.11946)
        args: further arguments of MONAI's class, by name

    Shape:
        volume: (batch, in_channels, x, y, z); output: (batch, classes), logits.

    Raises:
        ValueError: the network takes no such argument.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        network: Literal[
            "resnet10",
            "resnet18",
            "resnet34",
            "resnet50",
            "seresnet50",
            "densenet121",
            "densenet169",
            "efficientnet_b0",
        ] = "resnet18",
        args: dict = {},
    ) -> None:
        super().__init__()
        kind = getattr(nets, _CONSTRUCTORS[network])
        if network.startswith("resnet"):
            sizes = {"n_input_channels": in_channels, "num_classes": classes}
        elif network.startswith("densenet"):
            sizes = {"in_channels": in_channels, "out_channels": classes}
        else:
            sizes = {"in_channels": in_channels, "num_classes": classes}
        try:
            self.network = kind(spatial_dims=3, **sizes, **_KEYWORDS[network], **args)
        except TypeError as error:
            raise ValueError(f"MONAI's {network}: {error}") from None

    def forward(self, volume: Float[Tensor, "batch channels x y z"]) -> Float[Tensor, "batch classes"]:
        """Volumes to logits.

        The CPU computes in float32: oneDNN's bf16 gradients are wrong for a volume that is less deep than a kernel, such as the
        last maps here. (`ConvolutionBlock` avoids this by its padding.)
        """
        if volume.device.type != "cpu":
            return self.network(volume)
        with torch.autocast("cpu", enabled=False):
            return self.network(volume if volume.dtype == torch.float64 else volume.float())
