"""Pre-trained word vectors from text files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from convzoo.core.errors import DataError


def read_vectors(file: str | Path, tokens: Sequence[str], seed: int = 0) -> Tensor:
    """Vectors of `tokens` from a GloVe or word2vec text file (a token and its numbers on a line; word2vec's first line
    holds the counts). Tokens that the file lacks get uniform vectors of the same standard deviation (Kim 2014, §3.1);
    the first token, padding, gets zeros.

    Returns:
        (tokens, size), float32.

    Raises:
        DataError: the file is absent, has another format, holds lines of different lengths, or none of the tokens.
    """
    path = Path(file)
    wanted = {token: number for number, token in enumerate(tokens)}
    found: dict[int, np.ndarray] = {}
    size = 0
    line_number = 0
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for line_number, line in enumerate(lines, start=1):
                # Some GloVe tokens hold spaces: once the size of a vector is known, its numbers are counted from the end.
                parts = line.rstrip("\r\n").split(" ")
                if line_number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
                    size = int(parts[1])
                    continue
                if not parts[-1]:
                    parts.pop()
                size = size or len(parts) - 1
                token = " ".join(parts[: len(parts) - size])
                if len(parts) <= size or size < 1:
                    raise DataError(f"{path}:{line_number}: has {len(parts) - 1} numbers, the lines before {size}")
                if token in wanted:
                    found[wanted[token]] = np.array(parts[-size:], dtype=np.float32)
                    if not np.isfinite(found[wanted[token]]).all():
                        raise DataError(f"{path}:{line_number}: holds a number that is not finite")
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            raise DataError(f"{path}: is not UTF-8 text; convert a binary word2vec file to its text form") from None
        if not line_number:  # a NUL byte in the name
            raise DataError(f"{path}: cannot be read ({error})") from None
        raise DataError(f"{path}:{line_number}: is not a token and its numbers ({error})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if not found:
        raise DataError(
            f"{path}: has none of the {len(tokens)} tokens of the training split; is it for another language?"
        )
    spread = float(np.std(np.stack(list(found.values())))) * 3**0.5
    vectors = np.random.default_rng(seed).uniform(-spread, spread, (len(tokens), size)).astype(np.float32)
    for number, vector in found.items():
        vectors[number] = vector
    vectors[0] = 0
    return torch.from_numpy(vectors)
