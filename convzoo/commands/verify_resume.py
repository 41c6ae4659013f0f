"""`convzoo verify-resume`: proves on this machine that a killed run ends with the same bits."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from convzoo.core.errors import CheckError, RecipeError
from convzoo.core.files import read_json
from convzoo.recipe.own_data import open_recipe

COMPARED = ("model.safetensors", "task.json", "predictions.csv", "split.csv")
"""The files that have to be the same, byte for byte."""
_POLL = 0.02


def main(options: Any) -> None:
    """Print what was done and compared, line by line."""
    for line in verify(options.recipe, options.overrides, options.data, options.kills, options.seed, options.trust):
        print(line, flush=True)


def verify(
    source: str, overrides: Sequence[str], data: str | None, kills: int = 3, seed: int = 0, trust: bool = False
) -> Iterator[str]:
    """Run a recipe straight through, with other numbers of workers, and killed again and again with `kill -9`; compare the ends.

    Args:
        source: the recipe
        overrides: dotted settings; `train.epochs=2` makes it short
        data: the user's own file or folder
        kills: how many times the run is killed, at steps drawn at random
        seed: of the steps
        trust: as for `convzoo.run`

    Raises:
        CheckError: a file differs, with its name.
        RecipeError: the recipe is repeated, or a run fails.
    """
    if kills < 1:
        raise RecipeError(f"--kills: should be at least 1, not {kills}")
    recipe = open_recipe(source, overrides, data, trust)
    if recipe.repeat:
        raise RecipeError(f"{source}: is repeated over {next(iter(recipe.repeat))}; verify one run of it")
    # A checkpoint after each step, so that a kill can come between any two.
    settings = [*overrides, "train.checkpoint_every=1"]
    begin = ["run", source, *settings, *(["--data", data] if data else []), "--quiet"]
    with tempfile.TemporaryDirectory(prefix="convzoo-verify-") as place:
        home = Path(place)
        straight = home / "straight"
        _run([*begin, "--out", str(straight)])
        steps = int(read_json(straight / "scores.json")["steps"])
        yield f"straight  {steps:,} steps"
        # Examples that are not kept in memory are prepared by workers.
        for workers in (0, 2):
            other = home / f"workers-{workers}"
            _run([*begin, "train.cache_gigabytes=1e-9", f"train.workers={workers}", "--out", str(other)])
            _compare(straight, other, f"with train.workers={workers} and no memory for examples")
            yield f"workers   {workers}, and no memory for examples: the same bits"
        killed = home / "killed"
        chance = random.Random(seed)
        for step in sorted(chance.randrange(steps) for _ in range(kills)):
            first = not (killed / "run.json").exists()
            words = [*begin, "--out", str(killed)] if first else ["run", "--resume", str(killed), "--quiet"]
            reached = _killed_after(words, killed, step)
            yield (
                f"killed    after step {reached:,}" if reached is not None else "killed    too late: the run had ended"
            )
        _run(["run", "--resume", str(killed), "--quiet"])
        _compare(straight, killed, "when it was killed")
        yield f"ok        killed {kills} times, resumed, and the same bits: {', '.join(COMPARED[:3])}, metrics.csv, scores"


def _command(words: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "convzoo", *words]


def _run(words: Sequence[str]) -> None:
    done = subprocess.run(_command(words), env=_environment(), capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        raise RecipeError(f"a run failed with {done.returncode}: {said.removeprefix('convzoo: ')}")


def _environment() -> dict[str, str]:
    """This process finds convzoo; so do the others."""
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path}


def _killed_after(words: Sequence[str], folder: Path, step: int) -> int | None:
    """Kill the run with SIGKILL when it has written this step's checkpoint or a later one, and give the step that it had written;
    None if it had ended."""
    process = subprocess.Popen(
        _command(words), env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    seen: tuple[int, int] | None = None
    written = _step(folder)
    while process.poll() is None and written <= step:
        time.sleep(_POLL)
        now = _identity(folder / "checkpoints" / "last.pt")
        if now != seen:
            seen, written = now, _step(folder)
    if process.poll() is not None:
        return None
    process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    process.wait()
    return _step(folder)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _step(folder: Path) -> int:
    """The step of the last checkpoint; 0 without one."""
    import torch

    path = folder / "checkpoints" / "last.pt"
    return int(torch.load(path, weights_only=True)["progress"]["step"]) if path.exists() else 0


def _compare(one: Path, other: Path, when: str) -> None:
    """
    Raises:
        CheckError: what differs.
    """
    for name in COMPARED:
        if (one / name).exists() and (one / name).read_bytes() != (other / name).read_bytes():
            raise CheckError(f"{name} differs {when}: the run is not repeatable on this machine")
    if _measured(one) != _measured(other):
        raise CheckError(f"metrics.csv differs {when}")
    scores, others = (json.dumps(read_json(folder / "scores.json")["scores"]) for folder in (one, other))
    if scores != others:
        raise CheckError(f"the scores differ {when}")


def _measured(folder: Path) -> list[list[str]]:
    """The rows of metrics.csv, without the time that each took."""
    rows = [line.split(",") for line in (folder / "metrics.csv").read_text(encoding="utf-8").splitlines()]
    at = rows[0].index("seconds")
    return [row[:at] + row[at + 1 :] for row in rows]
