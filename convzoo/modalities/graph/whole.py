"""A whole graph as an example: its structure, or a file that is opened when it is needed."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.labels import Label
from convzoo.modalities.graph.whole_formats import GRAPH_SUFFIXES, Structure, from_mapping, read_graph
from convzoo.reading.files import files_named, kind_of


@dataclass(frozen=True, eq=False, slots=True)
class WholeGraph:
    """One of many graphs.

    Attributes:
        structure: nodes and edges; None: they are in the file
        path: of the file
        label: its class, a number, or several classes; None if unlabelled
        group: graphs of one group stay in one split
        source: where it comes from
    """

    structure: Structure | None = None
    path: Path | None = None
    label: Label | None = None
    group: str | None = None
    source: str = ""
    sample_input: ClassVar[str] = "graph.json"

    def read(self) -> Structure:
        """Its nodes and edges.

        Raises:
            DataError: the file cannot be read.
        """
        if self.structure is not None:
            return self.structure
        assert self.path is not None, "a WholeGraph has a structure or a path"
        return read_graph(self.path)[0]

    def check(self) -> None:
        """Open the file once.

        Raises:
            DataError: it cannot be read.
        """
        self.read()

    @classmethod
    def from_lines(cls, lines: Sequence[str]) -> "list[WholeGraph]":
        """Graphs from lines of standard input, each a JSON object or the name of a file."""
        return cls.from_inputs([line.strip() for line in lines if line.strip()])

    @classmethod
    def from_inputs(cls, values: Sequence[Any]) -> "list[WholeGraph]":
        """Graphs for prediction: each value is a graph file, a folder of them, or an object `{"nodes": […], "edges": […]}`, also
        as JSON.

        Raises:
            DataError: there is no such file, or it is no graph.
        """
        found: list[WholeGraph] = []
        for value in values:
            if isinstance(value, cls):
                found.append(value)
            elif isinstance(value, Structure):
                found.append(cls(value, source=f"graph {len(found) + 1}"))
            elif isinstance(value, Mapping):
                found.append(_made(value, f"graph {len(found) + 1}"))
            elif isinstance(value, str) and value.lstrip().startswith("{"):
                name = f"graph {len(found) + 1}"
                try:
                    found.append(_made(json.loads(value), name))
                except ValueError as error:
                    raise DataError(f"{name}: is not JSON ({error})") from None
            elif not isinstance(value, str | Path):
                raise DataError(f"a graph is a file, a folder or an object with nodes and edges, not {kind_of(value)}")
            else:
                found += [cls(path=path, source=str(path)) for path in files_named(value, GRAPH_SUFFIXES, "graph file")]
        return found


def _made(value: Mapping[str, Any], name: str) -> WholeGraph:
    return WholeGraph(from_mapping(value, name)[0], source=str(value.get("id", value.get("name", name))))


def colours(structure: Structure, rounds: int, start: Sequence[str] | None = None) -> list[list[str]]:
    """The colours of the nodes after 0, 1, … rounds of Weisfeiler and Lehman's refinement (1968): a node's next colour is its own
    and the multiset of its neighbours' with the kinds of the edges to them.

    Args:
        structure: a graph
        rounds: number of rounds
        start: the first colours; by default what the nodes' columns of kinds say
    """
    rows, columns, which = structure.entries()
    of_edges = _joined(
        {name: values for name, values in structure.edges.items() if values.dtype.kind == "U"}, len(which), which
    )
    now = list(start) if start is not None else _joined(
        {name: values for name, values in structure.nodes.items() if values.dtype.kind == "U"}, structure.count
    )  # fmt: skip
    found = [now]
    for _ in range(rounds):
        heard: list[list[str]] = [[] for _ in range(structure.count)]
        for row, column, kind in zip(rows.tolist(), columns.tolist(), of_edges, strict=True):
            heard[row].append(f"{kind}:{now[column]}")
        now = [
            hashlib.blake2b(f"{own}|{','.join(sorted(said))}".encode(), digest_size=8).hexdigest()
            for own, said in zip(now, heard, strict=True)
        ]
        found.append(now)
    return found


def _joined(columns: Mapping[str, np.ndarray], count: int, chosen: np.ndarray | None = None) -> list[str]:
    parts = [(values if chosen is None else values[chosen]).tolist() for values in columns.values()]
    return ["/".join(row) for row in zip(*parts, strict=True)] if parts else [""] * count


def fingerprint(structure: Structure) -> str:
    """The same for a graph and a copy of it whose nodes are in another order: its colours after three rounds, which begin with
    all that is known of the nodes."""
    texts = [
        values if values.dtype.kind == "U" else np.array([f"{value:.6g}" for value in values.tolist()])
        for values in structure.nodes.values()
    ]
    start = ["/".join(row) for row in zip(*(part.tolist() for part in texts), strict=True)] if texts else None
    last = colours(structure, 3, start)[-1]
    return hashlib.blake2b(",".join(sorted(last)).encode(), digest_size=8).hexdigest()
