"""The network on generated waveforms."""

from contracts.parts import Form

FORMS = {"small": Form("series_cnn1d", {"model": {"name": "resnet1d", "channels": [8, 8], "members": 2}})}
