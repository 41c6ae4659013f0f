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
"""Activations that keep the order of values: the maximum of the activated is the activated maximum."""


def activation_layer(name: Activation) -> nn.Module:
    """The activation of that name.

    Raises:
        ValueError: there is none.
    """
    if name not in _ACTIVATIONS:
        raise ValueError(f"no activation {name!r}")
    return _ACTIVATIONS[name]()
