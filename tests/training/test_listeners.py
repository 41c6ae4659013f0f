"""What the terminal shows of a training."""

import io

from convzoo.training.events import Ended, Scored, Started
from convzoo.training.listeners import PlainListener


def test_validations_that_come_faster_than_a_person_reads_share_lines() -> None:
    stream = io.StringIO()
    listener = PlainListener("val/accuracy", stream, apart=60.0)
    listener(Started(0, 200, 1, 8))
    for step in range(1, 201):
        listener(Scored(step, float(step), {"train/loss": 1.0, "val/accuracy": 0.5, "lr": 0.1}, False, 0.0))
    listener(Ended(200, 1.0))
    lines = stream.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == [*map(str, range(1, 11)), "200"], "the first ten, and the last"


def test_slow_validations_have_a_line_each() -> None:
    stream = io.StringIO()
    listener = PlainListener("val/accuracy", stream, apart=0.0)
    listener(Started(0, 40, 1, 8))
    for step in range(1, 41):
        listener(Scored(step, float(step), {"train/loss": 1.0, "val/accuracy": 0.5, "lr": 0.1}, False, 0.0))
    assert len(stream.getvalue().splitlines()) == 40
