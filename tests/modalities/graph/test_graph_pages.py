"""The pages of nodes: what is drawn around one, what messages and features do, slices, what an output sees."""

import re

import numpy as np
import pytest
import scipy.sparse
import torch

import convzoo
from convzoo.core.pages import Material
from convzoo.modalities.graph.data.communities import Communities
from convzoo.modalities.graph.ego_network import EgoNetwork, drawing, effects_of, ego_network
from convzoo.modalities.graph.encoder import GraphEncoder
from convzoo.modalities.graph.example import Graph, Node, Nodes, make_edges
from convzoo.modalities.graph.pages import NodePages, distances, homophily, neighbours_in_words, seen_within
from convzoo.models.graph_network import GraphNetwork
from convzoo.ops.sparse import GraphTensors, SparseMatrix
from convzoo.recipe.assembly import build_reader
from convzoo.runs import read_predictions
from convzoo.tasks.classification import Classification
from convzoo.tasks.regression import Regression

CHAIN = make_edges(np.arange(5), np.arange(1, 6), 7)[0]
"""0 - 1 - 2 - 3 - 4 - 5, and 6 alone."""


def named(edges, labels) -> Graph:
    count = edges.shape[0]
    return Graph(edges, np.ones((count, 1), np.float32), labels, [f"n{at}" for at in range(count)], ["one"])


def test_an_ego_network_counts_what_it_does_not_draw() -> None:
    # Node 0 has 40 neighbours, and the first of them 3 more.
    sources = np.r_[np.zeros(40, int), np.ones(3, int)]
    edges = make_edges(sources, np.r_[np.arange(1, 41), [41, 42, 43]], 44)[0]
    found = ego_network(edges, 0)
    assert (len(found.near), found.near_count, len(found.far), found.far_count) == (25, 40, 0, 3)
    small = ego_network(CHAIN, 2)
    assert (small.near, sorted(small.far), small.near_count, small.far_count) == ([1, 3], [0, 4], 2, 2)
    assert [small.near[parent] for parent in small.parents] == [1 if far == 0 else 3 for far in small.far]
    alone = ego_network(CHAIN, 6)
    assert (alone.near, alone.far, alone.near_count) == ([], [], 0)


def test_of_many_neighbours_those_with_the_heaviest_edges_are_drawn() -> None:
    weights = np.arange(1, 41, dtype=float)
    edges = make_edges(np.zeros(40, int), np.arange(1, 41), 41, weights)[0]
    assert ego_network(edges, 0, 3).near == [38, 39, 40]


def test_marks_of_nodes_differ_in_shape_and_the_drawing_has_a_label() -> None:
    ego = EgoNetwork(2, [1, 3], [0], [0], 2, 2)
    drawn = drawing(CHAIN, ego, ["same", "said"], ["unknown"], "said", [True, False, False], 'a "label"', [0.3, -0.3])
    assert 'aria-label="a &quot;label&quot;"' in drawn
    # Squares: the neighbour and the answer in the middle. A ring: the label that was learnt from. Dashes: against.
    assert drawn.count("<rect") == 2
    assert drawn.count('stroke="var(--ink)"') == 1
    assert re.search(r'stroke="var\(--minus\)"[^>]*stroke-dasharray', drawn)
    assert not re.search(r'stroke="var\(--plus\)"[^>]*stroke-dasharray', drawn)


@pytest.mark.parametrize(("conv", "matrix"), [("gcn", "symmetric"), ("sage", "random_walk"), ("gat", "symmetric")])
def test_what_a_message_does_is_the_difference_to_the_graph_without_it(conv: str, matrix: str) -> None:
    splits = Communities(nodes=300, train=8, val=60, test=60, vocabulary=60).read()
    encoder = GraphEncoder(matrix=matrix)  # type: ignore[arg-type]
    encoder.fit(splits.train)
    torch.manual_seed(0)
    model = GraphNetwork(60, 6, conv=conv, channels=8, heads=2).eval()  # type: ignore[arg-type]
    whole = encoder.gather(splits.test, [0]).inputs["graph"]
    graph = splits.test.graph
    node = max(splits.test.indices.tolist(), key=lambda number: len(ego_network(graph.edges, number).near))
    near = ego_network(graph.edges, node).near
    found = effects_of(model, whole, node, near, 2)
    assert found is not None
    with torch.no_grad():
        # The whole graph, with the matrix without one entry, or the features without one of the node's own.
        dense = whole.adjacency.dense()
        features = whole.features if isinstance(whole.features, torch.Tensor) else whole.features.dense()

        def chance(entries: torch.Tensor, values: torch.Tensor) -> float:
            kept = SparseMatrix.of(scipy.sparse.csr_matrix(entries.numpy()), gradient=False)
            logits = model(graph=GraphTensors(values, kept), nodes=torch.tensor([node]))
            return float(logits.double().softmax(dim=1)[0, 2])

        before = chance(dense, features)
        without = dense.clone()
        without[node, near[1]] = 0
        assert found.messages[1] == pytest.approx(before - chance(without, features), abs=1e-5)
        column = next(iter(found.features))
        less = features.clone()
        less[node, column] = 0
        after = chance(dense, less)
        logit = np.log([before / (1 - before), after / (1 - after)])
        assert found.features[column] == pytest.approx(logit[0] - logit[1], abs=1e-4)
    assert set(found.features) == set(np.flatnonzero(features[node].numpy()).tolist())


def test_a_model_that_does_not_know_its_hops_gets_no_effects() -> None:
    class Own(torch.nn.Module):
        def forward(self, graph, nodes):
            return graph.features[nodes]

    encoder = GraphEncoder()
    nodes = Nodes(named(CHAIN, ["a", "b", "a", "b", "a", "b", None]), np.arange(6))
    encoder.fit(nodes)
    whole = encoder.gather(nodes, [0]).inputs["graph"]
    assert effects_of(Own(), whole, 1, [0, 2], 0) is None
    assert NodePages().field(Material(Own(), encoder, nodes, []), None) == ""


def test_distances_and_what_is_seen_are_counted_along_the_edges() -> None:
    assert distances(CHAIN, np.array([0, 5]), 6).tolist() == [0, 1, 2, 2, 1, 0, 7]
    assert distances(CHAIN, np.array([0]), 3).tolist() == [0, 1, 2, 3, 4, 4, 4]
    assert seen_within(CHAIN, np.array([2, 0, 6]), 2).tolist() == [[1, 1, 1], [3, 2, 1], [5, 3, 1]]
    # Messages go along the direction of an edge, from 0 to 1 to 2.
    one_way = make_edges(np.array([0, 1]), np.array([1, 2]), 3, directed=True)[0]
    assert distances(one_way, np.array([0]), 4).tolist() == [0, 1, 2]
    assert distances(one_way, np.array([2]), 4).tolist() == [5, 5, 0]
    assert seen_within(one_way, np.array([0, 2]), 2)[-1].tolist() == [1, 3]


def test_neighbours_are_told_in_words_whatever_their_labels_are() -> None:
    graph = named(CHAIN, ["<a>", "b", "<a>", None, "c", "b", None])
    assert neighbours_in_words(graph, [0, 2, 1, 3]) == "4 neighbours: 2 × &lt;a&gt;, 1 × b, 1 without a label"
    assert neighbours_in_words(graph, []) == "no neighbour"
    assert neighbours_in_words(named(CHAIN, [2.0, 4.0, 1.0, 1.0, 1.0, 1.0, None]), [0, 1]).endswith(
        "known numbers is 3"
    )
    assert "1 × x, y" in neighbours_in_words(named(CHAIN, [("x", "y")] * 7), [0])
    assert homophily(graph, np.array([1, 2, 6]))[:2].tolist() == [0.0, 0.0]
    assert np.isnan(homophily(graph, np.array([6]))[0])


def test_the_labels_that_were_learnt_from_are_kept_with_the_encoder() -> None:
    nodes = Nodes(named(CHAIN, ["a", "b", None, "b", "a", "b", None]), np.array([3, 0, 2]))
    encoder, other = GraphEncoder(), GraphEncoder()
    encoder.fit(nodes)
    other.load_state(
        {key: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for key, v in encoder.state().items()}
    )
    assert other.learnt is not None
    assert sorted(other.learnt.tolist()) == [0, 3]


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny):
    more = [*tiny("nodes_gcn"), "train.epochs=30", "baselines=[majority]"]
    return convzoo.run("nodes_gcn", more, out=tmp_path_factory.mktemp("nodes") / "run", quiet=True)


@pytest.fixture(scope="module")
def material(run) -> Material:
    splits = build_reader(run.recipe).read()
    return Material(run.model, run.encoder, splits.test, read_predictions(run.path / "predictions.csv"))


def test_the_page_of_nodes_says_what_the_predictions_do(run, material: Material) -> None:
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "One of 6 classes, for 168 nodes of a graph of 300" in page
    for words in ("number of neighbours", "distance to a labelled node", "share of neighbours of the same class"):
        assert words in page
    wrong = sum(row["label"] != row["true_label"] for row in material.predictions)
    assert f"60 test nodes, {wrong} of them wrong" in page
    assert len(page) < 1_000_000


def test_slices_hold_every_row_once(run, material: Material) -> None:
    slices = NodePages().slices(run.task, material)
    assert [each.title for each in slices][:2] == ["number of neighbours", "distance to a labelled node"]
    for each in slices:
        assert sorted(at for places in each.groups.values() for at in places) == list(range(len(material.predictions)))
    degrees = np.diff(material.examples.graph.edges.indptr)
    for name, places in slices[0].groups.items():
        ends = [int(end) for end in name.split(" to ")]
        found = [degrees[material.examples[int(material.predictions[at]["index"])].index] for at in places]
        assert (min(found), max(found)) == (ends[0], ends[-1])


def test_a_card_says_what_its_strongest_message_does(run, material: Material) -> None:
    degrees = np.diff(material.examples.graph.edges.indptr)[material.examples.indices]
    row = next(row for row in material.predictions if degrees[int(row["index"])] == 2)
    example = material.examples[int(row["index"])]
    around = ego_network(example.graph.edges, example.index)
    said = list(run.task.labels).index(row["label"])
    whole = material.encoder.gather(material.examples, [0]).inputs["graph"]
    found = effects_of(material.model, whole, example.index, around.near, said, run.task.temperature)
    assert found is not None
    card = NodePages().explained(run.task, material, row)
    assert f'aria-label="Node {row["source"]} with 2 neighbours' in card
    strongest = int(np.argmax(np.abs(found.messages)))
    effect = float(found.messages[strongest])
    assert abs(effect) > 0.005
    direction = "less" if effect > 0 else "more"
    words = f"it would be {100 * abs(effect):.0f} points {direction} sure of {row['label']}"
    assert f"Without <code>{example.graph.ids[around.near[strongest]]}</code> {words}" in card


def test_nodes_with_numbers_are_shown_without_classes() -> None:
    graph = named(CHAIN, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, None])
    nodes = Nodes(graph, np.arange(6))
    encoder = GraphEncoder()
    encoder.fit(nodes)
    rows = [{"index": at, "source": f"n{at}", "value": 1.0, "true_value": float(at + 1)} for at in range(6)]
    task = Regression(**{name: encoder.dims[name] for name in ("mean", "deviation") if name in encoder.dims})
    material = Material(GraphNetwork(1, 1), encoder, nodes, rows)
    pages = NodePages()
    assert "the mean of 2 known numbers is 2" in pages.explained(task, material, rows[1])
    assert len(pages.slices(task, material)) == 2
    assert pages.title(task, material, 6) == pages.legend(task, material) == ""
    assert "<svg" in pages.field(material, None)
    assert "Which classes" not in pages.data(material)


def test_a_new_node_has_a_picture() -> None:
    graph = named(CHAIN, ["a"] * 7)
    assert "new &lt;1&gt;" in NodePages().picture(Node(graph, -1, name="new <1>"))


def test_nothing_is_said_of_classes_without_labels(run, material: Material) -> None:
    rows = [{**row, "true_label": ""} for row in material.predictions]
    bare = Material(material.model, material.encoder, material.examples, rows)
    assert isinstance(run.task, Classification)
    assert NodePages().sections(run.task, bare) == []
    assert "<svg" in NodePages().explained(run.task, bare, rows[0])
