"""The small forms of the recipe of links."""

from pathlib import Path

NETWORK = ["encoder.hidden=0", "train.epochs=3", "train.batch_size=64", "model.channels=8"]
SMALL = ["data.nodes=120", "data.vocabulary=60", "data.seed=2", "data.test=0.2", "data.val=0.1", *NETWORK]
PLAIN = ["model.dropout=0.0", "model.feature_dropout=0.0", "train.batch_size=67"]


def raw() -> list[object]:
    return ["n3,n7", "n3"]


def own(folder: Path) -> tuple[Path, list[str]]:
    """A table of nodes, with a number and a word as features, and one of edges."""
    count = 40
    nodes = [f"p{at},{20 + at % 7},{['red', 'blue', 'green'][at % 3]}" for at in range(count)]
    edges = [f"p{at},p{(at + step) % count}" for at in range(count) for step in (1, 3)]
    (folder / "graph").mkdir()
    (folder / "graph" / "nodes.csv").write_text("\n".join(["id,age,colour", *nodes]) + "\n", encoding="utf-8")
    (folder / "graph" / "edges.csv").write_text("\n".join(["source,target", *edges]) + "\n", encoding="utf-8")
    return folder / "graph", NETWORK


def asked(data: Path) -> list[object]:
    return ["--pairs", "p3,p9"]
