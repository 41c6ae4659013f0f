"""The Stanford Sentiment Treebank's sentences."""

from pathlib import Path
from typing import Literal

from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines

LABELS = {
    "binary": {"0": "negative", "1": "positive"},
    "fine": {"0": "very negative", "1": "negative", "2": "neutral", "3": "positive", "4": "very positive"},
}


class StanfordSentiment(Reader):
    """SST (Socher et al. 2013) by sentences: a label's number, a space, the sentence; `stsa.binary.train` and so on.

    Args:
        granularity: binary (SST-2: 6,920/872/1,821 sentences) or fine (SST-5)
        path: a folder with the three files; by default the data set is fetched
    """

    example = Text

    def __init__(self, granularity: Literal["binary", "fine"] = "binary", path: str | None = None) -> None:
        self.granularity = granularity
        self.path = path

    def read(self) -> Splits:
        """Read the official split.

        Raises:
            DataError: a file is absent, or a line has no label.
        """
        folder, facts = benchmark_folder("sst2", self.path)
        train, val, test = (self._part(folder / f"stsa.{self.granularity}.{name}") for name in ("train", "dev", "test"))
        return Splits(train, val, test, files=facts)

    def _part(self, path: Path) -> list[Text]:
        names = LABELS[self.granularity]
        found = []
        for number, line in enumerate(read_lines(path), 1):
            label, _, sentence = line.partition(" ")
            if label not in names or not sentence:
                raise DataError(f"{path}:{number}: should be a label ({', '.join(names)}), a space and a sentence")
            found.append(Text(sentence.strip(), names[label], source=f"{path.name}:{number}"))
        return found
