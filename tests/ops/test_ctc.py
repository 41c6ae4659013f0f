"""Reading the outputs of CTC: against every path of short inputs, and against an independent decoder."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convzoo.ops.ctc import BLANK, align, best_path, prefix_beam_search


def distribution(outputs: int, tokens: int, seed: int, sharpness: float = 2.0) -> np.ndarray:
    """(outputs, tokens): log-probabilities."""
    values = np.random.default_rng(seed).normal(0, sharpness, (outputs, tokens))
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(token for token, _ in itertools.groupby(path) if token != BLANK)


def all_sequences(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """Every sequence with the log-probability of all its paths."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        chance = math.exp(sum(log_probs[time, token] for time, token in enumerate(path)))
        found[collapsed(path)] = found.get(collapsed(path), 0.0) + chance
    return {sequence: math.log(chance) for sequence, chance in found.items()}


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 1000))
def test_a_wide_beam_finds_what_trying_every_path_finds(outputs: int, tokens: int, seed: int) -> None:
    log_probs = distribution(outputs, tokens, seed)
    true = all_sequences(log_probs)
    found = prefix_beam_search(log_probs, width=10_000, least=-100.0)
    assert {each.tokens for each in found} == set(true)
    for each in found:
        assert each.score == pytest.approx(true[each.tokens], abs=1e-9)
    assert found[0].score == max(each.score for each in found)


@given(st.integers(1, 5), st.integers(2, 4), st.integers(0, 1000))
def test_a_language_model_adds_to_each_sequence_once(outputs: int, tokens: int, seed: int) -> None:
    log_probs = distribution(outputs, tokens, seed)
    worth = np.random.default_rng(seed + 1).normal(0, 1, (tokens + 1, tokens))  # a bigram of tokens

    def extend(state: int, token: int) -> tuple[int, float]:
        return token, float(worth[state, token])

    found = prefix_beam_search(log_probs, 10_000, extend, tokens, lambda state: float(state), -100.0)
    true = all_sequences(log_probs)
    for each in found:
        states = [tokens, *each.tokens]
        added = sum(worth[a, b] for a, b in itertools.pairwise(states)) + states[-1]
        assert each.score == pytest.approx(true[each.tokens] + added, abs=1e-9)


def test_the_scores_are_those_of_the_loss() -> None:
    log_probs = distribution(30, 5, 1, sharpness=6.0)
    best = prefix_beam_search(log_probs, 50, least=-100.0)[0]
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None], torch.tensor([best.tokens]), torch.tensor([30]),
        torch.tensor([len(best.tokens)]), reduction="sum",
    )  # fmt: skip
    assert -loss.item() == pytest.approx(best.score, abs=0.15), "but for the paths that fell out of the beam"
    assert -loss.item() >= best.score - 1e-6


def test_an_independent_decoder_finds_the_same() -> None:
    decoder = pytest.importorskip("fast_ctc_decode", reason="pip install fast-ctc-decode")
    alphabet = "-abcdefgh"
    for seed in range(60):
        log_probs = distribution(80, len(alphabet), seed, sharpness=3.0)
        text, _ = decoder.beam_search(
            np.exp(log_probs).astype(np.float32), alphabet, beam_size=20, beam_cut_threshold=1e-4
        )
        found = prefix_beam_search(log_probs, 20, least=math.log(1e-4))
        assert "".join(alphabet[token] for token in found[0].tokens) == text
        greedy, starts = decoder.viterbi_search(np.exp(log_probs).astype(np.float32), alphabet)
        heard, _ = best_path(log_probs)
        assert "".join(alphabet[each.token] for each in heard) == greedy
        assert [each.start for each in heard] == list(starts)


@given(st.integers(1, 6), st.integers(2, 4), st.integers(0, 1000))
def test_the_alignment_is_the_best_path_of_its_sequence(outputs: int, tokens: int, seed: int) -> None:
    log_probs = distribution(outputs, tokens, seed)
    best: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
    for path in itertools.product(range(tokens), repeat=outputs):
        score = sum(log_probs[time, token] for time, token in enumerate(path))
        if collapsed(path) not in best or score > best[collapsed(path)][0]:
            best[collapsed(path)] = (score, path)
    for sequence, (_, path) in best.items():
        found = align(log_probs, sequence)
        runs, start = [], 0
        for token, group in itertools.groupby(path):
            length = len(list(group))
            runs += [(token, start, start + length)] if token != BLANK else []
            start += length
        assert [tuple(each) for each in found] == runs


def test_too_few_outputs_for_a_sequence_are_refused() -> None:
    log_probs = distribution(3, 4, 0)
    assert len(align(log_probs, [1, 2, 3])) == 3
    with pytest.raises(ValueError, match="3 outputs are too few for 3 tokens"):
        align(log_probs, [1, 1, 2])


def test_nothing_is_heard_in_no_outputs() -> None:
    nothing = np.zeros((0, 3))
    assert best_path(nothing) == ([], 0.0)
    assert prefix_beam_search(nothing, 4)[0].tokens == ()
    assert align(nothing, []) == []
