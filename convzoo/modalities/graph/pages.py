"""What a page shows of the nodes of a graph."""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.modalities.graph.example import Graph, Node, Nodes
from convzoo.ops.sparse import SparseMatrix
from convzoo.report.figures import as_svg, new_figure
from convzoo.report.kit import html_safe
from convzoo.tasks.classification import Classification

DRAWN = 450
"""Largest number of nodes that are drawn; of a larger graph, a part around some test nodes is drawn."""
EMBEDDED = 1500
"""Number of nodes whose outputs are drawn in the plane."""
GROUPS = 5


class NodePages(Pages):
    """Nodes of a graph: their neighbours, the graph with its errors, accuracy by degree, weights of the first convolution."""

    plural = "nodes"

    def picture(self, example: Node) -> str:
        """A node's name and the classes of its neighbours."""
        graph = example.graph
        if example.index < 0:
            return f"<code>{html.escape(example.source)}</code>"
        inside = graph.edges.indices[graph.edges.indptr[example.index] : graph.edges.indptr[example.index + 1]]
        kinds: dict[str, int] = {}
        for neighbour in inside.tolist():
            name = str(graph.labels[neighbour])
            kinds[name] = kinds.get(name, 0) + 1
        listed = ", ".join(
            f"{count} × {html.escape(name)}" for name, count in sorted(kinds.items(), key=lambda item: -item[1])[:4]
        )
        around = f"{len(inside)} neighbour{'' if len(inside) == 1 else 's'}{': ' + listed if listed else ''}"
        return f"<code>{html.escape(example.source)}</code><br><small>{around}</small>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Node]) -> str:
        """The weights of a node's neighbours, and the features with the largest weights in each neuron."""
        weights: Any = next((m.weight for m in model.modules() if type(m).__name__ == "FeatureLinear"), None)
        graph = examples[0].graph
        if not isinstance(weights, Tensor) or len(graph.feature_names) != weights.shape[0]:
            names: list[str] = []
        else:
            names = list(graph.feature_names)
        # One with enough neighbours to see something, and not too many to list.
        counts = np.diff(graph.edges.indptr)[[example.index for example in examples]]
        shown = examples[int(np.argmin(np.abs(counts - 5)))].index
        matrix = encoder.gather(examples, [0]).inputs["graph"].adjacency
        parts = [
            f"<p>The first convolution sees a node and its neighbours. {_weights_in_words(graph, matrix, shown)}</p>"
        ]
        if names:
            assert isinstance(weights, Tensor)
            table = weights.detach().numpy()
            rows = []
            for neuron in np.argsort(-np.abs(table).max(axis=0))[:8].tolist():
                top = np.argsort(-table[:, neuron])[:6].tolist()
                words = " &nbsp; ".join(
                    f"{html.escape(names[at])} <small>{table[at, neuron]:.2f}</small>" for at in top
                )
                rows.append(f"<tr><td>{neuron}</td><td>{words}</td></tr>")
            parts.append(
                "<p>The features to which its neurons respond most:</p>"
                f"<table class='plain'><tr><th>neuron</th><th>features</th></tr>{''.join(rows)}</table>"
            )
        return "".join(parts)

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a classification: the graph, the outputs in the plane, and accuracy by degree."""
        if not isinstance(task, Classification):
            return []
        rows = [row for row in material.predictions if row.get("true_label") and row.get("label")]
        if not rows or not isinstance(material.examples, Nodes):
            return []
        graph = material.examples.graph
        nodes = material.examples.indices[[int(row["index"]) for row in rows]]
        right = np.array([row["label"] == row["true_label"] for row in rows])
        names = sorted({str(row[key]) for row in rows for key in ("label", "true_label")})
        return [
            Section("The graph", html_safe(_drawing(graph, nodes, rows, right, names))),
            Section("Outputs of the network", html_safe(_plane(material, nodes, rows, names))),
            Section("Accuracy by neighbours", html_safe(_by_place(graph, nodes, right))),
        ]


def _drawing(
    graph: Graph, nodes: np.ndarray, rows: Sequence[Mapping[str, Any]], right: np.ndarray, names: Sequence[str]
) -> str:
    """The test nodes with their neighbours, coloured by prediction and by error."""
    chosen = part_around(graph, nodes, DRAWN)
    place = {int(node): number for number, node in enumerate(chosen)}
    part = graph.edges[chosen][:, chosen]
    spots = spring_layout(part)
    figure = new_figure(10, 5)
    axes = figure.subplots(1, 2)
    entries = scipy.sparse.triu(part + part.T).tocoo()
    lines = np.stack([spots[entries.row], spots[entries.col]], axis=1)
    tested = [
        (place[int(node)], row, good) for node, row, good in zip(nodes, rows, right, strict=True) if int(node) in place
    ]
    inside = np.array([number for number, _, _ in tested], int)
    colours = _colours(len(names))
    number = {name: index for index, name in enumerate(names)}
    from matplotlib.collections import LineCollection

    for side in axes:
        side.add_collection(LineCollection(list(lines), colors="#c9d1dc", linewidths=0.4, zorder=0))
        side.scatter(*spots.T, s=4, color="#dfe4ea", zorder=1)
        side.set_axis_off()
        side.set_aspect("equal")
    predicted = np.array([number[str(row["label"])] for _, row, _ in tested], int)
    for index in range(len(names)):
        some = inside[predicted == index]
        if len(some) and len(names) <= 20:
            axes[0].scatter(*spots[some].T, s=14, color=colours[index], label=names[index], zorder=2)
        elif len(some):
            axes[0].scatter(*spots[some].T, s=14, color=colours[index], zorder=2)
    axes[0].set_title("predicted class")
    good = np.array([good for _, _, good in tested], bool)
    axes[1].scatter(*spots[inside[good]].T, s=12, color="#9cc8a4", label="right", zorder=2)
    axes[1].scatter(*spots[inside[~good]].T, s=18, color="#b3261e", label="wrong", zorder=3)
    axes[1].set_title("errors")
    if len(names) <= 20:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, 0.02), "ncols": 4}
        for text in axes[0].legend(frameon=False, fontsize=7, **below).get_texts():
            text.set_parse_math(False)
    axes[1].legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 0.02), ncols=2)
    share = "the whole graph" if len(chosen) == len(graph) else f"{len(chosen):,} of {len(graph):,} nodes"
    return (
        f"<p>{html.escape(graph.in_words())}. Drawn: {share}; test nodes are coloured, the others grey. Errors often lie "
        f"together where neighbours have different classes.</p>{as_svg(figure)}"
    )


def part_around(graph: Graph, nodes: np.ndarray, most: int) -> np.ndarray:
    """All nodes of a small graph; of a large one, nodes that lie together: grown from test nodes, edge by edge."""
    if len(graph) <= most:
        return np.arange(len(graph))
    degree = np.diff(graph.edges.indptr)
    middle = np.argsort(np.abs(degree[nodes] - np.median(degree[nodes])), kind="stable")
    seeds = nodes[middle[:2]].tolist()
    found = dict.fromkeys(seeds)
    queue = list(found)
    for node in queue:
        for neighbour in graph.edges.indices[graph.edges.indptr[node] : graph.edges.indptr[node + 1]][:8].tolist():
            if len(found) < most and neighbour not in found:
                found[neighbour] = None
                queue.append(neighbour)
    return np.array(sorted(found))


def spring_layout(edges: Any, rounds: int = 60) -> np.ndarray:
    """(nodes, 2): positions with connected nodes close together (Fruchterman & Reingold 1991, doi:10.1002/spe.4380211102)."""
    count = edges.shape[0]
    random = np.random.default_rng(0)
    spots = random.random((count, 2)) - 0.5
    entries = (edges + edges.T).tocoo()
    ideal = np.sqrt(1 / count)
    for heat in np.linspace(0.1, 0.002, rounds):
        apart = spots[:, None] - spots[None]  # (nodes, nodes, 2)
        square = (apart**2).sum(axis=2) + 1e-6
        push = (apart * (ideal**2 / square)[..., None]).sum(axis=1)
        along = spots[entries.col] - spots[entries.row]
        pull = along * (np.linalg.norm(along, axis=1, keepdims=True) / ideal)
        move = push - 2.0 * spots * ideal  # a little towards the middle, so that components stay in sight
        np.add.at(move, entries.row, 0.5 * pull)
        length = np.linalg.norm(move, axis=1, keepdims=True) + 1e-12
        spots = spots + move / length * np.minimum(length, heat)
    return spots


def _plane(material: Material, nodes: np.ndarray, rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    """The logits of test nodes in the plane, by their two main directions."""
    chosen = np.linspace(0, len(rows) - 1, min(EMBEDDED, len(rows))).astype(int)
    places = [int(rows[index]["index"]) for index in chosen]
    with torch.no_grad():
        vectors = material.model(**material.encoder.gather(material.examples, places).inputs).double().numpy()
    vectors = vectors - vectors.mean(axis=0)
    _, _, directions = np.linalg.svd(vectors, full_matrices=False)
    flat = vectors @ directions[:2].T
    if flat.shape[1] < 2:
        flat = np.c_[flat, np.zeros(len(flat))]
    figure = new_figure(10, 4.2)
    axes = figure.subplots(1, 2)
    colours = _colours(len(names))
    for side, key, title in ((axes[0], "true_label", "true class"), (axes[1], "label", "predicted class")):
        values = np.array([names.index(str(rows[index][key])) for index in chosen])
        for index, name in enumerate(names):
            some = flat[values == index]
            side.scatter(*some.T, s=6, color=colours[index], label=name if len(names) <= 20 else None)
        side.set_title(title)
        side.set_xticks([])
        side.set_yticks([])
        side.spines[["top", "right"]].set_visible(False)
    if len(names) <= 20:
        for text in axes[1].legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5)).get_texts():
            text.set_parse_math(False)
    return f"<p>Outputs of {len(chosen):,} test nodes, along the two directions in which they differ most.</p>{as_svg(figure)}"


def _by_place(graph: Graph, nodes: np.ndarray, right: np.ndarray) -> str:
    """Accuracy by degree, and by the fraction of a node's neighbours with the same class."""
    degree = np.diff(graph.edges.indptr)[nodes]
    alike = homophily(graph, nodes)
    figure = new_figure(9, 2.8)
    axes = figure.subplots(1, 2)
    _bars(axes[0], degree.astype(float), right, "neighbours", whole=True)
    known = ~np.isnan(alike)
    _bars(axes[1], alike[known], right[known], "fraction of the neighbours with the same class", whole=False)
    whole = float(np.nanmean(alike)) if known.any() else float("nan")
    return (
        "<p>Accuracy by a node's number of neighbours, and by the fraction of them with the same class "
        f"({100 * whole:.0f} % on average). Each bar shows its number of test nodes; a whisker is one standard error.</p>"
        f"{as_svg(figure)}"
    )


def homophily(graph: Graph, nodes: np.ndarray) -> np.ndarray:
    """(nodes,): for each node the fraction of its labelled neighbours with the same class; NaN without labelled neighbours."""
    number = {
        name: index for index, name in enumerate(dict.fromkeys(name for name in graph.labels if name is not None))
    }
    classes = np.array([-1 if name is None else number[name] for name in graph.labels])
    found = np.full(len(nodes), np.nan)
    for row, node in enumerate(nodes.tolist()):
        around = classes[graph.edges.indices[graph.edges.indptr[node] : graph.edges.indptr[node + 1]]]
        around = around[around >= 0]
        if len(around):
            found[row] = (around == classes[node]).mean()
    return found


def _bars(axes: Any, values: np.ndarray, right: np.ndarray, label: str, whole: bool) -> None:
    edges = (
        np.unique(np.quantile(values, np.linspace(0, 1, GROUPS + 1)))
        if whole and len(values)
        else np.linspace(0, 1, GROUPS + 1)
    )
    if len(edges) < 2:
        edges = np.array([0.0, float(values.max()) + 1 if len(values) else 1.0])
    group = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    for number in range(len(edges) - 1):
        inside = right[group == number]
        if not len(inside):
            continue
        share = inside.mean()
        axes.bar(number, share, color="#7aa6d8", yerr=np.sqrt(share * (1 - share) / len(inside)), ecolor="#44546a")
        axes.text(number, 0.02, f"{len(inside):,}", ha="center", fontsize=7)
    last = len(edges) - 2
    names = []
    for number, (low, high) in enumerate(pairwise(edges)):
        top = high if number == last or not whole else high - 1
        names.append(
            f"{low:.0f}" if whole and low == top else f"{low:.{0 if whole else 1}f} to {top:.{0 if whole else 1}f}"
        )
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)


def _weights_in_words(graph: Graph, matrix: SparseMatrix, node: int) -> str:
    first, last = int(matrix.pointers[node]), int(matrix.pointers[node + 1])
    entries = zip(matrix.columns[first:last].tolist(), matrix.values[first:last].tolist(), strict=True)
    listed = ", ".join(f"<code>{html.escape(graph.ids[at])}</code> {value:.2f}" for at, value in list(entries)[:12])
    name = html.escape(graph.ids[node])
    return f"Messages to <code>{name}</code> come from these nodes, with these weights: {listed or 'none'}."


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    table = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "gist_ncar"]
    return [table(index if count <= 20 else index / count) for index in range(count)]
