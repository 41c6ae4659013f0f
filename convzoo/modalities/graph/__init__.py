"""Graphs: nodes with features, and edges between them."""

MODALITY = "graph"

PARTS = {
    "data": {
        "communities": "data.communities:Communities",
        "planetoid": "data.planetoid:Planetoid",
        "graph_table": "data.own:GraphTable",
        "latent_space": "data.latent_space:LatentSpace",
        "planetoid_links": "data.link_benchmarks:PlanetoidLinks",
        "seal": "data.link_benchmarks:Seal",
        "link_table": "data.own_links:LinkTable",
    },
    "encoder": {
        "graph": "encoder:GraphEncoder",
        "links": "link_encoder:LinkEncoder",
    },
    "baseline": {
        "feature_mlp": "baselines:FeatureMLP",
        "label_propagation": "baselines:LabelPropagation",
        "neighbour_ridge": "number_baselines:NeighbourRidge",
        "neighbour_logistic_regression": "baselines:NeighbourLogisticRegression",
        "smoothed_logistic_regression": "baselines:SmoothedLogisticRegression",
        "preferential_attachment": "link_baselines:PreferentialAttachment",
        "common_neighbours": "link_baselines:CommonNeighbours",
        "katz": "link_baselines:Katz",
        "propagated_features": "link_baselines:PropagatedFeatures",
        "linear_encoder": "link_baselines:LinearEncoder",
    },
}

OWN_DATA = {
    "graph": (("planetoid", "graph_table"),),
    "links": (("planetoid_links", "seal"), ("link_table",)),
}

PAGES = {
    ("example:Node", None): "pages:NodePages",
    ("links:NodePair", None): "link_pages:LinkPages",
}

RENAMED = {
    "baseline.feature_mlp.strength": "penalty",
}
