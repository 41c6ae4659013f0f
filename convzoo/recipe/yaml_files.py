"""Recipes as YAML 1.2: read with the line and column of each key, and written so that YAML 1.1 reads the same values."""

import re
from pathlib import Path
from typing import Any

import yaml

from convzoo.core.errors import RecipeError
from convzoo.core.text import first_line
from convzoo.recipe.types import KeyPath

MOST_VALUES = 100_000
"""How many values a document may have, each alias counted as all that it stands for: a few lines could else fill the memory."""

_MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's scalars: `1e-3` is a number, `on` and `no` are text. YAML 1.1's merge keys (`<<: *base`) are understood."""

    def get_single_node(self) -> Any:
        """The document, if its aliases do not stand for too much, and nothing contains itself."""
        node = super().get_single_node()
        _count(node, {})
        return node

    def flatten_mapping(self, node: Any) -> None:
        """Put in place of merge keys what they bring: a key of the mapping itself counts, then one of the first merged mapping.

        PyYAML 6.0.4 takes the last of several, former versions the first.
        """
        merged = [source for key, value in node.value if key.tag == _MERGE for source in _sources(node, value)]
        node.value = [pair for pair in node.value if pair[0].tag != _MERGE]
        known = {str(key.value) for key, _ in node.value}
        for source in merged:
            self.flatten_mapping(source)
            # The value of a key that is a list has no name; making the values refuses it.
            new = [pair for pair in source.value if str(pair[0].value) not in known]
            node.value = new + node.value
            known |= {str(key.value) for key, _ in new}
        super().flatten_mapping(node)


def _sources(node: Any, value: Any) -> list[Any]:
    """The mappings that a merge key names."""
    found = value.value if isinstance(value, yaml.SequenceNode) else [value]
    if not all(isinstance(source, yaml.MappingNode) for source in found):
        wanted = "expected a mapping or list of mappings for merging"
        raise yaml.constructor.ConstructorError(
            "while constructing a mapping", node.start_mark, wanted, value.start_mark
        )
    return found


def _count(node: Any, counted: dict[int, int | None]) -> int:
    """The number of values in a node; in `counted`, those of its parts, None while they are counted."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in counted:
        counted[id(node)] = None
        pairs = isinstance(node, yaml.MappingNode)
        inner = [item for pair in node.value for item in pair] if pairs else node.value
        counted[id(node)] = 1 + sum(_count(item, counted) for item in inner)
    count = counted[id(node)]
    if count is None or count > MOST_VALUES:
        what = "a value contains itself" if count is None else f"there are more than {MOST_VALUES:,} values"
        raise yaml.constructor.ConstructorError(None, None, f"{what}, by its aliases", node.start_mark)
    return count


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
        _note_places(path, node, (), places)  # before the values are made: that replaces merge keys by what they bring
        value = loader.construct_document(node) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise RecipeError(f"{where}: is not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: is not valid YAML: {first_line(error)}") from None
    return value, places


def _note_places(path: Path, node: Any, prefix: KeyPath, places: dict[KeyPath, tuple[int, int]]) -> None:
    """Note the line and column of each key and item; what a merge key brings has its place where it is written."""
    if isinstance(node, yaml.MappingNode):
        merged: list[Any] = []
        for key, value in node.value:
            where = (*prefix, key.value)
            if not isinstance(key, yaml.ScalarNode):  # no key of a recipe; making the values refuses it
                continue
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if where in places or (key.tag == _MERGE and merged):
                raise RecipeError(f"{path}:{line}:{column}: {key.value!r} is given twice")
            if key.tag == _MERGE:
                merged = _sources(node, value)
                continue
            places[where] = (line, column)
            _note_places(path, value, where, places)
        depth = len(prefix) + 1
        for mapping in merged:
            brought: dict[KeyPath, tuple[int, int]] = {}
            _note_places(path, mapping, prefix, brought)
            new = {
                where[:depth] for where in brought
            } - places.keys()  # a key of the mapping itself, or an earlier one, counts
            places |= {where: place for where, place in brought.items() if where[:depth] in new}
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            at = (*prefix, index)
            places[at] = (item.start_mark.line + 1, item.start_mark.column + 1)
            _note_places(path, item, at, places)


class _Dumper(yaml.SafeDumper):
    """Quotes a text that YAML 1.1 or 1.2 would not read as text."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write no anchors: a value that occurs twice is written twice."""
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


def dump(value: Any, **settings: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, **settings)


def inline(value: Any) -> str:
    return dump(value, default_flow_style=True, width=1_000_000).strip().removesuffix("...").strip()
