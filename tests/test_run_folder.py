"""A folder of a run belongs to one process; what it holds is compared with its manifest; unfinished is not taken for done."""

import csv
import json
import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from conftest import TINY, refused

import convzoo
from convzoo.core.errors import RecipeError, TrainingError
from convzoo.core.lock import OWNER, only_here
from convzoo.run_folder import FolderWatch, claimed
from convzoo.training.events import Scored

SENTIMENT = TINY["sentiment_cnn1d"]
QUICK = ["train.epochs=2", "train.batch_size=10", "model.channels=8", "model.embedding_size=8", "baselines=[]"]


def reviews(path: Path, count: int = 60, first: int = 0) -> Path:
    """A table of texts; those of one class have a word of their own."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(first, first + count):
            writer.writerow(
                [f"text {number} of {number * 7 % 13} words {'fine' if number % 2 else 'dull'}", number % 2]
            )
    return path


@pytest.fixture
def copy(small_run, tmp_path: Path):
    """A copy of a finished tiny run, to be changed."""

    def make(name: str = "sentiment_cnn1d") -> Path:
        shutil.copytree(small_run(name), tmp_path / "run")
        return tmp_path / "run"

    return make


def unfinished(folder: Path, *more: str) -> None:
    """Make a run again what it was before its scores were written."""
    for name in ("scores.json", *more):
        (folder / name).unlink()


# One folder, one process


def test_runs_that_begin_in_the_same_second_get_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def begin(_: int) -> str:
        with claimed("same", None, resumed=False) as folder:
            (folder / "run.json").write_text("{}")
            return folder.name

    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(begin, range(24)))
    assert len(set(names)) == 24
    assert len(list((tmp_path / "runs").iterdir())) == 24


def _hold(folder: Path, ready, go) -> None:
    with only_here(folder):
        ready.set()
        go.wait(20)


def test_a_second_process_is_refused_by_the_number_of_the_first_and_a_dead_one_is_not_in_the_way(copy, cli):
    folder = copy()
    unfinished(folder)
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(folder, ready, go))
    process.start()
    assert ready.wait(20)
    said = refused(cli("run", "--resume", folder, "--quiet"), 2, f"process {process.pid}", str(folder))
    assert "wait until it has ended" in said
    process.kill()
    process.join()
    assert (folder / OWNER).exists(), "it was killed, so its name is left"
    assert cli("run", "--resume", folder, "--quiet").code == 0
    assert not (folder / OWNER).exists()


def test_a_folder_with_other_files_is_not_written_into(cli, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "predictions.csv").write_text("precious")
    refused(
        cli("run", "sentiment_cnn1d", *SENTIMENT, "--out", "mine"), 2, "holds other files (predictions.csv)", "--out"
    )
    assert (tmp_path / "mine" / "predictions.csv").read_text() == "precious"
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["predictions.csv"], "not even a lock is left"


def test_a_run_that_does_not_begin_leaves_no_folder(cli, tmp_path: Path):
    (tmp_path / "few.csv").write_text("text,label\na,b\n")
    assert cli("run", "sentiment_cnn1d", "--data", "few.csv", "--out", "out").code == 3
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_deleted_stops_the_run(tmp_path: Path):
    watch = FolderWatch(tmp_path / "gone")
    with pytest.raises(TrainingError, match="was deleted while the run wrote in it"):
        watch(Scored(1, 1.0, {}, True, 0.0))


def test_what_a_killed_process_left_is_removed(copy, cli):
    folder = copy()
    unfinished(folder)
    (folder / "checkpoints" / ".last.pt.abc.part").write_text("half")
    (folder / ".metrics.csv.def.part").write_text("half")
    assert cli("run", "--resume", folder, "--quiet").code == 0
    assert not list(folder.rglob("*.part"))


# What was recorded is compared


def test_changed_data_are_refused_by_resume_and_evaluate(cli, tmp_path: Path):
    table = reviews(tmp_path / "reviews.csv")
    assert cli("run", "sentiment_cnn1d", "--data", table, *QUICK, "--out", "run", "--quiet").code == 0
    scores = cli("evaluate", "run").out
    unfinished(tmp_path / "run")
    before = table.read_text()
    reviews(table, 160, first=-100)  # a hundred rows in front of the others
    for command in (("run", "--resume", "run", "--quiet"), ("evaluate", "run")):
        said = refused(cli(*command), 3, f"{table} was changed", "--accept-changes")
        assert "put them back" in said
    assert cli("run", "--resume", "run", "--quiet", "--accept-changes").code == 0
    notes = json.loads((tmp_path / "run" / "environment.json").read_text())["notes"]
    assert any("was changed" in note and "went on" in note for note in notes)
    assert cli("evaluate", "run").code == 0, "the changed data are those of the run now"
    table.write_text(before)
    refused(cli("evaluate", "run"), 3, "was changed")
    assert (
        cli("evaluate", "run", "--accept-changes").out.splitlines()[0].split()[0] == scores.splitlines()[0].split()[0]
    )


def test_files_that_examples_name_are_compared_too(cli, tmp_path: Path):
    from PIL import Image

    for number in range(24):
        folder = tmp_path / "pictures" / ("light", "dark")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (48, 48), 200 - 150 * (number % 2) + number).save(folder / f"{number}.png")
    done = cli(
        "run", "emotion_cnn2d", "--data", "pictures", "train.epochs=1", "baselines=[]", "--out", "run", "--quiet"
    )
    assert done.code == 0, done.err
    Image.new("L", (48, 48), 90).save(tmp_path / "pictures" / "light" / "0.png")
    refused(cli("evaluate", "run"), 3, "0.png was changed")
    Image.new("L", (48, 48), 200).save(tmp_path / "pictures" / "light" / "0.png")
    assert cli("evaluate", "run").code == 0
    Image.new("L", (48, 48), 91).save(tmp_path / "pictures" / "light" / "new.png")
    refused(cli("evaluate", "run"), 3, "new.png is new")


def test_a_repeated_run_that_goes_on_trains_all_its_parts_on_the_same_data(cli, tmp_path: Path):
    table = reviews(tmp_path / "reviews.csv")
    start = ("run", "sentiment_cnn1d", "--data", table, *QUICK, "--out", "run", "--quiet", "--seeds", "2")
    assert cli(*start).code == 0
    shutil.rmtree(tmp_path / "run" / "seed-1")  # what a kill leaves after the first part
    unfinished(tmp_path / "run")
    reviews(table, 61)
    refused(cli("run", "--resume", "run", "--quiet"), 3, f"{table} was changed", "--accept-changes")
    assert cli("run", "--resume", "run", "--quiet", "--accept-changes").code == 0
    notes = json.loads((tmp_path / "run" / "seed-1" / "environment.json").read_text())["notes"]
    assert any("was changed" in note and "went on" in note for note in notes)


def test_an_encoder_of_unknown_data_is_fitted_again(cli, tmp_path: Path):
    """A kill came after the state of the encoder and before the manifest, and the data were changed then."""
    table = reviews(tmp_path / "reviews.csv")
    start = ("run", "sentiment_cnn1d", "--data", table, *QUICK, "--quiet", "--out")
    assert cli(*start, "run").code == 0
    unfinished(tmp_path / "run", "manifest.json", "model.safetensors", "task.json", "predictions.csv")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    table.write_text(table.read_text().replace("fine", "lovely"))
    assert cli("run", "--resume", "run", "--quiet").code == 0
    assert cli(*start, "straight").code == 0
    for name in ("encoder.json", "model.safetensors", "predictions.csv", "split.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes(), name
    table.write_text(table.read_text().replace("lovely", "great"))
    refused(cli("evaluate", "run"), 3, f"{table} was changed")


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "name", ["model.safetensors", "encoder.json", "encoder.safetensors", "recipe.yaml", "task.json"]
)
@pytest.mark.parametrize("command", ["predict", "evaluate", "describe", "export"])
def test_a_flipped_bit_is_found(name: str, command: str, copy, cli):
    folder = copy()
    flip(folder / name)
    said = refused(cli(command, folder, *(["a film"] if command == "predict" else [])), 3, name)
    assert "changed or damaged" in said


def test_a_flipped_bit_in_a_checkpoint_is_found_and_the_other_one_goes_on(copy, cli, small_run):
    folder = copy()
    unfinished(folder, "model.safetensors", "task.json")
    last, best = folder / "checkpoints" / "last.pt", folder / "checkpoints" / "best.pt"
    content = best.read_bytes()
    best.unlink()  # they may be one file
    best.write_bytes(content)
    flip(last)
    done = cli("run", "--resume", folder)
    assert done.code == 0, done.err
    assert "last.pt: is damaged" in done.err and "best.pt is sound: going on from its step" in done.err
    for name in ("model.safetensors", "predictions.csv"):
        assert (folder / name).read_bytes() == (small_run("sentiment_cnn1d") / name).read_bytes(), name
    unfinished(folder)
    best.unlink()
    best.write_bytes(content)
    flip(last)
    flip(best)
    refused(cli("run", "--resume", folder), 3, "last.pt: is damaged", "best.pt is damaged, too")


def test_damaged_scores_are_made_again(copy, cli, small_run):
    folder = copy()
    scores = folder / "scores.json"
    scores.write_text(scores.read_text()[:100])
    refused(cli("evaluate", folder), 3, "scores.json")
    done = cli("run", "--resume", folder)
    assert done.code == 0, done.err
    assert "scores.json" in done.err and "scored again" in done.err
    assert json.loads(scores.read_text())["scores"] == convzoo.Run(small_run("sentiment_cnn1d")).scores


def test_a_run_without_a_manifest_is_compared_with_nothing(copy, cli):
    folder = copy()
    (folder / "manifest.json").unlink()
    assert cli("evaluate", folder).code == 0
    (folder / "manifest.json").write_text("[]")
    refused(cli("evaluate", folder), 3, "manifest.json: is damaged")


def test_changes_may_be_accepted_for_one_reading(copy, cli):
    folder = copy()
    with (folder / "recipe.yaml").open("a") as file:
        file.write("# a remark\n")
    refused(cli("predict", folder, "a film"), 3, "recipe.yaml")
    assert cli("predict", folder, "a film", "--accept-changes").code == 0
    assert convzoo.Run.load(folder, accept_changes=True).predict("a film")
    refused(cli("run", "sentiment_cnn1d", "--accept-changes"), 2, "--resume")


# Unfinished is not finished


def test_a_run_without_its_thresholds_does_not_predict(copy, cli):
    folder = copy("anomaly_cnn1d")
    unfinished(folder, "task.json")
    for command in (("predict", folder, small_csv(folder)), ("evaluate", folder), ("export", folder)):
        refused(cli(*command), 3, "has no task.json yet", "convzoo run --resume")


def small_csv(folder: Path) -> Path:
    path = folder.parent / "rows.csv"
    path.write_text("a,b\n1,2\n")
    return path


def test_the_weights_are_written_after_the_thresholds(small_run):
    folder = small_run("anomaly_cnn1d")
    times = [(folder / name).stat().st_mtime_ns for name in ("task.json", "model.safetensors", "scores.json")]
    assert times == sorted(times)


# Writing


def test_a_device_is_written_as_it_is(copy, cli):
    folder = copy()
    refused(cli("predict", folder, "a film", "-o", "/dev/full"), 2, "--out: /dev/full")
    target = folder.parent / "link.csv"
    os.mkfifo(folder.parent / "pipe.csv")
    reader = multiprocessing.get_context("fork").Process(
        target=lambda: target.write_text((folder.parent / "pipe.csv").read_text())
    )
    reader.start()
    assert cli("predict", folder, "a film", "-o", folder.parent / "pipe.csv").code == 0
    reader.join(20)
    assert target.read_text().startswith("input,")


def test_several_processes_share_the_main_ones_folder_and_its_errors(tmp_path: Path):
    from convzoo.training.devices import Devices

    alone = Devices(torch.device("cpu"), "32")
    assert alone.from_main(lambda: 3) == 3

    def fail() -> int:
        raise RecipeError("no")

    with pytest.raises(RecipeError, match=r"^no$"):
        alone.from_main(fail)


def test_two_trainings_in_one_process_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import threading

    from convzoo import pipeline

    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        with pipeline._RUNNING:
            held.set()
            go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    with pytest.raises(RecipeError, match="another training goes on in this process"):
        convzoo.run("sentiment_cnn1d", SENTIMENT, out=tmp_path / "run", quiet=True)
    go.set()
    thread.join()
    assert not (tmp_path / "run").exists()
    assert convzoo.run("sentiment_cnn1d", SENTIMENT, out=tmp_path / "run", quiet=True, report=False).scores


def test_data_that_cannot_be_read_any_more_were_changed(cli, tmp_path: Path):
    table = reviews(tmp_path / "reviews.csv")
    assert cli("run", "sentiment_cnn1d", "--data", table, *QUICK, "--out", "run", "--quiet").code == 0
    unfinished(tmp_path / "run")
    table.write_text('text,label\n"a\n')
    for command in (("run", "--resume", "run", "--quiet"), ("evaluate", "run")):
        refused(cli(*command), 3, "run: the data are not those that the run began with", f"{table} was changed")
    table.unlink()
    for command in (("run", "--resume", "run", "--quiet"), ("evaluate", "run")):
        refused(cli(*command), 3, f"{table} is gone")
