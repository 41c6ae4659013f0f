"""Edges that are hidden, and a vector for each node."""

from contracts.parts import Form

FORMS = {
    "hidden": Form("links_gcn", {"encoder": {"name": "links", "hidden": 0.5}}, augments=True),
    "learned": Form(
        "links_gcn",
        {"data": {"name": "seal"}, "encoder": {"name": "links", "without_features": "learned", "hidden": 0.0}},
    ),
}
