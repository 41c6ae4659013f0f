"""Which code of a user's own a recipe may run. Code that came with somebody else's recipe or run is not run unasked.

A recipe may run files in the current folder and in its own folder: whoever starts it put them there. Other files, and all code in
a run's folder, run only if their content is known on this machine, because a run that was made here used it, or because the user
said `--trust`. The list of hashes is `trusted.json` in `CONVZOO_STATE`, else in the platform's folder for such files.
"""

import hashlib
import importlib.machinery
import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import platformdirs

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import write_json
from convzoo.recipe.types import PART_KEYS, Recipe

_approved: set[str] = set()
"""The hashes of the files that this process may run. Like `sys.modules`, it is about the process, not about a recipe."""


def approve(recipe: Recipe, trust: bool = False) -> None:
    """Let the recipe's own code run, if it may.

    Args:
        recipe: checked
        trust: the user has said so: all its code may run, and is remembered

    Raises:
        RecipeError: the first file that may not run, with its hash.
    """
    for kind, path in own_files(recipe):
        digest = hash_of(path)
        if digest in _approved:
            continue
        if not (trust or _lies_near(path, recipe.folder) or digest in _remembered()):
            raise RecipeError(
                f"{kind}: {path} (sha256 {digest[:12]}…) is code from outside the current folder and the recipe's, or of a run "
                "from elsewhere; it was not run. Read it; if you trust it, say --trust once (trust=True in Python)"
            )
        _approved.add(digest)
        if trust:
            remember(digest)


def approved(content: bytes, path: Path) -> bytes:
    """The content of a Python file that is about to run.

    Raises:
        RecipeError: `approve` has not allowed it.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest not in _approved:
        raise RecipeError(f"{path} (sha256 {digest[:12]}…) is code that nobody allowed; it was not run: say --trust")
    return content


def own_files(recipe: Recipe) -> Iterator[tuple[str, Path]]:
    """The kind of part and the file of each part that is neither convzoo's, nor a class, nor in an installed package."""
    parts = [(key, getattr(recipe, key)) for key in PART_KEYS] + [("baseline", part) for part in recipe.baselines]
    for kind, part in parts:
        if isinstance(part.name, str) and ":" in part.name:
            where = part.name.rpartition(":")[0]
            files = [Path(where)] if where.endswith(".py") else _own_module_files(where)
            for path in files:
                yield kind, path


def remember(digest: str) -> None:
    """Allow this content on this machine, for this user. Where the list cannot be written, it holds for this process."""
    _approved.add(digest)
    known = _remembered()
    if digest not in known:
        try:
            write_json(_list(), sorted(known | {digest}))
        except DataError:
            return


def hash_of(path: Path) -> str:
    """The sha256 of a file of code.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})") from None


def module_files(name: str) -> list[Path]:
    """The files that an import of `package.module` runs, found without running any of them; empty if there is no such module."""
    found: list[Path] = []
    search: list[str] | None = None
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        # A folder without `__init__.py` is a package, too. Python finds one in another only after it has imported that.
        folders = [str(folder) for each in search or () if (folder := Path(each) / parts[end - 1]).is_dir()]
        spec = _spec(".".join(parts[:end]), search)
        if spec is not None and spec.has_location and spec.origin:
            found.append(Path(spec.origin))
        places = folders if search is not None and (spec is None or not spec.has_location) else _places(spec)
        if end < len(parts) and not places:
            return []
        if end == len(parts) and spec is None:
            return []
        search = places
    return found


def _places(spec: importlib.machinery.ModuleSpec | None) -> list[str]:
    return list((spec.submodule_search_locations if spec else None) or ())


def _spec(name: str, search: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    try:
        # Only for a module at the top does `find_spec` run nothing.
        return (
            importlib.util.find_spec(name) if search is None else importlib.machinery.PathFinder.find_spec(name, search)
        )
    except (ImportError, ValueError, AttributeError, KeyError):
        return None


def _own_module_files(name: str) -> list[Path]:
    if name in sys.modules or is_installed(name.partition(".")[0]):
        return []
    return module_files(name)


@cache
def is_installed(top: str) -> bool:
    """Whether a module at the top is convzoo's, Python's, or of a package that somebody installed."""
    spec = _spec(top, None)
    if top == "convzoo" or spec is None or spec.origin in ("built-in", "frozen"):
        return True
    homes = [Path(sysconfig.get_path(key)) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    place = spec.origin or next(iter(spec.submodule_search_locations or ()), "")
    if any(Path(place).is_relative_to(home) for home in homes):
        return True
    from importlib.metadata import packages_distributions

    return top in packages_distributions()


def _lies_near(path: Path, folder: Path) -> bool:
    """Whether a file lies in the current folder or in the recipe's, and neither the file nor the recipe in a run's."""
    path, folder = path.resolve(), folder.resolve()
    if any((parent / "run.json").exists() for parent in (*path.parents, folder)):
        return False
    return path.is_relative_to(Path.cwd().resolve()) or path.is_relative_to(folder)


def _list() -> Path:
    chosen = os.environ.get("CONVZOO_STATE")
    return (Path(chosen).expanduser() if chosen else Path(platformdirs.user_state_dir("convzoo"))) / "trusted.json"


def _remembered() -> set[str]:
    try:
        return set(map(str, json.loads(_list().read_text(encoding="utf-8"))))
    except (OSError, ValueError, TypeError):
        return set()
