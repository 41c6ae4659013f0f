"""Graphs as files: JSON and GraphML, one graph a file, to arrays."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.text import first_line, nearest

GRAPH_SUFFIXES = frozenset({".json", ".graphml"})
SOURCE = ("source", "src", "from", "u")
TARGET = ("target", "dst", "to", "v")
ID = ("id", "name", "key")
_OF_A_GRAPH = {"nodes", "edges", "links", "directed", "multigraph", "graph", "label", "id", "name"}


@dataclass(frozen=True, eq=False, slots=True)
class Structure:
    """One whole graph: its nodes, its edges and what is known of both.

    Attributes:
        count: number of nodes
        sources: (edges,), the number of the node where each edge begins
        targets: (edges,), where it ends; an undirected edge is listed once or in both directions
        nodes: columns of the nodes: by name, (nodes,) of float32 (numbers) or of text (kinds)
        edges: columns of the edges, likewise (edges,); the column `weight` weighs the messages
        directed: whether edges have a direction
        ids: names of the nodes; empty: their numbers
    """

    count: int
    sources: np.ndarray
    targets: np.ndarray
    nodes: Mapping[str, np.ndarray] = field(default_factory=dict)
    edges: Mapping[str, np.ndarray] = field(default_factory=dict)
    directed: bool = False
    ids: Sequence[str] = ()

    @property
    def edge_count(self) -> int:
        """How many edges there are, without loops and doubled ones."""
        return len(self.entries()[0]) // (1 if self.directed else 2)

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Who gets a message from whom, along which edge: rows, columns and numbers of edges, sorted by row and column.

        Loops are left out. An undirected edge carries messages both ways; of edges that are there twice the first counts.
        """
        rows, columns = self.targets.astype(np.int64), self.sources.astype(np.int64)
        which = np.arange(len(rows))
        if not self.directed:
            rows, columns, which = np.r_[rows, columns], np.r_[columns, rows], np.r_[which, which]
        kept = rows != columns
        rows, columns, which = rows[kept], columns[kept], which[kept]
        _, first = np.unique(rows * self.count + columns, return_index=True)
        return rows[first], columns[first], which[first]


def read_graph(path: Path) -> tuple[Structure, Any]:
    """A graph from a file, and its label as the file says it; None where it says none.

    Raises:
        DataError: the file cannot be read, is no graph, has no nodes, or an edge names a node that is not there.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such graph file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({first_line(error)})") from None
    if not text.strip():
        raise DataError(f"{path}: is empty; delete it or replace it by a graph")
    if path.suffix.lower() == ".graphml":
        return from_graphml(text, str(path))
    try:
        value = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path}: is not JSON ({first_line(error)})") from None
    return from_mapping(value, str(path))


def from_mapping(value: Any, where: str) -> tuple[Structure, Any]:
    """A graph from an object `{"nodes": [{"id": "a", "element": "C"}, …], "edges": [{"source": "a", "target": "b"}, …]}`.

    This is networkx's node-link form (`links` will do for `edges`). Nodes may be plain ids, edges pairs of ids. `directed` says
    whether edges have a direction, `label` (or `graph: {"label": …}`) the graph's class or number.

    Raises:
        DataError: as `read_graph`.
    """
    if not isinstance(value, Mapping):
        raise DataError(f'{where}: should be an object {{"nodes": […], "edges": […]}}, not {type(value).__name__}')
    if not isinstance(value.get("nodes"), list):
        near = nearest("nodes", [str(key) for key in value])
        hint = f"; did you mean its {near!r}?" if near else ""
        raise DataError(f'{where}: has no list "nodes"{hint} (a graph is {{"nodes": […], "edges": […]}})')
    edges = value.get("edges", value.get("links"))
    if not isinstance(edges, list):
        raise DataError(f'{where}: has no list "edges" (or "links"), with a source and a target for each')
    about = value["graph"] if isinstance(value.get("graph"), Mapping) else {}
    rows = [node if isinstance(node, Mapping) else {"id": node} for node in value["nodes"]]
    names = [str(_first(row, ID, at)) for at, row in enumerate(rows)]
    pairs, columns = [], []
    for at, edge in enumerate(edges, 1):
        if isinstance(edge, Mapping):
            ends = [_first(edge, keys, None) for keys in (SOURCE, TARGET)]
            columns.append({key: item for key, item in edge.items() if key not in (*SOURCE, *TARGET, "key", "id")})
        else:
            ends = list(edge[:2]) if isinstance(edge, list | tuple) and len(edge) >= 2 else [None]
            columns.append({"weight": edge[2]} if len(ends) == 2 and len(edge) > 2 else {})
        if None in ends:
            raise DataError(f"{where}: edge {at} has no source and target; an edge is a pair of nodes' ids")
        pairs.append((str(ends[0]), str(ends[1])))
    found = _structure(
        names, pairs, [{key: item for key, item in row.items() if key not in ID} for row in rows], columns,
        bool(value.get("directed", False)), where,
    )  # fmt: skip
    return found, value.get("label", about.get("label"))


def from_graphml(text: str, where: str) -> tuple[Structure, Any]:
    """A graph from GraphML. XML entities are not expanded, since none are needed.

    Raises:
        DataError: as `read_graph`.
    """
    import xml.etree.ElementTree as ElementTree

    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DataError(f"{where}: declares XML entities, which a graph has no need of; it is not opened")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise DataError(f"{where}: cannot be read as GraphML ({first_line(error)})") from None
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    graphs = list(root.iter(f"{space}graph"))
    if len(graphs) != 1:
        raise DataError(f"{where}: holds {len(graphs)} graphs; a file holds one")
    keys = {key.get("id", ""): key for key in root.iter(f"{space}key")}

    def values(element: Any, kind: str) -> dict[str, Any]:
        found = {
            key.get("attr.name", name): _typed(default.text, key)
            for name, key in keys.items()
            if key.get("for") in (kind, "all") and (default := key.find(f"{space}default")) is not None
        }
        for data in element.findall(f"{space}data"):
            key = keys.get(data.get("key", ""))
            found[data.get("key", "") if key is None else key.get("attr.name", data.get("key", ""))] = _typed(
                data.text, key
            )
        return found

    (graph,) = graphs
    nodes = list(graph.iter(f"{space}node"))
    edges = list(graph.iter(f"{space}edge"))
    found = _structure(
        [node.get("id", "") for node in nodes],
        [(edge.get("source", ""), edge.get("target", "")) for edge in edges],
        [values(node, "node") for node in nodes],
        [values(edge, "edge") for edge in edges],
        graph.get("edgedefault") == "directed",
        where,
    )
    return found, values(graph, "graph").get("label")


def _typed(text: str | None, key: Any) -> Any:
    text = (text or "").strip()
    if key is not None and key.get("attr.type") in ("int", "long", "float", "double"):
        try:
            return float(text)
        except ValueError:
            return text
    return text


def _first(row: Mapping[str, Any], keys: Sequence[str], default: Any) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), default)


def _structure(
    names: Sequence[str],
    pairs: Sequence[tuple[str, str]],
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    directed: bool,
    where: str,
) -> Structure:
    if not names:
        raise DataError(f"{where}: the graph has no nodes; leave it out")
    numbers = {name: at for at, name in enumerate(names)}
    if len(numbers) < len(names):
        twice = next(name for at, name in enumerate(names) if numbers[name] != at)
        raise DataError(f"{where}: node {twice!r} is there twice")
    for at, ends in enumerate(pairs, 1):
        for name in ends:
            if name not in numbers:
                near = nearest(name, list(numbers)[:20_000])
                hint = f"; did you mean {near!r}?" if near else ""
                raise DataError(
                    f"{where}: edge {at} names node {name!r}, which is not among the {len(names)} nodes{hint}"
                )
    found = np.array([[numbers[name] for name in pair] for pair in pairs], np.int64).reshape(-1, 2)
    node_columns = columns_of(nodes, [f"node {name!r}" for name in names], where)
    edge_columns = columns_of(edges, [f"edge {at}" for at in range(1, len(edges) + 1)], where)
    check_weights(edge_columns, where)
    return Structure(len(names), found[:, 0], found[:, 1], node_columns, edge_columns, directed, tuple(names))


def check_weights(edges: Mapping[str, np.ndarray], where: str) -> None:
    """
    Raises:
        DataError: a weight of an edge is no number above 0.
    """
    weight = edges.get("weight")
    if weight is None:
        return
    if weight.dtype.kind != "f":
        raise DataError(f"{where}: the weights of the edges should be numbers, and one is {weight[0]!r}")
    if (weight <= 0).any():
        at = int(np.flatnonzero(weight <= 0)[0])
        raise DataError(f"{where}: edge {at + 1} has the weight {weight[at]:g}; a weight should be above 0")


def columns_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str], where: str) -> dict[str, np.ndarray]:
    """Columns from rows: numbers as float32, everything else as text. A list of numbers becomes a column for each.

    Raises:
        DataError: a row lacks what others have, or a number is not finite.
    """
    wide = [_flat(row) for row in rows]
    found = {}
    for key in dict.fromkeys(key for row in wide for key in row):
        missing = next((at for at, row in enumerate(wide) if row.get(key) is None or row[key] == ""), None)
        if missing is not None:
            raise DataError(
                f"{where}: {names[missing]} has no {key!r}, which others have; fill it, or leave it out everywhere"
            )
        values = [row[key] for row in wide]
        if all(isinstance(value, int | float) for value in values):
            bad = next((at for at, value in enumerate(values) if not math.isfinite(value)), None)
            if bad is not None:
                raise DataError(
                    f"{where}: {names[bad]}: {key!r} is {values[bad]}, not a finite number; fill missing values"
                )
            found[key] = np.array(values, np.float32)
        else:
            found[key] = np.array([as_text(value) for value in values])
    return found


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, list):
            found |= {f"{key} {at}": item for at, item in enumerate(value, 1)}
        else:
            found[str(key)] = value
    return found


def as_text(value: Any) -> str:
    """A value as the name of a kind: 3.0 and 3 are the same."""
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
