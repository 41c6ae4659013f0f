"""Segmentation: the trainer against a careful loop and against MONAI's SupervisedTrainer; a large volume; the first step.

All sides train one U-Net on the same scans and patches in float32. `careful` is a carefully written loop: volumes prepared in
advance, the encoder's own functions to cut and change patches, a fused optimizer, nothing
else. `monai` uses MONAI as in its tutorials: CacheDataset, its random dictionary transforms with the same sizes and
probabilities, a DataLoader, its deep-supervision loss of Dice and cross-entropy, SupervisedTrainer (needs pytorch-ignite).

`volume` predicts a scan of 512 × 512 × 400 voxels with the steps of `convzoo predict` in a new process, and gives the peak above
the imports as a multiple of the scan's size in float32. `start` is the time from starting a process to the first step on
Hippocampus cases (on phantoms if these are missing), against the same with MONAI. `memory` is an epoch and its evaluation in new
processes.
"""

import argparse
import copy
import dataclasses
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import (
    Ratio,
    Verdict,
    interleaved,
    last_line,
    parser,
    pin,
    print_environment,
    print_medians,
    print_verdicts,
)
from memory import peak
from start import READY, seconds_to_ready
from trainer_speed import NEVER, InTurns, sizes

from convzoo.core.randomness import Draws
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

RECIPE = "organ_unet3d"
REFERENCE = "reference/organ_hippocampus"
PARTS = ("trainer", "memory", "start", "volume")
AUGMENT = ["encoder.rotate=15", "encoder.scale=0.1", "encoder.spatial_probability=0.3", "encoder.noise=0.1",
           "encoder.contrast=0.2", "encoder.gamma=1.3", "encoder.intensity_probability=0.2", "train.batch_size=2"]  # fmt: skip


def rates(experiment: Experiment, rounds: int, steps: int) -> dict[str, list[float]]:
    """Patches per second of each side, one value for each round."""
    devices = Devices.open("cpu", "32")
    train = experiment.recipe.train
    config = dataclasses.replace(
        train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, checkpoint_every=None, precision="32"
    )
    loader = loaders(experiment, devices)["train"]
    opponents = {"careful": careful_step(experiment), "monai": monai_step(experiment, steps)}
    turns = InTurns(steps, opponents, sizes(len(loader.examples), int(loader.batch_size)))
    few = Loader(experiment.splits.val[:1], experiment.encoder, 1)
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(experiment.model)
        Trainer(model, experiment.task, config, devices, loader, few, Path(folder), [turns]).fit()
    return turns.rates


def careful_step(experiment: Experiment) -> Callable[[], int]:
    """The careful loop."""
    model = copy.deepcopy(experiment.model).train()
    Seeds(model, 1).at(0, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=True)
    encoder, task = experiment.encoder, experiment.task
    size = int(experiment.recipe.train.batch_size)
    items = [encoder.prepare(piece) for piece in encoder.pieces(experiment.splits.train)]

    def batches() -> Iterator[Any]:
        for epoch in range(NEVER):
            order = torch.randperm(len(items), generator=torch.Generator().manual_seed(epoch))
            for chosen in order.split(size):
                numbers = chosen.tolist()
                yield encoder.collate([items[number] for number in numbers], Draws(1, epoch, numbers))

    forever = batches()

    def step() -> int:
        batch = next(forever)
        optimizer.zero_grad(set_to_none=True)
        loss = sum(task.losses(model(**batch.inputs), batch.target).values())
        loss.backward()
        optimizer.step()
        return batch.size

    return step


@dataclasses.dataclass(frozen=True)
class Settings:
    """What MONAI's side needs."""

    files: list[tuple[str, str]]
    patch: list[int]
    spacing: list[float]
    batch_size: int
    foreground: float
    rotate: float
    scale: float
    spatial: float
    contrast: float
    gamma: float
    noise: float
    chance: float

    @classmethod
    def of(cls, experiment: Experiment) -> "Settings":
        """Those of a recipe."""
        encoder = experiment.encoder
        files = [(str(example.path), str(example.mask)) for example in experiment.splits.train]
        return cls(
            files, list(encoder.plan.patch), list(encoder.plan.spacing), int(experiment.recipe.train.batch_size),
            encoder.foreground, encoder.rotate, encoder.scale, encoder.spatial_probability, encoder.contrast, encoder.gamma,
            encoder.noise, encoder.intensity_probability,
        )  # fmt: skip

    def as_json(self) -> str:
        """For another process."""
        return json.dumps(dataclasses.asdict(self))


def monai_loader(settings: Settings) -> Any:
    """MONAI's cached data set with the same random transforms as in the encoder, in a DataLoader."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai import transforms as monai
        from monai.data import CacheDataset, DataLoader
    keys, patch = ("image", "label"), settings.patch
    angle = float(np.radians(settings.rotate))
    chance = settings.chance
    steps = [
        monai.LoadImaged(keys, ensure_channel_first=True),
        monai.Orientationd(keys, axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
        monai.Spacingd(keys, pixdim=settings.spacing, mode=("bilinear", "nearest")),
        monai.NormalizeIntensityd("image"),
        monai.SpatialPadd(keys, patch),
        monai.RandCropByPosNegLabeld(
            keys, "label", patch, pos=settings.foreground, neg=1 - settings.foreground, num_samples=1
        ),
        monai.RandAffined(
            keys, prob=settings.spatial, rotate_range=(angle,) * 3, scale_range=(settings.scale,) * 3,
            mode=("bilinear", "nearest"), padding_mode="zeros",
        ),
        monai.RandScaleIntensityd("image", settings.contrast, prob=chance),
        monai.RandAdjustContrastd("image", prob=chance, gamma=(1 / settings.gamma, settings.gamma), retain_stats=True),
        monai.RandGaussianNoised("image", prob=chance, std=settings.noise),
    ]  # fmt: skip
    files = [{"image": image, "label": mask} for image, mask in settings.files]
    data = CacheDataset(files, monai.Compose(steps), cache_rate=1.0, num_workers=1, progress=False)
    return DataLoader(data, batch_size=settings.batch_size, shuffle=True, num_workers=0)


def monai_trainer(settings: Settings, model: torch.nn.Module, steps: int) -> Any:
    """SupervisedTrainer; an `epoch` is a round."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from monai.engines import SupervisedTrainer
        from monai.losses import DeepSupervisionLoss, DiceCELoss
    loss = DeepSupervisionLoss(DiceCELoss(include_background=False, to_onehot_y=True, softmax=True), weight_mode="exp")
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0)
    return SupervisedTrainer(
        device=torch.device("cpu"), max_epochs=1, train_data_loader=monai_loader(settings), network=model,
        optimizer=optimizer, loss_function=loss, epoch_length=steps,
    )  # fmt: skip


def monai_step(experiment: Experiment, steps: int) -> Callable[[], int]:
    """The trainer makes all steps of a round at the first call; the other calls of the round only return the batch size."""
    settings = Settings.of(experiment)
    trainer = monai_trainer(settings, copy.deepcopy(experiment.model), steps)
    due = 0

    def step() -> int:
        nonlocal due
        if due == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer.run()
            trainer.state.max_epochs += 1
        due = (due + 1) % steps
        return settings.batch_size

    return step


def memory_worker(overrides: list[str], threads: int) -> None:
    """convzoo's epoch, with its evaluation of the validation split."""
    torch.set_num_threads(threads)
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    splits = loaders(experiment, devices)
    config = dataclasses.replace(
        experiment.recipe.train, epochs=1, steps=None, precision="32", evaluate_every=None
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, splits["train"], splits["val"], Path(folder)
        ).fit()  # fmt: skip


def monai_worker(settings: Settings, network: dict[str, Any], steps: int, threads: int) -> None:
    """MONAI's steps on the same files; only the network is from convzoo."""
    from convzoo.models.unet import UNet

    torch.set_num_threads(threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monai_trainer(settings, UNet(**network), steps).run()


def start_worker(recipe: str, overrides: list[str]) -> None:
    """convzoo's command, to its first optimizer step."""
    from start import worker

    worker(recipe, overrides)


def network_of(experiment: Experiment) -> dict[str, Any]:
    """The arguments of the recipe's network."""
    names = ("in_channels", "classes", "dimensions", "strides", "flat")
    return {name: experiment.encoder.dims[name] for name in names} | dict(experiment.recipe.model.args)


def volume_worker(path: Path, out: Path, base: int, patch: int, threads: int) -> None:
    """Predict one scan and write its mask, as `convzoo predict scan.nii -o mask.nii` does."""
    from convzoo.modalities.volume.example import Volume
    from convzoo.modalities.volume.mask_encoder import SegmentationEncoder
    from convzoo.modalities.volume.plan import make_plan
    from convzoo.modalities.volume.space import oriented
    from convzoo.models.unet import UNet
    from convzoo.tasks.segmentation import Segmentation
    from convzoo.training.memory import keep_freed_memory

    torch.set_num_threads(threads)
    keep_freed_memory()
    torch.manual_seed(0)
    encoder = SegmentationEncoder(patch=[patch] * 3, normalise="none")
    (example,) = Volume.from_inputs([path])
    geometry = example.geometry()
    encoder.labels, encoder.values = ("a", "b", "c"), (1, 2, 3)
    encoder.plan = make_plan(np.array([geometry.spacing]), np.array([geometry.shape]), patch**3, patch=[patch] * 3)
    dims = encoder.dims
    model = UNet(1, 4, 3, dims["strides"], dims["flat"], base_channels=base, max_channels=4 * base).eval()
    task = Segmentation(encoder.labels, dims["patch"], overlap=0.25)
    oriented(np.zeros((4, 4, 4), np.float32), np.eye(4))  # MONAI is imported
    before = peak()
    began = time.perf_counter()
    with torch.no_grad():
        outputs = task.predict(model, encoder.encode([example]))
    encoder.write_files(out, [example], task.decode(outputs))
    seconds = time.perf_counter() - began
    scan = 4 * float(np.prod(geometry.shape)) / 1e6
    print(json.dumps({"peak": peak(), "before": before, "scan": scan, "seconds": seconds}))


def large_scan(path: Path, shape: list[int]) -> None:
    """Smooth shapes and noise as int16 in an uncompressed NIfTI, written plane by plane."""
    import nibabel

    random = np.random.default_rng(0)
    x, y = np.meshgrid(np.linspace(0, 9, shape[0]), np.linspace(0, 7, shape[1]), indexing="ij")
    image = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.diag([0.8, 0.8, 1.0, 1.0]))
    header = image.header.copy()
    header.set_data_shape(shape)
    header.set_data_dtype(np.int16)
    with path.open("wb") as file:
        header["vox_offset"] = 352
        header["magic"] = b"n+1"
        header.set_sform(np.diag([0.8, 0.8, 1.0, 1.0]), 1)
        file.write(header.binaryblock + b"\0" * 4)
        for z in range(shape[2]):
            plane = 300 * np.sin(x + z / 40) * np.cos(y - z / 60) + random.normal(0, 50, shape[:2])
            file.write(plane.astype("<i2").tobytes(order="F"))


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=11, steps=10)
    made.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="default: all")
    made.add_argument(
        "--memory-rounds", type=int, default=3, help="how often memory and start are measured (default 3)"
    )
    made.add_argument("--volume", type=int, nargs=3, default=[512, 512, 400], help="voxels of the large scan")
    made.add_argument("--base", type=int, default=4, help="maps of the first stage of the large scan's network")
    made.add_argument("--patch", type=int, default=96, help="side of the large scan's windows")
    made.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        kind, *rest = options.worker
        if kind == "memory":
            memory_worker(options.set, options.threads)
            print(json.dumps({"peak": peak()}))
        elif kind == "monai":
            settings, network, steps = Settings(**json.loads(rest[0])), json.loads(rest[1]), int(rest[2])
            monai_worker(settings, network, steps, options.threads)
            print(json.dumps({"peak": peak()}) if steps > 1 else READY, flush=True)
        elif kind == "start":
            start_worker(rest[0], options.set)
        else:
            volume_worker(Path(rest[0]), Path(rest[1]), options.base, options.patch, options.threads)
        return 0

    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    own = [sys.executable, str(Path(__file__).resolve()), "--threads", str(options.threads)]
    overrides = [*AUGMENT, *options.set]
    verdicts = []
    if "trainer" in options.parts:
        experiment = assemble(open_recipe(RECIPE, overrides))
        found = rates(experiment, options.rounds, options.steps)
        print(f"{RECIPE} with augmentation, medians of {options.rounds} rounds of {options.steps} steps")
        print_medians(found, "patches/s", digits=2)
        for name, wanted in (("careful", 0.97), ("monai", 1.0)):
            verdicts.append(Verdict(f"convzoo / {name}", Ratio.of(found["convzoo"], found[name]), wanted))
    if "memory" in options.parts:
        experiment = assemble(open_recipe(RECIPE, overrides))
        steps = -(-len(experiment.splits.train) // int(experiment.recipe.train.batch_size))
        plain = ["monai", Settings.of(experiment).as_json(), json.dumps(network_of(experiment)), str(steps + 1)]
        commands = {
            "convzoo": [*own, "--worker", "memory", "--set", *overrides],
            "monai": [*own, "--worker", *plain],
        }  # fmt: skip
        sides = {
            name: lambda line=line: last_line(line, options.threads)["peak"] for name, line in commands.items()
        }  # fmt: skip
        peaks = interleaved(sides, options.memory_rounds, 0)
        print_medians(peaks, "peak MB")
        ratio = Ratio.of(peaks["convzoo"], peaks["monai"])
        verdicts.append(Verdict("memory: convzoo / monai", ratio, 1.2, at_most=True))
    if "start" in options.parts:
        recipe, more = (REFERENCE, ["repeat={}"]) if os.environ.get("CONVZOO_MIRROR") else (RECIPE, overrides)
        experiment = assemble(open_recipe(recipe, more))
        plain = ["monai", Settings.of(experiment).as_json(), json.dumps(network_of(experiment)), "1"]
        commands = {
            "convzoo": [*own, "--worker", "start", recipe, "--set", *more],
            "monai": [*own, "--worker", *plain],
        }  # fmt: skip
        sides = {name: lambda line=line: seconds_to_ready(line, options.threads) for name, line in commands.items()}
        taken = interleaved(sides, options.memory_rounds, 1)
        cases = len(experiment.splits.train)
        print(f"{recipe}: seconds from starting a process to the first step, {cases} volumes to train on")
        print_medians(taken, "seconds", digits=2)
        ratio = Ratio.of(taken["convzoo"], taken["monai"])
        verdicts.append(Verdict("first step: convzoo / monai", ratio, 1.0, at_most=True))
    if "volume" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "scan.nii", Path(folder) / "mask.nii"
            large_scan(path, options.volume)
            size = ["--base", str(options.base), "--patch", str(options.patch)]
            facts = last_line([*own, *size, "--worker", "volume", path, out], options.threads)
        above = (facts["peak"] - facts["before"]) / facts["scan"]
        print(
            f"a scan of {' × '.join(map(str, options.volume))}, {facts['scan']:,.0f} MB as float32, with its mask written: "
            f"{facts['seconds']:.0f} s, peak {facts['peak']:,.0f} MB, {facts['before']:,.0f} MB of them before the scan\n"
        )
        verdicts.append(
            Verdict("memory of a large scan / the scan as float32", Ratio(above, above, above), 5.0, at_most=True)
        )
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
