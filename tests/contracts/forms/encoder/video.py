"""Frames in colour, cropped, mirrored, and at other speeds."""

from contracts.parts import Form

FORMS = {
    "frames": Form(
        "actions_cnn3d",
        {
            "encoder": {
                "name": "video", "frames": 4, "size": [20, 24], "crop": [18, 18], "colour": "rgb", "flip": 0.5, "speed": 0.3,
                "contrast": 0.2, "views": 3, "crops": 3,
            }
        },
        augments=True,
    ),
}  # fmt: skip
