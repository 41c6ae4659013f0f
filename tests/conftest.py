"""What all tests share: shapes are checked while they run, one thread, a command line in-process, two small finished runs."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

# An int is a float, as PEP 484 has it.
hook = install_import_hook("convzoo", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
hook.__enter__()

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# The same examples every time: a property that fails by chance on one run in ten helps nobody.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")

ROOT = Path(__file__).parent.parent
RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
EMBEDDED = sorted((ROOT / "recipes").glob("*.yaml"))
REFERENCE = sorted((ROOT / "recipes" / "reference").glob("*.yaml"))

TINY = {
    "sentiment_cnn1d": ["data.train=120", "data.val=40", "data.test=40", "train.epochs=2", "train.batch_size=20",
                        "model.channels=8", "model.embedding_size=8"],
    "emotion_cnn2d": ["data.train=84", "data.val=28", "data.test=28", "train.epochs=2", "train.batch_size=14",
                      "model.channels=[4,8,8]", "model.hidden=8"],
    "anomaly_cnn1d": ["data.pumps=2", "data.length=700", "train.epochs=2", "train.batch_size=20", "model.channels=8",
                      "model.dilations=[1,2]", "encoder.window=32", "encoder.stride=3", "task.burn_in=8"],
    "translation_convs2s": ["data.train=120", "data.val=40", "data.test=40", "train.epochs=2", "train.batch_tokens=300",
                            "model.channels=16", "model.embedding_size=16", "model.encoder_layers=2", "model.decoder_layers=2"],
    "nodes_gcn": ["data.nodes=300", "data.train=8", "data.val=60", "data.test=60", "data.vocabulary=60", "train.epochs=3",
                  "train.batch_size=16", "model.channels=8"],
    "recommender_lightgcn": ["data.users=120", "data.items=80", "data.mean=12.0", "model.embedding_size=8", "train.epochs=3",
                             "train.batch_size=400", "train.evaluate_every=3"],
    "keywords_cnn1d": ["data.train=80", "data.val=30", "data.test=30", "data.per_speaker=5", "train.epochs=2",
                       "train.batch_size=20", "model.channels=8", "model.outer_channels=8", "encoder.seconds=0.5"],
    "mri_cnn3d": ["data.train=24", "data.val=20", "data.test=12", "data.spacing=8.0", "encoder.spacing=[12,12,12]",
                  "encoder.shape=[16,16,16]", "train.epochs=2", "train.batch_size=6", "model.channels=[4,8,8]",
                  "model.blocks=[1,1,1]"],
    "organ_unet3d": ["data.train=16", "data.val=20", "data.test=6", "data.spacing=8.0", "encoder.patch=[16,16,16]",
                     "train.batch_size=2", "train.epochs=1", "train.evaluate_every=4", "model.base_channels=4"],
    "actions_cnn3d": ["data.train=64", "data.val=24", "data.test=24", "train.epochs=2", "train.batch_size=16",
                      "model.channels=[4,8]", "encoder.size=[20,20]", "encoder.frames=8"],
    "lidar_pillars": ["data.train=16", "data.val=26", "data.test=6", "encoder.pillar=0.5", "encoder.paste=2", "train.epochs=2",
                      "train.batch_size=4", "model.channels=[8,8]", "model.blocks=[1,1]", "model.pillar_channels=8",
                      "model.neck_channels=8", "model.head_channels=8",
                      "baselines=[usual_places,{name: cluster_boxes, max_examples: 16, trees: 10}]"],
}  # fmt: skip
"""For each embedded recipe, overrides that make it run in about two seconds."""

PLAIN = {
    "sentiment_cnn1d": ["model.dropout=0.0", "data.train=110"],
    "emotion_cnn2d": ["model.dropouts=[0.0,0.0,0.0]", "model.hidden_dropout=0.0", "data.train=80"],
    "anomaly_cnn1d": ["data.length=710"],
    "translation_convs2s": ["model.dropout=0.0", "data.train=110"],
    "nodes_gcn": ["model.dropout=0.0", "train.batch_size=17"],
    "recommender_lightgcn": ["data.users=110"],
    "keywords_cnn1d": ["model.normalisation=layer", "data.train=75"],
    "mri_cnn3d": ["model.dropout=0.0", "model.normalisation=group", "data.train=23"],
    "organ_unet3d": ["data.train=15"],
    "actions_cnn3d": ["model.normalisation=none", "model.dropout=0.0", "data.train=61"],
    "lidar_pillars": ["model.normalisation=layer", "data.train=15"],
}
"""For each embedded recipe, overrides that leave nothing in a step to chance, with an odd last batch."""

RAW = {
    "sentiment_cnn1d": lambda: ["a dull plot"],
    "emotion_cnn2d": lambda: [np.zeros((48, 48), np.uint8)],
    "anomaly_cnn1d": lambda: [np.zeros((40, 6))],
    "translation_convs2s": lambda: ["the dog sees a cat ."],
    "nodes_gcn": lambda: ["n3", {"features": {"word 1": 1, "word 7": 1}, "edges": ["n1", "n2"]}],
    "recommender_lightgcn": lambda: ["u5"],
    "keywords_cnn1d": lambda: [(np.zeros(8000, np.float32), 8000)],
    "mri_cnn3d": lambda: [(np.zeros((20, 22, 18), np.float32), np.diag([8.0, 8.0, 8.0, 1.0]))],
    "organ_unet3d": lambda: [np.random.default_rng(0).random((20, 22, 18)).astype(np.float32)],
    "actions_cnn3d": lambda: [(np.zeros((20, 64, 64, 3), np.uint8), 15)],
    "lidar_pillars": lambda: [np.array([[10.0, 1.0, -1.0, 0.5], [12.0, 2.0, -1.2, 0.1]], np.float32)],
}
"""For each embedded recipe, raw input that `Run.predict` takes."""


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process, in a temporary folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, input: str | None = None) -> Result:
        from convzoo.cli import main

        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            if input is not None:
                patch.setattr(sys, "stdin", io.StringIO(input))
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as exit:
                code = int(exit.code or 0)
        return Result(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture(scope="session")
def tiny() -> Callable[[str], list[str]]:
    """Overrides that make a recipe run in about two seconds."""
    return lambda name: list(TINY[name])


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a finished tiny run of a recipe; made once a session, so not to be changed."""
    made: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in made:
            import convzoo

            folder = tmp_path_factory.mktemp("runs") / name
            convzoo.run(name, TINY[name], out=folder, quiet=True)
            made[name] = folder
        return made[name]

    return run


@pytest.fixture(scope="session")
def mirror() -> Iterator[Path]:
    """The folder with real benchmark files."""
    folder = Path(os.environ.get("CONVZOO_MIRROR", ""))
    if not os.environ.get("CONVZOO_MIRROR") or not folder.is_dir():
        pytest.skip("the real benchmark files are absent: CONVZOO_MIRROR names no folder")
    yield folder
