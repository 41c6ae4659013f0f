"""Graphs of benchmarks whose edges are predicted: Planetoid's, and those of SEAL."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.errors import DataError
from convzoo.core.files import no_such, sha256_of
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.core.text import first_line
from convzoo.modalities.graph.data.link_splitting import LinkTask, Negatives
from convzoo.modalities.graph.data.planetoid import Planetoid
from convzoo.modalities.graph.example import Graph, Nodes, make_edges
from convzoo.modalities.graph.links import NodePair
from convzoo.reading.benchmark import benchmark_folder


class PlanetoidLinks(Reader):
    """The citations of Cora, CiteSeer or PubMed, split as Kipf & Welling 2016 (arXiv:1611.07308): 85 of 100 edges to learn from,
    5 to validate on, 10 to test on, with as many negatives. They published no split; `seed` draws one.

    Args:
        dataset: cora, citeseer or pubmed
        path: a folder with the eight Planetoid files; by default the data set is fetched
        val: part of the edges for validation
        test: part of the edges for testing
        negatives: of validation and test: `drawn`, or `hard` with `per_link` for each edge
        per_link: number of hard negatives of an edge
        seed: of the split and the negatives
    """

    example = NodePair
    formats: ClassVar[str] = "a folder of Planetoid files (ind.cora.x …)"
    why_no_folds: ClassVar[str] = (
        "has edges that belong to one graph: those of a fold would leave it, so no folds are made"
    )

    def __init__(
        self,
        dataset: str = "cora",
        path: str | None = None,
        val: Fraction = 0.05,
        test: Fraction = 0.1,
        negatives: Negatives = "drawn",
        per_link: Positive = 500,
        seed: Count = 0,
    ) -> None:
        self.nodes = Planetoid(dataset, path)
        self.task = LinkTask(val, test, negatives, per_link, seed)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with one such set of files."""
        return Planetoid.recognises(path)

    def read(self) -> Splits:
        """Read the eight files and hold edges out.

        Raises:
            DataError: a file is absent or damaged, or is a pickle with anything but arrays.
        """
        splits = self.nodes.read()
        assert isinstance(splits.train, Nodes)
        return self.task.splits(splits.train.graph, files=splits.files)


class Seal(Reader):
    """A graph of the SEAL paper (Zhang & Chen 2018, arXiv:1802.09691): a MATLAB file with the matrix `net`. USAir, NS, Yeast and
    others, without features; the paper learns from 90 of 100 edges and tests on 10.

    Args:
        network: USAir, NS or Yeast
        path: of a .mat file, or a folder with `<network>.mat`; by default the data set is fetched
        val: part of the edges for validation
        test: part of the edges for testing
        negatives: of validation and test: `drawn`, or `hard` with `per_link` for each edge
        per_link: number of hard negatives of an edge
        seed: of the split and the negatives
    """

    example = NodePair
    formats: ClassVar[str] = "a .mat file with the matrix net"
    why_no_folds: ClassVar[str] = PlanetoidLinks.why_no_folds

    def __init__(
        self,
        network: str = "USAir",
        path: str | None = None,
        val: Fraction = 0.05,
        test: Fraction = 0.1,
        negatives: Negatives = "drawn",
        per_link: Positive = 100,
        seed: Count = 0,
    ) -> None:
        self.network = network
        self.path = path
        self.task = LinkTask(val, test, negatives, per_link, seed)

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A .mat file."""
        return path.suffix.lower() == ".mat" and path.is_file()

    def read(self) -> Splits:
        """Read the matrix and hold edges out.

        Raises:
            DataError: the file is absent or damaged, or has no square matrix `net`.
        """
        file = Path(self.path) if self.path is not None else None
        facts: dict[str, Any] = {}
        if file is not None and not file.exists():
            raise no_such(file)
        if file is None or file.is_dir():
            folder, facts = benchmark_folder("seal", self.path)
            file = folder / f"{self.network}.mat"
            if not file.is_file():
                there = ", ".join(sorted(path.stem for path in folder.glob("*.mat")))
                raise DataError(f"{folder}: holds no network {self.network!r}; it has: {there or 'none'}")
        matrix = _matrix_in(file)
        above = scipy.sparse.triu(matrix + matrix.T, k=1).tocoo()
        edges, notes = make_edges(above.row, above.col, matrix.shape[0])
        count = matrix.shape[0]
        graph = Graph(
            edges, np.zeros((count, 0), np.float32), [None] * count, [str(at) for at in range(count)], notes=notes
        )
        return self.task.splits(graph, files=facts or {str(file): {"sha256": sha256_of(file)}})


def _matrix_in(file: Path) -> Any:
    from scipy.io import loadmat

    try:
        held = loadmat(file)
    except Exception as error:  # SciPy raises many kinds for damaged files
        raise DataError(f"{file}: cannot be read as a MATLAB file ({first_line(error)})") from None
    found = held.get("net")
    if found is None:
        names = ", ".join(sorted(name for name in held if not name.startswith("__")))
        raise DataError(f"{file}: has no matrix net; it has: {names or 'none'}")
    matrix = scipy.sparse.csr_matrix(found)
    if matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix.data).all():
        raise DataError(f"{file}: net should be a square matrix of finite numbers, not {matrix.shape}")
    return matrix
