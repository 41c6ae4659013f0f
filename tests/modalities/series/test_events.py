"""Transactions and other rare events: reading, what is known when, habits, streams."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convzoo.core.errors import DataError
from convzoo.core.randomness import Draws
from convzoo.modalities.series.data.account_model import Habits, posterior, rates, simulate
from convzoo.modalities.series.data.accounts import Accounts
from convzoo.modalities.series.data.event_split import days_of, known_at, reported_days
from convzoo.modalities.series.data.own_events import Transactions
from convzoo.modalities.series.data.units import number_in
from convzoo.modalities.series.event_encoder import EventEncoder
from convzoo.modalities.series.event_features import aggregates
from convzoo.modalities.series.habits import Past, habits_of
from convzoo.modalities.series.history import TimedHistory, UnitRows
from convzoo.models.history_cnn1d import HistoryCNN1d
from convzoo.ops.thresholds import average_precision
from convzoo.tasks.rare_events import RareEvents, platt

HEAD = "account,time,amount,merchant,is_fraud,chargeback_date"


def write(path: Path, accounts: int = 10, rows: int = 40, head: str = HEAD, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    lines = []
    for account in range(accounts):
        for row in range(rows):
            fraud = row % 8 == 7
            told = f"2024-{1 + (row + 10) // 28:02d}-{1 + (row + 10) % 28:02d}" if fraud else ""
            amount = random.lognormal(3, 0.5)
            merchant = random.choice(["fuel", "food", ""])
            time = f"2024-{1 + row // 28:02d}-{1 + row % 28:02d} {account:02d}:00:00"
            lines.append(f"c{account},{time},{amount:.2f},{merchant},{int(fraud)},{told}")
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_part_knows_the_reports_that_had_come_by_its_end() -> None:
    targets, days = np.array([1.0, 1, 0, 0, 1, 0]), np.array([0.0, 5, 6, 9, 9.5, 10])
    reported = np.array([3.0, 20, np.nan, np.nan, 9.9, np.nan])
    known = known_at(targets, days, reported, 10.0, 2.0)
    # Reported; reported later, so taken for right; right; young; reported already; young.
    np.testing.assert_array_equal(known, [1, 0, 0, np.nan, 1, np.nan])
    assert known_at(targets, days, None, 10.0, 2.0) is targets


def test_training_has_no_report_of_later_days_and_new_accounts_are_in_test_only(tmp_path: Path) -> None:
    splits = Transactions(str(write(tmp_path / "t.csv")), new=0.2).read()
    last = max(days_of(np.asarray(each.times))[-1] for each in splits.train)
    for each in splits.train:
        reported = each.table.extra["reported"][each.start : each.stop]
        assert not (np.asarray(each.targets)[~(reported <= last + 1)] == 1).any()
    train, test = ({each.name for each in part} for part in (splits.train, splits.test))
    assert len(test - train) == 2 and train < test
    encoder = EventEncoder(chunk=16, context=8)
    encoder.fit(splits.train)
    flags = encoder.encode(splits.test).target["new"][:, 0].tolist()
    new = {each.name for each, flag in zip(splits.test, flags, strict=True) if flag == 1}
    assert new == test - train
    for part, other in ((splits.train, splits.val), (splits.val, splits.test)):
        stops = {each.name: each.stop for each in part}
        assert all(each.judged_from == stops[each.name] for each in other if each.name in stops)


def test_what_tells_the_answer_is_not_learnt_from_and_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write(path, head=HEAD)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [lines[0] + ",flagged_fraud,fraud_type", *(f"{line},{line.split(',')[4]},theft" for line in lines[1:])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    splits = Transactions(str(path)).read()
    table = splits.train[0].table
    assert table.number_names == ("amount",) and table.category_names == ("merchant",)
    assert any("flagged_fraud" in note for note in splits.notes)
    assert set(table.extra) == {"reported", "amount", "kind"}


def test_without_a_column_of_answers_what_was_reported_is_fraud(tmp_path: Path) -> None:
    splits = Transactions(str(write(tmp_path / "t.csv")), target="none").read()
    assert any("counts as fraud" in note for note in splits.notes)
    assert sum(float(np.nansum(each.targets)) for each in splits.train) > 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"time": "none"}, "has no column of times"),
        ({"reported": "chargeback"}, "data.reported: has no column 'chargeback'"),
        ({"amount": "amont"}, "data.amount: has no column 'amont'"),
        ({"reported": "merchant"}, "is not a time"),
        ({"train": 0.9, "val": 0.2}, "at most 1 together"),
    ],
)
def test_wrong_settings_are_one_line(settings: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as caught:
        Transactions(str(write(tmp_path / "t.csv")), **settings).read()
    assert "\n" not in str(caught.value)


def test_a_table_whose_account_is_unknown_is_not_taken_for_one_account(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", head=HEAD.replace("account", "acct"))
    with pytest.raises(DataError, match=r"which column names the account\? it has acct, time"):
        Transactions(str(path)).read()
    assert len(Transactions(str(path), unit="acct").read().test) == 10


def test_a_column_that_says_the_answer_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    lines = [lines[0] + ",blocked", *(f"{line},{line.split(',')[4]}" for line in lines[1:])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert any("'blocked' says the answer of 100 %" in note for note in Transactions(str(path)).read().notes)


def test_data_without_answers_are_refused_before_training(tmp_path: Path) -> None:
    splits = Transactions(str(write(tmp_path / "t.csv")), target="none", reported="none").read()
    with pytest.raises(DataError, match="no row of the training split has an answer"):
        RareEvents(0.1).require(splits)


def random_table(rows: int = 60, units: int = 3) -> UnitRows:
    random = np.random.default_rng(0)
    numbers = random.lognormal(3, 1, (rows, 2))
    numbers[::7, 1] = np.nan
    codes = random.integers(-1, 3, (rows, 2)).astype(np.int32)
    times = (
        np.datetime64("2024-01-01", "ms") + np.sort(random.integers(0, 10**9, (units, rows // units)), axis=1).ravel()
    )
    starts = np.arange(units + 1) * (rows // units)
    values = (("a", "b", "c"), ("x", "y", "z"))
    names = tuple(f"u{unit}" for unit in range(units))
    return UnitRows("t", numbers, ("m", "n"), codes, ("k", "l"), values, times, np.zeros(rows), names, starts)


def test_habits_are_those_of_counting_row_by_row_and_do_not_look_ahead() -> None:
    table = random_table()
    found = habits_of(table.numbers, table.categories, table.starts, [0, 1])
    for first, last in zip(table.starts[:-1], table.starts[1:], strict=True):
        past = Past()
        for row in range(first, last):
            one = past.next(table.numbers[row], table.categories[row].tolist(), [0, 1])
            np.testing.assert_allclose(one, found[row], atol=1e-9)
    earlier = table.numbers[: table.starts[1]]
    again = habits_of(earlier[:10], table.categories[:10], np.array([0, 10]), [0, 1])
    np.testing.assert_allclose(again, found[:10], atol=1e-9)


def test_aggregates_do_not_look_ahead() -> None:
    table = random_table()
    whole, names = aggregates(table)
    assert whole.shape == (60, len(names))
    part = UnitRows(
        "t", table.numbers[:12], table.number_names, table.categories[:12], table.category_names, table.category_values,
        np.asarray(table.times)[:12], None, ("u0",), np.array([0, 12]),
    )  # fmt: skip
    # The hour is counted from 1970, whatever the table.
    np.testing.assert_allclose(aggregates(part)[0], whole[:12], rtol=1e-4, atol=1e-4)


def test_a_stream_gives_the_scores_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", accounts=3)
    splits = Transactions(str(path)).read()
    encoder = EventEncoder(chunk=16, context=8)
    encoder.fit(splits.train)
    torch.manual_seed(0)
    task = RareEvents(0.1)
    dims = task.model_dims(encoder.dims)
    model = HistoryCNN1d(
        dims["in_channels"], dims["category_sizes"], dims["outputs"], channels=8, dilations=[1, 2]
    ).eval()
    lines = path.read_text(encoding="utf-8").splitlines()
    ordered = [lines[0], *sorted(lines[1:], key=lambda line: line.split(",")[1])]
    streamed: dict[str, list[float]] = {}
    with torch.no_grad():
        for row in task.follow(model, encoder.stream(ordered)):
            streamed.setdefault(row["unit"], []).append(row["score"])
        for history in encoder.from_inputs([str(path)]):
            (found,) = task.decode(task.predict(model, encoder.encode([history])))
            np.testing.assert_allclose(streamed[history.name], found["score"], atol=1e-5)


def test_every_quiet_piece_is_learnt_from_in_turn() -> None:
    splits = Accounts(accounts=12, days=60, fraud=10, seed=1).read()
    encoder = EventEncoder(chunk=8, context=4, quiet=0.25)
    encoder.fit(splits.train)
    pieces = encoder.pieces(splits.train)
    loud = len(pieces.loud)
    assert 0 < loud < len(pieces) < loud + len(pieces.silent)
    seen = []
    for epoch in range(40):
        drawn = pieces.drawn(range(len(pieces)), Draws(0, epoch, range(len(pieces))))
        places = [(each.unit, each.judged_from) for each in drawn]
        assert len(set(places)) == len(places)
        assert all((np.asarray(each.targets)[each.judged] == 1).any() for each in drawn[:loud])
        seen += places
    assert len(set(seen)) > 0.95 * (loud + len(pieces.silent))


def test_the_ceiling_is_a_probability_that_is_true() -> None:
    random = np.random.default_rng(0)
    habits, begins = Habits.drawn(150, random), rates(20, 2)
    events = simulate(habits, begins, 24 * 60, 1.0, random)
    inside = events.times < 24 * 60
    chances, fraud = posterior(events, habits, begins, 1.0)[inside], events.fraud[inside]
    assert 0.012 < fraud.mean() < 0.03
    for low, high in ((0.05, 0.3), (0.3, 0.7), (0.7, 1.01)):
        chosen = (chances >= low) & (chances < high)
        assert chances[chosen].mean() == pytest.approx(fraud[chosen].mean(), abs=0.08)
    assert average_precision(chances, fraud) > 0.8


def test_the_score_is_made_a_probability() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(-2, 2, 20_000)
    truth = (random.uniform(size=20_000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(float)
    slope, offset = platt(logits, truth)
    assert slope == pytest.approx(0.5, abs=0.05) and offset == pytest.approx(-1, abs=0.1)
    assert platt(logits, np.zeros(20_000)) == (1.0, 0.0)


def test_times_are_days() -> None:
    assert days_of(np.array(["1970-01-02T12:00"], dtype="datetime64[m]"))[0] == 1.5
    assert days_of(np.array([86_400.0 * 20_000]))[0] == 20_000
    assert days_of(np.array([86_400e3 * 20_000]))[0] == 20_000
    assert days_of(np.array([36.0]))[0] == 1.5


def test_amounts_are_read_as_they_are_printed(tmp_path: Path) -> None:
    texts = {"$1,234.50": 1234.5, "$-77.00": -77, "-$5.10": -5.1, "12.5 €": 12.5, "1,234,567": 1234567, "7": 7}
    assert {text: number_in(text, False) for text in texts} == texts
    assert number_in("1.234,50 €", True) == 1234.5
    assert [number_in(text, False) for text in ("1,234", "1,5", "$", "12$5", "EUR")] == [None] * 5
    path = write(tmp_path / "cards.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split(",") for line in lines[1:]]
    money = [",".join([*row[:2], f'"${1000 + float(row[2]):,.2f}"', *row[3:]]) for row in rows]
    path.write_text("\n".join([lines[0], *money]), encoding="utf-8")
    table = Transactions(str(path)).read().train[0].table
    assert table.extra["amount"][0] == table.numbers[0, 0] == pytest.approx(1000 + float(rows[0][2]))


def test_an_amount_that_is_no_number_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "cards.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [",".join([*row[:2], "much", *row[3:]]) for row in (line.split(",") for line in lines[1:])]
    path.write_text("\n".join([lines[0], *words]), encoding="utf-8")
    splits = Transactions(str(path)).read()
    assert "nothing is said of what is saved" in " ".join(splits.notes)
    assert "amount: amount" not in splits.described["columns"]


def test_reports_have_the_day_first_where_that_is_said() -> None:
    like = np.array(["2024-04-01"], dtype="datetime64[ms]")
    april, march = (np.datetime64(day) for day in ("2024-04-03", "2024-03-04"))
    found = [reported_days(["03/04/2024"], like, day_first)[0] for day_first in (True, False)]
    assert found == days_of(np.array([april, march])).tolist()
    with pytest.raises(DataError, match=r"no date with the month first; set data\.day_first=true"):
        reported_days(["23/04/2024"], like)


def test_numbers_that_count_as_hours_are_said(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    rows = [f"c{row % 9},{row * 3600},{row % 7},{int(row % 8 == 7)}" for row in range(360)]
    path.write_text("\n".join(["account,time,amount,is_fraud", *rows]), encoding="utf-8")
    assert any("count as hours" in note for note in Transactions(str(path)).read().notes)


def test_histories_of_one_account_may_stand_in_several_splits() -> None:
    table = random_table()
    assert TimedHistory.whole(table, 1).group is None
