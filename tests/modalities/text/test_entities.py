"""Named entities from files to predictions: places in the original text, files, vectors, long texts."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from convzoo.core.randomness import Draws
from convzoo.modalities.text.tagged import TaggedText
from convzoo.modalities.text.tagged_encoder import TaggedTextEncoder, shape_of


def texts() -> list[TaggedText]:
    return [
        TaggedText.of_tokens(["Anna", f"Wex{at}", "left", "Tarn"], ["B-PER", "I-PER", "O", "B-LOC"], source=f"t{at}")
        for at in range(8)
    ]


def fitted(**settings: object) -> TaggedTextEncoder:
    encoder = TaggedTextEncoder(**{"word_dropout": 0.0, **settings})
    encoder.fit(texts())
    return encoder


def test_tags_of_an_encoder_are_those_of_its_scheme():
    encoder = fitted()
    batch = encoder.encode(texts()[:1])
    assert [encoder.tags[tag] for tag in batch.target["tags"][0].tolist()] == ["B-PER", "E-PER", "O", "S-LOC"]
    assert fitted(scheme="iob2").tags == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert batch.size == 4


def test_a_word_that_is_hidden_keeps_its_letters_and_loses_its_form():
    encoder = fitted(word_dropout=0.5)
    items = [encoder.prepare(text) for text in texts()]
    plain, hidden = encoder.collate(items).inputs, encoder.collate(items, Draws(0, 0, range(8))).inputs
    assert torch.equal(plain["characters"], hidden["characters"])
    assert torch.equal(plain["features"][:, :, 1:], hidden["features"][:, :, 1:])
    changed = (plain["features"][:, :, 0] != hidden["features"][:, :, 0]).any(dim=2)
    assert 4 < int(changed.sum()) < 28
    assert len(hidden["features"][:, :, 0][changed].unique(dim=0)) == 1
    again = encoder.collate(items[3:5], Draws(0, 0, [3, 4])).inputs
    assert torch.equal(again["features"], hidden["features"][3:5]), "what is hidden does not depend on the batch"


@pytest.mark.parametrize(
    ("word", "shape"),
    [("Anna", "Xxxx"), ("McDonald", "XxXxxxx"), ("12.5", "dd.d"), ("ΑΒΓΔΕ", "XXXX"), ("हरगढ़", "xxxx")],
)
def test_shapes(word, shape):
    assert shape_of(word)[: len(shape)] == shape


def test_long_texts_are_cut_at_sentences_and_joined_again():
    words = ["Anna", "left", "."] * 40
    text = TaggedText.of_tokens(words, ["B-PER", "O", "O"] * 40, source="long")
    encoder = fitted(max_length=32)
    pieces, _ = encoder.prepare(text)
    assert [word for piece in pieces for word in piece.words] == words
    assert all(len(piece.words) <= 32 and piece.words[-1] == "." for piece in pieces)
    assert sum(len(piece.tags) for piece in pieces) == 120


def test_vectors_are_those_of_the_file_with_more_words_for_texts_to_come(tmp_path):
    rows = {"Anna": [1, 2], "left": [3, 4], "rome": [5, 6], "unused": [7, 8]}
    path = tmp_path / "v.txt"
    path.write_text(
        "".join(f"{word} {' '.join(map(str, values))}\n" for word, values in rows.items()), encoding="utf-8"
    )
    encoder = fitted(vectors=str(path), vector_words=1)
    assert encoder.dims["vectors"] == 2 and "%" in encoder.advice()
    batch = encoder.encode([TaggedText.of("Anna left Rome unused zzz")])
    assert batch.inputs["vectors"][0].tolist() == [[1, 2], [3, 4], [5, 6], [0, 0], [0, 0]]
    again = TaggedTextEncoder(vectors=str(path))
    again.load_state(dict(encoder.state()))
    assert torch.equal(
        again.encode([TaggedText.of("Anna Rome")]).inputs["vectors"],
        encoder.encode([TaggedText.of("Anna Rome")]).inputs["vectors"],
    )


def test_a_run_takes_vectors(cli, tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("the 0.1 0.2 0.3\nin 0.3 0.1 0.2\n", encoding="utf-8")
    small = [
        "data.train=30",
        "data.val=10",
        "data.test=10",
        "model.channels=4",
        "model.rows=11",
        "train.epochs=1",
        "baselines=[name_list]",
    ]
    run = cli("run", "ner_idcnn", *small, f"encoder.vectors={path}", "--out", tmp_path / "run")
    assert run.code == 0 and "vectors of 3 numbers" in run.out + run.err
    assert cli("predict", tmp_path / "run", "Anna left the town").code == 0


TRICKY = ["Zoe\u0301 ist in Zu\u0308rich", "😀😀 Anna\t left  Tarn", "  Anna", "अनिल शहर में", "東京のAnna", ""]


def test_places_are_those_of_the_original_text(cli, small_run, tmp_path):
    run = small_run("ner_idcnn")
    lines = tmp_path / "lines.txt"
    lines.write_text("\n".join(TRICKY) + "\n", encoding="utf-8")
    found = cli("predict", run, lines, "--json")
    rows = [json.loads(line) for line in found.out.splitlines()]
    assert [row["input"] for row in rows][: len(TRICKY) - 1] == TRICKY[:-1]
    for row in rows:
        for entity in row["entities"]:
            assert row["input"][entity["start"] : entity["end"]] == entity["text"]
            assert 0 <= entity["probability"] <= 1


def test_conll_files_are_written_with_the_tokens_that_were_read(cli, small_run, tmp_path):
    run = small_run("ner_idcnn")
    given = tmp_path / "in.conll"
    given.write_text("Anna\nO'Neil\nleft\n\nTarn\n", encoding="utf-8")
    out = tmp_path / "out.conll"
    assert cli("predict", run, given, "-o", out).code == 0
    parts = [part.splitlines() for part in out.read_text(encoding="utf-8").strip().split("\n\n")]
    assert [[line.split("\t")[0] for line in part] for part in parts] == [["Anna", "O'Neil", "left"], ["Tarn"]]
    assert all(line.split("\t")[1] == "O" or line.split("\t")[1][:2] in ("B-", "I-") for part in parts for line in part)


def test_probabilities_of_an_entity_are_of_its_tags_in_all_sequences():
    from convzoo.layers.crf import LinearChainCRF
    from convzoo.ops.crf import Chances, best_paths

    encoder = fitted()
    crf = LinearChainCRF(encoder.tags)
    emissions = torch.randn(1, 3, len(encoder.tags), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores, lengths = crf(emissions), torch.tensor([3])
    chances = Chances(*scores, lengths)
    (path,) = best_paths(*scores, lengths)
    total = sum(chances.of_part(0, 0, [tag]) for tag in range(len(encoder.tags)))
    assert total == pytest.approx(1.0) and 0 < chances.of_part(0, 0, path) <= 1


def test_the_stored_names_are_those_of_training(tmp_path: Path):
    encoder = fitted()
    assert encoder.known == {f"Anna Wex{at}" for at in range(8)} | {"Tarn"}
    assert np.ndim(encoder.encode(texts()).inputs["features"]) == 4


def test_the_penalty_for_tokens_outside_is_the_best_on_validation():
    """A network that gives a name a little less than no name: a penalty of .5 finds them, and no larger one is taken."""
    from convzoo.tasks.entities import Entities

    encoder = fitted()
    task = Entities(encoder.dims["tags"], encoder.dims["labels"])
    examples = [TaggedText.of_tokens(["Anna", "left"], ["B-PER", "O"], source=f"v{at}") for at in range(4)]
    name, outside, left = encoder.tags.index("S-PER"), encoder.tags.index("O"), 1

    class Shy(torch.nn.Module):
        def forward(self, features: torch.Tensor, characters: torch.Tensor):
            emissions = torch.full((*features.shape[:2], len(encoder.tags)), -9.0)
            emissions[:, :, outside] = 0.0
            emissions[:, 0, name] = -0.4
            emissions[:, left, name] = -0.8
            return emissions, torch.zeros(len(encoder.tags) + 1, len(encoder.tags) + 1)

    batch = encoder.encode(examples)
    assert task.predict(Shy(), batch).found == [[]] * 4
    task.calibrate(Shy(), [batch])
    assert task.outside == 0.5
    assert task.predict(Shy(), batch).found == [text.spans for text in examples]
    again = Entities(encoder.dims["tags"], encoder.dims["labels"])
    again.load_state(task.state())
    assert again.predict(Shy(), batch).found == [text.spans for text in examples]
