"""One name for one thing: recipes and runs that say it by a former name still work, and nothing of ours does."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import RECIPES, ROOT
from contracts.parts import same

import convzoo
from convzoo.core.errors import RecipeError
from convzoo.core.libraries import EXTRAS
from convzoo.recipe.recipe import load, to_yaml, with_values
from convzoo.recipe.registry import PARTS, RENAMED, entries
from convzoo.recipe.renamed import CONVERSIONS, present_setting
from convzoo.recipe.signatures import MISSING, signature_of
from convzoo.recipe.types import PART_KEYS
from convzoo.recipe.yaml_files import read_yaml

ARGUMENTS = sorted(key for key in RENAMED if ":" not in key and key.count(".") == 2)
VALUES = sorted(key for key in RENAMED if ": " in key and "." in key)


def any_recipe(**sections: Any) -> dict[str, Any]:
    """A recipe of any parts; they need not fit each other to be checked."""
    parts = {"data": "faces", "encoder": "image", "model": "cnn2d", "task": "classification", "train": {"epochs": 1}}
    return parts | sections


def with_part(kind: str, part: str, **settings: Any) -> dict[str, Any]:
    place = signature_of(entries(kind)[part].place).arguments
    missing = {name: "x" for name, item in place.items() if item.default is MISSING and not item.from_data}
    chosen = {"name": part, **missing, **settings}
    return any_recipe(baselines=[chosen]) if kind == "baseline" else any_recipe(**{kind: chosen})


def part_of(recipe: Any, kind: str) -> Any:
    return recipe.baselines[0] if kind == "baseline" else getattr(recipe, kind)


def a_value_of(kind: str, part: str, name: str) -> Any:
    return signature_of(entries(kind)[part].place).arguments[name].default


@pytest.mark.parametrize("former", ARGUMENTS)
def test_a_former_name_loads_as_the_present_one(former: str) -> None:
    kind, part, old = former.split(".")
    new, _, conversion = RENAMED[former].partition(" = ")
    value = 0.5 if conversion else a_value_of(kind, part, new)
    recipe = load(with_part(kind, part, **{old: value}))
    assert old not in part_of(recipe, kind).args
    assert part_of(recipe, kind).args[new] == (CONVERSIONS[conversion](0.5) if conversion else value)


@pytest.mark.parametrize("former", ARGUMENTS)
def test_a_former_name_is_no_argument_any_more_and_the_present_one_is(former: str) -> None:
    kind, part, old = former.split(".")
    known = signature_of(PARTS[kind][part]).arguments
    assert old not in known
    assert RENAMED[former].partition(" = ")[0] in known


@pytest.mark.parametrize("former", VALUES)
def test_a_former_value_loads_as_the_present_one(former: str) -> None:
    setting, _, value = former.partition(": ")
    kind, part, name = setting.split(".")
    recipe = load(with_part(kind, part, **{name: value}))
    assert part_of(recipe, kind).args[name] == RENAMED[former]


@pytest.mark.parametrize("former", ARGUMENTS)
def test_former_and_present_name_together_are_refused_and_both_are_said(former: str) -> None:
    kind, part, old = former.split(".")
    new = RENAMED[former].partition(" = ")[0]
    value = a_value_of(kind, part, new)
    with pytest.raises(RecipeError, match=rf"{old}: is the former name of '{new}', and both are given") as refused:
        load(with_part(kind, part, **{old: value, new: value}))
    assert len(str(refused.value).splitlines()) == 1


def test_a_former_modality_loads(cli) -> None:
    assert load(any_recipe(modality="speech")).modality == "audio"
    assert load("keywords_cnn1d", ["modality=speech"]).modality == "audio"
    assert cli("list", "--modality", "speech").out == cli("list", "--modality", "audio").out != ""


def test_an_override_takes_the_place_of_a_setting_by_either_name(tmp_path: Path) -> None:
    assert load("lidar_pillars", ["encoder.turn=9"]).encoder.args["rotate"] == 9
    assert load("lidar_pillars", ["encoder.turn=9", "encoder.rotate=7"]).encoder.args["rotate"] == 7
    assert load("lidar_pillars", ["encoder.rotate=7", "encoder.turn=9"]).encoder.args["rotate"] == 9
    old = tmp_path / "old.yaml"
    text = (ROOT / "recipes" / "lidar_pillars.yaml").read_text(encoding="utf-8")
    old.write_text(text.replace("  rotate: 5", "  turn: 5"), encoding="utf-8")
    assert load(old).encoder.args["rotate"] == 5
    assert load(old, ["encoder.rotate=7"]).encoder.args["rotate"] == 7
    changed = load(old, ["baselines.1={name: cluster_boxes, frames: 3}", "baselines.1.reach=0.7"])
    assert {"max_examples": 3, "max_distance": 0.7}.items() <= changed.baselines[1].args.items()


def test_an_override_that_replaces_the_part_comes_first() -> None:
    recipe = load("mri_cnn3d", ["encoder={name: segmentation}", "encoder.contrast=0.3"])
    assert recipe.encoder.args["contrast"] == 0.3, "only of `volume` did it mean another thing"


def test_origins_are_those_of_the_former_name(tmp_path: Path, cli) -> None:
    old = tmp_path / "old.yaml"
    text = (ROOT / "recipes" / "lidar_pillars.yaml").read_text(encoding="utf-8").replace("  rotate: 5", "  turn: 5")
    old.write_text(text, encoding="utf-8")
    line = text.splitlines().index("  turn: 5") + 1
    shown = cli("show", old, "--origin", "model.widths=[8,8,8]").out
    assert re.search(rf"  rotate: 5(\.0)? +# {re.escape(str(old))}:{line}:3", shown)
    assert re.search(r"  channels: \[8, 8, 8\] +# override model.widths", shown)
    assert "turn:" not in shown


def test_a_wrong_value_by_a_former_name_is_refused_where_it_stands(tmp_path: Path) -> None:
    text = (ROOT / "recipes" / "lidar_pillars.yaml").read_text(encoding="utf-8").replace("  rotate: 5", "  turn: -5")
    (tmp_path / "old.yaml").write_text(text, encoding="utf-8")
    line = text.splitlines().index("  turn: -5") + 1
    with pytest.raises(RecipeError, match=rf"old\.yaml:{line}:3: encoder\.rotate: -5 should be"):
        load(tmp_path / "old.yaml")


def test_repeats_are_renamed() -> None:
    recipe = load(any_recipe(data="reviews", repeat={"data.noise": [0.0, 0.1]}))
    assert recipe.repeat == {"data.label_noise": [0.0, 0.1]}
    assert with_values(recipe, {"data.noise": 0.2}).data.args["label_noise"] == 0.2


def test_the_bend_of_a_volume_keeps_its_meaning() -> None:
    gamma = load(with_part("encoder", "volume", contrast=0.3)).encoder.args["gamma"]
    assert gamma == pytest.approx(math.exp(0.3))
    assert load(with_part("encoder", "volume", contrast=0.0)).encoder.args["gamma"] == 1.0, "none stays none"
    for wrong in ("much", None, 1e9, True):
        with pytest.raises(RecipeError, match=r"encoder\.gamma"):
            load(with_part("encoder", "volume", contrast=wrong))


def test_parts_named_by_class_or_place_are_renamed_too() -> None:
    from convzoo.modalities.points.encoder import PointCloudEncoder

    for name in (PointCloudEncoder, "convzoo.modalities.points.encoder:PointCloudEncoder"):
        assert load(any_recipe(encoder={"name": name, "turn": 4})).encoder.args["rotate"] == 4


def test_the_train_section_is_renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "train.learning_rate", "lr")
    assert load(any_recipe(train={"epochs": 1, "learning_rate": 0.5})).train.lr == 0.5
    assert load("sentiment_cnn1d", ["train.learning_rate=0.5"]).train.lr == 0.5
    with pytest.raises(RecipeError, match="learning_rate: is the former name of 'lr'"):
        load(any_recipe(train={"epochs": 1, "learning_rate": 0.5, "lr": 0.5}))


def test_a_part_by_its_former_name_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RENAMED, "encoder.clouds", "points")
    for given in ({"name": "clouds", "turn": 4}, "clouds"):
        recipe = load(any_recipe(encoder=given))
        assert recipe.encoder.name == "points"
    recipe = load("lidar_pillars", ["encoder.name=clouds", "encoder.turn=4"])
    assert (recipe.encoder.name, recipe.encoder.args["rotate"]) == ("points", 4)


def test_unknown_keys_are_told_present_names_only() -> None:
    with pytest.raises(RecipeError) as refused:
        load(with_part("encoder", "points", tourn=3))
    assert "rotate" in str(refused.value)
    assert "turn" not in re.findall(r"\w+", str(refused.value))


def former_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    """A resolved recipe as it was written before anything was renamed."""
    undo = {"exp": math.log}

    def part(kind: str, given: dict[str, Any]) -> dict[str, Any]:
        back = {}
        for key in RENAMED:
            if key.startswith(f"{kind}.{given['name']}.") and ": " not in key:
                new, _, conversion = RENAMED[key].partition(" = ")
                back[new] = (key.rsplit(".", 1)[1], undo.get(conversion, lambda value: value))
        return {
            back[name][0] if name in back else name: back[name][1](value) if name in back else value
            for name, value in given.items()
        }

    renamed = {key: part(key, value) if key in PART_KEYS else value for key, value in recipe.items()}
    renamed["baselines"] = [part("baseline", item) for item in recipe["baselines"]]
    return renamed | ({"modality": "speech"} if recipe["modality"] == "audio" else {})


@pytest.mark.parametrize("name", ["keywords_cnn1d", "anomaly_cnn1d", "mri_cnn3d", "lidar_pillars"])
def test_a_run_folder_with_former_names_loads_and_predicts_the_same(name: str, small_run, tmp_path: Path) -> None:
    from conftest import RAW

    shutil.copytree(small_run(name), tmp_path / "old")
    file = tmp_path / "old" / "recipe.yaml"
    recipe = read_yaml(file)[0]
    former = former_recipe(recipe)
    assert former != recipe
    file.write_text(yaml.safe_dump(former, sort_keys=False), encoding="utf-8")
    (tmp_path / "old" / "manifest.json").unlink()  # former runs have none
    run, old = convzoo.Run(small_run(name)), convzoo.Run(tmp_path / "old")
    assert to_yaml(old.recipe) == to_yaml(run.recipe)
    assert same(old.predict(RAW[name]()), run.predict(RAW[name]()))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_no_shipped_recipe_says_a_former_name(path: Path) -> None:
    raw = read_yaml(path)[0]
    assert f"modality: {raw.get('modality')}" not in RENAMED
    parts = [(kind, raw[kind]) for kind in PART_KEYS] + [("baseline", item) for item in raw.get("baselines", [])]
    parts.append(("train", {"name": "", **raw["train"]}))
    for kind, part in parts:
        for key, value in part.items() if isinstance(part, dict) else ():
            if key != "name":
                assert present_setting(kind, part["name"], key, value) == (key, value), f"{kind}.{key}"
            else:
                assert f"{kind}.{value}" not in RENAMED


def former_words() -> dict[str, bool]:
    """'encoder.turn' and the like, where no part of that kind takes an argument of that name any more; and whether none does."""
    present = {
        kind: {name for entry in entries(kind).values() for name in signature_of(entry.place).arguments}
        for kind in PARTS
    }
    pairs = {(key.split(".")[0], key.split(".")[2]) for key in ARGUMENTS}
    # An extra may be called as a setting once was: `video`.
    everywhere = set().union(*present.values(), EXTRAS)
    return {f"{kind}.{old}": old not in everywhere for kind, old in sorted(pairs) if old not in present[kind]}


@pytest.mark.parametrize(
    "path",
    [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *RECIPES],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_no_page_says_a_former_name(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    words = former_words()
    assert words.keys() >= {"encoder.turn", "task.settle", "model.widths", "data.misspoken"}
    for dotted, nowhere in words.items():
        assert not re.search(rf"\b{re.escape(dotted)}\b", text), dotted
        bare = dotted.split(".")[1]
        # `widths`, `kernel: factorised`, {name: r3d, widths: [8]}
        assert not nowhere or not re.search(rf"`{bare}`|[`{{, ]{bare}[:=] ?[\w\[]+[`,}}]", text), bare
    assert not re.search(r"modality[:=] ?speech", text)


@pytest.mark.parametrize(
    ("kind", "former", "present"),
    [
        ("data", "convzoo.readers.text_table:TextTable", "text_table"),
        ("data", "convzoo.generated.reviews:Reviews", "reviews"),
        ("encoder", "convzoo.encoders.text:TextEncoder", "text"),
    ],
)
def test_a_class_that_has_moved_is_found(kind: str, former: str, present: str) -> None:
    section = {"name": former, **({"path": "a.csv"} if present == "text_table" else {})}
    recipe = load("sentiment_cnn1d", replaced={kind: section})
    assert getattr(recipe, kind).name == present
    assert load("sentiment_cnn1d", [f"encoder={former}"] if kind == "encoder" else []).encoder.name == "text"
