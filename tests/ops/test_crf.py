"""The forward algorithm, Viterbi and probabilities of parts, against all tag sequences one by one."""

from itertools import pairwise, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.layers.crf import LinearChainCRF
from convzoo.ops.crf import FORBIDDEN, Chances, best_paths, log_partition, path_score


def drawn(
    seed: int, batch: int, length: int, tags: int, forbidden: bool = True
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    emissions = 2 * torch.randn(batch, length, tags, generator=generator, dtype=torch.float64)
    transitions = torch.randn(tags + 1, tags + 1, generator=generator, dtype=torch.float64)
    if forbidden and tags > 1:
        transitions[0, 1] = transitions[-1, 1] = FORBIDDEN
    lengths = torch.randint(1, length + 1, (batch,), generator=generator)
    return emissions, transitions, lengths


def score(emissions: torch.Tensor, transitions: torch.Tensor, tags: tuple[int, ...]) -> torch.Tensor:
    """By the definition."""
    total = transitions[-1, tags[0]] + transitions[tags[-1], -1]
    total = total + sum(emissions[place, tag] for place, tag in enumerate(tags))
    return total + sum(transitions[a, b] for a, b in pairwise(tags))


cases = {
    "seed": st.integers(0, 10_000),
    "batch": st.integers(1, 3),
    "length": st.integers(1, 5),
    "tags": st.integers(1, 4),
}


@settings(max_examples=30)
@given(**cases)
def test_sums_and_best_paths_are_those_of_all_sequences(seed, batch, length, tags):
    emissions, transitions, lengths = drawn(seed, batch, length, tags)
    total = log_partition(emissions, transitions, lengths)
    best = best_paths(emissions, transitions, lengths)
    for row in range(batch):
        every = list(product(range(tags), repeat=int(lengths[row])))
        scores = torch.stack([score(emissions[row], transitions, each) for each in every])
        assert total[row] == pytest.approx(float(scores.logsumexp(0)))
        found = path_score(emissions[row : row + 1], transitions, torch.tensor([best[row] + [0] * (length - len(best[row]))]),
                           lengths[row : row + 1])  # fmt: skip
        assert float(found) == pytest.approx(float(scores.max()))


@settings(max_examples=15)
@given(**cases)
def test_the_chance_of_a_part_is_the_sum_over_all_sequences_that_have_it(seed, batch, length, tags):
    emissions, transitions, lengths = drawn(seed, batch, length, tags)
    chances = Chances(emissions, transitions, lengths)
    for row in range(batch):
        size = int(lengths[row])
        every = list(product(range(tags), repeat=size))
        scores = torch.stack([score(emissions[row], transitions, each) for each in every]).softmax(0)
        start = seed % size
        part = [seed % tags] * min(2, size - start)
        wanted = sum(
            float(p) for each, p in zip(every, scores, strict=True) if list(each[start : start + len(part)]) == part
        )
        assert chances.of_part(row, start, part) == pytest.approx(wanted, abs=1e-9)


def test_gradients_are_those_of_finite_differences():
    emissions, transitions, lengths = drawn(3, 3, 4, 3, forbidden=False)
    emissions.requires_grad_()
    transitions.requires_grad_()
    assert torch.autograd.gradcheck(lambda e, t: log_partition(e, t, lengths), (emissions, transitions))
    assert torch.autograd.gradcheck(
        lambda e, t: path_score(e, t, torch.tensor([[0, 1, 2, 0]] * 3), lengths), (emissions, transitions)
    )


@pytest.mark.parametrize("scale", [1.0, 30.0, 100.0])
def test_large_scores_and_padding_give_finite_gradients(scale):
    emissions, transitions, lengths = drawn(4, 4, 60, 5)
    emissions = (emissions * scale).float().requires_grad_()
    transitions = transitions.float().requires_grad_()
    lengths[0] = 1
    log_partition(emissions, transitions, lengths).sum().backward()
    assert emissions.grad is not None and emissions.grad.isfinite().all()
    assert transitions.grad is not None and transitions.grad.isfinite().all()
    # What stands behind a sentence's end has no influence, and the chances of each token's tags sum to 1.
    assert emissions.grad[0, 1:].abs().max() == 0
    assert emissions.grad[0, 0].sum() == pytest.approx(1.0, abs=1e-4)
    longest = int(lengths.argmax())
    assert emissions.grad[longest, : lengths[longest]].sum(dim=1).numpy() == pytest.approx(1.0, abs=1e-2)


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
def test_what_is_decoded_is_always_well_formed(prefixes):
    tags = ["O", *(f"{prefix}-{label}" for label in ("PER", "LOC") for prefix in prefixes)]
    layer = LinearChainCRF(tags)
    generator = torch.Generator().manual_seed(0)
    outputs = layer(5 * torch.randn(40, 9, len(tags), generator=generator))
    lengths = torch.randint(1, 10, (40,), generator=generator)
    for path in best_paths(*outputs, lengths):
        before = "O"
        for tag in [*(tags[number] for number in path), "O"]:
            if tag[0] in "IE":
                assert before[0] in "BI" and before[2:] == tag[2:]
            elif prefixes == "BIES":
                assert before[0] not in "BI"
            before = tag
