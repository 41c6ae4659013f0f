"""Detection in point clouds: boxes, pillars, KITTI's files and rules, simulated streets, own data, wrong data."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import shapely
import torch
from conftest import refused
from hypothesis import given, settings
from hypothesis import strategies as st

import convzoo
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.libraries import import_open3d
from convzoo.core.outputs.boxes import BOX, Calibration, Detections, Found, Objects, corners_of
from convzoo.core.randomness import Draws
from convzoo.metrics.detection import DetectionMeter, scored_frame
from convzoo.metrics.kitti_ap import (
    DIFFICULTIES,
    NEIGHBOURS,
    ScoredFrame,
    average,
    least_overlap,
    precision_curve,
    recall_thresholds,
)
from convzoo.modalities.points.augment import flipped, paste, scaled, turned
from convzoo.modalities.points.baselines import ClusterBoxes, UsualPlaces
from convzoo.modalities.points.data.kitti import Kitti
from convzoo.modalities.points.data.kitti_files import (
    calibration_text,
    label_lines,
    lists_of,
    read_calibration,
    read_frames,
    read_labels,
    region_lines,
)
from convzoo.modalities.points.data.own import CloudTable
from convzoo.modalities.points.data.streets import CLASSES, MAKERS, Streets
from convzoo.modalities.points.encoder import PointCloudEncoder
from convzoo.modalities.points.example import PointCloud
from convzoo.modalities.points.scenes import Mark, from_above, in_perspective
from convzoo.models.pillars import Pillars
from convzoo.ops import pillars as pillar_ops
from convzoo.ops.boxes import (
    corners_from_above,
    intersection_from_above,
    overlap_from_above,
    overlap_in_space,
    points_in_boxes,
    suppress,
)
from convzoo.recipe.assembly import build
from convzoo.recipe.recipe import load
from convzoo.tasks.detection import Detection

TINY_STREETS = {"train": 16, "val": 26, "test": 6}
"""As the tiny form of the recipe has them, so that they are scanned once."""


@pytest.fixture(scope="module")
def streets() -> object:
    return Streets(**TINY_STREETS).read()


@pytest.fixture
def kitti(streets, tmp_path: Path) -> Path:
    """A small folder in KITTI's shape, without lists, that may be changed."""
    home = tmp_path / "kitti" / "training"
    for name in ("velodyne", "label_2", "calib"):
        (home / name).mkdir(parents=True)
    source = streets.train[0].path.parent.parent
    for name in [example.path.stem for example in streets.train[:8]]:
        for folder, suffix in (("velodyne", "bin"), ("label_2", "txt"), ("calib", "txt")):
            shutil.copy(source / folder / f"{name}.{suffix}", home / folder)
    return home.parent


def a_calibration() -> Calibration:
    return Calibration(
        np.array([[0.02, -1, 0.01, 0.03], [0, 0.01, -1, -0.08], [1, 0.02, 0, -0.27]]),
        np.array([[700.0, 0, 600, 40], [0, 700, 170, 1], [0, 0, 1, 0.003]]),
    )


def random_boxes(random: np.random.Generator, count: int, spread: float = 4.0) -> np.ndarray:
    return np.c_[
        random.uniform(-spread, spread, (count, 2)), random.uniform(-1, 1, count), random.uniform(0.3, 5, (count, 3)),
        random.uniform(-4, 4, count),
    ]  # fmt: skip


# Boxes


numbers = st.floats(-6, 6).map(lambda value: round(value, 3))
sizes = st.floats(0.05, 6).map(lambda value: round(value, 3))
boxes = st.tuples(numbers, numbers, numbers, sizes, sizes, sizes, numbers).map(list)


def polygon(box: torch.Tensor) -> shapely.Polygon:
    return shapely.Polygon(corners_from_above(box).numpy())


@settings(max_examples=200)
@given(
    boxes, boxes, st.sampled_from(["as they are", "same", "turned by a quarter", "moved", "nearly the same", "beside"])
)
def test_overlap_is_shapely_s(first, second, kind) -> None:
    one, other = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    if kind != "as they are":
        other = one.clone()
        other[6] += {"turned by a quarter": math.pi / 2, "nearly the same": 1e-12}.get(kind, 0.0)
        other[0] += {"moved": 0.3, "nearly the same": 1e-13}.get(kind, 0.0)
        if kind == "beside":
            other[:2] += one[3] * torch.stack([one[6].cos(), one[6].sin()])
    shared = polygon(one).intersection(polygon(other)).area
    assert intersection_from_above(one, other).item() == pytest.approx(shared, abs=1e-6)
    union = polygon(one).union(polygon(other)).area
    assert overlap_from_above(one[None], other[None]).item() == pytest.approx(shared / union, abs=1e-6)
    bottoms, tops = ([float(box[2] + side * box[5] / 2) for box in (one, other)] for side in (-1, 1))
    height = max(0.0, min(tops) - max(bottoms))
    volumes = float(one[3:6].prod() + other[3:6].prod())
    assert overlap_in_space(one[None], other[None]).item() == pytest.approx(
        shared * height / (volumes - shared * height), abs=1e-6
    )


def test_overlaps_of_many_pairs_are_those_of_each() -> None:
    first, second = (torch.from_numpy(random_boxes(np.random.default_rng(seed), 40)) for seed in (0, 1))
    found = overlap_from_above(first, second)
    for row in range(0, 40, 7):
        for column in range(0, 40, 5):
            one, other = polygon(first[row]), polygon(second[column])
            assert float(found[row, column]) == pytest.approx(
                one.intersection(other).area / one.union(other).area, abs=1e-9
            )
    assert torch.equal(overlap_from_above(first[:0], second), torch.zeros(0, 40, dtype=torch.float64))
    flat = first[:3].clone()
    flat[:, 3:6] = 0
    assert torch.equal(overlap_in_space(flat, second), torch.zeros(3, 40, dtype=torch.float64)), (
        "nothing overlaps nothing"
    )


def test_points_in_boxes_are_shapely_s() -> None:
    random = np.random.default_rng(3)
    some = torch.from_numpy(random_boxes(random, 12))
    points = torch.from_numpy(random.uniform(-5, 5, (400, 3)))
    found = points_in_boxes(points, some)
    for column, box in enumerate(some):
        above = shapely.contains_xy(polygon(box), points[:, 0].numpy(), points[:, 1].numpy())
        level = (points[:, 2] - box[2]).abs().numpy() <= float(box[5]) / 2
        assert np.array_equal(found[:, column].numpy(), above & level)
    assert found.any()
    corner = torch.tensor([[1.0, 1.0, 1.0]], dtype=torch.float64)
    assert points_in_boxes(corner, torch.tensor([[0.0, 0, 0, 2, 2, 2, 0]], dtype=torch.float64)).all(), "surfaces count"


def test_suppression_is_what_it_says() -> None:
    random = np.random.default_rng(4)
    some = torch.from_numpy(random_boxes(random, 60, spread=6))
    scores = torch.from_numpy(random.permutation(60) / 60)
    kept = suppress(some, scores, 0.15)
    expected: list[int] = []
    for index in scores.argsort(descending=True).tolist():
        others = [polygon(some[other]) for other in expected]
        own = polygon(some[index])
        if all(own.intersection(other).area / own.union(other).area <= 0.15 for other in others):
            expected.append(index)
    assert kept.tolist() == expected
    assert 5 < len(kept) < 60
    assert suppress(some, scores, 0.15, limit=3).tolist() == expected[:3]
    assert suppress(some[:0], scores[:0], 0.15).tolist() == []


# Pillars


def test_scatter_is_that_of_a_loop() -> None:
    random = np.random.default_rng(5)
    values = torch.from_numpy(random.uniform(0, 1, (300, 5)))
    cell = torch.from_numpy(random.integers(0, 40, 300))
    means, held = pillar_ops.scatter_mean(values, cell, 50)
    maxima = pillar_ops.scatter_max(values, cell, 50)
    for number in range(50):
        own = values[cell == number]
        assert held[number] == len(own)
        assert torch.allclose(means[number], own.mean(dim=0) if len(own) else torch.zeros(5).double())
        assert torch.equal(maxima[number], own.amax(dim=0) if len(own) else torch.zeros(5).double())


def test_points_fall_into_the_pillars_above_them() -> None:
    points = torch.tensor(
        [[0.0, -2.0, 0], [0.49, -1.51, 0], [3.99, 1.99, 0], [4.0, 0, 0], [-0.01, 0, 0], [1.0, 2.0, 0]]
    )
    frame = torch.tensor([0, 1, 1, 0, 0, 1])
    found = pillar_ops.cells_of(points, frame, (0.0, -2.0), 0.5, (8, 8), 2)
    assert found.tolist() == [0, 64, 127, 128, 128, 128], "those outside get the number after the last"


def small_network(**more) -> Pillars:
    torch.manual_seed(0)
    arguments = {
        "pillar_channels": 8,
        "channels": [8, 8],
        "blocks": [1, 2],
        "neck_channels": 8,
        "head_channels": 8,
    } | more
    return Pillars(2, [0.0, 8.0, -4.0, 4.0], 0.5, **arguments)


def some_points(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 4, generator=torch.Generator().manual_seed(seed)) * torch.tensor(
        [8, 8, 2, 1]
    ) - torch.tensor([0, 4, 1, 0])


def test_pillar_features_are_the_paper_s() -> None:
    network = small_network(normalisation="none").eval()
    points = some_points(60)
    found = network.pillars(points, torch.zeros(60, dtype=torch.int64), torch.tensor([60]))[0][0]
    assert tuple(found.shape) == (8, 16, 16)
    for row in range(16):
        for column in range(16):
            own = points[(points[:, 0] // 0.5 == column) & ((points[:, 1] + 4) // 0.5 == row)]
            if not len(own):
                assert not found[:, row, column].any()
                continue
            centre = torch.tensor([(column + 0.5) * 0.5, -4 + (row + 0.5) * 0.5])
            features = torch.cat([own, own[:, :3] - own[:, :3].mean(dim=0), own[:, :2] - centre], dim=1)
            expected = network.points.linear(features).relu().amax(dim=0)
            assert torch.allclose(found[:, row, column], expected, atol=1e-5)


def test_the_ground_is_the_lowest_pillar_nearby() -> None:
    random = torch.Generator().manual_seed(0)
    height, empty = torch.rand(2, 12, 16, generator=random), torch.rand(2, 12, 16, generator=random) < 0.6
    empty[1, :, :9] = True
    found = pillar_ops.lowest_nearby(height, empty, 2, 2)
    assert tuple(found.shape) == (2, 6, 8)
    for frame in range(2):
        for row in range(6):
            for column in range(8):
                rows, columns = (slice(max(0, 2 * at - 2), 2 * at + 3) for at in (row, column))
                near = height[frame, rows, columns][~empty[frame, rows, columns]]
                assert float(found[frame, row, column]) == (float(near.min()) if len(near) else 0.0)


def test_heights_move_with_the_ground() -> None:
    """A frame that stands 0.7 m higher has its boxes 0.7 m higher before anything is learnt of heights."""
    network = small_network(normalisation="none").eval()
    with torch.no_grad():
        network.points.linear.weight[:, [2]] = 0.0  # features do not see the height, only the ground does
    points = some_points(200)
    higher = points + torch.tensor([0, 0, 0.7, 0])
    frame, counts = torch.zeros(200, dtype=torch.int64), torch.tensor([200])
    change = network(higher, frame, counts) - network(points, frame, counts)
    assert torch.allclose(change[:, 4], torch.full_like(change[:, 4], 0.7), atol=1e-4)
    assert change[:, [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11]].abs().max() < 1e-4


def test_a_frame_does_not_depend_on_its_batch_nor_on_the_order_of_its_points() -> None:
    network = small_network().eval()
    first, second = some_points(50, 1), some_points(70, 2)
    frame = torch.repeat_interleave(torch.arange(3), torch.tensor([50, 0, 70]))
    together = network(torch.cat([first, second]), frame, torch.tensor([50, 0, 70]))
    order = torch.randperm(50)
    alone = network(first[order], torch.zeros(50, dtype=torch.int64), torch.tensor([50]))
    assert torch.allclose(together[:1], alone, atol=1e-5)
    parts = torch.cat(list(network.in_parts(torch.cat([first, second]), frame, torch.tensor([50, 0, 70]))))
    assert torch.allclose(parts, together, atol=1e-6)


def test_large_batches_are_computed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    import convzoo.models.pillars as module

    monkeypatch.setattr(module, "LARGEST_MAP", 2 * 16 * 16 * 8)
    network = small_network().eval()
    counts = torch.tensor([5, 9, 0, 7, 3])
    points, frame = some_points(24), torch.repeat_interleave(torch.arange(5), counts)
    parts = list(network.in_parts(points, frame, counts))
    assert [len(part) for part in parts] == [2, 2, 1]
    assert torch.allclose(torch.cat(parts), network(points, frame, counts), atol=1e-6)


def test_one_point_and_none_train() -> None:
    network = small_network().train()
    for count in (0, 1):
        output = network(some_points(count), torch.zeros(count, dtype=torch.int64), torch.tensor([count]))
        assert torch.isfinite(output).all()
        output.sum().backward()


def test_receptive_fields_are_what_reaches_the_output() -> None:
    network = small_network(normalisation="none", channels=[4, 4], blocks=[1, 1]).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.abs() + 0.01)  # so that nothing is cut off by an activation
    claimed = network.receptive_fields({})
    grid = torch.ones(1, 8, 16, 16, dtype=torch.float64, requires_grad=True)
    network.pillars = lambda *_: (grid, torch.zeros(1, 8, 8).double())  # type: ignore[method-assign]
    output = network(some_points(1).double(), torch.zeros(1, dtype=torch.int64), torch.tensor([1]))
    output[0, 0, 4, 4].backward()
    reached = torch.nonzero(grid.grad[0].abs().sum(dim=0))
    height, width = (reached.amax(dim=0) - reached.amin(dim=0) + 1).tolist()
    assert max(height, width) <= claimed["heat_map"][0]
    assert max(height, width) >= claimed["heat_map"][0] - 2, "but for where a coarse cell begins"


def test_wrong_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        Pillars(2, [0.0, 9.0, -4.0, 4.0], 0.5, channels=[8, 8], blocks=[1, 1])
    with pytest.raises(ValueError, match="channels has 2"):
        small_network(blocks=[1])
    with pytest.raises(ValueError, match="instance"):
        small_network(normalisation="instance")


# KITTI's average precision


def frame_of(
    true: list[tuple[str, float, int, float]],
    found: list[tuple[str, float, float]],
    overlaps: list[list[float]],
    **more,
) -> ScoredFrame:
    """Objects (class, height, occluded, truncated), detections (class, score, height), overlaps of each detection with each."""
    matrix = np.array(overlaps, np.float64).reshape(len(found), len(true))
    return ScoredFrame(
        [item[0] for item in true], np.array([item[1] for item in true], np.float64),
        np.array([item[2] for item in true]), np.array([item[3] for item in true], np.float64),
        [item[0] for item in found], np.array([item[1] for item in found], np.float64),
        np.array([item[2] for item in found], np.float64), {"3d": matrix}, **more,
    )  # fmt: skip


CAR = ("Car", 50.0, 0, 0.0)


def test_precision_of_hand_computed_cases() -> None:
    right = frame_of([CAR], [("Car", 0.9, 50)], [[0.8]])
    # One of one: the only threshold is at recall 0, so the curve has one value of 41.
    curve = precision_curve([right], "Car", "easy")
    assert curve.tolist() == [1.0] + [0.0] * 40
    assert average(curve, 11) == pytest.approx(1 / 11)
    assert average(curve, 40) == 0.0
    # 40 of 40 fill 40 thresholds: 0, 1/40, … 39/40, one short of full recall.
    assert precision_curve([right] * 40, "Car", "easy").tolist() == [1.0] * 40 + [0.0]
    # 41 and more fill all.
    many = precision_curve([right] * 80, "Car", "easy")
    assert average(many, 40) == average(many, 11) == 1.0
    # Each frame has a wrong box of the same score: half of all are right.
    half = frame_of([CAR], [("Car", 0.9, 50), ("Car", 0.9, 50)], [[0.8], [0.1]])
    assert average(precision_curve([half] * 80, "Car", "easy"), 40) == pytest.approx(0.5)
    # Half of all are found, and nothing wrong: 40 detections of 80 reach recall .5, the first 20 thresholds after the one at 0.
    missed = frame_of([CAR], [], [])
    found = precision_curve([right, missed] * 40, "Car", "easy")
    assert average(found, 40) == pytest.approx(20 / 40)
    assert average(found, 11) == pytest.approx(6 / 11)


def test_rules_of_overlap_classes_and_doubles() -> None:
    def precision(frame: ScoredFrame, name: str = "Car", difficulty: str = "moderate") -> float:
        return float(precision_curve([frame] * 80, name, difficulty)[20])

    assert precision(frame_of([CAR], [("Car", 0.9, 50)], [[0.7]])) == 0.0, "more than .7, not .7"
    assert precision(frame_of([("Pedestrian", 50, 0, 0)], [("Pedestrian", 0.9, 50)], [[0.6]]), "Pedestrian") == 1.0
    assert precision(frame_of([("car", 50, 0, 0)], [("CAR", 0.9, 50)], [[0.8]])) == 1.0, "case does not matter"
    doubled = frame_of([CAR], [("Car", 0.9, 50), ("Car", 0.8, 50)], [[0.8], [0.9]])
    assert precision(doubled) == 1.0, "the threshold of the recall cuts off what scores less"
    same = frame_of([CAR], [("Car", 0.9, 50), ("Car", 0.9, 50)], [[0.8], [0.9]])
    assert precision(same) == 0.5, "a double is wrong"
    van = frame_of([CAR, ("Van", 50, 0, 0)], [("Car", 0.9, 50), ("Car", 0.95, 50)], [[0.8, 0], [0, 0.8]])
    assert precision(van) == 1.0, "a van may be found"
    truck = frame_of([CAR, ("Truck", 50, 0, 0)], [("Car", 0.9, 50), ("Car", 0.95, 50)], [[0.8, 0], [0, 0.8]])
    assert precision(truck) == 0.5, "a truck may not"
    low = frame_of([CAR], [("Car", 0.9, 50), ("Car", 0.95, 20)], [[0.8], [0]])
    assert precision(low) == 1.0, "what is too low in the image counts neither way"
    stuff = frame_of([CAR], [("Car", 0.9, 50), ("Car", 0.95, 50)], [[0.8], [0]], stuff={"3d": np.array([[0.0], [0.9]])})
    assert precision(stuff) == 1.0, "nor does what lies where nothing is labelled"


@pytest.mark.parametrize(
    ("truth", "counts"),
    [
        (("Car", 41, 0, 0.15), ["easy", "moderate", "hard"]),
        (("Car", 39.9, 0, 0.1), ["moderate", "hard"]),
        (("Car", 80, 1, 0.1), ["moderate", "hard"]),
        (("Car", 80, 0, 0.3), ["moderate", "hard"]),
        (("Car", 80, 2, 0.1), ["hard"]),
        (("Car", 80, 0, 0.5), ["hard"]),
        (("Car", 24.9, 0, 0.0), []),
        (("Car", 80, 3, 0.0), []),
        (("Car", 80, 0, 0.51), []),
    ],
)
def test_difficulties(truth: tuple, counts: list[str]) -> None:
    missed = frame_of([truth, CAR], [("Car", 0.9, 50)], [[0.0, 0.8]])
    for difficulty in DIFFICULTIES:
        reached = int((precision_curve([missed] * 80, "Car", difficulty) > 0).sum())
        assert reached == (21 if difficulty in counts else 41), difficulty


def slow_curve(frames: list[ScoredFrame], name: str, difficulty: str, measure: str) -> np.ndarray:
    """The rules once more, object by object and threshold by threshold, from their description."""
    limits, least = DIFFICULTIES[difficulty], least_overlap(name)

    def role_of_object(frame: ScoredFrame, index: int) -> str:
        kind = frame.true_names[index].lower()
        if kind not in (name.lower(), NEIGHBOURS.get(name.lower())):
            return "other"
        visible = (
            frame.true_heights[index] >= limits.height
            and frame.occluded[index] <= limits.occluded
            and frame.truncated[index] <= limits.truncated
        )
        return "wanted" if kind == name.lower() and visible else "optional"

    def role_of_detection(frame: ScoredFrame, index: int) -> str:
        if frame.heights[index] < limits.height:
            return "low"
        return "own" if frame.names[index].lower() == name.lower() else "other"

    def play(frame: ScoredFrame, threshold: float | None) -> tuple[list[float], int]:
        """The scores of right detections and the number of wrong ones; without a threshold, the way recall is measured."""
        left = [
            index
            for index in range(len(frame.names))
            if role_of_detection(frame, index) != "other" and (threshold is None or frame.scores[index] >= threshold)
        ]
        hits: list[float] = []
        for column in range(len(frame.true_names)):
            role = role_of_object(frame, column)
            if role == "other":
                continue
            able = [index for index in left if frame.overlaps[measure][index, column] > least]
            if not able:
                continue
            if threshold is None:
                chosen = max(able, key=lambda index: (frame.scores[index], -index))
            else:
                own = [index for index in able if role_of_detection(frame, index) == "own"]
                column_ = frame.overlaps[measure][:, column]
                chosen = max(own, key=lambda index: (column_[index], -index)) if own else able[0]
            left.remove(chosen)
            if role == "wanted" and role_of_detection(frame, chosen) == "own":
                hits.append(float(frame.scores[chosen]))
        wrong = 0
        for index in left:
            inside = measure in frame.stuff and any(part > least for part in frame.stuff[measure][index])
            if role_of_detection(frame, index) == "own" and not inside:
                wrong += 1
        return hits, wrong

    wanted = sum(role_of_object(frame, i) == "wanted" for frame in frames for i in range(len(frame.true_names)))
    scores = sorted((score for frame in frames for score in play(frame, None)[0]), reverse=True)
    thresholds: list[float] = []
    for place, score in enumerate(scores):
        target = len(thresholds) / 40
        here, there = (place + 1) / wanted, (place + 2) / wanted
        if place + 1 < len(scores) and there - target < target - here - 1e-12:
            continue
        thresholds.append(score)
    values = np.zeros(41)
    for number, threshold in enumerate(thresholds):
        played = [play(frame, threshold) for frame in frames]
        right, wrong = sum(len(hits) for hits, _ in played), sum(count for _, count in played)
        values[number] = right / (right + wrong) if right + wrong else 0
    return np.array([values[number:].max() for number in range(41)])


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_precision_is_that_of_an_independent_implementation(seed: int) -> None:
    random = np.random.default_rng(seed)
    kinds = ["Car", "Van", "Pedestrian", "Truck"]
    frames = []
    for _ in range(random.integers(1, 9)):
        objects, found, regions = random.integers(0, 5), random.integers(0, 7), random.integers(0, 2)
        frames.append(
            ScoredFrame(
                list(random.choice(kinds, objects)), random.choice([20.0, 30.0, 60.0], objects),
                random.integers(0, 4, objects), random.choice([0.0, 0.2, 0.4, 0.6], objects),
                list(random.choice(kinds[:3], found, p=[0.6, 0.1, 0.3])), random.choice(np.arange(1, 15) / 15, found),
                random.choice([20.0, 30.0, 60.0], found, p=[0.15, 0.15, 0.7]),
                {"image": random.choice([0.0, 0.3, 0.6, 0.75, 0.9], (found, objects))},
                {"image": random.choice([0.0, 0.8], (found, regions))},
            )
        )  # fmt: skip
    for name in ("Car", "Pedestrian"):
        for difficulty in DIFFICULTIES:
            fast = precision_curve(frames, name, difficulty, "image")
            assert fast == pytest.approx(slow_curve(frames, name, difficulty, "image"))


def test_thresholds_are_where_recall_comes_nearest() -> None:
    assert recall_thresholds([], 5).tolist() == []
    few = recall_thresholds([0.9, 0.8, 0.7], 3)
    assert few.tolist() == [0.9, 0.8, 0.7], "with few objects each is a step"
    many = recall_thresholds(np.linspace(1, 0, 400), 400)
    assert len(many) == 41
    assert np.all(np.diff(many) < 0)
    with pytest.raises(ValueError, match="not 12"):
        average(np.zeros(41), 12)


def test_the_meter_finds_the_truth_perfect_and_counts_what_the_camera_sees(streets) -> None:
    meter = DetectionMeter(list(CLASSES))
    examples = [*streets.train, *streets.val, *streets.test]

    def all_of(example: PointCloud, extra: np.ndarray | None = None) -> Found:
        own = example.objects
        boxes = own.boxes if extra is None else np.concatenate([own.boxes, extra])
        kinds = [CLASSES.index(name) for name in own.names] + [0] * (len(boxes) - len(own))
        return Found(boxes, np.array(kinds, np.int64), np.full(len(boxes), 0.9))

    behind = np.array([[-20.0, 0, -1, 4, 1.7, 1.5, 0]])
    meter.update(Detections([all_of(example, behind) for example in examples]), {"frames": examples})
    scores = meter.compute()
    assert scores["mean_ap_3d"] == scores["mean_ap_bev"] == pytest.approx(1, abs=0.03)
    assert scores["mean_ap_image"] > 0.95
    for name in CLASSES:
        assert {f"{name.lower()}_3d_{level}{end}" for level in DIFFICULTIES for end in ("", "_r11")} <= set(scores)
    seen = np.array([[20.0, 0, -1, 4, 1.7, 1.5, 0]])
    other = DetectionMeter(list(CLASSES))
    other.update(Detections([all_of(example, seen) for example in examples]), {"frames": examples})
    assert other.compute()["car_3d_moderate"] < 0.9, "a wrong box in the camera's view counts"


def test_clouds_without_a_camera_are_scored_in_space() -> None:
    box = np.array([[5.0, 0, 0, 4, 2, 1.5, 0.1]])
    example = PointCloud(points=np.zeros((3, 4)), objects=Objects.of(["Machine"], box))
    frame = scored_frame(Found(box, np.array([0]), np.array([0.8])), example.objects, None, ["Machine"])
    assert frame.overlaps["3d"].item() == pytest.approx(1)
    assert "image" not in frame.overlaps
    meter = DetectionMeter(["Machine"])
    meter.update(Detections([Found(box, np.array([0]), np.array([0.8]))] * 80), {"frames": [example] * 80})
    scores = meter.compute()
    assert scores["mean_ap_3d"] == scores["machine_3d_easy"] == 1.0
    assert "mean_ap_image" not in scores


# KITTI's files


def test_labels_and_calibrations_come_back_as_they_were_written(tmp_path: Path) -> None:
    calibration = a_calibration()
    turn, _, back = np.linalg.svd(calibration.to_camera[:, :3])
    calibration = Calibration(np.c_[turn @ back, calibration.to_camera[:, 3]], calibration.to_image)
    (tmp_path / "calib.txt").write_text(calibration_text(calibration))
    again = read_calibration(tmp_path / "calib.txt")
    assert np.allclose(again.to_camera, calibration.to_camera, atol=1e-9)
    assert np.allclose(again.to_image, calibration.to_image, atol=1e-9)
    random = np.random.default_rng(6)
    places, turns = random.uniform([5, -9, -2], [40, 9, 0], (9, 3)), random.uniform(-3.1, 3.1, (9, 1))
    boxes = np.concatenate([places, random.uniform(0.5, 4, (9, 3)), turns], axis=1)
    names = ["Car"] * 9
    image, _ = calibration.image_boxes(boxes)
    lines = label_lines(names, boxes, calibration, None, image, np.linspace(0, 1, 9), np.arange(9) % 4)
    lines += region_lines(np.array([[1.0, 2, 3, 4]]))
    (tmp_path / "label.txt").write_text("\n".join(lines))
    objects = read_labels(tmp_path / "label.txt", calibration)
    assert objects.names == tuple(names)
    assert np.allclose(objects.boxes[:, :6], boxes[:, :6], atol=0.02)
    assert np.allclose(np.cos(objects.boxes[:, 6] - boxes[:, 6]), 1, atol=1e-3)
    assert np.allclose(objects.image, image, atol=0.01)
    assert objects.occluded.tolist() == (np.arange(9) % 4).tolist()
    assert objects.regions.tolist() == [[1, 2, 3, 4]]


def test_a_camera_sees_boxes_where_their_corners_are() -> None:
    calibration = a_calibration()
    boxes = np.array(
        [[20.0, 1, -0.5, 4, 1.7, 1.5, 0.4], [-20.0, 1, -0.5, 4, 1.7, 1.5, 0.4], [1.0, 0, -1, 4, 2, 1.5, 0]]
    )
    regions, inside = calibration.image_boxes(boxes)
    pixels, depth = calibration.pixels_of(corners_of(boxes[:1])[0])
    assert (depth > 0).all()
    assert np.allclose(regions[0], [*pixels.min(axis=0), *pixels.max(axis=0)])
    assert inside.tolist() == [True, False, True], "behind the camera, and partly before it"
    assert np.allclose(calibration.lidar_of(calibration.camera_of(boxes[:, :3])), boxes[:, :3])


def test_the_three_real_frames(mirror: Path, tmp_path: Path) -> None:
    home = mirror / "kitti" / "training"
    frames = read_frames(home, ["000000", "000001", "000002"])
    assert [len(frame.read()) for frame in frames] == [115_384, 120_268, 126_891]
    assert [frame.objects.names for frame in frames] == [
        ("Pedestrian",), ("Truck", "Car", "Cyclist"), ("Misc", "Car"),
    ]  # fmt: skip
    assert frames[0].calibration.size == (1224, 370), "of its image"
    inside = [
        points_in_boxes(torch.from_numpy(frame.read()[:, :3]).double(), torch.from_numpy(frame.objects.boxes)).sum(dim=0).tolist()
        for frame in frames
    ]  # fmt: skip
    assert inside == [[377], [71, 9, 18], [1349, 67]]
    for frame in frames:
        name = f"{frame.path.stem}.txt"
        lines = label_lines(
            frame.objects.names, frame.objects.boxes, frame.calibration, None, frame.objects.image,
            frame.objects.truncated, frame.objects.occluded,
        )  # fmt: skip
        given = [line for line in (home / "label_2" / name).read_text().splitlines() if not line.startswith("DontCare")]
        for ours, theirs in zip(lines, given, strict=True):
            assert ours.split()[0] == theirs.split()[0]
            difference = np.abs(np.array(ours.split()[1:], float) - np.array(theirs.split()[1:], float))
            assert difference.max() < 0.0151, "alpha is computed anew; all else comes back"
        covered, seen = frame.calibration.image_boxes(frame.objects.boxes)
        assert seen.all()
        # The image box of a car far away is where its box in space falls; a person who swings an arm is less exact.
        assert np.abs(covered - frame.objects.image).max() < 10
    meter = DetectionMeter(["Car", "Pedestrian", "Cyclist"])
    perfect = [
        Found(
            frame.objects.boxes[[name in meter.labels for name in frame.objects.names]],
            np.array([meter.labels.index(name) for name in frame.objects.names if name in meter.labels]),
            np.full(sum(name in meter.labels for name in frame.objects.names), 0.9),
        )
        for frame in frames
    ]
    meter.update(Detections(perfect), {"frames": frames})
    scores = meter.compute()
    assert scores["pedestrian_3d_easy_r11"] == pytest.approx(1 / 11), "one of one: the recall of 0 is reached"
    assert scores["car_3d_moderate_r11"] == pytest.approx(1 / 11), "of two cars one is high enough for moderate"
    assert scores["car_3d_moderate"] == 0, "one object reaches no recall but 0, which 40 recalls leave out"


def test_the_real_frames_are_drawn(mirror: Path) -> None:
    (frame,) = read_frames(mirror / "kitti" / "training", ["000001"])
    marks = [Mark(box, "ok") for box in frame.objects.boxes]
    for scene in (from_above, in_perspective):
        picture = scene(frame.read(), marks, [0, 72, -36, 36], "a frame")
        assert picture.count("<img") == 1, "points are one picture, boxes are lines"
        assert picture.count('<path class="ok"') == len(marks), "each box is drawn"
        assert len(picture) < 100_000, "a real frame of 120,000 points is thinned"


def test_the_official_lists(mirror: Path, cli) -> None:
    listed = lists_of(mirror / "kitti")
    assert [len(listed[name]) for name in ("train", "val", "test")] == [3712, 3769, 7518]
    assert not set(listed["train"]) & set(listed["val"])
    assert sorted([*listed["train"], *listed["val"]]) == [f"{number:06d}" for number in range(7481)]
    reader = Kitti(str(mirror / "kitti"), lists="official")
    home = mirror / "kitti" / "training"
    parts, origin = reader._given(home, home.parent, listed)
    assert [len(parts[name]) for name in ("train", "val", "test")] == [3341, 371, 3769]
    assert parts["test"] == listed["val"]
    assert "val.txt" in origin
    with pytest.raises(DataError, match=r"000003.*3,338 of 3,341 frames|000003.*have no scan"):
        reader.read()
    refused(cli("check", "reference/lidar_kitti_pointpillars"), 3, "data.path", "data_object_velodyne.zip")


def test_real_frames_run_through_the_reference_network(mirror: Path, tmp_path: Path) -> None:
    recipe = load("reference/lidar_kitti_pointpillars")
    encoder = build("encoder", recipe.encoder)
    frames = read_frames(mirror / "kitti" / "training", ["000000", "000001", "000002"])
    encoder.paste = 0
    encoder.fit(frames)
    assert encoder.labels == ("Car", "Pedestrian", "Cyclist")
    torch.manual_seed(0)
    network = build("model", recipe.model, encoder.dims).eval()
    assert network.size == (496, 432), "the paper's grid of 0.16 m"
    task = build("task", recipe.task, encoder.dims)
    with torch.no_grad():
        batch = encoder.encode(frames[:1])
        found = task.predict(network, batch)
        losses = task.losses(network(**batch.inputs), batch.target)
    assert all(torch.isfinite(value) for value in losses.values())
    meter = task.meter()
    meter.update(found, batch.target)
    assert 0 <= meter.compute()["mean_ap_3d"] <= 1


# Streets


def test_streets_are_seeded_and_whole(streets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path))
    small = Streets(train=2, val=1, test=1, seed=5)
    first = small.read()
    contents = [example.path.read_bytes() for _, part in first for example in part]
    assert len(set(contents)) == 4
    folder = first.train[0].path.parents[2]
    first.train[0].path.unlink()
    again = small.read()
    assert [example.path.read_bytes() for _, part in again for example in part] == contents, (
        "made anew, to the same bytes"
    )
    assert again.files == first.files
    assert set(lists_of(folder)) == {"train", "val", "test"}
    other = Streets(train=2, val=1, test=1, seed=6).read()
    assert other.train[0].path.read_bytes() != contents[0]


def test_streets_are_plausible(streets) -> None:
    examples = [*streets.train, *streets.val]
    clouds = [example.read() for example in examples]
    assert all(4_000 < len(cloud) < 14_000 for cloud in clouds)
    names = [name for example in examples for name in example.objects.names]
    assert all(names.count(name) > 20 for name in CLASSES)
    levels = np.concatenate([example.objects.occluded for example in examples])
    assert all((levels == level).mean() > 0.03 for level in range(4)), "all degrees of occlusion"
    counts, distances = [], []
    for example, cloud in zip(examples, clouds, strict=True):
        inside = points_in_boxes(torch.from_numpy(cloud[:, :3]).double(), torch.from_numpy(example.objects.boxes))
        counts += inside.sum(dim=0).tolist()
        distances += np.hypot(*example.objects.boxes[:, :2].T).tolist()
        assert np.abs(cloud[:, 3]).max() < 1
    seen = np.array(counts)
    assert (seen > 0).mean() > 0.97, "who is labelled was hit; noise may carry single points out of a box"
    near, far = np.array(distances) < 12, np.array(distances) > 28
    assert np.median(seen[near]) > 4 * np.median(seen[far])
    assert any(len(example.objects.regions) for example in examples), "who was not hit is a region to be left alone"
    assert 0 < streets.ceiling["test/mean_ap_3d"] < 1


def test_occlusion_is_what_others_took(streets) -> None:
    """Objects that are labelled as visible have more points than hidden ones at like distances."""
    rows = []
    for example in [*streets.train, *streets.val]:
        cloud = torch.from_numpy(example.read()[:, :3]).double()
        inside = points_in_boxes(cloud, torch.from_numpy(example.objects.boxes)).sum(dim=0).numpy()
        distance = np.hypot(*example.objects.boxes[:, :2].T)
        area = example.objects.boxes[:, 5] * example.objects.boxes[:, 3:5].mean(axis=1) / distance**2
        rows += list(zip(example.objects.occluded, inside / area, strict=True))
    density = {level: np.median([value for kind, value in rows if kind == level]) for level in range(4)}
    assert density[0] > density[1] > density[2] > density[3]


def test_shapes_fill_their_boxes() -> None:
    for name, make in MAKERS.items():
        for seed in range(5):
            shape, size = make(np.random.default_rng(seed))
            low, high = shape.vertices.min(axis=0), shape.vertices.max(axis=0)
            assert np.allclose(high - low, size, atol=0.12), name
            assert low[2] == pytest.approx(0, abs=0.06)
            assert np.allclose((low + high)[:2], 0, atol=0.1)


# The encoder


def scene(seed: int = 0, count: int = 200) -> PointCloud:
    random = np.random.default_rng(seed)
    boxes = np.array([[10.0, -3, -1, 4, 1.8, 1.5, 0.3], [20.0, 5, -1, 0.8, 0.6, 1.7, 1.2]])
    inside = [
        np.c_[random.uniform(-0.45, 0.45, (30, 3)) * box[3:6], np.ones(30)] for box in boxes
    ]  # fmt: skip
    for box, points in zip(boxes, inside, strict=True):
        turn = np.array([[np.cos(box[6]), -np.sin(box[6])], [np.sin(box[6]), np.cos(box[6])]])
        points[:, :2] = points[:, :2] @ turn.T
        points[:, :3] += box[:3]
    rest = np.c_[random.uniform([1, -15, -2], [35, 15, -1.8], (count, 3)), np.zeros(count)]
    return PointCloud(
        points=np.concatenate([*inside, rest]).astype(np.float32), objects=Objects.of(["Car", "Pedestrian"], boxes),
        source=f"scene {seed}",
    )  # fmt: skip


def held(points: torch.Tensor, boxes: torch.Tensor) -> list[int]:
    return points_in_boxes(points[:, :3].double(), boxes[:, :7].double()).sum(dim=0).tolist()


@pytest.mark.parametrize("change", ["flipped", "turned", "scaled"])
def test_points_stay_in_their_boxes(change: str) -> None:
    encoder = PointCloudEncoder()
    encoder.fit([scene()])
    points, boxes, _ = encoder.prepare(scene())
    before = held(points, boxes)
    assert before == [30, 30]
    if change == "flipped":
        points, boxes = flipped(points, boxes)
        assert boxes[0, 1] == pytest.approx(3)
    elif change == "turned":
        points, boxes = turned(points, boxes, 0.7)
        assert float(boxes[0, 6]) == pytest.approx(1.0)
        assert float(torch.hypot(boxes[0, 0], boxes[0, 1])) == pytest.approx(math.hypot(10, 3), abs=1e-4)
    else:
        points, boxes = scaled(points, boxes, 1.1)
        assert boxes[0, 3:6].tolist() == pytest.approx([4.4, 1.98, 1.65])
    assert held(points, boxes) == before


def test_objects_are_pasted_where_there_is_room() -> None:
    encoder = PointCloudEncoder()
    encoder.fit([scene()])
    points, boxes, _ = encoder.prepare(scene())
    own = torch.tensor([[30.0, -5, -1, 0.9]] * 12)
    box = torch.tensor([30.0, -5, -1, 4, 2, 2, 0, 0])
    more, more_boxes = paste(points, boxes, own, box)
    removed = held(points, box[None])[0]
    assert len(more) == len(points) - removed + 12
    assert held(more, more_boxes) == [30, 30, 12], "what stood there is gone"
    same, same_boxes = paste(points, boxes, own, torch.tensor([11.0, -3, -1, 4, 2, 2, 0, 0]))
    assert same is points
    assert same_boxes is boxes


def test_training_frames_have_as_many_objects_as_asked(streets) -> None:
    encoder = PointCloudEncoder(paste=5, rotate=10, scale=0.05)
    encoder.fit(streets.train)
    items = [encoder.prepare(example) for example in streets.train]
    plain, more = encoder.collate(items), encoder.collate(items, Draws(0, 0, range(len(items))))
    assert more.target["classes"].ge(0).sum() > 1.2 * plain.target["classes"].ge(0).sum()
    again = encoder.collate(items[3:6], Draws(0, 0, range(3, 6)))
    alone = more.inputs["points"][more.inputs["frame"] == 4]
    assert torch.equal(again.inputs["points"][again.inputs["frame"] == 1], alone), "a frame's chances are its own"
    assert plain.size == int(plain.target["classes"].ge(0).sum()) + len(items)
    state = encoder.state()
    other = PointCloudEncoder(paste=5, rotate=10, scale=0.05)
    other.load_state(state)
    assert torch.equal(other.collate(items, Draws(0, 0, range(len(items)))).inputs["points"], more.inputs["points"])


def test_classes_ranges_and_few_points() -> None:
    encoder = PointCloudEncoder(detect=["Pedestrian"])
    encoder.fit([scene()])
    _, boxes, _ = encoder.prepare(scene())
    assert boxes[:, 7].tolist() == [0], "others are background"
    near = PointCloudEncoder(x=[0, 15], pillar=0.5)
    near.fit([scene()])
    points, boxes, _ = near.prepare(scene())
    assert len(boxes) == 1
    assert points[:, 0].max() < 15
    few = PointCloudEncoder(min_points=31)
    few.fit([scene()])
    assert len(few.prepare(scene())[1]) == 0
    for wrong in ({"x": [3, 1]}, {"y": [0.0, 10.1]}, {"z": [1.0]}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PointCloudEncoder(**wrong)
    with pytest.raises(DataError, match="the points span"):
        PointCloudEncoder(x=[100, 140]).fit([scene()])
    with pytest.raises(DataError, match="did you mean 'Pedestrian'"):
        PointCloudEncoder(detect=["Pedestrain"]).fit([scene()])
    bright = scene()
    bright.points[:, 3] *= 255
    encoder = PointCloudEncoder()
    encoder.fit([bright])
    assert float(encoder.prepare(bright)[0][:, 3].max()) == pytest.approx(1), "0 to 255 becomes 0 to 1"


# The task


USUAL = [[4.0, 1.7, 1.5], [0.7, 0.6, 1.7]]


def a_task(**more) -> Detection:
    return Detection(["Car", "Pedestrian"], [0.0, 40.0, -20.0, 20.0], USUAL, **more)


def perfect_output(task: Detection, boxes: torch.Tensor, classes: list[int], cells: int = 80) -> torch.Tensor:
    """The map that a network without faults would give."""
    output = torch.zeros(1, 2 + 10, cells, cells)
    output[:, :2] = -12.0
    cell = 40 / cells
    for box, kind in zip(boxes, classes, strict=True):
        x, y = box[0] / cell, (box[1] + 20) / cell
        column, row = int(x), int(y)
        output[0, kind, row, column] = 12.0
        values = [x - column, y - row, box[2] - USUAL[kind][2] / 2, *(box[3:6] / torch.tensor(USUAL[kind])).log()]
        values += [(2 * box[6]).sin(), (2 * box[6]).cos(), box[6].sin(), box[6].cos()]
        output[0, 2:, row, column] = torch.tensor([float(value) for value in values])
    return output


def test_a_perfect_map_gives_the_boxes_back_and_no_loss() -> None:
    task = a_task()
    boxes = torch.from_numpy(scene().objects.boxes).float()
    output = perfect_output(task, boxes, [0, 1])
    (found,) = task.objects(output)
    order = np.argsort(found.labels)
    assert np.allclose(found.boxes[order], boxes.numpy(), atol=1e-4)
    assert (found.scores > 0.99).all()
    target = {"boxes": boxes[None], "classes": torch.tensor([[0, 1]])}
    perfect = task.losses(output, target)
    assert all(float(value) < 1e-3 for value in perfect.values())
    moved = boxes.clone()
    moved[0, 0] += 0.2
    moved[1, 6] += 0.5
    worse = task.losses(output, {"boxes": moved[None], "classes": torch.tensor([[0, 1]])})
    assert worse["offset"] == pytest.approx(0.4 / 3, abs=1e-4), "0.2 m are 0.4 cells; 2 objects and 1 frame"
    assert worse["orientation"] > 0.1
    (decoded,) = task.decode(task.objects(output))
    assert {box["class"] for box in decoded["boxes"]} == {"Car", "Pedestrian"}
    assert "Car" in task.in_words(decoded, "frame.bin")


def test_losses_add_up_over_parts_of_a_batch() -> None:
    task = a_task()
    torch.manual_seed(0)
    output = torch.randn(3, 12, 40, 40)
    boxes = torch.from_numpy(random_boxes(np.random.default_rng(0), 6)).float().reshape(3, 2, 7)
    boxes[..., 0] += 20
    classes = torch.tensor([[0, 1], [-1, -1], [1, -1]])
    whole = task.losses(output, {"boxes": boxes, "classes": classes})
    sizes = [2 + 1, 0 + 1, 1 + 1]
    for name, value in whole.items():
        parts = [
            task.losses(output[row : row + 1], {"boxes": boxes[row : row + 1], "classes": classes[row : row + 1]})[name]
            for row in range(3)
        ]
        together = sum(float(part) * size for part, size in zip(parts, sizes, strict=True)) / sum(sizes)
        assert float(value) == pytest.approx(together, rel=1e-4), name


def test_a_network_learns_one_frame_by_heart() -> None:
    encoder = PointCloudEncoder(x=[0, 32], y=[-16, 16], pillar=0.5, flip=0)
    examples = [scene()]
    encoder.fit(examples)
    batch = encoder.encode(examples)
    task = Detection(encoder.labels, encoder.dims["bounds"], encoder.dims["usual"])
    torch.manual_seed(0)
    network = Pillars(
        2, encoder.dims["bounds"], 0.5, 16, channels=[16, 16], blocks=[1, 1], neck_channels=16, head_channels=16
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(120):
        optimizer.zero_grad()
        sum(task.losses(network(**batch.inputs), batch.target).values()).backward()
        optimizer.step()
    (found,) = task.predict(network.eval(), batch)
    frame = scored_frame(found, examples[0].objects, examples[0].calibration, list(encoder.labels))
    for kind, name in enumerate(encoder.labels):
        own = [index for index, score in enumerate(found.scores) if found.labels[index] == kind and score > 0.5]
        assert len(own) == 1
        assert frame.overlaps["3d"][own[0], list(examples[0].objects.names).index(name)] > 0.6


def test_of_doubles_the_surer_stays_and_classes_do_not_meet() -> None:
    task = a_task(score_threshold=0.1)
    box = torch.tensor([10.0, 0.2, -1, 4, 1.8, 1.5, 0])
    beside, double = (box + torch.tensor([x, y, 0, 0, 0, 0, 0]) for x, y in ((1.3, 0.0), (0.0, 1.1)))
    output = perfect_output(task, torch.stack([box, beside, double]), [0, 1, 0])
    output[0, 0, 42, 20] = 1.0
    (found,) = task.objects(output)
    assert sorted(found.labels.tolist()) == [0, 1]
    assert len(a_task(score_threshold=1.0).objects(output)[0].scores) == 0


# Opponents


def test_opponents_find_what_they_can(streets) -> None:
    dims = {"labels": list(CLASSES), "bounds": [0, 32, -16, 16]}
    scores = {}
    for opponent in (UsualPlaces(), ClusterBoxes(trees=30)):
        opponent.fit([*streets.train, *streets.val], dims)
        outputs = opponent.outputs(streets.test)
        meter = DetectionMeter(list(CLASSES))
        meter.update(outputs[list(range(len(streets.test)))], {"frames": streets.test})
        scores[type(opponent).__name__] = meter.compute()["mean_ap_bev"]
        assert all(np.isfinite(found.boxes).all() for found in outputs)
    assert scores["UsualPlaces"] < 0.05 < scores["ClusterBoxes"]
    empty = ClusterBoxes(trees=5)
    empty.fit(streets.train, dims)
    (nothing,) = empty.outputs([PointCloud(points=np.array([[5.0, 0, 0, 0]]))])
    assert len(nothing.boxes) == 0


# Own data and use


def test_a_kitti_folder_is_split_by_drive_or_in_order(kitti: Path) -> None:
    splits = Kitti(str(kitti)).read()
    names = [[example.source for example in part] for _, part in splits]
    assert [len(part) for part in names] == [6, 1, 1]
    assert names[0] + names[1] + names[2] == sorted(name for part in names for name in part), "one stretch each"
    for folder in ("velodyne", "label_2", "calib"):
        for number, path in enumerate(sorted((kitti / "training" / folder).iterdir())):
            path.rename(path.with_name(f"drive{number // 2}_{number:04d}{path.suffix}"))
    splits = Kitti(str(kitti), val=0.25, test=0.25).read()
    drives = [{example.group for example in part} for _, part in splits]
    assert [len(part) for part in drives] == [2, 1, 1]
    assert not drives[0] & drives[1] | drives[0] & drives[2] | drives[1] & drives[2]
    assert "by drive" in splits.origin
    lists = kitti / "ImageSets"
    lists.mkdir()
    names = [path.stem for path in sorted((kitti / "training" / "velodyne").iterdir())]
    (lists / "train.txt").write_text("\n".join(names[:4]))
    (lists / "val.txt").write_text("\n".join(names[4:6]))
    (lists / "test.txt").write_text("\n".join(names[6:]))
    splits = Kitti(str(kitti)).read()
    assert [len(part) for _, part in splits] == [4, 2, 2]
    assert splits.origin == "as listed in ImageSets"
    (lists / "test.txt").write_text("000777\n")
    splits = Kitti(str(kitti), held_out=0.25).read()
    assert [len(part) for _, part in splits] == [3, 1, 2], "the benchmark's protocol: val is tested on"


def write_cloud(path: Path, points: np.ndarray) -> None:
    open3d = import_open3d()
    cloud = open3d.t.geometry.PointCloud(open3d.core.Tensor(points[:, :3].astype(np.float32)))
    cloud.point["intensity"] = open3d.core.Tensor(points[:, 3:4].astype(np.float32))
    assert open3d.t.io.write_point_cloud(str(path), cloud)


def write_table(
    folder: Path, count: int = 6, suffix: str = ".ply", extra: str = "", values: tuple[str, ...] = ()
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"path,class,{','.join(BOX)}{extra}"]
    for number in range(count):
        example = scene(number)
        if suffix == ".bin":
            example.points.astype("<f4").tofile(folder / f"{number}.bin")
        else:
            write_cloud(folder / f"{number}{suffix}", example.points)
        more = f",{values[number % len(values)]}" if values else ""
        for name, box in zip(example.objects.names, example.objects.boxes, strict=True):
            rows.append(f"{number}{suffix},{name},{','.join(map(str, box))}{more}")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.mark.parametrize("suffix", [".ply", ".pcd", ".bin"])
def test_a_table_of_boxes_beside_clouds(suffix: str, tmp_path: Path) -> None:
    folder = write_table(tmp_path / "scans", suffix=suffix)
    assert CloudTable.recognises(folder)
    splits = CloudTable(str(folder)).read()
    assert [len(part) for _, part in splits] == [4, 1, 1]
    first = splits.train[0]
    assert np.allclose(first.read(), scene(0).points, atol=1e-5), "intensity too"
    assert np.allclose(first.objects.boxes, scene(0).objects.boxes)
    with (folder / "boxes.csv").open("a") as file:
        file.write(f"0{suffix.replace('.', 'x.')},,,,,,,,\n")
    shutil.copy(folder / f"0{suffix}", folder / f"0x{suffix}")
    assert len(CloudTable(str(folder / "boxes.csv")).examples()[-1].objects) == 0, "a cloud with nothing in it"
    named = CloudTable(
        str(write_table(tmp_path / "split", suffix=suffix, extra=",split", values=("train", "test")))
    ).read()
    assert [len(part) for _, part in named] == [2, 1, 3]
    drives = write_table(tmp_path / "drives", suffix=suffix, extra=",drive", values=("a", "b", "c"))
    splits = CloudTable(str(drives)).read()
    groups = [{example.group for example in part} for _, part in splits]
    assert all(len(group) == 1 for group in groups)
    assert len(set.union(*groups)) == 3


@pytest.mark.parametrize(
    ("name", "points"),
    [("bun0", 397), ("bun4", 361), ("car6", 10_031), ("colored_cloud", 1000), ("ism_test", 3400)],
)
def test_real_pcd_files(name: str, points: int, mirror: Path) -> None:
    """ascii (two versions), binary compressed and binary."""
    assert PointCloud(mirror / "pcd" / f"{name}.pcd").read().shape == (points, 4)


@pytest.mark.parametrize("suffix", [".bin", ".pcd", ".ply"])
def test_beams_that_did_not_come_back_are_left_out(suffix: str, tmp_path: Path) -> None:
    points = scene().points.copy()
    points[::3, 0] = np.nan
    points[1, 2] = np.inf
    points[5, 3] = np.nan
    path = tmp_path / f"a{suffix}"
    if suffix == ".bin":
        points.astype("<f4").tofile(path)
    elif suffix == ".ply":  # written by hand: Open3D's writer refuses what is not finite
        properties = "".join(f"property float {name}\n" for name in ("x", "y", "z", "intensity"))
        head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
        path.write_bytes(head.encode() + points.astype("<f4").tobytes())
    else:
        write_cloud(path, points)
    read = PointCloud(path).read()
    assert np.isfinite(read).all()
    assert len(read) == np.isfinite(points[:, :3]).all(axis=1).sum()
    points[:, 1] = np.nan
    points.astype("<f4").tofile(tmp_path / "b.bin")
    with pytest.raises(DataError, match="none of its 260 points"):
        PointCloud(tmp_path / "b.bin").read()


def small(name: str = "lidar_pillars") -> list[str]:
    return [
        "encoder.pillar=0.5", "encoder.paste=0", "train.epochs=1", "train.batch_size=2", "model.channels=[8,8]",
        "model.blocks=[1,1]", "model.pillar_channels=8", "model.neck_channels=8", "model.head_channels=8",
        "baselines=[usual_places,{name: cluster_boxes, trees: 5}]",
    ]  # fmt: skip


def test_own_data_from_end_to_end(kitti: Path, cli, tmp_path: Path) -> None:
    write_table(tmp_path / "scans", suffix=".pcd")
    for path in (kitti, tmp_path / "scans"):
        done = cli("run", "lidar_pillars", *small(), "--data", path, "--out", f"runs-{path.name}", "--quiet")
        assert done.code == 0, done.err
        scored = cli("evaluate", f"runs-{path.name}", "--data", path, "--json")
        assert scored.code == 0, scored.err
        assert "data/mean_ap_3d" in json.loads(scored.out)
        assert (tmp_path / f"runs-{path.name}" / "split.csv").is_file()
    page = (tmp_path / "runs-scans" / "report.html").read_text()
    assert "Precision and recall" in page


def test_predict_writes_kitti_label_files(small_run: Callable, kitti: Path, cli, tmp_path: Path) -> None:
    run = small_run("lidar_pillars")
    low = tmp_path / "low"
    shutil.copytree(run, low)
    text = (low / "recipe.yaml").read_text()
    (low / "recipe.yaml").write_text(text.replace("score_threshold: 0.05", "score_threshold: 0.0"))
    (low / "manifest.json").unlink()  # which would find the change
    scans = sorted((kitti / "training" / "velodyne").iterdir())
    done = cli("predict", low, scans[0], scans[1], "-o", "labels")
    assert done.code == 0, done.err
    written = [tmp_path / "labels" / f"{scan.stem}.txt" for scan in scans[:2]]
    calibration = read_calibration(kitti / "training" / "calib" / f"{scans[0].stem}.txt")
    lines = written[0].read_text().splitlines()
    assert lines
    assert all(len(line.split()) == 16 for line in lines)
    found = read_labels(written[0], calibration)
    (predicted, _) = convzoo.Run.load(low).predict([scans[0], scans[1]])
    seen = calibration.image_boxes(np.array([[box[key] for key in BOX] for box in predicted["boxes"]]))[1]
    kept = [box for box, inside in zip(predicted["boxes"], seen, strict=True) if inside]
    assert len(found) == len(kept) < len(predicted["boxes"]) + 1
    assert np.allclose(found.boxes[:, :3], [[box[key] for key in BOX[:3]] for box in kept], atol=0.02)
    table = cli("predict", low, scans[0], "-o", "found.csv")
    assert table.code == 0, table.err
    rows = (tmp_path / "found.csv").read_text().splitlines()
    assert rows[0] == f"path,class,{','.join(BOX)},score"
    assert len(rows) == len(predicted["boxes"]) + 1
    assert cli("predict", low, scans[0], "-o", "found.jsonl").code == 0
    (shown,) = [json.loads(line) for line in cli("predict", low, scans[0], "--json").out.splitlines()]
    for one, other in zip(shown["boxes"], predicted["boxes"], strict=True):
        assert one["class"] == other["class"]
        # Convolutions of one frame and of two may round another way.
        assert [one[key] for key in BOX] == pytest.approx([other[key] for key in BOX], abs=1e-3)
    (tmp_path / "alone").mkdir()
    shutil.copy(scans[0], tmp_path / "alone")
    refused(cli("predict", low, tmp_path / "alone" / scans[0].name, "-o", "labels"), 3, "calib", ".csv")
    refused(cli("predict", low, scans[0], "-o", "labels.txt"), 2, "folder of KITTI label files")
    shutil.copytree(kitti, tmp_path / "copy")
    other = tmp_path / "copy" / "training" / "velodyne" / scans[0].name
    refused(cli("predict", low, scans[0], other, "-o", "twice"), 2, "two scans are called")


def test_predict_takes_arrays_and_single_points(small_run: Callable) -> None:
    run = convzoo.Run.load(small_run("lidar_pillars"))
    for array in (np.array([[10.0, 0, -1]]), np.zeros((5, 4), np.float32), np.full((3, 3), 500.0)):
        (found,) = run.predict([array])
        assert isinstance(found["boxes"], list)
    for wrong in (np.zeros((3, 7)), np.zeros(4), np.array([["a", "b", "c"]])):
        with pytest.raises(DataError, match="a cloud is an array"):
            run.predict([wrong])
    with pytest.raises(DataError, match="holds no points"):
        run.predict([np.zeros((0, 4))])


def test_describe_says_what_pillars_do(small_run: Callable, cli) -> None:
    result = cli("describe", small_run("lidar_pillars"))
    assert result.code == 0, result.err
    assert "the maxima over its points" in result.out
    assert "Spreads 8 coarse maps" in result.out


# Wrong data


def spoil_label(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def act(home: Path) -> None:
        path = sorted((home / "label_2").iterdir())[0]
        path.write_text("\n".join(" ".join(change(line.split())) for line in path.read_text().splitlines()) + "\n")

    return act


def spoil_calibration(old: str, new: str) -> Callable[[Path], None]:
    def act(home: Path) -> None:
        path = sorted((home / "calib").iterdir())[0]
        lines = path.read_text().splitlines()
        path.write_text("\n".join(new if line.startswith(old) else line for line in lines))

    return act


def each_file(folder: str, act: Callable[[Path], object]) -> Callable[[Path], None]:
    return lambda home: act(sorted((home / folder).iterdir())[0]) and None


WRONG_FOLDERS = {
    "no calibration": (each_file("calib", Path.unlink), ["calib/0000", "no such calibration file"]),
    "no scan": (each_file("velodyne", Path.unlink), ["velodyne/0000", "no such file", "1 of 6 frames"]),
    "no folder": (lambda home: shutil.rmtree(home / "calib"), ["has no folder calib/"]),
    "no rows": (spoil_calibration("Tr_velo", "nothing: 1"), ["has no row Tr_velo_to_cam"]),
    "a short row": (spoil_calibration("P2", "P2: 1 2 3"), ["P2 has 3 values, expected 12"]),
    "words": (spoil_calibration("P2", "P2: a b c"), ["P2 should hold numbers"]),
    "no rotation": (spoil_calibration("R0_rect", "R0_rect: 1 0 0 0 5 0 0 0 1"), ["R0_rect is not a rotation", "inconsistent"]),
    "mirrored": (spoil_calibration("R0_rect", "R0_rect: 1 0 0 0 1 0 0 0 -1"), ["R0_rect is not a rotation"]),
    "no focal length": (spoil_calibration("P2", "P2: " + "0 " * 12), ["focal length"]),
    "an empty scan": (each_file("velodyne", lambda path: path.write_bytes(b"")), ["is empty (0 bytes)"]),
    "a cut scan": (each_file("velodyne", lambda path: path.write_bytes(path.read_bytes()[:-5])), ["not a whole number"]),
    "no finite point": (
        each_file("velodyne", lambda path: np.full((5, 4), np.nan, "<f4").tofile(path) or True),
        ["none of its 5 points has finite coordinates"],
    ),
    "a box without size": (spoil_label(lambda words: [*words[:8], "0", *words[9:]]), ["label_2/0000", ":1:", "sizes above 0"]),
    "a short label": (spoil_label(lambda words: words[:9]), [":1: has 9 fields, expected 15"]),
    "a label of words": (spoil_label(lambda words: [*words[:8], "tall", *words[9:]]), [":1:", "should be numbers"]),
    "no labels": (lambda home: [path.unlink() for path in (home / "label_2").iterdir()], ["holds no label file"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FOLDERS)
def test_wrong_folders_are_one_line(name: str, kitti: Path, cli) -> None:
    act, words = WRONG_FOLDERS[name]
    act(kitti / "training")
    refused(cli("check", "lidar_pillars", *small(), "--data", kitti), 3, *words)


def test_unknown_classes_are_one_line(kitti: Path, cli) -> None:
    last = sorted((kitti / "training" / "label_2").iterdir())[-1]
    lines = last.read_text().splitlines()
    last.write_text("\n".join([lines[0].replace(lines[0].split()[0], "Cyclits"), *lines[1:]]))
    done = cli("run", "lidar_pillars", *small(), "--data", kitti, "--quiet")
    refused(done, 3, "class 'Cyclits' is not in the training split", "did you mean 'Cyclist'")
    done = cli("check", "lidar_pillars", *small(), "encoder.detect=[Car,Pedestrain]", "--data", kitti)
    refused(done, 3, "no object of class 'Pedestrain'", "did you mean 'Pedestrian'")


def test_frames_without_objects_and_with_one_point_train(kitti: Path, cli) -> None:
    labels = sorted((kitti / "training" / "label_2").iterdir())
    scans = sorted((kitti / "training" / "velodyne").iterdir())
    labels[1].write_text("")
    np.array([[10.0, 0, -1, 0.3]], "<f4").tofile(scans[2])
    done = cli("run", "lidar_pillars", *small(), "--data", kitti, "--quiet")
    assert done.code == 0, done.err


WRONG_TABLES = {
    "no column": ("path,class,x,y\n0.bin,Car,1,2\n", ["has no column 'z'"]),
    "no class": ("path,kind,x,y,z,length,width,height,yaw\n0.bin,Car,1,2,3,4,5,6,0\n", ["which column", "data.label"]),
    "no file": ("path,class,x,y,z,length,width,height,yaw\n9.bin,Car,1,2,3,4,5,6,0\n", [":2:", "'9.bin' is not there"]),
    "no cloud": ("path,class,x,y,z,length,width,height,yaw\nboxes.csv,Car,1,2,3,4,5,6,0\n", [":2:", "is no point cloud"]),
    "zero size": ("path,class,x,y,z,length,width,height,yaw\n0.bin,Car,1,2,3,4,0,6,0\n", [":2:", "width 0", "sizes above 0"]),
    "a word": ("path,class,x,y,z,length,width,height,yaw\n0.bin,Car,1,2,3,4,wide,6,0\n", [":2:", "'width' says 'wide'"]),
    "nan": ("path,class,x,y,z,length,width,height,yaw\n0.bin,Car,1,nan,3,4,1,6,0\n", [":2:", "finite number"]),
    "no rows": ("path,class,x,y,z,length,width,height,yaw\n", ["holds no rows"]),
    "few": ("path,class,x,y,z,length,width,height,yaw\n0.bin,Car,1,2,3,4,5,6,0\n", ["1 clouds are too few"]),
    "split": ("path,class,x,y,z,length,width,height,yaw,split\n0.bin,Car,1,2,3,4,5,6,0,now\n", [":2:", "'now'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_wrong_tables_are_one_line(name: str, cli, tmp_path: Path) -> None:
    text, words = WRONG_TABLES[name]
    folder = write_table(tmp_path / "scans", count=2, suffix=".bin")
    (folder / "boxes.csv").write_text(text)
    refused(cli("check", "lidar_pillars", *small(), "--data", folder), 3, *words)


def test_damaged_clouds_are_one_line(small_run: Callable, cli, tmp_path: Path) -> None:
    run = small_run("lidar_pillars")
    write_cloud(tmp_path / "whole.pcd", scene().points)
    content = (tmp_path / "whole.pcd").read_bytes()
    (tmp_path / "cut.pcd").write_bytes(content[: len(content) // 2])
    write_cloud(tmp_path / "whole.ply", scene().points)
    content = (tmp_path / "whole.ply").read_bytes()
    (tmp_path / "cut.ply").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.pcd").write_text("nothing of the kind")
    (tmp_path / "empty.ply").write_bytes(b"")
    (tmp_path / "a.txt").write_text("1 2 3")
    assert cli("predict", run, tmp_path / "whole.pcd").code == 0
    for name, words in {
        "cut.pcd": "cut", "cut.ply": "cut", "text.pcd": "cannot be read", "empty.ply": "0 bytes", "a.txt": "is not a point cloud",
        "absent.bin": "no such point cloud",
    }.items():  # fmt: skip
        refused(cli("predict", run, tmp_path / name), 3, name, words)


def test_open3d_that_is_missing_is_one_line(cli, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cloud(tmp_path / "a.ply", scene().points)
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "cache"))
    for name in [name for name in sys.modules if name.partition(".")[0] == "open3d"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(RecipeError, match=r"pip install 'convzoo\[points\]'"):
        PointCloud(tmp_path / "a.ply").read()
    refused(cli("check", "lidar_pillars", *tiny("lidar_pillars")), 2, "open3d", "pip install 'convzoo[points]'")


def test_batches_move_with_their_examples(streets) -> None:
    encoder = PointCloudEncoder()
    encoder.fit(streets.train)
    batch = encoder.encode(streets.val[:2])
    moved = batch.to(torch.device("cpu"), torch.float64)
    assert isinstance(moved, Batch)
    assert moved.inputs["points"].dtype == torch.float64
    assert moved.target["frames"][1] is streets.val[1]


def test_space_that_nobody_sets_holds_the_objects_and_is_kept():
    random = np.random.default_rng(0)
    frames = []
    for number in range(6):
        centres = np.column_stack([random.uniform(-30, 55, 8), random.uniform(-12, 9, 8), np.full(8, 6.0)])
        boxes = np.column_stack([centres, np.tile([4.0, 1.8, 1.5, 0.0], (8, 1))])
        points = np.concatenate([centre + random.normal(0, 0.4, (20, 3)) for centre in centres])
        frames.append(PointCloud(points=points, objects=Objects.of(["Car"] * 8, boxes), source=f"frame {number}"))
    encoder = PointCloudEncoder(x=None, y=None, z=None, pillar=0.5)
    encoder.fit(frames)
    everything = np.concatenate([frame.objects.boxes for frame in frames])
    for limits, column in ((encoder.x, everything[:, 0]), (encoder.y, everything[:, 1])):
        assert limits[0] <= np.quantile(column, 0.005) and np.quantile(column, 0.995) <= limits[1]
        assert (limits[1] - limits[0]) / (8 * 0.5) == round((limits[1] - limits[0]) / (8 * 0.5)), (
            "the network halves the map"
        )
    assert encoder.z[0] < 5.25 < 6.75 < encoder.z[1], "a sensor on the ground sees cars above itself"
    assert "encoder.x" in encoder.advice()
    other = PointCloudEncoder(x=None, y=None, z=None, pillar=0.5)
    other.load_state(encoder.state())
    assert other.dims["bounds"] == encoder.dims["bounds"]
