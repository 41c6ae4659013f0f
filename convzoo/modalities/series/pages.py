"""What a page shows of sensor series: whole test series, what was found, missed and flagged in vain, and where that happens."""

from collections.abc import Sequence

import numpy as np
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.pages import Material, Pages, Panel, Section
from convzoo.core.task import Task
from convzoo.inspect.kernels import first_convolutions
from convzoo.metrics.anomalies import pointwise
from convzoo.modalities.series import drawing, gallery, network, where
from convzoo.modalities.series.example import Stretch
from convzoo.modalities.series.looked import Looked, look
from convzoo.report import kit
from convzoo.tasks.anomaly_detection import AnomalyDetection

CHANNELS = 8
"""Channels of a picture."""
FOUND = 8
"""Found intervals that are drawn."""


class SeriesPages(Pages):
    """Stretches of series: whole ones with their alarms, single events close up, tables by length, sensor and series."""

    plural = "stretches"
    card_size = "wide"

    def __init__(self) -> None:
        self._last: tuple[Material, Looked] | None = None

    def picture(self, example: Stretch) -> str:
        """The channels of a stretch, each on its own scale."""
        channels, shown = example.series.channels, min(CHANNELS, len(example.series.channels))
        drawn = "".join(
            f'<span class="name">{drawing.name_of(channel)}</span>'
            + drawing.ribbon(drawing.own_scale(np.asarray(example.values[:, number], dtype=np.float64), "q"))
            for number, channel in enumerate(channels[:shown])
        )
        more = f'<p class="small">{drawing.others(len(channels) - shown)}</p>' if len(channels) > shown else ""
        label = kit.text(
            f"{example.source}: {kit.count_of(len(example), 'rows')} of {kit.count_of(len(channels), 'sensors')}"
        )
        return f'<div class="multi" role="img" aria-label="{label}">{drawn}</div>{more}'

    def title(self, task: Task, material: Material, count: int) -> str:
        if not isinstance(task, AnomalyDetection) or not len(material.examples):
            return ""
        series = {example.series.name for example in material.examples}
        sensors = len(material.examples[0].series.channels)
        each = "one sensor" if sensors == 1 else f"{sensors:,} sensors"
        return f"What is wrong, and when? {len(series):,} series {'with' if len(series) == 1 else 'of'} {each}"

    def legend(self, task: Task, material: Material) -> str:
        if not isinstance(task, AnomalyDetection):
            return ""
        return (
            "<p>The network says what it expects of each sensor. Where the sensors do otherwise for long enough, it gives an "
            "alarm. A score is given in units of the threshold: above 1 is an alarm.</p>"
        )

    def gallery(self, task: Task, material: Material) -> list[Panel]:
        """Whole series; found, missed and false alarms close up. Of unlabelled series the highest alarms."""
        if not isinstance(task, AnomalyDetection):
            return []
        looked = self._looked(task, material)
        panels = [gallery.whole_series(looked, material)]
        labelled = [each for each in looked.outcomes if each.truths is not None]
        if labelled:
            hits = looked.events_of(labelled, lambda each: [t for t in each.truths or () if t.first is not None])
            missed = looked.events_of(labelled, lambda each: each.missed)
            false = looked.events_of(labelled, lambda each: each.false_alarms)
            chosen = gallery.in_turn(sorted(hits, key=lambda each: -each.peak), FOUND)
            count = sum(each.found for each in labelled)
            several = len({event.channel for event in hits}) > 1
            about = "The surest alarm of each sensor in turn" if several else "The surest alarms first"
            panels += gallery.close_ups(looked, task, material, "Found", chosen, count, about)
            lowest = sorted(missed, key=lambda each: each.peak)
            count, most = sum(len(each.missed) for each in labelled), kit.MISTAKES
            about = "True intervals in which no row was flagged, the lowest scores first"
            panels += gallery.close_ups(looked, task, material, "Missed", lowest[:most], count, about)
            count = sum(len(each.false_alarms) for each in labelled)
            every = sum(len(each.alarms) for each in labelled)
            about = (
                f"Alarms with no truly wrong row in them, nor in the {kit.count_of(task.smooth, 'rows')} before (a score "
                f"is a mean over as many): {count:,} of {every:,}. The highest first"
            )
            order = sorted(false, key=lambda each: -each.peak)
            panels += gallery.close_ups(looked, task, material, "False alarms", order[:most], count, about)
        unlabelled = [each for each in looked.outcomes if each.truths is None]
        if unlabelled:
            alarms = sorted(looked.events_of(unlabelled, lambda each: each.alarms), key=lambda each: -each.peak)
            count = sum(len(each.alarms) for each in unlabelled)
            about = "Nobody has said what is truly wrong here, so nothing is right or wrong. The highest alarms first"
            panels += gallery.close_ups(looked, task, material, "Alarms", alarms[: kit.MISTAKES], count, about)
        return panels

    def cases(self, task: Task, material: Material) -> list[float]:
        """F1 over the rows of each labelled stretch."""
        if not isinstance(task, AnomalyDetection):
            return []
        found = self._looked(task, material).outcomes
        return [
            pointwise(each.flags, each.wrong)["f1"] for each in found if each.wrong is not None and each.wrong.any()
        ]

    def sections(self, task: Task, material: Material) -> list[Section]:
        if not isinstance(task, AnomalyDetection):
            return []
        looked = self._looked(task, material)
        labelled = [each for each in looked.outcomes if each.truths is not None]
        if not labelled:
            about = "<p>The test split has no labels, so the page can show what was flagged, but not whether that was right.</p>"
            return [Section("", about + where.each_series(looked.outcomes, material))]
        parts = []
        if any(each.truths for each in labelled):
            parts.append(kit.key(kit.TRACK_KEY[:1]) + where.by_length(labelled, material))
            parts.append(where.by_channel(looked, labelled, material))
        else:
            parts.append("<p>No labelled row of the test split is wrong, so nothing could be found or missed.</p>")
        found = [Section("", "".join(parts) + where.each_series(looked.outcomes, material))]
        judged = [each for each in labelled if each.index in looked.surprises]
        if judged and any(each.truths for each in judged):
            found.append(Section("Every threshold", where.thresholds(task, looked, judged, labelled, material)))
        else:
            found.append(Section("", where.row_by_row(labelled)))
        return found

    def field(self, material: Material, sees: tuple[int, ...] | None) -> str:
        """How far the network looks back, beside a day and the true intervals, and on a real stretch."""
        if not sees or len(sees) != 1 or not len(material.examples):
            return ""
        example = material.examples[network.most_wrong(material.examples)]
        series, rows = example.series, int(sees[0])
        step, lengths = drawing.step_of(series), network.lengths_of(material.examples)
        bars = [("one output sees", float(rows))]
        if lengths:
            bars.append((f"a true interval (median of {len(lengths):,})", float(np.median(lengths))))
        if step and 1 < 86_400 / step < 50 * rows:
            bars.append(("a day", 86_400 / step))
        widest = max(size for _, size in bars)
        scales = "".join(
            f'<div class="scale{"" if number else " me"}"><span>{words}: {drawing.rows_in_words(series, size)}</span>'
            f'<i style="width:{100 * size / widest:.1f}%"></i></div>'
            for number, (words, size) in enumerate(bars)
        )
        whole = float(np.median([len(each) for each in material.examples]))
        about = (
            f"The longest bar is the whole width. A test stretch (median) has {drawing.rows_in_words(series, whole)}"
        )
        about += f": {whole / widest:,.3g} times as many." if whole > widest else "."
        return kit.sees(f'{scales}<p class="small">{about}</p>{network.seen(example, rows)}')

    def first_layer(self, model: nn.Module, encoder: Encoder, examples: Sequence[Stretch]) -> str:
        found = first_convolutions(model)
        if not found or not len(examples):
            return ""
        name, layer = next(iter(found.items()))
        weights = layer.weight.detach().numpy()  # (kernels, channels, width)
        channels = list(encoder.dims["channel_names"])
        if weights.shape[1] != len(channels):  # groups of channels
            return ""
        kernels = (
            network.mixing(weights[:, :, 0], channels) if weights.shape[2] == 1 else network.kernels(weights, channels)
        )
        example = examples[network.most_wrong(examples)]
        return f"<h3>Kernels of {kit.code(name)}</h3>{kernels}" + network.maps_of(model, encoder, example)

    def data(self, material: Material) -> str:
        """The sensors, the lengths of what is wrong, and where the test stretches lie."""
        examples = material.examples
        if not len(examples):
            return ""
        parts = [f"<h3>Sensors</h3>{network.sensors(material)}"]
        lengths = network.lengths_of(examples)
        if len(lengths) >= 5 and min(lengths) < max(lengths):
            drawn = kit.histogram(lengths, "Lengths of the true intervals, in rows")
            parts.append(
                f"<h3>How long something is wrong</h3><p>{len(lengths):,} true intervals of the test split: {min(lengths):,} to "
                f"{max(lengths):,} rows, half of them {np.median(lengths):,.0f} or fewer.</p>{drawn}"
            )
        if any(len(e) < len(e.series) for e in examples):
            parts.append(f"<h3>Split in time</h3>{network.places(examples)}")
        return "".join(parts)

    def _looked(self, task: AnomalyDetection, material: Material) -> Looked:
        """Computed once for a page."""
        if self._last is None or self._last[0] is not material:
            self._last = (material, look(task, material))
        return self._last[1]
