"""From examples to batches: the order, the cache, the buckets and the workers. The batches of any step can be computed directly,
so a resumed run does not replay the steps before it."""

from collections.abc import Iterable, Iterator, Sequence
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
from convzoo.core.references import References

_CHUNK = 50
"""Number of batches whose examples are sorted by length together: enough to save padding, few enough to keep the order random."""


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
        batch_size: examples in a step, over all processes
        seed: of the order and the augmentation
        accumulate: micro-batches in a step
        bucket: put examples of similar length into one batch
        rank: of this process
        world: number of processes
        workers: processes that prepare examples which do not fit in memory
        cache_bytes: the largest memory for prepared examples
        batch_tokens: instead of `batch_size`: the largest number of tokens in a batch, padding included; a longer example gets a
            batch of its own

    Raises:
        DataError: the split is empty; later, an example cannot be prepared, or has no length that its tokens are counted by.
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
                "train.batch_tokens needs train.bucket=true; remove train.bucket, or set train.batch_size instead"
            )

    @cached_property
    def steps_per_epoch(self) -> int:
        """Number of steps, the same in every epoch."""
        return len(self._order(0)) if self.batch_tokens else -(-len(self.examples) // self.batch_size)

    @property
    def examples_per_step(self) -> int:
        """Number of examples in a step, as a mean over an epoch."""
        return round(len(self.examples) / self.steps_per_epoch) if self.batch_tokens else self.batch_size

    @cached_property
    def items(self) -> list[Any] | None:
        """The prepared examples; None if they do not fit in memory. They are prepared when the first batch is needed."""
        if not self.encoder.cached:
            return None
        few = [self.encoder.prepare(example) for example in self.examples[:32]]
        size = sum(_bytes(item) for item in few) / len(few) * len(self.examples)
        if size > self.cache_bytes:
            return None
        return few + [self.encoder.prepare(example) for example in self.examples[32:]]

    @cached_property
    def lengths(self) -> np.ndarray | None:
        """The lengths of the examples, (examples,) or (examples, sequences), for the buckets; None if the examples have no
        lengths, or cost nothing to prepare. Examples that do not fit in memory are prepared once more for it: the batches must
        not depend on how much memory a machine has."""
        items: Any = self.items if self.bucket else None
        if items is None and self.bucket and (self.encoder.cached or self.batch_tokens):
            items = map(self.encoder.prepare, self.examples)
        lengths = self._lengths_of(items) if items is not None else None
        if lengths is None and self.batch_tokens:
            raise DataError("train.batch_tokens: these examples have no length in tokens; set train.batch_size instead")
        return lengths

    def _lengths_of(self, items: Iterable[Any]) -> np.ndarray | None:
        lengths = []
        for item in items:
            lengths.append(self.encoder.length(item))
            if lengths[-1] is None:
                return None
        return np.array(lengths)

    def steps(self, epoch: int, start: int = 0) -> Iterator[list[Batch]]:
        """The steps of an epoch from step `start`: this process's micro-batches of each (none if there are too few)."""
        order = self._order(epoch)
        steps = (self._requests(order[number], epoch) for number in range(start, len(order)))
        if self._inline or len(order) - start < 2:
            # Requests are made step by step: those of a whole epoch would need more memory than small examples do.
            for step in steps:
                yield [self.encode(request) for request in step]
            return
        planned = list(steps)
        batches = self._in_workers([request for step in planned for request in step])
        for step in planned:
            yield [next(batches) for _ in step]

    def _requests(self, chosen: np.ndarray, epoch: int) -> list[Request]:
        """This process's micro-batches of a step."""
        parts = [chosen] if self.parts == 1 else np.array_split(chosen, self.parts)[self.rank :: self.world]
        mine = [part.tolist() for part in parts if len(part)]
        return [Request(indices, Draws(self.seed, epoch, indices)) for indices in mine]

    def all(self) -> Iterator[tuple[Sequence[int], Batch]]:
        """This process's share of the split, each example once and not augmented, with the examples' indices."""
        order = np.arange(len(self.examples))
        lengths = self.lengths
        if lengths is None and not self.encoder.cached:  # preparing these costs nothing
            lengths = self._lengths_of(map(self.encoder.prepare, self.examples))
        if lengths is not None:
            order = _by_length(order, lengths)
        mine = order[self.rank :: self.world]
        chunks = self._by_tokens(mine) if self.batch_tokens else _alike(mine, lengths, self.batch_size)
        requests = [Request(chunk.tolist(), None) for chunk in chunks]
        inline = self._inline or len(requests) < 2
        batches = map(self.encode, requests) if inline else self._in_workers(requests)
        return zip((request.indices for request in requests), batches, strict=True)

    def encode(self, request: Request) -> Batch:
        """One batch. Its examples are prepared now if they are not in the cache."""
        if self.items is None:
            return self.encoder.gather(self.examples, request.indices, request.draws)
        return self.encoder.collate([self.items[index] for index in request.indices], request.draws)

    def _order(self, epoch: int) -> Sequence[np.ndarray]:
        """The examples of each step."""
        order = permutation(len(self.examples), self.seed, epoch)
        size = self.batch_size
        if self.batch_tokens:
            # Examples of equal length change places, but the sorted lengths stay the same: so do the cuts in every epoch.
            assert self.lengths is not None
            batches = self._by_tokens(_by_length(order, self.lengths))
            return [batches[index] for index in permutation(len(batches), self.seed + 1, epoch)]
        if self.lengths is None:
            return _Cuts(order, size)
        batches = []
        for start in range(0, len(order), size * _CHUNK):
            chunk = order[start : start + size * _CHUNK]
            chunk = _by_length(chunk, self.lengths)
            batches += [chunk[first : first + size] for first in range(0, len(chunk), size)]
        return [batches[index] for index in permutation(len(batches), self.seed + 1, epoch)]

    def _by_tokens(self, indices: np.ndarray) -> list[np.ndarray]:
        """Start a new batch when the next example would give this one, padded to its longest, more than `batch_tokens`."""
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

    @property
    def _inline(self) -> bool:
        """Whether batches are made in this process: examples that are already prepared need no workers."""
        return self.items is not None or not self.encoder.cached or self.workers == 0

    def _in_workers(self, requests: list[Request]) -> Iterator[Batch]:
        from torch.utils.data import DataLoader

        # The sampler gives whole requests to the workers: a worker encodes a whole batch, with the same draws.
        loader: DataLoader = DataLoader(
            _InWorkers(self),
            sampler=requests,
            batch_size=None,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            generator=torch.Generator(),  # otherwise each epoch would draw from the generator that dropout uses
        )
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            yield batch


class _Cuts(References[np.ndarray]):
    """An order of examples, cut into batches of one size."""

    def __init__(self, order: np.ndarray, size: int) -> None:
        self.order = order
        self.size = size

    def __len__(self) -> int:
        return -(-len(self.order) // self.size)

    def reference(self, index: int) -> np.ndarray:
        """The examples of a batch."""
        return self.order[index * self.size : (index + 1) * self.size]


def _by_length(indices: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The shortest first; examples of equal length keep their order."""
    mine = lengths[indices]
    return indices[np.argsort(mine, kind="stable") if mine.ndim == 1 else np.lexsort(mine.T[::-1])]


def _alike(indices: np.ndarray, lengths: np.ndarray | None, size: int) -> list[np.ndarray]:
    """Batches of at most `size` examples. If the lengths are sorted, no example is more than twice as long as the first one of
    its batch, so that less than half of a batch is padding."""
    if lengths is None:
        return [indices[start : start + size] for start in range(0, len(indices), size)]
    mine = lengths[indices].reshape(len(indices), -1)[:, 0].tolist()
    cuts, start = [], 0
    for place, length in enumerate(mine):
        if place - start == size or length > 2 * max(mine[start], 1):
            cuts.append(place)
            start = place
    return [part for part in np.split(indices, cuts) if len(part)]


class _InWorkers(torch.utils.data.Dataset):
    """A loader in the form that DataLoader's workers take. An error is returned as a value, because torch would wrap it in a
    traceback."""

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
