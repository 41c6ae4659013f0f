"""Series with classes: convzoo's trainer against a careful loop, and against the usual PyTorch code of the same networks.

`careful` is a carefully written loop around the same module: series prepared in advance, a fused optimizer, and nothing else.
`usual` is the network as it is usually written (`nn.Conv1d` with `groups` for separable kernels, `padding="same"`), with a
DataLoader over a TensorDataset and Adam. With tsai (`pip install tsai`) its InceptionTime is trained by the same usual loop:
`--opponent tsai`.
"""

import sys
import warnings

import torch
from common import Ratio, Verdict, parser, pin, print_environment, print_medians, print_verdicts
from hand_written import plain_step
from sound_speed import batches
from torch import Tensor, nn
from trainer_speed import careful_rates

from convzoo.experiment import Experiment, assemble
from convzoo.models.lite import CustomFilters
from convzoo.recipe.own_data import open_recipe

RECIPE = "series_cnn1d"


class UsualLite(nn.Module):
    """LITE as it is usually written."""

    def __init__(self, in_channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        self.first = nn.ModuleList(_separable(in_channels, width, size, 1) for size in (40, 20, 10))
        self.custom = CustomFilters(in_channels)
        joined = 3 * width + self.custom.out_channels
        self.norm = nn.BatchNorm1d(joined)
        self.second = nn.Sequential(_separable(joined, width, 20, 2), nn.BatchNorm1d(width), nn.ReLU())
        self.third = nn.Sequential(_separable(width, width, 10, 4), nn.BatchNorm1d(width), nn.ReLU())
        self.classifier = nn.Linear(width, classes)

    def forward(self, series: Tensor) -> Tensor:
        """Series to logits."""
        x = torch.cat([*(layer(series) for layer in self.first), self.custom(series)], dim=1)
        return self.classifier(self.third(self.second(self.norm(x).relu())).mean(dim=2))


def _separable(before: int, after: int, size: int, dilation: int) -> nn.Module:
    if before == 1:
        return nn.Conv1d(1, after, size, padding="same", bias=False)
    kernels = nn.Conv1d(before, before, size, dilation=dilation, padding="same", groups=before, bias=False)
    return nn.Sequential(kernels, nn.Conv1d(before, after, 1, bias=False))


class UsualInception(nn.Module):
    """The Inception network as it is usually written."""

    def __init__(self, in_channels: int, classes: int, width: int = 32) -> None:
        super().__init__()
        sizes = [in_channels] + [4 * width] * 6
        self.blocks = nn.ModuleList(_UsualModule(before, width) for before in sizes[:6])
        self.shortcuts = nn.ModuleList(
            nn.Sequential(nn.Conv1d(before, 4 * width, 1, bias=False), nn.BatchNorm1d(4 * width))
            for before in (sizes[0], sizes[3])
        )
        self.classifier = nn.Linear(4 * width, classes)

    def forward(self, series: Tensor) -> Tensor:
        """Series to logits."""
        x = before = series
        for at, block in enumerate(self.blocks):
            x = block(x)
            if at % 3 == 2:
                x = before = (x + self.shortcuts[at // 3](before)).relu()
        return self.classifier(x.mean(dim=2))


class _UsualModule(nn.Module):
    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(before, width, 1, bias=False)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, width, size, padding="same", bias=False) for size in (40, 20, 10)
        )
        self.pool = nn.Sequential(nn.MaxPool1d(3, 1, 1), nn.Conv1d(before, width, 1, bias=False))
        self.norm = nn.BatchNorm1d(4 * width)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        return self.norm(torch.cat([*(layer(narrow) for layer in self.convolutions), self.pool(x)], dim=1)).relu()


def usual(experiment: Experiment, opponent: str) -> nn.Module:
    """The opponent's network for the recipe's data."""
    channels, classes = experiment.encoder.dims["in_channels"], experiment.encoder.dims["classes"]
    if experiment.recipe.model.name == "lite":
        return UsualLite(channels, classes)
    if opponent == "tsai":
        from tsai.models.InceptionTime import InceptionTime

        return InceptionTime(channels, classes)
    return UsualInception(channels, classes)


def main() -> int:
    """Print the ratios; 0 if all reach their targets."""
    made = parser(str(__doc__).splitlines()[0], rounds=15, steps=8)
    made.add_argument(
        "--opponent", choices=("usual", "tsai"), default="usual", help="whose InceptionTime (default: usual code)"
    )
    options = made.parse_args()
    pin(options.threads)
    torch.set_num_threads(options.threads)
    print_environment(options.threads)
    # Kernels of even widths: PyTorch says that it copies the padded series.
    warnings.filterwarnings("ignore", "Using padding='same'")
    verdicts = []
    for model in ("lite", "inception_time"):
        experiment = assemble(open_recipe(RECIPE, [f"model.name={model}", *options.set]))
        batch = experiment.encoder.encode(list(experiment.splits.train))
        step = plain_step(
            usual(experiment, options.opponent),
            batch.inputs["series"],
            batch.target,
            int(experiment.recipe.train.batch_size or 32),
        )
        rates = careful_rates(experiment, batches(experiment), options.rounds, options.steps, {"usual": step})
        print(f"{RECIPE}, {model}, medians of {options.rounds} rounds of {options.steps} steps")
        print_medians(rates, "examples/s")
        wanted = 1.2
        verdicts += [
            Verdict(f"{model}: convzoo / careful", Ratio.of(rates["convzoo"], rates["careful"]), 0.97),
            Verdict(f"{model}: convzoo / {options.opponent}", Ratio.of(rates["convzoo"], rates["usual"]), wanted),
        ]
    return print_verdicts(verdicts)


if __name__ == "__main__":
    sys.exit(main())
