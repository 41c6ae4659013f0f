"""Named entities: tokens per second of convzoo's trainer against a careful loop, and the chain of tags against the usual code.

`careful` is a hand-written loop around the same module and the same loss: sentences encoded in advance, batches of similar
lengths, forms of words hidden in the same way, a fused optimizer, gradients set to None. `usual` is a conditional random field as
it is mostly written: the forward algorithm step by step, with masks, differentiated by autograd; both sides compute the loss and
its gradients.
"""

import copy
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from common import Ratio, Verdict, interleaved, parser, pin, print_environment, print_medians, print_verdicts, seconds
from hand_written import Step
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from trainer_speed import NEVER, InTurns, each_step, total_length

from convzoo.experiment import Experiment, assemble, loaders
from convzoo.modalities.text.tagged_encoder import _HIDDEN
from convzoo.ops.crf import log_partition, path_score
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

RECIPE = "ner_idcnn"
SIZES = ((32, 12, 17), (32, 40, 17), (32, 100, 33))
"""Sentences, tokens and tags of a batch."""

Encoded = list[tuple[Tensor, Tensor, Tensor]]


def encoded(experiment: Experiment) -> tuple[Encoded, Tensor]:
    """Features, characters and tags of the training split, and the hashes of a hidden form."""
    encoder = experiment.encoder
    found = []
    for example in experiment.splits.train:
        batch = encoder.encode([example])
        found.append((batch.inputs["features"][0], batch.inputs["characters"][0], batch.target["tags"][0]))
    return found, torch.from_numpy(_HIDDEN.astype(np.int64))


def hand_batches(sentences: Encoded, size: int, chunk: int = 50, seed: int = 0) -> Iterator[list[int]]:
    """Batches of similar lengths in any order, without end."""
    random = np.random.default_rng(seed)
    lengths = np.array([len(tags) for _, _, tags in sentences])
    while True:
        order = random.permutation(len(sentences))
        batches = []
        for start in range(0, len(order), size * chunk):
            part = order[start : start + size * chunk]
            part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[first : first + size] for first in range(0, len(part), size)]
        for index in random.permutation(len(batches)):
            yield batches[index].tolist()


def padded_letters(rows: list[Tensor]) -> Tensor:
    """(batch, length, letters): both axes padded."""
    found = torch.zeros(len(rows), max(len(row) for row in rows), max(row.shape[1] for row in rows), dtype=torch.int64)
    for number, row in enumerate(rows):
        found[number, : len(row), : row.shape[1]] = row
    return found


def careful_step(experiment: Experiment, sentences: Encoded, hidden: Tensor, network: nn.Module) -> Step:
    """Make one optimizer step; return the number of its tokens."""
    train, dropout = experiment.recipe.train, experiment.recipe.encoder.args.get("word_dropout", 0.1)
    assert train.batch_size != "auto"
    optimizer = torch.optim.AdamW(network.parameters(), lr=train.lr, weight_decay=0.0, fused=True)
    batches = hand_batches(sentences, train.batch_size)
    network.train()

    def step() -> int:
        chosen = [sentences[index] for index in next(batches)]
        lengths = torch.tensor([len(tags) for _, _, tags in chosen])
        features = pad_sequence([row for row, _, _ in chosen], batch_first=True)
        dropped = torch.rand(features.shape[:2]) < dropout
        features[:, :, 0] = torch.where(dropped.unsqueeze(2), hidden, features[:, :, 0])
        tags = pad_sequence([row for _, _, row in chosen], batch_first=True, padding_value=-1)
        optimizer.zero_grad(set_to_none=True)
        emissions, transitions = network(features, padded_letters([row for _, row, _ in chosen]))
        lost = log_partition(emissions, transitions, lengths) - path_score(emissions, transitions, tags, lengths)
        (lost.sum() / lengths.sum()).backward()
        optimizer.step()
        return int(lengths.sum())

    return step


def train(overrides: list[str], rounds: int, steps: int) -> dict[str, list[float]]:
    """Tokens per second of each side, one value for each round."""
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, precision="32",
        schedule="constant", warmup=0.0,
    )  # fmt: skip
    split = loaders(experiment, devices)
    sentences, hidden = encoded(experiment)
    network = copy.deepcopy(experiment.model)
    Seeds(network, 1).at(0, 0)
    opponents = {"careful": careful_step(experiment, sentences, hidden, network)}
    turns = InTurns(steps, opponents, each_step(split["train"], total_length(split["train"])))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)  # the last step is followed by an evaluation
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, split["train"], few, Path(folder), [turns]
        ).fit()  # fmt: skip
    return turns.rates


class UsualCRF(nn.Module):
    """The negative log-likelihood of a linear chain, as it is mostly written in PyTorch."""

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start, self.end = nn.Parameter(torch.zeros(tags)), nn.Parameter(torch.zeros(tags))
        self.transitions = nn.Parameter(torch.zeros(tags, tags))

    def forward(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """(length, batch, tags), (length, batch) and (length, batch), to (batch,)."""
        return self.denominator(emissions, mask) - self.numerator(emissions, tags, mask)

    def numerator(self, emissions: Tensor, tags: Tensor, mask: Tensor) -> Tensor:
        """The score of the true tags."""
        rows = torch.arange(tags.shape[1])
        score = self.start[tags[0]] + emissions[0, rows, tags[0]]
        for place in range(1, len(tags)):
            score = score + self.transitions[tags[place - 1], tags[place]] * mask[place]
            score = score + emissions[place, rows, tags[place]] * mask[place]
        return score + self.end[tags[mask.sum(dim=0) - 1, rows]]

    def denominator(self, emissions: Tensor, mask: Tensor) -> Tensor:
        """The logarithm of the sum over all tags."""
        score = self.start + emissions[0]
        for place in range(1, len(emissions)):
            each = score.unsqueeze(2) + self.transitions + emissions[place].unsqueeze(1)
            score = torch.where(mask[place].unsqueeze(1), each.logsumexp(dim=1), score)
        return (score + self.end).logsumexp(dim=1)


def chains(rounds: int) -> dict[str, list[float]]:
    """Seconds of the loss and its gradients, by side and size; both sides must agree."""
    sides = {}
    for batch, length, count in SIZES:
        generator = torch.Generator().manual_seed(0)
        emissions = torch.randn(batch, length, count, generator=generator, requires_grad=True)
        tags = torch.randint(0, count, (batch, length), generator=generator)
        lengths = torch.randint(length // 2, length + 1, (batch,), generator=generator)
        mask = (torch.arange(length) < lengths[:, None]).T.contiguous()
        usual, transitions = UsualCRF(count), torch.zeros(count + 1, count + 1, requires_grad=True)

        def ours(emissions=emissions, transitions=transitions, tags=tags, lengths=lengths) -> Tensor:  # type: ignore[no-untyped-def]
            emissions.grad = transitions.grad = None
            lost = log_partition(emissions, transitions, lengths) - path_score(emissions, transitions, tags, lengths)
            lost.sum().backward()
            return emissions.grad

        def theirs(emissions=emissions, usual=usual, tags=tags, mask=mask) -> Tensor:  # type: ignore[no-untyped-def]
            emissions.grad = None
            usual.zero_grad()
            usual(emissions.transpose(0, 1), tags.T, mask).sum().backward()
            return emissions.grad

        torch.testing.assert_close(ours().clone(), theirs().clone(), rtol=1e-3, atol=1e-4)
        size = f"{batch}×{length}×{count}"
        sides[f"convzoo {size}"] = lambda act=ours: seconds(act)
        sides[f"usual {size}"] = lambda act=theirs: seconds(act)
    return interleaved(sides, rounds)


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    options = parser(str(__doc__).splitlines()[0], rounds=9, steps=20).parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    rates = train(options.set, options.rounds, options.steps)
    print_medians(rates, "tokens/s")
    times = chains(options.rounds)
    print_medians({name: [1000 * value for value in values] for name, values in times.items()}, "ms", 2)
    verdicts = [Verdict("training: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97)]
    for batch, length, count in SIZES:
        size = f"{batch}×{length}×{count}"
        ratio = Ratio.of(times[f"usual {size}"], times[f"convzoo {size}"])
        verdicts.append(Verdict(f"chain of tags {size}: usual / convzoo", ratio, 1.0))
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
