"""Pure functions: augmentations that are given their draws, splits and folds."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws, permutation
from convzoo.core.splits import Splits
from convzoo.modalities.text.example import Text
from convzoo.ops import augment
from convzoo.ops.moments import Moments, evenly_spaced
from convzoo.reading.splitting import (
    as_given,
    carve_validation,
    folds,
    folds_by_group,
    hold_out,
    in_order,
    joined,
    made_here,
    split_by_group,
)


def images(count: int = 3, channels: int = 2, height: int = 8, width: int = 12) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def affine(x: torch.Tensor, **given: object) -> torch.Tensor:
    count = len(x)
    draws = {
        "flip": np.zeros(count, bool),
        "angle": np.zeros(count),
        "scale": np.ones(count),
        "shift": np.zeros((count, 2)),
    }
    return augment.affine(x, **(draws | given))  # type: ignore[arg-type]


def test_affine_without_change_is_the_identity():
    x = images()
    torch.testing.assert_close(affine(x), x, rtol=0, atol=1e-5)


def test_flip_exchanges_left_and_right_of_the_chosen_images_only():
    x = images()
    y = affine(x, flip=np.array([True, False, True]))
    torch.testing.assert_close(y[0], x[0].flip(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(y[1], x[1], rtol=0, atol=1e-5)
    torch.testing.assert_close(y[2], x[2].flip(2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 1), (3, 2), (-2, 1), (-4, -3)])
def test_shift_by_whole_pixels_moves_them_and_repeats_the_border(right: int, down: int, flip: bool):
    x = images(1)
    height, width = x.shape[2:]
    y = affine(x, shift=np.array([[right / width, down / height]]), flip=np.array([flip]))
    source = x.flip(3) if flip else x
    rows = torch.arange(height).sub(down).clamp(0, height - 1)
    columns = torch.arange(width).sub(right).clamp(0, width - 1)
    torch.testing.assert_close(y, source[:, :, rows][:, :, :, columns], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("degrees", "turns"), [(90.0, 1), (180.0, 2), (-90.0, -1)])
def test_a_positive_angle_turns_a_square_image_counter_clockwise(degrees: float, turns: int):
    x = images(1, 1, 8, 8)
    y = affine(x, angle=np.array([degrees]))
    torch.testing.assert_close(y, torch.rot90(x, turns, (2, 3)), rtol=0, atol=1e-4)


def test_a_turn_keeps_lengths_in_an_image_that_is_not_square():
    x = torch.zeros(1, 1, 21, 41)
    x[0, 0, 10, 14:27] = 1
    y = affine(x, angle=np.array([90.0]))
    assert y[0, 0, :, 20].round().sum() == 13
    assert y[0, 0, 10].round().sum() == 1


def test_scale_above_one_enlarges_about_the_centre():
    x = torch.zeros(1, 1, 20, 20)
    x[..., 8:12, 8:12] = 1
    y = affine(x, scale=np.array([2.0]))
    assert float(y.sum()) == pytest.approx(64, rel=0.05)
    torch.testing.assert_close(y, y.flip(2), rtol=0, atol=1e-5)
    torch.testing.assert_close(y, y.flip(3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_cutout_fills_a_square_of_its_size(size: int):
    x = torch.ones(2, 3, 12, 12)
    centre = np.array([[0.5, 0.5], [0.51, 0.27]])
    y = augment.cutout(x, centre, size, 0.25)
    hidden = y[:, 0] == 0.25
    for index in range(2):
        assert int(hidden[index].any(0).sum()) in (size - 1, size, size + 1)
    assert int(hidden[1].sum()) == size**2
    assert torch.equal(y[:, 0], y[:, 2])
    assert torch.equal(y[~hidden.unsqueeze(1).expand_as(y)], torch.ones(int((~hidden).sum()) * 3))


def test_cutout_at_a_corner_is_cut_off_at_the_border():
    y = augment.cutout(torch.ones(1, 1, 10, 10), np.array([[0.0, 0.0]]), 4, 0.0)
    assert torch.equal(y[0, 0] == 0, (torch.arange(10)[:, None] < 2) & (torch.arange(10)[None] < 2))


def test_elastic_without_noise_is_the_identity_and_with_noise_bends_at_most_its_strength():
    x = torch.linspace(0, 1, 28).expand(1, 1, 28, 28)
    shape = (1, 2, augment.knots(28), augment.knots(28))

    def elastic(noise, strength):
        nothing = np.zeros(1)
        bend = augment.elastic_bend(noise, strength, 28, 28)
        return augment.affine(x, nothing.astype(bool), nothing, nothing + 1, np.zeros((1, 2)), bend)

    torch.testing.assert_close(elastic(np.zeros(shape), 3.0), x, rtol=0, atol=1e-5)
    noise = np.random.default_rng(0).uniform(-1, 1, shape)
    bent = elastic(noise, 2.0)
    assert 0.01 < float((bent - x).abs().max()) <= 2 * 1.3 / 27  # a bicubic curve may overshoot its knots


def test_draws_of_an_example_depend_on_seed_epoch_stream_and_index_only():
    alone = Draws(3, 5, [7]).uniform(1, 4)
    assert np.array_equal(Draws(3, 5, [2, 7, 9]).uniform(1, 4)[1:2], alone)
    assert np.array_equal(Draws(3, 5, [7]).uniform(1, 9)[:, :4], alone)
    for other in (Draws(4, 5, [7]).uniform(1, 4), Draws(3, 6, [7]).uniform(1, 4), Draws(3, 5, [7]).uniform(2, 4)):
        assert not np.array_equal(other, alone)


def test_draws_are_uniform():
    drawn = Draws(0, 0, range(20_000)).uniform(0, 5)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert np.abs(drawn.mean(axis=0) - 0.5).max() < 0.01
    assert np.abs(drawn.var(axis=0) - 1 / 12).max() < 0.002
    assert np.abs(np.corrcoef(drawn.T) - np.eye(5)).max() < 0.03


def test_the_order_is_a_permutation_that_changes_with_seed_and_epoch():
    orders = [permutation(50, seed, epoch).tolist() for seed in range(3) for epoch in range(3)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 9
    assert permutation(50, 2, 1).tolist() == orders[7]


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=1, max_size=60), count=st.integers(2, 10), seed=st.integers(0, 9)
)
def test_folds_deal_every_class_out_evenly(labels: list[str], count: int, seed: int):
    fold = folds(labels, count, seed)
    assert set(fold.tolist()) <= set(range(count))
    for label in set(labels):
        sizes = Counter(at for at, name in zip(fold.tolist(), labels, strict=True) if name == label)
        assert max(sizes.values()) - min(sizes.get(index, 0) for index in range(count)) <= 1
    whole = Counter(fold.tolist())
    assert max(whole.values()) - min(whole.get(index, 0) for index in range(count)) <= 1


@pytest.mark.parametrize("part", [0.1, 0.2, 0.25, 0.5, 0.3, 0.15])
def test_hold_out_takes_about_the_part_that_is_asked_for(part: float):
    held = hold_out(["a", "b"] * 500, part, 0)
    assert abs(held.mean() - part) < 0.04


@st.composite
def grouped_examples(draw: st.DrawFn) -> tuple[list[str], list[int]]:
    """Classes of at least 30 examples, in groups of up to four of which each class has many."""
    labels, groups = [], []
    group = 0
    for label in "abcd"[: draw(st.integers(2, 4))]:
        for size in draw(st.lists(st.integers(1, 4), min_size=30, max_size=50)):
            labels += [label] * size
            groups += [group] * size
            group += 1
    order = draw(st.permutations(range(len(labels))))
    return [labels[at] for at in order], [groups[at] for at in order]


@settings(max_examples=40, deadline=None)
@given(examples=grouped_examples(), seed=st.integers(0, 5))
def test_a_split_keeps_groups_whole_and_classes_in_proportion(examples: tuple[list[str], list[int]], seed: int):
    labels, groups = examples
    home = split_by_group(labels, groups, 0.2, 0.2, seed)
    for group in set(groups):
        assert len({int(at) for at, name in zip(home, groups, strict=True) if name == group}) == 1
    for label in set(labels):
        mine = home[np.array(labels) == label]
        assert (mine == 0).any(), "every class is in train"
        for index, share in enumerate((0.6, 0.2, 0.2)):
            assert abs((mine == index).mean() - share) <= 0.12


@settings(max_examples=40, deadline=None)
@given(
    labels=st.lists(st.sampled_from("ab"), min_size=20, max_size=60).filter(lambda x: min(Counter(x).values()) >= 3),
    groups=st.lists(st.integers(0, 12), min_size=60, max_size=60),
)
def test_any_groups_stay_whole_and_every_class_is_in_train_or_it_is_refused(labels: list[str], groups: list[int]):
    groups = groups[: len(labels)]
    if len(set(labels)) < 2:
        return
    try:
        home = split_by_group(labels, groups, 0.15, 0.15, 0)
    except DataError as error:
        assert "\n" not in str(error)
        return
    for group in set(groups):
        assert len({int(at) for at, name in zip(home, groups, strict=True) if name == group}) == 1
    assert set(home.tolist()) == {0, 1, 2}
    assert {label for label, at in zip(labels, home, strict=True) if at == 0} == set(labels)


def test_a_split_is_the_same_for_the_same_seed_and_another_for_another():
    labels, groups = ["a", "b"] * 50, list(range(100))
    first = split_by_group(labels, groups, 0.2, 0.2, 1)
    assert np.array_equal(first, split_by_group(labels, groups, 0.2, 0.2, 1))
    assert not np.array_equal(first, split_by_group(labels, groups, 0.2, 0.2, 2))


@pytest.mark.parametrize(("val", "test"), [(0.0, 0.2), (0.5, 0.5), (0.9, 0.4)])
def test_parts_that_leave_nothing_are_refused(val: float, test: float):
    with pytest.raises(DataError, match="leave a part for training"):
        split_by_group(["a", "b"] * 10, list(range(20)), val, test, 0)


def test_a_class_with_too_few_examples_is_named():
    with pytest.raises(DataError, match="'rare' has 1 example;"):
        split_by_group([*["a"] * 10, "rare"], list(range(11)), 0.2, 0.2, 0)


def test_without_a_test_part_all_is_for_training_and_validation():
    home = split_by_group(["a", "b"] * 20, list(range(40)), 0.2, 0.0, 0)
    assert Counter(home.tolist()) == {0: 32, 1: 8}
    places, origin = in_order([None] * 10, list(range(10)), 0.2, 0.0, 0)
    assert places == ["train"] * 8 + ["val"] * 2
    assert "test 0" in origin


def test_groups_of_several_classes_are_dealt_evenly_over_folds():
    labels = ["a", "b", "c", "c"] * 60
    groups = [f"speaker {index // 12}" for index in range(240)]
    found = folds_by_group(labels, groups, 5, 0)
    for fold in range(5):
        assert Counter(np.array(labels)[found == fold].tolist()) == {"a": 12, "b": 12, "c": 24}
        assert len({group for group, at in zip(groups, found, strict=True) if at == fold}) == 4


@pytest.mark.parametrize("count", [2, 3, 5])
def test_stretches_of_a_recording_are_each_tested_once(count: int):
    contents = [*range(17), 3]
    tested: Counter[int] = Counter()
    for fold in range(count):
        places, _ = in_order([None] * 18, contents, 0.2, 0.2, 0, fold=fold, count=count)
        assert {"train", "val", "test"} == set(places)
        assert places[3] == places[17], "copies stay together"
        tested += Counter(at for at, place in enumerate(places) if place == "test")
    assert tested == Counter(range(18))


def test_one_group_cannot_be_split():
    with pytest.raises(DataError, match="split would be empty"):
        split_by_group(["a"] * 10 + ["b"] * 10, [0] * 20, 0.2, 0.2, 0)


def test_made_here_writes_down_how_the_split_was_made():
    examples = [Text(str(index), "ab"[index % 2]) for index in range(40)]
    splits = made_here(examples, 0.2, 0.2, 7)
    assert "seed 7" in splits.origin
    texts = [example.text for _, part in splits for example in part]
    assert sorted(texts) == sorted(example.text for example in examples)


def test_every_example_is_tested_in_one_fold_and_learnt_from_in_no_part_of_it():
    examples = [Text(f"text {index}", "ab"[index % 2], group=f"g{index % 30}") for index in range(90)]
    tested: list[str] = []
    for fold in range(5):
        splits = made_here(examples, 0.2, 0.2, 0, fold=fold)
        homes = [{example.group for example in part} for _, part in splits]
        assert not any(homes[one] & homes[other] for one, other in ((0, 1), (0, 2), (1, 2)))
        assert sum(len(part) for _, part in splits) == 90
        tested += [example.text for example in splits.test]
    assert sorted(tested) == sorted(example.text for example in examples)


def test_validation_is_carved_out_of_training_only():
    train = [Text(str(index), "ab"[index % 2]) for index in range(60)]
    test = [Text("t", "a")]
    carved = carve_validation(Splits(train, [], test, origin="as given"), 0.2, 0)
    assert carved.test is test
    assert sorted(e.text for e in [*carved.train, *carved.val]) == sorted(e.text for e in train)
    assert abs(len(carved.val) / 60 - 0.2) < 0.08
    assert carved.origin.startswith("as given; val made here")


def test_groups_join_through_any_shared_key():
    groups = joined(["a", "b", None, "b", None], ["x", "y", "x", "z", None])
    assert groups[0] == groups[2]
    assert groups[1] == groups[3]
    assert len(set(groups)) == 3


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers(0, 9)), min_size=1, max_size=12))
def test_groups_join_through_chains_of_different_keys(pairs):
    """Two examples are in one group exactly if a chain of shared keys leads from one to the other."""
    assert len(set(joined(["a", "b", "b"], ["x", "y", "x"]))) == 1
    groups = joined(*zip(*pairs, strict=True))
    linked = [[one[0] == other[0] is not None or one[1] == other[1] for other in pairs] for one in pairs]
    _, wanted = connected_components(csr_matrix(linked))
    assert len(set(zip(groups, wanted, strict=True))) == len(set(groups)) == len(set(wanted))


def test_small_groups_make_up_for_what_large_ones_miss():
    groups = [*np.repeat(range(6), 10).tolist(), *range(6, 46)]
    home = split_by_group(["a", "b"] * 50, groups, 0.2, 0.2, 0)
    assert np.bincount(home).tolist() == pytest.approx([60, 20, 20], abs=2)


@given(st.sampled_from([0.05, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.9]), st.integers(40, 200), st.integers(0, 5))
def test_what_is_held_out_is_the_part_of_each_class(part, count, seed):
    labels = ["a", "b"] * count
    held = hold_out(labels, part, seed)
    for label in "ab":
        share = np.mean([flag for flag, name in zip(held, labels, strict=True) if name == label])
        assert abs(share - part) <= 1 / count


@pytest.mark.parametrize("part", [0.0, 1.0, -0.1])
def test_a_part_that_cannot_be_held_out(part):
    with pytest.raises(DataError, match="above 0 and below 1"):
        hold_out(["a", "b"] * 10, part, 0)


@pytest.mark.parametrize("offset", [0.0, 1e8, -3e9])
def test_moments_are_exact_where_the_mean_is_far_from_zero(offset: float) -> None:
    values = np.random.default_rng(0).normal(offset, 2.0, (3, 5000))
    found = Moments.of(np.array_split(values, 7, axis=1))
    assert found.count == 5000
    assert np.allclose(found.mean, values.mean(axis=1), rtol=1e-14)
    assert np.allclose(found.deviation(), values.std(axis=1), rtol=1e-6)


def test_moments_of_small_numbers_are_gathered_in_float64() -> None:
    values = np.random.default_rng(0).integers(0, 256, (1, 300_000)).astype(np.uint8)
    for kind in (np.uint8, np.float32, np.float16):
        found = Moments.of(values[:, start : start + 1000].astype(kind) for start in range(0, 300_000, 1000))
        assert np.allclose(found.mean, values.mean(dtype=np.float64), rtol=1e-12)
        assert np.allclose(found.deviation(), values.std(dtype=np.float64), rtol=1e-12)


def test_moments_are_those_of_a_sum_and_a_sum_of_squares() -> None:
    parts = [np.random.default_rng(seed).random((2, 50 + seed)) for seed in range(4)]
    whole = np.concatenate(parts, axis=1)
    found = Moments.of(parts)
    assert np.allclose(found.mean, whole.sum(axis=1) / whole.shape[1], rtol=1e-12)
    variance = (whole**2).sum(axis=1) / whole.shape[1] - found.mean**2
    assert np.allclose(found.deviation(), np.sqrt(variance), rtol=1e-9)


def test_moments_of_constant_and_of_no_values() -> None:
    found = Moments.of([np.full((2, 9), 0.1, np.float32)])
    assert np.allclose(found.mean, 0.1)
    assert (found.deviation() == 0).all()
    assert found.deviation(1e-3).tolist() == [1e-3, 1e-3], "can be divided by"
    found.add(np.empty((2, 0)))
    found.merge(Moments(2))
    assert (found.count, found.mean[0]) == (9, np.float64(np.float32(0.1)))
    assert Moments.of([np.empty((2, 0))]).deviation(1e-3).tolist() == [1e-3, 1e-3]
    with pytest.raises(ValueError, match="nothing"):
        Moments.of([])


def test_merged_moments_are_those_of_all_values() -> None:
    one, other = np.random.default_rng(1).random((2, 30)), np.random.default_rng(2).random((2, 70)) + 5
    found = Moments.of([one])
    found.merge(Moments.of([other]))
    both = Moments.of([np.concatenate([one, other], axis=1)])
    assert np.allclose(found.mean, both.mean)
    assert np.allclose(found.deviation(), both.deviation())


def test_evenly_spaced_indices_have_both_ends_and_no_index_twice() -> None:
    assert evenly_spaced(5, 100).tolist() == [0, 1, 2, 3, 4]
    assert evenly_spaced(101, 5).tolist() == [0, 25, 50, 75, 100]
    assert evenly_spaced(1, 3).tolist() == [0]
    for count in (7, 50, 333):
        found = evenly_spaced(count, 32)
        assert len(np.unique(found)) == len(found) == min(32, count)


def test_each_content_is_looked_at_once():
    """A fingerprint reads a whole file: carving validation out of training makes none again."""
    parts = {name: [Text(f"{name} {n}", "ab"[n % 2]) for n in range(10)] for name in ("train", "test")}
    seen = Counter()

    def content(example):
        seen[example.text] += 1
        return example.text

    assert len(as_given("here", parts, 0.3, 0, content=content).val)
    assert set(seen.values()) == {1} and len(seen) == 20
