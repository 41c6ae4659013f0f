"""torch-geometric's graph convolutions, over compressed rows.

Weights, initialisation and equations are those of torch-geometric. Only the sum of messages differs: its `propagate` gathers a
message for each edge and scatters it; here one sparse product does both. The result is the same, but no memory is needed for
messages, and a CPU takes a fraction of the time. The encoder gives the matrix already normalised.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Activation, Count, Positive, Probability
from convzoo.core.libraries import import_torch_geometric
from convzoo.layers.activation import activation_layer
from convzoo.layers.dropout import Dropout
from convzoo.ops.sparse import EdgeList, SparseMatrix, product

geometric: Any = import_torch_geometric()
Matrix = SparseMatrix | EdgeList

BlockKind = Literal["gcn", "sage", "gat", "cheb", "gin", "gine"]
"""The convolutions that a `GraphBlock` is made of."""

NodeNormalisation = Literal["none", "batch", "layer"]
"""Of the values of nodes: over all nodes of a batch, or over the channels of each node."""

GraphPoolingKind = Literal["sum", "mean", "max", "attention"]


class FeatureLinear(nn.Module):
    """A linear map of features that may be sparse, such as bags of words: then only the non-zero entries take time.

    Args:
        in_channels: number of features
        out_channels: number of outputs
        bias: whether a constant is added

    Shape:
        x: (nodes, in_channels), dense or a SparseMatrix; output: (nodes, out_channels).
    """

    def __init__(self, in_channels: Positive, out_channels: Positive, bias: bool = False) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        # Stored as a table of rows, because the sparse product looks up rows.
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels))
        nn.init.xavier_uniform_(self.weight)
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor | SparseMatrix) -> Tensor:
        """Map each node's features."""
        found = product(x, self.weight) if isinstance(x, SparseMatrix) else x @ self.weight
        return found if self.bias is None else found + self.bias

    def in_words(self) -> str:
        """For `describe`."""
        return f"Connects all {self.in_channels} features of each node to {self.out_channels} neurons."


class FeatureDropout(Dropout):
    """Dropout that changes only the stored entries of sparse features, because a dropped zero is still a zero."""

    def forward(self, x: Any) -> Any:
        """In training, set each element to zero with probability p."""
        if isinstance(x, SparseMatrix):
            return x.with_values(super().forward(x.values)) if self.training and self.p else x
        return super().forward(x)


class GraphConvolution(geometric.GCNConv):
    r"""$\tilde A X W + b$ (Kipf & Welling 2017, arXiv:1609.02907)."""

    def __init__(self, in_channels: Positive, out_channels: Positive) -> None:
        super().__init__(in_channels, out_channels, normalize=False)
        self.lin = FeatureLinear(in_channels, out_channels)

    def propagate(self, edge_index: Matrix, size: Any = None, **kwargs: Any) -> Tensor:
        """The sum over neighbours."""
        return product(edge_index, kwargs["x"])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Mixes the {self.in_channels} values of each node into {self.out_channels} and sums them over the node and its "
            "neighbours, weighted by the matrix: one step further along the edges."
        )


class SampleAndAggregate(geometric.SAGEConv):
    r"""$\tilde A X W_1 + X W_2 + b$; with the matrix of a random walk, this is the mean over neighbours (Hamilton et al. 2017,
    arXiv:1706.02216)."""

    block = 65_536

    def __init__(self, in_channels: Positive, out_channels: Positive) -> None:
        super().__init__(in_channels, out_channels)

    def forward(self, x: Tensor, edge_index: Matrix, size: Any = None) -> Tensor:
        """Combine each node's values with the mean of its neighbours. Without gradients this is done in blocks of nodes, so that
        the means of all nodes are not in memory at once."""
        if torch.is_grad_enabled() or isinstance(edge_index, EdgeList) or len(x) <= self.block:
            return super().forward(x, edge_index)
        found = x.new_empty(len(x), self.out_channels)
        for first in range(0, len(x), self.block):
            last = min(first + self.block, len(x))
            found[first:last] = super().forward((x, x[first:last]), edge_index.part(first, last))
        return found

    def propagate(self, edge_index: Matrix, size: Any = None, **kwargs: Any) -> Tensor:
        """The sum over neighbours."""
        return product(edge_index, kwargs["x"][0])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Maps each node's {self.in_channels} values, and the mean of its neighbours', to {self.out_channels}: "
            "one step further along the edges."
        )


class Chebyshev(geometric.ChebConv):
    r"""$\sum_k T_k(\tilde L) X W_k + b$ with $T_k = 2 \tilde L T_{k-1} - T_{k-2}$ (Defferrard et al. 2016, arXiv:1606.09375)."""

    def __init__(self, in_channels: Positive, out_channels: Positive, order: Positive) -> None:
        super().__init__(in_channels, out_channels, K=order)

    def __norm__(self, edge_index: Any, *args: Any, **kwargs: Any) -> tuple[Any, None]:
        """Change nothing: the encoder has already scaled the Laplacian."""
        return edge_index, None

    def propagate(self, edge_index: Matrix, size: Any = None, **kwargs: Any) -> Tensor:
        """The sum over neighbours."""
        return product(edge_index, kwargs["x"])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Filters the {self.in_channels} values of the nodes with polynomials of degree {len(self.lins) - 1} of the "
            f"Laplacian into {self.out_channels}: {len(self.lins) - 1} steps along the edges."
        )


class InitialResidual(geometric.GCN2Conv):
    r"""$((1 - \alpha) \tilde A X + \alpha X^{(0)})((1 - \beta_l) I + \beta_l W)$, $\beta_l = \log(\theta / l + 1)$ (Chen et al.
    2020, arXiv:2007.02133, eq. 5)."""

    def __init__(self, channels: Positive, alpha: Probability, theta: float, layer: Positive) -> None:
        super().__init__(channels, alpha, theta, layer, normalize=False)

    def propagate(self, edge_index: Matrix, size: Any = None, **kwargs: Any) -> Tensor:
        """The sum over neighbours."""
        return product(edge_index, kwargs["x"])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Sums each node's {self.channels} values over its neighbours, one step further along the edges, adds "
            f"{self.alpha:g} of the node's first features, and mixes {self.beta:.2f} of the result again, so that nodes stay "
            "different in deep networks."
        )


class PersonalisedPageRank(geometric.APPNP):
    r"""$Z^{(k+1)} = (1 - \alpha) \tilde A Z^{(k)} + \alpha H$ (Gasteiger et al. 2019, arXiv:1810.05997, eq. 5)."""

    def __init__(self, steps: Count, alpha: Probability) -> None:
        super().__init__(steps, alpha, normalize=False)

    def propagate(self, edge_index: Matrix, size: Any = None, **kwargs: Any) -> Tensor:
        """The sum over neighbours."""
        return product(edge_index, kwargs["x"])

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Spreads the nodes' outputs {self.K} steps along the edges, and at each step mixes in {self.alpha:g} of the node's "
            "own. Nothing here is learnt."
        )


class GeneralisedPageRank(nn.Module):
    r"""$Z = \sum_{k=0}^{K} \gamma_k \tilde A^k H$ with learnt weights $\gamma_k$ of either sign (GPR-GNN, Chien et al. 2021,
    arXiv:2006.07988, eq. 1): positive ones smooth, as suits neighbours that are alike; signs in turn sharpen, as suits neighbours
    that differ. The weights start as those of personalised PageRank, $\alpha (1 - \alpha)^k$.

    Args:
        steps: number of steps along the edges (K)
        alpha: of the start

    Shape:
        x: (nodes, channels); output: the same.
    """

    def __init__(self, steps: Count, alpha: Probability) -> None:
        super().__init__()
        self.steps = steps
        start = [alpha * (1 - alpha) ** step for step in range(steps)] + [(1 - alpha) ** steps]
        self.weights = nn.Parameter(torch.tensor(start))

    def forward(self, x: Tensor, adjacency: Matrix) -> Tensor:
        """The weighted sum over the steps."""
        total = self.weights[0] * x
        for step in range(1, self.steps + 1):
            x = product(adjacency, x)
            total = total + self.weights[step] * x
        return total

    def in_words(self) -> str:
        """For `describe`."""
        return f"Spreads the nodes' outputs up to {self.steps} steps along the edges, with a weight that is learnt for each step."


class MixedHops(nn.Module):
    r"""$[H, \tilde A H, \tilde A^2 H, \ldots]$, side by side (MixHop, Abu-El-Haija et al. 2019, arXiv:1905.00067, eq. 3; own
    features apart from those of neighbours, as in H2GCN, Zhu et al. 2020, arXiv:2006.11468). So the next layer can tell a node
    from its neighbours, and may weigh them with either sign.

    Args:
        hops: number of steps along the edges

    Shape:
        x: (nodes, channels); output: (nodes, (hops + 1) channels).
    """

    def __init__(self, hops: Positive) -> None:
        super().__init__()
        self.hops = hops

    def forward(self, x: Tensor, adjacency: Matrix) -> Tensor:
        """Own values, then the sums over neighbours one step away, two steps, …"""
        parts = [x]
        for _ in range(self.hops):
            parts.append(product(adjacency, parts[-1]))
        return torch.cat(parts, dim=1)

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Puts a node's own values beside the sums over its neighbours at each of {self.hops} steps along the edges. Nothing "
            "here is learnt."
        )


class GraphAttention(geometric.GATConv):
    r"""$\sum_j \alpha_{ij} W x_j$ with $\alpha_{ij} = \mathrm{softmax}_j\, \mathrm{LeakyReLU}(a_1 W x_i + a_2 W x_j)$ (Veličković
    et al. 2018, arXiv:1710.10903). The matrix says who is a neighbour; its values do not matter.

    Without gradients, this is computed in blocks of nodes, so that the messages of all edges are not in memory at once.
    """

    block = 65_536

    def __init__(
        self, in_channels: Positive, out_channels: Positive, heads: Positive, concat: bool, dropout: float
    ) -> None:
        super().__init__(in_channels, out_channels, heads, concat=concat, dropout=dropout, add_self_loops=False)

    def forward(self, x: Tensor, edge_index: Matrix) -> Tensor:  # type: ignore[override]
        """Attend to the neighbours."""
        if isinstance(edge_index, EdgeList):
            return super().forward(x, torch.stack([edge_index.columns, edge_index.rows]))
        count = edge_index.shape[0]
        if torch.is_grad_enabled() or count <= self.block:
            return super().forward(x, torch.stack([edge_index.columns.long(), edge_index.rows()]))
        values = self.lin(x).view(-1, self.heads, self.out_channels)
        source, target = ((values * weight).sum(dim=-1) for weight in (self.att_src, self.att_dst))
        found = []
        for first in range(0, count, self.block):
            part = edge_index.part(first, min(first + self.block, count))
            columns, rows = part.columns.long(), part.rows()
            alpha = F.leaky_relu(source[columns] + target[first + rows], self.negative_slope)
            height = part.shape[0]
            index = rows.unsqueeze(1).expand_as(alpha)
            top = alpha.new_zeros(height, self.heads).scatter_reduce(0, index, alpha, "amax", include_self=False)
            alpha = (alpha - top[rows]).exp()
            total = alpha.new_zeros(height, self.heads).index_add(0, rows, alpha)
            alpha = alpha / total[rows].clamp(min=1e-16)
            heads = values.new_zeros(height, self.heads, self.out_channels)
            for head in range(self.heads):
                heads[:, head].index_add_(0, rows, values[columns, head] * alpha[:, head, None])
            found.append(heads.flatten(1) if self.concat else heads.mean(dim=1))
        outputs = torch.cat(found)
        return outputs if self.bias is None else outputs + self.bias

    def in_words(self) -> str:
        """For `describe`."""
        return (
            f"Averages the neighbours of each node with {self.heads} heads; each head has its own weights for the neighbours, "
            f"and gives {self.out_channels} values: one step further along the edges."
        )


class GraphIsomorphism(nn.Module):
    r"""$h_i = \mathrm{MLP}((1 + \epsilon) x_i + \sum_j a_{ij} x_j)$ with a learnt $\epsilon$ (GIN, Xu et al. 2019,
    arXiv:1810.00826, eq. 4.1). With edge features $e_{ij}$ the message is $\mathrm{ReLU}(x_j + W e_{ij})$ (GINE, Hu et al. 2020,
    arXiv:1905.12265, §A.2). The MLP has one hidden layer.

    The sum tells apart neighbourhoods that a mean or a maximum confuses: how many neighbours of each kind there are.

    Args:
        in_channels: of each node
        out_channels: of each node
        edge_channels: number of edge features; None: messages are the neighbours' values as they are
        activation: of the hidden layer

    Shape:
        x: (nodes, in_channels); adjacency: (nodes, nodes); edge_features: (entries, edge_channels).
        output: (nodes, out_channels).
    """

    def __init__(
        self,
        in_channels: Positive,
        out_channels: Positive,
        edge_channels: Count | None = None,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.epsilon = nn.Parameter(torch.zeros(()))
        self.edges = nn.Linear(edge_channels, in_channels) if edge_channels else None
        self.changes_messages = edge_channels is not None
        self.first = nn.Linear(in_channels, out_channels)
        self.activation = activation_layer(activation)
        self.second = nn.Linear(out_channels, out_channels)

    def forward(
        self, x: Float[Tensor, "nodes in_channels"], adjacency: Matrix, edge_features: Tensor | None = None
    ) -> Float[Tensor, "nodes out_channels"]:
        """Sum what the neighbours say, and map it."""
        found = (1 + self.epsilon) * x + self._sum(x, adjacency, edge_features)
        return self.second(self.activation(self.first(found)))

    def _sum(self, x: Tensor, adjacency: Matrix, edge_features: Tensor | None) -> Tensor:
        if not self.changes_messages:
            return product(adjacency, x)
        entries = adjacency.entries() if isinstance(adjacency, SparseMatrix) else adjacency
        messages = x.index_select(0, entries.columns)
        if self.edges is not None:
            assert edge_features is not None, "a layer with edge channels needs edge features"
            messages = messages + self.edges(edge_features)
        messages = F.relu(messages) * entries.values.unsqueeze(1)
        return x.new_zeros(entries.height, x.shape[1]).index_add(0, entries.rows, messages.to(x.dtype))

    def in_words(self) -> str:
        """For `describe`."""
        of_edges = " and of the edges to them" if self.edges is not None else ""
        return (
            f"Adds to each node's {self.in_channels} values those of its neighbours{of_edges}, and maps the sum with two linear "
            f"layers to {self.out_channels}: one step further along the edges."
        )


def node_normalisation(name: NodeNormalisation, channels: Positive) -> nn.Module:
    """The normalisation with this name, for values (nodes, channels)."""
    return {"none": nn.Identity, "batch": nn.BatchNorm1d, "layer": nn.LayerNorm}[name](
        *([channels] if name != "none" else [])
    )


class GraphBlock(nn.Module):
    r"""A convolution in a residual block: $x + D(W \sigma(D(\mathrm{conv}(N(x), A))))$, so that networks may be deep.

    This is the block of Platonov et al. 2023 (arXiv:2302.11640, §4): normalisation N, convolution, activation $\sigma$, dropout
    D, and a linear layer. `gin` and `gine` have their linear layers inside: $x + D(\mathrm{conv}(N(x), A))$. Without the residual
    connection the block is $D(\sigma(N(\mathrm{conv}(x, A))))$, the layer of Xu et al. 2019 (arXiv:1810.00826).

    Args:
        kind: the kind of convolution
        channels: of each node, before and after
        normalisation: N
        residual: whether there is the residual connection
        dropout: probability
        activation: $\sigma$
        edge_channels: number of edge features, for `gine`
        heads: for `gat`; `channels` is a multiple of it
        order: for `cheb`, number of terms of the polynomials

    Shape:
        x: (nodes, channels); output: the same.

    Raises:
        ValueError: channels is no multiple of heads.
    """

    def __init__(
        self,
        kind: BlockKind,
        channels: Positive,
        normalisation: NodeNormalisation = "layer",
        residual: bool = True,
        dropout: Probability = 0.0,
        activation: Activation = "relu",
        edge_channels: Count = 0,
        heads: Positive = 8,
        order: Positive = 3,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.normalisation = node_normalisation(normalisation, channels)
        self.convolution: nn.Module
        if kind == "gat":
            if channels % heads:
                raise ValueError(f"channels: {channels} cannot be divided among {heads} heads; take a multiple")
            self.convolution = GraphAttention(channels, channels // heads, heads, True, 0.0)
        elif kind in ("gin", "gine"):
            edges = edge_channels if kind == "gine" else None
            self.convolution = GraphIsomorphism(channels, channels, edges, activation)
        elif kind == "cheb":
            self.convolution = Chebyshev(channels, channels, order)
        else:
            self.convolution = (GraphConvolution if kind == "gcn" else SampleAndAggregate)(channels, channels)
        self.takes_edges = kind == "gine"
        self.activation = activation_layer(activation)
        self.dropout = Dropout(dropout)
        # A linear layer after the convolution, as wide; gin and gine have it inside.
        self.linear = nn.Linear(channels, channels) if residual and kind not in ("gin", "gine") else None

    def forward(
        self, x: Float[Tensor, "nodes channels"], adjacency: Matrix, edge_features: Tensor | None = None
    ) -> Float[Tensor, "nodes channels"]:
        """One step further along the edges."""
        more = (edge_features,) if self.takes_edges else ()
        if not self.residual:
            return self.dropout(self.activation(self.normalisation(self.convolution(x, adjacency, *more))))
        found = self.convolution(self.normalisation(x), adjacency, *more)
        if self.linear is not None:
            found = self.linear(self.dropout(self.activation(found)))
        return x + self.dropout(found)


class GraphPooling(nn.Module):
    r"""One vector for each graph from those of its nodes.

    $x_1 \ldots x_n$ are the values of one channel at the nodes of a graph:

    * `sum`: $\sum_i x_i / s$ with a constant s: the vector tells how many nodes of each kind there are (Xu et al. 2019,
      arXiv:1810.00826)
    * `mean`: $\frac{1}{n} \sum_i x_i$: in which proportion
    * `max`: $\max_i x_i$: whether there is one
    * `attention`: $\sum_i a_i x_i$ with $a = \mathrm{softmax}(w \cdot x)$ over the graph's nodes (Li et al. 2016,
      arXiv:1511.05493, eq. 7)

    Args:
        kind: the kind of summary
        channels: of a node
        size: s, the number of nodes of a usual graph

    Shape:
        x: (nodes, channels); member: (nodes,), the number of each node's graph; counts: (graphs,), the nodes of each graph.
        output: (graphs, channels).
    """

    def __init__(self, kind: GraphPoolingKind, channels: Positive, size: float = 1.0) -> None:
        super().__init__()
        self.kind = kind
        self.channels = channels
        self.size = size
        self.score = nn.Linear(channels, 1, bias=False) if kind == "attention" else None

    def forward(
        self,
        x: Float[Tensor, "nodes channels"],
        member: Int[Tensor, " nodes"],
        counts: Int[Tensor, " graphs"],
    ) -> Float[Tensor, "graphs channels"]:
        """Pool the nodes of each graph."""
        empty = x.new_zeros(counts.shape[0], x.shape[1])
        if self.kind == "max":
            return empty.scatter_reduce(0, member.unsqueeze(1).expand_as(x), x, "amax", include_self=False)
        if self.score is not None:
            x = x * self.attention_of(x, member, counts).unsqueeze(1)
        found = empty.index_add(0, member, x)
        if self.kind == "mean":
            return found / counts.unsqueeze(1).to(x.dtype)
        return found / self.size if self.kind == "sum" else found

    def attention_of(
        self,
        x: Float[Tensor, "nodes channels"],
        member: Int[Tensor, " nodes"],
        counts: Int[Tensor, " graphs"],
    ) -> Float[Tensor, " nodes"]:
        """For `attention`: how much each node counts. They sum to 1 in each graph."""
        assert self.score is not None
        scores = self.score(x).squeeze(1)
        top = scores.new_zeros(counts.shape[0]).scatter_reduce(0, member, scores, "amax", include_self=False)
        raised = (scores - top.detach().index_select(0, member)).exp()
        total = raised.new_zeros(counts.shape[0]).index_add(0, member, raised)
        return raised / total.index_select(0, member)

    def in_words(self) -> str:
        """For `describe`."""
        what = {
            "sum": "Adds up", "mean": "Averages", "max": "Takes the largest of",
            "attention": "Averages, with weights that are learnt from the values,",
        }[self.kind]  # fmt: skip
        return f"{what} the {self.channels} values of all nodes of a graph: one vector for each graph."
