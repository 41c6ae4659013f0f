"""Each series by its own mean and deviation."""

from contracts.parts import Form

FORMS = {
    "series": Form(
        "anomaly_cnn1d",
        {"encoder": {"name": "series", "window": 32, "stride": 5, "normalise": "series", "clip": 5.0}},
        augments=False,
    ),
}
