"""A network of communities from a known model: a degree-corrected stochastic block model with words on its nodes."""

from typing import Any

import numpy as np
import scipy.sparse

from convzoo.core.arguments import Count, Fraction, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.graph.example import Graph, Node, Nodes, make_edges

_SPREAD = 0.6
"""Deviation of the logarithm of a node's propensity: a few nodes have many edges, most have few."""


class Communities(Reader):
    r"""Nodes in communities of equal size, connected at random, each with some words.

    The number of edges between nodes i and j is Poisson with the mean $\theta_i \theta_j \omega_{c_i c_j}$ (Karrer & Newman 2011,
    arXiv:1008.3926): the propensities $\theta$ give a wide range of degrees, and $\omega$ says how much more likely an edge is
    inside a community than between two. The communities form a ring; edges between neighbours in the ring are twice as likely as
    between others. A node draws some of its words from its community's words and the rest from all words.

    The ceiling is the accuracy of belief propagation (Decelle et al. 2011, arXiv:1109.3041; for given degrees Yan et al. 2014,
    arXiv:1207.3994) with the true parameters, the words of all nodes and the classes of the training nodes. On a large sparse
    graph no method can be expected to do better.

    Args:
        nodes: number of nodes
        communities: number of communities
        train: training nodes in each community
        val: validation nodes
        test: test nodes
        degree: mean number of edges of a node
        inside: fraction of the edges that stay inside a community
        vocabulary: number of different words
        words: mean number of words of a node
        topical: fraction of its words that a node draws from its community's words
        seed: random seed
    """

    example = Node

    def __init__(
        self,
        nodes: Positive = 4000,
        communities: Positive = 6,
        train: Positive = 40,
        val: Positive = 500,
        test: Positive = 1500,
        degree: PositiveFloat = 5.0,
        inside: Fraction = 0.65,
        vocabulary: Positive = 400,
        words: PositiveFloat = 12.0,
        topical: Fraction = 0.25,
        seed: Count = 0,
    ) -> None:
        self.nodes = nodes
        self.communities = communities
        self.train = train
        self.val = val
        self.test = test
        self.degree = degree
        self.inside = inside
        self.vocabulary = vocabulary
        self.words = words
        self.topical = topical
        self.seed = seed

    def read(self) -> Splits:
        """Draw the network.

        Raises:
            DataError: there are fewer nodes than the splits take, or too few communities.
        """
        if self.communities < 3:
            raise DataError(f"data.communities={self.communities}: a ring has at least 3")
        taken = self.train * self.communities + self.val + self.test
        if taken > self.nodes or self.train > self.nodes // self.communities:
            raise DataError(f"data.nodes={self.nodes} is less than train, val and test take together ({taken})")
        random = np.random.default_rng(self.seed)
        classes = random.permutation(np.arange(self.nodes) % self.communities)
        propensity = random.lognormal(0, _SPREAD, self.nodes)
        propensity *= self.nodes / propensity.sum()
        affinity = self._affinity()
        pairs = draw_ties(classes, propensity, affinity, self.degree, random)
        edges, _ = make_edges(pairs[0], pairs[1], self.nodes)
        chances = self._word_chances(random)
        features = draw_words(classes, chances, self.words, random)
        names = [f"word {number}" for number in range(self.vocabulary)]
        labels = [f"community {number}" for number in classes.tolist()]
        graph = Graph(edges, features, labels, [f"n{number}" for number in range(self.nodes)], names)
        order = random.permutation(self.nodes)
        place = np.empty(self.nodes, np.int64)
        for community in range(self.communities):  # the first few of each community, in the random order
            inside = order[classes[order] == community]
            place[inside] = np.arange(len(inside))
        training = order[place[order] < self.train]
        rest = order[place[order] >= self.train]
        val, test = rest[: self.val], rest[self.val : self.val + self.test]
        beliefs = belief_propagation(
            edges, affinity * self.degree / self.nodes, propensity, word_evidence(features, chances), training, classes
        )
        right = float((beliefs.argmax(axis=1)[test] == classes[test]).mean())
        return Splits(
            Nodes(graph, training), Nodes(graph, val), Nodes(graph, test),
            ceiling={"test/accuracy": right}, origin=f"drawn here, seed {self.seed}; {graph.in_words()}",
        )  # fmt: skip

    def _affinity(self) -> np.ndarray:
        """(communities, communities): how often nodes of two communities are connected, relative to the mean over all pairs."""
        count = self.communities
        away = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
        away = np.minimum(away, count - away)
        between = np.where(away == 1, 2.0, 1.0) * (away > 0)
        between *= (1 - self.inside) / between.sum(axis=1, keepdims=True)
        return (between + self.inside * np.eye(count)) * count

    def _word_chances(self, random: np.random.Generator) -> np.ndarray:
        """(communities, vocabulary): the mean number of times that a node of a community has each word."""
        common = random.dirichlet(np.full(self.vocabulary, 0.5))
        topics = random.dirichlet(np.full(self.vocabulary, 0.1), self.communities)
        return self.words * ((1 - self.topical) * common + self.topical * topics)


def draw_ties(
    classes: np.ndarray, propensity: np.ndarray, affinity: np.ndarray, degree: float, random: np.random.Generator
) -> np.ndarray:
    """(2, edges): a Poisson number of edges for each pair of communities, their ends drawn by propensity; loops are left out.

    Args:
        classes: (nodes,)
        propensity: (nodes,), of mean 1
        affinity: (communities, communities), of mean 1
        degree: mean number of edges of a node
        random: source of the random numbers
    """
    count = len(affinity)
    members = [np.flatnonzero(classes == community).astype(np.int32) for community in range(count)]
    shares = [propensity[inside] / propensity[inside].sum() for inside in members]
    sums = [propensity[inside].sum() for inside in members]
    found = []
    for first in range(count):
        for second in range(first, count):
            mean = affinity[first, second] * degree / len(classes) * sums[first] * sums[second]
            ties = random.poisson(mean / 2 if first == second else mean)
            # First how often each node is an end, then a random pairing: the same distribution as single draws, but faster.
            ends = [np.repeat(members[side], random.multinomial(ties, shares[side])) for side in (first, second)]
            found.append(np.stack([ends[0], random.permutation(ends[1])]))
    pairs = np.concatenate(found, axis=1)
    return pairs[:, pairs[0] != pairs[1]]


def draw_words(classes: np.ndarray, chances: np.ndarray, words: float, random: np.random.Generator) -> Any:
    """(nodes, vocabulary) CSR of float32: which words each node has (a word that is drawn twice is there once)."""
    rows, columns = [], []
    for community in range(len(chances)):
        inside = np.flatnonzero(classes == community)
        counts = random.poisson(words, len(inside))
        rows.append(np.repeat(inside, counts))
        columns.append(random.choice(chances.shape[1], counts.sum(), p=chances[community] / chances[community].sum()))
    places = np.concatenate(rows), np.concatenate(columns)
    found = scipy.sparse.csr_matrix((np.ones(len(places[0]), np.float32), places), (len(classes), chances.shape[1]))
    found.data[:] = 1
    found.sort_indices()
    return found


def word_evidence(features: Any, chances: np.ndarray) -> np.ndarray:
    """(nodes, communities): log-likelihoods of the words. Each word occurs with the probability $1 - e^{-mean}$."""
    there = np.log(-np.expm1(-chances) + 1e-300)
    return features @ (there + chances).T - chances.sum(axis=1)


def belief_propagation(
    edges: Any,
    rates: np.ndarray,
    propensity: np.ndarray,
    evidence: np.ndarray,
    known: np.ndarray,
    classes: np.ndarray,
    rounds: int = 40,
) -> np.ndarray:
    r"""Each node's posterior over the communities, with the true parameters.

    A message from i to j is i's belief without j's message: $\psi_{i \to j}(c) \propto e_i(c)\, e^{-\theta_i h(c)}
    \prod_{k \in \partial i \setminus j} \sum_r \omega_{cr} \psi_{k \to i}(r)$, with the field of all unconnected nodes,
    $h(c) = \sum_k \theta_k \sum_r \omega_{cr} \psi_k(r)$.

    Args:
        edges: CSR (nodes, nodes), symmetric
        rates: (communities, communities), ω
        propensity: (nodes,), θ
        evidence: (nodes, communities), log-likelihoods of the other data of a node
        known: nodes whose community is given
        classes: (nodes,) communities; only those of `known` are used
        rounds: number of rounds of messages

    Returns:
        (nodes, communities), rows that sum to 1.
    """
    count = len(rates)
    targets = np.repeat(np.arange(edges.shape[0]), np.diff(edges.indptr))
    sources = edges.indices
    # The edge in the other direction: entry (j, i) for entry (i, j).
    numbered = scipy.sparse.csr_matrix((np.arange(edges.nnz), edges.indices, edges.indptr), edges.shape)
    reverse = numbered.T.tocsr().data
    told = np.full((edges.shape[0], count), 0.0)
    told[known] = -1e9
    told[known, classes[known]] = 0
    messages = _softmax((evidence + told)[sources])
    beliefs = _softmax(evidence + told)
    for _ in range(rounds):
        field = rates @ (propensity @ beliefs)
        heard = np.log(messages @ rates.T + 1e-300)  # (entries, communities), from source to target
        total = evidence + told - propensity[:, None] * field
        collected = (
            scipy.sparse.csr_matrix((np.ones(edges.nnz), (targets, np.arange(edges.nnz))), (edges.shape[0], edges.nnz))
            @ heard
        )
        beliefs = _softmax(total + collected)
        messages = 0.5 * messages + 0.5 * _softmax((total + collected)[sources] - heard[reverse])
    return beliefs


def _softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)
