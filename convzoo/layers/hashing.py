"""Vectors for an open vocabulary, by hashes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Positive, Probability
from convzoo.layers.dropout import Dropout

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


class HashedLinear(nn.Module):
    """A linear classifier of sparse features: each has a weight for each class, in the row of a table that its hash says
    (Weinberger et al. 2009, arXiv:0902.2206, without signs). All weights begin at 0.

    Args:
        rows: of the table
        classes: number of classes
        dropout: on single features

    Shape:
        features: (…, features): hashes from 1 on; 0 is none; output: (…, classes)
    """

    def __init__(self, rows: Positive, classes: Positive, dropout: Probability = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, classes))
        self.dropout = Dropout(dropout) if dropout else nn.Identity()

    def forward(self, features: Int[Tensor, "*places features"]) -> Float[Tensor, "*places classes"]:
        """The sum of the weights of the features."""
        flat = features.flatten(0, -2)
        there = self.dropout(flat.ne(0).to(self.weight.dtype))
        found = nn.functional.embedding_bag(flat % len(self.weight), self.weight, mode="sum", per_sample_weights=there)
        return found.unflatten(0, features.shape[:-1])

    def in_words(self) -> str:
        """For `describe`."""
        rows, classes = self.weight.shape
        return f"A linear classifier of the words around: adds {classes} learnt weights for each feature, of {rows:,} rows."
