"""Attention of one sequence to another, with one head or several."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from convzoo.core.arguments import Positive, Probability
from convzoo.layers.dropout import Dropout
from convzoo.layers.gated import pointwise


class Look(nn.Module):
    r"""For each query, a mean of the values, weighted by the similarity of query and keys: $v \, \mathrm{softmax}(q^\top k)$.

    Shape:
        query: (batch, *heads, size, target); keys and values: (batch, *heads, size, source); mask: (batch, source), true where
        there is a token; output: (batch, *heads, size, target) and the weights (batch, *heads, target, source).
    """

    def __init__(self, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.dropout = Dropout(dropout) if dropout else None

    def forward(
        self,
        query: Float[Tensor, "batch *heads size target"],
        keys: Float[Tensor, "batch *heads size source"],
        values: Float[Tensor, "batch *heads size source"],
        mask: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch *heads size target"], Float[Tensor, "batch *heads target source"]]:
        """Look."""
        for _ in range(query.ndim - 2):
            mask = mask.unsqueeze(1)
        weights = (query.transpose(-2, -1) @ keys).masked_fill(~mask, -torch.inf).softmax(dim=-1)
        kept = self.dropout(weights) if self.dropout is not None else weights
        return values @ kept.transpose(-2, -1), weights


class StepAttention(nn.Module):
    r"""The attention of one decoder layer in ConvS2S (Gehring et al. 2017, arXiv:1705.03122, §3.3). Each layer has its own, so
    that a layer knows what the layers before it attended to.

    $d_i = W h_i + b + g_i$, $a_{ij} = \mathrm{softmax}_j(d_i \cdot z_j)$, $c_i = \sqrt m \sum_j a_{ij} (z_j + e_j)$, and the
    output is $(V c_i + h_i) \sqrt{1/2}$. h is the layer's features, g the vectors of the tokens written so far, z and e
    the features and the vectors of the m source tokens; $\sqrt m$ keeps the variance, because $c_i$ is a mean of m vectors
    (§3.4).

    Args:
        channels: of the layer
        size: of the embedding

    Shape:
        x: (batch, channels, target); embedded: (batch, size, target); keys and values: (batch, size, source); mask: (batch,
        source), true where there is a token; output: (batch, channels, target) and the weights (batch, target, source).
    """

    def __init__(self, channels: Positive, size: Positive) -> None:
        super().__init__()
        self.query = pointwise(channels, size)
        self.look = Look()
        self.output = pointwise(size, channels)

    def forward(
        self,
        x: Float[Tensor, "batch channels target"],
        embedded: Float[Tensor, "batch size target"],
        keys: Float[Tensor, "batch size source"],
        values: Float[Tensor, "batch size source"],
        mask: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch channels target"], Float[Tensor, "batch target source"]]:
        """Attend to the source, and add the result."""
        query = (self.query(x) + embedded) * math.sqrt(0.5)
        seen, weights = self.look(query, keys, values, mask)
        seen = seen * mask.sum(dim=1).sqrt().to(seen.dtype)[:, None, None]
        return (self.output(seen) + x) * math.sqrt(0.5), weights


class MultiHeadAttention(nn.Module):
    r"""Scaled dot-product attention with several heads (Vaswani et al. 2017, arXiv:1706.03762, §3.2):
    $\mathrm{softmax}(q k^\top / \sqrt d) v$ for each head. The source's keys and values are computed once (`remember`).

    Args:
        channels: of both sequences
        heads: number of heads; it must divide the channels
        dropout: on the weights

    Shape:
        x: (batch, channels, target); keys and values: (batch, channels, source); mask: (batch, source), true where there is a
        token; output: (batch, channels, target) and the mean of the heads' weights (batch, target, source).

    Raises:
        ValueError: the heads do not divide the channels.
    """

    def __init__(self, channels: Positive, heads: Positive, dropout: Probability = 0.0) -> None:
        super().__init__()
        if channels % heads:
            raise ValueError(f"{heads} heads do not divide {channels} channels")
        self.heads = heads
        self.query, self.key, self.value, self.output = (nn.Conv1d(channels, channels, 1) for _ in range(4))
        for part in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        self.look = Look(dropout)

    def remember(
        self, source: Float[Tensor, "batch channels source"]
    ) -> tuple[Float[Tensor, "batch channels source"], Float[Tensor, "batch channels source"]]:
        """Keys and values of a source."""
        return self.key(source), self.value(source)

    def forward(
        self,
        x: Float[Tensor, "batch channels target"],
        keys: Float[Tensor, "batch channels source"],
        values: Float[Tensor, "batch channels source"],
        mask: Bool[Tensor, "batch source"],
    ) -> tuple[Float[Tensor, "batch channels target"], Float[Tensor, "batch target source"]]:
        """Look."""
        query, key, value = (part.unflatten(1, (self.heads, -1)) for part in (self.query(x), keys, values))
        seen, weights = self.look(query / math.sqrt(query.shape[2]), key, value, mask)
        return self.output(seen.flatten(1, 2)), weights.mean(dim=1)
