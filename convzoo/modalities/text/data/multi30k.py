"""Multi30k: captions of photographs, in English and German."""

from pathlib import Path
from typing import Literal

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.pair import Pair
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines

FILES = {"train": "train", "val": "val", "test": "test_2016_flickr"}


class Multi30k(Reader):
    """Multi30k, task 1 (Elliott et al. 2016, aclanthology.org/W16-3210): 29,000 pairs for training, 1,014 for validation, and
    the 1,000 of Flickr 2016 for testing, as raw text: `train.de.gz` and so on.

    Args:
        source: the language that is translated
        target: the language that it is translated into
        path: a folder with the files, compressed or not; by default the data set is fetched
    """

    example = Pair

    def __init__(
        self, source: Literal["de", "en"] = "de", target: Literal["de", "en"] = "en", path: str | None = None
    ) -> None:
        if source == target:
            raise DataError(f"data.source and data.target are both {source!r}; one should be de, the other en")
        self.languages = (source, target)
        self.path = path

    def read(self) -> Splits:
        """Read the official split.

        Raises:
            DataError: a file is absent or damaged, or two differ in length.
        """
        folder, facts = benchmark_folder("multi30k", self.path)
        train, val, test = (self._part(folder, name) for name in FILES.values())
        return Splits(train, val, test, files=facts)

    def _part(self, folder: Path, name: str) -> list[Pair]:
        paths = [self._file(folder, f"{name}.{language}") for language in self.languages]
        texts, translations = (read_lines(path) for path in paths)
        if len(texts) != len(translations):
            raise DataError(f"{paths[0]} has {len(texts):,} lines and {paths[1]} has {len(translations):,}")
        return [
            Pair(text.strip(), translation.strip(), source=f"{paths[0].name}:{number}")
            for number, (text, translation) in enumerate(zip(texts, translations, strict=True), 1)
        ]

    def _file(self, folder: Path, name: str) -> Path:
        return folder / name if (folder / name).is_file() else folder / f"{name}.gz"
