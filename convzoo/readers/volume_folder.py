"""Folders of scans, one folder a class."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.reader import Reader
from convzoo.core.volume_files import VOLUME_SUFFIXES, is_series, volume_files
from convzoo.core.volumes import Volume
from convzoo.ops.columns import SPLIT_NAMES
from convzoo.ops.volume_sets import given_split, patient_in, split_volumes


class VolumeFolder(Reader):
    """`<class>/<scan>` or `<class>/<patient>/<scan>`, a scan being a file or the folder of a DICOM series; or `train/<class>/…`
    with `test/` and, optionally, `val/` beside it.

    Where there is no split it is made, stratified by class and by patient: the folder between class and scan, else the `sub-…` of
    BIDS in the name. Files of the same content stay together. A patient who stands in two given splits is refused.

    Args:
        path: the folder
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Volume
    formats: ClassVar[str] = (
        "a folder of volumes or DICOM series, one folder a class (or train/, val/ and test/ with such)"
    )

    def __init__(self, path: str, val: Fraction = 0.15, test: Fraction = 0.15, seed: Count = 0) -> None:
        self.path = Path(path)
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders."""
        return path.is_dir() and any(child.is_dir() for child in path.iterdir())

    def examples(self) -> list[Volume]:
        """All scans, whatever the split."""
        given = self._given()
        return [example for folder in given.values() or [self.path] for example in self._classes(folder)]

    def read(self) -> Splits:
        """List the scans. They are opened when they are encoded.

        Raises:
            DataError: no such folder, no class, a class without scans or with too few, or a patient in two splits.
        """
        given = self._given()
        if not given:
            return split_volumes(self._classes(self.path), self.val, self.test, self.seed, {})
        if "test" not in given:
            raise DataError(f"{self.path}: has a folder train and none named test")
        parts = {name: self._classes(folder) for name, folder in given.items()}
        return given_split(str(self.path), parts, self.val, self.seed, {})

    def _given(self) -> dict[str, Path]:
        if not self.path.is_dir():
            raise DataError(f"{self.path}: no such folder")
        found = {
            SPLIT_NAMES[child.name.lower()]: child
            for child in sorted(self.path.iterdir())
            if child.is_dir() and child.name.lower() in SPLIT_NAMES
        }
        return found if "train" in found else {}

    def _classes(self, folder: Path) -> list[Volume]:
        found: list[Volume] = []
        for kind in sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")):
            if is_series(kind):
                raise DataError(f"{kind}: is a DICOM series where a class is expected; make one folder a class")
            files = volume_files(kind)
            if not files:
                raise DataError(
                    f"{kind}: class {kind.name!r} has no volume ({', '.join(VOLUME_SUFFIXES)}, DICOM series)"
                )
            found.extend(self._example(kind, path) for path in files)
        if not found:
            raise DataError(f"{folder}: holds no folder of volumes; make one folder a class")
        return found

    def _example(self, kind: Path, path: Path) -> Volume:
        inner: Sequence[str] = path.relative_to(kind).parts
        patient = inner[0] if len(inner) > 1 else patient_in(path.name)
        return Volume(path, label=kind.name, group=patient, source=path.relative_to(self.path).as_posix())
