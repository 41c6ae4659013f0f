"""The auto-encoder on generated sensors."""

from contracts.parts import Form

FORMS = {"small": Form("anomaly_cnn1d", {"model": {"name": "autoencoder_cnn1d", "channels": [8, 4]}})}
