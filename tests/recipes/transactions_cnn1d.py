"""The small forms of the recipe of transactions."""

from pathlib import Path

import numpy as np

from convzoo.modalities.series.history import UnitRows

NETWORK = ["train.epochs=2", "train.batch_size=16", "model.channels=8", "model.dilations=[1,2]", "encoder.chunk=24",
           "encoder.context=8", "encoder.quiet=0.6"]  # fmt: skip
SMALL = ["data.accounts=30", "data.days=60", "data.fraud=40", "data.new=0.2", "data.delay=1", *NETWORK]
PLAIN = ["model.dropout=0", "data.accounts=31"]


def raw() -> list[UnitRows]:
    """A table of one account."""
    rows = 12
    times = np.datetime64("2024-05-01T08:00:00", "ms") + np.arange(rows) * np.timedelta64(5, "h").astype(
        "timedelta64[ms]"
    )
    return [
        UnitRows(
            "made", np.linspace(5, 90, rows)[:, None], ("amount",), np.zeros((rows, 2), np.int32), ("merchant", "place"),
            (("fuel",), ("Celle",)), times, None, ("a",), np.array([0, rows]),
        )
    ]  # fmt: skip


def table(path: Path, accounts: int = 9, rows: int = 60, seed: int = 0) -> Path:
    """Transactions in a table, with days on which fraud was reported."""
    random = np.random.default_rng(seed)
    start = np.datetime64("2024-01-01T00:00:00", "s")
    lines = []
    for account in range(accounts):
        hours = np.cumsum(random.exponential(20, rows))
        for at, hour in enumerate(hours):
            fraud = at % 12 in (10, 11)
            amount = random.lognormal(3, 0.3) * (8 if fraud else 1)
            time = start + np.timedelta64(int(hour * 3600), "s")
            told = str(time + np.timedelta64(2, "D"))[:10] if fraud else ""
            lines.append(
                (time, f"c{account},{time},{amount:.2f},{random.choice(['fuel', 'food'])},{int(fraud)},{told}")
            )
    lines.sort()
    head = "account,time,amount,merchant,fraud,reported"
    path.write_text("\n".join([head, *(line for _, line in lines)]) + "\n", encoding="utf-8")
    return path


def own(folder: Path) -> tuple[Path, list[str]]:
    return table(folder / "transactions.csv"), NETWORK


def asked(data: Path) -> list[object]:
    return [data]
