"""Child processes that never outlive this one, even if it is killed outright.

Linux sends a child the signal it asked for by PR_SET_PDEATHSIG when the *thread* that made it ends. So all
children are made by one thread that lives as long as the process; and a tiny launcher asks for the signal in
the child, since running Python between fork and exec (preexec_fn) can hang a program that has threads.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from recast.errors import BadConfig

# 1 is PR_SET_PDEATHSIG, 9 is SIGKILL. A parent that died before the call left this child to another one.
_LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[3:])
"""

Stream = int | IO[bytes] | None


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdout: Stream = None,
    stderr: Stream = None,
    cwd: Path | str | None = None,
    own_group: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start a program that gets SIGKILL when this process ends, in whatever way, and has nothing to read.

    Its own children get none: they need this function too. Systems other than Linux have no such signal;
    there the program is started plainly.

    Args:
        argv: program and arguments; the program is looked up on the PATH.
        env: the whole environment; this process' own if None.
        stdout: as for subprocess.
        stderr: as for subprocess.
        cwd: folder to start in.
        own_group: keep a terminal's Ctrl-C from it.

    Raises:
        BadConfig: there is no such program.
    """
    program = shutil.which(argv[0], path=(env or os.environ).get("PATH"))
    if program is None:
        raise BadConfig(f"{argv[0]}: no such program; install it or correct PATH")
    command = [os.path.abspath(program), *argv]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
    else:
        command = command[1:]

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603  # the one start of all stages: a list of words, never a shell
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            process_group=0 if own_group else None,
        )

    return _starter(os.getpid()).submit(start).result()


@functools.cache
def _starter(pid: int) -> ThreadPoolExecutor:
    # By process: a fork does not take threads along.
    return ThreadPoolExecutor(1, thread_name_prefix=f"recast-children-{pid}")
