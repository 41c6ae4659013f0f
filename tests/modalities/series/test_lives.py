"""Remaining lives: the generator, C-MAPSS, own tables, the scores, the intervals, opponents, streams."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import refused

from convzoo.core.errors import DataError
from convzoo.layers.trends import CausalTrends
from convzoo.metrics.remaining_life import RemainingLifeMeter, asymmetric_cost
from convzoo.modalities.series.data.cmapss import Cmapss
from convzoo.modalities.series.data.own_lives import LifeTable
from convzoo.modalities.series.data.run_to_failure import RunToFailure
from convzoo.modalities.series.life_baselines import LifeTrees, window_statistics
from convzoo.tasks.remaining_life import RemainingLife

MIRROR = Path(os.environ.get("CONVZOO_MIRROR") or "nowhere") / "cmapss"


def table(path: Path, rows: list[str], heading: str = "unit,hour,heat") -> Path:
    path.write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return path


def pumps(count: int = 5, length: int = 12) -> list[str]:
    random = np.random.default_rng(0)
    return [f"P{unit},{hour},{random.normal():.3f}" for unit in range(count) for hour in range(length)]


# The scores


def test_the_asymmetric_score_is_the_published_formula():
    errors = torch.tensor([-13.0, -1.0, 0.0, 1.0, 10.0], dtype=torch.float64)
    by_hand = [math.exp(-d / 13) - 1 if d < 0 else math.exp(d / 10) - 1 for d in errors.tolist()]
    assert asymmetric_cost(errors, 13, 10).tolist() == pytest.approx(by_hand)
    assert math.isfinite(float(asymmetric_cost(torch.tensor([1e6]), 13, 10)))


def test_scores_are_of_judged_rows_only_capped_and_not():
    meter = RemainingLifeMeter(125.0, 13.0, 10.0)
    nan = math.nan
    answers = torch.tensor([[nan, 100.0, nan], [nan, nan, 145.0]])
    lives = torch.tensor([[1.0, 110.0, 3.0], [4.0, 5.0, 125.0]]).unsqueeze(2)
    meter.update(torch.cat([lives, lives - 20, lives + 5], dim=2), {"answers": answers})
    found = meter.compute()
    assert found["rmse"] == pytest.approx(math.sqrt(100 / 2))
    assert found["rmse_uncapped"] == pytest.approx(math.sqrt((100 + 400) / 2))
    assert found["asymmetric_score"] == pytest.approx(math.e - 1)
    assert found["asymmetric_score_uncapped"] == pytest.approx(math.e - 1 + math.exp(20 / 13) - 1)
    assert found["coverage"] == 1.0
    assert found["mean_width"] == 25.0
    once = {name: float(values[0]) for name, values in meter.resampled(np.ones((1, 2))).items()}
    assert once == pytest.approx(found)


def test_intervals_hold_the_wanted_fraction_and_stay_between_zero_and_the_cap():
    task = RemainingLife(60.0, 30.0, cap=125.0, coverage=0.9)
    outputs = torch.tensor([[[5.0, 0.0, 0.0], [-5.0, 0.0, 0.0], [0.0, -9.0, -9.0]]])
    life, low, high = task.row_answers(outputs)[0].unbind(dim=1)
    assert life.tolist() == [125.0, 0.0, 62.5]
    assert bool(((low >= 0) & (low <= life) & (life <= high) & (high <= 125)).all())


def test_the_costs_constants_follow_the_cap():
    assert (RemainingLife(1.0, 1.0, cap=125.0).early, RemainingLife(1.0, 1.0, cap=125.0).late) == (13.0, 10.0)
    assert RemainingLife(500.0, 1.0).late == pytest.approx(80.0)


# The network's fixed filters


def test_trends_are_means_and_slopes_of_the_last_rows():
    x = torch.randn(1, 2, 40, dtype=torch.float64)
    layer = CausalTrends([8])
    found = layer(x, torch.ones_like(x[:, :1]))
    mean, _, slope = window_statistics(x[0].numpy().T, 8)
    assert pytest.approx(mean) == found[0, 2:4].numpy().T
    assert pytest.approx(slope[7:] * 4) == found[0, 4:6, 7:].numpy().T
    assert found[0, :2].equal(x[0])


def test_window_statistics_are_those_of_each_window():
    values = np.random.default_rng(0).normal(1000, 1, (30, 2))
    mean, deviation, slope = window_statistics(values, 5)
    for row in (0, 1, 3, 10, 29):
        part = values[max(0, row - 4) : row + 1]
        assert mean[row] == pytest.approx(part.mean(axis=0))
        assert deviation[row] == pytest.approx(part.std(axis=0), abs=1e-6)
        if len(part) > 1:
            assert slope[row] == pytest.approx(np.polyfit(np.arange(len(part)), part, 1)[0], abs=1e-6)


def test_trees_know_nothing_of_later_rows():
    splits = RunToFailure(train=4, val=1, test=1, cuts=1).read()
    trees = LifeTrees(cap=125, window=10, rounds=3)
    trees.fit(splits.train, {})
    whole = splits.train[0]
    features = trees._features(whole)
    for stop in (3, 9, 10, 40):
        part = type(whole)(whole.table, whole.unit, whole.start, whole.start + stop, whole.start)
        assert trees._features(part)[-1] == pytest.approx(features[stop - 1])


# The generator


def test_a_simulated_machine_is_cut_before_its_failure_and_its_life_is_what_is_left():
    splits = RunToFailure(train=3, val=2, test=4, cuts=3).read()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (3, 6, 4)
    for example in splits.train:
        assert example.targets[-1] == 1
        assert example.judged.all()
    for example in [*splits.val, *splits.test]:
        end = int(example.table.starts[example.unit + 1])
        assert example.targets[-1] == end - example.stop + 1
        assert example.judged.sum() == 1
    assert 0 < splits.ceiling["test/rmse"] < splits.ceiling["test/rmse_uncapped"]


def test_without_chance_the_ceiling_is_almost_nothing():
    splits = RunToFailure(train=1, val=1, test=20, chance=0.0).read()
    assert splits.ceiling["test/rmse"] < RunToFailure(train=1, val=1, test=20).read().ceiling["test/rmse"]


# C-MAPSS


def engines(folder: Path, **changed: str) -> Path:
    from contracts.forms.data.cmapss import form

    form(folder)
    for name, words in changed.items():
        (folder / f"{name}_FD002.txt").write_text(words)
    return folder


def test_the_engines_of_a_set_with_six_conditions_are_read(tmp_path):
    splits = Cmapss(str(engines(tmp_path)), "FD002", val=0.34, cuts=3).read()
    assert [example.targets[-1] for example in splits.test] == [12, 40, 5]
    assert {example.name for example in splits.train}.isdisjoint(example.name for example in splits.val)
    assert len(splits.val) == 6
    assert all(example.targets[-1] == 0 for example in splits.train)
    assert splits.test[0].table.number_names[:4] == ("altitude", "mach", "throttle", "T2")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"RUL": "12\n40\n"}, "has 2 lives, but test_FD002.txt has 3 engines"),
        ({"RUL": "12\n-4\n5\n"}, "RUL_FD002.txt:2: a life of -4"),
        ({"RUL": "12\nmany\n5\n"}, "RUL_FD002.txt:2: 'many' is not a number"),
        ({"test": "1 1 0 0\n"}, "test_FD002.txt:1: has 4 numbers, expected 26"),
        ({"test": "1 2 " + "0 " * 24 + "\n"}, "test_FD002.txt:1: engine 1 is at cycle 2; expected 1"),
        ({"test": "1 1 " + "0 " * 23 + "nan\n"}, "number 26 is nan"),
        ({"test": "".join(f"{unit} 1 " + "0 " * 24 + "\n" for unit in (1, 2, 1))}, "engine 1 is there a second time"),
    ],
)
def test_damaged_files_of_engines_are_refused_with_their_line(tmp_path, changed, said):
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        Cmapss(str(engines(tmp_path, **changed)), "FD002").read()


def test_a_set_that_cannot_be_fetched_says_what_to_do():
    with pytest.raises(DataError, match=r"data\.path=FOLDER with train_FD003\.txt"):
        Cmapss(subset="FD003").read()


@pytest.mark.skipif(not (MIRROR / "train_FD001.txt").is_file(), reason="needs the files of C-MAPSS (CONVZOO_MIRROR)")
def test_the_real_engines_are_as_published():
    splits = Cmapss(str(MIRROR)).read()
    assert len(splits.train[0].table) == 20_631
    assert (len(splits.train), len({example.name for example in splits.val})) == (80, 20)
    assert sum(map(len, splits.test)) == 13_096
    assert sum(example.targets[-1] > 125 for example in splits.test) == 11
    assert splits.test[0].targets[-1] == 112


# One's own units


def test_without_a_column_of_lives_a_unit_fails_at_its_last_row(tmp_path):
    splits = LifeTable(str(table(tmp_path / "pumps.csv", pumps())), cuts=2).read()
    assert splits.train[0].targets.tolist() == list(range(11, -1, -1))
    assert len(splits.test) == 2
    assert "life: until the last row of its unit" in splits.described["columns"]


def test_lives_of_dates_are_hours_and_of_rows_rows(tmp_path):
    dated = [f"P{unit},2024-01-0{1 + day},1.5" for unit in range(4) for day in range(6)]
    splits = LifeTable(str(table(tmp_path / "d.csv", dated, "unit,date,heat"))).read()
    assert splits.train[0].targets.tolist() == [120, 96, 72, 48, 24, 0]
    counted = [f"P{unit},{value}.5" for unit in range(4) for value in range(6)]
    splits = LifeTable(str(table(tmp_path / "r.csv", counted, "unit,heat"))).read()
    assert splits.train[0].targets.tolist() == [5, 4, 3, 2, 1, 0]


def test_a_file_a_unit_is_read(tmp_path):
    for unit in range(4):
        table(tmp_path / f"pump{unit}.csv", [f"{hour},{unit + hour / 7:.3f}" for hour in range(10)], "hour,heat")
    splits = LifeTable(str(tmp_path), cuts=1).read()
    assert {example.name for part in (splits.train, splits.val, splits.test) for example in part} == {
        f"pump{unit}" for unit in range(4)
    }


def test_columns_that_say_when_a_unit_fails_are_not_learnt_from(tmp_path):
    rows = [
        f"{row},{24 * (11 - int(row.split(',')[1]))},{int(row.endswith('1'))},{11 - int(row.split(',')[1])}"
        for row in pumps()
    ]
    path = table(tmp_path / "pumps.csv", rows, "unit,hour,heat,countdown,failures_since_service,life_left_days")
    splits = LifeTable(str(path)).read()
    assert splits.train[0].table.number_names == ("heat", "failures_since_service")
    assert "not learnt from: countdown, life_left_days" in splits.described["columns"]
    assert "countdown" in " ".join(splits.notes)
    taken = LifeTable(str(path), channels=["heat", "countdown"]).read()
    assert taken.train[0].table.number_names == ("heat", "countdown")
    flagged = table(
        tmp_path / "flag.csv", [f"{row},{int(row.split(',')[1] == '11')}" for row in pumps()], "unit,hour,heat,failure"
    )
    assert LifeTable(str(flagged)).read().train[0].table.number_names == ("heat",)


def test_a_life_with_its_unit_in_its_name_is_the_target(tmp_path):
    rows = [f"{row},{(11 - int(row.split(',')[1])) / 24:.4f}" for row in pumps()]
    splits = LifeTable(str(table(tmp_path / "pumps.csv", rows, "unit,hour,heat,RUL_days"))).read()
    assert splits.train[0].targets[0] == pytest.approx(11 / 24, abs=1e-4)
    assert splits.train[0].table.number_names == ("heat",)


def test_the_only_column_of_times_is_the_time_and_rows_are_sorted_by_it(tmp_path):
    rows = [f"P{unit};0{1 + day}.02.2024 06:00;1,5" for unit in range(4) for day in range(6)]
    path = table(tmp_path / "d.csv", rows[::-1], "Asset ID;Messzeitpunkt;heat")
    splits = LifeTable(str(path)).read()
    assert splits.train[0].targets.tolist() == [120, 96, 72, 48, 24, 0]
    assert "'Messzeitpunkt' holds times, and is taken as the time" in " ".join(splits.notes)
    assert len(splits.train[0].table.units) == 4
    american = [f"P{unit},02/0{1 + day}/2024 06:00 PM,1.5" for unit in range(4) for day in range(6)]
    splits = LifeTable(str(table(tmp_path / "u.csv", american[::-1], "unit,Taken,heat"))).read()
    assert splits.train[0].targets.tolist() == [120, 96, 72, 48, 24, 0]


def test_cycles_that_begin_at_0_are_times_also_where_the_column_was_read_as_text(tmp_path):
    rows = [f"P{unit};{cycle},0;1,5" for unit in range(4) for cycle in range(6)]
    splits = LifeTable(str(table(tmp_path / "d.csv", rows, "unit;cycle;heat"))).read()
    assert splits.train[0].targets.tolist() == [5, 4, 3, 2, 1, 0]


def test_a_given_test_part_with_lives_is_judged_at_its_last_row(tmp_path):
    rows = [f"{row},{9 - int(row.split(',')[1])}" for row in pumps(4, 10)]
    table(tmp_path / "train.csv", rows, "unit,hour,heat,RUL")
    table(tmp_path / "test.csv", [f"T1,{hour},0.5,{20 - hour}" for hour in range(6)], "unit,hour,heat,RUL")
    splits = LifeTable(str(tmp_path)).read()
    assert [(example.judged.sum(), example.targets[-1]) for example in splits.test] == [(1, 15)]


@pytest.mark.parametrize(
    ("rows", "heading", "said"),
    [
        ([f"P,{hour},1.5" for hour in range(9)], "unit,hour,heat", "has 1 unit (P)"),
        ([f"P{u},{h},1.5,{h}" for u in range(4) for h in range(5)], "unit,hour,heat,rul", "rises from 0 to 1"),
        ([f"P{u},{h},1.5,{-h}" for u in range(4) for h in range(5)], "unit,hour,heat,rul", "says -1"),
        ([f"P{u},{h},1.5,long" for u in range(4) for h in range(5)], "unit,hour,heat,rul", "'long'"),
    ],
)
def test_wrong_tables_of_units_are_refused_in_a_line(tmp_path, cli, rows, heading, said):
    path = table(tmp_path / "units.csv", rows, heading)
    refused(cli("check", "maintenance_cnn1d", "--data", path), 3, said)


def test_a_target_that_is_named_but_not_there_is_refused(tmp_path, cli):
    path = table(tmp_path / "units.csv", pumps())
    refused(cli("check", "maintenance_cnn1d", "--data", path, "data.target=lief"), 3, "has no column 'lief'")


def test_constant_and_empty_columns_are_said(tmp_path, cli):
    rows = [f"{row},7,{'' if row.endswith('1') else '2.5'}" for row in pumps(6, 15)]
    path = table(tmp_path / "units.csv", rows, "unit,hour,heat,still,holes")
    found = cli("check", "maintenance_cnn1d", "--data", path)
    assert found.code == 0, found.err
    assert "never vary in training: still" in found.out


# Use


def test_a_stream_gives_the_lives_of_the_whole_table(cli, small_run):
    run = small_run("maintenance_cnn1d")
    machine = RunToFailure(1, 1, 1, seed=5).read().test[0]
    unit = machine.table
    first, stop = int(unit.starts[0]), 25
    heading = ",".join(["machine", "hour", *unit.number_names, *unit.category_names])
    rows = []
    for row in range(first, stop):
        numbers = ["" if math.isnan(x) else repr(float(x)) for x in unit.numbers[row]]
        rows.append(",".join(["M", str(row), *numbers, unit.category_values[0][unit.categories[row, 0]]]))
    lines = "\n".join([heading, *rows]) + "\n"
    found = cli("predict", run, "-", "--json", input=lines)
    assert found.code == 0, found.err
    stream = [json.loads(line) for line in found.out.splitlines()]
    assert len(stream) == stop - first
    from convzoo.modalities.series.history import History
    from convzoo.runs import Run

    (whole,) = Run.load(run).predict([History(unit, 0, first, stop, first)])
    assert stream[-1]["life"] == pytest.approx(whole["life"], abs=0.02)
    assert stream[-1]["low"] <= stream[-1]["life"] <= stream[-1]["high"]
