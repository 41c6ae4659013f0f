"""What stands over a run is true of its data: with a person's own, nothing that was said of the recipe's."""

import json
from pathlib import Path

import pytest
from conftest import EMBEDDED, FORMS, RECIPES

from convzoo import summary
from convzoo.recipe import recipe as recipes
from convzoo.recipe.own_data import open_recipe
from convzoo.recipe.recipe import headline, to_yaml

FORM_OF = {recipes.load(path).encoder.name: path.stem for path in EMBEDDED}
"""For each encoder, an embedded recipe whose small form has a stranger's data for it."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_nothing_said_of_the_recipes_data_stands_over_other_data(path: Path, tmp_path: Path) -> None:
    plain = recipes.load(path)
    data, _ = FORMS[FORM_OF[plain.encoder.name]].own(tmp_path)
    own = open_recipe(path, (), data)
    assert plain.about and not own.about
    assert not own.expect and not own.reference and not own.repeat
    rows = summary.rows(own, {"scores": {"test/accuracy": 0.5}})
    assert [row.kind for row in rows] == ["this network"]
    written = to_yaml(own)
    for said in (
        plain.about,
        *(item.source for item in plain.reference),
        *(item.dataset for item in plain.reference if item.dataset),
    ):
        assert said not in written
    assert headline(path)[0] == plain.about, "the list of recipes still says it"


@pytest.mark.parametrize(
    ("name", "form", "words"),
    [
        ("reference/sentiment_mr_kim2014", "sentiment_cnn1d", ["MR sentence", "Kim", "published"]),
        ("reference/translation_multi30k_small", "translation_convs2s", ["Multi30k", "German", "English", "published"]),
    ],
)
def test_terminal_report_and_scores_name_the_data_that_were_given(name, form, words, cli, tmp_path: Path) -> None:
    data, few = FORMS[form].own(tmp_path)
    checked = cli("check", name, "--data", data, *few)
    assert checked.code == 0, checked.err
    done = cli("run", name, "--data", data, *few, "train.epochs=1", "baselines=[]", "--out", "run")
    assert done.code == 0, done.err
    described = cli("describe", "run")
    page = Path("run/report.html").read_text(encoding="utf-8").replace("names no published figure", "")
    head = page.partition("<body")[2].partition("<h2")[0]
    assert data.name in head
    for text in (
        checked.out,
        done.out,
        done.err,
        described.out,
        head,
        Path("run/scores.json").read_text(),
        Path("run/recipe.yaml").read_text(),
    ):
        for word in words:
            assert word not in text, word
    assert json.loads(Path("run/scores.json").read_text())["scores"]


def test_another_reader_is_other_data_too() -> None:
    name = "reference/emotion_fer2013"
    plain, other = open_recipe(name), open_recipe(name, ["data=faces"])
    assert plain.about and plain.reference
    assert not other.about and not other.reference and not other.expect
    assert open_recipe(name, ["train.lr=0.1"]).reference == plain.reference
