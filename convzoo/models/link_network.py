"""A graph convolution whose vectors say which nodes are linked."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive, Probability
from convzoo.layers.dropout import Dropout
from convzoo.layers.graph import FeatureDropout, FeatureLinear
from convzoo.ops.sparse import EdgeList, GraphTensors, SparseMatrix, nodes_within, product

Head = Literal["common_neighbours", "inner_product"]


class LinkNetwork(nn.Module):
    r"""Logits of links: $\alpha \cos(h_i, h_j) + d(i, j) + \mathrm{MLP}(u_i \odot u_j, \sum_{k \in N(i) \cap N(j)} u_k, c)$.

    The vectors h are those of linear graph convolutions, $\tilde A (\ldots \tilde A X W_1) W_2$ (Kipf & Welling 2016,
    arXiv:1611.07308; without the activation, as Salha et al. 2019, arXiv:1910.00942), and u is h with length 1. $W_1$ begins as a
    random projection and the others as the identity, so the network begins as what untrained propagation of the features gives
    (arXiv:2406.16687) and learns from there. The MLP also sees the sum of the vectors of the common neighbours (NCN, Wang et al.
    2023, arXiv:2302.00890, eq. 5) and c: their number, Adamic-Adar and resource allocation, as logarithms. d is
    linear in the logarithms of the degrees. The last layer of the MLP begins with zeros.

    Args:
        in_channels: number of features of a node
        channels: length of a node's vector
        layers: number of convolutions one after another
        dropout: probability, of the vectors between layers and in the MLP
        feature_dropout: probability, of the features
        head: `common_neighbours` as above; `inner_product` is the first term and d alone

    Shape:
        graph: features (nodes, in_channels) and matrix (nodes, nodes) with a loop at each node; pairs: (pairs, 2) row numbers;
        common: (pairs, nodes), 1 where a node is a neighbour of both.
        output: logits (pairs,).
    """

    def __init__(
        self,
        in_channels: FromData[int],
        channels: Positive = 128,
        layers: Positive = 2,
        dropout: Probability = 0.5,
        feature_dropout: Probability = 0.5,
        head: Head = "common_neighbours",
    ) -> None:
        super().__init__()
        self.hops = layers
        self.head = head
        self.dropout = Dropout(dropout)
        self.feature_dropout = FeatureDropout(feature_dropout if in_channels > 32 else 0.0)
        self.first = FeatureLinear(in_channels, channels, True)
        self.layers = nn.ModuleList([nn.Linear(channels, channels) for _ in range(layers - 1)])
        for layer in self.layers:
            nn.init.eye_(layer.weight)  # type: ignore[arg-type]
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        self.closeness = nn.Parameter(torch.tensor([5.0, -1.0]))
        self.of_degrees = nn.Parameter(torch.zeros(3))
        self.mlp: nn.Module | None = None
        if head == "common_neighbours":
            last = nn.Linear(channels, 1)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.mlp = nn.Sequential(
                Dropout(dropout), nn.Linear(2 * channels + 3, channels), nn.ReLU(), Dropout(dropout), last
            )
        self._computed: tuple[tuple, GraphTensors, Tensor] | None = None

    def node_vectors(self, graph: GraphTensors) -> Tensor:
        """(nodes, channels): the vectors of all nodes, with length 1. Outside training they are kept until a weight changes."""
        if torch.is_grad_enabled() or isinstance(graph.adjacency, EdgeList):
            return self._all(graph)
        now = tuple((p.data_ptr(), p._version, p.dtype) for p in self.parameters())
        kept = self._computed
        if self.training or kept is None or kept[0] != now or kept[1] is not graph:
            kept = (now, graph, self._all(graph))
            self._computed = None if self.training else kept
        return kept[2]

    def train(self, mode: bool = True) -> "LinkNetwork":
        """In training mode, forget the kept vectors: a fused optimizer changes weights without a new version number."""
        if mode:
            self._computed = None
        return super().train(mode)

    def _all(self, graph: GraphTensors) -> Tensor:
        x = product(graph.adjacency, self.first(self.feature_dropout(graph.features)))
        for layer in self.layers:
            x = product(graph.adjacency, layer(self.dropout(x)))
        return F.normalize(x, dim=1)

    def forward(
        self,
        graph: GraphTensors,
        pairs: Int[Tensor, "pairs 2"],
        common: SparseMatrix | EdgeList,
    ) -> Float[Tensor, " pairs"]:
        """Logits of some pairs."""
        vectors = self.node_vectors(graph)
        both = vectors[pairs[:, 0]] * vectors[pairs[:, 1]]  # (pairs, channels)
        degrees = degrees_of(graph.adjacency).to(vectors.dtype)
        logarithms = degrees.log1p()
        one, other = logarithms[pairs[:, 0]], logarithms[pairs[:, 1]]
        of_degrees = torch.stack([one + other, one * other, (one - other).abs()], dim=1) @ self.of_degrees
        found = self.closeness[0] * both.sum(dim=1) + self.closeness[1] + of_degrees
        if self.mlp is None:
            return found
        # A node that is common to two has at least two neighbours.
        known = degrees.clamp(min=2)
        weights = torch.stack([torch.ones_like(known), 1 / known.log(), 1 / known], dim=1)
        shared = product(common, torch.cat([vectors, weights], dim=1))  # (pairs, channels + 3)
        width = vectors.shape[1]
        seen = torch.cat([both * width**0.5, shared[:, :width], shared[:, width:].log1p()], dim=1)
        return found + self.mlp(seen).squeeze(1)

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """For each convolution, how many nodes the first node's vector depends on."""
        sees = nodes_within(inputs["graph"].adjacency, int(inputs["pairs"][0, 0]), self.hops)
        found: dict[str, tuple[int, ...]] = {f"layers.{at}": (sees[at + 2],) for at in range(self.hops - 1)}
        return {"first": (sees[1],), **found}

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """The network in the form that exporters take: the matrices as lists of entries, the features dense."""
        graph, common = inputs["graph"], inputs["common"]
        features = graph.features.dense() if isinstance(graph.features, SparseMatrix) else graph.features
        entries = {
            "rows": graph.adjacency.rows(),
            "columns": graph.adjacency.columns.long(),
            "weights": graph.adjacency.values,
        }
        # Two entries of weight 0: exporters take a length of 0 or 1 for one that never changes.
        none = common.columns.new_zeros(2).long()
        shared = {
            "common_rows": torch.cat([common.rows(), none]),
            "common_columns": torch.cat([common.columns.long(), none]),
            "common_weights": torch.cat([common.values, common.values.new_zeros(2)]),
        }
        return _OverEdgeLists(self), {
            "features": features, **entries, "one": inputs["pairs"][:, 0], "other": inputs["pairs"][:, 1], **shared,
        }  # fmt: skip


def degrees_of(matrix: SparseMatrix | EdgeList) -> Tensor:
    """(rows,): the number of entries of each row, without its loop."""
    if isinstance(matrix, SparseMatrix):
        return matrix.pointers.diff() - 1
    ones = torch.ones_like(matrix.values)
    found = product(EdgeList(matrix.rows, matrix.columns, ones, matrix.height), ones.new_ones(matrix.height, 1))
    return found.squeeze(1) - 1


class _OverEdgeLists(nn.Module):
    def __init__(self, network: LinkNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        features: Float[Tensor, "nodes features"],
        rows: Int[Tensor, " edges"],
        columns: Int[Tensor, " edges"],
        weights: Float[Tensor, " edges"],
        one: Int[Tensor, " pairs"],
        other: Int[Tensor, " pairs"],
        common_rows: Int[Tensor, " common"],
        common_columns: Int[Tensor, " common"],
        common_weights: Float[Tensor, " common"],
    ) -> Float[Tensor, " pairs"]:
        """Logits of the pairs."""
        graph = GraphTensors(features, EdgeList(rows, columns, weights, features.shape[0]))
        pairs = torch.stack([one, other], dim=1)
        return self.network(graph, pairs, EdgeList(common_rows, common_columns, common_weights, pairs.shape[0]))
