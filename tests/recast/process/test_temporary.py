"""Folders of temporary files: whose run goes on is never taken for dead."""

import tempfile
from pathlib import Path

import pytest

from recast.process.temporary import PREFIX, abandoned_folders, temporary_folder


def test_only_folders_whose_run_is_gone_are_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder():
        assert list(abandoned_folders()) == []
    assert not list(tmp_path.iterdir())
    # As one is that was made in this moment.
    (tmp_path / f"{PREFIX}new").mkdir()
    assert list(abandoned_folders()) == []
    (tmp_path / f"{PREFIX}new" / "lock").touch()
    assert list(abandoned_folders()) == [tmp_path / f"{PREFIX}new"]
