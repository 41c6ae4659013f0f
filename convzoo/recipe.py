"""Recipes: the schema, YAML with line numbers, dotted overrides, and errors that name file:line:column."""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from convzoo.core.config import TrainConfig
from convzoo.core.errors import RecipeError
from convzoo.core.text import did_you_mean, first_line, nearest
from convzoo.registry import PARTS, RENAMED, entries
from convzoo.signatures import MISSING, Signature, signature_of

MODALITIES = ("image", "text", "series", "audio", "graph", "volume", "video", "points")
PART_KEYS = ("data", "encoder", "model", "task")
KEYS = ("about", "modality", *PART_KEYS, "train", "baselines", "repeat", "expect", "reference")
REFERENCE_KEYS = ("dataset", "metric", "value", "source", "protocol")

CONVERSIONS: dict[str, Callable[[float], float]] = {"exp": math.exp}
"""By name, what takes the value of a renamed setting to its present unit."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Part:
    """One of a recipe's parts: a registry name, `"file.py:Class"`, `"module:Class"` or a class, and its arguments."""

    name: str | type
    args: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """A published result: what our score stands beside."""

    dataset: str
    metric: str
    value: float
    source: str
    protocol: str = ""


@dataclass(frozen=True)
class Recipe:
    """What `convzoo run` runs. `origins` says where each value came from, by its path."""

    data: Part
    encoder: Part
    model: Part
    task: Part
    train: TrainConfig = field(default_factory=TrainConfig)
    baselines: tuple[Part, ...] = ()
    expect: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reference: tuple[Reference, ...] = ()
    repeat: Mapping[str, list[Any]] = field(default_factory=dict)
    name: str = "recipe"
    about: str = ""
    modality: str | None = None
    folder: Path = field(default_factory=Path)
    origins: Mapping[KeyPath, str] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: `1e-3` is a number, `on` and `no` are text."""


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float",
                                                      "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}  # fmt: skip
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$|^[-+]?\.inf$|^\.nan$"),
    list("-+0123456789."),
)


def parse_value(text: str) -> Any:
    """One YAML value, as in `train.lr=3e-4` or `model.kernel_sizes=[3, 4, 5]`."""
    return yaml.load(text, Loader=_Loader)


def find_recipe(name: str) -> Path:
    """A recipe's file, from a path or from the name of a shipped recipe.

    Raises:
        RecipeError: there is neither.
    """
    path = Path(name)
    if path.is_file():
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
    raise RecipeError(f"{name}: no such recipe file, and none of the shipped ones; {hint}`convzoo list` shows them")


def shipped_recipes() -> dict[str, Path]:
    """The recipes that come with convzoo: 'sentiment_cnn1d', 'reference/sentiment_mr_kim2014', … to their files."""
    home = Path(__file__).parent
    folder = home / "recipes" if (home / "recipes").is_dir() else home.parent / "recipes"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.resolve() for path in sorted(folder.rglob("*.yaml"))
    }


def headline(path: Path) -> tuple[str, str]:
    """What a shipped recipe is about, and its modality: its lines `about:` and `modality:`, without reading the rest."""
    lines = [line.partition(": ") for line in path.read_text(encoding="utf-8").splitlines()]
    found = {key: str(parse_value(value)) for key, _, value in lines if key in ("about", "modality")}
    return found.get("about", ""), found.get("modality", "")


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, tuple[int, int]]]:
    """A YAML file's value, and the line and column of each key and item.

    Raises:
        RecipeError: the file cannot be read or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None
    places: dict[KeyPath, tuple[int, int]] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        value = loader.construct_document(node) if node is not None else {}
        _note_places(path, node, (), places)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise RecipeError(f"{where}: is not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: is not valid YAML: {first_line(error)}") from None
    return value, places


def _note_places(path: Path, node: Any, prefix: KeyPath, places: dict[KeyPath, tuple[int, int]]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            where = (*prefix, key.value)
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if where in places:
                raise RecipeError(f"{path}:{line}:{column}: {key.value!r} is given twice")
            places[where] = (line, column)
            _note_places(path, value, where, places)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            at = (*prefix, index)
            places[at] = (item.start_mark.line + 1, item.start_mark.column + 1)
            _note_places(path, item, at, places)


def load(
    source: str | Path | Recipe | Mapping[str, Any],
    overrides: Sequence[str] = (),
    replaced: Mapping[str, Any] | None = None,
) -> Recipe:
    """A checked recipe from a file, a shipped name, a mapping or a Recipe made in Python.

    Args:
        source: the recipe
        overrides: dotted settings, applied last
        replaced: whole sections that take the place of the source's

    Raises:
        RecipeError: what is wrong, one line a fault, each with the place of the fault.
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
    raw = _copy(raw) | _copy(replaced or {})
    origins = {key: place for key, place in origins.items() if key[0] not in (replaced or {})}
    _use_present_names(raw, origins)  # first, so that an override replaces a setting by either of its names
    for override in overrides:
        _apply_override(raw, origins, override)
    return _Checker(origins, label, folder).recipe(raw, name)


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list | tuple) else value


def present_modality(name: Any) -> Any:
    """A modality by its present name."""
    return RENAMED.get(f"modality: {name}", name)


def present_setting(kind: str, part: str, key: str, value: Any) -> tuple[str, Any]:
    """A setting by its present name, with its value in the present unit.

    Args:
        kind: data, encoder, model, task, baseline or train
        part: the part's present name; "" for `train`
        key: the setting's name, present or former
        value: as it was given
    """
    prefix = f"{kind}.{part}." if part else f"{kind}."
    present, _, conversion = RENAMED.get(prefix + key, key).partition(" = ")
    if conversion and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            value = CONVERSIONS[conversion](value)
        except OverflowError:
            value = math.inf  # which the check refuses
    if isinstance(value, str):
        value = RENAMED.get(f"{prefix}{present}: {value}", value)
    return present, value


def _present_part_name(kind: str, part: Any) -> str:
    """The present name of a part as a recipe gives it, in the registry's words; "" for a part of one's own."""
    name = part.get("name") if isinstance(part, Mapping) else part
    place = f"{name.__module__}:{name.__qualname__}" if isinstance(name, type) else name
    by_place = {value: key for key, value in PARTS[kind].items()}
    return RENAMED.get(f"{kind}.{place}", by_place.get(place, place)) if isinstance(place, str) else ""


def _use_present_names(raw: dict[Any, Any], origins: dict[KeyPath, str]) -> None:
    """Change a recipe in place from former names to present ones. Where both are given both stay, and the check refuses them."""

    def settings(kind: str, part: str, given: dict[str, Any], where: KeyPath) -> dict[str, Any]:
        found = {}
        for key, value in given.items():
            if key == "name" and isinstance(value, str):
                value = RENAMED.get(f"{kind}.{value}", value)
            present, converted = present_setting(kind, part, str(key), value)
            if present == str(key):
                found[key] = converted
            elif present not in given:
                move((*where, key), (*where, present))
                found[present] = converted
            else:
                found[key] = value
        return found

    def move(old: KeyPath, new: KeyPath) -> None:
        for path in [path for path in origins if path[: len(old)] == old and new != old]:
            origins[new + path[len(old) :]] = origins.pop(path)

    def part(kind: str, given: Any, where: KeyPath) -> Any:
        if isinstance(given, dict):
            return settings(kind, _present_part_name(kind, given), given, where)
        return RENAMED.get(f"{kind}.{given}", given) if isinstance(given, str) else given

    if isinstance(raw.get("modality"), str):
        raw["modality"] = present_modality(raw["modality"])
    for kind in PART_KEYS:
        if kind in raw:
            raw[kind] = part(kind, raw[kind], (kind,))
    if isinstance(raw.get("baselines"), list):
        raw["baselines"] = [part("baseline", item, ("baselines", at)) for at, item in enumerate(raw["baselines"])]
    if isinstance(raw.get("train"), dict):
        raw["train"] = settings("train", "", raw["train"], ("train",))
    if isinstance(raw.get("repeat"), dict):
        repeat = {}
        for key, values in raw["repeat"].items():
            present = str(key)
            if isinstance(values, list):
                pairs = [_present_override(raw, tuple(present.split(".")), value) for value in values]
                present = ".".join(pairs[0][0]) if pairs else present
                values = [value for _, value in pairs]
            if present != key:
                move(("repeat", key), ("repeat", present))
            repeat[present if present != str(key) else key] = values
        raw["repeat"] = repeat


def _present_override(raw: Mapping[Any, Any], keys: tuple[str, ...], value: Any) -> tuple[tuple[str, ...], Any]:
    """The path and the value of an override, by their present names."""
    if keys == ("modality",):
        return keys, present_modality(value)
    kind, at = ("baseline", 2) if keys[0] == "baselines" else (keys[0], 1)
    if len(keys) <= at or kind not in (*PARTS, "train"):
        return keys, value
    part = raw.get(keys[0])
    if kind == "baseline":
        inside = isinstance(part, list) and keys[1].isdigit() and int(keys[1]) < len(part)
        part = part[int(keys[1])] if inside else None  # type: ignore[index]
    name = "" if kind == "train" else _present_part_name(kind, part)
    if len(keys) > at + 1:  # an item of a list: it is not converted
        return (*keys[:at], present_setting(kind, name, keys[at], None)[0], *keys[at + 1 :]), value
    if keys[at] == "name" and isinstance(value, str):
        return keys, RENAMED.get(f"{kind}.{value}", value)
    present, value = present_setting(kind, name, keys[at], value)
    return (*keys[:at], present), value


def _apply_override(raw: dict[str, Any], origins: dict[KeyPath, str], override: str) -> None:
    dotted, sign, text = override.partition("=")
    if not sign or not dotted:
        raise RecipeError(f"{override!r}: an override is written key.key=value, such as train.lr=3e-4")
    try:
        value = parse_value(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise RecipeError(f"{override[:80]!r}: {text[:80]!r} is not a YAML value") from None
    keys, value = _present_override(raw, tuple(dotted.split(".")), value)
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
    origins[where] = f"override {override}"


class _Checker:
    """Checks a raw mapping key by key and gathers all faults before it raises."""

    def __init__(self, origins: dict[KeyPath, str], label: str, folder: Path) -> None:
        self.origins = origins
        self.label = label
        self.folder = folder
        self.faults: list[str] = []

    def recipe(self, raw: dict[Any, Any], name: str) -> Recipe:
        _use_present_names(raw, self.origins)
        self._keys(raw, KEYS, (), required=PART_KEYS)
        parts = {key: self._part(key, raw[key], (key,)) for key in PART_KEYS if key in raw}
        train = self._train(raw.get("train") or {})
        baselines = self._baselines(raw.get("baselines") or [])
        expect = self._expect(raw.get("expect") or {})
        reference = self._reference(raw.get("reference") or [])
        repeat = self._repeat(raw.get("repeat") or {}, raw)
        if not isinstance(raw.get("about", ""), str):
            self._fault(("about",), f"should be text, not {raw['about']!r}")
        modality = raw.get("modality")
        if modality is not None and modality not in MODALITIES:
            self._fault(("modality",), f"no modality {modality!r}; {did_you_mean(str(modality), MODALITIES)}")
        if self.faults:
            raise RecipeError("\n".join(self.faults))
        return Recipe(
            **parts, train=train, baselines=baselines, expect=expect, reference=reference, repeat=repeat,
            name=name, about=str(raw.get("about", "")), modality=modality, folder=self.folder, origins=self.origins,
        )  # fmt: skip

    def _fault(self, where: KeyPath, text: str) -> None:
        dotted = ".".join(str(key) for key in where)
        above = (self.origins[where[:cut]] for cut in range(len(where), 0, -1) if where[:cut] in self.origins)
        below = (origin for key, origin in self.origins.items() if key[: len(where)] == where)
        place = next(above, None) or next(below, self.label)
        self.faults.append(f"{place}: {dotted + ': ' if dotted else ''}{text}")

    def _keys(self, raw: Any, allowed: Sequence[str], where: KeyPath, required: Sequence[str] = ()) -> bool:
        if not isinstance(raw, dict):
            self._fault(where, f"should be a mapping with the keys {', '.join(allowed)}, not {raw!r}")
            return False
        for key in raw:
            if key not in allowed:
                self._fault((*where, str(key)), f"unknown key; {did_you_mean(str(key), allowed, limit=30)}")
        for key in required:
            if key not in raw:
                self._fault(where, f"the key {key!r} is missing")
        return True

    def _part(self, kind: str, raw: Any, where: KeyPath) -> Part:
        if isinstance(raw, str | type):
            raw = {"name": raw}
        if not isinstance(raw, dict) or not isinstance(raw.get("name"), str | type):
            self._fault(where, f"should be a name with its arguments, such as {{name: {next(iter(entries(kind)))}}}")
            return Part("")
        args = {key: value for key, value in raw.items() if key != "name"}
        try:
            place = self._place(kind, raw["name"])
            signature = signature_of(place)
        except RecipeError as error:
            self._fault((*where, "name"), str(error))
            return Part(raw["name"], args)
        own = raw["name"] not in PARTS[kind]
        name = place if isinstance(place, str) and ".py:" in place else raw["name"]
        # What the data give to a model or a task of one's own is known only when they have been read.
        given_later = own and kind in ("model", "task")
        for key in list(args):
            present, _ = present_setting(kind, _present_part_name(kind, raw), str(key), None)
            if present != key and present in args:
                self._twice((*where, key), present)
                del args[key]
        return Part(name, self._arguments(signature, args, where, given_later))

    def _twice(self, where: KeyPath, present: str) -> None:
        self._fault(where, f"is the former name of {present!r}, and both are given; remove {where[-1]!r}")

    def _place(self, kind: str, name: str | type) -> str | type:
        if isinstance(name, type):
            return name
        if ".py:" in name:
            file, _, cls = name.partition(".py:")
            path = Path(file + ".py").expanduser()
            for candidate in (path, self.folder / path):
                if candidate.is_file():
                    return f"{candidate.resolve()}:{cls}"
            raise RecipeError(f"no file {path} here or in {self.folder.resolve()}")
        if ":" in name:
            return name
        known = entries(kind)
        if name not in known:
            raise RecipeError(
                f"no {kind} {name!r}; {did_you_mean(name, known, limit=30)}; or 'file.py:Class' of your own"
            )
        return known[name].place

    def _arguments(
        self, signature: Signature, args: dict[str, Any], where: KeyPath, given_later: bool
    ) -> dict[str, Any]:
        settable = {name: item for name, item in signature.arguments.items() if not item.from_data}
        checked = {}
        for key, value in args.items():
            if key in settable:
                checked[key] = self._value(settable[key].type, value, (*where, key))
            elif key in signature.arguments:
                self._fault((*where, key), "is set from the data; remove it")
            elif signature.open:
                checked[key] = value
            else:
                self._fault((*where, key), f"unknown key; {did_you_mean(str(key), settable, limit=30)}")
        for key, item in settable.items():
            if key in args:
                continue
            if item.default is MISSING and given_later:
                continue
            if item.default is MISSING:
                self._fault(where, f"the key {key!r} is missing" + (f" ({item.about})" if item.about else ""))
            else:
                checked[key] = item.default
        return checked

    def _value(self, wanted: Any, value: Any, where: KeyPath) -> Any:
        from pydantic import ValidationError

        adapter = _adapter(wanted)
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            # Of the errors of a union, the first that is not about None says most.
            complaints = [item for item in error.errors() if item["type"] != "none_required"] or error.errors()
            first = complaints[0]
            inner = tuple(key for key in first["loc"] if isinstance(key, int))
            text = first["msg"].removeprefix("Input should be ")
            message = f"{first['input']!r} should be {text}"
            if first["type"] == "literal_error" and isinstance(value, str):
                near = nearest(value, re.findall(r"'([^']*)'", text))
                message += f"; did you mean {near!r}?" if near else ""
            self._fault((*where, *inner), message)
            return value

    def _train(self, raw: Any) -> TrainConfig:
        known = signature_of("convzoo.core.config:TrainConfig")
        for key in list(raw) if isinstance(raw, dict) else []:
            present, _ = present_setting("train", "", str(key), None)
            if present != key and present in raw:
                self._twice(("train", key), present)
                raw = {name: value for name, value in raw.items() if name != key}
        if not self._keys(raw, tuple(known.arguments), ("train",)):
            return TrainConfig()
        before = len(self.faults)
        values = {}
        for key, value in raw.items():
            if key in known.arguments:
                if key == "precision" and isinstance(value, int) and not isinstance(value, bool):
                    value = str(value)
                values[key] = self._value(known.arguments[key].type, value, ("train", key))
        if values.get("epochs") is not None and values.get("steps") is not None:
            self._fault(("train", "steps"), "give epochs or steps, not both")
        if values.get("epochs") is None and values.get("steps") is None:
            self._fault(("train",), "give epochs or steps")
        return TrainConfig(**values) if len(self.faults) == before else TrainConfig()

    def _baselines(self, raw: Any) -> tuple[Part, ...]:
        if not isinstance(raw, list):
            self._fault(("baselines",), f"should be a list of baselines, not {raw!r}")
            return ()
        return tuple(self._part("baseline", item, ("baselines", index)) for index, item in enumerate(raw))

    def _expect(self, raw: Any) -> dict[str, tuple[float, float]]:
        found = {}
        if not isinstance(raw, dict):
            self._fault(("expect",), f"should map a score to [lowest, highest], not {raw!r}")
            return {}
        for key, value in raw.items():
            if not isinstance(key, str):
                self._fault(("expect", str(key)), "should be the name of a score, such as test/accuracy")
                continue
            numbers = isinstance(value, list) and len(value) == 2 and all(
                isinstance(number, int | float) and not isinstance(number, bool) for number in value
            )  # fmt: skip
            if not numbers or value[0] > value[1]:
                self._fault(("expect", key), f"should be [lowest, highest], not {value!r}")
            else:
                found[key] = (float(value[0]), float(value[1]))
        return found

    def _reference(self, raw: Any) -> tuple[Reference, ...]:
        found = []
        for index, item in enumerate(raw if isinstance(raw, list) else [raw]):
            where = ("reference", index) if isinstance(raw, list) else ("reference",)
            if self._keys(item, REFERENCE_KEYS, where, required=REFERENCE_KEYS[:4]) and not (
                set(item) ^ set(REFERENCE_KEYS) - {"protocol"}
            ) - {"protocol"}:
                item = {**item, "value": self._value(float, item["value"], (*where, "value"))}
                found.append(Reference(**item))
        return tuple(found)

    def _repeat(self, raw: Any, recipe: dict[Any, Any]) -> dict[str, list[Any]]:
        if not isinstance(raw, dict) or len(raw) > 1:
            self._fault(("repeat",), "should name one setting and its values, such as {data.fold: [0, 1, 2]}")
            return {}
        for key, values in raw.items():
            if not isinstance(values, list) or not values:
                self._fault(("repeat", key), f"should be a list of values, not {values!r}")
                continue
            section, _, name = str(key).partition(".")
            if section not in ("data", "train") or not name or key in ("train.device", "train.precision"):
                self._fault(
                    ("repeat", key), "should be a setting such as data.fold or train.seed: one network, many runs"
                )
                continue
            if len({str(value) for value in values}) < len(values):
                self._fault(("repeat", key), "has the same value twice")
                continue
            for value in values:
                given = recipe.get(section) or {}
                given = {"name": given} if isinstance(given, str) else given
                if not isinstance(given, dict):
                    break
                inner = _Checker({}, "", self.folder)
                if section == "train":
                    inner._train({**given, name: value})
                else:
                    inner._part(section, {**given, name: value}, (section,))
                wrong = [text for text in inner.faults if text.startswith(f": {section}.{name}")]
                if wrong:
                    self._fault(("repeat", key), wrong[0].removeprefix(": "))
                    break
        return dict(raw)


@cache
def _adapter(wanted: Any) -> Any:
    """What checks a value against a type. Making one takes longer than the check."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(wanted, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
    except PydanticUserError:
        return TypeAdapter(wanted)


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
    if recipe.repeat:
        mapping["repeat"] = dict(recipe.repeat)
    if recipe.expect:
        mapping["expect"] = {key: list(value) for key, value in recipe.expect.items()}
    if recipe.reference:
        mapping["reference"] = [{key: getattr(item, key) for key in REFERENCE_KEYS} for item in recipe.reference]
    return mapping


class _Dumper(yaml.SafeDumper):
    """Quotes what either YAML 1.1 or 1.2 would take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write no anchors: a value that stands twice is written twice."""
        return True


_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_Loader.yaml_implicit_resolvers.get(first, [])]
    for first in {**yaml.SafeDumper.yaml_implicit_resolvers, **_Loader.yaml_implicit_resolvers}
}
_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    ),
)


def _dump(value: Any, **settings: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **settings)


def _inline(value: Any) -> str:
    return _dump(value, default_flow_style=True, width=1_000_000).strip().removesuffix("...").strip()


def to_yaml(recipe: Recipe, origins: bool = False) -> str:
    """A recipe as YAML, every default written out; with `origins`, a comment after each value says where it came from."""
    mapping = _plain(to_mapping(recipe))
    if not origins:
        return _dump(mapping, width=120)
    return "\n".join(_lines(mapping, (), recipe.origins, 0)) + "\n"


def _plain(value: Any) -> Any:
    """Values that YAML has: a class is written as the place where it can be found again."""
    if isinstance(value, type):
        return class_place(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def class_place(cls: type) -> str:
    """Where a class can be imported from again: 'module:Class', or 'file.py:Class' for one of a script."""
    if cls.__module__ != "__main__":
        return f"{cls.__module__}:{cls.__qualname__}"
    import inspect

    try:
        return f"{Path(inspect.getfile(cls)).resolve()}:{cls.__qualname__}"
    except (OSError, TypeError):
        raise RecipeError(f"{cls.__qualname__}: put the class in a file, so that the run can be loaded again") from None


def _lines(value: Any, where: KeyPath, origins: Mapping[KeyPath, str], depth: int) -> Iterator[str]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        path = (*where, key)
        head = "  " * depth + ("- " if isinstance(value, list) else f"{_inline(key)}: ")
        nested = (isinstance(item, dict) and item) or (
            isinstance(item, list) and any(isinstance(i, dict) for i in item)
        )
        if nested:
            yield head.rstrip()
            yield from _lines(item, path, origins, depth + 1)
        else:
            text = _inline(item)
            origin = next((origins[path[:cut]] for cut in range(len(path), 1, -1) if path[:cut] in origins), None)
            yield f"{head + text:<48}  # {origin or origins.get(path) or 'default'}"


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with settings such as `{"train.seed": 1, "data.fold": 3}` replaced and checked."""
    mapping = to_mapping(recipe)
    mapping.pop("repeat", None)
    for dotted, value in values.items():
        (section, name), value = _present_override(mapping, tuple(dotted.split(".", 1)), value)
        mapping[section] = {**mapping[section], name: value}
    checked = _Checker({}, recipe.name, recipe.folder).recipe(mapping, recipe.name)
    return replace(checked, origins=recipe.origins)
