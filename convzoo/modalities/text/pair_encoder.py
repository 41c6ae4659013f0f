"""Two sentences as token numbers: the source, and the target shifted by one."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.outputs.translations import BEGIN, END, PADDING, UNKNOWN, UNKNOWN_TEXT
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.words import join_words, joining_words, split_as_before, split_words

Item = tuple[np.ndarray, np.ndarray, Pair]
SPECIAL = ["<pad>", "<unk>", "<s>", "</s>"]
_SPACE = "▁"


class ParallelTextEncoder(Encoder):
    """Pairs of sentences by number, with a vocabulary for each language or one for both.

    The target is shifted by one token: `target_in` begins with <s>; the target is one token ahead of it and ends with </s>. The
    source ends with </s>, too. Texts are converted to Unicode's NFC, and several spaces in a row count as one.

    Args:
        units: words, or subwords (byte-pair encoding, Sennrich et al. 2016, arXiv:1508.07909), which can write any word
        joint: one vocabulary for both languages, so that a name with the same spelling is one token in both
        split: how words are found: `words` takes words and single punctuation marks; `spaces` is for text that is tokenised
        lower: convert to lower case first; translations are then in lower case and are scored against lower-case references
        min_count: tokens that are rarer in the training split are unknown
        max_vocabulary: largest number of tokens in a vocabulary
        max_length: longer sentences are cut to this many tokens; a target that is cut has no end token to learn
    """

    example = Pair

    def __init__(
        self,
        units: Literal["words", "subwords"] = "words",
        joint: bool = False,
        split: Literal["words", "spaces"] = "words",
        lower: bool = False,
        min_count: Positive = 2,
        max_vocabulary: Positive = 30_000,
        max_length: Positive = 200,
    ) -> None:
        self.units = units
        self.joint = joint
        self.split = split
        self.lower = lower
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary
        self.max_length = max_length
        self.cut = "unicode"
        self.source, self.target = _Vocabulary(), _Vocabulary()
        self.before: set[str] = set()
        self.after: set[str] = set()

    def fit(self, examples: Sequence[Pair]) -> None:
        """Learn the vocabularies, and which target words have no space beside them.

        Raises:
            DataError: a pair has no translation, or there is no text at all.
        """
        for example in examples:
            if example.translation is None:
                raise DataError(f"{example.source or repr(example.text[:40])}: has no translation to learn from")
        sources = [self.clean(example.text) for example in examples]
        targets = [self.clean(example.translation or "") for example in examples]
        if self.joint:
            self.source = self.target = self._vocabulary([*sources, *targets])
        else:
            self.source, self.target = self._vocabulary(sources), self._vocabulary(targets)
        if self.split == "words":
            self.before, self.after = joining_words(targets)

    def clean(self, text: str) -> str:
        """A text as it is encoded: NFC, single spaces, lower-case if asked for, and no longer than can be used."""
        text = " ".join(unicodedata.normalize("NFC", text[: self.max_length * 40]).split())
        return text.lower() if self.lower else text

    def words(self, text: str) -> list[str]:
        """The words of a text, also for opponents."""
        text = self.clean(text)
        if self.split == "spaces":
            return text.split()
        return split_words(text) if self.cut == "unicode" else split_as_before(text)

    def join(self, words: Sequence[str]) -> str:
        """Words as a text of the target language."""
        return join_words(words, self.before, self.after)

    def write(self, numbers: Sequence[int], attended: Sequence[int] = (), source: Sequence[str] = ()) -> str:
        """Target tokens as a text.

        Args:
            numbers: the tokens' numbers
            attended: for each token the position in `source` of the token that replaces it if it is unknown; empty: unknown
                tokens stay unknown
            source: the source's tokens
        """
        tokens = [self.target.tokens[number] for number in numbers]
        for place, number in enumerate(numbers):
            if number == UNKNOWN:
                known = bool(attended) and attended[place] < len(source)
                tokens[place] = source[attended[place]] if known else UNKNOWN_TEXT
        if self.units == "subwords":
            return " ".join("".join(tokens).replace(_SPACE, " ").split())
        return self.join(tokens)

    def tokenise(self, text: str, vocabulary: "_Vocabulary") -> list[str]:
        """A text's tokens, as strings."""
        return vocabulary.pieces.encode(self.clean(text)).tokens if self.units == "subwords" else self.words(text)

    def prepare(self, example: Pair) -> Item:
        """Numbers of the source (length,) and of the target (length,), which is empty where there is no translation."""
        tokens = self.tokenise(example.text, self.source)[: self.max_length - 1]
        source = np.array([*self.source.numbers(tokens), END])
        if example.translation is None:
            return source, np.empty(0, dtype=source.dtype), example
        target = [*self.target.numbers(self.tokenise(example.translation, self.target)), END][: self.max_length]
        return source, np.array(target), example

    def collate(self, items: Sequence[Item], draws: Draws | None = None) -> Batch:
        """Pad to the longest. For scoring (without `draws`) the target also holds the texts."""
        source = _padded([item[0] for item in items])
        target = _padded([item[1] for item in items])
        target_in = np.full((len(items), max(target.shape[1], 1)), PADDING)
        target_in[:, 0] = BEGIN
        # What follows the last token is padding; its logits are not used.
        target_in[:, 1 : target.shape[1]] = np.where(target[:, 1:] != PADDING, target[:, :-1], PADDING)
        truth: dict[str, Any] = {"tokens": torch.from_numpy(target)}
        if draws is None:
            truth["references"] = [item[2].translation for item in items]
            truth["sources"] = [self.tokenise(item[2].text, self.source)[: self.max_length - 1] for item in items]
        inputs: dict[str, Tensor] = {"source": torch.from_numpy(source), "target_in": torch.from_numpy(target_in)}
        return Batch(inputs, truth, sum(len(item[1]) for item in items))

    def survey(self, examples: Sequence[Pair], items: Sequence[Item] | None) -> Survey:
        """How long sentences and translations are in tokens, and the sentences that hold none that training has."""
        if items is None:
            return Survey()
        unknown = [
            example.source
            for example, (source, _, _) in zip(examples, items, strict=True)
            if (source[:-1] == UNKNOWN).all()  # the last one is the end
        ]
        cut = sum(
            len(source) == self.max_length and len(self.tokenise(example.text, self.source)) >= self.max_length
            for example, (source, _, _) in zip(examples, items, strict=True)
        )
        cut_targets = sum(len(target) == self.max_length and target[-1] != END for _, target, _ in items)
        facts = {
            "source": lengths_in_words([len(source) - 1 for source, _, _ in items], cut),
            "target": lengths_in_words([len(target) for _, target, _ in items], cut_targets),
        }
        notes = (
            [f"{some_of(unknown, len(items), 'sentences')} hold no token that the vocabulary has"] if unknown else []
        )
        return Survey({topic: f"{phrase} ({self.units})" for topic, phrase in facts.items()}, notes)

    def length(self, item: Item) -> tuple[int, int]:
        """Tokens of the target and of the source."""
        return len(item[1]), len(item[0])

    def input_names(self, item: Item) -> list[str]:
        """The source's tokens."""
        return [self.source.tokens[number] for number in item[0].tolist()]

    @property
    def dims(self) -> Mapping[str, Any]:
        """source_size, target_size, joint, lower; and the functions words, join and write."""
        return {
            "source_size": len(self.source.tokens),
            "target_size": len(self.target.tokens),
            "joint": self.joint,
            "lower": self.lower,
            "words": self.words,
            "join": self.join,
            "write": self.write,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The tokens of both languages."""
        return {"source_size": self.source.tokens, "target_size": self.target.tokens}

    def keep(self, earlier: "ParallelTextEncoder", examples: Sequence[Pair]) -> None:
        """Keep the earlier vocabularies: subwords as they are, words with the new ones of this training split behind them."""
        if earlier.units != self.units or earlier.joint != self.joint:
            return
        self.source = self.source.behind(earlier.source)
        self.target = self.source if self.joint else self.target.behind(earlier.target)
        self.before, self.after = self.before | earlier.before, self.after | earlier.after

    def state(self) -> dict[str, Any]:
        """The vocabularies, the merges of the byte pairs, and the words without spaces beside them."""
        return {
            "source": self.source.state(),
            "target": self.target.state() if not self.joint else None,
            "before": sorted(self.before),
            "after": sorted(self.after),
            "words": self.cut,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.source = _Vocabulary(**state["source"])
        self.target = self.source if self.joint else _Vocabulary(**state["target"])
        self.before, self.after = set(state["before"]), set(state["after"])
        self.cut = state.get("words", "before")

    def _vocabulary(self, texts: Sequence[str]) -> "_Vocabulary":
        room = max(self.max_vocabulary - len(SPECIAL), 0)
        if self.units == "subwords":
            return _Vocabulary.of_pieces(texts, room, self.min_count, self.split)
        counts = Counter(word for text in texts for word in self.words(text))
        kept = [word for word, count in counts.most_common(room) if count >= self.min_count]
        if not kept:
            raise DataError(f"the training split has no word that occurs at least {self.min_count} times")
        return _Vocabulary([*SPECIAL, *kept])


class _Vocabulary:
    """Tokens by number, and for subwords the tokeniser that finds them in a text."""

    def __init__(self, tokens: Sequence[str] = (), pieces: str | None = None) -> None:
        self.tokens = list(tokens)
        self.index = {token: number for number, token in enumerate(self.tokens)}
        self.pieces: Any = None
        if pieces is not None:
            from tokenizers import Tokenizer

            self.pieces = Tokenizer.from_str(pieces)

    @classmethod
    def of_pieces(cls, texts: Iterable[str], room: int, min_count: int, split: str) -> "_Vocabulary":
        """Learn byte pairs. A sign before a word stands for a space, so that the text can be restored."""
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
        spaces = pre_tokenizers.Metaspace(replacement=_SPACE)
        marks = pre_tokenizers.Punctuation("isolated")
        tokenizer.pre_tokenizer = spaces if split == "spaces" else pre_tokenizers.Sequence([spaces, marks])
        trainer = trainers.BpeTrainer(
            vocab_size=room + 1, min_frequency=max(min_count, 2), special_tokens=[SPECIAL[UNKNOWN]], show_progress=False
        )
        tokenizer.train_from_iterator(texts, trainer)
        found = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        kept = [piece for piece, _ in found if piece != SPECIAL[UNKNOWN]]
        if not kept:
            raise DataError("the training split has no text")
        return cls([*SPECIAL, *kept], tokenizer.to_str())

    def behind(self, earlier: "_Vocabulary") -> "_Vocabulary":
        """The earlier vocabulary, with the words that only this one has behind its own. Subwords can write any word already."""
        if earlier.pieces is not None:
            return earlier
        return _Vocabulary([*earlier.tokens, *(token for token in self.tokens if token not in earlier.index)])

    def numbers(self, tokens: Sequence[str]) -> list[int]:
        """The tokens' numbers; tokens that training lacks are unknown."""
        return [self.index.get(token, UNKNOWN) for token in tokens]

    def state(self) -> dict[str, Any]:
        """As plain values."""
        return {"tokens": self.tokens, "pieces": self.pieces.to_str() if self.pieces is not None else None}


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    padded = np.full((len(rows), max(map(len, rows))), PADDING)
    for row, numbers in zip(padded, rows, strict=True):
        row[: len(numbers)] = numbers
    return padded
