"""Which device a name means on this machine."""

import torch

from convzoo.core.errors import TrainingError


def choose_device(name: str, local_rank: int = 0, setting: str = "train.device") -> torch.device:
    """The device with this name; for `auto` a GPU where there is one. A GPU has its number, and is the current one afterwards.

    Args:
        name: auto, cpu, cuda, cuda:0, mps
        local_rank: the number of the GPU, if the name has none
        setting: where the name comes from, for errors

    Raises:
        TrainingError: this machine does not have the device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda", "mps"):
            raise RuntimeError
    except RuntimeError:
        raise TrainingError(f"{setting}: there is no device {name!r}; use auto, cpu, cuda, cuda:0 or mps") from None
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise TrainingError(f"{setting}: cuda is not available on this machine; use auto or cpu")
        index = device.index if device.index is not None else local_rank
        if index >= torch.cuda.device_count():
            raise TrainingError(f"{setting}: there is no cuda:{index}; there are {torch.cuda.device_count()}")
        torch.cuda.set_device(index)
        return torch.device("cuda", index)
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise TrainingError(f"{setting}: mps is not available on this machine; use auto or cpu")
    return device
