"""Drawn faces of seven emotions, 48×48 grey; everything else about the faces varies, too."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from convzoo.core.arguments import Count, Fraction, NonNegative, Positive
from convzoo.core.reader import Reader
from convzoo.core.splits import Splits
from convzoo.modalities.image.example import Image

SIDE = 48
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FEATURES = ("mouth_curve", "mouth_open", "mouth_width", "brow_raise", "brow_slant", "eye_open", "nose_wrinkle")
# Each emotion's face, by feature, in units of the features' standard deviation at difficulty 1. After the units of the
# Facial Action Coding System (Ekman & Friesen 1978): anger lowers and joins the brows, joy pulls the mouth's corners up …
PROTOTYPES = np.array(
    [
        # curve  open  width raise slant  eyes  nose
        [-1.2, -0.5, -0.3, -1.6, -1.9, -0.3, 0.8],  # angry
        [-1.3, 0.3, -0.8, -0.9, -0.8, -1.4, 2.2],  # disgust
        [-0.7, 1.0, 1.0, 1.4, 1.6, 1.5, -0.6],  # fear
        [2.2, 0.8, 1.3, 0.2, 0.1, -0.5, -0.4],  # happy
        [-1.9, -0.9, -0.5, 0.3, 1.9, -1.0, -0.5],  # sad
        [0.1, 2.3, -1.0, 1.9, 0.2, 1.8, -0.6],  # surprise
        [0.0, -0.9, 0.0, 0.0, 0.0, 0.0, -0.6],  # neutral
    ]
)


class Faces(Reader):
    """Faces drawn from seven features of expression and many nuisances: identity, pose, light, occlusion, noise.

    The features of an emotion are normally distributed around its prototype. So the best possible rule on the true features is
    to choose the nearest prototype (Bayes' rule), and no rule on the drawing can be better. Its accuracy is `ceiling`.

    Args:
        train: number of training faces
        val: number of validation faces
        test: number of test faces
        difficulty: the standard deviation of the features around their prototypes
        nuisance: how much pose, light, occlusion and noise vary
        seed: random seed
    """

    example = Image

    def __init__(
        self,
        train: Positive = 2940,
        val: Positive = 420,
        test: Positive = 840,
        difficulty: NonNegative = 0.8,
        nuisance: Fraction = 0.8,
        seed: Count = 0,
    ) -> None:
        self.sizes = {"train": train, "val": val, "test": test}
        self.difficulty = difficulty
        self.nuisance = nuisance
        self.seed = seed

    def read(self) -> Splits:
        """Draw the faces."""
        parts: dict[str, Any] = {}
        ceiling = 1.0
        for index, (name, size) in enumerate(self.sizes.items()):
            random = np.random.default_rng([self.seed, index])
            emotion = np.arange(size) % len(EMOTIONS)
            features = PROTOTYPES[emotion] + self.difficulty * random.standard_normal((size, len(FEATURES)))
            if name == "test":
                distance = ((features[:, None] - PROTOTYPES[None]) ** 2).sum(axis=2)
                ceiling = float((distance.argmin(axis=1) == emotion).mean())
            pixels = draw(features, random, self.nuisance)
            parts[name] = [
                Image(pixels[number], label=EMOTIONS[kind], source=f"faces:{name}:{number}")
                for number, kind in enumerate(emotion.tolist())
            ]
        return Splits(**parts, ceiling={"test/accuracy": ceiling})


def draw(features: np.ndarray, random: np.random.Generator, nuisance: float) -> np.ndarray:
    """Faces of the given features, (count, 7), as uint8 (count, 48, 48)."""
    chunk = 64  # so small that the planes of a chunk stay in the processor's cache
    drawn = [
        (features[start : start + chunk], _nuisances(len(features[start : start + chunk]), random, nuisance))
        for start in range(0, len(features), chunk)
    ]
    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(lambda pair: _draw_chunk(*pair), drawn)))


def _nuisances(count: int, random: np.random.Generator, strength: float) -> dict[str, np.ndarray]:
    def vary(low: float, high: float) -> np.ndarray:
        middle, half = (low + high) / 2, (high - low) / 2
        spread = random.uniform(-1, 1, count) * half * strength
        return (middle + spread).astype(np.float32).reshape(-1, 1, 1)

    return {
        "x": vary(-3.5, 3.5), "y": vary(-3.0, 3.0), "turn": vary(-0.24, 0.24), "size": vary(14.5, 19.5), "yaw": vary(-0.22, 0.22),
        "skin": vary(0.42, 0.85), "hair": vary(0.02, 0.5), "ground": vary(0.05, 0.95), "long": vary(1.12, 1.4),
        "eye_distance": vary(0.34, 0.48), "eye_size": vary(0.12, 0.19), "eye_height": vary(-0.32, -0.16),
        "mouth_height": vary(0.44, 0.62), "lips": vary(0.04, 0.085), "brow_thick": vary(0.04, 0.09), "nose": vary(0.1, 0.26),
        "fringe": vary(-1.05, -0.55), "light": vary(-0.28, 0.28), "light_y": vary(-0.22, 0.22), "gain": vary(0.75, 1.15),
        "cover_x": vary(-1.6, 1.6), "cover_y": vary(-1.6, 1.6), "cover": vary(-0.5, 0.42), "cover_grey": vary(0.0, 1.0),
        "glasses": vary(-1.0, 1.0), "noise": vary(0.01, 0.11),
        "grain": random.standard_normal((count, SIDE, SIDE), dtype=np.float32),
    }  # fmt: skip


def _draw_chunk(features: np.ndarray, n: dict[str, np.ndarray]) -> np.ndarray:
    f = {name: features[:, i].astype(np.float32).reshape(-1, 1, 1) for i, name in enumerate(FEATURES)}
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) - (SIDE - 1) / 2
    cosine, sine = np.cos(n["turn"]) / n["size"], np.sin(n["turn"]) / n["size"]
    across, down = columns[None] - n["x"], rows[None] - n["y"]
    u = across * cosine + down * sine  # face coordinates: 1 is half the width of the head, v downwards
    v = down * cosine - across * sine
    sharp = n["size"] * 0.5  # edges are about two pixels wide

    image = np.broadcast_to(n["ground"], u.shape).copy()
    _paint(image, _ellipse(u, v, 0, -0.08, 1.08, n["long"] + 0.05, sharp), n["hair"])
    head = _ellipse(u, v, 0, 0, 1, n["long"], sharp)
    _paint(image, head * _soft(v - n["fringe"], sharp), n["skin"])

    # Eyes and brows, then nose and mouth, only in the rows that can hold them.
    top, bottom = slice(6, 32), slice(20, 46)
    uu, vv, part = u[:, top] - n["yaw"], v[:, top], image[:, top]
    side = np.abs(uu)
    opening = n["eye_size"] * np.clip(0.72 + 0.22 * f["eye_open"], 0.12, 1.5)
    eye = _ellipse(side, vv, n["eye_distance"], n["eye_height"], n["eye_size"] * 1.25, opening, sharp)
    _paint(part, eye, np.minimum(n["skin"] + 0.3, 1.0))
    pupil = _ellipse(side, vv, n["eye_distance"], n["eye_height"], n["eye_size"] * 0.55, n["eye_size"] * 0.6, sharp)
    _paint(part, pupil * eye, n["hair"] * 0.3)
    along = side - n["eye_distance"]
    height = n["eye_height"] - 0.27 - 0.055 * f["brow_raise"]
    brow = vv - height - 0.2 * f["brow_slant"] * along
    inside = _soft(n["eye_size"] * 1.5 - np.abs(along), sharp)
    _paint(part, inside * _soft(n["brow_thick"] - np.abs(brow), sharp), n["hair"] * 0.5)
    ring = np.abs(np.sqrt((along / 0.27) ** 2 + ((vv - n["eye_height"]) / 0.24) ** 2 + 1e-6) - 1)
    _paint(part, _soft(0.16 - ring, 3.0) * (n["glasses"] > 0.62), 0.1)

    uu, vv, part = u[:, bottom] - n["yaw"], v[:, bottom], image[:, bottom]
    side = np.abs(uu)
    nose = _soft(0.05 - np.abs(side - 0.09), sharp) * _soft(n["nose"] * 0.5 - np.abs(vv - 0.12), sharp)
    _paint(part, 0.5 * nose, n["skin"] * 0.5)
    crease = _soft(0.035 - np.abs(side - 0.16 - 0.35 * np.maximum(vv + 0.02, 0)), sharp)
    crease *= _soft(0.17 - np.abs(vv - 0.16), sharp) * np.clip(0.45 * f["nose_wrinkle"], 0, 1)
    _paint(part, crease, n["skin"] * 0.3)
    width = 0.34 + 0.055 * f["mouth_width"]
    across = np.clip(uu / width, -1.3, 1.3)
    middle = n["mouth_height"] - 0.085 * f["mouth_curve"] * (across**2 - 0.4)
    gape = np.clip(0.085 * (f["mouth_open"] + 0.6), 0, 0.32) * np.sqrt(np.clip(1 - across**2, 0, 1))
    within = _soft(width - side, sharp)
    off = np.abs(vv - middle)
    _paint(part, within * _soft(gape + n["lips"] - off, sharp), n["skin"] * 0.45)
    _paint(part, within * _soft(gape - 0.02 - off, sharp) * (gape > 0.02), 0.05)

    covered = _soft(n["cover"] - np.maximum(np.abs(u - n["cover_x"]), np.abs(v - n["cover_y"])), sharp)
    _paint(image, covered, n["cover_grey"])
    image *= n["gain"] * (1 + n["light"] * u + n["light_y"] * v)
    image += n["noise"] * n["grain"]
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def _soft(distance: np.ndarray, sharp: np.ndarray | float) -> np.ndarray:
    """1 inside, 0 outside, with a soft edge; `distance` is positive inside."""
    return np.clip(distance * sharp + 0.5, 0, 1)


def _ellipse(u: np.ndarray, v: np.ndarray, x: Any, y: Any, width: Any, height: Any, sharp: np.ndarray) -> np.ndarray:
    square = ((u - x) / width) ** 2 + ((v - y) / height) ** 2
    # (1 - r²) / 2 is about 1 - r at the edge; times the radius it is a distance.
    return _soft((1 - square) * 0.5 * np.minimum(width, height), sharp)


def _paint(image: np.ndarray, mask: np.ndarray, grey: Any) -> None:
    image += mask * (grey - image)
