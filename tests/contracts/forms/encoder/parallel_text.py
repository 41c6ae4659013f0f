"""Sub-words of one vocabulary."""

from contracts.parts import Form

FORMS = {
    "subwords": Form(
        "translation_convs2s",
        {"encoder": {"name": "parallel_text", "units": "subwords", "joint": True, "lower": True, "max_vocabulary": 80}},
        augments=False,
    ),
}
