"""convzoo: convolution on every kind of data, with one trainer.

>>> import convzoo
>>> run = convzoo.run("sentiment_cnn1d", ["train.epochs=2"])
>>> run.scores["test/accuracy"]
>>> run.predict(["a dull plot but superb acting"])

To run and to load:
    run: train, score and explain a recipe
    Run: the folder of a run: its scores, its model, predictions for new inputs

A recipe in Python:
    Recipe: the five parts of an experiment
    Part: the name or the class of one part, with its arguments
    TrainConfig: the settings of the training

Types of examples, which readers yield and `Run.predict` takes:
    Text: a text with its class
    Pair: a sentence and its translation
    Image: a picture, as an array or a file
    Audio: a sound, as samples or a file
    Video: a video, as frames or a file
    Volume: a medical scan, with a class, a mask or both
    PointCloud: a LiDAR scan with its objects
    Objects: the labelled boxes of a point cloud
    Series: a recording of sensors
    Stretch: some rows of a series
    Graph: nodes with features and classes, and their edges
    Node: a node of a graph
    Catalogue: all users and items of a table of interactions
    User: a user, with the items that it had

Base classes and types for parts of your own:
    Reader: one file format and its split
    Splits: what a reader yields: examples to train, validate and test on
    Encoder: how an example becomes tensors
    Batch: the tensors of one step
    Draws: random numbers for augmentation that depend on seed, epoch and example only
    Task: an objective: losses, predictions and scores
    Meter: scores over a whole split
    Baseline: an opponent of the network

Listeners of the training:
    Listener: what the trainer calls with each event
    Started: training begins or goes on
    Progressed: a step is done
    Scored: the validation split is scored
    Ended: training is over

Errors, each one line that says what to change:
    ConvzooError: the base of the others
    RecipeError: a wrong recipe, part or argument
    DataError: data that are absent, unreadable or not what the recipe says
    TrainingError: training that cannot go on
    CheckError: a check that failed
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convzoo.core.version import VERSION as __version__

if TYPE_CHECKING:
    from convzoo.core.audio import Audio
    from convzoo.core.baseline import Baseline
    from convzoo.core.batch import Batch
    from convzoo.core.config import TrainConfig
    from convzoo.core.encoder import Encoder
    from convzoo.core.errors import CheckError, ConvzooError, DataError, RecipeError, TrainingError
    from convzoo.core.events import Ended, Listener, Progressed, Scored, Started
    from convzoo.core.examples import Image, Splits, Text
    from convzoo.core.graphs import Graph, Node
    from convzoo.core.interactions import Catalogue, User
    from convzoo.core.points import Objects, PointCloud
    from convzoo.core.randomness import Draws
    from convzoo.core.reader import Reader
    from convzoo.core.series import Series, Stretch
    from convzoo.core.task import Meter, Task
    from convzoo.core.translation import Pair
    from convzoo.core.video import Video
    from convzoo.core.volumes import Volume
    from convzoo.experiment import run
    from convzoo.recipe import Part, Recipe
    from convzoo.runs import Run

__all__ = [
    "Audio",
    "Baseline",
    "Batch",
    "Catalogue",
    "CheckError",
    "ConvzooError",
    "DataError",
    "Draws",
    "Encoder",
    "Ended",
    "Graph",
    "Image",
    "Listener",
    "Meter",
    "Node",
    "Objects",
    "Pair",
    "Part",
    "PointCloud",
    "Progressed",
    "Reader",
    "Recipe",
    "RecipeError",
    "Run",
    "Scored",
    "Series",
    "Splits",
    "Started",
    "Stretch",
    "Task",
    "Text",
    "TrainConfig",
    "TrainingError",
    "User",
    "Video",
    "Volume",
    "__version__",
    "run",
]

_HOMES = {
    "Audio": "convzoo.core.audio:Audio",
    "Baseline": "convzoo.core.baseline:Baseline",
    "Batch": "convzoo.core.batch:Batch",
    "Catalogue": "convzoo.core.interactions:Catalogue",
    "CheckError": "convzoo.core.errors:CheckError",
    "ConvzooError": "convzoo.core.errors:ConvzooError",
    "DataError": "convzoo.core.errors:DataError",
    "Draws": "convzoo.core.randomness:Draws",
    "Encoder": "convzoo.core.encoder:Encoder",
    "Ended": "convzoo.core.events:Ended",
    "Graph": "convzoo.core.graphs:Graph",
    "Image": "convzoo.core.examples:Image",
    "Listener": "convzoo.core.events:Listener",
    "Meter": "convzoo.core.task:Meter",
    "Node": "convzoo.core.graphs:Node",
    "Objects": "convzoo.core.points:Objects",
    "Pair": "convzoo.core.translation:Pair",
    "Part": "convzoo.recipe:Part",
    "PointCloud": "convzoo.core.points:PointCloud",
    "Progressed": "convzoo.core.events:Progressed",
    "Reader": "convzoo.core.reader:Reader",
    "Recipe": "convzoo.recipe:Recipe",
    "RecipeError": "convzoo.core.errors:RecipeError",
    "Run": "convzoo.runs:Run",
    "Scored": "convzoo.core.events:Scored",
    "Series": "convzoo.core.series:Series",
    "Splits": "convzoo.core.examples:Splits",
    "Started": "convzoo.core.events:Started",
    "Stretch": "convzoo.core.series:Stretch",
    "Task": "convzoo.core.task:Task",
    "Text": "convzoo.core.examples:Text",
    "TrainConfig": "convzoo.core.config:TrainConfig",
    "TrainingError": "convzoo.core.errors:TrainingError",
    "User": "convzoo.core.interactions:User",
    "Video": "convzoo.core.video:Video",
    "Volume": "convzoo.core.volumes:Volume",
    "run": "convzoo.experiment:run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import convzoo` and `convzoo --help` stay free of torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'convzoo' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """The public names, also those that are not imported yet."""
    return sorted(__all__)
