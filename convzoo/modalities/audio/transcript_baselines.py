"""Opponents for a recogniser of speech: the most frequent transcript, and hidden Markov models of words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch

from convzoo.core.arguments import NonNegative, Positive
from convzoo.core.baseline import Baseline
from convzoo.core.errors import DataError
from convzoo.core.libraries import import_torchaudio
from convzoo.core.outputs.transcripts import Transcripts, Word
from convzoo.modalities.audio import augment as sound
from convzoo.modalities.audio.transcribed import Utterance
from convzoo.reading.arpa import END, NGrams

torchaudio = import_torchaudio()

_LOWEST = -1e30
_TOGETHER = 64


class FrequentTranscript(Baseline):
    """The most frequent transcript of training, for every recording."""

    def fit(self, examples: Sequence[Utterance], dims: Mapping[str, Any]) -> None:
        """Count; of equally frequent ones the first in the alphabet is taken."""
        counts = Counter(dims["written"](example.transcript) for example in examples if example.transcript is not None)
        self.text = min(counts, key=lambda text: (-counts[text], text))

    def outputs(self, examples: Sequence[Utterance]) -> Transcripts:
        """The same transcript for each."""
        return Transcripts([[self.text] for _ in examples])


class WordHMM(Baseline):
    """Hidden Markov models of whole words with mixtures of Gaussians on cepstral coefficients, their changes and the changes of
    these (Rabiner 1989, doi:10.1109/5.18626): how speech with small vocabularies was recognised before networks.

    Like the network it is given what is said, and not when. At first the louder frames of a recording are shared out evenly over
    the states of its words; then alignment (Viterbi) and estimation take turns, and the mixtures are split in between. Between
    words there may be silence, which has a model of its own. A recording is recognised as the most probable sequence of words,
    with the pairs of words of training's transcripts, as the network's search has them.

    Args:
        states: of each word, from left to right
        gaussians: of each state at the end, a power of 2
        coefficients: number of cepstral coefficients of a frame
        sample_rate: samples a second; files of other rates are resampled
        penalty: what each word costs, in nats; null: chosen on the validation split
        language_weight: how much the logarithm of a pair's probability counts, 0: any word may follow any other alike; null:
            chosen on the validation split
        max_words: the largest vocabulary that is tried
        max_hours: the most speech that it is trained on
    """

    choices: ClassVar[Mapping[str, Sequence[Any]]] = {
        "penalty": (20.0, 0.0, 40.0),
        "language_weight": (5.0, 0.0, 20.0),
    }

    def __init__(
        self,
        states: Positive = 8,
        gaussians: Positive = 4,
        coefficients: Positive = 13,
        sample_rate: Positive = 8000,
        penalty: float | None = None,
        language_weight: NonNegative | None = None,
        max_words: Positive = 200,
        max_hours: float = 2.0,
    ) -> None:
        self.states = states
        self.gaussians = gaussians
        self.coefficients = coefficients
        self.sample_rate = sample_rate
        self.penalty = penalty
        self.language_weight = language_weight
        self.max_words = max_words
        self.max_hours = max_hours
        self.hop = round(0.0125 * sample_rate)
        settings = {"n_fft": round(0.032 * sample_rate), "win_length": round(0.025 * sample_rate), "hop_length": self.hop,
                    "n_mels": 26, "f_min": 60.0, "pad_mode": "constant"}  # fmt: skip
        self._mfcc = torchaudio.transforms.MFCC(sample_rate, coefficients, melkwargs=settings)
        self._resample = sound.Resampling(sample_rate)
        self._trained_on: Any = None
        self._heard_of: Any = None
        self.follows: np.ndarray = np.zeros((1, 1), np.float32)
        self.means: np.ndarray = np.zeros((0, 0, 0), np.float32)
        self.variances: np.ndarray = self.means
        self.weights: np.ndarray = np.zeros((0, 0), np.float32)

    def fit(self, examples: Sequence[Utterance], dims: Mapping[str, Any]) -> None:
        """Train once for all penalties and weights.

        Raises:
            DataError: the vocabulary is too large.
        """
        if self._trained_on is examples:
            return
        texts = [dims["written"](example.transcript or "").split() for example in examples]
        self.words = sorted({word for text in texts for word in text})
        if len(self.words) > self.max_words:
            raise DataError(
                f"models of whole words are for at most {self.max_words:,} of them, and training has {len(self.words):,}"
            )
        self.follows = _follows(self.words, texts)
        numbers = {word: number for number, word in enumerate(self.words)}
        seconds = np.cumsum([example.seconds() for example in examples])
        kept = max(1, int(np.searchsorted(seconds, self.max_hours * 3600)))
        self.fitted_on = kept if kept < len(examples) else None
        frames, paths = [], []
        for example, text in zip(examples[:kept], texts, strict=False):
            found = self._frames(example)
            if text and len(found) >= len(text) * self.states + 2:
                frames.append(found)
                paths.append(self._path([numbers[word] for word in text]))
        if not frames:
            raise DataError(f"every training recording is too short for {self.states} states a word")
        everything = np.concatenate(frames)
        self.variance = everything.var(axis=0)
        self._estimate(frames, [_even(each, path, self.silence) for each, path in zip(frames, paths, strict=True)], 1)
        size = 1
        for _ in range(3):
            self._estimate(frames, self._aligned(frames, paths), size)
        while size < self.gaussians:
            size *= 2
            for _ in range(2):
                self._estimate(frames, self._aligned(frames, paths), size)
        self._trained_on = examples

    @property
    def silence(self) -> int:
        """The number of the state of silence, behind those of the words."""
        return len(self.words) * self.states

    def _path(self, words: Sequence[int]) -> np.ndarray:
        """The states of a transcript: of each word its own, with silence before, between and behind."""
        found = [self.silence]
        for word in words:
            found += [*range(word * self.states, (word + 1) * self.states), self.silence]
        return np.array(found)

    def _frames(self, example: Utterance) -> np.ndarray:
        """(frames, 3 × coefficients): the coefficients without their mean, and their changes."""
        samples, rate = example.read()
        waveform = self._resample(torch.from_numpy(samples), rate)
        values = self._mfcc(waveform).numpy().T.astype(np.float64)  # (frames, coefficients)
        values = values - values.mean(axis=0)
        changes = _changes(values)
        return np.concatenate([values, changes, _changes(changes)], axis=1).astype(np.float32)

    def _estimate(self, frames: Sequence[np.ndarray], states: Sequence[np.ndarray], size: int) -> None:
        """The Gaussians of each state, from frames that are aligned with states; mixtures of `size` start from split ones."""
        everything, home = np.concatenate(frames), np.concatenate(states)
        count, dims = self.silence + 1, everything.shape[1]
        before = self.means
        means = np.zeros((count, size, dims), np.float32)
        variances = np.tile(self.variance.astype(np.float32), (count, size, 1))
        weights = np.full((count, size), 1 / size, np.float32)
        order = np.argsort(home, kind="stable")
        bounds = np.searchsorted(home[order], np.arange(count + 1))
        for state in range(count):
            own = everything[order[bounds[state] : bounds[state + 1]]]
            if not len(own):
                continue
            if size == 1:
                parts = np.zeros(len(own), np.int64)
            else:
                old = before[state]
                if len(old) < size:
                    spread = 0.2 * np.sqrt(self.variances[state])
                    old = np.concatenate([old - spread, old + spread])
                parts = _nearest(own, old, self.variance)
            for part in range(size):
                inside = own[parts == part]
                mean = inside.mean(axis=0) if len(inside) else own.mean(axis=0)
                means[state, part] = mean
                # A few frames say little of how much they vary: ten frames of the variance of everything are added.
                squares = ((inside - mean) ** 2).sum(axis=0) if len(inside) else 0.0
                variances[state, part] = (squares + 10 * 0.3 * self.variance) / (len(inside) + 10)
                weights[state, part] = (len(inside) + 1) / (len(own) + size)
        self.means, self.variances, self.weights = means, variances, weights

    def _scores(self, frames: np.ndarray) -> np.ndarray:
        """(frames, states): the log-likelihood of each frame in each state, by its best Gaussian."""
        states, size, dims = self.means.shape
        means, inverse = self.means.reshape(-1, dims), (1 / self.variances).reshape(-1, dims)
        constant = np.log(self.weights).reshape(-1) - 0.5 * (
            np.log(2 * np.pi * self.variances.reshape(-1, dims)) + means**2 * inverse
        ).sum(axis=1)
        values = frames @ (means * inverse).T - 0.5 * (frames**2) @ inverse.T + constant
        return values.reshape(len(frames), states, size).max(axis=2)

    def _aligned(self, frames: Sequence[np.ndarray], paths: Sequence[np.ndarray]) -> list[np.ndarray]:
        """For each recording, the state of each frame on the best way through its states; silence may be left out."""
        found: list[Any] = [None] * len(frames)
        for group in _groups(frames):
            longest, widest = max(len(frames[at]) for at in group), max(len(paths[at]) for at in group)
            emitted = np.full((len(group), longest, widest), _LOWEST, np.float32)
            skips = np.full((len(group), widest), _LOWEST, np.float32)
            for row, at in enumerate(group):
                emitted[row, : len(frames[at]), : len(paths[at])] = self._scores(frames[at])[:, paths[at]]
                quiet = np.flatnonzero(paths[at][1:-1] == self.silence) + 1
                skips[row, quiet + 1] = 0  # from the last state of a word to the first of the next
            score = np.full((len(group), widest), _LOWEST, np.float32)
            score[:, :2] = emitted[:, 0, :2]
            came = np.zeros((longest, len(group), widest), np.int8)
            for time in range(1, longest):
                one = np.pad(score[:, :-1], ((0, 0), (1, 0)), constant_values=_LOWEST)
                two = np.pad(score[:, :-2], ((0, 0), (2, 0)), constant_values=_LOWEST) + skips
                steps = np.stack([score, one, two])
                came[time] = steps.argmax(axis=0)
                running = np.array([time < len(frames[at]) for at in group])[:, None]
                score = np.where(running, steps.max(axis=0) + emitted[:, time], score)
            for row, at in enumerate(group):
                last = len(paths[at]) - 1
                place = last if score[row, last] >= score[row, last - 1] else last - 1
                states = np.empty(len(frames[at]), np.int64)
                for time in range(len(frames[at]) - 1, -1, -1):
                    states[time] = paths[at][place]
                    place -= int(came[time, row, place])
                found[at] = states
        return found

    def outputs(self, examples: Sequence[Utterance]) -> Transcripts:
        """The most probable words of each recording, with their times."""
        if self._heard_of is not examples:
            self._heard_of, self._kept = examples, [self._frames(example) for example in examples]
        frames = self._kept
        words: list[list[Word]] = [[] for _ in examples]
        for group in _groups(frames):
            for at, heard in zip(group, self._decoded([frames[at] for at in group]), strict=True):
                words[at] = heard
        return Transcripts([[" ".join(word.text for word in heard)] for heard in words], words)

    def _decoded(self, frames: Sequence[np.ndarray]) -> list[list[Word]]:
        """Token passing: each state keeps when its word began, and silence the word before it, which the next one depends on."""
        count, vocabulary, states = len(frames), len(self.words), self.states
        longest, penalty = max(map(len, frames)), float(self.setting("penalty"))
        follows = np.float32(self.setting("language_weight")) * self.follows  # (history, next word)
        entering, leaving = follows[:, :-1] - np.float32(penalty), follows[:, -1]
        emitted = np.full((count, longest, self.silence + 1), _LOWEST, np.float32)
        for row, each in enumerate(frames):
            emitted[row, : len(each)] = self._scores(each)
        # A history is the last word, or the last number for none.
        score = np.full((count, vocabulary, states), _LOWEST, np.float32)
        begun = np.zeros((count, vocabulary, states), np.int32)
        score[:, :, 0] = emitted[:, 0, :-1].reshape(count, vocabulary, states)[:, :, 0] + entering[-1]
        quiet = np.full((count, vocabulary + 1), _LOWEST, np.float32)
        quiet[:, -1] = emitted[:, 0, -1]
        quiet_begun = np.zeros((count, vocabulary + 1), np.int32)
        ends = np.full((count, vocabulary + 1), _LOWEST, np.float32)  # of each history, so far
        before = np.full((longest, count, vocabulary), vocabulary, np.int16)  # of a word that begins at a frame
        since = np.zeros((longest, count, vocabulary), np.int32)  # when a word that ends at a frame began
        hushed = np.full(
            (longest, count, vocabulary + 1), -1, np.int32
        )  # when the silence behind a word began; -1: none
        last = np.full((count, vocabulary + 1), _LOWEST, np.float32)
        for time in range(longest):
            if time:
                now = emitted[:, time, :-1].reshape(count, vocabulary, states)
                joined = ends[:, :, None] + entering
                before[time] = joined.argmax(axis=1)
                moved = np.pad(score[:, :, :-1], ((0, 0), (0, 0), (1, 0)), constant_values=_LOWEST)
                moved[:, :, 0] = joined.max(axis=1)
                came = np.pad(begun[:, :, :-1], ((0, 0), (0, 0), (1, 0)), constant_values=time)
                moves = moved > score
                score, begun = np.where(moves, moved, score) + now, np.where(moves, came, begun)
                stays = quiet >= ends
                quiet = np.where(stays, quiet, ends) + emitted[:, time, -1:]
                quiet_begun = np.where(stays, quiet_begun, time)
            ends = np.concatenate([score[:, :, -1], np.full((count, 1), _LOWEST, np.float32)], axis=1)
            still = quiet > ends
            since[time] = begun[:, :, -1]
            hushed[time] = np.where(still, quiet_begun, -1)
            ends = np.where(still, quiet, ends)
            over = np.array([time == len(each) - 1 for each in frames])
            last[over] = ends[over]
        seconds = self.hop / self.sample_rate
        found = []
        for row, each in enumerate(frames):
            heard, time, word = [], len(each) - 1, int((last[row] + leaving).argmax())
            while word < vocabulary:
                silence = int(hushed[time, row, word])
                time = silence - 1 if silence >= 0 else time
                start = int(since[time, row, word])
                heard.append(Word(self.words[word], round(start * seconds, 3), round((time + 1) * seconds, 3), 1.0))
                if not start:
                    break
                time, word = start - 1, int(before[start, row, word])
            found.append(heard[::-1])
        return found


def _follows(words: Sequence[str], texts: Sequence[Sequence[str]]) -> np.ndarray:
    """(words + 1, words + 1): the logarithm of the probability of the next word after each word, the last row after none; the
    last column is the end."""
    grams = NGrams.learn(text for text in texts if text)
    histories = [*((word,) for word in words), grams.start()]
    return np.array([[grams.after(history, word)[1] for word in [*words, END]] for history in histories], np.float32)


def _changes(values: np.ndarray) -> np.ndarray:
    """The slope of each coefficient over five frames."""
    padded = np.pad(values, ((2, 2), (0, 0)), mode="edge")
    return (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10


def _even(frames: np.ndarray, path: np.ndarray, silence: int) -> np.ndarray:
    """A first alignment: the quietest frames are silence, the others are shared out evenly over the states of the words."""
    loud = frames[:, 0] > np.quantile(frames[:, 0], 0.3)
    inside = np.flatnonzero(loud) if loud.sum() >= (path != silence).sum() else np.arange(len(frames))
    states = path[path != silence]
    found = np.full(len(frames), silence)
    found[inside] = states[np.arange(len(inside)) * len(states) // len(inside)]
    return found


def _nearest(frames: np.ndarray, means: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """For each frame the nearest mean, after two rounds of k-means."""
    scale = 1 / np.sqrt(variance)
    points, centres = frames * scale, means * scale
    for _ in range(2):
        parts = ((points[:, None] - centres[None]) ** 2).sum(axis=2).argmin(axis=1)
        centres = np.stack([
            points[parts == at].mean(axis=0) if (parts == at).any() else centre for at, centre in enumerate(centres)
        ])  # fmt: skip
    return parts


def _groups(frames: Sequence[np.ndarray]) -> list[list[int]]:
    """Recordings of about the same length, some together."""
    order = sorted(range(len(frames)), key=lambda at: len(frames[at]))
    return [order[start : start + _TOGETHER] for start in range(0, len(order), _TOGETHER)]
