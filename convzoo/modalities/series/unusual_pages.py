"""What a page shows of events that are unusual: which columns made them so."""

from collections import Counter

import torch

from convzoo.core.pages import Material, Section
from convzoo.core.task import Task
from convzoo.modalities.series.event_pages import EventPages, Judged
from convzoo.report import kit
from convzoo.tasks.rare_events import RareEvents
from convzoo.tasks.unusual_events import UnusualEvents


class UnusualEventPages(EventPages):
    """Accounts and their transactions, scored by their surprise."""

    def title(self, task: Task, material: Material, count: int) -> str:
        return super().title(task, material, count).replace("wrong", "unusual")

    def sections(self, task: Task, material: Material) -> list[Section]:
        """As for rare events where answers are known; else the columns that made alarms."""
        found = super().sections(task, material)
        if isinstance(task, UnusualEvents) and len(found) == 1:
            about = "<p>No answer is known in the test part, so nothing says how many of the alarms are right.</p>"
            return [Section("", about), self.looks_at(task, material, self._judged(task, material))]
        return found

    def looks_at(self, task: RareEvents, material: Material, judged: Judged) -> Section:
        """How often each column was the most unusual one, at alarms and at all rows."""
        assert isinstance(task, UnusualEvents)
        alarms: Counter[str] = Counter()
        rows: Counter[str] = Counter()
        for first in range(0, len(material.examples), 32):
            examples = [material.examples[at] for at in range(first, min(first + 32, len(material.examples)))]
            with torch.no_grad():
                answers = task.predict(material.model, material.encoder.encode(examples))
            for prediction in task.decode(answers):
                rows.update(prediction["column"].tolist())
                alarms.update(alarm["column"] for alarm in prediction["alarms"])
        all_rows, all_alarms = max(rows.total(), 1), max(alarms.total(), 1)
        lines: list[list[kit.Cell]] = [
            [name, f"{100 * rows[name] / all_rows:.0f} %", f"{100 * alarms[name] / all_alarms:.0f} %",
             kit.Track(alarms[name] / all_alarms)]
            for name in sorted(task.columns, key=lambda name: -alarms[name])
        ]  # fmt: skip
        columns = [
            kit.Column("column"), kit.Column("most unusual of all rows", "n"), kit.Column("of the alarms", "n"),
            kit.Column("of the alarms", "w40"),
        ]  # fmt: skip
        about = f"<b>Which column was most unusual</b>, of {all_rows:,} transactions and {alarms.total():,} alarms"
        return Section("What was unusual", kit.table(columns, lines, about))
