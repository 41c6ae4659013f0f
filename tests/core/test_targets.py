"""Labels as targets: classes, numbers, several classes."""

import json
import math

import numpy as np
import pytest
import torch

from convzoo.core.errors import DataError
from convzoo.core.labels import UNLABELLED, Tags
from convzoo.core.targets import Targets

LABELS = {
    "class": ["b", "a", "b", "c"],
    "number": [3.0, 1.0, 4.0, 8.0],
    "classes": [("a", "b"), (), ("b",), ("c", "a")],
}


@pytest.mark.parametrize("label_type", LABELS)
def test_the_type_of_labels_says_what_they_are_and_is_saved(label_type: str) -> None:
    targets = Targets.of(LABELS[label_type])
    assert targets.label_type == label_type
    loaded = Targets.from_state(json.loads(json.dumps(targets.state())))
    assert loaded.dims == targets.dims
    for label in LABELS[label_type]:
        assert np.array_equal(loaded.target(label, "here"), targets.target(label, "here"))


def test_classes_are_numbered_and_counted() -> None:
    targets = Targets.of(LABELS["class"])
    assert targets.dims == {"classes": 3, "labels": ("a", "b", "c"), "counts": (1, 2, 1), "examples": 4}
    batch = targets.batch([targets.target(label, "") for label in ("c", None, "a")])
    assert batch.dtype == torch.int64
    assert batch.tolist() == [2, UNLABELLED, 0]


def test_numbers_are_standardised_by_the_training_split() -> None:
    targets = Targets.of(LABELS["number"])
    batch = targets.batch([targets.target(label, "") for label in LABELS["number"]])
    assert batch.dtype == torch.float32
    assert batch.mean().item() == pytest.approx(0, abs=1e-6)
    assert batch.std(correction=0).item() == pytest.approx(1)
    assert (targets.dims["classes"], targets.dims["mean"]) == (1, 4.0)
    assert math.isnan(targets.unlabelled())


def test_numbers_far_from_zero_lose_nothing() -> None:
    targets = Targets.of([1.6e9 + value for value in (0.0, 10.0, 20.0)])
    assert targets.batch([targets.target(1.6e9 + 10.0, "")]).item() == pytest.approx(0, abs=1e-6)


def test_several_classes_are_a_row_of_zeros_and_ones() -> None:
    targets = Targets.of(LABELS["classes"])
    batch = targets.batch([targets.target(label, "") for label in [("c", "a"), (), None]])
    assert batch[:2].tolist() == [[1, 0, 1], [0, 0, 0]]
    assert batch[2].isnan().all()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["a", "a"], "at least 2"),
        ([2.0, 2.0, None], "different numbers"),
        ([(), ()], "no example"),
        ([Tags("ab")], "sequences of tags"),
    ],
)
def test_labels_that_nothing_can_be_learnt_from_are_refused(labels: list, words: str) -> None:
    with pytest.raises(DataError, match=words):
        Targets.of(labels)


@pytest.mark.parametrize(
    ("label_type", "label"), [("class", 2.0), ("number", "2"), ("classes", "a"), ("class", ("a",))]
)
def test_a_label_of_another_kind_is_refused_with_its_place(label_type: str, label: object) -> None:
    with pytest.raises(DataError, match="file:3: the label is"):
        Targets.of(LABELS[label_type]).target(label, "file:3")  # type: ignore[arg-type]


def test_a_run_of_a_former_version_has_classes() -> None:
    assert Targets.from_state({"labels": ["x", "y"]}).dims["labels"] == ("x", "y")
