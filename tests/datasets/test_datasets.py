"""Cards, and getting their files from mirrors, the cache and a network that breaks: all on 127.0.0.1."""

import contextlib
import errno
import hashlib
import http.server
import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from convzoo.core.errors import DataError, RecipeError
from convzoo.datasets import cards, download
from convzoo.datasets.cards import Card, cards_folder, list_cards, load_card, read_card
from convzoo.datasets.download import Fetched, Network, fetch
from convzoo.recipe.registry import PARTS

CONTENT = bytes(range(256)) * 4000  # 1 MB
QUICK = Network(timeout=2, attempts=3, wait=0.001)


class Server(http.server.ThreadingHTTPServer):
    """Serves `files` with ranges, notes every request, and misbehaves where `faults` says so.

    Attributes:
        faults: one for each coming request: a status to answer, or the bytes after which the connection breaks.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.faults: list[dict[str, Any]] = []
        self.ranges = True
        self.sent = 0
        self.pause = 0.0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.requests.append((self.path, asked))
        fault = self.server.faults.pop(0) if self.server.faults else {}
        time.sleep(self.server.pause)
        if "location" in fault:
            self.send_response(302)
            self.send_header("Location", fault["location"])
            self.end_headers()
            return
        if "status" in fault or self.path not in self.server.files:
            self.send_error(fault.get("status", 404))
            return
        content = self.server.files[self.path]
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and self.server.ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            wrong = fault.get("wrong_range", 0)
            self.send_header("Content-Range", f"bytes {start + wrong}-{len(content) - 1}/{len(content)}")
        if not fault.get("no_length"):
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start : start + fault.get("break_after", len(content))]
        with contextlib.suppress(OSError):  # a client that has seen enough hangs up
            self.wfile.write(body)
        self.server.sent += len(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """An empty cache, and no mirror except where a test is about the mirror of the person who runs it."""
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "cache"))
    if "own_mirror" not in request.fixturenames:
        monkeypatch.delenv("CONVZOO_MIRROR", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def own_mirror() -> Path:
    value = os.environ.get("CONVZOO_MIRROR", "")
    if not value or "://" in value:
        pytest.skip("CONVZOO_MIRROR is not set to a folder with the real files")
    return Path(value)


def card_for(files: dict[str, tuple[bytes, list[dict[str, Any]]]], **fields: Any) -> Card:
    """A card for files with their true content and their sources."""
    values = dict.fromkeys(("title", "about", "modality", "task", "split", "licence", "citation"), "words")
    entries = [
        {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "sources": sources}
        for name, (content, sources) in files.items()
    ]
    homepage = "https://example.org/"
    return Card.model_validate(
        {"name": "toy", "examples": 1, "reader": "idx", "homepage": homepage, "files": entries, **values, **fields}
    )


def simple_card(server: Server, content: bytes = CONTENT, **fields: Any) -> Card:
    server.files["/a.bin"] = content
    return card_for({"a.bin": (CONTENT, [{"url": f"{server.address}/a.bin"}])}, **fields)


def get(card: Card | str, **options: Any) -> Fetched:
    return fetch(card, progress=False, network=QUICK, **options)


def one_line(card: Card | str, *words: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        get(card, **options)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line, line
    return line


def leftovers(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "toy").glob("*"))


# Cards


@pytest.mark.parametrize("name", list_cards())
def test_every_card_is_complete(name: str) -> None:
    card = load_card(name)
    assert card.name == name and card.licence and card.citation and card.split and card.homepage
    assert card.reader in PARTS["data"]
    assert all(file.sha256 or file.md5 for file in card.files)
    assert all(entry.sources for entry in card.entries) or card.manual, "a file without a public address needs `manual`"
    assert card.embedded and (cards_folder().parent / card.embedded).is_file(), "an error must not send people astray"


def test_the_expected_cards_are_there() -> None:
    expected = {
        "mr",
        "subj",
        "sst2",
        "trec",
        "sms_spam",
        "mnist",
        "fashion_mnist",
        "fer2013",
        "cora",
        "citeseer",
        "gowalla",
        "fsdd",
        "speech_commands",
    }
    assert expected <= set(list_cards())


@pytest.mark.parametrize("name", list_cards())
def test_the_mirror_matches_the_card(name: str, own_mirror: Path) -> None:
    card = load_card(name)
    if not (own_mirror / name).is_dir():
        pytest.skip(f"the mirror has no folder {name}")
    fetched = get(name)
    assert fetched.folder == (own_mirror / name).absolute()
    assert fetched.files == {file.name: {"sha256": file.sha256, "bytes": file.bytes} for file in card.entries}


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="unknown data set 'mnits': did you mean 'mnist'"):
        load_card("mnits")
    with pytest.raises(RecipeError):
        load_card("../datasets/mr")


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda card: card.update(license="MIT"), "license: unknown key, did you mean 'licence'"),
    (lambda card: card["files"][0].update(sha265="0"), r"files\[0\].sha265: unknown key, did you mean 'sha256'"),
    (lambda card: card["files"][0]["sources"][0].update(uri="x"), r"files\[0\].sources\[0\].uri: unknown key.*'url'"),
    (lambda card: card.pop("citation"), "citation: is missing"),
    (lambda card: card.update(examples="many"), "examples: .*not 'many'"),
    (lambda card: card["files"][0].update(sha256="123"), r"files\[0\].sha256: "),
    (lambda card: card["files"][0].pop("sha256"), "needs 'sha256', or 'md5'"),
    (lambda card: card["files"][0].update(name="../evil"), r"files\[0\].name: "),
    (lambda card: card["files"][0].update(name="C:\\evil"), r"files\[0\].name: "),
    (lambda card: card["files"][0]["sources"][0].update(url="ftp://host/file"), r"sources\[0\].url: "),
    (lambda card: card["files"][0]["sources"][0].update(member="x"), "'archive' and 'member' go together"),
    (lambda card: card["files"][0]["sources"][0].clear(), "a source is either 'url' or 'archive'"),
    (lambda card: card["files"].append(card["files"][0]), "two files have the same name"),
    (lambda card: card.update(files=[]), "files: "),
    (lambda card: card.update(name="other"), "name: is 'other', but the file is called 'mr.yaml'"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_a_wrong_card_is_refused_by_place(change: Callable[[dict[str, Any]], Any], words: str, tmp_path: Path) -> None:
    value = yaml.safe_load((cards_folder() / "mr.yaml").read_text(encoding="utf-8"))
    change(value)
    path = tmp_path / "mr.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_card(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert re.search(words, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("text", ["a: [1", "- 1", "", "\x00", "name: mr\n\tx: 1"])
def test_a_card_that_is_not_yaml(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mr.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_card(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_cards_inside_an_installed_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "__file__", str(tmp_path / "site/convzoo/datasets/cards.py"))
    for place in (tmp_path / "site/datasets", tmp_path / "site/convzoo/cards"):
        place.mkdir(parents=True)
        (place / "mr.yaml").write_text("wrong")
        assert cards_folder() == place and list_cards() == ["mr"]
        with pytest.raises(DataError, match=re.escape(str(place / "mr.yaml"))):
            load_card("mr")


def test_an_unreadable_card(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_card(tmp_path / "absent.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9")
    with pytest.raises(DataError, match="not UTF-8"):
        read_card(tmp_path / "latin.yaml")


def test_an_unknown_file_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"did you mean 'rt-polarity.neg'"):
        fetch("mr", ["rt-polarity.ngt"])


def test_no_torch_is_imported() -> None:
    code = "import sys, convzoo.datasets.download; sys.exit('torch' in sys.modules or 'rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Downloads


def test_a_download_is_checked_kept_and_not_repeated(server: Server, cache: Path) -> None:
    card = simple_card(server)
    fetched = get(card)
    assert fetched.folder == cache / "toy"
    assert fetched.files == {"a.bin": {"sha256": hashlib.sha256(CONTENT).hexdigest(), "bytes": len(CONTENT)}}
    assert (fetched.folder / "a.bin").read_bytes() == CONTENT
    assert leftovers(cache) == ["a.bin"]
    server.requests.clear()
    assert get(card) == fetched and server.requests == []


@pytest.mark.parametrize("no_length", [False, True])
def test_a_broken_connection_goes_on_where_it_broke(server: Server, cache: Path, no_length: bool) -> None:
    card = simple_card(server)
    server.faults = [{"break_after": 300_000, "no_length": no_length}, {"break_after": 400_000}]
    get(card)
    assert server.requests == [("/a.bin", None), ("/a.bin", "bytes=300000-"), ("/a.bin", "bytes=700000-")]
    assert server.sent == len(CONTENT)
    assert (cache / "toy/a.bin").read_bytes() == CONTENT


def test_the_next_run_goes_on_too(server: Server, cache: Path) -> None:
    card = simple_card(server)
    server.faults = [{"break_after": 300_000}, {"status": 503}, {"status": 503}]
    one_line(card, "the server says 503", "(3 attempts)")
    assert [name.endswith(".part") for name in leftovers(cache)] == [True]
    server.requests.clear()
    get(card)
    assert server.requests == [("/a.bin", "bytes=300000-")] and leftovers(cache) == ["a.bin"]


def test_a_server_without_ranges_sends_the_whole_again(server: Server, cache: Path) -> None:
    card = simple_card(server)
    server.ranges, server.faults = False, [{"break_after": 300_000}]
    get(card)
    assert (cache / "toy/a.bin").read_bytes() == CONTENT


def test_a_server_that_sends_another_range(server: Server, cache: Path) -> None:
    card = simple_card(server)
    server.faults = [{"break_after": 300_000}, {"wrong_range": 7}]
    get(card)
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", None]
    assert (cache / "toy/a.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("start", [300_000, len(CONTENT), len(CONTENT) + 5])
def test_a_part_that_does_not_fit_is_begun_again(server: Server, cache: Path, start: int) -> None:
    """An earlier run left bytes of another version of the file."""
    card = simple_card(server)
    part = download._part(cache / "toy/a.bin", card.files[0].sources[0].address)
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * start)
    get(card)
    assert (cache / "toy/a.bin").read_bytes() == CONTENT and leftovers(cache) == ["a.bin"]


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_busy_server_is_asked_again(server: Server, status: int) -> None:
    card = simple_card(server)
    server.faults = [{"status": status}, {"status": status}]
    get(card)
    assert len(server.requests) == 3


def test_a_refusal_is_final_and_the_next_source_is_asked(server: Server, cache: Path) -> None:
    server.files["/b.bin"] = CONTENT
    sources = [{"url": f"{server.address}/{name}"} for name in ("gone", "b.bin")]
    get(card_for({"a.bin": (CONTENT, sources)}))
    assert [path for path, _ in server.requests] == ["/gone", "/b.bin"]


def test_waits_double_between_attempts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    card = simple_card(server)
    server.faults = [{"status": 500}] * 4
    with pytest.raises(DataError, match="4 attempts"):
        fetch(card, progress=False, network=Network(timeout=2, attempts=4, wait=1))
    assert [wait for wait in waits if wait] == [1, 2, 4], "the server itself sleeps for 0 seconds"


def test_a_silent_server_is_given_up(server: Server) -> None:
    card = simple_card(server)
    server.pause = 1.0
    with pytest.raises(DataError, match="no answer in time"):
        fetch(card, progress=False, network=Network(timeout=0.1, attempts=2, wait=0.001))


def test_a_tampered_file_is_refused(server: Server, cache: Path) -> None:
    card = simple_card(server, content=CONTENT[:-1] + b"!")
    found = hashlib.sha256(CONTENT[:-1] + b"!").hexdigest()
    one_line(card, f"sha256 expected {card.files[0].sha256}, found {found}", "deleted", f"{server.address}/a.bin")
    assert leftovers(cache) == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"!", b""])
@pytest.mark.parametrize("no_length", [False, True])
def test_a_file_of_another_size_is_refused(server: Server, cache: Path, content: bytes, no_length: bool) -> None:
    card = simple_card(server, content=content)
    server.faults = [{"no_length": no_length}] * 3
    one_line(card, "a.bin is not available")
    assert not (cache / "toy/a.bin").exists()


def test_a_much_larger_file_is_not_downloaded(server: Server, cache: Path) -> None:
    """With a length it is refused before its bytes are asked for, without one as soon as there are too many."""
    card = simple_card(server, content=CONTENT * 20)
    one_line(card, f"bytes expected {len(CONTENT)}, found {20 * len(CONTENT)}")
    server.faults = [{"no_length": True}]
    one_line(card, "gives more than 1.0 MB")
    assert all(path.stat().st_size <= len(CONTENT) for path in (cache / "toy").iterdir())


def test_parts_from_other_addresses_are_deleted_at_the_end(server: Server, cache: Path) -> None:
    server.files["/b.bin"] = server.files["/a.bin"] = CONTENT
    card = card_for({"a.bin": (CONTENT, [{"url": f"{server.address}/{name}"} for name in ("a.bin", "b.bin")])})
    server.faults = [{"break_after": 300_000}, {"status": 404}]
    get(card)
    assert [path for path, _ in server.requests] == ["/a.bin", "/a.bin", "/b.bin"]
    assert leftovers(cache) == ["a.bin"]


def test_md5_serves_where_nothing_better_is_published(server: Server) -> None:
    server.files["/a.bin"] = CONTENT
    entry = {"name": "a.bin", "md5": hashlib.md5(CONTENT).hexdigest(), "sources": [{"url": f"{server.address}/a.bin"}]}
    card = Card.model_validate(simple_card(server).model_dump() | {"files": [entry]})
    assert get(card).files["a.bin"]["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    server.files["/a.bin"] = b"other"
    (Path(os.environ["CONVZOO_DATA"]) / "toy/a.bin").unlink()
    one_line(card, "md5 expected")


def test_redirects_stay_on_http(server: Server) -> None:
    card = simple_card(server)
    server.faults = [{"location": "/a.bin"}]
    get(card)
    (Path(os.environ["CONVZOO_DATA"]) / "toy/a.bin").unlink()
    with socket.create_server(("127.0.0.1", 0)) as door:
        for elsewhere in (f"ftp://127.0.0.1:{door.getsockname()[1]}/a.bin", "file:///etc/passwd"):
            server.faults = [{"location": elsewhere}] * 3
            one_line(card, "is not available")
        door.settimeout(0.05)
        with pytest.raises(TimeoutError):  # nobody knocked
            door.accept()


def test_only_the_files_that_are_asked_for(server: Server, cache: Path) -> None:
    files = {f"sub/{name}.bin": (name.encode(), [{"url": f"{server.address}/{name}"}]) for name in "ab"}
    server.files = {"/a": b"a", "/b": b"b"}
    fetched = get(card_for(files), files=["sub/b.bin"])
    assert list(fetched.files) == ["sub/b.bin"] and (fetched.folder / "sub/b.bin").read_bytes() == b"b"
    assert not (cache / "toy/sub/a.bin").exists()


def test_a_progress_bar_on_standard_error(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(simple_card(server), progress=True, network=QUICK)
    assert capsys.readouterr().out == ""


# Archives as sources


def zip_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return stream.getvalue()


def tar_of(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return stream.getvalue()


@pytest.mark.parametrize(("name", "pack"), [("two.zip", zip_of), ("two.tar.gz", tar_of)])
@pytest.mark.parametrize("with_sum", [False, True])
def test_members_of_one_archive_download_it_once(
    server: Server, cache: Path, name: str, pack: Callable[[dict[str, bytes]], bytes], with_sum: bool
) -> None:
    contents = {"d/one": os.urandom(5000), "d/two": os.urandom(3000)}
    archive = pack(contents)
    server.files[f"/{name}"] = archive
    source: dict[str, Any] = {"archive": f"{server.address}/{name}?download=1"}
    server.files[f"/{name}?download=1"] = archive
    if with_sum:
        source |= {"sha256": hashlib.sha256(archive).hexdigest(), "bytes": len(archive)}
    card = card_for({key[2:]: (value, [source | {"member": key}]) for key, value in contents.items()})
    fetched = get(card)
    assert [(fetched.folder / key).read_bytes() for key in ("one", "two")] == list(contents.values())
    assert len(server.requests) == 1 and leftovers(cache) == ["one", "two"]


def test_a_wrong_archive_or_member_names_the_address(server: Server, cache: Path) -> None:
    address = f"{server.address}/x.zip"
    server.files["/x.zip"] = zip_of({"a": b"other"})
    for member, words in (("b", "has no member 'b'"), ("a", "sha256 expected")):
        one_line(card_for({"a": (b"right", [{"archive": address, "member": member}])}), address, words)
    source = {"archive": address, "member": "a", "sha256": "0" * 64}
    one_line(card_for({"a": (b"other", [source])}), address, f"sha256 expected {'0' * 64}")
    server.files["/x.zip"] = server.files["/x.zip"][:-9]
    one_line(card_for({"a": (b"other", [{"archive": address, "member": "a"}])}), address, "damaged")
    assert leftovers(cache) == []


# Mirrors


def test_a_mirror_folder_is_used_in_place(server: Server, cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    card = simple_card(server)
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/a.bin").write_bytes(CONTENT)
    for value in (str(tmp_path / "mirror"), (tmp_path / "mirror").as_uri()):
        monkeypatch.setenv("CONVZOO_MIRROR", value)
        assert get(card).folder == tmp_path / "mirror/toy"
    assert server.requests == [] and not (cache / "toy").exists()
    assert [path.name for path in (tmp_path / "mirror").rglob("*")] == ["toy", "a.bin"]


def test_a_relative_mirror(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/a.bin").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONVZOO_MIRROR", "mirror")
    assert get(simple_card(server)).folder.is_absolute()


def test_half_a_mirror_is_completed_in_the_cache(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/a").write_bytes(b"a")
    server.files = {"/b": b"b"}
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    fetched = get(card_for({name: (name.encode(), [{"url": f"{server.address}/{name}"}]) for name in "ab"}))
    assert fetched.folder == cache / "toy" and leftovers(cache) == ["a", "b"]
    assert [path for path, _ in server.requests] == ["/b"]


def test_a_tampered_mirror_is_not_believed(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirrored = tmp_path / "mirror/toy/a.bin"
    mirrored.parent.mkdir(parents=True)
    mirrored.write_bytes(CONTENT[:-1] + b"!")
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    card = simple_card(server)
    server.faults = [{"status": 404}]
    one_line(card, str(mirrored), "sha256 expected", "CONVZOO_MIRROR")
    assert (get(card).folder / "a.bin").read_bytes() == CONTENT
    assert mirrored.read_bytes() == CONTENT[:-1] + b"!", "a mirror is never written to"


def test_a_mirror_by_address_comes_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    card = simple_card(server)
    server.files["/mirror/toy/a.bin"] = CONTENT
    monkeypatch.setenv("CONVZOO_MIRROR", f"{server.address}/mirror/")
    get(card)
    assert [path for path, _ in server.requests] == ["/mirror/toy/a.bin"]


def test_a_mirror_by_address_that_lacks_the_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    card = simple_card(server)
    monkeypatch.setenv("CONVZOO_MIRROR", f"{server.address}/mirror")
    get(card)
    assert [path for path, _ in server.requests] == ["/mirror/toy/a.bin", "/a.bin"]


def test_a_mirror_of_another_kind_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVZOO_MIRROR", "s3://bucket/x")
    one_line(simple_card(server), "CONVZOO_MIRROR=s3://bucket/x", "http")


def test_file_addresses_serve_as_sources(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "with space.bin").write_bytes(CONTENT)
    card = card_for({"a.bin": (CONTENT, [{"url": (tmp_path / "with space.bin").as_uri()}])})
    assert (get(card).folder / "a.bin").read_bytes() == CONTENT


# What is remembered


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read for their checksum from now on."""
    paths: list[Path] = []
    measure = download.Expected.measure

    def counted(self: Any, path: Path) -> dict[str, Any]:
        paths.append(path)
        return measure(self, path)

    monkeypatch.setattr(download.Expected, "measure", counted)
    return paths


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_second_run_does_not_hash_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrored: bool
) -> None:
    card = simple_card(server)
    if mirrored:
        (tmp_path / "mirror/toy").mkdir(parents=True)
        (tmp_path / "mirror/toy/a.bin").write_bytes(CONTENT)
        monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    first = get(card)
    paths = hashed(monkeypatch)
    assert get(card) == first and paths == []
    os.utime(first.folder / "a.bin", ns=(1, 1))
    assert get(card) == first and paths == [first.folder / "a.bin"]


def test_a_changed_file_in_the_cache_is_replaced(server: Server) -> None:
    card = simple_card(server)
    path = get(card).folder / "a.bin"
    path.write_bytes(CONTENT[:-1] + b"!")
    os.utime(path, ns=(1, 1))
    get(card)
    assert path.read_bytes() == CONTENT and len(server.requests) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"x": 1}', '{"x": {"bytes": 1}}'])
def test_a_damaged_memory_is_forgotten(server: Server, cache: Path, text: str) -> None:
    card = simple_card(server)
    get(card)
    (memory,) = (cache / ".verified").iterdir()
    assert json.loads(memory.read_text())
    memory.write_text(text)
    get(card)
    assert len(server.requests) == 1


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_only_equal_bytes_are_as_expected(tmp_path_factory: pytest.TempPathFactory, one: bytes, other: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes", numbered=True) / "file"
    path.write_bytes(other)
    for algorithm in ("sha256", "md5"):
        expected = download.Expected(len(one), **{algorithm: hashlib.new(algorithm, one).hexdigest()})
        assert (expected.difference(expected.measure(path)) == "") == (one == other)


# When it does not work


def test_without_a_network_one_line_says_what_helps(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = time.monotonic()
    address = "http://no-such-host.invalid/a.bin"
    card = card_for({"a.bin": (CONTENT, [{"url": address}])}, embedded="recipes/toy.yaml")
    place = str(cache / "toy/a.bin")
    one_line(card, "toy: a.bin", address, "no network", "CONVZOO_MIRROR", "toy/a.bin", place, "recipes/toy.yaml runs")
    one_line(card, "; recipe 7 needs no data", alternative="recipe 7 needs no data")
    monkeypatch.setenv("CONVZOO_MIRROR", "/no/such/mirror")
    one_line(card, "CONVZOO_MIRROR", "/no/such/mirror/toy/a.bin: no such file", address)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("mirror", ["http://a..b", "http://[::1", "http://host:port", "http://"])
def test_a_mistyped_address_is_one_line(mirror: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVZOO_MIRROR", mirror)
    one_line(card_for({"a.bin": (CONTENT, [])}), "CONVZOO_MIRROR", mirror)


def test_a_server_that_refuses_every_range(server: Server) -> None:
    card = simple_card(server)
    server.faults = [{"break_after": 9}, {"status": 416}, {"status": 416}]
    one_line(card, "the server says 416")


def test_a_refused_connection_is_one_line(server: Server) -> None:
    card = card_for({"a.bin": (CONTENT, [{"url": "http://127.0.0.1:1/a.bin"}])})
    one_line(card, "no connection", "http://127.0.0.1:1/a.bin")


def test_a_file_without_public_address_says_how_to_get_it() -> None:
    card = card_for({"a.bin": (CONTENT, [])}, manual="ask the authors")
    one_line(card, "no public address: ask the authors", "CONVZOO_MIRROR")
    one_line("fer2013", "fer2013.tar.xz", "no public address", "Kaggle")


def test_a_full_disk_is_one_line_and_goes_on_later(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = simple_card(server)
    real, free = open, [500_000]

    def limited(path: Any, mode: str = "r", *rest: Any) -> Any:
        file = real(path, mode, *rest)
        if str(path).endswith(".part") and ("w" in mode or "a" in mode):
            write = file.write

            class Limited:
                def __enter__(self) -> Any:
                    return self

                def __exit__(self, *_: object) -> None:
                    file.close()

                def write(self, chunk: bytes) -> int:
                    free[0] -= len(chunk)
                    if free[0] < 0:
                        raise OSError(errno.ENOSPC, "No space left on device")
                    return int(write(chunk))

            return Limited()
        return file

    monkeypatch.setattr("builtins.open", limited)
    line = one_line(card, "no space is left", "CONVZOO_DATA")
    assert "--resume" not in line and not (cache / "toy/a.bin").exists()
    monkeypatch.undo()
    monkeypatch.setenv("CONVZOO_DATA", str(cache))
    get(card)
    assert server.requests[-1][1] is not None, "what had come is kept"
    assert (cache / "toy/a.bin").read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file stands where the folder should be: root may write anywhere else."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "file" / "cache"))
    one_line(simple_card(server), "cannot be written", "CONVZOO_DATA", str(tmp_path / "file" / "cache"))


def test_a_mirror_in_place_needs_no_cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "file"))
    (tmp_path / "mirror/toy").mkdir(parents=True)
    (tmp_path / "mirror/toy/a.bin").write_bytes(CONTENT)
    monkeypatch.setenv("CONVZOO_MIRROR", str(tmp_path / "mirror"))
    assert get(simple_card(server)).folder == tmp_path / "mirror/toy"


def test_a_filled_cache_that_cannot_be_written(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    card = simple_card(server)
    first = get(card)

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(download.filelock, "FileLock", refuse)
    assert get(card) == first
    (first.folder / "a.bin").unlink()
    one_line(card, "cannot be written", "CONVZOO_DATA")


PROGRAM = """
import sys
from convzoo.datasets.cards import Card
from convzoo.datasets.download import fetch
card = Card.model_validate_json(sys.stdin.read())
print(fetch(card, progress=False).folder)
"""


def test_two_processes_download_once(server: Server, cache: Path) -> None:
    card = simple_card(server)
    server.pause = 0.5
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", PROGRAM], stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(card.model_dump_json())
        process.stdin.close()
        process.stdin = None
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        assert out.strip() == str(cache / "toy")
    assert len(server.requests) == 1 and leftovers(cache) == ["a.bin"]
