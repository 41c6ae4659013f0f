"""What listens to the trainer: the terminal, the table of scores, TensorBoard."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from convzoo.core.errors import DataError
from convzoo.core.tables import read_table, write_table
from convzoo.core.text import duration_in_words, first_line, score_in_words
from convzoo.training.events import Ended, Event, Progressed, Scored, Started

EXPLODED = 1e4
"""A loss so many times its first value is no longer learning."""

DIVERGED = 2.0
"""A loss that ends above so many times its first value, in a network that is no better than guessing, has diverged."""

_ALL = 10
"""So many validations have a line each, however fast they come."""

NO_LOSS = "the loss is exactly 0 at the first step, so there is nothing to learn from: look at the labels"


class CsvListener:
    """Writes `metrics.csv`: one row for each validation. If training resumes at a step, later rows are dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def __call__(self, event: Event) -> None:
        """Write a score."""
        if isinstance(event, Started):
            self.rows = [row for row in read_metrics(self.path) if int(row["step"]) <= event.step]
        elif isinstance(event, Scored):
            row = {
                "step": event.step,
                "epoch": round(event.epoch, 4),
                "seconds": round(event.seconds, 3),
                **event.values,
            }
            self.rows.append(row)
            write_table(self.path, self.rows)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.csv`, as text; none if there is no such file.

    Raises:
        DataError: it is damaged.
    """
    if not path.exists():
        return []
    mend = "remove it to go on without the scores so far"
    try:
        rows: list[dict[str, Any]] = [*read_table(path, ("step", "epoch"))]
    except DataError as error:
        raise DataError(f"{error}; {mend}") from None
    for number, row in enumerate(rows, 2):
        try:
            int(row["step"]), [float(value) for value in row.values()]
        except ValueError as error:
            raise DataError(f"{path}:{number}: a value is no number ({first_line(error)}); {mend}") from None
    return rows


class TensorBoardListener:
    """Writes TensorBoard's event files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None
        self.start = 0

    def __call__(self, event: Event) -> None:
        """Write a score. The library is imported at the first score, so that the first step does not wait for it."""
        if isinstance(event, Started):
            self.start = event.step
        elif isinstance(event, Scored):
            if self.writer is None:
                from tensorboardX import SummaryWriter

                self.writer = SummaryWriter(str(self.folder), purge_step=self.start or None)
            for name, value in event.values.items():
                if value == value:  # an undefined score is no point of a curve
                    self.writer.add_scalar(name, value, event.step)
            self.writer.flush()
        elif isinstance(event, Ended) and self.writer is not None:
            self.writer.close()


class PlainListener:
    """Prints lines about validations, without escape codes: for logs and pipes.

    Each validation has a line, but where they follow each other faster than a person reads, only one in a second, and the last.

    Args:
        best_by: the score that is shown
        stream: where lines are printed; by default standard error
        apart: seconds between two lines; the first ten validations all have one
    """

    def __init__(self, best_by: str, stream: TextIO | None = None, apart: float = 1.0) -> None:
        self.best_by = best_by.removeprefix("-")
        self.stream = stream or sys.stderr
        self.apart = apart
        self.rate = Rate()
        self.lines, self.printed = 0, -math.inf
        self.held = ""

    def __call__(self, event: Event) -> None:
        """Print a score."""
        self.rate(event)
        if isinstance(event, Scored):
            line = describe_score(event, self.best_by) + f"  {self.rate.text()}"
            now = time.perf_counter()
            if self.lines >= _ALL and now - self.printed < self.apart:
                self.held = line
                return
            self._print(line, now)
        elif isinstance(event, Ended) and self.held:
            self._print(self.held, time.perf_counter())

    def _print(self, line: str, now: float) -> None:
        print(line, file=self.stream, flush=True)
        self.lines, self.printed, self.held = self.lines + 1, now, ""


class LiveListener:
    """A live bar with loss, score, examples a second and time left."""

    def __init__(self, best_by: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self.best_by = best_by.removeprefix("-")
        self.console = Console(stderr=True)
        self.bar = Progress(
            TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"),
            console=self.console, transient=True, refresh_per_second=4,
        )  # fmt: skip
        self.rate = Rate()
        self.score = ""
        self.shown = 0.0

    def __call__(self, event: Event) -> None:
        """Move the bar."""
        self.rate(event)
        if isinstance(event, Started):
            self.task = self.bar.add_task("", total=event.total_steps, completed=event.step, text="")
            self.bar.start()
        elif isinstance(event, Progressed):
            # Four times a second is enough for a person; more would slow down a small network.
            now = time.perf_counter()
            if now - self.shown > 0.25:
                self.shown = now
                loss = f"loss {sum(event.losses.values()):.4f}"
                text = "  ".join(part for part in (loss, self.score, self.rate.text()) if part)
                self.bar.update(self.task, completed=event.step, text=text)
        elif isinstance(event, Scored):
            self.score = f"{self.best_by} {score_in_words(event.values[self.best_by])}"
            self.console.print(describe_score(event, self.best_by), highlight=False)
        elif isinstance(event, Ended):
            self.close()

    def close(self) -> None:
        """Remove the bar from the terminal."""
        self.bar.stop()


class LossWatch:
    """Says in a line that the loss is 0 at the first step, that it has exploded but is still finite, or that it ended far above
    its first value: then the scores are those of a network that learnt nothing, and nothing else says so.

    Args:
        say: is given each line

    Attributes:
        notes: the lines so far
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.say = say
        self.notes: list[str] = []
        self.first: float | None = None
        self.last: float | None = None

    def __call__(self, event: Event) -> None:
        """Look at the loss."""
        if isinstance(event, Progressed) and self.first is None:
            self.first = sum(event.losses.values())
            if not self.first:
                self._note(NO_LOSS)
        elif isinstance(event, Scored) and self.first:
            loss = sum(value for name, value in event.values.items() if name.startswith("train/"))
            self.last = loss
            if abs(loss) > EXPLODED * abs(self.first) and not self.notes:
                self._note(f"the loss rose from {self.first:.3g} to {loss:.3g}: lower train.lr")

    def compare(self, comparison: Mapping[str, Any]) -> None:
        """Say that training diverged: its last loss is far above the first, and the network is no better than guessing.

        Args:
            comparison: with the naive opponent, as `judging.judged` gives it; empty if there is none
        """
        if not comparison or not self.first or self.last is None or self.notes:
            return
        better = comparison.get("low", comparison["difference"]) > 0
        if not better and self.last > DIVERGED * abs(self.first):
            self._note(
                f"training diverged: the loss rose from {self.first:.3g} to {self.last:.3g}, and the network is no better than "
                "guessing: lower train.lr"
            )

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self.say(line)


class Rate:
    """Examples a second since the last validation, and the time that is left."""

    def __init__(self) -> None:
        self.batch_size = self.total = self.step = self.steps = 0
        self.began = time.perf_counter()

    def __call__(self, event: Event) -> None:
        """Count a step."""
        if isinstance(event, Started):
            self.batch_size, self.total = event.batch_size, event.total_steps
        if isinstance(event, Progressed):
            self.step = event.step
            self.steps += 1
            self.now = time.perf_counter()
        if isinstance(event, Started | Scored):
            self.last = self.text() if self.steps else ""
            self.began, self.steps = time.perf_counter(), 0

    def text(self) -> str:
        """`1234 examples/s, 12 s left`."""
        if not self.steps:
            return self.last
        each = (self.now - self.began) / self.steps
        left = duration_in_words(each * (self.total - self.step))
        return f"{self.batch_size / max(each, 1e-9):,.0f} examples/s, {left} left"


def describe_score(event: Scored, best_by: str) -> str:
    """`epoch 3  loss 0.4321  val/accuracy 0.8123 (best)`."""
    loss = sum(value for name, value in event.values.items() if name.startswith("train/"))
    mark = " (best)" if event.is_best else ""
    shown = f"{loss:.4f}" if abs(loss) < 1e6 else f"{loss:.3g}"  # one that has exploded has thirty digits
    return f"epoch {event.epoch:<5.4g} loss {shown}  {best_by} {score_in_words(event.values[best_by])}{mark}"
