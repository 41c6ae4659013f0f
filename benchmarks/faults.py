"""Whether the tests can fail: puts small faults into a copy of the code, one at a time, and runs the tests that should find each.

The faults and their tests stand in `fault_table.py`. A fault that no test finds is a test that is missing.
"""

import argparse
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fault_table import FAULTS, Fault

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("convzoo", "recipes", "datasets", "tests", "docs", "benchmarks", "pyproject.toml", "README.md")
PATIENCE = 300.0
"""Seconds that the tests of one fault may take. A fault may make a loop endless."""

FOUND, NOT_FOUND, NOT_APPLIED, NO_ANSWER = "found", "NOT FOUND", "does not apply", "no answer"


def applies(fault: Fault, root: Path = ROOT) -> bool:
    """Whether the fault's text stands exactly once in its file, and differs from what replaces it."""
    path = root / fault.file
    return path.is_file() and path.read_text(encoding="utf-8").count(fault.old) == 1 and fault.old != fault.new


def copied(folder: Path) -> Path:
    """A copy of the package and its tests below a folder."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".pytest_cache"))
        else:
            shutil.copy2(source, target)
    return folder


def tested(folder: Path, tests: Sequence[str], patience: float = PATIENCE) -> tuple[int, str]:
    """The exit status of pytest (0: all passed, 1: a test failed) and the line that names the failed test, else all it printed.

    Args:
        folder: a copy of the code
        tests: files, or tests in them
        patience: seconds; the status is then -1
    """
    # The copy comes before an installed package; options of the caller's pytest are not taken over.
    environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
    environment |= {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"took longer than {patience:.0f} s"
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return done.returncode, failed[0] if failed else (done.stdout + done.stderr).strip()


def tried(fault: Fault, folder: Path, number: int) -> tuple[str, str]:
    """What became of a fault in a copy of the code, and what pytest said. The copy is afterwards as it was.

    Args:
        fault: to try
        folder: the copy
        number: of the fault, from 1
    """
    if not applies(fault, folder):
        return NOT_APPLIED, f"{fault.file}: the old text does not stand there exactly once"
    path = folder / fault.file
    sound, status = path.read_text(encoding="utf-8"), path.stat()
    path.write_text(sound.replace(fault.old, fault.new), encoding="utf-8")
    # Compiled files are told by whole seconds and sizes: each fault gets a second of its own, else Python may run another one's.
    os.utime(path, (status.st_atime, int(status.st_mtime) + number))
    try:
        code, said = tested(folder, fault.tests)
    finally:
        path.write_text(sound, encoding="utf-8")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return {0: NOT_FOUND, 1: FOUND}.get(code, NO_ANSWER), said


def main() -> int:
    """The table; 1 if a fault was not found or could not be tried."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these faults only")
    parser.add_argument("--area", choices=list(FAULTS), help="the faults of one area only")
    parser.add_argument("--list", action="store_true", help="print the faults and their tests, and run nothing")
    parser.add_argument("--jobs", type=int, default=1, help="faults that are tried at the same time")
    parser.add_argument("--trust", action="store_true", help="do not run the tests without a fault first")
    arguments = parser.parse_args()

    every = [(area, fault) for area, faults in FAULTS.items() for fault in faults]
    unknown = set(arguments.only or ()) - {fault.name for _, fault in every}
    if unknown:
        parser.error(f"there is no fault {', '.join(sorted(unknown))}; --list names them")
    chosen = [
        (area, fault)
        for area, fault in every
        if arguments.area in (None, area) and (not arguments.only or fault.name in arguments.only)
    ]
    if arguments.list:
        for area, fault in chosen:
            print(f"{area:12} {fault.name:36} {fault.file}  {' '.join(fault.tests)}")
        return 0

    began = time.perf_counter()
    width = max((len(fault.name) for _, fault in chosen), default=0)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="faults-") as home:
        folders: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(max(1, arguments.jobs)):
            folders.put(copied(Path(home) / str(number)))
        if not arguments.trust:
            # A test that fails anyway finds nothing.
            folder = folders.get()
            every_test = sorted({test for _, fault in chosen for test in fault.tests})
            code, said = tested(folder, every_test, PATIENCE * len(every_test))
            folders.put(folder)
            if code:
                print(f"the tests do not pass without a fault, so they can find none:\n{said}", file=sys.stderr)
                return 1

        def work(number: int, area: str, fault: Fault) -> None:
            folder = folders.get()
            try:
                state, said = tried(fault, folder, number)
            finally:
                folders.put(folder)
            counts[state] += 1
            if state == FOUND:
                said = said.partition(" - ")[0].removeprefix("FAILED ").removeprefix("ERROR ")
            shown = fault.file if state == NOT_FOUND else said
            print(f"{area:12} {fault.name:{width}}  {state:14}  {shown}", flush=True)

        with ThreadPoolExecutor(max(1, arguments.jobs)) as pool:
            for done in [pool.submit(work, number, *pair) for number, pair in enumerate(chosen, start=1)]:
                done.result()
    lost = sum(counts.values()) - counts[FOUND]
    others = "".join(f"; {count} {state}" for state, count in counts.items() if state != FOUND)
    print(f"{counts[FOUND]} of {len(chosen)} faults found{others} ({time.perf_counter() - began:.0f} s)")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
