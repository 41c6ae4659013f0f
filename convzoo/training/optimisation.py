"""Optimizers, schedules and the moving average of the weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from convzoo.core.config import TrainConfig
from convzoo.core.model import HasOwnDecay

_NORMS = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    nn.LayerNorm, nn.GroupNorm,
)  # fmt: skip


def make_optimizer(model: nn.Module, config: TrainConfig, device: torch.device) -> torch.optim.Optimizer:
    """The optimizer of a recipe. Weights of norms and one-dimensional weights get no weight decay.

    If a module has an attribute `decay`, the weight decay of its own weights is multiplied by it (`HasOwnDecay`).
    """
    exempt = {id(p) for m in model.modules() if isinstance(m, _NORMS) for p in m.parameters(recurse=False)}
    special = [module for module in model.modules() if isinstance(module, HasOwnDecay)]
    own = {id(p): float(module.decay) for module in special for p in module.parameters(recurse=False)}
    by_decay: dict[float, list[nn.Parameter]] = {config.weight_decay: [], 0.0: []}
    for p in (parameter for parameter in model.parameters() if parameter.requires_grad):
        part = own.get(id(p), 1.0) if p.ndim > 1 and id(p) not in exempt else 0.0
        by_decay.setdefault(part * config.weight_decay, []).append(p)
    groups: list[dict[str, Any]] = [{"params": group, "weight_decay": decay} for decay, group in by_decay.items()]
    groups = [group for group in groups if group["params"]]
    fused: dict[str, Any] = {"fused": True} if device.type in ("cpu", "cuda") else {}
    if config.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, **fused)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.lr, **fused)
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0, **fused)
    return torch.optim.Adadelta(groups, lr=config.lr, rho=0.95, eps=1e-6)


class Schedule:
    """The learning rate of each step, as a fraction of the highest one. It depends on the step; for `plateau`, on the scores."""

    def __init__(self, config: TrainConfig, total_steps: int, steps_per_epoch: int) -> None:
        self.config = config
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch
        self.warmup_steps = round((config.warmup or 0.3 * (config.schedule == "one_cycle")) * total_steps)
        self.drops = 0
        self.best = -math.inf
        self.waited = 0

    def factor(self, step: int) -> float:
        """The factor of a step; the first step is 0."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        kind = self.config.schedule
        if kind in ("cosine", "one_cycle"):
            done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
            return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        if kind == "step":
            return self.config.step_factor ** (step // self.steps_per_epoch // self.config.step_every)
        return self.config.step_factor**self.drops

    def observe(self, score: float) -> None:
        """Take note of a validation score, higher is better: `plateau` drops the rate when it has not risen for a while."""
        if self.config.schedule != "plateau":
            return
        if score > self.best:
            self.best, self.waited = score, 0
        elif self.waited >= self.config.plateau_patience:
            self.drops, self.waited = self.drops + 1, 0
        else:
            self.waited += 1

    def state(self) -> dict[str, Any]:
        """What `observe` has seen."""
        return {"drops": self.drops, "best": self.best, "waited": self.waited}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self.drops, self.best, self.waited = state["drops"], state["best"], state["waited"]


class MovingAverage:
    r"""Exponential moving average of weights and floating-point buffers, $\bar w \leftarrow d \bar w + (1 - d) w$.

    The decay is at most (1 + t) / (10 + t) after t steps, so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.live = [tensor for tensor in model.state_dict().values() if tensor.is_floating_point()]
        self.averages = [tensor.clone() for tensor in self.live]

    @torch.no_grad()
    def update(self) -> None:
        """Add the weights after a step to the averages."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averages, self.live, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside this context the model has the averages as its weights."""
        kept = [tensor.clone() for tensor in self.live]
        self._copy(self.averages)
        try:
            yield
        finally:
            self._copy(kept)

    def _copy(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            torch._foreach_copy_(self.live, values)

    def state(self) -> dict[str, Any]:
        """The averages."""
        return {"steps": self.steps, "averages": self.averages}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self.steps = state["steps"]
        torch._foreach_copy_(self.averages, state["averages"])
