"""The small forms of the recipe of named entities."""

import json
from pathlib import Path

NETWORK = ["train.epochs=2", "train.batch_size=20", "model.channels=8", "model.embedding_size=8", "model.character_channels=8",
           "model.rows=50"]  # fmt: skip
SMALL = ["data.train=120", "data.val=40", "data.test=40", *NETWORK]
PLAIN = ["model.dropout=0.0", "model.embedding_dropout=0.0", "encoder.word_dropout=0.0", "data.train=110"]


def raw() -> list[str]:
    return ["Anna Marlow lives in Port Denby ."]


def own(folder: Path) -> tuple[Path, list[str]]:
    """Spans of characters, as annotators write them."""
    rows = []
    for at in range(60):
        person, place = ("Anna", "Peter")[at % 2] + f" Marlow{at}", f"Tarn{at}"
        text = f"{person} moved to {place} in March."
        start = text.index(place)
        rows.append({"text": text, "entities": [[0, len(person), "PER"], [start, start + len(place), "LOC"]]})
    table = folder / "texts.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return table, NETWORK


def asked(data: Path) -> list[object]:
    return ["Anna Marlow moved to Tarn."]
