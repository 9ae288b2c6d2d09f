"""Pure: conditions by Kubernetes' API conventions; the time changes only where the status does."""

from datetime import datetime
from typing import Literal

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
