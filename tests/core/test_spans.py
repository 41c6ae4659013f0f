"""Tags and spans of entities, and their scores, against conlleval's rules and an independent library."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convzoo.core.labels import Tags
from convzoo.core.outputs.spans import Span, Spans, spans_of, tags_of
from convzoo.metrics.entities import EntityMeter
from convzoo.modalities.text.tagged import TaggedText

LABELS = ("LOC", "PER")
ANY = ["O", *(f"{prefix}-{label}" for prefix in "BI" for label in LABELS)]
taggings = st.lists(st.sampled_from(ANY), min_size=0, max_size=12)


def chunks_by_conlleval(tags):
    """Entities by the rules of conlleval's `startOfChunk` and `endOfChunk`, written down as a table of pairs of prefixes."""
    found, start, kind = [], None, ""
    for at, (before, now) in enumerate(zip(["O", *tags], [*tags, "O"], strict=True)):
        old, old_type = before[0], before[2:]
        new, new_type = now[0], now[2:]
        ends = (
            (old, new) in {("B", "B"), ("B", "S"), ("B", "O"), ("I", "B"), ("I", "S"), ("I", "O")}
            or (old != "O" and old_type != new_type)
            or old in "ES"
        )
        starts = (
            new in "BS"
            or (old, new) in {("E", "E"), ("E", "I"), ("S", "E"), ("S", "I"), ("O", "E"), ("O", "I")}
            or (new != "O" and old_type != new_type)
        )
        if start is not None and ends:
            found.append((start, at, kind))
            start = None
        if starts:
            start, kind = at, new_type
    return found


@settings(max_examples=200)
@given(taggings)
def test_entities_are_those_of_conlleval(tags):
    assert [tuple(span) for span in spans_of(tags)] == chunks_by_conlleval(tags)


BIOES = ["O", *(f"{prefix}-{label}" for prefix in "BIES" for label in LABELS)]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(BIOES), max_size=12))
def test_entities_of_five_prefixes_are_those_of_conlleval(tags):
    assert [tuple(span) for span in spans_of(tags)] == chunks_by_conlleval(tags)


@settings(max_examples=100)
@given(taggings, st.sampled_from(["iob2", "bioes"]))
def test_entities_written_in_any_scheme_are_read_as_the_same(tags, scheme):
    spans = spans_of(tags)
    assert spans_of(tags_of(spans, len(tags), scheme)) == spans
    one = [tag.replace("B-", "I-") for tag in tags_of(spans, len(tags))]  # IO: neighbours of one type join
    assert all(
        any(a.start <= span.start and span.end <= a.end and a.label == span.label for a in spans_of(one))
        for span in spans
    )


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("I-PER I-PER O I-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),  # IOB1
        ("I-PER B-PER O", [(0, 1, "PER"), (1, 2, "PER")]),  # IOB1: B divides
        ("B-PER L-PER U-LOC", [(0, 2, "PER"), (2, 3, "LOC")]),  # BILOU
        ("B-PER M-PER E-PER S-LOC", [(0, 3, "PER"), (3, 4, "LOC")]),  # BMES
        ("B-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),  # a repair
        ("E-PER I-PER", [(0, 1, "PER"), (1, 2, "PER")]),
    ],
)
def test_each_scheme_is_read(tags, spans):
    assert spans_of(tags.split()) == [Span(*span) for span in spans]


def text_of(tags):
    return TaggedText.of_tokens([f"w{at}" for at in range(len(tags))], tags)


def scores(true, found, known=()):
    texts = [text_of(tags) for tags in true]
    meter = EntityMeter(LABELS, known)
    meter.update(Spans([spans_of(tags) for tags in found]), {"texts": texts})
    return meter.compute()


pairs = st.lists(
    st.integers(1, 9).flatmap(lambda n: st.tuples(*[st.lists(st.sampled_from(ANY), min_size=n, max_size=n)] * 2)),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=60)
@given(pairs)
def test_strict_scores_are_those_of_nervaluate(pairs):
    from nervaluate import Evaluator

    # nervaluate reads tags by rules of its own, so both get well-formed ones.
    true, found = ([tags_of(spans_of(tags), len(tags)) for tags in side] for side in zip(*pairs, strict=True))
    ours = scores(true, found)
    theirs = Evaluator(true, found, tags=list(LABELS), loader="list").evaluate()
    strict = theirs["overall"]["strict"]
    # What nothing defines is 0 for nervaluate, and undefined here.
    for name, wanted in (("precision", strict.precision), ("recall", strict.recall), ("f1", strict.f1)):
        assert (0 if math.isnan(ours[name]) else ours[name]) == pytest.approx(wanted), name
    for label in LABELS:
        if f"f1_{label}" in ours:
            assert ours[f"f1_{label}"] == pytest.approx(theirs["entities"][label]["strict"].f1)


@settings(max_examples=30)
@given(pairs)
def test_micro_scores_are_those_of_conlleval(pairs):
    true, found = zip(*pairs, strict=True)
    sets = [
        {(at, *chunk) for at, tags in enumerate(side) for chunk in chunks_by_conlleval(tags)} for side in (true, found)
    ]
    hits = len(sets[0] & sets[1])
    every = len(sets[0]) + len(sets[1])
    assert scores(true, found)["f1"] == pytest.approx(2 * hits / every if every else math.nan, nan_ok=True)


def test_surfaces_and_known_names():
    true = [["B-PER", "I-PER", "O"], ["B-PER", "I-PER", "O"], ["O", "O", "B-LOC"]]
    found = [["B-PER", "I-PER", "O"], ["O", "O", "O"], ["O", "O", "B-PER"]]
    got = scores(true, found, known={"w0 w1"})
    assert got["recall_seen"] == 0.5 and got["recall_unseen"] == 0.0
    assert got["f1"] == pytest.approx(2 * 1 / (3 + 2))
    # Each different name with its type counts once: (w0 w1, PER) is found; (w2, LOC) is not, (w2, PER) is wrong.
    assert got["surface_f1"] == pytest.approx(2 * 1 / (2 + 2))
    assert "recall_seen" not in scores(true, found)


def test_unlabelled_texts_count_as_nothing():
    meter = EntityMeter(LABELS)
    meter.update(Spans([[Span(0, 1, "PER")]]), {"texts": [TaggedText.of("Anna")]})
    assert math.isnan(meter.compute()["f1"]) and len(meter.units()) == 1, "nothing is there to be found"


def test_draws_of_all_texts_once_give_the_scores():
    import numpy as np

    true = [["B-PER", "O"], ["B-LOC", "I-LOC"], ["O", "B-PER"]]
    found = [["B-PER", "O"], ["B-LOC", "O"], ["B-PER", "B-PER"]]
    texts = [text_of(tags) for tags in true]
    meter = EntityMeter(LABELS, {"w0"})
    meter.update(Spans([spans_of(tags) for tags in found]), {"texts": texts})
    whole = meter.compute()
    drawn = meter.resampled(np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0]]))
    assert set(drawn) == set(whole) - {"surface_f1"}
    assert {name: values[0] for name, values in drawn.items()} == pytest.approx({n: whole[n] for n in drawn})
    assert drawn["f1"][1] == pytest.approx(2 * 3 / (4 + 3))
    assert isinstance(texts[0].label, Tags)
