"""The very deep network on generated messages, in small."""

from contracts.parts import Form

SMALL = {"name": "vdcnn1d", "channels": 4, "embedding_size": 4, "k": 2}

FORMS = {"small": Form("spam_cnn1d", {"model": SMALL})}
