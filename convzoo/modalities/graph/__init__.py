"""Graphs: nodes with features, and edges between them."""

MODALITY = "graph"

PARTS = {
    "data": {
        "communities": "data.communities:Communities",
        "planetoid": "data.planetoid:Planetoid",
        "graph_table": "data.own:GraphTable",
    },
    "encoder": {
        "graph": "encoder:GraphEncoder",
    },
    "baseline": {
        "feature_mlp": "baselines:FeatureMLP",
        "label_propagation": "baselines:LabelPropagation",
        "neighbour_ridge": "number_baselines:NeighbourRidge",
        "neighbour_logistic_regression": "baselines:NeighbourLogisticRegression",
        "smoothed_logistic_regression": "baselines:SmoothedLogisticRegression",
    },
}

OWN_DATA = {
    "graph": (("planetoid", "graph_table"),),
}

PAGES = {
    ("example:Node", None): "pages:NodePages",
}

RENAMED = {
    "baseline.feature_mlp.strength": "penalty",
}
