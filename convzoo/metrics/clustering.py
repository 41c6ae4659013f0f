"""How well communities are found, over a whole graph and over all processes."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import Tensor

from convzoo.core.processes import gather_all


class CommunityMeter:
    r"""Scores of a grouping of nodes:

    * modularity: $\frac{1}{2m} \sum_{ij} (A_{ij} - d_i d_j / 2m) [c_i = c_j]$ (Newman & Girvan 2004, arXiv:cond-mat/0308217)
    * conductance: the mean over the communities of the part of their edge ends that lead outside; less is better
    * accuracy, nmi, ari: over the nodes with a known community; accuracy after the best assignment of found to known
      communities (Kuhn 1955), nmi with the arithmetic mean of both entropies. Left out where no community is known

    Args:
        edges: SciPy CSR (nodes, nodes), symmetric
        grouped: makes communities (nodes,) of the outputs of all counted nodes
    """

    def __init__(self, edges: Any, grouped: Any) -> None:
        self.edges = edges
        self.grouped = grouped
        self.parts: list[tuple[Tensor, Tensor, Tensor]] = []

    def update(self, outputs: Tensor, target: Mapping[str, Tensor]) -> None:
        """Add a batch: communities (batch,) or vectors (batch, channels); the numbers of nodes and of their true communities."""
        self.parts.append((outputs.detach().cpu(), target["nodes"].cpu(), target["communities"].cpu()))

    def _known(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        outputs, nodes, truth = (gather_all(torch.cat([part[at] for part in self.parts])) for at in range(3))
        order = nodes.argsort(stable=True)  # of equal outputs the same communities, however the split was divided
        found = np.empty(len(nodes), np.int64)
        found[order.numpy()] = self.grouped(outputs[order])
        return found, nodes.numpy(), truth.numpy()

    def compute(self) -> dict[str, float]:
        """The scores over everything so far, on all processes."""
        found, nodes, truth = self._known()
        known = truth >= 0
        scores = agreement(truth[known], found[known]) if known.any() else {}
        return scores | structure(self.edges[nodes][:, nodes], found)

    def units(self) -> np.ndarray:
        """Each node."""
        return np.arange(len(gather_all(torch.cat([part[1] for part in self.parts]))))

    def resampled(self, weights: np.ndarray) -> Mapping[str, np.ndarray]:
        """The accuracy of each draw, with the assignment of the whole graph."""
        found, _, truth = self._known()
        known = truth >= 0
        if not known.any():
            return {}
        hit = assigned(truth[known], found[known]) == truth[known]
        counted = weights[:, known]
        return {"accuracy": counted @ hit / np.maximum(counted.sum(axis=1), 1e-300)}


def agreement(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Accuracy, NMI and ARI of a grouping.

    Args:
        truth: (nodes,), numbers of the true communities
        found: (nodes,), numbers of the found ones
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    return {
        "accuracy": float((assigned(truth, found) == truth).mean()),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "ari": float(adjusted_rand_score(truth, found)),
    }


def assigned(truth: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(nodes,): for each node the true community that its found one is assigned to, so that most are right; -1 for none."""
    from scipy.optimize import linear_sum_assignment

    counts = np.zeros((int(found.max()) + 1, int(truth.max()) + 1))
    np.add.at(counts, (found, truth), 1)
    rows, columns = linear_sum_assignment(-counts)
    home = np.full(len(counts), -1)
    home[rows] = columns
    return home[found]


def structure(edges: Any, found: np.ndarray) -> dict[str, float]:
    """Modularity and conductance of a grouping; NaN without edges.

    Args:
        edges: SciPy CSR (nodes, nodes), symmetric
        found: (nodes,), numbers of the communities
    """
    degrees = np.asarray(edges.sum(axis=1), np.float64).ravel()
    total = degrees.sum()
    if not total:
        return {"modularity": math.nan, "conductance": math.nan}
    count = int(found.max()) + 1
    home = scipy.sparse.csr_matrix((np.ones(len(found)), (np.arange(len(found)), found)), (len(found), count))
    inside = (home.T @ edges @ home).diagonal()
    volume = home.T @ degrees
    other = np.minimum(volume, total - volume)
    there = other > 0
    cut = ((volume - inside)[there] / other[there]).mean() if there.any() else math.nan
    return {"modularity": float(inside.sum() / total - np.square(volume / total).sum()), "conductance": float(cut)}
