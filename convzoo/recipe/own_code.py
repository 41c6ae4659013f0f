"""A user's own code goes into the run's folder, so that the run can be loaded after the file was changed or is gone."""

import ast
import inspect
import linecache
import symtable
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from convzoo.core.errors import RecipeError
from convzoo.core.files import write_text
from convzoo.recipe.assembly import module_name
from convzoo.recipe.trust import hash_of, is_installed, remember
from convzoo.recipe.types import PART_KEYS, Part, Recipe

FOLDER = "code"


def with_copied_code(recipe: Recipe, folder: Path) -> Recipe:
    """Copy the code of the recipe's own parts into `code/` of a run's folder.

    A class of the running script or notebook is copied with the imports and the other definitions there, and without the
    statements that do something: loading the run must not run the script again.

    Args:
        recipe: of the run
        folder: of the run

    Returns:
        the recipe, whose own parts have the names of the copies

    Raises:
        RecipeError: a class whose source cannot be found.
    """
    copies: dict[str, str] = {}

    def copied(part: Part) -> Part:
        source = _source_of(part.name)
        if source is None:
            return part
        where, text, name, module = source
        if where not in copies:
            stem, count = Path(where).stem, 1
            while f"{FOLDER}/{stem}.py" in copies.values():
                stem, count = f"{Path(where).stem}{count + 1}", count + 1
            copies[where] = f"{FOLDER}/{stem}.py"
            path = folder / copies[where]
            write_text(path, text)
            remember(hash_of(path))
            if module is not None:  # in this process the class stays the same
                sys.modules.setdefault(module_name(path), module)
        return replace(part, name=f"{copies[where]}:{name}")

    parts: dict[str, Any] = {key: copied(getattr(recipe, key)) for key in PART_KEYS}
    return replace(recipe, **parts, baselines=tuple(copied(part) for part in recipe.baselines))


def uncopied(recipe: Recipe) -> list[str]:
    """A line for each own part that needs modules which are neither installed nor copied: the run can be loaded only where they
    can be imported."""
    found = []
    for part in (*(getattr(recipe, key) for key in PART_KEYS), *recipe.baselines):
        source = _source_of(part.name)
        if source is not None:
            needed = {top for top in _imported(source[1]) if not is_installed(top)}
            where = Path(source[0]).name
        else:
            place = part.name if isinstance(part.name, str) else part.name.__module__
            top = place.partition(":")[0].partition(".")[0]
            needed = {top} if (not isinstance(part.name, str) or ":" in part.name) and _is_own(top) else set()
            where = str(place)
        if needed:
            found.append(
                f"{where} needs {', '.join(sorted(needed))}, which is no installed package and is not copied into the run: the "
                "run can be loaded only where it can be imported"
            )
    return found


def _imported(text: str) -> set[str]:
    """The modules at the top that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    return names


def _source_of(name: str | type) -> tuple[str, str, str, ModuleType | None] | None:
    """The file, its text, the name of the class in it, and its module if it is loaded; None for what comes with a package."""
    if isinstance(name, str):
        where, _, cls = name.rpartition(":")
        if not where.endswith(".py"):
            return None
        return where, _text(Path(where)), cls, sys.modules.get(module_name(Path(where)))
    module = sys.modules.get(name.__module__)
    if module is None:
        return None
    if name.__module__ == "__main__":
        where, text = _main_source(module, name)
        return where, _definitions(text, where, name.__qualname__), name.__qualname__, module
    path = vars(module).get("__file__")
    alone = "." not in name.__module__ and path is not None and path.endswith(".py")
    if not alone or not _is_own(name.__module__):
        return None
    return str(path), _text(Path(str(path))), name.__qualname__, module


def _is_own(module: str) -> bool:
    return module.startswith("convzoo_own_") or not is_installed(module)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RecipeError(f"{path}: cannot be read, so the run cannot keep this code") from None


def _main_source(module: ModuleType, cls: type) -> tuple[str, str]:
    """The name and the text of the running script, or of the notebook's cells so far."""
    path = vars(module).get("__file__")
    if path is not None and Path(path).is_file():
        return str(Path(path).resolve()), _text(Path(path))
    cells = vars(module).get("In")
    if isinstance(cells, list):
        return "notebook.py", "\n".join(cell for cell in cells if _parsed(cell) is not None)
    functions = [value for value in vars(cls).values() if inspect.isfunction(value)]
    for function in functions:
        lines = linecache.getlines(function.__code__.co_filename)
        if lines:
            return "session.py", "".join(lines)
    raise RecipeError(
        f"{cls.__qualname__}: its source cannot be found; put the class in a file, so that the run can be loaded"
    )


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:  # a cell with a command of the notebook
        return None


def _definitions(text: str, where: str, cls: str) -> str:
    """Imports, functions, classes and constants; nothing that does something when the file is loaded.

    Raises:
        RecipeError: the class is not defined at the top of the file.
    """
    tree = ast.parse(text)
    kept = [node for node in tree.body if _defines(node)]
    if not any(isinstance(node, ast.ClassDef) and node.name == cls for node in kept):
        raise RecipeError(f"{where}: the class {cls!r} is not defined at the top of the file; define it there")
    lost = {name for node in tree.body if node not in kept for name in _bound(node)}
    lost -= {name for node in kept for name in _bound(node)}
    for name in _needed(cls, kept):
        if name in lost:
            raise RecipeError(
                f"{where}: {cls} needs {name!r}, which a statement of the script makes, and such statements are not kept with "
                f"the run; write {name} as a constant, or put the class in a file of its own"
            )
    return "\n\n".join(ast.get_source_segment(text, node) or ast.unparse(node) for node in map(_whole, kept)) + "\n"


def _bound(node: ast.stmt) -> set[str]:
    """The names that a statement at the top of a file defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
    aliases = [each for each in ast.walk(node) if isinstance(each, ast.alias)]
    return names | {(each.asname or each.name).partition(".")[0] for each in aliases}


def _needed(cls: str, kept: list[ast.stmt]) -> list[str]:
    """The names that a class uses, and those that the definitions use which it uses, and so on."""
    found = [cls]
    for name in found:  # grows meanwhile
        for node in (node for node in kept if name in _bound(node)):
            table = symtable.symtable(ast.unparse(node), "script", "exec")
            used = {each.get_name() for each in table.get_symbols() if each.is_referenced()} | _from_outside(table)
            found += sorted(used.difference(found))
    return found


def _from_outside(table: symtable.SymbolTable) -> set[str]:
    """The names that functions and classes take from the file around them: not their arguments and variables."""
    found: set[str] = set()
    for child in table.get_children():
        found |= {each.get_name() for each in child.get_symbols() if each.is_global()} | _from_outside(child)
    return found


def _whole(node: ast.stmt) -> ast.stmt:
    """The node from its first decorator on, which its own line number leaves out."""
    decorators = getattr(node, "decorator_list", [])
    if decorators:
        node.lineno, node.col_offset = decorators[0].lineno, decorators[0].col_offset - 1
    return node


def _defines(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return True
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return not any(isinstance(each, ast.Call | ast.Await | ast.NamedExpr) for each in _run_at_once(node.value))
    return False


def _run_at_once(node: ast.AST) -> list[ast.AST]:
    """The parts of an expression that are computed when it is read: not the bodies of its lambdas."""
    if isinstance(node, ast.Lambda):
        return []
    return [node, *(found for child in ast.iter_child_nodes(node) for found in _run_at_once(child))]
