"""Seconds from the command `convzoo run RECIPE` to its first optimizer step, against importing torch and making an optimizer.

Both sides are new processes, and are timed from outside: from their start to the line that they print. convzoo's side is the
command itself; a listener that ends the process at the first step replaces its terminal listener.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import (
    RECIPES,
    Ratio,
    Verdict,
    child_environment,
    interleaved,
    parser,
    pin,
    print_environment,
    print_medians,
    print_table,
    print_verdicts,
)

FLOOR = (
    "import torch; torch.optim.AdamW([torch.nn.Parameter(torch.zeros(2))], fused=True); print('reached', flush=True)"
)
READY = "reached"


def worker(name: str, overrides: list[str]) -> None:
    """Do what the console script does, up to the first step."""
    from convzoo.cli import main as command
    from convzoo.training.events import Event, Progressed
    from convzoo.training.listeners import PlainListener

    def stop(self: PlainListener, event: Event) -> None:
        if isinstance(event, Progressed):
            print(READY, flush=True)
            os._exit(0)

    PlainListener.__call__ = stop  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(command(["run", name, "--out", str(Path(folder) / "run"), *overrides]))


def seconds_to_ready(command: Sequence[str | Path], threads: int) -> float:
    """Seconds from the start of a process to the line that it prints."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        env=child_environment(threads),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == READY:
            taken = time.perf_counter() - began
            process.communicate()
            return taken
    sys.exit(f"{' '.join(map(str, command))} did not come to its first step:\n{process.communicate()[1]}")


def explain(command: list[str | Path], threads: int, lines: int = 18) -> None:
    """Print which imports take the time, and which calls after them."""
    python, *rest = map(str, command)
    done = subprocess.run(
        [python, "-X", "importtime", *rest], env=child_environment(threads), capture_output=True, text=True
    )
    found = re.findall(r"import time:\s+(\d+) \|\s+(\d+) \| ( *)([\w.]+)", done.stderr)
    packages: dict[str, int] = {}
    for own, _, _, module in found:
        package = module.split(".")[0] if not module.startswith("torch.") else ".".join(module.split(".")[:2])
        packages[package] = packages.get(package, 0) + int(own)
    largest = sorted(packages.items(), key=lambda item: -item[1])[:lines]
    print_table(["package", "own import, ms"], [[name, f"{spent / 1e3:.0f}"] for name, spent in largest])
    print(f"all imports: {sum(packages.values()) / 1e3:.0f} ms, {len(found)} modules\n")
    code = (
        "import atexit, cProfile, io, os, pstats, sys\n"
        "profile = cProfile.Profile()\n"
        "leave = os._exit\n"
        "def end(code):\n"
        "    profile.disable()\n"
        "    text = io.StringIO()\n"
        "    pstats.Stats(profile, stream=text).sort_stats('cumulative').print_stats(r'convzoo[/\\\\]', 25)\n"
        "    print(text.getvalue(), flush=True)\n"
        "    leave(code)\n"
        "os._exit = end\n"
        f"sys.argv = {rest!r}\n"
        f"sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
        "import runpy\n"
        "profile.enable()\n"
        f"runpy.run_path({rest[0]!r}, run_name='__main__')\n"
    )
    done = subprocess.run([python, "-c", code], env=child_environment(threads), capture_output=True, text=True)
    wanted = [
        line for line in done.stdout.splitlines() if re.match(r"\s+\d+(/\d+)?\s+\d+\.\d+", line) or "cumtime" in line
    ]
    print("convzoo's own functions under the profiler, by cumulative seconds")
    for line in wanted:
        print(re.sub(r"\S*[/\\](convzoo[/\\])", r"\1", line))
    print()


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=7)
    made.add_argument("--recipes", nargs="*", default=RECIPES, help="default: both")
    made.add_argument("--warm-up", type=int, default=1, help="rounds before those that count (default 1)")
    made.add_argument("--explain", action="store_true", help="say what takes the time")
    made.add_argument("--worker", metavar="RECIPE", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        worker(options.worker, options.set)
        return 0

    pin(options.threads)
    print_environment(options.threads)
    verdicts = []
    floor: list[str | Path] = [sys.executable, "-c", FLOOR]
    commands: dict[str, list[str | Path]] = {"torch and an optimizer": floor}
    for name in options.recipes:
        overrides = ["--set", *options.set] if options.set else []
        commands[name] = [sys.executable, Path(__file__).resolve(), "--worker", name, *overrides]
    sides = {name: lambda line=line: seconds_to_ready(line, options.threads) for name, line in commands.items()}
    taken = interleaved(sides, options.rounds, options.warm_up)
    print_medians(taken, "seconds", digits=2)
    for name in options.recipes:
        ratio = Ratio.of(taken[name], taken["torch and an optimizer"])
        verdicts.append(Verdict(f"{name}: first step / torch and an optimizer", ratio, 1.3, at_most=True))
    if options.explain:
        for name in options.recipes:
            print(f"\n{name}")
            explain(commands[name], options.threads)
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
