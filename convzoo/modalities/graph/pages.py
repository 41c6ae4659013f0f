"""What a page shows of the nodes of a graph."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasHops
from convzoo.core.pages import Material, Pages, Section, Slices
from convzoo.core.task import Task
from convzoo.modalities.graph import ego_network as ego
from convzoo.modalities.graph.example import Graph, Node
from convzoo.report import kit
from convzoo.tasks.classification import Classification

DRAWN = 300
"""Largest number of nodes that the map draws; of a larger graph, a part around some test nodes is drawn."""
CLASSES = kit.LARGEST_MATRIX
"""Up to so many classes, a table says which are connected with which."""
HOPS = 6
"""The distance to a labelled node is looked for up to so many steps away."""
FEW = 10
"""Distances with fewer nodes are one slice with those before."""
NAMED = 4
"""Up to so many classes of neighbours are named, or one more."""
NEURONS = 10
FEATURES = 12
"""Up to so many features, all weights of a neuron are shown; of more, the largest."""
ENTRIES = 50_000_000
"""Largest number of products to count what nodes see; in a large graph fewer nodes are counted."""


class NodePages(Pages):
    """Nodes of a graph: each with its neighbours and what their messages do, the map of the errors, slices by its place in the
    graph, how much of the graph an output sees, the weights of the first convolution."""

    plural = "nodes"

    def picture(self, example: Node) -> str:
        """A node's name and the classes of its neighbours."""
        if example.index < 0:
            return f"<p>{kit.code(example.source)}</p>"
        around = ego.neighbours(example.graph.edges, example.index)
        return f"<p>{kit.code(example.source)}: {neighbours_in_words(example.graph, around)}</p>"

    def title(self, task: Task, material: Material, count: int) -> str:
        """The classes, and in which graph."""
        if not isinstance(task, Classification) or not len(material.examples):
            return ""
        where = f"{kit.count_of(count, 'nodes')} of a graph of {len(material.examples[0].graph):,}"
        names = [str(name) for name in task.labels]
        if len(names) > 4 or any(len(name) > 24 for name in names):
            return f"One of {len(names)} classes, for {where}"
        asked = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        return f"{asked[0].upper()}{asked[1:]}? {where[0].upper()}{where[1:]}"

    def legend(self, task: Task, material: Material) -> str:
        """The marks of nodes, and the lines of messages."""
        if not isinstance(task, Classification):
            return ""
        marks = [
            (ego.in_key(ego.SAME), "has the true class of the node in the middle"),
            (ego.in_key(ego.SAID), "has the class that was said instead"),
            (ego.in_key(ego.OTHER), "another class"),
            (ego.in_key(ego.UNKNOWN), "no label"),
            (ego.in_key(ego.SAME, lit=True), "ringed: its label was learnt from"),
        ]
        words = (
            f"<p>A node in the middle, its neighbours around it, and nodes two steps away: at most {ego.MOST}, the others are "
            "counted. A disc in a square is a mistake: what is true inside what was said.</p>"
        )
        if isinstance(material.model, HasHops):
            marks += [
                (kit.stroke("plus", width=4), "what it sends speaks for the answer; the thicker, the more"),
                (kit.stroke("minus", "5 4", 4), "speaks against it"),
            ]
            words += (
                "<p>Each neighbour is left out once, and the answer computed again: the line says how much it counts. The same "
                "is done with each of the node's own features, below the picture: blue speaks for the answer, pink against, "
                "and the deepest shade is the strongest of them; the three strongest are underlined, with dots if against.</p>"
            )
        return words + kit.key(marks)

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """A node with its neighbours, two steps at most, and what their messages do to the answer."""
        example: Node = material.examples[int(row["index"])]
        if example.index < 0:
            return f'<div class="ego">{self.picture(example)}</div>'
        graph = example.graph
        around = ego.ego_network(graph.edges, example.index)
        if not isinstance(task, Classification):
            return f'<div class="ego">{_plain(material.encoder, graph, around)}{_counted(graph, around)}</div>'
        said, true = row.get("label"), row.get("true_label")

        def kind(node: int) -> str:
            label = graph.labels[node]
            if label is None:
                return ego.UNKNOWN
            return ego.SAME if label == true else ego.SAID if label == said else ego.OTHER

        near, far = [kind(node) for node in around.near], [kind(node) for node in around.far]
        effects = None
        if said in task.labels:
            whole = material.encoder.gather(material.examples, [int(row["index"])]).inputs["graph"]
            effects = ego.effects_of(
                material.model, whole, example.index, around.near, list(task.labels).index(said), task.temperature
            )
        centre = ego.UNKNOWN if not true else ego.SAME if said == true else ego.SAID
        counts = Counter(near)
        label = (
            f"Node {example.source} with {kit.count_of(len(near), 'neighbours')}: {counts[ego.SAME]} of its true class, "
            f"{counts[ego.SAID]} of the class that was said instead, {counts[ego.OTHER]} of others"
        )
        drawn = ego.drawing(
            graph.edges, around, near, far, centre, _learnt(material.encoder, graph, around), label,
            None if effects is None else effects.messages.tolist(),
        )  # fmt: skip
        more = f"<p>{_strongest(graph, around, effects.messages, str(said))}</p>" if effects is not None else ""
        more += _own_features(graph, effects.features) if effects is not None else ""
        return f'<div class="ego">{drawn}{_counted(graph, around)}{more}</div>'

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By the number of neighbours, the distance to a labelled node, and the share of neighbours of the same class."""
        rows = [row for row in material.predictions if material.examples[int(row["index"])].index >= 0]
        if not rows or len(rows) < len(material.predictions):
            return []
        graph, nodes = material.examples[0].graph, _numbers(material, rows)
        degrees = np.diff(graph.edges.indptr)[nodes]
        found = [
            Slices("number of neighbours", "A node with few neighbours hears little.", kit.bands(degrees.tolist()))
        ]
        learnt = _of_this_graph(material.encoder, graph)
        if learnt is not None:
            away = distances(graph.edges, learnt, HOPS)[nodes]
            found.append(
                Slices(
                    "distance to a labelled node",
                    "How many steps along the edges lie between a node and the nearest whose label was learnt from.",
                    _by_distance(away),
                )
            )
        if isinstance(task, Classification):
            found.append(
                Slices("share of neighbours of the same class", _alike_in_words(graph, nodes), _alike(graph, nodes))
            )
        return found

    def sections(self, task: Task, material: Material) -> list[Section]:
        """For a classification: the map of the graph with its errors."""
        if not isinstance(task, Classification):
            return []
        rows = [row for row in material.predictions if row.get("true_label") and row.get("label")]
        rows = [row for row in rows if material.examples[int(row["index"])].index >= 0]
        if not rows:
            return []
        graph, nodes = material.examples[0].graph, _numbers(material, rows)
        right = np.array([row["label"] == row["true_label"] for row in rows])
        return [Section("Where in the graph it errs", _map(graph, nodes, right))]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """How many nodes an output depends on after each step, and one test node with what it sees first."""
        if not isinstance(material.model, HasHops) or not len(material.examples):
            return ""
        graph: Graph = material.examples[0].graph
        every = np.array([example.index for example in some_of(material.examples, 200) if example.index >= 0])
        if not len(every):
            return ""
        hops = material.model.hops
        nodes = every[: max(1, min(len(every), ENTRIES // max(graph.edges.nnz * max(hops, 1), 1)))]
        counts = seen_within(graph.edges, nodes, hops)  # (hops + 1, nodes)
        lines: list[list[kit.Cell]] = []
        # Few lines tell it: the first steps, the middle, the last.
        for step in sorted({*range(min(4, hops + 1)), hops // 2, hops}):
            shares = counts[step] / len(graph)
            low, middle, high = np.quantile(shares, [0.05, 0.5, 0.95])
            lines.append(
                [
                    kit.count_of(step, "steps") if step else "itself",
                    f"{round(float(np.median(counts[step]))):,}",
                    kit.as_percent(float(middle), 1 if middle >= 0.001 else 3),
                    kit.Track(float(middle), float(low), float(high)),
                ]
            )
        columns = [
            kit.Column("along the edges"), kit.Column("nodes seen", "n"), kit.Column("of the graph", "n"),
            kit.Column("", "w40"),
        ]  # fmt: skip
        caption = (
            f"<b>What an output sees.</b> The median of {len(nodes):,} test nodes; the bar holds 90 of 100 of them. The network "
            f"looks {kit.count_of(hops, 'steps')} far."
        )
        middle_node = int(nodes[np.argsort(counts[-1], kind="stable")[len(nodes) // 2]])
        around = ego.ego_network(graph.edges, middle_node)
        seen = int(counts[-1][np.flatnonzero(nodes == middle_node)[0]])
        picture = (
            f'<div class="ego">{_plain(material.encoder, graph, around)}<p>{kit.code(graph.ids[middle_node])}, a test node that '
            f"sees as much as most: {kit.count_of(seen, 'nodes')} in {kit.count_of(hops, 'steps')}.</p>"
            f"{_counted(graph, around)}</div>"
        )
        return kit.columns([kit.table(columns, lines, caption), picture])

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Node]) -> str:
        """The features to which the neurons of the first layer respond, and the weights of a node's neighbours."""
        inside = [example for example in examples if example.index >= 0]
        tables: list[Any] = [module.weight for module in model.modules() if type(module).__name__ == "FeatureLinear"]
        if not tables or not inside:
            return ""
        graph = inside[0].graph
        # One with enough neighbours to see something, and not too many to list.
        counts = np.diff(graph.edges.indptr)[[example.index for example in inside]]
        shown = inside[int(np.argmin(np.abs(counts - 5)))].index
        matrix = ego.as_scipy(encoder.gather(inside, [0]).inputs["graph"].adjacency)
        parts = []
        first = tables[0]
        if isinstance(first, Tensor) and len(graph.feature_names) == first.shape[0]:
            targets: Any = getattr(encoder, "targets", None)
            classes = list(targets.labels.names) if targets is not None and targets.label_type == "class" else []
            last = tables[1].detach().numpy() if len(tables) == 2 and tables[1].shape[1] == len(classes) else None
            parts.append(_neurons(first.detach().numpy(), list(graph.feature_names), last, classes))
        return "".join(parts) + _message_weights(graph, matrix, shown)

    def data(self, material: Material) -> str:
        """Edges, features and labels; how many neighbours nodes have; which classes are connected."""
        if not len(material.examples):
            return ""
        graph: Graph = material.examples[0].graph
        degrees = np.diff(graph.edges.indptr)
        width = graph.features.shape[1]
        filled = graph.features.nnz if scipy.sparse.issparse(graph.features) else np.count_nonzero(graph.features)
        known = sum(label is not None for label in graph.labels)
        facts = [
            ("graph", kit.text(graph.in_words())),
            ("features", f"{width:,} a node, {filled / len(graph):,.1f} of them not 0" if width else "none"),
            ("labels", f"{known:,} of {len(graph):,} nodes have one"),
        ]
        parts = [kit.long_tailed("Neighbours of a node", "nodes", degrees)]
        connected = _connected(graph)
        # A table of many classes needs the whole width.
        return kit.pairs(facts) + (
            kit.columns([*parts, connected]) if connected.count("<tr>") <= 5 else parts[0] + connected
        )


def some_of(examples: Sequence[Any], most: int) -> list[Any]:
    """At most so many examples, evenly from all of them."""
    return [
        examples[at]
        for at in np.unique(np.linspace(0, len(examples) - 1, min(len(examples), most)).astype(int)).tolist()
    ]


def _numbers(material: Material, rows: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(rows,): the numbers of the rows' nodes in their graph."""
    return np.array([material.examples[int(row["index"])].index for row in rows], np.int64)


def _of_this_graph(encoder: Encoder, graph: Graph) -> np.ndarray | None:
    """The nodes whose labels were learnt from, if this graph was trained on."""
    learnt, own = getattr(encoder, "learnt", None), getattr(encoder, "graph", None)
    if learnt is None or own is None or not len(learnt):
        return None
    return learnt if own is graph or list(own.ids) == list(graph.ids) else None


def _learnt(encoder: Encoder, graph: Graph, around: ego.EgoNetwork) -> list[bool]:
    """Of the nodes that are drawn around one, whether their labels were learnt from."""
    learnt = _of_this_graph(encoder, graph)
    known = set() if learnt is None else set(learnt.tolist())
    return [node in known for node in (*around.near, *around.far)]


def _plain(encoder: Encoder, graph: Graph, around: ego.EgoNetwork) -> str:
    """The drawing of an ego network without classes."""
    near, far = [ego.OTHER] * len(around.near), [ego.OTHER] * len(around.far)
    label = f"Node {graph.ids[around.node]} with {kit.count_of(around.near_count, 'neighbours')}"
    return ego.drawing(graph.edges, around, near, far, ego.SAME, _learnt(encoder, graph, around), label)


def neighbours_in_words(graph: Graph, around: Sequence[int] | np.ndarray) -> str:
    """HTML: `5 neighbours: 3 × community 2, 2 × community 4`; of numbers their mean."""
    count = kit.count_of(len(around), "neighbours") if len(around) else "no neighbour"
    labels = [graph.labels[int(node)] for node in around]
    numbers = [float(label) for label in labels if isinstance(label, int | float)]
    if numbers:
        return f"{count}; the mean of {len(numbers):,} known numbers is {kit.as_number(float(np.mean(numbers)))}"
    names = Counter(
        ", ".join(map(str, label)) if isinstance(label, tuple | list) else str(label)
        for label in labels
        if label is not None
    )
    most = names.most_common(NAMED if len(names) > NAMED + 1 else NAMED + 1)
    listed = [f"{number:,} × {kit.text(name)}" for name, number in most]
    rest, bare = names.total() - sum(number for _, number in most), len(labels) - names.total()
    listed += [f"{rest:,} of {len(names) - len(most)} other classes"] if rest else []
    listed += [f"{bare:,} without a label"] if bare else []
    return count + (f": {', '.join(listed)}" if listed else "")


def _counted(graph: Graph, around: ego.EgoNetwork) -> str:
    """What the neighbours are, and how many nodes are not drawn."""
    words = neighbours_in_words(graph, ego.neighbours(graph.edges, around.node)) + "."
    if around.near_count > len(around.near):
        words += f" Drawn: {len(around.near)} of them, those with the heaviest edges."
    if around.far_count > len(around.far):
        words += f" Two steps away: {kit.count_of(around.far_count, 'nodes')}, {len(around.far):,} of them drawn."
    return f"<p>{words[0].upper()}{words[1:]}</p>" if around.near_count else "<p>No neighbour.</p>"


def _own_features(graph: Graph, effects: Mapping[int, float]) -> str:
    """The node's own features, shaded by what they do to the answer."""
    if not effects or len(graph.feature_names) <= max(effects):
        return ""
    top = max(max(abs(value) for value in effects.values()), 0.05)
    words = [(kit.short(graph.feature_names[column]), value / top) for column, value in effects.items()]
    return kit.shaded_words(words)


def _strongest(graph: Graph, around: ego.EgoNetwork, effects: np.ndarray, said: str) -> str:
    """What the strongest message does."""
    if not len(effects):
        return "It hears nothing: the answer comes from its own features."
    if float(np.abs(effects).max()) < 0.005:
        return (
            "No single neighbour changes the answer by half a point: it hears the same from many, or looks at itself."
        )
    at = int(np.argmax(np.abs(effects)))
    points = 100 * abs(float(effects[at]))
    direction = "less" if effects[at] > 0 else "more"
    return f"Without {kit.code(graph.ids[around.near[at]])} it would be {points:.0f} points {direction} sure of {kit.text(said)}."


def distances(edges: Any, sources: np.ndarray, most: int) -> np.ndarray:
    """(nodes,): how many steps messages need from the nearest of some nodes; `most` + 1 where they need more, or never come.

    Args:
        edges: CSR (nodes, nodes), in row i the nodes that send messages to i
        sources: numbers of the nodes to start from
        most: number of steps
    """
    found = np.full(edges.shape[0], most + 1)
    found[sources] = 0
    reached = np.zeros(edges.shape[0], bool)
    reached[sources] = True
    pattern = scipy.sparse.csr_matrix((np.ones(edges.nnz, np.float32), edges.indices, edges.indptr), edges.shape)
    for step in range(1, most + 1):
        new = (pattern @ reached.astype(np.float32) > 0) & ~reached
        if not new.any():
            break
        found[new] = step
        reached |= new
    return found


def seen_within(edges: Any, nodes: np.ndarray, hops: int) -> np.ndarray:
    """(hops + 1, nodes): how many nodes are at most 0, 1, … steps away from each, with the node itself.

    Args:
        edges: CSR (nodes, nodes), in row i the nodes that send messages to i
        nodes: numbers of nodes
        hops: number of steps
    """
    pattern = scipy.sparse.csr_matrix(
        (np.ones(edges.nnz, np.float32), edges.indices, edges.indptr), edges.shape
    ).T.tocsr()
    reached = np.zeros((edges.shape[0], len(nodes)), np.float32)
    reached[nodes, np.arange(len(nodes))] = 1
    counts = [np.ones(len(nodes), np.int64)]
    for _ in range(hops):
        reached = np.minimum(reached + pattern @ reached, 1)
        counts.append(reached.sum(axis=0, dtype=np.float64).astype(np.int64))
    return np.stack(counts)


def _by_distance(away: np.ndarray) -> dict[str, list[int]]:
    """The positions of nodes by their distance, `HOPS` + 1 for none; steps with few nodes are one group with those before."""
    groups: list[tuple[int, int, list[int]]] = []
    for step in np.unique(away[away <= HOPS]).tolist():
        inside = np.flatnonzero(away == step).tolist()
        if groups and len(inside) < FEW:
            first, _, before = groups.pop()
            groups.append((first, step, before + inside))
        else:
            groups.append((step, step, inside))
    named = {
        kit.count_of(last, "steps") if first == last else f"{first} to {last} steps": places
        for first, last, places in groups
    }
    beyond = np.flatnonzero(away > HOPS).tolist()
    return named | ({f"more than {HOPS} steps, or no way": beyond} if beyond else {})


def homophily(graph: Graph, nodes: np.ndarray) -> np.ndarray:
    """(nodes,): for each node the fraction of its labelled neighbours with the same class; NaN without labelled neighbours."""
    classes = _class_numbers(graph)[0]
    found = np.full(len(nodes), np.nan)
    for row, node in enumerate(nodes.tolist()):
        around = classes[ego.neighbours(graph.edges, node)]
        around = around[around >= 0]
        if len(around):
            found[row] = (around == classes[node]).mean()
    return found


def _class_numbers(graph: Graph) -> tuple[np.ndarray, list[str]]:
    """(nodes,): a number for each class, -1 without a label; and the names by number, in their order."""
    names = sorted({str(name) for name in graph.labels if name is not None})
    number = {name: at for at, name in enumerate(names)}
    return np.array([-1 if name is None else number[str(name)] for name in graph.labels]), names


def _alike(graph: Graph, nodes: np.ndarray) -> dict[str, list[int]]:
    """The positions of nodes by the share of their neighbours that are of their class."""
    share = homophily(graph, nodes)
    groups: dict[str, list[int]] = {}
    bounds = (
        (0.0, 0.0, "none"),
        (0.0, 0.25, "some, up to a quarter"),
        (0.25, 0.5, "up to a half"),
        (0.5, 0.75, "up to three quarters"),
        (0.75, 0.999, "more than three quarters"),
        (0.999, 1.0, "all"),
    )
    for low, high, name in bounds:
        inside = (share == 0) if high == 0 else (share > low) & (share <= high)
        groups[name] = np.flatnonzero(inside).tolist()
    groups["no neighbour has a label"] = np.flatnonzero(np.isnan(share)).tolist()
    return {name: places for name, places in groups.items() if places}


def _alike_in_words(graph: Graph, nodes: np.ndarray) -> str:
    share = homophily(graph, nodes)
    known = share[~np.isnan(share)]
    mean = f" On average {kit.as_percent(float(known.mean()), 0)} of them are." if len(known) else ""
    return f"How many of a node's labelled neighbours are of its own class.{mean}"


def _map(graph: Graph, nodes: np.ndarray, right: np.ndarray) -> str:
    """A part of the graph: test nodes, right and wrong, among the others."""
    chosen = part_around(graph, nodes, DRAWN)
    place = {int(node): number for number, node in enumerate(chosen)}
    part = graph.edges[chosen][:, chosen]
    spots = spring_layout(part)
    low, high = spots.min(axis=0), spots.max(axis=0)
    spots = (spots - low) / np.maximum(high - low, 1e-9) * np.array([780.0, 460.0]) + 10
    entries = scipy.sparse.triu(part + part.T, k=1).tocoo()
    lines = "".join(
        f"M{spots[a][0]:.0f} {spots[a][1]:.0f}L{spots[b][0]:.0f} {spots[b][1]:.0f}"
        for a, b in zip(entries.row.tolist(), entries.col.tolist(), strict=True)
    )
    good = {place[int(node)]: bool(hit) for node, hit in zip(nodes, right, strict=True) if int(node) in place}
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for at, (x, y) in enumerate(spots) if at not in good)
    hits = "".join(
        f'<circle cx="{spots[at][0]:.0f}" cy="{spots[at][1]:.0f}" r="5"/>' for at, hit in good.items() if hit
    )
    wrong = "".join(
        f'<rect x="{spots[at][0] - 5.5:.0f}" y="{spots[at][1] - 5.5:.0f}" width="11" height="11"/>'
        for at, hit in good.items()
        if not hit
    )
    count = sum(not hit for hit in good.values())
    drawn = (
        "the whole graph"
        if len(chosen) == len(graph)
        else f"{len(chosen):,} of {len(graph):,} nodes, a part that lies together"
    )
    label = f"A map of {len(chosen):,} nodes: {len(good):,} test nodes, {count:,} of them wrong"
    errors = _errors_together(graph, nodes, right)
    picture = (
        f'<svg viewBox="0 0 800 480" role="img" aria-label="{label}" fill="none" style="max-height:40rem">'
        f'<path d="{lines}" stroke="var(--other)" opacity=".35"/><path d="{dots}" stroke="var(--other)" stroke-width="5" '
        f'stroke-linecap="round" opacity=".7"/><g fill="var(--net)" stroke="var(--page)">{hits}</g>'
        f'<g fill="var(--wrong)" stroke="var(--page)">{wrong}</g></svg>'
    )
    marks = {
        "test node, right": '<circle cx="7" cy="7" r="5" fill="var(--net)"/>',
        "test node, wrong": '<rect x="1" y="1" width="12" height="12" fill="var(--wrong)"/>',
        "other nodes": '<circle cx="7" cy="7" r="3" fill="var(--other)"/>',
    }
    key = kit.key(
        [(f'<svg width="14" height="14" aria-hidden="true">{mark}</svg>', name) for name, mark in marks.items()]
    )
    return f"<p>Drawn: {drawn}; connected nodes lie close. {errors}</p>{picture}{key}"


def _errors_together(graph: Graph, nodes: np.ndarray, right: np.ndarray) -> str:
    """Whether errors lie together: how often a test neighbour of a wrong node is wrong, against any test node."""
    wrong = np.zeros(len(graph), bool)
    tested = np.zeros(len(graph), bool)
    tested[nodes] = True
    wrong[nodes[~right]] = True
    seen = hits = 0
    for node in nodes[~right].tolist():
        around = ego.neighbours(graph.edges, node)
        around = around[tested[around]]
        seen, hits = seen + len(around), hits + int(wrong[around].sum())
    if not seen:
        return ""
    return (
        f"Of the test neighbours of a wrong node, {kit.as_percent(hits / seen, 0)} are wrong, of all test nodes "
        f"{kit.as_percent(float((~right).mean()), 0)}."
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
        for neighbour in ego.neighbours(graph.edges, node)[:8].tolist():
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


def _neurons(table: np.ndarray, names: list[str], last: np.ndarray | None, classes: list[str]) -> str:
    """The features to which the neurons of the first layer respond most.

    Args:
        table: (features, neurons)
        names: of the features
        last: (neurons, classes), the weights of the last layer if it comes next
        classes: their names
    """
    strength = np.abs(table).max(axis=0) * (np.abs(last).max(axis=1) if last is not None else 1.0)
    order = np.argsort(-strength, kind="stable")[:NEURONS].tolist()
    about = f"{len(order)} of {kit.count_of(table.shape[1], 'neurons')}, the strongest."
    if len(names) <= FEATURES:
        rows = [(f"neuron {neuron}", table[:, neuron].tolist()) for neuron in order]
        return (
            f"<h3>First-layer weights</h3><p>How much each neuron takes of each feature. Blue adds, pink subtracts. {about}</p>"
            f"{kit.heat(rows, names, 'Weights of the features')}"
        )
    lines: list[list[kit.Cell]] = []
    for neuron in order:
        top = np.argsort(-table[:, neuron], kind="stable")[:5].tolist()
        named = ", ".join(kit.short(names[at], 40) for at in top)
        line: list[kit.Cell] = [f"neuron {neuron}", named, kit.as_number(float(table[top[0], neuron]))]
        if last is not None:
            line.append(classes[int(np.argmax(last[neuron]))])
        lines.append(line)
    columns = [
        kit.Column("neuron"),
        kit.Column("features it responds to, the strongest first"),
        kit.Column("largest weight", "n"),
    ]
    columns += [kit.Column("speaks for")] if last is not None else []
    return f"<h3>What the first layer looks for</h3><p>{about}</p>{kit.table(columns, lines)}"


def _message_weights(graph: Graph, matrix: Any, node: int) -> str:
    """What a node sums up: the weight of each neighbour's message."""
    first, last = int(matrix.indptr[node]), int(matrix.indptr[node + 1])
    entries = sorted(
        zip(matrix.indices[first:last].tolist(), matrix.data[first:last].tolist(), strict=True),
        key=lambda entry: -abs(entry[1]),
    )
    degrees = np.diff(graph.edges.indptr)
    lines: list[list[kit.Cell]] = [
        [f"{kit.short(graph.ids[at])}{' (itself)' if at == node else ''}", f"{degrees[at]:,}", kit.as_number(value)]
        for at, value in entries[:8]
    ]
    if not lines:
        return ""
    rest = f" {len(entries) - 8:,} lighter ones are not listed." if len(entries) > 8 else ""
    columns = [kit.Column("message from"), kit.Column("its neighbours", "n"), kit.Column("weight", "n")]
    return (
        f"<h3>How messages are weighed</h3><p>The first convolution sees a node and its neighbours. What "
        f"{kit.code(graph.ids[node])} sums up, with the weights of the matrix.{rest}</p>{kit.table(columns, lines)}"
    )


def _connected(graph: Graph) -> str:
    """Of the neighbours of each class, how many are of each other; empty where labels are no classes, or too many."""
    if any(label is not None and not isinstance(label, str) for label in graph.labels):
        return ""
    classes, names = _class_numbers(graph)
    if not 2 <= len(names) <= CLASSES:
        return ""
    rows = np.repeat(classes, np.diff(graph.edges.indptr))
    others = classes[graph.edges.indices]
    both = (rows >= 0) & (others >= 0)
    if not both.any():
        return ""
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, (rows[both], others[both]), 1)
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    inside = float(np.trace(counts) / counts.sum())
    drawn = kit.heat(
        [(kit.short(name, 20), np.round(shares[at]).tolist()) for at, name in enumerate(names)],
        [kit.short(name, 20) for name in names],
        "Which classes are connected",
    )
    return (
        "<h3>Which classes are connected</h3><p>Of the neighbours of a class (row), how many of 100 are of each class (column). "
        f"{kit.as_percent(inside, 0)} of the edges between labelled nodes stay inside a class.</p>{drawn}"
    )
