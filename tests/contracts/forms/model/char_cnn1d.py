"""The network over bytes, with the evidence of a linear classifier."""

from contracts.parts import Form

FORMS = {
    "vote": Form(
        "spam_cnn1d",
        {
            "encoder": {"name": "text", "units": "characters", "evidence": "linear"},
            "model": {"name": "char_cnn1d", "channels": [4], "kernel_sizes": [5], "evidence_weight": 0.5},
        },
    ),
    "evidence": Form(
        "spam_cnn1d",
        {
            "encoder": {"name": "text", "units": "bytes", "evidence": "linear"},
            "model": {
                "name": "char_cnn1d",
                "channels": [4, 4],
                "kernel_sizes": [5, 3],
                "normalisation": "layer",
                "pooling": "k_max",
            },
        },
    ),
}
