"""LiDAR: convzoo's trainer against a careful loop, pillars from more and more points, the parts of a detection's time, memory.

`careful` is a carefully written loop around the same module: scans read and cropped in advance, the same functions to augment,
a fused optimizer, clipping, and nothing else. Growth is the time to turn points into a map (mean, features, maximum), each time
with ten times as many points on the same map. Latency is the time for one frame of 120,000 points, from its file to its boxes,
with the networks of the embedded and the reference recipe and their initial weights. Memory is measured in new processes:
preparing a recipe and an epoch with its evaluation, against reading the same files with NumPy and an epoch of a plain loop over
the same module.
"""

import argparse
import copy
import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from common import (
    Ratio,
    Verdict,
    interleaved,
    parser,
    pin,
    print_environment,
    print_medians,
    print_table,
    print_verdicts,
    seconds,
)
from memory import convzoo_worker, peak, peaks
from torch import nn
from trainer_speed import NEVER, InTurns, sizes

from convzoo.core.batch import Batch
from convzoo.core.outputs.boxes import Objects
from convzoo.core.randomness import Draws
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.modalities.points.example import PointCloud
from convzoo.models.pillars import Pillars
from convzoo.recipe.assembly import build
from convzoo.recipe.own_data import open_recipe
from convzoo.recipe.recipe import load
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.memory import keep_freed_memory
from convzoo.training.trainer import Trainer

RECIPE, REFERENCE = "lidar_pillars", "reference/lidar_kitti_pointpillars"
POINTS = 120_000


def trainer_rates(experiment: Experiment, rounds: int, steps: int) -> dict[str, list[float]]:
    """Frames per second of the trainer and of the careful loop, one value for each round."""
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    train = loaders(experiment, devices)["train"]
    model = copy.deepcopy(experiment.model).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
    given = batches(experiment)

    def careful() -> int:
        batch = next(given)
        optimizer.zero_grad(set_to_none=True)
        sum(experiment.task.losses(model(**batch.inputs), batch.target).values()).backward()  # type: ignore[union-attr]
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm or 10.0)
        optimizer.step()
        return len(batch.inputs["counts"])

    turns = InTurns(steps, {"careful": careful}, sizes(len(train.examples), config.batch_size))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            copy.deepcopy(experiment.model), experiment.task, config, devices, train, few, Path(folder), [turns]
        ).fit()  # fmt: skip
    return turns.rates


def batches(experiment: Experiment) -> Iterator[Batch]:
    """Shuffled and augmented batches, without end; the scans are prepared once."""
    encoder = experiment.encoder
    items = [encoder.prepare(example) for example in experiment.splits.train]
    for epoch in range(NEVER):
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(epoch))
        for chosen in order.split(experiment.recipe.train.batch_size):
            numbers = chosen.tolist()
            yield encoder.collate([items[number] for number in numbers], Draws(1, epoch, numbers))


def growth(counts: list[int], rounds: int) -> dict[str, list[float]]:
    """Nanoseconds per point to make pillars, by the number of points."""
    network = Pillars(
        3, [0.0, 69.12, -39.68, 39.68], 0.16, 16, channels=[8], blocks=[1], first_stride=1, normalisation="none"
    ).eval()

    def measure(count: int) -> float:
        generator = torch.Generator().manual_seed(count)
        points = torch.rand(count, 4, generator=generator) * torch.tensor([69.0, 79.0, 3.0, 1.0])
        points[:, 1] -= 39.5
        frame, total = torch.zeros(count, dtype=torch.int64), torch.tensor([count])
        with torch.no_grad():
            return seconds(lambda: network.pillars(points, frame, total)) / count * 1e9

    return interleaved({f"{count:,} points": lambda count=count: measure(count) for count in counts}, rounds)


def latency(name: str, overrides: list[str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each part of a detection in one frame, from its file to its boxes."""
    recipe = load(name, overrides)
    encoder = build("encoder", recipe.encoder)
    encoder.paste = 0
    low, high = (np.array([getattr(encoder, axis)[side] for axis in "xyz"], np.float32) for side in (0, 1))
    random = np.random.default_rng(0)
    # As for a LiDAR: more points at short distances.
    away = (high - low) * random.beta(1.0, 4.0, (POINTS, 3)).astype(np.float32) + low
    away[:, 1] = random.normal(0, (high[1] - low[1]) / 8, POINTS)
    boxes = np.array([[10, 0, -1, 4, 2, 1.5, 0]] * 3, np.float64) + np.arange(3)[:, None] * [6, 0, 0, 0, 0, 0, 0]
    names = encoder.detect or ["Car", "Cyclist", "Pedestrian"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.bin"
        np.c_[away, random.random(POINTS)].astype("<f4").tofile(path)
        example = PointCloud(path, objects=Objects.of(list(names), boxes))
        encoder.min_points = 1
        encoder.fit([example])
        plain = PointCloud(path)
        torch.manual_seed(0)
        network = build("model", recipe.model, encoder.dims).to(memory_format=torch.channels_last).eval()
        task = build("task", recipe.task, encoder.dims)
        found: dict[str, list[float]] = {}
        with torch.inference_mode():
            for number in range(rounds + 1):
                marks = [time.perf_counter()]
                plain.read()
                marks.append(time.perf_counter())
                item = encoder.prepare(plain)
                batch = encoder.collate([item])
                marks.append(time.perf_counter())
                x, ground = network.pillars(**batch.inputs)
                marks.append(time.perf_counter())
                joined = []
                for stage, up in zip(network.stages, network.neck, strict=True):
                    x = stage(x)
                    joined.append(up(x))
                marks.append(time.perf_counter())
                x = network.shared(torch.cat(joined, dim=1))
                boxes = network.boxes(x)
                boxes[:, 2] += ground
                x = torch.cat([network.heat_map(x), boxes], dim=1)
                marks.append(time.perf_counter())
                task.objects(x)
                marks.append(time.perf_counter())
                parts = (
                    "read the file",
                    "read and crop",
                    "pillars",
                    "backbone and neck",
                    "heads",
                    "peaks and suppression",
                )
                if number:
                    for part, took in zip(parts, np.diff(marks), strict=True):
                        found.setdefault(part, []).append(float(took) * 1e3)
    del found["read the file"]  # it is in the next part once more, as it is in use
    found["all"] = [sum(values) for values in zip(*found.values(), strict=True)]
    return found


def plain_worker(overrides: list[str], threads: int) -> None:
    """Read the scans with NumPy and keep them; then an epoch of a plain loop."""
    torch.set_num_threads(threads)
    recipe = open_recipe(RECIPE, overrides)
    splits = build("data", recipe.data).read()
    encoder = build("encoder", recipe.encoder)
    encoder.fit(splits.train)
    clouds = [np.fromfile(example.path, "<f4").reshape(-1, 4) for example in splits.train]
    items = [(torch.from_numpy(cloud), *encoder.prepare(e)[1:]) for cloud, e in zip(clouds, splits.train, strict=True)]
    model = build("model", recipe.model, encoder.dims).train()
    task = build("task", recipe.task, encoder.dims)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    size = recipe.train.batch_size
    for start in range(0, len(items), size):
        numbers = list(range(start, min(start + size, len(items))))
        batch = encoder.collate([items[number] for number in numbers], Draws(0, 0, numbers))
        optimizer.zero_grad()
        sum(task.losses(model(**batch.inputs), batch.target).values()).backward()
        optimizer.step()


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=9, steps=10)
    made.add_argument("--memory-rounds", type=int, default=3, help="how often memory is measured (default 3)")
    made.add_argument("--points", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 10_000_000])
    made.add_argument("--worker", choices=("convzoo", "plain"), help=argparse.SUPPRESS)
    made.add_argument("--reference", action=argparse.BooleanOptionalAction, default=True, help="its latency too")
    options = made.parse_args()
    if options.worker:
        if options.worker == "convzoo":
            # A file that already exists, so that no file is written for an opponent.
            convzoo_worker(RECIPE, options.set, options.threads, Path(__file__))
        else:
            plain_worker(options.set, options.threads)
        print(json.dumps({"peak": peak()}))
        return 0

    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    build("data", open_recipe(RECIPE, options.set).data).read()  # scanned before anything is measured
    experiment = assemble(open_recipe(RECIPE, options.set))
    rates = trainer_rates(experiment, options.rounds, options.steps)
    print(f"{RECIPE}, medians of {options.rounds} rounds of {options.steps} steps")
    print_medians(rates, "frames/s", 1)
    verdicts = [Verdict("convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97)]
    keep_freed_memory()  # as the trainer has it
    each = growth(sorted(options.points), options.rounds)
    print_medians(each, "ns a point", 1)
    *_, before, last = each
    verdicts.append(Verdict(f"a point: {last} / {before}", Ratio.of(each[last], each[before]), 1.3, at_most=True))
    for name in (RECIPE, *([REFERENCE] if options.reference else [])):
        parts = latency(name, options.set if name == RECIPE else [], options.rounds)
        print(f"one frame of {POINTS:,} points, {name}")
        whole = statistics.median(parts["all"])
        rows = [
            [part, f"{statistics.median(took):.1f}", f"{statistics.median(took) / whole:.0%}"]
            for part, took in parts.items()
        ]
        print_table(["part", "ms", "of all"], rows)
        print()
    memory = peaks(__file__, options.set, options.threads, options.memory_rounds)
    print_medians(memory, "peak MB")
    verdicts.append(Verdict("memory: convzoo / plain", Ratio.of(memory["convzoo"], memory["plain"]), 1.2, at_most=True))
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
