"""Folders of scans and masks as the Medical Segmentation Decathlon and nnU-Net lay them out."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, read_json, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import did_you_mean
from convzoo.modalities.volume.data.own import content_of, patient_in
from convzoo.modalities.volume.example import Volume
from convzoo.modalities.volume.formats import volume_files, volume_stem
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.damaged import Damaged
from convzoo.reading.splitting import as_given, made_here

_CHANNEL = re.compile(r"_(\d{4})$")


class Decathlon(Reader):
    """`imagesTr/<case>.nii.gz` with masks of the same names in `labelsTr/`, and a `dataset.json` that names the structures
    (Antonelli et al. 2022, doi:10.1038/s41467-022-30695-9); nnU-Net's `<case>_0000.nii.gz` too.

    If `labelsTs/` exists, `imagesTs/` is the test split. Otherwise the split is made here by patient: the `sub-…` of BIDS if
    names have one, else each case counts as a separate patient.

    Args:
        path: the folder, or its dataset.json
        dataset: in place of a path, the name of a data set in `convzoo data`
        val: fraction for validation
        test: fraction for testing, if the split is made here and no fold is given
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        seed: random seed of the split
        structures: names of the values 1, 2 … of the masks, if no dataset.json names them
        skip_damaged: leave cases whose scan or mask cannot be read out, and say which; by default they are refused
    """

    example = Volume
    formats: ClassVar[str] = "a folder with imagesTr/ and labelsTr/ (Decathlon, nnU-Net), or its dataset.json"

    def __init__(
        self,
        path: str | None = None,
        dataset: str = "hippocampus",
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        seed: Count = 0,
        structures: list[str] | None = None,
        skip_damaged: bool = False,
    ) -> None:
        self.structures = dict(enumerate(structures, start=1)) if structures else None
        self.path = path
        self.dataset = dataset
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "cases")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with imagesTr, or a dataset.json."""
        if path.is_file():
            return path.name == "dataset.json"
        return (path / "imagesTr").is_dir()

    def examples(self) -> list[Volume]:
        """All cases with a mask, of all splits."""
        folder, _ = self._folder()
        parts, _, _ = self._cases(folder)
        return [example for part in parts.values() for example in part]

    def read(self) -> Splits:
        """List the cases, and read each once. They are read again when they are encoded.

        Raises:
            DataError: no such folder, a scan without a mask or a mask without a scan, cases that cannot be read, or too few.
        """
        folder, files = self._folder()
        parts, listing, found = self._cases(folder)
        if listing is not None and not files:
            files = {str(listing): {"sha256": sha256_of(listing)}}
        if parts.get("test"):
            splits = as_given(str(found), parts, self.val, self.seed, files, content_of, fold=self.fold)
        else:
            splits = made_here(parts["train"], self.val, self.test, self.seed, files, content_of, self.fold, self.folds)
        return replace(splits, skipped=self.damaged.skipped)

    def _folder(self) -> tuple[Path, dict[str, Any]]:
        if self.path is None:
            return benchmark_folder(self.dataset, None)
        path = Path(self.path)
        if path.is_file():
            return path.parent, {}
        if not path.is_dir():
            raise no_such(path, "folder")
        return path, {}

    def _cases(self, folder: Path) -> tuple[dict[str, list[Volume]], Path | None, Path]:
        """The cases by split, the dataset.json where there is one, and the folder."""
        listing = folder / "dataset.json"
        facts: dict[str, Any] = {}
        if listing.is_file():
            facts = read_json(listing)
            if not isinstance(facts, dict):
                raise DataError(f"{listing}: is not a mapping; a Decathlon's dataset.json is expected")
        structures = _structures(facts, listing) or self.structures
        rows = facts.get("training")
        if isinstance(rows, list) and rows:
            train = [_listed(folder, listing, index, row, structures) for index, row in enumerate(rows)]
        else:
            train = _paired(folder, "imagesTr", "labelsTr", structures)
        parts = {"train": train}
        if (folder / "labelsTs").is_dir() and volume_files(folder / "labelsTs"):
            parts["test"] = _paired(folder, "imagesTs", "labelsTs", structures)
        self.damaged = Damaged(self.skip_damaged, "cases")
        if self.path is not None:  # fetched files have been checked by their checksums
            parts = {
                name: self.damaged.kept(cases, Volume.check, lambda case: case.where) for name, cases in parts.items()
            }
        self.damaged.settle()
        return parts, listing if facts else None, folder


def _structures(facts: dict[str, Any], listing: Path) -> dict[int, str] | None:
    """The names of the values of the masks except 0: the Decathlon writes {"1": "liver"}, nnU-Net {"liver": 1}."""
    labels = facts.get("labels")
    if labels is None:
        return None
    if not isinstance(labels, dict):
        raise DataError(f"{listing}: labels should map numbers to names")
    found: dict[int, str] = {}
    for key, value in labels.items():
        number, name = (key, value) if str(key).isdigit() else (value, key)
        if isinstance(number, list):
            raise DataError(f"{listing}: label {name!r} is a region of several values; give each value its own name")
        if not str(number).isdigit():
            raise DataError(f"{listing}: label {name!r} has the value {number!r}; it should be a whole number")
        if int(number):
            found[int(number)] = str(name)
    return dict(sorted(found.items()))


def _listed(folder: Path, listing: Path, index: int, row: Any, structures: dict[int, str] | None) -> Volume:
    """A case that a Decathlon's dataset.json lists."""
    if not isinstance(row, dict) or not isinstance(row.get("image"), str) or not isinstance(row.get("label"), str):
        raise DataError(f"{listing}: training[{index}] should be {{image: PATH, label: PATH}}, one file each")
    paths = []
    for key in ("image", "label"):
        path = folder / row[key]
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{listing}: training[{index}] names {row[key]!r}, which lies outside {folder}")
        if not path.exists():
            raise DataError(f"{listing}: training[{index}] names {row[key]!r}, which does not exist")
        paths.append(path)
    return _case(folder, paths[0], paths[1], structures)


def _paired(folder: Path, images: str, masks: str, structures: dict[int, str] | None) -> list[Volume]:
    """Scans with the masks of the same names."""
    for name in (images, masks):
        if not (folder / name).is_dir():
            raise DataError(f"{folder}: has no folder {name}; scans are in {images}, their masks in {masks}")
    by_case: dict[str, Path] = {}
    drawn = {volume_stem(path): path for path in volume_files(folder / masks)}
    for path in volume_files(folder / images):
        stem = volume_stem(path)
        channel = _CHANNEL.search(stem) if stem not in drawn else None
        if channel and channel[1] != "0000":
            raise DataError(f"{path}: is a further channel of a case; one channel a case is expected (…_0000)")
        by_case[stem[: channel.start()] if channel else stem] = path
    if not by_case:
        raise DataError(f"{folder / images}: holds no volume")
    for case, path in by_case.items():
        if case not in drawn:
            raise DataError(f"{path}: has no mask in {folder / masks}; {did_you_mean(case, drawn, 4)}")
    for case, path in drawn.items():
        if case not in by_case:
            raise DataError(f"{path}: has no scan in {folder / images}; {did_you_mean(case, by_case, 4)}")
    return [_case(folder, path, drawn[case], structures) for case, path in sorted(by_case.items())]


def _case(folder: Path, image: Path, mask: Path, structures: dict[int, str] | None) -> Volume:
    name = volume_stem(image)
    source = image.relative_to(folder).as_posix()
    return Volume(image, mask=mask, structures=structures, group=patient_in(name) or name, source=source)
