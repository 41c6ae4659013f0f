"""Simulated cascades reach whom the chances say, and seeds by reverse-reachable sets are near the best."""

from itertools import combinations, product

import numpy as np
import pytest
import scipy.sparse

from convzoo.ops.cascades import cascade, spread
from convzoo.ops.reverse_reachable import ReverseReachable, imm


def drawn(nodes: int, edges: int, seed: int, chance: float | None = None) -> scipy.sparse.csr_matrix:
    random = np.random.default_rng(seed)
    ends = random.integers(0, nodes, (2, edges))
    ends = np.unique(ends[:, ends[0] != ends[1]], axis=1)
    chances = random.uniform(0.1, 0.6, ends.shape[1]) if chance is None else np.full(ends.shape[1], chance)
    return scipy.sparse.csr_matrix((chances, (ends[0], ends[1])), (nodes, nodes))


def exact(edges: scipy.sparse.csr_matrix, seeds: tuple[int, ...]) -> float:
    """The expected spread, over all graphs that may come of the edges."""
    entries = edges.tocoo()
    total = 0.0
    for there in product((False, True), repeat=edges.nnz):
        chance = np.prod(np.where(there, entries.data, 1 - entries.data))
        reached, new = set(seeds), set(seeds)
        while new:
            ends = zip(entries.row.tolist(), entries.col.tolist(), there, strict=True)
            new = {end for start, end, lives in ends if lives and start in new} - reached
            reached |= new
        total += chance * len(reached)
    return total


def test_the_spread_is_the_expected_one() -> None:
    edges = drawn(6, 9, 1)
    for seeds in ((0,), (1, 4)):
        mean, error = spread(edges, seeds, 20_000, np.random.default_rng(0))
        assert abs(mean - exact(edges, seeds)) < 4 * error and error < 0.02


def test_certain_edges_reach_all_and_impossible_ones_nobody() -> None:
    path = scipy.sparse.diags([np.ones(9)], [1]).tocsr()
    assert spread(path, [0], 5, np.random.default_rng(0)) == (10.0, 0.0)
    assert spread(path, [7], 5, np.random.default_rng(0)) == (3.0, 0.0)
    assert spread(path * 0.0, [0, 3], 5, np.random.default_rng(0)) == (2.0, 0.0)
    cascades, nodes = cascade(path, np.array([[1, 8], [0, 9], [1, 8]]), 2, np.random.default_rng(0))
    assert sorted(zip(cascades.tolist(), nodes.tolist(), strict=True)) == [(0, 9), (1, 8), (1, 9)]


def test_the_spread_is_that_of_an_independent_engine() -> None:
    cynetdiff = pytest.importorskip("cynetdiff.models")
    edges = drawn(200, 900, 2, 0.15)
    model = cynetdiff.IndependentCascadeModel(
        __import__("array").array("I", edges.indptr[:-1].tolist()),
        __import__("array").array("I", edges.indices.tolist()),
        activation_prob=0.15,
    )
    model.set_seeds({0, 1, 2})
    sizes = []
    for _ in range(4000):
        model.reset_model()
        model.advance_until_completion()
        sizes.append(model.get_num_activated_nodes())
    mean, error = spread(edges, [0, 1, 2], 4000, np.random.default_rng(0))
    assert abs(mean - np.mean(sizes)) < 4 * np.hypot(error, np.std(sizes) / np.sqrt(4000))


def test_reverse_reachable_sets_estimate_the_spread() -> None:
    edges = drawn(60, 240, 3)
    sets = ReverseReachable(edges, np.random.default_rng(0))
    sets.grow(20_000)
    seeds, parts = sets.greedy(5)
    mean, error = spread(edges, seeds, 10_000, np.random.default_rng(1))
    assert abs(60 * parts[-1] - mean) < 4 * error + 0.6
    assert len(set(seeds.tolist())) == 5 and (np.diff(parts) >= 0).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_seeds_are_within_the_guarantee_of_the_best(seed: int) -> None:
    """And nearly as good as those of the greedy choice by the exact spread."""
    edges = drawn(8, 11, seed)
    best = max(exact(edges, pair) for pair in combinations(range(8), 2))
    first = max(range(8), key=lambda node: exact(edges, (node,)))
    greedy = max(exact(edges, (first, node)) for node in range(8) if node != first)
    seeds, estimate = imm(edges, 2, np.random.default_rng(seed), epsilon=0.2)
    found = exact(edges, tuple(seeds.tolist()))
    assert found >= (1 - 1 / np.e - 0.2) * best and found >= 0.9 * greedy
    assert abs(estimate - found) < 0.15 * found


def test_more_seeds_than_nodes_are_all_nodes() -> None:
    seeds, estimate = imm(drawn(5, 8, 0), 9, np.random.default_rng(0), epsilon=0.5)
    assert sorted(seeds.tolist()) == [0, 1, 2, 3, 4] and estimate == pytest.approx(5)
