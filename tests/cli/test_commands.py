"""inspect, preview, verify, clean, and run on a store of one's own, as people type them."""

import json
import signal
import time
from pathlib import Path

import av
import pytest

from recast.storage.embedded import EmbeddedStore
from recast.storage.storage import Storage
from tests import clips, faces
from tests.cli.place import Place

PASSTHROUGH = ("--engine", "passthrough", "--segment-seconds", "1", "--preset", "ultrafast")


def test_inspect_says_what_the_file_is_where_it_is_cut_and_what_is_kept(place: Place) -> None:
    done = place.run("inspect", clips.build("tracks_mkv"), "--segment-seconds", "1")
    assert done.returncode == 0, done.stderr
    assert "h264 192x144 yuv420p, 75 frames" in done.stdout
    assert "cuts: 2 segments" in done.stdout
    assert "audio track 1 (aac) eng Original: copied" in done.stdout
    assert "to .mp4:" in done.stdout and "cannot hold subtitle track 4 (ass)" in done.stdout


def test_inspect_and_verify_print_json_for_scripts(place: Place) -> None:
    source, output = clips.build("tracks_mkv"), place.out / "out.mkv"
    inspected = place.run("inspect", source, "--segment-seconds", "1", "--json")
    assert inspected.returncode == 0, inspected.stderr
    found = json.loads(inspected.stdout)
    assert found["source"] == str(source) and found["bytes"] == source.stat().st_size
    assert found["video"]["codec"] == "h264" and found["video"]["frames"] == 75
    assert [segment["frames"] for segment in found["segments"]] == [48, 27]
    assert found["segments"][1]["firstFrame"] == 48
    assert found["outputs"]["mkv"]["refused"] == [] and found["outputs"]["mkv"]["tracks"][0]["action"] == "Copy"
    (why,) = found["outputs"]["mp4"]["refused"]
    assert "cannot hold subtitle track 4 (ass)" in why and found["outputs"]["mp4"]["tracks"] is None

    assert place.run("run", source, output, *PASSTHROUGH).returncode == 0
    verified = place.run("verify", source, output, "--json")
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert told["ok"] and told["output"] == str(output)
    assert {"name": "frame count", "result": "ok", "detail": "75 frames"} in told["checks"]
    other = place.run("verify", clips.build("cfr"), output, "--json")
    assert other.returncode == 65 and not json.loads(other.stdout)["ok"]


def test_inspect_says_what_a_codec_or_the_tracks_that_are_left_out_would_change(place: Place) -> None:
    asked = ("--codec", "av1", "--drop-tracks", "subtitle,attachment", "--audio", "aac")
    done = place.run("inspect", clips.build("tracks_mkv"), *asked)
    assert done.returncode == 0, done.stderr
    assert "to .mp4:\n  video: av1 yuv420p\n  audio track 1 (aac) eng Original: encoded anew" in done.stdout
    assert "subtitle track 4 (ass) jpn: left out: the container cannot hold it" in done.stdout
    assert "to .mov:\n  video: refused: source: .mov cannot hold av1: use .mp4 or .mkv" in done.stdout


def test_inspect_says_what_normalising_would_change(place: Place) -> None:
    done = place.run("inspect", clips.build("giant_gop"), "--segment-seconds", "0.3")
    assert "cuts: 8 segments (19 with --normalise)" in done.stdout


@pytest.mark.parametrize("name", ["text", "truncated", "truncated_mkv", "audio_only"])
def test_inspect_refuses_what_split_would(place: Place, name: str) -> None:
    done = place.run("inspect", clips.build(name))
    assert done.returncode == 65
    assert len(done.stderr.splitlines()) == 1


def test_preview_shows_before_and_after_and_which_faces_were_chosen(place: Place) -> None:
    source, picture = faces.talking_head(place.folder), place.out / "preview.png"
    done = place.run("preview", source, picture, "--face", faces.photo(), "--at", "0.5", "--at", "00:00:01")
    assert done.returncode == 0, done.stderr
    assert "astronaut.png: 1 face found: 108 pixels high, score 1.00\n" in done.stdout
    assert done.stdout.count("s: 1 face found") == 2 and "changed" in done.stdout
    with av.open(str(picture)) as container:
        shown = next(container.decode(video=0))
    assert shown.width > 2 * 176 and shown.height > 2 * 120


def test_preview_without_a_face_is_a_usage_error(place: Place) -> None:
    done = place.run("preview", clips.build("cfr"), place.out / "preview.png")
    assert done.returncode == 64 and "--face" in done.stderr


def test_clean_removes_what_an_interrupted_run_left_and_nothing_that_runs(place: Place) -> None:
    process = place.start("run", clips.build("bframes"), place.out / "out.mp4", *PASSTHROUGH)
    deadline = time.monotonic() + 30
    while not list(place.folder.glob("cache/recast/runs/*/store/s3.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    busy = place.run("clean")
    assert "in use" in busy.stdout and len(place.runs()) == 1
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert len(place.runs()) == 1
    assert "bframes" in place.run("clean", "--dry-run").stdout and len(place.runs()) == 1
    assert place.run("clean").returncode == 0 and place.runs() == []


def test_run_works_on_any_s3(place: Place, s3: EmbeddedStore, storage: Storage, prefix: str, tmp_path: Path) -> None:
    storage.upload(f"{prefix}in.mp4", clips.build("cfr"))
    own = Place(tmp_path, s3.environment())
    where = ("--scratch", f"{prefix}scratch", "--endpoint-url", s3.endpoint)
    done = own.run("run", f"{prefix}in.mp4", f"{prefix}out.mp4", *PASSTHROUGH, *where)
    assert done.returncode == 0, done.stderr
    assert own.runs() == []
    checked = own.run("verify", f"{prefix}in.mp4", f"{prefix}out.mp4", "--endpoint-url", s3.endpoint)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    missing = own.run("verify", f"{prefix}in.mp4", f"{prefix}none.mp4", "--endpoint-url", s3.endpoint)
    assert missing.returncode == 66 and f"{prefix}none.mp4: no such object" in missing.stderr


def test_s3_without_a_scratch_says_what_is_needed(place: Place) -> None:
    done = place.run("run", "s3://bucket/in.mp4", "s3://bucket/out.mp4", *PASSTHROUGH)
    assert done.returncode == 64 and "--scratch" in done.stderr
