"""Ridge regression on TF-IDF, on texts with a number."""

from contracts.forms.task.regression import NUMBERS
from contracts.parts import Form

FORMS = {
    "small": Form(
        "sentiment_cnn1d", {**NUMBERS, "task": {"name": "regression"}, "baselines": [{"name": "tfidf_ridge"}]}
    )
}
