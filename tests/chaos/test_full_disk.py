"""A full disk under any stage: a clear error that names it, nothing at the output, and with room the same bytes."""

import os
from pathlib import Path
from typing import Any

import pytest

from recast import exitcodes, names
from recast.stage import StageInput
from recast.storage.embedded import EmbeddedStore
from tests import clips
from tests.chaos.disks import more_room, small_disk
from tests.chaos.processes import Fork, begin
from tests.cli.place import Place
from tests.jobs import job, run_job

ROOM_KIB = 1 << 16


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three segments of half a megabyte, whatever encodes them."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    noise = "nullsrc=size=320x240:rate=25:duration=1.2,format=yuv420p,noise=alls=100:allf=t"
    clips.ffmpeg("-f", "lavfi", "-i", noise, *clips.x264("keyint=10:min-keyint=10"), path)
    return path


@pytest.fixture(scope="module")
def undisturbed(s3: EmbeddedStore, noise: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The output where there is room."""
    path = tmp_path_factory.mktemp("undisturbed") / "out.mp4"
    run_job(job(s3, noise, path, seconds=0.4))
    return path.read_bytes()


def run(pod: str, asked: StageInput, disk: Path, folder: Path) -> tuple[int, dict[str, Any]]:
    return begin(Fork, pod, asked, {**os.environ, "TMPDIR": str(disk)}, folder).end()


def test_each_stage_says_which_disk_is_full_and_goes_on_when_there_is_room(
    s3: EmbeddedStore, noise: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.mp4"
    asked = job(s3, noise, output, seconds=0.4).model_copy(update={"segments_per_pod": 3})
    for pod, sizes in (("split", [64]), ("swap-0", [64, 1500]), ("mux", [64, 6000])):
        with small_disk(tmp_path / pod, sizes[0]) as disk:
            for kib in sizes:
                more_room(disk, kib)
                code, said = run(pod, asked, disk, tmp_path)
                assert (code, said["reason"]) == (exitcodes.TRY_AGAIN, names.DISK_FULL), said
                assert said["message"].startswith(str(disk)) and "disk is full" in said["message"]
                assert list(disk.iterdir()) == [] and not output.exists()
            more_room(disk, ROOM_KIB)
            code, said = run(pod, asked, disk, tmp_path)
            assert code == exitcodes.OK, said
        asked = asked.model_copy(update={"run": said["run"]}) if pod == "split" else asked
    assert output.read_bytes() == undisturbed


def test_a_full_disk_at_the_output_leaves_nothing_there(
    s3: EmbeddedStore, noise: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "out", 1000) as disk:
        asked = job(s3, noise, disk / "out.mp4", seconds=0.4)
        with pytest.raises(Exception, match=f"{disk}/out.mp4: its disk is full") as raised:
            run_job(asked)
        assert getattr(raised.value, "reason", None) == names.DISK_FULL
        assert list(disk.iterdir()) == []
        more_room(disk, ROOM_KIB)
        run_job(asked)
        assert (disk / "out.mp4").read_bytes() == undisturbed


def test_the_local_stores_full_disk_is_named_and_the_same_command_goes_on(
    noise: Path, undisturbed: bytes, tmp_path: Path
) -> None:
    for name in ("out", "tmp"):
        (tmp_path / name).mkdir()
    place = Place(tmp_path)
    command = ("run", noise, place.out / "out.mp4", "--engine", "passthrough", "--segment-seconds", "0.4")
    lossless = ("--quality", "lossless", "--preset", "ultrafast")
    with small_disk(tmp_path / "cache", 4000) as disk:
        done = place.run(*command, *lossless)
        assert done.returncode == exitcodes.TRY_AGAIN, done.stderr
        assert f"recast: {disk}/" in done.stderr and "disk is full" in done.stderr
        assert "same command again" in done.stderr
        assert list(place.out.iterdir()) == []
        more_room(disk, ROOM_KIB)
        done = place.run(*command, *lossless)
        assert done.returncode == exitcodes.OK, done.stderr
        assert (place.out / "out.mp4").read_bytes() == undisturbed
        assert place.runs() == []
