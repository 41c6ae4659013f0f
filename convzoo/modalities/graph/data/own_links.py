"""A person's own graph whose links are predicted: a list of edges, with a table of nodes where there is one."""

from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.survey import counted, listed
from convzoo.core.text import first_line, nearest
from convzoo.modalities.graph.data.link_splitting import LinkTask, Negatives
from convzoo.modalities.graph.data.own import ID, MOST_VALUES, SOURCE, TARGET, WEIGHT, feature_columns
from convzoo.modalities.graph.example import Graph, make_edges
from convzoo.modalities.graph.links import NodePair, pair_keys
from convzoo.reading.arrays import check_arrays
from convzoo.reading.columns import optional_column
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import read_lines
from convzoo.reading.manifest import columns_in_words
from convzoo.reading.splitting import NAMES
from convzoo.reading.tables import Table, is_table, read_table, table_named
from convzoo.reading.times import read_time

TIME = ("time", "timestamp", "date", "datetime", "when", "year")
RELATION = ("relation", "type", "kind", "predicate", "edge_type", "rel")
LISTS = (".txt", ".edges", ".edgelist")


class LinkTable(Reader):
    """A folder with a table of edges (edges.csv; also .tsv, .parquet) and, where nodes have features, one of nodes (nodes.csv); a
    table of edges alone; a list of edges without a heading (.txt, .edges: two ids a line, `#` for comments); or an .npz with
    `edge_index` (2, edges) and optionally `features` (nodes, features).

    Edges have no direction here: `a,b` and `b,a` are one edge, whichever stands there. Numeric columns of the node table are
    features as they are, a text column becomes one feature a value. Where edges have times, the latest test and those before them
    validate; else edges are drawn. A column that names several relations is said, and `data.relation` takes one of them.

    Args:
        path: of the folder or the file
        id: the column of the nodes' ids
        features: the columns of the node table that are features; by default all that are numbers or few kinds
        source: the column of an edge's one end
        target: the column of its other end
        weight: the column of its weight; by default one named weight, else all weigh 1
        time: the column of its time, numbers or ISO dates; by default one named time, date or year; `none`: there is none
        relation: the relation whose edges are taken; by default all
        relation_column: the column that names the relation; by default one named relation, type or kind
        split: the column that says train, val or test of each edge; by default one named split, set or subset; `none`: there
            is none
        val: part of the edges for validation, where the split is made here
        test: part for testing; 0: nothing is tested
        negatives: of validation and test: `drawn`, or `hard` with `per_link` for each edge
        per_link: number of hard negatives of an edge
        seed: of the split and the negatives
        skip_damaged: leave nodes and edges whose rows cannot be read out, and say which; by default they are refused
    """

    example = NodePair
    formats: ClassVar[str] = (
        "a folder with edges.csv and perhaps nodes.csv (or .tsv, .jsonl, .parquet), a table or a list of edges (.txt) or an "
        ".npz file"
    )
    why_no_folds: ClassVar[str] = (
        "has edges that belong to one graph: those of a fold would leave it, so no folds are made"
    )

    def __init__(
        self,
        path: str,
        id: str | None = None,
        features: list[str] | None = None,
        source: str | None = None,
        target: str | None = None,
        weight: str | None = None,
        time: str | None = None,
        relation: str | None = None,
        relation_column: str | None = None,
        split: str | None = None,
        val: Fraction = 0.05,
        test: Fraction = 0.1,
        negatives: Negatives = "drawn",
        per_link: Positive = 100,
        seed: Count = 0,
        skip_damaged: bool = False,
    ) -> None:
        self.path = Path(path)
        self.id = id
        self.features = features
        self.source = source
        self.target = target
        self.weight = weight
        self.time = time
        self.relation = relation
        self.relation_column = relation_column
        self.split = split
        self.task = LinkTask(val, test, negatives, per_link, seed)
        self.seed = seed
        self.skip_damaged = skip_damaged
        self.damaged = Damaged(skip_damaged, "nodes and edges")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with a table of edges, or a file by its ending."""
        if path.is_dir():
            return table_named(path, "edges") is not None
        return path.is_file() and (is_table(path) or path.suffix.lower() in (*LISTS, ".npz"))

    def read(self) -> Splits:
        """Read the graph and hold edges out.

        Raises:
            DataError: a file is absent or damaged; an edge names a node that has no row; a feature is no finite number; there
                are too few edges; a given split has the same edge twice.
        """
        self.damaged = Damaged(self.skip_damaged, "nodes and edges")
        if self.path.suffix.lower() == ".npz" and self.path.is_file():
            return self._npz()
        files: list[Path] = []
        nodes = None
        if self.path.is_dir():
            file = table_named(self.path, "edges")
            if file is None:
                raise DataError(f"{self.path}: has no edges.csv (or .tsv, .parquet)")
            of_nodes = table_named(self.path, "nodes")
            nodes = None if of_nodes is None else read_table(of_nodes, damaged=self.damaged)
            files += [] if of_nodes is None else [of_nodes]
        elif self.path.is_file():
            file = self.path
        else:
            raise no_such(self.path)
        files.append(file)
        edges = edge_list(file) if file.suffix.lower() in LISTS else read_table(file, damaged=self.damaged)
        return self._from_tables(nodes, edges, {str(each): {"sha256": sha256_of(each)} for each in files})

    def _from_tables(self, nodes: Table | None, edges: Table, files: dict[str, Any]) -> Splits:
        notes: list[str] = []
        taken = []
        ends = [str(edges.find("source", self.source, SOURCE)), str(edges.find("target", self.target, TARGET))]
        weight = edges.find("weight", self.weight, WEIGHT, needed=False)
        time = None if self.time == "none" else edges.find("time", self.time, TIME, needed=False)
        relation = optional_column(edges.path, list(edges.columns), self.relation_column, RELATION)
        numbers: dict[str, int] = {}
        gone: set[str] = set()
        features, names = np.zeros((0, 0), np.float32), list[str]()
        if nodes is not None:
            numbers, gone, features, names, said = self._nodes(nodes, notes)
            taken.append(said)
        given = edges.splits(None if self.split == "none" else self.split) if self.split != "none" else None
        if given is not None and given[1] in (relation, time, weight):
            given = None
        moment = _reader_of_times(edges, time) if time is not None else None

        def check(row: int) -> bool:
            for column in ends:
                name = edges.id(row, column)
                if nodes is not None and name not in numbers and name not in gone:
                    near = nearest(name, list(numbers)[:20_000])
                    hint = f"; did you mean {near!r}?" if near else ""
                    raise DataError(f"{edges.place(row)}: node {name!r} has no row in {nodes.path.name}{hint}")
            if weight and edges.number(row, weight) <= 0:
                raise DataError(
                    f"{edges.place(row)}: column {weight!r} says {edges.number(row, weight):g}; it should be above 0"
                )
            if moment is not None:
                moment(row)
            return True

        rows = [row for row in range(len(edges)) if self.damaged.sound(partial(check, row))]
        self.damaged.settle()
        rows = self._of_relation(edges, rows, relation, notes)
        both = [[edges.id(row, column) for row in rows] for column in ends]
        if nodes is None:
            ids = list(dict.fromkeys(name for pair in zip(*both, strict=True) for name in pair))
            numbers = {name: number for number, name in enumerate(ids)}
            features = np.zeros((len(ids), 0), np.float32)
        there = [at for at in range(len(rows)) if all(column[at] in numbers for column in both)]
        rows = [rows[at] for at in there]
        pairs = np.array([[numbers[column[at]] for column in both] for at in there], np.int64).reshape(-1, 2)
        weights = np.array([edges.number(row, weight) for row in rows]) if weight else None
        times = np.array([moment(row) for row in rows]) if moment is not None else None
        homes = None if given is None else np.array([NAMES.index(given[0][row]) for row in rows], np.int8)
        roles = {"source": ends[0], "target": ends[1], "weight": weight, "time": time, "relation": relation}
        roles |= {} if given is None else {"split": given[1]}
        taken.append(f"{edges.path.name}: {columns_in_words(edges, roles)}")
        loops = pairs[:, 0] == pairs[:, 1]
        if loops.any():
            notes.append(
                f"{int(loops.sum()):,} edges of a node with itself are left out: a link is between two different nodes"
            )
        kept = np.flatnonzero(~loops)
        if not len(kept):
            raise DataError(f"{edges.path}: holds no edge between two different nodes; there is nothing to predict")
        keys = pair_keys(pairs, len(numbers))
        if homes is not None:
            self._refuse_twice(edges, keys, homes, kept, rows)
        # Of an edge that is there several times the first counts: then it was made.
        order = kept if times is None else kept[np.argsort(times[kept], kind="stable")]
        _, first = np.unique(keys[order], return_index=True)
        order = order[np.sort(first)]
        if len(order) < len(kept):
            notes.append(f"{len(kept) - len(order):,} edges that are there again, or reversed, count once")
        pairs = pairs[order]
        chosen = None if weights is None else weights[order]
        whole = Graph(
            make_edges(pairs[:, 0], pairs[:, 1], len(numbers), chosen)[0],
            features,
            [None] * len(numbers),
            list(numbers),
            names,
        )
        home, origin = None, ""
        if homes is not None:
            home, origin = homes[order], f"as column {given[1]!r} says" if given is not None else ""
        elif times is not None:
            home = _by_time(len(order), self.task)
            origin = f"made here: by time, the last {self.task.test:g} of the edges test, {self.task.val:g} before them validate"
        else:
            home = self.task.homes(len(pairs))
            origin = f"made here: test {self.task.test:g}, val {self.task.val:g} of the edges, seed {self.seed}"
        splits = self.task.splits(whole, home, pairs, origin, chosen, files, notes)
        return replace(splits.with_described(columns="; ".join(taken)), skipped=self.damaged.skipped)

    def _nodes(self, given: Table, notes: list[str]) -> tuple[dict[str, int], set[str], Any, list[str], str]:
        """Numbers of the nodes, ids of damaged ones, features with their names, and what was taken for what."""
        if not len(given):
            raise DataError(f"{given.path}: the graph is empty: there are no nodes")
        column = str(given.find("id", self.id, ID))
        kept = [name for name in given.columns if name != column]
        if self.features is not None:
            kept = [str(given.find("features", name, ())) for name in self.features]
        else:
            wide = [name for name in kept if not given.is_numeric(name) and len({*given.columns[name]}) > MOST_VALUES]
            kept = [name for name in kept if name not in wide]
            if wide:
                notes.append(
                    f"{given.path.name}: text columns with too many values for a kind are left out: {listed(wide)}"
                )
        numeric = [name for name in kept if given.is_numeric(name)]
        sound = given.sound(
            self.damaged, lambda row: (given.id(row, column), *(given.number(row, name) for name in numeric))
        )
        ids = sound.ids(column)
        numbers = {name: number for number, name in enumerate(ids)}
        if len(numbers) < len(ids):
            twice = next(number for number, name in enumerate(ids) if numbers[name] != number)
            raise DataError(
                f"{sound.place(numbers[ids[twice]])}: node {ids[twice]!r} is there twice; its first row is {sound.place(twice)}"
            )
        gone = {str(value).strip() for value in given.columns[column] if value not in (None, "")} - set(numbers)
        features, names = feature_columns(sound, kept)
        said = f"{given.path.name}: {columns_in_words(given, {'id': column, 'features': kept})}"
        return numbers, gone, features, names, said

    def _of_relation(self, edges: Table, rows: list[int], column: str | None, notes: list[str]) -> list[int]:
        if column is None:
            if self.relation is not None:
                raise DataError(f"{edges.path}: has no column that names the relation; say data.relation_column=COLUMN")
            return rows
        names = [str(edges.columns[column][row] or "") for row in rows]
        counts = Counter(names)
        if self.relation is not None:
            if self.relation not in counts:
                near = nearest(self.relation, list(counts))
                hint = f"; did you mean {near!r}?" if near else f"; it has: {listed(counts)}"
                raise DataError(f"{edges.path}: column {column!r} has no relation {self.relation!r}{hint}")
            return [row for row, name in zip(rows, names, strict=True) if name == self.relation]
        if len(counts) > 1:
            notes.append(
                f"column {column!r} names {len(counts):,} relations, which are all taken as links: "
                f"{counted(dict(counts.most_common()))}; data.relation=NAME takes one"
            )
        return rows

    def _refuse_twice(
        self, edges: Table, keys: np.ndarray, homes: np.ndarray, kept: np.ndarray, rows: list[int]
    ) -> None:
        """
        Raises:
            DataError: an edge is in two parts of a given split, as it is or reversed.
        """
        order = kept[np.argsort(keys[kept], kind="stable")]
        same = keys[order][1:] == keys[order][:-1]
        apart = np.flatnonzero(same & (homes[order][1:] != homes[order][:-1]))
        if len(apart):
            one, other = (int(order[apart[0] + side]) for side in (0, 1))
            raise DataError(
                f"{edges.place(rows[other])}: the edge is in {NAMES[homes[other]]}, and {edges.place(rows[one])} has it in "
                f"{NAMES[homes[one]]}, as it is or reversed; "
                f"{len(apart):,} edges would be known before they are asked for: keep each in one part"
            )

    def _npz(self) -> Splits:
        try:
            check_arrays(self.path)
            with np.load(self.path, allow_pickle=False) as archive:
                held = {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.path}: cannot be read as npz without pickles ({first_line(error)})") from None
        pairs = held.get("edge_index")
        if pairs is None or pairs.ndim != 2 or pairs.shape[0] != 2 or pairs.dtype.kind not in "iu" or not pairs.size:
            raise DataError(
                f"{self.path}: should have edge_index of whole numbers, (2, edges); it has {', '.join(held) or 'nothing'}"
            )
        features = held.get("features", np.zeros((int(pairs.max()) + 1, 0), np.float32))
        count = len(features)
        if features.ndim != 2 or features.dtype.kind not in "fiub":
            raise DataError(
                f"{self.path}: features should be numbers, (nodes, features), not {features.dtype} {features.shape}"
            )
        if pairs.min() < 0 or pairs.max() >= count:
            raise DataError(
                f"{self.path}: edge_index names node {int(pairs.max())}; there are {count} rows of features"
            )
        matrix, notes = make_edges(pairs[0], pairs[1], count)
        del held, pairs
        ids = [str(number) for number in range(count)]
        graph = Graph(matrix, features.astype(np.float32, copy=False), [None] * count, ids, notes=notes)
        return self.task.splits(graph, files={str(self.path): {"sha256": sha256_of(self.path)}})


def edge_list(path: Path) -> Table:
    """A list without a heading: two ids a line, with spaces, a tab or a comma between; lines with # or % do not count."""
    columns: dict[str, list[Any]] = {"source": [], "target": []}
    places = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip() or line.lstrip()[0] in "#%":
            continue
        fields = line.replace(",", " ").split()
        if len(fields) < 2:
            raise DataError(f"{path}:{number}: has {len(fields)} field; an edge has two ids")
        columns["source"].append(fields[0])
        columns["target"].append(fields[1])
        places.append(number)
    if not places:
        raise DataError(f"{path}: holds no edges")
    return Table(path, columns, places)


def _by_time(count: int, task: LinkTask) -> np.ndarray:
    """(edges,) for edges in the order of their times."""
    home = np.zeros(count, np.int8)
    tested, validated = round(task.test * count), max(1, round(task.val * count))
    home[count - tested - validated :] = 1
    home[count - tested :] = 2
    return home


def _reader_of_times(table: Table, column: str) -> Any:
    """What reads the time of a row: a number, or a date."""
    if table.is_numeric(column):
        return lambda row: table.number(row, column)

    def moment(row: int) -> float:
        text = str(table.columns[column][row] or "").strip()
        found = read_time(text)
        if found is None:
            raise DataError(
                f"{table.place(row)}: column {column!r} says {text[:40]!r}; it should be a number or a date such as 2024-05-31"
            )
        return float(found.astype("datetime64[us]").astype(np.int64))

    return moment
