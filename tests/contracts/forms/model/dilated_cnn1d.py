"""The dilated sentence network on generated reviews."""

from contracts.parts import Form

FORMS = {"small": Form("sentiment_cnn1d", {"model": {"name": "dilated_cnn1d", "embedding_size": 8, "channels": 8}})}
