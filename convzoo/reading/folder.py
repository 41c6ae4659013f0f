"""One reader of "a folder a class", for every kind of file; a kind adds what its files look like."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.reading.columns import split_in
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import class_folders, left_out, visible, with_suffix
from convzoo.reading.splitting import as_given, made_here
from convzoo.reading.tables import is_table


class ClassFolders(Reader):
    """`<class>/<file>`, or `train/<class>/<file>` with `test/` and, optionally, `val/` beside it.

    Where there is no split it is made, stratified by class, with groups and files of the same content kept together. In a split
    that is given, no group, no file and no content may stand in two parts. Hidden files are passed over; other files that are not
    of the kind are counted and said.

    Args:
        path: the folder
        classes: only these; by default all
        group: what stays together: `folder`, the files of one folder inside a class; `none`; by default what the names say
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a file in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave files that cannot be read out, and say which; by default they are refused

    Attributes:
        what: one such file, in words
        folders_are_groups: whether folders inside a class are groups of the field (patients), without being asked
        one_class: what a class is called in this field
        suffixes: of the files
    """

    what: ClassVar[str]
    one_class: ClassVar[str] = "class"
    suffixes: ClassVar[Collection[str]]
    folders_are_groups: ClassVar[bool] = False

    def __init__(
        self,
        path: str,
        classes: list[str] | None = None,
        group: Literal["folder", "none"] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.classes = classes
        self.group = group
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged)

    # What a kind of file may say otherwise.

    @classmethod
    def files(cls, folder: Path) -> list[Path]:
        """The files of the kind below a folder; a folder may count as one (a DICOM series)."""
        return with_suffix(folder, cls.suffixes)

    @classmethod
    def make(cls, path: Path, label: str, group: str | None, source: str) -> Any:
        """One example."""
        return cls.example(path=path, label=label, group=group, source=source)

    @classmethod
    def group_of(cls, inside: Path) -> str | None:
        """What the path of a file below its class says of its group (a patient, a speaker, a film); None: nothing."""
        return None

    @classmethod
    def content(cls, example: Any) -> str:
        """A fingerprint of the file's content."""
        return sha256_of(example.path)[:16]

    def check(self, example: Any) -> None:
        """Open the file, so that a damaged one is found before training.

        Raises:
            DataError: it cannot be read.
        """
        example.check()

    # What is the same for all.

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders."""
        return path.is_dir() and any(child.is_dir() for child in visible(path))

    def examples(self) -> list[Any]:
        """All examples, whatever the split."""
        folder = self._folder()
        return [example for part in self._sound(folder, self._parts(folder)).values() for example in part]

    def read(self) -> Splits:
        """List the files, and open each once. Their contents are read again when they are encoded.

        Raises:
            DataError: no such folder, no class or one only, a class with too few files, files that cannot be read, or the same
                in two parts of a split.
        """
        folder = self._folder()
        parts = self._parts(folder)
        everything = [example for part in parts.values() for example in part]
        paths = [example.path for example in everything]
        notes = [*left_out(folder, paths, self._used_otherwise), *self._unused_folders(everything)]
        files = self._facts()
        if list(parts) == ["all"]:
            self._check_classes(folder, everything)
        parts = self._sound(folder, parts)
        if list(parts) == ["all"]:
            splits = made_here(
                parts["all"],
                self.val,
                self.test,
                self.seed,
                files,
                self.content,
                self.fold,
                self.folds,
                notes,
                str(folder),
            )
        else:
            splits = as_given(
                str(folder), parts, self.val, self.seed, files, self.content, self.copies, notes, self.fold
            )
        grouped = any(example.group is not None for example in everything)
        group = "none" if not grouped else "the folder inside" if self.group == "folder" else "by the names"
        splits = splits.with_described(files=f"label: the name of the folder; group: {group}")
        return replace(splits, skipped=self.damaged.skipped)

    def _sound(self, folder: Path, parts: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """The parts without files that cannot be read."""
        self.damaged = Damaged(self.skip_damaged)
        kept = {
            name: self.damaged.kept(examples, self.check, lambda example: str(example.path))
            for name, examples in parts.items()
        }
        self.damaged.settle()
        labels = {example.label for examples in kept.values() for example in examples}
        for example in (example for examples in parts.values() for example in examples):
            if example.label not in labels:
                raise DataError(f"{folder}: every {self.what} of {self.one_class} {example.label!r} is damaged")
        return kept

    def parts(self) -> dict[str, list[Any]]:
        """The examples of train, val and test as they lie in the folder, or, where they lie in no such folders, `all`."""
        return self._parts(self._folder())

    def _folder(self) -> Path:
        if not self.path.is_dir():
            raise no_such(self.path, "folder")
        return self.path

    def _facts(self) -> dict[str, Any]:
        """The files that are written into the run, besides the examples."""
        return {}

    def _used_otherwise(self, path: Path) -> bool:
        """Whether a file that is no example was used otherwise: a list, a licence."""
        return False

    def _parts(self, folder: Path) -> dict[str, list[Any]]:
        """The examples of train, val and test, or, without a given split, `all`."""
        given = given_folders(folder)
        if not given:
            return {"all": self._classes_in(folder, folder)}
        if "test" not in given and "val" not in given:
            bare = next((child for child in visible(folder) if child.is_dir() and split_in(child.name) == "test"), None)
            if bare is not None:
                raise DataError(f"{bare}: holds no folders; make one folder in it for each {self.one_class}")
            raise DataError(
                f"{folder}: has a folder {given['train'].name} and none named test; add one, or put the {self.one_class} folders "
                f"side by side, without {given['train'].name}/, and the split is made here"
            )
        return {name: self._classes_in(child, folder) for name, child in given.items()}

    def _classes_in(self, folder: Path, below: Path) -> list[Any]:
        kinds = {kind.name: kind for kind in class_folders(folder)}
        for name in self.classes or ():
            if name not in kinds:
                raise DataError(f"{folder}: has no {self.one_class} {name!r}; {did_you_mean(name, kinds)}")
        found = []
        for name, kind in kinds.items():
            if self.classes is not None and name not in self.classes:
                continue
            files = self.files(kind)
            if not files:
                raise DataError(f"{kind}: {self.one_class} {name!r} has no {self.what} ({self._endings()})")
            for path in files:
                source = path.relative_to(below).as_posix()
                found.append(self.make(path, name, self._group(path.relative_to(kind)), source))
        if not found:
            raise DataError(f"{folder}: holds no folder with {self.what}s; make one folder for each {self.one_class}")
        return found

    def _group(self, inside: Path) -> str | None:
        if self.group is None:
            return self.group_of(inside)
        return inside.parts[0] if self.group == "folder" and len(inside.parts) > 1 else None

    def _unused_folders(self, examples: Sequence[Any]) -> list[str]:
        """A note where folders lie inside classes and nothing was made of them."""
        deep = next((example for example in examples if example.path.parent.name != example.label), None)
        if self.group is not None or deep is None or any(example.group is not None for example in examples):
            return []
        return [
            f"{self.one_class} folders hold folders ({deep.source}); where these are patients, speakers or the like, "
            "data.group=folder keeps each of them in one split"
        ]

    def _check_classes(self, folder: Path, examples: Sequence[Any]) -> None:
        names = {example.label for example in examples}
        inner = [{child.name for child in class_folders(folder / name)} for name in sorted(names)]
        if len(names) < 2:
            (name,) = names
            table = next((path for path in visible(folder) if is_table(path)), None)
            if len(inner[0]) > 1:
                advice = f"; the {self.one_class} folders may be those in {folder / name}"
            elif table is not None:
                advice = f"; if {table.name} says which is which, give that: --data {table}"
            else:
                advice = ""
            raise DataError(f"{folder}: holds one {self.one_class}, {name!r}; a classifier needs at least 2{advice}")
        if (
            not self.folders_are_groups
            and self.group is None
            and len(inner[0]) > 1
            and all(each == inner[0] for each in inner)
        ):
            raise DataError(
                f"{folder}: each of its folders ({', '.join(sorted(names)[:3])} …) holds the same ones "
                f"({', '.join(sorted(inner[0])[:3])} …): put one folder for each {self.one_class} at the top (with "
                "data.group=folder the folders inside are groups)"
            )

    def _endings(self) -> str:
        return ", ".join(sorted(self.suffixes))


def given_folders(folder: Path) -> dict[str, Path]:
    """The folders of a given split by its names; empty where there is none.

    `train` must be one of them, with folders inside it: a class may be called `test`.

    Raises:
        DataError: two folders name the same part (`val` and `valid`).
    """
    found: dict[str, list[Path]] = {}
    for child in visible(folder):
        name = split_in(child.name)
        if name is not None and child.is_dir() and any(each.is_dir() for each in child.iterdir()):
            found.setdefault(name, []).append(child)
    if "train" not in found:
        return {}
    for name, (first, *others) in found.items():
        if others:
            raise DataError(f"{folder}: both {first.name}/ and {others[0].name}/ name the {name} split; keep one")
    return {name: homes[0] for name, homes in found.items()}
