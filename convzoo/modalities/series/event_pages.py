"""What a page shows of transactions: what was found, missed and flagged in vain, as statements; budgets, savings, kinds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import first_convolutions
from convzoo.metrics.rare_events import Rows
from convzoo.modalities.series.data.event_split import days_of
from convzoo.modalities.series.history import History
from convzoo.ops.thresholds import at_each_threshold, average_precision
from convzoo.report import kit
from convzoo.tasks.rare_events import RareEvents

CARDS = 6
BEFORE, AFTER = 8, 3
"""Rows around an alarm that a card lists."""
WIDE, TALL = 1000, 100
HIDDEN = 300
"""Units of the test split on which columns are hidden."""
BACK = (1, 2, 4, 8, 16, 32, 64, 128)
"""Rows that the network may look back over."""
DOT = '<svg width="14" height="12" aria-hidden="true"><circle cx="7" cy="6" r="4.5" fill="var(--net)"/></svg>'
MANY = 400
"""Frauds, and right rows, that these are tried on."""


@dataclass(frozen=True)
class Judged:
    """All judged rows of the test split.

    Attributes:
        rows: scores, truth, amounts and days
        places: (rows,) the row of the table
    """

    rows: Rows
    places: np.ndarray


class EventPages(Pages):
    """Accounts and their transactions."""

    plural = "accounts"
    card_size = "wide"
    stand_in_all_splits = True

    def __init__(self) -> None:
        self._last: tuple[Material, Judged] | None = None

    def picture(self, example: History) -> str:
        """The judged rows of a unit, over time."""
        rows = np.arange(example.judged_from, example.stop)[-300:]
        return _timeline(example, rows, np.zeros(len(rows), dtype=bool))

    def title(self, task: Task, material: Material, count: int) -> str:
        if not isinstance(task, RareEvents) or not len(material.examples):
            return ""
        rows = sum(len(each) - (each.judged_from - each.start) for each in material.examples)
        return f"Which of these are wrong? {rows:,} transactions of {len(material.examples):,} accounts"

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, RareEvents):
            return ""
        signs = [
            (kit.stroke("other"), "a transaction; the higher, the larger its amount (logarithmic)"),
            (kit.stroke("wrong"), "truly wrong"),
            (
                '<svg width="14" height="12" aria-hidden="true"><circle cx="7" cy="6" r="4.5" fill="var(--net)"/></svg>',
                "an alarm",
            ),
        ]
        about = f"<p>Each transaction gets a score when it happens; from {task.threshold:.3g} on it is an alarm.</p>"
        return about + kit.key(signs)

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Episodes found, missed, and flagged in vain."""
        if not isinstance(task, RareEvents):
            return []
        judged = self._judged(task, material)
        rows, alarms = judged.rows, judged.rows.scores >= task.threshold
        wrong, right = rows.truth == 1, rows.truth == 0
        if not wrong.any():
            about = "The highest scores; the test part has no known fraud"
            return [
                Panel("Alarms", about, self._cards(task, material, judged, np.argsort(-rows.scores, kind="stable")))
            ]
        order = np.argsort(-rows.scores, kind="stable")
        kinds = _kinds(material, judged)
        found = _in_turn(order[(wrong & alarms)[order]], kinds)
        missed = _in_turn(order[::-1][(wrong & ~alarms)[order[::-1]]], kinds)
        false = order[(right & alarms)[order]]
        panels = (
            ("Found", "Wrong transactions with an alarm, of each kind in turn", wrong & alarms, wrong, found),
            ("Missed", "Wrong transactions without one, the lowest scores first", wrong & ~alarms, wrong, missed),
            ("False alarms", "Alarms at right transactions, the highest scores first", right & alarms, alarms, false),
        )
        return [
            Panel(name, f"{about}: {part.sum():,} of {whole.sum():,}", self._cards(task, material, judged, chosen))
            for name, about, part, whole, chosen in panels
        ]

    def _cards(self, task: RareEvents, material: Material, judged: Judged, order: Sequence[int] | np.ndarray) -> str:
        """A card for each of the first rows, at most one a unit."""
        seen: set[int] = set()
        found = []
        for at in order:
            unit = int(judged.rows.units[at])
            if unit in seen:
                continue
            seen.add(unit)
            found.append(self._card(task, material, judged, int(at)))
            if len(found) == CARDS:
                break
        return kit.cards(found, "wide") if found else "<p>None.</p>"

    def _card(self, task: RareEvents, material: Material, judged: Judged, at: int) -> str:
        example = material.examples[int(judged.rows.units[at])]
        table, centre = example.table, int(judged.places[at])
        own = np.flatnonzero(judged.rows.units == judged.rows.units[at])
        scores = dict(zip(judged.places[own].tolist(), judged.rows.scores[own].tolist(), strict=True))
        rows = np.arange(max(example.start, centre - BEFORE), min(example.stop, centre + AFTER + 1))
        flags = np.array([scores.get(int(row), 0.0) >= task.threshold for row in rows])
        lines = []
        for row, flag in zip(rows.tolist(), flags.tolist(), strict=True):
            cells = [
                table.time_of(row)[:16],
                *(_number(value) for value in table.numbers[row, :2]),
                *(table.category_values[k][code] if (code := int(table.categories[row, k])) >= 0 else ""
                  for k in range(min(len(table.category_names), 3))),
                f"{scores[row]:.3f}" if row in scores else "",
                _mark(None if table.targets is None else float(table.targets[row]), flag, row in scores),
            ]  # fmt: skip
            lines.append(cells)
        names = ["time", *table.number_names[:2], *table.category_names[:3], "score", ""]
        columns = [
            kit.Column(name, "n" if 1 <= place <= len(table.number_names[:2]) else "")
            for place, name in enumerate(names)
        ]
        place = rows.tolist().index(centre)
        kind = str(table.extra["kind"][centre]) if "kind" in table.extra else ""
        said = kit.text(kind) if kind else f"score {judged.rows.scores[at]:.3f}"
        picture = _timeline(example, rows, flags)
        body = f"<p><b>{said}</b></p>" + kit.table(columns, lines, ours=place) + kit.source(example.name)
        return kit.card(picture, body)

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Kinds of fraud, budgets, savings, and what the network looks at."""
        if not isinstance(task, RareEvents):
            return []
        judged = self._judged(task, material)
        rows = judged.rows.part(~np.isnan(judged.rows.truth))
        if not (rows.truth == 1).any():
            return [Section("", "<p>The test part has no known fraud, so nothing can be found or missed.</p>")]
        parts = [Section("", _by_kind(task, material, judged) + _by_age(task, judged))]
        parts.append(Section("Recall against alarms a day", _budgets(task, rows)))
        if not np.isnan(rows.amounts).all():
            parts.append(Section("What it saves", _savings(task, rows)))
        parts.append(self.looks_at(task, material, judged))
        return parts

    def looks_at(self, task: RareEvents, material: Material, judged: Judged) -> Section:
        """Which columns it needs, and how far it looks back."""
        return Section("What it looks at", _hidden(task, material) + _back(task, material, judged))

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """How far the network looks back, in transactions and in days."""
        if not sees or not len(material.examples):
            return ""
        example = max(material.examples, key=len)
        words = f"One score sees {int(sees[0]):,} transactions of its account"
        if example.times is not None and len(example) > sees[0]:
            days = days_of(example.times)
            span = np.median(days[int(sees[0]) :] - days[: -int(sees[0])])
            words += f", about {kit.as_number(float(span))} days"
        return kit.sees(f"<p>{words}; what is usual for the account is counted over its whole past.</p>")

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[History]) -> str:
        """The channels that the first layer takes most of."""
        found = first_convolutions(model)
        if not found:
            return ""
        name, layer = next(iter(found.items()))
        weights = layer.weight.detach().numpy()[:, :, 0]
        names = list(encoder.dims["channel_names"])
        order = np.argsort(-np.square(weights).sum(axis=1), kind="stable")[:12]
        lines = [(f"kernel {number}", weights[number, : len(names)].tolist()) for number in order.tolist()]
        heat = kit.heat(lines, names, "weights of the first layer") if names else ""
        return (
            f"<h3>Kernels of {kit.code(name)}</h3><p>How much each takes of each channel of numbers.</p>{heat}"
            if heat
            else ""
        )

    def data(self, material: Material) -> str:
        """How many transactions the accounts have."""
        lengths = [each.stop - each.judged_from for each in material.examples]
        if len(lengths) < 5 or min(lengths) == max(lengths):
            return ""
        drawn = kit.histogram(lengths, "Judged transactions of an account")
        return f"<h3>Transactions of an account</h3>{drawn}"

    def _judged(self, task: RareEvents, material: Material) -> Judged:
        """Computed once for a page."""
        if self._last is None or self._last[0] is not material:
            parts, places = [], []
            size = 32
            for first in range(0, len(material.examples), size):
                examples = [material.examples[at] for at in range(first, min(first + size, len(material.examples)))]
                batch = material.encoder.encode(examples)
                with torch.no_grad():
                    parts.append(Rows.of(task.predict(material.model, batch), batch.target, first))
                places += [np.arange(each.judged_from, each.stop) for each in examples]
            self._last = (material, Judged(Rows.joined(parts), np.concatenate(places)))
        return self._last[1]


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.2f}"


def _mark(truth: float | None, flag: bool, judged: bool) -> str:
    words = ["alarm"] if flag and judged else []
    return ", ".join([*words, *(["wrong"] if truth == 1 else [])])


def _timeline(example: History, rows: np.ndarray, flags: np.ndarray) -> str:
    """Transactions as lines over time, as high as the logarithm of their amounts."""
    table = example.table
    days = days_of(table.times[rows]) if table.times is not None else rows.astype(np.float64)
    amounts = table.extra["amount"][rows] if "amount" in table.extra else np.full(len(rows), np.nan)
    heights = np.log1p(np.maximum(np.nan_to_num(amounts, nan=1.0), 0))
    heights = 12 + 76 * heights / (heights.max() or 1.0)
    span = float(np.ptp(days)) or 1.0
    across = 12 + (WIDE - 24) * (days - days.min()) / span
    wrong = np.zeros(len(rows), dtype=bool) if table.targets is None else table.targets[rows] == 1
    lines = "".join(
        f'<path d="M{x:.0f} 96V{96 - h:.0f}" stroke="var(--{"wrong" if bad else "other"})" stroke-width="{3 if bad else 1.6}"/>'
        for x, h, bad in zip(across, heights, wrong, strict=True)
    )
    dots = "".join(
        f'<path d="M{x:.0f} {96 - h:.0f}h0" stroke="var(--net)" stroke-width="9" stroke-linecap="round"/>'
        for x, h in zip(across[flags], heights[flags], strict=True)
    )
    words = f"{len(rows)} transactions of {example.name}, {int(wrong.sum())} of them wrong"
    label = kit.text(f"{words}, {int(flags.sum())} with an alarm")
    return (
        f'<div class="ribbon"><svg viewBox="0 0 {WIDE} {TALL}" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f"{lines}{dots}</svg></div>"
    )


def _kinds(material: Material, judged: Judged) -> np.ndarray:
    """(rows,) the kind of fraud of each judged row; empty where unknown."""
    table = material.examples[0].table
    if "kind" not in table.extra:
        return np.full(len(judged.places), "", dtype=object)
    return np.asarray(table.extra["kind"])[judged.places].astype(object)


def _in_turn(order: np.ndarray, kinds: np.ndarray) -> list[int]:
    """The rows, the first of each kind before the second of any."""
    seen: dict[str, int] = {}
    ranked = []
    for place, row in enumerate(order.tolist()):
        seen[kinds[row]] = seen.get(kinds[row], 0) + 1
        ranked.append((seen[kinds[row]], place, row))
    return [row for _, _, row in sorted(ranked)]


def _by_kind(task: RareEvents, material: Material, judged: Judged) -> str:
    kinds, rows = _kinds(material, judged), judged.rows
    wrong, alarms = rows.truth == 1, rows.scores >= task.threshold
    names = sorted({kind for kind in kinds[wrong] if kind})
    if not names:
        return ""
    lines = []
    for name in names:
        chosen = wrong & (kinds == name)
        among = chosen | (rows.truth == 0)
        value = average_precision(rows.scores[among], chosen[among])
        part = float(alarms[chosen].mean())
        low, high = kit.wilson(int(alarms[chosen].sum()), int(chosen.sum()))
        lines.append(
            [name, f"{int(chosen.sum()):,}", f"{value:.3f}", f"{100 * part:.0f} %", kit.Track(part, low, high)]
        )
    columns = [
        kit.Column("kind of fraud"), kit.Column("transactions", "n"), kit.Column("average precision", "n"),
        kit.Column("found", "n"), kit.Column("found", "w40"),
    ]  # fmt: skip
    return kit.key(kit.TRACK_KEY[:1]) + kit.table(
        columns, lines, "<b>By kind of fraud</b>, each beside all right transactions"
    )


def _by_age(task: RareEvents, judged: Judged) -> str:
    rows = judged.rows
    if np.isnan(rows.new).all() or not (rows.new == 1).any() or not (rows.new == 0).any():
        return ""
    lines = []
    for name, value in (("known to training", 0), ("new accounts", 1)):
        part = rows.part((rows.new == value) & ~np.isnan(rows.truth))
        wrong = part.truth == 1
        found = f"{100 * (part.scores[wrong] >= task.threshold).mean():.0f} %" if wrong.any() else "–"
        score = kit.as_number(average_precision(part.scores, wrong))
        lines.append([name, f"{len(wrong):,}", f"{int(wrong.sum()):,}", score, found])
    columns = [
        kit.Column("accounts"), kit.Column("transactions", "n"), kit.Column("wrong", "n"), kit.Column("average precision", "n"),
        kit.Column("found", "n"),
    ]  # fmt: skip
    return kit.table(columns, lines, "<b>Accounts that training did not see</b>")


def _budgets(task: RareEvents, rows: Rows) -> str:
    wrong = (rows.truth == 1).astype(np.float64)
    hits, alarms, _ = at_each_threshold(rows.scores, wrong)
    per_day, recall = alarms / rows.span, hits / wrong.sum()
    chosen = float((rows.scores >= task.threshold).sum()) / rows.span
    most = max(4 * chosen, 4 * wrong.sum() / rows.span)
    inside = np.flatnonzero(per_day <= most)
    kept = inside[np.unique(np.linspace(0, len(inside) - 1, 200).astype(int))] if len(inside) else inside
    points = [(float(per_day[at]), float(recall[at])) for at in kept]
    line = kit.Line([(0.0, 0.0), *points], "l1")
    across, up = kit.Scale(0.0, most), kit.Scale(0.0, 1.0, True)
    each = f"{wrong.sum() / rows.span:,.1f} wrong transactions a day of {len(rows.scores) / rows.span:,.0f}"
    about = f"<p>The test part has {each}.</p>"
    drawn = kit.plot([line], across, up, "recall over alarms a day", "alarms a day", [(chosen, "the chosen threshold")])
    return about + drawn


def _savings(task: RareEvents, rows: Rows) -> str:
    worth = np.nan_to_num(rows.amounts) * (rows.truth == 1)
    caught, alarms, _ = at_each_threshold(rows.scores, worth)
    saved, per_day = caught - task.cost * alarms, alarms / rows.span
    chosen = float((rows.scores >= task.threshold).sum()) / rows.span
    most = max(4 * chosen, 2 * float(per_day[int(saved.argmax())]))
    inside = np.flatnonzero(per_day <= most)
    kept = inside[np.unique(np.linspace(0, len(inside) - 1, 200).astype(int))]
    points = [(float(per_day[at]), float(saved[at])) for at in kept]
    line = kit.Line([(0.0, 0.0), *points], "l1")
    up = kit.Scale.of([0.0, float(worth.sum()), *(y for _, y in points)])
    best = int(saved.argmax())
    flags = rows.scores >= task.threshold
    now = float(worth[flags].sum() - task.cost * flags.sum())
    about = (
        f"<p>The amounts of the frauds that were found, less {task.cost:g} for each alarm. The chosen threshold saves "
        f"{now:,.0f} of {worth.sum():,.0f}; the best one would have saved {saved[best]:,.0f}, with {per_day[best]:,.0f} alarms a "
        "day.</p>"
    )
    drawn = kit.plot(
        [line], kit.Scale(0.0, most), up, "what is saved over alarms a day", "alarms a day", [(chosen, "chosen")]
    )
    return about + drawn


def _hidden(task: RareEvents, material: Material) -> str:
    """Average precision where one column is hidden, on the units with the most wrong rows."""
    order = sorted(
        range(len(material.examples)),
        key=lambda at: (-_wrong_rows(material.examples[at]), at),
    )[:HIDDEN]
    examples = [material.examples[at] for at in order]
    batches = [material.encoder.encode(examples[first : first + 32]) for first in range(0, len(examples), 32)]
    names = list(material.encoder.dims["channel_names"])
    codes = list(getattr(material.encoder, "category_names", ()))

    def score(number: int | None, code: int | None) -> float:
        parts = []
        for batch in batches:
            inputs = dict(batch.inputs)
            if number is not None:
                inputs["numbers"] = inputs["numbers"].clone()
                inputs["numbers"][:, number] = 0.0
            if code is not None:
                inputs["categories"] = inputs["categories"].clone()
                inputs["categories"][:, code] = 0
            with torch.no_grad():
                parts.append(Rows.of(task.row_answers(material.model(**inputs).float()), batch.target))
        rows = Rows.joined(parts)
        known = ~np.isnan(rows.truth)
        return average_precision(rows.scores[known], rows.truth[known] == 1)

    whole = score(None, None)
    lost = [(name, whole - score(at, None)) for at, name in enumerate(names)]
    lost += [(name, whole - score(None, at)) for at, name in enumerate(codes)]
    lost.sort(key=lambda pair: -pair[1])
    lines: list[list[kit.Cell]] = [[name, f"{value:.3f}", kit.Track(max(value, 0.0))] for name, value in lost]
    columns = [kit.Column("hidden column"), kit.Column("lost", "n"), kit.Column("lost", "w40")]
    about = f"<b>What is lost where a column is hidden</b>, of {whole:.3f} on the {len(examples)} accounts with the most fraud"
    return kit.table(columns, lines, about, percent=False)


def _wrong_rows(example: History) -> int:
    return 0 if example.targets is None else int((np.asarray(example.targets)[example.judged] == 1).sum())


def _back(task: RareEvents, material: Material, judged: Judged) -> str:
    """How many frauds get an alarm where the network sees only so many rows."""
    random = np.random.default_rng(0)
    wrong = np.flatnonzero(judged.rows.truth == 1)
    wrong = random.permutation(wrong)[:MANY]
    points = []
    for size in BACK:
        windows = []
        for at in wrong.tolist():
            example, row = material.examples[int(judged.rows.units[at])], int(judged.places[at])
            first = int(example.table.starts[example.unit])
            windows.append(type(example)(example.table, example.unit, max(first, row - size + 1), row + 1, row))
        found = []
        for begin in range(0, len(windows), 64):
            batch = material.encoder.encode(windows[begin : begin + 64])
            with torch.no_grad():
                found.append(Rows.of(task.predict(material.model, batch), batch.target).scores)
        points.append((float(np.log2(size)), float((np.concatenate(found) >= task.threshold).mean())))
    words = "; ".join(f"{size}: {100 * part:.0f} %" for size, (_, part) in zip(BACK, points, strict=True))
    about = (
        f"<h3>How far it looks back</h3><p>Of {len(wrong):,} frauds, so many get an alarm where the network sees only the last "
        f"transactions of the account (what is usual is still counted over its whole past). {words}.</p>"
    )
    line = kit.Line(points, "l1", "", True)
    across = kit.Scale(0.0, float(np.log2(BACK[-1])))
    drawn = kit.plot([line], across, kit.Scale(0.0, 1.0, True), "alarms by rows seen", "doublings of the rows seen")
    return about + drawn
