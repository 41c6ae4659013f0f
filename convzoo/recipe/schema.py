"""The JSON Schema of recipes, made from the registry. Editors use it to complete and check recipes."""

from typing import Any

from pydantic import TypeAdapter

from convzoo.recipe.registry import MODALITIES, entries
from convzoo.recipe.signatures import MISSING, Argument, Signature, signature_of
from convzoo.recipe.types import KEYS, PART_KEYS, REFERENCE_KEYS, WITH_DATA_KEYS


def recipe_schema() -> dict[str, Any]:
    """The schema, draft 2020-12."""
    properties: dict[str, Any] = {
        "about": {"type": "string", "description": "what the recipe does, in a line"},
        "modality": {"enum": list(MODALITIES)},
        "train": _object(signature_of("convzoo.core.config:TrainConfig")),
        "baselines": {"type": "array", "items": _part("baseline"), "description": "the opponents, naive and classical"},
        "with_data": {
            "type": "object", "properties": {key: {} for key in WITH_DATA_KEYS}, "additionalProperties": False,
            "description": "what changes when --data puts a person's own data in the place of the recipe's: settings by section",
        },
        "repeat": {
            "type": "object", "maxProperties": 1, "additionalProperties": {"type": "array", "minItems": 1},
            "description": "a setting and its values, such as data.fold: [0, 1, 2]; scores become means",
        },
        "expect": {
            "type": "object",
            "additionalProperties": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            "description": "lowest and highest value of a score",
        },
        "reference": {"anyOf": [_reference(), {"type": "array", "items": _reference()}]},
    }  # fmt: skip
    properties |= {kind: _part(kind) for kind in PART_KEYS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "convzoo recipe",
        "type": "object",
        "properties": {key: properties[key] for key in KEYS},
        "required": list(PART_KEYS),
        "additionalProperties": False,
    }


def _part(kind: str) -> dict[str, Any]:
    known = {name: signature_of(entry.place) for name, entry in entries(kind).items()}
    own = {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": ":", "description": "file.py:Class of your own"}},
        "required": ["name"],
    }
    names = {"enum": list(known)}
    return {"anyOf": [names, {"type": "string", "pattern": ":"}, *(_named(*item) for item in known.items()), own]}


def _named(name: str, signature: Signature) -> dict[str, Any]:
    schema = _object(signature)
    schema["properties"] = {"name": {"const": name}, **schema["properties"]}
    schema["required"] = ["name", *schema.get("required", [])]
    return schema


def _object(signature: Signature) -> dict[str, Any]:
    settable = [argument for argument in signature.arguments.values() if not argument.from_data]
    schema: dict[str, Any] = {
        "type": "object",
        "description": signature.about.partition("\n\n")[0].replace("\n", " "),
        "properties": {argument.name: _argument(argument) for argument in settable},
        "additionalProperties": signature.open,
    }
    required = [argument.name for argument in settable if argument.default is MISSING]
    return schema | ({"required": required} if required else {})


def _argument(argument: Argument) -> dict[str, Any]:
    schema = TypeAdapter(argument.type).json_schema()
    if argument.about:
        schema["description"] = argument.about
    if argument.default is not MISSING:
        schema["default"] = argument.default
    if argument.name == "precision":
        schema = {**schema, "enum": [*schema["enum"], 16, 32, 64]}
        schema.pop("type", None)
    return schema


def _reference() -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {key: {"type": "number" if key == "value" else "string"} for key in REFERENCE_KEYS},
        "required": list(REFERENCE_KEYS[:4]),
        "additionalProperties": False,
    }
