"""Region embeddings on generated reviews, without and with the evidence of naive Bayes."""

from contracts.parts import Form

SMALL = {"name": "region_cnn1d", "channels": 6}

FORMS = {
    "small": Form("sentiment_cnn1d", {"model": SMALL}),
    "evidence": Form("sentiment_cnn1d", {"encoder": {"name": "text", "naive_bayes": 2}, "model": SMALL}),
}
