"""The small forms of the recipe of molecule-like graphs."""

import json
from pathlib import Path

import numpy as np

NETWORK = ["train.epochs=3", "train.batch_size=16", "model.channels=8", "model.layers=2"]
SMALL = ["data.train=64", "data.val=32", "data.test=32", *NETWORK]
PLAIN = ["model.dropout=0.0", "data.train=61"]  # nothing in a step is left to chance, and the last batch is odd


def raw() -> list[object]:
    nodes = [{"id": "a", "element": "C"}, {"id": "b", "element": "O"}]
    return [{"nodes": nodes, "edges": [{"source": "a", "target": "b", "bond": "single"}]}]


def a_graph(ring: bool, size: int, seed: int) -> dict[str, object]:
    """A ring or a chain of coloured beads, with one bead beside it."""
    colours = np.random.default_rng(seed).choice(["red", "blue"], size + 1).tolist()
    edges = [{"source": at, "target": at + 1} for at in range(size - 1)] + [{"source": 0, "target": size}]
    return {
        "nodes": [{"id": at, "colour": colour} for at, colour in enumerate(colours)],
        "edges": edges + ([{"source": size - 1, "target": 0}] if ring else []),
    }


def own(folder: Path) -> tuple[Path, list[str]]:
    """A folder a class, with a JSON file a graph."""
    for kind in ("ring", "chain"):
        (folder / "graphs" / kind).mkdir(parents=True)
        for number in range(14):
            graph = a_graph(kind == "ring", 4 + number, number)
            (folder / "graphs" / kind / f"{number}.json").write_text(json.dumps(graph), encoding="utf-8")
    return folder / "graphs", NETWORK


def asked(data: Path) -> list[object]:
    return [data / "ring" / "3.json"]
