"""Networks of graph convolutions, for the nodes of one graph."""

from itertools import pairwise
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Count, FromData, Positive, PositiveFloat, Probability
from convzoo.core.model import HasOwnDecay
from convzoo.layers.activation import activation_layer
from convzoo.layers.dropout import Dropout
from convzoo.layers.graph import (
    Chebyshev,
    FeatureDropout,
    FeatureLinear,
    GeneralisedPageRank,
    GraphAttention,
    GraphBlock,
    GraphConvolution,
    GraphIsomorphism,
    InitialResidual,
    MixedHops,
    NodeNormalisation,
    PersonalisedPageRank,
    SampleAndAggregate,
    node_normalisation,
)
from convzoo.ops.sparse import EdgeList, GraphTensors, SparseMatrix, nodes_within

_BLOCK = 65_536
"""Number of nodes that are computed at once when no gradient is needed."""

FEW = 32
"""Up to this many features, `gprgnn` drops none of them."""

ConvolutionKind = Literal["gcn", "sage", "gat", "gcn2", "appnp", "gprgnn", "cheb", "mixhop", "gin"]

IN_BLOCKS = ("gcn", "sage", "gat", "cheb", "gin")
"""The convolutions that may stand in residual blocks."""


class GraphNetwork(nn.Module):
    """Classes of a graph's nodes.

    `gcn`, `sage`, `gat`, `cheb` and `gin` are stacks of dropout, convolution and activation, the last one without activation.
    With `residual` they are a linear layer, residual blocks with normalisation (`GraphBlock`) and a linear layer, as in Platonov
    et al. 2023 (arXiv:2302.11640), and may be deep. `gcn2` has a linear layer before and after its convolutions; `appnp` and
    `gprgnn` have linear layers, and then spread their outputs over the graph; `gprgnn` learns how much each number of steps
    counts, so it also serves graphs whose neighbours differ. `mixhop` has one linear layer and the activation, puts a node's
    values beside the sums over its neighbours at 1, 2, … `layers` steps, and has a linear layer over all of them: it serves
    graphs of both kinds, with a matrix without self-loops.

    Sources: `gcn` Kipf & Welling 2017 (arXiv:1609.02907), `sage` Hamilton et al. 2017 (arXiv:1706.02216), `gat` Veličković et al.
    2018 (arXiv:1710.10903), `gin` Xu et al. 2019 (arXiv:1810.00826), `gcn2` Chen et al. 2020 (arXiv:2007.02133), `appnp`
    Gasteiger et al. 2019 (arXiv:1810.05997), `gprgnn` Chien et al. 2021 (arXiv:2006.07988), `cheb` Defferrard et al. 2016
    (arXiv:1606.09375), `mixhop` Abu-El-Haija et al. 2019 (arXiv:1905.00067) and Zhu et al. 2020 (arXiv:2006.11468).

    Outside training, all nodes are computed layer by layer, once for each state of the weights. So the memory is that of the
    widest layer, and scoring a graph in many batches costs no more than in one.

    Args:
        in_channels: number of features of a node
        classes: number of classes
        matrix: the kind of matrix that the encoder made of the graph
        hops: number of hops of neighbours that the encoder samples; 0 if it gives the whole graph
        conv: the kind of convolution
        layers: number of convolutions one after another (for `appnp` and `gprgnn`, linear layers; for `mixhop`, steps along the
            edges)
        channels: width of the hidden layers (for `gat`, of a head)
        dropout: probability, before each layer
        activation: between layers
        residual: residual blocks, for `gcn`, `sage`, `gat`, `cheb` and `gin`; `channels` is then the width of all heads together
        normalisation: in residual blocks
        heads: for `gat`, number of heads in all layers except the last
        last_heads: for `gat`, number of heads in the last layer, which are averaged
        attention_dropout: for `gat`, on the attention weights
        order: for `cheb`, number of terms of the polynomials
        alpha: for `gcn2`, `appnp` and at the start of `gprgnn`, the part of a node's first features that is kept at each step
        theta: for `gcn2`, how strongly its layers mix the channels
        steps: for `appnp` and `gprgnn`, number of steps along the edges
        plain_end: do not apply weight decay to the last layer, as in the papers of `gcn` and `cheb`
        end_decay: for `gcn2`, the recipe's weight decay is multiplied by this for the two linear layers

    Shape:
        graph: features (nodes, in_channels) and matrix (nodes, nodes); nodes: (batch,) row numbers.
        output: logits (batch, classes).
    """

    def __init__(
        self,
        in_channels: FromData[int],
        classes: FromData[int],
        matrix: FromData[str] = "symmetric",
        hops: FromData[int] = 0,
        conv: ConvolutionKind = "gcn",
        layers: Positive = 2,
        channels: Positive = 16,
        dropout: Probability = 0.5,
        activation: Activation = "relu",
        residual: bool = False,
        normalisation: NodeNormalisation = "layer",
        heads: Positive = 8,
        last_heads: Positive = 1,
        attention_dropout: Probability = 0.0,
        order: Positive = 3,
        alpha: Probability = 0.1,
        theta: PositiveFloat = 0.5,
        steps: Count = 10,
        plain_end: bool = False,
        end_decay: float = 1.0,
    ) -> None:
        super().__init__()
        if (conv == "cheb") != (matrix == "laplacian"):
            fitting = "laplacian" if conv == "cheb" else "symmetric, random_walk or adjacency"
            raise ValueError(f"conv: {conv} needs encoder.matrix: {fitting}; it is {matrix}")
        if residual and conv not in IN_BLOCKS:
            raise ValueError(
                f"residual: conv: {conv} has no residual blocks; take {', '.join(IN_BLOCKS)}, or residual: false"
            )
        steps_away = layers * (order - 1) if conv == "cheb" else steps if conv in ("appnp", "gprgnn") else layers
        if hops and hops != steps_away:
            raise ValueError(
                f"encoder.neighbours samples {hops} hops, but conv: {conv} with these settings needs {steps_away}"
            )
        self.conv = conv
        self.hops = steps_away
        self.residual = residual
        self.dense_only = conv in ("sage", "gat", "cheb", "gin") and not residual
        widths = [in_channels, *[channels] * (layers - 1), classes]
        ends: list[nn.Module] = []
        self.first: nn.Module | None = None
        self.last: nn.Module | None = None
        if residual:
            self.first = FeatureLinear(in_channels, channels, True)
            kinds: list[nn.Module] = [
                GraphBlock(conv, channels, normalisation, True, dropout, activation, 0, heads, order)  # type: ignore[arg-type]
                for _ in range(layers)
            ]
            self.last = nn.Sequential(node_normalisation(normalisation, channels), nn.Linear(channels, classes))
        elif conv == "gcn2":
            self.first, self.last = FeatureLinear(in_channels, channels, True), nn.Linear(channels, classes)
            ends = [self.first, self.last]
            kinds = [InitialResidual(channels, alpha, theta, number) for number in range(1, layers + 1)]
        elif conv in ("appnp", "gprgnn"):
            kinds = [FeatureLinear(*pair, True) for pair in pairwise(widths)]
            self.last = PersonalisedPageRank(steps, alpha) if conv == "appnp" else GeneralisedPageRank(steps, alpha)
        elif conv == "mixhop":
            kinds = [FeatureLinear(in_channels, channels, True)]
            self.first = MixedHops(layers)
            self.last = nn.Linear((layers + 1) * channels, classes)
        elif conv == "gat":
            kinds = [
                GraphAttention(
                    in_channels if number == 0 else channels * heads, classes if number == layers - 1 else channels,
                    last_heads if number == layers - 1 else heads, number < layers - 1, attention_dropout,
                )
                for number in range(layers)
            ]  # fmt: skip
        else:
            make: Any = {
                "gcn": GraphConvolution, "sage": SampleAndAggregate, "cheb": Chebyshev, "gin": GraphIsomorphism,
            }[conv]  # fmt: skip
            more = {"order": order} if conv == "cheb" else {}
            kinds = [make(*pair, **more) for pair in pairwise(widths)]
        self.layers = nn.ModuleList(kinds)
        # Of a few features each may be the only one of its kind; of many words some may go.
        first = 0.0 if conv == "gprgnn" and in_channels <= FEW else dropout
        # How many layers are preceded by dropout; residual blocks have their own.
        dropped = 1 if residual else len(kinds) + {"gcn2": 2, "mixhop": 1}.get(conv, 0)
        self.dropouts = nn.ModuleList([FeatureDropout(first), *(Dropout(dropout) for _ in range(dropped - 1))])
        self.activation = activation_layer(activation)
        for module in ends:
            cast(HasOwnDecay, module).decay = end_decay
        if plain_end:
            for module in (self.last if residual and self.last is not None else self.layers[-1]).modules():
                cast(HasOwnDecay, module).decay = 0.0
        self._computed: tuple[tuple, GraphTensors, Tensor] | None = None

    def forward(self, graph: GraphTensors, nodes: Int[Tensor, " batch"]) -> Float[Tensor, "batch classes"]:
        """Logits of some nodes."""
        if torch.is_grad_enabled() or isinstance(graph.adjacency, EdgeList):
            return self._all(graph)[nodes]
        now = tuple((p.data_ptr(), p._version, p.dtype) for p in self.parameters())
        kept = self._computed
        if self.training or kept is None or kept[0] != now or kept[1] is not graph:
            kept = (now, graph, self._all(graph))
            self._computed = None if self.training else kept
        return kept[2][nodes]

    def train(self, mode: bool = True) -> "GraphNetwork":
        """In training mode, forget the kept outputs: a fused optimizer changes weights without a new version number."""
        if mode:
            self._computed = None
        return super().train(mode)

    def _all(self, graph: GraphTensors) -> Tensor:
        """(nodes, classes)."""
        x: Any = graph.features
        adjacency = graph.adjacency
        if self.dense_only and isinstance(x, SparseMatrix):
            x = x.dense()
        dropouts = iter(self.dropouts)
        if self.residual:
            x = next(dropouts)(self.activation(self.first(x)))  # type: ignore[misc]
            for layer in self.layers:
                x = layer(x, adjacency)
            return self.last(x)  # type: ignore[misc]
        if self.conv == "gcn2":
            begin = x = self.activation(self.first(next(dropouts)(x)))  # type: ignore[misc]
            for layer in self.layers:
                x = self.activation(layer(next(dropouts)(x), begin, adjacency))
            return self.last(next(dropouts)(x))  # type: ignore[misc]
        if self.conv == "mixhop":
            x = self._activated(self.layers[0](next(dropouts)(x)))
            return self.last(next(dropouts)(self.first(x, adjacency)))  # type: ignore[misc]
        for number, layer in enumerate(self.layers):
            x = next(dropouts)(x)
            x = layer(x) if self.conv in ("appnp", "gprgnn") else layer(x, adjacency)
            if number < len(self.layers) - 1:
                x = self._activated(x)
        return self.last(x, adjacency) if self.last is not None else x

    def _activated(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() or len(x) <= _BLOCK:
            return self.activation(x)
        for part in x.split(_BLOCK):  # in place: a second copy of the values of all nodes would need much memory
            part.copy_(self.activation(part))
        return x

    def receptive_fields(self, inputs: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """For each layer on the graph, how many nodes the first node's output depends on."""
        graph, node = inputs["graph"], int(inputs["nodes"][0])
        sees = nodes_within(graph.adjacency, node, self.hops)
        if self.conv in ("appnp", "gprgnn"):
            return {"last": (sees[-1],)}
        if self.conv == "mixhop":
            return {"layers.0": (1,), "first": (sees[-1],), "last": (sees[-1],)}
        each = self.hops // len(self.layers)
        if self.residual:
            return {f"layers.{number}.convolution": (sees[each * (number + 1)],) for number in range(len(self.layers))}
        found: dict[str, tuple[int, ...]] = {
            f"layers.{number}": (sees[each * (number + 1)],) for number in range(len(self.layers))
        }
        return found | ({"last": (sees[-1],)} if self.last is not None else {})

    def exported(self, inputs: dict[str, Any]) -> tuple[nn.Module, dict[str, Tensor]]:
        """The network in the form that exporters take: the matrix as a list of entries, the features dense."""
        graph = inputs["graph"]
        features = graph.features.dense() if isinstance(graph.features, SparseMatrix) else graph.features
        entries = {"rows": graph.adjacency.rows(), "columns": graph.adjacency.columns.long()}
        tensors = {"features": features, **entries, "weights": graph.adjacency.values, "nodes": inputs["nodes"]}
        return _OverEdgeList(self), tensors


class _OverEdgeList(nn.Module):
    def __init__(self, network: GraphNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        features: Float[Tensor, "graph_nodes features"],
        rows: Int[Tensor, " edges"],
        columns: Int[Tensor, " edges"],
        weights: Float[Tensor, " edges"],
        nodes: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the nodes whose numbers are given."""
        edges = EdgeList(rows, columns, weights, features.shape[0])
        return self.network(GraphTensors(features, edges), nodes)
