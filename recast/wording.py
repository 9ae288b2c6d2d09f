"""Numbers and addresses for people."""

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


def as_typed(text: str) -> str:
    """A text whose local addresses are paths, as on the command line.

    >>> as_typed("file:///in/a.mp4: no such file")
    '/in/a.mp4: no such file'
    """
    return text.replace("file:///", "/")
