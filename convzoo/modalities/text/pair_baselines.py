"""Opponents for a translator: the source as it is, a word dictionary, and a table of phrases."""

from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from convzoo.core.arguments import Positive
from convzoo.core.baseline import Baseline
from convzoo.core.outputs.translations import Translations
from convzoo.modalities.text.pair import Pair

Words = list[str]


class CopySource(Baseline):
    """Returns every sentence unchanged: names, numbers and full stops are right."""

    def fit(self, examples: Sequence[Pair], dims: Mapping[str, Any]) -> None:
        """Nothing is learnt."""
        self.words, self.join = dims["words"], dims["join"]

    def outputs(self, examples: Sequence[Pair]) -> Translations:
        """The sources."""
        return Translations([[self.join(self.words(example.text))] for example in examples])


class WordDictionary(Baseline):
    """Translates word for word by a dictionary learnt by IBM model 1 (`LexicalModel`); unknown words are copied.

    Args:
        iterations: of expectation-maximisation
    """

    def __init__(self, iterations: Positive = 10) -> None:
        self.iterations = iterations

    def fit(self, examples: Sequence[Pair], dims: Mapping[str, Any]) -> None:
        """Learn the dictionary."""
        self.words, self.join = dims["words"], dims["join"]
        sources, targets = _cut(examples, self.words)
        self.best = LexicalModel.learn(sources, targets, self.iterations).dictionary()

    def outputs(self, examples: Sequence[Pair]) -> Translations:
        """Word by word, in the order of the source."""
        return Translations(
            [[self.join([self.best.get(word, word) for word in self.words(example.text)])] for example in examples]
        )


class PhraseTable(Baseline):
    """Translates by the longest phrases it knows, from left to right (Koehn et al. 2003, aclanthology.org/N03-1017, §2 and §4).

    IBM model 1 aligns words in both directions. Words on which both directions agree are linked; a link next to another link is
    added if one direction has it. Every pair of phrases whose words are linked only to each other is counted. A phrase's
    translation is its most frequent one, if it occurs at least `min_count` times. The order is the source's. A word that is in
    no phrase is looked up in the dictionary of the model, or else copied.

    Args:
        max_phrase_length: largest number of words in a phrase; null: chosen on the validation split
        min_count: smallest number of times that a phrase must occur with its translation; null: chosen on the validation split
        iterations: of expectation-maximisation
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"max_phrase_length": (4, 6, 8), "min_count": (2, 1)}

    def __init__(
        self,
        max_phrase_length: Positive | None = None,
        min_count: Positive | None = None,
        iterations: Positive = 10,
    ) -> None:
        self.longest = max(self.choices["max_phrase_length"]) if max_phrase_length is None else max_phrase_length
        self._trained_on: Any = None
        self.max_phrase_length = max_phrase_length
        self.min_count = min_count
        self.iterations = iterations

    def fit(self, examples: Sequence[Pair], dims: Mapping[str, Any]) -> None:
        """Align the words and count the phrases, once for all candidates; then keep the phrases that the settings allow."""
        self.words, self.join = dims["words"], dims["join"]
        if self._trained_on is not examples:
            self._count(*_cut(examples, self.words))
            self._trained_on = examples
        longest, least = self.setting("max_phrase_length"), self.setting("min_count")
        allowed = (self.counts >= least) & (self.sizes.max(axis=1) <= longest)
        self.table = dict(self.dictionary)
        # Of two equally frequent ones, the longer one: the shorter leaves out words without a link.
        order = np.lexsort((self.sizes[allowed, 1], self.counts[allowed]))
        for key in self.keys[allowed][order].tolist():
            self.table[self.phrases[key >> 32]] = self.translations[key & 0xFFFFFFFF]

    def _count(self, sources: Sequence[Words], targets: Sequence[Words]) -> None:
        """Pairs of phrases up to the longest that is tried: their numbers (`keys`), how often they occur, and their words."""
        model = LexicalModel.learn(sources, targets, self.iterations)
        forth = model.align()
        back = LexicalModel.learn(targets, sources, self.iterations).align()
        self.dictionary = model.dictionary()
        # Phrases by number, and their pairs in one array: a counter for each phrase would take gigabytes.
        ours: dict[str, int] = {}
        theirs: dict[str, int] = {}
        pairs = array("q")
        for source, target, one, other in zip(sources, targets, forth, back, strict=True):
            links = _symmetric(set(one), {(j, i) for i, j in other}, len(source), len(target))
            for (start, stop), (first, last) in phrase_pairs(links, len(source), len(target), self.longest):
                phrase = ours.setdefault(" ".join(source[start:stop]), len(ours))
                pairs.append(phrase << 32 | theirs.setdefault(" ".join(target[first:last]), len(theirs)))
        self.keys, self.counts = np.unique(np.asarray(pairs, dtype=np.int64), return_counts=True)
        self.phrases, self.translations = [*ours], [*theirs]
        lengths = [np.array([phrase.count(" ") + 1 for phrase in each], np.int64) for each in (ours, theirs)]
        self.sizes = np.stack([lengths[0][self.keys >> 32], lengths[1][self.keys & 0xFFFFFFFF]], axis=1)

    def outputs(self, examples: Sequence[Pair]) -> Translations:
        """Phrase by phrase."""
        return Translations([[self.join(self._translate(self.words(example.text)))] for example in examples])

    def _translate(self, source: Words) -> Words:
        written: Words = []
        at = 0
        while at < len(source):
            for size in range(min(self.setting("max_phrase_length"), len(source) - at), 0, -1):
                phrase = " ".join(source[at : at + size])
                if phrase in self.table:
                    written += self.table[phrase].split(" ")
                    break
            else:
                size = 1
                written.append(source[at])
            at += size
        return written


class LexicalModel:
    r"""IBM model 1 (Brown et al. 1993, aclanthology.org/J93-2003, §4.1): each target word comes from one source word or from
    none, with equal probability: $p(e | f) = \prod_j \frac{1}{l + 1} \sum_i t(e_j | f_i)$. Expectation-maximisation finds t; its
    likelihood has one maximum.

    Attributes:
        sources, targets: the words by number; source word 0 stands for none
        pairs: (pairs, 2), source and target words that occur in one sentence pair
        chances: (pairs,), t of the target word given the source word
    """

    def __init__(self, sources: Words, targets: Words) -> None:
        self.sources, self.targets = sources, targets

    @classmethod
    def learn(cls, sources: Sequence[Words], targets: Sequence[Words], iterations: int) -> "LexicalModel":
        """Expectation-maximisation over sentence pairs."""
        model = cls(["", *dict.fromkeys(w for words in sources for w in words)],
                    [*dict.fromkeys(w for words in targets for w in words)])  # fmt: skip
        of_source = {word: number for number, word in enumerate(model.sources)}
        of_target = {word: number for number, word in enumerate(model.targets)}
        # One row for each source word (and none) beside each target word of each sentence pair.
        left, right, places = [], [], []
        model.sizes = [(len(source) + 1, len(target)) for source, target in zip(sources, targets, strict=True)]
        place = 0
        for source, target in zip(sources, targets, strict=True):
            ours = np.array([0, *(of_source[word] for word in source)])
            theirs = np.array([of_target[word] for word in target], dtype=np.int64)
            left.append(np.tile(ours, len(theirs)))
            right.append(np.repeat(theirs, len(ours)))
            places.append(np.repeat(np.arange(place, place + len(theirs)), len(ours)))
            place += len(theirs)
        where = np.concatenate(places)
        keys = np.concatenate(left) * len(model.targets) + np.concatenate(right)
        found, model.rows = np.unique(keys, return_inverse=True)
        model.pairs = np.stack(np.divmod(found, len(model.targets)), axis=1)
        model.chances = np.full(len(found), 1.0 / len(model.targets))
        for _ in range(iterations):
            each = model.chances[model.rows]
            expected = each / np.bincount(where, each, place)[where]
            counts = np.bincount(model.rows, expected, len(found))
            model.chances = counts / np.bincount(model.pairs[:, 0], counts, len(model.sources))[model.pairs[:, 0]]
        return model

    sizes: list[tuple[int, int]]
    rows: np.ndarray
    pairs: np.ndarray
    chances: np.ndarray

    def dictionary(self) -> dict[str, str]:
        """For each source word its most likely target word."""
        order = np.argsort(self.chances, kind="stable")
        return {self.sources[f]: self.targets[e] for f, e in self.pairs[order].tolist() if f}

    def align(self) -> list[list[tuple[int, int]]]:
        """For each sentence pair the positions (source, target) of each target word that comes from a source word."""
        found = []
        start = 0
        for width, height in self.sizes:
            chances = self.chances[self.rows[start : start + width * height]].reshape(height, width)
            best = chances.argmax(axis=1).tolist() if height else []
            found.append([(place - 1, row) for row, place in enumerate(best) if place])
            start += width * height
        return found


def phrase_pairs(
    links: set[tuple[int, int]], source: int, target: int, max_phrase_length: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """All pairs of stretches (start, stop) whose words are linked only to each other, with at least one link.

    Unlinked words at the edges of a target stretch are also included, in every possible number.
    """
    linked = {place for _, place in links}
    found = []
    for start in range(source):
        for stop in range(start + 1, min(start + max_phrase_length, source) + 1):
            inside = [j for i, j in links if start <= i < stop]
            if not inside:
                continue
            first, last = min(inside), max(inside) + 1
            if last - first > max_phrase_length or any(first <= j < last and not start <= i < stop for i, j in links):
                continue
            low = first
            while low >= 0 and (low == first or low not in linked):
                high = last
                while high <= target and high - low <= max_phrase_length and (high == last or high - 1 not in linked):
                    found.append(((start, stop), (low, high)))
                    high += 1
                low -= 1
    return found


def _symmetric(
    one: set[tuple[int, int]], other: set[tuple[int, int]], source: int, target: int
) -> set[tuple[int, int]]:
    """The links that both have; then, repeatedly, links of either one that are next to a link and add a word without one."""
    links = one & other
    grown = True
    while grown:
        grown = False
        for i, j in sorted((one | other) - links):
            beside = any((i + di, j + dj) in links for di in (-1, 0, 1) for dj in (-1, 0, 1))
            free = all(i != a for a, _ in links) or all(j != b for _, b in links)
            if beside and free:
                links.add((i, j))
                grown = True
    return links


def _cut(examples: Sequence[Pair], words: Callable[[str], Words]) -> tuple[list[Words], list[Words]]:
    return [words(example.text) for example in examples], [words(example.translation or "") for example in examples]
