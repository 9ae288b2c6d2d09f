"""Chapters as MP4 and MOV must have them."""

from fractions import Fraction
from typing import Any

import pytest

from recast.manifest import Chapter
from recast.media.chapters import as_text, rewritten
from recast.spec import Container


def given(start: int, end: int, title: str | None) -> dict[str, Any]:
    return {"start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title} if title else {}}


def written(chapters: tuple[Chapter, ...]) -> list[tuple[float, float, str]]:
    return [(float(chapter.start), float(chapter.end), chapter.title) for chapter in chapters]


def test_a_first_chapter_that_is_late_has_one_without_a_title_before_it() -> None:
    chapters = rewritten([given(1500, 2000, "a"), given(2000, 3000, "b")], Fraction(1), "mp4")
    assert written(chapters) == [(1, 1.5, " "), (1.5, 2, "a"), (2, 3, "b")]


def test_chapters_without_a_title_stay_in_the_list() -> None:
    chapters = rewritten([given(0, 1000, None), given(1000, 2000, "b")], Fraction(0), "mov")
    assert written(chapters) == [(0, 1, " "), (1, 2, "b")]


@pytest.mark.parametrize(
    ("chapters", "container"),
    [
        ([], "mp4"),
        ([given(0, 1000, "a"), given(1000, 2000, "b")], "mp4"),
        ([given(500, 1000, None)], "mkv"),
    ],
)
def test_what_ffmpeg_writes_right_is_left_to_it(chapters: list[dict[str, Any]], container: Container) -> None:
    assert rewritten(chapters, Fraction(0), container) == ()


def test_the_text_keeps_what_means_something_in_it() -> None:
    text = as_text([Chapter(start=Fraction(1, 2), end=Fraction(1), title="a=b; #1\\")])
    assert text.splitlines()[1:] == [
        "[CHAPTER]", "TIMEBASE=1/1000000000", "START=500000000", "END=1000000000", r"title=a\=b\; \#1\\",
    ]  # fmt: skip
