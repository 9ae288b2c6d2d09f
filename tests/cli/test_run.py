"""`recast run` as people type it: real processes, an embedded store, signals, what is left behind."""

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from recast.verify.report import verify
from tests import clips, faces
from tests.cli.place import STOP_SECONDS, Place

PASSTHROUGH = ("--engine", "passthrough", "--segment-seconds", "1", "--preset", "ultrafast")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_nothing_left(place: Place) -> None:
    deadline = time.monotonic() + STOP_SECONDS
    while place.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert place.processes() == []
    assert place.temporary() == []


def test_one_and_three_workers_make_the_same_bytes_and_leave_nothing(place: Place) -> None:
    source, digests = clips.build("bframes"), set()
    for workers in ("1", "3"):
        output, report = place.out / f"{workers}.mp4", place.out / f"{workers}.json"
        done = place.run("run", source, output, *PASSTHROUGH, "--workers", workers, "--report", report)
        assert done.returncode == 0, done.stderr
        assert json.loads(report.read_text())["frames"] == 75
        digests.add(sha256(output))
    assert len(digests) == 1
    assert all(check.ok for check in verify(source, place.out / "1.mp4"))
    assert place.runs() == []
    assert_nothing_left(place)


def test_a_photo_is_looked_at_before_a_frame_is_swapped(place: Place) -> None:
    source, output = clips.build("cfr"), place.out / "out.mp4"
    asked = ("run", source, output, "--consent", "a test", "--preset", "ultrafast", "--face", faces.faceless())
    refused = place.run(*asked)
    assert refused.returncode == 65 and "brick.png: no face found" in refused.stderr
    assert "recast: swap" not in refused.stderr and place.runs() == []

    done = place.run(*asked, "--face", faces.photo())
    assert done.returncode == 0, done.stderr
    (warned,) = [line for line in done.stderr.splitlines() if "brick.png" in line]
    assert warned.startswith("recast: warning: ") and warned.endswith("brick.png: no face found: left out")


def test_killed_at_any_moment_the_same_command_goes_on_to_the_same_bytes(place: Place) -> None:
    source = clips.build("bframes")
    undisturbed = place.out / "a.mp4"
    began = time.monotonic()
    assert place.run("run", source, undisturbed, *PASSTHROUGH).returncode == 0
    whole = time.monotonic() - began
    for share in (0.2, 0.5, 0.8):
        output = place.out / f"{share}.mp4"
        whole = kill_on_the_way(place, source, output, share, whole)
        again = place.run("run", source, output, *PASSTHROUGH)
        assert again.returncode == 0, again.stderr
        assert sha256(output) == sha256(undisturbed)
    assert place.runs() == []
    deadline = time.monotonic() + STOP_SECONDS
    while place.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert place.processes() == []


def kill_on_the_way(place: Place, source: Path, output: Path, share: float, whole: float) -> float:
    """Kill a run after a share of the seconds that a whole one takes; gives these, corrected where one was faster."""
    for _ in range(5):
        began = time.monotonic()
        process = place.start("run", source, output, *PASSTHROUGH)
        try:
            process.communicate(timeout=share * whole)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            if not output.exists():
                return whole
        whole = 0.9 * min(whole, time.monotonic() - began)
        output.unlink()
    raise AssertionError("no run lasted long enough to be killed")


def test_killed_while_it_normalises_the_same_command_goes_on_to_the_same_bytes(place: Place) -> None:
    source, undisturbed, output = clips.build("giant_gop"), place.out / "a.mp4", place.out / "b.mp4"
    asked = (*PASSTHROUGH, "--segment-seconds", "0.3", "--normalise")
    report = place.out / "a.json"
    assert place.run("run", source, undisturbed, *asked, "--report", report).returncode == 0
    said = json.loads(report.read_text())
    assert said["segments"] == 19 and said["stages"]["normalise"]["processes"] == 1
    process = place.start("run", source, output, *asked)
    deadline = time.monotonic() + STOP_SECONDS
    while not place.processes_of("controller.stages.normalise") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not output.exists() and len(place.runs()) == 1
    again = place.run("run", source, output, *asked)
    assert again.returncode == 0, again.stderr
    assert "recast: normalise" in again.stderr
    assert sha256(output) == sha256(undisturbed)
    assert all(check.ok for check in verify(source, output))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_cleanly_and_says_how_to_go_on(place: Place, number: int, code: int) -> None:
    output = place.out / "out.mp4"
    process = place.start("run", clips.build("bframes"), output, *PASSTHROUGH)
    deadline = time.monotonic() + STOP_SECONDS
    while not place.processes_of("controller.stages.split") and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=STOP_SECONDS)
    assert process.returncode == code, err
    assert time.monotonic() - sent < STOP_SECONDS
    assert "same command again" in err
    assert not output.exists()
    assert_nothing_left(place)


REFUSED: Sequence[tuple[str, str, int]] = [
    ("truncated", "out.mp4", 65),
    ("text", "out.mp4", 65),
    ("audio_only", "out.mp4", 65),
    ("cfr", "none/out.mp4", 78),
    ("cfr", "out.avi", 64),
]


@pytest.mark.parametrize(("name", "output", "code"), REFUSED)
def test_what_cannot_be_done_is_said_in_one_line(place: Place, name: str, output: str, code: int) -> None:
    done = place.run("run", clips.build(name), place.out / output, *PASSTHROUGH)
    assert done.returncode == code, done.stderr
    lines = [line for line in done.stderr.splitlines() if line not in ("recast: split",)]
    assert len(lines) == 1 and lines[0].startswith("recast: "), done.stderr
    assert list(place.out.iterdir()) == []
    assert place.runs() == []
    assert_nothing_left(place)


def test_an_output_that_exists_is_kept_unless_overwrite_is_given(place: Place) -> None:
    output = place.out / "out.mp4"
    output.write_bytes(b"mine")
    refused = place.run("run", clips.build("cfr"), output, *PASSTHROUGH)
    assert refused.returncode == 78 and "exists already" in refused.stderr
    assert output.read_bytes() == b"mine"
    assert place.run("run", clips.build("cfr"), output, *PASSTHROUGH, "--overwrite").returncode == 0
    assert output.stat().st_size > 1000


def test_a_report_takes_the_place_of_nothing_but_a_report(place: Place) -> None:
    source, output = place.out / "in.mp4", place.out / "out.mp4"
    source.write_bytes(clips.build("cfr").read_bytes())
    for report, words in ((source, "is no report"), (output, "is OUTPUT")):
        refused = place.run("run", source, output, *PASSTHROUGH, "--report", report)
        assert refused.returncode == 64 and words in refused.stderr
    assert source.read_bytes() == clips.build("cfr").read_bytes() and not output.exists()


def test_a_face_is_swapped_and_the_consent_is_kept(place: Place) -> None:
    source = faces.talking_head(place.folder, frames=30)
    output, report = place.out / "out.mp4", place.out / "report.json"
    face = ("--face", faces.photo(), "--consent", "release 7")
    done = place.run("run", source, output, *face, "--segment-seconds", "0.5", "--report", report)
    assert done.returncode == 0, done.stderr
    said = json.loads(report.read_text())
    assert said["facesSwapped"] == 30 and said["segments"] == 2
    assert said["consent"]["reference"] == "release 7"
    assert b"release 7" in output.read_bytes()
    assert all(check.ok for check in verify(source, output))


def test_a_worker_that_is_killed_is_replaced_and_the_bytes_are_the_same(place: Place) -> None:
    source, face = faces.talking_head(place.folder), ("--face", faces.photo(), "--consent", "a test")
    undisturbed, output = place.out / "a.mp4", place.out / "b.mp4"
    cuts = ("--segment-seconds", "0.5", "--workers", "2")
    assert place.run("run", source, undisturbed, *face, *cuts).returncode == 0
    process = place.start("run", source, output, *face, *cuts)
    deadline, killed = time.monotonic() + 60, 0
    while not killed and process.poll() is None and time.monotonic() < deadline:
        for number in place.processes_of("segment_worker"):
            os.kill(number, signal.SIGKILL)
            killed += 1
        time.sleep(0.02)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert killed and sha256(output) == sha256(undisturbed)
    assert_nothing_left(place)
