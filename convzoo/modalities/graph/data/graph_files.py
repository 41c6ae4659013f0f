"""Graphs in files of one piece as a table of nodes and one of edges: GraphML, GEXF, GML; lists of edges; MUSAE's folders."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convzoo.core.errors import DataError
from convzoo.core.text import first_line
from convzoo.reading.lines import plain_name, plain_suffix, read_lines, read_text
from convzoo.reading.tables import Table, is_table, read_table

Tables = tuple[Table, Table, bool | None]
"""The nodes, the edges, and whether edges have a direction; None: the file does not say."""

WHOLE = (".graphml", ".gexf", ".gml")
"""Files that hold a whole graph."""

EDGE_LISTS = (".edges", ".edgelist", ".txt", ".cites", ".edge")
"""Text files with an edge a line, its ends separated by spaces or tabs."""


def read_graph_file(path: Path) -> Tables:
    """The tables of a GraphML, GEXF or GML file.

    Raises:
        DataError: it cannot be read as what its name says.
    """
    suffix = plain_suffix(path)
    text = read_text(path, setting=False)
    if suffix == ".gml":
        return _gml(path, text)
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise DataError(f"{path}: declares XML entities, which a graph has no need of; it is not opened")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        name = "GraphML" if suffix == ".graphml" else "GEXF"
        raise DataError(f"{path}: cannot be read as {name} ({first_line(error)})") from None
    # The names of elements are compared without their namespace: files name several versions of it.
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    graph = next(root.iter("graph"), None)
    if graph is None:
        raise DataError(f"{path}: holds no graph")
    return _graphml(path, root, graph) if suffix == ".graphml" else _gexf(path, graph)


def _graphml(path: Path, root: Any, graph: Any) -> Tables:
    keys, defaults = {}, {}
    for key in root.iter("key"):
        name = key.get("attr.name", key.get("id", ""))
        keys[key.get("id", "")] = name
        default = key.find("default")
        if default is not None:
            defaults[key.get("for", "all"), name] = (default.text or "").strip()

    def rows(kind: str, own: tuple[str, ...]) -> Table:
        elements = list(graph.iter(kind))
        usual = {name: said for (of, name), said in defaults.items() if of in (kind, "all")}
        found = []
        for element in elements:
            given = {keys.get(d.get("key", ""), d.get("key", "")): (d.text or "").strip() for d in element.iter("data")}
            found.append({**usual, **given, **{name: element.get(name, "") for name in own}})
        return _table(path, kind, found, own)

    edges = rows("edge", ("source", "target"))
    return rows("node", ("id",)), edges, graph.get("edgedefault") == "directed"


def _gexf(path: Path, graph: Any) -> Tables:
    titles: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
    defaults: dict[str, dict[str, str]] = {"node": {}, "edge": {}}
    for group in graph.iter("attributes"):
        kind = group.get("class", "node")
        for attribute in group.iter("attribute"):
            name = attribute.get("title") or attribute.get("id", "")
            titles.setdefault(kind, {})[attribute.get("id", "")] = name
            default = attribute.find("default")
            if default is not None:
                defaults.setdefault(kind, {})[name] = (default.text or "").strip()

    def rows(kind: str, own: tuple[str, ...]) -> Table:
        found = []
        for element in graph.iter(kind):
            values = {
                titles[kind].get(v.get("for", ""), v.get("for", "")): v.get("value", "")
                for v in element.iter("attvalue")
            }
            plain = {name: element.get(name, "") for name in own}
            # What GEXF calls a label is the name that is drawn beside a node.
            named = {"name": element.get("label", "")} if kind == "node" and element.get("label") else {}
            weight = {"weight": element.get("weight", "")} if kind == "edge" and element.get("weight") else {}
            found.append({**defaults[kind], **values, **named, **weight, **plain})
        return _table(path, kind, found, own)

    edges = rows("edge", ("source", "target"))
    return rows("node", ("id",)), edges, graph.get("defaultedgetype", "undirected") == "directed"


_GML = re.compile(r'\s*(?:#[^\n]*\n|(\[)|(\])|"([^"]*)"|([^\s\[\]"]+))')


def _gml(path: Path, text: str) -> Tables:
    """GML (Himsolt 1997): keys with a value each, a text, a number or a list `[ … ]` of keys."""
    tokens = (match for match in _GML.finditer(text) if match.lastindex)
    graph = next(
        (value for key, value in _pairs(path, text, tokens, 0) if key == "graph" and isinstance(value, list)), None
    )
    if graph is None:
        raise DataError(f"{path}: holds no graph; a GML file has one in graph [ … ]")
    own: dict[str, tuple[str, ...]] = {"node": ("id",), "edge": ("source", "target")}
    tables = []
    for kind, needed in own.items():
        found = []
        for key, value in graph:
            if key == kind and isinstance(value, list):
                cells = {name: each for name, each in value if not isinstance(each, list)}
                if kind == "node" and "label" in cells:  # the name that is drawn beside a node
                    cells = {"id": cells.get("id", ""), "name": cells["label"], **cells}
                    del cells["label"]
                found.append(cells)
        tables.append(_table(path, kind, found, needed))
    directed = next((value for key, value in graph if key == "directed"), "0")
    return tables[0], tables[1], directed == "1"


def _pairs(path: Path, text: str, tokens: Iterator[re.Match[str]], depth: int) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for match in tokens:
        if match[2]:
            if depth:
                return found
            raise _broken(path, text, match, "closes a list that nothing opened")
        if match[4] is None:
            raise _broken(path, text, match, "should be a key")
        value = next(tokens, None)
        if value is None or value[2]:
            raise _broken(path, text, match, f"key {match[4]!r} has no value")
        if depth > 20:
            raise _broken(path, text, match, "has lists inside lists, more than 20 deep")
        plain = value[3] if value[3] is not None else value[4]
        found.append((match[4], _pairs(path, text, tokens, depth + 1) if value[1] else plain))
    if depth:
        raise DataError(f"{path}: ends inside a list: it is cut off")
    return found


def _broken(path: Path, text: str, match: re.Match[str], why: str) -> DataError:
    line = text.count("\n", 0, match.end()) + 1
    return DataError(f"{path}:{line}: cannot be read as GML ({why})")


def _table(path: Path, kind: str, rows: list[dict[str, Any]], own: tuple[str, ...]) -> Table:
    names = list(dict.fromkeys([*own, *(name for row in rows for name in row)]))
    columns = {name: [row.get(name, "") for row in rows] for name in names}
    return Table(path, columns, [f"{kind} {number}" for number in range(1, len(rows) + 1)])


# Folders and lists


def read_edge_list(path: Path) -> Table:
    """The edges of a text file, as `source` and `target`, with a third field as `weight`: one a line, with spaces, tabs or commas
    between its fields; lines that begin with # or % are comments.

    Raises:
        DataError: a line has one field only, or more than the others.
    """
    rows: list[list[str]] = []
    lines: list[int] = []
    for number, line in enumerate(read_lines(path), 1):
        text = line.strip()
        if not text or text[0] in "#%":
            continue
        fields = [field for field in re.split(r"[\s,;]+", text) if field]
        if len(fields) < 2 or (rows and len(fields) != len(rows[0])):
            wanted = len(rows[0]) if rows else 2
            raise DataError(
                f"{path}:{number}: has {len(fields)} fields; an edge list has {wanted} in each line, the first two its ends"
            )
        rows.append(fields)
        lines.append(number)
    if not rows:
        raise DataError(f"{path}: holds no edges")
    names = ["source", "target", "weight"][: len(rows[0])] + [f"column {at}" for at in range(4, len(rows[0]) + 1)]
    columns = {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    return Table(path, columns, lines)


def edge_list_folder(folder: Path) -> tuple[Path, Path] | None:
    """The list of edges and the file of labels of a folder such as SNAP's: two text files, one of which is named after labels;
    None: the folder is none."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and plain_suffix(path) in EDGE_LISTS]
    labels = [path for path in files if "label" in path.name.lower()]
    others = [path for path in files if path not in labels]
    return (others[0], labels[0]) if len(labels) == len(others) == 1 else None


def read_labels(path: Path) -> Table:
    """The nodes of a file of labels as `id` and `label`: a node a line."""
    table = read_edge_list(path)
    if list(table.columns) != ["source", "target"]:
        raise DataError(
            f"{path}: has {len(table.columns)} fields in a line; a file of labels has two: a node and its label"
        )
    return Table(path, {"id": table.columns["source"], "label": table.columns["target"]}, table.lines)


def musae_folder(folder: Path) -> tuple[Path, Path, Path] | None:
    """The files of a folder of MUSAE's data sets: `…_edges.csv`, `…_features.json`, `…_target.csv`; None: it is none."""
    found = [sorted(folder.glob(f"*{end}")) for end in ("_edges.csv", "_features.json", "_target.csv")]
    return (found[0][0], found[1][0], found[2][0]) if all(len(files) == 1 for files in found) else None


def read_musae(files: tuple[Path, Path, Path]) -> Tables:
    """The tables of MUSAE's files (Rozemberczki et al. 2021, arXiv:1909.13021).

    The nodes are those of the table of targets, by `new_id` where it has one, with a column `features` of the lists in the
    JSON file.

    Raises:
        DataError: the JSON file is damaged, or names nodes that the table lacks.
    """
    edges, features, targets = files
    nodes = read_table(targets)
    try:
        lists = json.loads(read_text(features, setting=False))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{features}: is not JSON ({first_line(error)})") from None
    if not isinstance(lists, dict) or not all(isinstance(value, list) for value in lists.values()):
        raise DataError(f"{features}: should be an object with a list of features for each node")
    column = "new_id" if "new_id" in nodes.columns else "id"
    if column not in nodes.columns:
        raise DataError(f"{targets}: has no column id or new_id")
    ids = nodes.ids(column)
    strange = next((name for name in lists if name not in set(ids)), None)
    if strange is not None:
        raise DataError(f"{features}: node {strange!r} has no row in {targets.name}")
    columns = dict(nodes.columns)
    if column == "new_id":
        columns.pop("id", None)  # the number on the site, which the edges do not use
    columns = {"id": columns.pop(column), **columns, "features": [lists.get(name, []) for name in ids]}
    return Table(targets, columns, nodes.lines, nodes.separator), read_table(edges), False


def whole_graph(path: Path) -> bool:
    """Whether a file holds a whole graph, by its name."""
    return plain_suffix(path) in WHOLE and not is_table(path) and bool(plain_name(path).stem)
