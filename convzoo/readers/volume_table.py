"""Tables that name scans, and the masks, classes and patients that go with them."""

from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.volume_files import VOLUME_SUFFIXES, is_volume, volume_suffix
from convzoo.core.volumes import Volume
from convzoo.ops.columns import SPLIT_NAMES
from convzoo.ops.volume_sets import given_split, patient_in, split_volumes
from convzoo.readers.tables import SUFFIXES, Table, read_table

_USUAL = {
    "image": ("image", "path", "scan", "volume", "file", "filename", "image_path", "t1"),
    "mask": ("mask", "segmentation", "seg", "mask_path", "label_path"),
    "label": ("label", "class", "diagnosis", "target", "category", "group"),
    "patient": ("patient", "patient_id", "subject", "subject_id", "participant_id", "case"),
    "split": ("split", "set", "subset", "fold_name"),
}


class VolumeTable(Reader):
    """A table `image,label[,mask][,patient][,split]`; paths are absolute or relative to the table's folder, and a DICOM series is
    named by its folder.

    Without a split column the split is made here: by patient, stratified by class, and files of the same content together. A
    patient or a file that stands in two splits is refused.

    Args:
        path: a .csv, .tsv or .parquet file with a heading
        image: the column with the scan; by default one named image, path, scan, volume or file
        mask: the column with the mask; by default one named mask, segmentation or seg, or a column `label` that holds paths
        label: the column with the class; by default one named label, class, diagnosis or target
        patient: the column with the patient; by default one named patient, subject or participant_id, else the `sub-…` of BIDS
        split: the column that says train, val or test; by default one named split, set or subset
        structures: what the values of the masks are called; other values are then refused
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here and no fold is given
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        seed: of the split
    """

    example = Volume
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .parquet) with the columns image and label or mask, optionally patient and split"
    )

    def __init__(
        self,
        path: str,
        image: str | None = None,
        mask: str | None = None,
        label: str | None = None,
        patient: str | None = None,
        split: str | None = None,
        structures: dict[int, str] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.columns = {"image": image, "mask": mask, "label": label, "patient": patient, "split": split}
        self.structures = structures
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def examples(self) -> list[Volume]:
        """All rows, whatever the split."""
        return [example for _, example in self._rows()]

    def read(self) -> Splits:
        """Read the table. The scans are opened when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no file or another split, a patient in two splits, or too few
                rows to split.
        """
        rows = self._rows()
        files = {str(self.path): {"sha256": sha256_of(self.path)}}
        if all(part is None for part, _ in rows):
            found = [example for _, example in rows]
            return split_volumes(found, self.val, self.test, self.seed, files, self.fold, self.folds)
        parts: dict[str, list[Volume]] = {"train": [], "val": [], "test": []}
        for part, example in rows:
            assert part is not None, "all rows have a split, or none has"
            parts[part].append(example)
        return given_split(str(self.path), parts, self.val, self.seed, files)

    def _rows(self) -> list[tuple[str | None, Volume]]:
        if not self.path.is_file():
            raise DataError(f"{self.path}: no such table")
        table = read_table(self.path)
        if not len(table):
            raise DataError(f"{self.path}: holds no rows")
        found: dict[str, str | None] = {
            role: table.find(role, given, _USUAL[role], needed=role == "image") for role, given in self.columns.items()
        }
        label = found["label"]
        if found["mask"] is None and self.columns["label"] is None and label is not None and _are_paths(table, label):
            found["mask"], found["label"] = label, None  # the Decathlon calls its masks labels
        if found["mask"] is None and found["label"] is None:
            raise DataError(
                f"{self.path}: which column is the label or the mask? it has {', '.join(table.columns)}; say "
                "data.label=COLUMN or data.mask=COLUMN"
            )
        if found["patient"] == found["label"]:
            found["patient"] = None
        return [self._row(table, index, found) for index in range(len(table))]

    def _row(self, table: Table, index: int, found: dict[str, str | None]) -> tuple[str | None, Volume]:
        where = table.place(index)

        def value(role: str) -> str | None:
            column = found[role]
            if column is None:
                return None
            content = table.columns[column][index]
            return str(content).strip() if content is not None and str(content).strip() else None

        paths: dict[str, Path | None] = {"image": None, "mask": None}
        for role in paths:
            name = value(role)
            if name is None:
                if found[role] is not None:
                    raise DataError(f"{where}: the {role} is empty; fill it or delete the row")
                continue
            path = self.path.parent / name
            if not path.exists():
                raise DataError(f"{where}: {name!r} is not there (looked for {path})")
            if not is_volume(path):
                raise DataError(
                    f"{where}: {name!r} is no volume; it should be {', '.join(VOLUME_SUFFIXES)} or the folder of a DICOM series"
                )
            paths[role] = path
        label = value("label")
        if found["label"] is not None and label is None:
            raise DataError(f"{where}: the label is empty; fill it or delete the row")
        part = value("split")
        if found["split"] is not None:
            if part is None or part.lower() not in SPLIT_NAMES:
                raise DataError(f"{where}: the split is {part or ''!r}; it should be train, val or test")
            part = SPLIT_NAMES[part.lower()]
        image = paths["image"]
        assert image is not None, "the image's column is always there"
        patient = value("patient") or patient_in(image.as_posix())
        return part, Volume(
            image, mask=paths["mask"], structures=self.structures, label=label, group=patient, source=where
        )


def _are_paths(table: Table, column: str) -> bool:
    return all(volume_suffix(Path(str(value).strip())) is not None for value in table.columns[column])
