"""LITE: three layers of separable convolutions beside filters that are not learnt."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, PoolingKind, Positive, Probability
from convzoo.layers.series_classifier import Mask, SeriesBlock, SeriesClassifier, SeriesNormalisation, convolution


class Lite(SeriesClassifier):
    """LITE (Ismail-Fawaz et al. 2023, 2025, arXiv:2409.02869): about 10,000 weights for one channel and two classes.

    The first layer has kernels of three widths beside each other, and 17 filters that are not learnt: they answer to rising,
    falling and peaks of several widths. Two separable, dilated convolutions follow. Of several channels each has its own first
    kernels and fixed filters (LITEMV). With `members: 5` it is LITETime.

    Args:
        channels: of each convolution
        kernel_size: of the widest kernel; the others of the first layer are a half and a quarter as wide, those of the
            later layers too
        custom_filters: use the filters that are not learnt
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
        channels: Positive = 32,
        kernel_size: Positive = 40,
        custom_filters: bool = True,
        members: Positive = 1,
        pooling: PoolingKind = "average",
        normalisation: Normalisation = "batch",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        def make() -> nn.Module:
            return LiteFeatures(in_channels, channels, kernel_size, custom_filters, normalisation, activation)

        super().__init__(make, channels, classes, members, pooling, dropout)


class LiteFeatures(nn.Module):
    """The feature maps of LITE, (batch, channels, time)."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel_size: int,
        custom_filters: bool,
        normalisation: Normalisation,
        activation: Activation,
    ) -> None:
        super().__init__()
        sizes = [max(1, kernel_size // part) for part in (1, 2, 4)]
        self.convolutions = nn.ModuleList(
            convolution(in_channels, channels, size, separable=in_channels > 1) for size in sizes
        )
        self.custom = CustomFilters(in_channels) if custom_filters else None
        width = channels * len(sizes) + (self.custom.out_channels if self.custom is not None else 0)
        self.behind = SeriesNormalisation(width, normalisation, activation)
        self.blocks = nn.ModuleList(
            SeriesBlock(before, channels, size, dilation, True, normalisation, activation)
            for before, size, dilation in ((width, sizes[1], 2), (channels, sizes[2], 4))
        )

    def forward(
        self, series: Float[Tensor, "batch channels time"], mask: Mask = None
    ) -> Float[Tensor, "batch out time"]:
        """Series to feature maps."""
        found = [layer(series) for layer in self.convolutions]
        if self.custom is not None:
            found.append(self.custom(series))
        x = self.behind(torch.cat(found, dim=1), mask)
        for block in self.blocks:
            x = block(x, mask)
        return x


class CustomFilters(nn.Module):
    """Filters that are not learnt, for each channel: 6 answer to rising, 6 to falling, 5 to peaks (Ismail-Fawaz et al. 2022,
    arXiv:2305.14876; the formulas of the authors' code). Only positive answers are kept.

    Shape:
        series: (batch, in_channels, time); output: (batch, 17 * in_channels, time).
    """

    def __init__(self, in_channels: Positive) -> None:
        super().__init__()
        kernels = custom_kernels()
        self.out_channels = len(kernels) * in_channels
        # Kernels of similar widths are computed together, padded with zeros; a longest one is 144 steps wide.
        self.in_channels = in_channels
        self.weight0: Tensor
        self.weight1: Tensor
        self.places = [[at for at, k in enumerate(kernels) if (len(k) <= 36) == short] for short in (True, False)]
        for number, places in enumerate(self.places):
            width = max(len(kernels[at]) for at in places)
            rows = np.stack([_centred(kernels[at], width) for at in places]).astype(np.float32)
            weight = torch.from_numpy(rows).unsqueeze(1).repeat(in_channels, 1, 1)
            self.register_buffer(f"weight{number}", weight, persistent=False)

    def in_words(self) -> str:
        """What `describe` says."""
        each = "" if self.in_channels == 1 else " of each channel"
        count = sum(map(len, self.places))
        return f"Applies {count} filters{each} that are not learnt: they answer to rising, falling and peaks."

    def forward(self, series: Float[Tensor, "batch channels time"]) -> Float[Tensor, "batch out time"]:
        """Apply the filters."""
        found = []
        for weight in (self.weight0, self.weight1):
            total = weight.shape[2] - 1
            padded = F.pad(series, (total // 2, total - total // 2))
            found.append(F.relu(F.conv1d(padded, weight, groups=self.in_channels)))
        return torch.cat(found, dim=1)


def custom_kernels() -> list[np.ndarray]:
    """The 17 kernels: alternating signs answer to changes of one direction, three parabolic bumps to a peak."""
    kernels = []
    for size in (2, 4, 8, 16, 32, 64):
        signs = np.where(np.arange(size) % 2 == 0, -1.0, 1.0)
        kernels += [signs, -signs]
    for size in (6, 12, 24, 48, 96):
        rise = np.linspace(0, 1, size // 4 + 1)[1:] ** 2
        bump = np.concatenate([rise, np.resize(rise[::-1], size // 2 - len(rise))])
        kernels.append(np.concatenate([-bump, 2 * bump, -bump]))
    return kernels


def _centred(kernel: np.ndarray, width: int) -> np.ndarray:
    """A kernel in the middle of a wider one, where `same` padding of both gives the same."""
    before = (width - 1) // 2 - (len(kernel) - 1) // 2
    return np.pad(kernel, (before, width - len(kernel) - before))
