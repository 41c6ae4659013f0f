"""The small forms of the recipe of communities without labels."""

from pathlib import Path

NETWORK = ["train.epochs=3", "train.batch_size=32", "model.channels=8"]
SMALL = [
    "data.nodes=90",
    "data.communities=3",
    "data.degree=40",
    "data.inside=0.9",
    "data.seed=6",
    "data.vocabulary=40",
    "task.communities=3",
    *NETWORK,
]
PLAIN = ["train.batch_size=41"]


def raw() -> list[object]:
    return ["n3", {"features": {"word 1": 1, "word 7": 1}, "edges": ["n1", "n2"]}]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table of nodes, with a number and a word as features, and one of edges; no label."""
    count = 40
    nodes = [f"p{at},{20 + at % 7},{['red', 'blue', 'green'][at % 3]}" for at in range(count)]
    edges = [f"p{at},p{(at + step) % count}" for at in range(count) for step in (1, 3)]
    (folder / "graph").mkdir()
    (folder / "graph" / "nodes.csv").write_text("\n".join(["id,age,colour", *nodes]) + "\n", encoding="utf-8")
    (folder / "graph" / "edges.csv").write_text("\n".join(["source,target", *edges]) + "\n", encoding="utf-8")
    return folder / "graph", NETWORK


def asked(data: Path) -> list[object]:
    return ["--community", "p3"]
