"""Pure: what is seen of a FaceSwapJob in, what to do about it and its status out.

    split -> [normalise] -> swap -> mux, each a Job; a suspended, overdue or deleted FaceSwapJob stops them

Level-triggered: nothing is remembered but what stands in the status, and every answer may be given twice.
"""

from datetime import datetime, timedelta
from typing import Any

from controller.planning.actions import CreateJob, DeleteJob, Event, Plan, ScaleJob, SetFinalizer, SuspendJob
from controller.planning.conditions import without_condition
from controller.planning.culprit import culprit, last_words
from controller.planning.deadline import worked
from controller.planning.draft import Draft
from controller.planning.ending import LOOK_AGAIN_SECONDS, pinned, plan_deletion, plan_finished
from controller.planning.objects import PodSettings, make_job, swap_parallelism
from controller.planning.observed import Observed, Pod, StageJob, notices_of
from controller.planning.progress import with_swap_progress
from controller.planning.specs import spec_of, unknown_fields
from controller.planning.stuck import (
    EVICTED_CURE,
    HOPELESS_EVICTIONS,
    Stuck,
    find_held,
    find_overfilled,
    find_stuck,
    hopeless_evictions,
    overfilled_words,
)
from recast import exitcodes, names
from recast.kube import names as kube
from recast.spec import JobSpec
from recast.stage import StageResult
from recast.status import BadFramesStatus, ContentCheckStatus, FrameCounts, OutputStatus, Phase, SegmentCounts
from recast.wording import counted

PHASES: dict[str, Phase] = {
    kube.SPLIT: "Splitting",
    kube.NORMALISE: "Splitting",
    kube.SWAP: "Swapping",
    kube.MUX: "Muxing",
}
SOON_SECONDS = 0.5
MOST_ATTEMPTS = 20
"""Times that a stage is done anew because its report was lost, or a part after it was committed."""


def plan(observed: Observed, settings: PodSettings, now: datetime) -> Plan:
    """Decide what to do about one FaceSwapJob.

    Args:
        observed: the FaceSwapJob, its Jobs and pods.
        settings: images and other defaults of the administrator.
        now: the time, with its zone.
    """
    resource = observed.resource
    if resource.deleted is not None:
        return plan_deletion(observed, settings, resource.deleted, now)
    if resource.status.completion_time is not None:
        return plan_finished(observed, settings, resource.status.completion_time, now)
    try:
        spec = spec_of(resource)
    except ValueError as error:
        return Draft(observed, now).fail(names.INVALID_SPEC, str(error), exitcodes.BAD_CONFIG)
    return _Pass(observed, spec, settings, now).run()


class _Pass(Draft):
    """One look at a job that is neither finished nor being deleted."""

    def __init__(self, observed: Observed, spec: JobSpec, settings: PodSettings, now: datetime) -> None:
        super().__init__(observed, now, deadline_seconds=spec.deadline_seconds)
        self._spec, self._settings = spec, settings
        self._resumes = False

    def run(self) -> Plan:
        spec = self._spec
        if not spec.suspend:
            self._begin()
        if self._overdue(spec) and not self._is_published():
            seconds = spec.deadline_seconds
            return self.fail(
                names.DEADLINE_EXCEEDED,
                f"not done after {seconds} s of work (spec.deadlineSeconds): finished segments are kept; "
                "apply it again with a longer deadline, or more workers",
                exitcodes.TRY_AGAIN,
            )
        if spec.suspend:
            return self._suspend()
        if spec.storage.retain == "Never" and kube.FINALIZER not in self._resource.finalizers:
            # Before the first object is written.
            self._actions.append(SetFinalizer(True))
        self._resume()
        return self._stage()

    def _begin(self) -> None:
        if self._status.start_time is None:
            if unknown := unknown_fields(self._resource):
                what = f"{', '.join(unknown)}: not known to this version of the controller, and ignored: upgrade it"
                self._events.append(Event("Warning", names.UNKNOWN_FIELDS, what))
            self._update(
                start_time=self._now.replace(microsecond=0),
                images=self._settings.images,
                content_check=ContentCheckStatus(state="Pending" if self._spec.content_check else "Off"),
            )

    def _overdue(self, spec: JobSpec) -> bool:
        return worked(self._status, self._now) > timedelta(seconds=spec.deadline_seconds)

    def _is_published(self) -> bool:
        """Whether mux has ended well; its report may still be unread."""
        mux = self._observed.job(kube.MUX, self._attempt(kube.MUX))
        return mux is not None and mux.complete

    # Suspending

    def _suspend(self) -> Plan:
        """Take the pods away; Kueue owns spec.suspend of its Jobs, so there the Job itself goes.

        The status says it first: a Job that is found suspended without that was so by somebody else.
        """
        self._waits = True
        self._count_what_stops()
        told = self._status.is_true(kube.SUSPENDED)
        for job in self._observed.jobs:
            if job.queue is not None and not (job.complete or job.failed_reason):
                self._next_attempt(job.stage, after=job.attempt)
            if job.live and job.queue is not None:
                self._actions.append(DeleteJob(job.name, job.uid))
            elif job.live and not job.suspended and told:
                self._actions.append(SuspendJob(job.name, True))
        if not told:
            self._events.append(Event("Normal", names.JOB_SUSPENDED, "stopped; what is done is kept"))
        self._condition(kube.SUSPENDED, "True", names.JOB_SUSPENDED, "spec.suspend is true: set it to false to go on")
        self._forget(kube.STALLED, kube.QUOTA_RESERVED)
        self._update(
            phase="Suspended",
            estimated_completion_time=None,
            segments=self._status.segments.model_copy(update={"active": 0}),
        )
        return self._plan(LOOK_AGAIN_SECONDS if told else SOON_SECONDS)

    def _resume(self) -> None:
        if self._status.is_true(kube.SUSPENDED):
            self._resumes = True
            self._condition(kube.SUSPENDED, "False", names.JOB_RESUMED, "goes on")
            self._keep_earlier(self._status.earlier.gpu_seconds)
            self._events.append(Event("Normal", names.JOB_RESUMED, "goes on"))

    # Stages

    def _stage(self) -> Plan:
        if not self._status.is_true(kube.SPLIT_COMPLETE):
            return self._work(kube.SPLIT)
        if not self._status.is_true(kube.SWAP_COMPLETE):
            if self._must_normalise():
                return self._work(kube.NORMALISE)
            return self._work(kube.SWAP)
        return self._work(kube.MUX)

    def _must_normalise(self) -> bool:
        if not self._spec.segments.normalise or self._observed.job(kube.SWAP, self._status.attempts.swap):
            return False
        job = self._observed.job(kube.NORMALISE, self._status.attempts.normalise)
        return job is None or not job.complete

    def _work(self, stage: str) -> Plan:
        self._update(phase=PHASES[stage])
        # An attempt whose status was lost with the controller that began it is gone on with.
        begun = max((job.attempt for job in self._observed.jobs if job.stage == stage), default=0)
        self._next_attempt(stage, after=begun - 1)
        job = self._observed.job(stage, self._attempt(stage))
        if job is None or job.deleting:
            return self._create(stage, gone=job is not None)
        if stage == kube.SWAP:
            pods, gone = self._observed.pods_of(job), self._observed.gone_of(job)
            self._update_from(with_swap_progress(self._status, job, pods, self._now, gone))
            self._tell_of_photos(self._observed.notices if self._observed.notices is not None else notices_of(pods))
        if job.complete:
            return self._completed(stage, job)
        if job.failed_reason is not None:
            return self._failed(stage, job)
        return self._running(stage, job)

    def _tell_of_photos(self, notices: tuple[str, ...] | None) -> None:
        """Say which photos are in doubt as soon as a worker has looked at them: much is left to be saved."""
        if notices is None or self._status.notices is not None:
            return
        self._update(notices=notices)
        self._events += [Event("Warning", names.PHOTO_IN_DOUBT, notice) for notice in notices]

    def _create(self, stage: str, *, gone: bool) -> Plan:
        if gone:
            # The name is still taken.
            self._next_attempt(stage, after=self._attempt(stage))
        attempt = self._attempt(stage)
        manifest = make_job(
            self._resource,
            self._spec,
            stage,
            attempt=attempt,
            run=self._status.run,
            segments=self._status.segments.total or 1,
            settings=pinned(self._settings, self._status),
        )
        self._actions.append(CreateJob(manifest))
        self._events.append(Event("Normal", names.STAGE_STARTED, f"{stage} as job {manifest['metadata']['name']}"))
        return self._plan(LOOK_AGAIN_SECONDS)

    def _running(self, stage: str, job: StageJob) -> Plan:
        self._own_suspension(job)
        if stage == kube.SWAP and job.queue is None:
            wanted = swap_parallelism(self._spec, job.completions)
            if job.parallelism != wanted:
                self._actions.append(ScaleJob(job.name, wanted))
        if self._observed.namespace_ends:
            message = f"namespace {self._resource.namespace} is being deleted: apply the job in another one"
            return self.fail(names.NAMESPACE_TERMINATING, message, exitcodes.BAD_CONFIG)
        pods = self._observed.pods_of(job)
        overfilled = find_overfilled(self._observed.overfilled, stage)
        if overfilled:
            return self._disk_too_small(stage, overfilled)
        hopeless = hopeless_evictions(pods)
        if hopeless:
            return self.fail(
                names.EVICTED_REPEATEDLY,
                f"pod {hopeless.name}: its work was evicted {HOPELESS_EVICTIONS} times: {EVICTED_CURE}",
                exitcodes.TRY_AGAIN,
                pod=hopeless.name,
            )
        held = self._held(job)
        if held is not None or (job.suspended and job.queue is not None):
            self._waits = True
            self._update(phase="Queued")
        self._say_stuck(held or find_stuck(job, pods, self._observed.refusals, self._now))
        return self._plan(LOOK_AGAIN_SECONDS)

    def _disk_too_small(self, stage: str, pod: Pod) -> Plan:
        message = overfilled_words(stage, pod, self._spec)
        return self.fail(names.DISK_TOO_SMALL, message, exitcodes.BAD_CONFIG, pod=pod.name)

    def _say_stuck(self, stuck: Stuck | None) -> None:
        if stuck is None:
            self._forget(kube.STALLED)
            return
        if not self._status.is_true(kube.STALLED):
            self._events.append(Event("Warning", stuck.reason, stuck.message))
        self._condition(kube.STALLED, "True", stuck.reason, stuck.message)

    def _own_suspension(self, job: StageJob) -> None:
        """Lift what was ours; what is Kueue's is shown."""
        if job.queue is None:
            if self._resumes:
                # Seen suspended or not: that may be old.
                self._actions.append(SuspendJob(job.name, False))
            return
        if job.suspended:
            message = f"job {job.name} waits for quota in queue {job.queue}: see `kubectl get localqueue {job.queue}`"
            self._condition(kube.QUOTA_RESERVED, "False", names.QUOTA_PENDING, message)
        else:
            message = f"admitted from queue {job.queue}"
            self._condition(kube.QUOTA_RESERVED, "True", names.QUOTA_ADMITTED, message)

    def _held(self, job: StageJob) -> Stuck | None:
        resumed = self._status.condition(kube.SUSPENDED)
        return find_held(job, resumed.last_transition_time if resumed else None, self._now)

    # Ends of stages

    def _completed(self, stage: str, job: StageJob) -> Plan:
        self._status = without_condition(self._status, kube.STALLED)
        if stage == kube.SWAP:
            return self._swapped()
        if stage == kube.NORMALISE:
            return self._work(kube.SWAP)
        pods = self._observed.pods_of(job)
        result = next((pod.result for pod in pods if pod.exit_code == 0 and pod.result), None)
        if result is None:
            # Its pod is gone, with what it said: run again, it finds its work done and says it at once.
            return self._again(stage, job, f"{stage}'s report was lost")
        return self._split(result) if stage == kube.SPLIT else self._muxed(result)

    def _split(self, result: StageResult) -> Plan:
        if result.content_check is not None:
            self._update(content_check=ContentCheckStatus(state="Passed", **dict(result.content_check)))
        if result.output is not None:
            self._update(run=result.run)
            return self._muxed(result)
        segments, frames = result.segments or 0, result.frames or 0
        self._update(
            run=result.run,
            segments=SegmentCounts(total=segments, succeeded=self._status.segments.succeeded),
            frames=FrameCounts(total=frames, done=self._status.frames.done),
            progress=f"{self._status.segments.succeeded}/{segments}",
        )
        message = f"{counted(segments, 'segment')}, {counted(frames, 'frame')}"
        self._condition(kube.SPLIT_COMPLETE, "True", names.STAGE_COMPLETE, message)
        self._events.append(Event("Normal", names.STAGE_COMPLETE, f"split: {message}"))
        return self._stage()

    def _swapped(self) -> Plan:
        total = self._status.segments.total
        message = "the segment is done" if total == 1 else f"all {total} segments are done"
        frames = self._status.frames.model_copy(update={"done": self._status.frames.total})
        self._update(frames=frames, estimated_completion_time=None)
        self._condition(kube.SWAP_COMPLETE, "True", names.STAGE_COMPLETE, message)
        self._events.append(Event("Normal", names.STAGE_COMPLETE, f"swap: {message}"))
        return self._stage()

    def _muxed(self, result: StageResult) -> Plan:
        output: dict[str, Any] = dict(result.output or {})
        uri = str(output.get("uri", self._spec.output.uri))
        self._update(
            phase="Succeeded",
            output=OutputStatus(uri=uri, size=output.get("size", 0), sha256=output.get("sha256", "")),
            encoder=output.get("encoder"),
            faces_swapped=output.get("facesSwapped"),
            dropped_tracks=tuple(output.get("droppedTracks", ())),
            bad_frames=BadFramesStatus.model_validate(output["badFrames"]) if "badFrames" in output else None,
            completion_time=self._now.replace(microsecond=0),
        )
        message = result.message or uri
        self._condition(kube.COMPLETE, "True", names.SUCCEEDED, message)
        self._events.append(Event("Normal", names.SUCCEEDED, message))
        return self._plan(None)

    def _failed(self, stage: str, job: StageJob) -> Plan:
        pod = culprit(self._observed.pods_of(job))
        result = pod.result if pod else None
        if stage == kube.MUX and result is not None and result.reason == names.NOT_READY:
            # A part was removed from the store after it was committed.
            self._condition(kube.SWAP_COMPLETE, "False", names.NOT_READY, result.message)
            self._next_attempt(kube.SWAP, after=self._status.attempts.swap)
            return self._again(kube.MUX, job, result.message)
        if pod is not None and result is None and pod.overfilled:
            return self._disk_too_small(stage, pod)
        if pod is None or result is None:
            reason = names.SEGMENTS_FAILED if stage == kube.SWAP else names.STAGE_FAILED
            last = f" ({last_words(stage, pod)})" if pod else ""
            message = (
                f"{stage}: {job.failed_message or job.failed_reason}{last}: see `recast logs {self._resource.name}`"
            )
            code = (pod.exit_code if pod else None) or exitcodes.TRY_AGAIN
            return self.fail(reason, message, code, segment=None, pod=pod.name if pod else None)
        where = f"segment {result.segment}: " if result.segment is not None and stage == kube.SWAP else ""
        segment = result.segment if stage == kube.SWAP else None
        message = f"{stage}: {where}{result.message.removeprefix(where)}"
        if result.reason == names.CONTENT_REFUSED:
            self._update(content_check=ContentCheckStatus(state="Refused"))
        return self.fail(result.reason, message, result.code, segment=segment, pod=pod.name)

    def _again(self, stage: str, job: StageJob, why: str) -> Plan:
        if job.attempt + 1 >= MOST_ATTEMPTS:
            return self.fail(names.STAGE_FAILED, f"{stage}: {why}, {MOST_ATTEMPTS} times", exitcodes.TRY_AGAIN)
        self._next_attempt(stage, after=job.attempt)
        return self._stage()
