"""The best items for each user: what a ranking task and its opponents give."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Ranking:
    """For each user its best items, best first.

    Attributes:
        items: (users, k) item numbers; -1 if a user has fewer than k items left
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
