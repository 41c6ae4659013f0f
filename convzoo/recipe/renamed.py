"""Former names of settings, parts and modalities, which older recipes and runs still use."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from convzoo.recipe.registry import PARTS, RENAMED
from convzoo.recipe.types import PART_KEYS, KeyPath

CONVERSIONS: dict[str, Callable[[float], float]] = {"exp": math.exp}
"""By name, the function that converts the value of a renamed setting to its present unit."""


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
            value = math.inf  # the check refuses it
    if isinstance(value, str):
        value = RENAMED.get(f"{prefix}{present}: {value}", value)
    return present, value


def present_part_name(kind: str, part: Any) -> str:
    """The registry's present name of a part that a recipe names; "" for a part that is not in the registry."""
    name = part.get("name") if isinstance(part, Mapping) else part
    place = f"{name.__module__}:{name.__qualname__}" if isinstance(name, type) else name
    by_place = {value: key for key, value in PARTS[kind].items()}
    return present_part(kind, by_place.get(place, place)) if isinstance(place, str) else ""


def present_part(kind: str, name: str) -> str:
    """A part by its present name. A class of convzoo's own that has moved to another module is found by its class."""
    if name.startswith("convzoo.") and name not in PARTS[kind].values():
        moved = (key for key, place in PARTS[kind].items() if place.rpartition(":")[2] == name.rpartition(":")[2])
        return next(moved, name)
    return RENAMED.get(f"{kind}.{name}", name)


def use_present_names(raw: dict[Any, Any], origins: dict[KeyPath, str]) -> None:
    """Change a recipe in place from former names to present ones. If both are given, both stay, and the check refuses them."""

    def settings(kind: str, part: str, given: dict[str, Any], where: KeyPath) -> dict[str, Any]:
        found = {}
        for key, value in given.items():
            if key == "name" and isinstance(value, str):
                value = present_part(kind, value)
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
            return settings(kind, present_part_name(kind, given), given, where)
        return present_part(kind, given) if isinstance(given, str) else given

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
                pairs = [present_override(raw, tuple(present.split(".")), value) for value in values]
                present = ".".join(pairs[0][0]) if pairs else present
                values = [value for _, value in pairs]
            if present != key:
                move(("repeat", key), ("repeat", present))
            repeat[present if present != str(key) else key] = values
        raw["repeat"] = repeat


def present_override(raw: Mapping[Any, Any], keys: tuple[str, ...], value: Any) -> tuple[tuple[str, ...], Any]:
    """The path and the value of an override, with present names."""
    if keys == ("modality",):
        return keys, present_modality(value)
    kind, at = ("baseline", 2) if keys[0] == "baselines" else (keys[0], 1)
    if len(keys) <= at or kind not in (*PARTS, "train"):
        return keys, value
    part = raw.get(keys[0])
    if kind == "baseline":
        inside = isinstance(part, list) and keys[1].isdigit() and int(keys[1]) < len(part)
        part = part[int(keys[1])] if inside else None  # type: ignore[index]
    name = "" if kind == "train" else present_part_name(kind, part)
    if len(keys) > at + 1:  # an item of a list: it is not converted
        return (*keys[:at], present_setting(kind, name, keys[at], None)[0], *keys[at + 1 :]), value
    if keys[at] == "name" and isinstance(value, str):
        return keys, present_part(kind, value)
    present, value = present_setting(kind, name, keys[at], value)
    return (*keys[:at], present), value
