"""A table of a million texts: seconds from the file to the first step, and the peak memory, in a new process.

The table is drawn: 15 words a row out of 5,000, of which one says the class. It is read and split as `convzoo run sentiment_cnn1d
--data` does, every text of all three splits is prepared, and one step is trained.
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

WORDS, OF_A_CLASS, LENGTH = 5_000, 50, 15


def write(path: Path, rows: int) -> None:
    """Write a table of `rows` texts of two classes, about 100 characters each."""
    random = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(random.choice(letters, random.integers(3, 9))) for _ in range(WORDS)]
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        for start in range(0, rows, 10_000):
            drawn = random.integers(2 * OF_A_CLASS, WORDS, (min(10_000, rows - start), LENGTH))
            kind = random.integers(2, size=len(drawn))
            said = kind * OF_A_CLASS + random.integers(OF_A_CLASS, size=len(drawn))
            drawn[np.arange(len(drawn)), random.integers(LENGTH, size=len(drawn))] = said
            for numbers, label in zip(drawn.tolist(), kind.tolist(), strict=True):
                file.write(" ".join(words[number] for number in numbers) + f",{('good', 'bad')[label]}\n")


def worker(path: Path, overrides: list[str]) -> dict[str, Any]:
    """From the table to the first step: seconds on the clock and of the processor, and the peak memory in MB."""
    began, used = time.perf_counter(), time.process_time()
    found, experiment = to_first_step("sentiment_cnn1d", path, overrides)
    texts = sum(len(examples) for _, examples in experiment.splits)
    return found | {"clock": time.perf_counter() - began, "processor": time.process_time() - used, "rows": texts}


def main() -> int:
    """Run the benchmark."""
    options: argparse.Namespace = _options()
    if options.worker:
        print(json.dumps(worker(Path(options.worker), options.set)))
        return 0
    pin(options.threads)
    print_environment(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.csv"
        write(path, options.rows)
        size = path.stat().st_size / 1e6
        command = [sys.executable, Path(__file__).resolve(), "--worker", path, "--threads", str(options.threads)]
        found = last_line([*command, *(["--set", *options.set] if options.set else [])], options.threads)
    rows = [
        ["file", f"{size:,.0f} MB"], ["first step after", f"{found['clock']:.1f} s"],
        ["processor", f"{found['processor']:.1f} s"], ["peak after the imports", f"{found['imports']:,.0f} MB"],
        ["peak after reading and fitting", f"{found['read']:,.0f} MB"], ["peak at the first step", f"{found['peak']:,.0f} MB"],
    ]  # fmt: skip
    print_table(["table", f"{found['rows']:,} texts"], rows)
    print()
    return print_verdicts(
        [
            Verdict("processor time to the first step / a minute", Ratio.of([found["processor"]], [60.0]), 1.0, at_most=True),
            Verdict("peak above the imports / 2 GB", Ratio.of([found["peak"] - found["imports"]], [2000.0]), 1.0, at_most=True),
        ]
    )  # fmt: skip


def _options() -> argparse.Namespace:
    made = parser(__doc__ or "", rounds=1)
    made.add_argument("--rows", type=int, default=1_000_000, help="texts in the table (default 1,000,000)")
    made.add_argument("--worker", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
