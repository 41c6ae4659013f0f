"""LightGCN: an epoch against the same mathematics written with `torch.sparse`, and a full ranking in limited memory.

`torch.sparse` is LightGCN as it is usually written: a coalesced COO matrix, `torch.sparse.mm` for each step on the graph,
negatives drawn with NumPy in the loop, Adam. `careful` is a hand-written loop over convzoo's own module and encoder. If Gowalla's
files are not available, the generated data of the embedded recipe replace them.

The ranking scores random vectors of 30,000 users against 40,000 items, a block of users at a time, in a new process.
"""

import argparse
import copy
import dataclasses
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import Ratio, Verdict, last_line, parser, pin, print_environment, print_medians, print_table, print_verdicts
from graph_speed import NEVER
from memory import peak
from torch import Tensor
from trainer_speed import InTurns, sizes

from convzoo.core.errors import ConvzooError
from convzoo.core.randomness import Draws, permutation
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.ops.ranking import best_items
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.trainer import Trainer


def gowalla(overrides: list[str], embedded: bool) -> Experiment:
    """The reference recipe of Gowalla with the paper's batches; the embedded recipe if asked for, or if Gowalla is missing."""
    if not embedded:
        try:
            return assemble(open_recipe("reference/recommender_gowalla_lightgcn", overrides))
        except ConvzooError as error:
            print(f"no Gowalla ({error}); the embedded world instead\n")
    return assemble(open_recipe("recommender_lightgcn", overrides))


def batches(experiment: Experiment, train: Loader) -> Iterator[tuple[Any, int]]:
    """Encoded batches, without end, in the loader's own order."""
    size = experiment.recipe.train.batch_size
    for epoch in range(NEVER):
        order = permutation(len(train.examples), 1, epoch)
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            batch = experiment.encoder.gather(train.examples, chosen, Draws(1, epoch, chosen))  # type: ignore[arg-type]
            yield batch, batch.size


def careful_step(experiment: Experiment, train: Loader) -> Callable[[], int]:
    """A step over convzoo's own module."""
    network = copy.deepcopy(experiment.model).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    stream = batches(experiment, train)

    def step() -> int:
        batch, size = next(stream)
        optimizer.zero_grad(set_to_none=True)
        outputs = network(**batch.inputs)
        scores = outputs["scores"]
        loss = F.softplus(scores[:, 1:] - scores[:, :1]).mean() + 1e-4 * outputs["norms"].mean()
        loss.backward()
        optimizer.step()
        return size

    return step


def usual_step(experiment: Experiment, train: Loader) -> Callable[[], int]:
    """A step as LightGCN is usually written."""
    dims = experiment.encoder.dims
    matrix = dims["adjacency"]
    count, users, items = matrix.shape[0], dims["users"], dims["items"]
    indices = torch.stack([matrix.rows(), matrix.columns.long()])
    adjacency = torch.sparse_coo_tensor(indices, matrix.values, (count, count), check_invariants=False).coalesce()
    weight = torch.nn.Parameter(0.1 * torch.randn(count, experiment.model.embedding.weight.shape[1]))
    optimizer = torch.optim.Adam([weight], lr=1e-3)
    known = dims["known"]
    had = [set(known[user].tolist()) for user in range(users)]
    pairs = np.stack([known.users(), known.items], axis=1)
    random = np.random.default_rng(0)
    size = experiment.recipe.train.batch_size
    layers = experiment.model.layers

    def stream() -> Iterator[np.ndarray]:
        while True:
            order = random.permutation(len(pairs))
            for start in range(0, len(order), size):
                yield pairs[order[start : start + size]]

    chosen = stream()

    def negative(user: int) -> int:
        while True:
            item = int(random.integers(items))
            if item not in had[user]:
                return item

    def step() -> int:
        part = next(chosen)
        u, i = torch.from_numpy(part[:, 0]).long(), torch.from_numpy(part[:, 1]).long()
        j = torch.tensor([negative(user) for user in part[:, 0].tolist()])
        layer: Tensor = weight
        every = [layer]
        for _ in range(layers):
            layer = torch.sparse.mm(adjacency, layer)
            every.append(layer)
        final = torch.stack(every, dim=1).mean(dim=1)
        a, b, c = final[u], final[users + i], final[users + j]
        first = weight[u].square().sum() + weight[users + i].square().sum() + weight[users + j].square().sum()
        loss = F.softplus((a * c).sum(dim=1) - (a * b).sum(dim=1)).mean() + 1e-4 * 0.5 * first / len(part)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return len(part)

    return step


def trained(experiment: Experiment, listeners: list[Any], steps: int) -> None:
    """Run `steps` steps of the real trainer, without evaluation."""
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps, epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    devices = Devices.open("cpu", "32")
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(experiment.model)
        train = loaders(experiment, devices)["train"]
        Trainer(model, experiment.task, config, devices, train, few, Path(folder), listeners).fit()


def worker(side: str, overrides: list[str], embedded: bool, users: int, items: int) -> dict[str, float]:
    """Peak memory of five training steps on one side, or of a full ranking."""
    before = peak()
    if side == "ranking":
        random = torch.Generator().manual_seed(0)
        who, what = (torch.randn(count, 64, generator=random) for count in (users, items))
        pointers = torch.arange(users + 1) * 20
        seen = torch.randint(items, (users * 20,), generator=random)
        found = best_items(lambda chosen: who[chosen] @ what.T, users, pointers, seen, 20)
        return {"peak": peak() - before, "all": users * items * 4 / 1e6, "users": len(found)}
    experiment = gowalla(overrides, embedded)
    if side == "convzoo":
        trained(experiment, [], 5)
    else:
        step = usual_step(experiment, loaders(experiment, Devices.open("cpu", "32"))["train"])
        for _ in range(5):
            step()
    return {"peak": peak()}


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=5, steps=5)
    made.add_argument("--embedded", action="store_true", help="the embedded world, not Gowalla")
    made.add_argument("--users", type=int, default=30_000, help="that are ranked for")
    made.add_argument("--items", type=int, default=40_000, help="that are ranked")
    made.add_argument("--worker", choices=("ranking", "convzoo", "usual"), help=argparse.SUPPRESS)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    if options.worker:
        print(json.dumps(worker(options.worker, options.set, options.embedded, options.users, options.items)))
        return 0
    pin(options.threads)
    print_environment(options.threads)
    experiment = gowalla(options.set, options.embedded)
    train = loaders(experiment, Devices.open("cpu", "32"))["train"]
    opponents = {"careful": careful_step(experiment, train), "torch.sparse": usual_step(experiment, train)}
    turns = InTurns(options.steps, opponents, sizes(len(train.examples), experiment.recipe.train.batch_size))
    trained(experiment, [turns], options.steps * (options.rounds + 1))
    rates = turns.rates
    print(f"{experiment.recipe.name}, medians of {options.rounds} rounds of {options.steps} steps")
    print_medians(rates, "pairs/s")

    def fresh(side: str) -> dict[str, float]:
        more = ["--embedded"] if options.embedded else []
        more += ["--set", *options.set] if options.set else []
        command = [sys.executable, Path(__file__).resolve(), "--worker", side, "--threads", str(options.threads), *more]
        command += ["--users", str(options.users), "--items", str(options.items)]
        return last_line(command, options.threads)

    ranking = fresh("ranking")
    print_table(
        ["full ranking", f"{options.users:,} users, {options.items:,} items"],
        [["all scores", f"{ranking['all']:,.0f} MB"], ["peak", f"{ranking['peak']:,.0f} MB above the imports"]],
    )
    print()
    one, other = fresh("convzoo")["peak"], fresh("usual")["peak"]
    verdicts = [
        Verdict("epoch: convzoo / torch.sparse", Ratio.of(rates["convzoo"], rates["torch.sparse"]), 1.0),
        Verdict("epoch: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
        Verdict("peak memory: convzoo / torch.sparse", Ratio.of([one], [other]), 1.2, at_most=True),
        Verdict("ranking: peak / all scores", Ratio.of([ranking["peak"]], [ranking["all"]]), 0.1, at_most=True),
    ]
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
