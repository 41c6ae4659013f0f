"""NAB, the Numenta Anomaly Benchmark: 58 series of one value."""

from dataclasses import replace
from typing import Any

from convzoo.core.arguments import Fraction
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.series.data.tables import read_series
from convzoo.modalities.series.data.windows import flag_windows, read_windows
from convzoo.modalities.series.example import Stretch, TableFormat
from convzoo.reading.benchmark import benchmark_folder

PROBATION = 0.15
MOST_ROWS_OF_PROBATION = 750
WINDOWS = "labels/combined_windows.json"


class Nab(Reader):
    """NAB v1.0: the probationary part of each series is for training, the rest is for testing with the benchmark's windows.

    The probationary part is the first 15 % of the rows, at most 750 (Lavin & Ahmad 2015, arXiv:1510.03336, and the
    benchmark's code). The last rows of this part are for validation.

    Args:
        path: a folder with `data/` and `labels/`; by default the data set is fetched
        val: fraction of the probationary part that chooses the best checkpoint and sets the threshold
    """

    example = Stretch

    def __init__(self, path: str | None = None, val: Fraction = 0.2) -> None:
        self.path = path
        self.val = val

    def read(self) -> Splits:
        """Read the series and the windows.

        Raises:
            DataError: a file is absent or damaged.
        """
        folder, facts = benchmark_folder("nab", self.path)
        windows = read_windows(folder / WINDOWS)
        form = TableFormat(time="timestamp", channels=("value",), order="keep", duplicates="keep")
        parts: dict[str, Any] = {"train": [], "val": [], "test": []}
        for name in sorted(windows):
            series = read_series(folder / "data" / name, form, name)
            flags = flag_windows(series, windows[name])
            probation = probation_of(len(series))
            cut = round((1 - self.val) * probation)
            if not 0 < cut < probation:
                raise DataError(f"{name}: data.val={self.val:g} leaves no rows to learn from or none to validate on")
            normal = replace(series, anomalies=None)
            parts["train"].append(Stretch(normal, 0, cut))
            parts["val"].append(Stretch(normal, cut, probation))
            labelled = replace(series, anomalies=flags)
            parts["test"].append(Stretch(labelled, probation, len(series)))
        origin = f"NAB's split: the first 15 % (at most 750 rows) train (the last {self.val:g} of them validate), the rest test"
        return Splits(**parts, origin=origin, files=facts)


def probation_of(rows: int) -> int:
    """How many of the first rows of a series are not scored."""
    return min(int(PROBATION * rows), int(PROBATION * 5000))
