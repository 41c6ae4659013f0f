"""What a page shows of a recogniser of speech: recordings with the words that were heard, below the moments when they were said,
and which words go wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import HasContext
from convzoo.core.pages import Material, Pages, Panel, Section, Slices
from convzoo.core.task import Task
from convzoo.metrics.transcription import distance, edits
from convzoo.modalities.audio.pages import KERNELS, LONGEST, Shown, _clock, _drawn, _thinned, spectrogram
from convzoo.modalities.audio.transcribed import Utterance
from convzoo.modalities.audio.transcript_encoder import TranscribedAudioEncoder
from convzoo.models.quartznet1d import QuartzNet1d
from convzoo.report import kit
from convzoo.tasks.transcription import Transcription

Row = Mapping[str, Any]

OTHERS = 6
FREQUENT = 12
TOKENS = 6
"""Tokens whose probability is drawn below a spectrogram."""


class TranscriptPages(Pages):
    """Recordings of speech with their words."""

    plural = "recordings"
    card_size = "wide"

    def picture(self, example: Utterance) -> str:
        """A spectrogram and a player that holds its own file."""
        samples, rate = example.read()
        shown = Shown.of(samples, rate, None, rate / 2)
        said = f"<p>{kit.text(example.transcript)}</p>" if example.transcript else ""
        return f'<div class="pic">{shown.html()}</div><div class="under">{said}{shown.player()}</div>'

    def explained(self, task: Task, material: Material, row: Row) -> str:
        """The spectrogram with the words that were heard where they were heard."""
        example = material.examples[int(row["index"])]
        samples, rate = example.read()
        encoder = material.encoder
        top = rate / 2
        if isinstance(encoder, TranscribedAudioEncoder):
            top = min(rate, encoder.sample_rate) / 2
        shown = Shown.of(samples, rate, (0.0, LONGEST), top)
        words = [word for word in row.get("words") or [] if word["start"] < shown.scale.high]
        below = _heard(words, _right(row), shown.scale)
        return f'<div class="pic">{shown.html(below)}</div><div class="under">{shown.player()}</div>'

    def title(self, task: Task, material: Material, count: int) -> str:
        return f"What is said? {kit.count_of(count, self.plural)}" if isinstance(task, Transcription) else ""

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, Transcription):
            return ""
        signs = [
            (f"{_marked('p')}word{_END}", "true, but not heard so"),
            (f"{_marked('m')}word{_END}", "heard, but not true"),
        ]
        return (
            "<p>Each picture is a test recording: time to the right, low sounds below, high ones above, the brighter the louder. "
            "Below it stand the words that the network heard, each where it heard it: its output is a token or nothing every "
            "few hundredths of a second, and a word is where its tokens are most probable. It may come a little after its sound."
            f"</p>{kit.key(signs)}"
        )

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """The worst transcripts, those with one mistake, and right ones; without true ones those that it was least sure of."""
        if not isinstance(task, Transcription):
            return []
        rows = _known(material)
        if not rows:
            order = sorted(material.predictions, key=_sureness)[: kit.MISTAKES]
            cards = [self._card(task, material, row) for row in order]
            return [Panel("Least sure", "Nobody has said what is true.", kit.cards(cards, "wide"))]
        errors = {id(row): _errors(row) for row in rows}

        def rate(row: Row) -> float:
            return errors[id(row)] / max(1, len(str(row["true_transcript"]).split()))

        worst = sorted((row for row in rows if errors[id(row)] > 1), key=lambda row: -rate(row))[: kit.MISTAKES]
        single = sorted((row for row in rows if errors[id(row)] == 1), key=lambda row: -_sureness(row))[: kit.MISTAKES]
        right = sorted((row for row in rows if not errors[id(row)]), key=lambda row: -len(str(row["true_transcript"])))
        several = [
            ("Worst", worst, "The most wrong words for their length first."),
            (
                "One mistake",
                single,
                "One word is wrong, missing or too many; the surest first. It may be the transcript's fault.",
            ),
            ("Right", right[:OTHERS], "Every word is right; the longest first."),
        ]
        return [
            Panel(
                name,
                f"{about} {len(chosen):,} shown.",
                kit.cards([self._card(task, material, row) for row in chosen], "wide"),
            )
            for name, chosen, about in several
            if chosen
        ]

    def _card(self, task: Task, material: Material, row: Row) -> str:
        return kit.card(self.shown(task, material, row), _compared(row) + kit.source("", str(row["source"])))

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By group and by length."""
        examples = [material.examples[int(row["index"])] for row in material.predictions]
        mistakes = [float(_errors(row)) if row.get("true_transcript") else 0.0 for row in material.predictions]
        groups = kit.hardest([example.group for example in examples], mistakes, "speakers")
        lengths = [round(example.seconds(), 2) for example in examples]
        return [
            Slices(
                "speaker",
                "Recordings of one group, mostly a speaker, are all in one split. The hardest come first.",
                groups,
            ),
            Slices("length", "How long a recording is.", kit.bands(lengths, 4, "s")),
        ]

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Error rates by speaker and length, and the words that go wrong; empty without true transcripts."""
        if not isinstance(task, Transcription):
            return []
        rows = _known(material)
        if not rows:
            return []
        place = {id(row): at for at, row in enumerate(rows)}
        whole = kit.table([kit.Column("recordings"), *_COLUMNS], [["all", *_line(rows)]], "<b>All.</b>")
        tables = []
        for division in self.slices(task, material):
            lines: list[list[kit.Cell]] = []
            for name, places in division.groups.items():
                chosen = [material.predictions[at] for at in places if id(material.predictions[at]) in place]
                if chosen:
                    lines.append([name, *_line(chosen)])
            if len(lines) > 1:
                about = f"<b>By {kit.text(division.title)}.</b> {kit.text(division.about)}"
                tables.append(kit.table([kit.Column(division.title), *_COLUMNS], lines, about))
        return [Section("", whole + "".join(tables)), Section("Which words go wrong", _confused(rows))]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """How far one output sees, on a real recording."""
        encoder = material.encoder
        if not isinstance(encoder, TranscribedAudioEncoder) or not len(material.examples):
            return ""
        if not isinstance(material.model, HasContext):
            return ""
        before, after = (frames * encoder.hop for frames in material.model.context)
        few = [material.examples[at] for at in range(min(200, len(material.examples)))]
        example = sorted(few, key=lambda each: each.seconds())[len(few) // 2]
        samples, rate = example.read()
        samples = samples[: int(LONGEST * rate)]
        seconds = len(samples) / rate
        scale = kit.Scale(0.0, seconds)
        middle = seconds / 2
        left, right = (scale.place(min(max(end, 0.0), seconds)) for end in (middle - before, middle + after))
        box = f'<rect class="rf" x="{left:.2f}" y="2" width="{max(right - left, 0.2):.2f}" height="96"/>'
        line = f'<path class="edge" d="M{scale.place(middle):.2f} 0V100"/>'
        picture = kit.image(
            kit.warm(_thinned(spectrogram(samples, rate))), f"spectrogram of a test recording of {seconds:.1f} s",
            most=640, smooth=True, quality=75,
        )  # fmt: skip
        step = encoder.stride * encoder.hop
        return (
            f"<p>A test recording. The network gives an output every {1000 * step:.0f} ms; the box is what the one at the line "
            f"depends on: {before:.2f} s before and {after:.2f} s after it, all frequencies.</p>"
            f'<div class="shot stripe">{picture}<svg viewBox="0 0 100 100" preserveAspectRatio="none" '
            f'aria-hidden="true">{box}{line}</svg></div>{_clock(scale)}'
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Any]) -> str:
        """The kernels of the first layer over bands and time, and when which token is probable."""
        if not isinstance(encoder, TranscribedAudioEncoder) or not len(examples):
            return ""
        return _kernels(model, encoder) + _tokens(model, encoder, examples[0])

    def data(self, material: Material) -> str:
        """How long the test recordings are, and their most frequent words."""
        examples = [material.examples[at] for at in range(min(2000, len(material.examples)))]
        if not examples:
            return ""
        seconds = [example.seconds() for example in examples]
        drawn = kit.histogram(seconds, "Length of a test recording, in seconds") if min(seconds) < max(seconds) else ""
        words = Counter(word for example in examples for word in (example.transcript or "").split())
        rows: list[list[kit.Cell]] = [[word, f"{count:,}"] for word, count in words.most_common(FREQUENT)]
        table = (
            kit.table([kit.Column("word"), kit.Column("test split", "n")], rows, "<b>Frequent words.</b>")
            if rows
            else ""
        )
        return kit.columns([drawn, table])


def _known(material: Material) -> list[Row]:
    return [row for row in material.predictions if str(row.get("true_transcript") or "").strip()]


def _errors(row: Row) -> int:
    return distance(str(row["true_transcript"]).split(), str(row["transcript"]).split())


def _sureness(row: Row) -> float:
    return min((float(word["probability"]) for word in row.get("words") or []), default=0.0)


def _right(row: Row) -> list[bool] | None:
    """For each word that was heard, whether it is right; None where nobody knows."""
    if not str(row.get("true_transcript") or "").strip():
        return None
    pairs = edits(str(row["true_transcript"]).split(), str(row["transcript"]).split())
    return [one == other for one, other in pairs if other is not None]


def _heard(words: Sequence[Mapping[str, Any]], right: Sequence[bool] | None, scale: kit.Scale) -> str:
    """The words below a spectrogram, each at the middle of its time."""
    found = ""
    for at, word in enumerate(words):
        place = scale.place((word["start"] + word["end"]) / 2)
        wrong = right is not None and at < len(right) and not right[at]
        text = kit.text(word["word"])
        side = "start" if place < 4 else "end" if place > 96 else ""
        found += f'<span class="{side}" style="left:{place:.2f}%">{f"<u>{text}</u>" if wrong else text}</span>'
    return f'<div class="clock">{found}</div>' if found else ""


_END = "</span>"


def _marked(kind: str) -> str:
    return f'<span class="w {kind}" style="--a:.35">'


def _compared(row: Row) -> str:
    """What was heard, with what is true beside it where they differ."""
    if not str(row.get("true_transcript") or "").strip():
        return kit.said(None, kit.text(row["transcript"]) or "nothing")
    parts = []
    pairs = edits(str(row["true_transcript"]).split(), str(row["transcript"]).split())
    for true, heard in pairs:
        if true == heard:
            parts.append(kit.text(true))
            continue
        both = [f"{_marked('p')}{kit.text(true)}{_END}"] if true is not None else []
        both += [f"{_marked('m')}{kit.text(heard)}{_END}"] if heard is not None else []
        parts.append(" ".join(both))
    right = all(true == heard for true, heard in pairs)
    return kit.said(right, " ".join(parts))


_COLUMNS = (
    kit.Column("recordings", "n"), kit.Column("words", "n"), kit.Column("words wrong", "n"),
    kit.Column("substituted", "n"), kit.Column("missing", "n"), kit.Column("too many", "n"), kit.Column("fully right", "n"),
)  # fmt: skip


def _line(rows: Sequence[Row]) -> list[kit.Cell]:
    """How many words are wrong, and how."""
    pairs = [edits(str(row["true_transcript"]).split(), str(row["transcript"]).split()) for row in rows]
    flat = [pair for each in pairs for pair in each]
    words = sum(true is not None for true, _ in flat)
    missing, more = sum(heard is None for _, heard in flat), sum(true is None for true, _ in flat)
    other = sum(true != heard for true, heard in flat) - missing - more
    right = sum(all(true == heard for true, heard in each) for each in pairs)
    return [
        f"{len(rows):,}",
        f"{words:,}",
        kit.as_percent((other + missing + more) / max(words, 1)),
        f"{other:,}",
        f"{missing:,}",
        f"{more:,}",
        kit.as_percent(right / len(rows), 0),
    ]


def _confused(rows: Sequence[Row]) -> str:
    """The words that are most often heard as others, are missed, or are heard where they are not."""
    counts: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for row in rows:
        for true, heard in edits(str(row["true_transcript"]).split(), str(row["transcript"]).split()):
            totals[true or "–"] += 1
            if true != heard:
                counts[true or "–", heard or "–"] += 1
    if not counts:
        return "<p>Every word is right.</p>"
    lines: list[list[kit.Cell]] = [
        [true, heard, f"{count:,}", f"{totals[true]:,}" if true != "–" else "–"]
        for (true, heard), count in counts.most_common(FREQUENT)
    ]
    columns = [kit.Column("true"), kit.Column("heard"), kit.Column("times", "n"), kit.Column("of the word's", "n")]
    return kit.table(
        columns, lines, "The most frequent mistakes; – stands for no word: it is missing, or was heard where none is."
    )


def _kernels(model: nn.Module, encoder: TranscribedAudioEncoder) -> str:
    """The first layer's kernels over bands and time: of a separable one, what both of its parts do together."""
    if not isinstance(model, QuartzNet1d):
        return ""
    parts = [layer for layer in model.front.modules() if isinstance(layer, nn.Conv2d)]
    weights = parts[0].weight.detach()[:, 0, :, 0]  # (bands, frames), or (kernels, frames) where nothing is separable
    if len(parts) == 2:
        weights = parts[1].weight.detach()[:, :, 0, 0][:, :, None] * weights[None]  # (kernels, bands, frames)
    else:
        weights = parts[0].weight.detach()[:, :, :, 0]
    chosen = weights.flatten(1).norm(dim=1).topk(min(KERNELS, len(weights))).indices.tolist()
    tiles = [(kit.image(kit.grey(weights[at].flip(0).numpy()), f"kernel {at}"), f"kernel {at}") for at in chosen]
    milliseconds = 1000 * encoder.hop * weights.shape[2]
    return (
        f"<h3>First-layer kernels</h3><p>Each tile is one kernel of the first layer over {weights.shape[1]} mel bands (low ones "
        f"below) and {weights.shape[2]} frames ({milliseconds:.0f} ms), the {len(chosen)} strongest of {len(weights)}: bright "
        "where it adds, dark where it subtracts. Its output is largest where the spectrogram looks like the tile.</p>"
        f'<div class="squat">{kit.tiles(tiles)}</div>'
    )


def _tokens(model: nn.Module, encoder: TranscribedAudioEncoder, example: Utterance) -> str:
    """When which token is probable in a recording."""
    batch = encoder.encode([example])
    with torch.no_grad():
        chances = model.eval()(**batch.inputs)[0].float().softmax(dim=1).numpy()  # (outputs, tokens)
    strongest = np.argsort(-chances[:, 1:].max(axis=0))[:TOKENS] + 1
    order = sorted(strongest.tolist(), key=lambda token: int(chances[:, token].argmax()))
    names = ["space" if encoder.tokens[token].isspace() else encoder.tokens[token] for token in order]
    rows = np.repeat(chances[:, order[::-1]].T, 6, axis=0)
    scale = kit.Scale(0.0, len(chances) * encoder.stride * encoder.hop)
    return (
        "<h3>When which token is probable</h3><p>The first test recording: a stripe a token, from above "
        f"{kit.text(', '.join(names))}; time to the right, the brighter the more probable. Between them the network gives the "
        f'blank: nothing new.</p><div class="shot stripe">{_drawn(rows[::-1], "probabilities of tokens over time")}</div>'
        f"{_clock(scale)}"
    )
