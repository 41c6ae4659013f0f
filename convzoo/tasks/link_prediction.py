"""Link prediction: which pairs of nodes an edge connects."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convzoo.core.arguments import FromData, Positive
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.processes import gather_all
from convzoo.core.task import Meter, Task


@dataclass(frozen=True)
class AskedLinks:
    """Logits of all pairs that some examples ask for.

    Attributes:
        logits: (pairs,)
        pairs: (pairs, 2), numbers of nodes
        pointers: (examples + 1,), where the pairs of each example begin
        listed: (examples,), whether an example asks for the best links of a node
    """

    logits: Tensor
    pairs: Tensor
    pointers: Tensor
    listed: Tensor


class LinkPrediction(Task):
    r"""Binary cross-entropy over edges and unconnected pairs: $-\log \sigma(s)$ for an edge, $-\log(1 - \sigma(s))$ for others.

    A probability is that of a link where as many pairs are linked as not, as on the validation split, on which it is calibrated
    after training (a slope and a shift of the logits; Platt 1999). In a whole graph few of all pairs are linked: there it orders
    pairs, and says nothing of how many links there will be.

    Args:
        node_ids: the nodes' ids, by number
        best_by: the validation score that chooses the best checkpoint; `val/mrr` suits edges with negatives of their own
        shown: number of nodes that are listed where the links of a node are asked for
    """

    label_type = "class"
    judged_by = ("auroc",)
    output_axes: ClassVar[tuple[str, ...]] = ("batch",)
    outputs = {"logits": ("batch",)}

    def __init__(
        self,
        node_ids: FromData[Any],
        best_by: Literal["val/auroc", "val/average_precision", "val/mrr"] = "val/auroc",
        shown: Positive = 10,
    ) -> None:
        self.node_ids = node_ids
        self.best_by = best_by
        self.shown = shown
        self.slope, self.shift = 1.0, 0.0

    def losses(self, outputs: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The cross-entropy. `weights` (pairs,) are 1 / the number of pairs that a batch of this size has on average."""
        each = F.binary_cross_entropy_with_logits(outputs, target["linked"].to(outputs.dtype), reduction="none")
        weights = target.get("weights")
        return {"cross_entropy": each.mean() if weights is None else (each * weights.to(outputs.dtype)).sum()}

    def predict(self, model: nn.Module, batch: Batch) -> Any:
        """Logits (pairs,); of nodes whose links are asked for, those of all pairs."""
        logits = model(**batch.inputs)
        pointers = batch.target.get("pointers")
        if pointers is None:
            return logits
        return AskedLinks(logits, batch.target["pairs"], pointers, pointers.diff() != 1)

    def decode(self, outputs: Tensor | AskedLinks) -> list[dict[str, Any]]:
        """For a pair the probability of a link and what that says; for a node the likeliest others, best first."""
        if isinstance(outputs, AskedLinks):
            return [
                self._best(outputs, first, last) if listed else self._said(outputs.logits[first:last])[0]
                for (first, last), listed in zip(
                    pairwise(outputs.pointers.tolist()), outputs.listed.tolist(), strict=True
                )
            ]
        return self._said(outputs)

    def _probabilities(self, logits: Tensor) -> Tensor:
        return (self.slope * logits.detach().double().cpu() + self.shift).sigmoid()

    def _said(self, logits: Tensor) -> list[dict[str, Any]]:
        return [
            {"label": "linked" if value >= 0.5 else "not linked", "probability": value}
            for value in self._probabilities(logits).tolist()
        ]

    def _best(self, outputs: AskedLinks, first: int, last: int) -> dict[str, Any]:
        found = self._probabilities(outputs.logits[first:last])
        best = found.topk(min(self.shown, len(found)))
        names = [
            self.node_ids[node] for node in outputs.pairs[first:last, 1][best.indices.to(outputs.pairs.device)].tolist()
        ]
        return {"links": names, "probabilities": [round(value, 4) for value in best.values.tolist()]}

    def read_target(self, target: Mapping[str, Tensor]) -> list[dict[str, Any]]:
        """Whether each pair is linked."""
        names = {1.0: "linked", 0.0: "not linked"}
        return [{"label": names.get(value)} for value in target["linked"].tolist()]

    def answers(self, count: int) -> None:
        """List `count` links of a node.

        Raises:
            RecipeError: there are fewer other nodes.
        """
        if count >= len(self.node_ids):
            raise RecipeError(f"--top: a node can have {len(self.node_ids) - 1:,} links, not {count:,}")
        self.shown = count

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """A pair in one line; the links of a node as a numbered list."""
        if "links" not in prediction:
            known = "  (known)" if prediction.get("known") else ""
            return f"{prediction['label']}  {prediction['probability']:.3f}{known}  {shown}"
        lines = zip(prediction["links"], prediction["probabilities"], strict=True)
        return "\n".join([shown, *(f"{at:>4}  {value:.3f}  {name}" for at, (name, value) in enumerate(lines, 1))])

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """Choose the slope and the shift of the logits on the validation split."""
        logits, linked = [], []
        for batch in batches:
            logits.append(model(**batch.inputs).double().cpu())
            linked.append(batch.target["linked"].double().cpu())
        self.slope, self.shift = slope_and_shift(
            gather_all(torch.cat(logits)).numpy(), gather_all(torch.cat(linked)).numpy()
        )

    def meter(self) -> Meter:
        """Area under the ROC curve, average precision, hits, MRR."""
        from convzoo.metrics.links import LinkMeter

        return LinkMeter()

    def state(self) -> dict[str, Any]:
        """The slope and the shift."""
        return {"slope": self.slope, "shift": self.shift}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.slope, self.shift = state["slope"], state["shift"]


def slope_and_shift(logits: np.ndarray, linked: np.ndarray) -> tuple[float, float]:
    """(slope, shift) of a logistic regression on logits, where both kinds weigh the same; Platt's targets keep them finite.

    Args:
        logits: (pairs,)
        linked: (pairs,), 1 or 0; NaN is left out
    """
    known = np.isfinite(linked)
    logits, truth = logits[known], linked[known] == 1
    count, others = int(truth.sum()), int((~truth).sum())
    if not count or not others:
        return 1.0, 0.0
    wanted = np.where(truth, (count + 1) / (count + 2), 1 / (others + 2))
    weights = np.where(truth, 0.5 / count, 0.5 / others)
    # Sums in the order of the values: the same however the split was divided.
    order = np.lexsort((truth, logits))
    scale = max(float(np.abs(logits).max()), 1e-9)
    design = np.stack([logits[order] / scale, np.ones(len(order))], axis=1)
    wanted, weights = wanted[order], weights[order]
    found = np.array([scale, 0.0])
    for _ in range(50):  # Newton's method; the penalty keeps it from running away where the logits say nothing
        said = 1 / (1 + np.exp(-np.clip(design @ found, -50, 50)))
        curve = (design * (weights * said * (1 - said))[:, None]).T @ design + 1e-6 * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (weights * (said - wanted)))
        found = found - np.clip(step, -10, 10)
        if np.abs(step).max() < 1e-10:
            break
    slope = float(found[0] / scale)
    return (slope, float(found[1])) if slope > 0 else (1.0, 0.0)  # an order that is wrong is not turned round
