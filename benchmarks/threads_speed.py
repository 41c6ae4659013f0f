"""`train.threads: auto` against all threads on an idle machine, and against one thread on a busy one.

Each side is a `convzoo run` process of its own, in turns. The busy machine is made here: as many processes as there are cores
multiply matrices all the time.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common import ROOT, Ratio, Verdict, interleaved, parser, print_environment, print_medians, print_verdicts

BUSY = "import os; os.environ['OMP_NUM_THREADS'] = '1'\nimport numpy as np\nx = np.random.rand(300, 300)\nwhile True: x @ x"


def main() -> int:
    """Print seconds of training; 0 if the choice is good enough both times."""
    made = parser(__doc__.splitlines()[0], rounds=3)
    made.add_argument("--recipe", default="recommender_lightgcn")
    options = made.parse_args()
    print_environment(options.threads)
    verdicts = []
    for state, opponent, wanted in (("idle", str(options.threads), 1.05), ("busy", "1", 1.3)):
        with busy(options.threads if state == "busy" else 0):
            names = dict.fromkeys(["auto", opponent])
            sides = {name: side(options.recipe, name, options.set) for name in names}
            found = interleaved(sides, options.rounds, warm_up=0)
        print_medians({f"{state}, threads {name}": values for name, values in found.items()}, "seconds", 1)
        verdicts.append(
            Verdict(f"{state}: auto / {opponent}", Ratio.of(found["auto"], found[opponent]), wanted, at_most=True)
        )
    return print_verdicts(verdicts)


def side(recipe: str, threads: str, settings: list[str]) -> Callable[[], float]:
    """Seconds of training of a run with this setting."""

    def measure() -> float:
        environment = {
            key: value for key, value in os.environ.items() if key not in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        }
        environment["PYTHONPATH"] = os.pathsep.join(part for part in (str(ROOT), environment.get("PYTHONPATH")) if part)
        with tempfile.TemporaryDirectory() as folder:
            words = [
                "run",
                recipe,
                f"train.threads={threads}",
                "baselines=[]",
                *settings,
                "--quiet",
                "--out",
                f"{folder}/run",
            ]
            subprocess.run(
                [sys.executable, "-m", "convzoo", *words], env=environment, check=True, stdout=subprocess.DEVNULL
            )
            return float(json.loads((Path(folder) / "run" / "scores.json").read_text())["training_seconds"])

    return measure


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Inside this context so many other processes compute."""
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    raise SystemExit(main())
