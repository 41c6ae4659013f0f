"""A file on the disk is whole or is not there; damage in an archive is found."""

import errno
import os
from pathlib import Path

import pytest
import torch

from convzoo.core import files
from convzoo.core.errors import DataError
from convzoo.core.files import atomic_path, atomic_write, check_archive, link, write_json, write_text


def test_what_is_written_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch) -> None:
    """A computer that loses its power between the two must not leave an empty file under the name."""
    done = []

    def noted(name: str):
        work = getattr(os, name)
        return lambda *arguments: (done.append(name), work(*arguments))[1]

    for name in ("fsync", "replace"):
        monkeypatch.setattr(files.os, name, noted(name))
    write_text(tmp_path / "a.txt", "new")
    assert done.count("replace") == 1
    assert "fsync" in done[: done.index("replace")]


def test_a_reader_of_the_old_file_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": "ä"})
    with path.open(encoding="utf-8") as reader:
        write_json(path, {"new": 1})
        assert reader.read() == '{\n  "old": "ä"\n}\n'
    assert path.read_text() == '{\n  "new": 1\n}\n'
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(KeyError), atomic_write(path, "w") as file:
        file.write("half")
        raise KeyError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "x")
    (tmp_path / "plain").touch()
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_takes_the_place_of_the_old_file_and_outlives_a_new_one(tmp_path: Path) -> None:
    last, best = tmp_path / "last.pt", tmp_path / "best.pt"
    write_text(best, "old")
    write_text(last, "first")
    link(last, best)
    write_text(last, "second")
    assert best.read_text() == "first", "a later checkpoint does not change the best one"
    assert {each.name for each in tmp_path.iterdir()} == {"last.pt", "best.pt"}


def test_a_library_writes_a_whole_file_or_none(tmp_path: Path) -> None:
    path = tmp_path / "new" / "model.bin"
    with atomic_path(path) as temporary:
        temporary.write_text("all")
        temporary.with_name("model.bin.data").write_text("more")
        assert not path.exists()
    assert (path.read_text(), path.with_name("model.bin.data").read_text()) == ("all", "more")
    with pytest.raises(DataError, match="no space is left"), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "full")
    assert path.read_text() == "all"
    assert sorted(child.name for child in path.parent.iterdir()) == ["model.bin", "model.bin.data"]


def test_a_damaged_archive_is_found(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.arange(1000)}, path)
    check_archive(path)
    content = bytearray(path.read_bytes())
    place = content.index(torch.arange(1000).numpy().tobytes()) + 4000
    content[place] ^= 1
    path.write_bytes(bytes(content))
    assert not torch.equal(torch.load(path, weights_only=True)["a"], torch.arange(1000)), "torch does not look"
    with pytest.raises(ValueError, match="checksum"):
        check_archive(path)
