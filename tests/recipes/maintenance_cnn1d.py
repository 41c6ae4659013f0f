"""The small forms of the recipe of compressors that run until they fail."""

from pathlib import Path

import numpy as np

from convzoo.modalities.series.data.run_to_failure import RunToFailure
from convzoo.modalities.series.history import History

NETWORK = ["train.epochs=2", "train.batch_size=8", "model.channels=8", "model.dilations=[1,2]", "model.trends=[4,8]",
           "encoder.context=24"]  # fmt: skip
SMALL = ["data.train=10", "data.val=5", "data.test=6", "data.cuts=4", "encoder.chunk=48", *NETWORK]
PLAIN = ["model.dropout=0"]


def raw() -> list[History]:
    """A machine as the generator makes it."""
    return [RunToFailure(1, 1, 1, seed=3).read().test[0]]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table of eight pumps, each to its last hour."""
    random = np.random.default_rng(0)
    rows = ["pump,hour,model,heat,sound"]
    for pump in range(8):
        length = int(random.integers(30, 60))
        wear = np.exp(np.arange(length) / 10 - length / 10)
        for hour in range(length):
            heat, sound = 40 + 5 * wear[hour] + random.normal(), 3 * wear[hour] + random.normal()
            rows.append(f"P{pump},{hour},{'ab'[pump % 2]},{heat:.3f},{sound:.3f}")
    (folder / "pumps.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "pumps.csv", [*NETWORK, "encoder.chunk=16", "data.unit=pump", "data.time=hour"]


def asked(data: Path) -> list[object]:
    """The same table."""
    return [data]
