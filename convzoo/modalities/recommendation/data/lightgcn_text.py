"""The text format of NGCF and LightGCN: a line a user, its number and the numbers of its items."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Count, Fraction
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.recommendation.data.holding_out import everything, hold_out_items, users_of
from convzoo.modalities.recommendation.example import Catalogue, Rows, User
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines


class LightGCNText(Reader):
    """`train.txt` and `test.txt`, a line a user: its number, then the numbers of its items. The given test split is kept;
    validation is taken from training, never from test.

    Args:
        dataset: the data set that is fetched if no path is given
        path: a folder with the two files
        val: fraction of each user's training items used for validation
        seed: random seed of that choice
    """

    example = User
    formats: ClassVar[str] = "a folder in LightGCN's text format (train.txt and test.txt)"

    def __init__(
        self, dataset: str = "gowalla", path: str | None = None, val: Fraction = 0.05, seed: Count = 0
    ) -> None:
        self.dataset = dataset
        self.path = path
        self.val = val
        self.seed = seed

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder whose train.txt has numbers only."""
        if not (path.is_dir() and (path / "train.txt").is_file() and (path / "test.txt").is_file()):
            return False
        with (path / "train.txt").open("rb") as file:
            words = file.readline(100_000).split()
        return len(words) > 1 and all(word.isdigit() for word in words[:-1])

    def read(self) -> Splits:
        """Read both files.

        Raises:
            DataError: a file is absent, a word is not a number, or a user has two lines.
        """
        folder, catalogue, train, test, facts = self._read()
        train, val = hold_out_items(train, self.val, self.seed)
        facts = facts or {str(folder / f): {"sha256": sha256_of(folder / f)} for f in ("train.txt", "test.txt")}
        origin = f"test as given; val made here: {self.val:g} of each user's training items, seed {self.seed}"
        return users_of(catalogue, train, val, test, origin, facts, ["val", "test"] if self.val else ["test"])

    def examples(self) -> list[Any]:
        """All users with everything that both files say they had."""
        _, catalogue, train, test, _ = self._read()
        return everything(catalogue, train.joined(test))

    def _read(self) -> tuple[Path, Catalogue, Rows, Rows, dict[str, Any]]:
        folder, facts = benchmark_folder(self.dataset, self.path)
        parts = {name: _pairs(folder / f"{name}.txt") for name in ("train", "test")}
        if not len(parts["train"][0]):
            raise DataError(f"{folder / 'train.txt'}: holds no interactions")
        users = 1 + max(int(pairs[0].max(initial=-1)) for pairs in parts.values())
        items = 1 + max(int(pairs[1].max(initial=-1)) for pairs in parts.values())
        catalogue = Catalogue(_ids(folder / "user_list.txt", users), _ids(folder / "item_list.txt", items))
        train, test = (Rows.of(*parts[name], users) for name in ("train", "test"))
        return folder, catalogue, train, test, facts


def _pairs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    users: list[int] = []
    items: list[int] = []
    lines: dict[int, int] = {}
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        try:
            numbers = [int(word) for word in words]
        except ValueError:
            numbers = [-1]
        if any(value < 0 or value >= 2**31 for value in numbers):
            wrong = next(word for word in words if not word.isdigit() or int(word) >= 2**31)
            raise DataError(
                f"{path}:{number}: {wrong[:40]!r} is not a number; a line should be a user's number and the numbers of its items"
            )
        if numbers and (first := lines.setdefault(numbers[0], number)) != number:
            raise DataError(
                f"{path}:{number}: user {numbers[0]} has a line already, {first}; a line should hold a user and all its items. A "
                "table with a row an interaction (user, item, rating) is read as .csv, .tsv or u.data"
            )
        users += numbers[:1] * (len(numbers) - 1)
        items += numbers[1:]
    return np.array(users, np.int64), np.array(items, np.int64)


def _ids(path: Path, count: int) -> list[str]:
    """The original ids, if a list of them (`org_id remap_id`) is beside the files; else the numbers."""
    found = [str(number) for number in range(count)]
    if path.is_file():
        for number, line in enumerate(read_lines(path)[1:], 2):
            words: list[Any] = line.split()
            if len(words) < 2 or not words[-1].isdigit() or int(words[-1]) >= count:
                raise DataError(f"{path}:{number}: should be an id and its number below {count}")
            found[int(words[-1])] = words[0]
    return found
