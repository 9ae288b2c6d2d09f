"""`recast run`, killed with all that it started, while a stage of its own is at work."""

import hashlib
import random
import subprocess
import time
from pathlib import Path

from tests.chaos.processes import MODULES
from tests.chaos.world import CUT_SECONDS
from tests.cli.place import Place

STAGES = tuple(MODULES)
STAGE_SECONDS = 120.0
ARGUMENTS = ("--engine", "passthrough", "--segment-seconds", str(CUT_SECONDS), "--workers", "2")
LOSSLESS = ("--quality", "lossless", "--preset", "ultrafast")


def phase(stage: str) -> str:
    """What a kill of the runner is counted as."""
    return f"recast run, in {stage}"


def play_runner(folder: Path, source: Path, stage: str, choice: random.Random, wanted: str) -> bool:
    """Kill `recast run` in a stage, run it again, and compare.

    Args:
        folder: the run's own.
        source: the clip.
        stage: split, swap or mux.
        choice: of the moment.
        wanted: sha256 of the output, in hex.

    Returns:
        Whether it was killed before its output was there.
    """
    for name in ("out", "tmp"):
        (folder / name).mkdir(parents=True)
    place = Place(folder)
    output = place.out / "out.mkv"
    command = ("run", source, output, *ARGUMENTS, *LOSSLESS)
    killed = _kill(place, command, stage, choice.random())
    before = output.exists()
    if not before:
        again = place.run(*command)
        assert again.returncode == 0, again.stderr
        assert place.runs() == []
    assert hashlib.sha256(output.read_bytes()).hexdigest() == wanted, f"{folder}: other bytes"
    assert [path.name for path in place.out.iterdir()] == ["out.mkv"]
    return killed and not before


def _kill(place: Place, command: tuple[str | Path, ...], stage: str, share: float) -> bool:
    process = place.start(*command)
    deadline = time.monotonic() + STAGE_SECONDS
    try:
        while not place.processes_of(MODULES[stage]) and process.poll() is None:
            assert time.monotonic() < deadline, f"{place.folder}: {stage} never began"
            time.sleep(0.05)
        process.communicate(timeout=share)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False
