"""Images: photographs, drawings and scans in two dimensions."""

MODALITY = "image"

PARTS = {
    "data": {
        "faces": "data.faces:Faces",
        "gauges": "data.gauges:Gauges",
        "idx": "data.idx:Idx",
        "image_table": "data.own:ImageTable",
        "image_folder": "data.own:ImageFolder",
        "fer2013": "data.fer2013:Fer2013",
    },
    "encoder": {
        "image": "encoder:ImageEncoder",
    },
    "baseline": {
        "pixel_logistic_regression": "baselines:PixelLogisticRegression",
        "eigen_svm": "baselines:EigenSVM",
        "pixel_ridge": "number_baselines:PixelRidge",
        "eigen_svr": "number_baselines:EigenSVR",
        "hog_svm": "baselines:HogSVM",
    },
}

OWN_DATA = {
    "image": (("fer2013", "idx"), ("image_table", "image_folder")),
}

PAGES = {
    ("example:Image", None): "pages:ImagePages",
}

RENAMED = {
    "baseline.eigen_svm.examples": "max_examples",
    "baseline.eigen_svm.strength": "inverse_penalty",
    "baseline.pixel_logistic_regression.examples": "max_examples",
    "baseline.pixel_logistic_regression.strength": "inverse_penalty",
    "encoder.image.augment_probability": "spatial_probability",
}
