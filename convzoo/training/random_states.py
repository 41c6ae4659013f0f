"""Every random state of a process: seeded at the start, kept in checkpoints."""

import random
from typing import Any

import numpy as np
import torch
from torch import nn

from convzoo.core.model import DrawsNumbers


def seed_everything(seed: int) -> None:
    """Seed the generators that draw the first weights."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (a user's own parts may draw from it)
    torch.manual_seed(seed)


def seed_dropout(model: nn.Module, seed: int, rank: int) -> None:
    """Give every module that draws its own numbers its own seed, a different one on each process."""
    for index, module in enumerate(module for module in model.modules() if isinstance(module, DrawsNumbers)):
        module.seed((seed * 1_000_003 + index) * 1_009 + rank)
    torch.manual_seed(seed * 1_009 + rank)


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
        "modules": {n: m.random_state() for n, m in model.named_modules() if isinstance(m, DrawsNumbers)},
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
    for name, state in states["modules"].items():
        module = model.get_submodule(name)
        assert isinstance(module, DrawsNumbers), name
        module.load_random_state(state)
