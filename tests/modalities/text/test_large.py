"""What becomes of very many texts: evidence and opponents from a sample, and memory that is bounded."""

import numpy as np
import pytest

from convzoo.modalities.text import baselines as opponents
from convzoo.modalities.text import encoder as text_encoder
from convzoo.modalities.text.baselines import NBSVM, TfidfLogisticRegression
from convzoo.modalities.text.encoder import TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.number_baselines import TfidfRidge


def texts(count: int) -> list[Text]:
    return [
        Text(f"{['fine', 'poor'][at % 2]} film number {at}", ["good", "bad"][at % 2], None, f"x:{at}")
        for at in range(count)
    ]


def test_the_evidence_of_many_texts_comes_from_a_part_of_them_and_of_very_many_from_none(monkeypatch) -> None:
    monkeypatch.setattr(text_encoder, "EVIDENCE_FROM", 40)
    monkeypatch.setattr(text_encoder, "EVIDENCE_UP_TO", 100)
    whole, part, none = (TextEncoder(evidence="linear") for _ in range(3))
    for encoder, count in ((whole, 40), (part, 100), (none, 101)):
        encoder.fit(texts(count))
    assert len(whole.linear.fitted) == 40 and not whole.advice()
    assert len(part.linear.fitted) == 40, "the other training texts are new to the classifier"
    assert part.advice() == "the linear classifier of encoder.evidence is fitted on 40 of the training texts"
    assert part.dims["evidence"] and part.collate([part.prepare(text) for text in texts(100)]).inputs[
        "evidence"
    ].shape == (100, 2)
    assert none.linear is None and not none.dims["evidence"]
    assert none.advice().startswith("encoder.evidence=linear is left out with more than 100 training texts")
    assert list(none.collate([none.prepare(texts(1)[0])]).inputs) == ["tokens"]


@pytest.mark.parametrize("kind", [TfidfLogisticRegression, NBSVM])
def test_opponents_of_very_many_texts_are_fitted_on_a_random_part_which_is_said(kind, monkeypatch) -> None:
    """Evenly spaced rows of classes in turn would be of one class."""
    monkeypatch.setattr(kind, "max_examples", 100)
    opponent, train = kind(), texts(1000)
    opponent.fit(train, {"labels": ("bad", "good"), "classes": 2})
    assert opponent.fitted_on == 100
    right = opponent.outputs(train).argmax(dim=1).numpy() == np.array([text.label == "good" for text in train])
    assert right.mean() > 0.99
    few = kind()
    few.fit(train[:100], {"labels": ("bad", "good"), "classes": 2})
    assert few.fitted_on is None


def test_the_ridge_regression_too(monkeypatch) -> None:
    import convzoo.modalities.text.number_baselines as numbers

    monkeypatch.setattr(numbers, "MOST_TEXTS", 100)
    monkeypatch.setattr(numbers, "some_texts", lambda count: opponents.some_texts(count, 100))
    opponent = TfidfRidge()
    train = [Text(text.text, float(text.label == "good"), None, text.source) for text in texts(400)]
    opponent.fit(train, {"mean": 0.5, "deviation": 0.5})
    assert opponent.fitted_on == 100 and opponent.outputs(train).shape == (400, 1)


def test_a_run_says_which_opponents_saw_a_part(monkeypatch, cli, tmp_path) -> None:
    monkeypatch.setattr(NBSVM, "max_examples", 50)
    rows = [f"{text.text},{text.label}" for text in texts(120)]
    (tmp_path / "own.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    settings = ["train.epochs=1", "model.channels=4", "baselines=[majority,nbsvm]"]
    ran = cli("run", "sentiment_cnn1d", "--data", "own.csv", *settings, "--out", "run")
    assert ran.code == 0, ran.err
    said = "f the 84 training examples, opponents were fitted: nbsvm on 50"
    assert said in ran.out
    assert said in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
