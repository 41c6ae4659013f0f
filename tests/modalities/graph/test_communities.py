"""Communities: no label is looked at, scores are those of scikit-learn and networkx, new nodes follow their edges."""

import networkx
import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from convzoo.core.errors import DataError
from convzoo.metrics.clustering import CommunityMeter, agreement, structure
from convzoo.modalities.graph.community_encoder import CommunityEncoder
from convzoo.modalities.graph.data.community_tables import CommunityTable
from convzoo.modalities.graph.data.planted import Planted
from convzoo.models.community_network import CommunityNetwork
from convzoo.tasks.clustering import Clustering


def small() -> Planted:
    return Planted(nodes=200, communities=3, degree=12, inside=0.8)


def test_no_label_is_in_what_is_learnt_from_or_chosen_by():
    splits = small().read()
    assert set(splits.train.graph.labels) == set(splits.val.graph.labels) == {None}
    encoder = CommunityEncoder()
    encoder.fit(splits.train)
    assert (encoder.encode(splits.val[:20]).target["communities"] == -1).all()
    assert (encoder.encode(list(splits.test)).target["communities"] >= 0).any()


def test_modularity_and_conductance_are_those_of_networkx():
    splits = small().read()
    edges = splits.train.graph.edges
    found = np.random.default_rng(0).integers(0, 4, edges.shape[0])
    graph = networkx.from_scipy_sparse_array(edges)
    groups = [set(np.flatnonzero(found == at).tolist()) for at in range(4)]
    scores = structure(edges, found)
    assert scores["modularity"] == pytest.approx(networkx.community.modularity(graph, groups))
    assert scores["conductance"] == pytest.approx(np.mean([networkx.conductance(graph, group) for group in groups]))


def test_agreement_does_not_depend_on_the_names_of_communities():
    random = np.random.default_rng(0)
    truth = random.integers(0, 5, 300)
    other = np.where(random.random(300) < 0.8, (truth + 2) % 5, random.integers(0, 5, 300))
    scores = agreement(truth, other)
    assert scores["nmi"] == pytest.approx(normalized_mutual_info_score(truth, other))
    assert scores["ari"] == pytest.approx(adjusted_rand_score(truth, other))
    assert scores["accuracy"] == pytest.approx((truth == (other - 2) % 5).mean())
    assert agreement(truth, np.zeros(300, np.int64))["accuracy"] == pytest.approx(np.bincount(truth).max() / 300)


def test_the_meter_does_not_care_for_the_order():
    splits = small().read()
    edges, count = splits.train.graph.edges, 200
    communities = torch.from_numpy(np.random.default_rng(1).integers(0, 3, count))
    scores = []
    for order in (np.arange(count), np.random.default_rng(2).permutation(count)):
        meter = CommunityMeter(edges, lambda outputs: outputs.numpy())
        for part in np.array_split(order, 3):
            at = torch.from_numpy(part)
            meter.update(communities[at], {"nodes": at, "communities": communities[at]})
        scores.append(meter.compute())
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0]["accuracy"] == 1.0


def trained() -> tuple[CommunityEncoder, CommunityNetwork, Clustering, object]:
    torch.manual_seed(0)
    splits = small().read()
    encoder = CommunityEncoder()
    encoder.fit(splits.train)
    model = CommunityNetwork(encoder.dims["in_channels"], channels=32).eval()
    task = Clustering(encoder.dims["node_ids"], encoder.dims["edges"], communities=3)
    with torch.no_grad():
        task.calibrate(model, [encoder.encode(list(splits.val))])
    return encoder, model, task, splits


def test_a_new_node_gets_the_community_of_its_edges():
    encoder, model, task, splits = trained()
    with torch.no_grad():
        homes = task.predict(model, encoder.encode(list(splits.test)))
        right = 0
        for community in range(3):
            ids = [splits.test.graph.ids[at] for at in np.flatnonzero(homes.numpy() == community)[:6]]
            new = encoder.from_inputs([{"features": {"word 0": 1}, "edges": ids}])
            right += int(task.predict(model, encoder.encode(new))[0]) == community
    assert right == 3


def test_communities_are_numbered_by_size_and_kept():
    encoder, model, task, splits = trained()
    batch = encoder.encode(list(splits.test))
    with torch.no_grad():
        sizes = np.bincount(task.predict(model, batch).numpy(), minlength=3)
    assert (np.diff(sizes) <= 0).all()
    again = Clustering(encoder.dims["node_ids"], encoder.dims["edges"], communities=3)
    again.load_state(task.state())
    with torch.no_grad():
        assert torch.equal(again.predict(model, batch), task.predict(model, batch))


def test_one_community_and_too_many_are_refused():
    for count in (1, 300):
        with pytest.raises(ValueError, match="communities: "):
            Clustering([str(at) for at in range(200)], None, communities=count)


def test_wrong_tables_are_refused_in_a_line(tmp_path):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,c\nc,zz\n")
    (tmp_path / "nodes.csv").write_text("id,age\na,1\nb,2\nc,3\n")
    with pytest.raises(DataError, match=r"node 'zz' has no row in nodes\.csv"):
        CommunityTable(str(tmp_path)).read()
    (tmp_path / "edges.csv").write_text("source,target\na,a\n")
    with pytest.raises(DataError, match="has no edges"):
        CommunityTable(str(tmp_path)).read()


def test_a_label_column_is_for_scores_only(tmp_path):
    edges = [f"a{at},a{(at + step) % 20}" for at in range(20) for step in (1, 2)]
    (tmp_path / "edges.csv").write_text("\n".join(["source,target", *edges]) + "\n")
    (tmp_path / "nodes.csv").write_text(
        "\n".join(["id,label,age", *(f"a{n},{'xy'[n // 10]},{n}" for n in range(20))]) + "\n"
    )
    splits = CommunityTable(str(tmp_path)).read()
    assert splits.train.graph.feature_names == ["age"]
    assert {member.label for member in splits.test} == {"x", "y"}
    assert {member.label for member in splits.train} == {None}
