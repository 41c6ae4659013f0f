"""How a text looks on a page, and the phrases that a network's first layer looks for."""

import html
from collections.abc import Sequence

from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Pages
from convzoo.inspect.kernels import feature_maps, first_convolutions, phrases_by_kernel
from convzoo.modalities.text.example import Text


class TextPages(Pages):
    """Texts: as quotations, and the phrases and tokens to which kernels respond."""

    plural = "texts"

    def picture(self, example: Text) -> str:
        return f"<q>{html.escape(example.text[:600])}</q>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Text]) -> str:
        if not first_convolutions(model):
            return ""
        items = [encoder.prepare(example) for example in list(examples)[:400]]
        names = [encoder.input_names(item) or [] for item in items]
        batch = encoder.collate(items).inputs
        detectors = phrases_by_kernel(model, batch, names)
        rows = "".join(
            f"<tr><td><code>{html.escape(d.layer)}</code> {d.kernel}</td><td>"
            + " &nbsp; ".join(f"<q>{html.escape(phrase)}</q> <small>{value:.2f}</small>" for phrase, value in d.phrases)
            + "</td></tr>"
            for d in detectors
        )
        strips = []
        for name, layer in list(first_convolutions(model).items())[:1]:
            answers = feature_maps(model, batch, layer).clamp(min=0)
            width = layer.kernel_size[0]  # type: ignore[index]
            for row, tokens in enumerate(names[:4]):
                # A token's colour shows the largest output of the kernels that cover it.
                strongest = answers[row].amax(dim=0)
                lit = [float(strongest[at : at + width].max()) for at in range(len(tokens))]
                top = max(lit) or 1.0
                words = "".join(
                    f'<span class="lit" style="background:rgba(230,120,20,{0.75 * value / top:.2f})">{html.escape(token)}</span> '
                    for token, value in zip(tokens, lit, strict=True)
                )
                strips.append(f"<p>{words}</p>")
            strips.insert(
                0, f"<p>Feature maps of <code>{html.escape(name)}</code>: the largest output at each token.</p>"
            )
        return (
            "<h3>What the kernels of the first layer look for</h3><p>The phrases of the test split to which each responds most; "
            f"· is padding.</p><table class='plain'><tr><th>kernel</th><th>phrases</th></tr>{rows}</table>"
            f"<h3>Feature maps</h3>{''.join(strips)}"
        )
