"""Volumes: convzoo's trainer against a careful loop, and peak memory.

`careful` is the loop that a careful person writes around the same module: scans read, oriented and respaced beforehand, the same
functions to turn and shift a batch, a fused optimizer, and nothing else. Memory is that of fresh processes: a recipe's assembly
and an epoch with its evaluation, against reading the same NIfTI files with MONAI's transforms, keeping the tensors, and an epoch
of the loop that most people write.
"""

import argparse
import copy
import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import torch
from common import Ratio, Verdict, interleaved, last_line, parser, pin, print_environment, print_medians, print_verdicts
from hand_written import careful_step, plain_step
from memory import convzoo_worker
from sound_speed import batches
from trainer_speed import NEVER, InTurns, sizes

from convzoo.core.random_states import seed_dropout
from convzoo.devices import Devices
from convzoo.experiment import Experiment, assemble, loaders, open_recipe
from convzoo.loader import Loader
from convzoo.trainer import Trainer

RECIPE = "mri_cnn3d"


def trainer_rates(experiment: Experiment, rounds: int, steps: int) -> dict[str, list[float]]:
    """Examples a second of the trainer and of the careful loop, a value a round."""
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    train = loaders(experiment, devices)["train"]
    hand_model = copy.deepcopy(experiment.model)
    # As the trainer lays it out; the careful person has measured that, too.
    hand_model.to(memory_format=devices.memory_format(hand_model))  # type: ignore[call-overload]
    seed_dropout(hand_model, 1, 0)
    opponents = {"careful": careful_step(hand_model, batches(experiment), False, config.optimizer == "adam", config.lr)}
    turns = InTurns(steps, opponents, sizes(len(train.examples), config.batch_size))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(experiment.model)
        Trainer(model, experiment.task, config, devices, train, few, Path(folder), [turns]).fit()
    return turns.rates


def plain_worker(overrides: list[str], threads: int) -> None:
    """Files read by MONAI's transforms, kept, an epoch with a DataLoader."""
    import monai.transforms as monai

    from convzoo.assembly import build

    torch.set_num_threads(threads)
    recipe = open_recipe(RECIPE, overrides)
    examples = build("data", recipe.data).read().train
    settings = recipe.encoder.args
    prepare = monai.Compose(
        [
            monai.LoadImage(reader="NibabelReader", image_only=True, ensure_channel_first=True),
            monai.Orientation(axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S"))),
            monai.Spacing(pixdim=settings["spacing"], mode="bilinear"),
            monai.NormalizeIntensity(),
            monai.ResizeWithPadOrCrop(spatial_size=settings["shape"]),
            monai.ToTensor(track_meta=False),
        ]
    )
    labels = sorted({example.label for example in examples})
    volumes = torch.stack([prepare(str(example.path)) for example in examples])
    target = torch.tensor([labels.index(example.label) for example in examples])
    network = build("model", recipe.model, {"in_channels": 1, "classes": len(labels)})
    step = plain_step(network, volumes, target, recipe.train.batch_size)
    done = 0
    while done < len(target):
        done += step()


def peaks(overrides: list[str], threads: int, rounds: int) -> dict[str, list[float]]:
    """Peak memory of fresh processes, in MB."""

    def run(worker: str) -> float:
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", worker, "--threads", str(threads)]
        return last_line([*command, *(["--set", *overrides] if overrides else [])], threads)["peak"]

    return interleaved({name: lambda name=name: run(name) for name in ("convzoo", "plain")}, rounds, 0)


def main() -> int:
    """Print the ratios; 0 where they are as wanted."""
    made = parser(str(__doc__).splitlines()[0], rounds=15, steps=6)
    made.add_argument("--memory-rounds", type=int, default=3, help="how often memory is measured (default 3)")
    made.add_argument("--worker", choices=("convzoo", "plain"), help=argparse.SUPPRESS)
    options = made.parse_args()
    if options.worker:
        from memory import peak

        if options.worker == "convzoo":
            # A file that is there already: nothing is written for an opponent.
            convzoo_worker(RECIPE, options.set, options.threads, Path(__file__))
        else:
            plain_worker(options.set, options.threads)
        print(json.dumps({"peak": peak()}))
        return 0

    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    rates = trainer_rates(assemble(open_recipe(RECIPE, options.set)), options.rounds, options.steps)
    print(f"{RECIPE}, medians of {options.rounds} rounds of {options.steps} steps")
    print_medians(rates, "examples/s")
    memory = peaks(options.set, options.threads, options.memory_rounds)
    print_medians(memory, "peak MB")
    return print_verdicts(
        [
            Verdict("convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
            Verdict("memory: convzoo / plain", Ratio.of(memory["convzoo"], memory["plain"]), 1.2, at_most=True),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
