"""Classification: one of several classes, for any kind of data."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from convzoo.core.arguments import Fraction, FromData, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.processes import gather_all
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.core.text import did_you_mean
from convzoo.metrics.classification import Decided


class Classification(Task):
    r"""Cross-entropy, $-\sum_c q_c \log \mathrm{softmax}(z)_c$; q is the target, with label smoothing if it is set (Szegedy et
    al. 2016, arXiv:1512.00567, §7).

    Scores: accuracy, macro F1 (the mean over the classes, all with the same weight) and Matthews' correlation; for two classes
    also the area under the ROC curve.

    With `calibrate: temperature`, logits are divided after training by one number, which minimises the cross-entropy of the
    validation split (Guo et al. 2017, arXiv:1706.04599, §4.2). The predicted classes stay the same, but the probabilities come
    closer to the frequency of right predictions. The scores then have `calibration_error`, the expected calibration error over
    15 bins.

    For two classes, `threshold` chooses how probable the positive class must be to be predicted, on the validation split, after
    the temperature. Opponents are scored with their most probable classes. Where `threshold` or `positive` is set, the scores
    have precision, recall and F1 of the positive class.

    For two classes, `budgets` asks how much of the positive class is found where at most such a part of the other one is wrongly
    called so: how much spam is caught while 0.1 % of the other messages is blocked. The thresholds are chosen on the validation
    split, for opponents too. The scores `recall_at_0.001` and `false_alarms_at_0.001` are what is found on the test split, and
    what is really blocked there.

    With `hierarchy: ':'`, a class `NUM:date` belongs to the coarse class `NUM`. The score `coarse_accuracy` counts the answers
    whose coarse class is right, and a prediction has its coarse class with the sum of the probabilities of its classes.

    Args:
        label_smoothing: the fraction of the target that is spread over all classes
        best_by: the validation score that chooses the best checkpoint
        calibrate: `temperature` calibrates the probabilities on the validation split
        class_weights: the weight of the loss by class: `none`; `balanced`, so that all classes weigh the same together,
            examples / (classes · examples of the class); or a mapping from label to weight, in which a label that is not
            named has the weight 1
        threshold: for two classes: `none` predicts the more probable one; else the probability from which the positive class is
            predicted: a number; `best_f1`; `precision>=0.99`, the most of the positive class that can be found at this
            precision; `recall>=0.95`, the best precision at this recall; `false_alarms<=0.001`, the most of it that can be found
            where at most this part of the other class is called so
        positive: the class that `threshold` and `budgets` are about; null: the second of the two, in the order of their names
        budgets: for two classes: parts of the other class that may be called positive
        hierarchy: what stands between a coarse class and the rest of a class's name; null: classes have no such parts
    """

    answer_count = 1  # how many classes a prediction names
    errors: ClassVar[frozenset[str]] = frozenset({"cross_entropy", "calibration_error", "false_alarms"})
    output_axes: ClassVar[tuple[str, ...]] = ("batch", "classes")
    outputs = {"logits": ("batch", "classes")}

    def __init__(
        self,
        labels: FromData[tuple],
        label_smoothing: Fraction = 0.0,
        best_by: Literal[
            "val/accuracy", "val/macro_f1", "val/matthews", "val/auroc", "-val/cross_entropy"
        ] = "val/accuracy",
        calibrate: Literal["none", "temperature"] = "none",
        class_weights: Literal["none", "balanced"] | dict[str, PositiveFloat] = "none",
        threshold: float | str = "none",
        positive: str | None = None,
        budgets: list[Fraction] | None = None,
        hierarchy: str | None = None,
        counts: FromData[tuple] = (),
    ) -> None:
        self.labels = tuple(labels)
        self.label_smoothing = label_smoothing
        self.best_by = best_by
        if best_by == "val/auroc" and len(self.labels) != 2:
            raise ValueError(f"best_by: val/auroc is for two classes, but there are {len(self.labels)}")
        # With a threshold the network trades one class for the other, and opponents do not; weights ask for the rare classes.
        self.judged_by = (
            ("auroc",) if threshold != "none" else ("macro_f1",) if class_weights != "none" else ("accuracy",)
        )
        self.calibration = calibrate
        self.temperature = 1.0
        self.weights = weights_of_classes(class_weights, self.labels, counts)
        self.wanted = Wanted.of(threshold, self.labels)
        self.positive = positive_class(positive, self.labels)
        self.scores_positive = positive is not None or self.wanted is not None or bool(budgets)
        self.point: dict[str, Any] | None = None  # what was chosen; None: the more probable class is predicted
        if budgets and len(self.labels) != 2:
            raise ValueError(f"budgets: are for two classes, but there are {len(self.labels)}; remove them")
        # By budget, the threshold of the margin. Until it is chosen, the more probable class counts.
        self.budgets = dict.fromkeys(budgets or (), 0.0)
        self.coarse = coarse_classes(self.labels, hierarchy) if hierarchy is not None else ()

    def losses(
        self, outputs: Float[Tensor, "batch *members classes"], target: Int[Tensor, " batch"]
    ) -> dict[str, Tensor]:
        """The cross-entropy; with weights a mean over the examples, each with the weight of its class. Of an ensemble that
        trains, the mean over its members, which each learn alone."""
        if outputs.ndim == 3:
            target = target[:, None].expand(outputs.shape[:2]).flatten()
            outputs = outputs.flatten(0, 1)
        if self.weights is None:
            return {"cross_entropy": F.cross_entropy(outputs, target, label_smoothing=self.label_smoothing)}
        weights = self.weights.to(outputs.device, outputs.dtype)
        each = F.cross_entropy(outputs, target, weights, label_smoothing=self.label_smoothing, reduction="none")
        return {"cross_entropy": each.mean()}

    def decode(self, outputs: Float[Tensor, "batch classes"] | Decided) -> list[dict[str, Any]]:
        """The class, its probability, and all probabilities; with `answers` above 1 also the most probable classes."""
        logits = outputs.logits if isinstance(outputs, Decided) else outputs
        probabilities = logits.float().softmax(dim=1)
        best = (outputs.chosen if isinstance(outputs, Decided) else probabilities.argmax(dim=1)).tolist()
        return [
            {
                "label": self.labels[index],
                "probability": row[index],
                **({"top": likeliest(self.labels, row, self.answer_count)} if self.answer_count > 1 else {}),
                **self._coarse_answer(index, row),
                "probabilities": dict(zip(self.labels, row, strict=True)),
            }
            for index, row in zip(best, probabilities.tolist(), strict=True)
        ]

    def strengths(self, prediction: Mapping[str, Any]) -> Mapping[str, float]:
        """The probability of each class."""
        return prediction["probabilities"]

    def said(self, prediction: Mapping[str, Any]) -> list[str]:
        """The class."""
        return [prediction["label"]]

    def _coarse_answer(self, index: int, row: Sequence[float]) -> dict[str, Any]:
        """The coarse class of an answer, and the sum of the probabilities of its classes."""
        if not self.coarse:
            return {}
        name = self.coarse[index]
        total = sum(probability for probability, other in zip(row, self.coarse, strict=True) if other == name)
        return {"coarse": name, "coarse_probability": min(total, 1.0)}

    def read_target(self, target: Int[Tensor, " batch"]) -> list[dict[str, Any]]:
        """The true class of each, for a person to read."""
        return [
            {"label": self.labels[number] if number >= 0 else None}
            | ({"coarse": self.coarse[number] if number >= 0 else None} if self.coarse else {})
            for number in target.tolist()
        ]

    def answers(self, count: int) -> None:
        """Name the `count` most probable classes. With a threshold the predicted class may be another than the first of them.

        Raises:
            RecipeError: there are fewer classes.
        """
        if count > len(self.labels):
            raise RecipeError(f"--top: there are {len(self.labels)} classes, not {count}")
        self.answer_count = count

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The class, its probability and the input, with a hierarchy the coarse class too; or the most probable classes, one line
        for each input."""
        named = [f"{each['label']}  {each['probability']:.3f}" for each in prediction.get("top", [prediction])]
        if "coarse" in prediction:
            named.append(f"({prediction['coarse']}  {prediction['coarse_probability']:.3f})")
        return "  ".join([*named, shown])

    def meter(self) -> Meter:
        """Accuracy, macro F1, Matthews' correlation; cross-entropy; AUROC for two classes; with a positive class its precision,
        recall and F1; with budgets what is found within each; with a hierarchy the accuracy of the coarse classes."""
        return self._meter(self.budgets)

    def opponent_meter(self, on_validation: Callable[[], Iterable[tuple[Any, Any]]]) -> Meter:
        """With the opponent's own thresholds for the budgets."""
        if not self.budgets:
            return self.meter()
        return self._meter(self._within_budgets(*self._gathered(on_validation())))

    def _meter(self, budgets: Mapping[float, float]) -> Meter:
        from convzoo.metrics.classification import ClassificationMeter

        positive = self.positive if self.scores_positive and len(self.labels) == 2 else None
        names = list(dict.fromkeys(self.coarse))
        coarse = [names.index(name) for name in self.coarse]
        return ClassificationMeter(len(self.labels), self.calibration != "none", positive, budgets, coarse)

    def _within_budgets(self, logits: Tensor, truth: Tensor) -> dict[float, float]:
        """For each budget the threshold of the margin, chosen on these examples."""
        from convzoo.metrics.classification import budget_threshold

        known = truth >= 0
        margins = (logits[:, self.positive] - logits[:, 1 - self.positive])[known]
        positive = (truth == self.positive)[known]
        return {budget: budget_threshold(margins, positive, budget) for budget in self.budgets}

    def _gathered(self, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """The logits and the classes of all processes, float64 and int64."""
        outputs, targets = [torch.empty(0, len(self.labels), dtype=torch.float64)], [torch.empty(0, dtype=torch.int64)]
        for logits, target in batches:
            outputs.append(logits.double().cpu())
            targets.append(target.cpu())
        return gather_all(torch.cat(outputs)), gather_all(torch.cat(targets))

    def predict(self, model: nn.Module, batch: Batch) -> Any:
        """The logits, divided by the temperature if one was chosen; and the classes, if a threshold was."""
        outputs = model(**batch.inputs)
        outputs = outputs if self.temperature == 1.0 else outputs / self.temperature
        if self.point is None:
            return outputs
        found = outputs.double().softmax(dim=1)[:, self.positive] >= self.point["threshold"]
        return Decided(outputs, torch.where(found, self.positive, 1 - self.positive))

    def require(self, splits: Splits) -> None:
        """Check that the score that chooses the checkpoint can be computed.

        Raises:
            DataError: it is the area under the ROC curve or Matthews' correlation, and the validation split has one class only.
        """
        only = _only_class(splits.val)
        needs = {"val/auroc": "the area under the ROC curve", "val/matthews": "Matthews' correlation"}.get(self.best_by)
        if needs and only is not None:
            classes = "both classes" if len(self.labels) == 2 else "several classes"
            raise DataError(
                f"task.best_by={self.best_by}: all {len(splits.val):,} examples of the val split are of class {only!r}, and "
                f"{needs} needs {classes}; set data.val higher, or task.best_by=val/accuracy"
            )

    def cautions(self, splits: Splits) -> list[str]:
        """Which split has one class only; that weights ask for another score to choose by."""
        found = []
        if self.weights is not None and self.best_by == "val/accuracy":
            found.append(
                "task.class_weights helps rare classes, and accuracy hardly counts them: take task.best_by=val/macro_f1"
            )
        for name, examples in (("val", splits.val), ("test", splits.test)):
            only = _only_class(examples)
            if only is not None:
                scores = "auroc and matthews are" if len(self.labels) == 2 else "matthews is"
                found.append(
                    f"all {len(examples):,} examples of the {name} split are of class {only!r}: {scores} undefined there"
                )
        return found

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose temperature and threshold from the logits of all processes, so that all have the same."""
        if self.calibration == "none" and self.wanted is None and not self.budgets:
            return
        from convzoo.metrics.classification import best_temperature

        logits, truth = self._gathered((model(**batch.inputs), batch.target) for batch in batches)
        if self.calibration != "none":
            self.temperature = best_temperature(logits, truth)
        if self.wanted is not None:
            probabilities = (logits / self.temperature).softmax(dim=1)[:, self.positive]
            self.point = self.wanted.chosen(probabilities, truth == self.positive)
        if self.budgets:
            self.budgets = self._within_budgets(logits / self.temperature, truth)

    def advice(self) -> str:
        """What the threshold could not reach on the validation split."""
        if self.wanted is None or self.point is None or self.point.get("reached", True):
            return ""
        name = self.wanted.score
        if name == "false_alarms":
            return (
                f"task.threshold={self.wanted.said}: on the validation split the most probable example of all is a false alarm, "
                f"so no example will be called {self.labels[self.positive]!r}: allow more false alarms, or train longer"
            )
        return (
            f"task.threshold={self.wanted.said}: no threshold reaches it on the validation split; the one with the highest "
            f"{name} was taken, {name} {self.point[name]:.3f}: set it lower, or train longer"
        )

    def state(self) -> dict[str, Any]:
        """The temperature and the threshold, if there are any."""
        found: dict[str, Any] = {"temperature": self.temperature} if self.calibration != "none" else {}
        if self.point is not None:
            found["operating_point"] = {"positive": self.labels[self.positive], **self.point}
        if self.budgets:
            # JSON knows no infinite number: null says that nothing is called positive.
            found["budgets"] = [
                {"false_alarms": budget, "margin": margin if math.isfinite(margin) else None}
                for budget, margin in self.budgets.items()
            ]
        return found

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.temperature = float(state.get("temperature", 1.0))
        point = state.get("operating_point")
        self.point = None if point is None else {key: value for key, value in point.items() if key != "positive"}
        for row in state.get("budgets", ()):
            if row["false_alarms"] in self.budgets:
                self.budgets[row["false_alarms"]] = math.inf if row["margin"] is None else float(row["margin"])


@dataclass(frozen=True)
class Wanted:
    """The operating point that a recipe asks for.

    Attributes:
        said: as the recipe says it
        score: `f1`, `precision`, `recall` or `false_alarms`; empty for a fixed threshold
        least: the precision or recall that should be reached, the part of false alarms that is allowed, or the fixed threshold
    """

    said: str
    score: str
    least: float

    @classmethod
    def of(cls, threshold: float | str, labels: Sequence[str]) -> "Wanted | None":
        """From the argument `threshold`; None for `none`.

        Raises:
            ValueError: it is none of the forms, or there are not two classes.
        """
        if threshold == "none":
            return None
        match = re.fullmatch(
            r"\s*(precision(?=\s*>)|recall(?=\s*>)|false_alarms(?=\s*<))\s*[<>]=\s*([0-9.]+)\s*", str(threshold)
        )
        number = as_fraction(match[2] if match else threshold)
        if threshold == "best_f1":
            found = cls("best_f1", "f1", 0.0)
        elif number is not None:
            found = cls(str(threshold), match[1] if match else "", number)
        else:
            raise ValueError(
                f"threshold: {threshold!r} should be none, best_f1, precision>=0.99, recall>=0.95, false_alarms<=0.001 or a "
                "number between 0 and 1"
            )
        if len(labels) != 2:
            raise ValueError(f"threshold: {threshold!r} is for two classes, but there are {len(labels)}; remove it")
        return found

    def chosen(self, probabilities: Tensor, positive: Tensor) -> dict[str, Any] | None:
        """The threshold, and what it gives on the examples that it is chosen on; None if none of these is positive."""
        from convzoo.metrics.classification import operating_point

        if not self.score:
            return {"threshold": self.least}
        point = operating_point(probabilities, positive, self.score, self.least)
        return None if point is None else asdict(point)


def likeliest(labels: Sequence[str], probabilities: Sequence[float], count: int) -> list[dict[str, Any]]:
    """The most probable labels with their probabilities, the best first."""
    ordered = sorted(zip(labels, probabilities, strict=True), key=lambda pair: -pair[1])
    return [{"label": label, "probability": probability} for label, probability in ordered[:count]]


def as_fraction(value: Any) -> float | None:
    """A number above 0 and up to 1, also as text; None if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and 0 < number <= 1 else None


def positive_class(positive: str | None, labels: Sequence[str]) -> int:
    """The number of the positive class: the named one, else the last.

    Raises:
        ValueError: there is no such class.
    """
    if positive is None:
        return len(labels) - 1
    if positive not in labels:
        raise ValueError(f"positive: there is no class {positive!r}; {did_you_mean(positive, labels)}")
    return list(labels).index(positive)


def coarse_classes(labels: Sequence[str], separator: str) -> tuple[str, ...]:
    """The coarse class of each class: what stands before the separator.

    Raises:
        ValueError: no class has a separator, or all have the same coarse class.
    """
    found = tuple(label.partition(separator)[0].strip() for label in labels)
    if not separator or not any(separator in label for label in labels):
        raise ValueError(
            f"hierarchy: {separator!r} stands in no class ({', '.join(labels[:3])} …); set it to what stands between the coarse "
            "class and the rest, or remove it"
        )
    if len(set(found)) < 2:
        raise ValueError(f"hierarchy: {separator!r} gives one coarse class, {found[0]!r}, for all classes; remove it")
    return found


def weights_of_classes(
    class_weights: str | Mapping[str, float], labels: Sequence[str], counts: Sequence[int]
) -> Tensor | None:
    """The weight of each class in the loss, (classes,); None for none.

    Raises:
        ValueError: a label that there is not, or `balanced` without the number of examples of each class.
    """
    if class_weights == "none":
        return None
    if isinstance(class_weights, str):
        if len(counts) != len(labels):
            raise ValueError(
                "class_weights: balanced needs the number of examples of each class, which this encoder does not give; "
                "write a mapping from label to weight"
            )
        found = torch.tensor(counts, dtype=torch.float64)
        return found.sum() / (len(labels) * found)
    for label in class_weights:
        if label not in labels:
            raise ValueError(f"class_weights: there is no class {label!r}; {did_you_mean(label, labels)}")
    return torch.tensor([class_weights.get(label, 1.0) for label in labels], dtype=torch.float64)


def _only_class(examples: Sequence[Any]) -> Any:
    """The class of all examples; None if there are several, or no labels."""
    found = {getattr(example, "label", None) for example in examples}
    return next(iter(found)) if len(found) == 1 else None
