"""From examples to batches: the order, the cache, the buckets and the workers. Every position is computed, none replayed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.randomness import Draws, permutation

_CHUNK = 50
"""Batches that are sorted by length together: enough to save padding, few enough to keep the order random."""


@dataclass(frozen=True)
class Request:
    """The examples of one (micro-)batch; with `draws` it is for training."""

    indices: Sequence[int]
    draws: Draws | None


class Loader:
    """Batches of a split, for one of `world` processes.

    Args:
        examples: the split
        encoder: fitted
        batch_size: examples a step, over all processes
        seed: of the order and the augmentation
        accumulate: micro-batches a step
        bucket: batches of like length
        rank: of this process
        world: processes
        workers: processes that prepare what does not fit in memory
        cache_bytes: the most that prepared examples may take in memory
        batch_tokens: in place of `batch_size`: the most tokens that a batch may hold, padding counted; a longer example is a
            batch by itself

    Raises:
        DataError: the split is empty; later, an example cannot be prepared, or has no length to count tokens by.
        RecipeError: `batch_tokens` without buckets.
    """

    def __init__(
        self,
        examples: Sequence[Any],
        encoder: Encoder,
        batch_size: int,
        seed: int = 0,
        accumulate: int = 1,
        bucket: bool = True,
        rank: int = 0,
        world: int = 1,
        workers: int = 2,
        cache_bytes: float = 4e9,
        batch_tokens: int | None = None,
    ) -> None:
        self.examples = examples
        self.encoder = encoder
        self.batch_size = batch_size
        self.seed = seed
        self.parts = accumulate * world
        self.rank = rank
        self.world = world
        self.workers = workers
        if not len(examples):
            raise DataError("a split has no examples")
        self.cache_bytes = cache_bytes
        self.bucket = bucket
        self.batch_tokens = batch_tokens
        if batch_tokens and not bucket:
            raise RecipeError(
                "train.batch_tokens makes batches of like length; set train.batch_size for train.bucket=false"
            )

    @cached_property
    def steps_per_epoch(self) -> int:
        """The same in every epoch."""
        return len(self._order(0)) if self.batch_tokens else -(-len(self.examples) // self.batch_size)

    @property
    def examples_per_step(self) -> int:
        """The mean over an epoch."""
        return round(len(self.examples) / self.steps_per_epoch) if self.batch_tokens else self.batch_size

    @cached_property
    def items(self) -> list[Any] | None:
        """The prepared examples, where they fit in memory. They are prepared when the first batch is asked for."""
        if not self.encoder.cached:
            return None
        few = [self.encoder.prepare(example) for example in self.examples[:32]]
        size = sum(_bytes(item) for item in few) / len(few) * len(self.examples)
        if size > self.cache_bytes:
            return None
        return few + [self.encoder.prepare(example) for example in self.examples[32:]]

    @cached_property
    def lengths(self) -> np.ndarray | None:
        """The examples' lengths, (examples,) or (examples, sequences), by which they are bucketed; None where they have none,
        or are not in memory."""
        items: Any = self.items if self.bucket else None
        if items is None and self.batch_tokens:
            items = map(self.encoder.prepare, self.examples)
        lengths = [self.encoder.length(item) for item in items] if items is not None else []
        if lengths and lengths[0] is not None:
            return np.array(lengths)
        if self.batch_tokens:
            raise DataError("train.batch_tokens: these data have no lengths; set train.batch_size instead")
        return None

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """The steps of an epoch from step `start`: for each, this process's micro-batches (none where there are too few)."""
        steps = [
            [part for part in np.array_split(chosen, self.parts)[self.rank :: self.world] if len(part)]
            for chosen in self._order(epoch)[start:]
        ]
        # Lists of Python numbers are made when a batch is due: those of an epoch would outweigh small examples.
        parts = [part for step in steps for part in step]
        batches = self._fulfil(parts, lambda part: Request(part.tolist(), Draws(self.seed, epoch, part.tolist())))
        for step in steps:
            yield [next(batches) for _ in step]

    def all(self) -> Iterator[tuple[Sequence[int], Batch]]:
        """This process's share of the split, each example once and not augmented, with the examples' indices."""
        order = np.arange(len(self.examples))
        if self.lengths is not None:
            order = self._by_length(order)
        mine = order[self.rank :: self.world]
        if self.batch_tokens:
            chunks = self._by_tokens(mine)
        else:
            chunks = [mine[start : start + self.batch_size] for start in range(0, len(mine), self.batch_size)]
        batches = self._fulfil(chunks, lambda chunk: Request(chunk.tolist(), None))
        return zip((chunk.tolist() for chunk in chunks), batches, strict=True)

    def encode(self, request: Request) -> Batch:
        """One batch, prepared anew where it is not in the cache."""
        if self.items is None:
            return self.encoder.gather(self.examples, request.indices, request.draws)
        return self.encoder.collate([self.items[index] for index in request.indices], request.draws)

    def _order(self, epoch: int) -> list[np.ndarray]:
        order = permutation(len(self.examples), self.seed, epoch)
        size = self.batch_size
        if self.batch_tokens:
            # Those of equal length change places, the lengths in their order do not: so the cuts are the same in every epoch.
            batches = self._by_tokens(self._by_length(order))
            return [batches[index] for index in permutation(len(batches), self.seed + 1, epoch)]
        if self.lengths is None:
            return [order[start : start + size] for start in range(0, len(order), size)]
        batches = []
        for start in range(0, len(order), size * _CHUNK):
            chunk = order[start : start + size * _CHUNK]
            chunk = self._by_length(chunk)
            batches += [chunk[first : first + size] for first in range(0, len(chunk), size)]
        return [batches[index] for index in permutation(len(batches), self.seed + 1, epoch)]

    def _by_length(self, indices: np.ndarray) -> np.ndarray:
        """The shortest first; those of equal length stay in their order."""
        assert self.lengths is not None
        lengths = self.lengths[indices]
        return indices[np.argsort(lengths, kind="stable") if lengths.ndim == 1 else np.lexsort(lengths.T[::-1])]

    def _by_tokens(self, indices: np.ndarray) -> list[np.ndarray]:
        """Cut where the next example would make a batch, padded to its longest, hold more than `batch_tokens`."""
        assert self.lengths is not None and self.batch_tokens is not None
        lengths = self.lengths[indices].reshape(len(indices), -1).tolist()
        cuts, start, longest = [], 0, lengths[0] if lengths else []
        for place, sizes in enumerate(lengths):
            grown = [max(pair) for pair in zip(longest, sizes, strict=True)]
            if place > start and (place + 1 - start) * sum(grown) > self.batch_tokens:
                cuts.append(place)
                start, grown = place, sizes
            longest = grown
        return [part for part in np.split(indices, cuts) if len(part)]

    def _fulfil(self, parts: Sequence[np.ndarray], request: Callable[[np.ndarray], Request]) -> Iterator[Batch]:
        inline = self.items is not None or not self.encoder.cached or self.workers == 0 or len(parts) < 2
        if inline:
            yield from map(self.encode, map(request, parts))
            return
        from torch.utils.data import DataLoader

        # The sampler hands whole requests to the workers, so that a worker encodes a batch and its draws are the same.
        loader: DataLoader = DataLoader(
            _InWorkers(self),
            sampler=[request(part) for part in parts],
            batch_size=None,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # else each epoch draws from the generator that dropout uses
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            yield batch


class _InWorkers(torch.utils.data.Dataset):
    """A loader as DataLoader's workers take it. An error travels as a value: torch would wrap it in a traceback."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __getitem__(self, request: Request) -> Batch | DataError:
        try:
            return self.loader.encode(request)
        except DataError as error:
            return DataError(str(error))


def _as_it_is(value: Any) -> Any:
    return value


def _bytes(item: Any) -> int:
    if isinstance(item, Tensor):
        return item.nbytes
    if isinstance(item, np.ndarray):
        return item.nbytes
    if isinstance(item, dict):
        return sum(_bytes(value) for value in item.values())
    if isinstance(item, tuple | list):
        return sum(_bytes(value) for value in item)
    return 8
