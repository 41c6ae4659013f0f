"""SKAB, the Skoltech Anomaly Benchmark: a water circuit with eight sensors."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from convzoo.core.arguments import Positive
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.tables import read_series
from convzoo.modalities.series.example import Stretch, TableFormat
from convzoo.reading.benchmark import benchmark_folder

_FOLDERS = ("other", "valve1", "valve2")


class Skab(Reader):
    """SKAB v0.9 with its outlier detection protocol: the first rows of each of the 34 runs train, the rest test.

    The protocol treats the first 400 rows as normal, whatever their labels say, and has no validation split: the same rows set
    the threshold. So `val` equals `train` here; the other rows are not seen before they are scored.

    Args:
        path: a folder with `other/`, `valve1/` and `valve2/`; by default the data set is fetched
        train: number of first rows of each run that are learnt from, and that set the threshold
    """

    example = Stretch

    def __init__(self, path: str | None = None, train: Positive = 400) -> None:
        self.path = path
        self.train = train

    def read(self) -> Splits:
        """Read the 34 runs.

        Raises:
            DataError: a file is absent or damaged.
        """
        folder, facts = benchmark_folder("skab", self.path)
        form = TableFormat(time="datetime", label="anomaly", ignore=("changepoint",))
        files = sorted((path for name in _FOLDERS for path in folder.glob(f"{name}/*.csv")), key=_order)
        if not files:
            raise DataError(f"{folder}: holds no {_FOLDERS[0]}/*.csv")
        parts: dict[str, Any] = {"train": [], "val": [], "test": []}
        for file in files:
            series = read_series(file, form, file.relative_to(folder).as_posix())
            # The labels of these rows are not used: all rows count as normal.
            normal = replace(series, anomalies=None)
            if len(series) <= self.train:
                raise DataError(f"{file}: has {len(series)} rows; data.train={self.train} leaves none to test on")
            parts["train"].append(Stretch(normal, 0, self.train))
            parts["val"].append(Stretch(normal, 0, self.train))
            parts["test"].append(Stretch(series, self.train, len(series)))
        origin = f"SKAB's split: the first {self.train} rows of each run train and set the threshold, the rest test"
        return Splits(**parts, origin=origin, files=facts)


def _order(path: Path) -> tuple[str, int]:
    return path.parent.name, int(path.stem)
