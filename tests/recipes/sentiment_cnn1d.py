"""The small forms of the recipe of short reviews."""

from pathlib import Path

NETWORK = ["train.epochs=2", "train.batch_size=20", "model.channels=8", "model.embedding_size=8"]
SMALL = ["data.train=120", "data.val=40", "data.test=40", *NETWORK]
PLAIN = ["model.dropout=0.0", "data.train=110"]


def raw() -> list[str]:
    return ["a dull plot"]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table with the columns that most people have."""
    table = folder / "reviews.csv"
    rows = [f"a {['fine', 'poor'][at % 2]} film number {at},{['good', 'bad'][at % 2]}" for at in range(60)]
    table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return table, NETWORK


def asked(data: Path) -> list[object]:
    return ["a fine film"]
