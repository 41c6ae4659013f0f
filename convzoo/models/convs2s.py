"""Convolutional sequence to sequence: gated convolutions read the source, causal ones with attention write the target."""

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive, Probability
from convzoo.layers.attention import StepAttention
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding, tie_embeddings
from convzoo.layers.gated import GatedConvolution, pointwise
from convzoo.layers.positions import LearnedPositions

_HALF = math.sqrt(0.5)
"""A sum of two terms of variance 1 is multiplied by this, which gives it variance 1 again."""

Memory = dict[str, Tensor]
State = dict[str, Tensor]


class ConvS2S(nn.Module):
    r"""ConvS2S (Gehring et al. 2017, arXiv:1705.03122).

    The encoder reads the source with a stack of gated convolutions; the decoder writes the target with causal ones, each
    followed by its own attention. Residuals are $(f(x) + x) \sqrt{1/2}$; weights are normalised, and their initial values keep
    variances at 1 (§3.4, §3.5). The encoder gets the sum of the gradients of all attentions, so this sum is divided by twice
    their number, except for the direct part of the embedding, as in the authors' code.

    Padded positions are zeroed before each convolution, so a sentence's output does not depend on its batch.

    Args:
        embedding_size: length of a token's vector
        channels: of every layer
        encoder_layers: number of gated convolutions that read; each widens the receptive field by `encoder_kernel_size` - 1
        decoder_layers: number of gated causal convolutions that write
        encoder_kernel_size: width, in tokens
        decoder_kernel_size: width, in tokens
        max_positions: number of positions that have their own vector
        dropout: on vectors, before each convolution and before the output
        tied: `output`: the target's vectors are also the weights of the output; `all`: they are also the source's vectors, which
            needs a joint vocabulary

    Shape:
        source: (batch, source) and target_in: (batch, target), token numbers, 0 is padding; output: (batch, target, vocabulary),
        logits of the token that follows each of `target_in`.

    Raises:
        ValueError: `tied: all` without a joint vocabulary.
    """

    def __init__(
        self,
        source_size: FromData[int],
        target_size: FromData[int],
        joint: FromData[bool],
        embedding_size: Positive = 256,
        channels: Positive = 256,
        encoder_layers: Positive = 4,
        decoder_layers: Positive = 3,
        encoder_kernel_size: Positive = 3,
        decoder_kernel_size: Positive = 3,
        max_positions: Positive = 256,
        dropout: Probability = 0.1,
        tied: Literal["none", "output", "all"] = "none",
    ) -> None:
        super().__init__()
        self.source_embedding = TokenEmbedding(source_size, embedding_size)
        self.source_positions = LearnedPositions(max_positions, embedding_size)
        self.read = pointwise(embedding_size, channels, dropout)
        self.encoder = nn.ModuleList(
            GatedConvolution(1, channels, channels, encoder_kernel_size, "same", dropout) for _ in range(encoder_layers)
        )
        self.encoder_dropouts = nn.ModuleList(Dropout(dropout) if dropout else nn.Identity() for _ in self.encoder)
        self.keys = pointwise(channels, embedding_size)
        self.target_embedding = TokenEmbedding(target_size, embedding_size)
        self.target_positions = LearnedPositions(max_positions, embedding_size)
        self.begin = pointwise(embedding_size, channels, dropout)
        self.decoder = nn.ModuleList(
            _DecoderLayer(channels, embedding_size, decoder_kernel_size, dropout) for _ in range(decoder_layers)
        )
        self.end = pointwise(channels, embedding_size)
        self.source_dropout, self.target_dropout, self.dropout = (
            Dropout(dropout) if dropout else nn.Identity() for _ in range(3)
        )
        self.output = nn.Linear(embedding_size, target_size)
        for embedding in (self.source_embedding, self.target_embedding):
            assert embedding.learned is not None
            nn.init.normal_(embedding.learned.weight, 0.0, 0.1)
            with torch.no_grad():
                embedding.learned.weight[PADDING] = 0
        nn.init.normal_(self.output.weight, 0.0, math.sqrt((1 - dropout) / embedding_size))
        nn.init.zeros_(self.output.bias)
        tie_embeddings(self.source_embedding, self.target_embedding, self.output, tied, joint)

    def forward(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocabulary"]:
        """Logits for every position of the target, given those before it."""
        return self._write(target_in, self.encode(source))[0]

    def attention(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target source"]:
        """The attention while the decoder writes the token after each of `target_in`, as a mean over its layers."""
        return self._write(target_in, self.encode(source))[1]

    def encode(self, source: Int[Tensor, "batch source"]) -> Memory:
        """What the decoder needs of each source: keys, values and the mask, one row for each sentence."""
        mask = source.ne(PADDING)
        hidden = ~mask.unsqueeze(1)
        positions = self.source_positions(torch.arange(source.shape[1], device=source.device))
        embedded = self.source_dropout(self.source_embedding(source) + positions)
        x = self.read(embedded)
        for layer, dropout in zip(self.encoder, self.encoder_dropouts, strict=True):
            x = (layer(dropout(x.masked_fill(hidden, 0.0))) + x) * _HALF
        keys = self.keys(x)
        if self.training:
            share = 1 / (2 * len(self.decoder))
            keys = keys * share + keys.detach() * (1 - share)
        return {"keys": keys, "values": (keys + embedded) * _HALF, "mask": mask}

    def start(self, memory: Memory) -> State:
        """The decoder's state before the first token."""
        keys = memory["keys"]
        rows = len(keys)
        layers: Any = self.decoder
        state = {f"history{n}": layer.empty(rows, keys) for n, layer in enumerate(layers)}
        return {**state, "position": torch.zeros(rows, dtype=torch.int64, device=keys.device)}

    def step(
        self, tokens: Int[Tensor, " batch"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "batch vocabulary"], Float[Tensor, "batch source"], State]:
        """The logits after one more token of each row, the attention, and the new state.

        The logits equal those of `forward` over all tokens so far at the last position; the others are not computed again.
        """
        embedded = self.target_embedding(tokens.unsqueeze(1)) + self.target_positions(state["position"]).permute(
            2, 1, 0
        )
        x = self.begin(embedded)
        new = {"position": state["position"] + 1}
        looks = []
        layers: Any = self.decoder
        for number, layer in enumerate(layers):
            x, weights, new[f"history{number}"] = layer.step(x, embedded, memory, state[f"history{number}"])
            looks.append(weights)
        logits = self.output(self.end(x).squeeze(2))
        return logits, torch.stack(looks).mean(dim=0).squeeze(1), new

    def _write(self, target_in: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        positions = self.target_positions(torch.arange(target_in.shape[1], device=target_in.device))
        embedded = self.target_dropout(self.target_embedding(target_in) + positions)
        x = self.begin(embedded)
        looks = []
        for layer in self.decoder:
            x, weights = layer(x, embedded, memory)
            looks.append(weights)
        return self.output(self.dropout(self.end(x)).transpose(1, 2)), torch.stack(looks).mean(dim=0)


class _DecoderLayer(nn.Module):
    def __init__(self, channels: int, embedding_size: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.convolution = GatedConvolution(1, channels, channels, kernel_size, "causal", dropout)
        self.attention = StepAttention(channels, embedding_size)
        self.channels = channels

    def forward(self, x: Tensor, embedded: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        y, weights = self.attention(self.convolution(self.dropout(x)), embedded, **memory)
        return (y + x) * _HALF, weights

    def empty(self, rows: int, like: Tensor) -> Tensor:
        return like.new_zeros(rows, self.channels, self.convolution.history)

    def step(self, x: Tensor, embedded: Tensor, memory: Memory, history: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y, history = self.convolution.step(x.squeeze(2), history)
        y, weights = self.attention(y.unsqueeze(2), embedded, **memory)
        return (y + x) * _HALF, weights, history
