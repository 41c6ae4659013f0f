"""Transcription: training needs no times of words, and prediction finds words and their times."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convzoo.core.arguments import FromData, NonNegative, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.model import HasContext
from convzoo.core.outputs.transcripts import Transcripts, Word
from convzoo.core.splits import Splits
from convzoo.core.task import Meter, Task
from convzoo.ops.ctc import BLANK, Extend, Heard, align, best_path, prefix_beam_search
from convzoo.reading.arpa import END, NGrams

WEIGHTS = (0.0, 0.5, 1.0, 2.0)
BONUSES = (0.0, 1.5)
TRIED_ON = 100
"""Validation recordings that the weight of a language model is chosen on."""
LONGEST = 1500
"""Outputs that are searched at once."""
LEAST = math.log(1e-3)
"""Tokens that are less probable at an output are not tried there."""


class Transcription(Task):
    r"""The negative log-likelihood of the true tokens, summed over all alignments (connectionist temporal classification, CTC;
    Graves et al. 2006, doi:10.1145/1143844.1143891), $-\log \sum_{\pi \in B^{-1}(y)} \prod_t p(\pi_t \mid x)$, as a mean over the
    tokens. B joins equal neighbours and then takes blanks out.

    To predict, the best sequence is found by a prefix beam search, with an n-gram model of words where one is given: a sequence
    scores $\log p(y \mid x) + \alpha \log p_{LM}(y) + \beta |y|$, with $|y|$ the number of its words. A word that the n-gram
    model does not know has in addition the probability of its spelling, each letter being as likely as any other. While
    training, validation takes the single best path. The times of words are those of the best alignment. Long recordings are
    computed in pieces that overlap by what the network sees, so that their outputs are the same as those of the whole.

    Args:
        beam: width of the beam search; 1 takes the single best path
        language_model: an n-gram model of words: a file in ARPA's format (`.arpa`, also `.gz`); `training`: pairs of words in
            the transcripts of training; `none`
        language_weight: α; auto: chosen on the validation split from 0 to 2
        word_bonus: β, in nats a word; auto: chosen on the validation split from 0 to 2
        piece: seconds of a long recording that are computed at once
        best_by: the validation score that chooses the best checkpoint
    """

    judged_by = ("word_error_rate",)
    follows: ClassVar[bool] = True
    errors: ClassVar[frozenset[str]] = frozenset(
        {"word_error_rate", "character_error_rate", "sentence_error_rate", "ctc_loss"}
    )
    outputs = {"logits": ("batch", "outputs", "tokens")}

    def __init__(
        self,
        tokens: FromData[tuple],
        spaced: FromData[bool],
        stride: FromData[int],
        hop: FromData[float],
        grams: FromData[Any],
        beam: Positive = 8,
        language_model: str = "training",
        language_weight: NonNegative | Literal["auto"] = "auto",
        word_bonus: float | Literal["auto"] = "auto",
        piece: PositiveFloat = 30.0,
        best_by: Literal[
            "-val/word_error_rate", "-val/character_error_rate", "-val/ctc_loss"
        ] = "-val/character_error_rate",
    ) -> None:
        self.tokens = tuple(tokens)
        self.spaced = spaced
        self.stride = stride
        self.hop = hop
        self.beam = beam
        self.grams = None if language_model == "none" else grams
        if language_model not in ("none", "training"):
            self.grams = NGrams.read(Path(language_model))
        self._spelling = _Spelling(self.grams, self.tokens, spaced) if self.grams is not None else None
        self.chosen = {"language_weight": language_weight, "word_bonus": word_bonus}
        self.language_weight = 0.5 if language_weight == "auto" else float(language_weight)
        self.word_bonus = 0.0 if word_bonus == "auto" else float(word_bonus)
        self.piece = piece
        self.best_by = best_by
        self.width = 1
        self.count = 1

    def losses(self, outputs: Tensor, target: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The CTC loss. Of a recording with too few outputs for its transcript, which only a higher speed can make, it is 0."""
        lost = _ctc_loss(outputs, target)
        return {"ctc": lost.sum() / target["lengths"].sum().clamp(min=1)}

    def predict(self, model: nn.Module, batch: Batch) -> Transcripts:
        """The transcripts of each recording; if the true one is known, also the loss."""
        logits = self._logits(model, batch.inputs)
        losses = None
        if any(reference is not None for reference in batch.target["references"]):
            lost = _ctc_loss(logits, batch.target)
            losses = torch.stack([lost.double(), batch.target["lengths"].double()], dim=1).cpu().numpy()
        found = [self.transcribe(values) for values in self._log_probs(logits, batch.target)]
        return Transcripts(
            [texts for texts, _, _ in found],
            [words for _, words, _ in found],
            [scores for _, _, scores in found],
            losses,
        )

    def _logits(self, model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
        """The outputs of the model; of long recordings in pieces, if the model says how far it looks."""
        spectrogram, frames = inputs["spectrogram"], inputs["frames"]
        piece = max(1, round(self.piece / self.hop / self.stride)) * self.stride
        length = spectrogram.shape[2]
        if length <= piece or not isinstance(model, HasContext):
            return model(**inputs)
        before, after = model.context
        before = -(-before // self.stride) * self.stride
        parts = []
        for start in range(0, length, piece):
            first, last = max(0, start - before), min(length, start + piece + after)
            part = model(spectrogram[:, :, first:last], (frames - first).clamp(0, last - first))
            stop = -(-min(length, start + piece) // self.stride)
            parts.append(part[:, (start - first) // self.stride : stop - first // self.stride])
        return torch.cat(parts, dim=1)

    def _log_probs(self, logits: Tensor, target: Mapping[str, Tensor]) -> list[np.ndarray]:
        """For each recording (outputs, tokens), without padding."""
        values = F.log_softmax(_precise(logits), dim=2).cpu().numpy()
        return [row[:count] for row, count in zip(values, target["outputs"].tolist(), strict=True)]

    def transcribe(self, log_probs: np.ndarray) -> tuple[list[str], list[Word], list[float]]:
        """The transcripts of a recording, the best first; the words of the best one; and the log-probabilities.

        Args:
            log_probs: (outputs, tokens)
        """
        if self.width == 1 and self.count == 1:
            heard, score = best_path(log_probs)
            words = self._words(heard, log_probs)
            return [" ".join(word.text for word in words)], words, [score]
        texts, words, scores = [""], [], [0.0]
        for start, stop in cuts(log_probs, LONGEST):
            part = log_probs[start:stop]
            several = self._search(part)
            heard = [Heard(token, a + start, b + start) for token, a, b in align(part, several[0][0])]
            words += self._words(heard, log_probs)
            texts, scores = _joined(
                texts, scores, [(self._text(tokens), score) for tokens, score in several], self.count
            )
        texts += [""] * (self.count - len(texts))
        return texts, words, scores + [scores[-1]] * (len(texts) - len(scores))

    def _search(self, log_probs: np.ndarray) -> list[tuple[tuple[int, ...], float]]:
        width = max(self.width, self.count)
        if self._spelling is None or not (self.language_weight or self.word_bonus):
            return prefix_beam_search(log_probs, width, least=LEAST, most=width)  # type: ignore[return-value]
        extend, finish = self._spelling.scorers(self.language_weight, self.word_bonus)
        start = self._spelling.start
        return prefix_beam_search(log_probs, width, extend, start, finish, LEAST, width)  # type: ignore[return-value]

    def _text(self, tokens: Sequence[int]) -> str:
        joined = (" " if self.spaced else "").join(self.tokens[token] for token in tokens)
        return " ".join(joined.split())

    def _words(self, heard: Sequence[Heard], log_probs: np.ndarray) -> list[Word]:
        """The words with their times, from their tokens."""
        words: list[Word] = []
        parts: list[Heard] = []
        for each in [*heard, None]:
            ends = each is None or self.spaced or self.tokens[each.token].isspace()
            if ends and parts:
                words.append(self._word(parts, log_probs))
                parts = []
            if each is not None and (self.spaced or not ends):
                parts.append(each)
        return words

    def _word(self, parts: Sequence[Heard], log_probs: np.ndarray) -> Word:
        unit = self.stride * self.hop
        sure = [float(np.exp(log_probs[part.start : part.end, part.token].max())) for part in parts]
        text = "".join(self.tokens[part.token] for part in parts)
        return Word(text, round(parts[0].start * unit, 3), round(parts[-1].end * unit, 3), float(np.mean(sure)))

    def follow(self, model: nn.Module, rows: Iterable[Tensor]) -> Iterator[dict[str, Any]]:
        """Each word of a stream as soon as it is whole, on the single best path: before a space, or a second after its last
        token.

        Args:
            model: whose outputs wait for as many frames as it looks ahead, none for a causal one
            rows: (mels, frames), each frame once

        Raises:
            RecipeError: the model does not say how far it looks.
        """
        if not isinstance(model, HasContext):
            raise RecipeError(
                f"the model {type(model).__name__} does not say how far it looks, so it cannot follow a stream"
            )
        parts: list[Heard] = []
        chances: list[float] = []
        patience = round(1.0 / self.hop / self.stride)
        last, time = BLANK, 0
        for row in self._outputs_of(model, rows):
            token, sure = int(row.argmax()), float(np.exp(row.max()))
            if parts and (token == BLANK and time - parts[-1].end >= patience):
                yield self._entry(parts, chances)
                parts, chances = [], []
            if token == last and token != BLANK and parts and parts[-1].end == time:
                parts[-1] = parts[-1]._replace(end=time + 1)
                chances[-1] = max(chances[-1], sure)
            elif token != BLANK and token != last:
                space = not self.spaced and self.tokens[token].isspace()
                if parts and (space or self.spaced):
                    yield self._entry(parts, chances)
                    parts, chances = [], []
                if not space:
                    parts.append(Heard(token, time, time + 1))
                    chances.append(sure)
            last, time = token, time + 1
        if parts:
            yield self._entry(parts, chances)

    def _entry(self, parts: Sequence[Heard], chances: Sequence[float]) -> dict[str, Any]:
        unit = self.stride * self.hop
        return {
            "word": "".join(self.tokens[part.token] for part in parts),
            "start": round(parts[0].start * unit, 3),
            "end": round(parts[-1].end * unit, 3),
            "probability": round(float(np.mean(chances)), 4),
        }

    def _outputs_of(self, model: Any, rows: Iterable[Tensor]) -> Iterator[np.ndarray]:
        """The log-probabilities of each output of a stream, once all frames are there that it depends on."""
        before, after = model.context
        before = -(-before // self.stride) * self.stride
        held: Tensor | None = None
        first = done = 0  # the frame that `held` begins with, and the outputs that were given

        def given(held: Tensor, count: int) -> Iterator[np.ndarray]:
            logits = model(held[None], torch.tensor([held.shape[1]]))
            values = F.log_softmax(_precise(logits), dim=2)[0].numpy()
            yield from values[done - first // self.stride : count - first // self.stride]

        for row in rows:
            held = row if held is None else torch.cat([held, row], dim=1)
            count = max(0, (first + held.shape[1] - after - 1) // self.stride + 1)
            if count > done:
                yield from given(held, count)
                done = count
                start = max(first, done * self.stride - before)
                held, first = held[:, start - first :], start
        if held is not None:
            yield from given(held, -(-(first + held.shape[1]) // self.stride))

    def decode(self, outputs: Transcripts) -> list[dict[str, Any]]:
        """The transcript, its words with their times in seconds, and the log-probability; with `answers` above 1, all of them."""
        found = []
        for row, texts in enumerate(outputs.texts):
            entry: dict[str, Any] = {"transcript": texts[0]}
            if outputs.words is not None:
                entry["words"] = [
                    {"word": w.text, "start": w.start, "end": w.end, "probability": round(w.probability, 4)}
                    for w in outputs.words[row]
                ]
            if outputs.scores is not None:
                entry["score"] = outputs.scores[row][0]
            if self.count > 1:
                scores = outputs.scores[row] if outputs.scores is not None else [None] * len(texts)
                entry["transcripts"] = [{"transcript": t, "score": s} for t, s in zip(texts, scores, strict=True)]
            found.append(entry)
        return found

    def read_target(self, target: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The true transcript of each."""
        return [{"transcript": reference} for reference in target["references"]]

    def in_words(self, prediction: Mapping[str, Any], shown: str) -> str:
        """The transcript before the file; if there are several, one line for each with its score. Of a stream a word, with its
        time."""
        if "word" in prediction:
            return f"{prediction['start']:9.2f}  {prediction['word']}"
        if "transcripts" not in prediction:
            return f"{prediction['transcript']}  {shown}".strip()
        return "\n".join(f"{item['score']:.4f}\t{item['transcript']}" for item in prediction["transcripts"])

    def answers(self, count: int) -> None:
        """Give `count` transcripts of each recording; the beam is at least as wide."""
        self.count = count

    def require(self, splits: Splits) -> None:
        """Each split needs transcripts.

        Raises:
            DataError: a split has none.
        """
        for name, examples in splits:
            if len(examples) and all(example.transcript is None for example in examples):
                raise DataError(f"the {name} split has no transcripts; fill their column")

    def calibrate(self, model: nn.Module, batches: Iterable[Batch]) -> None:
        """From now on search with the beam; and choose the weight of the language model, and the bonus of a word."""
        self.width = self.beam
        if self.grams is None or "auto" not in self.chosen.values():
            return
        known: list[tuple[np.ndarray, str | None]] = []
        for batch in batches:
            with torch.no_grad():
                values = self._log_probs(self._logits(model, batch.inputs), batch.target)
            known += zip(values, batch.target["references"], strict=True)
            if len(known) >= TRIED_ON:
                break

        def rate() -> float:
            meter = self.meter()
            few = known[:TRIED_ON]
            texts = [self.transcribe(values)[0] for values, _ in few]
            meter.update(Transcripts(texts), {"references": [reference for _, reference in few]})
            found = meter.compute()["word_error_rate"]
            return math.inf if math.isnan(found) else found

        rates: dict[float, float] = {}
        if self.chosen["language_weight"] == "auto":
            for self.language_weight in WEIGHTS:
                rates[self.language_weight] = rate()
            self.language_weight = min(rates, key=lambda weight: rates[weight])
        if self.chosen["word_bonus"] == "auto":
            rates = {self.word_bonus: rates[self.language_weight]} if rates else {}
            for self.word_bonus in [bonus for bonus in BONUSES if bonus not in rates]:
                rates[self.word_bonus] = rate()
            self.word_bonus = min(rates, key=lambda bonus: rates[bonus])

    def advice(self) -> str:
        """What was chosen for the language model."""
        if self.grams is None or "auto" not in self.chosen.values():
            return ""
        return f"language model: weight {self.language_weight:g}, {self.word_bonus:g} nats a word, chosen on the validation split"

    def state(self) -> dict[str, Any]:
        """The beam, and what was chosen for the language model."""
        return {"beam": self.width, "language_weight": self.language_weight, "word_bonus": self.word_bonus}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` gave."""
        self.width = state.get("beam", self.beam)
        self.language_weight = state.get("language_weight", self.language_weight)
        self.word_bonus = state.get("word_bonus", self.word_bonus)

    def meter(self) -> Meter:
        """The error rates of words, characters and whole transcripts."""
        from convzoo.metrics.transcription import TranscriptionMeter

        return TranscriptionMeter()


class _Spelling:
    """What a language model adds to a sequence of tokens: for a word when it is whole, and for the letters of a word that it does
    not know as soon as they begin no known word. A state is the history of words, and the letters of the word that is being
    written.

    Args:
        grams: of words
        tokens: the blank first
        spaced: whether tokens are words
    """

    def __init__(self, grams: NGrams, tokens: Sequence[str], spaced: bool) -> None:
        self.grams = grams
        self.tokens = tokens
        self.spaced = spaced
        self.start = (grams.start(), "")
        self.letter = -math.log(max(2, len(tokens) - 1))
        words = [entry[0] for entry in grams.entries if len(entry) == 1]
        self.beginnings = {word[:size] for word in words for size in range(len(word) + 1)} if not spaced else set()

    def scorers(self, weight: float, bonus: float) -> tuple[Extend, Callable[[Any], float]]:
        """What a token adds, and what the end adds.

        Args:
            weight: of the language model
            bonus: of a word, in nats
        """

        def whole(history: tuple[str, ...], word: str) -> tuple[tuple[str, ...], float]:
            history, value = self.grams.after(history, word)
            return history, weight * value + bonus

        def extend(state: tuple[tuple[str, ...], str], token: int) -> tuple[tuple[tuple[str, ...], str], float]:
            history, letters = state
            text = self.tokens[token]
            if self.spaced:
                history, value = whole(history, text)
                return (history, ""), value
            if not text.isspace():
                more = letters + text
                if more in self.beginnings:
                    return (history, more), 0.0
                strange = len(more) if letters in self.beginnings else 1
                return (history, more), weight * self.letter * strange
            if not letters:
                return state, 0.0
            history, value = whole(history, letters)
            return (history, ""), value + self._unspelled(letters, weight)

        def finish(state: tuple[tuple[str, ...], str]) -> float:
            history, letters = state
            added = 0.0
            if letters:
                history, added = whole(history, letters)
                added += self._unspelled(letters, weight)
            return added + (weight * self.grams.after(history, END)[1] if self.grams.knows(END) else 0.0)

        return extend, finish

    def _unspelled(self, letters: str, weight: float) -> float:
        """The spelling of a whole word that is unknown, and begins a known one."""
        return (
            weight * self.letter * len(letters) if letters in self.beginnings and not self.grams.knows(letters) else 0.0
        )


def cuts(log_probs: np.ndarray, longest: int) -> Iterator[tuple[int, int]]:
    """Where a long recording is cut to be searched: where it is surest, in the second half of a piece, that nothing is said.

    Args:
        log_probs: (outputs, tokens)
        longest: outputs of a piece
    """
    start, count = 0, len(log_probs)
    while count - start > longest:
        half = start + longest // 2
        window = log_probs[half : start + longest, BLANK]
        sums = np.convolve(window, np.ones(15), "same")
        stop = half + int(sums.argmax()) + 1
        yield start, stop
        start = stop
    if count > start:
        yield start, count


def _joined(
    texts: list[str], scores: list[float], more: Sequence[tuple[str, float]], count: int
) -> tuple[list[str], list[float]]:
    """The best transcripts of two parts of a recording together."""
    pairs = [
        (f"{text} {other}".strip(), score + added)
        for text, score in zip(texts, scores, strict=True)
        for other, added in more
    ]
    best = sorted(pairs, key=lambda pair: -pair[1])
    kept = list(dict(reversed(best)).items())[::-1]  # two paths of tokens may be one text
    kept.sort(key=lambda pair: -pair[1])
    return [text for text, _ in kept[:count]], [score for _, score in kept[:count]]


def _ctc_loss(outputs: Tensor, target: Mapping[str, Tensor]) -> Tensor:
    """(batch,): the negative log-likelihood of each transcript, in nats; 0 where the outputs are too few."""
    log_probs = F.log_softmax(_precise(outputs), dim=2).transpose(0, 1)
    return F.ctc_loss(
        log_probs, target["tokens"], target["outputs"], target["lengths"], BLANK, reduction="none", zero_infinity=True
    )


def _precise(outputs: Tensor) -> Tensor:
    return outputs if outputs.dtype == torch.float64 else outputs.float()
