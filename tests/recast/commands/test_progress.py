"""What `recast run` says of how far it is, where standard error is no terminal."""

import sys
from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Progress as Bar

from recast.commands import progress
from recast.commands.progress import StageBar, cells, show_progress
from recast.commands.terminal import is_drawn_on
from recast.local.run import Progress


@pytest.mark.parametrize(
    ("segments", "frames", "done", "said"),
    [
        (7, 450, 0, "swap: 7 segments, 450 frames"),
        (1, 1, 0, "swap: 1 segment, 1 frame"),
        (7, 450, 3, "swap: 7 segments, 450 frames; going on: 3 of 7 are done"),
        (7, 450, 1, "swap: 7 segments, 450 frames; going on: 1 of 7 is done"),
    ],
)
def test_what_an_earlier_run_left_done_is_said_once(
    segments: int, frames: int, done: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_progress() as show:
        show(Progress("split"))
        show(Progress("swap", 0, frames, segments, done=done))
        show(Progress("swap", 0, frames, segments))
    assert capsys.readouterr().err == f"recast: split\nrecast: {said}\n"


def test_the_bar_counts_frames_where_these_are_told_and_else_only_goes_on() -> None:
    swap = cells(Progress("swap", 45, 90, 3), 7.25)
    assert swap == {
        "description": "swap", "completed": 45, "total": 90,
        "count": "45/90 frames", "segments": "3 segments", "speed": "7.2 frames/s", "left": "6s left",
    }  # fmt: skip
    for other in (Progress("split"), Progress("precheck", waits="trying NVENC"), Progress("mux", 90, 90, 3)):
        assert cells(other, 7.25) == {
            "description": other.stage, "completed": 0, "total": None, "count": other.waits, "segments": "",
            "speed": "", "left": "",
        }  # fmt: skip


def test_a_stage_gets_a_bar_of_its_own_with_nothing_left_of_the_last() -> None:
    bar = Bar(console=Console(file=StringIO()))
    show = StageBar(bar).show
    for stage in ("normalise", "swap"):
        for frames in (0, 45, 90):
            show(Progress(stage, frames, 90, 3))
            (task,) = bar.tasks
            assert (task.total, task.completed, task.finished) == (90, frames, frames == 90)
    show(Progress("mux", 90, 90, 3))
    (task,) = bar.tasks
    assert (task.description, task.total, task.completed, task.finished) == ("mux", None, 0, False)


@pytest.mark.parametrize("width", [48, 64, 80, 100])
def test_the_stage_the_frames_and_the_time_left_are_whole_on_a_narrow_terminal(width: int) -> None:
    out = StringIO()
    bar = Bar(*progress._columns(width), console=Console(file=out, width=width))
    bar.add_task(**cells(Progress("swap", 12345, 171234, 250), 23.4))
    bar.console.print(bar.get_renderable())
    for words in ("swap", "12345/171234 frames", "113m left"):
        assert words in out.getvalue()


@pytest.mark.parametrize(("term", "drawn"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_cannot_draw_anew_gets_plain_lines(
    term: str, drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", term)
    assert is_drawn_on() is drawn


def test_what_is_waited_for_is_said_once_it_takes_a_while(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with show_progress() as show:
        show(Progress("split"))
        for seconds in (0, 4, 6, 60):
            now[0] = 100.0 + seconds
            show(Progress("precheck", waits="trying NVENC"))
            assert ("precheck: trying NVENC\n" in capsys.readouterr().err) is (seconds == 6)


def test_a_note_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as show:
        show(Progress("split"))
        show(Progress("swap", note="tried again"))
        show(Progress("split"))
    assert capsys.readouterr().err == "recast: split\nrecast: tried again\n"
