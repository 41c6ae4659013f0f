"""Whole graphs: graphs a second of convzoo's trainer against a careful loop and against torch-geometric's loader and layers.

`careful` is a hand-written loop over the same module: graphs encoded in advance, put side by side by the same code, a fused
optimizer, gradients set to None. `torch-geometric` is its own `DataLoader` over `Data` objects, and the same network of its own
layers (`GINEConv`, `global_add_pool`, `global_max_pool`), with the same weights.
"""

import copy
import dataclasses
import itertools
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from hand_written import Step
from torch import Tensor, nn
from trainer_speed import NEVER, InTurns, each_step

from convzoo.core.libraries import import_torch_geometric
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

RECIPE = "graphs_gin"


def shuffled(count: int, size: int, seed: int = 0) -> Iterator[list[int]]:
    """Batches in any order, without end; none is smaller."""
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(count)
        for first in range(0, count - size + 1, size):
            yield order[first : first + size].tolist()


def careful_step(experiment: Experiment, network: nn.Module, size: int) -> Step:
    """A step over convzoo's own module, with graphs encoded in advance."""
    items = [experiment.encoder.prepare(example) for example in experiment.splits.train]
    batches = shuffled(len(items), size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=experiment.recipe.train.lr, weight_decay=1e-2, fused=True)
    network.train()

    def step() -> int:
        batch = experiment.encoder.collate([items[at] for at in next(batches)])
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(**batch.inputs), batch.target).backward()
        optimizer.step()
        return batch.size

    return step


class GeometricGIN(nn.Module):
    """The same network of torch-geometric's layers, with the weights of ours."""

    def __init__(self, ours: Any) -> None:
        super().__init__()
        geometric = import_torch_geometric()
        self.pools = geometric.global_add_pool, geometric.global_max_pool
        self.size = ours.poolings[0].size
        self.embedding = nn.Linear(ours.embedding.in_channels, ours.embedding.out_channels)
        self.embedding.weight.data.copy_(ours.embedding.weight.data.T)
        self.embedding.bias.data.copy_(ours.embedding.bias.data)
        self.norms = nn.ModuleList(copy.deepcopy(block.normalisation) for block in ours.blocks)
        self.layers = nn.ModuleList()
        for block in ours.blocks:
            theirs = block.convolution
            inner = nn.Sequential(
                nn.Linear(*theirs.first.weight.T.shape), nn.ReLU(), nn.Linear(*theirs.second.weight.T.shape)
            )
            layer = geometric.GINEConv(inner, train_eps=True, edge_dim=theirs.edges.in_features)
            inner[0].load_state_dict(theirs.first.state_dict())
            inner[2].load_state_dict(theirs.second.state_dict())
            layer.lin.load_state_dict(theirs.edges.state_dict())
            self.layers.append(layer)
        self.dropout = ours.dropout.p
        self.norm, self.hidden, self.last = (
            copy.deepcopy(part) for part in (ours.normalisation, ours.hidden, ours.last)
        )

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor) -> Tensor:
        """Logits of the graphs."""
        x = self.embedding(x).relu()
        for norm, layer in zip(self.norms, self.layers, strict=True):
            x = x + F.dropout(layer(norm(x), edge_index, edge_attr), self.dropout, self.training)
        x = self.norm(x)
        pooled = torch.cat([self.pools[0](x, batch) / self.size, self.pools[1](x, batch)], dim=1)
        return self.last(F.dropout(self.hidden(pooled).relu(), self.dropout, self.training))


def geometric_step(experiment: Experiment, size: int) -> Step:
    """A step with torch-geometric's loader and layers. Both networks must say the same before the first step."""
    from torch_geometric.data import Data
    from torch_geometric.loader import DataLoader

    graphs = []
    for example in experiment.splits.train:
        batch = experiment.encoder.encode([example])
        graph = batch.inputs["graph"]
        entries = graph.adjacency.entries()
        graphs.append(
            Data(graph.features, torch.stack([entries.columns, entries.rows]), graph.edge_features, batch.target)
        )
    network = GeometricGIN(experiment.model)
    few = experiment.encoder.encode(experiment.splits.train[:4])
    theirs = next(iter(DataLoader(graphs[:4], batch_size=4)))
    with torch.no_grad():
        wanted = experiment.model.eval()(**few.inputs)
        found = network.eval()(theirs.x, theirs.edge_index, theirs.edge_attr, theirs.batch)
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)
    loader = DataLoader(graphs, batch_size=size, shuffle=True, drop_last=True)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    optimizer = torch.optim.AdamW(network.parameters(), lr=experiment.recipe.train.lr, weight_decay=1e-2, fused=True)
    network.train()

    def step() -> int:
        batch = next(batches)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(network(batch.x, batch.edge_index, batch.edge_attr, batch.batch), batch.y).backward()
        optimizer.step()
        return batch.num_graphs

    return step


def train(overrides: list[str], rounds: int, steps: int) -> dict[str, list[float]]:
    """Graphs per second of each side, one value for each round."""
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, precision="32",
        schedule="constant", warmup=0.0,
    )  # fmt: skip
    assert config.batch_size != "auto"
    network = copy.deepcopy(experiment.model)
    Seeds(network, 1).at(0, 0)
    opponents = {
        "careful": careful_step(experiment, network, config.batch_size),
        "torch-geometric": geometric_step(experiment, config.batch_size),
    }
    split = loaders(experiment, devices)
    turns = InTurns(steps, opponents, each_step(split["train"], len))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)  # the last step is followed by an evaluation
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, split["train"], few, Path(folder), [turns]
        ).fit()  # fmt: skip
    return turns.rates


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    options = parser(str(__doc__).splitlines()[0], rounds=9, steps=20).parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    rates = train(options.set, options.rounds, options.steps)
    print_medians(rates, "graphs/s")
    return print_verdicts(
        [
            Verdict("training: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
            Verdict("training: convzoo / torch-geometric", Ratio.of(rates["convzoo"], rates["torch-geometric"]), 1.0),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
