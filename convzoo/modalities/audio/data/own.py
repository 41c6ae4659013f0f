"""Sounds of one's own: a folder a word, with Speech Commands' lists where they are there, or a table that names files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from convzoo.core.arguments import Copies, Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.modalities.audio.example import Audio
from convzoo.modalities.audio.formats import AUDIO_SUFFIXES
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.folder import ClassFolders
from convzoo.reading.lines import read_lines
from convzoo.reading.manifest import Manifest

LISTS = {"validation_list.txt": "val", "testing_list.txt": "test"}
SPEAKER = "_nohash_"


class AudioFolder(ClassFolders):
    """Sounds as `<word>/<file>`: Speech Commands' layout (Warden 2018, arXiv:1804.03209); or `train/<word>/<file>` with `test/`
    beside it.

    With `testing_list.txt` the split is as given, by it and `validation_list.txt`. Where there is no split it is made, stratified
    by word, and by speaker where the names say one (`<speaker>_nohash_<number>.wav`); files of the same content stay together.
    Folders whose names begin with an underscore (`_background_noise_`) are no words.

    Args:
        path: the folder; by default Speech Commands v2 is fetched and unpacked
        classes: only these words; by default all
        group: what stays together: `folder`, the files of one folder inside a word's; `none`; by default what the names say
        val: part for validation, where it is made here
        test: part for testing, where the split is made here and no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: of a file in two parts of a given split: refuse them; drop them from training; or keep them
        seed: of a split that is made here
        skip_damaged: leave sounds that cannot be read out, and say which; by default they are refused
    """

    example = Audio
    formats: ClassVar[str] = (
        "a folder of sounds, one folder a word (Speech Commands' layout, or train/, val/ and test/)"
    )
    what = "sound"
    one_class = "word"
    suffixes = AUDIO_SUFFIXES

    def __init__(
        self,
        path: str | None = None,
        classes: list[str] | None = None,
        group: Literal["folder", "none"] | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        copies: Copies = "refuse",
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.fetched: dict[str, Any] = {}
        if path is None:
            # Its own lists hold copies of a few recordings under several names.
            folder, self.fetched = _speech_commands()
            path, copies = str(folder), "keep"
        super().__init__(path, classes, group, val, test, fold, folds, copies, seed, skip_damaged)

    @classmethod
    def group_of(cls, inside: Path) -> str | None:
        """The speaker."""
        speaker, marked, _ = inside.name.partition(SPEAKER)
        return speaker if marked else None

    def check(self, example: Any) -> None:
        """Open the file; not those of the fetched archive, whose checksum is known.

        Raises:
            DataError: it cannot be read.
        """
        if not self.fetched:
            super().check(example)

    def _facts(self) -> dict[str, Any]:
        return self.fetched

    def _used_otherwise(self, path: Path) -> bool:
        return path.name in LISTS

    def _parts(self, folder: Path) -> dict[str, list[Any]]:
        parts = super()._parts(folder)
        return listed(folder, parts["all"]) if "all" in parts and (folder / "testing_list.txt").is_file() else parts


class AudioTable(Manifest):
    """A table with a row a sound: its path and what is said in it, perhaps a speaker and a split."""

    example = Audio
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns path and label, optionally speaker and split"
    )
    what = "sound"
    file_names = ("audio", "wav", "audio_path", "clip")
    label_names = ("word", "command")
    group_names = ("speaker", "group", "speaker_id", "client_id")


def listed(folder: Path, examples: Sequence[Audio]) -> dict[str, list[Any]]:
    """Examples by split, as `validation_list.txt` and `testing_list.txt` have it.

    Raises:
        DataError: a list names a file that is not there.
    """
    known = {example.source for example in examples}
    words = {source.partition("/")[0] for source in known}
    home = {}
    for name, part in LISTS.items():
        if not (folder / name).is_file():
            continue
        for number, line in enumerate(read_lines(folder / name), 1):
            source = line.strip()
            # A word that was left out is left out of the lists too.
            wanted = source.partition("/")[0] in words or not (folder / source).is_file()
            if source and source not in known and wanted:
                raise DataError(f"{folder / name}:{number}: names {source!r}, which is not there")
            home[source] = part
    parts: dict[str, list[Any]] = {"train": [], "val": [], "test": []}
    for example in examples:
        parts[home.get(example.source, "train")].append(example)
    return parts


def _speech_commands() -> tuple[Path, dict[str, Any]]:
    """The unpacked archive, in the cache, and the archive's checksum."""
    from convzoo.datasets.archives import extract
    from convzoo.datasets.download import cache_folder

    folder, files = benchmark_folder("speech_commands", None)
    unpacked = cache_folder() / "speech_commands" / "unpacked"
    if not unpacked.is_dir():
        (archive,) = folder.glob("speech_commands_v0.02.tar.gz")
        extract(archive, unpacked)
    return unpacked, files
