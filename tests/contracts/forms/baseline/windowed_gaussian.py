"""NAB's series have one channel, which this opponent is for."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "anomaly_cnn1d",
        {
            "data": {"name": "nab"},
            "encoder": {"name": "series", "window": 16},
            "task": {"name": "nab_detection", "burn_in": 2},
            "baselines": [{"name": "windowed_gaussian", "window": 50, "step": 5}],
        },
    ),
}
