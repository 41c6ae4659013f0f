"""The examples on a page of series: whole test series, and single events close up."""

from collections.abc import Sequence

import numpy as np

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Panel
from convzoo.modalities.series import drawing
from convzoo.modalities.series.encoder import SeriesEncoder
from convzoo.modalities.series.example import Series, Stretch
from convzoo.modalities.series.looked import Event, Looked
from convzoo.modalities.series.outcomes import Outcome
from convzoo.report import kit
from convzoo.tasks.anomaly_detection import AnomalyDetection, Surprise

SERIES = 8
"""Whole series that are drawn."""
CHANNELS = 8
"""Channels of a close-up."""
CLOSE = 150
"""Rows of a close-up, at least."""
LOWEST = 0.1
"""The lower end of the scale of scores, in units of the threshold."""


def whole_series(looked: Looked, material: Material) -> Panel:
    there = [each for each in looked.outcomes if each.index in looked.surprises]
    every = len(looked.outcomes)
    shown = there if every <= SERIES else sorted(there, key=lambda each: (-each.mistakes, -each.highest))[:SERIES]
    highest = max((each.highest for each in shown), default=1.0)
    top = float(min(max(np.ceil(np.log10(max(highest, 10.0))), 1.0), 3.0))
    labelled = any(each.truths is not None for each in shown)
    if len(shown) == every:
        about = "The only test stretch." if every == 1 else f"All {every:,} test stretches."
    else:
        by = "the most missed intervals and false alarms" if labelled else "the highest scores"
        about = f"The {len(shown):,} of {every:,} test stretches with {by}; the others are in the tables below."
    about += " The score stands on a scale on which each line up is ten times more, so that the threshold can be seen."
    if highest > 10**top:
        about += f" Scores above {10**top:,.0f} stand at its upper edge; the highest is {kit.as_number(highest)}."
    signs = [(kit.swatch("background:var(--right);height:.8rem"), "alarm, rightly")] if labelled else [
        (kit.swatch("background:var(--right);height:.8rem"), "alarm")]  # fmt: skip
    if labelled:
        signs = [
            (kit.swatch("background:var(--ink);opacity:.75;height:.8rem"), "truly wrong"),
            *signs,
            (
                kit.swatch(
                    "height:.8rem;background:repeating-linear-gradient(135deg,var(--wrong) 0 3px,transparent 3px 6px)"
                ),
                "false alarm",
            ),
            (kit.swatch("height:.8rem;box-shadow:inset 0 0 0 2px var(--wrong)"), "missed"),
        ]
    signs.append((_dash("var(--wrong)", 1.5), "threshold (score 1)"))
    cards = kit.cards([_band(looked, each, material.examples[each.index], top) for each in shown], "full")
    return Panel("Whole test series", about, kit.key(signs) + cards)


def _band(looked: Looked, outcome: Outcome, example: Stretch, top: float) -> str:
    """A whole stretch: what is true, what was flagged, the score."""
    series, rows = example.series, outcome.rows
    score = looked.surprises[outcome.index].score
    lanes = []
    false = np.zeros(rows, dtype=bool)
    for alarm in outcome.false_alarms:
        false[alarm.start : alarm.stop] = True
    if outcome.wrong is not None:
        missed = np.zeros(rows, dtype=bool)
        for truth in outcome.missed:
            missed[truth.start : truth.stop] = True
        lanes.append("<span>true</span>" + drawing.lane([("t", outcome.wrong), ("miss", missed)]))
    lanes.append("<span>alarms</span>" + drawing.lane([("hit", outcome.flags & ~false), ("fa", false)]))
    low = np.log10(LOWEST)
    begin = int(np.flatnonzero(score)[0]) if score.any() else len(score)
    inside = drawing.scale_of_scores(top, low, -1)
    inside += drawing.line(
        drawing.logarithm(score[begin:], LOWEST),
        low,
        top,
        "sc",
        600,
        drawing.WIDE * begin / rows,
        drawing.WIDE * len(score) / rows,
    )
    lanes.append(f"<span>score<br>{LOWEST:g} to {10**top:,.0f}</span>{drawing.ribbon(inside)}")
    words = _counted(outcome)
    label = kit.text(
        f"{example.source}: {words}; true intervals, alarms and score over {drawing.rows_in_words(series, rows)}"
    )
    period = drawing.period_in_words(series, example.start, example.stop)
    note = f"; the score is drawn of the first {len(score):,} rows" if len(score) < rows else ""
    return kit.card(
        "",
        f'<div class="said"><b>{kit.text(series.name)}</b><span>{kit.text(words)}</span></div>'
        f'<div class="band" role="img" aria-label="{label}">{"".join(lanes)}</div>' + kit.source(f"{period}{note}"),
    )


def _counted(outcome: Outcome) -> str:
    if outcome.truths is None:
        return (
            f"{kit.count_of(len(outcome.alarms), 'alarms')}, highest score {kit.as_number(outcome.highest)}; no labels"
        )
    if not outcome.truths:
        return f"nothing is wrong, {kit.count_of(len(outcome.false_alarms), 'false alarms')}"
    return f"{outcome.found} of {len(outcome.truths)} found, {kit.count_of(len(outcome.false_alarms), 'false alarms')}"


def in_turn(events: Sequence[Event], most: int) -> list[Event]:
    """The first event of each sensor, then the second of each, and so on."""
    queues: dict[int, list[Event]] = {}
    for event in events:
        queues.setdefault(event.channel, []).append(event)
    chosen: list[Event] = []
    while len(chosen) < most and any(queues.values()):
        for queue in queues.values():
            if queue and len(chosen) < most:
                chosen.append(queue.pop(0))
    return chosen


def close_ups(
    looked: Looked,
    task: AnomalyDetection,
    material: Material,
    title: str,
    events: Sequence[Event],
    count: int,
    about: str,
) -> list[Panel]:
    """A panel of close-ups; none where there is nothing to show."""
    if not events:
        return []
    shown = f"{about}; {len(events):,} of {count:,} are shown." if len(events) < count else f"{about}."
    cards = kit.cards([_close_up(looked, task, material, event) for event in events], "wide")
    return [Panel(f"{title} ({count:,})", shown, kit.key(_CLOSE_KEY) + cards)]


def _dash(colour: str, width: float, dashes: str = "5 3") -> str:
    return (
        f'<svg width="30" height="10" aria-hidden="true"><path d="M0 5H30" stroke="{colour}" stroke-width="{width}" '
        f'stroke-dasharray="{dashes}"/></svg>'
    )


_CLOSE_KEY = [
    (_dash("var(--ink)", 1.6, "none"), "measured"),
    (_dash("var(--net)", 1.8), "what the network expected of the sensor in bold"),
    (kit.swatch("background:var(--ink);opacity:.12"), "truly wrong"),
    (kit.swatch("background:var(--wrong);opacity:.2"), "flagged: the score is above the dashed threshold"),
]


def _close_up(looked: Looked, task: AnomalyDetection, material: Material, event: Event) -> str:
    """The sensors around an event, what was expected of the one that moved most, and the score."""
    outcome, example = event.outcome, material.examples[event.outcome.index]
    surprise, measured = looked.surprises[outcome.index], looked.measured[outcome.index]
    series, every = example.series, len(surprise.score)
    rows = min(max(CLOSE, 2 * (event.stop - event.start)), every)
    first = min(max((event.start + event.stop - rows) // 2, 0), every - rows)
    window = slice(first, first + rows)
    shades = ""
    if outcome.wrong is not None:
        shades = "".join(
            drawing.block("zone", truth.start - first, truth.stop - first, rows)
            for truth in outcome.truths or ()
            if truth.stop > first and truth.start < first + rows
        )
    flagged = "".join(
        drawing.block("flag", alarm.start - first, alarm.stop - first, rows)
        for alarm in outcome.alarms
        if alarm.stop > first and alarm.start < first + rows
    )
    strength = surprise.by_channel[:, event.start : event.stop].max(axis=1)
    shown = drawing.shown_channels(event.channel, strength, CHANNELS)
    lines = []
    for number in shown:
        name, values = drawing.name_of(series.channels[number]), measured[number, window]
        if number == event.channel:
            expected = surprise.expected[number, window]
            low, high = drawing.ends(np.concatenate([values, expected]))
            inside = drawing.line(values, low, high, "v") + drawing.line(expected, low, high, "e")
            lines.append(
                f'<span class="name moved">{name}{_range(material.encoder, series, number, low, high)}</span>'
                + drawing.ribbon(shades + flagged + inside, tall=True)
            )
        else:
            lines.append(
                f'<span class="name">{name}</span>{drawing.ribbon(shades + flagged + drawing.own_scale(values, "q"))}'
            )
    score = drawing.logarithm(surprise.score[window], LOWEST)
    low = np.log10(LOWEST)
    top = max(float(np.ceil(score.max())), 1.0)
    lines.append(
        f'<span class="name">score<br>{LOWEST:g} to {10**top:,.0f}</span>'
        + drawing.ribbon(shades + drawing.scale_of_scores(top, low, 1) + drawing.line(score, low, top, "sc"))
    )
    kind, words = _said(event, task, material.encoder, series, surprise, measured)
    period = drawing.period_in_words(series, example.start + first, example.start + first + rows)
    hidden = len(series.channels) - len(shown)
    more = f"; {drawing.others(hidden)}" if hidden else ""
    label = kit.text(f"{series.name}, {series.channels[event.channel]}: {kind}; {words}")
    chip = {"found": "ok", "alarm": "hm"}.get(kind, "no")
    return kit.card(
        f'<div class="multi" role="img" aria-label="{label}">{"".join(lines)}</div>',
        f'<div class="said"><span class="chip {chip}">{kind}</span>'
        f"<span><b>{drawing.name_of(series.channels[event.channel])}</b> {kit.text(words)}</span></div>"
        + kit.source(f"{period}{more}", series.name),
    )


def _said(
    event: Event, task: AnomalyDetection, encoder: Encoder, series: Series, surprise: Surprise, measured: np.ndarray
) -> tuple[str, str]:
    """The chip, and what is said of an event."""
    at = event.start + int(surprise.score[event.start : event.stop].argmax())
    there = _in_units(encoder, series, event.channel, measured[:, at])
    wanted = _in_units(encoder, series, event.channel, surprise.expected[:, at])
    apart = f"it read {kit.as_number(there)} where {kit.as_number(wanted)} was expected"
    if event.truth is None:
        kind = "alarm" if event.outcome.truths is None else "false alarm"
        lasts = drawing.rows_in_words(series, event.stop - event.start)
        return (
            kind,
            f"moved most, {kit.as_number(event.peak)} times the threshold, for {lasts}; at the highest score {apart}",
        )
    if event.truth.delay is not None:
        after = "at once" if event.truth.delay == 0 else f"after {drawing.rows_in_words(series, event.truth.delay)}"
        return (
            "found",
            f"moved most, {kit.as_number(event.peak)} times the threshold, flagged {after}; at the highest score {apart}",
        )
    if event.stop <= task.burn_in:
        return (
            "missed",
            f"moved most; not judged: it lies in the first {task.burn_in:,} rows, before the network has seen enough",
        )
    return "missed", f"moved most, but the score reaches only {kit.as_number(event.peak)} of the threshold; {apart}"


def _in_units(encoder: Encoder, series: Series, channel: int, column: np.ndarray) -> float:
    """A value of one channel in the sensor's own units; in the encoder's, where it cannot be restored."""
    if isinstance(encoder, SeriesEncoder):
        column = encoder.restore(series, column[:, None])[:, 0]
    return float(column[channel])


def _range(encoder: Encoder, series: Series, channel: int, low: float, high: float) -> str:
    column = np.zeros(len(series.channels))
    ends = []
    for value in (low, high):
        column[channel] = value
        ends.append(kit.as_number(_in_units(encoder, series, channel, column)))
    return f"<br><small>{ends[0]} to {ends[1]}</small>"
