"""Iterated dilated convolutions that tag each token of a text."""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Count, FromData, Normalisation, Positive, Probability
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.crf import ChainScores, LinearChainCRF
from convzoo.layers.dropout import Dropout
from convzoo.layers.hashing import HashedLinear, HashEmbedding


class IDCNN(nn.Module):
    r"""A block of dilated convolutions over the tokens, applied several times (Strubell et al. 2017, arXiv:1702.02098), and a
    conditional random field over its tags.

    A token is known by hashes of its form, prefix, suffix and shape, and by a convolution over its characters with the maximum
    over the token (Ma & Hovy 2016, arXiv:1603.01354, §2.1). So a name that training never saw is told by how it is written and
    by what stands around it. A block with dilations 1, 2, 4 and kernels of 3 sees 15 tokens; each iteration sees 14 more.
    Convolutions are residual, and positions behind a text's end are set to zero, so its output does not depend on its batch.

    Where the encoder gives a context, a linear classifier of it is added to the scores, so the network is a wide and deep one
    (Cheng et al. 2016, arXiv:1606.07792): it starts from what the usual linear tagger can say, which needs fewer texts.

    Args:
        rows: of the hash table of each feature
        embedding_size: of the vector of each feature
        character_size: of the vector of a character
        character_channels: of the convolution over characters; 0: none
        channels: of each convolution over tokens
        kernel_size: in tokens
        dilations: of the convolutions of a block
        iterations: how often the block is applied
        shared: whether all iterations have the same weights, as in the paper
        separable: depthwise, then pointwise
        normalisation: `layer` or none; batch normalisation is not offered, because its statistics would include the padding
        activation: of the convolutions
        embedding_dropout: on single elements of the tokens' vectors
        dropout: inside the blocks and before the tags
        linear_rows: of the hash table of the linear classifier, where the encoder gives a context
        linear_dropout: on its single features
        crf: learn how tags follow each other; if not, each token is tagged for itself, and only sequences that say no entities
            are forbidden

    Shape:
        features: (batch, length, features, 4): hashes of each token
        characters: (batch, length, letters): numbers of its characters; 0 is padding, and a token without any is padding
        context: (batch, length, context): hashes of features of the token and its neighbours, if the encoder gives any
        vectors: (batch, length, size): its pre-trained vector, if the encoder has any
        output: `ChainScores`
    """

    def __init__(
        self,
        tags: FromData[tuple],
        features: FromData[int],
        alphabet: FromData[int],
        vectors: FromData[int] = 0,
        context: FromData[int] = 0,
        rows: Positive = 5000,
        embedding_size: Positive = 64,
        character_size: Positive = 32,
        character_channels: Count = 64,
        channels: Positive = 192,
        kernel_size: Positive = 3,
        dilations: list[Positive] = [1, 2, 4],
        iterations: Positive = 2,
        shared: bool = False,
        separable: bool = False,
        normalisation: Normalisation = "layer",
        activation: Activation = "gelu",
        embedding_dropout: Probability = 0.3,
        dropout: Probability = 0.3,
        linear_rows: Positive = 262_144,
        linear_dropout: Probability = 0.1,
        crf: bool = True,
    ) -> None:
        super().__init__()
        self.features = nn.ModuleList(HashEmbedding(rows, embedding_size) for _ in range(features))
        self.characters = WordCharacters(alphabet, character_size, character_channels) if character_channels else None
        width = features * embedding_size + character_channels + vectors
        self.embedding_dropout = Dropout(embedding_dropout) if embedding_dropout else nn.Identity()
        self.project = nn.Conv1d(width, channels, 1)
        self.blocks = nn.ModuleList(
            nn.ModuleList(
                _Residual(channels, kernel_size, dilation, separable, normalisation, activation, dropout)
                for dilation in dilations
            )
            for _ in range(1 if shared else iterations)
        )
        self.iterations = iterations
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Conv1d(channels, len(tags), 1)
        self.linear = HashedLinear(linear_rows, len(tags), linear_dropout) if context else None
        self.crf = LinearChainCRF(tags, crf)

    def forward(
        self,
        features: Int[Tensor, "batch length features hashes"],
        characters: Int[Tensor, "batch length letters"],
        context: Int[Tensor, "batch length context"] | None = None,
        vectors: Float[Tensor, "batch length size"] | None = None,
    ) -> ChainScores:
        """Scores of tag sequences."""
        words = [table(features[:, :, number]) for number, table in enumerate(self.features)]
        if self.characters is not None:
            words.append(self.characters(characters))
        if vectors is not None:
            words.append(vectors)
        mask = characters.ne(0).any(dim=2).unsqueeze(1)
        x = self.project(self.embedding_dropout(torch.cat(words, dim=2).transpose(1, 2))) * mask
        for iteration in range(self.iterations):
            for block in self.blocks[iteration % len(self.blocks)]:  # type: ignore[attr-defined]
                x = block(x, mask)
        scores = self.classifier(self.dropout(x)).transpose(1, 2)
        if self.linear is not None and context is not None:
            scores = scores + self.linear(context)
        return self.crf(scores)

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """In tokens; of layers that iterations share, that of the last one. The chain of tags then joins all tokens."""
        size = 1
        fields: dict[str, tuple[int, ...]] = {"project": (1,)}
        names = {id(layer): name for name, layer in self.named_modules()}
        for iteration in range(self.iterations):
            for block in self.blocks[iteration % len(self.blocks)]:  # type: ignore[attr-defined]
                size += block.reach
                fields[names[id(block.convolution.convolution)]] = (size,)
        return fields | {"classifier": (size,)}


class WordCharacters(nn.Module):
    """A convolution over the characters of each word, and the maximum over the word."""

    def __init__(self, alphabet: int, size: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Embedding(alphabet, size, 0)
        self.convolution = nn.Conv1d(size, channels, 3, padding=1)

    def forward(self, characters: Int[Tensor, "batch length letters"]) -> Float[Tensor, "batch length channels"]:
        words = characters.flatten(0, 1)
        x = self.convolution(self.table(words).transpose(1, 2)).masked_fill(words.eq(0).unsqueeze(1), 0)
        return x.relu().amax(dim=2).unflatten(0, characters.shape[:2])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Looks at the characters of each word with {self.convolution.out_channels} filters that are 3 letters wide, and "
            "keeps the largest answer of each."
        )


class _Residual(nn.Module):
    def __init__(
        self,
        channels: int,
        kernel_size: int,
        dilation: int,
        separable: bool,
        normalisation: Normalisation,
        activation: Activation,
        dropout: float,
    ) -> None:
        super().__init__()
        self.reach = dilation * (kernel_size - 1)
        self.convolution = ConvolutionBlock(
            1, channels, channels, kernel_size, dilation=dilation, separable=separable, normalisation=normalisation,
            activation=activation, dropout=dropout,
        )  # fmt: skip

    def forward(
        self, x: Float[Tensor, "batch channels length"], mask: Tensor
    ) -> Float[Tensor, "batch channels length"]:
        return (x + self.convolution(x)) * mask
