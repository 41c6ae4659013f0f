"""What `predict --explain` and `Run.explain` say of each word, held against leaving the words out by hand."""

import json
import re
import sys
from pathlib import Path

import pytest
from conftest import refused

import convzoo

TEXT = "the plot is  dull , but\tthe lead is great !"
SMALL = ["train.epochs=2", "train.batch_size=20", "model.channels=8", "model.embedding_size=8", "baselines=[]"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, convzoo.Run]:
    """A run on classes, on numbers and on several labels at once."""
    home = tmp_path_factory.mktemp("explained")
    words = ["fine", "poor", "great", "dull"]
    labels = {
        "classification": lambda at: ["good", "bad"][at % 2],
        "regression": lambda at: f"{[4.5, 1.5, 5.0, 2.0][at % 4]}",
        "multi_label": lambda at: ["kind|short", "short", "kind", "long|short"][at % 4],
    }
    found = {}
    for task, label in labels.items():
        table = home / f"{task}.csv"
        rows = [f"a {words[at % 4]} film number {at},{label(at)}" for at in range(80)]
        table.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
        best = [] if task == "classification" else [f"task={task}", "encoder.evidence=none"]
        found[task] = convzoo.run("sentiment_cnn1d", [*SMALL, *best], data=table, out=home / task, quiet=True)
    return found


@pytest.mark.parametrize("task", ["classification", "regression", "multi_label"])
def test_a_weight_is_what_the_answer_loses_without_the_word(runs, task: str) -> None:
    run = runs[task]
    (found,) = run.explain(TEXT)
    (said,) = run.predict(TEXT)
    explanation = found.pop("explanation")
    assert found == said

    def strengths(text: str) -> dict[str, float]:
        (prediction,) = run.predict([text])
        return prediction.get("probabilities") or {"": prediction["value"]}

    if task == "multi_label":
        assert list(explanation) == (said["labels"] or list(explanation))
        explained = explanation
    else:
        explained = {said.get("label", ""): explanation}
    words = TEXT.split()
    for answer, each in explained.items():
        assert [word["text"] for word in each] == words
        assert [TEXT[word["start"] : word["end"]] for word in each] == words
        for at, word in enumerate(each):
            without = " ".join([*words[:at], *words[at + 1 :]])
            assert word["weight"] == pytest.approx(strengths(TEXT)[answer] - strengths(without)[answer], abs=2e-6)
        assert any(abs(word["weight"]) > 1e-4 for word in each)


def test_a_training_text_is_explained_as_a_text_that_the_classifier_has_not_seen(runs) -> None:
    """Its evidence in training is that of another fold, and would differ from that of the text without a word."""
    run = runs["classification"]
    (found,) = run.explain("a fine film number 0")
    assert sum(abs(word["weight"]) for word in found["explanation"] if word["text"] in ("a", "film")) < 0.1


def test_only_words_that_the_network_is_given_are_explained_however_long_the_text_is(runs) -> None:
    run = runs["classification"]
    long = "word " * 100_000
    (found,) = run.explain([long])
    assert len(found["explanation"]) == run.encoder.max_length


def test_each_written_character_is_explained_where_a_script_has_no_spaces(runs) -> None:
    text = "我喜欢 film ไม่"
    (found,) = runs["classification"].explain(text)
    assert [word["text"] for word in found["explanation"]] == ["我", "喜", "欢", "film", "ไ", "ม่"]
    assert all(text[word["start"] : word["end"]] == word["text"] for word in found["explanation"])


def test_the_command_prints_writes_and_colours_them(runs, cli, tmp_path: Path, monkeypatch) -> None:
    run = runs["classification"]
    expected = run.explain([TEXT, "a fine film"])
    lines = cli("predict", run.path, TEXT, "a fine film", "--explain", "--json").out.splitlines()
    for line, prediction in zip(map(json.loads, lines), expected, strict=True):
        assert line["explanation"] == prediction["explanation"]
    for name in ("a.jsonl", "a.csv"):
        assert cli("predict", run.path, TEXT, "a fine film", "--explain", "-o", name).code == 0
    written = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["explanation"] for row in written] == [each["explanation"] for each in expected]
    assert '""weight""' in (tmp_path / "a.csv").read_text(encoding="utf-8")
    plain = cli("predict", run.path, "a fine film", "--explain").out
    strongest = max(expected[1]["explanation"], key=lambda word: abs(word["weight"]))
    assert f"{strongest['text']} {strongest['weight']:+.3g}" in plain and "\x1b" not in plain
    assert "speaks for it" in plain or "speaks against it" in plain

    import convzoo.commands.predict as command

    monkeypatch.setattr(command, "_takes_colours", lambda: True)
    coloured = cli("predict", run.path, "a fine \x1b[2J film", "--explain").out
    assert "\x1b[34m" in coloured or "\x1b[35m" in coloured
    assert "\x1b[2J" not in coloured and "\\x1b[2J" in coloured
    said = cli("predict", run.path, "a fine \x1b[2J film").out
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured).splitlines()[1].split() == said.split()


def test_no_colours_without_a_terminal_or_where_the_user_wants_none(monkeypatch) -> None:
    from convzoo.commands.predict import _takes_colours

    monkeypatch.setattr(sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert _takes_colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not _takes_colours()


def test_several_labels_and_numbers_have_their_own_words(runs, cli) -> None:
    number = cli("predict", runs["regression"].path, "a great film", "--explain").out
    assert "raises it: " in number or "lowers it: " in number
    several = cli("predict", runs["multi_label"].path, "a great film", "--explain").out.splitlines()
    (found,) = runs["multi_label"].explain("a great film")
    assert [line.strip().partition(":")[0] for line in several[1:]] == list(found["explanation"])


def test_other_inputs_are_refused_in_a_line(cli, small_run) -> None:
    run = small_run("gauges_cnn2d")
    refused(cli("predict", run, "nothing.png", "--explain"), 2, "--explain: is there for texts", "report.html")
    with pytest.raises(convzoo.RecipeError, match="explain: is there for texts"):
        convzoo.Run.load(run).explain(["nothing.png"])


@pytest.mark.parametrize("task", ["classification", "regression", "multi_label"])
def test_the_page_has_the_same_numbers(runs, task: str) -> None:
    """The titles of the shaded words are the weights that `explain` gives for that text."""
    run = runs[task]
    page = (run.path / "report.html").read_text(encoding="utf-8")
    rows = re.findall(r'<p class="words">((?:<span class="w.*?</span> ?)+)</p>', page)
    assert rows
    seen = 0
    for row in rows:
        spans = re.findall(r'title="([^"]*)">([^<]*)</span>', row)
        (found,) = run.explain(" ".join(word for _, word in spans))
        explained = found["explanation"]
        lists = list(explained.values()) if task == "multi_label" else [explained]
        shown = [float(title) for title, _ in spans]
        seen += any([word["weight"] for word in each] == pytest.approx(shown, rel=0.006, abs=1e-5) for each in lists)
    assert seen == len(rows)
