"""The TREC questions."""

from pathlib import Path
from typing import Literal

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines
from convzoo.reading.splitting import hold_out


class Trec(Reader):
    """TREC question types (Li & Roth 2002): `NUM:dist How far is it …`, latin-1; 5,452 for training, 500 for testing.

    There is no official validation split; it is taken from the training split. Some test questions stand in the training file
    too. The official protocol keeps them, so they are only counted and said.

    Args:
        granularity: coarse (6) or fine (50)
        path: a folder with train_5500.label and TREC_10.label; by default the data set is fetched
        val: fraction of the training split used for validation
        seed: random seed of that choice
    """

    example = Text

    def __init__(
        self,
        granularity: Literal["coarse", "fine"] = "coarse",
        path: str | None = None,
        val: Fraction = 0.1,
        seed: Count = 0,
    ) -> None:
        self.granularity = granularity
        self.path = path
        self.val = val
        self.seed = seed

    def read(self) -> Splits:
        """Read both files.

        Raises:
            DataError: a file is absent, or a line has no class.
        """
        folder, facts = benchmark_folder("trec", self.path)
        rest = self._part(folder / "train_5500.label")
        test = self._part(folder / "TREC_10.label")
        known = {fingerprint(example.text) for example in rest}
        copies = sum(fingerprint(example.text) in known for example in test)
        held = hold_out([example.label for example in rest], self.val, self.seed)
        return Splits(
            [example for example, val in zip(rest, held, strict=True) if not val],
            [example for example, val in zip(rest, held, strict=True) if val],
            test,
            origin=f"official test split; val made here: {self.val:g} of train, stratified, seed {self.seed}",
            files=facts,
            notes=[f"{copies:,} of the {len(test):,} test questions stand in training too, as in the official files"]
            if copies
            else [],
        )

    def _part(self, path: Path) -> list[Text]:
        found = []
        for number, line in enumerate(read_lines(path, "latin-1"), 1):
            label, _, question = line.partition(" ")
            coarse, colon, _ = label.partition(":")
            if not colon or not question.strip():
                raise DataError(f"{path}:{number}: should be COARSE:fine, a space and a question")
            found.append(
                Text(
                    question.strip(), coarse if self.granularity == "coarse" else label, source=f"{path.name}:{number}"
                )
            )
        return found
