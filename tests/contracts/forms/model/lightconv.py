"""Light and dynamic convolutions on generated sentences."""

from contracts.parts import Form

FORMS = {
    "small": Form(
        "translation_convs2s",
        {
            "model": {
                "name": "lightconv",
                "channels": 16,
                "heads": 4,
                "hidden": 16,
                "encoder_kernel_sizes": [3, 5],
                "decoder_kernel_sizes": [3, 5],
            }
        },
    )
}
