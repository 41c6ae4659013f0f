"""Which files of a folder count: one rule for every kind of file."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.files import is_file, is_folder, nearest_path, no_such
from convzoo.core.survey import listed

LITTER = frozenset({"__macosx", "thumbs.db", "desktop.ini"})
"""What systems leave behind in folders and archives."""


def is_litter(path: Path) -> bool:
    """Whether a name is passed over without a word: hidden files (macOS writes `._name` beside `name`) and system files."""
    return path.name.startswith(".") or path.name.lower() in LITTER


def visible(folder: Path) -> list[Path]:
    """What a folder holds, by name, without litter and without links to a folder above, which would never end."""
    return sorted(path for path in folder.iterdir() if not is_litter(path) and not _leads_back(path))


def _leads_back(path: Path) -> bool:
    return path.is_symlink() and path.resolve() in path.parent.resolve().joinpath("x").parents


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, folder by folder and by name, without litter. A link that leads nowhere is one, too."""
    for path in visible(folder):
        if path.is_dir():
            yield from files_below(path)
        else:
            yield path


def with_suffix(folder: Path, suffixes: Collection[str]) -> list[Path]:
    """The files below a folder that end like that (in lower case, with the dot), in the order of their paths."""
    return sorted(path for path in files_below(folder) if path.suffix.lower() in suffixes and path.is_file())


def files_named(value: Any, suffixes: Collection[str], noun: str) -> list[Path]:
    """The files that an input of `predict` names: one file, or those of a kind below a folder.

    Args:
        value: a path
        suffixes: of the kind, in lower case, with the dot
        noun: what such a file is called, for errors

    Raises:
        DataError: there is no such file, or the folder holds none of the kind.
    """
    if not isinstance(value, str | Path):
        article = "an" if noun[0] in "aeiou" else "a"
        raise DataError(f"an input should be {article} {noun} or a folder of them, not {kind_of(value)}")
    path = Path(value)
    if is_file(path):
        return [path]
    if not is_folder(path):
        raise no_such(value, noun)
    found = with_suffix(path, suffixes)
    if not found:
        raise DataError(f"{value}: holds no {noun} ({', '.join(sorted(suffixes))})")
    return found


_PATH_ENDINGS = (
    ".conll", ".csv", ".eml", ".gz", ".json", ".jsonl", ".md", ".ndjson", ".parquet", ".text", ".tmx", ".tsv", ".txt", ".xls",
    ".xlsx", ".zip",
)  # fmt: skip
"""How the names of files with texts end."""


def kind_of(value: Any) -> str:
    """What a value is, for an error about an input that is of the wrong type."""
    if value is None or (isinstance(value, float) and value != value):
        return f"{'None' if value is None else 'NaN'}, an empty cell"
    return type(value).__name__


def text_path(value: Any) -> Path | None:
    """The file or folder that an input of `predict` names, where the input may be a text as well; None: it is a text.

    What exists is a path. What does not exist, but looks like a path, is refused: else its name would be predicted.

    Args:
        value: a path or a text

    Raises:
        DataError: it looks like a path, and there is no such file or folder; or it is neither a text nor a path: an empty cell of
            a column (None, NaN), bytes.
    """
    if not isinstance(value, str | Path):
        raise DataError(f"an input should be a text or the path of a file, not {kind_of(value)}")
    path = Path(value)
    if not isinstance(value, Path) and not value.strip():
        return None  # `Path("")` is the current folder
    if not isinstance(value, Path) and (len(value) >= 1000 or "\n" in value or "\0" in value):
        return None
    if is_file(path) or is_folder(path):
        return path
    if isinstance(value, Path) or _looks_like_path(value):
        raise no_such(value)
    return None


def _looks_like_path(value: str) -> bool:
    """Whether a text is meant as a path: it ends like a file, or has a separator and no spaces. `and/or` is a text, since no
    folder has such a name or a similar one; so is `http://…`."""
    if "://" in value:
        return False
    ends = value.lower().endswith(_PATH_ENDINGS)
    if any(letter.isspace() for letter in value.strip()):  # a sentence may end with the name of a file
        return ends and nearest_path(Path(value)) is not None
    if ends:
        return True
    if "/" not in value and "\\" not in value:
        return False
    rooted = value.startswith(("/", "./", "../", "~")) or (value[1:2] == ":" and value[:1].isalpha())
    return rooted or is_folder(Path(value).parent) or nearest_path(Path(value)) is not None


def class_folders(folder: Path) -> list[Path]:
    """The folders in a folder that stand for classes: those whose names do not begin with a dot or an underscore."""
    return [path for path in visible(folder) if path.is_dir() and not path.name.startswith("_")]


def refuse_twice(folder: Path, found: Iterable[tuple[str, Path]]) -> None:
    """Refuse two files that say the same: `train.csv` beside `train.tsv`, `val.csv` beside `valid.csv`.

    Args:
        folder: that holds them
        found: what each file is, and the file

    Raises:
        DataError: two files are the same thing.
    """
    homes: dict[str, Path] = {}
    for what, path in found:
        if homes.setdefault(what, path) != path:
            raise DataError(f"{folder}: both {homes[what].name} and {path.name} are its {what}; keep one")


def left_out(folder: Path, taken: Iterable[Path], ignore: Callable[[Path], bool] = lambda path: False) -> list[str]:
    """A sentence about the files below a folder that nothing was made of; empty where all were taken.

    Args:
        folder: that was read
        taken: the files, or folders with all their files, that examples were made of
        ignore: files that were used otherwise (lists, a licence)
    """
    used = set(taken)
    others = [
        path for path in files_below(folder)
        if path not in used and not ignore(path) and not any(parent in used for parent in path.parents)
    ]  # fmt: skip
    if not others:
        return []
    kinds = Counter(path.suffix.lower() or "no suffix" for path in others)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(4))
    more = f" and {len(kinds) - 4} other kinds" if len(kinds) > 4 else ""
    number = "1 file was" if len(others) == 1 else f"{len(others):,} files were"
    return [f"{number} left out ({counts}{more}): {listed(path.relative_to(folder).as_posix() for path in others)}"]
