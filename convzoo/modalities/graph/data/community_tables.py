"""Graphs whose nodes are grouped: Planetoid's, and a person's own."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import listed
from convzoo.core.text import nearest
from convzoo.modalities.graph.data.own import ID, LABEL, MOST_VALUES, SOURCE, TARGET, WEIGHT, feature_columns
from convzoo.modalities.graph.data.own_links import LISTS, edge_list
from convzoo.modalities.graph.data.planetoid import Planetoid
from convzoo.modalities.graph.example import Graph, Nodes, make_edges
from convzoo.modalities.graph.members import Member, whole
from convzoo.reading.damaged import Damaged
from convzoo.reading.manifest import columns_in_words
from convzoo.reading.tables import Table, is_table, read_table, table_named

_ALL = "all nodes are grouped, no label is used"
_NO_FOLDS = "has no labels to learn from, so no folds are made"


class PlanetoidCommunities(Reader):
    """All papers of Cora, CiteSeer or PubMed with their citations; the fields are for scores only.

    Args:
        dataset: cora, citeseer or pubmed
        path: a folder with the eight Planetoid files; by default the data set is fetched
    """

    example = Member
    formats: ClassVar[str] = "a folder of Planetoid files (ind.cora.x …)"
    why_no_folds: ClassVar[str] = _NO_FOLDS

    def __init__(self, dataset: str = "cora", path: str | None = None) -> None:
        self.nodes = Planetoid(dataset, path)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with one such set of files."""
        return Planetoid.recognises(path)

    def read(self) -> Splits:
        """Read the eight files.

        Raises:
            DataError: a file is absent or damaged, or is a pickle with anything but arrays.
        """
        splits = self.nodes.read()
        assert isinstance(splits.train, Nodes)
        graph = splits.train.graph
        train, val, test = whole(graph)
        return Splits(train, val, test, origin=f"{_ALL}; {graph.in_words()}", files=splits.files)

    def examples(self) -> list[Member]:
        """All nodes."""
        return list(self.read().test)


class CommunityTable(Reader):
    """A folder with a table of edges (edges.csv; also .tsv, .parquet) and perhaps one of nodes (nodes.csv: id, features, and
    perhaps a label that scores are computed with), a table of edges alone, or a list of edges without a heading (.txt).

    Edges have no direction here. Numeric columns of the node table are features as they are, a text column becomes one feature a
    value.

    Args:
        path: of the folder or the file
        id: the column of the nodes' ids
        label: the column of the true communities, for scores only; by default one named label, community or department;
            `none`: there is none
        features: the columns that are features; by default all others that are numbers or few kinds
        source: the column of an edge's one end
        target: the column of its other end
        weight: the column of its weight; by default one named weight, else all weigh 1
        skip_damaged: leave nodes and edges whose rows cannot be read out, and say which; by default they are refused
    """

    example = Member
    formats: ClassVar[str] = (
        "a folder with edges.csv and perhaps nodes.csv (or .tsv, .jsonl, .parquet), a table or a list of edges (.txt)"
    )
    why_no_folds: ClassVar[str] = _NO_FOLDS

    def __init__(
        self,
        path: str,
        id: str | None = None,
        label: str | None = None,
        features: list[str] | None = None,
        source: str | None = None,
        target: str | None = None,
        weight: str | None = None,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.id = id
        self.label = label
        self.features = features
        self.source = source
        self.target = target
        self.weight = weight
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "nodes and edges")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with a table of edges, or a file by its ending."""
        if path.is_dir():
            return table_named(path, "edges") is not None
        return path.is_file() and (is_table(path) or path.suffix.lower() in LISTS)

    def read(self) -> Splits:
        """Read the graph.

        Raises:
            DataError: a file is absent or damaged; an edge names a node that has no row; there are no edges.
        """
        self.damaged = Damaged(self.skip_damaged, "nodes and edges")
        if not self.path.exists():
            raise no_such(self.path)
        of_edges = table_named(self.path, "edges") if self.path.is_dir() else self.path
        of_nodes = table_named(self.path, "nodes") if self.path.is_dir() else None
        if of_edges is None:
            raise DataError(f"{self.path}: has no edges.csv (or .tsv, .parquet)")
        listed_ = of_edges.suffix.lower() in LISTS
        edges = edge_list(of_edges) if listed_ else read_table(of_edges, damaged=self.damaged)
        nodes = None if of_nodes is None else read_table(of_nodes, damaged=self.damaged)
        files = [file for file in (of_nodes, of_edges) if file is not None]
        notes: list[str] = []
        graph, taken = self._graph(nodes, edges, notes)
        splits = Splits(
            *whole(graph), origin=f"{_ALL}; {graph.in_words()}", notes=notes, described={"columns": taken},
            files={str(file): {"sha256": sha256_of(file)} for file in files},
        )  # fmt: skip
        return replace(splits, skipped=self.damaged.skipped)

    def examples(self) -> list[Member]:
        """All nodes."""
        return list(self.read().test)

    def _graph(self, nodes: Table | None, edges: Table, notes: list[str]) -> tuple[Graph, str]:
        ends = [str(edges.find("source", self.source, SOURCE)), str(edges.find("target", self.target, TARGET))]
        weight = edges.find("weight", self.weight, WEIGHT, needed=False)
        numbers: dict[str, int] = {}
        gone: set[str] = set()
        features: Any = None
        names: list[str] = []
        labels: list[Any] = []
        taken = (
            f"{edges.path.name}: {columns_in_words(edges, {'source': ends[0], 'target': ends[1], 'weight': weight})}"
        )
        if nodes is not None:
            column = str(nodes.find("id", self.id, ID))
            label = None if self.label == "none" else nodes.find("label", self.label, LABEL, needed=False)
            kept = [name for name in nodes.columns if name not in (column, label)]
            if self.features is not None:
                kept = [str(nodes.find("features", name, ())) for name in self.features]
            else:
                wide = [
                    n for n in kept if not nodes.is_numeric(n) and len(set(map(str, nodes.columns[n]))) > MOST_VALUES
                ]
                kept = [name for name in kept if name not in wide]
                notes += (
                    [f"{nodes.path.name}: text columns with too many values are left out: {listed(wide)}"]
                    if wide
                    else []
                )
            given, numeric = nodes, [name for name in kept if nodes.is_numeric(name)]
            nodes = given.sound(
                self.damaged, lambda row: (given.id(row, column), *(given.number(row, n) for n in numeric))
            )
            ids = nodes.ids(column)
            numbers = {name: number for number, name in enumerate(ids)}
            gone = {str(value).strip() for value in given.columns[column] if value not in (None, "")} - set(numbers)
            features, names = feature_columns(nodes, kept)
            labels = nodes.optional_ids(label)
            roles = {"id": column, "label (scores only)": label, "features": kept}
            taken = f"{nodes.path.name}: {columns_in_words(given, roles)}; {taken}"
        where = "" if nodes is None else nodes.path.name

        def check(row: int) -> bool:
            for end in ends:
                name = edges.id(row, end)
                if nodes is not None and name not in numbers and name not in gone:
                    near = nearest(name, list(numbers)[:20_000])
                    hint = f"; did you mean {near!r}?" if near else ""
                    raise DataError(f"{edges.place(row)}: node {name!r} has no row in {where}{hint}")
            if weight and edges.number(row, weight) <= 0:
                raise DataError(
                    f"{edges.place(row)}: column {weight!r} says {edges.number(row, weight):g}; it should be above 0"
                )
            return True

        edges = edges.sound(self.damaged, check)
        self.damaged.settle()
        both = [edges.ids(end) for end in ends]
        if nodes is None:
            numbers = {
                name: at
                for at, name in enumerate(dict.fromkeys(name for pair in zip(*both, strict=True) for name in pair))
            }
            features, labels = np.zeros((len(numbers), 0), np.float32), [None] * len(numbers)
        there = [row for row in range(len(edges)) if all(column[row] in numbers for column in both)]
        found = [np.array([numbers[column[row]] for row in there], np.int64) for column in both]
        weights = edges.numbers(weight)[there] if weight else None
        matrix, said = make_edges(found[0], found[1], len(numbers), weights)
        return Graph(matrix, features, labels, list(numbers), names, notes=said), taken
