"""Recipes as YAML: scalars, overrides, what `show` prints, and the JSON Schema."""

import copy
import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from convzoo.core.errors import RecipeError
from convzoo.recipe.recipe import load, parse_value, read_yaml, shipped_recipes, to_mapping, to_yaml, with_values
from convzoo.recipe.schema import recipe_schema
from convzoo.recipe.types import Part, Recipe

RECIPE = {
    "data": "reviews",
    "encoder": {"name": "text"},
    "model": {"name": "cnn1d", "kernel_sizes": [2, 3]},
    "task": "classification",
    "train": {"steps": 2},
}
SHIPPED = shipped_recipes()


# Scalars


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("3E4", 3e4), ("1.5", 1.5), (".5", 0.5), ("-2.", -2.0), ("1_000", 1000), ("007", "007"),
        ("0", 0), ("-3", -3), ("+3", 3), ("0x1f", "0x1f"), ("0o17", "0o17"), ("1:30", "1:30"), ("2024-01-02", "2024-01-02"),
        ("true", True), ("false", False), ("on", "on"), ("off", "off"), ("yes", "yes"), ("no", "no"), ("y", "y"),
        ("null", None), ("~", None), ("", None), ("[3, 4]", [3, 4]), ("[1e-3, on]", [0.001, "on"]), ("{a: 1}", {"a": 1}),
        ("'1'", "1"), ("a text", "a text"), ("café", "café"), (".inf", float("inf")), ("1e", "1e"), ("e3", "e3"), ("-", "-"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    if text == "-":
        assert parse_value(text) in ([None], "-")
        return
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_classes_called_on_and_no_stay_text(cli, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("data: {name: text_table, path: on.csv, label: no, text: on}\nencoder: text\nmodel: cnn1d\n"
                    "task: classification\ntrain: {steps: 1, lr: 1e-3}\n")  # fmt: skip
    recipe = load(path)
    assert (recipe.data.args["label"], recipe.data.args["text"]) == ("no", "on")
    assert recipe.train.lr == 0.001
    again = tmp_path / "again.yaml"
    again.write_text(cli("show", path).out)
    assert to_mapping(load(again)) == to_mapping(recipe)


# Overrides


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("train.lr=3e-4", lambda recipe: recipe.train.lr == 3e-4),
        ("model.kernel_sizes=[3,4,5]", lambda recipe: recipe.model.args["kernel_sizes"] == [3, 4, 5]),
        ("model.kernel_sizes=[7]", lambda recipe: recipe.model.args["kernel_sizes"] == [7]),
        ("model.kernel_sizes.1=9", lambda recipe: recipe.model.args["kernel_sizes"] == [2, 9]),
        ("model=dilated_cnn1d", lambda recipe: recipe.model.name == "dilated_cnn1d"),
        ("model={name: cnn1d, channels: 5}", lambda recipe: recipe.model.args["channels"] == 5),
        ("data.train=10", lambda recipe: recipe.data.args["train"] == 10),
        ("task.label_smoothing=0.1", lambda recipe: recipe.task.args["label_smoothing"] == 0.1),
        ("about=it's on", lambda recipe: recipe.about == "it's on"),
        ("train.precision=16", lambda recipe: recipe.train.precision == "16"),
        ("train.precision=bf16", lambda recipe: recipe.train.precision == "bf16"),
        ("baselines=[majority]", lambda recipe: [part.name for part in recipe.baselines] == ["majority"]),
        ("expect={test/accuracy: [0, 1]}", lambda recipe: recipe.expect == {"test/accuracy": (0.0, 1.0)}),
        ("repeat={train.seed: [1, 2]}", lambda recipe: recipe.repeat == {"train.seed": [1, 2]}),
    ],
)
def test_overrides(override, found):
    assert found(load(RECIPE, [override]))


def test_a_part_that_is_replaced_by_name_loses_the_other_ones_arguments():
    assert "kernel_sizes" not in load(RECIPE, ["model=dilated_cnn1d"]).model.args
    assert load(RECIPE, ["model=dilated_cnn1d", "model.channels=5"]).model.args["channels"] == 5


def test_the_last_override_wins_and_the_source_is_left_alone():
    before = copy.deepcopy(RECIPE)
    recipe = load(RECIPE, ["train.lr=1", "train.lr=2", "model.kernel_sizes.0=8"])
    assert recipe.train.lr == 2
    assert before == RECIPE


def test_items_of_baselines_can_be_set():
    raw = {**RECIPE, "baselines": ["majority", "tfidf_logistic_regression"]}
    assert load(raw, ["baselines.1.ngrams=2"]).baselines[1].args["ngrams"] == 2


def test_epochs_give_way_to_steps_only_when_they_are_taken_back():
    raw = {**RECIPE, "train": {"epochs": 3}}
    with pytest.raises(RecipeError, match="not both"):
        load(raw, ["train.steps=5"])
    assert load(raw, ["train.steps=5", "train.epochs=null"]).train.steps == 5


# What is printed


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_show_prints_a_recipe_that_resolves_to_the_same(cli, tmp_path, name):
    shown = cli("show", name)
    assert shown.code == 0, shown.err
    (tmp_path / "again.yaml").write_text(shown.out, encoding="utf-8")
    again = cli("show", tmp_path / "again.yaml")
    assert again.code == 0, again.err
    assert again.out == shown.out
    assert to_mapping(load(tmp_path / "again.yaml")) == to_mapping(load(name))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_show_with_origins_is_the_same_recipe_with_comments(cli, tmp_path, name):
    shown = cli("show", name, "--origin")
    assert shown.code == 0, shown.err
    (tmp_path / "again.yaml").write_text(shown.out, encoding="utf-8")
    assert to_mapping(load(tmp_path / "again.yaml")) == to_mapping(load(name))


def test_origins_name_file_line_override_or_default(cli, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("data: reviews\nencoder: text\nmodel:\n  name: cnn1d\n  kernel_sizes: [2,\n    3]\n"
                    "task: classification\ntrain: {steps: 2, lr: 1}\n")  # fmt: skip
    lines = cli("show", path, "--origin", "train.lr=3e-4", "data.train=50").out.splitlines()
    origins = {line.split(":")[0].strip(): line.rpartition("  # ")[2] for line in lines if "  # " in line}
    assert origins["steps"] == f"{path}:8:9"
    assert origins["lr"] == "override train.lr=3e-4"
    assert origins["train"] == "override data.train=50"
    assert origins["kernel_sizes"].startswith(f"{path}:5:")
    assert origins["batch_size"] == "default"
    assert origins["lower"] == "default"


def test_show_writes_every_default(cli):
    found = yaml.safe_load(cli("show", "sentiment_cnn1d").out)
    assert found["train"]["device"] == "auto"
    assert found["model"]["pooling"] == "max"
    assert "classes" not in found["model"], "what the data tell is not set in a recipe"
    assert "vectors" not in found["model"], "what the data tell is not set in a recipe"


def test_with_values_replaces_and_checks():
    recipe = load({**RECIPE, "repeat": {"train.seed": [1, 2]}})
    single = with_values(recipe, {"train.seed": 7, "data.label_noise": 0.0})
    assert (single.train.seed, single.data.args["label_noise"], dict(single.repeat)) == (7, 0.0, {})
    assert recipe.train.seed == 0
    for values in ({"train.seed": "x"}, {"train.sed": 1}, {"data.fold": 1}):
        with pytest.raises(RecipeError):
            with_values(recipe, values)


def test_a_recipe_made_in_python_is_checked_alike():
    made = Recipe(Part("reviews"), Part("text"), Part("cnn1d", {"channels": 4}), Part("classification"))
    with pytest.raises(RecipeError, match="give epochs or steps"):
        load(made)
    recipe = load(made, ["train.steps=1"])
    assert recipe.model.args["channels"] == 4
    with pytest.raises(RecipeError, match="did you mean 'channels'"):
        load(
            Recipe(Part("reviews"), Part("text"), Part("cnn1d", {"chanels": 4}), Part("classification")),
            ["train.steps=1"],
        )


# Any recipe

NAMES = st.text(min_size=1, max_size=12)
COUNT = st.integers(1, 500)
PROBABILITY = st.floats(0, 0.99, allow_nan=False)
ANY_RECIPE = st.fixed_dictionaries(
    {
        "data": st.one_of(
            st.just("reviews"),
            st.fixed_dictionaries({"name": st.just("reviews"), "train": COUNT}, optional={"label_noise": PROBABILITY}),
            st.fixed_dictionaries(
                {"name": st.just("text_table"), "path": NAMES},
                optional={"label": NAMES, "columns": st.lists(NAMES, max_size=3), "quotes": st.none() | st.booleans()},
            ),
        ),
        "encoder": st.fixed_dictionaries(
            {"name": st.just("text")},
            optional={"units": st.sampled_from(["words", "subwords", "characters"]), "lower": st.booleans()},
        ),
        "model": st.fixed_dictionaries(
            {"name": st.just("cnn1d")},
            optional={
                "kernel_sizes": st.lists(st.integers(1, 9), min_size=1, max_size=4),
                "dropout": PROBABILITY,
                "embedding_scale": st.floats(1e-9, 1e9),
                "max_norm": st.none() | st.floats(1e-3, 10),
            },
        ),
        "task": st.just("classification"),
        "train": st.fixed_dictionaries(
            {"steps": COUNT},
            optional={
                "lr": st.floats(1e-12, 1e3),
                "precision": st.sampled_from(["32", "bf16", 16, "auto"]),
                "device": NAMES,
            },
        ),
    },
    optional={
        "about": st.text(max_size=40),
        "baselines": st.lists(st.sampled_from(["majority", "nbsvm"]), max_size=2),
        "expect": st.dictionaries(NAMES, st.just([0.25, 0.75]), max_size=2),
        "repeat": st.just({"train.seed": [3, 4]}),
        "reference": st.lists(
            st.fixed_dictionaries(
                {"dataset": NAMES, "metric": NAMES, "value": st.floats(0, 1), "source": NAMES},
                optional={"protocol": NAMES},
            ),
            max_size=2,
        ),
    },
)


@pytest.mark.parametrize(
    "text", ["1e3", "1e-3", "007", "on", "null", "1", "true", ".5", "x # y", "a: b", "\x85", "a\nb", " "]
)
@pytest.mark.parametrize("origins", [False, True])
def test_text_that_looks_like_something_else_stays_text(tmp_path, text, origins):
    raw = {**RECIPE, "about": text, "train": {"steps": 2, "device": text}, "expect": {text: [0.25, 0.5]}}
    raw["data"] = {"name": "text_table", "path": "x", "columns": [text, "b"]}
    recipe = load(raw)
    path = tmp_path / "r.yaml"
    path.write_text(to_yaml(recipe, origins), encoding="utf-8", newline="")
    assert to_mapping(load(path)) == to_mapping(recipe)


# Shrinking so large an example takes minutes.
@settings(max_examples=50, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(raw=ANY_RECIPE)
def test_any_recipe_is_read_back_from_its_yaml(raw, tmp_path_factory):
    recipe = load(raw)
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    for origins in (False, True):
        path.write_text(to_yaml(recipe, origins), encoding="utf-8", newline="")
        assert to_mapping(load(path)) == to_mapping(recipe)


# JSON Schema


@pytest.fixture(scope="module")
def validator():
    schema = recipe_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_command_prints_the_schema(cli, tmp_path):
    printed = json.loads(cli("schema").out)
    assert printed == json.loads(json.dumps(recipe_schema()))
    assert cli("schema", "--out", tmp_path / "s.json").code == 0
    assert json.loads((tmp_path / "s.json").read_text()) == printed


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_shipped_recipe_is_valid_and_names_the_schema(validator, name):
    raw, _ = read_yaml(SHIPPED[name])
    validator.validate(raw)
    text = SHIPPED[name].read_text(encoding="utf-8")
    heading = [line for line in text.splitlines() if line.startswith("# yaml-language-server: $schema=")]
    assert len(heading) == 1, "an editor finds the schema by this line"
    address = heading[0].partition("=")[2]
    if "://" not in address:
        assert (SHIPPED[name].parent / address).is_file()


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_what_show_prints_is_valid(validator, name):
    recipe = load(name)
    validator.validate(parse_value(to_yaml(recipe)))


def test_the_schema_kept_beside_the_recipes_is_the_current_one():
    folder = Path(next(iter(SHIPPED.values()))).parent
    kept = [path for path in (folder / "schema.json", folder / "recipe.schema.json") if path.exists()]
    for path in kept:
        assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(recipe_schema()))


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"name": "cnn1d", "chanels": 3}},
        {"model": {"name": "cnn1d", "channels": "three"}},
        {"model": {"name": "cnn1d", "channels": 0}},
        {"model": {"name": "cnn1d", "pooling": "maxx"}},
        {"model": {"name": "cnn1d", "classes": 2}},
        {"model": {"name": "cnn1d", "vectors": "x"}},
        {"model": {"name": "cnn3d"}},
        {"model": "cnn3d"},
        {"model": {}},
        {"model": 3},
        {"data": {"name": "text_table"}},
        {"train": {"steps": 0}},
        {"train": {"steps": 2, "lr": -1}},
        {"train": {"steps": 2, "dropout": 0.5}},
        {"train": {"steps": 2, "precision": 8}},
        {"train": {"steps": 2, "optimizer": "adm"}},
        {"baselines": "majority"},
        {"baselines": ["majorty"]},
        {"expect": {"test/accuracy": [0.5]}},
        {"expect": {"test/accuracy": ["low", "high"]}},
        {"repeat": {"data.fold": []}},
        {"repeat": {"data.fold": [1], "train.seed": [2]}},
        {"reference": [{"dataset": "x"}]},
        {"modality": "smell"},
        {"model_": "cnn1d"},
    ],
)
def test_broken_recipes_are_invalid_to_the_schema_and_to_convzoo(validator, change):
    assert not validator.is_valid({**RECIPE, **change})
    with pytest.raises(RecipeError):
        load({**RECIPE, **change})


@pytest.mark.parametrize("key", ["data", "encoder", "model", "task"])
def test_a_recipe_without_a_part_is_invalid_to_the_schema(validator, key):
    assert not validator.is_valid({name: value for name, value in RECIPE.items() if name != key})


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"name": "mine.py:Net", "anything": 3}},
        {"model": "mine.py:Net"},
        {"train": {"steps": 2, "precision": 16}},
        {"train": {"steps": 2, "ema": None}},
        {"reference": {"dataset": "x", "metric": "y", "value": 1, "source": "z"}},
    ],
)
def test_the_schema_takes_what_convzoo_takes(validator, change):
    validator.validate({**RECIPE, **change})
