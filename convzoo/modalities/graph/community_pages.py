"""What a page shows of communities."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.pages import Material, Panel, Section
from convzoo.core.task import Task
from convzoo.modalities.graph import ego_network as ego
from convzoo.modalities.graph.example import Graph
from convzoo.modalities.graph.pages import NodePages, part_around, spring_layout
from convzoo.report import kit

DRAWN, NAMED = 300, 12
"""Nodes of the map, and communities that have a row and a colour of their own."""
Row = Mapping[str, Any]


class CommunityPages(NodePages):
    """Nodes in communities: each with its neighbours, the map in colours, and what each community holds and how open it is."""

    stand_in_all_splits = True

    def title(self, task: Task, material: Material, count: int) -> str:
        """How many communities, in which graph."""
        names = {row["community"] for row in material.predictions if row.get("community")}
        return f"Who belongs together? {kit.count_of(count, 'nodes')} in {kit.count_of(len(names), 'communities')}"

    def legend(self, task: Task, material: Material) -> str:
        """What the drawings show."""
        return "<p>A node with its neighbours: blue ones are in its community, grey ones are not.</p>"

    def explained(self, task: Task, material: Material, row: Row) -> str:
        """A node with its neighbours, those of its community in colour."""
        example = material.examples[int(row["index"])]
        graph: Graph = example.graph
        home = _homes(material, graph)
        around = ego.ego_network(graph.edges, example.index)
        kinds = [
            [ego.SAME if home[node] == home[example.index] else ego.OTHER for node in part]
            for part in (around.near, around.far)
        ]
        label = f"Node {example.source} with {kit.count_of(around.near_count, 'neighbours')}"
        lit = [False] * (len(around.near) + len(around.far))
        drawn = ego.drawing(graph.edges, around, kinds[0], kinds[1], ego.SAME, lit, label)
        near = ego.neighbours(graph.edges, example.index)
        inside = int((home[near] == home[example.index]).sum())
        return f'<div class="ego">{drawn}<p>{inside:,} of {kit.count_of(len(near), "neighbours")} are in its community.</p></div>'

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """The middle of each community, and nodes between two."""
        rows = [row for row in material.predictions if row.get("community")]
        if not rows:
            return []
        graph: Graph = material.examples[0].graph
        home = _homes(material, graph)
        inside, degrees = _inside(graph, home), np.diff(graph.edges.indptr)
        order = sorted(rows, key=lambda row: (-inside[_node(material, row)], -degrees[_node(material, row)]))
        middle: list[Row] = []
        for name in dict.fromkeys(row["community"] for row in order):
            middle += [row for row in order if row["community"] == name][:1]
        between = [row for row in order[::-1] if degrees[_node(material, row)] >= 3]
        found = [
            ("In the middle", "Of each community a node whose neighbours are all in it.", middle),
            (
                "Between communities",
                "Nodes with the fewest neighbours in their own community: hubs, outsiders, doubts.",
                between,
            ),
        ]
        return [
            Panel(
                title,
                about,
                kit.cards([self._card(task, material, row) for row in part[: kit.MISTAKES]], self.card_size),
            )
            for title, about, part in found
            if part
        ]

    def _card(self, task: Task, material: Material, row: Row) -> str:
        true = material.examples[int(row["index"])].label
        words = f"<b>{kit.text(row['community'])}</b>" + (f", known as <b>{kit.text(true)}</b>" if true else "")
        return kit.card(self.shown(task, material, row), kit.said(None, words) + kit.source(str(row["source"])))

    def sections(self, task: Task, material: Material) -> list[Section]:
        """The map and a table of the communities."""
        rows = [row for row in material.predictions if row.get("community")]
        if not rows:
            return []
        graph: Graph = material.examples[0].graph
        home = _homes(material, graph)
        names = [name for name, _ in Counter(row["community"] for row in rows).most_common()]
        return [
            Section("The graph by community", _map(graph, home, names)),
            Section("Each community", _table(graph, home, names, material)),
        ]


def _node(material: Material, row: Row) -> int:
    return int(material.examples[int(row["index"])].index)


def _homes(material: Material, graph: Graph) -> np.ndarray:
    """(nodes,): the number of each node's community, the largest first; -1 where it was not predicted."""
    rows = [row for row in material.predictions if row.get("community")]
    number = {name: at for at, (name, _) in enumerate(Counter(row["community"] for row in rows).most_common())}
    found = np.full(len(graph), -1)
    for row in rows:
        found[_node(material, row)] = number[row["community"]]
    return found


def _inside(graph: Graph, home: np.ndarray) -> np.ndarray:
    """(nodes,): the part of a node's neighbours that are in its community."""
    degrees = np.diff(graph.edges.indptr)
    rows = np.repeat(np.arange(len(graph)), degrees)
    same = np.bincount(rows, home[rows] == home[graph.edges.indices], len(graph))
    return same / np.maximum(degrees, 1)


def _table(graph: Graph, home: np.ndarray, names: list[str], material: Material) -> str:
    """Sizes, how many edges stay inside, and what is known of the members."""
    inside, degrees = _inside(graph, home), np.diff(graph.edges.indptr)
    lines: list[list[kit.Cell]] = []
    for number, name in enumerate(names[:NAMED]):
        mine = home == number
        ends = float(degrees[mine].sum())
        open_ = 1 - float((inside * degrees)[mine].sum()) / max(ends, 1.0)
        known = Counter(
            str(graph.labels[node]) for node in np.flatnonzero(mine).tolist() if graph.labels[node] is not None
        )
        held = ", ".join(f"{kit.short(label, 24)} {count:,}" for label, count in known.most_common(3)) or "–"
        lines.append([name, f"{int(mine.sum()):,}", held, kit.as_percent(open_), kit.Track(open_)])
    columns = [
        kit.Column("community"), kit.Column("nodes", "n"), kit.Column("known of them, for comparison only"),
        kit.Column("edge ends that lead outside", "n"), kit.Column("", "w40"),
    ]  # fmt: skip
    rest = f" {len(names) - NAMED:,} smaller ones are not listed." if len(names) > NAMED else ""
    return kit.table(columns, lines, f"<b>The largest communities.</b>{rest}")


def _map(graph: Graph, home: np.ndarray, names: list[str]) -> str:
    """A part of the graph, its nodes in the colours of their communities."""
    chosen = part_around(graph, np.arange(len(graph)), DRAWN)
    part = graph.edges[chosen][:, chosen]
    spots = spring_layout(part)
    low, high = spots.min(axis=0), spots.max(axis=0)
    spots = (spots - low) / np.maximum(high - low, 1e-9) * np.array([780.0, 460.0]) + 10
    entries = scipy.sparse.triu(part, k=1).tocoo()
    lines = "".join(
        f"M{spots[a][0]:.0f} {spots[a][1]:.0f}L{spots[b][0]:.0f} {spots[b][1]:.0f}"
        for a, b in zip(entries.row.tolist(), entries.col.tolist(), strict=True)
    )

    def colour(number: int) -> str:
        return f"hsl({number * 137 % 360} 65% 52%)" if 0 <= number < NAMED else "var(--other)"

    dots = "".join(
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5" fill="{colour(int(home[node]))}"/>'
        for node, (x, y) in zip(chosen.tolist(), spots, strict=True)
    )
    key = kit.key(
        [
            (
                f'<svg width="14" height="14" aria-hidden="true"><circle cx="7" cy="7" r="5" fill="{colour(at)}"/></svg>',
                name,
            )
            for at, name in enumerate(names[:NAMED])
        ]
    )
    whole = (
        "the whole graph" if len(chosen) == len(graph) else f"{len(chosen):,} of {len(graph):,} nodes that lie together"
    )
    return (
        f"<p>Drawn: {whole}; connected nodes lie close.</p>"
        f'<svg viewBox="0 0 800 480" role="img" aria-label="A map of {len(chosen):,} nodes by community" fill="none" '
        f'style="max-height:40rem"><path d="{lines}" stroke="var(--other)" opacity=".35"/>{dots}</svg>{key}'
    )
