"""A person's own graph: tables of nodes and edges, GraphML, GEXF, GML, lists of edges, NumPy's npz, MATLAB's mat."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Count, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.inputs import Given
from convzoo.core.labels import Label
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import counted
from convzoo.core.text import nearest
from convzoo.modalities.graph.data.arrays import Arrays, checked, read_mat, read_npz
from convzoo.modalities.graph.data.graph_files import (
    WHOLE,
    edge_list_folder,
    musae_folder,
    read_edge_list,
    read_graph_file,
    read_labels,
    read_musae,
)
from convzoo.modalities.graph.data.node_columns import (
    MOST_VALUES as MOST_VALUES,
)
from convzoo.modalities.graph.data.node_columns import (
    UNLABELLED,
    is_missing,
    kind_of,
    node_features,
    number_or_nan,
)
from convzoo.modalities.graph.example import Graph, Node, Nodes, make_edges
from convzoo.reading.columns import SPLIT_NAMES, find_split
from convzoo.reading.damaged import Damaged
from convzoo.reading.headings import read_with_heading
from convzoo.reading.lines import plain_suffix
from convzoo.reading.manifest import columns_in_words, unused_columns
from convzoo.reading.splitting import NAMES, folds_by_group, refuse_folds, split_by_group
from convzoo.reading.tables import Table, read_table, table_named

ID = ("id", "node", "node_id", "name")
LABEL = ("label", "class", "category", "target", "community", "department", "ml_target", "page_type")
SOURCE = ("source", "src", "from", "u", "node1", "id1", "node_1", "id_1", "citing")
TARGET = ("target", "dst", "to", "v", "node2", "id2", "node_2", "id_2", "cited")
WEIGHT = ("weight", "w", "value", "strength")
_SEVERAL = re.compile(r"split[_ -]?(\d+)", re.IGNORECASE)
"""One of several splits of a table: `split_0`, `split_1` …"""
_INDEX = re.compile(r"column 1|Unnamed: 0")
"""What the column of row numbers is called that pandas writes before the others."""


class GraphTable(Reader):
    """A folder with a table of nodes and one of edges (nodes.csv, edges.csv; also .tsv, .jsonl, .parquet); a .graphml, .gexf or
    .gml file; an .npz with `edge_index` (2, edges), `x` or `features` (nodes, features), `y` or `labels` (nodes,), and
    optionally `edge_weight` and `train_mask`, `val_mask`, `test_mask` (masks or numbers); a .mat with a matrix of edges and
    labels; a folder of MUSAE's data sets; or a list of edges beside a file of labels.

    Any ids will do. Numeric columns of the node table are features as they are; a text column becomes one feature a value.
    `data.node_columns.node_features` says what becomes of missing values, lists and free text. A node without a label (an
    empty field, NA, nan, unknown; -1 where labels count from 0) is part of the graph but of no split. Without a given split, the
    labelled nodes are split here, stratified by class. In a table without labels the class to be learnt must be named.

    Args:
        path: of the folder or the file
        directed: whether an edge carries messages from source to target only
        id: the column of the nodes' ids
        label: the column of the classes, or of the numbers or lists of classes that the task learns
        unlabelled: what the column of labels says of a node without one, besides an empty field; by default NA, nan, null, none,
            ?, unknown, and -1 where the other labels are whole numbers from 0
        split: the column that says train, val or test; by default one named split, set or subset; `none`: there is none
        features: the columns that are features; by default all others
        source: the column of an edge's beginning
        target: the column of its end
        weight: the column of its weight; by default one named weight, else all weigh 1
        val: part of the labelled nodes for validation, where the split is made here; 0: all are learnt from
        test: part for testing, where no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0; of data with several splits the one to use
        folds: how many folds there are
        seed: of the split
        skip_damaged: leave nodes and edges whose rows cannot be read out, and say which; by default they are refused
    """

    example = Node
    reads_inputs = True
    reads_folders = True
    formats: ClassVar[str] = (
        "a folder with nodes.csv and edges.csv (or .tsv, .jsonl, .parquet), a .graphml, .gexf, .gml, .npz or .mat file"
    )

    def __init__(
        self,
        path: str,
        directed: bool | None = None,
        id: str | None = None,
        label: str | None = None,
        unlabelled: list[str] | None = None,
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
        self.unlabelled = unlabelled
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
        self.notes: list[str] = []  # what a person should know of what was read
        self.several = False  # whether the data have several splits, of which `fold` chooses one
        self.needs_labels = True
        self.label_type: LabelType = label_type
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "nodes and edges")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with both tables, one of MUSAE's or SNAP's, or a file by its ending."""
        if path.is_dir():
            tables = table_named(path, "nodes") is not None and table_named(path, "edges") is not None
            return tables or musae_folder(path) is not None or edge_list_folder(path) is not None
        return plain_suffix(path) in WHOLE or path.suffix.lower() in (".npz", ".mat")

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
        elif not self.several:
            refuse_folds(str(self.path), self.fold)
        parts = [np.flatnonzero(home == number) for number in range(3)]
        if not len(parts[1]) and not self.val:
            parts[1] = parts[0]
            self.notes.append(
                "nothing is held out for validation: the training nodes stand in its place, so these scores say nothing of other "
                "nodes; say how long to train with train.epochs"
            )
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
            train, val, test, origin=f"{origin}; {graph.in_words()}", files=facts,
            notes=[*_features_in_words(graph), *self.notes], described=described, skipped=self.damaged.skipped,
        )  # fmt: skip

    def _homes_of(self, labels: Sequence[Any]) -> tuple[np.ndarray, str]:
        """The split of each labelled node as 0, 1 or 2, and how it was made."""
        where, alone = str(self.path), list(range(len(labels)))
        if not self.val and self.fold is None:
            if not self.test:
                return np.zeros(len(labels), np.int64), "all labelled nodes are learnt from"
            names = ("train", "test", "test")
            held = split_by_group(labels, alone, self.test / 2, self.test / 2, self.seed, where, names)
            return 2 * (held > 0), f"made here: test {self.test:g}"
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

    def inputs(self) -> list[Given]:
        """All nodes of the graph, for `predict`. Labels are not needed."""
        self.needs_labels = False
        graph, _, _ = self._read()
        return [Given(Node(graph, index)) for index in range(len(graph))]

    def _read(self) -> tuple[Graph, np.ndarray | None, list[Path]]:
        self.damaged = Damaged(self.skip_damaged, "nodes and edges")
        self.notes, self.several = [], False
        if self.path.is_dir():
            return self._folder()
        if not self.path.is_file():
            raise no_such(self.path)
        suffix = self.path.suffix.lower()
        if suffix in (".npz", ".mat"):
            held = read_npz(self.path) if suffix == ".npz" else read_mat(self.path)
            if not self.needs_labels and not any(name in held for name in ("labels", "y", "label", "node_labels")):
                held = {**held, "labels": _no_labels(held)}
            return *self._from_arrays(checked(self.path, held, self.fold)), [self.path]
        nodes, edges, directed = read_graph_file(self.path)
        return *self._from_tables(nodes, edges, directed, ("value", "gt") if suffix == ".gml" else ()), [self.path]

    def _folder(self) -> tuple[Graph, np.ndarray | None, list[Path]]:
        nodes, edges = (table_named(self.path, name) for name in ("nodes", "edges"))
        if nodes is not None and edges is not None:
            usual = {*SOURCE, *TARGET, *WEIGHT, *((self.source or "",) if self.source else ())}
            table, notes = read_with_heading(edges, ("source", "target", "weight"), usual, damaged=self.damaged)
            self.notes += [note.partition("; data.heading")[0] for note in notes]
            return *self._from_tables(read_table(nodes, damaged=self.damaged), table), [nodes, edges]
        if files := musae_folder(self.path):
            return *self._from_tables(*read_musae(files)), list(files)
        if pair := edge_list_folder(self.path):
            return *self._from_tables(read_labels(pair[1]), read_edge_list(pair[0])), list(pair)
        missing = "nodes" if nodes is None else "edges"
        raise DataError(f"{self.path}: has no {missing}.csv (or .tsv, .parquet)")

    def _from_tables(
        self, nodes: Table, edges: Table, directed: bool | None = None, more_labels: Sequence[str] = ()
    ) -> tuple[Graph, np.ndarray | None]:
        if not len(nodes):
            raise DataError(f"{nodes.path}: the graph is empty: there are no nodes")
        id_column = self._id_column(nodes)
        label = nodes.find("label", self.label, (*LABEL, *more_labels), needed=self.needs_labels)
        split = self._split_column(nodes)
        kept = [
            name
            for name in nodes.columns
            if name not in (id_column, label, split) and not self._no_feature(nodes, name)
        ]
        if self.features is not None:
            kept = [str(nodes.find("features", name, ())) for name in self.features]
            roles = {id_column: "ids", label: "label", split: "split"}
            wrong = next((name for name in kept if name in roles), None)
            if wrong is not None:
                raise DataError(
                    f"{nodes.path}: data.features names {wrong!r}, which is the column of the {roles[wrong]}; leave it out"
                )
        numeric = [name for name in kept if kind_of(nodes, name) == "number"]
        given = nodes
        nodes = given.sound(
            self.damaged, lambda row: (given.id(row, id_column), *(number_or_nan(given, row, name) for name in numeric))
        )
        ids = nodes.ids(id_column)
        numbers = {name: number for number, name in enumerate(ids)}
        if len(numbers) < len(ids):
            twice = next(number for number, name in enumerate(ids) if numbers[name] != number)
            raise DataError(
                f"{nodes.place(numbers[ids[twice]])}: node {ids[twice]!r} is there twice; its first row is {nodes.place(twice)}"
            )
        self.taken = columns_in_words(nodes, {"id": id_column, "label": label, "split": split, "features": kept})
        ends, weights = self._edges(edges, numbers, nodes.path, _left_out(given, nodes, id_column))
        self.damaged.settle()
        directed = bool(directed if self.directed is None else self.directed)
        matrix, notes = make_edges(ends[0], ends[1], len(ids), weights, directed)
        features, names, told = node_features(nodes, kept, chosen=self.features is not None)
        self.notes += told
        labels = [None] * len(nodes) if label is None else self._labels(nodes, label)
        graph = Graph(matrix, features, labels, ids, names, directed, notes)
        return graph, None if split is None else _homes(nodes, split)

    def _id_column(self, nodes: Table) -> str:
        found = nodes.find("id", self.id, ID, needed=False)
        first = next(iter(nodes.columns))
        if found is None and _INDEX.fullmatch(first):
            self.notes.append(f"{nodes.path.name}: its first column has no name and is taken for the ids of the nodes")
            return first
        return found if found is not None else str(nodes.find("id", self.id, ID))

    def _no_feature(self, nodes: Table, name: str) -> bool:
        """Whether a column numbers the rows, as pandas writes them, or is another split."""
        if _SEVERAL.fullmatch(name):
            return True
        if not _INDEX.fullmatch(name):
            return False
        values = [str(value).strip() for value in nodes.columns[name]]
        numbered = values in ([str(at) for at in range(len(values))], [str(at + 1) for at in range(len(values))])
        if numbered:
            self.notes.append(f"{nodes.path.name}: column {name!r} numbers the rows and is not used")
        return numbered

    def _split_column(self, nodes: Table) -> str | None:
        several = sorted((int(found[1]), name) for name in nodes.columns if (found := _SEVERAL.fullmatch(name)))
        if self.split is None and several:
            chosen = dict(several).get(self.fold or 0)
            if chosen is None:
                raise DataError(
                    f"{nodes.path}: has no split {self.fold}; it has {', '.join(name for _, name in several)}"
                )
            self.several = True
            told = "" if self.fold is not None else "; data.fold chooses another"
            self.notes.append(f"{nodes.path.name}: holds {len(several)} splits; {chosen!r} is used{told}")
            return chosen
        return find_split(
            nodes.path,
            list(nodes.columns),
            self.split,
            lambda name: [v for v in nodes.columns[name] if v not in (None, "")],
        )

    def _labels(self, nodes: Table, label: str) -> list[Label | None]:
        """The labels of the nodes; None where a cell says that there is none."""
        if self.label_type == "classes":
            return nodes.labels(label, self.label_type, needed=False)
        values = [None if is_missing(value) else value for value in nodes.columns[label]]
        unknown = self._unlabelled_words([_as_text(value) for value in values if value is not None])
        gone = [value is not None and _as_text(value).lower() in unknown for value in values]
        said: dict[str, int] = {}
        for value, lost in zip(
            nodes.columns[label], [g or v is None for g, v in zip(gone, values, strict=True)], strict=True
        ):
            if lost and value is not None and _as_text(value):
                said[_as_text(value)] = said.get(_as_text(value), 0) + 1
        if said:
            self.notes.append(f"{nodes.path.name}: nodes without a label: {counted(said)}")
        cleared = {**nodes.columns, label: [None if lost else value for value, lost in zip(values, gone, strict=True)]}
        table = nodes.part(range(len(nodes)))
        table.columns = cleared
        return table.labels(label, self.label_type, needed=False)

    def _unlabelled_words(self, names: Sequence[str]) -> set[str]:
        """What says that a node has no label, in lower case."""
        if self.unlabelled is not None:
            return {word.strip().lower() for word in self.unlabelled}
        if self.label_type == "number":
            return set()
        others = {name for name in names if name != "-1" and name.lower() not in UNLABELLED}
        return set(UNLABELLED) | ({"-1"} if others and all(name.isdigit() for name in others) else set())

    def _edges(
        self, edges: Table, numbers: dict[str, int], nodes: Path, gone: set[str]
    ) -> tuple[list[np.ndarray], np.ndarray | None]:
        """The numbers of the nodes at both ends of each edge, and the weights; without edges that cannot be read, and without
        those of nodes that were left out."""
        try:
            columns = [
                str(edges.find("source", self.source, SOURCE)),
                str(edges.find("target", self.target, TARGET)),
            ]
        except DataError as error:
            raise DataError(f"{error}; if its first row is no heading, add one: source,target") from None
        weight = edges.find("weight", self.weight, WEIGHT, needed=False)
        taken = columns_in_words(edges, {"source": columns[0], "target": columns[1], "weight": weight})
        self.taken = f"{nodes.name}: {self.taken}; {edges.path.name}: {taken}"
        self.notes += [f"edges of {note}" for note in unused_columns(edges, [*columns, weight])]

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
        if len(there) < len(sound):
            self.notes.append(f"{len(sound) - len(there):,} edges of nodes that were left out are left out with them")
        found = [np.array([numbers[ends[row]] for row in there], np.int64) for ends in names]
        return found, sound.numbers(weight)[there] if weight else None

    def _from_arrays(self, arrays: Arrays) -> tuple[Graph, np.ndarray | None]:
        self.notes += arrays.notes
        self.several = any("splits; " in note for note in arrays.notes)
        count = len(arrays.labels)
        directed = bool(self.directed)
        matrix, notes = make_edges(arrays.pairs[0], arrays.pairs[1], count, arrays.weights, directed)
        labels = self._labels_of(arrays.labels)
        features = arrays.features.astype(np.float32)
        return Graph(matrix, features, labels, arrays.ids, arrays.feature_names, directed, notes), arrays.home

    def _labels_of(self, labels: np.ndarray) -> list[Label | None]:
        """The labels of an array: NaN, empty names and the words of `unlabelled` say that a node has none."""
        if labels.ndim == 2:
            return self._labels_of_flags(labels)
        if self.label_type == "classes":
            raise DataError(
                f"{self.path}: labels (nodes,) name one class each; several are (nodes, classes) of 0 and 1"
            )
        if self.label_type == "number":
            if labels.dtype.kind not in "fiu" or np.isinf(labels).any():
                raise DataError(
                    f"{self.path}: labels should be finite numbers, (nodes,), not {labels.dtype} {labels.shape}"
                )
            return [None if value != value else float(value) for value in labels.tolist()]
        values = [_as_text(value) for value in labels.tolist()]
        unknown = self._unlabelled_words(values)
        gone = [is_missing(value) or value.lower() in unknown for value in values]
        if any(gone):
            self.notes.append(f"{self.path.name}: {sum(gone):,} nodes without a label")
        return [None if lost else value for value, lost in zip(values, gone, strict=True)]

    def _labels_of_flags(self, labels: np.ndarray) -> list[Label | None]:
        if self.label_type == "number" or not np.isin(labels, (0, 1)).all():
            raise DataError(
                f"{self.path}: labels should be (nodes,), or (nodes, classes) of 0 and 1, not {labels.dtype} {labels.shape}"
            )
        rows = [np.flatnonzero(row).tolist() for row in labels]
        if self.label_type == "classes":
            return [tuple(f"class {at}" for at in row) for row in rows]
        several = sum(len(row) > 1 for row in rows)
        if several:
            raise DataError(f"{self.path}: {several:,} nodes have several classes; for these take task=multi_label")
        return [str(row[0]) if row else None for row in rows]


def _no_labels(held: dict[str, Any]) -> np.ndarray:
    """Labels that say nothing, for a graph that is only predicted."""
    table = next((held[name] for name in ("features", "x", "node_features") if name in held), None)
    edges = next((held[name] for name in ("edge_index", "edges") if name in held), np.zeros((2, 0), np.int64))
    count = table.shape[0] if table is not None else int(edges.max(initial=-1)) + 1
    return np.full(count, "")


def _as_text(value: Any) -> str:
    """A label as text: whole numbers without decimals."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _left_out(given: Table, kept: Table, column: str) -> set[str]:
    """The ids of nodes that are damaged."""
    known = set(kept.ids(column))
    return {str(value).strip() for value in given.columns[column] if value not in (None, "")} - known


def feature_columns(table: Table, names: Sequence[str]) -> tuple[Any, list[str]]:
    """(rows, features) of float32 and the features' names: `node_features` without its notes."""
    features, found, _ = node_features(table, names, chosen=True)
    return features, found


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
