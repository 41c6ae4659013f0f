"""The small forms of the recipe of communities in a network."""

from pathlib import Path

NETWORK = ["train.epochs=3", "train.batch_size=16", "model.channels=8"]
SMALL = ["data.nodes=300", "data.train=8", "data.val=60", "data.test=60", "data.vocabulary=60", *NETWORK]
PLAIN = ["model.dropout=0.0", "train.batch_size=17"]


def raw() -> list[object]:
    return ["n3", {"features": {"word 1": 1, "word 7": 1}, "edges": ["n1", "n2"]}]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table of nodes, with a number and a word as features, and one of edges."""
    count = 24
    nodes = [f"p{at},{'ab'[at % 2]},{20 + at},{['red', 'blue', 'green'][at % 3]}" for at in range(count)]
    edges = [f"p{at},p{(at + step) % count}" for at in range(count) for step in (2, 4)]
    (folder / "graph").mkdir()
    (folder / "graph" / "nodes.csv").write_text("\n".join(["id,label,age,colour", *nodes]) + "\n", encoding="utf-8")
    (folder / "graph" / "edges.csv").write_text("\n".join(["source,target", *edges]) + "\n", encoding="utf-8")
    return folder / "graph", NETWORK


def asked(data: Path) -> list[object]:
    return ["--nodes", "p3"]
