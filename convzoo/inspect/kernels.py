"""What the first layer looks for: its kernels, its feature maps, and the phrases with the largest outputs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def first_convolutions(model: nn.Module) -> dict[str, Any]:
    """The first convolution of a model; if several parallel ones see the same input, all of them."""
    found: dict[str, Any] = {
        name: module for name, module in model.named_modules() if isinstance(module, _CONVOLUTIONS)
    }
    if not found:
        return {}
    first = next(iter(found.values()))
    beside = {
        name: module
        for name, module in found.items()
        if type(module) is type(first) and module.in_channels == first.in_channels and _siblings(found, name)
    }
    return beside or dict([next(iter(found.items()))])


def _siblings(found: dict[str, Any], name: str) -> bool:
    """Whether a layer's name differs from the first one's in a single number: parallel branches of one list."""
    first, other = next(iter(found)).split("."), name.split(".")
    different = [(a, b) for a, b in zip(first, other, strict=False) if a != b]
    return len(first) == len(other) and (not different or (len(different) == 1 and "convolutions" in first))


def feature_maps(model: nn.Module, inputs: dict[str, Any], layer: nn.Module) -> Tensor:
    """A layer's output for some inputs."""
    kept: list[Tensor] = []
    hook = layer.register_forward_hook(lambda module, args, output: kept.append(output.detach()))
    try:
        with torch.no_grad():
            model.eval()(**inputs)
    finally:
        hook.remove()
    return kept[0]


@dataclass(frozen=True)
class Detector:
    """One kernel of a layer over tokens, and the phrases with its largest outputs."""

    layer: str
    kernel: int
    phrases: list[tuple[str, float]]


def phrases_by_kernel(
    model: nn.Module, batch: dict[str, Tensor], names: list[list[str]], kernels: int = 8, phrases: int = 4
) -> list[Detector]:
    """For the kernels of the first layer whose outputs vary most, the phrases (tokens in a row) with the largest outputs.

    Args:
        model: takes tokens
        batch: its inputs
        names: the tokens of each row of the batch
        kernels: number of kernels of each layer
        phrases: number of phrases for each kernel
    """
    found = []
    for name, layer in first_convolutions(model).items():
        maps = feature_maps(model, batch, layer)  # (batch, kernels, positions)
        width, dilation = layer.kernel_size[0], layer.dilation[0]
        before = layer.padding[0] if isinstance(layer.padding, tuple) else dilation * (width - 1) // 2
        found += detectors(name, maps, names, width, dilation, before, kernels, phrases)
    return found


def detectors(
    name: str,
    maps: Tensor,
    names: list[list[str]],
    width: int,
    dilation: int = 1,
    before: int = 0,
    kernels: int = 8,
    phrases: int = 4,
) -> list[Detector]:
    """For the kernels of a layer whose outputs vary most, the phrases (tokens in a row) with the largest outputs.

    Args:
        name: of the layer
        maps: its output, (batch, kernels, positions)
        names: the tokens of each row
        width: of a kernel
        dilation: distance between its taps
        before: number of positions by which a kernel begins before the position of its output
        kernels: number of kernels
        phrases: number of phrases for each kernel
    """
    found = []
    strength = maps.amax(dim=2).var(dim=0)
    for kernel in strength.topk(min(kernels, len(strength))).indices.tolist():
        answers: dict[str, float] = {}
        for row, tokens in enumerate(names):
            for position in range(min(maps.shape[2], len(tokens) + before)):
                start = position - before
                places = [start + step * dilation for step in range(width)]
                words = [tokens[place] if 0 <= place < len(tokens) else "·" for place in places]
                phrase = " ".join(words)
                value = float(maps[row, kernel, position])
                answers[phrase] = max(answers.get(phrase, -1e9), value)
        best = sorted(answers.items(), key=lambda item: -item[1])[:phrases]
        found.append(Detector(name, kernel, best))
    return found
