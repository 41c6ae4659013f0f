"""Figures and machines that move, filmed with a shaky camera: actions that no single frame shows, written as video files.

Each scene has its own subject (a person, a wind wheel, a robot arm), colours, background and camera. At every moment the pose
is drawn from the same distribution for all actions: limbs at any angle, the subject at any place and size on its path. Only the
sequence of poses depends on the action. So a single frame does not show the action, and the mean of all frames shows little.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, Positive
from convzoo.core.files import read_json
from convzoo.core.libraries import import_av
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.datasets.download import cache_folder
from convzoo.datasets.made import make_once
from convzoo.modalities.video.data.own import VideoFolder
from convzoo.modalities.video.example import Video

VERSION = 1
"""Version of the renderer. Raise it with every change of its output, so that older videos are made again."""

ACTIONS = ("clockwise", "anticlockwise", "swinging", "trembling", "halting", "pacing", "bobbing", "looming")
SUBJECTS = ("person", "wheel", "arm")
SIDE, FRAMES, RATE = 64, 30, 15
_MARGIN = 40  # around the picture, so that parts outside of it are simply not seen


class Motions(Reader):
    """Eight actions of drawn figures and machines that differ only in motion, two seconds each.

    `clockwise` and `anticlockwise` rotate the limbs, `swinging` moves them to and fro, `trembling` shakes them fast, `halting`
    rotates them with stops; `pacing`, `bobbing` and `looming` move the whole subject sideways, up and down, nearer and farther.

    The videos are mp4 files (MPEG-4, 64×64, 15 frames a second) in the cache folder, named as UCF101's are
    (`<split>/<action>/v_<action>_g<scene>_c<take>.mp4`); they are made once and read from there. No scene is in two splits.
    Some videos show another action than their label. The fraction of the test split whose label is right is the `ceiling`.
    `shown.csv` in the folder lists the actions that are really shown.

    Args:
        train: number of training videos
        val: number of validation videos
        test: number of test videos
        difficulty: how strong shaking, noise and lack of contrast are, 0 to 1
        label_noise: fraction of the videos with another action than their label
        per_scene: number of videos of one scene
        seed: random seed
    """

    example = Video

    def __init__(
        self,
        train: Positive = 800,
        val: Positive = 160,
        test: Positive = 400,
        difficulty: Fraction = 0.7,
        label_noise: Fraction = 0.025,
        per_scene: Positive = 8,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.label_noise = label_noise
        self.per_scene = per_scene
        self.seed = seed

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that the videos depend on."""
        return {
            "version": VERSION, **self.sizes, "difficulty": self.difficulty, "label_noise": self.label_noise,
            "per_scene": self.per_scene, "seed": self.seed,
        }  # fmt: skip

    def read(self) -> Splits:
        """Make the videos, if they do not exist yet, and list them.

        Raises:
            DataError: the cache folder cannot be written.
        """
        name = hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:12]
        folder = cache_folder() / "generated" / f"motions-{name}"
        make_once(folder, _is_whole, lambda temporary: _write_all(temporary, self), "videos")
        about = read_json(folder / "motions.json")
        parts = {
            part: [
                # A scene has all actions; UCF101's groups belong to one action each.
                replace(example, group=f"{part} {example.source.rpartition('_g')[2].partition('_c')[0]}")
                for example in examples
            ]
            for part, examples in VideoFolder(str(folder)).parts().items()
        }
        ceiling = {"test/accuracy": about["truly_shown"]["test"]}
        files = {f"generated/{folder.name}": {"sha256": about["sha256"], "bytes": about["bytes"]}}
        return Splits(parts["train"], parts["val"], parts["test"], ceiling=ceiling, files=files)


def _plan(reader: Motions) -> Iterator[tuple[str, int, str, int, list[int]]]:
    """Every video: its split, its scene, its label, its number, and its random seed."""
    for index, (part, size) in enumerate(reader.sizes.items()):
        for number in range(size):
            scene, take = divmod(number, reader.per_scene)
            # Each scene begins with another action, so that several small scenes together have all actions.
            action = ACTIONS[(number + 3 * scene * (reader.per_scene % len(ACTIONS) == 0)) % len(ACTIONS)]
            yield part, scene, action, take, [reader.seed, index, 2, number]


def _write_all(folder: Path, reader: Motions) -> None:
    plan = list(_plan(reader))
    for part, _, action, _, _ in plan:
        (folder / part / action).mkdir(parents=True, exist_ok=True)

    def one(item: tuple[str, int, str, int, list[int]]) -> tuple[str, str, str, str, str, int]:
        part, number, action, take, seed = item
        random = np.random.default_rng(seed)
        swapped = random.random() < reader.label_noise
        shown = str(random.choice([other for other in ACTIONS if other != action])) if swapped else action
        scene = make_scene(np.random.default_rng([*seed[:2], 1, number]), reader.difficulty)
        path = folder / part / action / f"v_{action}_g{number + 1:03d}_c{take + 1:02d}.mp4"
        write_video(path, film(shown, scene, random, reader.difficulty), RATE)
        content = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        return name, part, action, shown, hashlib.sha256(content).hexdigest(), len(content)

    with ThreadPoolExecutor(2) as pool:
        rows = sorted(pool.map(one, plan))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "split", "asked", "shown"])
    writer.writerows(row[:4] for row in rows)
    (folder / "shown.csv").write_text(text.getvalue(), encoding="utf-8")
    true = {part: sum(row[2] == row[3] for row in rows if row[1] == part) / size for part, size in reader.sizes.items()}
    about = {
        "settings": reader.settings,
        "truly_shown": true,
        "videos": len(rows),
        "bytes": sum(row[5] for row in rows),
        "sha256": hashlib.sha256("".join(f"{row[4]}  {row[0]}\n" for row in rows).encode()).hexdigest(),
    }
    (folder / "motions.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def _is_whole(folder: Path) -> bool:
    """Whether all videos exist with the right length: somebody may have cleaned the cache."""
    if not (folder / "motions.json").is_file():
        return False
    about = read_json(folder / "motions.json")
    sizes = [path.stat().st_size for path in folder.glob("*/*/*.mp4")]
    return len(sizes) == about["videos"] and sum(sizes) == about["bytes"]


def write_video(path: Path, frames: np.ndarray, rate: int) -> None:
    """Frames (frames, height, width, 3) as an mp4 file, every twelfth one a key frame."""
    av = import_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 600_000
        stream.codec_context.gop_size = 12
        stream.codec_context.thread_count = 1  # else the file depends on the number of cores
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(stream.encode())


@dataclass(frozen=True)
class Scene:
    """What is the same in all videos of a scene.

    Attributes:
        subject: who or what moves
        size: size of the subject, in pixels
        place: centre of its path, x and y in pixels
        reach: extent of its path, x and y in pixels, and change of its size, as a fraction
        limbs: the angles of its limbs to each other, in radians
        lengths: lengths of its limbs, as fractions of its size
        bend: angle of the limbs' second part, in radians
        width: width of its parts, as a fraction of its size
        colours: of the body, the limbs and the head, (3, 3), 0 to 1
        background: (side, side, 3), larger than the picture
        shake: shaking of the camera, in pixels
        noise: noise of the camera, 0 to 1
    """

    subject: str
    size: float
    place: np.ndarray
    reach: np.ndarray
    limbs: np.ndarray
    lengths: np.ndarray
    bend: float
    width: float
    colours: np.ndarray
    background: np.ndarray
    shake: float
    noise: float


def make_scene(random: np.random.Generator, difficulty: float) -> Scene:
    """A random scene."""
    subject = SUBJECTS[int(random.integers(len(SUBJECTS)))]
    count = {"person": 2, "wheel": int(random.integers(2, 4)), "arm": 1}[subject]
    even = 2 * np.pi * np.arange(count) / count
    background = _background(random)
    tone = background.mean()
    # Subjects stand out from the background, on the brighter or the darker side, more or less.
    contrast = random.uniform(0.5 - 0.28 * difficulty, 0.55 - 0.1 * difficulty)
    side = 1 if tone + contrast < 0.95 and (random.random() < 0.5 or tone - contrast < 0.05) else -1
    colours = np.clip(tone + side * contrast + random.uniform(-0.12, 0.12, (3, 3)), 0, 1)
    return Scene(
        subject=subject,
        size=random.uniform(20, 27),
        place=SIDE / 2 + random.uniform(-5, 5, 2),
        reach=np.array([random.uniform(5, 9), random.uniform(4, 7), random.uniform(0.14, 0.24)]),
        limbs=even + random.uniform(-0.35, 0.35, count),
        lengths=random.uniform(0.85, 1.15, count),
        bend=random.uniform(-0.9, 0.9),
        width=random.uniform(0.06, 0.1),
        colours=colours,
        background=background,
        shake=random.uniform(0.15, 0.75) * difficulty,
        noise=random.uniform(0.01, 0.07) * difficulty,
    )


def film(action: str, scene: Scene, random: np.random.Generator, difficulty: float) -> np.ndarray:
    """One video, uint8 (frames, height, width, 3)."""
    turn, path = motion(action, random, difficulty)
    wobble = np.cumsum(random.normal(0, scene.shake, (FRAMES, 2)), axis=0)
    wobble = wobble - wobble.mean(axis=0)
    x, y = (scene.place[axis] + scene.reach[axis] * np.sin(path[:, axis]) + wobble[:, axis] for axis in (0, 1))
    size = scene.size * (1 + scene.reach[2] * np.sin(path[:, 2]))
    side = SIDE + 2 * _MARGIN
    canvas = np.zeros((FRAMES, side, side, 3), np.float32)
    whole = np.round(wobble).astype(int)
    for frame, (right, down) in enumerate(np.clip(whole, -7, 7)):
        top, left = 8 - down, 8 - right
        canvas[frame, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = scene.background[top : top + SIDE, left : left + SIDE]
    for x0, y0, x1, y1, radius, colour in _parts(scene, turn, size):
        _draw(canvas, x + x0, y + y0, x + x1, y + y1, radius, scene.colours[colour])
    picture = canvas[:, _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    flicker = 1 + random.normal(0, 0.03 * difficulty, (FRAMES, 1, 1, 1)).astype(np.float32)
    grain = random.standard_normal(picture.shape[:3], np.float32)[..., None] * np.float32(scene.noise)
    return np.uint8(np.clip(255 * (picture * flicker + grain), 0, 255))


def motion(action: str, random: np.random.Generator, difficulty: float) -> tuple[np.ndarray, np.ndarray]:
    """How limbs and place move: angles (frames,) in radians, and phases of x, y and size (frames, 3).

    At each moment both are uniform over the whole circle, for every action.
    """
    time = np.arange(FRAMES)
    turn = np.full(FRAMES, random.uniform(0, 2 * np.pi))
    path = np.tile(random.uniform(0, 2 * np.pi, 3), (FRAMES, 1))
    direction = random.choice([-1.0, 1.0])
    slow = 1 - 0.35 * difficulty * random.random()  # some do it slowly
    if action in ("clockwise", "anticlockwise"):
        # On a screen y points down, so angles grow clockwise.
        turn += (1 if action == "clockwise" else -1) * random.uniform(0.26, 0.42) * slow * time
    elif action == "halting":
        moving, standing = random.integers(3, 6), random.integers(3, 6)
        steps = (time + random.integers(moving + standing)) % (moving + standing) < moving
        turn += direction * random.uniform(0.26, 0.42) * slow * np.cumsum(steps)
    elif action == "swinging":
        turn += random.uniform(0.8, 1.3) * slow * _wave(time, random.uniform(9, 14), random)
    elif action == "trembling":
        turn += random.uniform(0.16, 0.3) * slow * _wave(time, random.uniform(2.6, 4), random)
    else:
        axis = ("pacing", "bobbing", "looming").index(action)
        path[:, axis] += direction * 2 * np.pi / (random.uniform(12, 18) / slow) * time
    # Nothing stands completely still: limbs sway, and the body sways a little.
    turn = turn + 0.12 * difficulty * random.random() * _wave(time, random.uniform(14, 30), random)
    path = path + 0.3 * difficulty * random.random() * _wave(time, random.uniform(14, 30), random)[:, None]
    return turn, path


def _wave(time: np.ndarray, period: float, random: np.random.Generator) -> np.ndarray:
    return np.sin(2 * np.pi * time / period + random.uniform(0, 2 * np.pi))


def _parts(scene: Scene, turn: np.ndarray, size: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """The rods of a subject, from back to front: both ends relative to its place, half the width, and which colour."""
    width = scene.width * size
    nothing = np.zeros_like(size)
    up, down = -0.35 * size, 0.35 * size
    if scene.subject == "person":
        for side in (-1, 1):
            yield nothing, down, side * 0.2 * size, down + 0.55 * size, width, 0
        yield nothing, up, nothing, down, 1.5 * width, 0
        yield nothing, up - 0.26 * size, nothing, up - 0.25 * size, 0.17 * size, 2
        yield from _limbs(scene, turn, size, nothing, up + 0.08 * size, 0.42)
    elif scene.subject == "wheel":
        yield nothing, up, nothing, down + 0.5 * size, 1.1 * width, 0
        yield from _limbs(scene, turn, size, nothing, up, 0.44)
        yield nothing, up, nothing, up + 0.01, 0.1 * size, 2
    else:
        yield -0.3 * size, down + 0.3 * size, 0.3 * size, down + 0.3 * size, 1.6 * width, 0
        yield nothing, nothing, nothing, down + 0.3 * size, 1.3 * width, 0
        yield from _limbs(scene, turn, size, nothing, nothing, 0.5)
        yield nothing, nothing, nothing, nothing + 0.01, 0.11 * size, 2


def _limbs(
    scene: Scene, turn: np.ndarray, size: np.ndarray, x: np.ndarray, y: np.ndarray, length: float
) -> Iterator[tuple[Any, ...]]:
    """Limbs of two rods each from one joint."""
    width = scene.width * size
    for angle, own in zip(scene.limbs, scene.lengths, strict=True):
        first, second = turn + angle, turn + angle + scene.bend
        reach = length * own * size
        elbow = x + reach * np.cos(first), y + reach * np.sin(first)
        hand = elbow[0] + 0.8 * reach * np.cos(second), elbow[1] + 0.8 * reach * np.sin(second)
        yield x, y, *elbow, width, 1
        yield *elbow, *hand, 0.85 * width, 1


def _draw(
    canvas: np.ndarray, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray, radius: Any, colour: np.ndarray
) -> None:
    """A rod with round ends in every frame, its edges soft, only where it is."""
    frames, side = len(canvas), canvas.shape[1]
    wide = np.broadcast_to(np.asarray(radius, np.float32), (frames,)) + 1
    span = int(np.ceil(max(np.abs(x1 - x0).max(), np.abs(y1 - y0).max()) + 2 * wide.max())) + 2
    left = np.clip(np.floor(np.minimum(x0, x1) - wide).astype(int) + _MARGIN, 0, side - span)
    top = np.clip(np.floor(np.minimum(y0, y1) - wide).astype(int) + _MARGIN, 0, side - span)
    places = np.arange(span)
    columns, rows = left[:, None] + places, top[:, None] + places
    u = (columns - _MARGIN - x0[:, None]).astype(np.float32)[:, None, :]
    v = (rows - _MARGIN - y0[:, None]).astype(np.float32)[:, :, None]
    du, dv = ((end - start).astype(np.float32)[:, None, None] for start, end in ((x0, x1), (y0, y1)))
    along = np.clip((u * du + v * dv) / np.maximum(du**2 + dv**2, 1e-6), 0, 1)
    away = np.sqrt((u - along * du) ** 2 + (v - along * dv) ** 2)
    cover = np.clip(wide[:, None, None] - 0.5 - away, 0, 1)[..., None]
    where = np.arange(frames)[:, None, None], rows[:, :, None], columns[:, None, :]
    canvas[where] += cover * (colour.astype(np.float32) - canvas[where])


def _background(random: np.random.Generator) -> np.ndarray:
    """A wall and a floor with a smooth texture, and a pole or two that do not move."""
    side = SIDE + 16
    tone = random.uniform(0.25, 0.75)
    picture = np.full((side, side, 3), tone, np.float32) + random.uniform(-0.06, 0.06, 3).astype(np.float32)
    for knots, strength in ((4, 0.1), (9, 0.06), (20, 0.03)):
        coarse = random.standard_normal((knots, knots))
        at = np.linspace(0, knots - 1 - 1e-6, side)
        low, part = at.astype(int), at % 1
        rows = coarse[low] * (1 - part)[:, None] + coarse[low + 1] * part[:, None]
        smooth = rows[:, low] * (1 - part) + rows[:, low + 1] * part
        picture += np.float32(strength) * smooth[..., None].astype(np.float32)
    floor = int(random.uniform(0.65, 0.95) * side)
    picture[floor:] -= np.float32(random.uniform(-0.12, 0.12))
    for _ in range(int(random.integers(0, 3))):
        left, wide = int(random.integers(side - 4)), int(random.integers(1, 5))
        picture[:, left : left + wide] += np.float32(random.uniform(-0.2, 0.2))
    return np.clip(picture, 0.02, 0.98)
