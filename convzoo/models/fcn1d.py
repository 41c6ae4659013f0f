"""A fully convolutional network for series."""

from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.series_classifier import Mask, SeriesBlock, SeriesClassifier


class FCN1d(SeriesClassifier):
    """FCN (Wang et al. 2017, arXiv:1611.06455): three convolutions that keep the length, then the mean over time.

    Args:
        channels: of each convolution
        kernel_sizes: one for each convolution, in steps
        members: number of networks whose probabilities are averaged
        pooling: over all time
        normalisation: after each convolution
        activation: of all layers
        dropout: before the classes

    Shape:
        series: (batch, in_channels, time); mask: (batch, time), True for steps that count; output: (batch, classes), logits.

    Raises:
        ValueError: the numbers of channels and of kernel sizes differ.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: list[Positive] = [128, 256, 128],
        kernel_sizes: list[Positive] = [8, 5, 3],
        members: Positive = 1,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        if len(channels) != len(kernel_sizes):
            raise ValueError(f"{len(kernel_sizes)} kernel_sizes for {len(channels)} channels: give one for each")

        def make() -> nn.Module:
            return Blocks([in_channels, *channels], kernel_sizes, normalisation, activation)

        super().__init__(make, channels[-1], classes, members, pooling, dropout)


class Blocks(nn.Module):
    """Convolutions one after another, (batch, channels, time)."""

    def __init__(
        self, channels: list[int], kernel_sizes: list[int], normalisation: Normalisation, activation: Activation
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            SeriesBlock(before, after, size, normalisation=normalisation, activation=activation)
            for before, after, size in zip(channels, channels[1:], kernel_sizes, strict=False)
        )

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch out time"]:
        """Series to feature maps."""
        for block in self.blocks:
            series = block(series, mask)
        return series
