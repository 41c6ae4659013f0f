"""The archives of time series classification: every set with every network and opponent, in its official split, as one table.

    CONVZOO_MIRROR=/path/to/mirror python benchmarks/series_table.py --results series.jsonl --table series.md

A cell is a set, a method and a seed. Finished cells are lines of `--results`, and are not computed again, so the table grows from
call to call (`--sets`, `--methods`, `--seeds` choose). Networks are trained as recipes/reference/series_ucr.yaml says: nothing is
chosen on the test split. An ensemble is the mean of the probabilities of all seeds of a network. The published values are those
of the authors' tables of results (github.com/MSD-IRIMAS/LITE: FCN, ResNet, Inception and LITE are means of five runs).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common import print_environment

import convzoo
from convzoo.modalities.series.data.ucr import Ucr
from convzoo.recipe.assembly import build

UNIVARIATE = (
    "ArrowHead",
    "Chinatown",
    "Coffee",
    "ECG200",
    "FaceFour",
    "GunPoint",
    "ItalyPowerDemand",
    "SyntheticControl",
)
OTHERS = ("PLAID", "BasicMotions", "JapaneseVowels")  # lengths differ, or several channels
RECIPE = "recipes/reference/series_ucr.yaml"
NETWORKS = {
    "lite": ["model.name=lite"],
    "fcn1d": ["model.name=fcn1d", "train.batch_size=16"],
    "resnet1d": ["model.name=resnet1d", "train.batch_size=16"],
    "inception_time": ["model.name=inception_time", "train.batch_size=16"],
}
OPPONENTS: Mapping[str, Mapping[str, Any]] = {
    "interval_forest": {},
    "dtw_neighbour": {"window": 0.05, "max_length": 500, "max_examples": 600},
    "multi_rocket": {"count": 50_000},
    "hydra": {},
}
AEON = ("aeon_multi_rocket", "aeon_hydra")  # independent code, not part of the default: pip install aeon
PUBLISHED = {
    "ArrowHead": {"fcn1d": 0.840, "resnet1d": 0.838, "inception_time": 0.846, "lite": 0.822, "multi_rocket": 0.869},
    "Chinatown": {"fcn1d": 0.980, "resnet1d": 0.978, "inception_time": 0.980, "lite": 0.980, "multi_rocket": 0.980},
    "Coffee": {"fcn1d": 1.0, "resnet1d": 1.0, "inception_time": 1.0, "lite": 1.0, "multi_rocket": 1.0},
    "ECG200": {"fcn1d": 0.880, "resnet1d": 0.874, "inception_time": 0.926, "lite": 0.896, "multi_rocket": 0.920},
    "FaceFour": {"fcn1d": 0.927, "resnet1d": 0.955, "inception_time": 0.961, "lite": 0.952, "multi_rocket": 0.932},
    "GunPoint": {"fcn1d": 0.997, "resnet1d": 0.991, "inception_time": 0.999, "lite": 0.997, "multi_rocket": 1.0},
    "ItalyPowerDemand": {
        "fcn1d": 0.963,
        "resnet1d": 0.962,
        "inception_time": 0.966,
        "lite": 0.969,
        "multi_rocket": 0.968,
    },
    "SyntheticControl": {
        "fcn1d": 0.987,
        "resnet1d": 0.997,
        "inception_time": 0.995,
        "lite": 0.999,
        "multi_rocket": 0.993,
    },
    "PLAID": {"fcn1d": 0.904, "resnet1d": 0.940, "inception_time": 0.937, "lite": 0.907, "multi_rocket": 0.935},
    "BasicMotions": {"fcn1d": 1.0, "resnet1d": 1.0, "inception_time": 1.0, "lite": 0.985},
    "JapaneseVowels": {"fcn1d": 0.973, "resnet1d": 0.914, "inception_time": 0.970, "lite": 0.963},
}
ENSEMBLES = {
    "ArrowHead": {"inception_time": 0.851, "lite": 0.840}, "Chinatown": {"inception_time": 0.983, "lite": 0.983},
    "Coffee": {"inception_time": 1.0, "lite": 1.0}, "ECG200": {"inception_time": 0.930, "lite": 0.920},
    "FaceFour": {"inception_time": 0.966, "lite": 0.955}, "GunPoint": {"inception_time": 1.0, "lite": 1.0},
    "ItalyPowerDemand": {"inception_time": 0.965, "lite": 0.967}, "SyntheticControl": {"inception_time": 0.997, "lite": 1.0},
    "PLAID": {"inception_time": 0.942, "lite": 0.920}, "BasicMotions": {"lite": 1.0}, "JapaneseVowels": {"lite": 0.965},
}  # fmt: skip


def network_cell(name: str, method: str, seed: int, folder: Path, more: Sequence[str]) -> dict[str, Any]:
    """Train a network and predict the test series."""
    overrides = [f"data.set={name}", f"train.seed={seed}", "baselines=[]", *NETWORKS[method], *more]
    run = convzoo.run(RECIPE, overrides, out=folder / f"{name}-{method}-{seed}", quiet=True, report=False)
    examples = Ucr(set=name, validate="train").read().test
    found = run.predict(examples)
    labels = list(found[0]["probabilities"])
    rows = [[round(each["probabilities"][label], 4) for label in labels] for each in found]
    right = [each["label"] == example.label for each, example in zip(found, examples, strict=True)]
    truth = [labels.index(example.label) for example in examples]
    return {"accuracy": float(np.mean(right)), "probabilities": rows, "truth": truth}


def opponent_cell(name: str, method: str, seed: int) -> dict[str, Any]:
    """Fit an opponent on all training series."""
    from convzoo.core.targets import Targets
    from convzoo.recipe.types import Part

    splits = Ucr(set=name, validate="train").read()
    targets = Targets.of(example.label for example in splits.train)
    settings = dict(OPPONENTS[method]) | ({} if method == "dtw_neighbour" else {"seed": seed})
    opponent = build("baseline", Part(method, settings))
    opponent.fit(splits.train, targets.dims)
    said = opponent.outputs(splits.test).argmax(dim=1).numpy()
    truth = [targets.labels.number(example.label, "") for example in splits.test]
    return {"accuracy": float((said == truth).mean())}


def aeon_cell(name: str, method: str, seed: int) -> dict[str, Any]:
    """The same with aeon's implementation; series of different lengths are padded with zeros at their end."""
    from aeon.classification.convolution_based import HydraClassifier, MultiRocketClassifier

    splits = Ucr(set=name, validate="train").read()
    longest = max(example.read().shape[1] for example in [*splits.train, *splits.test])

    def arrays(examples: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
        rows = [np.pad(example.read(), ((0, 0), (0, longest - example.read().shape[1]))) for example in examples]
        return np.stack(rows).astype(np.float64), np.array([example.label for example in examples])

    made = HydraClassifier(random_state=seed) if method == "aeon_hydra" else MultiRocketClassifier(random_state=seed)
    made.fit(*arrays(splits.train))
    series, truth = arrays(splits.test)
    return {"accuracy": float((made.predict(series) == truth).mean())}


def finished(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """The cells of a file of results."""
    if not path.is_file():
        return {}
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {(row["set"], row["method"], row["seed"]): row for row in rows}


def accuracies(cells: Mapping[tuple[str, str, int], dict[str, Any]]) -> dict[str, dict[str, tuple[float, int]]]:
    """By method and set, the mean accuracy over the seeds and their number; an ensemble of at least two is `NETWORK x 5`."""
    found: dict[str, dict[str, tuple[float, int]]] = {}
    for name, method in dict.fromkeys((name, method) for name, method, _ in cells):
        rows = [row for key, row in cells.items() if key[:2] == (name, method)]
        found.setdefault(method, {})[name] = float(np.mean([row["accuracy"] for row in rows])), len(rows)
        if method in NETWORKS and len(rows) > 1:
            mean = np.mean([row["probabilities"] for row in rows], axis=0)
            right = float((mean.argmax(axis=1) == np.array(rows[0]["truth"])).mean())
            found.setdefault(f"{method} x {len(rows)}", {})[name] = right, len(rows)
    return found


def table(cells: Mapping[tuple[str, str, int], dict[str, Any]]) -> str:
    """Markdown: a row for each set, a column for each method, the published value in brackets; the mean and the mean rank over
    the sets that all methods of the table have, of the univariate ones with equal lengths."""
    found = accuracies(cells)
    methods = sorted(found, key=lambda method: (method not in NETWORKS, method))
    lines = ["| set | " + " | ".join(methods) + " |", "|---|" + "---|" * len(methods)]
    for name in (*UNIVARIATE, *OTHERS):
        row = []
        for method in methods:
            if name not in found[method]:
                row.append("")
                continue
            network, _, count = method.partition(" x ")
            known = (ENSEMBLES if count else PUBLISHED).get(name, {}).get(network)
            row.append(f"{found[method][name][0]:.3f}" + (f" ({known:.3f})" if known is not None else ""))
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    whole = [method for method in methods if all(name in found[method] for name in UNIVARIATE)]
    means = {method: float(np.mean([found[method][name][0] for name in UNIVARIATE])) for method in whole}
    lines.append(
        "| mean of the first 8 | " + " | ".join(f"{means[m]:.4f}" if m in means else "" for m in methods) + " |"
    )
    if len(whole) > 1:
        from scipy.stats import rankdata

        ranks = np.mean([rankdata([-found[m][name][0] for m in whole]) for name in UNIVARIATE], axis=0)
        by_method = dict(zip(whole, ranks, strict=True))
        lines.append(
            "| mean rank | " + " | ".join(f"{by_method[m]:.2f}" if m in by_method else "" for m in methods) + " |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Compute what is missing, and write the table."""
    made = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    made.add_argument("--results", type=Path, default=Path("series.jsonl"), help="a line for each finished cell")
    made.add_argument("--table", type=Path, help="the table as Markdown")
    made.add_argument("--runs", type=Path, default=Path("runs/series_table"), help="folder of the runs")
    made.add_argument("--sets", nargs="+", default=[*UNIVARIATE, *OTHERS])
    made.add_argument("--methods", nargs="+", default=[*NETWORKS, *OPPONENTS])
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    made.add_argument(
        "--set", nargs="*", default=[], dest="overrides", help="settings of the recipe, as for convzoo run"
    )
    made.add_argument("--cells", type=int, help="at most so many new cells")
    options = made.parse_args()
    print_environment(1)
    done = finished(options.results)
    for name, method, seed in wanted(options.sets, options.methods, options.seeds, done, options.cells):
        began = time.perf_counter()
        if method in NETWORKS:
            cell = network_cell(name, method, seed, options.runs, options.overrides)
        else:
            cell = (aeon_cell if method in AEON else opponent_cell)(name, method, seed)
        row = {"set": name, "method": method, "seed": seed, "seconds": round(time.perf_counter() - began, 1), **cell}
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{name:18} {method:16} seed {seed}  {row['accuracy']:.4f}  {row['seconds']:.0f} s", flush=True)
    written = table(finished(options.results))
    if options.table is not None:
        options.table.write_text(written, encoding="utf-8")
    print(written)
    return 0


def wanted(
    sets: Sequence[str], methods: Sequence[str], seeds: Sequence[int], done: Iterable[Any], most: int | None
) -> list[tuple[str, str, int]]:
    """The cells that are still to be computed: the first seed of everything before the second. Of opponents one seed."""
    cells = [
        (name, method, seed)
        for seed in seeds
        for method in methods
        for name in sets
        if (method in NETWORKS or seed == seeds[0]) and (name, method, seed) not in set(done)
    ]
    return cells if most is None else cells[:most]


if __name__ == "__main__":
    sys.exit(main())
