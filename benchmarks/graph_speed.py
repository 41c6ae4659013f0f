"""Graph networks: epochs on Cora against torch-geometric's own GCN example, and a graph of a million nodes.

`careful` is a hand-written loop over convzoo's own module with everything encoded in advance. `torch-geometric` does the same as
its GCN example: dense features, `GCNConv` with a cached normalisation over a list of edges, dropout, Adam with two weight decays.
If Cora's files are not available, a generated graph of its size replaces it.

The large graph is generated, trained by neighbour sampling and scored layer by layer in a new process. Its arrays are the
compressed rows, the weights and the features.
"""

import argparse
import copy
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import Ratio, Verdict, last_line, parser, pin, print_environment, print_medians, print_table, print_verdicts
from memory import peak
from torch import Tensor, nn
from trainer_speed import NEVER, InTurns

from convzoo.core.errors import ConvzooError
from convzoo.core.libraries import import_torch_geometric
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

CORA_SIZED = {
    "name": "communities", "nodes": 2708, "communities": 7, "train": 20, "val": 500, "test": 1000, "degree": 3.9,
    "vocabulary": 1433, "words": 19.0,
}  # fmt: skip


def cora(nodes: int | None) -> Experiment:
    """The reference recipe of Cora, or a generated graph of its size (with `nodes` nodes, if given)."""
    if nodes is None:
        try:
            return assemble(open_recipe("reference/nodes_cora_gcn", ["repeat={}"]))
        except ConvzooError as error:
            print(f"no Cora ({error}); a drawn graph of its size instead\n")
    size = (
        {} if nodes is None else {"nodes": nodes, "train": 5, "val": nodes // 4, "test": nodes // 4, "vocabulary": 50}
    )
    recipe = dataclasses.asdict(open_recipe("reference/nodes_cora_gcn", ["repeat={}"]).train)
    return assemble(
        open_recipe({
            "data": CORA_SIZED | size, "encoder": "graph", "model": {"name": "graph_network", "plain_end": True},
            "task": "classification", "train": {**recipe, "epochs": 1},
        })
    )  # fmt: skip


class ExampleGCN(nn.Module):
    """The network of torch-geometric's example."""

    def __init__(self, in_channels: int, channels: int, classes: int) -> None:
        super().__init__()
        geometric = import_torch_geometric()
        self.first = geometric.GCNConv(in_channels, channels, cached=True)
        self.second = geometric.GCNConv(channels, classes, cached=True)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """Logits of all nodes."""
        x = F.dropout(x, p=0.5, training=self.training)
        x = self.first(x, edge_index).relu()
        x = F.dropout(x, p=0.5, training=self.training)
        return self.second(x, edge_index)


def example_step(experiment: Experiment) -> Callable[[], int]:
    """A training epoch as in the example."""
    graph = experiment.splits.train[0].graph
    batch = experiment.encoder.encode(experiment.splits.train)
    features = batch.inputs["graph"].features
    x = features if isinstance(features, Tensor) else features.dense()
    entries = graph.edges.tocoo()
    edge_index = torch.stack([torch.from_numpy(entries.col), torch.from_numpy(entries.row)]).long()
    mask = torch.zeros(len(graph), dtype=torch.bool)
    mask[batch.inputs["nodes"]] = True
    target = torch.zeros(len(graph), dtype=torch.int64)
    target[batch.inputs["nodes"]] = batch.target
    network = ExampleGCN(x.shape[1], 16, experiment.encoder.dims["classes"])
    groups = [
        {"params": network.first.parameters(), "weight_decay": 5e-4},
        {"params": network.second.parameters(), "weight_decay": 0.0},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.01)

    def step() -> int:
        network.train()
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x, edge_index)[mask], target[mask])
        loss.backward()
        optimizer.step()
        loss.item()
        return 1

    return step


def careful_step(experiment: Experiment) -> Callable[[], int]:
    """A step over convzoo's own module, with everything encoded in advance."""
    network = copy.deepcopy(experiment.model)
    Seeds(network, 1).at(0, 0)
    batch = experiment.encoder.encode(experiment.splits.train)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, weight_decay=5e-4, fused=True)
    network.train()

    def step() -> int:
        optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(network(**batch.inputs), batch.target)
        loss.backward()
        optimizer.step()
        return 1

    return step


def trained(experiment: Experiment, listeners: list[Any], steps: int) -> None:
    """Run `steps` steps of the real trainer, without evaluation."""
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps, epochs=None, evaluate_every=NEVER, checkpoint_every=None
    )
    devices = Devices.open("cpu", "32")
    train = loaders(experiment, devices)["train"]
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)
    with tempfile.TemporaryDirectory() as folder:
        model = copy.deepcopy(experiment.model)
        Trainer(model, experiment.task, config, devices, train, few, Path(folder), listeners).fit()


def large_worker(nodes: int, edges: int, steps: int) -> dict[str, float]:
    """Generate a graph, train a few steps by sampling, score all its test nodes; return time and memory."""
    import numpy as np

    from convzoo.core.splits import Splits
    from convzoo.modalities.graph.data.communities import draw_ties
    from convzoo.modalities.graph.encoder import GraphEncoder
    from convzoo.modalities.graph.example import Graph, Nodes, make_edges
    from convzoo.models.graph_network import GraphNetwork
    from convzoo.tasks.classification import Classification

    before = peak()
    began = time.perf_counter()
    random = np.random.default_rng(0)
    classes = np.arange(nodes) % 8
    affinity = np.full((8, 8), 0.5) + 4.0 * np.eye(8)
    propensity = random.lognormal(0, 0.6, nodes)
    propensity *= nodes / propensity.sum()
    drawn = draw_ties(classes, propensity, affinity, 2 * edges / nodes / affinity.mean(), random)
    matrix, _ = make_edges(drawn[0], drawn[1], nodes)
    del drawn
    features = random.standard_normal((nodes, 64), dtype=np.float32)
    features[:, :8] += np.eye(8, dtype=np.float32)[classes]
    names = [f"class {number}" for number in range(8)]
    graph = Graph(matrix, features, [names[number] for number in classes.tolist()], [str(n) for n in range(nodes)])
    order = random.permutation(nodes)
    parts = np.split(order, [nodes // 10, nodes // 10 + nodes // 50, nodes // 10 + nodes // 25])
    splits = Splits(*(Nodes(graph, part) for part in parts[:3]))
    encoder = GraphEncoder(matrix="random_walk", self_loops=False, neighbours=[10, 10])
    encoder.fit(splits.train)
    drawing = time.perf_counter() - began
    model = GraphNetwork(64, 8, "random_walk", 2, conv="sage", channels=64)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, fused=True)
    task = Classification(encoder.targets.labels.names)
    loader = Loader(splits.train, encoder, 1024)
    first = 0.0
    sampled, sampling, done = 0, 0.0, time.perf_counter()
    model.train()
    for _, (batch,) in zip(range(steps), loader.steps(0), strict=False):
        sampling += time.perf_counter() - done
        sampled += len(batch.inputs["graph"].adjacency.columns)
        sum(task.losses(model(**batch.inputs), batch.target).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        done = time.perf_counter()
        first = first or done - began
    training = peak()
    meter = task.meter()
    began = time.perf_counter()
    model.eval()
    with torch.no_grad():
        for _, batch in Loader(splits.test, encoder, 1024).all():
            meter.update(model(**batch.inputs), batch.target)
    arrays = (matrix.indptr.nbytes + matrix.indices.nbytes + matrix.data.nbytes + features.nbytes) / 1e6
    return {
        "edges": matrix.nnz / 2, "drawing": drawing, "first": first, "sampled": sampled / sampling, "arrays": arrays,
        "training": training - before, "scoring": peak() - before, "seconds": time.perf_counter() - began,
        "accuracy": meter.compute()["accuracy"],
    }  # fmt: skip


def memory_worker(side: str, nodes: int | None) -> float:
    """Peak memory of preparing Cora and training ten steps, with convzoo or with the example."""
    experiment = cora(nodes)
    if side == "convzoo":
        trained(experiment, [], 10)
    else:
        step = example_step(experiment)
        for _ in range(10):
            step()
    return peak()


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=20, steps=50)
    made.add_argument("--cora-nodes", type=int, help="a drawn graph of that size in place of Cora")
    made.add_argument("--nodes", type=int, default=1_000_000, help="of the large graph")
    made.add_argument("--edges", type=int, default=20_000_000, help="of the large graph")
    made.add_argument("--worker", choices=("large", "convzoo", "example"), help=argparse.SUPPRESS)
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    if options.worker:
        large = options.worker == "large"
        found: Any = (
            large_worker(options.nodes, options.edges, options.steps)
            if large
            else memory_worker(options.worker, options.cora_nodes)
        )
        print(json.dumps(found))
        return 0
    pin(options.threads)
    print_environment(options.threads)
    experiment = cora(options.cora_nodes)
    opponents = {"careful": careful_step(experiment), "torch-geometric": example_step(experiment)}
    turns = InTurns(options.steps, opponents, iter(lambda: 1, 0))
    trained(experiment, [turns], options.steps * (options.rounds + 1))
    print(f"GCN, medians of {options.rounds} rounds of {options.steps} epochs")
    print_medians(turns.rates, "epochs/s", 1)
    rates = turns.rates
    verdicts = [
        Verdict("Cora: convzoo / torch-geometric's example", Ratio.of(rates["convzoo"], rates["torch-geometric"]), 1.5),
        Verdict("Cora: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
    ]

    def worker(name: str, steps: int) -> Any:
        size = ["--cora-nodes", str(options.cora_nodes)] if options.cora_nodes else []
        command = [sys.executable, Path(__file__).resolve(), "--worker", name, "--steps", str(steps), *size]
        command += ["--nodes", str(options.nodes), "--edges", str(options.edges), "--threads", str(options.threads)]
        return last_line(command, options.threads)

    one, other = worker("convzoo", 1), worker("example", 1)
    verdicts.append(Verdict("Cora: peak memory, convzoo / example", Ratio.of([one], [other]), 1.2, at_most=True))
    large = worker("large", min(options.steps, 50))
    rows = [
        ["edges", f"{large['edges']:,.0f}"], ["drawn and read in", f"{large['drawing']:.1f} s"],
        ["first step after", f"{large['first']:.1f} s"], ["sampled", f"{large['sampled']:,.0f} edges/s"],
        ["the graph's arrays", f"{large['arrays']:,.0f} MB"],
        ["peak while training", f"{large['training']:,.0f} MB above the imports"],
        ["peak with scoring", f"{large['scoring']:,.0f} MB above the imports"],
        ["all nodes layer by layer, test scored", f"{large['seconds']:.1f} s, accuracy {large['accuracy']:.3f}"],
    ]  # fmt: skip
    print_table(["large graph", f"{options.nodes:,} nodes"], rows)
    print()
    for name in ("training", "scoring"):
        ratio = Ratio.of([large[name]], [large["arrays"]])
        verdicts.append(Verdict(f"large graph: memory with {name} / arrays", ratio, 3.0, at_most=True))
    verdicts.append(
        Verdict("large graph: first step / a minute", Ratio.of([large["first"]], [60.0]), 1.0, at_most=True)
    )
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
