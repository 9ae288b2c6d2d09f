"""SIGTERM, Ctrl-C and a closed terminal unwind, also while something is being begun, and end what does not unwind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from recast.process.stopping import Terminated, signals_held_back, terminated_by_signals

CODES = [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)]


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_unwinds_with_its_code(number: int, code: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Terminated) as stopped, terminated_by_signals(60):
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert stopped.value.code == code
    assert signal.getsignal(number) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_was_started_by_nohup_goes_on_without_its_terminal() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with terminated_by_signals(60):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_waits_for_the_end_of_what_is_being_begun() -> None:
    known = []
    with pytest.raises(Terminated), terminated_by_signals(60):
        with signals_held_back():
            with signals_held_back():
                os.kill(os.getpid(), signal.SIGTERM)
            known.append("child")
        known.append("never")
    assert known == ["child"]


def test_a_second_signal_does_not_disturb_the_clean_up() -> None:
    cleaned = []
    with pytest.raises(Terminated), terminated_by_signals(60):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
    assert cleaned


LOSES_IT = """
import os, signal, time
from recast.process.stopping import terminated_by_signals
with terminated_by_signals(0.1):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    except BaseException:
        time.sleep(60)
"""


def test_a_process_that_loses_the_exception_ends_all_the_same() -> None:
    assert subprocess.run([sys.executable, "-c", LOSES_IT], timeout=30, check=False).returncode == 143
