"""Region embeddings on generated reviews, without evidence, with that of naive Bayes and with that of a linear classifier."""

from contracts.parts import Form

SMALL = {"name": "region_cnn1d", "channels": 6}

FORMS = {
    "small": Form("sentiment_cnn1d", {"model": SMALL}),
    "linear": Form("sentiment_cnn1d", {"encoder": {"name": "text", "evidence": "linear"}, "model": SMALL}),
    "evidence": Form("sentiment_cnn1d", {"encoder": {"name": "text", "naive_bayes": 2}, "model": SMALL}),
}
