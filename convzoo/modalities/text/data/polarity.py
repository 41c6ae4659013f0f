"""Two files of sentences, one a class: the MR and Subj benchmarks as Kim (2014) used them."""

from typing import Literal

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines
from convzoo.reading.splitting import folds_by_group, hold_out

FILES = {
    "mr": {"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"},
    "subj": {"objective": "subj.objective", "subjective": "subj.subjective"},
}


class Polarity(Reader):
    r"""MR (Pang & Lee 2005) or Subj (Pang & Lee 2004): tokenised, lower-case, one sentence a line, latin-1.

    The lines are split at `\n` only: MR holds the control character `\x85`, which Unicode counts as a line break. There is no
    official split: one of ten stratified folds is for testing; validation is taken from the other nine.

    Args:
        dataset: mr or subj
        path: a folder with the two files; by default the data set is fetched
        fold: the fold used for testing, from 0
        folds: number of folds
        val: fraction of the other folds used for validation
        seed: random seed of the folds
    """

    example = Text

    def __init__(
        self,
        dataset: Literal["mr", "subj"] = "mr",
        path: str | None = None,
        fold: Count = 0,
        folds: Count = 10,
        val: Fraction = 0.1,
        seed: Count = 0,
    ) -> None:
        self.dataset = dataset
        self.path = path
        self.fold = fold
        self.folds = folds
        self.val = val
        self.seed = seed

    def read(self) -> Splits:
        """Read both files and take the fold out.

        Raises:
            DataError: a file is absent or empty, or there is no such fold.
        """
        folder, facts = benchmark_folder(self.dataset, self.path)
        examples = []
        for label, name in FILES[self.dataset].items():
            lines = read_lines(folder / name, "latin-1")
            if not lines:
                raise DataError(f"{folder / name}: is empty")
            examples += [Text(line.strip(), label, source=f"{name}:{number}") for number, line in enumerate(lines, 1)]
        labels, alone = [example.label for example in examples], list(range(len(examples)))
        tested = folds_by_group(labels, alone, self.folds, self.seed, str(folder), self.fold) == self.fold
        rest = [example for example, test in zip(examples, tested, strict=True) if not test]
        held = hold_out([e.label for e in rest], self.val, self.seed + 1)
        return Splits(
            train=[example for example, val in zip(rest, held, strict=True) if not val],
            val=[example for example, val in zip(rest, held, strict=True) if val],
            test=[example for example, test in zip(examples, tested, strict=True) if test],
            origin=f"made here: fold {self.fold} of {self.folds} tested, stratified, seed {self.seed}",
            files=facts,
        )
