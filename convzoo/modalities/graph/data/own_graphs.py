"""Many graphs of one's own, a file each: a folder a class, or a table that names files."""

from pathlib import Path
from typing import Any, ClassVar

from convzoo.modalities.graph.whole import WholeGraph, fingerprint
from convzoo.modalities.graph.whole_formats import GRAPH_SUFFIXES
from convzoo.reading.folder import ClassFolders
from convzoo.reading.manifest import Manifest


class GraphFolder(ClassFolders):
    """Graphs as `<class>/<graph>.json` or `.graphml`, or `train/<class>/<graph>.json` with `test/` and, optionally, `val/` beside
    it. Graphs that are equal but for the order of their nodes are copies."""

    example = WholeGraph
    formats: ClassVar[str] = (
        "a folder of graphs (.json, .graphml), one folder a class (or train/, val/ and test/ with such folders)"
    )
    what = "graph"
    suffixes = GRAPH_SUFFIXES

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A folder with folders, in one of which there is a graph."""
        return super().recognises(path) and any(True for suffix in GRAPH_SUFFIXES for _ in path.rglob(f"*{suffix}"))

    @classmethod
    def content(cls, example: Any) -> str:
        """The same for copies whose nodes are in another order."""
        return fingerprint(example.read())


class GraphFiles(Manifest):
    """A table with a row a graph: the path of its .json or .graphml file and its class or number, perhaps a group and a split."""

    example = WholeGraph
    formats: ClassVar[str] = (
        "a table (.csv, .tsv, .jsonl, .parquet) with the columns path and label, optionally group and split, beside graph files"
    )
    what = "graph"
    file_names = ("graph", "graph_path", "molecule")
    group_names = ("group", "scaffold", "patient", "subject")

    @classmethod
    def recognises(cls, path: Path) -> bool:
        """A table by its ending, but for .json, which is a graph."""
        return super().recognises(path) and path.suffix.lower() not in GRAPH_SUFFIXES

    @classmethod
    def content(cls, example: Any) -> str:
        """The same for copies whose nodes are in another order."""
        return fingerprint(example.read())
