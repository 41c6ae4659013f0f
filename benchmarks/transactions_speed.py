"""Transactions: pieces a second of the real `Trainer.fit` against a careful loop over the same network and the same pieces."""

import argparse
import copy
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from common import Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from torch import nn
from trainer_speed import NEVER, InTurns, sizes

from convzoo.core.batch import Batch
from convzoo.experiment import assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer

RECIPE = "transactions_cnn1d"


def training(options: argparse.Namespace) -> Verdict:
    """The careful loop encodes each batch when it is due, as a loop with changing pieces has to, and does nothing else."""
    experiment = assemble(open_recipe(RECIPE, options.set))
    devices = Devices.open("cpu", "32")
    train = loaders(experiment, devices)["train"]
    recipe, encoder = experiment.recipe.train, experiment.encoder
    config = dataclasses.replace(recipe, steps=options.steps * (options.rounds + 1), epochs=None, evaluate_every=NEVER)
    network = copy.deepcopy(experiment.model)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)
    pieces, prior = train.examples, experiment.task.prior  # type: ignore[attr-defined]

    def batches() -> Iterator[Batch]:
        while True:
            for chosen in torch.randperm(len(pieces)).split(config.batch_size):
                yield encoder.gather(pieces, chosen.tolist())

    made = batches()

    def step() -> int:
        batch = next(made)
        answers = batch.target["answers"]
        known = ~answers.isnan()
        optimizer.zero_grad(set_to_none=True)
        logits = network(**batch.inputs)[:, :, 0] + prior
        F.binary_cross_entropy_with_logits(logits[known], answers[known]).backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm or float("inf"))
        optimizer.step()
        return len(answers)

    turns = InTurns(options.steps, {"careful": step}, sizes(len(pieces), config.batch_size))
    few = Loader(experiment.splits.val[:2], encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        Trainer(experiment.model, experiment.task, config, devices, train, few, Path(folder), [turns]).fit()
    print_medians(turns.rates, "pieces/s")
    return Verdict("convzoo / careful", Ratio.of(turns.rates["convzoo"], turns.rates["careful"]), 0.97)


def main() -> int:
    """Print the ratio; 0 if it reaches its target."""
    options = parser(str(__doc__).splitlines()[0], rounds=11, steps=10).parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    return print_verdicts([training(options)])


if __name__ == "__main__":
    sys.exit(main())
