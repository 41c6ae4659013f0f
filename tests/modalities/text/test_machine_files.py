"""Tables of texts that machines damaged: what is odd is said, with its place."""

from pathlib import Path

ROWS = [
    (f"{'a good day' if number % 2 else 'an awful night'} {number}", "yes" if number % 2 else "no")
    for number in range(30)
]


def table(*rows: str) -> str:
    return "\n".join(["text,label", *rows]) + "\n"


def test_rows_inside_a_quoted_text_are_noticed(cli, tmp_path: Path) -> None:
    lines = [f"{text},{label}" for text, label in ROWS]
    lines[4] = '"' + lines[4]
    lines[9] = ROWS[9][0] + '",' + ROWS[9][1]
    (tmp_path / "odd.csv").write_text(table(*lines))
    found = cli("check", "sentiment_cnn1d", "--data", tmp_path / "odd.csv")
    assert found.code == 0, found.err
    said = found.out + found.err
    assert "odd.csv:6: the text holds 5 lines that look like rows of their own" in said
    quiet = cli("check", "sentiment_cnn1d", "--data", tmp_path / "odd.csv", "data.quotes=false")
    assert quiet.code == 0, quiet.err
    assert "look like rows" not in quiet.out + quiet.err


def test_texts_of_several_lines_are_no_stray_quotes(cli, tmp_path: Path) -> None:
    (tmp_path / "fine.csv").write_text(table(*(f'"{text}\nand, then, more",{label}' for text, label in ROWS)))
    found = cli("check", "sentiment_cnn1d", "--data", tmp_path / "fine.csv")
    assert found.code == 0, found.err
    assert "look like rows" not in found.out + found.err


def test_nul_characters_are_noticed(cli, tmp_path: Path) -> None:
    text = table(*(f"{text},{label}" for text, label in ROWS)).replace("good", "go\0od", 3)
    (tmp_path / "odd.csv").write_text(text)
    found = cli("check", "sentiment_cnn1d", "--data", tmp_path / "odd.csv")
    assert found.code == 0, found.err
    assert "3 texts hold NUL characters (the first is " in found.out + found.err
