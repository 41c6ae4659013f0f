"""Dropout whose masks come from a fast generator."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from convzoo.core.arguments import Probability
from convzoo.core.randomness import mixed


class Dropout(nn.Module):
    r"""Dropout (Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html): $y = x \cdot m / (1 - p)$, $m \sim B(1 - p)$.

    On the CPU, `torch.bernoulli_` takes a fifth to a third of a small network's step, because it draws the numbers one by one.
    Here each module has its own SFC64 generator, which gives 16 random bits for each element (8 if these are enough for `p`), so
    the probability is exact to 1/65536. Training seeds it before each micro-batch. Other devices use torch's dropout.

    Args:
        p: probability that an element is zeroed

    Shape:
        x: any; the output has the same.
    """

    def __init__(self, p: Probability = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p should be at least 0 and less than 1, not {p}")
        self.p = p
        self.generator = np.random.SFC64(0)
        self.seed_generator(int(torch.randint(2**62, ())))

    def seed_generator(self, seed: int) -> None:
        """Restart the masks. Setting the state takes 2 µs, a new generator ten times as long.

        Args:
            seed: 64 bits
        """
        words = np.array([seed, mixed(seed), mixed(seed + 1), 1], dtype=np.uint64)
        self.generator.state = {
            "bit_generator": "SFC64",
            "state": {"state": words},
            "has_uint32": 0,
            "uinteger": 0,
        }
        self.generator.random_raw(12)  # as its author does after seeding: the first numbers are alike

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """In training, set each element to zero with probability p; otherwise return `x`."""
        if not self.training or self.p == 0 or x.numel() == 0:
            return x
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return F.dropout(x, self.p)
        return _Masked.apply(x, self.mask(x), 1 / (1 - self.p))

    def mask(self, x: Tensor) -> Tensor:
        """1 for an element that is kept, else 0, in the memory layout of `x`; uint8, which torch converts to floats fastest."""
        exact = (self.p * 256).is_integer()
        kind, levels = (np.uint8, 256) if exact else (np.uint16, 65536)
        words = self.generator.random_raw(-(-x.numel() * np.dtype(kind).itemsize // 8))
        bits = words.view(kind)[: x.numel()]
        # NumPy compares ten times as fast as torch.
        kept = torch.from_numpy((bits >= round(self.p * levels)).view(np.uint8))
        return kept.as_strided(x.shape, x.stride()) if _dense(x) else kept.view(x.shape)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _dense(x: Tensor) -> bool:
    """Whether the elements fill their memory without gaps, in any order."""
    expected = 1
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


class _Masked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(mask)
        ctx.scale = scale
        return mask.to(x.dtype).mul_(x).mul_(scale)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (mask,) = ctx.saved_tensors
        return mask.to(gradient.dtype).mul_(gradient).mul_(ctx.scale), None, None
