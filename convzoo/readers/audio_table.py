"""Manifests: tables that name sound files and what is said in them."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.audio import Audio
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits, read_lines
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.text import did_you_mean
from convzoo.ops.splitting import carve_validation, splits_of

USUAL = {
    "sound": ("path", "file", "filename", "file_name", "audio", "wav"),
    "label": ("label", "word", "class", "category", "target", "command"),
    "group": ("speaker", "group", "speaker_id", "client_id"),
    "split": ("split", "set", "subset"),
}
SPLIT_NAMES = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


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
        text = "\n".join(read_lines(self.path)).removeprefix("\ufeff")
        delimiter = "\t" if self.path.suffix.lower() == ".tsv" else ","
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            heading = [name.strip() for name in next(reader, [])]
            places = {role: self._place(role, heading) for role in USUAL}
            found = []
            for fields in reader:
                if not fields:
                    continue
                where = f"{self.path}:{reader.line_num}"
                if len(fields) != len(heading):
                    raise DataError(f"{where}: has {len(fields)} fields, the heading {len(heading)}")
                values = {role: None if at is None else fields[at].strip() for role, at in places.items()}
                found.append((self._part(where, values["split"]) if splits else None, self._example(where, values)))
        except csv.Error as error:
            raise DataError(f"{self.path}:{reader.line_num}: is not valid CSV ({error})") from None
        if not found:
            raise DataError(f"{self.path}: holds no rows")
        return found

    def _place(self, role: str, heading: Sequence[str]) -> int | None:
        wanted = self.columns[role]
        if wanted is not None:
            if wanted not in heading:
                raise DataError(f"{self.path}: has no column {wanted!r}; {did_you_mean(wanted, heading)}")
            return heading.index(wanted)
        folded = [name.lower() for name in heading]
        at = next((folded.index(name) for name in USUAL[role] if name in folded), None)
        if at is None and role in ("sound", "label"):
            what = "path of the sound" if role == "sound" else "label"
            raise DataError(
                f"{self.path}: which column is the {what}? it has {', '.join(heading) or 'no heading'}; say data.{role}=COLUMN"
            )
        return at

    def _part(self, where: str, value: str | None) -> str | None:
        if value is None:
            return None
        if value.lower() not in SPLIT_NAMES:
            raise DataError(f"{where}: the split is {value!r}; it should be train, val or test")
        return SPLIT_NAMES[value.lower()]

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
