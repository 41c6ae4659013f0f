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
        "planted": "data.planted:Planted",
        "planetoid_communities": "data.community_tables:PlanetoidCommunities",
        "community_table": "data.community_tables:CommunityTable",
        "molecules": "data.molecules:Molecules",
        "tu": "data.tu:TUDataset",
        "graph_folder": "data.own_graphs:GraphFolder",
        "graph_files": "data.own_graphs:GraphFiles",
    },
    "encoder": {
        "graph": "encoder:GraphEncoder",
        "links": "link_encoder:LinkEncoder",
        "communities": "community_encoder:CommunityEncoder",
        "whole_graph": "whole_encoder:WholeGraphEncoder",
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
        "one_community": "community_baselines:OneCommunity",
        "k_means_features": "community_baselines:KMeansFeatures",
        "k_means_smoothed": "community_baselines:KMeansSmoothed",
        "spectral": "community_baselines:Spectral",
        "louvain": "community_baselines:Louvain",
        "graph_forest": "whole_baselines:GraphForest",
        "graph_forest_regression": "whole_baselines:GraphForestRegression",
        "weisfeiler_lehman_svm": "whole_baselines:WeisfeilerLehmanSVM",
        "weisfeiler_lehman_ridge": "whole_baselines:WeisfeilerLehmanRidge",
    },
}

OWN_DATA = {
    "graph": (("planetoid", "graph_table"),),
    "links": (("planetoid_links", "seal"), ("link_table",)),
    "communities": (("planetoid_communities",), ("community_table",)),
    "whole_graph": (("tu",), ("graph_folder", "graph_files")),
}

PAGES = {
    ("example:Node", None): "pages:NodePages",
    ("links:NodePair", None): "link_pages:LinkPages",
    ("members:Member", None): "community_pages:CommunityPages",
    ("whole:WholeGraph", None): "whole_pages:WholeGraphPages",
}

RENAMED = {
    "baseline.feature_mlp.strength": "penalty",
}
