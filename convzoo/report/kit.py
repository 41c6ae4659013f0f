"""What every page of a report is made of: one function for each component of the sheet. Text in charts is HTML, only lines and
shapes are SVG, so that letters keep their size on a phone. Every function takes plain values and gives HTML; it escapes texts.
"""

import base64
import html
import io
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convzoo.core.pages import Panel
from convzoo.core.text import harmless

MISTAKES = 12
"""Number of examples in a panel of the gallery."""
FREQUENT = 12
"""Number of confusions that are listed where a matrix would be too large."""
LARGEST_MATRIX = 14


def text(value: object) -> str:
    """A text of the data as HTML."""
    return html.escape(harmless(value))


def code(value: object) -> str:
    """A name of a file, a setting or a layer."""
    return f"<code>{text(value)}</code>"


def singular(plural: str) -> str:
    """`texts` -> `text`, `stretches` -> `stretch`, `entities` -> `entity`; `series` stays."""
    if plural == "series":
        return plural
    if plural.endswith("ies"):
        return f"{plural[:-3]}y"
    return plural[:-2] if plural.endswith(("ches", "shes", "sses", "xes")) else plural.removesuffix("s")


def count_of(number: int, plural: str) -> str:
    """`1 text`, `9,000 texts`."""
    return f"{number:,} {singular(plural) if number == 1 else plural}"


def as_percent(value: float, digits: int = 1) -> str:
    """0.951 -> `95.1 %`, with a space that does not break."""
    return f"{100 * value:.{digits}f}\u00a0%"


def as_number(value: float) -> str:
    """A number with about three digits, and a minus that is one."""
    if not math.isfinite(value):
        return "–"
    value += 0.0  # -0.0 is 0
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return shown.replace("-", "−")


def short(value: object, most: int = 48) -> str:
    """A name of the data that is cut where it is long."""
    words = str(value)
    return words if len(words) <= most else words[: most - 1] + "…"


# Scales


@dataclass(frozen=True)
class Scale:
    """A line from `low` to `high`, and how numbers on it are written.

    Attributes:
        percent: numbers are parts of 1, written as percentages
    """

    low: float
    high: float
    percent: bool = False

    @classmethod
    def of(cls, values: Sequence[float], percent: bool = False, room: float = 0.05) -> "Scale":
        """A scale that holds all values. One of percentages ends at 0 and 100 % at the latest."""
        finite = [float(value) for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        span = (high - low) or abs(high) or 1.0
        low, high = low - room * span, high + room * span
        if percent:
            low, high = max(low, 0.0), min(high, 1.0)
        return cls(low, high if high > low else low + 1.0, percent)

    def place(self, value: float) -> float:
        """Where a value stands, in per cent of the line."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def written(self, value: float, digits: int = 1) -> str:
        """The value as the scale writes it."""
        return as_percent(value, digits) if self.percent else as_number(value)

    def ticks(self, wanted: int = 6) -> list[float]:
        """Round numbers on the scale, about as many as wanted."""
        span = self.high - self.low
        step = 10 ** math.floor(math.log10(span / wanted))
        step = next((step * factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= wanted), step * 10)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def tick_words(self, value: float) -> str:
        """A tick's label: `80 %`, `0.25`."""
        if self.percent:
            digits = 0 if all(abs(100 * tick - round(100 * tick)) < 1e-6 for tick in self.ticks()) else 1
            return as_percent(value, digits)
        return as_number(0.0 if abs(value) < 1e-12 else value)

    def words(self) -> str:
        """`50 % to 100 %`."""
        return f"{self.written(self.low, 0)} to {self.written(self.high, 0)}"


# 1: the verdict, the scores, three facts


def verdict(kind: str, sentence: str, why: str = "") -> str:
    """The one sentence that the page begins with.

    Args:
        kind: better, even or worse
        sentence: with its full stop
        why: a second sentence, HTML
    """
    mark = {"better": "✓", "even": "≈", "worse": "✕"}[kind]
    more = f'<p class="why">{why}</p>' if why else ""
    return f'<div class="verdict {kind}"><span class="mark" aria-hidden="true">{mark}</span><p>{text(sentence)}</p>{more}</div>'


@dataclass(frozen=True)
class Competitor:
    """A line of the picture of scores.

    Attributes:
        name: of the network, the opponent or the source
        note: in a few words, what it is
        value: its score
        low, high: its interval, if it has one
        kind: ours, best (the ceiling), published, or empty for an opponent
        cases: the scores of single cases, where there are too few for an interval
    """

    name: str
    note: str
    value: float
    low: float | None = None
    high: float | None = None
    kind: str = ""
    cases: Sequence[float] = ()


def dots(rows: Sequence[Competitor], scale: Scale, ceiling: float | None, caption: str) -> str:
    """Scores as dots with their intervals as bars; the ceiling is a dashed line."""
    ticks = "".join(f'<i class="tick" style="left:{scale.place(tick):.2f}%"></i>' for tick in scale.ticks())
    line = f'<i class="line" style="left:{scale.place(ceiling):.2f}%"></i>' if ceiling is not None else ""
    found = []
    for row in rows:
        marks = ticks + line + _bar(scale, row.low, row.high)
        marks += "".join(f'<i class="case" style="left:{scale.place(case):.2f}%"></i>' for case in row.cases)
        marks += f'<i class="dot" style="left:{scale.place(row.value):.2f}%"></i>'
        interval = ""
        if row.low is not None and row.high is not None:
            interval = f"<small>{scale.written(row.low)} to {scale.written(row.high)}</small>"
        note = f"<small>{text(row.note)}</small>" if row.note else ""
        found.append(
            f'<div class="{row.kind}" role="row"><div class="who" role="rowheader">{text(row.name)}{note}</div>'
            f'<div class="track" aria-hidden="true">{marks}</div>'
            f'<div class="val" role="cell">{scale.written(row.value)}{interval}</div></div>'
        )
    last = scale.ticks()[-1] if scale.ticks() else None
    axis = "".join(
        f'<span style="left:{scale.place(tick):.2f}%"'
        f"{' class=end' if tick == last and scale.place(tick) > 95 else ''}>{scale.tick_words(tick)}</span>"
        for tick in scale.ticks()
    )
    return (
        f'<figure class="scores"><figcaption>{caption}</figcaption><div class="dots" role="table" aria-label="Scores">'
        f'{"".join(found)}<div class="axis" aria-hidden="true">{axis}</div></div></figure>'
    )


def _bar(scale: Scale, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return ""
    start, end = scale.place(low), scale.place(high)
    return f'<i class="bar" style="left:{start:.2f}%;width:{max(end - start, 0.2):.2f}%"></i>'


def facts(items: Sequence[tuple[str, str, str]]) -> str:
    """Three facts: what, the number, a note."""
    return (
        '<dl class="facts">'
        + "".join(
            f'<div><dt>{text(name)}</dt><dd class="big">{text(big)}</dd><dd class="note">{text(note)}</dd></div>'
            for name, big, note in items
        )
        + "</dl>"
    )


# 2: the gallery


def panels(items: Sequence[Panel]) -> str:
    """Panels, which the page's script makes tabs of."""
    return (
        '<div class="panels">'
        + "".join(
            f'<div class="panel" data-title="{text(item.title)}"><h3>{text(item.title)}</h3>'
            f'<p class="soft">{text(item.about)}</p>{item.html}</div>'
            for item in items
        )
        + "</div>"
    )


def cards(items: Sequence[str], size: str = "") -> str:
    """Cards side by side; `size` is empty, `wide` or `full`."""
    return f'<ul class="cards {size}">{"".join(items)}</ul>'


def card(picture: str, body: str) -> str:
    """An example: its picture, as wide as the card, and what is said of it."""
    return f'<li class="card">{picture}<div class="body">{body}</div></li>'


def said(is_right: bool | None, words: str) -> str:
    """A chip, right or wrong, and a sentence of HTML; no chip where nobody knows."""
    chip = (
        ""
        if is_right is None
        else f'<span class="chip {"ok" if is_right else "no"}">{"right" if is_right else "wrong"}</span>'
    )
    return f'<div class="said">{chip}<span>{words}</span></div>'


def chips(items: Sequence[tuple[str, str]], words: str = "") -> str:
    """Chips in a row, each with its kind (`ok`, `hm`, `no`), and words of text behind them."""
    row = "".join(f'<span class="chip {kind}">{text(name)}</span>' for kind, name in items)
    after = f'<span class="soft">{text(words)}</span>' if words else ""
    return f'<div class="said">{row}{after}</div>'


def label(left: float, top: float, words: str, kind: str) -> str:
    """Words in a picture on the dark ground, in the colour of what they name; a narrow picture has none.

    Args:
        left, top: of the middle of their left side, in per cent of the picture
        kind: the class of what they name
    """
    return f'<span class="lab {kind}" style="left:{left:.1f}%;top:{top:.1f}%" aria-hidden="true">{text(words)}</span>'


def sure(part: float, kind: str = "") -> str:
    """How sure an answer is, as a bar; `kind` is empty (right), `no` (wrong) or `hm` (unsure)."""
    return f'<div class="sure {kind}" aria-hidden="true"><i style="width:{100 * part:.0f}%"></i></div>'


def source(words: str, place: str = "") -> str:
    """A small line at the end of a card."""
    where = f' · <span class="mono">{text(place)}</span>' if place else ""
    return f'<span class="from">{text(words)}{where}</span>'


def key(items: Sequence[tuple[str, str]]) -> str:
    """What the colours and lines mean: a sign (HTML) and its words."""
    return f'<ul class="key">{"".join(f"<li>{sign} {text(words)}</li>" for sign, words in items)}</ul>'


def swatch(style: str) -> str:
    """A small coloured square for a key, by its CSS."""
    return f'<span class="sw" style="{style}"></span>'


def stroke(colour: str, dashes: str = "", width: float = 2.5) -> str:
    """A line for a key.

    Args:
        colour: a token of the sheet: net, other, plus
        dashes: lengths of dashes and gaps; empty for a solid line
        width: in pixels
    """
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    line = f'<path d="M0 6H34" stroke="var(--{colour})" stroke-width="{width:g}"{dashed}/>'
    return f'<svg width="34" height="12" aria-hidden="true">{line}</svg>'


def night_swatch(kind: str) -> str:
    """A small box on the dark ground of pictures, drawn as they draw it, for a key.

    Args:
        kind: its class in the sheet: ok, loose, ms, fa, gt, un, rf
    """
    return (
        '<span class="nightkey shot"><svg viewBox="0 0 26 14" aria-hidden="true">'
        f'<rect class="{kind}" x="3" y="2" width="20" height="10"/></svg></span>'
    )


def shaded_words(
    words: Sequence[tuple[str, float]], strongest: int = 3, titles: Sequence[str] = (), gaps: Sequence[str] = ()
) -> str:
    """Words shaded by a weight from -1 to 1: blue for, pink against; the strongest are underlined.

    Args:
        words: each with its weight
        strongest: number of words that are underlined
        titles: what is shown of each word when the pointer is on it; empty: nothing
        gaps: what stands after each word; empty: a space
    """
    order = sorted(range(len(words)), key=lambda at: -abs(words[at][1]))[:strongest]
    lit = {at for at in order if abs(words[at][1]) > 0.05}
    spans = ""
    for at, (word, weight) in enumerate(words):
        kind = f"{'p' if weight >= 0 else 'm'}{' u' if at in lit else ''}"
        title = f' title="{text(titles[at])}"' if titles else ""
        last = at == len(words) - 1
        spans += f'<span class="w {kind}" style="--a:{0.42 * min(abs(weight), 1):.2f}"{title}>{text(word)}</span>'
        spans += "" if last else gaps[at] if gaps else " "
    return f'<p class="words">{spans}</p>'


# 3: tables, matrices, plots


@dataclass(frozen=True)
class Track:
    """A cell that draws its value: a dot with its interval, and another method's value as an open dot."""

    value: float
    low: float | None = None
    high: float | None = None
    other: float | None = None


Cell = str | Track | None


@dataclass(frozen=True)
class Column:
    """A column of a table. `kind` is empty for text, `n` for numbers, `html` for HTML, `w40` for tracks."""

    name: str
    kind: str = ""


def table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    caption: str = "",
    ours: int | None = None,
    percent: bool = True,
) -> str:
    """A table whose cells may draw their value. On a phone each row is a small card.

    Args:
        columns: the first names the rows
        rows: text, tracks, or None for an empty cell
        caption: HTML
        ours: the row that is this network's
        percent: whether tracks of parts of 1 are written as percentages
    """
    tracks = [cell for row in rows for cell in row if isinstance(cell, Track)]
    scale = _scale_of(tracks, percent)
    names = [scale.words() if column.kind == "w40" and scale else column.name for column in columns]
    head = "".join(
        f'<th scope="col" role="columnheader" class="{"" if column.kind == "html" else column.kind}">{text(name)}</th>'
        for column, name in zip(columns, names, strict=True)
    )
    lines = []
    for number, row in enumerate(rows):
        cells: list[str] = []
        for column, name, cell in zip(columns, names, row, strict=True):
            shown = _track(cell, scale) if isinstance(cell, Track) else "" if cell is None else cell
            if not isinstance(cell, Track) and column.kind != "html":
                shown = text(shown)
            if not cells:
                cells.append(f'<th scope="row" role="rowheader">{shown}</th>')
            else:
                kind = "" if column.kind == "html" else column.kind
                cells.append(f'<td role="cell" class="{kind}" data-h="{text(name)}">{shown}</td>')
        lines.append(f'<tr role="row"{" class=on" if number == ours else ""}>{"".join(cells)}</tr>')
    about = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="table" tabindex="0" role="region" aria-label="{text(columns[0].name)}"><table role="table">{about}'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead><tbody role="rowgroup">{"".join(lines)}</tbody></table></div>'
    )


def _scale_of(tracks: Sequence[Track], percent: bool = True) -> Scale | None:
    values = [value for t in tracks for value in (t.value, t.low, t.high, t.other) if value is not None]
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return None
    if min(values) < 0 or max(values) > 1:
        return Scale.of(values)
    # Parts of 1: from a round tenth below the lowest to 100 %, or to a round tenth above where all of them are small.
    low, high = (
        min(math.floor(10 * min(values)) / 10, 0.9),
        1.0 if max(values) > 0.7 else math.ceil(10 * max(values)) / 10,
    )
    return Scale(low, high if high > low else low + 0.1, percent)


def _track(track: Track, scale: Scale | None) -> str:
    if scale is None or not math.isfinite(track.value):
        return ""
    other = f'<i class="alt" style="left:{scale.place(track.other):.2f}%"></i>' if track.other is not None else ""
    return (
        f'<div class="mini" aria-hidden="true">{_bar(scale, track.low, track.high)}{other}'
        f'<i class="dot" style="left:{scale.place(track.value):.2f}%"></i></div>'
    )


TRACK_KEY = [
    (
        '<svg width="34" height="12" aria-hidden="true">'
        '<rect x="0" y="4" width="34" height="4" rx="2" fill="var(--net)" opacity=".35"/>'
        '<circle cx="17" cy="6" r="5" fill="var(--net)"/></svg>',
        "this network, with its 95 % interval",
    ),
    (
        '<svg width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="4.5" fill="var(--page)" stroke="var(--other)" '
        'stroke-width="2"/></svg>',
        "best opponent",
    ),
]
"""What the marks of a track mean."""


def columns(parts: Sequence[str], narrowest: str = "") -> str:
    """Blocks side by side where there is room.

    Args:
        narrowest: the smallest width of a block, as CSS writes it; empty: half a page
    """
    style = f' style="grid-template-columns:repeat(auto-fit,minmax(min(100%,{narrowest}),1fr))"' if narrowest else ""
    return f'<div class="cols"{style}>{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def matrix(labels: Sequence[str], counts: np.ndarray) -> str:
    """The confusion matrix, (true, said). Of many classes the most frequent confusions are listed instead."""
    if len(labels) > LARGEST_MATRIX:
        return _confusions(labels, counts)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th scope=col>{text(label)}</th>" for label in labels)
    lines = []
    for at, label in enumerate(labels):
        cells = "".join(
            f'<td class="{"d" if at == other else ""}" style="--a:{shares[at, other]:.3f}"><b>{int(counts[at, other]):,}</b>'
            f"<small>{100 * shares[at, other]:.0f}\u00a0%</small></td>"
            for other in range(len(labels))
        )
        lines.append(f"<tr><th scope=row>{text(label)}</th>{cells}</tr>")
    return (
        "<p>Each row is a true class, each column what was said. Green is right, red is wrong; the deeper, the larger the part "
        'of the row.</p><div class="matrix" tabindex="0" role="region" aria-label="Confusion"><table><thead><tr>'
        f"<td style='background:none'></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def outcomes(rows: Sequence[str], columns: Sequence[str], counts: np.ndarray, right: Sequence[bool], label: str) -> str:
    """What becomes of each kind of thing, as a matrix whose columns are not its rows.

    Args:
        rows: the kinds of things
        columns: what becomes of them
        counts: (rows, columns)
        right: of each column, whether it is good
        label: what the matrix shows, for those who cannot see it
    """
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    head = "".join(f"<th scope=col>{text(name)}</th>" for name in columns)
    lines = "".join(
        f"<tr><th scope=row>{text(name)}</th>"
        + "".join(
            f'<td class="{"d" if good else ""}" style="--a:{share:.3f}"><b>{int(count):,}</b>'
            f"<small>{100 * share:.0f}\u00a0%</small></td>"
            for good, share, count in zip(right, shares[at], counts[at], strict=True)
        )
        + "</tr>"
        for at, name in enumerate(rows)
    )
    return (
        f'<div class="matrix" tabindex="0" role="region" aria-label="{text(label)}"><table><thead><tr>'
        f"<td style='background:none'></td>{head}</tr></thead><tbody>{lines}</tbody></table></div>"
    )


def _confusions(labels: Sequence[str], counts: np.ndarray) -> str:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:FREQUENT]
    rows: list[list[Cell]] = []
    for flat in order.tolist():
        true, other = divmod(flat, len(labels))
        if wrong[true, other]:
            part = wrong[true, other] / max(counts[true].sum(), 1)
            rows.append([labels[true], labels[other], f"{int(wrong[true, other]):,}", as_percent(float(part))])
    if not rows:
        return "<p>No class is taken for another.</p>"
    every = int(wrong.sum())
    shown = int(sum(wrong.flat[flat] for flat in order.tolist()))
    return table(
        [Column("true class"), Column("said"), Column("times", "n"), Column("of the class", "n")],
        rows,
        f"<b>The most frequent of {every:,} confusions</b>; together {shown:,} of them.",
    )


@dataclass(frozen=True)
class Line:
    """A line of a plot: its points, its class (`l1` network, `l2` opponent or validation, `l3`), and a name that stands at it."""

    points: Sequence[tuple[float, float]]
    kind: str = "l1"
    name: str = ""
    dots: bool = False


def plot(
    lines: Sequence[Line],
    across: Scale,
    up: Scale,
    label: str,
    across_name: str = "",
    marks: Sequence[tuple[float, str]] = (),
    across_ticks: Sequence[float] | None = None,
    areas: Sequence[tuple[Sequence[tuple[float, float]], str]] = (),
    height: str = "15rem",
) -> str:
    """Lines over two scales. The words are HTML; the drawing is stretched to its frame.

    Args:
        lines: drawn in this order
        across, up: the scales
        label: what the plot says, for those who cannot see it
        across_name: below the plot
        marks: places across with a dashed line and words (what was chosen)
        across_ticks: in place of the scale's own
        areas: closed shapes and their class (`f1`, `f2`)
        height: of the frame
    """
    # Ticks of the upward scale are lines, too.
    grid = "".join(f'<path class="g" d="M0 {100 - up.place(tick):.2f}H100"/>' for tick in up.ticks())
    shapes = "".join(
        f'<path class="{kind}" d="M{"L".join(_point(across, up, *point) for point in points)}Z"/>'
        for points, kind in areas
        if points
    )
    now = "".join(f'<path class="now" d="M{across.place(place):.2f} 0V100"/>' for place, _ in marks)
    drawn, tags = [], []
    for line in lines:
        if not line.points:
            continue
        if len(line.points) > 1:
            path = "L".join(_point(across, up, *point) for point in line.points)
            drawn.append(f'<path class="{line.kind}" d="M{path}"/>')
        if line.dots or len(line.points) == 1:
            drawn += [f'<path class="{line.kind} pt" d="M{_point(across, up, *point)}h0"/>' for point in line.points]
        if line.name:
            x, y = line.points[0]
            tags.append(
                (
                    across.place(x) + 2,
                    100 - up.place(y),
                    {"l1": "c1", "l2": "c2", "l3": "c3"}.get(line.kind, "ci"),
                    line.name,
                )
            )
    words = "".join(
        f'<span class="tag {kind}" style="{_beside(left)};top:{top:.2f}%;transform:translateY(-20%)">{text(name)}</span>'
        for left, top, kind, name in _apart(tags)
    )
    for place, name in marks:
        side = (
            f"right:{101 - across.place(place):.2f}%"
            if across.place(place) > 50
            else f"left:{across.place(place) + 1:.2f}%"
        )
        words += f'<span class="tag ci" style="{side};top:88%">{text(name)}</span>' if name else ""
    steps = across.ticks() if across_ticks is None else across_ticks
    below = "".join(
        f'<span class="x{" end" if across.place(tick) > 97 and across.percent else ""}" style="left:{across.place(tick):.2f}%">'
        f"{across.tick_words(tick)}</span>"
        for tick in steps
    )
    beside = "".join(
        f'<span class="y" style="top:{100 - up.place(tick):.2f}%">{up.tick_words(tick)}</span>' for tick in up.ticks()
    )
    name = f'<span class="xl">{text(across_name)}</span>' if across_name else ""
    return (
        f'<div class="plot" style="--h:{height}"><svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(label)}">{grid}{shapes}{now}{"".join(drawn)}</svg>{below}{beside}{words}{name}</div>'
    )


def _beside(left: float) -> str:
    """Where a name stands: right of its point, or left of it where it would run out of the plot."""
    return f"left:{left:.2f}%" if left <= 55 else f"right:{104 - left:.2f}%"


def _point(across: Scale, up: Scale, x: float, y: float) -> str:
    return f"{across.place(x):.2f} {100 - up.place(y):.2f}"


def _apart(tags: Sequence[tuple[float, float, str, str]]) -> list[tuple[float, float, str, str]]:
    """Names that would overprint stand below each other; one for which there is no room is left out."""
    kept: list[tuple[float, float, str, str]] = []
    for left, top, kind, name in tags:
        place = min(max(top, 0.0), 92.0)
        while any(abs(place - other[1]) < 9 for other in kept) and place < 92:
            place += 3
        if not any(abs(place - other[1]) < 9 for other in kept):
            kept.append((left, place, kind, name))
    return kept


def histogram(values: Sequence[float], label: str, bins: int = 24) -> str:
    """How many values there are of each size, as bars."""
    found = np.asarray(values, dtype=np.float64)
    counts, edges = np.histogram(found, bins=min(bins, max(1, len(np.unique(found)))))
    top = max(int(counts.max()), 1)
    bars = "".join(f'<i style="height:{100 * count / top:.1f}%"></i>' for count in counts.tolist())
    scale = (
        Scale(float(edges[0]), float(edges[-1]))
        if edges[-1] > edges[0]
        else Scale(float(edges[0]) - 1, float(edges[0]) + 1)
    )
    ticks = "".join(
        f'<span style="left:{scale.place(tick):.2f}%">{scale.tick_words(tick)}</span>'
        for tick in scale.ticks(5)
        if 3 < scale.place(tick) < 97
    )
    return (
        f'<div class="hist" role="img" aria-label="{text(label)}">{bars}</div>'
        f'<div class="histx" aria-hidden="true">{ticks}</div>'
    )


def long_tailed(title: str, plural: str, counts: np.ndarray) -> str:
    """A heading, a sentence and a histogram of counts of which few are very large: those above 99 of 100 are told in words.

    Args:
        title: what is counted, as the heading
        plural: what has these counts
        counts: whole numbers
    """
    most = int(np.quantile(counts, 0.99))
    none, beyond = int((counts == 0).sum()), int((counts > most).sum())
    words = f"{np.median(counts):,.0f} in the middle, {counts.mean():,.1f} on average."
    words += f" {count_of(none, plural)} with none." if none else ""
    if beyond:
        words += (
            f" Not drawn: {count_of(beyond, plural)} with more than {most:,}; the largest number is {counts.max():,}."
        )
    return f"<h3>{text(title)}</h3><p>{words}</p>{histogram(counts[counts <= most].tolist(), title)}"


def heat(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], label: str) -> str:
    """A small table of weights: blue above 0, pink below, the stronger the further from 0."""
    top = max((abs(value) for _, values in rows for value in values), default=0.0) or 1.0
    head = "".join(f"<th scope=col>{text(name)}</th>" for name in names)
    lines = "".join(
        f"<tr><th scope=row>{text(name)}</th>"
        + "".join(
            f'<td class="{"p" if value >= 0 else "m"}" style="--a:{abs(value) / top:.2f}">{as_number(round(value, 2) + 0.0)}</td>'
            for value in values
        )
        + "</tr>"
        for name, values in rows
    )
    return (
        f'<div class="heat" tabindex="0" role="region" aria-label="{text(label)}"><table><thead><tr>'
        f'<td style="background:none"></td>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


# 5: the network


@dataclass(frozen=True)
class Step:
    """A step of the network: what it does, how often it stands there, what it gives, sees and learns.

    Attributes:
        part: of all numbers that are learnt, from 0 to 1
        more: HTML below the words, folded or not
    """

    title: str
    words: str
    gives: str = ""
    sees: str = ""
    learns: str = ""
    times: str = ""
    part: float = 0.0
    more: str = ""


def flow(steps: Sequence[Step]) -> str:
    """The network, step by step."""
    items = []
    for step in steps:
        times = f'<span class="times">{text(step.times)}</span>' if step.times else ""
        pairs_ = [("gives", step.gives), ("sees", step.sees), ("learns", step.learns or "nothing")]
        listed = "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in pairs_ if value)
        part = (
            f'<div class="part" role="presentation"><i style="width:{100 * step.part:.1f}%"></i></div>'
            if step.part
            else ""
        )
        items.append(
            f'<li><div class="step"><div><h3>{text(step.title)}{times}</h3><p>{text(step.words)}</p>{step.more}</div>'
            f'<div class="side"><dl>{listed}</dl>{part}</div></div></li>'
        )
    return f'<ol class="flow">{"".join(items)}</ol>'


def sees(inside: str) -> str:
    """A frame for the receptive field on an example; it scrolls where the example is wider than the page."""
    return f'<div class="sees" tabindex="0" role="region" aria-label="How far it sees">{inside}</div>'


def folded(summary: str, inside: str) -> str:
    """HTML that is shown when asked for."""
    return f"<details><summary>{text(summary)}</summary>{inside}</details>"


def tiles(items: Sequence[tuple[str, str]], size: str = "") -> str:
    """Small pictures with a word below each; `size` is empty, `big` or `wide`. A picture whose description is that word has none
    of its own, so that nobody hears it twice."""
    listed = (f"<li>{picture.replace(_alt(words), _alt(''))}{text(words)}</li>" for picture, words in items)
    return f'<ul class="tiles {size}">{"".join(listed)}</ul>'


def _alt(words: str) -> str:
    return f'alt="{text(words)}"'


def image(
    pixels: np.ndarray,
    words: str,
    most: int = 512,
    smooth: bool = False,
    quality: int | None = None,
    palette: np.ndarray | None = None,
) -> str:
    """An array of uint8, (height, width) or (height, width, 3), as an `img` element that holds its own file.

    Args:
        words: what it shows, for those who cannot see it
        most: longest side in pixels; a larger one is made smaller
        smooth: whether the browser may smooth it; small pictures show their pixels
        quality: of a JPEG, which is smaller for photographs; None: PNG
        palette: (colours, 3) of uint8: `pixels` are (height, width) numbers of colours, of which 0 is transparent
    """
    import PIL.Image

    buffer = io.BytesIO()
    picture = PIL.Image.fromarray(pixels)
    if max(picture.size) > most:
        picture.thumbnail((most, most))
    if palette is not None:
        picture.putpalette(palette.tobytes())
        picture.save(buffer, "PNG", optimize=True, transparency=0)
    elif quality is None:
        picture.save(buffer, "PNG", optimize=True)
    else:
        picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    data = base64.b64encode(buffer.getvalue()).decode()
    kind = "png" if quality is None else "jpeg"
    return (
        f'<img class="{"" if smooth else "pixels"}" width="{picture.width}" height="{picture.height}" alt="{text(words)}" '
        f'src="data:image/{kind};base64,{data}">'
    )


def grey(values: np.ndarray, around_zero: bool = True) -> np.ndarray:
    """Numbers as grey levels; with `around_zero`, 0 is the middle grey."""
    if around_zero:
        span = np.abs(values).max() or 1.0
        return np.uint8(127.5 + 127.5 * values / span)
    span = values.max() - values.min() or 1.0
    return np.uint8(255 * (values - values.min()) / span)


_WARM = ((14, 18, 24), (68, 26, 112), (178, 52, 120), (250, 132, 96), (252, 253, 191))


def warm(values: np.ndarray) -> np.ndarray:
    """Numbers as colours, (…, 3) uint8, from the colour of night over red to a pale yellow, ever brighter."""
    span = float(values.max() - values.min()) or 1.0
    part = (values - values.min()) / span
    steps = np.linspace(0, 1, len(_WARM))
    return np.stack([np.interp(part, steps, channel) for channel in zip(*_WARM, strict=True)], axis=-1).astype(np.uint8)


# 6 and 7: the data, and how to run it again


def pairs(items: Sequence[tuple[str, str]]) -> str:
    """A list of terms and what they are (HTML)."""
    return f'<dl class="pairs">{"".join(f"<dt>{text(name)}</dt><dd>{value}</dd>" for name, value in items)}</dl>'


def stack(parts: Sequence[tuple[str, int]]) -> str:
    """Up to three numbers as one divided bar, with a key."""
    bar = "".join(f'<i class="s{at}" style="flex:{number}"></i>' for at, (_, number) in enumerate(parts, 1))
    shades = ("1", ".55", ".28")
    signs = [
        (swatch(f"background:var(--net);opacity:{shades[at]}"), f"{name}: {number:,}")
        for at, (name, number) in enumerate(parts)
    ]
    return f'<div class="stack" aria-hidden="true">{bar}</div>{key(signs)}'


def command(words: str) -> str:
    """A command with a button that copies it."""
    return f'<div class="cmd"><pre><code>{text(words)}</code></pre><button type="button">Copy</button></div>'


def files(items: Sequence[tuple[str, str]]) -> str:
    """Links to files beside the page, with what each holds."""
    return (
        '<ul class="files">'
        + "".join(
            f'<li><a href="{text(name)}"><b>{text(name)}</b><small>{text(words)}</small></a></li>'
            for name, words in items
        )
        + "</ul>"
    )


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a part of `count` (Wilson 1927, doi:10.1080/01621459.1927.10502953); it stays inside 0 and 1."""
    if count == 0:
        return 0.0, 1.0
    z, part = 1.959964, right / count
    middle = (part + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(part * (1 - part) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def hardest(
    names: Sequence[str | None], mistakes: Sequence[float], plural: str = "groups", most: int = 8
) -> dict[str, list[int]]:
    """The positions of the examples of each group: those with the most mistakes on average, then all others together, counted.

    Empty where hardly any group has two examples, or there is one group only.

    Args:
        names: the group of each example; None: of no group
        mistakes: of each example, 0 for none
        plural: what the groups are called
        most: number of groups that have a row of their own
    """
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if name is not None:
            groups.setdefault(str(name), []).append(place)
    if len(groups) < 2 or sum(map(len, groups.values())) < 2 * len(groups):
        return {}
    mean = {name: sum(mistakes[place] for place in places) / len(places) for name, places in groups.items()}
    order = sorted(groups, key=lambda name: (-mean[name], -len(groups[name]), name))
    # A row for a single other group would be no shorter than its own.
    own = order if len(order) <= most + 1 else order[:most]
    found = {name: groups[name] for name in own}
    rest = order[len(own) :]
    if rest:
        found[f"the other {len(rest):,} {plural}"] = sorted(place for name in rest for place in groups[name])
    return found


def class_rows(labels: Sequence[str], counts: Mapping[str, tuple[int, int, int]]) -> list[list[Cell]]:
    """Rows of each class: how many, found (recall) with its interval, right when said (precision), F1.

    Args:
        labels: of the classes
        counts: by class: right answers, all answers, true examples
    """
    rows: list[list[Cell]] = []
    for label in labels:
        hits, answers, true = counts[label]
        found = hits / true if true else math.nan
        low, high = wilson(hits, true) if true else (None, None)
        rows.append(
            [
                label,
                f"{true:,}",
                as_percent(found) if true else "–",
                Track(found, low, high),
                as_percent(hits / answers) if answers else "–",
                f"{2 * hits / (answers + true):.3f}" if answers + true else "–",
            ]
        )
    return rows


CLASS_COLUMNS = (
    Column("class"),
    Column("test examples", "n"),
    Column("found", "n"),
    Column("interval", "w40"),
    Column("right when said", "n"),
    Column("F1", "n"),
)
"""The columns of `class_rows`."""


def bands(values: Sequence[float], count: int = 5, unit: str = "") -> dict[str, list[int]]:
    """The positions of the values in about `count` parts of the same size, by their bounds in words: `up to 8 words`.

    Equal values stay together; there are fewer parts where the values are few or alike.
    """
    found = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(found)
    if not finite.any():
        return {}
    whole = bool((found[finite] == np.round(found[finite])).all())
    cuts = np.unique(np.quantile(found[finite], np.linspace(0, 1, count + 1)[1:-1], method="lower"))
    edges = [-math.inf, *cuts.tolist(), math.inf]
    more = f" {unit}" if unit else ""
    groups: dict[str, list[int]] = {}
    for low, high in itertools.pairwise(edges):
        inside = np.flatnonzero(finite & (found > low) & (found <= high))
        if not len(inside):
            continue
        least, most = float(found[inside].min()), float(found[inside].max())
        first, last = (f"{end:,.0f}" if whole else as_number(end) for end in (least, most))
        name = f"{first}{more}" if first == last else f"{first} to {last}{more}"
        groups[name] = inside.tolist()
    return groups
