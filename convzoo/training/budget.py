"""How much a network is trained: settings that follow from the size of the training split."""

from dataclasses import replace

from convzoo.core.config import TrainConfig

REFERENCE = 3000
"""The size of a training split, in examples, that `auto_epochs` is for. The embedded data have about this size."""


def settled(config: TrainConfig, examples: int, advised: int | None = None) -> tuple[TrainConfig, str]:
    """The settings with numbers in the place of `auto`, and one line that says which; empty if there was none.

    A training split that is smaller by a factor f gets √f times the passes: fewer steps than the reference, because it is learnt
    by heart sooner, but far more than the same number of passes would give. A larger one by a factor f gets f^0.35 times fewer:
    more steps, because there is more to learn. Batches are smaller for small splits, so that an epoch has several steps and the
    statistics of batch norm are updated often enough.

    Args:
        config: the recipe's `train` section
        examples: of the training split; pieces of them, where the encoder cuts them into pieces
        advised: the batch size that the encoder chose from the data
    """
    changed: dict[str, int] = {}
    if config.batch_size == "auto":
        changed["batch_size"] = advised or min(64, max(8, 1 << max(0, (examples // 12).bit_length() - 1)))
    if config.epochs == "auto":
        ratio = REFERENCE / max(examples, 1)
        epochs = config.auto_epochs * ratio ** (0.5 if ratio > 1 else 0.35)
        changed["epochs"] = round(min(max(epochs, 2), 20 * config.auto_epochs, 300))
    if config.patience == "auto":
        changed["patience"] = max(10, (changed.get("epochs") or int(config.epochs or 20)) // 2)
    if not changed:
        return config, ""
    told = ", ".join(f"train.{name}={value}" for name, value in sorted(changed.items()))
    return replace(config, **changed), f"chosen for {examples:,} training examples: {told}"  # type: ignore[arg-type]
