"""Recipes: the schema, YAML with line numbers, dotted overrides, and errors that name file:line:column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import yaml

from convzoo.core.config import TrainConfig
from convzoo.core.errors import RecipeError
from convzoo.core.files import is_file
from convzoo.core.text import nearest
from convzoo.recipe.checker import Checker, with_own_settings
from convzoo.recipe.renamed import present_override, use_present_names
from convzoo.recipe.types import KEYS, PART_KEYS, REFERENCE_KEYS, WITH_DATA_KEYS, KeyPath, Part, Recipe
from convzoo.recipe.yaml_files import dump, inline, parse_value, read_yaml


def find_recipe(name: str) -> Path:
    """A recipe's file, from a path or from the name of a shipped recipe.

    Raises:
        RecipeError: there is neither.
    """
    path = Path(name)
    if is_file(path):
        return path
    shipped = shipped_recipes()
    short = path.as_posix().removeprefix("recipes/").removesuffix(".yaml").removesuffix(".yml")
    if short in shipped:
        return shipped[short]
    by_stem = {key.rsplit("/", 1)[-1]: value for key, value in shipped.items()}
    if short in by_stem:
        return by_stem[short]
    near = nearest(short, shipped)
    hint = f"did you mean {near!r}? " if near else ""
    shown = name if len(name) <= 100 else f"{name[:100]}…"
    raise RecipeError(f"{shown}: no such recipe file, and none of the shipped ones; {hint}`convzoo list` shows them")


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with convzoo: 'sentiment_cnn1d', 'reference/sentiment_mr_kim2014', … to their files."""
    home = Path(__file__).parents[1]
    folder = home / "recipes" if (home / "recipes").is_dir() else home.parent / "recipes"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.resolve() for path in sorted(folder.rglob("*.yaml"))
    }


def headline(path: Path) -> tuple[str, str]:
    """What a shipped recipe is about, and its modality, from its lines `about:` and `modality:` only."""
    lines = [line.partition(": ") for line in path.read_text(encoding="utf-8").splitlines()]
    found = {key: str(parse_value(value)) for key, _, value in lines if key in ("about", "modality")}
    return found.get("about", ""), found.get("modality", "")


def load(
    source: str | Path | Recipe | Mapping[str, Any],
    overrides: Sequence[str] = (),
    replaced: Mapping[str, Any] | None = None,
    with_data: bool = False,
) -> Recipe:
    """A checked recipe from a file, a shipped name, a mapping or a Recipe made in Python.

    Args:
        source: the recipe
        overrides: dotted settings, applied last
        replaced: whole sections that replace those of the source
        with_data: use the settings that the recipe has for a person's own data, its section `with_data`

    Raises:
        RecipeError: what is wrong: one line for each fault, with its place.
    """
    origins: dict[KeyPath, str] = {}
    if isinstance(source, Recipe):
        raw, name, folder, label = to_mapping(source), source.name, source.folder, source.name
    elif isinstance(source, Mapping):
        raw, name, folder, label = dict(source), "recipe", Path(), "recipe"
    else:
        path = find_recipe(str(source))
        raw, places = read_yaml(path)
        origins = {key: f"{path}:{line}:{column}" for key, (line, column) in places.items()}
        name, folder, label = path.stem, path.parent, str(path)
    if not isinstance(raw, dict):
        raise RecipeError(f"{label}: a recipe is a mapping with the keys {', '.join(KEYS)}")
    try:
        raw = _copy(raw)
    except RecursionError:
        raise RecipeError(f"{label}: a value contains itself") from None
    if with_data and isinstance(raw.get("with_data"), dict):
        changes = raw.pop("with_data")
        raw = with_own_settings(raw, changes)
        origins |= {key[1:]: place for key, place in origins.items() if key[0] == "with_data" and len(key) > 1}
        origins = {key: place for key, place in origins.items() if key[0] != "with_data"}
    names = {section: _name_of(raw.get(section)) for section in WITH_DATA_KEYS}
    raw |= _copy(replaced or {})
    origins = {key: place for key, place in origins.items() if key[0] not in (replaced or {})}
    use_present_names(raw, origins)  # first, so that an override replaces a setting under its former name too
    for override in overrides:
        _apply_override(raw, origins, override)
    if isinstance(raw.get("with_data"), dict):
        # Settings for one's own data belong to the part that the recipe names, not to another that an override puts in its place.
        raw["with_data"] = {
            key: value
            for key, value in raw["with_data"].items()
            if key not in names or _name_of(raw.get(key)) == names[key]
        }
    return Checker(origins, label, folder).recipe(raw, name)


def _name_of(part: Any) -> Any:
    return part.get("name") if isinstance(part, dict) else part if isinstance(part, str) else None


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def _apply_override(raw: dict[str, Any], origins: dict[KeyPath, str], override: str) -> None:
    dotted, sign, text = override.partition("=")
    if not sign or not dotted:
        raise RecipeError(f"{override!r}: an override is written key.key=value, such as train.lr=3e-4")
    try:
        value = parse_value(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = getattr(error, "problem", None)
        raise RecipeError(f"{override[:80]!r}: {text[:80]!r} is not a YAML value{f' ({why})' if why else ''}") from None
    keys, value = present_override(raw, tuple(dotted.split(".")), value)
    if len(keys) == 1 and keys[0] in PART_KEYS and isinstance(value, str):
        value = {"name": value}
    at: Any = raw
    for depth, key in enumerate(keys[:-1]):
        step = int(key) if isinstance(at, list) and key.isdigit() else key
        if isinstance(at, list):
            if not (isinstance(step, int) and step < len(at)):
                raise RecipeError(
                    f"{override!r}: {'.'.join(keys[:depth])} is a list of {len(at)}; number its items from 0"
                )
            if isinstance(at[step], str):
                at[step] = {"name": at[step]}
            at = at[step]
            continue
        if isinstance(at.get(step), str) and step in PART_KEYS:
            at[step] = {"name": at[step]}
        at = at.setdefault(step, {})
        if not isinstance(at, dict | list):
            raise RecipeError(f"{override!r}: {'.'.join(keys[: depth + 1])} is {at!r}, which has no keys")
    final = keys[-1]
    if isinstance(at, list):
        if not (final.isdigit() and int(final) < len(at)):
            raise RecipeError(f"{override!r}: {'.'.join(keys[:-1])} is a list of {len(at)}; number its items from 0")
        at[int(final)] = value
    else:
        at[final] = value
    where = tuple(int(key) if key.isdigit() else key for key in keys)
    for place in [place for place in origins if place[: len(where)] == where]:
        del origins[place]
    origins[where] = f"override {override if len(override) <= 200 else f'{override[:200]}…'}"


def to_mapping(recipe: Recipe) -> dict[str, Any]:
    """A recipe as plain values, as YAML has them."""

    def part(item: Part) -> dict[str, Any]:
        return {"name": item.name, **item.args}

    train = {f.name: getattr(recipe.train, f.name) for f in fields(TrainConfig)}
    mapping: dict[str, Any] = {"about": recipe.about} if recipe.about else {}
    if recipe.modality:
        mapping["modality"] = recipe.modality
    mapping |= {key: part(getattr(recipe, key)) for key in PART_KEYS} | {"train": train}
    if recipe.baselines:
        mapping["baselines"] = [part(item) for item in recipe.baselines]
    if recipe.with_data:
        mapping["with_data"] = _copy(recipe.with_data)
    if recipe.repeat:
        mapping["repeat"] = dict(recipe.repeat)
    if recipe.expect:
        mapping["expect"] = {key: list(value) for key, value in recipe.expect.items()}
    if recipe.reference:
        mapping["reference"] = [{key: getattr(item, key) for key in REFERENCE_KEYS} for item in recipe.reference]
    return mapping


def to_yaml(recipe: Recipe, origins: bool = False) -> str:
    """A recipe as YAML with all defaults; with `origins`, a comment after each value says where it came from."""
    mapping = _plain(to_mapping(recipe))
    if not origins:
        return dump(mapping, width=120)
    return "\n".join(_lines(mapping, (), recipe.origins, 0)) + "\n"


def _plain(value: Any) -> Any:
    """Values that YAML can hold: a class becomes the place where it can be imported again."""
    if isinstance(value, type):
        return class_place(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def class_place(cls: type) -> str:
    """Where a class comes from: 'module:Class', or 'file.py:Class' if a script defines it. A run has a copy of it besides."""
    if cls.__module__ != "__main__":
        return f"{cls.__module__}:{cls.__qualname__}"
    import inspect

    try:
        return f"{Path(inspect.getfile(cls)).resolve()}:{cls.__qualname__}"
    except (OSError, TypeError):
        return f"{cls.__module__}:{cls.__qualname__}"  # of a notebook


def _lines(value: Any, where: KeyPath, origins: Mapping[KeyPath, str], depth: int) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        path = (*where, key)
        head = "  " * depth + ("- " if isinstance(value, list) else f"{inline(key)}: ")
        nested = (isinstance(item, dict) and item) or (
            isinstance(item, list) and any(isinstance(i, dict) for i in item)
        )
        if nested:
            yield head.rstrip()
            yield from _lines(item, path, origins, depth + 1)
        else:
            text = inline(item)
            origin = next((origins[path[:cut]] for cut in range(len(path), 1, -1) if path[:cut] in origins), None)
            yield f"{head + text:<48}  # {origin or origins.get(path) or 'default'}"


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with settings such as `{"train.seed": 1, "data.fold": 3}` replaced and checked."""
    mapping = to_mapping(recipe)
    mapping.pop("repeat", None)
    for dotted, value in values.items():
        (section, name), value = present_override(mapping, tuple(dotted.split(".", 1)), value)
        mapping[section] = {**mapping[section], name: value}
    checked = Checker({}, recipe.name, recipe.folder).recipe(mapping, recipe.name)
    return replace(checked, origins=recipe.origins)
