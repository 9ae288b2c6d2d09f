"""Pure: what is left to do for a FaceSwapJob that has finished or is being deleted: stop, remove scratch, let it go."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from controller.planning.actions import Action, CreateJob, DeleteJob, DeleteResource, Event, Plan, SetFinalizer
from controller.planning.conditions import with_readiness
from controller.planning.objects import PodSettings, make_job
from controller.planning.observed import Observed, StageJob
from controller.planning.stuck import PASSING, find_stuck
from recast import names
from recast.kube import names as kube
from recast.layout import job_folder
from recast.spec import JobSpec
from recast.status import JobStatus

LOOK_AGAIN_SECONDS = 10.0
PODS_KEPT = timedelta(hours=1)
"""Of a job that succeeded, for their logs: ended pods fill quotas, and thousands of them a cluster's own limit."""
CLEANUP_GIVES_UP = timedelta(minutes=10)


def plan_finished(observed: Observed, settings: PodSettings, since: datetime, now: datetime) -> Plan:
    """Leave a finished job as it is, but for its pods, until its time to live is over."""
    resource = observed.resource
    # What may still be changed of a job that is done, its time to live say, was seen, too.
    seen = resource.status.model_copy(update={"observed_generation": resource.generation})
    status = with_readiness(seen, generation=resource.generation, now=now)
    actions: list[Action] = [*stop(observed)]
    again: list[float] = []
    if resource.status.is_true(kube.FAILED) and _removes_scratch(resource.spec):
        if actions or observed.pods_but(kube.CLEANUP):
            again.append(LOOK_AGAIN_SECONDS)
        elif _last_cleanup(observed) is None:
            actions += _cleanup(observed, settings)
    ended = [job for job in observed.jobs if not job.live and not job.deleting]
    if resource.status.is_true(kube.COMPLETE) and ended:
        if (left := (since + PODS_KEPT - now).total_seconds()) > 0:
            again.append(left + 0.5)
        else:
            actions += [DeleteJob(job.name, job.uid) for job in ended]
    lifetime = resource.spec.get("ttlSecondsAfterFinished")
    if lifetime is not None and lifetime != "Never":
        if (left := (since + timedelta(seconds=int(lifetime)) - now).total_seconds()) <= 0:
            return Plan(resource.status, (*actions, DeleteResource()))
        again.append(left + 0.5)
    return Plan(status, tuple(actions), again_seconds=min(again, default=None))


def plan_deletion(observed: Observed, settings: PodSettings, since: datetime, now: datetime) -> Plan:
    """Stop what runs; then remove scratch, where that was asked for, and let the object go."""
    resource = observed.resource
    if kube.FINALIZER not in resource.finalizers:
        return Plan(resource.status)
    stages = [job for job in observed.jobs if job.stage != kube.CLEANUP]
    cleanup = _last_cleanup(observed)
    if cleanup is not None and cleanup.failed_reason and cleanup.created < since:
        # It failed when the job did, of the same cause as like as not: that may be over.
        cleanup = None
    if resource.status.start_time is None:
        if not stages:
            return Plan(resource.status, (SetFinalizer(False),))
        # Its Job was created, and no status written any more.
        begun = {"start_time": now.replace(microsecond=0), "images": settings.images}
        resource = replace(resource, status=resource.status.model_copy(update=begun))
        observed = replace(observed, resource=resource)
    if cleanup is not None and cleanup.complete:
        return Plan(resource.status, (SetFinalizer(False),))
    if why := _hopeless_cleanup(observed, cleanup, since, now):
        scratch = job_folder(
            scratch=resource.spec["storage"]["scratch"], namespace=resource.namespace, name=resource.name
        )
        kept = Event("Warning", names.SCRATCH_KEPT, f"scratch was not removed: {why}: remove {scratch} by hand")
        return Plan(resource.status, (SetFinalizer(False),), (kept,))
    actions: list[Action] = [*stop(observed)]
    if cleanup is None and not any(job.live for job in stages) and not observed.pods_but(kube.CLEANUP):
        actions += _cleanup(observed, settings)
    return Plan(resource.status, tuple(actions), again_seconds=LOOK_AGAIN_SECONDS)


def _last_cleanup(observed: Observed) -> StageJob | None:
    jobs = [job for job in observed.jobs if job.stage == kube.CLEANUP]
    return max(jobs, key=lambda job: job.attempt, default=None)


def _hopeless_cleanup(observed: Observed, cleanup: StageJob | None, since: datetime, now: datetime) -> str | None:
    """Why scratch will not be removed: what lacks its Secret, say, does not hold up a deletion."""
    if cleanup is not None:
        if cleanup.failed_reason:
            return cleanup.failed_message or cleanup.failed_reason
        stuck = find_stuck(cleanup, observed.pods_of(cleanup), observed.refusals, now)
        if stuck is not None and (stuck.reason not in PASSING or now - since > CLEANUP_GIVES_UP):
            return stuck.message
    return "it took too long" if now - since > CLEANUP_GIVES_UP else None


def _removes_scratch(spec: Any) -> bool:
    return bool(spec.get("storage", {}).get("retain") == "Never")


def _cleanup(observed: Observed, settings: PodSettings) -> list[Action]:
    resource = observed.resource
    if resource.status.start_time is None:
        return []
    try:
        spec = JobSpec.model_validate(dict(resource.spec), extra="ignore")
    except ValidationError:
        # Of an older version: nobody knows any more where its scratch is.
        return []
    images = pinned(settings, resource.status)
    last = _last_cleanup(observed)
    manifest = make_job(
        resource,
        spec,
        kube.CLEANUP,
        attempt=0 if last is None else last.attempt + 1,
        run=resource.status.run,
        segments=1,
        settings=images,
    )
    return [CreateJob(manifest)]


def stop(observed: Observed) -> list[Action]:
    """Delete every Job that may still make pods."""
    return [DeleteJob(job.name, job.uid) for job in observed.jobs if job.live and job.stage != kube.CLEANUP]


def pinned(settings: PodSettings, status: JobStatus) -> PodSettings:
    """The administrator's defaults, with the images that the job began with."""
    return replace(settings, images=status.images) if status.images else settings
