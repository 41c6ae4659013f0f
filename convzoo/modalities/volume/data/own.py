"""Scans of one's own: a folder a class, or a table that names scans, masks, classes and patients."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Copies, Count, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import VOLUME_SUFFIXES, is_series, is_volume, volume_files, volume_suffix
from convzoo.reading.columns import LABEL_NAMES
from convzoo.reading.folder import ClassFolders
from convzoo.reading.manifest import Manifest, Roles, file_column, file_in
from convzoo.reading.tables import Table

MASK_NAMES = ("mask", "segmentation", "seg", "mask_path", "label_path")


class VolumeFolder(ClassFolders):
    """Scans as `<class>/<scan>` or `<class>/<patient>/<scan>`, a scan being a file or the folder of a DICOM series; or
    `train/<class>/…` with `test/` and, optionally, `val/` beside it.

    The patient is the folder between class and scan, else the `sub-…` of BIDS in the name.
    """

    example = Volume
    formats: ClassVar[str] = (
        "a folder of volumes or DICOM series, one folder a class (or train/, val/ and test/ with such)"
    )
    what = "volume"
    suffixes = VOLUME_SUFFIXES
    folders_are_groups = True

    @classmethod
    def files(cls, folder: Path) -> list[Path]:
        """Files, and the folders of DICOM series."""
        if is_series(folder):
            raise DataError(f"{folder}: is a DICOM series where a class is expected; make one folder a class")
        return volume_files(folder)

    @classmethod
    def group_of(cls, inside: Path) -> str | None:
        """The patient."""
        return inside.parts[0] if len(inside.parts) > 1 else patient_in(inside.name)

    @classmethod
    def content(cls, example: Any) -> str:
        """A fingerprint of the file, or of all files of the series."""
        return content_of(example)

    def _endings(self) -> str:
        return f"{super()._endings()}, DICOM series"


class VolumeTable(Manifest):
    """A table `path,label[,mask][,group][,split]` with a row a scan; paths are absolute or relative to the table's folder, and a
    DICOM series is named by its folder.

    Without a split column the split is made here: by patient, stratified by class, and files of the same content together. A
    patient or a file that stands in two splits is refused.

    Args:
        path: a .csv, .tsv, .jsonl or .parquet file with a heading
        file: the column with the scan; by default one named path, file, image, scan, volume or t1
        mask: the column with the mask; by default one named mask, segmentation or seg, or a column `label` that holds paths
        label: the column with the class, or with the number or the classes that the task learns; by default one named label,
            class, diagnosis or target
        group: the column with the patient; by default one named patient, subject or participant_id, else the `sub-…` of BIDS in
            the path; `none`: there is none
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        structures: what the values of the masks are called; other values are then refused
        separator: between the fields of a CSV file; by default found
        encoding: of the file; by default found
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a scan in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave rows and scans that cannot be read out, and say which; by default they are refused
    """

    example = Volume
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns image and label or mask, optionally patient and split"
    )
    what = "volume"
    file_names = ("image", "scan", "volume", "image_path", "t1")
    label_names = ("diagnosis", "group")
    group_names = ("group", "patient", "patient_id", "subject", "subject_id", "participant_id", "case")

    def __init__(
        self,
        path: str,
        file: str | None = None,
        mask: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        structures: dict[int, str] | None = None,
        separator: str | None = None,
        encoding: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
        skip_damaged: bool = False,
    ) -> None:
        super().__init__(
            path,
            file,
            label,
            group,
            split,
            separator,
            encoding,
            val,
            test,
            fold,
            folds,
            copies,
            seed,
            label_type,
            skip_damaged,
        )
        self.mask = mask
        self.structures = structures

    @classmethod
    def content(cls, example: Any) -> str:
        """A fingerprint of the file, or of all files of the series."""
        return content_of(example)

    def _rows(self, table: Table) -> tuple[list[Any], Roles]:
        file = file_column(table, self.file, self.file_names, self.what)
        mask = table.find("mask", self.mask, MASK_NAMES, needed=False)
        label = table.find("label", self._one_label(), (*LABEL_NAMES, *self.label_names), needed=False)
        if mask is None and self.label is None and label is not None and _are_paths(table, label):
            mask, label = label, None  # the Decathlon calls its masks labels
        if mask is None and label is None:
            raise DataError(
                f"{self.path}: which column is the label or the mask? it has {', '.join(table.columns)}; say "
                "data.label=COLUMN or data.mask=COLUMN"
            )
        # A column named group is the class where no other column is, else the patients'.
        usual = self.group_names if label != self._named(table, "group") else self.group_names[1:]
        group = None if self.group == "none" else table.find("group", self.group, usual, needed=False)
        label_of = table.label_reader(label, self.label_type) if label else None
        groups = table.optional_ids(group)

        def example(row: int) -> Volume:
            made = Volume(
                self._volume(table, row, file), mask=self._volume(table, row, mask), structures=self.structures,
                label=label_of(row) if label_of else None,
                group=groups[row] or patient_in(str(table.columns[str(file)][row])), source=table.place(row),
            )  # fmt: skip
            made.check()
            return made

        examples = [self.damaged.sound(partial(example, row), table.place(row)) for row in range(len(table))]
        return examples, {"file": file, "mask": mask, "label": label, "group": group}

    @staticmethod
    def _named(table: Table, name: str) -> str | None:
        return table.find(name, None, (name,), needed=False)

    def _volume(self, table: Table, row: int, column: str | None) -> Path | None:
        if column is None:
            return None
        name = table.id(row, column)
        path = file_in(table, row, name, folders=True)
        if not is_volume(path):
            raise DataError(
                f"{table.place(row)}: {name!r} is no volume; it should be {', '.join(VOLUME_SUFFIXES)} or the folder of a "
                "DICOM series"
            )
        return path


def patient_in(name: str) -> str | None:
    """The patient that a name in BIDS's manner tells (Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44): `sub-07` of
    `sub-07_ses-2_T1w`; None where it tells none."""
    found = re.search(r"(?:^|[_/\\])(sub-[A-Za-z0-9]+)", name)
    return found[1] if found else None


def content_of(example: Volume) -> str:
    """A fingerprint of the content of a scan's file, or of all files of a DICOM series."""
    path = example.path
    assert path is not None, "scans of one's own are files"
    if path.is_file():
        return sha256_of(path)[:16]
    inside = sorted(sha256_of(item) for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
    return hashlib.sha256("".join(inside).encode()).hexdigest()[:16]


def _are_paths(table: Table, column: str) -> bool:
    values: Sequence[Any] = table.columns[column]
    return all(volume_suffix(Path(str(value).strip())) is not None for value in values)
