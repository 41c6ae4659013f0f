"""Classical opponents for nodes with a number."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.baselines.numbers import FeatureRegressor
from convzoo.core.arguments import Count
from convzoo.modalities.graph.baselines import node_features
from convzoo.modalities.graph.example import Node
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.places import both_ways, directions

_MOST_FEATURES = 200


class NeighbourRidge(FeatureRegressor):
    """Ridge regression on a node's own features and the means of its neighbours' features, one and more steps away.

    Of many features (words) their 64 strongest directions are taken; nodes without features have their places in the graph.

    Args:
        steps: number of steps along the edges; 0: own features only
    """

    def __init__(self, steps: Count = 2) -> None:
        self.steps = steps

    def features(self, examples: Sequence[Node]) -> np.ndarray:
        """(nodes, (steps + 1) × features)."""
        graph = examples[0].graph
        matrix = graph_matrix(both_ways(graph), "random_walk", self_loops=False)
        table: Any = node_features(graph)
        if table.shape[1] > _MOST_FEATURES:
            table = directions(table)
        tables = [table.toarray() if scipy.sparse.issparse(table) else np.asarray(table)]
        for _ in range(self.steps):
            tables.append(matrix @ tables[-1])
        return np.hstack(tables)[[example.index for example in examples]]
