"""Which parts of an input change a network's output most."""

from typing import Any

import torch
from torch import Tensor, nn


def saliency(
    model: nn.Module, inputs: dict[str, Any], answers: Tensor, samples: int = 8, noise: float = 0.1, seed: int = 0
) -> Tensor:
    """How much each number of the input changes the logit of a class: the absolute gradient, as a mean over noisy copies
    (SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825).

    Args:
        model: gives logits (batch, classes)
        inputs: `forward` arguments; the first one with floating-point numbers is used
        answers: (batch,), the class for each example
        samples: number of noisy copies
        noise: their standard deviation, as a fraction of the input's range
        seed: of the noise

    Returns:
        a tensor with the shape of this input, with values of 0 or above
    """
    key = next(name for name, value in inputs.items() if isinstance(value, Tensor) and value.is_floating_point())
    values = inputs[key].detach()
    generator = torch.Generator().manual_seed(seed)
    spread = noise * (values.amax() - values.amin())
    total = torch.zeros_like(values)
    training = model.training
    model.eval()
    for _ in range(samples):
        noisy = values + spread * torch.randn(values.shape, generator=generator)
        noisy.requires_grad_(True)
        logits = model(**{**inputs, key: noisy})
        (gradient,) = torch.autograd.grad(logits.gather(1, answers[:, None]).sum(), noisy)
        total += gradient.abs()
    model.train(training)
    return total / samples
