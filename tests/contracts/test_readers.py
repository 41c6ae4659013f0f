"""What every reader and generator keeps to: a form that is its own, splits that share nothing, the same every time."""

import inspect
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import EMBEDDED, TINY

from contracts.parts import (
    atoms,
    class_of,
    contents,
    form_module,
    generators,
    names,
    over_names,
    reader,
    same,
    small_splits,
    written,
)
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.splits import Splits
from convzoo.modalities.graph.links import APART
from convzoo.modalities.series.example import Stretch
from convzoo.recipe import recipe as recipes
from convzoo.recipe.own_data import open_recipe
from convzoo.recipe.registry import OWN_DATA

KNOWN_EXCLUSIVE: dict[str, str] = {}
KNOWN_APART: dict[str, str] = {}
KNOWN_SEED: dict[str, str] = {}
KNOWN_EXAMPLES: dict[str, str] = {}
"""Faults that are known, by the reader's name, each with its reason. A fault that is gone must be taken out."""

NOT_ALL_ROWS = {
    "transactions": "accounts that only the test part has are judged after its beginning; their rows before are context",
}
"""Readers whose splits do not hold all rows, so that another seed gives other ones."""

ALSO_RECOGNISED_BY = {
    "labelled_series_table": {
        "labelled_series_folder": "`predict` asks it of the files of a folder a class, which are tables"
    },
    "fer2013": {"image_table": "it is a table by its ending; its heading says that it is this benchmark"},
    "fsdd": {"audio_folder": "the folder `recordings` looks like a word"},
    "decathlon": {"volume_folder": "`imagesTr` and `labelsTr` look like two classes"},
    "weizmann": {"video_folder": "its layout is a folder an action, with people in the names"},
    "ucf101": {"video_folder": "its videos lie in a folder an action, beside the lists"},
    "hmdb51": {"video_folder": "its videos lie in a folder an action, beside the lists"},
}
"""For a benchmark's reader the general readers that may recognise its layout too, and why. Its own reader must be asked first."""

VALIDATES_ON_TRAIN = {"skab": "the benchmark's protocol: the rows that are learnt from also set the threshold"}

GROUPS_ALL = dict.fromkeys(
    ("planted", "planetoid_communities", "community_table"),
    "nothing is learnt from labels: every node is grouped, and only the test part says what its community is",
)

FEWER = {
    "streets": {"train": 1, "val": 1, "test": 1},
    "spoken": {"train": 10, "val": 10, "test": 10},
    "digit_strings": {"train": 10, "val": 10, "test": 10},
    "motions": {"train": 8, "val": 8, "test": 8},
    "phantoms": {"train": 4, "val": 4, "test": 4},
}
"""Sizes of generated data that are slow to make, where they are made anew for another seed."""

READERS = [name for name in names("data") if name not in generators()]
SEEDED = [name for name in names("data") if "seed" in inspect.signature(class_of("data", name).__init__).parameters]


def listing(splits: Splits) -> list[tuple[str, str, Any, Any]]:
    """The split as text: which example stands where, with what label and group."""
    return [
        (part, repr(atoms(example)), getattr(example, "label", None), getattr(example, "group", None))
        for part, examples in splits
        for example in examples
    ]


def shared(splits: Splits, keys: Any) -> list[tuple[str, str, Any]]:
    """Keys that stand in two splits."""
    home: dict[Any, str] = {}
    found = []
    for part, examples in splits:
        for example in examples:
            found += [(home[key], part, key) for key in keys(example) if home.setdefault(key, part) != part]
    return found


@over_names("data")
def test_every_reader_has_a_small_form(name: str) -> None:
    assert name in generators() or form_module("data", name), (
        f"write tests/contracts/forms/data/{name}.py with form(folder), which writes a small data set and returns the reader's "
        "arguments; a generator needs an embedded recipe"
    )


@over_names("data")
def test_the_type_of_example_reads_what_predict_is_given(name: str) -> None:
    example = class_of("data", name).example
    assert isinstance(example, type)
    encoders = [class_of("encoder", other) for other in names("encoder")]
    takers = [encoder for encoder in encoders if issubclass(example, encoder.example)]
    assert takers, "an encoder takes it"
    own = hasattr(example, "from_inputs")
    assert own or all("from_inputs" in vars(taker) for taker in takers), (
        "from_inputs, of the example or of its encoders"
    )
    assert hasattr(example, "sample_input"), "what the README of a run shows `predict` with"


@pytest.mark.parametrize("name", READERS)
def test_a_form_is_recognised_by_its_reader_alone(name: str, request: pytest.FixtureRequest) -> None:
    cls = class_of("data", name)
    if not cls.formats:
        pytest.skip("is for one benchmark only: it is named in a recipe, not recognised")
    if name in KNOWN_EXCLUSIVE:
        request.applymarker(pytest.mark.xfail(strict=True, reason=KNOWN_EXCLUSIVE[name]))
    path = Path(written(name)["path"])
    others = [other for other in names("data") if class_of("data", other).example is cls.example]
    found = {other for other in others if class_of("data", other).recognises(path)}
    assert name in found
    assert found - {name} <= ALSO_RECOGNISED_BY.get(name, {}).keys()


@pytest.mark.parametrize("name", READERS)
def test_own_data_in_a_readers_format_is_read_by_it(name: str) -> None:
    cls = class_of("data", name)
    if not cls.formats:
        pytest.skip("is for one benchmark only: it is named in a recipe, not recognised")
    encoders = {path.stem: recipes.load(path.stem, TINY[path.stem]).encoder.name for path in EMBEDDED}
    # Who segments scans is not offered the readers of classes.
    fits = [recipe for recipe, encoder in encoders.items() if any(name in row for row in OWN_DATA[str(encoder)])]
    assert fits
    for recipe in fits:
        assert open_recipe(recipe, data=written(name)["path"]).data.name == name


@over_names("data", KNOWN_APART)
def test_splits_share_no_group_no_example_and_no_content(name: str) -> None:
    splits = small_splits(name)
    if name in GROUPS_ALL:
        assert len(splits.train) == len(splits.val) == len(splits.test)
        assert all(example.label is None for part in (splits.train, splits.val) for example in part)
        return
    if name in VALIDATES_ON_TRAIN:
        assert listing(Splits(splits.train, [], [])) == listing(Splits(splits.val, [], []))
        splits = Splits(splits.train, [], splits.test)
    assert all(len(part) for key, part in splits if key != "val" or name not in VALIDATES_ON_TRAIN)
    assert not shared(splits, atoms)
    assert not shared(splits, contents)
    assert not shared(splits, lambda example: [group] if (group := getattr(example, "group", None)) is not None else [])
    assert not shared(
        splits, lambda example: [Path(path).resolve()] if (path := getattr(example, "path", None)) else []
    )


@over_names("data")
def test_examples_say_where_they_are_from_and_labels_are_text_or_numbers(name: str) -> None:
    for _, examples in small_splits(name):
        sources = Counter(example.source for example in examples)
        assert all(isinstance(source, str) and source for source in sources)
        assert max(sources.values()) == 1, sources.most_common(1)
        for example in examples:
            label = getattr(example, "label", None)
            assert isinstance(label, str | float | None) or all(isinstance(name, str) for name in label)
            labels = [
                getattr(example, "translation", None),
                getattr(example, "group", None),
            ]
            objects = getattr(example, "objects", None)
            labels += list(objects.names) if objects is not None else []
            assert all(type(label) is str for label in labels if label is not None)


@over_names("data")
def test_reading_twice_gives_the_same(name: str) -> None:
    again = reader(name).read()
    assert listing(again) == listing(small_splits(name))
    for (_, one), (_, other) in zip(again, small_splits(name), strict=True):
        assert [contents(example) for example in one] == [contents(example) for example in other]
        assert same(
            [getattr(example, "path", None) for example in one], [getattr(example, "path", None) for example in other]
        )


@pytest.mark.parametrize("name", SEEDED)
def test_another_seed_gives_another_split_or_other_data(name: str, request: pytest.FixtureRequest) -> None:
    if name in KNOWN_SEED:
        request.applymarker(pytest.mark.xfail(strict=True, reason=KNOWN_SEED[name]))
    if name in generators():
        one, other = (reader(name, **{**FEWER.get(name, {}), "seed": seed}).read() for seed in (0, 1))
        held = [[contents(example) for _, part in splits for example in part] for splits in (one, other)]
        assert held[0] != held[1] or not same(_values(one.train), _values(other.train))
        return
    first, others = small_splits(name), [reader(name, seed=seed).read() for seed in (1, 2, 3)]
    assert any(listing(other) != listing(first) for other in others)
    if name not in NOT_ALL_ROWS:
        assert all(_given(other) == _given(first) for other in others), "the same examples, dealt otherwise"


def _values(examples: Sequence[Any]) -> list[Any]:
    """What references refer to."""
    return [getattr(examples[0], name, None) for name in ("graph", "series", "seen", "wanted", "text", "targets")]


def _given(splits: Splits) -> set[Any]:
    """Without pairs of nodes that a reader drew itself, which no edge connects."""
    examples = [example for _, part in splits for example in part]
    return {atom for example in examples if getattr(example, "label", None) != APART for atom in atoms(example)}


def _everything(splits: Splits) -> set[Any]:
    return {atom for _, part in splits for example in part for atom in atoms(example)}


@over_names("data", KNOWN_EXAMPLES)
def test_examples_gives_everything_that_is_labelled(name: str) -> None:
    splits, found = small_splits(name), reader(name).examples()
    if name in GROUPS_ALL:
        assert len(found) <= len(splits.test)
        return
    held = {atom for example in found for atom in atoms(example)}
    assert held >= _everything(splits) if name in NOT_ALL_ROWS else held == _everything(splits)
    if name not in VALIDATES_ON_TRAIN:
        counts = Counter(atom for example in found for atom in atoms(example))
        assert max(counts.values()) == 1, counts.most_common(1)
    if not isinstance(found[0], Stretch):  # what is normal is learnt without labels
        truths = ("label", "translation", "transcript", "mask", "objects", "wanted", "targets")
        assert all(any(getattr(example, truth, None) is not None for truth in truths) for example in found)


@pytest.mark.parametrize("name", READERS)
def test_what_is_not_there_is_refused_in_a_line_that_names_it(name: str, tmp_path: Path) -> None:
    arguments = {**written(name), "path": str(tmp_path / "nothing here.csv")}
    with pytest.raises(DataError) as caught:
        class_of("data", name)(**arguments).read()
    assert "nothing here" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", READERS)
def test_no_reader_recognises_nothing_or_falls_over_it(name: str, tmp_path: Path) -> None:
    recognises = class_of("data", name).recognises
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.docx").write_bytes(b"PK\x03\x04 a document")
    assert not recognises(tmp_path / "empty")
    assert not recognises(tmp_path / "notes.docx")
    assert not recognises(tmp_path / "absent" / "file.bin")


@pytest.mark.parametrize("name", READERS)
def test_what_it_reads_is_said_in_words_that_name_its_files(name: str) -> None:
    formats = class_of("data", name).formats
    assert not formats or re.search(r"\.\w+|/|folder|files?", formats)


FOLDED = [
    name for name in READERS if {"fold", "folds"} <= set(inspect.signature(class_of("data", name).__init__).parameters)
]
"""The readers that make a cross-validation."""


@over_names("data")
def test_a_reader_of_ones_own_data_makes_folds_or_says_why_not(name: str):
    cls = class_of("data", name)
    if cls.formats and name not in FOLDED:
        assert re.match(r"(has|is|tests) .*folds", cls.why_no_folds), "read after the reader's name"


@pytest.mark.parametrize("name", FOLDED)
def test_each_example_is_tested_in_one_fold_and_shares_nothing_with_what_is_learnt(name: str):
    tested: Counter[str] = Counter()
    for fold in range(3):
        splits = reader(name, fold=fold, folds=3).read()
        assert splits.train and splits.val and splits.test
        assert not shared(splits, atoms)
        assert not shared(splits, contents)
        assert not shared(
            splits, lambda example: [getattr(example, "group", None)] if getattr(example, "group", None) else []
        )
        assert f"fold {fold} of 3" in splits.origin
        tested += Counter(repr(atoms(example)) for example in splits.test)
    everything = Counter(repr(atoms(example)) for example in reader(name).examples())
    assert tested == everything


@pytest.mark.parametrize("name", FOLDED)
def test_a_fold_that_there_is_not_is_refused_in_a_line(name: str):
    for settings in ({"fold": 3, "folds": 3}, {"fold": 0, "folds": 1}, {"fold": 0, "folds": 1000}):
        with pytest.raises((DataError, RecipeError), match="fold") as refused:
            reader(name, **settings).read()
        assert "\n" not in str(refused.value)
