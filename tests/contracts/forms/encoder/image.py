"""All that can be done to an image, each way of normalising, and colours."""

from contracts.parts import Form

EVERYTHING = {
    "flip": 0.5, "shift": 0.1, "rotate": 10, "scale": 0.1, "elastic": 1.5, "brightness": 0.1, "contrast": 0.2, "cutout": 0.3,
    "augment_probability": 0.7,
}  # fmt: skip

FORMS = {
    "augmented": Form(
        "emotion_cnn2d", {"encoder": {"name": "image", "normalise": "image", **EVERYTHING}}, augments=True
    ),
    "rgb": Form(
        "emotion_cnn2d",
        {"encoder": {"name": "image", "normalise": "unit", "colour": "rgb", "size": [40, 44]}},
        augments=False,
    ),
}
