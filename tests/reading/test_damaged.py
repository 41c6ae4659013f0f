"""Damaged files and rows: all are found before training, refused together in one list, or left out and written down."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import PIL.Image
import pytest
from conftest import refused
from contracts import files

from convzoo.core.errors import DataError
from convzoo.core.splits import Splits
from convzoo.recipe.assembly import load_class

WRITERS: dict[str, tuple[str, Callable[[Path, int], Path]]] = {
    "image": (".png", files.image),
    "audio": (".wav", files.sound),
    "video": (".mp4", files.video),
    "volume": (".nii.gz", files.volume),
}
KINDS = sorted(WRITERS)


def cut(path: Path) -> None:
    """Take the end of a file away."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def class_folder(kind: str, home: Path, count: int = 10) -> list[Path]:
    suffix, write = WRITERS[kind]
    labels = [("a", number) for number in range(count)] + [("b", number) for number in range(count)]
    return [write(home / label / f"{number}{suffix}", at) for at, (label, number) in enumerate(labels)]


def manifest(home: Path, paths: list[Path]) -> Path:
    return files.lines(
        home / "list.csv", ["path,label", *(f"{path.relative_to(home)},{path.parent.name}" for path in paths)]
    )


def read(kind: str, path: Path, skip: bool) -> Splits:
    return load_class("data", kind)(str(path), skip_damaged=skip).read()


def sources(splits: Splits) -> set[str]:
    return {example.source for _, part in splits for example in part}


@pytest.mark.parametrize("form", ["folder", "table"])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_refused_in_one_list_or_left_out(kind: str, form: str, tmp_path: Path) -> None:
    paths = class_folder(kind, tmp_path)
    data = tmp_path if form == "folder" else manifest(tmp_path, paths)
    cut(paths[3])
    empty(paths[15])
    with pytest.raises(DataError) as caught:
        read(f"{kind}_{form}", data, skip=False)
    first, second, advice = str(caught.value).splitlines()
    assert paths[3].name in first and paths[15].name not in first
    assert paths[15].name in second and "0 bytes" in second
    assert advice == "data.skip_damaged=true leaves them out"
    splits = read(f"{kind}_{form}", data, skip=True)
    assert len(sources(splits)) == 18
    assert len(splits.skipped.reasons) == 2
    assert (
        splits.skipped.in_words()
        == f"2 of 20 {'files' if form == 'folder' else 'rows'} left out: data.skip_damaged=true"
    )
    assert len(load_class("data", f"{kind}_{form}")(str(data), skip_damaged=True).examples()) == 18


def test_ten_damaged_files_are_listed_and_the_others_counted(tmp_path: Path) -> None:
    for path in class_folder("image", tmp_path)[:12]:
        empty(path)
    with pytest.raises(DataError) as caught:
        read("image_folder", tmp_path, skip=False)
    lines = str(caught.value).splitlines()
    assert len(lines) == 12
    assert lines[10] == "… and 2 more"


def test_one_damaged_file_is_one_line(tmp_path: Path) -> None:
    cut(class_folder("image", tmp_path)[0])
    with pytest.raises(DataError, match=r"0.png: cannot be read as an image .*; data.skip_damaged=true leaves it out$"):
        read("image_folder", tmp_path, skip=False)


def test_a_photograph_that_is_cut_off_is_found_though_it_is_checked_at_a_smaller_size(tmp_path: Path) -> None:
    paths = class_folder("image", tmp_path)
    large = paths[0].with_suffix(".jpg")
    PIL.Image.effect_noise((300, 200), 80).convert("RGB").save(large)
    assert len(sources(read("image_folder", tmp_path, skip=False))) == 21
    large.write_bytes(large.read_bytes()[:-2000])
    with pytest.raises(DataError, match=r"0\.jpg: cannot be read as an image"):
        read("image_folder", tmp_path, skip=False)


def test_an_image_of_which_no_pixel_is_a_number_is_damaged(tmp_path: Path) -> None:
    import numpy as np

    class_folder("image", tmp_path)
    PIL.Image.fromarray(np.full((6, 6), np.nan, np.float32)).save(tmp_path / "a" / "nothing.tif")
    with pytest.raises(DataError, match=r"nothing\.tif: none of its pixels is a finite number"):
        read("image_folder", tmp_path, skip=False)


def test_a_class_of_which_every_file_is_damaged_is_an_error_even_when_files_are_left_out(tmp_path: Path) -> None:
    for path in class_folder("image", tmp_path)[:10]:
        empty(path)
    with pytest.raises(DataError, match="every image of class 'a' is damaged"):
        read("image_folder", tmp_path, skip=True)


def test_when_nothing_can_be_read_one_line_says_so(tmp_path: Path) -> None:
    for path in class_folder("image", tmp_path):
        empty(path)
    for skip in (False, True):
        with pytest.raises(DataError, match=r"none of the 20 files can be read$") as caught:
            read("image_folder", tmp_path, skip=skip)
        assert len(str(caught.value).splitlines()) == 1


def test_a_mask_that_is_cut_off_leaves_its_scan_out(tmp_path: Path) -> None:
    for number in range(10):
        files.volume(tmp_path / "imagesTr" / f"case_{number}.nii.gz", number)
        files.volume(tmp_path / "labelsTr" / f"case_{number}.nii.gz", number, mask=True)
    cut(tmp_path / "labelsTr" / "case_4.nii.gz")
    with pytest.raises(DataError, match=r"case_4.nii.gz: .*skip_damaged"):
        read("decathlon", tmp_path, skip=False)
    splits = read("decathlon", tmp_path, skip=True)
    assert len(sources(splits)) == 9 and not any("case_4" in source for source in sources(splits))


def test_a_cloud_is_left_out_with_all_its_boxes(tmp_path: Path) -> None:
    rows = ["path,class,x,y,z,length,width,height,yaw"]
    for number in range(10):
        files.cloud(tmp_path / f"{number}.bin", number)
        rows += [f"{number}.bin,Car,{number},1,0,4,2,1.5,0", f"{number}.bin,Car,{number},5,0,4,2,1.5,0"]
    rows[4] = "1.bin,Car,1,5,0,4,wide,1.5,0"
    files.lines(tmp_path / "boxes.csv", rows)
    (tmp_path / "7.bin").write_bytes(b"\x00" * 30)
    with pytest.raises(DataError) as caught:
        read("cloud_table", tmp_path, skip=False)
    assert [words in str(caught.value) for words in ("boxes.csv:5", "'wide'", "7.bin", "30 bytes")] == [True] * 4
    splits = read("cloud_table", tmp_path, skip=True)
    assert sources(splits) == {f"{number}.bin" for number in range(10)} - {"1.bin", "7.bin"}
    assert splits.notes == []


def test_rows_of_texts_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    rows = [f"film {number},{'xy'[number % 2]}" for number in range(20)]
    rows[2], rows[9] = "a comma, too many,x", "no label,"
    table = files.lines(tmp_path / "t.csv", ["text,label", *rows])
    with pytest.raises(DataError) as caught:
        read("text_table", table, skip=False)
    assert "t.csv:4: has 3 fields" in str(caught.value) and "t.csv:11: column 'label' is empty" in str(caught.value)
    splits = read("text_table", table, skip=True)
    assert len(sources(splits)) == 18
    assert [place.rpartition(":")[2] for place in splits.skipped.reasons] == ["4", "11"]


def test_lines_of_json_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"film {number}", "label": "xy"[number % 2]}) for number in range(20)]
    rows[5] = '{"text": "half'
    table = files.lines(tmp_path / "t.jsonl", rows)
    assert len(sources(read("text_table", table, skip=True))) == 19
    with pytest.raises(DataError, match=r"t\.jsonl:6: is not JSON"):
        read("text_table", table, skip=False)


def test_pairs_with_an_empty_side_are_left_out(tmp_path: Path) -> None:
    files.lines(tmp_path / "c.de", [f"satz {number}" if number != 3 else "" for number in range(20)])
    files.lines(tmp_path / "c.en", [f"sentence {number}" for number in range(20)])
    splits = read("parallel_text", tmp_path / "c.de", skip=True)
    assert len(sources(splits)) == 19 and next(iter(splits.skipped.reasons.values())).startswith("the source is empty")


def test_interactions_whose_rows_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    rows = [f"u{user},i{(user + 3 * at) % 25},{1000 + 10 * at + user}" for user in range(12) for at in range(6)]
    rows[4], rows[8] = "u0,,1040", "u1,i3,noon"
    table = files.lines(tmp_path / "i.csv", ["user,item,time", *rows])
    with pytest.raises(DataError) as caught:
        read("interactions", table, skip=False)
    assert "i.csv:6: column 'item' is empty" in str(caught.value) and "i.csv:10" in str(caught.value)
    assert len(read("interactions", table, skip=True).skipped.reasons) == 2


def test_nodes_that_cannot_be_read_are_left_out_with_their_edges(tmp_path: Path) -> None:
    nodes = [f"p{at},{'ab'[at % 2]},{20 + at}" for at in range(24)]
    nodes[5] = "p5,b,old"
    edges = [f"p{at},p{(at + step) % 24}" for at in range(24) for step in (2, 4)]
    files.lines(tmp_path / "nodes.csv", ["id,label,age", *nodes])
    files.lines(tmp_path / "edges.csv", ["source,target", *edges, "p1,nobody", "p1,"])
    with pytest.raises(DataError) as caught:
        read("graph_table", tmp_path, skip=False)
    for words in ("nodes.csv:7: column 'age' says 'old'", "edges.csv:50: node 'nobody' has no row", "edges.csv:51"):
        assert words in str(caught.value)
    splits = read("graph_table", tmp_path, skip=True)
    graph = splits.train[0].graph
    assert len(graph) == 23 and "p5" not in graph.ids
    assert graph.edges.nnz == 2 * (48 - 4)
    assert len(splits.skipped.reasons) == 3


def test_rows_of_sensors_that_cannot_be_read_are_left_out(tmp_path: Path) -> None:
    rows = [f"2024-01-01 00:{at:02d}:00,{at / 7:.3f},{at % 5}" for at in range(60)]
    clean = read("series_table", files.lines(tmp_path / "clean.csv", ["time,a,b", *rows]), skip=False)
    rows[3] = "2024-01-01 00:03:00,0.4"
    rows[7] = "2024-01-01 00:07:00,broken,2"
    rows[20] = "yesterday,1,2"
    rows[50] = "2024-01-01 00:50:00,inf,0"
    table = files.lines(tmp_path / "s.csv", ["time,a,b", *rows])
    with pytest.raises(DataError) as caught:
        read("series_table", table, skip=False)
    message = str(caught.value)
    for words in ("s.csv:5: has 2 fields", "s.csv:9: column 'a' holds 'broken'", "s.csv:22: 'yesterday'", "s.csv:52"):
        assert words in message
    series = read("series_table", table, skip=True).train[0].series
    kept = [at for at in range(60) if at not in (3, 7, 20, 50)]
    whole = clean.train[0].series
    assert series.values.tolist() == whole.values[kept].tolist()
    assert series.times.tolist() == whole.times[kept].tolist()


def test_a_table_of_sensors_that_is_empty_is_left_out_of_a_folder(tmp_path: Path) -> None:
    for number in range(3):
        files.readings(tmp_path / "pumps" / f"{number}.csv", number, 40)
    empty(tmp_path / "pumps" / "1.csv")
    with pytest.raises(DataError, match=r"1\.csv: is empty"):
        read("series_table", tmp_path / "pumps", skip=False)
    splits = read("series_table", tmp_path / "pumps", skip=True)
    assert {stretch.series.name for stretch in splits.test} == {"0.csv", "2.csv"}


def test_a_run_says_what_was_left_out_and_writes_it_down(cli, tiny, tmp_path: Path) -> None:
    paths = class_folder("image", tmp_path / "photos", 12)
    empty(paths[3])
    cut(paths[20])
    settings = [word for word in tiny("emotion_cnn2d") if not word.startswith("data.")]
    asked = ["emotion_cnn2d", *settings, "--data", tmp_path / "photos"]
    for command in ("check", "run"):
        refused(cli(command, *asked), 3, "3.png", "8.png", "data.skip_damaged=true", lines=3)
    checked = cli("check", *asked, "data.skip_damaged=true")
    assert checked.code == 0, checked.err
    assert "note      2 of 24 files left out: data.skip_damaged=true\n" in checked.out
    assert checked.out.count("left out  ") == 2
    done = cli("run", *asked, "data.skip_damaged=true", "--out", "run")
    assert done.code == 0, done.err
    assert "2 of 24 files left out: data.skip_damaged=true; skipped.csv lists them" in done.err
    rows = list(csv.DictReader(Path("run/skipped.csv").read_text().splitlines()))
    assert [Path(row["source"]).name for row in rows] == ["3.png", "8.png"]
    assert rows[0]["reason"].startswith("is empty (0 bytes)")
    evaluated = cli("evaluate", "run", "--data", tmp_path / "photos", "--json")
    assert evaluated.code == 0, "the run's settings of its data hold for other data too"
    assert "2 of 24 files left out" in evaluated.err
