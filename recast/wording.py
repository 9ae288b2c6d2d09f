"""Numbers, times and addresses for people."""

from datetime import timedelta

UNITS = ("kB", "MB", "GB", "TB")


def size(count: int) -> str:
    """Bytes for people.

    >>> size(12_345_678)
    '12.3 MB'
    """
    value, unit = float(count), "bytes"
    for larger in UNITS:
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"


def counted(number: int, word: str) -> str:
    """A number of things.

    >>> counted(1, "segment"), counted(2, "segment")
    ('1 segment', '2 segments')
    """
    return f"{number} {word}" + ("" if number == 1 else "s")


def span(time: timedelta) -> str:
    """A time, short: to the second, the minute or the hour.

    >>> span(timedelta(seconds=75)), span(timedelta(hours=50))
    ('75s', '2d2h')
    """
    seconds = max(0, round(time.total_seconds()))
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    if seconds < 172_800:
        return f"{seconds // 3600}h{seconds % 3600 // 60}m"
    return f"{seconds // 86_400}d{seconds % 86_400 // 3600}h"


def as_typed(text: str) -> str:
    """A text whose local addresses are paths, as on the command line.

    >>> as_typed("file:///in/a.mp4: no such file")
    '/in/a.mp4: no such file'
    """
    return text.replace("file:///", "/")
