"""Archives from strangers: whole ones are unpacked exactly, all others give one line and leave nothing behind."""

import errno
import gzip
import io
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convzoo.core.errors import DataError
from convzoo.datasets.archives import extract, read_member, read_members

FILES = {"a/one.txt": b"one\n" * 50, "a/b/two.bin": bytes(range(256)) * 9, "empty.txt": b"", "three.TXT": b"3"}
KINDS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"]
TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tgz": "w:gz", ".tar.xz": "w:xz", ".tar.bz2": "w:bz2"}


def pack(folder: Path, kind: str, files: dict[str, bytes], name: str = "archive") -> Path:
    path = folder / f"{name}{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for member, content in files.items():
                opened.writestr(member, content)
        return path
    with tarfile.open(path, TAR_MODES[kind]) as opened:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return path


def pack_member(path: Path, **fields: object) -> Path:
    """A tar with an honest file and one member that has `fields`."""
    with tarfile.open(path, "w") as opened:
        opened.addfile(tarfile.TarInfo("honest.txt"))
        info = tarfile.TarInfo("member")
        for name, value in fields.items():
            setattr(info, name, value)
        opened.addfile(info)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(archive: Path, *words: str, **limits: float) -> str:
    """The one line with which an archive is refused; nothing is left, and reading without unpacking refuses it too."""
    before = sorted(os.listdir(archive.parent))
    with pytest.raises(DataError) as caught:
        extract(archive, archive.parent / "out", **limits)  # type: ignore[arg-type]
    line = str(caught.value)
    assert "\n" not in line and str(archive) in line
    for word in words:
        assert word in line, line
    assert sorted(os.listdir(archive.parent)) == before
    with pytest.raises(DataError):
        list(read_members(archive, **limits))  # type: ignore[arg-type]
    return line


@pytest.mark.parametrize("kind", KINDS)
def test_whole_archives_are_unpacked_exactly(kind: str, tmp_path: Path) -> None:
    archive = pack(tmp_path, kind, FILES)
    assert sorted(extract(archive, tmp_path / "out")) == sorted(FILES)
    assert files_in(tmp_path / "out") == FILES
    assert dict(read_members(archive)) == FILES
    assert dict(read_members(archive, ".txt")).keys() == {"a/one.txt", "empty.txt", "three.TXT"}
    assert dict(read_members(archive, (".bin", ".jpg"))).keys() == {"a/b/two.bin"}
    assert read_member(archive, "a/b/two.bin") == FILES["a/b/two.bin"]
    assert sorted(os.listdir(tmp_path)) == sorted([archive.name, "out"])


def test_single_gz(tmp_path: Path) -> None:
    archive = tmp_path / "train-labels.gz"
    archive.write_bytes(gzip.compress(b"labels"))
    assert extract(archive, tmp_path / "out") == ["train-labels"]
    assert files_in(tmp_path / "out") == {"train-labels": b"labels"}
    assert list(read_members(archive)) == [("train-labels", b"labels")]


def test_folders_and_repeated_folders_are_kept(tmp_path: Path) -> None:
    archive = tmp_path / "folders.tar"
    with tarfile.open(archive, "w") as opened:
        for name in ("./", "./a/", "a", "a/empty"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            opened.addfile(info)
        opened.addfile(tarfile.TarInfo("./a/file"))
    assert extract(archive, tmp_path / "out") == ["a/file"]
    assert (tmp_path / "out/a/empty").is_dir()


def test_backslashes_of_windows_zips_are_separators(tmp_path: Path) -> None:
    archive = tmp_path / "windows.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a\\", b"")
        opened.writestr("a\\file.txt", b"x")
    assert dict(read_members(archive)) == {"a/file.txt": b"x"}
    assert extract(archive, tmp_path / "out") == ["a/file.txt"]


def test_permissions_in_the_archive_are_ignored(tmp_path: Path) -> None:
    archive = pack_member(tmp_path / "setuid.tar", mode=0o6777)
    extract(archive, tmp_path / "out")
    assert not (tmp_path / "out/member").stat().st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR)


@settings(max_examples=40, deadline=None)
@given(
    files=st.dictionaries(
        st.lists(st.sampled_from(["a", "b", "ä ö", "c.txt", "-x"]), min_size=1, max_size=3).map("/".join),
        st.binary(max_size=2000),
        max_size=5,
    ),
    kind=st.sampled_from(KINDS),
)
def test_any_files_come_back_or_are_refused_whole(files: dict[str, bytes], kind: str) -> None:
    clash = any(other.startswith(f"{name}/") for name in files for other in files)
    with tempfile.TemporaryDirectory() as folder:
        archive = pack(Path(folder), kind, files)
        if clash:
            refused(archive, "twice")
        else:
            extract(archive, Path(folder) / "out")
            assert files_in(Path(folder) / "out") == files


BAD_NAMES = ["../evil", "a/../../evil", "/etc/evil", "C:\\evil", "c:evil", "..\\evil", "a/..", "\\evil", "//host/evil"]


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_names_that_leave_the_folder(name: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    refused(pack(folder, kind, {"honest.txt": b"x", name: b"evil"}), "outside its folder", repr(name))
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_in_tar(kind: bytes, tmp_path: Path) -> None:
    refused(pack_member(tmp_path / "link.tar", type=kind, linkname="/etc/passwd"), "link", "'member'")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.GNUTYPE_SPARSE])
def test_devices_in_tar(kind: bytes, tmp_path: Path) -> None:
    refused(pack_member(tmp_path / "device.tar", type=kind), "member")


@pytest.mark.parametrize(("mode", "word"), [(stat.S_IFLNK, "link"), (stat.S_IFCHR, "device"), (stat.S_IFIFO, "device")])
def test_links_and_devices_in_zip(mode: int, word: str, tmp_path: Path) -> None:
    archive = tmp_path / "special.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        info = zipfile.ZipInfo("special")
        info.external_attr = (mode | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    refused(archive, word, "'special'")


@pytest.mark.parametrize("kind", [".zip", ".tar"])
@pytest.mark.parametrize("second", ["a/one", "./a/one", "a//one", "a/one/below", "a"])
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_duplicates(kind: str, second: str, tmp_path: Path) -> None:
    archive = tmp_path / f"twice{kind}"
    names = ["a/one", second]
    if kind == ".zip":
        with zipfile.ZipFile(archive, "w") as opened:
            for name in names:
                opened.writestr(name, b"x")
    else:
        with tarfile.open(archive, "w") as opened:
            for name in names:
                opened.addfile(tarfile.TarInfo(name))
    refused(archive, "twice")


def test_encrypted_zip(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", {"secret.txt": b"x"})
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    archive.write_bytes(content)
    refused(archive, "encrypted", "'secret.txt'")


@pytest.mark.parametrize("kind", KINDS)
def test_more_bytes_than_allowed(kind: str, tmp_path: Path) -> None:
    refused(pack(tmp_path, kind, {"a": bytes(6000), "b": bytes(6000)}), "allowed", "10.0 kB", max_bytes=10_000)


@pytest.mark.parametrize("kind", KINDS)
def test_more_files_than_allowed(kind: str, tmp_path: Path) -> None:
    refused(pack(tmp_path, kind, {str(i): b"" for i in range(9)}), "more than 8 members", max_files=8)


@pytest.mark.parametrize("kind", [".zip", ".tar.gz", ".tar.xz", ".tar.bz2"])
def test_bombs_by_their_ratio(kind: str, tmp_path: Path) -> None:
    archive = pack(tmp_path, kind, {"zeros": bytes(40_000_000)})
    refused(archive, "bomb", "'zeros'")


def test_bomb_in_a_single_gz_declares_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "zeros.gz"
    archive.write_bytes(gzip.compress(bytes(40_000_000)))
    refused(archive, "bomb", "'zeros'")


def test_bomb_after_the_end_of_a_tar(tmp_path: Path) -> None:
    inner = pack(tmp_path, ".tar", {"a": b"x"}).read_bytes()
    archive = tmp_path / "tail.tar.gz"
    archive.write_bytes(gzip.compress(inner + bytes(40_000_000)))
    (tmp_path / "archive.tar").unlink()
    refused(archive, "bomb")


def test_zip_that_declares_less_than_it_holds(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", {"liar": os.urandom(100) * 1000})
    content = bytearray(archive.read_bytes())
    for place in (22, content.index(b"PK\x01\x02") + 24):
        struct.pack_into("<I", content, place, 10)
    archive.write_bytes(content)
    refused(archive, "'liar'")


def test_zip_that_declares_more_than_it_holds(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", {"liar": b"x" * 10})
    content = bytearray(archive.read_bytes())
    for place in (22, content.index(b"PK\x01\x02") + 24):
        struct.pack_into("<I", content, place, 100)
    archive.write_bytes(content)
    refused(archive, "'liar'")


def test_zip_with_wrong_content(tmp_path: Path) -> None:
    archive = tmp_path / "stored.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("a.txt", b"the content")
    archive.write_bytes(archive.read_bytes().replace(b"the content", b"teh content"))
    refused(archive, "'a.txt'", "damaged")


def test_tar_whose_header_asks_for_much_memory(tmp_path: Path) -> None:
    """tarfile reads a long name in one piece, however long the header says that it is."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 5 * 10**9
    archive = tmp_path / "long.tar"
    archive.write_bytes(info.tobuf() + bytes(10_240))
    refused(archive, "has a header of")


@pytest.mark.parametrize("kind", [*KINDS, ".gz"])
def test_every_truncation_is_noticed(kind: str, tmp_path: Path) -> None:
    if kind == ".gz":
        whole = gzip.compress(os.urandom(400))
    else:
        whole = pack(tmp_path, kind, {"a": os.urandom(700), "b": os.urandom(700)}).read_bytes()
    end = len(whole)
    if kind == ".tar":
        end = 4 * 512 + 2 * 512  # after the last member there are only zeros, as many as one likes
    archive = tmp_path / f"cut{kind}"
    for length in {0, 1, 20, *range(0, end, 97), *range(0, end, 512), end - 1}:
        archive.write_bytes(whole[:length])
        refused(archive)


@pytest.mark.parametrize("kind", [*KINDS, ".gz"])
def test_an_error_page_is_no_archive(kind: str, tmp_path: Path) -> None:
    archive = tmp_path / f"page{kind}"
    archive.write_bytes(b"<html>Not found</html>" * 100)
    refused(archive, "damaged or incomplete")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(kind=st.sampled_from([*KINDS, ".gz"]), data=st.data())
def test_damaged_bytes_give_data_or_one_line(kind: str, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = gzip.compress(b"abc" * 99) if kind == ".gz" else pack(folder, kind, FILES).read_bytes()
        content = bytearray(whole)
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[place] = data.draw(st.integers(0, 255))
        archive = folder / f"archive{kind}"
        archive.write_bytes(content)
        try:
            extract(archive, folder / "out", max_bytes=10**6)
        except DataError as error:
            assert "\n" not in str(error)
            assert os.listdir(folder) == [archive.name]


@settings(max_examples=60, deadline=None)
@given(kind=st.sampled_from([*KINDS, ".gz"]), content=st.binary(max_size=600))
def test_any_bytes_give_data_or_one_line(kind: str, content: bytes) -> None:
    magic = {".zip": b"PK\x03\x04", ".tar.xz": b"\xfd7zXZ\0", ".tar.bz2": b"BZh9", ".tar": b""}.get(
        kind, b"\x1f\x8b\x08"
    )
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / f"archive{kind}"
        archive.write_bytes(magic + content)
        try:
            list(read_members(archive))
        except DataError as error:
            assert "\n" not in str(error)


def test_unknown_ending_and_absent_archive(tmp_path: Path) -> None:
    (tmp_path / "data.rar").write_bytes(b"x")
    refused(tmp_path / "data.rar", ".tar.gz")
    refused(tmp_path / "absent.zip", "no such archive")


def test_absent_and_overlong_member(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", FILES)
    with pytest.raises(DataError, match="has no member 'x'"):
        read_member(archive, "x")
    with pytest.raises(DataError, match="is longer than 10 B"):
        read_member(archive, "a/one.txt", max_bytes=10)


def test_a_small_member_of_a_large_archive_can_be_read(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".tar.gz", {"large": os.urandom(50_000), "small": b"x"})
    assert read_member(archive, "small", max_bytes=1) == b"x"


def test_an_occupied_folder_is_not_touched(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", FILES)
    (tmp_path / "out").mkdir()
    extract(archive, tmp_path / "out")
    with pytest.raises(DataError, match="already exists"):
        extract(archive, tmp_path / "out")
    assert files_in(tmp_path / "out") == FILES


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path, ".tar", FILES)
    real = open

    def full(path: object, mode: str = "r", *rest: object) -> object:
        if "x" in mode:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, mode, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr("builtins.open", full)
    with pytest.raises(DataError, match="no space is left") as caught:
        extract(archive, tmp_path / "out")
    assert "\n" not in str(caught.value) and os.listdir(tmp_path) == [archive.name]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    archive = pack(tmp_path, ".zip", FILES)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        extract(archive, tmp_path / "file" / "out")


def test_an_interrupt_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path, ".zip", FILES)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("convzoo.datasets.archives._write_new", interrupt)
    with pytest.raises(KeyboardInterrupt):
        extract(archive, tmp_path / "out")
    assert os.listdir(tmp_path) == [archive.name]
