"""Children get what they were given, and die with their parent and not with the thread that asked."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from recast.errors import BadConfig
from recast.process.children import spawn

PARENT = """
import sys, threading, time
from recast.process.children import spawn
threading.Thread(target=lambda: print(spawn(["sleep", "60"]).pid, flush=True)).start()
time.sleep(60)
"""


def becomes_true(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_environment_folder_output_and_status(tmp_path: Path) -> None:
    script = 'echo "$0 $WORD $PWD"; echo bad >&2; exit 3'
    child = spawn(
        ["sh", "-c", script, "name"],
        env={"WORD": "word", "PATH": os.environ["PATH"]},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = child.communicate(timeout=10)
    assert (out, err, child.returncode) == (f"name word {tmp_path}\n".encode(), b"bad\n", 3)


def test_no_such_program() -> None:
    with pytest.raises(BadConfig, match="no-such-program"):
        spawn(["no-such-program"])


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
def test_the_asking_thread_may_end() -> None:
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(spawn(["sleep", "60"])))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert children[0].poll() is None
    children[0].kill()
    assert children[0].wait(5) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_children_die_with_their_parent(ending: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_gone(child)
        parent.send_signal(ending)
        parent.wait(5)
    assert becomes_true(lambda: is_gone(child))
