"""Shapes of what is bright in generated volumes."""

from contracts.parts import Form

FORMS = {"small": Form("mri_cnn3d", {"baselines": [{"name": "shape_logistic_regression"}]})}
