"""The small forms of the recipe of messages."""

from pathlib import Path

NETWORK = [
    "train.epochs=2", "train.batch_size=20", "model.channels=[8,8,8]", "model.embedding_size=8",
]  # fmt: skip
SMALL = ["data.train=120", "data.val=40", "data.test=40", *NETWORK]
PLAIN = [
    "model.dropout=0.0", "model.head_dropout=0.0", "data.train=110",
]  # fmt: skip


def raw() -> list[str]:
    return ["your pr1ze is waiting"]


def own(folder: Path) -> tuple[Path, list[str]]:
    """E-mails in a folder a class."""
    for at in range(60):
        label = ("spam", "ham")[at % 2]
        path = folder / "mails" / label / f"{at}.eml"
        path.parent.mkdir(parents=True, exist_ok=True)
        words = f"{('claim your pr1ze', 'lunch at noon')[at % 2]} number {at}"
        path.write_text(f"From: a{at}@example.org\nSubject: {words}\n\nHello, {words} .\n", encoding="utf-8")
    return folder / "mails", NETWORK


def asked(data: Path) -> list[object]:
    return [data / "spam" / "0.eml"]
