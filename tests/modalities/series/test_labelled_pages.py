"""What a page shows of series with a class."""

import numpy as np
import pytest
import torch

from convzoo.core.pages import Material
from convzoo.modalities.series import labelled_pages as pages
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.series.labelled_encoder import LabelledSeriesEncoder
from convzoo.models.lite import Lite
from convzoo.tasks.classification import Classification


@pytest.fixture
def material() -> Material:
    random = np.random.default_rng(0)
    examples = [
        LabelledSeries(
            random.normal(at % 2, 1, (2, 40 + at)).astype(np.float32),
            None,
            "ab"[at % 2],
            f"p{at % 3}",
            f"s{at}",
            ("x", "<y>"),
        )
        for at in range(12)
    ]
    encoder = LabelledSeriesEncoder()
    encoder.fit(examples)
    torch.manual_seed(0)
    rows = [{"index": at, "source": f"s{at}", "true_label": "ab"[at % 2], "label": "a"} for at in range(12)]
    return Material(Lite(2, 2, channels=4, kernel_size=8).eval(), encoder, examples, rows)


def test_the_map_of_the_answer_stands_below_the_lines(material: Material) -> None:
    task = Classification(("a", "b"))
    found = pages.evidence(task, material, material.examples[3], material.predictions[3])
    assert found is not None and found.shape == (43,)
    html = pages.LabelledSeriesPages().shown(task, material, material.predictions[3])
    assert html.count("<path") >= 2 and 'class="when"' in html and "&lt;y&gt;" in html
    assert "class activation map" in pages.LabelledSeriesPages().legend(task, material)
    with_maximum = Material(Lite(2, 2, channels=4, pooling="max"), *list(vars(material).values())[1:4])
    assert pages.evidence(task, with_maximum, material.examples[3], material.predictions[3]) is None


def test_the_stretch_that_speaks_for_an_answer_is_said() -> None:
    found = np.array([0, 0, 1, 4, 3, 1, 0, 0.0])
    assert "steps 4 to 5 of 8 speak for b" in pages._in_words(found, 8, "b")
    assert "steps 7 to 10 of 16" in pages._in_words(found, 16, "b")  # two steps averaged to one
    assert "steps 1 to 4 of 4" in pages._in_words(np.ones(4), 4, "b")
    assert "No step speaks for b" in pages._in_words(-np.ones(4), 4, "b")


def test_slices_lengths_kernels_and_fields(material: Material) -> None:
    made = pages.LabelledSeriesPages()
    task = Classification(("a", "b"))
    assert [each.title for each in made.slices(task, material)] == ["group", "length"]
    assert "40 to 51 steps" in made.data(material)
    assert "First-layer kernels" in made.first_layer(material.model, material.encoder, material.examples)
    assert "a kernel of the first layer: 8 of 40 steps" in made.field(material, (30,))
    gaps = LabelledSeries(np.array([[1, np.nan, 3]], np.float32))
    assert "<path" in made.picture(gaps)
