"""A small residual network for images."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling
from convzoo.layers.residual import ResidualBlock


class ResNet2d(nn.Module):
    r"""Residual blocks $x + f(x)$ of two convolutions (He et al. 2016, arXiv:1512.03385), then one pooling over the whole map.
    Each stage halves height and width.

    Args:
        channels: channels of each stage
        blocks: residual blocks of each stage
        kernel_size: of every convolution
        separable: depthwise, then pointwise
        stem_pool: the stem halves height and width by 2×2 max-pooling, which reduces the work of all later layers to a quarter
        squeeze: squeeze-and-excitation (Hu et al. 2018, arXiv:1709.01507): each map is scaled by a factor that is computed from
            all maps
        normalisation: after each convolution
        activation: of the blocks
        pooling: over the whole map
        block_dropout: inside the residual blocks
        dropout: before the classes

    Shape:
        image: (batch, in_channels, height, width); output: (batch, classes), logits.

    Raises:
        ValueError: channels and blocks differ in number.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [32, 64, 128, 256],
        blocks: list[Positive] = [1, 1, 1, 1],
        kernel_size: Positive = 3,
        separable: bool = False,
        stem_pool: bool = False,
        squeeze: bool = False,
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        pooling: PoolingKind = "average",
        block_dropout: Probability = 0.0,
        dropout: Probability = 0.2,
    ) -> None:
        super().__init__()
        if len(channels) != len(blocks):
            raise ValueError(f"channels has {len(channels)} values and blocks {len(blocks)}: give one for each stage")
        self.stem = ConvolutionBlock(
            2, in_channels, channels[0], kernel_size, normalisation=normalisation, activation=activation,
            pooling=Pooling(2, "max", size=2) if stem_pool else None,
        )  # fmt: skip
        stages: list[nn.Module] = []
        before = channels[0]
        for stage, (width, count) in enumerate(zip(channels, blocks, strict=True)):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                first = ConvolutionBlock(
                    2, before, width, kernel_size, stride, separable=separable, normalisation=normalisation,
                    activation=activation, dropout=block_dropout,
                )  # fmt: skip
                second = ConvolutionBlock(
                    2,
                    width,
                    width,
                    kernel_size,
                    separable=separable,
                    normalisation=normalisation,
                    activation="identity",
                )
                if isinstance(second.normalisation, nn.BatchNorm2d):
                    # At the start each block equals its shortcut (Goyal et al. 2017, arXiv:1706.02677, §5.1).
                    nn.init.zeros_(second.normalisation.weight)
                scale = SqueezeExcitation(width) if squeeze else None
                stages.append(ResidualBlock(2, before, width, first, second, stride, normalisation, activation, scale))
                before = width
        self.blocks = nn.Sequential(*stages)
        self.pooling = Pooling(2, pooling, channels=before)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(before * self.pooling.outputs_per_channel, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, image: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch classes"]:
        """Images to logits."""
        return self.classifier(self.dropout(self.pooling(self.blocks(self.stem(image)))))


class SqueezeExcitation(nn.Module):
    """Scale each map by a number between 0 and 1, computed from the means of all maps (arXiv:1709.01507, eq. 2 to 4)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.down = nn.Linear(channels, max(4, channels // reduction))
        self.up = nn.Linear(max(4, channels // reduction), channels)
        self.activation = nn.ReLU()
        self.gate = nn.Sigmoid()

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch channels height width"]:
        """Scale the maps."""
        scale = self.gate(self.up(self.activation(self.down(x.mean(dim=(2, 3))))))
        return x * scale[:, :, None, None]
