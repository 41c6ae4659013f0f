"""Opponents for links: the degrees, common neighbours, paths, and features that are spread without training or linearly."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from torch import Tensor

from convzoo.core.arguments import Positive, PositiveFloat
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.graph.baselines import node_features
from convzoo.modalities.graph.example import Graph
from convzoo.modalities.graph.link_encoder import common
from convzoo.modalities.graph.links import NodePair, pair_keys, pairs_of
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.ops.sparse import SparseMatrix, product

MOST_NODES = 50_000
"""Katz' paths are counted from each node of a test pair to all nodes: in a larger graph that takes too long."""
_BLOCK = 512
_PAIRS = 100_000


class PreferentialAttachment(Baseline):
    """The product of the degrees: who has many links gets more (Liben-Nowell & Kleinberg 2007, doi:10.1002/asi.20591)."""

    def fit(self, examples: Sequence[NodePair], dims: Mapping[str, Any]) -> None:
        """Count the known edges of each node."""
        self.degrees = np.diff(examples[0].graph.edges.indptr)

    def outputs(self, examples: Sequence[NodePair]) -> Tensor:
        """(pairs,), the logarithm of (degree + 1) (degree + 1)."""
        return torch.from_numpy(np.log1p(self.degrees)[pairs_of(examples, range(len(examples)))].sum(axis=1))


class CommonNeighbours(Baseline):
    r"""$\sum_{k \in N(i) \cap N(j)} w(k)$: the neighbours that a pair shares; w is 1, 1 / log of the degree (Adamic & Adar 2003,
    doi:10.1016/S0378-8733(03)00009-1) or 1 / degree (resource allocation, Zhou et al. 2009, arXiv:0901.0553).

    Args:
        weight: of a common neighbour; null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"weight": ("adamic_adar", "resource_allocation", "one")}

    def __init__(self, weight: Literal["adamic_adar", "resource_allocation", "one"] | None = None) -> None:
        self.weight = weight

    def fit(self, examples: Sequence[NodePair], dims: Mapping[str, Any]) -> None:
        """Keep the known edges, and weigh each node."""
        self.edges = examples[0].graph.edges
        degrees = np.maximum(np.diff(self.edges.indptr), 2)
        weights = {"one": np.ones(len(degrees)), "adamic_adar": 1 / np.log(degrees), "resource_allocation": 1 / degrees}
        self.weights = weights[self.setting("weight")]

    def outputs(self, examples: Sequence[NodePair]) -> Tensor:
        """(pairs,)."""
        pairs = pairs_of(examples, range(len(examples)))
        found = []
        for first in range(0, len(pairs), _PAIRS):
            shared = common(self.edges, pairs[first : first + _PAIRS])
            matrix = scipy.sparse.csr_matrix(
                (shared.values.numpy(), shared.columns.numpy(), shared.pointers.numpy()), shared.shape
            )
            found.append(matrix @ self.weights)
        return torch.from_numpy(np.concatenate(found))


class Katz(Baseline):
    r"""$\sum_{l=1}^{L} \beta^l A^l$: the number of walks between two nodes, longer ones with less weight (Katz 1953,
    doi:10.1007/BF02289026). $\beta$ is given as a part of 1 / the largest eigenvalue of A, above which the sum has no limit.

    Args:
        beta: as that part; null: chosen on the validation split
        longest: L
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"beta": (0.5, 0.05, 0.9)}

    def __init__(self, beta: PositiveFloat | None = None, longest: Positive = 6) -> None:
        self.beta = beta
        self.longest = longest

    def fit(self, examples: Sequence[NodePair], dims: Mapping[str, Any]) -> None:
        """Keep the known edges.

        Raises:
            DataError: the graph has too many nodes.
        """
        graph = examples[0].graph
        if len(graph) > MOST_NODES:
            raise DataError(f"walks are counted to all nodes; {len(graph):,} are more than {MOST_NODES:,}")
        self.edges = graph.edges
        vector = np.random.default_rng(0).random(len(graph))
        for _ in range(50):
            vector = self.edges @ vector + 1e-3 * vector
            vector /= np.linalg.norm(vector)
        self.step = self.setting("beta") / float(np.linalg.norm(self.edges @ vector))

    def outputs(self, examples: Sequence[NodePair]) -> Tensor:
        """(pairs,)."""
        pairs = pairs_of(examples, range(len(examples)))
        starts, place = np.unique(pairs[:, 0], return_inverse=True)
        found = np.zeros(len(pairs))
        for first in range(0, len(starts), _BLOCK):
            block = starts[first : first + _BLOCK]
            mine = np.flatnonzero((place >= first) & (place < first + len(block)))
            walks = np.zeros((self.edges.shape[0], len(block)))
            walks[block, np.arange(len(block))] = 1
            for _ in range(self.longest):
                walks = self.step * (self.edges @ walks)
                found[mine] += walks[pairs[mine, 1], place[mine] - first]
        return torch.from_numpy(found)


class PropagatedFeatures(Baseline):
    r"""Untrained propagation of features: the similarity of two nodes' rows of $S^k X$ with $S = D^{-1/2} (A + I) D^{-1/2}$
    (arXiv:2406.16687). It is close to trained networks, so it is the bar. Nodes without features get their places in the graph.

    Args:
        steps: k; null: chosen on the validation split
        similarity: `product` or `cosine` of the rows; null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"similarity": ("product", "cosine"), "steps": (2, 1, 3)}

    def __init__(self, steps: Positive | None = None, similarity: Literal["product", "cosine"] | None = None) -> None:
        self.steps = steps
        self.similarity = similarity

    def fit(self, examples: Sequence[NodePair], dims: Mapping[str, Any]) -> None:
        """Spread the features along the known edges."""
        table: Any = spread(examples[0].graph, self.setting("steps"))
        if self.setting("similarity") == "cosine":
            squares = (
                table.multiply(table).sum(axis=1) if scipy.sparse.issparse(table) else np.square(table).sum(axis=1)
            )
            table = scipy.sparse.diags(1 / np.sqrt(np.maximum(np.asarray(squares).ravel(), 1e-300))) @ table
        self.table = table.tocsr() if scipy.sparse.issparse(table) else table

    def outputs(self, examples: Sequence[NodePair]) -> Tensor:
        """(pairs,)."""
        pairs = pairs_of(examples, range(len(examples)))
        found = []
        for first in range(0, len(pairs), 10_000):
            one, other = (self.table[pairs[first : first + 10_000, side]] for side in (0, 1))
            both = one.multiply(other).sum(axis=1) if scipy.sparse.issparse(one) else (one * other).sum(axis=1)
            found.append(np.asarray(both, np.float64).ravel())
        return torch.from_numpy(np.concatenate(found))


class LinearEncoder(Baseline):
    r"""A graph auto-encoder with one linear step, $\sigma(z_i^\top z_j)$ with $z = S X W$ (Salha et al. 2019, arXiv:1910.00942).

    Args:
        channels: length of z
        epochs: number of steps, each over all training edges and as many pairs drawn anew
        lr: learning rate
    """

    def __init__(self, channels: Positive = 32, epochs: Positive = 200, lr: PositiveFloat = 1e-2) -> None:
        self.channels = channels
        self.epochs = epochs
        self.lr = lr

    def fit(self, examples: Sequence[NodePair], dims: Mapping[str, Any]) -> None:
        """Learn W."""
        graph = examples[0].graph
        table = spread(graph, 1)
        if scipy.sparse.issparse(table):
            table = table.tocsr().astype(np.float32)
            table.sort_indices()
            features: Any = SparseMatrix.of(table)
        else:
            features = torch.from_numpy(np.asarray(table, np.float32))
        links = torch.from_numpy(pairs_of(examples, range(len(examples))))
        random = np.random.default_rng(0)
        weight = torch.from_numpy(random.standard_normal((features.shape[1], self.channels)).astype(np.float32))
        weight = (weight / features.shape[1] ** 0.5).requires_grad_()
        keys = torch.from_numpy(np.sort(pair_keys(links.numpy(), len(graph))))
        optimizer = torch.optim.Adam([weight], lr=self.lr)
        with torch.enable_grad():
            for _ in range(self.epochs):
                others = torch.from_numpy(random.integers(0, len(graph), links.shape))
                near = pair_keys(others.numpy(), len(graph))
                free = keys[
                    torch.searchsorted(keys, torch.from_numpy(near)).clamp(max=len(keys) - 1)
                ] != torch.from_numpy(near)
                vectors = _times(features, weight)
                scores = [(vectors[part[:, 0]] * vectors[part[:, 1]]).sum(dim=1) for part in (links, others[free])]
                loss = F.softplus(-scores[0]).mean() + F.softplus(scores[1]).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        self.vectors = _times(features, weight).detach()

    def outputs(self, examples: Sequence[NodePair]) -> Tensor:
        """(pairs,)."""
        pairs = torch.from_numpy(pairs_of(examples, range(len(examples))))
        return (self.vectors[pairs[:, 0]] * self.vectors[pairs[:, 1]]).sum(dim=1).double()


def _times(features: Any, weight: Tensor) -> Tensor:
    return product(features, weight) if isinstance(features, SparseMatrix) else features @ weight


def spread(graph: Graph, steps: int) -> Any:
    """(nodes, features): the features after some steps along the known edges."""
    matrix = graph_matrix(graph.edges, "symmetric", self_loops=True)
    table = node_features(graph)
    for _ in range(steps):
        table = matrix @ table
    return table
