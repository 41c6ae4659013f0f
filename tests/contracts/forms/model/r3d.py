"""The residual network on generated videos."""

from contracts.parts import Form

FORMS = {"small": Form("actions_cnn3d", {"model": {"name": "r3d", "widths": [4, 8], "blocks": [1, 1], "stem_size": 3}})}
