"""Chapters in MP4 and MOV: FFmpeg writes them as text that is shown one after another, from 0 on.

So the first must begin there, and one without a title would not be in the list, nor the same in both of MP4's lists.
"""

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from recast.manifest import Chapter
from recast.spec import Container

CLOCK = 1_000_000_000
"""Ticks a second of the text that FFmpeg is given: Matroska's."""
LEAST = Fraction(1, 1000)
BLANK = " "
"""For a title that there is not."""


def rewritten(chapters: Sequence[Any], start: Fraction, container: Container) -> tuple[Chapter, ...]:
    """A source's chapters as they must be written; none where FFmpeg may copy them as they are.

    Args:
        chapters: as PyAV gives them.
        start: of the source, in seconds.
        container: the output's.
    """
    found = [
        Chapter(
            start=each["start"] * each["time_base"],
            end=each["end"] * each["time_base"],
            title=each["metadata"].get("title") or BLANK,
        )
        for each in chapters
    ]
    found.sort(key=lambda chapter: chapter.start)
    is_late = bool(found) and found[0].start - start >= LEAST
    if container == "mkv" or not (is_late or any(chapter.title == BLANK for chapter in found)):
        return ()
    lead = [Chapter(start=start, end=found[0].start, title=BLANK)] if is_late else []
    return (*lead, *found)


def as_text(chapters: Sequence[Chapter]) -> str:
    """Chapters in FFmpeg's own form (ffmetadata)."""
    lines = [";FFMETADATA1"]
    for chapter in chapters:
        begin, end = (round(seconds * CLOCK) for seconds in (chapter.start, chapter.end))
        title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
        lines += ["[CHAPTER]", f"TIMEBASE=1/{CLOCK}", f"START={begin}", f"END={end}", f"title={title}"]
    return "\n".join(lines) + "\n"
