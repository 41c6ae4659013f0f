"""Ranking: which items a user will want, learnt from the user's earlier items."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from convzoo.core.arguments import FromData, NonNegative, Positive
from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.model import HasVectors
from convzoo.core.outputs.rankings import Ranking
from convzoo.core.task import Meter, Task
from convzoo.ops.ranking import best_items


class RankItems(Task):
    r"""Bayesian personalised ranking (Rendle et al. 2009, arXiv:1205.2618): $-\log \sigma(s^+ - s^-)$ for an item that a user had
    and an item that the user never had, plus a penalty on the vectors of both.

    The scores recall, NDCG, MRR and coverage rank *all* items except those that the user had before, and are computed for each k
    in `at`. Scores that rank only a few sampled items cannot be compared with these.

    Args:
        item_ids: the items' ids, by number
        at: lengths of the lists that are scored, k of recall@k
        penalty: weight of half the squared norms of the vectors of a pair and its negatives (λ of the paper)
        shown: number of items in a prediction
    """

    outputs = {"scores": ("batch", "items")}

    def __init__(
        self,
        item_ids: FromData[Any],
        at: list[Positive] = [20],  # noqa: B006 (read only: what a recipe writes)
        penalty: NonNegative = 1e-4,
        shown: Positive = 20,
    ) -> None:
        if not at:
            raise ValueError("at: should name at least one list length, such as [20]")
        self.item_ids = item_ids
        self.at = sorted(at)
        self.penalty = penalty
        self.shown = shown
        self.best_by = f"val/recall_at_{self.at[-1]}"

    def losses(self, outputs: Mapping[str, Tensor], target: Any) -> dict[str, Tensor]:
        """The pairwise loss and the penalty. `scores` (batch, 1 + negatives) has the positive item first."""
        scores = outputs["scores"]
        found = {"bpr": F.softplus(scores[:, 1:] - scores[:, :1]).mean()}
        if self.penalty:
            found["penalty"] = self.penalty * outputs["norms"].mean()
        return found

    def predict(self, model: nn.Module, batch: Batch) -> Ranking:
        """The best items of each user, without the user's earlier items. Computed in blocks of users.

        Users that nothing was learnt of have the mean of the vectors of their items; with no items, or a model without vectors,
        items are ranked by how many users have them.
        """
        seen, new = batch.target["seen"], batch.target.get("new")

        def score(chosen: slice) -> Tensor:
            scores = model(**{name: value[chosen] for name, value in batch.inputs.items()})
            if new is None or not new["users"][chosen].any():
                return scores
            items = model.vectors()[-scores.shape[1] :] if isinstance(model, HasVectors) else None
            return _scores_of_new(scores, items, new, range(*chosen.indices(batch.size)))

        return best_items(score, batch.size, seen["pointers"], seen["items"], max(*self.at, self.shown))

    def answers(self, count: int) -> None:
        """Recommend `count` items.

        Raises:
            RecipeError: there are fewer items.
        """
        if count > len(self.item_ids):
            raise RecipeError(f"--top: there are {len(self.item_ids)} items, not {count}")
        self.shown = count

    def decode(self, outputs: Ranking) -> list[dict[str, Any]]:
        """The items' ids and scores, best first."""
        found = []
        rows = outputs.items[:, : self.shown].tolist(), outputs.scores[:, : self.shown].tolist()
        for items, scores in zip(*rows, strict=True):
            kept = [(self.item_ids[item], score) for item, score in zip(items, scores, strict=True) if item >= 0]
            found.append({"items": [item for item, _ in kept], "scores": [round(score, 4) for _, score in kept]})
        return found

    def read_target(self, target: Mapping[str, Mapping[str, Tensor]]) -> list[dict[str, Any]]:
        """The ids of the items that each user had afterwards."""
        pointers, items = (target["wanted"][name].tolist() for name in ("pointers", "items"))
        return [{"items": [self.item_ids[item] for item in items[first:last]]} for first, last in pairwise(pointers)]

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The list, numbered."""
        titles = prediction.get("titles", prediction["items"])
        lines = [
            f"{place:>4}  {score:8.3f}  {item}{f'  {title}' if title != item else ''}"
            for place, (item, score, title) in enumerate(
                zip(prediction["items"], prediction["scores"], titles, strict=True), 1
            )
        ]
        fallback = [f"      {prediction['fallback']}"] if "fallback" in prediction else []
        return "\n".join([shown, *fallback, *lines])

    def meter(self) -> Meter:
        """Recall, NDCG, MRR and coverage at each k."""
        from convzoo.metrics.ranking import RankingMeter

        return RankingMeter(len(self.item_ids), self.at)


def _scores_of_new(scores: Tensor, items: Tensor | None, new: Mapping[str, Tensor], rows: range) -> Tensor:
    """The scores (users, items) of a block, with those of users that nothing was learnt of in their place.

    Args:
        scores: of the block
        items: (items, size), the items' vectors; None if the model has none
        new: what the encoder knows of new users
        rows: of the batch that are in the block
    """
    scores = scores.clone()
    for place, row in enumerate(rows):
        if not new["users"][row]:
            continue
        given = new["items"][new["pointers"][row] : new["pointers"][row + 1]]
        if items is None or not len(given):
            scores[place] = new["popularity"]
            continue
        table = F.normalize(items, dim=1) if new["alike"][row] else items
        scores[place] = table @ table[given].mean(dim=0)
    return scores
