"""Who reads a person's own data in place of a recipe's."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.reader import Reader
from convzoo.recipe import recipe as recipes
from convzoo.recipe.assembly import build_reader, load_class
from convzoo.recipe.registry import OWN_DATA, PARTS, entries
from convzoo.recipe.trust import approve
from convzoo.recipe.types import Part, Recipe

OF_ITS_OWN_DATA: Mapping[str, Any] = {"about": "", "expect": {}, "reference": []}
"""What is said, promised and published of a recipe's own data does not hold for other data."""


def open_recipe(
    source: str | Path | Recipe | Mapping[str, Any],
    overrides: Sequence[str] = (),
    data: str | Path | None = None,
    trust: bool = False,
) -> Recipe:
    """A checked recipe whose own code may run, with a person's own data in place of its own where `data` is given.

    Args:
        source: the recipe
        overrides: dotted settings
        data: a person's own file or folder
        trust: whether code from elsewhere may run (`trust.approve`)
    """
    if data is None:
        recipe = recipes.load(source, overrides)
        names_data = any(word.partition("=")[0] in ("data", "data.name") for word in overrides)
        if names_data and recipe.data.name != recipes.load(source, _others(overrides)).data.name:
            recipe = recipes.load(source, overrides, OF_ITS_OWN_DATA)
        approve(recipe, trust)
        return recipe
    approve(recipes.load(source, with_data=True), trust)
    chosen = next((text for key, _, text in (word.partition("=") for word in overrides) if key == "data.name"), None)
    replaced = {
        **OF_ITS_OWN_DATA,
        "data": reader_for(recipes.load(source, with_data=True).encoder, Path(data), chosen),
        "repeat": {},
    }
    recipe = recipes.load(source, overrides, replaced, with_data=True)
    approve(recipe, trust)
    return recipe


def reader_for(encoder: Part, path: Path, name: str | None = None) -> dict[str, Any]:
    """The `data` part that reads a person's own path for an encoder's type of example.

    Args:
        encoder: of the recipe
        path: of the person's file or folder
        name: the reader that the person chose with `data.name=…`; None: the one that recognises the path

    Raises:
        DataError: there is no such path, no reader recognises it, or several do.
    """
    if not path.exists():
        raise no_such(path)
    if name is not None:
        return {"name": name, "path": str(path.resolve())}
    formats = []
    for row in readers_of(encoder):
        readers = {name: load_class("data", name) for name in row}
        found = [name for name, reader in readers.items() if reader.recognises(path)]
        if len(found) > 1:
            both = " and ".join(f"{name} ({readers[name].formats})" for name in found)
            raise DataError(f"{path}: can be read by {both}; choose one: data.name={found[0]}")
        if found:
            return {"name": found[0], "path": str(path.resolve())}
        formats += [reader.formats for reader in readers.values() if reader.formats]
    raise DataError(f"{path}: is none of the formats that this recipe reads: {'; '.join(formats)}")


def _others(overrides: Sequence[str]) -> list[str]:
    """The overrides that do not concern the data: a recipe may be whole only with them."""
    return [word for word in overrides if not re.match(r"data[.=]", word)]


SPLIT_SETTINGS = ("val", "test", "seed", "split", "fold", "folds")
"""Settings of a reader that say how its data are split: of other data, everything is scored or predicted."""


def like_the_runs_data(recipe: Recipe, path: Path, name: str | None = None) -> dict[str, Any]:
    """The `data` part that reads another path as a run's data were read: the names of columns, separator and encoding are kept.

    Args:
        recipe: of the run
        path: of the other data
        name: as for `reader_for`

    Raises:
        DataError: as `reader_for`.
    """
    chosen = reader_for(recipe.encoder, path, name)
    own = recipe.data.args if recipe.data.name == chosen["name"] else {}
    kept = {key: value for key, value in own.items() if key not in SPLIT_SETTINGS}
    return {"name": chosen["name"], **kept, "path": chosen["path"]}


def input_reader(recipe: Recipe, path: Path) -> Reader | None:
    """The reader of a table or a folder that `predict` is given, with the settings of the run's data; None where it is none."""
    names = (name for row in readers_of(recipe.encoder) for name in row)
    readers = {name: reader for name in names if (reader := load_class("data", name)).reads_inputs}
    if path.is_dir():
        readers = {name: reader for name, reader in readers.items() if reader.reads_folders}
    if not any(reader.recognises(path) for reader in readers.values()):
        return None
    own = recipe.data.name if recipe.data.name in readers and readers[recipe.data.name].recognises(path) else None
    found = own or next(name for name, reader in readers.items() if reader.recognises(path))
    section = like_the_runs_data(recipe, path, str(found)) | {"path": str(path)}
    return build_reader(recipe, Part(section.pop("name"), section))


def readers_of(encoder: Part) -> Iterator[tuple[str, ...]]:
    """The readers that may read a person's data for an encoder, in the order in which they are asked.

    An encoder of one's own is served like the one of ours whose examples it takes. Readers of installed packages come last.
    """
    wanted = load_class("encoder", encoder.name).example
    ours = encoder.name if encoder.name in OWN_DATA else next(
        (name for name in OWN_DATA if issubclass(load_class("encoder", name).example, wanted)), None
    )  # fmt: skip
    if ours is not None:
        yield from OWN_DATA[str(ours)]
    others = [name for name in entries("data") if name not in PARTS["data"]]
    yield tuple(name for name in others if issubclass(load_class("data", name).example, wanted))
