"""The Spanish part of the CoNLL-2002 shared task."""

from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.tagging import Found, Settings, read_file
from convzoo.modalities.text.tagged import TaggedText
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.damaged import Damaged


class Conll2002(Reader):
    """Spanish news with people, organisations, places and others (Tjong Kim Sang 2002, aclanthology.org/W02-2024).

    8,323 sentences to train, 1,915 to validate (testa), 1,517 to test (testb); latin-1, a token, its part of speech and its tag a
    line. The part of speech is not used.

    Args:
        path: a folder with esp.train, esp.testa and esp.testb; by default the data set is fetched
    """

    example = TaggedText

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def read(self) -> Splits:
        """Read the three files.

        Raises:
            DataError: a file is absent, or a line has other columns.
        """
        folder, facts = benchmark_folder("conll2002", self.path)
        settings = Settings(token="1", tag="-1", encoding="latin-1")
        train, val, test = (read_whole(folder / f"esp.{name}", settings) for name in ("train", "testa", "testb"))
        return Splits(train, val, test, origin="official: esp.train, esp.testa, esp.testb", files=facts)


def read_whole(path: Path, settings: Settings) -> list[TaggedText]:
    """All sentences of a benchmark's file, none of which may be damaged."""
    damaged = Damaged(False, "sentences")
    texts = read_file(path, settings, damaged, Found())
    damaged.settle()
    if not texts:
        raise DataError(f"{path}: holds no sentences")
    return texts
