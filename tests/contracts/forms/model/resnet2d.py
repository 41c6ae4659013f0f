"""The residual network on generated faces."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "emotion_cnn2d", {"model": {"name": "resnet2d", "channels": [8, 8], "blocks": [1, 1], "squeeze": True}}
    )
}
