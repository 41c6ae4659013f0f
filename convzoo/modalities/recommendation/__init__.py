"""Recommendation: who had what, as a graph between users and items."""

MODALITY = "graph"

PARTS = {
    "data": {
        "tastes": "data.tastes:Tastes",
        "interactions": "data.own:InteractionTable",
        "lightgcn_text": "data.lightgcn_text:LightGCNText",
    },
    "encoder": {
        "interactions": "encoder:InteractionEncoder",
    },
    "baseline": {
        "popularity": "baselines:Popularity",
        "item_neighbours": "baselines:ItemNeighbours",
        "ease": "baselines:EASE",
        "mf_bpr": "baselines:MatrixFactorisation",
    },
}

OWN_DATA = {
    "interactions": (("lightgcn_text", "interactions"),),
}

PAGES = {
    ("example:User", None): "pages:UserPages",
}

RENAMED = {
    "baseline.ease.strength": "penalty",
    "baseline.mf_bpr.size": "embedding_size",
    "data.interactions.at_least": "min_rating",
    "data.interactions.fewest": "min_interactions",
}
