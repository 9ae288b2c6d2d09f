"""Folders of temporary files: whose run goes on is never taken for dead."""

import fcntl
import tempfile
from pathlib import Path

import pytest

from recast.process.temporary import abandoned_folders, temporary_folder


def test_a_folder_is_not_taken_for_abandoned_while_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[Path]] = []
    flock = fcntl.flock

    def looked_at_just_before(file: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        found.append(list(abandoned_folders()))
        flock(file, operation)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(fcntl, "flock", looked_at_just_before)
    with temporary_folder():
        found.append(list(abandoned_folders()))
    assert found == [[], []] and not list(tmp_path.iterdir())
