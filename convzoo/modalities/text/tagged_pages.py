"""What a page shows of found entities: sentences with right, missed and wrong ones, scores by type and by known names."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convzoo.core.outputs.spans import Span
from convzoo.core.pages import Material, Pages, Panel, Section, Slices
from convzoo.core.task import Task
from convzoo.metrics.entities import name_of
from convzoo.modalities.text.tagged import TaggedText
from convzoo.report import kit
from convzoo.tasks.entities import Entities

Row = Mapping[str, Any]
Outcome = tuple[set[Span], set[Span], set[Span]]

LONGEST = 90
"""Tokens of a text that a card shows."""
FREQUENT = 10


class TaggedPages(Pages):
    """Texts with their entities marked."""

    plural = "texts"
    card_size = "wide"

    def picture(self, example: TaggedText) -> str:
        return f'<p class="words">{kit.text(example.text[:600])}</p>'

    def title(self, task: Task, material: Material, count: int) -> str:
        if not isinstance(task, Entities):
            return ""
        names = ", ".join(task.labels) if len(task.labels) <= 6 else f"{len(task.labels)} types of entities"
        return f"Where are names, and of what? {names}, in {kit.count_of(count, self.plural)}"

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, Entities):
            return ""
        signs = [
            (_mark("name", "TYPE", "ok"), "found, as it is true"),
            (_mark("name", "TYPE", "miss"), "true, but not found so"),
            (_mark("name", "TYPE", "no"), "said, but not true so"),
        ]
        return f"<p>Test texts with the entities that are true and those that the network found.</p>{kit.key(signs)}"

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Surest wrong entities, texts with the most mistakes, missed entities, right ones; without labels what was found."""
        if not isinstance(task, Entities):
            return []
        rows = _labelled(material)
        if not rows:
            chosen = [row for row in material.predictions if row["entities"]][: kit.MISTAKES]
            cards = [kit.card(_quoted(material, row), kit.source("", str(row["source"]))) for row in chosen]
            return [Panel("Found", "What was found; nobody has said what is true.", kit.cards(cards, "wide"))]
        parts = {id(row): _outcome(material, row) for row in rows}

        def surest(row: Row) -> float:
            chances = _spans(material, row, "entities")
            return max((chances[span] for span in parts[id(row)][1]), default=0.0)

        wrong = sorted((row for row in rows if parts[id(row)][1]), key=lambda row: -surest(row))[: kit.MISTAKES]
        worst = sorted(rows, key=lambda row: -(len(parts[id(row)][1]) + len(parts[id(row)][2])))[: kit.MISTAKES]
        missed = [row for row in rows if parts[id(row)][2] and not parts[id(row)][1]][: kit.MISTAKES]
        right = sorted(
            (row for row in rows if parts[id(row)][0] and not parts[id(row)][1] and not parts[id(row)][2]),
            key=lambda row: -len(parts[id(row)][0]),
        )[: kit.MISTAKES]
        worst = [row for row in worst if parts[id(row)][1] or parts[id(row)][2]]
        several = [
            (
                "Surest mistakes",
                wrong,
                "Texts with a wrong entity, the surest first. A sure mistake is often a wrong label.",
            ),
            ("Most mistakes", worst, "Texts with the most wrong and missed entities."),
            ("Missed", missed, "Texts in which something was not found, and nothing was wrong."),
            ("Right", right, "Texts in which all is right; those with the most entities first."),
        ]
        return [
            Panel(name, about, kit.cards([_card(material, row, parts[id(row)]) for row in chosen], "wide"))
            for name, chosen, about in several
            if chosen
        ]

    def cases(self, task: Task, material: Material) -> list[float]:
        """F1 of each text."""
        found = []
        for row in _labelled(material):
            hits, wrong, missed = map(len, _outcome(material, row))
            found.append(2 * hits / (2 * hits + wrong + missed) if hits + wrong + missed else 1.0)
        return found

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By the length of the text."""
        lengths = [len(material.examples[int(row["index"])].places) for row in material.predictions]
        about = "Tokens of a text, in parts of about the same size."
        return [Slices("length", about, kit.bands(lengths, 4, "tokens"))]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """F1 by type, by seen and unseen names, by the length of the name, of the text; what is taken for what."""
        rows = _labelled(material)
        if not isinstance(task, Entities) or not rows:
            return []
        triples = [(row, _outcome(material, row)) for row in rows]
        by_type = {
            label: _counts(triples, lambda row, span, label=label: span.label == label)  # type: ignore[misc]
            for label in task.labels
        }
        types = kit.table(
            (kit.Column("type"), kit.Column("true entities", "n"), *kit.CLASS_COLUMNS[2:]),
            kit.class_rows([label for label in task.labels if any(by_type[label])], by_type),
            "<b>By type.</b> An entity counts as found only if its first and last token and its type are right.",
        )

        def seen(row: Row, span: Span) -> bool:
            return name_of(material.examples[int(row["index"])].written(span)) in task.known

        sizes = {"1 token": (1, 1), "2 tokens": (2, 2), "3 tokens": (3, 3), "4 and more tokens": (4, 10**9)}
        groups = {
            "names that training has": _counts(triples, seen),
            "names that training lacks": _counts(triples, lambda row, span: not seen(row, span)),
        } | {
            name: _counts(triples, lambda row, span, low=low, high=high: low <= span.end - span.start <= high)  # type: ignore[misc]
            for name, (low, high) in sizes.items()
        }
        names = kit.table(
            (kit.Column("entities"), kit.Column("true entities", "n"), *kit.CLASS_COLUMNS[2:]),
            kit.class_rows([name for name, counts in groups.items() if any(counts)], groups),
            "<b>By name.</b> Whether training has the very name, in any text; and how long it is.",
        )
        lengths = {
            name: _counts([triples[at] for at in places if at < len(triples)], lambda row, span: True)
            for name, places in kit.bands(
                [len(material.examples[int(row["index"])].places) for row in rows], 4, "tokens"
            ).items()
        }
        by_length = kit.table(
            (kit.Column("texts of"), kit.Column("true entities", "n"), *kit.CLASS_COLUMNS[2:]),
            kit.class_rows([name for name, counts in lengths.items() if any(counts)], lengths),
            "<b>By the length of the text.</b>",
        )
        whole = kit.key(kit.TRACK_KEY[:1]) + types + names + (by_length if len(lengths) > 1 else "")
        return [Section("", whole), Section("What goes wrong", _kinds(material, triples))]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The tokens of a real text that one tag sees."""
        if not sees or len(sees) != 1 or not len(material.examples):
            return ""
        few = [material.examples[at] for at in range(min(200, len(material.examples)))]
        tokens = sorted((example.tokens for example in few), key=len)[len(few) // 2][:LONGEST]
        middle, half = len(tokens) // 2, sees[0] // 2
        marked = "".join(
            f'<span class="{"in" if abs(at - middle) <= half else ""}">{kit.text(token)}</span>'
            for at, token in enumerate(tokens)
        )
        about = (
            f"A test text of middle length. The tag of “{kit.text(tokens[middle]) if tokens else ''}” depends on the "
            f"{kit.count_of(min(sees[0], len(tokens)), 'marked tokens')}, and through the chain of tags on its neighbours' tags."
        )
        return kit.sees(f'<div class="tokens">{marked}</div><p class="small">{about}</p>')

    def data(self, material: Material) -> str:
        """How long texts are, and the most frequent names."""
        lengths = [len(example.places) for example in material.examples]
        if not lengths:
            return ""
        names: Counter[tuple[str, str]] = Counter(
            (name_of(example.written(span)), span.label) for example in material.examples for span in example.spans
        )
        drawn = kit.histogram(lengths, "Lengths of the test texts, in tokens") if min(lengths) < max(lengths) else ""
        known: set[str] = getattr(material.encoder, "known", set())
        lines: list[list[kit.Cell]] = [
            [name, label, f"{count:,}", "yes" if name in known else "no"]
            for (name, label), count in names.most_common(FREQUENT)
        ]
        columns = [kit.Column("name"), kit.Column("type"), kit.Column("times", "n"), kit.Column("in training")]
        about = f"<b>The most frequent of {len(names):,} names</b> of the test texts."
        return f"<h3>Lengths</h3>{drawn}" + (kit.table(columns, lines, about) if lines else "")


def _labelled(material: Material) -> list[Row]:
    """The rows whose true entities are known."""
    return [row for row in material.predictions if isinstance(row.get("true_entities"), list)]


def _spans(material: Material, row: Row, column: str) -> dict[Span, float]:
    """The entities of a row in tokens, with their probabilities (0 without)."""
    example: TaggedText = material.examples[int(row["index"])]
    entities = row[column] or ()
    chances = [float(each.get("probability", 0)) for each in entities]
    return dict(zip(example.spans_at(entities), chances, strict=True))


def _outcome(material: Material, row: Row) -> Outcome:
    """The entities that are right, that are wrong, and that were not found."""
    ours, true = set(_spans(material, row, "entities")), set(_spans(material, row, "true_entities"))
    return ours & true, ours - true, true - ours


def _counts(triples: Sequence[tuple[Row, Outcome]], wanted: Callable[[Row, Span], bool]) -> tuple[int, int, int]:
    """Hits, found and true ones of the entities that are wanted."""
    hits = ours = true = 0
    for row, parts in triples:
        right, wrong, missed = (sum(wanted(row, span) for span in part) for part in parts)
        hits, ours, true = hits + right, ours + right + wrong, true + right + missed
    return hits, ours, true


def _mark(words: str, label: str, kind: str) -> str:
    return f'<mark class="ent {kind}">{kit.text(words)}<small>{kit.text(label)}</small></mark>'


def _marked(example: TaggedText, spans: Sequence[tuple[Span, str]]) -> str:
    """A text as HTML with marked entities, which do not overlap; of a long text the part around them."""
    ordered = sorted(spans)
    first = max(min((span.start for span, _ in ordered), default=0) - LONGEST // 3, 0)
    if len(example.places) <= LONGEST:
        first = 0
    last = min(first + LONGEST, len(example.places))
    if not example.places:
        return kit.text(example.text[:200])
    at, found = example.places[first][0], "… " if first else ""
    for span, kind in ordered:
        if span.start < first or span.end > last:
            continue
        start, end = example.places[span.start][0], example.places[span.end - 1][1]
        found += kit.text(example.text[at:start]) + _mark(example.text[start:end], span.label, kind)
        at = end
    return (
        found + kit.text(example.text[at : example.places[last - 1][1]]) + (" …" if last < len(example.places) else "")
    )


def _quoted(material: Material, row: Row) -> str:
    example = material.examples[int(row["index"])]
    marked = _marked(example, [(span, "ok") for span in _spans(material, row, "entities")])
    return f'<div class="body quote"><p class="words">{marked}</p></div>'


def _card(material: Material, row: Row, parts: Outcome) -> str:
    """A text twice where they differ: as it is true, and as the network says."""
    example = material.examples[int(row["index"])]
    right, wrong, missed = parts
    chances = _spans(material, row, "entities")
    said = _marked(example, [(span, "ok") for span in right] + [(span, "no") for span in wrong])
    if not wrong and not missed:
        body = kit.said(True, f"{len(right)} found") + f'<p class="words">{said}</p>'
    else:
        true = _marked(example, [(span, "ok") for span in right] + [(span, "miss") for span in missed])
        words = ", ".join(f"{len(part)} {name}" for part, name in ((wrong, "wrong"), (missed, "missed")) if part)
        body = kit.said(False, words) + kit.pairs(
            [("said", f'<span class="words">{said}</span>'), ("true", f'<span class="words">{true}</span>')]
        )
    sure = max((chances[span] for span in wrong), default=None)
    more = "" if sure is None else f"{kit.as_percent(sure)} sure"
    return kit.card("", body + kit.source(more, str(row["source"])))


def _kinds(material: Material, triples: Sequence[tuple[Row, Outcome]]) -> str:
    """How often only the border, only the type or both are wrong, and which types are taken for which."""
    kinds: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    for _, (_, wrong, missed) in triples:
        left = set(missed)
        for span in sorted(wrong):
            over = [true for true in left if true.start < span.end and span.start < true.end]
            if not over:
                kinds["said where nothing is"] += 1
                continue
            true = max(over, key=lambda each: min(each.end, span.end) - max(each.start, span.start))
            left.discard(true)
            same = true[:2] == span[:2]
            kinds[
                "the type is wrong"
                if same
                else "the border is wrong"
                if true.label == span.label
                else "border and type are wrong"
            ] += 1
            if true.label != span.label:
                taken[true.label, span.label] += 1
        kinds["not found at all"] += len(left)
    whole = sum(kinds.values())
    if not whole:
        return "<p>Nothing: all entities are found, and no other.</p>"
    lines: list[list[kit.Cell]] = [
        [name, f"{count:,}", kit.as_percent(count / whole)] for name, count in kinds.most_common() if count
    ]
    parts = [
        kit.table(
            [kit.Column("mistake"), kit.Column("times", "n"), kit.Column("part of all", "n")],
            lines,
            f"<b>{whole:,} mistakes.</b>",
        )
    ]
    if taken:
        swaps: list[list[kit.Cell]] = [
            [true, said, f"{count:,}"] for (true, said), count in taken.most_common(FREQUENT)
        ]
        parts.append(
            kit.table(
                [kit.Column("true"), kit.Column("said"), kit.Column("times", "n")],
                swaps,
                "<b>Types taken for others.</b>",
            )
        )
    return kit.columns(parts) if len(parts) > 1 else parts[0]
