"""Activations by name."""

from torch import nn

from convzoo.core.arguments import Activation

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "identity": nn.Identity,
}

NEVER_FALLING = frozenset({"relu", "leaky_relu", "elu", "tanh", "identity"})
"""Activations that never fall, so that they commute with the maximum: max-pooling may come before them."""


def activation_layer(name: Activation) -> nn.Module:
    """The activation with this name.

    Raises:
        ValueError: there is no such activation.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"no activation {name!r}")
    return _ACTIVATIONS[name]()
