"""Folders of sounds, one folder a word."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from convzoo.core.arguments import Count, Fraction
from convzoo.core.audio import Audio
from convzoo.core.errors import DataError
from convzoo.core.examples import Splits
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.ops.splitting import carve_validation, splits_of
from convzoo.ops.word_folders import listed, words_in
from convzoo.readers.benchmark import benchmark_folder

SPLIT_FOLDERS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val", "test": "test",
    "testing": "test",
}  # fmt: skip


class AudioFolder(Reader):
    """`<word>/<file>`: Speech Commands' layout (Warden 2018, arXiv:1804.03209), or `train/<word>/<file>` with `test/` beside it.

    With `testing_list.txt` the split is as given, by it and `validation_list.txt`. Where there is no split it is made, stratified
    by word, and by speaker where the names say one (`<speaker>_nohash_<number>.wav`); files of the same content stay together.

    Args:
        path: the folder; by default Speech Commands v2 is fetched and unpacked
        words: only these words
        val: part for validation, where the split is made here
        test: part for testing, where the split is made here
        seed: of the split
    """

    example = Audio
    formats: ClassVar[str] = (
        "a folder of sounds, one folder a word (Speech Commands' layout, or train/, val/ and test/)"
    )

    def __init__(
        self,
        path: str | None = None,
        words: list[str] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        self.path = path
        self.words = words
        self.val = val
        self.test = test
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders."""
        return path.is_dir() and any(child.is_dir() for child in path.iterdir())

    def examples(self) -> list[Audio]:
        """All sounds, whatever the split."""
        folder = self._folder()[0]
        return super().examples() if self._given(folder) else words_in(folder, words=self.words)

    def read(self) -> Splits:
        """List the sounds. They are opened when they are encoded.

        Raises:
            DataError: no such folder, no word, a word with too few sounds, or a list that names what is not there.
        """
        folder, files = self._folder()
        given = self._given(folder)
        if given:
            for name in ("train", "test"):
                if name not in given:
                    raise DataError(f"{folder}: has a folder {next(iter(given))} and none named {name}")
            parts = {name: words_in(child, folder, self.words) for name, child in given.items()}
            return self._finish(parts, files)
        found = words_in(folder, words=self.words)
        if len({example.label for example in found}) < 2:
            raise DataError(f"{folder}: holds one word, {found[0].label!r}; a classifier needs at least 2")
        parts = listed(folder, found) or {}
        if not parts:
            return splits_of(found, self.val, self.test, self.seed, files, _prints(found))
        return self._finish(parts, files)

    def _folder(self) -> tuple[Path, dict]:
        if self.path is None:
            return _speech_commands()
        if not Path(self.path).is_dir():
            raise DataError(f"{self.path}: no such folder")
        return Path(self.path), {}

    def _given(self, folder: Path) -> dict[str, Path]:
        """The folders of a split; `train` must be one of them, for a word may be called `test`."""
        found = {
            SPLIT_FOLDERS[child.name.lower()]: child
            for child in sorted(folder.iterdir())
            if child.is_dir() and child.name.lower() in SPLIT_FOLDERS and any(each.is_dir() for each in child.iterdir())
        }
        return found if "train" in found else {}

    def _finish(self, parts: dict[str, list[Audio]], files: dict) -> Splits:
        for name in ("train", "test"):
            if not parts[name]:
                raise DataError(f"{self.path}: the {name} split has no sounds")
        splits = Splits(parts["train"], parts.get("val", []), parts["test"], origin="as given", files=files)
        return splits if splits.val else carve_validation(splits, self.val, self.seed, _prints(splits.train))


def _speech_commands() -> tuple[Path, dict]:
    """The unpacked archive, in the cache, and the archive's checksum."""
    from convzoo.datasets.archives import extract
    from convzoo.datasets.download import cache_folder

    folder, files = benchmark_folder("speech_commands", None)
    unpacked = cache_folder() / "speech_commands" / "unpacked"
    if not unpacked.is_dir():
        (archive,) = folder.glob("speech_commands_v0.02.tar.gz")
        extract(archive, unpacked)
    return unpacked, files


def _prints(examples: Sequence[Audio]) -> list[str]:
    """A fingerprint of each file's content."""
    return [sha256_of(example.path)[:16] for example in examples if example.path is not None]
