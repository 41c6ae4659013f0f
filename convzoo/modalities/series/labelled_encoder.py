"""Whole series with a class each as tensors: missing values, lengths, normalisation."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Positive
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.core.survey import Survey, lengths_in_words, listed, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.series.labelled import LabelledSeries

Item = tuple[Tensor, Target]

TELLS = 0.2
"""The least part of the variance of levels or spreads that lies between the classes, for these to count as telling the
classes."""

SURE = 1e-3
"""How probable such a part may be by chance, over all channels."""


class LabelledSeriesEncoder(Encoder):
    r"""Series as `series` (batch, channels, time), of different lengths with a `mask` (batch, time).

    Missing values inside a series are interpolated linearly between their neighbours, at its ends the nearest value is taken; a
    channel without any value is 0. A series that is longer than `max_length` is averaged over stretches of equal length, the
    same for all series, so that time has one scale. Shorter series of a batch are padded with zeros at their end, which the
    networks and their pooling ignore. Each channel is then standardised, $(x - m) / s$:

    * `series`: m and s are those of the series itself, as usual in the UCR archive: level and spread are lost;
    * `dataset`: those of the training split, so that a series keeps its level and spread;
    * `none`: values stay as they are;
    * `auto`: `dataset` where level or spread tells the classes in training, else `series`. They do where at least a fifth of
      the variance (omega squared) of the series' means, or of the logarithms of their deviations, lies between the classes in one
      channel, and the F-test calls this improbable by chance (p < .001, divided by the number of tests). Numbers to be predicted
      always get `dataset`.

    Args:
        normalise: how values are standardised
        max_length: largest number of steps that the network is given
    """

    example = LabelledSeries

    def __init__(
        self,
        normalise: Literal["auto", "series", "dataset", "none"] = "auto",
        max_length: Positive = 2048,
    ) -> None:
        self.normalise = normalise
        self.max_length = max_length
        self.chosen = normalise
        self.why = ""
        self.targets = Targets()
        self.channels = 1
        self.channel_names: tuple[str, ...] = ()
        self.columns: dict[str, Any] = {}
        self.stretch = 1  # steps that are averaged to one
        self.ragged = False
        self.mean = np.zeros(1, np.float32)
        self.deviation = np.ones(1, np.float32)

    def fit(self, examples: Sequence[LabelledSeries]) -> None:
        """Learn the labels, the channels, how many steps are averaged, and the normalisation.

        Raises:
            DataError: there are fewer than two classes, or the channels differ.
        """
        self.targets = Targets.of(example.label for example in examples)
        first, self.channel_names = examples[0].loaded()
        self.columns = dict(examples[0].columns or {})
        self.channels = len(first)
        series = [self._filled(example) for example in examples]
        lengths = {values.shape[1] for values in series}
        self.ragged = len(lengths) > 1
        self.stretch = math.ceil(max(lengths) / self.max_length)
        total = sum(values.shape[1] for values in series)
        self.mean = (sum(values.sum(axis=1, dtype=np.float64) for values in series) / total).astype(np.float32)
        squares = sum(np.square(values - self.mean[:, None], dtype=np.float64).sum(axis=1) for values in series)
        self.deviation = np.sqrt(squares / total).astype(np.float32)
        self.deviation[self.deviation < 1e-8 * np.maximum(np.abs(self.mean), 1)] = 1.0
        self.chosen = self.normalise
        if self.normalise == "auto":
            self.chosen, self.why = self._choice(series, [example.label for example in examples])

    def _choice(self, series: Sequence[np.ndarray], labels: Sequence[Any]) -> tuple[Literal["series", "dataset"], str]:
        """The normalisation that `auto` stands for, and why."""
        if self.targets.label_type == "number":
            return "dataset", "a number may depend on level and spread"
        means = np.stack([values.mean(axis=1) for values in series])  # (examples, channels)
        spreads = np.stack([values.std(axis=1) for values in series])
        usual = np.maximum(spreads.mean(axis=0), 1e-12)
        logarithms = np.log(np.maximum(spreads, 1e-6 * usual))
        for what, found, least in (("level", means, 1e-3 * usual), ("spread", logarithms, np.full_like(usual, 1e-3))):
            for channel in range(self.channels):
                if found[:, channel].std() <= least[channel]:  # as good as equal: normalised already
                    continue
                part, chance = between_classes(found[:, channel], labels)
                if part >= TELLS and chance <= SURE / (2 * self.channels):
                    return "dataset", f"the {what} of {self._called(channel)} differs between the classes"
        return "series", "neither level nor spread tells the classes"

    def _called(self, channel: int) -> str:
        if self.channels == 1:
            return "a series"
        return self.channel_names[channel] if self.channel_names else f"channel {channel + 1}"

    def advice(self) -> str:
        """The normalisation, if it was chosen here, and what long series become."""
        words = []
        if self.normalise == "auto":
            words.append(f"encoder.normalise={self.chosen}: {self.why}")
        if self.stretch > 1:
            words.append(f"{self.stretch} steps are averaged to one (encoder.max_length={self.max_length})")
        return "; ".join(words)

    def prepare(self, example: LabelledSeries) -> Item:
        """(channels, time) float32 and the target.

        Raises:
            DataError: the file cannot be read, or the channels are not those of training.
        """
        values = self._filled(example)
        if self.stretch > 1:
            values = averaged(values, self.stretch)
        if self.chosen == "series":
            mean = values.mean(axis=1, keepdims=True, dtype=np.float64)
            deviation = values.std(axis=1, keepdims=True, dtype=np.float64)
            still = deviation < 1e-6 * np.maximum(np.abs(mean), 1e-6)
            values = (values - mean) / np.where(still, 1.0, deviation)
        elif self.chosen == "dataset":
            values = (values - self.mean[:, None]) / self.deviation[:, None]
        label = self.targets.target(example.label, example.source or str(example.path))
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)), label

    def collate(self, items: Sequence[Item], draws: Draws | None = None) -> Batch:
        """Stack; series of different lengths are padded at their end."""
        lengths = [values.shape[1] for values, _ in items]
        longest = max(lengths)
        target = self.targets.batch([label for _, label in items])
        if not self.ragged and min(lengths) == longest:
            return Batch({"series": torch.stack([values for values, _ in items])}, target, len(items))
        series = torch.zeros(len(items), self.channels, longest)
        for place, (values, _) in zip(series, items, strict=True):
            place[:, : values.shape[1]] = values
        mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
        return Batch({"series": series, "mask": mask}, target, len(items))

    def length(self, item: Item) -> int | None:
        """The steps of a series, where lengths differ."""
        return item[0].shape[1] if self.ragged else None

    def survey(self, examples: Sequence[LabelledSeries], items: Sequence[Item] | None) -> Survey:
        """Channels, lengths, missing values, series that never vary.

        Raises:
            DataError: no series of the split varies.
        """
        read = [example.read() for example in examples]
        lengths = [values.shape[1] for values in read]
        names = f": {listed(self.channel_names)}" if self.channel_names else ""
        facts = {"channels": f"{self.channels:,}{names}", "steps": lengths_in_words(lengths), "normalise": self.chosen}
        notes = []
        gaps = [each for each, values in zip(examples, read, strict=True) if np.isnan(values).any()]
        if gaps:
            count = sum(int(np.isnan(values).sum()) for values in read)
            facts["missing"] = f"{count:,} values, interpolated"
            notes.append(
                f"{some_of([each.source for each in gaps], len(read), 'series')} have missing values ({count:,} in "
                f"all), which are "
                "interpolated"
            )
        still = [
            each.source
            for each, values in zip(examples, read, strict=True)
            if not any(np.nanmin(row) < np.nanmax(row) for row in values if np.isfinite(row).any())
        ]
        if len(still) == len(read) and self.chosen == "series":
            raise DataError(f"{still[0]}: no series of this split ever varies, so there is nothing to learn")
        if still:
            notes.append(f"{some_of(still, len(read), 'series')} never vary")
        return Survey(facts, notes)

    def _filled(self, example: LabelledSeries) -> np.ndarray:
        """(channels, time) without missing values, the channels in the order of training.

        Raises:
            DataError: the channels are not those of training.
        """
        values, names = example.loaded()
        source = example.source or str(example.path)
        if len(values) != self.channels:
            has = f" ({listed(names)})" if names else ""
            wanted = f" ({listed(self.channel_names)})" if self.channel_names else ""
            raise DataError(
                f"{source}: has {len(values)} channel{'s' if len(values) != 1 else ''}{has}; those of training have "
                f"{self.channels}{wanted}"
            )
        if names != self.channel_names and names and set(names) == set(self.channel_names):
            values = values[[names.index(name) for name in self.channel_names]]
        elif names and self.channel_names and names != self.channel_names:
            raise DataError(
                f"{source}: has the channels {listed(names)}; those of training have {listed(self.channel_names)}"
            )
        return interpolated(values)

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, and those of the labels."""
        return {"in_channels": self.channels, **self.targets.dims}

    def keep(self, earlier: "LabelledSeriesEncoder", examples: Sequence[LabelledSeries]) -> None:
        """Keep the earlier normalisation and time scale, if the channels are as many."""
        if earlier.channels == self.channels:
            self.chosen, self.why, self.stretch = earlier.chosen, earlier.why, earlier.stretch
            self.mean, self.deviation = earlier.mean, earlier.deviation

    def reading(self) -> Mapping[str, Any]:
        """Which columns of training's table were the values, the series and the times."""
        return self.columns

    def state(self) -> dict[str, Any]:
        """Channels, time scale, normalisation and labels."""
        return {
            "channels": self.channels, "channel_names": list(self.channel_names), "stretch": self.stretch, "ragged": self.ragged,
            "chosen": self.chosen, "why": self.why, "mean": self.mean, "deviation": self.deviation,
            "columns": self.columns, **self.targets.state(),
        }  # fmt: skip

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        self.channels, self.channel_names = state["channels"], tuple(state["channel_names"])
        self.columns = dict(state.get("columns", {}))
        self.stretch, self.ragged = state["stretch"], state["ragged"]
        self.chosen, self.why = state["chosen"], state["why"]
        self.mean, self.deviation = np.asarray(state["mean"]), np.asarray(state["deviation"])
        self.targets = Targets.from_state(state)


def interpolated(values: np.ndarray) -> np.ndarray:
    """(channels, time) with values in the place of missing ones: on a line between their neighbours, the nearest at the ends, 0
    in a channel without any."""
    if np.isfinite(values).all():
        return values
    steps = np.arange(values.shape[1])
    rows = [
        np.interp(steps, steps[known], row[known]) if (known := np.isfinite(row)).any() else np.zeros(len(row))
        for row in values
    ]
    return np.array(rows, dtype=np.float32)


def averaged(values: np.ndarray, steps: int) -> np.ndarray:
    """(channels, time / steps, rounded up): means over stretches; the last may be shorter."""
    starts = np.arange(0, values.shape[1], steps)
    sizes = np.diff([*starts, values.shape[1]])
    return (np.add.reduceat(values, starts, axis=1) / sizes).astype(np.float32)


def between_classes(values: np.ndarray, labels: Sequence[Any]) -> tuple[float, float]:
    """The part of the variance that lies between the classes (omega squared), and how probable a larger F is by chance."""
    from scipy.stats import f

    names = np.array([str(label) for label in labels])
    groups = [values[names == name].astype(np.float64) for name in np.unique(names)]
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups)
    total = float(((values - values.mean(dtype=np.float64)) ** 2).sum())
    more, rest = len(groups) - 1, len(values) - len(groups)
    if more < 1 or rest < 1 or total <= 0:
        return 0.0, 1.0
    usual = within / rest
    part = (total - within - more * usual) / (total + usual)
    return part, float(f.sf((total - within) / more / max(usual, 1e-300), more, rest))
