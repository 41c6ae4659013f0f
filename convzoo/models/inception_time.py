"""InceptionTime: kernels of several widths beside each other, with residual connections."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.series_classifier import Mask, SeriesBlock, SeriesClassifier, SeriesNormalisation, convolution


class InceptionTime(SeriesClassifier):
    """The Inception network for series (Ismail Fawaz et al. 2020, arXiv:1909.04939). With `members: 5` it is InceptionTime.

    An Inception module mixes the channels to few (the bottleneck), then has kernels of three widths beside each other, and a
    maximum over three steps with a pointwise convolution. Every third module adds a pointwise convolution of what came before.

    Args:
        channels: of each of the four branches of a module
        depth: number of modules
        kernel_size: of the widest kernel, in steps; the others are a half and a quarter as wide
        bottleneck: channels of the bottleneck; one input channel has none
        members: number of networks whose probabilities are averaged
        pooling: over all time
        normalisation: after each module
        activation: of all layers
        dropout: before the classes

    Shape:
        series: (batch, in_channels, time); mask: (batch, time), True for steps that count; output: (batch, classes), logits.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        channels: Positive = 32,
        depth: Positive = 6,
        kernel_size: Positive = 40,
        bottleneck: Positive = 32,
        members: Positive = 1,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        def make() -> nn.Module:
            return InceptionModules(in_channels, channels, depth, kernel_size, bottleneck, normalisation, activation)

        super().__init__(make, 4 * channels, classes, members, pooling, dropout)


class InceptionModules(nn.Module):
    """Inception modules with a shortcut over each three of them, (batch, 4 * channels, time)."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        depth: int,
        kernel_size: int,
        bottleneck: int,
        normalisation: Normalisation,
        activation: Activation,
    ) -> None:
        super().__init__()
        widths = [in_channels] + [4 * channels] * depth
        self.modules_ = nn.ModuleList(
            InceptionModule(widths[at], channels, kernel_size, bottleneck, normalisation, activation)
            for at in range(depth)
        )
        self.shortcuts = nn.ModuleList(
            SeriesBlock(widths[at - 2], 4 * channels, 1, normalisation=normalisation, activation="identity")
            for at in range(2, depth, 3)
        )
        self.activation = activation_layer(activation)

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch out time"]:
        """Series to feature maps."""
        x = before = series
        for at, module in enumerate(self.modules_):
            x = module(x, mask)
            if at % 3 == 2:
                x = before = self.activation(x + self.shortcuts[at // 3](before, mask))
        return x


class InceptionModule(nn.Module):
    """Kernels of three widths and a maximum beside each other."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        bottleneck: int,
        normalisation: Normalisation,
        activation: Activation,
    ) -> None:
        super().__init__()
        self.bottleneck = convolution(in_channels, bottleneck, 1) if in_channels > 1 else nn.Identity()
        width = bottleneck if in_channels > 1 else in_channels
        sizes = [max(1, kernel_size // part) for part in (1, 2, 4)]
        self.convolutions = nn.ModuleList(convolution(width, channels, size) for size in sizes)
        self.pointwise = convolution(in_channels, channels, 1)
        self.behind = SeriesNormalisation(4 * channels, normalisation, activation)

    def forward(self, x: Float[Tensor, "batch channels time"], mask: Mask = None) -> Float[Tensor, "batch out time"]:
        """Apply the module."""
        narrow = self.bottleneck(x)
        filled = x if mask is None else x.masked_fill(~mask.unsqueeze(1), torch.finfo(x.dtype).min)
        # Pooled as an image of one row: `torch.export` takes the length of `max_pool1d` for a constant.
        largest = F.max_pool2d(filled.unsqueeze(2), (1, 3), 1, (0, 1)).squeeze(2)
        if mask is not None:  # the lowest number would become infinite in the convolution
            largest = largest.masked_fill(~mask.unsqueeze(1), 0.0)
        found = [*(layer(narrow) for layer in self.convolutions), self.pointwise(largest)]
        return self.behind(torch.cat(found, dim=1), mask)
