"""Classical opponents for texts."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse

from convzoo.baselines.scikit import FeatureClassifier
from convzoo.core.arguments import Fraction, Positive, PositiveFloat
from convzoo.core.errors import DataError
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.words import normal, split_words

_LARGE = 20_000
"""From this number of texts on, n-grams that occur in one text only are left out, to save memory and time."""

_LONG = 4_000_000
"""With more characters than this in all training texts, n-grams of characters would take minutes; then words must do."""


MOST_TEXTS = 150_000
"""Opponents are fitted on so many training texts at most."""


def some_texts(count: int, most: int = MOST_TEXTS) -> np.ndarray:
    """The places of at most `most` of `count` texts, drawn at random and in their order."""
    return np.sort(np.random.default_rng(0).permutation(count)[:most])


def words(text: str) -> list[str]:
    """Words and punctuation marks, lower-case."""
    return split_words(text.lower())


class _TextClassifier(FeatureClassifier):
    """A linear classifier on n-grams, which are counted once, however many candidates of a setting are tried. Of very many texts
    it is fitted on a sample, to stay within minutes."""

    max_examples = MOST_TEXTS

    vectorizers: Sequence[Any]

    def prepare(self, examples: Sequence[Text], dims: Mapping[str, Any]) -> None:
        """Learn the n-grams of the training texts."""
        texts = [normal(example.text) for example in examples]
        self.vectorizers = self.make_vectorizers(texts)
        try:
            for vectorizer in self.vectorizers:
                vectorizer.fit(texts)
        except ValueError:  # scikit-learn: the vocabulary is empty
            raise DataError("the training texts have no words to learn from") from None

    def some(self, count: int, most: int) -> np.ndarray:
        """A random sample: classes may stand in turn, and evenly spaced rows would be of one class."""
        return some_texts(count, most)

    @abstractmethod
    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """The vectorizers of scikit-learn for such training texts; their columns are joined."""

    def features(self, examples: Sequence[Text]) -> Any:
        """(examples, n-grams), sparse."""
        return joined_features(self.vectorizers, examples)


class TfidfLogisticRegression(_TextClassifier):
    """Logistic regression on the TF-IDF of n-grams.

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (3.0, 30.0, 0.3)}

    def __init__(self, ngrams: Positive = 1, inverse_penalty: PositiveFloat | None = None) -> None:
        self.ngrams = ngrams
        self.inverse_penalty = inverse_penalty

    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """TF-IDF of words."""
        return [_word_tfidf(self.ngrams, 1)]

    def machine(self, features: Any) -> Any:
        """Logistic regression."""
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=self.setting("inverse_penalty"), max_iter=1000)


class TfidfSVM(_TextClassifier):
    """A linear support vector machine on the TF-IDF of n-grams of words and of characters inside words: the usual strong
    opponent of text classifiers. Characters also see endings, parts of compounds and misspellings; where there is much text,
    only words are used, to stay within seconds.

    Args:
        ngrams: the longest n-gram, in words
        characters: the longest n-gram, in characters; those of two and more are used
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 0.3, 3.0, 0.1)}

    def __init__(
        self, ngrams: Positive = 2, characters: Positive = 5, inverse_penalty: PositiveFloat | None = None
    ) -> None:
        self.ngrams = ngrams
        self.characters = characters
        self.inverse_penalty = inverse_penalty

    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """TF-IDF of words, and of characters."""
        return tfidf_vectorizers(texts, self.ngrams, self.characters)

    def machine(self, features: Any) -> Any:
        """A linear support vector machine."""
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self.setting("inverse_penalty"), random_state=0)


class CharacterSVM(_TextClassifier):
    """A linear support vector machine on the TF-IDF of n-grams of characters, across words too: the strong opponent where
    spellings matter more than words.

    Args:
        shortest: the shortest n-gram, in characters
        longest: the longest n-gram, in characters
        inverse_penalty: inverse of the regularisation (scikit-learn's C); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 10.0, 3.0, 0.3)}

    def __init__(
        self, shortest: Positive = 2, longest: Positive = 5, inverse_penalty: PositiveFloat | None = None
    ) -> None:
        self.shortest = min(shortest, longest)
        self.longest = longest
        self.inverse_penalty = inverse_penalty

    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """TF-IDF of characters."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        if sum(map(len, texts)) > _LONG:
            raise DataError(f"the training texts have more than {_LONG:,} characters, whose n-grams would take minutes")
        return [
            TfidfVectorizer(
                analyzer="char", ngram_range=(self.shortest, self.longest), min_df=2 if len(texts) >= 100 else 1,
                sublinear_tf=True, dtype=np.float32,
            )
        ]  # fmt: skip

    def machine(self, features: Any) -> Any:
        """A linear support vector machine."""
        from sklearn.svm import LinearSVC

        return LinearSVC(C=self.setting("inverse_penalty"), random_state=0)


class NaiveBayesWords(_TextClassifier):
    """Multinomial naive Bayes on the counts of words (McCallum & Nigam 1998): the classical filter of spam.

    Args:
        ngrams: the longest n-gram, in words
        smoothing: added to the counts (α); null: chosen on the validation split
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"smoothing": (1.0, 0.1, 0.3)}

    def __init__(self, ngrams: Positive = 1, smoothing: PositiveFloat | None = None) -> None:
        self.ngrams = ngrams
        self.smoothing = smoothing

    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """Counts of words."""
        from sklearn.feature_extraction.text import CountVectorizer

        return [CountVectorizer(tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams))]

    def machine(self, features: Any) -> Any:
        """Naive Bayes."""
        from sklearn.naive_bayes import MultinomialNB

        return MultinomialNB(alpha=self.setting("smoothing"))


class NBSVM(_TextClassifier):
    r"""NBSVM (Wang & Manning 2012, aclanthology.org/P12-2018): a linear SVM on features weighted by
    $r = \log \frac{p / |p|_1}{q / |q|_1}$, with p and q the smoothed counts of each n-gram in and outside a class; the weights
    are drawn towards their mean magnitude by `interpolation` (β of the paper).

    Args:
        ngrams: the longest n-gram, in words
        inverse_penalty: inverse of the regularisation (C); null: chosen on the validation split
        smoothing: added to the counts (α)
        interpolation: fraction of the SVM's own weights (β)
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {"inverse_penalty": (1.0, 0.1, 0.01)}

    def __init__(
        self,
        ngrams: Positive = 2,
        inverse_penalty: PositiveFloat | None = None,
        smoothing: PositiveFloat = 1.0,
        interpolation: Fraction = 0.25,
    ) -> None:
        self.ngrams = ngrams
        self.inverse_penalty = inverse_penalty
        self.smoothing = smoothing
        self.interpolation = interpolation

    def make_vectorizers(self, texts: Sequence[str]) -> Sequence[Any]:
        """Which n-grams of words a text has."""
        from sklearn.feature_extraction.text import CountVectorizer

        return [
            CountVectorizer(
                tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, self.ngrams), binary=True
            )
        ]

    def machine(self, features: Any) -> Any:
        """One weighted SVM a class against the rest (for two classes, one)."""
        return _WeightedSVM(self.setting("inverse_penalty"), self.smoothing, self.interpolation)


class _WeightedSVM:
    """The machine of `NBSVM`, with the methods of a classifier of scikit-learn."""

    def __init__(self, inverse_penalty: float, smoothing: float, interpolation: float) -> None:
        self.inverse_penalty = inverse_penalty
        self.smoothing = smoothing
        self.interpolation = interpolation

    def fit(self, counts: Any, numbers: np.ndarray) -> "_WeightedSVM":
        """Learn a weight for each n-gram and class."""
        from sklearn.svm import LinearSVC

        self.classes_ = np.unique(numbers)
        weights, biases = [], []
        for chosen in self.classes_[1:] if len(self.classes_) == 2 else self.classes_:
            inside = numbers == chosen
            ratio = self._log_ratio(counts[inside]) - self._log_ratio(counts[~inside])
            machine = LinearSVC(C=self.inverse_penalty, random_state=0).fit(counts.multiply(ratio).tocsr(), inside)
            own = machine.coef_[0]
            own = (1 - self.interpolation) * np.abs(own).mean() + self.interpolation * own
            weights.append(ratio * own)
            biases.append(self.interpolation * machine.intercept_[0])
        self.weights, self.biases = np.stack(weights, axis=1), np.array(biases)
        return self

    def decision_function(self, counts: Any) -> np.ndarray:
        """(examples,) for two classes, else (examples, classes)."""
        decision = counts @ self.weights + self.biases
        return decision[:, 0] if decision.shape[1] == 1 else decision

    def _log_ratio(self, counts: Any) -> np.ndarray:
        total = self.smoothing + np.asarray(counts.sum(axis=0)).ravel()
        return np.log(total / total.sum())


def joined_features(vectorizers: Sequence[Any], examples: Sequence[Text]) -> Any:
    """(examples, n-grams), sparse: the columns of all vectorizers, one after another."""
    texts = [normal(example.text) for example in examples]
    parts = [vectorizer.transform(texts) for vectorizer in vectorizers]
    return parts[0] if len(parts) == 1 else scipy.sparse.hstack(parts, format="csr")


def tfidf_vectorizers(texts: Sequence[str], ngrams: int, characters: int) -> Sequence[Any]:
    """Vectorizers for n-grams of words and, unless `characters` is 0 or there is much text, of characters inside words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    min_count = 2 if len(texts) >= _LARGE else 1
    word_vectorizer = _word_tfidf(ngrams, min_count)
    if not characters or sum(map(len, texts)) > _LONG:
        return [word_vectorizer]
    of_characters = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(min(2, characters), characters), min_df=min_count,
        sublinear_tf=True, dtype=np.float32,
    )  # fmt: skip
    return [word_vectorizer, of_characters]


def _word_tfidf(ngrams: int, min_count: int) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        tokenizer=words, token_pattern=None, lowercase=False, ngram_range=(1, ngrams), min_df=min_count,
        sublinear_tf=True,
    )  # fmt: skip
