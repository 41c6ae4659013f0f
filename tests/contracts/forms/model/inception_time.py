"""The network on generated waveforms."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "series_cnn1d",
        {"model": {"name": "inception_time", "channels": 4, "depth": 3, "kernel_size": 12, "bottleneck": 4}},
    )
}
