"""All that can be done to a volume."""

from contracts.parts import Form

EVERYTHING = {
    "flip": 0.5, "rotate": 8, "scale": 0.1, "shift": 0.05, "contrast": 0.2, "noise": 0.1, "augment_probability": 0.7,
}  # fmt: skip

FORMS = {
    "augmented": Form(
        "mri_cnn3d",
        {
            "encoder": {
                "name": "volume",
                "spacing": [12, 12, 12],
                "shape": [16, 16, 16],
                "centre": "body",
                **EVERYTHING,
            },
            "model": {"name": "resnet3d", "channels": [4, 8], "blocks": [1, 1], "stem_pool": True},
        },
        augments=True,
    ),
}
