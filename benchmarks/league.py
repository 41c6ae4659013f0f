"""The league of strangers: how the embedded recipes do, with their defaults, on data that nobody tuned them for.

Each set (`league_sets.py`) is converted into the plain files that a user would have and run as `convzoo run RECIPE --data PATH`
with `train.seed` and, where no reader could guess it, the name of a column; nothing else is set. An independent opponent
(`league_opponents.py`) learns from the same split. Results are kept as JSON lines, a line a run, and what is finished is not run
again: an interrupted league goes on with the same command.
"""

import argparse
import concurrent.futures
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from common import ROOT, print_table
from league_opponents import OPPONENTS
from league_sets import LEFT_OUT, SETS, Stranger

HEAD = ("set", "train/val/test", "score", "network", "best of the run's opponents", "difference (95 %)", "independent opponent",
        "minutes")  # fmt: skip
NONE = "–"


class Results:
    """The lines of the file of results, read once and appended to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        if path.exists():
            self.rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def add(self, row: dict[str, Any]) -> None:
        """Keep a line, in the file too."""
        with self.lock:
            self.rows.append(row)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def of(self, **wanted: Any) -> list[dict[str, Any]]:
        """The rows that hold these values."""
        with self.lock:
            return [row for row in self.rows if all(row.get(key) == value for key, value in wanted.items())]


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if everything ended well."""
    options = read_options(words)
    chosen = [stranger for stranger in SETS if asked_for(stranger, options)]
    if options.list:
        print_table(("set", "modality", "recipe", "in the mirror", "how"), [listed(stranger) for stranger in chosen])
        return 0
    absent = [stranger for stranger in chosen if not is_there(stranger, options.mirror)]
    for stranger in absent:
        print(f"{stranger.name}: left out: there is no {stranger.folder}/ in the mirror", flush=True)
    for name, why in LEFT_OUT.items():
        if not options.only or name in options.only:
            print(f"{name}: left out: {why}", flush=True)
    chosen = [stranger for stranger in chosen if stranger not in absent]
    results = Results(options.results)
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        do = check if options.check else enter
        if options.jobs == 1:  # in the main thread, so that an interruption stops the run, too
            done = [safely(do, stranger, work, results, options) for stranger in chosen]
        else:
            with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
                done = list(pool.map(lambda stranger: safely(do, stranger, work, results, options), chosen))
    if not options.check:
        print_results(chosen, results, options)
    return 0 if all(done) else 1


def read_options(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    mirror = os.environ.get("CONVZOO_MIRROR")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", type=Path, default=mirror and Path(mirror), help="original files (CONVZOO_MIRROR)")
    parser.add_argument("--work", type=Path, help="where the files and runs are kept (default: a temporary folder)")
    parser.add_argument("--results", type=Path, default=Path("league.jsonl"), help="a JSON line a run (league.jsonl)")
    parser.add_argument("--table", type=Path, help="write the table here, as Markdown")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training (default: 0 1 2)")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=[], help="these sets")
    parser.add_argument("--modality", help="the sets of one modality")
    parser.add_argument("--quick", action="store_true", help="smaller sets")
    parser.add_argument("--jobs", type=int, default=1, help="sets at a time (default 1)")
    parser.add_argument("--check", action="store_true", help="convert, and run `convzoo check` only")
    parser.add_argument("--list", action="store_true", help="list the sets and do nothing")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="KEY=VALUE", help="other settings, to try the league itself"
    )
    options = parser.parse_args(words)
    known = {*LEFT_OUT, *(stranger.name for stranger in SETS)}
    for name in options.only:
        if name not in known:
            parser.error(f"--only {name}: there is no such set; the sets are {', '.join(sorted(known))}")
    if options.modality and options.modality not in {stranger.modality for stranger in SETS}:
        parser.error(f"--modality {options.modality}: no set has it")
    return options


def asked_for(stranger: Stranger, options: argparse.Namespace) -> bool:
    """Whether the command line names the set, directly or by its modality."""
    named = not options.only or stranger.name in options.only
    return named and options.modality in (None, stranger.modality)


def is_there(stranger: Stranger, mirror: Path | None) -> bool:
    """Whether the mirror has the set's folder, or needs none."""
    return not stranger.folder or (mirror is not None and (mirror / stranger.folder).is_dir())


def listed(stranger: Stranger) -> list[str]:
    """A row of `--list`."""
    return [stranger.name, stranger.modality, stranger.recipe, stranger.folder or NONE, stranger.how]


def safely(do: Callable[..., bool], stranger: Stranger, *rest: Any) -> bool:
    """Do it. What goes wrong with one set is printed and does not stop the others."""
    try:
        return do(stranger, *rest)
    except Exception as error:
        print(f"{stranger.name}: FAILED: {type(error).__name__}: {error}", flush=True)
        return False


def part_of(work: Path, options: argparse.Namespace) -> Path:
    """The folder of this league: smaller sets have one of their own."""
    return (work / ("quick" if options.quick else "full")).resolve()


def converted(stranger: Stranger, work: Path, options: argparse.Namespace) -> Path:
    """What `--data` gets. Files that are there from an earlier league are made anew: it takes seconds."""
    out = part_of(work, options) / "data" / stranger.name
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    mirror = options.mirror / stranger.folder if stranger.folder else Path()
    began = time.perf_counter()
    made = stranger.make(mirror, out, stranger.quick if options.quick else stranger.size)
    print(f"{stranger.name}: converted in {time.perf_counter() - began:.1f} s", flush=True)
    return made


def convzoo(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """`convzoo …` in a process of its own, with this copy of convzoo and the environment as it is."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH")) if part)
    command = [sys.executable, "-m", "convzoo", *map(str, words)]
    return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)


def check(stranger: Stranger, work: Path, results: Results, options: argparse.Namespace) -> bool:
    """Convert a set and print what `convzoo check` says of it."""
    data = converted(stranger, work, options)
    done = convzoo("check", stranger.recipe, "--data", data, *stranger.settings, *options.set)
    print("\n".join(f"{stranger.name}: {line}" for line in (done.stdout + done.stderr).splitlines()), flush=True)
    return done.returncode == 0


def enter(stranger: Stranger, work: Path, results: Results, options: argparse.Namespace) -> bool:
    """Convert a set, run it with each seed and let the independent opponent learn, as far as this is not done yet."""
    about = {"set": stranger.name, "quick": options.quick, "settings": options.set}
    seeds = [seed for seed in options.seeds if not results.of(kind="run", seed=seed, **about)]
    alone = stranger.recipe in OPPONENTS and not results.of(kind="opponent", **about)
    if not seeds and not alone:
        return True
    data = converted(stranger, work, options)
    well = True
    for seed in seeds:
        row = run(stranger, data, seed, part_of(work, options) / "runs" / f"{stranger.name}-{seed}", options)
        if row is None:
            well = False
        else:
            results.add({"kind": "run", **about, "seed": seed, **row})
    if alone:
        results.add({"kind": "opponent", **about, **opponent(stranger, data, options)})
    return well


def run(stranger: Stranger, data: Path, seed: int, folder: Path, options: argparse.Namespace) -> dict[str, Any] | None:
    """One run, in figures; None if it failed, which is printed."""
    from convzoo.recipe.recipe import load

    shutil.rmtree(folder, ignore_errors=True)
    began = time.perf_counter()
    words = [*stranger.settings, *options.set, f"train.seed={seed}"]
    done = convzoo("run", stranger.recipe, "--data", data, "--out", folder, "--quiet", *words)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
        print(f"{stranger.name}, seed {seed}: FAILED with {done.returncode}: {said}", flush=True)
        return None
    found = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    about = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    score = next(iter(load(stranger.recipe).expect))  # what the recipe promises first
    opponents = {name: scores[score] for name, scores in found["baselines"].items() if score in scores}
    print(f"{stranger.name}, seed {seed}: {score} {found['scores'][score]:.3f}", flush=True)
    return {
        "recipe": stranger.recipe,
        "score": score,
        "value": found["scores"][score],
        "opponents": opponents,
        "comparisons": found.get("comparisons", {}),
        "judgement": found.get("judgement", ""),
        "examples": found["examples"],
        "steps": found["steps"],
        "minutes": round((time.perf_counter() - began) / 60, 2),
        **{key: about[key] for key in ("convzoo", "git", "device", "precision", "threads", "notes")},
    }


def opponent(stranger: Stranger, data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The independent opponent's score on the run's split, which the same reader makes again."""
    from convzoo.recipe.assembly import build
    from convzoo.recipe.own_data import open_recipe

    began = time.perf_counter()
    recipe = open_recipe(stranger.recipe, [*stranger.settings, *options.set], data)
    name, fit = OPPONENTS[stranger.recipe]
    value = fit(build("data", recipe.data, origins=recipe.origins).read())
    print(f"{stranger.name}, {name}: {value:.3f}", flush=True)
    return {"opponent": name, "value": value, "minutes": round((time.perf_counter() - began) / 60, 2)}


def print_results(chosen: Sequence[Stranger], results: Results, options: argparse.Namespace) -> None:
    """The table and its last sentence, printed and, with `--table`, written."""
    rows, levels = [], []
    for stranger in chosen:
        about = {"set": stranger.name, "quick": options.quick, "settings": options.set}
        runs = [row for seed in options.seeds for row in results.of(kind="run", seed=seed, **about)]
        if runs:
            cells, level = table_row(stranger, runs, results.of(kind="opponent", **about))
            rows.append(cells)
            levels.append(level)
    print()
    print_table(HEAD, rows)
    lasts = f"At or above the better of both opponents on {sum(levels)} of {len(levels)}."
    print(f"\n{lasts}")
    if options.table:
        table = [HEAD, ["---"] * len(HEAD), *rows]
        marked = "\n".join(f"| {' | '.join(cell for cell in row)} |" for row in table)
        options.table.write_text(f"{marked}\n\n{lasts}\n", encoding="utf-8")


def table_row(
    stranger: Stranger, runs: Sequence[dict[str, Any]], alone: Sequence[dict[str, Any]]
) -> tuple[list[str], bool]:
    """The cells of a set, and whether the network's mean is at or above both opponents'.

    The run's best opponent is the one with the best mean over the seeds. Its difference and the ends of the interval, where the
    runs have one, are means over the seeds too: what a single run would say on average.
    """
    values = [row["value"] for row in runs]
    mean = statistics.fmean(values)
    names = [name for name in runs[0]["opponents"] if all(name in row["opponents"] for row in runs)]
    means = {name: statistics.fmean(row["opponents"][name] for row in runs) for name in names}
    best = max(means, key=lambda name: means[name] if math.isfinite(means[name]) else -math.inf)
    said = [row["comparisons"][best] for row in runs if best in row["comparisons"]]
    difference = f"{mean - means[best]:+.3f}"
    if len(said) == len(runs) and all({"low", "high"} <= set(each) for each in said):
        low, high = (statistics.fmean(each[end] for each in said) for end in ("low", "high"))
        difference += f" ({low:+.3f} to {high:+.3f})"
    independent = f"{alone[-1]['opponent']} {alone[-1]['value']:.3f}" if alone else NONE
    examples = runs[0]["examples"]
    cells = [
        stranger.name,
        "/".join(f"{examples[part]:,}" for part in ("train", "val", "test")),
        runs[0]["score"].removeprefix("test/"),
        f"{mean:.3f}" + (f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""),
        f"{best} {means[best]:.3f}",
        difference,
        independent,
        f"{statistics.fmean(row['minutes'] for row in runs):.1f}",
    ]
    return cells, mean >= max([means[best], *(row["value"] for row in alone[-1:])])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on, and finished runs are not done again")
