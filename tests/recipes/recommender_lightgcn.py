"""The small forms of the recipe of recommendation."""

from pathlib import Path

NETWORK = ["model.embedding_size=8", "train.epochs=3", "train.batch_size=400", "train.evaluate_every=3"]
SMALL = ["data.users=120", "data.items=80", "data.mean=12.0", *NETWORK]
PLAIN = ["data.users=110"]


def raw() -> list[str]:
    return ["u5"]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table of who had what, and when."""
    table = folder / "interactions.csv"
    rows = [
        f"u{user},i{(user + 3 * at) % 25},{1 + (user + at) % 5},{1000 + 10 * at + user}"
        for user in range(20)
        for at in range(6)
    ]
    table.write_text("\n".join(["user,item,rating,time", *rows]) + "\n", encoding="utf-8")
    return table, [*NETWORK, "train.evaluate_every=1"]


def asked(data: Path) -> list[object]:
    return ["--user", "u3"]
