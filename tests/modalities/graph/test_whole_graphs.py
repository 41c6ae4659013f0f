"""Whole graphs: what files say, what is refused, what the network is given, and that a batch is its graphs side by side."""

import json
from pathlib import Path
from typing import Any

import networkx
import numpy as np
import pytest
import torch

import convzoo
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.modalities.graph.data.molecules import Molecule, Molecules
from convzoo.modalities.graph.data.own_graphs import GraphFiles, GraphFolder
from convzoo.modalities.graph.data.tu import TUDataset
from convzoo.modalities.graph.whole import WholeGraph, colours, fingerprint
from convzoo.modalities.graph.whole_baselines import contents
from convzoo.modalities.graph.whole_encoder import WholeGraphEncoder, eigenvectors, return_chances
from convzoo.modalities.graph.whole_formats import Structure, read_graph
from convzoo.modalities.graph.whole_pages import drawing, effects_of, without
from convzoo.models.whole_graph_network import WholeGraphNetwork


def ring(size: int, kinds: str = "") -> Structure:
    """A ring, with letters as the kinds of its nodes."""
    at = np.arange(size)
    nodes = {"kind": np.array(list(kinds))} if kinds else {}
    return Structure(size, at, (at + 1) % size, nodes)


def lone(kind: str) -> Structure:
    """A single node."""
    none = np.zeros(0, np.int64)
    return Structure(1, none, none, {"kind": np.array([kind])})


def labelled(structures: list[Structure]) -> list[WholeGraph]:
    return [WholeGraph(structure, label="ab"[at % 2], source=f"graph {at}") for at, structure in enumerate(structures)]


# Files


def test_node_link_files_of_networkx_are_read(tmp_path: Path) -> None:
    graph = networkx.Graph(label="good")
    graph.add_node("a", element="C", charge=0.5)
    graph.add_node("b", element="O", charge=-1)
    graph.add_edge("a", "b", bond="double", weight=2.0)
    (tmp_path / "g.json").write_text(json.dumps(networkx.node_link_data(graph, edges="links")))
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    for name in ("g.json", "g.graphml"):
        found, label = read_graph(tmp_path / name)
        assert label == "good" and found.count == 2 and not found.directed and list(found.ids) == ["a", "b"]
        assert found.nodes["element"].tolist() == ["C", "O"] and found.edges["bond"].tolist() == ["double"]
        np.testing.assert_allclose(found.nodes["charge"], [0.5, -1])
        np.testing.assert_allclose(found.edges["weight"], [2])
        rows, columns, which = found.entries()
        assert (rows.tolist(), columns.tolist(), which.tolist()) == ([0, 1], [1, 0], [0, 0])


WRONG: dict[str, tuple[Any, str]] = {
    "no nodes": ({"nodes": [], "edges": []}, "the graph has no nodes"),
    "absent node": ({"nodes": ["a1", "b"], "edges": [["a1", "a2"]]}, "edge 1 names node 'a2'.*did you mean 'a1'"),
    "twice": ({"nodes": ["a", "a"], "edges": []}, "node 'a' is there twice"),
    "missing": ({"nodes": [{"id": 1, "k": "x"}, {"id": 2}], "edges": []}, "node '2' has no 'k', which others have"),
    "not finite": ({"nodes": [{"id": 1, "k": float("nan")}], "edges": []}, "'k' is nan, not a finite number"),
    "weight": ({"nodes": [1, 2], "edges": [{"source": 1, "target": 2, "weight": -1}]}, "has the weight -1"),
    "half an edge": ({"nodes": [1, 2], "edges": [{"source": 1}]}, "edge 1 has no source and target"),
    "no list": ({"node": []}, "has no list \"nodes\"; did you mean its 'node'"),
    "a list": ([1, 2], "should be an object"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_graph_is_named_in_a_line(case: str, tmp_path: Path) -> None:
    value, message = WRONG[case]
    (tmp_path / "g.json").write_text(json.dumps(value))
    with pytest.raises(DataError, match=message) as error:
        read_graph(tmp_path / "g.json")
    assert str(error.value).startswith(str(tmp_path / "g.json")) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "<graphml>", "\x00"])
@pytest.mark.parametrize("name", ["g.json", "g.graphml"])
def test_a_damaged_file_is_named(text: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=name):
        read_graph(tmp_path / name)


def test_copies_in_another_order_have_one_fingerprint() -> None:
    turned = Structure(5, np.array([2, 1, 0, 4, 3]), np.array([1, 0, 4, 3, 2]), {"kind": np.array(list("CCOCC"))})
    assert fingerprint(ring(5, "OCCCC")) == fingerprint(turned)
    assert fingerprint(ring(5, "OCCCC")) != fingerprint(ring(5, "NCCCC")) != fingerprint(ring(6, "NCCCCC"))


def test_a_folder_of_graphs_keeps_copies_together(tmp_path: Path) -> None:
    for number in range(20):
        home = tmp_path / ("a" if number % 2 else "b")
        home.mkdir(exist_ok=True)
        nodes = [{"id": at, "kind": "xyz"[(number >> at) % 3]} for at in range(4)]
        order = nodes if number < 10 else nodes[::-1]
        (home / f"{number}.json").write_text(json.dumps({"nodes": order, "edges": [[0, 1], [1, 2], [2, 3]]}))
    splits = GraphFolder(str(tmp_path)).read()
    homes: dict[str, set[str]] = {}
    for part, examples in splits:
        for example in examples:
            homes.setdefault(fingerprint(example.read()), set()).add(part)
    assert all(len(parts) == 1 for parts in homes.values())
    assert GraphFolder.recognises(tmp_path) and not GraphFiles.recognises(tmp_path)


# TU files


def tu(folder: Path, **changed: str) -> TUDataset:
    """Twelve graphs of three nodes in two classes, with some files changed."""
    pairs = [(3 * g + a, 3 * g + b) for g in range(12) for a, b in ((1, 2), (2, 1), (2, 3), (3, 2))]
    texts = {
        "A": "".join(f"{a}, {b}\n" for a, b in pairs),
        "graph_indicator": "".join(f"{g + 1}\n" * 3 for g in range(12)),
        "graph_labels": "".join(f"{g % 2}\n" for g in range(12)),
        "node_labels": "".join(f"{(g + at) % 4}\n" for g in range(12) for at in range(3)),
    } | changed
    for name, text in texts.items():
        (folder / f"TOY_{name}.txt").write_text(text)
    return TUDataset(path=str(folder), val=0.2, test=0.2, copies="keep")


def test_tu_files_are_read(tmp_path: Path) -> None:
    splits = tu(tmp_path).read()
    example = splits.train[0]
    structure = example.read()
    assert structure.count == 3 and not structure.directed and structure.edge_count == 2
    assert structure.nodes["node label"].dtype.kind == "U" and example.label in ("0", "1")
    assert len(splits.train) + len(splits.val) + len(splits.test) == 12


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"graph_labels": "0\n1\n"}, "TOY_graph_labels.txt: has 2 lines; there are 12 graphs"),
        ({"node_labels": "0\n1\n"}, "TOY_node_labels.txt: has 2 lines; there are 36 nodes"),
        ({"node_labels": "0\nx\n"}, "TOY_node_labels.txt:2"),
        ({"A": "1, 99\n"}, "TOY_A.txt:1: names node 99; nodes are 1 to 36"),
        ({"A": "1, 4\n"}, "TOY_A.txt:1: joins nodes of graphs 1 and 2"),
        ({"A": "1 2\n"}, "TOY_A.txt:1"),
        ({"graph_indicator": "1\n" * 30 + "3\n" * 6}, "graph 2 has no nodes"),
        ({"graph_labels": "1\n" * 12}, "class"),
    ],
)
def test_wrong_tu_files_are_named(changed: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        splits = tu(tmp_path, **changed).read()
        WholeGraphEncoder().fit(splits.train)


def test_proteins_are_as_published(mirror: Path) -> None:
    examples = TUDataset(path=str(mirror / "tu_proteins")).examples()
    sizes = [example.read().count for example in examples]
    edges = [example.read().edge_count for example in examples]
    assert (len(examples), round(np.mean(sizes), 2), round(np.mean(edges), 2)) == (1113, 39.06, 72.82)
    assert sum(example.label == "1" for example in examples) == 663


# Molecules


def test_the_rule_of_molecules_is_as_it_is_written() -> None:
    """A phenol with a fluorine: 0.9 and 1.6 at their distances, the carbons, and the aromatic ring."""
    molecule = Molecule()
    ring_of = [molecule.add("C") for _ in range(6)]
    for at in range(6):
        molecule.join(ring_of[at], ring_of[(at + 1) % 6], 2 if at % 2 == 0 else 1)
    molecule.rings.append((ring_of, True))
    molecule.join(ring_of[0], molecule.add("O"))
    molecule.join(ring_of[1], molecule.add("F"))
    carbons = -0.1 * (1 + 2 * 0.5 + 2 * 0.25 + 0.125)
    assert molecule.acidity() == pytest.approx(carbons + 1.6 * 0.25 + 2.0)
    assert len(molecule.sites()) == 1


def test_molecules_differ_and_their_atoms_have_their_bonds() -> None:
    splits = Molecules(60, 20, 20).read()
    every = [example for _, part in splits for example in part]
    assert len({fingerprint(example.read()) for example in every}) == 100
    for example in every:
        structure = example.read()
        order = np.where(structure.edges["bond"] == "double", 2, 1)
        bonds = np.bincount(structure.sources, order, structure.count) + np.bincount(
            structure.targets, order, structure.count
        )
        most = np.array(
            [{"C": 4, "N": 3, "O": 2, "F": 1, "Cl": 1}[kind] for kind in structure.nodes["element"].tolist()]
        )
        assert (bonds <= most).all() and (bonds > 0).all()
    numbers = Molecules(60, 20, 20, label_type="number").read()
    assert isinstance(numbers.train[0].label, float) and numbers.ceiling["test/mae"] < 0.5


# What the network is given


def test_colours_tell_what_the_refinement_tells() -> None:
    two_triangles = Structure(6, np.array([0, 1, 2, 3, 4, 5]), np.array([1, 2, 0, 4, 5, 3]))
    assert sorted(colours(two_triangles, 3)[-1]) == sorted(
        colours(ring(6), 3)[-1]
    )  # the known limit of sums over neighbours
    assert not np.allclose(return_chances(two_triangles, 3).sum(axis=0), return_chances(ring(6), 3).sum(axis=0))


def test_walks_return_as_powers_of_the_matrix_say() -> None:
    graph = Structure(5, np.array([0, 1, 2, 2]), np.array([1, 2, 0, 3]))
    rows, columns, _ = graph.entries()
    walk = np.zeros((5, 5))
    walk[rows, columns] = 1
    walk /= np.maximum(walk.sum(axis=1, keepdims=True), 1)
    wanted = np.stack([np.diag(np.linalg.matrix_power(walk, step)) for step in range(2, 6)], axis=1)
    np.testing.assert_allclose(return_chances(graph, 4), wanted, atol=1e-6)


def test_eigenvectors_are_those_of_the_laplacian() -> None:
    graph = ring(7)
    found = eigenvectors(graph, 3)
    matrix = np.zeros((7, 7))
    rows, columns, _ = graph.entries()
    matrix[rows, columns] = 0.5
    for vector in found.T:
        moved = vector - matrix @ vector
        np.testing.assert_allclose(moved, vector * (moved @ vector) / (vector @ vector), atol=1e-5)
    assert eigenvectors(ring(3), 5)[:, 2:].max() == 0, "missing ones are zeros"


@pytest.mark.parametrize("conv", ["gin", "gine", "gcn", "sage", "gat", "cheb", "gcn2", "appnp"])
@pytest.mark.parametrize("pooling", [["sum", "max"], ["mean"], ["attention"]])
def test_a_graph_in_a_batch_is_a_graph_alone_and_the_order_of_nodes_does_not_matter(
    conv: str, pooling: list[str]
) -> None:
    torch.manual_seed(0)
    examples = labelled(
        [
            ring(5, "OCCCN"),
            ring(3, "CCC"),
            ring(6, "CCNCCO"),
            Structure(1, *np.zeros((2, 0), int), {"kind": np.array(["C"])}),
        ]
    )
    encoder = WholeGraphEncoder(matrix="laplacian" if conv == "cheb" else "adjacency", positions="random_walk")
    encoder.fit(examples)
    network = WholeGraphNetwork(
        encoder.dims["in_channels"], 2, 0, encoder.matrix, encoder.dims["usual_size"], conv=conv, layers=2, channels=8,
        pooling=pooling, readout="all",
    ).eval()  # fmt: skip
    together = network(**encoder.encode(examples).inputs)
    for at, example in enumerate(examples):
        torch.testing.assert_close(network(**encoder.encode([example]).inputs)[0], together[at], atol=1e-5, rtol=1e-4)
    order = np.array([3, 0, 4, 1, 2])
    first = examples[0].read()
    place = np.argsort(order)
    turned = Structure(5, place[first.sources], place[first.targets], {"kind": first.nodes["kind"][order]})
    torch.testing.assert_close(
        network(**encoder.encode([WholeGraph(turned)]).inputs)[0], together[0], atol=1e-5, rtol=1e-4
    )


def test_edge_features_belong_to_their_edges() -> None:
    """In both directions, and with self-loops in between, which have none."""
    bonds = np.array(["single", "double", "single"])
    graph = Structure(4, np.array([0, 3, 2]), np.array([1, 1, 3]), {}, {"bond": bonds})
    for self_loops in (False, True):
        encoder = WholeGraphEncoder(self_loops=self_loops)
        encoder.fit(labelled([graph, ring(3)][:1] * 2))
        tensors = encoder.encode([WholeGraph(graph)]).inputs["graph"]
        entries = tensors.adjacency.entries()
        kinds = encoder.names["edge_channels"]
        assert kinds == ["bond=double", "bond=single"]
        for row, column, features in zip(
            entries.rows.tolist(), entries.columns.tolist(), tensors.edge_features.tolist(), strict=True
        ):
            wanted = {(0, 1): [0, 1], (1, 3): [1, 0], (2, 3): [0, 1]}.get((min(row, column), max(row, column)), [0, 0])
            assert features == wanted


def test_signs_of_eigenvectors_are_drawn_and_nothing_else() -> None:
    examples = labelled([ring(5, "OCCCN"), ring(6, "CCNCCO")])
    encoder = WholeGraphEncoder(positions="laplacian", position_size=3)
    encoder.fit(examples)
    still = encoder.encode(examples).inputs["graph"].features
    drawn = [encoder.gather(examples, [0, 1], Draws(0, epoch, [0, 1])).inputs["graph"].features for epoch in range(6)]
    assert all(torch.equal(one.abs(), still.abs()) for one in drawn)
    assert all(torch.equal(one[:, :-3], still[:, :-3]) for one in drawn)
    assert any(not torch.equal(one, still) for one in drawn)


def test_what_training_lacks_is_said() -> None:
    encoder = WholeGraphEncoder()
    encoder.fit(labelled([ring(5, "OCCCN"), ring(6, "CCNCCO")]))
    new = WholeGraph(ring(3, "XCC"), source="new")
    assert "X (1)" in " ".join(encoder.survey([new], None).notes)
    with pytest.raises(DataError, match="plain: the nodes have no 'kind', which those of training have"):
        encoder.prepare(WholeGraph(ring(3), source="plain"))
    alone = WholeGraph(lone("C"), source="alone")
    assert "have no edge" in " ".join(encoder.survey([alone], None).notes)


def test_names_of_nodes_are_no_kinds() -> None:
    names = np.array([f"n{at}" for at in range(150)])
    at = np.arange(149)
    graphs = [Structure(150, at, at + 1, {"who": names}), Structure(150, at, at + 1, {"who": names[::-1]})]
    encoder = WholeGraphEncoder()
    encoder.fit(labelled(graphs))
    assert (
        encoder.feature_names == ["degree"]
        and "who (150 different values)" in encoder.survey(labelled(graphs), None).notes[0]
    )


def test_a_convolution_and_its_matrix_go_together() -> None:
    with pytest.raises(ValueError, match=r"conv: cheb needs encoder\.matrix: laplacian"):
        WholeGraphNetwork(3, 2, conv="cheb")
    with pytest.raises(ValueError, match="pooling: is empty"):
        WholeGraphNetwork(3, 2, pooling=[])


# Opponents and pages


def test_a_table_of_contents_counts_once() -> None:
    found = contents(Structure(3, np.array([0, 1, 1]), np.array([1, 0, 2]), {"kind": np.array(["C", "O", "C"])}))
    assert (found["kind=C"], found["kind=O"], found["C  O"], found["edges"], found["degree 1"]) == (2, 1, 2, 2, 2)


def test_a_node_that_is_left_out_takes_its_edges_along() -> None:
    left = without(ring(5, "OCCCN"), 0)
    assert left.count == 4 and left.edge_count == 3 and left.nodes["kind"].tolist() == list("CCCN")
    examples = labelled([ring(5, "OCCCN"), ring(6, "CCNCCO")])
    encoder = WholeGraphEncoder()
    encoder.fit(examples)
    network = WholeGraphNetwork(encoder.dims["in_channels"], 2, conv="gin", layers=1, channels=4).eval()
    effects = effects_of(network, encoder, examples[0].read(), 1)
    with torch.no_grad():
        outputs = network(**encoder.encode([examples[0], WholeGraph(left)]).inputs).log_softmax(dim=1)[:, 1]
    assert effects[0] == pytest.approx(float(outputs[0] - outputs[1]), abs=1e-5)
    assert drawing(examples[0].read(), "<b>", effects).count("<circle") == 5 and "<b>" not in drawing(ring(3), "<b>")
    assert "150 of them drawn" in drawing(ring(400), "large")


def test_molecules_may_have_numbers(tmp_path: Path) -> None:
    small = ["data.train=64", "data.val=32", "data.test=32", "train.epochs=2", "model.channels=8", "model.layers=2"]
    settings = ["task=regression", "baselines=[mean,graph_forest_regression]", "expect={}"]
    run = convzoo.run("graphs_gin", [*small, *settings], out=tmp_path / "run", quiet=True)
    assert "test/mae" in run.scores
    nodes = [{"id": 1, "element": "C"}, {"id": 2, "element": "O"}]
    (answer,) = run.predict([{"nodes": nodes, "edges": [{"source": 1, "target": 2, "bond": "single"}]}])
    assert isinstance(answer["value"], float)
