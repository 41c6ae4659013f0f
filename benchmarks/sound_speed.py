"""Audio: convzoo's trainer against a careful loop, log-mel in batches against file by file, and peak memory.

`careful` is a carefully written loop around the same module: recordings read and resampled in advance, the same functions to
augment and to make spectrograms of a batch, a fused optimizer, and nothing else. File by file, the encoder makes the
spectrogram of one recording at a time and stacks 64 of them, as with a Dataset's `__getitem__`. Memory is measured in new
processes: preparing a recipe and an epoch with its evaluation, against reading the same files with soundfile, keeping their
spectrograms and an epoch of the loop that most people write.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from common import (
    Ratio,
    Verdict,
    interleaved,
    parser,
    pin,
    print_environment,
    print_medians,
    print_verdicts,
    seconds,
)
from hand_written import plain_step
from memory import convzoo_worker, peak, peaks
from torch import Tensor
from trainer_speed import NEVER, careful_rates

from convzoo.core.libraries import import_torchaudio
from convzoo.core.randomness import Draws
from convzoo.experiment import Experiment, assemble
from convzoo.recipe.own_data import open_recipe

RECIPE = "keywords_cnn1d"
FILES = 64
WAVEFORM = [
    "encoder.features=waveform",
    "encoder.band_masks=0",
    "encoder.frame_masks=0",
    "model={name: waveform_cnn1d}",
]


def batches(experiment: Experiment) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches, without end: recordings are prepared once, then the encoder's own functions are used."""
    encoder = experiment.encoder
    items = [encoder.prepare(example) for example in experiment.splits.train]
    for epoch in range(NEVER):
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(epoch))
        for chosen in order.split(experiment.recipe.train.batch_size):
            numbers = chosen.tolist()
            batch = encoder.collate([items[number] for number in numbers], Draws(1, epoch, numbers))
            (inputs,) = batch.inputs.values()
            yield inputs, batch.target


def spectrogram_rates(experiment: Experiment, rounds: int) -> dict[str, list[float]]:
    """Spectrograms per second, 64 at once and one by one, without augmentation; and one by one with torchaudio's transform."""
    encoder = experiment.encoder
    mel = import_torchaudio().transforms.MelSpectrogram(
        encoder.sample_rate, 256, 200, 80, n_mels=encoder.mels, pad_mode="constant"
    )
    items = [encoder.prepare(example) for example in list(experiment.splits.train)[:FILES]]

    def one_by_one() -> Tensor:
        return torch.cat([encoder.collate([item]).inputs["spectrogram"] for item in items])

    def as_usual() -> Tensor:
        return torch.stack([torch.log(mel(samples.float() / 32768) + 1e-5) for samples, _ in items])

    def together() -> Tensor:
        return encoder.collate(items).inputs["spectrogram"]

    assert torch.allclose(one_by_one(), together(), atol=1e-3), "both ways give the same"
    sides = {
        name: lambda act=act: 10 * len(items) / seconds(lambda: [act() for _ in range(10)])
        for name, act in (
            ("in batches", together),
            ("file by file", one_by_one),
            ("MelSpectrogram, file by file", as_usual),
        )
    }
    return interleaved(sides, rounds)


def plain_worker(overrides: list[str], threads: int) -> None:
    """Read the files with soundfile, keep their spectrograms, and train an epoch with a DataLoader."""
    import soundfile

    from convzoo.recipe.assembly import build

    torch.set_num_threads(threads)
    torchaudio = import_torchaudio()
    recipe = open_recipe(RECIPE, overrides)
    examples = build("data", recipe.data).read().train
    rate, length = 8000, int(8000 * recipe.encoder.args.get("seconds", 0.8))
    mel = torchaudio.transforms.MelSpectrogram(rate, 256, 200, 80, n_mels=recipe.encoder.args.get("mels", 40))
    labels = sorted({example.label for example in examples})
    resample = torchaudio.transforms.Resample(16_000, rate)
    rows = []
    for example in examples:
        waveform = resample(torch.from_numpy(soundfile.read(example.path, dtype="float32")[0]))
        rows.append(torch.log(mel(torch.nn.functional.pad(waveform, (0, length))[:length]) + 1e-5))
    target = torch.tensor([labels.index(example.label) for example in examples])
    network = build("model", recipe.model, {"mels": rows[0].shape[0], "classes": len(labels)})
    step = plain_step(network, torch.stack(rows), target, recipe.train.batch_size)
    done = 0
    while done < len(target):
        done += step()


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=15, steps=15)
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
    verdicts = []
    for kind, more in (("log-mel", []), ("waveform", WAVEFORM)):
        experiment = assemble(open_recipe(RECIPE, [*_without_model(options.set, bool(more)), *more]))
        rates = careful_rates(experiment, batches(experiment), options.rounds, options.steps)
        print(f"{RECIPE}, {kind}, medians of {options.rounds} rounds of {options.steps} steps")
        print_medians(rates, "examples/s")
        verdicts.append(Verdict(f"{kind}: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97))
        if not more:
            made_rates = spectrogram_rates(experiment, options.rounds)
            print_medians(made_rates, "spectrograms/s")
            for name, wanted in (("file by file", 2.0), ("MelSpectrogram, file by file", 2.0)):
                ratio = Ratio.of(made_rates["in batches"], made_rates[name])
                verdicts.append(Verdict(f"spectrograms: in batches / {name}", ratio, wanted))
    memory = peaks(__file__, options.set, options.threads, options.memory_rounds)
    print_medians(memory, "peak MB")
    verdicts.append(Verdict("memory: convzoo / plain", Ratio.of(memory["convzoo"], memory["plain"]), 1.2, at_most=True))
    return print_verdicts(verdicts)


def _without_model(overrides: list[str], other_model: bool) -> list[str]:
    return [word for word in overrides if not (other_model and word.startswith("model."))]


if __name__ == "__main__":
    sys.exit(main())
