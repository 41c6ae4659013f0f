"""A graph convolution that learns without labels to tell nodes in their surroundings from mixed-up ones."""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Count, FromData, Positive
from convzoo.layers.graph import FeatureLinear
from convzoo.ops.sparse import EdgeList, GraphTensors, SparseMatrix, nodes_within, product


class CommunityNetwork(nn.Module):
    r"""Deep Graph Infomax (Veličković et al. 2019, arXiv:1809.10341): $h_i = \mathrm{PReLU}((\tilde A X W)_i)$ is learnt so that
    the product $h_i^\top M s$ with the summary $s = \sigma(\frac{1}{n} \sum_j h_j)$ of the graph is high, and low where the
    features of the nodes are mixed up.

    Outside training a node's vector is $(\tilde A^k h)_i$ with length 1: a mean over its surroundings, which communities are
    found in. The vectors are kept until a weight changes.

    Args:
        in_channels: number of features of a node
        channels: length of a node's vector
        smoothing: k

    Shape:
        graph: features (nodes, in_channels) and matrix (nodes, nodes); nodes: (batch,) row numbers; order: (nodes,) row numbers,
        which node's features each node gets; None outside training.
        output: vectors (batch, channels). With an order a dictionary of `true` and `mixed`, (batch,), the logits of both.
    """

    def __init__(self, in_channels: FromData[int], channels: Positive = 256, smoothing: Count = 2) -> None:
        super().__init__()
        self.first = FeatureLinear(in_channels, channels, True)
        self.activation = nn.PReLU()
        self.compare = nn.Parameter(torch.empty(channels, channels))
        nn.init.xavier_uniform_(self.compare)
        self.smoothing = smoothing
        self.hops = 1 + smoothing
        self._computed: tuple[tuple, GraphTensors, Tensor] | None = None

    def forward(
        self, graph: GraphTensors, nodes: Int[Tensor, " batch"], order: Int[Tensor, " nodes"] | None = None
    ) -> Any:
        """Vectors of some nodes; in training what tells them from mixed-up ones."""
        if order is None:
            return self._smoothed(graph)[nodes]
        projected = self.first(graph.features)
        true, mixed = (self.activation(product(graph.adjacency, x)) for x in (projected, projected[order]))
        wanted = self.compare @ true.mean(dim=0).sigmoid()
        return {"true": true[nodes] @ wanted, "mixed": mixed[nodes] @ wanted}

    def _smoothed(self, graph: GraphTensors) -> Tensor:
        """(nodes, channels)."""
        keeps = not self.training and not torch.is_grad_enabled() and not isinstance(graph.adjacency, EdgeList)
        now = tuple((p.data_ptr(), p._version, p.dtype) for p in self.parameters()) if keeps else ()
        kept = self._computed
        if keeps and kept is not None and kept[0] == now and kept[1] is graph:
            return kept[2]
        x = self.activation(product(graph.adjacency, self.first(graph.features)))
        for _ in range(self.smoothing):
            x = product(graph.adjacency, x)
        found = F.normalize(x, dim=1)
        if keeps:
            self._computed = (now, graph, found)
        return found

    def train(self, mode: bool = True) -> "CommunityNetwork":
        """In training mode, forget the kept vectors: a fused optimizer changes weights without a new version number."""
        if mode:
            self._computed = None
        return super().train(mode)

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """How many nodes the first node's vector depends on."""
        return {"first": (nodes_within(inputs["graph"].adjacency, int(inputs["nodes"][0]), self.hops)[-1],)}

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """The network in the form that exporters take: the matrix as a list of entries, the features dense."""
        graph = inputs["graph"]
        features = graph.features.dense() if isinstance(graph.features, SparseMatrix) else graph.features
        tensors = {"features": features, "rows": graph.adjacency.rows(), "columns": graph.adjacency.columns.long()}
        return _OverEdgeList(self), {**tensors, "weights": graph.adjacency.values, "nodes": inputs["nodes"]}


class _OverEdgeList(nn.Module):
    def __init__(self, network: CommunityNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        features: Float[Tensor, "graph_nodes features"],
        rows: Int[Tensor, " edges"],
        columns: Int[Tensor, " edges"],
        weights: Float[Tensor, " edges"],
        nodes: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch channels"]:
        """Vectors of the nodes whose numbers are given."""
        return self.network(GraphTensors(features, EdgeList(rows, columns, weights, features.shape[0])), nodes)
