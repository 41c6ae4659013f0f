"""A causal network for histories of rows with numbers and categories: an answer at each row."""

from collections.abc import Iterable, Mapping
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Normalisation, Positive, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.causal import CausalBlock
from convzoo.layers.dropout import Dropout
from convzoo.layers.trends import CausalTrends

State = list[Tensor]
"""What is kept of a stream: for each block, the last inputs that its kernel still needs; then those of the trends."""


class HistoryCNN1d(nn.Module):
    r"""Residual blocks of causal dilated convolutions (Bai et al. 2018, arXiv:1803.01271) over the rows of a unit.

    Each category has a vector; the vectors of a row stand beside its numbers and are mixed into `channels` features. Blocks with
    kernels of width k and doubling dilations then look back over the rows before, and a last layer answers at each row. No layer
    looks ahead, so that a stream can be followed row by row with `advance`, which gives the same as `forward`. A channel of ones
    tells rows from the zeros before the first row.

    Args:
        channels: of every block
        kernel_size: width of the kernels, in rows
        dilations: one block each; together they see 1 + (kernel_size - 1) · Σ dilations rows
        trends: also give the network the mean and the slope of each number over the last so many rows
        embedding_size: length of a category's vector; less for categories of few values
        separable: depthwise, then pointwise
        normalisation: inside the blocks
        activation: of the blocks
        dropout: inside the blocks and before the last layer

    Shape:
        numbers: (batch, in_channels, time); categories: (batch, categories, time); lengths: (batch,), rows of each history, which
        is padded behind; output: (batch, time, outputs).
    """

    def __init__(
        self,
        in_channels: FromData[int],
        category_sizes: FromData[list[int]],
        outputs: FromData[int],
        channels: Positive = 64,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1, 2, 4, 8, 16],
        trends: list[Positive] = [],
        embedding_size: Positive = 8,
        separable: bool = False,
        normalisation: Normalisation = "none",
        activation: Activation = "relu",
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if normalisation not in ("none", "layer"):
            raise ValueError(f"normalisation: {normalisation} mixes earlier and later rows; take none or layer")
        sizes = [min(embedding_size, (size + 1) // 2) for size in category_sizes]
        self.embeddings = nn.ModuleList(
            nn.Embedding(rows, size) for rows, size in zip(category_sizes, sizes, strict=True)
        )
        self.trends = CausalTrends(trends) if trends else None
        self.lift = nn.Conv1d(in_channels * (1 + 2 * len(trends)) + sum(sizes) + 1, channels, 1)
        self.blocks = nn.ModuleList(
            CausalBlock(channels, kernel_size, dilation, separable, activation, dropout, normalisation)
            for dilation in dilations
        )
        self.readout = nn.Sequential(activation_layer(activation), Dropout(dropout), nn.Conv1d(channels, outputs, 1))
        self.in_channels = in_channels
        self.channels = channels

    @property
    def reach(self) -> tuple[int, int]:
        """An answer depends on this many rows before its own, and on none after it."""
        return sum(block.memory for block in self._blocks) + (self.trends.memory if self.trends is not None else 0), 0

    @property
    def _blocks(self) -> list[CausalBlock]:
        return list(cast("Iterable[CausalBlock]", self.blocks))

    def forward(
        self,
        numbers: Float[Tensor, "batch channels time"],
        categories: Int[Tensor, "batch categories time"],
        lengths: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch time outputs"]:
        """The answers at each row; those behind a history's last row mean nothing."""
        there = self._there(numbers)
        x = self._lifted(numbers if self.trends is None else self.trends(numbers, there), categories, there)
        for block in self.blocks:
            x = block(x)
        return self.readout(x).transpose(1, 2)

    def begin(self, batch: int = 1) -> State:
        """The state of histories before their first row."""
        like = self.lift.weight
        state = [like.new_zeros(batch, self.channels, block.memory) for block in self._blocks]
        if self.trends is not None:
            state.append(like.new_zeros(batch, self.in_channels + 1, self.trends.memory))
        return state

    def advance(self, inputs: Mapping[str, Tensor], state: State) -> tuple[Float[Tensor, "batch time outputs"], State]:
        """For the next rows of each history: the answers, and the state after them.

        Args:
            inputs: `numbers` and `categories`, as for `forward`
            state: from `begin`, or from the rows before
        """
        numbers = inputs["numbers"]
        there, after = self._there(numbers), []
        if self.trends is not None:
            joined = torch.cat([state[-1], torch.cat([numbers, there], dim=1)], dim=2)
            kept = joined[..., joined.shape[2] - self.trends.memory :]
            numbers = self.trends.of(joined[:, :-1], joined[:, -1:])
        x = self._lifted(numbers, inputs["categories"], there)
        for block, memory in zip(self._blocks, state, strict=False):
            x, earlier = block.step(x, memory)
            after.append(earlier)
        if self.trends is not None:
            after.append(kept)
        return self.readout(x).transpose(1, 2), after

    def _there(self, numbers: Tensor) -> Tensor:
        return numbers.new_ones(numbers.shape[0], 1, numbers.shape[2])

    def _lifted(self, numbers: Tensor, categories: Tensor, there: Tensor) -> Tensor:
        vectors = [layer(categories[:, at]).transpose(1, 2) for at, layer in enumerate(self.embeddings)]
        return self.lift(torch.cat([numbers, *vectors, there], dim=1))
