"""From names to objects: a part of a recipe becomes an instance of its class."""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from convzoo.core.baseline import Baseline
from convzoo.core.encoder import Encoder
from convzoo.core.errors import ConvzooError, RecipeError
from convzoo.core.libraries import EXTRAS, needs
from convzoo.core.pages import Pages
from convzoo.core.reader import Reader
from convzoo.core.task import Task
from convzoo.core.text import first_line
from convzoo.recipe.registry import entries, pages_of
from convzoo.recipe.signatures import MISSING, signature_of
from convzoo.recipe.trust import approved, is_installed, module_files
from convzoo.recipe.types import Part, Recipe

_BASES: dict[str, type] = {
    "data": Reader,
    "encoder": Encoder,
    "model": nn.Module,
    "task": Task,
    "baseline": Baseline,
}


def build(
    kind: str, part: Part, dims: Mapping[str, Any] | None = None, origins: Mapping[Any, str] | None = None
) -> Any:
    """Make a part. Arguments that depend on the data are taken from `dims`.

    Raises:
        RecipeError: the class cannot be imported, an argument is missing, or the class refuses one.
    """
    # A setting of the command line is the likely fault, so it is named rather than the file.
    overrides = [text for key, text in (origins or {}).items() if key[:1] == (kind,) and text.startswith("override ")]
    where = f"{', '.join(overrides) or (origins or {}).get((kind,), 'recipe')}: {kind}"
    cls = load_class(kind, part.name)
    args = dict(part.args)
    for name, argument in signature_of(_place(kind, part.name)).arguments.items():
        if name in args or not (argument.from_data or argument.default is MISSING):
            continue
        if dims is not None and name in dims:
            args[name] = dims[name]
        elif argument.default is MISSING:
            given = f" (it gives: {', '.join(dims)})" if dims else ""
            raise RecipeError(
                f"{where}: {part.name} needs {name!r}, which neither the recipe nor the encoder gives{given}"
            )
    try:
        made = cls(**args)
        if not isinstance(made, _BASES[kind]):
            raise RecipeError(f"{where}: {part.name} gives a {type(made).__name__}, not a {_BASES[kind].__name__}")
        return made
    except ConvzooError:
        raise
    except (ValueError, TypeError, RuntimeError) as error:
        raise RecipeError(f"{where}: {part.name}: {first_line(error)}") from error
    except ImportError as error:
        raise _missing(kind, part.name, error) from error


def build_reader(recipe: Recipe, part: Part | None = None) -> Reader:
    """The reader of a recipe's data, which reads labels as the recipe's task needs them.

    Args:
        recipe: checked
        part: other data for the same task; None: the recipe's own

    Raises:
        RecipeError: as for `build`.
    """
    task = load_class("task", recipe.task.name)
    dims = {"label_type": task.label_type, "learns_answers": task.learns_answers}
    return build("data", part or recipe.data, dims, recipe.origins)


def load_class(kind: str, name: str | type) -> Any:
    """The class of a part.

    Raises:
        RecipeError: it cannot be imported; if an optional library is missing, the error says how to install it.
    """
    if isinstance(name, type):
        return name
    module_file, _, class_name = _place(kind, name).rpartition(":")  # type: ignore[union-attr]
    try:
        is_file = module_file.endswith(".py")
        module = load_file(Path(module_file)) if is_file else _load_module(module_file, named=":" in name)
        found = getattr(module, class_name)
    except AttributeError:
        raise RecipeError(f"{module_file}: has no class {class_name!r}") from None
    except (ImportError, OSError) as error:
        raise _missing(kind, name, error) from error
    base = _BASES[kind]
    # A function of a user's own file may make the part; `build` looks at what it made.
    makes = inspect.isfunction(found) and is_file and found.__module__ == module.__name__
    if not makes and not (isinstance(found, type) and issubclass(found, base)):
        raise RecipeError(f"{name}: is no {kind}: it should be a class derived from {base.__name__}")
    return found


def load_pages(example: type, task: type) -> Pages:
    """The pages that show a type of example in the report, for a task. A run imports no other module of pages."""
    module, _, name = pages_of(example, task).partition(":")
    return getattr(importlib.import_module(module), name)()


def load_file(path: Path) -> ModuleType:
    """Import a Python file by its path. Its folder is not added to the search path.

    Raises:
        RecipeError: there is no such file, it may not run (`trust.approve`), or its import fails.
    """
    name = module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    try:
        code = approved(path.read_bytes(), path)
    except OSError:
        raise RecipeError(f"{path}: no such Python file") from None
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        exec(
            compile(code, str(path), "exec"), module.__dict__
        )  # what runs is what was allowed, even if the file changes now
    except Exception as error:  # a user's file may raise anything while it is imported
        del sys.modules[name]
        raise RecipeError(f"{path}: cannot be imported: {type(error).__name__}: {first_line(error)}") from error
    return module


def module_name(path: Path) -> str:
    """The name that a user's own file has as a module."""
    return f"convzoo_own_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"


def _load_module(name: str, named: bool) -> ModuleType:
    """Import a module. One that a recipe names, and no installed package lists as a part, has to be allowed."""
    if named and name not in sys.modules and not is_installed(name.partition(".")[0]):
        for path in module_files(name):
            approved(path.read_bytes(), path)
    return importlib.import_module(name)


def _missing(kind: str, name: str | type, error: Exception) -> RecipeError:
    """The optional library that is missing and the command that installs it; or why the part itself cannot be imported."""
    library = getattr(error, "name", None) or ""
    if library.partition(".")[0] in {brought for extra in EXTRAS.values() for brought in extra}:
        return needs(f"{kind} {name!r}", library, error)
    return RecipeError(f"{kind} {name!r} cannot be imported ({first_line(error)})")


def _place(kind: str, name: str | type) -> str | type:
    if isinstance(name, str) and ":" not in name:
        return entries(kind)[name].place
    return name
