"""What the benchmarks share: interleaved rounds, medians of ratios, a table, a line about the machine.

This module does not import torch or NumPy at the top, so that a benchmark's workers can run in any interpreter.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGES, SENTENCES = "emotion_cnn2d", "sentiment_cnn1d"
RECIPES = (SENTENCES, IMAGES)


@dataclass(frozen=True)
class Ratio:
    """The median of paired ratios, with the quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, over: Sequence[float], under: Sequence[float]) -> "Ratio":
        """From measurements of the same rounds."""
        ratios = [first / second for first, second in zip(over, under, strict=True)]
        if len(ratios) == 1:
            return cls(ratios[0], ratios[0], ratios[0])
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Verdict:
    """A ratio and its target: at least, or at most."""

    what: str
    ratio: Ratio
    wanted: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether the median reaches the target."""
        return self.ratio.median <= self.wanted if self.at_most else self.ratio.median >= self.wanted

    def cells(self) -> list[str]:
        """A row of the table."""
        sign = "<=" if self.at_most else ">="
        return [self.what, str(self.ratio), f"{sign} {self.wanted:g}", "yes" if self.holds else "NO"]


def parser(description: str, rounds: int, steps: int | None = None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=int, default=rounds, help=f"how often all sides are measured (default {rounds})")
    if steps is not None:
        made.add_argument(
            "--steps", type=int, default=steps, help=f"optimizer steps in a measurement (default {steps})"
        )
    made.add_argument("--threads", type=int, default=cores(), help="of each side (default: all cores)")
    made.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="overrides of the recipes' settings")
    return made


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def interleaved(sides: Mapping[str, Callable[[], float]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Measure all sides in turn, round after round, every second round in reverse order. A side measures itself.

    So a disturbance that is longer than a round affects all sides, and the ratios within a round stay the same.
    """
    for _ in range(warm_up):
        for side in sides.values():
            side()
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(list(sides)):
            found[name].append(sides[name]())
    return found


def seconds(act: Callable[[], object]) -> float:
    """The seconds that `act` takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; each column is as wide as its longest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip(), flush=True)


def print_medians(found: Mapping[str, Sequence[float]], unit: str, digits: int = 0) -> None:
    """Print the median of each side."""
    print_table(["side", unit], [[name, f"{statistics.median(values):,.{digits}f}"] for name, values in found.items()])
    print()


def print_verdicts(verdicts: Sequence[Verdict]) -> int:
    """Print the ratios beside their targets; 0 if all reach them, else 1."""
    print_table(["ratio", "median (quartiles)", "wanted", "holds"], [verdict.cells() for verdict in verdicts])
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def print_environment(threads: int) -> None:
    """Print what the numbers depend on."""
    import torch

    from convzoo.training.bf16 import fast_at_bf16

    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"{torch.backends.cpu.get_cpu_capability()}, bf16 {'is' if fast_at_bf16(torch.device('cpu')) else 'is not'} "
        f"called fast here, {threads} of {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n",
        flush=True,
    )


def pin(threads: int) -> None:
    """Limit this process, and those that it starts, to this many cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def child_environment(threads: int) -> dict[str, str]:
    """The environment of started processes: this many threads, and this copy of convzoo."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads), "TF_CPP_MIN_LOG_LEVEL": "3"}


def last_line(command: Sequence[str | Path], threads: int) -> Any:
    """Run a command to its end, and read its last line of output as JSON."""
    done = subprocess.run(
        [str(word) for word in command], env=child_environment(threads), capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])
