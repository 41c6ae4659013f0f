"""One's own images: their shape and colours, how the camera was held, and tables that name them."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import refused

import convzoo
from convzoo.core.errors import DataError
from convzoo.modalities.image.encoder import ImageEncoder
from convzoo.modalities.image.example import Image
from convzoo.recipe.own_data import open_recipe

FAST = ["train.epochs=1", "model.channels=[4,8,8]", "model.hidden=8", "baselines=[majority]"]


def folder_of(home: Path, shape: tuple[int, ...], count: int = 24) -> Path:
    """Two classes of noisy images of one shape."""
    random = np.random.default_rng(0)
    for number in range(count):
        place = home / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 100, shape, dtype=np.uint8) + np.uint8(100 * (number % 2))
        PIL.Image.fromarray(pixels).save(place / f"{number}.png")
    return home


def fitted(*shapes: tuple[int, ...], size="auto", many: int = 1) -> ImageEncoder:
    encoder = ImageEncoder(size=size, fit="pad", normalise="unit")
    encoder.fit([Image(np.full(shape, 9, np.uint8), label="ab"[n % 2]) for n, shape in enumerate(shapes * many)])
    return encoder


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((64, 64, 3), [64, 64]),
        ((28, 28), [28, 28]),
        ((8, 8), [28, 28]),
        ((600, 600), [96, 96]),
        ((60, 180), [55, 166]),
        ((180, 60), [166, 55]),
        ((10, 400), [32, 126]),
        ((24, 30), [25, 31]),
    ],
)
def test_the_size_follows_from_the_images(shape, size) -> None:
    encoder = fitted(shape, shape)
    assert encoder.size == size
    assert f"encoder.size=[{size[0]},{size[1]}]" in encoder.advice()
    assert f"encoder.colour={'rgb' if len(shape) == 3 else 'grey'}" in encoder.advice()
    assert min(size) >= 22, "the three blocks of the network need so many pixels"


def test_many_images_are_made_smaller_because_they_take_longer() -> None:
    assert fitted((96, 96), (96, 96), many=501).size == [64, 64]


def test_a_size_that_was_set_is_kept_and_nothing_is_said() -> None:
    encoder = fitted((60, 180), (60, 180), size=[48, 48])
    assert (encoder.size, encoder.advice()) == ([48, 48], "")


def test_an_image_of_another_shape_is_not_squashed() -> None:
    encoder = fitted((64, 64), (64, 64))
    high = np.zeros((100, 50), np.uint8)
    high[:, 25:] = 200
    found = encoder.prepare(Image(high))[0][0].numpy()
    assert found.shape == (64, 64)
    assert (found[:, :30] == 0).all() and (found[:, 34:] == 200).all(), "the border is repeated on both sides"
    disc = np.zeros((40, 160), np.uint8)
    rows, columns = np.mgrid[:40, :160]
    disc[(rows - 20) ** 2 + (columns - 80) ** 2 < 15**2] = 255
    seen = encoder.prepare(Image(disc))[0][0].numpy() > 127
    tall, wide = (int(seen.any(axis=axis).sum()) for axis in (1, 0))
    assert abs(tall - wide) <= 1, "a circle stays one"


def test_the_recipes_own_network_and_faces_stay_as_they_are() -> None:
    embedded = open_recipe("emotion_cnn2d")
    assert embedded.encoder.args["size"] == [48, 48] and embedded.encoder.args["fit"] == "resize"
    assert embedded.encoder.args["colour"] == "grey"


@pytest.mark.parametrize(("shape", "said"), [((64, 64, 3), "[64,64]"), ((40, 120, 3), "[40,120]")])
def test_a_strangers_colours_and_shape_need_nothing_but_the_data(cli, tmp_path: Path, shape, said) -> None:
    data = folder_of(tmp_path / "photos", shape)
    result = cli("run", "emotion_cnn2d", "--data", data, *FAST, "--out", "run")
    assert result.code == 0, result.err
    assert f"encoder.size={said} (height, width), encoder.colour=rgb" in result.err
    run = convzoo.Run.load("run")
    assert run.encoder.dims["in_channels"] == 3
    assert [run.encoder.dims["height"], run.encoder.dims["width"]] == list(shape[:2])
    assert len(run.predict([data / "a" / "0.png", np.zeros((33, 20), np.uint8)])) == 2
    assert cli("predict", "run", data / "a" / "0.png").code == 0


def test_a_photograph_is_turned_as_the_camera_was_held(tmp_path: Path) -> None:
    upright = np.zeros((40, 20, 3), np.uint8)
    upright[:10] = 255
    lying = PIL.Image.fromarray(np.rot90(upright))  # as a camera on its side stores it
    exif = lying.getexif()
    exif[0x0112] = 6
    lying.save(tmp_path / "one.png", exif=exif)
    image = Image(path=tmp_path / "one.png")
    assert (image.array() == upright).all()
    assert image.size() == (40, 20)
    (tmp_path / "set").mkdir()
    for orientation, shape in ((1, (20, 40)), (3, (20, 40)), (6, (40, 20)), (8, (40, 20))):
        exif[0x0112] = orientation
        PIL.Image.fromarray(np.zeros((20, 40), np.uint8)).save(tmp_path / f"{orientation}.jpg", exif=exif)
        found = Image(path=tmp_path / f"{orientation}.jpg")
        assert found.size() == shape == found.array().shape


def test_images_of_16_bits_are_predicted_as_they_were_learnt(cli, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(24):
        (tmp_path / "deep" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        level = (2000, 9000)[number % 2]  # both are dark beside the white of 16 bits, and brighter than that of 8
        pixels = random.integers(level, level + 4000, (32, 32), dtype=np.uint16)
        PIL.Image.fromarray(pixels).save(tmp_path / "deep" / "ab"[number % 2] / f"{number}.png")
    result = cli("run", "emotion_cnn2d", "--data", "deep", *FAST, "--out", "run", "--quiet")
    assert result.code == 0, result.err
    run = convzoo.Run.load("run")
    path = tmp_path / "deep" / "b" / "1.png"
    with PIL.Image.open(path) as picture:
        picture.load()
        by_file, by_array, by_picture = run.predict([path, np.asarray(picture), picture])
    assert by_file["probabilities"] == by_array["probabilities"] == by_picture["probabilities"]
    seen = run.encoder.prepare(Image(path=path))[0]
    assert 0.9 * 9000 / 257 < float(seen.float().mean()) < 13000 / 257, "one white for all, that of 16 bits"
    assert cli("predict", "run", path).code == 0


def table_of(home: Path, heading: str, row, count: int = 24) -> Path:
    folder_of(home / "pictures", (32, 32), count)
    rows = [row(number, f"pictures/{'ab'[number % 2]}/{number}.png") for number in range(count)]
    path = home / "list.csv"
    path.write_text("\n".join([heading, *rows]) + "\n")
    return path


def test_columns_with_other_names_are_found_and_paths_are_relative_to_the_table(cli, tmp_path: Path) -> None:
    data = table_of(tmp_path / "deep" / "down", "Picture,Diagnosis,taken", lambda n, path: f"{path},{'ab'[n % 2]},2020")
    result = cli("check", "emotion_cnn2d", "--data", data, *FAST, "data.label=Diagnosis")
    assert result.code == 0, result.err
    assert "file: Picture; label: Diagnosis" in result.out
    assert "taken" in result.out


def test_a_column_that_is_not_found_is_named_with_those_there_are(cli, tmp_path: Path) -> None:
    data = table_of(tmp_path, "where,kind_of_thing", lambda n, path: f"{path},{'ab'[n % 2]}")
    said = refused(cli("check", "emotion_cnn2d", "--data", data, *FAST), 3, "where", "kind_of_thing")
    assert "data.file" in said
    found = cli("check", "emotion_cnn2d", "--data", data, *FAST, "data.file=where", "data.label=kind_of_thing")
    assert found.code == 0, found.err


def test_a_column_that_says_the_split_is_followed(tmp_path: Path) -> None:
    data = table_of(
        tmp_path,
        "path,label,split",
        lambda n, path: f"{path},{'ab'[n % 2]},{['train', 'train', 'test', 'val'][n // 2 % 4]}",
    )
    recipe = open_recipe("emotion_cnn2d", (), data)
    from convzoo.recipe.assembly import build_reader

    splits = build_reader(recipe).read()
    assert [len(part) for _, part in splits] == [12, 6, 6]
    assert {example.path.stem for example in splits.test} == {"4", "5", "12", "13", "20", "21"}


def test_files_that_are_missing_are_named_or_left_out(cli, tmp_path: Path) -> None:
    data = table_of(tmp_path, "path,label", lambda n, path: f"{path},{'ab'[n % 2]}")
    (tmp_path / "pictures" / "a" / "4.png").unlink()
    said = cli("check", "emotion_cnn2d", "--data", data, *FAST)
    assert said.code == 3 and "pictures/a/4.png" in said.err and "list.csv:6" in said.err
    assert "Traceback" not in said.err
    left = cli("check", "emotion_cnn2d", "--data", data, *FAST, "data.skip_damaged=true")
    assert left.code == 0, left.err
    assert "1" in left.out and "list.csv:6" in left.out


def test_a_picture_of_too_many_pixels_is_refused_and_a_large_one_makes_no_warning(
    tmp_path, monkeypatch, recwarn
) -> None:
    PIL.Image.fromarray(np.zeros((30, 30), np.uint8)).save(tmp_path / "one.png")
    image = Image(path=tmp_path / "one.png")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 600)
    assert image.array().shape == (30, 30) and not list(recwarn)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 400)
    with pytest.raises(DataError, match=r"one.png: has more than 0 million pixels; make it smaller"):
        image.array()


def test_the_small_form_of_the_embedded_recipe_is_as_it_was(small_run) -> None:
    assert convzoo.Run.load(small_run("emotion_cnn2d")).encoder.size == [48, 48]
