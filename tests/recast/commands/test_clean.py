"""`recast clean`: what interrupted and killed runs left, and nothing else."""

import json
import os
import re
import tempfile
import time
from pathlib import Path

import pytest

from recast.cli import main
from recast.process.lock import LOCK
from recast.process.temporary import PREFIX, temporary_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TMPDIR; the cache folder is beside it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def kept_run(place: Path, source: Path, hours: float) -> Path:
    run = place / "cache" / "recast" / "runs" / "0123"
    run.mkdir(parents=True)
    (run / "job.json").write_text(json.dumps({"source": f"file://{source}", "output": "s3://out/b.mp4"}))
    (run / "data").write_bytes(bytes(2_000))
    then = time.time() - 3600 * hours
    for path in (run / "job.json", run / "data", run):
        os.utime(path, (then, then))
    return run


def test_a_kept_run_is_named_with_its_age_and_whether_its_source_is_gone(
    temporary: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "a.mp4"
    source.write_bytes(b"video")
    run = kept_run(tmp_path, source, 75)
    assert main(["clean", "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{run}: {source} to s3://out/b.mp4, 2.1 kB, 3d3h old: would be removed\n"
    source.unlink()
    assert run.exists() and main(["clean"]) == 0
    assert capsys.readouterr().out.startswith(f"{run}: {source} (which is gone) to s3://out/b.mp4, 2.1 kB, 3d3h old: ")
    assert not run.exists() and main(["clean"]) == 0
    assert capsys.readouterr().out == f"{run.parent}: nothing to remove\n"


def test_temporary_files_of_killed_runs_are_removed_and_of_no_others(
    temporary: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead, other = temporary / f"{PREFIX}dead", temporary / f"{PREFIX}other"
    for folder in (dead, other):
        folder.mkdir()
        (folder / "packets.mkv").write_bytes(bytes(3_000))
    (dead / LOCK).touch()
    with temporary_folder() as alive:
        assert main(["clean", "--dry-run"]) == 0 and dead.exists()
        assert main(["clean"]) == 0
        assert sorted(temporary.iterdir()) == sorted([alive, other])
    said = [re.sub(r"\d+s old", "N old", line) for line in capsys.readouterr().out.splitlines()]
    what = f"{dead}: temporary files of a run that was killed, 3.0 kB, N old"
    assert said == [f"{what}: would be removed", f"{what}: removed"]
