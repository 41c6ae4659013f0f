"""Checks a raw mapping key by key and names every fault with its place."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from convzoo.core.config import TrainConfig
from convzoo.core.errors import RecipeError
from convzoo.core.files import is_file
from convzoo.core.text import did_you_mean, nearest
from convzoo.recipe.registry import MODALITIES, PARTS, entries
from convzoo.recipe.renamed import present_part_name, present_setting, use_present_names
from convzoo.recipe.signatures import MISSING, Signature, signature_of
from convzoo.recipe.types import KEYS, PART_KEYS, REFERENCE_KEYS, WITH_DATA_KEYS, KeyPath, Part, Recipe, Reference


class Checker:
    """Checks a raw mapping key by key and gathers all faults before it raises."""

    def __init__(self, origins: dict[KeyPath, str], label: str, folder: Path) -> None:
        self.origins = origins
        self.label = label
        self.folder = folder
        self.faults: list[str] = []

    def recipe(self, raw: dict[Any, Any], name: str) -> Recipe:
        use_present_names(raw, self.origins)
        self._keys(raw, KEYS, (), required=PART_KEYS)
        parts = {key: self._part(key, raw[key], (key,)) for key in PART_KEYS if key in raw}
        train = self._train(raw.get("train") or {})
        baselines = self._baselines(raw.get("baselines") or [])
        expect = self._expect(raw.get("expect") or {})
        reference = self._reference(raw.get("reference") or [])
        repeat = self._repeat(raw.get("repeat") or {}, raw)
        with_data = self._with_data(raw.get("with_data") or {}, raw)
        if not isinstance(raw.get("about", ""), str):
            self._fault(("about",), f"should be text, not {raw['about']!r}")
        modality = raw.get("modality")
        if modality is not None and modality not in MODALITIES:
            self._fault(("modality",), f"no modality {modality!r}; {did_you_mean(str(modality), MODALITIES)}")
        if not self.faults and parts["encoder"].args.get("vectors"):
            self._vectors(parts["model"])
        if self.faults:
            raise RecipeError("\n".join(self.faults))
        return Recipe(
            **parts, train=train, baselines=baselines, expect=expect, reference=reference, repeat=repeat,
            with_data=with_data,
            name=name, about=str(raw.get("about", "")), modality=modality, folder=self.folder, origins=self.origins,
        )  # fmt: skip

    def _vectors(self, model: Part) -> None:
        """Refuse pre-trained vectors that the model would not use."""

        def takes(name: str | type) -> bool:
            signature = signature_of(self._place("model", name))
            return signature.open or "vectors" in signature.arguments

        if not takes(model.name):
            taking = [name for name in PARTS["model"] if takes(name)]
            self._fault(
                ("encoder", "vectors"),
                f"model {model.name} uses no pre-trained vectors; leave them out, or take model {' or '.join(taking)}",
            )

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
        # What a user's own model or task gets from the data is known only after the data were read.
        given_later = own and kind in ("model", "task")
        for key in list(args):
            present, _ = present_setting(kind, present_part_name(kind, raw), str(key), None)
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
            # The recipe's folder first: a run's recipe names the code that lies in the run.
            for candidate in (self.folder / path, path):
                if is_file(candidate):
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

        if any(
            isinstance(item, int) and abs(item) >= 2**63 for item in (value if isinstance(value, list) else [value])
        ):
            self._fault(where, "should be a number of at most 63 bits")
            return value
        adapter = _adapter(wanted)
        try:
            return adapter.validate_python(value)
        except ValidationError as error:
            # A union gives several errors: the first that is not about None is the most useful.
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

    def _with_data(self, raw: Any, recipe: dict[Any, Any]) -> dict[str, Any]:
        if not self._keys(raw, WITH_DATA_KEYS, ("with_data",)) or not raw:
            return {}
        # The recipe must hold with these settings too: a fault in them should not wait until somebody brings data.
        inner = Checker({}, "", self.folder)
        changed = with_own_settings({key: value for key, value in recipe.items() if key != "with_data"}, raw)
        for key in ("encoder", "model", "task"):
            if key in raw:
                inner._part(key, changed[key], (key,))
        if "train" in raw:
            inner._train(changed["train"])
        if "baselines" in raw:
            inner._baselines(changed["baselines"])
        for fault in inner.faults:
            where, _, text = fault.removeprefix(": ").partition(": ")
            self._fault(("with_data", *where.split(".")), text)
        return dict(raw)

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
                inner = Checker({}, "", self.folder)
                if section == "train":
                    inner._train({**given, name: value})
                else:
                    inner._part(section, {**given, name: value}, (section,))
                wrong = [text for text in inner.faults if text.startswith(f": {section}.{name}")]
                if wrong:
                    self._fault(("repeat", key), wrong[0].removeprefix(": "))
                    break
        return dict(raw)


def with_own_settings(raw: dict[Any, Any], changes: dict[str, Any]) -> dict[Any, Any]:
    """A raw recipe with the settings of its `with_data`: a part of another name is replaced, and so are the baselines; of the
    other sections the settings that are named change."""
    changed = dict(raw)
    for section, value in changes.items():
        before = changed.get(section)
        before = {"name": before} if isinstance(before, str) else before
        value = {"name": value} if isinstance(value, str) else value
        if isinstance(value, dict) and isinstance(before, dict):
            same = value.get("name", before.get("name")) == before.get("name")
            if section == "train" and ("epochs" in value or "steps" in value):  # a recipe has one of the two
                before = {key: kept for key, kept in before.items() if key not in ("epochs", "steps")}
            value = {**before, **value} if same else value
        changed[section] = value
    return changed


@cache
def _adapter(wanted: Any) -> Any:
    """The adapter that checks a value against a type. It is cached, because making it takes longer than the check."""
    from pydantic import ConfigDict, PydanticUserError, TypeAdapter

    try:
        return TypeAdapter(wanted, config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False))
    except PydanticUserError:
        return TypeAdapter(wanted)
