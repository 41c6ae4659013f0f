"""Translation: reading pairs, tokens, networks that write step by step, beams, scores, opponents, and wrong input."""

import gzip
import itertools
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import torch
import torch.nn.functional as F
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.outputs.translations import BEGIN, END, PADDING, UNKNOWN, Translations
from convzoo.layers.gated import GatedConvolution
from convzoo.layers.lightweight import LightweightConvolution
from convzoo.metrics.translation import TranslationMeter, signatures
from convzoo.modalities.text.data.grammar import Grammar
from convzoo.modalities.text.data.multi30k import Multi30k
from convzoo.modalities.text.data.own_pairs import ParallelText
from convzoo.modalities.text.pair import Pair
from convzoo.modalities.text.pair_baselines import LexicalModel, PhraseTable, WordDictionary, phrase_pairs
from convzoo.modalities.text.pair_encoder import ParallelTextEncoder
from convzoo.models.convs2s import ConvS2S
from convzoo.models.lightconv import LightConv
from convzoo.ops.beam import beam_search
from convzoo.ops.bleu import corpus_bleu
from convzoo.tasks.translation import Translation
from convzoo.training.loader import Loader

NAME = "translation_convs2s"

# Networks


def network(kind: str) -> torch.nn.Module:
    torch.manual_seed(0)
    if kind == "convs2s":
        made = ConvS2S(30, 40, False, 24, 32, 3, 3, 3, 4, max_positions=10, tied="output")
    else:
        made = LightConv(30, 40, False, 24, 4, [3, 5], [3, 7], 32, kind)  # type: ignore[arg-type]
    return made.eval()


def sentences() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    source, target = torch.randint(4, 30, (4, 9)), torch.randint(4, 40, (4, 15))
    source[1, 5:] = PADDING
    source[2, 1:] = PADDING
    target[:, 0] = BEGIN
    return source, target


KINDS = ["convs2s", "light", "dynamic"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_equals_the_full_forward(kind: str) -> None:
    model = network(kind)
    source, target = sentences()
    with torch.no_grad():
        full, looks = model(source, target), model.attention(source, target)
        memory = model.encode(source)
        state = model.start(memory)
        for place in range(target.shape[1]):
            logits, look, state = model.step(target[:, place], memory, state)
            assert torch.allclose(logits, full[:, place], atol=1e-5)
            assert torch.allclose(look, looks[:, place], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_later_and_what_pads_is_not_seen(kind: str) -> None:
    model = network(kind)
    source, target = sentences()
    with torch.no_grad():
        full = model(source, target)
        other = target.clone()
        other[:, 8:] = 5
        assert torch.equal(model(source, other)[:, :8], full[:, :8])
        assert not torch.allclose(model(source, other)[:, 8:], full[:, 8:])
        assert torch.allclose(model(source[1:2, :5], target[1:2]), full[1:2], atol=1e-5)
        looks = model.attention(source, target)
    assert torch.allclose(looks.sum(dim=2), torch.ones(4, 15), atol=1e-5)
    assert looks[2, :, 1:].abs().max() == 0


def test_signals_keep_their_size() -> None:
    """The initialisation and the scalings are there so that the variance of features stays about the same in any depth."""
    torch.manual_seed(0)
    source, target = torch.randint(4, 200, (16, 20)), torch.randint(4, 200, (16, 20))
    spreads = []
    for depth in (2, 12):
        model = ConvS2S(200, 200, False, 64, 64, depth, depth).eval()
        with torch.no_grad():
            spreads.append(float(model(source, target).std()))
    assert 0.4 < spreads[1] / spreads[0] < 2.5


def test_gradient_into_the_encoder_is_divided_by_the_attentions() -> None:
    source, target = sentences()
    gradients = {}
    for training in (True, False):
        torch.manual_seed(0)
        model = ConvS2S(30, 40, False, 24, 32, 2, 3, dropout=0.0).train(training)
        model(source, target).square().mean().backward()
        gradients[training] = next(p for n, p in model.named_parameters() if n.startswith("keys")).grad
    assert torch.allclose(gradients[True] * 6, gradients[False], rtol=1e-4)  # twice the three attentions


def test_tied_weights_are_one(tmp_path: Path) -> None:
    model = ConvS2S(40, 40, True, 24, 32, tied="all")
    assert model.output.weight is model.source_embedding.learned.weight
    assert (
        sum(p.numel() for p in ConvS2S(40, 40, True, 24, 32).parameters()) - sum(p.numel() for p in model.parameters())
        == 2 * 40 * 24
    )
    for kind in (ConvS2S, LightConv):
        with pytest.raises(ValueError, match=r"encoder\.joint=true"):
            kind(40, 40, False, tied="all")


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_gated_convolution_is_its_equation(dimensions: int) -> None:
    torch.manual_seed(0)
    layer = GatedConvolution(dimensions, 3, 4, 3)
    x = torch.randn(2, 3, *[6] * dimensions)
    convolution = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[dimensions]
    inner = layer.block.convolution
    both = convolution(x, inner.weight, inner.bias, padding=1)
    assert torch.allclose(layer(x), both[:, :4] * both[:, 4:].sigmoid(), atol=1e-6)
    norms = inner.parametrizations.weight.original0.flatten()
    assert torch.allclose(inner.weight.flatten(1).norm(dim=1), norms.abs(), atol=1e-5)


@pytest.mark.parametrize("kind", ["light", "dynamic"])
@pytest.mark.parametrize("causal", [True, False])
def test_lightweight_convolution_is_its_equation(kind: str, causal: bool) -> None:
    torch.manual_seed(0)
    layer = LightweightConvolution(6, 2, 3, kind, causal)
    x = torch.randn(2, 6, 7)
    before = 2 if causal else 1
    made = layer.maker(x) if kind == "dynamic" else None
    expected = torch.zeros_like(x)
    for channel, place in itertools.product(range(6), range(7)):
        head = channel // 3
        scores = layer.weight[head].expand(2, 3) if made is None else made[:, head * 3 : head * 3 + 3, place]
        for tap in range(3):
            at = place + tap - before
            if 0 <= at < 7:
                expected[:, channel, place] += scores.softmax(dim=1)[:, tap] * x[:, channel, at]
    assert torch.allclose(layer(x), expected, atol=1e-6)


# Beams


def language(seed: int, rows: int, size: int, depth: int) -> torch.Tensor:
    """Logits of the next token for each row, given the last token and the place: (rows, depth, size, size)."""
    return torch.randn(rows, depth, size, size, generator=torch.Generator().manual_seed(seed)) * 2


def searched(table: torch.Tensor, limits: list[int], **how: float) -> list:
    rows = len(table)

    def step(tokens, memory, state):
        place = state["place"]
        logits = table[memory["row"], place, tokens]
        # The state remembers what was written, so that a wrong reordering shows.
        assert torch.equal(state["sum"] + 0, state["check"]), "rows of the state were mixed up"
        new = {"place": place + 1, "sum": state["sum"] + tokens, "check": state["check"] + tokens}
        return logits, torch.ones(len(tokens), 1), new

    zeros = torch.zeros(rows, dtype=torch.int64)
    state = {"place": zeros, "sum": zeros, "check": zeros}
    memory = {"row": torch.arange(rows)}
    return beam_search(step, memory, state, torch.tensor(limits), BEGIN, END, (PADDING,), **how)


def exhaustive(table: torch.Tensor, row: int, limit: int, penalty: float) -> list[tuple[float, list[int]]]:
    """Every sequence of at most `limit` tokens with its score, best first."""
    _, _, size, _ = table.shape
    words = [token for token in range(size) if token not in (PADDING, BEGIN, END)]

    def chances(place: int, last: int, full: bool) -> torch.Tensor:
        return table[row, place, last].log_softmax(dim=0)

    found = []
    for length in range(1, limit + 1):
        for tokens in itertools.product(words, repeat=length):
            total = sum(
                float(chances(place, last, False)[token])
                for place, (last, token) in enumerate(itertools.pairwise((BEGIN, *tokens)))
            )
            total += float(chances(length, tokens[-1], False)[END])
            found.append((total / (length + 1) ** penalty, list(tokens)))
    return sorted(found, key=lambda item: -item[0])


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.6, 1.0]))
def test_a_beam_as_wide_as_the_tree_finds_the_best(seed: int, penalty: float) -> None:
    table = language(seed, 2, 7, 4)
    found = searched(table, [3, 2], beam=40, length_penalty=penalty)
    for row, limit in enumerate((3, 2)):
        best = exhaustive(table, row, limit, penalty)
        assert found[row][0].tokens == best[0][1]
        assert found[row][0].score == pytest.approx(best[0][0], abs=1e-4)


@given(st.integers(0, 10_000))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    table = language(seed, 3, 7, 9)
    limits = [8, 5, 1]
    for row, (hypothesis,) in enumerate(searched(table, limits, beam=1)):
        last, written = BEGIN, []
        while len(written) < limits[row]:
            logits = table[row, len(written), last].clone()
            logits[[PADDING, BEGIN, *([] if written else [END])]] = -torch.inf
            last = int(logits.argmax())
            if last == END:
                break
            written.append(last)
        assert hypothesis.tokens == written


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_a_batch_is_searched_as_each_sentence_alone(seed: int, beam: int) -> None:
    table = language(seed, 4, 8, 8)
    limits = [7, 2, 5, 1]
    together = searched(table, limits, beam=beam)
    for row in range(4):
        (alone,) = searched(table[row : row + 1], limits[row : row + 1], beam=beam)
        assert [h.tokens for h in alone] == [h.tokens for h in together[row]]
        scores = [h.score for h in together[row]]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(h.tokens) for h in together[row]}) == len(scores), "n-best lists hold no sequence twice"


# Tokens

PAIRS = [
    Pair("Der Hund (alt) schläft.", "The dog (old) sleeps."),
    Pair("Die Katze schläft nicht!", "The t-shirt doesn't sleep, it waits."),
    Pair("Der Hund wartet.", "The dog waits."),
    Pair("Die Katze wartet nicht.", "The cat waits, it sleeps."),
]


def encoder(**how: object) -> ParallelTextEncoder:
    made = ParallelTextEncoder(**{"min_count": 1, **how})
    made.fit(PAIRS)
    return made


@pytest.mark.parametrize("how", [{}, {"joint": True}, {"units": "subwords", "max_vocabulary": 60},
                                 {"units": "subwords", "joint": True, "max_vocabulary": 60}])  # fmt: skip
def test_target_is_shifted_and_reads_back(how: dict) -> None:
    made = encoder(**how)
    batch = made.encode(PAIRS)
    tokens, given_in = batch.target["tokens"], batch.inputs["target_in"]
    assert batch.size == int(tokens.ne(PADDING).sum())
    for row, pair in enumerate(PAIRS):
        length = int(tokens[row].ne(PADDING).sum())
        assert given_in[row, 0] == BEGIN
        assert torch.equal(given_in[row, 1:length], tokens[row, : length - 1])
        assert tokens[row, length - 1] == END
        assert given_in[row, length:].eq(PADDING).all()
        assert made.write(tokens[row, : length - 1].tolist()) == pair.translation
    again = ParallelTextEncoder(**{"min_count": 1, **how})
    again.load_state(json.loads(json.dumps(made.state())))
    assert torch.equal(again.encode(PAIRS).inputs["source"], batch.inputs["source"])
    assert again.dims["source_size"] == made.dims["source_size"]
    assert (made.source is made.target) == bool(how.get("joint"))


@given(st.lists(st.sampled_from(["dog", "cat", "the", ".", ",", "zebra", "(", "dög"]), min_size=1, max_size=8))
def test_subwords_write_back_what_they_read(words: list[str]) -> None:
    made = encoder(units="subwords", max_vocabulary=80, joint=True)
    text = " ".join(words)
    numbers = made.target.numbers(made.tokenise(text, made.target))
    if UNKNOWN not in numbers:
        assert made.write(numbers) == text


def test_unknown_words_are_copied_from_where_it_looked() -> None:
    made = encoder()
    dog = made.target.index["dog"]
    assert made.write([dog, UNKNOWN], [0, 1], ["der", "Xaver"]) == "dog Xaver"
    assert made.write([dog, UNKNOWN]) == "dog ⁇"
    assert made.write([UNKNOWN], [5], ["der"]) == "⁇"


def test_long_and_empty_and_odd_sentences() -> None:
    made = encoder(max_length=10)
    long = made.prepare(Pair("wort " * 200_000, "word " * 200_000))
    assert len(long[0]) == len(long[1]) == 10
    assert long[0][-1] == END and long[1][-1] != END, "what is cut has no end"
    assert made.prepare(Pair("", None))[0].tolist() == [END]
    batch = made.encode([Pair(""), Pair("x y")])
    assert batch.size == 0 and batch.target["tokens"].shape == (2, 0)
    assert made.clean("Cafe\u0301\u00a0 x") == "Café x"
    with pytest.raises(DataError, match="has no translation"):
        made.fit([Pair("x", None, source="f:3")])


# Batches by tokens


@given(st.integers(0, 50), st.integers(30, 200))
def test_batches_hold_at_most_so_many_tokens(seed: int, most: int) -> None:
    random = np.random.default_rng(seed)
    pairs = [Pair("w " * random.integers(1, 9), "v " * random.integers(1, 12)) for _ in range(70)]
    made = ParallelTextEncoder(min_count=1)
    made.fit(pairs)
    loader = Loader(pairs, made, 8, seed, batch_tokens=most)
    orders = []
    for epoch in range(3):
        order = loader._order(epoch)
        assert len(order) == loader.steps_per_epoch, "every epoch has as many steps"
        assert sorted(index for part in order for index in part) == list(range(70))
        assert all(torch.equal(a.inputs["source"], b.inputs["source"]) for (a,), (b,) in
                   zip(itertools.islice(loader.steps(epoch), 3, None), loader.steps(epoch, 3), strict=True))  # fmt: skip
        for (batch,) in loader.steps(epoch):
            tokens = batch.inputs["source"].numel() + batch.target["tokens"].numel()
            assert tokens <= most or len(batch.inputs["source"]) == 1
        orders.append([tuple(part) for part in order])
    assert orders[0] != orders[1]
    assert sorted(index for indices, _ in loader.all() for index in indices) == list(range(70))


def test_tokens_need_lengths_and_buckets() -> None:
    with pytest.raises(RecipeError, match=r"train\.bucket=true"):
        Loader(PAIRS, encoder(), 2, bucket=False, batch_tokens=10)

    class Boundless(ParallelTextEncoder):
        def length(self, item):
            return None

    made = Boundless(min_count=1)
    made.fit(PAIRS)
    with pytest.raises(DataError, match=r"train\.batch_size"):
        _ = Loader(PAIRS, made, 2, batch_tokens=10).steps_per_epoch


# Scores


WORDS = st.lists(st.sampled_from([*"abcdef"]), min_size=4, max_size=12)


def bleu_by_definition(candidates: list[list[str]], references: list[list[str]]) -> float:
    """Written out: modified precisions as fractions of counts, the brevity penalty, the geometric mean."""
    product = 1.0
    for n in (1, 2, 3, 4):
        hits = total = 0
        for candidate, reference in zip(candidates, references, strict=True):
            grams = [tuple(candidate[i : i + n]) for i in range(len(candidate) - n + 1)]
            there = [tuple(reference[i : i + n]) for i in range(len(reference) - n + 1)]
            total += len(grams)
            hits += sum(min(grams.count(gram), there.count(gram)) for gram in set(grams))
        product *= hits / total
    c, r = sum(map(len, candidates)), sum(map(len, references))
    return product**0.25 * (1.0 if c >= r else math.exp(1 - r / c))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6))
def test_token_bleu_is_its_definition(pairs: list[tuple[list[str], list[str]]]) -> None:
    candidates, references = [a for a, _ in pairs], [b for _, b in pairs]
    found = corpus_bleu(candidates, references)
    assert found == pytest.approx(bleu_by_definition(candidates, references), abs=1e-12)
    official = sacrebleu.corpus_bleu(
        [" ".join(words) for words in candidates], [[" ".join(words) for words in references]], tokenize="none",
        smooth_method="none", force=True,
    )  # fmt: skip
    assert found == pytest.approx(official.score / 100, abs=1e-9)


def test_meter_is_sacrebleu_and_counts_tokens() -> None:
    written, true = ["The dog sleeps.", "a cat"], ["the dog sleeps .", "The cat waits"]
    meter = TranslationMeter(str.split, lower=True)
    losses = np.array([[4.0, 4, 3], [2.0, 2, 0]])
    for row in range(2):
        meter.update(Translations([[written[row]]], losses=losses[row : row + 1]), {"references": [true[row]]})
    found = meter.compute()
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(written, [true], lowercase=True).score / 100)
    chrf = sacrebleu.CHRF(lowercase=True).corpus_score(written, [true])
    assert found["chrf"] == pytest.approx(chrf.score / 100)
    assert found["cross_entropy"] == 1.0 and found["perplexity"] == pytest.approx(math.e)
    assert found["token_accuracy"] == 0.5
    assert "case:lc" in signatures(True)["bleu"] and "tok:13a" in signatures(True)["bleu"]
    assert "case:mixed" in signatures(False)["bleu"]


def test_loss_is_a_mean_over_tokens() -> None:
    made = encoder()
    task = Translation(made.write, made.words, False, label_smoothing=0.2)
    batch = made.encode(PAIRS)
    tokens = batch.target["tokens"]
    logits = torch.randn(*tokens.shape, len(made.target.tokens), generator=torch.Generator().manual_seed(0))
    chances = logits.log_softmax(dim=2)
    there = tokens.ne(PADDING)
    true = chances.gather(2, tokens.unsqueeze(2)).squeeze(2)[there]
    expected = -(0.8 * true + 0.2 * chances.mean(dim=2)[there]).sum() / batch.size
    assert torch.allclose(task.losses(logits, batch.target)["cross_entropy"], expected, atol=1e-6)


def test_task_says_what_a_model_lacks() -> None:
    made = encoder()
    task = Translation(made.write, made.words, False)
    with pytest.raises(RecipeError, match="does not write token by token"):
        task.search(torch.nn.Linear(1, 1), torch.ones(1, 1, dtype=torch.int64))


# Opponents


def test_dictionary_is_ibm_model_1() -> None:
    """Against expectation-maximisation written with dictionaries, and on sentences that have one answer."""
    sources = [["das", "haus"], ["das", "buch"], ["ein", "buch"]]
    targets = [["the", "house"], ["the", "book"], ["a", "book"]]
    model = LexicalModel.learn(sources, targets, 20)
    chances = {(f, e): 0.25 for f in ("", "das", "haus", "buch", "ein") for e in ("the", "house", "book", "a")}
    for _ in range(20):
        counts: Counter = Counter()
        for source, target in zip(sources, targets, strict=True):
            for e in target:
                total = sum(chances[f, e] for f in ["", *source])
                for f in ["", *source]:
                    counts[f, e] += chances[f, e] / total
        totals: Counter = Counter()
        for (f, _), count in counts.items():
            totals[f] += count
        chances = {pair: counts[pair] / totals[pair[0]] for pair in chances}
    for (f, e), chance in zip(model.pairs.tolist(), model.chances, strict=True):
        assert chance == pytest.approx(chances[model.sources[f], model.targets[e]], abs=1e-9)
    assert model.dictionary() == {"das": "the", "haus": "house", "buch": "book", "ein": "a"}


@given(st.sets(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=7))
def test_phrase_pairs_are_consistent(links: set[tuple[int, int]]) -> None:
    expected = {
        ((a, b), (c, d))
        for a, b, c, d in itertools.product(range(4), range(1, 5), range(4), range(1, 5))
        if a < b and c < d and b - a <= 3 and d - c <= 3
        and any(a <= i < b and c <= j < d for i, j in links)
        and all((a <= i < b) == (c <= j < d) for i, j in links)
    }  # fmt: skip
    found = phrase_pairs(links, 4, 4, 3)
    assert set(found) == expected and len(found) == len(expected)


def test_phrases_change_the_order_that_words_cannot() -> None:
    pairs = [Pair(f"n{a} v{b}", f"V{b} N{a}") for a in range(4) for b in range(4) if (a, b) != (3, 3)] * 3
    made = ParallelTextEncoder(min_count=1)
    made.fit(pairs)
    for opponent, expected in ((WordDictionary(), "N1 V2"), (PhraseTable(), "V2 N1")):
        opponent.fit(pairs, made.dims)
        assert opponent.outputs([Pair("n1 v2")]).texts == [[expected]]
        assert opponent.outputs([Pair("unseen")]).texts == [["unseen"]], "unknown words are copied"


# Data


def test_grammar_knows_its_ceiling() -> None:
    splits = Grammar(train=50, val=20, test=300, seed=3).read()
    certain = Grammar(train=50, val=20, test=300, seed=3, noise=0.0).read()
    assert certain.ceiling["test/bleu"] == pytest.approx(1.0)
    assert 0.9 < splits.ceiling["test/bleu"] < 1.0
    texts = [pair.text for _, part in splits for pair in part]
    assert len(set(texts)) == len(texts)
    again = Grammar(train=50, val=20, test=300, seed=3).read()
    assert [*again.test] == [*splits.test]
    # sacreBLEU cuts these sentences as the ceiling does.
    true = [pair.translation for pair in splits.test]
    wrong = [text.replace("die", "das") for text in true]
    words = encoder(lower=True).words
    ours = corpus_bleu([words(text) for text in wrong], [words(text) for text in true])
    assert ours == pytest.approx(sacrebleu.corpus_bleu(wrong, [true], lowercase=True).score / 100, abs=1e-9)


def test_grammar_agrees() -> None:
    pairs = [pair for _, part in Grammar(train=3000, val=10, test=10, rare=1.0).read() for pair in part]
    said = {pair.text: pair.translation for pair in pairs}
    bats = [german for english, german in said.items() if " bat " in f" {english} " and "because" in english]
    assert any("Fledermaus" in text for text in bats) and any("Schläger" in text for text in bats)
    for english, german in said.items():
        assert english.endswith(".") and german.endswith(".") and "|" not in german and "  " not in german
        if english.startswith(("Tomorrow", "Next week", "Soon")):
            assert german.split()[1] in ("wird", "werden") or german.split()[2] in ("wird", "werden"), (
                "the verb is second"
            )
        if " away" in english and "takes" in english:
            assert "fort" in german


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


DE = "".join(f"satz {number} hier\n" for number in range(30))
EN = "".join(f"sentence {number} here\n" for number in range(30))


@pytest.mark.parametrize("form", ["files", "gz", "tsv", "tsv_named", "jsonl", "nested", "folder", "folder_tsv"])
def test_own_pairs_are_read(form: str, tmp_path: Path) -> None:
    lines = list(zip(DE.splitlines(), EN.splitlines(), strict=True))
    path, how = tmp_path / "corpus.de", {}
    if form == "files":
        write(tmp_path, corpus__de=DE, corpus__en=EN)
    elif form == "gz":
        path = tmp_path / "corpus.de.gz"
        path.write_bytes(gzip.compress(DE.encode()))
        (tmp_path / "corpus.en.gz").write_bytes(gzip.compress(EN.encode()))
    elif form == "tsv":
        path = tmp_path / "pairs.tsv"
        path.write_text("".join(f"{a}\t{b}\n" for a, b in lines))
    elif form == "tsv_named":
        path, how = tmp_path / "pairs.tsv", {"source": "German", "target": "English"}
        path.write_text("id\tEnglish\tGerman\n" + "".join(f"7\t{b}\t{a}\n" for a, b in lines))
    elif form == "jsonl":
        path, how = tmp_path / "pairs.jsonl", {"source": "de", "target": "en"}
        path.write_text("".join(json.dumps({"de": a, "en": b}) + "\n" for a, b in lines))
    elif form == "nested":
        path, how = tmp_path / "pairs.jsonl.gz", {"source": "de", "target": "en"}
        text = "".join(json.dumps({"id": 1, "translation": {"de": a, "en": b}}) + "\n" for a, b in lines)
        path.write_bytes(gzip.compress(text.encode()))
    elif form == "folder":
        path, how = tmp_path, {"source": "de", "target": "en"}
        write(
            tmp_path, train__de=DE, train__en=EN, test__de="eins\n", test__en="one\n", val__de="zwei\n", val__en="two\n"
        )
    else:
        path = tmp_path
        write(tmp_path, train__tsv="".join(f"{a}\t{b}\n" for a, b in lines), test__tsv="eins\tone\n")
    assert ParallelText.recognises(path)
    splits = ParallelText(str(path), **how).read()
    pairs = {(pair.text, pair.translation) for _, part in splits for pair in part}
    extra = {"folder": 2, "folder_tsv": 1}.get(form, 0)
    assert set(lines) <= pairs and len(pairs) == 30 + extra
    assert all(len(part) for _, part in splits)
    assert splits.test[0].source and splits.files


def test_copies_of_a_source_stay_together(tmp_path: Path) -> None:
    write(tmp_path, c__de="".join(f"satz {n // 2}\n" for n in range(60)), c__en=EN * 2)
    parts = [{pair.text for pair in part} for _, part in ParallelText(str(tmp_path / "c.de")).read()]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]


def test_multi30k(mirror: Path) -> None:
    splits = Multi30k(path=str(mirror / "multi30k")).read()
    assert [len(part) for _, part in splits] == [29_000, 1_014, 1_000]
    assert splits.test[0].text.startswith("Ein Mann mit einem orangefarbenen Hut")
    assert splits.test[0].translation == "A man in an orange hat starring at something."
    assert Multi30k("en", "de", str(mirror / "multi30k")).read().val[0].translation.startswith("Eine Gruppe")


# The command line


def refused(result, code: int, *words: str) -> None:
    assert result.code == code, result.err
    assert len(result.err.splitlines()) == 1 and "Traceback" not in result.err, result.err
    for word in words:
        assert word in result.err, result.err


@pytest.mark.parametrize(
    ("files", "how", "words"),
    [
        ({"c__de": DE, "c__en": EN + "more\n"}, [], ["30 lines", "31", "line n"]),
        ({"c__de": DE.replace("satz 4 hier", ""), "c__en": EN}, [], ["c.de:5", "the source is empty", "data.empty=skip"]),
        ({"c__de": DE, "c__en": EN.replace("sentence 4 here", " ")}, [], ["c.de:5", "the target is empty"]),
        ({"c__de": DE}, [], ["none of the formats"]),
        ({"c__de": DE, "c__en": EN, "c__fr": EN}, [], ["c.en, c.fr", "data.target=en"]),
        ({"c__de": DE, "c__en": EN, "c__fr": EN}, ["data.target=ef"], ["no twin", "did you mean"]),
        ({"c__de": DE, "c__en": EN}, ["data.encoding=klingon"], ["no encoding 'klingon'"]),
        ({"c__de": "a\nb\n", "c__en": "a\nb\n"}, [], ["at least 3"]),
    ],
)  # fmt: skip
def test_wrong_files_are_one_line(files: dict, how: list, words: list, cli, tmp_path: Path) -> None:
    write(tmp_path, **files)
    refused(cli("check", NAME, "--data", tmp_path / "c.de", *how), 3, *words)


def test_wrong_tables_are_one_line(cli, tmp_path: Path) -> None:
    def check(name: str, content: str | bytes, *words: str, how: tuple = ()) -> None:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        refused(cli("check", NAME, "--data", path, *how), 3, *words)

    check("a.tsv", "eins\tone\nzwei\n", "a.tsv:2", "1 column")
    check("a.tsv", "x\ty\n1\t2\n", "no column 'sorce'", how=("data.source=sorce", "data.target=y"))
    check("a.tsv", "source\ty\n1\t2\n", "which column is the target", "data.target=COLUMN")
    check("a.jsonl", '{"source": "a"\n', "a.jsonl:1", "is not JSON")
    check("a.jsonl", '{"source": "a", "target": 3}\n', "a.jsonl:1", "should be a text, not int")
    check("a.jsonl", "[1]\n", "a.jsonl:1", "should be an object")
    check("a.tsv.gz", b"\x1f\x8bdamaged", "no whole gzip file")
    check("a.tsv", "eins\tgr\xfcn\n".encode("latin-1"), "a.tsv:1", "byte 0xfc", "data.encoding=latin-1")
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, train__de=DE, train__en=EN)
    refused(cli("check", NAME, "--data", folder), 3, "which is translated into which", "data.source=de data.target=en")
    refused(cli("check", NAME, "--data", folder, "data.source=de", "data.target=en"), 3, "the test split has no pairs")


def test_predict_keeps_lines_in_order(small_run, cli, tmp_path: Path) -> None:
    folder = small_run(NAME)
    lines = ["the dog sees a cat .", "", "zzz qqq xxx", "word " * 200_000, "Anna sleeps ."]
    result = cli("predict", folder, "-", input="\n".join(lines) + "\n")
    assert result.code == 0, result.err
    written = result.out.split("\n")
    assert len(written) == 6 and written[1] == ""
    alone = [cli("predict", folder, line).out.rstrip("\n") for line in (lines[0], lines[4])]
    assert [written[0], written[4]] == alone
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "lines.txt.gz").write_bytes(gzip.compress((tmp_path / "lines.txt").read_bytes()))
    for name in ("lines.txt", "lines.txt.gz"):
        assert cli("predict", folder, name).out == result.out
    several = cli("predict", folder, "-", "--n-best", "3", input="\n".join(lines[:3]) + "\n")
    rows = [line.split("\t") for line in several.out.splitlines()]
    assert len(rows) == 9 and all(len(row) == 2 for row in rows)
    scores = [float(score) for score, _ in rows[:3]]
    assert scores == sorted(scores, reverse=True)
    answer = json.loads(cli("predict", folder, "a dog", "--n-best", "2", "--json").out)
    assert answer["input"] == "a dog" and len(answer["translations"]) == 2
    assert answer["translation"] == answer["translations"][0]["translation"]
    (tmp_path / "latin.txt").write_bytes("grün\n".encode("latin-1"))
    refused(cli("predict", folder, "latin.txt"), 3, "latin.txt:1", "byte 0xfc")


def test_own_data_is_trained_scored_and_evaluated(cli, tiny, tmp_path: Path) -> None:
    write(tmp_path, c__de=DE, c__en=EN)
    kept = [word for word in tiny(NAME) if not word.startswith("data.")]
    result = cli("run", NAME, "--data", "c.de", "--out", "mine", "--quiet", *kept, "encoder.units=subwords", "encoder.joint=true",
                 "encoder.max_vocabulary=60", "model.tied=all", "data.val=0.2", "data.test=0.2")  # fmt: skip
    assert result.code == 0, result.err
    assert {"test/bleu", "test/chrf", "test/token_bleu"} <= set(convzoo.Run.load("mine").scores)
    assert "nrefs:1" in json.loads(Path("mine/task.json").read_text())["signatures"]["bleu"]
    write(tmp_path, other__tsv="satz 3 hier\tsentence 3 here\n")
    scores = cli("evaluate", "mine", "--data", "other.tsv", "--json")
    assert scores.code == 0 and 0 <= json.loads(scores.out)["data/bleu"] <= 1, scores.err


@pytest.mark.parametrize("kind", ["light", "dynamic"])
def test_lightconv_keeps_the_promises(kind: str, cli, tiny, tmp_path: Path) -> None:
    """Trained, written, explained and exported, under the same recipe."""
    text = (ROOT / "recipes" / f"{NAME}.yaml").read_text(encoding="utf-8")
    before, _, rest = text.partition("model:\n")
    small = "channels: 16, heads: 2, encoder_kernel_sizes: [3], decoder_kernel_sizes: [3, 3], hidden: 16"
    model = f"model: {{name: lightconv, kind: {kind}, {small}}}\n"
    Path("light.yaml").write_text(before + model + "task:" + rest.partition("task:")[2], encoding="utf-8")
    kept = [word for word in tiny(NAME) if not word.startswith("model.")]
    result = cli("run", "light.yaml", "--out", "light", "--quiet", *kept, "baselines=[]")
    assert result.code == 0, result.err
    assert "Attention, the strongest of each written token" in Path("light/report.html").read_text(encoding="utf-8")
    described = json.loads(cli("describe", "light", "--json").out)
    layers = described["layers"]
    assert described["multiply_adds"] == sum(layer["multiply_adds"] for layer in layers)
    assert any("Takes a weighted mean of 3 positions" in layer["words"] for layer in layers)
    assert cli("export", "light", "--format", "onnx" if kind == "light" else "torch").code == 0
    assert cli("predict", "light", "the dog sees a cat .").code == 0


def test_a_missing_library_is_one_line(cli, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    refused(cli("check", NAME, *tiny(NAME)), 2, "sacrebleu", "pip install 'convzoo[translation]'")


# Tables as people and Tatoeba have them


def pairs_of(path: Path, **how: object) -> list[tuple[str, str | None]]:
    return [(pair.text, pair.translation) for pair in ParallelText(str(path), **how).examples()]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "fra.txt",
            "Go.\tVa !\tCC-BY 2.0 (France) Attribution: tatoeba.org #1\nRun!\tCours !\tCC-BY 2.0 (France) #2\n",
        ),
        ("ids.tsv", "1276\tGo.\t33\tVa !\n1277\tRun!\t34\tCours !\n"),
        ("named.tsv", "en\tfr\nGo.\tVa !\nRun!\tCours !\n"),
        ("named.csv", "English,French\nGo.,Va !\nRun!,Cours !\n"),
        ("given.csv", "id;source;target\n1;Go.;Va !\n2;Run!;Cours !\n"),
        ("plain.csv", '"Go.","Va !"\n"Run!","Cours !"\n'),
        ("list.json", '[{"source": "Go.", "target": "Va !"}, {"source": "Run!", "target": "Cours !"}]'),
        (
            "hub.json",
            '[{"translation": {"en": "Go.", "fr": "Va !"}}, {"translation": {"en": "Run!", "fr": "Cours !"}}]',
        ),
    ],
)
def test_pairs_of_tables_are_read_without_headings_numbers_and_licences(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    assert ParallelText.recognises(path)
    assert pairs_of(path) == [("Go.", "Va !"), ("Run!", "Cours !")]


def test_the_persons_table_is_translated_row_by_row(cli, small_run, tmp_path: Path) -> None:
    run = small_run(NAME)
    text = "ein hund läuft"
    (tmp_path / "mine.csv").write_text(f"id,source\n1,{text}\n2,\n3,{text}\n", encoding="utf-8")
    result = cli("predict", run, tmp_path / "mine.csv", "-o", tmp_path / "found.jsonl")
    assert result.code == 3 and "mine.csv:3: column 'source' is empty" in result.err
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["source"]) for row in rows] == [("1", text), ("2", ""), ("3", text)]
    alone = convzoo.Run.load(run).predict(text)[0]["translation"]
    assert [row.get("translation") for row in rows] == [alone, None, alone]


def test_a_table_of_classes_is_no_translation(cli, tmp_path):
    """Its column of labels would be learnt as the target language."""
    rows = [f"this is text {at},{('spam', 'ham')[at % 2]}" for at in range(40)]
    path = tmp_path / "messages.csv"
    path.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    found = cli("check", "translation_convs2s", "--data", path)
    assert found.code == 3 and "column 'label' holds classes" in found.err and "data.target=COLUMN" in found.err
