"""What data may do to the terminal: names that no disk can hold, escape codes, encodings that lack characters."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Result, refused

import convzoo
from convzoo.cli import main
from convzoo.core.errors import ConvzooError
from convzoo.core.text import harmless, json_line

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")  # the report's figures have no picture of an escape code

LONG, NUL = "a" * 261, "a\0b"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


# Names


@pytest.mark.parametrize("name", [LONG, NUL, f"{LONG}.csv", "b\0.png", f"/tmp/{LONG}/x.jsonl"])
@pytest.mark.parametrize(
    "words",
    [
        "show NAME", "run NAME", "check NAME", "describe NAME", "run sentiment_cnn1d --data NAME",
        "check emotion_cnn2d --data NAME", "run sentiment_cnn1d --quiet TINY --out NAME", "run --resume NAME",
        "run sentiment_cnn1d --resume NAME", "predict NAME x", "predict IMAGES NAME", "predict SERIES NAME",
        "predict TEXTS x -o NAME", "evaluate NAME", "evaluate TEXTS --data NAME", "export NAME",
        "export TEXTS --format torch --out NAME", "schema --out NAME", "check sentiment_cnn1d data=TABLE",
        "check emotion_cnn2d data=FOLDER", "check sentiment_cnn1d train.start_from=QUOTED",
        "check sentiment_cnn1d TINY encoder.vectors=QUOTED", "show sentiment_cnn1d model.name=OWN",
    ],
)  # fmt: skip
def test_a_name_that_no_disk_can_hold_is_refused_in_a_line(cli, small_run, tiny, words, name):
    quoted = json.dumps(name)
    runs = {"TEXTS": "sentiment_cnn1d", "IMAGES": "emotion_cnn2d", "SERIES": "anomaly_cnn1d"}
    given: list[str] = []
    for word in words.split():
        if word == "TINY":
            given += tiny("sentiment_cnn1d")
        elif word in runs:
            given.append(str(small_run(runs[word])))
        else:
            for key, value in (
                ("TABLE", f"{{name: text_table, path: {quoted}}}"), ("FOLDER", f"{{name: image_folder, path: {quoted}}}"),
                ("QUOTED", quoted), ("OWN", json.dumps(f"{name}.py:Net")), ("NAME", name),
            ):  # fmt: skip
                word = word.replace(key, value)
            given.append(word)
    result = cli(*given)
    error = refused(result, 2 if result.code == 2 else 3)
    assert "Error" not in error
    assert len(error) < 700


@pytest.mark.parametrize("name", [LONG, NUL])
def test_the_api_refuses_a_name_that_no_disk_can_hold(small_run, name):
    for call in (
        lambda: convzoo.Run.load(name),
        lambda: convzoo.run("sentiment_cnn1d", data=name),
        lambda: convzoo.run(name),
        lambda: convzoo.run(resume=name),
        lambda: convzoo.Run.load(small_run("emotion_cnn2d")).predict(name),
    ):
        with pytest.raises(ConvzooError):
            call()


def test_a_folder_with_the_name_of_a_table_is_refused_in_a_line(cli, tmp_path):
    (tmp_path / "x.csv").mkdir()
    refused(cli("check", "emotion_cnn2d", "--data", "x.csv"), 3, "x.csv")


def test_an_export_that_cannot_be_written_leaves_what_was_there(cli, small_run, tmp_path):
    run = small_run("sentiment_cnn1d")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("mine")
    for out in ("folder", "file/model.pt2", "a\udcff.pt2"):
        refused(cli("export", run, "--format", "torch", "--out", out), 3)
    assert (tmp_path / "file").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


# Escape codes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\x07\x08\x7fb", "a\\x07\\x08\\x7fb"),
        ("\x9b2J", "\\x9b2J"),
        ("ab\u202egnp.exe", "ab\\u202egnp.exe"),
        ("a\rb\x85c\u2028d", "a\\rb\\x85c\\u2028d"),
        ("\udcff", "\\udcff"),
        ("line\nand\ttab, é, 日本, 🎬", "line\nand\ttab, é, 日本, 🎬"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text, shown):
    assert harmless(text) == shown
    for encoding in (None, "utf-8", "ascii", "cp1252"):
        line = json_line({"text": text}, encoding)
        assert json.loads(line)["text"] == text
        assert not CONTROLS.search(line)
        line.encode(encoding or "utf-8")


EVIL = "\x1b]0;owned\x07\x9b2J\u202etxt"


@pytest.fixture(scope="module")
def evil(tmp_path_factory, tiny) -> tuple[Path, Path, list[Result]]:
    """Data whose labels, texts, columns and file name hold escape codes; a run of it; and what was printed on the way."""
    home = tmp_path_factory.mktemp("evil")
    table = home / f"t{EVIL}.csv"
    kinds = (("fine", "good"), ("poor", "bad"))
    rows = "".join(f"film {at} is {kinds[at % 2][0]}{EVIL},{kinds[at % 2][1]}{EVIL},x\n" for at in range(80))
    table.write_text(f"text,label,more{EVIL}\n" + rows, encoding="utf-8")
    settings = [word for word in tiny("sentiment_cnn1d") if not word.startswith("data.")]
    printed = [
        inside(home, "check", "sentiment_cnn1d", *settings, "--data", table),
        inside(home, "run", "sentiment_cnn1d", *settings, "--data", table, "--out", home / f"run{EVIL}"),
    ]
    return table, home / f"run{EVIL}", printed


def inside(folder: Path, *words: object) -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        out, err = io.StringIO(), io.StringIO()
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        code = main([str(word) for word in words])
    return Result(code, out.getvalue(), err.getvalue())


def test_escape_codes_in_data_never_reach_the_terminal(evil, tmp_path):
    table, run, printed = evil
    printed = [
        *printed,
        inside(tmp_path, "predict", run, f"a fine film {EVIL}"),
        inside(tmp_path, "predict", run, "a film", "-o", f"x{EVIL}.csv"),
        inside(tmp_path, "evaluate", run, "--data", table),
        inside(tmp_path, "describe", run),
        inside(
            tmp_path,
            "show",
            "sentiment_cnn1d",
            f"data={{name: text_table, path: {json.dumps(str(table))}}}",
            "--origin",
        ),
        inside(tmp_path, "export", run, "--format", "torch"),
    ]
    for result in printed:
        assert result.code == 0, result
        assert not CONTROLS.search(result.out + result.err), result
    assert "good\\x1b]0;owned\\x07\\x9b2J\\u202etxt" in printed[0].out  # said of the classes
    assert "good\\x1b" in printed[2].out or "bad\\x1b" in printed[2].out
    assert "fine film \\x1b" in printed[2].out


def test_escape_codes_in_an_error_are_shown(cli, evil):
    table, run, _ = evil
    for words in (
        ["run", f"no{EVIL}"],
        ["run", "sentiment_cnn1d", f"model.chan{EVIL}=3"],
        ["run", "sentiment_cnn1d", "--data", table, f"data.label=lab{EVIL}"],
        ["predict", run.parent / f"none{EVIL}", "x"],
    ):
        result = cli(*words)
        assert result.code in (2, 3)
        assert "\\x1b]0;owned" in result.err
        assert not CONTROLS.search(result.err)


def test_json_is_exact_and_shows_no_escape_code(cli, evil):
    _, run, _ = evil
    text = f"a fine film {EVIL}"
    result = cli("predict", run, text, "--json")
    assert not CONTROLS.search(result.out)
    found = json.loads(result.out)
    assert found["input"] == text
    assert found["label"] in (f"good{EVIL}", f"bad{EVIL}")


def test_markup_in_names_of_layers_is_text(cli, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self, vocabulary_size: int, classes: int) -> None:\n"
        "        super().__init__()\n        self.table = nn.Embedding(vocabulary_size, 4)\n"
        "        self.add_module('[red]out[/red]', nn.Linear(4, classes))\n\n"
        "    def forward(self, tokens):\n        return self._modules['[red]out[/red]'](self.table(tokens).mean(dim=1))\n"
    )
    result = cli(
        "describe", "sentiment_cnn1d", "data.train=60", "data.val=20", "data.test=20", "model={name: 'mine.py:Net'}"
    )
    assert "[red]out[/red]" in result.out, result.err


# Encodings


def printed_as(encoding: str, *words: object) -> tuple[int, bytes, bytes]:
    """What a command prints on a terminal of another encoding."""
    out, err = io.BytesIO(), io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        streams = [io.TextIOWrapper(stream, encoding=encoding, write_through=True) for stream in (out, err)]
        patch.setattr(sys, "stdout", streams[0])
        patch.setattr(sys, "stderr", streams[1])
        code = main([str(word) for word in words])
        for stream in streams:
            stream.flush()
    return code, out.getvalue(), err.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_without_a_character_shows_an_escape(small_run, tiny, tmp_path, monkeypatch, encoding):
    monkeypatch.chdir(tmp_path)
    run = small_run("sentiment_cnn1d")
    settings = [word for word in tiny("sentiment_cnn1d") if not word.startswith("data.")]
    rows = "".join(
        f"film {at} {'schön 日本' if at % 2 else 'poor'},{'gut 日本' if at % 2 else 'schön'}\n" for at in range(60)
    )
    (tmp_path / "tâble.csv").write_text("text,label\n" + rows, encoding="utf-8")
    for words in (
        ["list"], ["show", "sentiment_cnn1d"], ["describe", run], ["doctor"], ["data", "list"], ["schema"],
        ["predict", run, "schön, 日本 🎬"], ["evaluate", run], ["check", "sentiment_cnn1d", *settings, "--data", "tâble.csv"],
        ["run", "sentiment_cnn1d", *settings, "--data", "tâble.csv", "--out", "rün"],
    ):  # fmt: skip
        code, out, _ = printed_as(encoding, *words)
        assert code == 0, words
        out.decode(encoding)
    code, out, _ = printed_as(encoding, "predict", "rün", "schön 日本 🎬", "--json")
    assert json.loads(out.decode(encoding))["input"] == "schön 日本 🎬"  # also where it is escaped
    assert printed_as(encoding, "show", "nö日")[0] == 2
    assert printed_as(encoding, "predict", "rün", "schön 日本 🎬", "-o", "x.csv")[0] == 0
    assert "schön 日本 🎬" in (tmp_path / "x.csv").read_text(encoding="utf-8")
    assert "gut 日本" in (tmp_path / "rün" / "encoder.json").read_text(encoding="utf-8")


def test_a_process_in_the_c_locale_reads_and_writes_utf_8(small_run, tmp_path):
    run = small_run("sentiment_cnn1d")
    (tmp_path / "texts.csv").write_text("text,label\nschön 日本,positive\npoor,negative\n", encoding="utf-8")
    environment = {
        "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path), "LC_ALL": "C", "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    words = ["predict", str(run), "schön", "-o", "out.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "convzoo", *words], cwd=tmp_path, env=environment, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert json.loads((tmp_path / "out.jsonl").read_bytes().decode("utf-8"))["label"]
