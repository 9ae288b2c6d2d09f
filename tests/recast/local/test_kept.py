"""Runs that are kept: their names, their folders, and after which ends."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from recast import exitcodes
from recast.errors import BadConfig, Transient
from recast.local import kept
from recast.local.kept import (
    KEEP_AFTER,
    is_in_use,
    is_kept_after,
    job_name,
    make_runs_folder,
    remove_run,
    run_folder,
    runs_folder,
)
from tests.recast.local.builders import spec


def test_a_jobs_name_stays_the_same_from_release_to_release() -> None:
    # Kept stores are found by it.
    assert job_name(spec()) == job_name(spec())
    assert len(job_name(spec())) == 12 and int(job_name(spec()), 16) >= 0


@pytest.mark.parametrize(
    "changes",
    [
        {"storage": {"scratch": "s3://elsewhere/x", "endpoint": "http://127.0.0.1:1"}},
        {"segments": {"maxParallelism": 3}},
        {"video": {"codec": "Auto", "quality": 18}},
    ],
    ids=["where it is stored", "how many workers", "a default written out"],
)
def test_a_jobs_name_does_not_change_with(changes: dict[str, Any]) -> None:
    assert job_name(spec(**changes)) == job_name(spec())


@pytest.mark.parametrize(
    "changes",
    [
        {"source": {"uri": "file:///in/c.mov"}},
        {"output": {"uri": "file:///out/c.mp4"}},
        {"output": {"uri": "file:///out/b.mp4", "dropTracks": ["data"]}},
        {"faces": [{"source": ["file:///faces/bob.png"]}]},
        {"faces": [{"source": ["file:///faces/ada.png"], "target": {"select": "All"}}]},
        {"engine": {"name": "Passthrough"}},
        {"video": {"quality": 19}},
        {"audio": {"codec": "Aac"}},
        {"segments": {"targetSeconds": 5}},
        {"consent": {"reference": "REL-2"}},
    ],
    ids=str,
)
def test_a_jobs_name_changes_with(changes: dict[str, Any]) -> None:
    assert job_name(spec(**changes)) != job_name(spec())


@pytest.mark.parametrize("code", sorted(exitcodes.RETRIED | {exitcodes.INTERRUPTED, exitcodes.TERMINATED}))
def test_what_is_done_is_kept_after_an_end_that_another_try_may_better(code: int) -> None:
    assert code in KEEP_AFTER


@pytest.mark.parametrize("code", sorted(exitcodes.NEVER_RETRIED | {exitcodes.OK}))
def test_nothing_is_kept_after_an_end_that_is_final(code: int) -> None:
    assert code not in KEEP_AFTER


@pytest.mark.parametrize(
    ("code", "stage", "kept"),
    [
        (78, "mux", True), (66, "mux", True), (65, "mux", False), (64, "", False), (78, "", False),
        (78, "split", False), (66, "split", False), (78, "swap", False), (75, "split", True), (130, "", True),
    ],
)  # fmt: skip
def test_all_frames_that_are_done_are_kept_where_the_output_or_the_source_went_away(
    code: int, stage: str, kept: bool
) -> None:
    assert is_kept_after(code, stage) is kept


def test_runs_are_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert runs_folder() == Path("/elsewhere/recast/runs")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ada")
    assert runs_folder() == Path("/home/ada/.cache/recast/runs")


@pytest.mark.parametrize("cache", ["/proc/none", "/dev/null"])
def test_a_cache_folder_that_cannot_be_made_is_named_with_what_moves_it(
    cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    with pytest.raises(BadConfig, match=rf"^{cache}/recast/runs: .*XDG_CACHE_HOME"):
        make_runs_folder()


def test_a_cache_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert make_runs_folder() == tmp_path / "recast" / "runs"
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(BadConfig, match="XDG_CACHE_HOME"):
        make_runs_folder()


def test_a_run_that_goes_on_is_not_removed_wherever_its_scratch_is(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with run_folder(spec(), folder):
        with run_folder(spec(), folder):
            pass
        assert is_in_use(folder)
        remove_run(folder)
        assert folder.exists()
    assert not is_in_use(folder)
    remove_run(folder)
    assert not folder.exists()
    remove_run(folder)


def test_a_run_whose_folder_has_no_room_names_that_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Transient, match=rf"^{tmp_path}/run: its disk is full"), run_folder(spec(), tmp_path / "run"):
        pass


def test_the_stores_credentials_are_in_the_environment_only_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "1")
    before = dict(os.environ)
    with pytest.raises(ZeroDivisionError), kept._environment({"AWS_ACCESS_KEY_ID": "k"}):
        assert dict(os.environ) == {"AWS_ACCESS_KEY_ID": "k"}
        raise ZeroDivisionError
    assert dict(os.environ) == before
