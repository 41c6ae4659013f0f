"""Classical opponents on small, uneven and odd data: they learn what can be learnt, or say why they cannot."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from convzoo.baselines.scikit import ComponentSVM, FeatureClassifier, regression
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.modalities.graph.baselines import (
    LabelPropagation,
    NeighbourLogisticRegression,
    SmoothedLogisticRegression,
)
from convzoo.modalities.graph.example import Graph, Node, make_edges
from convzoo.modalities.image.baselines import EigenSVM, HogSVM, PixelLogisticRegression, oriented_gradients
from convzoo.modalities.image.example import Image
from convzoo.modalities.series.baselines import LagRegression
from convzoo.modalities.series.example import Series, Stretch
from convzoo.modalities.text.baselines import NBSVM, TfidfLogisticRegression, TfidfSVM
from convzoo.modalities.text.example import Text

TWO = {"labels": ("no", "yes")}
Make = Callable[[], Baseline]


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """An example that is its features."""

    values: Sequence[float]
    label: str


class Rows(ComponentSVM):
    """A support vector machine on the features as they are."""

    choices: Mapping[str, Sequence[Any]] = {"components": (3, 50), "whiten": (False, True), "inverse_penalty": (10.0,)}

    def __init__(self, components: int | None = None) -> None:
        self.components = components
        self.whiten = None
        self.inverse_penalty = None
        self.made = 0
        self.prepared = 0

    def prepare(self, examples: Sequence[Row], dims: Mapping[str, Any]) -> None:
        self.prepared += 1

    def features(self, examples: Sequence[Row]) -> np.ndarray:
        self.made += 1
        return np.array([example.values for example in examples], dtype=np.float64)


class Line(FeatureClassifier):
    """Logistic regression on the features as they are."""

    max_examples = 4

    def features(self, examples: Sequence[Row]) -> np.ndarray:
        return np.array([example.values for example in examples], dtype=np.float64)

    def machine(self, features: np.ndarray) -> Any:
        return regression(1.0, iterations=2)


def tried(opponent: Baseline, train: Sequence[Any], test: Sequence[Any], dims: Mapping[str, Any]) -> list[float]:
    """The accuracy of every candidate; all scores are numbers."""
    found = []
    for settings in opponent.candidates():
        for name, value in settings.items():
            setattr(opponent, name, value)
        opponent.fit(train, dims)
        outputs = opponent.outputs(test)
        assert outputs.shape == (len(test), len(dims["labels"]))
        assert bool(torch.isfinite(outputs).all())
        right = [
            dims["labels"][number] == example.label for number, example in zip(outputs.argmax(1), test, strict=True)
        ]
        found.append(sum(right) / len(right))
    return found


def rows(count: int, width: int, seed: int = 0, scale: float = 1.0) -> list[Row]:
    """Two classes, apart in the first feature."""
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, width)) * scale
    values[:, 0] = (np.arange(count) % 2 * 4 - 2 + 0.3 * random.normal(size=count)) * scale
    return [Row(value, ("no", "yes")[index % 2]) for index, value in enumerate(values)]


# What all opponents from scikit-learn share


def test_features_are_made_once_for_all_candidates_and_anew_for_another_training_split() -> None:
    opponent, train, test = Rows(), rows(20, 4), rows(12, 4, seed=1)
    assert min(tried(opponent, train, test, TWO)) == 1.0
    assert (opponent.made, opponent.prepared) == (2, 1), "one table for each split, however many candidates"
    opponent.fit(rows(16, 4, seed=2), TWO)
    assert opponent.prepared == 2
    assert opponent.outputs(test).shape == (12, 2)


def test_the_training_split_is_scored_whole_where_only_a_part_of_it_is_learnt_from() -> None:
    train = rows(20, 2)
    opponent = Line()
    opponent.fit(train, TWO)
    assert opponent.outputs(train).shape == (20, 2)


def test_a_machine_that_did_not_converge_is_used_without_a_warning() -> None:
    assert tried(Line(), rows(40, 3, scale=1e3), rows(10, 3, scale=1e3), TWO)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_components_do_not_depend_on_the_units(scale: float) -> None:
    train, test = rows(30, 5, scale=scale), rows(20, 5, seed=1, scale=scale)
    assert tried(Rows(), train, test, TWO) == tried(Rows(), rows(30, 5), rows(20, 5, seed=1), TWO)


@pytest.mark.parametrize(("count", "width"), [(5, 40), (4, 2), (12, 1), (2, 3)])
def test_components_are_fewer_than_examples_and_features(count: int, width: int) -> None:
    assert min(tried(Rows(), rows(count, width), rows(10, width, seed=1), TWO)) > 0.4


def test_repeated_examples_have_few_components_and_no_noise_is_whitened() -> None:
    train = [Row((0.0, 1.0, 5.0), "no"), Row((1.0, 0.0, 5.0), "yes")] * 10
    assert tried(Rows(), train, train[:4], TWO) == [1.0] * 4


def test_one_example_of_a_class_and_a_class_that_training_lacks_are_no_fault() -> None:
    train = [*rows(12, 3), Row((50.0, 50.0, 50.0), "rare")]
    dims = {"labels": ("never", "no", "rare", "yes")}
    assert min(tried(Rows(), train, [*rows(6, 3, seed=1), Row((49.0, 51.0, 50.0), "rare")], dims)) > 0.8


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        ([Row((1.0, 2.0), "no"), Row((2.0, 1.0), "no")], "same class"),
        ([Row((1.0, 2.0), "no"), Row((1.0, 2.0), "yes")], "are the same"),
        ([Row((), "no"), Row((), "yes")], "no features"),
    ],
)
def test_what_nothing_can_be_learnt_from_is_said(train: list[Row], reason: str) -> None:
    for opponent in (Rows(), Line()):
        with pytest.raises(DataError, match=reason):
            opponent.fit(train, TWO)


# Images


def test_components_and_gradients_of_small_digits_reach_what_scikit_learn_reaches() -> None:
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC

    pictures, classes = load_digits(return_X_y=True)
    images = [
        Image(pixels=np.uint8(picture.reshape(8, 8) * 15), label=str(label))
        for picture, label in zip(pictures, classes, strict=True)
    ]
    train, test, dims = images[:600], images[1400:], {"labels": tuple("0123456789")}
    other = make_pipeline(PCA(30), SVC(C=10)).fit(pictures[:600], classes[:600])
    reached = other.score(pictures[1400:], classes[1400:])
    assert max(tried(EigenSVM(side=8), train, test, dims)) > reached - 0.02
    assert max(tried(HogSVM(side=24, cell=6), train, test, dims)) > 0.9


def test_gradients_tell_directions_whatever_the_brightness() -> None:
    ramp = np.tile(np.arange(16.0), (16, 1)) / 16
    across, down = oriented_gradients(np.stack([ramp, ramp.T]), 8)
    dark = oriented_gradients(ramp[None] * 0.4 + 0.1, 8)[0]
    assert across.shape == (36,)
    assert np.allclose(across, dark, atol=0.02)
    assert across @ down < 0.1 < 0.9 < across @ across
    assert oriented_gradients(np.zeros((2, 9, 9)), 8).shape == (2, 9), "one cell, and nothing to normalise"


@pytest.mark.parametrize("make", [PixelLogisticRegression, EigenSVM, HogSVM])
def test_images_that_are_all_alike_or_few_are_no_traceback(make: Make) -> None:
    grey = [Image(pixels=np.full((20, 30), 90, np.uint8), label=label) for label in ("no", "yes") * 3]
    with pytest.raises(DataError, match="are the same"):
        make().fit(grey, TWO)
    random = np.random.default_rng(0)
    few = [Image(pixels=random.integers(0, 256, (20, 30), np.uint8), label=("no", "yes")[n == 4]) for n in range(5)]
    assert tried(make(), few, few, TWO)


# Texts


@pytest.mark.parametrize("make", [TfidfLogisticRegression, TfidfSVM, NBSVM])
def test_texts_of_few_words_and_uneven_classes_are_told_apart(make: Make) -> None:
    train = [Text(f"a good film number {n}", "yes") for n in range(9)] + [Text("awful, just awful", "no")]
    test = [Text("good", "yes"), Text("awful awful", "no"), Text("", "yes")]
    assert max(tried(make(), train, test, TWO)) == 1.0
    three = {"labels": ("never", "no", "yes")}
    assert max(tried(make(), [*train, Text("neither", "never")], test, three)) == 1.0


@pytest.mark.parametrize("make", [TfidfLogisticRegression, TfidfSVM, NBSVM])
def test_texts_without_words_are_said(make: Make) -> None:
    with pytest.raises(DataError, match="no words"):
        make().fit([Text("", "no"), Text(" ", "yes")], TWO)


def test_characters_see_the_endings_of_unknown_words() -> None:
    train = [Text(word, label) for word, label in zip(("walking", "talking", "walked", "talked"), "aabb", strict=True)]
    test = [Text("jumping", "a"), Text("jumped", "b")]
    dims = {"labels": ("a", "b")}
    assert max(tried(TfidfSVM(), train, test, dims)) == 1.0
    assert max(tried(TfidfLogisticRegression(), train, test, dims)) < 1.0


# Nodes


def ring(features: np.ndarray, directed: bool = False) -> list[Node]:
    """Two rings of nodes, one for each class, without an edge between them."""
    half = len(features) // 2
    places = np.arange(half)
    sources = np.r_[places, places + half]
    targets = np.r_[(places + 1) % half, (places + 1) % half + half]
    edges, _ = make_edges(sources, targets, 2 * half, None, directed)
    labels = ["no"] * half + ["yes"] * half
    graph = Graph(edges, features.astype(np.float32), labels, [str(n) for n in range(2 * half)], (), directed)
    return [Node(graph, index, label) for index, label in enumerate(labels)]


GRAPHS: list[Make] = [LabelPropagation, NeighbourLogisticRegression, SmoothedLogisticRegression]


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("make", GRAPHS)
def test_nodes_without_features_are_told_apart_by_their_edges(make: Make, directed: bool) -> None:
    nodes = ring(np.zeros((24, 0)), directed)
    assert max(tried(make(), nodes[::3], nodes[1::3], TWO)) == 1.0


@pytest.mark.parametrize("make", GRAPHS[1:])
def test_noisy_features_are_averaged_over_neighbours(make: Make) -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(200, 1)) + np.repeat([[-0.7], [0.7]], 100, axis=0)
    nodes = ring(values * 1e6 + 3e6)
    own = max(tried(NeighbourLogisticRegression(steps=0), nodes[::4], nodes[1::2], TWO))
    assert max(tried(make(), nodes[::4], nodes[1::2], TWO)) > own + 0.08


@pytest.mark.parametrize("make", GRAPHS)
def test_a_class_of_one_node_and_one_that_training_lacks_are_no_fault(make: Make) -> None:
    nodes = ring(np.ones((12, 3)))
    dims = {"labels": ("never", "no", "yes")}
    if make is not LabelPropagation:
        with pytest.raises(DataError, match="are the same"):
            make().fit(nodes[:7], dims)
        nodes = ring(np.eye(12))
    assert tried(make(), nodes[:7], nodes[7:], dims)


# Series


def sensors(length: int = 2400, channels: int = 2, seed: int = 0, scale: float = 1.0) -> Series:
    """A wave that all sensors follow, with noise."""
    random = np.random.default_rng(seed)
    wave = np.sin(np.arange(length) / 9)[:, None] + 0.05 * random.normal(size=(length, channels))
    return Series("pump", wave * scale, tuple("abcdefgh"[:channels]), None, np.zeros(length, bool))


@pytest.mark.parametrize("scale", [1.0, 1e30])
def test_regression_on_the_last_readings_finds_a_sensor_that_leaves_the_others(scale: float) -> None:
    series = sensors(scale=scale)
    series.values[2200:2260, 1] = series.values[2150:2210, 1]  # every value is usual, but not at this time
    opponent = LagRegression(lags=4, quantile=0.99)
    opponent.fit([Stretch(series, 0, 2000)], {})
    scores, errors = opponent.outputs([Stretch(series, 2000, 2400)])[[0]][0].numpy()
    assert np.isfinite(errors).all()
    assert (scores[:4] == 0).all(), "too few steps before them"
    assert (scores[204:260] > 1).mean() > 0.9
    assert (np.r_[scores[:200], scores[275:]] > 1).mean() < 0.1


def test_regression_leaves_labelled_anomalies_and_constant_sensors_aside() -> None:
    series = sensors(channels=3)
    series.values[:, 2] = 7.0
    series.values[100:150] = 1e12
    series.anomalies[100:150] = True
    opponent = LagRegression(scope="series")
    opponent.fit([Stretch(series, 0, 600)], {})
    other = dataclasses.replace(series, name="another pump")
    for one in (series, other):
        scores = opponent.outputs([Stretch(one, 600, 900)])[[0]][0, 0].numpy()
        assert (scores > 1).mean() < 0.1


def test_regression_says_what_is_too_short_and_scores_short_stretches() -> None:
    series = sensors(length=40, channels=1)
    with pytest.raises(DataError, match="set lags below 38"):
        LagRegression(lags=38).fit([Stretch(series, 0, 39)], {})
    opponent = LagRegression(lags=8)
    opponent.fit([Stretch(series, 0, 30)], {})
    short = opponent.outputs([Stretch(series, 30, 35), Stretch(series, 0, 40)])
    assert torch.isfinite(short[[0]]).all()
    assert bool((short[[0]][0, 0] == 0).all())
    assert short[[0, 1]].shape == (2, 2, 40)
