"""A network of MONAI on generated volumes."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "mri_cnn3d", {"model": {"name": "monai_classifier", "network": "resnet10", "args": {"widen_factor": 0.125}}}
    )
}
