"""Many cases through the stages' own main functions: imported once, then a fork for each case, with its own limits."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from controller.stages import split
from recast import cli
from recast.spec import Engine, JobSpec, Output, Segments, Source, Storage, Video
from recast.stage import StageInput
from recast.storageconfig import make_storage
from segment_worker import worker

CPU_SECONDS = 120
"""What takes longer hangs; the clock gives it tenfold, for a busy machine."""
WALL_SECONDS = 1200.0
FILE_BYTES = 512 << 20
POLL_SECONDS = 0.02


@dataclass
class Ended:
    """How a case went.

    Attributes:
        codes: exit code of each stage that was run.
        messages: what each said where it failed; of inspect, all lines of standard error.
        signal: that ended the process, where one did.
        hung: whether it was ended for taking too long.
        seconds: by the clock.
        rss: the most memory it held, in bytes.
        disk: bytes that it left on disk.
        folder: what it worked in; the caller removes it.
    """

    folder: Path
    codes: dict[str, int] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    frames: int = 0
    signal: int = 0
    hung: bool = False
    seconds: float = 0.0
    rss: int = 0
    disk: int = 0


def run_all(paths: Sequence[Path], folder: Path, *, at_once: int = 2) -> Iterator[tuple[int, Ended]]:
    """Have each file inspected, split and its segments worked on; gives each one's number and end, as they end."""
    running: dict[int, tuple[int, float, Ended]] = {}
    waiting = list(enumerate(paths))[::-1]
    while waiting or running:
        while waiting and len(running) < at_once:
            number, path = waiting.pop()
            ended = Ended(folder / f"case{number}")
            running[_fork(path, ended.folder)] = number, time.monotonic(), ended
        for pid in list(running):
            number, began, ended = running[pid]
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if not done and time.monotonic() - began > WALL_SECONDS:
                ended.hung = True
                os.killpg(pid, signal.SIGKILL)
                done, status, usage = os.wait4(pid, 0)
            if done:
                del running[pid]
                yield number, _read(ended, status, usage, time.monotonic() - began)
        time.sleep(POLL_SECONDS)


def _fork(path: Path, folder: Path) -> int:
    (folder / "tmp").mkdir(parents=True)
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        _child(path, folder)
    finally:
        os._exit(0)


def _child(path: Path, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.environ |= {"TMPDIR": str(folder / "tmp"), "RECAST_TERMINATION_LOG": str(folder / "termination")}
    import tempfile

    tempfile.tempdir = None
    _note(folder, "inspect", cli.main(["inspect", "--segment-seconds", "0.3", str(path)]), _said(folder))
    asked = _job(path, folder)
    os.environ["RECAST_STAGE"] = asked.model_dump_json(by_alias=True)
    _make_folders(asked, path)
    code, told = split.main(), _termination(folder)
    _note(folder, "split", code, told.get("message", ""), told.get("frames", 0))
    if code == 0:
        ready = asked.model_copy(update={"run": told["run"], "segments_per_pod": 1000})
        os.environ |= {"RECAST_STAGE": ready.model_dump_json(by_alias=True), "JOB_COMPLETION_INDEX": "0"}
        code, told = worker.main(), _termination(folder)
        _note(folder, "worker", code, told.get("message", ""), told.get("frames", 0))


def _job(path: Path, folder: Path) -> StageInput:
    spec = JobSpec(
        source=Source(uri=f"file://{path}"),
        output=Output(uri=f"file://{folder}/output.mkv", drop_tracks=("audio", "data", "subtitle", "attachment")),
        engine=Engine(name="Passthrough"),
        video=Video(quality="Lossless", preset="ultrafast", encoder="Software", threads=1),
        segments=Segments(target_seconds=0.3),
        storage=Storage(scratch=f"file://{folder}/scratch"),
    )
    return StageInput(namespace="tests", name="case", uid="tests", spec=spec)


def _make_folders(asked: StageInput, path: Path) -> None:
    """Scratch is a folder here, to spare a server; recast makes none in which to write a file."""
    info = make_storage(asked.spec).head(f"file://{path}")
    layout = asked.layout(split.name_run(asked.spec, info, hashlib.sha256(b"").hexdigest()))
    for uri in (layout.segment(0), layout.chunk(0), layout.part(0, "digest"), layout.plan):
        Path(uri.removeprefix("file://")).parent.mkdir(parents=True, exist_ok=True)


def _said(folder: Path) -> str:
    return (folder / "err").read_text(errors="replace")


def _termination(folder: Path) -> dict[str, object]:
    return json.loads((folder / "termination").read_text())  # type: ignore[no-any-return]


def _note(folder: Path, stage: str, code: int, message: object, frames: object = 0) -> None:
    with (folder / "codes").open("a") as file:
        file.write(json.dumps([stage, code, message, frames]) + "\n")


def _read(ended: Ended, status: int, usage: resource.struct_rusage, seconds: float) -> Ended:
    ended.seconds, ended.rss = seconds, usage.ru_maxrss * 1024
    ended.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    codes = ended.folder / "codes"
    for line in codes.read_text().splitlines() if codes.exists() else []:
        stage, ended.codes[stage], ended.messages[stage], ended.frames = json.loads(line)
    ended.disk = sum(path.stat().st_size for path in ended.folder.rglob("*") if path.is_file())
    return ended


def remove(ended: Ended) -> None:
    """Remove what a case left."""
    shutil.rmtree(ended.folder, ignore_errors=True)
