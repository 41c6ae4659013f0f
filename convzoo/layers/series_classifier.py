"""What networks that classify series share: sequences of different lengths, ensembles, and a map of each class over time."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.convolution import ConvolutionBlock, normalisation_layer
from convzoo.layers.depthwise import DepthwiseConv1d
from convzoo.layers.dropout import Dropout
from convzoo.layers.pooling import Pooling

Mask = Bool[Tensor, "batch time"] | None


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) of sequences of different lengths: positions that only pad
    do not count in the statistics."""

    def forward(
        self, x: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch channels time"]:
        """Normalise; what is given at padded positions is not defined."""
        if mask is None or not self.training:
            return super().forward(x)
        kept = x.movedim(1, 2)[mask]  # (positions that count, channels)
        normalised = super().forward(kept)
        return torch.zeros_like(x).movedim(1, 2).masked_scatter(mask.unsqueeze(2), normalised).movedim(2, 1)


class SeriesNormalisation(nn.Module):
    """Normalisation, activation, and zeros at padded positions, so that no output depends on the batch.

    Args:
        channels: of the input
        normalisation: by name
        activation: by name

    Shape:
        x: (batch, channels, time); mask: (batch, time), True for positions that count; output as x.
    """

    def __init__(
        self, channels: Positive, normalisation: Normalisation = "batch", activation: Activation = "relu"
    ) -> None:
        super().__init__()
        self.normalisation = (
            MaskedBatchNorm1d(channels) if normalisation == "batch" else normalisation_layer(normalisation, 1, channels)
        )
        self.activation = activation_layer(activation)

    def forward(
        self, x: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch channels time"]:
        """Normalise and activate."""
        x = self.normalisation(x, mask) if isinstance(self.normalisation, MaskedBatchNorm1d) else self.normalisation(x)
        x = self.activation(x)
        return x if mask is None else x * mask.unsqueeze(1)


class SeriesBlock(nn.Module):
    """A convolution that keeps the length, normalisation, activation; padded positions stay zero.

    Args:
        in_channels: of the input
        out_channels: of the output
        kernel_size: in steps
        dilation: distance between a kernel's taps, in steps
        separable: a kernel for each channel, then a pointwise convolution
        normalisation: by name
        activation: by name

    Shape:
        x: (batch, in_channels, time); mask: (batch, time); output: (batch, out_channels, time).
    """

    def __init__(
        self,
        in_channels: Positive,
        out_channels: Positive,
        kernel_size: Positive,
        dilation: Positive = 1,
        separable: bool = False,
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.convolution = convolution(in_channels, out_channels, kernel_size, dilation, separable)
        self.behind = SeriesNormalisation(out_channels, normalisation, activation)

    def forward(self, x: Float[Tensor, "batch channels time"], mask: Mask = None) -> Float[Tensor, "batch out time"]:
        """Apply the block."""
        return self.behind(self.convolution(x), mask)


def convolution(
    in_channels: int, out_channels: int, kernel_size: int, dilation: int = 1, separable: bool = False
) -> nn.Module:
    """A convolution over time that keeps the length, and nothing else."""
    if separable:
        return nn.Sequential(
            DepthwiseConv1d(in_channels, kernel_size, dilation), nn.Conv1d(in_channels, out_channels, 1, bias=False)
        )
    return ConvolutionBlock(
        1, in_channels, out_channels, kernel_size, dilation=dilation, activation="identity", bias=False
    )


class Member(nn.Module):
    """One network of an ensemble: feature maps, global pooling over the steps that count, a linear layer."""

    def __init__(self, features: nn.Module, channels: int, classes: int, pooling: PoolingKind, dropout: float) -> None:
        super().__init__()
        self.features = features
        self.pooling = Pooling(1, pooling, channels=channels)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(channels * self.pooling.outputs_per_channel, classes)

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch classes"]:
        """Series to logits."""
        return self.classifier(self.dropout(self.pooling(self.features(series, mask), mask)))

    def class_map(self, series: Tensor, mask: Mask) -> Tensor:
        """(batch, classes, time)"""
        return torch.einsum("bct,kc->bkt", self.features(series, mask), self.classifier.weight)


class SeriesClassifier(nn.Module):
    r"""One network, or an ensemble of independent ones whose probabilities are averaged (InceptionTime, Ismail Fawaz et al.
    2020, arXiv:1909.04939, §3.2): $p = \frac{1}{M} \sum_m \mathrm{softmax}(z_m)$; the output is $\log p$.

    While an ensemble trains, it gives the outputs of each member, (batch, members, classes). `Classification` takes the mean of
    their losses, so each member has the gradient that it would have alone, divided by their number, and Adam does not see that
    factor. All members see the same batches; their first weights differ.

    Args:
        make: makes the feature maps of a member, a module of series and mask
        channels: of these feature maps
        classes: number of outputs
        members: number of networks
        pooling: over all time
        dropout: before the classes

    Shape:
        series: (batch, in_channels, time); mask: (batch, time), True for steps that count, None if all do;
        output: (batch, classes), logits.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        channels: int,
        classes: int,
        members: Positive = 1,
        pooling: PoolingKind = "average",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(Member(make(), channels, classes, pooling, dropout) for _ in range(members))
        self.maps_classes = pooling == "average"

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch *members classes"]:
        """Series to logits; while an ensemble trains, those of each member."""
        if len(self.members) == 1:
            return self.members[0](series, mask)
        found = torch.stack([member(series, mask) for member in self.members], dim=1)
        return found if self.training else found.log_softmax(dim=2).logsumexp(dim=1) - math.log(len(self.members))

    def class_map(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch classes time"]:
        """How much each step speaks for each class: with average pooling a logit is the mean of this over the steps that count,
        plus a constant (class activation maps, Zhou et al. 2016, arXiv:1512.04150). The mean over the members."""
        maps = [member.class_map(series, mask) for member in self.members if isinstance(member, Member)]
        return torch.stack(maps).mean(dim=0)
