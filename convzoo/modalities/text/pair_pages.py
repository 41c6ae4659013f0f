"""What a page shows of a translator: its attention, its best and worst sentences, and its score by length."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.model import ShowsAttention
from convzoo.core.outputs.translations import BEGIN
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import detectors, feature_maps, first_convolutions
from convzoo.layers.gated import GatedConvolution
from convzoo.modalities.text.pair import Pair
from convzoo.report import figures
from convzoo.report.kit import html_safe
from convzoo.tasks.translation import Translation

SHOWN = 6
"""Best, and worst, sentences."""

LOOKED = 4
"""Sentences whose attention is drawn."""


class PairPages(Pages):
    """Sentences and their translations: a translator's attention, its best and worst sentences, its score by length."""

    plural = "sentence pairs"

    def picture(self, example: Pair) -> str:
        """The source as a quotation."""
        return f"<q>{html.escape(example.text[:600])}</q>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Pair]) -> str:
        """The stretches of the sources to which each kernel responds most."""
        gated = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, GatedConvolution)]
        layers: list[tuple[str, Any]] = [*gated, *first_convolutions(model).items()]
        if not layers:
            return ""
        name, layer = layers[0]
        items = [encoder.prepare(example) for example in list(examples)[:400]]
        names = [encoder.input_names(item) or [] for item in items]
        maps = feature_maps(model, encoder.collate(items).inputs, layer)
        # A gated layer holds its convolution: it sees `history` tokens besides the current one.
        width, before = (layer.history + 1, layer.history // 2) if gated else (layer.kernel_size[0], 0)
        found = detectors(name, maps, names, width, before=before)
        rows = "".join(
            f"<tr><td><code>{html.escape(d.layer)}</code> {d.kernel}</td><td>"
            + " &nbsp; ".join(f"<q>{html.escape(phrase)}</q> <small>{value:.2f}</small>" for phrase, value in d.phrases)
            + "</td></tr>"
            for d in found
        )
        return (
            "<h3>What the kernels of the first layer look for</h3><p>The stretches of the test split's sources to which each "
            "responds most, after its gate; · is padding.</p>"
            f"<table class='plain'><tr><th>kernel</th><th>source</th></tr>{rows}</table>"
        )

    def sections(self, task: Task, material: Material) -> list[Section]:
        """Empty where the test split has no translations."""
        rows = [row for row in material.predictions if str(row.get("true_translation") or "").strip()]
        if not isinstance(task, Translation) or not rows:
            return []
        found = [_by_length(task, material, rows), _best_and_worst(task, material, rows, self)]
        if isinstance(material.model, ShowsAttention):
            found.append(_attention(task, material, rows))
        return found


def _best_and_worst(task: Translation, material: Material, rows: Sequence[Mapping[str, Any]], pages: Pages) -> Section:
    from convzoo.metrics.translation import sentence_bleu, signatures

    scores = sentence_bleu(
        [str(row["translation"]) for row in rows], [str(row["true_translation"]) for row in rows], task.lower
    )
    order = sorted(range(len(rows)), key=lambda index: scores[index])
    # Among sentences that are fully correct, the longest are the best.
    best = sorted(range(len(rows)), key=lambda index: (-scores[index], -len(str(rows[index]["translation"]))))

    def cards(chosen: Sequence[int]) -> str:
        return "".join(
            f"<div class='card'>{pages.picture(material.examples[int(rows[index]['index'])])}<br>"
            f"written <b>{html.escape(str(rows[index]['translation']))}</b><br>"
            f"true {html.escape(str(rows[index]['true_translation']))}<br>"
            f"<small>BLEU {100 * scores[index]:.0f} · {html.escape(str(rows[index]['source']))}</small></div>"
            for index in chosen
        )

    marks = "".join(f"<br><code>{name}: {html.escape(text)}</code>" for name, text in signatures(task.lower).items())
    return Section(
        "Best and worst sentences",
        html_safe(
            f"<p>By sacreBLEU of each sentence. The scores of the whole split are sacreBLEU's:{marks}</p>"
            f"<h3>Best</h3><div class='cards'>{cards(best[:SHOWN])}</div>"
            f"<h3>Worst</h3><div class='cards'>{cards(order[:SHOWN])}</div>"
        ),
    )


def _by_length(task: Translation, material: Material, rows: Sequence[Mapping[str, Any]]) -> Section:
    from convzoo.metrics.translation import scorers

    lengths = [len(task.words(material.examples[int(row["index"])].text)) for row in rows]
    edges = sorted({int(edge) for edge in np.quantile(lengths, [0.2, 0.4, 0.6, 0.8])})
    bins = np.searchsorted(edges, lengths, side="left")
    labels, values, notes = [], [], []
    for number in sorted(set(bins.tolist())):
        inside = [index for index, at in enumerate(bins) if at == number]
        shortest, longest = (pick(lengths[index] for index in inside) for pick in (min, max))
        bleu = scorers(task.lower)[0]
        texts = [str(rows[index]["translation"]) for index in inside]
        values.append(bleu.corpus_score(texts, [[str(rows[index]["true_translation"]) for index in inside]]).score)
        labels.append(f"{shortest}" if shortest == longest else f"{shortest} to {longest}")
        notes.append(f"n = {len(inside)}")
    drawn = figures.bars(labels, values, notes, "words of the source", "BLEU by length")
    return Section("BLEU by length", html_safe(drawn))


def _attention(task: Translation, material: Material, rows: Sequence[Mapping[str, Any]]) -> Section:
    encoder: Any = material.encoder
    model: Any = material.model
    items = [encoder.prepare(material.examples[int(row["index"])]) for row in rows[:200]]
    # Sentences of medium length use the space on the page best.
    typical = min(max(float(np.median([len(item[0]) for item in items])) + 2, 9), 16)
    chosen = sorted(range(len(items)), key=lambda index: abs(len(items[index][0]) - typical))[:LOOKED]
    drawn = []
    for index in chosen:
        source = torch.from_numpy(items[index][0]).unsqueeze(0)
        best = task.search(model, source)[0][0]
        with torch.no_grad():
            weights = model.attention(source, torch.tensor([[BEGIN, *best.tokens]]))[0].numpy()
        written = [encoder.target.tokens[number] for number in best.tokens] + ["</s>"]
        drawn.append(
            figures.heat(
                weights,
                [*encoder.tokenise(items[index][2].text, encoder.source), "</s>"][: weights.shape[1]],
                written,
                "source",
                "written",
            )
        )
    return Section(
        "Attention",
        html_safe(
            "<p>For each token of the translation, its attention to each token of the source: the mean over the layers of the "
            "decoder. A line from corner to corner is a translation word by word; where the line leaves the diagonal, words "
            "change places.</p>"
            f"<div class='tiles'>{''.join(drawn)}</div>"
        ),
    )
