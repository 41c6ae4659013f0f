"""Speech: frames per second of convzoo's trainer against a careful loop and against torchaudio's way, over one network.

`careful` is a hand-written loop around the same module: recordings read in advance, batches of similar lengths, the same
features of a whole batch and the same masks, the CTC loss over log-softmax, a fused optimizer, gradients set to None.
`torchaudio` is the loop as torchaudio's examples have it: `MelSpectrogram`, `FrequencyMasking` and `TimeMasking` for each
recording, then padding, in batches in random order.
"""

import copy
import dataclasses
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from common import Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from entities_speed import hand_batches
from hand_written import Step
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from trainer_speed import NEVER, InTurns, each_step, total_length

from convzoo.core.libraries import import_torchaudio
from convzoo.experiment import Experiment, assemble, loaders
from convzoo.modalities.audio import augment as sound
from convzoo.recipe.own_data import open_recipe
from convzoo.training.devices import Devices
from convzoo.training.loader import Loader
from convzoo.training.random_states import Seeds
from convzoo.training.trainer import Trainer

torchaudio = import_torchaudio()
RECIPE = "speech_ctc_cnn1d"


def optimizer_of(experiment: Experiment, network: nn.Module) -> torch.optim.Optimizer:
    """As the recipe says."""
    train = experiment.recipe.train
    return torch.optim.AdamW(network.parameters(), lr=train.lr, weight_decay=train.weight_decay, fused=True)


def ctc(network: nn.Module, values: Tensor, frames: Tensor, tokens: Tensor, lengths: Tensor, stride: int) -> Tensor:
    """The loss of a batch, in nats a token."""
    log_probs = F.log_softmax(network(values, frames), dim=2).transpose(0, 1)
    outputs = (frames + stride - 1) // stride
    return F.ctc_loss(log_probs, tokens, outputs, lengths, reduction="sum", zero_infinity=True) / lengths.sum()


def stepped(optimizer: torch.optim.Optimizer, network: nn.Module, loss: Tensor) -> None:
    """One step of the optimizer."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def careful_step(experiment: Experiment, items: list[Any], network: nn.Module) -> Step:
    """Make one step; return the frames of its recordings."""
    encoder: Any = experiment.encoder
    random = np.random.default_rng(0)
    optimizer = optimizer_of(experiment, network)
    size: Any = experiment.recipe.train.batch_size
    lengths = [(None, None, torch.empty(encoder.length(item))) for item in items]
    batches = hand_batches(lengths, size)  # type: ignore[arg-type]
    network.train()

    def step() -> int:
        chosen = [items[index] for index in next(batches)]
        waveforms = []
        for item in chosen:
            waveform = item.samples.float().div_(32768)
            speed = encoder.speeds[int(random.random() * len(encoder.speeds))]
            if speed != 1:
                waveform = encoder._resample(waveform, round(encoder.sample_rate * speed))
            if random.random() < encoder.noise_probability:
                encoder._noises = encoder._noises or encoder._noise_bank()
                drawn = random.random((2, 1))
                noise = sound.stretches(encoder._noises, drawn[0], drawn[1], len(waveform))
                ratio = torch.tensor([random.uniform(encoder.min_snr, encoder.max_snr)]).float()
                waveform = sound.mix_at_ratio(waveform[None], noise, ratio)[0]
            waveforms.append(waveform)
        frames = torch.tensor([encoder.frames_of(len(waveform)) for waveform in waveforms])
        values = encoder._normalised(encoder.features(pad_sequence(waveforms, batch_first=True)), frames)
        for dimension, masks, most, whole in (
            (1, encoder.band_masks, encoder.band_mask_width, np.full(len(values), values.shape[1])),
            (2, encoder.frame_masks, encoder.frame_mask_width, frames.numpy()),
        ):
            if masks:
                largest = np.minimum(most, whole // 5)[:, None]
                widths = (random.random((len(values), masks)) * (largest + 1)).astype(np.int64)
                starts = (random.random((len(values), masks)) * (whole[:, None] - widths + 1)).astype(np.int64)
                values = sound.hide_stretches(values, starts, widths, dimension)
        tokens = [item.tokens for item in chosen]
        counts = torch.tensor([len(each) for each in tokens])
        padded = pad_sequence(tokens, batch_first=True)
        stepped(optimizer, network, ctc(network, values, frames, padded, counts, encoder.stride))
        return int(sum(encoder.length(item) for item in chosen))

    return step


def torchaudio_step(experiment: Experiment, items: list[Any], network: nn.Module) -> Step:
    """The same with torchaudio's transforms, recording by recording, in random order."""
    encoder: Any = experiment.encoder
    optimizer = optimizer_of(experiment, network)
    size: Any = experiment.recipe.train.batch_size
    window, hop = round(encoder.frame_length * encoder.sample_rate), round(encoder.hop * encoder.sample_rate)
    transform = nn.Sequential(
        torchaudio.transforms.MelSpectrogram(encoder.sample_rate, 256, window, hop, n_mels=encoder.mels),
        torchaudio.transforms.FrequencyMasking(encoder.band_mask_width),
        torchaudio.transforms.TimeMasking(encoder.frame_mask_width),
    )
    order = itertools.cycle(np.random.default_rng(0).permutation(len(items)).tolist())
    network.train()

    def step() -> int:
        chosen = [items[next(order)] for _ in range(size)]
        rows = [transform(item.samples.float() / 32768).add(1e-5).log().T for item in chosen]
        frames = torch.tensor([len(row) for row in rows])
        values = pad_sequence(rows, batch_first=True).transpose(1, 2)
        tokens = [item.tokens for item in chosen]
        counts = torch.tensor([len(each) for each in tokens])
        loss = ctc(network, values, frames, pad_sequence(tokens, batch_first=True), counts, encoder.stride)
        stepped(optimizer, network, loss)
        return int(frames.sum())

    return step


def train(overrides: list[str], rounds: int, steps: int) -> dict[str, list[float]]:
    """Frames per second of each side, one value for each round."""
    experiment = assemble(open_recipe(RECIPE, overrides))
    devices = Devices.open("cpu", "32")
    config = dataclasses.replace(
        experiment.recipe.train, steps=steps * (rounds + 1), epochs=None, evaluate_every=NEVER, precision="32",
        schedule="constant", warmup=0.0,
    )  # fmt: skip
    split = loaders(experiment, devices)
    items = [experiment.encoder.prepare(example) for example in experiment.splits.train]
    opponents = {}
    for name, make in (("careful", careful_step), ("torchaudio", torchaudio_step)):
        network = copy.deepcopy(experiment.model)
        if name == "careful":
            network = network.to(memory_format=torch.channels_last)
        Seeds(network, 1).at(0, 0)
        opponents[name] = make(experiment, items, network)
    turns = InTurns(steps, opponents, each_step(split["train"], total_length(split["train"])))
    few = Loader(experiment.splits.val[:2], experiment.encoder, 2)  # the last step is followed by an evaluation
    with tempfile.TemporaryDirectory() as folder:
        Trainer(
            experiment.model, experiment.task, config, devices, split["train"], few, Path(folder), [turns]
        ).fit()  # fmt: skip
    return turns.rates


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    options = parser(str(__doc__).splitlines()[0], rounds=7, steps=20).parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    rates = train(options.set, options.rounds, options.steps)
    print_medians(rates, "frames/s")
    return print_verdicts(
        [
            Verdict("training: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
            Verdict("training: convzoo / torchaudio", Ratio.of(rates["convzoo"], rates["torchaudio"]), 1.0),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
