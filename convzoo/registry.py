"""The table of contents: each part's name and the place of its class, as strings, so that nothing is imported by looking."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from itertools import product

PARTS: dict[str, dict[str, str]] = {
    "data": {
        "reviews": "convzoo.generated.reviews:Reviews",
        "faces": "convzoo.generated.faces:Faces",
        "sensors": "convzoo.generated.sensors:Sensors",
        "text_table": "convzoo.readers.text_table:TextTable",
        "idx": "convzoo.readers.idx:Idx",
        "image_table": "convzoo.readers.own_images:ImageTable",
        "image_folder": "convzoo.readers.own_images:ImageFolder",
        "fer2013": "convzoo.readers.fer2013:Fer2013",
        "polarity": "convzoo.readers.polarity:Polarity",
        "sst": "convzoo.readers.sst:StanfordSentiment",
        "trec": "convzoo.readers.trec:Trec",
        "series_table": "convzoo.readers.series_table:SeriesTable",
        "skab": "convzoo.readers.skab:Skab",
        "nab": "convzoo.readers.nab:Nab",
        "grammar": "convzoo.generated.grammar:Grammar",
        "parallel_text": "convzoo.readers.parallel_text:ParallelText",
        "multi30k": "convzoo.readers.multi30k:Multi30k",
        "tastes": "convzoo.generated.tastes:Tastes",
        "communities": "convzoo.generated.communities:Communities",
        "planetoid": "convzoo.readers.planetoid:Planetoid",
        "graph_table": "convzoo.readers.graph_table:GraphTable",
        "interactions": "convzoo.readers.interactions:InteractionTable",
        "lightgcn_text": "convzoo.readers.lightgcn_text:LightGCNText",
        "spoken": "convzoo.generated.spoken:Spoken",
        "fsdd": "convzoo.readers.fsdd:Fsdd",
        "audio_table": "convzoo.readers.own_sounds:AudioTable",
        "audio_folder": "convzoo.readers.own_sounds:AudioFolder",
        "phantoms": "convzoo.generated.phantoms:Phantoms",
        "decathlon": "convzoo.readers.decathlon:Decathlon",
        "volume_table": "convzoo.readers.own_volumes:VolumeTable",
        "volume_folder": "convzoo.readers.own_volumes:VolumeFolder",
        "medmnist3d": "convzoo.readers.medmnist3d:MedMNIST3D",
        "motions": "convzoo.generated.motions:Motions",
        "weizmann": "convzoo.readers.weizmann:Weizmann",
        "ucf101": "convzoo.readers.ucf101:Ucf101",
        "hmdb51": "convzoo.readers.hmdb51:Hmdb51",
        "video_table": "convzoo.readers.own_videos:VideoTable",
        "video_folder": "convzoo.readers.own_videos:VideoFolder",
        "streets": "convzoo.generated.streets:Streets",
        "kitti": "convzoo.readers.kitti:Kitti",
        "cloud_table": "convzoo.readers.cloud_table:CloudTable",
    },
    "encoder": {
        "series": "convzoo.encoders.series:SeriesEncoder",
        "text": "convzoo.encoders.text:TextEncoder",
        "image": "convzoo.encoders.image:ImageEncoder",
        "parallel_text": "convzoo.encoders.parallel_text:ParallelTextEncoder",
        "graph": "convzoo.encoders.graph:GraphEncoder",
        "interactions": "convzoo.encoders.interactions:InteractionEncoder",
        "audio": "convzoo.encoders.audio:AudioEncoder",
        "volume": "convzoo.encoders.volume:VolumeEncoder",
        "segmentation": "convzoo.encoders.segmentation:SegmentationEncoder",
        "video": "convzoo.encoders.video:VideoEncoder",
        "points": "convzoo.encoders.points:PointCloudEncoder",
    },
    "model": {
        "tcn1d": "convzoo.models.tcn1d:TCN1d",
        "autoencoder_cnn1d": "convzoo.models.autoencoder_cnn1d:AutoencoderCNN1d",
        "cnn1d": "convzoo.models.cnn1d:CNN1d",
        "dilated_cnn1d": "convzoo.models.dilated_cnn1d:DilatedCNN1d",
        "region_cnn1d": "convzoo.models.region_cnn1d:RegionCNN1d",
        "cnn2d": "convzoo.models.cnn2d:CNN2d",
        "resnet2d": "convzoo.models.resnet2d:ResNet2d",
        "convs2s": "convzoo.models.convs2s:ConvS2S",
        "lightconv": "convzoo.models.lightconv:LightConv",
        "waveform_cnn1d": "convzoo.models.waveform_cnn1d:WaveformCNN1d",
        "separable_cnn1d": "convzoo.models.separable_cnn1d:SeparableCNN1d",
        "graph_network": "convzoo.models.graph_network:GraphNetwork",
        "lightgcn": "convzoo.models.lightgcn:LightGCN",
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
        "nab_detection": "convzoo.tasks.nab_detection:NabDetection",
        "translation": "convzoo.tasks.translation:Translation",
        "ranking": "convzoo.tasks.ranking:RankItems",
        "segmentation": "convzoo.tasks.segmentation:Segmentation",
        "clip_classification": "convzoo.tasks.clip_classification:ClipClassification",
        "detection": "convzoo.tasks.detection:Detection",
    },
    "baseline": {
        "always": "convzoo.baselines.anomalies:Always",
        "isolation_forest": "convzoo.baselines.anomalies:IsolationForestDetector",
        "t2_q": "convzoo.baselines.anomalies:T2Q",
        "windowed_gaussian": "convzoo.baselines.anomalies:WindowedGaussian",
        "majority": "convzoo.baselines.majority:Majority",
        "tfidf_logistic_regression": "convzoo.baselines.text:TfidfLogisticRegression",
        "nbsvm": "convzoo.baselines.text:NBSVM",
        "pixel_logistic_regression": "convzoo.baselines.image:PixelLogisticRegression",
        "eigen_svm": "convzoo.baselines.image:EigenSVM",
        "copy_source": "convzoo.baselines.translation:CopySource",
        "word_dictionary": "convzoo.baselines.translation:WordDictionary",
        "phrase_table": "convzoo.baselines.translation:PhraseTable",
        "popularity": "convzoo.baselines.ranking:Popularity",
        "item_neighbours": "convzoo.baselines.ranking:ItemNeighbours",
        "ease": "convzoo.baselines.ranking:EASE",
        "mf_bpr": "convzoo.baselines.ranking:MatrixFactorisation",
        "feature_mlp": "convzoo.baselines.graph:FeatureMLP",
        "label_propagation": "convzoo.baselines.graph:LabelPropagation",
        "mfcc_logistic_regression": "convzoo.baselines.audio:MfccLogisticRegression",
        "histogram_logistic_regression": "convzoo.baselines.volume:HistogramLogisticRegression",
        "eigen_volume_svm": "convzoo.baselines.volume:EigenVolumeSVM",
        "shape_logistic_regression": "convzoo.baselines.volume:ShapeLogisticRegression",
        "background": "convzoo.baselines.segmentation:Background",
        "mean_atlas": "convzoo.baselines.segmentation:MeanAtlas",
        "frame_average": "convzoo.baselines.video:FrameAverage",
        "motion_history_svm": "convzoo.baselines.video:MotionHistorySVM",
        "usual_places": "convzoo.baselines.points:UsualPlaces",
        "cluster_boxes": "convzoo.baselines.points:ClusterBoxes",
    },
}

OWN_DATA: dict[str, tuple[tuple[str, ...], ...]] = {
    "text": (("text_table",),),
    "parallel_text": (("parallel_text",),),
    "image": (("fer2013", "idx"), ("image_table", "image_folder")),
    "series": (("series_table",),),
    "audio": (("fsdd",), ("audio_table", "audio_folder")),
    "graph": (("planetoid", "graph_table"),),
    "interactions": (("lightgcn_text", "interactions"),),
    "volume": (("medmnist3d", "decathlon"), ("volume_table", "volume_folder")),
    "segmentation": (("decathlon",), ("volume_table",)),
    "video": (("weizmann", "ucf101", "hmdb51"), ("video_table", "video_folder")),
    "points": (("kitti", "cloud_table"),),
}
"""Who reads `--data PATH` for an encoder. The readers of the first row are asked first: the layouts of benchmarks, which the
general readers of folders and tables would take too. Where two of one row recognise the same path, the person has to choose."""

KINDS = tuple(PARTS)

EXTRAS: dict[str, str] = {
    "task.translation": "translation",
    "model.graph_network": "graph",
    "encoder.audio": "audio",
    "encoder.segmentation": "medical",
    "baseline.mfcc_logistic_regression": "audio",
    "encoder.volume": "medical",
    "model.monai_classifier": "medical",
    "encoder.video": "video",
    "data.streets": "points",
}
"""Parts that need an optional library: 'kind.name' -> the extra that brings it."""

PAGES: dict[tuple[str, str | None], str] = {
    ("convzoo.core.examples:Text", None): "convzoo.report.text:TextPages",
    ("convzoo.core.examples:Image", None): "convzoo.report.image:ImagePages",
    ("convzoo.core.series:Stretch", None): "convzoo.report.series:SeriesPages",
    ("convzoo.core.translation:Pair", None): "convzoo.report.translation:PairPages",
    ("convzoo.core.graphs:Node", None): "convzoo.report.graphs:NodePages",
    ("convzoo.core.interactions:User", None): "convzoo.report.users:UserPages",
    ("convzoo.core.audio:Audio", None): "convzoo.report.sounds:AudioPages",
    ("convzoo.core.volumes:Volume", None): "convzoo.report.volumes:VolumePages",
    ("convzoo.core.volumes:Volume", "convzoo.tasks.segmentation:Segmentation"): (
        "convzoo.report.segmentation:VolumeMaskPages"
    ),
    ("convzoo.core.video:Video", None): "convzoo.report.videos:VideoPages",
    ("convzoo.core.points:PointCloud", None): "convzoo.report.points:PointCloudPages",
}
"""What shows a kind of example in the report: (type of example, task; None: any task) -> the place of its `Pages`."""


RENAMED: dict[str, str] = {
    "modality: speech": "audio",
    "data.audio_folder.words": "classes",
    "data.audio_table.sound": "file",
    "data.cloud_table.cloud": "file",
    "data.interactions.at_least": "min_rating",
    "data.interactions.fewest": "min_interactions",
    "data.reviews.noise": "label_noise",
    "data.spoken.misspoken": "label_noise",
    "data.motions.misdone": "label_noise",
    "data.streets.overlooked": "missing_labels",
    "data.video_folder.actions": "classes",
    "data.video_table.video": "file",
    "data.volume_table.image": "file",
    "data.volume_table.patient": "group",
    "encoder.audio.band_mask": "band_mask_width",
    "encoder.audio.frame_mask": "frame_mask_width",
    "encoder.audio.lowest": "min_frequency",
    "encoder.audio.noise": "noise_probability",
    "encoder.audio.noise_highest": "max_snr",
    "encoder.audio.noise_lowest": "min_snr",
    "encoder.audio.shift": "time_shift",
    "encoder.audio.window": "frame_length",
    "encoder.image.augment_probability": "spatial_probability",
    "encoder.points.least_points": "min_points",
    "encoder.points.turn": "rotate",
    "encoder.segmentation.intensity": "normalise",
    "encoder.segmentation.most_voxels": "max_voxels",
    "encoder.series.settle": "normalise_rows",
    "encoder.volume.augment_probability": "spatial_probability",
    "encoder.volume.contrast": "gamma = exp",
    "model.c3d.kernel": "kernels",
    "model.lightgcn.scale": "initial_deviation",
    "model.lightgcn.size": "embedding_size",
    "model.pillars.widths": "channels",
    "model.r3d.kernel": "kernels",
    "model.r3d.stem_size": "stem_kernel_size",
    "model.r3d.widths": "channels",
    "model.resnet2d.widths": "channels",
    "model.resnet3d.shrink": "downsampling",
    "model.resnet3d.downsampling: pool": "max",
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
    "baseline.cluster_boxes.frames": "max_examples",
    "baseline.cluster_boxes.reach": "max_distance",
    "baseline.cluster_boxes.score": "score_threshold",
    "baseline.ease.strength": "penalty",
    "baseline.eigen_svm.examples": "max_examples",
    "baseline.eigen_svm.strength": "inverse_penalty",
    "baseline.eigen_volume_svm.strength": "inverse_penalty",
    "baseline.frame_average.strength": "inverse_penalty",
    "baseline.histogram_logistic_regression.strength": "inverse_penalty",
    "baseline.mfcc_logistic_regression.strength": "inverse_penalty",
    "baseline.motion_history_svm.strength": "inverse_penalty",
    "baseline.nbsvm.strength": "inverse_penalty",
    "baseline.pixel_logistic_regression.strength": "inverse_penalty",
    "baseline.shape_logistic_regression.strength": "inverse_penalty",
    "baseline.tfidf_logistic_regression.strength": "inverse_penalty",
    "baseline.feature_mlp.strength": "penalty",
    "baseline.isolation_forest.rows": "max_rows",
    "baseline.mean_atlas.volumes": "max_examples",
    "baseline.mf_bpr.size": "embedding_size",
    "baseline.phrase_table.least": "min_count",
    "baseline.phrase_table.longest": "max_phrase_length",
    "baseline.pixel_logistic_regression.examples": "max_examples",
    "baseline.t2_q.rows": "max_rows",
}
"""Former names -> present ones. Recipes and runs with former names still load; errors and the schema know present names only.

"encoder.points.turn": "rotate"               an argument of a part, or of `train`
"encoder.volume.contrast": "gamma = exp"      an argument whose unit changed too: the value is converted (`recipe.CONVERSIONS`)
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
    extra: str | None = None


@cache
def entries(kind: str) -> dict[str, Entry]:
    """All parts of a kind by name: convzoo's own, then those that installed packages declare (`convzoo.<kind>` entry points)."""
    found = {name: Entry(kind, name, place, EXTRAS.get(f"{kind}.{name}")) for name, place in PARTS[kind].items()}
    for point in entry_points(group=f"convzoo.{kind}"):
        found.setdefault(point.name, Entry(kind, point.name, point.value))
    return found


def pages_of(example: type, task: type) -> str:
    """The place of the pages that show a type of example, or the nearest of its bases, for a task.

    What is registered for the task, or one of its bases, comes before what is registered for any task. A type that is not
    registered is served by the base of all pages.
    """
    examples, tasks = ([f"{cls.__module__}:{cls.__qualname__}" for cls in part.__mro__] for part in (example, task))
    found = (PAGES[key] for key in product(examples, [*tasks, None]) if key in PAGES)
    return next(found, "convzoo.core.pages:Pages")
