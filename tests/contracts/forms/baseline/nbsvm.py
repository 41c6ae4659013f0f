"""The support vector machine on naive Bayes' ratios, on generated reviews."""

from contracts.parts import Form

FORMS = {"small": Form("sentiment_cnn1d", {"baselines": [{"name": "nbsvm"}]})}
