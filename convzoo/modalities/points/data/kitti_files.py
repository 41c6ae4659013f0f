"""KITTI's folders, label and calibration files (Geiger et al. 2012, doi:10.1109/CVPR.2012.6248074), read and written."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.files import write_text
from convzoo.core.outputs.boxes import BOX, DONT_CARE, IMAGE_SIZE, Calibration, Objects
from convzoo.core.text import first_line
from convzoo.modalities.points.example import PointCloud
from convzoo.reading.damaged import Damaged
from convzoo.reading.lines import read_lines

SPLITS = ("train", "val", "test")

FIELDS = 15
"""Fields of a label: class, truncation, occlusion, alpha, image box (4), size (3), place (3), rotation; then a score."""


def read_calibration(path: Path, size: tuple[int, int] = IMAGE_SIZE) -> Calibration:
    """A calibration file: the rows P2, R0_rect and Tr_velo_to_cam are used.

    Raises:
        DataError: the file or a row is absent, a row has another length, or the matrices do not describe a camera.
    """
    rows: dict[str, np.ndarray] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise DataError(f"{path}: no such calibration file; each scan needs one of its name") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        name, colon, values = line.partition(":")
        if not colon:
            name, _, values = line.strip().partition(" ")
        if name.strip() in _WIDTHS:
            try:
                rows[name.strip()] = np.array([float(word) for word in values.split()])
            except ValueError:
                raise DataError(f"{path}:{number}: {name.strip()} should hold numbers") from None
    found = {}
    for role, other in (("P2", "P2"), ("R0_rect", "R_rect"), ("Tr_velo_to_cam", "Tr_velo_cam")):
        given = rows.get(role, rows.get(other))
        if given is None:
            raise DataError(f"{path}: has no row {role}: it should hold P2, R0_rect and Tr_velo_to_cam")
        if len(given) != _WIDTHS[role] or not np.isfinite(given).all():
            raise DataError(f"{path}: {role} has {len(given)} values, expected {_WIDTHS[role]} finite numbers")
        found[role] = given.reshape(3, -1)
    for name, turn in (("R0_rect", found["R0_rect"]), ("Tr_velo_to_cam", found["Tr_velo_to_cam"][:, :3])):
        # Published matrices are rounded to 7 digits; one that differs more from a rotation is wrong or of another camera.
        if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-2 or np.linalg.det(turn) < 0:
            raise DataError(f"{path}: {name} is not a rotation: the calibration is inconsistent")
    if min(found["P2"][0, 0], found["P2"][1, 1]) <= 0:
        raise DataError(f"{path}: P2 has a focal length that is not above 0: the calibration is inconsistent")
    to_camera = found["R0_rect"] @ found["Tr_velo_to_cam"]
    return Calibration(to_camera, found["P2"], size)


_WIDTHS = {"P2": 12, "R0_rect": 9, "R_rect": 9, "Tr_velo_to_cam": 12, "Tr_velo_cam": 12}


def calibration_text(calibration: Calibration) -> str:
    """A calibration file in KITTI's form; camera 2 is the only one."""
    rows = {f"P{number}": calibration.to_image for number in range(4)}
    rows |= {"R0_rect": np.eye(3), "Tr_velo_to_cam": calibration.to_camera, "Tr_imu_to_velo": np.eye(3, 4)}
    return "".join(f"{name}: {' '.join(f'{value:.12e}' for value in row.ravel())}\n" for name, row in rows.items())


def read_labels(path: Path, calibration: Calibration) -> Objects:
    """A label file, its boxes turned into coordinates of the LiDAR.

    Raises:
        DataError: a line has too few fields, a field that is not a number, or a box without a size.
    """
    names, rows, regions = [], [], []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words:
            continue
        if len(words) not in (FIELDS, FIELDS + 1):
            raise DataError(f"{path}:{number}: has {len(words)} fields, expected {FIELDS} (or 16 with a score)")
        try:
            values = [float(word) for word in words[1:FIELDS]]
        except ValueError:
            raise DataError(f"{path}:{number}: fields 2 to {FIELDS} should be numbers") from None
        if not np.isfinite(values).all():
            raise DataError(f"{path}:{number}: holds a number that is not finite")
        if words[0] == DONT_CARE:
            regions.append(values[3:7])
            continue
        if min(values[7:10]) <= 0:
            raise DataError(
                f"{path}:{number}: a {words[0]} of height {values[7]:g}, width {values[8]:g}, length {values[9]:g}: a box needs "
                "sizes above 0"
            )
        names.append(words[0])
        rows.append(values)
    table = np.array(rows, np.float64).reshape(-1, FIELDS - 1)
    height, width, length = table[:, 7], table[:, 8], table[:, 9]
    # Tools that know no camera write no boxes of the image. Their height says how difficult an object is, so they are made here.
    image = table[:, 3:7].copy()
    # KITTI places a box by the middle of its bottom, in camera coordinates, y down; ry turns about y from x (right) to -z.
    centre = calibration.lidar_of(table[:, 10:13])
    centre[:, 2] += height / 2
    boxes = np.c_[centre, length, width, height, wrapped(-table[:, 13] - np.pi / 2)]
    bare = (image == image[:, :1]).all(axis=1)  # 0 0 0 0, or -1 -1 -1 -1
    if bare.any():
        image[bare] = calibration.image_boxes(boxes[bare])[0]
    return Objects(
        tuple(names), boxes, image, table[:, 0], table[:, 1].astype(np.int64),
        np.array(regions, np.float64).reshape(-1, 4),
    )  # fmt: skip


def label_lines(
    names: Sequence[str],
    boxes: np.ndarray,
    calibration: Calibration,
    scores: np.ndarray | None = None,
    image: np.ndarray | None = None,
    truncated: np.ndarray | None = None,
    occluded: np.ndarray | None = None,
) -> list[str]:
    """Objects as lines of a label file. Those of predictions (with scores) that the camera does not see are left out.

    Args:
        names: classes
        boxes: (n, 7), in coordinates of the LiDAR
        calibration: calibration of the camera
        scores: scores of predictions
        image: (n, 4), the image boxes; by default those that the boxes cover
        truncated: (n,); -1 if it is not known
        occluded: (n,); -1 if it is not known
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 7)
    covered, inside = calibration.image_boxes(boxes)
    image = covered if image is None else image
    bottom = boxes[:, :3].copy()
    bottom[:, 2] -= boxes[:, 5] / 2
    place = calibration.camera_of(bottom)
    turn = wrapped(-boxes[:, 6] - np.pi / 2)
    alpha = wrapped(turn - np.arctan2(place[:, 0], place[:, 2]))
    lines = []
    for row, name in enumerate(names):
        if scores is not None and not inside[row]:
            continue
        cut = -1.0 if truncated is None else truncated[row]
        hidden = -1 if occluded is None else int(occluded[row])
        numbers = [alpha[row], *image[row], boxes[row, 5], boxes[row, 4], boxes[row, 3], *place[row], turn[row]]
        # Labels have two decimals, as KITTI's. Predictions keep more: a centimetre costs small objects average precision.
        digits = 2 if scores is None else 5
        words = [name, f"{cut:.2f}", str(hidden), *(f"{value:.{digits}f}" for value in numbers)]
        lines.append(" ".join(words if scores is None else [*words, f"{scores[row]:.6f}"]))
    return lines


def region_lines(regions: np.ndarray) -> list[str]:
    """Image regions in which nothing is labelled, as lines of a label file."""
    empty = "-1 -1 -1 -1000 -1000 -1000 -10"
    return [f"{DONT_CARE} -1 -1 -10 {' '.join(f'{value:.2f}' for value in region)} {empty}" for region in regions]


def write_labels(path: Path, predictions: Sequence[Mapping[str, Any]], calibration: Calibration) -> Path:
    """Write what a detector found in a frame (`class`, `score`, `x`, … `yaw` each) as a label file."""
    boxes = np.array([[found[key] for key in BOX] for found in predictions], np.float64).reshape(-1, 7)
    scores = np.array([found["score"] for found in predictions])
    lines = label_lines([found["class"] for found in predictions], boxes, calibration, scores)
    write_text(path, "".join(f"{line}\n" for line in lines))
    return path


def wrapped(angles: np.ndarray) -> np.ndarray:
    """Angles from -pi up to pi."""
    return (np.asarray(angles) + np.pi) % (2 * np.pi) - np.pi


def lists_of(folder: Path) -> dict[str, list[str]]:
    """The frames that `ImageSets/` lists for each split; empty where it lists none.

    Raises:
        DataError: a list names a frame twice.
    """
    found = {}
    for name in SPLITS:
        path = folder / "ImageSets" / f"{name}.txt"
        if path.is_file():
            found[name] = [line.strip() for line in read_lines(path) if line.strip()]
            if len(set(found[name])) < len(found[name]):
                twice = next(frame for frame in found[name] if found[name].count(frame) > 1)
                raise DataError(f"{path}: frame {twice} is listed twice")
    return found


def frames_of(home: Path) -> list[str]:
    """The frames of a folder that have a label file, by name.

    Raises:
        DataError: there is none, or a label file has no scan.
    """
    names = sorted(path.stem for path in (home / "label_2").glob("*.txt"))
    if not names:
        raise DataError(f"{home / 'label_2'}: holds no label file (<frame>.txt)")
    return names


def read_frames(
    home: Path, names: Sequence[str], damaged: Damaged | None = None, columns: int | None = None
) -> list[PointCloud]:
    """Frames with their labels and calibrations.

    Args:
        home: the folder with `velodyne/`, `label_2/` and `calib/`
        names: of the frames
        damaged: takes note of frames that cannot be read, which are then left out; None: the first one is refused, and scans are
            not opened
        columns: numbers a point; None: found

    Raises:
        DataError: a frame's scan, label or calibration is absent or damaged.
    """
    found = []
    for name in names:
        scan, label = home / "velodyne" / f"{name}.bin", home / "label_2" / f"{name}.txt"
        for path in (scan, label):
            if not path.is_file():
                absent = sum(not (home / "velodyne" / f"{other}.bin").is_file() for other in names)
                more = f"; {absent:,} of {len(names):,} frames of this split have no scan" if absent else ""
                raise DataError(f"{path}: no such file{more}")
        if damaged is None:
            found.append(_frame(home, name, scan, label, columns))
        elif frame := damaged.sound(partial(_checked_frame, home, name, scan, label, columns)):
            found.append(frame)
    return found


def _checked_frame(home: Path, name: str, scan: Path, label: Path, columns: int | None) -> PointCloud:
    made = _frame(home, name, scan, label, columns)
    made.check()
    return made


def _frame(home: Path, name: str, scan: Path, label: Path, columns: int | None) -> PointCloud:
    calibration = read_calibration(home / "calib" / f"{name}.txt", image_size(home / "image_2", name))
    drive, line, _ = name.rpartition("_")
    return PointCloud(
        scan,
        objects=read_labels(label, calibration),
        calibration=calibration,
        group=drive if line else None,
        source=scan.name,
        columns=columns,
    )


def image_size(folder: Path, name: str) -> tuple[int, int]:
    """Width and height of a frame's image (`.png`, `.jpg`) from its header; KITTI's usual size if there is no file.

    Raises:
        DataError: it is not an image.
    """
    path = next((each for end in (".png", ".jpg", ".jpeg") if (each := folder / f"{name}{end}").is_file()), None)
    if path is None:
        return IMAGE_SIZE
    import PIL.Image

    try:
        with PIL.Image.open(path) as image:
            return image.size
    except Exception as error:  # PIL raises many kinds
        raise DataError(f"{path}: cannot be read as an image ({first_line(error)})") from None
