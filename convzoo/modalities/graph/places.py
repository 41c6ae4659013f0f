"""Where nodes stand in their graph, as features of nodes that have none."""

from typing import Any

import numpy as np
import scipy.sparse

from convzoo.modalities.graph.example import Graph

_DIRECTIONS = 64


def places(graph: Graph) -> np.ndarray:
    """(nodes, directions + 2) of float64: the strongest directions of the normalised adjacency matrix, and the logarithms of the
    degrees, outwards and inwards.

    To each degree the mean degree is added, else the directions would only tell the smallest pieces of the graph apart (Amini et
    al. 2013, doi:10.1214/13-AOS1138).
    """
    edges = both_ways(graph)
    degree = np.asarray(edges.sum(axis=1), np.float64).ravel()
    scale = scipy.sparse.diags(np.maximum(degree + degree.mean(), 1e-300) ** -0.5)
    degrees = [np.log1p(np.diff(each.tocsr().indptr)) for each in (graph.edges, graph.edges.T)]
    return np.column_stack([directions(scale @ edges @ scale), *degrees])


def directions(matrix: Any) -> np.ndarray:
    """(rows, directions): the rows of a matrix in its strongest singular directions, at most 64."""
    from sklearn.utils.extmath import randomized_svd

    left, strengths, _ = randomized_svd(matrix, min(_DIRECTIONS, *matrix.shape), random_state=0)
    return left * strengths


def both_ways(graph: Graph) -> Any:
    """The edges in both directions: a class may depend on who points to a node as on whom it points to."""
    return graph.edges.maximum(graph.edges.T).tocsr() if graph.directed else graph.edges
