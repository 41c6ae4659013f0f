"""Point clouds: scans of LiDAR, with boxes around objects."""

MODALITY = "points"

PARTS = {
    "data": {
        "streets": "data.streets:Streets",
        "kitti": "data.kitti:Kitti",
        "cloud_table": "data.own:CloudTable",
    },
    "encoder": {
        "points": "encoder:PointCloudEncoder",
    },
    "baseline": {
        "usual_places": "baselines:UsualPlaces",
        "cluster_boxes": "baselines:ClusterBoxes",
    },
}

OWN_DATA = {
    "points": (("kitti", "cloud_table"),),
}

PAGES = {
    ("example:PointCloud", None): "pages:PointCloudPages",
}

RENAMED = {
    "baseline.cluster_boxes.frames": "max_examples",
    "baseline.cluster_boxes.reach": "max_distance",
    "baseline.cluster_boxes.score": "score_threshold",
    "data.cloud_table.cloud": "file",
    "data.streets.overlooked": "missing_labels",
    "encoder.points.least_points": "min_points",
    "encoder.points.turn": "rotate",
}
