"""The pages of users: their lists, recall by length, activity and popularity, with the numbers of the predictions."""

import re

import numpy as np
import pytest
from torch import nn

import convzoo
from convzoo.core.pages import Material
from convzoo.modalities.recommendation.pages import Lists, UserPages, _card, ratio_interval
from convzoo.recipe.assembly import build_reader
from convzoo.report import kit
from convzoo.runs import read_predictions


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny):
    more = [*tiny("recommender_lightgcn"), "baselines=[popularity]"]
    return convzoo.run("recommender_lightgcn", more, out=tmp_path_factory.mktemp("users") / "run", quiet=True)


@pytest.fixture(scope="module")
def material(run) -> Material:
    splits = build_reader(run.recipe).read()
    return Material(run.model, run.encoder, splits.test, read_predictions(run.path / "predictions.csv"))


def cells(page: str) -> list[list[str]]:
    """The rows of all tables, as words."""
    rows = re.findall(r"<tr role=\"row\"[^>]*>(.*?)</tr>", page, re.S)
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)] for row in rows
    ]


def test_recall_on_the_page_is_that_of_the_scores(run, material: Material) -> None:
    recall = run.scores["test/recall_at_20"]
    found = Lists.of(run.task, material)
    assert float(found.recall.mean()) == pytest.approx(recall)
    assert UserPages().cases(run.task, material) == pytest.approx(found.recall.tolist())
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert f"{kit.as_percent(recall)} at 20" in page
    assert "What will 120 users want next? 80 items" in page
    assert len(page) < 1_000_000


def test_a_card_marks_hits_and_misses(run, material: Material) -> None:
    found = Lists.of(run.task, material)
    at = int(np.argmax((found.hits > 0) & (found.hits < found.wanted) & (found.wanted <= 12)))
    row, user = found.rows[at], material.examples[int(found.rows[at]["index"])]
    whole = UserPages().gallery(run.task, material)
    assert [panel.title for panel in whole][-1] == "Best"
    number = {str(name): place for place, name in enumerate(run.task.item_ids)}
    card = _card(run.task, material, found, at, number, None)
    hits = set(row["true_items"]) & set(row["items"][:20])
    missed = set(row["true_items"]) - hits
    # A hit stands in the list and among what the user had afterwards.
    assert (card.count("✓"), card.count("✕")) == (2 * len(hits), len(missed))
    assert f"{len(hits)} of {len(row['true_items'])}" in card
    assert f"had before: {len(user.seen)} items" in card
    assert ("more" in card) == (len(user.seen) > 12)


def test_groups_by_popularity_and_activity_hold_all_pairs_and_users(run, material: Material) -> None:
    found = Lists.of(run.task, material)
    first, second = (str(section.html) for section in UserPages().sections(run.task, material))
    users = [row for row in cells(first) if len(row) == 5 and row[1].isdigit()]
    assert sum(int(row[1]) for row in users) == len(found.rows)
    items = [row for row in cells(second) if len(row) == 8 and row[1].isdigit()]
    assert sum(int(row[1]) for row in items) == 80
    assert sum(int(row[2].replace(",", "")) for row in items) == found.wanted.sum()
    recommended = {item for row in found.rows for item in row["items"][:20]}
    assert sum(int(row[7]) for row in items) == 80 - len(recommended)
    hits = sum(float(row[3].split("\u00a0")[0]) / 100 * int(row[2]) for row in items)
    assert hits == pytest.approx(found.hits.sum(), abs=0.02 * found.wanted.sum())


def test_users_without_later_items_are_counted(run, material: Material) -> None:
    rows = [{**row, "true_items": []} if at < 3 else row for at, row in enumerate(material.predictions)]
    part = Material(material.model, material.encoder, material.examples, rows)
    assert "3 users had nothing afterwards" in str(UserPages().sections(run.task, part)[0].html)
    none = Material(material.model, material.encoder, material.examples, [{**row, "true_items": []} for row in rows])
    assert UserPages().gallery(run.task, none) == UserPages().sections(run.task, none) == []


def test_an_interval_is_that_of_users_drawn_anew() -> None:
    random = np.random.default_rng(0)
    counts = random.integers(1, 9, 400)
    hits = random.binomial(counts, random.beta(2, 5, 400))  # some users are easier than others
    ends = ratio_interval(hits, counts)
    assert ends is not None
    drawn = random.integers(0, 400, (4000, 400))
    ratios = hits[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    assert ends == pytest.approx(np.quantile(ratios, [0.025, 0.975]).tolist(), abs=0.006)
    assert ratio_interval(hits[:9], counts[:9]) is None
    low, high = ratio_interval(np.zeros(20), np.ones(20)) or (1.0, 0.0)
    assert low == 0.0
    assert 0.1 < high < 0.25


def test_what_a_vector_depends_on_is_counted_along_the_edges(run, material: Material) -> None:
    shown = cells(UserPages().field(material, None))
    known = material.encoder.dims["known"]
    sizes = [len(known[example.index]) for example in material.examples]
    first = next(row for row in shown if row[0].startswith("1 step"))
    assert first[1:3] == ["1", f"{round(float(np.median(sizes)))}"]
    assert len([row for row in shown if row[0][0].isdigit()]) == material.model.hops == 3


def test_a_model_without_vectors_or_hops_has_no_such_pictures(run, material: Material) -> None:
    other = Material(nn.Linear(2, 2), material.encoder, material.examples, material.predictions)
    pages = UserPages()
    assert pages.field(other, None) == pages.first_layer(other.model, other.encoder, other.examples) == ""
    assert "closest first" not in pages.gallery(run.task, other)[0].html


def test_long_and_odd_names_are_cut_and_escaped(run, material: Material) -> None:
    name = "<b>" + "x" * 100
    row = {**material.predictions[0], "items": [name], "true_items": [name]}
    part = Material(material.model, material.encoder, material.examples, [row])
    card = _card(run.task, part, Lists.of(run.task, part), 0, {}, None)
    assert "&lt;b&gt;xxx" in card
    assert "x" * 60 not in card
