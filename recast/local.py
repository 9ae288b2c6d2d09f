"""A whole job on this machine: the stages' own commands as child processes, on an embedded S3 server.

    recast run -> EmbeddedStore
               -> python -m segment_worker.precheck    (where there are photos, or NVENC must be there)
               -> python -m controller.stages.split
               -> python -m controller.stages.normalise   (where the job asks for it)
               -> python -m segment_worker      (several at once, one JOB_COMPLETION_INDEX each)
               -> python -m controller.stages.mux

The store's folder is keyed by the job, and kept when the run is cut short, so that the same command goes on
where it stopped.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from recast import exitcodes, names
from recast.errors import BadConfig, RecastError, StorageUnavailable
from recast.fanout import segments_per_process
from recast.layout import RunLayout, canonical_json, sha256_hex
from recast.manifest import OutputRecord
from recast.media.presets import needs_nvenc
from recast.modelstore import CACHE_VARIABLE, default_cache
from recast.process.children import spawn
from recast.process.exhausted import raise_if_exhausted
from recast.process.stopping import signals_held_back
from recast.process.temporary import temporary_folder
from recast.spec import JobSpec
from recast.stage import NOTICE, StageInput, StageResult, result_in_log
from recast.storage.embedded import EmbeddedStore
from recast.storageconfig import make_storage

NAMESPACE = "local"
PRECHECK = ("-m", "segment_worker.precheck")
SPLIT = ("-m", "controller.stages.split")
NORMALISE = ("-m", "controller.stages.normalise")
SWAP = ("-m", "segment_worker")
MUX = ("-m", "controller.stages.mux")

STOP_SECONDS = 10.0
POLL_SECONDS = 0.05
KEEP_AFTER = exitcodes.RETRIED | {exitcodes.INTERRUPTED, exitcodes.TERMINATED}
"""Codes after which the embedded store is kept, for the same command to go on from."""


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: precheck, split, normalise, swap or mux.
        frames, total: frames done, and in all; 0 while not known.
        segments: in all.
        done: segments that an earlier run has left done; told once, where there are some.
        note: a sentence for people, told once; then nothing else is told.
    """

    stage: str
    frames: int = 0
    total: int = 0
    segments: int = 0
    done: int = 0
    note: str = ""


class StageFailed(RecastError):
    """A stage ended with an error that is final for this run; it carries the stage's own words and code."""

    def __init__(self, result: StageResult) -> None:
        super().__init__(result.message, reason=result.reason)
        self.result = result
        self.exit_code = result.code


@dataclass
class RunReport:
    """What a run did, for `--report`."""

    run: str
    segments: int
    record: OutputRecord
    seconds: float
    stages: dict[str, list[StageResult]] = field(default_factory=dict)


def job_name(spec: JobSpec) -> str:
    """A name for the job, the same for the same command: all of the spec but where it is stored."""
    wanted = spec.model_dump(mode="json", exclude={"storage": {"endpoint", "scratch"}, "segments": {"max_parallelism"}})
    return sha256_hex(canonical_json(wanted))[:12]


def is_prechecked(spec: JobSpec) -> bool:
    """Whether there is something that only a worker can tell, and that is known before the source is read."""
    video = spec.video
    return spec.engine.name != "Passthrough" or needs_nvenc(video.codec, video.encoder, video.preset)


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


def pause_before(tries: int) -> float:
    """Seconds before the next try, after so many: each pause is twice the last, up to half a minute.

    >>> [pause_before(tries) for tries in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return min(30.0, 0.5 * 2.0**tries)


@contextlib.contextmanager
def embedded_job(spec: JobSpec, folder: Path) -> Iterator[tuple[JobSpec, Callable[[], None]]]:
    """An embedded store for the job; credentials go into this process' environment.

    Gives the spec that names it, and what raises Transient where the store's disk is full.

    Raises:
        Transient: what failed in the block did so because the store's disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "job.json").write_text(json.dumps({"source": spec.source.uri, "output": spec.output.uri}))
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


class LocalRun:
    """Runs the stages of one job.

    Args:
        spec: the job.
        workers: worker processes at once.
        log: where their log lines go.
        progress: told how far it is.
        before_retry: raises where the store failed for something that time does not mend.
    """

    def __init__(
        self,
        spec: JobSpec,
        *,
        workers: int,
        log: Path,
        progress: Callable[[Progress], None],
        before_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self._spec, self._workers, self._progress = spec, workers, progress
        self._name = job_name(spec)
        self._log, self._before_retry = log, before_retry
        self._children: set[_Child] = set()
        self._stages: dict[str, list[StageResult]] = {
            "precheck": [],
            "split": [],
            "normalise": [],
            "swap": [],
            "mux": [],
        }

    def run(self) -> RunReport:
        """Run all stages.

        Raises:
            StageFailed: one failed for good.
        """
        started = time.monotonic()
        with temporary_folder() as scratch, ExitStack() as stack:
            stack.callback(self._stop_children)
            if is_prechecked(self._spec):
                self._progress(Progress("precheck"))
                self._until_done("precheck", lambda: self._start(PRECHECK, scratch, None, 1))
            self._progress(Progress("split"))
            split = self._until_done("split", lambda: self._start(SPLIT, scratch, None, 1))
            run, frames, segments = split.run or "", split.frames or 0, split.segments or 0
            if split.output is None:
                if self._spec.segments.normalise:
                    start = partial(self._start, NORMALISE, scratch, run, 1)
                    self._until_done("normalise", start, Progress("normalise", 0, frames, segments))
                self._progress(Progress("swap", 0, frames, segments, done=self._left_done(run)))
                self._swap(scratch, run, frames, segments)
                self._progress(Progress("mux", frames, frames, segments))
                self._until_done("mux", lambda: self._start(MUX, scratch, run, 1))
        record = make_storage(self._spec).get(self._layout(run).output_record)
        return RunReport(
            run=run,
            segments=segments,
            record=OutputRecord.model_validate_json(record),
            seconds=time.monotonic() - started,
            stages=self._stages,
        )

    def _layout(self, run: str) -> RunLayout:
        return RunLayout.of(scratch=self._spec.storage.scratch, namespace=NAMESPACE, name=self._name, run=run)

    def _left_done(self, run: str) -> int:
        """How many segments have a part already; of one made by another encoder the part is not used."""
        folder = self._layout(run).parts_folder
        parts = [info.uri for info in make_storage(self._spec).list(folder) if info.uri.endswith(".mkv")]
        return len({uri.removeprefix(folder).partition("-")[0] for uri in parts})

    def _swap(self, folder: Path, run: str, frames: int, segments: int) -> None:
        per_worker = segments_per_process(segments, self._workers)
        waiting = list(reversed(range(math.ceil(segments / per_worker))))
        tries: dict[int, int] = {}
        later: dict[int, float] = {}
        done: dict[int, int] = {}
        running: dict[int, _Child] = {}
        while waiting or running or later:
            for index in [index for index, due in later.items() if due <= time.monotonic()]:
                del later[index]
                waiting.append(index)
            while waiting and len(running) < self._workers:
                index = waiting.pop()
                running[index] = self._start(SWAP, folder, run, per_worker, index=index)
            for index, child in list(running.items()):
                done.update(child.frames)
                result = child.poll()
                if result is None:
                    continue
                del running[index]
                self._children.discard(child)
                done.update(child.frames)
                if result.code == exitcodes.OK:
                    self._stages["swap"].append(result)
                    continue
                tries[index] = tries.get(index, 0) + 1
                # The others go on meanwhile.
                later[index] = time.monotonic() + self._pause_or_give_up("swap", result, tries[index])
            self._progress(Progress("swap", sum(done.values()), frames, segments))
            time.sleep(POLL_SECONDS)

    def _until_done(self, stage: str, start: "Callable[[], _Child]", progress: Progress | None = None) -> StageResult:
        tries = 0
        while True:
            child = start()
            while (result := child.poll()) is None:
                if progress is not None:
                    self._progress(replace(progress, frames=sum(child.frames.values())))
                time.sleep(POLL_SECONDS)
            self._children.discard(child)
            if result.code == exitcodes.OK:
                for notice in child.notices:
                    self._progress(Progress(stage, note=f"warning: {notice}"))
                self._stages[stage].append(result)
                return result
            tries += 1
            time.sleep(self._pause_or_give_up(stage, result, tries))

    def _pause_or_give_up(self, stage: str, result: StageResult, tries: int) -> float:
        """Seconds until another try, which is told of.

        Raises:
            StageFailed: there is none: the error is permanent, or it was the last one.
            RecastError: as `before_retry`.
        """
        if result.code not in exitcodes.RETRIED or tries > self._spec.segments.retries:
            raise StageFailed(result)
        if result.code == exitcodes.STORAGE_UNAVAILABLE:
            self._before_retry()
        pause = pause_before(tries)
        often = f"{tries} of {self._spec.segments.retries}"
        self._progress(Progress(stage, note=f"{stage} failed: {result.message}: next try in {pause:.0f} s, {often}"))
        return pause

    def _start(
        self, command: tuple[str, ...], folder: Path, run: str | None, per_worker: int, *, index: int | None = None
    ) -> "_Child":
        job = StageInput(
            namespace=NAMESPACE,
            name=self._name,
            uid=self._name,
            run=run,
            spec=self._spec,
            segments_per_pod=per_worker,
        )
        message = folder / f"termination-{time.monotonic_ns()}.json"
        environment = dict(os.environ) | {
            "RECAST_STAGE": job.model_dump_json(by_alias=True),
            "RECAST_TERMINATION_LOG": str(message),
            # A stage that is killed cannot remove its own.
            "TMPDIR": str(folder),
        }
        environment.setdefault(CACHE_VARIABLE, str(default_cache()))
        if index is not None:
            environment["JOB_COMPLETION_INDEX"] = str(index)
        with signals_held_back():
            child = _Child([sys.executable, *command], environment, message, self._log)
            self._children.add(child)
        return child

    def _stop_children(self) -> None:
        """Ask them to stop, then make them."""
        for child in self._children:
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


class _Child:
    """A stage process: its log is read for progress and kept in a file."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], message: Path, log: Path) -> None:
        self.frames: dict[int, int] = {}
        self.notices: list[str] = []
        self._message, self._log = message, log
        self._logged: StageResult | None = None
        # Ctrl-C reaches this process only; it stops its stages itself.
        self.process = spawn(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, own_group=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def poll(self) -> StageResult | None:
        """The stage's result, once it has ended."""
        status = self.process.poll()
        if status is None:
            return None
        self._reader.join(timeout=5)
        result = self._left() or self._logged
        return result if result is not None and result.code == status else _died(status, self._log)

    def _left(self) -> StageResult | None:
        try:
            return StageResult(**json.loads(self._message.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self._log.open("ab", buffering=0) as log, self.process.stderr as lines:
            for line in lines:
                # A stage stands still where nobody reads what it says: also where the log's disk is full.
                with contextlib.suppress(OSError):
                    log.write(line)
                with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                    self._take(json.loads(line))

    def _take(self, line: Mapping[str, Any]) -> None:
        self._logged = result_in_log(line) or self._logged
        if line["message"] == "progress":
            self.frames[line["segment"]] = line["frames"]
        elif line["message"] == NOTICE:
            self.notices.append(line["detail"])


def _died(status: int, log: Path) -> StageResult:
    """What to say of a stage that could not say it itself."""
    if status < 0:
        message = f"a stage was killed by {signal.Signals(-status).name}"
        return StageResult(code=exitcodes.TRY_AGAIN, reason=names.TRY_AGAIN, message=message)
    message = f"a stage ended with status {status} and said nothing: see {log}"
    return StageResult(code=exitcodes.BUG, reason=names.INTERNAL_ERROR, message=message)


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
    """Whether a run is using this folder's store."""
    try:
        with (folder / "store" / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def remove_run(folder: Path) -> None:
    """Remove a kept store, unless a run is using it.

    Raises:
        StorageUnavailable: it cannot be removed.
    """
    if not folder.exists() or is_in_use(folder):
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise StorageUnavailable(f"{folder}: cannot be removed: {error}") from error
