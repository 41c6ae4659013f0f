"""Folders of images, one folder a class."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import IMAGE_SUFFIXES, Image, Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.ops.splitting import carve_validation, splits_of

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
}  # fmt: skip


class ImageFolder(Reader):
    """`<class>/<image>`, or `train/<class>/<image>` with test and, optionally, val beside train.

    Where there is no split it is made, stratified by class; files of the same content are kept together, so that a copy of a
    training image is never tested on.

    Args:
        path: the folder
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Image
    formats: ClassVar[str] = "a folder of images, one folder a class (or train/, val/ and test/ with such folders)"

    def __init__(self, path: str, val: Fraction = 0.15, test: Fraction = 0.15, seed: Count = 0) -> None:
        self.path = Path(path)
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders."""
        return path.is_dir() and any(child.is_dir() for child in path.iterdir())

    def examples(self) -> list[Image]:
        """All images, whatever the split."""
        folders = {child.name.lower() for child in self.path.iterdir()} if self.path.is_dir() else set()
        return super().examples() if "train" in folders else self._classes(self.path)

    def read(self) -> Splits:
        """List the images. They are opened when they are encoded.

        Raises:
            DataError: no such folder, no class, an empty file, a class with too few images.
        """
        if not self.path.is_dir():
            raise DataError(f"{self.path}: no such folder")
        given = {
            SPLIT_FOLDERS[child.name.lower()]: child
            for child in sorted(self.path.iterdir())
            if child.is_dir() and child.name.lower() in SPLIT_FOLDERS
        }
        if "train" not in given:
            return splits_of(self._classes(self.path, grouped=True), self.val, self.test, self.seed)
        if "test" not in given:
            raise DataError(f"{self.path}: has a folder train and none named test")
        train = self._classes(given["train"], grouped="val" not in given)
        val = self._classes(given["val"]) if "val" in given else []
        splits = Splits(train, val, self._classes(given["test"]), origin="as given")
        if not val:
            splits = carve_validation(splits, self.val, self.seed)
            splits = replace(
                splits,
                train=[replace(e, group=None) for e in splits.train],
                val=[replace(e, group=None) for e in splits.val],
            )
        return splits

    def _classes(self, folder: Path, grouped: bool = False) -> list[Image]:
        found = []
        for kind in sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith(".")):
            files = sorted(path for path in kind.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
            if not files:
                raise DataError(f"{kind}: class {kind.name!r} has no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
            for path in files:
                if path.stat().st_size == 0:
                    raise DataError(f"{path}: is empty (0 bytes); delete it or replace it by an image")
                group = sha256_of(path)[:16] if grouped else None
                found.append(
                    Image(path=path, label=kind.name, group=group, source=path.relative_to(self.path).as_posix())
                )
        if not found:
            raise DataError(f"{folder}: holds no folder of images; make one folder a class")
        return found
