"""The best items for each user: what a task of ranking and its opponents give."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Ranking:
    """For each user its best items, best first.

    Attributes:
        items: (users, k) item numbers; -1 where a user has fewer items left than k
        scores: (users, k)
    """

    items: Tensor
    scores: Tensor

    def __getitem__(self, at: object) -> "Ranking":
        return Ranking(self.items[at], self.scores[at])  # type: ignore[index]

    def __len__(self) -> int:
        return len(self.items)

    def cpu(self) -> "Ranking":
        """The same in main memory."""
        return Ranking(self.items.cpu(), self.scores.cpu())
