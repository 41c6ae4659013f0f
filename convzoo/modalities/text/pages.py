"""How a text looks on a page, which words made a network say so, and the phrases that its first layer looks for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section, Slices
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions, phrases_by_kernel
from convzoo.inspect.left_out import falls_without
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.scripts import parts_of, unspaced_share
from convzoo.report import kit

LONGEST = 60
"""Number of words of a text that a card shows."""
MOST_ANSWERS = 3
"""Of several labels at once so many are explained on a card."""
MOST_KERNELS = 12
BANDS = 4
OFTEN = 20
"""A word counts among those of mistakes if it stands in so many test texts, or in one of a hundred."""
SHOWN_WORDS = 8


class TextPages(Pages):
    """Texts: their words shaded by what changes if each is left out, and the phrases that kernels answer to."""

    plural = "texts"
    card_size = "wide"

    def picture(self, example: Text) -> str:
        return f'<p class="words">{kit.text(example.text[:600])}</p>'

    def explained(self, task: Task, material: Material, row: Mapping[str, Any]) -> str:
        """Words shaded by how much the answer changes when each is left out: for it, or against it. Of several labels, the first
        ones each for itself."""
        example = material.examples[int(row["index"])]
        answers = task.said(row)[:MOST_ANSWERS]
        every = material.encoder.parts(example) or []
        parts = every[:LONGEST]
        if not answers or not parts:
            return f'<div class="body quote">{self.picture(example)}</div>'
        falls = falls_without(material.model, material.encoder, task, example, answers, parts)
        shown = ""
        for answer, weights in zip(answers, falls, strict=True):
            top = max(map(abs, weights)) or 1.0
            words = [
                (example.text[start:end], weight / top) for (start, end), weight in zip(parts, weights, strict=True)
            ]
            gaps = [" " if example.text[end : end + 1].isspace() else "" for _, end in parts]
            shown += f"<small>{kit.text(answer)}</small>" if task.label_type == "classes" else ""
            shown += kit.shaded_words(words, titles=[f"{weight:+.3g}" for weight in weights], gaps=gaps)
        more = len(parts_of(example.text)) - len(parts)
        return f'<div class="body quote">{shown}{f"<small>… and {more:,} more words</small>" if more > 0 else ""}</div>'

    def legend(self, task: Task, material: Material) -> str:
        first, second = task.sides
        return (
            "<p>What it says of test texts, and which words made it say so: each word was left out once, and the answer compared."
            "</p>"
            + kit.key(
                [
                    ('<span class="w p u" style="--a:.42">word</span>', first),
                    ('<span class="w m u" style="--a:.42">word</span>', second),
                    ("", "the stronger the shade, the more the answer changes; the strongest are underlined"),
                ]
            )
        )

    def slices(self, task: Task, material: Material) -> list[Slices]:
        """By length, and by the share of words that training has not seen."""
        encoder: Any = material.encoder
        at = [int(row["index"]) for row in material.predictions]
        lengths = [len(parts_of(material.examples[index].text)) for index in at]
        units = _units(material)
        found = [
            Slices(
                "length",
                f"{units.capitalize()} of a text, in parts of about the same size.",
                kit.bands(lengths, BANDS, units),
            )
        ]
        known = set(getattr(encoder, "tokens", ()))
        if known and getattr(encoder, "units", "") == "words":
            unknown = [
                sum(token not in known for token in encoder.tokenise(material.examples[index].text)) for index in at
            ]
            groups: dict[str, list[int]] = {"no unknown word": [], "1 unknown word": [], "2 and more unknown words": []}
            for place, count in enumerate(unknown):
                list(groups.values())[min(count, 2)].append(place)
            found.append(Slices("unknown words", "Words that training never saw share one vector.", groups))
        return found

    def sections(self, task: Task, material: Material) -> list[Section]:
        """The words in whose texts it is wrong most often."""
        rows = [row for row in material.predictions if row.get("true_label") and row.get("label")]
        if not rows:
            return []
        seen: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for row in rows:
            text = material.examples[int(row["index"])].text.lower()
            words = {text[start:end] for start, end in parts_of(text)}
            seen.update(words)
            wrong.update(words if row["label"] != row["true_label"] else ())
        least = max(OFTEN, len(rows) // 100)
        often = [word for word, count in seen.items() if count >= least and wrong[word]]
        often = sorted(often, key=lambda word: (-wrong[word] / seen[word], word))[:SHOWN_WORDS]
        if not often:
            return []
        lines: list[list[kit.Cell]] = []
        for word in often:
            right = seen[word] - wrong[word]
            low, high = kit.wilson(right, seen[word])
            part = right / seen[word]
            lines.append([f"“{word}”", f"{seen[word]:,}", kit.as_percent(part), kit.Track(part, low, high)])
        caption = (
            f"<b>The words in whose texts it is wrong most often</b> (of words that stand in {least} test texts or more). With "
            "so many words some come out low by chance: look at the interval."
        )
        columns = [
            kit.Column("word"),
            kit.Column("test texts", "n"),
            kit.Column("right", "n"),
            kit.Column("interval", "w40"),
        ]
        return [Section("", kit.table(columns, lines, caption))]

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """The receptive field as marked words of a test text of middle length."""
        if sees is None or len(sees) != 1 or not len(material.examples):
            return ""
        few = list(material.examples[:200])
        example = sorted(few, key=lambda each: len(each.text))[len(few) // 2]
        item = material.encoder.prepare(example)
        names = (material.encoder.input_names(item) or [])[:LONGEST]
        wide = min(sees[0], len(names))
        spans = "".join(
            f'<span class="{"in" if at < wide else ""}">{kit.text(name)}</span>' for at, name in enumerate(names)
        )
        unit = getattr(material.encoder, "units", "tokens")
        return kit.sees(
            f'<div class="tokens">{spans}</div><p class="small">A test text. The layer that sees farthest has '
            f"the {kit.count_of(wide, 'marked ' + str(unit))} before it at once; what stands farther apart meets only in the "
            "pooling over the whole text.</p>"
        )

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Text]) -> str:
        if not first_convolutions(model):
            return ""
        items = [encoder.prepare(example) for example in list(examples)[:400]]
        names = [encoder.input_names(item) or [] for item in items]
        batch = encoder.collate(items).inputs
        rows: list[list[kit.Cell]] = [
            [f"{detector.layer}, {detector.kernel}", " · ".join(f"“{phrase}”" for phrase, _ in detector.phrases),
             kit.as_number(detector.phrases[0][1])]
            for detector in phrases_by_kernel(model, batch, names, MOST_KERNELS // len(first_convolutions(model)), 3)
            if detector.phrases
        ]  # fmt: skip
        kernels = kit.table(
            [kit.Column("kernel"), kit.Column("answers most to"), kit.Column("its answer", "n")],
            rows,
            f"<b>What the first layer looks for.</b> The {len(rows)} kernels whose answers vary most, with the phrases of the "
            "test split that each answers to most. A dot is padding, before the first or after the last word.",
        )
        return f"<h3>First-layer kernels</h3>{kernels}{_maps(model, batch, names)}"

    def data(self, material: Material) -> str:
        """The lengths of the test texts."""
        lengths = [len(parts_of(example.text)) for example in material.examples]
        if len(lengths) < 2:
            return ""
        middle = sorted(lengths)[len(lengths) // 2]
        units = _units(material).capitalize()
        drawn = kit.histogram(lengths, f"{units} of a test text, half have {middle} or fewer")
        ends = f"{min(lengths):,} to {max(lengths):,}"
        return f"<h3>Lengths</h3><p>{units} of a test text: {ends}, half have {middle:,} or fewer.</p>{drawn}"


def _units(material: Material) -> str:
    """What `parts_of` mostly gives: words, or the characters of scripts without spaces."""
    share, _ = unspaced_share(example.text for example in material.examples)
    return "characters" if share > 0.5 else "words"


def _maps(model: nn.Module, batch: Mapping[str, Any], names: Sequence[Sequence[str]]) -> str:
    """The answers of the first layer's strongest kernels to one text, word by word."""
    layer = next(iter(first_convolutions(model).values()))
    answers = feature_maps(model, dict(batch), layer).clamp(min=0)  # (texts, kernels, places)
    row = next((at for at, tokens in enumerate(names) if 5 <= len(tokens) <= 16), None)
    if row is None:
        return ""
    tokens, width = names[row], layer.kernel_size[0]
    strongest = answers[row].amax(dim=1).topk(min(8, answers.shape[1])).indices.tolist()
    rows = [
        (f"kernel {kernel}", [float(answers[row, kernel, at : at + width].max()) for at in range(len(tokens))])
        for kernel in strongest
    ]
    return (
        f"<h3>Feature maps</h3><p>The kernels of width {width} that answer most to one test text: how strongly each answers "
        f"where it covers a word.</p>{kit.heat(rows, tokens, 'Feature maps')}"
    )
