"""Sensors: steps against a careful loop, windows cut at once against one by one, the memory of a series of 20 million points."""

import argparse
import dataclasses
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from common import (
    Ratio,
    Verdict,
    interleaved,
    last_line,
    parser,
    pin,
    print_environment,
    print_medians,
    print_table,
    print_verdicts,
    seconds,
)
from memory import peak
from torch import Tensor
from trainer_speed import NEVER, InTurns, sizes

from convzoo.core.randomness import permutation
from convzoo.experiment import assemble, loaders
from convzoo.modalities.series.encoder import SeriesEncoder
from convzoo.modalities.series.example import Series, Stretch
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer

RECIPE = "anomaly_cnn1d"


def training(options: argparse.Namespace) -> Verdict:
    """Windows per second of the real `Trainer.fit` and of a loop over the same network with windows cut in advance."""
    import copy

    experiment = assemble(open_recipe(RECIPE, options.set))
    devices = Devices.open("cpu", "32")
    train = loaders(experiment, devices)["train"]
    config = dataclasses.replace(
        experiment.recipe.train, steps=options.steps * (options.rounds + 1), epochs=None, evaluate_every=NEVER
    )
    network = copy.deepcopy(experiment.model)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=0.0, fused=True)
    windows = experiment.encoder.gather(train.examples, range(len(train.examples))).inputs["values"]

    def batches() -> Iterator[Tensor]:
        while True:
            for chosen in torch.randperm(len(windows)).split(config.batch_size):
                yield windows[chosen]

    values = batches()

    def step() -> int:
        x = next(values)
        optimizer.zero_grad(set_to_none=True)
        F.mse_loss(network(x), x).backward()
        optimizer.step()
        return len(x)

    turns = InTurns(options.steps, {"careful": step}, sizes(len(windows), config.batch_size))
    few = Loader(experiment.splits.val[:1], experiment.encoder, 1)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(experiment.model, experiment.task, config, devices, train, few, Path(folder), [turns]).fit()
    print_medians(turns.rates, "windows/s")
    return Verdict("convzoo / careful", Ratio.of(turns.rates["convzoo"], turns.rates["careful"]), 0.97)


def cutting(options: argparse.Namespace) -> Verdict:
    """Windows per second that reach a batch: cut all at once, and sliced one by one as in a data set's `__getitem__`."""
    values = np.random.default_rng(0).standard_normal((options.points // 20, 1)).astype(np.float32)
    stretch = Stretch(Series("s", values, ("value",)), 0, len(values))
    encoder = SeriesEncoder(window=options.window)
    encoder.fit([stretch])
    windows = encoder.pieces([stretch])
    order = permutation(len(windows), 0, 0)[: 64 * options.steps]
    mean, deviation = (float(each[""][0]) for each in (encoder.means, encoder.deviations))

    def at_once() -> None:
        for start in range(0, len(order), 64):
            encoder.gather(windows, order[start : start + 64])

    def one_by_one() -> None:
        for start in range(0, len(order), 64):
            torch.stack(
                [
                    torch.from_numpy((values[at : at + options.window].T - mean) / deviation)
                    for at in order[start : start + 64].tolist()
                ]
            )

    found = interleaved(
        {"at once": lambda: len(order) / seconds(at_once), "one by one": lambda: len(order) / seconds(one_by_one)},
        options.rounds,
    )
    print_medians(found, "windows/s")
    return Verdict("windows at once / one by one", Ratio.of(found["at once"], found["one by one"]), 5.0)


def long_series(options: argparse.Namespace) -> float:
    """Train on one series; return the memory above that of a small training, as a multiple of the series' size."""
    torch.set_num_threads(options.threads)

    def train(points: int, steps: int) -> None:
        random = np.random.default_rng(0)
        values = np.empty((points, 1), dtype=np.float32)
        for start in range(0, points, 1 << 16):
            random.standard_normal(out=values[start : start + (1 << 16), 0], dtype=np.float32)
        series = Series("long", values, ("value",))
        cut = points - min(points // 10, 20_000)
        experiment = assemble(open_recipe(RECIPE, [*options.set, "data.pumps=1", "data.length=1000"]))
        encoder = SeriesEncoder(window=options.window, stride=options.stride)
        encoder.fit([Stretch(series, 0, cut)])
        model = type(experiment.model)(1, channels=16)
        config = dataclasses.replace(experiment.recipe.train, steps=steps, epochs=None, evaluate_every=NEVER)
        split = [
            Loader(encoder.pieces([Stretch(series, 0, cut)]), encoder, 64),
            Loader([Stretch(series, cut, points)], encoder, 1),
        ]
        with tempfile.TemporaryDirectory() as folder:
            Trainer(model, experiment.task, config, Devices.open("cpu", "32"), *split, Path(folder)).fit()

    train(40_000, options.steps)
    before = peak()
    train(options.points, options.steps)
    return (peak() - before) * 1e6 / (4 * options.points)


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=15, steps=20)
    made.add_argument("--points", type=int, default=20_000_000, help="of the long series")
    made.add_argument("--window", type=int, default=128, help="time steps of a window")
    made.add_argument("--stride", type=int, default=1, help="time steps between windows of the long series")
    made.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        print(json.dumps({"ratio": long_series(options)}))
        return 0
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    verdicts = [training(options), cutting(options)]
    command = [sys.executable, Path(__file__).resolve(), "--worker", "--threads", str(options.threads)]
    command += ["--points", str(options.points), "--window", str(options.window), "--stride", str(options.stride)]
    command += ["--steps", str(options.steps), *(["--set", *options.set] if options.set else [])]
    taken = last_line(command, options.threads)["ratio"]
    print_table(
        ["series", "own size MB", "training takes MB"],
        [[f"{options.points:,} points", f"{options.points * 4 / 1e6:.0f}", f"{taken * options.points * 4 / 1e6:.0f}"]],
    )
    print()
    verdicts.append(Verdict("memory / the series' own size", Ratio(taken, taken, taken), 2.5, at_most=True))
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
