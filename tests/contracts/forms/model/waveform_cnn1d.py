"""Convolutions on the waveforms of generated words."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "keywords_cnn1d",
        {
            "encoder": {"name": "audio", "features": "waveform", "sample_rate": 8000, "seconds": 0.5},
            "model": {"name": "waveform_cnn1d", "channels": [8, 8]},
        },
    )
}
