"""C-MAPSS: simulated turbofan engines that run to failure, in NASA's text files."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.lives import cut_at_random
from convzoo.modalities.series.history import History, UnitRows
from convzoo.reading.lines import read_text

SETTINGS = ("altitude", "mach", "throttle")
SENSORS = (
    "T2", "T24", "T30", "T50", "P2", "P15", "P30", "Nf", "Nc", "epr", "Ps30", "phi", "NRf", "NRc", "BPR", "farB", "htBleed",
    "Nf_dmd", "PCNfR_dmd", "W31", "W32",
)  # fmt: skip
"""The sensors by their names in Saxena et al. 2008, table 2; the files number them from 1."""

_WIDTH = 2 + len(SETTINGS) + len(SENSORS)
_ON_THE_CARD = "FD001"


class Cmapss(Reader):
    """One of the four sets of NASA's turbofan engines (Saxena et al. 2008, doi:10.1109/PHM.2008.4711414).

    FD001 and FD003 fly in one operating condition, FD002 and FD004 in six; FD001 and FD002 have one fault, the others two. The
    training engines run until they fail. Each test engine is seen until some cycle before that; the life that is left then is in
    the file of RULs, and only this row is scored.

    The benchmark has no validation part. Here whole training engines validate, never windows of engines that are learnt from.
    They are cut at random cycles, several times each, so that they look like test engines.

    Args:
        path: a folder with `train_FD001.txt`, `test_FD001.txt` and `RUL_FD001.txt`, or those of another set; by default FD001 is
            fetched
        subset: which set
        val: part of the training engines that validates
        cuts: cycles at which each validation engine is judged
        seed: draws the validation engines and the cycles
    """

    example = History

    def __init__(
        self,
        path: str | None = None,
        subset: Literal["FD001", "FD002", "FD003", "FD004"] = "FD001",
        val: Fraction = 0.2,
        cuts: Positive = 10,
        seed: Count = 0,
    ) -> None:
        if not 0 < val < 1:
            raise DataError(f"data.val={val:g} should be above 0 and below 1: a part of the engines validates")
        self.path = path
        self.subset = subset
        self.val = val
        self.cuts = cuts
        self.seed = seed

    def read(self) -> Splits:
        """Read the three files.

        Raises:
            DataError: a file is absent or damaged, or the number of RULs is not that of the test engines.
        """
        folder, facts = self._folder()
        paths = [folder / f"{kind}_{self.subset}.txt" for kind in ("train", "test", "RUL")]
        learnt = _rows(paths[0])
        tested = _rows(paths[1])
        train_table = _table(paths[0].name, "train", learnt, None)
        table = _table(paths[1].name, "test", tested, _lives(paths[2], len(np.unique(tested[:, 0])), paths[1]))
        engines = [History.whole(train_table, unit) for unit in range(len(train_table.units))]
        random = np.random.default_rng(self.seed)
        order = random.permutation(len(engines))
        held = sorted(order[: max(1, round(self.val * len(engines)))].tolist())
        if len(held) == len(engines):
            raise DataError(f"{paths[0]}: has {len(engines)} engine, too few to learn from some and validate on others")
        val = [cut for unit in held for cut in cut_at_random(engines[unit], self.cuts, random)]
        test = [
            History(table, unit, int(start), int(stop), int(stop) - 1)
            for unit, (start, stop) in enumerate(zip(table.starts, table.starts[1:], strict=False))
        ]
        train = [engine for unit, engine in enumerate(engines) if unit not in set(held)]
        origin = (
            f"C-MAPSS {self.subset}: its test engines at their last cycle; {len(held)} of {len(engines)} training engines "
            f"validate, each at {self.cuts} random cycles (seed {self.seed})"
        )
        return Splits(train, val, test, origin=origin, files=facts)

    def examples(self) -> list[History]:
        """All engines: those of training whole, those of the test part at their last cycle."""
        splits = self.read()
        whole = [History.whole(splits.train[0].table, unit) for unit in range(len(splits.train[0].table.units))]
        return [*whole, *splits.test]

    def _folder(self) -> tuple[Path, dict[str, Any]]:
        if self.path is not None:
            if not Path(self.path).is_dir():
                raise DataError(
                    f"{self.path}: no such folder; data.path should hold train_{self.subset}.txt and the others"
                )
            return Path(self.path), {}
        if self.subset != _ON_THE_CARD:
            raise DataError(
                f"data.subset={self.subset}: only {_ON_THE_CARD} can be fetched; say data.path=FOLDER with "
                f"train_{self.subset}.txt, test_{self.subset}.txt and RUL_{self.subset}.txt from NASA's CMAPSSData.zip"
            )
        from convzoo.datasets.download import fetch

        fetched = fetch("cmapss", [f"{kind}_{self.subset}.txt" for kind in ("train", "test", "RUL")])
        return fetched.folder, {f"cmapss/{name}": facts for name, facts in fetched.files.items()}


def _rows(path: Path) -> np.ndarray:
    """The rows of a file of engines, (rows, 26); engines follow one another, and each one's cycles count from 1.

    Raises:
        DataError: no such file; a row that has not 26 finite numbers, or stands out of order.
    """
    found = _numbers(path, _WIDTH)
    units, cycles = found[:, 0], found[:, 1]
    first = np.concatenate([[True], units[1:] != units[:-1]])
    expected = np.where(first, 1, np.concatenate([[0], cycles[:-1] + 1]))
    wrong = np.flatnonzero(cycles != expected)
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{path}:{row + 1}: engine {units[row]:g} is at cycle {cycles[row]:g}; expected {expected[row]:g}: "
            "cycles count from 1"
        )
    if len(np.unique(units)) < first.sum():
        row = int(np.flatnonzero(first)[next(at for at, unit in enumerate(units[first]) if unit in units[first][:at])])
        raise DataError(
            f"{path}:{row + 1}: engine {units[row]:g} is there a second time; the rows of an engine should be together"
        )
    return found


def _numbers(path: Path, width: int) -> np.ndarray:
    """(rows, width) finite numbers, parted by spaces.

    Raises:
        DataError: there is no such file, or a line has something else.
    """
    if not path.is_file():
        raise no_such(path)
    rows = []
    for number, line in enumerate(read_text(path).rstrip("\n").split("\n"), start=1):
        cells = line.split()
        if len(cells) != width:
            raise DataError(
                f"{path}:{number}: has {len(cells)} number{'' if len(cells) == 1 else 's'}, expected {width}"
            )
        try:
            rows.append([float(cell) for cell in cells])
        except ValueError:
            cell = next(cell for cell in cells if not _is_number(cell))
            raise DataError(f"{path}:{number}: {cell!r} is not a number") from None
    found = np.array(rows)
    wrong = np.argwhere(~np.isfinite(found))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(f"{path}:{row + 1}: number {column + 1} is {found[row, column]:g}; expected a finite number")
    return found


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _lives(path: Path, engines: int, test: Path) -> np.ndarray:
    """(engines,) the cycles that each test engine has left after its last row."""
    found = _numbers(path, 1)[:, 0]
    if len(found) != engines:
        raise DataError(f"{path}: has {len(found)} lives, but {test.name} has {engines} engines")
    if (found < 0).any():
        row = int(np.argmax(found < 0))
        raise DataError(f"{path}:{row + 1}: a life of {found[row]:g} cycles; expected 0 or more")
    return found


def _table(name: str, part: str, rows: np.ndarray, left: np.ndarray | None) -> UnitRows:
    """The rows as a table of units: the target is the number of cycles left, 0 at the last row of an engine that ran to its end.

    Args:
        name: of the file
        part: train or test; both files number their engines from 1
        rows: (rows, 26)
        left: (engines,) the life after each engine's last row; None: 0
    """
    starts = np.flatnonzero(np.concatenate([[True], rows[1:, 0] != rows[:-1, 0], [True]]))
    lengths = np.diff(starts)
    last = np.zeros(len(lengths)) if left is None else left
    targets = np.concatenate([np.arange(length - 1, -1, -1) + more for length, more in zip(lengths, last, strict=True)])
    return UnitRows(
        name=name,
        numbers=rows[:, 2:].astype(np.float32),
        number_names=(*SETTINGS, *SENSORS),
        categories=np.empty((len(rows), 0), dtype=np.int32),
        category_names=(),
        category_values=(),
        times=rows[:, 1],
        targets=targets.astype(np.float64),
        units=tuple(f"{part} engine {unit:g}" for unit in rows[starts[:-1], 0]),
        starts=starts,
        lines=np.arange(1, len(rows) + 1),
        columns=f"unit: 1; time: 2; settings: 3 to {2 + len(SETTINGS)}; sensors: {3 + len(SETTINGS)} to {_WIDTH}",
    )
