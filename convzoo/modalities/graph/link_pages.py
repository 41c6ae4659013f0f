"""What a page shows of pairs of nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.modalities.graph import ego_network as ego
from convzoo.modalities.graph.example import Graph
from convzoo.modalities.graph.links import NodePair
from convzoo.modalities.graph.pages import part_around, spring_layout
from convzoo.models.link_network import LinkNetwork
from convzoo.report import kit

SHARED, OWN = 8, 5
"""Common neighbours, and other neighbours of each node, that are drawn; the rest is counted."""
DRAWN = 250
"""Largest number of nodes of the map."""
BINS = 10
Row = Mapping[str, Any]


class LinkPages(Pages):
    """Pairs of nodes: each with its neighbours, the map of the graph with what was found and missed, slices by degrees and common
    neighbours, and whether probabilities keep their word."""

    plural = "pairs of nodes"
    card_size = "wide"

    def picture(self, example: NodePair) -> str:
        """Both nodes, the neighbours that they have in common between them, and others beside them."""
        return _pair(example) if example.second >= 0 else f"<p>{kit.code(example.source)}</p>"

    def title(self, task: Task, material: Material, count: int) -> str:
        """Which nodes are linked, in which graph."""
        if not len(material.examples):
            return ""
        return f"Which of {len(material.examples[0].graph):,} nodes are linked? {kit.count_of(count, 'pairs')}"

    def legend(self, task: Task, material: Material) -> str:
        """What the drawings show."""
        return (
            "<p>The two nodes that are asked for, large; between them the neighbours that they have in common, outside others. "
            "Only known edges are drawn: those that are asked for are in no picture and carry no message.</p>"
        )

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Missed links, false alarms, the least sure, and links that were found."""
        rows = _known(material)
        if not rows:
            return []
        order = sorted(rows, key=lambda row: -float(row["probability"]))
        linked = [row for row in order if row["true_label"] == "linked"]
        apart = [row for row in order if row["true_label"] != "linked"]
        unsure = sorted(rows, key=lambda row: abs(float(row["probability"]) - 0.5))
        found = [
            ("Missed links", "Edges that it gives the least probability.", linked[::-1][: kit.MISTAKES]),
            ("False alarms", "Pairs without an edge that it gives the most: perhaps edges that nobody knows.", apart),
            ("Least sure", "Where it nearly said the other.", unsure),
            ("Found", "Edges that it is surest of.", linked),
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
        right = row["label"] == row["true_label"]
        words = f"says <b>{kit.text(row['label'])}</b>" + (
            "" if right else f", but is <b>{kit.text(row['true_label'])}</b>"
        )
        probability = float(row["probability"])
        return kit.card(
            self.shown(task, material, row),
            kit.said(right, words) + kit.sure(probability, "" if right else "no")
            + kit.source(f"{kit.as_percent(probability)} linked", str(row["source"])),
        )  # fmt: skip

    def sections(self, task: Task, material: Material) -> list[Section]:
        """The map, the error by degrees and common neighbours, and the reliability of the probabilities."""
        rows = _known(material)
        if not rows:
            return []
        graph: Graph = material.examples[0].graph
        pairs = np.array(
            [(material.examples[int(row["index"])].first, material.examples[int(row["index"])].second) for row in rows]
        )
        right = np.array([row["label"] == row["true_label"] for row in rows])
        linked = np.array([row["true_label"] == "linked" for row in rows])
        degrees = np.diff(graph.edges.indptr)[pairs]
        shared = np.array([len(_common(graph, one, other)) for one, other in pairs.tolist()])
        return [
            Section("Where in the graph it errs", _map(graph, pairs, right, linked)),
            Section("By degree", _sliced("smaller degree of both", degrees.min(axis=1), right, linked)),
            Section("By common neighbours", _sliced("common neighbours", shared, right, linked)),
            Section(
                "Does it keep its word?", _reliability(np.array([float(row["probability"]) for row in rows]), linked)
            ),
        ]

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[NodePair]) -> str:
        """The features that count most in a node's vector."""
        if not isinstance(model, LinkNetwork):
            return ""
        first = model.first
        graph = examples[0].graph
        names = list(graph.feature_names)
        if first.weight.shape[0] != len(names):
            return ""
        strength = first.weight.detach().norm(dim=1)
        best = strength.argsort(descending=True)[:12].tolist()
        lines: list[list[kit.Cell]] = [[kit.short(names[at]), kit.as_number(float(strength[at]))] for at in best]
        columns = [kit.Column("feature"), kit.Column("length of its weights", "n")]
        table = kit.table(columns, lines, "<b>The features that move a vector most.</b>")
        return f"<h3>What the first layer looks for</h3>{table}"

    def data(self, material: Material) -> str:
        """The known graph and its degrees."""
        if not len(material.examples):
            return ""
        graph: Graph = material.examples[0].graph
        facts = [
            ("known graph", kit.text(graph.in_words())),
            ("features", f"{graph.features.shape[1]:,} a node" if graph.features.shape[1] else "none"),
        ]
        return kit.pairs(facts) + kit.long_tailed("Known neighbours of a node", "nodes", np.diff(graph.edges.indptr))


def _known(material: Material) -> list[Row]:
    return [row for row in material.predictions if row.get("true_label") and row.get("label")]


def _common(graph: Graph, one: int, other: int) -> np.ndarray:
    return np.intersect1d(ego.neighbours(graph.edges, one), ego.neighbours(graph.edges, other))


def _pair(example: NodePair) -> str:
    """Two nodes with their neighbours, as SVG."""
    graph = example.graph
    shared = _common(graph, example.first, example.second)
    sides = [np.setdiff1d(ego.neighbours(graph.edges, node), shared) for node in (example.first, example.second)]
    sides = [side[~np.isin(side, (example.first, example.second))] for side in sides]
    ends = [(90.0, 80.0), (230.0, 80.0)]
    lines, dots = "", ""

    def fan(nodes: np.ndarray, most: int, x: float, towards: Sequence[tuple[float, float]], colour: str) -> None:
        nonlocal lines, dots
        count = min(len(nodes), most)
        for at in range(count):
            y = 80 + (at - (count - 1) / 2) * min(28, 130 / max(count, 1))
            lines += "".join(f"M{x:.0f} {y:.0f}L{a:.0f} {b:.0f}" for a, b in towards)
            dots += f'<circle cx="{x:.0f}" cy="{y:.0f}" r="5" fill="{colour}"/>'

    fan(shared, SHARED, 160, ends, "var(--net)")
    fan(sides[0], OWN, 25, ends[:1], "var(--other)")
    fan(sides[1], OWN, 295, ends[1:], "var(--other)")
    ids = (graph.ids[example.first], graph.ids[example.second])
    big = "".join(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="9" fill="var(--ink)"/>' for x, y in ends)
    label = kit.text(f"Nodes {ids[0]} and {ids[1]} with {kit.count_of(len(shared), 'common neighbours')}")
    words = (
        f"{kit.count_of(len(shared), 'common neighbours')}; {len(sides[0]):,} others of {kit.code(kit.short(ids[0]))}, "
        f"{len(sides[1]):,} of {kit.code(kit.short(ids[1]))}"
    )
    return (
        f'<div class="ego"><svg viewBox="0 0 320 160" role="img" aria-label="{label}"><path d="{lines}" stroke="var(--other)" '
        f'fill="none"/>{dots}{big}</svg><p>{words}</p></div>'
    )


def _sliced(title: str, values: np.ndarray, right: np.ndarray, linked: np.ndarray) -> str:
    """How many linked and other pairs are right, by bands of a number."""
    lines: list[list[kit.Cell]] = []
    for name, places in kit.bands(values.tolist()).items():
        hits, inside = right[places], linked[places]
        cells: list[kit.Cell] = [name, f"{len(places):,}"]
        low, high = kit.wilson(int(hits.sum()), len(hits))
        found, left = (kit.as_percent(float(hits[mask].mean())) if mask.any() else "–" for mask in (inside, ~inside))
        lines.append([*cells, found, left, kit.Track(float(hits.mean()), low, high)])
    columns = [
        kit.Column(title), kit.Column("pairs", "n"), kit.Column("edges found", "n"), kit.Column("others left alone", "n"),
        kit.Column("", "w40"),
    ]  # fmt: skip
    return kit.table(
        columns, lines, "<b>What is right at a probability of one half.</b> The bar holds the 95 % interval."
    )


def _reliability(said: np.ndarray, linked: np.ndarray) -> str:
    """The part that is linked against the probability, by bins."""
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    there = [at for at in range(BINS) if (bins == at).any()]
    points = [(float(said[bins == at].mean()), float(linked[bins == at].mean())) for at in there]
    ends = [kit.wilson(int(linked[bins == at].sum()), int((bins == at).sum())) for at in there]
    band = [(x, high) for (x, _), (_, high) in zip(points, ends, strict=True)]
    band += [(x, low) for (x, _), (low, _) in reversed(list(zip(points, ends, strict=True)))]
    error = sum(abs(x - y) * float((bins == at).mean()) for at, (x, y) in zip(there, points, strict=True))
    scale = kit.Scale(0.0, 1.0, percent=True)
    drawn = kit.plot(
        [kit.Line([(0.0, 0.0), (1.0, 1.0)], "a"), kit.Line(points, "l1", "", dots=True)],
        scale, scale, f"Reliability: expected error {error:.3f}", "probability of a link that it says", areas=[(band, "f1")],
    )  # fmt: skip
    return (
        "<p>Of pairs that it gives 80 %, 80 % should be linked: on the thin line it keeps its word. Here half of all pairs are "
        f"linked; among all pairs of the graph far fewer are. Expected error: {error:.3f}.</p>{drawn}"
    )


def _map(graph: Graph, pairs: np.ndarray, right: np.ndarray, linked: np.ndarray) -> str:
    """A part of the graph with the test pairs in it."""
    chosen = part_around(graph, np.unique(pairs[linked]) if linked.any() else np.unique(pairs), DRAWN)
    place = np.full(len(graph), -1)
    place[chosen] = np.arange(len(chosen))
    part = graph.edges[chosen][:, chosen]
    spots = spring_layout(part)
    low, high = spots.min(axis=0), spots.max(axis=0)
    spots = (spots - low) / np.maximum(high - low, 1e-9) * np.array([780.0, 460.0]) + 10
    entries = scipy.sparse.triu(part, k=1).tocoo()

    def path(ends: np.ndarray) -> str:
        return "".join(
            f"M{spots[a][0]:.0f} {spots[a][1]:.0f}L{spots[b][0]:.0f} {spots[b][1]:.0f}" for a, b in ends.tolist()
        )

    inside = place[pairs]
    there = (inside >= 0).all(axis=1)
    kinds = [
        (linked & right, "var(--net)", "", "edge, found"),
        (linked & ~right, "var(--wrong)", "", "edge, missed"),
        (~linked & ~right, "var(--wrong)", "5 4", "no edge, but called one"),
    ]
    drawn = "".join(
        f'<path d="{path(inside[there & mask])}" stroke="{colour}" stroke-width="2.5"'
        f"{f' stroke-dasharray={chr(34)}{dashes}{chr(34)}' if dashes else ''}/>"
        for mask, colour, dashes, _ in kinds
    )
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in spots)
    known = path(np.stack([entries.row, entries.col], axis=1))
    key = kit.key(
        [
            (
                f'<svg width="26" height="8" aria-hidden="true"><path d="M0 4H26" stroke="{colour}" stroke-width="2.5"'
                f"{f' stroke-dasharray={chr(34)}{dashes}{chr(34)}' if dashes else ''}/></svg>",
                f"{name}: {int((there & mask).sum()):,}",
            )
            for mask, colour, dashes, name in kinds
        ]
    )
    whole = (
        "the whole graph" if len(chosen) == len(graph) else f"{len(chosen):,} of {len(graph):,} nodes that lie together"
    )
    return (
        f"<p>Drawn: {whole}; grey lines are known edges, connected nodes lie close.</p>"
        f'<svg viewBox="0 0 800 480" role="img" aria-label="A map of {len(chosen):,} nodes with the pairs that were asked for" '
        f'fill="none" style="max-height:40rem"><path d="{known}" stroke="var(--other)" opacity=".35"/>{drawn}<path d="{dots}" '
        f'stroke="var(--other)" stroke-width="5" stroke-linecap="round"/></svg>{key}'
    )
