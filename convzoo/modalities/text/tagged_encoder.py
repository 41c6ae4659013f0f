"""The tokens of a text as hashes of what they look like, and their tags as numbers."""

import hashlib
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, Positive, Probability
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.files import atomic_write
from convzoo.core.outputs.spans import all_tags, tags_of
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.metrics.entities import name_of
from convzoo.modalities.text.data.own_tagged import read_unlabelled
from convzoo.modalities.text.tagged import TaggedText
from convzoo.modalities.text.vectors import read_vectors
from convzoo.modalities.text.words import normal
from convzoo.reading.files import text_path


class Piece(NamedTuple):
    """A part of a text that is tagged at once.

    Attributes:
        words: its tokens
        features: (length, features, 4) hashes of each token
        letters: (length, letters) numbers of its characters; 0 is padding
        context: (length, context) hashes of what a linear classifier looks at; None where there is none
        tags: (length,) numbers of the true tags; None if unlabelled
    """

    words: list[str]
    features: np.ndarray
    letters: np.ndarray
    context: np.ndarray | None
    tags: np.ndarray | None


Item = tuple[list[Piece], TaggedText]

UNLABELLED = -1
UNKNOWN = 1
"""The number of a character that training lacks; 0 is padding."""
FEATURES, HASHES, CONTEXT = 6, 4, 21
_ENDS = frozenset(".!?…。！？।؟\n")


class TaggedTextEncoder(Encoder):
    """Tokens as hashes of their form in lower case, their prefix, suffix and shape, and as characters.

    There is no vocabulary of words, so a name that training never saw is no unknown token. Texts longer than `max_length` are
    cut into pieces, at the end of a sentence where there is one, and put together again.

    Args:
        scheme: of the tags that the network learns: `bioes` marks the last token of an entity too, and entities of one token
        prefix: letters of the longer prefix
        suffix: letters of the longer suffix
        max_letters: longer words are cut, for the convolution over characters
        context: also give what the usual linear tagger looks at: the forms, affixes and shapes of a token and its neighbours, and
            pairs of them, each as a hash; the network adds a linear classifier of these to its own scores
        max_length: of a piece, in tokens
        min_count: characters that are rarer in the training split are unknown
        word_dropout: while training, the probability that a token is known by its prefix, suffix, shape and characters only
        vectors: a file of pre-trained word vectors, of GloVe, word2vec or fastText, as text or binary, also as .gz; they are not
            trained further. A word that the file lacks has zeros, and one that it has in small letters only has those
        vector_words: so many words of that file are kept beside those of training, the first ones, for texts to come
    """

    example = TaggedText

    def __init__(
        self,
        scheme: Literal["bioes", "iob2"] = "bioes",
        prefix: Positive = 3,
        suffix: Positive = 3,
        max_letters: Positive = 20,
        context: bool = False,
        max_length: Positive = 256,
        min_count: Positive = 2,
        word_dropout: Probability = 0.1,
        vectors: str | None = None,
        vector_words: Count = 50_000,
    ) -> None:
        self.scheme = scheme
        self.prefix = prefix
        self.suffix = suffix
        self.max_letters = max_letters
        self.context = context
        self.max_length = max_length
        self.min_count = min_count
        self.word_dropout = word_dropout
        self.vectors_file = vectors
        self.labels: list[str] = []
        self.known: set[str] = set()
        self.most_words = vector_words
        self.vectors: Tensor | None = None
        self.words: list[str] = []
        self._rows: dict[str, int] = {}
        self.told = ""
        self._set_tags([], [])
        self._looks: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def fit(self, examples: Sequence[TaggedText]) -> None:
        """Learn the types of entities, the names of training, and the characters.

        Raises:
            DataError: the training split has no entity.
        """
        labels = sorted({span.label for example in examples for span in example.spans})
        if not labels:
            raise DataError(
                "the training split has no entity, so there is nothing to learn; are the tags in another column?"
            )
        counts = Counter(letter for example in examples for letter in example.text)
        alphabet = sorted(
            letter for letter, count in counts.items() if count >= self.min_count and not letter.isspace()
        )
        self._set_tags(labels, alphabet)
        self.known = {name_of(example.written(span)) for example in examples for span in example.spans}
        if self.vectors_file:
            self._read_vectors(self.vectors_file, Counter(token for example in examples for token in example.tokens))

    def _read_vectors(self, file: str, counts: Mapping[str, int]) -> None:
        words = ["<pad>", "<unk>", *map(normal, counts)]
        found = read_vectors(file, words, more=self.most_words)
        self.told = found.in_words(file, "words", counts, words).replace(", in place of model.embedding_size,", "")
        table = np.concatenate(
            [found.table.numpy()[found.there], *([np.stack(list(found.more.values()))] if found.more else [])]
        )
        kept = [word for word, there in zip(words, found.there, strict=True) if there]
        self._set_vectors([*kept, *found.more], torch.from_numpy(table))

    def _set_vectors(self, words: Sequence[str], vectors: Tensor) -> None:
        self.words, self.vectors = list(words), vectors
        self._rows = {word: row for row, word in enumerate(words)}
        self._table = torch.cat(
            [vectors, torch.zeros(1, vectors.shape[1])]
        )  # the last row is of words without a vector

    def _vectors_of(self, pieces: Sequence[Sequence[str]], size: tuple[int, int]) -> Tensor:
        """(pieces, longest, size): the vectors of the words, zeros where there is none."""
        none = len(self.words)
        rows = np.full(size, none)
        for number, piece in enumerate(pieces):
            for place, word in enumerate(map(normal, piece)):
                rows[number, place] = self._rows.get(word, self._rows.get(word.lower(), none))
        return self._table[torch.from_numpy(rows)]

    def advice(self) -> str:
        """How much of the texts has a vector."""
        return self.told

    def _set_tags(self, labels: Sequence[str], alphabet: Sequence[str]) -> None:
        self.labels = list(labels)
        self.tags = all_tags(labels, self.scheme)
        self._numbers = {tag: number for number, tag in enumerate(self.tags)}
        self.alphabet = list(alphabet)
        self._letters = {letter: number for number, letter in enumerate(alphabet, 2)}
        self._looks = {}

    def prepare(self, example: TaggedText) -> Item:
        """The pieces of a text, and the text.

        Raises:
            DataError: an entity is of a type that training lacks.
        """
        words = example.tokens or [""]  # a text without any token is one empty token
        tags = None
        if example.label is not None and example.places:
            for span in example.spans:
                if span.label not in self.labels:
                    raise DataError(
                        f"{example.source}: entity {example.written(span)!r} has the type {span.label!r}, which is not in the "
                        f"training split; it has: {', '.join(self.labels)}"
                    )
            tags = np.array([self._numbers[tag] for tag in tags_of(example.spans, len(words), self.scheme)])
        looks = [self._look(word) for word in words]
        context = context_of(words) if self.context else None
        pieces = []
        for start, end in self._cuts(words):
            features = np.stack([hashes for hashes, _ in looks[start:end]])
            letters = np.zeros((end - start, max(len(row) for _, row in looks[start:end])), dtype=np.uint16)
            for place, (_, row) in enumerate(looks[start:end]):
                letters[place, : len(row)] = row
            near = None if context is None else context[start:end]
            pieces.append(Piece(words[start:end], features, letters, near, None if tags is None else tags[start:end]))
        return pieces, example

    def _cuts(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Where a text is cut into pieces: behind the last sentence that ends in the second half of a piece."""
        cuts, start = [], 0
        while len(words) - start > self.max_length:
            end = start + self.max_length
            ends = [place for place in range(start + self.max_length // 2, end) if words[place] in _ENDS]
            end = ends[-1] + 1 if ends else end
            cuts.append((start, end))
            start = end
        return [*cuts, (start, len(words))]

    def collate(self, items: Sequence[Item], draws: Draws | None = None) -> Batch:
        """Pad to the longest piece. For scoring (without `draws`) the target also holds the examples."""
        pieces = [piece for item in items for piece in item[0]]
        lengths = [len(piece.words) for piece in pieces]
        size = (len(pieces), max(lengths))
        features = np.zeros((*size, FEATURES, HASHES), dtype=np.int64)
        characters = np.zeros((*size, max(piece.letters.shape[1] for piece in pieces)), dtype=np.int64)
        tags = np.full(size, UNLABELLED, dtype=np.int64)
        for row, piece in enumerate(pieces):
            features[row, : lengths[row]] = piece.features
            characters[row, : lengths[row], : piece.letters.shape[1]] = piece.letters
            if piece.tags is not None:
                tags[row, : lengths[row]] = piece.tags
        if draws is not None and self.word_dropout:
            features[:, :, 0][self._dropped(draws, [len(item[0]) for item in items], size[1])] = _HIDDEN
        inputs = {"features": torch.from_numpy(features), "characters": torch.from_numpy(characters)}
        if self.context:
            context = np.zeros((*size, CONTEXT), dtype=np.int64)
            for row, piece in enumerate(pieces):
                assert piece.context is not None
                context[row, : lengths[row]] = piece.context
            inputs["context"] = torch.from_numpy(context)
        if self.vectors is not None:
            inputs["vectors"] = self._vectors_of([piece.words for piece in pieces], size)
        target: dict[str, Any] = {"tags": torch.from_numpy(tags), "lengths": torch.tensor(lengths)}
        if draws is None:
            target["pieces"] = [[len(piece.words) for piece in item[0]] for item in items]
            target["texts"] = [item[1] for item in items]
        return Batch(inputs, target, sum(lengths))

    def _dropped(self, draws: Draws, counts: Sequence[int], longest: int) -> np.ndarray:
        """(pieces, longest): which tokens lose their form. Numbers are drawn by example, so they do not depend on the batch."""
        drawn = draws.uniform(0, max(counts) * self.max_length).reshape(len(counts), -1, self.max_length)
        rows = [row[:count] for row, count in zip(drawn, counts, strict=True)]
        return np.concatenate(rows)[:, :longest] < self.word_dropout

    def _look(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """Hashes (features, 4) and characters (letters,) of a word."""
        found = self._looks.get(word)
        if found is None:
            norm = unicodedata.normalize("NFKC", word).lower()
            parts = [norm, word[:1], norm[: self.prefix], norm[-self.suffix :], norm[-2:], shape_of(word)]
            hashes = np.stack([_hashes(f"{number}:{part}") for number, part in enumerate(parts)])
            letters = [self._letters.get(letter, UNKNOWN) for letter in word[: self.max_letters]] or [UNKNOWN]
            if len(self._looks) > 200_000:  # a bounded memory: texts of millions of words
                self._looks.clear()
            found = self._looks[word] = hashes, np.array(letters, dtype=np.uint16)
        return found

    def survey(self, examples: Sequence[TaggedText], items: Sequence[Item] | None) -> Survey:
        """How many entities of each type there are, how long the texts are, and those without a token."""
        counts = Counter(span.label for example in examples for span in example.spans)
        empty = [example.source for example in examples if not example.places]
        notes = [f"{some_of(empty, len(examples), 'texts')} hold no token"] if empty else []
        names = {name_of(example.written(span)) for example in examples for span in example.spans}
        unseen = len(names - self.known)
        entities = ", ".join(f"{label} {count:,}" for label, count in sorted(counts.items())) or "none"
        facts = {
            "entities": entities + (f"; {unseen:,} of {len(names):,} names are not in training" if unseen else ""),
            "tokens": lengths_in_words([len(example.places) for example in examples]),
        }
        return Survey(facts, notes)

    def from_inputs(self, values: Sequence[Any]) -> list[TaggedText]:
        """Texts for prediction: each value is a text, or a file: of one text a line, or in any format that training takes, whose
        labels are not needed; or a folder of `.txt` files.

        Raises:
            DataError: a file is absent or cannot be read.
        """
        found: list[TaggedText] = []
        for value in values:
            if isinstance(value, TaggedText):
                found.append(value)
                continue
            path = text_path(value)
            found += [TaggedText.of(str(value))] if path is None else read_unlabelled(path)
        return found

    def write_files(
        self, path: Path, examples: Sequence[TaggedText], predictions: Sequence[Mapping[str, Any]]
    ) -> list[Path] | None:
        """Columns of tokens and tags in IOB2 for `.conll`, `.iob2` and `.bio`; other endings are not written here."""
        if path.suffix.lower() not in (".conll", ".iob2", ".bio"):
            return None
        with atomic_write(path, "w") as file:
            for example, prediction in zip(examples, predictions, strict=True):
                spans = example.spans_at(prediction.get("entities", ()))
                for token, tag in zip(example.tokens, tags_of(spans, len(example.places)), strict=True):
                    file.write(f"{token}\t{tag}\n")
                file.write("\n")
        return [path]

    def length(self, item: Item) -> int:
        """Tokens of the longest piece."""
        return max(len(piece.words) for piece in item[0])

    def input_names(self, item: Item) -> list[str]:
        """The tokens."""
        return [word for piece in item[0] for word in piece.words]

    @property
    def dims(self) -> Mapping[str, Any]:
        """tags, labels (types), known (training's names), alphabet (number of characters), features and context (their number),
        vectors (their length)."""
        return {
            "tags": tuple(self.tags),
            "features": FEATURES,
            "context": CONTEXT if self.context else 0,
            "alphabet": len(self.alphabet) + 2,
            "vectors": 0 if self.vectors is None else self.vectors.shape[1],
            "labels": tuple(self.labels),
            "known": self.known,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The tags and the characters."""
        return {"tags": self.tags, "alphabet": ["<pad>", "<unk>", *self.alphabet]}

    def keep(self, earlier: "TaggedTextEncoder", examples: Sequence[TaggedText]) -> None:
        """Keep the earlier characters and types, with the new ones behind them."""
        if earlier.scheme == self.scheme:
            self._set_tags(
                [*earlier.labels, *(label for label in self.labels if label not in earlier.labels)],
                [*earlier.alphabet, *(letter for letter in self.alphabet if letter not in earlier._letters)],
            )

    def state(self) -> dict[str, Any]:
        """Types, characters, the names of training, and the vectors with their words."""
        return {
            "labels": self.labels, "alphabet": self.alphabet, "known": sorted(self.known), "words": self.words,
            "vectors": self.vectors,
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._set_tags(state["labels"], state["alphabet"])
        self.known = set(state["known"])
        if state["vectors"] is not None:
            self._set_vectors(state["words"], torch.as_tensor(state["vectors"]))


def shape_of(word: str) -> str:
    """`Xxxx` for a word, `dd.dd` for a number: capitals, small letters and digits, at most four of a kind in a row."""
    kinds = ("X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in word)
    shape = ""
    for kind in kinds:
        if not shape.endswith(kind * 4):
            shape += kind
    return shape[:12]


def context_of(words: Sequence[str]) -> np.ndarray:
    """(length, context): hashes, from 1 to 2³¹, of the features that the usual linear tagger has for each token."""
    forms, shapes = [word.lower() for word in words], [shape_of(word) for word in words]
    found = np.empty((len(words), CONTEXT), dtype=np.int64)
    edge = "\0"
    for at, (form, shape) in enumerate(zip(forms, shapes, strict=True)):
        near = {side: forms[at + side] if 0 <= at + side < len(words) else edge for side in (-2, -1, 1, 2)}
        like = {side: shapes[at + side] if 0 <= at + side < len(words) else edge for side in (-1, 1)}
        features = [form, shape]
        features += [form[:size] for size in (1, 2, 3, 4)] + [form[-size:] for size in (2, 3, 4)]
        features += [*near.values(), *like.values()]
        features += [f"{near[-1]} {form}", f"{form} {near[1]}", f"{like[-1]} {shape} {like[1]}", f"{form} {like[1]}"]
        features += [near[-1][-3:], near[1][-3:]]
        found[at] = [
            zlib.crc32(f"{number}:{each}".encode("utf-8", "surrogatepass")) for number, each in enumerate(features)
        ]
    return found % (2**31 - 1) + 1


def _hashes(text: str) -> np.ndarray:
    return np.frombuffer(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), dtype="<u2")


_HIDDEN = _hashes("hidden")
"""The hashes of a form that is hidden while training."""
