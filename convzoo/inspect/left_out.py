"""What each part of an input says: the answer with it, and the answer without it."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any

import torch
from torch import nn

from convzoo.core.encoder import Encoder
from convzoo.core.task import Task


def falls_without(
    model: nn.Module,
    encoder: Encoder,
    task: Task,
    example: Any,
    answers: Sequence[str],
    parts: Sequence[tuple[int, int]],
    device: torch.device | None = None,
) -> list[list[float]]:
    r"""How much each answer falls when a part of the example is left out: $f(x) - f(x \setminus i)$ (Zeiler & Fergus 2014,
    arXiv:1311.2901, §4; for words Li et al. 2016, arXiv:1612.08220).

    There is one forward pass for each part; they are computed `encoder.at_once` together, so memory is bounded.

    Args:
        model: on the device
        encoder: whose `without` leaves parts out
        task: whose `strengths` are compared
        example: as for `encoder.prepare`
        answers: names in `task.strengths`
        parts: what is left out, from `encoder.parts`
        device: where the model is; None: the CPU

    Returns:
        for each answer a number for each part: above 0 the part speaks for the answer, below 0 against it
    """
    variants: Iterator[Any] = chain(
        [encoder.without(example, None)], (encoder.without(example, part) for part in parts)
    )
    model.eval()
    found: list[list[float]] = []
    while chunk := list(islice(variants, encoder.at_once)):
        with torch.no_grad():
            decoded = task.decode(task.predict(model, encoder.encode(chunk).to(device or torch.device("cpu"))))
        found += [[task.strengths(each)[answer] for answer in answers] for each in decoded]
    whole, *others = found
    return [[whole[at] - other[at] for other in others] for at in range(len(answers))]
