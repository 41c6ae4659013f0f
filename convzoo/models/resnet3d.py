"""A small residual network for volumes."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Kernels, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.dropout import Dropout
from convzoo.layers.kernels import KernelBlock
from convzoo.layers.pooling import Pooling
from convzoo.layers.residual import ResidualBlock


class ResNet3d(nn.Module):
    r"""Residual blocks $x + f(x)$ of two convolutions (He et al. 2016, arXiv:1512.03385), then one pooling over the whole map.
    Each stage halves all sides.

    Args:
        channels: channels of each stage
        blocks: residual blocks of each stage
        kernels: `full` k×k×k kernels; `factorised` into k×k×1 within axial slices and 1×1×k across them (arXiv:1711.11248);
            `acs`, flat kernels in the three views (arXiv:1911.10477)
        kernel_size: of every convolution except the shortcuts
        stem_stride: stride of the first convolution; 2 reduces the work of all later layers to an eighth
        stem_pool: the first convolution's map is halved by 2×2×2 max-pooling
        downsampling: how each later stage halves its map: by the `stride` of its first convolution and its shortcut, as in the
            paper, or by 2×2×2 max-pooling before both, which skips no voxel: better for small structures on coarse grids
        normalisation: after each convolution
        activation: of the blocks
        pooling: over the whole map
        block_dropout: inside the residual blocks
        dropout: before the classes

    Shape:
        volume: (batch, in_channels, x, y, z); output: (batch, classes), logits.

    Raises:
        ValueError: channels and blocks differ in number, or the kernels are not possible.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [16, 32, 64, 128],
        blocks: list[Positive] = [1, 1, 1, 1],
        kernels: Kernels = "full",
        kernel_size: Positive = 3,
        stem_stride: Positive = 1,
        stem_pool: bool = False,
        downsampling: Literal["stride", "max"] = "stride",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        pooling: PoolingKind = "average",
        block_dropout: Probability = 0.0,
        dropout: Probability = 0.2,
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks):
            raise ValueError(f"channels has {len(channels)} values and blocks {len(blocks)}: give one for each stage")
        self.stem = KernelBlock(
            3, in_channels, channels[0], kernels, kernel_size, stem_stride, normalisation=normalisation, activation=activation,
            pooling=Pooling(3, "max", size=2) if stem_pool else None,
        )  # fmt: skip
        stages: list[nn.Module] = []
        before = channels[0]
        for stage, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            for index in range(count):
                halves = stage > 0 and index == 0
                if halves and downsampling == "max":
                    stages.append(Pooling(3, "max", size=2))
                stride = 2 if halves and downsampling == "stride" else 1
                first = KernelBlock(
                    3, before, width, kernels, kernel_size, stride, normalisation=normalisation, activation=activation,
                    dropout=block_dropout,
                )  # fmt: skip
                second = KernelBlock(
                    3, width, width, kernels, kernel_size, normalisation=normalisation, activation=activation,
                    last_activation="identity",
                )  # fmt: skip
                if isinstance(second.last_normalisation, nn.BatchNorm3d):
                    # At the start each block equals its shortcut (Goyal et al. 2017, arXiv:1706.02677, §5.1).
                    nn.init.zeros_(second.last_normalisation.weight)
                stages.append(ResidualBlock(3, before, width, first, second, stride, normalisation, activation))
                before = width
        self.blocks = nn.Sequential(*stages)
        self.pooling = Pooling(3, pooling, channels=before)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(before * self.pooling.outputs_per_channel, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, volume: Float[Tensor, "batch channels x y z"]) -> Float[Tensor, "batch classes"]:
        """Volumes to logits."""
        return self.classifier(self.dropout(self.pooling(self.blocks(self.stem(volume)))))
