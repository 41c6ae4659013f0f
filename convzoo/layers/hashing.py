"""Vectors for an open vocabulary, by hashes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Positive

HASHES = 4


class HashEmbedding(nn.Module):
    """A vector for any word: the sum of four rows of a small table, chosen by four hashes of the word (Svenstrup et al. 2017,
    arXiv:1709.03933; with a sum in place of weights as in Miranda et al. 2022, arXiv:2212.09255). Two words share all four rows
    only by a rare chance, so words that training never saw have vectors of their own too.

    Args:
        rows: of the table
        size: of a vector

    Shape:
        hashes: (…, 4), each 0 to 65,535; output: (…, size)
    """

    def __init__(self, rows: Positive, size: Positive) -> None:
        super().__init__()
        self.rows = rows
        # The sum of four is uniform enough, and has about the size of a single learnt vector.
        self.weight = nn.Parameter(torch.empty(rows, size).uniform_(-0.125, 0.125))

    def forward(self, hashes: Int[Tensor, "*words hashes"]) -> Float[Tensor, "*words size"]:
        """The sum of the rows."""
        found = nn.functional.embedding_bag(hashes.flatten(0, -2) % self.rows, self.weight, mode="sum")
        return found.unflatten(0, hashes.shape[:-1])

    def in_words(self) -> str:
        """For `describe`."""
        rows, size = self.weight.shape
        return f"Looks up {size} learnt numbers for each word: the sum of four of {rows:,} rows, chosen by hashes of the word."
