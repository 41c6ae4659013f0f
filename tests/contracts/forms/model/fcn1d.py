"""The network on generated waveforms."""

from contracts.parts import Form

FORMS = {"small": Form("series_cnn1d", {"model": {"name": "fcn1d", "channels": [8, 8], "kernel_sizes": [5, 3]}})}
