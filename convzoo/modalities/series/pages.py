"""What a page shows of sensor series: the alarms, and the kernels of a network's first layer."""

import html
from collections.abc import Sequence

import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import feature_maps, first_convolutions
from convzoo.modalities.series.example import Stretch
from convzoo.report import figures
from convzoo.report.kit import html_safe
from convzoo.tasks.anomaly_detection import AnomalyDetection

SERIES = 6
"""Series that a page shows."""


class SeriesPages(Pages):
    """Stretches of series: the channels over the scores of anomaly detection, kernels over time."""

    plural = "stretches of series"

    def picture(self, example: Stretch) -> str:
        return f"<code>{html.escape(example.source)}</code>"

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Stretch]) -> str:
        found = first_convolutions(model)
        if not found:
            return ""
        name, layer = next(iter(found.items()))
        weights = layer.weight.detach().numpy()  # (kernels, channels, width)
        channels = list(encoder.dims["channel_names"])
        pieces = encoder.pieces(examples)
        batch = (
            encoder.gather(pieces, range(min(2, len(pieces)))) if len(pieces) else encoder.encode(list(examples)[:1])
        )
        maps = feature_maps(model, batch.inputs, layer)
        figure = (
            figures.mixing(weights[:32, :, 0], channels)
            if weights.shape[2] == 1
            else figures.kernels(weights[:12], channels)
        )
        about = (
            "Each row is one kernel, which sees a single step: its weights for the channels (red adds, blue subtracts)."
            if weights.shape[2] == 1
            else "Each panel is one kernel, with a line for each channel: its output is largest where data run like the lines."
        )
        return (
            f"<h3>Kernels of <code>{html.escape(name)}</code></h3><p>{about}</p>{figure}<h3>Feature maps</h3>"
            "<p>A window of the test split, and the outputs of the kernels: one row for each, bright where it is large.</p>"
            + figures.maps(batch.inputs["values"][0].numpy(), maps[0].numpy(), channels)
        )

    def sections(self, task: Task, material: Material) -> list[Section]:
        if not isinstance(task, AnomalyDetection):
            return []
        rows = sorted(material.predictions, key=lambda row: -float(row["highest"]))[:SERIES]
        parts = [
            "<p>The test series with the highest scores. Above: the channel that changed most where the score was highest; red "
            "marks true anomalies, orange marks alarms. Below: the score, in units of the threshold (dashed line).</p>"
        ]
        for row in rows:
            example = material.examples[int(row["index"])]
            with torch.no_grad():
                scores = task.predict(material.model.eval(), material.encoder.encode([example]))[0, 0].numpy()
            alarms = row["alarms"] if isinstance(row["alarms"], list) else []
            about = f"<h3>{html.escape(str(row['source']))}</h3><p>{len(alarms)} alarm{'' if len(alarms) == 1 else 's'}"
            true = row.get("true_alarms")
            about += f", {len(true)} true intervals</p>" if isinstance(true, list) else "; no labels</p>"
            parts.append(about + figures.series(example, scores))
        return [Section("Series and alarms", html_safe("".join(parts)))]
