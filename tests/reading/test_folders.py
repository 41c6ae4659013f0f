"""Folders and manifests: one reader and one rule for images, sounds, videos, scans, clouds and texts."""

import json
import wave
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow
import pyarrow.parquet
import pytest
from conftest import refused
from contracts import files

from convzoo.core.errors import DataError
from convzoo.recipe.assembly import load_class


def image(path: Path, number: int) -> None:
    pixels = np.random.default_rng(number).integers(0, 256, (6, 6), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(path.with_suffix(".png"))


def sound(path: Path, number: int) -> None:
    samples = np.random.default_rng(number).integers(-9000, 9000, 400, dtype=np.int16)
    with wave.open(str(path.with_suffix(".wav")), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())


def video(path: Path, number: int) -> None:
    files.video(path.with_suffix(".mp4"), number)


def volume(path: Path, number: int) -> None:
    np.save(path.with_suffix(".npy"), np.random.default_rng(number).random((5, 5, 5)))


FILES: dict[str, Callable[[Path, int], None]] = {"image": image, "audio": sound, "video": video, "volume": volume}
KINDS = sorted(FILES)


def folder_of(kind: str, home: Path, parts: tuple[str, ...] = ("",), count: int = 8) -> Path:
    number = 0
    for part in parts:
        for label in ("a", "b"):
            (home / part / label).mkdir(parents=True)
            for index in range(count):
                number += 1
                FILES[kind](home / part / label / f"{part}{index}", number)
    return home


def read_folder(kind: str, home: Path, **settings: Any) -> Any:
    return load_class("data", f"{kind}_folder")(str(home), **settings).read()


def paths(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_a_split_is_made_with_copies_together(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    first = paths(home)[0]
    for copy in range(5):
        first.with_name(f"copy{copy}{first.suffix}").write_bytes(first.read_bytes())
    splits = read_folder(kind, home)
    homes = {name for name, part in splits for example in part if "copy" in example.source or example.path == first}
    assert len(homes) == 1
    assert sum(len(part) for _, part in splits) == 21


@pytest.mark.parametrize(
    "names", [("train", "test"), ("training", "testing"), ("Train", "dev", "Test"), ("train", "valid", "test")]
)
@pytest.mark.parametrize("kind", KINDS)
def test_folders_of_a_given_split_have_the_usual_names(kind: str, names: tuple[str, ...], tmp_path: Path) -> None:
    splits = read_folder(kind, folder_of(kind, tmp_path / "data", names))
    assert {example.label for _, part in splits for example in part} == {"a", "b"}
    assert len(splits.test) == 16
    assert splits.origin.startswith("as given")
    assert ("val made here" in splits.origin) == (len(names) == 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_may_be_called_test(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    (home / "b").rename(home / "test")
    assert {example.label for _, part in read_folder(kind, home) for example in part} == {"a", "test"}


@pytest.mark.parametrize("kind", KINDS)
def test_two_names_of_one_part_are_refused(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data", ("train", "val", "valid", "test"))
    with pytest.raises(DataError, match=r"both val/ and valid/ name the val split; keep one"):
        read_folder(kind, home)


@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_in_two_parts_of_a_given_split_is_refused_or_dropped_or_kept(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data", ("train", "test"))
    tested = next(path for path in paths(home) if path.parent.parent.name == "test")
    learnt = home / "train" / "b" / f"other{tested.suffix}"
    learnt.write_bytes(tested.read_bytes())
    with pytest.raises(
        DataError, match=r"copy of .* stands in both train and test .*would be a leak; data\.copies=drop"
    ):
        read_folder(kind, home)
    dropped = read_folder(kind, home, copies="drop")
    assert len(dropped.train) + len(dropped.val) == 16 and len(dropped.test) == 16
    assert any("1 copy of what is tested or validated on left out of train" in note for note in dropped.notes)
    kept = read_folder(kind, home, copies="keep")
    assert len(kept.train) + len(kept.val) == 17


def test_copies_are_dropped_from_what_is_learnt_first(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data", ("train", "val", "test"))
    for copied, to in (("val/a/val0", "train/a/x"), ("test/a/test0", "train/b/y"), ("test/b/test1", "val/b/z")):
        (home / f"{to}.png").write_bytes((home / f"{copied}.png").read_bytes())
    dropped = read_folder("image", home, copies="drop")
    names = {name: {example.path.stem for example in part} for name, part in dropped}
    assert [len(names[name]) for name in ("train", "val", "test")] == [8, 8, 8]
    assert not {"x", "y"} & names["train"] and "z" not in names["val"]
    assert {"test0", "test1"} <= names["test"] and "val0" in names["val"]


def test_a_file_in_two_parts_of_a_manifest_is_refused_though_copies_are_kept(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data")
    rows = [
        f"{path.relative_to(home)},{path.parent.name},{'train' if at % 2 else 'test'}"
        for at, path in enumerate(paths(home))
    ]
    table = home / "list.csv"
    table.write_text("\n".join(["path,label,split", *rows, rows[0].replace("test", "train")]) + "\n")
    with pytest.raises(DataError, match=r"file '.*0\.png' stands in both train and test .*would be a leak"):
        load_class("data", "image_table")(str(table), copies="keep").read()


@pytest.mark.parametrize("kind", KINDS)
def test_train_and_test_that_are_the_same_are_refused_even_when_copies_are_dropped(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data", ("train",))
    for path in paths(home):
        twin = home / "test" / path.relative_to(home / "train")
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes(path.read_bytes())
    with pytest.raises(DataError, match="everything in train stands in test too"):
        read_folder(kind, home, copies="drop")


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_files_are_passed_over_and_others_are_said(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    (home / "a" / f"._0{paths(home)[0].suffix}").write_bytes(b"what macOS writes beside a file")
    (home / ".DS_Store").write_bytes(b"x")
    (home / "Thumbs.db").write_bytes(b"x")
    (home / "__MACOSX" / "a").mkdir(parents=True)
    (home / "__MACOSX" / "a" / paths(home)[-1].name).write_bytes(b"x")
    assert read_folder(kind, home).notes == ()
    (home / "readme.txt").write_text("hello")
    (home / "a" / "notes.TXT").write_text("hello")
    (home / "b" / "photo.heic").write_bytes(b"x")
    (note,) = read_folder(kind, home).notes
    assert note == "3 files were left out (2 .txt, 1 .heic): a/notes.TXT, b/photo.heic, readme.txt"


def test_what_is_left_out_is_said_by_check_and_kept_in_the_run(tmp_path: Path, cli) -> None:
    home = folder_of("image", tmp_path / "data", count=12)
    (home / "a" / "broken.heic").write_bytes(b"x")
    small = [
        "train.epochs=1",
        "train.batch_size=4",
        "encoder.size=[24,24]",
        "model.channels=[2,2,2]",
        "baselines=[majority]",
    ]
    said = cli("check", "emotion_cnn2d", "--data", home, *small)
    assert said.code == 0, said.err
    assert "note      1 file was left out (1 .heic): a/broken.heic" in said.out
    done = cli("run", "emotion_cnn2d", "--data", home, *small, "--out", "run")
    assert done.code == 0, done.err
    assert "1 file was left out" in done.err
    assert json.loads(Path("run/environment.json").read_text())["notes"] == [
        "1 file was left out (1 .heic): a/broken.heic"
    ]
    page = Path("run/report.html").read_text(encoding="utf-8")
    assert "<h1>A or b? 24 images</h1>" in page and "your own: <code>data</code>" in page


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("kind", KINDS)
def test_manifests_of_every_kind_are_read_from_every_form(kind: str, suffix: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    files = paths(home)
    rows = [{"path": path.relative_to(home).as_posix(), "label": path.parent.name, "group": f"g{at % 8}", "site": "x"}
            for at, path in enumerate(files)]  # fmt: skip
    table = home / f"list{suffix}"
    if suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    elif suffix == ".jsonl":
        table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        mark = "\t" if suffix == ".tsv" else ";"
        table.write_text("\n".join([mark.join(rows[0]), *(mark.join(row.values()) for row in rows)]))
    reader = load_class("data", f"{kind}_table")
    assert reader.recognises(table)
    splits = reader(str(table)).read()
    everything = [example for _, part in splits for example in part]
    assert Counter(example.label for example in everything) == {"a": 8, "b": 8}
    assert sorted(example.path for example in everything) == files
    homes: dict[str, set[str]] = {}
    for name, part in splits:
        for example in part:
            homes.setdefault(example.group, set()).add(name)
    assert len(homes) == 8 and all(len(found) == 1 for found in homes.values())
    assert splits.notes == (f"list{suffix}: columns that are not used: site",)


@pytest.mark.parametrize("kind", KINDS)
def test_a_column_of_splits_counts_if_it_names_splits(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    words = ["train"] * 10 + ["Validation"] * 2 + ["testing"] * 4
    order = [path for pair in zip(paths(home)[:8], paths(home)[8:], strict=True) for path in pair]

    def table(column: str, values: list[str]) -> Any:
        lines = [f"path,label,{column}"]
        lines += [f"{p.relative_to(home)},{p.parent.name},{value}" for p, value in zip(order, values, strict=True)]
        (home / "list.csv").write_text("\n".join(lines))
        return load_class("data", f"{kind}_table")(str(home / "list.csv")).read()

    for column in ("split", "subset"):
        given = table(column, words)
        assert (len(given.train), len(given.val), len(given.test)) == (10, 2, 4)
    assert "made here" in table("subset", ["north", "south"] * 8).origin, "a column that is called so by chance"
    with pytest.raises(
        DataError, match=r"list.csv:13: column 'split' says 'holdout'; it should say train, val or test"
    ):
        table("split", [*words[:11], "holdout", *words[12:]])


def test_a_path_that_two_readers_know_is_refused_until_one_is_chosen(tmp_path: Path, cli) -> None:
    home = tmp_path / "streets"
    for name in ("velodyne", "label_2", "calib"):
        (home / name).mkdir(parents=True)
    (home / "boxes.csv").write_text("path,class,x,y,z,length,width,height,yaw\n")
    said = refused(
        cli("check", "lidar_pillars", "--data", home),
        3,
        "can be read by kitti (",
        " and cloud_table (",
        "data.name=kitti",
    )
    assert str(home) in said
    refused(cli("check", "lidar_pillars", "--data", home, "data.name=cloud_table"), 3, "boxes.csv: holds no rows")


def test_only_readers_of_the_kind_are_asked(tmp_path: Path, cli, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    asked = []
    original = importlib.import_module

    def noted(name: str, *rest: Any) -> Any:
        asked.append(name)
        return original(name, *rest)

    monkeypatch.setattr(importlib, "import_module", noted)
    refused(cli("check", "sentiment_cnn1d", "--data", folder_of("image", tmp_path / "data")), 3, "none of the formats")
    assert {name.split(".")[2] for name in asked if name.startswith("convzoo.modalities.")} <= {"text"}


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_splits_are_known_among_other_words(kind: str, tmp_path: Path) -> None:
    splits = read_folder(kind, folder_of(kind, tmp_path / "data", ("seg_train", "test_images")))
    assert {example.label for _, part in splits for example in part} == {"a", "b"}
    assert len(splits.test) == 16


@pytest.mark.parametrize("kind", ["volume"])
def test_classes_may_have_test_in_their_names(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "data"
    for number in range(24):
        inside = home / ("test_positive", "test_negative")[number % 2] / f"p{number}"
        inside.mkdir(parents=True)
        FILES[kind](inside / "scan", number)
    splits = read_folder(kind, home)
    assert {example.label for _, part in splits for example in part} == {"test_positive", "test_negative"}


@pytest.mark.parametrize("kind", ["audio", "image", "video"])
def test_folders_that_all_hold_the_same_ones_are_no_classes(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data", ("site1", "site2"))
    with pytest.raises(DataError, match=r"each of its folders \(site1, site2 …\) holds the same ones \(a, b …\)"):
        read_folder(kind, home)


@pytest.mark.parametrize("kind", ["audio", "image", "video"])
def test_folders_inside_classes_are_groups_where_one_says_so(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "data"
    for number in range(24):
        inside = home / "ab"[number % 2] / f"p{number % 8}"
        inside.mkdir(parents=True, exist_ok=True)
        FILES[kind](inside / f"x{number}", number)
    (note,) = read_folder(kind, home).notes
    assert "data.group=folder keeps each of them in one split" in note
    splits = read_folder(kind, home, group="folder")
    homes: dict[str, set[str]] = {}
    for name, part in splits:
        for example in part:
            homes.setdefault(example.path.parent.name, set()).add(name)
    assert splits.notes == () and all(len(found) == 1 for found in homes.values())
    assert "by group" in splits.origin and "no groups known" in read_folder(kind, home).origin


@pytest.mark.parametrize("kind", KINDS)
def test_links_that_lead_back_are_not_followed(kind: str, tmp_path: Path) -> None:
    home = folder_of(kind, tmp_path / "data")
    (home / "loop").symlink_to("..")
    (home / "a" / "again").symlink_to(home)
    (home / "b" / f"nowhere{paths(home)[0].suffix}").symlink_to("gone")
    splits = read_folder(kind, home)
    assert sum(len(part) for _, part in splits) == 16
    assert any("1 file was left out" in note and "nowhere" in note for note in splits.notes)


def test_one_class_that_holds_the_classes_is_named(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data", ("photos",))
    with pytest.raises(DataError, match=r"holds one class, 'photos'.*the class folders may be those in .*photos"):
        read_folder("image", home)
    flat = tmp_path / "flat"
    (flat / "images").mkdir(parents=True)
    image(flat / "images" / "0", 0)
    (flat / "labels.csv").write_text("path,label\nimages/0.png,a\n")
    with pytest.raises(DataError, match=r"if labels.csv says which is which, give that: --data .*labels.csv"):
        read_folder("image", flat)


def test_loose_files_in_test_are_said(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data", ("train",))
    (home / "test").mkdir()
    image(home / "test" / "0", 99)
    with pytest.raises(DataError, match=r"test: holds no folders; make one folder in it for each class"):
        read_folder("image", home)


def test_paths_of_windows_are_understood_and_folders_are_no_files(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data")
    rows = [f"{path.parent.name}\\{path.name},{path.parent.name}" for path in paths(home)]
    (home / "list.csv").write_text("\n".join(["path,label", *rows]))
    reader = load_class("data", "image_table")
    assert sum(len(part) for _, part in reader(str(home / "list.csv")).read()) == 16
    (home / "list.csv").write_text("\n".join(["path,label", *rows, "a,b"]))
    with pytest.raises(DataError, match=r"list.csv:18: 'a' is a folder, not a file"):
        reader(str(home / "list.csv")).read()


@pytest.mark.parametrize(
    ("recipe", "files", "words"),
    [
        ("text_table", ("train.csv", "train.tsv", "test.csv"), "both train.csv and train.tsv are its train; keep one"),
        (
            "text_table",
            ("train.csv", "val.csv", "valid.csv", "test.csv"),
            "both val.csv and valid.csv are its val; keep one",
        ),
        (
            "graph_table",
            ("nodes.csv", "nodes.tsv", "edges.csv"),
            "both nodes.csv and nodes.tsv are its nodes; keep one",
        ),
        ("interactions", ("u.data", "ratings.csv"), "are its interactions; keep one"),
    ],
)
def test_two_files_of_one_part_are_refused(recipe: str, files: tuple[str, ...], words: str, tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("text,label\na,b\nc,d\n")
    with pytest.raises(DataError, match=words):
        load_class("data", recipe)(str(tmp_path)).read()


def test_a_class_of_two_can_be_split_where_the_test_part_is_given(tmp_path: Path) -> None:
    home = folder_of("image", tmp_path / "data", ("train", "test"), count=2)
    splits = read_folder("image", home, val=0.3)
    assert len(splits.test) == 4 and len(splits.val) >= 1 and len(splits.train) >= 2


@pytest.mark.parametrize("name", ["emotion_cnn2d", "keywords_cnn1d", "actions_cnn3d", "mri_cnn3d"])
def test_a_table_without_files_is_called_so(name: str, cli, tmp_path: Path) -> None:
    (tmp_path / "messages.csv").write_text("text,label\nhello there. see you,ham\nwin 1.5 million,spam\n")
    found = cli("check", name, "--data", tmp_path / "messages.csv")
    assert found.code == 3
    assert "names no " in found.err
    assert "a row for each" in found.err
    assert "text, label" in found.err or "text and label" in found.err
