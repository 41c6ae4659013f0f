"""What a page shows of the nodes of a graph, and of users and what they are recommended."""

import html
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.graphs import Graph, Node, Nodes
from convzoo.core.interactions import User
from convzoo.core.model import HasVectors
from convzoo.ops.sparse import SparseMatrix
from convzoo.report.figures import _figure, _svg
from convzoo.report.pictures import _explain, picture
from convzoo.report.sections import Material, Section, html_safe, sections, sections_of_kind
from convzoo.tasks.ranking import RankItems

DRAWN = 450
"""Nodes that are drawn: a larger graph is shown by a part around some of its test nodes."""
EMBEDDED = 1500
"""Nodes whose vectors are laid out in the plane."""
GROUPS = 5


@picture.register
def _(example: Node) -> str:
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


@sections_of_kind.register
def _(kind: Node, material: Material) -> list[Section]:
    rows = [row for row in material.predictions if row.get("true_label") and row.get("label")]
    if not rows or not isinstance(material.examples, Nodes):
        return []
    graph = material.examples.graph
    nodes = material.examples.indices[[int(row["index"]) for row in rows]]
    right = np.array([row["label"] == row["true_label"] for row in rows])
    names = sorted({str(row[key]) for row in rows for key in ("label", "true_label")})
    return [
        Section("The graph", html_safe(_drawing(graph, nodes, rows, right, names))),
        Section("What the network makes of the nodes", html_safe(_plane(material, nodes, rows, names))),
        Section("Where it is right", html_safe(_by_place(graph, nodes, right))),
    ]


def _drawing(
    graph: Graph, nodes: np.ndarray, rows: Sequence[Mapping[str, Any]], right: np.ndarray, names: Sequence[str]
) -> str:
    """The test nodes with their neighbours, coloured by prediction and by error."""
    chosen = part_around(graph, nodes, DRAWN)
    place = {int(node): number for number, node in enumerate(chosen)}
    part = graph.edges[chosen][:, chosen]
    spots = spring_layout(part)
    figure = _figure(10, 5)
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
        f"<p>{html.escape(graph.in_words())}. Drawn: {share}; test nodes are coloured, the others grey. Errors that lie together "
        f"are neighbourhoods of mixed classes.</p>{_svg(figure)}"
    )


def part_around(graph: Graph, nodes: np.ndarray, most: int) -> np.ndarray:
    """The whole graph where it is small, else nodes that lie together: grown from test nodes, edge by edge."""
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
    """(nodes, 2): places where tied nodes lie near (Fruchterman & Reingold 1991, doi:10.1002/spe.4380211102)."""
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
    figure = _figure(10, 4.2)
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
    return f"<p>Outputs of {len(chosen):,} test nodes, along the two directions in which they differ most.</p>{_svg(figure)}"


def _by_place(graph: Graph, nodes: np.ndarray, right: np.ndarray) -> str:
    """Accuracy by degree, and by the part of a node's neighbours that are of its class."""
    degree = np.diff(graph.edges.indptr)[nodes]
    alike = homophily(graph, nodes)
    figure = _figure(9, 2.8)
    axes = figure.subplots(1, 2)
    _bars(axes[0], degree.astype(float), right, "neighbours", whole=True)
    known = ~np.isnan(alike)
    _bars(axes[1], alike[known], right[known], "part of the neighbours that are of its class", whole=False)
    whole = float(np.nanmean(alike)) if known.any() else float("nan")
    return (
        "<p>Accuracy by a node's number of neighbours and by how many of them are of its class "
        f"({100 * whole:.0f} % in the mean). The number of test nodes stands in each bar; a whisker is a standard error.</p>"
        f"{_svg(figure)}"
    )


def homophily(graph: Graph, nodes: np.ndarray) -> np.ndarray:
    """(nodes,): for each of them the part of its labelled neighbours that are of its class; NaN without any."""
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


@_explain.register
def _explain_nodes(kind: Node, model: nn.Module, encoder: Encoder, examples: Sequence[Node]) -> str:
    weights: Any = next((m.weight for m in model.modules() if type(m).__name__ == "FeatureLinear"), None)
    graph = kind.graph
    if not isinstance(weights, Tensor) or len(graph.feature_names) != weights.shape[0]:
        names: list[str] = []
    else:
        names = list(graph.feature_names)
    # One with enough neighbours to see something, and not too many to list.
    counts = np.diff(graph.edges.indptr)[[example.index for example in examples]]
    shown = examples[int(np.argmin(np.abs(counts - 5)))].index
    matrix = encoder.gather(examples, [0]).inputs["graph"].adjacency
    parts = [
        f"<p>The first convolution looks at a node and those around it. {_weights_in_words(graph, matrix, shown)}</p>"
    ]
    if names:
        assert isinstance(weights, Tensor)
        table = weights.detach().numpy()
        rows = []
        for neuron in np.argsort(-np.abs(table).max(axis=0))[:8].tolist():
            top = np.argsort(-table[:, neuron])[:6].tolist()
            words = " &nbsp; ".join(f"{html.escape(names[at])} <small>{table[at, neuron]:.2f}</small>" for at in top)
            rows.append(f"<tr><td>{neuron}</td><td>{words}</td></tr>")
        parts.append(
            "<p>The features that its neurons answer to most:</p><table class='plain'><tr><th>neuron</th><th>features</th></tr>"
            f"{''.join(rows)}</table>"
        )
    return "".join(parts)


def _weights_in_words(graph: Graph, matrix: SparseMatrix, node: int) -> str:
    first, last = int(matrix.pointers[node]), int(matrix.pointers[node + 1])
    entries = zip(matrix.columns[first:last].tolist(), matrix.values[first:last].tolist(), strict=True)
    listed = ", ".join(f"<code>{html.escape(graph.ids[at])}</code> {value:.2f}" for at, value in list(entries)[:12])
    name = html.escape(graph.ids[node])
    return f"What reaches <code>{name}</code>, and with which weight: {listed or 'nothing'}."


@picture.register
def _(example: User) -> str:
    return f"<code>{html.escape(example.source)}</code>"


@sections.register
def _(task: RankItems, material: Material) -> list[Section]:
    rows = list(material.predictions)
    if not rows:
        return []
    found = [Section("Ranked lists", html_safe(_lists(task, material, rows)))]
    found.append(Section("By popularity", html_safe(_by_popularity(task, material, rows))))
    return found


def _lists(task: RankItems, material: Material, rows: Sequence[Mapping[str, Any]]) -> str:
    """For some users what they had, what they were recommended and what they had afterwards."""
    chosen = np.linspace(0, len(rows) - 1, min(8, len(rows))).astype(int)
    cells = []
    for at in chosen.tolist():
        row = rows[at]
        user: User = material.examples[int(row["index"])]
        wanted = set(row["true_items"])
        had = [str(task.item_ids[item]) for item in user.seen.tolist()]
        best = [
            f"<b>{html.escape(str(item))}</b>" if item in wanted else html.escape(str(item))
            for item in row["items"][:10]
        ]
        cells.append(
            f"<tr><td><code>{html.escape(user.source)}</code></td><td>{_few(had)}</td><td>{', '.join(best)}</td>"
            f"<td>{_few([str(item) for item in row['true_items']])}</td></tr>"
        )
    return (
        "<p>What a user had before, the best ten of what it had not, and what it had afterwards. Hits are bold.</p>"
        "<table class='plain'><tr><th>user</th><th>had</th><th>recommended</th><th>had afterwards</th></tr>"
        f"{''.join(cells)}</table>"
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(html.escape(name) for name in names[:10])
    return shown + (f" … <small>({len(names)} in all)</small>" if len(names) > 10 else "")


def _by_popularity(task: RankItems, material: Material, rows: Sequence[Mapping[str, Any]]) -> str:
    """Recall by how often an item was had in training, and how often items of each kind are recommended."""
    k = task.at[-1]
    known = material.encoder.dims["known"]
    counts = np.bincount(known.items, minlength=len(task.item_ids))
    number = {str(name): index for index, name in enumerate(task.item_ids)}
    order = np.argsort(counts, kind="stable")
    fifth = np.empty(len(counts), int)
    fifth[order] = np.arange(len(counts)) * GROUPS // len(counts)
    hits, wanted, shown = (np.zeros(GROUPS) for _ in range(3))
    for row in rows:
        best = [number[str(item)] for item in row["items"][:k]]
        truth = [number[str(item)] for item in row["true_items"]]
        np.add.at(shown, fifth[best], 1)
        np.add.at(wanted, fifth[truth], 1)
        np.add.at(hits, fifth[[item for item in truth if item in set(best)]], 1)
    figure = _figure(9, 2.8)
    left, right = figure.subplots(1, 2)
    names = []
    for group in range(GROUPS):
        inside = counts[fifth == group]
        names.append(f"{inside.min()} to {inside.max()}" if len(inside) else "")
    places = np.arange(GROUPS)
    left.bar(places, np.divide(hits, wanted, out=np.zeros(GROUPS), where=wanted > 0), color="#7aa6d8")
    left.set_ylabel(f"found among the best {k}")
    right.bar(places - 0.2, wanted / max(wanted.sum(), 1), width=0.4, color="#9cc8a4", label="had afterwards")
    right.bar(places + 0.2, shown / max(shown.sum(), 1), width=0.4, color="#e0a458", label="recommended")
    right.set_ylabel("part of all")
    right.legend(frameon=False, fontsize=8)
    for side in (left, right):
        side.set_xticks(places, names, fontsize=8)
        side.set_xlabel("how often a fifth of the items was had in training")
        side.spines[["top", "right"]].set_visible(False)
    return (
        "<p>Items in five equal groups, from the rarest to the most popular. Left: which part of what was had afterwards is "
        f"found. Right: whether the lists favour what is popular more than users do.</p>{_svg(figure)}"
    )


@_explain.register
def _explain_users(kind: User, model: nn.Module, encoder: Encoder, examples: Sequence[User]) -> str:
    if not isinstance(model, HasVectors):
        return ""
    with torch.no_grad():
        final = model.vectors()[len(kind.catalogue.users) :]
    known = encoder.dims["known"]
    counts = np.bincount(known.items, minlength=len(kind.catalogue.items))
    unit = torch.nn.functional.normalize(final, dim=1)
    rows = []
    for item in np.argsort(-counts)[:: max(1, len(counts) // 12)][:8].tolist():
        near = (unit @ unit[item]).topk(min(6, len(unit)))
        pairs = zip(near.indices.tolist(), near.values.tolist(), strict=True)
        words = " &nbsp; ".join(
            f"{html.escape(str(kind.catalogue.items[at]))} <small>{value:.2f}</small>"
            for at, value in pairs
            if at != item
        )
        rows.append(
            f"<tr><td>{html.escape(str(kind.catalogue.items[item]))}</td><td>{counts[item]}</td><td>{words}</td></tr>"
        )
    return (
        "<p>The first step on the graph gives a user the weighted sum of the vectors of what it had, and an item that of who had "
        "it; the rare weigh more than the popular. Items that the same users had come to lie together. The nearest items of "
        "some, from popular to rare, by the cosine of their vectors:</p>"
        f"<table class='plain'><tr><th>item</th><th>had by</th><th>nearest</th></tr>{''.join(rows)}</table>"
    )


def _colours(count: int) -> list[Any]:
    from matplotlib import colormaps

    table = colormaps["tab10" if count <= 10 else "tab20" if count <= 20 else "gist_ncar"]
    return [table(index if count <= 20 else index / count) for index in range(count)]
