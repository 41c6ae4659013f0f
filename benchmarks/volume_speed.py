"""Volumes: convzoo's trainer against a careful loop, and peak memory.

`careful` is a carefully written loop around the same module: scans read, oriented and respaced in advance, the same functions
to rotate and shift a batch, a fused optimizer, and nothing else. Memory is measured in new processes: preparing a recipe and an
epoch with its evaluation, against reading the same NIfTI files with MONAI's transforms, keeping the tensors, and an epoch of
the loop that most people write.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from common import Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from hand_written import plain_step
from memory import convzoo_worker, peak, peaks
from sound_speed import batches
from trainer_speed import careful_rates

from convzoo.experiment import assemble
from convzoo.recipe.own_data import open_recipe

RECIPE = "mri_cnn3d"


def plain_worker(overrides: list[str], threads: int) -> None:
    """Read the files with MONAI's transforms, keep them, and train an epoch with a DataLoader."""
    import monai.transforms as monai

    from convzoo.recipe.assembly import build

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


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=15, steps=6)
    made.add_argument("--memory-rounds", type=int, default=3, help="how often memory is measured (default 3)")
    made.add_argument("--worker", choices=("convzoo", "plain"), help=argparse.SUPPRESS)
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
    rates = careful_rates(
        assemble(open_recipe(RECIPE, options.set)),
        batches(assemble(open_recipe(RECIPE, options.set))),
        options.rounds,
        options.steps,
    )
    print(f"{RECIPE}, medians of {options.rounds} rounds of {options.steps} steps")
    print_medians(rates, "examples/s")
    memory = peaks(__file__, options.set, options.threads, options.memory_rounds)
    print_medians(memory, "peak MB")
    return print_verdicts(
        [
            Verdict("convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
            Verdict("memory: convzoo / plain", Ratio.of(memory["convzoo"], memory["plain"]), 1.2, at_most=True),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
