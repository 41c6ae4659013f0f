"""Pre-trained word vectors for a vocabulary."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convzoo.core.errors import DataError
from convzoo.modalities.text.formats import scan

SPECIAL = 2
"""The first tokens of a vocabulary, padding and the unknown token, which no file has."""


@dataclass(frozen=True)
class Found:
    """What a file of vectors gave for a vocabulary.

    Attributes:
        table: (tokens, size), float32
        there: (tokens,), whether the file has a vector of a token
        notes: what a person should know of the file and of the look-up, a phrase each
        more: other words of the file, the first ones, with their vectors
    """

    table: Tensor
    there: np.ndarray
    notes: Sequence[str]
    more: Mapping[str, np.ndarray] = field(default_factory=dict)

    def in_words(self, file: str | Path, units: str, counts: Mapping[str, int], tokens: Sequence[str]) -> str:
        """How much of the vocabulary and of the training text has a vector.

        Args:
            file: the vectors are from it
            units: what tokens are: words, characters
            counts: how often each token stands in the training texts
            tokens: the vocabulary
        """
        known = sum(counts.get(token, 0) for token, there in zip(tokens, self.there, strict=True) if there)
        whole = max(sum(counts.values()), 1)
        share = self.there[SPECIAL:].mean() if len(tokens) > SPECIAL else 0.0
        words = (
            f"vectors of {self.table.shape[1]} numbers, in place of model.embedding_size, for {100 * share:.1f} % of the "
            f"vocabulary and {100 * known / whole:.1f} % of the {units} of the training texts ({Path(file).name})"
        )
        return "; ".join([words, *self.notes])


class _Lookup:
    """Which rows of a file are for which tokens: the row of the same word, else the first one that differs in case only."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        self.exact = {token: number for number, token in enumerate(tokens)}
        self.folded: dict[str, list[int]] = {}
        for number, token in enumerate(tokens):
            self.folded.setdefault(token.lower(), []).append(number)
        self.found: dict[int, np.ndarray] = {}
        self.same: set[int] = set()
        self.by_parts: set[int] = set()
        self.twice = 0
        self.undecoded = 0
        self.places: list[int] = []

    def wants(self, word: bytes) -> bool:
        """Whether the vector of a word is to be kept."""
        self.places = []
        try:
            text = word.decode()
        except UnicodeDecodeError:
            self.undecoded += 1
            return False
        if not text.isascii():
            text = unicodedata.normalize("NFC", text)
        number = self.exact.get(text)
        if number is not None:
            if number in self.same:
                self.twice += 1
            else:
                self.places.append(number)
        self.places += [at for at in self.folded.get(text.lower(), ()) if at not in self.found and at != number]
        return bool(self.places)

    def give(self, word: bytes, vector: np.ndarray) -> None:
        """The vector of a word that is wanted."""
        self.wants(word)
        for number in self.places:
            self.found[number] = vector
            if self.exact.get(unicodedata.normalize("NFC", word.decode())) == number:
                self.same.add(number)

    def lacking(self) -> list[str]:
        """The words that no row had so far."""
        return [token for number, token in enumerate(self.tokens) if number not in self.found and number >= SPECIAL]

    def give_parts(self, word: str, vector: np.ndarray) -> None:
        """A vector that was made of the parts of a word that the file lacks."""
        self.found[self.exact[word]] = vector
        self.by_parts.add(self.exact[word])

    def notes(self) -> list[str]:
        """How words were found that are not written alike, and which rows were not used."""
        other_case = len(self.found) - len(self.same) - len(self.by_parts)
        said = (
            (other_case, "in another case only, as Paris for paris"),
            (len(self.by_parts), "not in the file, and made of their parts"),
            (self.twice, "more than once in the file: the first vector counts"),
        )
        notes = [f"{count:,} {'is' if count == 1 else 'are'} {what}" for count, what in said if count]
        if self.undecoded:
            notes.append(f"{self.undecoded:,} words of the file are not UTF-8, and were not looked up")
        return notes


class _WiderLookup(_Lookup):
    """Keeps the first words of a file too, which are its most frequent ones."""

    def __init__(self, tokens: Sequence[str], more: int) -> None:
        super().__init__(tokens)
        self.most = more
        self.more: dict[str, np.ndarray] = {}

    def wants(self, word: bytes) -> bool:
        """Whether the vector of a word is to be kept."""
        return super().wants(word) or len(self.more) < self.most

    def give(self, word: bytes, vector: np.ndarray) -> None:
        """The vector of a word that is wanted."""
        if super().wants(word):
            super().give(word, vector)
        elif len(self.more) < self.most:
            self.more[unicodedata.normalize("NFC", word.decode(errors="replace"))] = vector


def read_vectors(file: str | Path, tokens: Sequence[str], seed: int = 0, more: int = 0) -> Found:
    """Vectors of `tokens` from a file of GloVe, word2vec or fastText, as text or binary, also compressed by gzip.

    The file is read once, and only the vectors of the tokens are kept. Tokens that it lacks get uniform vectors of the same
    standard deviation (Kim 2014, §3.1); the first token, padding, gets zeros.

    Args:
        file: of vectors
        tokens: the vocabulary, padding and the unknown token first
        seed: of the vectors of tokens that the file lacks
        more: so many other words of the file are kept, the first ones, which are the most frequent ones in most files

    Raises:
        DataError: the file is absent, of another format, damaged or cut off, holds lines of different lengths, or none of the
            tokens.
    """
    path = Path(file)
    lookup = _WiderLookup(tokens, more)
    size, notes = scan(path, lookup)
    found = lookup.found
    if not found:
        advice = "is it for another language?"
        if lookup.undecoded:
            advice = f"{lookup.undecoded:,} of its words are not UTF-8: save it in UTF-8"
        raise DataError(f"{path}: has none of the {len(tokens)} tokens of the training split; {advice}")
    spread = float(np.std(np.stack(list(found.values())), dtype=np.float64)) * 3**0.5
    vectors = np.random.default_rng(seed).uniform(-spread, spread, (len(tokens), size)).astype(np.float32)
    for number, vector in found.items():
        vectors[number] = vector
    vectors[0] = 0
    there = np.zeros(len(tokens), dtype=bool)
    there[list(found)] = True
    return Found(torch.from_numpy(vectors), there, [*lookup.notes(), *notes], lookup.more)
