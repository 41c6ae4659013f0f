"""Wrong input: one line a fault on standard error, the right exit code, no traceback, and nothing lost."""

import gzip
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import refused

import convzoo
from convzoo.core.errors import ConvzooError, RecipeError

RECIPE = """\
about: a test
modality: text
data: {name: reviews, train: 60, val: 20, test: 20}
encoder: {name: text}
model:
  name: cnn1d
  channels: 8
  embedding_size: 8
  kernel_sizes: [2, 3]
task: {name: classification}
train:
  steps: 4
  evaluate_every: 1
  batch_size: 16
  device: cpu
"""

FULL_DISK = Path("/dev/full")


@pytest.fixture
def recipe(tmp_path):
    """A recipe file; each pair of texts is replaced in it."""

    def write(*changes: tuple[str, str], name: str = "mine.yaml") -> Path:
        text = RECIPE
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


# Recipes


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("  channels: 8", "  chanels: 8", "7:3", ["model.chanels: unknown key", "did you mean 'channels'?"]),
        ("  name: cnn1d", "  name: cnn1", "6:3", ["no model 'cnn1'", "did you mean 'cnn1d'?", "file.py:Class"]),
        ("{name: text}", "{name: txt}", "4:11", ["no encoder 'txt'", "did you mean 'text'?"]),
        ("modality: text", "modality: txt", "2:1", ["did you mean 'text'?"]),
        ("about: a test", "abuot: a test", "1:1", ["abuot: unknown key", "did you mean 'about'?"]),
        ("  channels: 8", "  channels: eight", "7:3", ["model.channels: 'eight' should be a valid integer"]),
        ("  channels: 8", "  channels: 8.5", "7:3", ["model.channels: 8.5 should be a valid integer"]),
        ("  channels: 8", "  channels: true", "7:3", ["model.channels: True should be a valid integer"]),
        ("  channels: 8", "  channels: '8'", "7:3", ["model.channels: '8' should be a valid integer"]),
        ("  channels: 8", "  channels: null", "7:3", ["model.channels: None should be"]),
        ("  channels: 8", "  channels: 0", "7:3", ["model.channels: 0 should be greater than or equal to 1"]),
        ("  channels: 8", "  dropout: 1.0", "7:3", ["model.dropout: 1.0 should be less than 1"]),
        ("  channels: 8", "  pooling: maxx", "7:3", ["model.pooling: 'maxx' should be", "did you mean 'max'?"]),
        ("  channels: 8", "  classes: 2", "7:3", ["model.classes: is set from the data; remove it"]),
        ("  channels: 8", "  vectors: file.txt", "7:3", ["model.vectors: is set from the data; remove it"]),
        ("[2, 3]", "[2, x]", "9:21", ["model.kernel_sizes.1: 'x' should be a valid integer"]),
        ("[2, 3]", "[2, 0]", "9:21", ["model.kernel_sizes.1: 0 should be greater"]),
        ("[2, 3]", "3", "9:3", ["model.kernel_sizes: 3 should be a valid list"]),
        ("train: 60", "train: -1", "3:23", ["data.train: -1 should be greater"]),
        ("train: 60", "tain: 60", "3:23", ["data.tain: unknown key", "did you mean 'train'?"]),
        ("  batch_size: 16", "  lr: -1", "14:3", ["train.lr: -1 should be greater than 0"]),
        ("  batch_size: 16", "  lr: .nan", "14:3", ["train.lr: nan should be"]),
        ("  batch_size: 16", "  lr: .inf", "14:3", ["train.lr: inf should be"]),
        ("  batch_size: 16", "  optimizer: adm", "14:3", ["train.optimizer: 'adm'", "did you mean 'adam"]),
        ("  batch_size: 16", "  ema: 2", "14:3", ["train.ema: 2 should be less than or equal to 1"]),
        ("  batch_size: 16", "  bucket: yes", "14:3", ["train.bucket: 'yes' should be a valid boolean"]),
        ("  batch_size: 16", "  epochs: 3", "12:3", ["train.steps: give epochs or steps, not both"]),
        ("  steps: 4", "  lr: 0.1", "11:1", ["give epochs or steps"]),
        ("task: {name: classification}", "task: {}", "10:1", ["task: should be a name with its arguments"]),
        ("task: {name: classification}", "task: 3", "10:1", ["task: should be a name with its arguments"]),
        ("task: {name: classification}", "task: clasification", "10:1", ["did you mean 'classification'?"]),
        ("about: a test", "3: a test", "1:1", ["3: unknown key"]),
        ("about: a test", "baselines: majority", "1:1", ["baselines: should be a list"]),
        ("about: a test", "baselines: [majorty]", "1:13", ["no baseline 'majorty'", "did you mean 'majority'?"]),
        ("about: a test", "expect: {test/accuracy: 0.5}", "1:10", ["should be [lowest, highest], not 0.5"]),
        ("about: a test", "expect: {test/accuracy: [0.9, 0.5]}", "1:10", ["should be [lowest, highest]"]),
        ("about: a test", "repeat: {train.seed: []}", "1:10", ["should be a list of values"]),
        ("about: a test", "repeat: {seed: [1, 2]}", "1:10", ["should be a setting such as"]),
        ("about: a test", "repeat: {data.fold: [0, 1]}", "1:10", ["data.fold", "unknown key"]),
        ("about: a test", "repeat: {train.seed: [1, x]}", "1:10", ["'x' should be a valid integer"]),
        ("about: a test", "reference: [{dataset: x, metric: y, source: z}]", "1:13", ["the key 'value' is missing"]),
        ("about: a test", "about: [a, test]", "1:1", ["about"]),
        ("about: a test", "about: a test\nmodality: text", "3:1", ["'modality' is given twice"]),
        ("  channels: 8", "  channels: 8\n  channels: 9", "8:3", ["'channels' is given twice"]),
        ("  channels: 8", "  channels: [8", "8:17", ["is not valid YAML"]),
        ("  channels: 8", "  channels: !!python/object:os.system x", "7:13", ["is not valid YAML"]),
        ("  channels: 8", "\tchannels: 8", "7:1", ["is not valid YAML"]),
    ],
)
def test_a_fault_is_named_with_its_place(cli, recipe, old, new, place, words):
    path = recipe((old, new))
    error = refused(cli("show", path), 2, *words)
    assert error.startswith(f"convzoo: {path}:{place}: ")


def test_several_faults_are_listed_together(cli, recipe):
    path = recipe(("channels: 8", "chanels: 8"), ("steps: 4", "steps: none"), ("name: classification", "name: x"))
    error = refused(cli("show", path), 2, lines=3)
    assert [line.split(":")[2] for line in error.splitlines()] == ["7", "10", "12"]


@pytest.mark.parametrize("key", ["data", "encoder", "model", "task"])
def test_a_missing_part_is_named(cli, tmp_path, key):
    lines = {
        "data": "data: reviews", "encoder": "encoder: text", "model": "model: cnn1d", "task": "task: classification",
        "train": "train: {steps: 1}",
    }  # fmt: skip
    path = tmp_path / "r.yaml"
    path.write_text("\n".join(text for name, text in lines.items() if name != key))
    refused(cli("show", path), 2, f"the key '{key}' is missing", str(path))


def test_faults_are_found_before_anything_is_run(cli, recipe, tmp_path):
    path = recipe(("channels: 8", "chanels: 8"))
    for command in ("run", "check", "describe", "show"):
        refused(cli(command, path), 2, "did you mean 'channels'?")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"about: caf\xe9\n", "is not UTF-8 text"),
        (b"\xff\xfea\x00", "is not UTF-8 text"),
        (b"about: \x00\n", "is not valid YAML"),
        (b"- a\n- b\n", "a recipe is a mapping"),
        (b"just text\n", "a recipe is a mapping"),
        (b"a: 1\n---\nb: 2\n", "is not valid YAML"),
        (b"a: &x [*x]\n", "r.yaml"),
        (b"a: *nowhere\n", "is not valid YAML"),
        (b"{[1]: 2}\n", "is not valid YAML"),
    ],
)
def test_files_that_are_no_recipes(cli, tmp_path, content, words):
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    result = cli("show", path)
    refused(result, 2, words, "r.yaml", lines=len(result.err.splitlines()))


BOMB = "a: &a [1,2,3,4,5,6,7,8,9,10]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 10)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(("content", "line"), [(BOMB, 5), (MERGES, 6)], ids=["aliases", "merges"])
def test_aliases_that_would_fill_the_memory_are_refused_at_once(cli, tmp_path, content, line):
    (tmp_path / "r.yaml").write_text(content)
    cli("show", "nothing")  # what is imported on the way is not measured
    began = time.perf_counter()
    error = refused(
        cli("show", tmp_path / "r.yaml"), 2, f"r.yaml:{line}:", "there are more than 100,000 values, by its aliases"
    )
    assert time.perf_counter() - began < 0.5
    assert len(error) < 300


def test_an_override_of_aliases_that_would_fill_the_memory_is_refused(cli, recipe):
    values = "&a [1,1,1,1,1,1,1,1,1,1]"
    for name, before in zip("bcdefgh", "abcdefg", strict=True):
        values += f", &{name} [{','.join([f'*{before}'] * 10)}]"
    refused(cli("show", recipe(), f"train.lr=[{values}]"), 2, "there are more than 100,000 values")
    refused(cli("show", recipe(), "model.kernel_sizes=&a [1, *a]"), 2, "a value contains itself")


def test_a_value_that_contains_itself_is_refused(cli, recipe):
    refused(
        cli("show", recipe(("[2, 3]", "&a [2, *a]"))), 2, "mine.yaml:9:17: is not valid YAML: a value contains itself"
    )
    mapping: dict = {"data": "reviews"}
    mapping["model"] = mapping
    with pytest.raises(RecipeError, match="a value contains itself"):
        convzoo.run(mapping)


MERGED = (
    ("  channels: 8\n  embedding_size: 8\n", "  <<: *small\n  embedding_size: 4\n"),
    (
        "encoder: {name: text}",
        "encoder: {name: text}\nwith_data:\n  model: &small\n    channels: 8\n    embedding_size: 8",
    ),
)


def test_merge_keys_bring_what_a_mapping_lacks(cli, recipe):
    shown = cli("show", recipe(*MERGED), "--origin")
    assert shown.code == 0, shown.err
    lines = {
        line.split(":")[0].strip(): line
        for line in shown.out.partition("\nmodel:")[2].partition("\ntask:")[0].splitlines()
    }
    assert lines["channels"].split()[1] == "8" and "mine.yaml:7:5" in lines["channels"]  # written where it is said
    assert lines["embedding_size"].split()[1] == "4" and "mine.yaml:12:3" in lines["embedding_size"]


def test_of_several_merged_mappings_the_first_counts(cli, recipe):
    first, second = MERGED
    several = (first[0], first[1].replace("*small", "[{channels: 5}, *small]"))
    shown = cli("show", recipe(several, second), "--origin").out.partition("\nmodel:")[2]
    line = next(line for line in shown.splitlines() if "channels" in line)
    assert line.split()[1] == "5" and "mine.yaml:11:9" in line


def test_a_fault_in_a_merged_mapping_is_named_where_it_is_written(cli, recipe):
    first, second = MERGED
    path = recipe(first, (second[0], second[1].replace("    channels: 8", "    chanels: 8")))
    error = refused(cli("show", path), 2, "model.chanels: unknown key", lines=2)
    assert all(line.split(":")[2:4] == ["7", "5"] for line in error.splitlines())
    refused(cli("show", recipe((first[0], "  <<: 3\n"))), 2, "mine.yaml:7:7", "expected a mapping")
    refused(
        cli("show", recipe((first[0], "  <<: {channels: 8}\n  <<: {channels: 9}\n"))), 2, "8:3: '<<' is given twice"
    )


def test_an_empty_recipe_lacks_every_part(cli, tmp_path):
    (tmp_path / "r.yaml").write_text("")
    refused(cli("show", tmp_path / "r.yaml"), 2, "'data'", "'encoder'", "'model'", "'task'", lines=5)


@pytest.mark.parametrize("command", ["run", "show", "check", "describe"])
def test_a_missing_recipe_is_refused_with_the_nearest(cli, command):
    refused(cli(command, "sentiment_cnn1"), 2, "no such recipe", "did you mean 'sentiment_cnn1d'?", "convzoo list")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lr", "unknown argument 'train.lr'|an override is written key.key=value"),
        ("=3", "an override is written"),
        ("train.lr=[", "is not a YAML value"),
        ("train.lr=fast", "'fast' should be a valid number"),
        ("train.lrr=1", "did you mean 'lr'?"),
        ("trian.lr=1", "did you mean 'train'?"),
        ("about.x=1", "has no keys"),
        ("model.kernel_sizes.9=3", "is a list of 2; number its items from 0"),
        ("model.kernel_sizes.-1=3", "is a list of 2; number its items from 0"),
        ("model.kernel_sizes.x=3", "is a list of 2"),
        ("model.kernel_sizes.0=x", "override model.kernel_sizes.0=x"),
        ("train.seed=" + "9" * 5000, "train.seed"),
        ("model=cnn3d", "did you mean"),
        ("train=5", "should be a mapping"),
    ],
)
def test_wrong_overrides(cli, recipe, override, words):
    error = refused(cli("show", recipe(), override), 2)
    assert any(word in error for word in words.split("|"))


def test_arguments_that_a_part_refuses_itself(cli, tiny):
    refused(cli("check", "emotion_cnn2d", *tiny("emotion_cnn2d"), "model.dropouts=[0.1]"), 2, "one for each block")
    refused(cli("check", "emotion_cnn2d", *tiny("emotion_cnn2d"), "encoder.size=[8, 8]"), 2, "too small")
    refused(cli("check", "emotion_cnn2d", *tiny("emotion_cnn2d"), "encoder.size=[8]"), 2, "[height, width]")
    refused(cli("check", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "model.embedding=static"), 2, "vectors")


def test_a_model_for_another_kind_of_data_lacks_what_the_encoder_does_not_give(cli, tiny):
    overrides = tiny("sentiment_cnn1d")
    result = cli("check", "sentiment_cnn1d", *[o for o in overrides if "model" not in o], "model=resnet2d")
    refused(result, 2, "in_channels")


# Commands and arguments


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["rnu"],
        ["run", "sentiment_cnn1d", "--sedes", "3"],
        ["run", "sentiment_cnn1d", "--seeds", "many"],
        ["run", "sentiment_cnn1d", "--seeds", "1"],
        ["run"],
        ["show"],
        ["list", "extra"],
        ["list", "--modality", "imge"],
        ["predict", "folder"],
        ["data", "fetch"],
        ["data", "show"],
        ["data", "get", "mrr"],
        ["export", "x", "--format", "tflite"],
        ["doctor", "--fix"],
        ["run", "--resume"],
        ["run", "sentiment_cnn1d", "--resume"],
        ["run", "--resume", "nothing-here"],
    ],
)
def test_wrong_commands(cli, words):
    refused(cli(*words), 2)


def test_debug_shows_the_traceback(cli):
    with pytest.raises(RecipeError):
        cli("--debug", "show", "nothing")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for flags, shown in ((["--debug"], True), ([], False)):
        done = subprocess.run(
            [sys.executable, "-m", "convzoo", "show", "nothing", *flags],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ("Traceback" in done.stderr) == shown
        assert done.returncode != 0


# Parts of one's own

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, vocabulary_size: int, classes: int, breaks_at: int = 3, value: str = "nan") -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 4)
        self.out = nn.Linear(4, classes)
        self.breaks_at, self.value, self.calls = breaks_at, float(value), 0

    def forward(self, tokens):
        self.calls += self.training
        y = self.out(self.embedding(tokens).mean(dim=1))
        return y * self.value if self.training and self.calls >= self.breaks_at else y
"""


@pytest.fixture
def own(tmp_path, recipe):
    """A recipe with a model of one's own, whose source is given."""

    def write(source: str | bytes, name: str = "net.py:Net") -> Path:
        (tmp_path / "net.py").write_bytes(source if isinstance(source, bytes) else source.encode())
        model = "model:\n  name: cnn1d\n  channels: 8\n  embedding_size: 8\n  kernel_sizes: [2, 3]\n"
        return recipe((model, f"model: {{name: '{name}'}}\n"))

    return write


@pytest.mark.parametrize(
    ("source", "name", "words"),
    [
        (NET, "nett.py:Net", ["no file nett.py"]),
        (NET, "net.py:Nett", ["has no class 'Nett'", "did you mean 'Net'?"]),
        ("class Net(:\n", "net.py:Net", ["net.py:1:", "is not valid Python"]),
        (b"# caf\xe9\nclass Net: ...\n", "net.py:Net", ["net.py"]),
        (b"class Net: ...\x00\n", "net.py:Net", ["net.py"]),
        (NET, "no_such_module:Net", ["no such Python module"]),
        (NET, "json:Net", ["has no class 'Net'"]),
        (NET, ":Net", ["no such Python module"]),
        (NET, "net.py:", ["net.py"]),
    ],
)
def test_wrong_places_of_own_parts(cli, own, source, name, words):
    refused(cli("show", own(source, name)), 2, "mine.yaml:5:", *words)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("import torch\n", "import torch\nraise RuntimeError('not\\nnow')\n", ["net.py", "RuntimeError"]),
        ("import torch\n", "import torch\nimport no_such_library\n", ["net.py", "no_such_library"]),
        ("classes: int,", "classes: int, wings: int,", ["needs 'wings'"]),
        ("nn.Embedding(vocabulary_size, 4)", "nn.Embedding(-5, 4)", ["Net", "negative"]),
        ("super().__init__()", "super().__init__(); raise ValueError('no\\nway')", ["Net", "no"]),
    ],
)
def test_own_parts_that_cannot_be_made(cli, own, old, new, words):
    refused(cli("check", own(NET.replace(old, new))), 2, *words)


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_loss_that_is_not_finite_names_step_term_and_checkpoint(cli, own, tmp_path, value):
    path = own(NET)
    result = cli("run", path, "--out", tmp_path / "out", "--quiet", f"model.value='{value}'")
    refused(
        result, 4, "step 3", "'cross_entropy' is nan", "train.lr", str(tmp_path / "out" / "checkpoints" / "last.pt")
    )
    assert torch.load(tmp_path / "out" / "checkpoints" / "last.pt", weights_only=True)["progress"]["step"] == 2
    result = cli("run", path, "--out", tmp_path / "other", "--quiet", "model.breaks_at=1")
    refused(result, 4, "step 1", "no checkpoint was made yet")


# Text data


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"text,label\na,b,c\n", ["t.csv:2: has 3 fields"]),
        ("t.csv", b'text,label\n"open,x\n', ["t.csv:", "is not valid CSV"]),
        ("t.csv", b"text,label\ncaf\xe9,x\n", ["t.csv:2: is not utf-8 text"]),
        ("t.csv", b"words,kind\na,x\n", ["which column is the text", "words, kind"]),
        ("t.csv", b"text,label\n", ["holds no rows"]),
        ("t.csv", b"", ["holds no rows"]),
        ("t.csv", b"text,label\nz,rare\n" + b"".join(b"a%d,%c\n" % (i, b"xy"[i % 2]) for i in range(30)),
         ["class 'rare' has 1 example;"]),
        ("t.jsonl", b'{"text": "a"\n', ["t.jsonl:1: is not JSON"]),
        ("t.parquet", b"PAR1....", ["cannot be read as Parquet"]),
        ("t.xyz", b"what", ["none of the formats that this recipe reads", ".csv"]),
        ("t.csv", b"text,label\n" + b"".join(b"a%d,x\n" % i for i in range(30)), ["1 class (x)"]),
        (
            "t.csv", b"text,label\n" + b"".join(b" ,%c\n" % b"xy"[i % 2] for i in range(30)),
            ["t.csv:2: column 'text' is empty", "none of the 30 rows"],
        ),
    ],
)  # fmt: skip
def test_wrong_tables(cli, recipe, tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    refused(cli("run", recipe(), "--data", tmp_path / name, "--quiet", "--out", tmp_path / "out"), 3, *words)
    assert not (tmp_path / "out").exists()


def table(path: Path, rows: int, classes: str = "xy") -> None:
    lines = [f"{path.stem} text {index},{classes[index % len(classes)]}\n" for index in range(rows)]
    path.write_text("text,label\n" + "".join(lines))


def test_missing_data(cli, recipe, tmp_path):
    refused(cli("run", recipe(), "--data", tmp_path / "none.csv"), 3, "none.csv: no such file or folder")
    path = recipe(("{name: reviews, train: 60, val: 20, test: 20}", "{name: text_table, path: none.csv}"))
    refused(cli("run", path), 3, "none.csv: no such file")


def test_a_class_that_training_lacks(cli, recipe, tmp_path):
    for name, classes in (("train", "xy"), ("val", "xz"), ("test", "xy")):
        (tmp_path / "d").mkdir(exist_ok=True)
        table(tmp_path / "d" / f"{name}.csv", 20, classes)
    refused(
        cli("run", recipe(), "--data", tmp_path / "d"), 3, "val.csv:3: class 'z' is not in the training split", "x, y"
    )


@pytest.mark.parametrize("empty", ["train", "test"])
def test_an_empty_split(cli, recipe, tmp_path, empty):
    (tmp_path / "d").mkdir()
    for name in ("train", "val", "test"):
        table(tmp_path / "d" / f"{name}.csv", 0 if name == empty else 20)
    refused(cli("run", recipe(), "--data", tmp_path / "d"), 3, f"the {empty} split has no examples")


def test_a_named_column_that_is_not_there(cli, recipe, tmp_path):
    table(tmp_path / "t.csv", 30)
    refused(
        cli("run", recipe(), "--data", tmp_path / "t.csv", "data.text=txt"),
        3,
        "no column 'txt'",
        "did you mean 'text'?",
    )


def test_a_broken_vectors_file(cli, recipe, tmp_path):
    (tmp_path / "v.txt").write_text("the 1 2\nfilm 1\n")
    for name, words in (("v.txt", "v.txt:2: has 1 numbers"), ("none.txt", "cannot be read")):
        refused(cli("check", recipe(("{name: text}", f"{{name: text, vectors: {tmp_path / name}}}"))), 3, words)


# Images


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    random = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for index in range(10):
            pixels = random.integers(0, 256, (48, 48), dtype=np.uint8)
            PIL.Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def emotion(cli, tiny, data: Path, *more: str):
    settings = [word for word in tiny("emotion_cnn2d") if not word.startswith("data.")]
    return cli("run", "emotion_cnn2d", *settings, "--data", data, "--quiet", *more)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"this is text\n", "cannot be read as an image"),
        (b"\x89PNG\r\n\x1a\n" + b"\x00" * 40, "cannot be read as an image"),
        (None, "cannot be read as an image"),
    ],
)
def test_wrong_images_are_named(cli, tiny, pictures, tmp_path, content, words):
    whole = (pictures / "cat" / "3.png").read_bytes()
    (pictures / "cat" / "3.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    refused(emotion(cli, tiny, pictures, "--out", str(tmp_path / "out")), 3, "3.png", words)


def test_wrong_folders_of_images(cli, tiny, pictures, tmp_path):
    (tmp_path / "bare" / "sub").mkdir(parents=True)
    refused(emotion(cli, tiny, tmp_path / "bare"), 3, "has no image")
    (tmp_path / "hollow").mkdir()
    refused(emotion(cli, tiny, tmp_path / "hollow"), 3, "hollow", "none of the formats")
    for file in (pictures / "dog").iterdir():
        file.unlink()
    (pictures / "dog").rmdir()
    refused(emotion(cli, tiny, pictures), 3, "holds one class, 'cat'")
    (pictures / "dog").mkdir()
    (pictures / "dog" / "1.png").write_bytes((pictures / "cat" / "1.png").read_bytes())
    refused(emotion(cli, tiny, pictures), 3, "class 'dog' has 1 example;")


def test_a_truncated_idx_file(cli, tiny, tmp_path):
    folder = tmp_path / "digits"
    folder.mkdir()
    for part, count in (("train", 30), ("t10k", 10)):
        images = b"\x00\x00\x08\x03" + struct.pack(">3I", count, 28, 28) + bytes(count * 784)
        labels = b"\x00\x00\x08\x01" + struct.pack(">I", count) + bytes(index % 2 for index in range(count))
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels[:-3] if part == "t10k" else labels)
    refused(emotion(cli, tiny, folder, "data.val=5"), 3, "t10k-labels-idx1-ubyte: is truncated: 7 bytes of 10")
    zipped = folder / "train-images-idx3-ubyte.gz"
    zipped.write_bytes(zipped.read_bytes()[:-10])
    refused(emotion(cli, tiny, folder, "data.val=5"), 3, "train-images-idx3-ubyte.gz: cannot be read")


def test_a_bad_row_of_fer2013(cli, tiny, tmp_path):
    path = tmp_path / "fer2013.csv"
    path.write_text(f"emotion,pixels,Usage\n0,{'1 ' * 2304},Training\n0,{'1 ' * 2300},Training\n")
    refused(emotion(cli, tiny, path), 3, "fer2013.csv:3: should be an emotion (0 to 6), 2,304 pixels")


# Devices


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_cuda_where_there_is_none(cli, recipe, tmp_path, device):
    for command in ("run", "check"):
        refused(cli(command, recipe(), f"train.device={device}"), 4, "cuda is not available on this machine")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "meta", "xpu"])
def test_a_device_that_does_not_exist(cli, recipe, device):
    result = cli("check", recipe(), f"train.device={device}")
    refused(result, 4 if result.code == 4 else 2, device)


# Where runs are kept


def test_an_existing_run_is_not_written_over(cli, small_run, tiny):
    folder = small_run("sentiment_cnn1d")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    result = cli("run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "--out", folder)
    refused(result, 2, "holds a run already", f"--resume {folder}")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_that_cannot_be_written(cli, recipe, tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in ("file", "file/inside"):
        refused(cli("run", recipe(), "--quiet", "--out", tmp_path / out), 3, "cannot be written")
    assert (tmp_path / "file").read_text() == "mine"
    refused(cli("schema", "--out", tmp_path / "file" / "schema.json"), 3, "cannot be written")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(cli, recipe, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    refused(cli("run", recipe(), "--quiet", "--out", tmp_path / "locked" / "run"), 3, "no permission to write there")


@pytest.fixture
def copied(small_run, tmp_path) -> Iterator[Path]:
    """A finished run that a test may damage."""
    import shutil

    yield Path(shutil.copytree(small_run("sentiment_cnn1d"), tmp_path / "copied"))


def test_what_is_no_run(cli, tmp_path):
    (tmp_path / "plain").mkdir()
    for words in (["predict", "plain", "x"], ["evaluate", "plain"], ["run", "--resume", "plain"], ["export", "plain"]):
        refused(cli(*words), 3, "is not the folder of a run")
    refused(cli("predict", "nowhere", "x"), 3, "is not the folder of a run")


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"format": 99, "convzoo": "7.0", "recipe": "x"}, "is a run of format 99 (convzoo 7.0)"),
        ({"recipe": "x"}, "is a run of format None"),
        ([1, 2], "run.json: the content is [1, 2], and should be a valid object"),
        ("{", "is not valid JSON"),
    ],
)
def test_a_run_of_another_version(cli, copied, header, words):
    (copied / "run.json").write_text(header if isinstance(header, str) else json.dumps(header))
    for command in (["predict", copied, "x"], ["evaluate", copied], ["run", "--resume", copied]):
        refused(cli(*command), 3, words)


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("model.safetensors", "predict"),
        ("encoder.json", "predict"),
        ("encoder.safetensors", "predict"),
        ("task.json", "predict"),
        ("scores.json", "predict"),
    ],
)
@pytest.mark.parametrize("damage", ["half", "empty", "garbage"])
def test_a_damaged_run(cli, copied, file, command, damage):
    content = (copied / file).read_bytes()
    whole = {"half": content[: len(content) // 2], "empty": b"", "garbage": b"\xff\xfe" + content[2:]}[damage]
    (copied / file).write_bytes(whole)
    refused(cli(command, copied, "a good film"), 3, file)


OTHERS = {"null": b"null", "list": b"[]", "text": b'""', "number": b"3", "object": b"{}", "deep": b"[" * 100_000,
          "digits": b"9" * 5000, "binary": bytes(range(256))}  # fmt: skip
"""What a file may hold that is not what convzoo wrote."""


@pytest.mark.parametrize("damage", [*OTHERS, "folder", "absent"])
@pytest.mark.parametrize("file", ["run.json", "encoder.json", "task.json", "scores.json", "model.safetensors"])
def test_a_file_of_a_run_that_holds_something_else(cli, copied, file, damage):
    """Where the file is needed, one line names it; where it is not, the answer is right."""
    before = cli("predict", copied, "a good film").out
    (copied / "manifest.json").unlink()  # which would say of each of them that it was changed
    (copied / file).unlink()
    if damage == "folder":
        (copied / file).mkdir()
    elif damage != "absent":
        (copied / file).write_bytes(OTHERS[damage])
    for command in (["predict", copied, "a good film"], ["describe", copied], ["run", "--resume", copied]):
        if (file, damage) == ("scores.json", "absent"):  # an unfinished run: it predicts with its weights
            assert cli(*command).code == 0
            assert cli("predict", copied, "a good film").out == before
            break
        if (file, damage) == ("task.json", "object"):  # as it was
            assert cli("predict", copied, "a good film").out == before
            break
        if command[0] == "run" and file in ("model.safetensors", "task.json"):  # a finished run is not done again
            assert cli(*command).code == 0
            continue
        if command[0] == "run" and file == "scores.json":  # is scored again; a folder is not written over
            assert cli(*command, "--quiet").code == (3 if damage == "folder" else 0)
            continue
        error = refused(cli(*command), 3, str(copied))
        known = "has no weights yet" if (file, damage) == ("model.safetensors", "absent") else file
        assert known in error
        assert "Error" not in error


def test_the_api_names_the_damaged_file_of_a_run(copied):
    (copied / "manifest.json").unlink()
    for file, content in (("scores.json", "null"), ("scores.json", "{}"), ("run.json", "[]"), ("recipe.yaml", None)):
        whole = (copied / file).read_bytes()
        (copied / file).unlink()
        if content is not None:
            (copied / file).write_text(content)
        with pytest.raises(ConvzooError, match=re.escape(file)):
            convzoo.Run.load(copied)._repr_html_()
        (copied / file).write_bytes(whole)
    assert "this network" in convzoo.Run.load(copied)._repr_html_()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tokens", None, "has no 'tokens'"),
        ("tokens", 3, "is damaged or of another version"),
        ("labels", 3, "is damaged or of another version"),
        ("label_counts", 3, "is damaged or of another version"),
        ("pieces", "x", "is damaged or of another version"),
    ],
)
def test_an_encoder_with_other_values(cli, copied, key, value, words):
    (copied / "manifest.json").unlink()
    state = json.loads((copied / "encoder.json").read_text())
    state[key] = value
    if value is None:
        del state[key]
    (copied / "encoder.json").write_text(json.dumps(state))
    refused(cli("predict", copied, "a good film"), 3, "encoder.json", words, "restore it from a copy")


@pytest.mark.parametrize("damage", [*OTHERS, "folder", "absent"])
@pytest.mark.parametrize("file", ["environment.json", "metrics.csv", "encoder.safetensors"])
def test_a_damaged_file_of_a_run_that_is_resumed(cli, copied, file, damage):
    """What is needed to go on is refused at once, and a report does not fail after the training."""
    (copied / "scores.json").unlink()
    (copied / "manifest.json").unlink()
    (copied / file).unlink()
    if damage == "folder":
        (copied / file).mkdir()
    elif damage != "absent":
        (copied / file).write_bytes(OTHERS[damage])
    result = cli("run", "--resume", copied, "--quiet")
    if file == "metrics.csv" and damage == "absent":  # the report has no curves of what was before
        assert result.code == 0, result.err
        assert (copied / "report.html").exists()
    else:
        assert "Error" not in refused(result, 3, file)


def test_weights_of_another_model(cli, copied):
    text = (copied / "recipe.yaml").read_text()
    (copied / "recipe.yaml").write_text(text.replace("channels: 8", "channels: 6"))
    refused(
        cli("predict", copied, "a good film", "--accept-changes"),
        3,
        "model.safetensors: is damaged or of another model",
    )


def test_a_run_without_its_recipe(cli, copied):
    (copied / "recipe.yaml").unlink()
    result = cli("predict", copied, "a good film")
    refused(result, 2 if result.code == 2 else 3, "recipe.yaml")


@pytest.mark.parametrize("damage", ["half", "empty", "garbage"])
def test_a_damaged_checkpoint_is_not_trained_from(cli, copied, damage):
    (copied / "scores.json").unlink()
    for name in ("last.pt", "best.pt"):
        file = copied / "checkpoints" / name
        content = file.read_bytes()
        file.unlink()
        file.write_bytes({"half": content[: len(content) // 2], "empty": b"", "garbage": b"x" * 100}[damage])
    refused(cli("run", "--resume", copied, "--quiet"), 3, "last.pt: is damaged or of another recipe")


def test_a_run_that_has_not_ended_says_how_to_end_it(cli, copied):
    (copied / "scores.json").unlink()
    (copied / "model.safetensors").unlink()
    refused(cli("predict", copied, "x"), 3, "has no weights yet", f"convzoo run --resume {copied}")


def test_settings_are_not_silently_ignored_when_a_run_is_resumed(cli, copied):
    refused(cli("run", "--resume", copied, "train.lr=1"), 2, "leave the overrides out")


def test_resuming_a_run_that_has_ended_changes_nothing(cli, copied):
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    assert cli("run", "--resume", copied, "--quiet").code == 0
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


# A full disk


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("checkpoint", [1, 3])
def test_a_full_disk_loses_nothing(cli, recipe, tmp_path, monkeypatch, checkpoint):
    path, out = recipe(), tmp_path / "out"
    assert cli("run", path, "--out", tmp_path / "whole", "--quiet").code == 0
    make = tempfile.mkstemp
    written = []

    def on_a_full_disk(*args: object, prefix: str = "", **kwargs: object) -> tuple[int, str]:
        handle, name = make(*args, prefix=prefix, **kwargs)
        written.append(prefix)
        if written.count(".last.pt.") == checkpoint and prefix == ".last.pt.":
            os.close(handle)
            handle = os.open(FULL_DISK, os.O_WRONLY)
        return handle, name

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkstemp", on_a_full_disk)
        result = cli("run", path, "--out", out, "--quiet")
    refused(result, 3, "last.pt: cannot be written", "no space is left on the disk", "--resume")
    assert not list(out.rglob("*.part"))
    last = out / "checkpoints" / "last.pt"
    assert last.exists() == (checkpoint > 1)
    if last.exists():
        assert torch.load(last, weights_only=True)["progress"]["step"] == checkpoint - 1
    assert cli("run", "--resume", out, "--quiet").code == 0
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


@pytest.mark.skipif(not FULL_DISK.exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    "file", [".run.json.", ".encoder.safetensors.", ".metrics.csv.", ".model.safetensors.", ".scores.json."]
)
def test_a_disk_that_fills_up_elsewhere(cli, recipe, tmp_path, monkeypatch, file):
    path, out = recipe(), tmp_path / "out"
    make = tempfile.mkstemp

    def on_a_full_disk(*args: object, prefix: str = "", **kwargs: object) -> tuple[int, str]:
        handle, name = make(*args, prefix=prefix, **kwargs)
        if prefix == file:
            os.close(handle)
            handle = os.open(FULL_DISK, os.O_WRONLY)
        return handle, name

    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "mkstemp", on_a_full_disk)
        refused(cli("run", path, "--out", out, "--quiet"), 3, "cannot be written", "no space is left on the disk")
    assert not list(out.rglob("*.part"))
    words = ["run", "--resume", out] if (out / "run.json").exists() else ["run", path, "--out", out]
    assert cli(*words, "--quiet").code == 0


# Prediction


def test_wrong_inputs_of_predict(cli, small_run, tmp_path):
    text, image = small_run("sentiment_cnn1d"), small_run("emotion_cnn2d")
    refused(cli("predict", image, tmp_path / "none.png"), 3, "none.png: no such image file")
    (tmp_path / "text.png").write_text("not an image")
    refused(cli("predict", image, tmp_path / "text.png"), 3, "text.png: cannot be read as an image")
    (tmp_path / "folder").mkdir()
    refused(cli("predict", image, tmp_path / "folder"), 3, "holds no image")
    (tmp_path / "bytes.txt").write_bytes(b"good\n\xff\xfe\n")
    refused(cli("predict", text, tmp_path / "bytes.txt"), 3, "bytes.txt:2: is not utf-8 text")
    refused(cli("predict", text, "-", input=""), 2, "standard input is empty")
    refused(cli("predict", text, "-", input="\n \n"), 2, "standard input is empty")


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_that_is_no_number_of_examples_is_refused(small_run, size):
    with pytest.raises(RecipeError, match=f"batch_size: should be a whole number of at least 1, not {size}"):
        convzoo.Run.load(small_run("sentiment_cnn1d")).predict(["a", "b"], batch_size=size)


def test_arguments_of_another_type_are_refused_without_the_types_of_the_tests(small_run, together):
    """Beartype checks the types in the tests; a user has it not."""
    lines = ["import convzoo", f"run = convzoo.Run.load({str(small_run('sentiment_cnn1d'))!r})"]
    for call in ("batch_size=1.5", "batch_size='x'", "batch_size=True", "damaged='no'"):
        lines += [
            "try:",
            f"    run.predict(['a', 'b'], {call})",
            "except convzoo.RecipeError as error:",
            "    print(error)",
        ]
    script = small_run("sentiment_cnn1d").parent / "arguments.py"
    script.write_text("\n".join(lines))
    (result,) = together([[script]])
    assert result.code == 0, result.err
    found = result.out.splitlines()
    assert len(found) == 4
    assert all(line.startswith("batch_size: should be a whole number of at least 1, not ") for line in found[:3])
    assert found[3] == "damaged: should be 'refuse' or 'skip', not 'no'"


NUMBERS = ["epochs", "auto_epochs", "steps", "batch_size", "batch_tokens", "accumulate", "patience", "evaluate_every",
           "checkpoint_every", "step_every", "plateau_patience", "threads", "seed", "workers"]  # fmt: skip
SHARES = ["lr", "weight_decay", "momentum", "warmup", "step_factor", "clip_norm", "ema", "cache_gigabytes"]


@pytest.mark.parametrize("name", [*NUMBERS, *SHARES])
def test_every_number_of_training_has_bounds(cli, recipe, name):
    for value in (
        "-1",
        "x",
        "[1]",
        "true",
        ".nan",
        ".inf",
        "-.inf",
        "1e400",
        *(["1.5", "9" * 400] if name in NUMBERS else []),
    ):
        setting = f"train.{name}={value}"
        also = [setting, "train.steps=null"] if name == "epochs" else [setting]
        error = refused(cli("show", recipe(), *also), 2, f"train.{name}: ", "should be")
        assert f"override {setting[:200]}" in error


def test_more_threads_or_workers_than_a_machine_has_are_refused(cli, recipe):
    for name in ("threads", "workers"):
        refused(
            cli("run", recipe(), f"train.{name}=1025"), 2, f"train.{name}: 1025 should be less than or equal to 1024"
        )


def test_a_number_of_a_part_that_is_too_large_for_the_machine_is_refused(cli, recipe):
    refused(
        cli("check", recipe(), f"model.channels={10**30}"), 2, "model.channels: should be a number of at most 63 bits"
    )
    refused(cli("check", recipe(), f"model.kernel_sizes=[2, {10**30}]"), 2, "model.kernel_sizes: should be")
    refused(cli("check", recipe(), f"model.channels={10**15}"), 2, "channels")


def test_wrong_data_of_evaluate(cli, small_run, tmp_path):
    run = small_run("sentiment_cnn1d")
    refused(cli("evaluate", run, "--data", tmp_path / "none.csv"), 3, "no such file or folder")
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"a{i},{'xy'[i % 2]}\n" for i in range(20)))
    refused(cli("evaluate", run, "--data", tmp_path / "t.csv"), 3, "is not in the training split")


def test_a_score_outside_what_is_expected(cli, recipe, tmp_path):
    path = recipe(("about: a test", "expect: {test/accuracy: [1.5, 2.0]}"))
    result = cli("run", path, "--quiet", "--require-expected", "--out", tmp_path / "out")
    refused(result, 5, "test/accuracy is", "expected 1.5 to 2.0")
    assert (tmp_path / "out" / "scores.json").exists()


def test_a_recipe_cannot_call_any_class_of_the_machine(cli, recipe, tmp_path):
    path = recipe(
        (
            "data: {name: reviews, train: 60, val: 20, test: 20}",
            "data: {name: 'subprocess:Popen', args: [touch, owned]}",
        )
    )
    refused(cli("run", path, "--quiet"), 2, "is no data")
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("tag", ["object/apply:os.mkdir [owned]", "object/new:os.mkdir [owned]", "name:os.mkdir ''"])
def test_a_recipe_makes_no_objects(cli, recipe, tmp_path, tag):
    refused(cli("check", recipe(("about: a test", f"about: !!python/{tag}"))), 2, "mine.yaml:1:8: is not valid YAML")
    assert not (tmp_path / "owned").exists()


def test_copies_and_authors_stay_on_one_side(cli, tmp_path, tiny):
    rows = [
        f"film number {i % 20} is {['fine', 'poor'][i % 2]},{['good', 'bad'][i % 2]},author {i}\n" for i in range(60)
    ]
    (tmp_path / "mine.csv").write_text("text,label,author\n" + "".join(rows))
    settings = [word for word in tiny("sentiment_cnn1d") if not word.startswith("data.")]
    result = cli(
        "run", "sentiment_cnn1d", *settings, "--data", "mine.csv", "data.group=author", "--quiet", "--out", "run"
    )
    assert result.code == 0, result.err
    homes: dict[str, set] = {}
    for line in (tmp_path / "run" / "split.csv").read_text().splitlines()[1:]:
        split, source, *_ = line.split(",")
        homes.setdefault(rows[int(source.rpartition(":")[2]) - 2].split(",")[0], set()).add(split)
    assert len(homes) == 20
    assert all(len(home) == 1 for home in homes.values())


def test_an_author_on_both_sides_of_a_given_split_is_refused(cli, tmp_path):
    for name in ("train", "val", "test"):
        rows = "".join(f"{name} film {i},{['good', 'bad'][i % 2]},ann\n" for i in range(8))
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.csv").write_text("text,label,author\n" + rows)
    result = cli("run", "sentiment_cnn1d", "--data", "data", "data.group=author", "--quiet")
    refused(result, 3, "group 'ann' stands in both train and val")


def test_an_opponent_that_fails_is_left_out_and_named(cli, tmp_path, tiny):
    (tmp_path / "mine.py").write_text(
        "from convzoo import Baseline\nclass Broken(Baseline):\n    def fit(self, examples, dims): raise ValueError('no')\n"
        "    def outputs(self, examples): return None\n"
    )
    result = cli(
        "run", "sentiment_cnn1d", *tiny("sentiment_cnn1d"), "baselines=['mine.py:Broken']", "--quiet", "--out", "run"
    )
    assert result.code == 0, result.err
    assert "mine.py:Broken is left out: no" in result.out
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_predicting_on_a_device_that_is_not_there(cli, small_run, command):
    inputs = ["a dull plot"] if command == "predict" else []
    run = small_run("sentiment_cnn1d")
    refused(cli(command, run, *inputs, "--device", "cuda"), 2, "device: cuda is not available on this machine")
    refused(cli(command, run, *inputs, "--device", "gpu"), 2, "device: there is no device 'gpu'")
    assert cli(command, run, *inputs, "--device", "cpu").out == cli(command, run, *inputs).out


def test_a_stream_is_followed_on_the_cpu_only(cli, small_run):
    refused(
        cli("predict", small_run("anomaly_cnn1d"), "-", "--device", "cuda", input="1,2\n"), 2, "--device", "row by row"
    )
