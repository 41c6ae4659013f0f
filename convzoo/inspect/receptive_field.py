"""The receptive field of each layer: how much of the input one output sees. It is measured, so it works for any network."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

_FIRST_PROBES = 64
_FINER_PROBES = 8
_BATCH = 64


def receptive_fields(
    model: nn.Module, inputs: dict[str, Any], layers: dict[str, nn.Module]
) -> dict[str, tuple[int, ...]]:
    """For each layer, the width of the receptive field of its middle output, along each spatial axis of the input.

    A NaN spreads to everything that is computed from it. So the input is filled with NaN up to a threshold: the smallest
    threshold that reaches the middle output is the left edge of its receptive field. The right edge is found in the same way.

    Args:
        model: on the CPU; if the inputs are token numbers, its first embedding is used as the input
        inputs: `forward`'s arguments, of which the first example is looked at
        layers: by name, modules of the model that are called once

    Returns:
        The widths, by layer; a layer whose output has no spatial axes is left out.
    """
    probe = _Probe(model, inputs, layers)
    found = {}
    axes = [_edges(probe, axis) for axis in range(len(probe.space))]
    for name in layers:
        if all(name in edges for edges in axes) and axes:
            found[name] = tuple(right - left + 1 for left, right in (edges[name] for edges in axes))
    return found


class _Probe:
    """Runs the model on an input that is partly NaN, and finds the layers whose middle outputs become NaN."""

    def __init__(self, model: nn.Module, inputs: dict[str, Any], layers: dict[str, nn.Module]) -> None:
        self.model = model
        self.inputs = inputs
        self.layers = layers
        # A row of numbers beside the input (evidence of a classifier) has no places to see.
        floating = [
            key
            for key, value in inputs.items()
            if isinstance(value, Tensor) and value.is_floating_point() and value.ndim > 2
        ]
        self.key = floating[0] if floating else None
        if self.key is not None:
            self.first_axis = 2
            self.space = tuple(inputs[self.key].shape[2:])
            self.embedding = None
        else:
            self.embedding = next((m for m in model.modules() if isinstance(m, nn.Embedding)), None)
            first = next(iter(inputs.values()))
            self.first_axis = 1
            self.space = tuple(first.shape[1:]) if self.embedding is not None else ()

    def reached(self, axis: int, ranges: Sequence[tuple[int, int]]) -> dict[str, list[bool]]:
        """For each layer and each range of positions on an axis: whether NaN in this range reaches the layer's middle output."""
        found: dict[str, list[bool]] = {}
        for start in range(0, len(ranges), _BATCH):
            for name, flags in self._run(axis, ranges[start : start + _BATCH]).items():
                found.setdefault(name, []).extend(flags)
        return found

    def _run(self, axis: int, ranges: Sequence[tuple[int, int]]) -> dict[str, list[bool]]:
        flags: dict[str, list[bool]] = {}
        spatial = len(self.space)

        def spoil(value: Tensor) -> Tensor:
            value = value.clone()
            for row, (start, stop) in enumerate(ranges):
                value[row].narrow(self.first_axis - 1 + axis, start, stop - start).fill_(float("nan"))
            return value

        def look(name: str) -> Callable:
            def hook(module: nn.Module, args: tuple, output: object) -> None:
                if isinstance(output, Tensor) and output.ndim == 2 + spatial and len(output) == len(ranges):
                    middle = tuple(size // 2 for size in output.shape[2:])
                    chosen = output
                    for position in middle:
                        chosen = chosen.select(2, position)
                    flags[name] = chosen.isnan().any(dim=1).tolist()

            return hook

        hooks = [layer.register_forward_hook(look(name)) for name, layer in self.layers.items()]
        if self.embedding is not None:
            hooks.append(self.embedding.register_forward_hook(lambda module, args, output: spoil(output)))
        repeated = {key: value[:1].expand(len(ranges), *value.shape[1:]) for key, value in self.inputs.items()}
        if self.key is not None:
            repeated[self.key] = spoil(repeated[self.key])
        try:
            with torch.no_grad():
                self.model(**repeated)
        finally:
            for hook in hooks:
                hook.remove()
        return flags


def _edges(probe: _Probe, axis: int) -> dict[str, tuple[int, int]]:
    """The first and the last position that each layer's middle output depends on."""
    size = probe.space[axis]
    # NaN on [0, t) reaches a layer if t is large enough; NaN on [t, size) reaches it if t is small enough.
    left = _smallest(lambda ts: probe.reached(axis, [(0, t) for t in ts]), size)
    right = _smallest(lambda ts: probe.reached(axis, [(size - t, size) for t in ts]), size)
    return {name: (left[name] - 1, size - right[name]) for name in left if name in right}


def _smallest(reached: Callable[[list[int]], dict[str, list[bool]]], size: int) -> dict[str, int]:
    """For each layer, the smallest t in 1 … size that reaches it."""
    thresholds = sorted({max(1, round((i + 1) * size / _FIRST_PROBES)) for i in range(_FIRST_PROBES)})
    low: dict[str, int] = {}  # the largest t known not to reach
    high: dict[str, int] = {}  # the smallest t known to reach
    while thresholds:
        for name, flags in reached(thresholds).items():
            for t, flag in zip(thresholds, flags, strict=True):
                if flag:
                    high[name] = min(high.get(name, size), t)
                else:
                    low[name] = max(low.get(name, 0), t)
        finer = set()
        for name, top in high.items():
            bottom = low.get(name, 0)
            gap = top - bottom
            finer |= {bottom + max(1, round(i * gap / (_FINER_PROBES + 1))) for i in range(1, _FINER_PROBES + 1)} - {
                top
            }
        thresholds = sorted(t for t in finer if any(low.get(name, 0) < t < high[name] for name in high))
    return high
