"""The small forms of the recipe of series with a class each."""

from pathlib import Path

import numpy as np

NETWORK = ["train.epochs=2", "train.batch_size=16", "model.channels=8", "model.kernel_size=12"]
SMALL = ["data.train=64", "data.val=24", "data.test=24", "data.length=100", *NETWORK]
PLAIN = ["model.normalisation=layer", "data.train=61"]


def raw() -> list[np.ndarray]:
    return [np.sin(np.arange(100, dtype=np.float32))[None].repeat(2, axis=0)]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table with a row a series, and cells that are empty."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        kind = number % 2
        values = np.sin(np.arange(30) * (0.3 + 0.4 * kind) + random.uniform(0, 6)) + random.normal(0, 0.2, 30)
        cells = [f"{value:.4f}" for value in values]
        if number % 7 == 0:
            cells[5] = ""
        rows.append(",".join([("slow", "fast")[kind], *cells]))
    table = folder / "series.csv"
    table.write_text("\n".join([",".join(["class", *(f"t{at}" for at in range(30))]), *rows]) + "\n", encoding="utf-8")
    return table, ["train.epochs=2", "train.batch_size=8", "model.channels=8", "model.kernel_size=12"]


def asked(data: Path) -> list[object]:
    return [data]
