"""The Spanish part of the CoNLL-2002 shared task."""

from pathlib import Path

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.tagging import Found, Settings, read_file
from convzoo.modalities.text.tagged import TaggedText
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import read_bytes


class Conll2002(Reader):
    """Spanish news with people, organisations, places and others (Tjong Kim Sang 2002, aclanthology.org/W02-2024).

    8,323 sentences to train, 1,915 to validate (testa), 1,517 to test (testb); a token, its part of speech and its tag a line.
    The part of speech is not used. The files of the shared task are in latin-1; copies in UTF-8 are in use, and are read as such.

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
        train, val, test = (
            read_whole(file, Settings(token="1", tag="-1", encoding=_encoding_of(file)))
            for file in (folder / f"esp.{name}" for name in ("train", "testa", "testb"))
        )
        return Splits(train, val, test, origin="official: esp.train, esp.testa, esp.testb", files=facts)


def _encoding_of(path: Path) -> str:
    """UTF-8 where the file is valid in it, which Spanish in latin-1 is not."""
    try:
        read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def read_whole(path: Path, settings: Settings) -> list[TaggedText]:
    """All sentences of a benchmark's file, none of which may be damaged."""
    damaged = Damaged(False, "sentences")
    texts = read_file(path, settings, damaged, Found())
    damaged.settle()
    if not texts:
        raise DataError(f"{path}: holds no sentences")
    return texts
