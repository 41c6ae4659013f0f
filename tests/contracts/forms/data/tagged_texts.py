"""Sentences with names in each of the formats that are read."""

import json
from pathlib import Path
from typing import Any

from contracts import files

NAMES = ("Anna", "Peter", "Nadia")
PLACES = ("Tarn", "Port Denby", "Marlow")


def sentences() -> list[tuple[list[str], list[str]]]:
    """Tokens and tags, no two alike."""
    found = []
    for at in range(48):
        place = PLACES[at % 3].split()
        tokens = [NAMES[at % 3], f"Wex{at}", "lives", "in", *place, "."]
        tags = ["B-PER", "I-PER", "O", "O", "B-LOC", *["I-LOC"] * (len(place) - 1), "O"]
        found.append((tokens, tags))
    return found


def form(folder: Path) -> dict[str, Any]:
    """Columns with a part of speech between, in two documents of which each stays whole."""
    rows = []
    for at, (tokens, tags) in enumerate(sentences()):
        if at % 4 == 0:
            rows += ["-DOCSTART- X O", ""]
        rows += [*(f"{token} X {tag}" for token, tag in zip(tokens, tags, strict=True)), ""]
    return {"path": str(files.lines(folder / "names.conll", rows))}


def spans(folder: Path) -> dict[str, Any]:
    """JSON lines with spans of characters."""
    rows = []
    for tokens, _ in sentences():
        text = " ".join(tokens)
        person, place = " ".join(tokens[:2]), " ".join(tokens[4:-1])
        entities = [[0, len(person), "PER"], [text.index(place), text.index(place) + len(place), "LOC"]]
        rows.append(json.dumps({"text": text, "entities": entities}))
    return {"path": str(files.lines(folder / "names.jsonl", rows))}
