"""A network with planted communities, well-connected nodes that belong to none, and outsiders."""

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.graph.data.communities import belief_propagation, draw_ties, draw_words, word_evidence
from convzoo.modalities.graph.example import Graph, make_edges
from convzoo.modalities.graph.members import Member, whole

_SPREAD = 0.5
_HUBS = 0.1
"""Part of the nodes without a community that are hubs, with many edges to everywhere; the others are outsiders with few."""


class Planted(Reader):
    r"""Communities of unequal size in a degree-corrected block model (Karrer & Newman 2011, arXiv:1008.3926), between them nodes
    that belong to none: hubs with many edges to all communities, and outsiders with few.

    Each node has some words, a part of which are its community's. Nodes without a community have words of no community and count
    in no score. Every node is in all three parts; only those of the test part have labels.

    The ceiling is the accuracy of belief propagation (Decelle et al. 2011, arXiv:1109.3041) with the true parameters and
    the words of all nodes.

    Args:
        nodes: number of nodes
        communities: number of communities
        degree: mean number of edges of a node
        inside: part of a community's edges that stay inside it, beside those of chance
        without: part of the nodes that belong to no community
        vocabulary: number of different words
        words: mean number of words of a node
        topical: part of its words that a node draws from its community's words
        seed: random seed
    """

    example = Member

    def __init__(
        self,
        nodes: Positive = 2000,
        communities: Positive = 6,
        degree: PositiveFloat = 6.0,
        inside: Fraction = 0.55,
        without: Fraction = 0.1,
        vocabulary: Positive = 300,
        words: PositiveFloat = 12.0,
        topical: Fraction = 0.3,
        seed: Count = 0,
    ) -> None:
        self.nodes = nodes
        self.communities = communities
        self.degree = degree
        self.inside = inside
        self.without = without
        self.vocabulary = vocabulary
        self.words = words
        self.topical = topical
        self.seed = seed

    def read(self) -> Splits:
        """Draw the network.

        Raises:
            DataError: there are fewer than two communities, or too few nodes for them.
        """
        count = self.communities
        if count < 2 or self.nodes < 10 * count:
            raise DataError(f"data.communities={count}: there should be at least 2, and 10 nodes for each")
        random = np.random.default_rng(self.seed)
        sizes = np.arange(count + 2, 2, -1) / np.arange(count + 2, 2, -1).sum() * (1 - self.without)
        classes = random.choice(count + 1, self.nodes, p=[*sizes, self.without])
        propensity = random.lognormal(0, _SPREAD, self.nodes)
        loose = classes == count
        hubs = loose & (random.random(self.nodes) < _HUBS)
        propensity[hubs] *= 8
        propensity[loose & ~hubs] *= 0.5
        propensity *= self.nodes / propensity.sum()
        shares = np.array([propensity[classes == at].sum() for at in range(count + 1)]) / self.nodes
        affinity = np.full((count + 1, count + 1), 1 - self.inside)
        affinity[np.arange(count), np.arange(count)] += self.inside / np.maximum(shares[:count], 1e-9)
        affinity[count, :] = affinity[:, count] = 1
        pairs = draw_ties(classes, propensity, affinity, self.degree, random)
        edges, _ = make_edges(pairs[0], pairs[1], self.nodes)
        topic = random.integers(0, count, self.vocabulary)
        own = (topic[None] == np.arange(count + 1)[:, None]).astype(float)
        own /= np.maximum(own.sum(axis=1, keepdims=True), 1)
        chances = (
            np.where(np.arange(count + 1)[:, None] < count, 1 - self.topical, 1.0) / self.vocabulary
            + self.topical * own
        )
        chances *= self.words
        features = draw_words(classes, chances, self.words, random)
        beliefs = belief_propagation(
            edges, affinity * self.degree / self.nodes, propensity, word_evidence(features, chances),
            np.zeros(0, np.int64), classes,
        )  # fmt: skip
        known = ~loose
        right = float((beliefs[known, :count].argmax(axis=1) == classes[known]).mean())
        labels = [None if number == count else f"community {number}" for number in classes.tolist()]
        graph = Graph(
            edges, features, labels, [f"n{number}" for number in range(self.nodes)],
            [f"word {number}" for number in range(self.vocabulary)],
        )  # fmt: skip
        train, val, test = whole(graph)
        return Splits(
            train, val, test, ceiling={"test/accuracy": right},
            origin=f"generated; all nodes are grouped, no label is used; {graph.in_words()}",
        )  # fmt: skip

    def examples(self) -> list[Member]:
        """All nodes that belong to a community."""
        return [member for member in self.read().test if member.label is not None]
