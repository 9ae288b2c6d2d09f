import json
import threading
import time

import pytest

from recast import log


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_fields_of_a_block_are_on_its_lines_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    with log.within(job="studio/a"):
        with log.within(segment=3):
            log.info("inner")
        log.info("outer")
    log.info("after")
    inner, outer, after = lines(capsys)
    assert (inner["job"], inner["segment"]) == ("studio/a", 3)
    assert outer["job"] == "studio/a" and "segment" not in outer
    assert "job" not in after


def test_fields_of_a_block_are_its_threads_own(capsys: pytest.CaptureFixture[str]) -> None:
    with log.within(job="studio/a"):
        other = threading.Thread(target=log.info, args=("elsewhere",))
        other.start()
        other.join()
    assert "job" not in lines(capsys)[0]


def test_an_exception_comes_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        log.error("failed", error=error)
    (line,) = lines(capsys)
    assert line["level"] == "error" and "ValueError: broken" in str(line["traceback"])


def test_a_time_is_of_one_reading_of_the_clock(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_770_000_001_999_500_000)
    log.info("at the end of a second")
    assert lines(capsys)[0]["time"] == "2026-02-02T02:40:01.999Z"
