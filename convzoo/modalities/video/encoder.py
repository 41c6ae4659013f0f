"""Videos as clips of one length, size and rate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from convzoo.core.arguments import Fraction, Positive, PositiveFloat
from convzoo.core.batch import Batch
from convzoo.core.encoder import Encoder
from convzoo.core.randomness import Draws
from convzoo.core.references import References
from convzoo.core.survey import Survey, lengths_in_words, some_of
from convzoo.core.targets import Target, Targets
from convzoo.modalities.video import clips
from convzoo.modalities.video.example import Video
from convzoo.modalities.video.formats import Film
from convzoo.ops.moments import Moments, evenly_spaced

_FIT_ON = 64  # videos are enough for the mean and deviation of the pixels
_RATES_OF = 500
_SHORTER = 64


@dataclass(frozen=True)
class OneClip:
    """A video of which one clip is encoded, as in training; a Video by itself is encoded as several."""

    video: Video

    @property
    def source(self) -> str:
        """Where the video comes from."""
        return self.video.source


class Clips(References[OneClip]):
    """One clip of each of some videos."""

    def __init__(self, videos: Sequence[Video]) -> None:
        self.videos = videos

    def __len__(self) -> int:
        return len(self.videos)

    def reference(self, index: int) -> OneClip:
        """One clip of a video."""
        return OneClip(self.videos[index])


@dataclass(frozen=True)
class _Wanted:
    """One clip: which frames of the video, at the encoder's rate, and which crop of them."""

    frames: np.ndarray
    corner: tuple[int, int]


class VideoEncoder(Encoder):
    r"""Clips of `frames` frames, as they are or as differences $x_{t+1} - x_t$, scaled, cropped and normalised.

    Every video is sampled `frame_rate` times a second, whatever its own rate, constant or not; one with a rotation tag (of a
    telephone) is rotated upright. In training a batch has one clip of each video, from a random place, cropped at random.
    Otherwise a video gives several clips: at most `views`, evenly spread over it and overlapping by half, and `crops` of each;
    the task averages them.

    If the scaled frames of all videos fit in memory (`train.cache_gigabytes`), they are decoded once. Otherwise each clip is
    decoded when it is needed, from the nearest key frame before it. Both ways give the same batches.

    Args:
        frames: number of frames of a clip
        size: [height, width] of the scaled frames; by default the first training video's proportions, 64 on its shorter side
        crop: [height, width] that is cut out of the scaled frames; by default all
        frame_rate: frames a second; by default the median of the training videos' own
        colour: grey, rgb, or auto: rgb if the first training video has colours
        features: `frames` gives brightness or colours, `differences` the change from each frame to the next
        proportions: for a video with other proportions than `size`: `cut` crops it, `squeeze` distorts it
        flip: probability of a left-right flip
        speed: the largest relative change of speed: 0.1 is from 0.9 to 1.1
        contrast: the largest relative change of contrast: 0.1 is from 0.9 to 1.1
        views: largest number of clips of a video in scoring and prediction
        crops: how many are taken of each of these clips: 1 (the middle) or 3 (also the ends of the longer side)
    """

    example = Video

    def __init__(
        self,
        frames: Positive = 16,
        size: list[Positive] | None = None,
        crop: list[Positive] | None = None,
        frame_rate: PositiveFloat | None = None,
        colour: Literal["auto", "grey", "rgb"] = "auto",
        features: Literal["frames", "differences"] = "frames",
        proportions: Literal["cut", "squeeze"] = "cut",
        flip: Fraction = 0.0,
        speed: Fraction = 0.0,
        contrast: Fraction = 0.0,
        views: Positive = 32,
        crops: Literal[1, 3] = 1,
    ) -> None:
        for name, value in (("size", size), ("crop", crop)):
            if value is not None and len(value) != 2:
                raise ValueError(f"{name} should be [height, width], not {value}")
        if crop and size is None:
            raise ValueError("crop is a part of size: give size too")
        if crop and size and (crop[0] > size[0] or crop[1] > size[1]):
            raise ValueError(f"crop {crop} should fit into size {size}")
        if speed >= 1:
            raise ValueError(f"speed should be below 1, at which a clip stands still, not {speed:g}")
        self.frames = frames
        self.size = (size[0], size[1]) if size else (0, 0)
        self.crop = (crop[0], crop[1]) if crop else self.size
        self.frame_rate = frame_rate
        self.colour = colour
        self.features = features
        self.proportions = proportions
        self.flip = flip
        self.speed = speed
        self.contrast = contrast
        self.views = views
        self.crops = crops
        self.targets = Targets()
        self.mean: list[float] = []
        self.deviation: list[float] = []
        self._films: dict[Path, Film] = {}

    @property
    def seen(self) -> int:
        """Frames that one clip is made from: differences need one more."""
        return self.frames + (self.features == "differences")

    def fit(self, examples: Sequence[Video]) -> None:
        """Learn the labels, the rate and the colour where they are not given, and the mean and deviation of the input.

        Raises:
            DataError: there are fewer than two classes or numbers, or a damaged file.
        """
        self.targets = Targets.of(example.label for example in examples)
        if self.frame_rate is None:
            rates = [self._film(examples[index]).rate for index in evenly_spaced(len(examples), _RATES_OF)]
            self.frame_rate = round(float(np.median(rates)), 3)
        if self.size == (0, 0):
            height, width = examples[0].read([0]).shape[1:3]
            scale = _SHORTER / min(height, width)
            self.size = self.crop = (round(height * scale), round(width * scale))
        if self.colour == "auto":
            first = examples[0].read([0], self.size).astype(np.int16)
            # Decoded from luminance and colour, a grey video's channels differ by rounding.
            self.colour = "rgb" if first.ndim == 4 and np.abs(first - first[..., :1]).mean() > 1 else "grey"
        found = Moments.of(
            self._features(self.prepare(examples[index])[0].unsqueeze(0).float().div_(255))[0].flatten(1).numpy()
            for index in evenly_spaced(len(examples), _FIT_ON)
        )
        self.mean, self.deviation = found.mean.tolist(), found.deviation(1e-3).tolist()
        if self.features == "differences":
            # Parts that do not move stay 0, so the differences are only scaled, by the root of their mean square.
            self.deviation = np.maximum(np.hypot(found.deviation(), found.mean), 1e-3).tolist()
            self.mean = [0.0] * len(self.mean)

    def pieces(self, examples: Sequence[Video]) -> Sequence[OneClip]:
        """One clip of each video."""
        return Clips(examples)

    def prepare(self, example: Video | OneClip) -> tuple[Tensor, Target, bool]:
        """All frames as uint8 (channels, frames, height, width), the target, and whether one clip is wanted."""
        video = example.video if isinstance(example, OneClip) else example
        film = self._film(video)
        numbers = self._numbers(film)
        return self._read(video, numbers, film), self._label(video), isinstance(example, OneClip)

    def survey(self, examples: Sequence[Video], items: Sequence[tuple[Tensor, Target, bool]] | None) -> Survey:
        """The size of a clip, how long the videos are, and those in which nothing moves."""
        height, width = self.crop
        facts = {
            "clips": f"{self.frames} frames of {width}×{height} pixels (width × height), {self.frame_rate:g} a second, "
            f"{self.colour}"
        }
        if items is None:
            return Survey(facts)
        facts["frames"] = lengths_in_words([item[0].shape[1] for item in items])
        still = [
            example.source or str(example.path or "")
            for example, (frames, _, _) in zip(examples, items, strict=True)
            if (frames == frames[:, :1]).all()
        ]
        return Survey(
            facts, [f"{some_of(still, len(items), 'videos')} show one picture only: nothing moves"] if still else []
        )

    def collate(self, items: Sequence[tuple[Tensor, Target, bool]], draws: Draws | None = None) -> Batch:
        """Cut the clips out, augment with `draws`, stack, normalise."""
        uniform = _uniform(draws)
        plans = [self._plan(frames.shape[1], one, uniform, row) for row, (frames, _, one) in enumerate(items)]
        found = [
            _cut(frames, clip.frames, clip.corner, self.crop)
            for (frames, _, _), plan in zip(items, plans, strict=True)
            for clip in plan
        ]
        return self._batch(found, plans, [label for _, label, _ in items], uniform)

    def gather(self, examples: Sequence[Any], indices: Sequence[int], draws: Draws | None = None) -> Batch:
        """Some videos to one batch: only the frames that the clips show are decoded."""
        uniform = _uniform(draws)
        found: list[Tensor] = []
        plans: list[list[_Wanted]] = []
        labels: list[Target] = []
        for row, index in enumerate(indices):
            example = examples[index]
            video = example.video if isinstance(example, OneClip) else example
            film = self._film(video)
            numbers = self._numbers(film)
            plan = self._plan(len(numbers), isinstance(example, OneClip), uniform, row)
            needed, places = np.unique(np.stack([clip.frames for clip in plan]), return_inverse=True)
            frames = self._read(video, numbers[needed], film)
            for clip, place in zip(plan, places.reshape(len(plan), -1), strict=True):
                found.append(_cut(frames, place, clip.corner, self.crop))
            plans.append(plan)
            labels.append(self._label(video))
        return self._batch(found, plans, labels, uniform)

    def annotate(self, example: Video, prediction: dict[str, Any]) -> dict[str, Any]:
        """A prediction with the times, in seconds, that each of its clips shows."""
        spans = self.spans(example)
        moments = [
            {"start": round(start, 3), "end": round(end, 3), **moment}
            for (start, end), moment in zip(spans, prediction.get("over_time", []), strict=False)
        ]
        return prediction | ({"over_time": moments} if moments else {})

    def starts(self, example: Video) -> list[int]:
        """Where the clips that `encode` makes of a video begin, in frames at the encoder's rate."""
        return clips.spread_starts(self.seen, len(self.frame_numbers(example)), self.views)

    def spans(self, example: Video) -> list[tuple[float, float]]:
        """When these clips begin and end, in seconds."""
        assert self.frame_rate is not None, "fit comes first"
        count = len(self.frame_numbers(example))
        return [
            (start / self.frame_rate, min(count, start + self.seen) / self.frame_rate) for start in self.starts(example)
        ]

    def frame_numbers(self, example: Video) -> np.ndarray:
        """The numbers of the frames of a video that are used, at the encoder's rate."""
        return self._numbers(self._film(example))

    def seen_frames(self, example: Video, numbers: np.ndarray, scale: int = 1) -> np.ndarray:
        """Some frames in colours, (frames, height, width, 3), of the part that the middle crop shows, `scale` times as large."""
        size, crop = ((each[0] * scale, each[1] * scale) for each in (self.size, self.crop))
        top, left = clips.corners_at_test(1, size, crop)[0]
        frames = example.read(numbers, size, squeeze=self.proportions == "squeeze", film=self._film(example))
        return frames[:, top : top + crop[0], left : left + crop[1]]

    def _plan(self, count: int, one: bool, uniform: np.ndarray | None, row: int) -> list[_Wanted]:
        """Which clips a video of `count` frames gives; the crops of one clip follow each other."""
        if uniform is not None:
            place, rate, down, right = uniform[row, :4].tolist()
            speed = 1 + (2 * rate - 1) * self.speed
            start = clips.random_start(place, self.seen, count, speed)
            frames = clips.frames_of_clip(start, self.seen, count, speed)
            return [_Wanted(frames, clips.crop_corner(down, right, self.size, self.crop))]
        starts = clips.spread_starts(self.seen, count, 1 if one else self.views)
        corners = clips.corners_at_test(1 if one else self.crops, self.size, self.crop)
        return [
            _Wanted(clips.frames_of_clip(start, self.seen, count), corner) for start in starts for corner in corners
        ]

    def _batch(
        self, found: list[Tensor], plans: list[list[_Wanted]], labels: list[Target], uniform: np.ndarray | None
    ) -> Batch:
        frames = torch.stack(found).float().div_(255)
        if uniform is not None and self.contrast:
            gain = torch.from_numpy(1 + (2 * uniform[:, 4] - 1) * self.contrast).float().view(-1, 1, 1, 1, 1)
            middle = frames.mean(dim=(1, 2, 3, 4), keepdim=True)
            frames = frames.sub_(middle).mul_(gain).add_(middle)
        if uniform is not None and self.flip:
            turned = torch.from_numpy(uniform[:, 5] < self.flip)
            frames[turned] = frames[turned].flip(-1)
        values = self._features(frames)
        mean, deviation = (torch.tensor(each).view(-1, 1, 1, 1) for each in (self.mean, self.deviation))
        crops = 1 if uniform is not None else self.crops
        views = torch.tensor([max(1, len(plan) // crops) for plan in plans])
        target = {"label": self.targets.batch(labels), "views": views}
        return Batch({"clip": values.sub_(mean).div_(deviation)}, target, len(labels))

    def _features(self, frames: Tensor) -> Tensor:
        """(batch, channels, frames, height, width), from 0 to 1, to what the network sees, not yet normalised."""
        return frames[:, :, 1:] - frames[:, :, :-1] if self.features == "differences" else frames

    def _film(self, video: Video) -> Film:
        if video.path is None:
            return video.film()
        if video.path not in self._films:
            self._films[video.path] = video.film()
        return self._films[video.path]

    def _numbers(self, film: Film) -> np.ndarray:
        assert self.frame_rate is not None, "fit comes first"
        return film.at_rate(self.frame_rate)

    def _read(self, video: Video, numbers: np.ndarray, film: Film) -> Tensor:
        grey = self.colour == "grey"
        pixels = torch.from_numpy(video.read(numbers, self.size, grey, self.proportions == "squeeze", film))
        return pixels.unsqueeze(0) if grey else pixels.movedim(-1, 0).contiguous()

    def _label(self, video: Video) -> Target:
        return self.targets.target(video.label, video.source or str(video.path))

    @property
    def dims(self) -> Mapping[str, Any]:
        """in_channels, frames, height, width, crops, and those of the labels."""
        return {
            "in_channels": 1 if self.colour == "grey" else 3,
            "frames": self.frames,
            "height": self.crop[0],
            "width": self.crop[1],
            **self.targets.dims,
            "crops": self.crops,
        }

    def keep(self, earlier: "VideoEncoder", examples: Sequence[Video]) -> None:
        """Keep the earlier mean and deviation, if the channels are the same."""
        if len(earlier.mean) == len(self.mean):
            self.mean, self.deviation = earlier.mean, earlier.deviation

    def state(self) -> dict[str, Any]:
        """Size, rate, colour, mean, deviation and labels."""
        return {
            "size": list(self.size),
            "crop": list(self.crop),
            "frame_rate": self.frame_rate,
            "colour": self.colour,
            "mean": self.mean,
            "deviation": self.deviation,
            **self.targets.state(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what `state` returned."""
        (height, width), (crop_height, crop_width) = state["size"], state["crop"]
        self.size, self.crop = (height, width), (crop_height, crop_width)
        self.frame_rate, self.colour = state["frame_rate"], state["colour"]
        self.mean, self.deviation = list(state["mean"]), list(state["deviation"])
        self.targets = Targets.from_state(state)


def _uniform(draws: Draws | None) -> np.ndarray | None:
    return draws.uniform(0, 6) if draws is not None else None


def _cut(frames: Tensor, numbers: np.ndarray, corner: tuple[int, int], crop: tuple[int, int]) -> Tensor:
    top, left = corner
    return frames[:, :, top : top + crop[0], left : left + crop[1]][:, torch.from_numpy(numbers)]
