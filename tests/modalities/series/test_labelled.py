"""Series with a class each: files, missing values, lengths, normalisation, networks that ignore padding, opponents."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

import convzoo
from convzoo.core.errors import DataError
from convzoo.layers.depthwise import DepthwiseConv1d
from convzoo.layers.series_classifier import MaskedBatchNorm1d
from convzoo.modalities.series.data.own_labelled import LabelledSeriesFolder, LabelledSeriesTable, channels_of
from convzoo.modalities.series.data.ucr import Ucr
from convzoo.modalities.series.data.waveforms import CLASSES, Waveforms
from convzoo.modalities.series.labelled import LabelledSeries
from convzoo.modalities.series.labelled_baselines import DtwNeighbour, Hydra, IntervalForest, MultiRocket
from convzoo.modalities.series.labelled_encoder import LabelledSeriesEncoder, averaged, between_classes, interpolated
from convzoo.modalities.series.labelled_formats import read_series_file
from convzoo.models.fcn1d import FCN1d
from convzoo.models.inception_time import InceptionTime
from convzoo.models.lite import Lite, custom_kernels
from convzoo.models.resnet1d import ResNet1d
from convzoo.recipe.own_data import reader_for
from convzoo.recipe.types import Part
from convzoo.tasks.classification import Classification

HEAD = ["@problemName x", "@timeStamps false", "@missing false", "@univariate true", "@equalLength true", "@seriesLength 3",
        "@classLabel true a b", "@data"]  # fmt: skip


def written(path: Path, rows: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def series(values: object, label: str | None = None) -> LabelledSeries:
    return LabelledSeries(values=np.atleast_2d(np.asarray(values, dtype=np.float32)), label=label, source="here")


# Files of the archives


def test_ts_files_of_one_and_several_channels(tmp_path: Path) -> None:
    found = read_series_file(written(tmp_path / "a.ts", ["# said", *HEAD, "1,2,?:a", "4,5,6:b"]))
    assert found.labels == ["a", "b"] and found.lines == [10, 11]
    np.testing.assert_array_equal(found.values[0], np.array([[1, 2, np.nan]], np.float32))
    head = ["@univariate false", "@dimensions 2", "@equalLength false", "@classLabel true a b", "@data"]
    found = read_series_file(written(tmp_path / "b.ts", [*head, "1,2:3,4:a", "1,2,3:4,5,6:b"]))
    assert [values.shape for values in found.values] == [(2, 2), (2, 3)]


def test_arff_files_of_one_and_several_channels(tmp_path: Path) -> None:
    head = ["@relation x", "@attribute t0 numeric", "@attribute t1 numeric", "@attribute target {a,b}", "@data"]
    found = read_series_file(written(tmp_path / "a.arff", [*head, "1,2,a", "?,4,b"]))
    assert found.labels == ["a", "b"] and np.isnan(found.values[1][0, 0])
    head = [
        "@attribute relation relational",
        "@attribute t0 numeric",
        "@end relation",
        "@attribute class {a,b}",
        "@data",
    ]
    found = read_series_file(written(tmp_path / "b.arff", [*head, "'1,2\\n3,4',a"]))
    np.testing.assert_array_equal(found.values[0], [[1, 2], [3, 4]])


def test_ucr_text_files_with_missing_ends(tmp_path: Path) -> None:
    found = read_series_file(written(tmp_path / "X_TRAIN.tsv", ["1\t0.5\t1.5\tNaN", "-1\t1\t2\t3"]))
    assert found.labels == ["1", "-1"] and [values.shape[1] for values in found.values] == [2, 3]
    found = read_series_file(written(tmp_path / "Y_TRAIN.txt", ["  1.0000000e+00  5.0e-01  2.0e+00"]))
    assert found.labels == ["1"] and found.values[0].tolist() == [[0.5, 2.0]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*HEAD, "1,2,3:a", "1,2:b"], r"a.ts:10: has 2 steps, and the header says @equalLength true, @seriesLength 3"),
        ([*HEAD, "1,2,3:a", "1,2,3"], r"a.ts:10: has 0 of 1 channel and the class: is the line cut off\?"),
        ([*HEAD, "1,2,3:a", "1,2,3:c"], r"a.ts:10: class 'c' is none of @classLabel \(a, b\)"),
        ([*HEAD, "1,2,3:a", "1,x,3:b"], r"a.ts:10: value 2 of channel 1 is 'x'; it should be a number"),
        ([*HEAD, "1,2,3:a", "1,inf,3:b"], r"a.ts:10: value 2 of channel 1 is 'inf'; it should be a finite number"),
        ([*HEAD, "1,2,3:a", "?,?,?:b"], r"a.ts:10: holds no value: all are missing"),
        ([*HEAD, "1,2,3:a", ":b"], r"a.ts:10: channel 1 is empty"),
        (HEAD[:-1], r"has no line @data: the file is cut off"),
        (HEAD, r"holds no series; is it cut off\?"),
        ([*HEAD, "1,2,3:a", "4,5,6:a"], r"all 2 training series are of class 'a'; 2 are needed"),
        (["@timeStamps true", "@data", "(0,1),(1,2):a"], r"@timeStamps true: values with times are not read"),
    ],
)
def test_wrong_ts_files(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Ucr(path=str(written(tmp_path / "a.ts", rows))).read()


def test_all_damaged_series_are_listed_or_left_out(tmp_path: Path) -> None:
    rows = [f"{at},{at % 3},2:{'ab'[at % 2]}" for at in range(20)]
    path = written(tmp_path / "a.ts", [*HEAD, *rows, "1:a", "1,x,2:b"])
    with pytest.raises(DataError, match=r"a.ts:29: has 1 steps(.|\n)*a.ts:30: value 2"):
        Ucr(path=str(path)).read()
    splits = Ucr(path=str(path), skip_damaged=True).read()
    assert sum(len(part) for _, part in splits) == 20 and len(splits.skipped.reasons) == 2


def test_the_official_split_is_kept_and_a_missing_half_is_said(tmp_path: Path) -> None:
    rows = [f"{at},{at % 3},2:{'ab'[at % 2]}" for at in range(20)]
    written(tmp_path / "X_TRAIN.ts", [*HEAD, *rows])
    with pytest.raises(DataError, match=r"holds X_TRAIN.ts and no X_TEST.ts"):
        Ucr(path=str(tmp_path)).read()
    written(tmp_path / "X_TEST.ts", [*HEAD, *rows[:6]])
    splits = Ucr(path=str(tmp_path)).read()
    assert len(splits.test) == 6 and len(splits.train) + len(splits.val) == 20 and 2 <= len(splits.val) <= 4
    papers = Ucr(path=str(tmp_path / "X_TRAIN.ts"), validate="train").read()
    assert papers.val is papers.train and len(papers.train) == 20
    with pytest.raises(DataError, match="has no set 'Y'; allowed: X"):
        Ucr(set="Y", path=str(tmp_path)).read()


def test_the_archives_themselves(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (mirror / "ucr").is_dir():
        pytest.skip("the mirror has no folder ucr")
    monkeypatch.setenv("CONVZOO_MIRROR", str(mirror))
    sizes = {
        "GunPoint": (50, 150, 1),
        "BasicMotions": (40, 40, 6),
        "JapaneseVowels": (270, 370, 12),
        "PLAID": (537, 537, 1),
    }
    for name, (train, test, channels) in sizes.items():
        splits = Ucr(set=name, validate="train").read()
        assert (len(splits.train), len(splits.test), len(splits.train[0].read())) == (train, test, channels)
    with pytest.raises(DataError, match=r"data.set=GunPiont: is not among the sets.*did you mean 'GunPoint'"):
        Ucr(set="GunPiont").read()


# One's own tables and folders


def test_a_row_a_series_with_one_and_two_channels(tmp_path: Path) -> None:
    rows = ["class,t0,t1,t2", *(f"{'ab'[at % 2]},{at * at},{7 - at}," for at in range(20))]
    found = LabelledSeriesTable(str(written(tmp_path / "a.csv", rows))).examples()
    assert found[3].read().tolist() == [[9, 4]] and found[3].label == "b"  # the empty end makes it shorter
    rows = ["label,x_0,x_1,y_0,y_1", *(f"{'ab'[at % 2]},{at * at},1,2,3" for at in range(20))]
    found = LabelledSeriesTable(str(written(tmp_path / "b.csv", rows))).examples()
    assert found[5].read().tolist() == [[25, 1], [2, 3]] and found[5].channels == ("x", "y")
    path = tmp_path / "c.jsonl"
    path.write_text(
        "".join(json.dumps({"label": "ab"[at % 2], "v": [at, 1, 2]}) + "\n" for at in range(20)), encoding="utf-8"
    )
    assert LabelledSeriesTable(str(path)).examples()[4].read().tolist() == [[4, 1, 2]]


def test_columns_that_are_not_numbered_are_steps() -> None:
    assert channels_of(["mon", "tue", "wed"]) == {"": ["mon", "tue", "wed"]}
    assert channels_of(["0", "1", "10", "2"]) == {"": ["0", "1", "2", "10"]}
    assert list(channels_of(["x_0", "x_1", "y_0"])) == [""]


def test_steps_named_by_times_are_one_channel_in_their_order() -> None:
    names = [f"{step / 100:.2f}" for step in range(200)]
    assert channels_of(sorted(names, reverse=True)) == {"": names}  # not two channels, named 0 and 1


def test_numbers_beside_numbered_steps_are_no_steps_and_patients_are_not_split(tmp_path: Path) -> None:
    steps = [f"t{step}" for step in range(20)]
    rows = [
        f"{row // 2},40,{'ab'[row // 2 % 2]}," + ",".join(str(row * row * (step + 1) % 37) for step in range(20))
        for row in range(40)
    ]
    path = written(tmp_path / "a.csv", [f"patient_id,age,label,{','.join(steps)}", *rows])
    splits = LabelledSeriesTable(str(path)).read()
    first = splits.train[0].values
    assert first is not None and first.shape == (1, 20)
    assert any("age: not numbered as the steps are" in note for note in splits.notes)
    homes = [{example.group for example in part} for _, part in splits]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 20


def test_a_few_ids_that_are_there_twice_make_no_series_of_rows(tmp_path: Path) -> None:
    rows = [f"{row % 35},{'ab'[row % 2]},{row * row},{row * row + 2},{row * row + 3}" for row in range(40)]
    found = LabelledSeriesTable(str(written(tmp_path / "a.csv", ["id,label,t0,t1,t2", *rows]))).examples()
    assert len(found) == 40 and found[1].values is not None and found[1].values.tolist() == [[1, 3, 4]]


@pytest.mark.parametrize("name", ["Zeit", "Time (s)", "timestamp_ms", "Zeit [ms]"])
@pytest.mark.parametrize("times", [("03.02.2024 12:00", "01.03.2024 12:00", "30.03.2024 12:00"), ("0,5", "1,0", "1,5")])
def test_times_with_units_commas_and_german_dates(tmp_path: Path, name: str, times: Sequence[str]) -> None:
    rows = [f"{unit};{'ab'[unit % 2]};{times[at]};{at},5" for unit in range(4) for at in (2, 0, 1)]
    found = LabelledSeriesTable(str(written(tmp_path / "a.csv", [f"unit;label;{name};current", *rows]))).examples()
    assert found[0].channels == ("current",)
    assert found[0].values is not None and found[0].values.tolist() == [[0.5, 1.5, 2.5]]


def test_a_folder_a_class_takes_times_with_units_for_no_channel(tmp_path: Path) -> None:
    for name in ("a/1", "b/2"):
        written(tmp_path / f"{name}.csv", ["Zeit [s];Strom [A]", "0,0;1,5", "0,1;2,5"])
    found = LabelledSeriesFolder(str(tmp_path)).examples()[0].loaded()
    assert found[1] == ("Strom [A]",) and found[0].tolist() == [[1.5, 2.5]]


def test_other_tables_are_read_with_the_columns_that_training_took(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    head = ["number", "label", *(f"c{step}" for step in range(12))]
    rows = [
        [str(70 + row), "ab"[row % 2], *(f"{x:.3f}" for x in random.normal(0, 1 + 5 * (row % 2), 12))]
        for row in range(40)
    ]
    path = written(tmp_path / "a.csv", [",".join(cells) for cells in [head, *rows]])
    run = convzoo.run(
        "series_cnn1d", data=str(path), out=tmp_path / "run", overrides=["train.epochs=1", "baselines=[]"]
    )
    run = convzoo.Run.load(tmp_path / "run")
    expected = run.predict([np.array(rows[at][2:], np.float32)[None] for at in (0, 1)])
    order = [5, 13, 0, *(at for at in range(14) if at not in (0, 1, 5, 13))]
    few = [[*(cells[at] for at in order), "40"] for cells in (head, *rows[:2])]
    few[0][-1] = "age"
    found = run.predict(str(written(tmp_path / "new.csv", [",".join(cells) for cells in few])))
    assert [each["probability"] for each in found] == pytest.approx([each["probability"] for each in expected])
    less = written(tmp_path / "less.csv", [",".join(cells[:-1]) for cells in (head, *rows[:2])])
    with pytest.raises(DataError, match="c11"):
        run.predict(str(less))


def test_a_row_a_step_is_ordered_by_time_and_interpolated(tmp_path: Path) -> None:
    rows = ["case,time,x,label"]
    for case in range(10):
        times = [3, 0, 1, 2] if case else [0, 1, 2, 5]
        rows += [f"{case},{time},{time * 10 + case},{'ab'[case % 2]}" for time in times]
    path = written(tmp_path / "a.csv", rows)
    reader = LabelledSeriesTable(str(path))
    found = reader.examples()
    assert found[1].read().tolist() == [[1, 11, 21, 31]]
    assert found[0].read().tolist() == [[0, 10, 20, 30, 40, 50]]
    splits = LabelledSeriesTable(str(path), val=0.2, test=0.2).read()
    assert any("1 series have uneven times (first: 0)" in note for note in splits.notes)
    kept = LabelledSeriesTable(str(path), time="none", values=["x"]).examples()
    assert kept[1].read().tolist() == [[31, 1, 11, 21]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ["case,x,label", "1,2,a", "1,3,b"],
            r"a.csv:3: column 'label' says 'b', and 'a' in the first row of the same series",
        ),
        (["case,time,x,label", "1,0,2,a", "1,0,3,a"], r"a.csv:3: series 1 has two rows with one time"),
        (["case,time,x,label", "1,soon,2,a", "1,0,3,a"], r"column 'time' says 'soon'; it should be a number or a date"),
        (["label,name", "a,x", "b,y"], r"has no column of values; it has label, name"),
        (["label,t0,t1", "a,1,2", "a,3,4"], r"all 2 series are of class 'a'; 2 are needed"),
        (["label,t0,t1", "a,1,2", "b,,"], r"a.csv:3: holds no value: all are missing"),
        (["label,t0,t1"], r"holds no rows"),
        (["t0,t1", "1,2"], r"which column is the label\? it has t0, t1"),
    ],
)
def test_wrong_tables(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        LabelledSeriesTable(str(written(tmp_path / "a.csv", rows))).read()


def test_a_folder_a_class(tmp_path: Path) -> None:
    for number in range(20):
        written(
            tmp_path / "ab"[number % 2] / f"{number}.csv", ["time,x,y", *(f"{t},{t + number},{-t}" for t in range(5))]
        )
    splits = LabelledSeriesFolder(str(tmp_path)).read()
    values, names = splits.train[0].loaded()
    assert values.shape == (2, 5) and names == ("x", "y")
    single = written(tmp_path / "plain.csv", ["1.5", "2.5", "3.5"])
    assert LabelledSeries(path=single).read().tolist() == [[1.5, 2.5, 3.5]]
    with pytest.raises(DataError, match="has no column of numbers"):
        LabelledSeries(path=written(tmp_path / "words.csv", ["a,b", "x,y"])).read()


def test_who_reads_what(tmp_path: Path) -> None:
    encoder = Part("labelled_series", {})
    written(tmp_path / "archive" / "X_TRAIN.tsv", ["1\t2\t3"])
    written(tmp_path / "folder" / "a" / "1.csv", ["x", "1"])
    paths = {
        "ucr": [tmp_path / "archive", written(tmp_path / "x.ts", HEAD), written(tmp_path / "x.arff", HEAD)],
        "labelled_series_table": [written(tmp_path / "x.csv", ["label,t0"])],
        "labelled_series_folder": [tmp_path / "folder"],
    }
    for name, each in paths.items():
        assert [reader_for(encoder, path)["name"] for path in each] == [name] * len(each)


# The encoder


def test_missing_values_are_interpolated_and_long_series_averaged() -> None:
    nan = np.nan
    found = interpolated(np.array([[nan, 1, nan, 3, nan], [nan] * 5], np.float32))
    assert found.tolist() == [[1, 1, 2, 3, 3], [0] * 5]
    assert averaged(np.array([[1, 3, 5, 7, 9]], np.float32), 2).tolist() == [[2, 6, 9]]
    encoder = LabelledSeriesEncoder(max_length=4, normalise="none")
    encoder.fit([series(np.arange(10), "a"), series(np.arange(6), "b")])
    assert encoder.stretch == 3 and encoder.prepare(series(np.arange(6)))[0].tolist() == [[1, 4]]


def test_level_or_spread_that_tell_the_classes_are_kept() -> None:
    random = np.random.default_rng(0)
    shapes = [random.normal(size=40) for _ in range(40)]
    plain = [series(values, "ab"[at % 2]) for at, values in enumerate(shapes)]
    level = [series(values + 3 * (at % 2), "ab"[at % 2]) for at, values in enumerate(shapes)]
    spread = [series(values * (1 + 2 * (at % 2)), "ab"[at % 2]) for at, values in enumerate(shapes)]
    standard = [series((values - values.mean()) / values.std(), "ab"[at % 2]) for at, values in enumerate(shapes)]
    for examples, wanted in ((plain, "series"), (level, "dataset"), (spread, "dataset"), (standard, "series")):
        encoder = LabelledSeriesEncoder()
        encoder.fit(examples)
        assert encoder.chosen == wanted
        assert f"encoder.normalise={wanted}" in encoder.advice()


def test_the_part_between_classes_is_that_of_an_analysis_of_variance() -> None:
    from scipy.stats import f_oneway

    random = np.random.default_rng(0)
    groups = [random.normal(shift, 1, 15) for shift in (0, 0.5, 1)]
    labels = [name for name in "abc" for _ in range(15)]
    part, chance = between_classes(np.concatenate(groups), labels)
    assert chance == pytest.approx(f_oneway(*groups).pvalue)
    assert 0 < part < 1


def test_other_channels_are_refused_and_the_same_in_another_order_sorted() -> None:
    encoder = LabelledSeriesEncoder(normalise="none")
    two = [
        LabelledSeries(np.ones((2, 3), np.float32) * at, None, "ab"[at % 2], None, "s", ("x", "y")) for at in range(4)
    ]
    encoder.fit(two)
    turned = LabelledSeries(np.array([[1.0], [2.0]], np.float32), channels=("y", "x"), source="s")
    assert encoder.prepare(turned)[0].tolist() == [[2], [1]]
    with pytest.raises(DataError, match=r"s: has 1 channel; those of training have 2 \(x, y\)"):
        encoder.prepare(LabelledSeries(np.ones((1, 3), np.float32), source="s"))
    with pytest.raises(DataError, match=r"has the channels x, z; those of training have x, y"):
        encoder.prepare(LabelledSeries(np.ones((2, 3), np.float32), channels=("x", "z"), source="s"))


def test_series_that_never_vary_are_said() -> None:
    encoder = LabelledSeriesEncoder(normalise="series")
    still = [series(np.ones(5), "ab"[at % 2]) for at in range(4)]
    encoder.fit(still)
    with pytest.raises(DataError, match="no series of this split ever varies"):
        encoder.survey(still, None)
    mixed = [still[0], *[series(np.arange(5), "a")] * 4]
    assert any("1 of 5 series" in note and "never vary" in note for note in encoder.survey(mixed, None).notes)


# Networks


@pytest.mark.parametrize("make", [
    lambda: Lite(2, 3, channels=4, kernel_size=12), lambda: FCN1d(2, 3, channels=[4, 4], kernel_sizes=[8, 3]),
    lambda: ResNet1d(2, 3, channels=[4, 8]), lambda: InceptionTime(2, 3, channels=2, depth=3, kernel_size=8, bottleneck=2),
])  # fmt: skip
def test_no_output_depends_on_the_padding(make: object) -> None:
    torch.manual_seed(0)
    model = make().eval()  # type: ignore[operator]
    for module in model.modules():
        if isinstance(module, MaskedBatchNorm1d):  # statistics that move zeros
            module.running_mean.normal_()
            module.bias.data.normal_()
    alone = torch.randn(1, 2, 23)
    batch = torch.zeros(2, 2, 40)
    batch[0, :, :23], batch[1] = alone, torch.randn(2, 40)
    mask = torch.arange(40) < torch.tensor([[23], [40]])
    with torch.no_grad():
        torch.testing.assert_close(model(batch, mask)[:1], model(alone), rtol=1e-4, atol=1e-5)


def test_masked_batch_norm_counts_what_is_there_only() -> None:
    norm, plain = MaskedBatchNorm1d(3), torch.nn.BatchNorm1d(3)
    x = torch.randn(2, 3, 5)
    mask = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])
    kept = torch.cat([x[0].T, x[1, :, :2].T])
    torch.testing.assert_close(norm(x, mask).movedim(1, 2)[mask], plain(kept))
    torch.testing.assert_close(norm.running_var, plain.running_var)


def test_lite_has_the_papers_weights_and_filters() -> None:
    model = Lite(1, 2)
    assert sum(each.numel() for each in model.parameters()) == 9814 + 66  # the paper does not count the classifier
    kernels = custom_kernels()
    assert [len(kernel) for kernel in kernels] == [2, 2, 4, 4, 8, 8, 16, 16, 32, 32, 64, 64, 9, 18, 36, 72, 144]
    assert all(abs(kernel.sum()) < 1e-9 for kernel in kernels)
    filters = model.members[0].features.custom
    spike = torch.zeros(1, 1, 301)
    spike[0, 0, 150] = 1
    found = filters(spike)[0]
    order = [at for places in filters.places for at in places]
    for row, at in enumerate(order):
        answers = torch.nn.functional.conv1d(
            torch.nn.functional.pad(spike, ((len(kernels[at]) - 1) // 2, len(kernels[at]) // 2)),
            torch.tensor(kernels[at], dtype=torch.float32)[None, None],
        )[0, 0].relu()
        torch.testing.assert_close(found[row], answers, msg=f"kernel {at}")


@pytest.mark.parametrize(("size", "dilation", "steps"), [(20, 2, 41), (10, 4, 30), (3, 1, 7), (5, 3, 2)])
def test_the_fast_depthwise_convolution_is_the_plain_one(size: int, dilation: int, steps: int) -> None:
    torch.manual_seed(0)
    layer = DepthwiseConv1d(3, size, dilation)
    x = torch.randn(2, 3, steps, requires_grad=True)
    results = []
    for mode in (True, False):
        layer.train(mode)
        layer.zero_grad()
        out = layer(x)
        (gradient,) = torch.autograd.grad(out.square().sum(), x, retain_graph=True)
        out.square().sum().backward()
        results.append((out, gradient, layer.weight.grad.clone()))  # type: ignore[union-attr]
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_members_of_an_ensemble_learn_alone_and_answer_together() -> None:
    torch.manual_seed(0)
    model, task = FCN1d(1, 3, channels=[4], kernel_sizes=[3], members=3), Classification(("a", "b", "c"))
    x, target = torch.randn(5, 1, 12), torch.tensor([0, 1, 2, 0, 1])
    outputs = model(x)
    assert outputs.shape == (5, 3, 3)
    task.losses(outputs, target)["cross_entropy"].backward()
    together = [each.grad.clone() for each in model.members[1].parameters()]  # type: ignore[union-attr]
    model.zero_grad()
    task.losses(model.members[1](x), target)["cross_entropy"].backward()
    for one, other in zip(together, model.members[1].parameters(), strict=True):
        torch.testing.assert_close(3 * one, other.grad)
    model.eval()
    mean = torch.stack([member(x).softmax(dim=1) for member in model.members]).mean(dim=0)
    torch.testing.assert_close(model(x).exp(), mean)


# Data that are made, opponents, and the whole


def test_waveforms_say_nothing_by_their_levels_and_have_a_ceiling() -> None:
    splits = Waveforms(train=160, val=16, test=400).read()
    assert {example.label for example in splits.train} == set(CLASSES)
    assert 0.93 < splits.ceiling["test/accuracy"] < 1
    means = np.array([example.read().mean() for example in splits.test])
    part, _ = between_classes(means, [example.label for example in splits.test])
    assert part < 0.05
    with pytest.raises(DataError, match=r"data.length=50 should be at least 100"):
        Waveforms(length=50)


@pytest.mark.parametrize("opponent", [
    MultiRocket(500), Hydra(groups=8), IntervalForest(trees=30), DtwNeighbour(window=0.1, max_length=40),
])  # fmt: skip
def test_opponents_learn_series_of_different_lengths(opponent: object) -> None:
    random = np.random.default_rng(0)

    def drawn(count: int) -> list[LabelledSeries]:
        found = []
        for at in range(count):
            steps = np.arange(30 + at % 7)
            values = np.sin(steps * (0.4 + 0.5 * (at % 2)) + random.uniform(0, 6))
            found.append(series(values + random.normal(0, 0.1, len(steps)), "ab"[at % 2]))
        return found

    opponent.fit(drawn(40), {"labels": ("a", "b")})  # type: ignore[attr-defined]
    tested = drawn(30)
    said = opponent.outputs(tested).argmax(dim=1).tolist()  # type: ignore[attr-defined]
    assert np.mean([("a", "b")[at] == example.label for at, example in zip(said, tested, strict=True)]) >= 0.9


def test_features_of_random_convolutions_do_not_depend_on_the_padding() -> None:
    random = np.random.default_rng(0)
    short, long = series(random.normal(size=20), "a"), series(random.normal(size=33), "b")
    for opponent in (MultiRocket(500), Hydra(groups=8)):
        opponent.prepare([short, long], {})
        both, alone = opponent.features([short, long]), opponent.features([short])
        np.testing.assert_allclose(both[0], alone[0], rtol=1e-4, atol=1e-5)


def test_dynamic_time_warping_is_that_of_the_definition() -> None:
    random = np.random.default_rng(0)
    known, asked = random.normal(size=(3, 1, 12)).astype(np.float32), random.normal(size=(1, 12)).astype(np.float32)
    from convzoo.modalities.series.labelled_baselines import _Neighbour

    machine = _Neighbour(0.25, 12).fit(known.reshape(3, -1), np.array([0, 1, 1]))
    for row, found in zip(known, machine._distances(asked), strict=True):
        cost = np.full((13, 13), np.inf)
        cost[0, 0] = 0
        for i in range(12):
            for j in range(max(0, i - 3), min(12, i + 4)):
                step = min(cost[i, j], cost[i, j + 1], cost[i + 1, j])
                cost[i + 1, j + 1] = (asked[0, i] - row[0, j]) ** 2 + step
        assert found == pytest.approx(np.sqrt(cost[12, 12]), rel=1e-5)


def test_predict_keeps_the_columns_of_a_table_and_names_the_units_of_a_long_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows = ["case,time,x,label"]
    for case in range(30):
        rows += [
            f"c{case},{t},{np.sin(t * (0.3 + 0.5 * (case % 2))) + random.normal(0, 0.1):.3f},{'ab'[case % 2]}"
            for t in range(20)
        ]
    table = written(tmp_path / "steps.csv", rows)
    settings = ["train.epochs=1", "model.channels=4", "model.kernel_size=8", "baselines=[majority]"]
    run = convzoo.run("series_cnn1d", settings, data=table, out=tmp_path / "run", quiet=True, report=False)
    given = run.given([table])
    assert len(given) == 30 and given[3].cells == {"case": "c3"}
    assert {"label", "probability"} <= set(run.predict(given)[0])
    wide = written(tmp_path / "wide.csv", ["name,t0,t1,t2,t3", "one,1,2,3,4", "two,4,3,,1", "three,,,,"])
    rows_given = run.given([wide])
    assert [each.damaged for each in rows_given] == [False, False, True] and rows_given[0].cells["name"] == "one"
