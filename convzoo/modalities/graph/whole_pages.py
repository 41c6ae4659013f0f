"""What the report shows of whole graphs: drawings, which nodes speak for the answer, slices by size, the data."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Slices
from convzoo.core.task import Task
from convzoo.layers.graph import FeatureLinear
from convzoo.modalities.graph.pages import spring_layout
from convzoo.modalities.graph.whole import WholeGraph
from convzoo.modalities.graph.whole_encoder import WholeGraphEncoder
from convzoo.modalities.graph.whole_formats import Structure
from convzoo.report import kit
from convzoo.tasks.classification import Classification
from convzoo.tasks.regression import Regression

DRAWN = 150
"""Graphs of up to so many nodes are drawn whole; of larger ones, the nodes within a few steps of the best connected one."""
EXPLAINED = 60
"""In graphs of up to so many nodes each node is left out once."""
NAMED = 40
"""Graphs of up to so many nodes have the kinds written into their nodes."""
NEURONS = 12
KINDS = 8
WIDTH, HEIGHT = 320.0, 220.0


class WholeGraphPages(Pages):
    """Graphs, drawn, with what each node does to the answer; slices by size and cycles; the first layer's weights."""

    plural = "graphs"

    def picture(self, example: WholeGraph) -> str:
        """The graph, drawn."""
        return drawing(example.read(), example.source)

    def title(self, task: Task, material: Material, count: int) -> str:
        """The classes, and how many graphs."""
        if not isinstance(task, Classification):
            return ""
        names = [str(name) for name in task.labels]
        if len(names) > 4 or any(len(name) > 24 for name in names):
            return f"One of {len(names)} classes, for {kit.count_of(count, self.plural)}"
        asked = " or ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
        return f"{asked[0].upper()}{asked[1:]}? {kit.count_of(count, self.plural)}"

    def legend(self, task: Task, material: Material) -> str:
        """What is drawn, and the rings around nodes."""
        if not len(material.examples):
            return ""
        kinds = _edge_kinds(material.examples)
        marks = [
            (kit.stroke("other", _DASHES[at % len(_DASHES)], 2), kind) for at, kind in enumerate(kinds[: len(_DASHES)])
        ]
        words = "<p>Connected nodes lie close; the letters are the kinds of the nodes.</p>"
        if isinstance(task, Classification | Regression):
            marks += [
                (kit.stroke("plus", width=4), "ringed: the node speaks for the answer; the thicker, the more"),
                (kit.stroke("minus", "5 4", 4), "speaks against it"),
            ]
            words += (
                f"<p>In graphs of up to {EXPLAINED} nodes, each node is left out once with its edges, and the answer computed "
                "again: its ring says how much it counts.</p>"
            )
        return words + kit.key(marks)

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """The graph with what each of its nodes does to the answer."""
        example: WholeGraph = material.examples[int(row["index"])]
        structure = example.read()
        effects = None
        if 2 < structure.count <= EXPLAINED and isinstance(task, Classification | Regression):
            known = isinstance(task, Classification) and row.get("label") in task.labels
            answer = list(task.labels).index(row["label"]) if known else 0  # type: ignore[union-attr]
            effects = effects_of(material.model, material.encoder, structure, answer)
        return drawing(structure, example.source, effects)

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By the number of nodes and the number of cycles."""
        structures = [material.examples[int(row["index"])].read() for row in material.predictions]
        if not structures:
            return []
        sizes = [structure.count for structure in structures]
        cycles = [_cycles(structure) for structure in structures]
        return [
            Slices("number of nodes", "A large graph has more that may matter.", kit.bands(sizes)),
            Slices("cycles", "How many edges more than a tree of the same nodes.", kit.bands(cycles)),
        ]

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[WholeGraph]) -> str:
        """How much each neuron of the first layer takes of each feature of a node."""
        layer = next((module for module in model.modules() if isinstance(module, FeatureLinear)), None)
        if layer is None or not isinstance(encoder, WholeGraphEncoder):
            return ""
        table = layer.weight.detach().numpy()
        names = encoder.feature_names
        columns = np.argsort(-np.abs(table).sum(axis=1), kind="stable")[:16]
        columns.sort()
        order = np.argsort(-np.abs(table).max(axis=0), kind="stable")[:NEURONS].tolist()
        rows = [(f"neuron {neuron}", table[columns, neuron].tolist()) for neuron in order]
        return (
            "<h3>First-layer weights</h3><p>How much each neuron takes of each feature of a node. Blue adds, pink subtracts. "
            f"{len(order)} of {kit.count_of(table.shape[1], 'neurons')}, the strongest.</p>"
            + kit.heat(rows, [kit.short(names[at], 24) for at in columns.tolist()], "Weights of the features")
        )

    def data(self, material: Material) -> str:
        """Sizes of the test graphs, and the kinds of their nodes."""
        structures = [example.read() for example in material.examples]
        if not structures:
            return ""
        edges = [structure.edge_count for structure in structures]
        found = kit.histogram([structure.count for structure in structures], "Nodes of a graph")
        found += kit.histogram(edges, "Edges of a graph") if max(edges) else ""
        counts = Counter(kind for structure in structures for kind in _kinds(structure))
        if len(counts) > 1:
            total = sum(counts.values())
            lines: list[list[kit.Cell]] = [
                [kit.short(kind), f"{count:,}", kit.as_percent(count / total)]
                for kind, count in counts.most_common(KINDS)
            ]
            found += kit.table([kit.Column("kind of node"), kit.Column("nodes", "n"), kit.Column("of all", "n")], lines)
        return found


_DASHES = ("", "6 3", "2 3", "8 2 2 2")


def effects_of(model: nn.Module, encoder: Encoder, structure: Structure, answer: int) -> np.ndarray:
    """(nodes,): how much the answer falls when a node is left out: positive where the node speaks for it.

    Args:
        model: with its best weights, on the CPU
        encoder: fitted
        structure: a graph of three or more nodes
        answer: the number of the output that is looked at
    """
    graphs = [structure, *(without(structure, node) for node in range(structure.count))]
    batch = encoder.encode([WholeGraph(graph) for graph in graphs])
    model.eval()
    with torch.no_grad():
        outputs: Tensor = model(**batch.inputs)
    if outputs.shape[1] > 1:
        outputs = outputs.log_softmax(dim=1)
    values = outputs[:, answer].numpy()
    return values[0] - values[1:]


def without(structure: Structure, node: int) -> Structure:
    """A graph without one of its nodes and that node's edges."""
    kept = np.arange(structure.count) != node
    edges = (structure.sources != node) & (structure.targets != node)
    number = np.cumsum(kept) - 1
    return Structure(
        structure.count - 1, number[structure.sources[edges]], number[structure.targets[edges]],
        {name: values[kept] for name, values in structure.nodes.items()},
        {name: values[edges] for name, values in structure.edges.items()}, structure.directed,
    )  # fmt: skip


def drawing(structure: Structure, name: str, effects: np.ndarray | None = None) -> str:
    """A graph as SVG, connected nodes close.

    Args:
        structure: a graph
        name: of the graph
        effects: (nodes,), drawn as rings
    """
    whole = structure.count
    if structure.count > DRAWN:
        structure = _part(structure)
        effects = None
    rows, columns, which = structure.entries()
    pairs = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (structure.count, structure.count))
    spots = spring_layout(pairs, 120) if structure.count > 1 else np.zeros((1, 2))
    low, high = spots.min(axis=0), spots.max(axis=0)
    spots = (spots - low) / np.maximum(high - low, 1e-9) * np.array([WIDTH - 40, HEIGHT - 40]) + 20
    kinds, of_edges = _kinds(structure), _kinds_of_edges(structure)
    known = sorted(set(of_edges))
    lines = []
    for at, kind in enumerate(known or [""]):
        inside = [(a, b) for a, b, edge in zip(rows.tolist(), columns.tolist(), which.tolist(), strict=True)
                  if (structure.directed or a < b) and (not known or of_edges[edge] == kind)]  # fmt: skip
        path = "".join(f"M{spots[a][0]:.0f} {spots[a][1]:.0f}L{spots[b][0]:.0f} {spots[b][1]:.0f}" for a, b in inside)
        dashes = f' stroke-dasharray="{_DASHES[at % len(_DASHES)]}"' if at % len(_DASHES) else ""
        lines.append(f'<path d="{path}" stroke="var(--other)" stroke-width="1.5"{dashes}/>')
    named = structure.count <= NAMED and any(kinds)
    radius = 9 if named else 4
    largest = float(np.abs(effects).max()) if effects is not None and len(effects) else 0.0
    dots = []
    for at, (x, y) in enumerate(spots.tolist()):
        ring = 'stroke="var(--other)" stroke-width="1"'
        if effects is not None and largest > 0 and abs(effects[at]) > 0.1 * largest:
            colour, dashes = ("plus", "") if effects[at] > 0 else ("minus", ' stroke-dasharray="4 2"')
            ring = f'stroke="var(--{colour})" stroke-width="{1 + 4 * abs(effects[at]) / largest:.1f}"{dashes}'
        dots.append(f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{radius}" fill="var(--page)" {ring}/>')
        if named:
            dots.append(
                f'<text x="{x:.0f}" y="{y + 3.5:.0f}" font-size="10" text-anchor="middle" fill="var(--ink)" stroke="none">'
                f"{kit.text(kinds[at][:2])}</text>"
            )
    part = "" if structure.count == whole else f", {structure.count} of them drawn"
    label = kit.text(f"{name or 'A graph'}: {kit.count_of(whole, 'nodes')}{part}")
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{label}" fill="none" style="background:var(--page)">'
        f"{''.join(lines)}{''.join(dots)}</svg>"
    )


def _part(structure: Structure) -> Structure:
    """The nodes around the best connected one, as many as are drawn."""
    rows, columns, _ = structure.entries()
    pairs = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (structure.count, structure.count))
    start = int(np.argmax(np.diff(pairs.indptr)))
    order = scipy.sparse.csgraph.breadth_first_order(pairs, start, directed=False, return_predecessors=False)[:DRAWN]
    kept = np.zeros(structure.count, bool)
    kept[order] = True
    number = np.cumsum(kept) - 1
    edges = kept[structure.sources] & kept[structure.targets]
    return Structure(
        int(kept.sum()), number[structure.sources[edges]], number[structure.targets[edges]],
        {name: values[kept] for name, values in structure.nodes.items()},
        {name: values[edges] for name, values in structure.edges.items()}, structure.directed,
    )  # fmt: skip


def _kinds(structure: Structure) -> list[str]:
    """The first column of kinds of the nodes; empty text where there is none."""
    column = next((values for values in structure.nodes.values() if values.dtype.kind == "U"), None)
    return [""] * structure.count if column is None else column.tolist()


def _kinds_of_edges(structure: Structure) -> list[str]:
    column = next((values for values in structure.edges.values() if values.dtype.kind == "U"), None)
    return [] if column is None else column.tolist()


def _edge_kinds(examples: Sequence[WholeGraph]) -> list[str]:
    some = range(0, len(examples), max(1, len(examples) // 50))
    return sorted({kind for at in some for kind in _kinds_of_edges(examples[at].read())})


def _cycles(structure: Structure) -> int:
    rows, columns, _ = structure.entries()
    pairs = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (structure.count, structure.count))
    pieces = scipy.sparse.csgraph.connected_components(pairs, directed=False)[0]
    return structure.edge_count - structure.count + int(pieces)
