"""Sequence to sequence with lightweight or dynamic convolutions, which need fewer weights."""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive, Probability
from convzoo.layers.attention import MultiHeadAttention
from convzoo.layers.convolution import ChannelLayerNorm
from convzoo.layers.dropout import Dropout
from convzoo.layers.embedding import PADDING, TokenEmbedding, tie_embeddings
from convzoo.layers.lightweight import LightweightConvolution
from convzoo.layers.positions import SinusoidalPositions

Memory = dict[str, Tensor]
State = dict[str, Tensor]


class LightConv(nn.Module):
    r"""LightConv and DynamicConv (Wu et al. 2019, arXiv:1901.10430, §5).

    A Transformer with a lightweight or dynamic convolution in place of self-attention. A layer is a gated linear map, the
    convolution and a linear map; in the decoder an attention to the source; then a feed-forward network. Each of these parts is
    $\mathrm{norm}(x + f(x))$.

    Padded positions are set to zero before each convolution, so a sentence's output does not depend on its batch.

    Args:
        channels: of every layer, and the length of a token's vector
        heads: number of kernels of each convolution, and of heads of each attention
        encoder_kernel_sizes: one layer each, in tokens
        decoder_kernel_sizes: one layer each, in tokens
        hidden: width of the feed-forward networks
        kind: `light`: each head has one kernel; `dynamic`: the kernel is computed at each position
        dropout: on vectors and on the output of each part
        weight_dropout: on single taps of the kernels
        tied: `output`: the target's vectors are also the weights of the output; `all`: they are also the source's vectors, which
            needs a joint vocabulary

    Shape:
        source: (batch, source) and target_in: (batch, target), token numbers, 0 is padding; output: (batch, target, vocabulary),
        logits of the token that follows each of `target_in`.

    Raises:
        ValueError: the heads do not divide the channels; `tied: all` without a joint vocabulary.
    """

    def __init__(
        self,
        source_size: FromData[int],
        target_size: FromData[int],
        joint: FromData[bool],
        channels: Positive = 256,
        heads: Positive = 4,
        encoder_kernel_sizes: list[Positive] = [3, 7, 15],
        decoder_kernel_sizes: list[Positive] = [3, 7, 15],
        hidden: Positive = 512,
        kind: Literal["light", "dynamic"] = "light",
        dropout: Probability = 0.1,
        weight_dropout: Probability = 0.1,
        tied: Literal["none", "output", "all"] = "output",
    ) -> None:
        super().__init__()
        self.scale = math.sqrt(channels)
        self.positions = SinusoidalPositions(channels)
        self.source_embedding = TokenEmbedding(source_size, channels)
        self.encoder = nn.ModuleList(
            _Layer(channels, heads, size, hidden, kind, dropout, weight_dropout, False) for size in encoder_kernel_sizes
        )
        self.target_embedding = TokenEmbedding(target_size, channels)
        self.decoder = nn.ModuleList(
            _Layer(channels, heads, size, hidden, kind, dropout, weight_dropout, True) for size in decoder_kernel_sizes
        )
        self.source_dropout, self.target_dropout = (Dropout(dropout) if dropout else nn.Identity() for _ in range(2))
        self.output = nn.Linear(channels, target_size, bias=False)
        nn.init.normal_(self.output.weight, 0.0, 1 / self.scale)
        for embedding in (self.source_embedding, self.target_embedding):
            assert embedding.learned is not None
            nn.init.normal_(embedding.learned.weight, 0.0, 1 / self.scale)
            with torch.no_grad():
                embedding.learned.weight[PADDING] = 0
        tie_embeddings(self.source_embedding, self.target_embedding, self.output, tied, joint)

    def forward(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target vocabulary"]:
        """Logits for every position of the target, given those before it."""
        return self._write(target_in, self.encode(source))[0]

    def attention(
        self, source: Int[Tensor, "batch source"], target_in: Int[Tensor, "batch target"]
    ) -> Float[Tensor, "batch target source"]:
        """The attention while the decoder writes the token after each of `target_in`, as a mean over its layers and heads."""
        return self._write(target_in, self.encode(source))[1]

    def encode(self, source: Int[Tensor, "batch source"]) -> Memory:
        """What the decoder needs of each source: each layer's keys and values, and the mask, one row for each sentence."""
        mask = source.ne(PADDING)
        hidden = ~mask.unsqueeze(1)
        positions = self.positions(torch.arange(source.shape[1], device=source.device))
        x = self.source_dropout(self.source_embedding(source) * self.scale + positions)
        for layer in self.encoder:
            x = layer(x, hidden)
        memory = {"mask": mask}
        layers: Any = self.decoder
        for number, layer in enumerate(layers):
            memory[f"keys{number}"], memory[f"values{number}"] = layer.attention.remember(x)
        return memory

    def start(self, memory: Memory) -> State:
        """The decoder's state before the first token."""
        keys = memory["keys0"]
        rows, channels = keys.shape[:2]
        layers: Any = self.decoder
        state = {f"history{n}": keys.new_zeros(rows, channels, layer.history) for n, layer in enumerate(layers)}
        return {**state, "position": torch.zeros(rows, dtype=torch.int64, device=keys.device)}

    def step(
        self, tokens: Int[Tensor, " batch"], memory: Memory, state: State
    ) -> tuple[Float[Tensor, "batch vocabulary"], Float[Tensor, "batch source"], State]:
        """The logits after one more token of each row, the attention, and the new state.

        The logits equal those of `forward` over all tokens so far at the last position; the others are not computed again.
        """
        vectors = self.target_embedding(tokens.unsqueeze(1)) * self.scale
        x = vectors + self.positions(state["position"]).permute(2, 1, 0)
        new = {"position": state["position"] + 1}
        looks = []
        layers: Any = self.decoder
        for number, layer in enumerate(layers):
            x, weights, new[f"history{number}"] = layer.step(
                x, memory[f"keys{number}"], memory[f"values{number}"], memory["mask"], state[f"history{number}"]
            )
            looks.append(weights)
        return self.output(x.squeeze(2)), torch.stack(looks).mean(dim=0).squeeze(1), new

    def _write(self, target_in: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        positions = self.positions(torch.arange(target_in.shape[1], device=target_in.device))
        x = self.target_dropout(self.target_embedding(target_in) * self.scale + positions)
        looks = []
        layers: Any = self.decoder
        for number, layer in enumerate(layers):
            x, weights = layer.write(x, memory[f"keys{number}"], memory[f"values{number}"], memory["mask"])
            looks.append(weights)
        return self.output(x.transpose(1, 2)), torch.stack(looks).mean(dim=0)


class _Layer(nn.Module):
    """A convolution, in the decoder an attention to the source, and a feed-forward network."""

    def __init__(
        self, channels: int, heads: int, kernel_size: int, hidden: int, kind: Literal["light", "dynamic"], dropout: float,
        weight_dropout: float, writes: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.gate = nn.Conv1d(channels, 2 * channels, 1)
        self.convolution = LightweightConvolution(channels, heads, kernel_size, kind, writes, weight_dropout)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.first_norm = ChannelLayerNorm(channels)
        if writes:
            self.attention = MultiHeadAttention(channels, heads)
            self.attention_norm = ChannelLayerNorm(channels)
        self.widen = nn.Conv1d(channels, hidden, 1)
        self.narrow = nn.Conv1d(hidden, channels, 1)
        self.last_norm = ChannelLayerNorm(channels)
        self.dropout = Dropout(dropout) if dropout else nn.Identity()
        self.history = self.convolution.history
        for part in (self.gate, self.mix, self.widen, self.narrow):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        gated = F.glu(self.gate(x), dim=1).masked_fill(hidden, 0.0)
        x = self.first_norm(x + self.dropout(self.mix(self.convolution(gated))))
        return self._feed(x)

    def write(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        x = self.first_norm(x + self.dropout(self.mix(self.convolution(F.glu(self.gate(x), dim=1)))))
        return self._look(x, keys, values, mask)

    def step(
        self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor, history: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, history = self.convolution.step(F.glu(self.gate(x), dim=1).squeeze(2), history)
        x = self.first_norm(x + self.mix(y.unsqueeze(2)))
        x, weights = self._look(x, keys, values, mask)
        return x, weights, history

    def _look(self, x: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen, weights = self.attention(x, keys, values, mask)
        return self._feed(self.attention_norm(x + self.dropout(seen))), weights

    def _feed(self, x: Tensor) -> Tensor:
        return self.last_norm(x + self.dropout(self.narrow(self.dropout(F.relu(self.widen(x))))))
