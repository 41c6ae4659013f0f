"""Vectors for the positions of tokens."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Positive


class LearnedPositions(nn.Module):
    """A learnt vector for each position (Gehring et al. 2017, arXiv:1705.03122, §3.1). Later positions use the last vector.

    Args:
        max_positions: number of positions that have their own vector
        size: of a vector
        deviation: of the normal distribution of the initial vectors

    Shape:
        positions: (any,), from 0; output: (1, size, any).
    """

    def __init__(self, max_positions: Positive, size: Positive, deviation: float = 0.1) -> None:
        super().__init__()
        self.table = nn.Embedding(max_positions, size)
        nn.init.normal_(self.table.weight, 0.0, deviation)

    def forward(self, positions: Int[Tensor, " length"]) -> Float[Tensor, "1 size length"]:
        """Look them up."""
        return self.table(positions.clamp(max=self.table.num_embeddings - 1)).t().unsqueeze(0)


class SinusoidalPositions(nn.Module):
    r"""Fixed waves (Vaswani et al. 2017, arXiv:1706.03762, §3.5): $\sin(t / 10000^{2i/d})$ and $\cos$ of the same.

    Args:
        size: of a vector, even

    Shape:
        positions: (any,), from 0; output: (1, size, any).
    """

    def __init__(self, size: Positive) -> None:
        super().__init__()
        if size % 2:
            raise ValueError(f"the size of sinusoidal positions should be even, not {size}")
        rates = torch.exp(torch.arange(size // 2) * (-math.log(10000.0) / (size // 2)))
        self.register_buffer("rates", rates, persistent=False)
        self.rates: Tensor

    def forward(self, positions: Int[Tensor, " length"]) -> Float[Tensor, "1 size length"]:
        """The waves at these positions."""
        angles = self.rates[:, None] * positions.to(self.rates.dtype)
        return torch.cat([angles.sin(), angles.cos()]).unsqueeze(0)
