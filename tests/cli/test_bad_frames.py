"""A damaged source on the command line: what it says, how it ends, killed on the way too; what verify makes of it."""

import hashlib
import json
import os
import signal
import time
from pathlib import Path

import av
import pytest

from tests import damaged
from tests.cli.place import Place
from tests.damaged import H264, display_order, garbled, harmed, zeroed

ASKED = ("--engine", "passthrough", "--segment-seconds", "1", "--quality", "lossless", "--preset", "ultrafast")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return damaged.source(tmp_path_factory.mktemp("whole"), *H264, name="whole.mp4", audio=True)


@pytest.fixture(scope="module")
def bad(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """From packet 40 to the keyframe 50, and the whole of the last GOP, which begins with packet 75."""
    return harmed(whole, tmp_path_factory.mktemp("bad") / "bad.mp4", {40: zeroed, 75: garbled})


def test_a_run_fails_with_65_and_names_segment_frame_and_time(place: Place, whole: Path, bad: Path) -> None:
    done = place.run("run", bad, place.out / "out.mp4", *ASKED, "--workers", "1")

    number = display_order(whole).index(40)
    assert done.returncode == 65
    line = done.stderr.strip().splitlines()[-1]
    assert f"segment 1: frame {number}, at {number / 25:.3f} s (pts " in line and "--on-bad-frames" in line
    assert list(place.out.iterdir()) == [] and place.runs() == []


def test_killed_while_it_repeats_the_same_command_makes_the_same_bytes_and_verify_accepts_those_frames_alone(
    place: Place, bad: Path
) -> None:
    output, report = place.out / "out.mp4", place.out / "report.json"
    asked = ("run", bad, output, *ASKED, "--on-bad-frames", "repeat", "--report", report)

    undisturbed = place.run(*asked)
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert "frames did not decode whole" in undisturbed.stderr and "repeated" in undisturbed.stderr
    digest = hashlib.sha256(output.read_bytes()).hexdigest()
    runs = json.loads(report.read_text())["badFrames"]
    output.unlink()

    process = place.start(*asked)
    while not place.processes_of("segment_worker"):
        assert process.poll() is None
        time.sleep(0.02)
    for worker in place.processes_of("segment_worker"):
        os.kill(worker, signal.SIGKILL)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = place.run(*asked)
    assert again.returncode == 0, again.stderr
    assert hashlib.sha256(output.read_bytes()).hexdigest() == digest
    assert json.loads(report.read_text())["badFrames"] == runs

    told = place.run("verify", bad, output, "--lossless", "--report", report)
    assert told.returncode == 0, told.stdout
    assert f"bad frames: {sum(run['frames'] for run in runs)} repeat another frame" in told.stdout
    untold = place.run("verify", bad, output, "--lossless")
    assert untold.returncode == 65
    report.write_text(json.dumps({"badFrames": [runs[0] | {"shows": 3}, *runs[1:]]}))
    assert "does not show frame 3" in place.run("verify", bad, output, "--lossless", "--report", report).stdout


def test_a_block_whose_size_is_lost_is_told_of_by_inspect_and_run_alike(place: Place, tmp_path: Path) -> None:
    """What follows it has times that collide with those before."""
    whole, bad = damaged.source(tmp_path, *H264), tmp_path / "bad.mkv"
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(whole.read_bytes())
    data[places[60] + 1 : places[60] + 9] = bytes(8)
    bad.write_bytes(data)
    inspected, run = place.run("inspect", bad), place.run("run", bad, place.out / "out.mp4", *ASKED)
    assert inspected.returncode == run.returncode == 65
    assert inspected.stderr.splitlines()[-1] == run.stderr.splitlines()[-1]


def test_packets_that_the_demuxer_passes_over_end_a_run_or_are_told_of(place: Place, tmp_path: Path) -> None:
    whole, gap = damaged.source(tmp_path, *H264), tmp_path / "gap.mkv"
    with av.open(str(whole)) as container:
        places = [packet.pos for packet in container.demux(video=0) if packet.size]
    data = bytearray(whole.read_bytes())
    data[places[60] : places[60] + 6] = b"\xff" * 6
    gap.write_bytes(data)
    output, report = place.out / "out.mp4", place.out / "report.json"

    refused = place.run("run", gap, output, *ASKED)
    assert refused.returncode == 65 and "packets are missing before video packet" in refused.stderr
    assert place.run("inspect", gap).returncode == 65

    told = place.run("run", gap, output, *ASKED, "--on-bad-frames", "repeat", "--report", report)
    assert told.returncode == 0, told.stderr
    assert "packets are missing in the source at" in told.stderr
    (lost,) = json.loads(report.read_text())["lost"]
    assert 2.3 < lost < 3.1
    with av.open(str(output)) as container:
        assert sum(1 for packet in container.demux(video=0) if packet.size) < 100
    assert place.run("verify", gap, output, "--lossless", "--report", report).returncode == 0
    silent = place.run("verify", gap, output, "--lossless")
    assert silent.returncode == 65 and "packets of it are missing" in silent.stdout
