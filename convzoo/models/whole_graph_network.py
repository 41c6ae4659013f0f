"""Networks of graph convolutions with a pooling over the nodes, for whole graphs."""

from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, FromData, Positive, PositiveFloat, Probability
from convzoo.layers.activation import activation_layer
from convzoo.layers.dropout import Dropout
from convzoo.layers.graph import (
    FeatureLinear,
    GraphBlock,
    GraphPooling,
    GraphPoolingKind,
    InitialResidual,
    NodeNormalisation,
    PersonalisedPageRank,
    node_normalisation,
)
from convzoo.ops.sparse import EdgeList, GraphTensors, SparseMatrix, nodes_within

WholeConvolution = Literal["gin", "gine", "gcn", "sage", "gat", "cheb", "gcn2", "appnp"]


class WholeGraphNetwork(nn.Module):
    """Classes of whole graphs, or numbers: a linear layer, convolutions, a pooling over the nodes, two linear layers.

    Sources: `gin` Xu et al. 2019 (arXiv:1810.00826), `gine`, which takes edge features, Hu et al. 2020 (arXiv:1905.12265), the
    others as in `GraphNetwork`. Convolutions stand in blocks (`GraphBlock`), with a residual connection and normalisation or
    without; `gcn2` and `appnp` bring something of the beginning back at each step instead.

    Args:
        in_channels: number of features of a node
        classes: number of classes
        edge_channels: number of features of an edge; only `gine` looks at them
        matrix: the kind of matrix that the encoder made of the graph
        usual_size: the usual number of nodes; sums over nodes are divided by it
        conv: the kind of convolution
        layers: number of convolutions (for `appnp`, of steps along the edges)
        channels: width of all layers
        pooling: how the nodes of a graph become one vector; several are put side by side
        readout: pool the nodes after the `last` convolution, or after `all` of them and add the vectors up
        residual: residual blocks
        normalisation: in the blocks
        dropout: probability, in the blocks and before the last layer
        activation: in the blocks and before the last layer
        heads: for `gat`
        order: for `cheb`, number of terms of the polynomials
        alpha: for `gcn2` and `appnp`, the part of the beginning that is kept at each step
        theta: for `gcn2`, how strongly its layers mix the channels

    Shape:
        graph: features (nodes, in_channels) and matrix (nodes, nodes) of all graphs of the batch, side by side; member: (nodes,),
            the number of each node's graph; counts: (batch,), how many nodes each graph has.
        output: logits (batch, classes).

    Raises:
        ValueError: the convolution and the matrix do not fit; channels is no multiple of heads; no pooling is given.
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        edge_channels: FromData[int] = 0,
        matrix: FromData[str] = "adjacency",
        usual_size: FromData[float] = 1.0,
        conv: WholeConvolution = "gine",
        layers: Positive = 4,
        channels: Positive = 64,
        pooling: list[GraphPoolingKind] = ["sum"],
        readout: Literal["last", "all"] = "last",
        residual: bool = True,
        normalisation: NodeNormalisation = "layer",
        dropout: Probability = 0.0,
        activation: Activation = "relu",
        heads: Positive = 4,
        order: Positive = 3,
        alpha: Probability = 0.1,
        theta: PositiveFloat = 0.5,
    ) -> None:
        super().__init__()
        if (conv == "cheb") != (matrix == "laplacian"):
            fitting = "laplacian" if conv == "cheb" else "adjacency, random_walk or symmetric"
            raise ValueError(f"conv: {conv} needs encoder.matrix: {fitting}; it is {matrix}")
        if not pooling:
            raise ValueError("pooling: is empty; take one or more of sum, mean, max and attention")
        self.conv = conv
        self.readout = readout
        self.hops = layers * (order - 1) if conv == "cheb" else layers
        self.embedding = FeatureLinear(in_channels, channels, True)
        self.activation = activation_layer(activation)
        self.blocks: nn.ModuleList
        if conv == "gcn2":
            self.blocks = nn.ModuleList(InitialResidual(channels, alpha, theta, at) for at in range(1, layers + 1))
        elif conv == "appnp":
            self.blocks = nn.ModuleList([PersonalisedPageRank(layers, alpha)])
        else:
            self.blocks = nn.ModuleList(
                GraphBlock(conv, channels, normalisation, residual, dropout, activation, edge_channels, heads, order)
                for _ in range(layers)
            )
        self.normalisation = node_normalisation(normalisation, channels)
        self.poolings = nn.ModuleList(GraphPooling(kind, channels, usual_size) for kind in pooling)
        self.hidden = nn.Linear(len(pooling) * channels, channels)
        self.dropout = Dropout(dropout)
        self.last = nn.Linear(channels, classes)

    def forward(
        self, graph: GraphTensors, member: Int[Tensor, " nodes"], counts: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the graphs."""
        pooled = self._pooled(self._nodes(graph), member, counts)
        return self.last(self.dropout(self.activation(self.hidden(pooled))))

    def _nodes(self, graph: GraphTensors) -> list[Tensor]:
        """The nodes' values that are pooled: after the last convolution, or before the first and after each."""
        adjacency = graph.adjacency
        if self.conv in ("gine", "gat") and isinstance(adjacency, SparseMatrix):
            adjacency = adjacency.entries()  # once for all layers
        begin = x = self.activation(self.embedding(graph.features))
        found = [x]
        for block in self.blocks:
            if self.conv == "gcn2":
                x = self.activation(block(self.dropout(x), begin, adjacency))
            elif self.conv == "appnp":
                x = block(x, adjacency)
            else:
                x = block(x, adjacency, graph.edge_features)
            found.append(x)
        return found if self.readout == "all" else found[-1:]

    def _pooled(self, values: list[Tensor], member: Tensor, counts: Tensor) -> Tensor:
        found = []
        for x in values:
            x = self.normalisation(x)
            found.append(torch.cat([pooling(x, member, counts) for pooling in self.poolings], dim=1))
        return found[0] if len(found) == 1 else torch.stack(found).sum(dim=0)

    def node_weights(
        self, graph: GraphTensors, member: Int[Tensor, " nodes"], counts: Int[Tensor, " batch"]
    ) -> Float[Tensor, " nodes"] | None:
        """With attention pooling, how much each node counts in its graph; None without."""
        kinds = [pooling for pooling in self.poolings if pooling.kind == "attention"]
        return kinds[0].attention_of(self.normalisation(self._nodes(graph)[-1]), member, counts) if kinds else None  # type: ignore[operator]

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """For each convolution, how many nodes the first node's values depend on; after the pooling, all of the first graph."""
        sees = nodes_within(inputs["graph"].adjacency, 0, self.hops)
        whole: dict[str, tuple[int, ...]] = {name: (int(inputs["counts"][0]),) for name in ("hidden", "last")}
        if self.conv == "appnp":
            return {"blocks.0": (sees[-1],), **whole}
        each = self.hops // len(self.blocks)
        part = "" if self.conv == "gcn2" else ".convolution"
        found: dict[str, tuple[int, ...]] = {
            f"blocks.{at}{part}": (sees[each * (at + 1)],) for at in range(len(self.blocks))
        }
        return found | whole

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """The network in the form that exporters take: the matrix as a list of entries."""
        graph = inputs["graph"]
        tensors = {
            "features": graph.features,
            "rows": graph.adjacency.rows(),
            "columns": graph.adjacency.columns.long(),
            "weights": graph.adjacency.values,
            "member": inputs["member"],
            "counts": inputs["counts"],
        }
        if graph.edge_features is not None and self.conv == "gine":
            tensors["edge_features"] = graph.edge_features
        return _OverEdgeList(self), tensors


class _OverEdgeList(nn.Module):
    def __init__(self, network: WholeGraphNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        features: Float[Tensor, "nodes features"],
        rows: Int[Tensor, " edges"],
        columns: Int[Tensor, " edges"],
        weights: Float[Tensor, " edges"],
        member: Int[Tensor, " nodes"],
        counts: Int[Tensor, " batch"],
        edge_features: Float[Tensor, "edges edge_features"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the graphs, whose nodes stand one graph after another."""
        edges = EdgeList(rows, columns, weights, features.shape[0])
        return self.network(GraphTensors(features, edges, edge_features), member, counts)
