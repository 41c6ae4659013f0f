"""How a recipe is trained: one typed field for each setting, and a description of each."""

from dataclasses import dataclass
from typing import Literal

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive, PositiveFloat, Seed, Threads, Workers


@dataclass(frozen=True)
class TrainConfig:
    """The `train` section of a recipe.

    Args:
        epochs: passes over the training split; give this or `steps`; auto: from the size of the training split, many for a small
            one and few for a large one
        auto_epochs: for `epochs: auto`: passes over a training split of 3,000 examples, from which those over others follow
        steps: optimizer steps; give this or `epochs`
        batch_size: examples in an optimizer step, over all processes and accumulated micro-batches; auto: the encoder chooses it
            from the data (segmentation), else it follows from the size of the training split, from 8 to 64
        batch_tokens: instead of `batch_size`: the largest number of tokens in a step, over all its sequences, padding included
        accumulate: number of micro-batches that one step is split into, to save memory
        optimizer: adamw, adam, sgd (with Nesterov momentum) or adadelta
        lr: the highest learning rate of the schedule
        weight_decay: decoupled for adamw, L2 for the others; not applied to biases, norms and one-dimensional weights
        momentum: for sgd
        schedule: how the learning rate changes after the warm-up
        warmup: the fraction of all steps in which the learning rate rises from 0
        step_every: for `step`: epochs between two drops
        step_factor: for `step` and `plateau`: the learning rate is multiplied by this at each drop
        plateau_patience: for `plateau`: evaluations without a better score before a drop
        clip_norm: the largest norm of the gradient
        ema: decay of an exponential moving average of the weights; if set, this average is scored and saved
        patience: evaluations without a better score before training stops; auto: half of the epochs, at least 10
        evaluate_every: steps between two evaluations on the validation split; by default once an epoch
        checkpoint_every: steps between two checkpoints; by default at each evaluation
        bucket: put examples of similar length into one batch, which saves padding
        precision: 32, bf16 or 16 (autocast), 64 (for exact comparisons), or auto: bf16 if it is faster on the device
        start_from: the folder of an earlier run whose weights are the start of this training. Output rows are matched by the
            names of classes, vectors by their tokens; kernels for another number of channels are summed and divided. What is
            new is named before training
        start_encoder: for `start_from`: `keep` the statistics and the vocabulary of the earlier run, which its weights expect
            (new words are added; classes and the scale of numbers are always those of the new data), or `refit` them on the new
            data
        device: auto, cpu, cuda, cuda:0, mps
        threads: of the CPU that one step computes with; auto: the fastest number in a short trial at the start, which is fewer
            on a machine that other processes use too. A number that the environment sets (OMP_NUM_THREADS) is kept
        seed: of the weights, the order, the augmentation and the dropout
        workers: processes that prepare examples which do not fit in memory
        cache_gigabytes: the largest memory for prepared examples, in gigabytes; if they need more, workers prepare them in each
            epoch
    """

    epochs: Positive | Literal["auto"] | None = None
    auto_epochs: Positive = 12
    steps: Positive | None = None
    batch_size: Positive | Literal["auto"] = 64
    batch_tokens: Positive | None = None
    accumulate: Positive = 1
    optimizer: Literal["adamw", "adam", "sgd", "adadelta"] = "adamw"
    lr: PositiveFloat = 1e-3
    weight_decay: NonNegative = 0.0
    momentum: Fraction = 0.9
    schedule: Literal["constant", "cosine", "one_cycle", "step", "plateau"] = "constant"
    warmup: Fraction = 0.0
    step_every: Positive = 10
    step_factor: Fraction = 0.1
    plateau_patience: Count = 3
    clip_norm: PositiveFloat | None = None
    ema: Fraction | None = None
    patience: Positive | Literal["auto"] | None = None
    evaluate_every: Positive | None = None
    checkpoint_every: Positive | None = None
    bucket: bool = True
    precision: Literal["auto", "32", "bf16", "16", "64"] = "32"
    start_from: str | None = None
    start_encoder: Literal["keep", "refit"] = "keep"
    device: str = "auto"
    threads: Threads | Literal["auto"] = "auto"
    seed: Seed = 0
    workers: Workers = 2
    cache_gigabytes: NonNegative = 4.0
