"""The linear classifier whose decision values a network may take into account."""

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from convzoo.core.targets import Targets
from convzoo.modalities.text.encoder import TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.linear import LinearNgrams, Vocabulary, character_ngrams, word_ngrams

GOOD, BAD = ["fine", "superb", "warm", "clever"], ["poor", "dull", "weak", "empty"]


def texts(count: int, seed: int = 0, noise: float = 0.0) -> list[Text]:
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        good = bool(random.random() < 0.5)
        said = good if random.random() >= noise else not good
        words = random.choice(GOOD if said else BAD, 2)
        found.append(Text(f"the {words[0]} film of {words[1]} people {number % 7}", "good" if good else "bad"))
    return found


def of(examples: list[Text], kind: Targets | None = None) -> LinearNgrams:
    written = [example.text for example in examples]
    kind = kind or Targets.of(example.label for example in examples)
    targets = [kind.target(example.label, "") for example in examples]
    return LinearNgrams.of(written, [text.split() for text in written], targets, kind)


def test_weights_are_the_tf_idf_of_scikit_learn():
    written = ["a fine film a day", "a poor film", "no film at all", "fine fine day"]
    counted = [word_ngrams(text.split()) for text in written]
    vocabulary = Vocabulary.of(counted)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    wanted = vectorizer.fit_transform(written)
    for row, counts in enumerate(counted):
        at, weights = vocabulary.weighed(counts)
        names = [list(vocabulary.index)[number] for number in at]
        columns = [vectorizer.vocabulary_[name] for name in names]
        assert weights == pytest.approx(wanted[row, columns].toarray()[0], abs=1e-6)


def test_ngrams_of_characters_are_those_inside_words():
    analyse = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()
    assert sorted(character_ngrams("a fine film").elements()) == sorted(analyse("a fine film"))


def test_a_new_text_gets_the_decision_value_of_the_whole_machine():
    examples = texts(120)
    linear = of(examples)
    value = linear.evidence(
        "the superb film of clever people 3!", ["the", "superb", "film", "of", "clever", "people", "3!"]
    )
    assert value[1] > 0 > value[0]  # good comes after bad
    assert float(value[0]) == pytest.approx(-float(value[1]))


def test_the_evidence_of_training_texts_is_worth_as_much_as_that_of_new_ones():
    """The network learns from it how far evidence is to be trusted."""
    examples = texts(200, noise=0.1)
    linear = of(examples)

    def right(those: list[Text]) -> float:
        found = [linear.evidence(each.text, each.text.split()).argmax() == (each.label == "good") for each in those]
        return float(np.mean(found))

    assert right(examples) == pytest.approx(right(texts(200, 1, 0.1)), abs=0.08)
    assert right(examples) > 0.8


def test_the_evidence_of_a_training_text_knows_nothing_of_its_class():
    """With labels by chance, a machine that had seen them would be right nearly always; one that had not, half of the time."""
    random = np.random.default_rng(1)
    examples = [Text(f"word{number} text{number * 7 % 31}", ["a", "b"][random.integers(2)]) for number in range(200)]
    linear = of(examples)
    right = [
        (linear.evidence(example.text, example.text.split()).argmax() == (example.label == "b")) for example in examples
    ]
    assert 0.3 < float(np.mean(right)) < 0.65
    features = TfidfVectorizer().fit_transform([example.text for example in examples])
    labels = [example.label for example in examples]
    assert LinearSVC(random_state=0).fit(features, labels).score(features, labels) > 0.95


def test_numbers_and_several_classes_have_evidence_too():
    numbers = [Text(example.text, 3.0 if example.label == "good" else -1.0) for example in texts(100)]
    kind = Targets.of(example.label for example in numbers)
    found = of(numbers, kind).evidence(
        "the superb film of warm people 9", ["the", "superb", "film", "of", "warm", "people", "9"]
    )
    assert found.shape == (1,)
    assert float(found[0]) == pytest.approx(kind.target(3.0, ""), abs=0.4)
    several = [Text(example.text, (str(example.label), "film")) for example in texts(100)]
    found = of(several).evidence("the dull film of weak people 9", ["the", "dull", "film", "of", "weak", "people", "9"])
    assert (found > 0).tolist() == [True, True, False]  # bad, film, good


def test_a_class_with_one_text_and_two_texts_in_all_are_no_error():
    rare = [*texts(40), Text("odd one out", "odd")]
    assert of(rare).evidence("odd one out indeed", ["odd", "one", "out", "indeed"]).shape == (3,)
    assert torch.isfinite(of([Text("a", "x"), Text("b", "y")]).evidence("c", ["c"])).all()


def test_a_loaded_encoder_gives_the_same_evidence():
    examples = texts(60, noise=0.1)
    encoder = TextEncoder(evidence="linear")
    encoder.fit(examples)
    other = TextEncoder(evidence="linear")
    state = {
        key: torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in encoder.state().items()
    }
    other.load_state(state)
    asked = [*examples[:5], Text("a superb day"), Text("???")]
    first, second = (each.encode(asked).inputs["evidence"] for each in (encoder, other))
    assert torch.equal(first, second)


def test_two_kinds_of_evidence_at_once_are_refused():
    with pytest.raises(ValueError, match="set one of them"):
        TextEncoder(evidence="linear", naive_bayes=2)


def test_evidence_is_as_sure_as_it_may_be_and_never_without_bound():
    """No other scale of the evidence has a smaller cross-entropy; without a mistake it has an end."""
    examples = texts(300, noise=0.2)
    linear = of(examples)
    target = torch.tensor([example.label == "good" for example in examples]).long()
    logits = torch.stack([linear.evidence(example.text, example.text.split()) for example in examples])
    loss = [float(torch.nn.functional.cross_entropy(scale * logits, target)) for scale in (0.5, 0.8, 1.0, 1.25, 2.0)]
    assert loss[2] < min(loss[0], loss[1] + 1e-3, loss[3] + 1e-3, loss[4])
    easy = [Text(f"{'fine' if number % 2 else 'dull'} film {number}", "ab"[number % 2]) for number in range(40)]
    sure = of(easy)
    values = torch.stack([sure.evidence(example.text, example.text.split()) for example in easy])
    assert float(values.abs().max()) < 5, "the probability of a mistake is about 1 in 42"
