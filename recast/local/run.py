"""The stages of a job, one after another as child processes, each again where it fails for a while."""

import math
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from recast import exitcodes, names
from recast.fanout import segments_per_process
from recast.layout import RunLayout
from recast.local.child import StageChild, StageFailed
from recast.local.kept import job_name
from recast.manifest import OutputRecord
from recast.media.presets import needs_nvenc
from recast.modelstore import CACHE_VARIABLE, default_cache
from recast.process.stopping import signals_held_back
from recast.process.temporary import temporary_folder
from recast.spec import JobSpec
from recast.stage import StageInput, StageResult
from recast.storage.s3client import SAY_SECONDS
from recast.storageconfig import make_storage

NAMESPACE = "local"
PRECHECK = ("-m", "segment_worker.precheck")
SPLIT = ("-m", "controller.stages.split")
NORMALISE = ("-m", "controller.stages.normalise")
SWAP = ("-m", "segment_worker")
MUX = ("-m", "controller.stages.mux")

STOP_SECONDS = 10.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: precheck, split, normalise, swap or mux.
        frames, total: frames done, and in all; 0 while not known.
        segments: in all.
        done: segments that an earlier run has left done; told once, where there are some.
        note: a sentence for people, told once; then nothing else is told.
        waits: what the precheck is doing, in words, while all waits for it.
    """

    stage: str
    frames: int = 0
    total: int = 0
    segments: int = 0
    done: int = 0
    note: str = ""
    waits: str = ""


@dataclass
class RunReport:
    """What a run did, for `--report`."""

    run: str
    segments: int
    record: OutputRecord
    seconds: float
    stages: dict[str, list[StageResult]] = field(default_factory=dict)


@dataclass
class _Task:
    """A stage, or a worker's share of it: done by one child after another, until one does not fail."""

    stage: str
    start: Callable[[], StageChild]
    tries: int = 0
    result: StageResult = field(default_factory=StageResult)


def is_prechecked(spec: JobSpec) -> bool:
    """Whether there is something that only a worker can tell, and that is known before the source is cut."""
    return bool(precheck_words(spec))


def precheck_words(spec: JobSpec) -> str:
    """What the precheck does, for people; empty where it is not needed."""
    engine = spec.engine
    words = ["trying NVENC"] if needs_nvenc(spec.video) else []
    if engine.name != "Passthrough":
        words.append("looking at the photos")
    if engine.name == "InSwapper":
        builds = " (TensorRT builds its engines the first time, for minutes)" if engine.provider == "TensorRt" else ""
        words.append(f"starting the models{builds}")
    return ", ".join(words)


def pause_before(tries: int) -> float:
    """Seconds before the next try, after so many: each pause is twice the last, up to half a minute.

    >>> [pause_before(tries) for tries in (1, 2, 3, 9)]
    [1.0, 2.0, 4.0, 30.0]
    """
    return min(30.0, 0.5 * 2.0**tries)


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
        self._children: set[StageChild] = set()
        self._told_at = float("-inf")
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
            self._progress(Progress("split"))
            split = self._split(scratch)
            run, frames, segments = split.run or "", split.frames or 0, split.segments or 0
            if split.output is None:
                if self._spec.segments.normalise:
                    task = _Task("normalise", partial(self._start, NORMALISE, scratch, run, 1))
                    self._finish([task], Progress("normalise", 0, frames, segments))
                self._progress(Progress("swap", 0, frames, segments, done=self._left_done(run)))
                self._swap(scratch, run, frames, segments)
                self._progress(Progress("mux", frames, frames, segments))
                self._finish([_Task("mux", partial(self._start, MUX, scratch, run, 1))])
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

    def _split(self, folder: Path) -> StageResult:
        """Split, and beside it the precheck, which seldom takes as long: what either refuses ends both."""
        split = _Task("split", partial(self._start, SPLIT, folder, None, 1))
        precheck = _Task("precheck", partial(self._start, PRECHECK, folder, None, 1))
        self._finish([precheck, split] if is_prechecked(self._spec) else [split], at_once=2)
        return split.result

    def _swap(self, folder: Path, run: str, frames: int, segments: int) -> None:
        per_worker = segments_per_process(segments, self._workers)
        tasks = [
            _Task("swap", partial(self._start, SWAP, folder, run, per_worker, index=index))
            for index in range(math.ceil(segments / per_worker))
        ]
        self._finish(tasks, Progress("swap", 0, frames, segments), at_once=self._workers)

    def _finish(self, tasks: Sequence[_Task], progress: Progress | None = None, at_once: int = 1) -> None:
        """Have tasks done; while one waits for its next try, the others go on.

        Args:
            tasks: what is to be done.
            progress: told again and again, with the frames that are done.
            at_once: how many children there are at most.
        """
        waiting, later = deque(tasks), list[tuple[float, _Task]]()
        running: list[tuple[_Task, StageChild]] = []
        done: dict[int, int] = {}
        while waiting or running or later:
            now = time.monotonic()
            waiting.extendleft(task for due, task in later if due <= now)
            later = [(due, task) for due, task in later if due > now]
            while waiting and len(running) < at_once:
                task = waiting.popleft()
                running.append((task, task.start()))
            for task, child in tuple(running):
                result = child.poll()
                done.update(child.frames)
                self._tell_of_storage(task.stage, child)
                if result is None:
                    continue
                running.remove((task, child))
                self._children.discard(child)
                if result.code == exitcodes.OK:
                    self._note(task, child, result)
                else:
                    task.tries += 1
                    later.append((time.monotonic() + self._pause_or_give_up(task.stage, result, task.tries), task))
            if {task.stage for task, _ in running} == {"precheck"} and not later:
                self._progress(Progress("precheck", waits=precheck_words(self._spec)))
            if progress is not None:
                self._progress(replace(progress, frames=sum(done.values())))
            time.sleep(POLL_SECONDS)

    def _tell_of_storage(self, stage: str, child: StageChild) -> None:
        """Say that a stage asks its store again, once for all that do so at a time."""
        if child.asked_again and time.monotonic() - self._told_at >= SAY_SECONDS:
            self._told_at = time.monotonic()
            self._progress(Progress(stage, note=f"{stage}: {child.asked_again.pop()}"))

    def _note(self, task: _Task, child: StageChild, result: StageResult) -> None:
        # Workers say once more what the precheck has said.
        for notice in child.notices if task.stage == "precheck" else ():
            self._progress(Progress(task.stage, note=f"warning: {notice}"))
        task.result = result
        self._stages[task.stage].append(result)

    def _pause_or_give_up(self, stage: str, result: StageResult, tries: int) -> float:
        """Seconds until another try, which is told of.

        Raises:
            StageFailed: there is none: the error is permanent, or it was the last one; and a full disk is not emptied
                by waiting.
            RecastError: as `before_retry`.
        """
        given_up = result.code not in exitcodes.RETRIED or result.reason == names.DISK_FULL
        if given_up or tries > self._spec.segments.retries:
            raise StageFailed(stage, result)
        if result.code == exitcodes.STORAGE_UNAVAILABLE:
            self._before_retry()
        pause = pause_before(tries)
        often = f"{tries} of {self._spec.segments.retries}"
        self._progress(Progress(stage, note=f"{stage} failed: {result.message}: next try in {pause:.0f} s, {often}"))
        return pause

    def _start(
        self, command: tuple[str, ...], folder: Path, run: str | None, per_worker: int, *, index: int | None = None
    ) -> StageChild:
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
            child = StageChild([sys.executable, *command], environment, message, self._log)
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
