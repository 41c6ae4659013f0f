"""The random numbers of a process: seeded at the start and before each micro-batch; the other states are kept in checkpoints."""

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.model import DrawsNumbers
from convzoo.core.randomness import mixed


def seed_everything(seed: int) -> None:
    """Seed the generators that draw the first weights."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (a user's own parts may draw from it)
    torch.manual_seed(seed)


class Seeds:
    """Seeds everything that a network draws in training, before each micro-batch, from the run's seed, the step and the number of
    the micro-batch in the step. So a resumed run draws the same numbers without replaying the steps before, and it does not
    matter which process computes a micro-batch.

    Args:
        model: on its device
        seed: of the run
    """

    def __init__(self, model: nn.Module, seed: int) -> None:
        self.seed = seed
        self.layers = [module for module in model.modules() if isinstance(module, DrawsNumbers)]
        device = _device_of(model)
        self.generators = [torch.default_generator]
        if device.type == "cuda":
            self.generators.append(torch.cuda.default_generators[device.index or 0])
        self.on_mps = device.type == "mps"

    def at(self, step: int, part: int) -> None:
        """Be ready to draw for a micro-batch.

        Args:
            step: of the training
            part: number of the micro-batch in the step, over all processes
        """
        key = mixed(mixed(mixed(self.seed) + step) + part)
        for number, layer in enumerate(self.layers, 1):
            layer.seed_generator(mixed(key + number))
        for generator in self.generators:  # `torch.manual_seed` takes a hundred times as long
            generator.manual_seed(key)
        if self.on_mps:
            torch.mps.manual_seed(key)


def _device_of(model: nn.Module) -> torch.device:
    """Where the model draws its numbers. Only this device is asked: asking another GPU would take some of its memory."""
    return next((tensor.device for tensor in model.parameters()), torch.device("cpu"))


def random_states(model: nn.Module) -> dict[str, Any]:
    """Every random state of this process, as plain values and tensors."""
    device = _device_of(model)
    version, words, gauss = random.getstate()
    _, numpy_words, position, has_gauss, cached = np.random.get_state()  # noqa: NPY002
    return {
        "python": [version, list(words), gauss],
        "numpy": [
            torch.from_numpy(np.array(numpy_words, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "torch": torch.get_rng_state(),
        "cuda": [torch.cuda.get_rng_state(device)] if device.type == "cuda" else [],
    }


def load_random_states(model: nn.Module, states: dict[str, Any]) -> None:
    """Restore what `random_states` gave."""
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    numpy_words, *rest = states["numpy"]
    np.random.set_state(("MT19937", numpy_words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    device = _device_of(model)
    if states["cuda"] and device.type == "cuda":
        # Older checkpoints hold the state of every GPU of their machine.
        own = device.index if len(states["cuda"]) > device.index else 0
        torch.cuda.set_rng_state(states["cuda"][own], device)
