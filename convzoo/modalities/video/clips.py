"""Which frames of a video are used, and which part of them: plain numbers, so that the same draws give the same clips."""

import numpy as np


def frames_of_clip(start: float, frames: int, count: int, speed: float = 1.0) -> np.ndarray:
    """The numbers of a clip's frames; a video that is too short repeats its last frame.

    Args:
        start: where the clip begins, in frames
        frames: number of frames of the clip
        count: number of frames of the video
        speed: 2 takes every second frame
    """
    return np.minimum((start + np.arange(frames) * speed + 1e-6).astype(np.int64), count - 1)


def random_start(uniform: float, frames: int, count: int, speed: float = 1.0) -> int:
    """A random start from which the clip fits into the video, each equally likely; 0 if the clip does not fit."""
    last = count - 1 - int(np.floor((frames - 1) * speed + 1e-6))
    return int(uniform * (max(0, last) + 1))


def spread_starts(frames: int, count: int, max_clips: int) -> list[int]:
    """Starts of clips that together cover the whole video and overlap by half; at most `max_clips`, evenly spread."""
    last = max(0, count - frames)
    clips = min(max_clips, -(-last // max(1, frames // 2)) + 1)
    if clips == 1:
        return [last // 2]
    return [round(last * index / (clips - 1)) for index in range(clips)]


def crop_corner(height: float, width: float, size: tuple[int, int], crop: tuple[int, int]) -> tuple[int, int]:
    """The upper left corner of a crop.

    Args:
        height: 0 at the top, 1 at the bottom
        width: 0 on the left, 1 on the right
        size: height and width of what is cropped
        crop: height and width of the crop
    """
    free = [whole - part for whole, part in zip(size, crop, strict=True)]
    return min(free[0], int(height * (free[0] + 1))), min(free[1], int(width * (free[1] + 1)))


def corners_at_test(crops: int, size: tuple[int, int], crop: tuple[int, int]) -> list[tuple[int, int]]:
    """The corner of the middle crop, or of three along the side that has more room: its ends and the middle."""
    free = [whole - part for whole, part in zip(size, crop, strict=True)]
    middle = (free[0] // 2, free[1] // 2)
    if crops == 1:
        return [middle]
    if free[1] >= free[0]:
        return [(middle[0], 0), middle, (middle[0], free[1])]
    return [(0, middle[1]), middle, (free[0], middle[1])]
