"""Unusual events: what is foretold, what of it is surprising, and that no answer and no row itself plays a part."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from convzoo.core.errors import DataError
from convzoo.modalities.series.data.accounts import Accounts
from convzoo.modalities.series.data.own_events import Transactions
from convzoo.modalities.series.event_encoder import EventEncoder
from convzoo.modalities.series.history import TimedHistory, UnitRows
from convzoo.models.history_cnn1d import HistoryCNN1d
from convzoo.tasks.unusual_events import UnusualEvents


def habitual(units: int = 6, rows: int = 80) -> UnitRows:
    """Accounts that spend the same in turn: 10 at a, then 100 at b."""
    turn = np.tile(np.arange(rows) % 2, units)
    random = np.random.default_rng(0)
    amounts = np.where(turn, 100.0, 10.0) * random.lognormal(0, 0.02, units * rows)
    days = np.datetime64("2024-01-01", "ms") + (np.arange(rows) * 86_400_000).astype("timedelta64[ms]")
    days = np.tile(days, units) + random.integers(0, 3_600_000, units * rows).astype("timedelta64[ms]")
    names = tuple(f"u{unit}" for unit in range(units))
    return UnitRows(
        "t", amounts[:, None], ("amount",), turn[:, None].astype(np.int32), ("shop",), (("a", "b"),), days, None, names,
        np.arange(units + 1) * rows, extra={"amount": amounts},
    )  # fmt: skip


def parts(table: UnitRows) -> tuple[EventEncoder, UnusualEvents, HistoryCNN1d]:
    encoder = EventEncoder(chunk=32, context=16, habits=False)
    encoder.fit([TimedHistory.whole(table, unit) for unit in range(len(table.units))])
    task = build(encoder)
    torch.manual_seed(0)
    dims = task.model_dims(encoder.dims)
    model = HistoryCNN1d(
        dims["in_channels"], dims["category_sizes"], dims["outputs"], channels=12, dilations=[1, 2]
    ).eval()
    return encoder, task, model


def build(encoder: EventEncoder, **settings: object) -> UnusualEvents:
    names = ("channel_names", "foretold_channels", "empty_channels", "category_names", "category_sizes")
    return UnusualEvents(**{name: encoder.dims[name] for name in names}, **settings)


def test_a_row_that_is_unlike_its_unit_gets_the_highest_score_and_its_column_is_named() -> None:
    table = habitual()
    encoder, task, model = parts(table)
    examples = [TimedHistory.whole(table, unit) for unit in range(len(table.units))]
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    batch = encoder.encode(examples)
    for _ in range(150):
        loss = sum(task.losses(model(**batch.inputs), batch.target).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        task.calibrate(model, [batch])
    task.decay = 0.0
    odd = np.array(table.numbers)
    odd[[31, 160 + 50]] *= [[0.05], [4]]  # at the first and at the third account
    codes = np.array(table.categories)
    codes[240 + 61] = -1  # at the fourth account, no shop
    with torch.no_grad():
        found = task.decode(
            task.predict(
                model,
                encoder.encode(
                    [replace(each, table=replace(table, numbers=odd, categories=codes)) for each in examples]
                ),
            )
        )
    for unit, row, column in ((0, 31, "amount"), (2, 50, "amount"), (3, 61, "shop")):
        assert int(found[unit]["score"].argmax()) == row
        assert found[unit]["column"][row] == column and found[unit]["alarm"][row] == 1
        assert {"row": row, "column": column}.items() <= max(
            found[unit]["alarms"], key=lambda each: each["score"]
        ).items()
    assert found[0]["highest"] > 3 * found[1]["highest"]
    assert all(each["score"][0] == 0 and each["column"][0] == "" for each in found), (
        "nothing stands before the first row"
    )


def test_a_score_is_that_of_the_definition_and_the_row_itself_is_not_seen() -> None:
    table = habitual()
    encoder, task, model = parts(table)
    batch = encoder.encode([TimedHistory.whole(table, 0)])
    with torch.no_grad():
        outputs = model(**batch.inputs)[0].double()
        answers = task.predict(model, batch)[0]
    row, probabilities = 20, outputs[19, 16:].softmax(0)  # after 4 for all rows and 4 for each of 3 codes
    values = batch.inputs["numbers"][0, :, row].double()
    code = int(batch.inputs["categories"][0, 0, row])
    shape = outputs[19, :4] + outputs[19, 4 + 4 * code : 8 + 4 * code]
    expected = []
    for at, channel in enumerate(encoder.dims["foretold_channels"]):
        scale = shape[2 + at].exp()
        density = (-(values[channel] - shape[at]).abs() / scale).exp() / (2 * scale)
        expected.append(-density.log())
    expected.append(-probabilities[code].log())
    assert task.columns == ["amount", "gap", "shop"]
    assert answers[row, 2].item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-4)
    before = task.predict(model, batch)[0, row - 1, 0].item()
    assert answers[row, 0].item() == pytest.approx(3 * answers[row, 2].item() + 0.8 * before, rel=1e-4)
    # Another row 20 changes what foretells row 21, and not what foretells row 20.
    changed = {name: value.clone() for name, value in batch.inputs.items()}
    changed["numbers"][0, :, row] += 1.0
    with torch.no_grad():
        again = model(**changed)[0].double()
    torch.testing.assert_close(again[:row], outputs[:row])
    assert not torch.allclose(again[row], outputs[row])


def test_the_loss_is_the_mean_surprise_of_judged_rows_and_pieces_add_up() -> None:
    table = habitual()
    encoder, task, model = parts(table)
    pieces = encoder.pieces([TimedHistory.whole(table, unit) for unit in range(2)])
    with torch.no_grad():
        losses = []
        for chosen in ([0, 1, 2, 3], [0, 1], [2, 3]):
            batch = encoder.encode([pieces[at] for at in chosen])
            found = task.losses(model(**batch.inputs), batch.target)
            assert batch.size == int(batch.target["judged"].sum())
            losses.append((sum(float(value) for value in found.values()), batch.size))
    (whole, size), *rest = losses
    assert whole == pytest.approx(sum(value * count for value, count in rest) / size, rel=1e-5)


def test_empty_cells_are_not_foretold() -> None:
    table = habitual()
    numbers = np.array(table.numbers)
    numbers[5::7] = math.nan
    encoder, task, model = parts(replace(table, numbers=numbers, extra={}))
    batch = encoder.encode([TimedHistory.whole(replace(table, numbers=numbers), 0)])
    with torch.no_grad():
        found = task.surprises(
            model(**batch.inputs)[:, :-1], batch.inputs["numbers"][..., 1:], batch.inputs["categories"][..., 1:]
        )
    missing = np.isnan(numbers[1:80, 0])
    np.testing.assert_array_equal(found[0, :, 0].isnan().numpy(), missing)
    assert not found[..., 1:].isnan().any()


def test_a_stream_gives_the_scores_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path)
    splits = Transactions(str(path), learns_answers=False).read()
    encoder = EventEncoder(chunk=16, context=8)
    encoder.fit(splits.train)
    task = build(encoder)
    dims = task.model_dims(encoder.dims)
    torch.manual_seed(0)
    model = HistoryCNN1d(dims["in_channels"], dims["category_sizes"], dims["outputs"], channels=8, dilations=[1, 2])
    model = model.eval()
    lines = path.read_text(encoding="utf-8").splitlines()
    ordered = [lines[0], *sorted(lines[1:], key=lambda line: line.split(",")[1])]
    streamed: dict[str, list[tuple[float, str]]] = {}
    with torch.no_grad():
        task.calibrate(model, [encoder.encode(splits.val)])
        for row in task.follow(model, encoder.stream(ordered)):
            streamed.setdefault(row["unit"], []).append((row["score"], row["column"]))
        for history in encoder.from_inputs([str(path)]):
            (found,) = task.decode(task.predict(model, encoder.encode([history])))
            scores, columns = zip(*streamed[history.name], strict=True)
            np.testing.assert_allclose(scores, found["score"], atol=1e-4)
            assert list(columns) == found["column"].tolist()


def write(path: Path, accounts: int = 4, rows: int = 40) -> None:
    random = np.random.default_rng(0)
    lines = ["account,time,amount,shop,fraud"]
    for account in range(accounts):
        for row in range(rows):
            time = f"2024-{1 + row // 28:02d}-{1 + row % 28:02d} {account + random.integers(0, 9):02d}:00:00"
            lines.append(
                f"c{account},{time},{random.lognormal(3, 0.5):.2f},{random.choice(['a', 'b', ''])},{int(row % 8 == 7)}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_known_answers_reach_the_scores_and_never_the_training(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    own = Transactions(str(tmp_path / "t.csv"), learns_answers=False).read()
    made = Accounts(accounts=12, days=60, fraud=10, learns_answers=False).read()
    for splits in (own, made):
        assert all(each.targets is None for each in splits.train)
        assert all(each.targets is not None for each in [*splits.val, *splits.test])
    assert any("for the scores only" in note for note in own.notes)
    encoder = EventEncoder(chunk=16, context=8)
    encoder.fit(made.train)
    pieces = encoder.pieces(made.train)
    assert len(pieces.loud) == 0 and pieces.places == len(pieces.silent), "an epoch learns from all pieces alike"
    # The threshold, too, is chosen without answers.
    task, other = build(encoder), build(encoder)
    dims = task.model_dims(encoder.dims)
    model = HistoryCNN1d(dims["in_channels"], dims["category_sizes"], dims["outputs"], channels=4, dilations=[1])
    batch = encoder.encode(made.val)
    with torch.no_grad():
        task.calibrate(model.eval(), [batch])
        batch.target["answers"][:] = math.nan
        other.calibrate(model, [batch])
    assert task.state() == other.state()


def test_a_category_of_too_many_values_is_looked_at_only_and_that_is_said() -> None:
    table = habitual()
    encoder, _, _ = parts(table)
    task = build(encoder, most_values=2)
    assert task.columns == ["amount", "gap"] and task.row_outputs == 4
    dims = task.model_dims(encoder.dims)
    model = HistoryCNN1d(dims["in_channels"], dims["category_sizes"], dims["outputs"], channels=4, dilations=[1])
    batch = encoder.encode([TimedHistory.whole(table, 0)])
    assert task.losses(model(**batch.inputs), batch.target).keys() == {"numbers"}
    splits = Accounts(accounts=8, days=40, learns_answers=False).read()
    assert any("'shop' has too many values" in line for line in task.cautions(splits))


def test_without_a_column_that_varies_nothing_can_be_foretold() -> None:
    with pytest.raises(DataError, match="nothing to foretell"):
        UnusualEvents([], [], [], [], [])
