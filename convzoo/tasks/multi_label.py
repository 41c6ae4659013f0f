"""Classification with several labels at once, for any kind of data."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import FromData, LabelType
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.tasks.classification import likeliest


class MultiLabel(Task):
    r"""Each label is decided alone: the mean over the labels of the binary cross-entropy of $\sigma(z_l)$.

    After training each label gets a threshold of its own, with the best F1 on the validation split; a label without an example
    there keeps .5. Opponents get thresholds of their own in the same way. Scores: micro and macro F1, mean average precision,
    subset accuracy (all labels of an example are right).

    Args:
        class_weights: the weight of the loss where a label is there: `none`; `balanced`, examples without the label / examples
            with it, at most 100, so that rare labels count
        thresholds: `best_f1` chooses them on the validation split; `none` keeps .5
        best_by: the validation score that chooses the best checkpoint
    """

    label_type: ClassVar[LabelType] = "classes"
    judged_by = ("mean_average_precision",)  # it needs no thresholds
    errors: ClassVar[frozenset[str]] = frozenset({"cross_entropy"})
    output_axes: ClassVar[tuple[str, ...]] = ("batch", "classes")
    outputs = {"logits": ("batch", "labels")}

    answer_count = 0  # how many labels a prediction names, whatever their thresholds

    def __init__(
        self,
        labels: FromData[tuple],
        counts: FromData[tuple] = (),
        examples: FromData[int] = 0,
        class_weights: Literal["none", "balanced"] = "none",
        thresholds: Literal["best_f1", "none"] = "best_f1",
        best_by: Literal[
            "val/mean_average_precision", "val/micro_f1", "val/macro_f1", "val/subset_accuracy", "-val/cross_entropy"
        ] = "val/mean_average_precision",
    ) -> None:
        self.labels = tuple(labels)
        self.best_by = best_by
        self.choose = thresholds == "best_f1"
        self.weights: Tensor | None = None
        if class_weights == "balanced":
            if not counts or not examples:
                raise ValueError(
                    "class_weights: balanced needs the counts of the labels, which this encoder does not give"
                )
            there = torch.tensor(counts, dtype=torch.float64)
            self.weights = ((examples - there) / there).clamp(min=0.01, max=100.0)
        self.thresholds = [0.5] * len(self.labels)

    def losses(
        self, outputs: Float[Tensor, "batch labels"], target: Float[Tensor, "batch labels"]
    ) -> dict[str, Tensor]:
        """The binary cross-entropy.

        Raises:
            RecipeError: the encoder gives several clips of an example.
        """
        if isinstance(target, Mapping):
            raise RecipeError("task multi_label: takes no videos, whose encoder gives several clips of each")
        weights = None if self.weights is None else self.weights.to(outputs.device, outputs.dtype)
        return {"cross_entropy": F.binary_cross_entropy_with_logits(outputs, target, pos_weight=weights)}

    def cautions(self, splits: Splits) -> list[str]:
        """That every example has exactly one label."""
        if all(isinstance(example.label, tuple) and len(example.label) == 1 for example in splits.train):
            return [
                "every training example has one label: task=classification chooses exactly one, with opponents that do, such as "
                "baselines=[majority]"
            ]
        return []

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the thresholds from the probabilities of all processes, so that all have the same."""
        if self.choose:
            self.thresholds = self._chosen((model(**batch.inputs), batch.target) for batch in batches)

    def opponent_meter(self, on_validation: Callable[[], Iterable[tuple[Any, Any]]]) -> Meter:
        """With the opponent's own thresholds."""
        return self._meter(self._chosen(on_validation())) if self.choose else self.meter()

    def _chosen(self, batches: Iterable[tuple[Tensor, Tensor]]) -> list[float]:
        """The threshold of each label with the best F1."""
        from convzoo.metrics.classification import operating_point

        empty = torch.empty(0, len(self.labels), dtype=torch.float64)
        outputs, targets = [empty], [empty]
        for logits, target in batches:
            outputs.append(logits.double().cpu())
            targets.append(target.double().cpu())
        probabilities, truth = gather_all(torch.cat(outputs)).sigmoid(), gather_all(torch.cat(targets))
        known = ~truth.isnan().any(dim=1)
        points = [
            operating_point(probabilities[known, number], truth[known, number] == 1, "f1")
            for number in range(len(self.labels))
        ]
        return [0.5 if point is None else point.threshold for point in points]

    def decode(self, outputs: Float[Tensor, "batch labels"]) -> list[dict[str, Any]]:
        """The labels, and the probability of each; after `answers` also the most probable ones."""
        found = []
        for row in outputs.double().sigmoid().tolist():
            named = zip(self.labels, row, self.thresholds, strict=True)
            labels = [label for label, probability, threshold in named if probability >= threshold]
            top = {"top": likeliest(self.labels, row, self.answer_count)} if self.answer_count else {}
            found.append({"labels": labels, **top, "probabilities": dict(zip(self.labels, row, strict=True))})
        return found

    def answers(self, count: int) -> None:
        """Name the `count` most probable labels besides those above their thresholds.

        Raises:
            RecipeError: there are fewer labels.
        """
        if count > len(self.labels):
            raise RecipeError(f"--top: there are {len(self.labels)} labels, not {count}")
        self.answer_count = count

    def strengths(self, prediction: Mapping[str, Any]) -> Mapping[str, float]:
        """The probability of each label."""
        return prediction["probabilities"]

    def said(self, prediction: Mapping[str, Any]) -> list[str]:
        """The labels; where there are none, the most probable one."""
        probabilities = prediction["probabilities"]
        return list(prediction["labels"]) or [max(probabilities, key=probabilities.__getitem__)]

    def read_target(self, target: Float[Tensor, "batch labels"]) -> list[dict[str, Any]]:
        """The true labels of each; None if unlabelled."""
        return [
            {
                "labels": None
                if row[0] != row[0]
                else [label for label, there in zip(self.labels, row, strict=True) if there]
            }
            for row in target.tolist()
        ]

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The labels with their probabilities, and the input."""
        labels = [each["label"] for each in prediction["top"]] if "top" in prediction else prediction["labels"]
        named = (f"{label} {prediction['probabilities'][label]:.3f}" for label in labels)
        return f"{', '.join(named) or 'no label'}  {shown}"

    def meter(self) -> Meter:
        """Micro and macro F1, mean average precision, subset accuracy, cross-entropy."""
        return self._meter(self.thresholds)

    def _meter(self, thresholds: list[float]) -> Meter:
        from convzoo.metrics.multi_label import MultiLabelMeter

        return MultiLabelMeter(len(self.labels), torch.tensor(thresholds, dtype=torch.float64).logit())

    def state(self) -> dict[str, Any]:
        """The threshold of each label."""
        return {"thresholds": dict(zip(self.labels, self.thresholds, strict=True))}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        chosen = state.get("thresholds", {})
        self.thresholds = [float(chosen.get(label, 0.5)) for label in self.labels]
