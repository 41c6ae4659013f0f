"""Transcribed speech: layouts of corpora, wrong input, the encoder, long recordings, streams and what is written."""

import io
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from convzoo.core.errors import DataError, RecipeError
from convzoo.modalities.audio.data.own_transcripts import TranscriptFolder, TranscriptTable, layout_of
from convzoo.modalities.audio.data.yesno import YesNo
from convzoo.modalities.audio.encoder import AudioEncoder
from convzoo.modalities.audio.transcribed import Utterance, written
from convzoo.modalities.audio.transcript_baselines import WordHMM
from convzoo.modalities.audio.transcript_encoder import TranscribedAudioEncoder, subtitles
from convzoo.models.quartznet1d import QuartzNet1d
from convzoo.ops.ctc import best_path
from convzoo.tasks.transcription import Transcription

RATE = 8000


def speech(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * 300 * time) + 0.05 * random.normal(size=len(time))).astype(np.float32)


def sound(path: Path, seconds: float = 1.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, speech(seconds, seed), RATE)
    return path


def lines(path: Path, *rows: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def utterances(count: int = 6) -> list[Utterance]:
    texts = ("go left", "one two", "stop", "two one go")
    return [
        Utterance(samples=speech(0.8 + 0.2 * (at % 3), at), rate=RATE, transcript=texts[at % 4], source=f"u{at}")
        for at in range(count)
    ]


def made(encoder: TranscribedAudioEncoder, padding: str = "same", **more) -> tuple[QuartzNet1d, Transcription]:
    torch.manual_seed(0)
    dims = dict(encoder.dims)
    model = QuartzNet1d(
        dims["mels"],
        dims["vocabulary_size"],
        dims["stride"],
        channels=8,
        outer_channels=8,
        kernel_sizes=[5],
        padding=padding,
    ).eval()
    names = ("tokens", "spaced", "stride", "hop", "grams")
    return model, Transcription(*(dims[name] for name in names), **more)


# Transcripts


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Hello,  World!", "hello world"),
        ("DON'T stop", "don't stop"),
        ("it’s ‘quoted’", "it's quoted"),
        ("well-known – yes", "well known yes"),
        ("नमस्ते, दुनिया", "नमस्ते दुनिया"),
        ("...", ""),
    ],
)
def test_transcripts_are_written_alike(text: str, plain: str) -> None:
    assert written(text, "plain") == plain


# Layouts


def kaldi(folder: Path, names: range, first: str = "a") -> None:
    rows = [f"{first}{at}" for at in names]
    for at, name in enumerate(rows):
        sound(folder / "wav" / f"{name}.wav", seed=hash((first, at)) % 1000)
    lines(folder / "wav.scp", *(f"{name} wav/{name}.wav" for name in rows))
    lines(folder / "text", *(f"{name} go left" for name in rows))
    lines(folder / "utt2spk", *(f"{name} {first}" for name in rows))


def test_kaldi_folders_with_a_split(tmp_path: Path) -> None:
    kaldi(tmp_path / "train", range(4), "a")
    kaldi(tmp_path / "dev", range(2), "b")
    kaldi(tmp_path / "test", range(3), "c")
    splits = TranscriptFolder(str(tmp_path)).read()
    assert [len(part) for _, part in splits] == [4, 2, 3]
    assert splits.train[0].transcript == "go left" and splits.train[0].group == "a"


def test_kaldi_segments_are_parts_of_recordings(tmp_path: Path) -> None:
    for name in ("r1", "r2", "r3"):
        sound(tmp_path / f"{name}.wav", 3.0, seed=ord(name[1]))
    lines(tmp_path / "wav.scp", "r1 r1.wav", "r2 r2.wav", "r3 r3.wav")
    parts = [(f"{r}-{at}", r, at, at + 0.9) for r in ("r1", "r2", "r3") for at in (0, 1, 2)]
    lines(tmp_path / "segments", *(f"{name} {r} {start} {end}" for name, r, start, end in parts))
    lines(tmp_path / "text", *(f"{name} stop" for name, *_ in parts))
    found = TranscriptFolder(str(tmp_path)).examples()
    assert len(found) == 9 and {each.group for each in found} == {"r1", "r2", "r3"}
    samples, rate = found[1].read()
    whole, _ = soundfile.read(tmp_path / "r1.wav", dtype="float32")
    assert rate == RATE and np.array_equal(samples, whole[RATE : RATE + round(0.9 * RATE)])
    assert found[1].seconds() == pytest.approx(0.9)


def test_librispeech_trees(tmp_path: Path) -> None:
    for part, speaker in (("train-clean-100", 1), ("train-clean-100", 4), ("dev-clean", 2), ("test-clean", 3)):
        folder = tmp_path / part / str(speaker) / "7"
        names = [f"{speaker}-7-{at:04d}" for at in range(2)]
        for at, name in enumerate(names):
            sound(folder / f"{name}.flac", seed=10 * speaker + at)
        lines(folder / f"{speaker}-7.trans.txt", *(f"{name} GO LEFT" for name in names))
    splits = TranscriptFolder(str(tmp_path)).read()
    assert [len(part) for _, part in splits] == [4, 2, 2]
    assert {each.group for each in splits.train} == {"1", "4"}


def test_common_voice_and_lj_speech(tmp_path: Path) -> None:
    voice, lj = tmp_path / "cv", tmp_path / "lj"
    for part, person in (("train", "x"), ("dev", "y"), ("test", "z")):
        for at in range(2):
            sound(voice / "clips" / f"{part}{at}.wav", seed=ord(person) + 7 * at)
        rows = [f"{person}\t{part}{at}.wav\tGo left." for at in range(2)]
        lines(voice / f"{part}.tsv", "client_id\tpath\tsentence", *rows)
    assert [len(part) for _, part in TranscriptFolder(str(voice)).read()] == [2, 2, 2]
    for at in range(12):
        sound(lj / "wavs" / f"LJ{at}.wav", seed=at)
    lines(lj / "metadata.csv", *(f"LJ{at}|Go 1.|go one" for at in range(12)))
    assert {each.transcript for each in TranscriptFolder(str(lj)).examples()} == {"go one"}


def test_sounds_with_texts_and_folders_of_words(tmp_path: Path) -> None:
    beside, words = tmp_path / "beside", tmp_path / "words"
    for at in range(8):
        sound(beside / f"{at}.wav", seed=at)
        lines(beside / f"{at}.txt", "go", "left")
        sound(words / ("go", "left")[at % 2] / f"{at}.wav", seed=at)
    assert {each.transcript for each in TranscriptFolder(str(beside)).examples()} == {"go left"}
    assert {each.transcript for each in TranscriptFolder(str(words)).examples()} == {"go", "left"}
    assert layout_of(words) == "Speech Commands" and layout_of(tmp_path / "none") is None


def test_yesno_is_split_in_the_order_of_its_names(tmp_path: Path) -> None:
    for at in range(60):
        sound(tmp_path / "waves_yesno" / f"{'_'.join(f'{4 * at:08b}')}.wav", 0.2, at)
    splits = YesNo(str(tmp_path)).read()
    assert [len(part) for _, part in splits] == [24, 6, 30]
    assert splits.test[0].source > max(each.source for each in [*splits.train, *splits.val])
    assert splits.train[1].transcript is not None and set(splits.train[1].transcript.split()) <= {"yes", "no"}


# Wrong input


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: lines(f / "text", "a0", "a1 go"), "is empty"),
        (lambda f: lines(f / "text", "a0 ...", "a1 go"), "holds no word"),
        (lambda f: lines(f / "text", "a0 go", "a9 go"), "'a9' is not in"),
        (lambda f: (f / "text").unlink(), "no file 'text'"),
        (lambda f: lines(f / "wav.scp", "a0 sox a.wav -t wav - |", "a1 wav/a1.wav"), "is made by a command"),
        (lambda f: lines(f / "wav.scp", "a0 wav/a0.wav", "a0 wav/a1.wav"), "stands there twice"),
        (lambda f: lines(f / "segments", "a0 a0 2 1"), "before it begins"),
        (lambda f: (f / "wav" / "a0.wav").write_bytes(b""), "is empty (0 bytes)"),
    ],
)
def test_damaged_corpora_are_refused_in_one_line(tmp_path: Path, change, said: str) -> None:
    kaldi(tmp_path, range(2))
    change(tmp_path)
    with pytest.raises(DataError) as error:
        TranscriptFolder(str(tmp_path)).read()
    assert (said in str(error.value) and str(tmp_path) in str(error.value)) or said in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_rows_of_a_manifest(tmp_path: Path) -> None:
    for at in range(8):
        sound(tmp_path / f"{at}.wav", seed=at)
    rows = [f"{at}.wav,go" for at in range(8)]
    lines(tmp_path / "m.csv", "path,transcript", *rows, "8.wav,go")
    with pytest.raises(DataError, match=r"m.csv:10: '8.wav' is not there"):
        TranscriptTable(str(tmp_path / "m.csv")).read()
    splits = TranscriptTable(str(tmp_path / "m.csv"), skip_damaged=True).read()
    assert sum(len(part) for _, part in splits) == 8 and len(splits.skipped.reasons) == 1


def test_a_transcript_that_is_too_long_is_refused_with_numbers() -> None:
    encoder = TranscribedAudioEncoder(units="characters", sample_rate=RATE, mels=20)
    encoder.fit(utterances())
    short = Utterance(samples=speech(0.1), rate=RATE, transcript="one two one two one two", source="short.wav")
    with pytest.raises(DataError, match=r"short.wav: 0.10 s of sound are 6 outputs .* needs 23 \(23 characters"):
        encoder.prepare(short)


def test_characters_that_training_lacks_are_said_and_count_as_errors() -> None:
    encoder = TranscribedAudioEncoder(units="characters", sample_rate=RATE, mels=20)
    encoder.fit(utterances())
    strange = Utterance(samples=speech(), rate=RATE, transcript="go über", source="strange.wav")
    item = encoder.prepare(strange)
    assert item.transcript == "go über" and len(item.tokens) < len("go über")
    notes = encoder.survey([strange], [item]).notes
    assert any("strange.wav: 'ü'" in note and "count as errors" in note for note in notes)


# The encoder


def test_words_are_written_where_there_are_few() -> None:
    few = TranscribedAudioEncoder(sample_rate=RATE, mels=20)
    few.fit(utterances(24))
    assert few.spaced and set(few.tokens[1:]) == {"go", "left", "one", "two", "stop"}
    many = TranscribedAudioEncoder(sample_rate=RATE, mels=20)
    many.fit(utterances(4))
    assert not many.spaced and " " in many.tokens


def test_padding_changes_no_features() -> None:
    for normalisation in ("recording", "training"):
        encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20, normalisation=normalisation)  # type: ignore[arg-type]
        encoder.fit(utterances())
        batch = encoder.encode(utterances())
        for row, example in enumerate(utterances()):
            alone = encoder.encode([example])
            frames = int(alone.inputs["frames"])
            torch.testing.assert_close(batch.inputs["spectrogram"][row, :, :frames], alone.inputs["spectrogram"][0])
            assert not batch.inputs["spectrogram"][row, :, frames:].any()


# Long recordings and streams


def test_a_long_recording_in_pieces_has_the_outputs_of_the_whole() -> None:
    encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20, stride=3)
    encoder.fit(utterances())
    model, task = made(encoder, piece=1.0)
    batch = encoder.encode([Utterance(samples=speech(7.3), rate=RATE, source="long")])
    with torch.no_grad():
        torch.testing.assert_close(task._logits(model, batch.inputs), model(**batch.inputs), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", ["causal", "same"])
@pytest.mark.parametrize("header", [False, True])
def test_a_stream_says_what_the_whole_recording_says(padding: str, header: bool, tmp_path: Path) -> None:
    encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20, stride=2, normalisation="training", units="words")
    encoder.fit(utterances())
    model, task = made(encoder, padding)
    samples = np.int16(speech(2.37, seed=3) * 32767)
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="PCM_16")
    content = (tmp_path / "a.wav").read_bytes() if header else samples.tobytes()
    chunks = [content[at : at + 1111] for at in range(0, len(content), 1111)]
    batch = encoder.encode([Utterance(samples=samples, rate=RATE)])
    with torch.no_grad():
        spectrogram = torch.cat(list(encoder.stream(iter(chunks))), dim=1)
        torch.testing.assert_close(spectrogram, batch.inputs["spectrogram"][0], rtol=1e-3, atol=1e-3)
        whole = task._log_probs(model(**batch.inputs), batch.target)[0]
        rows = np.stack(list(task._outputs_of(model, encoder.stream(iter(chunks)))))
        np.testing.assert_allclose(rows, whole, rtol=1e-2, atol=1e-3)
        heard, _ = best_path(whole)
        words = list(task.follow(model, encoder.stream(iter(chunks))))
    assert [each["word"] for each in words] == [encoder.tokens[each.token] for each in heard]


def test_a_stream_is_refused_where_the_end_is_needed() -> None:
    encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20)
    encoder.fit(utterances())
    with pytest.raises(RecipeError, match=r"encoder.normalisation=training model.padding=causal"):
        next(encoder.stream(iter([b"\0" * 4000])))


def test_a_sound_on_standard_input_is_one_recording(tmp_path: Path) -> None:
    sound(tmp_path / "a.wav")
    content = (tmp_path / "a.wav").read_bytes()
    words, speaker = AudioEncoder(sample_rate=RATE, mels=20), TranscribedAudioEncoder(sample_rate=RATE, mels=20)
    for encoder in (words, speaker):
        assert encoder.holds(content[:100]) == "file"
        assert encoder.holds(b"talk.wav\n") == "lines"
        (example,) = encoder.from_content(content)
        np.testing.assert_allclose(example.read()[0], speech(), atol=1e-4)
        with pytest.raises(DataError, match="standard input: cannot be read as audio"):
            encoder.from_content(content[:20])
    assert speaker.holds(b"\x00\x01\xf0\xff" * 20) == "stream"
    live = TranscribedAudioEncoder(sample_rate=RATE, mels=20, normalisation="training")
    assert live.holds(content[:100]) == "stream"


def test_a_wav_stream_of_another_rate_is_refused() -> None:
    encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20, normalisation="training")
    encoder.fit(utterances())
    header = io.BytesIO()
    soundfile.write(header, speech(), 16_000, format="WAV", subtype="PCM_16")
    with pytest.raises(DataError, match="16,000 Hz, 16 bits and 1 channel; this run follows 8,000 Hz"):
        next(encoder.stream(iter([header.getvalue()])))


def test_subtitles_end_at_pauses_and_long_lines() -> None:
    words = [{"word": "go", "start": 0.0, "end": 0.3}, {"word": "left", "start": 0.4, "end": 0.9},
             {"word": "stop", "start": 3.0, "end": 3.456}]  # fmt: skip
    assert subtitles(words) == (
        "1\n00:00:00,000 --> 00:00:00,900\ngo left\n\n2\n00:00:03,000 --> 00:00:03,456\nstop\n\n"
    )


def test_files_that_are_written(tmp_path: Path) -> None:
    encoder = TranscribedAudioEncoder(sample_rate=RATE, mels=20)
    examples = [Utterance(path=Path("talk.wav"), source="talk.wav")]
    words = [{"word": "go", "start": 0.1, "end": 0.3, "probability": 0.9}]
    found = [{"transcript": "go", "words": words}]
    for name, content in (("a.txt", "go\n"), ("a.ctm", "talk 1 0.100 0.200 go 0.9000\n")):
        assert encoder.write_files(tmp_path / name, examples, found) == [tmp_path / name]
        assert (tmp_path / name).read_text() == content
    with pytest.raises(RecipeError, match="one recording, and there are 2"):
        encoder.write_files(tmp_path / "a.srt", examples * 2, found * 2)
    assert encoder.write_files(tmp_path / "a.csv", examples, found) is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_models_of_words_find_the_best_of_all_paths(seed: int, weight: float) -> None:
    random = np.random.default_rng(seed)
    opponent = WordHMM(states=2, penalty=0.5, language_weight=weight)
    opponent.words, opponent.follows = ["a", "b"], random.normal(0, 2, (3, 3)).astype(np.float32)
    opponent._scores = lambda frames: frames  # type: ignore[method-assign]
    frames = [random.normal(0, 1, (length, 5)).astype(np.float32) for length in (6, 4, 2, 1)]
    first, last, silence = (0, 2), (1, 3), 4

    def worth(each: np.ndarray, path: tuple[int, ...]) -> tuple[float, list[str]]:
        """Of one way through the states, with the words on it; minus infinity where it is not allowed."""
        total, said, before = 0.0, [], silence
        for time, state in enumerate(path):
            if state in first and (before in last or before == silence):
                total += weight * opponent.follows[said[-1] if said else 2, state // 2] - 0.5
                said.append(state // 2)
            elif not (
                state == before or (state in last and before == state - 1) or (state == silence and before in last)
            ):
                return -np.inf, []
            total += each[time, state]
            before = state
        if before in first:
            return -np.inf, []
        return total + weight * opponent.follows[said[-1] if said else 2, 2], ["ab"[word] for word in said]

    for each, heard in zip(frames, opponent._decoded(frames), strict=True):
        best = max((worth(each, path) for path in product(range(5), repeat=len(each))), key=lambda found: found[0])
        assert [word.text for word in heard] == best[1]
        assert all(0 <= word.start < word.end for word in heard)
