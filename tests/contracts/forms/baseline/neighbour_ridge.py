"""Ridge regression on own and neighbours' features, on nodes with a number."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "nodes_gcn",
        {
            "data": {"name": "graph_table", "form": "numbers"},
            "task": {"name": "regression"},
            "baselines": [{"name": "neighbour_ridge"}],
            "expect": {},
        },
    )
}
