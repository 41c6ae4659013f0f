"""The table of contents: each part's name and the place of its class, as strings, so that a look-up imports nothing.

Parts for one kind of data are listed in its chapter, `convzoo/modalities/<kind>/__init__.py`; shared parts are listed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from itertools import product
from typing import Any

CHAPTERS = ("text", "image", "audio", "series", "graph", "recommendation", "volume", "video", "points")
"""The chapters of `convzoo/modalities/`. In each, `MODALITY` is the kind of data that its recipes name, and `PARTS` has its parts
by kind; `OWN_DATA`, `PAGES` and `RENAMED` are as below, with places relative to the chapter."""

SHARED: dict[str, dict[str, str]] = {
    "data": {},
    "encoder": {},
    "model": {
        "tcn1d": "convzoo.models.tcn1d:TCN1d",
        "masked_tcn1d": "convzoo.models.masked_tcn1d:MaskedTCN1d",
        "history_cnn1d": "convzoo.models.history_cnn1d:HistoryCNN1d",
        "autoencoder_cnn1d": "convzoo.models.autoencoder_cnn1d:AutoencoderCNN1d",
        "cnn1d": "convzoo.models.cnn1d:CNN1d",
        "dilated_cnn1d": "convzoo.models.dilated_cnn1d:DilatedCNN1d",
        "region_cnn1d": "convzoo.models.region_cnn1d:RegionCNN1d",
        "char_cnn1d": "convzoo.models.char_cnn1d:CharCNN1d",
        "vdcnn1d": "convzoo.models.vdcnn1d:VDCNN1d",
        "cnn2d": "convzoo.models.cnn2d:CNN2d",
        "resnet2d": "convzoo.models.resnet2d:ResNet2d",
        "convs2s": "convzoo.models.convs2s:ConvS2S",
        "lightconv": "convzoo.models.lightconv:LightConv",
        "idcnn": "convzoo.models.idcnn:IDCNN",
        "waveform_cnn1d": "convzoo.models.waveform_cnn1d:WaveformCNN1d",
        "lite": "convzoo.models.lite:Lite",
        "fcn1d": "convzoo.models.fcn1d:FCN1d",
        "resnet1d": "convzoo.models.resnet1d:ResNet1d",
        "inception_time": "convzoo.models.inception_time:InceptionTime",
        "separable_cnn1d": "convzoo.models.separable_cnn1d:SeparableCNN1d",
        "graph_network": "convzoo.models.graph_network:GraphNetwork",
        "whole_graph_network": "convzoo.models.whole_graph_network:WholeGraphNetwork",
        "lightgcn": "convzoo.models.lightgcn:LightGCN",
        "link_network": "convzoo.models.link_network:LinkNetwork",
        "community_network": "convzoo.models.community_network:CommunityNetwork",
        "quartznet1d": "convzoo.models.quartznet1d:QuartzNet1d",
        "resnet3d": "convzoo.models.resnet3d:ResNet3d",
        "monai_classifier": "convzoo.models.monai_classifier:MonaiClassifier",
        "unet": "convzoo.models.unet:UNet",
        "c3d": "convzoo.models.c3d:C3D",
        "r3d": "convzoo.models.r3d:R3D",
        "pillars": "convzoo.models.pillars:Pillars",
    },
    "task": {
        "classification": "convzoo.tasks.classification:Classification",
        "anomaly_detection": "convzoo.tasks.anomaly_detection:AnomalyDetection",
        "rare_events": "convzoo.tasks.rare_events:RareEvents",
        "unusual_events": "convzoo.tasks.unusual_events:UnusualEvents",
        "nab_detection": "convzoo.tasks.nab_detection:NabDetection",
        "translation": "convzoo.tasks.translation:Translation",
        "entities": "convzoo.tasks.entities:Entities",
        "transcription": "convzoo.tasks.transcription:Transcription",
        "ranking": "convzoo.tasks.ranking:RankItems",
        "link_prediction": "convzoo.tasks.link_prediction:LinkPrediction",
        "clustering": "convzoo.tasks.clustering:Clustering",
        "segmentation": "convzoo.tasks.segmentation:Segmentation",
        "clip_classification": "convzoo.tasks.clip_classification:ClipClassification",
        "multi_label": "convzoo.tasks.multi_label:MultiLabel",
        "regression": "convzoo.tasks.regression:Regression",
        "clip_regression": "convzoo.tasks.clip_regression:ClipRegression",
        "detection": "convzoo.tasks.detection:Detection",
        "remaining_life": "convzoo.tasks.remaining_life:RemainingLife",
    },
    "baseline": {
        "majority": "convzoo.baselines.majority:Majority",
        "frequencies": "convzoo.baselines.frequencies:Frequencies",
        "mean": "convzoo.baselines.mean:Mean",
    },
}
"""The parts that serve several kinds of data."""


def _merged(table: str) -> dict[Any, Any]:
    """A table of all chapters in one."""
    return {key: value for chapter in _chapters().values() for key, value in getattr(chapter, table, {}).items()}


def _chapters() -> Mapping[str, Any]:
    return {name: import_module(f"convzoo.modalities.{name}") for name in CHAPTERS}


def _place(chapter: str, place: str) -> str:
    return f"convzoo.modalities.{chapter}.{place}"


PARTS: dict[str, dict[str, str]] = {
    kind: {
        name: _place(chapter, place)
        for chapter, contents in _chapters().items()
        for name, place in contents.PARTS.get(kind, {}).items()
    }
    | shared
    for kind, shared in SHARED.items()
}
"""Every part that comes with convzoo: kind -> name -> place."""

KINDS = tuple(PARTS)

MODALITIES = tuple(dict.fromkeys(chapter.MODALITY for chapter in _chapters().values()))
"""What a recipe's `modality` may be."""

OWN_DATA: dict[str, tuple[tuple[str, ...], ...]] = _merged("OWN_DATA")
"""The readers that may read `--data PATH` for an encoder. The readers of the first row are tried first: they know the layouts of
benchmarks, which the general readers of folders and tables would also accept. If two readers of one row recognise the same path,
the user has to choose."""

PAGES: dict[tuple[str, str | None], str] = {
    (_place(name, example), task): _place(name, place)
    for name, chapter in _chapters().items()
    for (example, task), place in chapter.PAGES.items()
}
"""The pages that show a kind of example in the report: (type of example, task; None: any task) -> the place of its `Pages`."""

RENAMED: dict[str, str] = _merged("RENAMED") | {
    "modality: speech": "audio",
    "model.c3d.kernel": "kernels",
    "model.lightgcn.scale": "initial_deviation",
    "model.lightgcn.size": "embedding_size",
    "model.pillars.widths": "channels",
    "model.r3d.kernel": "kernels",
    "model.r3d.stem_size": "stem_kernel_size",
    "model.r3d.widths": "channels",
    "model.resnet2d.widths": "channels",
    "model.resnet3d.downsampling: pool": "max",
    "model.resnet3d.shrink": "downsampling",
    "model.resnet3d.widths": "channels",
    "model.separable_cnn1d.first_kernel": "first_kernel_size",
    "model.separable_cnn1d.last_kernel": "last_kernel_size",
    "model.unet.base": "base_channels",
    "model.unet.most": "max_channels",
    "model.waveform_cnn1d.first_kernel": "first_kernel_size",
    "task.anomaly_detection.settle": "burn_in",
    "task.detection.least_radius": "min_radius",
    "task.detection.most": "max_objects",
    "task.detection.overlap": "nms_threshold",
    "task.detection.score": "score_threshold",
    "task.nab_detection.settle": "burn_in",
    "task.segmentation.fewest": "min_size",
    "task.segmentation.windows": "window_batch_size",
    "task.translation.longest": "max_length_ratio",
}
"""Former names -> present ones. Recipes and runs with former names still load; errors and the schema use present names only.

"encoder.points.turn": "rotate"               an argument of a part, or of `train`
"encoder.volume.contrast": "gamma = exp"      an argument whose unit changed too: the value is converted (`renamed.CONVERSIONS`)
"encoder.image.colour: gray": "grey"          a value of an argument (under the argument's present name)
"encoder.pictures": "image"                   the name of a part
"modality: speech": "audio"                   a modality
"""


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    kind: str
    name: str
    place: str


@cache
def entries(kind: str) -> dict[str, Entry]:
    """All parts of a kind by name: convzoo's own, then those that installed packages declare (`convzoo.<kind>` entry points)."""
    found = {name: Entry(kind, name, place) for name, place in PARTS[kind].items()}
    for point in entry_points(group=f"convzoo.{kind}"):
        found.setdefault(point.name, Entry(kind, point.name, point.value))
    return found


def pages_of(example: type, task: type) -> str:
    """The place of the pages that show a type of example, or the nearest of its bases, for a task.

    Pages registered for the task, or for one of its bases, come before pages registered for any task. A type that is not
    registered gets the base class of all pages.
    """
    examples, tasks = ([f"{cls.__module__}:{cls.__qualname__}" for cls in part.__mro__] for part in (example, task))
    found = (PAGES[key] for key in product(examples, [*tasks, None]) if key in PAGES)
    return next(found, "convzoo.core.pages:Pages")
