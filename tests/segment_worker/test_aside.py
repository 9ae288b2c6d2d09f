import threading

import pytest

from recast import log
from segment_worker.aside import Aside


def test_a_task_runs_beside_and_is_done_at_the_end() -> None:
    aside = Aside("test")
    here = threading.current_thread()
    seen = []
    aside.begin(lambda: seen.append(threading.current_thread() is here))
    aside.end()
    assert seen == [False]
    aside.end()


def test_its_error_is_raised_where_the_next_one_would_begin() -> None:
    aside = Aside("test")

    def fails() -> None:
        raise ValueError("broken")

    aside.begin(fails)
    with pytest.raises(ValueError, match="broken"):
        aside.begin(lambda: None)
    aside.end()  # once


def test_its_log_lines_carry_what_those_of_its_maker_do(capsys: pytest.CaptureFixture[str]) -> None:
    aside = Aside("test")
    with log.within(segment=3):
        aside.begin(lambda: log.info("beside"))
    aside.end()
    assert '"segment": 3' in capsys.readouterr().err


def test_stopped_it_does_not_wait() -> None:
    aside = Aside("test")
    hold = threading.Event()
    aside.begin(lambda: hold.wait(5) and None)
    aside.stop()
    hold.set()
