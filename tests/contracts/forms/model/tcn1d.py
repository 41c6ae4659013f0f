"""The causal auto-encoder on generated sensors."""

from contracts.parts import Form

FORMS = {"small": Form("anomaly_cnn1d", {"model": {"name": "tcn1d", "channels": 8, "dilations": [1, 2], "code": 2}})}
