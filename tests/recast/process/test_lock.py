"""A folder's lock: several use it together, one may claim it alone, and nobody is left with a removed one."""

import fcntl
import shutil
from pathlib import Path

import pytest

from recast.process.lock import LOCK, claimed, held


def test_several_may_use_a_folder_and_then_nobody_gets_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "a"
    with held(folder):
        with held(folder), claimed(folder) as free:
            assert not free
        with claimed(folder) as free:
            assert not free
    with claimed(folder) as free:
        assert free


def test_a_folder_that_was_never_used_has_nothing_to_claim(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claimed(tmp_path):
        pass


def test_one_that_is_removed_in_the_moment_in_which_its_use_begins_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, flock, taken = tmp_path / "a", fcntl.flock, []

    def removed_just_before(file: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        with claimed(folder) as free:
            taken.append(free)
            shutil.rmtree(folder)
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", removed_just_before)
    with held(folder):
        assert taken == [True] and (folder / LOCK).exists()
        with claimed(folder) as free:
            assert not free
