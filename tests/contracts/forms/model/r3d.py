"""The residual network on generated videos."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "actions_cnn3d", {"model": {"name": "r3d", "channels": [4, 8], "blocks": [1, 1], "stem_kernel_size": 3}}
    )
}
