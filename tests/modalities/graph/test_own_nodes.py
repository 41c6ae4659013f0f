"""A person's own graph: what columns become, which files are read, how another graph is scored, and what nodes are predicted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

import convzoo
from convzoo.core.errors import DataError
from convzoo.core.tables import read_table
from convzoo.modalities.graph.data.own import GraphTable
from convzoo.modalities.graph.encoder import GraphEncoder

COUNT = 24
SMALL = ["train.epochs=6", "model.channels=8", "baselines=[majority]"]


def rows() -> list[list[str]]:
    return [[f"p{n}", "ab"[n % 2], str(20 + n), ["red", "blue", "green"][n % 3]] for n in range(COUNT)]


def edges() -> list[list[str]]:
    return [[f"p{n}", f"p{(n + step) % COUNT}"] for n in range(COUNT) for step in (2, 4)]


def write(
    folder: Path, nodes: list[list[str]], heading: str = "id,label,age,colour", ends: list[list[str]] | None = None
) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [heading, *(",".join(row) for row in nodes)]
    (folder / "nodes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pairs = ["source,target", *(",".join(pair) for pair in (edges() if ends is None else ends))]
    (folder / "edges.csv").write_text("\n".join(pairs) + "\n", encoding="utf-8")
    return folder


def dense(graph: Any) -> np.ndarray:
    return np.asarray(graph.features.todense() if scipy.sparse.issparse(graph.features) else graph.features)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on two tables, and their folder."""
    home = tmp_path_factory.mktemp("own")
    data = write(home / "graph", rows())
    convzoo.run("nodes_gcn", SMALL, data=data, out=home / "run", quiet=True, report=False)
    return home / "run", data


# Columns


def test_missing_numbers_are_the_median_and_are_marked(tmp_path) -> None:
    table = rows()
    table[3][2], table[5][2], table[7][3] = "NA", "", "nan"
    splits = GraphTable(str(write(tmp_path / "g", table))).read()
    graph = splits.train.graph
    assert list(graph.feature_names) == ["age", "age=missing", "colour=blue", "colour=green", "colour=red"]
    ages = [20 + n for n in range(COUNT) if n not in (3, 5)]
    assert dense(graph)[3].tolist()[:2] == [np.median(ages), 1] and dense(graph)[4].tolist()[:2] == [24, 0]
    assert dense(graph)[7].tolist()[2:] == [0, 0, 0], "a missing value is none of them"
    assert any("'age': 2 missing numbers are its median" in note for note in splits.notes)
    assert any("'colour': 1 missing values" in note for note in splits.notes)


def test_lists_are_vectors_or_sets_and_free_text_is_left_out(tmp_path) -> None:
    table = [[*row[:2], f'"[{n}.5, 1, 0]"', f'"[{n % 3}, {10 + n % 2}]"' if n % 2 else f'"[{n % 3}]"', f"words of {n}"]
             for n, row in enumerate(rows())]  # fmt: skip
    splits = GraphTable(str(write(tmp_path / "g", table, "id,label,vector,words,note"))).read()
    graph = splits.train.graph
    assert list(graph.feature_names) == [
        "vector 1",
        "vector 2",
        "vector 3",
        "words=0",
        "words=1",
        "words=2",
        "words=11",
    ]
    assert dense(graph)[5].tolist() == [5.5, 1, 0, 0, 0, 1, 1]
    assert any("'note' is text with 24 different values" in note for note in splits.notes)
    with pytest.raises(DataError, match=r"text column 'note' has 101 different values"):
        more = [[f"q{n}", "ab"[n % 2], f"n{n}"] for n in range(101)]
        ring = [[f"q{n}", f"q{(n + 1) % 101}"] for n in range(101)]
        GraphTable(str(write(tmp_path / "h", more, "id,label,note", ring)), features=["note"]).read()


@pytest.mark.parametrize("word", ["NA", "nan", "unknown", "-1", ""])
def test_what_is_no_label_is_said_in_tables_and_arrays_alike(word, tmp_path) -> None:
    table = [[row[0], "01"[n % 2] if n < 20 else word, *row[2:]] for n, row in enumerate(rows())]
    splits = GraphTable(str(write(tmp_path / "g", table))).read()
    assert sum(label is not None for label in splits.train.graph.labels) == 20
    assert set(splits.train.graph.labels) == {"0", "1", None}
    assert not word or any("without a label" in note and word in note for note in splits.notes)
    pairs = np.array([[int(name[1:]) for name in pair] for pair in edges()]).T
    np.savez(tmp_path / "g.npz", edge_index=pairs, y=np.array([row[1] for row in table]), x=np.eye(COUNT))
    assert list(GraphTable(str(tmp_path / "g.npz")).read().train.graph.labels) == list(splits.train.graph.labels)


def test_the_words_of_unlabelled_nodes_can_be_named(tmp_path) -> None:
    table = [[row[0], row[1] if n < 20 else "unknown", *row[2:]] for n, row in enumerate(rows())]
    folder = write(tmp_path / "g", table)
    assert "unknown" in GraphTable(str(folder), unlabelled=[], val=0, test=0).read().train.graph.labels
    assert GraphTable(str(folder), unlabelled=["b"], val=0, test=0).read().train.graph.labels.count(None) == 10


def test_the_row_numbers_of_pandas_and_the_label_are_no_features(tmp_path) -> None:
    table = [[str(n), *row] for n, row in enumerate(rows())]
    splits = GraphTable(str(write(tmp_path / "g", table, ",id,label,age,colour"))).read()
    assert "column 1" not in splits.train.graph.feature_names and len(splits.train.graph.feature_names) == 4
    assert any("numbers the rows" in note for note in splits.notes)
    with pytest.raises(DataError, match=r"data\.features names 'label', which is the column of the label"):
        GraphTable(str(tmp_path / "g"), features=["age", "label"]).read()
    numbered = [[str(n), *row[1:]] for n, row in enumerate(rows())]
    ends = [[name[1:] for name in pair] for pair in edges()]
    assert len(GraphTable(str(write(tmp_path / "h", numbered, ",label,age,colour", ends))).read().train.graph) == COUNT


def test_columns_of_edges_that_are_not_used_are_named(tmp_path) -> None:
    folder = write(tmp_path / "g", rows())
    (folder / "edges.csv").write_text(
        "source,target,type,time\n" + "\n".join(",".join([*pair, "x", "3"]) for pair in edges())
    )
    notes = GraphTable(str(folder)).read().notes
    assert any("columns that are not used: type, time" in note for note in notes)


def test_edges_without_a_heading_and_with_semicolons(tmp_path) -> None:
    folder = write(tmp_path / "g", [[row[0][1:], *row[1:]] for row in rows()])
    (folder / "edges.csv").write_text("\n".join(";".join(name[1:] for name in pair) for pair in edges()) + "\n")
    splits = GraphTable(str(folder)).read()
    assert splits.train.graph.edges.nnz == 96 and any("has no heading" in note for note in splits.notes)
    (folder / "edges.csv").write_text("\n".join(",".join(pair) for pair in edges()) + "\n")
    with pytest.raises(DataError, match="if its first row is no heading, add one: source,target"):
        GraphTable(str(folder)).read()


def test_of_several_splits_one_is_chosen(tmp_path) -> None:
    homes = [["train"] * 12 + ["val"] * 6 + ["test"] * 6, ["test"] * 6 + ["train"] * 12 + ["val"] * 6]
    table = [[*row[:2], homes[0][n], homes[1][n]] for n, row in enumerate(rows())]
    folder = write(tmp_path / "g", table, "id,label,split_0,split_1")
    first, second = (GraphTable(str(folder), fold=fold).read() for fold in (None, 1))
    assert first.test.indices.tolist() == list(range(18, 24)) and second.test.indices.tolist() == list(range(6))
    assert any("holds 2 splits" in note for note in first.notes) and not first.train.graph.features.shape[1]
    with pytest.raises(DataError, match="has no split 2"):
        GraphTable(str(folder), fold=2).read()


def test_numbers_beside_many_words_are_standardised_and_words_stay_as_they_are(tmp_path) -> None:
    words = [f'"[{n}, {n + 50}, {n % 3}]"' if n % 2 else f'"[{n}, {n % 3}]"' for n in range(COUNT)]
    table = [[*row[:2], str(1_000_000 + 5000 * n), words[n]] for n, row in enumerate(rows())]
    splits = GraphTable(str(write(tmp_path / "g", table, "id,label,views,words"))).read()
    assert scipy.sparse.issparse(splits.train.graph.features), "most values are 0"
    encoder = GraphEncoder(normalise="auto")
    encoder.fit(splits.train)
    found = encoder.encode(list(splits.train)).inputs["graph"].features
    found = found.dense() if hasattr(found, "dense") else found
    train = splits.train.indices
    assert abs(float(found[train, 0].mean())) < 1e-3 and float(found[train, 0].std(correction=0)) == pytest.approx(
        1, abs=1e-3
    )
    assert set(found[:, 1:].unique().tolist()) == {0.0, 1.0}


# Arrays


def arrays(**more: Any) -> dict[str, Any]:
    pairs = np.array([[int(name[1:]) for name in pair] for pair in edges()]).T
    return {"edge_index": pairs, "x": np.eye(COUNT, dtype=np.float32), "y": np.arange(COUNT) % 2, **more}


def masks() -> dict[str, np.ndarray]:
    return {f"{name}_mask": np.arange(COUNT) // 8 == at for at, name in enumerate(("train", "val", "test"))}


def test_the_names_of_torch_geometric_and_of_others_are_known(tmp_path) -> None:
    np.savez(tmp_path / "g.npz", **arrays(**masks(), stray=np.zeros(2)))
    splits = GraphTable(str(tmp_path / "g.npz")).read()
    assert [part.indices.tolist() for _, part in splits] == [list(range(8)), list(range(8, 16)), list(range(16, 24))]
    assert splits.train.graph.features.shape == (COUNT, COUNT)
    assert any("arrays that are not used: stray" in note for note in splits.notes)
    flags = {name: value.astype(np.int64) for name, value in masks().items()}
    np.savez(tmp_path / "flags.npz", **arrays(**flags))
    assert GraphTable(str(tmp_path / "flags.npz")).read().test.indices.tolist() == list(range(16, 24))
    pairs = arrays()["edge_index"].T
    several = {name: np.stack([value, np.roll(value, 8)]) for name, value in
               zip(("train_masks", "val_masks", "test_masks"), masks().values(), strict=True)}  # fmt: skip
    np.savez(tmp_path / "h.npz", edges=pairs, node_features=np.eye(COUNT), node_labels=np.arange(COUNT) % 2, **several)
    assert GraphTable(str(tmp_path / "h.npz"), fold=1).read().test.indices.tolist() == list(range(8))
    sparse = scipy.sparse.csr_matrix((np.ones(len(pairs)), pairs.T), (COUNT, COUNT))
    parts = {f"adj_{name}": getattr(sparse, name) for name in ("data", "indices", "indptr", "shape")}
    np.savez(tmp_path / "s.npz", labels=np.arange(COUNT) % 2, **parts)
    assert GraphTable(str(tmp_path / "s.npz")).read().train.graph.edges.nnz == 96
    scipy.io.savemat(
        tmp_path / "m.mat", {"Network": sparse, "Label": np.arange(COUNT)[:, None] % 2, "Attributes": np.eye(COUNT)}
    )
    mat = GraphTable(str(tmp_path / "m.mat")).read().train.graph
    assert mat.edges.nnz == 96 and mat.labels[1] == "1" and mat.features.shape[1] == COUNT


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"train_mask": np.ones(COUNT, bool)}, ["no array 'val'"]),
        ({**masks(), "val_mask": np.arange(COUNT) < 9}, ["node 0 is in train_mask and in val_mask"]),
        ({**masks(), "val_mask": np.ones(5, bool)}, ["mask val_mask has 5 values; there are 24 nodes"]),
        ({**masks(), "val_mask": np.full(COUNT, 0.5)}, ["val_mask should be a mask", "float64"]),
        ({**masks(), "val_mask": np.array([3, 99])}, ["names node 99"]),
        ({**masks(), "val_mask": np.ones((3, 5), bool)}, ["val_mask should be (24,), or (24, splits)"]),
        ({"edge_weight": np.full(48, -1.0)}, ["edge_weight of edge 0 is -1", "above 0"]),
        ({"edge_weight": np.full(48, np.nan)}, ["edge_weight of edge 0 is nan", "finite number above 0"]),
        ({"edge_index": np.array([[0, -3], [1, 2]])}, ["names node -3", "0 to 23"]),
        ({"x": np.ones((COUNT, 2)) * 1e40}, ["x holds 1e+40"]),
        ({"x": np.ones((3, 2))}, ["x should be numbers, (24, features)"]),
    ],
)
def test_wrong_arrays_are_named(more, words, tmp_path, cli) -> None:
    np.savez(tmp_path / "g.npz", **arrays(**more))
    result = cli("check", "nodes_gcn", "--data", tmp_path / "g.npz")
    assert result.code == 3 and len(result.err.splitlines()) == 1, result.err
    assert all(word in result.err for word in words), result.err


@pytest.mark.parametrize(
    ("kind", "words"), [("npy", "holds one array"), ("cut", "cut off"), ("text", "is no npz file")]
)
def test_what_is_no_npz_is_said_without_pickles(kind, words, tmp_path, cli) -> None:
    path = tmp_path / "g.npz"
    np.savez(path, **arrays())
    if kind == "npy":
        np.save(tmp_path / "a.npy", np.eye(3))
        path.write_bytes((tmp_path / "a.npy").read_bytes())
    else:
        path.write_bytes(path.read_bytes()[:700] if kind == "cut" else b"nothing")
    result = cli("check", "nodes_gcn", "--data", path)
    assert result.code == 3 and words in result.err and "pickle" not in result.err, result.err
    assert len(result.err.splitlines()) == 1


# Files


def test_defaults_of_graphml_count_and_gexf_and_gml_are_the_same_graph(tmp_path) -> None:
    import networkx

    graph = networkx.Graph()
    for name, label, age, _ in rows():
        graph.add_node(name, group=label, age=float(age))
    graph.add_edges_from(edges())
    networkx.write_graphml(graph, tmp_path / "g.graphml")
    networkx.write_gexf(graph, tmp_path / "g.gexf")
    networkx.write_gml(graph, tmp_path / "g.gml")
    expected = GraphTable(str(tmp_path / "g.graphml"), label="group").read().train.graph
    for name in ("g.gexf", "g.gml"):
        assert GraphTable.recognises(tmp_path / name)
        found = GraphTable(str(tmp_path / name), label="group").read().train.graph
        assert list(found.labels) == list(expected.labels) and (found.edges != expected.edges).nnz == 0
        assert np.array_equal(
            dense(found)[:, list(found.feature_names).index("age")], [float(row[2]) for row in rows()]
        )
    text = (tmp_path / "g.graphml").read_text()
    key = next(line for line in text.splitlines() if 'attr.name="age"' in line)
    number = key.partition('id="')[2].partition('"')[0]
    lines = [line for line in text.replace(key, key.replace("/>", "><default>7</default></key>")).splitlines()
             if not (f'key="{number}"' in line and ">25" in line)]  # fmt: skip
    (tmp_path / "d.graphml").write_text("\n".join(lines))
    found = GraphTable(str(tmp_path / "d.graphml"), label="group").read().train.graph
    assert dense(found)[5, list(found.feature_names).index("age")] == 7, "what a node does not say is the default"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("g.gml", "graph [ node [ id 1 label", ["has no value"]),
        ("g.gml", "graph [ node [ id 1 ]", ["ends inside a list"]),
        ("g.gml", "nodes [ ]", ["holds no graph"]),
        ("g.gexf", "<gexf><nodes>", ["cannot be read as GEXF"]),
        ("g.gexf", "<gexf></gexf>", ["holds no graph"]),
    ],
)
def test_damaged_graph_files_are_named(name, text, words, tmp_path, cli) -> None:
    (tmp_path / name).write_text(text)
    result = cli("check", "nodes_gcn", "--data", tmp_path / name)
    assert result.code == 3 and all(word in result.err for word in words), result.err
    assert len(result.err.splitlines()) == 1


def test_polblogs_is_read_with_its_doubled_edges(mirror) -> None:
    graph = GraphTable(str(mirror / "polblogs" / "polblogs.gml")).read().train.graph
    assert len(graph) == 1490 and graph.directed and set(graph.labels) == {"0", "1"}
    assert "65 duplicate edges merged" in graph.notes


def test_musaes_and_snaps_folders_are_read_as_they_are(mirror) -> None:
    splits = GraphTable(str(mirror / "twitch_es"), label="mature").read()
    assert len(splits.train.graph) == 4648 and splits.train.graph.edges.nnz == 2 * 59_382
    assert any(name.startswith("features=") for name in splits.train.graph.feature_names)
    email = GraphTable(str(mirror / "email_eu_core"), val=0, test=0).read().train.graph
    assert len(email) == 1005 and len(set(email.labels)) == 42


# Another graph


def test_columns_are_matched_by_their_names(trained, cli, tmp_path) -> None:
    run, _ = trained
    fresh = [[f"q{row[0][1:]}", *row[1:]] for row in rows()]
    ends = [[name.replace("p", "q") for name in pair] for pair in edges()]
    other = write(tmp_path / "a", fresh, ends=ends)
    scores = json.loads(cli("evaluate", run, "--data", other, "--json").out)
    swapped = write(tmp_path / "b", [[row[0], row[3], row[1], row[2]] for row in fresh], "id,colour,label,age", ends)
    result = cli("evaluate", run, "--data", swapped, "--json")
    assert result.code == 0 and json.loads(result.out) == pytest.approx(scores, abs=1e-6)
    assert "matched by their names" in result.err
    renamed = cli("evaluate", run, "--data", write(tmp_path / "c", fresh, "id,label,height,colour", ends))
    assert renamed.code == 3 and "lacks 1: age" in renamed.err and len(renamed.err.splitlines()) == 1
    purple = write(
        tmp_path / "d", [[*row[:3], "purple" if n == 3 else row[3]] for n, row in enumerate(fresh)], ends=ends
    )
    result = cli("evaluate", run, "--data", purple)
    assert result.code == 0 and "count as missing: colour=purple" in result.err


def test_nodes_that_were_learnt_from_are_not_scored_again(trained, cli) -> None:
    run, data = trained
    loaded = convzoo.Run.load(run)
    result = cli("evaluate", run, "--data", data, "--json")
    assert result.code == 0, result.err
    assert "20 of 24 labelled nodes are those that the run learnt from or chose its checkpoint by" in result.err
    assert json.loads(result.out)["data/accuracy"] == pytest.approx(loaded.scores["test/accuracy"])


def test_nodes_without_features_are_matched_by_their_ids(cli, tmp_path) -> None:
    plain = [row[:2] for row in rows()]
    data = write(tmp_path / "g", plain, "id,label")
    convzoo.run("nodes_gcn", SMALL, data=data, out=tmp_path / "run", quiet=True, report=False)
    before = json.loads(cli("evaluate", "run", "--data", data, "--json").out)
    result = cli("evaluate", "run", "--data", write(tmp_path / "h", plain[::-1], "id,label"), "--json")
    assert result.code == 0 and json.loads(result.out) == pytest.approx(before, abs=1e-5)
    strangers = [[f"z{name}", label] for name, label in plain]
    other = write(tmp_path / "i", strangers, "id,label", [[f"z{name}" for name in pair] for pair in edges()])
    refused = cli("evaluate", "run", "--data", other)
    assert refused.code == 3 and "24 nodes that training did not have" in refused.err


# Predicted


def test_all_nodes_those_without_a_label_and_a_second_graph_are_predicted(trained, cli, tmp_path) -> None:
    run, data = trained
    assert len(cli("predict", run, "--nodes", "all").out.splitlines()) == COUNT
    assert cli("predict", run, "--nodes", "unlabelled").code == 3
    result = cli("predict", run, data, "-o", tmp_path / "all.csv")
    assert result.code == 0 and len(result.out.splitlines()) == 1, result.err
    found = {row["input"]: row for row in read_table(tmp_path / "all.csv")}
    assert len(found) == COUNT
    known = convzoo.Run.load(run).predict(["p5"])[0]
    assert float(found["p5"]["probability"]) == pytest.approx(known["probability"], abs=1e-5)
    bare = [[row[0], row[3], row[2]] for row in rows()]
    second = write(tmp_path / "second", bare, "id,colour,age")
    lines = cli("predict", run, second, "--json").out.splitlines()
    assert json.loads(lines[5])["probability"] == pytest.approx(known["probability"], abs=1e-5), "labels are not needed"


def test_nodes_without_a_label_are_known_to_the_run(cli, tmp_path) -> None:
    table = [[row[0], row[1] if n < 20 else "", *row[2:]] for n, row in enumerate(rows())]
    convzoo.run("nodes_gcn", SMALL, data=write(tmp_path / "g", table), out=tmp_path / "run", quiet=True, report=False)
    result = cli("predict", "run", "--nodes", "unlabelled", "--json")
    assert [json.loads(line)["input"] for line in result.out.splitlines()] == ["p20", "p21", "p22", "p23"]


def test_a_new_node_brings_what_every_node_has(trained, cli) -> None:
    run, _ = trained
    loaded = convzoo.Run.load(run)
    whole = {"features": {"age": 30, "colour": "red"}, "edges": ["p1", "p3"]}
    (found,) = loaded.predict([whole])
    (doubled,) = loaded.predict([{**whole, "edges": ["p1", "p3", "p1"]}])
    assert doubled["probabilities"] == pytest.approx(found["probabilities"], abs=1e-6), "an edge counts once"
    (unknown,) = loaded.predict([{**whole, "features": {"age": None, "colour": "red"}}])
    (middle,) = loaded.predict([{**whole, "features": {"age": 31.5, "colour": "red"}}])
    assert unknown["probabilities"] == pytest.approx(middle["probabilities"], abs=1e-6)
    for features, said in (
        ({"age": 30}, "lacks the feature 'colour'"),
        ({"colour": "red"}, "lacks the feature 'age'"),
        ({}, "has no features"),
    ):
        result = cli("predict", run, json.dumps({**whole, "features": features}))
        assert result.code == 3 and said in result.err, result.err
    result = cli("predict", run, json.dumps({**whole, "weights": [1, -1]}))
    assert result.code == 3 and "the weight of edge 'p3' is -1" in result.err


def test_a_run_writes_down_its_split_and_what_it_left_out(trained) -> None:
    run, _ = trained
    about = json.loads((run / "environment.json").read_text())
    assert "stratified by class" in about["split"] and "24 nodes" in about["split"]
    homes = [row["split"] for row in read_table(run / "split.csv")]
    assert sorted(set(homes)) == ["test", "train", "val"] and len(homes) == COUNT


def test_a_graph_without_features_is_scored_beside_opponents_that_need_them(cli, tmp_path) -> None:
    data = write(tmp_path / "g", [row[:2] for row in rows()], "id,label")
    result = cli("run", "nodes_gcn", "train.epochs=2", "--data", data, "--out", "run")
    assert result.code == 0, result.err
    assert (tmp_path / "run" / "scores.json").exists() and (tmp_path / "run" / "report.html").exists()
    assert "feature_mlp" in json.loads((tmp_path / "run" / "scores.json").read_text())["left_out"]


def test_every_labelled_node_can_be_learnt_from(cli, tmp_path) -> None:
    data = write(tmp_path / "g", rows())
    result = cli("run", "nodes_gcn", *SMALL, "data.val=0", "data.test=0", "--data", data, "--out", "run")
    assert result.code == 0 and "nothing is held out for validation" in result.err, result.err
    assert len(convzoo.Run.load(tmp_path / "run").encoder.learnt) == COUNT
