"""All that can be done to a patch, several patches of a volume, and brightness as the structures have it."""

from contracts.parts import Form

FORMS = {
    "augmented": Form(
        "organ_unet3d",
        {
            "encoder": {
                "name": "segmentation", "patch": [16, 16, 16], "patches": 2, "intensity": "structures", "rotate": 10,
                "scale": 0.1, "flip": [0.5, 0.0, 0.5], "noise": 0.1, "blur": 0.8, "brightness": 0.1, "contrast": 0.2,
                "gamma": 1.3,
            }
        },
        augments=True,
    ),
}  # fmt: skip
