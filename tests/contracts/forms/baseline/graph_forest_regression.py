"""A forest on counts, on molecules with a number."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "graphs_gin",
        {
            "data": {"name": "molecules", "train": 60, "val": 30, "test": 31},
            "task": {"name": "regression"},
            "baselines": [{"name": "graph_forest_regression", "trees": 10}],
            "expect": {},
        },
    )
}
