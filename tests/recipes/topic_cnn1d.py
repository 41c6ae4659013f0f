"""The small forms of the recipe of news items."""

from pathlib import Path

NETWORK = ["train.epochs=2", "train.batch_size=20", "model.channels=8", "model.embedding_size=8"]
SMALL = ["data.train=120", "data.val=40", "data.test=40", "data.topics=4", *NETWORK]
PLAIN = ["model.dropout=0.0", "data.train=110"]


def raw() -> list[str]:
    return ["the senator praises the goalkeeper ."]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table in which some items have two labels."""
    table = folder / "items.csv"
    kinds = ("goals and matches", "votes and laws", "votes on goals")
    labels = ("sport", "politics", "sport;politics")
    rows = [f"{kinds[at % 3]} number {at},{labels[at % 3]}" for at in range(60)]
    table.write_text("\n".join(["text,topic", *rows]) + "\n", encoding="utf-8")
    return table, NETWORK


def asked(data: Path) -> list[object]:
    return ["goals and matches"]
