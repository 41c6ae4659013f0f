"""The opponents: a carefully written loop around convzoo's own module, and the loop that most people write."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, TensorDataset

Step = Callable[[], int]
"""One optimizer step; the number of its examples."""

PADDING, UNKNOWN = 0, 1


def plain_image_network(classes: int, in_channels: int = 1) -> nn.Sequential:
    """The 48×48 network as it is usually written in PyTorch."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(64, 128, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.4),
        nn.Flatten(), nn.Linear(2048, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, classes),
    )  # fmt: skip


class PlainSentenceNetwork(nn.Module):
    """Kim's sentence CNN as it is usually written in PyTorch."""

    def __init__(self, vocabulary: int, classes: int, size: int, channels: int, widths: list[int]) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size, padding_idx=PADDING)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, channels, width, padding=width - 1) for width in widths)
        self.dropout = nn.Dropout(0.5)
        self.classifier = nn.Linear(channels * len(widths), classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens to logits."""
        x = self.embedding(tokens).transpose(1, 2)
        pooled = [F.relu(convolution(x)).amax(dim=2) for convolution in self.convolutions]
        return self.classifier(self.dropout(torch.cat(pooled, dim=1)))


def plain_step(network: nn.Module, inputs: Tensor, target: Tensor, batch_size: int, lr: float = 1e-3) -> Step:
    """A DataLoader over a TensorDataset, default layout, float32, Adam with its defaults, the loss read at each step."""
    loader = DataLoader(TensorDataset(inputs, target), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    network.train()

    def forever() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    batches = forever()
    running = 0.0

    def step() -> int:
        nonlocal running
        x, y = next(batches)
        optimizer.zero_grad()
        loss = criterion(network(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
        return len(y)

    return step


def careful_step(
    network: nn.Module, batches: Iterator[tuple[Tensor, Tensor]], bf16: bool, adam: bool, lr: float = 1e-3
) -> Step:
    """Channels-last for images and clips, a fused optimizer, gradients set to None, autocast; nothing else."""
    kinds = ((nn.Conv3d, torch.channels_last_3d), (nn.Conv2d, torch.channels_last))
    layouts = [layout for kind, layout in kinds if any(isinstance(module, kind) for module in network.modules())]
    if layouts:
        network.to(memory_format=layouts[0])  # type: ignore[call-overload]
    make = torch.optim.Adam if adam else torch.optim.AdamW
    optimizer = make(network.parameters(), lr=lr, weight_decay=0.0, fused=True)
    network.train()

    def step() -> int:
        x, y = next(batches)
        if layouts:
            x = x.contiguous(memory_format=layouts[0])
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16) if bf16 else nullcontext():
            loss = F.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return len(y)

    return step


def image_batches(images: Tensor, target: Tensor, batch_size: int, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(target), generator=generator).split(batch_size):
            yield images[chosen], target[chosen]


def sentence_batches(
    sentences: list[Tensor],
    target: Tensor,
    batch_size: int,
    word_dropout: float,
    bucket: bool,
    chunk: int = 50,
    seed: int = 0,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches of sentences of similar length, padded, with some words made unknown, without end."""
    random = np.random.default_rng(seed)
    lengths = np.array([len(sentence) for sentence in sentences])
    while True:
        order = random.permutation(len(sentences))
        batches = []
        for start in range(0, len(order), batch_size * chunk):
            part = order[start : start + batch_size * chunk]
            if bucket:
                part = part[np.argsort(lengths[part], kind="stable")]
            batches += [part[first : first + batch_size] for first in range(0, len(part), batch_size)]
        for index in random.permutation(len(batches)):
            chosen = batches[index]
            tokens = pad_sequence([sentences[number] for number in chosen], batch_first=True)
            if word_dropout:
                dropped = (torch.rand(tokens.shape) < word_dropout) & tokens.ne(PADDING)
                tokens = tokens.masked_fill(dropped, UNKNOWN)
            yield tokens, target[torch.from_numpy(chosen)]
