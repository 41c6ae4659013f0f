"""A plain 3-D CNN for clips of video."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Count, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.factorised import FactorisedBlock
from convzoo.layers.pooling import Pooling


class C3D(nn.Module):
    """Blocks of 3×3×3 convolution and pooling, then dense layers (Tran et al. 2015, arXiv:1412.0767).

    The first pooling does not change time, so that frames are not merged too early; the others also halve time. The paper's
    network has `channels` [64, 128, 256, 512, 512], `convolutions` [1, 1, 2, 2, 2], no normalisation, and two dense layers with
    `hidden` 4096. This one is smaller, has at most one dense layer, and pools the whole last map.

    Args:
        channels: of each block
        convolutions: in each block; by default one
        kernels: `full` t×k×k kernels, or `factorised` into 1×k×k and t×1×1 (arXiv:1711.11248)
        kernel_size: k, within a frame
        depth: t, over time
        first_stride: stride of the first convolution within a frame: 2 reduces the work of all later layers to a quarter
        pooling: how windows are summarised
        global_pooling: over the last map
        normalisation: after each convolution
        activation: of all layers
        block_dropout: after each block
        hidden: neurons of the dense layer; 0 for none
        dropout: before the classes

    Shape:
        clip: (batch, in_channels, frames, height, width); output: (batch, classes), logits.

    Raises:
        ValueError: channels and convolutions differ in number; the clip is too small for that many blocks.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        frames: FromData[int],
        height: FromData[int],
        width: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [16, 32, 64],
        convolutions: list[Positive] | None = None,
        kernels: Literal["full", "factorised"] = "full",
        kernel_size: Positive = 3,
        depth: Positive = 3,
        first_stride: Positive = 1,
        pooling: PoolingKind = "max",
        global_pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        block_dropout: Probability = 0.0,
        hidden: Count = 0,
        dropout: Probability = 0.5,
    ) -> None:
        super().__init__()
        counts = convolutions or [1] * len(channels)
        if len(counts) != len(channels):
            raise ValueError(f"channels has {len(channels)} values and convolutions {len(counts)}: give one a block")
        halved = 2 ** (len(channels) - 1)
        if frames < 2 ** (len(channels) - 2) or min(height, width) < first_stride * halved:
            raise ValueError(
                f"a clip of {frames}×{height}×{width} is too small for {len(channels)} blocks: use fewer, or a larger clip"
            )
        blocks: list[nn.Module] = []
        before = in_channels
        for index, (count, after) in enumerate(zip(counts, channels, strict=True)):
            for place in range(count):
                last = place == count - 1
                # The whole last map is pooled after the blocks.
                pool = None
                if last and index < len(channels) - 1:
                    pool = Pooling(3, pooling, size=(1 if index == 0 else 2, 2, 2), channels=after)
                stride = first_stride if index == place == 0 else 1
                blocks.append(
                    convolution_3d(
                        kernels, before, after, kernel_size, depth, stride, 1, normalisation, activation, pool,
                        block_dropout if last else 0.0,
                    )
                )  # fmt: skip
                before = after * (pool.outputs_per_channel if pool is not None else 1)
        self.blocks = nn.Sequential(*blocks)
        self.pooling = Pooling(3, global_pooling, channels=before)
        features = before * self.pooling.outputs_per_channel
        self.hidden = nn.Linear(features, hidden) if hidden else None
        self.activation = activation_layer(activation) if hidden else None
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(hidden or features, classes)

    def forward(self, clip: Float[Tensor, "batch channels frames height width"]) -> Float[Tensor, "batch classes"]:
        """Clips to logits."""
        x = self.pooling(self.blocks(clip))
        if self.hidden is not None and self.activation is not None:
            x = self.activation(self.hidden(x))
        return self.classifier(self.dropout(x))


def convolution_3d(
    kernels: Literal["full", "factorised"],
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    depth: int,
    stride: int,
    depth_stride: int,
    normalisation: Normalisation,
    activation: Activation,
    pooling: Pooling | None = None,
    dropout: float = 0.0,
    middle: int | None = None,
) -> nn.Module:
    """A block of either kind of kernel.

    Raises:
        ValueError: there is no such kind.
    """
    if kernels == "factorised":
        return FactorisedBlock(
            in_channels, out_channels, kernel_size, depth, stride, depth_stride, middle, normalisation, "relu", activation,
            pooling, dropout,
        )  # fmt: skip
    if kernels != "full":
        raise ValueError(f"no kernels {kernels!r}")
    return ConvolutionBlock(
        3, in_channels, out_channels, (depth, kernel_size, kernel_size), (depth_stride, stride, stride),
        normalisation=normalisation, activation=activation, pooling=pooling, dropout=dropout,
    )  # fmt: skip
