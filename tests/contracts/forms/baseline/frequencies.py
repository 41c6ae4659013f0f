"""How frequent each label is, on texts with several labels."""

from contracts.forms.task.multi_label import SEVERAL
from contracts.parts import Form

FORMS = {"small": Form("sentiment_cnn1d", {**SEVERAL, "baselines": [{"name": "frequencies"}]})}
