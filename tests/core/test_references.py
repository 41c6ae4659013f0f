"""Sequences of references behave as lists do, and make only what they are asked for."""

from collections.abc import Sequence

import numpy as np
import pytest
import scipy.sparse

from convzoo.core.references import References
from convzoo.modalities.graph.example import Graph, Nodes
from convzoo.modalities.recommendation.example import Catalogue, Pairs, Rows, Users
from convzoo.modalities.series.example import Series, Stretch, Windows
from convzoo.modalities.video.encoder import Clips
from convzoo.modalities.video.example import Video


class Squares(References[int]):
    """The squares of the numbers from 0, and what was asked for."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made: list[int] = []

    def __len__(self) -> int:
        return self.count

    def reference(self, index: int) -> int:
        self.made.append(index)
        return index * index


def test_items_come_from_both_ends_and_no_further() -> None:
    squares = Squares(5)
    assert [squares[index] for index in (0, 4, -1, -5)] == [0, 16, 16, 0]
    assert squares[np.int64(3)] == 9
    for outside in (5, -6):
        with pytest.raises(IndexError):
            squares[outside]


def test_only_what_is_asked_for_is_made() -> None:
    squares = Squares(10**9)
    assert squares[7] == 49
    assert squares[10**9 - 2 :: 1] == [(10**9 - 2) ** 2, (10**9 - 1) ** 2]
    assert next(iter(squares)) == 0
    assert squares.made == [7, 10**9 - 2, 10**9 - 1, 0]


def some_nodes() -> Nodes:
    edges = scipy.sparse.csr_matrix(np.ones((6, 6), np.float32))
    return Nodes(Graph(edges, np.zeros((6, 1), np.float32), list("ababab"), list("uvwxyz")), np.array([4, 1, 5]))


def some_users() -> Users:
    rows = Rows.of(np.array([0, 1, 1, 2]), np.array([0, 1, 0, 1]), 3)
    return Users(Catalogue(("a", "b", "c"), ("p", "q")), np.array([2, 0, 1]), rows, rows)


def some_windows() -> Windows:
    series = Series("s", np.arange(12.0).reshape(6, 2), ("a", "b"))
    return Windows([Stretch(series, 0, 6)], 3)


def name(item: object) -> object:
    if isinstance(item, Stretch):
        return item.start, item.stop
    return getattr(item, "source", item)


@pytest.mark.parametrize(
    ("made", "names"),
    [
        (some_nodes, ["y", "v", "z"]),
        (some_users, ["c", "a", "b"]),
        (some_windows, [(0, 3), (1, 4), (2, 5), (3, 6)]),
        (lambda: Pairs(some_users().wanted), [(0, 0), (1, 0), (1, 1), (2, 1)]),
        (lambda: Clips([Video(source="1"), Video(source="2"), Video(source="3")]), ["1", "2", "3"]),
    ],
)
def test_every_sequence_of_references_is_as_a_list(made, names: list) -> None:
    found: Sequence = made()
    assert [name(item) for item in found] == names
    assert len(found) == len(names)
    for chosen in (slice(1, None), slice(None, None, -1), slice(-2, None), slice(5, 9), slice(0, 0)):
        assert [name(item) for item in found[chosen]] == names[chosen], chosen
    assert name(found[-1]) == names[-1]
    with pytest.raises(IndexError):
        found[len(names)]


def test_a_slice_of_nodes_and_users_is_of_their_own_kind() -> None:
    assert isinstance(some_nodes()[1:], Nodes)
    assert isinstance(some_users()[1:], Users)
