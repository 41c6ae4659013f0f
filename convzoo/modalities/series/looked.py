"""What the pages of series draw from: what was flagged of every test stretch, and what the network expected of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from convzoo.core.pages import Material
from convzoo.modalities.series.example import Stretch
from convzoo.modalities.series.outcomes import Alarm, Outcome, Truth, outcomes
from convzoo.tasks.anomaly_detection import AnomalyDetection, Surprise

LOOKED = 4_000_000
"""Values of the test split whose expectation is computed again for the page."""


@dataclass(frozen=True)
class Event:
    """An interval of a stretch that a card shows close up.

    Attributes:
        outcome: of its stretch
        start, stop: its rows
        peak: its highest score; 0 if it has none
        channel: the one that is farthest from what was expected
        truth: the true interval; None for a false alarm
    """

    outcome: Outcome
    start: int
    stop: int
    peak: float
    channel: int
    truth: Truth | None


@dataclass(frozen=True)
class Looked:
    """What the cards are drawn from.

    Attributes:
        outcomes: of all test stretches
        surprises: by position in the test split; of as many stretches, or first rows of one, as `LOOKED` allows
        measured: by position, (channels, time) in the encoder's units
    """

    outcomes: list[Outcome]
    surprises: dict[int, Surprise]
    measured: dict[int, np.ndarray]

    def events_of(self, found: Sequence[Outcome], parts: Callable[[Outcome], Sequence[Truth | Alarm]]) -> list[Event]:
        """The chosen intervals of several stretches."""
        return [event for each in found for event in self.events(each, parts(each))]

    def events(self, outcome: Outcome, parts: Iterable[Truth | Alarm]) -> list[Event]:
        """Those of a stretch's intervals that lie in the rows that were looked at."""
        surprise = self.surprises.get(outcome.index)
        if surprise is None:
            return []
        found = []
        for part in parts:
            if part.stop > len(surprise.score):
                continue
            score = surprise.score[part.start : part.stop]
            at = part.start + int(score.argmax())
            shares = surprise.by_channel[:, at]
            if not shares.any():  # the burn-in has no score
                missed = self.measured[outcome.index] - surprise.expected
                shares = np.square(missed[:, part.start : part.stop]).mean(axis=1)
            truth = part if isinstance(part, Truth) else None
            found.append(Event(outcome, part.start, part.stop, float(score.max()), int(shares.argmax()), truth))
        return found


def look(task: AnomalyDetection, material: Material, limit: int = LOOKED) -> Looked:
    """The outcomes of all test stretches, and the network's expectation for as many values as `limit`. Where there
    are more, the stretches with the most mistakes come first."""
    examples = material.examples
    found = outcomes(material.predictions, [len(example) for example in examples], task.smooth)
    surprises: dict[int, Surprise] = {}
    measured: dict[int, np.ndarray] = {}
    model = material.model.eval()
    sizes = [len(examples[each.index]) * len(examples[each.index].series.channels) for each in found]
    order = found if sum(sizes) <= limit else sorted(found, key=lambda each: (-each.mistakes, -each.highest))
    left = limit
    for each in order:
        example = examples[each.index]
        rows = min(len(example), left // len(example.series.channels))
        if rows < min(len(example), 2):
            break
        batch = material.encoder.encode([Stretch(example.series, example.start, example.start + rows)])
        with torch.no_grad():
            surprises[each.index] = task.surprises(model, batch)[0]
        measured[each.index] = batch.inputs["values"][0, :, :rows].numpy()
        left -= rows * len(example.series.channels)
    return Looked(found, surprises, measured)
