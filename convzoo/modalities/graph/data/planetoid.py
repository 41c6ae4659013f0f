"""The Planetoid files of Cora, CiteSeer and PubMed."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.core.errors import DataError
from convzoo.core.files import sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import first_line
from convzoo.modalities.graph.data.restricted_pickle import load_restricted
from convzoo.modalities.graph.example import Graph, Node, Nodes, make_edges
from convzoo.reading.benchmark import benchmark_folder
from convzoo.reading.lines import read_lines

CLASSES = {
    "cora": ("theory", "reinforcement learning", "genetic algorithms", "neural networks", "probabilistic methods", "case based",
             "rule learning"),
}  # fmt: skip
"""The names of the class numbers; the files hold numbers only."""

_PARTS = ("x", "y", "tx", "ty", "allx", "ally", "graph")
_VALIDATION = 500


class Planetoid(Reader):
    """`ind.<name>.x` and so on, with the public split (Yang et al. 2016, arXiv:1603.08861): the labelled nodes are
    for training, the next 500 for validation, and 1,000 listed ones for testing.

    Nodes that are missing from CiteSeer's test index have neither words nor a class; they stay in the graph, but in no split.

    Args:
        dataset: cora, citeseer or pubmed
        path: a folder with the eight files; by default the data set is fetched
    """

    example = Node
    formats: ClassVar[str] = "a folder of Planetoid files (ind.cora.x …)"

    def __init__(self, dataset: str = "cora", path: str | None = None) -> None:
        self.dataset = dataset
        self.path = path

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with one such set of files."""
        return path.is_dir() and len(list(path.glob("ind.*.graph"))) == 1

    def read(self) -> Splits:
        """Read the eight files.

        Raises:
            DataError: a file is absent or damaged, or is a pickle with anything but arrays.
        """
        folder, facts = benchmark_folder(self.dataset, self.path)
        names = [file.name.split(".")[1] for file in folder.glob("ind.*.graph")]
        name = self.dataset if self.dataset in names else next(iter(names), self.dataset)
        parts = {part: load_restricted(folder / f"ind.{name}.{part}") for part in _PARTS}
        index_file = folder / f"ind.{name}.test.index"
        try:
            test = np.array([int(line) for line in read_lines(index_file) if line.strip()])
            graph = self._graph(parts, test, CLASSES.get(name, ()))
        except (ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
            raise DataError(f"{folder}: the files of {name} do not fit together ({first_line(error)})") from None
        trained = len(parts["y"])
        if not facts:
            files = [*(folder / f"ind.{name}.{part}" for part in _PARTS), index_file]
            facts = {str(file): {"sha256": sha256_of(file)} for file in files}
        return Splits(
            Nodes(graph, np.arange(trained)),
            Nodes(graph, np.arange(trained, min(trained + _VALIDATION, len(parts["ally"])))),
            Nodes(graph, np.sort(test)),
            origin=f"public split of Planetoid; {graph.in_words()}",
            files=facts,
        )

    def _graph(self, parts: dict[str, Any], test: np.ndarray, names: tuple[str, ...]) -> Graph:
        known = parts["allx"].shape[0]
        count = max(int(test.max()) + 1, known, max(parts["graph"], default=0) + 1)
        features = scipy.sparse.lil_matrix((count, parts["allx"].shape[1]), dtype=np.float32)
        features[:known] = parts["allx"]
        features[test] = parts["tx"]
        classes = np.full(count, -1)
        classes[:known] = _class_numbers(parts["ally"])
        classes[test] = _class_numbers(parts["ty"])
        neighbours = [(node, other) for node, others in parts["graph"].items() for other in others]
        pairs = np.array(neighbours, np.int64).reshape(-1, 2)
        # The lists hold each edge in both directions, so merged duplicates need no note.
        once = np.unique(np.sort(pairs, axis=1), axis=0)
        edges, notes = make_edges(once[:, 0], once[:, 1], count)
        labels = [None if number < 0 else names[number] if names else f"class {number}" for number in classes.tolist()]
        return Graph(edges, features.tocsr(), labels, [str(number) for number in range(count)], notes=notes)


def _class_numbers(rows: Any) -> np.ndarray:
    rows = np.asarray(rows)
    return np.where(rows.any(axis=1), rows.argmax(axis=1), -1)
