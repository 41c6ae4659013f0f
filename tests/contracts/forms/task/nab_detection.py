"""NAB's scores on generated sensors."""

from contracts.forms.task.anomaly_detection import perfect
from contracts.parts import Form

__all__ = ["FORMS", "perfect"]

FORMS = {"small": Form("anomaly_cnn1d", {"task": {"name": "nab_detection", "burn_in": 8}})}
