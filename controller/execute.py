"""Carries a plan out: its actions in order, then one status write, then its events.

Killed between any two of these, the next look finds what was done and goes on: every action may come twice.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controller.planning.actions import (
    Action,
    CreateJob,
    DeleteJob,
    DeleteResource,
    Event,
    Plan,
    ScaleJob,
    SetFinalizer,
    SuspendJob,
)
from controller.planning.conditions import with_condition, with_readiness
from controller.planning.observed import StageJob, project_job
from recast import log
from recast import names as reasons
from recast.errors import Bug, Transient
from recast.kube import names
from recast.kube.api import KubeApi, collection, item
from recast.kube.errors import AlreadyExists, ApiError, ApiNotFound, Forbidden, Invalid
from recast.kube.resource import Resource, read_resource
from recast.layout import sha256_hex
from recast.status import JobStatus

JOBS = ("batch/v1", "jobs")
EVENTS = ("v1", "events")
RESOURCES = (names.API_VERSION, names.PLURAL)
MESSAGE_LIMIT = 1024
"""Of an event, by the API."""


class LeaseLost(Transient):
    """Another controller may be at work: nothing more is written."""


class Executor:
    """Writes to the API server, and nothing but what plans ask for.

    Args:
        api: the connection.
        identity: this controller's name, for events.
        may_write: asked before each write: whether this controller still holds the lease.
    """

    def __init__(self, api: KubeApi, identity: str, may_write: Callable[[], bool]) -> None:
        self._api, self._identity, self._may_write = api, identity, may_write

    def run(self, resource: Resource, plan: Plan, *, write_status: bool) -> tuple[Resource, list[StageJob]]:
        """Carry a plan out.

        Args:
            resource: the FaceSwapJob that it is for.
            plan: what to do.
            write_status: whether the plan's status is to be written.

        Returns:
            The FaceSwapJob as it now stands, and the Jobs that were created.

        Raises:
            Conflict: somebody else has written to it since it was seen.
            ApiError: the API server refuses something, which the status says then, or is in trouble.
        """
        changes = plan.status != resource.status
        if not changes:
            # What they tell may be the last there is: the actions may let the FaceSwapJob go.
            self._send_all(resource, plan.events)
        created = []
        try:
            for action in plan.actions:
                resource, job = self._do(resource, action)
                created += [job] if job else []
        except (Forbidden, Invalid) as error:
            self._say_refused(resource, plan, error)
            raise
        if changes and write_status:
            resource = self._write_status(resource, plan.status)
            self._send_all(resource, plan.events)
        return resource, created

    def _check(self) -> None:
        if not self._may_write():
            raise LeaseLost("the lease was lost: another controller goes on")

    def _do(self, resource: Resource, action: Action) -> tuple[Resource, StageJob | None]:
        self._check()
        log.info("action", kind=type(action).__name__, detail=_describe(action))
        try:
            match action:
                case CreateJob(manifest):
                    return resource, self._create(resource, manifest)
                case DeleteJob(name, uid):
                    self._api.delete(self._job(resource, name), uid=uid)
                case SuspendJob(name, suspend):
                    self._api.patch(self._job(resource, name), {"spec": {"suspend": suspend}})
                case ScaleJob(name, parallelism):
                    self._api.patch(self._job(resource, name), {"spec": {"parallelism": parallelism}})
                case SetFinalizer(present):
                    return self._set_finalizer(resource, present), None
                case DeleteResource():
                    self._api.delete(self._path(resource), uid=resource.uid)
        except ApiNotFound as error:
            # What is seen is older than what is: the next look sees it.
            log.info("action is out of date", kind=type(action).__name__, detail=str(error))
        return resource, None

    def _create(self, resource: Resource, manifest: dict[str, Any]) -> StageJob | None:
        try:
            return project_job(self._api.create(collection(*JOBS, resource.namespace), manifest))
        except AlreadyExists:
            name = manifest["metadata"]["name"]
            owners = self._api.get(self._job(resource, name))["metadata"].get("ownerReferences", ())
            if all(owner["uid"] != resource.uid for owner in owners):
                raise Bug(f"job {resource.namespace}/{name} belongs to something else: delete or rename it") from None
        except Forbidden as error:
            # A namespace that is being deleted takes no Job; its FaceSwapJobs must not hold it up.
            if resource.deleted is None or not error.has_cause("NamespaceTerminating"):
                raise
            self._set_finalizer(resource, False)
        return None

    def _say_refused(self, resource: Resource, plan: Plan, error: ApiError) -> None:
        """Say in the status what the API server does not take: a quota, a policy, a field of its own rules.

        Of the plan's status only what a job begins with is written: the rest is not so yet. Its start is, for the
        deadline counts from there.
        """
        if resource.deleted is not None or resource.status.completion_time is not None:
            return
        message = (
            f"the API server refuses what the next stage needs: {error.said}: once a quota, a policy or a webhook is "
            "mended it goes on by itself, within a minute or so; where a field is refused, delete the FaceSwapJob and "
            "apply it again with that corrected"
        )
        now = datetime.now(UTC)
        begun = {name: getattr(plan.status, name) for name in ("start_time", "images", "content_check")}
        status = with_condition(
            resource.status.model_copy(update=begun),
            names.STALLED,
            "True",
            reasons.PODS_REFUSED,
            message,
            generation=resource.generation,
            now=now,
        )
        status = with_readiness(status, generation=resource.generation, now=now)
        if status != resource.status:
            self._write_status(resource, status)
            self._send_all(resource, [Event("Warning", reasons.PODS_REFUSED, message)])

    def _set_finalizer(self, resource: Resource, present: bool) -> Resource:
        others = [each for each in resource.finalizers if each != names.FINALIZER]
        wanted = [*others, names.FINALIZER] if present else others
        # The resourceVersion refuses the write where somebody else changed the list meanwhile.
        metadata = {"finalizers": wanted, "resourceVersion": resource.resource_version}
        written = self._api.patch(self._path(resource), {"metadata": metadata})
        return replace(resource, resource_version=written["metadata"].get("resourceVersion", ""))

    def _write_status(self, resource: Resource, status: JobStatus) -> Resource:
        self._check()
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {
                "name": resource.name,
                "namespace": resource.namespace,
                "uid": resource.uid,
                # Another controller may have had the lease since: what it has written stands.
                "resourceVersion": resource.resource_version,
            },
            "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
        }
        return read_resource(self._api.replace(self._path(resource) + "/status", body))

    def _send_all(self, resource: Resource, events: Iterable[Event]) -> None:
        for event in events:
            self._check()
            self._send(resource, event)

    def _send(self, resource: Resource, event: Event) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        # Named by what it says: said twice, it is there once.
        key = f"{resource.uid}/{event.reason}/{event.message}"
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{resource.name[:200]}.{sha256_hex(key.encode())[:16]}"},
            "involvedObject": {
                "apiVersion": names.API_VERSION,
                "kind": names.KIND,
                "name": resource.name,
                "namespace": resource.namespace,
                "uid": resource.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:MESSAGE_LIMIT],
            "source": {"component": names.FIELD_MANAGER, "host": self._identity},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": names.FIELD_MANAGER,
            "reportingInstance": self._identity,
        }
        try:
            self._api.create(collection(*EVENTS, resource.namespace), body)
        except AlreadyExists:
            pass
        except Forbidden as error:
            log.warning("event was refused", reason=event.reason, detail=str(error))

    def _path(self, resource: Resource) -> str:
        return item(*RESOURCES, resource.namespace, resource.name)

    def _job(self, resource: Resource, name: str) -> str:
        return item(*JOBS, resource.namespace, name)


def _describe(action: Action) -> str:
    match action:
        case CreateJob(manifest):
            return str(manifest["metadata"]["name"])
        case DeleteJob(name, _) | SuspendJob(name, _) | ScaleJob(name, _):
            return name
        case SetFinalizer(present):
            return "add" if present else "remove"
        case DeleteResource():
            return ""
