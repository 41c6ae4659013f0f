"""Archives of arrays, tables without headings, counters and few groups."""

from pathlib import Path

import numpy as np
import pytest

from convzoo.core.errors import DataError
from convzoo.modalities.series.data.own_arrays import LabelledSeriesArrays
from convzoo.modalities.series.data.own_labelled import LabelledSeriesTable

Y = np.array(["a", "b"] * 20)
X = np.random.default_rng(0).normal(size=(40, 1, 12)).astype(np.float32)


def saved(folder: Path, **arrays: np.ndarray) -> LabelledSeriesArrays:
    np.savez(folder / "a.npz", **arrays)
    return LabelledSeriesArrays(str(folder / "a.npz"))


def test_arrays_are_series_with_classes(tmp_path: Path) -> None:
    short = X.copy()
    short[0, 0, 9:] = np.nan
    splits = saved(tmp_path, X=short, y=Y, other=np.zeros(3)).read()
    examples = {example.source: example for _, part in splits for example in part}
    assert len(examples) == 40 and examples["a.npz: X[0]"].values.shape == (1, 9)
    assert examples["a.npz: X[1]"].label == "b"
    np.testing.assert_array_equal(examples["a.npz: X[7]"].values, X[7])
    assert any("arrays that are not used: other" in note for note in splits.notes)


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    splits = saved(tmp_path, X_train=X[:30, 0], y_train=Y[:30], X_test=X[30:, 0], y_test=Y[30:]).read()
    assert len(splits.test) == 10 and len(splits.train) + len(splits.val) == 30 and splits.val


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": X, "y": Y[:5]}, r"y is \(5,\); it should have one entry for each of the 40 series"),
        ({"X": X}, r"no array of classes beside it \(y\)"),
        ({"y": Y}, "has no array X of series; it has y"),
        ({"X": X[0, 0], "y": Y}, r"X should be numbers, \(series, time\)"),
        ({"X": np.swapaxes(X, 1, 2), "y": Y}, r"12 channels of 1 steps; if time is the second axis"),
        ({"X": X, "y": np.linspace(0, 1, 40)}, "y holds numbers with decimals"),
        ({"X": X, "y": np.array(["a"] * 40)}, "all 40 series are of class 'a'"),
        ({"X": np.full((40, 5), np.nan), "y": Y}, r"X\[0\]: holds no value"),
    ],
)
def test_arrays_that_do_not_fit_are_one_line(arrays: dict[str, np.ndarray], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said):
        saved(tmp_path, **arrays).read()


def test_no_pickle_is_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", X=np.array([[1, 2], [3]], dtype=object), y=Y)
    with pytest.raises(DataError, match=r"cannot be read as an \.npz file"):
        LabelledSeriesArrays(str(tmp_path / "a.npz")).read()


def test_a_count_of_rows_is_no_step_and_a_missing_heading_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"{at},{x[0, 0]:.3f},{x[0, 1]:.3f},{x[0, 2]:.3f},{y}" for at, (x, y) in enumerate(zip(X, Y, strict=True))]
    path.write_text("\n".join(["Nr,t0,t1,t2,activity", *rows]))
    splits = LabelledSeriesTable(str(path)).read()
    assert splits.train[0].values.shape == (1, 3)
    assert any("Nr counts the rows" in note for note in splits.notes)
    path.write_text("\n".join(f"{at % 2 + 1},{x[0, 0]:.3f},{x[0, 1]:.3f}" for at, x in enumerate(X)))
    with pytest.raises(DataError, match=r"a\.csv:1: holds numbers, so the table has no heading"):
        LabelledSeriesTable(str(path)).read()


def test_few_groups_are_split_where_they_can_be(tmp_path: Path) -> None:
    def table(groups: int, alone: bool) -> LabelledSeriesTable:
        path = tmp_path / "a.csv"
        rows = []
        for at, x in enumerate(X):
            group = at % groups
            rows.append(
                f"{x[0, 0]:.3f},{x[0, 1]:.3f},{x[0, 2]:.3f},p{group},{'ab'[(group if alone else at // groups) % 2]}"
            )
        path.write_text("\n".join(["t0,t1,t2,person,label", *rows]))
        return LabelledSeriesTable(str(path))

    splits = table(5, alone=False).read()
    persons = [{example.group for example in part} for _, part in splits]
    assert all(persons) and sum(map(len, persons)) == 5
    with pytest.raises(DataError, match=r"class '[ab]' stands in 2 groups only, and groups are not split"):
        table(4, alone=True).read()
