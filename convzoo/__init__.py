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
    User: a user, with the items that the user had

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
    Started: training begins or resumes
    Progressed: a step is done
    Scored: the validation split is scored
    Ended: training is over

Errors, each one line that says what to change:
    ConvzooError: the base of the others
    RecipeError: a wrong recipe, part or argument
    DataError: data that are missing, unreadable or not what the recipe says
    TrainingError: training that cannot continue
    CheckError: a check that failed
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from convzoo.core.version import VERSION as __version__

if TYPE_CHECKING:
    from convzoo.core.baseline import Baseline
    from convzoo.core.batch import Batch
    from convzoo.core.config import TrainConfig
    from convzoo.core.encoder import Encoder
    from convzoo.core.errors import CheckError, ConvzooError, DataError, RecipeError, TrainingError
    from convzoo.core.outputs.boxes import Objects
    from convzoo.core.randomness import Draws
    from convzoo.core.reader import Reader
    from convzoo.core.splits import Splits
    from convzoo.core.task import Meter, Task
    from convzoo.modalities.audio.example import Audio
    from convzoo.modalities.graph.example import Graph, Node
    from convzoo.modalities.image.example import Image
    from convzoo.modalities.points.example import PointCloud
    from convzoo.modalities.recommendation.example import Catalogue, User
    from convzoo.modalities.series.example import Series, Stretch
    from convzoo.modalities.text.example import Text
    from convzoo.modalities.text.pair import Pair
    from convzoo.modalities.video.example import Video
    from convzoo.modalities.volume.example import Volume
    from convzoo.pipeline import run
    from convzoo.recipe.types import Part, Recipe
    from convzoo.runs import Run
    from convzoo.training.events import Ended, Listener, Progressed, Scored, Started

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
    "Audio": "convzoo.modalities.audio.example:Audio",
    "Baseline": "convzoo.core.baseline:Baseline",
    "Batch": "convzoo.core.batch:Batch",
    "Catalogue": "convzoo.modalities.recommendation.example:Catalogue",
    "CheckError": "convzoo.core.errors:CheckError",
    "ConvzooError": "convzoo.core.errors:ConvzooError",
    "DataError": "convzoo.core.errors:DataError",
    "Draws": "convzoo.core.randomness:Draws",
    "Encoder": "convzoo.core.encoder:Encoder",
    "Ended": "convzoo.training.events:Ended",
    "Graph": "convzoo.modalities.graph.example:Graph",
    "Image": "convzoo.modalities.image.example:Image",
    "Listener": "convzoo.training.events:Listener",
    "Meter": "convzoo.core.task:Meter",
    "Node": "convzoo.modalities.graph.example:Node",
    "Objects": "convzoo.core.outputs.boxes:Objects",
    "Pair": "convzoo.modalities.text.pair:Pair",
    "Part": "convzoo.recipe.types:Part",
    "PointCloud": "convzoo.modalities.points.example:PointCloud",
    "Progressed": "convzoo.training.events:Progressed",
    "Reader": "convzoo.core.reader:Reader",
    "Recipe": "convzoo.recipe.types:Recipe",
    "RecipeError": "convzoo.core.errors:RecipeError",
    "Run": "convzoo.runs:Run",
    "Scored": "convzoo.training.events:Scored",
    "Series": "convzoo.modalities.series.example:Series",
    "Splits": "convzoo.core.splits:Splits",
    "Started": "convzoo.training.events:Started",
    "Stretch": "convzoo.modalities.series.example:Stretch",
    "Task": "convzoo.core.task:Task",
    "Text": "convzoo.modalities.text.example:Text",
    "TrainConfig": "convzoo.core.config:TrainConfig",
    "TrainingError": "convzoo.core.errors:TrainingError",
    "User": "convzoo.modalities.recommendation.example:User",
    "Video": "convzoo.modalities.video.example:Video",
    "Volume": "convzoo.modalities.volume.example:Volume",
    "run": "convzoo.pipeline:run",
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
