"""From tokens to vectors, for a convolution over text."""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Positive, Probability
from convzoo.layers.dropout import Dropout

PADDING = 0
"""The token that pads the shorter sequences of a batch; its vector is always zero."""


class TokenEmbedding(nn.Module):
    """Vectors for tokens: learnt, static (pre-trained and frozen), or both side by side (Kim 2014, arXiv:1408.5882, §3.1).

    Args:
        vocabulary_size: number of tokens, padding (0) included
        size: length of a learnt vector
        kind: `learned`; `static` keeps `vectors` as they are; `both` concatenates the frozen vectors and learnt copies
        vectors: pre-trained vectors, (vocabulary_size, any length); if given, `learned` starts from them
        scale: learnt vectors start uniform in [-scale, scale]
        dropout: probability, on single elements of the vectors

    Shape:
        tokens: (batch, length) of token numbers; output: (batch, channels, length) with zeros at padding.

    Raises:
        ValueError: static or both without vectors.
    """

    def __init__(
        self,
        vocabulary_size: Positive,
        size: Positive,
        kind: Literal["learned", "static", "both"] = "learned",
        vectors: Tensor | None = None,
        scale: float = 0.25,
        dropout: Probability = 0.0,
    ) -> None:
        super().__init__()
        if kind != "learned" and vectors is None:
            raise ValueError(f"embedding {kind!r} needs pre-trained vectors: give the encoder `vectors: file.txt`")
        if vectors is not None:
            vectors = vectors.clone()
            vectors[PADDING] = 0
        self.static = nn.Embedding.from_pretrained(vectors, True, PADDING) if kind != "learned" else None
        self.learned = None
        if kind != "static":
            if vectors is not None:
                self.learned = nn.Embedding.from_pretrained(vectors.clone(), False, PADDING)
            else:
                self.learned = nn.Embedding(vocabulary_size, size, PADDING)
                nn.init.uniform_(self.learned.weight, -scale, scale)
            with torch.no_grad():
                self.learned.weight[PADDING] = 0
        self.channels = sum(table.embedding_dim for table in (self.static, self.learned) if table is not None)
        self.dropout = Dropout(dropout) if dropout else None

    def forward(self, tokens: Int[Tensor, "batch length"]) -> Float[Tensor, "batch channels length"]:
        """Look the tokens up."""
        found = [table(tokens) for table in (self.static, self.learned) if table is not None]
        vectors = torch.cat(found, dim=2) if len(found) > 1 else found[0]  # (batch, length, channels)
        if self.dropout is not None:
            vectors = self.dropout(vectors)
        return vectors.transpose(1, 2)


def tie_embeddings(
    source: TokenEmbedding,
    target: TokenEmbedding,
    output: nn.Linear,
    tied: Literal["none", "output", "all"],
    joint: bool,
) -> None:
    """Share weights: `output` uses the target's vectors as the output's weights, `all` uses them for the source too.

    Raises:
        ValueError: `all` with two different vocabularies.
    """
    assert source.learned is not None and target.learned is not None
    if tied == "all":
        if not joint:
            raise ValueError("tied 'all' needs one vocabulary for both languages: encoder.joint=true")
        target.learned.weight = source.learned.weight
    if tied != "none":
        output.weight = target.learned.weight
