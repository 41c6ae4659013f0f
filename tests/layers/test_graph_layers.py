"""Sums over neighbours, residual blocks and poolings of graphs are what their equations say."""

import numpy as np
import pytest
import scipy.sparse
import torch

from convzoo.layers.graph import GraphBlock, GraphIsomorphism, GraphPooling
from convzoo.models.graph_network import IN_BLOCKS, GraphNetwork
from convzoo.ops.sparse import GraphTensors, SparseMatrix


def a_graph(nodes: int = 20, seed: int = 0) -> tuple[SparseMatrix, torch.Tensor]:
    """A directed graph with weights of 1, and its edges as torch-geometric takes them."""
    random = np.random.default_rng(seed)
    matrix = scipy.sparse.csr_matrix((random.random((nodes, nodes)) < 0.2).astype(np.float32))
    rows, columns = matrix.nonzero()
    return SparseMatrix.of(matrix), torch.from_numpy(np.stack([columns, rows])).long()


@pytest.mark.parametrize("edge_channels", [None, 0, 3])
def test_isomorphism_layers_are_those_of_torch_geometric(edge_channels):
    import torch_geometric.nn as geometric

    torch.manual_seed(0)
    matrix, index = a_graph()
    x, edges = torch.randn(20, 5, requires_grad=True), torch.randn(index.shape[1], edge_channels or 1)
    ours = GraphIsomorphism(5, 4, edge_channels)
    ours.epsilon.data.fill_(0.3)
    network = torch.nn.Sequential(ours.first, torch.nn.ReLU(), ours.second)
    if edge_channels is None:
        theirs = geometric.GINConv(network, eps=0.3)(x, index)
    elif edge_channels:
        layer = geometric.GINEConv(network, eps=0.3, edge_dim=3)
        layer.lin.load_state_dict(ours.edges.state_dict())
        layer.nn[0].in_channels = 5
        theirs = layer(x, index, edges)
    else:
        theirs = geometric.GINEConv(network, eps=0.3)(x, index, torch.zeros(index.shape[1], 5))
    found = ours(x, matrix, edges if edge_channels else None)
    torch.testing.assert_close(found, theirs)
    first, second = (torch.autograd.grad(value.square().sum(), x, retain_graph=True)[0] for value in (found, theirs))
    torch.testing.assert_close(first, second)
    torch.testing.assert_close(ours(x, matrix.entries(), edges if edge_channels else None), found)


def test_edge_weights_scale_the_messages():
    torch.manual_seed(0)
    matrix, _ = a_graph()
    layer = GraphIsomorphism(5, 4, 0)
    x = torch.rand(20, 5)
    half = layer(x, matrix.with_values(matrix.values / 2))
    assert not torch.allclose(half, layer(x, matrix))
    torch.testing.assert_close(half, GraphIsomorphism.forward(layer, x, matrix.with_values(matrix.values * 0.5)))


@pytest.mark.parametrize("kind", ["sum", "mean", "max", "attention"])
def test_pooling_sees_each_graph_alone(kind):
    torch.manual_seed(0)
    x, counts = torch.randn(9, 4), torch.tensor([4, 1, 4])
    member = torch.repeat_interleave(torch.arange(3), counts)
    pooling = GraphPooling(kind, 4, size=2.0)
    found = pooling(x, member, counts)
    parts = x.split(counts.tolist())
    if kind == "attention":
        wanted = torch.stack(
            [(torch.softmax(pooling.score(part).squeeze(1), 0)[:, None] * part).sum(0) for part in parts]
        )
        weights = pooling.attention_of(x, member, counts)
        torch.testing.assert_close(torch.stack([part.sum() for part in weights.split(counts.tolist())]), torch.ones(3))
    else:
        how = {"sum": lambda part: part.sum(0) / 2, "mean": lambda part: part.mean(0), "max": lambda part: part.amax(0)}
        wanted = torch.stack([how[kind](part) for part in parts])
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("kind", ["gcn", "sage", "gat", "cheb", "gin", "gine"])
@pytest.mark.parametrize("residual", [True, False])
def test_blocks_look_one_step_far(kind, residual):
    torch.manual_seed(0)
    path = scipy.sparse.diags([np.ones(9), np.ones(9)], [-1, 1], dtype=np.float32).tocsr()
    edges = torch.randn(path.nnz, 2) if kind == "gine" else None
    block = GraphBlock(kind, 8, "layer", residual, edge_channels=2, heads=2, order=2).eval()
    x = torch.randn(10, 8, requires_grad=True)
    block(x, SparseMatrix.of(path), edges)[4].sum().backward()
    seen = x.grad.abs().sum(dim=1).nonzero().flatten().tolist()
    assert set(seen) <= {3, 4, 5} and {3, 5} <= set(seen)


def test_heads_divide_the_channels():
    with pytest.raises(ValueError, match="channels: 6 cannot be divided among 4 heads"):
        GraphBlock("gat", 6, heads=4)


@pytest.mark.parametrize("conv", IN_BLOCKS)
def test_twenty_residual_blocks_still_learn(conv):
    """The first layer of a deep network gets a gradient, and the whole fits a few nodes."""
    torch.manual_seed(0)
    matrix, _ = a_graph()
    kind = "laplacian" if conv == "cheb" else "random_walk"
    values = matrix.values / matrix.pointers.diff().clamp(min=1).repeat_interleave(matrix.pointers.diff().long())
    graph = GraphTensors(torch.randn(20, 5), matrix.with_values(values))
    network = GraphNetwork(5, 2, kind, conv=conv, layers=20, channels=8, heads=2, dropout=0.0, residual=True, order=2)
    target = torch.arange(20) % 2
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    losses = []
    for _ in range(80):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(graph, torch.arange(20)), target)
        loss.backward()
        assert network.first.weight.grad.abs().sum() > 0
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_residual_blocks_are_those_of_platonov_and_others():
    """The aggregation beside the node's own values, two linear layers with dropout and GELU, the sum, then a normalisation."""
    torch.manual_seed(0)
    matrix, _ = a_graph()
    graph = GraphTensors(torch.randn(20, 5), matrix)
    network = GraphNetwork(
        5, 2, "random_walk", conv="sage", layers=2, channels=6, dropout=0.2, activation="gelu", residual=True
    ).eval()
    gelu = torch.nn.functional.gelu
    x = gelu(graph.features @ network.first.weight + network.first.bias)
    for block in network.layers:
        y = block.normalisation(x)
        both = torch.cat([y, matrix.dense() @ y], dim=1)
        weight = torch.cat([block.convolution.lin_r.weight, block.convolution.lin_l.weight], dim=1)
        x = x + block.linear(gelu(both @ weight.T + block.convolution.lin_l.bias))
    wanted = network.last(x)
    torch.testing.assert_close(network(graph, torch.arange(20)), wanted, atol=1e-5, rtol=1e-5)


def test_other_convolutions_have_no_residual_blocks():
    with pytest.raises(ValueError, match="appnp has no residual blocks"):
        GraphNetwork(5, 2, conv="appnp", residual=True)
