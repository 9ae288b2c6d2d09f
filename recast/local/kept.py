"""The folders of runs, each keyed by its job, so that the same command goes on where it was cut short."""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from recast import exitcodes
from recast.errors import BadConfig, StorageUnavailable
from recast.layout import canonical_json, sha256_hex
from recast.local.child import StageFailed
from recast.process.exhausted import raise_if_exhausted
from recast.process.lock import claimed, held
from recast.spec import JobSpec
from recast.storage.embedded import EmbeddedStore

JOB = "job.json"
KEEP_AFTER = exitcodes.RETRIED | {exitcodes.INTERRUPTED, exitcodes.TERMINATED}
"""Codes after which the embedded store is kept, for the same command to go on from."""
MENDED_OUTSIDE = frozenset({exitcodes.NOT_FOUND, exitcodes.BAD_CONFIG})
"""Codes after which it is kept, too, where all frames are done: the output's folder or the source went away."""


def job_name(spec: JobSpec) -> str:
    """A name for the job, the same for the same command: all of the spec but where it is stored."""
    wanted = spec.model_dump(mode="json", exclude={"storage": {"endpoint", "scratch"}, "segments": {"max_parallelism"}})
    return sha256_hex(canonical_json(wanted))[:12]


def is_kept_after(code: int, stage: str) -> bool:
    """Whether the same command may go on from what a run has done.

    Args:
        code: the run's exit code.
        stage: the stage that failed; empty where none did.
    """
    return code in KEEP_AFTER or (stage == "mux" and code in MENDED_OUTSIDE)


def runs_folder() -> Path:
    """Where embedded stores are kept: the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "recast" / "runs"


def make_runs_folder() -> Path:
    """Make sure that runs can be kept.

    Raises:
        BadConfig: the cache folder cannot be written to.
    """
    folder = runs_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise_if_exhausted(error, str(folder))
        why = error.strerror or str(error)
    else:
        why = "" if os.access(folder, os.W_OK | os.X_OK) else os.strerror(errno.EACCES)
    if why:
        cure = "make it writable, or name another cache folder by XDG_CACHE_HOME"
        raise BadConfig(f"{folder}: runs cannot be kept there: {why}: {cure}")
    return folder


@contextlib.contextmanager
def run_folder(spec: JobSpec, folder: Path) -> Iterator[None]:
    """Make a run's folder, which says whose it is; while the block goes on, nobody removes it.

    Runs of the same command may share it.

    Raises:
        Transient: its disk is full.
    """
    job = {"source": spec.source.uri, "output": spec.output.uri}
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(held(folder))
            (folder / JOB).write_text(json.dumps(job))
        except OSError as error:
            raise_if_exhausted(error, str(folder))
            raise
        yield


@contextlib.contextmanager
def embedded_job(spec: JobSpec, folder: Path) -> Iterator[tuple[JobSpec, Callable[[], None]]]:
    """An embedded store for the job; credentials go into this process' environment.

    Gives the spec that names it, and what raises Transient where the store's disk is full.

    Raises:
        Transient: what failed in the block did so because the store's disk is full.
    """
    with EmbeddedStore(folder / "store") as store:
        # The whole store is removed in the end.
        own = {"endpoint": store.endpoint, "scratch": f"s3://{store.bucket}/runs", "retain": "Always"}
        storage = spec.storage.model_copy(update=own)
        try:
            with _environment(store.environment(base=os.environ)):
                yield spec.model_copy(update={"storage": storage}), store.raise_if_full
        except (StorageUnavailable, StageFailed):
            store.raise_if_full()
            raise


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Let this process and its children reach the store."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def is_in_use(folder: Path) -> bool:
    """Whether a run is using this folder."""
    try:
        with claimed(folder) as free:
            return not free
    except FileNotFoundError:
        return False


def remove_run(folder: Path) -> None:
    """Remove a run's folder, unless a run is using it.

    Raises:
        StorageUnavailable: it cannot be removed.
    """
    if not folder.exists():
        return
    try:
        with claimed(folder) as free:
            if free:
                remove_folder(folder)
    except FileNotFoundError:
        # Without a lock nobody uses it.
        remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder with all that is in it.

    Raises:
        StorageUnavailable: it cannot be removed.
    """
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageUnavailable(f"{folder}: cannot be removed: {error}") from error
