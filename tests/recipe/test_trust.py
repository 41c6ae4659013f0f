"""A recipe or a run runs no code unasked; own code lies in the run; classes of scripts and notebooks are used as they are."""

import json
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, refused

import convzoo
from convzoo.core.errors import RecipeError
from convzoo.recipe.own_code import _definitions
from convzoo.recipe.trust import module_files

SMALL = ["data.train=60", "data.val=20", "data.test=20", "train.epochs=1", "baselines=[]"]
NET = """
from pathlib import Path

from torch import nn

Path({mark!r}).write_text("it ran")


class Net(nn.Module):
    def __init__(self, vocabulary_size, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, 4)
        self.out = nn.Linear(4, classes)

    def forward(self, tokens):
        return self.out(self.embedding(tokens).mean(dim=1))


class Other:
    pass


def make(vocabulary_size, classes):
    return Net(vocabulary_size, classes)


def wrong(vocabulary_size, classes):
    return {{}}
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine that knows no code; `forget` makes it another one."""
    number = iter(range(100))

    def forget() -> None:
        from convzoo.recipe import trust

        monkeypatch.setenv("CONVZOO_STATE", str(tmp_path / f"state{next(number)}"))
        monkeypatch.setattr(trust, "_approved", set())
        for name in [name for name in sys.modules if name.startswith("convzoo_own_")]:
            monkeypatch.delitem(sys.modules, name)

    forget()
    return forget


def own(folder: Path, mark: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mine.py").write_text(NET.format(mark=str(mark)))
    return folder / "mine.py"


def test_code_from_elsewhere_asks_once_for_each_content(tmp_path: Path, cli, state):
    (tmp_path / "here").mkdir()
    mark = tmp_path / "mark"
    path = own(tmp_path.parent / f"{tmp_path.name}-elsewhere", mark)
    for command in ("check", "describe", "run"):
        said = refused(cli(command, "sentiment_cnn1d", f"model={path}:Net", *SMALL), 2, str(path), "--trust", "sha256")
        assert "model" in said
    with pytest.raises(convzoo.RecipeError, match="trust=True"):
        convzoo.run(
            {
                "data": "reviews",
                "encoder": "text",
                "model": f"{path}:Net",
                "task": "classification",
                "train": {"epochs": 1},
            }
        )
    assert not mark.exists()
    assert cli("show", "sentiment_cnn1d", f"model={path}:Net").code == 0
    assert not mark.exists(), "a recipe is shown without running anything"
    assert cli("check", "sentiment_cnn1d", f"model={path}:Net", *SMALL, "--trust").code == 0
    assert mark.exists()
    assert cli("describe", "sentiment_cnn1d", f"model={path}:Net", *SMALL).code == 0, "once is enough"
    path.write_text(path.read_text() + "# changed\n")
    refused(cli("describe", "sentiment_cnn1d", f"model={path}:Net", *SMALL), 2, "--trust")


def test_code_in_the_current_folder_and_in_the_recipes_runs(tmp_path: Path, cli, state):
    own(tmp_path, tmp_path / "mark")
    assert cli("check", "sentiment_cnn1d", "model=mine.py:Net", *SMALL).code == 0
    home = tmp_path.parent / f"{tmp_path.name}-recipe"
    own(home, tmp_path / "mark2")
    (home / "recipe.yaml").write_text("data: reviews\nencoder: text\nmodel: 'mine.py:Net'\ntask: classification\n")
    assert cli("check", home / "recipe.yaml", *SMALL).code == 0


def test_the_code_of_a_run_from_elsewhere_asks(tmp_path: Path, cli, state):
    path = own(tmp_path, tmp_path / "mark")
    assert cli("run", "sentiment_cnn1d", "model=mine.py:Net", *SMALL, "--out", "run", "--quiet").code == 0
    path.write_text("raise RuntimeError('the run has a copy of its own')")
    assert cli("predict", "run", "a film").code == 0, "it was made here"
    (tmp_path / "mark").unlink()
    state()
    for command in (("predict", "run", "a film"), ("describe", "run"), ("evaluate", "run"), ("export", "run")):
        refused(cli(*command), 2, "code/mine.py", "--trust")
    (tmp_path / "run" / "scores.json").unlink()
    refused(cli("run", "--resume", "run", "--quiet"), 2, "code/mine.py", "--trust")
    with pytest.raises(convzoo.RecipeError, match="--trust"):
        _ = convzoo.Run.load("run").model
    assert not (tmp_path / "mark").exists()
    assert cli("run", "--resume", "run", "--quiet", "--trust").code == 0
    assert cli("predict", "run", "a film").code == 0


def test_a_recipe_that_lies_in_a_runs_folder_may_not_run_files_beside_it(tmp_path: Path, cli, state):
    own(tmp_path / "run", tmp_path / "mark")
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "recipe.yaml").write_text(
        "data: reviews\nencoder: text\nmodel: 'mine.py:Net'\ntask: classification\n"
    )
    refused(cli("check", "run/recipe.yaml", *SMALL), 2, "--trust")
    assert not (tmp_path / "mark").exists()


def test_the_copy_in_the_run_is_compared_with_what_ran(tmp_path: Path, cli, state):
    own(tmp_path, tmp_path / "mark")
    assert cli("run", "sentiment_cnn1d", "model=mine.py:Net", *SMALL, "--out", "run", "--quiet").code == 0
    with (tmp_path / "run" / "code" / "mine.py").open("a") as file:
        file.write("\nprint('changed')\n")
    refused(cli("predict", "run", "a film"), 3, "code/mine.py", "changed or damaged")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("subprocess.py:Popen", "subprocess.py"),
        ("mine.py:Other", "it should be a class derived from Module"),
        ("mine.py:wrong", "gives a dict, not a Module"),
        ("subprocess:Popen", "it should be a class derived from Module"),
        ("os:system", "os"),
    ],
)
def test_only_classes_of_the_part_may_be_named(name: str, words: str, tmp_path: Path, cli, state):
    own(tmp_path, tmp_path / "mark")
    if name.startswith("subprocess.py"):
        name = subprocess.__file__ + ":Popen"
        refused(cli("check", "sentiment_cnn1d", f"model={{name: '{name}', args: [touch, never]}}"), 2, words, "--trust")
        said = cli("check", "sentiment_cnn1d", f"model={{name: '{name}', args: [touch, never]}}", "--trust")
        assert said.code == 2 and "should be a class derived from Module" in said.err
        assert not Path("never").exists()
        return
    refused(cli("check", "sentiment_cnn1d", f"model={name}", *SMALL), 2, words)


def test_a_function_of_ones_own_file_may_make_the_model(tmp_path: Path, cli, state):
    own(tmp_path, tmp_path / "mark")
    assert cli("check", "sentiment_cnn1d", "model=mine.py:make", *SMALL).code == 0


def test_what_the_encoder_gives_and_the_model_does_not_take_is_named(tmp_path: Path, cli, state):
    own(tmp_path, tmp_path / "mark")
    for command in ("check", "describe", "run"):
        said = refused(
            cli(command, "sentiment_cnn1d", "model=mine.py:Net", "encoder.evidence=linear", *SMALL),
            2,
            "Net",
            "forward takes tokens",
        )
        assert "tokens, evidence" in said
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


def test_a_module_is_looked_up_without_running_its_package(tmp_path: Path, cli, state, monkeypatch: pytest.MonkeyPatch):
    site = tmp_path.parent / f"{tmp_path.name}-site"
    package = site / "stranger"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'mark')!r}).write_text('ran')")
    (package / "nets.py").write_text(NET.format(mark=str(tmp_path / "mark2")))
    monkeypatch.syspath_prepend(str(site))
    assert module_files("stranger.nets") == [package / "__init__.py", package / "nets.py"]
    assert cli("show", "sentiment_cnn1d", "model=stranger.nets:Net").code == 0
    refused(cli("check", "sentiment_cnn1d", "model=stranger.nets:Net", *SMALL), 2, "stranger", "--trust")
    assert not (tmp_path / "mark").exists()
    assert cli("check", "sentiment_cnn1d", "model=stranger.nets:Net", *SMALL, "--trust").code == 0
    assert (tmp_path / "mark").exists()


SCRIPT = """
import sys
from pathlib import Path

import torch
from torch import nn

import convzoo

Path("count").write_text(Path("count").read_text() + "x" if Path("count").exists() else "x")
SIZE = 4


@torch.no_grad
def unused():
    pass


class Net(nn.Module):
    def __init__(self, vocabulary_size, classes):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, SIZE)
        self.out = nn.Linear(SIZE, classes)

    def forward(self, tokens):
        return self.out(self.embedding(tokens).mean(dim=1))


run = convzoo.run(
    {"data": {"name": "reviews", "train": 60, "val": 20, "test": 20}, "encoder": "text", "model": Net,
     "task": "classification", "train": {"epochs": 1}},
    out="run", quiet=True,
)
assert type(run.model) is Net, type(run.model)
print(run.predict("a film")[0]["label"])
"""


def test_a_class_of_the_running_script_is_used_as_it_is_and_the_script_runs_once(tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT)
    environment = {
        "PATH": "/usr/bin",
        "PYTHONPATH": str(ROOT),
        "CONVZOO_STATE": str(tmp_path / "state"),
        "OMP_NUM_THREADS": "1",
    }

    def python(*words: str) -> str:
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("script.py")
    assert (tmp_path / "count").read_text() == "x"
    (tmp_path / "script.py").unlink()
    python("-m", "convzoo", "predict", "run", "a film")
    assert (tmp_path / "count").read_text() == "x", "loading the run does not run the script"
    copied = (tmp_path / "run" / "code" / "script.py").read_text()
    assert "count" not in copied and "SIZE = 4" in copied and "@torch.no_grad" in copied


LOST = [
    ("SIZE = int('4')", "SIZE", "SIZE"),
    ("if True:\n    SIZE = 4", "SIZE", "SIZE"),
    ("def size():\n    return ROOT\n\n\nROOT = int('4')", "size()", "ROOT"),
]


@pytest.mark.parametrize(("statements", "used", "lost"), LOST)
def test_a_class_that_could_not_be_loaded_again_is_refused_before_the_training(statements: str, used: str, lost: str):
    text = f"import torch\n{statements}\n\n\nclass Net(torch.nn.Linear):\n    width = {used}\n"
    with pytest.raises(RecipeError, match=f"Net needs '{lost}'.* file of its own"):
        _definitions(text, "script.py", "Net")


def test_a_variable_of_a_method_is_not_taken_for_one_of_the_script():
    text = "x = len('unused')\n\n\nclass Net:\n    def forward(self, y):\n        x = y\n        return x\n"
    assert "len" not in _definitions(text, "script.py", "Net")


def test_what_is_copied_of_a_script_does_nothing():
    text = "import os\nX=3\nY = os.getcwd()\nos.remove('a')\nF = lambda: os.getcwd()\n@a.b\nclass C:\n    pass\nfor _ in (): x\n"
    assert _definitions(text, "x.py", "C").split("\n\n") == [
        "import os",
        "X=3",
        "F = lambda: os.getcwd()",
        "@a.b\nclass C:\n    pass\n",
    ]
    with pytest.raises(convzoo.RecipeError, match="is not defined at the top"):
        _definitions(text, "x.py", "D")


def test_a_class_of_a_notebook_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state):
    """As IPython has it: the module `__main__` has no file, and its cells are in `In`."""
    import types

    monkeypatch.chdir(tmp_path)
    cells = ["", "from torch import nn", "%matplotlib inline", NET.split("class Other")[0].split("it ran")[1][3:]]
    notebook = types.ModuleType("__main__")
    notebook.In = cells
    for cell in (cells[1], cells[3]):
        exec(cell, notebook.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    recipe = {"data": {"name": "reviews", "train": 60, "val": 20, "test": 20}, "encoder": "text",
              "model": notebook.Net, "task": "classification", "train": {"epochs": 1}}  # fmt: skip
    run = convzoo.run(recipe, out="run", quiet=True)
    assert type(run.model) is notebook.Net
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["files"]["code/notebook.py"]
    assert "matplotlib" not in (tmp_path / "run" / "code" / "notebook.py").read_text()


@pytest.mark.parametrize("compiled", [False, True])
def test_a_package_of_any_kind_in_the_current_folder_asks(
    compiled: bool, tmp_path: Path, cli, state, monkeypatch: pytest.MonkeyPatch
):
    """A run that was unpacked in the current folder names a module in itself: Python takes folders for packages."""
    site = tmp_path.parent / f"{tmp_path.name}-site"
    name = f"stranger_{compiled}".lower()  # another test has imported the other one
    package = site / name / "code"
    package.mkdir(parents=True)
    (package / "nets.py").write_text(NET.format(mark=str(tmp_path / "mark")))
    first = package / "nets.py"
    if compiled:  # Python runs a compiled file that lies where its source should
        source = package / "__init__.py"
        source.write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'mark')!r}).write_text('ran')")
        first = Path(py_compile.compile(str(source), str(package / "__init__.pyc")))
        source.unlink()
        assert cli("run", "sentiment_cnn1d", f"model={package / 'nets.py'}:Net", *SMALL, "--trust", "--quiet").code == 0
        (tmp_path / "mark").unlink()  # the module is known now, the package is not
    monkeypatch.syspath_prepend(str(site))
    assert cli("show", "sentiment_cnn1d", f"model={name}.code.nets:Net").code == 0
    refused(cli("check", "sentiment_cnn1d", f"model={name}.code.nets:Net", *SMALL), 2, str(first), "--trust")
    assert not (tmp_path / "mark").exists()
    assert cli("check", "sentiment_cnn1d", f"model={name}.code.nets:Net", *SMALL, "--trust").code == 0
    assert (tmp_path / "mark").exists()


def test_what_the_run_does_not_copy_is_said(tmp_path: Path, cli, state, monkeypatch: pytest.MonkeyPatch):
    own(tmp_path, tmp_path / "mark")
    (tmp_path / "beside.py").write_text("SIZE = 4\n")
    path = tmp_path / "mine.py"
    path.write_text("import beside\n" + path.read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    done = cli("run", "sentiment_cnn1d", "model=mine.py:Net", *SMALL, "--out", "run")
    assert done.code == 0, done.err
    line = "mine.py needs beside, which is no installed package and is not copied into the run"
    assert line in done.err
    assert any(line in note for note in json.loads((tmp_path / "run" / "environment.json").read_text())["notes"])
