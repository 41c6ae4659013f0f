"""The small forms of the recipe of translation."""

from pathlib import Path

NETWORK = ["train.epochs=2", "train.batch_tokens=300", "model.channels=16", "model.embedding_size=16",
           "model.encoder_layers=2", "model.decoder_layers=2"]  # fmt: skip
SMALL = ["data.train=120", "data.val=40", "data.test=40", *NETWORK]
PLAIN = ["model.dropout=0.0", "data.train=110"]


def raw() -> list[str]:
    return ["the dog sees a cat ."]


def own(folder: Path) -> tuple[Path, list[str]]:
    """Two text files, line by line."""
    lines = range(40)
    (folder / "corpus.de").write_text("".join(f"satz {line % 9} hier {line}\n" for line in lines), encoding="utf-8")
    (folder / "corpus.en").write_text("".join(f"sentence {line % 9} here {line}\n" for line in lines), encoding="utf-8")
    return folder / "corpus.de", NETWORK


def asked(data: Path) -> list[object]:
    return [data]
