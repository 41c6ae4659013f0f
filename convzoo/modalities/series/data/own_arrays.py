"""Series with classes in NumPy's archives, as many libraries of this field keep them."""

import zipfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.inputs import Given, InputTable
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.core.text import first_line
from convzoo.modalities.series.data.ucr import content_of
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.reading.arrays import check_arrays
from convzoo.reading.splitting import as_given, made_here, refuse_folds

VALUES = ("x", "data", "values", "signals", "series")
LABELS = ("y", "labels", "label", "target", "targets", "classes")
GROUPS = ("groups", "group", "subjects", "subject")


class LabelledSeriesArrays(Reader):
    """An `.npz` file with the series as `X` and their classes as `y`: X is (series, time) or (series, channels, time), as in
    aeon, sktime and tsai. `groups` may say what must not be split. With `X_train`, `y_train`, `X_test`, `y_test` (and perhaps
    `X_val`, `y_val`) the split is given.

    NaN at the end of a series makes it shorter; other NaN are missing values.

    Args:
        path: an .npz file
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a series in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
    """

    example = LabelledSeries
    reads_inputs = True
    formats: ClassVar[str] = "an .npz file with X (series, channels, time) and y"

    def __init__(
        self,
        path: str,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies: Copies = copies
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """An .npz file."""
        return path.is_file() and path.suffix.lower() == ".npz"

    def examples(self) -> list[LabelledSeries]:
        """All series, whatever the split."""
        return [each for part in self._parts(needs_labels=True)[0].values() for each in part]

    def inputs(self) -> list[Given]:
        """The series for `predict`, with or without classes."""
        parts, _ = self._parts(needs_labels=False)
        found = [each for part in parts.values() for each in part]
        facts = InputTable(self.path, ("series",), "a row of X is a series")
        return [Given(example, number, facts, {"series": number - 1}) for number, example in enumerate(found, 1)]

    def read(self) -> Splits:
        """Read the arrays.

        Raises:
            DataError: no such file, arrays that do not fit together, one class only, or too few examples to split.
        """
        parts, unused = self._parts(needs_labels=True)
        notes = [f"{self.path.name}: arrays that are not used: {listed(unused)}"] if unused else []
        files = {str(self.path): {"sha256": sha256_of(self.path)}}
        every = [each for part in parts.values() for each in part]
        if len({each.label for each in every}) < 2:
            raise DataError(f"{self.path}: all {len(every):,} series are of class {every[0].label!r}; 2 are needed")
        where = str(self.path)
        if set(parts) == {""}:
            return made_here(
                parts[""], self.val, self.test, self.seed, files, content_of, self.fold, self.folds, notes, where
            )
        refuse_folds(where, self.fold)
        given = {name: parts.get(name, []) for name in ("train", "val", "test")}
        return as_given(where, given, self.val, self.seed, files, content_of, self.copies, notes)

    def _parts(self, needs_labels: bool) -> tuple[dict[str, list[LabelledSeries]], list[str]]:
        """The series by split (`""`: there is none), and the names of arrays that nothing was made of."""
        arrays = self._arrays()
        folded = {name.lower(): name for name in arrays}
        used: set[str] = set()
        parts = {}
        for split in ("", "train", "val", "test"):
            found = {
                role: next((folded[key] for name in names for key in _spelt(name, split) if key in folded), None)
                for role, names in (("values", VALUES), ("labels", LABELS), ("groups", GROUPS))
            }
            if found["values"] is None:
                continue
            used |= {name for name in found.values() if name is not None}
            if found["labels"] is None and needs_labels:
                raise DataError(
                    f"{self.path}: has {found['values']} and no array of classes beside it (y); it has {listed(arrays)}"
                )
            parts[split] = self._series(arrays, found, needs_labels)
        if not parts:
            raise DataError(f"{self.path}: has no array X of series; it has {listed(arrays) or 'no arrays'}")
        return parts, [name for name in arrays if name not in used]

    def _arrays(self) -> dict[str, np.ndarray]:
        if not self.path.exists():
            raise no_such(self.path)
        try:
            check_arrays(self.path)
            with np.load(self.path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, zipfile.BadZipFile, AttributeError, EOFError) as error:
            raise DataError(f"{self.path}: cannot be read as an .npz file ({first_line(error)})") from None

    def _series(
        self, arrays: dict[str, np.ndarray], names: dict[str, str | None], needs_labels: bool
    ) -> list[LabelledSeries]:
        name = str(names["values"])
        values = arrays[name]
        if values.ndim not in (2, 3) or values.dtype.kind not in "fiub" or not values.size:
            raise DataError(
                f"{self.path}: {name} should be numbers, (series, time) or (series, channels, time), not "
                f"{values.dtype} {values.shape}"
            )
        values = np.asarray(values if values.ndim == 3 else values[:, None], dtype=np.float32)
        if values.shape[1] > values.shape[2]:
            raise DataError(
                f"{self.path}: {name} is {arrays[name].shape}: {values.shape[1]:,} channels of {values.shape[2]:,} steps; "
                "if time is the second axis, save np.swapaxes(X, 1, 2)"
            )
        labels = self._texts(arrays, names["labels"], len(values)) if needs_labels else [None] * len(values)
        groups = self._texts(arrays, names["groups"], len(values))
        found = []
        for row, each in enumerate(values):
            source = f"{self.path.name}: {name}[{row}]"
            if np.isinf(each).any():
                raise DataError(f"{source}: holds an infinite value")
            known = np.flatnonzero(np.isfinite(each).any(axis=0))
            if not len(known):
                raise DataError(f"{source}: holds no value: all are missing")
            found.append(LabelledSeries(each[:, : known[-1] + 1], label=labels[row], group=groups[row], source=source))
        return found

    def _texts(self, arrays: dict[str, np.ndarray], name: str | None, count: int) -> list[Any]:
        """A class or a group for each series; whole numbers without decimals."""
        if name is None:
            return [None] * count
        values = arrays[name]
        if values.shape == (count, 1):
            values = values[:, 0]
        if values.shape != (count,):
            raise DataError(
                f"{self.path}: {name} is {values.shape}; it should have one entry for each of the {count:,} series"
            )
        if values.dtype.kind == "f" and (not np.isfinite(values).all() or (values != np.round(values)).any()):
            raise DataError(
                f"{self.path}: {name} holds numbers with decimals or NaN; a class is a text or a whole number"
            )
        return [str(int(value)) if values.dtype.kind in "fiub" else str(value) for value in values.tolist()]


def _spelt(name: str, split: str) -> tuple[str, ...]:
    return (f"{name}_{split}", f"{split}_{name}", f"{name}{split}") if split else (name,)
