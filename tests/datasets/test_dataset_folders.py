"""Folders as entries of a card: from mirrors, the cache and archives, checked as a whole."""

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_datasets import Server, cache, get, leftovers, one_line, server  # noqa: F401

from convzoo.core.errors import DataError
from convzoo.datasets import folders
from convzoo.datasets.cards import Card, cards_folder, load_card, read_card

FILES = {"a.wav": b"a" * 1000, "deep/b.wav": b"b" * 500, "deep/c.wav": b""}


def zipped(files: dict[str, bytes], below: str = "top/clips/") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("top/README", b"not wanted")
        for name, content in files.items():
            archive.writestr(below + name, content)
    return buffer.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(folder: Path, files: dict[str, bytes] = FILES) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def listed(files: dict[str, bytes]) -> str:
    """The checksum as `sha256sum` and `sort` make it."""
    lines = sorted(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def folder_card(sources: list[dict[str, Any]], **fields: Any) -> Card:
    values = dict.fromkeys(("title", "about", "modality", "task", "split", "licence", "citation"), "words")
    entry = {
        "name": "clips", "files": len(FILES), "bytes": sum(map(len, FILES.values())), "sha256": listed(FILES), "sources": sources,
    }  # fmt: skip
    homepage = "https://example.org/"
    return Card.model_validate(
        {"name": "toy", "examples": 1, "reader": "idx", "homepage": homepage, "folders": [entry], **values, **fields}
    )


def from_server(
    server: Server,  # noqa: F811
    content: bytes | None = None,
    member: str | None = "top/clips",
    name: str = "all.zip",
) -> Card:
    server.files[f"/{name}"] = zipped(FILES) if content is None else content
    source = {"archive": f"{server.address}/{name}"} | ({"member": member} if member else {})
    return folder_card([source])


def test_the_checksum_is_of_the_sorted_list(tmp_path: Path) -> None:
    measured = folders.measure(write(tmp_path / "x"))
    assert measured == {"files": 3, "bytes": 1500, "sha256": listed(FILES)}
    (tmp_path / "x" / ".DS_Store").write_bytes(b"what macOS leaves behind")
    assert folders.measure(tmp_path / "x") == measured


def test_an_archive_gives_the_folder_once(server: Server, cache: Path) -> None:  # noqa: F811
    card = from_server(server)
    fetched = get(card)
    assert fetched.folder == cache / "toy" and fetched.files == {"clips": {"sha256": listed(FILES), "bytes": 1500}}
    assert {
        p.relative_to(cache / "toy/clips").as_posix(): p.read_bytes() for p in (cache / "toy/clips").rglob("*.wav")
    } == FILES
    assert leftovers(cache) == ["clips"]
    get(card)
    assert len(server.requests) == 1


def test_a_whole_archive_without_a_member(server: Server, cache: Path) -> None:  # noqa: F811
    get(from_server(server, tarred(FILES), None, "all.tar.gz"))
    assert (cache / "toy/clips/deep/b.wav").read_bytes() == FILES["deep/b.wav"]


def test_a_mirror_folder_is_used_in_place(server: Server, cache: Path, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: F811
    write(tmp_path / "mirror/toy/clips")
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    assert get(from_server(server)).folder == tmp_path / "mirror/toy"
    assert server.requests == [] and not (cache / "toy").exists()


def test_half_a_mirror_is_completed_in_the_cache(server: Server, cache: Path, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: F811
    write(tmp_path / "mirror/toy/clips")
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    server.files["/a.bin"] = b"x"
    file = {
        "name": "a.bin",
        "sha256": hashlib.sha256(b"x").hexdigest(),
        "sources": [{"url": f"{server.address}/a.bin"}],
    }
    fetched = get(folder_card([], files=[file]))
    assert fetched.folder == cache / "toy" and sorted(fetched.files) == ["a.bin", "clips"]
    assert (cache / "toy/clips/a.wav").read_bytes() == FILES["a.wav"]


def test_a_tampered_mirror_is_not_believed(server: Server, cache: Path, tmp_path: Path, monkeypatch: Any) -> None:  # noqa: F811
    write(tmp_path / "mirror/toy/clips", FILES | {"a.wav": b"z" * 1000})
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    assert get(from_server(server)).folder == cache / "toy"
    assert (cache / "toy/clips/a.wav").read_bytes() == FILES["a.wav"]


def test_a_mirror_by_address_is_asked_for_the_archive(server: Server, cache: Path, monkeypatch: Any) -> None:  # noqa: F811
    server.files["/mirror/toy/all.zip"] = zipped(FILES)
    monkeypatch.setenv("CONVZOO_MIRROR", f"{server.address}/mirror")
    get(folder_card([{"archive": "https://example.org/all.zip", "member": "top/clips"}]))
    assert [path for path, _ in server.requests] == ["/mirror/toy/all.zip"]


def test_the_next_source_is_asked(server: Server, cache: Path) -> None:  # noqa: F811
    server.files |= {"/wrong.zip": zipped(FILES | {"a.wav": b"z" * 1000}), "/right.zip": zipped(FILES)}
    sources = [
        {"archive": f"{server.address}/{name}.zip", "member": "top/clips"} for name in ("absent", "wrong", "right")
    ]
    get(folder_card(sources))
    assert leftovers(cache) == ["clips"]


CHANGES: list[tuple[dict[str, bytes], str]] = [
    (FILES | {"a.wav": b"z" * 1000}, f"sha256 expected {listed(FILES)}"),
    ({"a.wav": FILES["a.wav"]}, "files expected 3, found 1"),
    (FILES | {"more.wav": b""}, "files expected 3, found 4"),
    (FILES | {"a.wav": b"aa"}, "bytes expected 1500, found 502"),
]


@pytest.mark.parametrize(("content", "words"), CHANGES)
def test_a_wrong_archive_is_one_line(content: dict[str, bytes], words: str, server: Server, cache: Path) -> None:  # noqa: F811
    one_line(from_server(server, zipped(content)), "toy: clips is not available", words, "deleted", "all.zip")
    assert leftovers(cache) == []


def test_an_archive_without_the_folder_is_one_line(server: Server, cache: Path) -> None:  # noqa: F811
    one_line(from_server(server, member="top/other"), "has no folder 'top/other'")
    one_line(from_server(server, b"this is no archive"), "is damaged or incomplete")
    assert leftovers(cache) == []


def test_an_archive_that_would_write_elsewhere_is_refused(server: Server, cache: Path) -> None:  # noqa: F811
    one_line(from_server(server, zipped({"../../../evil.wav": b"x"})), "would be written outside")
    assert not list(cache.parent.rglob("evil.wav"))


def test_a_damaged_folder_in_the_cache_is_replaced(server: Server, cache: Path) -> None:  # noqa: F811
    card = from_server(server)
    get(card)
    for damage in (
        lambda: (cache / "toy/clips/a.wav").write_bytes(b"z"),
        lambda: (cache / "toy/clips/deep/b.wav").unlink(),
        lambda: (cache / "toy/clips/extra.wav").write_bytes(b"z"),
    ):
        damage()
        get(card)
        assert folders.measure(cache / "toy/clips")["sha256"] == listed(FILES)
    assert leftovers(cache) == ["clips"]


def test_a_second_run_does_not_hash_again(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    card = from_server(server)
    get(card)

    def refuse(path: Path) -> dict[str, Any]:
        raise AssertionError(f"{path} is measured again")

    monkeypatch.setattr(folders, "measure", refuse)
    assert get(card).files["clips"]["bytes"] == 1500


def test_no_source_says_how_to_get_it() -> None:
    one_line(
        folder_card([], manual="ask the author"),
        "clips is not available",
        "no public address: ask the author",
        "put it at",
    )


WRONG: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda card: card["folders"][0].update(file=3), "did you mean 'files'"),
    (lambda card: card["folders"][0].update(files=0), r"folders\[0\].files"),
    (lambda card: card["folders"][0].update(name="../evil"), r"folders\[0\].name"),
    (lambda card: card["folders"][0].pop("sha256"), r"folders\[0\].sha256: is missing"),
    (lambda card: card["folders"][0]["sources"][0].update(url="https://x.org/a"), r"sources\[0\].url: unknown key"),
    (lambda card: card["folders"].append(card["folders"][0]), "two files have the same name"),
    (lambda card: card.pop("folders"), "at least one file or folder"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_a_wrong_card_is_refused_by_place(change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path) -> None:
    value = yaml.safe_load((cards_folder() / "fsdd.yaml").read_text(encoding="utf-8"))
    change(value)
    (tmp_path / "fsdd.yaml").write_text(yaml.safe_dump(value), encoding="utf-8")
    with pytest.raises(DataError, match=words):
        read_card(tmp_path / "fsdd.yaml")


def test_the_commands_know_folders(cli) -> None:
    assert "21.1 MB" in next(line for line in cli("data", "list").out.splitlines() if line.startswith("fsdd"))
    shown = cli("data", "show", "fsdd").out
    assert "folder: recordings  3,000 files, 21.1 MB" in shown and "(address not tried)" in shown
    assert load_card("fsdd").select(["recordings"])[0].name == "recordings"
