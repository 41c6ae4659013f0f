"""The arguments that a part takes, read from its source without running it. So a recipe is checked before torch is imported."""

import ast
import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from convzoo.core import arguments
from convzoo.core.errors import RecipeError
from convzoo.recipe.trust import module_files

MISSING = object()
_TYPES: dict[str, Any] = {
    **{name: value for name, value in vars(arguments).items() if not name.startswith("_")},
    **{name: getattr(typing, name) for name in ("Any", "Literal", "Optional", "Union", "Annotated")},
    **{kind.__name__: kind for kind in (int, float, str, bool, list, dict, tuple)},
}


@dataclass(frozen=True)
class Argument:
    """One argument of a part: `type` is a typing object that pydantic can check, or Any if the source does not say it."""

    name: str
    type: Any
    default: Any = MISSING
    about: str = ""

    @property
    def from_data(self) -> bool:
        """Whether it is marked `FromData`."""
        return arguments.is_from_data(self.type)


@dataclass(frozen=True)
class Signature:
    """The arguments of a part. `open` means that it takes other arguments too (`**kwargs`, or a base class that cannot be
    read)."""

    place: str
    about: str
    arguments: dict[str, Argument]
    open: bool = False


def signature_of(place: str | type) -> Signature:
    """The signature of `"module:Class"`, `"file.py:Class"` or of a class.

    Raises:
        RecipeError: there is no such file, module or class, or its source is not valid Python.
    """
    if isinstance(place, type):
        return _from_class(place)
    return _from_source(place)


@cache
def _from_source(place: str) -> Signature:
    where, _, name = place.rpartition(":")
    path = Path(where) if where.endswith(".py") else _module_file(where)
    classes = {node.name: node for node in _parse(path).body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    if name not in classes:
        from convzoo.core.text import did_you_mean

        raise RecipeError(f"{where}: has no class {name!r}; {did_you_mean(name, classes)}")
    node = classes[name]
    about = ast.get_docstring(node) or ""
    if isinstance(node, ast.FunctionDef):
        found, is_open = _arguments(node, about, skip=0)
        return Signature(place, about, found, is_open)
    return _class_signature(place, path, node, about)


def _class_signature(place: str, path: Path, node: ast.ClassDef, about: str) -> Signature:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            found, is_open = _arguments(item, about + "\n" + (ast.get_docstring(item) or ""), skip=1)
            return Signature(place, about, found, is_open)
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        return Signature(place, about, dict(_fields(node, about)))
    for base in node.bases:
        inherited = _base_signature(path, base)
        if inherited is None:
            return Signature(place, about, {}, open=True)
        if inherited.arguments:
            return Signature(place, about, inherited.arguments, inherited.open)
    return Signature(place, about, {})


def _base_signature(path: Path, base: ast.expr) -> Signature | None:
    """The signature of a base class; None if it cannot be read. Abstract parts and nn.Module take no arguments."""
    name = ast.unparse(base).split("[")[0]
    if name.split(".")[-1] in ("Module", "ABC", "Encoder", "Task", "Reader", "Baseline", "Protocol", "object"):
        return Signature(name, "", {})
    for node in _parse(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _from_source(f"{path}:{name}")
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return _from_source(f"{node.module}:{alias.name}")
    return None


@cache
def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError:
        raise RecipeError(f"{path}: no such Python file") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except SyntaxError as error:
        raise RecipeError(f"{path}:{error.lineno}:{error.offset}: is not valid Python ({error.msg})") from None


def _module_file(module: str) -> Path:
    files = module_files(module)
    if not files or files[-1].suffix != ".py":
        raise RecipeError(f"{module}: no such Python module; write 'file.py:Class' for a file of your own")
    return files[-1]


def _arguments(function: ast.FunctionDef, about: str, skip: int) -> tuple[dict[str, Argument], bool]:
    spec = function.args
    positional = [*spec.posonlyargs, *spec.args][skip:]
    defaults: list[ast.expr | None] = [None] * len(positional)
    if spec.defaults:
        defaults[-len(spec.defaults) :] = spec.defaults
    pairs = [*zip(positional, defaults, strict=False), *zip(spec.kwonlyargs, spec.kw_defaults, strict=True)]
    texts = _descriptions(about)
    found = {
        node.arg: Argument(node.arg, _resolve(node.annotation), _constant(default), texts.get(node.arg, ""))
        for node, default in pairs
    }
    return found, spec.kwarg is not None


def _fields(node: ast.ClassDef, about: str) -> Iterator[tuple[str, Argument]]:
    texts = _descriptions(about)
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            name = item.target.id
            yield name, Argument(name, _resolve(item.annotation), _constant(item.value), texts.get(name, ""))


def _descriptions(docstring: str) -> dict[str, str]:
    """The lines `name: what it is` of a docstring's `Args:` section."""
    _, _, section = docstring.partition("Args:\n")
    found: dict[str, str] = {}
    last = None
    for line in section.splitlines():
        match = re.match(r"\s+(\w+): (.+)", line)
        if match:
            last = match[1]
            found[last] = match[2].strip()
        elif line.strip() and line.startswith("        ") and last:
            found[last] += " " + line.strip()
        elif re.match(r"\s*\w+:\s*$", line):
            break
    return found


def _resolve(node: ast.expr | None) -> Any:
    """The typing object of an annotation, from a fixed table of names; Any if a name is not in the table."""
    if node is None:
        return Any
    try:
        return _resolve_strictly(node)
    except (KeyError, TypeError):
        return Any


def _resolve_strictly(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=str() as text):
            return _resolve_strictly(ast.parse(text, mode="eval").body)
        case ast.Name(id=name):
            return _TYPES[name]
        case ast.Attribute(attr=name):
            return _TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return typing.Union[_resolve_strictly(left), _resolve_strictly(right)]  # noqa: UP007 (built at run time)
        case ast.Subscript(value=base, slice=index):
            generic = _resolve_strictly(base)
            if generic is arguments.FromData:
                return generic[_resolve(index)]  # even if the type (a tensor) is not in the table, the mark must stay
            if generic is typing.Literal:
                items = index.elts if isinstance(index, ast.Tuple) else [index]
                return typing.Literal[tuple(ast.literal_eval(item) for item in items)]
            items = index.elts if isinstance(index, ast.Tuple) else [index]
            resolved = tuple(_resolve_strictly(item) for item in items)
            return generic[resolved if len(resolved) > 1 else resolved[0]]
    raise KeyError(ast.dump(node))


def _constant(node: ast.expr | None) -> Any:
    if node is None:
        return MISSING
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _from_class(cls: type) -> Signature:
    """The signature of a class that is already loaded (of a Part made in Python)."""
    try:
        parameters = inspect.signature(cls).parameters.values()
        hints = typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    except (TypeError, ValueError, NameError):
        return Signature(cls.__qualname__, cls.__doc__ or "", {}, open=True)
    found = {
        p.name: Argument(p.name, hints.get(p.name, Any), MISSING if p.default is p.empty else p.default)
        for p in parameters
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    is_open = any(p.kind is p.VAR_KEYWORD for p in parameters)
    return Signature(cls.__qualname__, cls.__doc__ or "", found, is_open)
