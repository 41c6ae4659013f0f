"""What a recipe changes where a person brings data."""

from pathlib import Path

import pytest
from conftest import EMBEDDED, FORMS

from convzoo.core.errors import RecipeError
from convzoo.recipe import recipe as recipes
from convzoo.recipe.own_data import open_recipe

MINE = {
    "data": "reviews",
    "encoder": "text",
    "model": {"name": "cnn1d", "channels": 8},
    "task": "classification",
    "train": {"epochs": 3, "lr": 1e-3},
    "baselines": ["majority"],
}


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_the_recipes_own_numbers_hold_for_its_own_data_only(path: Path, tmp_path: Path) -> None:
    plain = recipes.load(path)
    if not plain.with_data:
        return
    data = FORMS[path.stem].own(tmp_path)[0]
    own = open_recipe(path, (), data)
    assert not own.with_data
    for section, changes in plain.with_data.items():
        if section == "baselines":
            continue
        part = getattr(own, section)
        values = vars(part) if section == "train" else part.args
        for name, value in changes.items():
            if name != "name":
                assert values[name] == value, f"{section}.{name}"


def test_settings_of_a_part_with_the_same_name_are_kept_and_another_part_starts_anew():
    same = recipes.load({**MINE, "with_data": {"model": {"name": "cnn1d", "dropout": 0.1}}}, with_data=True)
    assert (same.model.args["channels"], same.model.args["dropout"]) == (8, 0.1)
    other = recipes.load({**MINE, "with_data": {"model": {"name": "region_cnn1d"}}}, with_data=True)
    assert other.model.args["channels"] == 32


def test_an_override_goes_before_what_the_recipe_says_of_own_data():
    recipe = {**MINE, "with_data": {"train": {"epochs": "auto"}}}
    assert recipes.load(recipe, ["train.epochs=7"], with_data=True).train.epochs == 7


def test_epochs_take_the_place_of_steps():
    recipe = {**MINE, "train": {"steps": 100}, "with_data": {"train": {"epochs": "auto"}}}
    found = recipes.load(recipe, with_data=True).train
    assert (found.epochs, found.steps) == ("auto", None)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"train": {"epoch": 3}}, "with_data.train.epoch: unknown key"),
        ({"model": {"chanels": 3}}, "with_data.model.chanels: unknown key"),
        ({"data": "reviews"}, "with_data.data: unknown key"),
        ({"encoder": {"name": "txt"}}, "no encoder 'txt'"),
    ],
)
def test_a_fault_is_found_before_anybody_brings_data(section, words):
    with pytest.raises(RecipeError, match=words):
        recipes.load({**MINE, "with_data": section})


def test_a_written_recipe_keeps_it(tmp_path: Path) -> None:
    recipe = recipes.load({**MINE, "with_data": {"train": {"epochs": "auto"}}})
    (tmp_path / "mine.yaml").write_text(recipes.to_yaml(recipe))
    assert recipes.load(tmp_path / "mine.yaml").with_data == {"train": {"epochs": "auto"}}


def test_a_run_stores_the_numbers_that_were_chosen(cli, tmp_path: Path) -> None:
    data, small = FORMS["sentiment_cnn1d"].own(tmp_path)
    small = [word for word in small if not word.startswith(("train.epochs", "train.batch_size"))]
    result = cli(
        "run", "sentiment_cnn1d", "--data", str(data), *small, "train.auto_epochs=1", "baselines=[]", "--out", "run"
    )
    assert result.code == 0, result.err
    assert "chosen for 40 training examples: train.batch_size=8, train.epochs=9" in result.err
    stored = recipes.load(tmp_path / "run" / "recipe.yaml").train
    assert (stored.epochs, stored.batch_size) == (9, 8)
