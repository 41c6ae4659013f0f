"""Encoders: what is learnt from training only, what is saved, and augmentation that knows nothing of its batch."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.core.labels import UNLABELLED, Labels
from convzoo.core.randomness import Draws
from convzoo.modalities.image.encoder import ImageEncoder
from convzoo.modalities.image.example import Image
from convzoo.modalities.text.encoder import PADDING, UNKNOWN, TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.runs import load_state, save_state

TRAIN = [
    Text("A good film, a GOOD film!", "positive"),
    Text("not a good plot; dull.", "negative"),
    Text("the actor's best work", "positive"),
]


def fitted(**arguments: object) -> TextEncoder:
    encoder = TextEncoder(**arguments)  # type: ignore[arg-type]
    encoder.fit(TRAIN)
    return encoder


def through_a_run(encoder, fresh, folder: Path):
    """What a run's folder brings back."""
    save_state(folder / "encoder", encoder.state())
    fresh.load_state(load_state(folder / "encoder"))
    return fresh


# Labels


def test_classes_are_sorted_and_numbers_in_numeric_order():
    assert Labels.of(["b", "a", None, "b"]).names == ("a", "b")
    assert Labels.of(["10", "9", "-1"]).names == ("-1", "9", "10")


@pytest.mark.parametrize(("labels", "words"), [(["a", "a"], "1 class (a)"), ([None], "0 classes")])
def test_fewer_than_two_classes_are_refused(labels, words):
    with pytest.raises(DataError) as caught:
        Labels.of(labels)
    assert words in str(caught.value)


@pytest.mark.parametrize("label", ["-", "--1", "²", "1-"])
def test_labels_that_only_look_like_numbers_are_names(label):
    assert set(Labels.of([label, "2"]).names) == {label, "2"}


def test_a_class_that_training_lacks_is_refused_with_the_nearest():
    labels = Labels.of(["positive", "negative"])
    assert labels.number(None, "here") == UNLABELLED
    with pytest.raises(DataError, match=r"^file:3: class 'positve' .* did you mean 'positive'"):
        labels.number("positve", "file:3")


# Text


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [
        ({}, ["it's", "a", "good", ",", "good", "café", "!"]),
        ({"lower": False}, ["It's", "a", "GOOD", ",", "good", "café", "!"]),
        ({"split": "spaces"}, ["it's", "a", "good,", "good", "café!"]),
        ({"units": "characters"}, list("it's a good, good café!")),
    ],
)
def test_tokens(arguments, tokens):
    assert TextEncoder(**arguments).tokenise("It's a GOOD, good café!") == tokens


def test_the_vocabulary_is_padding_unknown_and_the_most_frequent_first():
    encoder = fitted()
    assert encoder.tokens[:4] == ["<pad>", "<unk>", *sorted(["a", "good"], key=encoder.tokens.index)]
    assert {"a", "good"} == set(encoder.tokens[2:4])
    assert encoder.dims["vocabulary_size"] == len(encoder.tokens)
    assert encoder.dims["labels"] == ("negative", "positive")


def test_unknown_tokens_and_padding():
    encoder = fitted()
    batch = encoder.encode([Text("good nonsense"), Text("good")])
    good = encoder.tokens.index("good")
    assert batch.inputs["tokens"].tolist() == [[good, UNKNOWN], [good, PADDING]]
    assert batch.target.tolist() == [UNLABELLED, UNLABELLED]
    assert batch.size == 2


@pytest.mark.parametrize("text", ["", "   ", "\n"])
@pytest.mark.parametrize("units", ["words", "subwords"])
def test_a_text_without_tokens_is_one_unknown_token(units, text):
    assert fitted(units=units).prepare(Text(text))[0].tolist() == [UNKNOWN]


def test_words_that_are_called_like_the_special_tokens_are_words():
    encoder = TextEncoder(split="spaces")
    encoder.fit([Text("<pad> <unk> x", "a"), Text("<pad> y", "b")])
    numbers = encoder.prepare(Text("<pad> x"))[0].tolist()
    assert PADDING not in numbers, "a text's token must not be taken for padding"


def test_rare_tokens_the_size_of_the_vocabulary_and_the_length_are_bounded():
    assert set(fitted(min_count=2).tokens[2:]) == {"a", "good", "film"}
    assert len(fitted(max_vocabulary=4).tokens) == 4
    assert len(fitted(max_length=3).prepare(TRAIN[0])[0]) == 3
    assert len(fitted(max_length=3, units="characters").prepare(TRAIN[0])[0]) == 3


def test_subwords_spell_unseen_words():
    encoder = TextEncoder(units="subwords", max_vocabulary=60)
    encoder.fit([Text("lower lowest newer newest wider widest", "a"), Text("low new wide er est", "b")] * 5)
    pieces = encoder.tokenise("Newst")
    assert "".join(pieces).replace("</w>", "") == "newst"
    assert UNKNOWN not in encoder.prepare(Text("newst"))[0].tolist()
    assert encoder.dims["vocabulary_size"] <= 60


def test_training_without_any_token_is_refused():
    with pytest.raises(DataError, match="no token"):
        TextEncoder().fit([Text(" ", "a"), Text("", "b")])


@pytest.mark.parametrize("units", ["words", "subwords", "characters"])
def test_the_saved_text_encoder_gives_identical_batches(units, tmp_path):
    arguments = {"units": units, "lower": units != "characters", "max_vocabulary": 40}
    encoder = fitted(**arguments)
    again = through_a_run(encoder, TextEncoder(**arguments), tmp_path)
    texts = [Text("a good unseen 🎬 film", "negative"), Text("Plot", "positive")]
    first, second = encoder.encode(texts), again.encode(texts)
    assert torch.equal(first.inputs["tokens"], second.inputs["tokens"])
    assert torch.equal(first.target, second.target)
    assert {**encoder.dims} == {**again.dims}


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_is_encoded(texts):
    for units in ("words", "characters", "subwords"):
        tokens = ENCODERS[units].encode([Text(text) for text in texts]).inputs["tokens"]
        assert tokens.shape[0] == len(texts)
        assert int(tokens.min()) >= 0
        assert int(tokens.max()) < ENCODERS[units].dims["vocabulary_size"]
        assert bool((tokens[:, 0] != PADDING).all())


ENCODERS = {units: fitted(units=units) for units in ("words", "characters", "subwords")}


def test_word_dropout_depends_on_the_example_and_not_on_its_batch():
    encoder = fitted(word_dropout=0.5)
    items = [encoder.prepare(example) for example in TRAIN]
    together = encoder.collate(items, Draws(1, 2, [10, 11, 12])).inputs["tokens"]
    for row, item in enumerate(items):
        alone = encoder.collate([item], Draws(1, 2, [10 + row])).inputs["tokens"][0]
        assert torch.equal(together[row, : len(alone)], alone)
    changed = encoder.collate(items, Draws(1, 3, [10, 11, 12])).inputs["tokens"]
    assert not torch.equal(together, changed)
    assert torch.equal(together.eq(PADDING), encoder.collate(items).inputs["tokens"].eq(PADDING))
    many = encoder.collate(items * 300, Draws(0, 0, range(900))).inputs["tokens"]
    kept = encoder.collate(items * 300).inputs["tokens"]
    counted = kept.ne(PADDING)
    assert float((many.eq(UNKNOWN) & counted).sum() / counted.sum()) == pytest.approx(0.5, abs=0.03)


# Vectors: see text/test_vectors.py for their files


def test_the_vectors_are_part_of_the_encoders_dims_and_of_its_state(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 2\nfilm 3 4\n", encoding="utf-8")
    encoder = fitted(vectors=str(path))
    again = through_a_run(encoder, TextEncoder(vectors=str(path)), tmp_path / "run")
    assert encoder.dims["vectors"].shape == (encoder.dims["vocabulary_size"], 2)
    assert torch.equal(again.dims["vectors"], encoder.dims["vectors"])


# Images


def squares(count: int = 8, side: int = 10, colours: int = 0) -> list[Image]:
    random = np.random.default_rng(0)
    shape = (side, side, colours) if colours else (side, side)
    return [Image(random.integers(0, 256, shape, dtype=np.uint8), label="ab"[index % 2]) for index in range(count)]


def test_dataset_normalisation_gives_training_mean_zero_and_deviation_one():
    encoder = ImageEncoder()
    encoder.fit(train := squares(20))
    images = encoder.encode(train).inputs["image"]
    assert images.shape == (20, 1, 10, 10)
    assert float(images.mean()) == pytest.approx(0, abs=1e-4)
    assert float(images.std()) == pytest.approx(1, abs=1e-3)


def test_image_and_unit_normalisation():
    each = ImageEncoder(normalise="image")
    each.fit(train := squares(4))
    images = each.encode(train).inputs["image"]
    assert float(images.mean(dim=(1, 2, 3)).abs().max()) < 1e-5
    assert float((images.std(dim=(1, 2, 3)) - 1).abs().max()) < 1e-4
    unit = ImageEncoder(normalise="unit")
    unit.fit(train)
    pixels = torch.from_numpy(np.stack([image.pixels for image in train])).float() / 255
    torch.testing.assert_close(unit.encode(train).inputs["image"][:, 0], pixels)


def test_a_constant_image_stays_finite():
    flat = [Image(np.full((6, 6), 7, np.uint8), label=name) for name in "ab"]
    for normalise in ("dataset", "image", "unit"):
        encoder = ImageEncoder(normalise=normalise)
        encoder.fit(flat)
        assert bool(encoder.encode(flat).inputs["image"].isfinite().all())


@pytest.mark.parametrize(
    ("given_colours", "colour", "channels"), [(0, "auto", 1), (3, "auto", 3), (3, "grey", 1), (0, "rgb", 3)]
)
def test_colour_follows_the_recipe_or_the_first_image(given_colours, colour, channels):
    encoder = ImageEncoder(colour=colour)
    encoder.fit(train := squares(4, colours=given_colours))
    assert encoder.dims["in_channels"] == channels
    assert encoder.encode(train).inputs["image"].shape == (4, channels, 10, 10)
    other = squares(2, side=13, colours=3 - given_colours)
    assert encoder.encode(other).inputs["image"].shape == (2, channels, 10, 10)


def test_the_size_is_height_then_width():
    encoder = ImageEncoder(size=[5, 9])
    encoder.fit(squares(4))
    assert (encoder.dims["height"], encoder.dims["width"]) == (5, 9)
    assert encoder.encode(squares(2)).inputs["image"].shape == (2, 1, 5, 9)
    with pytest.raises(ValueError, match="height, width"):
        ImageEncoder(size=[5])


@pytest.mark.parametrize(
    ("mode", "suffix", "shape"),
    [
        ("L", ".png", (6, 4)),
        ("1", ".png", (6, 4)),
        ("LA", ".png", (6, 4)),
        ("RGB", ".png", (6, 4, 3)),
        ("RGB", ".jpg", (6, 4, 3)),
        ("RGBA", ".png", (6, 4, 3)),
        ("P", ".png", (6, 4, 3)),
        ("P", ".gif", (6, 4, 3)),
        ("CMYK", ".jpg", (6, 4, 3)),
        ("I;16", ".png", (6, 4)),
        ("F", ".tiff", (6, 4)),
    ],
)
def test_image_files_of_every_mode(mode, suffix, shape, tmp_path):
    path = tmp_path / f"image{suffix}"
    if mode in ("I;16", "F"):
        values = np.arange(24, dtype=np.uint16 if mode == "I;16" else np.float32).reshape(6, 4) * 2000
        PIL.Image.fromarray(values).save(path)
    else:
        PIL.Image.new("RGB", (4, 6), (200, 100, 50)).convert(mode).save(path)
    array = Image(path=path).array()
    assert array.shape == shape
    assert array.dtype == np.uint8


def test_sixteen_bits_keep_their_order(tmp_path):
    values = np.array([[0, 1000], [30_000, 65_535]], dtype=np.uint16)
    PIL.Image.fromarray(values).save(tmp_path / "deep.png")
    assert Image(path=tmp_path / "deep.png").array().tolist() == [[0, 4], [117, 255]]


def test_the_rotation_that_a_camera_noted_is_applied(tmp_path):
    picture = PIL.Image.new("L", (8, 4))
    picture.putpixel((7, 0), 255)
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show it
    picture.save(tmp_path / "turned.png", exif=exif)
    array = Image(path=tmp_path / "turned.png").array()
    assert array.shape == (8, 4)
    assert array[7, 3] == 255


def test_transparent_pixels_are_white(tmp_path):
    PIL.Image.new("RGBA", (2, 2), (200, 100, 50, 0)).save(tmp_path / "clear.png")
    assert Image(path=tmp_path / "clear.png").array()[0, 0].tolist() == [255, 255, 255]


AUGMENTED = {
    "flip": 0.5, "shift": 0.2, "rotate": 20.0, "scale": 0.2, "elastic": 1.0, "brightness": 0.2, "contrast": 0.3,
    "cutout": 0.3, "spatial_probability": 0.8,
}  # fmt: skip


@pytest.mark.parametrize("normalise", ["dataset", "image", "unit"])
def test_augmentation_depends_on_the_example_and_not_on_its_batch(normalise):
    encoder = ImageEncoder(normalise=normalise, **AUGMENTED)
    encoder.fit(train := squares(6))
    items = [encoder.prepare(example) for example in train]
    together = encoder.collate(items, Draws(1, 2, range(6))).inputs["image"]
    alone = [encoder.collate([item], Draws(1, 2, [row])).inputs["image"][0] for row, item in enumerate(items)]
    torch.testing.assert_close(together, torch.stack(alone), rtol=0, atol=1e-5)
    again = encoder.collate(items, Draws(1, 2, range(6))).inputs["image"]
    assert torch.equal(together, again)
    for other in (Draws(1, 3, range(6)), Draws(2, 2, range(6)), Draws(1, 2, range(1, 7))):
        assert not torch.allclose(together, encoder.collate(items, other).inputs["image"])


@pytest.mark.parametrize("name", sorted(set(AUGMENTED) - {"spatial_probability"}))
def test_each_augmentation_alone_changes_the_images_and_keeps_their_range(name):
    encoder = ImageEncoder(normalise="unit", **{name: AUGMENTED[name]})
    encoder.fit(train := squares(6))
    items = [encoder.prepare(example) for example in train]
    plain = encoder.collate(items).inputs["image"]
    changed = encoder.collate(items, Draws(0, 0, range(6))).inputs["image"]
    assert not torch.allclose(plain, changed)
    assert float(changed.min()) >= -1e-5
    assert float(changed.max()) <= 1 + 1e-5


def test_without_draws_or_without_augmentation_nothing_is_drawn():
    encoder = ImageEncoder(**AUGMENTED)
    encoder.fit(train := squares(4))
    items = [encoder.prepare(example) for example in train]
    assert torch.equal(encoder.collate(items).inputs["image"], encoder.encode(train).inputs["image"])
    plain = ImageEncoder()
    plain.fit(train)
    assert torch.equal(plain.collate(items, Draws(0, 0, range(4))).inputs["image"], plain.encode(train).inputs["image"])


def test_the_saved_image_encoder_gives_identical_batches(tmp_path):
    encoder = ImageEncoder(**AUGMENTED)
    encoder.fit(train := squares(6, colours=3))
    again = through_a_run(encoder, ImageEncoder(**AUGMENTED), tmp_path)
    items = [encoder.prepare(example) for example in train]
    draws = Draws(4, 1, range(6))
    assert torch.equal(encoder.collate(items, draws).inputs["image"], again.collate(items, draws).inputs["image"])
    assert {**encoder.dims} == {**again.dims}
