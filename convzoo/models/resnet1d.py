"""A residual network for series."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.series_classifier import Mask, SeriesBlock, SeriesClassifier, SeriesNormalisation


class ResNet1d(SeriesClassifier):
    r"""ResNet for series (Wang et al. 2017, arXiv:1611.06455): blocks of three convolutions with a shortcut,
    $y = \sigma(f_3(f_2(f_1(x))) + s(x))$. s is a pointwise convolution where the number of channels changes, with
    normalisation; else normalisation alone.

    Args:
        channels: of each block
        kernel_sizes: of the convolutions in a block, in steps
        members: number of networks whose probabilities are averaged
        pooling: over all time
        normalisation: after each convolution
        activation: of all layers
        dropout: before the classes

    Shape:
        series: (batch, in_channels, time); mask: (batch, time), True for steps that count; output: (batch, classes), logits.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [64, 128, 128],
        kernel_sizes: list[Positive] = [8, 5, 3],
        members: Positive = 1,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        def make() -> nn.Module:
            return ResidualBlocks([in_channels, *channels], kernel_sizes, normalisation, activation)

        super().__init__(make, channels[-1], classes, members, pooling, dropout)


class ResidualBlocks(nn.Module):
    """Residual blocks one after another, (batch, channels, time)."""

    def __init__(
        self, channels: list[int], kernel_sizes: list[int], normalisation: Normalisation, activation: Activation
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(before, after, kernel_sizes, normalisation, activation)
            for before, after in pairwise(channels)
        )

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch out time"]:
        """Series to feature maps."""
        for block in self.blocks:
            series = block(series, mask)
        return series


class ResidualBlock(nn.Module):
    """Convolutions with a shortcut; the last activation comes after the sum."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_sizes: list[int],
        normalisation: Normalisation,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            SeriesBlock(
                out_channels if number else in_channels, out_channels, size, normalisation=normalisation,
                activation=activation if number < len(kernel_sizes) - 1 else "identity",
            )
            for number, size in enumerate(kernel_sizes)
        )  # fmt: skip
        self.shortcut: nn.Module = (
            SeriesNormalisation(out_channels, normalisation, "identity")
            if in_channels == out_channels
            else SeriesBlock(in_channels, out_channels, 1, normalisation=normalisation, activation="identity")
        )
        self.activation = activation_layer(activation)

    def forward(self, x: Float[Tensor, "batch channels time"], mask: Mask = None) -> Float[Tensor, "batch out time"]:
        """Apply the block."""
        found = x
        for block in self.convolutions:
            found = block(found, mask)
        return self.activation(found + self.shortcut(x, mask))
