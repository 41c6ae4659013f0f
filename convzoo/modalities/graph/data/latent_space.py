"""A network whose edges have a known probability: communities, well-connected nodes, and places in a hidden plane."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.graph.data.link_splitting import LinkTask, Negatives
from convzoo.modalities.graph.example import Graph, make_edges
from convzoo.modalities.graph.links import NodePair, NodePairs
from convzoo.ops.link_scores import link_scores

_SPREAD = 0.5
"""Deviation of the logarithm of a node's propensity: a few nodes have many edges, most have few."""


class LatentSpace(Reader):
    r"""Nodes in communities, with a place in a plane that nobody sees, connected at random.

    An edge is drawn with the probability $p_{ij} = 1 - e^{-\lambda \theta_i \theta_j \omega_{c_i c_j} k_{ij}}$: the
    propensities $\theta$ and the affinities $\omega$ of a degree-corrected block model (Karrer & Newman 2011,
    arXiv:1008.3926), times $k_{ij} = e^{-|z_i - z_j|^2 / 2 s^2}$ of a latent space (Hoff, Raftery & Handcock 2002,
    doi:10.1198/016214502388618906). $\lambda$ gives the mean degree. So friends of friends are often friends, as in real
    networks. A node's words tell a little of both: some are those of its community, some belong to a place in the plane, the
    rest is drawn from all words.

    The ceiling is the score of the true probabilities $p_{ij}$: no method can be expected to order the test pairs better.

    Args:
        nodes: number of nodes
        communities: number of communities
        degree: mean number of edges of a node
        inside: how many times as likely an edge is inside a community as between two
        reach: s, in a plane where the places have deviation 1
        vocabulary: number of different words
        words: mean number of words of a node
        topical: part of its words that tell of its community or its place, half of each
        val: part of the edges for validation
        test: part of the edges for testing
        negatives: of validation and test: `drawn`, or `hard` with `per_link` for each edge
        per_link: number of hard negatives of an edge
        seed: random seed
    """

    example = NodePair

    def __init__(
        self,
        nodes: Positive = 2000,
        communities: Positive = 5,
        degree: PositiveFloat = 6.0,
        inside: PositiveFloat = 6.0,
        reach: PositiveFloat = 0.35,
        vocabulary: Positive = 400,
        words: PositiveFloat = 12.0,
        topical: Fraction = 0.5,
        val: Fraction = 0.05,
        test: Fraction = 0.1,
        negatives: Negatives = "drawn",
        per_link: Positive = 100,
        seed: Count = 0,
    ) -> None:
        self.nodes = nodes
        self.communities = communities
        self.degree = degree
        self.inside = inside
        self.reach = reach
        self.vocabulary = vocabulary
        self.words = words
        self.topical = topical
        self.task = LinkTask(val, test, negatives, per_link, seed)
        self.seed = seed

    def read(self) -> Splits:
        """Draw the network.

        Raises:
            DataError: there are too many nodes for a table of all pairs, or too few edges to split.
        """
        if self.nodes > 20_000:
            raise DataError(f"data.nodes={self.nodes}: all pairs are computed; there may be at most 20,000 nodes")
        random = np.random.default_rng(self.seed)
        classes = random.permutation(np.arange(self.nodes) % self.communities)
        propensity = random.lognormal(0, _SPREAD, self.nodes)
        places = random.standard_normal((self.nodes, 2))
        rates = _rates(classes, propensity, places, self.inside, self.reach)
        rates *= self.degree * self.nodes / rates.sum()
        chances = -np.expm1(-rates)
        above = np.triu(random.random((self.nodes, self.nodes)) < chances, k=1)
        rows, columns = np.nonzero(above)
        edges, _ = make_edges(rows, columns, self.nodes)
        features = self._words(classes, places, random)
        graph = Graph(
            edges, features, [f"community {number}" for number in classes.tolist()],
            [f"n{number}" for number in range(self.nodes)], [f"word {number}" for number in range(self.vocabulary)],
        )  # fmt: skip
        splits = self.task.splits(graph)
        shown = splits.shown
        assert isinstance(shown, NodePairs)
        scores = link_scores(chances[shown.pairs[:, 0], shown.pairs[:, 1]], shown.linked, shown.queries)
        ceiling = {f"{splits.scored}/{name}": value for name, value in scores.items()}
        return replace(splits, ceiling=ceiling, origin=f"generated; {splits.origin}")

    def _words(self, classes: np.ndarray, places: np.ndarray, random: np.random.Generator) -> Any:
        """(nodes, vocabulary) of float32: which words each node has."""
        topic = random.integers(0, self.communities, self.vocabulary)
        spots = random.standard_normal((self.vocabulary, 2))
        near = np.exp(-0.5 * ((places[:, None] - spots[None]) ** 2).sum(axis=2) / self.reach**2) + 1e-9
        own = (classes[:, None] == topic[None]).astype(float) + 1e-9
        chances = (1 - self.topical) / self.vocabulary + self.topical / 2 * (
            near / near.sum(axis=1, keepdims=True) + own / own.sum(axis=1, keepdims=True)
        )
        return scipy.sparse.csr_matrix(
            (random.random(chances.shape) < -np.expm1(-self.words * chances)).astype(np.float32)
        )


def _rates(classes: np.ndarray, propensity: np.ndarray, places: np.ndarray, inside: float, reach: float) -> np.ndarray:
    """(nodes, nodes): how likely an edge is, up to a constant."""
    away = ((places[:, None] - places[None]) ** 2).sum(axis=2)
    rates = np.outer(propensity, propensity) * np.exp(-0.5 * away / reach**2)
    rates *= np.where(classes[:, None] == classes[None], inside, 1.0)
    np.fill_diagonal(rates, 0)
    return rates
