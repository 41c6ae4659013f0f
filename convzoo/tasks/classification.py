"""Classification: one of several classes, for any kind of data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Fraction, FromData
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task


class Classification(Task):
    r"""Cross-entropy, $-\sum_c q_c \log \mathrm{softmax}(z)_c$; q is the target, with label smoothing if it is set (Szegedy et
    al. 2016, arXiv:1512.00567, §7).

    Scores: accuracy, macro F1 (the mean over the classes, all with the same weight) and Matthews' correlation; for two classes
    also the area under the ROC curve.

    With `calibrate: temperature`, logits are divided after training by one number, which minimises the cross-entropy of the
    validation split (Guo et al. 2017, arXiv:1706.04599, §4.2). The predicted classes stay the same, but the probabilities come
    closer to the frequency of right predictions. The scores then have `calibration_error`, the expected calibration error over
    15 bins.

    Args:
        label_smoothing: the fraction of the target that is spread over all classes
        best_by: the validation score that chooses the best checkpoint
        calibrate: `temperature` calibrates the probabilities on the validation split
    """

    def __init__(
        self,
        labels: FromData[tuple],
        label_smoothing: Fraction = 0.0,
        best_by: Literal[
            "val/accuracy", "val/macro_f1", "val/matthews", "val/auroc", "-val/cross_entropy"
        ] = "val/accuracy",
        calibrate: Literal["none", "temperature"] = "none",
    ) -> None:
        self.labels = tuple(labels)
        self.label_smoothing = label_smoothing
        self.best_by = best_by
        if best_by == "val/auroc" and len(self.labels) != 2:
            raise ValueError(f"best_by: val/auroc is for two classes, but there are {len(self.labels)}")
        self.calibration = calibrate
        self.temperature = 1.0

    def losses(self, outputs: Float[Tensor, "batch classes"], target: Int[Tensor, " batch"]) -> dict[str, Tensor]:
        """The cross-entropy."""
        return {"cross_entropy": F.cross_entropy(outputs, target, label_smoothing=self.label_smoothing)}

    def decode(self, outputs: Float[Tensor, "batch classes"]) -> list[dict[str, Any]]:
        """The class, its probability, and all probabilities."""
        probabilities = outputs.float().softmax(dim=1)
        best = probabilities.argmax(dim=1).tolist()
        return [
            {
                "label": self.labels[index],
                "probability": row[index],
                "probabilities": dict(zip(self.labels, row, strict=True)),
            }
            for index, row in zip(best, probabilities.tolist(), strict=True)
        ]

    def read_target(self, target: Int[Tensor, " batch"]) -> list[dict[str, Any]]:
        """The true class of each, for a person to read."""
        return [{"label": self.labels[number] if number >= 0 else None} for number in target.tolist()]

    def meter(self) -> Meter:
        """Accuracy, macro F1, Matthews' correlation; cross-entropy; AUROC for two classes."""
        from convzoo.metrics.classification import ClassificationMeter

        return ClassificationMeter(len(self.labels), calibration=self.calibration != "none")

    def predict(self, model: nn.Module, batch: Batch) -> Tensor:
        """The logits, divided by the temperature if one was chosen."""
        outputs = model(**batch.inputs)
        return outputs if self.temperature == 1.0 else outputs / self.temperature

    def require(self, splits: Splits) -> None:
        """Check that the score that chooses the checkpoint can be computed.

        Raises:
            DataError: it is the area under the ROC curve, and the validation split has one class only.
        """
        only = _only_class(splits.val)
        if self.best_by == "val/auroc" and only is not None:
            raise DataError(
                f"task.best_by=val/auroc: all {len(splits.val):,} examples of the val split are of class {only!r}, and the area "
                "under the ROC curve needs both classes; set data.val higher, or task.best_by=val/accuracy"
            )

    def cautions(self, splits: Splits) -> list[str]:
        """Which split has one class only."""
        found = []
        for name, examples in (("val", splits.val), ("test", splits.test)):
            only = _only_class(examples)
            if only is not None:
                scores = "auroc is 0.5 and matthews 0" if len(self.labels) == 2 else "matthews is 0"
                found.append(
                    f"all {len(examples):,} examples of the {name} split are of class {only!r}: {scores} there, whatever is "
                    "learnt"
                )
        return found

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the temperature from the logits of all processes, so that all have the same."""
        if self.calibration == "none":
            return
        from convzoo.metrics.classification import best_temperature

        outputs, targets = [torch.empty(0, len(self.labels), dtype=torch.float64)], [torch.empty(0, dtype=torch.int64)]
        for batch in batches:
            outputs.append(model(**batch.inputs).double().cpu())
            targets.append(batch.target.cpu())
        self.temperature = best_temperature(gather_all(torch.cat(outputs)), gather_all(torch.cat(targets)))

    def state(self) -> dict[str, Any]:
        """The temperature, if there is one."""
        return {"temperature": self.temperature} if self.calibration != "none" else {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.temperature = float(state.get("temperature", 1.0))


def _only_class(examples: Sequence[Any]) -> Any:
    """The class of all examples; None if there are several, or no labels."""
    found = {getattr(example, "label", None) for example in examples}
    return next(iter(found)) if len(found) == 1 else None
