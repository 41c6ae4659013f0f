"""A person's own interactions: what counts, how it is split, how it is scored again, and who is recommended what."""

import json
from pathlib import Path

import numpy as np
import pytest

import convzoo
from convzoo.core.errors import DataError
from convzoo.core.tables import read_table
from convzoo.modalities.recommendation.data.lightgcn_text import LightGCNText
from convzoo.modalities.recommendation.data.own import InteractionTable

SMALL = [
    "model.embedding_size=8", "train.epochs=4", "train.batch_size=200", "train.patience=null", "baselines=[popularity]",
]  # fmt: skip


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(users: int = 14, each: int = 8) -> list[str]:
    return [
        f"u{u},i{(u * 5 + 3 * n) % 23},{1 + (u + n) % 5},{1000 + 10 * n + u}" for u in range(users) for n in range(each)
    ]


def table(path: Path, lines: list[str] | None = None, heading: str = "user,item,rating,time") -> Path:
    return write(path, [heading, *(rows() if lines is None else lines)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on a table of interactions, and the table."""
    home = tmp_path_factory.mktemp("own")
    data = table(home / "had.csv")
    convzoo.run("recommender_lightgcn", SMALL, data=data, out=home / "run", quiet=True, report=False)
    return home / "run", data


# Scored again


def test_the_runs_own_table_has_the_scores_of_its_test_split(trained, cli) -> None:
    run, data = trained
    result = cli("evaluate", run, "--data", data, "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    assert found["data/recall_at_20"] == pytest.approx(convzoo.Run.load(run).scores["test/recall_at_20"])
    assert found["data/ndcg_at_20"] == pytest.approx(convzoo.Run.load(run).scores["test/ndcg_at_20"], abs=1e-6)
    assert "learnt from or chose its checkpoint by" in result.err


def test_users_are_matched_by_their_ids_and_not_by_their_places(trained, cli, tmp_path) -> None:
    run, data = trained
    before = json.loads(cli("evaluate", run, "--data", data, "--json").out)
    more = table(tmp_path / "more.csv", ["aaa,i1,5,1", *reversed(rows()), "u3,ii9,4,1200"])
    result = cli("evaluate", run, "--data", more, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out) == pytest.approx(before, abs=1e-6)
    assert "1 of 1 users that training did not have (the first is 'aaa')" in result.err
    assert "1 with items that training did not have" in result.err


def test_items_of_another_world_are_refused(trained, cli, tmp_path) -> None:
    run, _ = trained
    other = table(tmp_path / "other.csv", [line.replace(",i", ",film ") for line in rows()])
    result = cli("evaluate", run, "--data", other)
    assert result.code == 3 and len(result.err.splitlines()) == 1
    assert "none of the 112 interactions can be scored" in result.err


# Recommended


def test_nothing_that_a_user_has_is_recommended_unless_asked_for(trained, cli) -> None:
    run, _ = trained
    had = {line.split(",")[1] for line in rows() if line.startswith("u3,")}
    (found,) = convzoo.Run.load(run).predict(["u3"])
    assert not had & set(found["items"]) and len(found["items"]) == 23 - 8
    result = cli("predict", run, "--user", "u3", "--keep-known", "--json")
    assert had <= set(json.loads(result.out)["items"])


def test_all_users_are_written_with_a_row_an_item(trained, cli, tmp_path) -> None:
    run, _ = trained
    result = cli("predict", run, "--users", "all", "--top", "2", "-o", tmp_path / "all.csv")
    assert result.code == 0 and len(result.out.splitlines()) == 1, result.out
    written = read_table(tmp_path / "all.csv")
    assert len(written) == 28 and list(written[0]) == ["user", "item", "rank", "score"]
    assert [row["rank"] for row in written[:2]] == ["1", "2"] and written[0]["user"] == "u0"


def test_who_is_new_is_recommended_from_the_items_that_it_has(trained, cli, tmp_path) -> None:
    run, _ = trained
    loaded = convzoo.Run.load(run)
    (found,) = loaded.predict([{"items": ["i3", "i6"]}])
    vectors = loaded.model.vectors()[len(loaded.encoder.catalogue.users) :].detach().numpy()
    names = list(loaded.encoder.catalogue.items)
    scores = vectors @ vectors[[names.index("i3"), names.index("i6")]].mean(axis=0)
    order = [names[at] for at in np.argsort(-scores) if names[at] not in ("i3", "i6")]
    assert found["items"] == order[:20] and "mean of what it has (2 given items)" in found["fallback"]
    file = write(tmp_path / "users.txt", ["u1", "u2", "nobody"])
    assert cli("predict", run, file, "--top", "1").out.count("user ") == 4, (
        "three users, and one that is named once more"
    )
    assert cli("predict", run, '{"items": ["i3"], "colour": 1}').code == 3


def test_items_that_are_like_another_are_found_by_the_angle_between_them(trained, cli) -> None:
    run, _ = trained
    loaded = convzoo.Run.load(run)
    vectors = loaded.model.vectors()[len(loaded.encoder.catalogue.users) :].detach().numpy()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    names = list(loaded.encoder.catalogue.items)
    angle = unit @ unit[names.index("i3")]
    angle[names.index("i3")] = -2
    (found,) = loaded.predict([{"item": "i3"}])
    assert found["items"][0] == names[int(angle.argmax())] and found["scores"][0] == pytest.approx(
        angle.max(), abs=1e-3
    )
    result = cli("predict", run, '{"item": "i33"}')
    assert result.code == 3 and "did you mean 'i3'" in result.err


def test_vectors_are_written_with_their_ids(trained, cli, tmp_path) -> None:
    run, _ = trained
    result = cli("predict", run, "--vectors", tmp_path / "vectors.csv")
    assert result.code == 0 and "37 vectors" in result.err, result.err
    written = read_table(tmp_path / "vectors.csv")
    vectors = convzoo.Run.load(run).model.vectors().detach().numpy()
    assert [row["kind"] for row in written] == ["user"] * 14 + ["item"] * 23 and written[14]["id"] == "i0"
    assert float(written[14]["vector_3"]) == pytest.approx(vectors[14, 2], abs=1e-6)


def test_everything_can_be_learnt_from(cli, tmp_path) -> None:
    data = table(tmp_path / "had.csv")
    more = [*SMALL, "data.val=0", "data.test=0"]
    result = cli("run", "recommender_lightgcn", *more, "--data", data, "--out", "run")
    assert result.code == 0, result.err
    assert "nothing is held out for validation" in result.err
    run = convzoo.Run.load(tmp_path / "run")
    assert len(run.encoder.known.items) == 112
    assert (tmp_path / "run" / "report.html").exists()


# Read


def test_what_the_run_writes_down_of_its_split(trained) -> None:
    run, _ = trained
    written = read_table(run / "split.csv")
    pairs = {(row["source"], row["item"]) for row in written}
    assert len(pairs) == len(written) == 112 and {row["split"] for row in written} == {"train", "val", "test"}
    assert "by time" in json.loads((run / "environment.json").read_text())["split"]


def test_a_split_column_is_kept_to(tmp_path) -> None:
    names = ["train"] * 5 + ["val"] + ["test"] * 2
    lines = [f"{row},{names[at % 8]}" for at, row in enumerate(rows())]
    splits = InteractionTable(str(table(tmp_path / "t.csv", lines, "user,item,rating,time,split"))).read()
    assert [int(part.wanted.pointers[-1]) for _, part in splits] == [70, 14, 28]
    assert "as given in column 'split'" in splits.origin
    drawn = InteractionTable(str(tmp_path / "t.csv"), split="user").read()
    assert "drawn" in drawn.origin
    wrong = table(tmp_path / "w.csv", [*lines[:-1], lines[-1].replace("test", "tset")], "user,item,rating,time,split")
    with pytest.raises(DataError, match=r"w\.csv:113: column 'split' says 'tset'"):
        InteractionTable(str(wrong)).read()


def test_one_moment_divides_all_users(tmp_path) -> None:
    splits = InteractionTable(str(table(tmp_path / "t.csv")), split="global_time").read()
    times = {tuple(line.split(",")[:2]): int(line.split(",")[3]) for line in rows()}
    catalogue = splits.train.catalogue
    moments = [
        [times[catalogue.users[user], catalogue.items[item]] for user in part.indices for item in part.wanted[user]]
        for _, part in splits
    ]
    assert max(moments[0]) < min(moments[1]) <= max(moments[1]) < min(moments[2])


@pytest.mark.parametrize(
    ("ratings", "kept", "said"),
    [
        ([-1, 1, 1, 1], 84, "are rated below 0 in column 'rating'"),
        ([0, 1, 1, 1], 84, "have a 0 in column 'rating' of 0 and 1"),
        ([1, 2, 3, 5], 112, "each row counts as an interaction, whatever its rating (1 to 5)"),
    ],
)
def test_what_counts_as_a_like_is_said(ratings, kept, said, tmp_path) -> None:
    lines = [",".join([*line.split(",")[:2], str(ratings[at % 4])]) for at, line in enumerate(rows())]
    reader = InteractionTable(str(table(tmp_path / "t.csv", lines, "user,item,rating")), val=0, test=0)
    splits = reader.read()
    assert splits.train.wanted.pointers[-1] == kept and any(said in note for note in splits.notes)
    assert ("rating: rating" in splits.described["columns"]) == (kept < 112)
    counted = InteractionTable(str(tmp_path / "t.csv"), val=0, test=0, min_rating=-1).read()
    assert counted.train.wanted.pointers[-1] == 112


def test_what_stands_in_training_too_is_not_asked_for(tmp_path) -> None:
    lines = [f"u{u},i{(n + u) % 8},{'train' if n < 6 else 'test'}" for u in range(6) for n in range(8)] + [
        "u0,i1,test",
        "u1,i2,test",
    ]
    splits = InteractionTable(str(table(tmp_path / "t.csv", lines, "user,item,split")), val=0).read()
    assert "left out of test: 2 interactions that stand in train or val too" in splits.origin
    for name, text in (("train", ["0 1 2 3 4", "1 2 3 4 5 6 7"]), ("test", ["0 5 1", "1 1 2"])):
        write(tmp_path / f"{name}.txt", text)
    splits = LightGCNText(path=str(tmp_path), val=0).read()
    assert splits.test.wanted[0].tolist() == [5] and splits.test.wanted[1].tolist() == [1]


def test_rows_of_user_item_rating_are_no_lists_of_items(tmp_path) -> None:
    for name in ("train", "test"):
        write(tmp_path / f"{name}.txt", ["0 10 5", "0 11 4", "1 10 3"])
    with pytest.raises(DataError, match=r"train\.txt:2: user 0 has a line already, 1.*user, item, rating"):
        LightGCNText(path=str(tmp_path)).read()


@pytest.mark.parametrize("kind", ["numbers", "words", "colons", "inter", "semicolons", "named"])
def test_tables_without_a_heading_and_of_other_fields_are_the_same_interactions(kind, tmp_path) -> None:
    expected = InteractionTable(str(table(tmp_path / "expected.csv"))).read()
    settings: dict[str, object] = {}
    plain = [line.replace("u", "9").replace("i", "8") for line in rows()]
    if kind == "numbers":
        path = write(tmp_path / "t.csv", plain)
    elif kind == "words":
        path = write(tmp_path / "t.csv", rows())
    elif kind == "colons":
        path = write(tmp_path / "t.csv", [line.replace(",", "::") for line in rows()])
    elif kind == "semicolons":
        path = write(tmp_path / "t.csv", ["user;item;rating;time", *(line.replace(",", ";") for line in rows())])
    elif kind == "named":
        path = write(tmp_path / "t.csv", [",".join(line.split(",")[:2]) for line in rows()])
        settings = {"heading": ["user", "item"]}
    else:
        heading = "user_id:token\titem_id:token\trating:float\ttimestamp:float"
        path = write(tmp_path / "t.inter", [heading, *(line.replace(",", "\t") for line in rows())])
    assert InteractionTable.recognises(path)
    splits = InteractionTable(str(path), **settings).read()
    if kind in ("numbers", "words", "colons"):
        assert any("has no heading" in note for note in splits.notes)
    if kind == "named":
        assert sum(int(part.wanted.pointers[-1]) for _, part in splits) == 112
        return
    for (_, part), (_, wanted) in zip(splits, expected, strict=True):
        assert part.wanted.pointers[-1] == wanted.wanted.pointers[-1]


def test_a_table_of_two_columns_without_a_heading_says_what_to_do(cli, tmp_path) -> None:
    result = cli("check", "recommender_lightgcn", "--data", write(tmp_path / "t.csv", ["anna,book", "bert,film"]))
    assert result.code == 3 and "data.heading=[" in result.err and len(result.err.splitlines()) == 1


def test_times_with_zones_are_moments(tmp_path, recwarn) -> None:
    zones = ["2020-01-01T12:00:00Z", "2020-01-01T12:30:00+02:00", "2020-01-01 11:00:00", "2020-01-01T11:30:00-01:00"]
    lines = [f"a,i{at},{zone}" for at, zone in enumerate(zones)] + [
        f"b,i{at},2020-01-0{day}" for at, day in ((0, 1), (3, 2), (1, 3), (2, 4))
    ]
    splits = InteractionTable(str(table(tmp_path / "t.csv", lines, "user,item,time")), val=0.25, test=0.25).read()
    # a: i1 at 10:30, i2 at 11:00, i0 at 12:00, i3 at 12:30 UTC
    assert splits.test.wanted[0].tolist() == [3] and splits.val.wanted[0].tolist() == [0]
    assert not [each for each in recwarn if "timezone" in str(each.message)]


def test_titles_beside_the_interactions_are_shown(cli, tmp_path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    write(
        folder / "ratings.csv",
        ["userId,movieId,rating,timestamp", *(line.replace("u", "").replace(",i", ",") for line in rows())],
    )
    write(folder / "movies.csv", ["movieId,title,genres", *(f'{at},"Film {at}, the",x' for at in range(23))])
    result = cli("run", "recommender_lightgcn", *SMALL, "--data", folder, "--out", "run")
    assert result.code == 0 and "titles of the items: movies.csv" in result.err, result.err
    shown = cli("predict", "run", "--user", "3", "--top", "1")
    assert ", the" in shown.out.splitlines()[1]
    assert "Film 3, the" in (tmp_path / "run" / "report.html").read_text()
