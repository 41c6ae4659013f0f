"""Video: files, readers, the encoder, the drawn actions, networks, opponents, the task, and what a page shows of it."""

import base64
import copy
import csv
import io
import json
import re
import struct
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from conftest import ROOT, refused
from hypothesis import given
from hypothesis import strategies as st

import convzoo
from convzoo.checks import check_splits
from convzoo.core.errors import DataError
from convzoo.core.libraries import import_av
from convzoo.core.pages import Material
from convzoo.core.randomness import Draws
from convzoo.inspect.describe import describe
from convzoo.layers.convolution import ConvolutionBlock
from convzoo.layers.factorised import FactorisedBlock, middle_channels
from convzoo.metrics.clips import ClipMeter
from convzoo.modalities.video import clips
from convzoo.modalities.video import pages as videos
from convzoo.modalities.video.baselines import FrameAverage, MotionHistorySVM
from convzoo.modalities.video.data import hmdb51, motions, ucf101
from convzoo.modalities.video.data.hmdb51 import Hmdb51
from convzoo.modalities.video.data.motions import ACTIONS, Motions
from convzoo.modalities.video.data.own import VideoFolder, VideoTable, group_in
from convzoo.modalities.video.data.ucf101 import Ucf101
from convzoo.modalities.video.data.weizmann import Weizmann
from convzoo.modalities.video.encoder import OneClip, VideoEncoder
from convzoo.modalities.video.example import Video
from convzoo.modalities.video.formats import Film, read_film, video_files
from convzoo.models.c3d import C3D
from convzoo.models.r3d import R3D
from convzoo.runs import load_state, read_predictions, save_state
from convzoo.tasks.clip_classification import ClipClassification, Views
from convzoo.training.loader import Loader

av = import_av()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Generated videos of these tests are their own, and made anew by the code that is tested."""
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path_factory.getbasetemp() / "videos"))


def moving(count: int = 20, step: int = 1, height: int = 48, width: int = 64, start: int = 4) -> np.ndarray:
    """A bright block that goes right by `step` a frame, round and round; in colour."""
    frames = np.full((count, height, width, 3), 40, np.uint8)
    for number in range(count):
        place = (start + step * number) % (width - 10)
        frames[number, 12:24, place : place + 10] = (230, 190, 120)
    return frames


def write(
    path: Path,
    frames: np.ndarray | None = None,
    rate: int = 10,
    codec: str = "mpeg4",
    stamps: list[int] | None = None,
    pixels: str = "yuv420p",
    gop: int = 5,
    options: dict[str, str] | None = None,
) -> Path:
    """A video file; `stamps` are the times of the frames in hundredths of a second."""
    frames = moving() if frames is None else frames
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=100 if stamps else rate)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
        stream.codec_context.gop_size = gop
        stream.bit_rate = 2_000_000
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, "rgb24")
            if stamps:
                frame.pts = stamps[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def video(step: int = 1, label: str | None = "right", count: int = 20, rate: float = 10.0, **more) -> Video:
    return Video(frames=moving(count, step, **more), rate=rate, label=label, source=f"step {step}")


def fitted(**arguments) -> VideoEncoder:
    """An encoder of two classes, to the right and to the left."""
    encoder = VideoEncoder(**{"frames": 6, "size": [24, 32], "frame_rate": 10.0, **arguments})
    encoder.fit([video(1 + n, "right") for n in range(3)] + [video(-1 - n, "left") for n in range(3)])
    return encoder


# Files


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.mp4", "mpeg4", "yuv420p"), ("a.avi", "mpeg4", "yuv420p"), ("a.mkv", "libx264", "yuv420p"),
     ("a.webm", "libvpx", "yuv420p"), ("a.mov", "mjpeg", "yuvj420p"), ("a.mkv", "ffv1", "bgr0")],
)  # fmt: skip
def test_formats(name: str, codec: str, pixels: str, tmp_path: Path) -> None:
    frames = moving(23)
    path = write(tmp_path / name, frames, codec=codec, pixels=pixels)
    film = Video(path).film()
    assert len(film.times) == 23 and film.rate == pytest.approx(10, rel=0.01)
    assert film.seconds == pytest.approx(2.3, abs=0.02)
    found = Video(path).read()
    assert found.shape == frames.shape and found.dtype == np.uint8
    assert np.abs(found.astype(int) - frames).mean() < 8
    bright = Video(path).read(grey=True)[:, 18] > 120
    middles = (bright * np.arange(64)).sum(axis=1) / bright.sum(axis=1)
    assert np.abs(np.diff(middles) - 1).max() < 0.6, "frames come in their order"


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "mpeg4"), ("a.mkv", "libx264"), ("a.avi", "mpeg4"), ("a.webm", "libvpx")]
)
def test_seeking_gives_the_frames_that_reading_all_gives(name: str, codec: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, moving(60), codec=codec, gop=7)
    whole = Video(path).read()
    random = np.random.default_rng(0)
    for _ in range(12):
        start = int(random.integers(50))
        numbers = np.sort(random.choice(np.arange(start, start + 10), 6))
        assert np.array_equal(Video(path).read(numbers), whole[numbers])
    assert np.array_equal(Video(path).read([50, 3, 3]), whole[[50, 3, 3]]), "in the order that was asked for"


def test_seeking_decodes_a_stretch_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.mp4", moving(100), gop=10)
    decoded = []
    original = sys.modules["convzoo.modalities.video.formats"]._frames

    def counted(*arguments):
        for pair in original(*arguments):
            decoded.append(pair[0])
            yield pair

    monkeypatch.setattr("convzoo.modalities.video.formats._frames", counted)
    Video(path).read([83, 85])
    assert decoded == [80, 81, 82, 83, 84, 85]


def test_real_clips_with_times_in_disorder_are_counted(mirror: Path) -> None:
    for path in sorted((mirror / "ucf101").glob("*.avi")):
        whole = Video(path).read(size=(30, 40), grey=True)
        assert len(whole) == len(Video(path).film().times) > 100
        for start in (0, 31, 80):
            assert np.array_equal(
                Video(path).read(np.arange(start, start + 9), (30, 40), True), whole[start : start + 9]
            )


def test_a_varying_frame_rate_is_made_even(tmp_path: Path) -> None:
    # Ten frames in the first second, then fifty in the next: a recording whose rate rises.
    stamps = [10 * n for n in range(10)] + [100 + 2 * n for n in range(50)]
    path = write(tmp_path / "vfr.mkv", moving(60), stamps=stamps, codec="libx264")
    film = read_film(path)
    numbers = film.at_rate(10)
    assert len(numbers) == 20
    assert numbers[:10].tolist() == list(range(10)), "the slow part frame by frame"
    assert np.diff(numbers[10:]).tolist() == [5] * 9, "of the fast part every fifth"
    encoder = fitted()
    assert encoder.prepare(Video(path))[0].shape[1] == 20


@given(st.integers(2, 60), st.sampled_from([5.0, 12.5, 24.0, 25.0, 29.97, 30.0, 59.94, 1000 / 3]))
def test_an_even_video_gives_each_frame_once_at_its_own_rate(count: int, rate: float) -> None:
    times = np.round(np.arange(count) / rate, 3)  # files round their times
    film = Film(times, np.arange(count), np.arange(count), rate)
    if len(np.unique(times)) == count:
        assert film.at_rate(rate).tolist() == list(range(count))


@given(st.integers(2, 60), st.floats(3, 120), st.floats(3, 120))
def test_frames_at_another_rate_rise_and_keep_their_time(count: int, own: float, rate: float) -> None:
    film = Film(np.arange(count) / own, np.arange(count), np.arange(count), own)
    numbers = film.at_rate(rate)
    assert len(numbers) == max(1, round(count / own * rate - 1e-6))
    assert (np.diff(numbers) >= 0).all() and numbers.min() >= 0 and numbers.max() < count
    late = (np.arange(len(numbers)) + 0.5) / rate - numbers / own
    assert late.min() >= -1e-6, "no frame is shown before its time"
    assert (late < 1 / own + 1e-6)[numbers < count - 1].all(), "nor after the next one's"


@pytest.mark.parametrize(("height", "width"), [(47, 63), (33, 48), (16, 17)])
def test_odd_sizes(height: int, width: int, tmp_path: Path) -> None:
    path = write(
        tmp_path / "odd.mkv", moving(8, height=max(height, 26), width=width)[:, :height], codec="ffv1", pixels="bgr0"
    )
    assert Video(path).read().shape == (8, height, width, 3)
    assert Video(path).read(size=(31, 29), grey=True).shape == (8, 31, 29)
    assert Video(path).read(size=(31, 29), squeeze=True).shape == (8, 31, 29, 3)


def turned(path: Path, quarters: int) -> Path:
    """The same mp4 file, whose track says that it is to be turned clockwise by so many quarters."""
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 4 + 40  # version 0: 40 bytes stand before the matrix
    one = 1 << 16
    rows = {1: (0, one, 0, -one, 0, 0, 0, 0, 1 << 30), 2: (-one, 0, 0, 0, -one, 0, 0, 0, 1 << 30),
            3: (0, -one, 0, one, 0, 0, 0, 0, 1 << 30)}[quarters]  # fmt: skip
    content[at : at + 36] = struct.pack(">9i", *rows)
    result = path.with_name(f"turned{quarters}.mp4")
    result.write_bytes(content)
    return result


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_rotation_tags_are_obeyed(quarters: int, tmp_path: Path) -> None:
    plain = write(tmp_path / "a.mp4")
    path = turned(plain, quarters)
    wanted = np.rot90(Video(plain).read(), -quarters, axes=(1, 2))
    assert np.array_equal(Video(path).read(), wanted)
    small = Video(path).read(size=(20, 30), grey=True, squeeze=True)
    assert small.shape == (20, 20, 30)
    assert np.abs(small.astype(int) - _shrunk(wanted, 20, 30)).mean() < 6


def _shrunk(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    return Video(frames=np.ascontiguousarray(frames), rate=10).read(size=(height, width), grey=True, squeeze=True)


def test_proportions_are_kept_or_squeezed() -> None:
    frames = np.zeros((3, 40, 80, 3), np.uint8)
    frames[:, :, :20] = 250  # the left quarter
    wide = Video(frames=frames, rate=10)
    cut = wide.read(size=(20, 20), grey=True)
    squeezed = wide.read(size=(20, 20), grey=True, squeeze=True)
    assert cut.max() < 60, "the sides are cut: a quarter on either"
    assert squeezed[0, 10, :4].min() > 180 and squeezed[0, 10, 6:].max() < 60


def audio_only(path: Path) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def broken(folder: Path) -> dict[str, tuple[Path, str]]:
    """Files that are no videos to work with, and what is said of each."""
    whole = write(folder / "whole.mp4", moving(40))
    content = whole.read_bytes()
    front = write(folder / "front.mp4", moving(40), options={"movflags": "faststart"}).read_bytes()
    film = write(folder / "whole.avi", moving(40)).read_bytes()
    matroska = write(folder / "whole.mkv", moving(80), codec="libx264").read_bytes()
    cases = {
        "empty.mp4": (b"", "is empty (0 bytes)"),
        "text.mp4": (b"this is no video at all\n" * 50, "cannot be read as a video"),
        "cut.mp4": (content[: len(content) // 2], "cannot be read as a video"),
        "cut-front.mp4": (front[: len(front) * 2 // 3], "is cut off: it announces 40 frames"),
        "cut.avi": (film[: len(film) * 4 // 5], "is cut off: it announces 40 frames"),
        "cut.mkv": (matroska[: len(matroska) // 2], "is cut off: it announces 8.0 s"),
    }
    for name, (part, _) in cases.items():
        (folder / name).write_bytes(part)
    found = {name: (folder / name, words) for name, (_, words) in cases.items()}
    found["sound.mp4"] = (audio_only(folder / "sound.mp4"), "holds no pictures (only sound)")
    found["one.mp4"] = (write(folder / "one.mp4", moving(1)), "holds 1 frame; an action takes at least 2")
    for name, words in (("none.avi", "holds no frames"), ("none.mp4", "holds no pictures")):
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            container.start_encoding()
        found[name] = (folder / name, words)
    return found


def test_broken_files_are_named(tmp_path: Path) -> None:
    for name, (path, words) in broken(tmp_path).items():
        with pytest.raises(DataError) as caught:
            Video(path).film()
        message = str(caught.value)
        assert str(path) in message and words in message and "\n" not in message, (name, message)


def test_broken_files_stop_a_run_in_one_line(cli, tiny, tmp_path: Path) -> None:
    folder = action_folder(tmp_path / "clips", people=4)
    bad = broken(tmp_path / "bad")
    for name, code in (("cut.avi", 3), ("sound.mp4", 3), ("none.avi", 3)):
        path, words = bad[name]
        place = folder / "left" / f"v_left_g01_c09{path.suffix}"
        place.write_bytes(path.read_bytes())
        settings = [word for word in tiny("actions_cnn3d") if not word.startswith("data.")]
        refused(
            cli("run", "actions_cnn3d", "--data", folder, *settings, "--out", tmp_path / name), code, place.name, words
        )
        place.unlink()


def test_inputs_of_predict(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4")
    write(tmp_path / "deep" / "b.avi")
    (tmp_path / "deep" / "._b.avi").write_bytes(b"what macOS leaves behind")
    assert [found.path.name for found in Video.from_inputs([tmp_path])] == ["a.mp4", "b.avi"]
    assert len(Video.from_inputs([str(tmp_path / "a.mp4"), (moving(), 25), (moving()[..., 0], 12.5), video()])) == 4
    assert len(Video.from_lines([str(tmp_path / "a.mp4"), " "])) == 1
    assert Video.from_inputs([(moving()[..., :1], 5)])[0].read().shape == (20, 48, 64, 3)
    (tmp_path / "none").mkdir()
    for value, words in [
        (moving(), "give (frames, rate)"),
        ((moving(), 0), "a rate of 0"),
        ((moving().astype(float), 10), "an array of uint8"),
        ((moving()[0, :, :, 0], 10), "(frames, height, width)"),
        (tmp_path / "absent.mp4", "no such video file"),
        (tmp_path / "none", "holds no video"),
    ]:
        with pytest.raises(DataError, match=re.escape(words)):
            Video.from_inputs([value])
    with pytest.raises(DataError, match="holds 1 frames"):
        Video.from_inputs([(moving(1), 10)])[0].film()


def test_a_missing_library_is_one_line(cli, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "av":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)  # Python then says that there is no such module
    refused(cli("check", "actions_cnn3d", *tiny("actions_cnn3d")), 2, "av", "pip install 'convzoo[video]'")


# Pure functions


@given(st.integers(1, 40), st.integers(1, 120), st.floats(0, 1, exclude_max=True), st.floats(0.5, 1.5))
def test_a_random_clip_lies_in_the_video(frames: int, count: int, uniform: float, speed: float) -> None:
    start = clips.random_start(uniform, frames, count, speed)
    numbers = clips.frames_of_clip(start, frames, count, speed)
    assert len(numbers) == frames and numbers.min() >= 0 and numbers.max() < count
    span = int((frames - 1) * speed + 1e-6)
    if count > span:
        assert numbers[-1] - numbers[0] == pytest.approx(span, abs=1)


@given(st.integers(1, 40), st.integers(1, 300), st.integers(1, 40))
def test_clips_at_test_see_the_whole_video(frames: int, count: int, most: int) -> None:
    starts = clips.spread_starts(frames, count, most)
    assert 1 <= len(starts) <= most and starts == sorted(set(starts))
    assert starts[0] >= 0 and starts[-1] <= max(0, count - frames)
    needed = -(-max(0, count - frames) // max(1, frames // 2)) + 1
    if needed <= most:
        seen = {number for start in starts for number in clips.frames_of_clip(start, frames, count)}
        assert seen == set(range(count))


@given(st.integers(4, 40), st.integers(4, 40), st.data())
def test_crops_lie_in_the_frame(height: int, width: int, data) -> None:
    crop = data.draw(st.integers(1, height)), data.draw(st.integers(1, width))
    place = data.draw(st.floats(0, 1)), data.draw(st.floats(0, 1))
    corners = [clips.crop_corner(*place, (height, width), crop)]
    corners += [corner for count in (1, 3) for corner in clips.corners_at_test(count, (height, width), crop)]
    assert len(corners) == 5
    for top, left in corners:
        assert 0 <= top <= height - crop[0] and 0 <= left <= width - crop[1]


# The encoder


@pytest.mark.parametrize("features", ["frames", "differences"])
@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_shapes_and_normalisation(features: str, colour: str) -> None:
    encoder = fitted(features=features, colour=colour, crop=[20, 28])
    batch = encoder.encode([video(2), video(-2, "left", count=40)])
    channels = 1 if colour == "grey" else 3
    assert batch.inputs["clip"].shape[1:] == (channels, 6, 20, 28)
    assert batch.target["views"].tolist() == [len(encoder.starts(video(count=n))) for n in (20, 40)]
    assert batch.target["label"].tolist() == [1, 0] and batch.size == 2
    wanted = {
        "in_channels": channels, "frames": 6, "height": 20, "width": 28, "classes": 2, "labels": ("left", "right"), "crops": 1,
    }  # fmt: skip
    assert encoder.dims.items() >= wanted.items()
    whole = fitted(features=features, colour=colour)
    values = whole.encode([video(1 + n, "right") for n in range(3)] + [video(-1 - n, "left") for n in range(3)]).inputs[
        "clip"
    ]
    assert values.mean().abs() < 0.1 and values.std() == pytest.approx(1, abs=0.15)


def test_differences_are_what_changes() -> None:
    encoder = fitted(features="differences")
    still = Video(frames=np.repeat(moving()[:1], 20, axis=0), rate=10, label="left")
    assert encoder.encode([still]).inputs["clip"].abs().max() == 0
    plain, change = fitted(features="frames"), encoder
    frames = plain.encode([OneClip(video(2))]).inputs["clip"] * plain.deviation[0] + plain.mean[0]
    found = change.encode([OneClip(video(2))]).inputs["clip"] * change.deviation[0]
    starts = clips.spread_starts(6, 20, 1)[0], clips.spread_starts(7, 20, 1)[0]
    shift = starts[0] - starts[1]
    assert torch.allclose(
        found[:, :, shift : shift + 5],
        (frames[:, :, 1:] - frames[:, :, :-1])[:, :, : 5 - shift + shift][:, :, :5],
        atol=1e-4,
    )


@pytest.mark.parametrize("crops", [1, 3])
@pytest.mark.parametrize("training", [False, True])
def test_decoding_clips_only_gives_the_batches_of_decoding_all(crops: int, training: bool, tmp_path: Path) -> None:
    examples = [
        Video(write(tmp_path / f"{n}.mp4", moving(18 + 5 * n, n + 1), rate=(10, 10, 20, 7)[n]), label="ab"[n % 2])
        for n in range(4)
    ]
    encoder = VideoEncoder(
        frames=6, size=[24, 32], crop=[16, 20], flip=0.5, speed=0.3, contrast=0.4, crops=crops, features="differences"
    )
    encoder.fit(examples)
    chosen = encoder.pieces(examples) if training else examples
    draws = Draws(3, 2, [0, 1, 2, 3]) if training else None
    kept = encoder.collate([encoder.prepare(each) for each in chosen], draws)
    direct = encoder.gather(chosen, range(4), draws)
    assert torch.equal(kept.inputs["clip"], direct.inputs["clip"])
    assert {key: value.tolist() for key, value in kept.target.items()} == {
        key: value.tolist() for key, value in direct.target.items()
    }
    clips_of_one = 1 if training else crops
    assert len(kept.inputs["clip"]) == int(kept.target["views"].sum()) * clips_of_one


def test_the_loader_gives_the_same_from_memory_and_from_workers(tmp_path: Path) -> None:
    examples = [Video(write(tmp_path / f"{n}.mp4", moving(20, n + 1)), label="ab"[n % 2]) for n in range(6)]
    encoder = VideoEncoder(frames=6, size=[16, 16], crop=[12, 12], flip=0.5)
    encoder.fit(examples)

    def clips_of(workers: int, cache: float) -> list[torch.Tensor]:
        loader = Loader(encoder.pieces(examples), encoder, 2, 1, workers=workers, cache_bytes=cache)
        return [batch.inputs["clip"] for step in loader.steps(1) for batch in step]

    batches = [clips_of(0, 4e9), clips_of(0, 0), clips_of(2, 0)]
    for other in batches[1:]:
        assert all(torch.equal(one, two) for one, two in zip(batches[0], other, strict=True))


def test_augmentation_depends_on_the_example_and_not_on_its_batch() -> None:
    encoder = fitted(crop=[16, 20], flip=0.5, speed=0.2, contrast=0.5)
    items = [encoder.prepare(OneClip(video(1 + n))) for n in range(6)]
    together = encoder.collate(items, Draws(3, 1, list(range(6)))).inputs["clip"]
    for index in (0, 4):
        alone = encoder.collate([items[index]], Draws(3, 1, [index])).inputs["clip"]
        assert torch.allclose(alone[0], together[index], atol=1e-5)
    assert not torch.allclose(encoder.collate(items, Draws(3, 2, list(range(6)))).inputs["clip"], together, atol=1e-2)
    state = torch.get_rng_state()
    encoder.collate(items, Draws(0, 0, list(range(6))))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    "setting", [{"flip": 1.0}, {"speed": 0.5}, {"contrast": 0.8}, {"crop": [16, 20]}], ids=lambda each: next(iter(each))
)
def test_each_augmentation_alone_changes_the_batch(setting: dict) -> None:
    encoder = fitted(**setting)
    item = encoder.prepare(OneClip(video(3, count=7)))  # so short that every clip begins at its start
    plain = encoder.collate([item] * 8).inputs["clip"]
    changed = encoder.collate([item] * 8, Draws(1, 0, list(range(8)))).inputs["clip"]
    assert changed.shape == plain.shape and bool(torch.isfinite(changed).all())
    assert sum(not torch.allclose(one, two, atol=1e-3) for one, two in zip(plain, changed, strict=True)) >= 5


def test_a_flip_turns_right_into_left() -> None:
    encoder = fitted(flip=1.0)
    item = encoder.prepare(OneClip(video(2, count=6)))
    plain = encoder.collate([item]).inputs["clip"]
    assert torch.equal(encoder.collate([item], Draws(0, 0, [0])).inputs["clip"], plain.flip(-1))


def test_rate_and_colour_come_from_the_training_split() -> None:
    encoder = VideoEncoder(frames=4)
    encoder.fit([video(1, "ab"[n % 2], rate=(25.0, 25.0, 30.0, 25.0)[n]) for n in range(4)])
    assert encoder.frame_rate == 25.0 and encoder.colour == "rgb"
    assert encoder.size == encoder.crop == (64, 85), "as 48×64, the shorter side 64"
    grey = VideoEncoder(frames=4, size=[16, 16])
    grey.fit([Video(frames=moving()[..., 0], rate=5.0, label="ab"[n % 2]) for n in range(4)])
    assert grey.colour == "grey" and grey.frame_rate == 5.0


def test_the_saved_encoder_gives_identical_batches(tmp_path: Path) -> None:
    encoder = fitted(features="differences", colour="rgb")
    save_state(tmp_path / "encoder", encoder.state())
    again = VideoEncoder(frames=6, features="differences")
    again.load_state(load_state(tmp_path / "encoder"))
    assert torch.equal(again.encode([video(2)]).inputs["clip"], encoder.encode([video(2)]).inputs["clip"])
    assert again.dims == encoder.dims
    assert encoder.encode([video(label=None)]).target["label"].tolist() == [-1]


def test_a_short_video_holds_its_last_frame() -> None:
    encoder = fitted()
    clip = encoder.encode([video(4, count=3)]).inputs["clip"]
    assert clip.shape[:3] == (1, 3, 6)
    assert torch.equal(clip[:, :, 2], clip[:, :, 5]) and not torch.equal(clip[:, :, 1], clip[:, :, 2])


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"size": [3]}, "[height, width]"),
        ({"crop": [8, 8]}, "give size too"),
        ({"size": [64, 64], "crop": [70, 8]}, "should fit into size"),
        ({"speed": 1.0}, "speed should be below 1"),
    ],
)
def test_wrong_settings_are_refused(setting: dict, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        VideoEncoder(**setting)


# Layers and networks


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([1, 3, 5, 7]), st.sampled_from([1, 3, 5]))
def test_factorised_kernels_have_as_many_weights_as_full_ones(before: int, after: int, size: int, depth: int) -> None:
    assert middle_channels(64, 64) == 144, "R(2+1)D's own example"
    middle = middle_channels(before, after, size, depth)
    full = depth * size**2 * before * after
    each = size**2 * before + depth * after
    assert middle * each <= full or middle == 1
    assert (middle + 1) * each > full, "one more would be too many"


def test_a_factorised_block_is_two_convolutions() -> None:
    torch.manual_seed(0)
    block = FactorisedBlock(3, 8, normalisation="none", stride=2).eval()
    x = torch.randn(2, 3, 6, 10, 12)
    within, across = block.within.convolution, block.across.convolution
    assert within.weight.shape[2:] == (1, 3, 3) and across.weight.shape[2:] == (3, 1, 1)
    wanted = torch.nn.functional.conv3d(x, within.weight, within.bias, stride=(1, 2, 2), padding=(0, 1, 1)).relu()
    wanted = torch.nn.functional.conv3d(wanted, across.weight, across.bias, stride=(2, 1, 1), padding=(1, 0, 0)).relu()
    assert block(x).shape == (2, 8, 3, 5, 6)
    assert torch.allclose(block(x), wanted, atol=1e-5)


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize(("depth", "stride", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 2, 2), (3, 3, 1)])
@pytest.mark.parametrize("frames", [1, 2, 4])
def test_clips_shorter_than_a_kernel(frames: int, depth: int, stride: int, dilation: int, separable: bool) -> None:
    torch.manual_seed(0)
    block = ConvolutionBlock(
        3, 16, 8, (depth, 3, 3), (stride, 1, 1), (dilation, 1, 1), normalisation="none", activation="identity",
        separable=separable, bias=True,
    )  # fmt: skip
    x, target = torch.randn(6, 16, frames, 4, 4), torch.randn(6, 8, 1, 4, 4)
    block, x = (each.to(memory_format=torch.channels_last_3d) for each in (block, x))
    exact = copy.deepcopy(block).double()
    wanted = exact.convolution(x.double())
    assert torch.allclose(block(x).double(), wanted, atol=1e-5)
    (wanted * target).sum().backward()
    # oneDNN gave memory that nobody wrote as the gradient of bf16 kernels; so there is some to be found.
    spoilt = [torch.full((size,), float("nan")) for size in (64, 256, 1024, 4096, 16384, 65536)]
    del spoilt
    with torch.autocast("cpu", torch.bfloat16):
        (block(x).float() * target).sum().backward()
    for (name, found), true in zip(block.named_parameters(), exact.parameters(), strict=True):
        assert float((found.grad - true.grad).norm() / true.grad.norm()) < 0.05, name


@pytest.mark.parametrize("kernel", ["full", "factorised"])
@pytest.mark.parametrize("network", [C3D, R3D])
def test_networks_take_clips_and_say_what_they_are(network: type, kernel: str) -> None:
    sizes = {"frames": 8, "height": 24, "width": 24} if network is C3D else {}
    channels = {"channels": [4, 8, 8]} if network is C3D else {"channels": [4, 8], "blocks": [1, 1]}
    model = network(in_channels=3, classes=5, kernels=kernel, **sizes, **channels).eval()
    assert model(torch.randn(2, 3, 8, 24, 24)).shape == (2, 5)
    assert model(torch.randn(1, 3, 12, 40, 30)).shape == (1, 5), "any clip, once it is made"
    breakdown = describe(model, {"clip": torch.randn(1, 3, 8, 24, 24)})
    assert breakdown.receptive_field is not None and len(breakdown.receptive_field) == 3
    words = " ".join(layer.words for layer in breakdown.layers)
    assert ("1×3×3" in words or "1×7×7" in words) == (kernel == "factorised")
    kinds = [module for module in model.modules() if isinstance(module, torch.nn.Conv3d)]
    factorised = [layer for layer in kinds if layer.kernel_size[0] > 1 and layer.kernel_size[1] > 1]
    assert bool(factorised) == (kernel == "full")


def test_published_networks_have_their_published_sizes() -> None:
    wide = {"channels": [64, 128, 256, 512], "blocks": [2, 2, 2, 2]}
    for kernel in ("full", "factorised"):
        model = R3D(in_channels=3, classes=400, kernels=kernel, **wide)
        # Of torchvision's r3d_18; the paper's R(2+1)D is made to have as many.
        assert sum(p.numel() for p in model.parameters()) == pytest.approx(33_371_472, rel=1e-3), kernel


def test_a_clip_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="too small for 4 blocks"):
        C3D(in_channels=1, frames=8, height=4, width=40, classes=2, channels=[4, 4, 4, 4])
    with pytest.raises(ValueError, match="give one a block"):
        C3D(in_channels=1, frames=8, height=40, width=40, classes=2, channels=[4, 4], convolutions=[1])
    with pytest.raises(ValueError, match="give one for each stage"):
        R3D(in_channels=1, classes=2, channels=[4, 4], blocks=[1])


# The task


def test_a_video_is_the_mean_of_its_clips() -> None:
    task = ClipClassification(("a", "b", "c"))
    logits = torch.randn(6, 3)
    views = Views(logits, torch.tensor([1, 3, 2]))
    probabilities = logits.softmax(dim=1)
    wanted = torch.stack([part.mean(dim=0) for part in probabilities.split([1, 3, 2])])
    assert torch.allclose(views.mean().exp(), wanted, atol=1e-6)
    rows = task.decode(views)
    assert [len(row["over_time"]) for row in rows] == [1, 3, 2]
    for row, each in zip(rows, wanted, strict=True):
        assert row["label"] == "abc"[int(each.argmax())] and row["probability"] == pytest.approx(
            float(each.max()), abs=1e-6
        )
    first = rows[1]["over_time"][0]
    assert first == {
        "label": "abc"[int(logits[1].argmax())],
        "probability": pytest.approx(float(probabilities[1].max())),
    }


class Brightness(torch.nn.Module):
    """Says of a clip how bright it is."""

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        value = clip.mean(dim=(1, 2, 3, 4))
        return torch.stack([-value, value], dim=1)


@pytest.mark.parametrize("crops", [1, 3])
def test_views_and_crops_are_averaged(crops: int) -> None:
    encoder = fitted(crop=[16, 16], crops=crops)
    task = ClipClassification(("left", "right"), crops=crops)
    examples = [video(2, count=20), video(-3, "left", count=9)]
    batch = encoder.encode(examples)
    views = task.predict(Brightness(), batch)
    counts = [len(encoder.starts(example)) for example in examples]
    assert views.counts.tolist() == counts and len(views.logits) == sum(counts)
    each = Brightness()(batch.inputs["clip"]).softmax(dim=1).unflatten(0, (-1, crops)).mean(dim=1)
    assert torch.allclose(views.logits.softmax(dim=1), each, atol=1e-5)
    row = encoder.annotate(examples[0], task.decode(views)[0])
    assert row["over_time"][0]["start"] == 0 and row["over_time"][-1]["end"] == pytest.approx(2.0)
    moments = [
        {"start": 0.0, "end": 1.0, "label": "a", "probability": 0.9},
        {"start": 0.5, "end": 1.5, "label": "b", "probability": 0.8},
    ]
    words = task.in_words({"label": "a", "probability": 0.5, "over_time": moments}, "x.mp4")
    assert words.splitlines()[0] == "a  0.500  x.mp4" and "0.50 to   1.50 s  b  0.800" in words


def test_scores_of_videos_and_clips() -> None:
    meter = ClipMeter(3)
    logits = torch.tensor([[3.0, 0, 0], [0, 3, 0], [0, 5, 0], [0, 0, 3], [0, 3, 0]])
    meter.update(Views(logits, torch.tensor([3, 2])), {"label": torch.tensor([1, 2])})
    scores = meter.compute()
    assert scores["accuracy"] == pytest.approx(
        float(Views(logits, torch.tensor([3, 2])).mean().argmax(1).eq(torch.tensor([1, 2])).double().mean())
    )
    assert scores["clip_accuracy"] == pytest.approx(3 / 5)
    opponent = ClipMeter(3)
    opponent.update(torch.eye(3), {"label": torch.tensor([0, 1, 0])})
    assert opponent.compute()["accuracy"] == opponent.compute()["clip_accuracy"] == pytest.approx(2 / 3)


# The drawn actions

SMALL = {"train": 24, "val": 8, "test": 16}


def test_drawn_videos_are_files_in_splits_by_scene() -> None:
    splits = Motions(**SMALL).read()
    check_splits(splits)
    assert [len(part) for _, part in splits] == [24, 8, 16]
    for _, part in splits:
        assert Counter(example.label for example in part) == dict.fromkeys(ACTIONS, len(part) // 8)
    first = splits.train[0]
    film = first.film()
    assert (len(film.times), film.rate) == (30, pytest.approx(15))
    assert first.read().shape == (30, 64, 64, 3)
    assert len({example.group for example in splits.train}) == 3
    about = json.loads((first.path.parents[2] / "motions.json").read_text())
    with (first.path.parents[2] / "shown.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    truly = sum(row["asked"] == row["shown"] for row in rows) / len(rows)
    assert splits.ceiling == {"test/accuracy": truly} and about["truly_shown"]["test"] == truly


def test_drawn_videos_are_the_same_every_time_and_mended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = Motions(**SMALL).read()
    monkeypatch.setenv("CONVZOO_DATA", str(tmp_path))
    second = Motions(**SMALL).read()
    assert first.files == second.files
    second.train[0].path.unlink()
    assert Motions(**SMALL).read().train[0].path.is_file()
    assert Motions(**SMALL, seed=1).read().files != first.files
    none = Motions(**SMALL, label_noise=0.0).read()
    assert none.ceiling == {"test/accuracy": 1.0}


def test_at_every_moment_all_poses_are_as_likely_whatever_the_action() -> None:
    random = np.random.default_rng(0)
    for action in ACTIONS:
        drawn = [motions.motion(action, random, 0.7) for _ in range(400)]
        turn = np.stack([turn for turn, _ in drawn])[:, [0, 15, 29]]
        path = np.stack([path for _, path in drawn])[:, [0, 15, 29]]
        # Angles that are uniform over the circle have no mean direction.
        for values in (turn, *np.moveaxis(path, 2, 0)):
            assert np.abs(np.exp(1j * values).mean(axis=0)).max() < 0.17, action


def test_without_motion_the_actions_cannot_be_told() -> None:
    splits = Motions(train=256, val=8, test=176, seed=5).read()
    labels = {"labels": tuple(sorted(ACTIONS))}
    truth = torch.tensor([labels["labels"].index(example.label) for example in splits.test])
    scores = {}
    for name, opponent in (
        ("frame", FrameAverage(frames="middle", side=16)),
        ("average", FrameAverage(side=16)),
        ("motion", MotionHistorySVM()),
    ):
        opponent.fit(splits.train, labels)
        scores[name] = float((opponent.outputs(splits.test).argmax(1) == truth).double().mean())
    # Chance is 1/8, with a standard deviation of .025 over 176 videos.
    assert scores["frame"] < 0.2 and scores["average"] < 0.2 and scores["motion"] > 0.3, scores


# Readers


def action_folder(folder: Path, people: int = 5, takes: int = 2) -> Path:
    """Blocks that go right and left, in UCF101's names; every file is another."""
    for label, sign in (("right", 1), ("left", -1)):
        for person in range(people):
            for take in range(takes):
                frames = moving(10, sign * (1 + take), start=person)
                write(folder / label / f"v_{label}_g{person + 1:02d}_c{take + 1:02d}.mp4", frames)
    return folder


def test_a_folder_of_actions_is_split_by_group(tmp_path: Path) -> None:
    folder = action_folder(tmp_path / "clips")
    (folder / "_notes").mkdir()
    splits = VideoFolder(str(folder)).read()
    check_splits(splits)
    assert sum(len(part) for _, part in splits) == 20 and all(len(part) >= 2 for _, part in splits)
    assert {example.group for example in splits.train} <= {
        f"{a}_g{n:02d}" for a in ("left", "right") for n in range(1, 6)
    }
    assert VideoFolder.recognises(folder) and len(VideoFolder(str(folder)).examples()) == 20
    assert {e.label for e in VideoFolder(str(folder)).read().test} == {"left", "right"}
    with pytest.raises(DataError, match="holds one action"):
        VideoFolder(str(folder), classes=["left"]).read()
    with pytest.raises(DataError, match="has no action 'rigth'; did you mean 'right'"):
        VideoFolder(str(folder), classes=["left", "rigth"]).read()
    (folder / "still").mkdir()
    with pytest.raises(DataError, match="action 'still' has no video"):
        VideoFolder(str(folder)).parts()


def test_a_folder_with_train_and_test_is_taken_as_it_is(tmp_path: Path) -> None:
    action_folder(tmp_path / "data" / "train", people=6)
    action_folder(tmp_path / "data" / "test", people=2, takes=1)
    for path in video_files(tmp_path / "data" / "test"):
        path.write_bytes(path.read_bytes() + b"another film")
        path.rename(path.with_name(f"other{path.name}"))
    splits = VideoFolder(str(tmp_path / "data")).read()
    assert [len(part) for _, part in splits][2] == 4 and len(splits.val) > 0
    assert splits.origin.startswith("as given; val made here")
    (tmp_path / "data" / "test").rename(tmp_path / "data" / "other")
    with pytest.raises(DataError, match="a folder train and none named test"):
        VideoFolder(str(tmp_path / "data")).read()


def test_copies_stay_together(tmp_path: Path) -> None:
    folder = action_folder(tmp_path / "clips", people=8, takes=1)
    for path in video_files(folder):
        path.rename(path.with_name(f"{path.stem[-6:-4]}.mp4"))
    for path in video_files(folder):
        (path.parent / f"copy-{path.name}").write_bytes(path.read_bytes())
    splits = VideoFolder(str(folder)).read()
    homes: dict[bytes, set] = {}
    for name, part in splits:
        for example in part:
            homes.setdefault(example.path.read_bytes(), set()).add(name)
    assert all(len(home) == 1 for home in homes.values())


def manifest(folder: Path, rows: list[str], heading: str = "path,label,group") -> Path:
    path = folder / "clips.csv"
    path.write_text("\n".join([heading, *rows]) + "\n")
    return path


def test_a_manifest_is_split_by_group(tmp_path: Path) -> None:
    folder = action_folder(tmp_path / "clips")
    rows = [
        f"clips/{path.parent.name}/{path.name},{path.parent.name},{path.stem[-6:-4]}" for path in video_files(folder)
    ]
    reader = VideoTable(str(manifest(tmp_path, rows)))
    splits = reader.read()
    check_splits(splits)
    assert sum(len(part) for _, part in splits) == 20 and len(reader.examples()) == 20
    assert VideoTable.recognises(tmp_path / "clips.csv")
    given = manifest(
        tmp_path, [f"{row},{'test' if n % 5 == 0 else 'train'}" for n, row in enumerate(rows)], "path,label,x,split"
    )
    assert len(VideoTable(str(given)).read().test) == 4


@pytest.mark.parametrize(
    ("rows", "heading", "words"),
    [
        (["nowhere.mp4,a"], "path,label", "clips.csv:2: 'nowhere.mp4' is not there"),
        ([",a"], "path,label", "clips.csv:2: column 'path' is empty"),
        (["a.mp4,a,b"], "path,label", "clips.csv:2: has 3 fields"),
        ([], "path,label", "holds no rows"),
        (["a.mp4,a"], "film,label", "which column is the file?"),
        (["a.mp4,a,later"], "path,label,split", "clips.csv:2: column 'split' says 'later'"),
        (["a.mp4,a,train", "a.mp4,a,test"], "path,label,split", "stands in both train and test"),
    ],
)
def test_wrong_manifests_are_named(rows: list[str], heading: str, words: str, tmp_path: Path) -> None:
    write(tmp_path / "a.mp4", moving(4))
    with pytest.raises(DataError, match=re.escape(words)):
        VideoTable(str(manifest(tmp_path, rows, heading))).read()


def test_groups_in_names() -> None:
    assert group_in("v_ApplyEyeMakeup_g08_c01") == "ApplyEyeMakeup_g08"
    assert group_in("holiday") is None


def test_weizmann_leaves_one_person_out(mirror: Path) -> None:
    reader = Weizmann("shahar", str(mirror / "weizmann"))
    splits = reader.read()
    check_splits(splits)
    assert [len(part) for _, part in splits] == [70, 10, 10] and len(reader.examples()) == 90
    assert {example.group for example in splits.test} == {"shahar"}
    assert {example.group for example in splits.val} == {"daria"}, "after the last comes the first"
    for _, part in splits:
        assert len({example.label for example in part}) == 10
    film = splits.test[0].film()
    assert film.rate == pytest.approx(25) and splits.test[0].read([0]).shape == (1, 144, 180, 3)
    assert Weizmann.recognises(mirror / "weizmann")
    with pytest.raises(DataError, match="no person 'darja' in it; did you mean 'daria'"):
        Weizmann("darja", str(mirror / "weizmann")).read()
    with pytest.raises(DataError, match="is used for testing; choose another person"):
        Weizmann("ido", str(mirror / "weizmann"), "ido").read()


def test_weizmann_names(tmp_path: Path) -> None:
    for person in ("ann", "bob", "cat"):
        for action in ("run", "walk"):
            write(tmp_path / action / f"{person}_{action}{'2' if person == 'bob' else ''}.avi", moving(4))
    assert {e.label for e in Weizmann("bob", str(tmp_path)).read().test} == {"run", "walk"}
    write(tmp_path / "walk" / "take one.avi", moving(4))
    with pytest.raises(DataError, match=r"take one.avi: should be named <person>_<action>.avi"):
        Weizmann("bob", str(tmp_path)).read()
    assert not Weizmann.recognises(tmp_path)


@pytest.mark.parametrize(("split", "train", "test"), [(1, 9537, 3783), (2, 9586, 3734), (3, 9624, 3696)])
def test_ucf101_lists(split: int, train: int, test: int, mirror: Path) -> None:
    rows = ucf101.official_split(mirror / "ucf101", split)
    assert Counter(row.part for row in rows) == {"train": train, "test": test}
    assert len({row.label for row in rows}) == 101 and len({row.group for row in rows}) == 25 * 101
    groups = {part: {row.group for row in rows if row.part == part} for part in ("train", "test")}
    assert not groups["train"] & groups["test"], "no film on both sides"


@pytest.mark.parametrize("split", [1, 2, 3])
def test_hmdb51_lists(split: int, mirror: Path) -> None:
    rows = hmdb51.official_split(mirror / "hmdb51" / hmdb51.LISTS, split)
    assert Counter(row.part for row in rows) == {"train": 3570, "test": 1530}
    counts = Counter((row.label, row.part) for row in rows)
    assert len(counts) == 102 and {counts[label, "train"] for label, _ in counts} == {70}
    groups = {part: {row.group for row in rows if row.part == part} for part in ("train", "test")}
    assert not groups["train"] & groups["test"] and len(groups["train"]) > 1000


def ucf_folder(folder: Path) -> Path:
    """Two actions in UCF101's layout, with lists: group 1 tests, the others train."""
    clips_folder = action_folder(folder / "UCF-101", people=6)
    for part in ("train", "test"):
        lines = []
        for number, path in enumerate(video_files(clips_folder)):
            if ("_g01_" in path.name) == (part == "test"):
                lines.append(f"{path.parent.name}/{path.name}" + (f" {number % 2 + 1}" if part == "train" else ""))
        (folder / f"{part}list01.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_ucf101_reads_its_folder(tmp_path: Path) -> None:
    folder = ucf_folder(tmp_path)
    assert Ucf101.recognises(folder)
    splits = Ucf101(str(folder), val=0.3).read()
    check_splits(splits)
    assert len(splits.test) == 4 and len(splits.train) + len(splits.val) == 20 and len(splits.val) >= 2
    next(iter((folder / "UCF-101" / "left").glob("*_g03_c01*"))).unlink()
    with pytest.raises(DataError, match=r"trainlist01.txt:\d+: v_left_g03_c01.mp4 is not below .*only_present=true"):
        Ucf101(str(folder)).read()
    some = Ucf101(str(folder), val=0.3, only_present=True).read()
    assert len(some.train) + len(some.val) == 19 and "only the 23 of 24" in some.origin
    (folder / "trainlist01.txt").write_text("left/clip.avi 1\n")
    with pytest.raises(DataError, match=r"trainlist01.txt:1: is 'left/clip.avi 1'"):
        Ucf101(str(folder)).read()
    with pytest.raises(DataError, match=r"trainlist02.txt: no such file"):
        Ucf101(str(folder), split=2).read()


def test_ucf101_proved_on_the_real_clips_and_lists(mirror: Path, tmp_path: Path) -> None:
    for path in (mirror / "ucf101").iterdir():
        (tmp_path / path.name).symlink_to(path)
    rows = {row.name: row for row in ucf101.official_split(tmp_path, 1)}
    with pytest.raises(DataError, match="holds none of the 13,320 listed videos that train"):
        Ucf101(str(tmp_path), only_present=True).read()
    (examples := Ucf101.recognises(tmp_path))
    assert examples
    for path in sorted(tmp_path.glob("*.avi")):
        assert rows[path.name].part == "test" and rows[path.name].label in path.name
        film = Video(path).film()
        assert film.rate in (pytest.approx(25), pytest.approx(29.97, abs=0.01))
        assert Video(path).read([0, 50]).shape == (2, 240, 320, 3)


def test_hmdb51_reads_its_folder(tmp_path: Path) -> None:
    lists = tmp_path / hmdb51.LISTS
    lists.mkdir()
    for label, sign in (("run", 1), ("climb_stairs", -1)):
        lines = []
        for film in range(5):
            for take in range(2):
                name = f"Film{film}_{label}_f_cm_np1_ba_med_{take}.avi"
                write(tmp_path / "clips" / label / name, moving(6, sign * (take + 1), start=film))
                lines.append(f"{name} {2 if film == 4 else 1 if film else 0} ")
        (lists / f"{label}_test_split1.txt").write_text("\n".join(lines) + "\n")
    assert Hmdb51.recognises(tmp_path)
    splits = Hmdb51(str(tmp_path), val=0.4).read()
    check_splits(splits)
    assert len(splits.test) == 4 and len(splits.train) + len(splits.val) == 12
    assert {example.group for example in splits.test} == {"run/Film4_", "climb_stairs/Film4_"}
    (lists / "run_test_split1.txt").write_text("one.avi 3\n")
    with pytest.raises(DataError, match=r"run_test_split1.txt:1: is 'one.avi 3'"):
        Hmdb51(str(tmp_path)).read()
    with pytest.raises(DataError, match=r"holds no <action>_test_split2.txt"):
        Hmdb51(str(tmp_path), split=2).read()


# From the command line


def test_the_recipe_of_ucf101_trains_on_a_folder_of_its_layout(cli, tmp_path: Path) -> None:
    folder = ucf_folder(tmp_path)
    small = ["encoder.frames=4", "encoder.size=[20,27]", "encoder.crop=[16,16]", "encoder.views=3", "model.channels=[4,8]",
             "model.blocks=[1,1]", "train.epochs=1", "train.batch_size=6", "train.workers=1", "data.val=0.3",
             "train.cache_gigabytes=0"]  # fmt: skip
    recipe = ROOT / "recipes" / "reference" / "actions_ucf101.yaml"
    done = cli("run", recipe, f"data.path={folder}", *small, "--out", tmp_path / "run", "--quiet")
    assert done.code == 0, done.err
    scores = json.loads((tmp_path / "run" / "scores.json").read_text())
    assert scores["examples"] == {"train": 12, "val": 8, "test": 4}
    with (tmp_path / "run" / "split.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["group"] for row in rows if row["split"] == "test"} == {"left_g01", "right_g01"}


def test_the_recipe_of_weizmann_checks(cli, mirror: Path) -> None:
    recipe = ROOT / "recipes" / "reference" / "actions_weizmann.yaml"
    done = cli("check", recipe, f"data.path={mirror / 'weizmann'}", "model.channels=[4,8]")
    assert done.code == 0, done.err
    assert "train 70, val 10, test 10 (test: daria; validation: denis" in done.out


def test_own_videos_from_training_to_prediction(cli, tiny, tmp_path: Path) -> None:
    folder = action_folder(tmp_path / "clips", people=5)
    settings = [word for word in tiny("actions_cnn3d") if not word.startswith("data.")]
    done = cli("run", "actions_cnn3d", "--data", folder, *settings, "--out", tmp_path / "run", "--quiet")
    assert done.code == 0, done.err
    long = write(tmp_path / "long.mp4", np.concatenate([moving(40, 2), moving(40, -2)]))
    found = json.loads(cli("predict", tmp_path / "run", long, "--json").out)
    moments = found["over_time"]
    assert found["label"] in ("left", "right") and len(moments) > 5
    assert moments[0]["start"] == 0 and moments[-1]["end"] == pytest.approx(8.0)
    assert all(one["start"] < two["start"] for one, two in pairwise(moments))
    assert cli("predict", tmp_path / "run", long).out.splitlines()[0].endswith("long.mp4")
    written = cli("predict", tmp_path / "run", folder / "left", "-o", tmp_path / "found.csv")
    assert written.code == 0, written.err
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 11
    refused(cli("predict", tmp_path / "run", audio_only(tmp_path / "sound.mp4")), 3, "sound.mp4", "only sound")
    scores = cli("evaluate", tmp_path / "run", "--data", folder)
    assert scores.code == 0 and "data/accuracy" in scores.out


# Opponents and pages


def test_a_motion_history_tells_right_from_left() -> None:
    def to(step: int, start: int) -> Video:
        return video(step, "right" if step > 0 else "left", count=10, start=start)

    opponent = MotionHistorySVM(side=24, components=16)
    opponent.fit(
        [to(step, start) for step in (-3, -2, 2, 3) for start in range(0, 54, 6)], {"labels": ("left", "right")}
    )
    fresh = [to(step, start) for step in (-3, 2) for start in (5, 13, 24)]
    assert (opponent.outputs(fresh).argmax(1).numpy() == [0, 0, 0, 1, 1, 1]).sum() >= 5
    still = Video(frames=np.repeat(moving()[:1], 9, axis=0), rate=10)
    assert np.isfinite(opponent.features([still])).all()


def test_a_video_on_a_page_moves() -> None:
    page = videos.VideoPages().picture(video(2, height=60, width=90, count=80, rate=50.0))
    assert "data:image/gif;base64" in page and page.count("<img") == 1 + videos.FRAMES // videos.ROW
    gif = PIL.Image.open(io.BytesIO(base64.b64decode(re.search(r"gif;base64,([^\"]+)", page)[1])))
    assert 10 < gif.n_frames <= videos.LONGEST


def test_kernels_of_one_frame_are_named_so() -> None:
    other = C3D(1, 8, 20, 20, 2, channels=[4, 4], kernels="factorised")
    encoder = VideoEncoder(frames=8, size=[20, 20], colour="grey")
    encoder.fit([video(1, "a"), video(2, "b")])
    assert "one kernel within a frame" in videos.VideoPages().first_layer(other, encoder, [video(1, "a")])


def test_the_report_of_videos_has_frames_clips_and_the_field(small_run) -> None:
    run = convzoo.Run.load(small_run("actions_cnn3d"))
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "frames from left to right" in page and "How far it sees" in page and page.count('class="film"') >= 4
    assert len(page) < 1_000_000
    rows = [row for row in read_predictions(run.path / "predictions.csv") if row["true_label"]]
    for name, at in (("the first clip alone", 0), ("the last clip alone", -1)):
        right = sum(row["over_time"][at]["label"] == row["true_label"] for row in rows)
        cells = re.search(rf"{name}</th>(.*?)</tr>", page)[1]
        assert f">{len(rows):,}<" in cells and f">{100 * right / len(rows):.1f}\u00a0%<" in cells


class Corner(torch.nn.Module):
    """Looks at the upper left corner only."""

    def forward(self, clip: torch.Tensor) -> torch.Tensor:
        value = clip[:, :, :, :6, :6].square().mean(dim=(1, 2, 3, 4))
        return torch.stack([value, -value], dim=1)


def noise(count: int = 12) -> Video:
    random = np.random.default_rng(0).integers(0, 255, (count, 24, 32, 3)).astype(np.uint8)
    return Video(frames=random, rate=10.0, label="right", source="<noise>.mp4", group="g")


@pytest.mark.parametrize("features", ["frames", "differences"])
def test_the_network_is_seen_to_look_where_it_looks(features: str) -> None:
    encoder = fitted(frames=5, features=features)
    looked = videos.where_it_looked(Corner(), encoder, noise())
    assert looked.heat.shape == (len(looked.frames), *encoder.crop) and len(looked.frames) >= 11
    assert looked.heat[:, :6, :6].min(axis=0).max() > 0
    assert looked.heat[:, 6:].max() == looked.heat[:, :, 6:].max() == 0
    lit = looked.lit(int(looked.frames[2])).astype(int)
    assert (lit.max(axis=2) - lit.min(axis=2))[12:, 12:].max() == 0 < (lit.max(axis=2) - lit.min(axis=2))[:6, :6].max()


def test_of_a_long_video_only_some_clips_are_looked_at() -> None:
    looked = videos.where_it_looked(Corner(), fitted(frames=5), noise(200))
    assert len(looked.frames) == 5 * videos.CLIPS and looked.frames[0] == 0 and looked.frames[-1] == 199


def card(over_time: list, encoder: VideoEncoder, film: Video) -> str:
    row = {"index": 0, "label": "a", "true_label": "b", "probability": 0.5, "source": "", "over_time": over_time}
    return videos.VideoPages().explained(
        ClipClassification(("a", "b")), Material(Corner(), encoder, [film], [row]), row
    )


def test_the_answers_of_clips_stand_at_their_times() -> None:
    encoder, film = fitted(frames=6), noise(12)
    spans = encoder.spans(film)
    assert len(spans) == 3
    same = card([{"label": "a", "probability": chance} for chance in (0.6, 0.7, 0.9)], encoder, film)
    assert "Its 3 clips all say a (60\u00a0% to 90\u00a0% sure)." in same and "lane" not in same
    differ = card([{"label": label, "probability": 0.8} for label in ("a", "b", "a")], encoder, film)
    assert differ.count('class="lane"') == 3 and differ.count('<i class="s"') == 2 and differ.count('<i class="o"') == 1
    assert f'aria-label="b, 80\u00a0%: {spans[1][0]:.2f} to {spans[1][1]:.2f} s"' in differ
    assert differ.count("<img") == 2 and f"<span>{0:.2f} s</span>" in differ


def test_many_clips_are_told_by_their_answers() -> None:
    encoder, film = fitted(frames=4), noise(40)
    names = ["a"] * 3 + ["b", "c", "d", "e"]
    spans = encoder.spans(film)
    over_time = [{"label": names[at % len(names)], "probability": 0.5} for at in range(len(spans))]
    page = card(over_time, encoder, film)
    counts = Counter(moment["label"] for moment in over_time)
    assert f"a: {counts['a']} of {len(spans)} clips, 50\u00a0%" in page and page.count('class="lane"') == videos.ANSWERS
    assert f"2 other answers: {counts['d'] + counts['e']} of {len(spans)} clips" in page


def test_slices_of_videos_tell_whether_clips_agree() -> None:
    films = [noise(8 + at % 4) for at in range(12)]
    rows = [
        {"index": at, "source": "", "true_label": "a", "label": "a", "probability": 1.0,
         "over_time": [{"label": "a"}, {"label": "b" if at % 3 == 0 else "a"}]}
        for at in range(12)
    ]  # fmt: skip
    task = ClipClassification(("a", "b"))
    group, length, agree = videos.VideoPages().slices(task, Material(Corner(), fitted(frames=5), films, rows))
    assert group.groups == {} and agree.groups["clips differ"] == [0, 3, 6, 9]
    assert sorted(at for places in length.groups.values() for at in places) == list(range(12))
    first = next(iter(length.groups))
    assert first.startswith("0.8") and first.endswith(" s")
