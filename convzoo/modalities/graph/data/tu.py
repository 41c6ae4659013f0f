"""Sets of graphs in the format of the TU Dortmund collection (Morris et al. 2020, arXiv:2007.08663)."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from convzoo.core.arguments import Count, Fraction, FromData, LabelType, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import first_line
from convzoo.modalities.graph.whole import WholeGraph, fingerprint
from convzoo.modalities.graph.whole_formats import Structure, check_weights
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines
from convzoo.reading.splitting import made_here


class TUDataset(Reader):
    """All graphs of a set in a few text files: `NAME_A.txt` (a pair of nodes a line, from 1), `NAME_graph_indicator.txt` (the
    graph of each node), `NAME_graph_labels.txt` or `NAME_graph_attributes.txt` (a number), and where there are such
    `NAME_node_labels.txt`, `NAME_node_attributes.txt`, `NAME_edge_labels.txt` and `NAME_edge_attributes.txt`.

    The split is made here, stratified by label. Copies, equal but for the order of their nodes, are kept in one part, unless
    `copies: keep` asks for the usual protocol of this collection, which does not look at them.

    Args:
        dataset: a set that has a card; not needed with `path`
        path: a folder with the files of one set
        val: part for validation; with a fold, of what is not tested on
        test: part for testing, where no fold is given; 0: nothing is tested
        fold: test on this fold of a cross-validation, from 0
        folds: how many folds there are
        copies: `together` in one part, or `keep` them wherever they fall
        seed: of the split
    """

    example = WholeGraph
    formats: ClassVar[str] = (
        "a folder with many graphs in TU format (NAME_A.txt, NAME_graph_indicator.txt, NAME_graph_labels.txt)"
    )

    def __init__(
        self,
        dataset: str = "tu_proteins",
        path: str | None = None,
        val: Fraction = 0.1,
        test: Fraction = 0.1,
        fold: Count | None = None,
        folds: Positive = 10,
        copies: Literal["together", "keep"] = "together",
        seed: Count = 0,
        label_type: FromData[LabelType] = "class",
    ) -> None:
        self.dataset = dataset
        self.path = path
        self.val = val
        self.test = test
        self.fold = fold
        self.folds = folds
        self.copies = copies
        self.seed = seed
        self.label_type: LabelType = label_type

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with the list of edges and the list of each node's graph."""
        return path.is_dir() and any(path.glob("*_A.txt")) and any(path.glob("*_graph_indicator.txt"))

    def read(self) -> Splits:
        """Read the files.

        Raises:
            DataError: a file is absent or has another number of lines than it should, a line is not numbers, an edge names a node
                that is not there or joins two graphs, or a graph has no nodes.
        """
        examples, facts, notes, described = self._read()
        splits = made_here(
            examples, self.val, self.test, self.seed, facts,
            (lambda example: fingerprint(example.read())) if self.copies != "keep" else None,
            self.fold, self.folds, notes, str(self.path or self.dataset),
        )  # fmt: skip
        return splits.with_described(files=described)

    def examples(self) -> list[Any]:
        """All graphs."""
        return self._read()[0]

    def _read(self) -> tuple[list[WholeGraph], dict[str, Any], list[str], str]:
        folder, facts = benchmark_folder(self.dataset, self.path)
        names = sorted(path.name.removesuffix("_A.txt") for path in folder.glob("*_A.txt"))
        if len(names) != 1:
            raise DataError(f"{folder}: holds {len(names)} files NAME_A.txt; a set of graphs has one")
        self.folder, self.name, used = folder, names[0], []

        def table(what: str, needed: bool = False) -> np.ndarray | None:
            path = folder / f"{self.name}_{what}.txt"
            if not path.is_file():
                if needed:
                    raise DataError(f"{path}: is not there; a set of graphs needs it")
                return None
            used.append(path)
            return numbers_in(path)

        graph_of, edges = table("graph_indicator", True), table("A", True)
        assert graph_of is not None and edges is not None
        homes = graph_of[:, 0].astype(np.int64) - 1
        count = int(homes.max()) + 1
        sizes = np.bincount(homes, minlength=count) if homes.min() >= 0 else np.zeros(1)
        place = folder / f"{self.name}_graph_indicator.txt"
        if not sizes.all():
            raise DataError(
                f"{place}: graph {int(np.flatnonzero(sizes == 0)[0]) + 1} has no nodes; graphs are counted from 1"
            )
        ends = self._ends(edges, homes)
        per = {"graph": count, "node": len(homes), "edge": len(ends)}
        columns: dict[str, dict[str, np.ndarray]] = {"node": {}, "edge": {}}
        for what in ("node", "edge"):
            labels, attributes = table(f"{what}_labels"), table(f"{what}_attributes")
            for kind, values in (("labels", labels), ("attributes", attributes)):
                if values is None:
                    continue
                self._same_length(f"{what}_{kind}", len(values), per[what], f"{what}s")
                for at in range(values.shape[1]):
                    number = f" {at + 1}" if values.shape[1] > 1 else ""
                    column = values[:, at]
                    name = f"{what} label{number}" if kind == "labels" else f"{what} attribute{number}"
                    columns[what][name] = (
                        np.array([f"{value:g}" for value in column]) if kind == "labels" else column.astype(np.float32)
                    )
        classes = self._labels(table, count)
        others = [path.name for path in folder.glob(f"{self.name}_*.txt") if path not in used]
        notes = [f"files that are not used: {', '.join(sorted(others))}"] if others else []
        examples = self._graphs(homes, sizes, ends, columns, classes)
        facts = facts or {str(path): {"sha256": sha256_of(path)} for path in used}
        found = [*columns["node"], *columns["edge"]]
        kinds = f"{listed_briefly(found)}" if found else "nodes and edges without labels"
        return examples, facts, notes, f"{count:,} graphs; {kinds}"

    def _ends(self, edges: np.ndarray, homes: np.ndarray) -> np.ndarray:
        place = self.folder / f"{self.name}_A.txt"
        if edges.shape[1] != 2:
            raise DataError(f"{place}: has {edges.shape[1]} numbers a line; an edge is two nodes")
        ends = edges.astype(np.int64) - 1
        outside = ((ends < 0) | (ends >= len(homes))).any(axis=1)
        if outside.any():
            at = int(np.flatnonzero(outside)[0])
            bad = next(int(end) + 1 for end in ends[at] if not 0 <= end < len(homes))
            raise DataError(
                f"{place}:{at + 1}: names node {bad}; nodes are 1 to {len(homes):,}, as many as "
                f"{self.name}_graph_indicator.txt has lines"
            )
        across = homes[ends[:, 0]] != homes[ends[:, 1]]
        if across.any():
            at = int(np.flatnonzero(across)[0])
            one, other = (homes[ends[at]] + 1).tolist()
            raise DataError(f"{place}:{at + 1}: joins nodes of graphs {one} and {other}; an edge stays inside a graph")
        return ends

    def _labels(self, table: Any, count: int) -> list[Any]:
        if self.label_type == "number":
            values = table("graph_attributes")
            name = "graph_attributes" if values is not None else "graph_labels"
            values = table(name, True) if values is None else values
            self._same_length(name, len(values), count, "graphs")
            return [float(value) for value in values[:, 0]]
        if self.label_type != "class":
            raise DataError(
                f"{self.folder}: a graph has one class or one number; take task=classification or task=regression"
            )
        values = table("graph_labels", True)
        self._same_length("graph_labels", len(values), count, "graphs")
        return [f"{value:g}" for value in values[:, 0]]

    def _same_length(self, what: str, found: int, wanted: int, of: str) -> None:
        if found != wanted:
            raise DataError(
                f"{self.folder / f'{self.name}_{what}.txt'}: has {found:,} lines; there are {wanted:,} {of}, and each has a line"
            )

    def _graphs(
        self,
        homes: np.ndarray,
        sizes: np.ndarray,
        ends: np.ndarray,
        columns: dict[str, dict[str, np.ndarray]],
        labels: list[Any],
    ) -> list[WholeGraph]:
        order = np.argsort(homes, kind="stable")
        number = np.empty(len(homes), np.int64)  # of each node inside its graph
        first = np.cumsum([0, *sizes[:-1].tolist()])
        number[order] = np.arange(len(homes)) - first[homes[order]]
        of_edge = homes[ends[:, 0]] if len(ends) else np.zeros(0, np.int64)
        edge_order = np.argsort(of_edge, kind="stable")
        bounds = np.searchsorted(of_edge[edge_order], np.arange(len(sizes) + 1))
        both = {tuple(pair) for pair in ends.tolist()}
        directed = not all((b, a) in both for a, b in both)
        found = []
        for graph, label in enumerate(labels):
            nodes = order[first[graph] : first[graph] + int(sizes[graph])]
            inside = edge_order[bounds[graph] : bounds[graph + 1]]
            edges = {name: values[inside] for name, values in columns["edge"].items()}
            check_weights(edges, f"{self.name}, graph {graph + 1}")
            structure = Structure(
                len(nodes), number[ends[inside, 0]], number[ends[inside, 1]],
                {name: values[nodes] for name, values in columns["node"].items()}, edges, directed,
            )  # fmt: skip
            found.append(WholeGraph(structure, label=label, source=f"{self.name} {graph + 1}"))
        return found


def listed_briefly(names: list[str]) -> str:
    """Up to four names, then how many more."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more


def numbers_in(path: Path) -> np.ndarray:
    """(lines, numbers): a file with as many numbers in each line, separated by commas.

    Raises:
        DataError: it is empty, or a line is not numbers or has another number of them.
    """
    rows: list[list[float]] = []
    for at, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = [float(part) for part in line.split(",")]
        except ValueError as error:
            raise DataError(f"{path}:{at}: {first_line(error)}; a line holds numbers, separated by commas") from None
        if rows and len(row) != len(rows[0]):
            raise DataError(f"{path}:{at}: has {len(row)} numbers; the lines above have {len(rows[0])}")
        if not np.isfinite(row).all():
            raise DataError(f"{path}:{at}: holds a value that is not a finite number; fill missing values")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: is empty")
    return np.array(rows)
