"""Ridge regression on cepstral coefficients, on sounds with a number."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "keywords_cnn1d",
        {
            "data": {"name": "audio_table", "form": "numbers"},
            "task": {"name": "regression"},
            "baselines": [{"name": "mfcc_ridge"}],
            "expect": {},
        },
    )
}
