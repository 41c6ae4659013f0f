"""What Python gives to `Run.predict`, in every recipe: the right answer, or one line that says what an input should be."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import RAW

import convzoo
from convzoo.core.errors import DataError, RecipeError


class Column:
    """What pandas and Polars have in common."""

    def __init__(self, values):
        self.values = values

    def to_list(self):
        return list(self.values)


def same(found, wanted) -> bool:
    return repr(found) == repr(wanted)


@pytest.mark.parametrize("name", sorted(RAW))
def test_a_list_a_tuple_an_iterator_and_a_column_are_several_inputs(name, small_run) -> None:
    run = convzoo.Run.load(small_run(name))
    inputs = RAW[name]() * 2
    wanted = run.predict(inputs)
    assert len(wanted) == len(inputs)
    assert same(run.predict(tuple(inputs)), wanted)
    assert same(run.predict(each for each in inputs), wanted)
    assert same(run.predict(Column(inputs)), wanted)
    assert same(run.predict(dict(enumerate(inputs)).values()), wanted)


ODD = {
    "None": None,
    "NaN": float("nan"),
    "bytes": b"a text",
    "number": 3.5,
    "object": object(),
    "set": {"a", "b"},
    "mapping": {"text": "a"},
    "empty array": np.zeros((0,)),
    "array of text": np.array([["a", "b"]]),
    "array of NaN": np.full((4, 4), np.nan),
    "picture": PIL.Image.new("RGB", (20, 30), "red"),
    "missing path": Path("no/such/file.png"),
}


@pytest.mark.parametrize("name", sorted(RAW))
def test_what_is_no_input_is_refused_in_one_line_and_never_read_as_text(name, small_run) -> None:
    run = convzoo.Run.load(small_run(name))
    pictures = type(run.encoder).__name__ == "ImageEncoder"
    for what, value in ODD.items():
        if what == "picture" and pictures:
            assert len(run.predict(value)) == len(run.predict([value])) == 1
            continue
        for given in (value, [value], [*RAW[name](), value]):
            try:
                found = run.predict(given)
            except (DataError, RecipeError) as error:
                assert "\n" not in str(error), (what, str(error))
                assert len(str(error)) < 400, (what, str(error))
            else:
                pytest.fail(f"{what} was predicted: {found!r:.200}")
        assert "damaged" in run.predict([value], damaged="skip")[0], what


def test_a_picture_of_pil_is_predicted_like_its_file(small_run, tmp_path: Path) -> None:
    run = convzoo.Run.load(small_run("emotion_cnn2d"))
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 4), dtype=np.uint8)
    for mode, shown in (
        ("RGB", pixels[..., :3]),
        ("RGBA", pixels),
        ("L", pixels[..., 0]),
        ("I;16", pixels[..., 0] * np.uint16(200)),
    ):
        picture = PIL.Image.fromarray(np.ascontiguousarray(shown))
        assert picture.mode == mode
        picture.save(tmp_path / "one.png")
        by_file, by_picture = run.predict(tmp_path / "one.png"), run.predict(picture)
        assert by_file[0]["probabilities"] == by_picture[0]["probabilities"], mode


def test_columns_of_pandas_are_several_texts(small_run) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    run = convzoo.Run.load(small_run("sentiment_cnn1d"))
    texts = ["a dull plot", "a fine film"]
    assert run.predict(pandas.Series(texts, index=[7, 9])) == run.predict(texts)
    with pytest.raises(DataError, match=r"(NaN|None), an empty cell"):
        run.predict(pandas.Series(["a dull plot", None]))
