"""The archives of time series classification, UCR and UEA: `NAME_TRAIN` and `NAME_TEST`, or any file of their formats."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.inputs import Given, InputTable
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.series.labelled_formats import SERIES_SUFFIXES, read_series_file
from convzoo.reading.damaged import Damaged
from convzoo.reading.files import visible
from convzoo.reading.splitting import as_given, made_here

TRAIN, TEST = "_TRAIN", "_TEST"


class Ucr(Reader):
    """A set of the UCR or UEA archive (Dau et al. 2019, arXiv:1810.07758; Bagnall et al. 2018, arXiv:1811.00075), in its official
    split, or another file in these formats, which is split here.

    Of a folder the files `NAME_TRAIN` and `NAME_TEST` are taken: `.ts` before `.arff`, `.tsv` and `.txt`. The archives have no
    validation part: a part of training is held out for it, or, with `validate: train`, the checkpoint is chosen by the loss of
    the training series, as in the papers.

    Args:
        set: of the archive; by default the one in the folder
        path: a folder with NAME_TRAIN and NAME_TEST, one of these files, or another .ts or .arff file; by default the set is
            taken from the data set `ucr`
        validate: `held_out` takes a part of training; `train` validates on the training series themselves
        val: part for validation, where it is made here
        test: part for testing, where the split is made here; 0: nothing is tested
        copies: of a series in two parts of the official split: keep them, as the archives do; drop them from training; refuse
            them
        seed: of a split that is made here
        skip_damaged: leave series that cannot be read out, and say which; by default they are refused
    """

    example = LabelledSeries
    reads_inputs = True
    why_no_folds: ClassVar[str] = (
        "has the official split of an archive, so no folds are made; a table of series has them"
    )
    formats: ClassVar[str] = (
        "NAME_TRAIN and NAME_TEST of the UCR and UEA archives (.ts, .arff, .tsv, .txt), or a .ts or .arff file"
    )

    def __init__(
        self,
        set: str | None = None,
        path: str | None = None,
        validate: Literal["held_out", "train"] = "held_out",
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        copies: Copies = "keep",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.set = set
        self.path = path
        self.validate = validate
        self.val = val
        self.test = test
        self.copies: Copies = copies
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "series")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A .ts or .arff file, a file of an official split, or a folder with one."""
        if path.is_dir():
            return any(_stem(child) is not None for child in visible(path))
        return path.suffix.lower() in (".ts", ".arff") or _stem(path) is not None

    def inputs(self) -> list[Given]:
        """The series of a file for `predict`, damaged ones too.

        Raises:
            DataError: the file cannot be read.
        """
        assert self.path is not None, "predict names a file"
        path = Path(self.path)
        found = read_series_file(path)
        facts = InputTable(path, ("line",), f"{len(found.values):,} series")
        given: dict[int, Any] = {
            line: LabelledSeries(values=values, source=f"{path.name}:{line}")
            for line, values in zip(found.lines, found.values, strict=True)
        }
        given |= {line: DataError(f"{path}:{line}: {reason}") for line, reason in found.damaged.items()}
        return [Given(given[line], row, facts, {"line": line}) for row, line in enumerate(sorted(given), 1)]

    def examples(self) -> list[LabelledSeries]:
        """All series, whatever the split."""
        if self.path is not None and Path(self.path).is_file():
            found = self._series(Path(self.path))
            self.damaged.settle()
            return found
        return [example for _, part in self.read() for example in part]

    def read(self) -> Splits:
        """Read both files.

        Raises:
            DataError: a file is absent or damaged, or there are fewer than two classes.
        """
        self.damaged = Damaged(self.skip_damaged, "series")
        if self.path is not None and Path(self.path).is_file() and self._pair_of(Path(self.path)) is None:
            return self._made_here(Path(self.path))
        train, test, facts = self._files()
        parts: dict[str, Sequence[Any]] = {"train": self._series(train), "val": [], "test": self._series(test)}
        self.damaged.settle()
        where = str(train.parent)
        self._check_classes(where, parts["train"])
        if self.validate == "train":
            # `as_given` would take a part of training; a validation part of its own keeps it from that.
            whole = as_given(where, {**parts, "val": parts["train"][:1]}, 0.1, self.seed, facts, _content, "keep", ())
            splits = replace(
                whole, val=whole.train, origin="as given; validated on the training series, as in the papers"
            )
        else:
            splits = as_given(where, parts, self.val, self.seed, facts, _content, self.copies, ())
        return replace(splits.with_described(files=f"{train.name}, {test.name}"), skipped=self.damaged.skipped)

    def _made_here(self, path: Path) -> Splits:
        found = self._series(path)
        self.damaged.settle()
        self._check_classes(str(path), found)
        splits = made_here(
            found, self.val, self.test, self.seed, {str(path): {"sha256": sha256_of(path)}}, _content, None, 5,
            (), str(path),
        )  # fmt: skip
        return replace(splits, skipped=self.damaged.skipped)

    def _series(self, path: Path) -> list[LabelledSeries]:
        found = read_series_file(path)
        examples = []
        lines = {line: at for at, line in enumerate(found.lines)}
        for line in sorted([*lines, *found.damaged]):
            example = self.damaged.sound(partial(_made, path, found, lines, line))
            if example is not None:
                examples.append(example)
        return examples

    def _files(self) -> tuple[Path, Path, dict[str, Any]]:
        """The training and the test file, and their hashes."""
        folder = self._fetched() if self.path is None else Path(self.path)
        if folder.is_file():
            pair = self._pair_of(folder)
            assert pair is not None, "a single file is split here"
            train, test = pair
        else:
            train, test = self._in_folder(folder)
        return train, test, {str(path): {"sha256": sha256_of(path)} for path in (train, test)}

    def _fetched(self) -> Path:
        """The folder of the data set `ucr` with the files of the wanted set."""
        from convzoo.datasets.cards import load_card
        from convzoo.datasets.download import fetch

        sets = sorted({entry.name.partition("/")[0] for entry in load_card("ucr").files})
        if self.set is None:
            raise DataError(
                f"data.set: say which set of the archive: {', '.join(sets)}; or give your own files with data.path=PATH"
            )
        if self.set not in sets:
            raise DataError(
                f"data.set={self.set}: is not among the sets that convzoo can fetch ({', '.join(sets)}); "
                f"{did_you_mean(self.set, sets)}; "
                "for another one give its folder: data.path=PATH"
            )
        return fetch("ucr", [f"{self.set}/{self.set}{part}.ts" for part in (TRAIN, TEST)]).folder

    def _in_folder(self, folder: Path) -> tuple[Path, Path]:
        if not folder.is_dir():
            raise no_such(folder, "folder")
        if self.set is not None and (folder / self.set).is_dir():
            folder = folder / self.set
        files = {(name, path.suffix.lower()): path for path in visible(folder) if (name := _stem(path)) is not None}
        names = sorted({name for name, _ in files})
        if not names:
            sets = [child.name for child in visible(folder) if child.is_dir()]
            hint = f"; {did_you_mean(self.set, sets)}" if self.set is not None and sets else ""
            raise DataError(f"{folder}: holds no NAME{TRAIN}{' or '.join(SERIES_SUFFIXES)}{hint}")
        if self.set is not None and self.set not in names:
            raise DataError(f"{folder}: has no set {self.set!r}; {did_you_mean(self.set, names)}")
        if self.set is None and len(names) > 1:
            raise DataError(f"{folder}: holds {len(names)} sets; choose one: data.set={names[0]}")
        name = self.set or names[0]
        for suffix in SERIES_SUFFIXES:
            train = files.get((name, suffix))
            if train is not None:
                pair = self._pair_of(train)
                assert pair is not None, "its name says which part it is"
                return pair
        raise DataError(f"{folder}: holds no {name}{TRAIN}")

    def _pair_of(self, path: Path) -> tuple[Path, Path] | None:
        """The training and the test file that a file belongs to; None where its name says no part.

        Raises:
            DataError: the other file is not there.
        """
        stem, suffix = path.stem, path.suffix
        for part, other in ((TRAIN, TEST), (TEST, TRAIN)):
            if stem.upper().endswith(part):
                name = stem[: -len(part)]
                found = path.with_name(f"{name}{other if stem.endswith(part) else other.lower()}{suffix}")
                if not found.is_file():
                    raise DataError(
                        f"{path.parent}: holds {path.name} and no {found.name}; both make the official split"
                    )
                return (path, found) if part == TRAIN else (found, path)
        return None

    def _check_classes(self, where: str, examples: Sequence[LabelledSeries]) -> None:
        names = {example.label for example in examples}
        if None in names:
            raise DataError(f"{where}: its series have no class (@classLabel false); there is nothing to learn")
        if len(names) < 2:
            raise DataError(
                f"{where}: all {len(examples):,} training series are of class {next(iter(names))!r}; 2 are needed"
            )


def _made(path: Path, found: Any, lines: dict[int, int], line: int) -> LabelledSeries:
    """The series of a line.

    Raises:
        DataError: it is damaged.
    """
    if line in found.damaged:
        raise DataError(f"{path}:{line}: {found.damaged[line]}")
    at = lines[line]
    return LabelledSeries(values=found.values[at], label=found.labels[at], source=f"{path.name}:{line}")


def _stem(path: Path) -> str | None:
    """The name of the set that a file belongs to; None for other files."""
    if path.suffix.lower() not in SERIES_SUFFIXES or not path.is_file():
        return None
    for part in (TRAIN, TEST):
        if path.stem.upper().endswith(part) and len(path.stem) > len(part):
            return path.stem[: -len(part)]
    return None


def _content(example: LabelledSeries) -> str:
    return content_of(example)


def content_of(example: LabelledSeries) -> str:
    """A fingerprint of the values."""
    from hashlib import sha256

    values = example.read()
    return sha256(str(values.shape).encode() + values.tobytes()).hexdigest()[:16]
