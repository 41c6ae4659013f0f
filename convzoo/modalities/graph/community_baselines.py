"""Opponents for communities: features alone, smoothed features, edges alone."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.arguments import Positive
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.graph.baselines import node_features
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.members import Member
from convzoo.modalities.graph.places import directions

_MOST_EDGES = 2_000_000


class _Grouped(Baseline):
    """Gives each node the community that was found for it.

    Args:
        communities: their number
    """

    def __init__(self, communities: Positive = 6) -> None:
        self.communities = communities

    def outputs(self, examples: Sequence[Member]) -> Tensor:
        """(nodes,), numbers of communities."""
        return torch.from_numpy(self.found[[example.index for example in examples]])

    def group(self, table: Any) -> None:
        """Find communities by k-means on the rows of a table."""
        from sklearn.cluster import KMeans

        count = min(self.communities, table.shape[0])
        self.found = (
            KMeans(count, n_init=10, random_state=0).fit_predict(np.asarray(table, np.float64)).astype(np.int64)
        )


class OneCommunity(_Grouped):
    """Every node in the same community: what scores give to no skill at all."""

    def fit(self, examples: Sequence[Member], dims: Mapping[str, Any]) -> None:
        """Nothing is learnt."""
        self.found = np.zeros(len(examples[0].graph), np.int64)


class KMeansFeatures(_Grouped):
    """k-means on the nodes' features, without the graph."""

    def fit(self, examples: Sequence[Member], dims: Mapping[str, Any]) -> None:
        """Find communities.

        Raises:
            DataError: nodes have no features.
        """
        graph = examples[0].graph
        if not graph.features.shape[1]:
            raise DataError("the nodes have no features")
        table = node_features(graph)
        self.group(table.toarray() if scipy.sparse.issparse(table) else table)


class KMeansSmoothed(_Grouped):
    r"""k-means on smoothed features: the strongest directions, at most 64, of $S^k X$ with $S = D^{-1/2} (A + I) D^{-1/2}$ (Zhang
    et al. 2019, arXiv:1906.01210). Nodes without features get their places in the graph.

    Args:
        communities: their number
        steps: k; null: chosen by modularity
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"steps": (8, 4, 2)}

    def __init__(self, communities: Positive = 6, steps: Positive | None = None) -> None:
        super().__init__(communities)
        self.steps = steps

    def fit(self, examples: Sequence[Member], dims: Mapping[str, Any]) -> None:
        """Find communities."""
        graph = examples[0].graph
        matrix = graph_matrix(graph.edges, "symmetric", self_loops=True)
        table = node_features(graph)
        for _ in range(self.setting("steps")):
            table = matrix @ table
        table = directions(table)
        self.group(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12))


class Spectral(_Grouped):
    """k-means on the strongest directions of the normalised adjacency matrix, with the mean degree added to each degree (Qin &
    Rohe 2013, arXiv:1309.4111): the graph without features."""

    def fit(self, examples: Sequence[Member], dims: Mapping[str, Any]) -> None:
        """Find communities."""
        edges = examples[0].graph.edges
        degree = np.asarray(edges.sum(axis=1), np.float64).ravel()
        scale = scipy.sparse.diags((degree + degree.mean()) ** -0.5)
        table = directions(scale @ edges @ scale)[:, : self.communities]
        self.group(table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-12))


class Louvain(Baseline):
    """Communities of the highest modularity, by moving nodes and merging groups (Blondel et al. 2008, arXiv:0803.0476): the graph
    without features. It chooses the number of communities itself."""

    def fit(self, examples: Sequence[Member], dims: Mapping[str, Any]) -> None:
        """Find communities.

        Raises:
            DataError: the graph has too many edges for networkx.
        """
        import networkx

        edges = examples[0].graph.edges
        if edges.nnz > 2 * _MOST_EDGES:
            raise DataError(f"networkx takes minutes for more than {_MOST_EDGES:,} edges; there are {edges.nnz // 2:,}")
        groups = networkx.community.louvain_communities(networkx.from_scipy_sparse_array(edges), seed=0)
        self.found = np.zeros(edges.shape[0], np.int64)
        for number, group in enumerate(groups):
            self.found[list(group)] = number

    def outputs(self, examples: Sequence[Member]) -> Tensor:
        """(nodes,), numbers of communities."""
        return torch.from_numpy(self.found[[example.index for example in examples]])
