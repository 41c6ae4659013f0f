"""Named entities: parts of a text and their types."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convzoo.core.arguments import FromData, LabelType, NonNegative
from convzoo.core.batch import Batch
from convzoo.core.outputs.spans import OUTSIDE, Spans, as_dict, spans_of
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.layers.crf import ChainScores
from convzoo.ops.crf import Chances, best_paths, log_partition, path_score

PENALTIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


class Entities(Task):
    r"""The negative log-likelihood of the true tag sequence of each text, $\log \sum_{y'} e^{s(y')} - s(y)$, as a mean over the
    tokens (Collobert et al. 2011, arXiv:1103.0398, §3.3.2).

    To predict, the best sequence is found by the Viterbi algorithm, and read as entities. The probability of an entity is that
    of its tags, whatever the tags of the other tokens are. Scores count an entity as found only if its first token, its last one
    and its type are right.

    Most tokens are in no entity, so a network that is not sure is silent: few entities are wrong, and many are missed.
    `calibrate` therefore chooses a penalty for tokens outside entities, which is taken from the score of O, by F1 on the
    validation split.

    Args:
        token_loss: weight of a cross-entropy of each token for itself, beside the sequence's
        outside: the penalty; auto: chosen on the validation split from 0 to 3
    """

    label_type: ClassVar[LabelType] = "entities"
    judged_by = ("f1",)
    best_by = "val/f1"
    outputs = {"emissions": ("batch", "length", "tags"), "transitions": ("tag_before", "tag")}

    def __init__(
        self,
        tags: FromData[tuple],
        labels: FromData[tuple],
        known: FromData[Any] = (),
        token_loss: NonNegative = 0.0,
        outside: NonNegative | Literal["auto"] = "auto",
    ) -> None:
        self.tags = tuple(tags)
        self.labels = tuple(labels)
        self.known = known
        self.token_loss = token_loss
        self.chooses = outside == "auto"
        self.outside = 0.0 if outside == "auto" else float(outside)

    def losses(self, outputs: ChainScores, target: Mapping[str, Any]) -> dict[str, Tensor]:
        """The negative log-likelihood of the sequences."""
        emissions, transitions = _precise(outputs)
        tags, lengths = target["tags"], target["lengths"]
        lost = log_partition(emissions, transitions, lengths) - path_score(emissions, transitions, tags, lengths)
        found = {"sequence": lost.sum() / lengths.sum()}
        if self.token_loss:
            found["token"] = self.token_loss * F.cross_entropy(emissions.transpose(1, 2), tags, ignore_index=-1)
        return found

    def predict(self, model: nn.Module, batch: Batch) -> Spans:
        """The entities of each text, with their probabilities."""
        return self._found(_precise(model(**batch.inputs)), batch.target, self.outside)

    def _found(
        self, outputs: ChainScores, target: Mapping[str, Any], outside: float, probabilities: bool = True
    ) -> Spans:
        """The entities in the outputs, with a penalty for tokens outside them; with their probabilities, if these are wanted."""
        emissions, transitions = outputs
        if outside:
            emissions = emissions.clone()
            emissions[:, :, self.tags.index(OUTSIDE)] -= outside
        lengths = target["lengths"]
        with torch.no_grad():
            paths = best_paths(emissions, transitions, lengths)
            chances = Chances(emissions, transitions, lengths) if probabilities else None
        found, scores, row = [], [], 0
        for pieces in target["pieces"]:
            spans, sure, start = [], [], 0
            for _ in pieces:
                path = paths[row]
                for span in spans_of([self.tags[tag] for tag in path]):
                    if chances is not None:
                        sure.append(chances.of_part(row, span.start, path[span.start : span.end]))
                    spans.append(span._replace(start=span.start + start, end=span.end + start))
                start += len(path)
                row += 1
            found.append(spans)
            scores.append(sure)
        return Spans(found, scores if probabilities else None, target["texts"])

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the penalty for tokens outside entities; of equally good ones the smallest."""
        if not self.chooses:
            return
        meters = [self.meter() for _ in PENALTIES]
        with torch.no_grad():
            for batch in batches:
                outputs = _precise(model(**batch.inputs))
                for penalty, meter in zip(PENALTIES, meters, strict=True):
                    meter.update(self._found(outputs, batch.target, penalty, probabilities=False), batch.target)
        scores = [meter.compute()["f1"] for meter in meters]
        self.outside = PENALTIES[scores.index(max(scores))]

    def decode(self, outputs: Spans) -> list[dict[str, Any]]:
        """The entities of each text, each with its first character, the one behind its last, its type, words and probability."""
        assert outputs.texts is not None
        scores: Any = outputs.scores or [[None] * len(spans) for spans in outputs.found]
        return [
            {
                "entities": [
                    as_dict(span, text.places, text.text, score) for span, score in zip(spans, sure, strict=True)
                ]
            }
            for spans, sure, text in zip(outputs.found, scores, outputs.texts, strict=True)
        ]

    def read_target(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The true entities of each text; None where it has no labels."""
        return [
            {
                "entities": [as_dict(span, text.places, text.text) for span in text.spans]
                if text.label is not None
                else None
            }
            for text in target["texts"]
        ]

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The text, with each entity in brackets before its type: `[Ada Lovelace PER] was born in [London LOC].`"""
        found, at = "", 0
        for entity in prediction["entities"]:
            found += f"{shown[at : entity['start']]}[{entity['text']} {entity['label']}]"
            at = entity["end"]
        return found + shown[at:]

    def marks(self, prediction: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The entities."""
        return prediction["entities"]  # type: ignore[no-any-return]

    def cautions(self, splits: Splits) -> list[str]:
        """A split without entities: nothing can be found there."""
        return [
            f"the {name} split has no entity: its scores say nothing of what would be found"
            for name, examples in splits
            if examples and not any(example.spans for example in examples)
        ]

    def state(self) -> dict[str, Any]:
        """The penalty for tokens outside entities."""
        return {"outside": self.outside}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.outside = state.get("outside", self.outside)

    def meter(self) -> Meter:
        """Precision, recall and F1 of entities, of types, of surfaces, and by whether training has the name."""
        from convzoo.metrics.entities import EntityMeter

        return EntityMeter(self.labels, self.known)


def _precise(outputs: ChainScores) -> tuple[Tensor, Tensor]:
    emissions, transitions = outputs
    if emissions.dtype == torch.float64:
        return emissions, transitions
    return emissions.float(), transitions.float()
