"""Medical volumes: scans in three dimensions, with classes or masks."""

MODALITY = "volume"

PARTS = {
    "data": {
        "phantoms": "data.phantoms:Phantoms",
        "decathlon": "data.decathlon:Decathlon",
        "volume_table": "data.own:VolumeTable",
        "volume_folder": "data.own:VolumeFolder",
        "medmnist3d": "data.medmnist3d:MedMNIST3D",
    },
    "encoder": {
        "volume": "encoder:VolumeEncoder",
        "segmentation": "mask_encoder:SegmentationEncoder",
    },
    "baseline": {
        "histogram_logistic_regression": "baselines:HistogramLogisticRegression",
        "eigen_volume_svm": "baselines:EigenVolumeSVM",
        "shape_logistic_regression": "baselines:ShapeLogisticRegression",
        "volume_ridge": "number_baselines:VolumeRidge",
        "background": "mask_baselines:Background",
        "mean_atlas": "mask_baselines:MeanAtlas",
    },
}

OWN_DATA = {
    "volume": (("medmnist3d", "decathlon"), ("volume_table", "volume_folder")),
    "segmentation": (("decathlon",), ("volume_table",)),
}

PAGES = {
    ("example:Volume", None): "pages:VolumePages",
    ("example:Volume", "convzoo.tasks.segmentation:Segmentation"): "mask_pages:VolumeMaskPages",
}

RENAMED = {
    "baseline.eigen_volume_svm.strength": "inverse_penalty",
    "baseline.histogram_logistic_regression.strength": "inverse_penalty",
    "baseline.mean_atlas.volumes": "max_examples",
    "baseline.shape_logistic_regression.strength": "inverse_penalty",
    "data.volume_table.image": "file",
    "data.volume_table.patient": "group",
    "encoder.segmentation.intensity": "normalise",
    "encoder.segmentation.most_voxels": "max_voxels",
    "encoder.volume.augment_probability": "spatial_probability",
    "encoder.volume.contrast": "gamma = exp",
}
