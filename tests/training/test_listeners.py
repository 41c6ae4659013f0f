"""What the terminal shows of a training."""

import pytest

from convzoo.training.events import Ended, Scored, Started
from convzoo.training.listeners import PlainListener


def shown(apart: float, count: int) -> None:
    listener = PlainListener("val/accuracy", apart=apart)
    listener(Started(0, count, 1, 8))
    listener.rate.last = ""
    for step in range(1, count + 1):
        listener(Scored(step, float(step), {"train/loss": 1.0, "val/accuracy": 0.5, "lr": 0.1}, False, 0.0))
    listener(Ended(count, 1.0))


def test_validations_that_come_faster_than_a_person_reads_share_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown(60.0, 200)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == [*map(str, range(1, 11)), "200"], "the first ten, and the last"


def test_slow_validations_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    shown(0.0, 40)
    assert len(capsys.readouterr().err.splitlines()) == 40
