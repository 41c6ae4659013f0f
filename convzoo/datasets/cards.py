"""Data set cards: what a data set is, where its files are, how they are checked, and their licence."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from convzoo.core.errors import DataError, RecipeError
from convzoo.core.files import explain
from convzoo.core.text import did_you_mean

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Md5 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
Address = Annotated[str, StringConstraints(pattern=r"^(https?|file)://\S+$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]


def _inside(name: str) -> str:
    """A relative path with plain separators, so that a card cannot write outside the cache."""
    if any(part in ("", ".", "..") for part in name.split("/")) or any(letter in name for letter in "\\:\0"):
        raise ValueError("must be a file's name, or a relative path with '/' between its parts")
    return name


FileName = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """One source of a file: the address of the file, or the address of an archive and the name of the member in it."""

    url: Address | None = None
    archive: Address | None = None
    member: FileName | None = None
    sha256: Sha256 | None = Field(None, description="of the archive")
    bytes: int | None = Field(None, ge=1, description="of the archive")
    unverified: bool = Field(False, description="this address has not been tried yet; the file's checksum decides")

    @model_validator(mode="after")
    def _one_kind(self) -> "Source":
        if (self.url is None) == (self.archive is None):
            raise ValueError("a source is either 'url' or 'archive' with 'member'")
        if (self.archive is None) != (self.member is None):
            raise ValueError("'archive' and 'member' go together")
        if self.url is not None and (self.sha256 or self.bytes):
            raise ValueError("the checksum and the size of a plain file belong beside its name, not in the source")
        return self

    @property
    def address(self) -> str:
        """The address that is downloaded: of the file or of its archive."""
        return self.url or self.archive or ""


class CardFile(_Strict):
    """One file that the reader needs, and how it is checked."""

    name: FileName
    bytes: int | None = Field(None, ge=0)
    sha256: Sha256 | None = None
    md5: Md5 | None = Field(None, description="only if nothing better is published")
    sources: tuple[Source, ...] = Field((), description="tried in this order; none: the file comes from a mirror only")

    @model_validator(mode="after")
    def _checksum(self) -> "CardFile":
        if self.sha256 is None and self.md5 is None:
            raise ValueError("a file needs 'sha256', or 'md5' if nothing better is published")
        return self


class FolderSource(_Strict):
    """An archive that has a folder's files, all of them below `member`."""

    archive: Address
    member: FileName | None = Field(None, description="the folder in the archive; none: all of the archive")
    sha256: Sha256 | None = Field(None, description="of the archive")
    bytes: int | None = Field(None, ge=1, description="of the archive")
    unverified: bool = Field(False, description="this address has not been tried yet; the folder's checksum decides")

    @property
    def address(self) -> str:
        """The address that is downloaded."""
        return self.archive


class CardFolder(_Strict):
    """A folder of many files that the reader needs as a whole: recordings, volumes, clips.

    Its checksum is the sha256 of the lines `<sha256>  <relative path>\\n` of its files, sorted; hidden files do not count.
    """

    name: FileName
    files: int = Field(ge=1, description="how many, in all folders below")
    bytes: int = Field(ge=0, description="of all files together")
    sha256: Sha256
    sources: tuple[FolderSource, ...] = Field((), description="tried in this order; none: it comes from a mirror only")


class Card(_Strict):
    """A data set. See `datasets/mr.yaml` for one with all the kinds of sources.

    Attributes:
        split: the official split, in words.
        manual: how a user gets files that have no public address.
        embedded: the recipe that shows the same on embedded data, for users without a network.
    """

    name: Name
    title: Words
    about: Words
    modality: Words
    task: Words
    examples: int = Field(ge=1)
    split: Words
    licence: Words
    citation: Words
    reader: Name
    homepage: Address
    files: tuple[CardFile, ...] = ()
    folders: tuple[CardFolder, ...] = ()
    notes: str = ""
    manual: str = ""
    embedded: str = ""

    @model_validator(mode="after")
    def _distinct_files(self) -> "Card":
        names = [entry.name for entry in self.entries]
        if not names:
            raise ValueError("files: a card has at least one file or folder")
        if len(set(names)) < len(names):
            raise ValueError("two files have the same name")
        return self

    @property
    def entries(self) -> tuple[CardFile | CardFolder, ...]:
        """Files and folders."""
        return (*self.files, *self.folders)

    def select(self, names: Iterable[str] | None = None) -> tuple[CardFile | CardFolder, ...]:
        """The files and folders called `names`, or all.

        Raises:
            RecipeError: the data set has no such file.
        """
        if names is None:
            return self.entries
        by_name = {entry.name: entry for entry in self.entries}
        names = list(names)
        for name in names:
            if name not in by_name:
                raise RecipeError(f"data set {self.name!r} has no file {name!r}: {did_you_mean(name, by_name)}")
        return tuple(by_name[name] for name in dict.fromkeys(names))


def cards_folder() -> Path:
    """The folder of the cards: inside an installed package, or `datasets/` in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "cards"
    return inside if inside.is_dir() else package.parent / "datasets"


def list_cards() -> list[str]:
    """The names of all cards, sorted."""
    return sorted(path.stem for path in cards_folder().glob("*.yaml"))


def load_card(name: str) -> Card:
    """The card of a data set by its name.

    Raises:
        RecipeError: there is no such data set.
        DataError: the card is wrong.
    """
    names = list_cards()
    if name not in names:
        raise RecipeError(f"unknown data set {name!r}: {did_you_mean(name, names)}")
    return _read_once(cards_folder() / f"{name}.yaml")


@cache
def _read_once(path: Path) -> Card:
    return read_card(path)


def read_card(path: str | Path) -> Card:
    """Read a card from a YAML file.

    Raises:
        DataError: the file cannot be read or is not YAML; a key is unknown, missing, or has a wrong value; or the name of the
            file is not that of the data set.
    """
    path = Path(path)
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {explain(error)}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error})") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise DataError(f"{path}{where}: is not valid YAML ({problem})") from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: a card is a list of 'key: value' lines, with 'name:' first")
    try:
        card = Card.model_validate(value)
    except ValidationError as error:
        raise DataError(f"{path}: {_first_problem(error)}") from error
    if card.name != path.stem:
        raise DataError(f"{path}: name: is {card.name!r}, but the file is called {path.name!r}; make them agree")
    return card


def _first_problem(error: ValidationError) -> str:
    """One line about the first error; an unknown key comes first, because it may explain a missing one."""
    problems = error.errors(include_url=False)
    problem = next((each for each in problems if each["type"] == "extra_forbidden"), problems[0])
    place = _in_words(problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key, {did_you_mean(str(problem['loc'][-1]), _keys_at(problem['loc']), limit=20)}"
    if problem["type"] == "missing":
        return f"{place}: is missing"
    message = re.sub(r"^Value error, ", "", problem["msg"])
    found = repr(problem["input"])
    found = "" if isinstance(problem["input"], dict) else f", not {found[:80]}"
    return f"{place or 'card'}: {message[:1].lower()}{message[1:]}{found}"


def _in_words(location: tuple[Any, ...]) -> str:
    """('files', 0, 'sha256') -> 'files[0].sha256'."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    source = FolderSource if "folders" in location else Source
    models: dict[str, type[_Strict]] = {"files": CardFile, "folders": CardFolder, "sources": source}
    inside = [part for part in location[:-1] if part in models]
    return list((models[inside[-1]] if inside else Card).model_fields)
