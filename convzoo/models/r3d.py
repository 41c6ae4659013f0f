"""Residual 3-D networks for clips of video, with full or factorised kernels."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling
from convzoo.layers.residual import ResidualBlock
from convzoo.models.c3d import convolution_3d

_STEM_MIDDLE = 45
"""Number of spatial kernels of R(2+1)D's first layer, which has 64 kernels over time (from the authors' code)."""


class R3D(nn.Module):
    r"""R3D and R(2+1)D (Tran et al. 2018, arXiv:1711.11248): residual blocks $x + f(x)$ of two convolutions over time and space.

    The first layer has 7×7 kernels over three frames and halves height and width; each stage after the first halves time, height
    and width. `channels` [64, 128, 256, 512] with `blocks` [2, 2, 2, 2] is the paper's 18-layer network.

    Args:
        channels: channels of each stage
        blocks: residual blocks of each stage
        kernels: `full` is R3D; `factorised` is R(2+1)D, whose 1×k×k and t×1×1 kernels have about as many weights
        kernel_size: k, of the blocks
        depth: t, of the blocks
        stem_kernel_size: of the first layer's kernels, within a frame
        pooling: over the whole last map
        normalisation: after each convolution
        activation: of the blocks
        dropout: before the classes

    Shape:
        clip: (batch, in_channels, frames, height, width); output: (batch, classes), logits.

    Raises:
        ValueError: channels and blocks differ in number.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [16, 32, 64],
        blocks: list[Positive] = [1, 1, 1],
        kernels: Literal["full", "factorised"] = "factorised",
        kernel_size: Positive = 3,
        depth: Positive = 3,
        stem_kernel_size: Positive = 7,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks):
            raise ValueError(f"channels has {len(channels)} values and blocks {len(blocks)}: give one for each stage")
        middle = max(1, round(_STEM_MIDDLE * channels[0] / 64))
        self.stem = convolution_3d(
            kernels, in_channels, channels[0], stem_kernel_size, depth, 2, 1, normalisation, activation, middle=middle
        )
        stages: list[nn.Module] = []
        before = channels[0]
        for stage, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                first = convolution_3d(
                    kernels, before, width, kernel_size, depth, stride, stride, normalisation, activation
                )
                second = convolution_3d(kernels, width, width, kernel_size, depth, 1, 1, normalisation, "identity")
                stages.append(ResidualBlock(3, before, width, first, second, stride, normalisation, activation))
                before = width
        self.blocks = nn.Sequential(*stages)
        self.pooling = Pooling(3, pooling, channels=before)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(before * self.pooling.outputs_per_channel, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, clip: Float[Tensor, "batch channels frames height width"]) -> Float[Tensor, "batch classes"]:
        """Clips to logits."""
        return self.classifier(self.dropout(self.pooling(self.blocks(self.stem(clip)))))
