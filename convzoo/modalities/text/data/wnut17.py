"""The WNUT 2017 shared task: emerging and rare entities."""

from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.data.conll2002 import read_whole
from convzoo.modalities.text.data.tagging import Settings
from convzoo.modalities.text.tagged import TaggedText
from convzoo.reading.benchmark import benchmark_folder


class Wnut17(Reader):
    """Messages with six types of entities that are mostly new (Derczynski et al. 2017, aclanthology.org/W17-4418).

    3,394 to train, 1,009 to validate and 1,287 to test, from different networks.

    Args:
        path: a folder with wnut17train.conll, emerging.dev.conll and emerging.test.annotated; by default the data set is fetched
    """

    example = TaggedText

    def __init__(self, path: str | None = None) -> None:
        self.path = path

    def read(self) -> Splits:
        """Read the three files.

        Raises:
            DataError: a file is absent, or a line has other columns.
        """
        folder, facts = benchmark_folder("wnut17", self.path)
        settings = Settings(token="1", tag="2", separator="\t", encoding="utf-8")
        names = ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated")
        train, val, test = (read_whole(folder / name, settings) for name in names)
        return Splits(train, val, test, origin=f"official: {', '.join(names)}", files=facts)
