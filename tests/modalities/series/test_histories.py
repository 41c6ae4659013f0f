"""Units and their rows: reading, encoding, following."""

from pathlib import Path

import numpy as np
import pytest
import torch

from convzoo.core.errors import DataError
from convzoo.modalities.series.data.own_units import UnitTable
from convzoo.modalities.series.data.units import Roles, read_units, time_in
from convzoo.modalities.series.history import History, Pieces, UnitRows
from convzoo.modalities.series.history_encoder import HistoryEncoder
from convzoo.models.history_cnn1d import HistoryCNN1d
from convzoo.reading.damaged import Damaged

ROLES = Roles(unit_names=("unit", "engine"), time_names=("time", "cycle"), target_names=("target", "rul"))


def read(path: Path, text: str, roles: Roles = ROLES) -> tuple[UnitRows, list[str]]:
    path.write_text(text, encoding="utf-8")
    return read_units([path], roles, Damaged(what="rows"), str(path))


def table_of(folder: Path, units: int = 4, rows: int = 30, seed: int = 0) -> Path:
    random = np.random.default_rng(seed)
    lines = ["unit,time,a,b,kind,target"]
    for row in range(rows):
        for unit in range(units):
            b = "" if random.random() < 0.2 else f"{random.lognormal():.4f}"
            minute = row * 7 + int(random.integers(5))
            lines.append(
                f"u{unit},2024-03-0{1 + minute // 1440} {minute // 60 % 24:02d}:{minute % 60:02d}:00,"
                f"{random.normal() + unit:.4f},{b},{random.choice(['x', 'y', 'zz'])},{rows - row}"
            )
    path = folder / "units.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_rows_are_sorted_by_unit_and_time_and_know_their_lines(tmp_path: Path) -> None:
    table, notes = read(tmp_path / "a.csv", "engine,cycle,x,rul\n10,2,5,0\n2,1,7,3\n10,1,4,1\n2,2,8,\n")
    assert table.units == ("2", "10")
    np.testing.assert_array_equal(table.numbers[:, 0], [7, 8, 4, 5])
    np.testing.assert_array_equal(table.targets, [3, np.nan, 1, 0])
    np.testing.assert_array_equal(table.lines, [3, 5, 4, 2])
    assert "sorted by time" in notes[0]
    assert table.place(3) == f"{tmp_path / 'a.csv'}:2"


def test_columns_are_numbers_categories_or_not_used_with_the_reason(tmp_path: Path) -> None:
    rows = "".join(f"{at},u,{at},{at * 0.5},{at % 3},note {at},{'ab'[at % 2]}\n" for at in range(200))
    table, notes = read(tmp_path / "a.csv", "row,unit,time,x,mcc,remark,colour\n" + rows)
    assert table.number_names == ("x",)
    assert table.category_names == ("mcc", "colour")
    assert any("'row' counts the rows" in note for note in notes)
    assert any("'remark' has 200 different texts" in note for note in notes)


def test_a_damaged_cell_names_its_line_and_does_not_make_a_category(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv:3: column 'x' holds 'oops', which is not a number"):
        read(tmp_path / "a.csv", "unit,time,x\nu,1,2.0\nu,2,oops\nu,3,1.0\n")


def test_two_rows_of_one_unit_and_time_are_refused_and_counted_where_they_are_left_out(tmp_path: Path) -> None:
    text = "unit,time,x\nu,1,2\nu,1,3\nv,1,4\n"
    with pytest.raises(DataError, match=r"a\.csv:3: unit u has another row of the time 1"):
        read(tmp_path / "a.csv", text)
    table, notes = read(tmp_path / "a.csv", text, Roles(duplicates="last", unit_names=("unit",), time_names=("time",)))
    assert table.numbers[:, 0].tolist() == [3, 4]
    assert "1 rows with the unit and time of another row were left out" in notes[0]


def test_dates_of_other_countries() -> None:
    assert time_in("01.05.2024 9:30") == np.datetime64("2024-05-01T09:30")
    assert time_in("01/05/2024", day_first=True) == np.datetime64("2024-05-01")
    assert time_in("01/05/2024") == np.datetime64("2024-01-05")
    assert np.isnat(time_in("soon"))


def test_pieces_hold_every_judged_row_once_and_never_cross_a_unit(tmp_path: Path) -> None:
    table, _ = read_units([table_of(tmp_path)], ROLES, Damaged(what="rows"), "t")
    histories = [
        History.whole(table, 0),
        History(table, 1, int(table.starts[1]), int(table.starts[2]), int(table.starts[1]) + 11),
    ]
    pieces = Pieces(histories, chunk=8, context=5)
    judged = [row for piece in pieces for row in range(piece.judged_from, piece.stop)]
    assert sorted(judged) == [*range(30), *range(41, 60)]
    assert len(judged) == len(set(judged))
    assert all(table.starts[piece.unit] <= piece.start <= piece.judged_from for piece in pieces)
    assert max(len(piece) for piece in pieces) <= 8 + 5


def test_an_empty_cell_takes_the_last_value_also_from_before_a_piece(tmp_path: Path) -> None:
    table, _ = read(tmp_path / "a.csv", "unit,time,x,y\nu,1,2,1\nu,2,,2\nu,3,,3\nu,4,8,4\nv,1,,1\nv,2,6,2\nv,3,7,2\n")
    encoder = HistoryEncoder(times=False)
    whole = [History.whole(table, unit) for unit in range(2)]
    encoder.fit(whole)
    assert encoder.channel_names == ("x", "y", "x is empty")
    found = encoder.collate(whole).inputs["numbers"].numpy()
    assert found[0, 0, 0] == found[0, 0, 1] == found[0, 0, 2] != found[0, 0, 3]
    assert found[1, 0, 0] == 0  # nothing is known: the mean
    np.testing.assert_array_equal(found[0, 2, :4], [0, 1, 1, 0])
    part = encoder.collate([History(table, 0, 2, 4, 2)]).inputs["numbers"].numpy()
    np.testing.assert_array_equal(part[0, :, :2], found[0, :, 2:4])


def test_numbers_have_mean_0_and_deviation_1_within_their_operating_condition(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = ["unit,time,load,x"]
    for unit in range(5):
        for time in range(60):
            load = int(random.integers(3)) * 10
            rows.append(f"{unit},{time},{load},{load * 100 + random.normal() * (load + 1)}")
    table, _ = read(tmp_path / "a.csv", "\n".join(rows) + "\n")
    encoder = HistoryEncoder(conditions=3, condition_columns=["load"], log=[])
    whole = [History.whole(table, unit) for unit in range(5)]
    encoder.fit(whole)
    batch = encoder.collate(whole)
    x, condition = batch.inputs["numbers"][:, 1].flatten(), batch.inputs["categories"][:, 0].flatten()
    assert encoder.category_sizes == [4]
    for number in (1, 2, 3):
        assert x[condition == number].mean().abs() < 1e-5
        assert (x[condition == number].std(correction=0) - 1).abs() < 1e-4


@pytest.mark.parametrize("name", ["csv", "semicolons"])
def test_a_stream_gives_what_the_file_gives(tmp_path: Path, name: str) -> None:
    path = table_of(tmp_path)
    if name == "semicolons":
        text = path.read_text().replace(".", ",").replace("u", "u").replace(",", ";", 0)
        text = "\n".join(
            ";".join(cell.replace(".", ",") for cell in line.split(",")) for line in path.read_text().split("\n")
        )
        path.write_text(text, encoding="utf-8")
    table, _ = read_units([path], ROLES, Damaged(what="rows"), str(path))
    whole = [History.whole(table, unit) for unit in range(4)]
    encoder = HistoryEncoder(age=True, first_rows=6)
    encoder.fit(whole)
    assert {"gap", "age", "a since the first rows"} <= set(encoder.channel_names)
    model = HistoryCNN1d(len(encoder.channel_names), encoder.category_sizes, 2, channels=8, dilations=[1, 2]).eval()
    batch = encoder.collate(whole)
    states: dict[str, object] = {}
    followed: dict[str, list[torch.Tensor]] = {}
    with torch.no_grad():
        expected = model(**batch.inputs)
        for row in encoder.stream(path.read_text().splitlines()):
            found, states[row.unit] = model.advance(row.inputs, states.get(row.unit) or model.begin())
            followed.setdefault(row.unit, []).append(found[0, 0])
    for number, unit in enumerate(table.units):
        torch.testing.assert_close(torch.stack(followed[unit]), expected[number], atol=1e-5, rtol=1e-5)


def test_an_answer_does_not_depend_on_later_rows_nor_on_where_a_piece_begins(tmp_path: Path) -> None:
    table, _ = read_units([table_of(tmp_path, rows=60)], ROLES, Damaged(what="rows"), "t")
    whole = [History.whole(table, unit) for unit in range(4)]
    encoder = HistoryEncoder(chunk=10, context=20, first_rows=12)
    encoder.fit(whole)
    model = HistoryCNN1d(len(encoder.channel_names), encoder.category_sizes, 1, channels=8, dilations=[1, 2, 4]).eval()
    assert model.reach == (14, 0)
    with torch.no_grad():
        expected = model(**encoder.collate(whole).inputs)
        for piece in encoder.pieces(whole):
            batch = encoder.collate([piece])
            first = int(table.starts[piece.unit])
            judged = batch.target["judged"][0]
            found = model(**batch.inputs)[0][judged]
            torch.testing.assert_close(
                found, expected[piece.unit, piece.judged_from - first : piece.stop - first], atol=1e-5, rtol=1e-5
            )


def test_own_tables_are_split_by_unit_and_a_single_unit_is_refused(tmp_path: Path) -> None:
    splits = UnitTable(str(table_of(tmp_path, units=10))).read()
    units = [{example.name for example in part} for _, part in splits]
    assert sum(map(len, units)) == 10 and not units[0] & units[2] and units[1]
    assert "unit: unit; time: time; target: target" in splits.described["columns"]
    one = tmp_path / "one.csv"
    one.write_text("time,x\n1,2\n2,3\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"has 1 unit \(one\).*at least 3 are needed"):
        UnitTable(str(one)).read()


def test_a_file_is_a_unit_where_no_column_names_it(tmp_path: Path) -> None:
    for name in ("m1", "m2", "m3", "m4"):
        (tmp_path / f"{name}.csv").write_text("time,x,target\n1,2.5,1\n2,3,0\n", encoding="utf-8")
    splits = UnitTable(str(tmp_path)).read()
    assert sorted(example.name for _, part in splits for example in part) == ["m1", "m2", "m3", "m4"]


def test_a_state_restores_the_encoder(tmp_path: Path) -> None:
    table, _ = read_units([table_of(tmp_path)], ROLES, Damaged(what="rows"), "t")
    whole = [History.whole(table, unit) for unit in range(4)]
    encoder, again = HistoryEncoder(age=True), HistoryEncoder(age=True)
    encoder.fit(whole)
    again.load_state(encoder.state())
    first, second = encoder.collate(whole).inputs, again.collate(whole).inputs
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert encoder.dims == again.dims
