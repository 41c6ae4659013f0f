"""Writing a sequence token by token, greedily or with beam search."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

State = Mapping[str, Tensor]
"""Tensors with one row for each sequence that is being written."""

Step = Callable[[Tensor, State, State], tuple[Tensor, Tensor, State]]
"""From the last tokens (rows,), the memory and the state: logits (rows, vocabulary), attention (rows, source), the new state."""


@dataclass(frozen=True)
class Hypothesis:
    """A finished sequence.

    Attributes:
        tokens: without the beginning and the end
        score: its log-probability, divided by its length (the end included) to the power of the length penalty
        attended: for each token the position of the source with the most attention
    """

    tokens: list[int]
    score: float
    attended: list[int]


def beam_search(
    step: Step,
    memory: State,
    state: State,
    limits: Tensor,
    begin: int,
    end: int,
    forbidden: tuple[int, ...] = (),
    beam: int = 1,
    length_penalty: float = 1.0,
) -> list[list[Hypothesis]]:
    r"""The best sequences for each row of `memory`, best first: $\frac{1}{|y|^\alpha} \sum_t \log p(y_t | y_{<t}, x)$.

    All sentences are searched at once. A sentence is done when `beam` of its sequences have ended; it then leaves the batch. A
    beam of 1 is greedy. The first token is never the end, and a sequence ends at its limit.

    Args:
        step: the model
        memory: what the model needs of the sources, one row for each
        state: before the first token, one row for each source
        limits: (rows,), the largest number of tokens for each source, at least 1
        begin: the token before the first
        end: the token after the last
        forbidden: tokens that are never written
        beam: number of sequences that are kept for each source
        length_penalty: α; 0 chooses the most likely sequence, which favours short ones; 1 uses the mean over tokens
    """
    rows = len(limits)
    device = limits.device
    found: list[list[Hypothesis]] = [[] for _ in range(rows)]
    sentences = torch.arange(rows, device=device)  # those that are still searched
    spread = sentences.repeat_interleave(beam)
    memory, state = _rows(memory, spread), _rows(state, spread)
    totals = torch.full((rows, beam), -torch.inf, device=device)
    totals[:, 0] = 0.0  # all beams of a sentence are equal at first, so the first step uses only one of them
    last = torch.full((rows * beam,), begin, device=device)
    tokens = torch.empty(rows, beam, 0, dtype=torch.int64, device=device)
    attended = torch.empty(rows, beam, 0, dtype=torch.int64, device=device)
    for written in range(1, int(limits.max()) + 2):
        logits, attention, state = step(last, memory, state)
        chances = logits.float().log_softmax(dim=1)
        chances[:, [*forbidden, begin]] = -torch.inf
        if written == 1:
            chances[:, end] = -torch.inf
        count, size = len(sentences), chances.shape[1]
        chances = chances.view(count, beam, size)
        full = limits[sentences] < written
        if full.any():
            only_end = torch.full((size,), -torch.inf, device=device)
            only_end[end] = 0.0
            chances = torch.where(full[:, None, None], chances[..., end : end + 1] + only_end, chances)
        # Twice the beam: even if half of them end, enough continue.
        best, places = (totals[:, :, None] + chances).flatten(1).topk(min(2 * beam, beam * size), dim=1)
        parents, chosen = places // size, places % size
        looked = attention.argmax(dim=1).view(count, beam)
        ends = (chosen == end) & best.isfinite()
        for row, rank in ends[:, :beam].nonzero().tolist():
            hypotheses, parent = found[int(sentences[row])], int(parents[row, rank])
            if len(hypotheses) < beam:
                score = float(best[row, rank]) / written**length_penalty
                hypotheses.append(
                    Hypothesis(tokens[row, parent].tolist(), score, attended[row, parent].tolist())
                )  # fmt: skip
        # The best of those that continue, in order. If a sequence is at its limit, none continues, and its sentence is done.
        order = torch.where(ends, 2 * beam, torch.arange(best.shape[1], device=device)).argsort(dim=1, stable=True)
        order = order[:, :beam]
        totals, parents, chosen = (value.gather(1, order) for value in (best, parents, chosen))
        kept = torch.tensor([len(found[at]) < beam for at in sentences.tolist()], device=device) & ~full
        if not kept.any():
            break
        history = parents[:, :, None].expand(-1, -1, tokens.shape[2])
        tokens = torch.cat([tokens.gather(1, history), chosen[:, :, None]], dim=2)
        attended = torch.cat([attended.gather(1, history), looked.gather(1, parents)[:, :, None]], dim=2)
        source = (torch.arange(count, device=device)[:, None] * beam + parents)[kept].flatten()
        if not kept.all():
            memory = _rows(memory, source)  # the beams of a sentence share their memory, so this only drops sentences
            sentences, totals, tokens, attended, chosen = (
                value[kept] for value in (sentences, totals, tokens, attended, chosen)
            )  # fmt: skip
        state = _rows(state, source)
        last = chosen.flatten()
    return [sorted(hypotheses, key=lambda hypothesis: -hypothesis.score) for hypotheses in found]


def _rows(state: State, rows: Tensor) -> dict[str, Tensor]:
    return {name: value.index_select(0, rows) for name, value in state.items()}
