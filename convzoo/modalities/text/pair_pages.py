"""What a page shows of a translator: worst, typical and best sentences with its attention, scores by length and by rare words."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import ShowsAttention, TokenWriter
from convzoo.core.outputs.translations import BEGIN, UNKNOWN
from convzoo.core.pages import Material, Pages, Panel, Section, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import detectors, feature_maps, first_convolutions
from convzoo.layers.gated import GatedConvolution
from convzoo.modalities.text.pair import Pair
from convzoo.report import kit
from convzoo.tasks.translation import Translation

Row = Mapping[str, Any]

OTHERS = 6
"""Typical, and best, sentences."""
SCORED = 10_000
"""Sentences whose own score is computed, at most."""
LONGEST = 18
"""Tokens of a source, and of what was written, whose attention is drawn."""
GROUPS = 5
"""Groups of about equal size by length."""
LONG_TEXT = 700
"""Characters of a sentence that are shown."""


@dataclass(frozen=True)
class Scored:
    """The test sentences with a true translation.

    Attributes:
        rows: of `predictions.csv`; of many, evenly spaced ones
        chrf: of each sentence, from 0 to 1
        every: number of all such rows
    """

    rows: list[Row]
    chrf: np.ndarray
    every: int


class PairPages(Pages):
    """Sentences and their translations."""

    plural = "sentence pairs"
    card_size = "wide"

    def __init__(self) -> None:
        self._last: tuple[Material, Scored] | None = None

    def picture(self, example: Pair) -> str:
        """The source as a quotation."""
        return f"<q>{_cut(example.text)}</q>"

    def title(self, task: Task, material: Material, count: int) -> str:
        return f"How is that said in the other language? {kit.count_of(count, self.plural)}"

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, Translation):
            return ""
        looked = (
            " The table of a card shows its attention. Down: the tokens that were written; across: the source tokens that it "
            "looked at meanwhile, the darker, the more; a dot marks the strongest. Where the dots leave the diagonal, words "
            "change places."
            if isinstance(material.model, ShowsAttention)
            else ""
        )
        signs = [(f"{_marked('m')}word{_END}", "said, but not so in the true translation"),
                 (f"{_marked('p')}word{_END}", "true, but not said")]  # fmt: skip
        return f"<p>What the network wrote beside the true translation.{looked}</p>{kit.key(signs)}"

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """The worst, typical and best sentences by chrF; without true translations those that it was least sure of."""
        if not isinstance(task, Translation):
            return []
        scored = self._scored(task, material)
        if not scored.rows:
            rows = sorted(material.predictions, key=lambda row: float(row.get("score") or 0.0))[: kit.MISTAKES]
            about = "Nobody has given the true translations. The lowest score, the log-probability of a token, first."
            drawn = _attentions(task, material, rows)
            cards = [_card(task, material, row, None, drawn.get(int(row["index"]), "")) for row in rows]
            return [
                Panel("Least sure", f"{about} {_shown(len(rows), len(material.predictions))}", kit.cards(cards, "wide"))
            ]
        lengths = [len(str(row["translation"])) for row in scored.rows]
        order = sorted(range(len(scored.rows)), key=lambda at: (scored.chrf[at], -lengths[at]))
        middle = float(np.median(scored.chrf))
        # Among sentences that are fully right the longest says most.
        best = sorted(order, key=lambda at: (-scored.chrf[at], -lengths[at]))[:OTHERS]
        worst = [at for at in order if at not in best][: kit.MISTAKES]
        left = [at for at in order if at not in best and at not in worst]
        typical = sorted(left, key=lambda at: (abs(scored.chrf[at] - middle), -lengths[at]))[:OTHERS]
        several = [
            ("Worst", worst, "The lowest chrF of the sentence first. A sentence with other words may still be right."),
            ("Typical", typical, f"The nearest to the median, a chrF of {100 * middle:.0f}."),
            ("Best", best, "The highest chrF; of equal ones the longest first."),
        ]
        drawn = _attentions(task, material, [scored.rows[at] for _, chosen, _ in several for at in chosen])
        panels = []
        for name, chosen, about in several:
            if chosen:
                rows = [scored.rows[at] for at in chosen]
                cards = [
                    _card(task, material, row, float(scored.chrf[at]), drawn.get(int(row["index"]), ""))
                    for at, row in zip(chosen, rows, strict=True)
                ]
                panels.append(Panel(name, f"{about} {_shown(len(cards), scored.every)}", kit.cards(cards, "wide")))
        return panels

    def cases(self, task: Task, material: Material) -> list[float]:
        """BLEU of each sentence."""
        if not isinstance(task, Translation):
            return []
        from convzoo.metrics.translation import sentence_bleu

        rows = self._scored(task, material).rows
        written, true = ([str(row[name]) for row in rows] for name in ("translation", "true_translation"))
        return sentence_bleu(written, true, task.lower)

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By the length of the source, and by its rarest word."""
        if not isinstance(task, Translation) or not len(material.predictions):
            return []
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        lengths = np.array([len(task.words(example.text)) for example in examples])
        names = _groups(lengths, GROUPS)
        found = [Slices("length", "Words of the source, the shortest first.", _named(names, "words"))]
        encoder: Any = material.encoder
        numbers = [encoder.prepare(example)[0] for example in examples]
        if encoder.units == "subwords":
            pieces = np.array([len(each) - 1 for each in numbers]) / np.maximum(lengths, 1)
            about = "Pieces into which a word of the source falls, as a mean: rare words fall into more."
            return [*found, Slices("pieces a word", about, _named(_groups(np.round(pieces, 1), 4), "pieces"))]
        ranks = np.array([int(each[:-1].max(initial=0)) for each in numbers])
        strange = np.array([bool((each[:-1] == UNKNOWN).any()) for each in numbers])
        known = np.flatnonzero(~strange)
        groups = {
            f"its place {name}": [int(known[at]) for at in places] for name, places in _groups(ranks[known], 4).items()
        }
        if strange.any():
            groups["a word that training lacks"] = np.flatnonzero(strange).tolist()
        about = (
            f"The rarest word of the source: its place among the {len(encoder.source.tokens):,} tokens of the vocabulary, which "
            "begins with the most frequent ones."
        )
        return [*found, Slices("rarest word", about, groups)]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Empty where the test split has no translations."""
        if not isinstance(task, Translation):
            return []
        scored = self._scored(task, material)
        if not scored.rows:
            return []
        from convzoo.metrics.translation import signatures

        place = {id(row): at for at, row in enumerate(scored.rows)}
        tables = []
        for division in self.slices(task, material):
            lines = []
            for name, places in division.groups.items():
                chosen = [place[id(material.predictions[at])] for at in places if id(material.predictions[at]) in place]
                if chosen:
                    lines.append([name, *_line(task, scored, chosen)])
            if len(lines) > 1:
                columns = [kit.Column(division.title), *_COLUMNS]
                tables.append(
                    kit.table(columns, lines, f"<b>By {kit.text(division.title)}.</b> {kit.text(division.about)}")
                )
        marks = "".join(f"<br>{kit.code(f'{name}: {words}')}" for name, words in signatures(task.lower).items())
        if scored.every > len(scored.rows):
            marks += f"<br>Of {scored.every:,} sentences {len(scored.rows):,}, evenly spaced, were scored one by one."
        whole = kit.table(
            [kit.Column("sentences"), *_COLUMNS], [["all", *_line(task, scored, range(len(scored.rows)))]],
            "<b>All.</b> chrF is the mean over the sentences, with the 95 % interval of that mean; BLEU is that of all together.",
        )  # fmt: skip
        return [
            Section("", kit.key(kit.TRACK_KEY[:1]) + whole + "".join(tables)),
            Section("Which words go wrong", _words(task, scored)),
            Section("How it is scored", f"<p>By sacreBLEU, with these settings:{marks}</p>"),
        ]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The tokens of a real source that one output of the convolutions sees."""
        if not sees or len(sees) != 1 or not len(material.examples):
            return ""
        encoder: Any = material.encoder
        width = int(sees[0])
        first = [material.examples[at] for at in range(min(200, len(material.examples)))]
        tokens = [encoder.tokenise(example.text, encoder.source) for example in first]
        usual = float(np.median([len(each) for each in tokens]))
        wanted = min(max(usual, width + 4), 40)
        there = [each for each in tokens if each]
        shown: list[str] = min(there, key=lambda each: abs(len(each) - wanted))[:60] if there else []
        if not shown:
            return ""
        begin = max((len(shown) - width) // 2, 0)
        marked = "".join(
            f'<span class="{"in" if begin <= at < begin + width else ""}">{kit.text(token)}</span>'
            for at, token in enumerate(shown)
        )
        more = " Attention then joins all tokens of the source, so nothing is out of its sight." if isinstance(
            material.model, ShowsAttention) else ""  # fmt: skip
        fits = "more than this source has" if width >= len(shown) else "the marked ones"
        about = (
            f"A real test source of {kit.count_of(len(shown), 'tokens')} (half of those looked at have {usual:.0f} or fewer). "
            f"The convolutions see up to {width:,} tokens in a row, {fits}.{more}"
        )
        return kit.sees(f'<div class="tokens">{marked}</div><p class="small">{about}</p>')

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Pair]) -> str:
        """The stretches of the sources to which each kernel responds most."""
        gated = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, GatedConvolution)]
        layers: list[tuple[str, Any]] = [*gated, *first_convolutions(model).items()]
        if not layers or not len(examples):
            return ""
        name, layer = layers[0]
        items = [encoder.prepare(example) for example in list(examples)[:400]]
        names = [encoder.input_names(item) or [] for item in items]
        maps = feature_maps(model, encoder.collate(items).inputs, layer)
        # A gated layer holds its convolution: it sees `history` tokens besides the current one.
        width, before = (layer.history + 1, layer.history // 2) if gated else (layer.kernel_size[0], 0)
        rows: list[list[kit.Cell]] = [
            [
                f"{width} tokens, no. {found.kernel}",
                " · ".join(f"<q>{kit.text(phrase)}</q>" for phrase, _ in found.phrases),
                kit.as_number(found.phrases[0][1]) if found.phrases else None,
            ]
            for found in detectors(name, maps, names, width, before=before)
        ]
        columns = [kit.Column("kernel"), kit.Column("answers most to", "html"), kit.Column("largest answer", "n")]
        gate = ", after its gate" if gated else ""
        about = (
            f"<b>What {kit.code(name)} looks for.</b> Of {maps.shape[1]:,} kernels the {len(rows)} whose answers vary most, with "
            f"the stretches of the test sources that each answers to most{gate}. A dot is padding."
        )
        return f"<h3>First-layer kernels</h3>{kit.table(columns, rows, about)}"

    def data(self, material: Material) -> str:
        """How long the test sentences are, and how much of them the vocabulary lacks."""
        examples = [material.examples[at] for at in range(min(SCORED, len(material.examples)))]
        if not examples:
            return ""
        encoder: Any = material.encoder
        items = [encoder.prepare(example) for example in examples]
        sources = [len(item[0]) - 1 for item in items]
        targets = [len(item[1]) for item in items if len(item[1])]
        parts = []
        for name, lengths in (("source", sources), ("translation", targets)):
            if lengths:
                about = f"{min(lengths):,} to {max(lengths):,} tokens, half of the sentences {np.median(lengths):,.0f} or fewer."
                drawn = kit.histogram(lengths, f"Lengths: {name}, in tokens") if min(lengths) < max(lengths) else ""
                parts.append(f"<h3>Length: {name}</h3><p>{about}</p>{drawn}")
        tokens = sum(sources)
        unknown = sum(int((item[0][:-1] == UNKNOWN).sum()) for item in items)
        lacks = "none is unknown" if not unknown else f"{unknown:,} are unknown ({kit.as_percent(unknown / tokens)})"
        looked = (
            "" if len(examples) == len(material.examples) else f" Looked at were the first {len(examples):,} sentences."
        )
        vocabularies = f"{len(encoder.source.tokens):,} tokens for both languages" if encoder.joint else (
            f"{len(encoder.source.tokens):,} tokens for sources, {len(encoder.target.tokens):,} for translations")  # fmt: skip
        return (
            kit.columns(parts)
            + f"<p>The vocabulary has {vocabularies}. Of the {tokens:,} tokens of the test sources {lacks}.{looked}</p>"
        )

    def _scored(self, task: Translation, material: Material) -> Scored:
        """Computed once for a page."""
        if self._last is None or self._last[0] is not material:
            self._last = (material, score(task, material))
        return self._last[1]


def score(task: Translation, material: Material, most: int = SCORED) -> Scored:
    """chrF of each test sentence that has a true translation."""
    from convzoo.metrics.translation import scorers

    rows = [row for row in material.predictions if str(row.get("true_translation") or "").strip()]
    every = len(rows)
    if every > most:
        rows = [rows[at] for at in np.linspace(0, every - 1, most).astype(int).tolist()]
    chrf = scorers(task.lower)[1]
    found = [chrf.sentence_score(str(row["translation"]), [str(row["true_translation"])]).score / 100 for row in rows]
    return Scored(rows, np.array(found), every)


_COLUMNS = (
    kit.Column("sentence pairs", "n"), kit.Column("chrF", "n"), kit.Column("interval", "w40"), kit.Column("BLEU", "n"),
    kit.Column("fully right", "n"),
)  # fmt: skip


def _line(task: Translation, scored: Scored, chosen: Sequence[int]) -> list[kit.Cell]:
    """chrF with its interval, BLEU, and the part of sentences that are as the true translation."""
    from convzoo.metrics.translation import scorers

    values = scored.chrf[list(chosen)]
    written = [str(scored.rows[at]["translation"]) for at in chosen]
    true = [str(scored.rows[at]["true_translation"]) for at in chosen]
    mean, count = float(values.mean()), len(values)
    half = 1.959964 * float(values.std(ddof=1)) / count**0.5 if count > 1 else None
    ends = (None, None) if half is None else (max(mean - half, 0.0), min(mean + half, 1.0))
    bleu = scorers(task.lower)[0].corpus_score(written, [true]).score
    same = sum(_alike(task, a) == _alike(task, b) for a, b in zip(written, true, strict=True))
    return [f"{count:,}", f"{100 * mean:.1f}", kit.Track(mean, *ends), f"{bleu:.1f}", kit.as_percent(same / count, 0)]


def _alike(task: Translation, text: str) -> str:
    text = " ".join(text.split())
    return text.lower() if task.lower else text


def _groups(values: np.ndarray, wanted: int) -> dict[str, list[int]]:
    """Positions by value, in about equal groups named `3 to 5`, from the lowest."""
    if not len(values):
        return {}
    edges = np.unique(np.quantile(values, np.linspace(0, 1, wanted + 1)[1:-1], method="nearest"))
    numbers = np.searchsorted(edges, values, side="left")
    found = {}
    for number in np.unique(numbers).tolist():
        places = np.flatnonzero(numbers == number)
        low, high = float(values[places].min()), float(values[places].max())
        found[f"{low:,.4g}" if low == high else f"{low:,.4g} to {high:,.4g}"] = places.tolist()
    return found


def _named(groups: Mapping[str, list[int]], unit: str) -> dict[str, list[int]]:
    return {f"{name} {unit}": places for name, places in groups.items()}


def _words(task: Translation, scored: Scored) -> str:
    """The words that are most often exchanged, left out and added."""
    swapped: Counter[tuple[str, str]] = Counter()
    missing: Counter[str] = Counter()
    added: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for row in scored.rows:
        true, written = (_pieces(str(row[name])) for name in ("true_translation", "translation"))
        there.update(_alike(task, word) for word in set(true))
        for kind, a, b, c, d in _differences(task, true, written):
            if kind == "replace" and b - a == d - c:
                swapped.update(zip((_alike(task, word) for word in true[a:b]), written[c:d], strict=True))
            missing.update(_alike(task, word) for word in true[a:b])
            added.update(_alike(task, word) for word in written[c:d])
    if not missing and not added:
        return "<p>None: every translation is the true one.</p>"
    parts = []
    if swapped:
        lines: list[list[kit.Cell]] = [[true, said, f"{n:,}"] for (true, said), n in swapped.most_common(kit.FREQUENT)]
        about = f"<b>Said in place of.</b> The {len(lines)} most frequent of {len(swapped):,} exchanges of one word for another."
        parts.append(kit.table([kit.Column("true"), kit.Column("said"), kit.Column("times", "n")], lines, about))
    if missing:
        lines = [[word, f"{n:,}", f"{there[word]:,}"] for word, n in missing.most_common(kit.FREQUENT)]
        about = f"<b>Not said where it is true.</b> The {len(lines)} most frequent of {len(missing):,} words."
        columns = [kit.Column("word"), kit.Column("times", "n"), kit.Column("sentences with it", "n")]
        parts.append(kit.table(columns, lines, about))
    return kit.columns(parts) if len(parts) > 1 else "".join(parts)


def _pieces(text: str) -> list[str]:
    """Words and single marks."""
    return re.findall(r"\w+|[^\w\s]", text)


def _differences(
    task: Translation, true: Sequence[str], written: Sequence[str]
) -> list[tuple[str, int, int, int, int]]:
    """What has to be changed to get from one to the other: kind, and the places in both."""
    first, second = ([_alike(task, word) for word in each] for each in (true, written))
    return [code for code in SequenceMatcher(None, first, second, autojunk=False).get_opcodes() if code[0] != "equal"]


_END = "</span>"


def _marked(kind: str) -> str:
    return f'<span class="w {kind} u" style="--a:.42">'


def _highlighted(text: str, marked: set[int], kind: str) -> str:
    """A text as HTML, some of its words (by number) marked."""
    found, number = [], 0
    for part in re.findall(r"\w+|[^\w\s]|\s+", text[:LONG_TEXT]):
        if part.isspace():
            found.append(" ")
            continue
        found.append(f"{_marked(kind)}{kit.text(part)}{_END}" if number in marked else kit.text(part))
        number += 1
    return "".join(found) + ("…" if len(text) > LONG_TEXT else "")


def _card(task: Translation, material: Material, row: Row, chrf: float | None, drawn: str) -> str:
    """A sentence: its attention, source, what was said, what is true."""
    example: Pair = material.examples[int(row["index"])]
    written, true = str(row["translation"]), str(row.get("true_translation") or "")
    lines = [("source", _cut(example.text))]
    right = None
    if chrf is None:
        lines.append(("said", _cut(written) or "(nothing)"))
    else:
        right = _alike(task, written) == _alike(task, true)
        changes = _differences(task, _pieces(true), _pieces(written))
        missing = {at for _, a, b, _, _ in changes for at in range(a, b)}
        added = {at for _, _, _, c, d in changes for at in range(c, d)}
        lines.append(("said", _highlighted(written, added, "m") or "(nothing)"))
        lines.append(("true", _highlighted(true, missing, "p")))
    words = "" if chrf is None else f"chrF {100 * chrf:.0f}"
    if right is False:
        words += f", {kit.count_of(len(missing | added), 'words')} not as in the true translation"
    head = "" if chrf is None else kit.said(right, words)
    place = str(row["source"])
    return kit.card(drawn, head + kit.pairs(lines) + (kit.source("", place).replace(" · ", "", 1) if place else ""))


def _attentions(task: Translation, material: Material, rows: Sequence[Row]) -> dict[int, str]:
    """For each row, by the position of its example: which source tokens were looked at while each token was written, as a small
    table; empty where the model does not say it."""
    encoder: Any = material.encoder
    model: Any = material.model.eval()
    if not rows or not isinstance(model, ShowsAttention) or not isinstance(model, TokenWriter):
        return {}
    items = [encoder.prepare(material.examples[int(row["index"])]) for row in rows]
    found = {}
    for row, item, hypotheses in zip(
        rows, items, task.search(material.model, encoder.collate(items).inputs["source"]), strict=True
    ):
        best = hypotheses[0].tokens
        with torch.no_grad():
            weights = model.attention(torch.from_numpy(item[0]).unsqueeze(0), torch.tensor([[BEGIN, *best]]))[0].numpy()
        names = [*(encoder.target.tokens[number] for number in best), "(end)"]
        tokens = [*encoder.tokenise(item[2].text, encoder.source)[: len(item[0]) - 1], "(end)"]
        found[int(row["index"])] = _attention(weights, names, tokens)
    return found


def _attention(weights: np.ndarray, names: Sequence[str], tokens: Sequence[str]) -> str:
    """Weights as a table of shades, (written, source); of long sentences the first tokens."""
    across = tokens[:LONGEST]
    head = "".join(f"<th scope=col>{kit.text(token)}</th>" for token in across)
    lines, spoken = [], []
    for name, row in zip(names[:LONGEST], weights[:LONGEST, : len(tokens)], strict=True):
        strongest = int(row.argmax())
        spoken.append(f"{name}: {tokens[strongest]}")
        cells = "".join(
            f'<td class="p" style="--a:{min(2 * weight, 1):.2f}">{"•" if at == strongest else ""}</td>'
            for at, weight in enumerate(row[: len(across)].tolist())
        )
        lines.append(f"<tr><th scope=row>{kit.text(name)}</th>{cells}</tr>")
    label = kit.text(f"Attention, the strongest of each written token: {'; '.join(spoken)}")
    cut = max(len(names), len(tokens)) > LONGEST
    note = f"The first {LONGEST} of {len(tokens):,} source and {len(names):,} written tokens." if cut else ""
    return (
        f'<div class="heat upright" tabindex="0" role="region" aria-label="{label}"><table>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        + (f'<p class="small">{note}</p>' if note else "")
        + "</div>"
    )


def _cut(text: str) -> str:
    return kit.text(text[:LONG_TEXT]) + ("…" if len(text) > LONG_TEXT else "")


def _shown(count: int, every: int) -> str:
    return "" if count >= every else f"{count:,} of {every:,} are shown."
