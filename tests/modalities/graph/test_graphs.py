"""Graphs: matrices, products, sampling, convolutions, readers, prediction, wrong input."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.core.errors import ConvzooError, DataError, RecipeError
from convzoo.core.randomness import Draws
from convzoo.modalities.graph.data.communities import Communities, belief_propagation
from convzoo.modalities.graph.data.own import GraphTable
from convzoo.modalities.graph.data.planetoid import Planetoid
from convzoo.modalities.graph.data.restricted_pickle import load_restricted
from convzoo.modalities.graph.encoder import GraphEncoder
from convzoo.modalities.graph.example import Graph, Nodes, make_edges
from convzoo.modalities.graph.matrices import graph_matrix
from convzoo.modalities.graph.neighbours import NeighbourSampler, choose
from convzoo.models.graph_network import GraphNetwork
from convzoo.ops.sparse import EdgeList, GraphTensors, SparseMatrix, product

SMALL = {"nodes": 300, "train": 8, "val": 60, "test": 60, "vocabulary": 60}


def random_edges(nodes: int, edges: int, seed: int = 0, directed: bool = False) -> scipy.sparse.csr_matrix:
    random = np.random.default_rng(seed)
    weights = random.random(edges) + 0.5
    return make_edges(*random.integers(nodes, size=(2, edges)), nodes, weights, directed)[0]


def pairs(edges: scipy.sparse.csr_matrix) -> tuple[torch.Tensor, torch.Tensor]:
    """As torch-geometric has them: (source, target) and weights."""
    entries = edges.tocoo()
    return torch.from_numpy(np.stack([entries.col, entries.row]).astype(np.int64)), torch.from_numpy(entries.data)


# Matrices and products


@given(
    st.integers(1, 8), st.integers(1, 8), st.integers(0, 30), st.integers(1, 5), st.booleans(), st.integers(0, 99)
)  # fmt: skip
def test_a_product_and_its_gradient_are_those_of_the_dense_matrix(rows, columns, entries, width, symmetric, seed):
    random = np.random.default_rng(seed)
    columns = rows if symmetric else columns
    dense = np.zeros((rows, columns), np.float32)
    dense[random.integers(rows, size=entries), random.integers(columns, size=entries)] = random.standard_normal(entries)
    dense = dense + dense.T if symmetric else dense
    matrix = SparseMatrix.of(scipy.sparse.csr_matrix(dense), symmetric)
    x = torch.randn(columns, width, generator=torch.Generator().manual_seed(seed), requires_grad=True)
    other = x.detach().clone().requires_grad_()
    found, expected = product(matrix, x), torch.from_numpy(dense) @ other
    torch.testing.assert_close(found, expected)
    found.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(x.grad, other.grad)
    edges = EdgeList(matrix.rows(), matrix.columns.long(), matrix.values, rows)
    torch.testing.assert_close(product(edges, x), found)
    torch.testing.assert_close(matrix.dense(), torch.from_numpy(dense))


def test_a_product_under_autocast_stays_in_float32():
    matrix = SparseMatrix.of(random_edges(20, 60), symmetric=True)
    x = torch.randn(20, 3, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = product(matrix, x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, product(matrix, x))


def test_a_graph_travels_once():
    graph = GraphTensors(torch.randn(5, 2), SparseMatrix.of(random_edges(5, 9)))
    moved = graph.to(torch.device("cpu"), torch.float64)
    assert moved.adjacency.values.dtype == moved.features.dtype == torch.float64
    assert graph.to(torch.device("cpu"), torch.float32) is graph


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("self_loops", [False, True])
def test_matrices_are_those_of_torch_geometric(directed, self_loops):
    from torch_geometric.nn.conv.gcn_conv import gcn_norm
    from torch_geometric.utils import get_laplacian, to_dense_adj

    edges = random_edges(30, 60, directed=directed)
    index, weight = pairs(edges)

    def dense(index, weight):  # torch-geometric's entry (source, target) is our (target, source)
        return to_dense_adj(index, edge_attr=weight, max_num_nodes=30)[0].T

    found = torch.from_numpy(graph_matrix(edges, "symmetric", self_loops).toarray())
    torch.testing.assert_close(found, dense(*gcn_norm(index, weight, 30, add_self_loops=self_loops)))
    if not directed:
        laplacian = dense(*get_laplacian(index, weight, "sym", num_nodes=30))
        found = torch.from_numpy(graph_matrix(edges, "laplacian", self_loops).toarray())
        torch.testing.assert_close(found, laplacian - torch.eye(30), atol=1e-6, rtol=1e-5)
    walk = graph_matrix(edges, "random_walk", self_loops)
    sums = np.asarray(walk.sum(axis=1)).ravel()
    assert np.allclose(sums[sums > 0], 1)
    assert (graph_matrix(edges, "adjacency", self_loops) - edges).nnz == 30 * self_loops


# Convolutions


def a_graph(nodes: int = 40, features: int = 7) -> tuple[GraphTensors, scipy.sparse.csr_matrix]:
    edges = random_edges(nodes, 100)
    x = torch.randn(nodes, features, generator=torch.Generator().manual_seed(1))
    return GraphTensors(x, SparseMatrix.of(graph_matrix(edges, "symmetric", True), symmetric=True)), edges


@pytest.mark.parametrize("conv", ["gcn", "sage", "gat", "gcn2", "appnp", "cheb"])
def test_convolutions_are_those_of_torch_geometric(conv):
    """The same weights in torch-geometric's own layers, over lists of edges, give the same outputs and gradients."""
    import torch_geometric.nn as geometric

    torch.manual_seed(0)
    kind = {"sage": "random_walk", "cheb": "laplacian"}.get(conv, "symmetric")
    edges = random_edges(40, 100)
    if conv == "sage":
        edges.data[:] = 1
    matrix = SparseMatrix.of(graph_matrix(edges, kind, conv not in ("sage", "cheb")))
    x = torch.randn(40, 7)
    ours = GraphNetwork(7, 3, kind, conv=conv, layers=2, channels=6, heads=2, dropout=0.0, steps=3).double()
    graph = GraphTensors(x, matrix).to(torch.device("cpu"), torch.float64)
    found = ours(graph, torch.arange(40))
    index, weight = pairs(graph_matrix(edges, "adjacency", False))
    index2, weight2 = index, weight.double()
    x = graph.features

    def copied(layer, source):
        layer = layer.double()
        state = {name: value for name, value in source.state_dict().items() if name != "lin.weight"}
        if "lin.weight" in source.state_dict() and conv == "gat":
            state["lin.weight"] = source.state_dict()["lin.weight"]
        elif "lin.weight" in source.state_dict():
            state["lin.weight"] = source.state_dict()["lin.weight"].T
        layer.load_state_dict(state)
        return layer

    first, second = ours.layers
    if conv == "gcn":
        y = copied(geometric.GCNConv(7, 6), first)(x, index2, weight2).relu()
        y = copied(geometric.GCNConv(6, 3), second)(y, index2, weight2)
    elif conv == "sage":
        y = copied(geometric.SAGEConv(7, 6), first)(x, index2).relu()
        y = copied(geometric.SAGEConv(6, 3), second)(y, index2)
    elif conv == "gat":
        y = copied(geometric.GATConv(7, 6, heads=2), first)(x, index2).relu()
        y = copied(geometric.GATConv(12, 3, heads=1, concat=False), second)(y, index2)
    elif conv == "cheb":
        y = copied(geometric.ChebConv(7, 6, 3), first)(x, index2, weight2, lambda_max=2.0).relu()
        y = copied(geometric.ChebConv(6, 3, 3), second)(y, index2, weight2, lambda_max=2.0)
    elif conv == "gcn2":
        begin = y = ours.first(x).relu()
        for number, layer in enumerate(ours.layers, 1):
            y = copied(geometric.GCN2Conv(6, 0.1, 0.5, number), layer)(y, begin, index2, weight2).relu()
        y = ours.last(y)
    else:
        y = second(first(x).relu())
        y = geometric.APPNP(3, 0.1)(y, index2, weight2)
    torch.testing.assert_close(found, y, atol=1e-6, rtol=1e-5)  # the matrix itself is in float32


def test_generalised_page_rank_starts_as_that_of_torch_geometric_and_learns_its_weights():
    import torch_geometric.nn as geometric

    torch.manual_seed(0)
    matrix = graph_matrix(random_edges(40, 100), "symmetric", self_loops=True)
    graph = GraphTensors(torch.randn(40, 7), SparseMatrix.of(matrix, symmetric=True))
    ours = GraphNetwork(7, 3, conv="gprgnn", layers=2, channels=6, dropout=0.0, steps=3)
    hidden = ours.layers[1](ours.layers[0](graph.features).relu())
    index, weight = pairs(matrix)
    wanted = geometric.APPNP(3, 0.1, normalize=False)(hidden, index, weight)
    torch.testing.assert_close(ours(graph, torch.arange(40)), wanted, atol=1e-5, rtol=1e-5)
    with torch.no_grad():
        ours.last.weights.copy_(torch.tensor([1.0, -1.0, 0.5, 0.0]))
    dense = torch.from_numpy(matrix.toarray())
    wanted = hidden - dense @ hidden + 0.5 * dense @ dense @ hidden
    torch.testing.assert_close(ours(graph, torch.arange(40)), wanted, atol=1e-5, rtol=1e-5)
    ours(graph, torch.arange(40)).sum().backward()
    assert (ours.last.weights.grad != 0).all()


def test_mixed_hops_are_powers_of_the_matrix_side_by_side():
    torch.manual_seed(0)
    matrix = graph_matrix(random_edges(40, 100), "random_walk", self_loops=False)
    x, dense = torch.randn(40, 7), torch.from_numpy(matrix.toarray())
    network = GraphNetwork(7, 3, "random_walk", conv="mixhop", layers=3, channels=6, dropout=0.0)
    found = network(GraphTensors(x, SparseMatrix.of(matrix)), torch.arange(40))
    hidden = (x @ network.layers[0].weight + network.layers[0].bias).relu()
    powers = [torch.linalg.matrix_power(dense, power) @ hidden for power in range(4)]
    wanted = torch.cat(powers, dim=1) @ network.last.weight.T + network.last.bias
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("conv", ["gcn", "gat", "gcn2", "appnp", "gprgnn", "mixhop"])
def test_sparse_features_are_only_a_faster_form(conv):
    torch.manual_seed(0)
    graph, _ = a_graph()
    thin = torch.where(graph.features > 1, graph.features, 0.0)
    network = GraphNetwork(7, 3, conv=conv, layers=2, channels=4, dropout=0.0).eval()
    sparse = SparseMatrix.of(scipy.sparse.csr_matrix(thin.numpy()))
    found = network(GraphTensors(sparse, graph.adjacency), torch.arange(40))
    torch.testing.assert_close(found, network(GraphTensors(thin, graph.adjacency), torch.arange(40)))


@pytest.mark.parametrize("conv", ["gat", "sage"])
def test_a_block_of_nodes_at_a_time_gives_the_same(conv):
    torch.manual_seed(0)
    graph, _ = a_graph()
    network = GraphNetwork(7, 3, conv=conv, layers=2, channels=4, heads=3, last_heads=2).eval()
    whole = network(graph, torch.arange(40))
    for layer in network.layers:
        layer.block = 7
    with torch.no_grad():
        torch.testing.assert_close(network(graph, torch.arange(40)), whole)


def test_scoring_computes_a_graph_once_and_notices_new_weights():
    graph, _ = a_graph()
    network = GraphNetwork(7, 3, dropout=0.0).eval()
    calls = []
    network.layers[0].register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        first = network(graph, torch.tensor([0, 1]))
        network(graph, torch.tensor([5]))
    assert len(calls) == 1
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    network.train()
    network(graph, torch.arange(40)).sum().backward()
    optimizer.step()
    network.eval()
    with torch.no_grad():
        second = network(graph, torch.tensor([0, 1]))
        assert not torch.equal(first, second)
        network.load_state_dict({name: value * 0 for name, value in network.state_dict().items()})
        assert network(graph, torch.tensor([0])).abs().max() == 0
        other = GraphTensors(graph.features + 1, graph.adjacency)
        network.load_state_dict({name: value + 1 for name, value in network.state_dict().items()})
        assert not torch.equal(network(graph, torch.tensor([0])), network(other, torch.tensor([0])))


def test_convolution_and_matrix_go_together():
    with pytest.raises(RecipeError, match=r"cheb needs encoder\.matrix: laplacian"):
        convzoo.run("nodes_gcn", ["model.conv=cheb"], out="unused", quiet=True)
    with pytest.raises(ValueError, match="samples 3 hops"):
        GraphNetwork(7, 3, hops=3, layers=2)


# Sampling


def slow_choice(pointers, node, fanout, numbers):
    """Floyd's method as it is written down, for one row."""
    first, size = pointers[node], pointers[node + 1] - pointers[node]
    if size <= fanout:
        return [first + at for at in range(size)]
    taken: list[int] = []
    for step, last in enumerate(range(size - fanout, size)):
        pick = int(numbers[step] * (last + 1))
        taken.append(last if pick in taken else pick)
    return sorted(first + at for at in taken)


@given(st.integers(1, 12), st.integers(0, 60), st.integers(1, 6), st.integers(0, 99))
def test_sampling_is_the_slow_reference(nodes, edges, fanout, seed):
    matrix = random_edges(nodes, edges, seed)
    chosen = np.random.default_rng(seed).permutation(nodes)[: max(1, nodes // 2)]
    draws = Draws(3, 1, chosen)
    at, drawn, degree = choose(matrix.indptr, chosen, fanout, lambda some, n: Draws(3, 1, some).uniform(0, n))
    numbers = draws.uniform(0, fanout)
    expected = [slow_choice(matrix.indptr, node, fanout, row) for node, row in zip(chosen, numbers, strict=True)]
    assert at.tolist() == [place for row in expected for place in row]
    assert drawn.tolist() == [len(row) for row in expected]
    assert degree.tolist() == np.diff(matrix.indptr)[chosen].tolist()


def test_every_subset_of_neighbours_is_as_likely():
    pointers = np.array([0, 5])
    counts: Counter = Counter()
    for seed in range(4000):
        at, _, _ = choose(pointers, np.array([0]), 2, lambda some, n, seed=seed: Draws(seed, 0, some).uniform(0, n))
        counts[tuple(at.tolist())] += 1
    assert len(counts) == 10
    # Four standard deviations of a binomial with 4,000 draws of chance 0.1.
    assert all(abs(count - 400) < 76 for count in counts.values())


@pytest.mark.parametrize("fanouts", [[3, 2], [2], [100, 100]])
def test_a_sample_holds_the_hops_and_keeps_expectations(fanouts):
    matrix = graph_matrix(random_edges(60, 400), "random_walk", True)
    seeds = np.array([4, 9, 31])
    sampler = NeighbourSampler(matrix, fanouts)
    total = np.zeros((3, 60))
    rounds = 1 if fanouts[0] == 100 else 3000
    for seed in range(rounds):
        part = sampler(seeds, lambda some, hop, n, seed=seed: Draws(seed, 0, some).uniform(hop, n))
        assert part.nodes[:3].tolist() == [4, 9, 31] and len(set(part.nodes.tolist())) == len(part.nodes)
        counts = np.diff(part.matrix.indptr) - (part.matrix.diagonal() != 0)
        assert counts[:3].max() <= fanouts[0]
        first_hop = set(part.matrix[:3].indices.tolist())
        last = [row for row in range(len(part.nodes)) if row not in first_hop]
        if len(fanouts) == 2:
            assert all(counts[row] == 0 for row in last), "nodes of the last hop are not expanded"
        total[:, part.nodes] += part.matrix[:3].toarray()
    expected = matrix[seeds].toarray()
    assert np.abs(total / rounds - expected).max() < (1e-6 if rounds == 1 else 0.02)


def test_with_all_neighbours_drawn_a_sample_gives_the_whole_graphs_outputs():
    splits = Communities(**SMALL).read()
    whole, sampled = GraphEncoder(), GraphEncoder(neighbours=[1000, 1000])
    for encoder in (whole, sampled):
        encoder.fit(splits.train)
    network = GraphNetwork(60, 6, dropout=0.0).train()
    indices = [3, 11, 20]
    one, other = (e.gather(splits.train, indices, Draws(0, 0, indices)) for e in (whole, sampled))
    assert other.inputs["graph"].adjacency.shape[0] < 300
    torch.testing.assert_close(network(**one.inputs), network(**other.inputs))
    assert torch.equal(one.target, other.target)


def test_what_a_node_sees_does_not_depend_on_its_batch():
    splits = Communities(**SMALL).read()
    encoder = GraphEncoder(neighbours=[2, 2])
    encoder.fit(splits.train)
    network = GraphNetwork(60, 6, dropout=0.0).train()
    together = network(**encoder.gather(splits.train, [3, 11], Draws(0, 5, [3, 11])).inputs)
    alone = network(**encoder.gather(splits.train, [11], Draws(0, 5, [11])).inputs)
    torch.testing.assert_close(together[1], alone[0])
    later = network(**encoder.gather(splits.train, [11], Draws(0, 6, [11])).inputs)
    assert not torch.equal(alone, later)


def test_training_on_samples_resumes_and_learns(tmp_path, tiny):
    more = [*tiny("nodes_gcn"), "encoder.neighbours=[4,4]", "encoder.matrix=random_walk", "model.conv=sage",
            "encoder.self_loops=false", "train.epochs=8"]  # fmt: skip
    run = convzoo.run("nodes_gcn", more, out=tmp_path / "run", quiet=True, report=False)
    again = convzoo.run("nodes_gcn", more, out=tmp_path / "again", quiet=True, report=False)
    assert run.scores == again.scores
    assert run.scores["test/accuracy"] > 0.25


# The generator


def test_communities_are_as_their_law_says():
    reader = Communities(nodes=3000, val=300, test=900, inside=0.6, degree=8.0)
    splits = reader.read()
    graph = splits.train.graph
    classes = np.array(graph.labels)
    entries = graph.edges.tocoo()
    assert entries.nnz / 3000 == pytest.approx(8.0, rel=0.06)
    assert (classes[entries.row] == classes[entries.col]).mean() == pytest.approx(0.6, abs=0.02)
    degree = np.diff(graph.edges.indptr)
    assert degree.var() > 2 * degree.mean(), "a wider range of degrees than a Poisson law's"
    again = Communities(nodes=3000, val=300, test=900, inside=0.6, degree=8.0).read()
    assert (again.train.graph.edges != graph.edges).nnz == 0 and again.ceiling == splits.ceiling
    chosen = [set(part.indices.tolist()) for _, part in splits]
    assert not chosen[0] & chosen[1] and not chosen[0] & chosen[2] and not chosen[1] & chosen[2]


def test_belief_propagation_is_exact_on_a_tree():
    """Against the sum over all 3^7 assignments, with edges only (a field of nothing: rates times propensity are tiny)."""
    random = np.random.default_rng(0)
    tree = make_edges(np.array([0, 0, 1, 1, 2, 2]), np.array([1, 2, 3, 4, 5, 6]), 7)[0]
    rates = np.array([[5.0, 1, 2], [1, 4, 1], [2, 1, 6]]) * 1e-9
    evidence = random.standard_normal((7, 3))
    found = belief_propagation(tree, rates, np.ones(7), evidence, np.array([3]), np.array([0, 0, 0, 1, 0, 0, 0]), 60)
    grid = np.indices((3,) * 7).reshape(7, -1)
    weight = evidence[np.arange(7)[:, None], grid].sum(axis=0)
    for a, b in ((0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6)):
        weight = weight + np.log(rates[grid[a], grid[b]])
    chance = np.exp(weight - weight.max()) * (grid[3] == 1)
    expected = np.stack([[chance[grid[node] == c].sum() for c in range(3)] for node in range(7)]) / chance.sum()
    assert np.allclose(found, expected, atol=1e-6)


# Readers


def write_tables(folder: Path, nodes: list[str], edges: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "nodes.csv").write_text("\n".join(nodes) + "\n", encoding="utf-8")
    (folder / "edges.csv").write_text("\n".join(edges) + "\n", encoding="utf-8")
    return folder


def some_rows(count: int = 24) -> tuple[list[str], list[str]]:
    nodes = ["id,label,age,colour"]
    nodes += [f"p{n},{'ab'[n % 2]},{20 + n},{['red', 'blue', 'green'][n % 3]}" for n in range(count)]
    edges = ["source,target"] + [f"p{n},p{(n + step) % count}" for n in range(count) for step in (2, 4)]
    return nodes, edges


def test_tables_are_read_with_types(tmp_path):
    splits = GraphTable(str(write_tables(tmp_path / "g", *some_rows()))).read()
    graph = splits.train.graph
    assert len(graph) == 24 and list(graph.feature_names) == ["age", "colour=blue", "colour=green", "colour=red"]
    features = np.asarray(graph.features.todense() if scipy.sparse.issparse(graph.features) else graph.features)
    assert features[3].tolist() == [23, 0, 0, 1]
    assert (graph.edges != graph.edges.T).nnz == 0 and graph.edges.nnz == 96
    assert {len(part) for _, part in splits} == {16, 4} and "stratified" in splits.origin


def test_directed_edges_go_one_way_and_weights_count(tmp_path):
    nodes, edges = some_rows()
    weighted = ["source,target,weight"] + [f"{line},{index + 1}" for index, line in enumerate(edges[1:])]
    graph = GraphTable(str(write_tables(tmp_path / "g", nodes, weighted)), directed=True).read().train.graph
    assert graph.edges[2, 0] == 1 and graph.edges[0, 2] == 0, "p0 to p2: node 2 hears node 0"
    assert graph.directed and graph.edges.nnz == 48


def test_a_split_column_parquet_and_other_names(tmp_path):
    import pyarrow
    import pyarrow.parquet

    count = 12
    table = {"node": list(range(100, 100 + count)), "topic": ["x", "y"] * 6, "f": [0.5] * count,
             "split": (["train"] * 6) + (["val"] * 2) + (["test"] * 2) + ([None] * 2)}  # fmt: skip
    (tmp_path / "g").mkdir()
    pyarrow.parquet.write_table(pyarrow.table(table), tmp_path / "g" / "nodes.parquet")
    ring = {"citing": list(range(100, 111)), "cited": list(range(101, 112))}
    pyarrow.parquet.write_table(pyarrow.table(ring), tmp_path / "g" / "edges.parquet")
    splits = GraphTable(str(tmp_path / "g"), label="topic").read()
    assert [len(part) for _, part in splits] == [6, 2, 2]
    assert splits.test[0].source == "108"


def test_graphml_and_npz_are_the_same_graph(tmp_path):
    import networkx

    nodes, edges = some_rows()
    graph = networkx.Graph()
    for line in nodes[1:]:
        name, label, age, _ = line.split(",")
        graph.add_node(name, label=label, age=float(age))
    graph.add_edges_from(line.split(",") for line in edges[1:])
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    found = GraphTable(str(tmp_path / "g.graphml")).read().train.graph
    index = np.array([[int(word[1:]) for word in line.split(",")] for line in edges[1:]]).T
    features = np.arange(20, 44, dtype=np.float32)[:, None]
    labels = np.array([line.split(",")[1] for line in nodes[1:]])
    np.savez(tmp_path / "g.npz", edge_index=index, features=features, labels=labels, feature_names=np.array(["age"]))
    other = GraphTable(str(tmp_path / "g.npz")).read().train.graph
    assert (found.edges != other.edges).nnz == 0
    assert np.array_equal(np.asarray(found.features), np.asarray(other.features)) or np.array_equal(
        np.asarray(found.features.todense()), other.features
    )
    assert list(found.labels) == list(other.labels) and found.ids[3] == "p3"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n, e: (n, [*e, "p1,px"]), ["edges.csv:50", "node 'px' has no row in nodes.csv"]),
        (lambda n, e: (n, e[:1]), ["has no edges", "nothing to convolve"]),
        (lambda n, e: (n[:1], e[:1]), ["the graph is empty"]),
        (lambda n, e: ([*n, n[-1]], e), ["nodes.csv:26", "is there twice"]),
        (lambda n, e: ([n[0], n[1].replace(",20,", ",inf,"), *n[2:]], e), ["nodes.csv:2", "'age'", "finite number"]),
        (lambda n, e: ([n[0], n[1].replace(",20,", ",x,"), *n[2:]], e), ["nodes.csv:2", "'age' says 'x'", "should be a number"]),
        (lambda n, e: ([n[0], *(line + ",1" for line in n[1:])], e), ["has 5 fields, the heading 4"]),
        (lambda n, e: ([line.replace("label", "klasse") for line in n], e), ["which column is the label?", "klasse"]),
        (lambda n, e: ([n[0], *(",".join([w[0], "", *w[2:]]) for w in (line.split(",") for line in n[1:]))], e),
         ["no node has a label"]),
        (lambda n, e: ([n[0], n[1].replace(",a,", ",z,"), *n[2:]], e), ["class 'z' has 1 example"]),
        (lambda n, e: (n, ["source,target,weight", "p1,p2,-1"]), ["should be above 0"]),
        (lambda n, e: (n, ["source,target,weight", "p1,p2,much"]), ["edges.csv:2", "should be a number"]),
        (lambda n, e: ([n[0] + ",note", *(f"{line},note {i * 7919}" for i, line in enumerate(n[1:] * 1))], e), []),
        (lambda n, e: (["id,label,split", *(",".join([*line.split(",")[:2], "train"]) for line in n[1:])], e),
         ["the val split has no nodes"]),
        (lambda n, e: (["id,label,split", *(f"p{i},{'ab'[i % 2] if i else 'z'},{['test', 'val', 'train'][min(i, 2)]}"
                                            for i in range(24))], e), ["class 'z' has no training node"]),
    ],
)  # fmt: skip
def test_wrong_tables_are_named(change, words, tmp_path, cli, tiny):
    folder = write_tables(tmp_path / "g", *change(*some_rows()))
    result = cli("check", "nodes_gcn", "--data", folder)
    if not words:
        assert result.code == 0, result.err
        return
    assert result.code == 3, result.err
    assert len(result.err.splitlines()) == 1
    assert all(word in result.err for word in words), result.err


def test_what_is_odd_in_a_graph_is_mended_and_said(tmp_path):
    nodes, edges = some_rows()
    odd = [*edges, "p1,p1", "p0,p2", "p2,p0", "p5,p5"]
    splits = GraphTable(str(write_tables(tmp_path / "g", [*nodes, "lone,a,9,red"], odd))).read()
    assert "2 self-loops left out" in splits.origin
    assert "2 duplicate or reversed edges merged" in splits.origin
    assert "1 isolated nodes" in splits.origin and "3 components" in splits.origin
    encoder = GraphEncoder(normalise="standard")
    encoder.fit(splits.train)
    outputs = GraphNetwork(4, 2).eval()(**encoder.gather(splits.test, [0, 1]).inputs)
    assert outputs.isfinite().all()


def test_a_graph_with_nan_names_node_and_feature():
    edges = random_edges(5, 9)
    features = np.zeros((5, 2), np.float32)
    features[3, 1] = np.nan
    with pytest.raises(DataError, match="node 'd': feature size is not a finite number"):
        Graph(edges, features, ["x"] * 5, list("abcde"), ["length", "size"])
    with pytest.raises(DataError, match="node 'd': feature size is not a finite number"):
        Graph(edges, scipy.sparse.csr_matrix(features), ["x"] * 5, list("abcde"), ["length", "size"])


def test_only_arrays_are_unpickled(tmp_path):
    import pickle

    class Harm:
        def __reduce__(self):
            return (print, ("harm",))

    for name, value in (("a", Harm()), ("b", {"x": Harm()})):
        (tmp_path / name).write_bytes(pickle.dumps(value))
        with pytest.raises(DataError, match=r"print.*not opened"):
            load_restricted(tmp_path / name)
    good = {"matrix": scipy.sparse.csr_matrix(np.eye(3)), "rows": np.arange(4), "lists": {1: [2, 3]}}
    (tmp_path / "good").write_bytes(pickle.dumps(good))
    found = load_restricted(tmp_path / "good")
    assert (found["matrix"] != good["matrix"]).nnz == 0 and found["lists"] == {1: [2, 3]}
    (tmp_path / "cut").write_bytes((tmp_path / "good").read_bytes()[:50])
    with pytest.raises(DataError, match="is damaged"):
        load_restricted(tmp_path / "cut")
    with pytest.raises(DataError, match="cannot be read"):
        load_restricted(tmp_path / "absent")


def test_a_graph_file_runs_no_code_and_expands_no_entities(tmp_path):
    class Harm:
        def __reduce__(self):
            return Path.mkdir, (tmp_path / "harm",)

    labels = np.empty(6, dtype=object)
    labels[:] = ["a", "b", "a", "b", "a", Harm()]
    np.savez(tmp_path / "g.npz", edge_index=np.array([[0, 1], [1, 2]]), labels=labels)
    with pytest.raises(DataError, match=r"g\.npz: cannot be read as npz without pickles"):
        GraphTable(str(tmp_path / "g.npz")).read()
    assert not (tmp_path / "harm").exists()
    (tmp_path / "g.graphml").write_text(
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>\n<graphml><graph><node id="&b;"/></graph></graphml>'
    )
    with pytest.raises(DataError, match=r"g\.graphml: declares XML entities"):
        GraphTable(str(tmp_path / "g.graphml")).read()


@pytest.mark.parametrize(("name", "nodes", "edges", "features", "sizes"), [
    ("cora", 2708, 5278, 1433, [140, 500, 1000]), ("citeseer", 3327, 4552, 3703, [120, 500, 1000]),
])  # fmt: skip
def test_planetoid_is_read_whole(name, nodes, edges, features, sizes, mirror):
    splits = Planetoid(name).read()
    graph = splits.train.graph
    assert (len(graph), graph.edges.nnz // 2, graph.features.shape[1]) == (nodes, edges, features)
    assert [len(part) for _, part in splits] == sizes
    assert set(Counter(node.label for node in splits.train).values()) == {20}
    if name == "citeseer":
        assert "124 self-loops left out" in graph.in_words()
        bare = [index for index, label in enumerate(graph.labels) if label is None]
        assert len(bare) == 15 and graph.features[bare].nnz == 0
    assert Planetoid.recognises(mirror / name)
    assert len(Planetoid(path=str(mirror / name)).read().train) == sizes[0]


# Prediction


def test_nodes_are_predicted_by_id(cli, small_run):
    folder = small_run("nodes_gcn")
    result = cli("predict", folder, "--nodes", "n3", "n250")
    assert result.code == 0, result.err
    assert [line.split()[-1] for line in result.out.splitlines()] == ["n3", "n250"]
    run = convzoo.Run.load(folder)
    rows = {row["source"]: row for row in convzoo.runs.read_predictions(folder / "predictions.csv")}
    name = next(iter(rows))
    assert run.predict([name])[0]["probability"] == pytest.approx(rows[name]["probability"], abs=1e-5)
    wrong = cli("predict", folder, "--nodes", "n3000")
    assert wrong.code == 3 and "did you mean 'n30" in wrong.err and len(wrong.err.splitlines()) == 1


def test_a_new_node_is_predicted_with_its_edges(cli, small_run, tmp_path):
    folder = small_run("nodes_gcn")
    run = convzoo.Run.load(folder)
    graph = run.encoder.graph
    # A copy of a node, with its words and its neighbours: only its neighbours' degrees know of one tie less.
    at = int(np.argmax(np.diff(graph.edges.indptr)))
    around = [graph.ids[index] for index in graph.edges[at].indices]
    words = {graph.feature_names[index]: 1 for index in graph.features[at].indices}
    new = {"id": "copy", "features": words, "edges": around}
    known, copied = run.predict([graph.ids[at], new])
    for label, chance in known["probabilities"].items():
        assert copied["probabilities"][label] == pytest.approx(chance, abs=1e-4)
    together = run.predict([new, {"features": [0] * 60, "edges": ["n1"]}, graph.ids[at]])
    assert together[0]["probability"] == pytest.approx(copied["probability"], abs=1e-6)
    (tmp_path / "new.jsonl").write_text(json.dumps(new) + "\n" + json.dumps(new) + "\n")
    assert cli("predict", folder, tmp_path / "new.jsonl").out.count("copy") == 2
    assert cli("predict", folder, "-", input=json.dumps(new) + "\nn4\n").out.count("\n") == 2
    for value, said in (
        ({"features": words, "edges": ["n99999"]}, "no node 'n99999'"),
        ({"features": {"word x": 1}, "edges": ["n1"]}, "no feature 'word x'"),
        ({"features": [1, 2], "edges": ["n1"]}, "has 2 features; nodes have 60"),
        ({"features": {"word 1": float("nan")}, "edges": ["n1"]}, "not a finite number"),
        ({"edges": ["n1"]}, 'needs "features" and "edges"'),
        ({"features": words, "edges": ["n1"], "weights": [1, 2]}, "as many weights"),
        ({"features": words, "edges": ["n1"], "colour": 1}, "has the key 'colour'"),
    ):
        result = cli("predict", folder, json.dumps(value))
        assert result.code == 3 and said in result.err, result.err
    assert cli("predict", folder, "{nonsense").code == 3


@pytest.mark.parametrize("kind", ["laplacian", "featureless"])
def test_where_nothing_is_known_of_new_nodes_they_are_refused(kind, cli, tmp_path, tiny):
    if kind == "laplacian":
        more = [*tiny("nodes_gcn"), "model.conv=cheb", "encoder.matrix=laplacian"]
        convzoo.run("nodes_gcn", more, out=tmp_path / "run", quiet=True, report=False)
    else:
        nodes, edges = some_rows()
        folder = write_tables(tmp_path / "g", [",".join(line.split(",")[:2]) for line in nodes], edges)
        more = ["train.epochs=3", "baselines=[majority,label_propagation]"]
        convzoo.run("nodes_gcn", more, data=folder, out=tmp_path / "run", quiet=True)
    result = cli("predict", tmp_path / "run", '{"features": {}, "edges": ["n1"]}')
    assert result.code == 3 and len(result.err.splitlines()) == 1
    assert ("Laplacian" if kind == "laplacian" else "have no features") in result.err


def test_another_graph_is_scored_with_the_runs_network(cli, tmp_path):
    nodes, edges = some_rows()
    folder = write_tables(tmp_path / "g", nodes, edges)
    assert cli("run", "nodes_gcn", "train.epochs=5", "--data", folder, "--out", "run", "--quiet").code == 0
    result = cli("evaluate", "run", "--data", folder)
    assert result.code == 0, result.err
    other = write_tables(tmp_path / "other", [",".join(line.split(",")[:3]) for line in nodes], edges)
    result = cli("evaluate", "run", "--data", other)
    assert result.code == 3 and "the graph has 1 features; the network was trained with 4" in result.err


@pytest.mark.parametrize("conv", ["sage", "gat", "gcn2", "appnp", "gprgnn", "cheb", "mixhop"])
def test_every_convolution_trains_explains_and_is_exported(conv, cli, tmp_path, tiny):
    matrix = {"sage": "random_walk", "cheb": "laplacian"}.get(conv, "symmetric")
    more = [
        *tiny("nodes_gcn"),
        f"model.conv={conv}",
        f"encoder.matrix={matrix}",
        "model.heads=2",
        "model.steps=2",
        "baselines=[]",
    ]
    assert cli("run", "nodes_gcn", *more, "--out", "run", "--quiet").code == 0
    described = cli("describe", "run")
    assert described.code == 0 and "edges" in described.out
    kinds = ("onnx", "torch") if conv in ("gat", "cheb") else ("onnx",)
    for kind in kinds:
        result = cli("export", "run", "--format", kind, "--out", tmp_path / f"model.{kind}")
        assert result.code == 0, result.err


def test_nodes_are_a_sequence():
    splits = Communities(**SMALL).read()
    assert isinstance(splits.val[:5], Nodes) and len(splits.val[:5]) == 5
    assert [node.index for node in splits.val[:5]] == splits.val.indices[:5].tolist()
    with pytest.raises(ConvzooError):
        Communities(nodes=100).read()


def a_world_of_places(tmp_path: Path) -> Path:
    """Two circles of friends without features."""
    random = np.random.default_rng(0)
    home = random.integers(0, 2, 80)
    edges = [(a, b) for a in range(80) for b in range(a) if random.random() < (0.25 if home[a] == home[b] else 0.02)]
    (tmp_path / "nodes.csv").write_text("id,label\n" + "".join(f"n{node},{'ab'[home[node]]}\n" for node in range(80)))
    (tmp_path / "edges.csv").write_text("source,target\n" + "".join(f"n{a},n{b}\n" for a, b in edges))
    return tmp_path


def test_nodes_without_features_get_their_places_in_the_graph(tmp_path):
    folder = a_world_of_places(tmp_path)
    splits = GraphTable(str(folder)).read()
    encoder = GraphEncoder(without_features="places")
    encoder.fit(splits.train)
    features = encoder.encode([splits.train[0]]).inputs["graph"].features
    assert features.shape == (80, encoder.dims["in_channels"])
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(features.shape[1]), atol=1e-5, rtol=0)
    graph = splits.train[0].graph
    strongest = np.abs(
        [np.corrcoef(features[:, at].numpy(), np.array(graph.labels) == "a")[0, 1] for at in range(4)]
    ).max()
    assert strongest > 0.9, "one of the strongest directions tells the two circles apart"
    other = GraphEncoder(without_features="places")
    other.load_state(
        {key: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for key, v in encoder.state().items()}
    )
    again = GraphTable(str(folder)).read()
    assert torch.equal(other.encode([again.test[0]]).inputs["graph"].features, features)


def test_places_are_those_of_the_graph_that_was_trained_on(tmp_path):
    folder = a_world_of_places(tmp_path)
    splits = GraphTable(str(folder)).read()
    encoder = GraphEncoder(without_features="places")
    encoder.fit(splits.train)
    for name in ("nodes.csv", "edges.csv"):
        (folder / name).write_text((folder / name).read_text().replace("n", "m").replace("mode", "node"))
    (folder / "nodes.csv").write_text("id,label\n" + (folder / "nodes.csv").read_text().partition("\n")[2])
    (folder / "edges.csv").write_text("source,target\n" + (folder / "edges.csv").read_text().partition("\n")[2])
    other = GraphTable(str(folder)).read()
    with pytest.raises(DataError, match="give that graph"):
        encoder.encode([other.test[0]])


def test_numbers_are_standardised_and_words_are_not(tmp_path):
    folder = a_world_of_places(tmp_path)
    rows = (folder / "nodes.csv").read_text().splitlines()
    random = np.random.default_rng(1)
    numbers = [f"{row},{random.normal(1000, 5):.3f}" for row in rows[1:]]
    (folder / "nodes.csv").write_text("id,label,height\n" + "\n".join(numbers) + "\n")
    splits = GraphTable(str(folder)).read()
    encoder = GraphEncoder(normalise="auto")
    encoder.fit(splits.train)
    features = encoder.encode([splits.train[0]]).inputs["graph"].features
    assert abs(float(features.mean())) < 0.5 < float(features.std()) < 2
