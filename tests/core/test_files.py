"""Files are whole or do not exist; damage in an archive is found."""

import errno
from pathlib import Path

import pytest
import torch

from convzoo.core.errors import DataError
from convzoo.core.files import atomic_path, check_archive


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
