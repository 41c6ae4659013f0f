"""How text is cut into words, for encoders and for the opponents that they are held against."""

import re

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Words, with the apostrophes inside them, and single punctuation marks."""
    return _WORD.findall(text)
