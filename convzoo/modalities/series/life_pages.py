"""What a page shows of predicted lives: each unit's life as it was predicted row by row, early and late errors, their cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from convzoo.core.model import HasReach
from convzoo.core.pages import Material, Panel, Section, Slices
from convzoo.core.task import Task
from convzoo.metrics.remaining_life import asymmetric_cost
from convzoo.modalities.series import drawing
from convzoo.modalities.series.history import History
from convzoo.modalities.series.history_pages import HistoryPages
from convzoo.report import kit
from convzoo.tasks.remaining_life import RemainingLife

UNITS = 8
"""Units of a panel."""
PARTS = 5
"""Into as many parts the test histories are divided by their true life."""
POINTS = 600


@dataclass(frozen=True)
class _Known:
    """What is known of the test histories whose life is known: arrays with a place for each."""

    places: np.ndarray
    true: np.ndarray
    life: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Predicted minus true life: above 0 the answer comes too late."""
        return self.life - self.true


class LifePages(HistoryPages):
    """Units with their predicted and true life at each row, and where the errors cost most."""

    def title(self, task: Task, material: Material, count: int) -> str:
        if not isinstance(task, RemainingLife) or not len(material.examples):
            return ""
        units = {example.name for example in material.examples}
        columns = material.examples[0].table.number_names
        return f"How long does it last? {kit.count_of(len(units), 'test units')} with {kit.count_of(len(columns), 'columns')}"

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, RemainingLife):
            return ""
        cap = (
            f" Lives above {kit.as_number(task.cap)} count as {kit.as_number(task.cap)}."
            if task.cap is not None
            else ""
        )
        key = kit.key(
            [
                (kit.stroke("var(--net)"), "predicted"),
                (kit.swatch("background:var(--net);opacity:.25"), f"its interval ({100 * task.coverage:g} %)"),
                (kit.stroke("var(--ink)", "5 3", 1.6), "true"),
            ]
        )
        about = "At each row the network says how long the unit still lasts; each answer knows only the rows up to it."
        return f"<p>{about}{cap}</p>{key}"

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Units in turn, the answers that came too late, those that came too early, and the widest intervals."""
        if not isinstance(task, RemainingLife):
            return []
        known = _known(task, material)
        if known is None:
            rows = list(material.predictions)[:UNITS]
            about = "Nobody has said how long these units lasted."
            return [Panel("Units", about, self._cards(task, material, [int(row["index"]) for row in rows]))]
        spread = np.argsort(known.true, kind="stable")
        some = spread[np.unique(np.linspace(0, len(spread) - 1, UNITS).astype(int))]
        order = np.argsort(known.errors, kind="stable")
        late = [at for at in order[::-1].tolist() if known.errors[at] > 0]
        early = [at for at in order.tolist() if known.errors[at] < 0]
        found = [
            Panel(
                "Units",
                "From the shortest true life to the longest.",
                self._cards(task, material, known.places[some].tolist()),
            )
        ]
        for title, chosen, about in (
            ("Too late", late, "The answers that promise most time that is not there: the machine would fail."),
            (
                "Too early",
                early,
                "The answers that give up the most time: the machine would be taken out of use too soon.",
            ),
        ):
            if chosen:
                cards = self._cards(task, material, known.places[chosen[:UNITS]].tolist())
                found.append(Panel(f"{title} ({len(chosen):,})", about, cards))
        return found

    def _cards(self, task: RemainingLife, material: Material, places: Sequence[int]) -> str:
        rows = {int(row["index"]): row for row in material.predictions}
        curves = _curves(task, material, places)
        return kit.cards([_card(task, material.examples[at], rows[at], curves[at]) for at in places], self.card_size)

    def cases(self, task: Task, material: Material) -> list[float]:
        """The absolute error of each test history."""
        known = _known(task, material) if isinstance(task, RemainingLife) else None
        return [] if known is None else np.abs(known.errors).tolist()

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By how many rows the network has seen."""
        groups = kit.bands([float(len(example)) for example in material.examples])
        return [Slices("rows seen", "How many rows of the unit there were before it was judged.", groups)]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Predicted against true lives, early and late errors with their cost, errors by true life and by rows seen."""
        if not isinstance(task, RemainingLife):
            return []
        known = _known(task, material)
        if known is None:
            return [Section("", "<p>The test split has no known lives, so nothing is right or wrong.</p>")]
        return [
            Section("", kit.columns([_against(task, known), _cost(task, known)])),
            Section("", _by_life(task, known)),
            *self._by_slices(task, material, known),
        ]

    def _by_slices(self, task: Task, material: Material, known: _Known) -> list[Section]:
        found = []
        for division in self.slices(task, material):
            lines: list[list[kit.Cell]] = []
            for name, places in division.groups.items():
                chosen = np.isin(known.places, [int(material.predictions[place]["index"]) for place in places])
                if chosen.any():
                    errors = known.errors[chosen]
                    lines.append(
                        [name, f"{len(errors):,}", kit.as_number(_root(errors)), kit.as_number(float(errors.mean()))]
                    )
            if len(lines) > 1:
                columns = [
                    kit.Column(division.title),
                    *(kit.Column(name, "n") for name in ("histories", "RMSE", "leans")),
                ]
                caption = f"<b>By {kit.text(division.title)}.</b> {kit.text(division.about)}"
                found.append(Section("", kit.table(columns, lines, caption)))
        return found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """How far an answer looks back, beside the length of a life."""
        if not isinstance(material.model, HasReach) or not len(material.examples):
            return ""
        rows = int(material.model.reach[0]) + 1
        lengths = [float(len(example)) for example in material.examples]
        bars = [
            ("one answer sees", float(rows)),
            ("a test history (median)", float(np.median(lengths))),
            ("the longest", max(lengths)),
        ]
        widest = max(size for _, size in bars)
        return kit.sees(
            "".join(
                f'<div class="scale{"" if number else " me"}"><span>{words}: {kit.count_of(int(size), "rows")}</span>'
                f'<i style="width:{100 * size / widest:.1f}%"></i></div>'
                for number, (words, size) in enumerate(bars)
            )
        )

    def data(self, material: Material) -> str:
        """How long the test histories are, and the lives that are asked for."""
        if not len(material.examples):
            return ""
        lengths = [float(len(example)) for example in material.examples]
        parts = [f"<h3>Rows of the test histories</h3>{kit.histogram(lengths, 'Rows of the test histories')}"]
        lives = [
            float(row["true_life"]) for row in material.predictions if isinstance(row.get("true_life"), int | float)
        ]
        if lives:
            parts.append(f"<h3>True lives</h3>{kit.histogram(lives, 'True lives where test histories are judged')}")
        return kit.columns(parts)


def _known(task: RemainingLife, material: Material) -> _Known | None:
    """The test histories whose life is known, with their lives as they are scored; None if there are none."""
    rows = [row for row in material.predictions if isinstance(row.get("true_life"), int | float)]
    rows = [row for row in rows if isinstance(row.get("life"), int | float)]
    if not rows:
        return None
    true, life, low, high = (
        np.array([np.nan if row.get(key) is None else float(row[key]) for row in rows])
        for key in ("true_life", "life", "low", "high")
    )
    true = true if task.cap is None else np.minimum(true, task.cap)
    return _Known(np.array([int(row["index"]) for row in rows]), true, life, low, high)


def _root(errors: np.ndarray) -> float:
    return float(np.sqrt(np.square(errors).mean()))


def _curves(task: RemainingLife, material: Material, places: Sequence[int]) -> dict[int, np.ndarray]:
    """By place of a test history, (time, 3): the life and its interval at each of its rows, not only at the judged ones."""
    found = {}
    with torch.no_grad():
        for place in places:
            example = material.examples[place]
            batch = material.encoder.encode([replace(example, judged_from=example.start)])
            found[place] = task.predict(material.model, batch)[0].double().numpy()
    return found


def _card(task: RemainingLife, example: History, row: Mapping[str, Any], curve: np.ndarray) -> str:
    """A unit: the life that was predicted at each row, its interval, and the true life."""
    true = None if example.targets is None else np.asarray(example.targets, dtype=np.float64)
    true = true if true is None or task.cap is None else np.minimum(true, task.cap)
    known = curve if true is None else np.concatenate([curve.ravel(), true])
    top = float(np.nanmax(known)) or 1.0
    rows = len(curve)
    kept = np.unique(np.linspace(0, rows - 1, min(rows, 240)).astype(int))
    across = (kept + 0.5) / rows * drawing.WIDE

    def points(values: np.ndarray) -> list[str]:
        heights = 100 - 100 * np.clip(values[kept] / top, 0, 1)
        return [f"{x:.0f} {y:.1f}" for x, y in zip(across.tolist(), heights.tolist(), strict=True)]

    band = "L".join([*points(curve[:, 1]), *points(curve[:, 2])[::-1]])
    inside = f'<path d="M{band}Z" style="fill:var(--net);stroke:none;opacity:.25"/>'
    if true is not None and np.isfinite(true[kept]).all():
        style = "stroke:var(--ink);stroke-dasharray:5 3;fill:none"
        inside += f'<path d="M{"L".join(points(true))}" style="{style}"/>'
    inside += f'<path d="M{"L".join(points(curve[:, 0]))}" style="stroke:var(--net);fill:none;stroke-width:2.5"/>'
    words, chip = _said(task, row)
    label = kit.text(f"{example.source}: predicted life over {rows:,} rows, up to {kit.as_number(top)}; {words}")
    return kit.card(
        f'<div class="multi" role="img" aria-label="{label}"><span class="name">life<br><small>0 to {kit.as_number(top)}</small>'
        f"</span>{drawing.ribbon(inside, tall=True)}</div>",
        f'<div class="said">{chip}<span>{words}</span></div>'
        + kit.source(f"{kit.count_of(rows, 'rows')}", example.source),
    )


def _said(task: RemainingLife, row: Mapping[str, Any]) -> tuple[str, str]:
    """What is said of the last row of a history, and its chip."""
    words = f"says <b>{kit.as_number(float(row['life']))}</b>"
    if row.get("low") is not None:
        words += f" ({kit.as_number(float(row['low']))} to {kit.as_number(float(row['high']))})"
    if not isinstance(row.get("true_life"), int | float):
        return words, ""
    real = float(row["true_life"])
    true = real if task.cap is None else min(real, task.cap)
    words += f", true <b>{kit.as_number(real)}</b>"
    if row.get("low") is None:
        return words, ""
    inside = float(row["low"]) <= true <= float(row["high"])
    return words, f'<span class="chip {"ok" if inside else "no"}">{"inside" if inside else "outside"}</span>'


def _against(task: RemainingLife, known: _Known) -> str:
    """Predicted against true lives."""
    chosen = np.unique(np.linspace(0, len(known.true) - 1, min(len(known.true), POINTS)).astype(int))
    both = [*known.true[chosen].tolist(), *known.life[chosen].tolist()]
    scale = kit.Scale.of(both)
    points = zip(known.true[chosen].tolist(), known.life[chosen].tolist(), strict=True)
    lines = [kit.Line([(min(both),) * 2, (max(both),) * 2], "a"), *(kit.Line([point], "l1") for point in points)]
    about = "Each dot is a test history; on the thin line, the answer is right; above it, it comes too late."
    if np.isfinite(known.low).all():
        inside = float(((known.low <= known.true) & (known.true <= known.high)).mean())
        about += (
            f" The intervals should hold {100 * task.coverage:.0f} % of the true lives: they hold <b>{100 * inside:.1f} %</b>, "
            f"and are {kit.as_number(float((known.high - known.low).mean()))} wide on average."
        )
    drawn = kit.plot(lines, scale, scale, "Predicted against true lives", "true life", height="22rem")
    return f"<h3>Predicted against true</h3><p>{about}</p>{drawn}"


def _cost(task: RemainingLife, known: _Known) -> str:
    """The cost of each error on the curve, and how much early and late errors cost together."""
    errors = torch.from_numpy(known.errors)
    costs = asymmetric_cost(errors, task.early, task.late).numpy()
    widest = float(np.abs(known.errors).max()) or 1.0
    places = np.linspace(-widest, widest, 81)
    curve = asymmetric_cost(torch.from_numpy(places), task.early, task.late).numpy()
    top = max(float(costs.max()), float(np.quantile(curve, 0.9)), 1e-6)
    lines = [kit.Line([(x, y) for x, y in zip(places.tolist(), curve.tolist(), strict=True) if y <= top], "l2", "cost")]
    lines += [kit.Line([point], "l1") for point in zip(known.errors.tolist(), costs.tolist(), strict=True)][:POINTS]
    drawn = kit.plot(
        lines, kit.Scale.of([-widest, widest]), kit.Scale(0, 1.05 * top), "Cost of each error", "predicted − true"
    )
    late = known.errors > 0
    rows: list[list[kit.Cell]] = []
    for name, chosen in (("too early", ~late & (known.errors != 0)), ("too late", late)):
        mean = kit.as_number(float(np.abs(known.errors[chosen]).mean())) if chosen.any() else ""
        rows.append([name, f"{int(chosen.sum()):,}", mean, kit.as_number(float(costs[chosen].sum()))])
    columns = [kit.Column("answers"), *(kit.Column(name, "n") for name in ("number", "mean error", "cost together"))]
    table = kit.table(columns, rows, "<b>Early and late.</b> The sum of both costs is the asymmetric score.")
    about = (
        f"A late answer costs more than an early one: the cost grows e-fold for {kit.as_number(task.late)} too late, for "
        f"{kit.as_number(task.early)} too early."
    )
    return f"<h3>What errors cost</h3><p>{about}</p>{drawn}{table}"


def _by_life(task: RemainingLife, known: _Known) -> str:
    """The errors of the shortest lives, and so on to the longest."""
    costs = asymmetric_cost(torch.from_numpy(known.errors), task.early, task.late).numpy()
    lines: list[list[kit.Cell]] = []
    for part in np.array_split(np.argsort(known.true, kind="stable"), PARTS):
        if not len(part):
            continue
        inside = (known.low[part] <= known.true[part]) & (known.true[part] <= known.high[part])
        held = kit.as_percent(float(inside.mean())) if np.isfinite(known.low[part]).all() else ""
        lines.append(
            [
                f"{kit.as_number(float(known.true[part].min()))} to {kit.as_number(float(known.true[part].max()))}",
                f"{len(part):,}", kit.as_number(_root(known.errors[part])), kit.as_number(float(known.errors[part].mean())),
                kit.as_number(float(costs[part].sum())), held,
            ]
        )  # fmt: skip
    names = ("histories", "RMSE", "leans", "cost", "inside")
    return kit.table(
        [kit.Column("true life"), *(kit.Column(name, "n") for name in names)],
        lines,
        "<b>By true life.</b> “Leans” is the mean of answer minus truth: above 0 the answers come too late. “Inside” is the part "
        "of the true lives that the intervals hold.",
    )
