"""Text as token numbers: words, sub-words, characters or bytes."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Count, Positive, Probability
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.linear import LinearNgrams
from convzoo.modalities.text.naive_bayes import NaiveBayes
from convzoo.modalities.text.scripts import parts_of, unspaced_share
from convzoo.modalities.text.vectors import read_vectors
from convzoo.modalities.text.words import normal, split_as_before, split_words

Item = tuple[np.ndarray, Target, Tensor | None]

PADDING, UNKNOWN = 0, 1
_BYTES = [chr(byte) if 32 <= byte < 127 else f"<{byte:02x}>" for byte in range(256)]
"""The bytes as tokens that a person can read."""

EVIDENCE_FROM, EVIDENCE_UP_TO = 50_000, 200_000
"""The linear classifier is fitted on so many texts at most; with more training texts than the second number there is none. The
other training texts are new to it, as those of other folds are."""
NOTABLE = 0.05
"""From this part of the letters on, it is said what becomes of scripts without spaces."""


class TextEncoder(Encoder):
    """Texts as token numbers: 0 is padding, 1 is an unknown token, the others are ordered by their frequency in training.

    Args:
        units: the kind of tokens: words (written characters in scripts that put no spaces between words), subwords (byte-pair
            encoding, Sennrich et al. 2016, arXiv:1508.07909), characters, or the bytes of UTF-8
        split: how words are found: `words` takes words and single punctuation marks; `spaces` is for text that is
            tokenised already
        lower: convert to lower case first
        min_count: tokens that are rarer in the training split are unknown
        max_vocabulary: largest number of different tokens, padding and unknown included
        max_length: longer texts are cut to that many tokens
        word_dropout: while training, the probability that a token is replaced by the unknown one
        vectors: a file of pre-trained word vectors, of GloVe, word2vec or fastText, as text or binary, also as .gz; the model's
            `embedding` says whether they are learnt further, kept as they are, or both
        naive_bayes: 0 for none, else the longest n-gram of a naive Bayes model of the training split, whose log-likelihoods of
            the classes become a second input, `evidence`
        evidence: `linear`: that second input has the decision values of a linear classifier on n-grams of words and characters,
            which a network adds to its own; so it starts from the strongest quick classifier, and needs fewer texts
    """

    example = Text

    def __init__(
        self,
        units: Literal["words", "subwords", "characters", "bytes"] = "words",
        split: Literal["words", "spaces"] = "words",
        lower: bool = True,
        min_count: Positive = 1,
        max_vocabulary: Positive = 30_000,
        max_length: Positive = 512,
        word_dropout: Probability = 0.0,
        vectors: str | None = None,
        naive_bayes: Count = 0,
        evidence: Literal["none", "linear"] = "none",
    ) -> None:
        self.units = units
        self.split = split
        self.lower = lower
        self.min_count = min_count
        self.max_vocabulary = max_vocabulary
        self.max_length = max_length
        self.word_dropout = word_dropout
        self.vectors_file = vectors
        self.naive_bayes = naive_bayes
        self.evidence = evidence
        self.words = "unicode"
        if naive_bayes and evidence != "none":
            raise ValueError("naive_bayes and evidence: set one of them, since both give the input `evidence`")
        if vectors and units == "subwords":
            raise ValueError("vectors: are of words or characters, so units 'subwords' has none; take units 'words'")
        self.bayes: NaiveBayes | None = None
        self.linear: LinearNgrams | None = None
        self.plain_ngrams = (
            True  # False in runs of former versions, whose n-grams had the cases and the units of the tokens
        )
        self.vectors: Tensor | None = None
        self.targets = Targets()
        self.tokens: list[str] = []
        self._index: dict[str, int] = {}
        self._pieces: Any = None
        self._advice = ""

    def fit(self, examples: Sequence[Text]) -> None:
        """Learn the vocabulary and the labels.

        Raises:
            DataError: there are fewer than two classes or numbers, no text at all, or an unreadable vectors file.
        """
        self.targets = Targets.of(example.label for example in examples)
        if self.units == "subwords":
            self._learn_pieces([example.text for example in examples])
        counts = Counter(token for example in examples for token in self.tokenise(example.text))
        if self.units == "subwords":  # all pieces, also those that occur in training only inside longer ones
            pieces = sorted(self._pieces.get_vocab().items(), key=lambda item: item[1])
            counts.update({piece: self.min_count for piece, _ in pieces if piece != "<unk>"})
        kept = [token for token, count in counts.most_common() if count >= self.min_count]
        if not kept:
            raise DataError("the training split has no token; is the text column empty?")
        self._set_vocabulary(["<pad>", "<unk>", *kept[: max(self.max_vocabulary - 2, 0)]])
        self._advice = self._unspaced_in_words(examples)
        self._read_vectors(counts)
        self._fit_evidence(examples)

    def _unspaced_in_words(self, examples: Sequence[Text]) -> str:
        """What becomes of texts without spaces between words, where there is a notable part of them."""
        share, script = unspaced_share(example.text for example in examples)
        if share < NOTABLE or self.units in ("characters", "bytes"):
            return ""
        said = f"{100 * share:.0f} % of the letters are of scripts without spaces between words (mostly {script}): "
        if self.split == "spaces":
            return f"{said}with encoder.split=spaces what stands between spaces is one token; split=words takes each character"
        if self.units == "subwords":
            return f"{said}sub-words are learnt across words"
        return f"{said}each written character is a token; encoder.units=subwords learns longer ones"

    def _read_vectors(self, counts: Mapping[str, int]) -> None:
        if self.vectors_file:
            found = read_vectors(self.vectors_file, self.tokens)
            self.vectors = found.table
            said = found.in_words(self.vectors_file, self.units, counts, self.tokens)
            self._advice = "; ".join(filter(None, (self._advice, said)))

    def advice(self) -> str:
        """What tokens are where a script has no spaces; how much of the vocabulary and of the texts has a pre-trained vector."""
        return self._advice

    def _fit_evidence(self, examples: Sequence[Text]) -> None:
        """What is learnt from the tokens of the training texts and their labels: naive Bayes, or the linear classifier."""
        if self.naive_bayes:
            if self.targets.label_type != "class":
                raise DataError(
                    f"encoder.naive_bayes={self.naive_bayes}: is for texts of one class each; set it to 0 for other labels"
                )
            numbers = [self.targets.labels.number(example.label, example.source) for example in examples]  # type: ignore[arg-type]
            texts = [self.tokenise(example.text) for example in examples]
            self.bayes = NaiveBayes.of(texts, numbers, len(self.targets.labels), self.naive_bayes)
        if self.evidence == "linear" and len(examples) > EVIDENCE_UP_TO:
            said = (
                f"encoder.evidence=linear is left out with more than {EVIDENCE_UP_TO:,} training texts: they are enough for the "
                "network alone"
            )
            self._advice = "; ".join(filter(None, (self._advice, said)))
        elif self.evidence == "linear":
            chosen = list(examples)
            if len(chosen) > EVIDENCE_FROM:
                places = np.random.default_rng(0).permutation(len(chosen))[:EVIDENCE_FROM]
                chosen = [examples[at] for at in np.sort(places).tolist()]
                said = f"the linear classifier of encoder.evidence is fitted on {EVIDENCE_FROM:,} of the training texts"
                self._advice = "; ".join(filter(None, (self._advice, said)))
            targets = [self.targets.target(example.label, example.source) for example in chosen]
            written = [self._written(example) for example in chosen]
            cut = [self._ngram_tokens(text) for text in written]
            self.linear = LinearNgrams.of(written, cut, targets, self.targets)

    def _written(self, example: Text) -> str:
        """The part of a text that the linear classifier sees. It counts lower-case n-grams, the stronger ones; pieces of
        words are learnt with the cases that they have."""
        text = self._clean(example.text[: self.max_length * 40])
        return text.lower() if self.plain_ngrams and self.units != "subwords" else text

    def _clean(self, text: str) -> str:
        """A text as it is cut into tokens: in NFC, and in lower case if asked for."""
        text = normal(text) if self.words == "unicode" else text
        return text.lower() if self.lower else text

    def _ngram_tokens(self, written: str) -> list[str]:
        """The tokens whose pairs the linear classifier counts. In the place of single characters and bytes it counts words."""
        if self.plain_ngrams and self.units in ("characters", "bytes"):
            return split_words(written[: self.max_length])
        return self.tokenise(written)[: self.max_length]

    def tokenise(self, text: str) -> list[str]:
        """A text's tokens, as strings."""
        text = self._clean(text)
        if self.units == "characters":
            return list(text)
        if self.units == "bytes":
            return [_BYTES[byte] for byte in text.encode("utf-8", "surrogatepass")]
        if self.units == "subwords":
            return self._pieces.encode(text).tokens
        if self.split == "spaces":
            return text.split()
        return split_words(text) if self.words == "unicode" else split_as_before(text)

    def prepare(self, example: Text) -> Item:
        """Token numbers (length,), the target and the evidence (classes,), if asked for.

        A text without any token becomes one unknown token.
        """
        tokens = self.tokenise(example.text[: self.max_length * 40])[: self.max_length]
        numbers = [self._index.get(token, UNKNOWN) for token in tokens] or [UNKNOWN]
        label = self.targets.target(example.label, example.source or repr(example.text[:40]))
        evidence = self.bayes.evidence(tokens) if self.bayes is not None else None
        if self.linear is not None:
            written = self._written(example)
            # What a text without a label gets is always that of a text the classifier has not seen.
            evidence = self.linear.evidence(written, self._ngram_tokens(written), training=example.label is not None)
        return np.array(numbers, dtype=np.int32), label, evidence  # half the memory of the tensor's numbers

    def collate(self, items: Sequence[Item], draws: Draws | None = None) -> Batch:
        """Pad to the longest; with `draws`, replace some tokens by the unknown one."""
        # Filled by NumPy: torch's pad_sequence takes several times as long for short rows.
        padded = np.full((len(items), max(len(item[0]) for item in items)), PADDING)
        for row, item in zip(padded, items, strict=True):
            row[: len(item[0])] = item[0]
        tokens = torch.from_numpy(padded)
        if draws is not None and self.word_dropout:
            dropped = torch.from_numpy(draws.uniform(0, tokens.shape[1]) < self.word_dropout)
            tokens = tokens.masked_fill(dropped & tokens.ne(PADDING), UNKNOWN)
        inputs = {"tokens": tokens}
        if self.bayes is not None or self.linear is not None:
            inputs["evidence"] = torch.stack([item[2] for item in items if item[2] is not None])
        return Batch(inputs, self.targets.batch([item[1] for item in items]), len(items))

    def survey(self, examples: Sequence[Text], items: Sequence[Item] | None) -> Survey:
        """How long the texts are in tokens, how many tokens training lacks, and the texts that hold no token, or no known one."""
        if items is None:
            return Survey()
        empty: list[str] = []
        unknown: list[str] = []
        cut = 0
        for example, (numbers, _, _) in zip(examples, items, strict=True):
            if (numbers == UNKNOWN).all():
                (unknown if self.tokenise(example.text) else empty).append(example.source)
            elif len(numbers) == self.max_length:
                cut += len(self.tokenise(example.text)) > self.max_length
        notes = []
        if empty:
            notes.append(f"{some_of(empty, len(items), 'texts')} hold no token: the network sees one unknown token")
        if unknown:
            notes.append(f"{some_of(unknown, len(items), 'texts')} hold no token that the vocabulary has")
        lengths = [len(item[0]) for item in items]
        share = sum(int((item[0] == UNKNOWN).sum()) for item in items) / sum(lengths)
        facts = {self.units: lengths_in_words(lengths, cut), "unknown": f"{share:.1%} of {self.units}"}
        return Survey(facts, notes)

    def length(self, item: Item) -> int:
        """Number of tokens."""
        return len(item[0])

    def parts(self, example: Text) -> list[tuple[int, int]]:
        """Where each word begins and ends, up to the last one that the network is given; of a script without spaces, where each
        written character does."""
        found: list[tuple[int, int]] = []
        tokens = end = 0
        for part in parts_of(example.text[: self.max_length * 40]):
            if tokens >= self.max_length:
                break
            tokens += len(self.tokenise(example.text[end : part[1]]))
            end = part[1]
            found.append(part)
        return found

    def without(self, example: Text, part: tuple[int, int] | None) -> Text:
        """The text without one part, and without the space that would be one too many."""
        if part is None:
            return replace(example, label=None)
        before, after = example.text[: part[0]], example.text[part[1] :]
        if not before or before[-1].isspace():
            before, after = (before, after[1:]) if after[:1].isspace() else (before if after else before[:-1], after)
        return replace(example, text=before + after, label=None)

    def input_names(self, item: Item) -> list[str]:
        """The tokens."""
        return [self.tokens[number] for number in item[0].tolist()]

    @property
    def dims(self) -> Mapping[str, Any]:
        """vocabulary_size, vectors, and those of the labels."""
        return {
            "vocabulary_size": len(self.tokens),
            **self.targets.dims,
            "vectors": self.vectors,
            "evidence": self.linear is not None,
        }

    @property
    def names(self) -> Mapping[str, Sequence[str]]:
        """The classes and the tokens."""
        return {**super().names, "vocabulary_size": self.tokens}

    def keep(self, earlier: "TextEncoder", examples: Sequence[Text]) -> None:
        """Keep the earlier vocabulary: subwords as they are, words and characters with the new ones of this training split behind
        them. The evidence is always that of this training split: what a training text gets comes from other folds of it."""
        if earlier.units != self.units:
            return
        if self.units == "subwords":
            self._pieces = earlier._pieces
            self._set_vocabulary(earlier.tokens)
            self._fit_evidence(examples)  # texts have other tokens now
        else:
            self._set_vocabulary([*earlier.tokens, *(token for token in self.tokens if token not in earlier._index)])
        self._read_vectors(Counter(token for example in examples for token in self.tokenise(example.text)))

    def state(self) -> dict[str, Any]:
        """Tokens, labels, merges of the byte pairs, and the vectors."""
        return {
            "tokens": self.tokens,
            "words": self.words,
            **self.targets.state(),
            "pieces": self._pieces.to_str() if self._pieces is not None else None,
            "vectors": self.vectors,
            "ngrams": list(self.bayes.index) if self.bayes is not None else None,
            "likelihoods": self.bayes.likelihoods if self.bayes is not None else None,
            **({**self.linear.state(), "plain_ngrams": self.plain_ngrams} if self.linear is not None else {}),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self._set_vocabulary(list(state["tokens"]))
        self.targets = Targets.from_state(state)
        self.vectors = state["vectors"]
        self.words = state.get("words", "before")
        if state["ngrams"]:
            index = {ngram: number for number, ngram in enumerate(state["ngrams"])}
            self.bayes = NaiveBayes(index, state["likelihoods"], self.naive_bayes)
        if "linear_words" in state:
            self.linear = LinearNgrams.from_state(state)
            self.plain_ngrams = bool(state.get("plain_ngrams", False))
        if state["pieces"]:
            from tokenizers import Tokenizer

            self._pieces = Tokenizer.from_str(state["pieces"])

    def _set_vocabulary(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self._index = {token: number for number, token in enumerate(tokens)}

    def _learn_pieces(self, texts: list[str]) -> None:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers

        self._pieces = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
        self._pieces.pre_tokenizer = (
            pre_tokenizers.WhitespaceSplit() if self.split == "spaces" else pre_tokenizers.Whitespace()
        )
        texts = [self._clean(text) for text in texts]
        # The trainer numbers the last letters of words in the order of a hash table, which differs from fit to fit, and breaks
        # ties by these numbers. As special tokens they are numbered in the order given; afterwards they become ordinary tokens.
        words = (word for text in texts for word, _ in self._pieces.pre_tokenizer.pre_tokenize_str(text))
        trainer = trainers.BpeTrainer(
            vocab_size=self.max_vocabulary - 2,
            min_frequency=max(self.min_count, 2),
            special_tokens=["<unk>", *sorted({f"{word[-1]}</w>" for word in words})],
            end_of_word_suffix="</w>",
            show_progress=False,
        )
        self._pieces.train_from_iterator(texts, trainer)
        trained = json.loads(self._pieces.to_str())
        trained["added_tokens"] = trained["added_tokens"][:1]
        self._pieces = Tokenizer.from_str(json.dumps(trained))
