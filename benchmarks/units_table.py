"""A table of 50 million rows of units: seconds from the file to the first step, and the peak memory, in a new process.

The table is drawn: units that wear, four sensors in single precision, the time, and the life that is left. It is read and split
as `convzoo run maintenance_cnn1d --data` does, and one step is trained. Memory is compared with the arrays that the rows need:
number of the unit, time, four sensors and the answer, 4 bytes each.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import Ratio, Verdict, last_line, parser, pin, print_environment, print_table, print_verdicts
from memory import to_first_step

SENSORS, LIFE = 4, 5_000


def write(path: Path, rows: int) -> None:
    """Write a Parquet table of units with `LIFE` rows each."""
    import pyarrow
    import pyarrow.parquet

    random = np.random.default_rng(0)
    names = ["unit", "time", *(f"sensor {number}" for number in range(SENSORS)), "rul"]
    kinds = [pyarrow.int32(), pyarrow.int32(), *[pyarrow.float32()] * SENSORS, pyarrow.float32()]
    with pyarrow.parquet.ParquetWriter(path, pyarrow.schema(list(zip(names, kinds, strict=True)))) as file:
        age = np.arange(LIFE)
        for first in range(0, rows // LIFE, 100):
            units = np.arange(first, min(first + 100, rows // LIFE))
            wear = (age / LIFE) ** 3
            sensors = [
                (wear * random.normal(1, 0.2, (len(units), 1)) + random.normal(0, 0.1, (len(units), LIFE))).ravel()
                for _ in range(SENSORS)
            ]
            columns = [np.repeat(units, LIFE), np.tile(age, len(units)), *sensors, np.tile(LIFE - 1 - age, len(units))]
            arrays = [pyarrow.array(column, kind, safe=False) for column, kind in zip(columns, kinds, strict=True)]
            file.write_table(pyarrow.table(dict(zip(names, arrays, strict=True))))


def worker(path: Path, overrides: list[str]) -> dict[str, Any]:
    """From the table to the first step: seconds, and the peak memory in MB."""
    import torch  # noqa: F401 (its memory is not that of the table)

    began = time.perf_counter()
    found, experiment = to_first_step("maintenance_cnn1d", path, overrides)
    rows = len(experiment.splits.train[0].table)  # the table of all splits, whose units may be looked at several times
    return found | {"clock": time.perf_counter() - began, "rows": rows}


def main() -> int:
    """Run the benchmark."""
    options: argparse.Namespace = _options()
    if options.worker:
        print(json.dumps(worker(Path(options.worker), options.set)))
        return 0
    pin(options.threads)
    print_environment(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "units.parquet"
        write(path, options.rows)
        size = path.stat().st_size / 1e6
        command = [sys.executable, Path(__file__).resolve(), "--worker", path, "--threads", str(options.threads)]
        found = last_line([*command, *(["--set", *options.set] if options.set else [])], options.threads)
    arrays = found["rows"] * 4 * (SENSORS + 3) / 1e6
    rows = [
        ["file", f"{size:,.0f} MB"], ["arrays", f"{arrays:,.0f} MB"], ["first step after", f"{found['clock']:.1f} s"],
        ["peak after the imports", f"{found['imports']:,.0f} MB"], ["peak after reading and fitting", f"{found['read']:,.0f} MB"],
        ["peak at the first step", f"{found['peak']:,.0f} MB"],
    ]  # fmt: skip
    print_table(["table", f"{found['rows']:,} rows"], rows)
    print()
    above = Ratio.of([found["peak"] - found["imports"]], [arrays])
    return print_verdicts([Verdict("peak above the imports / arrays", above, 2.0, at_most=True)])


def _options() -> argparse.Namespace:
    made = parser(__doc__ or "", rounds=1)
    made.add_argument("--rows", type=int, default=50_000_000, help="rows of the table (default 50,000,000)")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
