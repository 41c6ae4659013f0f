"""Links: nothing that is asked for is known, negatives are no edges, and wrong inputs are refused in a line."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.metrics.links import LinkMeter
from convzoo.modalities.graph.data.latent_space import LatentSpace
from convzoo.modalities.graph.data.link_splitting import LinkTask
from convzoo.modalities.graph.data.own_links import LinkTable
from convzoo.modalities.graph.example import Graph, make_edges
from convzoo.modalities.graph.link_encoder import LinkEncoder, common
from convzoo.modalities.graph.links import pair_keys
from convzoo.ops.link_scores import link_scores
from convzoo.tasks.link_prediction import slope_and_shift


def ring(count: int = 60, steps: tuple[int, ...] = (1, 5, 9), features: int = 0) -> Graph:
    """Nodes in a ring with chords."""
    at = np.arange(count)
    sources, targets = np.tile(at, len(steps)), np.concatenate([(at + step) % count for step in steps])
    table = np.random.default_rng(0).random((count, features)).astype(np.float32)
    edges, _ = make_edges(sources, targets, count)
    return Graph(edges, table, [None] * count, [f"n{number}" for number in range(count)])


def test_held_out_edges_are_in_no_matrix_in_either_direction():
    """Whoever looks for a pair in what the network is given scores 1.0 on its edges if one leaks; here it finds none."""
    splits = LinkTask(val=0.1, test=0.2).splits(ring())
    encoder = LinkEncoder(hidden=0.3)
    encoder.fit(splits.train)
    held = np.concatenate([part.pairs[part.linked] for part in (splits.val, splits.test)])
    for batch in (
        encoder.gather(splits.test, range(len(splits.test))),
        encoder.gather(splits.train, range(20), Draws(0, 0, range(20))),
    ):
        matrix = batch.inputs["graph"].adjacency.dense()
        assert not matrix[held[:, 0], held[:, 1]].any()
        assert not matrix[held[:, 1], held[:, 0]].any()
    learnt = splits.train.pairs
    whole = encoder.gather(splits.test, [0]).inputs["graph"].adjacency.dense()
    assert whole[learnt[:, 0], learnt[:, 1]].all(), "with the leak the same look finds every edge"
    assert np.isfinite(roc_auc_score(splits.test.linked, np.arange(len(splits.test))))


def test_an_edge_that_is_learnt_from_carries_no_message_in_its_epoch():
    splits = LinkTask(val=0.1, test=0.1).splits(ring())
    encoder = LinkEncoder(hidden=0.4)
    encoder.fit(splits.train)
    count = len(splits.train)
    seen = set()
    for epoch in range(4):
        batch = encoder.gather(splits.train, range(count), Draws(3, epoch, range(count)))
        pairs = batch.inputs["pairs"][batch.target["linked"] == 1]
        matrix = batch.inputs["graph"].adjacency.dense()
        assert len(pairs)
        assert not matrix[pairs[:, 0], pairs[:, 1]].any() and not matrix[pairs[:, 1], pairs[:, 0]].any()
        seen |= set(map(tuple, pairs.tolist()))
    assert len(seen) > 0.7 * count, "other edges are hidden in other epochs"


def test_what_is_hidden_and_drawn_does_not_depend_on_the_batch():
    splits = LinkTask(val=0.1, test=0.1).splits(ring())
    encoder = LinkEncoder(hidden=0.4, negatives=2)
    encoder.fit(splits.train)
    whole = encoder.gather(splits.train, range(30), Draws(1, 2, range(30)))
    parts = [encoder.gather(splits.train, part, Draws(1, 2, part)) for part in (range(11), range(11, 30))]
    joined = np.concatenate([part.inputs["pairs"].numpy() for part in parts])
    assert sorted(map(tuple, joined.tolist())) == sorted(map(tuple, whole.inputs["pairs"].tolist()))
    assert torch.equal(parts[0].inputs["graph"].adjacency.values, whole.inputs["graph"].adjacency.values)


def test_negatives_are_no_edges_of_any_split_and_are_there_once():
    whole = ring()
    every = set(pair_keys(np.stack(whole.edges.nonzero(), axis=1).astype(np.int64), len(whole)).tolist())
    splits = LinkTask(val=0.1, test=0.2, seed=4).splits(whole)
    drawn = [pair_keys(part.pairs[~part.linked], len(whole)) for part in (splits.val, splits.test)]
    both = np.concatenate(drawn)
    assert len(np.unique(both)) == len(both)
    assert not every & set(both.tolist())
    assert [len(part) for part in drawn] == [int(part.linked.sum()) for part in (splits.val, splits.test)]


def test_hard_negatives_share_an_end_with_their_edge_and_are_no_edges():
    whole = ring(features=3)
    every = set(pair_keys(np.stack(whole.edges.nonzero(), axis=1).astype(np.int64), len(whole)).tolist())
    test = LinkTask(val=0.1, test=0.1, negatives="hard", per_link=10).splits(whole).test
    for query in np.unique(test.queries):
        mine = test.pairs[test.queries == query]
        assert len(mine) == 11
        assert all(set(pair) & set(mine[0].tolist()) for pair in mine[1:].tolist())
        assert not every & set(pair_keys(mine[1:], len(whole)).tolist())
    easy = LinkTask(val=0.1, test=0.1).splits(whole).test
    shared = [
        np.diff(common(test.graph.edges, part.pairs[~part.linked]).pointers.numpy()).mean() for part in (test, easy)
    ]
    assert shared[0] > 2 * shared[1], "they have common neighbours, drawn ones hardly"


def test_scores_are_those_of_scikit_learn_and_of_the_definition():
    random = np.random.default_rng(0)
    scores, linked = np.round(random.random(200), 2), random.random(200) < 0.4
    found = link_scores(scores, linked)
    assert found["auroc"] == pytest.approx(roc_auc_score(linked, scores))
    assert found["average_precision"] == pytest.approx(average_precision_score(linked, scores))
    queries = np.repeat(np.arange(20), 10)
    linked = np.arange(200) % 10 == 0
    ranks = [
        1
        + (scores[first + 1 : first + 10] > scores[first]).sum()
        + 0.5 * (scores[first + 1 : first + 10] == scores[first]).sum()
        for first in range(0, 200, 10)
    ]
    assert link_scores(scores, linked, queries)["mrr"] == pytest.approx(np.mean(1 / np.array(ranks)))
    meter = LinkMeter()
    meter.update(torch.from_numpy(scores), {"linked": torch.from_numpy(linked), "queries": torch.full((200,), -1)})
    drawn = meter.resampled(np.ones((1, 200)))
    assert drawn["auroc"][0] == pytest.approx(roc_auc_score(linked, scores))
    assert drawn["average_precision"][0] == pytest.approx(average_precision_score(linked, scores))


def test_the_ceiling_is_above_what_features_and_degrees_say():
    splits = LatentSpace(nodes=400, test=0.3).read()
    degrees = np.diff(splits.train.graph.edges.indptr)
    by_degree = roc_auc_score(splits.test.linked, np.log1p(degrees)[splits.test.pairs].sum(axis=1))
    assert splits.ceiling["test/auroc"] > by_degree + 0.1


def test_probabilities_are_calibrated_with_both_kinds_of_the_same_weight():
    random = np.random.default_rng(0)
    linked = random.random(4000) < 0.5
    logits = 3 * (random.normal(size=4000) + linked) + 5
    slope, shift = slope_and_shift(logits, linked.astype(float))
    said = 1 / (1 + np.exp(-(slope * logits + shift)))
    assert said.mean() == pytest.approx(linked.mean(), abs=0.01)
    assert said[linked].mean() > said[~linked].mean()
    assert slope_and_shift(-logits, linked.astype(float)) == (1.0, 0.0), "an order that is wrong is not turned round"


def written(folder: Path, edges: list[str], nodes: list[str] | None = None) -> str:
    (folder / "edges.csv").write_text("\n".join(edges) + "\n", encoding="utf-8")
    if nodes is not None:
        (folder / "nodes.csv").write_text("\n".join(nodes) + "\n", encoding="utf-8")
    return str(folder)


EDGES = [f"a{at},a{(at + step) % 40}" for at in range(40) for step in (1, 3)]


def test_an_edge_and_its_reverse_are_one(tmp_path):
    reversed_ = [",".join(edge.split(",")[::-1]) for edge in EDGES[:7]]
    splits = LinkTable(written(tmp_path, ["source,target", *EDGES, *reversed_, "a1,a1"])).read()
    assert sum(int(part.linked.sum()) for _, part in splits) == 80
    assert any("7 edges that are there again, or reversed" in note for note in splits.notes)
    assert any("1 edges of a node with itself" in note for note in splits.notes)


def test_times_split_so_that_nothing_later_is_learnt(tmp_path):
    rows = [f"{edge},2024-01-{1 + at % 28:02d}" for at, edge in enumerate(EDGES)]
    splits = LinkTable(written(tmp_path, ["source,target,date", *rows]), test=0.2).read()
    day = {frozenset(edge.split(",")): 1 + at % 28 for at, edge in enumerate(EDGES)}
    days = [[day[frozenset(pair.source.split(","))] for pair in part if pair.label == "linked"] for _, part in splits]
    assert max(days[0]) <= min(days[1]) and max(days[1]) <= min(days[2])
    assert "by time" in splits.origin


def test_several_relations_are_named_and_one_can_be_taken(tmp_path):
    rows = [f"{edge},{'knows' if at % 4 else 'likes'}" for at, edge in enumerate(EDGES)]
    path = written(tmp_path, ["source,target,relation", *rows])
    assert any("2 relations" in note and "knows 60" in note for note in LinkTable(path).read().notes)
    assert sum(int(part.linked.sum()) for _, part in LinkTable(path, relation="likes").read()) == 20
    with pytest.raises(DataError, match="did you mean 'knows'"):
        LinkTable(path, relation="know").read()


@pytest.mark.parametrize(
    ("edges", "nodes", "said"),
    [
        (
            ["source,target,split", *(f"{e},train" for e in EDGES), "a5,a4,test", "a9,a20,val"],
            None,
            "as it is or reversed",
        ),
        (
            ["source,target", *EDGES, "a1,a99"],
            ["id,age", *(f"a{n},{n}" for n in range(40))],
            "node 'a99' has no row in nodes.csv",
        ),
        (["source,target", "a1,a1"], None, "no edge between two different nodes"),
        (["source,target", "a1,a2"], None, "1 edges"),
        (["source,target,weight", *(f"{e},1" for e in EDGES), "a1,a9,-2"], None, "should be above 0"),
        (["source,target,date", *(f"{e},2024-01-01" for e in EDGES), "a1,a9,soon"], None, "column 'date' says 'soon'"),
        (["source,target", *(f"a{i},a{j}" for i in range(9) for j in range(i))], None, "nearly complete"),
    ],
)
def test_wrong_edges_are_refused_in_a_line(tmp_path, edges, nodes, said):
    with pytest.raises(DataError, match=said) as caught:
        LinkTable(written(tmp_path, edges, nodes)).read()
    assert "\n" not in str(caught.value)


def test_pairs_that_cannot_be_are_refused_in_a_line():
    splits = LinkTask(val=0.1, test=0.1).splits(ring())
    encoder = LinkEncoder()
    encoder.fit(splits.train)
    for asked, said in (("n1,n999", "no node 'n999'"), ("n1,n1", "names node 'n1' twice"), ("n1,n2,n3", "has 3 ids")):
        with pytest.raises(DataError, match=said):
            encoder.from_inputs([asked])


def test_links_of_a_node_are_all_pairs_without_its_known_edges():
    splits = LinkTask(val=0.1, test=0.1).splits(ring())
    encoder = LinkEncoder()
    encoder.fit(splits.train)
    batch = encoder.encode(encoder.from_inputs(["n3", "n4,n9"]))
    known = int(np.diff(splits.train.graph.edges.indptr)[3])
    assert batch.target["pointers"].diff().tolist() == [60 - 1 - known, 1]


def test_common_neighbours_are_counted_in_one_product():
    edges = ring().edges
    pairs = np.array([[0, 2], [0, 10], [3, 4]])
    found = common(edges, pairs).dense().sum(dim=1).tolist()
    dense = np.asarray((edges @ edges).todense())
    assert found == [dense[one, other] for one, other in pairs.tolist()]
    assert scipy.sparse.issparse(edges)
