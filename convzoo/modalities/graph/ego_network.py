"""A node's ego network: the nodes around it, what they and its own features do to its answer, and a drawing of both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor, nn

from convzoo.core.model import HasHops
from convzoo.ops.sparse import GraphTensors, SparseMatrix
from convzoo.report.kit import text

MOST = 25
"""Number of nodes that are drawn around a node; the others are counted."""
OWN = 40
"""Up to so many features of its own, each is left out once."""
ENTRIES = 300_000
"""Largest number of entries of the matrices that are multiplied to find what the messages to one node do."""
WIDTH, HEIGHT = 340, 250
"""Of the drawing, in its own units."""

SAME, SAID, OTHER, UNKNOWN = "same", "said", "other", "unknown"
"""What a node around another one is: of its class, of the class that was said instead, of another class, without a label."""
ORDER = (SAME, SAID, OTHER, UNKNOWN)


@dataclass(frozen=True)
class EgoNetwork:
    """What is drawn around a node.

    Attributes:
        node: its number
        near: numbers of the neighbours that are drawn: those that send it messages
        far: numbers of the nodes that are drawn two steps away
        parents: for each of `far`, the position in `near` of the neighbour that it is drawn at
        near_count: of all neighbours
        far_count: of all nodes that are two steps away
    """

    node: int
    near: Sequence[int]
    far: Sequence[int]
    parents: Sequence[int]
    near_count: int
    far_count: int


def neighbours(edges: Any, node: int) -> np.ndarray:
    """The numbers of the nodes that send messages to a node."""
    return edges.indices[edges.indptr[node] : edges.indptr[node + 1]]


def ego_network(edges: Any, node: int, most: int = MOST) -> EgoNetwork:
    """The neighbours of a node, and nodes two steps away where there is room.

    Args:
        edges: CSR (nodes, nodes), in row i the nodes that send messages to i
        node: its number
        most: number of nodes that are drawn; of more neighbours those with the heaviest edges
    """
    row = neighbours(edges, node)
    weights = edges.data[edges.indptr[node] : edges.indptr[node + 1]]
    every = row[row != node]
    order = np.argsort(-weights[row != node], kind="stable")
    near = [int(other) for other in every[np.sort(order[:most])]]
    beyond = np.setdiff1d(edges[every].indices, [node, *every])
    rows = [neighbours(edges, step) for step in near]
    queues = [[int(other) for other in row[np.isin(row, beyond)]] for row in rows]
    far: dict[int, int] = {}
    # In turn, so that each neighbour gets some of the room.
    while len(near) + len(far) < most and any(queues):
        for place, queue in enumerate(queues):
            while queue and queue[0] in far:
                queue.pop(0)
            if queue and len(near) + len(far) < most:
                far[queue.pop(0)] = place
    return EgoNetwork(node, near, list(far), list(far.values()), len(every), len(beyond))


@dataclass(frozen=True)
class Effects:
    """By how much the answer is surer with each of these than without it.

    Attributes:
        messages: (neighbours,), what each neighbour sends, as a difference of probabilities
        features: by column, the node's own features, as a difference of log-odds, which also tells where an answer is nearly
            certain; empty where it has more than `OWN`, or none
    """

    messages: np.ndarray
    features: dict[int, float]


def effects_of(
    model: nn.Module, whole: GraphTensors, node: int, senders: Sequence[int], said: int, temperature: float = 1.0
) -> Effects | None:
    """What the messages to a node and its own features do to an answer.

    Each is left out once. A neighbour: the entry of the matrix from it to this node, at all steps. A feature: set to 0 in the
    node's row, after the encoder's scaling. The result is exact, because all nodes that the output depends on are computed.

    Args:
        model: with its best weights, on the CPU
        whole: the graph as the encoder gives it
        node: its number
        senders: numbers of its neighbours
        said: the class
        temperature: that logits are divided by

    Returns:
        None where the model does not know its hops, or too many nodes would have to be computed.
    """
    if not isinstance(model, HasHops) or not isinstance(whole.adjacency, SparseMatrix):
        return None
    matrix = as_scipy(whole.adjacency)
    row = _row_of(whole.features, node)
    own = np.flatnonzero(row).tolist()
    own = own if len(own) <= OWN else []
    copies = 1 + len(senders) + len(own)
    inside = within(matrix, node, model.hops, ENTRIES // copies)
    if inside is None or len(inside) * len(row) * copies > 100 * ENTRIES:
        return None
    part = matrix[inside][:, inside].tocoo()
    size = len(inside)
    place = {int(number): at for at, number in enumerate(inside)}
    here = place[node]
    rows, columns, values = [], [], []
    for copy in range(copies):
        kept = np.ones(part.nnz, bool)
        if 0 < copy <= len(senders) and senders[copy - 1] in place:
            kept = ~((part.row == here) & (part.col == place[senders[copy - 1]]))
        rows.append(part.row[kept] + copy * size)
        columns.append(part.col[kept] + copy * size)
        values.append(part.data[kept])
    joined = scipy.sparse.csr_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), (copies * size, copies * size)
    )
    joined.sort_indices()
    left_out = [(copy * size + here, column) for copy, column in enumerate(own, 1 + len(senders))]
    graph = GraphTensors(_repeated(whole.features, inside, copies, left_out), SparseMatrix.of(joined, gradient=False))
    with torch.no_grad():
        logits = model(graph=graph, nodes=torch.arange(copies) * size + here)
    if logits.ndim != 2 or said >= logits.shape[1]:
        return None
    chances = (logits.double() / temperature).softmax(dim=1)[:, said]
    odds = chances.clamp(1e-12, 1 - 1e-12).logit()
    last = 1 + len(senders)
    features = (odds[0] - odds[last:]).tolist()
    return Effects((chances[0] - chances[1:last]).numpy(), dict(zip(own, features, strict=True)))


def as_scipy(matrix: SparseMatrix) -> Any:
    """The same as a SciPy CSR matrix, without a copy of the values."""
    parts = (matrix.values.numpy(), matrix.columns.numpy(), matrix.pointers.numpy())
    return scipy.sparse.csr_matrix(parts, matrix.shape)


def within(matrix: Any, node: int, hops: int, most: int) -> np.ndarray | None:
    """The nodes that are at most `hops` steps away, sorted; None if their rows have more than `most` entries."""
    found = np.array([node])
    for _ in range(hops):
        if np.diff(matrix.indptr)[found].sum() > most:
            return None
        more = np.union1d(found, matrix[found].indices)
        if len(more) == len(found):
            break
        found = more
    return found if np.diff(matrix.indptr)[found].sum() <= most else None


def _row_of(features: Tensor | SparseMatrix, node: int) -> np.ndarray:
    """(features,): those of one node, as the model gets them."""
    if isinstance(features, SparseMatrix):
        return as_scipy(features)[node].toarray().ravel()
    return features[node].numpy()


def _repeated(
    features: Tensor | SparseMatrix, nodes: np.ndarray, times: int, left_out: Sequence[tuple[int, int]]
) -> Tensor | SparseMatrix:
    """The features of some nodes, so many times below each other, with 0 at some places."""
    if isinstance(features, SparseMatrix):
        part = as_scipy(features)[nodes]
        stacked = scipy.sparse.vstack([part] * times, format="csr")
        for row, column in left_out:
            first, last = stacked.indptr[row], stacked.indptr[row + 1]
            stacked.data[first:last][stacked.indices[first:last] == column] = 0
        return SparseMatrix.of(stacked, gradient=False)
    found = features[torch.from_numpy(nodes)].repeat(times, 1)
    for row, column in left_out:
        found[row, column] = 0
    return found


def drawing(
    edges: Any,
    ego: EgoNetwork,
    near: Sequence[str],
    far: Sequence[str],
    centre: str,
    learnt: Sequence[bool],
    label: str,
    effects: Sequence[float] | None = None,
) -> str:
    """An ego network as an SVG.

    Args:
        edges: CSR (nodes, nodes)
        ego: what is drawn
        near: what each neighbour is: same, said, other or unknown
        far: the same of the nodes two steps away
        centre: what the answer of the node in the middle is: same (right), said (wrong) or unknown
        learnt: of the neighbours and then of the others, whether their labels were learnt from
        label: what is drawn, for those who cannot see it
        effects: of the neighbours' messages, from -1 to 1; None draws plain lines
    """
    spots, outer = _places(ego, near)
    middle = (WIDTH / 2, HEIGHT / 2)
    thin = [(spots[parent], spot) for parent, spot in zip(ego.parents, outer, strict=True)]
    position = {number: at for at, number in enumerate(ego.near)}
    for at, number in enumerate(ego.near):
        thin += [
            (spots[at], spots[position[other]])
            for other in neighbours(edges, number).tolist()
            if other in position and (number < other or number not in neighbours(edges, other))
        ]
    path = "".join(f"M{_xy(start)}L{_xy(end)}" for start, end in thin)
    parts = [f'<path d="{path}" stroke="var(--other)" opacity=".45"/>' if path else ""]
    for at, spot in enumerate(spots):
        effect = effects[at] if effects is not None else None
        if effect is None or abs(effect) < 0.005:
            look = 'stroke="var(--other)" stroke-width="1.2"'
        else:
            dashes = "" if effect > 0 else ' stroke-dasharray="5 4"'
            colour = "plus" if effect > 0 else "minus"
            look = f'stroke="var(--{colour})" stroke-width="{1.5 + 9 * min(abs(effect), 0.5):.1f}"{dashes}'
        parts.append(f'<path d="M{_xy(spot)}L{_xy(middle)}" {look}/>')
    for spots_, kinds, size in ((outer, far, 0.62), (spots, near, 1.0)):
        seen = learnt[len(spots) :] if spots_ is outer else learnt[: len(spots)]
        for spot, kind, lit in zip(spots_, kinds, seen, strict=True):
            ring = f'<circle cx="{spot[0]:.1f}" cy="{spot[1]:.1f}" r="{11 * size:.1f}" stroke="var(--ink)" stroke-width="1.6"/>'
            parts.append((ring if lit else "") + sign(kind, spot, size))
    parts.append(sign(SAID if centre == SAID else centre, middle, 2.1))
    if centre == SAID:
        parts.append(sign(SAME, middle, 1.25, edge="var(--page)"))
    # What stands nowhere near the edge needs no room there.
    heights = [y for _, y in (*spots, *outer)]
    top = max(min([*heights, HEIGHT / 2 - 16]) - 15, 0)
    height = min(max([*heights, HEIGHT / 2 + 16]) + 15, HEIGHT) - top
    frame = f'viewBox="0 {top:.0f} {WIDTH} {height:.0f}" fill="none" stroke-linecap="round"'
    return f'<svg {frame} role="img" aria-label="{text(label)}">{"".join(parts)}</svg>'


def sign(kind: str, spot: tuple[float, float], size: float = 1.0, edge: str = "none") -> str:
    """The mark of a node: a disc, a square, a ring, a dashed ring."""
    x, y = spot
    if kind == SAID:
        side = 13 * size
        return (
            f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}" height="{side:.1f}" fill="var(--wrong)" '
            f'stroke="{edge}"/>'
        )
    if kind == SAME:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{7.2 * size:.1f}" fill="var(--right)" stroke="{edge}" stroke-width="2"/>'
    dashes = ' stroke-dasharray="2 3"' if kind == UNKNOWN else ""
    look = f'fill="var(--page)" stroke="var(--other)" stroke-width="2"{dashes}'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{6 * size:.1f}" {look}/>'


def in_key(kind: str, lit: bool = False) -> str:
    """The mark of a node for a key."""
    ring = '<circle cx="13" cy="13" r="11" stroke="var(--ink)" stroke-width="1.6"/>' if lit else ""
    return f'<svg width="26" height="26" fill="none" aria-hidden="true">{ring}{sign(kind, (13, 13))}</svg>'


def _places(ego: EgoNetwork, kinds: Sequence[str]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Where neighbours and the nodes beyond them stand: neighbours of a kind side by side, with room for what they bring."""
    order = sorted(range(len(ego.near)), key=lambda at: ORDER.index(kinds[at]))
    children = [[] for _ in ego.near]  # type: list[list[int]]
    for at, parent in enumerate(ego.parents):
        children[parent].append(at)
    room = [1 + 0.75 * len(children[at]) for at in order]
    total, passed = sum(room) or 1.0, 0.0
    spots: list[tuple[float, float]] = [(0.0, 0.0)] * len(ego.near)
    outer: list[tuple[float, float]] = [(0.0, 0.0)] * len(ego.far)
    # Without a second ring the first may be wider.
    first, second = (0.55, 0.9) if ego.far else (0.75, 0.9)
    for at, width in zip(order, room, strict=True):
        middle = 2 * math.pi * (passed + width / 2) / total - math.pi / 2
        spots[at] = _on_ring(middle, first)
        inside = children[at]
        for number, child in enumerate(inside):
            turn = 2 * math.pi * width / total * ((number + 0.5) / len(inside) - 0.5) * 0.9
            outer[child] = _on_ring(middle + turn, second)
        passed += width
    return spots, outer


def _on_ring(angle: float, part: float) -> tuple[float, float]:
    return WIDTH / 2 + part * WIDTH / 2 * math.cos(angle), HEIGHT / 2 + part * HEIGHT / 2 * math.sin(angle)


def _xy(spot: tuple[float, float]) -> str:
    return f"{spot[0]:.1f} {spot[1]:.1f}"
