"""The table of contents: each part's name and the place of its class, as strings, so that nothing is imported by looking."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

PARTS: dict[str, dict[str, str]] = {
    "data": {
        "reviews": "convzoo.generated.reviews:Reviews",
        "faces": "convzoo.generated.faces:Faces",
        "text_table": "convzoo.readers.text_table:TextTable",
        "idx": "convzoo.readers.idx:Idx",
        "image_folder": "convzoo.readers.image_folder:ImageFolder",
        "fer2013": "convzoo.readers.fer2013:Fer2013",
        "polarity": "convzoo.readers.polarity:Polarity",
        "sst": "convzoo.readers.sst:StanfordSentiment",
        "trec": "convzoo.readers.trec:Trec",
        "spoken": "convzoo.generated.spoken:Spoken",
        "fsdd": "convzoo.readers.fsdd:Fsdd",
        "audio_table": "convzoo.readers.audio_table:AudioTable",
        "audio_folder": "convzoo.readers.audio_folder:AudioFolder",
    },
    "encoder": {
        "text": "convzoo.encoders.text:TextEncoder",
        "image": "convzoo.encoders.image:ImageEncoder",
        "audio": "convzoo.encoders.audio:AudioEncoder",
    },
    "model": {
        "cnn1d": "convzoo.models.cnn1d:CNN1d",
        "dilated_cnn1d": "convzoo.models.dilated_cnn1d:DilatedCNN1d",
        "region_cnn1d": "convzoo.models.region_cnn1d:RegionCNN1d",
        "cnn2d": "convzoo.models.cnn2d:CNN2d",
        "resnet2d": "convzoo.models.resnet2d:ResNet2d",
        "waveform_cnn1d": "convzoo.models.waveform_cnn1d:WaveformCNN1d",
        "separable_cnn1d": "convzoo.models.separable_cnn1d:SeparableCNN1d",
    },
    "task": {
        "classification": "convzoo.tasks.classification:Classification",
    },
    "baseline": {
        "majority": "convzoo.baselines.majority:Majority",
        "tfidf_logistic_regression": "convzoo.baselines.text:TfidfLogisticRegression",
        "nbsvm": "convzoo.baselines.text:NBSVM",
        "pixel_logistic_regression": "convzoo.baselines.image:PixelLogisticRegression",
        "eigen_svm": "convzoo.baselines.image:EigenSVM",
        "mfcc_logistic_regression": "convzoo.baselines.audio:MfccLogisticRegression",
    },
}

KINDS = tuple(PARTS)

EXTRAS: dict[str, str] = {
    "encoder.audio": "audio",
    "baseline.mfcc_logistic_regression": "audio",
}
"""Parts that need an optional library: 'kind.name' -> the extra that brings it."""


@dataclass(frozen=True)
class Entry:
    """One line of the table."""

    kind: str
    name: str
    place: str
    extra: str | None = None


@cache
def entries(kind: str) -> dict[str, Entry]:
    """All parts of a kind by name: convzoo's own, then those that installed packages declare (`convzoo.<kind>` entry points)."""
    found = {name: Entry(kind, name, place, EXTRAS.get(f"{kind}.{name}")) for name, place in PARTS[kind].items()}
    for point in entry_points(group=f"convzoo.{kind}"):
        found.setdefault(point.name, Entry(kind, point.name, point.value))
    return found
