"""convzoo: convolution on every kind of data, with one trainer.

>>> import convzoo
>>> run = convzoo.run("recipes/sentiment_cnn1d.yaml", ["train.epochs=2"])
>>> run.scores["test/accuracy"]
>>> run.predict(["a dull plot but superb acting"])
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convzoo.core.version import VERSION as __version__

if TYPE_CHECKING:
    from convzoo.core.baseline import Baseline
    from convzoo.core.batch import Batch
    from convzoo.core.encoder import Encoder
    from convzoo.core.examples import Splits
    from convzoo.core.reader import Reader
    from convzoo.core.task import Task
    from convzoo.experiment import run
    from convzoo.recipe import Part, Recipe
    from convzoo.runs import Run

__all__ = ["Baseline", "Batch", "Encoder", "Part", "Reader", "Recipe", "Run", "Splits", "Task", "__version__", "run"]

_HOMES = {
    "Baseline": "convzoo.core.baseline",
    "Batch": "convzoo.core.batch",
    "Encoder": "convzoo.core.encoder",
    "Part": "convzoo.recipe",
    "Reader": "convzoo.core.reader",
    "Recipe": "convzoo.recipe",
    "Run": "convzoo.runs",
    "Splits": "convzoo.core.examples",
    "Task": "convzoo.core.task",
    "run": "convzoo.experiment",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import convzoo` and `convzoo --help` stay free of torch."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'convzoo' has no attribute {name!r}")
