"""Times as people write them: ISO 8601, 24.12.2024 13:45, 12/24/2024 1:45 PM; with a zone, or the clock of a named zone."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np

from convzoo.core.errors import DataError
from convzoo.core.text import did_you_mean

_ZONE = re.compile(r"(.+?)\s*(?:Z|z|UTC|GMT)|(.+?\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*([+-])(\d\d):?(\d\d)?")
_DATE = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T,]+(.+))?")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([AaPp]\.?[Mm]\.?)?")
_ISO_AND_CLOCK = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T,]+(.+))?")


def read_time(text: str, dayfirst: bool | None = None, written: str | None = None) -> np.datetime64 | None:
    """A time such as 2024-05-01 13:45:00 or 1.5.2024 13:45, in UTC if it names a zone (Z, UTC, +02:00).

    Args:
        text: what is written
        dayfirst: whether 01/05/2024 is the first of May; None: it is, where there are points between, or where the first
            number is above 12; it is no date where that is unknown
        written: the form of the time as Python's `strptime` takes it, `%d.%m.%Y %H:%M`; None: as above

    Returns:
        None if the text is not a time.
    """
    text = text.strip()
    if written is not None:
        try:
            found = datetime.strptime(text, written)
        except ValueError:
            return None
        if found.tzinfo is not None:
            found = found.astimezone(timezone.utc).replace(tzinfo=None)
        return np.datetime64(found, "us")
    zone = _ZONE.fullmatch(text)
    utc, zoned, sign, hours, minutes = zone.groups("") if zone else (text, "", "", "", "")
    time = _plain((utc or zoned).strip(), dayfirst)
    if time is None:
        return None
    if zoned:
        ahead = np.timedelta64(60 * int(hours) + int(minutes or 0), "m")
        time = time - ahead if sign == "+" else time + ahead
    return time


def names_zone(text: str) -> bool:
    """Whether a time says its zone, as Z, UTC or +02:00."""
    return _ZONE.fullmatch(text.strip()) is not None


def _plain(text: str, dayfirst: bool | None) -> np.datetime64 | None:
    """A time without a zone."""
    if not text[-1:].isalpha():  # NumPy takes today and NaT, and the PM of 06:00 PM for a zone
        try:
            time = np.datetime64(text)
            # It also takes 2024, which is no moment that somebody wrote down.
            return None if np.isnat(time) or text.isdecimal() else time
        except ValueError:
            pass
    if found := _ISO_AND_CLOCK.fullmatch(text):
        year, month, day, clock = found.groups()
    elif found := _DATE.fullmatch(text):
        first, mark, second, year, clock = found.groups()
        if dayfirst is None:
            dayfirst = True if mark == "." or int(first) > 12 else False if int(second) > 12 else None
        if dayfirst is None:
            return None
        day, month = (first, second) if dayfirst else (second, first)
        year = year if len(year) == 4 else f"20{year}"
    else:
        return None
    seconds: Any = 0 if clock is None else _seconds(clock)
    if seconds is None:
        return None
    try:
        return np.datetime64(datetime(int(year), int(month), int(day)) + timedelta(seconds=seconds), "ms")
    except ValueError:
        return None


def _seconds(clock: str) -> float | None:
    """Seconds since midnight of 13:45, 13:45:10.5 or 1:45 PM; None if it is no clock."""
    found = _CLOCK.fullmatch(clock.strip())
    if found is None:
        return None
    hours, minutes = int(found[1]), int(found[2])
    if found[5]:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if found[5][0] in "pP" else 0)
    if hours > 23 or minutes > 59 or int(found[3] or 0) > 59:
        return None
    return 3600 * hours + 60 * minutes + int(found[3] or 0) + float(f"0.{found[4] or 0}")


def is_clock(text: str) -> bool:
    """Whether a text is a time of the day without a date: 13:45, 1:45 PM."""
    return _seconds(text) is not None


def days_first(texts: Iterable[str | None]) -> bool | None:
    """Whether dates such as 01/05/2024 begin with the day, by those whose first or second number is above 12.

    Returns:
        None where no date of that kind is there, or all could be both: `undecided` tells the two apart.
    """
    for text in texts:
        found = _DATE.fullmatch((text or "").strip())
        if found and found[2] != ".":
            if int(found[1]) > 12:
                return True
            if int(found[3]) > 12:
                return False
    return None


def undecided(texts: Iterable[str | None]) -> str | None:
    """The first date of which nobody knows whether it begins with the day or the month; None if there is none."""
    for text in texts:
        found = _DATE.fullmatch((text or "").strip())
        if found and found[2] != "." and int(found[1]) <= 12 and int(found[3]) <= 12:
            return (text or "").strip()
    return None


def zone_named(name: str) -> Any:
    """A time zone such as Europe/Berlin.

    Raises:
        DataError: there is none of that name.
    """
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
        if not known:
            raise DataError(
                f"data.zone: {name!r} cannot be looked up, because this machine has no list of zones; pip install tzdata"
            ) from None
        raise DataError(f"data.zone: there is no time zone {name!r}; {did_you_mean(name, known)}") from None


def in_utc(
    local: np.ndarray, zone: str, before: np.datetime64 | None = None, second: bool = False
) -> tuple[np.ndarray, bool]:
    """Times that a clock on the wall showed, in UTC. Where it was put back by an hour, it shows each time of that hour twice: the
    hour is the second one from the row on at which the clock falls.

    Args:
        local: (rows,) in the order in which they were recorded
        zone: of the clock, such as Europe/Berlin
        before: what the clock showed before the first row
        second: whether that was in the second of two such hours

    Returns:
        the times in UTC, and whether the last one is in the second of two hours
    """
    clock = zone_named(zone)
    quarters, places = np.unique(local.astype("datetime64[m]").astype(np.int64) // 15, return_inverse=True)
    offsets = np.empty((2, len(quarters)), np.int64)
    for at, quarter in enumerate(quarters.tolist()):
        wall = np.datetime64(quarter * 15, "m").astype("datetime64[s]").item()
        for fold in (0, 1):
            offsets[fold, at] = int(wall.replace(tzinfo=clock, fold=fold).utcoffset().total_seconds())
    # Of an hour that is left out in spring, fold 1 lies ahead of fold 0; of one that is shown twice, behind it.
    twice = offsets[1] < offsets[0]
    shown = np.zeros(len(local), np.int64)
    last = before
    for row in np.flatnonzero(twice[places]).tolist():
        above = local[row - 1] if row else last
        above_twice = bool(twice[places[row - 1]]) if row else above is not None and second
        going_on = above_twice and (bool(shown[row - 1]) if row else second)
        back = above is not None and (local[row] < above or (local[row] == above and _hourly(local)))
        shown[row] = int(going_on or (back and above is not None and local[row] + np.timedelta64(2, "h") > above))
    found = local - (offsets[shown, places] * np.timedelta64(1, "s")).astype("timedelta64[ms]")
    return found, bool(shown[-1]) if len(shown) else second


def _hourly(local: np.ndarray) -> bool:
    """Whether rows are about an hour apart, so that the doubled hour is the same time twice."""
    steps = np.diff(local).astype("timedelta64[s]").astype(np.int64)
    return len(steps) > 0 and float(np.median(steps)) >= 3600


def in_zone(time: np.datetime64, zone: str) -> str:
    """A time in UTC as the clock of a zone shows it, with its distance from UTC: 2024-10-27 02:30:00+01:00; Z for UTC."""
    text = str(time).replace("T", " ")
    if zone in ("UTC", "Z"):
        return f"{text}Z"
    wall = time.astype("datetime64[us]").item().replace(tzinfo=timezone.utc).astimezone(zone_named(zone))
    return wall.isoformat(" ", "seconds" if not wall.microsecond else "milliseconds")


def falls(times: np.ndarray) -> np.ndarray:
    """The rows whose time is before that of the row above."""
    return np.flatnonzero(times[1:] < times[:-1]) + 1


def looks_put_back(times: np.ndarray, rows: Sequence[int] | np.ndarray) -> bool:
    """Whether times fall only as a clock does that is put back in autumn: seldom, and by an hour less a step."""
    if not np.issubdtype(times.dtype, np.datetime64) or not len(rows) or len(rows) > 1 + len(times) // 500:
        return False
    back = (times[np.asarray(rows) - 1] - times[rows]) / np.timedelta64(1, "m")
    usual = float(np.median(np.diff(times) / np.timedelta64(1, "m")))
    return bool((np.abs(back + usual - 60) <= 6).all())
