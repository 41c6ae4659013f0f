"""Another graph in the terms of the one that a network was trained on: its features by name, its nodes by id."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.survey import listed
from convzoo.core.text import nearest
from convzoo.modalities.graph.example import Graph


@dataclass(frozen=True)
class Matched:
    """Where what the network knows stands in another graph.

    Attributes:
        order: (features,), for each feature of training its column, -1 where the graph has none; where nodes have no features
            (nodes,), for each node of the graph its number in training; None: all is in the same order
        notes: what a person should know, a sentence each
    """

    order: np.ndarray | None
    notes: Sequence[str] = ()


def match_features(trained: Graph, graph: Graph) -> Matched:
    """The columns of a graph by their names. A value of a category that training did not have counts as missing, as does one that
    the graph does not have; other columns have to be there. Without names, columns are taken by their places.

    Raises:
        DataError: the graph has no features, another number of unnamed ones, or lacks one.
    """
    if graph is trained:
        return Matched(None)
    wanted, given = list(trained.feature_names), list(graph.feature_names)
    counts = trained.features.shape[1], graph.features.shape[1]
    if not counts[1]:
        raise DataError(
            f"the nodes of the graph have no features; the network was trained with {_named(wanted, counts[0])}"
        )
    if not wanted or not given:
        if counts[0] != counts[1]:
            raise DataError(f"the graph has {counts[1]} features; the network was trained with {counts[0]}")
        if not wanted and not given:
            return Matched(None)
        side = "the graph's" if not given else "training's"
        return Matched(None, [f"{side} features have no names, so they are matched by their places"])
    if wanted == given:
        return Matched(None)
    place = {name: at for at, name in enumerate(given)}
    kinds, known = {name.partition("=")[0] for name in given}, set(wanted)
    lacking = [
        name for name in wanted if name not in place and ("=" not in name or name.partition("=")[0] not in kinds)
    ]
    if lacking:
        near = nearest(lacking[0], [name for name in given if name not in known])
        hint = f"; did you mean {near!r}?" if near else ""
        raise DataError(
            f"the graph has {counts[1]} features; the network was trained with {counts[0]}, of which it lacks {len(lacking):,}: "
            f"{listed(lacking, 5)}{hint}"
        )
    more = [name for name in given if name not in known]
    order = np.array([place.get(name, -1) for name in wanted])
    trained_kinds = {name.partition("=")[0] for name in wanted}
    values = [name for name in more if "=" in name and name.partition("=")[0] in trained_kinds]
    others = [name for name in more if name not in set(values)]
    notes = (
        ["the graph's features stand in another order, and are matched by their names"]
        if (order[order >= 0] != np.sort(order[order >= 0])).any()
        else []
    )
    notes += [f"features that training did not have are not used: {listed(others, 5)}"] if others else []
    notes += [f"values that training did not have count as missing: {listed(values, 5)}"] if values else []
    return Matched(order, notes)


def match_nodes(trained: Graph, graph: Graph) -> Matched:
    """The nodes of a graph without features by their ids: what was learnt of a node holds for this node alone.

    Raises:
        DataError: the graph has other nodes.
    """
    if graph is trained or list(graph.ids) == list(trained.ids):
        return Matched(None)
    if graph.features.shape[1]:
        raise DataError(
            "the network was trained on nodes without features, and this graph has some; say data.features=[]"
        )
    strange = [name for name in graph.ids if name not in trained.numbers]
    if strange or len(graph) != len(trained):
        said = (
            f"{len(strange):,} nodes that training did not have (the first is {strange[0]!r})"
            if strange
            else (f"{len(graph):,} of its {len(trained):,} nodes")
        )
        raise DataError(
            f"the nodes have no features, so what was learnt holds for the nodes of the graph that was trained on, and this one "
            f"has {said}: give that graph"
        )
    return Matched(
        np.array([trained.numbers[name] for name in graph.ids]),
        ["the nodes stand in another order, and are matched by their ids"],
    )


def in_order(features: Any, order: np.ndarray) -> Any:
    """The columns of features in the order of training, 0 where there is none."""
    filled = np.flatnonzero(order >= 0)
    if scipy.sparse.issparse(features):
        chosen = scipy.sparse.csc_matrix(
            (np.ones(len(filled), np.float32), (order[filled], filled)), (features.shape[1], len(order))
        )
        return (features @ chosen).tocsr()
    found = np.zeros((len(features), len(order)), np.float32)
    found[:, filled] = features[:, order[filled]]
    return found


def same_nodes(trained: Graph, graph: Graph, found: Matched) -> np.ndarray:
    """(nodes,): whether a node is one of the graph that was trained on: it has the same id and the same features."""
    numbers = np.array([trained.numbers.get(name, -1) for name in graph.ids])
    same = numbers >= 0
    if not trained.features.shape[1] or not same.any():
        return same
    features = graph.features if found.order is None else in_order(graph.features, found.order)
    apart = features[np.flatnonzero(same)] - trained.features[numbers[same]]
    largest = abs(apart).max(axis=1)
    largest = largest.toarray() if scipy.sparse.issparse(largest) else np.asarray(largest)
    same[np.flatnonzero(same)] = largest.ravel() < 1e-4
    return same


def _named(names: Sequence[str], count: int) -> str:
    return listed(dict.fromkeys(name.partition("=")[0] for name in names), 5) if names else f"{count} features"
