"""Segmentation: metrics, windows, plans, networks and files, held against MONAI, SciPy and definitions."""

import itertools
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import convzoo
from convzoo.core.batch import Batch
from convzoo.core.outputs.masks import Grid, Masks
from convzoo.core.randomness import Draws
from convzoo.metrics.segmentation import SegmentationMeter, assd, case_scores, dice, hd95, surface_distances
from convzoo.modalities.volume import patches as augment
from convzoo.modalities.volume.data.decathlon import Decathlon
from convzoo.modalities.volume.formats import read_labels, write_nifti
from convzoo.modalities.volume.mask_baselines import MeanAtlas
from convzoo.modalities.volume.mask_encoder import SegmentationEncoder
from convzoo.modalities.volume.plan import make_plan
from convzoo.models.unet import Finer, UNet
from convzoo.ops.sliding_windows import Restored, gaussian, sliding_probabilities, window_starts
from convzoo.runs import Run, read_predictions
from convzoo.tasks.segmentation import Segmentation, at_resolution, soft_dice, without_crumbs


def blobs(random: np.random.Generator, shape: tuple[int, ...], structures: int = 2) -> np.ndarray:
    """A mask of round structures somewhere."""
    mask = np.zeros(shape, np.uint8)
    grid = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    for number in range(1, structures + 1):
        centre = random.uniform(0.2, 0.8, len(shape)) * shape
        mask[np.linalg.norm(grid - centre, axis=-1) < random.uniform(0.1, 0.3) * min(shape)] = number
    return mask


def one_hot(mask: np.ndarray, classes: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([mask == number for number in range(classes)])).float()[None]


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_metrics_are_monais(axes: int, seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import monai.metrics as official
    random = np.random.default_rng([axes, seed])
    shape = tuple(random.integers(16, 26, axes).tolist())
    spacing = tuple(random.uniform(0.5, 3.0, axes).tolist())
    found, true = blobs(random, shape), blobs(random, shape)
    ours = case_scores(found, true, spacing, 2)
    pair = one_hot(found, 3), one_hot(true, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = np.stack(
            [
                official.compute_dice(*pair, include_background=False)[0].numpy(),
                official.compute_hausdorff_distance(*pair, percentile=95, spacing=spacing)[0].numpy(),
                official.compute_average_surface_distance(*pair, symmetric=True, spacing=spacing)[0].numpy(),
            ],
            axis=1,
        )
    there = np.isfinite(theirs).all(axis=1)
    assert there.any()
    assert ours[there] == pytest.approx(theirs[there], rel=1e-5)


def test_surface_distances_by_hand() -> None:
    true = np.zeros((12, 8, 8), bool)
    true[2:6, 2:6, 2:6] = True
    moved = np.roll(true, 2, axis=0)
    forth, back = surface_distances(moved, true, (3.0, 1.0, 1.0))
    assert hd95(forth, back) == pytest.approx(6.0)
    assert 0 < assd(forth, back) < 6.0
    assert dice(moved, true) == pytest.approx(0.5)


def test_empty_masks_follow_the_rule() -> None:
    empty, full = np.zeros((6, 6, 6), np.uint8), np.ones((6, 6, 6), np.uint8)
    spacing = (1.0, 2.0, 2.0)
    diagonal = np.sqrt(36 + 144 + 144)
    assert np.isnan(case_scores(empty, empty, spacing, 1)).all()
    for pair in ((empty, full), (full, empty)):
        assert case_scores(*pair, spacing, 1)[0] == pytest.approx([0, diagonal, diagonal])
    meter = SegmentationMeter(["organ", "lesion"])
    grid = Grid.same((6, 6, 6), spacing)
    meter.update(Masks([full, empty], [4.0, 4.0]), {"masks": [full, full], "grids": [grid, grid]})
    scores = meter.compute()
    assert scores["dice_organ"] == pytest.approx(0.5), "a mean over the cases"
    assert "dice_lesion" not in scores, "nobody has one and none is found"
    assert scores["dice"] == scores["dice_organ"]
    nothing = SegmentationMeter(["organ"])
    nothing.update(Masks([empty], [4.0]), {"masks": [empty], "grids": [grid]})
    assert nothing.compute() == {"dice": 1.0, "hd95_mm": 0.0, "assd_mm": 0.0}


@given(st.integers(1, 90), st.integers(1, 40), st.floats(0, 0.9))
def test_windows_cover_all_and_overlap(size: int, window: int, overlap: float) -> None:
    starts = window_starts(size, window, overlap)
    covered = np.zeros(max(size, window), bool)
    for start in starts:
        covered[start : start + window] = True
    assert covered.all()
    assert starts == sorted(set(starts))
    assert all(b - a <= max(1, window * (1 - overlap)) + 1 for a, b in itertools.pairwise(starts))


class Local(nn.Module):
    """Depends on a neighbourhood, so that a window's border matters."""

    def __init__(self, axes: int, classes: int = 3) -> None:
        super().__init__()
        kind = {2: nn.Conv2d, 3: nn.Conv3d}[axes]
        self.convolution = kind(1, classes, 5, padding=2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.convolution(image)


SPACES = [((40, 32), (16, 16)), ((24, 16, 24), (8, 8, 12)), ((8, 24, 12), (12, 12, 12))]
"""Sizes at which MONAI's windows, which begin a fixed step apart, are ours, which are evenly spread."""


def slide(image: torch.Tensor, window: tuple[int, ...], compute, **options) -> torch.Tensor:
    with torch.no_grad():
        parts = list(sliding_probabilities(image, window, compute, 0.5, at_once=3, **options))
    ends = np.cumsum([0, *(planes.shape[1] for _, planes in parts)])
    assert [start for start, _ in parts] == ends[:-1].tolist(), "all planes, in order"
    return torch.cat([planes for _, planes in parts], dim=1)


@pytest.mark.parametrize(("space", "window"), SPACES)
def test_sliding_windows_are_monais(space: tuple[int, ...], window: tuple[int, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.inferers import sliding_window_inference
    torch.manual_seed(0)
    model, image = Local(len(space)), torch.randn(1, *space)

    def compute(part: torch.Tensor) -> torch.Tensor:
        return model(part).softmax(dim=1)

    with torch.no_grad():
        even = sliding_window_inference(image[None], window, 2, compute, overlap=0.5, mode="constant")[0]
        middle = sliding_window_inference(image[None], window, 2, compute, overlap=0.5, mode="gaussian")[0]
    assert torch.allclose(slide(image, window, compute, weight=torch.ones), even, atol=1e-5)
    # MONAI's Gaussian has a floor of a thousandth, which tells at the borders of the volume, where only borders of windows meet.
    difference = (slide(image, window, compute) - middle).abs()
    assert difference.mean() < 1e-2
    inside = tuple(slice(wide // 2, size - wide // 2) for size, wide in zip(space, window, strict=True))
    if all(part.stop > part.start for part in inside):
        assert difference[(slice(None), *inside)].max() < 3e-2


@settings(max_examples=15)
@given(
    st.tuples(st.integers(3, 40), st.integers(3, 30)),
    st.tuples(st.integers(2, 20), st.integers(2, 20)),
    st.integers(0, 9),
)
def test_sliding_windows_of_any_size(space: tuple[int, int], window: tuple[int, int], seed: int) -> None:
    """Against the definition: a weighted mean over all windows, made with as much memory as it takes."""
    torch.manual_seed(seed)
    model, image = Local(2), torch.randn(1, *space)
    padded, before = _padded(image, window)
    places = itertools.product(*(window_starts(max(s, w), w, 0.5) for s, w in zip(space, window, strict=True)))
    total, mass = torch.zeros(3, *padded.shape[1:]), torch.zeros(padded.shape[1:])
    importance = gaussian(window[0])[:, None] * gaussian(window[1])
    with torch.no_grad():
        for place in places:
            where = tuple(slice(at, at + wide) for at, wide in zip(place, window, strict=True))
            total[(slice(None), *where)] += importance * model(padded[(slice(None), *where)][None])[0]
            mass[where] += importance
    inside = tuple(slice(first, first + size) for first, size in zip(before, space, strict=True))
    assert torch.allclose(slide(image, window, model), (total / mass)[(slice(None), *inside)], atol=1e-4)


def _padded(image: torch.Tensor, window: tuple[int, ...]) -> tuple[torch.Tensor, list[int]]:
    lacks = [max(0, wide - size) for wide, size in zip(window, image.shape[1:], strict=True)]
    sides = [side for lack in reversed(lacks) for side in (lack // 2, lack - lack // 2)]
    return torch.nn.functional.pad(image, sides), [lack // 2 for lack in lacks]


@settings(max_examples=20)
@given(st.permutations([0, 1, 2]), st.lists(st.booleans(), min_size=3, max_size=3), st.integers(0, 100))
def test_a_mask_comes_back_as_it_was_turned(order: list[int], mirrored: list[bool], seed: int) -> None:
    random = np.random.default_rng(seed)
    own = blobs(random, (7, 9, 11))
    affine = np.diag([1.0, 2.0, 3.0, 1.0])
    turned = np.transpose(own, order)
    network = affine[:, [*order, 3]].copy()
    for axis, is_mirrored in enumerate(mirrored):
        if is_mirrored:
            turned = np.flip(turned, axis)
            network[:, 3] += network[:, axis] * (turned.shape[axis] - 1)
            network[:, axis] *= -1
    grid = Grid.between(own.shape, affine, network)
    restored = Restored(grid, turned.shape)
    probabilities = one_hot(np.ascontiguousarray(turned), 3)[0]
    for start in range(0, turned.shape[0], 2):
        restored.add(start, probabilities[:, start : start + 2])
    assert np.array_equal(restored.mask, own)


def test_probabilities_are_interpolated_before_the_likeliest_is_taken() -> None:
    from scipy.ndimage import map_coordinates

    random = np.random.default_rng(0)
    probabilities = torch.from_numpy(random.dirichlet(np.ones(4), (9, 8, 10))).permute(3, 0, 1, 2).float()
    network = np.diag([2.0, 2.5, 1.5, 1.0])
    own = np.array([[0, -1.1, 0, 15.0], [1.3, 0, 0, 0.4], [0, 0, 0.9, 0.2], [0, 0, 0, 1]])
    shape = (13, 14, 15)
    grid = Grid.between(shape, own, network)
    restored = Restored(grid, probabilities.shape[1:])
    for start, stop in ((0, 3), (3, 4), (4, 9)):
        restored.add(start, probabilities[:, start:stop])
    places = np.stack(np.meshgrid(*[np.arange(size) for size in shape], [1], indexing="ij"), axis=-1)[..., 0, :]
    at = np.einsum("ij,...j->i...", np.linalg.inv(network) @ own, places)[:3]
    limits = np.array(probabilities.shape[1:])[:, None, None, None] - 1
    expected = np.stack([map_coordinates(each.numpy(), np.clip(at, 0, limits), order=1) for each in probabilities])
    assert (restored.mask == expected.argmax(axis=0)).mean() > 0.999


def test_grids_that_are_not_parallel_are_refused() -> None:
    turned = np.eye(4)
    turned[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    with pytest.raises(ValueError, match="not parallel"):
        Grid.between((20, 20, 20), np.eye(4), turned)


def test_plan_of_even_volumes() -> None:
    plan = make_plan(np.ones((20, 3)), np.tile([35, 50, 36], (20, 1)), 262_144)
    assert plan.spacing == (1, 1, 1)
    assert plan.shape == (35, 50, 36)
    assert all(side % factor == 0 for side, factor in zip(plan.patch, np.prod(plan.strides, axis=0), strict=True))
    assert all(side >= shape for side, shape in zip(plan.patch, plan.shape, strict=True)), "the whole volume fits"
    assert plan.batch_size >= 2
    assert not np.any(plan.flat)


def test_plan_of_thick_slices() -> None:
    spacings = np.tile([0.5, 0.5, 5.0], (30, 1))
    spacings[:6, 2] = 2.0
    plan = make_plan(spacings, np.tile([320, 320, 20], (30, 1)), 262_144)
    assert plan.spacing[:2] == (0.5, 0.5)
    assert plan.spacing[2] == 2.0, "the 10th percentile: fine cases keep what they have"
    assert plan.patch[0] > 2 * plan.patch[2], "fewer thick slices cover as many millimetres"
    assert np.prod(plan.patch) <= 262_144
    assert plan.strides[1] == (2, 2, 1), "a coarse axis waits"
    assert plan.flat[0] == (False, False, True)
    assert not any(plan.flat[-1])


def test_plan_keeps_what_is_given_and_its_budget() -> None:
    spacings, shapes = np.tile([1.0, 1.0, 1.0], (9, 1)), np.tile([512, 512, 400], (9, 1))
    for budget in (2**15, 2**18, 2**20):
        plan = make_plan(spacings, shapes, budget)
        assert budget / 3 < np.prod(plan.patch) <= budget
    given = make_plan(spacings, shapes, 2**18, spacing=[2, 2, 2], patch=[32, 48, 20])
    assert given.spacing == (2, 2, 2)
    assert given.shape == (256, 256, 200)
    assert given.patch == (32, 48, 20)
    with pytest.raises(ValueError, match="at least 4"):
        make_plan(spacings, shapes, 2**18, patch=[32, 32, 2])


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unet_takes_any_size_of_any_dimensions(axes: int) -> None:
    model = UNet(2, 3, axes, strides=[(1,) * axes, (2,) * axes, (2,) * axes, (2,) * axes], base_channels=4)
    for size in (9, 13, 21):
        image = torch.randn(2, 2, *(size + axis for axis in range(axes)))
        several = model.train()(image)
        assert [tuple(each.shape[:2]) for each in several] == [(2, 3), (2, 3)], "the finest two of three speak"
        assert several[0].shape[2:] == image.shape[2:]
        assert several[1].shape[2:] == tuple(-(-side // 2) for side in image.shape[2:])
        single = model.eval()(image)
        assert single.shape == (2, 3, *image.shape[2:])


def test_unet_gives_every_weight_a_gradient_whatever_the_choice() -> None:
    thick = {"flat": [(False, False, True), (False,) * 3, (False,) * 3], "strides": [(1, 1, 1), (2, 2, 1), (2, 2, 2)]}
    choices = [{}, {"separable": True}, {"downsampling": "max"}, {"deep_supervision": False}, {"blocks": 2}, thick]
    for choice in choices:
        model = UNet(1, 2, **{"dimensions": 3, "strides": [(1,) * 3, (2,) * 3, (2,) * 3], "base_channels": 4, **choice})
        outputs = model(torch.randn(1, 1, 12, 12, 9))
        sum(out.square().mean() for out in (outputs if isinstance(outputs, list) else [outputs])).backward()
        assert all(parameter.grad is not None for parameter in model.parameters()), choice


@pytest.mark.parametrize("step", [(2, 2), (2, 2, 2), (2, 2, 1)])
def test_finer_is_a_transposed_convolution(step: tuple[int, ...]) -> None:
    axes = len(step)
    ours = Finer(axes, 3, 5, step)
    theirs = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[axes](3, 5, step, step, bias=False)
    weight = ours.pointwise.weight.flatten(1).unflatten(0, (5, *step))  # (out, *step, in)
    with torch.no_grad():
        theirs.weight.copy_(weight.movedim(-1, 0))
    x = torch.randn(2, 3, *(4 + axis for axis in range(axes)))
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)


@pytest.mark.parametrize("choice", [{}, {"downsampling": "max"}, {"strides": [(1, 1), (2, 1), (2, 2)]}])
def test_receptive_fields_are_those_that_are_measured(choice: dict) -> None:
    from convzoo.inspect.receptive_field import receptive_fields

    model = UNet(
        1,
        2,
        **{"dimensions": 2, "strides": [(1, 1), (2, 2), (2, 2)], "base_channels": 4, "normalisation": "none", **choice},
    )
    inputs = {"image": torch.randn(1, 1, 96, 96)}
    counted = model.receptive_fields(inputs)
    layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Conv2d)}
    measured = receptive_fields(model.eval(), inputs, layers)
    assert len(measured) > 10
    for name, widths in measured.items():
        # By up to a step, it matters where in a coarser position's block the middle lies.
        assert all(abs(have - seen) <= 2 for have, seen in zip(counted[name], widths, strict=True)), name


def test_soft_dice_is_monais() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.losses import DiceLoss
    torch.manual_seed(0)
    logits, mask = torch.randn(3, 4, 6, 7, 5), torch.randint(0, 4, (3, 1, 6, 7, 5))
    official = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, smooth_nr=1.0, smooth_dr=1.0)
    ours = 1 - soft_dice(logits.softmax(dim=1), mask).mean()
    assert float(ours) == pytest.approx(float(official(logits, mask)), rel=1e-5)


def test_losses_are_means_over_patches() -> None:
    torch.manual_seed(0)
    task = Segmentation(("a", "b"), (8, 8))
    several = [torch.randn(4, 3, 8, 8).double(), torch.randn(4, 3, 4, 4).double()]
    mask = torch.randint(0, 3, (4, 8, 8), dtype=torch.uint8)
    whole = task.losses(several, {"mask": mask})
    halves = [
        task.losses([each[part] for each in several], {"mask": mask[part]}) for part in (slice(0, 1), slice(1, 4))
    ]
    for name, value in whole.items():
        assert float(value) == pytest.approx(float(halves[0][name] / 4 + halves[1][name] * 3 / 4))
    perfect = torch.nn.functional.one_hot(mask.long(), 3).movedim(-1, 1) * 50.0
    assert sum(task.losses(perfect, {"mask": mask}).values()) < 0.01
    assert at_resolution(mask, (4, 4)).shape == (4, 4, 4)


def test_the_same_task_learns_images() -> None:
    """Discs and rings in noise, 2-D: the network, the task, windows and scores are those of volumes."""
    random = np.random.default_rng(0)

    def draw() -> tuple[torch.Tensor, np.ndarray]:
        mask = np.zeros((48, 40), np.uint8)
        rows, columns = np.mgrid[:48, :40]
        for number, radius in ((1, 9), (2, 5)):
            row, column = random.uniform(8, 32, 2)
            mask[(rows - row) ** 2 + (columns - column) ** 2 < radius**2] = number
        image = mask * 1.0 + random.normal(0, 0.3, mask.shape)
        return torch.from_numpy(image).float()[None], mask

    torch.manual_seed(0)
    model = UNet(1, 3, 2, strides=[(1, 1), (2, 2), (2, 2)], base_channels=8)
    task = Segmentation(("large", "small"), (32, 32), window_batch_size=4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(60):
        pairs = [draw() for _ in range(4)]
        images = torch.stack([image[:, :32, :32] for image, _ in pairs])
        masks = torch.stack([torch.from_numpy(mask[:32, :32]) for _, mask in pairs])
        loss = sum(task.losses(model(images), {"mask": masks}).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    cases = [draw() for _ in range(6)]
    target = {"masks": [mask for _, mask in cases], "grids": [Grid.same((48, 40)) for _ in cases]}
    batch = Batch({"image": [image for image, _ in cases]}, target, 6)
    meter = task.meter()
    with torch.no_grad():
        outputs = task.predict(model.eval(), batch)
    meter.update(outputs, target)
    assert meter.compute()["dice"] > 0.8
    first = task.decode(outputs)[0]
    assert set(first["square_millimetres"]) == {"large", "small"}
    assert task.in_words(first, "x.png").startswith("x.png: large ")


def test_crumbs_are_swept() -> None:
    mask = np.zeros((10, 10), np.uint8)
    mask[1:5, 1:5], mask[8, 8], mask[7, 1] = 1, 1, 2
    swept = without_crumbs(mask, 3)
    assert swept.sum() == 16
    assert without_crumbs(mask, 1).sum() == mask.sum()


def scan(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    write_nifti(path, voxels, affine)
    return path


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has learnt a bright ball and a dark one, in four orientations and two spacings."""
    folder = tmp_path_factory.mktemp("balls")
    random = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
    for index in range(14):
        voxels, mask, affine = balls(random, [1.0, 1.2][index % 2])
        turn = [np.eye(4), np.diag([-1.0, 1, 1, 1]), np.diag([1.0, -1, -1, 1]), np.eye(4)[[1, 0, 2, 3]]][index % 4]
        scan(folder / "imagesTr" / f"case_{index:02}.nii.gz", voxels, affine @ turn)
        scan(folder / "labelsTr" / f"case_{index:02}.nii.gz", mask, affine @ turn)
    (folder / "dataset.json").write_text(json.dumps({"labels": {"0": "background", "2": "bright", "7": "dark"}}))
    run = convzoo.run(
        "organ_unet3d",
        ["encoder.patch=[16,16,16]", "encoder.normalise=whole", "encoder.patches=2", "model.base_channels=8", "train.epochs=12",
         "train.batch_size=2", "train.evaluate_every=40", "train.precision=32", "baselines=[background,mean_atlas]"],
        data=folder, out=folder / "run", quiet=True,
    )  # fmt: skip
    assert run.scores["test/dice"] > 0.85
    assert run.results["baselines"]["background"]["test/dice"] == 0
    return folder


def balls(random: np.random.Generator, spacing: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A scan, its mask (2 bright, 7 dark) and its affine; the dark ball lies further up, front and right."""
    shape = tuple(random.integers(20, 25, 3).tolist())
    places = np.stack(np.meshgrid(*[np.arange(size) for size in shape], indexing="ij"), axis=-1)
    mask = np.zeros(shape, np.uint8)
    voxels = random.normal(0, 0.15, shape).astype(np.float32)
    for value, shade, low in ((2, 2.0, 5), (7, -2.0, 13)):
        inside = np.linalg.norm(places - random.uniform(low, low + 2, 3), axis=-1) < 3.7 / spacing
        mask[inside] = value
        voxels[inside] += shade
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = random.uniform(-30, 30, 3)
    return voxels, mask, affine


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.mean([dice(one == value, other == value) for value in (2, 7)]))


def test_predicted_mask_lies_in_the_space_of_its_scan(learnt: Path, cli, tmp_path: Path) -> None:
    voxels, mask, affine = balls(np.random.default_rng(99), 1.1)
    angle = np.radians(8)
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    oblique = turned @ affine
    scan(tmp_path / "scan.nii.gz", voxels, oblique)
    result = cli("predict", learnt / "run", tmp_path / "scan.nii.gz", "-o", tmp_path / "mask.nii.gz")
    assert result.code == 0, result.err
    assert f"wrote {tmp_path / 'mask.nii.gz'}" in result.out
    assert "bright" in result.out and " ml" in result.out
    found, same = read_labels(tmp_path / "mask.nii.gz")
    assert np.allclose(same, oblique, atol=1e-4)
    assert found.shape == mask.shape
    assert set(np.unique(found)) == {0, 2, 7}, "the values of the training masks"
    assert overlap(found, mask) > 0.8


def test_mirrored_and_turned_scans_give_masks_so_placed(learnt: Path, tmp_path: Path) -> None:
    """The same head, stored in another order: every voxel of the mask stays at its place in the patient."""
    run = Run.load(learnt / "run")
    voxels, mask, affine = balls(np.random.default_rng(5), 1.1)
    straight = predicted(run, voxels, affine, tmp_path / "a.nii.gz")
    assert overlap(straight, mask) > 0.8
    for axes, mirrored in (((0, 1, 2), (0,)), ((2, 0, 1), ()), ((1, 0, 2), (1, 2)), ((2, 1, 0), (0, 1, 2))):
        stored = np.flip(np.transpose(voxels, axes), mirrored)
        moved = affine[:, [*axes, 3]].copy()
        for axis in mirrored:
            moved[:3, 3] += moved[:3, axis] * (stored.shape[axis] - 1)
            moved[:3, axis] *= -1
        found = predicted(run, np.ascontiguousarray(stored), moved, tmp_path / "b.nii.gz")
        assert np.array_equal(found, np.flip(np.transpose(straight, axes), mirrored)), (axes, mirrored)
    # A head that is itself mirrored, in the same space: the mask is mirrored with it, as far as a network is even-handed.
    other = predicted(run, np.ascontiguousarray(voxels[::-1, :, :]), affine, tmp_path / "c.nii.gz")
    assert overlap(other, mask[::-1]) > 0.7


def predicted(run: Run, voxels: np.ndarray, affine: np.ndarray, path: Path) -> np.ndarray:
    scan(path, voxels, affine)
    (written,) = run.write(path.with_name("mask.nii.gz"), [path])
    found, same = read_labels(written)
    assert np.allclose(same, affine, atol=1e-4)
    return found


def test_several_scans_are_written_into_a_folder(learnt: Path, cli, tmp_path: Path) -> None:
    images = learnt / "imagesTr"
    result = cli("predict", learnt / "run", images, "-o", tmp_path / "masks", "--json")
    assert result.code == 0, result.err
    rows = [json.loads(line) for line in result.out.splitlines()]
    assert len(rows) == 14
    assert set(rows[0]["millilitres"]) == {"bright", "dark"}
    assert "mask" not in rows[0]
    assert sorted(path.name for path in (tmp_path / "masks").iterdir()) == sorted(
        path.name for path in images.iterdir()
    )
    table = cli("predict", learnt / "run", images / "case_00.nii.gz", "-o", tmp_path / "sizes.csv")
    assert table.code == 0
    assert "millilitres" in (tmp_path / "sizes.csv").read_text()
    for out, words in (
        ("one.nii.gz", "one file for 14 scans"),
        ("masks.png", ".nii or .nii.gz"),
        ("m.nrrd", "not .nrrd"),
    ):
        refused = cli("predict", learnt / "run", images, "-o", tmp_path / out)
        assert refused.code == 2
        assert words in refused.err
        assert len(refused.err.splitlines()) == 1


def test_run_is_scored_again_on_other_cases(learnt: Path, cli) -> None:
    result = cli("evaluate", learnt / "run", "--data", learnt, "--json")
    assert result.code == 0, result.err
    scores = json.loads(result.out)
    assert scores["data/dice"] > 0.85
    assert {"data/dice_bright", "data/hd95_mm_dark", "data/assd_mm"} <= scores.keys()


def test_plan_is_printed_kept_and_overridable(learnt: Path, cli) -> None:
    derived = cli("check", "organ_unet3d", "--data", learnt)
    assert derived.code == 0, derived.err
    (line,) = [line for line in derived.out.splitlines() if line.startswith("chosen    plan")]
    assert "as set" not in line
    assert "batch 2" in line and "from a median of" in line
    assert "image 2×1×" in derived.out, "and the batch is so large"
    shown = cli("check", "organ_unet3d", "encoder.patch=[16,16,16]", "train.batch_size=3", "--data", learnt)
    (line,) = [line for line in shown.out.splitlines() if line.startswith("chosen    plan")]
    assert "patch as set" in line
    assert "image 3×1×16×16×16" in shown.out
    state = json.loads((learnt / "run" / "encoder.json").read_text())
    assert state["plan"]["patch"] == [16, 16, 16]
    other = cli("check", "organ_unet3d", "encoder.spacing=[2,2,2]", "--data", learnt)
    assert "plan (spacing as set): 2×2×2 mm" in other.out


def test_report_shows_cases(learnt: Path) -> None:
    page = (learnt / "run" / "report.html").read_text(encoding="utf-8")
    for words in (
        "found by the network, and the outline of what was drawn",
        "Where it looked",
        "Each structure.",
        "Voxel by voxel",
    ):
        assert words in page, words
    rows = read_predictions(learnt / "run" / "predictions.csv")
    assert "mask" not in rows[0]
    scores = json.loads((learnt / "run" / "scores.json").read_text())["scores"]
    text = re.sub(r"<[^>]+>", " ", page)
    for label in rows[0]["dice"]:
        name = label.replace(" ", "_")
        for score, column in (("dice", "dice"), ("hd95_mm", "hd95_mm"), ("assd_mm", "assd_mm")):
            mean = np.mean([row[column][label] for row in rows if label in row[column]])
            assert mean == pytest.approx(scores[f"test/{score}_{name}"], abs=1e-4), (
                "the meter's mean is that of the rows"
            )
        shown = [f"{scores[f'test/dice_{name}']:.3f}", f"{scores[f'test/hd95_mm_{name}']:.1f} mm"]
        line = re.search(rf"{label}\s+{len(rows)}\s+([\d.]+).*?to [\d.]+\s+([\d.]+ mm)", text)
        assert line is not None and list(line.groups()) == shown


@pytest.mark.parametrize("mode", ["batch", "one"])
def test_patches_come_from_draws_and_hold_structures(learnt: Path, mode: str) -> None:
    encoder = SegmentationEncoder(patch=[12, 12, 12], foreground=1.0, rotate=20, scale=0.2, flip=[0.5] * 3, noise=0.2,
                                  blur=1.0, contrast=0.2, brightness=0.2, gamma=1.5, intensity_probability=1.0)  # fmt: skip
    examples = list(Decathlon(path=str(learnt)).read().train)
    encoder.fit(examples)
    pieces = encoder.pieces(examples)
    draws = Draws(3, 1, [4, 7, 2])
    items = [encoder.prepare(pieces[index]) for index in (4, 7, 2)]
    batch = encoder.collate(items, draws)
    assert batch.inputs["image"].shape == (3, 1, 12, 12, 12)
    assert all(bool((mask > 0).any()) for mask in batch.target["mask"]), "cut about a structure"
    if mode == "batch":
        again = encoder.collate(items, draws)
        assert torch.equal(again.inputs["image"], batch.inputs["image"])
        other = encoder.collate(items, Draws(3, 2, [4, 7, 2]))
        assert not torch.equal(other.inputs["image"], batch.inputs["image"])
    else:
        alone = encoder.collate(items[1:2], Draws(3, 1, [7]))
        assert torch.equal(alone.inputs["image"][0], batch.inputs["image"][1])
        assert torch.equal(alone.target["mask"][0], batch.target["mask"][1])


def test_turned_patch_keeps_mask_on_image() -> None:
    """What is sampled for the image is sampled for the mask: where a mask is the image, it stays so."""
    places = np.stack(np.meshgrid(*[np.arange(size) for size in (24, 22, 20)], indexing="ij"), axis=-1)
    mask = torch.from_numpy((np.linalg.norm((places - (12, 10, 11)) / (1, 0.7, 0.8), axis=-1) < 7).astype(np.uint8))
    image = mask.float()[None]
    straight = augment.turned(image, mask, [4, 3, 2], [16, 16, 16], [1, 1, 1], [0, 0, 0], 1.0)
    assert torch.allclose(straight[0], augment.cut(image, [4, 3, 2], [16, 16, 16]), atol=1e-4)
    assert torch.equal(straight[1], augment.cut(mask[None], [4, 3, 2], [16, 16, 16])[0])
    turned, drawn = augment.turned(image, mask, [4, 3, 2], [16, 16, 16], [1, 1, 2], [25, -10, 15], 1.2)
    assert dice((turned[0] > 0.5).numpy(), drawn.numpy() > 0) > 0.95
    quarter, _ = augment.turned(image, mask, [4, 3, 2], [16, 16, 16], [1, 1, 1], [0, 0, 90], 1.0)
    assert torch.allclose(
        quarter[0], torch.rot90(augment.cut(image, [4, 3, 2], [16, 16, 16])[0], 1, (1, 0)), atol=1e-3
    ) or (torch.allclose(quarter[0], torch.rot90(augment.cut(image, [4, 3, 2], [16, 16, 16])[0], 1, (0, 1)), atol=1e-3))


def test_augmentation_is_monais() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.transforms import AdjustContrast, GaussianSmooth
    torch.manual_seed(0)
    image = torch.randn(1, 14, 12, 10)
    official = AdjustContrast(gamma=1.7, retain_stats=True)(image)
    assert torch.allclose(augment.gamma(image, 1.7), torch.as_tensor(official), atol=1e-3)
    smooth = torch.as_tensor(GaussianSmooth(sigma=1.0, approx="sampled")(image))
    inside = (slice(None), *(slice(4, -4),) * 3)
    assert torch.allclose(augment.blurred(image, 1.0)[inside], smooth[inside], atol=2e-2)
    noisy = augment.noisy(torch.zeros(1, 20, 20, 20), 0.5, 7)
    assert float(noisy.std()) == pytest.approx(0.5, rel=0.05)
    assert torch.equal(noisy, augment.noisy(torch.zeros(1, 20, 20, 20), 0.5, 7))


WRONG = [
    ("shape", "is 20 × 20 × 21, its image"),
    ("space", "has another place than its image"),
    ("undeclared", "holds the label 9, which is not declared"),
    ("fraction", "whole numbers, not 0.5"),
    ("flat", "is 2-D"),
    ("series", "is 4-D"),
    ("nan", "not a finite number"),
    ("thin", "has 3 slices"),
    ("cut off", "cut off"),
    ("no mask", "case_03"),
]


@pytest.mark.parametrize(("fault", "words"), WRONG, ids=[fault for fault, _ in WRONG])
def test_wrong_input_gives_one_line(fault: str, words: str, cli, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("imagesTr", "labelsTr"):
        (tmp_path / name).mkdir()
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "organ": 1}}))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    for index in range(8):
        voxels, mask = random.random((20, 20, 20)).astype(np.float32), np.zeros((20, 20, 20), np.uint8)
        mask[5:9, 5:9, 5:9] = 1
        image, drawn, place = voxels, mask, affine
        if index == 3:
            if fault == "shape":
                drawn = np.zeros((20, 20, 21), np.uint8)
            elif fault == "space":
                place = affine + 5 * np.eye(4)[:, [3, 3, 3, 0]]
                place[:3, :3] = affine[:3, :3]
            elif fault == "undeclared":
                drawn = mask.copy()
                drawn[0, 0, 0] = 9
            elif fault == "fraction":
                drawn = mask * np.float32(0.5)
            elif fault == "flat":
                image, drawn = voxels[:, :, 0], mask[:, :, 0]
            elif fault == "series":
                image = np.stack([voxels] * 4, axis=-1)
            elif fault == "nan":
                image = voxels.copy()
                image[1, 2, 3] = np.nan
            elif fault == "thin":
                image, drawn = voxels[:, :, :3], mask[:, :, :3]
        scan(tmp_path / "imagesTr" / f"case_{index:02}.nii.gz", image, affine)
        if fault != "no mask" or index != 3:
            scan(tmp_path / "labelsTr" / f"case_{index:02}.nii.gz", drawn, place)
        if fault == "cut off" and index == 3:
            path = tmp_path / "imagesTr" / "case_03.nii.gz"
            path.write_bytes(path.read_bytes()[:9000])
    few = ["encoder.patch=[8,8,8]", "train.epochs=1", "model.base_channels=2", "baselines=[]"]
    result = cli("run", "organ_unet3d", *few, "--data", tmp_path, "--out", tmp_path / "run", "--quiet")
    assert result.code == 3, result.out + result.err
    assert len(result.err.splitlines()) == 1, result.err
    assert words in result.err
    assert "Traceback" not in result.err


def test_wrong_settings_give_one_line(cli) -> None:
    for override, words in (
        ("encoder.patch=[16,16]", "three numbers"),
        ("encoder.patch=[16,16,2]", "at least 4"),
        ("encoder.spacing=[1,1,0]", "encoder.spacing"),
        ("task.overlap=1.0", "less than 1"),
        ("task.dice=0.0", None),
        ("model.downsampling=median", "max"),
    ):
        result = cli("check", "organ_unet3d", *TINY["organ_unet3d"], override)
        if words is None:
            assert result.code == 0, result.err
            continue
        assert result.code == 2, (override, result.code, result.err)
        assert len(result.err.splitlines()) == 1
        assert words in result.err


def test_hippocampus_is_read(mirror: Path) -> None:
    splits = Decathlon(dataset="hippocampus", structures=["anterior", "posterior"], fold=2).read()
    assert len(splits.train) + len(splits.val) + len(splits.test) == 208
    assert 41 <= len(splits.test) <= 42
    encoder = SegmentationEncoder()
    encoder.fit(list(splits.train)[:12])
    assert encoder.labels == ("anterior", "posterior")
    item = encoder.prepare(splits.test[0])
    assert float(item["image"].mean()) == pytest.approx(0, abs=1e-3)
    assert set(np.unique(item["own"])) == {0, 1, 2}
    atlas = MeanAtlas(intensity=True, max_examples=20)
    atlas.fit(splits.train, encoder.dims)
    meter = SegmentationMeter(encoder.labels)
    few = [encoder.prepare(example) for example in splits.test[:8]]
    outputs = atlas.outputs(splits.test[:8])
    meter.update(outputs[range(8)], {"masks": [item["own"] for item in few], "grids": [item["grid"] for item in few]})
    assert 0.6 < meter.compute()["dice"] < 0.85, "the atlas, with intensities"
