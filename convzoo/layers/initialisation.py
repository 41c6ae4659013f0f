"""Initialisations by name."""

from torch import nn

from convzoo.core.arguments import Initialisation


def initialise(model: nn.Module, name: Initialisation) -> None:
    """Set the weights of all convolutions and linear layers.

    `torch` keeps PyTorch's default (Kaiming-uniform with a = sqrt 5). `keras` is the default of Keras: Glorot-uniform weights
    (Glorot & Bengio 2010, proceedings.mlr.press/v9/glorot10a.html) and zero biases.

    Raises:
        ValueError: there is no such initialisation.
    """
    if name == "torch":
        return
    if name != "keras":
        raise ValueError(f"no initialisation {name!r}")
    for module in model.modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
