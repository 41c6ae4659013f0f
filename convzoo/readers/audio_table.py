"""Manifests: tables that name sound files and what is said in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.audio import Audio
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.ops.columns import split_named
from convzoo.ops.splitting import carve_validation, splits_of
from convzoo.readers.tables import read_table

USUAL = {
    "sound": ("path", "file", "filename", "file_name", "audio", "wav"),
    "label": ("label", "word", "class", "category", "target", "command"),
    "group": ("speaker", "group", "speaker_id", "client_id"),
    "split": ("split", "set", "subset"),
}


class AudioTable(Reader):
    """A manifest `path,label[,speaker][,split]`; paths are absolute or relative to the manifest's folder.

    Without a split column the split is made, by speaker where there is such a column, stratified by label; files of the same
    content stay together.

    Args:
        path: a .csv or .tsv file with a heading
        sound: the column with the path; by default one named path, file, filename, file_name, audio or wav
        label: the column with the label; by default one named label, word, class, category, target or command
        group: the column with what must not be split; by default one named speaker, group, speaker_id or client_id
        split: the column that says train, val or test; by default one named split, set or subset
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Audio
    formats: ClassVar[str] = "a manifest (.csv, .tsv) with the columns path and label, optionally speaker and split"

    def __init__(
        self,
        path: str,
        sound: str | None = None,
        label: str | None = None,
        group: str | None = None,
        split: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = Path(path)
        self.columns = {"sound": sound, "label": label, "group": group, "split": split}
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending."""
        return path.is_file() and path.suffix.lower() in (".csv", ".tsv")

    def examples(self) -> list[Audio]:
        """All rows, whatever the split."""
        return [example for _, example in self._rows(splits=False)]

    def read(self) -> Splits:
        """Read the manifest. The sounds are opened when they are encoded.

        Raises:
            DataError: no such file or column, a row that names no file or another split, or too few rows to split.
        """
        rows = self._rows()
        files = {str(self.path): {"sha256": sha256_of(self.path)}}
        if all(part is None for part, _ in rows):
            examples = [example for _, example in rows]
            return splits_of(examples, self.val, self.test, self.seed, files, _prints(examples))
        parts: dict[str, list[Audio]] = {"train": [], "val": [], "test": []}
        homes: dict[Path | None, str] = {}
        for part, example in rows:
            assert part is not None, "all rows have a split, or none has"
            if homes.setdefault(example.path, part) != part:
                raise DataError(f"{example.source}: {example.path} stands in both {homes[example.path]} and {part}")
            parts[part].append(example)
        for name in ("train", "test"):
            if not parts[name]:
                raise DataError(f"{self.path}: the {name} split has no rows")
        splits = Splits(parts["train"], parts["val"], parts["test"], origin="as given", files=files)
        return splits if splits.val else carve_validation(splits, self.val, self.seed, _prints(splits.train))

    def _rows(self, splits: bool = True) -> list[tuple[str | None, Audio]]:
        table = read_table(self.path)
        names = {
            role: table.find(role, self.columns[role], usual, role in ("sound", "label"))
            for role, usual in USUAL.items()
        }
        found = []
        for row in range(len(table)):
            where = table.place(row)
            values = {role: None if name is None else table.columns[name][row].strip() for role, name in names.items()}
            split = values["split"] if splits else None
            part = None if split is None else split_named(where, str(names["split"]), split)
            found.append((part, self._example(where, values)))
        if not found:
            raise DataError(f"{self.path}: holds no rows")
        return found

    def _example(self, where: str, values: dict[str, str | None]) -> Audio:
        name, label = values["sound"], values["label"]
        if not name or not label:
            raise DataError(f"{where}: the {'path' if not name else 'label'} is empty; fill it or delete the row")
        path = self.path.parent / name
        if not path.is_file():
            raise DataError(f"{where}: {name!r} is not there (looked for {path})")
        return Audio(path, label=label, group=values["group"] or None, source=where)


def _prints(examples: Sequence[Audio]) -> list[str]:
    return [sha256_of(example.path)[:16] for example in examples if example.path is not None]
