"""Waveforms that are shifted, made louder and mixed with noise."""

from contracts.parts import Form

FORMS = {
    "waveform": Form(
        "keywords_cnn1d",
        {
            "encoder": {
                "name": "audio", "features": "waveform", "sample_rate": 8000, "shift": 0.05, "gain": 6.0, "noise": 0.7,
            },
            "model": {"name": "waveform_cnn1d", "channels": [8, 8]},
        },
        augments=True,
    ),
}  # fmt: skip
