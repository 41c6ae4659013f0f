"""Recipes as YAML 1.2: read with the line and column of each key, and written so that YAML 1.1 reads the same values."""

import re
from pathlib import Path
from typing import Any

import yaml

from convzoo.core.errors import RecipeError
from convzoo.core.text import first_line
from convzoo.recipe.types import KeyPath


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
