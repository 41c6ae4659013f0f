"""Eigenvectors of the Laplacian, whose signs are drawn, and a matrix with self-loops."""

from contracts.parts import Form

FORMS = {
    "laplacian": Form(
        "graphs_gin",
        {"encoder": {"name": "whole_graph", "positions": "laplacian", "position_size": 4}},
        augments=True,
    ),
    "symmetric": Form(
        "graphs_gin",
        {"encoder": {"name": "whole_graph", "matrix": "symmetric", "self_loops": True}},
        augments=False,
    ),
}
