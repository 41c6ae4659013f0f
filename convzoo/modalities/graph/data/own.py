"""A person's own graph: tables of nodes and edges, GraphML, or NumPy's npz."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.core.arguments import Count, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import first_line, nearest
from convzoo.modalities.graph.example import Graph, Node, Nodes, make_edges
from convzoo.reading.arrays import check_arrays
from convzoo.reading.columns import SPLIT_NAMES, find_split
from convzoo.reading.damaged import Damaged
from convzoo.reading.manifest import columns_in_words
from convzoo.reading.splitting import NAMES, folds_by_group, refuse_folds, split_by_group
from convzoo.reading.tables import Table, read_table, table_named

ID = ("id", "node", "node_id", "name")
LABEL = ("label", "class", "category", "target", "community", "department")
SOURCE = ("source", "src", "from", "u", "node1", "id1", "citing")
TARGET = ("target", "dst", "to", "v", "node2", "id2", "cited")
WEIGHT = ("weight", "w", "value", "strength")
MOST_VALUES = 100
"""A text column with more different values than this is an address or a name, not a kind: it tells nothing about others."""


class GraphTable(Reader):
    """A folder with a table of nodes and one of edges (nodes.csv, edges.csv; also .tsv, .parquet), a .graphml file, or an .npz
    with `edge_index` (2, edges), `features` (nodes, features), `labels` (nodes,), and optionally `edge_weight` and `train`,
    `val`, `test` (masks or numbers).

    Any ids will do. Numeric columns of the node table are features as they are; a text column becomes one feature a value. A
    node without a label (an empty field) is part of the graph but of no split. Without a split column, the labelled nodes are
    split here, stratified by class. In a table without labels the class to be learnt must be named.

    Args:
        path: of the folder or the file
        directed: whether an edge carries messages from source to target only
        id: the column of the nodes' ids
        label: the column of the classes, or of the numbers or lists of classes that the task learns
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        features: the columns that are features; by default all others
        source: the column of an edge's beginning
        target: the column of its end
        weight: the column of its weight; by default one named weight, else all weigh 1
        val: part of the labelled nodes for validation, where the split is made here
        test: part for testing, where no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        seed: of the split
        skip_damaged: leave nodes and edges whose rows cannot be read out, and say which; by default they are refused
    """

    example = Node
    formats: ClassVar[str] = (
        "a folder with nodes.csv and edges.csv (or .tsv, .jsonl, .parquet), a .graphml or an .npz file"
    )

    def __init__(
        self,
        path: str,
        directed: bool | None = None,
        id: str | None = None,
        label: str | None = None,
        split: str | None = None,
        features: list[str] | None = None,
        source: str | None = None,
        target: str | None = None,
        weight: str | None = None,
        val: Fraction = 0.15,
        test: Fraction = 0.15,
        fold: Count | None = None,
        folds: Positive = 5,
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.directed = directed
        self.id = id
        self.label = label
        self.split = split
        self.features = features
        self.source = source
        self.target = target
        self.weight = weight
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.seed = seed
        self.taken = ""  # which columns were taken for what, once tables are read
        self.label_type: LabelType = label_type
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "nodes and edges")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with both tables, or a file by its ending."""
        if path.is_dir():
            return table_named(path, "nodes") is not None and table_named(path, "edges") is not None
        return path.suffix.lower() in (".graphml", ".npz")

    def read(self) -> Splits:
        """Read the graph.

        Raises:
            DataError: a file is absent or damaged; an edge names a node that has no row; a feature is no finite number; nothing
                is labelled; there are no edges.
        """
        graph, home, files = self._read()
        labelled = np.array([index for index, label in enumerate(graph.labels) if label is not None])
        origin = "as given"
        if home is None:
            if not len(labelled):
                raise DataError(f"{self.path}: no node has a label to learn from")
            names = [graph.labels[index] for index in labelled.tolist()]
            home = np.full(len(graph), -1)
            by = {"class": "class", "number": "quantile", "classes": "labels"}[self.label_type]
            home[labelled], how = self._homes_of(names)
            origin = f"{how}, stratified by {by}, val {self.val:g}, seed {self.seed}"
        else:
            refuse_folds(str(self.path), self.fold)
        parts = [np.flatnonzero(home == number) for number in range(3)]
        for name, part in zip(("train", "val", "test"), parts, strict=True):
            bare = next((graph.ids[index] for index in part.tolist() if graph.labels[index] is None), None)
            if bare is not None:
                raise DataError(f"{self.path}: node {bare!r} is in {name} but has no label")
        trained = {graph.labels[index] for index in parts[0].tolist()}
        missing = sorted({graph.labels[i] for part in parts[1:] for i in part.tolist()} - trained, key=str)
        if missing and self.label_type == "class":
            raise DataError(
                f"{self.path}: class {missing[0]!r} has no training node; label one, or leave the class out"
            )
        facts = {str(file): {"sha256": sha256_of(file)} for file in files}
        train, val, test = (Nodes(graph, part) for part in parts)
        described = {"columns": self.taken} if self.taken else {}
        return Splits(
            train, val, test, origin=f"{origin}; {graph.in_words()}", files=facts, notes=_features_in_words(graph),
            described=described, skipped=self.damaged.skipped,
        )  # fmt: skip

    def _homes_of(self, labels: Sequence[Any]) -> tuple[np.ndarray, str]:
        """The split of each labelled node as 0, 1 or 2, and how it was made."""
        where, alone = str(self.path), list(range(len(labels)))
        if self.fold is None:
            return split_by_group(
                labels, alone, self.val, self.test, self.seed, where
            ), f"made here: test {self.test:g}"
        home = np.full(len(labels), 2)
        rest = np.flatnonzero(folds_by_group(labels, alone, self.folds, self.seed, where, self.fold) != self.fold)
        kept = [labels[index] for index in rest.tolist()]
        names = ("train", "val", "val")
        held = split_by_group(kept, list(range(len(kept))), self.val / 2, self.val / 2, self.seed, where, names)
        home[rest] = held > 0
        return home, f"fold {self.fold} of {self.folds}"

    def examples(self) -> list[Any]:
        """All labelled nodes."""
        graph, _, _ = self._read()
        chosen = np.array([index for index, label in enumerate(graph.labels) if label is not None], np.int64)
        return list(Nodes(graph, chosen))

    def _read(self) -> tuple[Graph, np.ndarray | None, list[Path]]:
        self.damaged = Damaged(self.skip_damaged, "nodes and edges")
        if self.path.is_dir():
            nodes, edges = (table_named(self.path, name) for name in ("nodes", "edges"))
            for name, file in (("nodes", nodes), ("edges", edges)):
                if file is None:
                    raise DataError(f"{self.path}: has no {name}.csv (or .tsv, .parquet)")
            assert nodes is not None and edges is not None
            tables = (read_table(file, damaged=self.damaged) for file in (nodes, edges))
            return *self._from_tables(*tables), [nodes, edges]
        if not self.path.is_file():
            raise no_such(self.path)
        if self.path.suffix.lower() == ".graphml":
            return *self._from_tables(*self._graphml()), [self.path]
        return *self._npz(), [self.path]

    def _from_tables(self, nodes: Table, edges: Table) -> tuple[Graph, np.ndarray | None]:
        if not len(nodes):
            raise DataError(f"{nodes.path}: the graph is empty: there are no nodes")
        id_column = nodes.find("id", self.id, ID)
        label = nodes.find("label", self.label, LABEL)
        split = find_split(
            nodes.path,
            list(nodes.columns),
            self.split,
            lambda name: [v for v in nodes.columns[name] if v not in (None, "")],
        )
        kept = [name for name in nodes.columns if name not in (id_column, label, split)]
        if self.features is not None:
            kept = [str(nodes.find("features", name, ())) for name in self.features]
        numeric = [name for name in kept if nodes.is_numeric(name)]
        given = nodes
        nodes = given.sound(
            self.damaged, lambda row: (given.id(row, str(id_column)), *(given.number(row, name) for name in numeric))
        )
        ids = nodes.ids(str(id_column))
        numbers = {name: number for number, name in enumerate(ids)}
        if len(numbers) < len(ids):
            twice = next(number for number, name in enumerate(ids) if numbers[name] != number)
            raise DataError(
                f"{nodes.place(numbers[ids[twice]])}: node {ids[twice]!r} is there twice; its first row is {nodes.place(twice)}"
            )
        self.taken = columns_in_words(nodes, {"id": id_column, "label": label, "split": split, "features": kept})
        ends, weights = self._edges(edges, numbers, nodes.path, _left_out(given, nodes, str(id_column)))
        self.damaged.settle()
        matrix, notes = make_edges(ends[0], ends[1], len(ids), weights, bool(self.directed))
        features, names = feature_columns(nodes, kept)
        labels = nodes.labels(str(label), self.label_type, needed=False)
        graph = Graph(matrix, features, labels, ids, names, bool(self.directed), notes)
        return graph, None if split is None else _homes(nodes, split)

    def _edges(
        self, edges: Table, numbers: dict[str, int], nodes: Path, gone: set[str]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """The numbers of the nodes at both ends of each edge, and the weights; without edges that cannot be read, and without
        those of nodes that were left out."""
        columns = [
            str(edges.find("source", self.source, SOURCE)),
            str(edges.find("target", self.target, TARGET)),
        ]
        weight = edges.find("weight", self.weight, WEIGHT, needed=False)
        taken = columns_in_words(edges, {"source": columns[0], "target": columns[1], "weight": weight})
        self.taken = f"{nodes.name}: {self.taken}; {edges.path.name}: {taken}"

        def check(row: int) -> None:
            for column in columns:
                name = edges.id(row, column)
                if name not in numbers and name not in gone:
                    near = nearest(name, list(numbers)[:20_000])
                    hint = f"; did you mean {near!r}?" if near else ""
                    raise DataError(f"{edges.place(row)}: node {name!r} has no row in {nodes.name}{hint}")
            if weight and edges.number(row, weight) <= 0:
                value = edges.number(row, weight)
                raise DataError(f"{edges.place(row)}: column {weight!r} says {value:g}; a weight should be above 0")

        sound = edges.sound(self.damaged, check)
        names = [sound.ids(column) for column in columns]
        there = [row for row in range(len(sound)) if all(ends[row] in numbers for ends in names)]
        found = [np.array([numbers[ends[row]] for row in there], np.int64) for ends in names]
        return found, sound.numbers(weight)[there] if weight else None

    def _graphml(self) -> tuple[Table, Table]:
        """Nodes and edges of a GraphML file as tables; XML entities are not expanded, since none are needed."""
        import xml.etree.ElementTree as ElementTree

        try:
            text = self.path.read_text(encoding="utf-8")
            if "<!ENTITY" in text or "<!DOCTYPE" in text:
                raise DataError(f"{self.path}: declares XML entities, which a graph has no need of; it is not opened")
            root = ElementTree.fromstring(text)
        except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
            raise DataError(f"{self.path}: cannot be read as GraphML ({first_line(error)})") from None
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        keys = {key.get("id", ""): key.get("attr.name", key.get("id", "")) for key in root.iter(f"{space}key")}
        graph = next(root.iter(f"{space}graph"), None)
        if graph is None:
            raise DataError(f"{self.path}: holds no graph")
        if self.directed is None:
            self.directed = graph.get("edgedefault") == "directed"

        def rows(kind: str, own: tuple[str, ...]) -> Table:
            elements = list(graph.iter(f"{space}{kind}"))
            names = [
                *own,
                *dict.fromkeys(keys.get(d.get("key", ""), "") for e in elements for d in e.iter(f"{space}data")),
            ]
            columns: dict[str, list[Any]] = {name: [] for name in dict.fromkeys(names)}
            for element in elements:
                data = {keys.get(d.get("key", ""), ""): (d.text or "").strip() for d in element.iter(f"{space}data")}
                data |= {name: element.get(name, "") for name in own}
                for name, column in columns.items():
                    column.append(data.get(name, ""))
            return Table(self.path, columns, [f"{kind} {number}" for number in range(1, len(elements) + 1)])

        return rows("node", ("id",)), rows("edge", ("source", "target"))

    def _npz(self) -> tuple[Graph, np.ndarray | None]:
        try:
            check_arrays(self.path)
            with np.load(self.path, allow_pickle=False) as archive:
                held = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.path}: cannot be read as npz without pickles ({first_line(error)})") from None
        for name in ("edge_index", "labels"):
            if name not in held:
                raise DataError(f"{self.path}: has no array {name!r}; it has {', '.join(held) or 'none'}")
        count = len(held["labels"])
        pairs = held["edge_index"]
        if pairs.ndim != 2 or pairs.shape[0] != 2 or pairs.dtype.kind not in "iu":
            raise DataError(
                f"{self.path}: edge_index should be whole numbers, (2, edges), not {pairs.dtype} {pairs.shape}"
            )
        if pairs.size and (pairs.min() < 0 or pairs.max() >= count):
            raise DataError(f"{self.path}: edge_index names node {int(pairs.max())}; there are {count} labels")
        features = held.get("features", np.zeros((count, 0), np.float32))
        if features.ndim != 2 or len(features) != count or features.dtype.kind not in "fiub":
            raise DataError(
                f"{self.path}: features should be numbers, ({count}, features), not {features.dtype} {features.shape}"
            )
        weights = held.get("edge_weight")
        if weights is not None and weights.shape != (pairs.shape[1],):
            raise DataError(f"{self.path}: edge_weight should be ({pairs.shape[1]},), not {weights.shape}")
        matrix, notes = make_edges(
            pairs[0].astype(np.int64), pairs[1].astype(np.int64), count, weights, bool(self.directed)
        )
        labels = self._labels_of(held["labels"])
        ids = (
            [str(name) for name in held["ids"].tolist()] if "ids" in held else [str(number) for number in range(count)]
        )
        names = [str(name) for name in held.get("feature_names", np.array([])).tolist()]
        graph = Graph(matrix, features.astype(np.float32), labels, ids, names, bool(self.directed), notes)
        if not any(name in held for name in ("train", "val", "test")):
            return graph, None
        home = np.full(count, -1)
        for number, name in enumerate(("train", "val", "test")):
            if name == "test" and name not in held:
                continue  # nothing is tested
            if name not in held:
                raise DataError(f"{self.path}: has a split but no array {name!r}")
            home[held[name]] = number
        return graph, home

    def _labels_of(self, labels: np.ndarray) -> list[Label | None]:
        """The labels of an array: -1 and empty names say that a node has no class, NaN that it has no number."""
        if self.label_type == "classes":
            raise DataError(f"{self.path}: several classes of a node are read from tables: nodes.csv, edges.csv")
        if self.label_type == "number":
            if labels.dtype.kind not in "fiu" or labels.ndim != 1 or np.isinf(labels).any():
                raise DataError(
                    f"{self.path}: labels should be finite numbers, (nodes,), not {labels.dtype} {labels.shape}"
                )
            return [None if value != value else float(value) for value in labels.tolist()]
        return [None if str(name) in ("", "-1", "nan") else str(name) for name in labels.tolist()]


def _left_out(given: Table, kept: Table, column: str) -> set[str]:
    """The ids of nodes that are damaged."""
    known = set(kept.ids(column))
    return {str(value).strip() for value in given.columns[column] if value not in (None, "")} - known


def feature_columns(table: Table, names: Sequence[str]) -> tuple[Any, list[str]]:
    """(rows, features) of float32 and the features' names: a numeric column as it is, a text column as one feature a value.

    Raises:
        DataError: a number is missing or not finite; a text column has too many values to be a kind.
    """
    blocks: list[Any] = []
    found: list[str] = []
    for name in names:
        if table.is_numeric(name):
            blocks.append(scipy.sparse.csr_matrix(table.numbers(name).astype(np.float32)[:, None]))
            found.append(name)
            continue
        values = ["" if value is None else str(value) for value in table.columns[name]]
        kinds = sorted(set(values))
        if len(kinds) > MOST_VALUES:
            raise DataError(
                f"{table.path}: text column {name!r} has {len(kinds)} different values, too many for a kind; leave it out with "
                "data.features=[…]"
            )
        place = {kind: index for index, kind in enumerate(kinds)}
        columns = [place[value] for value in values]
        ones = np.ones(len(values), np.float32)
        blocks.append(scipy.sparse.csr_matrix((ones, (np.arange(len(values)), columns)), (len(values), len(kinds))))
        found += [f"{name}={kind}" for kind in kinds]
    if not blocks:
        return np.zeros((len(table), 0), np.float32), []
    joined = scipy.sparse.hstack(blocks, format="csr")
    return (joined if joined.nnz < 0.1 * np.prod(joined.shape) else np.asarray(joined.todense())), found


def _homes(nodes: Table, split: str) -> np.ndarray:
    home = np.full(len(nodes), -1)
    for row, value in enumerate(nodes.columns[split]):
        word = "" if value is None else str(value).strip().lower()
        if word in SPLIT_NAMES:
            home[row] = NAMES.index(SPLIT_NAMES[word])
        elif word not in ("", "none"):
            raise DataError(
                f"{nodes.place(row)}: column {split!r} says {word!r}; it should say train, val, test or nothing"
            )
    for number, name in enumerate(NAMES):
        if name != "test" and not (home == number).any():
            raise DataError(
                f"{nodes.path}: the {name} split has no nodes; column {split!r} should say {name} somewhere"
            )
    return home


def _features_in_words(graph: Graph) -> list[str]:
    """A note on what the nodes' features are."""
    names = list(dict.fromkeys(name.partition("=")[0] for name in graph.feature_names))
    if not names:
        return []
    listed = ", ".join(names[:8]) + (f", … ({len(names)} in all)" if len(names) > 8 else "")
    return [f"features of the nodes: {listed}"]
