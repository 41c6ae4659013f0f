"""Random numbers that are a function of (seed, epoch, example). They need no replay, and any number of workers gets the same."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ALL = 2**64 - 1


def mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea & Flood 2014, doi:10.1145/2660193.2660195), on an array of uint64."""
    with np.errstate(over="ignore"):
        values = values + _GOLDEN
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return values ^ (values >> np.uint64(31))


def mixed(value: int) -> int:
    """The same for one number, which may be of any size: 64 bits."""
    value = (value + 0x9E3779B97F4A7C15) & _ALL
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _ALL
    return value ^ (value >> 31)


def permutation(count: int, seed: int, epoch: int) -> np.ndarray:
    """The order of `count` examples in an epoch. It uses little memory, because there may be very many windows."""
    order = np.arange(count, dtype=np.int32 if count < 2**31 else np.int64)
    np.random.Generator(np.random.PCG64([seed, epoch])).shuffle(order)
    return order


@dataclass(frozen=True)
class Draws:
    """Random numbers for the examples of a batch. The numbers of an example depend on its index, not on its batch.

    Attributes:
        seed: of the run
        epoch: number of the pass over the training split
        indices: (batch,), the positions of the examples in the training split
    """

    seed: int
    epoch: int
    indices: Sequence[int] | np.ndarray

    def uniform(self, stream: int, count: int) -> np.ndarray:
        """Uniform numbers in [0, 1), float64, (batch, count). Two uses in the same batch take different values of `stream`."""
        with np.errstate(over="ignore"):
            key = mix(np.asarray([self.seed], np.uint64) + np.uint64(stream) * _GOLDEN)
            key = mix(key ^ np.uint64(self.epoch))
            example = mix(key ^ mix(np.asarray(self.indices, dtype=np.uint64)))
            counters = np.arange(count, dtype=np.uint64)
            bits = mix(example[:, None] + counters[None, :] * _GOLDEN)
        return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
