"""The SMS Spam Collection."""

import re

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import fingerprint
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines
from convzoo.reading.splitting import made_here

FILE = "SMSSpamCollection"


class SmsSpam(Reader):
    """The SMS Spam Collection (Almeida et al. 2011): a line is `ham` or `spam`, a tab and the message; quotation marks are text.

    There is no official split, and many messages differ from another one only in a number. So messages that are the same without
    their digits, case and spaces are one group, and each of the folds is tested once; validation is taken from the other folds.

    Args:
        path: a folder with the file SMSSpamCollection; by default the data set is fetched
        fold: the fold used for testing, from 0
        folds: number of folds
        val: fraction of the other folds used for validation
        seed: random seed of the folds

    Raises:
        RecipeError: there is no such fold.
    """

    example = Text

    def __init__(
        self,
        path: str | None = None,
        fold: Count = 0,
        folds: Positive = 5,
        val: Fraction = 0.15,
        seed: Count = 0,
    ) -> None:
        if fold >= folds:
            raise RecipeError(f"data.fold: there are {folds} folds, numbered from 0; {fold} is not one of them")
        self.path = path
        self.fold = fold
        self.folds = folds
        self.val = val
        self.seed = seed

    def read(self) -> Splits:
        """Read the file and take the fold out.

        Raises:
            DataError: the file is absent, or a line has no label.
        """
        folder, facts = benchmark_folder("sms_spam", self.path)
        examples = []
        for number, line in enumerate(read_lines(folder / FILE), 1):
            label, tab, message = line.partition("\t")
            if label not in ("ham", "spam") or not tab:
                raise DataError(f"{folder / FILE}:{number}: should be ham or spam, a tab and a message")
            examples.append(Text(message, label, source=f"{FILE}:{number}"))
        return made_here(
            examples, self.val, 0.0, self.seed, facts, without_digits, self.fold, self.folds, where=str(folder / FILE)
        )


def without_digits(example: Text) -> str:
    """A fingerprint of a message that does not change with its digits: senders of spam vary numbers and codes."""
    return fingerprint(re.sub(r"\d", "0", example.text))
