"""The pages of the report: found by the registry, one kind a run, each example a picture that holds all it shows."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass

import grimp
import pytest
import torch
from conftest import EMBEDDED, ROOT

import convzoo
from convzoo.core.pages import Material, Pages
from convzoo.core.task import Task
from convzoo.modalities.text.encoder import TextEncoder
from convzoo.modalities.text.example import Text
from convzoo.modalities.text.pages import TextPages
from convzoo.recipe.assembly import build, load_class, load_pages
from convzoo.recipe.recipe import load
from convzoo.recipe.registry import PAGES, entries, pages_of
from convzoo.report.classification import gallery
from convzoo.tasks.classification import Classification
from convzoo.tasks.segmentation import Segmentation

MODULES = {place.partition(":")[0] for place in PAGES.values()}

REPORT_OF_TEXTS = """
import sys
import convzoo
small = ["data.train=40", "data.val=20", "data.test=20", "train.epochs=1", "model.channels=4", "baselines=[majority]"]
run = convzoo.run("sentiment_cnn1d", small, out=sys.argv[1], quiet=True)
assert (run.path / "report.html").exists()
print(*sys.modules)
"""


def test_the_report_of_a_text_run_imports_no_other_pages(tmp_path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", REPORT_OF_TEXTS, str(tmp_path / "run")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert MODULES & set(done.stdout.split()) == {"convzoo.modalities.text.pages"}


def test_no_module_imports_pages() -> None:
    graph = grimp.build_graph("convzoo", cache_dir=None)
    found = {(other, module) for module in MODULES for other in graph.find_modules_that_directly_import(module)}
    # Another class of pages of the same chapter may: masks are drawn over the planes of their volumes.
    strays = {
        (other, module)
        for other, module in found
        if not other.endswith("_pages") or other.rpartition(".")[0] != module.rpartition(".")[0]
    }
    assert not strays


@pytest.mark.parametrize("name", entries("encoder"))
def test_every_encoder_has_pages(name: str) -> None:
    example = load_class("encoder", name).example
    assert pages_of(example, Task) in PAGES.values(), f"{example.__name__} has no line in registry.PAGES"


@pytest.mark.parametrize(("example", "task"), PAGES, ids=str)
def test_what_the_registry_says_of_pages_exists(example: str, task: str | None) -> None:
    def found(place: str) -> type:
        module, _, name = place.partition(":")
        return getattr(__import__(module, fromlist=[name]), name)

    pages = load_pages(found(example), found(task) if task else Task)
    assert isinstance(pages, Pages)
    assert f"{type(pages).__module__}:{type(pages).__name__}" == PAGES[example, task]


@pytest.mark.parametrize("path", EMBEDDED, ids=lambda path: path.stem)
def test_a_picture_holds_all_it_shows(path, tiny) -> None:
    recipe = load(path, tiny(path.stem))
    example = build("data", recipe.data).read().test[0]
    pages = load_pages(load_class("encoder", recipe.encoder.name).example, load_class("task", recipe.task.name))
    assert type(pages).picture is not Pages.picture
    picture = pages.picture(example)
    assert picture.startswith("<")
    for address in re.findall(r"""(?:src|href)=["']([^"']*)""", picture):
        assert address.startswith(("data:", "#")), address


def test_a_type_of_ones_own_is_shown_as_its_base_is_or_as_its_repr() -> None:
    @dataclass(frozen=True)
    class Tweet(Text):
        likes: int = 0

    @dataclass(frozen=True)
    class Smell:
        strength: str = "<very>"

    assert isinstance(load_pages(Tweet, Classification), TextPages)
    assert type(load_pages(Smell, Classification)) is Pages
    assert "&lt;very&gt;" in load_pages(Smell, Classification).picture(Smell())


def test_the_task_chooses_among_the_pages_of_a_type() -> None:
    class Own(Segmentation):
        pass

    volume = load_class("encoder", "volume").example
    assert (
        pages_of(volume, Own)
        == pages_of(volume, Segmentation)
        == "convzoo.modalities.volume.mask_pages:VolumeMaskPages"
    )
    assert pages_of(volume, Classification) == "convzoo.modalities.volume.pages:VolumePages"


@pytest.mark.parametrize("name", ["text", "image", "series", "audio", "volume", "video", "parallel_text"])
def test_a_network_without_convolutions_has_no_kernels_to_show(name: str) -> None:
    encoder = load_class("encoder", name)()
    assert load_pages(encoder.example, Task).first_layer(torch.nn.Linear(2, 2), encoder, []) == ""


HOSTILE = "<script>alert('{}')</script>"


def test_what_people_write_is_text_on_the_page_and_no_markup(tmp_path) -> None:
    """The names of classes and files, the texts, and what a recipe says of itself."""
    home = tmp_path / HOSTILE.format("folder").replace("/", "")
    home.mkdir()
    labels = [HOSTILE.format("a"), HOSTILE.format("b")]
    for part in ("train", "val", "test"):
        rows = [  # the network learns the wrong class of what is tested, so the page shows mistakes
            f"{HOSTILE.format('text')} {part} number{n},{labels[(n + (part == 'test')) % 2]}" for n in range(24)
        ]
        (home / f"{part}.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    settings = ["train.epochs=2", "model.channels=4", "baselines=[]"]
    run = convzoo.run("sentiment_cnn1d", settings, data=home, out=tmp_path / "run", quiet=True)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    for word in ("a", "b", "text", "folder"):
        assert f"&lt;script&gt;alert(&#x27;{word}&#x27;)" in page or f"&lt;script&gt;alert(&#39;{word}&#39;)" in page, (
            word
        )


def test_the_surest_mistakes_come_first_and_right_answers_have_every_class() -> None:
    rows = [
        {"index": n, "true_label": "a", "label": "ab"[n % 2], "probability": str(0.5 + n / 100), "source": f"s{n}."}
        for n in range(40)
    ]
    rows += [{"index": 0, "true_label": "b", "label": "b", "probability": "0.4", "source": "s99."}]
    material = Material(torch.nn.Linear(1, 1), TextEncoder(), [Text("x")] * 40, rows)
    panels = {panel.title: panel.html for panel in gallery(Classification(("a", "b")), material, Pages())}
    assert list(panels) == ["Surest mistakes", "Least sure", "Right"]
    shown = {title: re.findall(r"s(\d+)\.", html) for title, html in panels.items()}
    assert shown["Surest mistakes"] == [str(n) for n in range(39, 15, -2)]
    assert shown["Least sure"][:3] == ["99", "0", "1"]
    assert shown["Right"][:3] == ["38", "99", "36"], "the surest of each class in turn"
