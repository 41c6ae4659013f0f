"""Recommendation: interactions, negatives, LightGCN, rankings, scores, opponents, readers, wrong input."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.core.errors import DataError
from convzoo.core.outputs.rankings import Ranking
from convzoo.core.randomness import Draws
from convzoo.metrics.ranking import RankingMeter
from convzoo.modalities.recommendation.baselines import EASE, ItemNeighbours, Popularity
from convzoo.modalities.recommendation.data.holding_out import hold_out_items
from convzoo.modalities.recommendation.data.lightgcn_text import LightGCNText
from convzoo.modalities.recommendation.data.own import InteractionTable
from convzoo.modalities.recommendation.data.tastes import Tastes
from convzoo.modalities.recommendation.data.tastes import recall as ceiling_recall
from convzoo.modalities.recommendation.encoder import InteractionEncoder
from convzoo.modalities.recommendation.example import Catalogue, Rows, Users
from convzoo.models.lightgcn import LightGCN
from convzoo.ops.ranking import best_items

WORLD = {"users": 120, "items": 80, "mean": 12.0}


@pytest.fixture(scope="module")
def world():
    splits = Tastes(**WORLD).read()
    encoder = InteractionEncoder()
    encoder.fit(splits.train)
    return splits, encoder


def some_pairs(draw_users: int, items: int, count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    return Rows.of(random.integers(draw_users, size=count), random.integers(items, size=count), draw_users)


# Interactions


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 40), st.integers(0, 99))
def test_rows_are_sets_of_items(users, items, count, seed):
    random = np.random.default_rng(seed)
    pairs = random.integers(users, size=count), random.integers(items, size=count)
    rows = Rows.of(*pairs, users)
    for user in range(users):
        assert rows[user].tolist() == sorted({int(i) for u, i in zip(*pairs, strict=True) if u == user})
    chosen = random.permutation(users)[: users // 2 + 1]
    some = rows.of_users(chosen)
    assert [some[at].tolist() for at in range(len(chosen))] == [rows[user].tolist() for user in chosen]
    other = some_pairs(users, items, 10, seed + 1)
    joined = rows.joined(other)
    assert all(set(joined[u]) == set(rows[u]) | set(other[u]) for u in range(users))


@given(st.integers(1, 9), st.integers(2, 30), st.integers(1, 90), st.floats(0.05, 0.9), st.integers(0, 99))
def test_holding_out_divides_and_leaves_everyone_something(users, items, count, part, seed):
    rows = some_pairs(users, items, count, seed)
    kept, held = hold_out_items(rows, part, seed)
    for user in range(users):
        assert set(kept[user]) | set(held[user]) == set(rows[user]) and not set(kept[user]) & set(held[user])
        assert len(kept[user]) > 0 or len(rows[user]) == 0
    again = hold_out_items(rows, part, seed)[1]
    assert np.array_equal(again.items, held.items)


def test_about_the_asked_part_is_held_out():
    rows = some_pairs(200, 300, 20_000, 0)
    held = hold_out_items(rows, 0.2, 5)[1]
    assert len(held.items) / len(rows.items) == pytest.approx(0.2, abs=0.01)


# The encoder


def test_training_pairs_come_with_items_that_the_user_never_had(world):
    splits, _ = world
    encoder = InteractionEncoder(negatives=3)
    encoder.fit(splits.train)
    pieces = encoder.pieces(splits.train)
    assert len(pieces) == splits.train.wanted.pointers[-1]
    indices = list(range(0, len(pieces), 3))
    batch = encoder.gather(pieces, indices, Draws(0, 2, indices))
    users, items = batch.inputs["users"].numpy(), batch.inputs["items"].numpy()
    assert items.shape == (len(indices), 4) and batch.size == len(indices)
    for user, (positive, *negatives) in zip(users, items, strict=True):
        had = set(splits.train.wanted[user].tolist())
        assert positive in had and not had & set(negatives)
    again = encoder.gather(pieces, indices[5:9], Draws(0, 2, indices[5:9]))
    assert torch.equal(again.inputs["items"], batch.inputs["items"][5:9]), (
        "a pair's negatives do not depend on its batch"
    )
    later = encoder.gather(pieces, indices, Draws(0, 3, indices))
    assert not torch.equal(later.inputs["items"], batch.inputs["items"])


def test_negatives_are_drawn_evenly():
    catalogue = Catalogue(["u"], [str(number) for number in range(10)])
    rows = Rows.of(np.zeros(3, int), np.array([0, 4, 7]), 1)
    encoder = InteractionEncoder(negatives=1)
    encoder.fit(Users(catalogue, np.array([0]), rows, rows))
    pieces = encoder.pieces(Users(catalogue, np.array([0]), rows, rows))
    indices = [index % 3 for index in range(7000)]
    drawn = encoder.gather(pieces, indices, Draws(0, 0, list(range(7000)))).inputs["items"][:, 1]
    counts = torch.bincount(drawn, minlength=10)
    assert counts[[0, 4, 7]].sum() == 0
    assert (counts[[1, 2, 3, 5, 6, 8, 9]] - 1000).abs().max() < 120  # four standard deviations


def test_who_had_everything_does_not_stop_training():
    catalogue = Catalogue(["u", "v"], ["a", "b"])
    rows = Rows.of(np.array([0, 0, 1]), np.array([0, 1, 0]), 2)
    users = Users(catalogue, np.arange(2), rows, rows)
    encoder = InteractionEncoder()
    encoder.fit(users)
    assert encoder.gather(encoder.pieces(users), [0, 1, 2], Draws(0, 0, [0, 1, 2])).inputs["items"].shape == (3, 2)


def test_validation_comes_out_of_training_and_test_masks_both(world):
    splits, _ = world
    for user in list(splits.test)[:40]:
        train = set(splits.train.wanted[user.index].tolist())
        val = set(splits.val.wanted[user.index].tolist())
        assert set(user.seen.tolist()) == train | val
        assert not set(user.wanted.tolist()) & (train | val)


# The network


def test_lightgcn_is_the_mean_of_powers_of_the_normalised_matrix(world):
    splits, encoder = world
    dims = encoder.dims
    torch.manual_seed(0)
    network = LightGCN(dims["users"], dims["items"], dims["adjacency"], embedding_size=5, layers=3).double().eval()
    had = scipy.sparse.lil_matrix((120, 80))
    for user in range(120):
        had[user, splits.train.wanted[user]] = 1
    whole = np.block([[np.zeros((120, 120)), had.toarray()], [had.T.toarray(), np.zeros((80, 80))]])
    scale = 1 / np.sqrt(np.maximum(whole.sum(axis=1), 1))
    matrix = torch.from_numpy(scale[:, None] * whole * scale)
    weight = network.embedding.weight.detach()
    expected = sum(torch.linalg.matrix_power(matrix, power) @ weight for power in range(4)) / 4
    found = network(torch.arange(120))
    torch.testing.assert_close(found, expected[:120] @ expected[120:].T, atol=1e-6, rtol=1e-5)
    pairs = network(torch.tensor([3, 4]), torch.tensor([[1, 2], [7, 8]]))
    torch.testing.assert_close(pairs, found[[[3, 3], [4, 4]], [[1, 2], [7, 8]]])


def test_without_layers_it_is_matrix_factorisation(world):
    _, encoder = world
    dims = encoder.dims
    network = LightGCN(dims["users"], dims["items"], dims["adjacency"], embedding_size=5, layers=0).eval()
    weight = network.embedding.weight
    torch.testing.assert_close(network(torch.tensor([2])), weight[2:3] @ weight[120:].T)


def test_spectral_vectors_are_the_singular_ones(world):
    _, encoder = world
    dims = encoder.dims
    network = LightGCN(120, 80, dims["adjacency"], embedding_size=6, initialisation="spectral")
    upper = dims["adjacency"].dense()[:120, 120:].double()
    left, values, right = torch.linalg.svd(upper, full_matrices=False)
    best = left[:, :6] * values[:6] @ right[:6]
    weight = network.embedding.weight.detach().double()
    found = weight[:120] @ weight[120:].T
    ratio = (found * best).sum() / found.square().sum()
    assert (found * ratio - best).abs().max() < 0.02 * best.abs().max()


def test_scores_follow_the_weights(world):
    _, encoder = world
    dims = encoder.dims
    network = LightGCN(120, 80, dims["adjacency"], embedding_size=5)
    with torch.no_grad():
        first = network.eval()(torch.tensor([1]))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1, fused=True)
    network.train()(torch.tensor([1]), torch.tensor([[0, 1]]))["scores"].sum().backward()
    optimizer.step()
    with torch.no_grad():
        assert not torch.equal(network.eval()(torch.tensor([1])), first)


# Rankings and scores


def brute_force(scores, seen, wanted, k):
    """Recall, NDCG, MRR of one user and its list, as they are defined."""
    order = sorted((item for item in range(len(scores)) if item not in seen), key=lambda item: -scores[item])[:k]
    gains = [1.0 if item in wanted else 0.0 for item in order]
    recall = sum(gains) / len(wanted)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(len(wanted), k)))
    ndcg = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains)) / ideal
    first = next((1 / (place + 1) for place, gain in enumerate(gains) if gain), 0.0)
    return recall, ndcg, first, order


@given(st.integers(1, 12), st.integers(8, 30), st.integers(1, 6), st.integers(1, 5), st.integers(0, 999))
def test_scores_are_those_of_brute_force(users, items, k, block, seed):
    random = np.random.default_rng(seed)
    scores = torch.from_numpy(random.permutation(users * items).reshape(users, items).astype(np.float32))
    rows = [random.permutation(items) for _ in range(users)]
    seen = [sorted(row[: random.integers(0, items - k)].tolist()) for row in rows]
    wanted = [sorted(row[items - random.integers(0, 4) :].tolist()) if random.random() < 0.9 else [] for row in rows]
    wanted = [[item for item in truth if item not in had] for truth, had in zip(wanted, seen, strict=True)]

    def packed(lists):
        return {"pointers": torch.tensor(np.r_[0, np.cumsum([len(part) for part in lists], dtype=int)].astype(int)),
                "items": torch.tensor([item for part in lists for item in part], dtype=torch.int64)}  # fmt: skip

    had = packed(seen)
    ranking = best_items(lambda chosen: scores[chosen], users, had["pointers"], had["items"], k, block)
    meter = RankingMeter(items, sorted({1, k}))
    half = users // 2
    for part in (slice(0, half), slice(half, users)):  # in two batches
        meter.update(ranking[part], {"wanted": packed(wanted[part])})
    found = meter.compute()
    for at in sorted({1, k}):
        lists = [brute_force(scores[u].tolist(), set(seen[u]), set(wanted[u]), at) for u in range(users) if wanted[u]]
        for position, name in enumerate(("recall", "ndcg", "mrr")):
            expected = np.mean([row[position] for row in lists]) if lists else math.nan
            assert found[f"{name}_at_{at}"] == pytest.approx(expected, abs=1e-9, nan_ok=True), name
        shown = {item for row in lists for item in row[3]}
        assert found[f"coverage_at_{at}"] == pytest.approx(len(shown) / items if lists else math.nan, nan_ok=True)


def test_scores_are_those_of_scikit_learn_and_torchmetrics():
    from sklearn.metrics import ndcg_score
    from torchmetrics.functional.retrieval import retrieval_recall, retrieval_reciprocal_rank

    random = np.random.default_rng(0)
    scores = random.standard_normal((30, 50)).astype(np.float32)
    truth = random.random((30, 50)) < 0.15
    none = {"pointers": torch.zeros(31, dtype=torch.int64), "items": torch.zeros(0, dtype=torch.int64)}
    ranking = best_items(lambda chosen: torch.from_numpy(scores[chosen]), 30, none["pointers"], none["items"], 10)
    wanted = {"pointers": torch.from_numpy(np.r_[0, truth.sum(axis=1).cumsum()]),
              "items": torch.from_numpy(np.nonzero(truth)[1])}  # fmt: skip
    meter = RankingMeter(50, [10])
    meter.update(ranking, {"wanted": wanted})
    found = meter.compute()
    rows = [(torch.from_numpy(score), torch.from_numpy(true)) for score, true in zip(scores, truth, strict=True)]
    assert found["ndcg_at_10"] == pytest.approx(ndcg_score(truth, scores, k=10), abs=1e-6)
    assert found["recall_at_10"] == pytest.approx(
        np.mean([retrieval_recall(s, t, top_k=10) for s, t in rows]), abs=1e-6
    )
    reciprocal = np.mean([retrieval_reciprocal_rank(s, t, top_k=10) for s, t in rows])
    assert found["mrr_at_10"] == pytest.approx(reciprocal, abs=1e-6)


def test_a_user_with_few_items_left_gets_a_short_list():
    seen = torch.arange(78)
    ranking = best_items(lambda chosen: torch.zeros(1, 80), 1, torch.tensor([0, 78]), seen, 20)
    assert sorted(ranking.items[0, :2].tolist()) == [78, 79] and set(ranking.items[0, 2:].tolist()) == {-1}
    meter = RankingMeter(80, [20])
    meter.update(ranking, {"wanted": {"pointers": torch.tensor([0, 1]), "items": torch.tensor([79])}})
    assert meter.compute()["recall_at_20"] == 1 and meter.compute()["coverage_at_20"] == 2 / 80
    assert len(Ranking(ranking.items, ranking.scores)) == 1


# Opponents


def test_ease_is_its_closed_form(world):
    splits, encoder = world
    had = np.zeros((120, 80))
    had[splits.train.wanted.users(), splits.train.wanted.items] = 1
    inverse = np.linalg.inv(had.T @ had + 30 * np.eye(80))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    scores = (had @ weights)[splits.test.indices]
    machine = EASE(30.0)
    machine.fit(splits.train, encoder.dims)
    found = machine.outputs(splits.test)
    listed = machine.outputs(list(splits.test))
    for row, user in enumerate(splits.test):
        left = np.setdiff1d(np.arange(80), user.seen)
        best = left[np.argsort(-scores[row, left])]
        place = found.items[row][: len(left)]
        assert np.allclose(scores[row, best][:10], scores[row, place.numpy()][:10], atol=1e-4)
    assert torch.equal(found.items, listed.items)


@pytest.mark.parametrize(("neighbours", "activity"), [(None, 0.0), (None, 0.5), (3, 1.0)])
def test_item_neighbours_are_cosines(world, neighbours, activity):
    splits, encoder = world
    had = np.zeros((120, 80))
    had[splits.train.wanted.users(), splits.train.wanted.items] = 1
    unit = had / np.maximum(np.linalg.norm(had, axis=0), 1e-9)
    unit *= np.maximum(had.sum(axis=1, keepdims=True), 1) ** (-activity / 2)
    similar = unit.T @ unit
    np.fill_diagonal(similar, 0)
    if neighbours is not None:
        similar[similar < np.sort(similar, axis=0)[-neighbours]] = 0
    machine = ItemNeighbours(neighbours, activity)
    machine.fit(splits.train, encoder.dims)
    found = machine.outputs(splits.test)
    for row, user in enumerate(list(splits.test)[:20]):
        scores = had[user.index] @ similar
        assert np.allclose(found.scores[row, :5], np.sort(np.delete(scores, user.seen))[::-1][:5], atol=1e-4)


def test_popularity_counts(world):
    splits, encoder = world
    machine = Popularity()
    machine.fit(splits.train, encoder.dims)
    counts = np.bincount(splits.train.wanted.items, minlength=80)
    user = splits.test[0]
    left = np.setdiff1d(np.arange(80), user.seen)
    assert counts[machine.outputs(splits.test).items[0, 0]] == counts[left].max()


def test_the_ceiling_knows_the_law():
    reader = Tastes(users=400, items=200, mean=15.0)
    splits = reader.read()
    random = np.random.default_rng(0).standard_normal((400, 200))
    by_chance = ceiling_recall(random, splits.train.wanted, splits.test.wanted, 20)
    assert splits.ceiling["test/recall_at_20"] > 3 * by_chance
    counts = np.bincount(splits.train.wanted.items, minlength=200)
    assert np.sort(counts)[-40:].sum() > 0.4 * counts.sum(), "a fifth of the items is had most"


# Readers


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def some_lines(users: int = 12, each: int = 6) -> list[str]:
    return ["user,item,rating,time"] + [
        f"u{u},i{(u + 3 * n) % 15},{1 + (u + n) % 5},{1000 + 10 * n + u}" for u in range(users) for n in range(each)
    ]


def test_a_table_is_split_by_time(tmp_path):
    splits = InteractionTable(str(write(tmp_path / "t.csv", some_lines()))).read()
    assert "by time" in splits.origin
    times = {tuple(line.split(",")[:2]): int(line.split(",")[3]) for line in some_lines()[1:]}
    for user in splits.test:
        items = splits.train.catalogue.items
        last = min(times[user.source, items[item]] for item in user.wanted)
        assert all(times[user.source, items[item]] < last for item in user.seen)


@pytest.mark.parametrize("kind", ["u.data", "ratings.dat", "ratings.csv", "dates", "parquet", "folder"])
def test_the_fields_formats_are_the_same_interactions(kind, tmp_path):
    rows = [line.split(",") for line in some_lines()[1:]]
    reference = InteractionTable(str(write(tmp_path / "reference.csv", some_lines()))).read()
    if kind in ("u.data", "ratings.dat"):
        path = write(tmp_path / kind, [{"u.data": "\t", "ratings.dat": "::"}[kind].join(row) for row in rows])
    elif kind == "ratings.csv":
        path = write(tmp_path / kind, ["userId,movieId,rating,timestamp", *(",".join(row) for row in rows)])
    elif kind == "dates":
        dates = [[*row[:3], f"2020-01-01 {int(row[3]) // 60 % 24:02d}:{int(row[3]) % 60:02d}:00"] for row in rows]
        path = write(tmp_path / "d.csv", ["user,item,rating,date", *(",".join(row) for row in dates)])
    elif kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        columns = {name: [row[at] if at < 2 else int(row[at]) for row in rows]
                   for at, name in enumerate(["user_id", "item_id", "rating", "timestamp"])}  # fmt: skip
        path = tmp_path / "t.parquet"
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    else:
        write(tmp_path / "u.data", ["\t".join(row) for row in rows])
        path = tmp_path
    assert InteractionTable.recognises(path)
    splits = InteractionTable(str(path)).read()
    for (_, part), (_, expected) in zip(splits, reference, strict=True):
        assert np.array_equal(part.wanted.items, expected.wanted.items)
        assert np.array_equal(part.indices, expected.indices)


def test_ratings_duplicates_and_rare_ones_can_be_left_out(tmp_path):
    lines = [*some_lines(), some_lines()[1], "lonely,i0,5,1"]
    whole = InteractionTable(str(write(tmp_path / "t.csv", lines)), split="user").read()
    assert whole.train.wanted.pointers[-1] + whole.val.wanted.pointers[-1] + whole.test.wanted.pointers[-1] == 61
    rated = InteractionTable(str(tmp_path / "t.csv"), split="user", min_rating=3).read()
    assert rated.train.wanted.pointers[-1] < whole.train.wanted.pointers[-1]
    dense = InteractionTable(str(tmp_path / "t.csv"), split="user", min_interactions=3).read()
    assert "lonely" not in dense.train.catalogue.users and len(dense.train.catalogue.users) == 12


def test_lightgcns_text_format(tmp_path, cli, tiny):
    random = np.random.default_rng(0)
    for name, size in (("train", 12), ("test", 3)):
        rows = [random.permutation(20)[:size] for _ in range(15)]
        write(tmp_path / f"{name}.txt", [" ".join(map(str, [user, *row])) for user, row in enumerate(rows)])
    assert LightGCNText.recognises(tmp_path) and not InteractionTable.recognises(tmp_path)
    splits = LightGCNText(path=str(tmp_path), val=0.2).read()
    assert splits.train.wanted.pointers[-1] + splits.val.wanted.pointers[-1] == 180
    write(tmp_path / "test.txt", ["0 1 2", "1 x"])
    with pytest.raises(DataError, match=r"test\.txt:2: 'x' is not a number"):
        LightGCNText(path=str(tmp_path)).read()


def test_gowalla_is_read_whole(mirror):
    splits = LightGCNText("gowalla").read()
    catalogue = splits.train.catalogue
    assert (len(catalogue.users), len(catalogue.items)) == (29_858, 40_981)
    assert splits.train.wanted.pointers[-1] + splits.val.wanted.pointers[-1] == 810_128
    assert splits.test.wanted.pointers[-1] == 217_242
    assert splits.test.seen.pointers[-1] == 810_128, "all given training items are masked"
    assert catalogue.users[0] == "343"


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["user,item"], ["holds no interactions"]),
        (["user,item", "a,1"], ["no interaction of users and items that training knows"]),
        (["who,item", "a,1"], ["which column is the user?", "data.user=COLUMN"]),
        (["user,item", "a,"], ["t.csv:2", "'item' is empty"]),
        (["user,item,time", "a,1,noon"], ["t.csv:2", "'noon'", "ISO date"]),
        (["user,item,time", "a,1,nan"], ["t.csv:2", "finite"]),
        (["user,item", "a,1,2"], ["t.csv:2", "has 3 fields"]),
    ],
)
def test_wrong_tables_are_named(lines, words, tmp_path, cli):
    result = cli("check", "recommender_lightgcn", "--data", write(tmp_path / "t.csv", lines))
    assert result.code == 3 and len(result.err.splitlines()) == 1, result.err
    assert all(word in result.err for word in words), result.err


def test_what_training_never_saw_is_left_out_and_said(tmp_path):
    lines = some_lines() + [f"u{u},new{u},5,9999" for u in range(6)]
    splits = InteractionTable(str(write(tmp_path / "t.csv", lines)), test=0.1, val=0.1).read()
    assert "left out of test: 6 interactions with items" in splits.origin


# Use


def test_a_user_gets_a_list(cli, small_run):
    folder = small_run("recommender_lightgcn")
    result = cli("predict", folder, "--user", "u5", "--top", "3")
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == "user u5" and len(result.out.splitlines()) == 4
    run = convzoo.Run.load(folder)
    (found,) = run.predict(["u5"])
    assert len(found["items"]) == 20 and found["scores"] == sorted(found["scores"], reverse=True)
    splits = Tastes(**WORLD).read()
    had = {splits.train.catalogue.items[item] for _, part in splits for item in part.wanted[5]}
    assert not had & set(found["items"]), "nor what validated and tested: the user has it"
    line = json.loads(cli("predict", folder, "--user", "u5", "--top", "2", "--json").out)
    assert line["input"] == "u5" and len(line["items"]) == 2
    assert cli("predict", folder, "-", input="u1\nu2\n").out.count("user") == 2


def test_users_that_training_never_saw_get_what_is_popular_and_are_told_so(cli, small_run):
    folder = small_run("recommender_lightgcn")
    result = cli("predict", folder, "--user", "u55x", "--user", "u5", "--top", "3")
    assert result.code == 0, result.err
    first, why, *_ = result.out.splitlines()
    assert first == "user u55x" and "most popular items" in why and "did you mean 'u55'" in why
    assert "user u5" in result.out, "one option does not drop the other"
    run = convzoo.Run.load(folder)
    counts = np.bincount(run.encoder.known.items, minlength=80)
    best = {run.encoder.catalogue.items[item] for item in np.flatnonzero(counts == counts.max())}
    assert run.predict(["nobody"])[0]["items"][0] in best
    result = cli("predict", folder, "--user", "u5", "--top", "500")
    assert result.code == 2 and "there are 80 items" in result.err
    assert cli("predict", folder, "--user", "u5", "--top", "0").code == 2


def test_own_data_from_table_to_list(cli, tmp_path):
    table = write(tmp_path / "mine.csv", some_lines())
    more = ["model.embedding_size=4", "train.epochs=2", "baselines=[popularity,item_neighbours]"]
    result = cli("run", "recommender_lightgcn", *more, "--data", table, "--out", "run", "--quiet")
    assert result.code == 0, result.err
    assert (tmp_path / "run" / "split.csv").exists()
    assert cli("predict", "run", "--user", "u3", "--top", "2").code == 0
    result = cli("evaluate", "run")
    assert result.code == 0 and "test/recall_at_20" in result.out
