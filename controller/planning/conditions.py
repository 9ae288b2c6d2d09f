"""Pure: conditions by Kubernetes' API conventions; the time changes only where the status does."""

from datetime import datetime
from typing import Literal

from recast import names
from recast.kube import names as kube
from recast.status import MESSAGE_LIMIT, Condition, JobStatus


def with_condition(
    status: JobStatus,
    type_: str,
    value: Literal["True", "False", "Unknown"],
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> JobStatus:
    """Set a condition; gives the same object where nothing changed."""
    before = status.condition(type_)
    since = before.last_transition_time if before and before.status == value else now.replace(microsecond=0)
    after = Condition(
        type=type_,
        status=value,
        reason=reason,
        message=message[:MESSAGE_LIMIT],
        last_transition_time=since,
        observed_generation=generation,
    )
    if after == before:
        return status
    others = tuple(each for each in status.conditions if each.type != type_)
    # In the order of their types, so that a status reads alike each time.
    conditions = tuple(sorted((*others, after), key=lambda each: each.type))
    return status.model_copy(update={"conditions": conditions})


def without_condition(status: JobStatus, type_: str) -> JobStatus:
    """Remove a condition; gives the same object where there is none."""
    if status.condition(type_) is None:
        return status
    return status.model_copy(update={"conditions": tuple(each for each in status.conditions if each.type != type_)})


def with_readiness(status: JobStatus, *, generation: int, now: datetime) -> JobStatus:
    """Add what GitOps tools and `kubectl wait` go by, whatever the kind of object: kstatus' conditions.

    They wait while Ready is False, and give up where Stalled is True: so is a job that failed.
    """
    failed, stalled = status.condition(kube.FAILED), status.condition(kube.STALLED)
    if failed is not None:
        status = with_condition(
            status, kube.STALLED, "True", failed.reason, failed.message, generation=generation, now=now
        )
    complete, suspended = status.condition(kube.COMPLETE), status.condition(kube.SUSPENDED)
    if complete is not None:
        return with_condition(
            status, kube.READY, "True", complete.reason, complete.message, generation=generation, now=now
        )
    why = failed or stalled or (suspended if status.is_true(kube.SUSPENDED) else None)
    reason, message = (why.reason, why.message) if why else (names.PROGRESSING, f"not done yet: {status.phase}")
    return with_condition(status, kube.READY, "False", reason, message, generation=generation, now=now)
