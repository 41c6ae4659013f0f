"""The table of contents: each part's name and the place of its class, as strings, so that nothing is imported by looking."""

from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from itertools import product

PARTS: dict[str, dict[str, str]] = {
    "data": {
        "reviews": "convzoo.modalities.text.data.reviews:Reviews",
        "faces": "convzoo.modalities.image.data.faces:Faces",
        "sensors": "convzoo.modalities.series.data.sensors:Sensors",
        "text_table": "convzoo.modalities.text.data.own:TextTable",
        "idx": "convzoo.modalities.image.data.idx:Idx",
        "image_table": "convzoo.modalities.image.data.own:ImageTable",
        "image_folder": "convzoo.modalities.image.data.own:ImageFolder",
        "fer2013": "convzoo.modalities.image.data.fer2013:Fer2013",
        "polarity": "convzoo.modalities.text.data.polarity:Polarity",
        "sst": "convzoo.modalities.text.data.sst:StanfordSentiment",
        "trec": "convzoo.modalities.text.data.trec:Trec",
        "series_table": "convzoo.modalities.series.data.own:SeriesTable",
        "skab": "convzoo.modalities.series.data.skab:Skab",
        "nab": "convzoo.modalities.series.data.nab:Nab",
        "grammar": "convzoo.modalities.text.data.grammar:Grammar",
        "parallel_text": "convzoo.modalities.text.data.own_pairs:ParallelText",
        "multi30k": "convzoo.modalities.text.data.multi30k:Multi30k",
        "tastes": "convzoo.modalities.recommendation.data.tastes:Tastes",
        "communities": "convzoo.modalities.graph.data.communities:Communities",
        "planetoid": "convzoo.modalities.graph.data.planetoid:Planetoid",
        "graph_table": "convzoo.modalities.graph.data.own:GraphTable",
        "interactions": "convzoo.modalities.recommendation.data.own:InteractionTable",
        "lightgcn_text": "convzoo.modalities.recommendation.data.lightgcn_text:LightGCNText",
        "spoken": "convzoo.modalities.audio.data.spoken:Spoken",
        "fsdd": "convzoo.modalities.audio.data.fsdd:Fsdd",
        "audio_table": "convzoo.modalities.audio.data.own:AudioTable",
        "audio_folder": "convzoo.modalities.audio.data.own:AudioFolder",
        "phantoms": "convzoo.modalities.volume.data.phantoms:Phantoms",
        "decathlon": "convzoo.modalities.volume.data.decathlon:Decathlon",
        "volume_table": "convzoo.modalities.volume.data.own:VolumeTable",
        "volume_folder": "convzoo.modalities.volume.data.own:VolumeFolder",
        "medmnist3d": "convzoo.modalities.volume.data.medmnist3d:MedMNIST3D",
        "motions": "convzoo.modalities.video.data.motions:Motions",
        "weizmann": "convzoo.modalities.video.data.weizmann:Weizmann",
        "ucf101": "convzoo.modalities.video.data.ucf101:Ucf101",
        "hmdb51": "convzoo.modalities.video.data.hmdb51:Hmdb51",
        "video_table": "convzoo.modalities.video.data.own:VideoTable",
        "video_folder": "convzoo.modalities.video.data.own:VideoFolder",
        "streets": "convzoo.modalities.points.data.streets:Streets",
        "kitti": "convzoo.modalities.points.data.kitti:Kitti",
        "cloud_table": "convzoo.modalities.points.data.own:CloudTable",
    },
    "encoder": {
        "series": "convzoo.modalities.series.encoder:SeriesEncoder",
        "text": "convzoo.modalities.text.encoder:TextEncoder",
        "image": "convzoo.modalities.image.encoder:ImageEncoder",
        "parallel_text": "convzoo.modalities.text.pair_encoder:ParallelTextEncoder",
        "graph": "convzoo.modalities.graph.encoder:GraphEncoder",
        "interactions": "convzoo.modalities.recommendation.encoder:InteractionEncoder",
        "audio": "convzoo.modalities.audio.encoder:AudioEncoder",
        "volume": "convzoo.modalities.volume.encoder:VolumeEncoder",
        "segmentation": "convzoo.modalities.volume.mask_encoder:SegmentationEncoder",
        "video": "convzoo.modalities.video.encoder:VideoEncoder",
        "points": "convzoo.modalities.points.encoder:PointCloudEncoder",
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
        "always": "convzoo.modalities.series.baselines:Always",
        "isolation_forest": "convzoo.modalities.series.baselines:IsolationForestDetector",
        "t2_q": "convzoo.modalities.series.baselines:T2Q",
        "windowed_gaussian": "convzoo.modalities.series.baselines:WindowedGaussian",
        "majority": "convzoo.baselines.majority:Majority",
        "tfidf_logistic_regression": "convzoo.modalities.text.baselines:TfidfLogisticRegression",
        "nbsvm": "convzoo.modalities.text.baselines:NBSVM",
        "pixel_logistic_regression": "convzoo.modalities.image.baselines:PixelLogisticRegression",
        "eigen_svm": "convzoo.modalities.image.baselines:EigenSVM",
        "copy_source": "convzoo.modalities.text.pair_baselines:CopySource",
        "word_dictionary": "convzoo.modalities.text.pair_baselines:WordDictionary",
        "phrase_table": "convzoo.modalities.text.pair_baselines:PhraseTable",
        "popularity": "convzoo.modalities.recommendation.baselines:Popularity",
        "item_neighbours": "convzoo.modalities.recommendation.baselines:ItemNeighbours",
        "ease": "convzoo.modalities.recommendation.baselines:EASE",
        "mf_bpr": "convzoo.modalities.recommendation.baselines:MatrixFactorisation",
        "feature_mlp": "convzoo.modalities.graph.baselines:FeatureMLP",
        "label_propagation": "convzoo.modalities.graph.baselines:LabelPropagation",
        "mfcc_logistic_regression": "convzoo.modalities.audio.baselines:MfccLogisticRegression",
        "histogram_logistic_regression": "convzoo.modalities.volume.baselines:HistogramLogisticRegression",
        "eigen_volume_svm": "convzoo.modalities.volume.baselines:EigenVolumeSVM",
        "shape_logistic_regression": "convzoo.modalities.volume.baselines:ShapeLogisticRegression",
        "background": "convzoo.modalities.volume.mask_baselines:Background",
        "mean_atlas": "convzoo.modalities.volume.mask_baselines:MeanAtlas",
        "frame_average": "convzoo.modalities.video.baselines:FrameAverage",
        "motion_history_svm": "convzoo.modalities.video.baselines:MotionHistorySVM",
        "usual_places": "convzoo.modalities.points.baselines:UsualPlaces",
        "cluster_boxes": "convzoo.modalities.points.baselines:ClusterBoxes",
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
    ("convzoo.core.splits:Text", None): "convzoo.modalities.text.pages:TextPages",
    ("convzoo.core.splits:Image", None): "convzoo.modalities.image.pages:ImagePages",
    ("convzoo.modalities.series.example:Stretch", None): "convzoo.modalities.series.pages:SeriesPages",
    ("convzoo.modalities.text.pair:Pair", None): "convzoo.modalities.text.pair_pages:PairPages",
    ("convzoo.modalities.graph.example:Node", None): "convzoo.modalities.graph.pages:NodePages",
    ("convzoo.modalities.recommendation.example:User", None): "convzoo.modalities.recommendation.pages:UserPages",
    ("convzoo.modalities.audio.example:Audio", None): "convzoo.modalities.audio.pages:AudioPages",
    ("convzoo.modalities.volume.example:Volume", None): "convzoo.modalities.volume.pages:VolumePages",
    ("convzoo.modalities.volume.example:Volume", "convzoo.tasks.segmentation:Segmentation"): (
        "convzoo.modalities.volume.mask_pages:VolumeMaskPages"
    ),
    ("convzoo.modalities.video.example:Video", None): "convzoo.modalities.video.pages:VideoPages",
    ("convzoo.modalities.points.example:PointCloud", None): "convzoo.modalities.points.pages:PointCloudPages",
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
