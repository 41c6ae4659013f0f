"""Neighbours that are drawn."""

from contracts.parts import Form

FORMS = {
    "neighbours": Form(
        "nodes_gcn",
        {"encoder": {"name": "graph", "neighbours": [3, 3], "normalise": "standard", "matrix": "random_walk"}},
        augments=True,
    ),
}
