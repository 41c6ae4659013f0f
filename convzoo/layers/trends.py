"""Fixed causal filters: how high a channel was lately, and where it was heading."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Positive


class CausalTrends(nn.Module):
    r"""Means and trends of each channel over its last rows, beside the channels themselves.

    Of a window of w rows, $\bar x_t$ is the mean of those that there are, and the trend is the slope of a least-squares line
    times half of w, the rise over half a window. Both are convolutions with fixed kernels, like the hand-made filters of LITE
    (Ismail-Fawaz et al. 2023, arXiv:2309.01658): long averages need no weights to be learnt, so that few units suffice. Before w
    rows have been seen, the trend is shrunk towards 0.

    Args:
        widths: w, one mean and one trend each

    Attributes:
        memory: how many earlier rows an output depends on

    Shape:
        x: (batch, channels, time); there: (batch, 1, time), 1 where there is a row and 0 before the first;
        output: (batch, channels * (1 + 2 * len(widths)), time).
    """

    def __init__(self, widths: list[Positive]) -> None:
        super().__init__()
        self.widths = list(widths)
        self.memory = max(widths) - 1

    def in_words(self) -> str:
        """What the layer does."""
        widths = ", ".join(str(width) for width in self.widths)
        return f"Puts the mean and the trend of each channel over its last {widths} rows beside it; nothing is learnt here."

    def forward(
        self, x: Float[Tensor, "batch channels time"], there: Float[Tensor, "batch 1 time"]
    ) -> Float[Tensor, "batch more time"]:
        """Put the filters beside the input."""
        return self.of(F.pad(x, (self.memory, 0)), F.pad(there, (self.memory, 0)))

    def of(
        self, x: Float[Tensor, "batch channels longer"], there: Float[Tensor, "batch 1 longer"]
    ) -> Float[Tensor, "batch more time"]:
        """The same for rows that follow `memory` others; zeros before the first row of a unit."""
        both = torch.cat([x, there], dim=1)
        found = [x[..., self.memory :]]
        for width in self.widths:
            cut = both[..., self.memory - (width - 1) :]
            place = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
            kernels = torch.stack([torch.ones_like(place), place]).unsqueeze(1)  # (2, 1, width)
            sums = F.conv1d(cut.flatten(0, 1).unsqueeze(1), kernels).unflatten(0, (-1, cut.shape[1]))
            count, middle = sums[:, -1:, 0].clamp(min=1), sums[:, -1:, 1]
            mean = sums[:, :-1, 0] / count
            rise = (sums[:, :-1, 1] - middle * mean) / place.square().sum().clamp(min=1) * (width / 2)
            found += [mean, rise]
        return torch.cat(found, dim=1)
