"""Sub-words, evidence of naive Bayes, and words that are dropped."""

from contracts.parts import Form

FORMS = {
    "subwords": Form(
        "sentiment_cnn1d",
        {
            "encoder": {
                "name": "text",
                "units": "subwords",
                "max_vocabulary": 60,
                "naive_bayes": 2,
                "word_dropout": 0.3,
            },
            "model": {"name": "region_cnn1d", "channels": 6},
        },
        augments=True,
    ),
    "bytes": Form(
        "spam_cnn1d",
        {"encoder": {"name": "text", "units": "bytes", "lower": False, "evidence": "linear"}},
        augments=False,
    ),
    "characters": Form("sentiment_cnn1d", {"encoder": {"name": "text", "units": "characters"}}, augments=False),
}
