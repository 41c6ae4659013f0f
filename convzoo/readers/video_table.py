"""Manifests: tables that name video files and what is done in them."""

from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.video import Video
from convzoo.ops.columns import SPLIT_NAMES
from convzoo.ops.splitting import carve_validation, splits_of
from convzoo.readers.tables import SUFFIXES, read_table

USUAL = {
    "video": ("path", "file", "filename", "file_name", "video", "clip"),
    "label": ("label", "action", "class", "category", "target"),
    "group": ("group", "person", "subject", "source", "scene"),
    "split": ("split", "set", "subset"),
}


class VideoTable(Reader):
    """A manifest `path,label[,group][,split]`; paths are absolute or relative to the manifest's folder.

    Without a split column the split is made, by group where there is such a column (the person, or the film that a clip was cut
    from), stratified by label; files of the same content stay together.

    Args:
        path: a .csv, .tsv or .parquet file with a heading
        video: the column with the path; by default one named path, file, filename, file_name, video or clip
        label: the column with the label; by default one named label, action, class, category or target
        group: the column with what must not be split; by default one named group, person, subject, source or scene
        split: the column that says train, val or test; by default one named split, set or subset
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Video
    formats: ClassVar[str] = "a manifest (.csv, .tsv) with the columns path and label, optionally group and split"

    def __init__(
        self,
        path: str,
        video: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.columns = {"video": video, "label": label, "group": group, "split": split}
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending."""
        return path.is_file() and path.suffix.lower() in SUFFIXES

    def examples(self) -> list[Video]:
        """All rows, whatever the split."""
        return self._rows(splits=False)[0]

    def read(self) -> Splits:
        """Read the manifest. The videos are opened when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no file or another split, or too few rows to split.
        """
        found, homes = self._rows()
        prints = {example.path: sha256_of(example.path)[:16] for example in found if example.path is not None}
        files = {str(self.path): {"sha256": sha256_of(self.path)}}
        if homes is None:
            keys = [prints[example.path] for example in found if example.path is not None]
            return splits_of(found, self.val, self.test, self.seed, files, keys)
        parts: dict[str, list[Video]] = {"train": [], "val": [], "test": []}
        copies: dict[str, str] = {}
        for example, home in zip(found, homes, strict=True):
            assert example.path is not None, "a manifest names files"
            if copies.setdefault(prints[example.path], home) != home:
                raise DataError(
                    f"{example.source}: {example.path} (or a copy) stands in both {copies[prints[example.path]]} and {home}"
                )
            parts[home].append(example)
        for name in ("train", "test"):
            if not parts[name]:
                raise DataError(f"{self.path}: the {name} split has no rows")
        splits = Splits(parts["train"], parts["val"], parts["test"], origin="as given", files=files)
        if splits.val:
            return splits
        return carve_validation(splits, self.val, self.seed, [prints[e.path] for e in splits.train if e.path])

    def _rows(self, splits: bool = True) -> tuple[list[Video], list[str] | None]:
        table = read_table(self.path)
        names = {
            role: table.find(role, self.columns[role], usual, needed=role in ("video", "label"))
            for role, usual in USUAL.items()
        }
        if not len(table):
            raise DataError(f"{self.path}: holds no rows")
        assert names["video"] and names["label"], "needed columns are found"
        paths, labels = table.ids(names["video"]), table.ids(names["label"])
        groups = table.ids(names["group"]) if names["group"] else [None] * len(table)
        found = []
        for row, (name, label, group) in enumerate(zip(paths, labels, groups, strict=True)):
            path = self.path.parent / name
            if not path.is_file():
                raise DataError(f"{table.place(row)}: {name!r} is not there (looked for {path})")
            found.append(Video(path, label=label, group=group, source=table.place(row)))
        if not splits or names["split"] is None:
            return found, None
        homes = table.ids(names["split"])
        for row, value in enumerate(homes):
            if value.lower() not in SPLIT_NAMES:
                raise DataError(f"{table.place(row)}: the split is {value!r}; it should be train, val or test")
        return found, [SPLIT_NAMES[value.lower()] for value in homes]
