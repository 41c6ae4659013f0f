"""Tasks that answer at each row of a history, from the rows up to it."""

import math
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.batch import Batch
from convzoo.core.errors import RecipeError
from convzoo.core.model import HistoryFollower
from convzoo.core.task import Task


class ByRow(Task):
    """An answer at each judged row whose true answer is known. A subclass says what the answers are.

    A batch's target has `answers` (batch, time), NaN where a row is not judged or its answer is unknown, and `judged`
    (batch, time). Networks give (batch, time, outputs); what is scored and decoded is (batch, time, answers), NaN where a row is
    not judged.
    """

    follows: ClassVar[bool] = True
    output_axes: ClassVar[tuple[str, ...]] = ("batch", "time", "outputs")

    @property
    @abstractmethod
    def row_outputs(self) -> int:
        """How many numbers the network gives at each row."""

    @abstractmethod
    def row_losses(self, outputs: Float[Tensor, "rows outputs"], answers: Float[Tensor, " rows"]) -> dict[str, Tensor]:
        """The losses over rows, each a mean."""

    @abstractmethod
    def row_answers(self, outputs: Float[Tensor, "*rows outputs"]) -> Float[Tensor, "*rows answers"]:
        """What is scored and decoded, from the outputs of rows."""

    @abstractmethod
    def row_in_numbers(self, answers: Float[Tensor, " answers"]) -> dict[str, Any]:
        """The answer of one row, for a person to read."""

    def model_dims(self, dims: Mapping[str, Any]) -> Mapping[str, Any]:
        """`outputs`: the numbers at each row."""
        return {**dims, "outputs": self.row_outputs}

    def losses(self, outputs: Float[Tensor, "batch time outputs"], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses over the rows whose answers count; 0 where there is none."""
        counts = ~target["answers"].isnan()
        if not bool(counts.any()):
            return {name: outputs.sum() * 0 for name in self.row_losses(outputs[:1, 0], outputs.new_zeros(1))}
        if outputs.dtype in (torch.bfloat16, torch.float16):
            outputs = outputs.float()
        return self.row_losses(outputs[counts], target["answers"][counts].to(outputs.dtype))

    def predict(self, model: nn.Module, batch: Batch) -> Float[Tensor, "batch time answers"]:
        """The answers at the judged rows."""
        answers = self.row_answers(model(**batch.inputs).float())
        return answers.masked_fill(~batch.target["judged"].unsqueeze(2), math.nan)

    def decode(self, outputs: Float[Tensor, "batch time answers"]) -> list[dict[str, Any]]:
        """The answer at the last judged row of each history."""
        found = []
        for history in outputs:
            rows = (~history[:, 0].isnan()).nonzero()[:, 0]
            found.append(self.row_in_numbers(history[rows[-1]]) if len(rows) else {})
        return found

    def follow(self, model: nn.Module, rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
        """For each row of a stream: its unit, its time, and the answer. Answers are the same as for whole histories.

        Raises:
            RecipeError: the model looks ahead.
        """
        if not isinstance(model, HistoryFollower):
            raise RecipeError(
                f"{type(model).__name__} cannot follow a stream; predict a file, or train with model.name=history_cnn1d"
            )
        states: dict[str, Any] = {}
        for row in rows:
            outputs, states[row.unit] = model.advance(row.inputs, states.get(row.unit) or model.begin())
            answers = self.row_answers(torch.as_tensor(outputs)[0, -1].float())
            yield {**({"unit": row.unit} if row.unit else {}), "time": row.time, **self.row_in_numbers(answers)}
