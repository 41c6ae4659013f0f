"""Sound: files, readers, the encoder, the synthesiser, networks, opponents, and what a page shows of it."""

import base64
import hashlib
import io
import json
import re
import struct
import sys
import tarfile
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import refused
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.checks import check_splits
from convzoo.core.errors import DataError, RecipeError
from convzoo.core.libraries import import_torchaudio
from convzoo.core.pages import Material
from convzoo.core.randomness import Draws
from convzoo.modalities.audio import augment as sound
from convzoo.modalities.audio import pages as sounds
from convzoo.modalities.audio.baselines import MfccLogisticRegression
from convzoo.modalities.audio.data import spoken
from convzoo.modalities.audio.data.fsdd import Fsdd
from convzoo.modalities.audio.data.own import AudioFolder, AudioTable
from convzoo.modalities.audio.data.spoken import WORDS, Spoken
from convzoo.modalities.audio.encoder import AudioEncoder
from convzoo.modalities.audio.example import Audio
from convzoo.models.separable_cnn1d import SeparableCNN1d
from convzoo.models.waveform_cnn1d import WaveformCNN1d
from convzoo.report.kit import as_number
from convzoo.runs import load_state, save_state
from convzoo.tasks.classification import Classification
from convzoo.tasks.regression import Regression

RATE = 8000


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated recordings of these tests are their own, and made anew by the code that is tested."""
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path_factory.getbasetemp() / "sounds"))


def tone(frequency: float = 440.0, seconds: float = 0.3, rate: int = RATE, loudness: float = 0.3) -> np.ndarray:
    return (loudness * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def audio(frequency: float = 440.0, label: str | None = "a", seconds: float = 0.3, rate: int = RATE, **more) -> Audio:
    return Audio(samples=tone(frequency, seconds, rate, **more), rate=rate, label=label, source=f"{frequency} Hz")


def fitted(**arguments) -> AudioEncoder:
    """An encoder of two classes, low and high tones."""
    encoder = AudioEncoder(**{"sample_rate": RATE, "seconds": 0.3, "mels": 20, **arguments})
    encoder.fit([audio(300 + 10 * n, "low") for n in range(5)] + [audio(1500 + 50 * n, "high") for n in range(5)])
    return encoder


def word_folder(
    folder: Path, speakers: int = 6, takes: int = 2, words: tuple[str, ...] = ("down", "up"), lists: bool = False
):
    """A folder in Speech Commands' layout; the word is the pitch, and every file is another."""
    for word, frequency in zip(words, (300, 900, 2000), strict=False):
        (folder / word).mkdir(parents=True)
        for speaker in range(speakers):
            for take in range(takes):
                name = folder / word / f"{speaker:08x}_nohash_{take}.wav"
                soundfile.write(name, tone(frequency + 7 * speaker + take), RATE)
    (folder / "_background_noise_").mkdir()
    soundfile.write(folder / "_background_noise_" / "tap.wav", np.random.default_rng(0).normal(0, 0.1, 9000), RATE)
    if lists:
        for file, speaker in (("validation_list.txt", 0), ("testing_list.txt", 1)):
            lines = [f"{word}/{speaker:08x}_nohash_{take}.wav\n" for word in words for take in range(takes)]
            (folder / file).write_text("".join(lines))
    return folder


# torchaudio on a torch that has no CUDA


def test_torchaudio_loads_by_pip_install_alone() -> None:
    torchaudio = import_torchaudio()
    assert torchaudio.transforms.MelSpectrogram(RATE, n_fft=256, n_mels=20)(torch.zeros(1, 800)).shape[1] == 20


def test_torchaudio_loads_where_its_extension_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "torchaudio"
    package.mkdir()
    package.joinpath("__init__.py").write_text("from . import _extension, transforms\n")
    package.joinpath("transforms.py").write_text(
        "from torchaudio._extension import fail_if_no_align, _IS_TORCHAUDIO_EXT_AVAILABLE as there\n"
        "@fail_if_no_align\ndef works():\n    return not there\n"
    )
    package.joinpath("_extension.py").write_text("raise OSError('libcudart.so.13: cannot open shared object file')\n")
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "torchaudio"}
    for name in kept:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert import_torchaudio().transforms.works()
        assert import_torchaudio() is sys.modules["torchaudio"], "a second import finds the first"
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules.update(kept)


@pytest.mark.parametrize("library", ["torchaudio", "soundfile"])
def test_a_missing_library_is_one_line(cli, tiny, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == library or name in (
            "convzoo.modalities.audio.encoder",
            "convzoo.modalities.audio.baselines",
        ):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)  # Python then says that there is no such module
    if library == "torchaudio":
        monkeypatch.setattr("convzoo.core.libraries.find_spec", lambda name: None)
    refused(cli("check", "keywords_cnn1d", *tiny("keywords_cnn1d")), 2, library, "pip install 'convzoo[audio]'")


# Files


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".aiff"])
@pytest.mark.parametrize("rate", [11_025, 16_000, 44_100])
def test_formats_and_rates(suffix: str, rate: int, tmp_path: Path) -> None:
    path = tmp_path / f"tone{suffix}"
    soundfile.write(path, tone(440, 0.5, rate), rate)
    samples, found = Audio(path).read()
    assert found == rate and samples.dtype == np.float32
    assert abs(Audio(path).seconds() - 0.5) < 0.06, "mp3 fills up its last block"
    strongest = np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples)
    assert abs(strongest - 440) < 5


def test_stereo_is_the_mean_of_its_channels(tmp_path: Path) -> None:
    left, right = tone(300), tone(900)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    np.testing.assert_allclose(Audio(tmp_path / "a.wav").read()[0], (left + right) / 2, atol=1e-6)
    np.testing.assert_allclose(
        Audio(samples=np.stack([left, right], 1), rate=RATE).read()[0], (left + right) / 2, atol=1e-6
    )


def test_whole_numbers_are_read_as_floats() -> None:
    samples, _ = Audio(samples=np.array([-32768, 0, 16384], np.int16), rate=RATE).read()
    assert samples.tolist() == [-1.0, 0.0, 0.5]


def test_inputs_of_predict(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    (tmp_path / "deep").mkdir()
    soundfile.write(tmp_path / "deep" / "b.flac", tone(), RATE)
    (tmp_path / "deep" / "._b.wav").write_bytes(b"what macOS leaves behind")
    assert [e.path.name for e in Audio.from_inputs([tmp_path])] == ["a.wav", "b.flac"]
    assert len(Audio.from_inputs([str(tmp_path / "a.wav"), (tone(), RATE), audio()])) == 3
    assert len(Audio.from_lines([str(tmp_path / "a.wav"), " "])) == 1
    for value, words in [
        (tone(), "give (samples, rate)"),
        ((tone(), 0), "a rate of 0"),
        ((tone(), 8000.5), "a rate of 8000.5"),
        ((np.zeros((2, 2, 2)), RATE), "(samples, channels)"),
        ((["x"], RATE), "(samples, channels)"),
        (tmp_path / "absent.wav", "no such audio file"),
        (tmp_path / "deep" / "empty", "no such audio file"),
    ]:
        with pytest.raises(DataError, match=re.escape(words)):
            Audio.from_inputs([value])
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no audio file"):
        Audio.from_inputs([tmp_path / "none"])


def wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV")
    return buffer.getvalue()


def riff(size: int, content: bytes, rate: int = RATE, before: bytes = b"") -> bytes:
    """A wav file whose data chunk announces `size` bytes."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    body = b"WAVE" + form + before + struct.pack("<4sI", b"data", size) + content
    return struct.pack("<4sI", b"RIFF", len(body)) + body


BROKEN = {
    "empty.wav": (b"", "is empty (0 bytes)"),
    "silent.wav": (wav(np.zeros(0)), "holds no samples"),
    "cut.wav": (wav(tone())[:-100], "is cut off: its audio has 4,800 bytes, and 4,700 are there"),
    "announced.wav": (
        riff(10_000, bytes(600), before=b"LIST\x03\0\0\0abc\0"),
        "its audio has 10,000 bytes, and 600 are there",
    ),
    "heading.wav": (wav(tone())[:36], "ends before its audio begins"),
    "text.wav": (b"this is no sound at all\n" * 20, "cannot be read as audio"),
    "slow.wav": (riff(600, bytes(600), rate=10), "10 samples a second"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(name: str, tmp_path: Path) -> None:
    content, words = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        Audio(path).read()
    assert str(path) in str(caught.value) and words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("suffix", "words"), [(".flac", "cut off"), (".mp3", "cut off"), (".ogg", "no samples")])
def test_truncated_compressed_files_are_named(suffix: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 16_000), 16_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=words):
        Audio(path).read()


def test_a_wav_file_of_unknown_length_is_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "piped.wav").write_bytes(riff(0xFFFFFFFF, np.arange(400, dtype="<i2").tobytes()))
    assert len(Audio(tmp_path / "piped.wav").read()[0]) == 400


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    samples = tone()
    samples[7] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"nan.wav: holds samples that are not finite"):
        Audio(tmp_path / "nan.wav", source=str(tmp_path / "nan.wav")).read()


# Pure functions


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60), st.integers(1, 80))
def test_the_loudest_stretch_has_the_most_energy(values: list[float], length: int) -> None:
    samples = torch.tensor(values)
    found = sound.loudest_stretch(samples, length)
    assert found.shape == (length,)
    if length <= len(values):
        best = max(float((samples[i : i + length].double() ** 2).sum()) for i in range(len(values) - length + 1))
        assert float((found.double() ** 2).sum()) == pytest.approx(best, abs=1e-6)
    else:
        assert float((found**2).sum()) == pytest.approx(float((samples**2).sum()), abs=1e-5)
        assert abs(int((length - len(values)) // 2)) <= length


@given(st.integers(-9, 9))
def test_a_shift_moves_and_fills_with_silence(offset: int) -> None:
    values = torch.arange(1.0, 11.0).repeat(2, 1)
    moved = sound.shift_in_time(values, np.array([offset, 0]))
    assert torch.equal(moved[1], values[1])
    expected = (
        [0.0] * max(0, offset) + values[0].tolist()[max(0, -offset) : 10 - max(0, offset)] + [0.0] * max(0, -offset)
    )
    assert moved[0].tolist() == expected


@given(st.floats(-20, 40))
def test_noise_is_mixed_at_the_ratio_asked_for(decibels: float) -> None:
    signal, noise = torch.randn(3, 4000, generator=torch.Generator().manual_seed(1)), torch.rand(3, 4000) - 0.5
    mixed = sound.mix_at_ratio(signal, noise, torch.full((3,), decibels))
    added = mixed.double() - signal.double()
    ratio = 10 * torch.log10(signal.double().square().mean(1) / added.square().mean(1))
    assert torch.allclose(ratio, torch.full((3,), decibels, dtype=torch.float64), atol=0.1)


def test_silence_and_infinite_ratios_stay_as_they_are() -> None:
    values = torch.stack([torch.zeros(50), torch.ones(50)])
    mixed = sound.mix_at_ratio(values, torch.randn(2, 50), torch.tensor([0.0, float("inf")]))
    assert torch.equal(mixed, values)
    assert torch.equal(sound.mix_at_ratio(values, torch.zeros(2, 50), torch.zeros(2)), values)


def test_masks_hide_what_they_should() -> None:
    starts, widths = np.array([[0, 5], [2, 2]]), np.array([[2, 1], [0, 3]])
    hidden = sound.hide_stretches(torch.ones(2, 6, 4), starts, widths, 1)
    assert (hidden[0, :, 0] == 0).tolist() == [True, True, False, False, False, True]
    assert (hidden[1, :, 0] == 0).tolist() == [False, False, True, True, True, False]
    hidden = sound.hide_stretches(torch.ones(1, 3, 6), starts[:1], widths[:1], 2)
    assert (hidden[0, 0] == 0).tolist() == [True, True, False, False, False, True]


def test_generated_noises_fall_and_rise_as_their_colours_do() -> None:
    noises = sound.coloured_noises(4, 8192).double()
    power = torch.fft.rfft(noises).abs().square()
    low, high = power[:, 40:80].mean(1), power[:, 2000:4000].mean(1)
    assert (low / high)[0] > 100 and (low / high)[3] < 1
    assert torch.allclose(noises.std(1), torch.ones(4, dtype=torch.float64), atol=0.02)


# The encoder


@pytest.mark.parametrize("features", ["waveform", "log_mel"])
def test_shapes_and_normalisation(features: str) -> None:
    encoder = AudioEncoder(features=features, sample_rate=RATE, seconds=0.4, mels=20)
    examples = [audio(200 + 17 * n, "ab"[n % 2], loudness=0.01 * (n + 1)) for n in range(30)]
    encoder.fit(examples)
    (values,) = encoder.encode(examples).inputs.values()
    assert values.shape == ((30, 1, 3200) if features == "waveform" else (30, 20, 41))
    mean, deviation = values.mean(dim=(0, 2)), values.std(dim=(0, 2))
    assert mean.abs().max() < 1e-3 and (deviation - 1).abs().max() < 0.01
    wanted = {"waveform": {"in_channels": 1}, "log_mel": {"mels": 20}}[features]
    assert encoder.dims.items() >= {**wanted, "classes": 2, "labels": ("a", "b")}.items()


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 192_000, 44_101])
def test_other_rates_sound_the_same(rate: int) -> None:
    encoder = fitted(features="waveform")
    wanted = encoder.encode([audio(500, "low")]).inputs["waveform"][0, 0, 300:-300]
    found = encoder.encode([audio(500, "low", rate=rate)]).inputs["waveform"][0, 0, 300:-300]
    size = found.norm() * wanted.norm()
    shifted = max(
        float((found[10 : -10 or None] * wanted[10 + d : len(wanted) - 10 + d]).sum() / size) for d in range(-8, 9)
    )
    assert shifted > 0.95
    assert found.std() == pytest.approx(float(wanted.std()), rel=0.05)


def test_the_spectrogram_is_the_logarithm_of_what_the_formula_says() -> None:
    encoder = fitted(features="log_mel", level="kept", frame_length=0.032, hop=0.016)
    example = audio(700, "low")
    samples = torch.from_numpy(example.samples).mul(32768).round().div(32768)
    frames = torch.stft(
        samples, 256, 128, 256, torch.hann_window(256), center=True, pad_mode="constant", return_complex=True
    )
    edges = 700 * (
        10 ** (torch.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + 4000 / 700), 22) / 2595) - 1
    )
    bins = torch.linspace(0, 4000, 129)
    up = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    mel = torch.minimum(up, down).clamp(min=0).T @ frames.abs() ** 2
    wanted = ((mel + 1e-5).log() - encoder.mean[:, None]) / encoder.deviation[:, None]
    assert torch.allclose(encoder.encode([example]).inputs["spectrogram"][0], wanted, atol=2e-2)


def test_the_length_comes_from_the_training_split() -> None:
    encoder = AudioEncoder(sample_rate=RATE, mels=20)
    encoder.fit([audio(300 + n, "ab"[n % 2], seconds=0.2 + 0.01 * n) for n in range(40)])
    assert encoder.seconds == 0.6
    assert encoder.prepare(audio(seconds=3.0))[0].shape == (4800,)


def test_a_long_sound_keeps_its_loudest_stretch() -> None:
    encoder = fitted(features="waveform")
    samples = np.concatenate([0.01 * tone(300, 1.0), tone(600, 0.3), 0.01 * tone(300, 1.0)])
    kept = encoder.encode([Audio(samples=samples, rate=RATE)]).inputs["waveform"][0, 0].numpy()
    assert abs(np.abs(np.fft.rfft(kept)).argmax() / 0.3 - 600) < 5


@pytest.mark.parametrize(("level", "ratio"), [("equal", 1.0), ("kept", 10.0)])
def test_loudness_is_kept_or_made_equal(level: str, ratio: float) -> None:
    encoder = fitted(features="waveform", level=level)
    quiet, loud = (
        encoder.encode([audio(400, loudness=value, label="low")]).inputs["waveform"].std() for value in (0.03, 0.3)
    )
    assert float(loud / quiet) == pytest.approx(ratio, rel=0.02)


AUGMENTED = {"time_shift": 0.1, "gain": 6.0, "noise_probability": 0.7, "band_masks": 2, "frame_masks": 2}


@pytest.mark.parametrize("features", ["waveform", "log_mel"])
def test_augmentation_depends_on_the_example_and_not_on_its_batch(features: str) -> None:
    arguments = {key: value for key, value in AUGMENTED.items() if features == "log_mel" or "mask" not in key}
    encoder = fitted(features=features, **arguments)
    items = [encoder.prepare(audio(300 + 20 * n, "low")) for n in range(6)]
    (together,) = encoder.collate(items, Draws(3, 1, list(range(6)))).inputs.values()
    for index in (0, 4):
        (alone,) = encoder.collate([items[index]], Draws(3, 1, [index])).inputs.values()
        assert torch.allclose(alone[0], together[index], atol=1e-5)
    (other,) = encoder.collate(items, Draws(3, 2, list(range(6)))).inputs.values()
    assert not torch.allclose(other, together, atol=1e-2), "another epoch, another augmentation"


@pytest.mark.parametrize("name", AUGMENTED)
def test_each_augmentation_alone_changes_the_batch(name: str) -> None:
    encoder = fitted(**{name: AUGMENTED[name]})
    items = [encoder.prepare(audio(300 + 20 * n, "low")) for n in range(12)]
    plain = encoder.collate(items).inputs["spectrogram"]
    changed = encoder.collate(items, Draws(0, 0, list(range(12)))).inputs["spectrogram"]
    assert changed.shape == plain.shape and bool(torch.isfinite(changed).all())
    assert (changed - plain).abs().amax(dim=(1, 2)).gt(1e-3).sum() >= 6
    if "mask" in name:
        assert bool(((changed == plain) | (changed == 0)).all()), "masks only hide"
    assert torch.equal(encoder.collate(items).inputs["spectrogram"], plain), "without draws nothing is drawn"


def test_no_global_generator_is_touched() -> None:
    encoder = fitted(**AUGMENTED)
    items = [encoder.prepare(audio(label="low"))]
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    encoder.collate(items, Draws(0, 0, [0]))
    assert torch.equal(before[0], torch.get_rng_state()) and before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_recorded_noises_are_mixed_in(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words") / "_background_noise_"
    encoder = fitted(noise_probability=1.0, noise_folder=str(folder), max_snr=0.0, min_snr=0.0)
    items = [encoder.prepare(audio(label="low"))]
    assert not torch.equal(
        encoder.collate(items, Draws(0, 0, [0])).inputs["spectrogram"], encoder.collate(items).inputs["spectrogram"]
    )
    with pytest.raises(DataError, match=r"noise_folder: .*has no audio file"):
        fitted(noise_probability=1.0, noise_folder=str(tmp_path / "absent")).collate(items, Draws(0, 0, [0]))


@pytest.mark.parametrize("features", ["waveform", "log_mel"])
def test_the_saved_encoder_gives_identical_batches(features: str, tmp_path: Path) -> None:
    encoder = AudioEncoder(features=features, sample_rate=RATE, mels=20)
    encoder.fit([audio(200 + 17 * n, "ab"[n % 2], seconds=0.2 + 0.01 * n) for n in range(20)])
    save_state(tmp_path / "encoder", encoder.state())
    again = AudioEncoder(features=features, sample_rate=RATE, mels=20)
    again.load_state(load_state(tmp_path / "encoder"))
    (one,), (other,) = (e.encode([audio(333)]).inputs.values() for e in (encoder, again))
    assert torch.equal(one, other) and again.dims == encoder.dims


def test_silence_stays_finite() -> None:
    for features in ("waveform", "log_mel"):
        (values,) = fitted(features=features).encode([Audio(samples=np.zeros(100), rate=RATE)]).inputs.values()
        assert bool(torch.isfinite(values).all())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sample_rate": 10}, "sample_rate should be"),
        ({"min_snr": 9, "max_snr": 3}, "min_snr"),
        ({"frame_length": 0.00001}, "in seconds"),
        ({"min_frequency": 9000.0}, "min_frequency should be below"),
        ({"mels": 300}, "too many"),
        ({"features": "waveform", "band_masks": 1}, "set features=log_mel"),
    ],
)
def test_settings_that_cannot_be(arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        AudioEncoder(**{"sample_rate": RATE, **arguments})


def test_a_waveform_network_on_spectrograms_is_one_line(cli, tiny) -> None:
    result = cli("check", "keywords_cnn1d", *tiny("keywords_cnn1d")[:4], "model={name: waveform_cnn1d}")
    refused(result, 2, "waveform_cnn1d needs 'in_channels'")


# Networks


def test_the_waveform_network_is_m5() -> None:
    network = WaveformCNN1d(1, 35)
    assert network(torch.zeros(2, 1, 8000)).shape == (2, 35)
    assert 540_000 < sum(p.numel() for p in network.parameters()) < 600_000, (
        "0.5 M without the last layer, says the paper"
    )


def test_the_separable_network_is_matchboxnet() -> None:
    network = SeparableCNN1d(64, 30)
    assert network(torch.zeros(2, 64, 128)).shape == (2, 30)
    assert 90_000 < sum(p.numel() for p in network.parameters()) < 96_000, "93 k for 3x2x64, says the paper"


@pytest.mark.parametrize(
    "make",
    [
        lambda: WaveformCNN1d(1, 3, [8, 8], 20, 4, dilations=[1, 2], pooling="average", global_pooling="attention"),
        lambda: WaveformCNN1d(
            1, 3, [8, 8], 20, 4, pooling="k_max", global_pooling="max", normalisation="group", dropout=0.1
        ),
        lambda: WaveformCNN1d(1, 3, [8], 20, 4, pool_size=1, padding="causal"),
    ],
)
def test_choices_of_the_waveform_network(make: Callable) -> None:
    network = make()
    network(torch.randn(2, 1, 900)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("pooling", ["max", "average", "attention", "k_max", "log_sum_exp"])
def test_choices_of_the_separable_network(pooling: str) -> None:
    network = SeparableCNN1d(
        20, 3, 8, 12, [3, 5], pooling=pooling, normalisation="layer", block_dropout=0.1, dropout=0.1
    )
    network(torch.randn(2, 20, 40)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_dilations_and_blocks_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="3 dilations for 2 blocks"):
        WaveformCNN1d(1, 3, [8, 8], dilations=[1, 2, 3])


# The synthesiser


def test_the_recordings_are_a_function_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def contents(place: str, **arguments) -> dict[str, bytes]:
        monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / place))
        splits = Spoken(**{"train": 20, "val": 10, "test": 10, "per_speaker": 5, **arguments}).read()
        return {e.source: e.path.read_bytes() for _, part in splits for e in part}

    first = contents("one")
    assert first == contents("two")
    assert first != contents("one", seed=1)
    assert first != contents("one", difficulty=0.1)


def test_the_recordings_lie_in_speech_commands_layout_and_are_read_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path))
    reader = Spoken(train=60, val=20, test=20, per_speaker=7, label_noise=0.2)
    splits = reader.read()
    check_splits(splits)
    assert [len(part) for _, part in splits] == [60, 20, 20]
    assert {e.label for e in splits.train} == set(WORDS)
    groups = [{e.group for e in part} for _, part in splits]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2]), "speakers stay on one side"
    (folder,) = (tmp_path / "generated").glob("spoken-*")
    with wave.open(str(folder / splits.train[0].source)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
    said = {row.split(",")[0]: row.split(",")[1:] for row in (folder / "said.csv").read_text().splitlines()[1:]}
    true = sum(said[e.source][1] == said[e.source][2] for e in splits.test) / 20
    assert splits.ceiling == {"test/accuracy": true} and true < 1
    other = AudioFolder(str(folder)).read()
    assert [e.source for e in other.test] == [e.source for e in splits.test], "our own reader of that layout agrees"
    stamp = (folder / "spoken.json").stat().st_mtime_ns
    reader.read()
    assert (folder / "spoken.json").stat().st_mtime_ns == stamp, "made once"
    (folder / splits.train[0].source).unlink()
    assert len(reader.read().train) == 60, "made anew where a file is gone"
    assert [path.name for path in (tmp_path / "generated").iterdir() if path.suffix == ".part"] == []


def test_a_cache_that_cannot_be_written_is_one_line(cli, tiny, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "file" / "below"))
    refused(cli("run", "keywords_cnn1d", *tiny("keywords_cnn1d")), 3, "cannot be written", "CONVZOO_DATA")


def test_formants_stand_where_they_were_asked_for() -> None:
    """The vowel of "three" by a man: the envelope of its spectrum peaks near F1 and F2 of Peterson & Barney."""
    random = np.random.default_rng(0)
    voice = spoken.make_voice(random, variety=0.0)
    voice = spoken.replace(voice, kind=(1.0, 0.0, 0.0), pitch=100.0, habits=dict.fromkeys(WORDS, 1), breathiness=0.0)
    samples = spoken.say("three", voice, np.random.default_rng(2), variety=0.0)
    stretch = samples[round(0.62 * len(samples)) :][:1600] * np.hanning(1600)
    power = np.abs(np.fft.rfft(stretch)) ** 2
    envelope = np.convolve(power, np.ones(15) / 15, "same")
    frequencies = np.arange(len(power)) * 10.0
    low, high = (frequencies < 700) & (frequencies > 100), (frequencies > 1500) & (frequencies < 2800)
    assert abs(frequencies[low][envelope[low].argmax()] - 270) < 130
    assert abs(frequencies[high][envelope[high].argmax()] - 2290) < 250


def test_an_utterance_is_quick_to_make() -> None:
    random = np.random.default_rng(0)
    found = [spoken.recording(word, spoken.make_voice(random), random, 0.8) for word in WORDS]
    assert all(found_one.dtype == np.int16 and 2_000 < len(found_one) < 32_000 for found_one in found)
    assert all(np.abs(found_one.astype(int)).max() > 1000 for found_one in found)


@pytest.mark.full
def test_a_network_trained_on_generated_words_understands_people(mirror: Path, tmp_path: Path) -> None:
    """The objective proof that the words can be heard: chance is .10."""
    run = convzoo.run("keywords_cnn1d", out=tmp_path / "run", quiet=True, report=False)
    people = [e for _, part in Fsdd(str(mirror / "fsdd")).read() for e in part]
    heard = run.predict([spoken.replace(e, label=None) for e in people])
    right = [WORDS[int(e.label)] == row["label"] for e, row in zip(people, heard, strict=True)]
    assert np.mean(right) > 0.6


# Readers


def test_speech_commands_lists_decide(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words", lists=True)
    splits = AudioFolder(str(folder)).read()
    check_splits(splits)
    assert [len(part) for _, part in splits] == [16, 4, 4]
    assert {e.group for e in splits.test} == {"00000001"} and {e.label for e in splits.train} == {"down", "up"}
    assert len(AudioFolder(str(folder)).examples()) == 24


def test_the_archive_of_speech_commands_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = word_folder(tmp_path / "words", lists=True)
    with tarfile.open(tmp_path / "speech_commands_v0.02.tar.gz", "w:gz") as archive:
        archive.add(folder, ".")
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "convzoo.modalities.audio.data.own.benchmark_folder", lambda *_: (tmp_path, {"x": {"sha256": "0"}})
    )
    splits = AudioFolder().read()
    assert [len(part) for _, part in splits] == [16, 4, 4] and splits.files == {"x": {"sha256": "0"}}
    (tmp_path / "speech_commands_v0.02.tar.gz").unlink()
    assert len(AudioFolder().read().train) == 16, "read from what was unpacked"


def test_without_lists_speakers_stay_together(tmp_path: Path) -> None:
    splits = AudioFolder(str(word_folder(tmp_path / "words", speakers=10))).read()
    check_splits(splits)
    assert all(len(part) for _, part in splits) and "by group" in splits.origin


def test_without_a_validation_list_one_is_carved(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words", speakers=9, lists=True)
    (folder / "validation_list.txt").unlink()
    splits = AudioFolder(str(folder)).read()
    check_splits(splits)
    assert splits.val and "val made here" in splits.origin


def test_only_some_words(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words", words=("down", "left", "up"), lists=True)
    splits = AudioFolder(str(folder), classes=["left", "up"]).read()
    assert {e.label for e in splits.train} == {"left", "up"} and len(splits.test) == 4
    with pytest.raises(DataError, match="no word 'lef'; did you mean 'left'"):
        AudioFolder(str(folder), classes=["lef", "up"]).read()


def test_folders_of_a_split(tmp_path: Path) -> None:
    word_folder(tmp_path / "d" / "train", speakers=8)
    word_folder(tmp_path / "d" / "test", speakers=2)
    for number, path in enumerate(sorted((tmp_path / "d" / "test").rglob("*.wav"))):
        soundfile.write(path, tone(3000 + 20 * number), RATE)
        path.rename(path.with_name(f"x{number}.wav"))
    splits = AudioFolder(str(tmp_path / "d")).read()
    assert splits.val and len(splits.test) == 8 and splits.test[0].source.startswith("test/")


def test_copies_stay_on_one_side(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words", speakers=12)
    for word in ("down", "up"):
        for number, path in enumerate(sorted((folder / word).iterdir())):
            (folder / word / f"copy{number}.wav").write_bytes(path.read_bytes())
    home: dict[str, str] = {}
    for name, part in AudioFolder(str(folder)).read():
        for example in part:
            digest = hashlib.sha256(example.path.read_bytes()).hexdigest()
            assert home.setdefault(digest, name) == name


def manifest(folder: Path, rows: list[str], heading: str = "path,label", name: str = "manifest.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "s").exists():
        (folder / "s").mkdir()
        for number in range(12):
            soundfile.write(folder / "s" / f"{number}.wav", tone(300 + 100 * number), RATE)
    (folder / name).write_text("\n".join([heading, *rows]) + "\n", encoding="utf-8")
    return folder / name


def test_manifests(tmp_path: Path) -> None:
    rows = [f"s/{n}.wav,{'ab'[n % 2]},p{n // 2}" for n in range(12)]
    splits = AudioTable(str(manifest(tmp_path, rows, "file,word,speaker"))).read()
    check_splits(splits)
    assert sum(len(part) for _, part in splits) == 12 and all(e.group for e in splits.train)
    rows = [f"{'ab'[n % 2]}\t{('train', 'train', 'test')[n % 3]}\t{tmp_path}/s/{n}.wav" for n in range(12)]
    splits = AudioTable(str(manifest(tmp_path, rows, "label\tsplit\tpath", "m.tsv")), val=0.3).read()
    assert len(splits.test) == 4 and splits.val
    assert len(AudioTable(str(tmp_path / "m.tsv")).examples()) == 12


WRONG_MANIFESTS: list[tuple[str, list[str], str]] = [
    ("path,label", ["s/0.wav,a", "s/gone.wav,b"], "manifest.csv:3: 's/gone.wav' is not there"),
    ("path,text", ["s/0.wav,a"], "which column is the label? it has path, text; say data.label=COLUMN"),
    ("sound,label", ["s/0.wav,a"], "which column is the file?"),
    ("path,label,split", ["s/0.wav,a,train", "s/1.wav,b,trian"], "manifest.csv:3: column 'split' says 'trian'"),
    ("path,label,split", ["s/0.wav,a,train", "s/0.wav,a,test"], "stands in both train and test"),
    ("path,label,split", ["s/0.wav,a,train", "s/1.wav,a,train"], "the test split has no examples"),
    ("path,label", ["s/0.wav,"], "manifest.csv:2: column 'label' is empty"),
    ("path,label", [",a"], "manifest.csv:2: column 'path' is empty"),
    ("path,label", ["s/0.wav,a,b"], "manifest.csv:2: has 3 fields, the heading 2"),
    ("path,label", [], "holds no rows"),
    ("path,label", ["s/0.wav,a", "s/1.wav,b"], "needs at least 3"),
]


@pytest.mark.parametrize(("heading", "rows", "words"), WRONG_MANIFESTS)
def test_wrong_manifests(heading: str, rows: list[str], words: str, cli, tmp_path: Path) -> None:
    path = manifest(tmp_path / "mine", rows, heading)
    refused(cli("check", "keywords_cnn1d", "--data", path), 3, words)


def test_a_named_column_that_is_not_there(tmp_path: Path) -> None:
    path = manifest(tmp_path, ["s/0.wav,a"])
    with pytest.raises(DataError, match="no column 'lable'; did you mean 'label'"):
        AudioTable(str(path), label="lable").read()


def fsdd_folder(folder: Path, takes: int = 8) -> Path:
    folder.mkdir(parents=True)
    for digit in range(3):
        for speaker in ("ann", "bob", "cy"):
            for take in range(takes):
                soundfile.write(folder / f"{digit}_{speaker}_{take}.wav", tone(300 + 400 * digit + take), RATE)
    return folder


def test_fsdd_official_and_by_speaker(tmp_path: Path) -> None:
    folder = fsdd_folder(tmp_path / "recordings", takes=15)
    official = Fsdd(str(tmp_path)).read()
    assert len(official.test) == 45 and {e.source.split("_")[2] for e in official.test} == {
        f"{n}.wav" for n in range(5)
    }
    assert len(official.train) == 81 and len(official.val) == 9
    left_out = Fsdd(str(folder), speaker="bob").read()
    assert {e.source.split("_")[1] for e in left_out.test} == {"bob"} and len(left_out.test) == 45
    assert all("bob" not in e.source for part in (left_out.train, left_out.val) for e in part)
    with pytest.raises(DataError, match="no speaker 'bobb'; did you mean 'bob'"):
        Fsdd(str(folder), speaker="bobb").read()


def test_fsdd_itself(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (mirror / "fsdd").is_dir():
        pytest.skip("the mirror has no folder fsdd")
    splits = Fsdd().read()
    assert [len(part) for _, part in splits] == [2430, 270, 300]
    assert {e.label for e in splits.test} == {str(n) for n in range(10)}
    assert splits.files["fsdd/recordings"]["bytes"] == 21_128_848
    assert len(Fsdd(speaker="theo").read().test) == 500


def test_own_data_find_their_reader(tmp_path: Path) -> None:
    from convzoo.recipe.own_data import reader_for
    from convzoo.recipe.recipe import load

    encoder = load("keywords_cnn1d").encoder
    fsdd, words = fsdd_folder(tmp_path / "f"), word_folder(tmp_path / "w")
    table = manifest(tmp_path / "m", ["s/0.wav,a"])
    found = [reader_for(encoder, path)["name"] for path in (fsdd, words, table)]
    assert found == ["fsdd", "audio_folder", "audio_table"]
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none of the formats .*one folder a word"):
        reader_for(encoder, tmp_path / "x.bin")


# Own data, from beginning to end

QUICK = ["train.epochs=1", "train.batch_size=8", "model.channels=8", "model.outer_channels=8", "baselines=[majority]"]


def test_speech_commands_layout_from_beginning_to_end(cli, tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words", speakers=8, lists=True)
    result = cli("run", "reference/keywords_speech_commands", "--data", folder, *QUICK[:4], "--out", "run", "--quiet")
    assert result.code == 0, result.err
    rows = json.loads(cli("predict", "run", folder / "up" / "00000001_nohash_0.wav", "--json").out)
    assert rows["label"] in ("down", "up") and rows["input"].endswith("00000001_nohash_0.wav")
    assert (tmp_path / "run" / "split.csv").read_text().count(",00000001\n") == 4
    assert cli("evaluate", "run", "--data", folder).code == 0
    assert cli("check", "reference/keywords_speech_commands", f"data.path={folder}", *QUICK[:4]).code == 0


def test_other_rates_stereo_and_formats_in_one_folder(cli, tmp_path: Path) -> None:
    folder = tmp_path / "words"
    kinds = [
        (".wav", 11_025),
        (".flac", 44_100),
        (".ogg", 16_000),
        (".mp3", 22_050),
        (".wav", 192_000),
        (".flac", 8000),
    ]
    for word, frequency in (("low", 300), ("high", 1500)):
        (folder / word).mkdir(parents=True)
        for number, (suffix, rate) in enumerate(kinds * 2):
            mono = tone(frequency + 11 * number, 0.4, rate)
            soundfile.write(
                folder / word / f"{number}{suffix}", mono if number % 2 else np.stack([mono, 0.5 * mono], 1), rate
            )
    result = cli("run", "keywords_cnn1d", "--data", folder, *QUICK, "--out", "run", "--quiet")
    assert result.code == 0, result.err
    assert len(cli("predict", "run", folder).out.splitlines()) == 24


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_among_own_data_is_one_line(name: str, cli, tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words")
    (folder / "up" / name).write_bytes(BROKEN[name][0])
    refused(cli("run", "keywords_cnn1d", "--data", folder, *QUICK), 3, name, BROKEN[name][1])
    assert not (tmp_path / "runs").exists(), "found before anything is trained"


@pytest.mark.parametrize("name", ["silent.wav", "cut.wav", "text.wav"])
def test_predict_names_a_broken_file(name: str, cli, small_run, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name][0])
    refused(cli("predict", small_run("keywords_cnn1d"), tmp_path / name), 3, name, BROKEN[name][1])
    refused(cli("predict", small_run("keywords_cnn1d"), "absent.wav"), 3, "absent.wav: no such audio file")


def test_wrong_folders_of_words(cli, tmp_path: Path) -> None:
    one = word_folder(tmp_path / "one", words=("only",))
    refused(cli("check", "keywords_cnn1d", "--data", one), 3, "holds one word, 'only'")
    bare = word_folder(tmp_path / "bare")
    (bare / "left").mkdir()
    refused(cli("check", "keywords_cnn1d", "--data", bare), 3, "word 'left' has no sound")
    listed = word_folder(tmp_path / "listed", lists=True)
    with (listed / "testing_list.txt").open("a") as file:
        file.write("up/gone_nohash_0.wav\n")
    refused(cli("check", "keywords_cnn1d", "--data", listed), 3, "testing_list.txt:5: names 'up/gone_nohash_0.wav'")
    word_folder(tmp_path / "half" / "train")
    refused(cli("check", "keywords_cnn1d", "--data", tmp_path / "half"), 3, "none named test")
    refused(cli("check", "keywords_cnn1d", "data={name: audio_folder, path: absent}"), 3, "absent: no such folder")


def test_words_in_hidden_folders_are_none(tmp_path: Path) -> None:
    folder = word_folder(tmp_path / "words")
    (folder / ".trash").mkdir()
    assert {e.label for e in AudioFolder(str(folder)).parts()["all"]} == {"down", "up"}


# Opponents


def test_the_classical_opponent_tells_pitches_apart() -> None:
    examples = [audio(300 + 5 * n, "low") for n in range(8)] + [
        audio(1800 + 5 * n, "high", rate=11_025) for n in range(8)
    ]
    for deviation in (False, True):
        baseline = MfccLogisticRegression(coefficients=13, deviation=deviation)
        baseline.fit(examples, {"labels": ("low", "high", "never")})
        outputs = baseline.outputs(examples)
        assert outputs.shape == (16, 3) and outputs.argmax(dim=1).tolist() == [0] * 8 + [1] * 8
        assert baseline.features(examples).shape == (16, 26 if deviation else 13)


# The page


def played(page: str) -> tuple[np.ndarray, int]:
    data = re.search(r"data:audio/(?:mpeg|wav);base64,([^\"]+)", page)[1]
    return soundfile.read(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(("rate", "expected"), [(RATE, RATE), (96_000, 24_000), (5_000, 16_000)])
def test_a_sound_on_a_page_can_be_played(rate: int, expected: int) -> None:
    page = sounds.AudioPages().picture(audio(500, rate=rate))
    samples, found = played(page)
    assert found == expected and 0.7 < np.abs(samples).max() <= 1 and abs(len(samples) / found - 0.3) < 0.01
    peak = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 16)).argmax() / (1 << 16) * found
    assert abs(peak - 500) < 10
    assert "<audio controls" in page and "data:image/jpeg" in page


def test_without_mp3_a_page_holds_wav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfile, "available_formats", dict)
    page = sounds.AudioPages().picture(audio(500))
    assert "data:audio/wav;base64," in page
    samples, found = played(page)
    assert found == RATE and np.abs(samples).max() == pytest.approx(0.88, abs=0.01)


@pytest.mark.parametrize("seconds", [0.0002, 0.01, 30.0])
def test_a_page_shows_the_shortest_and_the_longest_recordings(seconds: float) -> None:
    samples = np.zeros(max(1, round(seconds * RATE)), np.float32)
    samples[len(samples) // 2] = 0.5
    long = Audio(samples=samples, rate=RATE, label="low", source="<b>.wav")
    encoder = fitted(features="waveform")
    row = {"index": 0, "label": "low", "probability": 0.6, "source": long.source}
    page = sounds.AudioPages().explained(low_or_high(), material(EnergyAfter(0.0), encoder, [long], [row]), row)
    assert "data:audio/" in page and "spectrogram" in page and "<b>.wav" not in page
    assert len(played(page)[0]) / RATE <= sounds.LONGEST + 0.01
    assert ("plays 8 s of 30 s" in page) == (seconds == 30)


class EnergyAfter(torch.nn.Module):
    """Says `low` if there is sound after a part of the recording."""

    def __init__(self, part: float) -> None:
        super().__init__()
        self.part = part

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        energy = waveform[:, 0, int(self.part * waveform.shape[2]) :].square().mean(dim=1)
        return torch.stack([torch.ones_like(energy), 50 * energy], dim=1)


def low_or_high() -> Classification:
    return Classification(("high", "low"))


def material(model: torch.nn.Module, encoder: AudioEncoder, examples: list[Audio], rows: list) -> Material:
    return Material(model, encoder, examples, rows)


def test_the_stretch_that_made_the_answer_is_found() -> None:
    encoder = fitted(features="waveform")
    quiet = np.zeros(round(encoder.seconds * RATE), np.float32)
    start, end = round(0.75 * len(quiet)), round(0.8 * len(quiet))
    quiet[start:end] = tone(500, encoder.seconds)[start:end]
    example = Audio(samples=quiet, rate=RATE, label="low", source="a.wav")
    row = {"index": 0, "label": "low", "probability": 1.0, "source": "a.wav"}
    found = sounds.silenced(low_or_high(), EnergyAfter(0.6), encoder, example, row)
    drops = [change.before - change.after for change in found]
    best = found[int(np.argmax(drops))]
    assert (
        best.start <= start / RATE
        and best.end >= end / RATE
        and best.label == "high"
        and best.after < 0.5 < best.before
    )
    away = [drop for change, drop in zip(found, drops, strict=True) if change.end < 0.7 * encoder.seconds]
    assert away and max(map(abs, away)) < 0.01
    page = sounds.AudioPages().explained(low_or_high(), material(EnergyAfter(0.6), encoder, [example], [row]), row)
    assert f"Without {best.start:.2f} to {best.end:.2f} s" in page and "and says high" in page


class Loudness(torch.nn.Module):
    """Says the energy of the second half of a recording."""

    def forward(self, waveform: torch.Tensor) -> torch.Tensor:
        return waveform[:, 0, waveform.shape[2] // 2 :].square().mean(dim=1, keepdim=True)


def test_a_number_is_explained_in_its_own_unit() -> None:
    encoder = AudioEncoder("waveform", sample_rate=RATE, seconds=0.3)
    examples = [Audio(samples=tone(400 + 50 * n), rate=RATE, label=float(n), source=f"{n}.wav") for n in range(4)]
    encoder.fit(examples)
    task = Regression(10.0, 2.0)
    rows = [{"index": n, "value": 1.0, "true_value": float(n), "source": ""} for n in range(4)]
    shown = material(Loudness(), encoder, examples, rows)
    found = sounds.silenced(task, Loudness(), encoder, examples[0], rows[0])
    with torch.no_grad():
        whole = 10 + 2 * float(Loudness()(**encoder.encode(examples[:1]).inputs))
    assert found[0].before == pytest.approx(whole, abs=1e-4) == pytest.approx(found[0].after, abs=1e-4)
    assert found[-1].after < whole
    assert "makes the number larger" in sounds.AudioPages().legend(task, shown)
    assert f"instead of {as_number(whole)}." in sounds.AudioPages().explained(task, shown, rows[0])


def test_what_the_network_does_not_hear_is_marked() -> None:
    encoder = fitted(features="waveform")
    length = encoder.seconds
    samples = np.concatenate([np.zeros(round(length * RATE), np.float32), tone(500, length)])
    example = Audio(samples=samples, rate=RATE, label="low")
    start, end = encoder.heard(example)
    assert start == pytest.approx(length, abs=0.002) and end == pytest.approx(2 * length, abs=0.002)
    row = {"index": 0, "label": "low", "probability": 1.0, "source": ""}
    page = sounds.AudioPages().explained(low_or_high(), material(EnergyAfter(0.0), encoder, [example], [row]), row)
    assert f"the network hears {start:.2f} to {end:.2f} s" in page and 'class="deaf"' in page
    short = Audio(samples=tone(500, length / 2), rate=RATE, label="low")
    assert encoder.heard(short)[0] == pytest.approx(-length / 4, abs=0.002)


def test_slices_hold_each_recording_once() -> None:
    examples = [
        Audio(samples=(0.5 / (1 + n % 4)) * tone(400, 0.1 + 0.05 * (n % 5)), rate=RATE, label="low", group=f"s{n % 12}")
        for n in range(48)
    ]
    rows = [
        {"index": n, "source": "", "true_label": "low", "label": "high" if n % 12 == 7 else "low", "probability": 0.9}
        for n in range(48)
    ]
    group, length, loudness = sounds.AudioPages().slices(
        low_or_high(), material(EnergyAfter(0.0), fitted(), examples, rows)
    )
    for division in (group, length, loudness):
        assert sorted(at for places in division.groups.values() for at in places) == list(range(48))
    assert next(iter(group.groups)) == "s7" and list(group.groups)[-1] == "the other 4 groups"
    first = next(iter(length.groups.items()))
    assert first[0].startswith("0.1") and all(examples[at].seconds() < 0.21 for at in first[1])
    assert next(iter(loudness.groups)).endswith("dB below")


def test_a_spectrogram_shows_the_pitch() -> None:
    shown = sounds.spectrogram(tone(1000, 0.5), RATE)
    row = shown[:, shown.shape[1] // 2].argmax()
    assert abs((shown.shape[0] - 1 - row) / (shown.shape[0] - 1) * RATE / 2 - 1000) < 50


def test_what_the_first_layer_sees_of_waveforms() -> None:
    encoder = fitted(features="waveform")
    page = sounds.AudioPages().first_layer(
        WaveformCNN1d(1, 2, [8, 8], 40, 4), encoder, [audio(400, "low"), audio(1600, "high")]
    )
    for words in ("kernel of <code>blocks.0.convolution", "5.0 ms", " Hz</li>", "The filter bank", "Feature maps"):
        assert words in page
    assert page.count("<audio") == 2


def test_what_the_first_layer_sees_of_spectrograms() -> None:
    encoder, examples = fitted(), [audio(400, "low")]
    network = SeparableCNN1d(20, 2, 8, 12, [3])
    page = sounds.AudioPages().first_layer(network, encoder, examples)
    assert "front.convolution.0 and front.convolution.1" in page and "mel bands" in page and "Feature maps" in page
    assert "mel bands" in sounds.AudioPages().first_layer(PlainSpectrogram(), encoder, examples)


def test_the_kernel_that_is_shown_is_what_two_layers_do_together() -> None:
    network = SeparableCNN1d(20, 2, 8, 12, [3])
    _, _, kernels = sounds._kernels_over_bands(network)
    x = torch.randn(1, 20, 30)
    together = torch.nn.functional.conv1d(x, kernels, stride=2, padding=5)
    assert torch.allclose(together, network.front.convolution(x), atol=1e-5)


class PlainSpectrogram(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.Conv1d(20, 6, 5)

    def forward(self, spectrogram: torch.Tensor) -> torch.Tensor:
        return self.first(spectrogram).mean(dim=2)


def test_the_report_has_players_for_the_mistakes(small_run) -> None:
    page = (small_run("keywords_cnn1d") / "report.html").read_text(encoding="utf-8")
    assert page.count("<audio controls") >= 4 and "data:audio/mpeg;base64," in page and 'src="http' not in page
    assert "By loudness" in page and "How far it sees" in page and page.count('class="when"') >= 4
    assert len(page) < 1_000_000


def test_soundfile_that_is_not_there_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), RATE)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(RecipeError, match=r"reading sound needs soundfile.*: pip install 'convzoo\[audio\]'"):
        Audio(tmp_path / "a.wav").read()


def test_recordings_shorter_than_a_frame_are_said() -> None:
    encoder = fitted(features="log_mel")
    examples = [Audio(samples=samples, rate=RATE, source=name) for name, samples in (
        ("long", np.ones(RATE, np.float32)), ("short", np.ones(16, np.float32)),
    )]  # fmt: skip
    (note,) = encoder.survey(examples, None).notes
    assert note.startswith("1 of 2 recordings (the first is short) are shorter than one frame")
